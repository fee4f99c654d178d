//! The store on a real disk: what is committed is whole, stays, and is handed out in order.

use std::{os::unix::fs::PermissionsExt, sync::Arc, time::Duration};

use jiff::{SignedDuration, Timestamp};
use lamplighter::{
    domain::{
        channel::{ChannelId, ProbeKey, ProbeName},
        evaluation::State,
        incident::{IncidentEvent, IncidentId},
        notification::Route,
        outcome::{Detail, Failure, Outcome, Phase, PhaseKind, Reason, Stage, Verdict},
    },
    store::{Due, Store, StoreError},
};
use rusqlite::Connection;
use tempfile::TempDir;

use crate::samples::{announcement, commit, decision, start};

const ANNA: &str = "anna@example.com";
const BERT: &str = "bert@example.com";

fn place() -> (TempDir, std::path::PathBuf) {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("lamplighter.db");
    (directory, path)
}

fn told(due: &[Due]) -> Vec<(String, IncidentEvent, String)> {
    let one = |due: &Due| {
        (due.notification.incident.0.clone(), due.notification.event, due.notification.recipient.clone())
    };
    due.iter().map(one).collect()
}

#[tokio::test]
async fn what_was_decided_is_there_after_a_restart() {
    let (_directory, path) = place();
    let opened = decision("web-chat", "i1", IncidentEvent::Opened, start());
    let store = Store::open(&path).unwrap();
    commit(&store, opened.clone(), &[ANNA, BERT]).await.unwrap();
    drop(store);

    let store = Store::open(&path).unwrap();
    let remembered = store.load().await.unwrap();
    let channel = &remembered.channels[&ChannelId::new("web-chat")];
    assert_eq!((channel.state, channel.since), (State::Dark, start()));
    assert_eq!(channel.incident, opened.incident);
    let due = store.due(Route::Mail, start(), 10).await.unwrap();
    let notifications: Vec<_> = due.into_iter().map(|due| due.notification).collect();
    assert_eq!(notifications, announcement(&opened, &[ANNA, BERT]).notifications);
}

#[tokio::test]
async fn a_resolved_incident_is_no_longer_open() {
    let (_directory, path) = place();
    let store = Store::open(&path).unwrap();
    commit(&store, decision("web-chat", "i1", IncidentEvent::Opened, start()), &[ANNA]).await.unwrap();
    commit(&store, decision("hotline", "i2", IncidentEvent::Opened, start()), &[ANNA]).await.unwrap();
    commit(&store, decision("web-chat", "i1", IncidentEvent::Resolved, start()), &[ANNA]).await.unwrap();

    let remembered = store.load().await.unwrap();
    let open = |id| remembered.channels[&ChannelId::new(id)].incident.as_ref().map(|open| open.id.clone());
    assert_eq!(open("web-chat"), None);
    assert_eq!(open("hotline"), Some(IncidentId("i2".to_owned())));
}

#[tokio::test]
async fn committing_a_decision_twice_tells_nobody_twice() {
    let (_directory, path) = place();
    let store = Store::open(&path).unwrap();
    let opened = decision("web-chat", "i1", IncidentEvent::Opened, start());
    commit(&store, opened.clone(), &[ANNA]).await.unwrap();
    commit(&store, opened.clone(), &[ANNA]).await.unwrap();
    let due = store.due(Route::Mail, start(), 10).await.unwrap();
    assert_eq!(due.len(), 1);

    store.delivered(due[0].id, start(), "250 ok".to_owned()).await.unwrap();
    commit(&store, opened, &[ANNA]).await.unwrap();
    assert!(store.due(Route::Mail, start(), 10).await.unwrap().is_empty());
}

#[tokio::test]
async fn a_later_mail_of_an_incident_waits_for_the_earlier_one_to_the_same_recipient() {
    let (_directory, path) = place();
    let store = Store::open(&path).unwrap();
    commit(&store, decision("web-chat", "i1", IncidentEvent::Opened, start()), &[ANNA, BERT]).await.unwrap();
    commit(&store, decision("web-chat", "i1", IncidentEvent::Resolved, start()), &[ANNA, BERT])
        .await
        .unwrap();

    let due = store.due(Route::Mail, start(), 10).await.unwrap();
    assert_eq!(
        told(&due),
        [
            ("i1".into(), IncidentEvent::Opened, ANNA.into()),
            ("i1".into(), IncidentEvent::Opened, BERT.into())
        ]
    );
    let later = start() + SignedDuration::from_secs(300);
    store.postpone(due[0].id, later, "451 later".to_owned()).await.unwrap();
    store.give_up(due[1].id, start(), "550 no such user".to_owned()).await.unwrap();

    let due = store.due(Route::Mail, start(), 10).await.unwrap();
    assert_eq!(
        told(&due),
        [("i1".into(), IncidentEvent::Resolved, BERT.into())],
        "Anna's is held, Bert's not"
    );
    store.delivered(due[0].id, start(), "250 ok".to_owned()).await.unwrap();
    assert_eq!(store.next_due_at(Route::Mail).await.unwrap(), Some(later));

    let due = store.due(Route::Mail, later, 10).await.unwrap();
    assert_eq!(told(&due), [("i1".into(), IncidentEvent::Opened, ANNA.into())]);
    assert_eq!(due[0].tries, 1);
}

