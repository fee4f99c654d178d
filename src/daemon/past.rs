//! Reads for the pages what the store and the evidence know of the past. It reads along, beside the one connection by which
//! verdicts are committed: whoever looks at a page holds up nobody.

use std::{collections::BTreeMap, path::Path, time::Duration};

use jiff::Timestamp;
use tokio::task::spawn_blocking;
use tracing::warn;

use crate::{
    config::plan::Plan,
    domain::{
        case::Case,
        channel::ChannelId,
        evaluation::RunWord,
        happening::{Account, Happening},
        incident::{Incident, IncidentEvent, IncidentId},
        inquiry::OutcomeInquiry,
        outcome::{Detail, Outcome, PhaseKind, Verdict},
        past::{Chapter, FallenChannel, IncidentPast, KeptBundle, PastIncident, Run, What},
    },
    evidence::exhibits::{self, Contents},
    store::{
        Store, StoreError,
        explain::{Archive, Letter, Record, Settled},
    },
};

/// Does work that waits for the disk; what goes wrong is said in the log, and to whoever looks only that it did.
pub(super) async fn read<T, E>(work: impl FnOnce() -> Result<T, E> + Send + 'static) -> Result<T, String>
where
    T: Send + 'static,
    E: std::fmt::Display + Send + 'static,
{
    let why = match spawn_blocking(work).await {
        Ok(Ok(read)) => return Ok(read),
        Ok(Err(error)) => error.to_string(),
        Err(error) => error.to_string(),
    };
    warn!(error = why, "something could not be read for a page");
    Err("the store cannot be read".to_owned())
}

/// What is known of an incident. `standing` is its case where it is open, which the store may not have yet.
pub(super) fn incident(
    store: &Path,
    plan: &Plan,
    id: &IncidentId,
    standing: Option<Case>,
) -> Result<Option<IncidentPast>, String> {
    let archive = Archive::open(store).map_err(|error| error.to_string())?;
    let record = archive.record(id, 0).map_err(|error| error.to_string())?;
    let record = match (record, standing) {
        (None, None) => return Ok(None),
        (Some(record), standing) => Record { case: standing.or(record.case), ..record },
        (None, case) => Record {
            id: id.clone(),
            incident: None,
            case,
            happenings: Vec::new(),
            letters: Vec::new(),
            runs: Vec::new(),
        },
    };
    let mut past = told(plan, record);
    past.bundles = bundles_named(&plan.boot.evidence.directory, &past.bundles)?;
    Ok(Some(past))
}

/// Puts what is known into the order of time. Of the evidence only the names are known here.
fn told(plan: &Plan, record: Record) -> IncidentPast {
    let Record { id, incident, case, happenings, letters, .. } = record;
    let names = bundle_names(case.as_ref(), &happenings);
    let mut channels: BTreeMap<ChannelId, FallenChannel> = BTreeMap::new();
    for member in case.iter().flat_map(|case| &case.members) {
        let fallen = FallenChannel {
            id: member.channel.clone(),
            title: title(plan, &member.channel),
            severity: member.severity,
            failure: member.failure.clone(),
            ended_at: member.end.as_ref().map(|end| end.at),
        };
        // Of one that fell more than once the latest.
        channels.insert(member.channel.clone(), fallen);
    }
    if let Some(alone) = incident.as_ref().filter(|_| channels.is_empty()) {
        let fallen = FallenChannel {
            id: alone.channel.clone(),
            title: title(plan, &alone.channel),
            severity: alone.severity,
            failure: alone.evidence.failure.clone(),
            ended_at: alone.resolved_at,
        };
        channels.insert(alone.channel.clone(), fallen);
    }
    let first_letter = letters.iter().map(|letter| letter.created_at).min();
    let began = case.iter().flat_map(|case| &case.members).map(|member| member.began_at).min();
    let began = began.or_else(|| incident.as_ref().map(|incident| incident.began_at));
    let closed_at = closed(case.as_ref(), &channels).or_else(|| first_letter.filter(|_| began.is_none()));
    let acknowledged = case.as_ref().and_then(|case| case.ascent.acknowledged.clone());
    let mut chapters: Vec<Chapter> = began.map(|at| Chapter { at, what: What::Began }).into_iter().collect();
    chapters.extend(happenings.into_iter().map(happened));
    chapters
        .extend(acknowledged.clone().map(|it| Chapter { at: it.at, what: What::Acknowledged { by: it.by } }));
    chapters.extend(tellings(&letters));
    // A stable sort: what was decided comes before what was said of it at the same moment.
    chapters.sort_by_key(|chapter| chapter.at);
    let began_at = began.or(first_letter).unwrap_or(Timestamp::UNIX_EPOCH);
    let bundles = names.into_iter().map(|name| KeptBundle {
        name,
        channel: String::new(),
        at: began_at,
        files: Vec::new(),
    });
    IncidentPast {
        id: case.map_or(id, |case| case.id),
        began_at,
        closed_at,
        acknowledged,
        channels: channels.into_values().collect(),
        chapters,
        bundles: bundles.collect(),
    }
}

fn title(plan: &Plan, channel: &ChannelId) -> String {
    plan.channels.get(channel).map_or_else(|| channel.to_string(), |known| known.title.clone())
}

/// When all of it was over: a case may be told for a while longer.
fn closed(case: Option<&Case>, channels: &BTreeMap<ChannelId, FallenChannel>) -> Option<Timestamp> {
    if case.is_some_and(|case| case.flapping.is_some() && case.closed_at.is_none()) {
        return None;
    }
    let ends: Option<Vec<Timestamp>> = channels.values().map(|channel| channel.ended_at).collect();
    ends.and_then(|ends| ends.into_iter().max())
}

fn bundle_names(case: Option<&Case>, happenings: &[Settled]) -> Vec<String> {
    let of_happenings = happenings.iter().filter_map(|settled| match &settled.happening.account {
        Account::Change { bundle, .. } => bundle.clone(),
        Account::Absence { .. } => None,
    });
    let of_members = case.iter().flat_map(|case| &case.members).filter_map(|member| member.bundle.clone());
    let mut names: Vec<String> = of_happenings.chain(of_members).collect();
    names.sort();
    names.dedup();
    names
}

fn happened(settled: Settled) -> Chapter {
    let Happening { incident, event, decided_at, account, .. } = settled.happening;
    let state = match account {
        Account::Change { transition, .. } => Some(transition.to),
        Account::Absence { .. } => None,
    };
    let is_bad = matches!(event, IncidentEvent::Opened | IncidentEvent::Worsened);
    let failure = incident.evidence.failure.filter(|_| is_bad);
    Chapter { at: decided_at, what: What::Happened { channel: incident.channel, event, state, failure } }
}

/// What was told, to how many: whoever looks at a page need not know whose addresses these are.
fn tellings(letters: &[Letter]) -> Vec<Chapter> {
    let mut told: BTreeMap<(Timestamp, &str, &str), [u32; 3]> = BTreeMap::new();
    for letter in letters {
        let counts = told.entry((letter.created_at, &letter.event, &letter.route)).or_default();
        counts[match letter.status.as_str() {
            "delivered" => 0,
            "given_up" => 2,
            _ => 1,
        }] += 1;
    }
    let chapter =
        |((at, event, route), [delivered, pending, given_up]): ((Timestamp, &str, &str), [u32; 3])| Chapter {
            at,
            what: What::Told {
                event: event.to_owned(),
                route: route.to_owned(),
                delivered,
                pending,
                given_up,
            },
        };
    told.into_iter().map(chapter).collect()
}

fn bundles_named(directory: &Path, wanted: &[KeptBundle]) -> Result<Vec<KeptBundle>, String> {
    let names: Vec<&str> = wanted.iter().map(|bundle| bundle.name.as_str()).collect();
    let found = exhibits::named(directory, &names).map_err(|error| error.to_string())?;
    Ok(found.into_iter().map(kept).collect())
}

/// A bundle as the pages show it.
pub(super) fn kept(contents: Contents) -> KeptBundle {
    let Contents { name, channel, at, files } = contents;
    KeptBundle { name, channel, at, files }
}

/// An incident as the pages list it.
pub(super) fn listed(incident: Incident) -> PastIncident {
    let Incident { id, severity, began_at, resolved_at, .. } = incident;
    PastIncident { id, severity, began_at, resolved_at }
}

/// The runs of a channel are looked for among so many portions of the latest of all channels.
const PORTIONS: usize = 8;

/// The latest runs of a channel.
pub(super) async fn runs(
    store: &Store,
    channel: &ChannelId,
    most: usize,
) -> Result<Vec<Outcome>, StoreError> {
    let (mut runs, mut before) = (Vec::new(), None);
    for _ in 0..PORTIONS {
        let limit = most - runs.len();
        let inquiry =
            OutcomeInquiry { channel: Some(channel.clone()), limit, before, ..OutcomeInquiry::default() };
        let portion = store.outcomes(inquiry).await?;
        runs.extend(portion.items.into_iter().map(|kept| kept.outcome));
        before = portion.next;
        if runs.len() >= most || before.is_none() {
            break;
        }
    }
    Ok(runs)
}

/// A run as the pages show it: of each part how long it took in all, whatever step or request it belonged to.
pub(super) fn run(outcome: Outcome) -> Run {
    let mut phases: Vec<(PhaseKind, Duration)> = Vec::new();
    for phase in &outcome.phases {
        match phases.iter_mut().find(|(kind, _)| *kind == phase.kind) {
            Some((_, took)) => *took += phase.duration,
            None => phases.push((phase.kind, phase.duration)),
        }
    }
    let (word, reason, detail) = match outcome.verdict {
        Verdict::Ok => (RunWord::Ok, None, Detail::default()),
        Verdict::Degraded(failure) => (RunWord::Degraded, Some(failure.reason), failure.detail),
        Verdict::Failed(failure) => (RunWord::Failed, Some(failure.reason), failure.detail),
        Verdict::Inconclusive(why) => (RunWord::Inconclusive, None, why.detail),
    };
    Run {
        probe: outcome.probe.probe.clone(),
        started_at: outcome.started_at,
        duration: outcome.duration,
        outcome: word,
        reason,
        detail,
        phases,
    }
}
