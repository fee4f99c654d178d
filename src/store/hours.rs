//! The history by the hour: what the runs of a probe add up to, with the spread of their lengths. It is put together from
//! the outcomes, each once, and outlives them.
//!
//! Which outcomes are in it is written in the same transaction. Whoever reads it adds those that are not yet.

use std::{
    cell::Cell,
    collections::{BTreeMap, HashMap},
    time::Duration,
};

use jiff::Timestamp;
use rusqlite::{Connection, OptionalExtension, Row, Transaction, params};

use super::{
    Store, StoreError,
    explain::Archive,
    state::{from_json, unreadable},
};
use crate::domain::{
    channel::{ChannelId, ProbeName},
    evaluation::RunWord,
    hourly::{HOUR, Sample, Spread, Tally},
    outcome::Reason,
};

/// How long hours are kept, and what channels turned to.
pub const KEPT: Duration = Duration::from_secs(2 * 366 * 24 * 60 * 60);

/// So many outcomes are put together in one transaction at most: a quarter of a second, in which a verdict waits.
const PORTION: i64 = 50_000;

/// So many outcomes that are not in their hours yet are held in memory by whoever reads: those of more than an hour of ten
/// thousand probes. Where there are more, since they are still being put together, the latest are left out meanwhile.
const RECENT_MAX: i64 = 2_000_000;

/// Of so many probes the oldest hours leave in one transaction, and of each so many at once at most: of a clock that is
/// years ahead for a while, not all is believed.
const PROBES_CLEARED: i64 = 500;
const HOURS_CLEARED: i64 = 25;

/// Every so many pages that are free, so many are given back to the disk at once at most.
const PAGES_GIVEN_BACK: i64 = 2_000;

/// Samples by probe and hour.
type Gathered = BTreeMap<(i64, i64), Vec<Sample>>;

/// What came of putting a portion of outcomes into their hours.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct RolledUp {
    /// Whether there are more to come.
    pub has_more: bool,
    /// So many outcomes could not be read and count nowhere.
    pub unreadable: usize,
}

/// Outcomes that were read.
#[derive(Default)]
struct Gathering {
    samples: Gathered,
    /// The last of them, also where it was unreadable; none where there was none.
    last: Option<i64>,
    unreadable: usize,
}

impl Store {
    /// Puts outcomes that have not been counted yet into their hours, a portion of them.
    ///
    /// # Errors
    /// When the store cannot be read or written; nothing of the portion has been counted then.
    pub async fn roll_up(&self) -> Result<RolledUp, StoreError> {
        self.transact("put the history together by the hour", |transaction| {
            let Gathering { samples, last, unreadable } = gather(transaction, rolled(transaction)?, PORTION)?;
            let Some(last) = last else { return Ok(RolledUp::default()) };
            for ((probe, hour), samples) in samples {
                let mut tally = match read_hour(transaction, probe, hour) {
                    // One damaged hour is to stop none of those to come.
                    Err(error) if is_unreadable(&error) => Tally::default(),
                    read => read?.unwrap_or_default(),
                };
                samples.iter().for_each(|sample| tally.take(sample));
                write_hour(transaction, probe, hour, &tally)?;
            }
            transaction.prepare_cached("UPDATE rolled SET upto = ?")?.execute([last])?;
            let has_more = transaction
                .prepare_cached("SELECT EXISTS (SELECT 1 FROM outcome WHERE id > ?)")?
                .query_row([last], |row| row.get(0))?;
            Ok(RolledUp { has_more, unreadable })
        })
        .await
    }

    /// Deletes hours that have become too old, of some of the probes behind one; gives the last of these, none where there
    /// are no more.
    ///
    /// # Errors
    /// When the store cannot be written.
    pub async fn clear_hours(&self, now: Timestamp, behind: i64) -> Result<Option<i64>, StoreError> {
        self.transact("clear the history by the hour", move |transaction| {
            let kept = i64::try_from(KEPT.as_secs()).expect("two years are few seconds");
            let older_than = (now.as_second() - kept).div_euclid(HOUR);
            let probes: Vec<i64> = transaction
                .prepare_cached("SELECT id FROM probe WHERE id > ? ORDER BY id LIMIT ?")?
                .query_map([behind, PROBES_CLEARED], |row| row.get(0))?
                .collect::<rusqlite::Result<_>>()?;
            let mut clear = transaction.prepare_cached(
                "DELETE FROM hour WHERE probe = ?1 AND hour < min(?2, (SELECT min(hour) FROM hour WHERE probe = ?1) + ?3)",
            )?;
            for probe in &probes {
                clear.execute([*probe, older_than, HOURS_CLEARED])?;
            }
            Ok(probes.last().copied())
        })
        .await
    }

