//! The language of a customer.

use super::{Refused, written_as_text};

/// A language, and where it is spoken.
#[derive(Clone, Debug)]
pub struct Locale(pub String);

impl Locale {
    fn parse(text: &str) -> Result<Self, Refused> {
        let mut parts = text.split('-');
        let is_part = |part: &str| {
            (2..=8).contains(&part.len()) && part.bytes().all(|byte| byte.is_ascii_alphanumeric())
        };
        let is_language = parts.next().is_some_and(|part| is_part(part) && part.len() <= 3);
        if is_language && parts.all(is_part) {
            return Ok(Self(text.to_owned()));
        }
        let hint = "write a language, and the country where it matters: \"de\", \"pt-BR\"".to_owned();
        Err((format!("{text:?} is not a language"), hint))
    }
}

written_as_text!(Locale, "a language", "de-DE", {
    "type": "string",
    "pattern": "^[A-Za-z]{2,3}(-[A-Za-z0-9]{2,8})*$",
    "description": "A language, such as \"de-DE\"."
});
