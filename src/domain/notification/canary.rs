//! The canary itself, and what people are told when canaries do not arrive, and when they do again. No channel is
//! concerned, so everybody in every team is told.

use std::{collections::BTreeSet, time::Duration};

use jiff::Timestamp;

use crate::domain::{
    canary::{Flight, Loss, MailWay},
    channel::Location,
    evaluation::State,
    incident::{IncidentEvent, IncidentId, message_id},
    notification::{
        Content, Letterhead, Notification, Recipient, Route,
        facts::{CanaryFacts, Facts},
        letter,
    },
    urgency::Urgency,
};

/// The word in the Message-IDs of what begins a loss.
const LOST: &str = "lost";

/// What is the same in all that is said of the canaries by one way.
#[derive(Clone, Copy, Debug)]
pub struct CanarySubject<'a> {
    /// By which server they go.
    pub by: MailWay,
    /// The server's host.
    pub host: &'a str,
    /// How long a canary may take.
    pub within: Duration,
    /// Whether it is looked for in a mailbox; otherwise it has arrived when the server has taken it.
    pub is_looked_for: bool,
    /// Where the monitor stands.
    pub location: &'a Location,
    /// What is the same in every mail.
    pub letterhead: Letterhead<'a>,
    /// The present moment.
    pub now: Timestamp,
}

/// What has become of the canaries.
#[derive(Clone, Copy, Debug)]
pub enum CanaryNews<'a> {
    /// They do not arrive.
    Lost {
        /// What is known of it.
        loss: &'a Loss,
        /// By what other ways people are told, in words; empty where there is none.
        others: &'a str,
    },
    /// They arrive again.
    Back {
        /// What is over.
        loss: &'a Loss,
        /// How long the one took that arrived.
        travel: Duration,
    },
    /// None is sent any more.
    Withdrawn {
        /// What nobody looks at any more.
        loss: &'a Loss,
    },
}

impl CanaryNews<'_> {
    /// The loss that begins or is over.
    #[must_use]
    pub fn loss(&self) -> &Loss {
        match self {
            Self::Lost { loss, .. } | Self::Back { loss, .. } | Self::Withdrawn { loss } => loss,
        }
    }
}

impl CanarySubject<'_> {
    /// The canary that is under way, as a mail.
    #[must_use]
    pub fn mail(&self, flight: &Flight, to: &str) -> Notification {
        let incident = IncidentId(flight.message_id.split('@').next().unwrap_or_default().to_owned());
        let facts = Facts {
            resolved_at: Some(flight.began_at),
            location: self.location.as_str().to_owned(),
            ..Facts::unknown(incident.clone(), IncidentEvent::Canary, flight.began_at)
        };
        Notification {
            incident,
            event: IncidentEvent::Canary,
            route: Route::Mail,
            recipient: to.to_owned(),
            message_id: flight.message_id.clone(),
            in_reply_to: None,
            created_at: flight.began_at,
            content: Content::write(letter::canary::mail(&Self { now: flight.began_at, ..*self }), facts),
        }
    }

    /// What is told to each of these, each once, by all ways.
    #[must_use]
    pub fn tell(
        &self,
        news: &CanaryNews<'_>,
        recipients: impl IntoIterator<Item = Recipient>,
    ) -> Vec<Notification> {
        let loss = news.loss();
        let (word, state) = match news {
            CanaryNews::Lost { .. } => (LOST, State::Dark),
            CanaryNews::Back { .. } => ("back", State::Up),
            CanaryNews::Withdrawn { .. } => ("withdrawn", State::Unknown),
        };
        let is_over = word != LOST;
        let event = IncidentEvent::Canary;
        let facts = Facts {
            state,
            severity: Some(Urgency::Critical),
            resolved_at: is_over.then_some(self.now),
            location: self.location.as_str().to_owned(),
            link: self.letterhead.public_url.map(str::to_owned),
            canary: Some(CanaryFacts { by: self.by, why: loss.why.clone() }),
            ..Facts::unknown(loss.incident.clone(), event, loss.since)
        };
        let content = Content::write(letter::canary::news(self, news), facts);
        let id = |word: &str, to: &Recipient| message_id(&loss.incident, word, to, self.letterhead.mail_host);
        let notification = |recipient: Recipient| Notification {
            incident: loss.incident.clone(),
            event,
            route: recipient.route,
            message_id: id(word, &recipient),
            in_reply_to: is_over.then(|| id(LOST, &recipient)),
            recipient: recipient.address,
            created_at: self.now,
            content: content.clone(),
        };
        let recipients: BTreeSet<Recipient> = recipients.into_iter().collect();
        recipients.into_iter().map(notification).collect()
    }
}
