//! Gathers what a decision about a channel needs to know of the rest: who is told, and what else still works.

use std::sync::Arc;

use jiff::Timestamp;

use crate::{
    config::plan::Plan,
    daemon::evaluator::roster::{Post, Roster},
    domain::{
        channel::ChannelId,
        decision::{self, Decision},
        evaluation::{State, Transition},
        notification::{Absence, Letterhead, Neighbour, Subject},
    },
};

/// Decides what a channel's transition leads to.
pub(crate) fn decide(
    roster: &Roster,
    place: usize,
    transition: &Transition,
    plan: &Plan,
    now: Timestamp,
) -> Decision {
    let post = &roster.posts()[place];
    let team = post.plan.team.as_ref().and_then(|team| plan.teams.get(team));
    // Only an incident is told of, so a first `up` need not look at every other channel.
    let is_told = post.incident.is_some() || matches!(transition.to, State::Dark | State::Degraded);
    let neighbours = if is_told { neighbours(roster, place) } else { Vec::new() };
    let subject = Subject {
        channel: &post.id,
        title: &post.plan.title,
        kind: post.plan.kind,
        location: &plan.boot.location,
        recipients: team.map_or(&[], |team| &team.mail),
        neighbours: &neighbours,
        letterhead: letterhead(plan),
    };
    decision::decide(&subject, &post.plan.rules, post.incident.as_deref(), transition, now)
}

/// Withdraws the incident of a channel that is not in the plan; gives the state that the channel leaves as well. None
/// where no incident is open.
pub(crate) fn withdraw(
    roster: &Roster,
    id: &ChannelId,
    plan: &Plan,
    now: Timestamp,
) -> Option<(Decision, State)> {
    let absentee = roster.absent().get(id)?;
    let absence =
        Absence { since: absentee.since?.wall, location: &plan.boot.location, letterhead: letterhead(plan) };
    let decision = decision::withdraw(absentee.memory.incident.as_ref()?, &absence, now);
    Some((decision, absentee.memory.state))
}

fn letterhead(plan: &Plan) -> Letterhead<'_> {
    Letterhead {
        mail_host: plan.mail.as_ref().map_or("localhost", |mail| host_of(&mail.from)),
        public_url: plan.public_url.as_deref(),
        time_zone: &plan.time_zone,
        config: &plan.path,
    }
}

/// All other channels, as far as customers may be sent there.
fn neighbours(roster: &Roster, place: usize) -> Vec<Neighbour> {
    let hosts: Vec<&Arc<str>> = roster.posts()[place].hosts().collect();
    let others = roster.posts().iter().enumerate().filter(|(other, _)| *other != place);
    let neighbour = |(_, post): (usize, &Post)| Neighbour {
        channel: post.id.clone(),
        title: post.plan.title.clone(),
        state: post.state.outlook(),
        shares_host: post.hosts().any(|host| hosts.contains(&host)),
    };
    others.map(neighbour).collect()
}

/// The host of a From header such as `Lamplighter <lamplighter@example.com>`.
fn host_of(from: &str) -> &str {
    from.rsplit_once('@').map_or("localhost", |(_, host)| host.trim_end_matches('>').trim())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn message_ids_are_made_on_the_host_of_the_from_address() {
        assert_eq!(host_of("Lamplighter <lamplighter@example.com>"), "example.com");
        assert_eq!(host_of("lamplighter@example.com"), "example.com");
        assert_eq!(host_of("\"a@b\" <lamplighter@example.com>"), "example.com");
    }
}
