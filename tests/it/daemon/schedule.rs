//! When runs are made, and when not.

use std::{collections::BTreeMap, sync::Arc, time::Duration};

use super::stage::{Door, Play, PlayedDoor, doors, pass, plan};

fn many(count: usize) -> BTreeMap<&'static str, Arc<PlayedDoor>> {
    (0..count).map(|index| (&*format!("door-{index:03}").leak(), PlayedDoor::new())).collect()
}

#[tokio::test(start_paused = true)]
async fn runs_are_spread_over_the_interval_from_the_first_second_on() {
    let directory = tempfile::tempdir().unwrap();
    let doors = many(200);
    let began = tokio::time::Instant::now();
    let play = Play::start(plan(&doors, |_| {}), directory.path()).await;
    pass(10).await;
    let mut per_second = [0; 10];
    for door in doors.values() {
        let starts = door.starts();
        assert_eq!(starts.len(), 1, "each door is tried once in its interval");
        per_second[usize::try_from((starts[0] - began).as_secs()).unwrap()] += 1;
    }
    assert!(per_second.iter().all(|&runs| (5..=45).contains(&runs)), "{per_second:?}");
    assert_eq!(play.sum("lamplighter_runs_skipped_total"), 0.0);
    play.end().await;
}

#[tokio::test(start_paused = true)]
async fn a_probe_keeps_its_place_in_the_interval_across_restarts() {
    let directory = tempfile::tempdir().unwrap();
    let doors = doors(["chat", "hotline", "ticket"]);
    let play = Play::start(plan(&doors, |_| {}), directory.path()).await;
    pass(30).await;
    let (mailbox, clock) = (Arc::clone(&play.mailbox), play.clock);
    play.end().await;
    tokio::time::sleep(Duration::from_millis(12_345)).await;
    let play = Play::resume(plan(&doors, |_| {}), directory.path(), mailbox, clock).await;
    pass(30).await;
    for door in doors.values() {
        let starts = door.starts();
        assert!(starts.len() >= 5);
        for start in &starts {
            let millis = (*start - starts[0]).as_millis();
            let off = (millis + 50) % 10_000;
            assert!(off <= 100, "{millis} ms after the first run");
        }
    }
    play.end().await;
}

#[tokio::test(start_paused = true)]
async fn a_run_that_outlasts_its_interval_is_alone_and_the_turns_it_covers_are_counted() {
    let directory = tempfile::tempdir().unwrap();
    let doors = doors(["chat"]);
    doors["chat"].takes(Duration::from_secs(35));
    let play =
        Play::start(plan(&doors, |probe| probe.timeout = Duration::from_secs(60)), directory.path()).await;
    pass(400).await;
    assert_eq!(doors["chat"].inside_max(), 1);
    let runs = doors["chat"].starts().len();
    assert!((9..=10).contains(&runs), "{runs}");
    let skipped = play.sum("lamplighter_runs_skipped_total{reason=\"still_running\"}");
    assert!((27.0..=30.0).contains(&skipped), "{skipped}");
    play.end().await;
}

#[tokio::test(start_paused = true)]
async fn more_runs_than_allowed_are_skipped_and_counted() {
    let directory = tempfile::tempdir().unwrap();
    let doors = many(20);
    doors.values().for_each(|door| door.set(Door::Hangs));
    let mut capped = plan(&doors, |_| {});
    capped.runs_max = 3;
    let play = Play::start(capped, directory.path()).await;
    pass(10).await;
    assert!(play.sum("lamplighter_runs_in_flight") <= 3.0);
    let tried: usize = doors.values().map(|door| door.starts().len()).sum();
    let skipped = play.sum("lamplighter_runs_skipped_total{reason=\"runs_max\"}");
    assert!(skipped > 5.0, "{skipped}");
    assert_eq!(tried as f64 + skipped, 20.0);
    play.end().await;
}

