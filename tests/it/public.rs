//! The page for customers of a real daemon: what is public can be seen by everybody and by the clients that there are, and
//! nothing else can be found out, whatever is asked for.

mod changes;
mod programs;

use std::{
    collections::{BTreeMap, BTreeSet},
    path::Path,
    sync::Arc,
    time::Duration,
};

use axum::{Router, http::StatusCode, routing::get};
use expect_test::expect_file;
use jiff::{Timestamp, ToSpan, tz::TimeZone};
use lamplighter::{
    domain::{
        alternatives::Sentence,
        channel::ChannelId,
        chronicle::{Day, Outage, OutageEnd},
        incident::Severity,
        ledger::{Condition, Spans},
        outcome::Detail,
        public::{PublicDoor, PublicView, PublicWindow},
    },
    web::public::{PublicSource, ViewFuture, router},
};
use serde_json::Value;
use tokio::{io::AsyncWriteExt, net::TcpListener, process::Command, task::JoinSet};

use crate::{
    payloads::payloads,
    running::{PATIENCE, Running, put_off, until},
};

/// Words that stand in what is not public, or in what broke; none may be found.
const SECRETS: [&str; 9] = [
    "k3ystone",
    "quiet-crm",
    "Quiet CRM",
    "inner-team",
    "hidden-label",
    "launcher",
    "/door",
    "teapot",
    "Backstage move",
];

const CONFIG: &str = r#"
[monitor]
listen = "127.0.0.1:0"
time_zone = "UTC"
[public]
listen = "127.0.0.1:0"
title = "Help at <Example> & Co"
url = "https://status.example.com/"
[mail]
from = "lamplighter@example.com"
smtp = "smtp+plain://127.0.0.1:1"
[team.inner-team]
mail = ["anna@k3ystone.example.com"]
[defaults]
every = "200ms"
timeout = "5s"
recheck = "off"
dark_after = { failures = 2, of = 3 }
up_after = { successes = 2 }
[dependency.quiet-crm]
title = "Quiet CRM"
[channel.web-chat]
title = "Chat <i>button</i>"
kind = "chat"
team = "inner-team"
public = true
depends_on = ["quiet-crm"]
labels = { tier = "hidden-label" }
probe.launcher.http = { url = "{target}/door?key=k3ystone", expect = { status = [200] } }
[channel.hotline]
title = "Hotline"
kind = "hotline"
team = "inner-team"
public = true
probe.launcher.http = { url = "{target}/works" }
[channel.backstage]
title = "k3ystone backstage"
kind = "ticket"
team = "inner-team"
probe.launcher.http = { url = "{target}/works" }
[[maintenance]]
id = "shown"
from = "2099-01-01T02:00:00Z"
until = "2099-01-01T04:00:00Z"
channels = ["hotline", "backstage"]
text = "New telephones."
[[maintenance]]
id = "hidden"
from = "2099-01-02T02:00:00Z"
until = "2099-01-02T04:00:00Z"
channels = ["backstage"]
text = "Backstage move"
"#;

/// A daemon whose public chat is dark, and the address of its page for customers.
async fn dark_chat(serving: &mut JoinSet<()>) -> (Running, String) {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let target = format!("http://{}", listener.local_addr().unwrap());
    let pages = Router::new()
        .route("/door", get(async || (StatusCode::IM_A_TEAPOT, "teapot k3ystone")))
        .route("/works", get(async || "here"));
    serving.spawn(async move { axum::serve(listener, pages).await.unwrap() });
    let running = Running::start(&CONFIG.replace("{target}", &target), &[]).await;
    let page = running.said_in("watching", "public");
    let page = format!("http://{page}");
    until("the chat is dark and the hotline up", async || {
        let summary: Value = ask(&page, "/api/v2/summary.json").await.1.parse().unwrap();
        let status = |place: usize| summary["components"][place]["status"].clone();
        status(1) == "major_outage" && summary["components"][0]["description"].is_null()
    })
    .await;
    (running, page)
}

async fn ask(page: &str, path: &str) -> (StatusCode, String) {
    let answer = reqwest::get(format!("{page}{path}")).await.unwrap();
    (answer.status(), answer.text().await.unwrap())
}

