//! The rules of the schedule, on a clock that only the test moves.

use super::*;
use crate::domain::channel::{ChannelId, ProbeName};

fn key(number: usize) -> ProbeKey {
    ProbeKey { channel: ChannelId::new(&format!("channel-{number}")), probe: ProbeName::new("only") }
}

fn secs(secs: u64) -> Duration {
    Duration::from_secs(secs)
}

fn millis(millis: u64) -> Duration {
    Duration::from_millis(millis)
}

fn every(every: Duration) -> Pace {
    Pace { every, recheck: None }
}

fn rechecking(at_most: u32) -> Pace {
    Pace { every: secs(30), recheck: Some(Recheck { after: secs(5), at_most }) }
}

/// Steps through time from wake to wake and ends each run at once; gives what was run and when.
fn run_until(schedule: &mut Schedule, end: Duration, ending: Ending) -> Vec<(Slot, Duration)> {
    let mut runs = Vec::new();
    while let Some(now) = schedule.next_wake().filter(|wake| *wake <= end) {
        while let Some(turn) = schedule.take_due(now) {
            let Turn::Run { slot, due_at } = turn else { panic!("skipped: {turn:?}") };
            assert_eq!(due_at, now);
            runs.push((slot, due_at));
            schedule.finished(slot, now, ending);
        }
    }
    runs
}

#[test]
fn every_probe_runs_once_in_each_interval_at_the_same_place() {
    let mut schedule = Schedule::new(secs(1_795_000_000));
    let slots: Vec<Slot> =
        (0..100).map(|number| schedule.insert(&key(number), every(secs(30)), Duration::ZERO)).collect();
    let runs = run_until(&mut schedule, secs(300), Ending::Passed);
    for slot in slots {
        let times: Vec<Duration> = runs.iter().filter(|run| run.0 == slot).map(|run| run.1).collect();
        assert_eq!(times.len(), 10);
        assert!(times.windows(2).all(|pair| pair[1] - pair[0] == secs(30)));
    }
}

#[test]
fn a_probe_keeps_its_place_in_the_minute_across_restarts() {
    let place = |wall: u64| {
        let mut schedule = Schedule::new(secs(wall));
        schedule.insert(&key(7), every(secs(60)), Duration::ZERO);
        let (_, due_at) = run_until(&mut schedule, secs(60), Ending::Passed)[0];
        (u128::from(wall) * 1_000_000_000 + due_at.as_nanos()) % 60_000_000_000
    };
    assert_eq!(place(1_795_000_000), place(1_795_000_017));
    assert_eq!(place(1_795_000_000), place(1_800_123_456));
}

#[test]
fn the_place_of_a_probe_is_the_same_in_every_version() {
    assert_eq!(place_of(&key(7)) % 60_000_000_000, 28_641_327_160);
}

#[test]
fn probes_are_spread_evenly_also_at_the_start() {
    let mut schedule = Schedule::new(secs(1_795_000_000));
    for number in 0..10_000 {
        schedule.insert(&key(number), every(secs(10)), Duration::ZERO);
    }
    let mut per_slice = [0; 100];
    for (_, due_at) in run_until(&mut schedule, secs(10), Ending::Passed) {
        per_slice[(due_at.as_millis() / 100).min(99) as usize] += 1;
    }
    assert_eq!(per_slice.iter().sum::<i32>(), 10_000);
    assert!(per_slice.iter().all(|count| (50..160).contains(count)), "{per_slice:?}");
}

#[test]
fn a_rare_probe_looks_once_within_the_first_minute() {
    let mut schedule = Schedule::new(secs(1_795_000_000));
    for number in 0..50 {
        schedule.insert(&key(number), every(secs(86_400)), Duration::ZERO);
    }
    let runs = run_until(&mut schedule, secs(60), Ending::Passed);
    assert_eq!(runs.len(), 50);
    assert!(runs[0].1 < secs(10) && runs[49].1 > secs(50));
}

