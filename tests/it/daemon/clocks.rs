//! The machine's clock jumps, or the machine sleeps: nothing false is told, nothing missed, and nothing made up for in a
//! storm.

use std::sync::{
    Arc,
    atomic::{AtomicI64, Ordering::Relaxed},
};

use lamplighter::{clock::Clock, domain::evaluation::State};

use super::stage::{Door, Play, doors, pass, plan};

const HOUR_MS: i64 = 60 * 60 * 1_000;
const YEAR_MS: i64 = 365 * 24 * HOUR_MS;

/// A clock that can be set, as it lives as long as the process.
fn settable() -> (&'static AtomicI64, Clock) {
    let ahead: &'static AtomicI64 = Box::leak(Box::default());
    (ahead, Clock::jumping("2026-11-21T03:04:12.345Z".parse().unwrap(), ahead))
}

#[tokio::test(start_paused = true)]
async fn a_clock_that_jumps_while_all_is_well_tells_nobody_anything_and_makes_no_storm() {
    for jump in [HOUR_MS, -HOUR_MS, 10 * YEAR_MS, -10 * YEAR_MS, HOUR_MS / 6] {
        let directory = tempfile::tempdir().unwrap();
        let doors = doors(["chat", "hotline"]);
        let (ahead, clock) = settable();
        let play = Play::resume(plan(&doors, |_| {}), directory.path(), Arc::default(), clock).await;
        pass(120).await;
        let before = doors["chat"].starts().len();
        ahead.fetch_add(jump, Relaxed);
        pass(60).await;
        let runs = doors["chat"].starts().len() - before;
        assert!((5..=7).contains(&runs), "{runs} runs in the minute after a jump of {jump} ms");
        pass(600).await;
        assert_eq!(play.mailbox.news(), Vec::<String>::new(), "{jump}");
        assert_eq!((play.state("chat"), play.state("hotline")), (State::Up, State::Up));
        assert_eq!(play.sum("lamplighter_runs_skipped_total"), 0.0);

        doors["chat"].set(Door::Fails);
        pass(40).await;
        assert_eq!(play.mailbox.news(), ["opened chat"], "{jump}");
        doors["chat"].set(Door::Works);
        pass(40).await;
        assert_eq!(play.mailbox.news(), ["opened chat", "resolved chat"], "{jump}");
        play.end().await;
    }
}

#[tokio::test(start_paused = true)]
async fn a_clock_that_jumps_in_an_outage_loses_neither_its_mails_nor_its_end() {
    for jump in [HOUR_MS, -HOUR_MS, 10 * YEAR_MS, -10 * YEAR_MS, HOUR_MS / 6] {
        let directory = tempfile::tempdir().unwrap();
        let doors = doors(["chat", "hotline"]);
        let (ahead, clock) = settable();
        let play = Play::resume(plan(&doors, |_| {}), directory.path(), Arc::default(), clock).await;
        pass(60).await;
        play.mailbox.set_stuck(true, None);
        doors["chat"].set(Door::Fails);
        // The mail waits for its server, and has been put off, when the clock jumps.
        pass(120).await;
        ahead.fetch_add(jump, Relaxed);
        pass(60).await;
        play.mailbox.set_stuck(false, None);
        // It has been put off by five minutes and a tenth at most.
        pass(331).await;
        assert_eq!(play.mailbox.news(), ["opened chat"], "{jump}");
        doors["chat"].set(Door::Works);
        pass(40).await;
        assert_eq!(play.mailbox.news(), ["opened chat", "resolved chat"], "{jump}");
        play.end().await;
    }
}

#[tokio::test(start_paused = true)]
async fn a_machine_that_slept_ten_minutes_goes_on_without_a_storm_and_finds_what_broke_meanwhile() {
    let directory = tempfile::tempdir().unwrap();
    let doors = doors(["chat", "hotline"]);
    let play = Play::start(plan(&doors, |_| {}), directory.path()).await;
    pass(120).await;
    let before = doors["chat"].starts().len();
    doors["hotline"].set(Door::Fails);
    // All clocks go on, and nothing is done meanwhile.
    tokio::time::advance(std::time::Duration::from_secs(600)).await;
    pass(60).await;
    let runs = doors["chat"].starts().len() - before;
    assert!((5..=8).contains(&runs), "{runs} runs in the minute after it woke");
    assert_eq!(play.mailbox.news(), ["opened hotline"]);
    assert!(play.sum("lamplighter_runs_skipped_total{reason=\"missed\"}") > 0.0);
    pass(600).await;
    assert_eq!((play.state("chat"), play.mailbox.news().len()), (State::Up, 1));
    play.end().await;
}
