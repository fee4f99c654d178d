//! Kills the real daemon, again and again, and counts what people are told. Every outage and every recovery of two doors
//! must be told to two people by mail and to one endpoint, whatever the moment at which the process dies; a kill may cost
//! one extra copy by each way, which carries the same id. Sentinels look, heartbeats leave, mails have their links, it is
//! quiet for what can wait; a fallback, reminders and a ladder stand by.
//!
//! The small run is part of the tests. The large one, with figures per point of death:
//! `LAMPLIGHTER_KILLS=1400 cargo nextest run --no-capture -E 'test(kill::)'`

use std::{
    collections::BTreeMap,
    fmt, fs,
    path::PathBuf,
    process::Stdio,
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    time::Duration,
};

use lamplighter::{domain::notification::Route, store::Store};
use nix::{
    sys::signal::{Signal, kill},
    unistd::Pid,
};
use rand::{RngExt, SeedableRng, rngs::StdRng, seq::IndexedRandom};
use tempfile::TempDir;
use tokio::{
    io::{AsyncBufReadExt, AsyncReadExt, AsyncWriteExt, BufReader},
    net::TcpListener,
    process::{Child, Command},
    sync::Notify,
    task::JoinSet,
    time::{sleep, timeout},
};

use crate::{
    hooks::Hooks,
    smtp_sink::{Protection, Sink, Step},
};

/// Kills of the small run, over all seeds.
const KILLS: u32 = 32;
const SEEDS: [u64; 2] = [1, 2];
const DOORS: [&str; 2] = ["web-chat", "hotline"];
const RECIPIENTS: usize = 2;
const HOOK: &str = "/ops";
const BEAT: &str = "/beat";
/// A mail that has not come by then counts as lost. Generous, since the machine may be busy with other tests.
const PATIENCE: Duration = Duration::from_secs(60);
/// A kill at a random moment comes within this time of a change: before, while and after it is judged and told.
const MOMENT_MAX_MS: u64 = 700;

/// Where the process dies.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Death {
    AtRandom,
    /// As soon as the last mail that is owed has come in.
    AtOnce,
    /// It stands still at a point in the code, named by the environment, and is killed there.
    Halted(&'static str),
    /// The mail server kills it when it reaches this step.
    ByServer(Step),
}

const DEATHS: [Death; 10] = [
    Death::AtRandom,
    Death::Halted("after_decide"),
    Death::Halted("before_commit"),
    Death::Halted("after_commit"),
    Death::Halted("before_announce"),
    Death::Halted("after_announce"),
    Death::ByServer(Step::Connect),
    Death::ByServer(Step::Dot),
    Death::ByServer(Step::Answered),
    Death::Halted("before_mark"),
];

impl fmt::Display for Death {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::AtRandom => "at a random moment",
            Self::AtOnce => "when the last mail has come in",
            Self::Halted("after_decide") => "after decide",
            Self::Halted("before_commit") => "before commit",
            Self::Halted("after_commit") => "after commit",
            Self::Halted("before_announce") => "before the mails are committed",
            Self::Halted("after_announce") => "after the mails are committed",
            Self::Halted(_) => "after 250, before marking",
            Self::ByServer(Step::Connect) => "before send",
            Self::ByServer(Step::Dot) => "after DATA",
            Self::ByServer(_) => "at 250",
        })
    }
}

/// A web server that answers 200 or 500.
struct Target {
    port: u16,
    broken: Arc<AtomicBool>,
    _serving: JoinSet<()>,
}

