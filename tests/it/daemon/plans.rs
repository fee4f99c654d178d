//! What becomes of states, counters and places when another plan is put in force.

use std::{collections::BTreeMap, path::Path, sync::Arc, time::Duration};

use lamplighter::{config::plan::Plan, domain::evaluation::State};
use tokio::{
    task::yield_now,
    time::{Instant, advance, sleep_until},
};

use super::stage::{Door, Play, PlayedDoor, clock, doors, pass, plan};

/// A plan that does not know the last door.
fn without_the_last(doors: &BTreeMap<&str, Arc<PlayedDoor>>) -> Plan {
    let mut plan = plan(doors, |_| {});
    plan.channels.pop_last();
    plan
}

#[tokio::test(start_paused = true)]
async fn every_channel_is_in_the_metrics_from_the_first_moment() {
    let directory = tempfile::tempdir().unwrap();
    let both = doors(["chat", "hotline"]);
    let play = Play::set_going(plan(&both, |_| {}), directory.path(), Arc::default(), clock()).await;
    assert_eq!(play.metrics("support_channel_info").len(), 2);
    assert_eq!(play.state("chat"), State::Unknown);
    play.end().await;
}

#[tokio::test(start_paused = true)]
async fn what_stays_configured_keeps_its_state_its_counters_and_its_place_and_loses_no_turn() {
    let directory = tempfile::tempdir().unwrap();
    let began = Instant::now();
    let both = doors(["chat", "hotline"]);
    let play = Play::start(plan(&both, |_| {}), directory.path()).await;
    pass(20).await;
    both["chat"].set(Door::Fails);
    pass(60).await;
    let chat_runs = "support_probe_runs_total{channel=\"chat\"";
    for reload in 0..50 {
        let before = play.sum(chat_runs);
        let mut next = plan(&both, |_| {});
        if reload % 2 == 0 {
            next.channels.pop_last();
        }
        play.daemon.adopt(next);
        pass(7).await;
        assert!(play.sum(chat_runs) >= before);
        assert_eq!(play.state("chat"), State::Dark);
        assert_eq!(play.metrics("support_probe_runs_total{channel=\"hotline\"").is_empty(), reload % 2 == 0);
    }
    assert_eq!(play.mailbox.news(), ["opened chat"]);
    let starts = both["chat"].starts();
    assert_eq!(starts.len() as u64, began.elapsed().as_secs() / 10, "a run in every interval");
    let all_starts = starts.len() + both["hotline"].starts().len();
    assert_eq!(play.sum("lamplighter_scheduler_lag_seconds_count"), all_starts as f64);
    for start in &starts {
        assert_eq!(
            (*start - starts[0]).as_millis().saturating_add(50) % 10_000 / 100,
            0,
            "the place is kept"
        );
    }
    assert_eq!(play.sum(chat_runs), (starts.len()) as f64, "no run is lost and none is counted twice");
    assert_eq!(both["chat"].inside_max(), 1);
    play.end().await;
}

#[tokio::test(start_paused = true)]
async fn an_unchanged_probe_keeps_its_histogram_its_quantiles_and_its_timeout_ratios() {
    let directory = tempfile::tempdir().unwrap();
    let both = doors(["chat", "hotline"]);
    let play = Play::start(plan(&both, |_| {}), directory.path()).await;
    both["chat"].takes(Duration::from_millis(400));
    pass(100).await;
    both["chat"].set(Door::Hangs);
    pass(30).await;
    both["chat"].set(Door::Works);
    pass(30).await;
    // The next run has ended and been shown, and the one after it is far.
    let last = *both["chat"].starts().last().unwrap();
    sleep_until(last + Duration::from_secs(12)).await;
    let measured = || {
        let mut lines = play.metrics("support_probe_");
        lines.retain(|line| line.contains("channel=\"chat\""));
        lines
    };
    let before = measured();
    for metric in ["duration_seconds_bucket", "latency_seconds", "timeout_ratio"] {
        let values = before.iter().filter(|line| line.starts_with(&format!("support_probe_{metric}")));
        assert!(
            values.clone().count() >= 3 && values.clone().any(|line| !line.ends_with(" 0")),
            "{before:#?}"
        );
    }
    let mut smaller = plan(&both, |_| {});
    smaller.channels.pop_last();
    play.daemon.adopt(smaller);
    // The windows are shown anew meanwhile.
    pass(3).await;
    assert!(play.metrics("support_probe_runs_total{channel=\"hotline\"").is_empty(), "the plan is in force");
    assert_eq!(measured(), before);
    play.end().await;
}

