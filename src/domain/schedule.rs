//! Who is due at a moment, where in its interval each probe has its place, and when to wake next.
//!
//! A probe's turns lie on a grid: its interval, shifted by a hash of its `channel/probe` key, laid over the time of
//! day. So probes are spread evenly, and each keeps its place in the minute across restarts. Times are monotonic,
//! counted from an origin the caller chooses; this module never asks for the time.
//!
//! Invariants: a probe never runs twice at once; a turn that cannot be taken is skipped and counted, never piled up;
//! whatever was skipped or rechecked, the grid stays where it is.

use std::{cmp::Reverse, collections::BinaryHeap, time::Duration};

use sha2::{Digest, Sha256};

use crate::domain::channel::ProbeKey;

/// A turn is still taken if it is late by at most this much, and by at most half an interval; later than that it is
/// [`Skip::Missed`]. So a machine that wakes from a suspend does not run everything at once.
pub const LATE_MAX: Duration = Duration::from_secs(1);

/// A probe with a longer interval than this has an extra first turn within it, so that nobody waits an hour for the
/// first look at a new channel.
pub const FIRST_LOOK_WITHIN: Duration = Duration::from_secs(60);

/// A probe's seat in a [`Schedule`]. A seat that was given up is never mistaken for its successor.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Slot {
    index: u32,
    generation: u32,
}

impl Slot {
    /// A small number, unique among the probes scheduled at present, to index a table with.
    #[must_use]
    pub fn index(self) -> usize {
        self.index as usize
    }
}

/// How often a probe is due.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Pace {
    /// The interval; longer than zero.
    pub every: Duration,
    /// Whether and how a failed run is looked at again before the next turn.
    pub recheck: Option<Recheck>,
}

/// A quicker second look after a failed run.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Recheck {
    /// How long after the end of the failed run.
    pub after: Duration,
    /// At most so many in a row: what a verdict still needs after the first failure. A channel that stays dark is
    /// then looked at in its ordinary pace again.
    pub at_most: u32,
}

/// Why a turn was not taken.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Skip {
    /// The probe's previous run is still going.
    StillRunning,
    /// As many runs are in flight as are allowed.
    RunsMax,
    /// As many runs are in flight against its host as are allowed.
    HostMax,
    /// Nobody looked at the schedule in time: the process was suspended or starved.
    Missed,
}

impl Skip {
    /// Every reason.
    pub const ALL: [Self; 4] = [Self::StillRunning, Self::RunsMax, Self::HostMax, Self::Missed];

    /// The word used as metric label.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::StillRunning => "still_running",
            Self::RunsMax => "runs_max",
            Self::HostMax => "host_max",
            Self::Missed => "missed",
        }
    }
}

/// What is to be done about a turn that has come.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Turn {
    /// Run the probe; it counts as running until [`Schedule::finished`].
    Run {
        /// Whose turn it is.
        slot: Slot,
        /// When it was due; the lag is measured from here.
        due_at: Duration,
    },
    /// Count what was skipped.
    Skipped {
        /// Whose turn it was.
        slot: Slot,
        /// Why.
        reason: Skip,
        /// How many turns.
        turns: u64,
    },
}

/// How a run ended, as far as the schedule cares.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Ending {
    /// The channel worked.
    Passed,
    /// It did not: a recheck may follow.
    Failed,
    /// The run was never started or saw nothing.
    Void,
}

/// All turns of all probes.
#[derive(Debug)]
pub struct Schedule {
    /// Time since the Unix epoch at the caller's monotonic zero, in nanoseconds.
    wall_at_zero: u64,
    seats: Vec<Seat>,
    free: Vec<u32>,
    /// The earliest first. An entry whose seat has been given a later ticket is stale.
    wheel: BinaryHeap<Reverse<Entry>>,
}

/// A time at which a seat is due, unless it has moved since.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
struct Entry {
    at: u64,
    slot: Slot,
    ticket: u64,
}

#[derive(Debug)]
struct Seat {
    generation: u32,
    taken: bool,
    running: bool,
    /// Of its one entry in the wheel that counts.
    ticket: u64,
    hash: u64,
    pace: Pace,
    /// The first turn of the grid, less than one interval after zero.
    anchor: u64,
    every: u64,
    next_at: u64,
    /// Rechecks since the last run that did not fail.
    rechecks: u32,
}