#[tokio::test]
async fn a_clock_set_back_does_not_hold_mail_up() {
    let (_directory, path) = place();
    let store = Store::open(&path).unwrap();
    commit(&store, decision("web-chat", "i1", IncidentEvent::Opened, start()), &[ANNA]).await.unwrap();
    let due = store.due(Route::Mail, start(), 10).await.unwrap();
    store.postpone(due[0].id, start() + SignedDuration::from_secs(300), "451".to_owned()).await.unwrap();

    assert!(store.due(Route::Mail, start(), 10).await.unwrap().is_empty());
    let an_hour_earlier = start() - SignedDuration::from_hours(1);
    assert_eq!(store.due(Route::Mail, an_hour_earlier, 10).await.unwrap().len(), 1);
}

#[tokio::test]
async fn the_backlog_counts_what_is_pending_and_names_the_oldest() {
    let (_directory, path) = place();
    let store = Store::open(&path).unwrap();
    let later = start() + SignedDuration::from_secs(60);
    commit(&store, decision("web-chat", "i1", IncidentEvent::Opened, start()), &[ANNA, BERT]).await.unwrap();
    commit(&store, decision("web-chat", "i1", IncidentEvent::Resolved, later), &[ANNA]).await.unwrap();
    let backlog = store.backlog().await.unwrap();
    assert_eq!((backlog[0].pending, backlog[0].oldest), (3, Some(start())));

    for due in store.due(Route::Mail, start(), 10).await.unwrap() {
        store.delivered(due.id, start(), "250 ok".to_owned()).await.unwrap();
    }
    let backlog = store.backlog().await.unwrap();
    assert_eq!((backlog[0].pending, backlog[0].oldest), (1, Some(later)));
}

#[tokio::test]
async fn two_daemons_cannot_share_a_store() {
    let (_directory, path) = place();
    let first = Store::open(&path).unwrap();
    let second = Store::open(&path).unwrap_err();
    assert!(matches!(second, StoreError::InUse { .. }), "{second}");
    drop(first);
    Store::open(&path).unwrap();
}

#[test]
fn a_store_of_a_later_version_is_refused_and_left_alone() {
    let (_directory, path) = place();
    drop(Store::open(&path).unwrap());
    let other = Connection::open(&path).unwrap();
    other.pragma_update(None, "user_version", 99).unwrap();
    drop(other);

    let error = Store::open(&path).unwrap_err();
    assert!(matches!(error, StoreError::TooNew { found: 99, .. }), "{error}");
    let other = Connection::open(&path).unwrap();
    let version: i64 = other.pragma_query_value(None, "user_version", |row| row.get(0)).unwrap();
    assert_eq!(version, 99);
}

#[test]
fn a_file_that_is_no_database_is_refused_and_left_alone() {
    let (_directory, path) = place();
    let letter = "Dear customer, ".repeat(1000);
    std::fs::write(&path, &letter).unwrap();
    let error = Store::open(&path).unwrap_err();
    assert!(matches!(error, StoreError::Damaged { .. }), "{error}");
    assert_eq!(std::fs::read_to_string(&path).unwrap(), letter);
}

#[tokio::test]
async fn only_its_owner_can_read_the_store() {
    let (directory, path) = place();
    let store = Store::open(&path).unwrap();
    commit(&store, decision("web-chat", "i1", IncidentEvent::Opened, start()), &[ANNA]).await.unwrap();
    let mut files = 0;
    for entry in std::fs::read_dir(directory.path()).unwrap() {
        let entry = entry.unwrap();
        let mode = entry.metadata().unwrap().permissions().mode() & 0o777;
        assert_eq!(mode, 0o600, "{:?}", entry.path());
        files += 1;
    }
    assert!(files >= 3, "database, journal and lock, at least");
}

#[tokio::test]
async fn a_store_locked_by_another_program_says_so_and_takes_the_decision_later() {
    let (_directory, path) = place();
    let store = Store::open(&path).unwrap();
    let opened = decision("web-chat", "i1", IncidentEvent::Opened, start());
    let other = Connection::open(&path).unwrap();
    other.execute_batch("BEGIN IMMEDIATE").unwrap();
    let error = store.commit(vec![opened.clone()]).await.unwrap_err();
    assert!(matches!(error, StoreError::Busy { .. }), "{error}");

    other.execute_batch("ROLLBACK").unwrap();
    assert!(store.load().await.unwrap().channels.is_empty(), "nothing of it has happened");
    commit(&store, opened, &[ANNA]).await.unwrap();
    assert_eq!(store.due(Route::Mail, start(), 10).await.unwrap().len(), 1);
}

