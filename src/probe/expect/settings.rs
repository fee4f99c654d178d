//! Expectations in `probes.toml`.

use std::fmt;

use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::{Deserialize, Deserializer, de};

use crate::{
    domain::outcome::Reason,
    setting::{At, ByteSize, HeaderName, JsonPath, Pattern, Span, refuse},
};

/// What is expected of an answer. Each expectation may name the reason it stands for: otherwise = "disabled".
#[derive(Clone, Debug, Default, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, expecting = "a table, such as { status = [200] }")]
pub struct ExpectSettings {
    /// The status: `[200, "300-399"]`, or `{ any_of = [200], otherwise = "closed" }`. Without, 200 to 399.
    pub status: Option<StatusSettings>,
    /// What headers must be.
    #[serde(default)]
    pub headers: Vec<At<HeaderExpectation>>,
    /// What the body must or must not contain.
    #[serde(default)]
    pub body: Vec<At<BodyExpectation>>,
    /// What a JSON body must say.
    #[serde(default)]
    pub json: Vec<At<JsonExpectation>>,
    /// How large the body must be.
    pub size: Option<At<SizeExpectation>>,
    /// How long the certificate must be valid still; less is degraded, not dark.
    pub certificate: Option<CertificateExpectation>,
    /// How long the answer may take; more is degraded, not dark.
    pub time: Option<TimeExpectation>,
}

impl ExpectSettings {
    /// Whether nothing is written.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        let Self { status, headers, body, json, size, certificate, time } = self;
        let lists_are_empty = headers.is_empty() && body.is_empty() && json.is_empty();
        lists_are_empty && status.is_none() && size.is_none() && certificate.is_none() && time.is_none()
    }
}

/// Which statuses are expected.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct StatusSettings {
    pub(super) any_of: Vec<StatusRange>,
    pub(super) otherwise: Option<Reason>,
}

/// One status, or a range of them: 200, "2xx", "300-399".
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct StatusRange {
    pub(super) first: u16,
    pub(super) last: u16,
}

/// What a header must be; without a condition it must be there.
#[derive(Clone, Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, expecting = "a table, such as { name = \"content-type\", contains = \"json\" }")]
pub struct HeaderExpectation {
    /// The header.
    pub(super) name: HeaderName,
    /// Whether it must be there (true) or must not (false).
    pub(super) present: Option<bool>,
    /// Its whole value.
    pub(super) equals: Option<String>,
    /// A part of its value.
    pub(super) contains: Option<String>,
    /// A regular expression that finds something in its value.
    pub(super) matches: Option<Pattern>,
    /// The reason that is told when this does not hold.
    pub(super) otherwise: Option<Reason>,
}

/// What a body must or must not contain; exactly one condition.
#[derive(Clone, Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, expecting = "a table, such as { contains = \"Start chat\" }")]
pub struct BodyExpectation {
    /// A text that is in it.
    pub(super) contains: Option<String>,
    /// A text that is not in it.
    pub(super) not_contains: Option<String>,
    /// A regular expression that finds something in it.
    pub(super) matches: Option<Pattern>,
    /// The reason that is told when this does not hold.
    pub(super) otherwise: Option<Reason>,
}

/// What stands at a path of a JSON body. Every value at the path must fulfil every condition, and there must be one.
#[derive(Clone, Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, expecting = "a table, such as { path = \"$.enabled\", equals = true }")]
pub struct JsonExpectation {
    /// The path, such as `$.enabled` or `$.agents[*].online`.
    pub(super) path: JsonPath,
    /// The value.
    pub(super) equals: Option<serde_json::Value>,
    /// A regular expression that finds something in the text or number.
    pub(super) matches: Option<Pattern>,
    /// Whether something must be at the path (true) or nothing must (false).
    pub(super) exists: Option<bool>,
    /// A number that is smaller than the value.
    pub(super) greater: Option<f64>,
    /// A number that is larger than the value.
    pub(super) less: Option<f64>,
    /// The reason that is told when this does not hold.
    pub(super) otherwise: Option<Reason>,
}

/// How large a body must be, inflated.
#[derive(Clone, Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, expecting = "a table, such as { min = \"1KiB\" }")]
pub struct SizeExpectation {
    /// At least.
    pub(super) min: Option<ByteSize>,
    /// At most.
    pub(super) max: Option<ByteSize>,
    /// The reason that is told when this does not hold.
    pub(super) otherwise: Option<Reason>,
}

/// How long a certificate must be valid still.
#[derive(Clone, Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, expecting = "a table, such as { days_min = 14 }")]
pub struct CertificateExpectation {
    /// Days, for every certificate of the chain.
    pub(super) days_min: u16,
    /// The reason that is told when this does not hold.
    pub(super) otherwise: Option<Reason>,
}

