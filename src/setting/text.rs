//! Texts with a syntax of their own: addresses, patterns, paths into documents, sizes.

use std::{borrow::Cow, fmt, net::IpAddr};

use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::{Deserialize, Deserializer, de};
use url::{Host, Url};

use crate::setting::{Refused, refuse, written_as_text};

/// The largest compiled pattern, in bytes: more is a denial of service against ourselves.
const PATTERN_BYTES_MAX: usize = 1 << 20;

/// An `http` or `https` address with a host, without user name or password.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct HttpUrl(pub Url);

impl HttpUrl {
    /// Reads an address.
    pub fn parse(text: &str) -> Result<Self, Refused> {
        let url = Url::parse(text).map_err(|error| {
            let help = match error {
                // What stands before it may be a password: nothing of it is repeated.
                _ if text.contains('@') => {
                    "write the whole address, without user name and password: \"https://shop.example.com/chat\""
                        .to_owned()
                }
                url::ParseError::RelativeUrlWithoutBase => completed(text),
                _ => "write the whole address, such as \"https://shop.example.com/chat\"".to_owned(),
            };
            (format!("not a web address: {error}"), help)
        })?;
        if !matches!(url.scheme(), "http" | "https") {
            return Err((
                format!("{} is not a scheme that can be probed", shown_scheme(&url)),
                match url.scheme() {
                    "wss" => {
                        "a WebSocket is opened by a request: write https:// in place of wss://".to_owned()
                    }
                    "ws" => "a WebSocket is opened by a request: write http:// in place of ws://".to_owned(),
                    _ => "use an address that begins with https:// or http://".to_owned(),
                },
            ));
        }
        without_user(&url)?;
        Ok(Self(url))
    }
}

/// The scheme of an address that is refused for it. Of `user:password@host` that is the user, who may be a token.
pub(crate) fn shown_scheme(url: &Url) -> String {
    if url.path().contains('@') { "what this begins with".to_owned() } else { format!("{:?}", url.scheme()) }
}

/// Refuses an address that carries a secret.
fn without_user(url: &Url) -> Result<(), Refused> {
    if url.username().is_empty() && url.password().is_none() {
        return Ok(());
    }
    Err((
        "an address must not carry a user name or password".to_owned(),
        "take them out of the address and write basic = { user = \"...\", password = { env = \"...\" } }"
            .to_owned(),
    ))
}

/// What to write instead of an address without a scheme, or without a host too.
fn completed(text: &str) -> String {
    let bare = text.trim_start_matches('/');
    let begins_with_host = bare.starts_with(|c: char| c.is_ascii_alphanumeric())
        && (bare.len() == text.len() || text.starts_with("//"));
    if begins_with_host {
        format!("begin with the scheme: \"https://{bare}\"")
    } else {
        format!("begin with the scheme and the host: \"https://shop.example.com/{bare}\"")
    }
}

written_as_text!(HttpUrl, "a web address", "https://shop.example.com/", {
    "type": "string",
    "format": "uri",
    "pattern": "^[Hh][Tt][Tt][Pp][Ss]?://",
    "description": "An http or https address, without user name or password."
});

/// An address that may have variables in braces, as the steps of a journey do: without any it is an [`HttpUrl`], with
/// some the rest of it is checked once they are filled in.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct UrlText(pub String);

impl UrlText {
    /// Reads an address.
    pub fn parse(text: &str) -> Result<Self, Refused> {
        if !text.contains('{') {
            HttpUrl::parse(text)?;
        } else if let Ok(url) = Url::parse(text) {
            without_user(&url)?;
        }
        Ok(Self(text.to_owned()))
    }
}

impl std::ops::Deref for UrlText {
    type Target = str;

    fn deref(&self) -> &str {
        &self.0
    }
}

written_as_text!(UrlText, "a web address", "https://shop.example.com/chat", {
    "type": "string",
    "pattern": "^([Hh][Tt][Tt][Pp][Ss]?://|\\{)",
    "description": "An http or https address, without user name or password; in a journey, with variables in braces."
});

/// A regular expression in the syntax of the `regex` crate: no look-around, no back references, linear time.
#[derive(Clone, Debug)]
pub struct Pattern(pub regex::Regex);

