//! Values as the operator writes them in `probes.toml`, shared by the settings of every module. Each is checked while
//! it is read, so that the caret of an error stands under the value itself.
//!
//! A value that is wrong says two things: what is wrong, and what to write instead. Through serde both travel in one
//! message, joined by [`HELP`]; [`refuse`] writes it.

mod likeness;
mod locale;
mod off;
mod text;
mod time;

use std::{borrow::Cow, fmt, ops::Range};

use schemars::{JsonSchema, Schema, SchemaGenerator};
use serde::{Deserialize, Deserializer, de};

pub(crate) use self::text::shown_scheme;
pub use self::{
    likeness::{closest, suggest},
    locale::Locale,
    off::SpanOrOff,
    text::{
        ByteSize, CssSelector, HeaderName, HttpUrl, JsonPath, MailAddress, Pattern, UrlText, is_loopback,
        is_variable, is_variable_name,
    },
    time::{SPAN_MAX, Span},
};

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

    /// A problem of the file as a whole.
    #[must_use]
    pub fn of_file(message: impl Into<String>) -> Self {
        Self { span: None, message: message.into(), hint: None }
    }

    /// Adds what would be right.
    #[must_use]
    pub fn hint(mut self, hint: impl Into<String>) -> Self {
        self.hint = Some(hint.into());
        self
    }
}

/// Stands between what is wrong and what to write instead in the message of a serde error.
pub const HELP: &str = "\nhelp: ";

/// Refuses a value while it is read, saying what is wrong and what to write instead.
pub fn refuse<E: de::Error>(message: impl fmt::Display, help: impl fmt::Display) -> E {
    E::custom(format_args!("{message}{HELP}{help}"))
}

/// What is wrong with a text, and what to write instead.
pub type Refused = (String, String);

/// Makes a type that is written as a text in quotes: read by its `parse(&str) -> Result<Self, Refused>`, called by
/// the words given and shown by the example where something else was found, and described to editors by the schema
/// given.
macro_rules! written_as_text {
    ($name:ident, $what:literal, $example:literal, $schema:tt) => {
        impl<'de> serde::Deserialize<'de> for $name {
            fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
                struct Visitor;
                impl serde::de::Visitor<'_> for Visitor {
                    type Value = $name;

                    fn expecting(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                        f.write_str(concat!($what, " in quotes, such as \"", $example, "\""))
                    }

                    fn visit_str<E: serde::de::Error>(self, text: &str) -> Result<$name, E> {
                        $name::parse(text).map_err(|(message, help)| $crate::setting::refuse(message, help))
                    }
                }
                deserializer.deserialize_str(Visitor)
            }
        }

        impl schemars::JsonSchema for $name {
            fn schema_name() -> std::borrow::Cow<'static, str> {
                stringify!($name).into()
            }

            fn json_schema(_: &mut schemars::SchemaGenerator) -> schemars::Schema {
                schemars::json_schema!($schema)
            }
        }
    };
}

pub(crate) use written_as_text;

/// A value that remembers where in the file it stands, for what can only be checked once the whole is known.
#[derive(Clone, PartialEq, Eq)]
pub struct At<T> {
    /// Its bytes in the file.
    pub span: Range<usize>,
    /// The value.
    pub value: T,
}

impl<T> At<T> {
    /// A problem with this value.
    #[must_use]
    pub fn problem(&self, message: impl Into<String>) -> Problem {
        Problem::at(self.span.clone(), message)
    }
}

impl<T> std::ops::Deref for At<T> {
    type Target = T;

    fn deref(&self) -> &T {
        &self.value
    }
}

impl<T: fmt::Debug> fmt::Debug for At<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.value.fmt(f)
    }
}

impl<'de, T: Deserialize<'de>> Deserialize<'de> for At<T> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let spanned = toml::Spanned::deserialize(deserializer)?;
        Ok(Self { span: spanned.span(), value: spanned.into_inner() })
    }
}

impl<T: JsonSchema> JsonSchema for At<T> {
    fn inline_schema() -> bool {
        T::inline_schema()
    }

    fn schema_name() -> Cow<'static, str> {
        T::schema_name()
    }

    fn schema_id() -> Cow<'static, str> {
        T::schema_id()
    }

    fn json_schema(generator: &mut SchemaGenerator) -> Schema {
        T::json_schema(generator)
    }
}