impl Target {
    async fn start() -> Self {
        // Each door has a host of its own: doors on one host that fall together are told in one mail.
        let listener = TcpListener::bind("0.0.0.0:0").await.unwrap();
        let port = listener.local_addr().unwrap().port();
        let broken = Arc::new(AtomicBool::new(false));
        let mut serving = JoinSet::new();
        let is_broken = Arc::clone(&broken);
        serving.spawn(async move {
            let mut answering = JoinSet::new();
            loop {
                let Ok((mut socket, _)) = listener.accept().await else { continue };
                while answering.try_join_next().is_some() {}
                let status = if is_broken.load(Ordering::SeqCst) { "500 Broken" } else { "200 OK" };
                let answer = format!("HTTP/1.1 {status}\r\ncontent-length: 2\r\nconnection: close\r\n\r\nok");
                answering.spawn(async move {
                    // The daemon may be killed in the middle of this.
                    let mut request = [0; 2048];
                    if socket.read(&mut request).await.is_ok() {
                        drop(socket.write_all(answer.as_bytes()).await);
                    }
                });
            }
        });
        Self { port, broken, _serving: serving }
    }
}

/// The daemon's process.
struct Daemon {
    child: Child,
    /// Rung when it has halted where it was told to.
    halted: Arc<Notify>,
    _log: JoinSet<()>,
}

impl Daemon {
    fn pid(&self) -> Pid {
        let id = self.child.id().expect("it has not been waited for");
        Pid::from_raw(i32::try_from(id).unwrap())
    }

    async fn kill(mut self) {
        self.child.kill().await.unwrap();
    }

    /// Ends it as systemd does.
    async fn stop(mut self) {
        kill(self.pid(), Signal::SIGTERM).unwrap();
        let status = timeout(PATIENCE, self.child.wait()).await.expect("it ends").unwrap();
        assert!(status.success(), "{status}");
    }
}

struct Harness {
    directory: TempDir,
    target: Target,
    sink: Sink,
    /// The endpoint, and the switch outside that hears the heartbeats.
    hooks: Hooks,
    /// Distinct mails that must have arrived by now.
    expected: usize,
    kills: BTreeMap<Death, u32>,
    /// Copies beyond the first, of mails and to the endpoint.
    extra_copies: (usize, usize),
}

impl Harness {
    async fn set_up() -> Self {
        let directory = tempfile::tempdir().unwrap();
        let harness = Self {
            target: Target::start().await,
            sink: Sink::start(Protection::None).await,
            hooks: Hooks::start().await,
            directory,
            expected: 0,
            kills: BTreeMap::new(),
            extra_copies: (0, 0),
        };
        fs::write(harness.directory.path().join("token"), "a-token-of-some-length").unwrap();
        fs::write(harness.config(), harness.configuration()).unwrap();
        harness
    }

    /// Two doors, each on a host of its own, and everything that watches over them and over the telling.
    fn configuration(&self) -> String {
        let mut config = format!(
            r#"
[monitor]
location = "test"
listen = "127.0.0.1:0"
store = "lamplighter.db"
public_url = "https://lamplighter.example.com/"

[api]
token = {{ file = "token" }}

[mail]
from = "Lamplighter <lamplighter@example.com>"
smtp = "smtp+plain://127.0.0.1:{mail}"

[mail.fallback]
smtp = "smtp+plain://127.0.0.2:{mail}"
after = "10m"

[webhook.ops]
url = "{hook}"

[heartbeat]
url = "{beat}"
every = "1s"

[[sentinel]]
name = "router"
gateway = "127.0.0.1:{port}"

[[sentinel]]
name = "far"
address = "127.0.0.3:{port}"

[[sentinel]]
name = "other"
address = "127.0.0.4:{port}"

[team.oncall]
mail = ["anna@example.com", "bert@example.com"]
webhook = ["ops"]
quiet = "Mon-Sat 00:00-24:00 UTC"

[[team.oncall.escalation]]
after = "15m"
mail = ["lead@example.com"]
"#,
            mail = self.sink.port(),
            hook = self.hooks.url(HOOK),
            beat = self.hooks.url(BEAT),
            port = self.target.port,
        );
        for (door, host) in DOORS.iter().zip(["127.0.0.1", "127.0.0.2"]) {
            config += &format!(
                r#"
[channel.{door}]
kind = "chat"
title = "The door {door}"
team = "oncall"
dark_after = {{ failures = 2, of = 3 }}
up_after = {{ successes = 2 }}

[channel.{door}.probe.page]
every = "100ms"
timeout = "5s"
http = {{ url = "http://{host}:{}/{door}" }}
"#,
                self.target.port
            );
        }
        config
    }

