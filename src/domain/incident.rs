//! Incidents: from the transition to `dark` (or `degraded`, where configured) until recovery is confirmed, or until the
//! channel is no longer watched.

use std::fmt;

use jiff::Timestamp;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};

use crate::domain::{
    channel::ChannelId,
    evaluation::{Evidence, Outage, State},
    notification::{Recipient, recipient},
};

/// An incident's id: unique for good, safe in a URL, a file name and a Message-ID; sorts by time of opening.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct IncidentId(pub String);

impl fmt::Display for IncidentId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// How bad it is for customers.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum Severity {
    /// Slow, or for some only.
    Degraded,
    /// It does not work.
    Dark,
}

impl Severity {
    /// The word used in metrics, columns and mails.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Degraded => "degraded",
            Self::Dark => "dark",
        }
    }
}

/// One outage of one channel.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Incident {
    /// Its id.
    pub id: IncidentId,
    /// The channel that is out.
    pub channel: ChannelId,
    /// The worst it has been.
    pub severity: Severity,
    /// Start of the first run that failed.
    pub began_at: Timestamp,
    /// When it was confirmed.
    pub confirmed_at: Timestamp,
    /// When recovery was confirmed, or nobody looked for one any more; none while it is open.
    pub resolved_at: Option<Timestamp>,
    /// What it rests on.
    pub evidence: Evidence,
}

impl Incident {
    /// What it is an incident of.
    #[must_use]
    pub fn outage(&self) -> Outage {
        let state = match self.severity {
            Severity::Degraded => State::Degraded,
            Severity::Dark => State::Dark,
        };
        Outage { state, since: self.began_at }
    }
}

/// What happened to an incident, or to the case that it belongs to; each is told to people.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum IncidentEvent {
    /// It was confirmed.
    Opened,
    /// It went from degraded to dark.
    Worsened,
    /// Recovery was confirmed.
    Resolved,
    /// Its channel is no longer watched, so no recovery will ever be seen.
    Withdrawn,
    /// More channels fell for the same cause.
    Spread,
    /// Some of the channels that fell for one cause work again, others do not yet.
    Eased,
    /// It is still dark, and those who know are told again.
    Reminder,
    /// It has been dark for so long that others are told too.
    Escalated,
    /// It has been dark for so long that its whole story is told.
    Summary,
    /// Its channel comes and goes so often that the ups and downs are gathered from here on.
    Flapping,
    /// What a flapping channel did of late.
    Digest,
    /// A flapping channel stays dark this time.
    Sustained,
    /// Its channel does not flap any more.
    Steady,
    /// What was held in the quiet hours of a team.
    Held,
    /// It was none of a channel: the monitor itself saw nothing for a while, and sees again.
    Blind,
    /// It is none of a channel: the monitor's own store was damaged, or takes nothing.
    Store,
    /// It is none of a channel: the monitor's own mails do not arrive, or do so again.
    Canary,
    /// It is none: how a team's channels could be reached over a week or a month.
    Report,
}

impl IncidentEvent {
    /// Every event.
    pub const ALL: [Self; 18] = [
        Self::Opened,
        Self::Worsened,
        Self::Resolved,
        Self::Withdrawn,
        Self::Spread,
        Self::Eased,
        Self::Reminder,
        Self::Escalated,
        Self::Summary,
        Self::Flapping,
        Self::Digest,
        Self::Sustained,
        Self::Steady,
        Self::Held,
        Self::Blind,
        Self::Store,
        Self::Canary,
        Self::Report,
    ];

    /// The word used in metrics, columns and Message-IDs.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Opened => "opened",
            Self::Worsened => "worsened",
            Self::Resolved => "resolved",
            Self::Withdrawn => "withdrawn",
            Self::Spread => "spread",
            Self::Eased => "eased",
            Self::Reminder => "reminder",
            Self::Escalated => "escalated",
            Self::Summary => "summary",
            Self::Flapping => "flapping",
            Self::Digest => "digest",
            Self::Sustained => "sustained",
            Self::Steady => "steady",
            Self::Held => "held",
            Self::Blind => "blind",
            Self::Store => "store",
            Self::Canary => "canary",
            Self::Report => "report",
        }
    }
}

/// By what a mail is known: the same for the same incident, the same word of what happened, and the same recipient.
pub(crate) fn message_id(
    incident: &IncidentId,
    word: &str,
    recipient: &Recipient,
    mail_host: &str,
) -> String {
    let identity = recipient::identity(recipient.route, &recipient.address);
    format!("{incident}.{word}.{}@{mail_host}", fingerprint(&identity, 16))
}

/// The first `digits` hexadecimal digits of a text's SHA-256.
pub(crate) fn fingerprint(text: &str, digits: usize) -> String {
    let digest = Sha256::digest(text);
    let mut hex: String = digest.iter().take(digits.div_ceil(2)).map(|byte| format!("{byte:02x}")).collect();
    hex.truncate(digits);
    hex
}
