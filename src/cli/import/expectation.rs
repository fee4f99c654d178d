//! What another monitor expects of an answer.

use std::time::Duration;

use crate::{
    cli::import::fields::{Fields, quoted},
    setting::{JsonPath, Pattern},
};

const STATUS_FIRST: u16 = 100;
const STATUS_LAST: u16 = 599;

/// Expectations, each as it will stand in the file.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Expectation {
    status: Option<Vec<bool>>,
    headers: Vec<Fields>,
    body: Vec<Fields>,
    json: Vec<Fields>,
    days_min: Option<u64>,
    time_max: Option<Duration>,
}

impl Expectation {
    /// Expects a status for which this holds, besides what is expected of it already.
    pub fn status(&mut self, holds: impl Fn(u16) -> bool) {
        let all = (STATUS_FIRST..=STATUS_LAST).map(holds);
        let before = self.status.take();
        self.status = Some(match before {
            Some(before) => before.into_iter().zip(all).map(|(before, now)| before && now).collect(),
            None => all.collect(),
        });
    }

    /// Expects any status, unless something is expected of it already.
    pub fn any_status(&mut self) {
        if self.status.is_none() {
            self.status(|_| true);
        }
    }

    /// Whether no status would do.
    pub fn is_impossible(&self) -> bool {
        self.status.as_ref().is_some_and(|status| !status.contains(&true))
    }

    /// Expects that a header matches; says whether the pattern can be used.
    #[must_use]
    pub fn header(&mut self, name: &str, pattern: &str) -> bool {
        let is_good = is_pattern(pattern);
        if is_good {
            let mut fields = Fields::new();
            self.headers.push(fields.text("name", name).pattern("matches", pattern).clone());
        }
        is_good
    }

    /// Expects a text in the body.
    pub fn contains(&mut self, text: &str) {
        self.body.push(Fields::new().text("contains", text).clone());
    }

    /// Expects that a text is not in the body.
    pub fn lacks(&mut self, text: &str) {
        self.body.push(Fields::new().text("not_contains", text).clone());
    }

    /// Expects that the body matches; says whether the pattern can be used.
    #[must_use]
    pub fn body(&mut self, pattern: &str) -> bool {
        let is_good = is_pattern(pattern);
        if is_good {
            self.body.push(Fields::new().pattern("matches", pattern).clone());
        }
        is_good
    }

    /// Expects that what stands at a path, as text, matches; says whether both can be used.
    #[must_use]
    pub fn json(&mut self, path: &str, pattern: &str) -> bool {
        is_pattern(pattern) && self.at(path, |fields| fields.pattern("matches", pattern))
    }

    /// Expects that something stands at a path, or that nothing does; says whether the path can be used.
    #[must_use]
    pub fn exists(&mut self, path: &str, exists: bool) -> bool {
        self.at(path, |fields| fields.raw("exists", exists))
    }

    /// Expects a number at a path, `greater` or `less` than another; says whether the path can be used.
    #[must_use]
    pub fn bound(&mut self, path: &str, word: &str, bound: f64) -> bool {
        bound.is_finite() && self.at(path, |fields| fields.raw(word, format_args!("{bound:?}")))
    }

    fn at(&mut self, path: &str, test: impl FnOnce(&mut Fields) -> &mut Fields) -> bool {
        let is_good = JsonPath::parse(path).is_ok();
        if is_good {
            let mut fields = Fields::new();
            fields.text("path", path);
            test(&mut fields);
            self.json.push(fields);
        }
        is_good
    }

    /// Expects a certificate that is valid for so many days still.
    pub fn days(&mut self, days: u64) {
        self.days_min = Some(self.days_min.unwrap_or(0).max(days.min(u64::from(u16::MAX))));
    }

    /// Expects an answer within a time.
    pub fn time(&mut self, max: Duration) {
        self.time_max = Some(self.time_max.map_or(max, |before| before.min(max)));
    }

    /// Whether something of it makes a channel degraded and not dark.
    pub fn degrades(&self, timeout: Duration) -> bool {
        self.days_min.is_some() || self.time_max.is_some_and(|max| max < timeout)
    }

    /// As it stands in the file. A time that is no shorter than the timeout says nothing.
    pub fn fields(&self, timeout: Duration) -> Fields {
        let mut fields = Fields::new();
        fields
            .list("status", self.status.iter().flat_map(|status| ranges(status)))
            .list("headers", &self.headers)
            .list("body", &self.body)
            .list("json", &self.json);
        if let Some(days) = self.days_min {
            fields.table("certificate", Fields::new().raw("days_min", days));
        }
        if let Some(max) = self.time_max.filter(|max| *max < timeout) {
            fields.table("time", Fields::new().span("max", max));
        }
        fields
    }
}

/// Whether it is a regular expression here, too.
fn is_pattern(pattern: &str) -> bool {
    Pattern::parse(pattern).is_ok()
}

/// Statuses as a person writes them: `200`, `"2xx"`, `"300-399"`.
fn ranges(status: &[bool]) -> Vec<String> {
    let mut ranges = Vec::new();
    let mut first = None;
    for (number, holds) in (STATUS_FIRST..=STATUS_LAST + 1).zip(status.iter().chain([&false])) {
        match (first, holds) {
            (None, true) => first = Some(number),
            (Some(from), false) => {
                let last = number - 1;
                ranges.push(match last - from {
                    0 => from.to_string(),
                    1 => format!("{from}, {last}"),
                    99 if from % 100 == 0 => quoted(&format!("{}xx", from / 100)),
                    _ => quoted(&format!("{from}-{last}")),
                });
                first = None;
            }
            _ => {}
        }
    }
    ranges
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn statuses_are_written_as_people_write_them() {
        let written = |holds: &dyn Fn(u16) -> bool| {
            let mut expectation = Expectation::default();
            expectation.status(holds);
            expectation.fields(Duration::from_secs(1)).lines()
        };
        assert_eq!(written(&|status| status == 200), "status = [200]\n");
        assert_eq!(written(&|status| (200..300).contains(&status)), "status = [\"2xx\"]\n");
        assert_eq!(written(&|status| status < 300), "status = [\"100-299\"]\n");
        assert_eq!(written(&|status| status != 404), "status = [\"100-403\", \"405-599\"]\n");
        assert_eq!(written(&|status| [200, 201].contains(&status)), "status = [200, 201]\n");
        assert_eq!(written(&|status| [200, 599].contains(&status)), "status = [200, 599]\n");
    }

    #[test]
    fn what_is_expected_twice_must_hold_twice() {
        let mut expectation = Expectation::default();
        expectation.status(|status| status >= 200);
        expectation.status(|status| status < 300);
        expectation.any_status();
        assert_eq!(expectation.fields(Duration::from_secs(1)).lines(), "status = [\"2xx\"]\n");
        expectation.status(|status| status == 404);
        assert!(expectation.is_impossible());
    }
}
