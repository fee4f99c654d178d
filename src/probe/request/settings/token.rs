//! A bearer token in `probes.toml`: a reference to a secret or, in a journey, a variable, since a login that hands out
//! the token is an earlier step. A literal is refused as a secret that stands in the file.

use std::borrow::Cow;

use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::{Deserialize, Deserializer};

use crate::{
    secret::{LITERAL_SECRET, MaybeSecret, SecretRef},
    setting::{is_variable, refuse},
};

const WHAT_TO_WRITE: &str = "write where it lies: { env = \"API_TOKEN\" }, { file = \"/run/secrets/token\" } or \
{ credential = \"token\" } (systemd); in a journey also a variable: bearer = \"{token}\"";

/// A bearer token.
#[derive(Clone, Debug)]
pub enum TokenSettings {
    /// It lies somewhere.
    Secret(SecretRef),
    /// A variable in braces and nothing else.
    Variable(String),
}

impl<'de> Deserialize<'de> for TokenSettings {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        match MaybeSecret::deserialize(deserializer)? {
            MaybeSecret::Secret(reference) => Ok(Self::Secret(reference)),
            MaybeSecret::Plain(text) if is_variable(&text) => Ok(Self::Variable(text)),
            MaybeSecret::Plain(_) => Err(refuse(LITERAL_SECRET, WHAT_TO_WRITE)),
        }
    }
}

impl JsonSchema for TokenSettings {
    fn schema_name() -> Cow<'static, str> {
        "Token".into()
    }

    fn json_schema(generator: &mut SchemaGenerator) -> Schema {
        let reference = generator.subschema_for::<SecretRef>();
        json_schema!({
            "description": "A bearer token: a reference to a secret or, in a journey, a variable in braces.",
            "oneOf": [{ "type": "string", "pattern": "^\\{[a-z][a-z0-9_]*\\}$" }, reference]
        })
    }
}
