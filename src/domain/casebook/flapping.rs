//! The case of what flaps, one channel or several that fall for one cause: it stays open through the ups and downs, and
//! people hear of them gathered. Several are one that is dark while any of them is.

use std::collections::{BTreeMap, BTreeSet};

use crate::domain::{
    case::{Case, Member},
    casebook::{
        Casebook, World,
        telling::{Writing, settle},
    },
    channel::ChannelId,
    evaluation::Moment,
    flapping::{FALLS_KEPT, Flapping, Score},
    happening::{Account, Happening},
    incident::{IncidentEvent, IncidentId},
    notification::{Content, FlappingNews},
    shared::Shared,
};

impl Casebook {
    /// Takes over the scores of channels that flapped before a restart.
    pub(super) fn resume_flapping(&mut self, now: Moment) {
        for kept in self.cases.values_mut() {
            let (is_dark, told_at) = (kept.case.severity().is_some(), kept.case.told_at);
            let Some(flapping) = &mut kept.case.flapping else { continue };
            let score = flapping.resume(told_at, is_dark, now);
            let channels = kept.case.members.iter().map(|member| member.channel.clone());
            self.scores.extend(channels.map(|channel| (channel, score.clone())));
        }
    }

    /// Counts a change for its channel's score. An outage that gets worse on its way is one fall.
    pub(super) fn score(&mut self, happening: &Happening, now: Moment) {
        let incident = &happening.incident;
        let score = || Score::new(now);
        match (happening.event, &happening.account) {
            (IncidentEvent::Opened, _) => {
                let score = self.scores.entry(incident.channel.clone()).or_insert_with(score);
                score.fell(incident.began_at, now);
            }
            (IncidentEvent::Resolved, Account::Change { transition, .. }) => {
                let score = self.scores.entry(incident.channel.clone()).or_insert_with(score);
                score.rose(incident.began_at, transition.since, now);
            }
            (IncidentEvent::Withdrawn, _) => {
                self.scores.remove(&incident.channel);
            }
            _ => {}
        }
    }

    /// Counts what people have been told of a case for each of its channels.
    pub(super) fn count_telling(&mut self, case: &Case, now: Moment) {
        for member in &case.members {
            if let Some(score) = self.scores.get_mut(&member.channel) {
                score.told(now.wall);
            }
        }
    }

    /// The case in which a channel flaps.
    pub(super) fn flapping_case(&self, channel: &ChannelId) -> Option<&IncidentId> {
        let is_of = |case: &&Case| {
            case.flapping.is_some() && case.members.iter().any(|member| member.channel == *channel)
        };
        self.cases().find(is_of).map(|case| &case.id)
    }

    /// Has a case that is about to be opened begin as one of flapping, if its channel has fallen once too often, or half of
    /// its channels have.
    pub(super) fn begin_flapping(&self, case: &mut Case, fell: &Happening, world: &dyn World, now: Moment) {
        let score = |member: &Member| self.scores.get(&member.channel).filter(|score| score.enters());
        let scores: Vec<&Score> = case.members.iter().filter_map(score).collect();
        if scores.is_empty() || 2 * scores.len() < case.members.len() {
            return;
        }
        let confirmation = case.members.iter().map(|member| world.confirmation(&member.channel)).max();
        let door = fell.door.clone();
        case.flapping = Some(Flapping::begin(&scores, door, confirmation.unwrap_or_default(), now));
    }

    /// A channel of a flapping case fell, and the case has taken that in.
    pub(super) fn flaps_down(&self, case: &mut Case, fell: &Happening, world: &dyn World) {
        let channel = &fell.incident.channel;
        let is_alone = case.standing_all().all(|member| member.channel == *channel);
        if let (Some(flapping), Some(score)) = (&mut case.flapping, self.scores.get(channel)) {
            match is_alone {
                true => flapping.fell(score, fell.door.clone(), world.confirmation(channel)),
                false => flapping.stirred(score),
            }
        }
        if case.is_several() {
            keep_latest(case);
        } else {
            let surplus = case.members.len().saturating_sub(FALLS_KEPT);
            case.members.drain(..surplus);
        }
    }

