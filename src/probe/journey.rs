//! A journey: ordered steps, as a customer takes them. Each is an HTTP request whose texts may have variables; what an
//! answer holds (a token, an id) is captured into variables for the steps that follow. A step may be repeated until
//! something holds: the telephone rings, the ticket is on the agents' side. Cleanup steps run whatever happened.
//!
//! Every run is a new customer: a cookie jar of its own, a nonce of its own, nothing kept from the run before.
//! Whatever can be wrong with a journey besides what its targets do is found while the configuration is loaded: a
//! variable always has its value when it is used.

mod course;

use std::{collections::BTreeMap, num::NonZeroU16, sync::Arc, time::Duration};

use schemars::JsonSchema;
use serde::Deserialize;
use tokio_util::sync::CancellationToken;

use self::course::{Course, LAST_STEP_MAX};
use crate::{
    domain::channel::ProbeKey,
    probe::{
        Probe, RunFuture,
        persona::Persona,
        settings::{BuildContext, Built},
        steps::{self, StepsBudget},
        timeline::Timeline,
        walk::{
            Way,
            blueprint::{Blueprint, Drawn},
            step::{Step, StepSettings},
        },
    },
    secret::SecretRef,
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
    /// How much a customer may have to do until a person is reached; 4 without. More is degraded, with the reason
    /// "too_many_steps".
    steps_max: Option<NonZeroU16>,
    /// Secrets that steps may use as variables, by the variable's name.
    #[serde(default)]
    secrets: BTreeMap<String, At<SecretRef>>,
}

/// A journey, ready to run.
#[derive(Debug)]
struct Journey {
    key: ProbeKey,
    way: Way,
    timeout: Duration,
    cleanup_timeout: Duration,
    steps: Vec<Step>,
    cleanup: Vec<Step>,
    budget: StepsBudget,
    persona: Option<Arc<Persona>>,
}

impl JourneySettings {
    /// Whether any of its steps waits for something.
    #[must_use]
    pub fn waits(&self) -> bool {
        self.steps.value.iter().chain(&self.cleanup).any(StepSettings::waits)
    }

    /// Checks the whole journey.
    ///
    /// # Errors
    /// Everything that is wrong with it.
    pub fn build(&self, context: &BuildContext<'_>) -> Result<Built, Vec<Problem>> {
        let mut blueprint = Blueprint::begin(context);
        let example = "{ name = \"open\", http = { url = \"https://...\" } }";
        blueprint.problems.extend(steps::count(&self.steps, self.cleanup.len(), "journey", example));
        let cleanup_timeout = self.cleanup_timeout(&mut blueprint);
        let kept = Span(cleanup_timeout);
        if !self.cleanup.is_empty() {
            let words = format!("the run of {}, less {kept} for the cleanup,", Span(context.timeout));
            blueprint.within(context.timeout.saturating_sub(cleanup_timeout), words);
        }
        blueprint.secrets(&self.secrets);
        let steps = blueprint.steps(&self.steps.value);
        blueprint.within(cleanup_timeout, format!("the cleanup of {kept}"));
        let cleanup = blueprint.steps(&self.cleanup);
        let Drawn { way, hosts, warnings } = blueprint.finish()?;
        let phases = steps.iter().chain(&cleanup).map(|step| (*step.name).into()).collect();
        let key = context.key.clone();
        let counts_steps = steps.iter().any(|step| step.reaches_person);
        let (timeout, budget) = (context.timeout, StepsBudget::of(self.steps_max));
        let persona = context.persona.cloned();
        let journey = Journey { key, way, timeout, cleanup_timeout, steps, cleanup, budget, persona };
        Ok(Built {
            counts_steps,
            hosts: hosts.into_iter().collect(),
            phases,
            warnings,
            ..Built::of(Arc::new(journey))
        })
    }

    fn cleanup_timeout(&self, blueprint: &mut Blueprint<'_>) -> Duration {
        let run = blueprint.context.timeout;
        let Some(wanted) = &self.cleanup_timeout else { return CLEANUP_TIMEOUT.min(run / 4) };
        if wanted.0 >= run {
            let problem = wanted.problem(format!("the cleanup cannot have the whole run of {run:?}"));
            blueprint.problems.push(problem.hint("raise the probe's timeout, or keep less for the cleanup"));
        }
        wanted.0
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

#[cfg(test)]
mod tests;
