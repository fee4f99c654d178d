//! Prometheus' Alertmanager, by its API v2: an alert for each channel of an incident.
//!
//! Alertmanager knows an alert by its labels and keeps alerts in its memory alone. So an alert is sent with an end far
//! away, is ended by the same labels with the real end, and is said again every now and then, in case it was forgotten.

use std::{collections::BTreeMap, fmt, time::Duration};

use base64::{Engine, engine::general_purpose::STANDARD};
use bytes::Bytes;
use http::{HeaderMap, HeaderValue, header};
use jiff::Timestamp;
use percent_encoding::{NON_ALPHANUMERIC, utf8_percent_encode};
use serde::Deserialize;
use serde_json::{Value, json};
use url::Url;

use crate::{
    clock::Clock,
    domain::{
        channel::ChannelKind,
        incident::{IncidentEvent, Severity},
        notification::{
            Notification,
            facts::{CanaryFacts, ChannelFacts, Facts},
        },
        urgency::Urgency,
    },
    notify::{
        Delivery, Notifier, SendFuture,
        post::{self, Answer, Endpoint, Limits, PostError},
    },
    secret::{Redactor, Secret},
};

/// An alert that nobody ends ends by itself after this time: if this monitor is gone for good, so are its alerts.
const LASTS_FOR: Duration = Duration::from_secs(7 * 24 * 60 * 60);

/// An Alertmanager.
#[derive(Clone, PartialEq, Eq)]
pub struct Alertmanager {
    /// Where it is: what stands before `/api/v2`.
    pub url: Url,
    /// The address again where it is a secret, to be kept out of whatever is said.
    pub url_secret: Option<Secret>,
    /// User name and password, where it wants them.
    pub credentials: Option<(String, Secret)>,
    /// A further root certificate to trust, in PEM.
    pub root_ca: Option<Bytes>,
}

impl fmt::Debug for Alertmanager {
    /// Without the address, which may be a secret.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Alertmanager").finish_non_exhaustive()
    }
}

/// The route to an Alertmanager.
pub struct AlertmanagerRoute {
    endpoint: Endpoint,
    authorization: Option<HeaderValue>,
    redactor: Redactor,
    clock: Clock,
}

impl AlertmanagerRoute {
    /// A route to an Alertmanager; nothing is connected yet.
    ///
    /// # Errors
    /// When the address is none, or TLS cannot be set up.
    pub fn new(alertmanager: Alertmanager, limits: Limits, clock: Clock) -> Result<Self, PostError> {
        let mut url = alertmanager.url.clone();
        url.set_path(&format!("{}/api/v2/alerts", alertmanager.url.path().trim_end_matches('/')));
        let authorization = alertmanager.credentials.as_ref().map(|(user, password)| {
            let mut value = format!("Basic {}", STANDARD.encode(format!("{user}:{}", password.expose())))
                .parse::<HeaderValue>()
                .expect("base64 is ASCII");
            value.set_sensitive(true);
            value
        });
        Ok(Self {
            endpoint: Endpoint::new(&url, alertmanager.root_ca.as_ref(), limits)?,
            authorization,
            redactor: Redactor::new(
                alertmanager.credentials.iter().map(|(_, password)| password).chain(&alertmanager.url_secret),
            ),
            clock,
        })
    }

    async fn try_once(&self, notification: &Notification) -> Delivery {
        let facts = &notification.content.facts;
        let standing = match notification.event {
            // Of what has just been opened it has nothing.
            IncidentEvent::Opened if !facts.is_over() => Vec::new(),
            _ => match self.standing(facts).await {
                Ok(standing) => standing,
                Err(delivery) => return delivery,
            },
        };
        let now = self.clock.now();
        let alerts = alerts(notification, &standing, now);
        let answer = self.endpoint.post(self.headers(), Value::Array(alerts).to_string()).await;
        let clock = answer.as_ref().ok().and_then(told_time);
        match (post::delivery(answer, &self.redactor), end_of(facts), clock) {
            // It keeps an alert whose end lies in what it takes for the future.
            (Delivery::Accepted(_), Some(end), Some(clock)) if clock < end => {
                let behind = end.duration_since(clock).as_secs();
                Delivery::Deferred(format!("its clock is {behind} s behind the end of the outage"))
            }
            (delivery, ..) => delivery,
        }
    }

