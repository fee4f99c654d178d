//! `dashboards`: the dashboards for Grafana, printed or written into a directory.

use std::{
    fs,
    path::{Path, PathBuf},
};

use clap::builder::{PossibleValuesParser, TypedValueParser};

use crate::{
    cli::{Exit, print},
    metrics::dashboards::Dashboard,
};

/// Arguments of `dashboards`.
#[derive(Debug, clap::Args)]
pub struct DashboardsArgs {
    /// Which one to print.
    #[arg(value_name = "NAME", value_parser = by_name(), required_unless_present = "into", conflicts_with = "into")]
    pub name: Option<Dashboard>,
    /// Write all of them into this directory, each into a file of its name.
    #[arg(long, value_name = "DIR")]
    pub into: Option<PathBuf>,
}

fn by_name() -> impl TypedValueParser<Value = Dashboard> {
    PossibleValuesParser::new(Dashboard::ALL.map(Dashboard::as_str)).map(|name| {
        let mut all = Dashboard::ALL.into_iter();
        all.find(|dashboard| dashboard.as_str() == name).expect("no other word is possible")
    })
}

/// Prints one, or writes all.
#[must_use]
pub fn execute(args: &DashboardsArgs) -> Exit {
    let printed = args.name.map_or(Exit::Well, |dashboard| print::bytes(dashboard.json().as_bytes()));
    args.into.as_deref().map_or(printed, written)
}

fn written(directory: &Path) -> Exit {
    for dashboard in Dashboard::ALL {
        let file = directory.join(format!("{}.json", dashboard.as_str()));
        if let Err(error) = fs::write(&file, dashboard.json()) {
            eprintln!("failed to write {}: {error}", file.display());
            return Exit::CouldNot;
        }
        println!("{}", file.display());
    }
    Exit::Well
}
