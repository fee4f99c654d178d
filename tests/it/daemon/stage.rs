//! What every test of the loops needs: doors that can be opened and shut, a mail server that keeps what it gets, and
//! a daemon between them on a clock that is paused.

use std::{
    collections::{BTreeMap, BTreeSet},
    path::Path,
    sync::{Arc, Mutex},
    time::Duration,
};

use lamplighter::{
    clock::Clock,
    config::plan::{Boot, Channel, NetworkPlan, Plan, ProbePlan, Team},
    daemon::{Daemon, Parts},
    domain::{
        channel::{ChannelId, ChannelKind, Location, ProbeKey, ProbeName, TeamId},
        evaluation::{Quorum, Rules, State},
        notification::{Notification, Route},
        outcome::{Detail, Failure, Inconclusive, InconclusiveReason, Reason, Stage, Verdict},
        urgency::Urgencies,
    },
    evidence::EvidencePlan,
    notify::{Delivery, Endpoints, Notifier, RestFuture, Routes, SendFuture},
    probe::{Probe, Report, RunFuture, timeline::Timeline},
    store::Store,
};
use tokio::{
    runtime::Handle,
    time::{Instant, sleep},
};
use tokio_util::sync::CancellationToken;

/// How a door behaves when it is tried.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Door {
    Works,
    Fails,
    /// It breaks in this way.
    Breaks(Stage, Reason),
    /// The monitor cannot look.
    Unseen,
    /// Nothing happens before the deadline.
    Hangs,
}

/// A door, and how it has been tried.
#[derive(Debug)]
pub struct PlayedDoor {
    played: Mutex<Played>,
}

#[derive(Debug)]
struct Played {
    door: Door,
    takes: Duration,
    starts: Vec<Instant>,
    inside: usize,
    inside_max: usize,
}

impl PlayedDoor {
    pub fn new() -> Arc<Self> {
        let played = Played {
            door: Door::Works,
            takes: Duration::from_millis(50),
            starts: Vec::new(),
            inside: 0,
            inside_max: 0,
        };
        Arc::new(Self { played: Mutex::new(played) })
    }

    pub fn set(&self, door: Door) {
        self.played.lock().unwrap().door = door;
    }

    pub fn takes(&self, takes: Duration) {
        self.played.lock().unwrap().takes = takes;
    }

    /// The moments at which it was tried.
    pub fn starts(&self) -> Vec<Instant> {
        self.played.lock().unwrap().starts.clone()
    }

    /// The most runs that ever were under way at once.
    pub fn inside_max(&self) -> usize {
        self.played.lock().unwrap().inside_max
    }
}

fn failed(stage: Stage, reason: Reason, detail: &str) -> Verdict {
    Verdict::Failed(Failure { stage, step: None, reason, cause: None, detail: Detail::new(detail) })
}

/// Counts itself out when the run ends or is dropped.
struct Inside<'a>(&'a PlayedDoor);

impl Drop for Inside<'_> {
    fn drop(&mut self) {
        self.0.played.lock().unwrap().inside -= 1;
    }
}

impl Probe for PlayedDoor {
    fn run<'a>(&'a self, _: &'a Timeline, _: &'a CancellationToken) -> RunFuture<'a> {
        Box::pin(async {
            let (door, takes) = {
                let mut played = self.played.lock().unwrap();
                played.starts.push(Instant::now());
                played.inside += 1;
                played.inside_max = played.inside_max.max(played.inside);
                (played.door, played.takes)
            };
            let _inside = Inside(self);
            if door == Door::Hangs {
                std::future::pending::<()>().await;
            }
            sleep(takes).await;
            let verdict = match door {
                Door::Works | Door::Hangs => Verdict::Ok,
                Door::Fails => failed(Stage::Expect, Reason::Status, "answered 500"),
                Door::Breaks(stage, reason) => failed(stage, reason, ""),
                Door::Unseen => Verdict::Inconclusive(Inconclusive {
                    reason: InconclusiveReason::MonitorLocal,
                    detail: Detail::new("no descriptors left"),
                }),
            };
            Report::without_answer(verdict)
        })
    }
}

