//! Whether a latency that Lamplighter reports is the latency there was: a server that holds every answer back for a known
//! time and keeps book of how long it truly held it, beside what the daemon has stored.

use std::{
    io::{Read, Write},
    net::{SocketAddr, TcpListener, TcpStream},
    process::Command,
    sync::{Arc, Mutex},
    time::Duration,
};

use tokio::{task::JoinSet, time::Instant};

use crate::{
    ask,
    daemon::{Daemon, Setup},
    nginx::{Nginx, free_address},
    process::{OURSELVES, Process},
    table::{Row, Table},
};

/// Half of the rate that must be sustained.
const RATE: u32 = 2_500;
/// Enough for every answer that is held at one moment, twice.
const HOLDERS: usize = 256;

/// Median and 99th percentile, in milliseconds.
struct Quantiles {
    p50: f64,
    p99: f64,
}

impl Quantiles {
    fn of(mut micros: Vec<u64>) -> Self {
        micros.sort_unstable();
        let at = |share: f64| micros[((micros.len() - 1) as f64 * share) as usize] as f64 / 1e3;
        Self { p50: at(0.5), p99: at(0.99) }
    }
}

/// Known delays of 5 and 50 ms.
pub fn figures(_: &Nginx, table: &mut Table) {
    for delay in [5, 50] {
        let (held, measured) = compare(Duration::from_millis(delay));
        let detail = |held: f64, measured: f64| format!("held {held:.2} ms, measured {measured:.2} ms");
        table.row(
            Row::at_most(
                &format!("measured against {delay} ms, p50"),
                (measured.p50 - held.p50).abs(),
                "ms",
                0.4,
                0.1,
            )
            .detail(detail(held.p50, measured.p50)),
        );
        table.row(
            Row::at_most(
                &format!("measured against {delay} ms, p99"),
                (measured.p99 - held.p99).abs(),
                "ms",
                2.0,
                1.0,
            )
            .detail(detail(held.p99, measured.p99)),
        );
    }
}

fn compare(delay: Duration) -> (Quantiles, Quantiles) {
    let folder = tempfile::tempdir().unwrap();
    let at = free_address();
    let mut command = Command::new(OURSELVES);
    command.args(["delay", &at.to_string(), &delay.as_millis().to_string()]);
    let _server = Process::start(command, folder.path());
    ask::until_listening(at);
    let setup = Setup { probes: RATE, url: &|number| format!("http://{at}/?{number}"), ..Setup::default() };
    let daemon = Daemon::start(&setup, folder.path());
    ask::pause(Duration::from_secs(4));
    ask::get(at, "/forget");
    let since = lamplighter::clock::Clock::system().now();
    ask::pause(Duration::from_secs(15));
    let held = ask::get(at, "/held");
    let mut quantiles = held.split(' ').map(|value| value.parse::<f64>().unwrap());
    let held = Quantiles { p50: quantiles.next().unwrap(), p99: quantiles.next().unwrap() };
    // What is in memory goes to disk within seconds.
    ask::pause(Duration::from_secs(3));
    let store = rusqlite::Connection::open(&daemon.store).unwrap();
    let mut rows = store.prepare("SELECT duration_us, outcome FROM outcome WHERE started_at > ?1").unwrap();
    let rows =
        rows.query_map([since.as_millisecond()], |row| Ok((row.get::<_, i64>(0)?, row.get::<_, String>(1)?)));
    let measured: Vec<u64> = rows
        .unwrap()
        .map(|row| {
            let (micros, outcome) = row.unwrap();
            assert_eq!(outcome, "ok");
            micros.cast_unsigned()
        })
        .collect();
    println!("{} runs", measured.len());
    (held, Quantiles::of(measured))
}

/// The server itself: `speed delay ADDRESS MILLISECONDS`; ends when it is killed.
pub fn main(args: &[String]) {
    let [address, millis] = args else { panic!("delay ADDRESS MILLISECONDS") };
    let listener = TcpListener::bind(address.parse::<SocketAddr>().unwrap()).unwrap();
    let delay = Duration::from_millis(millis.parse().unwrap());
    let held = Arc::new(Mutex::new(Vec::new()));
    let runtime = tokio::runtime::Builder::new_multi_thread().max_blocking_threads(HOLDERS).build().unwrap();
    runtime.block_on(async {
        let mut holders = JoinSet::new();
        for _ in 0..HOLDERS {
            let (listener, held) = (listener.try_clone().unwrap(), Arc::clone(&held));
            holders.spawn_blocking(move || {
                for stream in listener.incoming() {
                    // A visitor that breaks off is none of this server's business.
                    hold(stream.unwrap(), delay, &held).ok();
                }
            });
        }
        holders.join_all().await;
    });
}

fn hold(mut stream: TcpStream, delay: Duration, held: &Mutex<Vec<u64>>) -> std::io::Result<()> {
    let mut request = [0; 4096];
    let length = stream.read(&mut request)?;
    let began = Instant::now();
    let body = if request[..length].starts_with(b"GET /held") {
        let quantiles = Quantiles::of(held.lock().unwrap().clone());
        format!("{} {}", quantiles.p50, quantiles.p99)
    } else if request[..length].starts_with(b"GET /forget") {
        held.lock().unwrap().clear();
        "forgotten".to_owned()
    } else if length > 0 {
        ask::pause(delay);
        held.lock().unwrap().push(began.elapsed().as_micros() as u64);
        "held".to_owned()
    } else {
        return Ok(());
    };
    write!(stream, "HTTP/1.1 200 OK\r\nContent-Length: {}\r\nConnection: close\r\n\r\n{body}", body.len())
}
