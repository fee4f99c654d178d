//! The settings of a probe, whatever its kind, and what a kind needs to build itself from them.
//!
//! A kind's own settings live beside the code that obeys them and offer
//! `fn build(&self, context: &BuildContext<'_>) -> Result<Built, Vec<Problem>>`: everything that can be found wrong is
//! found here, while the configuration is loaded, and all of it at once.

use std::{sync::Arc, time::Duration};

use crate::{
    domain::channel::ProbeKey,
    probe::{Probe, transport::Transport},
    secret::Sources,
    setting::Problem,
};

/// What a kind may know while it builds a probe.
#[derive(Debug)]
pub struct BuildContext<'a> {
    /// The probe that is being built.
    pub key: &'a ProbeKey,
    /// The deadline of one run.
    pub timeout: Duration,
    /// Reads secrets and files that the settings refer to; relative paths start at the configuration file.
    pub sources: &'a Sources,
    /// The way to the targets that all probes share.
    pub transport: &'a Arc<Transport>,
}

/// A probe, built.
#[derive(Debug)]
pub struct Built {
    /// What to run.
    pub probe: Arc<dyn Probe>,
    /// The host that a run burdens, for the cap per host.
    pub host: Option<Arc<str>>,
    /// The words of its phases as metric labels: phases of a request, or steps of a journey.
    pub phases: Vec<String>,
    /// What deserves a second look.
    pub warnings: Vec<Problem>,
}
