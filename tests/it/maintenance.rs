//! Maintenance by command, with the real program on both sides: what is begun, extended and ended while the daemon runs,
//! who may do so, and that no mail leaves in a window and one does at its end.

use std::{
    net::TcpListener,
    path::Path,
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering::Relaxed},
    },
};

use jiff::Timestamp;
use lamplighter::{
    domain::{
        channel::ChannelId,
        maintenance::{Scope, Stint, WindowId},
    },
    store::Store,
};
use mail_parser::MessageParser;
use nix::sys::signal::Signal;
use reqwest::StatusCode;
use serde_json::{Value, json};
use tempfile::TempDir;
use tokio::{io::AsyncWriteExt, time::timeout};

use crate::{
    loopback::{Server, read_request},
    running::{PATIENCE, Running, command, until, write_config},
    smtp_sink::{Protection, Sink},
};

const TOKEN: &str = "a-token-of-some-length";

/// A door that can be broken.
async fn door(broken: &Arc<AtomicBool>) -> Server {
    let broken = Arc::clone(broken);
    Server::start(move |mut stream| {
        let status = if broken.load(Relaxed) { 500 } else { 200 };
        async move {
            read_request(&mut stream).await;
            let answer = format!("HTTP/1.1 {status} x\r\ncontent-length: 2\r\nconnection: close\r\n\r\nok");
            stream.write_all(answer.as_bytes()).await.ok();
            stream.shutdown().await.ok();
        }
    })
    .await
}

/// Two channels behind that door, whose pages are on a port that the commands find in the file.
fn configure(directory: &Path, door: &Server, sink: &Sink, api: &str) {
    let free = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
    let channel = |id: &str| {
        format!(
            "[channel.{id}]\nkind = \"chat\"\ntitle = \"{id}\"\nteam = \"oncall\"\n\
             [channel.{id}.probe.door]\nevery = \"100ms\"\nhttp = {{ url = \"http://{}/{id}\" }}\n",
            door.address
        )
    };
    let text = format!(
        "[monitor]\nlisten = \"{free}\"\ntime_zone = \"UTC\"\n{api}\
         [mail]\nfrom = \"lamplighter@example.com\"\nsmtp = \"smtp+plain://127.0.0.1:{}\"\n\
         [team.oncall]\nmail = [\"anna@example.com\"]\n{}{}\
         [[maintenance]]\nid = \"new-year\"\nfrom = \"2099-12-31 23:00\"\nuntil = \"2100-01-01 01:00\"\n\
         channels = [\"hotline\"]\ntext = \"Fireworks.\"\n",
        sink.port(),
        channel("web-chat"),
        channel("hotline"),
    );
    std::fs::write(directory.join("token"), TOKEN).unwrap();
    write_config(directory, &text);
}

const API: &str = "[api]\ntoken = { file = \"token\" }\n";

/// `lamplighter maintenance ...`: its exit code, what it printed, and what it complained of.
async fn tell(directory: &Path, args: &[&str]) -> (i32, String, String) {
    let output = command(directory).arg("maintenance").args(args).output().await.unwrap();
    let text = |bytes: Vec<u8>| String::from_utf8(bytes).unwrap();
    (output.status.code().unwrap(), text(output.stdout), text(output.stderr))
}

async fn state(running: &Running, channel: &str, state: &str) -> bool {
    running.sum(&format!("support_channel_state{{channel=\"{channel}\",state=\"{state}\"}}")).await == 1.0
}

/// Waits until a channel has failed so often again that it would long be dark.
async fn fails_on(running: &Running, channel: &str) {
    let failures = format!("support_probe_failures_total{{channel=\"{channel}\"");
    let before = running.sum(&failures).await;
    until("ten further failures", async || running.sum(&failures).await >= before + 10.0).await;
}

