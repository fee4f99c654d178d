//! Outcomes, and what channels turned to, on their way to the recorder. While it cannot keep up they wait here, as many as
//! [`BACKLOG_MAX`]; further ones are left out of the history, counted, and said so.

use std::{sync::Arc, time::Duration};

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
/// At the end, so long is waited for the recorder.
pub(crate) const LAST_BATCH: Duration = Duration::from_secs(2);

/// What has not yet been handed to the recorder.
pub(crate) struct History {
    waiting: Vec<Outcome>,
    turns: Vec<Turn>,
    left_out: u64,
    /// When the monitor began to watch.
    began_at: Timestamp,
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
            began_at,
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
        let left_out = std::mem::take(&mut self.left_out);
        if left_out > 0 {
            warn!(outcomes = left_out, "the store is too slow for the history; outcomes were left out of it");
        }
    }

    fn hand_some(&mut self, now: Timestamp) {
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

    /// Hands over everything, at the end.
    pub(crate) async fn hand_over(mut self, now: Timestamp) {
        self.flush(now);
        let watch = Watch { from: self.began_at, until: now };
        let rest: Arc<[Outcome]> = self.waiting.into();
        let outcomes = rest.len();
        let last = Batch { outcomes: rest, note: Some((self.turns.into(), watch)) };
        let handed_over = matches!(timeout(LAST_BATCH, self.batches.send(last)).await, Ok(Ok(())));
        if outcomes > 0 && !handed_over {
            warn!(outcomes, "the store is too slow for the history; outcomes were left out of it at the end");
        }
    }
}
