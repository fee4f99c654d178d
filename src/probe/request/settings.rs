//! A request in `probes.toml`.

mod build;
mod token;

use std::{collections::BTreeMap, fmt, path::PathBuf};

use http::Method;
use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::{Deserialize, Deserializer, de};

pub use self::token::TokenSettings;
use crate::{
    probe::{
        expect::settings::ExpectSettings,
        transport::{resolve::Family, tls::Version},
    },
    secret::{MaybeSecret, SecretRef},
    setting::{At, ByteSize, HeaderName, Span, UrlText, refuse},
};

/// How many redirects are followed unless the operator says otherwise (`states.md`, limits).
const REDIRECTS_DEFAULT: u8 = 5;
/// The most that may be followed.
const REDIRECTS_MAX: u8 = 20;

const METHODS: [Method; 7] =
    [Method::GET, Method::HEAD, Method::POST, Method::PUT, Method::PATCH, Method::DELETE, Method::OPTIONS];

/// One HTTP request, as a customer's browser or app would make it, and what is expected of its answer.
#[derive(Clone, Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, expecting = "a table, such as { url = \"https://...\" }")]
pub struct RequestSettings {
    /// The address, http or https.
    pub url: At<UrlText>,
    /// The method; GET without a body, POST with one.
    pub method: Option<At<MethodName>>,
    /// Headers. A value may be a secret: { env = "API_KEY" }.
    #[serde(default)]
    pub headers: BTreeMap<HeaderName, At<MaybeSecret>>,
    /// Parameters added to the address. A value may be a secret.
    #[serde(default)]
    pub query: BTreeMap<String, At<MaybeSecret>>,
    /// Cookies sent with the request. A value may be a secret.
    #[serde(default)]
    pub cookies: BTreeMap<String, At<MaybeSecret>>,
    /// User name and password (HTTP basic authentication).
    pub basic: Option<At<BasicSettings>>,
    /// A bearer token: a reference to a secret or, in a journey, a variable: "{token}".
    pub bearer: Option<At<TokenSettings>>,
    /// What is sent: exactly one of text, json, form, multipart and file.
    pub body: Option<At<BodySettings>>,
    /// Whether redirects are followed: true (at most 5), false, or the most that are followed.
    #[serde(default)]
    pub redirects: Redirects,
    /// Whether the target may redirect to private addresses (10.0.0.0/8, 127.0.0.0/8 and the like).
    #[serde(default)]
    pub allow_private: bool,
    /// The version of HTTP: "auto" (as the server likes), "1.1" or "2".
    #[serde(default)]
    pub version: VersionName,
    /// Which addresses of the host are used: "any", "ipv4" or "ipv6".
    #[serde(default)]
    pub family: Family,
    /// Whom to trust besides the system's certificate authorities, and a certificate of one's own.
    pub tls: Option<TlsSettings>,
    /// What the answer may be at most.
    #[serde(default)]
    pub limits: LimitSettings,
    /// What is expected of the answer; without, a status from 200 to 399.
    #[serde(default)]
    pub expect: ExpectSettings,
}

/// User name and password.
#[derive(Clone, Debug, Deserialize, JsonSchema)]
#[serde(
    deny_unknown_fields,
    expecting = "a table, such as { user = \"shop\", password = { env = \"SHOP_PASSWORD\" } }"
)]
pub struct BasicSettings {
    /// The user name.
    user: At<MaybeSecret>,
    /// The password, by reference.
    password: At<SecretRef>,
}

/// What is sent: exactly one of these.
#[derive(Clone, Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, expecting = "a table, such as { json = { topic = \"refund\" } }")]
pub struct BodySettings {
    /// A text as it is; name its type with headers = { content-type = "..." }.
    text: Option<At<MaybeSecret>>,
    /// A JSON document, written as TOML.
    json: Option<At<serde_json::Value>>,
    /// Fields of a form (application/x-www-form-urlencoded). A value may be a secret.
    form: Option<BTreeMap<String, At<MaybeSecret>>>,
    /// Fields and files of a form (multipart/form-data).
    multipart: Option<MultipartSettings>,
    /// A file as it is, read when the configuration is loaded.
    file: Option<At<PathBuf>>,
}

/// Fields and files of a form.
#[derive(Clone, Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, expecting = "a table, such as { fields = { topic = \"refund\" } }")]
pub struct MultipartSettings {
    /// The fields. A value may be a secret.
    #[serde(default)]
    fields: BTreeMap<String, At<MaybeSecret>>,
    /// The files, by the name of their field.
    #[serde(default)]
    files: BTreeMap<String, FileSettings>,
}

