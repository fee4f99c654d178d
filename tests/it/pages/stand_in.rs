//! A daemon that is not there, with something to show on every part of every page.

use std::{collections::BTreeMap, sync::Arc, time::Duration};

use bytes::Bytes;
use jiff::{Timestamp, ToSpan, tz::TimeZone};
use lamplighter::{
    domain::{
        alternatives::Standing as Proven,
        channel::{ChannelId, ChannelKind, ProbeKey, ProbeName, TeamId},
        chronicle::{Chronicle, Day, Hour, ProbeChronicle},
        command::Command,
        escalation::Acknowledgement,
        evaluation::{RunWord, State},
        health::{Health, Waiting},
        incident::{IncidentEvent, IncidentId, Severity},
        inquiry::{IncidentInquiry, Incidents, OutcomeInquiry, Outcomes, Story},
        ledger::Spans,
        maintenance::{Announced, Scope, Standing, WindowId},
        outcome::{Detail, Failure, PhaseKind, Reason, Stage},
        past::{ChannelPast, Chapter, FallenChannel, IncidentPast, KeptBundle, PastIncident, Run, What},
        snapshot::{ChannelView, ProbeView, Snapshot},
    },
    secret::Secret,
    web::{
        AnswerFuture, Asked, ChroniclesFuture, EndFuture, IncidentFuture, KeptFuture, RunFuture, Source,
        access::Access, router,
    },
};
use tokio::{net::TcpListener, sync::watch, task::JoinSet};
use tokio_util::sync::CancellationToken;

pub const INCIDENT: &str = "20261121T020612Z-web-chat-e9bf";
const BUNDLE: &str = "20261121T020612Z-web-chat-dark";
const FILES: [&str; 5] =
    ["change.json", "latest-small.jpg", "latest-screen.png", "latest-page.txt", "latest-page.html"];

fn at(text: &str) -> Timestamp {
    text.parse().unwrap()
}

fn now() -> Timestamp {
    at("2026-11-21T04:10:00Z")
}

/// What is shown.
pub struct Shown {
    pub snapshot: Snapshot,
    pub chronicles: BTreeMap<ChannelId, Chronicle>,
    pub past: ChannelPast,
    pub incident: IncidentPast,
    pub health: Health,
    /// Whether nothing can be read.
    pub fails: bool,
}

impl Shown {
    pub fn empty() -> Self {
        Self {
            snapshot: Snapshot::default(),
            chronicles: BTreeMap::new(),
            past: ChannelPast::default(),
            ..Self::full()
        }
    }

    pub fn full() -> Self {
        Self::with(&|word| word.to_owned())
    }

    /// The same, where every text that somebody else has written is what this makes of a word.
    pub fn with(text: &dyn Fn(&str) -> String) -> Self {
        let chronicles = ["hotline", "web-chat"].map(|id| (ChannelId::new(id), chronicle(id)));
        Self {
            snapshot: snapshot(text),
            chronicles: chronicles.into_iter().collect(),
            past: ChannelPast {
                runs: runs(text),
                incidents: vec![
                    past_incident(INCIDENT, "2026-11-21T02:04:12Z", None),
                    past_incident(
                        "20261103T101500Z-web-chat-77aa",
                        "2026-11-03T10:14:00Z",
                        Some("2026-11-03T10:44:00Z"),
                    ),
                ],
                bundles: vec![bundle()],
            },
            incident: incident(text),
            health: Health {
                outbox: vec![
                    Waiting { route: "mail".to_owned(), pending: 2, oldest: Duration::from_secs(312) },
                    Waiting { route: "webhook".to_owned(), pending: 0, oldest: Duration::ZERO },
                ],
                blind: vec!["line".to_owned()],
                store_fails: false,
                reload_successful: false,
                reloaded_at: Some(at("2026-11-20T16:00:00Z")),
                backup_at: Some(at("2026-11-21T04:00:00Z")),
            },
            fails: false,
        }
    }
}

fn failure(text: &dyn Fn(&str) -> String) -> Failure {
    Failure {
        stage: Stage::Expect,
        step: Some(text("launcher").into()),
        reason: Reason::Disabled,
        cause: Some(Reason::Content),
        detail: Detail::new(&text("$.enabled is false")),
    }
}

