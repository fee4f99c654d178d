//! Gathers what a decision about a channel needs: its rules, its incident, and the evidence that is kept of the change.

use std::sync::Arc;

use jiff::Timestamp;

use crate::{
    daemon::evaluator::{
        held::Held,
        roster::{Post, Roster},
    },
    domain::{
        channel::{ChannelId, ChannelKind},
        decision::{self, Decision, Kept},
        evaluation::{State, Transition},
        exhibit::{self, Exhibit, small_picture},
        happening::Doorplate,
    },
    evidence::Bundle,
};

/// Decides what a channel's transition leads to, and what is kept as evidence of it: of each into trouble or out of it,
/// whether people hear of it or not. `keeps` says whether any is kept.
pub(crate) fn decide(
    post: &Post,
    transition: &Transition,
    keeps: Keeps,
    now: Timestamp,
) -> (Decision, Option<Bundle>) {
    let held = transition
        .evidence
        .probe
        .as_ref()
        .and_then(|probe| post.probes.iter().find(|lookout| lookout.plan.key == *probe)?.held.as_deref());
    let name = exhibit::bundle_name(&post.id, transition);
    let is_bad = matches!(transition.to, State::Dark | State::Degraded);
    let picture = held.and_then(|held| small_picture(&held.latest)).filter(|_| is_bad).map(Arc::from);
    let door = Doorplate {
        title: post.plan.title.clone(),
        kind: post.plan.kind,
        team: post.plan.team.clone(),
        urgencies: post.plan.urgencies,
    };
    let kept = match keeps {
        Keeps::Evidence => Kept { door, bundle: Some(name.clone()), picture },
        Keeps::Nothing => Kept { door, bundle: None, picture: None },
    };
    if post.plan.kind == ChannelKind::Dependency {
        return (decision::note(&post.id, transition), None);
    }
    let decision =
        decision::decide(&post.id, &post.plan.rules, post.incident.as_deref(), transition, kept, now);
    // A first look that finds all well is no news.
    let is_trouble = |state| matches!(state, State::Dark | State::Degraded);
    let is_news = decision.happening.is_some() || is_trouble(transition.from) || is_trouble(transition.to);
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
pub(crate) fn withdraw(roster: &Roster, id: &ChannelId, now: Timestamp) -> Option<(Decision, State)> {
    let absentee = roster.absent().get(id)?;
    let decision = decision::withdraw(absentee.memory.incident.as_ref()?, absentee.since?.wall, now);
    Some((decision, absentee.memory.state))
}
