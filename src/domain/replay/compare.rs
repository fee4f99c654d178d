//! Incidents by other rules against those that there were: which of them would have come, gone or moved.

use std::collections::BTreeMap;

use jiff::{SignedDuration, Timestamp};

use crate::domain::{channel::ChannelId, incident::Incident};

/// Moments as near as this are the same: the history tells them to the millisecond, and the daemon looks once a second.
pub const SAME_WITHIN: SignedDuration = SignedDuration::from_secs(2);

/// An incident that there was, that there would have been, or both.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Pair {
    /// What there was.
    pub old: Option<Incident>,
    /// What there would have been.
    pub new: Option<Incident>,
}

/// What becomes of an incident.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Fate {
    /// It would have been the same.
    Same,
    /// It would have been another one: opened or over at another moment, or of another severity.
    Moved,
    /// There was none.
    Came,
    /// There would have been none.
    Gone,
}

impl Fate {
    /// Every fate.
    pub const ALL: [Self; 4] = [Self::Same, Self::Moved, Self::Came, Self::Gone];

    /// The word for it.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Same => "same",
            Self::Moved => "moved",
            Self::Came => "came",
            Self::Gone => "gone",
        }
    }
}

impl Pair {
    /// What becomes of it.
    #[must_use]
    pub fn fate(&self) -> Fate {
        match (&self.old, &self.new) {
            (Some(old), Some(new)) if is_same(old, new) => Fate::Same,
            (Some(_), Some(_)) => Fate::Moved,
            (None, _) => Fate::Came,
            (Some(_), None) => Fate::Gone,
        }
    }

    /// The one that there was, or else the other.
    #[must_use]
    pub fn either(&self) -> Option<&Incident> {
        self.old.as_ref().or(self.new.as_ref())
    }
}

/// Pairs what there was with what there would have been, each with at most one: those that are the same first, then those of
/// one channel that overlap. In the order in which they opened.
#[must_use]
pub fn compare(old: Vec<Incident>, new: Vec<Incident>) -> Vec<Pair> {
    let mut channels: BTreeMap<ChannelId, (Vec<Incident>, Vec<Incident>)> = BTreeMap::new();
    for incident in old {
        channels.entry(incident.channel.clone()).or_default().0.push(incident);
    }
    for incident in new {
        channels.entry(incident.channel.clone()).or_default().1.push(incident);
    }
    let mut pairs: Vec<Pair> = channels.into_values().flat_map(|(old, new)| pair(old, new)).collect();
    pairs.sort_by_key(|pair| {
        pair.either().map(|incident| (incident.confirmed_at, incident.channel.clone(), incident.id.clone()))
    });
    pairs
}

fn pair(mut old: Vec<Incident>, mut new: Vec<Incident>) -> Vec<Pair> {
    let by_time = |incident: &Incident| (incident.confirmed_at, incident.id.clone());
    old.sort_by_key(by_time);
    new.sort_by_key(by_time);
    let mut pairs = Vec::with_capacity(old.len() + new.len());
    for fits in [is_same, overlap] {
        new.retain(|fresh| match old.iter().position(|known| fits(known, fresh)) {
            Some(at) => {
                pairs.push(Pair { old: Some(old.remove(at)), new: Some(fresh.clone()) });
                false
            }
            None => true,
        });
    }
    pairs.extend(old.into_iter().map(|old| Pair { old: Some(old), new: None }));
    pairs.extend(new.into_iter().map(|new| Pair { old: None, new: Some(new) }));
    pairs
}

/// Whether both opened and were over at the same moments, and were as bad.
fn is_same(old: &Incident, new: &Incident) -> bool {
    let near = |one: Timestamp, other: Timestamp| one.duration_since(other).abs() <= SAME_WITHIN;
    let ends = match (old.resolved_at, new.resolved_at) {
        (Some(old), Some(new)) => near(old, new),
        (None, None) => true,
        _ => false,
    };
    old.severity == new.severity && near(old.confirmed_at, new.confirmed_at) && ends
}

fn overlap(old: &Incident, new: &Incident) -> bool {
    let before = |one: &Incident, other: &Incident| one.resolved_at.is_some_and(|over| over < other.began_at);
    !before(old, new) && !before(new, old)
}
