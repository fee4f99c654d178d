//! The case of a channel that flaps alone: it stays open through the ups and downs, and people hear of them gathered.
//! A channel that falls within a case of several is told with that case as ever.

use std::collections::BTreeMap;

use crate::domain::{
    case::Case,
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
};

impl Casebook {
    /// Takes over the scores of channels that flapped before a restart.
    pub(super) fn resume_flapping(&mut self, now: Moment) {
        for kept in self.cases.values_mut() {
            let (is_dark, told_at) = (kept.case.severity().is_some(), kept.case.told_at);
            if let (Some(flapping), [first, ..]) = (&mut kept.case.flapping, kept.case.members.as_slice()) {
                self.scores.insert(first.channel.clone(), flapping.resume(told_at, is_dark, now));
            }
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

    /// The case of a channel that flaps.
    pub(super) fn flapping_case(&self, channel: &ChannelId) -> Option<&IncidentId> {
        let is_of = |case: &&Case| {
            case.flapping.is_some() && case.members.first().is_some_and(|first| first.channel == *channel)
        };
        self.cases().find(is_of).map(|case| &case.id)
    }

    /// Has a case that is about to be opened begin as one of flapping, if its channel has fallen once too often.
    pub(super) fn begin_flapping(&self, case: &mut Case, fell: &Happening, world: &dyn World, now: Moment) {
        let channel = &fell.incident.channel;
        let Some(score) = self.scores.get(channel).filter(|score| score.enters() && !case.is_group()) else {
            return;
        };
        case.flapping = Some(Flapping::begin(score, fell.door.clone(), world.confirmation(channel), now));
    }

    /// A flapping channel fell again, and its case has taken that in.
    pub(super) fn flaps_down(&self, case: &mut Case, fell: &Happening, world: &dyn World) {
        let channel = &fell.incident.channel;
        if let (Some(flapping), Some(score)) = (&mut case.flapping, self.scores.get(channel)) {
            flapping.fell(score, fell.door.clone(), world.confirmation(channel));
            let surplus = case.members.len().saturating_sub(FALLS_KEPT);
            case.members.drain(..surplus);
        }
    }

    /// What else happened to a flapping channel.
    pub(super) fn flaps_on(&self, case: &mut Case, happening: &Happening, now: Moment) {
        let incident = &happening.incident;
        let Some(flapping) = &mut case.flapping else { return };
        match (happening.transition(), self.scores.get(&incident.channel)) {
            _ if happening.event == IncidentEvent::Worsened => flapping.worsened(now.monotonic),
            (Some(transition), Some(score)) => flapping.rose(score, incident.began_at, transition.since),
            _ => {}
        }
    }
}

impl Writing<'_> {
    /// Tells of a channel that flaps, if anything is due.
    pub(super) fn tell_flapping(&mut self, case: &mut Case, fresh: &[&Happening], now: Moment) {
        let Some(flapping) = &case.flapping else { return };
        if let Some(withdrawn) = fresh.iter().find(|happening| happening.event == IncidentEvent::Withdrawn) {
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
            unreachable!("it is asked for the case of a channel that flaps, which has fallen")
        };
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

/// It does not flap any more. An outage that stands goes on as any other.
fn calm_down(case: &mut Case) {
    case.flapping = None;
    if case.severity().is_some() {
        case.members.retain(|member| !member.is_over());
        case.common = case.members.first().map(|member| member.stands_on.clone()).unwrap_or_default();
    }
}