#[tokio::test]
async fn no_mail_leaves_in_a_window_that_is_begun_extended_and_ended_by_command_and_one_when_it_ends() {
    let broken = Arc::new(AtomicBool::new(false));
    let (door, sink) = (door(&broken).await, Sink::start(Protection::None).await);
    let directory = tempfile::tempdir().unwrap();
    configure(directory.path(), &door, &sink, API);
    let mut running = Running::start_in(directory, &[]).await;
    until("both are up", async || {
        state(&running, "web-chat", "up").await && state(&running, "hotline", "up").await
    })
    .await;
    let here = running.directory.path().to_owned();

    let start = ["start", "--for", "1h", "--team", "oncall", "--text", "Back <soon>."];
    let (code, said, complaint) = tell(&here, &start).await;
    assert_eq!((code, complaint.as_str()), (0, ""), "{said}");
    assert!(
        said.contains(" under way until ") && said.ends_with(", for the team oncall: Back <soon>.\n"),
        "{said}"
    );
    let id = said.split(' ').next().unwrap().to_owned();
    until("both are closed", async || {
        state(&running, "web-chat", "closed").await && state(&running, "hotline", "closed").await
    })
    .await;
    assert_eq!(running.sum("support_channel_up{").await, 0.0);
    assert!(!running.get("/metrics").await.contains("support_channel_up{"), "neither up nor down");
    let page = running.get("/").await;
    assert!(
        page.contains("<li class=\"door closed\">") && page.contains(": <bdi>Back &lt;soon&gt;.</bdi>"),
        "{page}"
    );

    broken.store(true, Relaxed);
    fails_on(&running, "web-chat").await;
    let (code, longer, _) = tell(&here, &["extend", &id, "--for", "30m"]).await;
    assert!(code == 0 && longer.starts_with(&format!("{id} under way until ")) && longer != said, "{longer}");

    running.signal(Signal::SIGTERM);
    running.ended().await;
    let running = Running::start_in(running.directory, &[]).await;
    fails_on(&running, "web-chat").await;
    assert!(state(&running, "web-chat", "closed").await && state(&running, "hotline", "closed").await);
    assert_eq!(sink.taken_count(), 0, "nobody is told in the window");
    let (code, list, _) = tell(&here, &["list"]).await;
    let planned =
        "new-year from 2099-12-31 23:00:00 UTC until 2100-01-01 01:00:00 UTC, for hotline: Fireworks.\n";
    assert_eq!((code, list), (0, format!("{longer}{planned}")), "extended, over the restart");

    let (code, ended, complaint) = tell(&here, &["end", &id]).await;
    assert!(code == 0 && ended.starts_with(&format!("{id} ended ")), "{ended}{complaint}");
    timeout(PATIENCE, sink.wait_for_ids(1)).await.expect("what is dark is told when the window ends");
    let mail = sink.taken().pop().unwrap();
    let text = MessageParser::default().parse(&mail.data).unwrap().body_text(0).unwrap().into_owned();
    assert!(
        text.contains("2 doors shut: ") && text.contains("web-chat") && text.contains("hotline"),
        "{text}"
    );
    assert!(state(&running, "web-chat", "dark").await && state(&running, "hotline", "dark").await);

    let (code, _, again) = tell(&here, &["end", &id]).await;
    assert_eq!(code, 1);
    assert!(again.starts_with("refused with status 40"), "{again}");
}

#[tokio::test]
async fn a_planned_window_begins_early_by_command() {
    let broken = Arc::new(AtomicBool::new(false));
    let (door, sink) = (door(&broken).await, Sink::start(Protection::None).await);
    let directory = tempfile::tempdir().unwrap();
    configure(directory.path(), &door, &sink, API);
    let running = Running::start_in(directory, &[]).await;
    let (code, said, complaint) = tell(running.directory.path(), &["start", "new-year"]).await;
    assert!(code == 0 && said.starts_with("new-year under way until 20"), "{said}{complaint}");
    assert!(said.ends_with(", for hotline: Fireworks.\n"), "{said}");
    until("the hotline alone is closed", async || {
        state(&running, "hotline", "closed").await && state(&running, "web-chat", "up").await
    })
    .await;
}

