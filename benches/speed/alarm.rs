//! How long it takes from the moment a channel goes dark to the moment the mail server has accepted the mail, by a
//! daemon that ships, doors that break at any moment of the interval, and a real SMTP conversation.

use std::{net::SocketAddr, time::Duration};

use lamplighter::{cli::demo::inbox::Inbox, clock::Clock};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::{TcpListener, TcpStream},
    sync::watch,
    task::JoinSet,
    time::{sleep, timeout},
};

use crate::{
    daemon::{Daemon, Setup},
    nginx::Nginx,
    table::{Row, Table},
};

/// How a door is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Door {
    Open,
    Refuses,
    Answers500,
    Hangs,
}

/// How often and how long things are tried.
struct Trial {
    setup: Setup<'static>,
    ways: &'static [Door],
    rounds: usize,
    interval: Duration,
    patience: Duration,
}

/// Interval 1 s, three confirmations 100 ms apart.
pub fn quick(_: &Nginx, table: &mut Table) {
    let trial = Trial {
        setup: Setup {
            probes: 10,
            every: "1s",
            request: ", expect = { status = [200] }",
            channel: "team = \"oncall\"\ndark_after = { failures = 3, of = 3 }\nup_after = { successes = 1 }",
            probe: "timeout = \"100ms\"\nrecheck = \"100ms\"",
            ..Setup::default()
        },
        ways: &[Door::Refuses, Door::Answers500, Door::Hangs],
        rounds: 6,
        interval: Duration::from_secs(1),
        patience: Duration::from_secs(10),
    };
    let found = run(&trial);
    let all: Vec<f64> = found.iter().flat_map(|(_, delays)| delays).copied().collect();
    let by_way: Vec<String> = found
        .iter()
        .map(|(way, delays)| format!("{way:?} {:.2} s, worst {:.2} s", mean(delays), worst(delays)))
        .collect();
    let detail = format!("{} outages: {}", all.len(), by_way.join("; "));
    table.row(
        Row::at_most("dark to mail accepted, interval 1 s, mean", mean(&all), "s", 1.0, 0.8).detail(detail),
    );
    table.row(Row::at_most("dark to mail accepted, interval 1 s, worst", worst(&all), "s", 1.6, 1.4));
}

/// Everything at its default.
pub fn defaults(_: &Nginx, table: &mut Table) {
    let trial = Trial {
        setup: Setup { probes: 30, every: "30s", channel: "team = \"oncall\"", ..Setup::default() },
        ways: &[Door::Refuses],
        rounds: 1,
        interval: Duration::from_secs(30),
        patience: Duration::from_secs(160),
    };
    let found = run(&trial);
    let delays = &found[0].1;
    let parts = "of it until the next turn 15 on average and 30 at most, three rechecks 12";
    table.row(
        Row::stated("dark to mail accepted at defaults, mean", mean(delays), "s")
            .detail(format!("worst {:.1} s; {parts}", worst(delays))),
    );
}

fn mean(delays: &[f64]) -> f64 {
    delays.iter().sum::<f64>() / delays.len() as f64
}

fn worst(delays: &[f64]) -> f64 {
    delays.iter().copied().fold(0.0, f64::max)
}