fn snapshot(text: &dyn Fn(&str) -> String) -> Snapshot {
    let window = |id: &str, standing, from: &str, until: &str, scope| {
        let (from, until) = (at(from), at(until));
        Arc::new(Announced {
            id: WindowId::new(id),
            standing,
            from,
            until,
            scope,
            text: text("the desk moves"),
        })
    };
    let labels = BTreeMap::from([(text("tier"), text("gold"))]);
    let scope = Scope { channels: vec![ChannelId::new("help")], teams: vec![TeamId::new("desk")], labels };
    let active = window("move", Standing::Active, "2026-11-21T02:00:00Z", "2026-11-21T06:00:00Z", scope);
    let planned = window(
        "upgrade",
        Standing::Planned,
        "2026-11-28T22:00:00Z",
        "2026-11-29T02:00:00Z",
        Scope::default(),
    );
    let view = |id: &str, title: &str, kind, state, since: &str| ChannelView {
        id: ChannelId::new(id),
        title: text(title),
        kind,
        state,
        since: at(since),
        incident: None,
        opens_at: None,
        maintenance: None,
        standing: Proven::default(),
        failure: None,
        probes: vec![probe("launcher", 120), probe("person", 2_400)],
    };
    let chat = ChannelView {
        incident: Some(IncidentId(INCIDENT.to_owned())),
        failure: Some(failure(text)),
        ..view("web-chat", "Chat button, web shop", ChannelKind::Chat, State::Dark, "2026-11-21T02:04:12Z")
    };
    let help = ChannelView {
        maintenance: Some(Arc::clone(&active)),
        ..view("help", "Help centre", ChannelKind::Help, State::Closed, "2026-11-21T02:00:00Z")
    };
    let tickets = ChannelView {
        opens_at: Some(at("2026-11-21T07:00:00Z")),
        ..view("tickets", "Ticket form", ChannelKind::Ticket, State::Closed, "2026-11-20T19:00:00Z")
    };
    let slow = ChannelView {
        failure: Some(Failure { reason: Reason::TooSlow, cause: None, step: None, ..failure(text) }),
        ..view("bot", "Bot", ChannelKind::Bot, State::Degraded, "2026-11-21T03:58:00Z")
    };
    let channels = vec![
        slow,
        help,
        view("hotline", "Hotline", ChannelKind::Hotline, State::Up, "2026-10-02T12:00:00Z"),
        view("social", "Social account", ChannelKind::Social, State::Unknown, "2026-11-21T04:09:30Z"),
        tickets,
        chat,
    ];
    Snapshot { channels: channels.into_iter().map(Arc::new).collect(), maintenance: [active, planned].into() }
}

fn probe(name: &str, ms: u64) -> ProbeView {
    let took = |factor: u64| Some(Duration::from_millis(ms * factor));
    ProbeView {
        name: ProbeName::new(name),
        last_outcome: Some("failed".to_owned()),
        last_run_at: Some(at("2026-11-21T04:09:48Z")),
        last_duration: took(1),
        last_reason: Some(Reason::Disabled),
        p50: took(1),
        p95: took(2),
        p99: took(3),
        timeout_ratio: Some(0.012),
    }
}

/// Numbers that look like something measured, and are the same each time.
fn wave(place: u64, salt: u64) -> f64 {
    let mixed = (place + salt * 7).wrapping_mul(0x9e37_79b9_7f4a_7c15).rotate_left(17) % 1_000;
    f64::from(u32::try_from(mixed).unwrap()) / 1_000.0
}

fn chronicle(id: &str) -> Chronicle {
    let salt = id.len() as u64;
    let today = now().to_zoned(TimeZone::UTC).date();
    let day = |back: u64| {
        let dark = match back {
            0 => 1_050,
            18 => 1_800,
            _ if wave(back, salt) > 0.93 => 340,
            _ => 0,
        };
        let up = if back < 80 { 86_400 - dark } else { 0 };
        let (up, dark) = (Duration::from_secs(up / if back == 0 { 6 } else { 1 }), Duration::from_secs(dark));
        let spans = Spans { up, dark: if back < 80 { dark } else { Duration::ZERO }, ..Spans::default() };
        Day { date: today.saturating_sub(i64::try_from(back).unwrap().days()), spans }
    };
    let hours = |base: f64| {
        let hour = |back: u64| {
            let slow = if back < 3 { 4.0 } else { 1.0 };
            let ms = |factor: f64| {
                let ms = base * slow * factor * (0.8 + 0.4 * wave(back, salt));
                Some(Duration::from_micros((ms * 1_000.0) as u64))
            };
            let timeout_ratio = Some(if back < 3 { 0.31 } else { (wave(back, 3) - 0.9).max(0.0) });
            Hour {
                at: at("2026-11-21T04:00:00Z") - i64::try_from(back).unwrap().hours(),
                p50: ms(1.0),
                p95: ms(1.9),
                p99: ms(2.6),
                timeout_ratio,
                failure_ratio: timeout_ratio,
            }
        };
        (0..48).rev().filter(|back| !(20..23).contains(back)).map(hour).collect()
    };
    Chronicle {
        days: (0..90).rev().map(day).collect(),
        outages: Vec::new(),
        probes: vec![
            ProbeChronicle { name: ProbeName::new("launcher"), hours: hours(110.0) },
            ProbeChronicle { name: ProbeName::new("person"), hours: hours(2_100.0) },
        ],
    }
}

