//! From what runs saw to what people are told, through a real store.

use std::{sync::Arc, time::Duration};

use lamplighter::{
    config::plan::ProbePlan,
    domain::{evaluation::State, outcome::InconclusiveReason},
};

use super::stage::{Door, Play, PlayedDoor, doors, pass, plan};

/// Every channel is judged within a few seconds.
fn soon(probe: &mut ProbePlan) {
    probe.every = Duration::from_secs(2);
}

#[tokio::test(start_paused = true)]
async fn an_outage_is_told_once_and_its_end_once() {
    let directory = tempfile::tempdir().unwrap();
    let doors = doors(["chat", "hotline"]);
    let play = Play::start(plan(&doors, |_| {}), directory.path()).await;
    pass(20).await;
    assert_eq!((play.state("chat"), play.state("hotline")), (State::Up, State::Up));
    doors["chat"].set(Door::Fails);
    pass(20).await;
    assert_eq!(play.mailbox.news(), Vec::<String>::new(), "two failed looks are not an outage yet");
    pass(20).await;
    assert_eq!((play.state("chat"), play.state("hotline")), (State::Dark, State::Up));
    pass(600).await;
    assert_eq!(play.mailbox.news(), ["opened chat"]);
    doors["chat"].set(Door::Works);
    pass(30).await;
    assert_eq!(play.state("chat"), State::Up);
    pass(600).await;
    assert_eq!(play.mailbox.news(), ["opened chat", "resolved chat"]);
    assert_eq!(play.sum("support_incidents_total{channel=\"chat\",severity=\"dark\"}"), 1.0);
    assert_eq!(play.sum("support_incident_open"), 0.0);
    assert_eq!(play.sum("lamplighter_notifications_total{result=\"delivered\",route=\"mail\"}"), 2.0);
    play.end().await;
}

#[tokio::test(start_paused = true)]
async fn a_second_outage_during_a_first_is_told_on_its_own() {
    let directory = tempfile::tempdir().unwrap();
    let doors = doors(["chat", "hotline"]);
    let play = Play::start(plan(&doors, |_| {}), directory.path()).await;
    pass(20).await;
    doors["chat"].set(Door::Fails);
    pass(60).await;
    doors["hotline"].set(Door::Hangs);
    pass(60).await;
    assert_eq!(play.mailbox.news(), ["opened chat", "opened hotline"]);
    doors["chat"].set(Door::Works);
    pass(60).await;
    assert_eq!(play.mailbox.news(), ["opened chat", "opened hotline", "resolved chat"]);
    assert_eq!((play.state("chat"), play.state("hotline")), (State::Up, State::Dark));
    assert!(play.sum("support_probe_timeouts_total{channel=\"hotline\"") >= 6.0);
    play.end().await;
}

#[tokio::test(start_paused = true)]
async fn of_many_channels_that_fall_at_once_each_is_named_in_one_mail_and_none_is_said_to_work() {
    let directory = tempfile::tempdir().unwrap();
    // More than are committed at once.
    let names: Vec<&str> = (0..100).map(|number| &*format!("door{number:02}").leak()).collect();
    let doors = names.iter().map(|&name| (name, PlayedDoor::new())).collect();
    let play = Play::start(plan(&doors, soon), directory.path()).await;
    pass(20).await;
    let saboteur = rusqlite::Connection::open(directory.path().join("play.db")).unwrap();
    saboteur.execute_batch("ALTER TABLE channel RENAME TO hidden").unwrap();
    doors.values().for_each(|door| door.set(Door::Fails));
    pass(8).await;
    assert_eq!(play.mailbox.news(), Vec::<String>::new());
    saboteur.execute_batch("ALTER TABLE hidden RENAME TO channel").unwrap();
    pass(10).await;
    assert_eq!(play.mailbox.news(), ["opened door00"]);
    let text = &play.mailbox.texts()[0];
    assert!(text.starts_with("DARK since 03:04:32 UTC: 100 channels at once\n"), "{text}");
    for name in &names {
        assert_eq!(text.matches(&format!("\n  {name} ")).count(), 1, "{name}: {text}");
    }
    assert!(text.contains("Still works: no other door is known to work right now"), "{text}");
    play.end().await;
}

