//! A mail before it is written: which facts, in which order. What may quote a target or the configuration is escaped
//! here once, so that neither part can be bent by it.

pub(super) mod blind;
pub(super) mod canary;
pub(super) mod flapping;
pub(super) mod flapping_group;
pub(super) mod group;
pub(super) mod held;
pub(super) mod reminder;
mod sections;
pub(super) mod summary;
mod timings;
pub(super) mod upkeep;
pub(super) mod withdrawal;

use crate::domain::{
    evaluation::{Evidence, State},
    incident::{IncidentEvent, Severity},
    notification::{Neighbour, News, Subject, phrases, tell},
    outcome::{Detail, Failure, Phase, PhaseKind},
};

/// The longest line of a text part, in characters; a line of the lead is laid out to fit.
pub(super) const LINE_MAX: usize = 72;

/// The longest name of a step on a line of the lead, in characters.
const STEP_MAX: usize = 30;

/// The longest detail in the lead of the HTML part, in characters: the fifth line stays on the screen of a phone.
const DETAIL_MAX: usize = 140;

/// The longest title in the headline, in characters.
const TITLE_MAX: usize = 80;

/// The longest subject, in characters.
const SUBJECT_MAX: usize = 150;

/// A mail's content in order.
#[derive(Debug)]
pub(super) struct Letter {
    /// One line.
    pub(super) subject: String,
    /// The state in capitals.
    pub(super) badge: String,
    /// How bad the news is.
    pub(super) tone: Tone,
    /// The first line, after the badge.
    pub(super) headline: String,
    /// The next four lines.
    pub(super) lead: Vec<Fact>,
    /// Whether a picture of the window stands below the lead.
    pub(super) has_picture: bool,
    /// Everything else.
    pub(super) sections: Vec<Section>,
}

/// How bad the news is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Tone {
    Bad,
    Mixed,
    Good,
}

/// A labelled value.
#[derive(Debug)]
pub(super) struct Fact {
    pub(super) label: &'static str,
    pub(super) value: String,
}

impl Fact {
    fn new(label: &'static str, value: impl Into<String>) -> Self {
        Self { label, value: value.into() }
    }
}

/// A part below the lead.
#[derive(Debug)]
pub(super) struct Section {
    pub(super) title: String,
    pub(super) body: Body,
}

/// How a section is written.
#[derive(Debug)]
pub(super) enum Body {
    Facts(Vec<Fact>),
    Table { columns: Vec<Column>, rows: Vec<Vec<String>> },
    Lines(Vec<Line>),
}

/// A column of a table.
#[derive(Debug)]
pub(super) struct Column {
    pub(super) name: &'static str,
    pub(super) is_number: bool,
}

/// A line that stands for itself.
#[derive(Debug)]
pub(super) enum Line {
    Text(String),
    Command(String),
    Link(String),
}

impl Letter {
    /// Lays out a mail.
    pub(super) fn lay_out(subject: &Subject<'_>, news: &News<'_>) -> Self {
        let title = Detail::new(subject.title).as_str().to_owned();
        let state = news.transition.to;
        let badge = state.as_str().to_uppercase();
        let zone = subject.letterhead.time_zone;
        let resolved = news.event == IncidentEvent::Resolved;
        let lasted = tell::span(tell::between(news.incident.began_at, news.transition.since));
        let mut line = format!("[{badge}] {}: {title}", subject.channel);
        if resolved {
            let suffix = format!(" (after {lasted})");
            line = cut(&line, SUBJECT_MAX - suffix.chars().count()) + &suffix;
        }
        Self {
            subject: cut(&line, SUBJECT_MAX),
            tone: match state {
                State::Dark => Tone::Bad,
                State::Up => Tone::Good,
                State::Degraded | State::Closed | State::Unknown => Tone::Mixed,
            },
            headline: format!(
                "since {}: {}",
                tell::moment(news.transition.since, news.now, zone),
                cut(&title, TITLE_MAX)
            ),
            lead: if resolved { lead_of_recovery(subject, news, &lasted) } else { lead(subject, news) },
            has_picture: subject.proof.is_some_and(|proof| proof.picture.is_some()),
            sections: sections::all(subject, news, &title),
            badge,
        }
    }
}

fn lead(subject: &Subject<'_>, news: &News<'_>) -> Vec<Fact> {
    let evidence = &news.transition.evidence;
    let severity = if news.transition.to == State::Dark { Severity::Dark } else { Severity::Degraded };
    let customers = match &evidence.failure {
        Some(failure) => phrases::customer_meets(subject.kind, failure.reason, severity),
        None => format!("{} does not work", phrases::door(subject.kind)),
    };
    vec![
        Fact::new("Customers", customers),
        Fact::new("Broke at", evidence.failure.as_ref().map_or_else(|| "unseen".to_owned(), broke)),
        Fact::new("Evidence", certainty(news.transition.to, evidence)),
        Fact::new("Still works", still_works(subject.neighbours)),
    ]
}

