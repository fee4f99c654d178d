//! The edge towards the targets: the trait every kind of probe implements, and the one place where a run's deadline,
//! timing and failure of our own are dealt with.
//!
//! [`Probe::run`] never fails: whatever the target does becomes a [`Report`]. A kind stamps what it is doing into the
//! run's [`timeline::Timeline`]; when the deadline strikes, the runner drops the kind's future, which closes its
//! sockets, and reads from the timeline in which phase the run died.

pub mod asks;
pub mod browser;
pub mod captured;
pub mod chat;
pub mod chromium;
pub mod conversation;
pub mod document;
pub mod exhibits;
pub mod expect;
pub mod http;
pub mod jar;
pub mod journey;
pub mod page;
pub mod persona;
pub mod request;
pub mod run;
pub mod sentinel;
pub mod settings;
pub mod steps;
pub mod timeline;
pub mod transport;
pub mod walk;

use std::{future::Future, pin::Pin, sync::Arc, time::Duration};

use bytes::Bytes;
use jiff::Timestamp;
use tokio::sync::Semaphore;
use tokio_util::sync::CancellationToken;

use crate::{
    domain::{
        contact::Contact,
        exhibit::Exhibit,
        outcome::{Detail, Verdict},
    },
    probe::{asks::Asks, captured::Captured, conversation::Transcript, timeline::Timeline},
};

/// A future that borrows its probe.
pub type RunFuture<'a> = Pin<Box<dyn Future<Output = Report> + Send + 'a>>;

/// One configured probe, ready to run any number of times.
pub trait Probe: Send + Sync + std::fmt::Debug {
    /// Looks once, as a customer would. Dropping the future must end everything it began. A kind that has something
    /// to clean up turns to that when `stop` is cancelled; what it reports then is no outcome.
    fn run<'a>(&'a self, timeline: &'a Timeline, stop: &'a CancellationToken) -> RunFuture<'a>;

    /// How long a run goes on at most, to clean up, once it has been told to stop. Without such time it is dropped at
    /// once.
    fn time_to_clean_up(&self) -> Duration {
        Duration::ZERO
    }

    /// What lets only a few runs in at once. A run's time begins when it is its turn.
    fn turns(&self) -> Option<&Arc<Semaphore>> {
        None
    }

    /// How often it asks for people, if it does.
    fn asks(&self) -> Option<&Asks> {
        None
    }
}

/// What a kind of probe reports of one run.
pub struct Report {
    /// What it saw.
    pub verdict: Verdict,
    /// Earliest `notAfter` among the certificates presented.
    pub certificate_expires_at: Option<Timestamp>,
    /// Every expectation with what became of it, for a person who runs the probe by hand.
    pub checks: Vec<Check>,
    /// What it has taken from the target's answers, to be kept out of all that is shown.
    pub captured: Captured,
    /// What its window showed.
    pub pictures: Vec<Picture>,
    /// What it measured on its way to somebody who answers.
    pub contact: Option<Box<Contact>>,
    /// What was said.
    pub transcript: Transcript,
    /// What is kept of it if it has not gone well.
    pub exhibits: Vec<Exhibit>,
}

/// What a window showed after a step.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Picture {
    /// The step.
    pub step: Arc<str>,
    /// The picture, as a PNG. It may show what the page shows, whatever that is.
    pub png: Bytes,
}

impl Report {
    /// Of a run that has not come as far as an answer.
    #[must_use]
    pub fn without_answer(verdict: Verdict) -> Self {
        Self {
            verdict,
            certificate_expires_at: None,
            checks: Vec::new(),
            captured: Captured::default(),
            pictures: Vec::new(),
            contact: None,
            transcript: Transcript::new(),
            exhibits: Vec::new(),
        }
    }
}

/// One expectation of a run.
#[derive(Clone, Debug, PartialEq, Eq, serde::Serialize)]
pub struct Check {
    /// The step of a journey it belongs to.
    pub step: Option<Arc<str>>,
    /// What was expected, in words.
    pub expectation: Arc<str>,
    /// Whether it held; none where this kind of probe cannot tell.
    pub held: Option<bool>,
    /// What was seen.
    pub seen: Detail,
}
