//! What people are told of a case that stays dark: reminders, ever further apart, and the steps of the ladders of its
//! teams. Both count from when a door of it was first told to be dark, on the monotonic clock, and end when somebody has
//! taken the case in hand.

use std::{collections::BTreeSet, time::Duration};

use jiff::Timestamp;

use crate::domain::{
    case::{Case, Member, Told},
    casebook::{Announcement, Casebook, Kept, World, quiet, telling},
    channel::{ChannelId, TeamId},
    escalation::{Acknowledgement, Ascent, Ladder, Rung, Step},
    evaluation::Moment,
    incident::{IncidentEvent, IncidentId, Severity, message_id},
    notification::{Content, LastingNews, Neighbour, Notification, Plate, Recipient},
    outcome::Detail,
    shared::Shared,
};

/// For how long a case has been dark, on the monotonic clock.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Age {
    /// At a moment.
    was: Duration,
    /// The moment.
    since: Duration,
}

impl Age {
    /// After a restart the time of day is all there is, except that nothing of what has been written down is taken back.
    pub(super) fn restore(ascent: &Ascent, now: Moment) -> Self {
        let told = ascent.began_at.and_then(|began| Duration::try_from(now.wall.duration_since(began)).ok());
        Self { was: told.unwrap_or_default().max(ascent.age), since: now.monotonic }
    }

    /// What it is once a case has been adopted: it begins when the case is first told to be dark.
    pub(super) fn next(before: Option<&Kept>, now: Duration) -> Self {
        match before.filter(|before| before.case.ascent.began_at.is_some()) {
            Some(before) => before.age,
            None => Self { was: Duration::ZERO, since: now },
        }
    }

    pub(super) fn at(self, now: Duration) -> Duration {
        self.was.saturating_add(now.saturating_sub(self.since))
    }
}

impl Casebook {
    /// Decides that somebody has taken a case in hand, which may be named by any of its incidents: from then on nobody is
    /// reminded of it, and nobody else is told. None where there is no such case, or somebody has already.
    #[must_use]
    pub fn acknowledge(&self, incident: &IncidentId, by: &str, now: Moment) -> Option<Announcement> {
        let is_open = |case: &&Case| case.ascent.acknowledged.is_none() && !case.is_done();
        let mut case = self.case_of(incident).filter(is_open)?.clone();
        case.ascent.acknowledged = Some(Acknowledgement { by: Detail::new(by), at: now.wall });
        Some(Announcement { cases: vec![case], ..Announcement::default() })
    }
}

impl Kept {
    /// Whether it is to be told again.
    pub(super) fn has_rungs_due(&self, world: &dyn World, now: Moment) -> bool {
        due(&self.case, self.age.at(now.monotonic), world, now.wall).is_some()
    }
}

/// What is to be told of a case at an age.
#[derive(Debug, Default, PartialEq, Eq)]
struct Due {
    /// Those who know are reminded.
    reminds: bool,
    /// Steps that are done by this.
    done: BTreeSet<Rung>,
    /// Who is told besides.
    escalates_to: Vec<Recipient>,
    /// Who is told the whole story.
    sums_up_for: Vec<Recipient>,
}

/// The teams whose doors are dark, and who have been told so.
fn teams(case: &Case, world: &dyn World) -> BTreeSet<TeamId> {
    let dark = case.standing_all().filter(|member| member.severity == Severity::Dark);
    let teams = dark.filter_map(|member| team(member, world));
    teams.filter(|team| !quiet::is_to_be_told(case, team)).collect()
}

/// The team that is told of an incident: by the configuration, as long as its channel stands there.
pub(super) fn team(member: &Member, world: &dyn World) -> Option<TeamId> {
    match world.door(&member.channel) {
        Some(door) => door.team.cloned(),
        None => member.team.clone(),
    }
}

/// After what span those who know are reminded next, by the team that wants it soonest.
fn reminds_after(case: &Case, teams: &BTreeSet<TeamId>, world: &dyn World) -> Option<Duration> {
    let ladders = teams.iter().filter_map(|team| world.ladder(team));
    ladders.filter_map(|ladder| ladder.reminds_after(case.ascent.reminders)).min()
}

/// Nothing where nothing is due. What has become due unseen, as while nothing ran or in quiet hours, is told at once and
/// once.
fn due(case: &Case, age: Duration, world: &dyn World, now: Timestamp) -> Option<Due> {
    // Of a door that comes and goes people have digests.
    if case.flapping.is_some() {
        return None;
    }
    let ascent = &case.ascent;
    if ascent.began_at.is_none() || ascent.acknowledged.is_some() || case.closed_at.is_some() {
        return None;
    }
    let teams = teams(case, world);
    let mut due = Due::default();
    for team in &teams {
        let Some(Ladder { steps, .. }) = world.ladder(team) else { continue };
        let age = age.saturating_sub(ascent.told_late.get(team).copied().unwrap_or_default());
        let is_new = |step: &&Step| step.after <= age && !ascent.done.contains(&step.rung(team));
        let mut steps = steps.iter().filter(is_new).peekable();
        if steps.peek().is_some() && quiet::is_held(case, team, world, now) {
            continue;
        }
        for step in steps {
            due.done.insert(step.rung(team));
            let to = if step.to.is_empty() { world.recipients(team) } else { step.to.clone() };
            let those = if step.is_summary { &mut due.sums_up_for } else { &mut due.escalates_to };
            let news: Vec<Recipient> = to.into_iter().filter(|one| !those.contains(one)).collect();
            those.extend(news);
        }
    }
    // The whole story says how things stand.
    due.escalates_to.retain(|one| !due.sums_up_for.contains(one));
    let span = reminds_after(case, &teams, world);
    due.reminds = span.is_some_and(|span| ascent.reminded_at_age.saturating_add(span) <= age);
    (due.reminds || !due.done.is_empty()).then_some(due)
}

