//! The canaries on a paused clock: when they go out, what is told of those that do not arrive, and what a restart, a clock
//! that jumps and a change of the time of day make of it.

mod stage;

use std::{
    collections::BTreeSet,
    sync::atomic::{AtomicI64, Ordering::Relaxed},
};

use jiff::civil::Date;

use self::stage::{Aviary, DAY, Fate, HOUR, Loft, MINUTE, berlin, clock_at, directory, flying, pass};
use super::*;
use crate::domain::{
    evaluation::Moment,
    network::{Answer, Kind},
};

#[tokio::test(start_paused = true)]
async fn one_goes_out_at_the_first_start_and_then_each_day_at_its_time_whatever_the_zone_does() {
    for (start, days) in [
        ("2026-10-23T10:00:00Z", ["23 12:00", "24 09:00", "25 09:00", "26 09:00", "27 09:00"]),
        ("2026-03-27T10:00:00Z", ["27 11:00", "28 09:00", "29 09:00", "30 09:00", "31 09:00"]),
    ] {
        let directory = directory();
        let clock = clock_at(start);
        let aviary = Aviary::new(clock);
        let loft = Loft::open(flying(&[(MailWay::First, &aviary)], true), directory.path(), clock).await;
        pass(4 * DAY).await;
        assert_eq!(aviary.times(), days);
        assert_eq!(loft.subjects().await, Vec::<String>::new());
        assert_eq!(loft.up(), ["{route=\"mail\"} 1"]);
        assert!(loft.value("lamplighter_canary_last_success_timestamp_seconds") > 1e9);
        loft.close().await;
    }
}

#[tokio::test(start_paused = true)]
async fn a_restart_sends_no_second_one_and_what_was_missed_while_it_was_down_is_sent_soon_after_the_start() {
    let directory = directory();
    let clock = clock_at("2026-11-21T10:00:00Z");
    let aviary = Aviary::new(clock);
    for _ in 0..3 {
        let loft = Loft::open(flying(&[(MailWay::First, &aviary)], true), directory.path(), clock).await;
        pass(HOUR).await;
        assert_eq!(loft.up(), ["{route=\"mail\"} 1"], "known after a restart too");
        loft.close().await;
    }
    assert_eq!(aviary.times(), ["21 11:00"]);
    // Down for two days, over nine o'clock.
    pass(2 * DAY).await;
    let loft = Loft::open(flying(&[(MailWay::First, &aviary)], true), directory.path(), clock).await;
    pass(HOUR).await;
    assert_eq!(aviary.times(), ["21 11:00", "23 14:00"], "one, not one for each day");
    loft.close().await;
}

#[tokio::test(start_paused = true)]
async fn a_clock_that_jumps_makes_no_storm_and_ends_no_canaries_for_good() {
    const HOUR_MS: i64 = 3_600_000;
    for jump in [HOUR_MS, -HOUR_MS, 24 * HOUR_MS, -24 * HOUR_MS, 87_600 * HOUR_MS, -87_600 * HOUR_MS] {
        let directory = directory();
        let ahead: &'static AtomicI64 = Box::leak(Box::default());
        let clock = Clock::jumping("2026-11-21T10:00:00Z".parse().unwrap(), ahead);
        let aviary = Aviary::new(clock);
        let loft = Loft::open(flying(&[(MailWay::First, &aviary)], true), directory.path(), clock).await;
        pass(2 * HOUR).await;
        // There and back, ten times within as many minutes.
        for turn in 0..20 {
            ahead.store(if turn % 2 == 0 { jump } else { 0 }, Relaxed);
            pass(30).await;
        }
        assert!(aviary.ids().len() <= 2, "{jump}: {:?}", aviary.times());
        let before = aviary.ids().len();
        pass(3 * DAY).await;
        let after = aviary.ids().len() - before;
        assert!((2..=3).contains(&after), "{jump}: {after} in three days, {:?}", aviary.times());
        // It is set back for good.
        ahead.store(-30 * 24 * HOUR_MS, Relaxed);
        pass(DAY).await;
        let before = aviary.ids().len();
        pass(3 * DAY).await;
        let after = aviary.ids().len() - before;
        assert!((2..=3).contains(&after), "{jump}: {after} in three days, {:?}", aviary.times());
        assert_eq!(loft.subjects().await, Vec::<String>::new(), "{jump}");
        loft.close().await;
    }
}

