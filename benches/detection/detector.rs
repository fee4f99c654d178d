//! What every detector is: runs go in, alarms and all-clears come out.

use super::world::Micros;

/// What a run saw.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Saw {
    /// It works.
    Ok,
    /// It does not.
    Failed,
    /// Our own network did not work.
    Nothing,
}

/// One run, as a detector hears of it.
#[derive(Clone, Copy, Debug)]
pub struct Run {
    /// When it began.
    pub began: Micros,
    /// When it ended.
    pub ended: Micros,
    /// When it counts: with its end, or once the sentinels have told.
    pub counts_at: Micros,
    /// What it saw.
    pub saw: Saw,
}

/// What people are told.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Told {
    /// That the channel is down.
    Alarm,
    /// That it is up again.
    AllClear,
}

/// What people are told, and when.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Tiding {
    /// When.
    pub at: Micros,
    /// What.
    pub told: Told,
}

impl Tiding {
    /// An alarm or an all-clear of this moment.
    pub fn new(at: Micros, alarmed: bool) -> Self {
        Self { at, told: if alarmed { Told::Alarm } else { Told::AllClear } }
    }
}

/// A rule by which runs become alarms.
pub trait Detector {
    /// Takes in a run.
    fn see(&mut self, run: Run, tidings: &mut Vec<Tiding>);

    /// Does what only time brings about, up to this moment.
    fn elapse(&mut self, _until: Micros, _tidings: &mut Vec<Tiding>) {}

    /// So many runs have gone well since the last one seen, the last of them shortly before `until`. It is only called
    /// after some that went well, when people believe that all is well.
    fn rest(&mut self, _runs: u64, _until: Micros) {}
}
