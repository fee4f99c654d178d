//! Turns what serde says into what an operator can act on. serde's sentences are fixed by its own macros; the tests
//! here and the golden files of `tests/configs/bad` notice when one changes.

use std::{fmt::Write, ops::Range};

use crate::setting::{HELP, Problem};

/// So many known words are listed before the list is cut.
const LISTED_MAX: usize = 16;

/// What serde complains about.
#[derive(Debug, PartialEq, Eq)]
pub enum Complaint {
    /// A key nobody knows here.
    UnknownKey {
        /// The key as written.
        key: String,
        /// The keys that exist here.
        known: Vec<String>,
    },
    /// A key that must be there and is not.
    MissingKey {
        /// Its name.
        key: String,
    },
    /// A value that cannot be taken.
    BadValue {
        /// What is wrong.
        message: String,
        /// What to write instead.
        help: Option<String>,
    },
}

impl Complaint {
    /// Reads serde's message.
    pub fn read(message: &str) -> Self {
        if let Some(rest) = message.strip_prefix("unknown field ") {
            let mut words = backticked(rest).map(str::to_owned);
            let key = words.next().unwrap_or_default();
            return Self::UnknownKey { key, known: words.collect() };
        }
        if let Some(rest) = message.strip_prefix("missing field ") {
            return Self::MissingKey { key: rest.trim_matches('`').to_owned() };
        }
        let (message, help) = match message.split_once(HELP) {
            Some((message, help)) => (message, Some(help.to_owned())),
            None => (message, None),
        };
        if let Some(rest) = message.strip_prefix("unknown variant ") {
            let mut words = backticked(rest).map(str::to_owned);
            let word = words.next().unwrap_or_default();
            let known: Vec<String> = words.collect();
            return Self::BadValue {
                message: format!("{word:?} is not known here"),
                help: help.or(suggest(&word, &known)),
            };
        }
        if let Some((found, expected)) =
            message.strip_prefix("invalid type: ").and_then(|rest| rest.split_once(", expected "))
        {
            let message = format!("expected {}, found {}", in_words(expected), found_in_words(found));
            return Self::BadValue { message, help };
        }
        if let Some((found, expected)) =
            message.strip_prefix("invalid value: ").and_then(|rest| rest.split_once(", expected "))
        {
            let message = format!("expected {}, found {}", in_words(expected), found_in_words(found));
            return Self::BadValue { message, help };
        }
        let message = match message {
            "wanted string or table" => "expected a text in quotes or a table { ... }",
            "wanted exactly 1 element, found 0 elements" => {
                "the table must have exactly one key and has none"
            }
            "wanted exactly 1 element, more than 1 element" => {
                "the table must have exactly one key and has several"
            }
            other => other,
        };
        Self::BadValue { message: message.to_owned(), help }
    }

    /// The problem to report at a place.
    pub fn problem(&self, span: Range<usize>) -> Problem {
        match self {
            Self::UnknownKey { key, known } => {
                let problem = Problem::at(span, format!("unknown key `{key}`"));
                match suggest(key, known) {
                    Some(hint) => problem.hint(hint),
                    None => problem.hint("this table has no keys"),
                }
            }
            Self::MissingKey { key } => {
                Problem::at(span, format!("`{key}` is missing")).hint(format!("add `{key} = ...`"))
            }
            Self::BadValue { message, help } => {
                let problem = Problem::at(span, message.clone());
                match help {
                    Some(help) => problem.hint(help.clone()),
                    None => problem,
                }
            }
        }
    }
}

/// The known word that was probably meant.
pub fn closest<'k, K: AsRef<str> + ?Sized + 'k>(
    word: &str,
    known: impl IntoIterator<Item = &'k K>,
) -> Option<&'k str> {
    /// Below this likeness two words have nothing to do with each other; found by trying typos on our own keys.
    const LIKENESS_MIN: f64 = 0.75;
    let word = word.to_lowercase().replace('-', "_");
    let likeness = |known: &str| {
        let known = known.replace('-', "_");
        let slip = strsim::damerau_levenshtein(&word, &known) == 1 && known.len() > 2;
        let part = known.starts_with(&word) || word.starts_with(&known);
        strsim::jaro_winkler(&word, &known) + if slip { 0.2 } else { 0.0 } + if part { 0.1 } else { 0.0 }
    };
    let ranked = known.into_iter().map(|known| (known.as_ref(), likeness(known.as_ref())));
    let likely = ranked.filter(|(_, likeness)| *likeness >= LIKENESS_MIN);
    likely.max_by(|(_, one), (_, other)| one.total_cmp(other)).map(|(known, _)| known)
}