    /// Gives some of the room that is free in the file back to the disk.
    ///
    /// # Errors
    /// When the store cannot be written.
    pub async fn give_back_room(&self) -> Result<(), StoreError> {
        self.call("give room back to the disk", |handle| {
            let count = |pragma: &str| {
                handle.connection.query_row(&format!("PRAGMA {pragma}"), [], |row| row.get::<_, i64>(0))
            };
            // What is free will be filled again; only much of it is worth a write.
            if count("freelist_count")? * 10 > count("page_count")? {
                let pragma = format!("PRAGMA incremental_vacuum({PAGES_GIVEN_BACK})");
                let mut given_back = handle.connection.prepare(&pragma)?;
                let mut pages = given_back.query([])?;
                while pages.next()?.is_some() {}
            }
            Ok(())
        })
        .await
    }
}

/// Lets a store that lacks outcomes, since it was restored from a backup, count those to come, and note anew what channels
/// are of which it lacks what they turned to.
pub(super) fn settle(connection: &Connection) -> rusqlite::Result<()> {
    connection.execute_batch(
        "UPDATE rolled SET upto = (SELECT coalesce(max(id), 0) FROM outcome)
         WHERE upto > (SELECT coalesce(max(id), 0) FROM outcome);
         DELETE FROM standing WHERE NOT EXISTS (SELECT 1 FROM turn WHERE turn.channel = standing.channel);",
    )
}

/// An hour of a probe.
#[derive(Clone, Debug, PartialEq)]
pub struct ProbeHour {
    /// The probe.
    pub probe: ProbeName,
    /// When the hour began.
    pub at: Timestamp,
    /// What its runs add up to.
    pub tally: Tally,
}

/// The history by the hour, as of one moment, which is held for all that is read of the store meanwhile. What had not been
/// put together by then is held in memory. Hours that cannot be read are left out.
#[derive(Debug)]
pub struct Hours<'a> {
    archive: &'a Archive,
    /// Names of probes and their numbers, by channel.
    probes: HashMap<ChannelId, Vec<(ProbeName, i64)>>,
    recent: Gathered,
    is_whole: bool,
    unreadable: Cell<usize>,
    _moment: Transaction<'a>,
}

impl Archive {
    /// The history by the hour.
    ///
    /// # Errors
    /// When the store cannot be read.
    pub fn hours(&self) -> Result<Hours<'_>, StoreError> {
        let doing = "read the history by the hour";
        let moment = self.hold_moment(doing)?;
        let (probes, recent, is_whole) = self.read(doing, |connection| {
            let mut probes: HashMap<ChannelId, Vec<(ProbeName, i64)>> = HashMap::new();
            let mut known =
                connection.prepare_cached("SELECT channel, probe, id FROM probe ORDER BY probe")?;
            let mut rows = known.query([])?;
            while let Some(row) = rows.next()? {
                let channel = ChannelId::new(row.get_ref(0)?.as_str()?);
                let probe = ProbeName::new(row.get_ref(1)?.as_str()?);
                probes.entry(channel).or_default().push((probe, row.get(2)?));
            }
            let recent = gather(connection, rolled(connection)?, RECENT_MAX)?;
            let is_whole = match recent.last {
                Some(last) => {
                    let newest = "SELECT max(id) <= ? FROM outcome";
                    connection.prepare_cached(newest)?.query_row([last], |row| row.get(0))?
                }
                None => true,
            };
            Ok((probes, recent, is_whole))
        })?;
        let Gathering { samples: recent, unreadable, .. } = recent;
        let unreadable = Cell::new(unreadable);
        Ok(Hours { archive: self, probes, recent, is_whole, unreadable, _moment: moment })
    }
}

impl Hours<'_> {
    /// Whether every run is in it; not while more than can be held are still being put together.
    #[must_use]
    pub fn is_whole(&self) -> bool {
        self.is_whole
    }

    /// How many runs and hours could not be read so far and were left out.
    #[must_use]
    pub fn unreadable(&self) -> usize {
        self.unreadable.get()
    }

    /// The hours of a channel that begin between two moments, by probe and then by time. Hours without a run are left out.
    ///
    /// # Errors
    /// When the store cannot be read.
    pub fn of(
        &self,
        channel: &ChannelId,
        from: Timestamp,
        until: Timestamp,
    ) -> Result<Vec<ProbeHour>, StoreError> {
        let numbers = (from.as_second() + HOUR - 1).div_euclid(HOUR)..until.as_second().div_euclid(HOUR) + 1;
        self.archive.read("read the history by the hour", |connection| {
            let mut found = Vec::new();
            for (name, probe) in self.probes.get(channel).into_iter().flatten() {
                let mut hours: BTreeMap<i64, Tally> = BTreeMap::new();
                let mut stored = connection.prepare_cached(READ_RANGE)?;
                let mut rows = stored.query(params![probe, numbers.start, numbers.end])?;
                while let Some(row) = rows.next()? {
                    match read_tally(row) {
                        Ok(tally) => drop(hours.insert(row.get(0)?, tally)),
                        Err(error) if is_unreadable(&error) => self.unreadable.set(self.unreadable() + 1),
                        Err(error) => return Err(error),
                    }
                }
                for ((_, hour), samples) in self.recent.range((*probe, numbers.start)..(*probe, numbers.end))
                {
                    let tally = hours.entry(*hour).or_default();
                    samples.iter().for_each(|sample| tally.take(sample));
                }
                for (hour, tally) in hours {
                    let at = Timestamp::from_second(hour * HOUR)
                        .map_err(|error| unreadable(0, &error.to_string()))?;
                    if at < until {
                        found.push(ProbeHour { probe: name.clone(), at, tally });
                    }
                }
            }
            Ok(found)
        })
    }
}

