//! The real binary with no more than 64 descriptors and two hundred doors that are slow for a while: what cannot be looked
//! at for want of a descriptor is blamed on no door, and all is as before when there are enough again.

use std::{
    process::Command,
    sync::{
        Arc,
        atomic::{AtomicBool, AtomicU64, Ordering::Relaxed},
    },
    time::Duration,
};

use tokio::{io::AsyncWriteExt, time::sleep};

use crate::{
    loopback::{Server, read_request},
    running::{Running, until},
};

const DOORS: usize = 200;

/// What the doors do.
#[derive(Default)]
struct Doors {
    slow_ms: AtomicU64,
    first_is_broken: AtomicBool,
}

async fn serve(doors: Arc<Doors>) -> Server {
    Server::start(move |mut stream| {
        let doors = Arc::clone(&doors);
        async move {
            let request = read_request(&mut stream).await;
            // How slow the door is.
            sleep(Duration::from_millis(doors.slow_ms.load(Relaxed))).await;
            let is_first = request.starts_with("GET /0 ");
            let status = if is_first && doors.first_is_broken.load(Relaxed) { 503 } else { 200 };
            let answer = format!("HTTP/1.1 {status} x\r\ncontent-length: 2\r\nconnection: close\r\n\r\nok");
            stream.write_all(answer.as_bytes()).await.ok();
        }
    })
    .await
}

fn configuration(server: &Server) -> String {
    let mut text =
        "[monitor]\nlisten = \"127.0.0.1:0\"\nstore = \"{dir}/few.db\"\nruns_per_host_max = 1000\n\
                    [mail]\nfrom = \"monitor@example.com\"\nsmtp = \"smtp+plain://localhost:1\"\n\
                    [team.oncall]\nmail = [\"oncall@example.com\"]\n[defaults]\nevery = \"1s\"\n"
            .to_owned();
    for door in 0..DOORS {
        text += &format!(
            "[channel.door-{door}]\nkind = \"chat\"\nteam = \"oncall\"\n\
             probe.door.http = {{ url = \"http://{}/{door}\", expect = {{ status = [200] }} }}\n",
            server.address
        );
    }
    text
}

/// How many rows of the store this finds.
fn count(running: &Running, query: &str) -> i64 {
    let store = rusqlite::Connection::open(running.directory.path().join("few.db")).unwrap();
    store.busy_timeout(Duration::from_secs(5)).unwrap();
    store.query_row(query, [], |row| row.get(0)).unwrap()
}

#[tokio::test]
async fn a_monitor_that_runs_out_of_descriptors_blames_no_door_and_heals() {
    let doors = Arc::new(Doors::default());
    let server = serve(Arc::clone(&doors)).await;
    let directory = tempfile::tempdir().unwrap();
    let text = configuration(&server).replace("{dir}", directory.path().to_str().unwrap());
    crate::running::write_config(directory.path(), &text);
    let running = Running::start_in(directory, &[]).await;
    let up = async || running.sum("support_channel_up").await == DOORS as f64;
    until("all doors are up", up).await;
    let limit = Command::new("prlimit")
        .args(["--pid", &running.pid().to_string(), "--nofile=64:64"])
        .status()
        .expect("prlimit, of the package util-linux");
    assert!(limit.success());
    // More of them are open at once than there are descriptors.
    doors.slow_ms.store(1_500, Relaxed);
    const LACKING: &str =
        "SELECT count(*) FROM outcome WHERE outcome = 'inconclusive' AND reason = 'monitor_local'";
    until("many runs lack a descriptor", async || count(&running, LACKING) > 1_000).await;
    doors.slow_ms.store(0, Relaxed);
    // Two rounds of all doors.
    let heals = async || {
        let lacked = count(&running, LACKING);
        sleep(Duration::from_secs(2)).await;
        count(&running, LACKING) == lacked
    };
    until("every run has its descriptor again", heals).await;
    until("all doors are up", up).await;
    assert_eq!(count(&running, "SELECT count(*) FROM outbox"), 0);
    doors.first_is_broken.store(true, Relaxed);
    until("the outage of a door is told", async || {
        count(&running, "SELECT count(*) FROM outbox WHERE event = 'opened'") > 0
    })
    .await;
    assert_eq!(count(&running, "SELECT count(*) FROM outbox WHERE incident LIKE '%-door-0-%'"), 1);
    assert_eq!(count(&running, "SELECT count(*) FROM outbox"), 1);
}
