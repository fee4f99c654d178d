//! The layout of the database, as numbered steps. A step that has been released never changes; a change is a new step.

use std::{collections::BTreeSet, path::Path};

use rusqlite::{Connection, TransactionBehavior};

use super::{StoreError, explain, seals};

/// Step N brings a database from layout N to N + 1. Moments are Unix milliseconds, spans microseconds.
const STEPS: &[&str] = &[
    "
    CREATE TABLE channel (
        channel TEXT PRIMARY KEY,
        state   TEXT NOT NULL,
        since   INTEGER NOT NULL
    ) STRICT, WITHOUT ROWID;

    CREATE TABLE incident (
        incident     TEXT PRIMARY KEY,
        channel      TEXT NOT NULL,
        severity     TEXT NOT NULL,
        began_at     INTEGER NOT NULL,
        confirmed_at INTEGER NOT NULL,
        resolved_at  INTEGER,
        record       TEXT NOT NULL
    ) STRICT, WITHOUT ROWID;
    CREATE INDEX incident_open ON incident (channel) WHERE resolved_at IS NULL;

    CREATE TABLE outbox (
        id          INTEGER PRIMARY KEY AUTOINCREMENT,
        message_id  TEXT NOT NULL UNIQUE,
        incident    TEXT NOT NULL,
        event       TEXT NOT NULL,
        route       TEXT NOT NULL,
        recipient   TEXT NOT NULL,
        in_reply_to TEXT,
        created_at  INTEGER NOT NULL,
        subject     TEXT NOT NULL,
        text        TEXT NOT NULL,
        html        TEXT NOT NULL,
        status      TEXT NOT NULL DEFAULT 'pending' CHECK (status IN ('pending', 'delivered', 'given_up')),
        due_at      INTEGER NOT NULL,
        tries       INTEGER NOT NULL DEFAULT 0,
        settled_at  INTEGER,
        answer      TEXT
    ) STRICT;
    CREATE INDEX outbox_pending ON outbox (route, due_at) WHERE status = 'pending';
    CREATE INDEX outbox_order ON outbox (incident, recipient, route, id) WHERE status = 'pending';

    CREATE TABLE probe (
        id      INTEGER PRIMARY KEY,
        channel TEXT NOT NULL,
        probe   TEXT NOT NULL,
        UNIQUE (channel, probe)
    ) STRICT;

    CREATE TABLE outcome (
        id          INTEGER PRIMARY KEY,
        probe       INTEGER NOT NULL REFERENCES probe (id),
        started_at  INTEGER NOT NULL,
        duration_us INTEGER NOT NULL,
        outcome     TEXT NOT NULL,
        stage       TEXT,
        step        TEXT,
        reason      TEXT,
        cause       TEXT,
        detail      TEXT,
        phases      TEXT NOT NULL
    ) STRICT;
",
    "
    ALTER TABLE outcome ADD COLUMN contact TEXT;
    CREATE INDEX outcome_contact ON outcome (started_at) WHERE contact IS NOT NULL;
    ALTER TABLE outbox ADD COLUMN picture BLOB;
",
    // Whoever was told of an open incident so far is told of its case from now on.
    "
    CREATE TABLE happening (
        id         INTEGER PRIMARY KEY AUTOINCREMENT,
        incident   TEXT NOT NULL,
        event      TEXT NOT NULL,
        decided_at INTEGER NOT NULL,
        record     TEXT NOT NULL,
        picture    BLOB,
        told_in    TEXT,
        told_at    INTEGER,
        UNIQUE (incident, event)
    ) STRICT;
    CREATE INDEX happening_owed ON happening (id) WHERE told_in IS NULL;

    CREATE TABLE alert_case (
        id        TEXT PRIMARY KEY,
        opened_at INTEGER NOT NULL,
        closed_at INTEGER,
        record    TEXT NOT NULL
    ) STRICT, WITHOUT ROWID;
    CREATE INDEX alert_case_open ON alert_case (id) WHERE closed_at IS NULL;

    INSERT INTO alert_case (id, opened_at, record)
    SELECT incident, confirmed_at, json_object(
        'id', incident, 'opened_at', record ->> '$.confirmed_at', 'closed_at', NULL,
        'members', json_array(json_object(
            'incident', incident, 'channel', channel, 'severity', severity,
            'began_at', record ->> '$.began_at', 'confirmed_at', record ->> '$.confirmed_at',
            'failure', json(record -> '$.evidence.failure'),
            'agreeing', json_array(record -> '$.evidence.agreeing', record -> '$.evidence.of'),
            'bundle', NULL, 'stands_on', json_array(), 'is_told', json('true'), 'end', NULL)),
        'common', json_array(), 'told', json(record -> '$.told'), 'tellings', 1,
        'told_at', record ->> '$.confirmed_at')
    FROM incident WHERE resolved_at IS NULL;
",
    "
    CREATE TABLE blindness (
        began_at  INTEGER PRIMARY KEY,
        ended_at  INTEGER,
        causes    TEXT NOT NULL,
        sentinels TEXT NOT NULL
    ) STRICT;
",
    "
    CREATE TABLE maintenance (
        id       TEXT PRIMARY KEY,
        from_at  INTEGER NOT NULL,
        until_at INTEGER NOT NULL,
        record   TEXT NOT NULL
    ) STRICT, WITHOUT ROWID;
",
    "
    ALTER TABLE outbox ADD COLUMN facts TEXT;
    CREATE INDEX outbox_alerts ON outbox (recipient, incident, id) WHERE route = 'alertmanager';
",
    "
    CREATE TABLE seal (
        name TEXT PRIMARY KEY,
        sum  INTEGER NOT NULL
    ) STRICT, WITHOUT ROWID;
",
    "
    CREATE TABLE canary (
        way      TEXT PRIMARY KEY,
        incident TEXT,
        record   TEXT NOT NULL
    ) STRICT, WITHOUT ROWID;
",
    // Hours are numbered from 1970. `rolled` says up to which outcome they hold what was seen.
    "
    CREATE TABLE hour (
        probe         INTEGER NOT NULL REFERENCES probe (id),
        hour          INTEGER NOT NULL,
        ok            INTEGER NOT NULL,
        degraded      INTEGER NOT NULL,
        failed        INTEGER NOT NULL,
        inconclusive  INTEGER NOT NULL,
        timeouts      INTEGER NOT NULL,
        asked         INTEGER NOT NULL,
        waits_in_vain INTEGER NOT NULL,
        steps         INTEGER,
        latency       BLOB NOT NULL,
        bot           BLOB,
        person        BLOB,
        PRIMARY KEY (probe, hour)
    ) STRICT, WITHOUT ROWID;
    CREATE TABLE rolled (
        singleton INTEGER PRIMARY KEY CHECK (singleton = 1),
        upto      INTEGER NOT NULL
    ) STRICT;
    INSERT INTO rolled VALUES (1, 0);

    CREATE TABLE turn (
        id        INTEGER PRIMARY KEY,
        channel   TEXT NOT NULL,
        at        INTEGER NOT NULL,
        condition TEXT NOT NULL
    ) STRICT;
    CREATE INDEX turn_of ON turn (channel);
    CREATE TABLE standing (
        channel   TEXT PRIMARY KEY,
        condition TEXT NOT NULL
    ) STRICT, WITHOUT ROWID;
    CREATE TABLE watch (
        from_at  INTEGER PRIMARY KEY,
        until_at INTEGER NOT NULL
    ) STRICT;
",
    // Incidents are kept for good, and reports ask for those of one channel.
    "CREATE INDEX incident_of ON incident (channel, confirmed_at);",
];

