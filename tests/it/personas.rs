//! As whom probes run: who is served and who is not, by the real program against a shop that tells accounts apart.

use std::{
    collections::BTreeSet,
    sync::{Arc, Mutex},
};

use axum::{
    Router,
    extract::State,
    http::{HeaderMap, StatusCode, header},
    response::IntoResponse,
    routing::{get, post},
};
use tokio::{net::TcpListener, task::JoinSet};

use crate::{
    running::{Running, until, write_config},
    smtp_sink::{Protection, Sink},
};

/// A shop in which people have accounts, some of which are refused.
#[derive(Clone, Default)]
struct Shop(Arc<Mutex<Books>>);

#[derive(Default)]
struct Books {
    refused: BTreeSet<&'static str>,
    logins: Vec<String>,
    /// Who has come to the chat, with the language.
    visits: Vec<(String, Option<String>)>,
}

async fn log_in(State(shop): State<Shop>, body: String) -> impl IntoResponse {
    let field = |name: &str| {
        let mut fields = url::form_urlencoded::parse(body.as_bytes());
        fields.find(|(key, _)| key == name).map(|(_, value)| value.into_owned()).unwrap()
    };
    assert_eq!(field("password"), "persona-canary-5d2e");
    let account = field("account");
    let mut books = shop.0.lock().unwrap();
    books.logins.push(account.clone());
    let number = books.logins.len();
    let cookie = format!("session={account}-session-{number:016}; HttpOnly");
    ([(header::SET_COOKIE, cookie)], "welcome")
}

/// Who a visitor is: by the session, or else a guest.
fn account(headers: &HeaderMap) -> String {
    let cookies = headers.get(header::COOKIE).map(|value| value.to_str().unwrap()).unwrap_or_default();
    let session = cookies.split("; ").find_map(|cookie| cookie.strip_prefix("session="));
    session.map_or("guest", |session| session.split('-').next().unwrap()).to_owned()
}

async fn chat(State(shop): State<Shop>, headers: HeaderMap) -> impl IntoResponse {
    let account = account(&headers);
    let language = headers.get(header::ACCEPT_LANGUAGE).map(|value| value.to_str().unwrap().to_owned());
    let mut books = shop.0.lock().unwrap();
    books.visits.push((account.clone(), language));
    match books.refused.contains(account.as_str()) {
        true => (StatusCode::FORBIDDEN, format!("not for {account}")),
        false => (StatusCode::OK, "{\"enabled\": true}".to_owned()),
    }
}

impl Shop {
    async fn open(&self, servers: &mut JoinSet<()>) -> String {
        let routes =
            Router::new().route("/login", post(log_in)).route("/chat", get(chat)).with_state(self.clone());
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let base = format!("http://{}", listener.local_addr().unwrap());
        servers.spawn(async move { axum::serve(listener, routes).await.unwrap() });
        base
    }

    fn refuse(&self, accounts: &[&'static str]) {
        self.0.lock().unwrap().refused = accounts.iter().copied().collect();
    }
}

fn config(shop: &str, smtp: u16) -> String {
    format!(
        r#"
[monitor]
listen = "127.0.0.1:0"
[mail]
from = "lamplighter@example.com"
smtp = "smtp+plain://127.0.0.1:{smtp}"
[team.oncall]
mail = ["oncall@example.com"]
[defaults]
every = "200ms"
dark_after = {{ failures = 2 }}

[persona.new]
locale = "id-ID"
login = {{ secrets = {{ password = {{ file = "password" }} }}, steps = [{{ name = "login", http = {{ url = "{shop}/login", body = {{ form = {{ account = "new", password = "{{password}}" }} }} }} }}] }}
[persona.old]
login = {{ secrets = {{ password = {{ file = "password" }} }}, steps = [{{ name = "login", http = {{ url = "{shop}/login", body = {{ form = {{ account = "old", password = "{{password}}" }} }} }} }}] }}

[channel.web-chat]
kind = "chat"
title = "Chat"
team = "oncall"
alert_on_degraded = true
[channel.web-chat.probe.door]
personas = ["guest", "new", "old"]
http = {{ url = "{shop}/chat" }}
"#
    )
}

async fn start(servers: &mut JoinSet<()>, sink: &Sink) -> (Shop, Running) {
    let shop = Shop::default();
    let base = shop.open(servers).await;
    let directory = tempfile::tempdir().unwrap();
    std::fs::write(directory.path().join("password"), "persona-canary-5d2e").unwrap();
    write_config(directory.path(), &config(&base, sink.port()));
    (shop, Running::start_in(directory, &[]).await)
}

async fn until_state(running: &Running, state: &str) {
    until(state, async || {
        running.sum(&format!("support_channel_state{{channel=\"web-chat\",state=\"{state}\"}}")).await == 1.0
    })
    .await;
}

/// The text part of the mail that came last, as it is read.
fn last_mail(sink: &Sink) -> String {
    let mail = sink.taken().pop().unwrap().data;
    mail_parser::MessageParser::default().parse(&mail).unwrap().body_text(0).unwrap().into_owned()
}

#[tokio::test]
async fn each_persona_has_a_session_and_series_of_its_own() {
    let mut servers = JoinSet::new();
    let sink = Sink::start(Protection::None).await;
    let (shop, running) = start(&mut servers, &sink).await;
    until_state(&running, "up").await;
    until("each has come often", async || {
        let books = shop.0.lock().unwrap();
        ["guest", "new", "old"]
            .iter()
            .all(|who| books.visits.iter().filter(|(visitor, _)| visitor == who).count() > 4)
    })
    .await;
    let metrics = running.get("/metrics").await;
    for persona in ["guest", "new", "old"] {
        let series = format!(
            "support_probe_runs_total{{channel=\"web-chat\",probe=\"door\",persona=\"{persona}\",location=\"local\",outcome=\"ok\"}}"
        );
        assert!(metrics.contains(&series), "{series} of {metrics}");
    }
    let books = shop.0.lock().unwrap();
    let mut logins = books.logins.clone();
    logins.sort();
    assert_eq!(logins, ["new", "old"], "a session serves many runs");
    assert!(books.visits.contains(&("new".to_owned(), Some("id-ID".to_owned()))), "{:?}", books.visits);
}

#[tokio::test]
async fn one_refused_is_degraded_and_named_and_all_refused_is_an_ordinary_outage() {
    let mut servers = JoinSet::new();
    let sink = Sink::start(Protection::None).await;
    let (shop, running) = start(&mut servers, &sink).await;
    until_state(&running, "up").await;

    shop.refuse(&["new"]);
    until_state(&running, "degraded").await;
    until("the mail about it", async || sink.ids_count() == 1).await;
    let mail = last_mail(&sink);
    assert!(mail.contains("restricted") && mail.contains("only new, while guest, old is served"), "{mail}");
    let logins = shop.0.lock().unwrap().logins.len();
    assert!(logins > 2, "who is refused with a session logs in anew");
    shop.refuse(&[]);
    until("the mail about its end", async || sink.ids_count() == 2).await;

    shop.refuse(&["guest", "new", "old"]);
    until_state(&running, "dark").await;
    until("the mail about the outage", async || sink.ids_count() == 3).await;
    let mail = last_mail(&sink);
    assert!(mail.starts_with("DARK") && !mail.contains("restricted") && !mail.contains("only "), "{mail}");
    let database = std::fs::read(running.directory.path().join("lamplighter.db")).unwrap();
    assert!(!String::from_utf8_lossy(&database).contains("persona-canary"));
}