    fn config(&self) -> PathBuf {
        self.directory.path().join("probes.toml")
    }

    /// Starts the daemon, to halt at a point if one is named.
    fn start(&self, halt_at: Option<&'static str>) -> Daemon {
        let mut command = Command::new(env!("CARGO_BIN_EXE_lamplighter"));
        command.arg("run").arg("--config").arg(self.config()).env("NO_COLOR", "1");
        if let Some(point) = halt_at {
            command.env("LAMPLIGHTER_HALT_AT", point);
        }
        let mut child = command
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(Stdio::piped())
            .kill_on_drop(true)
            .spawn()
            .unwrap();
        let mut lines = BufReader::new(child.stderr.take().unwrap()).lines();
        let halted = Arc::new(Notify::new());
        let ring = Arc::clone(&halted);
        let mut log = JoinSet::new();
        log.spawn(async move {
            while let Ok(Some(line)) = lines.next_line().await {
                if line.starts_with("halted at ") {
                    ring.notify_one();
                }
            }
        });
        Daemon { child, halted, _log: log }
    }

    /// Changes the doors to broken or mended, lets the daemon die on the way, and waits for the mails.
    async fn pass(&mut self, daemon: Daemon, broken: bool, death: Death, moment: Duration) -> Daemon {
        let mut daemon = daemon;
        if let Death::Halted(point) = death {
            daemon.kill().await;
            *self.kills.entry(Death::AtOnce).or_default() += 1;
            daemon = self.start(Some(point));
        }
        if let Death::ByServer(step) = death {
            let pid = daemon.pid();
            self.sink
                .once_at(step, move || kill(pid, Signal::SIGKILL).expect("the process is ours and alive"));
        }
        self.target.broken.store(broken, Ordering::SeqCst);
        match death {
            Death::AtOnce => {}
            Death::AtRandom => sleep(moment).await,
            Death::Halted(point) => {
                timeout(PATIENCE, daemon.halted.notified())
                    .await
                    .unwrap_or_else(|_| panic!("not reached: {point}"));
            }
            Death::ByServer(step) => {
                let dead = timeout(PATIENCE, daemon.child.wait()).await;
                dead.unwrap_or_else(|_| panic!("not reached: {step:?}")).unwrap();
            }
        }
        daemon.kill().await;
        let daemon = self.start(None);

        self.expected += DOORS.len() * RECIPIENTS;
        let all_there = self.sink.wait_for_ids(self.expected);
        timeout(PATIENCE, all_there).await.unwrap_or_else(|_| {
            panic!("lost: {} of {} mails came, death {death}", self.sink.ids_count(), self.expected)
        });
        let calls_owed = self.expected / RECIPIENTS;
        let called = async {
            while self.calls().len() < calls_owed {
                sleep(Duration::from_millis(20)).await;
            }
        };
        timeout(PATIENCE, called).await.unwrap_or_else(|_| {
            panic!("lost: {} of {calls_owed} calls came, death {death}", self.calls().len())
        });
        *self.kills.entry(death).or_default() += 1;
        let (extra, kills) = (self.sink.taken_count() - self.expected, self.kills.values().sum::<u32>());
        assert!(extra <= kills as usize, "{extra} extra copies after {kills} kills, the last {death}");
        daemon
    }

    /// How often the endpoint was called, by the id of what it was told.
    fn calls(&self) -> BTreeMap<String, usize> {
        let mut calls = BTreeMap::new();
        for request in self.hooks.requests().iter().filter(|request| request.line.contains(HOOK)) {
            *calls.entry(request.header("webhook-id").to_owned()).or_default() += 1;
        }
        calls
    }