#[tokio::test(start_paused = true)]
async fn a_probe_that_changes_while_a_verdict_waits_for_the_store_makes_no_recovery() {
    let directory = tempfile::tempdir().unwrap();
    let doors = doors(["chat"]);
    let play = Play::start(plan(&doors, |_| {}), directory.path()).await;
    pass(20).await;
    let saboteur = rusqlite::Connection::open(directory.path().join("play.db")).unwrap();
    saboteur.execute_batch("ALTER TABLE channel RENAME TO hidden").unwrap();
    doors["chat"].set(Door::Fails);
    while play.sum("lamplighter_store_degraded") == 0.0 {
        pass(1).await;
    }
    assert_eq!(play.state("chat"), State::Up, "the verdict waits");
    play.daemon.adopt(plan(&doors, |probe| probe.fingerprint = 2));
    pass(5).await;
    saboteur.execute_batch("ALTER TABLE hidden RENAME TO channel").unwrap();
    pass(600).await;
    assert_eq!(play.mailbox.news(), ["opened chat"]);
    assert_eq!(play.state("chat"), State::Dark);
    play.end().await;
}

#[tokio::test(start_paused = true)]
async fn a_channel_that_comes_back_is_in_the_state_in_which_it_left() {
    let directory = tempfile::tempdir().unwrap();
    let both = doors(["chat", "hotline"]);
    let play = Play::start(plan(&both, |_| {}), directory.path()).await;
    both["hotline"].set(Door::Fails);
    pass(60).await;
    assert_eq!(play.state("hotline"), State::Dark);
    play.daemon.adopt(without_the_last(&both));
    pass(540).await;
    assert!(play.metrics("support_channel_state{channel=\"hotline\"").is_empty());
    play.daemon.adopt(plan(&both, |_| {}));
    pass(1).await;
    assert_eq!(play.state("hotline"), State::Dark);
    pass(120).await;
    assert_eq!(play.mailbox.news(), ["opened hotline"]);
    pass(600).await;
    assert_eq!(play.mailbox.news(), ["opened hotline"]);
    play.end().await;
}

#[tokio::test(start_paused = true)]
async fn an_incident_whose_channel_stays_away_is_withdrawn_and_its_people_are_told_once() {
    let directory = tempfile::tempdir().unwrap();
    let both = doors(["chat", "hotline"]);
    let play = Play::start(plan(&both, |_| {}), directory.path()).await;
    both["hotline"].set(Door::Fails);
    pass(60).await;
    play.daemon.adopt(without_the_last(&both));
    pass(590).await;
    assert_eq!(play.mailbox.news(), ["opened hotline"], "it may still come back");
    pass(20).await;
    assert_eq!(play.mailbox.news(), ["opened hotline", "withdrawn hotline"]);
    pass(1_200).await;
    assert_eq!(play.mailbox.news().len(), 2);
    play.daemon.adopt(plan(&both, |_| {}));
    pass(1).await;
    assert_eq!(play.state("hotline"), State::Unknown);
    pass(60).await;
    assert_eq!(play.state("hotline"), State::Dark);
    assert_eq!(
        play.mailbox.news(),
        ["opened hotline", "withdrawn hotline", "opened hotline"],
        "what is still dark then is news"
    );
    play.end().await;
}