#[tokio::test(start_paused = true)]
async fn a_verdict_that_the_store_refuses_holds_up_none_that_was_decided_before_it() {
    let directory = tempfile::tempdir().unwrap();
    let doors = doors(["chat", "hotline", "ticket"]);
    let play = Play::start(plan(&doors, soon), directory.path()).await;
    pass(20).await;
    let saboteur = rusqlite::Connection::open(directory.path().join("play.db")).unwrap();
    saboteur.execute_batch("ALTER TABLE channel RENAME TO hidden").unwrap();
    doors.values().for_each(|door| door.set(Door::Fails));
    pass(8).await;
    let refuse_one = "CREATE TRIGGER refuse BEFORE INSERT ON incident WHEN new.channel = 'hotline' \
                      BEGIN SELECT raise(ABORT, 'refused'); END";
    saboteur.execute_batch(refuse_one).unwrap();
    saboteur.execute_batch("ALTER TABLE hidden RENAME TO channel").unwrap();
    pass(3).await;
    assert_eq!(play.mailbox.news(), ["opened chat"]);
    saboteur.execute_batch("DROP TRIGGER refuse").unwrap();
    pass(10).await;
    let mut news = play.mailbox.news();
    news.sort();
    assert_eq!(news, ["opened chat", "opened hotline", "opened ticket"]);
    play.end().await;
}

#[tokio::test(start_paused = true)]
async fn a_restart_announces_nothing_again_and_forgets_nothing() {
    let directory = tempfile::tempdir().unwrap();
    let doors = doors(["chat", "hotline"]);
    let play = Play::start(plan(&doors, |_| {}), directory.path()).await;
    pass(20).await;
    doors["chat"].set(Door::Fails);
    pass(60).await;
    let (mailbox, clock) = (Arc::clone(&play.mailbox), play.clock);
    play.end().await;

    let play = Play::resume(plan(&doors, |_| {}), directory.path(), mailbox, clock).await;
    assert_eq!(play.state("chat"), State::Dark, "dark from the first moment on");
    assert_eq!(play.sum("support_incident_open{channel=\"chat\",severity=\"dark\"}"), 1.0);
    pass(300).await;
    assert_eq!(play.mailbox.news(), ["opened chat"]);
    doors["chat"].set(Door::Works);
    pass(60).await;
    assert_eq!(play.mailbox.news(), ["opened chat", "resolved chat"]);
    play.end().await;
}

#[tokio::test(start_paused = true)]
async fn a_restart_while_nobody_can_look_ends_no_outage_at_the_first_success() {
    let directory = tempfile::tempdir().unwrap();
    let doors = doors(["chat"]);
    let play = Play::start(plan(&doors, |_| {}), directory.path()).await;
    pass(20).await;
    doors["chat"].set(Door::Fails);
    pass(60).await;
    doors["chat"].set(Door::Unseen);
    pass(60).await;
    assert_eq!(play.state("chat"), State::Unknown);
    let (mailbox, clock) = (Arc::clone(&play.mailbox), play.clock);
    play.end().await;

    let before = doors["chat"].starts().len();
    let play = Play::resume(plan(&doors, |_| {}), directory.path(), mailbox, clock).await;
    doors["chat"].set(Door::Works);
    while doors["chat"].starts().len() == before {
        pass(1).await;
    }
    pass(2).await;
    assert_eq!(play.state("chat"), State::Unknown, "one success is no recovery");
    pass(10).await;
    assert_eq!(play.state("chat"), State::Up);
    assert_eq!(play.mailbox.news(), ["opened chat", "resolved chat"]);
    play.end().await;
}

#[tokio::test(start_paused = true)]
async fn a_store_that_refuses_for_a_moment_delays_the_verdict_and_loses_none() {
    let directory = tempfile::tempdir().unwrap();
    let doors = doors(["chat", "hotline"]);
    let play = Play::start(plan(&doors, soon), directory.path()).await;
    pass(20).await;
    let saboteur = rusqlite::Connection::open(directory.path().join("play.db")).unwrap();
    saboteur.execute_batch("ALTER TABLE channel RENAME TO hidden").unwrap();
    doors["chat"].set(Door::Fails);
    pass(8).await;
    assert_eq!(play.sum("lamplighter_store_degraded"), 1.0);
    assert_eq!(play.state("chat"), State::Up, "what is not committed is not adopted");
    doors["chat"].set(Door::Works);
    pass(4).await;
    assert_eq!(play.mailbox.news(), Vec::<String>::new());
    saboteur.execute_batch("ALTER TABLE hidden RENAME TO channel").unwrap();
    pass(60).await;
    assert_eq!(
        play.mailbox.news(),
        ["opened chat", "resolved chat"],
        "the outage is told, and its end after it"
    );
    assert_eq!(play.sum("lamplighter_store_degraded"), 0.0);
    play.end().await;
}

