//! What the store tells of incidents, by the real program, and what the stored history comes to by other rules.

use std::{
    collections::{BTreeMap, BTreeSet},
    path::Path,
    process::{Command, Output},
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering::Relaxed},
    },
    time::Duration,
};

use axum::{Router, extract::State as Shown, http::StatusCode, routing::get};
use expect_test::expect_file;
use jiff::Timestamp;
use lamplighter::{
    domain::{
        casebook::{Announcement, Casebook},
        channel::{ChannelId, ChannelKind, ProbeKey, ProbeName, TeamId},
        decision::{Kept, decide},
        evaluation::{ChannelState, Moment, Quorum, Rules, State, Watched},
        incident::{Incident, IncidentEvent},
        notification::{Recipient, Route},
        outcome::{Detail, Failure, Outcome, Reason, Stage, Verdict},
        shared::Shared,
    },
    store::Store,
};
use tempfile::TempDir;
use tokio::{net::TcpListener, task::JoinSet};

use crate::{
    neighbourhood::{Doorway, Neighbourhood, doorplate},
    running::{Running, until},
    samples::{notification, start},
    smtp_sink::{Protection, Sink},
};

const EVERY: u64 = 30;

/// After this run somebody takes the first outage in hand.
const ACKNOWLEDGED_AT: u64 = 16;

const CONFIG: &str = r#"
[monitor]
time_zone = "Europe/Berlin"
listen = "127.0.0.1:0"
[mail]
from = "lamplighter@example.com"
smtp = "smtp+plain://127.0.0.1:25"
[team.oncall]
mail = ["anna@example.com"]
[dependency.crm]
title = "The CRM"
[defaults]
every = "30s"
timeout = "10s"
dark_after = { failures = 3, of = 5 }
[channel.web-chat]
kind = "chat"
title = "Chat button, web shop"
team = "oncall"
depends_on = ["crm"]
probe.customer.http = { url = "http://127.0.0.1:1/chat" }
[channel.hotline]
kind = "hotline"
title = "Call back"
team = "oncall"
depends_on = ["crm"]
probe.customer.http = { url = "http://127.0.0.1:1/call" }
"#;

/// What runs see, a letter for each turn: `o`k or `f`ailed.
const HISTORY: [(&str, &str); 2] = [
    ("web-chat", "oooooooooooofffffffffffffoooooooooooooff"),
    ("hotline", "oooooooooooooffoooofffffffoooooooooooooo"),
];

fn rules() -> Rules {
    Rules {
        dark_after: Quorum { count: 3, of: 5 },
        up_after: Quorum { count: 2, of: 2 },
        alert_on_degraded: false,
        waiting: None,
    }
}

fn outcome(channel: &str, letter: char, turn: u64) -> Outcome {
    let failure = Failure {
        stage: Stage::Expect,
        step: Some(Arc::from("open")),
        reason: Reason::Missing,
        cause: Some(Reason::Status),
        detail: Detail::new("no button in \"<b>\u{1b}[31mgone\u{202e}</b>\"; the answer was 502 Bad Gateway"),
    };
    let failed = letter == 'f';
    Outcome {
        probe: Arc::new(ProbeKey { channel: ChannelId::new(channel), probe: ProbeName::new("customer") }),
        started_at: start() + Duration::from_secs(turn * EVERY + if channel == "hotline" { 7 } else { 0 }),
        duration: Duration::from_millis(if failed { 1_250 } else { 212 }),
        verdict: if failed { Verdict::Failed(failure) } else { Verdict::Ok },
        phases: Vec::new(),
        certificate_expires_at: None,
        contact: None,
        met: Vec::new(),
    }
}

/// A store in which the history has happened, as a daemon would have written it.
struct Told {
    store: Store,
    casebook: Casebook,
    world: Neighbourhood,
    posts: BTreeMap<ChannelId, (ChannelState, Option<Incident>)>,
}

