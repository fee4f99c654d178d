//! Whether the phases of a run are the truth: a server and a name server put in delays and say how long they really
//! were; the medians of both sides may be 3 ms apart. The figures:
//!
//!     cargo nextest run --no-capture -E 'test(phases::)'
//!
//! A machine that is busy with other things adds delays of its own, between what one side sees and the other; a stamp in
//! a wrong place is wrong every time. So a round that is off is repeated, a few times.
//!
//! A connection on loopback cannot be delayed, so `connect` is only shown to be short; `send` of a small request too.

use std::{
    collections::BTreeMap,
    path::Path,
    sync::{Arc, Mutex},
    time::Duration,
};

use lamplighter::domain::outcome::{Outcome, PhaseKind, Verdict};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::TcpStream,
    task::JoinSet,
    time::Instant,
};
use tokio_rustls::TlsAcceptor;

use crate::loopback::{
    Door, Server,
    certificates::Authority,
    dns::{NameServer, addresses},
    read_request,
};

const RESOLVE: Duration = Duration::from_millis(50);
const TLS: Duration = Duration::from_millis(90);
const FIRST_BYTE: Duration = Duration::from_millis(120);
const BODY: Duration = Duration::from_millis(60);
/// How far a phase may be from the truth, at the median.
const ERROR_MAX: Duration = Duration::from_millis(3);
/// In one of so many rounds.
const ROUNDS_MAX: usize = 10;

/// More than the system's buffers on both sides hold.
const LARGE: usize = 16 << 20;

type Truth = Arc<Mutex<BTreeMap<PhaseKind, Vec<Duration>>>>;

/// Waits and notes how long it really was.
async fn delay(truth: &Truth, phase: PhaseKind, delay: Duration) {
    let began = Instant::now();
    tokio::time::sleep(delay).await;
    note(truth, phase, began.elapsed());
}

fn note(truth: &Truth, phase: PhaseKind, delay: Duration) {
    truth.lock().unwrap().entry(phase).or_default().push(delay);
}

async fn serve(stream: TcpStream, acceptor: TlsAcceptor, truth: Truth) {
    stream.set_nodelay(true).unwrap();
    let accepted = Instant::now();
    tokio::time::sleep(TLS).await;
    let mut stream = acceptor.accept(stream).await.unwrap();
    note(&truth, PhaseKind::Tls, accepted.elapsed());
    read_request(&mut stream).await;
    delay(&truth, PhaseKind::Wait, FIRST_BYTE).await;
    stream.write_all(b"HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\na").await.unwrap();
    stream.flush().await.unwrap();
    delay(&truth, PhaseKind::Transfer, BODY).await;
    stream.write_all(b"b").await.unwrap();
    stream.shutdown().await.unwrap();
}

/// Runs at the given distance of one another; the outcomes, and what the servers say.
async fn runs(count: usize, apart: Duration) -> (Vec<Outcome>, Truth) {
    let authority = Authority::new();
    let folder = tempfile::tempdir().unwrap();
    std::fs::write(folder.path().join("ca.pem"), authority.pem()).unwrap();
    let acceptor = authority.sign(&["support.example.com"], |_| {}).acceptor(&[]);
    let truth = Truth::default();
    let kept = truth.clone();
    let noted = move |delay| note(&kept, PhaseKind::Resolve, delay);
    let names =
        NameServer::start_slow(RESOLVE, noted, |question| Some(addresses(question, &[[127, 0, 0, 1]]))).await;
    let kept = truth.clone();
    let server = Server::start(move |stream| serve(stream, acceptor.clone(), kept.clone())).await;
    let settings = format!(
        "url = 'https://support.example.com:{}/'\nfamily = 'ipv4'\ntls = {{ root_ca = 'ca.pem' }}",
        server.address.port()
    );
    let door = Arc::new(door(&settings, folder.path(), &names));
    let mut running = JoinSet::new();
    for n in 0..count {
        let door = door.clone();
        running.spawn(async move {
            tokio::time::sleep(apart * u32::try_from(n).unwrap()).await;
            door.look().await.0
        });
    }
    (running.join_all().await, truth)
}

fn door(settings: &str, folder: &Path, names: &NameServer) -> Door {
    Door::with(settings, folder, &names.transport(), Duration::from_secs(10))
}

fn median(mut durations: Vec<Duration>) -> Duration {
    durations.sort_unstable();
    durations[durations.len() / 2]
}

/// The phases that are not as they were, of one round.
fn compare(title: &str, outcomes: &[Outcome], truth: &Truth) -> Vec<PhaseKind> {
    let mut seen: BTreeMap<PhaseKind, Vec<Duration>> = BTreeMap::new();
    for outcome in outcomes {
        assert_eq!(outcome.verdict, Verdict::Ok);
        assert_eq!(outcome.phases.len(), 6, "{:?}", outcome.phases);
        for phase in &outcome.phases {
            seen.entry(phase.kind).or_default().push(phase.duration);
        }
        let whole: Duration = outcome.phases.iter().map(|phase| phase.duration).sum();
        assert!(whole <= outcome.duration, "the phases are no longer than the run");
    }
    let truth = truth.lock().unwrap();
    let mut off = Vec::new();
    for (phase, durations) in seen {
        let said = truth.get(&phase).cloned().map_or(Duration::ZERO, median);
        let measured = median(durations);
        println!("{title:<14} {phase:<9} truth {said:>12.3?}  measured {measured:>12.3?}");
        if measured.abs_diff(said) > ERROR_MAX {
            off.push(phase);
        }
    }
    off
}

async fn shows_the_truth(title: &str, count: usize, apart: Duration) {
    let mut off = Vec::new();
    for _ in 0..ROUNDS_MAX {
        let (outcomes, truth) = runs(count, apart).await;
        off = compare(title, &outcomes, &truth);
        if off.is_empty() {
            return;
        }
    }
    panic!("{title}: {off:?} more than {ERROR_MAX:?} from the truth in each of {ROUNDS_MAX} rounds");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn every_phase_is_told_as_it_was() {
    shows_the_truth("one at a time", 11, RESOLVE + TLS + FIRST_BYTE + BODY + Duration::from_millis(20)).await;
    // The first is still under way when the last begins.
    shows_the_truth("fifty at once", 50, Duration::from_millis(5)).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_large_request_is_sent_until_it_is_read() {
    let truth = Truth::default();
    let kept = truth.clone();
    let server = Server::start(move |mut stream| {
        let truth = kept.clone();
        async move {
            delay(&truth, PhaseKind::Send, FIRST_BYTE).await;
            let mut buffer = vec![0; 1 << 16];
            let mut read = 0;
            while read < LARGE {
                read += stream.read(&mut buffer).await.unwrap();
            }
            stream.write_all(b"HTTP/1.1 200 OK\r\ncontent-length: 0\r\n\r\n").await.unwrap();
        }
    })
    .await;
    let settings = format!("url = 'http://{}/'\nbody = {{ text = '{}' }}", server.address, "x".repeat(LARGE));
    let (outcome, _) = crate::loopback::look(&settings).await;
    assert_eq!(outcome.verdict, Verdict::Ok);
    let sending: Vec<_> = outcome.phases.iter().filter(|phase| phase.kind == PhaseKind::Send).collect();
    assert!(sending.len() == 1 && sending[0].duration >= FIRST_BYTE, "{:?}", outcome.phases);
}
