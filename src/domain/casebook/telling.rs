//! What people are told of one case, and whom.

use std::{collections::BTreeMap, time::Duration};

use jiff::Timestamp;

use crate::domain::{
    case::{Case, Member, Told},
    casebook::{Draft, GATHER_FOR, GATHER_MAX, World, ladder, quiet},
    channel::ChannelId,
    evaluation::Moment,
    happening::{Account, Happening},
    incident::{Incident, IncidentEvent, Severity, message_id},
    notification::{Absence, Content, GroupNews, News, Notification, Plate, Proof, Recipient, Subject},
    shared::Shared,
    urgency::Urgency,
};

/// When what was gathered for a case is told; none if nothing was.
pub(super) fn next_at(case: &Case, told_at: Duration, eased_at: Option<Duration>) -> Option<Duration> {
    if let Some(flapping) = &case.flapping {
        return Some(flapping.next_at());
    }
    // Of a channel that people have not heard of they hear soon; of those that come and go ever more rarely.
    let doubled =
        GATHER_FOR.saturating_mul(1_u32.checked_shl(case.tellings.saturating_sub(2)).unwrap_or(u32::MAX));
    let again_at = told_at + doubled.min(GATHER_MAX);
    let untold = || case.members.iter().filter(|member| !member.is_told);
    let is_known =
        |member: &Member| case.members.iter().any(|other| other.is_told && other.channel == member.channel);
    let spread = untold().any(|member| !is_known(member)).then(|| told_at + GATHER_FOR);
    let again = untold().next().is_some().then_some(again_at);
    let eased = eased_at.map(|since| (since + GATHER_FOR).max(again_at));
    [spread, again, eased].into_iter().flatten().min()
}

/// Writes what is to be told, if anything; gives the case as it stands then.
pub(super) fn tell(draft: Draft<'_>, world: &dyn World, now: Moment) -> (Case, Vec<Notification>) {
    let is_due = next_at(&draft.case, draft.told_at, draft.eased_at).is_some_and(|at| at <= now.monotonic);
    let Draft { mut case, fresh, age, .. } = draft;
    let mut desk = Writing { world, now: now.wall, mails: Vec::new() };
    if case.is_done() {
        // What was held of it is all that is left to be told.
    } else if case.flapping.is_some() {
        desk.tell_flapping(&mut case, &fresh, now);
    } else if case.is_group() {
        match news_of_group(&case, &fresh, is_due) {
            Some(event) => desk.tell_group(&mut case, event),
            None => desk.tell_newcomers(&mut case),
        }
        // What began and ended unseen is told as both.
        if case.closed_at.is_none() && case.members.iter().all(Member::is_over) {
            desk.tell_group(&mut case, IncidentEvent::Resolved);
        }
    } else {
        for happening in fresh {
            desk.tell_one(&mut case, happening);
        }
    }
    let climbed = ladder::climb(&mut case, age, world, now);
    desk.mails.extend(climbed);
    (case, desk.mails)
}

/// Who is to hear of a channel that has joined a case, and knows nothing of the case yet.
pub(super) fn newcomers(case: &Case, member: &Member, world: &dyn World) -> Vec<Recipient> {
    let team = ladder::team(member, world);
    let recipients = team.map(|team| world.recipients(&team)).unwrap_or_default();
    recipients.into_iter().filter(|one| !case.has_told(one)).collect()
}

/// What is told of several channels at once.
fn news_of_group(case: &Case, fresh: &[&Happening], is_due: bool) -> Option<IncidentEvent> {
    let worsened = worsens(case, fresh);
    let has_untold = case.members.iter().any(|member| !member.is_told);
    let is_urgent = case.urgency().is_some_and(Urgency::is_high);
    match () {
        () if case.tellings == 0 => Some(IncidentEvent::Opened),
        () if case.members.iter().all(Member::is_over) => Some(IncidentEvent::Resolved),
        () if worsened => Some(IncidentEvent::Worsened),
        // What was held can wait no longer, since something more urgent has joined it.
        () if !case.held.is_empty() && is_urgent && has_untold => Some(IncidentEvent::Spread),
        () if !is_due => None,
        () if has_untold => Some(IncidentEvent::Spread),
        () => Some(IncidentEvent::Eased),
    }
}

/// Whether all of it is worse than people know. That one more is dark of several is told with the next news.
fn worsens(case: &Case, fresh: &[&Happening]) -> bool {
    let has_worsened = |member: &Member| {
        let of_it = |happening: &&&Happening| happening.incident.id == member.incident;
        fresh.iter().filter(of_it).any(|happening| happening.event == IncidentEvent::Worsened)
    };
    let dark = || case.standing_all().filter(|member| member.severity == Severity::Dark && member.is_told);
    dark().next().is_some() && dark().all(has_worsened)
}

