//! What is said to whom: one message about an incident to one recipient by one route, rendered once, when it is
//! decided, and kept unchanged in the outbox until it has been delivered. What is added on the way out is kept nowhere: that it
//! is late, and the link by which its incident is acknowledged.
//!
//! Whatever is said is first laid out as a letter, then written as text and as HTML, so that the two parts of a mail
//! never differ in what they say. Its first five lines tell somebody at night, on a phone, all that is needed to act.

pub mod blind;
pub mod canary;
pub mod facts;
pub(crate) mod html;
mod letter;
pub(crate) mod phrases;
pub mod recipient;
pub(crate) mod tell;
mod text;
pub mod upkeep;

use std::{
    collections::{BTreeMap, BTreeSet},
    path::Path,
    time::Duration,
};

use jiff::{Timestamp, tz::TimeZone};
use serde::{Deserialize, Serialize};

use crate::domain::{
    case::{Case, Member},
    channel::{ChannelId, ChannelKind, Location, TeamId},
    escalation::Acknowledgement,
    evaluation::{State, Transition},
    flapping::Flapping,
    incident::{Incident, IncidentEvent, IncidentId, message_id},
    notification::facts::Facts,
    urgency::Urgencies,
};

pub use self::recipient::{Recipient, Route, Way};

/// One message to one recipient.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Notification {
    /// The incident it is about.
    pub incident: IncidentId,
    /// What happened to it.
    pub event: IncidentEvent,
    /// By which way it goes.
    pub route: Route,
    /// To whom: the address of a [`Recipient`].
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
    /// The same for machines.
    pub facts: Facts,
}

impl Content {
    /// The same to each of these, once, about what its facts are about; it answers nothing that was told before.
    #[must_use]
    pub fn to_each(
        self,
        recipients: impl IntoIterator<Item = Recipient>,
        mail_host: &str,
        now: Timestamp,
    ) -> Vec<Notification> {
        let (incident, event) = (&self.facts.incident, self.facts.event);
        let recipients: BTreeSet<Recipient> = recipients.into_iter().collect();
        let told = |recipient: Recipient| Notification {
            incident: incident.clone(),
            event,
            route: recipient.route,
            message_id: message_id(incident, event.as_str(), &recipient, mail_host),
            recipient: recipient.address,
            in_reply_to: None,
            created_at: now,
            content: self.clone(),
        };
        recipients.into_iter().map(told).collect()
    }
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
    /// The team that is told.
    pub team: Option<&'a TeamId>,
    /// The labels that the operator gave it.
    pub labels: &'a BTreeMap<String, String>,
    /// How urgent its outages are.
    pub urgencies: Urgencies,
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
    /// Whether it has been seen to work within two intervals.
    pub is_proven: bool,
    /// Whether it stands on something on which the channel in question stands too, and so may share its fate.
    pub shares_host: bool,
}

impl Neighbour {
    /// Whether customers may be sent there: proven up just now, and on nothing that may have failed.
    #[must_use]
    pub fn is_alternative(&self) -> bool {
        self.state == State::Up && self.is_proven && !self.shares_host
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

/// A channel as it is configured, as far as machines are told.
#[derive(Clone, Copy, Debug)]
pub struct Plate<'a> {
    /// Its title for people.
    pub title: &'a str,
    /// What sort of door it is.
    pub kind: ChannelKind,
    /// The labels that the operator gave it.
    pub labels: &'a BTreeMap<String, String>,
}

/// What has happened to a case of several channels, to be told.
#[derive(Clone, Copy, Debug)]
pub struct GroupNews<'a> {
    /// What happened.
    pub event: IncidentEvent,
    /// The case after it happened.
    pub case: &'a Case,
    /// Title, kind and labels of each of its channels, where those are known.
    pub plates: &'a [Option<Plate<'a>>],
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

/// A case that stays dark, to be told again.
#[derive(Clone, Copy, Debug)]
pub struct LastingNews<'a> {
    /// What is told: a reminder, how things stand for somebody new, or the whole story.
    pub event: IncidentEvent,
    /// The case.
    pub case: &'a Case,
    /// For how long people have known it to be dark.
    pub age: Duration,
    /// After what span the next reminder follows; none if none does.
    pub reminds_in: Option<Duration>,
    /// Title, kind and labels of each of its channels, where those are known.
    pub plates: &'a [Option<Plate<'a>>],
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
    /// The labels that the operator gave it.
    pub labels: &'a BTreeMap<String, String>,
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

