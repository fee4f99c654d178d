//! A span of time that can be switched off.

use std::borrow::Cow;

use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::{Deserialize, Deserializer, de};

use crate::setting::Span;

/// A span of time, or `"off"` for what has a default and is not wanted.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum SpanOrOff {
    /// It is not wanted.
    Off,
    /// So long.
    Span(Span),
}

impl<'de> Deserialize<'de> for SpanOrOff {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(Visitor)
    }
}

struct Visitor;

impl de::Visitor<'_> for Visitor {
    type Value = SpanOrOff;

    fn expecting(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("a span of time in quotes, such as \"30s\", or \"off\"")
    }

    fn visit_i64<E: de::Error>(self, number: i64) -> Result<SpanOrOff, E> {
        Span::deserialize(de::value::I64Deserializer::new(number)).map(SpanOrOff::Span)
    }

    fn visit_str<E: de::Error>(self, text: &str) -> Result<SpanOrOff, E> {
        match text.trim() {
            "off" => Ok(SpanOrOff::Off),
            _ => Span::deserialize(de::value::StrDeserializer::new(text)).map(SpanOrOff::Span),
        }
    }
}

impl JsonSchema for SpanOrOff {
    fn schema_name() -> Cow<'static, str> {
        "SpanOrOff".into()
    }

    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        json_schema!({
            "type": "string",
            "description": "A span of time with its unit, such as \"5s\", or \"off\".",
            "examples": ["5s", "500ms", "off"]
        })
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use serde::de::value::{Error, StrDeserializer};

    use super::*;

    #[test]
    fn off_is_no_span_and_a_span_is_read_as_ever() {
        let read = |text| {
            SpanOrOff::deserialize(StrDeserializer::<Error>::new(text)).map_err(|error| error.to_string())
        };
        assert_eq!(read("off"), Ok(SpanOrOff::Off));
        assert_eq!(read("5s"), Ok(SpanOrOff::Span(Span(Duration::from_secs(5)))));
        assert!(read("soon").is_err_and(|why| why.contains("is not a span of time")));
    }
}
