//! The turns of every channel from one condition to another, and the times in which the monitor was at work: by them it is
//! known over two years how long which door was open.

use std::{collections::HashMap, sync::Arc, time::Duration};

use jiff::Timestamp;
use rusqlite::{Connection, Row, Transaction, params};

use super::{
    Store, StoreError,
    explain::Archive,
    hours::KEPT,
    state::{moment, unreadable},
};
use crate::domain::{
    channel::ChannelId,
    ledger::{Condition, Turn, Watch},
};

/// How many turns are kept at most, whatever their age: about 1 GB.
const TURNS_MAX: i64 = 10_000_000;

/// So many are looked at in one transaction at most.
const PORTION: i64 = 5_000;

/// Turns are noted when they are decided, so long after what they turned on at most: in the order of their numbers they are
/// in about that of time.
const DISORDER: Duration = Duration::from_secs(24 * 60 * 60);

impl Store {
    /// Writes down turns, and that the monitor is at work, all in one transaction. The same watch, known by its beginning,
    /// is written again and again as it lasts.
    ///
    /// # Errors
    /// When the transaction could not be committed; nothing of it has happened then.
    pub async fn note(&self, turns: Arc<[Turn]>, watch: Watch) -> Result<(), StoreError> {
        self.transact("note what channels turned to", move |transaction| {
            for turn in turns.iter() {
                write(transaction, turn)?;
            }
            transaction
                .prepare_cached(
                    "INSERT INTO watch (from_at, until_at) VALUES (?, ?)
                     ON CONFLICT (from_at) DO UPDATE SET until_at = max(until_at, excluded.until_at)",
                )?
                .execute(params![watch.from.as_millisecond(), watch.until.as_millisecond()])?;
            Ok(())
        })
        .await
    }

    /// Deletes turns that are too old or too many, a portion of those behind one; gives the last of them that was looked at,
    /// none where there are no more. The last turn of a channel before what is kept stays, and with it what the channel was
    /// like at the beginning.
    ///
    /// # Errors
    /// When the store cannot be written.
    pub async fn clear_turns(&self, now: Timestamp, behind: i64) -> Result<Option<i64>, StoreError> {
        self.transact("clear what channels turned to", move |transaction| {
            let millis = |span: Duration| i64::try_from(span.as_millis()).expect("two years are few milliseconds");
            let older_than = now.as_millisecond().saturating_sub(millis(KEPT));
            let newest: i64 = transaction
                .prepare_cached("SELECT coalesce(max(id), 0) FROM turn")?
                .query_row([], |row| row.get(0))?;
            let surplus = newest - TURNS_MAX;
            let looked_at = transaction
                .prepare_cached("SELECT id, at FROM turn WHERE id > ? ORDER BY id LIMIT ?")?
                .query_map([behind, PORTION], |row| Ok((row.get(0)?, row.get(1)?)))?
                .collect::<rusqlite::Result<Vec<(i64, i64)>>>()?;
            let Some((last, at)) = looked_at.last().copied() else { return Ok(None) };
            transaction
                .prepare_cached(
                    "DELETE FROM turn WHERE id > ?1 AND id <= ?2 AND (id <= ?3 OR at <= ?4) AND (
                         SELECT turn.id <= ?3 OR later.at <= ?4 FROM turn AS later
                         WHERE later.channel = turn.channel AND later.id > turn.id ORDER BY later.id LIMIT 1)",
                )?
                .execute(params![behind, last, surplus, older_than])?;
            transaction.prepare_cached("DELETE FROM watch WHERE until_at < ?")?.execute([older_than])?;
            let is_recent = last > surplus && at > older_than.saturating_add(millis(DISORDER));
            Ok((!is_recent).then_some(last))
        })
        .await
    }
}

fn write(transaction: &Transaction<'_>, turn: &Turn) -> rusqlite::Result<()> {
    let (channel, to) = (turn.channel.as_str(), turn.to.as_str());
    transaction
        .prepare_cached("INSERT INTO turn (channel, at, condition) VALUES (?, ?, ?)")?
        .execute(params![channel, turn.at.as_millisecond(), to])?;
    match turn.to {
        Condition::Gone => {
            transaction.prepare_cached("DELETE FROM standing WHERE channel = ?")?.execute([channel])?
        }
        _ => transaction
            .prepare_cached(
                "INSERT INTO standing (channel, condition) VALUES (?, ?)
                 ON CONFLICT (channel) DO UPDATE SET condition = excluded.condition",
            )?
            .execute([channel, to])?,
    };
    Ok(())
}

/// What each channel that is watched turned to last.
pub(super) fn standing(connection: &Connection) -> rusqlite::Result<HashMap<ChannelId, Condition>> {
    connection
        .prepare("SELECT channel, condition FROM standing")?
        .query_map([], |row| Ok((ChannelId::new(row.get_ref(0)?.as_str()?), condition(row, 1)?)))?
        .collect()
}

impl Archive {
    /// The turns of a channel that say what it was like between two moments, in the order in which they were noted.
    ///
    /// # Errors
    /// When the store cannot be read.
    pub fn turns(
        &self,
        channel: &ChannelId,
        from: Timestamp,
        until: Timestamp,
    ) -> Result<Vec<Turn>, StoreError> {
        self.read("read what a channel turned to", |connection| {
            let mut turns = connection.prepare_cached(
                "SELECT at, condition FROM turn WHERE channel = ?1 AND at < ?3 AND id >= coalesce(
                     (SELECT id FROM turn WHERE channel = ?1 AND at <= ?2 ORDER BY id DESC LIMIT 1), 0)
                 ORDER BY id",
            )?;
            let window = params![channel.as_str(), from.as_millisecond(), until.as_millisecond()];
            let read = |row: &Row<'_>| {
                Ok(Turn { channel: channel.clone(), at: moment(row.get(0)?)?, to: condition(row, 1)? })
            };
            turns.query_map(window, read)?.collect()
        })
    }

    /// The times in which the monitor was at work since a moment, oldest first.
    ///
    /// # Errors
    /// When the store cannot be read.
    pub fn watches(&self, from: Timestamp) -> Result<Vec<Watch>, StoreError> {
        self.read("read when the monitor was at work", |connection| {
            connection
                .prepare_cached("SELECT from_at, until_at FROM watch WHERE until_at >= ? ORDER BY from_at")?
                .query_map([from.as_millisecond()], |row| {
                    Ok(Watch { from: moment(row.get(0)?)?, until: moment(row.get(1)?)? })
                })?
                .collect()
        })
    }
}

fn condition(row: &Row<'_>, column: usize) -> rusqlite::Result<Condition> {
    let word = row.get_ref(column)?.as_str()?;
    Condition::from_word(word).ok_or_else(|| unreadable(column, "an unknown condition"))
}
