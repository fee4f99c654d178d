//! `lamplighter run` as a process: how it begins, what it tells systemd, how it ends.

use std::{os::unix::net::UnixDatagram, process::Stdio, time::Duration};

use nix::sys::signal::Signal;
use tokio::time::Instant;

use crate::running::{PATIENCE, Running, Target, command, until, write_config};

/// One channel on a target, tried ten times a second.
pub fn config(target: &Target) -> String {
    format!(
        "[monitor]\nlisten = \"127.0.0.1:0\"\n\
         [channel.chat]\nkind = \"chat\"\ntitle = \"Chat\"\n\
         [channel.chat.probe.door]\nevery = \"100ms\"\ntimeout = \"5s\"\nhttp = {{ url = \"http://{}/\" }}\n",
        target.address
    )
}

#[tokio::test]
async fn sigterm_ends_it_in_time_and_loses_no_finished_run() {
    for signal in [Signal::SIGTERM, Signal::SIGINT] {
        let target = Target::start().await;
        let mut running = Running::start(&config(&target), &[]).await;
        until("ten answers", async || target.answered() >= 10).await;
        let counted = running.sum("support_probe_runs_total").await;
        let asked = Instant::now();
        running.signal(signal);
        let status = running.ended().await;
        assert!(asked.elapsed() < Duration::from_secs(10), "{:?}", asked.elapsed());
        assert_eq!(status.code(), Some(0));
        let store = rusqlite::Connection::open(running.directory.path().join("lamplighter.db")).unwrap();
        let stored: f64 = store.query_row("SELECT count(*) FROM outcome", [], |row| row.get(0)).unwrap();
        assert!(stored >= counted && counted >= 8.0, "{stored} of {counted}");
        let judged: String = store.query_row("SELECT state FROM channel", [], |row| row.get(0)).unwrap();
        assert_eq!(judged, "up");
    }
}

#[tokio::test]
async fn an_address_that_is_taken_is_named_with_what_to_do() {
    let target = Target::start().await;
    let directory = tempfile::tempdir().unwrap();
    write_config(directory.path(), &config(&target).replace("127.0.0.1:0", &target.address.to_string()));
    let said = command(directory.path()).arg("run").stderr(Stdio::piped()).output().await.unwrap();
    let words = String::from_utf8_lossy(&said.stderr);
    assert_eq!(said.status.code(), Some(3), "{words}");
    assert!(words.contains(&format!("failed to listen on {}", target.address)), "{words}");
    assert!(words.contains("`listen` under [monitor]"), "{words}");
}

#[tokio::test]
async fn a_configuration_with_errors_is_not_run_and_is_told_as_check_tells_it() {
    let target = Target::start().await;
    let directory = tempfile::tempdir().unwrap();
    write_config(directory.path(), &config(&target).replace("timeout", "timeuot"));
    let said = command(directory.path()).arg("run").stderr(Stdio::piped()).output().await.unwrap();
    let words = String::from_utf8_lossy(&said.stderr);
    assert_eq!(said.status.code(), Some(1), "{words}");
    assert!(words.contains("probes.toml:8:1") && words.contains("did you mean"), "{words}");
    assert!(!words.contains('\u{1b}'), "no colours without a terminal: {words}");
}

#[tokio::test]
async fn a_store_in_use_is_not_shared() {
    let target = Target::start().await;
    let running = Running::start(&config(&target), &[]).await;
    let said = command(running.directory.path()).arg("run").stderr(Stdio::piped()).output().await.unwrap();
    let words = String::from_utf8_lossy(&said.stderr);
    assert_eq!(said.status.code(), Some(3), "{words}");
    assert!(words.contains("another lamplighter is using it"), "{words}");
}

#[tokio::test]
async fn libraries_are_not_heard_in_detail_whatever_rust_log_says() {
    let target = Target::start().await;
    let mut running =
        Running::start(&config(&target), &[("RUST_LOG", "trace,hyper=trace,reqwest=trace")]).await;
    until("an answer", async || target.answered() >= 3).await;
    running.signal(Signal::SIGTERM);
    running.ended().await;
    for level in ["DEBUG", "TRACE"] {
        for library in ["hyper", "reqwest", "rustls", "lettre", "h2", "hickory", "tokio", "mio"] {
            let heard = running.has_said_at(level, library);
            assert!(heard.is_none(), "{heard:?}");
        }
    }
}

#[tokio::test]
async fn rust_log_chooses_what_is_heard() {
    for (chosen, is_heard) in [("lamplighter=info", true), ("lamplighter=error", false), ("off", false)] {
        let target = Target::start().await;
        let directory = tempfile::tempdir().unwrap();
        write_config(directory.path(), &config(&target));
        let mut running = command(directory.path());
        running.arg("run").env("RUST_LOG", chosen).stderr(Stdio::piped());
        let running = running.spawn().unwrap();
        until("an answer", async || target.answered() >= 1).await;
        let pid = i32::try_from(running.id().unwrap()).unwrap();
        nix::sys::signal::kill(nix::unistd::Pid::from_raw(pid), Signal::SIGTERM).unwrap();
        let said = tokio::time::timeout(PATIENCE, running.wait_with_output()).await.unwrap().unwrap();
        let words = String::from_utf8_lossy(&said.stderr);
        assert_eq!(words.contains("ended"), is_heard, "{chosen}: {words}");
        assert!(is_heard || words.is_empty(), "{chosen}: {words}");
    }
}

#[tokio::test]
async fn a_rust_log_that_nobody_understands_is_named() {
    let directory = tempfile::tempdir().unwrap();
    let mut loud = command(directory.path());
    let said = loud.arg("run").env("RUST_LOG", "lamplighter=loud").output().await.unwrap();
    let words = String::from_utf8_lossy(&said.stderr);
    assert_eq!(said.status.code(), Some(3), "{words}");
    assert!(words.contains("RUST_LOG=\"lamplighter=loud\" cannot be understood"), "{words}");
}

#[tokio::test]
async fn systemd_hears_when_it_is_ready_alive_reloading_and_ending() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("notify");
    let socket = UnixDatagram::bind(&path).unwrap();
    socket.set_nonblocking(true).unwrap();
    let socket = tokio::net::UnixDatagram::from_std(socket).unwrap();
    let target = Target::start().await;
    let environment = [("NOTIFY_SOCKET", path.to_str().unwrap()), ("WATCHDOG_USEC", "200000")];
    let mut running = Running::start(&config(&target), &environment).await;
    hear(&socket, "READY=1").await;
    assert_eq!(running.get("/readyz").await, "ok\n", "it is ready when it says so");
    hear(&socket, "STATUS=channels: 1 up").await;
    for _ in 0..3 {
        hear(&socket, "WATCHDOG=1").await;
    }
    running.signal(Signal::SIGHUP);
    let reloading = hear(&socket, "RELOADING=1").await;
    assert!(reloading.contains("MONOTONIC_USEC="), "{reloading}");
    hear(&socket, "READY=1").await;
    running.signal(Signal::SIGTERM);
    hear(&socket, "STOPPING=1").await;
    assert_eq!(running.ended().await.code(), Some(0));
}

/// Reads what systemd would until a message contains these words.
async fn hear(socket: &tokio::net::UnixDatagram, words: &str) -> String {
    let hearing = async {
        loop {
            let mut message = [0; 1_024];
            let length = socket.recv(&mut message).await.unwrap();
            let message = String::from_utf8_lossy(&message[..length]).into_owned();
            if message.contains(words) {
                return message;
            }
        }
    };
    tokio::time::timeout(PATIENCE, hearing).await.unwrap_or_else(|_| panic!("systemd never heard {words}"))
}
