//! What comes with a request: its path, its query, its body. What is wrong with one is said in a sentence, in JSON like
//! everything here. Each value accepts exactly what its schema says.

use std::borrow::Cow;

use axum::{
    extract::{FromRequestParts, Path, Query, Request},
    http::{StatusCode, request::Parts},
};
use jiff::{SignedDuration, Timestamp, civil::DateTime, tz::Offset};
use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::{Deserialize, Deserializer, de, de::DeserializeOwned};

use super::refused::Refused;
use crate::{
    domain::{
        access::Scope,
        channel::{ChannelId, ProbeName, TeamId, is_id, is_probe_name},
        inquiry::OutcomeNumber,
        maintenance::WindowId,
        outcome::{Detail, InconclusiveReason, Reason},
    },
    setting::HELP,
    web::{
        Context,
        access::Caller,
        body::{self, Unread},
    },
};

/// The longest request, in bytes.
const REQUEST_BYTES_MAX: usize = 16 * 1024;

/// What stands behind the `?`.
pub(super) struct Asked<T>(pub(super) T);

impl<T: DeserializeOwned, S: Send + Sync> FromRequestParts<S> for Asked<T> {
    type Rejection = Refused;

    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Self, Refused> {
        match Query::try_from_uri(&parts.uri) {
            Ok(Query(asked)) => Ok(Self(asked)),
            Err(rejection) => Err(Refused::senseless(plain(&rejection.body_text()))),
        }
    }
}

/// What stands in the path.
pub(super) struct Named<T>(pub(super) T);

impl<T: DeserializeOwned + Send, S: Send + Sync> FromRequestParts<S> for Named<T> {
    type Rejection = Refused;

    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Self, Refused> {
        match Path::from_request_parts(parts, state).await {
            Ok(Path(named)) => Ok(Self(named)),
            Err(rejection) => Err(Refused::unknown(plain(&rejection.body_text()))),
        }
    }
}

/// What somebody asks who may command this. Of anybody else nothing is read.
pub(super) async fn admitted<T: DeserializeOwned>(
    context: &Context,
    request: Request,
    scope: Scope,
) -> Result<(Caller, T), Refused> {
    let caller = context.source.access().commander(request.headers(), scope)?;
    let body = body::read(request, REQUEST_BYTES_MAX).await.map_err(|unread| match unread {
        Unread::Late => Refused::new(StatusCode::REQUEST_TIMEOUT, "the request took too long to arrive"),
        Unread::TooLong => {
            Refused::new(StatusCode::PAYLOAD_TOO_LARGE, "the request is longer than 16 KiB, or broke off")
        }
    })?;
    // serde would take a list for an object whose members have no names.
    if body.trim_ascii_start().first() != Some(&b'{') {
        return Err(Refused::senseless("the request must be an object in JSON"));
    }
    let asked =
        serde_json::from_slice(&body).map_err(|error| Refused::senseless(plain(&error.to_string())))?;
    Ok((caller, asked))
}

/// An error on one line; it may quote what was sent.
fn plain(error: &str) -> String {
    Detail::new(&error.replace(HELP, "; ")).to_string()
}

/// At most so many entries of a page.
#[derive(Clone, Copy, Debug)]
pub(super) struct Limit(pub(super) usize);

/// The most that can be asked for.
const LIMIT_MAX: u64 = 500;

impl Default for Limit {
    fn default() -> Self {
        Self(100)
    }
}

impl<'de> Deserialize<'de> for Limit {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        match u64::deserialize(deserializer)? {
            limit @ 1..=LIMIT_MAX => Ok(Self(usize::try_from(limit).unwrap_or(1))),
            _ => Err(de::Error::custom(format_args!("a page has 1 to {LIMIT_MAX} entries"))),
        }
    }
}

impl JsonSchema for Limit {
    fn schema_name() -> Cow<'static, str> {
        "Limit".into()
    }

    fn inline_schema() -> bool {
        true
    }

    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        json_schema!({ "type": "integer", "minimum": 1, "maximum": LIMIT_MAX, "default": Self::default().0 })
    }
}

