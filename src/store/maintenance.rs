//! Windows of maintenance that were begun, extended or ended by command.

use jiff::{Timestamp, ToSpan};
use rusqlite::{Connection, params};

use super::{Store, StoreError, state::unreadable};
use crate::domain::maintenance::Stint;

/// What is over is kept for so many hours more, for whoever looks into the store.
const KEPT_HOURS: i64 = 90 * 24;

impl Store {
    /// Keeps a window in place of what was known of it.
    ///
    /// # Errors
    /// When it could not be committed; nothing of it has happened then.
    pub async fn keep_maintenance(&self, stint: Stint, now: Timestamp) -> Result<(), StoreError> {
        let record = serde_json::to_string(&stint).expect("a window is always JSON");
        let old = now.saturating_sub(KEPT_HOURS.hours()).unwrap_or(Timestamp::MIN);
        self.transact("keep a window of maintenance", move |transaction| {
            transaction.execute("DELETE FROM maintenance WHERE until_at < ?", [old.as_millisecond()])?;
            let (from, until) = (stint.from.as_millisecond(), stint.until.as_millisecond());
            transaction.execute(
                "INSERT INTO maintenance (id, from_at, until_at, record) VALUES (?, ?, ?, ?)
                 ON CONFLICT (id) DO UPDATE SET
                     from_at = excluded.from_at, until_at = excluded.until_at, record = excluded.record",
                params![stint.id.as_str(), from, until, record],
            )?;
            Ok(())
        })
        .await
    }
}

/// All that are kept.
pub(super) fn load(connection: &Connection) -> rusqlite::Result<Vec<Stint>> {
    let mut stints = connection.prepare("SELECT record FROM maintenance ORDER BY id")?;
    let records = stints.query_map([], |row| row.get::<_, String>(0))?;
    let stint = |record: rusqlite::Result<String>| {
        serde_json::from_str(&record?).map_err(|error| unreadable(0, &error.to_string()))
    };
    records.map(stint).collect()
}
