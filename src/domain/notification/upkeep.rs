//! What people are told about the monitor's own store: that it was damaged and what it goes on from, and that it takes
//! nothing any more. No channel is concerned, so everybody in every team is told.

use std::path::Path;

use jiff::Timestamp;

use crate::domain::{
    channel::Location,
    incident::{IncidentEvent, IncidentId},
    notification::{Content, Letterhead, Notification, Recipient, Route, facts::Facts, letter},
};

/// What has happened to the store.
#[derive(Clone, Copy, Debug)]
pub enum StoreNews<'a> {
    /// It was damaged and has been put right, as far as that was possible.
    Restored(Restoration<'a>),
    /// It takes nothing; the monitor goes on from memory.
    Failing {
        /// Since when.
        since: Timestamp,
        /// Why, in the store's own words.
        why: &'a str,
    },
}

/// How a damaged store was put right.
#[derive(Clone, Copy, Debug)]
pub struct Restoration<'a> {
    /// When it was found.
    pub at: Timestamp,
    /// What was found.
    pub found: &'a str,
    /// It is no damage: a later version has written it.
    pub is_newer: bool,
    /// Where the file lies now that was set aside, if one was.
    pub aside: Option<&'a Path>,
    /// What it goes on from.
    pub from: Origin,
    /// Newer backups that were no good either.
    pub backups_skipped: usize,
    /// So many mails that were waiting were taken over.
    pub taken_over: usize,
    /// Whether all of them could be read.
    pub took_all: bool,
    /// Whether the monitor was running, so that it knew what had been judged.
    pub was_running: bool,
}

/// What a store goes on from.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Origin {
    /// Itself: only its last commits may be missing.
    Itself,
    /// The backup of this moment.
    Backup(Timestamp),
    /// Nothing at all.
    Nothing,
}

/// A mail, or what stands for one, to each of these, each once. It is no alert that could stand in an Alertmanager.
#[must_use]
pub fn mails(
    news: &StoreNews<'_>,
    recipients: impl IntoIterator<Item = Recipient>,
    location: &Location,
    letterhead: &Letterhead<'_>,
    now: Timestamp,
) -> Vec<Notification> {
    let began = match news {
        StoreNews::Restored(restoration) => restoration.at,
        StoreNews::Failing { since, .. } => *since,
    };
    let incident = IncidentId(format!("{}-monitor-store", began.strftime("%Y%m%dT%H%M%SZ")));
    let event = IncidentEvent::Store;
    let facts = Facts {
        resolved_at: Some(now),
        location: location.as_str().to_owned(),
        link: letterhead.public_url.map(str::to_owned),
        ..Facts::unknown(incident.clone(), event, began)
    };
    let content = Content::write(letter::upkeep::lay_out(news, &incident, location, letterhead, now), facts);
    let is_read = |recipient: &Recipient| recipient.route != Route::Alertmanager;
    content.to_each(recipients.into_iter().filter(is_read), letterhead.mail_host, now)
}
