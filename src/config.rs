//! The configuration: `probes.toml` and what it includes, checked as a whole, become a [`plan::Plan`].
//!
//! [`load`] finds everything that is wrong at once. It reads the files ([`files`]), then table by table
//! ([`section`]) into the settings that live beside the code that obeys them, then puts the plan together
//! ([`assembly`]). What it found is a [`report::Report`], with the place of every problem. Nothing here changes after
//! loading; a reload loads again.

mod assembly;
mod canary;
mod channels;
mod clients;
mod dependencies;
mod endpoints;
mod escalation;
mod files;
mod fingerprint;
mod hours;
mod listening;
mod mail;
mod maintenance;
mod masking;
mod pace;
mod personas;
pub mod plan;
pub mod public;
mod quiet;
pub mod report;
pub mod schema;
mod section;
pub mod sentinels;
mod settings;
mod severity;
mod slo;
mod smtp;
mod stand_in;
mod syntax;
mod tables;
mod team;
pub mod value;
pub mod waiting;
mod warnings;
mod ways;
mod wording;

use std::{
    fmt,
    path::{Path, PathBuf},
};

use crate::config::{plan::Plan, report::Report};

/// A configuration that can be used.
#[derive(Debug)]
pub struct Loaded {
    /// What to do.
    pub plan: Plan,
    /// What may not be as it was meant.
    pub warnings: Report,
    /// Every file and directory whose change may change the plan.
    pub sources: Vec<PathBuf>,
}

/// A configuration that cannot be used.
#[derive(Debug)]
pub struct Problems {
    /// Everything that is wrong with it.
    pub report: Report,
    /// Every file and directory whose change may mend it.
    pub sources: Vec<PathBuf>,
}

impl fmt::Display for Problems {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.report.fmt(f)
    }
}

impl std::error::Error for Problems {}

/// Reads and checks a configuration. Blocks on the file system.
pub fn load(path: &Path) -> Result<Loaded, Problems> {
    assembly::load(path)
}