impl Told {
    fn open(path: &Path) -> Self {
        let doorway = |title: &str, kind| Doorway {
            labels: BTreeMap::new(),
            title: title.to_owned(),
            kind,
            team: TeamId::new("oncall"),
            stands_on: BTreeSet::from([Shared::Dependency(ChannelId::new("crm"))]),
            state: State::Up,
            is_suspect: false,
        };
        let doors = BTreeMap::from([
            (ChannelId::new("web-chat"), doorway("Chat button, web shop", ChannelKind::Chat)),
            (ChannelId::new("hotline"), doorway("Call back", ChannelKind::Hotline)),
        ]);
        let post = |id: &ChannelId| {
            let mut state = ChannelState::new(start());
            let key = Arc::new(ProbeKey { channel: id.clone(), probe: ProbeName::new("customer") });
            let watched = Watched { key, silence: Duration::from_secs(100), fingerprint: 1 };
            state.watch([watched], Duration::ZERO);
            (id.clone(), (state, None))
        };
        Self {
            store: Store::open(path).unwrap(),
            casebook: Casebook::default(),
            posts: doors.keys().map(post).collect(),
            world: Neighbourhood {
                doors,
                teams: BTreeMap::from([(TeamId::new("oncall"), vec![Recipient::mail("anna@example.com")])]),
                dependencies: BTreeMap::from([(ChannelId::new("crm"), None)]),
                ..Neighbourhood::default()
            },
        }
    }

    async fn record(&mut self, outcome: Outcome) {
        let wall = outcome.started_at + outcome.duration;
        let now = Moment { wall, monotonic: Duration::try_from(wall.duration_since(start())).unwrap() };
        let channel = outcome.probe.channel.clone();
        let (state, incident) = self.posts.get_mut(&channel).unwrap();
        state.record(&outcome, &rules(), now.monotonic);
        self.store.append(Arc::from([outcome])).await.unwrap();
        if let Some(transition) = state.judge(&rules(), now) {
            let door = &self.world.doors[&channel];
            let bundle = format!("{}-{channel}", transition.at.strftime("%Y%m%dT%H%M%SZ"));
            let kept = Kept { door: doorplate(&door.title, door.kind), bundle: Some(bundle), picture: None };
            let decision = decide(&channel, &rules(), incident.as_ref(), &transition, kept, wall);
            self.store.commit(vec![decision.clone()]).await.unwrap();
            state.adopt(decision.state, decision.since);
            if let Some(happening) = decision.happening {
                self.casebook.take(happening, now);
            }
            *incident = decision.incident.filter(|incident| incident.resolved_at.is_none());
        }
        if let Some(announcement) = self.casebook.settle(&self.world, now) {
            self.store.announce(announcement.clone(), wall).await.unwrap();
            self.casebook.adopt(&announcement, now);
            self.send(wall).await;
        }
    }

    /// Somebody takes what stands in hand.
    async fn acknowledge(&mut self, wall: Timestamp) {
        let now = Moment { wall, monotonic: Duration::try_from(wall.duration_since(start())).unwrap() };
        let standing = self.casebook.cases().next().unwrap().id.clone();
        let announcement = self.casebook.acknowledge(&standing, "Anna\u{1b}[2J", now).unwrap();
        self.store.announce(announcement.clone(), wall).await.unwrap();
        self.casebook.adopt(&announcement, now);
    }

    /// The server takes what is due, but not at the first try.
    async fn send(&self, at: Timestamp) {
        for due in self.store.due(Route::Mail, at, 10).await.unwrap() {
            let (first, later) = (at + Duration::from_secs(1), at + Duration::from_secs(30));
            match due.notification.event {
                IncidentEvent::Resolved => {
                    let answer = "451 4.7.1 greylisted,\r\n\u{1b}[2J try later".to_owned();
                    self.store.postpone(due.id, later, answer).await.unwrap();
                }
                _ => self
                    .store
                    .delivered(due.id, first, "250 2.0.0 Ok: queued as 4X1".to_owned())
                    .await
                    .unwrap(),
            }
        }
    }
}

/// The history as it happened, in a directory with its configuration; the store stays open as a daemon holds it.
async fn happened() -> (TempDir, Store) {
    let directory = tempfile::tempdir().unwrap();
    std::fs::write(directory.path().join("probes.toml"), CONFIG).unwrap();
    let mut told = Told::open(&directory.path().join("lamplighter.db"));
    let turns = HISTORY[0].1.len() as u64;
    for turn in 0..turns {
        for (channel, letters) in HISTORY {
            let letter = letters.chars().nth(usize::try_from(turn).unwrap()).unwrap();
            told.record(outcome(channel, letter, turn)).await;
        }
        if turn == ACKNOWLEDGED_AT {
            told.acknowledge(start() + Duration::from_secs(turn * EVERY + 20)).await;
        }
    }
    (directory, told.store)
}

