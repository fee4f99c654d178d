//! What is said to whom: one message about an incident to one recipient by one route, rendered once, when it is
//! decided, and kept unchanged in the outbox until it has been delivered.

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use crate::domain::incident::{IncidentEvent, IncidentId};

/// By what way a notification travels.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Route {
    /// SMTP.
    Mail,
}

impl Route {
    /// Every route.
    pub const ALL: &'static [Self] = &[Self::Mail];

    /// The word used in metrics and columns.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Mail => "mail",
        }
    }
}

/// One message to one recipient.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Notification {
    /// The incident it is about.
    pub incident: IncidentId,
    /// What happened to it.
    pub event: IncidentEvent,
    /// By which way it goes.
    pub route: Route,
    /// To whom: a mail address for [`Route::Mail`].
    pub recipient: String,
    /// Derived from incident, event and recipient, without angle brackets: a copy is recognisable.
    pub message_id: String,
    /// The Message-ID of the incident's first mail to this recipient; none if this is the first.
    pub in_reply_to: Option<String>,
    /// When it was decided; the Date header, stable across retries.
    pub created_at: Timestamp,
    /// What is said.
    pub content: Content,
}

/// A rendered message.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Content {
    /// One line without control characters.
    pub subject: String,
    /// The plain text part.
    pub text: String,
    /// The HTML part.
    pub html: String,
}