impl Schedule {
    /// An empty schedule. `wall_at_zero` is the time since the Unix epoch at the caller's monotonic zero.
    #[must_use]
    pub fn new(wall_at_zero: Duration) -> Self {
        Self {
            wall_at_zero: nanos(wall_at_zero),
            seats: Vec::new(),
            free: Vec::new(),
            wheel: BinaryHeap::new(),
        }
    }

    /// Gives a probe its place.
    pub fn insert(&mut self, key: &ProbeKey, pace: Pace, now: Duration) -> Slot {
        let now = nanos(now);
        let hash = place_of(key);
        let mut seat = Seat {
            generation: 0,
            taken: true,
            running: false,
            ticket: 0,
            hash,
            pace,
            anchor: 0,
            every: 1,
            next_at: 0,
            rechecks: 0,
        };
        seat.settle(self.wall_at_zero, now);
        let first_look = nanos(FIRST_LOOK_WITHIN);
        if seat.every > first_look {
            seat.next_at = seat.next_at.min(now + 1 + hash % first_look);
        }
        let index = match self.free.pop() {
            Some(index) => {
                seat.generation = self.seats[index as usize].generation + 1;
                self.seats[index as usize] = seat;
                index
            }
            None => {
                self.seats.push(seat);
                u32::try_from(self.seats.len() - 1).expect("far fewer probes than 2^32 fit into memory")
            }
        };
        let slot = Slot { index, generation: self.seats[index as usize].generation };
        self.enter(slot);
        slot
    }

    /// Changes a probe's pace. It keeps its place in the interval; a run that is going still counts as running.
    pub fn change(&mut self, slot: Slot, pace: Pace, now: Duration) {
        let wall_at_zero = self.wall_at_zero;
        let Some(seat) = self.seat(slot) else { return };
        let moved = seat.pace.every != pace.every;
        seat.pace = pace;
        if moved {
            seat.settle(wall_at_zero, nanos(now));
            self.enter(slot);
            self.drop_stale_entries();
        }
    }

    /// Makes a probe due at once; its further turns lie where they lay.
    pub fn hasten(&mut self, slot: Slot, now: Duration) {
        let Some(seat) = self.seat(slot) else { return };
        seat.next_at = seat.next_at.min(nanos(now));
        self.enter(slot);
        self.drop_stale_entries();
    }

    /// Gives a probe a run out of turn, if it is not running; its turns lie where they lay, and one that comes meanwhile is
    /// skipped. Whether it runs until [`Schedule::finished`] from now on.
    pub fn begin_out_of_turn(&mut self, slot: Slot) -> bool {
        self.seat(slot).is_some_and(|seat| !std::mem::replace(&mut seat.running, true))
    }

    /// Takes a probe out. A run that is going may still be reported as finished; nothing comes of it.
    pub fn remove(&mut self, slot: Slot) {
        let Some(seat) = self.seat(slot) else { return };
        seat.taken = false;
        self.free.push(slot.index);
        self.drop_stale_entries();
    }

    /// How many probes have a place.
    #[must_use]
    pub fn len(&self) -> usize {
        self.seats.len() - self.free.len()
    }

    /// Whether no probe has a place.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// The next thing to be done at `now`; call it until it gives none.
    pub fn take_due(&mut self, now: Duration) -> Option<Turn> {
        let now = nanos(now);
        while let Some(&Reverse(entry)) = self.wheel.peek() {
            if entry.at > now {
                return None;
            }
            self.wheel.pop();
            let Some(seat) = self.seat(entry.slot).filter(|seat| seat.ticket == entry.ticket) else {
                continue;
            };
            let turn = seat.take(entry.slot, entry.at, now);
            self.enter(entry.slot);
            return Some(turn);
        }
        None
    }

    /// When [`Schedule::take_due`] will next have something to say; none while nothing is scheduled.
    pub fn next_wake(&mut self) -> Option<Duration> {
        while let Some(&Reverse(entry)) = self.wheel.peek() {
            if self.seat(entry.slot).is_some_and(|seat| seat.ticket == entry.ticket) {
                return Some(Duration::from_nanos(entry.at));
            }
            self.wheel.pop();
        }
        None
    }