#[tokio::test(start_paused = true)]
async fn what_is_owed_when_the_end_comes_is_committed_and_told_before_it() {
    let directory = tempfile::tempdir().unwrap();
    let doors = doors(["chat"]);
    let play = Play::start(plan(&doors, soon), directory.path()).await;
    pass(20).await;
    let saboteur = rusqlite::Connection::open(directory.path().join("play.db")).unwrap();
    saboteur.execute_batch("ALTER TABLE channel RENAME TO hidden").unwrap();
    doors["chat"].set(Door::Fails);
    pass(8).await;
    assert_eq!(play.mailbox.news(), Vec::<String>::new());
    saboteur.execute_batch("ALTER TABLE hidden RENAME TO channel").unwrap();
    let mailbox = Arc::clone(&play.mailbox);
    play.end().await;
    assert_eq!(mailbox.news(), ["opened chat"]);
}

#[tokio::test(start_paused = true)]
async fn a_channel_that_cannot_be_looked_at_is_unknown_and_not_dark() {
    let directory = tempfile::tempdir().unwrap();
    let doors = doors(["chat"]);
    let play = Play::start(plan(&doors, |_| {}), directory.path()).await;
    pass(20).await;
    assert_eq!(play.metrics("support_channel_up"), ["support_channel_up{channel=\"chat\"} 1"]);
    doors["chat"].set(Door::Unseen);
    pass(30).await;
    assert_eq!(play.state("chat"), State::Up);
    pass(20).await;
    assert_eq!(play.state("chat"), State::Unknown);
    assert_eq!(play.metrics("support_channel_up"), Vec::<String>::new());
    pass(600).await;
    assert_eq!(play.mailbox.news(), Vec::<String>::new());
    assert!(play.sum("support_probe_runs_total{channel=\"chat\",probe=\"door\",location=\"fra-1\",outcome=\"inconclusive\"}") > 60.0);
    play.end().await;
}

#[tokio::test(start_paused = true)]
async fn the_monitor_is_blind_only_while_not_one_probe_can_look() {
    let directory = tempfile::tempdir().unwrap();
    let doors = doors(["chat", "hotline"]);
    let play = Play::start(plan(&doors, |_| {}), directory.path()).await;
    let blind = || play.sum("lamplighter_blind{cause=\"monitor_local\"}");
    assert_eq!(play.metrics("lamplighter_blind").len(), InconclusiveReason::ALL.len());
    pass(20).await;
    doors["chat"].set(Door::Unseen);
    pass(20).await;
    assert_eq!(blind(), 0.0, "the hotline is still seen");
    doors["hotline"].set(Door::Unseen);
    pass(20).await;
    assert_eq!((blind(), play.sum("lamplighter_blind")), (1.0, 1.0));
    doors["chat"].set(Door::Fails);
    pass(20).await;
    assert_eq!(play.sum("lamplighter_blind"), 0.0, "an outage is seen too");
    play.end().await;
}

#[tokio::test(start_paused = true)]
async fn every_finished_run_is_in_the_history_after_the_end() {
    let directory = tempfile::tempdir().unwrap();
    let doors = doors(["chat", "hotline"]);
    let play = Play::start(plan(&doors, |_| {}), directory.path()).await;
    pass(123).await;
    let counted = play.sum("support_probe_runs_total");
    play.end().await;
    let store = rusqlite::Connection::open(directory.path().join("play.db")).unwrap();
    let stored: f64 = store.query_row("SELECT count(*) FROM outcome", [], |row| row.get(0)).unwrap();
    assert!(counted >= 24.0, "{counted}");
    assert_eq!(stored, counted);
}

#[tokio::test(start_paused = true)]
async fn the_picture_follows_what_is_judged() {
    let directory = tempfile::tempdir().unwrap();
    let doors = doors(["chat"]);
    let play = Play::start(plan(&doors, |_| {}), directory.path()).await;
    let mut snapshots = play.daemon.snapshots();
    pass(20).await;
    assert_eq!(snapshots.borrow_and_update().channels[0].state, State::Up);
    doors["chat"].set(Door::Fails);
    pass(60).await;
    let snapshot = Arc::clone(&snapshots.borrow_and_update());
    let chat = &snapshot.channels[0];
    assert_eq!(chat.state, State::Dark);
    assert!(chat.incident.is_some());
    assert_eq!(chat.failure.as_ref().unwrap().detail.as_str(), "answered 500");
    assert_eq!(chat.probes[0].last_outcome.as_deref(), Some("failed"));
    play.end().await;
}
