//! `explain`: what the store knows of one incident: why it opened, what happened to it, and who was told what, when and
//! with which answer. It reads along beside the daemon and changes nothing.

mod list;
mod paper;
mod text;

use std::path::PathBuf;

use jiff::tz::TimeZone;

use crate::{
    cli::{ConfigArgs, Exit, check::print_problems, print, unknown},
    config,
    domain::incident::IncidentId,
    store::{StoreError, explain::Archive},
};

/// So many incidents are listed where none is named.
const LISTED: u32 = 20;

/// So many runs are shown before a moment, and as many after it.
const RUNS: u32 = 20;

/// So many ids are offered for one that is not known.
const OFFERED: usize = 5;

/// Arguments of `explain`.
#[derive(Debug, clap::Args)]
pub struct ExplainArgs {
    /// The id of an incident, as mails and pages give it; without, the latest are listed.
    #[arg(value_name = "INCIDENT")]
    pub incident: Option<String>,
    /// Which configuration to work by.
    #[command(flatten)]
    pub config: ConfigArgs,
    /// The database file, without a configuration; times are told in UTC then.
    #[arg(long, value_name = "FILE")]
    pub store: Option<PathBuf>,
    /// Print JSON instead of text.
    #[arg(long)]
    pub json: bool,
}

/// Explains it.
#[must_use]
pub fn execute(args: &ExplainArgs) -> Exit {
    let (store, zone, evidence) = match &args.store {
        Some(store) => (store.clone(), TimeZone::UTC, None),
        None => match config::load(&args.config.config) {
            Ok(loaded) => {
                let boot = &loaded.plan.boot;
                let evidence = Some(boot.evidence.directory.clone());
                (boot.store.clone(), loaded.plan.time_zone.clone(), evidence)
            }
            Err(problems) => {
                print_problems(&problems.report);
                return Exit::NotWell;
            }
        },
    };
    let answered = Archive::open(&store)
        .map_err(|error| error.to_string())
        .and_then(|archive| answer(&archive, args, &zone, evidence.as_deref()));
    match answered {
        Ok(answer) => print::bytes(answer.as_bytes()),
        Err(problem) => {
            eprintln!("{problem}");
            Exit::CouldNot
        }
    }
}

fn answer(
    archive: &Archive,
    args: &ExplainArgs,
    zone: &TimeZone,
    evidence: Option<&std::path::Path>,
) -> Result<String, String> {
    let told = |error: StoreError| error.to_string();
    let Some(word) = &args.incident else {
        let listed = archive.latest(LISTED).map_err(told)?;
        return Ok(if args.json { json(&listed) } else { list::write(&listed, zone) });
    };
    match archive.record(&IncidentId(word.clone()), RUNS).map_err(told)? {
        Some(record) if args.json => Ok(json(&record)),
        Some(record) => Ok(text::write(&record, zone, evidence)),
        None => Err(not_known(word, &archive.ids().map_err(told)?)),
    }
}

fn json(answer: &impl serde::Serialize) -> String {
    let mut text = serde_json::to_string_pretty(answer).expect("texts and numbers are always JSON");
    text.push('\n');
    text
}

/// Somebody who types a part of an id, a channel for instance, is offered what contains it.
fn not_known(word: &str, known: &[String]) -> String {
    let similar: Vec<&str> =
        known.iter().map(String::as_str).filter(|id| !word.is_empty() && id.contains(word)).collect();
    if !similar.is_empty() {
        let latest = similar.iter().take(OFFERED).map(|id| format!("  {id}\n")).collect::<String>();
        return format!(
            "there is no incident {word:?}; the latest with that in their ids:\n{}",
            latest.trim_end()
        );
    }
    if known.is_empty() {
        return format!("there is no incident {word:?}; the store knows of none at all");
    }
    unknown("incident", word, known.iter().map(String::as_str), str::to_owned)
}
