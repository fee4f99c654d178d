//! What has been judged: the state of every channel and its incidents. A decision is written whole or not at all.

use std::collections::{BTreeMap, BTreeSet, HashMap};

use jiff::Timestamp;
use rusqlite::{Connection, OptionalExtension, Transaction, TransactionBehavior, params};

use serde::{Serialize, de::DeserializeOwned};

use super::{Store, StoreError, blindness, canary, casebook, ledger, maintenance};
use crate::domain::{
    canary::{Canaries, MailWay},
    case::Case,
    channel::{ChannelId, ProbeKey},
    decision::Decision,
    evaluation::State,
    happening::Happening,
    incident::Incident,
    ledger::Condition,
    maintenance::Stint,
    network::Blindness,
};

/// What the store knows of the time before a restart.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Remembered {
    /// Every channel ever judged, also those no longer configured.
    pub channels: BTreeMap<ChannelId, RememberedChannel>,
    /// Every case that is open.
    pub cases: Vec<Case>,
    /// What has happened and nobody has been told of, in order.
    pub owed: Vec<Happening>,
    /// How often each probe has asked for people today.
    pub asked: HashMap<ProbeKey, u32>,
    /// The time without sight that was not over.
    pub blindness: Option<Blindness>,
    /// Windows of maintenance that were begun, extended or ended by command.
    pub maintenance: Vec<Stint>,
    /// What is known of the canaries by each way.
    pub canaries: BTreeMap<MailWay, Canaries>,
    /// What each channel that is watched turned to last.
    pub conditions: HashMap<ChannelId, Condition>,
}

/// One channel as it was last committed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RememberedChannel {
    /// Its judged state.
    pub state: State,
    /// Since when, to the millisecond.
    pub since: Timestamp,
    /// Its open incident.
    pub incident: Option<Incident>,
}

impl Store {
    /// Reads what was judged before.
    ///
    /// # Errors
    /// When the store cannot be read.
    pub async fn load(&self) -> Result<Remembered, StoreError> {
        self.call("read what was judged", |handle| read_all(&handle.connection)).await
    }

    /// Commits decisions: of each the channel's state, its incident and what people are owed, all in one durable
    /// transaction. Committing the same decision again changes nothing: what happened is known by incident and event.
    ///
    /// # Errors
    /// When the transaction could not be committed; nothing of it has happened then, and it may be proposed again.
    pub async fn commit(&self, decisions: Vec<Decision>) -> Result<(), StoreError> {
        self.call("commit a decision", move |handle| {
            let is_told = decisions.iter().any(|decision| decision.happening.is_some());
            let halt = if is_told { crate::halt::here } else { |_: &str| () };
            halt("after_decide");
            let transaction = handle.connection.transaction_with_behavior(TransactionBehavior::Immediate)?;
            for decision in &decisions {
                write(&transaction, decision)?;
            }
            halt("before_commit");
            transaction.commit()?;
            halt("after_commit");
            Ok(())
        })
        .await
    }
}

/// What is known in memory, to be written into a store that was restored from an older moment.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Standing {
    /// The state of every channel and its open incident.
    pub channels: Vec<Decision>,
    /// Every case that is open.
    pub cases: Vec<Case>,
    /// What has happened and nobody has been told of, in order.
    pub owed: Vec<Happening>,
}

impl Store {
    /// Writes what is known in memory into a store that was restored from an older moment. What is open in the store, or
    /// owed by it, and not among that, is over.
    ///
    /// # Errors
    /// When it could not be committed; nothing of it has happened then.
    pub async fn rewrite(&self, standing: Standing, at: Timestamp) -> Result<(), StoreError> {
        self.transact("write down again what was judged", move |transaction| {
            let Standing { channels, cases, owed } = &standing;
            for decision in channels {
                write(transaction, decision)?;
            }
            let open: BTreeSet<&str> =
                channels.iter().filter_map(|it| it.incident.as_ref()).map(|it| it.id.0.as_str()).collect();
            let stored: Vec<String> = transaction
                .prepare("SELECT record FROM incident WHERE resolved_at IS NULL")?
                .query_map([], |row| row.get(0))?
                .collect::<rusqlite::Result<_>>()?;
            for record in stored {
                let incident: Incident = from_json(&record)?;
                if !open.contains(incident.id.0.as_str()) {
                    write_incident(transaction, &Incident { resolved_at: Some(at), ..incident })?;
                }
            }
            casebook::rewrite(transaction, cases, owed, at)
        })
        .await
    }
}

