//! Texts with variables: `{name}` stands for what an earlier step captured, for a secret, or for the run's nonce.
//!
//! A brace begins a variable only where a letter, digit or underscore follows it, so that JSON is written as it is;
//! where a plain brace must stand before a word, it is doubled: `{{`. Nothing is ever inserted twice: a value that
//! contains `{name}` stays what it is.

use std::borrow::Cow;

use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, utf8_percent_encode};

use super::variables::Variables;
use crate::{probe::request::draft::Place, setting::is_variable_name};

/// What RFC 3986 calls unreserved stays; everything else is encoded, so that a value can never add a path segment, a
/// parameter or a host.
const IN_ADDRESS: &AsciiSet = &NON_ALPHANUMERIC.remove(b'-').remove(b'.').remove(b'_').remove(b'~');

/// A text, parsed once.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Template(Vec<Piece>);

#[derive(Clone, Debug, PartialEq, Eq)]
enum Piece {
    Text(String),
    Variable(Box<str>),
}

/// What is wrong with a text, and what to write instead.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Malformed {
    pub(super) message: String,
    pub(super) hint: String,
}

impl Template {
    /// Reads a text.
    pub(super) fn parse(text: &str) -> Result<Self, Malformed> {
        let mut pieces = Vec::new();
        let mut plain = String::new();
        let mut rest = text;
        while let Some(at) = rest.find('{') {
            plain.push_str(&rest[..at]);
            rest = &rest[at + 1..];
            if let Some(after) = rest.strip_prefix('{') {
                plain.push('{');
                rest = after;
            } else if rest.starts_with(is_name_char) {
                let end = rest.find(|c| !is_name_char(c)).unwrap_or(rest.len());
                let name = &rest[..end];
                rest = rest[end..]
                    .strip_prefix('}')
                    .filter(|_| is_variable_name(name))
                    .ok_or_else(|| malformed(name))?;
                if !plain.is_empty() {
                    pieces.push(Piece::Text(std::mem::take(&mut plain)));
                }
                pieces.push(Piece::Variable(name.into()));
            } else {
                plain.push('{');
            }
        }
        plain.push_str(rest);
        if !plain.is_empty() {
            pieces.push(Piece::Text(plain));
        }
        Ok(Self(pieces))
    }

    /// The names of its variables, in their order.
    pub(super) fn variables(&self) -> impl Iterator<Item = &str> {
        self.0.iter().filter_map(|piece| match piece {
            Piece::Variable(name) => Some(&**name),
            Piece::Text(_) => None,
        })
    }

    /// The variable, if the text is that and nothing else.
    pub(super) fn sole_variable(&self) -> Option<&str> {
        match &self.0[..] {
            [Piece::Variable(name)] => Some(name),
            _ => None,
        }
    }

    /// The text before the first variable.
    pub(super) fn leading_text(&self) -> &str {
        match self.0.first() {
            Some(Piece::Text(text)) => text,
            _ => "",
        }
    }

    /// The text with every variable in its place; the name of the first that has no value, otherwise.
    pub(super) fn fill<'t>(&'t self, variables: &Variables, place: Place) -> Result<Cow<'t, str>, &'t str> {
        match &self.0[..] {
            [] => return Ok(Cow::Borrowed("")),
            [Piece::Text(text)] => return Ok(Cow::Borrowed(text)),
            _ => {}
        }
        let mut filled = String::new();
        for piece in &self.0 {
            match piece {
                Piece::Text(text) => filled.push_str(text),
                Piece::Variable(name) => {
                    let value = variables.get(name).ok_or(&**name)?;
                    match place {
                        Place::Address => filled.extend(utf8_percent_encode(value, IN_ADDRESS)),
                        Place::Elsewhere => filled.push_str(value),
                    }
                }
            }
        }
        Ok(Cow::Owned(filled))
    }
}

fn is_name_char(c: char) -> bool {
    c.is_ascii_alphanumeric() || c == '_'
}

fn malformed(name: &str) -> Malformed {
    Malformed {
        message: format!("\"{{{name}\" begins a variable and does not end as one"),
        hint: "write a variable as {name}, of a-z, 0-9 and _ beginning with a letter; write {{ for a plain brace"
            .to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn fill(text: &str, place: Place) -> String {
        let mut variables = Variables::default();
        variables.set("id", "42".to_owned());
        variables.set("odd", "a b/{id}?&é".to_owned());
        Template::parse(text).unwrap().fill(&variables, place).unwrap().into_owned()
    }

    #[test]
    fn a_text_is_filled_with_the_values_of_its_variables() {
        for (text, filled) in [
            ("", ""),
            ("plain", "plain"),
            ("{id}", "42"),
            ("/tickets/{id}/close", "/tickets/42/close"),
            ("{id}{id}", "4242"),
            (r#"{"a": {"id": "{id}"}, "b": {}}"#, r#"{"a": {"id": "42"}, "b": {}}"#),
            ("{{id}", "{id}"),
            ("{{{id}", "{42"),
            ("a } b", "a } b"),
            ("a {", "a {"),
            ("{ id }", "{ id }"),
        ] {
            assert_eq!(fill(text, Place::Elsewhere), filled, "{text}");
        }
    }

    #[test]
    fn a_value_cannot_change_the_structure_of_an_address() {
        assert_eq!(fill("https://x/{odd}", Place::Address), "https://x/a%20b%2F%7Bid%7D%3F%26%C3%A9");
    }

    #[test]
    fn a_value_that_looks_like_a_variable_is_not_filled_again() {
        assert_eq!(fill("{odd}", Place::Elsewhere), "a b/{id}?&é");
    }

    #[test]
    fn a_brace_before_a_word_must_be_a_variable() {
        for text in ["{id", "{Id}", "{my-id}", "{2}", "x{id ", "{_id}"] {
            assert!(Template::parse(text).is_err(), "{text}");
        }
    }

    #[test]
    fn a_variable_without_a_value_is_named() {
        let template = Template::parse("a {id} {missing}").unwrap();
        assert_eq!(template.variables().collect::<Vec<_>>(), ["id", "missing"]);
        assert_eq!(template.leading_text(), "a ");
        let mut variables = Variables::default();
        variables.set("id", String::new());
        assert_eq!(template.fill(&variables, Place::Elsewhere), Err("missing"));
    }
}
