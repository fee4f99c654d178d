//! The settings of a probe, whatever its kind, and what a kind needs to build itself from them.
//!
//! A kind's own settings live beside the code that obeys them and offer
//! `fn build(&self, context: &BuildContext<'_>) -> Result<Built, Vec<Problem>>`: everything that can be found wrong is
//! found here, while the configuration is loaded, and all of it at once.

use std::{sync::Arc, time::Duration};

use schemars::JsonSchema;
use serde::Deserialize;

use crate::{
    domain::{channel::ProbeKey, contact::Responder, outcome::PhaseWords},
    probe::{
        Probe, browser::BrowserSettings, chat::ChatSettings, chromium::Chromium, http,
        journey::JourneySettings, page::PageSettings, persona::Persona, request::settings::RequestSettings,
        transport::Transport,
    },
    secret::Sources,
    setting::{At, Problem, Span, SpanOrOff},
};

/// A probe runs at most this often.
pub const EVERY_MIN: Duration = Duration::from_millis(100);
/// A probe runs at least this often.
pub const EVERY_MAX: Duration = Duration::from_secs(24 * 60 * 60);
/// The longest deadline of one run (`states.md`, limits).
pub const TIMEOUT_MAX: Duration = Duration::from_secs(120);
/// The longest deadline of a run that waits for a person.
const WAITING_TIMEOUT_MAX: Duration = Duration::from_secs(30 * 60);

/// The words of the kinds, as the keys of their settings.
pub const KINDS: [&str; 5] = ["http", "page", "browser", "journey", "chat"];

/// `[channel.ID.probe.NAME]`: one scheduled check of a channel. It has exactly one kind, named by its key.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, expecting = "a table, such as { http = { url = \"https://...\" } }")]
#[schemars(extend("oneOf" = [{ "required": ["http"] }, { "required": ["page"] }, { "required": ["browser"] }, { "required": ["journey"] }, { "required": ["chat"] }]))]
pub struct ProbeSettings {
    /// How often it runs: "100ms" to "1d".
    pub every: Option<At<Span>>,
    /// The deadline of one run, at most "120s"; at most "30m" for a journey that waits with `until`, and for a chat
    /// or a browser that waits for people.
    pub timeout: Option<At<Span>>,
    /// How soon a failed run is followed by another, or "off".
    pub recheck: Option<At<SpanOrOff>>,
    /// As whom it runs: the ids of personas, "guest" for nobody in particular. It runs once as each, and is judged by all
    /// of them together.
    #[serde(default)]
    pub personas: Vec<At<String>>,
    /// One request, and what is expected of its answer.
    pub http: Option<RequestSettings>,
    /// A page as it is served: is the entry there, can it be used, are the contacts right?
    // Boxed: few probes are pages, and each of the others would keep room for one.
    pub page: Option<Box<At<PageSettings>>>,
    /// The entry as it behaves, in real Chromium.
    pub browser: Option<Box<At<BrowserSettings>>>,
    /// Ordered steps, as a customer takes them.
    pub journey: Option<JourneySettings>,
    /// A conversation with the service.
    pub chat: Option<Box<At<ChatSettings>>>,
}

impl ProbeSettings {
    /// The longest deadline that a run of it may have.
    #[must_use]
    pub fn timeout_max(&self) -> Duration {
        let waits = self.journey.as_ref().is_some_and(JourneySettings::waits)
            || self.chat.as_ref().is_some_and(|chat| chat.waits())
            || self.browser.as_ref().is_some_and(|browser| browser.waits());
        if waits { WAITING_TIMEOUT_MAX } else { TIMEOUT_MAX }
    }

    /// Builds the probe by its kind, and gives the kind's word. If several are set, each is built.
    pub fn build(&self, context: &BuildContext<'_>) -> Vec<(&'static str, Result<Built, Vec<Problem>>)> {
        let http = self.http.as_ref().map(|settings| ("http", http::build(settings, context)));
        let journey = self.journey.as_ref().map(|settings| ("journey", settings.build(context)));
        let page = self.page.as_ref().map(|settings| ("page", PageSettings::build(settings, context)));
        let browser =
            self.browser.as_ref().map(|settings| ("browser", BrowserSettings::build(settings, context)));
        let chat = self.chat.as_ref().map(|settings| ("chat", ChatSettings::build(settings, context)));
        http.into_iter().chain(page).chain(browser).chain(journey).chain(chat).collect()
    }
}

/// What a kind may know while it builds a probe.
#[derive(Debug)]
pub struct BuildContext<'a> {
    /// The probe that is being built.
    pub key: &'a ProbeKey,
    /// How often it runs.
    pub every: Duration,
    /// The deadline of one run.
    pub timeout: Duration,
    /// Within which time a person must have answered, where the channel says so.
    pub first_response: Option<Duration>,
    /// As whom it runs; none as nobody in particular.
    pub persona: Option<&'a Arc<Persona>>,
    /// Reads secrets and files that the settings refer to; relative paths start at the configuration file.
    pub sources: &'a Sources,
    /// The way to the targets that all probes share.
    pub transport: &'a Arc<Transport>,
    /// The browser that all probes share.
    pub chromium: &'a Arc<Chromium>,
}

/// A probe, built.
#[derive(Debug)]
pub struct Built {
    /// What to run.
    pub probe: Arc<dyn Probe>,
    /// Every host that a run burdens by itself, each once, whatever it is redirected to.
    pub hosts: Box<[Arc<str>]>,
    /// The words of its phases.
    pub phases: PhaseWords,
    /// What deserves a second look.
    pub warnings: Vec<Problem>,
    /// Whose first replies it measures.
    pub responders: Box<[Responder]>,
    /// Whether it counts the steps to a person.
    pub counts_steps: bool,
}

impl Built {
    /// A probe with nothing to say of itself.
    #[must_use]
    pub fn of(probe: Arc<dyn Probe>) -> Self {
        Self {
            probe,
            hosts: Box::default(),
            phases: PhaseWords::default(),
            warnings: Vec::new(),
            responders: Box::default(),
            counts_steps: false,
        }
    }
}
