//! The canaries on a paused clock: when they go out, what is told of those that do not arrive, and what a restart, a clock
//! that jumps and a change of the time of day make of it.

use std::{
    collections::BTreeMap,
    fmt,
    path::Path,
    sync::{
        Arc, Mutex,
        atomic::{AtomicI64, Ordering::Relaxed},
    },
    time::Duration,
};

use jiff::{Timestamp, civil::Date, tz::TimeZone};
use lamplighter::{
    clock::Clock,
    config::plan::{CanaryPlan, CanaryWay, Plan, Team},
    domain::{
        canary::{Daily, MailWay},
        notification::Notification,
    },
    notify::{
        Delivery, Notifier, SendFuture,
        mail::mailbox::{LookFuture, Mailbox as Looked, Wanted},
    },
};
use tokio::time::Instant;

use super::stage::{Mailbox, Play, doors, pass, plan};

const MINUTE: u64 = 60;
const HOUR: u64 = 60 * MINUTE;
const DAY: u64 = 24 * HOUR;

/// What becomes of a canary.
#[derive(Clone, Debug, PartialEq, Eq)]
enum Fate {
    /// It arrives so many seconds after it was taken.
    Arrives(u64),
    /// It is taken and never arrives.
    Vanishes,
    /// The server takes none for now.
    PutOff,
    /// The server refuses it.
    Refused,
    /// The server says nothing.
    Hangs,
    /// It is taken, and its mailbox cannot be opened.
    LockedIn,
}

/// A mail server with a mailbox behind it.
struct Aviary {
    fate: Mutex<Fate>,
    clock: Clock,
    /// Every try, by the machine's clock, with its Message-ID.
    tries: Mutex<Vec<(Timestamp, String)>>,
    taken: Mutex<BTreeMap<String, Instant>>,
}

impl fmt::Debug for Aviary {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Aviary")
    }
}

impl Aviary {
    fn new(clock: Clock) -> Arc<Self> {
        let (fate, tries) = (Mutex::new(Fate::Arrives(0)), Mutex::default());
        Arc::new(Self { fate, clock, tries, taken: Mutex::default() })
    }

    fn set(&self, fate: Fate) {
        *self.fate.lock().unwrap() = fate;
    }

    fn ids(&self) -> Vec<String> {
        let tries = self.tries.lock().unwrap();
        let mut ids: Vec<String> = tries.iter().map(|(_, id)| id.clone()).collect();
        ids.dedup();
        ids
    }

    /// When each canary was first tried, as a clock in Berlin shows it.
    fn times(&self) -> Vec<String> {
        let tries = self.tries.lock().unwrap();
        let mut seen = Vec::new();
        let mut times = Vec::new();
        for (at, id) in tries.iter().filter(|(_, id)| !id.is_empty()) {
            if !seen.contains(id) {
                seen.push(id.clone());
                times.push(at.to_zoned(berlin()).strftime("%d %H:%M").to_string());
            }
        }
        times
    }
}

impl Notifier for Aviary {
    fn send<'a>(&'a self, mail: &'a Notification, _: Duration) -> SendFuture<'a> {
        Box::pin(async {
            self.tries.lock().unwrap().push((self.clock.now(), mail.message_id.clone()));
            let fate = self.fate.lock().unwrap().clone();
            match fate {
                Fate::Arrives(_) | Fate::Vanishes | Fate::LockedIn => {
                    self.taken.lock().unwrap().insert(mail.message_id.clone(), Instant::now());
                    Delivery::Accepted("250 taken".to_owned())
                }
                Fate::PutOff => {
                    Delivery::Deferred("mail.example.com:25: RCPT TO: the server said 451 later".to_owned())
                }
                Fate::Refused => {
                    Delivery::Permanent("mail.example.com:25: RCPT TO: the server said 550 no".to_owned())
                }
                Fate::Hangs => std::future::pending().await,
            }
        })
    }
}

