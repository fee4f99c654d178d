//! Channels that are closed on purpose, in a whole daemon: at which pace they are probed, what is told and when.

use std::{collections::BTreeMap, sync::Arc, time::Duration};

use jiff::{Timestamp, tz::TimeZone};
use lamplighter::{
    config::plan::{Channel, Plan},
    domain::{
        evaluation::State,
        hours::{Hours, read},
        maintenance::{Occurrence, Planned, Scope, When, WindowId},
    },
};
use tokio::time::Instant;

use super::stage::{Door, Play, PlayedDoor, doors, pass, plan};

/// The play begins on a Saturday at 03:04:12.345.
const BEGINS: &str = "2026-11-21T03:04:12.345Z";

/// How long after the beginning of the play it is this time of the same day.
fn until(time: &str) -> Duration {
    let at: Timestamp = format!("2026-11-21T{time}Z").parse().unwrap();
    at.duration_since(BEGINS.parse().unwrap()).unsigned_abs()
}

/// The plan of these doors, where one keeps hours.
fn with_hours(
    doors: &BTreeMap<&str, Arc<PlayedDoor>>,
    name: &str,
    hours: &str,
    every_closed: Option<u64>,
) -> Plan {
    let mut plan = plan(doors, |_| {});
    let channel = plan.channels.iter_mut().find(|(id, _)| id.as_str() == name).unwrap().1;
    let channel: &mut Channel = Arc::make_mut(channel);
    channel.hours = Some(Arc::new(Hours::new(read(hours).unwrap().spans, Arc::default(), TimeZone::UTC)));
    channel.every_closed = every_closed.map(Duration::from_secs);
    plan
}

fn with_maintenance(mut plan: Plan, from: &str, until: &str) -> Plan {
    let at = |time: &str| format!("2026-11-21T{time}Z").parse().unwrap();
    let window = Planned {
        id: WindowId::new("move"),
        when: When::Once(Occurrence { from: at(from), until: at(until) }),
        scope: Scope::default(),
        text: "We move.".to_owned(),
    };
    plan.maintenance = Arc::from([window]);
    plan
}

#[tokio::test(start_paused = true)]
async fn a_door_that_is_shut_outside_its_hours_is_no_outage_and_one_that_stays_shut_is_one_after_the_opening()
{
    let directory = tempfile::tempdir().unwrap();
    let chat = doors(["chat"]);
    chat["chat"].set(Door::Fails);
    let began = Instant::now();
    let play = Play::start(with_hours(&chat, "chat", "Sat 03:30-20:00", Some(600)), directory.path()).await;
    let opens = began + until("03:30:00");
    tokio::time::sleep_until(opens - Duration::from_secs(1)).await;
    assert_eq!(play.state("chat"), State::Closed);
    assert_eq!(play.metrics("support_channel_up{channel=\"chat\"}"), Vec::<String>::new());
    assert_eq!(play.mailbox.news(), Vec::<String>::new());
    let while_closed = chat["chat"].starts().len();
    assert!((2..=4).contains(&while_closed), "{while_closed} runs in 26 minutes, one every ten");

    pass(2).await;
    let first = chat["chat"].starts()[while_closed];
    assert!(
        first >= opens && first < opens + Duration::from_millis(20),
        "{:?} after the opening",
        first - opens
    );
    assert_eq!(play.state("chat"), State::Unknown);
    assert_eq!(play.mailbox.news(), Vec::<String>::new(), "what was seen before the opening does not count");
    pass(21).await;
    assert_eq!(play.state("chat"), State::Dark);
    assert_eq!(play.mailbox.news(), ["opened chat"]);
    play.end().await;
}

