//! What is held in quiet hours, minute by minute on a clock that is an argument: told once, never in them, never lost.

use std::{collections::BTreeMap, sync::Arc};

use jiff::{SignedDuration, tz::TimeZone};
use lamplighter::domain::{
    channel::TeamId,
    escalation::Ladder,
    evaluation::State,
    hours::{Hours, read_daily},
    urgency::{Urgencies, Urgency},
};

use crate::ladder::{Play, usual};

/// Outages that can wait.
pub const LOW: Urgencies = Urgencies { dark: Urgency::Warning, degraded: Urgency::Info };

/// The quiet hours of the team.
pub fn quiet(text: &str, zone: &str) -> BTreeMap<TeamId, Hours> {
    let spans = read_daily(text).unwrap().spans;
    let hours = Hours::new(spans, Arc::default(), TimeZone::get(zone).unwrap());
    BTreeMap::from([(TeamId::new("oncall"), hours)])
}

/// The play begins at 02:04:12 UTC.
fn play(ladder: Ladder, text: &str) -> Play {
    let mut play = Play::new(ladder);
    play.urgencies = LOW;
    play.world.quiet = quiet(text, "UTC");
    play
}

#[test]
fn whenever_it_falls_and_rises_it_is_told_once_and_never_in_quiet_hours_and_never_lost() {
    for fell in (0..180).step_by(7) {
        for lasts in [1, 13, 45, 60, 119, 240] {
            let mut play = play(Ladder::default(), "03:00-04:30");
            play.pass(fell * 60);
            play.becomes("web-chat", State::Dark);
            play.pass(lasts * 60);
            play.becomes("web-chat", State::Up);
            play.pass(6 * 3_600);
            // Minutes after 02:04:12; the quiet ends are those at which the play looks next.
            let is_quiet = |minute: u64| (56..146).contains(&minute);
            let told = play.told();
            let minutes: Vec<u64> = told
                .iter()
                .map(|line| line[..2].parse::<u64>().unwrap() * 60 + line[3..5].parse::<u64>().unwrap())
                .collect();
            assert!(!minutes.iter().any(|minute| is_quiet(*minute)), "{fell} {lasts}: {told:?}");
            let rose = fell + lasts;
            let expected = match (is_quiet(fell), is_quiet(rose)) {
                (false, false) => vec!["opened", "resolved"],
                (false, true) => vec!["opened", "held"],
                (true, true) => vec!["held"],
                (true, false) => vec!["held", "resolved"],
            };
            let event = |line: &String| line[6..].split(':').next().unwrap().to_owned();
            let events: Vec<String> = told.iter().map(event).collect();
            assert_eq!(events, expected, "{fell} {lasts}: {told:?}");
        }
    }
}

/// Whatever three doors do in a day, two of which share a host.
#[test]
fn whatever_happens_in_what_order_nothing_is_told_in_quiet_hours_and_nothing_stays_behind() {
    for seed in 0..60_u64 {
        let mut state = seed.wrapping_mul(0x9e37_79b9_7f4a_7c15) | 1;
        let mut dice = |sides: u64| {
            state ^= state << 13;
            state ^= state >> 7;
            state ^= state << 17;
            state % sides
        };
        let mut play = play(usual(), "03:00-04:30, 06:00-12:00");
        let mut states = BTreeMap::from(["web-chat", "ticket", "hotline"].map(|id| (id, State::Up)));
        for _ in 0..40 {
            play.pass(60 * dice(40));
            let id = ["web-chat", "ticket", "hotline"][dice(3) as usize];
            let to = match (states[id], dice(3)) {
                (State::Up, 0) => State::Degraded,
                (State::Up, _) | (State::Degraded, 0) => State::Dark,
                _ => State::Up,
            };
            states.insert(id, to);
            play.becomes(id, to);
            if dice(8) == 0 {
                play.restart(60);
            }
        }
        for (id, _) in states.into_iter().filter(|(_, state)| *state != State::Up) {
            play.becomes(id, State::Up);
        }
        play.pass(24 * 3_600);
        assert!(play.is_all_told(), "{seed}: all of it is over and told");
        // Minutes after 02:04:12, around the clock.
        let is_quiet = |minute: u64| {
            let minute = minute % (24 * 60);
            (56..146).contains(&minute) || (236..596).contains(&minute)
        };
        for line in play.told() {
            let (hours, rest) = line.split_once(':').unwrap();
            let minute = hours.parse::<u64>().unwrap() * 60 + rest[..2].parse::<u64>().unwrap();
            assert!(!is_quiet(minute), "{seed}: {line}");
        }
    }
}

