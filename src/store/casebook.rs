//! What people are told: what has happened and is still owed to them, and the cases under which they are told. What
//! happened stays as the record of an incident after it has been told.

use jiff::Timestamp;
use rusqlite::{Connection, Row, Transaction, TransactionBehavior, params};

use super::{
    Store, StoreError, explain, outbox,
    state::{from_json, to_json},
};
use crate::domain::{
    case::Case,
    casebook::Announcement,
    happening::{Account, Happening, HappeningKey},
    incident::IncidentId,
};

impl Store {
    /// Commits an announcement: its cases, what is settled by it and what leaves, in one durable transaction. Committing the
    /// same again changes nothing: a notification is known by its Message-ID.
    ///
    /// # Errors
    /// When the transaction could not be committed; nothing of it has happened then, and it may be proposed again.
    pub async fn announce(&self, announcement: Announcement, at: Timestamp) -> Result<(), StoreError> {
        self.call("commit an announcement", move |handle| {
            crate::halt::here("before_announce");
            let transaction = handle.connection.transaction_with_behavior(TransactionBehavior::Immediate)?;
            write(&transaction, &announcement, at)?;
            transaction.commit()?;
            crate::halt::here("after_announce");
            Ok(())
        })
        .await
    }

    /// The case in which an incident was told, open or closed; none where there is none.
    ///
    /// # Errors
    /// When the store cannot be read.
    pub async fn case_of(&self, incident: &IncidentId) -> Result<Option<Case>, StoreError> {
        let incident = incident.clone();
        self.call("read an incident", move |handle| explain::case_of(&handle.connection, &incident)).await
    }
}

fn write(transaction: &Transaction<'_>, announcement: &Announcement, at: Timestamp) -> rusqlite::Result<()> {
    for case in &announcement.cases {
        write_case(transaction, case)?;
    }
    for (key, case) in &announcement.settled {
        settle(transaction, key, case, at)?;
    }
    for notification in &announcement.notifications {
        outbox::enqueue(transaction, notification)?;
    }
    Ok(())
}

fn write_case(transaction: &Transaction<'_>, case: &Case) -> rusqlite::Result<()> {
    transaction
        .prepare_cached(
            "INSERT INTO alert_case (id, opened_at, closed_at, record) VALUES (?, ?, ?, ?)
             ON CONFLICT (id) DO UPDATE SET closed_at = excluded.closed_at, record = excluded.record",
        )?
        .execute(params![
            case.id.0,
            case.opened_at.as_millisecond(),
            case.closed_at.map(Timestamp::as_millisecond),
            to_json(case)?,
        ])?;
    Ok(())
}

/// Marks what has happened as told in a case.
fn settle(
    transaction: &Transaction<'_>,
    (incident, event): &HappeningKey,
    case: &IncidentId,
    at: Timestamp,
) -> rusqlite::Result<()> {
    transaction
        .prepare_cached(
            "UPDATE happening SET told_in = ?3, told_at = ?4, picture = NULL
             WHERE incident = ?1 AND event = ?2 AND told_in IS NULL",
        )?
        .execute(params![incident.0, event.as_str(), case.0, at.as_millisecond()])?;
    Ok(())
}

/// Writes the open cases and what is owed into a store of an older moment: what is open or owed there and not among them
/// has been told meanwhile.
pub(super) fn rewrite(
    transaction: &Transaction<'_>,
    cases: &[Case],
    owed: &[Happening],
    at: Timestamp,
) -> rusqlite::Result<()> {
    for stored in open_cases(transaction)? {
        if cases.iter().all(|case| case.id != stored.id) {
            write_case(transaction, &Case { closed_at: Some(at), ..stored })?;
        }
    }
    for stored in self::owed(transaction)? {
        if owed.iter().all(|happening| happening.key() != stored.key()) {
            settle(transaction, &stored.key(), &stored.incident.id, at)?;
        }
    }
    cases.iter().try_for_each(|case| write_case(transaction, case))?;
    owed.iter().try_for_each(|happening| owe(transaction, happening))
}

/// Puts down what has happened, as owed to people. The same again is left alone.
pub(super) fn owe(transaction: &Transaction<'_>, happening: &Happening) -> rusqlite::Result<()> {
    transaction
        .prepare_cached(
            "INSERT INTO happening (incident, event, decided_at, record, picture) VALUES (?, ?, ?, ?, ?)
             ON CONFLICT (incident, event) DO NOTHING",
        )?
        .execute(params![
            happening.incident.id.0,
            happening.event.as_str(),
            happening.decided_at.as_millisecond(),
            to_json(happening)?,
            happening.picture(),
        ])?;
    Ok(())
}

/// Everything that is owed, in the order in which it happened.
pub(super) fn owed(connection: &Connection) -> rusqlite::Result<Vec<Happening>> {
    let mut owed =
        connection.prepare("SELECT record, picture FROM happening WHERE told_in IS NULL ORDER BY id")?;
    owed.query_map([], read)?.collect()
}

/// Every case that is open.
pub(super) fn open_cases(connection: &Connection) -> rusqlite::Result<Vec<Case>> {
    let mut cases =
        connection.prepare("SELECT record FROM alert_case WHERE closed_at IS NULL ORDER BY id")?;
    cases.query_map([], |row| from_json(&row.get::<_, String>(0)?))?.collect()
}

fn read(row: &Row<'_>) -> rusqlite::Result<Happening> {
    let mut happening: Happening = from_json(&row.get::<_, String>(0)?)?;
    let kept: Option<Vec<u8>> = row.get(1)?;
    if let Account::Change { picture, .. } = &mut happening.account {
        *picture = kept.map(Into::into);
    }
    Ok(happening)
}