#[tokio::test]
async fn of_decisions_committed_together_all_are_there_or_none() {
    let (_directory, path) = place();
    let store = Store::open(&path).unwrap();
    let decisions = vec![
        decision("web-chat", "i1", IncidentEvent::Opened, start()),
        decision("hotline", "i2", IncidentEvent::Opened, start()),
    ];
    let other = Connection::open(&path).unwrap();
    let refuse = "CREATE TRIGGER refuse BEFORE INSERT ON happening WHEN new.incident = 'i2' \
                  BEGIN SELECT raise(ABORT, 'refused'); END";
    other.execute_batch(refuse).unwrap();
    store.commit(decisions.clone()).await.unwrap_err();
    let remembered = store.load().await.unwrap();
    assert!(remembered.channels.is_empty() && remembered.owed.is_empty());

    other.execute_batch("DROP TRIGGER refuse").unwrap();
    store.commit(decisions).await.unwrap();
    let remembered = store.load().await.unwrap();
    assert_eq!((remembered.channels.len(), remembered.owed.len()), (2, 2));
}

fn outcome(probe: &Arc<ProbeKey>, started_at: Timestamp, verdict: Verdict) -> Outcome {
    let phase = |kind, offset: u64, duration: u64| Phase {
        step: None,
        hop: 0,
        kind,
        offset: Duration::from_micros(offset),
        duration: Duration::from_micros(duration),
    };
    Outcome {
        probe: Arc::clone(probe),
        started_at,
        duration: Duration::from_micros(1_500),
        verdict,
        phases: vec![phase(PhaseKind::Connect, 0, 400), phase(PhaseKind::Wait, 400, 1_100)],
        certificate_expires_at: None,
        contact: None,
        met: Vec::new(),
    }
}

#[tokio::test]
async fn outcomes_become_rows_that_others_can_read() {
    let (_directory, path) = place();
    let store = Store::open(&path).unwrap();
    let probe = Arc::new(ProbeKey { channel: ChannelId::new("web-chat"), probe: ProbeName::new("launcher") });
    let failure = Failure {
        stage: Stage::Expect,
        step: Some("open".into()),
        reason: Reason::Missing,
        cause: Some(Reason::Status),
        detail: Detail::new("404 for launcher.js"),
    };
    let outcomes =
        [outcome(&probe, start(), Verdict::Ok), outcome(&probe, start(), Verdict::Failed(failure))];
    store.append(outcomes.into()).await.unwrap();

    let other = Connection::open(&path).unwrap();
    let rows: Vec<String> = other
        .prepare(
            "SELECT concat_ws(' ', channel, probe.probe, started_at, duration_us, outcome, stage, step, reason, cause, detail, phases)
             FROM outcome JOIN probe ON probe.id = outcome.probe ORDER BY outcome.id",
        )
        .unwrap()
        .query_map([], |row| row.get(0))
        .unwrap()
        .map(Result::unwrap)
        .collect();
    assert_eq!(
        rows,
        [
            r#"web-chat launcher 1795226652000 1500 ok [["connect",0,400],["wait",400,1100]]"#,
            r#"web-chat launcher 1795226652000 1500 failed expect open missing status 404 for launcher.js [["connect",0,400],["wait",400,1100]]"#,
        ]
    );
}

#[tokio::test]
async fn outcomes_older_than_thirty_days_leave_in_portions() {
    let (_directory, path) = place();
    let store = Store::open(&path).unwrap();
    let probe = Arc::new(ProbeKey { channel: ChannelId::new("web-chat"), probe: ProbeName::new("launcher") });
    let old = start() - SignedDuration::from_hours(31 * 24);
    let batch =
        |at, count| -> Arc<[Outcome]> { (0..count).map(|_| outcome(&probe, at, Verdict::Ok)).collect() };
    store.append(batch(old, 300)).await.unwrap();
    store.append(batch(start() - SignedDuration::from_hours(29 * 24), 5)).await.unwrap();
    let other = Connection::open(&path).unwrap();
    let count = || other.query_row("SELECT count(*) FROM outcome", [], |row| row.get::<_, i64>(0)).unwrap();
    assert_eq!(count(), 305, "nothing is old yet, seen from there");

    let mut before = count();
    for _ in 0..40 {
        store.append(batch(start(), 1)).await.unwrap();
        assert!(before - count() <= 20, "a portion is small");
        before = count();
    }
    assert_eq!(count(), 45, "what is young enough stays");
}

#[tokio::test]
async fn the_query_of_the_page_on_delivery_reads_the_outbox_while_it_is_in_use() {
    let page = std::fs::read_to_string(concat!(env!("CARGO_MANIFEST_DIR"), "/docs/delivery.md")).unwrap();
    let line = page.lines().find(|line| line.trim_start().starts_with("sqlite3 -readonly")).unwrap();
    let query = line.split('"').nth(1).unwrap();
    let (_directory, path) = place();
    let store = Store::open(&path).unwrap();
    commit(&store, decision("web-chat", "i1", IncidentEvent::Opened, start()), &[ANNA, BERT]).await.unwrap();
    let reader = Connection::open_with_flags(&path, rusqlite::OpenFlags::SQLITE_OPEN_READ_ONLY).unwrap();
    let mut query = reader.prepare(query).unwrap();
    let recipients: Vec<String> =
        query.query_map([], |row| row.get("recipient")).unwrap().map(Result::unwrap).collect();
    assert_eq!(recipients, [BERT, ANNA]);
}