impl Looked for Aviary {
    fn look<'a>(&'a self, wanted: &'a Wanted) -> LookFuture<'a> {
        Box::pin(async {
            let taken = self.taken.lock().unwrap().get(&wanted.message_id).copied();
            match *self.fate.lock().unwrap() {
                Fate::LockedIn => Err("mail.example.com:993: login: the server said NO wrong".to_owned()),
                Fate::Arrives(secs) => Ok(taken.is_some_and(|at| at.elapsed() >= Duration::from_secs(secs))),
                _ => Ok(false),
            }
        })
    }
}

fn berlin() -> TimeZone {
    TimeZone::get("Europe/Berlin").unwrap()
}

/// A plan with canaries at nine in Berlin, by these.
fn flying(ways: &[(MailWay, &Arc<Aviary>)], has_mailbox: bool) -> Plan {
    let way = |(by, aviary): &(MailWay, &Arc<Aviary>)| {
        let notifier: Arc<dyn Notifier> = Arc::clone(*aviary) as _;
        (*by, CanaryWay { host: "mail.example.com".to_owned(), notifier })
    };
    let mailbox: Arc<dyn Looked> = Arc::clone(ways[0].1) as _;
    let canary = CanaryPlan {
        to: "canary@example.com".to_owned(),
        daily: Daily { time: jiff::civil::time(9, 0, 0, 0), zone: berlin() },
        within: Duration::from_secs(10 * MINUTE),
        ways: ways.iter().map(way).collect(),
        mailbox: has_mailbox.then_some(mailbox),
    };
    let plain = plan(&doors(["chat"]), |probe| probe.every = Duration::from_secs(HOUR));
    Plan { canary: Some(canary), time_zone: berlin(), ..plain }
}

fn clock_at(text: &str) -> Clock {
    Clock::following(text.parse().unwrap())
}

async fn play(plan: Plan, directory: &Path, clock: Clock) -> Play {
    Play::resume(plan, directory, Arc::<Mailbox>::default(), clock).await
}

fn up(play: &Play) -> Vec<String> {
    let lines = play.metrics("lamplighter_canary_up{");
    lines.iter().map(|line| line.trim_start_matches("lamplighter_canary_up").to_owned()).collect()
}

#[tokio::test(start_paused = true)]
async fn one_goes_out_at_the_first_start_and_then_each_day_at_its_time_whatever_the_zone_does() {
    for (start, days) in [
        ("2026-10-23T10:00:00Z", ["23 12:00", "24 09:00", "25 09:00", "26 09:00", "27 09:00"]),
        ("2026-03-27T10:00:00Z", ["27 11:00", "28 09:00", "29 09:00", "30 09:00", "31 09:00"]),
    ] {
        let directory = tempfile::tempdir().unwrap();
        let clock = clock_at(start);
        let aviary = Aviary::new(clock);
        let play = play(flying(&[(MailWay::First, &aviary)], true), directory.path(), clock).await;
        pass(4 * DAY).await;
        assert_eq!(aviary.times(), days);
        assert_eq!(play.mailbox.subjects(), Vec::<String>::new());
        assert_eq!(up(&play), ["{route=\"mail\"} 1"]);
        assert!(play.sum("lamplighter_canary_last_success_timestamp_seconds") > 1e9);
        play.end().await;
    }
}

#[tokio::test(start_paused = true)]
async fn a_restart_sends_no_second_one_and_what_was_missed_while_it_was_down_is_sent_soon_after_the_start() {
    let directory = tempfile::tempdir().unwrap();
    let clock = clock_at("2026-11-21T10:00:00Z");
    let aviary = Aviary::new(clock);
    for _ in 0..3 {
        let play = play(flying(&[(MailWay::First, &aviary)], true), directory.path(), clock).await;
        pass(HOUR).await;
        assert_eq!(up(&play), ["{route=\"mail\"} 1"], "known after a restart too");
        play.end().await;
    }
    assert_eq!(aviary.times(), ["21 11:00"]);
    // Down for two days, over nine o'clock.
    pass(2 * DAY).await;
    let play = play(flying(&[(MailWay::First, &aviary)], true), directory.path(), clock).await;
    pass(HOUR).await;
    assert_eq!(aviary.times(), ["21 11:00", "23 14:00"], "one, not one for each day");
    play.end().await;
}

