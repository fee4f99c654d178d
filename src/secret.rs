//! Secrets, by reference only: `{ env = "X" }`, `{ file = "..." }` or `{ credential = "..." }`, never a value in the
//! configuration. A [`Secret`] has no `Display`, prints as `***`, is never serialised, and is wiped when it is
//! dropped. What a target echoes goes through the [`Redactor`] before anybody sees it.

mod redactor;
mod sources;

use std::{borrow::Cow, fmt, path::PathBuf};

use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::{Deserialize, Deserializer, de};
use zeroize::{Zeroize, ZeroizeOnDrop};

pub(crate) use self::sources::{read_bounded, why};
pub use self::{redactor::Redactor, sources::Sources};
use crate::setting::refuse;

/// What is said of a secret that stands in the configuration itself. The line it stands on is shown without it.
pub(crate) const LITERAL_SECRET: &str = "a secret must not stand in this file";

const WHAT_TO_WRITE: &str = "write where it lies: { env = \"SMTP_PASSWORD\" }, \
{ file = \"/run/secrets/smtp\" } or { credential = \"smtp\" } (systemd)";

const NUMBER_IN_QUOTES: &str =
    "put it in quotes, or write where it lies if it is a secret: { env = \"API_TOKEN\" }";

/// A secret value, read from where the configuration says it lies.
///
/// It can be kept and compared, and neither shown nor serialised:
///
/// ```
/// let secret = lamplighter::secret::Secret::new("hunter2".to_owned());
/// assert_eq!(format!("{secret:?}"), "***");
/// ```
///
/// ```compile_fail,E0277
/// let secret = lamplighter::secret::Secret::new("hunter2".to_owned());
/// println!("{secret}");
/// ```
///
/// ```compile_fail,E0277
/// let secret = lamplighter::secret::Secret::new("hunter2".to_owned());
/// serde_json::to_string(&secret).ok();
/// ```
#[derive(Clone, PartialEq, Eq, Zeroize, ZeroizeOnDrop)]
pub struct Secret(String);

impl Secret {
    /// Takes a value that has just been read.
    #[must_use]
    pub fn new(value: String) -> Self {
        Self(value)
    }

    /// The value itself, for the one place that sends it.
    #[must_use]
    pub fn expose(&self) -> &str {
        &self.0
    }
}

impl fmt::Debug for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("***")
    }
}

/// Where a secret lies.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum SecretRef {
    /// In an environment variable.
    Env(String),
    /// In a file; a relative path starts at the configuration file's directory.
    File(PathBuf),
    /// In a credential that systemd hands to the service (`LoadCredential=`).
    Credential(String),
}

impl SecretRef {
    fn from_word(word: &str, place: String) -> Option<Self> {
        match word {
            "env" => Some(Self::Env(place)),
            "file" => Some(Self::File(place.into())),
            "credential" => Some(Self::Credential(place)),
            _ => None,
        }
    }

    /// The words of the three places.
    const WORDS: &'static [&'static str] = &["env", "file", "credential"];
}

impl fmt::Display for SecretRef {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Env(name) => write!(f, "the environment variable {name}"),
            Self::File(path) => write!(f, "the file {}", path.display()),
            Self::Credential(name) => write!(f, "the credential {name}"),
        }
    }
}

impl<'de> Deserialize<'de> for SecretRef {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Visitor;
        impl<'de> de::Visitor<'de> for Visitor {
            type Value = SecretRef;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("where the secret lies, such as { env = \"SMTP_PASSWORD\" }")
            }

            fn visit_str<E: de::Error>(self, _: &str) -> Result<SecretRef, E> {
                Err(refuse(LITERAL_SECRET, WHAT_TO_WRITE))
            }

            // A number may be a secret as well; what serde says of a wrong type would repeat it.
            fn visit_i64<E: de::Error>(self, _: i64) -> Result<SecretRef, E> {
                Err(refuse(LITERAL_SECRET, WHAT_TO_WRITE))
            }

