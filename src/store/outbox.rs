//! The outbox: what people are still to be told. A row is pending until it has been delivered or given up; nothing
//! else ends it. Order is kept per incident, recipient and route: what was decided later is not due while something
//! decided earlier is pending.

use std::{
    sync::{Arc, atomic::Ordering::Relaxed},
    time::Duration,
};

use jiff::Timestamp;
use rusqlite::{Connection, Row, Transaction, params};

use super::{
    Store, StoreError,
    state::{moment, unreadable},
};
use crate::domain::{
    incident::{IncidentEvent, IncidentId},
    notification::{Content, Notification, Route, Way, facts::Facts},
};

/// The longest anybody postpones a notification. One that is due later than this from now was written before the
/// machine's clock was set back, and is due at once.
pub const POSTPONE_MAX: Duration = Duration::from_secs(10 * 60);

/// How long what has been settled is kept, to look it up.
const KEPT: Duration = Duration::from_secs(30 * 24 * 60 * 60);

/// A row of the outbox.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct NotificationId {
    row: i64,
    /// How often the store had been replaced when it was read: in another one the number means another row, or none.
    replaced: u32,
}

/// A notification that is due.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Due {
    /// Its row.
    pub id: NotificationId,
    /// How often it has been tried in vain.
    pub tries: u32,
    /// What to send.
    pub notification: Notification,
}

/// What is pending on one route.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Backlog {
    /// The route.
    pub route: Route,
    /// How many notifications are pending.
    pub pending: u32,
    /// When the oldest of them was decided.
    pub oldest: Option<Timestamp>,
}

impl Store {
    /// The number of a row, as long as the store that it was read from is in use; otherwise that of no row.
    fn row_of(&self, id: NotificationId) -> i64 {
        if id.replaced == self.0.replaced.load(Relaxed) { id.row } else { -1 }
    }

    /// Puts notifications into the outbox that no verdict has made; those already there are left alone.
    ///
    /// # Errors
    /// When the store cannot be written; none of them is in it then.
    pub async fn enqueue(&self, notifications: Vec<Notification>) -> Result<(), StoreError> {
        self.transact("put a notification into the outbox", move |transaction| {
            notifications.iter().try_for_each(|notification| enqueue(transaction, notification).map(drop))
        })
        .await
    }