#[tokio::test(start_paused = true)]
async fn one_that_is_lost_is_told_once_and_tried_every_ten_minutes_until_one_arrives() {
    for (fate, within, why) in [
        (Fate::Refused, MINUTE, "the server said 550 no"),
        (Fate::PutOff, 11 * MINUTE, "the server said 451 later"),
        (Fate::Vanishes, 11 * MINUTE, "it is not in its mailbox; the server took it: 250 taken"),
        (Fate::LockedIn, 11 * MINUTE, "its mailbox cannot be looked into"),
    ] {
        let directory = directory();
        let clock = clock_at("2026-11-21T10:00:00Z");
        let aviary = Aviary::new(clock);
        aviary.set(fate.clone());
        let loft = Loft::open(flying(&[(MailWay::First, &aviary)], true), directory.path(), clock).await;
        pass(within).await;
        let lost = "[MONITOR] fra-1: mail by [mail] is lost";
        assert_eq!(loft.subjects().await, [lost], "{fate:?}");
        assert_eq!(loft.up(), ["{route=\"mail\"} 0"], "{fate:?}");
        let text = loft.told().await[0].content.text.split_whitespace().collect::<Vec<_>>().join(" ");
        assert!(text.contains(why), "{text}");
        pass(HOUR).await;
        assert!((7..=8).contains(&aviary.ids().len()), "{fate:?}: {:?}", aviary.times());
        assert_eq!(loft.subjects().await.len(), 1, "{fate:?}: told once");

        aviary.set(Fate::Arrives(0));
        pass(11 * MINUTE).await;
        let subjects = loft.subjects().await;
        assert!(
            subjects[1].starts_with("[MONITOR] fra-1: mail by [mail] arrives again (after 1 h"),
            "{subjects:?}"
        );
        assert_eq!((subjects.len(), loft.up()), (2, vec!["{route=\"mail\"} 1".to_owned()]));
        let sent = aviary.ids().len();
        pass(12 * HOUR).await;
        assert_eq!(aviary.ids().len(), sent, "{fate:?}: the next one is that of tomorrow");
        loft.close().await;
    }
}

#[tokio::test(start_paused = true)]
async fn one_that_is_put_off_or_slow_and_arrives_in_time_is_not_lost() {
    let directory = directory();
    let clock = clock_at("2026-11-21T10:00:00Z");
    let aviary = Aviary::new(clock);
    aviary.set(Fate::PutOff);
    let loft = Loft::open(flying(&[(MailWay::First, &aviary)], true), directory.path(), clock).await;
    pass(5 * MINUTE).await;
    aviary.set(Fate::Arrives(3 * MINUTE));
    pass(DAY).await;
    assert_eq!(loft.subjects().await, Vec::<String>::new());
    assert_eq!(aviary.ids().len(), 2, "the tries of one canary are one");
    let travel = loft.value("lamplighter_canary_travel_seconds");
    assert!((180.0..200.0).contains(&travel), "{travel}");
    loft.close().await;
}

#[tokio::test(start_paused = true)]
async fn without_a_mailbox_it_has_arrived_when_the_server_has_taken_it() {
    let directory = directory();
    let clock = clock_at("2026-11-21T10:00:00Z");
    let aviary = Aviary::new(clock);
    aviary.set(Fate::Vanishes);
    let loft = Loft::open(flying(&[(MailWay::First, &aviary)], false), directory.path(), clock).await;
    pass(HOUR).await;
    assert_eq!((aviary.ids().len(), loft.up()), (1, vec!["{route=\"mail\"} 1".to_owned()]));
    assert_eq!(loft.subjects().await, Vec::<String>::new());
    loft.close().await;
}

#[tokio::test(start_paused = true)]
async fn a_loss_outlives_a_restart_and_is_not_told_again() {
    let directory = directory();
    let clock = clock_at("2026-11-21T10:00:00Z");
    let aviary = Aviary::new(clock);
    aviary.set(Fate::Refused);
    let mut told = Vec::new();
    for _ in 0..3 {
        let loft = Loft::open(flying(&[(MailWay::First, &aviary)], true), directory.path(), clock).await;
        pass(25 * MINUTE).await;
        assert_eq!(loft.up(), ["{route=\"mail\"} 0"]);
        told.extend(loft.subjects().await);
        loft.close().await;
    }
    assert_eq!(told, ["[MONITOR] fra-1: mail by [mail] is lost"]);
    assert!((7..=10).contains(&aviary.ids().len()), "{:?}", aviary.times());
    aviary.set(Fate::Arrives(0));
    let loft = Loft::open(flying(&[(MailWay::First, &aviary)], true), directory.path(), clock).await;
    pass(11 * MINUTE).await;
    assert!(loft.subjects().await[0].contains("arrives again"), "{:?}", loft.subjects().await);
    loft.close().await;
}