#[tokio::test(start_paused = true)]
async fn an_incident_whose_channel_was_removed_while_the_daemon_was_down_is_withdrawn() {
    let directory = tempfile::tempdir().unwrap();
    let both = doors(["chat", "hotline"]);
    let play = Play::start(plan(&both, |_| {}), directory.path()).await;
    both["hotline"].set(Door::Fails);
    pass(60).await;
    let (mailbox, clock) = (Arc::clone(&play.mailbox), play.clock);
    play.end().await;

    let play = Play::resume(without_the_last(&both), directory.path(), Arc::clone(&mailbox), clock).await;
    pass(590).await;
    assert_eq!(mailbox.news(), ["opened hotline"]);
    pass(20).await;
    assert_eq!(mailbox.news(), ["opened hotline", "withdrawn hotline"]);
    play.end().await;

    let play = Play::resume(without_the_last(&both), directory.path(), Arc::clone(&mailbox), clock).await;
    pass(1_200).await;
    assert_eq!(mailbox.news().len(), 2, "it is told once");
    play.end().await;
}

/// Holds the database, so that a commit hangs until this ends its own.
fn hold(directory: &Path) -> rusqlite::Connection {
    let holder = rusqlite::Connection::open(directory.join("play.db")).unwrap();
    holder.execute_batch("BEGIN IMMEDIATE").unwrap();
    holder
}

/// Lets time go on by so many seconds, also while a commit hangs: the clock does not advance by itself then.
async fn go_on(secs: u32) {
    for _ in 0..10 * secs {
        advance(Duration::from_millis(100)).await;
        yield_now().await;
    }
}

#[tokio::test(start_paused = true)]
async fn a_channel_that_comes_back_while_its_incident_is_withdrawn_is_judged_anew() {
    let directory = tempfile::tempdir().unwrap();
    let both = doors(["chat", "hotline"]);
    let play = Play::start(plan(&both, |_| {}), directory.path()).await;
    both["hotline"].set(Door::Fails);
    pass(60).await;
    play.daemon.adopt(without_the_last(&both));
    pass(595).await;
    let holder = hold(directory.path());
    go_on(10).await;
    play.daemon.adopt(plan(&both, |_| {}));
    go_on(1).await;
    assert_eq!(play.state("hotline"), State::Dark, "nothing is adopted before it is committed");
    holder.execute_batch("COMMIT").unwrap();
    pass(5).await;
    assert_eq!(play.state("hotline"), State::Unknown);
    assert_eq!(play.mailbox.news(), ["opened hotline", "withdrawn hotline"]);
    pass(60).await;
    assert_eq!(play.mailbox.news(), ["opened hotline", "withdrawn hotline", "opened hotline"]);
    play.end().await;
}

#[tokio::test(start_paused = true)]
async fn a_probe_that_has_changed_starts_anew_and_what_the_old_one_still_sees_does_not_count() {
    let directory = tempfile::tempdir().unwrap();
    let doors = doors(["chat"]);
    let play = Play::start(plan(&doors, |_| {}), directory.path()).await;
    pass(100).await;
    doors["chat"].set(Door::Hangs);
    // The run that is under way ends after the change, and would be a failure.
    pass(12).await;
    let running = play.sum("lamplighter_runs_in_flight");
    doors["chat"].set(Door::Works);
    play.daemon.adopt(plan(&doors, |probe| probe.fingerprint = 2));
    pass(30).await;
    assert!(running <= 1.0);
    assert_eq!(
        play.sum(
            "support_probe_runs_total{channel=\"chat\",probe=\"door\",location=\"fra-1\",outcome=\"failed\"}"
        ),
        0.0
    );
    assert!((2.0..=3.0).contains(&play.sum("support_probe_runs_total")));
    assert_eq!(play.state("chat"), State::Up);
    play.end().await;
}

#[tokio::test(start_paused = true)]
async fn an_outage_that_is_committed_after_its_channel_was_taken_out_is_told_and_withdrawn() {
    let directory = tempfile::tempdir().unwrap();
    let both = doors(["chat", "hotline"]);
    let play = Play::start(plan(&both, |_| {}), directory.path()).await;
    pass(20).await;
    both["hotline"].set(Door::Fails);
    pass(15).await;
    let holder = hold(directory.path());
    go_on(30).await;
    play.daemon.adopt(without_the_last(&both));
    go_on(1).await;
    holder.execute_batch("COMMIT").unwrap();
    pass(590).await;
    assert_eq!(play.mailbox.news(), ["store monitor", "opened hotline"]);
    pass(20).await;
    assert_eq!(play.mailbox.news(), ["store monitor", "opened hotline", "withdrawn hotline"]);
    play.end().await;
}
