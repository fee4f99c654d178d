//! A store that takes nothing, does not answer, or is damaged while the daemon runs: people are told all the same, once,
//! and the store knows it when it works again.

use std::path::Path;

use lamplighter::domain::evaluation::State;
use rusqlite::Connection;

use super::{
    stage::{Door, Play, doors, pass, plan},
    telling::behind_a_crm,
};

fn saboteur(directory: &Path) -> Connection {
    Connection::open(directory.join("play.db")).unwrap()
}

/// `status event` of every row of the outbox, in its order.
fn outbox(directory: &Path) -> Vec<String> {
    let connection = saboteur(directory);
    let mut query = connection.prepare("SELECT status || ' ' || event FROM outbox ORDER BY id").unwrap();
    query.query_map([], |row| row.get(0)).unwrap().map(Result::unwrap).collect()
}

fn open_incidents(directory: &Path) -> Vec<String> {
    let connection = saboteur(directory);
    let mut query = connection.prepare("SELECT channel FROM incident WHERE resolved_at IS NULL").unwrap();
    query.query_map([], |row| row.get(0)).unwrap().map(Result::unwrap).collect()
}

const REFUSE: &str = "ALTER TABLE channel RENAME TO hidden";
const HEAL: &str = "ALTER TABLE hidden RENAME TO channel";

#[tokio::test(start_paused = true)]
async fn outages_and_recoveries_are_told_while_the_store_takes_nothing_and_not_again_after_it() {
    let directory = tempfile::tempdir().unwrap();
    let doors = doors(["chat", "hotline"]);
    let play = Play::start(plan(&doors, |_| {}), directory.path()).await;
    pass(20).await;
    let saboteur = saboteur(directory.path());
    saboteur.execute_batch(REFUSE).unwrap();
    doors["chat"].set(Door::Fails);
    pass(60).await;
    assert_eq!(play.sum("lamplighter_store_degraded"), 1.0);
    assert_eq!(play.state("chat"), State::Dark, "it goes on from memory");
    let mut news = play.mailbox.news();
    news.sort();
    assert_eq!(news, ["opened chat", "store monitor"]);
    doors["chat"].set(Door::Works);
    doors["hotline"].set(Door::Fails);
    pass(60).await;
    let mut news = play.mailbox.news()[2..].to_vec();
    news.sort();
    assert_eq!(news, ["opened hotline", "resolved chat"]);
    doors["hotline"].set(Door::Works);
    pass(600).await;
    doors["chat"].set(Door::Fails);
    pass(60).await;
    assert_eq!(play.mailbox.news()[4..], ["resolved hotline", "opened chat"]);

    saboteur.execute_batch(HEAL).unwrap();
    pass(30).await;
    assert_eq!(play.sum("lamplighter_store_degraded"), 0.0);
    assert_eq!(play.mailbox.news().len(), 6, "nothing is told twice");
    let mut rows = outbox(directory.path());
    rows.sort();
    let expected =
        ["opened", "opened", "opened", "resolved", "resolved"].map(|event| format!("delivered {event}"));
    assert_eq!(rows, expected);
    assert_eq!(open_incidents(directory.path()), ["chat"]);
    let count = |query| saboteur.query_row(query, [], |row| row.get::<_, i64>(0)).unwrap();
    assert_eq!(count("SELECT count(*) FROM happening"), 5);
    assert_eq!(count("SELECT count(*) FROM happening WHERE told_in IS NULL"), 0, "all of it counts as told");
    assert_eq!(count("SELECT count(*) FROM alert_case WHERE closed_at IS NULL"), 1);
    assert_eq!(count("SELECT count(*) FROM alert_case"), 3);
    doors["chat"].set(Door::Works);
    pass(60).await;
    assert_eq!(play.mailbox.news()[6..], ["resolved chat"], "and it goes on as ever");
    play.end().await;
}

