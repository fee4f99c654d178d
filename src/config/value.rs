//! Values that only the top of the configuration has: ids, labels, counts, the monitor's own addresses.

use std::{borrow::Cow, fmt, net::SocketAddr};

use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::{Deserialize, Deserializer, de};

use crate::{
    domain::{
        channel::{ID_LEN_MAX, is_id},
        maintenance::TEXT_CHARS_MAX,
    },
    setting::{Refused, written_as_text},
};

/// An id: a table name of the file, and at once a metric label.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Id(pub String);

impl Id {
    fn parse(text: &str) -> Result<Self, Refused> {
        if is_id(text) {
            return Ok(Self(text.to_owned()));
        }
        let slug: String = text
            .to_lowercase()
            .chars()
            .map(|c| if c.is_ascii_alphanumeric() || c == '_' { c } else { '-' })
            .take(ID_LEN_MAX)
            .collect();
        let slug = slug.trim_matches(['-', '_']);
        let example = if is_id(slug) { slug } else { "web-chat" };
        Err((
            format!("{text:?} cannot be an id"),
            format!(
                "write up to {ID_LEN_MAX} of a-z, 0-9, - and _, beginning with a letter or digit, such as `{example}`"
            ),
        ))
    }
}

written_as_text!(Id, "an id", "web-chat", {
    "type": "string",
    "pattern": "^[a-z0-9][a-z0-9_-]{0,62}$",
    "description": "An id: up to 63 of a-z, 0-9, - and _, beginning with a letter or digit."
});

/// An address and a port.
#[derive(Clone, Copy, Debug)]
pub struct Listen(pub SocketAddr);

impl Listen {
    fn parse(text: &str) -> Result<Self, Refused> {
        text.parse().map(Self).map_err(|_| {
            (
                format!("{text:?} is not an address with a port"),
                "write an IP address and a port, such as \"127.0.0.1:9899\" or \"[::1]:9899\"".to_owned(),
            )
        })
    }
}

written_as_text!(Listen, "an address and a port", "127.0.0.1:9899", { "type": "string", "pattern": ":[0-9]+$", "description": "An IP address and a port, such as \"127.0.0.1:9899\"." });

/// A time zone by its name in the IANA database.
#[derive(Clone, Debug)]
pub struct TimeZone(pub jiff::tz::TimeZone);

impl TimeZone {
    fn parse(text: &str) -> Result<Self, Refused> {
        time_zone(text).map(Self)
    }
}

/// A time zone of this machine's database.
pub fn time_zone(text: &str) -> Result<jiff::tz::TimeZone, Refused> {
    jiff::tz::TimeZone::get(text).map_err(|_| {
        (
            format!("{text:?} is not a time zone of this machine's database"),
            "write a name such as \"Europe/Berlin\" or \"UTC\", and have the package tzdata installed"
                .to_owned(),
        )
    })
}

written_as_text!(TimeZone, "a time zone", "Europe/Berlin", { "type": "string", "description": "A time zone, such as \"Europe/Berlin\" or \"UTC\"." });

/// A title for people: one line of at most [`TITLE_CHARS_MAX`] characters.
#[derive(Clone, Debug)]
pub struct Title(pub String);

/// The longest title, in characters: it stands in a mail's subject.
pub const TITLE_CHARS_MAX: usize = 120;

impl Title {
    fn parse(text: &str) -> Result<Self, Refused> {
        let text = text.trim();
        let help = "write one short line, such as \"Chat button, web shop\"".to_owned();
        if text.is_empty() || text.chars().any(char::is_control) {
            return Err(("a title must be one line of text".to_owned(), help));
        }
        if text.chars().count() > TITLE_CHARS_MAX {
            return Err((format!("a title must be at most {TITLE_CHARS_MAX} characters long"), help));
        }
        Ok(Self(text.to_owned()))
    }
}

written_as_text!(Title, "a title", "Chat button, web shop", { "type": "string", "minLength": 1, "maxLength": TITLE_CHARS_MAX, "description": "One line of text." });

/// A day of the calendar.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct HolidayDate(pub jiff::civil::Date);