#[tokio::test]
async fn whoever_asks_without_end_is_put_off_and_everybody_else_is_answered() {
    let mut serving = JoinSet::new();
    let (_running, page) = dark_chat(&mut serving).await;
    let put_off = put_off(&page, [127, 0, 9, 1], "/badge/web-chat.svg").await.to_ascii_lowercase();
    for header in ["retry-after: 1", "cache-control: no-store", "x-content-type-options: nosniff"] {
        assert!(put_off.contains(&format!("{header}\r\n")), "{put_off}");
    }
    assert!(put_off.ends_with("\r\n\r\ntoo many requests; wait 1 s\n"), "{put_off}");
    let elsewhere = std::net::IpAddr::from([127, 0, 9, 2]);
    let customer = reqwest::Client::builder().local_address(elsewhere).build().unwrap();
    let badge = customer.get(format!("{page}/badge/web-chat.svg")).send().await.unwrap();
    assert_eq!(badge.status(), StatusCode::OK);
}

#[tokio::test]
async fn nobody_finds_out_more_than_what_is_public_whatever_is_asked_for() {
    let mut serving = JoinSet::new();
    let (running, page) = dark_chat(&mut serving).await;
    let there = [
        "/",
        "/?lang=zh",
        "/?lang=ru",
        "/?lang=id",
        "/feed.atom",
        "/badge/web-chat.svg",
        "/badge/hotline.svg",
        "/api/v2/summary.json",
        "/api/v2/status.json",
        "/api/v2/components.json",
        "/api/v2/incidents.json",
        "/api/v2/incidents/unresolved.json",
        "/api/v2/scheduled-maintenances.json",
        "/api/v2/scheduled-maintenances/active.json",
        "/api/v2/scheduled-maintenances/upcoming.json",
    ];
    for path in there {
        let (status, text) = ask(&page, path).await;
        assert_eq!(status, StatusCode::OK, "{path}: {text}");
        for secret in SECRETS {
            assert!(!text.contains(secret), "{path} tells {secret}: {text}");
        }
        let is_json = path.ends_with(".json");
        assert!(is_json || !text.contains("<i>"), "{path} lets a title through: {text}");
    }
    // What the other listener has, and what is not public, is not there, and looks as what never was.
    let (_, nothing) = ask(&page, "/nothing").await;
    let elsewhere = [
        "/metrics",
        "/healthz",
        "/readyz",
        "/live",
        "/channel/web-chat",
        "/channel/backstage",
        "/incident/x",
        "/evidence/x/first-answer.txt",
        "/api/v1/channels",
        "/api/v1/outcomes",
        "/api/v1/alternatives?for=web-chat",
        "/api/v1/openapi.json",
        "/acknowledge/x",
        "/badge/backstage.svg",
        "/badge/quiet-crm.svg",
        "/badge/nothing.svg",
        "/badge/web-chat",
        "/badge/..%2F..%2Fetc%2Fpasswd.svg",
        "/api/v2/subscribers.json",
    ];
    for path in elsewhere {
        assert_eq!(ask(&page, path).await, (StatusCode::NOT_FOUND, nothing.clone()), "{path}");
    }
    assert_eq!(ask(&page, "/assets/nothing.css").await.0, StatusCode::NOT_FOUND);
    for method in ["POST", "PUT", "DELETE", "TRACE"] {
        let client = reqwest::Client::new();
        let asked = client.request(method.parse().unwrap(), format!("{page}/api/v2/summary.json"));
        let status = asked.send().await.unwrap().status();
        assert!(status.is_client_error(), "{method}: {status}");
    }
    drop(running);
}

