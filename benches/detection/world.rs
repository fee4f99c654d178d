//! What happens to a channel and to the way there: runs that are lost, faults of the path, outages.

use super::chance::Chance;

/// Microseconds since the beginning.
pub type Micros = u64;

/// One second.
pub const SECOND: Micros = 1_000_000;
/// One minute.
pub const MINUTE: Micros = 60 * SECOND;
/// One day.
pub const DAY: Micros = 24 * 60 * MINUTE;
/// What "a month" means in every figure.
pub const MONTH: Micros = 30 * DAY;

/// How long a run takes that works, or that is refused.
pub const QUICK: Micros = 300_000;
/// How long a run takes that fails by its deadline.
pub const DEADLINE: Micros = 10 * SECOND;

/// How many runs fail during a spell.
#[derive(Clone, Copy, Debug)]
pub enum Severity {
    /// This share.
    Share(f64),
    /// None at its beginning, all at its end.
    Rising,
}

/// A time in which runs fail.
#[derive(Clone, Copy, Debug)]
pub struct Spell {
    /// When it begins.
    pub from: Micros,
    /// When it is over.
    pub to: Micros,
    /// How many runs fail.
    pub severity: Severity,
    /// Whether the sentinels' looks fail with it: it lies on our side of the network.
    pub shared: bool,
}

impl Spell {
    fn share_at(&self, at: Micros) -> f64 {
        if at < self.from || at >= self.to {
            return 0.0;
        }
        match self.severity {
            Severity::Share(share) => share,
            Severity::Rising => (at - self.from) as f64 / (self.to - self.from) as f64,
        }
    }
}

/// Faults that come by themselves: the time between two is exponential, and so is how long each takes.
///
/// Together with the loss in between this is the model of Gilbert and Elliott.
#[derive(Clone, Copy, Debug)]
pub struct Faults {
    /// How many a day on average.
    pub a_day: f64,
    /// How long on average.
    pub mean: Micros,
    /// The share of runs that fail meanwhile.
    pub severity: f64,
    /// The probability that the sentinels meet it too.
    pub shared: f64,
}

/// What a world is made of.
#[derive(Clone, Copy, Debug)]
pub struct Climate {
    /// The share of runs that fail one by one, each by itself; the sentinels' looks as well.
    pub loss: f64,
    /// The faults of the path.
    pub faults: Option<Faults>,
    /// How long a run takes that fails.
    pub failing: Micros,
}

/// How one run went.
#[derive(Clone, Copy, Debug)]
pub struct Went {
    /// Whether it failed.
    pub failed: bool,
    /// How long it took.
    pub lasted: Micros,
}

/// What a sentinel does.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Answer {
    /// It answers the first packet.
    Prompt,
    /// It answers a repeated one, or not at all: the network may not have worked when it was asked.
    LateOrNone,
}

/// One channel's world.
#[derive(Debug)]
pub struct World {
    climate: Climate,
    chance: Chance,
    /// In the order in which they begin.
    spells: Vec<Spell>,
    /// The first spell that may still matter.
    first: usize,
    /// So many runs go well until one is lost.
    well_yet: u64,
}

impl World {
    /// A world with its faults until `end`, and these outages.
    pub fn new(climate: Climate, outages: &[Spell], end: Micros, mut chance: Chance) -> Self {
        let mut spells = outages.to_vec();
        if let Some(faults) = climate.faults {
            let between = (DAY as f64 / faults.a_day) as Micros - faults.mean;
            let mut at = chance.exponential(between);
            while at < end {
                let to = at + chance.exponential(faults.mean).max(1);
                let shared = chance.happens(faults.shared);
                spells.push(Spell { from: at, to, severity: Severity::Share(faults.severity), shared });
                at = to + chance.exponential(between);
            }
        }
        spells.sort_by_key(|spell| spell.from);
        let well_yet = chance.misses_before(climate.loss);
        Self { climate, chance, spells, first: 0, well_yet }
    }

    /// A run that begins at this moment.
    pub fn run(&mut self, at: Micros) -> Went {
        self.forget_before(at);
        let failed = self.fails(at, |_| true) || self.is_lost();
        Went { failed, lasted: if failed { self.climate.failing } else { QUICK } }
    }

    /// What one sentinel does that is asked in this moment.
    pub fn sentinel(&mut self, at: Micros) -> Answer {
        let cut_off = self.fails(at, |spell| spell.shared);
        match cut_off || self.chance.happens(self.climate.loss) {
            true => Answer::LateOrNone,
            false => Answer::Prompt,
        }
    }

    /// How many runs in a pace of `every`, the next one at `at`, are certain to go well.
    pub fn certain_to_go_well(&mut self, at: Micros, every: Micros) -> u64 {
        self.forget_before(at);
        let coming = self.spells[self.first..].iter().find(|spell| spell.to > at);
        let quiet = coming.map_or(u64::MAX, |spell| spell.from.saturating_sub(at) / every);
        self.well_yet.min(quiet)
    }

    /// Lets so many runs go well.
    pub fn pass(&mut self, runs: u64) {
        self.well_yet -= runs;
    }

    fn fails(&mut self, at: Micros, counts: impl Fn(&Spell) -> bool) -> bool {
        for spell in &self.spells[self.first..] {
            if spell.from > at {
                break;
            }
            if counts(spell) && self.chance.happens(spell.share_at(at)) {
                return true;
            }
        }
        false
    }

    fn is_lost(&mut self) -> bool {
        if self.well_yet > 0 {
            self.well_yet -= 1;
            return false;
        }
        self.well_yet = self.chance.misses_before(self.climate.loss);
        true
    }

    /// A sentinel's look that overlaps a run may have begun a little before it.
    fn forget_before(&mut self, at: Micros) {
        while self.spells.get(self.first).is_some_and(|spell| spell.to + MINUTE < at) {
            self.first += 1;
        }
    }
}