    /// The notifications due on a way, in the order in which they became due, at most `limit`.
    ///
    /// # Errors
    /// When the store cannot be read.
    pub async fn due(&self, way: impl Into<Way>, now: Timestamp, limit: u32) -> Result<Vec<Due>, StoreError> {
        let Way { route, endpoint } = way.into();
        let inner = Arc::clone(&self.0);
        self.call("read the outbox", move |handle| {
            let replaced = inner.replaced.load(Relaxed);
            let read_due = |row: &Row<'_>| {
                read_due(row).map(|due| Due { id: NotificationId { replaced, ..due.id }, ..due })
            };
            handle
                .connection
                .prepare_cached(
                    "SELECT id, tries, incident, event, route, recipient, message_id, in_reply_to, created_at, subject, text, html, picture,
                            facts
                     FROM outbox AS it
                     WHERE status = 'pending' AND route = ?1 AND (due_at <= ?2 OR due_at > ?3)
                       AND (?5 IS NULL OR recipient = ?5)
                       AND NOT EXISTS (
                           SELECT 1 FROM outbox AS earlier
                           WHERE earlier.status = 'pending' AND earlier.incident = it.incident
                             AND earlier.recipient = it.recipient AND earlier.route = it.route AND earlier.id < it.id)
                     ORDER BY due_at, id LIMIT ?4",
                )?
                .query_map(
                    params![route.as_str(), now.as_millisecond(), horizon(now), limit, endpoint],
                    read_due,
                )?
                .collect()
        })
        .await
    }

    /// The last notification of each incident that is open, of those that an Alertmanager has been told of and not that they
    /// are over, at most `limit`.
    ///
    /// # Errors
    /// When the store cannot be read.
    pub async fn standing(&self, alertmanager: &str, limit: u32) -> Result<Vec<Notification>, StoreError> {
        let recipient = alertmanager.to_owned();
        self.call("read the outbox", move |handle| {
            handle
                .connection
                .prepare_cached(
                    "SELECT it.id, tries, it.incident, event, route, recipient, message_id, in_reply_to, created_at, subject, text, html, picture,
                            facts
                     FROM (SELECT id AS incident FROM alert_case WHERE closed_at IS NULL
                           UNION ALL SELECT incident FROM canary WHERE incident IS NOT NULL) AS lasting
                     JOIN outbox AS it
                       ON it.route = 'alertmanager' AND it.recipient = ?1 AND it.incident = lasting.incident
                     WHERE it.status = 'delivered' AND json_extract(facts, '$.resolved_at') IS NULL
                       AND it.id = (
                           SELECT max(id) FROM outbox AS last
                           WHERE last.route = 'alertmanager' AND last.recipient = ?1 AND last.incident = it.incident)
                     LIMIT ?2",
                )?
                .query_map(params![recipient, limit], |row| read_due(row).map(|due| due.notification))?
                .collect()
        })
        .await
    }

    /// When the next notification of a way will be due; none if none is pending.
    ///
    /// # Errors
    /// When the store cannot be read.
    pub async fn next_due_at(&self, way: impl Into<Way>) -> Result<Option<Timestamp>, StoreError> {
        let Way { route, endpoint } = way.into();
        self.call("read the outbox", move |handle| {
            handle
                .connection
                .prepare_cached(
                    "SELECT min(due_at) FROM outbox AS it
                     WHERE status = 'pending' AND route = ?1 AND (?2 IS NULL OR recipient = ?2)
                       AND NOT EXISTS (
                           SELECT 1 FROM outbox AS earlier
                           WHERE earlier.status = 'pending' AND earlier.incident = it.incident
                             AND earlier.recipient = it.recipient AND earlier.route = it.route AND earlier.id < it.id)",
                )?
                .query_row(params![route.as_str(), endpoint], |row| row.get::<_, Option<i64>>(0))?
                .map(moment)
                .transpose()
        })
        .await
    }

    /// Marks a notification as delivered, with the other side's own words.
    ///
    /// # Errors
    /// When the store cannot be written; the notification is still pending then.
    pub async fn delivered(
        &self,
        id: NotificationId,
        at: Timestamp,
        answer: String,
    ) -> Result<(), StoreError> {
        self.settle("mark a notification as delivered", id, "delivered", at, answer).await
    }

    /// Marks a notification as given up, with the reason.
    ///
    /// # Errors
    /// When the store cannot be written; the notification is still pending then.
    pub async fn give_up(&self, id: NotificationId, at: Timestamp, error: String) -> Result<(), StoreError> {
        self.settle("mark a notification as given up", id, "given_up", at, error).await
    }

    async fn settle(
        &self,
        doing: &'static str,
        id: NotificationId,
        status: &'static str,
        at: Timestamp,
        answer: String,
    ) -> Result<(), StoreError> {
        let store = self.clone();
        self.transact(doing, move |transaction| {
            transaction
                .prepare_cached(
                    "UPDATE outbox SET status = ?2, settled_at = ?3, answer = ?4, tries = tries + 1, picture = NULL
                     WHERE id = ?1 AND status = 'pending'",
                )?
                .execute(params![store.row_of(id), status, at.as_millisecond(), answer])?;
            transaction
                .prepare_cached(
                    "DELETE FROM outbox WHERE id IN (SELECT id FROM outbox ORDER BY id LIMIT 10)
                     AND status != 'pending' AND settled_at < ?",
                )?
                .execute([before(at, KEPT)])?;
            Ok(())
        })
        .await
    }

    /// Puts a notification off after a try in vain.
    ///
    /// # Errors
    /// When the store cannot be written; the notification is due as before then.
    pub async fn postpone(
        &self,
        id: NotificationId,
        until: Timestamp,
        error: String,
    ) -> Result<(), StoreError> {
        let store = self.clone();
        self.transact("postpone a notification", move |transaction| {
            transaction
                .prepare_cached(
                    "UPDATE outbox SET due_at = ?2, answer = ?3, tries = tries + 1 WHERE id = ?1 AND status = 'pending'",
                )?
                .execute(params![store.row_of(id), until.as_millisecond(), error])?;
            Ok(())
        })
        .await
    }

    /// Makes everything pending on a way due at once: it works again.
    ///
    /// # Errors
    /// When the store cannot be written; the notifications are due as before then.
    pub async fn hasten(&self, way: impl Into<Way>, now: Timestamp) -> Result<(), StoreError> {
        let Way { route, endpoint } = way.into();
        self.transact("hasten the outbox", move |transaction| {
            transaction
                .prepare_cached(
                    "UPDATE outbox SET due_at = ?2
                     WHERE status = 'pending' AND route = ?1 AND due_at > ?2 AND (?3 IS NULL OR recipient = ?3)",
                )?
                .execute(params![route.as_str(), now.as_millisecond(), endpoint])?;
            Ok(())
        })
        .await
    }

    /// The ways on which something is pending, each endpoint by itself.
    ///
    /// # Errors
    /// When the store cannot be read.
    pub async fn pending_endpoints(&self) -> Result<Vec<Way>, StoreError> {
        self.call("read the outbox", |handle| {
            let mut query = handle.connection.prepare_cached(
                "SELECT DISTINCT recipient FROM outbox WHERE status = 'pending' AND route = ?",
            )?;
            let mut ways = Vec::new();
            for &route in Route::ALL.iter().filter(|route| **route != Route::Mail) {
                let endpoints = query.query_map([route.as_str()], |row| row.get::<_, String>(0))?;
                for endpoint in endpoints {
                    ways.push(Way::to(route, &endpoint?));
                }
            }
            Ok(ways)
        })
        .await
    }

    /// Gives up everything pending on a way that is no more; says how much that was.
    ///
    /// # Errors
    /// When the store cannot be written; the notifications are pending as before then.
    pub async fn abandon(&self, way: Way, at: Timestamp, why: &'static str) -> Result<usize, StoreError> {
        self.transact("give up what is pending for an endpoint", move |transaction| {
            transaction
                .prepare_cached(
                    "UPDATE outbox SET status = 'given_up', settled_at = ?3, answer = ?4, picture = NULL
                     WHERE status = 'pending' AND route = ?1 AND recipient = ?2",
                )?
                .execute(params![way.route.as_str(), way.endpoint, at.as_millisecond(), why])
        })
        .await
    }

    /// What is pending, one entry for every route there is.
    ///
    /// # Errors
    /// When the store cannot be read.
    pub async fn backlog(&self) -> Result<Vec<Backlog>, StoreError> {
        self.call("read the outbox", |handle| {
            let mut count = handle.connection.prepare_cached(
                "SELECT count(*), min(created_at) FROM outbox WHERE status = 'pending' AND route = ?",
            )?;
            Route::ALL
                .iter()
                .map(|&route| {
                    count.query_row([route.as_str()], |row| {
                        let oldest: Option<i64> = row.get(1)?;
                        Ok(Backlog { route, pending: row.get(0)?, oldest: oldest.map(moment).transpose()? })
                    })
                })
                .collect()
        })
        .await
    }
}

