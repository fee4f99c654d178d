//! The history as it is run through once more: every outcome from a moment on, and the incidents that came of them.

use std::{collections::HashMap, sync::Arc, time::Duration};

use jiff::Timestamp;
use rusqlite::{OptionalExtension, Row, params};

use super::{
    StoreError,
    explain::{Archive, place},
    maintenance,
    state::{from_json, moment, unreadable},
};
use crate::domain::{
    channel::{ChannelId, ProbeKey, ProbeName},
    incident::Incident,
    maintenance::Stint,
    outcome::{Detail, Failure, Inconclusive, InconclusiveReason, Outcome, Reason, Stage, Verdict},
};

/// What came of the history.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Past {
    /// The incidents that were open when it begins.
    pub standing: Vec<Incident>,
    /// Those that opened since, in the order of opening.
    pub opened: Vec<Incident>,
}

impl Archive {
    /// When the oldest run in the history began, and the newest; none where it is empty.
    ///
    /// # Errors
    /// When the store cannot be read.
    pub fn span(&self) -> Result<Option<(Timestamp, Timestamp)>, StoreError> {
        self.read("read the history", |connection| {
            let end = |order: &str| {
                let query = format!("SELECT started_at FROM outcome ORDER BY id {order} LIMIT 1");
                connection.query_row(&query, [], |row| row.get::<_, i64>(0)).optional()
            };
            let (Some(oldest), Some(newest)) = (end("ASC")?, end("DESC")?) else { return Ok(None) };
            Ok(Some((moment(oldest)?, moment(newest)?)))
        })
    }

    /// The incidents that were open at a moment, and those that opened since.
    ///
    /// # Errors
    /// When the store cannot be read.
    pub fn past(&self, since: Timestamp) -> Result<Past, StoreError> {
        self.read("read the incidents", |connection| {
            let mut rows = connection.prepare(
                "SELECT record FROM incident WHERE resolved_at IS NULL OR resolved_at >= ?1
                 ORDER BY confirmed_at, incident",
            )?;
            let incidents: Vec<Incident> = rows
                .query_map([since.as_millisecond()], |row| from_json(&row.get::<_, String>(0)?))?
                .collect::<rusqlite::Result<_>>()?;
            let (standing, opened) =
                incidents.into_iter().partition(|incident: &Incident| incident.confirmed_at < since);
            Ok(Past { standing, opened })
        })
    }

    /// The windows of maintenance that were begun by command and stand for no planned one, as far as they are kept.
    ///
    /// # Errors
    /// When the store cannot be read.
    pub fn begun_by_command(&self) -> Result<Vec<Stint>, StoreError> {
        let mut stints = self.read("read the windows of maintenance", maintenance::load)?;
        stints.retain(|stint| stint.covers.is_none());
        Ok(stints)
    }

    /// How many messages were put into the outbox about incidents that opened since a moment, as far as it remembers.
    ///
    /// # Errors
    /// When the store cannot be read.
    pub fn letters_about(&self, since: Timestamp) -> Result<u64, StoreError> {
        self.read("read the outbox", |connection| {
            connection.query_row(
                "SELECT count(*) FROM outbox WHERE incident IN (SELECT incident FROM incident WHERE confirmed_at >= ?)",
                [since.as_millisecond()],
                |row| row.get::<_, i64>(0).map(i64::unsigned_abs),
            )
        })
    }

    /// Hands on every outcome from a moment on, in the order in which the runs were over.
    ///
    /// # Errors
    /// When the store cannot be read, or has an outcome that means nothing to this version.
    pub fn outcomes(&self, since: Timestamp, mut each: impl FnMut(&Outcome)) -> Result<(), StoreError> {
        self.read("read the history", |connection| {
            let mut probes = HashMap::new();
            let mut known = connection.prepare("SELECT id, channel, probe FROM probe")?;
            let mut rows = known.query([])?;
            while let Some(row) = rows.next()? {
                let channel = ChannelId::new(row.get_ref(1)?.as_str()?);
                let probe = ProbeName::new(row.get_ref(2)?.as_str()?);
                probes.insert(row.get(0)?, Arc::new(ProbeKey { channel, probe }));
            }
            let mut outcomes = connection.prepare(
                "SELECT probe, started_at, duration_us, outcome, stage, step, reason, cause, detail, contact
                 FROM outcome WHERE id >= ?1 ORDER BY id",
            )?;
            let mut rows = outcomes.query(params![place(connection, since)?])?;
            while let Some(row) = rows.next()? {
                each(&read_outcome(row, &probes)?);
            }
            Ok(())
        })
    }
}

/// An outcome from its row: probe, started_at, duration_us, outcome, stage, step, reason, cause, detail, contact. Of its
/// phases nothing is read.
pub(super) fn read_outcome(row: &Row<'_>, probes: &HashMap<i64, Arc<ProbeKey>>) -> rusqlite::Result<Outcome> {
    let probe = probes.get(&row.get(0)?).ok_or_else(|| unreadable(0, "a run of an unknown probe"))?;
    let contact: Option<String> = row.get(9)?;
    Ok(Outcome {
        probe: Arc::clone(probe),
        started_at: moment(row.get(1)?)?,
        duration: Duration::from_micros(row.get::<_, i64>(2)?.unsigned_abs()),
        verdict: read_verdict(row)?,
        phases: Vec::new(),
        certificate_expires_at: None,
        contact: contact.as_deref().map(from_json).transpose()?,
        met: Vec::new(),
    })
}

fn read_verdict(row: &Row<'_>) -> rusqlite::Result<Verdict> {
    let detail = || row.get::<_, Option<String>>(8).map(|detail| Detail::new(&detail.unwrap_or_default()));
    let word = |column: usize| row.get_ref(column)?.as_str_or_null().map_err(rusqlite::Error::from);
    let failure = || {
        Ok::<_, rusqlite::Error>(Failure {
            stage: word(4)?.and_then(Stage::from_word).ok_or_else(|| unreadable(4, "an unknown stage"))?,
            step: word(5)?.map(Arc::from),
            reason: word(6)?.and_then(Reason::from_word).ok_or_else(|| unreadable(6, "an unknown reason"))?,
            cause: word(7)?.and_then(Reason::from_word),
            detail: detail()?,
        })
    };
    Ok(match row.get_ref(3)?.as_str()? {
        "ok" => Verdict::Ok,
        "degraded" => Verdict::Degraded(failure()?),
        "failed" => Verdict::Failed(failure()?),
        "inconclusive" => Verdict::Inconclusive(Inconclusive {
            reason: word(6)?
                .and_then(InconclusiveReason::from_word)
                .ok_or_else(|| unreadable(6, "an unknown reason"))?,
            detail: detail()?,
        }),
        _ => return Err(unreadable(3, "an unknown outcome")),
    })
}