/// Where the mails about one case are written.
pub(super) struct Writing<'w> {
    pub(super) world: &'w dyn World,
    pub(super) now: Timestamp,
    pub(super) mails: Vec<Notification>,
}

impl Writing<'_> {
    /// Tells of one incident that stands alone.
    pub(super) fn tell_one(&mut self, case: &mut Case, happening: &Happening) {
        let event = happening.event;
        let content = |case: &Case| self.letter(case, happening);
        let mails = self.mails_of(case, event, content);
        self.mails.extend(mails);
        settle(case, event, self.now);
    }

    /// Tells of several channels at once.
    fn tell_group(&mut self, case: &mut Case, event: IncidentEvent) {
        let content = |case: &Case| self.group_letter(case, event, Content::compose_group);
        let mails = self.mails_of(case, event, content);
        self.mails.extend(mails);
        settle(case, event, self.now);
    }

    /// Tells those of a team whose first door has just fallen for a cause that others know: they wait for nothing that is
    /// gathered for those.
    fn tell_newcomers(&mut self, case: &mut Case) {
        let mut to: Vec<Recipient> = Vec::new();
        for member in case.members.iter().filter(|member| !member.is_told && !member.is_over()) {
            for newcomer in newcomers(case, member, self.world) {
                if !to.contains(&newcomer) {
                    to.push(newcomer);
                }
            }
        }
        let event = IncidentEvent::Opened;
        to.retain(|one| !quiet::holds(case, one, event, self.world, self.now));
        if to.is_empty() {
            return;
        }
        ladder::note(case, event, &to, self.world, self.now);
        let content = self.group_letter(case, event, Content::compose_group);
        let content = ladder::acknowledged(content, case, self.world);
        let host = self.world.letterhead().mail_host;
        for recipient in to {
            let message_id = message_id(&case.id, event.as_str(), &recipient, host);
            let Recipient { route, address } = recipient;
            let told = Told { route, recipient: address, message_id: message_id.clone() };
            self.mails.push(self.mail(case, event, &told, message_id, None, &content));
            case.told.push(told);
        }
        // The others have read that these would fall.
        let Case { members, expected, .. } = case;
        members
            .iter_mut()
            .filter(|member| expected.contains(&member.channel))
            .for_each(|member| member.is_told = true);
    }

    /// A letter about several channels, as `compose` writes it.
    pub(super) fn group_letter(
        &self,
        case: &Case,
        event: IncidentEvent,
        compose: impl Fn(&GroupNews<'_>) -> Content,
    ) -> Content {
        let concerned: Vec<&ChannelId> = case.members.iter().map(|member| &member.channel).collect();
        let neighbours = self.world.neighbours(&concerned);
        let dependency = case.cause().and_then(|shared| match shared {
            Shared::Dependency(id) => self.world.dependency(id),
            _ => None,
        });
        let plate = |channel: &&ChannelId| {
            let door = self.world.door(channel)?;
            Some(Plate { title: door.title, kind: door.kind, labels: door.labels })
        };
        let plates: Vec<_> = concerned.iter().map(plate).collect();
        compose(&GroupNews {
            event,
            case,
            dependency: dependency.as_ref().map(|dependency| (dependency.title, dependency.is_dark)),
            plates: &plates,
            neighbours: &neighbours,
            location: self.world.location(),
            letterhead: self.world.letterhead(),
            now: self.now,
        })
    }

    /// The letter about one incident.
    fn letter(&self, case: &Case, happening: &Happening) -> Content {
        let incident = &happening.incident;
        let letterhead = self.world.letterhead();
        let location = self.world.location();
        let (transition, bundle) = match &happening.account {
            Account::Change { transition, bundle, .. } => (transition, bundle),
            Account::Absence { since } => {
                let urgencies = case.members.last().map(|member| member.urgencies).unwrap_or_default();
                let absence = Absence { since: *since, urgencies, location, letterhead };
                return Content::withdraw(incident, &absence, self.now);
            }
        };
        let door = self.world.door(&incident.channel);
        let neighbours = self.world.neighbours(&[&incident.channel]);
        let no_labels = BTreeMap::new();
        let subject = Subject {
            channel: &incident.channel,
            title: door.as_ref().map_or(&happening.door.title, |door| door.title),
            kind: door.as_ref().map_or(happening.door.kind, |door| door.kind),
            location,
            team: happening.door.team.as_ref(),
            labels: door.as_ref().map_or(&no_labels, |door| door.labels),
            urgencies: happening.door.urgencies,
            neighbours: &neighbours,
            letterhead,
            proof: bundle.as_ref().map(|bundle| Proof { bundle, picture: happening.picture() }),
        };
        // The thread is the case's, and by its id people ask for it.
        let incident = Incident { id: case.id.clone(), ..incident.clone() };
        let news =
            News { event: happening.event, incident: &incident, transition, now: happening.decided_at };
        Content::compose(&subject, &news)
    }

    /// A mail to everybody who is told. The bad news goes to everybody in the teams; the end of it goes to those who had
    /// the bad news, whoever is in the teams by then, and to nobody else.
    pub(super) fn mails_of(
        &self,
        case: &mut Case,
        event: IncidentEvent,
        content: impl Fn(&Case) -> Content,
    ) -> Vec<Notification> {
        let host = self.world.letterhead().mail_host;
        let word = word(event, case);
        let told_before = case.told.len();
        if !is_end(event) {
            for recipient in self.audience(case) {
                if !case.has_told(&recipient) && !quiet::holds(case, &recipient, event, self.world, self.now)
                {
                    let message_id = message_id(&case.id, &word, &recipient, host);
                    let Recipient { route, address } = recipient;
                    case.told.push(Told { route, recipient: address, message_id });
                }
            }
        }
        let mut to: Vec<Recipient> = case.told.iter().map(Told::recipient).collect();
        to.retain(|one| !quiet::holds(case, one, event, self.world, self.now));
        if to.is_empty() {
            return Vec::new();
        }
        ladder::note(case, event, &to, self.world, self.now);
        let content = ladder::acknowledged(content(case), case, self.world);
        let mail = |(index, told): (usize, &Told)| {
            let message_id = message_id(&case.id, &word, &told.recipient(), host);
            let in_reply_to = (index < told_before).then(|| told.message_id.clone());
            self.mail(case, event, told, message_id, in_reply_to, &content)
        };
        let all = case.told.iter().enumerate();
        all.filter(|(_, told)| to.contains(&told.recipient())).map(mail).collect()
    }

    fn mail(
        &self,
        case: &Case,
        event: IncidentEvent,
        to: &Told,
        message_id: String,
        in_reply_to: Option<String>,
        content: &Content,
    ) -> Notification {
        Notification {
            incident: case.id.clone(),
            event,
            route: to.route,
            recipient: to.recipient.clone(),
            message_id,
            in_reply_to,
            created_at: self.now,
            content: content.clone(),
        }
    }

    /// Everybody who is to hear of what has fallen.
    fn audience(&self, case: &Case) -> Vec<Recipient> {
        let concerned = case.members.iter().filter(|member| !member.is_told || !member.is_over());
        let team = |member: &Member| match self.world.door(&member.channel) {
            Some(door) => door.team.cloned(),
            None => member.team.clone(),
        };
        let mut audience: Vec<Recipient> = Vec::new();
        for recipient in concerned.filter_map(team).flat_map(|team| self.world.recipients(&team)) {
            if !audience.contains(&recipient) {
                audience.push(recipient);
            }
        }
        audience
    }
}