/// Reads what was judged before.
pub(super) fn read_all(connection: &Connection) -> rusqlite::Result<Remembered> {
    let mut incidents = connection
        .prepare("SELECT record FROM incident WHERE channel = ? AND resolved_at IS NULL ORDER BY confirmed_at DESC LIMIT 1")?;
    let mut channels = connection.prepare("SELECT channel, state, since FROM channel")?;
    let mut rows = channels.query([])?;
    let mut remembered = Remembered {
        cases: casebook::open_cases(connection)?,
        owed: casebook::owed(connection)?,
        maintenance: maintenance::load(connection)?,
        canaries: canary::load(connection)?,
        conditions: ledger::standing(connection)?,
        ..Remembered::default()
    };
    while let Some(row) = rows.next()? {
        let id: String = row.get(0)?;
        let incident: Option<String> = incidents.query_row([&id], |row| row.get(0)).optional()?;
        let incident = incident.map(|record| from_json(&record)).transpose()?;
        let state = State::ALL
            .into_iter()
            .find(|state| row.get_ref(1).is_ok_and(|word| word.as_str() == Ok(state.as_str())))
            .ok_or_else(|| unreadable(1, "an unknown state"))?;
        let since = moment(row.get(2)?)?;
        remembered.channels.insert(ChannelId::new(&id), RememberedChannel { state, since, incident });
    }
    remembered.blindness = blindness::open(connection)?;
    Ok(remembered)
}

fn write(transaction: &Transaction<'_>, decision: &Decision) -> rusqlite::Result<()> {
    transaction
        .prepare_cached(
            "INSERT INTO channel (channel, state, since) VALUES (?, ?, ?)
             ON CONFLICT (channel) DO UPDATE SET state = excluded.state, since = excluded.since",
        )?
        .execute(params![
            decision.channel.as_str(),
            decision.state.as_str(),
            decision.since.as_millisecond()
        ])?;
    if let Some(incident) = &decision.incident {
        write_incident(transaction, incident)?;
    }
    if let Some(happening) = &decision.happening {
        casebook::owe(transaction, happening)?;
    }
    Ok(())
}

fn write_incident(transaction: &Transaction<'_>, incident: &Incident) -> rusqlite::Result<()> {
    let record = to_json(incident)?;
    transaction
        .prepare_cached(
            "INSERT INTO incident (incident, channel, severity, began_at, confirmed_at, resolved_at, record)
             VALUES (?, ?, ?, ?, ?, ?, ?)
             ON CONFLICT (incident) DO UPDATE SET
                 severity = excluded.severity, resolved_at = excluded.resolved_at, record = excluded.record",
        )?
        .execute(params![
            incident.id.0,
            incident.channel.as_str(),
            incident.severity.as_str(),
            incident.began_at.as_millisecond(),
            incident.confirmed_at.as_millisecond(),
            incident.resolved_at.map(Timestamp::as_millisecond),
            record,
        ])?;
    Ok(())
}

/// A record as its column keeps it.
pub(super) fn to_json(record: &impl Serialize) -> rusqlite::Result<String> {
    serde_json::to_string(record).map_err(|error| rusqlite::Error::ToSqlConversionFailure(error.into()))
}

/// A record from its column.
pub(super) fn from_json<T: DeserializeOwned>(record: &str) -> rusqlite::Result<T> {
    serde_json::from_str(record).map_err(|error| unreadable(0, &error.to_string()))
}

/// A moment from its column.
pub(super) fn moment(milliseconds: i64) -> rusqlite::Result<Timestamp> {
    Timestamp::from_millisecond(milliseconds).map_err(|error| unreadable(0, &error.to_string()))
}

/// A value that is in the database and means nothing to us.
pub(super) fn unreadable(column: usize, what: &str) -> rusqlite::Error {
    rusqlite::Error::FromSqlConversionFailure(column, rusqlite::types::Type::Text, what.to_owned().into())
}
