//! Runs that somebody asks for out of turn. They are made as all others are, within the same limits and alone, and what they
//! see counts as much.

use tokio::{sync::oneshot, time::Instant};

use super::Wheel;
use crate::domain::{channel::ProbeKey, command::NotRun, outcome::Outcome, schedule::Ending};

/// Where what the run saw is awaited.
pub(crate) type Answer = oneshot::Sender<Result<Outcome, NotRun>>;

/// A probe is to run now.
#[derive(Debug)]
pub(crate) struct Errand {
    /// Which.
    pub(crate) probe: ProbeKey,
    /// Where what it saw is awaited. Dropped without an answer, the run was told to stop.
    pub(crate) answer: Answer,
}

impl Wheel {
    /// Runs a probe out of turn, or says why not.
    pub(super) fn run_errand(&mut self, errand: Errand) {
        let Errand { probe, answer } = errand;
        let refuse = |answer: Answer, why| drop(answer.send(Err(why)));
        let Some(slot) = self.slots.get(&probe).copied() else { return refuse(answer, NotRun::Unknown) };
        if !self.schedule.begin_out_of_turn(slot) {
            return refuse(answer, NotRun::Running);
        }
        let now = Instant::now();
        match self.room(slot) {
            Ok(()) => self.start(slot, now, Some(answer)),
            Err(_) => {
                self.schedule.finished(slot, now - self.origin, Ending::Void);
                refuse(answer, NotRun::NoRoom);
            }
        }
    }
}
