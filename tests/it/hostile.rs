//! What a target may do to us. Each case ends within its deadline, with its own reason and stage, and leaves no
//! descriptor and no task behind. Run with `--no-capture`, it prints the table.

mod bodies;
mod http1;
mod http2;
mod names;
mod redirects;
mod tls;

use std::{future::Future, path::PathBuf, pin::Pin, sync::Arc, time::Duration};

use lamplighter::{
    domain::outcome::{InconclusiveReason, Reason, Stage, Verdict},
    probe::transport::Transport,
};
use tokio::{io::AsyncWriteExt, net::TcpStream, time::Instant};

use crate::loopback::{Door, Server, dns::NameServer, no_names, read_request};

/// The deadline of a case in which the target makes us wait.
const SHORT: Duration = Duration::from_millis(400);
/// The deadline of a case that must end by itself.
const LONG: Duration = Duration::from_secs(10);
/// How far beyond its deadline a run may go (`states.md`, limits).
const OVERSHOOT_MAX: Duration = Duration::from_millis(250);

/// One thing that a target does.
#[derive(Clone)]
pub enum Act {
    /// Sends this.
    Say(Vec<u8>),
    /// Sends a byte of this at a time, with a pause after each.
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

    /// Runs the probe and prints a line; what is wrong, if anything is.
    async fn run(self) -> Result<(), String> {
        let door = Door::with(&self.settings, &self.folder, &self.transport, self.timeout);
        let began = Instant::now();
        let (outcome, _) = door.look().await;
        let took = began.elapsed();
        match self.target {
            Target::Nothing => {}
            Target::Server(server) => server.stop().await,
            Target::Names(names) => names.stop().await,
            Target::Both(names, server) => {
                names.stop().await;
                server.stop().await;
            }
        }
        let (seen, detail) = match &outcome.verdict {
            Verdict::Failed(failure) => {
                (Expected::Failed(failure.stage, failure.reason), failure.detail.as_str())
            }
            Verdict::Inconclusive(why) => (Expected::Inconclusive(why.reason), why.detail.as_str()),
            Verdict::Ok => (Expected::Ok, ""),
            Verdict::Degraded(failure) => return Err(format!("{}: degraded: {failure:?}", self.name)),
        };
        let overshoot = took.saturating_sub(self.timeout);
        let (stage, reason) = match seen {
            Expected::Failed(stage, reason) => (stage.as_str(), reason.as_str()),
            Expected::FailedEarly(_) => unreachable!("no verdict is that"),
            Expected::Inconclusive(reason) => ("-", reason.as_str()),
            Expected::Ok => ("-", "ok"),
        };
        println!(
            "{:<52} {reason:<22} {stage:<9} {:>8.1} ms  +{:>4.1} ms  {detail}",
            self.name,
            took.as_secs_f64() * 1e3,
            overshoot.as_secs_f64() * 1e3,
        );
        let early = |stage| matches!(stage, Stage::Connect | Stage::Send | Stage::Wait);
        let as_expected = match (self.expected, seen) {
            (Expected::FailedEarly(reason), Expected::Failed(stage, seen)) => early(stage) && seen == reason,
            (expected, seen) => expected == seen,
        };
        if !as_expected {
            return Err(format!("{}: expected {:?}, saw {seen:?}: {detail}", self.name, self.expected));
        }
        if overshoot > OVERSHOOT_MAX {
            return Err(format!("{}: {overshoot:?} beyond its deadline", self.name));
        }
        Ok(())
    }
}

type Cases = Pin<Box<dyn Future<Output = Vec<Case>> + Send>>;

/// Runs cases one after another, and looks whether they have left something behind.
async fn run_all(cases: impl FnOnce(PathBuf) -> Cases) {
    let folder = tempfile::tempdir().unwrap();
    // The first run of all opens what the process keeps.
    let refused =
        Case::of("warm-up", LONG, REFUSED, "url = 'http://127.0.0.1:1/'".to_owned(), Target::Nothing);
    refused.run().await.unwrap();
    let before = (descriptors(), tasks());
    let mut wrong = Vec::new();
    for case in cases(folder.path().to_owned()).await {
        wrong.extend(case.run().await.err());
    }
    assert!(wrong.is_empty(), "\n{}", wrong.join("\n"));
    // The servers' own connections end a moment after their server.
    let settled = async {
        while (descriptors(), tasks()) != before {
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    };
    let settled = tokio::time::timeout(Duration::from_secs(5), settled).await;
    assert!(settled.is_ok(), "{before:?} descriptors and tasks before, {:?} after", (descriptors(), tasks()));
}

const REFUSED: Expected = Expected::Failed(Stage::Connect, Reason::ConnectRefused);

fn descriptors() -> usize {
    std::fs::read_dir("/proc/self/fd").unwrap().count()
}

fn tasks() -> usize {
    tokio::runtime::Handle::current().metrics().num_alive_tasks()
}