#[tokio::test]
async fn only_whoever_bears_the_token_gives_commands_and_every_refusal_says_why() {
    let broken = Arc::new(AtomicBool::new(false));
    let (door, sink) = (door(&broken).await, Sink::start(Protection::None).await);
    let directory = tempfile::tempdir().unwrap();
    configure(directory.path(), &door, &sink, API);
    let running = Running::start_in(directory, &[]).await;
    let right = format!("Bearer {TOKEN}");
    let hour = json!({ "for": "1h" });
    let cases: [(Option<&str>, &str, Value, StatusCode, &str); 12] = [
        (None, "", hour.clone(), StatusCode::UNAUTHORIZED, "Authorization: Bearer"),
        (Some("Basic YTpi"), "", hour.clone(), StatusCode::UNAUTHORIZED, "Authorization: Bearer"),
        (Some("Bearer guess"), "", hour.clone(), StatusCode::UNAUTHORIZED, "no token of this monitor"),
        (Some("Bearer guess"), "/x/end", json!({}), StatusCode::UNAUTHORIZED, "no token of this monitor"),
        (Some(&right), "", json!({}), StatusCode::BAD_REQUEST, "say for how long"),
        (
            Some(&right),
            "",
            json!({ "for": "soon" }),
            StatusCode::BAD_REQUEST,
            "not a span of time; write a number",
        ),
        (Some(&right), "", json!({ "for": "1h", "chanels": [] }), StatusCode::BAD_REQUEST, "chanels"),
        (
            Some(&right),
            "",
            json!({ "for": "1h", "channels": ["web"] }),
            StatusCode::NOT_FOUND,
            "no channel web",
        ),
        (Some(&right), "", json!({ "for": "1h", "teams": ["x"] }), StatusCode::NOT_FOUND, "no team x"),
        (
            Some(&right),
            "",
            json!({ "for": "1h", "labels": { "a": "b" } }),
            StatusCode::NOT_FOUND,
            "these labels",
        ),
        (Some(&right), "/new-year/end", json!({}), StatusCode::CONFLICT, "new-year is not under way"),
        (Some(&right), "/a%20b/extend", hour.clone(), StatusCode::BAD_REQUEST, "cannot be an id"),
    ];
    let client = reqwest::Client::new();
    for (authorization, path, body, status, words) in cases {
        let mut request =
            client.post(format!("{}/api/v1/maintenance{path}", running.url)).body(body.to_string());
        // As a page of somebody else's would: a form can be posted from anywhere.
        request = request.header("origin", "https://evil.example.com").header("content-type", "text/plain");
        if let Some(authorization) = authorization {
            request = request.header("authorization", authorization);
        }
        let answer = request.send().await.unwrap();
        let case = format!("{authorization:?} {path} {body}");
        assert_eq!(answer.status(), status, "{case}");
        assert!(answer.headers().keys().all(|name| !name.as_str().starts_with("access-control")), "{case}");
        let said: Value = serde_json::from_str(&answer.text().await.unwrap()).unwrap();
        assert!(said["error"].as_str().unwrap().contains(words), "{case}: {said}");
    }
    let long = client
        .post(format!("{}/api/v1/maintenance", running.url))
        .header("authorization", &right)
        .body("x".repeat(20_000));
    assert_eq!(long.send().await.unwrap().status(), StatusCode::PAYLOAD_TOO_LARGE);
    let list: Value = serde_json::from_str(&running.get("/api/v1/maintenance").await).unwrap();
    let ids: Vec<&str> =
        list["maintenance"].as_array().unwrap().iter().map(|it| it["id"].as_str().unwrap()).collect();
    assert_eq!(ids, ["new-year"], "nothing has begun");
}

