//! What a policy is worth in a world: false alarms, missed outages, times to the alarm and to the all-clear.

use super::{
    chance::Chance,
    detector::{Tiding, Told},
    play::Channel,
    policy::Policy,
    statistics::{Estimate, quantile},
    world::{Climate, MINUTE, MONTH, Micros, SECOND, Severity, Spell, World},
};

/// How much is played.
#[derive(Clone, Copy, Debug)]
pub struct Effort {
    /// How many seeds.
    pub seeds: u64,
    /// How many channel-months of each seed.
    pub months: u64,
    /// How many outages of each seed.
    pub outages: u64,
}

/// How a channel breaks.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Trouble {
    /// Every run fails, for 20 minutes.
    Total,
    /// Every other run fails, for 20 minutes.
    Half,
    /// More and more runs fail over an hour; then all of them, for ten minutes.
    Rising,
}

impl Trouble {
    fn spells(self, from: Micros) -> Vec<Spell> {
        let spell =
            |from, minutes, severity| Spell { from, to: from + minutes * MINUTE, severity, shared: false };
        match self {
            Self::Total => vec![spell(from, 20, Severity::Share(1.0))],
            Self::Half => vec![spell(from, 20, Severity::Share(0.5))],
            Self::Rising => {
                vec![spell(from, 60, Severity::Rising), spell(from + 60 * MINUTE, 10, Severity::Share(1.0))]
            }
        }
    }
}

/// False alarms where nothing is broken.
#[derive(Debug)]
pub struct Quiet {
    /// False alarms per channel-month, one figure of each seed.
    pub alarms: Vec<f64>,
    /// All of them.
    pub alarms_total: u64,
    /// All channel-months.
    pub months_total: f64,
    /// Runs per hour.
    pub runs_per_hour: f64,
}

/// Plays months in which every alarm is a false one.
pub fn quiet(policy: &Policy, climate: Climate, effort: Effort) -> Quiet {
    let (mut alarms, mut alarms_total, mut runs) = (Vec::new(), 0, 0);
    for seed in 0..effort.seeds {
        let before = alarms_total;
        for month in 0..effort.months {
            let mut chance = Chance::new(seed, month);
            let mut channel = Channel::new(policy, &mut chance);
            let mut world = World::new(climate, &[], MONTH, chance);
            let mut tidings = Vec::new();
            channel.play(&mut world, MONTH, &mut tidings);
            alarms_total += tidings.iter().filter(|tiding| tiding.told == Told::Alarm).count() as u64;
            runs += channel.runs;
        }
        alarms.push((alarms_total - before) as f64 / effort.months as f64);
    }
    let months_total = (effort.seeds * effort.months) as f64;
    let hours = months_total * (MONTH / (60 * MINUTE)) as f64;
    Quiet { alarms, alarms_total, months_total, runs_per_hour: runs as f64 / hours }
}

/// What became of outages.
#[derive(Debug, Default)]
pub struct Tally {
    /// How many there were.
    pub outages: u64,
    /// How many ended before there was an alarm.
    pub missed: u64,
    /// Alarms during them.
    pub alarms: u64,
    /// Seconds from the beginning to the first alarm.
    pub found_after: Vec<f64>,
    /// Seconds from the end to the all-clear, of those whose alarm stood at the end.
    pub cleared_after: Vec<f64>,
    /// Alarms at other times.
    pub alarms_outside: u64,
}

impl Tally {
    /// Takes in what people were told about a channel with these outages, each of which has ended before the next.
    pub fn take(&mut self, outages: &[(Micros, Micros)], tidings: &[Tiding]) {
        let alarms_in = |from, to| {
            tidings
                .iter()
                .filter(move |tiding| tiding.told == Told::Alarm && tiding.at >= from && tiding.at <= to)
        };
        let mut inside = 0;
        for (index, &(from, to)) in outages.iter().enumerate() {
            if stands(tidings, from) {
                // Of an outage that begins during an alarm nothing can be said.
                inside += alarms_in(from, to).count() as u64;
                continue;
            }
            self.outages += 1;
            let alarms = alarms_in(from, to).count() as u64;
            inside += alarms;
            self.alarms += alarms;
            let Some(first) = alarms_in(from, to).next() else {
                self.missed += 1;
                continue;
            };
            self.found_after.push(seconds(first.at - from));
            let next = outages.get(index + 1).map_or(Micros::MAX, |next| next.0);
            let clear = tidings.iter().find(|tiding| tiding.at > to && tiding.told == Told::AllClear);
            if stands(tidings, to)
                && let Some(clear) = clear.filter(|clear| clear.at < next)
            {
                self.cleared_after.push(seconds(clear.at - to));
            }
        }
        let all = tidings.iter().filter(|tiding| tiding.told == Told::Alarm).count() as u64;
        self.alarms_outside += all - inside;
    }
}

