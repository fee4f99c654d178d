//! How urgent an outage is to those who are told of it, as its operator says: the words of PagerDuty's Events API, which
//! mails, webhooks and Alertmanagers know as the severity. What customers meet is another thing: that is the
//! [`Severity`] of an incident, dark or degraded.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::domain::incident::Severity;

/// How urgent an outage is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum Urgency {
    /// Good to know.
    Info,
    /// To be looked after when there is time.
    Warning,
    /// To be looked after now.
    Error,
    /// To be looked after now, before anything else.
    Critical,
}

impl Urgency {
    /// The word used in `probes.toml`, labels and requests.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Info => "info",
            Self::Warning => "warning",
            Self::Error => "error",
            Self::Critical => "critical",
        }
    }

    /// Whether it is told at any hour.
    #[must_use]
    pub fn is_high(self) -> bool {
        self >= Self::Error
    }
}

/// How urgent the outages of a channel are.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Urgencies {
    /// When it is dark.
    pub dark: Urgency,
    /// When it is degraded, if anybody is told.
    pub degraded: Urgency,
}

impl Default for Urgencies {
    fn default() -> Self {
        Self { dark: Urgency::Critical, degraded: Urgency::Warning }
    }
}

impl Urgencies {
    /// That of an outage of this severity.
    #[must_use]
    pub fn of(self, severity: Severity) -> Urgency {
        match severity {
            Severity::Dark => self.dark,
            Severity::Degraded => self.degraded,
        }
    }
}