#[tokio::test]
async fn a_monitor_without_a_token_takes_no_commands_and_says_what_to_configure() {
    let broken = Arc::new(AtomicBool::new(false));
    let (door, sink) = (door(&broken).await, Sink::start(Protection::None).await);
    let directory = tempfile::tempdir().unwrap();
    configure(directory.path(), &door, &sink, "");
    let mut running = Running::start_in(directory, &[]).await;
    let here = running.directory.path().to_owned();
    let (code, said, complaint) = tell(&here, &["start", "--for", "1h"]).await;
    assert_eq!((code, said.as_str()), (1, ""));
    assert_eq!(
        complaint,
        "refused with status 403: this monitor has no token with the scope \"maintenance\": add [api] with token = \
         { env = \"...\" } to the first file of its configuration, or [[api.client]] with what `lamplighter token` prints\n"
    );
    running.signal(Signal::SIGTERM);
    running.ended().await;
    let (code, _, complaint) = tell(&here, &["list"]).await;
    assert_eq!(code, 3);
    assert!(complaint.contains("it must be running by this configuration"), "{complaint}");
}

#[tokio::test]
async fn what_the_store_refuses_to_keep_has_not_happened_and_is_said() {
    let broken = Arc::new(AtomicBool::new(false));
    let (door, sink) = (door(&broken).await, Sink::start(Protection::None).await);
    let directory = tempfile::tempdir().unwrap();
    configure(directory.path(), &door, &sink, API);
    let running = Running::start_in(directory, &[]).await;
    until("it is up", async || state(&running, "web-chat", "up").await).await;
    let here = running.directory.path();
    let store = rusqlite::Connection::open(here.join("lamplighter.db")).unwrap();
    store.execute_batch("ALTER TABLE maintenance RENAME TO hidden").unwrap();
    let (code, said, complaint) = tell(here, &["start", "--for", "1h"]).await;
    assert_eq!((code, said.as_str()), (3, ""));
    assert!(
        complaint.starts_with("refused with status 503: failed to keep a window of maintenance"),
        "{complaint}"
    );
    assert!(state(&running, "web-chat", "up").await);
    store.execute_batch("ALTER TABLE hidden RENAME TO maintenance").unwrap();
    let (code, said, complaint) = tell(here, &["start", "--for", "1h"]).await;
    assert!(code == 0 && said.ends_with(", for all channels\n"), "{said}{complaint}");
    until("it is closed", async || state(&running, "web-chat", "closed").await).await;
}

#[tokio::test]
async fn what_is_kept_of_a_window_is_read_after_a_restart_and_goes_when_it_is_long_over() {
    let directory: TempDir = tempfile::tempdir().unwrap();
    let path = directory.path().join("l.db");
    let at = |text: &str| text.parse::<Timestamp>().unwrap();
    let stint = |id: &str, until: &str| Stint {
        id: WindowId::new(id),
        from: at("2026-11-26T10:00:00.123456789Z"),
        until: at(until),
        scope: Scope { channels: vec![ChannelId::new("web-chat")], ..Scope::default() },
        text: "Back soon.".to_owned(),
        covers: None,
    };
    let (first, second) = (stint("first", "2026-11-26T11:00:00Z"), stint("second", "2026-11-26T12:00:00Z"));
    let longer = stint("first", "2026-11-26T11:30:00Z");
    {
        let store = Store::open(&path).unwrap();
        for kept in [&first, &second, &longer] {
            store.keep_maintenance(kept.clone(), kept.from).await.unwrap();
        }
    }
    let store = Store::open(&path).unwrap();
    assert_eq!(store.load().await.unwrap().maintenance, [longer, second]);
    let third = stint("third", "2027-11-26T11:30:00Z");
    store.keep_maintenance(third.clone(), at("2027-11-26T10:00:00Z")).await.unwrap();
    assert_eq!(store.load().await.unwrap().maintenance, [third]);
}