#[tokio::test]
async fn a_client_of_other_peoples_status_pages_reads_ours() {
    let mut serving = JoinSet::new();
    let (running, page) = dark_chat(&mut serving).await;
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let client = root.join("target/statuspage");
    assert!(client.join("node_modules").is_dir(), "the client is not there; tests/run installs it");
    let asked = Command::new("node")
        .arg(root.join("tests/statuspage/ask.cjs"))
        .env("CLIENT", client)
        .env("PAGE", &page)
        .output();
    let output = tokio::time::timeout(PATIENCE, asked).await.unwrap().unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    let answers: Value = serde_json::from_slice(&output.stdout).unwrap();

    let summary = &answers["summary"];
    assert_eq!(summary["page"]["name"], "Help at <Example> & Co");
    assert_eq!(summary["page"]["url"], "https://status.example.com");
    assert_eq!(answers["status"]["status"]["indicator"], "major");
    let components = answers["components"]["components"].as_array().unwrap();
    let told: Vec<_> =
        components.iter().map(|it| (it["id"].as_str().unwrap(), it["status"].as_str().unwrap())).collect();
    assert_eq!(told, [("hotline", "operational"), ("web-chat", "major_outage")]);
    let windows = summary["scheduled_maintenances"].as_array().unwrap();
    assert_eq!((windows.len(), &windows[0]["status"]), (1, &Value::from("scheduled")));
    assert_eq!(answers["upcoming"]["scheduled_maintenances"], summary["scheduled_maintenances"]);
    assert_eq!(windows[0]["components"].as_array().unwrap().len(), 1, "only what is public: {windows:?}");
    // What the types of the client say must be there.
    let keys = |it: &Value| it.as_object().unwrap().keys().cloned().collect::<BTreeSet<_>>();
    let lacks = |it: &Value, wanted: &[&str]| -> Vec<String> {
        let has = keys(it);
        wanted.iter().filter(|key| !has.contains(**key)).map(ToString::to_string).collect()
    };
    let none = Vec::<String>::new();
    let component = [
        "created_at",
        "description",
        "group",
        "group_id",
        "id",
        "name",
        "only_show_if_degraded",
        "page_id",
        "position",
        "showcase",
        "start_date",
        "status",
        "updated_at",
    ];
    let incident = [
        "created_at",
        "id",
        "impact",
        "incident_updates",
        "monitoring_at",
        "name",
        "page_id",
        "resolved_at",
        "shortlink",
        "status",
        "updated_at",
    ];
    let update = ["body", "created_at", "display_at", "id", "incident_id", "status", "updated_at"];
    assert_eq!(lacks(&components[0], &component), none);
    assert_eq!(lacks(&windows[0], &[&incident[..], &["scheduled_for", "scheduled_until"]].concat()), none);
    assert_eq!(lacks(&windows[0]["incident_updates"][0], &update), none);
    drop(running);
}

/// A page on which everything is called so.
struct Called(Arc<PublicView>);

impl PublicSource for Called {
    fn view(&self) -> ViewFuture {
        let view = Arc::clone(&self.0);
        Box::pin(async move { Some(view) })
    }
}

/// Ninety days, one of them bad, the first ones unseen.
fn days() -> Vec<Day> {
    let first: jiff::civil::Date = "2026-08-24".parse().unwrap();
    let day = |number: i64| {
        let dark = Duration::from_secs(if number == 88 { 7_200 } else { 0 });
        let up = Duration::from_secs(if number < 10 { 0 } else { 80_000 });
        Day { date: first + number.days(), spans: Spans { up, dark, ..Spans::default() } }
    };
    (0..90).map(day).collect()
}

fn view(words: &str) -> PublicView {
    let at = |text: &str| text.parse::<Timestamp>().unwrap();
    let now = at("2026-11-21T12:00:00Z");
    let outage = |from, end: Option<&str>| Outage {
        from: at(from),
        end: end.map(|end| OutageEnd { at: at(end), into: Condition::Up }),
        severity: Severity::Dark,
        worst_from: at(from),
    };
    let sentence = words.to_owned();
    let door = PublicDoor {
        id: ChannelId::new("chat"),
        name: Detail::new(words),
        condition: Condition::Dark,
        since: at("2026-11-21T11:00:00Z"),
        opens_at: None,
        days: days(),
        outages: vec![
            outage("2026-11-20T10:00:00Z", Some("2026-11-20T11:00:00Z")),
            outage("2026-11-21T11:00:00Z", None),
        ],
        instead: Some(Sentence {
            en: sentence.clone(),
            zh: sentence.clone(),
            ru: sentence.clone(),
            id: sentence,
        }),
    };
    let window = PublicWindow {
        id: "move".to_owned(),
        from: at("2026-11-22T02:00:00Z"),
        until: at("2026-11-22T03:00:00Z"),
        is_active: false,
        doors: BTreeSet::from([ChannelId::new("chat")]),
        text: Detail::new(words),
    };
    PublicView {
        title: Detail::new(words),
        url: Some("https://status.example.com".to_owned()),
        at: now,
        time_zone: TimeZone::UTC,
        doors: vec![door],
        maintenance: vec![window],
    }
}

/// A page on which everything is called so, being served.
pub struct Serving {
    /// `http://address`.
    pub base: String,
    _serving: JoinSet<()>,
}

pub async fn serve(words: &str) -> Serving {
    serving(view(words)).await
}

async fn serving(view: PublicView) -> Serving {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let base = format!("http://{}", listener.local_addr().unwrap());
    let router = router(Arc::new(Called(Arc::new(view))));
    let mut serving = JoinSet::new();
    serving.spawn(async move { axum::serve(listener, router).await.unwrap() });
    Serving { base, _serving: serving }
}