/// The number of a run, from the `next` of a page.
#[derive(Clone, Copy, Debug)]
pub(super) struct Cursor(pub(super) OutcomeNumber);

/// Numbers are exact in JavaScript up to here.
const CURSOR_MAX: i64 = (1 << 53) - 1;

impl<'de> Deserialize<'de> for Cursor {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        match i64::deserialize(deserializer)? {
            number @ 0..=CURSOR_MAX => Ok(Self(OutcomeNumber(number))),
            _ => Err(de::Error::custom("this is not the `next` of a page")),
        }
    }
}

impl JsonSchema for Cursor {
    fn schema_name() -> Cow<'static, str> {
        "Cursor".into()
    }

    fn inline_schema() -> bool {
        true
    }

    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        json_schema!({ "type": "integer", "minimum": 0, "maximum": CURSOR_MAX })
    }
}

macro_rules! word {
    ($(#[$doc:meta])* $name:ident($inner:ty), $read:expr, $wrong:literal, $schema:expr) => {
        $(#[$doc])*
        #[derive(Clone, Debug)]
        pub(super) struct $name(pub(super) $inner);

        impl<'de> Deserialize<'de> for $name {
            fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
                let text = String::deserialize(deserializer)?;
                let read: fn(&str) -> Option<$inner> = $read;
                let wrong = || de::Error::custom(format_args!(concat!("{:?} ", $wrong), Detail::new(&text).as_str()));
                read(&text).map(Self).ok_or_else(wrong)
            }
        }

        impl JsonSchema for $name {
            fn schema_name() -> Cow<'static, str> {
                stringify!($name).into()
            }

            fn inline_schema() -> bool {
                true
            }

            fn json_schema(_: &mut SchemaGenerator) -> Schema {
                $schema
            }
        }
    };
}

word!(
    /// The id of a channel.
    Channel(ChannelId),
    |text| is_id(text).then(|| ChannelId::new(text)),
    "cannot be an id",
    json_schema!({ "type": "string", "pattern": ID_PATTERN })
);
word!(
    /// The name of a probe.
    Probe(ProbeName),
    |text| is_probe_name(text).then(|| ProbeName::new(text)),
    "cannot be the name of a probe",
    json_schema!({ "type": "string", "pattern": PROBE_PATTERN })
);
word!(
    /// The id of a team.
    Team(TeamId),
    |text| is_id(text).then(|| TeamId::new(text)),
    "cannot be an id",
    json_schema!({ "type": "string", "pattern": ID_PATTERN })
);
word!(
    /// The id of a window of maintenance.
    Window(WindowId),
    |text| is_id(text).then(|| WindowId::new(text)),
    "cannot be an id",
    json_schema!({ "type": "string", "pattern": ID_PATTERN })
);
word!(
    /// Why a run failed, or was inconclusive.
    ReasonWord(String),
    |text| {
        let is_known = Reason::from_word(text).is_some() || InconclusiveReason::from_word(text).is_some();
        is_known.then(|| text.to_owned())
    },
    "is no reason",
    json_schema!({ "type": "string", "enum": reason_words() })
);
word!(
    /// A moment by RFC 3339.
    Moment(Timestamp),
    moment,
    "is not a moment such as 2026-11-21T02:00:00Z",
    json_schema!({ "type": "string", "format": "date-time", "examples": ["2026-11-21T02:00:00Z"] })
);

/// What an id looks like.
pub(super) const ID_PATTERN: &str = "^[a-z0-9][a-z0-9_-]{0,62}$";
/// What the name of a probe looks like.
pub(super) const PROBE_PATTERN: &str = "^[a-z0-9][a-z0-9_-]{0,62}(@[a-z0-9][a-z0-9_-]{0,62})?$";

fn reason_words() -> Vec<&'static str> {
    let reasons = Reason::ALL.iter().map(|reason| reason.as_str());
    reasons.chain(InconclusiveReason::ALL.iter().map(|reason| reason.as_str())).collect()
}