impl Pattern {
    /// Reads a regular expression.
    pub fn parse(text: &str) -> Result<Self, Refused> {
        regex::RegexBuilder::new(text).size_limit(PATTERN_BYTES_MAX).build().map(Self).map_err(|error| {
            let message = match &error {
                regex::Error::CompiledTooBig(_) => "the regular expression is too large".to_owned(),
                // The last line of the message says what is wrong; those before it draw the pattern.
                _ => {
                    let text = error.to_string();
                    let last = text.lines().last().unwrap_or_default().trim();
                    format!("not a regular expression: {}", last.strip_prefix("error: ").unwrap_or(last))
                }
            };
            let help = "escape characters that mean themselves with a backslash and write the pattern in single quotes: \
                        'total: \\d+ \\(net\\)'";
            (message, help.to_owned())
        })
    }
}

written_as_text!(Pattern, "a regular expression", "[0-9]+ agents", {
    "type": "string",
    "format": "regex",
    "description": "A regular expression, best written in single quotes. No look-around, no back references."
});

/// A path into a JSON document (RFC 9535), such as `$.queue.position`.
#[derive(Clone, Debug)]
pub struct JsonPath(pub serde_json_path::JsonPath);

impl JsonPath {
    /// Reads a path.
    pub fn parse(text: &str) -> Result<Self, Refused> {
        serde_json_path::JsonPath::parse(text).map(Self).map_err(|error| {
            let help = if text.starts_with('$') {
                "write a path such as \"$.enabled\", \"$.items[0].id\" or \"$.agents[?@.online]\"".to_owned()
            } else {
                format!("a path begins with $: \"$.{}\"", text.trim_start_matches('.'))
            };
            (format!("not a JSON path, from character {} on", error.position() + 1), help)
        })
    }
}

written_as_text!(JsonPath, "a JSON path", "$.enabled", {
    "type": "string",
    "pattern": "^\\$",
    "description": "A path into a JSON document (RFC 9535), such as \"$.queue.position\"."
});

/// A CSS selector, such as `input[name=csrf]`.
#[derive(Clone, Debug)]
pub struct CssSelector(pub scraper::Selector);

impl CssSelector {
    /// Reads a selector.
    pub fn parse(text: &str) -> Result<Self, Refused> {
        scraper::Selector::parse(text).map(Self).map_err(|_| {
            (
                format!("{text:?} is not a CSS selector"),
                "write a selector such as \"input[name=csrf]\" or \"form#ticket button\"".to_owned(),
            )
        })
    }
}

written_as_text!(CssSelector, "a CSS selector", "input[name=csrf]", {
    "type": "string",
    "description": "A CSS selector, such as \"input[name=csrf]\"."
});

/// The name of an HTTP header.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct HeaderName(pub http::HeaderName);

impl Ord for HeaderName {
    fn cmp(&self, other: &Self) -> std::cmp::Ordering {
        self.0.as_str().cmp(other.0.as_str())
    }
}

impl PartialOrd for HeaderName {
    fn partial_cmp(&self, other: &Self) -> Option<std::cmp::Ordering> {
        Some(self.cmp(other))
    }
}

impl HeaderName {
    /// Reads a name.
    pub fn parse(text: &str) -> Result<Self, Refused> {
        text.parse().map(Self).map_err(|_| {
            (
                format!("{text:?} is not the name of a header"),
                "write letters, digits and hyphens, such as \"accept-language\"".to_owned(),
            )
        })
    }
}

written_as_text!(HeaderName, "the name of a header", "accept-language", {
    "type": "string",
    "description": "The name of an HTTP header."
});

/// A mail address, with or without a name: `Support <support@example.com>`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct MailAddress(pub lettre::message::Mailbox);

impl MailAddress {
    /// Reads an address.
    pub fn parse(text: &str) -> Result<Self, Refused> {
        let mailbox: lettre::message::Mailbox = text.parse().map_err(|_| {
            (
                format!("{text:?} is not a mail address"),
                "write \"name@example.com\" or \"Support on call <name@example.com>\"".to_owned(),
            )
        })?;
        let (user, domain) = (mailbox.email.user(), mailbox.email.domain());
        if user.is_ascii() && domain.is_ascii() {
            return Ok(Self(mailbox));
        }
        let address = &mailbox.email;
        let help = match Host::parse(domain) {
            Ok(host) if user.is_ascii() => {
                format!("write the domain as mail servers know it: \"{user}@{host}\"")
            }
            _ => "give an address of ASCII letters only; a name beside it may have any".to_owned(),
        };
        Err((format!("mail cannot be sent to or from {address}: it has letters outside ASCII"), help))
    }
}