/// Tells what is due of a case that is being told, and puts down how far it has come.
pub(super) fn climb(case: &mut Case, age: Duration, world: &dyn World, now: Moment) -> Vec<Notification> {
    if case.ascent.began_at.is_none() && case.severity() == Some(Severity::Dark) {
        // Where all who would be told are in their quiet hours, it begins when those are over.
        if case.held.is_empty() || !case.told.is_empty() {
            case.ascent.began_at = Some(now.wall);
        }
        return Vec::new();
    }
    case.ascent.age = case.ascent.age.max(age);
    let Some(Due { reminds, done, escalates_to, sums_up_for }) = due(case, age, world, now.wall) else {
        return Vec::new();
    };
    case.ascent.done.extend(done);
    let mut climbing = Climbing { world, now: now.wall, age, mails: Vec::new() };
    // Those who are told for the first time get no reminder of what they have just read.
    let mut reminded: Vec<Recipient> = case.told.iter().map(Told::recipient).collect();
    reminded.retain(|one| !escalates_to.contains(one) && !sums_up_for.contains(one));
    if reminds {
        case.ascent.reminders += 1;
        case.ascent.reminded_at_age = age;
        climbing.tell(case, IncidentEvent::Reminder, reminded);
    }
    climbing.tell(case, IncidentEvent::Escalated, escalates_to);
    climbing.tell(case, IncidentEvent::Summary, sums_up_for);
    climbing.mails
}

struct Climbing<'w> {
    world: &'w dyn World,
    now: Timestamp,
    age: Duration,
    mails: Vec<Notification>,
}

impl Climbing<'_> {
    fn tell(&mut self, case: &mut Case, event: IncidentEvent, mut to: Vec<Recipient>) {
        to.retain(|one| !quiet::holds(case, one, event, self.world, self.now));
        if to.is_empty() {
            return;
        }
        case.ascent.letters += 1;
        let host = self.world.letterhead().mail_host;
        let word = format!("{}-{}", event.as_str(), case.ascent.letters);
        let content = self.content(case, event);
        case.ascent.note(self.now, event, to.iter());
        for recipient in to {
            let message_id = message_id(&case.id, &word, &recipient, host);
            let known = case.told.iter().find(|told| told.recipient() == recipient);
            let in_reply_to = known.map(|told| told.message_id.clone());
            let Recipient { route, address } = recipient;
            if in_reply_to.is_none() {
                let message_id = message_id.clone();
                case.told.push(Told { route, recipient: address.clone(), message_id });
            }
            self.mails.push(Notification {
                incident: case.id.clone(),
                event,
                route,
                recipient: address,
                message_id,
                in_reply_to,
                created_at: self.now,
                content: content.clone(),
            });
        }
    }

    fn content(&self, case: &Case, event: IncidentEvent) -> Content {
        let concerned: Vec<&ChannelId> = case.members.iter().map(|member| &member.channel).collect();
        let neighbours = self.world.neighbours(&concerned);
        let plate = |channel: &&ChannelId| {
            let door = self.world.door(channel)?;
            Some(Plate { title: door.title, kind: door.kind, labels: door.labels })
        };
        let plates: Vec<_> = concerned.iter().map(plate).collect();
        let dependency = match case.cause() {
            Some(Shared::Dependency(id)) => self.world.dependency(id),
            _ => None,
        };
        let next = reminds_after(case, &teams(case, self.world), self.world)
            .map(|span| case.ascent.reminded_at_age.saturating_add(span).saturating_sub(self.age));
        Content::compose_lasting(&LastingNews {
            event,
            case,
            age: self.age,
            reminds_in: next,
            plates: &plates,
            dependency: dependency.as_ref().map(|dependency| (dependency.title, dependency.is_dark)),
            neighbours: &neighbours,
            location: self.world.location(),
            letterhead: self.world.letterhead(),
            now: self.now,
        })
    }
}

/// Puts down who is told what, and to which doors they are told to send customers, for the summary.
pub(super) fn note(
    case: &mut Case,
    event: IncidentEvent,
    to: &[Recipient],
    world: &dyn World,
    now: Timestamp,
) {
    case.ascent.note(now, event, to.iter());
    if telling::is_end(event) {
        return;
    }
    let concerned: Vec<&ChannelId> = case.members.iter().map(|member| &member.channel).collect();
    let neighbours = world.neighbours(&concerned);
    let open = neighbours.into_iter().filter(Neighbour::is_alternative).map(|neighbour| neighbour.channel);
    case.ascent.offered.extend(open.take(OFFERED_MAX));
}

/// So many doors are named of those that people were told of at once.
const OFFERED_MAX: usize = 8;

/// Has a letter say that somebody has taken the case in hand.
pub(super) fn acknowledged(content: Content, case: &Case, world: &dyn World) -> Content {
    match &case.ascent.acknowledged {
        Some(acknowledgement) => content.acknowledged(acknowledgement, world.letterhead().time_zone),
        None => content,
    }
}
