//! The real program on a disk that is full: people are told, the dead man's switch is not kept quiet, and it heals by
//! itself.

use std::{
    fs,
    io::Write,
    path::PathBuf,
    process::Stdio,
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering::Relaxed},
    },
    time::Duration,
};

use mail_parser::MessageParser;
use tokio::{
    io::AsyncWriteExt,
    process::Command,
    time::{Instant, sleep},
};

use crate::{
    loopback::{Server, read_request},
    running::{Running, Target, until, write_config},
    smtp_sink::{Protection, Sink},
};

const BEAT: &str = "/beat";
const TOKEN: &str = "a-token-of-some-length";

async fn door(broken: &Arc<AtomicBool>) -> Server {
    let broken = Arc::clone(broken);
    Server::start(move |mut stream| {
        let broken = Arc::clone(&broken);
        async move {
            read_request(&mut stream).await;
            let status = if broken.load(Relaxed) { "500 Broken" } else { "200 OK" };
            let answer = format!("HTTP/1.1 {status}\r\ncontent-length: 2\r\nconnection: close\r\n\r\nok");
            stream.write_all(answer.as_bytes()).await.ok();
        }
    })
    .await
}

/// Starts it with its store on a disk of three megabytes of its own; gives where we find that disk.
async fn start(sink: &Sink, door: &Server, switch: &Target) -> (Running, PathBuf) {
    let directory = tempfile::tempdir().unwrap();
    let mut config = format!(
        r#"
[monitor]
location = "test"
listen = "127.0.0.1:0"
store = "disk/lamplighter.db"

[heartbeat]
url = "http://{}{BEAT}"
every = "1s"

[mail]
from = "Lamplighter <lamplighter@example.com>"
smtp = "smtp+plain://127.0.0.1:{}"

[team.oncall]
mail = ["anna@example.com"]

[api]
token = {{ file = "token" }}
"#,
        switch.address,
        sink.port(),
    );
    for id in ["chat", "form"] {
        config += &format!(
            r#"
[channel.{id}]
kind = "chat"
team = "oncall"
dark_after = {{ failures = 2 }}

[channel.{id}.probe.door]
every = "500ms"
timeout = "400ms"
http = {{ url = "http://{}/" }}
"#,
            door.address
        );
    }
    fs::write(directory.path().join("token"), TOKEN).unwrap();
    write_config(directory.path(), &config);
    fs::create_dir(directory.path().join("disk")).unwrap();
    let script = "mount -t tmpfs -o size=3m tmpfs disk && exec \"$0\" run --log-format json";
    let mut command = Command::new("unshare");
    command
        .args(["--map-root-user", "--mount", "sh", "-c", script, env!("CARGO_BIN_EXE_lamplighter")])
        .current_dir(directory.path())
        .env_remove("RUST_LOG")
        .env_remove("NOTIFY_SOCKET")
        .stdin(Stdio::null())
        .kill_on_drop(true);
    let running = Running::start_by(command, directory).await;
    let root = format!("/proc/{}/root", running.pid());
    let disk = running.directory.path().join("disk");
    let disk = PathBuf::from(root).join(disk.strip_prefix("/").unwrap());
    (running, disk)
}

/// Writes until nothing more fits.
fn fill(disk: &std::path::Path) {
    let mut file = fs::File::create(disk.join("filler")).unwrap();
    for size in [64 << 10, 4 << 10, 1 << 10, 1] {
        while file.write_all(&vec![0; size]).is_ok() {}
    }
}

/// Takes the outage in hand: the one mail that names both doors says which it is.
async fn acknowledge(running: &Running, sink: &Sink) {
    let taken = sink.taken();
    let texts = taken.iter().map(|mail| {
        let message = MessageParser::default().parse(&mail.data).unwrap();
        message.body_text(0).unwrap().into_owned()
    });
    let texts: Vec<String> = texts.collect();
    let of_both = texts.iter().find(|text| text.contains("\n  chat") && text.contains("\n  form"));
    let text = of_both.unwrap_or_else(|| panic!("one mail names both: {texts:?}"));
    let incident = text.split("Incident ").nth(1).unwrap().split_whitespace().next().unwrap();
    let answer = reqwest::Client::new()
        .post(format!("{}/api/v1/acknowledgements", running.url))
        .bearer_auth(TOKEN)
        .json(&serde_json::json!({ "incident": incident, "by": "Anna" }))
        .send()
        .await
        .unwrap();
    assert_eq!(answer.status().as_u16(), 201, "{}", answer.text().await.unwrap());
}

#[tokio::test]
async fn on_a_full_disk_people_are_told_heartbeats_stop_and_all_heals_when_there_is_room() {
    let broken = Arc::new(AtomicBool::new(false));
    let (sink, door, switch) =
        (Sink::start(Protection::None).await, door(&broken).await, Target::start().await);
    let (running, disk) = start(&sink, &door, &switch).await;
    until("heartbeats", async || switch.answered_on(BEAT) >= 2).await;

    fill(&disk);
    let full = Instant::now();
    broken.store(true, Relaxed);
    until("a mail about the outage of both doors and one about the store", async || sink.ids_count() == 2)
        .await;
    let told = full.elapsed();
    assert!(running.sum("lamplighter_store_degraded").await == 1.0);
    assert!(
        running.has_said("goes on from memory") || running.has_said("go on from memory"),
        "{}",
        running.log()
    );
    until("withheld", async || running.sum("lamplighter_heartbeat_withheld{reason=\"store\"}").await == 1.0)
        .await;
    let before = switch.answered_on(BEAT);
    sleep(Duration::from_secs(3)).await;
    assert_eq!(switch.answered_on(BEAT), before, "none is sent");
    acknowledge(&running, &sink).await;
    broken.store(false, Relaxed);
    until("the recovery is told", async || sink.ids_count() == 3).await;

    fs::remove_file(disk.join("filler")).unwrap();
    let room = Instant::now();
    until("healed", async || running.sum("lamplighter_store_degraded").await == 0.0).await;
    until("heartbeats again", async || switch.answered_on(BEAT) > before).await;
    until("nothing is pending", async || running.sum("lamplighter_outbox_pending").await == 0.0).await;
    let healed = room.elapsed();
    assert!(healed < Duration::from_secs(30), "{healed:?}");
    sleep(Duration::from_secs(2)).await;
    assert_eq!((sink.taken_count(), sink.ids_count()), (3, 3), "nothing is sent twice");
    println!("told {told:?} after the disk was full, healed {healed:?} after there was room");
}