fn runs(text: &dyn Fn(&str) -> String) -> Vec<Run> {
    let run = |back: u64| {
        let has_failed = back < 5;
        let ms = |low: f64, salt| Duration::from_micros((low * (700.0 + 600.0 * wave(back, salt))) as u64);
        let phases = [
            (PhaseKind::Resolve, ms(3.0, 1)),
            (PhaseKind::Connect, ms(12.0, 2)),
            (PhaseKind::Tls, ms(25.0, 3)),
            (PhaseKind::Send, ms(1.0, 4)),
            (PhaseKind::Wait, ms(if has_failed { 300.0 } else { 70.0 }, 5)),
            (PhaseKind::Transfer, ms(9.0, 6)),
        ];
        Run {
            probe: ProbeName::new("launcher"),
            started_at: at("2026-11-21T04:09:48Z") - i64::try_from(back * 30).unwrap().seconds(),
            duration: phases.iter().map(|(_, took)| *took).sum(),
            outcome: if has_failed { RunWord::Failed } else { RunWord::Ok },
            reason: has_failed.then_some(Reason::Disabled),
            detail: if has_failed { Detail::new(&text("$.enabled is false")) } else { Detail::default() },
            phases: phases.to_vec(),
        }
    };
    (0..60).map(run).collect()
}

fn past_incident(id: &str, began_at: &str, resolved_at: Option<&str>) -> PastIncident {
    PastIncident {
        id: IncidentId(id.to_owned()),
        severity: Severity::Dark,
        began_at: at(began_at),
        resolved_at: resolved_at.map(at),
    }
}

fn bundle() -> KeptBundle {
    KeptBundle {
        name: BUNDLE.to_owned(),
        channel: "web-chat".to_owned(),
        at: at("2026-11-21T02:06:12Z"),
        files: FILES.map(str::to_owned).to_vec(),
    }
}

fn incident(text: &dyn Fn(&str) -> String) -> IncidentPast {
    let anna =
        Acknowledgement { by: Detail::new(&text("Anna, night shift")), at: at("2026-11-21T02:11:40Z") };
    let chapter = |moment: &str, what| Chapter { at: at(moment), what };
    let happened = |id: &str, event, state, failure| What::Happened {
        channel: ChannelId::new(id),
        event,
        state,
        failure,
    };
    let told = |event: &str, delivered, pending| What::Told {
        event: event.to_owned(),
        route: "mail".to_owned(),
        delivered,
        pending,
        given_up: 0,
    };
    IncidentPast {
        id: IncidentId(INCIDENT.to_owned()),
        began_at: at("2026-11-21T02:04:12Z"),
        closed_at: None,
        acknowledged: Some(anna.clone()),
        channels: vec![
            FallenChannel {
                id: ChannelId::new("tickets"),
                title: text("Ticket form"),
                severity: Severity::Degraded,
                failure: None,
                ended_at: Some(at("2026-11-21T03:00:00Z")),
            },
            FallenChannel {
                id: ChannelId::new("web-chat"),
                title: text("Chat button, web shop"),
                severity: Severity::Dark,
                failure: Some(failure(text)),
                ended_at: None,
            },
        ],
        chapters: vec![
            chapter("2026-11-21T02:04:12Z", What::Began),
            chapter(
                "2026-11-21T02:06:12Z",
                happened("web-chat", IncidentEvent::Opened, Some(State::Dark), Some(failure(text))),
            ),
            chapter("2026-11-21T02:06:13Z", told("opened", 2, 0)),
            chapter("2026-11-21T02:11:40Z", What::Acknowledged { by: anna.by }),
            chapter(
                "2026-11-21T03:00:00Z",
                happened("tickets", IncidentEvent::Resolved, Some(State::Up), None),
            ),
            chapter("2026-11-21T03:04:12Z", told("reminder", 1, 1)),
        ],
        bundles: vec![bundle()],
    }
}

