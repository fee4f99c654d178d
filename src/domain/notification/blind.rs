//! What people are told when sight is back: one mail to each, that says from when to when nothing was watched.

use std::time::Duration;

use jiff::Timestamp;

use crate::domain::{
    channel::Location,
    incident::IncidentId,
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
        let is_read = |recipient: &Recipient| recipient.route != Route::Alertmanager;
        let recipients = recipients.into_iter().filter(is_read);
        Content::blind(self).to_each(recipients, self.letterhead.mail_host, self.until)
    }
}
