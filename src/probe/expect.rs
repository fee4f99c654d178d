//! What is expected of an answer, shared by every kind of probe that speaks HTTP. Every expectation is looked at and
//! told; the first that does not hold is the failure, and one that only costs time or warns of a certificate makes
//! the run degraded. An expectation may say what it means to a customer (`otherwise`); the technical word is then the
//! cause.

mod build;
pub mod settings;

use std::{borrow::Cow, cell::OnceCell, sync::Arc, time::Duration};

use http::{HeaderName, header::SET_COOKIE};
use jiff::Timestamp;
use regex::Regex;
use serde_json::Value;

use self::settings::StatusRange;
use crate::{
    domain::outcome::{Detail, Failure, Reason, Stage, Verdict},
    probe::{Check, transport::Answer},
};

/// How much of what was seen is shown, in characters.
const SEEN_CHARS_MAX: usize = 120;

/// Puts the values of a run's variables into a text; `http` has none.
pub type Fill<'a> = &'a dyn for<'t> Fn(&'t str) -> Cow<'t, str>;

/// What is expected of an answer, checked and compiled.
#[derive(Debug)]
pub struct Expectations {
    list: Vec<Expectation>,
    /// Whether we say who we are: then a refusal is `auth`.
    credentials: bool,
}

/// An answer, judged.
#[derive(Debug)]
pub struct Judged {
    /// What became of every expectation, in their order.
    pub checks: Vec<Check>,
    /// The verdict; its failure names no step.
    pub verdict: Verdict,
}

#[derive(Debug)]
struct Expectation {
    words: Arc<str>,
    test: Test,
    otherwise: Option<Reason>,
}

#[derive(Debug)]
enum Test {
    Status(Vec<StatusRange>),
    Header { name: HeaderName, value: Option<TextTest>, present: bool },
    Body(TextTest),
    Json { path: serde_json_path::JsonPath, tests: Vec<ValueTest> },
    Size { min: u64, max: u64 },
    CertificateDays(u16),
    Time(Duration),
}

#[derive(Debug)]
enum TextTest {
    Equals(String),
    Contains(String),
    NotContains(String),
    Matches(Regex),
}

/// What every value at a path must be; `Absent` stands alone.
#[derive(Debug)]
enum ValueTest {
    Equals(Value),
    Matches(Regex),
    Present,
    Absent,
    Greater(f64),
    Less(f64),
}

/// An answer with what several expectations need of it, worked out once.
struct Seen<'a> {
    answer: &'a Answer,
    now: Timestamp,
    text: OnceCell<Cow<'a, str>>,
    json: OnceCell<Result<Value, String>>,
}

/// Whether an expectation holds, and what was seen instead or as well.
type Finding = (bool, String);

impl Expectations {
    /// Judges an answer at a moment; `fill` puts variables into what is compared.
    #[must_use]
    pub fn judge(&self, answer: &Answer, now: Timestamp, fill: Fill<'_>) -> Judged {
        let seen = Seen { answer, now, text: OnceCell::new(), json: OnceCell::new() };
        let mut checks = Vec::with_capacity(self.list.len());
        let mut verdict = Verdict::Ok;
        for expectation in &self.list {
            let (held, found) = expectation.test.look(&seen, fill);
            let found = Detail::new(&found);
            if !held {
                verdict = worse(verdict, self.broken(expectation, &seen, &found));
            }
            checks.push(Check {
                step: None,
                expectation: expectation.words.clone(),
                held: Some(held),
                seen: found,
            });
        }
        Judged { checks, verdict }
    }

    /// Whether nothing is expected.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.list.is_empty()
    }

    /// Every text in which a variable may stand, for a kind that has variables.
    pub fn texts(&self) -> impl Iterator<Item = &str> {
        self.list.iter().flat_map(|expectation| expectation.test.texts())
    }

    fn broken(&self, expectation: &Expectation, seen: &Seen<'_>, found: &Detail) -> Verdict {
        let technical = match &expectation.test {
            Test::Status(_) if self.credentials && matches!(seen.answer.status.as_u16(), 401 | 403) => {
                Reason::Auth
            }
            Test::Status(_) => Reason::Status,
            Test::Header { .. } | Test::Body(_) | Test::Json { .. } | Test::Size { .. } => Reason::Content,
            Test::CertificateDays(_) => Reason::CertificateExpired,
            Test::Time(_) => Reason::TooSlow,
        };
        let (reason, cause) = match expectation.otherwise {
            Some(reason) if reason != technical => (reason, Some(technical)),
            _ => (technical, None),
        };
        let detail = Detail::new(&format!("expected {}, saw {found}", expectation.words));
        let failure = Failure { stage: Stage::Expect, step: None, reason, cause, detail };
        match expectation.test {
            Test::CertificateDays(_) | Test::Time(_) => Verdict::Degraded(failure),
            _ => Verdict::Failed(failure),
        }
    }
}

/// The first failure counts; degraded counts only where nothing failed.
pub(super) fn worse(so_far: Verdict, next: Verdict) -> Verdict {
    match (&so_far, &next) {
        (Verdict::Ok, _) | (Verdict::Degraded(_), Verdict::Failed(_)) => next,
        _ => so_far,
    }
}

