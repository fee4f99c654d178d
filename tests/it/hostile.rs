//! What a target may do to us. Each case ends within its deadline, with its own reason and stage, and leaves no
//! descriptor, no task and no memory behind. This prints the table:
//!
//! ```sh
//! cargo nextest run --no-capture -E 'test(/^hostile::/)' | grep '^|'
//! ```

mod bodies;
mod connections;
mod http1;
mod http2;
mod names;
mod redirects;
mod tls;

use std::{future::Future, path::PathBuf, pin::Pin, sync::Arc, time::Duration};

use lamplighter::{
    domain::outcome::{InconclusiveReason, Outcome, Reason, Stage, Verdict},
    probe::transport::Transport,
};
use peak_alloc::PeakAlloc;
use tokio::{io::AsyncWriteExt, net::TcpStream, time::Instant};

use crate::{
    loopback::{Door, Server, dns::NameServer, no_names, read_request},
    running::until,
};

/// Counts what is allocated. What a C library allocates (zstd, SQLite) does not pass here.
#[global_allocator]
static HEAP: PeakAlloc = PeakAlloc;

/// The deadline of a case in which the target makes us wait.
const SHORT: Duration = Duration::from_millis(400);
/// The deadline of a case that must end by itself.
const LONG: Duration = Duration::from_secs(10);
/// How far beyond its deadline a run may go (`states.md`, limits).
const OVERSHOOT_MAX: Duration = Duration::from_millis(250);
/// What a run and its target may hold at once: the body, twice what it inflates to while room is made for it, and the
/// windows of its codings.
const HEAP_BYTES_MAX: usize = 16 << 20;
/// What may be left between two rounds of the same cases: the runtime frees what it knew of sockets a few at a time.
const HEAP_GROWTH_MAX: usize = 16 << 10;

/// One thing that a target does.
#[derive(Clone)]
pub enum Act {
    /// Sends this.
    Say(Vec<u8>),
    /// Sends a byte of this at a time, with a pause after each: this is how slow the target is.
    Drip(&'static str, Duration),
    /// Sends this until nobody listens.
    Endlessly(Vec<u8>),
    /// Says nothing more and holds the line.
    Hang,
    /// Resets the connection.
    Reset,
}

/// One case of the table.
pub struct Case {
    name: String,
    settings: String,
    timeout: Duration,
    expected: Expected,
    target: Target,
    transport: Arc<Transport>,
    folder: PathBuf,
}

/// What must come of a case.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Expected {
    Failed(Stage, Reason),
    /// Two limits are in reach; which is met first is for the scheduler of this machine to say.
    FailedEither(Stage, Reason, Reason),
    /// Before the answer; it is for the scheduler of this machine to say in which stage exactly.
    FailedEarly(Reason),
    Inconclusive(InconclusiveReason),
    Ok,
}

/// What is held while a case runs.
pub enum Target {
    Nothing,
    Server(Server),
    Names(NameServer),
    Both(NameServer, Server),
}

/// Plays acts on a connection after reading a request, or at once.
pub async fn play(mut stream: TcpStream, reads_first: bool, acts: Vec<Act>) {
    if reads_first {
        read_request(&mut stream).await;
    }
    for act in acts {
        let heard = match act {
            Act::Say(bytes) => stream.write_all(&bytes).await,
            Act::Drip(text, pause) => drip(&mut stream, text, pause).await,
            Act::Endlessly(bytes) => loop {
                if let Err(error) = stream.write_all(&bytes).await {
                    break Err(error);
                }
            },
            Act::Hang => return std::future::pending().await,
            Act::Reset => return reset(&stream),
        };
        if heard.is_err() {
            return;
        }
    }
    // Unread bytes would turn the close into a reset.
    let closed = stream.shutdown().await;
    if closed.is_ok() {
        read_request(&mut stream).await;
    }
}

async fn drip(stream: &mut TcpStream, text: &str, pause: Duration) -> std::io::Result<()> {
    for byte in text.bytes() {
        stream.write_all(&[byte]).await?;
        tokio::time::sleep(pause).await;
    }
    Ok(())
}

/// Lets the drop of the stream send RST instead of FIN.
pub fn reset(stream: &TcpStream) {
    stream.set_zero_linger().unwrap();
}

impl Case {
    /// A case of a plain server that plays the same acts on every connection.
    pub async fn plays(name: &str, timeout: Duration, expected: Expected, acts: Vec<Act>) -> Self {
        Self::serves(name, timeout, expected, "", move |stream| play(stream, true, acts.clone())).await
    }

    /// A case of a plain server.
    pub async fn serves<F: Future<Output = ()> + Send + 'static>(
        name: &str,
        timeout: Duration,
        expected: Expected,
        settings: &str,
        act: impl Fn(TcpStream) -> F + Send + 'static,
    ) -> Self {
        let server = Server::start(act).await;
        let settings = format!("url = 'http://{}/'\n{settings}", server.address);
        Self::of(name, timeout, expected, settings, Target::Server(server))
    }

    /// A case of any target.
    pub fn of(name: &str, timeout: Duration, expected: Expected, settings: String, target: Target) -> Self {
        let transport = match &target {
            Target::Names(names) | Target::Both(names, _) => names.transport(),
            Target::Nothing | Target::Server(_) => no_names(),
        };
        Self {
            name: name.to_owned(),
            settings,
            timeout,
            expected,
            target,
            transport,
            folder: PathBuf::from("."),
        }
    }

    /// The folder that its settings refer to.
    pub fn in_folder(mut self, folder: &std::path::Path) -> Self {
        folder.clone_into(&mut self.folder);
        self
    }

    /// Runs the probe.
    async fn run(self) -> Ran {
        let door = Door::with(&self.settings, &self.folder, &self.transport, self.timeout);
        HEAP.reset_peak_usage();
        let heap_before = HEAP.current_usage();
        let began = Instant::now();
        let (outcome, _) = door.look().await;
        let took = began.elapsed();
        let heap_bytes = HEAP.peak_usage().saturating_sub(heap_before);
        match self.target {
            Target::Nothing => {}
            Target::Server(server) => server.stop().await,
            Target::Names(names) => names.stop().await,
            Target::Both(names, server) => {
                names.stop().await;
                server.stop().await;
            }
        }
        Ran { name: self.name, timeout: self.timeout, expected: self.expected, outcome, took, heap_bytes }
    }
}

