//! The store as somebody reads it who only wants to know what happened, beside the daemon that owns it. Nothing is
//! written here, not even a lock.

use std::{path::Path, time::Duration};

use jiff::Timestamp;
use rusqlite::{Connection, OpenFlags, OptionalExtension, Row, Transaction, params};
use serde::Serialize;

use super::{
    BUSY_TIMEOUT, StoreError, explain, schema,
    state::{from_json, moment, unreadable},
};
use crate::domain::{
    case::Case,
    channel::{ChannelId, ProbeKey, ProbeName},
    evaluation::{RecentRun, RunWord},
    happening::Happening,
    incident::{Incident, IncidentId},
    outcome::{Detail, Reason},
};

/// Runs are appended when they are over and stand in about that order: so far from its place a run is looked for.
pub(super) const DISORDER: Duration = Duration::from_secs(15 * 60);

/// No run is looked for that lies further away than this from what it is to be shown with.
const REACH: Duration = Duration::from_secs(24 * 60 * 60);

/// The store, to be read.
#[derive(Debug)]
pub struct Archive {
    pub(super) connection: Connection,
    pub(super) path: std::path::PathBuf,
}

/// An incident in a list.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Listed {
    /// Its id.
    pub id: IncidentId,
    /// When it was confirmed; of what only the outbox knows, when it was first told.
    pub at: Timestamp,
    /// When it was over.
    pub resolved_at: Option<Timestamp>,
    /// Its channel and how bad it was; none where only the outbox knows of it.
    pub about: Option<(ChannelId, String)>,
    /// The subject of the first mail, where only the outbox knows of it.
    pub subject: Option<String>,
}

/// Everything that the store knows of an incident.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Record {
    /// By what it is known.
    pub id: IncidentId,
    /// The incident; none where only the outbox knows of it.
    pub incident: Option<Incident>,
    /// The case in which it was told.
    pub case: Option<Case>,
    /// What happened to it and to all others of its case, in order.
    pub happenings: Vec<Settled>,
    /// What was told of its case.
    pub letters: Vec<Letter>,
    /// The runs of its channel's probes when it began, and when it ended.
    pub runs: Vec<Around>,
}

/// Something that happened, and whether it has been told.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Settled {
    /// What happened.
    pub happening: Happening,
    /// In which case.
    pub told_in: Option<IncidentId>,
    /// When that was decided.
    pub told_at: Option<Timestamp>,
}

/// One message to one recipient.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Letter {
    /// What it tells of.
    pub event: String,
    /// By which way it goes.
    pub route: String,
    /// To whom.
    pub recipient: String,
    /// Its Message-ID.
    pub message_id: String,
    /// Its subject.
    pub subject: String,
    /// When it was decided.
    pub created_at: Timestamp,
    /// `pending`, `delivered` or `given_up`.
    pub status: String,
    /// When it is tried next, while it is pending.
    pub due_at: Timestamp,
    /// How often it has been tried.
    pub tries: u32,
    /// When it was delivered or given up.
    pub settled_at: Option<Timestamp>,
    /// What the other side said last.
    pub answer: Option<Detail>,
}

/// The runs of a probe around a moment, oldest first.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Around {
    /// The probe.
    pub probe: ProbeKey,
    /// The moment.
    pub moment: Timestamp,
    /// Whether the incident begins there, or ends.
    pub is_end: bool,
    /// The last runs that began before it.
    pub before: Vec<RecentRun>,
    /// The first that began then or later.
    pub after: Vec<RecentRun>,
}

impl Archive {
    /// Opens the store at `path` to read along, whether a daemon works with it or not.
    ///
    /// # Errors
    /// When it is not there, has another layout than this version knows, or cannot be read.
    pub fn open(path: &Path) -> Result<Self, StoreError> {
        std::fs::metadata(path).map_err(|source| StoreError::Open { path: path.to_owned(), source })?;
        let fail = |error| explain("open", path, error);
        let flags = OpenFlags::SQLITE_OPEN_READ_ONLY | OpenFlags::SQLITE_OPEN_NO_MUTEX;
        let connection = Connection::open_with_flags(path, flags).map_err(fail)?;
        connection.busy_timeout(BUSY_TIMEOUT).map_err(fail)?;
        schema::check(&connection, path)?;
        Ok(Self { connection, path: path.to_owned() })
    }

    /// Reads at one moment: what is committed meanwhile is not seen.
    pub(super) fn read<T>(
        &self,
        doing: &'static str,
        work: impl FnOnce(&Connection) -> rusqlite::Result<T>,
    ) -> Result<T, StoreError> {
        let at_once = || {
            if !self.connection.is_autocommit() {
                return work(&self.connection);
            }
            let transaction = self.connection.unchecked_transaction()?;
            work(&transaction)
        };
        at_once().map_err(|error| explain(doing, &self.path, error))
    }