fn lead_of_recovery(subject: &Subject<'_>, news: &News<'_>, lasted: &str) -> Vec<Fact> {
    let zone = subject.letterhead.time_zone;
    let evidence = &news.transition.evidence;
    let was = news.incident.severity.as_str();
    let from = tell::clock(news.incident.began_at, zone);
    let to = tell::clock(news.transition.since, zone);
    let now = match (news.transition.to, &evidence.failure) {
        (State::Degraded, Some(failure)) => {
            phrases::customer_meets(subject.kind, failure.reason, Severity::Degraded)
        }
        _ => format!("{} works again", phrases::door(subject.kind)),
    };
    vec![
        Fact::new("Customers", now),
        Fact::new("It was", format!("{was} for {lasted}, from {from} to {to}")),
        Fact::new(
            "Broke at",
            news.incident.evidence.failure.as_ref().map_or_else(|| "unseen".to_owned(), broke),
        ),
        Fact::new("Evidence", certainty(news.transition.to, evidence)),
    ]
}

/// Where, why and with what words: `wait, first_byte_timeout: no answer within 10 s`, and for a step of a journey
/// `is it ringing (expect), busy: ...`.
fn broke(failure: &Failure) -> String {
    let place = match &failure.step {
        Some(step) => format!("{} ({})", cut(Detail::new(step).as_str(), STEP_MAX), failure.stage),
        None => failure.stage.to_string(),
    };
    let detail = cut(failure.detail.as_str(), DETAIL_MAX);
    if detail.is_empty() {
        format!("{place}, {}", failure.reason)
    } else {
        format!("{place}, {}: {detail}", failure.reason)
    }
}

/// The step that broke in the run whose phases are told; none after a recovery, or where there are no steps.
fn broken_step(state: State, evidence: &Evidence) -> Option<&str> {
    let is_bad = matches!(state, State::Dark | State::Degraded);
    evidence.failure.as_ref().filter(|_| is_bad)?.step.as_deref()
}

/// How sure we are, and where the time of the step that broke went: `3 of 5 runs failed; connect 12 ms, wait 9.9 s`.
/// Where there is no room for all phases, the shortest are left out.
fn certainty(state: State, evidence: &Evidence) -> String {
    let were = match state {
        State::Dark => "failed",
        State::Degraded => "not ok",
        State::Up | State::Closed | State::Unknown => "ok",
    };
    let sure = match evidence.agreeing {
        0 => "no run decided it".to_owned(),
        agreeing => format!("{agreeing} of {} runs {were}", evidence.of),
    };
    let room = LINE_MAX.saturating_sub("Evidence: ; ".len() + sure.chars().count());
    let phases = timings::of_step(&evidence.phases, broken_step(state, evidence));
    if let Some(tried) = tried_for(phases) {
        return format!("{sure}; {tried}");
    }
    let mut phases = phases_of_last_request(phases);
    while !phases.is_empty() {
        let timings = timings(&phases);
        if timings.chars().count() <= room {
            return format!("{sure}; {timings}");
        }
        let shortest = phases.iter().map(|phase| phase.duration).min();
        phases.retain(|phase| Some(phase.duration) != shortest);
    }
    sure
}

/// `resolve 3, connect 12, wait 155 ms`, or with a unit each where they differ.
fn timings(phases: &[&Phase]) -> String {
    let told: Vec<(PhaseKind, String)> =
        phases.iter().map(|phase| (phase.kind, tell::took(phase.duration))).collect();
    let last = told.len().saturating_sub(1);
    let all_in_ms = told.iter().all(|(_, took)| took.ends_with(" ms"));
    let one = |(index, (kind, took)): (usize, &(PhaseKind, String))| {
        let took = if all_in_ms && index < last { took.trim_end_matches(" ms") } else { took };
        format!("{kind} {took}")
    };
    told.iter().enumerate().map(one).collect::<Vec<_>>().join(", ")
}

/// For how long the last step was tried, if more than once: `tried for 8.0 s`.
fn tried_for(phases: &[Phase]) -> Option<String> {
    let last = phases.last()?;
    let step = || phases.iter().rev().take_while(|phase| phase.step == last.step);
    let in_all = step().map(|phase| phase.duration).sum();
    step().any(|phase| phase.kind == PhaseKind::Pause).then(|| format!("tried for {}", tell::took(in_all)))
}

/// The phases of the last request of a run, without those too short to matter.
fn phases_of_last_request(phases: &[Phase]) -> Vec<&Phase> {
    let mut request: Vec<&Phase> = Vec::new();
    for phase in phases.iter().rev() {
        // Within a request phases only come in their order.
        if request.last().is_some_and(|later| phase.step != later.step || phase.kind >= later.kind) {
            break;
        }
        request.push(phase);
    }
    request.reverse();
    request.retain(|phase| phase.duration.as_micros() >= 950);
    request
}

/// The first doors to which customers may be sent.
fn still_works(neighbours: &[Neighbour]) -> String {
    const NAMED_MAX: usize = 3;
    let mut alternatives = neighbours.iter().filter(|neighbour| neighbour.is_alternative());
    let named: Vec<&str> =
        alternatives.by_ref().take(NAMED_MAX).map(|neighbour| neighbour.channel.as_str()).collect();
    match (named.is_empty(), alternatives.count()) {
        (true, _) => "no other door is known to work right now".to_owned(),
        (false, 0) => named.join(", "),
        (false, more) => format!("{} and {more} more", named.join(", ")),
    }
}

/// The first `max` characters, the last of them an ellipsis if there are more.
pub(super) fn cut(text: &str, max: usize) -> String {
    if text.chars().count() <= max {
        return text.to_owned();
    }
    let mut short: String = text.chars().take(max.saturating_sub(1)).collect();
    short.truncate(short.trim_end().len());
    short.push('…');
    short
}
