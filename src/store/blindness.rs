//! The times in which the monitor could not see, so that they are told after a restart too, and count neither for nor
//! against a channel.

use std::time::Duration;

use jiff::Timestamp;
use rusqlite::{Connection, OptionalExtension, params};

use super::{
    Store, StoreError, outbox,
    state::{moment, unreadable},
};
use crate::domain::{
    network::{Blindness, Cause},
    notification::Notification,
};

/// How long they are kept.
const KEPT: Duration = Duration::from_secs(400 * 24 * 60 * 60);

/// Stands between causes and between sentinels in their columns.
const SEPARATOR: &str = ", ";

impl Store {
    /// Writes down a time without sight; if it is over, since when, with what people are told of it, all in one durable
    /// transaction. To write the same again changes nothing.
    ///
    /// # Errors
    /// When the transaction could not be committed; nothing of it has happened then.
    pub async fn keep_blindness(
        &self,
        blindness: Blindness,
        over: Option<(Timestamp, Vec<Notification>)>,
    ) -> Result<(), StoreError> {
        self.transact("write down a time without sight", move |transaction| {
            let Blindness { began_at, causes, sentinels } = blindness;
            let causes: Vec<&str> = causes.iter().map(|cause| cause.as_str()).collect();
            let sentinels: Vec<&str> = sentinels.iter().map(String::as_str).collect();
            let (ended_at, mails) = over.map_or((None, Vec::new()), |(at, mails)| (Some(at), mails));
            transaction
                .prepare_cached(
                    "INSERT INTO blindness (began_at, ended_at, causes, sentinels) VALUES (?, ?, ?, ?)
                     ON CONFLICT (began_at) DO UPDATE SET
                         ended_at = excluded.ended_at, causes = excluded.causes, sentinels = excluded.sentinels",
                )?
                .execute(params![
                    began_at.as_millisecond(),
                    ended_at.map(Timestamp::as_millisecond),
                    causes.join(SEPARATOR),
                    sentinels.join(SEPARATOR),
                ])?;
            for mail in &mails {
                outbox::enqueue(transaction, mail)?;
            }
            if let Some(ended_at) = ended_at {
                let kept = i64::try_from(KEPT.as_millis()).expect("400 days are few milliseconds");
                transaction
                    .prepare_cached("DELETE FROM blindness WHERE ended_at < ?")?
                    .execute([ended_at.as_millisecond().saturating_sub(kept)])?;
            }
            Ok(())
        })
        .await
    }
}

/// The time without sight that was not over when the process ended.
pub(super) fn open(connection: &Connection) -> rusqlite::Result<Option<Blindness>> {
    connection
        .prepare("SELECT began_at, causes, sentinels FROM blindness WHERE ended_at IS NULL ORDER BY began_at LIMIT 1")?
        .query_row([], |row| {
            let causes = row.get_ref(1)?.as_str()?.split(SEPARATOR).filter(|word| !word.is_empty());
            let known = |word| Cause::from_word(word).ok_or_else(|| unreadable(1, "an unknown cause"));
            let sentinels = row.get_ref(2)?.as_str()?.split(SEPARATOR).filter(|name| !name.is_empty());
            Ok(Blindness {
                began_at: moment(row.get(0)?)?,
                causes: causes.map(known).collect::<rusqlite::Result<_>>()?,
                sentinels: sentinels.map(str::to_owned).collect(),
            })
        })
        .optional()
}
