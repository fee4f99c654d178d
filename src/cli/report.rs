//! `report`: how support could be reached over the last days, from the history beside the daemon that writes it.

use std::path::{Path, PathBuf};

use clap::ValueEnum;
use jiff::{SignedDuration, Timestamp};

use crate::{
    cli::{Exit, check::print_problems, print, replay::Back, unknown},
    clock::Clock,
    config::{self, plan::Plan},
    daemon::reporter::asked,
    domain::{
        channel::{ChannelId, TeamId},
        report::{Report, csv, html, text},
    },
    store::{explain::Archive, report::Ask},
};

/// Arguments of `report`.
#[derive(Debug, clap::Args)]
pub struct ReportArgs {
    /// The configuration, which says where the store is and what the channels are called.
    #[arg(long, value_name = "FILE", default_value = "probes.toml")]
    pub config: PathBuf,
    /// The database file; without, that of the configuration.
    #[arg(long, value_name = "FILE")]
    pub store: Option<PathBuf>,
    /// How long a time, counted back from its end; it is compared with as long a time before.
    #[arg(long, value_name = "SPAN", default_value = "30d")]
    pub since: Back,
    /// Where the time ends, such as 2026-11-01T00:00:00+01:00; without, now.
    #[arg(long, value_name = "MOMENT")]
    pub until: Option<Timestamp>,
    /// Only the channels of a team.
    #[arg(long, value_name = "TEAM")]
    pub team: Option<String>,
    /// Only a channel; may be given several times.
    #[arg(long = "channel", value_name = "CHANNEL")]
    pub channels: Vec<String>,
    /// How it is written.
    #[arg(long, value_enum, default_value_t = Format::Text)]
    pub format: Format,
}

/// How a report is written.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum Format {
    /// For people, in a terminal or a mail.
    Text,
    /// A page of its own.
    Html,
    /// For a spreadsheet: a row for each channel and each probe.
    Csv,
    /// For programs.
    Json,
}

/// Writes it.
#[must_use]
pub fn execute(args: &ReportArgs) -> Exit {
    let plan = match config::load(&args.config) {
        Ok(loaded) => loaded.plan,
        Err(problems) => {
            print_problems(&problems.report);
            return Exit::NotWell;
        }
    };
    let ask = match ask(args, &plan) {
        Ok(ask) => ask,
        Err(unknown) => {
            eprintln!("{unknown}");
            return Exit::NotWell;
        }
    };
    let store: &Path = args.store.as_ref().unwrap_or(&plan.boot.store);
    match Archive::open(store).and_then(|archive| archive.report(&ask)) {
        Ok(report) => print::bytes(write(&report, args.format).as_bytes()),
        Err(problem) => {
            eprintln!("{problem}");
            Exit::CouldNot
        }
    }
}

fn write(report: &Report, format: Format) -> String {
    match format {
        Format::Text => text::write(report),
        Format::Html => html::write(report),
        Format::Csv => csv::write(report),
        Format::Json => {
            let json = serde_json::to_string_pretty(report);
            json.expect("a report has nothing that JSON could not hold") + "\n"
        }
    }
}

fn ask(args: &ReportArgs, plan: &Plan) -> Result<Ask, String> {
    let until = args.until.unwrap_or_else(|| Clock::system().now());
    let since = SignedDuration::try_from(args.since.0).unwrap_or(SignedDuration::MAX);
    let from = until.checked_sub(since).unwrap_or(Timestamp::MIN);
    let team = args.team.as_deref().map(TeamId::new);
    if let Some(team) = &team
        && !plan.teams.contains_key(team)
    {
        let known = plan.teams.keys().map(TeamId::as_str);
        return Err(unknown("team", team.as_str(), known, |team| format!("--team {team}")));
    }
    let doors: Vec<_> = asked(plan, None).collect();
    for channel in &args.channels {
        if doors.iter().all(|door| door.id.as_str() != channel) {
            let known = doors.iter().map(|door| door.id.as_str());
            return Err(unknown("channel", channel, known, |channel| format!("--channel {channel}")));
        }
    }
    let is_asked =
        |id: &ChannelId| args.channels.is_empty() || args.channels.iter().any(|it| it == id.as_str());
    Ok(Ask {
        channels: asked(plan, team.as_ref()).filter(|channel| is_asked(&channel.id)).collect(),
        team: args.team.clone(),
        from,
        until,
        time_zone: plan.time_zone.clone(),
    })
}