#[test]
fn a_probe_that_still_runs_is_skipped_and_never_runs_twice_at_once() {
    let mut schedule = Schedule::new(Duration::ZERO);
    let slot = schedule.insert(&key(1), every(secs(10)), Duration::ZERO);
    let first = schedule.next_wake().unwrap();
    assert_eq!(schedule.take_due(first), Some(Turn::Run { slot, due_at: first }));
    assert_eq!(schedule.take_due(first), None);
    let skipped = Turn::Skipped { slot, reason: Skip::StillRunning, turns: 1 };
    assert_eq!(schedule.take_due(first + secs(10)), Some(skipped));
    let skipped = Turn::Skipped { slot, reason: Skip::StillRunning, turns: 3 };
    assert_eq!(schedule.take_due(first + secs(41)), Some(skipped));
    schedule.finished(slot, first + secs(42), Ending::Passed);
    assert_eq!(schedule.next_wake(), Some(first + secs(50)));
    assert!(matches!(schedule.take_due(first + secs(50)), Some(Turn::Run { .. })));
}

#[test]
fn a_run_that_could_not_start_waits_for_its_next_turn() {
    let mut schedule = Schedule::new(Duration::ZERO);
    let slot = schedule.insert(&key(1), rechecking(2), Duration::ZERO);
    let first = schedule.next_wake().unwrap();
    schedule.take_due(first);
    schedule.finished(slot, first, Ending::Void);
    assert_eq!(schedule.next_wake(), Some(first + secs(30)));
}

#[test]
fn nothing_piles_up_over_a_suspend() {
    let mut schedule = Schedule::new(secs(1_795_000_000));
    for number in 0..3_000 {
        schedule.insert(&key(number), every(secs(30)), Duration::ZERO);
    }
    run_until(&mut schedule, secs(60), Ending::Passed);
    let awake = secs(60 + 3_600);
    let (mut runs, mut missed) = (0, 0);
    while let Some(turn) = schedule.take_due(awake) {
        match turn {
            Turn::Run { due_at, .. } => {
                assert!(awake - due_at <= LATE_MAX);
                runs += 1;
            }
            Turn::Skipped { reason, turns, .. } => {
                assert_eq!(reason, Skip::Missed);
                missed += turns;
            }
        }
    }
    assert_eq!(runs + missed, 3_000 * 120);
    assert!((50..200).contains(&runs), "{runs}");
}

#[test]
fn a_turn_that_is_a_little_late_is_still_taken() {
    let mut schedule = Schedule::new(Duration::ZERO);
    let slot = schedule.insert(&key(1), every(secs(1)), Duration::ZERO);
    let first = schedule.next_wake().unwrap();
    assert_eq!(schedule.take_due(first + millis(400)), Some(Turn::Run { slot, due_at: first }));
    schedule.finished(slot, first + millis(400), Ending::Passed);
    let missed = Turn::Skipped { slot, reason: Skip::Missed, turns: 1 };
    assert_eq!(schedule.take_due(first + millis(1_700)), Some(missed));
    assert_eq!(schedule.next_wake(), Some(first + secs(2)));
}

#[test]
fn a_failed_run_is_rechecked_as_often_as_allowed_and_the_grid_stays() {
    let mut schedule = Schedule::new(Duration::ZERO);
    let slot = schedule.insert(&key(1), rechecking(2), Duration::ZERO);
    let first = schedule.next_wake().unwrap();
    let offsets: Vec<Duration> = run_until(&mut schedule, first + secs(60), Ending::Failed)
        .iter()
        .map(|(_, due_at)| *due_at - first)
        .collect();
    assert_eq!(offsets, [0, 5, 10, 30, 60].map(secs));
    schedule.take_due(first + secs(90));
    schedule.finished(slot, first + secs(90), Ending::Passed);
    schedule.take_due(first + secs(120));
    schedule.finished(slot, first + secs(120), Ending::Failed);
    assert_eq!(schedule.next_wake(), Some(first + secs(125)));
}

#[test]
fn no_recheck_where_the_next_turn_is_as_near() {
    let mut schedule = Schedule::new(Duration::ZERO);
    let slot = schedule.insert(&key(1), rechecking(2), Duration::ZERO);
    let first = schedule.next_wake().unwrap();
    schedule.take_due(first);
    schedule.finished(slot, first + secs(26), Ending::Failed);
    assert_eq!(schedule.next_wake(), Some(first + secs(30)));
}