fn lamplighter(directory: &Path, args: &[&str]) -> Output {
    let mut command = Command::new(env!("CARGO_BIN_EXE_lamplighter"));
    command.current_dir(directory).args(args).output().unwrap()
}

fn answer(directory: &Path, args: &[&str]) -> String {
    let output = lamplighter(directory, args);
    let stderr = String::from_utf8_lossy(&output.stderr);
    assert_eq!(output.status.code(), Some(0), "{args:?}: {stderr}");
    String::from_utf8(output.stdout).unwrap()
}

fn ids(directory: &Path) -> Vec<String> {
    let listed: serde_json::Value = serde_json::from_str(&answer(directory, &["explain", "--json"])).unwrap();
    let id = |listed: &serde_json::Value| listed["id"].as_str().unwrap().to_owned();
    listed.as_array().unwrap().iter().map(id).collect()
}

fn golden(name: &str) -> String {
    format!("{}/tests/golden/explain/{name}.txt", env!("CARGO_MANIFEST_DIR"))
}

/// For a terminal at night: narrow, and without anything that a terminal obeys.
fn assert_readable(text: &str) {
    assert!(text.lines().all(|line| line.chars().count() <= 100), "{text}");
    assert!(!text.contains(['\u{1b}', '\u{202e}', '\r']), "{text:?}");
}

#[tokio::test]
async fn an_incident_is_explained_while_the_store_is_in_use() {
    let (directory, _in_use) = happened().await;
    let at = directory.path();
    let ids = ids(at);
    let first = ids.iter().find(|id| id.contains("web-chat")).unwrap();
    let text =
        answer(at, &["explain", first]).replace(at.canonicalize().unwrap().to_str().unwrap(), "/var/lib");
    expect_file![golden("first")].assert_eq(&text);
    assert_readable(&text);
    let joined = ids.iter().find(|id| id.contains("hotline")).unwrap();
    let text = answer(at, &["explain", joined, "--store", "lamplighter.db"]);
    expect_file![golden("joined")].assert_eq(&text);
    assert_readable(&text);
    let list = answer(at, &["explain"]);
    expect_file![golden("list")].assert_eq(&list);
    assert_readable(&list);
}

#[tokio::test]
async fn programs_get_all_of_it_as_json() {
    let (directory, _in_use) = happened().await;
    let id = ids(directory.path()).pop().unwrap();
    let json: serde_json::Value =
        serde_json::from_str(&answer(directory.path(), &["explain", &id, "--json"])).unwrap();
    assert_eq!(json["incident"]["channel"], "web-chat");
    assert_eq!(json["case"]["members"].as_array().unwrap().len(), 2);
    assert_eq!(json["letters"][0]["recipient"], "anna@example.com");
    assert_eq!(json["letters"][0]["status"], "delivered");
    assert_eq!(json["runs"][0]["before"][0]["outcome"], "ok");
}

#[tokio::test]
async fn an_unknown_incident_is_told_with_those_that_may_be_meant() {
    let (directory, _in_use) = happened().await;
    let known = ids(directory.path());
    let mistyped = known[0].replace("-hotline-", "-hotlin-");
    for (word, meant) in [("hotline", known[0].as_str()), (mistyped.as_str(), known[0].as_str())] {
        let output = lamplighter(directory.path(), &["explain", word]);
        let stderr = String::from_utf8_lossy(&output.stderr);
        assert_eq!(output.status.code(), Some(3), "{stderr}");
        assert!(stderr.contains(meant) && stderr.contains("there is no incident"), "{stderr}");
    }
}

#[tokio::test]
async fn what_only_the_outbox_knows_is_told_too() {
    let (directory, store) = happened().await;
    let id = "20261121T030000Z-monitor-blind";
    let mail = notification(id, IncidentEvent::Opened, "anna@example.com", start());
    let announcement = Announcement { notifications: vec![mail], ..Announcement::default() };
    store.announce(announcement, start()).await.unwrap();
    assert!(ids(directory.path()).iter().any(|known| known == id));
    let text = answer(directory.path(), &["explain", id]);
    assert!(text.contains("told       03:04:12 Europe/Berlin (02:04:12 UTC), Sat 21 Nov"), "{text}");
    assert!(text.contains("opened by mail to anna@example.com"), "{text}");
    assert!(text.contains("pending, not tried yet"), "{text}");
}