/// Whether an alarm stands at a moment.
fn stands(tidings: &[Tiding], at: Micros) -> bool {
    let before = tidings.iter().take_while(|tiding| tiding.at <= at).last();
    before.is_some_and(|tiding| tiding.told == Told::Alarm)
}

fn seconds(span: Micros) -> f64 {
    span as f64 / SECOND as f64
}

/// Plays outages one by one, each of a channel that has been well for ten minutes or more.
pub fn outages(policy: &Policy, climate: Climate, trouble: Trouble, effort: Effort) -> Vec<Tally> {
    let of_seed = |seed| {
        let mut tally = Tally::default();
        for number in 0..effort.outages {
            let mut chance = Chance::new(seed, number);
            let mut channel = Channel::new(policy, &mut chance);
            let from = 10 * MINUTE + chance.below(10 * MINUTE);
            let spells = trouble.spells(from);
            let to = spells.last().map_or(from, |spell| spell.to);
            let end = to + 15 * MINUTE;
            let mut world = World::new(climate, &spells, end, chance);
            let mut tidings = Vec::new();
            channel.play(&mut world, end, &mut tidings);
            tally.take(&[(from, to)], &tidings);
        }
        tally
    };
    (0..effort.seeds).map(of_seed).collect()
}

/// The figures of outages over seeds.
#[derive(Debug)]
pub struct Found {
    /// All outages.
    pub outages: u64,
    /// All that were missed.
    pub missed_total: u64,
    /// The share missed, in percent.
    pub missed: Option<Estimate>,
    /// Seconds to the alarm, the median and the 99th percentile.
    pub found_after: [Option<Estimate>; 2],
    /// Seconds to the all-clear, the median and the 99th percentile.
    pub cleared_after: [Option<Estimate>; 2],
    /// Alarms in one outage.
    pub alarms: Option<Estimate>,
    /// Alarms at other times, in all that was played of one seed.
    pub alarms_outside: Option<Estimate>,
}

/// The shares of the two quantiles that are told.
const QUANTILES: [f64; 2] = [0.5, 0.99];

impl Found {
    /// The figures from one tally of each seed.
    pub fn of(mut tallies: Vec<Tally>) -> Self {
        let share = |of: fn(&Tally) -> u64, tally: &Tally| of(tally) as f64 / tally.outages.max(1) as f64;
        let missed: Vec<f64> =
            tallies.iter().map(|tally| 100.0 * share(|tally| tally.missed, tally)).collect();
        let alarms: Vec<f64> = tallies.iter().map(|tally| share(|tally| tally.alarms, tally)).collect();
        let outside: Vec<f64> = tallies.iter().map(|tally| tally.alarms_outside as f64).collect();
        let mut over_seeds = |of: fn(&mut Tally) -> &mut Vec<f64>, share: f64| {
            let each = tallies.iter_mut().filter_map(|tally| quantile(of(tally), share));
            Estimate::of(&each.collect::<Vec<f64>>())
        };
        let found_after = QUANTILES.map(|share| over_seeds(|tally| &mut tally.found_after, share));
        let cleared_after = QUANTILES.map(|share| over_seeds(|tally| &mut tally.cleared_after, share));
        Self {
            outages: tallies.iter().map(|tally| tally.outages).sum(),
            missed_total: tallies.iter().map(|tally| tally.missed).sum(),
            missed: Estimate::of(&missed),
            found_after,
            cleared_after,
            alarms: Estimate::of(&alarms),
            alarms_outside: Estimate::of(&outside),
        }
    }
}
