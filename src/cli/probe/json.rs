//! Runs as JSON, for scripts: flat, base units, the words of the closed sets.

use std::time::Duration;

use jiff::Timestamp;
use serde::Serialize;

use crate::{
    domain::outcome::{Phase, Verdict},
    probe::{Check, conversation::Utterance, run::Ended},
};

/// What `--json` prints.
#[derive(Debug, Serialize)]
pub(super) struct Runs<'a> {
    pub(super) runs: Vec<Run<'a>>,
}

/// One run.
#[derive(Debug, Serialize)]
pub(super) struct Run<'a> {
    channel: &'a str,
    probe: &'a str,
    started_at: Timestamp,
    duration_seconds: f64,
    outcome: &'static str,
    failure: Option<Failure<'a>>,
    inconclusive: Option<Inconclusive<'a>>,
    certificate_expires_at: Option<Timestamp>,
    phases: Vec<PhaseRow<'a>>,
    checks: &'a [Check],
    first_response_seconds: Option<FirstResponse>,
    queue: Option<Queue>,
    steps_to_person: Option<u16>,
    transcript: &'a [Utterance],
}

#[derive(Debug, Serialize)]
struct FirstResponse {
    bot: Option<f64>,
    person: Option<f64>,
}

#[derive(Debug, Serialize)]
struct Queue {
    waited_seconds: f64,
    first_position: Option<u32>,
}

#[derive(Debug, Serialize)]
struct Failure<'a> {
    stage: &'static str,
    step: Option<&'a str>,
    reason: &'static str,
    cause: Option<&'static str>,
    detail: &'a str,
}

#[derive(Debug, Serialize)]
struct Inconclusive<'a> {
    reason: &'static str,
    detail: &'a str,
}

#[derive(Debug, Serialize)]
struct PhaseRow<'a> {
    step: Option<&'a str>,
    hop: u8,
    phase: &'static str,
    offset_seconds: f64,
    duration_seconds: f64,
}

impl<'a> Run<'a> {
    pub(super) fn of(run: &'a Ended) -> Self {
        let Ended { outcome, checks, transcript, .. } = run;
        let failure = outcome.verdict.failure().map(|failure| Failure {
            stage: failure.stage.as_str(),
            step: failure.step.as_deref(),
            reason: failure.reason.as_str(),
            cause: failure.cause.map(|cause| cause.as_str()),
            detail: failure.detail.as_str(),
        });
        let inconclusive = match &outcome.verdict {
            Verdict::Inconclusive(why) => {
                Some(Inconclusive { reason: why.reason.as_str(), detail: why.detail.as_str() })
            }
            _ => None,
        };
        let contact = outcome.contact.as_deref();
        Self {
            channel: outcome.probe.channel.as_str(),
            probe: outcome.probe.probe.as_str(),
            started_at: outcome.started_at,
            duration_seconds: seconds(outcome.duration),
            outcome: outcome.verdict.as_str(),
            failure,
            inconclusive,
            certificate_expires_at: outcome.certificate_expires_at,
            phases: outcome.phases.iter().map(PhaseRow::of).collect(),
            checks,
            first_response_seconds: contact.map(|contact| FirstResponse {
                bot: contact.bot.map(seconds),
                person: contact.person.map(seconds),
            }),
            queue: contact.and_then(|contact| {
                let waited_seconds = contact.queued.map(seconds)?;
                Some(Queue { waited_seconds, first_position: contact.queue_position })
            }),
            steps_to_person: contact.and_then(|contact| contact.steps),
            transcript,
        }
    }
}

impl<'a> PhaseRow<'a> {
    fn of(phase: &'a Phase) -> Self {
        Self {
            step: phase.step.as_deref(),
            hop: phase.hop,
            phase: phase.kind.as_str(),
            offset_seconds: seconds(phase.offset),
            duration_seconds: seconds(phase.duration),
        }
    }
}

/// Whole microseconds, so that a figure has no tail of noise.
fn seconds(span: Duration) -> f64 {
    (span.as_secs_f64() * 1e6).round() / 1e6
}