impl Store {
    /// Whether anything was told of what is known by this id.
    ///
    /// # Errors
    /// When the store cannot be read.
    pub async fn has_told(&self, incident: IncidentId) -> Result<bool, StoreError> {
        self.call("look whether something was told", move |handle| {
            handle
                .connection
                .prepare_cached("SELECT EXISTS (SELECT 1 FROM outbox WHERE incident = ?)")?
                .query_row([&incident.0], |row| row.get(0))
        })
        .await
    }
}

/// Puts a notification into the outbox; one with a Message-ID already there is left alone.
/// Gives how many were added, one or none.
pub(super) fn enqueue(transaction: &Transaction<'_>, notification: &Notification) -> rusqlite::Result<usize> {
    let created_at = notification.created_at.as_millisecond();
    let facts = serde_json::to_string(&notification.content.facts)
        .map_err(|error| rusqlite::Error::ToSqlConversionFailure(error.into()))?;
    transaction
        .prepare_cached(
            "INSERT INTO outbox
                 (message_id, incident, event, route, recipient, in_reply_to, created_at, subject, text, html, picture,
                  facts, due_at)
             VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)
             ON CONFLICT (message_id) DO NOTHING",
        )?
        .execute(params![
            notification.message_id,
            notification.incident.0,
            notification.event.as_str(),
            notification.route.as_str(),
            notification.recipient,
            notification.in_reply_to,
            created_at,
            notification.content.subject,
            notification.content.text,
            notification.content.html,
            notification.content.picture,
            facts,
            created_at,
        ])
}

