//! The kind `browser`: the entry as it behaves, in real Chromium, used as a customer uses it. Every run is a new customer:
//! nothing is left of the run before. Steps are taken one after the other; each waits for what it needs, and none
//! waits for a time. What stands in the way of a click is named.
//!
//! What is wrong with the browser itself, and not with a page, is inconclusive.

mod blueprint;
mod course;
mod settings;
mod step;
mod trouble;

use std::{sync::Arc, time::Duration};

use regex::Regex;
use tokio::sync::Semaphore;
use tokio_util::sync::CancellationToken;
use url::Url;

pub use self::settings::BrowserSettings;
use self::{
    course::Course,
    step::{Action, Step},
};
use crate::probe::{
    Probe, RunFuture,
    asks::Asks,
    chromium::{Chromium, visit::Device},
    persona::Persona,
    steps::StepsBudget,
    timeline::Timeline,
};

/// A browser probe, ready to run.
#[derive(Debug)]
struct BrowserProbe {
    chromium: Arc<Chromium>,
    timeout: Duration,
    device: Arc<Device>,
    /// What means that nobody is there.
    closed: Vec<Regex>,
    steps: Vec<Step>,
    /// As whom it goes, and the address at which its cookies are set.
    persona: Option<(Arc<Persona>, Url)>,
    /// How far away a person may be.
    budget: StepsBudget,
}

impl Probe for BrowserProbe {
    fn run<'a>(&'a self, timeline: &'a Timeline, stop: &'a CancellationToken) -> RunFuture<'a> {
        Box::pin(Course::run(self, timeline, stop))
    }

    fn turns(&self) -> Option<&Arc<Semaphore>> {
        Some(&self.chromium.turns)
    }

    fn asks(&self) -> Option<&Asks> {
        self.steps.iter().find_map(|step| match &step.action {
            Action::Talk(talk) if talk.script.asks_people() => Some(&talk.asks),
            _ => None,
        })
    }
}