#[tokio::test(start_paused = true)]
async fn one_cause_is_one_mail_while_the_store_takes_nothing_too() {
    let directory = tempfile::tempdir().unwrap();
    let doors = doors(["crm", "chat", "form", "hotline", "portal", "other"]);
    let play = Play::start(behind_a_crm(&doors, &["other"]), directory.path()).await;
    pass(120).await;
    let saboteur = saboteur(directory.path());
    saboteur.execute_batch(REFUSE).unwrap();
    let behind = || doors.iter().filter(|(name, _)| **name != "other").map(|(_, door)| door);
    behind().for_each(|door| door.set(Door::Fails));
    pass(300).await;
    assert_eq!(play.sum("lamplighter_store_degraded"), 1.0);
    let news = play.mailbox.news();
    assert_eq!(news.len(), 2, "one about the store, one about the CRM: {news:?}");
    let texts = play.mailbox.texts();
    let text = texts.iter().find(|text| text.contains("In common: The CRM (crm)")).expect("one about it");
    for name in ["chat", "form", "hotline", "portal"] {
        assert_eq!(text.matches(&format!("\n  {name}")).count(), 1, "{name}: {text}");
    }
    behind().for_each(|door| door.set(Door::Works));
    pass(300).await;
    assert_eq!(play.mailbox.news().len(), 3, "one end: {:?}", play.mailbox.news());
    saboteur.execute_batch(HEAL).unwrap();
    pass(60).await;
    assert_eq!(play.mailbox.news().len(), 3, "nothing is told twice");
    assert_eq!(outbox(directory.path()), ["delivered opened", "delivered resolved"]);
    play.end().await;
}

#[tokio::test(start_paused = true)]
async fn the_mail_about_the_store_says_why_and_comes_once_an_hour() {
    let directory = tempfile::tempdir().unwrap();
    let doors = doors(["chat"]);
    let play = Play::start(plan(&doors, |_| {}), directory.path()).await;
    pass(20).await;
    let saboteur = saboteur(directory.path());
    for _ in 0..30 {
        // Nothing is decided; it is the history that cannot be written.
        saboteur.execute_batch("ALTER TABLE outcome RENAME TO hidden").unwrap();
        pass(60).await;
        saboteur.execute_batch("ALTER TABLE hidden RENAME TO outcome").unwrap();
        pass(30).await;
    }
    assert_eq!(play.mailbox.news(), ["store monitor"]);
    let text = &play.mailbox.texts()[0];
    assert!(
        text.contains("no such table: main.outcome") || text.contains("no such table: outcome"),
        "{text}"
    );
    play.end().await;
}

/// What is done to the files of a store that is in use.
fn do_harm(harm: &str, directory: &Path) {
    let (path, journal) = (directory.join("play.db"), directory.join("play.db-wal"));
    if harm == "deleted" {
        std::fs::remove_file(path).unwrap();
        std::fs::remove_file(journal).unwrap();
        return;
    }
    let garbage = vec![0x5a; 200_000];
    std::fs::write(path, &garbage).unwrap();
    std::fs::write(journal, &garbage).unwrap();
}

#[tokio::test(start_paused = true)]
async fn a_store_that_is_damaged_while_the_daemon_runs_is_replaced_and_everybody_told() {
    for harm in ["garbage", "deleted"] {
        let directory = tempfile::tempdir().unwrap();
        let doors = doors(["chat", "hotline"]);
        let play = Play::start(plan(&doors, |_| {}), directory.path()).await;
        pass(20).await;
        assert_eq!(play.sum("lamplighter_store_backups_total{result=\"made\"}"), 1.0);
        doors["chat"].set(Door::Fails);
        pass(60).await;
        assert_eq!(play.mailbox.news(), ["opened chat"]);
        do_harm(harm, directory.path());
        // What SQLite has in its memory it need not read; at the latest the next backup does.
        doors["hotline"].set(Door::Fails);
        pass(3_700).await;
        let mut news = play.mailbox.news();
        news.sort();
        // Whether these two were told cannot be read any more, so they are told again.
        let expected = ["opened chat", "opened chat", "opened hotline", "opened hotline", "store monitor"];
        assert_eq!(news, expected, "{harm}: {:?}", play.metrics("lamplighter_store"));
        assert_eq!(play.sum("lamplighter_store_degraded"), 0.0);
        assert!(play.sum("lamplighter_store_restored_timestamp_seconds") > 0.0);
        let mut open = open_incidents(directory.path());
        open.sort();
        assert_eq!(open, ["chat", "hotline"]);
        doors.values().for_each(|door| door.set(Door::Works));
        pass(60).await;
        let resolved = play.mailbox.news().iter().filter(|news| news.starts_with("resolved")).count();
        assert_eq!(resolved, 2, "{:?}", play.mailbox.news());
        play.end().await;
    }
}
