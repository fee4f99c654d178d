//! From settings to expectations, with the words in which each is told.

use std::{fmt::Write, time::Duration};

use serde_json::Value;

use super::{
    Expectation, Expectations, Test, TextTest, ValueTest,
    settings::{
        BodyExpectation, ExpectSettings, HeaderExpectation, JsonExpectation, SizeExpectation, StatusRange,
        StatusSettings,
    },
};
use crate::setting::{At, ByteSize, Problem, Span};

/// What is expected where no status is given.
const STATUS_DEFAULT: StatusRange = StatusRange { first: 200, last: 399 };

impl ExpectSettings {
    /// Checks and compiles the expectations, those that are right, of an answer within `timeout`; `credentials` says
    /// whether the request carries any.
    pub fn build(&self, credentials: bool, timeout: Duration, problems: &mut Vec<Problem>) -> Expectations {
        let list = self.compile(vec![status(self.status.as_ref())], timeout, problems);
        Expectations { list, credentials }
    }

    /// Checks and compiles what is expected besides other expectations: without a status, any will do.
    pub fn build_further(&self, timeout: Duration, problems: &mut Vec<Problem>) -> Expectations {
        let list = self.status.iter().map(|settings| status(Some(settings))).collect();
        Expectations { list: self.compile(list, timeout, problems), credentials: false }
    }

    fn compile(
        &self,
        mut list: Vec<Expectation>,
        timeout: Duration,
        problems: &mut Vec<Problem>,
    ) -> Vec<Expectation> {
        let checked = (self.headers.iter().map(header))
            .chain(self.body.iter().map(body))
            .chain(self.json.iter().map(json))
            .chain(self.size.iter().map(size));
        for result in checked {
            match result {
                Ok(expectation) => list.push(expectation),
                Err(problem) => problems.push(problem),
            }
        }
        if let Some(certificate) = &self.certificate {
            let days = certificate.days_min;
            list.push(Expectation {
                words: format!("a certificate valid for {days} days").into(),
                test: Test::CertificateDays(days),
                otherwise: certificate.otherwise,
            });
        }
        if let Some(time) = &self.time {
            if time.max.0 >= timeout {
                let problem = time.max.problem(format!("the run of {} is over by then", Span(timeout)));
                problems.push(problem.hint("write a time shorter than the probe's timeout"));
            }
            list.push(Expectation {
                words: format!("an answer within {}", in_words(time.max.0)).into(),
                test: Test::Time(time.max.0),
                otherwise: time.otherwise,
            });
        }
        list
    }
}

fn status(settings: Option<&StatusSettings>) -> Expectation {
    let (any_of, otherwise) = match settings {
        Some(settings) => (settings.any_of.clone(), settings.otherwise),
        None => (vec![STATUS_DEFAULT], None),
    };
    let ranges: Vec<String> = any_of.iter().map(ToString::to_string).collect();
    Expectation {
        words: format!("status {}", ranges.join(" or ")).into(),
        test: Test::Status(any_of),
        otherwise,
    }
}

fn header(settings: &At<HeaderExpectation>) -> Result<Expectation, Problem> {
    let HeaderExpectation { name, present, equals, contains, matches, otherwise } = settings.value.clone();
    let mut tests = [
        equals.map(TextTest::Equals),
        contains.map(TextTest::Contains),
        matches.map(|pattern| TextTest::Matches(pattern.0)),
    ]
    .into_iter()
    .flatten();
    let (value, more) = (tests.next(), tests.next());
    if more.is_some() || (value.is_some() && present == Some(false)) {
        let problem = settings.problem("a header is expected in one way, not in several");
        return Err(problem
            .hint("write one of present, equals, contains and matches, and another entry for the rest"));
    }
    let present = present.unwrap_or(true);
    let words = match &value {
        Some(test) => format!("header {} that {test}", name.0),
        None if present => format!("header {}", name.0),
        None => format!("no header {}", name.0),
    };
    Ok(Expectation { words: words.into(), test: Test::Header { name: name.0, value, present }, otherwise })
}