const READ: &str =
    "SELECT hour, ok, degraded, failed, inconclusive, timeouts, asked, waits_in_vain, steps, latency, bot, person
     FROM hour WHERE probe = ? AND hour = ?";

const READ_RANGE: &str =
    "SELECT hour, ok, degraded, failed, inconclusive, timeouts, asked, waits_in_vain, steps, latency, bot, person
     FROM hour WHERE probe = ? AND hour >= ? AND hour < ? ORDER BY hour";

/// Up to which outcome the hours hold what was seen.
fn rolled(connection: &Connection) -> rusqlite::Result<i64> {
    connection.prepare_cached("SELECT upto FROM rolled")?.query_row([], |row| row.get(0))
}

/// The outcomes behind one, so many at most.
fn gather(connection: &Connection, behind: i64, most: i64) -> rusqlite::Result<Gathering> {
    let mut outcomes = connection.prepare_cached(
        "SELECT id, probe, started_at, duration_us, outcome, reason, contact FROM outcome WHERE id > ?
         ORDER BY id LIMIT ?",
    )?;
    let mut rows = outcomes.query([behind, most])?;
    let mut gathering = Gathering::default();
    while let Some(row) = rows.next()? {
        gathering.last = Some(row.get(0)?);
        let hour = row.get::<_, i64>(2)?.div_euclid(HOUR * 1_000);
        match read_sample(row) {
            Ok(sample) => gathering.samples.entry((row.get(1)?, hour)).or_default().push(sample),
            Err(error) if is_unreadable(&error) => gathering.unreadable += 1,
            Err(error) => return Err(error),
        }
    }
    Ok(gathering)
}

/// Whether what stands in a row is not what was written: the history has no seals, and one row is not to hide all others.
fn is_unreadable(error: &rusqlite::Error) -> bool {
    use rusqlite::Error::{FromSqlConversionFailure, IntegralValueOutOfRange, InvalidColumnType, Utf8Error};
    matches!(
        error,
        FromSqlConversionFailure(..) | IntegralValueOutOfRange(..) | InvalidColumnType(..) | Utf8Error(..)
    )
}

fn read_sample(row: &Row<'_>) -> rusqlite::Result<Sample> {
    let outcome =
        RunWord::from_word(row.get_ref(4)?.as_str()?).ok_or_else(|| unreadable(4, "an unknown outcome"))?;
    let reason = row.get_ref(5)?.as_str_or_null()?.and_then(Reason::from_word);
    let contact: Option<String> = row.get(6)?;
    Ok(Sample {
        outcome,
        timed_out: reason.is_some_and(Reason::is_timeout),
        duration: Duration::from_micros(row.get::<_, i64>(3)?.unsigned_abs()),
        contact: contact.as_deref().map(from_json).transpose()?.map(Box::new),
    })
}

fn read_hour(connection: &Connection, probe: i64, hour: i64) -> rusqlite::Result<Option<Tally>> {
    connection.prepare_cached(READ)?.query_row([probe, hour], read_tally).optional()
}

fn read_tally(row: &Row<'_>) -> rusqlite::Result<Tally> {
    let count = |column: usize| row.get::<_, i64>(column).map(i64::unsigned_abs);
    let spread = |column: usize| {
        let bytes = row.get_ref(column)?.as_blob_or_null()?;
        bytes.map(Spread::from_bytes).transpose().map_err(|error| unreadable(column, &error))
    };
    Ok(Tally {
        ok: count(1)?,
        degraded: count(2)?,
        failed: count(3)?,
        inconclusive: count(4)?,
        timeouts: count(5)?,
        asked: count(6)?,
        waits_in_vain: count(7)?,
        steps: row.get(8)?,
        latency: spread(9)?.unwrap_or_default(),
        bot: spread(10)?,
        person: spread(11)?,
    })
}

fn write_hour(transaction: &Transaction<'_>, probe: i64, hour: i64, tally: &Tally) -> rusqlite::Result<()> {
    let count = |count: u64| i64::try_from(count).unwrap_or(i64::MAX);
    transaction
        .prepare_cached(
            "INSERT OR REPLACE INTO hour
                 (probe, hour, ok, degraded, failed, inconclusive, timeouts, asked, waits_in_vain, steps, latency, bot, person)
             VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)",
        )?
        .execute(params![
            probe,
            hour,
            count(tally.ok),
            count(tally.degraded),
            count(tally.failed),
            count(tally.inconclusive),
            count(tally.timeouts),
            count(tally.asked),
            count(tally.waits_in_vain),
            tally.steps,
            tally.latency.to_bytes(),
            tally.bot.as_ref().map(Spread::to_bytes),
            tally.person.as_ref().map(Spread::to_bytes),
        ])?;
    Ok(())
}