#[test]
fn a_changed_pace_keeps_place_and_run() {
    let mut schedule = Schedule::new(Duration::ZERO);
    let slot = schedule.insert(&key(1), every(secs(30)), Duration::ZERO);
    let first = schedule.next_wake().unwrap();
    schedule.take_due(first);
    schedule.change(slot, rechecking(1), first);
    assert_eq!(schedule.next_wake(), Some(first + secs(30)));
    schedule.change(slot, every(secs(10)), first);
    let next = schedule.next_wake().unwrap();
    assert!(next <= first + secs(10));
    let skipped = Turn::Skipped { slot, reason: Skip::StillRunning, turns: 1 };
    assert_eq!(schedule.take_due(next), Some(skipped));
}

#[test]
fn a_probe_that_is_hastened_is_due_at_once_and_keeps_its_place() {
    let mut schedule = Schedule::new(Duration::ZERO);
    let slot = schedule.insert(&key(1), every(secs(30)), Duration::ZERO);
    let first = schedule.next_wake().unwrap();
    schedule.take_due(first);
    schedule.finished(slot, first, Ending::Passed);
    schedule.hasten(slot, first + secs(7));
    assert_eq!(schedule.take_due(first + secs(7)), Some(Turn::Run { slot, due_at: first + secs(7) }));
    assert_eq!(schedule.next_wake(), Some(first + secs(30)));
    schedule.hasten(slot, first + secs(8));
    let skipped = Turn::Skipped { slot, reason: Skip::StillRunning, turns: 1 };
    assert_eq!(schedule.take_due(first + secs(8)), Some(skipped), "it never runs twice at once");
}

#[test]
fn a_run_out_of_turn_is_made_alone_and_moves_no_turn() {
    let mut schedule = Schedule::new(Duration::ZERO);
    let slot = schedule.insert(&key(1), every(secs(30)), Duration::ZERO);
    let first = schedule.next_wake().unwrap();
    assert!(schedule.begin_out_of_turn(slot));
    assert!(!schedule.begin_out_of_turn(slot), "it never runs twice at once");
    let skipped = Turn::Skipped { slot, reason: Skip::StillRunning, turns: 1 };
    assert_eq!(schedule.take_due(first), Some(skipped));
    schedule.finished(slot, first, Ending::Passed);
    assert_eq!(schedule.take_due(first + secs(30)), Some(Turn::Run { slot, due_at: first + secs(30) }));
    assert!(!schedule.begin_out_of_turn(slot), "nor beside one in turn");
    schedule.remove(slot);
    assert!(!schedule.begin_out_of_turn(slot));
}

#[test]
fn a_seat_given_up_is_not_mistaken_for_its_successor() {
    let mut schedule = Schedule::new(Duration::ZERO);
    let old = schedule.insert(&key(1), every(secs(30)), Duration::ZERO);
    let first = schedule.next_wake().unwrap();
    schedule.take_due(first);
    schedule.remove(old);
    assert!(schedule.is_empty());
    assert_eq!(schedule.next_wake(), None);
    let new = schedule.insert(&key(1), every(secs(30)), first);
    assert_eq!(old.index(), new.index());
    schedule.finished(old, first, Ending::Failed);
    assert_eq!(schedule.take_due(first + secs(30)), Some(Turn::Run { slot: new, due_at: first + secs(30) }));
    schedule.finished(old, first + secs(30), Ending::Passed);
    let skipped = Turn::Skipped { slot: new, reason: Skip::StillRunning, turns: 1 };
    assert_eq!(schedule.take_due(first + secs(60)), Some(skipped));
}

#[test]
fn many_reloads_leave_nothing_behind() {
    let mut schedule = Schedule::new(Duration::ZERO);
    let mut slots: Vec<Slot> =
        (0..100).map(|number| schedule.insert(&key(number), every(secs(3_600)), Duration::ZERO)).collect();
    for reload in 0..500 {
        for slot in &mut slots {
            let hours = 1 + reload % 2;
            if slot.index() % 2 == 0 {
                schedule.change(*slot, every(secs(3_600 * hours)), Duration::ZERO);
            } else {
                schedule.remove(*slot);
                *slot = schedule.insert(&key(slot.index()), every(secs(3_600)), Duration::ZERO);
            }
        }
    }
    assert_eq!(schedule.len(), 100);
    assert_eq!(schedule.seats.len(), 100);
    assert!(schedule.wheel.len() <= 300, "{}", schedule.wheel.len());
}