    fn headers(&self) -> HeaderMap {
        let authorization = self.authorization.iter().cloned();
        authorization.map(|value| (header::AUTHORIZATION, value)).collect()
    }

    /// The alerts that it has of an incident. They are ended by the labels that they have, whatever has become of the
    /// channel's labels in the configuration.
    async fn standing(&self, facts: &Facts) -> Result<Vec<Standing>, Delivery> {
        let filter = format!("incident=\"{}\"", facts.incident);
        let query = format!("filter={}", utf8_percent_encode(&filter, NON_ALPHANUMERIC));
        let mut answer = self.endpoint.get(self.headers(), &query).await;
        let body = answer.as_mut().map(|answer| std::mem::take(&mut answer.body)).unwrap_or_default();
        match post::delivery(answer, &self.redactor) {
            Delivery::Accepted(_) => serde_json::from_str(&body).map_err(|_| {
                Delivery::Transient(
                    "asked for its alerts, it did not answer as an Alertmanager does".to_owned(),
                )
            }),
            failed => Err(failed),
        }
    }
}

/// An alert as an Alertmanager has it.
#[derive(Clone, Debug, Deserialize)]
struct Standing {
    labels: BTreeMap<String, String>,
    #[serde(default)]
    annotations: BTreeMap<String, String>,
    #[serde(rename = "startsAt")]
    starts_at: Timestamp,
}

impl Standing {
    fn ended(&self, at: Timestamp) -> Value {
        json!({
            "labels": self.labels,
            "annotations": self.annotations,
            "startsAt": self.starts_at,
            "endsAt": at.max(self.starts_at),
        })
    }
}

impl Notifier for AlertmanagerRoute {
    fn send<'a>(&'a self, notification: &'a Notification, _: Duration) -> SendFuture<'a> {
        Box::pin(self.try_once(notification))
    }

    fn forgets(&self) -> bool {
        true
    }
}

/// What it took for the time when it answered.
fn told_time(answer: &Answer) -> Option<Timestamp> {
    let date = answer.headers.get(header::DATE)?.to_str().ok()?;
    jiff::fmt::rfc2822::parse(date).ok().map(|zoned| zoned.timestamp())
}

/// When the outage was over; whole seconds, as the Date header has them.
fn end_of(facts: &Facts) -> Option<Timestamp> {
    whole_seconds(facts.resolved_at?).map(|end| end.max(facts.began_at))
}

fn whole_seconds(at: Timestamp) -> Option<Timestamp> {
    Timestamp::from_second(at.as_second()).ok()
}

/// What is to be said: while the outage lasts an alert for each channel, and the end of one that stands and has another name
/// or severity by now; when it is over, the end of all that stand. One that should stand and has been forgotten is ended as well: others
/// may have been told of it.
fn alerts(notification: &Notification, standing: &[Standing], now: Timestamp) -> Vec<Value> {
    let facts = &notification.content.facts;
    if let Some(canary) = &facts.canary {
        let Some(end) = end_of(facts) else {
            return vec![canary_alert(notification, canary, now + LASTS_FOR)];
        };
        let ended: Vec<Value> = standing.iter().map(|one| one.ended(end)).collect();
        return if ended.is_empty() { vec![canary_alert(notification, canary, end)] } else { ended };
    }
    let (name, severity) = words(facts);
    let is_of = |one: &Standing, channel: &ChannelFacts| {
        one.labels.get("channel").is_some_and(|id| id == channel.id.as_str())
    };
    let about = standing.iter().filter(|one| facts.channels.iter().any(|channel| is_of(one, channel)));
    if let Some(end) = end_of(facts) {
        let is_forgotten = |channel: &&ChannelFacts| !standing.iter().any(|one| is_of(one, channel));
        let forgotten = facts.channels.iter().filter(is_forgotten);
        let forgotten = forgotten.map(|channel| alert(notification, channel, end));
        return about.map(|one| one.ended(end)).chain(forgotten).collect();
    }
    let is_other = |one: &&Standing| {
        let differs = |label: &str, word: &str| one.labels.get(label).is_some_and(|known| known != word);
        differs("alertname", name) || differs("severity", severity)
    };
    let other_from = whole_seconds(notification.created_at).unwrap_or(now);
    let ended = about.filter(is_other).map(|one| one.ended(other_from));
    let begun = facts.channels.iter().map(|channel| alert(notification, channel, now + LASTS_FOR));
    begun.chain(ended).collect()
}