fn body(settings: &At<BodyExpectation>) -> Result<Expectation, Problem> {
    let BodyExpectation { contains, not_contains, matches, otherwise } = settings.value.clone();
    let mut tests = [
        contains.map(TextTest::Contains),
        not_contains.map(TextTest::NotContains),
        matches.map(|pattern| TextTest::Matches(pattern.0)),
    ]
    .into_iter()
    .flatten();
    let (Some(test), None) = (tests.next(), tests.next()) else {
        let problem = settings.problem("a body is expected in exactly one way");
        return Err(problem
            .hint("write one of contains, not_contains and matches, such as { contains = \"Start chat\" }"));
    };
    Ok(Expectation { words: format!("body that {test}").into(), test: Test::Body(test), otherwise })
}

fn json(settings: &At<JsonExpectation>) -> Result<Expectation, Problem> {
    let JsonExpectation { path, equals, matches, exists, greater, less, otherwise } = settings.value.clone();
    let number = |bound: f64| bound.is_finite().then_some(bound);
    let tests: Vec<ValueTest> = [
        exists.map(|exists| if exists { ValueTest::Present } else { ValueTest::Absent }),
        equals.map(ValueTest::Equals),
        matches.map(|pattern| ValueTest::Matches(pattern.0)),
        greater.and_then(number).map(ValueTest::Greater),
        less.and_then(number).map(ValueTest::Less),
    ]
    .into_iter()
    .flatten()
    .collect();
    if tests.is_empty() || (tests.len() > 1 && matches!(tests[0], ValueTest::Absent)) {
        let problem = settings.problem("it does not say what is expected at the path, or contradicts itself");
        return Err(problem.hint(
            "write equals, matches, exists, greater or less, such as { path = \"$.enabled\", equals = true }",
        ));
    }
    let mut words = format!("JSON {}", path.0);
    for (n, test) in tests.iter().enumerate() {
        words.push_str(if n == 0 { " " } else { " and " });
        test.describe(&mut words);
    }
    Ok(Expectation { words: words.into(), test: Test::Json { path: path.0, tests }, otherwise })
}

fn size(settings: &At<SizeExpectation>) -> Result<Expectation, Problem> {
    let SizeExpectation { min, max, otherwise } = settings.value.clone();
    let words = match (min, max) {
        (Some(min), None) => format!("body of at least {min}"),
        (None, Some(max)) => format!("body of at most {max}"),
        (Some(min), Some(max)) if min <= max => format!("body of {min} to {max}"),
        (Some(_), Some(_)) => {
            return Err(settings
                .problem("no body is at least min and at most max")
                .hint("write min below max"));
        }
        (None, None) => {
            return Err(settings
                .problem("it does not say how large")
                .hint("write size = { min = \"1KiB\" }"));
        }
    };
    let bytes = |size: Option<ByteSize>, without| size.map_or(without, |size| size.0);
    let test = Test::Size { min: bytes(min, 0), max: bytes(max, u64::MAX) };
    Ok(Expectation { words: words.into(), test, otherwise })
}

impl std::fmt::Display for TextTest {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Equals(text) => write!(f, "is {text:?}"),
            Self::Contains(text) => write!(f, "contains {text:?}"),
            Self::NotContains(text) => write!(f, "does not contain {text:?}"),
            Self::Matches(pattern) => write!(f, "matches {pattern}"),
        }
    }
}

impl ValueTest {
    fn describe(&self, words: &mut String) {
        let written = match self {
            Self::Equals(value) => write!(words, "is {}", shown(value)),
            Self::Matches(pattern) => write!(words, "matches {pattern}"),
            Self::Present => write!(words, "exists"),
            Self::Absent => write!(words, "does not exist"),
            Self::Greater(bound) => write!(words, "is greater than {bound}"),
            Self::Less(bound) => write!(words, "is less than {bound}"),
        };
        written.expect("writing into a string cannot fail");
    }
}

fn shown(value: &Value) -> String {
    value.to_string()
}

/// `"1.5 s"`, `"800 ms"`.
fn in_words(span: Duration) -> String {
    if span >= Duration::from_secs(1) {
        format!("{} s", span.as_secs_f64())
    } else {
        format!("{} ms", span.as_millis())
    }
}