/// The same as a source.
pub struct StandIn {
    pub snapshots: watch::Sender<Arc<Snapshot>>,
    pub ending: CancellationToken,
    shown: Shown,
}

impl StandIn {
    fn say<T: Send + 'static>(&self, what: T) -> Asked<T> {
        let said = if self.shown.fails { Err("the disk is gone".to_owned()) } else { Ok(what) };
        Box::pin(async { said })
    }
}

impl Source for StandIn {
    fn metrics(&self) -> Box<dyn Iterator<Item = Bytes> + Send> {
        Box::new(std::iter::empty())
    }

    fn snapshots(&self) -> watch::Receiver<Arc<Snapshot>> {
        let mut receiver = self.snapshots.subscribe();
        receiver.mark_changed();
        receiver
    }

    fn alive(&self) -> Result<(), String> {
        Ok(())
    }

    fn ready(&self) -> Result<(), String> {
        Ok(())
    }

    fn token(&self) -> Option<Secret> {
        None
    }

    fn command(&self, command: Command) -> AnswerFuture {
        panic!("a page gives no commands: {command:?}")
    }

    fn incident(&self, incident: IncidentId) -> IncidentFuture {
        panic!("nobody has a link here: {incident}")
    }

    fn outcomes(&self, inquiry: OutcomeInquiry) -> KeptFuture<Outcomes> {
        panic!("no page asks so: {inquiry:?}")
    }

    fn incidents(&self, inquiry: IncidentInquiry) -> KeptFuture<Incidents> {
        panic!("no page asks so: {inquiry:?}")
    }

    fn story(&self, incident: IncidentId) -> KeptFuture<Option<Story>> {
        panic!("no page asks so: {incident}")
    }

    fn access(&self) -> Arc<Access> {
        Arc::default()
    }

    fn run(&self, probe: ProbeKey) -> RunFuture {
        panic!("a page runs nothing: {probe}")
    }

    fn health(&self) -> Health {
        self.shown.health.clone()
    }

    fn chronicles(&self) -> ChroniclesFuture {
        let chronicles = Arc::new(self.shown.chronicles.clone());
        Box::pin(async move { chronicles })
    }

    fn channel_past(&self, _channel: ChannelId) -> Asked<ChannelPast> {
        self.say(self.shown.past.clone())
    }

    fn incident_past(&self, incident: IncidentId) -> Asked<Option<IncidentPast>> {
        self.say((incident.0 == INCIDENT).then(|| self.shown.incident.clone()))
    }

    fn exhibit(&self, bundle: String, file: String) -> Asked<Option<Vec<u8>>> {
        let is_there = bundle == BUNDLE && FILES.contains(&&*file);
        self.say(is_there.then(|| b"<script>alert(1)</script>".to_vec()))
    }

    fn now(&self) -> Timestamp {
        now()
    }

    fn ending(&self) -> EndFuture {
        Box::pin(self.ending.clone().cancelled_owned())
    }
}

/// The pages of a stand-in.
pub struct Served {
    pub source: Arc<StandIn>,
    /// `http://address`.
    pub base: String,
    client: reqwest::Client,
    _serving: JoinSet<()>,
}

pub async fn serve(shown: Shown) -> Served {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let base = format!("http://{}", listener.local_addr().unwrap());
    let snapshots = watch::Sender::new(Arc::new(shown.snapshot.clone()));
    let source = Arc::new(StandIn { snapshots, ending: CancellationToken::new(), shown });
    let mut serving = JoinSet::new();
    let pages = router(Arc::clone(&source) as Arc<dyn Source>);
    serving.spawn(async move { axum::serve(listener, pages).await.unwrap() });
    Served { source, base, client: reqwest::Client::new(), _serving: serving }
}

impl Served {
    pub fn get(&self, path: &str) -> reqwest::RequestBuilder {
        self.client.get(format!("{}{path}", self.base))
    }

    /// A page in a language.
    pub async fn page(&self, path: &str, language: &str) -> String {
        self.get(path).header("accept-language", language).send().await.unwrap().text().await.unwrap()
    }
}