/// The name of an alert and the word of its severity, as those who write rules for Prometheus have them. Of one that was
/// put into the outbox when its severity alone was kept, that says how bad it was too.
fn words(facts: &Facts) -> (&'static str, &'static str) {
    let severity = facts.severity.unwrap_or(Urgency::Critical);
    let is_degraded = match facts.worst {
        Some(worst) => worst == Severity::Degraded,
        None => severity == Urgency::Warning,
    };
    let name = if is_degraded { "SupportChannelDegraded" } else { "SupportChannelDark" };
    (name, severity.as_str())
}

fn alert(notification: &Notification, channel: &ChannelFacts, ends_at: Timestamp) -> Value {
    let facts = &notification.content.facts;
    let mut alert = json!({
        "labels": labels(facts, channel),
        "annotations": annotations(notification, channel),
        "startsAt": facts.began_at,
        "endsAt": ends_at,
    });
    if let Some(link) = &facts.link {
        alert["generatorURL"] = link.clone().into();
    }
    alert
}

/// That mails by a server are lost, as an alert.
fn canary_alert(notification: &Notification, canary: &CanaryFacts, ends_at: Timestamp) -> Value {
    let content = &notification.content;
    let facts = &content.facts;
    let mut alert = json!({
        "labels": {
            "alertname": "LamplighterCanaryLost",
            "severity": "critical",
            "route": canary.by.as_str(),
            "location": facts.location,
            "incident": facts.incident,
        },
        "annotations": { "summary": content.subject, "description": canary.why },
        "startsAt": facts.began_at,
        "endsAt": ends_at,
    });
    if let Some(link) = &facts.link {
        alert["generatorURL"] = link.clone().into();
    }
    alert
}

/// What the alert is known by: the operator's labels first, so that none of them can pass for ours.
fn labels(facts: &Facts, channel: &ChannelFacts) -> BTreeMap<String, String> {
    let (name, word) = words(facts);
    let mut labels = channel.labels.clone();
    let mut put = |name: &str, value: &str| labels.insert(name.to_owned(), value.to_owned());
    put("alertname", name);
    put("severity", word);
    put("channel", channel.id.as_str());
    put("location", &facts.location);
    put("incident", &facts.incident.0);
    put("kind", channel.kind.map_or("", ChannelKind::as_str));
    put("team", channel.team.as_deref().unwrap_or_default());
    labels.retain(|_, value| !value.is_empty());
    labels
}

fn annotations(notification: &Notification, channel: &ChannelFacts) -> BTreeMap<&'static str, String> {
    let content = &notification.content;
    let facts = &content.facts;
    let alternatives: Vec<&str> = facts.alternatives.iter().map(|one| one.title.as_str()).collect();
    let mut annotations = BTreeMap::from([
        ("summary", content.subject.clone()),
        ("description", channel.customers.clone()),
        ("title", channel.title.clone()),
        ("still_works", alternatives.join(", ")),
        ("shared", facts.shared.clone().unwrap_or_default()),
        ("evidence", facts.evidence.clone().unwrap_or_default()),
        ("reason", channel.reason.clone().unwrap_or_default()),
        ("detail", channel.detail.clone().unwrap_or_default()),
    ]);
    annotations.retain(|_, value| !value.is_empty());
    annotations
}
