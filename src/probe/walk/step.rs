//! A step of a journey: a request with variables in its texts, what must hold of every answer, what is waited for,
//! what is captured.

use std::{
    collections::{BTreeMap, BTreeSet},
    sync::Arc,
    time::Duration,
};

use schemars::JsonSchema;
use serde::Deserialize;
use url::{Origin, Url};

use super::{
    capture::{Capture, CaptureSettings},
    template::Template,
    variables::Variables,
};
use crate::{
    domain::outcome::{Reason, Stage},
    probe::{
        expect::{Expectations, settings::ExpectSettings},
        request::{
            draft::{Draft, Place, Text},
            settings::RequestSettings,
        },
        transport::{fault::Broken, prepared::Prepared},
    },
    setting::{At, Span},
};

/// How often a step is repeated that does not say.
pub(super) const EVERY: Duration = Duration::from_secs(1);
/// A step is repeated at most this often, as a probe is run.
pub(super) const EVERY_MIN: Duration = crate::probe::settings::EVERY_MIN;

/// One step.
#[derive(Clone, Debug, Deserialize, JsonSchema)]
#[serde(
    deny_unknown_fields,
    expecting = "a table, such as { name = \"open\", http = { url = \"https://...\" } }"
)]
pub struct StepSettings {
    /// Its name: in the outcome, the phases and the failure.
    pub(super) name: At<String>,
    /// The request. Its texts may have variables: "{nonce}", "{name}".
    pub(super) http: RequestSettings,
    /// Variables for the steps that follow, by name, and where in the answer their values are.
    #[serde(default)]
    pub(super) capture: BTreeMap<String, At<CaptureSettings>>,
    /// Repeats the step until something holds, too.
    pub(super) until: Option<At<UntilSettings>>,
    /// With this step a person, or a form to people, is reached. The steps up to it are counted, without the first, with
    /// which a customer arrives, and without those that wait.
    #[serde(default)]
    pub(super) reaches_person: bool,
}

impl StepSettings {
    /// A request that is made again and again under one name.
    #[must_use]
    pub fn of(
        name: At<String>,
        http: RequestSettings,
        capture: BTreeMap<String, At<CaptureSettings>>,
    ) -> Self {
        Self { name, http, capture, until: None, reaches_person: false }
    }

    /// Whether it waits for something.
    #[must_use]
    pub fn waits(&self) -> bool {
        self.until.is_some()
    }
}

/// Waiting: the step is repeated until what is expected here holds. What must hold of every answer meanwhile stands
/// in the request's own expectations; an answer that breaks one of those ends the waiting at once.
#[derive(Clone, Debug, Deserialize, JsonSchema)]
#[serde(
    deny_unknown_fields,
    expecting = "a table, such as { within = \"10s\", expect = { status = [200] } }"
)]
pub struct UntilSettings {
    /// What is waited for; an answer that does not meet it is "not yet".
    pub(super) expect: At<ExpectSettings>,
    /// The time between two looks, at least "100ms"; "1s" without.
    pub(super) every: Option<At<Span>>,
    /// How long to wait; the last look is made when this time is up.
    pub(super) within: At<Span>,
    /// A wait longer than this makes the run degraded, with the reason "late".
    pub(super) late_after: Option<At<Span>>,
    /// The reason that is told when the time is up, such as "lost", "no_answer" or "queue_timeout"; without, that of
    /// the expectation that did not hold.
    pub(super) otherwise: Option<Reason>,
}

/// A step, checked.
#[derive(Debug)]
pub struct Step {
    /// Its name.
    pub name: Arc<str>,
    pub(super) request: Request,
    /// What must hold of every answer.
    pub(super) expect: Expectations,
    pub(super) until: Option<Until>,
    /// Whether a person is reached with it.
    pub reaches_person: bool,
    pub(super) captures: Vec<Capture>,
}

impl Step {
    /// Whether a customer waits in it, and does nothing.
    #[must_use]
    pub fn waits(&self) -> bool {
        self.until.is_some()
    }