/// A mail server that takes everything and keeps it, unless it is stuck.
#[derive(Default)]
pub struct Mailbox(Mutex<Vec<Notification>>, Mutex<Stuck>);

#[derive(Clone, Copy, Default)]
struct Stuck {
    is_stuck: bool,
    /// How long it says nothing before it fails.
    for_so_long: Option<Duration>,
}

impl Notifier for Mailbox {
    fn send<'a>(&'a self, notification: &'a Notification, _: Duration) -> SendFuture<'a> {
        let stuck = *self.1.lock().unwrap();
        if stuck.is_stuck {
            return Box::pin(async move {
                sleep(stuck.for_so_long.unwrap_or_default()).await;
                Delivery::Transient("connecting: connection refused".to_owned())
            });
        }
        self.0.lock().unwrap().push(notification.clone());
        Box::pin(async { Delivery::Accepted("250 kept".to_owned()) })
    }

    fn rest(&self) -> RestFuture<'_> {
        Box::pin(async {})
    }
}

impl Mailbox {
    /// Whether it takes nothing from now on, and how long it takes to say so.
    pub fn set_stuck(&self, is_stuck: bool, for_so_long: Option<Duration>) {
        *self.1.lock().unwrap() = Stuck { is_stuck, for_so_long };
    }

    /// `event channel` of every mail, in the order in which they came.
    pub fn news(&self) -> Vec<String> {
        let mails = self.0.lock().unwrap();
        let channel = |mail: &Notification| {
            let (_, rest) = mail.incident.0.split_once('-').unwrap();
            rest.rsplit_once('-').unwrap().0.to_owned()
        };
        mails.iter().map(|mail| format!("{} {}", mail.event.as_str(), channel(mail))).collect()
    }

    /// The link of every mail by which its incident is acknowledged, in the order in which they came.
    pub fn links(&self) -> Vec<Option<String>> {
        self.0.lock().unwrap().iter().map(|mail| mail.content.facts.acknowledge.clone()).collect()
    }

    /// To whom every mail went, in the order in which they came.
    pub fn recipients(&self) -> Vec<String> {
        self.0.lock().unwrap().iter().map(|mail| mail.recipient.clone()).collect()
    }

    /// The subject of every mail, in the order in which they came.
    pub fn subjects(&self) -> Vec<String> {
        self.0.lock().unwrap().iter().map(|mail| mail.content.subject.clone()).collect()
    }

    /// The text of every mail, in the order in which they came.
    pub fn texts(&self) -> Vec<String> {
        self.0.lock().unwrap().iter().map(|mail| mail.content.text.clone()).collect()
    }
}

/// A plan of one probe per door, each in a channel of its own, tried every ten seconds.
pub fn plan(doors: &BTreeMap<&str, Arc<PlayedDoor>>, change: impl Fn(&mut ProbePlan)) -> Plan {
    let team = TeamId::new("oncall");
    let channels = doors.iter().map(|(&name, door)| {
        let id = ChannelId::new(name);
        let key = Arc::new(ProbeKey { channel: id.clone(), probe: ProbeName::new("door") });
        let mut probe = ProbePlan {
            key,
            every: Duration::from_secs(10),
            timeout: Duration::from_secs(5),
            recheck: None,
            hosts: Box::default(),
            phases: Arc::new([]),
            responders: Box::default(),
            counts_steps: false,
            kind: "http",
            fingerprint: 1,
            probe: Arc::clone(door) as Arc<dyn Probe>,
            redactor: Arc::default(),
        };
        change(&mut probe);
        let channel = Channel {
            title: format!("The {name}"),
            kind: ChannelKind::Chat,
            team: Some(team.clone()),
            depends_on: BTreeSet::new(),
            labels: BTreeMap::new(),
            rules: Rules {
                dark_after: Quorum { count: 3, of: 5 },
                up_after: Quorum { count: 2, of: 2 },
                alert_on_degraded: false,
                waiting: None,
            },
            urgencies: Urgencies::default(),
            hours: None,
            every_closed: None,
            slo: None,
            is_public: false,
            probes: BTreeMap::from([(ProbeName::new("door"), Arc::new(probe))]),
        };
        (id, Arc::new(channel))
    });
    Plan {
        path: "/etc/lamplighter/probes.toml".into(),
        boot: Boot {
            location: Location::new("fra-1"),
            listen: "127.0.0.1:0".parse().unwrap(),
            public_listen: None,
            is_encrypted: false,
            store: "unused.db".into(),
            evidence: EvidencePlan::in_directory("unused.evidence".into()),
        },
        mail: None,
        canary: None,
        heartbeat: None,
        endpoints: Endpoints::default(),
        public: None,
        public_url: None,
        time_zone: jiff::tz::TimeZone::UTC,
        runs_max: 1_000,
        runs_per_host_max: 1_000,
        dependencies: BTreeMap::new(),
        network: NetworkPlan::default(),
        api_token: None,
        access: Arc::default(),
        tls: None,
        maintenance: Arc::default(),
        channels: channels.collect(),
        teams: BTreeMap::from([(
            team,
            Team { mail: vec!["oncall@example.com".to_owned()], ..Team::default() },
        )]),
    }
}

