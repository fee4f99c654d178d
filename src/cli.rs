//! The command line: what can be asked, one file per command, and what each exit code means.

pub mod acknowledge;
pub(crate) mod call;
pub mod check;
pub mod completions;
pub mod dashboards;
pub mod demo;
pub mod evidence;
pub mod explain;
pub mod import;
pub(crate) mod logging;
pub mod maintenance;
pub mod man;
pub(crate) mod print;
pub mod probe;
pub mod replay;
pub mod report;
pub mod rules;
pub mod run;
pub mod schema;
pub mod test_mail;
pub mod token;

use std::{path::PathBuf, process::ExitCode};

use clap::{Args, Parser, Subcommand, ValueEnum};

use crate::setting::suggest;

/// Exit codes, the same for every command.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Exit {
    /// 0: done, and all is well.
    Well,
    /// 1: the answer is no: the configuration has errors, the probe failed, the mail was refused, the daemon broke.
    NotWell,
    /// 3: the question could not be answered: a file or port could not be opened, a run was inconclusive.
    CouldNot,
}

impl From<Exit> for ExitCode {
    fn from(exit: Exit) -> Self {
        match exit {
            Exit::Well => Self::SUCCESS,
            Exit::NotWell => Self::from(1),
            Exit::CouldNot => Self::from(3),
        }
    }
}

const EXIT_CODES: &str = "Exit codes: 0 all is well; 1 the answer is no (errors in the configuration, a failed probe, \
a refused mail, a broken daemon); 2 wrong usage; 3 could not be done (a file, a port, an inconclusive run).";

/// Watches every door through which customers reach support, and tells the people on call when one goes dark.
#[derive(Debug, Parser)]
#[command(name = "lamplighter", version, after_help = EXIT_CODES, args_conflicts_with_subcommands = true)]
pub struct Cli {
    /// How log lines look on standard error; what is logged is chosen by RUST_LOG.
    #[arg(long, global = true, value_enum, default_value_t = LogFormat::Text)]
    pub log_format: LogFormat,
    /// What to do; without a command, the daemon runs.
    #[command(subcommand)]
    pub command: Option<Command>,
    /// The daemon's arguments where no command is given.
    #[command(flatten)]
    pub run: ConfigArgs,
}

/// How log lines look.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum LogFormat {
    /// For people.
    Text,
    /// One JSON object a line.
    Json,
}

/// Which configuration to work by.
#[derive(Clone, Debug, Args)]
pub struct ConfigArgs {
    /// The configuration file.
    #[arg(long, value_name = "FILE", default_value = "probes.toml")]
    pub config: PathBuf,
}

/// What can be asked of the program.
#[derive(Debug, Subcommand)]
pub enum Command {
    /// Run the daemon (the default).
    Run(ConfigArgs),
    /// Check a configuration and print every problem in it, or a summary.
    Check(check::CheckArgs),
    /// Print the JSON Schema of the configuration, for editors.
    Schema,
    /// Run probes once, now, and show what they saw.
    Probe(probe::ProbeArgs),
    /// Tell a team that this is a test, by its mails, webhooks and Alertmanagers.
    TestMail(test_mail::TestMailArgs),
    /// Begin, extend, end or list announced maintenance, through the running daemon.
    Maintenance(maintenance::MaintenanceArgs),
    /// Say that somebody has taken an incident in hand: nobody is reminded of it, and nobody else is told.
    Acknowledge(acknowledge::AcknowledgeArgs),
    /// Make a token for a program or a person that is to use the API.
    Token(token::TokenArgs),
    /// List the evidence that was kept of outages, or verify that none of it was changed.
    Evidence(evidence::EvidenceArgs),
    /// Explain an incident from the store: why it opened, what happened, who was told and what was answered.
    Explain(explain::ExplainArgs),
    /// Run the stored history through other rules, and print which incidents would have come, gone or moved.
    Replay(replay::ReplayArgs),
    /// Report how support could be reached: availability, incidents, latency, first responses, against the time before.
    Report(report::ReportArgs),
    /// Print a dashboard for Grafana, or write all of them into a directory.
    Dashboards(dashboards::DashboardsArgs),
    /// Print rules for Prometheus that follow from the `slo` of channels: how fast their error budgets burn.
    Rules(ConfigArgs),
    /// Make a configuration of what another monitor works by: blackbox_exporter, Gatus, Uptime Kuma.
    Import(import::ImportArgs),
    /// Show the whole thing at work: a small support centre, its daemon and a mailbox, on loopback ports.
    Demo(demo::DemoArgs),
    /// Print a completion script for a shell.
    Completions(completions::CompletionsArgs),
    /// Print the manual page in roff.
    Man,
}

/// Says that there is no such thing in the configuration, and which one may be meant or which there are.
fn unknown<'k>(
    what: &str,
    word: &str,
    known: impl Iterator<Item = &'k str>,
    written: impl Fn(&str) -> String,
) -> String {
    let known: Vec<&str> = known.collect();
    let instead = suggest(word, &known, written).map(|hint| format!("; {hint}")).unwrap_or_default();
    format!("there is no {what} {word:?}{instead}")
}

/// Does what was asked.
#[must_use]
pub fn execute(cli: Cli) -> Exit {
    match cli.command.unwrap_or(Command::Run(cli.run)) {
        Command::Run(args) => run::execute(&args, cli.log_format),
        Command::Check(args) => check::execute(&args),
        Command::Schema => schema::execute(),
        Command::Probe(args) => probe::execute(&args, cli.log_format),
        Command::TestMail(args) => test_mail::execute(&args, cli.log_format),
        Command::Maintenance(args) => maintenance::execute(&args),
        Command::Acknowledge(args) => acknowledge::execute(&args),
        Command::Token(args) => token::execute(&args),
        Command::Evidence(args) => evidence::execute(&args),
        Command::Explain(args) => explain::execute(&args),
        Command::Replay(args) => replay::execute(&args),
        Command::Report(args) => report::execute(&args),
        Command::Dashboards(args) => dashboards::execute(&args),
        Command::Rules(args) => rules::execute(&args),
        Command::Import(args) => import::execute(&args),
        Command::Demo(args) => demo::execute(&args, cli.log_format),
        Command::Completions(args) => completions::execute(&args),
        Command::Man => man::execute(),
    }
}
