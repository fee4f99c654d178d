//! What is said to whom: one message about an incident to one recipient by one route, rendered once, when it is
//! decided, and kept unchanged in the outbox until it has been delivered.
//!
//! Whatever is said is first laid out as a letter, then written as text and as HTML, so that the two parts of a mail
//! never differ in what they say. Its first five lines tell somebody at night, on a phone, all that is needed to act.

pub(crate) mod html;
mod letter;
mod phrases;
mod tell;
mod text;

use std::{path::Path, time::Duration};

use jiff::{Timestamp, tz::TimeZone};
use serde::{Deserialize, Serialize};

use crate::domain::{
    case::{Case, Member},
    channel::{ChannelId, ChannelKind, Location},
    evaluation::{State, Transition},
    flapping::Flapping,
    incident::{Incident, IncidentEvent, IncidentId},
};

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

/// Somebody who is told, by one way.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Recipient {
    /// By which way.
    pub route: Route,
    /// Where to: a mail address for [`Route::Mail`].
    pub address: String,
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
    /// What the window showed, as a JPEG, to which the HTML part refers as [`PICTURE_ID`].
    pub picture: Option<Vec<u8>>,
}

/// What is known of a channel besides its evidence, as far as people are told.
#[derive(Clone, Copy, Debug)]
pub struct Subject<'a> {
    /// Its id.
    pub channel: &'a ChannelId,
    /// Its title for people.
    pub title: &'a str,
    /// What sort of door it is.
    pub kind: ChannelKind,
    /// Where its probes run.
    pub location: &'a Location,
    /// All other channels.
    pub neighbours: &'a [Neighbour],
    /// What is the same in every mail.
    pub letterhead: Letterhead<'a>,
    /// The evidence that is kept of this change.
    pub proof: Option<Proof<'a>>,
}

/// The evidence that is kept of a change of state.
#[derive(Clone, Copy, Debug)]
pub struct Proof<'a> {
    /// The name of its bundle.
    pub bundle: &'a str,
    /// What the window showed, as a JPEG.
    pub picture: Option<&'a [u8]>,
}

/// Another channel, as far as a customer may be sent there.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Neighbour {
    /// Its id.
    pub channel: ChannelId,
    /// Its title for people.
    pub title: String,
    /// Its judged state, or the one about to be committed where that is worse.
    pub state: State,
    /// Whether it stands on a host on which the channel in question stands too, and so may share its fate.
    pub shares_host: bool,
}

impl Neighbour {
    /// Whether customers may be sent there: proven up, and on other hosts.
    #[must_use]
    pub fn is_alternative(&self) -> bool {
        self.state == State::Up && !self.shares_host
    }
}

/// What is the same in every mail.
#[derive(Clone, Copy, Debug)]
pub struct Letterhead<'a> {
    /// The host of the From address, on which Message-IDs are made.
    pub mail_host: &'a str,
    /// The address under which people reach the page of all channels, for a link.
    pub public_url: Option<&'a str>,
    /// In which time is told.
    pub time_zone: &'a TimeZone,
    /// The configuration by which the monitor works, as a path from anywhere, for commands to type.
    pub config: &'a Path,
}

/// What has happened, to be told.
#[derive(Clone, Copy, Debug)]
pub struct News<'a> {
    /// What happened to the incident.
    pub event: IncidentEvent,
    /// The incident after it happened.
    pub incident: &'a Incident,
    /// The change of state that it was.
    pub transition: &'a Transition,
    /// When it was decided.
    pub now: Timestamp,
}

/// What has happened to a case of several channels, to be told.
#[derive(Clone, Copy, Debug)]
pub struct GroupNews<'a> {
    /// What happened.
    pub event: IncidentEvent,
    /// The case after it happened.
    pub case: &'a Case,
    /// Of the dependency that is the cause: its title, and whether its own probes find it broken.
    pub dependency: Option<(&'a str, Option<bool>)>,
    /// All other channels.
    pub neighbours: &'a [Neighbour],
    /// Where the probes run.
    pub location: &'a Location,
    /// What is the same in every mail.
    pub letterhead: Letterhead<'a>,
    /// When it was decided.
    pub now: Timestamp,
}

/// What has happened to a channel that flaps, to be told.
#[derive(Clone, Copy, Debug)]
pub struct FlappingNews<'a> {
    /// What happened.
    pub event: IncidentEvent,
    /// The case of the channel.
    pub case: &'a Case,
    /// What the case keeps of the flapping.
    pub flapping: &'a Flapping,
    /// The latest fall.
    pub last: &'a Member,
    /// Its title for people.
    pub title: &'a str,
    /// What sort of door it is.
    pub kind: ChannelKind,
    /// Whether it is in the configuration.
    pub is_watched: bool,
    /// All other channels.
    pub neighbours: &'a [Neighbour],
    /// Where the probes run.
    pub location: &'a Location,
    /// What is the same in every mail.
    pub letterhead: Letterhead<'a>,
    /// When it was decided.
    pub now: Timestamp,
}

/// A channel that is no longer watched, as far as people are told.
#[derive(Clone, Copy, Debug)]
pub struct Absence<'a> {
    /// Since when it has been found missing in the configuration.
    pub since: Timestamp,
    /// Where its probes ran.
    pub location: &'a Location,
    /// What is the same in every mail.
    pub letterhead: Letterhead<'a>,
}

impl Content {
    /// Writes what is to be said.
    #[must_use]
    pub fn compose(subject: &Subject<'_>, news: &News<'_>) -> Self {
        let picture = subject.proof.and_then(|proof| proof.picture).map(<[u8]>::to_vec);
        Self { picture, ..Self::write(letter::Letter::lay_out(subject, news)) }
    }

    /// Writes what is to be said of several channels at once.
    #[must_use]
    pub fn compose_group(news: &GroupNews<'_>) -> Self {
        Self::write(letter::group::lay_out(news))
    }

    /// Writes what is to be said of a channel that flaps.
    #[must_use]
    pub fn compose_flapping(news: &FlappingNews<'_>) -> Self {
        Self::write(letter::flapping::lay_out(news))
    }

    /// Writes that nobody looks for a recovery any more.
    #[must_use]
    pub fn withdraw(incident: &Incident, absence: &Absence<'_>, now: Timestamp) -> Self {
        Self::write(letter::withdrawal::lay_out(incident, absence, now))
    }

    /// What is sent when the mail leaves `late` after it was decided: the same, with a first line that says so, from
    /// [`LATE_FROM`] on.
    #[must_use]
    pub fn sent_late(&self, late: Duration) -> Self {
        if late < LATE_FROM {
            return self.clone();
        }
        let line = format!("This mail is {} late; it says how things stood back then.", tell::span(late));
        Self {
            subject: self.subject.clone(),
            text: text::with_notice(&self.text, &line),
            html: html::with_notice(&self.html, &line),
            picture: self.picture.clone(),
        }
    }

    fn write(letter: letter::Letter) -> Self {
        Self {
            text: text::write(&letter),
            html: html::write(&letter),
            subject: letter.subject,
            picture: None,
        }
    }
}

/// By this the HTML part refers to the picture of a mail.
pub const PICTURE_ID: &str = "window@lamplighter";

/// From this age on a mail says that it is late.
pub const LATE_FROM: Duration = Duration::from_secs(60);
