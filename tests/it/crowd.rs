//! A crowd of clients that mean no good: thousands of connections that are half open, slow, or never read. Pages, health and
//! outages come through all the same, and the probes are as punctual as ever.

use std::{net::SocketAddr, time::Duration};

use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::{TcpSocket, TcpStream},
    task::JoinSet,
    time::{Instant, timeout},
};

use crate::{
    api::{TOKEN, client},
    running::{PATIENCE, Running, Target, until},
};

async fn daemon(target: &Target) -> (Running, SocketAddr) {
    let door = |channel: &str, path: &str| {
        format!(
            "[channel.{channel}]\nkind = \"chat\"\n[channel.{channel}.probe.door]\nevery = \"100ms\"\n\
             http = {{ url = \"http://{}{path}\" }}\n",
            target.address
        )
    };
    let config = "[monitor]\nlisten = \"127.0.0.1:0\"\n".to_owned()
        + &client("everything", "\"read\", \"run\", \"maintenance\"", TOKEN)
        + &door("chat", "/")
        + &door("hotline", "/frail");
    let running = Running::start(&config, &[]).await;
    let address = running.url.strip_prefix("http://").unwrap().parse().unwrap();
    (running, address)
}

/// A connection from one of the many addresses of this machine.
async fn connect(address: SocketAddr, from: u8) -> Option<TcpStream> {
    let socket = TcpSocket::new_v4().unwrap();
    socket.bind(SocketAddr::from(([127, 0, 9, from], 0))).unwrap();
    timeout(Duration::from_secs(5), socket.connect(address)).await.ok()?.ok()
}

/// How long a page took, which is there whoever else asks.
async fn page(running: &Running, path: &str) -> Duration {
    let began = Instant::now();
    let answer = timeout(PATIENCE, reqwest::get(format!("{}{path}", running.url))).await;
    let answer = answer.expect("it is answered").expect("nobody keeps it out");
    assert!(answer.status().is_success(), "{path}: {}", answer.status());
    answer.bytes().await.unwrap();
    began.elapsed()
}

/// Probes go on, whoever asks.
async fn go_on(target: &Target) {
    let before = target.answered();
    until("both doors are looked at", async || target.answered() > before + 2).await;
}

#[tokio::test]
async fn thousands_of_connections_that_say_nothing_keep_nobody_out_and_hold_up_no_probe() {
    let target = Target::start().await;
    let (running, address) = daemon(&target).await;
    let mut held: Vec<TcpStream> = Vec::new();
    let (mut tried, mut slowest) = (0, Duration::ZERO);
    let answered = target.answered();
    let began = Instant::now();
    for round in 1..=50 {
        if round == 25 {
            target.break_frail();
        }
        for from in 1..=100 {
            let Some(mut stream) = connect(address, from).await else { continue };
            // Half of them begin a request that they never end.
            if tried % 2 == 0 {
                stream.write_all(b"GET / HTTP/1.1\r\nhost: x\r\nx").await.ok();
            }
            held.push(stream);
            tried += 1;
        }
        // Of those that are closed anyway the descriptors are given back.
        if held.len() > 400 {
            held.drain(..200);
        }
        if round % 5 == 0 {
            for path in ["/", "/metrics", "/healthz", "/api/v1/outcomes?limit=5"] {
                slowest = slowest.max(page(&running, path).await);
            }
            go_on(&target).await;
        }
    }
    let seconds = began.elapsed().as_secs_f64();
    let runs = target.answered() - answered;
    println!("{tried} connections in {seconds:.1} s; the slowest page took {slowest:?}; {runs} runs");
    assert!(tried > 4_000, "the crowd was kept out: {tried}");
    until("the outage is told of", async || running.sum("support_incident_open").await == 1.0).await;
}

#[tokio::test]
async fn whoever_reads_slowly_or_asks_without_waiting_harms_himself_alone() {
    let target = Target::start().await;
    let (running, address) = daemon(&target).await;
    let mut crowd = JoinSet::new();
    for from in 1..=80 {
        let (asking, slow) = (connect(address, from).await, connect(address, from).await);
        crowd.spawn(async move {
            let Some(mut stream) = asking else { return };
            // A thousand requests at once, of whose answers nothing is read.
            stream
                .write_all("GET /metrics HTTP/1.1\r\nhost: 127.0.0.1\r\n\r\n".repeat(1_000).as_bytes())
                .await
                .ok();
            std::future::pending::<()>().await;
        });
        crowd.spawn(async move {
            let Some(mut stream) = slow else { return };
            // A letter a time, for as long as it is let.
            for letter in
                "GET /metrics HTTP/1.1\r\nhost: 127.0.0.1\r\nx: ".bytes().chain(std::iter::repeat(b'x'))
            {
                if stream.write_all(&[letter]).await.is_err() {
                    return;
                }
                tokio::time::sleep(Duration::from_millis(200)).await;
            }
        });
    }
    let mut slowest = Duration::ZERO;
    for _ in 0..10 {
        for path in ["/", "/metrics", "/healthz"] {
            slowest = slowest.max(page(&running, path).await);
        }
    }
    go_on(&target).await;
    println!("the slowest page took {slowest:?}");
    crowd.shutdown().await;
}

#[tokio::test]
async fn a_body_that_is_too_long_is_refused_and_where_none_is_wanted_it_is_not_waited_for() {
    let target = Target::start().await;
    let (running, address) = daemon(&target).await;
    let send = async |path: &str| {
        let head = format!(
            "POST {path} HTTP/1.1\r\nhost: 127.0.0.1\r\nauthorization: Bearer {TOKEN}\r\n\
             content-type: application/json\r\ncontent-length: 4294967296\r\n\r\n"
        );
        let mut stream = connect(address, 7).await.unwrap();
        stream.write_all(head.as_bytes()).await.unwrap();
        let mut answer = [0; 1_024];
        let read = timeout(PATIENCE, stream.read(&mut answer)).await.expect("it is answered").unwrap();
        String::from_utf8_lossy(&answer[..read]).into_owned()
    };
    let refused = send("/api/v1/maintenance").await;
    assert!(refused.starts_with("HTTP/1.1 413"), "{refused}");
    let answer = send("/api/v1/probes/chat/door/run").await;
    assert!(answer.starts_with("HTTP/1.1 200") || answer.starts_with("HTTP/1.1 409"), "{answer}");
    drop(running);
}