/// A running daemon and what is played around it.
pub struct Play {
    pub daemon: Daemon,
    pub mailbox: Arc<Mailbox>,
    pub stop: CancellationToken,
    pub clock: Clock,
}

impl Play {
    /// Starts a daemon on the store in `directory`.
    pub async fn start(plan: Plan, directory: &Path) -> Self {
        Self::resume(plan, directory, Arc::default(), clock()).await
    }

    /// Starts a daemon where another one has ended, and waits until it turns.
    pub async fn resume(plan: Plan, directory: &Path, mailbox: Arc<Mailbox>, clock: Clock) -> Self {
        let play = Self::set_going(plan, directory, mailbox, clock).await;
        play.daemon.begun().await;
        play
    }

    /// Starts a daemon; none of its loops has turned yet.
    pub async fn set_going(plan: Plan, directory: &Path, mailbox: Arc<Mailbox>, clock: Clock) -> Self {
        let store = Store::open(&directory.join("play.db")).unwrap();
        let remembered = store.load().await.unwrap();
        let notifier: Arc<dyn Notifier> = mailbox.clone();
        let routes = Routes::from([(Route::Mail.into(), notifier)]);
        let stop = CancellationToken::new();
        let parts = Parts {
            plan: Arc::new(plan),
            store,
            remembered,
            evidence: None,
            routes,
            clock,
            probing: Handle::current(),
        };
        let daemon = Daemon::start(parts, stop.clone());
        Self { daemon, mailbox, stop, clock }
    }

    /// Ends the daemon and waits for it.
    pub async fn end(self) {
        self.stop.cancel();
        self.daemon.wait().await.unwrap();
    }

    /// All lines of the metrics that begin with `start`.
    pub fn metrics(&self, start: &str) -> Vec<String> {
        let text: Vec<u8> = self.daemon.metrics().expose().flatten().collect();
        let text = String::from_utf8(text).unwrap();
        text.lines().filter(|line| line.starts_with(start)).map(str::to_owned).collect()
    }

    /// The sum of all series of a metric that begin with `start`.
    pub fn sum(&self, start: &str) -> f64 {
        self.metrics(start).iter().map(|line| line.rsplit_once(' ').unwrap().1.parse::<f64>().unwrap()).sum()
    }

    /// The judged state of a channel, as the metrics show it.
    pub fn state(&self, channel: &str) -> State {
        let shown = |state: &State| {
            let word = state.as_str();
            self.sum(&format!("support_channel_state{{channel=\"{channel}\",state=\"{word}\"}}")) == 1.0
        };
        State::ALL.into_iter().find(shown).unwrap()
    }
}

/// A clock that advances with tokio's, from a moment that is the start of nobody's interval.
pub fn clock() -> Clock {
    Clock::following("2026-11-21T03:04:12.345Z".parse().unwrap())
}

/// Lets time pass, and everything happen that happens meanwhile.
pub async fn pass(secs: u64) {
    sleep(Duration::from_secs(secs)).await;
}

/// Doors by name.
pub fn doors<const N: usize>(names: [&'static str; N]) -> BTreeMap<&'static str, Arc<PlayedDoor>> {
    names.into_iter().map(|name| (name, PlayedDoor::new())).collect()
}
