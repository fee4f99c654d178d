//! Spans of time.

use std::{borrow::Cow, fmt, time::Duration};

use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::{Deserialize, Deserializer, de};

use crate::setting::refuse;

/// The longest span of time accepted anywhere: more is a typo.
pub const SPAN_MAX: Duration = Duration::from_secs(400 * 24 * 60 * 60);

const EXAMPLES: &str = "write a number and a unit in quotes, such as \"30s\", \"500ms\" or \"5m\"";

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

impl fmt::Display for Span {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        // Every Span was made from a SignedDuration or is small, so the fallback is never seen.
        let span = jiff::SignedDuration::try_from(self.0).unwrap_or(jiff::SignedDuration::MAX);
        write!(f, "{span:#}")
    }
}

impl<'de> Deserialize<'de> for Span {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(Visitor)
    }
}

struct Visitor;

impl de::Visitor<'_> for Visitor {
    type Value = Span;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a span of time in quotes, such as \"30s\"")
    }

    fn visit_i64<E: de::Error>(self, number: i64) -> Result<Span, E> {
        Err(refuse(
            format_args!("{number} has no unit of time"),
            format_args!("write \"{number}s\" for seconds, \"{number}ms\" for milliseconds"),
        ))
    }

    fn visit_str<E: de::Error>(self, text: &str) -> Result<Span, E> {
        let span: jiff::SignedDuration = text
            .trim()
            .parse()
            .map_err(|_| refuse(format_args!("{text:?} is not a span of time"), EXAMPLES))?;
        match Duration::try_from(span) {
            Ok(Duration::ZERO) | Err(_) => Err(refuse("a span of time must be longer than zero", EXAMPLES)),
            Ok(span) if span > SPAN_MAX => {
                Err(refuse(format_args!("{text:?} is longer than 400 days, the longest accepted"), EXAMPLES))
            }
            Ok(span) => Ok(Span(span)),
        }
    }
}

impl JsonSchema for Span {
    fn schema_name() -> Cow<'static, str> {
        "Span".into()
    }

    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        json_schema!({
            "type": "string",
            "description": "A span of time with its unit, such as \"30s\", \"500ms\" or \"1m 30s\".",
            "examples": ["30s", "500ms", "1m 30s"]
        })
    }
}
