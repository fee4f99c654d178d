//! `replay`: the stored history by other rules. Which incidents would have come, gone or moved, had the configuration been
//! another one. It reads along beside the daemon, runs no probe and tells nobody.

mod text;

use std::{path::PathBuf, str::FromStr, sync::Arc, time::Duration};

use jiff::Timestamp;
use serde::{
    Deserialize,
    de::{IntoDeserializer, value},
};

use crate::{
    cli::{Exit, check::print_problems, print},
    config::{
        self,
        plan::{Channel, Plan, Team},
    },
    domain::{
        evaluation::Watched,
        incident::Incident,
        maintenance::Stint,
        replay::{Entrance, Replay, Replayed, Scene, compare},
    },
    setting::Span,
    store::{StoreError, explain::Archive},
};

/// Judging begins so long before what is compared, so that what had been seen by then counts as it did.
const WARM_UP: Duration = Duration::from_secs(2 * 60 * 60);

/// Arguments of `replay`.
#[derive(Debug, clap::Args)]
pub struct ReplayArgs {
    /// The configuration whose rules are tried.
    #[arg(long, value_name = "FILE", default_value = "probes.toml")]
    pub config: PathBuf,
    /// The database file; without, that of the configuration.
    #[arg(long, value_name = "FILE")]
    pub store: Option<PathBuf>,
    /// How much of the history, counted back from the newest run in it.
    #[arg(long, value_name = "SPAN", default_value = "30d")]
    pub since: Back,
}

/// A span of time on the command line.
#[derive(Clone, Copy, Debug)]
pub struct Back(pub(super) Duration);

impl FromStr for Back {
    type Err = value::Error;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        Span::deserialize(text.into_deserializer()).map(|span| Self(span.0))
    }
}

/// What is printed.
struct Answer<'a> {
    plan: &'a Plan,
    from: Timestamp,
    to: Timestamp,
    replayed: Replayed,
    pairs: Vec<compare::Pair>,
    /// How many messages there were.
    letters: u64,
    /// How many there would have been.
    mails: u64,
}

/// Replays it.
#[must_use]
pub fn execute(args: &ReplayArgs) -> Exit {
    let plan = match config::load(&args.config) {
        Ok(loaded) => loaded.plan,
        Err(problems) => {
            print_problems(&problems.report);
            return Exit::NotWell;
        }
    };
    let store = args.store.as_ref().unwrap_or(&plan.boot.store);
    match Archive::open(store).and_then(|archive| replay(&archive, &plan, args.since.0)) {
        Ok(answer) => print::bytes(answer.as_bytes()),
        Err(problem) => {
            eprintln!("{problem}");
            Exit::CouldNot
        }
    }
}

fn replay(archive: &Archive, plan: &Plan, back: Duration) -> Result<String, StoreError> {
    let Some((oldest, newest)) = archive.span()? else {
        return Ok("There is no history to replay.\n".to_owned());
    };
    let from = newest.checked_sub(back).map_or(oldest, |from| from.max(oldest));
    let origin = from.checked_sub(WARM_UP).map_or(oldest, |origin| origin.max(oldest));
    let standing = archive.past(origin)?.standing;
    let mut replay = Replay::new(scene(plan, archive.begun_by_command()?), &standing, origin);
    archive.outcomes(origin, |outcome| replay.record(outcome))?;
    let replayed = replay.finish();
    let is_compared = |incident: &&Incident| incident.confirmed_at >= from;
    let old = archive.past(from)?.opened;
    let new = replayed.incidents.iter().filter(is_compared).cloned().collect();
    let mails = replayed.mails_about(from);
    let (pairs, letters) = (compare::compare(old, new), archive.letters_about(from)?);
    Ok(text::write(&Answer { plan, from, to: newest, replayed, pairs, letters, mails }))
}

/// What a configuration says of channels, apart from what only probing needs.
fn scene(plan: &Plan, stints: Vec<Stint>) -> Scene {
    let entrance = |channel: &Channel| Entrance {
        title: channel.title.clone(),
        kind: channel.kind,
        team: channel.team.clone(),
        labels: channel.labels.clone(),
        confirmation: channel.confirmation(),
        depends_on: channel.depends_on.clone(),
        hours: channel.hours.clone(),
        hosts: channel.probes.values().flat_map(|probe| probe.hosts.iter().cloned()).collect(),
        rules: channel.rules.clone(),
        urgencies: channel.urgencies,
        probes: channel
            .probes
            .values()
            .map(|probe| Watched {
                key: probe.key.clone(),
                silence: probe.silence(),
                fingerprint: probe.fingerprint,
            })
            .collect(),
    };
    Scene {
        entrances: plan.channels.iter().map(|(id, channel)| (id.clone(), entrance(channel))).collect(),
        recipients: plan.teams.iter().map(|(id, team)| (id.clone(), team.recipients())).collect(),
        ladders: plan.teams.iter().map(|(id, team)| (id.clone(), team.ladder.clone())).collect(),
        quiet: plan.teams.iter().filter_map(|(id, team)| Some((id.clone(), team.quiet.clone()?))).collect(),
        alerts: plan
            .teams
            .values()
            .flat_map(Team::recipients)
            .filter(|recipient| plan.endpoints.keeps_alerts(recipient))
            .collect(),
        dependencies: plan.dependencies.iter().map(|(id, it)| (id.clone(), it.title.clone())).collect(),
        maintenance: Arc::clone(&plan.maintenance),
        stints,
        location: plan.boot.location.clone(),
    }
}
