//! Announced maintenance: windows of time in which a channel may be broken without anybody being called. They are
//! planned in the configuration, once or again and again, or begun by a command; a command also begins a planned one
//! early, extends it, or ends it early.
//!
//! What a command makes of a window is a [`Stint`]. It is all there is of a window that was not planned; of a planned one
//! it stands in place of every time that began, or was to begin, no later than [`Stint::covers`].

mod calendar;

use std::{collections::BTreeMap, fmt, sync::Arc, time::Duration};

use croner::Cron;
use jiff::{Timestamp, Zoned, tz::TimeZone};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

pub use self::calendar::{Begin, Calendar, Refusal};
use crate::domain::channel::{ChannelId, TeamId, is_id};

/// The longest a window may last; whoever needs longer takes the channel out of the configuration.
pub const LASTS_MAX: Duration = Duration::from_secs(31 * 24 * 60 * 60);
/// The longest announced text, in characters.
pub const TEXT_CHARS_MAX: usize = 300;

/// The name of a window: what the operator wrote, or what a command was answered.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, JsonSchema)]
#[serde(transparent)]
pub struct WindowId(Arc<str>);

impl WindowId {
    /// Takes a text that [`is_id`] has accepted.
    #[must_use]
    pub fn new(text: &str) -> Self {
        debug_assert!(is_id(text), "not an id: {text:?}");
        Self(Arc::from(text))
    }

    /// The id as written.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for WindowId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// Which channels a window is for: those named, those of the teams, and those that bear all of the labels. Where nothing
/// is said, all of them.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Scope {
    /// By name.
    #[serde(default)]
    pub channels: Vec<ChannelId>,
    /// By team.
    #[serde(default)]
    pub teams: Vec<TeamId>,
    /// By labels; each must be there.
    #[serde(default)]
    pub labels: BTreeMap<String, String>,
}

impl Scope {
    /// Whether a channel is within.
    #[must_use]
    pub fn holds(
        &self,
        channel: &ChannelId,
        team: Option<&TeamId>,
        labels: &BTreeMap<String, String>,
    ) -> bool {
        let is_everything = self.channels.is_empty() && self.teams.is_empty() && self.labels.is_empty();
        let bears = |(name, value): (&String, &String)| labels.get(name) == Some(value);
        is_everything
            || self.channels.contains(channel)
            || team.is_some_and(|team| self.teams.contains(team))
            || (!self.labels.is_empty() && self.labels.iter().all(bears))
    }
}

/// When a planned window takes place.
#[derive(Clone, Debug, PartialEq)]
pub enum When {
    /// One time.
    Once(Occurrence),
    /// Again and again.
    Recurring {
        /// When each time begins.
        cron: Box<Cron>,
        /// How long it lasts.
        lasts: Duration,
        /// Whose clock the times are read from.
        zone: TimeZone,
    },
}

/// From when, until when.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Occurrence {
    /// Its beginning.
    pub from: Timestamp,
    /// Its end, which is no part of it.
    pub until: Timestamp,
}

/// A window that stands in the configuration.
#[derive(Clone, Debug, PartialEq)]
pub struct Planned {
    /// Its id.
    pub id: WindowId,
    /// When.
    pub when: When,
    /// For which channels.
    pub scope: Scope,
    /// What is announced; may be empty.
    pub text: String,
}

impl Planned {
    /// The time that is under way, if it is none of those up to `covered`.
    #[must_use]
    pub fn current(&self, at: Timestamp, covered: Option<Timestamp>) -> Option<Occurrence> {
        let latest = match &self.when {
            When::Once(occurrence) => *occurrence,
            When::Recurring { cron, lasts, zone } => {
                let before = cron.find_previous_occurrence(&second(at, zone), true).ok()?;
                Occurrence::lasting(before.timestamp(), *lasts)
            }
        };
        let is_current = latest.from <= at && at < latest.until;
        (is_current && covered.is_none_or(|covered| latest.from > covered)).then_some(latest)
    }

    /// The next time after `at`, if it is none of those up to `covered`.
    #[must_use]
    pub fn next(&self, at: Timestamp, covered: Option<Timestamp>) -> Option<Occurrence> {
        let after = covered.map_or(at, |covered| covered.max(at));
        match &self.when {
            When::Once(occurrence) => (occurrence.from > after).then_some(*occurrence),
            When::Recurring { cron, lasts, zone } => {
                let next = cron.find_next_occurrence(&second(after, zone), false).ok()?;
                Some(Occurrence::lasting(next.timestamp(), *lasts))
            }
        }
    }
}

/// The second in which a moment lies: cron knows no parts of one.
fn second(at: Timestamp, zone: &TimeZone) -> Zoned {
    let whole = Timestamp::from_second(at.as_second());
    whole.unwrap_or(at).to_zoned(zone.clone())
}

impl Occurrence {
    /// From a moment on, for so long.
    #[must_use]
    pub fn lasting(from: Timestamp, lasts: Duration) -> Self {
        Self { from, until: from.saturating_add(lasts).unwrap_or(Timestamp::MAX) }
    }
}

/// What commands have made of a window. Kept, so that a restart forgets none.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Stint {
    /// Its id; that of the planned window, if it is one.
    pub id: WindowId,
    /// Since when.
    pub from: Timestamp,
    /// Until when.
    pub until: Timestamp,
    /// For which channels.
    pub scope: Scope,
    /// What is announced.
    pub text: String,
    /// Of a planned window: the beginning of the last planned time that this stands for.
    pub covers: Option<Timestamp>,
}

/// Where a window stands at a moment.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum Standing {
    /// It is under way.
    Active,
    /// It is to come.
    Planned,
    /// It has ended.
    Over,
}

impl Announced {
    /// Whether it is under way.
    #[must_use]
    pub fn is_active(&self) -> bool {
        self.standing == Standing::Active
    }
}

impl Stint {
    /// As it is shown at a moment.
    #[must_use]
    pub fn shown(self, at: Timestamp) -> Announced {
        let Self { id, from, until, scope, text, .. } = self;
        let standing = if at < from {
            Standing::Planned
        } else if at < until {
            Standing::Active
        } else {
            Standing::Over
        };
        Announced { id, standing, from, until, scope, text }
    }
}

/// A window as it is shown: under way, or the next time of one that will be.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[schemars(rename = "Maintenance")]
pub struct Announced {
    /// Its id.
    pub id: WindowId,
    /// Whether it is under way.
    pub standing: Standing,
    /// Since or from when.
    pub from: Timestamp,
    /// Until when.
    pub until: Timestamp,
    /// For which channels.
    pub scope: Scope,
    /// What is announced.
    pub text: String,
}

#[cfg(test)]
mod tests;