    /// Holds the moment at which all is read until what this gives is dropped.
    pub(super) fn hold_moment(&self, doing: &'static str) -> Result<Transaction<'_>, StoreError> {
        self.connection.unchecked_transaction().map_err(|error| explain(doing, &self.path, error))
    }

    /// The latest incidents, latest first.
    ///
    /// # Errors
    /// When the store cannot be read.
    pub fn latest(&self, limit: u32) -> Result<Vec<Listed>, StoreError> {
        self.read("list the incidents", |connection| {
            let mut list = connection.prepare(
                "SELECT incident, confirmed_at, resolved_at, channel, severity, NULL FROM incident
                 UNION ALL
                 SELECT incident, min(created_at), NULL, NULL, NULL, subject FROM outbox
                 WHERE incident NOT IN (SELECT incident FROM incident) GROUP BY incident
                 ORDER BY 2 DESC, 1 DESC LIMIT ?",
            )?;
            list.query_map([limit], read_listed)?.collect()
        })
    }

    /// Every id under which something is known, latest first.
    ///
    /// # Errors
    /// When the store cannot be read.
    pub fn ids(&self) -> Result<Vec<String>, StoreError> {
        Ok(self.latest(u32::MAX)?.into_iter().map(|listed| listed.id.0).collect())
    }

    /// What is known of an incident, of each probe of its channel with so many runs before and after; none if nothing is.
    ///
    /// # Errors
    /// When the store cannot be read.
    pub fn record(&self, id: &IncidentId, runs: u32) -> Result<Option<Record>, StoreError> {
        self.read("read an incident", |connection| {
            let incident: Option<Incident> = connection
                .query_row("SELECT record FROM incident WHERE incident = ?", [&id.0], |row| {
                    from_json(&row.get::<_, String>(0)?)
                })
                .optional()?;
            let case = case_of(connection, id)?;
            let letters = letters(connection, id, case.as_ref().map_or(id, |case| &case.id))?;
            if incident.is_none() && case.is_none() && letters.is_empty() {
                return Ok(None);
            }
            let members = case.iter().flat_map(|case| &case.members).map(|member| &member.incident);
            let mut happenings = happenings(connection, id)?;
            for member in members.filter(|member| *member != id) {
                happenings.extend(self::happenings(connection, member)?);
            }
            happenings.sort_by_key(|settled| settled.happening.decided_at);
            let runs = incident.as_ref().map(|incident| around(connection, incident, runs)).transpose()?;
            let runs = runs.unwrap_or_default();
            Ok(Some(Record { id: id.clone(), incident, case, happenings, letters, runs }))
        })
    }
}

fn read_listed(row: &Row<'_>) -> rusqlite::Result<Listed> {
    let channel: Option<String> = row.get(3)?;
    let about = channel.map(|channel| Ok::<_, rusqlite::Error>((ChannelId::new(&channel), row.get(4)?)));
    Ok(Listed {
        id: IncidentId(row.get(0)?),
        at: moment(row.get(1)?)?,
        resolved_at: row.get::<_, Option<i64>>(2)?.map(moment).transpose()?,
        about: about.transpose()?,
        subject: row.get(5)?,
    })
}

/// The case in which an incident was told, or that has its id.
pub(super) fn case_of(connection: &Connection, id: &IncidentId) -> rusqlite::Result<Option<Case>> {
    let told_in: Option<String> = connection
        .query_row(
            "SELECT told_in FROM happening WHERE incident = ? AND told_in IS NOT NULL",
            [&id.0],
            |row| row.get(0),
        )
        .optional()?;
    connection
        .query_row("SELECT record FROM alert_case WHERE id = ?", [told_in.as_ref().unwrap_or(&id.0)], |row| {
            from_json(&row.get::<_, String>(0)?)
        })
        .optional()
}

fn happenings(connection: &Connection, id: &IncidentId) -> rusqlite::Result<Vec<Settled>> {
    let mut rows = connection
        .prepare_cached("SELECT record, told_in, told_at FROM happening WHERE incident = ? ORDER BY id")?;
    let read = |row: &Row<'_>| {
        Ok(Settled {
            happening: from_json(&row.get::<_, String>(0)?)?,
            told_in: row.get::<_, Option<String>>(1)?.map(IncidentId),
            told_at: row.get::<_, Option<i64>>(2)?.map(moment).transpose()?,
        })
    };
    rows.query_map([&id.0], read)?.collect()
}

/// What was told of an incident itself, and of its case.
fn letters(connection: &Connection, id: &IncidentId, case: &IncidentId) -> rusqlite::Result<Vec<Letter>> {
    let mut rows = connection.prepare(
        "SELECT event, route, recipient, message_id, subject, created_at, status, due_at, tries, settled_at, answer
         FROM outbox
         WHERE incident IN (?1, ?2)
            OR (event = 'held' AND EXISTS (
                SELECT 1 FROM json_each(facts, '$.held') WHERE json_extract(value, '$.incident') = ?2))
         ORDER BY id",
    )?;
    let read = |row: &Row<'_>| {
        Ok(Letter {
            event: row.get(0)?,
            route: row.get(1)?,
            recipient: row.get(2)?,
            message_id: row.get(3)?,
            subject: row.get(4)?,
            created_at: moment(row.get(5)?)?,
            status: row.get(6)?,
            due_at: moment(row.get(7)?)?,
            tries: row.get(8)?,
            settled_at: row.get::<_, Option<i64>>(9)?.map(moment).transpose()?,
            answer: row.get::<_, Option<String>>(10)?.as_deref().map(Detail::new),
        })
    };
    rows.query_map([&id.0, &case.0], read)?.collect()
}