/// Says what was probably meant, or what there is. None if there is nothing.
pub fn suggest<K: AsRef<str>>(word: &str, known: &[K]) -> Option<String> {
    if let Some(meant) = closest(word, known) {
        return Some(format!("did you mean `{meant}`?"));
    }
    let mut list = String::new();
    for (at, known) in known.iter().take(LISTED_MAX).enumerate() {
        let joint = if at == 0 { "" } else { ", " };
        let _infallible = write!(list, "{joint}`{}`", known.as_ref());
    }
    let more = if known.len() > LISTED_MAX { ", ..." } else { "" };
    (!list.is_empty()).then(|| format!("known here: {list}{more}"))
}

fn backticked(text: &str) -> impl Iterator<Item = &str> {
    text.split('`').skip(1).step_by(2)
}

/// What serde expects, in an operator's words.
fn in_words(expected: &str) -> &str {
    match expected {
        "a boolean" => "true or false",
        "a string" | "a borrowed string" | "path string" => "a text in quotes",
        "a sequence" => "a list in [ ]",
        "a map" => "a table",
        "u8" | "u16" | "u32" | "u64" | "usize" => "a whole number, zero or more",
        "i8" | "i16" | "i32" | "i64" | "isize" => "a whole number",
        "f32" | "f64" => "a number",
        "socket address" => "an address and a port in quotes, such as \"127.0.0.1:9899\"",
        _ if expected.starts_with("struct ") => "a table { ... }",
        _ if expected.starts_with("a nonzero") => "a whole number, one or more",
        _ => expected,
    }
}

/// What serde found, in an operator's words. Texts are not quoted: one may be a secret in the wrong place.
fn found_in_words(found: &str) -> String {
    let quoted = || backticked(found).next().unwrap_or_default();
    match found.split([' ', ',']).next().unwrap_or_default() {
        "string" => "a text".to_owned(),
        "integer" => format!("the number {}", quoted()),
        "floating" => format!("the number {}", quoted()),
        "boolean" => quoted().to_owned(),
        "map" => "a table".to_owned(),
        "sequence" => "a list".to_owned(),
        _ => found.to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_typo_leads_to_the_key_that_was_meant() {
        let known =
            ["every", "timeout", "recheck", "http", "journey", "dark_after", "up_after", "alert_on_degraded"];
        for (typo, meant) in [
            ("tmeout", "timeout"),
            ("Timeout", "timeout"),
            ("time-out", "timeout"),
            ("evry", "every"),
            ("htpp", "http"),
            ("https", "http"),
            ("jurney", "journey"),
            ("dark-after", "dark_after"),
            ("re_check", "recheck"),
            ("alert_degraded", "alert_on_degraded"),
            ("up_aftr", "up_after"),
        ] {
            assert_eq!(closest(typo, &known), Some(meant), "{typo}");
        }
        for stranger in ["interval", "x", "colour", "url"] {
            assert_eq!(closest(stranger, &known), None, "{stranger}");
        }
    }

    #[test]
    fn the_sentences_of_serde_are_understood() {
        assert_eq!(
            Complaint::read("unknown field `a`, expected one of `b`, `c`"),
            Complaint::UnknownKey { key: "a".into(), known: vec!["b".into(), "c".into()] }
        );
        assert_eq!(
            Complaint::read("unknown field `a`, expected `b`"),
            Complaint::UnknownKey { key: "a".into(), known: vec!["b".into()] }
        );
        assert_eq!(Complaint::read("missing field `url`"), Complaint::MissingKey { key: "url".into() });
        for (serde, words) in [
            ("invalid type: integer `5`, expected a string", "expected a text in quotes, found the number 5"),
            (
                "invalid type: string \"hunter2\", expected struct Basic",
                "expected a table { ... }, found a text",
            ),
            (
                "invalid value: integer `-1`, expected u32",
                "expected a whole number, zero or more, found the number -1",
            ),
            (
                "invalid type: floating point `1.5`, expected a boolean",
                "expected true or false, found the number 1.5",
            ),
        ] {
            assert_eq!(Complaint::read(serde), Complaint::BadValue { message: words.into(), help: None });
        }
    }

    #[test]
    fn help_is_split_from_the_message() {
        let complaint = Complaint::read("too long\nhelp: make it shorter");
        assert_eq!(
            complaint,
            Complaint::BadValue { message: "too long".into(), help: Some("make it shorter".into()) }
        );
    }
}
