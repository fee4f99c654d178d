//! What is known of the canaries by each way, so that a restart neither sends one twice nor forgets a loss.

use std::collections::BTreeMap;

use rusqlite::{Connection, params};

use super::{
    Store, StoreError, outbox,
    state::{from_json, to_json, unreadable},
};
use crate::domain::{
    canary::{Canaries, MailWay},
    notification::Notification,
};

impl Store {
    /// Keeps what is known of the canaries by a way in place of what was known, with what people are told of it, all in one
    /// durable transaction. To keep the same again changes nothing.
    ///
    /// # Errors
    /// When the transaction could not be committed; nothing of it has happened then.
    pub async fn keep_canaries(
        &self,
        by: MailWay,
        canaries: Canaries,
        told: Vec<Notification>,
    ) -> Result<(), StoreError> {
        self.transact("keep what is known of the canaries", move |transaction| {
            transaction
                .prepare_cached(
                    "INSERT INTO canary (way, incident, record) VALUES (?, ?, ?)
                     ON CONFLICT (way) DO UPDATE SET incident = excluded.incident, record = excluded.record",
                )?
                .execute(params![
                    by.as_str(),
                    canaries.loss.as_ref().map(|loss| &loss.incident.0),
                    to_json(&canaries)?
                ])?;
            told.iter().try_for_each(|notification| outbox::enqueue(transaction, notification).map(drop))
        })
        .await
    }
}

/// What is known of all of them.
pub(super) fn load(connection: &Connection) -> rusqlite::Result<BTreeMap<MailWay, Canaries>> {
    let mut all = BTreeMap::new();
    let mut statement = connection.prepare("SELECT way, record FROM canary")?;
    let mut rows = statement.query([])?;
    while let Some(row) = rows.next()? {
        let word = row.get_ref(0)?.as_str()?;
        let by = MailWay::ALL.into_iter().find(|by| by.as_str() == word);
        let by = by.ok_or_else(|| unreadable(0, "an unknown way of mail"))?;
        all.insert(by, from_json(row.get_ref(1)?.as_str()?)?);
    }
    Ok(all)
}