    /// Whether what fell flaps with a case that does: it flaps as well, or stands on the dependency that is known to. What
    /// falls beside it for once is an outage of its own.
    pub(super) fn flaps_with(&self, case: &Case, fell: &Member) -> bool {
        let is_declared = |shared: &Shared| matches!(shared, Shared::Dependency(_));
        self.scores.get(&fell.channel).is_some_and(Score::enters)
            || (case.is_several() && case.common_with(fell).iter().any(is_declared))
    }

    /// What else happened in a flapping case.
    pub(super) fn flaps_on(&self, case: &mut Case, happening: &Happening, now: Moment) {
        let incident = &happening.incident;
        let is_up = case.severity().is_none();
        let Some(flapping) = &mut case.flapping else { return };
        match (happening.transition(), self.scores.get(&incident.channel)) {
            _ if happening.event == IncidentEvent::Worsened => flapping.worsened(now.monotonic),
            (Some(transition), Some(score)) if is_up => {
                flapping.rose(score, incident.began_at, transition.since);
            }
            (Some(_), Some(score)) => flapping.stirred(score),
            _ if is_up => flapping.lost_sight(),
            _ => {}
        }
    }
}

impl Writing<'_> {
    /// Tells of a channel that flaps, if anything is due.
    pub(super) fn tell_flapping(&mut self, case: &mut Case, fresh: &[&Happening], now: Moment) {
        let Some(flapping) = &case.flapping else { return };
        let withdrawn = fresh.iter().find(|happening| happening.event == IncidentEvent::Withdrawn);
        if let Some(withdrawn) = withdrawn.filter(|_| !case.is_several()) {
            case.flapping = None;
            return self.tell_one(case, withdrawn);
        }
        let event =
            if case.tellings == 0 { Some(IncidentEvent::Flapping) } else { flapping.due(now.monotonic) };
        let Some(event) = event else { return };
        let mails = self.mails_of(case, event, |case| self.flapping_letter(case, event));
        self.mails.extend(mails);
        match &mut case.flapping {
            Some(flapping) if event != IncidentEvent::Steady => flapping.told(event, now),
            _ => calm_down(case),
        }
        settle(case, event, self.now);
    }

    fn flapping_letter(&self, case: &Case, event: IncidentEvent) -> Content {
        let (Some(flapping), [.., last]) = (&case.flapping, case.members.as_slice()) else {
            unreachable!("it is asked for a case that flaps, of which something has fallen")
        };
        if case.is_several() {
            return self.group_letter(case, event, |news| Content::compose_flapping_group(news, flapping));
        }
        let door = self.world.door(&last.channel);
        let no_labels = BTreeMap::new();
        Content::compose_flapping(&FlappingNews {
            event,
            case,
            flapping,
            last,
            title: door.as_ref().map_or(&flapping.door.title, |door| door.title),
            kind: door.as_ref().map_or(flapping.door.kind, |door| door.kind),
            labels: door.as_ref().map_or(&no_labels, |door| door.labels),
            is_watched: door.is_some(),
            neighbours: &self.world.neighbours(&[&last.channel]),
            location: self.world.location(),
            letterhead: self.world.letterhead(),
            now: self.now,
        })
    }
}

/// Of each of several channels the latest incident is kept.
fn keep_latest(case: &mut Case) {
    let mut known = BTreeSet::new();
    let mut latest: Vec<Member> = std::mem::take(&mut case.members);
    latest.reverse();
    latest.retain(|member| known.insert(member.channel.clone()));
    latest.reverse();
    case.members = latest;
}

/// It does not flap any more. An outage that stands goes on as any other.
fn calm_down(case: &mut Case) {
    case.flapping = None;
    if case.severity().is_some() {
        case.members.retain(|member| !member.is_over());
        if let [only] = case.members.as_slice() {
            case.common.clone_from(&only.stands_on);
        }
    }
}