            fn visit_f64<E: de::Error>(self, _: f64) -> Result<SecretRef, E> {
                Err(refuse(LITERAL_SECRET, WHAT_TO_WRITE))
            }

            fn visit_map<A: de::MapAccess<'de>>(self, map: A) -> Result<SecretRef, A::Error> {
                place_of(map)
            }
        }
        deserializer.deserialize_any(Visitor)
    }
}

fn place_of<'de, A: de::MapAccess<'de>>(mut map: A) -> Result<SecretRef, A::Error> {
    let mut found = None;
    while let Some(word) = map.next_key::<Word>()? {
        let place: String = map.next_value()?;
        if place.is_empty() {
            return Err(refuse("the place of a secret must not be empty", WHAT_TO_WRITE));
        }
        if found.is_some() {
            return Err(refuse("a secret lies in one place, not in several", WHAT_TO_WRITE));
        }
        found = SecretRef::from_word(word.0, place);
    }
    found.ok_or_else(|| refuse("it does not say where the secret lies", WHAT_TO_WRITE))
}

/// One of [`SecretRef::WORDS`], read as a key, so that a wrong one is reported where it stands.
struct Word(&'static str);

impl<'de> Deserialize<'de> for Word {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let word = String::deserialize(deserializer)?;
        let known = SecretRef::WORDS.iter().find(|known| **known == word);
        known.map(|known| Self(known)).ok_or_else(|| de::Error::unknown_field(&word, SecretRef::WORDS))
    }
}

impl JsonSchema for SecretRef {
    fn schema_name() -> Cow<'static, str> {
        "SecretRef".into()
    }

    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        json_schema!({
            "type": "object",
            "description": "Where a secret lies; exactly one of env, file and credential. Never the secret itself.",
            "properties": {
                "env": { "type": "string", "minLength": 1, "description": "The name of an environment variable." },
                "file": { "type": "string", "minLength": 1, "description": "A file; a relative path starts at this file's directory." },
                "credential": { "type": "string", "minLength": 1, "description": "The name of a systemd credential (LoadCredential=)." }
            },
            "additionalProperties": false,
            "minProperties": 1,
            "maxProperties": 1
        })
    }
}

/// A text that may be a secret: `"plain"`, or a reference as in [`SecretRef`].
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum MaybeSecret {
    /// Not a secret; the text itself.
    Plain(String),
    /// A secret, and where it lies.
    Secret(SecretRef),
}

impl<'de> Deserialize<'de> for MaybeSecret {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Visitor;
        impl<'de> de::Visitor<'de> for Visitor {
            type Value = MaybeSecret;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a text in quotes, or where a secret lies, such as { env = \"API_TOKEN\" }")
            }

            fn visit_str<E: de::Error>(self, text: &str) -> Result<MaybeSecret, E> {
                Ok(MaybeSecret::Plain(text.to_owned()))
            }

            // Nor is a number repeated here: it may be a secret that should have been a reference.
            fn visit_i64<E: de::Error>(self, _: i64) -> Result<MaybeSecret, E> {
                Err(refuse("a number is no text", NUMBER_IN_QUOTES))
            }

            fn visit_f64<E: de::Error>(self, _: f64) -> Result<MaybeSecret, E> {
                Err(refuse("a number is no text", NUMBER_IN_QUOTES))
            }

            fn visit_map<A: de::MapAccess<'de>>(self, map: A) -> Result<MaybeSecret, A::Error> {
                place_of(map).map(MaybeSecret::Secret)
            }
        }
        deserializer.deserialize_any(Visitor)
    }
}

impl JsonSchema for MaybeSecret {
    fn schema_name() -> Cow<'static, str> {
        "MaybeSecret".into()
    }

    fn json_schema(generator: &mut SchemaGenerator) -> Schema {
        let reference = generator.subschema_for::<SecretRef>();
        json_schema!({
            "description": "A text, or a reference to a secret.",
            "oneOf": [{ "type": "string" }, reference]
        })
    }
}