/// Reads what RFC 3339 allows and nothing else. A moment before the first or after the last that can be told is that one.
fn moment(text: &str) -> Option<Timestamp> {
    // In a query a plus that was not escaped stands for a space.
    let text = text.replace(' ', "+");
    let (civil, zone) = text.split_at_checked(text.rfind(['Z', 'z', '+', '-']).filter(|at| *at >= 19)?)?;
    let mut pattern = "dddd-dd-ddTdd:dd:dd".bytes();
    let is_plain = civil.bytes().take(19).all(|byte| match pattern.next() {
        Some(b'd') => byte.is_ascii_digit(),
        Some(expected) => byte.eq_ignore_ascii_case(&expected),
        None => false,
    });
    let fraction = civil.get(19..)?;
    let digits = fraction.strip_prefix('.');
    let is_fraction = fraction.is_empty()
        || digits
            .is_some_and(|digits| !digits.is_empty() && digits.bytes().all(|byte| byte.is_ascii_digit()));
    if !is_plain || !is_fraction {
        return None;
    }
    // Of more digits than that the rest is less than anybody asks for.
    let fraction = digits.map_or_else(String::new, |digits| format!(".{}", &digits[..digits.len().min(9)]));
    let civil: DateTime = format!("{}{fraction}", &civil[..19]).parse().ok()?;
    let utc = Offset::UTC.to_timestamp(civil);
    let offset = seconds_east(zone)?;
    let bound = if civil.year() > 0 { Timestamp::MAX } else { Timestamp::MIN };
    Some(utc.ok().and_then(|utc| utc.checked_sub(SignedDuration::from_secs(offset)).ok()).unwrap_or(bound))
}

/// `Z` or `+01:00`, in seconds.
fn seconds_east(zone: &str) -> Option<i64> {
    if zone.eq_ignore_ascii_case("z") {
        return Some(0);
    }
    let (sign, rest) = zone.split_at_checked(1)?;
    let (hours, minutes) = rest.split_once(':')?;
    let part = |text: &str, most: i64| {
        let is_pair = text.len() == 2 && text.bytes().all(|byte| byte.is_ascii_digit());
        text.parse().ok().filter(|number: &i64| is_pair && *number <= most)
    };
    let seconds = 3_600 * part(hours, 23)? + 60 * part(minutes, 59)?;
    Some(if sign == "-" { -seconds } else { seconds })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_moment_is_what_rfc_3339_says_and_nothing_else() {
        for (text, expected) in [
            ("2026-11-21T02:00:00Z", "2026-11-21T02:00:00Z"),
            ("2026-11-21t02:00:00.25z", "2026-11-21T02:00:00.25Z"),
            ("2026-11-21T02:00:00.1234567891Z", "2026-11-21T02:00:00.123456789Z"),
            ("2026-11-21T02:00:00+01:30", "2026-11-21T00:30:00Z"),
            ("2026-11-21T02:00:00 01:30", "2026-11-21T00:30:00Z"),
            ("2026-11-21T02:00:00-23:59", "2026-11-22T01:59:00Z"),
            ("2016-12-31T23:59:60Z", "2016-12-31T23:59:59Z"),
        ] {
            assert_eq!(moment(text), Some(expected.parse().unwrap()), "{text}");
        }
        assert_eq!(moment("9999-12-31T23:59:59-23:59"), Some(Timestamp::MAX));
        assert!(moment("0000-01-01T00:00:00+23:59").is_some());
        for text in [
            "",
            "Z",
            "2026-11-21",
            "2026-11-21T02:00:00",
            "2026-11-21 02:00:00Z",
            "20261121T020000Z",
            "2026-11-21T02:00Z",
            "2026-13-21T02:00:00Z",
            "2026-02-30T02:00:00Z",
            "2026-11-21T02:00:00.Z",
            "2026-11-21T02:00:00+0100",
            "2026-11-21T02:00:00+24:00",
            "2026-11-21T02:00:00Z[UTC]",
            "٢٠٢٦-11-21T02:00:00Z",
        ] {
            assert_eq!(moment(text), None, "{text}");
        }
    }
}