/// A file in a form.
#[derive(Clone, Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, expecting = "a table, such as { path = \"receipt.pdf\" }")]
pub struct FileSettings {
    /// The file, read when the configuration is loaded.
    path: At<PathBuf>,
    /// Its media type; "application/octet-stream" without.
    #[serde(rename = "type")]
    media_type: Option<At<String>>,
}

/// TLS beyond the system's certificate authorities.
#[derive(Clone, Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, expecting = "a table, such as { root_ca = \"our-ca.pem\" }")]
pub struct TlsSettings {
    /// A PEM file with further root certificates to trust.
    root_ca: Option<At<PathBuf>>,
    /// A PEM file with the certificate that we present, and its chain.
    client_certificate: Option<At<PathBuf>>,
    /// The private key of that certificate, as PEM.
    client_key: Option<At<SecretRef>>,
}

/// What an answer may be at most.
#[derive(Clone, Debug, Default, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, expecting = "a table, such as { body_bytes = \"4MiB\" }")]
pub struct LimitSettings {
    /// Bytes of headers; "32KiB" without, at most "1MiB".
    header_bytes: Option<At<ByteSize>>,
    /// Header fields; 100 without, at most 10000.
    header_fields: Option<At<u16>>,
    /// Bytes of body on the wire; "1MiB" without, at most "64MiB".
    body_bytes: Option<At<ByteSize>>,
    /// Bytes of body once inflated; "4MiB" without, at most "64MiB".
    inflated_bytes: Option<At<ByteSize>>,
    /// Bytes inflated for each byte on the wire; 100 without, at most 10000.
    inflated_ratio: Option<At<u64>>,
    /// How long resolving, connecting and the TLS handshake may each take; "5s" without, at most the timeout.
    phase: Option<At<Span>>,
}

/// The name of a method.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct MethodName(pub Method);

/// The most redirects that are followed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Redirects(pub u8);

impl Default for Redirects {
    fn default() -> Self {
        Self(REDIRECTS_DEFAULT)
    }
}

impl<'de> Deserialize<'de> for Redirects {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Visitor;
        impl de::Visitor<'_> for Visitor {
            type Value = Redirects;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("true, false, or the most redirects that are followed, such as 3")
            }

            fn visit_bool<E: de::Error>(self, follow: bool) -> Result<Redirects, E> {
                Ok(Redirects(if follow { REDIRECTS_DEFAULT } else { 0 }))
            }

            fn visit_i64<E: de::Error>(self, most: i64) -> Result<Redirects, E> {
                u8::try_from(most).ok().filter(|most| *most <= REDIRECTS_MAX).map(Redirects).ok_or_else(
                    || {
                        refuse(
                            format_args!("{most} redirects cannot be followed"),
                            format_args!("write a number from 0 to {REDIRECTS_MAX}"),
                        )
                    },
                )
            }
        }
        deserializer.deserialize_any(Visitor)
    }
}

impl JsonSchema for Redirects {
    fn schema_name() -> std::borrow::Cow<'static, str> {
        "Redirects".into()
    }

    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        json_schema!({
            "description": "true (at most 5), false, or the most redirects that are followed.",
            "oneOf": [{ "type": "boolean" }, { "type": "integer", "minimum": 0, "maximum": REDIRECTS_MAX }]
        })
    }
}

impl<'de> Deserialize<'de> for MethodName {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let name = String::deserialize(deserializer)?;
        let known = METHODS.iter().find(|known| known.as_str() == name);
        known.cloned().map(Self).ok_or_else(|| {
            refuse(
                format_args!("{name:?} is not a method that can be probed with"),
                "write one of GET, HEAD, POST, PUT, PATCH, DELETE and OPTIONS",
            )
        })
    }
}

impl JsonSchema for MethodName {
    fn schema_name() -> std::borrow::Cow<'static, str> {
        "Method".into()
    }

    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        let names: Vec<&str> = METHODS.iter().map(Method::as_str).collect();
        json_schema!({ "description": "The method of a request.", "enum": names })
    }
}

/// A version of HTTP.
#[derive(Clone, Copy, Debug, Default, Deserialize, JsonSchema)]
pub enum VersionName {
    /// HTTP/2 or 1.1, as the server likes.
    #[default]
    #[serde(rename = "auto")]
    Auto,
    /// HTTP/1.1.
    #[serde(rename = "1.1")]
    Http1,
    /// HTTP/2.
    #[serde(rename = "2")]
    Http2,
}

impl VersionName {
    fn version(self) -> Version {
        match self {
            Self::Auto => Version::Auto,
            Self::Http1 => Version::Http1,
            Self::Http2 => Version::Http2,
        }
    }
}
