//! Quiet hours: while those of a team last, it is not told of cases that are of low urgency. What it would have been told is
//! held, in the record of the case, and told in one letter for each recipient as soon as nothing holds it any more: at the
//! end of the quiet hours, or sooner where the team has none any more.
//!
//! Nothing here remembers whether it is quiet: that is asked for the moment in hand. So a clock that leaps, a restart or
//! another configuration changes when something is told and never whether.

use std::{
    collections::{BTreeMap, BTreeSet},
    time::Duration,
};

use jiff::Timestamp;

use crate::domain::{
    case::{Case, Held, Told},
    casebook::{Kept, World, ladder, telling},
    channel::{ChannelId, TeamId},
    evaluation::Moment,
    incident::{IncidentEvent, IncidentId, Severity, fingerprint, message_id},
    notification::{Content, HeldCase, HeldNews, Notification, Plate, Recipient},
    shared::Shared,
    urgency::Urgency,
};

/// Whether a team is not told of a case now.
pub(super) fn is_held(case: &Case, team: &TeamId, world: &dyn World, now: Timestamp) -> bool {
    let is_low = case.urgency().is_none_or(|urgency| !urgency.is_high());
    is_low && world.quiet(team).is_some_and(|quiet| quiet.is_open(now))
}

/// The team by whose quiet hours somebody is not told of a case now; none if they are. Who hears of it through several teams
/// is told while it is not quiet for one of them.
pub(super) fn holder(
    case: &Case,
    recipient: &Recipient,
    world: &dyn World,
    now: Timestamp,
) -> Option<TeamId> {
    if case.urgency().is_some_and(Urgency::is_high) {
        return None;
    }
    let teams: BTreeSet<TeamId> =
        case.members.iter().filter_map(|member| ladder::team(member, world)).collect();
    let mut teams = teams.into_iter().filter(|team| tells(team, recipient, world));
    let first = teams.next().filter(|team| is_held(case, team, world, now))?;
    teams.all(|team| is_held(case, &team, world, now)).then_some(first)
}

/// Whether somebody hears of what befalls a team, sooner or later.
fn tells(team: &TeamId, recipient: &Recipient, world: &dyn World) -> bool {
    let is_step = || {
        let steps = world.ladder(team).into_iter().flat_map(|ladder| &ladder.steps);
        steps.flat_map(|step| &step.to).any(|to| to == recipient)
    };
    world.recipients(team).contains(recipient) || is_step()
}

/// Whether this news is held for somebody now; if so, that is put down. What keeps an alert for each incident hears of the
/// end of one at any hour, since nobody is woken by it, and needs no reminder.
pub(super) fn holds(
    case: &mut Case,
    recipient: &Recipient,
    event: IncidentEvent,
    world: &dyn World,
    now: Timestamp,
) -> bool {
    let keeps_alerts = world.keeps_alerts(recipient);
    if keeps_alerts && telling::is_end(event) {
        return false;
    }
    let Some(team) = holder(case, recipient, world, now) else {
        // Who is told this has no need of what was held before.
        case.held.iter_mut().for_each(|held| held.to.retain(|one| one != recipient));
        case.held.retain(|held| !held.to.is_empty());
        return false;
    };
    let is_repetition = matches!(event, IncidentEvent::Reminder | IncidentEvent::Summary);
    if !(keeps_alerts && is_repetition) {
        put_down(case, team, recipient, now);
    }
    true
}

fn put_down(case: &mut Case, team: TeamId, recipient: &Recipient, now: Timestamp) {
    let at = case.held.iter().position(|held| held.team == team).unwrap_or_else(|| {
        case.held.push(Held { team, since: now, to: Vec::new() });
        case.held.len() - 1
    });
    let to = &mut case.held[at].to;
    if !to.contains(recipient) {
        to.push(recipient.clone());
    }
}

/// Whether a team is still to be told that a case began.
pub(super) fn is_to_be_told(case: &Case, team: &TeamId) -> bool {
    let of_team = case.held.iter().filter(|held| held.team == *team);
    of_team.flat_map(|held| &held.to).any(|one| !case.has_told(one))
}

impl Kept {
    /// Whether something is held of it that nothing holds any more.
    pub(super) fn has_released(&self, world: &dyn World, now: Timestamp) -> bool {
        self.case.held.iter().any(|held| !is_held(&self.case, &held.team, world, now))
    }
}

/// What one recipient is told at once.
#[derive(Debug)]
struct Parcel {
    since: Timestamp,
    /// Places among the cases.
    cases: Vec<usize>,
}

/// Tells what nothing holds any more of these cases, each with the time for which it has been dark. What still stands counts
/// as told from here on.
pub(super) fn release(cases: &mut [(Case, Duration)], world: &dyn World, now: Moment) -> Vec<Notification> {
    let mut parcels: BTreeMap<Recipient, Parcel> = BTreeMap::new();
    let mut released = BTreeSet::new();
    for (place, (case, age)) in cases.iter_mut().enumerate() {
        for held in freed(case, world, now.wall) {
            released.insert(place);
            if held.to.iter().any(|one| !case.has_told(one)) && case.ascent.began_at.is_some() {
                case.ascent.told_late.insert(held.team.clone(), *age);
            }
            for recipient in those(case, &held, world) {
                let new = || Parcel { since: held.since, cases: Vec::new() };
                let parcel = parcels.entry(recipient).or_insert_with(new);
                parcel.since = parcel.since.min(held.since);
                parcel.cases.extend(Some(place).filter(|place| !parcel.cases.contains(place)));
            }
        }
    }
    let mut mails = Vec::new();
    for (recipient, parcel) in &parcels {
        mails.extend(written(recipient, parcel, cases, world, now.wall));
    }
    for place in released {
        let case = &mut cases[place].0;
        let has_it = |to: &Recipient| case.severity().is_some() || !world.keeps_alerts(to);
        let those = parcels.iter().filter(|(_, parcel)| parcel.cases.contains(&place)).map(|(to, _)| to);
        let to: Vec<&Recipient> = those.filter(|to| has_it(to)).collect();
        if !to.is_empty() {
            case.ascent.note(now.wall, IncidentEvent::Held, to.into_iter());
        }
        if case.ascent.began_at.is_none() && case.severity() == Some(Severity::Dark) {
            case.ascent.began_at = Some(now.wall);
        }
        if case.is_done() && case.held.is_empty() {
            case.closed_at = Some(now.wall);
        }
    }
    mails
}

