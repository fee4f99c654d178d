//! What two years of history cost: a year of ten thousand probes, hour by hour as it grows, and what questions about it take.

use std::{path::Path, sync::Arc, time::Duration};

use jiff::{SignedDuration, Timestamp, tz::TimeZone};
use lamplighter::{
    domain::{
        channel::{ChannelId, ChannelKind, ProbeKey, ProbeName},
        hourly::HOUR,
        ledger::{Condition, Turn, Watch},
        outcome::{Detail, Failure, Outcome, Reason, Stage, Verdict},
    },
    store::{
        Store,
        explain::Archive,
        report::{Ask, AskedChannel},
    },
};
use rusqlite::Connection;
use tokio::{runtime::Runtime, time::Instant};

use crate::{
    nginx::Nginx,
    table::{Row, Table},
};

const PROBES: u64 = 10_000;
const DAYS: i64 = 365;
const EVERY: u64 = 30;

/// When the last hour begins.
fn last_hour() -> Timestamp {
    "2026-11-21T02:00:00Z".parse().unwrap()
}

fn end() -> Timestamp {
    last_hour() + SignedDuration::from_hours(1)
}

fn id(probe: u64) -> ChannelId {
    ChannelId::new(&format!("channel-{probe:05}"))
}

/// A year of history.
pub fn year(_: &Nginx, table: &mut Table) {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("lamplighter.db");
    let runtime = Runtime::new().unwrap();
    let store = Store::open(&path).unwrap();
    runtime.block_on(write_hour(&store));
    let (mut longest, began) = (Duration::ZERO, Instant::now());
    loop {
        let begins = Instant::now();
        let portion = runtime.block_on(store.roll_up()).unwrap();
        longest = longest.max(begins.elapsed());
        if !portion.has_more {
            break;
        }
    }
    table.row(
        Row::stated(
            &format!("an hour of runs of {PROBES} probes put together"),
            began.elapsed().as_secs_f64(),
            "s",
        )
        .detail(format!("the store is busy for {} ms at most", longest.as_millis())),
    );
    runtime.block_on(note_turns(&store));
    drop(store);
    let runs = size(&path);
    grow(&path);
    let grown = size(&path) - runs;
    #[expect(clippy::cast_precision_loss, reason = "a size to three digits")]
    let a_day = grown as f64 / PROBES as f64 / DAYS as f64;
    table.row(
        Row::stated("the history by the hour, bytes per probe and day", a_day, "B")
            .detail(format!("{} MB for a year of {PROBES} probes", grown >> 20)),
    );
    ask(&path, table);
}

/// An hour of runs as they are: most about a third of a second, some longer, a few that fail.
async fn write_hour(store: &Store) {
    let mut seed = 5_u64;
    let keys: Vec<Arc<ProbeKey>> = (0..PROBES)
        .map(|probe| Arc::new(ProbeKey { channel: id(probe), probe: ProbeName::new("answers") }))
        .collect();
    for turn in 0..3_600 / EVERY {
        let started_at = last_hour() + Duration::from_secs(turn * EVERY);
        let outcomes = keys.iter().map(|probe| {
            seed = seed.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
            let chance = seed >> 44;
            let failed = chance.is_multiple_of(1_000);
            let failure = || Failure {
                stage: Stage::Wait,
                step: None,
                reason: Reason::FirstByteTimeout,
                cause: None,
                detail: Detail::new("no answer within 10 s"),
            };
            Outcome {
                probe: Arc::clone(probe),
                started_at,
                duration: Duration::from_micros(250_000 + (chance * chance) % 400_000),
                verdict: if failed { Verdict::Failed(failure()) } else { Verdict::Ok },
                phases: Vec::new(),
                certificate_expires_at: None,
                contact: None,
                met: Vec::new(),
            }
        });
        store.append(outcomes.collect()).await.unwrap();
    }
}

/// Every channel was dark twice a month.
async fn note_turns(store: &Store) {
    let began = end() - SignedDuration::from_hours(DAYS * 24);
    let watch = Watch { from: began, until: end() };
    let note = async |at: Timestamp, to| {
        let turns = (0..PROBES).map(|probe| Turn { channel: id(probe), at, to });
        store.note(turns.collect(), watch).await.unwrap();
    };
    note(began, Condition::Up).await;
    for outage in 1..24 {
        let at = began + SignedDuration::from_hours(outage * 15 * 24);
        note(at, Condition::Dark).await;
        note(at + SignedDuration::from_mins(20), Condition::Up).await;
    }
}

/// The hours of the year before, copied from the last one in the order in which they would have come.
fn grow(path: &Path) {
    let connection = Connection::open(path).unwrap();
    connection.execute_batch("PRAGMA synchronous = off; PRAGMA cache_size = -400000").unwrap();
    let last = last_hour().as_second() / HOUR;
    let columns =
        "ok, degraded, failed, inconclusive, timeouts, asked, waits_in_vain, steps, latency, bot, person";
    let copy = format!(
        "INSERT INTO hour (probe, hour, {columns}) SELECT probe, ?, {columns} FROM temp.one ORDER BY probe"
    );
    connection.execute_batch("CREATE TEMP TABLE one AS SELECT * FROM hour; DELETE FROM hour; BEGIN").unwrap();
    for (count, hour) in (last - DAYS * 24 + 1..=last).enumerate() {
        connection.execute(&copy, [hour]).unwrap();
        if count % 100 == 99 {
            connection.execute_batch("COMMIT; BEGIN").unwrap();
        }
    }
    connection.execute_batch("COMMIT; PRAGMA wal_checkpoint(truncate)").unwrap();
}

fn size(path: &Path) -> u64 {
    std::fs::metadata(path).unwrap().len()
}

fn ask(path: &Path, table: &mut Table) {
    let archive = Archive::open(path).unwrap();
    let mut stated = |figure: &str, began: Instant| {
        table.row(Row::stated(figure, began.elapsed().as_secs_f64() * 1e3, "ms"));
    };
    let began = Instant::now();
    let chronicler = archive.chronicler(end(), TimeZone::UTC).unwrap();
    stated("what was not put together yet, of all probes", began);
    let began = Instant::now();
    assert_eq!(chronicler.of(&id(77)).unwrap().days.len(), 90);
    stated("the past of one channel, 90 days and 48 hours", began);
    let began = Instant::now();
    (0..PROBES).for_each(|probe| drop(chronicler.of(&id(probe)).unwrap()));
    stated(&format!("the past of {PROBES} channels"), began);
    for days in [30, DAYS / 2] {
        let began = Instant::now();
        let channel =
            AskedChannel { id: id(4_711), title: "A door".to_owned(), kind: ChannelKind::Chat, slo: None };
        let ask = Ask {
            team: None,
            from: end() - SignedDuration::from_hours(days * 24),
            until: end(),
            time_zone: TimeZone::UTC,
            channels: vec![channel],
        };
        let report = archive.report(&ask).unwrap();
        assert!(report.channels[0].probes[0].now.runs > 80_000);
        stated(&format!("a report on one channel over {days} days and as long before"), began);
    }
}
