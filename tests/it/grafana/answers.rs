//! What Prometheus answered to the queries of a dashboard, and what it should have.

use std::collections::BTreeMap;

use lamplighter::metrics::dashboards::Dashboard;
use serde_json::Value;

/// One series: its labels, and its values in the order of time.
#[derive(Clone, Debug)]
pub struct Series {
    labels: BTreeMap<String, String>,
    values: Vec<f64>,
}

/// The series of one query that have a value.
#[derive(Clone, Debug)]
pub struct Answer(Vec<Series>);

impl Answer {
    /// Of what the API gave.
    pub fn of(answer: &Value) -> Self {
        let series = answer["data"]["result"].as_array().unwrap_or_else(|| panic!("{answer}"));
        let one = |one: &Value| {
            let labels = one["metric"].as_object().unwrap().iter();
            let labels =
                labels.map(|(name, value)| (name.clone(), value.as_str().unwrap().to_owned())).collect();
            let points = one["values"].as_array().map_or_else(|| vec![one["value"].clone()], Clone::clone);
            let values = points.iter().map(|point| point[1].as_str().unwrap().parse().unwrap());
            // A quantile of nothing is no number, and Grafana shows nothing.
            Series { labels, values: values.filter(|value: &f64| value.is_finite()).collect() }
        };
        Self(series.iter().map(one).filter(|series| !series.values.is_empty()).collect())
    }

    /// The series whose labels are these.
    fn with<'a>(&'a self, labels: &'a [(&str, &str)]) -> impl Iterator<Item = &'a Series> {
        let has = |series: &&Series| {
            labels.iter().all(|(name, value)| series.labels.get(*name).is_some_and(|it| it == value))
        };
        self.0.iter().filter(has)
    }
}

/// All answers of a dashboard.
#[derive(Debug)]
pub struct Rows {
    which: Dashboard,
    rows: Vec<(String, String, Answer)>,
}

impl Rows {
    pub fn of(which: Dashboard) -> Self {
        Self { which, rows: Vec::new() }
    }

    pub fn add(&mut self, title: &str, query: &str, answer: Answer) {
        self.rows.push((title.to_owned(), query.to_owned(), answer));
    }

    /// The same queries with another variable: what either has.
    pub fn or(mut self, other: Self) -> Self {
        assert_eq!(self.rows.len(), other.rows.len());
        for (mine, others) in self.rows.iter_mut().zip(other.rows) {
            mine.2.0.extend(others.2.0);
        }
        self
    }

    /// The titles of panels of which a query has no series.
    pub fn empty(&self) -> impl Iterator<Item = &str> {
        self.rows.iter().filter(|(_, _, answer)| answer.0.is_empty()).map(|(title, _, _)| title.as_str())
    }

    /// A line for each query: its panel, how many series it has, one of them, and the query.
    pub fn print(&self, channel: &str) {
        println!("\n{} ({channel})\n{:-<110}", self.which.as_str(), "");
        for (title, query, answer) in &self.rows {
            let last = |series: &Series| {
                let names = ["channel", "instance", "job", "__name__"];
                let labels = series.labels.iter().filter(|(name, _)| !names.contains(&name.as_str()));
                let labels: Vec<&str> = labels.map(|(_, value)| value.as_str()).collect();
                format!(
                    "{} {}={}",
                    series.labels.get("channel").map_or("", String::as_str),
                    labels.join("/"),
                    series.values.last().unwrap()
                )
            };
            let shown: Vec<String> = answer.0.iter().take(4).map(last).collect();
            println!("{title:<42} {:>3} series  {}\n    {query}", answer.0.len(), shown.join("; "));
        }
    }

    /// What is wrong with a query of a panel: where no series with these labels is as it should be.
    fn has(&self, title: &str, labels: &[(&str, &str)], is_so: impl Fn(&[f64]) -> bool) -> Option<String> {
        let rows: Vec<_> = self.rows.iter().filter(|(known, _, _)| known == title).collect();
        assert!(!rows.is_empty(), "there is no panel {title:?}");
        let found = rows.iter().any(|(_, _, answer)| answer.with(labels).any(|series| is_so(&series.values)));
        (!found).then(|| format!("{title}: no series with {labels:?} is as it should be: {rows:?}"))
    }
}

fn ends_with(value: f64) -> impl Fn(&[f64]) -> bool {
    move |values| values.last() == Some(&value)
}

fn ever(is_so: impl Fn(f64) -> bool) -> impl Fn(&[f64]) -> bool {
    move |values| values.iter().any(|value| is_so(*value))
}