/// What is read of a row.
const COLUMNS: &str = "id, tries, incident, event, route, recipient, message_id, in_reply_to, created_at, subject, text, html, picture, facts";

/// Reads every notification that is pending, to see that it can be read.
pub(super) fn read_pending(connection: &Connection) -> rusqlite::Result<()> {
    let mut pending =
        connection.prepare(&format!("SELECT {COLUMNS} FROM outbox WHERE status = 'pending'"))?;
    pending.query_map([], read_due)?.try_for_each(|due| due.map(drop))
}

/// Reads the notification in one row.
pub(super) fn read_one(connection: &Connection, id: i64) -> rusqlite::Result<Notification> {
    let one = |columns: &str| {
        connection.prepare_cached(&format!("SELECT {columns} FROM outbox NOT INDEXED WHERE id = ?"))
    };
    // An older layout lacks the last column.
    let mut one = one(COLUMNS).or_else(|_| one(&COLUMNS.replace("facts", "NULL")))?;
    one.query_row([id], read_due).map(|due| due.notification)
}

fn read_due(row: &Row<'_>) -> rusqlite::Result<Due> {
    let event: String = row.get(3)?;
    let route: String = row.get(4)?;
    let incident = IncidentId(row.get(2)?);
    let event = IncidentEvent::ALL
        .into_iter()
        .find(|known| known.as_str() == event)
        .ok_or_else(|| unreadable(3, "an unknown event"))?;
    let created_at = moment(row.get(8)?)?;
    let facts: Option<String> = row.get(13)?;
    let facts = match facts {
        Some(facts) => serde_json::from_str(&facts).map_err(|error| unreadable(13, &error.to_string()))?,
        None => Facts::unknown(incident.clone(), event, created_at),
    };
    Ok(Due {
        id: NotificationId { row: row.get(0)?, replaced: 0 },
        tries: row.get(1)?,
        notification: Notification {
            incident,
            event,
            route: Route::ALL
                .iter()
                .copied()
                .find(|known| known.as_str() == route)
                .ok_or_else(|| unreadable(4, "an unknown route"))?,
            recipient: row.get(5)?,
            message_id: row.get(6)?,
            in_reply_to: row.get(7)?,
            created_at,
            content: Content {
                subject: row.get(9)?,
                text: row.get(10)?,
                html: row.get(11)?,
                picture: row.get(12)?,
                facts,
            },
        },
    })
}

fn horizon(now: Timestamp) -> i64 {
    now.as_millisecond().saturating_add(i64::try_from(POSTPONE_MAX.as_millis()).unwrap_or(i64::MAX))
}

fn before(now: Timestamp, span: Duration) -> i64 {
    now.as_millisecond().saturating_sub(i64::try_from(span.as_millis()).unwrap_or(i64::MAX))
}