#[tokio::test(start_paused = true)]
async fn one_that_a_restart_cut_off_goes_out_again_by_the_same_id_and_is_looked_for_after_another() {
    let directory = directory();
    let clock = clock_at("2026-11-21T10:00:00Z");
    let aviary = Aviary::new(clock);
    aviary.set(Fate::Hangs);
    let first = Loft::open(flying(&[(MailWay::First, &aviary)], true), directory.path(), clock).await;
    pass(MINUTE).await;
    first.close().await;
    aviary.set(Fate::Arrives(5 * MINUTE));
    let second = Loft::open(flying(&[(MailWay::First, &aviary)], true), directory.path(), clock).await;
    pass(MINUTE).await;
    second.close().await;
    assert_eq!((aviary.ids().len(), aviary.tries.lock().unwrap().len()), (1, 2));
    let third = Loft::open(flying(&[(MailWay::First, &aviary)], true), directory.path(), clock).await;
    pass(10 * MINUTE).await;
    assert_eq!((aviary.ids().len(), aviary.tries.lock().unwrap().len()), (1, 2), "it had been taken");
    assert_eq!(third.up(), ["{route=\"mail\"} 1"]);
    third.close().await;
}

#[tokio::test(start_paused = true)]
async fn the_fallback_has_a_canary_of_its_own_and_either_is_told_by_itself() {
    let directory = directory();
    let clock = clock_at("2026-11-21T10:00:00Z");
    let (first, second) = (Aviary::new(clock), Aviary::new(clock));
    second.set(Fate::Refused);
    let ways = [(MailWay::First, &first), (MailWay::Fallback, &second)];
    let loft = Loft::open(flying(&ways, true), directory.path(), clock).await;
    pass(MINUTE).await;
    assert_eq!(loft.subjects().await, ["[MONITOR] fra-1: mail by [mail.fallback] is lost"]);
    assert_eq!(loft.up(), ["{route=\"fallback\"} 0", "{route=\"mail\"} 1"]);
    let text = &loft.told().await[0].content.text;
    assert!(text.contains("Other ways: [mail]\n"), "{text}");
    assert!(first.ids()[0].contains(".mail.") && second.ids()[0].contains(".fallback."));

    // The table is taken out: what was lost is over, and its series are gone.
    loft.plans.send_replace(Arc::new(flying(&ways[..1], true)));
    pass(MINUTE).await;
    assert_eq!(loft.subjects().await[1], "[MONITOR] fra-1: no canary by [mail.fallback] any more");
    assert_eq!(loft.up(), ["{route=\"mail\"} 1"]);
    loft.close().await;
}

/// A network in which no sentinel answers.
fn lost_network(now: Timestamp) -> Network {
    let mut network = Network::new(vec![Kind::Address; 2]);
    for round in 0..3 {
        let moment = Moment { wall: now, monotonic: Duration::from_secs(60 * round) };
        for question in network.ask(moment) {
            network.hear(question, Answer::None, moment);
        }
    }
    assert_eq!(network.sight(), Some(Sight::Blind));
    network
}

#[tokio::test(start_paused = true)]
async fn nothing_is_learnt_of_a_mail_server_while_our_own_network_is_lost() {
    let directory = directory();
    let clock = clock_at("2026-11-21T10:00:00Z");
    let aviary = Aviary::new(clock);
    let lost = lost_network(clock.now());
    let loft = Loft::open(flying(&[(MailWay::First, &aviary)], true), directory.path(), clock).await;
    aviary.set(Fate::PutOff);
    pass(5 * MINUTE).await;
    loft.network.send_replace(lost);
    pass(3 * HOUR).await;
    let tries = aviary.tries.lock().unwrap().len();
    loft.network.send_replace(Network::new(Vec::new()));
    pass(5 * MINUTE).await;
    assert!(aviary.tries.lock().unwrap().len() > tries);
    aviary.set(Fate::Arrives(0));
    pass(5 * MINUTE).await;
    assert_eq!(loft.subjects().await, Vec::<String>::new());
    assert_eq!((aviary.ids().len(), loft.up()), (1, vec!["{route=\"mail\"} 1".to_owned()]));
    loft.close().await;
}

/// Whatever is done to it, no day has two canaries that arrive and none is left out for longer than two.
#[tokio::test(start_paused = true)]
async fn restarts_at_any_time_leave_one_canary_a_day() {
    let directory = directory();
    let clock = clock_at("2026-10-20T10:00:00Z");
    let aviary = Aviary::new(clock);
    // Spans that are no part of a day, so that restarts come at all times.
    for span in [7_001, 30_011, 86_399, 3_607, 90_007, 50_021, 11, 172_801, 40_009, 23, 86_413, 60_013, 3_601]
    {
        let loft = Loft::open(flying(&[(MailWay::First, &aviary)], true), directory.path(), clock).await;
        pass(span).await;
        loft.close().await;
        pass(span / 50).await;
    }
    let days: Vec<Date> = {
        let tries = aviary.tries.lock().unwrap();
        tries.iter().map(|(at, _)| at.to_zoned(berlin()).date()).collect()
    };
    let distinct: BTreeSet<Date> = days.iter().copied().collect();
    assert_eq!(days.len(), distinct.len(), "{days:?}");
    let (first, last) = (days[0], days[days.len() - 1]);
    assert_eq!((last - first).get_days() + 1, i32::try_from(days.len()).unwrap(), "{days:?}");
}