/// What was held in the quiet hours of a team, to be told at once.
#[derive(Clone, Copy, Debug)]
pub struct HeldNews<'a> {
    /// By what it is known, as an incident is.
    pub id: &'a IncidentId,
    /// When the first of it came.
    pub since: Timestamp,
    /// The cases.
    pub cases: &'a [HeldCase<'a>],
    /// All other channels than those that stand still.
    pub neighbours: &'a [Neighbour],
    /// Where the probes run.
    pub location: &'a Location,
    /// What is the same in every mail.
    pub letterhead: Letterhead<'a>,
    /// When it was decided.
    pub now: Timestamp,
}

/// A case of which news was held.
#[derive(Clone, Copy, Debug)]
pub struct HeldCase<'a> {
    /// The case.
    pub case: &'a Case,
    /// Title, kind and labels of each of its channels, where those are known.
    pub plates: &'a [Option<Plate<'a>>],
    /// Of the dependency that is the cause: its title, and whether its own probes find it broken.
    pub dependency: Option<(&'a str, Option<bool>)>,
}

impl<'a> HeldNews<'a> {
    /// One case of it, as of a case of several channels.
    fn of_case(&self, held: &HeldCase<'a>) -> GroupNews<'a> {
        GroupNews {
            event: IncidentEvent::Held,
            case: held.case,
            plates: held.plates,
            dependency: held.dependency,
            neighbours: self.neighbours,
            location: self.location,
            letterhead: self.letterhead,
            now: self.now,
        }
    }
}

impl<'a> LastingNews<'a> {
    /// The same news, as of a case of several channels.
    fn as_group(&self) -> GroupNews<'a> {
        GroupNews {
            event: self.event,
            case: self.case,
            plates: self.plates,
            dependency: self.dependency,
            neighbours: self.neighbours,
            location: self.location,
            letterhead: self.letterhead,
            now: self.now,
        }
    }

    /// The title and kind of its first channel, if that is still in the configuration.
    fn door(&self) -> Option<(&'a str, ChannelKind)> {
        let Plate { title, kind, .. } = self.plates.first()?.as_ref()?;
        Some((*title, *kind))
    }
}

/// A channel that is no longer watched, as far as people are told.
#[derive(Clone, Copy, Debug)]
pub struct Absence<'a> {
    /// Since when it has been found missing in the configuration.
    pub since: Timestamp,
    /// How urgent its outages were.
    pub urgencies: Urgencies,
    /// Where its probes ran.
    pub location: &'a Location,
    /// What is the same in every mail.
    pub letterhead: Letterhead<'a>,
}

/// A channel that nothing was known of while the monitor could not see.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Unwatched {
    /// Its id.
    pub channel: ChannelId,
    /// Its title for people.
    pub title: String,
    /// Since when it was unknown.
    pub since: Timestamp,
}

impl Content {
    /// Writes what is to be said.
    #[must_use]
    pub fn compose(subject: &Subject<'_>, news: &News<'_>) -> Self {
        let picture = subject.proof.and_then(|proof| proof.picture).map(<[u8]>::to_vec);
        Self { picture, ..Self::write(letter::Letter::lay_out(subject, news), Facts::of(subject, news)) }
    }

    /// Writes what is to be said of several channels at once.
    #[must_use]
    pub fn compose_group(news: &GroupNews<'_>) -> Self {
        Self::write(letter::group::lay_out(news), Facts::of_group(news))
    }

    /// Writes what is to be said of a case that stays dark.
    #[must_use]
    pub fn compose_lasting(news: &LastingNews<'_>) -> Self {
        let letter = match news.event {
            IncidentEvent::Summary => letter::summary::lay_out(news),
            _ => letter::reminder::lay_out(news),
        };
        Self::write(letter, Facts::of_group(&news.as_group()))
    }

