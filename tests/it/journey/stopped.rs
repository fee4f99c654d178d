//! Journeys that are told to stop in the middle, because the daemon ends or their probe has left the plan: what they
//! have made is cleaned up all the same, and what they have seen is no outcome.

use std::time::Duration;

use lamplighter::cli::demo::support_centre::fault::{Door, Fault};
use nix::{
    sys::signal::{Signal, kill},
    unistd::Pid,
};
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;

use super::{HOTLINE, fixture::Centre};
use crate::running::{Running, command, until, write_config};

const TIMEOUT: Duration = Duration::from_secs(60);

/// Waits in the queue for as long as nobody stops it.
fn patient() -> String {
    HOTLINE.replace("within = \"500ms\"", "within = \"50s\"")
}

/// Tells a journey to stop when it has asked for a callback, and waits until it has ended.
async fn stop_once_asked(centre: &Centre, journey: &str) {
    let stop = CancellationToken::new();
    let stopping = async {
        until("a callback", async || centre.support.callbacks() == 1).await;
        stop.cancel();
    };
    let (ended, ()) = tokio::join!(centre.served.run_until(&stop, journey, TIMEOUT), stopping);
    assert!(ended.is_none(), "{ended:?}");
}

#[tokio::test]
async fn a_journey_that_is_stopped_while_it_waits_cancels_its_callback() {
    let centre = Centre::open().await;
    centre.support.break_door(Door::Hotline, Fault::Queue);
    let began = Instant::now();
    stop_once_asked(&centre, &patient()).await;
    assert_eq!(centre.support.callbacks(), 0);
    assert!(began.elapsed() < Duration::from_secs(10), "{:?}", began.elapsed());
}

#[tokio::test]
async fn a_journey_that_is_stopped_while_a_step_hangs_cancels_its_callback() {
    let centre = Centre::open().await;
    centre.support.break_door(Door::TicketForm, Fault::Hang);
    stop_once_asked(
        &centre,
        r#"
        steps = [
            { name = "ask", http = { url = "CENTRE/hotline/callbacks", body = { json = { number = "+1" } } },
               capture = { callback = { json = "$.id" } } },
            { name = "form", http = { url = "CENTRE/tickets/new" } },
        ]
        cleanup = [{ name = "cancel", http = { method = "DELETE", url = "CENTRE/hotline/callbacks/{callback}" } }]
        "#,
    )
    .await;
    assert_eq!(centre.support.callbacks(), 0);
}

/// The hotline as a channel of the daemon.
fn config(centre: &Centre) -> String {
    let at = "channel.hotline.probe.callback.journey";
    let journey = patient()
        .replace("[[steps]]", &format!("[[{at}.steps]]"))
        .replace("[[cleanup]]", &format!("[[{at}.cleanup]]"))
        .replace("CENTRE", &centre.served.base);
    format!(
        "[monitor]\nlisten = \"127.0.0.1:0\"\n\
         [channel.shop]\nkind = \"chat\"\nprobe.page = {{ http = {{ url = \"{}/\" }}, every = \"100ms\" }}\n\
         [channel.hotline]\nkind = \"hotline\"\n\
         [channel.hotline.probe.callback]\nevery = \"100ms\"\ntimeout = \"60s\"\n[{at}]\n{journey}",
        centre.served.base
    )
}

async fn watch_the_queue(centre: &Centre) -> Running {
    centre.support.break_door(Door::Hotline, Fault::Queue);
    let running = Running::start(&config(centre), &[]).await;
    until("a callback", async || centre.support.callbacks() == 1).await;
    running
}

#[tokio::test]
async fn sigterm_leaves_no_callback_behind_and_ends_the_daemon_in_time() {
    let centre = Centre::open().await;
    let mut running = watch_the_queue(&centre).await;
    let asked = Instant::now();
    running.signal(Signal::SIGTERM);
    assert_eq!(running.ended().await.code(), Some(0));
    assert!(asked.elapsed() < Duration::from_secs(10), "{:?}", asked.elapsed());
    assert_eq!(centre.support.callbacks(), 0);
    let store = rusqlite::Connection::open(running.directory.path().join("lamplighter.db")).unwrap();
    let seen =
        "SELECT count(*) FROM outcome JOIN probe ON probe.id = outcome.probe WHERE channel LIKE '%hotline%'";
    let seen: i64 = store.query_row(seen, [], |row| row.get(0)).unwrap();
    assert_eq!(seen, 0, "an interrupted run is no outcome");
}

#[tokio::test]
async fn a_cleanup_that_is_never_answered_holds_up_no_sigterm_and_is_told() {
    let centre = Centre::open().await;
    let mut running = watch_the_queue(&centre).await;
    centre.support.break_door(Door::Hotline, Fault::Hang);
    let asked = Instant::now();
    running.signal(Signal::SIGTERM);
    assert_eq!(running.ended().await.code(), Some(0));
    assert!(asked.elapsed() < Duration::from_secs(10), "{:?}", asked.elapsed());
    until("a warning", async || running.has_said("left something behind")).await;
    assert_eq!(centre.support.callbacks(), 1);
}

#[tokio::test]
async fn a_probe_that_leaves_the_plan_leaves_no_callback_behind() {
    let centre = Centre::open().await;
    let running = watch_the_queue(&centre).await;
    let config = config(&centre);
    let (without, _) = config.split_once("[channel.hotline]").unwrap();
    write_config(running.directory.path(), without);
    running.signal(Signal::SIGHUP);
    until("no callback", async || centre.support.callbacks() == 0).await;
    until("nothing of the hotline", async || !running.get("/metrics").await.contains("\"hotline\"")).await;
    assert!(!running.has_said("left something behind"));
}

#[tokio::test]
async fn a_run_by_hand_that_is_interrupted_leaves_no_callback_behind() {
    let centre = Centre::open().await;
    centre.support.break_door(Door::Hotline, Fault::Queue);
    let directory = tempfile::tempdir().unwrap();
    write_config(directory.path(), &config(&centre));
    let mut probing = command(directory.path()).args(["probe", "hotline/callback"]).spawn().unwrap();
    until("a callback", async || centre.support.callbacks() == 1).await;
    kill(Pid::from_raw(i32::try_from(probing.id().unwrap()).unwrap()), Signal::SIGINT).unwrap();
    let ended = probing.wait().await.unwrap();
    assert_eq!(ended.code(), Some(3), "it has seen nothing");
    assert_eq!(centre.support.callbacks(), 0);
}
