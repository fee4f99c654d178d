//! Outcomes, and what channels turned to, on their way to the recorder. While it cannot keep up they wait here, as many as
//! [`BACKLOG_MAX`]; further ones are left out of the history, counted, and said so.

use std::time::Duration;

use jiff::Timestamp;
use tokio::{
    sync::mpsc,
    time::{Instant, timeout},
};
use tracing::warn;

use crate::{
    daemon::recorder::Batch,
    domain::{
        ledger::{Turn, Watch},
        outcome::Outcome,
    },
};

/// A batch this long is written without waiting for more.
const BATCH: usize = 500;
/// So many outcomes wait at most.
const BACKLOG_MAX: usize = 10_000;
/// So many turns wait at most: a store that refuses for hours, while everything comes and goes.
const TURNS_MAX: usize = 100_000;
/// So often it is noted that the monitor is at work: so much of the time before it is killed counts as blind.
const NOTED_EVERY: Duration = Duration::from_secs(15);
/// The time of day goes on as it should while it differs by no more than this from time that passes.
const LEAP: Duration = Duration::from_secs(5);
/// At the end, so long is waited for the recorder.
pub(crate) const LAST_BATCH: Duration = Duration::from_secs(2);

/// What has not yet been handed to the recorder.
pub(crate) struct History {
    waiting: Vec<Outcome>,
    turns: Vec<Turn>,
    left_out: u64,
    turns_left_out: usize,
    /// When the monitor began to watch, as far back as the time of day has gone on as it should.
    began_at: Timestamp,
    /// When that was last looked at, by either clock.
    looked_at: (Instant, Timestamp),
    /// When it is next to be noted that it watches.
    note_at: Instant,
    batches: mpsc::Sender<Batch>,
}

impl History {
    pub(crate) fn new(batches: mpsc::Sender<Batch>, began_at: Timestamp) -> Self {
        Self {
            waiting: Vec::with_capacity(BATCH),
            turns: Vec::new(),
            left_out: 0,
            turns_left_out: 0,
            began_at,
            looked_at: (Instant::now(), began_at),
            note_at: Instant::now(),
            batches,
        }
    }

    /// Takes one more.
    pub(crate) fn push(&mut self, outcome: Outcome) {
        if self.waiting.len() < BACKLOG_MAX {
            self.waiting.push(outcome);
        } else {
            self.left_out += 1;
        }
    }

    /// Takes what channels turned to.
    pub(crate) fn note(&mut self, turns: Vec<Turn>) {
        self.turns.extend(turns);
        let surplus = self.turns.len().saturating_sub(TURNS_MAX);
        self.turns.drain(..surplus);
        self.turns_left_out += surplus;
    }

    /// Hands over a batch if it is long enough.
    pub(crate) fn flush_if_full(&mut self, now: Timestamp) {
        if self.waiting.len() >= BATCH {
            self.hand_some(now);
        }
    }

    /// Hands over what there is, and says what has been left out since the last time.
    pub(crate) fn flush(&mut self, now: Timestamp) {
        self.hand_some(now);
        let (outcomes, turns) =
            (std::mem::take(&mut self.left_out), std::mem::take(&mut self.turns_left_out));
        if outcomes > 0 {
            warn!(outcomes, "the store is too slow for the history; outcomes were left out of it");
        }
        if turns > 0 {
            warn!(turns, "the store is too slow for the history; what channels turned to was left out of it");
        }
    }

    fn hand_some(&mut self, now: Timestamp) {
        self.follow_clock(now);
        let is_note_due = !self.turns.is_empty() || Instant::now() >= self.note_at;
        if (is_note_due || !self.waiting.is_empty())
            && let Ok(place) = self.batches.try_reserve()
        {
            let watch = Watch { from: self.began_at, until: now };
            let note = is_note_due.then(|| (self.turns.drain(..).collect(), watch));
            place.send(Batch { outcomes: self.waiting.drain(..).collect(), note });
            if is_note_due {
                self.note_at = Instant::now() + NOTED_EVERY;
            }
        }
    }

    /// A machine that slept, or was told another time of day, has not watched over what its clock leapt.
    fn follow_clock(&mut self, now: Timestamp) {
        let (instant, wall) = self.looked_at;
        let expected = wall.checked_add(instant.elapsed()).unwrap_or(Timestamp::MAX);
        if now.duration_since(expected).unsigned_abs() > LEAP {
            self.began_at = now;
        }
        self.looked_at = (Instant::now(), now);
    }

    /// Hands over everything, at the end.
    pub(crate) async fn hand_over(mut self, now: Timestamp) {
        self.flush(now);
        let watch = Watch { from: self.began_at, until: now };
        let (outcomes, turns) = (self.waiting.len(), self.turns.len());
        let last = Batch { outcomes: self.waiting.into(), note: Some((self.turns.into(), watch)) };
        let handed_over = matches!(timeout(LAST_BATCH, self.batches.send(last)).await, Ok(Ok(())));
        if outcomes + turns > 0 && !handed_over {
            warn!(
                outcomes,
                turns,
                "the store is too slow for the history; outcomes and turns were left out of it at the end"
            );
        }
    }
}
