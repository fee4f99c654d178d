//! What the runs saw, one compact row each. Appended in batches, since no verdict waits for it, and cleared in
//! portions as it is appended, so that it needs no task of its own.

use std::{collections::HashMap, fmt::Write, sync::Arc, time::Duration};

use jiff::Timestamp;
use rusqlite::{Connection, Transaction, TransactionBehavior, params};

use super::{Store, StoreError};
use crate::domain::{
    channel::{ChannelId, ProbeKey, ProbeName},
    outcome::{Detail, Outcome, Phase, Verdict},
};

/// How long outcomes are kept.
const KEPT: Duration = Duration::from_secs(30 * 24 * 60 * 60);

/// How many outcomes are kept at most, whatever their age: about 3 GB.
const ROWS_MAX: i64 = 20_000_000;

/// What is kept in memory so that an append need not look it up.
#[derive(Debug)]
pub(super) struct Memory {
    probes: HashMap<Arc<ProbeKey>, i64>,
    rows_max: i64,
}

impl Memory {
    pub(super) fn read(connection: &Connection) -> rusqlite::Result<Self> {
        let probes = connection
            .prepare("SELECT id, channel, probe FROM probe")?
            .query_map([], |row| {
                let channel = ChannelId::new(row.get_ref(1)?.as_str()?);
                let probe = ProbeName::new(row.get_ref(2)?.as_str()?);
                Ok((Arc::new(ProbeKey { channel, probe }), row.get(0)?))
            })?
            .collect::<rusqlite::Result<_>>()?;
        Ok(Self { probes, rows_max: ROWS_MAX })
    }
}

impl Store {
    /// Appends outcomes to the history, in one transaction, and deletes some that have become too old or too many.
    ///
    /// # Errors
    /// When the store cannot be written; none of the batch has been appended then, and the caller has it still.
    pub async fn append(&self, outcomes: Arc<[Outcome]>) -> Result<(), StoreError> {
        self.call("append to the history", move |handle| {
            let transaction = handle.connection.transaction_with_behavior(TransactionBehavior::Immediate)?;
            let memory = &mut handle.history;
            let newly_known = register(&transaction, memory, &outcomes)?;
            insert(&transaction, memory, &newly_known, &outcomes)?;
            if let Some(newest) = outcomes.iter().map(|outcome| outcome.started_at.as_millisecond()).max() {
                let kept = i64::try_from(KEPT.as_millis()).expect("30 days are few milliseconds");
                clear(&transaction, newest - kept, memory.rows_max, outcomes.len())?;
            }
            transaction.commit()?;
            memory.probes.extend(newly_known);
            Ok(())
        })
        .await
    }
}

impl Store {
    /// How often each probe has asked for people since a moment.
    ///
    /// # Errors
    /// When the store cannot be read.
    pub async fn asked_since(&self, since: Timestamp) -> Result<HashMap<ProbeKey, u32>, StoreError> {
        self.call("count how often people were asked", move |handle| {
            let mut counted = handle.connection.prepare(
                "SELECT probe.channel, probe.probe, count(*) FROM outcome JOIN probe ON probe.id = outcome.probe
                 WHERE outcome.contact IS NOT NULL AND outcome.started_at >= ?
                   AND json_extract(outcome.contact, '$.person_asked')
                 GROUP BY outcome.probe",
            )?;
            let rows = counted.query_map([since.as_millisecond()], |row| {
                let channel = ChannelId::new(row.get_ref(0)?.as_str()?);
                let probe = ProbeName::new(row.get_ref(1)?.as_str()?);
                Ok((ProbeKey { channel, probe }, row.get(2)?))
            })?;
            rows.collect()
        })
        .await
    }
}

/// Gives numbers to probes not seen before. They are kept in memory only once the transaction is through.
fn register(
    transaction: &Transaction<'_>,
    memory: &Memory,
    outcomes: &[Outcome],
) -> rusqlite::Result<HashMap<Arc<ProbeKey>, i64>> {
    let mut newly_known = HashMap::new();
    for outcome in outcomes {
        if memory.probes.contains_key(&outcome.probe) || newly_known.contains_key(&outcome.probe) {
            continue;
        }
        transaction
            .prepare_cached("INSERT INTO probe (channel, probe) VALUES (?, ?)")?
            .execute(params![outcome.probe.channel.as_str(), outcome.probe.probe.as_str()])?;
        newly_known.insert(Arc::clone(&outcome.probe), transaction.last_insert_rowid());
    }
    Ok(newly_known)
}