#[test]
fn a_store_that_is_not_there_or_of_another_layout_is_said_to_be_so() {
    let directory = tempfile::tempdir().unwrap();
    let said = |store: &str| {
        let output = lamplighter(directory.path(), &["explain", "--store", store]);
        assert_eq!(output.status.code(), Some(3));
        String::from_utf8(output.stderr).unwrap()
    };
    assert!(said("nowhere.db").contains("No such file"), "{}", said("nowhere.db"));
    assert!(!directory.path().join("nowhere.db").exists(), "nothing was made");
    drop(rusqlite::Connection::open(directory.path().join("old.db")).unwrap());
    assert!(said("old.db").contains("its layout is number 0"), "{}", said("old.db"));
}

#[tokio::test]
async fn by_the_same_rules_everything_is_the_same_to_the_byte() {
    let (directory, _in_use) = happened().await;
    let at = directory.path();
    let text = answer(at, &["replay", "--since", "30d"]);
    expect_file![golden("replay-same")].assert_eq(&text);
    assert_eq!(answer(at, &["replay", "--since", "30d"]), text);
    assert_readable(&text);
}

#[tokio::test]
async fn other_rules_bring_let_go_and_move_incidents() {
    let (directory, _in_use) = happened().await;
    let at = directory.path();
    let by = |name: &str, dark_after: &str| {
        let config = CONFIG.replace("{ failures = 3, of = 5 }", dark_after);
        std::fs::write(at.join(name), config).unwrap();
        answer(at, &["replay", "--config", name])
    };
    let stricter = by("stricter.toml", "{ failures = 2, of = 2 }");
    expect_file![golden("replay-stricter")].assert_eq(&stricter);
    let laxer = by("laxer.toml", "{ failures = 9, of = 9 }");
    expect_file![golden("replay-laxer")].assert_eq(&laxer);
    assert_readable(&stricter);
    let gone = CONFIG.replace("channel.hotline", "channel.telephone");
    std::fs::write(at.join("gone.toml"), gone).unwrap();
    let gone = answer(at, &["replay", "--config", "gone.toml"]);
    assert!(gone.contains("its channel is not in this configuration"), "{gone}");
    let output = lamplighter(at, &["replay", "--since", "soon"]);
    let stderr = String::from_utf8_lossy(&output.stderr);
    assert_eq!(output.status.code(), Some(2));
    assert!(stderr.contains("is not a span of time"), "{stderr}");
}

async fn door(Shown(is_broken): Shown<Arc<AtomicBool>>) -> StatusCode {
    if is_broken.load(Relaxed) { StatusCode::BAD_GATEWAY } else { StatusCode::OK }
}

#[tokio::test]
async fn what_a_daemon_judged_is_explained_beside_it_and_replays_as_it_was() {
    let is_broken = Arc::new(AtomicBool::new(false));
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let routes = Router::new().route("/", get(door)).with_state(Arc::clone(&is_broken));
    let mut servers = JoinSet::new();
    servers.spawn(async move { axum::serve(listener, routes).await.unwrap() });
    let sink = Sink::start(Protection::None).await;
    let config = CONFIG
        .replace("127.0.0.1:25", &format!("127.0.0.1:{}", sink.port()))
        .replace("127.0.0.1:1/", &format!("{address}/"))
        .replace("/chat\"", "/\"")
        .replace("/call\"", "/\"")
        .replace("every = \"30s\"\ntimeout = \"10s\"", "every = \"500ms\"");
    let running = Running::start(&config, &[]).await;
    let at = running.directory.path();
    until("all is well", async || running.sum("support_channel_up").await == 2.0).await;
    is_broken.store(true, Relaxed);
    until("the mail about it", async || sink.ids_count() >= 1).await;
    until("both are dark", async || ids(at).len() == 2).await;
    is_broken.store(false, Relaxed);
    until("all is well again", async || running.sum("support_channel_up").await == 2.0).await;
    let has_replayed =
        async || answer(at, &["replay"]).contains("incidents: 2 same, 0 moved, 0 came, 0 gone");
    until("the history of it", has_replayed).await;
    for id in ids(at) {
        let text = answer(at, &["explain", &id]);
        assert_readable(&text);
        for said in
            ["WHY IT OPENED", "3 of its last", "status at the stage expect", "delivered", "EVIDENCE KEPT"]
        {
            assert!(text.contains(said), "{said}: {text}");
        }
    }
}
