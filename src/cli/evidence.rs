//! `evidence`: what was kept of outages, and whether it is as it was written.

use std::path::PathBuf;

use clap::ValueEnum;

use crate::{
    cli::{Exit, check::print_problems, print},
    config,
    evidence::verify::{self, Verified},
};

/// Arguments of `evidence`.
#[derive(Debug, clap::Args)]
pub struct EvidenceArgs {
    /// What to do with it.
    #[arg(value_enum)]
    pub action: Action,
    /// The directory of the evidence; without, that of the configuration.
    #[arg(value_name = "DIRECTORY")]
    pub directory: Option<PathBuf>,
    /// Which configuration to work by.
    #[command(flatten)]
    pub config: crate::cli::ConfigArgs,
}

/// What can be done with evidence.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum Action {
    /// Print the directory of each bundle, oldest first.
    List,
    /// Look for anything that was changed, taken away or put in.
    Verify,
}

/// Lists or verifies it.
#[must_use]
pub fn execute(args: &EvidenceArgs) -> Exit {
    let directory = match &args.directory {
        Some(directory) => directory.clone(),
        None => match config::load(&args.config.config) {
            Ok(loaded) => loaded.plan.boot.evidence.directory,
            Err(problems) => {
                print_problems(&problems.report);
                return Exit::NotWell;
            }
        },
    };
    let done = match args.action {
        Action::List => verify::list(&directory).map(|bundles| {
            let lines: String = bundles.iter().map(|bundle| format!("{}\n", bundle.display())).collect();
            (lines, Exit::Well)
        }),
        Action::Verify => verify::verify(&directory).map(|verified| told(&verified)),
    };
    match done {
        Ok((lines, exit)) => match print::bytes(lines.as_bytes()) {
            Exit::Well => exit,
            unprinted => unprinted,
        },
        Err(problem) => {
            eprintln!("{problem}");
            Exit::CouldNot
        }
    }
}

fn told(verified: &Verified) -> (String, Exit) {
    let Verified { bundles, files, faults } = verified;
    let mut lines: String =
        faults.iter().map(|(path, fault)| format!("{}: {fault}\n", path.display())).collect();
    let noun = |count: usize, word: &str| format!("{count} {word}{}", if count == 1 { "" } else { "s" });
    let (bundles, files) = (noun(*bundles, "bundle"), noun(*files, "file"));
    if faults.is_empty() {
        return (format!("{bundles} with {files}, all as they were written\n"), Exit::Well);
    }
    lines.push_str(&format!("{bundles}, {files} as they were written, {}\n", noun(faults.len(), "fault")));
    (lines, Exit::NotWell)
}