/// How long an answer may take.
#[derive(Clone, Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, expecting = "a table, such as { max = \"2s\" }")]
pub struct TimeExpectation {
    /// At most, from the first byte of the way to the last byte of the answer; shorter than the timeout.
    pub(super) max: At<Span>,
    /// The reason that is told when this does not hold.
    pub(super) otherwise: Option<Reason>,
}

const STATUS_EXAMPLE: &str = "write a status such as 200, or a range such as \"2xx\" or \"300-399\"";

impl StatusRange {
    pub(super) fn has(self, status: u16) -> bool {
        (self.first..=self.last).contains(&status)
    }

    fn of(first: u16, last: u16) -> Option<Self> {
        (100 <= first && first <= last && last <= 599).then_some(Self { first, last })
    }

    fn parse(text: &str) -> Option<Self> {
        if let Some(class) = text.strip_suffix("xx") {
            let class: u16 = class.parse().ok().filter(|class| *class < 10)?;
            return Self::of(class * 100, class * 100 + 99);
        }
        let (first, last) = text.split_once('-').unwrap_or((text, text));
        Self::of(first.trim().parse().ok()?, last.trim().parse().ok()?)
    }
}

impl fmt::Display for StatusRange {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.first == self.last {
            write!(f, "{}", self.first)
        } else {
            write!(f, "{} to {}", self.first, self.last)
        }
    }
}

impl<'de> Deserialize<'de> for StatusRange {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Visitor;
        impl de::Visitor<'_> for Visitor {
            type Value = StatusRange;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a status or a range of them, such as 200 or \"3xx\"")
            }

            fn visit_i64<E: de::Error>(self, status: i64) -> Result<StatusRange, E> {
                let range = u16::try_from(status).ok().and_then(|status| StatusRange::of(status, status));
                range.ok_or_else(|| refuse(format_args!("{status} is not a status"), STATUS_EXAMPLE))
            }

            fn visit_str<E: de::Error>(self, text: &str) -> Result<StatusRange, E> {
                StatusRange::parse(text).ok_or_else(|| {
                    refuse(format_args!("{text:?} is not a status or a range"), STATUS_EXAMPLE)
                })
            }
        }
        deserializer.deserialize_any(Visitor)
    }
}

impl<'de> Deserialize<'de> for StatusSettings {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        /// The long form.
        #[derive(Deserialize)]
        #[serde(deny_unknown_fields)]
        struct Long {
            any_of: Vec<StatusRange>,
            otherwise: Option<Reason>,
        }

        struct Visitor;
        impl<'de> de::Visitor<'de> for Visitor {
            type Value = StatusSettings;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a list of statuses, such as [200, \"3xx\"] or { any_of = [200], otherwise = \"closed\" }")
            }

            fn visit_seq<A: de::SeqAccess<'de>>(self, mut seq: A) -> Result<StatusSettings, A::Error> {
                let mut any_of = Vec::new();
                while let Some(range) = seq.next_element()? {
                    any_of.push(range);
                }
                not_empty(StatusSettings { any_of, otherwise: None })
            }

            fn visit_map<A: de::MapAccess<'de>>(self, map: A) -> Result<StatusSettings, A::Error> {
                let Long { any_of, otherwise } =
                    Long::deserialize(de::value::MapAccessDeserializer::new(map))?;
                not_empty(StatusSettings { any_of, otherwise })
            }
        }
        deserializer.deserialize_any(Visitor)
    }
}

fn not_empty<E: de::Error>(settings: StatusSettings) -> Result<StatusSettings, E> {
    if settings.any_of.is_empty() {
        return Err(refuse("no status would be expected", STATUS_EXAMPLE));
    }
    Ok(settings)
}

impl JsonSchema for StatusSettings {
    fn schema_name() -> std::borrow::Cow<'static, str> {
        "Status".into()
    }

    fn json_schema(generator: &mut SchemaGenerator) -> Schema {
        let reason = generator.subschema_for::<Reason>();
        let list = json_schema!({
            "type": "array",
            "minItems": 1,
            "description": "Statuses and ranges of them.",
            "items": { "oneOf": [
                { "type": "integer", "minimum": 100, "maximum": 599 },
                { "type": "string", "pattern": "^([1-5]xx|[1-5][0-9][0-9](-[1-5][0-9][0-9])?)$" }
            ] }
        });
        json_schema!({
            "description": "Which statuses are expected: 200, \"2xx\", \"300-399\".",
            "oneOf": [list, {
                "type": "object",
                "properties": {
                    "any_of": list,
                    "otherwise": { "description": "The reason that is told when another status comes.", "allOf": [reason] }
                },
                "required": ["any_of"],
                "additionalProperties": false
            }]
        })
    }
}