impl HolidayDate {
    fn parse(text: &str) -> Result<Self, Refused> {
        // jiff takes a moment for its day.
        let is_plain = text.bytes().all(|byte| byte.is_ascii_digit() || byte == b'-');
        text.parse().ok().filter(|_| is_plain).map(Self).ok_or_else(|| {
            (
                format!("{text:?} is not a day of the calendar"),
                "write year, month and day, such as \"2026-12-25\"".to_owned(),
            )
        })
    }
}

written_as_text!(HolidayDate, "a date", "2026-12-25", { "type": "string", "pattern": "^[0-9]{4}-[0-9]{2}-[0-9]{2}$", "description": "A day of the calendar, such as \"2026-12-25\"." });

/// A text that is announced: one line.
#[derive(Clone, Debug)]
pub struct Notice(pub String);

impl Notice {
    fn parse(text: &str) -> Result<Self, Refused> {
        let text = text.trim();
        if text.chars().count() > TEXT_CHARS_MAX || text.chars().any(char::is_control) {
            return Err((
                format!("an announcement must be one line of at most {TEXT_CHARS_MAX} characters"),
                "write one sentence, such as \"The chat is back at six.\"".to_owned(),
            ));
        }
        Ok(Self(text.to_owned()))
    }
}

written_as_text!(Notice, "a text", "The chat is back at six.", { "type": "string", "maxLength": TEXT_CHARS_MAX, "description": "One line of text." });

/// The name of a label of the operator's own.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct LabelName(pub String);

/// Labels that our metrics or Prometheus itself set.
const LABELS_TAKEN: [&str; 6] = ["channel", "kind", "title", "team", "job", "instance"];

impl LabelName {
    fn parse(text: &str) -> Result<Self, Refused> {
        if LABELS_TAKEN.contains(&text) || text.starts_with("__") {
            return Err((
                format!("the label {text:?} is already in use"),
                format!("take another name than {} and none that begins with __", LABELS_TAKEN.join(", ")),
            ));
        }
        let first_is_letter = text.starts_with(|c: char| c.is_ascii_alphabetic() || c == '_');
        if !first_is_letter || !text.chars().all(|c| c.is_ascii_alphanumeric() || c == '_') {
            return Err((
                format!("{text:?} cannot be the name of a label"),
                "write letters, digits and _, beginning with a letter, such as `cost_centre`".to_owned(),
            ));
        }
        Ok(Self(text.to_owned()))
    }
}

written_as_text!(LabelName, "the name of a label", "tier", {
    "type": "string",
    "pattern": "^[a-zA-Z_][a-zA-Z0-9_]*$",
    "description": "The name of a label: letters, digits and _, beginning with a letter."
});

/// The value of a label of the operator's own.
#[derive(Clone, Debug)]
pub struct LabelValue(pub String);

/// The longest label value, in characters.
const LABEL_CHARS_MAX: usize = 200;

impl LabelValue {
    fn parse(text: &str) -> Result<Self, Refused> {
        if text.chars().count() > LABEL_CHARS_MAX || text.chars().any(char::is_control) {
            return Err((
                format!("a label must be one line of at most {LABEL_CHARS_MAX} characters"),
                "write a short word, such as \"emea\"".to_owned(),
            ));
        }
        Ok(Self(text.to_owned()))
    }
}

written_as_text!(LabelValue, "a text", "gold", { "type": "string", "maxLength": LABEL_CHARS_MAX, "description": "The value of the label." });

/// A whole number of at least one.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Count(pub u32);

impl<'de> Deserialize<'de> for Count {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Visitor;
        impl de::Visitor<'_> for Visitor {
            type Value = Count;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a whole number, one or more, such as 3")
            }

            fn visit_i64<E: de::Error>(self, number: i64) -> Result<Count, E> {
                match u32::try_from(number) {
                    Ok(count @ 1..) => Ok(Count(count)),
                    _ => Err(E::invalid_value(de::Unexpected::Signed(number), &self)),
                }
            }
        }
        deserializer.deserialize_any(Visitor)
    }
}

impl JsonSchema for Count {
    fn schema_name() -> Cow<'static, str> {
        "Count".into()
    }

    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        json_schema!({ "type": "integer", "minimum": 1, "maximum": u32::MAX, "description": "A whole number, one or more." })
    }
}
