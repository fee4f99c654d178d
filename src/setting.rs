//! Values as the operator writes them in `probes.toml`, shared by the settings of every module. Each is checked while
//! it is read, so that the caret of an error stands under the value itself.

use std::{borrow::Cow, ops::Range, time::Duration};

use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::{Deserialize, Deserializer, de};

/// Something in the configuration that is wrong, or that deserves a warning.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Problem {
    /// Bytes of the file it points at; none when the file as a whole is meant.
    pub span: Option<Range<usize>>,
    /// What is wrong, a lowercase fragment.
    pub message: String,
    /// What would be right.
    pub hint: Option<String>,
}

impl Problem {
    /// A problem at a place.
    #[must_use]
    pub fn at(span: Range<usize>, message: impl Into<String>) -> Self {
        Self { span: Some(span), message: message.into(), hint: None }
    }

    /// Adds what would be right.
    #[must_use]
    pub fn hint(mut self, hint: impl Into<String>) -> Self {
        self.hint = Some(hint.into());
        self
    }
}

/// The longest span of time accepted anywhere: more is a typo.
pub const SPAN_MAX: Duration = Duration::from_secs(400 * 24 * 60 * 60);

/// A span of time such as `"30s"`, `"500ms"`, `"1m 30s"`: more than zero, at most [`SPAN_MAX`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Span(pub Duration);

impl Span {
    /// A span of whole seconds.
    #[must_use]
    pub const fn secs(secs: u64) -> Self {
        Self(Duration::from_secs(secs))
    }
}

impl<'de> Deserialize<'de> for Span {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Visitor;
        impl de::Visitor<'_> for Visitor {
            type Value = Span;

            fn expecting(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                f.write_str("a span of time with its unit in quotes, such as \"30s\" or \"5m\"")
            }

            fn visit_str<E: de::Error>(self, text: &str) -> Result<Span, E> {
                let span: jiff::SignedDuration = text.trim().parse().map_err(|_| {
                    E::custom(format!(
                        "{text:?} is not a span of time; write a number and a unit, such as \"30s\""
                    ))
                })?;
                match Duration::try_from(span) {
                    Ok(Duration::ZERO) | Err(_) => Err(E::custom("a span of time must be longer than zero")),
                    Ok(span) if span > SPAN_MAX => Err(E::custom("a span of time must be at most 400 days")),
                    Ok(span) => Ok(Span(span)),
                }
            }
        }
        deserializer.deserialize_str(Visitor)
    }
}

impl JsonSchema for Span {
    fn schema_name() -> Cow<'static, str> {
        "Span".into()
    }

    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        json_schema!({ "type": "string", "description": "A span of time with its unit, such as \"30s\", \"500ms\" or \"1m 30s\"." })
    }
}