#[tokio::test(start_paused = true)]
async fn one_host_is_never_burdened_by_more_runs_than_allowed() {
    let directory = tempfile::tempdir().unwrap();
    let doors = many(20);
    doors.values().for_each(|door| door.set(Door::Hangs));
    let mut capped = plan(&doors, |probe| {
        let odd = probe.key.channel.as_str().ends_with(['1', '3', '5', '7', '9']);
        if odd {
            probe.hosts =
                ["shop.example.com".into(), format!("{}.example.com", probe.key.channel).into()].into();
        }
    });
    capped.runs_per_host_max = 1;
    let play = Play::start(capped, directory.path()).await;
    pass(10).await;
    let tried = |odd: bool| -> usize {
        let chosen = doors.iter().filter(|(name, _)| name.ends_with(['1', '3', '5', '7', '9']) == odd);
        chosen.map(|(_, door)| door.starts().len()).sum()
    };
    let skipped = play.sum("lamplighter_runs_skipped_total{reason=\"host_max\"}");
    assert_eq!(tried(true) as f64 + skipped, 10.0);
    assert!(skipped >= 5.0, "{skipped}");
    assert_eq!(tried(false), 10, "a run that burdens no host counts for none");
    play.end().await;
}

#[tokio::test(start_paused = true)]
async fn after_a_suspend_nothing_is_made_up_for() {
    let directory = tempfile::tempdir().unwrap();
    let doors = many(100);
    let play = Play::start(plan(&doors, |_| {}), directory.path()).await;
    pass(10).await;
    let before: usize = doors.values().map(|door| door.starts().len()).sum();
    tokio::time::advance(Duration::from_secs(3_600)).await;
    pass(1).await;
    let after: usize = doors.values().map(|door| door.starts().len()).sum();
    assert!(after - before <= 35, "{} runs in the first second", after - before);
    let missed = play.sum("lamplighter_runs_skipped_total{reason=\"missed\"}");
    assert!((35_900.0..=36_000.0).contains(&missed), "{missed}");
    pass(10).await;
    let later: usize = doors.values().map(|door| door.starts().len()).sum();
    assert!((later - after).abs_diff(100) <= 1, "the pace is the old one again: {}", later - after);
    play.end().await;
}

#[tokio::test(start_paused = true)]
async fn a_failed_run_is_looked_at_again_quickly_as_often_as_a_verdict_needs() {
    let directory = tempfile::tempdir().unwrap();
    let doors = doors(["chat"]);
    doors["chat"].set(Door::Fails);
    let play =
        Play::start(plan(&doors, |probe| probe.recheck = Some(Duration::from_secs(1))), directory.path())
            .await;
    pass(60).await;
    let starts = doors["chat"].starts();
    let quick = starts.windows(2).filter(|pair| pair[1] - pair[0] < Duration::from_secs(2)).count();
    assert_eq!(quick, 2, "three failures make a verdict; after it the pace is the ordinary one");
    assert_eq!(play.mailbox.news(), ["opened chat"]);
    play.end().await;
}

#[tokio::test(start_paused = true)]
async fn a_daemon_that_is_stopped_ends_its_runs_and_reports_nothing_of_them() {
    let directory = tempfile::tempdir().unwrap();
    let doors = doors(["chat"]);
    doors["chat"].set(Door::Hangs);
    let play =
        Play::start(plan(&doors, |probe| probe.timeout = Duration::from_secs(60)), directory.path()).await;
    pass(15).await;
    assert_eq!(play.sum("lamplighter_runs_in_flight"), 1.0);
    let metrics = Arc::clone(play.daemon.metrics());
    play.end().await;
    let text: Vec<u8> = metrics.expose().flatten().collect();
    let text = String::from_utf8(text).unwrap();
    assert!(text.contains("lamplighter_runs_in_flight{kind=\"http\"} 0"), "{text}");
    let runs = text.lines().filter(|line| line.starts_with("support_probe_runs_total"));
    assert!(runs.clone().count() == 4 && runs.clone().all(|line| line.ends_with(" 0")), "{text}");
}