/// What is served there, by address.
async fn served(words: &str) -> BTreeMap<&'static str, String> {
    let serving = serve(words).await;
    let mut served = BTreeMap::new();
    for path in ["/", "/feed.atom", "/badge/chat.svg", "/api/v2/summary.json"] {
        let (status, text) = ask(&serving.base, path).await;
        assert_eq!(status, StatusCode::OK, "{path}");
        served.insert(path, text);
    }
    served
}

#[tokio::test]
async fn the_page_for_customers_reads_as_it_should() {
    let marked = regex::Regex::new("assets/([a-z]+)-[0-9a-f]{12}").unwrap();
    let all = served("Chat").await;
    for (path, file) in [
        ("/", "public.html"),
        ("/feed.atom", "public.atom"),
        ("/badge/chat.svg", "public-badge.svg"),
        ("/api/v2/summary.json", "public-summary.json"),
    ] {
        let golden = format!("{}/tests/golden/web/{file}", env!("CARGO_MANIFEST_DIR"));
        expect_file![golden].assert_eq(&marked.replace_all(&all[path], "assets/$1-MARK"));
    }
    let serving = serve("Chat").await;
    for (language, words) in [("zh", "无法使用"), ("ru", "не работает"), ("id", "tidak berfungsi")]
    {
        let (_, page) = ask(&serving.base, &format!("/?lang={language}")).await;
        assert!(page.contains(words) && !page.contains("does not work"), "{page}");
    }
}

#[tokio::test]
async fn a_cache_in_front_may_keep_the_page_but_nobodys_choice_of_a_language() {
    let serving = serve("Chat").await;
    let ask = async |path: &str| reqwest::get(format!("{}{path}", serving.base)).await.unwrap();
    let page = ask("/").await;
    assert_eq!(page.headers()["cache-control"], "public, max-age=10");
    assert_eq!(page.headers()["vary"], "Accept-Language, Cookie");
    let chosen = ask("/?lang=ru").await;
    assert!(chosen.headers().contains_key("set-cookie"));
    assert_eq!(chosen.headers()["cache-control"], "no-cache");
}

/// The elements and attributes of many texts, as Python's parser of XML finds them.
async fn parsed_by_python(texts: &[String]) -> Vec<Value> {
    let parse = "import json, sys, xml.etree.ElementTree as tree\n\
        shape = lambda text: sorted(e.tag + ' ' + ' '.join(sorted(e.attrib)) for e in tree.fromstring(text).iter())\n\
        print(json.dumps([shape(text) for text in json.load(sys.stdin)]))";
    let mut python = Command::new("python3")
        .args(["-c", parse])
        .stdin(std::process::Stdio::piped())
        .stdout(std::process::Stdio::piped())
        .spawn()
        .unwrap();
    python.stdin.take().unwrap().write_all(&serde_json::to_vec(texts).unwrap()).await.unwrap();
    let output = tokio::time::timeout(PATIENCE, python.wait_with_output()).await.unwrap().unwrap();
    assert!(output.status.success());
    serde_json::from_slice(&output.stdout).unwrap()
}

#[tokio::test]
async fn no_name_changes_what_the_public_page_the_feed_and_a_badge_are_made_of() {
    let counted = |page: &str| {
        let mut counts: BTreeMap<String, usize> = BTreeMap::new();
        for node in scraper::Html::parse_document(page).tree.nodes() {
            let Some(element) = node.value().as_element() else { continue };
            let attributes: BTreeSet<&str> = element.attrs().map(|(name, _)| name).collect();
            *counts.entry(format!("{} {attributes:?}", element.name())).or_default() += 1;
        }
        counts
    };
    let harmless = served("harmless").await;
    let mut parsed = vec![harmless["/feed.atom"].clone(), harmless["/badge/chat.svg"].clone()];
    for payload in payloads() {
        let served = served(&payload).await;
        assert_eq!(counted(&served["/"]), counted(&harmless["/"]), "{payload:?}");
        let _whole: Value = served["/api/v2/summary.json"].parse().unwrap();
        parsed.extend([served["/feed.atom"].clone(), served["/badge/chat.svg"].clone()]);
    }
    let shapes = parsed_by_python(&parsed).await;
    for (shape, text) in shapes.chunks(2).zip(parsed.chunks(2)) {
        assert_eq!(shape, &shapes[..2], "{text:?}");
    }
}