/// What a dashboard does not show of what was.
pub fn expected(rows: &Rows) -> Vec<String> {
    let channel = |id| [("channel", id)];
    let wrong = match rows.which {
        Dashboard::Overview => vec![
            rows.has("Open incidents", &[], ends_with(1.0)),
            rows.has("Channels by state", &[("state", "dark")], ends_with(1.0)),
            rows.has("Channels by state", &[("state", "up")], ends_with(3.0)),
            rows.has("Incidents begun", &[("severity", "dark")], ever(|value| value > 1.5)),
            rows.has("Channels", &[("title", "Hotline, call back"), ("state", "dark")], ends_with(1.0)),
            rows.has("Channels", &[("title", "Help centre"), ("state", "up")], ends_with(1.0)),
            rows.has("Channels", &channel("hotline"), ever(|value| value > 1.7e12)),
            rows.has("States", &channel("hotline"), ends_with(5.0)),
            rows.has("States", &channel("web-chat"), ends_with(2.0)),
            rows.has("States", &channel("web-chat"), ever(|value| value == 4.0)),
            rows.has("States", &channel("web-chat"), ever(|value| value == 5.0)),
            rows.has("States", &channel("ticket-form"), ever(|value| value == 4.0)),
            rows.has("Timeout rate", &channel("web-chat"), ever(|value| value > 0.05)),
            rows.has(
                "First response, 95th percentile",
                &[("responder", "person")],
                ever(|value| value > 0.0 && value < 10.0),
            ),
            rows.has(
                "Latency, 95th percentile of the last hour",
                &channel("help"),
                ever(|value| value > 0.0),
            ),
            rows.has("Failures by reason", &[("reason", "busy")], ever(|value| value >= 1.0)),
            rows.has("Failures by reason", &[("reason", "queue_timeout")], ever(|value| value > 0.0)),
            rows.has("Error budget left", &channel("hotline"), ever(|value| value < 0.0)),
            rows.has("Steps to a person", &channel("web-chat"), ever(|value| value >= 1.0)),
            rows.has("Incidents", &[("channel", "hotline"), ("severity", "dark")], ends_with(1.0)),
        ],
        Dashboard::Channel => vec![
            rows.has("State", &channel("web-chat"), ends_with(2.0)),
            rows.has("State", &channel("hotline"), ends_with(5.0)),
            rows.has("Certificate", &channel("help"), ever(|value| value > 86_400.0)),
            rows.has("Duration of runs", &[("le", "+Inf")], ever(|value| value > 5.0)),
            rows.has("Phases of the last run", &[("phase", "tls")], ever(|value| value > 0.0)),
            rows.has("Phases of the last run", &[("phase", "person")], ever(|value| value > 0.0)),
            rows.has("Runs by outcome", &[("outcome", "ok")], ever(|value| value > 5.0)),
            rows.has("Runs by outcome", &[("outcome", "failed")], ever(|value| value > 1.0)),
            rows.has("Failures by reason", &[("reason", "first_byte_timeout")], ever(|value| value > 0.0)),
            rows.has("Bad runs by persona", &[("persona", "new-account")], ever(|value| value > 0.1)),
            rows.has("Bad runs by location", &[("location", "demo")], ever(|value| value > 0.5)),
            rows.has("Bad runs by location", &[("location", "ber-1")], ends_with(0.0)),
            rows.has("Dark share of its window", &channel("hotline"), ever(|value| value > 0.05)),
            rows.has("Timeouts, last hour", &channel("web-chat"), ever(|value| value > 0.0)),
        ],
        Dashboard::Monitor => vec![
            rows.has("Answers", &[], ends_with(1.0)),
            rows.has("Sight", &[], ends_with(0.0)),
            rows.has("Configuration", &[], ends_with(1.0)),
            rows.has("Store", &[], ends_with(0.0)),
            rows.has("Runs", &[("outcome", "failed")], ever(|value| value > 0.0)),
            rows.has("Runs skipped", &[("reason", "still_running")], ever(|value| value > 0.0)),
            rows.has(
                "Tries to deliver",
                &[("route", "mail"), ("result", "delivered")],
                ever(|value| value > 0.0),
            ),
            rows.has("Heartbeats", &[("result", "sent")], ever(|value| value > 1.0)),
            rows.has("Heartbeats withheld", &[("reason", "store")], ends_with(0.0)),
            rows.has("Canary", &[("route", "mail")], ends_with(1.0)),
            rows.has("Sentinels", &[("sentinel", "far")], ends_with(1.0)),
            rows.has("Memory", &[], ever(|value| value > 1e6)),
            rows.has("Age of the newest backup", &[], ever(|value| value < 600.0)),
        ],
    };
    wrong.into_iter().flatten().collect()
}