written_as_text!(MailAddress, "a mail address", "oncall@example.com", {
    "type": "string",
    "pattern": "@",
    "description": "A mail address, with or without a name: \"Support on call <oncall@example.com>\"."
});

/// A number of bytes: `"64KiB"`, `"1MiB"`, `"500kB"`, or a plain number.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct ByteSize(pub u64);

const UNITS: [(&str, u64); 6] =
    [("KiB", 1 << 10), ("MiB", 1 << 20), ("GiB", 1 << 30), ("kB", 1_000), ("MB", 1_000_000), ("B", 1)];

const BYTES_EXAMPLE: &str = "write a whole number and a unit, such as \"64KiB\" or \"1MiB\"";

impl ByteSize {
    /// Reads a size.
    pub fn parse(text: &str) -> Result<Self, Refused> {
        let trimmed = text.trim();
        let digits = trimmed.trim_end_matches(|c: char| !c.is_ascii_digit());
        let unit = trimmed[digits.len()..].trim();
        let factor =
            UNITS.iter().find(|(name, _)| name.eq_ignore_ascii_case(unit)).map(|(_, factor)| *factor);
        digits
            .parse::<u64>()
            .ok()
            .zip(factor)
            .and_then(|(count, factor)| count.checked_mul(factor))
            .map(Self)
            .ok_or_else(|| (format!("{text:?} is not a number of bytes"), BYTES_EXAMPLE.to_owned()))
    }
}

impl<'de> Deserialize<'de> for ByteSize {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Visitor;
        impl de::Visitor<'_> for Visitor {
            type Value = ByteSize;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a number of bytes, such as \"64KiB\"")
            }

            fn visit_i64<E: de::Error>(self, number: i64) -> Result<ByteSize, E> {
                u64::try_from(number)
                    .map(ByteSize)
                    .map_err(|_| refuse("a number of bytes cannot be negative", BYTES_EXAMPLE))
            }

            fn visit_str<E: de::Error>(self, text: &str) -> Result<ByteSize, E> {
                ByteSize::parse(text).map_err(|(message, help)| refuse(message, help))
            }
        }
        deserializer.deserialize_any(Visitor)
    }
}

impl fmt::Display for ByteSize {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let unit =
            UNITS[..3].iter().rev().find(|(_, factor)| self.0 >= *factor && self.0.is_multiple_of(*factor));
        match unit {
            Some((name, factor)) => write!(f, "{} {name}", self.0 / factor),
            None => write!(f, "{} bytes", self.0),
        }
    }
}

impl JsonSchema for ByteSize {
    fn schema_name() -> Cow<'static, str> {
        "ByteSize".into()
    }

    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        json_schema!({
            "oneOf": [{ "type": "string" }, { "type": "integer", "minimum": 0 }],
            "description": "A number of bytes, such as \"64KiB\", \"1MiB\" or 65536."
        })
    }
}

/// Says whether a host name or address, as written in a URL, is this machine itself.
#[must_use]
pub fn is_loopback(host: &str) -> bool {
    let bare = host.trim_start_matches('[').trim_end_matches(']');
    host.eq_ignore_ascii_case("localhost")
        || bare.parse::<IpAddr>().is_ok_and(|address| address.is_loopback())
}

/// The longest name of a variable.
const VARIABLE_LEN_MAX: usize = 63;

/// Says whether a text may name a variable of a journey: `a-z`, `0-9` and `_`, beginning with a letter.
#[must_use]
pub fn is_variable_name(text: &str) -> bool {
    text.starts_with(|c: char| c.is_ascii_lowercase())
        && text.len() <= VARIABLE_LEN_MAX
        && text.bytes().all(|b| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'_')
}

/// Says whether a text is a variable in braces and nothing else.
#[must_use]
pub fn is_variable(text: &str) -> bool {
    text.strip_prefix('{').and_then(|rest| rest.strip_suffix('}')).is_some_and(is_variable_name)
}
