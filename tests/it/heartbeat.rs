//! Heartbeats of the real program to a switch of the tests' own: they end with it, however it ends.

use std::time::Duration;

use lamplighter::{notify::heartbeat::HeartbeatSettings, secret::Sources};
use nix::sys::signal::Signal;
use tokio::{io::AsyncWriteExt, time::sleep};

use crate::{
    loopback::Server,
    running::{Running, Target, until},
};

/// Beats go to `/beat/secret`.
fn config(target: &Target) -> String {
    format!(
        r#"
[monitor]
location = "test"
listen = "127.0.0.1:0"
store = "lamplighter.db"

[heartbeat]
url = {{ env = "HEARTBEAT_URL" }}
every = "1s"

[channel.chat]
kind = "chat"

[channel.chat.probe.door]
every = "500ms"
timeout = "400ms"
http = {{ url = "http://{}/" }}
"#,
        target.address
    )
}

const PATH: &str = "/beat/4711-secret";

/// How many beats come within so many seconds.
async fn within(target: &Target, secs: u64) -> u64 {
    let before = target.answered_on(PATH);
    sleep(Duration::from_secs(secs)).await;
    target.answered_on(PATH) - before
}

#[tokio::test]
async fn they_end_when_the_process_is_stopped_and_when_it_is_killed_and_come_again_when_it_goes_on() {
    let target = Target::start().await;
    let url = format!("http://{}{PATH}", target.address);
    let mut running = Running::start(&config(&target), &[("HEARTBEAT_URL", &url)]).await;
    until("beats", async || target.answered_on(PATH) >= 3).await;

    running.signal(Signal::SIGSTOP);
    sleep(Duration::from_millis(200)).await;
    assert_eq!(within(&target, 3).await, 0, "stopped");
    running.signal(Signal::SIGCONT);
    let before = target.answered_on(PATH);
    until("beats after it was stopped", async || target.answered_on(PATH) > before + 1).await;
    assert!(running.sum("lamplighter_heartbeats_total{result=\"sent\"}").await >= 5.0);
    let metrics = running.get("/metrics").await;
    assert!(!running.log().contains("4711-secret") && !metrics.contains("4711-secret"));

    running.signal(Signal::SIGKILL);
    running.ended().await;
    assert_eq!(within(&target, 3).await, 0, "killed");

    let again = Running::start_in(running.directory, &[("HEARTBEAT_URL", &url)]).await;
    let before = target.answered_on(PATH);
    until("beats of the next one", async || target.answered_on(PATH) > before).await;
    drop(again);
}

async fn sent_to(settings: &str) -> Result<(), String> {
    let settings: HeartbeatSettings = toml::from_str(settings).unwrap();
    let heartbeat = settings.build(&Sources::new(std::path::Path::new("."))).unwrap();
    heartbeat.beat.send().await
}

#[tokio::test]
async fn it_is_taken_by_any_answer_of_success_and_says_why_not_without_its_address() {
    let target = Target::start().await;
    let at = |path: &str| format!("url = \"http://{}{path}\"\nmethod = \"POST\"", target.address);
    assert_eq!(sent_to(&at("/beat?x=1")).await, Ok(()));
    assert_eq!(target.answered_on("/beat?x=1"), 1);
    assert_eq!(sent_to(&at("/broken")).await.unwrap_err(), "answered 500, expected 200 to 299");

    let mute = Server::start(|mut stream| async move {
        stream.write_all(b"\x16\x03\x01 no http\r\n").await.ok();
    })
    .await;
    let why = sent_to(&format!("url = \"http://{}/\"", mute.address)).await.unwrap_err();
    assert_eq!(why, "answered, but not in HTTP");
    let why = sent_to(&format!("url = \"https://{}/\"", mute.address)).await.unwrap_err();
    assert!(why.starts_with("TLS handshake: "), "{why}");
    let address = mute.address;
    mute.stop().await;
    let why = sent_to(&format!("url = \"http://{address}/\"")).await.unwrap_err();
    assert_eq!(why, "connecting: connection refused");
}