#[tokio::test(start_paused = true)]
async fn an_incident_stays_open_over_night_and_ends_with_the_first_proof_in_the_morning() {
    let directory = tempfile::tempdir().unwrap();
    let chat = doors(["chat"]);
    let play =
        Play::start(with_hours(&chat, "chat", "Sat 03:00-03:10 03:30-20:00", None), directory.path()).await;
    pass(20).await;
    assert_eq!(play.state("chat"), State::Up);
    chat["chat"].set(Door::Fails);
    pass(60).await;
    assert_eq!(play.mailbox.news(), ["opened chat"]);
    let now = clock_after(&play);
    tokio::time::sleep(until("03:15:00") - now).await;
    assert_eq!(play.state("chat"), State::Closed);
    assert_eq!(play.sum("support_incident_open{channel=\"chat\",severity=\"dark\"}"), 1.0);
    chat["chat"].set(Door::Works);
    let now = clock_after(&play);
    tokio::time::sleep(until("03:29:59") - now).await;
    assert_eq!(play.mailbox.news(), ["opened chat"], "nothing is told while it is closed");
    pass(32).await;
    assert_eq!(play.state("chat"), State::Up);
    assert_eq!(play.mailbox.news(), ["opened chat", "resolved chat"]);
    play.end().await;
}

/// How long the play has gone on.
fn clock_after(play: &Play) -> Duration {
    play.clock.now().duration_since(BEGINS.parse().unwrap()).unsigned_abs()
}

#[tokio::test(start_paused = true)]
async fn an_outage_that_outlives_its_window_is_told_at_its_end_and_not_before_also_over_a_restart() {
    let directory = tempfile::tempdir().unwrap();
    let both = doors(["chat", "hotline"]);
    let planned = || with_maintenance(plan(&both, |_| {}), "03:05:00", "03:10:00");
    let play = Play::start(planned(), directory.path()).await;
    pass(30).await;
    assert_eq!(play.state("chat"), State::Up);
    pass(30).await;
    assert_eq!((play.state("chat"), play.state("hotline")), (State::Closed, State::Closed));
    both["chat"].set(Door::Fails);
    pass(60).await;
    let (mailbox, clock) = (Arc::clone(&play.mailbox), play.clock);
    play.end().await;
    let play = Play::resume(planned(), directory.path(), mailbox, clock).await;
    tokio::time::sleep(until("03:09:59.500") - clock_after(&play)).await;
    assert_eq!(play.state("chat"), State::Closed);
    assert_eq!(play.mailbox.news(), Vec::<String>::new());
    pass(2).await;
    assert_eq!((play.state("chat"), play.state("hotline")), (State::Dark, State::Up));
    assert_eq!(play.mailbox.news(), ["opened chat"]);
    play.end().await;
}

#[tokio::test(start_paused = true)]
async fn nobody_is_sent_to_a_door_that_is_closed() {
    let directory = tempfile::tempdir().unwrap();
    let all = doors(["chat", "hotline", "mail"]);
    let play = Play::start(with_hours(&all, "hotline", "Sun 08:00-20:00", None), directory.path()).await;
    pass(30).await;
    assert_eq!(play.state("hotline"), State::Closed);
    all["chat"].set(Door::Fails);
    pass(40).await;
    let texts = play.mailbox.texts();
    assert_eq!(texts.len(), 1);
    assert!(texts[0].contains("The mail") && !texts[0].contains("The hotline"), "{}", texts[0]);
    play.end().await;
}

#[tokio::test(start_paused = true)]
async fn hours_that_a_reload_changes_hold_at_once() {
    let directory = tempfile::tempdir().unwrap();
    let chat = doors(["chat"]);
    let play = Play::start(plan(&chat, |_| {}), directory.path()).await;
    pass(30).await;
    assert_eq!(play.state("chat"), State::Up);
    play.daemon.adopt(with_hours(&chat, "chat", "Sun 08:00-20:00", None));
    pass(2).await;
    assert_eq!(play.state("chat"), State::Closed);
    play.daemon.adopt(with_hours(&chat, "chat", "Sat 00:00-24:00", None));
    pass(2).await;
    assert_ne!(play.state("chat"), State::Closed);
    pass(12).await;
    assert_eq!(play.state("chat"), State::Up);
    play.end().await;
}
