//! Turns what serde says into what an operator can act on. serde's sentences are fixed by its own macros; the tests
//! here and the golden files of `tests/configs/bad` notice when one changes.

use std::ops::Range;

use crate::setting::{HELP, Problem, suggest};

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
                help: help.or(suggest(&word, &known, in_backticks)),
            };
        }
        let invalid = message.strip_prefix("invalid type: ").or(message.strip_prefix("invalid value: "));
        if let Some((found, expected)) = invalid.and_then(|rest| rest.split_once(", expected ")) {
            let (what, instead) = in_words(expected);
            let message = format!("expected {what}, found {}", found_in_words(found));
            return Self::BadValue { message, help: help.or(Some(instead)) };
        }
        // One of a closed set of words.
        if message == "wanted string or table" || message.starts_with("wanted exactly 1 element") {
            let message = "expected a word in quotes".to_owned();
            let instead = "put it in quotes; a word that is not known is answered with those that are";
            return Self::BadValue { message, help: Some(instead.to_owned()) };
        }
        Self::BadValue { message: message.to_owned(), help }
    }

    /// The problem to report at a place.
    pub fn problem(&self, span: Range<usize>) -> Problem {
        match self {
            Self::UnknownKey { key, known } => {
                let problem = Problem::at(span, format!("unknown key `{key}`"));
                match suggest(key, known, in_backticks) {
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

/// How a word of the configuration is written in a sentence.
pub fn in_backticks(word: &str) -> String {
    format!("`{word}`")
}

fn backticked(text: &str) -> impl Iterator<Item = &str> {
    text.split('`').skip(1).step_by(2)
}

/// What serde expects, in an operator's words, and what to write to meet it. Our own types say both at once, as
/// `a table, such as { successes = 2 }`.
fn in_words(expected: &str) -> (&str, String) {
    if let Some((what, _)) = expected.split_once(", such as ") {
        return (what, format!("write {expected}"));
    }
    let (what, instead) = match expected {
        "a boolean" => ("true or false", "write true or false, in small letters and without quotes"),
        "a string" | "a borrowed string" | "path string" => ("a text in quotes", "put it in quotes: \"...\""),
        "a sequence" => ("a list in [ ]", "put it in brackets, even if there is only one: [ ... ]"),
        "a map" => ("a table", "write a table: { key = ... }"),
        "u8" => ("a whole number from 0 to 255", "write such a number, without quotes"),
        "u16" => ("a whole number from 0 to 65535", "write such a number, without quotes"),
        "u32" | "u64" | "usize" => ("a whole number, zero or more", "write such a number, without quotes"),
        "i8" | "i16" | "i32" | "i64" | "isize" => ("a whole number", "write such a number, without quotes"),
        "f32" | "f64" => ("a number", "write such a number, without quotes"),
        _ if expected.starts_with("struct ") => ("a table { ... }", "write a table: { key = ... }"),
        _ => (expected, "write that in its place"),
    };
    (what, instead.to_owned())
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
        for (serde, words, instead) in [
            (
                "invalid type: integer `5`, expected a string",
                "expected a text in quotes, found the number 5",
                "put it in quotes: \"...\"",
            ),
            (
                "invalid type: string \"hunter2\", expected a table, such as { successes = 2 }",
                "expected a table, found a text",
                "write a table, such as { successes = 2 }",
            ),
            (
                "invalid value: integer `-1`, expected u32",
                "expected a whole number, zero or more, found the number -1",
                "write such a number, without quotes",
            ),
            (
                "invalid type: floating point `1.5`, expected a boolean",
                "expected true or false, found the number 1.5",
                "write true or false, in small letters and without quotes",
            ),
        ] {
            let said = Complaint::BadValue { message: words.into(), help: Some(instead.into()) };
            assert_eq!(Complaint::read(serde), said);
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