/// What came of a case.
struct Ran {
    name: String,
    timeout: Duration,
    expected: Expected,
    outcome: Outcome,
    took: Duration,
    /// What was held at once beyond what had been held before.
    heap_bytes: usize,
}

impl Ran {
    fn overshoot(&self) -> Duration {
        self.took.saturating_sub(self.timeout)
    }

    /// Reason, stage and detail.
    fn words(&self) -> (&'static str, &'static str, &str) {
        match &self.outcome.verdict {
            Verdict::Failed(failure) | Verdict::Degraded(failure) => {
                (failure.reason.as_str(), failure.stage.as_str(), failure.detail.as_str())
            }
            Verdict::Inconclusive(why) => (why.reason.as_str(), "-", why.detail.as_str()),
            Verdict::Ok => ("ok", "-", ""),
        }
    }

    /// Its line of the table.
    fn row(&self) -> String {
        let (reason, stage, detail) = self.words();
        format!(
            "| {:<60} | {reason:<21} | {stage:<8} | {:>8.1} | {:>12.1} | {:>8} | {detail}",
            self.name,
            self.took.as_secs_f64() * 1e3,
            self.overshoot().as_secs_f64() * 1e3,
            self.heap_bytes >> 10,
        )
    }

    /// What is wrong, if anything is.
    fn wrong(&self) -> Option<String> {
        let early = |stage| matches!(stage, Stage::Connect | Stage::Send | Stage::Wait);
        let as_expected = match (self.expected, &self.outcome.verdict) {
            (Expected::Failed(stage, reason), Verdict::Failed(seen)) => {
                (seen.stage, seen.reason) == (stage, reason)
            }
            (Expected::FailedEither(stage, one, other), Verdict::Failed(seen)) => {
                seen.stage == stage && (seen.reason == one || seen.reason == other)
            }
            (Expected::FailedEarly(reason), Verdict::Failed(seen)) => {
                early(seen.stage) && seen.reason == reason
            }
            (Expected::Inconclusive(reason), Verdict::Inconclusive(seen)) => seen.reason == reason,
            (Expected::Ok, verdict) => *verdict == Verdict::Ok,
            _ => false,
        };
        if !as_expected {
            Some(format!("{}: expected {:?}, saw {:?}", self.name, self.expected, self.words()))
        } else if self.overshoot() > OVERSHOOT_MAX {
            Some(format!("{}: {:?} beyond its deadline", self.name, self.overshoot()))
        } else if self.heap_bytes > HEAP_BYTES_MAX {
            Some(format!("{}: held {} bytes at once", self.name, self.heap_bytes))
        } else {
            None
        }
    }
}

type Cases = Pin<Box<dyn Future<Output = Vec<Case>> + Send>>;

/// Runs cases one after another, and looks whether they have left something behind.
async fn run_all(cases: impl Fn(PathBuf) -> Cases) {
    let folder = tempfile::tempdir().unwrap();
    let round = async |each: fn(&Ran)| {
        let mut wrong = Vec::new();
        for case in cases(folder.path().to_owned()).await {
            let ran = case.run().await;
            each(&ran);
            wrong.extend(ran.wrong());
        }
        assert!(wrong.is_empty(), "\n{}", wrong.join("\n"));
    };
    // The first run of all opens what the process keeps.
    let refused =
        Case::of("warm-up", LONG, REFUSED, "url = 'http://127.0.0.1:1/'".to_owned(), Target::Nothing);
    assert_eq!(refused.run().await.wrong(), None);
    let before = (descriptors(), tasks());
    println!(
        "| {:<60} | {:<21} | {:<8} | {:>8} | {:>12} | {:>8} | detail",
        "case", "reason", "stage", "ms", "overshoot ms", "heap KiB"
    );
    round(|ran| println!("{}", ran.row())).await;
    // The servers' own connections end a moment after their server.
    let settled = async || (descriptors(), tasks()) == before;
    until(&format!("{before:?} descriptors and tasks"), settled).await;
    let heap_bytes = HEAP.current_usage();
    round(|_| {}).await;
    until(&format!("{before:?} descriptors and tasks after a second round"), settled).await;
    let settled = async || HEAP.current_usage() <= heap_bytes + HEAP_GROWTH_MAX;
    until(&format!("{heap_bytes} bytes on the heap"), settled).await;
}

const REFUSED: Expected = Expected::Failed(Stage::Connect, Reason::ConnectRefused);

fn descriptors() -> usize {
    std::fs::read_dir("/proc/self/fd").unwrap().count()
}

fn tasks() -> usize {
    tokio::runtime::Handle::current().metrics().num_alive_tasks()
}