#[tokio::test(start_paused = true)]
async fn a_clock_that_jumps_makes_no_storm_and_ends_no_canaries_for_good() {
    const HOUR_MS: i64 = 3_600_000;
    for jump in [HOUR_MS, -HOUR_MS, 24 * HOUR_MS, -24 * HOUR_MS, 87_600 * HOUR_MS, -87_600 * HOUR_MS] {
        let directory = tempfile::tempdir().unwrap();
        let ahead: &'static AtomicI64 = Box::leak(Box::default());
        let clock = Clock::jumping("2026-11-21T10:00:00Z".parse().unwrap(), ahead);
        let aviary = Aviary::new(clock);
        let play = play(flying(&[(MailWay::First, &aviary)], true), directory.path(), clock).await;
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
        assert_eq!(play.mailbox.subjects(), Vec::<String>::new(), "{jump}");
        play.end().await;
    }
}

#[tokio::test(start_paused = true)]
async fn one_that_is_lost_is_told_once_and_tried_every_ten_minutes_until_one_arrives() {
    for (fate, within, why) in [
        (Fate::Refused, MINUTE, "the server said 550 no"),
        (Fate::PutOff, 11 * MINUTE, "the server said 451 later"),
        (Fate::Vanishes, 11 * MINUTE, "the server took it (250 taken), and it is not in its mailbox"),
        (Fate::LockedIn, 11 * MINUTE, "its mailbox cannot be looked into"),
    ] {
        let directory = tempfile::tempdir().unwrap();
        let clock = clock_at("2026-11-21T10:00:00Z");
        let aviary = Aviary::new(clock);
        aviary.set(fate.clone());
        let play = play(flying(&[(MailWay::First, &aviary)], true), directory.path(), clock).await;
        pass(within).await;
        let lost = "[MONITOR] fra-1: mail by [mail] is lost";
        assert_eq!(play.mailbox.subjects(), [lost], "{fate:?}");
        assert_eq!(up(&play), ["{route=\"mail\"} 0"], "{fate:?}");
        let text =
            play.mailbox.texts()[0].replace("\n ", " ").split_whitespace().collect::<Vec<_>>().join(" ");
        assert!(text.contains(why), "{text}");
        pass(HOUR).await;
        assert!((7..=8).contains(&aviary.ids().len()), "{fate:?}: {:?}", aviary.times());
        assert_eq!(play.mailbox.subjects().len(), 1, "{fate:?}: told once");

        aviary.set(Fate::Arrives(0));
        pass(11 * MINUTE).await;
        let subjects = play.mailbox.subjects();
        assert!(
            subjects[1].starts_with("[MONITOR] fra-1: mail by [mail] arrives again (after 1 h"),
            "{subjects:?}"
        );
        assert_eq!((subjects.len(), up(&play)), (2, vec!["{route=\"mail\"} 1".to_owned()]));
        let sent = aviary.ids().len();
        pass(12 * HOUR).await;
        assert_eq!(aviary.ids().len(), sent, "{fate:?}: the next one is that of tomorrow");
        play.end().await;
    }
}

#[tokio::test(start_paused = true)]
async fn one_that_is_put_off_or_slow_and_arrives_in_time_is_not_lost() {
    let directory = tempfile::tempdir().unwrap();
    let clock = clock_at("2026-11-21T10:00:00Z");
    let aviary = Aviary::new(clock);
    aviary.set(Fate::PutOff);
    let play = play(flying(&[(MailWay::First, &aviary)], true), directory.path(), clock).await;
    pass(5 * MINUTE).await;
    aviary.set(Fate::Arrives(3 * MINUTE));
    pass(DAY).await;
    assert_eq!(play.mailbox.subjects(), Vec::<String>::new());
    assert_eq!(aviary.ids().len(), 2, "the tries of one canary are one");
    let travel = play.sum("lamplighter_canary_travel_seconds{route=\"mail\"}");
    assert!((180.0..200.0).contains(&travel), "{travel}");
    play.end().await;
}