fn insert(
    transaction: &Transaction<'_>,
    memory: &Memory,
    newly_known: &HashMap<Arc<ProbeKey>, i64>,
    outcomes: &[Outcome],
) -> rusqlite::Result<()> {
    let mut statement = transaction.prepare_cached(
        "INSERT INTO outcome (probe, started_at, duration_us, outcome, stage, step, reason, cause, detail, phases, contact)
         VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)",
    )?;
    let mut phases = String::new();
    for outcome in outcomes {
        let probe = memory.probes.get(&outcome.probe).or_else(|| newly_known.get(&outcome.probe));
        let failure = outcome.verdict.failure();
        let (reason, detail) = match &outcome.verdict {
            Verdict::Ok => (None, None),
            Verdict::Degraded(failure) | Verdict::Failed(failure) => {
                (Some(failure.reason.as_str()), Some(&failure.detail))
            }
            Verdict::Inconclusive(inconclusive) => {
                (Some(inconclusive.reason.as_str()), Some(&inconclusive.detail))
            }
        };
        write_phases(&mut phases, &outcome.phases);
        let contact = outcome.contact.as_ref().map(serde_json::to_string);
        statement.execute(params![
            probe,
            outcome.started_at.as_millisecond(),
            micros(outcome.duration),
            outcome.verdict.as_str(),
            failure.map(|failure| failure.stage.as_str()),
            failure.and_then(|failure| failure.step.as_deref()),
            reason,
            failure.and_then(|failure| failure.cause).map(|cause| cause.as_str()),
            detail.map(Detail::as_str),
            phases,
            contact.transpose().map_err(|error| rusqlite::Error::ToSqlConversionFailure(error.into()))?,
        ])?;
    }
    Ok(())
}

/// `[["connect",offset_us,duration_us],...]`, with hop and step behind where they say something. Written by hand: it is
/// done for every run, and the words need no escaping but the step's.
fn write_phases(text: &mut String, phases: &[Phase]) {
    text.clear();
    text.push('[');
    for (index, phase) in phases.iter().enumerate() {
        let comma = if index == 0 { "" } else { "," };
        let written = write!(
            text,
            "{comma}[\"{}\",{},{}",
            phase.kind.as_str(),
            phase.offset.as_micros(),
            phase.duration.as_micros()
        );
        written.expect("writing to a string cannot fail");
        if phase.hop > 0 || phase.step.is_some() {
            let step = serde_json::to_string(&phase.step).expect("a text is always JSON");
            write!(text, ",{},{step}", phase.hop).expect("writing to a string cannot fail");
        }
        text.push(']');
    }
    text.push(']');
}

/// Deletes from the oldest end, at most a little more than was appended: a long backlog costs no long transaction.
fn clear(
    transaction: &Transaction<'_>,
    older_than: i64,
    rows_max: i64,
    appended: usize,
) -> rusqlite::Result<()> {
    let portion = i64::try_from(appended).unwrap_or(i64::MAX).saturating_mul(2).saturating_add(16);
    let newest: i64 = transaction
        .prepare_cached("SELECT coalesce(max(id), 0) FROM outcome")?
        .query_row([], |row| row.get(0))?;
    // Rows leave in the order of their ids, so the first one that stays ends the portion.
    let first_kept: Option<i64> = transaction
        .prepare_cached(
            "SELECT min(id) FROM (SELECT id, started_at FROM outcome ORDER BY id LIMIT ?1)
             WHERE started_at >= ?2 AND id > ?3",
        )?
        .query_row(params![portion, older_than, newest - rows_max], |row| row.get(0))?;
    let last: Option<i64> = transaction
        .prepare_cached("SELECT max(id) FROM (SELECT id FROM outcome ORDER BY id LIMIT ?)")?
        .query_row([portion], |row| row.get(0))?;
    let Some(end) = first_kept.or(last.map(|last| last + 1)) else { return Ok(()) };
    transaction.prepare_cached("DELETE FROM outcome WHERE id < ?")?.execute([end])?;
    Ok(())
}

fn micros(span: Duration) -> i64 {
    i64::try_from(span.as_micros()).unwrap_or(i64::MAX)
}
