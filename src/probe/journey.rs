//! A journey: ordered steps, as a customer takes them. Each is an HTTP request whose texts may have variables; what an
//! answer holds (a token, an id) is captured into variables for the steps that follow. A step may be repeated until
//! something holds: the telephone rings, the ticket is on the agents' side. Cleanup steps run whatever happened.
//!
//! Every run is a new customer: a cookie jar of its own, a nonce of its own, nothing kept from the run before.
//! Whatever can be wrong with a journey besides what its targets do is found while the configuration is loaded: a
//! variable always has its value when it is used.

mod blueprint;
mod capture;
mod course;
mod step;
mod template;
mod variables;

use std::{collections::BTreeMap, sync::Arc, time::Duration};

use schemars::JsonSchema;
use serde::Deserialize;
use tokio_util::sync::CancellationToken;
use url::Origin;

use self::{
    blueprint::Blueprint,
    course::{Course, LAST_STEP_MAX},
    step::{Step, StepSettings},
};
use crate::{
    clock::Clock,
    domain::channel::ProbeKey,
    probe::{
        Probe, RunFuture,
        settings::{BuildContext, Built},
        timeline::Timeline,
        transport::Transport,
    },
    secret::{Secret, SecretRef},
    setting::{At, Problem, Span},
};

/// The time kept for the cleanup unless the settings say otherwise: this, or a quarter of the run if that is shorter.
const CLEANUP_TIMEOUT: Duration = Duration::from_secs(2);

/// Ordered steps as a customer takes them, each an HTTP request that may use what earlier steps have captured.
#[derive(Clone, Debug, Deserialize, JsonSchema)]
#[serde(
    deny_unknown_fields,
    expecting = "a table, such as { steps = [{ name = \"open\", http = { url = \"https://...\" } }] }"
)]
pub struct JourneySettings {
    /// The steps, in their order. The first that fails ends the journey.
    steps: At<Vec<StepSettings>>,
    /// Steps that run after the others whatever happened, each that has its variables: what a run has made is deleted
    /// or cancelled here. One that fails makes a run degraded that went well otherwise.
    #[serde(default)]
    cleanup: Vec<StepSettings>,
    /// The part of the run's timeout that is kept for the cleanup; "2s" without, or a quarter of the timeout if that
    /// is shorter.
    cleanup_timeout: Option<At<Span>>,
    /// Secrets that steps may use as variables, by the variable's name.
    #[serde(default)]
    secrets: BTreeMap<String, At<SecretRef>>,
}

/// A journey, ready to run.
#[derive(Debug)]
struct Journey {
    key: ProbeKey,
    transport: Arc<Transport>,
    clock: Clock,
    timeout: Duration,
    cleanup_timeout: Duration,
    secrets: Vec<(Box<str>, Secret)>,
    steps: Vec<Step>,
    cleanup: Vec<Step>,
    /// The origins that the addresses of the steps name; a captured address leads nowhere else.
    origins: Vec<Origin>,
}

impl JourneySettings {
    /// Whether any of its steps waits for something.
    #[must_use]
    pub fn waits(&self) -> bool {
        self.steps.value.iter().chain(&self.cleanup).any(|step| step.until.is_some())
    }

    /// Checks the whole journey.
    ///
    /// # Errors
    /// Everything that is wrong with it.
    pub fn build(&self, context: &BuildContext<'_>) -> Result<Built, Vec<Problem>> {
        Blueprint::draw(self, context)
    }
}

impl Journey {
    /// How much of the run is kept for the cleanup; none if there is none to do.
    fn cleanup_time(&self) -> Option<Duration> {
        (!self.cleanup.is_empty()).then_some(self.cleanup_timeout)
    }
}

impl Probe for Journey {
    fn run<'a>(&'a self, timeline: &'a Timeline, stop: &'a CancellationToken) -> RunFuture<'a> {
        Box::pin(Course::begin(self, timeline, stop).run())
    }

    fn time_to_clean_up(&self) -> Duration {
        self.cleanup_time().map_or(Duration::ZERO, |reserved| LAST_STEP_MAX + reserved)
    }
}