#[tokio::test(start_paused = true)]
async fn without_a_mailbox_it_has_arrived_when_the_server_has_taken_it() {
    let directory = tempfile::tempdir().unwrap();
    let clock = clock_at("2026-11-21T10:00:00Z");
    let aviary = Aviary::new(clock);
    aviary.set(Fate::Vanishes);
    let play = play(flying(&[(MailWay::First, &aviary)], false), directory.path(), clock).await;
    pass(HOUR).await;
    assert_eq!((aviary.ids().len(), up(&play)), (1, vec!["{route=\"mail\"} 1".to_owned()]));
    assert_eq!(play.mailbox.subjects(), Vec::<String>::new());
    play.end().await;
}

#[tokio::test(start_paused = true)]
async fn a_loss_outlives_a_restart_and_is_not_told_again() {
    let directory = tempfile::tempdir().unwrap();
    let clock = clock_at("2026-11-21T10:00:00Z");
    let aviary = Aviary::new(clock);
    aviary.set(Fate::Refused);
    let mut told = Vec::new();
    for _ in 0..3 {
        let play = play(flying(&[(MailWay::First, &aviary)], true), directory.path(), clock).await;
        pass(25 * MINUTE).await;
        assert_eq!(up(&play), ["{route=\"mail\"} 0"]);
        told.extend(play.mailbox.subjects());
        play.end().await;
    }
    assert_eq!(told, ["[MONITOR] fra-1: mail by [mail] is lost"]);
    assert!((7..=10).contains(&aviary.ids().len()), "{:?}", aviary.times());
    aviary.set(Fate::Arrives(0));
    let play = play(flying(&[(MailWay::First, &aviary)], true), directory.path(), clock).await;
    pass(11 * MINUTE).await;
    assert!(play.mailbox.subjects()[0].contains("arrives again"), "{:?}", play.mailbox.subjects());
    play.end().await;
}

#[tokio::test(start_paused = true)]
async fn one_that_a_restart_cut_off_goes_out_again_by_the_same_id_and_is_looked_for_after_another() {
    let directory = tempfile::tempdir().unwrap();
    let clock = clock_at("2026-11-21T10:00:00Z");
    let aviary = Aviary::new(clock);
    aviary.set(Fate::Hangs);
    let first = play(flying(&[(MailWay::First, &aviary)], true), directory.path(), clock).await;
    pass(MINUTE).await;
    first.end().await;
    aviary.set(Fate::Arrives(5 * MINUTE));
    let second = play(flying(&[(MailWay::First, &aviary)], true), directory.path(), clock).await;
    pass(MINUTE).await;
    second.end().await;
    assert_eq!((aviary.ids().len(), aviary.tries.lock().unwrap().len()), (1, 2));
    let third = play(flying(&[(MailWay::First, &aviary)], true), directory.path(), clock).await;
    pass(10 * MINUTE).await;
    assert_eq!((aviary.ids().len(), aviary.tries.lock().unwrap().len()), (1, 2), "it had been taken");
    assert_eq!(up(&third), ["{route=\"mail\"} 1"]);
    third.end().await;
}

#[tokio::test(start_paused = true)]
async fn the_fallback_has_a_canary_of_its_own_and_either_is_told_by_itself() {
    let directory = tempfile::tempdir().unwrap();
    let clock = clock_at("2026-11-21T10:00:00Z");
    let (first, second) = (Aviary::new(clock), Aviary::new(clock));
    second.set(Fate::Refused);
    let ways = [(MailWay::First, &first), (MailWay::Fallback, &second)];
    let play = play(flying(&ways, true), directory.path(), clock).await;
    pass(MINUTE).await;
    assert_eq!(play.mailbox.subjects(), ["[MONITOR] fra-1: mail by [mail.fallback] is lost"]);
    assert_eq!(up(&play), ["{route=\"fallback\"} 0", "{route=\"mail\"} 1"]);
    assert!(play.mailbox.texts()[0].contains("Other ways: [mail]\n"), "{}", play.mailbox.texts()[0]);
    assert!(first.ids()[0].contains(".mail.") && second.ids()[0].contains(".fallback."));

    // The table is taken out: what was lost is over, and its series are gone.
    play.daemon.adopt(flying(&ways[..1], true));
    pass(MINUTE).await;
    assert_eq!(play.mailbox.subjects()[1], "[MONITOR] fra-1: no canary by [mail.fallback] any more");
    assert_eq!(up(&play), ["{route=\"mail\"} 1"]);
    play.end().await;
}

