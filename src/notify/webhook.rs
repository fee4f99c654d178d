//! Webhooks: one request for each notification, in the form that the other side reads, signed if there is a key.
//!
//! The signature is that of the Standard Webhooks: HMAC-SHA256 over id, time of the try and body. The id is the same for
//! every copy of a notification, so that whoever is told twice can see that it is once.

mod json;
mod pagerduty;
mod slack;
mod teams;

use std::{fmt, time::Duration};

use base64::{Engine, engine::general_purpose::STANDARD};
use bytes::Bytes;
use http::{HeaderMap, HeaderName, HeaderValue};
use jiff::Timestamp;
use ring::hmac;
use schemars::JsonSchema;
use serde::Deserialize;
use sha2::{Digest, Sha256};
use url::Url;

use crate::{
    clock::Clock,
    domain::notification::{
        Notification,
        facts::{ChannelFacts, Facts, HeldFacts},
    },
    notify::{
        Delivery, Notifier, SendFuture,
        post::{self, Endpoint, Limits, PostError},
    },
    secret::{Redactor, Secret},
};

/// Before a key that is written in base64, as the Standard Webhooks have it.
const KEY_PREFIX: &str = "whsec_";

/// A webhook.
#[derive(Clone, PartialEq, Eq)]
pub struct Webhook {
    /// Where it is.
    pub url: Url,
    /// The address again where it is a secret, to be kept out of whatever is said.
    pub url_secret: Option<Secret>,
    /// What it reads.
    pub template: Template,
    /// By which key requests are signed.
    pub key: Option<Secret>,
    /// PagerDuty's routing key.
    pub routing_key: Option<Secret>,
    /// A further root certificate to trust, in PEM.
    pub root_ca: Option<Bytes>,
}

impl fmt::Debug for Webhook {
    /// Without the address, which may be a secret.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Webhook").field("template", &self.template).finish_non_exhaustive()
    }
}

/// What the other side reads.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum Template {
    /// Every fact by name.
    #[default]
    Json,
    /// An incoming webhook of Slack, or of Mattermost.
    Slack,
    /// A workflow of Microsoft Teams that posts to a chat or a channel.
    Teams,
    /// PagerDuty's Events API v2.
    Pagerduty,
}

/// The route to a webhook.
pub struct WebhookRoute {
    endpoint: Endpoint,
    template: Template,
    key: Option<hmac::Key>,
    routing_key: Option<Secret>,
    redactor: Redactor,
    clock: Clock,
}

impl WebhookRoute {
    /// A route to a webhook; nothing is connected yet.
    ///
    /// # Errors
    /// When the address is none, or TLS cannot be set up.
    pub fn new(webhook: Webhook, limits: Limits, clock: Clock) -> Result<Self, PostError> {
        let secrets = [&webhook.url_secret, &webhook.key, &webhook.routing_key];
        Ok(Self {
            endpoint: Endpoint::new(&webhook.url, webhook.root_ca.as_ref(), limits)?,
            template: webhook.template,
            redactor: Redactor::new(secrets.into_iter().flatten()),
            key: webhook.key.as_ref().map(|key| {
                let bytes = key_bytes(key).unwrap_or_else(|| key.expose().as_bytes().to_vec());
                hmac::Key::new(hmac::HMAC_SHA256, &bytes)
            }),
            routing_key: webhook.routing_key,
            clock,
        })
    }

    async fn try_once(&self, notification: &Notification, late: Duration) -> Delivery {
        let body = match (self.template, &self.routing_key) {
            (Template::Json, _) => json::body(notification),
            (Template::Slack, _) => slack::body(notification, late),
            (Template::Teams, _) => teams::body(notification, late),
            (Template::Pagerduty, key) => {
                pagerduty::body(notification, key.as_ref().map_or("", |key| key.expose()))
            }
        };
        let headers = self.headers(notification, &body, self.clock.now());
        let answer = self.endpoint.post(headers, body).await;
        post::delivery(answer, &self.redactor)
    }

    fn headers(&self, notification: &Notification, body: &str, now: Timestamp) -> HeaderMap {
        let id = id_of(notification);
        let time = now.as_second().to_string();
        let mut headers = HeaderMap::new();
        if let Some(key) = &self.key {
            let signature = hmac::sign(key, format!("{id}.{time}.{body}").as_bytes());
            put(&mut headers, "webhook-signature", &format!("v1,{}", STANDARD.encode(signature)));
        }
        put(&mut headers, "webhook-id", &id);
        put(&mut headers, "webhook-timestamp", &time);
        headers
    }
}

impl Notifier for WebhookRoute {
    fn send<'a>(&'a self, notification: &'a Notification, late: Duration) -> SendFuture<'a> {
        Box::pin(async move { self.try_once(notification, late).await.without_link(notification) })
    }
}

fn put(headers: &mut HeaderMap, name: &'static str, value: &str) {
    let value = HeaderValue::from_str(value).expect("hexadecimal, decimal and base64 digits are ASCII");
    headers.insert(HeaderName::from_static(name), value);
}

