//! What people are told when sight is back: one mail to each, that says from when to when nothing was watched.

use std::time::Duration;

use jiff::Timestamp;

use crate::domain::{
    channel::Location,
    incident::{IncidentEvent, IncidentId, message_id},
    network::Blindness,
    notification::{Content, Letterhead, Notification, Recipient, Route, Unwatched},
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

    /// A mail, or what stands for one, to each of these. It is no alert that could stand in an Alertmanager.
    #[must_use]
    pub fn mails(&self, recipients: impl IntoIterator<Item = Recipient>) -> Vec<Notification> {
        let (id, event) = (self.id(), IncidentEvent::Blind);
        let content = Content::blind(self);
        let mail = |recipient: Recipient| Notification {
            incident: id.clone(),
            event,
            route: recipient.route,
            message_id: message_id(&id, event.as_str(), &recipient, self.letterhead.mail_host),
            recipient: recipient.address,
            in_reply_to: None,
            created_at: self.until,
            content: content.clone(),
        };
        let is_read = |recipient: &Recipient| recipient.route != Route::Alertmanager;
        recipients.into_iter().filter(is_read).map(mail).collect()
    }
}