#[tokio::test(start_paused = true)]
async fn heartbeats_are_withheld_while_mail_is_lost_and_there_is_no_other_way() {
    let withheld = |play: &Play| play.sum("lamplighter_heartbeat_withheld{reason=\"canary\"}");
    for (has_webhook, expected) in [(false, 1.0), (true, 0.0)] {
        let directory = tempfile::tempdir().unwrap();
        let clock = clock_at("2026-11-21T10:00:00Z");
        let aviary = Aviary::new(clock);
        aviary.set(Fate::Refused);
        let mut plan = super::heartbeat::with_a_switch(flying(&[(MailWay::First, &aviary)], true));
        if has_webhook {
            for team in plan.teams.values_mut() {
                *team = Team { webhooks: vec!["ops".to_owned()], ..team.clone() };
            }
        }
        let play = play(plan, directory.path(), clock).await;
        pass(3 * MINUTE).await;
        assert_eq!(withheld(&play), expected);
        aviary.set(Fate::Arrives(0));
        pass(12 * MINUTE).await;
        assert_eq!(withheld(&play), 0.0);
        play.end().await;
    }
}

#[tokio::test(start_paused = true)]
async fn while_the_store_takes_nothing_a_loss_is_told_past_it_and_kept_when_it_works_again() {
    let directory = tempfile::tempdir().unwrap();
    let clock = clock_at("2026-11-21T10:00:00Z");
    let aviary = Aviary::new(clock);
    let first = play(flying(&[(MailWay::First, &aviary)], true), directory.path(), clock).await;
    pass(MINUTE).await;
    let saboteur = rusqlite::Connection::open(directory.path().join("play.db")).unwrap();
    saboteur.execute_batch("ALTER TABLE canary RENAME TO hidden").unwrap();
    aviary.set(Fate::Refused);
    pass(DAY).await;
    let lost = "[MONITOR] fra-1: mail by [mail] is lost";
    assert_eq!(first.mailbox.subjects(), [lost]);
    saboteur.execute_batch("ALTER TABLE hidden RENAME TO canary").unwrap();
    pass(MINUTE).await;
    assert_eq!(first.mailbox.subjects(), [lost], "and once");
    first.end().await;
    let second = play(flying(&[(MailWay::First, &aviary)], true), directory.path(), clock).await;
    pass(MINUTE).await;
    assert_eq!((up(&second), second.mailbox.subjects().len()), (vec!["{route=\"mail\"} 0".to_owned()], 0));
    second.end().await;
}

/// Whatever is done to it, no day has two canaries that arrive and none is left out for longer than two.
#[tokio::test(start_paused = true)]
async fn restarts_at_any_time_leave_one_canary_a_day() {
    let directory = tempfile::tempdir().unwrap();
    let clock = clock_at("2026-10-20T10:00:00Z");
    let aviary = Aviary::new(clock);
    // Spans that are no part of a day, so that restarts come at all times.
    for span in [7_001, 30_011, 86_399, 3_607, 90_007, 50_021, 11, 172_801, 40_009, 23, 86_413, 60_013, 3_601]
    {
        let play = play(flying(&[(MailWay::First, &aviary)], true), directory.path(), clock).await;
        pass(span).await;
        play.end().await;
        pass(span / 50).await;
    }
    let days: Vec<Date> = {
        let tries = aviary.tries.lock().unwrap();
        tries.iter().map(|(at, _)| at.to_zoned(berlin()).date()).collect()
    };
    let distinct: std::collections::BTreeSet<Date> = days.iter().copied().collect();
    assert_eq!(days.len(), distinct.len(), "{days:?}");
    let (first, last) = (days[0], days[days.len() - 1]);
    assert_eq!((last - first).get_days() + 1, i32::try_from(days.len()).unwrap(), "{days:?}");
}