/// The same for every copy of a notification, and without a dot, which separates it from the time in what is signed.
fn id_of(notification: &Notification) -> String {
    let digest = Sha256::digest(&notification.message_id);
    digest.iter().take(16).fold("msg_".to_owned(), |id, byte| format!("{id}{byte:02x}"))
}

/// The bytes of a key: those that follow `whsec_` in base64, or those of the text; none if it begins with `whsec_` and
/// what follows is no base64.
#[must_use]
pub fn key_bytes(key: &Secret) -> Option<Vec<u8>> {
    match key.expose().strip_prefix(KEY_PREFIX) {
        Some(encoded) => STANDARD.decode(encoded).ok(),
        None => Some(key.expose().as_bytes().to_vec()),
    }
}

/// The labelled lines of a message for people, those that nothing is known of left out.
fn lines(notification: &Notification) -> Vec<(&'static str, String)> {
    let facts = &notification.content.facts;
    let mut lines = held(facts);
    if let Some(canary) = &facts.canary {
        lines.push(("Mail by", canary.by.table().to_owned()));
        lines.push(("Why", canary.why.clone()));
    }
    match &facts.channels[..] {
        _ if !facts.held.is_empty() => {}
        [channel] => {
            lines.push(("Customers", channel.customers.clone()));
            lines.extend(reason(channel).map(|reason| ("Reason", reason)));
        }
        channels => {
            let named = channels
                .iter()
                .take(CHANNELS_MAX)
                .map(|channel| format!("{}: {}", channel.title, channel.customers));
            lines.extend(named.map(|line| ("Channel", line)));
            if channels.len() > CHANNELS_MAX {
                lines.push(("Channel", format!("and {} more", channels.len() - CHANNELS_MAX)));
            }
        }
    }
    lines.extend(facts.shared.iter().map(|shared| ("In common", shared.clone())));
    lines.push(("Since", facts.began_at.strftime("%Y-%m-%d %H:%M:%S UTC").to_string()));
    if let Some(at) = facts.resolved_at {
        lines.push(("Until", at.strftime("%Y-%m-%d %H:%M:%S UTC").to_string()));
    } else if facts.canary.is_none() {
        let titles: Vec<&str> = facts.alternatives.iter().take(3).map(|one| one.title.as_str()).collect();
        let works = if titles.is_empty() {
            "no other door is known to work right now".to_owned()
        } else {
            titles.join(", ")
        };
        lines.push(("Still works", works));
    }
    lines.push(("Location", facts.location.clone()));
    lines.push(("Incident", facts.incident.0.clone()));
    lines.retain(|(_, value)| !value.is_empty());
    lines
}

/// What was held in quiet hours: what stands still, then what came and went.
fn held(facts: &Facts) -> Vec<(&'static str, String)> {
    let at = |at: Timestamp| at.strftime("%Y-%m-%d %H:%M:%S UTC").to_string();
    let named = |one: &HeldFacts| {
        let titles: Vec<&str> = one.channels.iter().take(3).map(|channel| channel.title.as_str()).collect();
        match one.channels.len() - titles.len() {
            0 => titles.join(", "),
            more => format!("{} and {more} more", titles.join(", ")),
        }
    };
    let (standing, over): (Vec<&HeldFacts>, Vec<&HeldFacts>) =
        facts.held.iter().partition(|one| one.resolved_at.is_none());
    let stands = |one: &&HeldFacts| {
        let customers = one.channels.first().map(|channel| format!(": {}", channel.customers));
        ("Still so", format!("{}, since {}{}", named(one), at(one.began_at), customers.unwrap_or_default()))
    };
    let went = |one: &&HeldFacts| {
        let until = one.resolved_at.map(at).unwrap_or_default();
        ("Came and went", format!("{}, from {} to {until}", named(one), at(one.began_at)))
    };
    let mut lines: Vec<_> = standing.iter().take(CHANNELS_MAX).map(stands).collect();
    lines.extend(over.iter().take(CHANNELS_MAX).map(went));
    let left_out = standing.len().saturating_sub(CHANNELS_MAX) + over.len().saturating_sub(CHANNELS_MAX);
    if left_out > 0 {
        lines.push(("Besides", format!("{left_out} more")));
    }
    lines
}

/// So many channels are named in a message for people.
const CHANNELS_MAX: usize = 10;

/// What broke, in a word and as it was seen.
fn reason(channel: &ChannelFacts) -> Option<String> {
    let reason = channel.reason.as_ref()?;
    Some(match &channel.detail {
        Some(detail) => format!("{reason}: {detail}"),
        None => reason.clone(),
    })
}

/// The first `max` characters.
fn cut(text: &str, max: usize) -> String {
    text.chars().take(max).collect()
}

/// How good the news is, for a colour.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Tone {
    Bad,
    Mixed,
    Good,
}

impl Tone {
    fn of(notification: &Notification) -> Self {
        use crate::domain::{evaluation::State, incident::IncidentEvent::Withdrawn};
        let facts = &notification.content.facts;
        match facts.state {
            State::Dark => Self::Bad,
            State::Up if facts.event != Withdrawn => Self::Good,
            _ => Self::Mixed,
        }
    }
}
