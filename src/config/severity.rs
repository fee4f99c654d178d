//! How urgent the outages of a channel are, as the operator writes it.

use schemars::JsonSchema;
use serde::Deserialize;

use crate::domain::urgency::{Urgencies, Urgency};

/// `severity`: how urgent the outages of a channel are.
#[derive(Clone, Debug, Default, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, expecting = "a table, such as { dark = \"critical\", degraded = \"warning\" }")]
pub struct SeveritySettings {
    /// When it is dark: "critical", "error", "warning" or "info". Default "critical".
    pub dark: Option<Urgency>,
    /// When it is degraded, if people are told. Default "warning".
    pub degraded: Option<Urgency>,
}

impl SeveritySettings {
    /// What it says, and for the rest what holds otherwise.
    #[must_use]
    pub fn read(settings: Option<&Self>, otherwise: Urgencies) -> Urgencies {
        let Some(Self { dark, degraded }) = settings else { return otherwise };
        Urgencies { dark: dark.unwrap_or(otherwise.dark), degraded: degraded.unwrap_or(otherwise.degraded) }
    }
}