/// Whether it is the end of something.
pub(super) fn is_end(event: IncidentEvent) -> bool {
    matches!(
        event,
        IncidentEvent::Resolved | IncidentEvent::Withdrawn | IncidentEvent::Eased | IncidentEvent::Steady
    )
}

/// People have been told: of everything so far.
pub(super) fn settle(case: &mut Case, event: IncidentEvent, now: Timestamp) {
    case.tellings += 1;
    case.told_at = now;
    let tells_ends = event != IncidentEvent::Opened;
    for member in &mut case.members {
        member.is_told = true;
        if let Some(end) = member.end.as_mut().filter(|_| tells_ends) {
            end.is_told = true;
        }
    }
    if case.is_done() && case.held.is_empty() {
        case.closed_at = Some(now);
    }
}

/// The event as it stands in a Message-ID: what can happen again has a number.
fn word(event: IncidentEvent, case: &Case) -> String {
    let once = match event {
        IncidentEvent::Opened | IncidentEvent::Resolved | IncidentEvent::Withdrawn => true,
        IncidentEvent::Worsened => !case.is_group(),
        IncidentEvent::Flapping | IncidentEvent::Steady => true,
        _ => false,
    };
    if once { event.as_str().to_owned() } else { format!("{}-{}", event.as_str(), case.tellings) }
}