    /// A run given out by [`Schedule::take_due`] has ended, or could not be started.
    pub fn finished(&mut self, slot: Slot, now: Duration, ending: Ending) {
        let now = nanos(now);
        let Some(seat) = self.seat(slot) else { return };
        seat.running = false;
        match ending {
            Ending::Passed => seat.rechecks = 0,
            Ending::Void => {}
            Ending::Failed => {
                if let Some(at) = seat.recheck_at(now) {
                    seat.rechecks += 1;
                    seat.next_at = at;
                    self.enter(slot);
                }
            }
        }
    }

    fn seat(&mut self, slot: Slot) -> Option<&mut Seat> {
        self.seats.get_mut(slot.index()).filter(|seat| seat.taken && seat.generation == slot.generation)
    }

    /// Puts a seat's next time into the wheel; what stood there for it before is stale from now on.
    fn enter(&mut self, slot: Slot) {
        if let Some(seat) = self.seat(slot) {
            seat.ticket += 1;
            let entry = Entry { at: seat.next_at, slot, ticket: seat.ticket };
            self.wheel.push(Reverse(entry));
        }
    }

    /// Entries of probes that were removed or have moved go when their time comes; where many reloads come before
    /// that, they go here.
    fn drop_stale_entries(&mut self) {
        if self.wheel.len() > 2 * self.len() + 64 {
            let seats = &self.seats;
            self.wheel.retain(|Reverse(entry)| {
                let seat = &seats[entry.slot.index()];
                seat.taken && seat.generation == entry.slot.generation && seat.ticket == entry.ticket
            });
        }
    }
}

impl Seat {
    /// Lays the grid for the present pace and looks up the next turn after `now`.
    fn settle(&mut self, wall_at_zero: u64, now: u64) {
        self.every = nanos(self.pace.every).max(1);
        let offset = self.hash % self.every;
        let phase_at_zero = wall_at_zero % self.every;
        self.anchor = (offset + self.every - phase_at_zero) % self.every;
        self.next_at = self.turn_after(now);
    }

    fn turn_after(&self, at: u64) -> u64 {
        if at < self.anchor {
            self.anchor
        } else {
            self.anchor + ((at - self.anchor) / self.every + 1) * self.every
        }
    }

    fn turns_between(&self, from: u64, to: u64) -> u64 {
        to.saturating_sub(from).div_ceil(self.every)
    }

    fn take(&mut self, slot: Slot, at: u64, now: u64) -> Turn {
        let next_at = self.turn_after(now);
        if self.running {
            let turns = self.turns_between(at, next_at);
            self.next_at = next_at;
            return Turn::Skipped { slot, reason: Skip::StillRunning, turns };
        }
        let late_max = nanos(LATE_MAX).min(self.every / 2);
        if now - at <= late_max {
            self.next_at = next_at;
            self.running = true;
            return Turn::Run { slot, due_at: Duration::from_nanos(at) };
        }
        let latest = next_at.saturating_sub(self.every);
        self.next_at = if latest > at && now - latest <= late_max { latest } else { next_at };
        Turn::Skipped { slot, reason: Skip::Missed, turns: self.turns_between(at, self.next_at) }
    }

    /// When to look again after a failed run that ended at `now`: not if the next turn is as near.
    fn recheck_at(&self, now: u64) -> Option<u64> {
        let recheck = self.pace.recheck?;
        let at = now + nanos(recheck.after);
        (self.rechecks < recheck.at_most && at < self.next_at).then_some(at)
    }
}

/// A number that is the same for the same key on every machine and in every version: the first eight bytes of the
/// SHA-256 of `channel/probe`.
fn place_of(key: &ProbeKey) -> u64 {
    let mut hasher = Sha256::new();
    hasher.update(key.channel.as_str());
    hasher.update("/");
    hasher.update(key.probe.as_str());
    let digest = hasher.finalize();
    let mut first = [0; 8];
    first.copy_from_slice(&digest[..8]);
    u64::from_be_bytes(first)
}

/// Nanoseconds in 64 bits: 584 years, more than any process or epoch needs.
fn nanos(span: Duration) -> u64 {
    u64::try_from(span.as_nanos()).unwrap_or(u64::MAX / 4)
}

#[cfg(test)]
mod tests;
