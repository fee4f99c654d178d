//! What a whole daemon keeps of the past: how long each door was open, and the reports that come of it.

use std::{
    collections::BTreeMap,
    path::Path,
    sync::{
        Arc,
        atomic::{AtomicI64, Ordering::Relaxed},
    },
    time::Duration,
};

use jiff::{Timestamp, tz::TimeZone};
use lamplighter::{
    clock::Clock,
    config::plan::{Plan, Team},
    domain::{
        channel::{ChannelId, TeamId},
        evaluation::State,
        hours::{Hours, read},
        ledger::{Spans, Timeline},
        maintenance::{Occurrence, Planned, Scope, When, WindowId},
        report::period::Every,
    },
    store::explain::Archive,
};

use super::stage::{Door, Mailbox, Play, doors, pass, plan};

/// How long a channel was what since the beginning of the play.
fn account(directory: &Path, channel: &str, from: Timestamp, until: Timestamp) -> Spans {
    let archive = Archive::open(&directory.join("play.db")).unwrap();
    let turns = archive.turns(&ChannelId::new(channel), from, until).unwrap();
    Timeline::new(&turns, &archive.watches(from).unwrap(), until).within(from, until)
}

#[tokio::test(start_paused = true)]
async fn how_long_a_door_was_open_is_known_over_an_outage_maintenance_a_restart_and_its_removal() {
    let directory = tempfile::tempdir().unwrap();
    let both = doors(["chat", "hotline"]);
    let window = |from: Timestamp| {
        let mut plan = plan(&both, |_| {});
        let (from, until) = (from + Duration::from_secs(300), from + Duration::from_secs(420));
        let when = When::Once(Occurrence { from, until });
        let scope = Scope { channels: vec![ChannelId::new("hotline")], ..Scope::default() };
        plan.maintenance =
            Arc::from([Planned { id: WindowId::new("move"), when, scope, text: "We move.".to_owned() }]);
        plan
    };
    let clock = Clock::following("2026-11-21T03:00:00Z".parse().unwrap());
    let (mailbox, began) = (Arc::new(Mailbox::default()), clock.now());
    let play = Play::resume(window(began), directory.path(), Arc::clone(&mailbox), clock).await;
    pass(60).await;
    both["chat"].set(Door::Fails);
    pass(120).await;
    both["chat"].set(Door::Works);
    pass(320).await;
    assert_eq!((play.state("chat"), play.state("hotline")), (State::Up, State::Up));
    let ended = clock.now();
    play.end().await;
    tokio::time::sleep(Duration::from_secs(100)).await;

    let again = clock.now();
    let play = Play::resume(window(began), directory.path(), mailbox, clock).await;
    pass(60).await;
    let gone = clock.now();
    play.end().await;
    let without = {
        let mut plan = window(began);
        plan.channels.remove(&ChannelId::new("hotline"));
        plan
    };
    let play = Play::resume(without, directory.path(), Arc::new(Mailbox::default()), clock).await;
    pass(60).await;
    let now = clock.now();
    play.end().await;

    let secs = |span: Duration| span.as_secs();
    let chat = account(directory.path(), "chat", began, ended);
    assert!(
        (115..=130).contains(&secs(chat.dark)),
        "from the first failed run to the first that went well: {chat:?}"
    );
    assert!(secs(chat.blind) < 10 && chat.closed.is_zero() && chat.maintenance.is_zero(), "{chat:?}");
    let hotline = account(directory.path(), "hotline", began, ended);
    assert_eq!((secs(hotline.maintenance), secs(hotline.dark)), (120, 0), "{hotline:?}");

    let between = account(directory.path(), "chat", ended, again);
    assert_eq!((secs(between.blind), secs(between.counted())), (100, 0), "nobody watched: {between:?}");
    let hotline = account(directory.path(), "hotline", gone, now);
    assert!(secs(hotline.counted() + hotline.blind) <= 1, "it is not configured: {hotline:?}");
    let chat = account(directory.path(), "chat", gone, now);
    assert!(secs(chat.up) > 50, "{chat:?}");
}

