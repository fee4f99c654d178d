//! Pages of the history of runs. It has no index but its numbers, which are in the order of time: a window of time is found
//! by halving, and looked through from its end for a bounded number of rows.

use std::{collections::HashMap, sync::Arc, time::Duration};

use jiff::Timestamp;
use rusqlite::{Connection, Row, params};

use super::{
    Store, StoreError,
    explain::{DISORDER, place},
    replay::read_outcome,
    state::unreadable,
};
use crate::domain::{
    channel::{ChannelId, ProbeKey, ProbeName},
    inquiry::{KeptOutcome, OutcomeInquiry, OutcomeNumber, Outcomes},
    outcome::{Phase, PhaseKind},
};

/// So many rows are looked at for one page.
const EXAMINED_MAX: usize = 50_000;

impl Store {
    /// The runs that are asked for, the latest first.
    ///
    /// # Errors
    /// When the store cannot be read, or not in time.
    pub async fn outcomes(&self, inquiry: OutcomeInquiry) -> Result<Outcomes, StoreError> {
        self.ask("read the history", move |archive| {
            archive.read("read the history", |connection| page(connection, &inquiry, EXAMINED_MAX))
        })
        .await
    }
}

fn page(
    connection: &Connection,
    inquiry: &OutcomeInquiry,
    examined_max: usize,
) -> rusqlite::Result<Outcomes> {
    let probes = probes(connection, inquiry)?;
    let nothing = Outcomes { items: Vec::new(), next: None };
    if probes.is_empty() {
        return Ok(nothing);
    }
    let (first, end) = window(connection, inquiry)?;
    let mut rows = connection.prepare(
        "SELECT probe, started_at, duration_us, outcome, stage, step, reason, cause, detail, contact, phases, id
         FROM outcome WHERE id >= ?1 AND id < ?2 ORDER BY id DESC",
    )?;
    let mut rows = rows.query(params![first, end])?;
    let (mut page, mut examined) = (nothing, 0);
    let mut last = end;
    while let Some(row) = rows.next()? {
        if page.items.len() >= inquiry.limit || examined >= examined_max {
            page.next = Some(OutcomeNumber(last));
            break;
        }
        last = row.get(11)?;
        examined += 1;
        if is_meant(row, inquiry, &probes)? {
            let mut outcome = read_outcome(row, &probes)?;
            outcome.phases = read_phases(row.get_ref(10)?.as_str()?)?;
            page.items.push(KeptOutcome { number: OutcomeNumber(last), outcome });
        }
    }
    Ok(page)
}

/// The probes that are meant, by their numbers.
fn probes(
    connection: &Connection,
    inquiry: &OutcomeInquiry,
) -> rusqlite::Result<HashMap<i64, Arc<ProbeKey>>> {
    let mut known = connection.prepare_cached(
        "SELECT id, channel, probe FROM probe WHERE (?1 IS NULL OR channel = ?1) AND (?2 IS NULL OR probe = ?2)",
    )?;
    let channel = inquiry.channel.as_ref().map(ChannelId::as_str);
    let probe = inquiry.probe.as_ref().map(ProbeName::as_str);
    let read = |row: &Row<'_>| {
        let channel = ChannelId::new(row.get_ref(1)?.as_str()?);
        let probe = ProbeName::new(row.get_ref(2)?.as_str()?);
        Ok((row.get(0)?, Arc::new(ProbeKey { channel, probe })))
    };
    known.query_map(params![channel, probe], read)?.collect()
}

/// Between which numbers to look. Runs stand in the order in which they were over, so the window is a little wider than
/// the time that was asked for.
fn window(connection: &Connection, inquiry: &OutcomeInquiry) -> rusqlite::Result<(i64, i64)> {
    let from = inquiry.from.and_then(|from| from.checked_sub(DISORDER).ok());
    let until = inquiry.until.and_then(|until| until.checked_add(DISORDER).ok());
    let at = |at: Option<Timestamp>, otherwise| at.map_or(Ok(otherwise), |at| place(connection, at));
    let end = at(until, i64::MAX)?;
    Ok((at(from, i64::MIN)?, inquiry.before.map_or(end, |OutcomeNumber(before)| end.min(before))))
}

/// Told by the columns as they are: of most rows nothing else is read.
fn is_meant(
    row: &Row<'_>,
    inquiry: &OutcomeInquiry,
    probes: &HashMap<i64, Arc<ProbeKey>>,
) -> rusqlite::Result<bool> {
    let started_at: i64 = row.get(1)?;
    let is_in_time = inquiry.from.is_none_or(|from| started_at >= from.as_millisecond())
        && inquiry.until.is_none_or(|until| started_at < until.as_millisecond());
    if !is_in_time || !probes.contains_key(&row.get(0)?) {
        return Ok(false);
    }
    if let Some(outcome) = inquiry.outcome
        && row.get_ref(3)?.as_str()? != outcome.as_str()
    {
        return Ok(false);
    }
    Ok(match &inquiry.reason {
        Some(reason) => row.get_ref(6)?.as_str_or_null()? == Some(reason.as_str()),
        None => true,
    })
}

/// `[["connect",offset_us,duration_us,hop,step],...]`, of which hop and step may be missing.
fn read_phases(text: &str) -> rusqlite::Result<Vec<Phase>> {
    let all: Vec<Vec<serde_json::Value>> =
        serde_json::from_str(text).map_err(|error| unreadable(10, &error.to_string()))?;
    let read = |parts: Vec<serde_json::Value>| {
        let number = |index: usize| parts.get(index).and_then(serde_json::Value::as_u64);
        let text = |index: usize| parts.get(index).and_then(serde_json::Value::as_str);
        Some(Phase {
            kind: PhaseKind::from_word(text(0)?)?,
            offset: Duration::from_micros(number(1)?),
            duration: Duration::from_micros(number(2)?),
            hop: u8::try_from(number(3).unwrap_or(0)).ok()?,
            step: text(4).map(Arc::from),
        })
    };
    all.into_iter().map(|parts| read(parts).ok_or_else(|| unreadable(10, "an unknown phase"))).collect()
}