#[test]
fn a_restart_in_any_minute_of_the_quiet_hours_changes_nothing() {
    let told = |restart_after: Option<u64>| {
        let mut play = play(usual(), "03:00-04:30");
        play.pass(3_600);
        play.becomes("web-chat", State::Dark);
        for minute in 0..300 {
            if Some(minute) == restart_after {
                play.restart(60);
            } else {
                play.pass(60);
            }
        }
        play.becomes("web-chat", State::Up);
        play.told()
    };
    let undisturbed = told(None);
    assert_eq!(
        undisturbed,
        [
            "02:26 held: oncall",
            "02:41 escalated: lead",
            "03:26 reminder: oncall lead",
            "03:26 escalated: manager",
            "05:26 reminder: oncall lead manager",
            "06:00 resolved: oncall lead manager"
        ],
        "the ladder begins when the team is told"
    );
    for minute in 0..100 {
        assert_eq!(told(Some(minute)), undisturbed, "{minute}");
    }
}

#[test]
fn steps_that_come_due_in_quiet_hours_wait_for_their_end() {
    let mut play = play(usual(), "03:00-04:30");
    play.pass(50 * 60);
    play.becomes("web-chat", State::Dark);
    play.pass(2 * 3_600);
    assert_eq!(
        play.told(),
        ["00:50 opened: oncall", "02:26 escalated: lead manager", "02:26 held: oncall"],
        "the reminder of 01:50 is in the letter"
    );
    assert_eq!(play.last_mail().subject, "[DARK] web-chat: Chat button, web shop (held in quiet hours)");
}

#[test]
fn a_time_of_day_that_leaps_out_of_the_quiet_hours_and_back_tells_once() {
    let mut play = play(Ladder::default(), "03:00-04:30");
    play.pass(3_600);
    play.becomes("web-chat", State::Dark);
    play.pass(600);
    play.leapt = SignedDuration::from_hours(5);
    play.pass(60);
    assert_eq!(play.told(), ["01:11 held: oncall"]);
    play.leapt = SignedDuration::ZERO;
    play.pass(4 * 3_600);
    assert!(play.told().is_empty());
    play.becomes("web-chat", State::Up);
    assert_eq!(play.told(), ["05:11 resolved: oncall"]);
}

#[test]
fn the_night_in_which_the_clocks_are_put_back_is_an_hour_longer() {
    // The last Sunday of October, 02:04:12 UTC is 03:04:12 in Berlin, where it has been winter for an hour.
    let mut play = play(Ladder::default(), "22:00-07:00");
    play.world.quiet = quiet("22:00-07:00", "Europe/Berlin");
    play.leapt = SignedDuration::from_hours(-27 * 24 - 3);
    play.becomes("web-chat", State::Dark);
    // 23:04:12 UTC on the day before, 01:04:12 in Berlin: until 07:00 it is six hours by the clock, and seven in truth.
    play.pass(8 * 3_600);
    assert_eq!(play.told(), ["06:56 held: oncall"]);
}

#[test]
fn what_was_urgent_before_the_store_knew_of_urgency_is_told_at_once() {
    let mut play = Play::new(Ladder::default());
    play.world.quiet = quiet("00:00-23:00", "UTC");
    play.becomes("web-chat", State::Dark);
    assert_eq!(play.told(), ["00:00 opened: oncall"]);
}