/// The latest layout that this program knows.
pub(super) fn known() -> i64 {
    i64::try_from(STEPS.len()).expect("the steps are a short list")
}

/// The layout of a database.
pub(super) fn layout(connection: &Connection) -> rusqlite::Result<i64> {
    connection.pragma_query_value(None, "user_version", |row| row.get(0))
}

/// Brings the layout up to date, each step in a transaction of its own.
pub(super) fn migrate(connection: &mut Connection, path: &Path) -> Result<(), StoreError> {
    let fail = |error| explain("bring the layout up to date", path, error);
    let found = layout(connection).map_err(fail)?;
    if found > known() {
        return Err(StoreError::TooNew { path: path.to_owned(), found, known: known() });
    }
    for (number, step) in (1..).zip(STEPS).skip_while(|(number, _)| *number <= found) {
        let transaction =
            connection.transaction_with_behavior(TransactionBehavior::Immediate).map_err(fail)?;
        transaction.execute_batch(step).map_err(fail)?;
        transaction.pragma_update(None, "user_version", number).map_err(fail)?;
        transaction.commit().map_err(fail)?;
    }
    if found < known() {
        seals::renew(connection).map_err(fail)?;
    }
    Ok(())
}

/// What a database lacks of what its layout says, if anything. What it has besides is nobody's business.
pub(super) fn lacks(connection: &Connection, layout: i64) -> rusqlite::Result<Option<String>> {
    let as_made = Connection::open_in_memory()?;
    for (_, step) in (0..layout).zip(STEPS) {
        as_made.execute_batch(step)?;
    }
    let found = parts(connection)?;
    Ok(parts(&as_made)?.difference(&found).next().map(|part| format!("it lacks {part}")))
}

/// Every column and every index that we have made.
fn parts(connection: &Connection) -> rusqlite::Result<BTreeSet<String>> {
    let mut statement = connection.prepare(
        "SELECT concat_ws(' ', 'the column', it.name || '.' || part.name, part.type, part.\"notnull\", part.pk)
         FROM sqlite_schema AS it JOIN pragma_table_info(it.name) AS part WHERE it.type = 'table'
         UNION ALL SELECT concat_ws(' ', 'the', type, name, 'of', tbl_name) FROM sqlite_schema
         WHERE type != 'table' AND sql IS NOT NULL",
    )?;
    statement.query_map([], |row| row.get(0))?.collect()
}

/// Whether the layout is the one that this version knows, for whoever only reads.
pub(super) fn check(connection: &Connection, path: &Path) -> Result<(), StoreError> {
    let fail = |error| explain("read the layout", path, error);
    let found: i64 = connection.pragma_query_value(None, "user_version", |row| row.get(0)).map_err(fail)?;
    let known = i64::try_from(STEPS.len()).expect("the steps are a short list");
    let path = path.to_owned();
    match found.cmp(&known) {
        std::cmp::Ordering::Less => Err(StoreError::TooOld { path, found, known }),
        std::cmp::Ordering::Equal => Ok(()),
        std::cmp::Ordering::Greater => Err(StoreError::TooNew { path, found, known }),
    }
}
