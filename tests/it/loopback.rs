//! Targets of the tests' own on loopback ports, and probes against them through the same way as in the daemon: from
//! the words of `probes.toml` to an outcome.

pub mod certificates;
pub mod dns;

use std::{future::Future, net::SocketAddr, path::Path, sync::Arc, time::Duration};

use lamplighter::{
    clock::Clock,
    domain::{
        channel::{ChannelId, ProbeKey, ProbeName},
        outcome::Outcome,
    },
    probe::{
        Check, Probe,
        chromium::{Chromium, ChromiumSettings},
        http,
        request::settings::RequestSettings,
        run::run,
        settings::BuildContext,
        transport::{Transport, resolve::Resolver},
    },
    secret::{Redactor, Sources},
    setting::Problem,
};
use tokio::{
    io::{AsyncRead, AsyncReadExt},
    net::{TcpListener, TcpStream},
    task::JoinSet,
};
use tokio_util::sync::CancellationToken;

/// A server that ends with the test.
#[derive(Debug)]
pub struct Server {
    /// Where it listens.
    pub address: SocketAddr,
    tasks: JoinSet<()>,
}

impl Server {
    /// Accepts connections and does with each what `act` says.
    pub async fn start<F, A>(act: A) -> Self
    where
        F: Future<Output = ()> + Send + 'static,
        A: Fn(TcpStream) -> F + Send + 'static,
    {
        Self::on(TcpListener::bind("127.0.0.1:0").await.unwrap(), act)
    }

    /// Accepts from this listener.
    pub fn on<F, A>(listener: TcpListener, act: A) -> Self
    where
        F: Future<Output = ()> + Send + 'static,
        A: Fn(TcpStream) -> F + Send + 'static,
    {
        let address = listener.local_addr().unwrap();
        let mut tasks = JoinSet::new();
        tasks.spawn(accept(listener, act));
        Self { address, tasks }
    }

    /// Accepts nothing at this address: only keeps what holds it.
    pub fn holding(address: SocketAddr, held: impl Send + 'static) -> Self {
        let mut tasks = JoinSet::new();
        tasks.spawn(async move {
            std::future::pending::<()>().await;
            drop(held);
        });
        Self { address, tasks }
    }

    /// Ends the server and everything it holds.
    pub async fn stop(mut self) {
        self.tasks.shutdown().await;
    }
}

async fn accept<F: Future<Output = ()> + Send + 'static>(
    listener: TcpListener,
    act: impl Fn(TcpStream) -> F,
) {
    let mut connections = JoinSet::new();
    loop {
        let (stream, _) = listener.accept().await.unwrap();
        connections.spawn(act(stream));
        while connections.try_join_next().is_some() {}
    }
}

/// Reads to the end of a request's head, and one announced body; what was read, in any case.
pub async fn read_request(stream: &mut (impl AsyncRead + Unpin)) -> String {
    let mut read = Vec::new();
    let mut buffer = [0; 4096];
    loop {
        let text = String::from_utf8_lossy(&read);
        if let Some((head, body)) = text.split_once("\r\n\r\n") {
            let head = head.to_lowercase();
            let length = head.lines().find_map(|line| line.strip_prefix("content-length: "));
            if body.len() >= length.map_or(0, |length| length.parse().unwrap()) {
                return text.into_owned();
            }
        }
        match stream.read(&mut buffer).await {
            Ok(0) | Err(_) => return String::from_utf8_lossy(&read).into_owned(),
            Ok(len) => read.extend_from_slice(&buffer[..len]),
        }
    }
}

/// A probe of the kind `http`, ready to run.
pub struct Door {
    probe: Arc<dyn Probe>,
    timeout: Duration,
}

/// The transport of most tests: no name needs resolving.
pub fn no_names() -> Arc<Transport> {
    Transport::new(Resolver::asking(Vec::new()))
}

/// The browser of this machine, as configured where nothing is said of it; it is not started.
pub fn browser() -> Arc<Chromium> {
    Chromium::new(&ChromiumSettings::default(), &mut Vec::new())
}

/// What a probe is built from where a test wants nothing else.
pub struct Ground {
    key: ProbeKey,
    sources: Sources,
    transport: Arc<Transport>,
    chromium: Arc<Chromium>,
}

impl Ground {
    /// For the probe `key`; relative paths start at `base`.
    pub fn new(key: ProbeKey, base: &Path) -> Self {
        Self { key, sources: Sources::new(base), transport: no_names(), chromium: browser() }
    }

    /// For a probe that runs every `timeout`.
    pub fn context(&self, timeout: Duration) -> BuildContext<'_> {
        BuildContext {
            key: &self.key,
            every: timeout,
            timeout,
            first_response: None,
            persona: None,
            sources: &self.sources,
            transport: &self.transport,
            chromium: &self.chromium,
        }
    }
}

/// Builds a probe from its settings as they stand in `probes.toml`; relative paths start at `base`.
pub fn build(
    settings: &str,
    base: &Path,
    transport: &Arc<Transport>,
) -> Result<Arc<dyn Probe>, Vec<Problem>> {
    let settings: RequestSettings = toml::from_str(settings).unwrap();
    let ground = Ground::new(key(), base);
    let every = Duration::from_secs(30);
    let context = BuildContext { every, transport, ..ground.context(Duration::from_secs(10)) };
    http::build(&settings, &context).map(|built| built.probe)
}

impl Door {
    /// A probe with these settings.
    pub fn new(settings: &str, timeout: Duration) -> Self {
        Self::with(settings, Path::new("."), &no_names(), timeout)
    }

    /// A probe with these settings, a directory for its files and a transport for its names.
    pub fn with(settings: &str, base: &Path, transport: &Arc<Transport>, timeout: Duration) -> Self {
        let probe = build(settings, base, transport);
        Self { probe: probe.unwrap_or_else(|problems| panic!("{problems:?} in {settings}")), timeout }
    }

    /// Looks once.
    pub async fn look(&self) -> (Outcome, Vec<Check>) {
        let stop = CancellationToken::new();
        let redactor = Redactor::default();
        let run = run(&*self.probe, Arc::new(key()), self.timeout, Clock::system(), &redactor, &stop);
        let ended = run.await.expect("nobody stops it");
        (ended.outcome, ended.checks)
    }
}

/// Looks once, with time enough.
pub async fn look(settings: &str) -> (Outcome, Vec<Check>) {
    Door::new(settings, Duration::from_secs(10)).look().await
}

fn key() -> ProbeKey {
    ProbeKey { channel: ChannelId::new("web-chat"), probe: ProbeName::new("door") }
}