/// Takes out of a case what nothing holds any more.
fn freed(case: &mut Case, world: &dyn World, now: Timestamp) -> Vec<Held> {
    let all = std::mem::take(&mut case.held);
    let (kept, freed) = all.into_iter().partition(|held| is_held(case, &held.team, world, now));
    case.held = kept;
    freed
}

/// Who is told what was held for a team. The bad news is for those who are in it by now; what came after it, for those who
/// had the bad news.
fn those(case: &Case, held: &Held, world: &dyn World) -> Vec<Recipient> {
    let is_meant = |one: &&Recipient| case.has_told(one) || tells(&held.team, one, world);
    let mut those: Vec<Recipient> = held.to.iter().filter(is_meant).cloned().collect();
    if held.to.iter().any(|one| !case.has_told(one)) {
        for recipient in world.recipients(&held.team) {
            if !case.has_told(&recipient) && !those.contains(&recipient) {
                those.push(recipient);
            }
        }
    }
    // A team that has left the configuration meanwhile is told all the same.
    if those.is_empty() { held.to.clone() } else { those }
}

/// The letter to one recipient; to one that keeps alerts, each incident that still stands in a message of its own.
fn written(
    recipient: &Recipient,
    parcel: &Parcel,
    cases: &mut [(Case, Duration)],
    world: &dyn World,
    now: Timestamp,
) -> Vec<Notification> {
    let keeps_alerts = world.keeps_alerts(recipient);
    let meant = |case: &Case| !keeps_alerts || case.severity().is_some();
    let places: Vec<usize> = parcel.cases.iter().copied().filter(|place| meant(&cases[*place].0)).collect();
    let letters: Vec<Vec<usize>> =
        if keeps_alerts { places.into_iter().map(|place| vec![place]).collect() } else { vec![places] };
    let mut mails = Vec::new();
    for places in letters {
        let of: Vec<&Case> = places.iter().map(|place| &cases[*place].0).collect();
        let Some(first) = of.first() else { continue };
        let id = if keeps_alerts { first.id.clone() } else { id(parcel.since, &first.id) };
        let message_id =
            message_id(&id, IncidentEvent::Held.as_str(), recipient, world.letterhead().mail_host);
        let mut content = content(&id, parcel.since, &of, world, now);
        if keeps_alerts {
            // It is about that one incident, and no list.
            content.facts.held.clear();
        }
        for place in places {
            let case = &mut cases[place].0;
            if !case.is_done() && !case.has_told(recipient) {
                let Recipient { route, address } = recipient.clone();
                case.told.push(Told { route, recipient: address, message_id: message_id.clone() });
            }
        }
        mails.push(Notification {
            incident: id,
            event: IncidentEvent::Held,
            route: recipient.route,
            recipient: recipient.address.clone(),
            message_id,
            in_reply_to: None,
            created_at: now,
            content,
        });
    }
    mails
}

/// `20261121T020612Z-quiet-hours-39e2`: the same however often it is proposed, and another for whatever is held later.
fn id(since: Timestamp, first: &IncidentId) -> IncidentId {
    let mark = fingerprint(&first.0, 4);
    IncidentId(format!("{}-quiet-hours-{mark}", since.strftime("%Y%m%dT%H%M%SZ")))
}

fn content(id: &IncidentId, since: Timestamp, cases: &[&Case], world: &dyn World, now: Timestamp) -> Content {
    let plates = |case: &Case| -> Vec<Option<Plate<'_>>> {
        let plate = |channel: &ChannelId| {
            let door = world.door(channel)?;
            Some(Plate { title: door.title, kind: door.kind, labels: door.labels })
        };
        case.members.iter().map(|member| plate(&member.channel)).collect()
    };
    let dependency = |case: &Case| match case.cause() {
        Some(Shared::Dependency(id)) => world.dependency(id).map(|it| (it.title, it.is_dark)),
        _ => None,
    };
    let standing: Vec<&ChannelId> =
        cases.iter().flat_map(|case| case.standing_all()).map(|member| &member.channel).collect();
    let held = |case: &&'_ Case| (plates(case), dependency(case));
    let known: Vec<_> = cases.iter().map(held).collect();
    let cases: Vec<HeldCase<'_>> = cases
        .iter()
        .zip(&known)
        .map(|(&case, (plates, dependency))| HeldCase { case, plates, dependency: *dependency })
        .collect();
    Content::compose_held(&HeldNews {
        id,
        since,
        cases: &cases,
        neighbours: &world.neighbours(&standing),
        location: world.location(),
        letterhead: world.letterhead(),
        now,
    })
}