    /// Writes what is to be said of a channel that flaps.
    #[must_use]
    pub fn compose_flapping(news: &FlappingNews<'_>) -> Self {
        Self::write(letter::flapping::lay_out(news), Facts::of_flapping(news))
    }

    /// Writes what is to be said of several channels that flap for one cause.
    #[must_use]
    pub fn compose_flapping_group(news: &GroupNews<'_>, flapping: &Flapping) -> Self {
        let letter = letter::flapping_group::lay_out(news, flapping);
        Self::write(letter, Facts::of_flapping_group(news, flapping))
    }

    /// Writes what was held in quiet hours.
    #[must_use]
    pub fn compose_held(news: &HeldNews<'_>) -> Self {
        Self::write(letter::held::lay_out(news), Facts::of_held(news))
    }

    /// Writes that nobody looks for a recovery any more.
    #[must_use]
    pub fn withdraw(incident: &Incident, absence: &Absence<'_>, now: Timestamp) -> Self {
        Self::write(letter::withdrawal::lay_out(incident, absence, now), Facts::of_absence(incident, absence))
    }

    /// Writes from when to when nothing was watched.
    #[must_use]
    pub fn blind(back: &blind::Return<'_>) -> Self {
        let facts = Facts {
            resolved_at: Some(back.until),
            location: back.location.as_str().to_owned(),
            link: back.letterhead.public_url.map(str::to_owned),
            ..Facts::unknown(back.id(), IncidentEvent::Blind, back.blindness.began_at)
        };
        Self::write(letter::blind::lay_out(back), facts)
    }

    /// What is sent when the mail leaves `late` after it was decided: the same, with a first line that says so, from
    /// [`LATE_FROM`] on.
    #[must_use]
    pub fn sent_late(&self, late: Duration) -> Self {
        let Some(line) = late_notice("mail", late) else { return self.clone() };
        Self {
            subject: self.subject.clone(),
            text: text::with_notice(&self.text, &line),
            html: html::with_notice(&self.html, &line),
            picture: self.picture.clone(),
            facts: self.facts.clone(),
        }
    }

    /// The same, with a line below the lead that says who has taken it in hand.
    #[must_use]
    pub fn acknowledged(&self, acknowledgement: &Acknowledgement, zone: &TimeZone) -> Self {
        let Acknowledgement { by, at } = acknowledgement;
        let by = letter::cut(by.as_str(), BY_MAX);
        let line = format!("Acknowledged by {by} at {}.", tell::fully(*at, zone));
        Self {
            subject: self.subject.clone(),
            text: text::with_note(&self.text, &line),
            html: html::with_note(&self.html, &line),
            picture: self.picture.clone(),
            facts: Facts { acknowledged: Some(acknowledgement.clone()), ..self.facts.clone() },
        }
    }

    /// The same, with a link below the lead by which whoever reads it takes it in hand.
    #[must_use]
    pub fn with_acknowledge(&self, link: &str) -> Self {
        Self {
            subject: self.subject.clone(),
            text: text::with_link(&self.text, ACKNOWLEDGE, link),
            html: html::with_button(&self.html, ACKNOWLEDGE, link),
            picture: self.picture.clone(),
            facts: Facts { acknowledge: Some(link.to_owned()), ..self.facts.clone() },
        }
    }

    fn write(letter: letter::Letter, facts: Facts) -> Self {
        Self {
            text: text::write(&letter),
            html: html::write(&letter),
            subject: letter.subject,
            picture: None,
            facts,
        }
    }
}

/// What is said of a message that leaves late; none of one that is in time.
#[must_use]
pub fn late_notice(what: &str, late: Duration) -> Option<String> {
    let notice = || format!("This {what} is {} late; it says how things stood back then.", tell::span(late));
    (late >= LATE_FROM).then(notice)
}

/// What a link is called by which an incident is taken in hand.
pub const ACKNOWLEDGE: &str = "Acknowledge this incident";

/// By this the HTML part refers to the picture of a mail.
pub const PICTURE_ID: &str = "window@lamplighter";

/// The longest name of somebody who has taken a case in hand, in characters.
const BY_MAX: usize = 80;

/// From this age on a mail says that it is late.
pub const LATE_FROM: Duration = Duration::from_secs(60);
