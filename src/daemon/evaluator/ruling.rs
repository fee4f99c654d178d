//! Gathers what a decision about a channel needs to know of the rest: who is told, and what else still works.

use std::sync::Arc;

use jiff::Timestamp;

use crate::{
    config::plan::Plan,
    daemon::evaluator::{
        held::Held,
        roster::{Post, Roster},
    },
    domain::{
        channel::ChannelId,
        decision::{self, Decision},
        evaluation::{State, Transition},
        exhibit::{self, Exhibit, small_picture},
        notification::{Absence, Letterhead, Neighbour, Proof, Subject},
    },
    evidence::Bundle,
};

/// Decides what a channel's transition leads to, and what is kept as evidence of it: of each into trouble or out of it,
/// whether people hear of it or not. `keeps` says whether any is kept.
pub(crate) fn decide(
    roster: &Roster,
    place: usize,
    transition: &Transition,
    plan: &Plan,
    keeps: Keeps,
    now: Timestamp,
) -> (Decision, Option<Bundle>) {
    let post = &roster.posts()[place];
    let team = post.plan.team.as_ref().and_then(|team| plan.teams.get(team));
    // Only an incident is told of, so a first `up` need not look at every other channel.
    let is_told = post.incident.is_some() || matches!(transition.to, State::Dark | State::Degraded);
    let neighbours = if is_told { neighbours(roster, place) } else { Vec::new() };
    let held = transition
        .evidence
        .probe
        .as_ref()
        .and_then(|probe| post.probes.iter().find(|lookout| lookout.plan.key == *probe)?.held.as_deref());
    let name = exhibit::bundle_name(&post.id, transition);
    let picture = held.and_then(|held| small_picture(&held.latest));
    let is_bad = matches!(transition.to, State::Dark | State::Degraded);
    let proof = Proof { bundle: &name, picture: picture.filter(|_| is_bad) };
    let subject = Subject {
        channel: &post.id,
        title: &post.plan.title,
        kind: post.plan.kind,
        location: &plan.boot.location,
        recipients: team.map_or(&[], |team| &team.mail),
        neighbours: &neighbours,
        letterhead: letterhead(plan),
        proof: (keeps == Keeps::Evidence).then_some(proof),
    };
    let decision = decision::decide(&subject, &post.plan.rules, post.incident.as_deref(), transition, now);
    // A first look that finds all well is no news.
    let is_trouble = |state| matches!(state, State::Dark | State::Degraded);
    let is_news = decision.event.is_some() || is_trouble(transition.from) || is_trouble(transition.to);
    let is_kept = keeps == Keeps::Evidence && is_news;
    let bundle = is_kept.then(|| Bundle {
        channel: post.id.to_string(),
        incident: decision.incident.as_ref().map(|incident| incident.id.to_string()),
        at: transition.at,
        files: files(transition, held),
        name,
    });
    (decision, bundle)
}

/// Whether evidence is kept.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Keeps {
    /// It is.
    Evidence,
    /// There is nowhere to keep it.
    Nothing,
}

/// The change itself with its runs and phases, and what the first run that did not go well has left, and the latest.
fn files(transition: &Transition, held: Option<&Held>) -> Vec<(String, Arc<[u8]>)> {
    let change = serde_json::to_vec_pretty(transition).expect("a transition is always JSON");
    let mut files = vec![("change.json".to_owned(), change.into())];
    if let Some(held) = held {
        let is_only_one = Arc::ptr_eq(&held.first, &held.latest);
        let runs = [Some(("first", &held.first)), (!is_only_one).then_some(("latest", &held.latest))];
        for (run, exhibits) in runs.into_iter().flatten() {
            let file = |exhibit: &Exhibit| {
                let name = format!("{run}-{}.{}", exhibit.name, exhibit.medium.extension());
                (name, Arc::clone(&exhibit.bytes))
            };
            files.extend(exhibits.iter().map(file));
        }
    }
    files
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

/// What is the same in every mail.
pub(crate) fn letterhead(plan: &Plan) -> Letterhead<'_> {
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
