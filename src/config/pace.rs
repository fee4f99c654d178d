//! How often a probe runs, how long a run may take, and how soon a failed one is looked at again: bounds and defaults.

use std::time::Duration;

use crate::{
    probe::settings::{EVERY_MAX, EVERY_MIN},
    setting::{At, Problem, Span, SpanOrOff},
};

/// The shortest deadline of a run.
const TIMEOUT_MIN: Duration = Duration::from_millis(1);
/// How often a probe runs where nothing else is said.
const EVERY: Duration = Duration::from_secs(30);
/// The deadline of a run where nothing else is said (`states.md`, limits).
const TIMEOUT: Duration = Duration::from_secs(10);
/// How soon a failed run is followed by another where nothing else is said. Chosen by measurement, as the quorums are:
/// `docs/detection.md`.
const RECHECK: Duration = Duration::from_secs(4);

/// How often, how long, how soon again.
#[derive(Clone, Copy, Debug)]
pub(super) struct Pace {
    pub(super) every: Duration,
    pub(super) timeout: Duration,
    recheck: Recheck,
}

/// How soon a failed run is followed by another.
#[derive(Clone, Copy, Debug)]
enum Recheck {
    /// As soon as [`RECHECK`] says, where that is sooner than the next turn.
    Standard,
    /// Only by its turn.
    Off,
    /// So soon.
    After(Duration),
}

impl Pace {
    /// The pace where nothing is said.
    pub(super) fn standard() -> Self {
        Self { every: EVERY, timeout: TIMEOUT, recheck: Recheck::Standard }
    }

    /// How soon a failed run is followed by another, if it is.
    pub(super) fn recheck(self) -> Option<Duration> {
        match self.recheck {
            Recheck::Standard => Some(RECHECK).filter(|after| *after < self.every),
            Recheck::Off | Recheck::After(_) => self.recheck_as_written(),
        }
    }

    /// The same where nothing happens by default: of a probe that asks for people, whose time is not ours.
    pub(super) fn recheck_as_written(self) -> Option<Duration> {
        match self.recheck {
            Recheck::Standard | Recheck::Off => None,
            Recheck::After(after) => Some(after),
        }
    }

    /// A timeout out of its bounds is told; what depends on it is checked against the nearest that is within them, not
    /// against a default that nobody chose.
    pub(super) fn read(
        every: Option<&At<Span>>,
        timeout: Option<&At<Span>>,
        recheck: Option<&At<SpanOrOff>>,
        timeout_max: Duration,
        otherwise: Self,
        problems: &mut Vec<Problem>,
    ) -> Self {
        let mut within = |name: &str, span: &At<Span>, least: Duration, most: Duration| {
            if (least..=most).contains(&span.0) {
                return Some(span.0);
            }
            let (least, most) = (Span(least), Span(most));
            let problem = span.problem(format!("`{name}` must be between {least} and {most}"));
            problems.push(
                problem.hint(format!("write a span of time in these bounds, such as `{name} = \"10s\"`")),
            );
            None
        };
        Self {
            every: every
                .and_then(|every| within("every", every, EVERY_MIN, EVERY_MAX))
                .unwrap_or(otherwise.every),
            timeout: timeout.map_or(otherwise.timeout, |timeout| {
                within("timeout", timeout, TIMEOUT_MIN, timeout_max)
                    .unwrap_or(timeout.0.clamp(TIMEOUT_MIN, timeout_max))
            }),
            recheck: recheck.map_or(otherwise.recheck, |recheck| match recheck.value {
                SpanOrOff::Off => Recheck::Off,
                SpanOrOff::Span(after) => {
                    let after = At { value: after, span: recheck.span.clone() };
                    within("recheck", &after, EVERY_MIN, EVERY_MAX).map_or(otherwise.recheck, Recheck::After)
                }
            }),
        }
    }
}