impl Test {
    fn look(&self, seen: &Seen<'_>, fill: Fill<'_>) -> Finding {
        let answer = seen.answer;
        match self {
            Self::Status(any_of) => {
                let status = answer.status;
                (any_of.iter().any(|range| range.has(status.as_u16())), status.to_string())
            }
            Self::Header { name, value, present } => header(answer, name, value.as_ref(), *present, fill),
            Self::Body(test) => {
                let text = seen.text();
                (test.holds(text, fill), excerpt(text))
            }
            Self::Json { path, tests } => match seen.json() {
                Ok(json) => values(&path.query(json).all(), tests, fill),
                Err(why) => (false, format!("a body that is not JSON ({why}): {}", excerpt(seen.text()))),
            },
            Self::Size { min, max } => {
                let bytes = answer.body.len() as u64;
                ((*min..=*max).contains(&bytes), format!("{bytes} bytes"))
            }
            Self::CertificateDays(days) => match answer.certificate_expires_at {
                Some(expires_at) => {
                    let left = expires_at.duration_since(seen.now).as_hours() / 24;
                    (left >= i64::from(*days), format!("{left} days"))
                }
                None => (false, "no certificate".to_owned()),
            },
            Self::Time(max) => {
                (answer.elapsed <= *max, format!("{:.1} ms", answer.elapsed.as_secs_f64() * 1000.0))
            }
        }
    }

    fn texts(&self) -> Option<&str> {
        match self {
            Self::Header { value: Some(test), .. } | Self::Body(test) => test.text(),
            Self::Json { tests, .. } => tests.iter().find_map(|test| match test {
                ValueTest::Equals(Value::String(text)) => Some(text.as_str()),
                _ => None,
            }),
            _ => None,
        }
    }
}

impl<'a> Seen<'a> {
    fn text(&self) -> &str {
        self.text.get_or_init(|| String::from_utf8_lossy(&self.answer.body))
    }

    fn json(&self) -> &Result<Value, String> {
        self.json.get_or_init(|| serde_json::from_slice(&self.answer.body).map_err(|error| error.to_string()))
    }
}

impl TextTest {
    fn holds(&self, text: &str, fill: Fill<'_>) -> bool {
        match self {
            Self::Equals(whole) => text == fill(whole),
            Self::Contains(part) => text.contains(&*fill(part)),
            Self::NotContains(part) => !text.contains(&*fill(part)),
            Self::Matches(pattern) => pattern.is_match(text),
        }
    }

    fn text(&self) -> Option<&str> {
        match self {
            Self::Equals(text) | Self::Contains(text) | Self::NotContains(text) => Some(text),
            Self::Matches(_) => None,
        }
    }
}

/// A header that occurs several times holds if one of them does.
fn header(
    answer: &Answer,
    name: &HeaderName,
    test: Option<&TextTest>,
    present: bool,
    fill: Fill<'_>,
) -> Finding {
    let values: Vec<_> =
        answer.headers.get_all(name).iter().map(|value| String::from_utf8_lossy(value.as_bytes())).collect();
    let shown: Vec<_> = match *name {
        SET_COOKIE => values.iter().map(|cookie| without_value(cookie)).collect(),
        _ => values.iter().map(|value| Cow::Borrowed(&**value)).collect(),
    };
    let seen = if shown.is_empty() { "no such header".to_owned() } else { excerpt(&shown.join(", ")) };
    let held = match test {
        Some(test) => values.iter().any(|value| test.holds(value, fill)),
        None => values.is_empty() != present,
    };
    (held, seen)
}

/// A cookie that an answer sets, without its value: that may be a session.
fn without_value(cookie: &str) -> Cow<'_, str> {
    let (cookie, attributes) = cookie.split_at(cookie.find(';').unwrap_or(cookie.len()));
    match cookie.split_once('=') {
        Some((name, _)) => Cow::Owned(format!("{name}=…{attributes}")),
        None => Cow::Borrowed(cookie),
    }
}

fn values(found: &[&Value], tests: &[ValueTest], fill: Fill<'_>) -> Finding {
    let seen = match found {
        [] => "nothing there".to_owned(),
        [one] => excerpt(&one.to_string()),
        several => excerpt(&Value::from_iter(several.iter().copied().cloned()).to_string()),
    };
    let absent = matches!(tests, [ValueTest::Absent]);
    let held = if absent {
        found.is_empty()
    } else {
        !found.is_empty() && found.iter().all(|value| tests.iter().all(|test| test.holds(value, fill)))
    };
    (held, seen)
}

impl ValueTest {
    fn holds(&self, value: &Value, fill: Fill<'_>) -> bool {
        match self {
            Self::Equals(Value::String(text)) => value.as_str() == Some(&*fill(text)),
            Self::Equals(Value::Number(number)) => {
                value.as_f64().is_some_and(|found| number.as_f64() == Some(found))
            }
            Self::Equals(expected) => value == expected,
            Self::Matches(pattern) => match value {
                Value::String(text) => pattern.is_match(text),
                Value::Number(_) | Value::Bool(_) => pattern.is_match(&value.to_string()),
                _ => false,
            },
            Self::Present => true,
            Self::Absent => false,
            Self::Greater(bound) => value.as_f64().is_some_and(|found| found > *bound),
            Self::Less(bound) => value.as_f64().is_some_and(|found| found < *bound),
        }
    }
}

/// The beginning of a text.
pub(super) fn excerpt(text: &str) -> String {
    match text.char_indices().nth(SEEN_CHARS_MAX) {
        Some((at, _)) => format!("{}…", &text[..at]),
        None => text.to_owned(),
    }
}
