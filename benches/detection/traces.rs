//! The ups and downs of real targets, as somebody else's monitor has recorded them.

use std::{collections::BTreeMap, path::Path};

use super::simulation::{
    chance::Chance,
    measure::Tally,
    play::Channel,
    policy::Policy,
    world::{Climate, MINUTE, MONTH, Micros, SECOND, Severity, Spell, World},
};

/// How long a target is taken to have been well before its record begins.
const BEFORE: Micros = 20 * MINUTE;

/// One target's record.
#[derive(Debug)]
pub struct Trace {
    /// When it was down.
    outages: Vec<(Micros, Micros)>,
    /// When the record ends.
    end: Micros,
}

/// Reads all records of a file with the columns `ts,target,up,...`.
///
/// A target is as its last row says until the next one. What was down when its record begins or ends is left out: nobody
/// knows how long it lasted.
pub fn read(path: &Path) -> Result<Vec<Trace>, String> {
    let text = std::fs::read_to_string(path).map_err(|error| {
        format!(
            "failed to read the traces in {}: {error}. Set LAMPLIGHTER_TRACES to the file \
             flapping-125-targets.csv, or leave this world out by naming others.",
            path.display()
        )
    })?;
    let mut rows: BTreeMap<&str, Vec<(u64, bool)>> = BTreeMap::new();
    for (number, line) in text.lines().enumerate().skip(1) {
        let row = row(line).ok_or_else(|| format!("{}:{}: not a row: {line}", path.display(), number + 1))?;
        rows.entry(row.0).or_default().push((row.1, row.2));
    }
    let last = rows.values().flatten().map(|row| row.0).max();
    let last = last.ok_or_else(|| format!("{} has no rows", path.display()))?;
    Ok(rows.values().map(|rows| trace(rows, last)).collect())
}

fn row(line: &str) -> Option<(&str, u64, bool)> {
    let mut fields = line.split(',');
    let at = fields.next()?.parse().ok()?;
    let target = fields.next()?;
    let up = match fields.next()? {
        "1" => true,
        "0" => false,
        _ => return None,
    };
    Some((target, at, up))
}

fn trace(rows: &[(u64, bool)], last: u64) -> Trace {
    // What was down from the beginning is left out: time begins with the first row that says that it is up.
    let rows: Vec<_> = rows.iter().skip_while(|row| !row.1).collect();
    let zero = rows.first().map_or(last, |row| row.0);
    let at = |time: u64| (time - zero) * SECOND + BEFORE;
    let (mut outages, mut down_since, mut end) = (Vec::new(), None, at(last));
    for &&(time, up) in &rows {
        match (up, down_since) {
            (false, None) => down_since = Some(at(time)),
            (true, Some(since)) => {
                outages.push((since, at(time)));
                down_since = None;
            }
            _ => {}
        }
    }
    if let Some(since) = down_since {
        end = since;
    }
    Trace { outages, end }
}

/// How many outages there are, and how many channel-months.
pub fn size(traces: &[Trace]) -> (usize, f64) {
    let months = traces.iter().map(|trace| trace.end as f64 / MONTH as f64).sum();
    (traces.iter().map(|trace| trace.outages.len()).sum(), months)
}

/// Plays every record once for each seed.
pub fn play(policy: &Policy, climate: Climate, traces: &[Trace], seeds: u64) -> Vec<Tally> {
    let of_seed = |seed| {
        let mut tally = Tally::default();
        for (number, trace) in traces.iter().enumerate() {
            let mut chance = Chance::new(seed, number as u64);
            let mut channel = Channel::new(policy, &mut chance);
            let spell = |&(from, to): &_| Spell { from, to, severity: Severity::Share(1.0), shared: false };
            let spells: Vec<Spell> = trace.outages.iter().map(spell).collect();
            let mut world = World::new(climate, &spells, trace.end, chance);
            let mut tidings = Vec::new();
            channel.play(&mut world, trace.end, &mut tidings);
            tally.take(&trace.outages, &tidings);
        }
        tally
    };
    (0..seeds).map(of_seed).collect()
}
