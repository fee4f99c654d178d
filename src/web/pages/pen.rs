//! What every page is written with: the language, the clock, and the one way in which a text that somebody else has
//! written comes onto a page.

use std::fmt::Write;

use jiff::{Timestamp, tz::TimeZone};

use super::{charts::Scale, words::Language};
use crate::domain::{
    evaluation::State,
    notification::{html::escaped, tell},
    outcome::{Detail, Failure},
};

/// What a page is written with.
#[derive(Clone, Copy)]
pub(super) struct Pen<'a> {
    pub(super) language: Language,
    /// The zone of the plan, in which moments are told.
    pub(super) zone: &'a TimeZone,
    pub(super) now: Timestamp,
    /// The way from this page to the first one: empty, or `../`. No page knows under which address a proxy shows it.
    pub(super) root: &'static str,
}

/// Appends to a text.
pub(super) fn push(html: &mut String, text: std::fmt::Arguments<'_>) {
    html.write_fmt(text).expect("writing to a string cannot fail");
}

/// A text that a target, a mail or an operator has written: escaped, cut, without anything that moves what stands around
/// it, and isolated, so that its direction stays its own.
pub(super) fn foreign(text: &str) -> String {
    format!("<bdi>{}</bdi>", foreign_plain(text))
}

/// The same to stand in an attribute, or where no element can.
pub(super) fn foreign_plain(text: &str) -> String {
    escaped(Detail::new(text).as_str())
}

impl<'a> Pen<'a> {
    /// For the charts.
    pub(super) fn scale(&self) -> Scale<'a> {
        Scale { language: self.language, zone: self.zone }
    }

    /// A moment.
    pub(super) fn time(&self, at: Timestamp) -> String {
        let words = self.language.moment(at, self.zone);
        format!("<time datetime=\"{}\">{}</time>", at.strftime("%Y-%m-%dT%H:%M:%SZ"), escaped(&words))
    }

    /// For how long now: `2 h 5 min`.
    pub(super) fn ago(&self, since: Timestamp) -> String {
        self.language.span(tell::between(since, self.now))
    }

    /// A state as a sign and a word.
    pub(super) fn state(&self, state: State) -> String {
        let (class, sign, word) = (state.as_str(), Self::sign(state), self.language.state(state));
        format!("<span class=\"state {class}\">{sign} <b>{word}</b></span>")
    }

    /// The sign of a state, to stand beside words. Each has another shape.
    pub(super) fn sign(state: State) -> String {
        let shape = match state {
            State::Up => "M8 1a7 7 0 1 0 0 14A7 7 0 0 0 8 1zM7 11.4 3.8 8.2l1.4-1.4L7 8.6l3.8-3.8 1.4 1.4z",
            State::Degraded => "M8 1 0.5 15h15zM7 6h2v5H7zM7 12h2v2H7z",
            State::Dark => {
                "M1 1h14v14H1zM4 5.4 6.6 8 4 10.6 5.4 12 8 9.4l2.6 2.6 1.4-1.4L9.4 8 12 5.4 10.6 4 8 6.6 5.4 4z"
            }
            State::Closed => "M8 1a7 7 0 1 0 0 14A7 7 0 0 0 8 1zM3.5 7h9v2h-9z",
            State::Unknown => "M8 0 16 8 8 16 0 8zM7 4h2v5H7zM7 10h2v2H7z",
        };
        format!(
            "<svg class=\"sign {}\" viewBox=\"0 0 16 16\" aria-hidden=\"true\" focusable=\"false\">\
             <path fill-rule=\"evenodd\" d=\"{shape}\"/></svg>",
            state.as_str()
        )
    }

    /// What broke: what the customer meets, and what was quoted.
    pub(super) fn failure(&self, failure: &Failure) -> String {
        let step = failure.step.as_ref().map(|step| format!("{}, ", foreign(step))).unwrap_or_default();
        let cause = failure.cause.map(|cause| format!(", <code>{cause}</code>")).unwrap_or_default();
        let quoted = failure.detail.as_str();
        let quoted = if quoted.is_empty() { String::new() } else { format!(": {}", foreign(quoted)) };
        format!(
            "{} (<code>{}</code>{cause}; {step}{}){quoted}",
            self.language.meaning(failure.reason),
            failure.reason,
            self.language.stage(failure.stage),
        )
    }
}