    /// What must hold at the end, once the daemon has stopped.
    async fn check(&self) {
        assert_eq!(self.sink.ids_count(), self.expected, "nothing is announced twice");
        assert_eq!(self.calls().len(), self.expected / RECIPIENTS, "nothing is called twice");
        assert_eq!(self.sink.violations(), [""; 0]);
        let store = Store::open(&self.directory.path().join("lamplighter.db")).unwrap();
        assert!(store.backlog().await.unwrap().iter().all(|backlog| backlog.pending == 0));
        let far = "2100-01-01T00:00:00Z".parse().unwrap();
        assert!(store.due(Route::Mail, far, 1).await.unwrap().is_empty());

        // `<incident>.<event>.<recipient>@host`: of each incident, each recipient hears first of the outage.
        let mut first_events: BTreeMap<(String, String), Vec<String>> = BTreeMap::new();
        for mail in self.sink.taken() {
            let local = mail.message_id.split('@').next().unwrap();
            let [incident, event, _] = local.split('.').collect::<Vec<_>>()[..] else { panic!("{local}") };
            let events = first_events.entry((incident.to_owned(), mail.to.clone())).or_default();
            if events.iter().all(|known| known != event) {
                events.push(event.to_owned());
            }
        }
        for (thread, events) in &first_events {
            assert_eq!(*events, ["opened", "resolved"], "{thread:?}");
        }
    }
}

/// One house, killed so many times.
async fn run(seed: u64, kills: u32) -> Harness {
    let mut random = StdRng::seed_from_u64(seed);
    let mut harness = Harness::set_up().await;
    let mut daemon = harness.start(None);
    // Every point once in each direction, then at random.
    let mut queue: Vec<(Death, bool)> =
        DEATHS.iter().flat_map(|&death| [(death, true), (death, false)]).collect();
    if seed.is_multiple_of(2) {
        // A small run gets to the end of the list by another seed.
        queue.reverse();
    }
    while harness.kills.values().sum::<u32>() < kills {
        for broken in [true, false] {
            let listed = queue.iter().position(|(_, when)| *when == broken);
            let death = match listed {
                Some(index) => queue.remove(index).0,
                None => *DEATHS.choose(&mut random).expect("there are deaths to choose from"),
            };
            let moment = Duration::from_millis(random.random_range(0..MOMENT_MAX_MS));
            daemon = harness.pass(daemon, broken, death, moment).await;
        }
    }
    let beats = async {
        while !harness.hooks.requests().iter().any(|request| request.line.contains(BEAT)) {
            sleep(Duration::from_millis(20)).await;
        }
    };
    timeout(PATIENCE, beats).await.expect("it says outside that it works");
    daemon.stop().await;
    let calls: usize = harness.calls().values().sum();
    harness.extra_copies =
        (harness.sink.taken_count() - harness.expected, calls - harness.expected / RECIPIENTS);
    harness
}

#[tokio::test]
async fn a_kill_at_any_point_loses_no_mail() {
    #[expect(clippy::disallowed_methods, reason = "the size of the run, neither a secret nor a setting")]
    let wanted = std::env::var("LAMPLIGHTER_KILLS").ok();
    let kills: u32 = wanted.map_or(KILLS, |text| text.parse().expect("LAMPLIGHTER_KILLS is a number"));
    let mut by_death: BTreeMap<Death, u32> = BTreeMap::new();
    let (mut mails, mut extra, mut extra_calls) = (0, 0, 0);
    for seed in SEEDS {
        let harness = run(seed, kills.div_ceil(2)).await;
        harness.check().await;
        for (death, count) in &harness.kills {
            *by_death.entry(*death).or_default() += count;
        }
        mails += harness.expected;
        extra += harness.extra_copies.0;
        extra_calls += harness.extra_copies.1;
    }
    let total: u32 = by_death.values().sum();
    for (death, count) in &by_death {
        println!("{count:5} kills {death}");
    }
    let calls = mails / RECIPIENTS;
    println!(
        "{total} kills, {mails} mails and {calls} calls owed, 0 lost, {extra} and {extra_calls} extra copies (seeds {SEEDS:?})"
    );
}