    /// How long it may wait.
    #[must_use]
    pub fn within(&self) -> Duration {
        self.until.as_ref().map_or(Duration::ZERO, |until| until.within)
    }
}

/// What is waited for.
#[derive(Debug)]
pub struct Until {
    pub(super) expect: Expectations,
    pub(super) every: Duration,
    pub(super) within: Duration,
    pub(super) late_after: Option<Duration>,
    pub(super) otherwise: Option<Reason>,
}

/// A request whose texts have variables.
#[derive(Debug)]
pub struct Request {
    pub(super) draft: Draft<Wording>,
}

/// From where a captured address is seen, and where it may lead.
#[derive(Clone, Copy, Debug)]
pub(super) struct Bearings<'a> {
    /// The page the journey is on.
    pub(super) page: Option<&'a Url>,
    /// The origins that the journey's addresses name.
    pub(super) origins: &'a [Origin],
}

/// A text of a request.
#[derive(Clone, Debug)]
pub enum Wording {
    /// With variables, or without.
    Template(Template),
    /// A secret stands as it is: its braces are its own.
    Secret(Text),
}

impl Wording {
    /// Whether it is a secret, or has one of these variables in it.
    pub(super) fn is_secret(&self, secrets: &BTreeSet<String>) -> bool {
        match self {
            Self::Template(template) => template.variables().any(|name| secrets.contains(name)),
            Self::Secret(text) => text.is_secret(),
        }
    }

    /// With its variables filled in, anywhere but in an address.
    pub(super) fn filled(&self, variables: &Variables) -> Result<Text, Broken> {
        self.fill(variables, Place::Elsewhere).map_err(never_captured)
    }

    fn fill(&self, variables: &Variables, place: Place) -> Result<Text, Unset> {
        match self {
            Self::Template(template) => {
                let secret = template.variables().any(|name| variables.is_secret(name));
                let filled = template.fill(variables, place).map_err(|name| Unset(name.to_owned()))?;
                Ok(Text::filled(filled.into_owned(), secret))
            }
            Self::Secret(text) => Ok(text.clone()),
        }
    }
}

/// A variable that has no value.
struct Unset(String);

impl Request {
    /// Whether every variable has its value.
    pub(super) fn can_be_filled(&self, variables: &Variables) -> bool {
        self.draft.try_map(|text, place| text.fill(variables, place)).is_ok()
    }

    /// The request with its variables filled in. An address that is nothing but a variable may be relative to the
    /// page the journey is on, and must lead to an origin that the journey names.
    pub(super) fn prepare(&self, variables: &Variables, bearings: Bearings<'_>) -> Result<Prepared, Broken> {
        let filled = self.draft.try_map(|text, place| match text {
            Wording::Template(template) if place == Place::Address && template.sole_variable().is_some() => {
                let captured = text.fill(variables, Place::Elsewhere).map_err(never_captured)?;
                let url = bearings.follow(captured.as_str())?;
                Ok(Text::filled(url, captured.is_secret()))
            }
            _ => text.fill(variables, place).map_err(never_captured),
        })?;
        filled.prepare().map_err(|unsendable| {
            Broken::failed(
                Stage::Send,
                Reason::Content,
                format_args!("failed to fill in the request: {unsendable}"),
            )
        })
    }
}

impl Bearings<'_> {
    fn follow(self, captured: &str) -> Result<String, Broken> {
        let url = match self.page {
            Some(page) => page.join(captured),
            None => Url::parse(captured),
        };
        let refuse = |why: &str| {
            Broken::failed(Stage::Send, Reason::RedirectBlocked, format_args!("a captured address {why}"))
        };
        let url = url.map_err(|_| refuse("is none"))?;
        if !self.origins.contains(&url.origin()) {
            return Err(refuse("leads to a host that no step of the journey names"));
        }
        Ok(url.into())
    }
}

fn never_captured(Unset(name): Unset) -> Broken {
    // The steps are checked for this while the configuration is loaded.
    Broken::internal(format_args!("the variable {name} has no value"))
}
