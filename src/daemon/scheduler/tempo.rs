//! Probes that run more rarely while their channel is outside its hours: when their pace turns. At the opening each is
//! due at once, so that it is known early in the day whether the door opens.

use std::{sync::Arc, time::Duration};

use jiff::{Timestamp, ToSpan};

use crate::domain::{
    hours::Hours,
    schedule::{Pace, Slot},
};

/// Two paces and what decides between them.
#[derive(Clone, Debug)]
pub(super) struct Paces {
    /// Within the hours.
    pub(super) open: Pace,
    /// Outside of them.
    pub(super) closed: Pace,
    /// The hours.
    pub(super) hours: Arc<Hours>,
}

impl Paces {
    /// The pace at a moment.
    pub(super) fn at(&self, at: Timestamp) -> Pace {
        if self.hours.is_open(at) { self.open } else { self.closed }
    }
}

/// A pace that has turned.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Turned {
    /// Whose.
    pub(super) slot: Slot,
    /// What it is now.
    pub(super) pace: Pace,
    /// Whether the channel has opened.
    pub(super) opened: bool,
}

/// All probes with two paces.
#[derive(Debug, Default)]
pub(super) struct Tempo {
    players: Vec<Player>,
    /// Nothing turns before.
    turns_at: Option<Timestamp>,
    looked_at: Option<Timestamp>,
}

#[derive(Debug)]
struct Player {
    slot: Slot,
    paces: Paces,
    is_open: bool,
    turns_at: Timestamp,
}

impl Tempo {
    /// Adds a probe that goes by its pace of this moment.
    pub(super) fn add(&mut self, slot: Slot, paces: Paces, at: Timestamp) {
        let is_open = paces.hours.is_open(at);
        let turns_at = next_look(&paces.hours, at);
        self.turns_at = Some(self.turns_at.map_or(turns_at, |known| known.min(turns_at)));
        self.players.push(Player { slot, paces, is_open, turns_at });
    }

    /// How long after `at` a pace turns, if any does.
    pub(super) fn next_in(&self, at: Timestamp) -> Option<Duration> {
        self.turns_at.map(|turns_at| Duration::try_from(turns_at.duration_since(at)).unwrap_or_default())
    }

    /// The paces that have turned since the last look. Where the time of day has jumped back, all are looked up anew.
    pub(super) fn turned(&mut self, at: Timestamp) -> Vec<Turned> {
        let jumped_back = self.looked_at.is_some_and(|looked_at| at < looked_at);
        self.looked_at = Some(at);
        if self.turns_at.is_none_or(|turns_at| at < turns_at) && !jumped_back {
            return Vec::new();
        }
        let mut turned = Vec::new();
        for player in self.players.iter_mut().filter(|player| at >= player.turns_at || jumped_back) {
            let is_open = player.paces.hours.is_open(at);
            player.turns_at = next_look(&player.paces.hours, at);
            if is_open != player.is_open {
                player.is_open = is_open;
                turned.push(Turned { slot: player.slot, pace: player.paces.at(at), opened: is_open });
            }
        }
        self.turns_at = self.players.iter().map(|player| player.turns_at).min();
        turned
    }
}

/// When hours are to be looked up again.
fn next_look(hours: &Hours, at: Timestamp) -> Timestamp {
    let tomorrow = at.saturating_add(24.hours()).unwrap_or(Timestamp::MAX);
    hours.next_change(at).map_or(tomorrow, |change| change.min(tomorrow))
}

#[cfg(test)]
mod tests {
    use jiff::tz::TimeZone;

    use super::*;
    use crate::domain::{
        channel::{ChannelId, ProbeKey, ProbeName},
        hours::read,
        schedule::Schedule,
    };

    fn pace(secs: u64) -> Pace {
        Pace { every: Duration::from_secs(secs), recheck: None }
    }

    fn at(text: &str) -> Timestamp {
        format!("2026-11-26T{text}Z").parse().unwrap()
    }

    #[test]
    fn the_pace_turns_with_the_hours_also_where_the_time_of_day_jumps() {
        let key = ProbeKey { channel: ChannelId::new("chat"), probe: ProbeName::new("door") };
        let slot = Schedule::new(Duration::ZERO).insert(&key, pace(30), Duration::ZERO);
        let spans = read("daily 08:00-20:00").unwrap().spans;
        let hours = Arc::new(Hours::new(spans, Arc::default(), TimeZone::UTC));
        let paces = Paces { open: pace(30), closed: pace(600), hours };
        let mut tempo = Tempo::default();
        assert_eq!((tempo.next_in(at("07:59:00")), tempo.turned(at("07:59:00"))), (None, Vec::new()));
        tempo.add(slot, paces.clone(), at("07:59:00"));
        assert_eq!(tempo.next_in(at("07:59:00")), Some(Duration::from_secs(60)));
        let opened = vec![Turned { slot, pace: pace(30), opened: true }];
        let closed = vec![Turned { slot, pace: pace(600), opened: false }];
        for (now, turned) in [
            ("07:59:59.999", &Vec::new()),
            ("08:00:00", &opened),
            ("08:00:01", &Vec::new()),
            ("20:00:00", &closed),
            ("12:00:00", &opened), // It jumps back,
            ("12:00:01", &Vec::new()),
            ("07:00:00", &closed), // and further back,
            ("09:30:00", &opened), // and forward.
        ] {
            assert_eq!(tempo.turned(at(now)), *turned, "{now}");
        }
        assert_eq!(tempo.next_in(at("21:00:00")), Some(Duration::ZERO), "what is over is due");
    }
}