/// Seconds from each outage to its mail, by the way in which the door broke.
fn run(trial: &Trial) -> Vec<(Door, Vec<f64>)> {
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build().unwrap();
    runtime.block_on(async {
        let mut serving = JoinSet::new();
        let inbox = Inbox::new(Clock::system());
        let smtp = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let smtp_at = smtp.local_addr().unwrap();
        let receiver = inbox.clone();
        serving.spawn(async move { receiver.serve(smtp).await });
        let mut doors = Vec::new();
        for _ in 0..trial.setup.probes {
            let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
            let at = listener.local_addr().unwrap();
            let (switch, state) = watch::channel(Door::Open);
            serving.spawn(serve(listener, at, state));
            doors.push((switch, at));
        }
        let addresses: Vec<SocketAddr> = doors.iter().map(|(_, at)| *at).collect();
        let folder = tempfile::tempdir().unwrap();
        let more = format!(
            "[mail]\nfrom = \"Lamplighter <lamplighter@example.com>\"\nsmtp = \"smtp+plain://{smtp_at}\"\n\
             [team.oncall]\nmail = [\"oncall@example.com\"]\n"
        );
        let setup = Setup {
            url: &|number| format!("http://{}/", addresses[number as usize]),
            more: &more,
            ..trial.setup
        };
        let daemon = Daemon::start(&setup, folder.path());
        let mut found = Vec::new();
        for &way in trial.ways {
            let mut delays = Vec::new();
            for _ in 0..trial.rounds {
                let mut outages = JoinSet::new();
                for (number, (switch, _)) in doors.iter().enumerate() {
                    outages.spawn(outage(
                        trial.interval,
                        trial.patience,
                        number,
                        switch.clone(),
                        way,
                        inbox.clone(),
                    ));
                }
                delays.extend(outages.join_all().await);
            }
            found.push((way, delays));
        }
        drop(daemon);
        found
    })
}

/// Breaks one door at a random moment, waits for its mail, mends it, waits until it is well again.
async fn outage(
    interval: Duration,
    patience: Duration,
    number: usize,
    switch: watch::Sender<Door>,
    way: Door,
    inbox: Inbox,
) -> f64 {
    // A turn of its own to be seen well, then any moment of the next.
    let moment: f64 = rand::random();
    sleep(interval.mul_f64(1.0 + moment)).await;
    let broke_at = Clock::system().now();
    switch.send(way).unwrap();
    let name = format!("c{number}:");
    let arrived = |word: &'static str| {
        let (inbox, name) = (inbox.clone(), name.clone());
        async move {
            loop {
                let mails = inbox.mails();
                let mut since = mails.iter().rev().take_while(|mail| mail.received_at >= broke_at);
                let found = since.find(|mail| mail.subject.contains(&name) && mail.subject.contains(word));
                if let Some(mail) = found {
                    return mail.received_at;
                }
                sleep(Duration::from_millis(2)).await;
            }
        }
    };
    let dark_at =
        timeout(patience, arrived("DARK")).await.unwrap_or_else(|_| panic!("no mail about {name} {way:?}"));
    switch.send(Door::Open).unwrap();
    if patience < Duration::from_secs(60) {
        timeout(patience, arrived("UP"))
            .await
            .unwrap_or_else(|_| panic!("no recovery mail about {name} {way:?}"));
    }
    dark_at.duration_since(broke_at).as_secs_f64()
}

/// Serves one door as its switch says.
async fn serve(listener: TcpListener, at: SocketAddr, mut switch: watch::Receiver<Door>) {
    let mut listener = Some(listener);
    let mut visits = JoinSet::new();
    loop {
        let door = *switch.borrow_and_update();
        if door == Door::Refuses {
            listener = None;
            visits.shutdown().await;
            if switch.changed().await.is_err() {
                return;
            }
            continue;
        }
        let open = match listener.take() {
            Some(open) => open,
            None => TcpListener::bind(at).await.unwrap(),
        };
        tokio::select! {
            accepted = open.accept() => {
                let (stream, _) = accepted.unwrap();
                visits.spawn(answer(stream, door));
            }
            changed = switch.changed() => {
                if changed.is_err() {
                    return;
                }
            }
        }
        listener = Some(open);
        while visits.try_join_next().is_some() {}
    }
}

async fn answer(mut stream: TcpStream, door: Door) -> Option<()> {
    let mut request = [0; 4096];
    if stream.read(&mut request).await.ok()? == 0 {
        return None;
    }
    let answer: &[u8] = match door {
        Door::Open => b"HTTP/1.1 200 OK\r\nContent-Length: 3\r\nConnection: close\r\n\r\nok\n",
        Door::Answers500 => b"HTTP/1.1 500 Broken\r\nContent-Length: 0\r\nConnection: close\r\n\r\n",
        Door::Refuses | Door::Hangs => {
            // Until the visitor gives up.
            while stream.read(&mut request).await.ok()? > 0 {}
            return None;
        }
    };
    stream.write_all(answer).await.ok()
}
