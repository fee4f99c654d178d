//! What people are told when sight is back: one mail to each, that says from when to when nothing was watched.

use std::time::Duration;

use jiff::Timestamp;

use crate::domain::{
    channel::Location,
    incident::{IncidentEvent, IncidentId, message_id},
    network::Blindness,
    notification::{Content, Letterhead, Notification, Route, Unwatched},
};

/// The end of a time without sight.
#[derive(Clone, Copy, Debug)]
pub struct Return<'a> {
    /// What is known of it.
    pub blindness: &'a Blindness,
    /// When it was over.
    pub until: Timestamp,
    /// How long it lasted.
    pub lasted: Duration,
    /// The channels that nothing was known of in it.
    pub unwatched: &'a [Unwatched],
    /// How many channels there are.
    pub channels: usize,
    /// Where the monitor stands.
    pub location: &'a Location,
    /// What is the same in every mail.
    pub letterhead: Letterhead<'a>,
}

impl Return<'_> {
    /// `20261121T100200Z-monitor-blind`.
    #[must_use]
    pub fn id(&self) -> IncidentId {
        IncidentId(format!("{}-monitor-blind", self.blindness.began_at.strftime("%Y%m%dT%H%M%SZ")))
    }

    /// A mail to each of these.
    #[must_use]
    pub fn mails<'r>(&self, recipients: impl IntoIterator<Item = &'r str>) -> Vec<Notification> {
        let (id, event) = (self.id(), IncidentEvent::Blind);
        let content = Content::blind(self);
        let mail = |recipient: &str| Notification {
            incident: id.clone(),
            event,
            route: Route::Mail,
            recipient: recipient.to_owned(),
            message_id: message_id(&id, event.as_str(), recipient, self.letterhead.mail_host),
            in_reply_to: None,
            created_at: self.until,
            content: content.clone(),
        };
        recipients.into_iter().map(mail).collect()
    }
}
