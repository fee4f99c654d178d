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
        let refused = |_| refuse(format_args!("{text:?} is not a span of time"), EXAMPLES);
        let span: jiff::Span = text.trim().parse().map_err(refused)?;
        // A day is 24 hours here; months and years have no length of their own and are refused.
        let span = span.to_duration(jiff::SpanRelativeTo::days_are_24_hours()).map_err(refused)?;
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

#[cfg(test)]
mod tests {
    use serde::de::value::{Error, StrDeserializer};

    use super::*;

    fn read(text: &str) -> Result<Span, String> {
        Span::deserialize(StrDeserializer::<Error>::new(text)).map_err(|error| error.to_string())
    }

    #[test]
    fn a_span_has_a_number_and_a_unit() {
        for (text, ms) in [
            ("30s", 30_000),
            ("500ms", 500),
            ("1m 30s", 90_000),
            ("2h", 7_200_000),
            ("1d", 86_400_000),
            ("1w", 604_800_000),
        ] {
            assert_eq!(read(text), Ok(Span(Duration::from_millis(ms))), "{text}");
        }
        for text in ["", "30", "soon", "1 month", "2y", "30 sekunden"] {
            assert!(read(text).is_err_and(|why| why.contains("is not a span of time")), "{text}");
        }
    }

    #[test]
    fn a_span_is_longer_than_nothing_and_no_typo() {
        for text in ["0s", "-30s"] {
            assert!(read(text).is_err_and(|why| why.contains("longer than zero")), "{text}");
        }
        assert!(read("401d").is_err_and(|why| why.contains("longer than 400 days")));
        assert!(read("99999999999999999999s").is_err());
    }
}
