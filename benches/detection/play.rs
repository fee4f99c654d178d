//! One channel under one policy, played through virtual time.

use lamplighter::domain::schedule::Ending;

use super::{
    chance::Chance,
    detector::{Detector, Run, Saw, Tiding, Told},
    pacing::Pacing,
    policy::{EVERY, Policy},
    sentinels::Sentinels,
    world::{Micros, World},
};

/// After so many runs in a row that went well, nothing is left of what was before but what [`Detector::rest`] can
/// reckon; and so many are played before the next that may fail. No quorum looks at more.
const WELL_IN_A_ROW: u64 = 10;

/// One channel that is watched.
pub struct Channel {
    pacing: Pacing,
    detector: Box<dyn Detector>,
    sentinels: Option<Sentinels>,
    well_in_a_row: u64,
    next: Micros,
    alarmed: bool,
    /// How many runs there were.
    pub runs: u64,
}

impl Channel {
    /// A channel whose first run is still to come.
    pub fn new(policy: &Policy, chance: &mut Chance) -> Self {
        let mut pacing = policy.pacing(chance);
        Self {
            next: pacing.take(),
            pacing,
            detector: policy.detector(chance),
            sentinels: policy.gate.then(|| Sentinels::new(chance)),
            well_in_a_row: 0,
            alarmed: false,
            runs: 0,
        }
    }

    /// Plays all runs that begin before `end`, and tells what people were told.
    pub fn play(&mut self, world: &mut World, end: Micros, tidings: &mut Vec<Tiding>) {
        while self.next < end {
            self.leave_out_what_is_certain(world, end);
            if self.next >= end {
                break;
            }
            let began = self.next;
            let went = world.run(began);
            let ended = began + went.lasted;
            self.runs += 1;
            let word = match &self.sentinels {
                Some(sentinels) if went.failed => Some(sentinels.say(world, began, ended)),
                _ => None,
            };
            let saw = match word {
                Some(word) if !word.counts => Saw::Nothing,
                _ if went.failed => Saw::Failed,
                _ => Saw::Ok,
            };
            let counts_at = word.map_or(ended, |word| word.at);
            self.detector.see(Run { began, ended, counts_at, saw }, tidings);
            self.well_in_a_row = if went.failed { 0 } else { self.well_in_a_row + 1 };
            self.alarmed = tidings.last().map_or(self.alarmed, |tiding| tiding.told == Told::Alarm);
            let ending = match saw {
                Saw::Ok => Ending::Passed,
                Saw::Failed => Ending::Failed,
                Saw::Nothing => Ending::Void,
            };
            self.pacing.finished(began, counts_at, ending);
            self.next = self.pacing.take();
        }
        self.detector.elapse(end, tidings);
    }

    /// While all is well, and is certain to stay so for long, what the runs in between would see need not be played.
    fn leave_out_what_is_certain(&mut self, world: &mut World, end: Micros) {
        if self.alarmed || self.well_in_a_row < WELL_IN_A_ROW {
            return;
        }
        let until_end = (end - self.next).div_ceil(EVERY);
        let certain = world.certain_to_go_well(self.next, EVERY).min(until_end);
        let Some(left_out) = certain.checked_sub(WELL_IN_A_ROW).filter(|left_out| *left_out > WELL_IN_A_ROW)
        else {
            return;
        };
        world.pass(left_out);
        let to = self.next + left_out * EVERY;
        self.detector.rest(left_out, to);
        self.runs += left_out;
        // The run that was taken is the first of those left out.
        self.pacing.finished(self.next, self.next, Ending::Passed);
        self.pacing.leap(to - EVERY / 2);
        self.next = self.pacing.take();
        self.well_in_a_row = 0;
    }
}