#[tokio::test(start_paused = true)]
async fn an_outage_over_closed_hours_maintenance_and_absence_is_none_that_counts_meanwhile() {
    let directory = tempfile::tempdir().unwrap();
    let all = doors(["keeps-hours", "is-moved", "goes"]);
    let began: Timestamp = "2026-11-21T03:04:00Z".parse().unwrap();
    let minute = |minutes: u64| began + Duration::from_secs(60 * minutes);
    let with = |goes: bool| {
        let mut plan = plan(&all, |_| {});
        let keeps = plan.channels.get_mut(&ChannelId::new("keeps-hours")).unwrap();
        let spans = read("Sat 02:00-03:10, 04:00-20:00").unwrap().spans;
        Arc::make_mut(keeps).hours = Some(Arc::new(Hours::new(spans, Arc::default(), TimeZone::UTC)));
        let when = When::Once(Occurrence { from: minute(4), until: minute(56) });
        let scope = Scope { channels: vec![ChannelId::new("is-moved")], ..Scope::default() };
        plan.maintenance =
            Arc::from([Planned { id: WindowId::new("move"), when, scope, text: "We move.".to_owned() }]);
        if !goes {
            plan.channels.remove(&ChannelId::new("goes"));
        }
        plan
    };
    let play =
        Play::resume(with(true), directory.path(), Arc::new(Mailbox::default()), Clock::following(began))
            .await;
    pass(60).await;
    all.values().for_each(|door| door.set(Door::Fails));
    pass(5 * 60).await;
    play.daemon.adopt(with(false));
    pass(44 * 60).await;
    play.daemon.adopt(with(true));
    pass(16 * 60).await;
    let states = ["keeps-hours", "is-moved", "goes"].map(|door| play.state(door));
    assert_eq!(states, [State::Dark; 3]);
    play.end().await;

    let account = |channel| account(directory.path(), channel, minute(0), minute(66));
    let minutes = |spans: Spans| {
        [spans.up, spans.dark, spans.closed, spans.maintenance].map(|span| (span.as_secs() + 30) / 60)
    };
    assert_eq!(minutes(account("keeps-hours")), [1, 15, 50, 0], "closed from minute 6 to minute 56");
    assert_eq!(minutes(account("is-moved")), [1, 13, 0, 52], "it is dark before the window and after it");
    assert_eq!(minutes(account("goes")), [1, 21, 0, 0], "it is watched until minute 6 and from minute 50 on");
}

#[tokio::test(start_paused = true)]
async fn what_a_clock_leaps_over_was_not_watched() {
    let ahead: &'static AtomicI64 = Box::leak(Box::default());
    let began: Timestamp = "2026-11-21T03:04:00Z".parse().unwrap();
    let clock = Clock::jumping(began, ahead);
    let directory = tempfile::tempdir().unwrap();
    let plan = plan(&doors(["chat"]), |_| {});
    let play = Play::resume(plan, directory.path(), Arc::new(Mailbox::default()), clock).await;
    pass(120).await;
    ahead.fetch_add(60 * 60 * 1_000, Relaxed);
    pass(120).await;
    let ended = clock.now();
    play.end().await;
    let chat = account(directory.path(), "chat", began, ended);
    assert!((200..=245).contains(&chat.up.as_secs()), "{chat:?}");
    assert!((3_580..=3_640).contains(&chat.blind.as_secs()), "{chat:?}");
}

/// The plan of a door whose team wants a report every week.
fn weekly() -> Plan {
    let mut plan = plan(&doors(["chat"]), |_| {});
    let team =
        Team { mail: vec!["oncall@example.com".to_owned()], report: Some(Every::Week), ..Team::default() };
    plan.teams = BTreeMap::from([(TeamId::new("oncall"), team)]);
    plan
}

#[tokio::test(start_paused = true)]
async fn a_report_comes_once_on_monday_morning_also_over_a_restart() {
    let directory = tempfile::tempdir().unwrap();
    let clock = Clock::following("2026-11-23T06:57:30Z".parse().unwrap());
    let mailbox = Arc::new(Mailbox::default());
    // Older than three days: it is not made up for.
    let play = Play::resume(weekly(), directory.path(), Arc::clone(&mailbox), clock).await;
    pass(120).await;
    assert_eq!(mailbox.subjects(), Vec::<String>::new());
    pass(120).await;
    assert_eq!(mailbox.subjects(), ["[Report] oncall, 2026-11-16 to 2026-11-22: nothing was seen"]);
    play.end().await;
    let play = Play::resume(weekly(), directory.path(), Arc::clone(&mailbox), clock).await;
    pass(300).await;
    assert_eq!(mailbox.subjects().len(), 1, "what was sent is not sent again");
    play.end().await;
}

#[tokio::test(start_paused = true)]
async fn a_report_that_was_due_while_the_monitor_was_away_is_made_up_for_within_three_days() {
    for (starts, expected) in [("2026-11-26T06:59:00Z", 1), ("2026-11-26T07:00:30Z", 0)] {
        let directory = tempfile::tempdir().unwrap();
        let (clock, mailbox) = (Clock::following(starts.parse().unwrap()), Arc::new(Mailbox::default()));
        let play = Play::resume(weekly(), directory.path(), Arc::clone(&mailbox), clock).await;
        pass(30).await;
        assert_eq!(mailbox.subjects().len(), expected, "{starts}");
        play.end().await;
    }
}