/// The runs of a channel's probes when an incident began, and when it ended.
fn around(connection: &Connection, incident: &Incident, runs: u32) -> rusqlite::Result<Vec<Around>> {
    let mut probes = connection.prepare("SELECT id, probe FROM probe WHERE channel = ? ORDER BY probe")?;
    let read = |row: &Row<'_>| {
        let probe = ProbeName::new(row.get_ref(1)?.as_str()?);
        Ok((row.get(0)?, ProbeKey { channel: incident.channel.clone(), probe }))
    };
    let probes: Vec<(i64, ProbeKey)> =
        probes.query_map([incident.channel.as_str()], read)?.collect::<rusqlite::Result<_>>()?;
    let mut all = Vec::new();
    for (number, probe) in &probes {
        for (moment, is_end) in [(Some(incident.began_at), false), (incident.resolved_at, true)] {
            let Some(moment) = moment else { continue };
            let (before, after) = runs_around(connection, *number, probe, moment, runs)?;
            if !before.is_empty() || !after.is_empty() {
                all.push(Around { probe: probe.clone(), moment, is_end, before, after });
            }
        }
    }
    Ok(all)
}

fn runs_around(
    connection: &Connection,
    number: i64,
    probe: &ProbeKey,
    at: Timestamp,
    count: u32,
) -> rusqlite::Result<(Vec<RecentRun>, Vec<RecentRun>)> {
    let place = |at: Option<Timestamp>| at.map_or(Ok(i64::MAX), |at| place(connection, at));
    let earliest = place(at.checked_sub(REACH).ok())?;
    let before_it = place(at.checked_sub(DISORDER).ok())?;
    let behind_it = place(at.checked_add(DISORDER).ok())?;
    let latest = place(at.checked_add(REACH).ok())?;
    let probe = std::sync::Arc::new(probe.clone());
    let read = |row: &Row<'_>| read_run(row, &probe);
    // What is kept of a moment is more exact than what the history has.
    let at = at.as_millisecond();
    let columns = "started_at, duration_us, outcome, reason";
    let mut before = connection.prepare_cached(&format!(
        "SELECT {columns} FROM outcome
         WHERE id >= ?1 AND id < ?2 AND probe = ?3 AND started_at < ?4 ORDER BY id DESC LIMIT ?5"
    ))?;
    let mut after = connection.prepare_cached(&format!(
        "SELECT {columns} FROM outcome
         WHERE id >= ?1 AND id < ?2 AND probe = ?3 AND started_at >= ?4 ORDER BY id LIMIT ?5"
    ))?;
    let before: rusqlite::Result<Vec<_>> =
        before.query_map(params![earliest, behind_it, number, at, count], read)?.collect();
    let after: rusqlite::Result<Vec<_>> =
        after.query_map(params![before_it, latest, number, at, count], read)?.collect();
    let mut before = before?;
    before.reverse();
    Ok((before, after?))
}

fn read_run(row: &Row<'_>, probe: &std::sync::Arc<ProbeKey>) -> rusqlite::Result<RecentRun> {
    let outcome =
        RunWord::from_word(row.get_ref(2)?.as_str()?).ok_or_else(|| unreadable(2, "an unknown outcome"))?;
    Ok(RecentRun {
        probe: std::sync::Arc::clone(probe),
        started_at: moment(row.get(0)?)?,
        duration: Duration::from_micros(row.get::<_, i64>(1)?.unsigned_abs()),
        outcome,
        reason: row.get::<_, Option<String>>(3)?.as_deref().and_then(Reason::from_word),
    })
}

/// The first place in the history whose run began then or later. There is no index by time, since it would cost every
/// append; places are found by halving.
pub(super) fn place(connection: &Connection, at: Timestamp) -> rusqlite::Result<i64> {
    let (mut low, end): (i64, i64) = connection.query_row(
        "SELECT coalesce(min(id), 0), coalesce(max(id), 0) + 1 FROM outcome",
        [],
        |row| Ok((row.get(0)?, row.get(1)?)),
    )?;
    let mut high = end;
    let mut probe =
        connection.prepare_cached("SELECT id, started_at FROM outcome WHERE id >= ? ORDER BY id LIMIT 1")?;
    while low < high {
        let middle = low + (high - low) / 2;
        let found: Option<(i64, i64)> =
            probe.query_row([middle], |row| Ok((row.get(0)?, row.get(1)?))).optional()?;
        match found {
            Some((id, started_at)) if started_at < at.as_millisecond() => low = id + 1,
            _ => high = middle,
        }
    }
    Ok(low)
}
