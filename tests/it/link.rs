//! The page behind the link in a mail: what it says and what it does, over a real socket.

mod way;

use std::sync::{Arc, Mutex};

use bytes::Bytes;
use expect_test::expect_file;
use jiff::{Timestamp, tz::TimeZone};
use lamplighter::{
    domain::{
        channel::{ChannelId, ChannelKind, ProbeKey},
        command::{Answer, Command, Result as Outcome},
        escalation::Acknowledgement,
        incident::IncidentId,
        inquiry::{IncidentInquiry, Incidents, OutcomeInquiry, Outcomes, Story},
        maintenance::Refusal,
        notification::facts::ChannelFacts,
        outcome::Detail,
        snapshot::{IncidentView, Snapshot},
    },
    secret::Secret,
    web::{
        AnswerFuture, ChroniclesFuture, IncidentFuture, KeptFuture, RunFuture, Source, access::Access,
        acknowledge::link, router,
    },
};
use reqwest::{Method, Response};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::{TcpListener, TcpStream},
    sync::watch,
    task::JoinSet,
};

use crate::{hostile_texts::counted, payloads::payloads};

const INCIDENT: &str = "20261121T020612Z-web-chat-e9bf";

fn at(text: &str) -> Timestamp {
    text.parse().unwrap()
}

fn channel(id: &str, title: &str, customers: &str) -> ChannelFacts {
    ChannelFacts {
        id: ChannelId::new(id),
        title: title.to_owned(),
        kind: Some(ChannelKind::Chat),
        team: None,
        labels: std::collections::BTreeMap::new(),
        reason: None,
        customers: customers.to_owned(),
        detail: None,
        since: at("2026-11-21T02:04:12Z"),
    }
}

fn view() -> IncidentView {
    let hostile = "</dt><script>alert('1')</script>\"&";
    IncidentView {
        id: IncidentId(INCIDENT.to_owned()),
        began_at: at("2026-11-21T02:04:12Z"),
        closed_at: None,
        acknowledged: None,
        channels: vec![
            channel("web-chat", "Chat button, web shop", "the chat button is there but grey"),
            channel("ticket", hostile, hostile),
        ],
        time_zone: TimeZone::get("Europe/Berlin").unwrap(),
    }
}

/// A daemon that is not there: one incident, and what becomes of a command.
struct Desk {
    token: Option<Secret>,
    view: Result<Option<IncidentView>, String>,
    refusal: Option<Refusal>,
}

impl Default for Desk {
    fn default() -> Self {
        Self { token: Some(token()), view: Ok(Some(view())), refusal: None }
    }
}

fn token() -> Secret {
    Secret::new("a-token-of-some-length".to_owned())
}

/// What the pages see of it, and the commands that have come.
struct Staffed {
    desk: Mutex<Desk>,
    heard: Mutex<Vec<Command>>,
}

impl Source for Staffed {
    fn metrics(&self) -> Box<dyn Iterator<Item = Bytes> + Send> {
        Box::new(std::iter::empty())
    }

    fn snapshots(&self) -> watch::Receiver<Arc<Snapshot>> {
        watch::Sender::default().subscribe()
    }

    fn alive(&self) -> Result<(), String> {
        Ok(())
    }

    fn ready(&self) -> Result<(), String> {
        Ok(())
    }

    fn token(&self) -> Option<Secret> {
        self.desk.lock().unwrap().token.clone()
    }

    fn command(&self, command: Command) -> AnswerFuture {
        self.heard.lock().unwrap().push(command.clone());
        let Command::Acknowledge { incident, by } = command else { panic!("{command:?}") };
        let Desk { refusal, view, .. } = &mut *self.desk.lock().unwrap();
        let outcome: Outcome = match (refusal, view) {
            (Some(refusal), _) => Err(refusal.clone()),
            (None, Ok(Some(view))) if view.acknowledged.is_none() => {
                let moment = at("2026-11-21T02:11:40Z");
                view.acknowledged = Some(Acknowledgement { by: Detail::new(&by), at: moment });
                Ok(Answer::Acknowledged { incident, by, at: moment })
            }
            _ => Err(Refusal::Untimely("it was acknowledged".to_owned())),
        };
        Box::pin(async { outcome })
    }

    fn incident(&self, incident: IncidentId) -> IncidentFuture {
        assert_eq!(incident.0, INCIDENT);
        let view = self.desk.lock().unwrap().view.clone();
        Box::pin(async { view })
    }

    fn chronicles(&self) -> ChroniclesFuture {
        Box::pin(async { Arc::default() })
    }

    fn outcomes(&self, inquiry: OutcomeInquiry) -> KeptFuture<Outcomes> {
        panic!("nobody asks for runs here: {inquiry:?}")
    }

    fn incidents(&self, inquiry: IncidentInquiry) -> KeptFuture<Incidents> {
        panic!("nobody asks for incidents here: {inquiry:?}")
    }

    fn story(&self, incident: IncidentId) -> KeptFuture<Option<Story>> {
        panic!("nobody asks for a story here: {incident}")
    }

    fn access(&self) -> Arc<Access> {
        Arc::default()
    }

    fn run(&self, probe: ProbeKey) -> RunFuture {
        panic!("there is no probe here: {probe}")
    }
}

/// The pages of a desk.
struct Served {
    staffed: Arc<Staffed>,
    /// `http://address`.
    base: String,
    link: String,
    client: reqwest::Client,
    _serving: JoinSet<()>,
}

async fn serve(desk: Desk) -> Served {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let base = format!("http://{}", listener.local_addr().unwrap());
    let link = link(&base, &token(), &IncidentId(INCIDENT.to_owned())).unwrap();
    let staffed = Arc::new(Staffed { desk: Mutex::new(desk), heard: Mutex::default() });
    let source = Arc::clone(&staffed);
    let mut serving = JoinSet::new();
    serving.spawn(async move { axum::serve(listener, router(source)).await.unwrap() });
    Served { staffed, base, link, client: reqwest::Client::new(), _serving: serving }
}

impl Served {
    async fn ask(&self, method: Method, url: &str) -> Response {
        self.client.request(method, url).send().await.unwrap()
    }

    async fn press(&self, form: &str) -> (u16, String) {
        let form_type = ("content-type", "application/x-www-form-urlencoded");
        let request = self.client.post(&self.link).header(form_type.0, form_type.1).body(form.to_owned());
        let answer = request.send().await.unwrap();
        (answer.status().as_u16(), answer.text().await.unwrap())
    }

    fn heard(&self) -> Vec<Command> {
        self.staffed.heard.lock().unwrap().clone()
    }
}

fn acknowledged_by(name: &str) -> Command {
    Command::Acknowledge { incident: IncidentId(INCIDENT.to_owned()), by: name.to_owned() }
}

fn assert_reads(name: &str, page: &str) {
    assert!(!page.contains("<script"), "{page}");
    expect_file![format!("../golden/web/acknowledge-{name}.html")].assert_eq(page);
}

#[tokio::test]
async fn to_look_shows_what_it_is_about_and_changes_nothing() {
    let served = serve(Desk::default()).await;
    for method in [Method::GET, Method::HEAD] {
        let answer = served.ask(method.clone(), &served.link).await;
        assert_eq!(answer.status(), 200);
        let header = |name: &str| answer.headers()[name].to_str().unwrap().to_owned();
        assert_eq!(header("content-type"), "text/html; charset=utf-8");
        assert_eq!(header("cache-control"), "no-store");
        assert_eq!(header("referrer-policy"), "no-referrer");
        assert_eq!(header("x-content-type-options"), "nosniff");
        assert_eq!(
            header("content-security-policy"),
            "default-src 'none'; style-src 'unsafe-inline'; form-action 'self'; frame-ancestors 'none'; base-uri 'none'"
        );
        let page = answer.text().await.unwrap();
        if method == Method::GET {
            assert_reads("open", &page);
        }
    }
    assert_eq!(served.heard(), []);
}

#[tokio::test]
async fn the_button_acknowledges_once_and_says_by_whom() {
    let served = serve(Desk::default()).await;
    let (status, page) = served.press("by=++Anna+%3Cnight+shift%3E%0D%0A+&incident=another").await;
    assert_eq!(status, 200, "{page}");
    assert_reads("done", &page);
    let (status, page) = served.press("by=Bert").await;
    assert_eq!(status, 409);
    assert_reads("already", &page);
    let (status, page) = {
        let answer = served.ask(Method::GET, &served.link).await;
        (answer.status().as_u16(), answer.text().await.unwrap())
    };
    assert!(
        status == 200 && page.contains("By Anna &lt;night shift&gt;") && !page.contains("<form"),
        "{page}"
    );
    assert_eq!(served.heard(), [acknowledged_by("Anna <night shift>"), acknowledged_by("Bert")]);
}

#[tokio::test]
async fn without_a_name_somebody_with_the_link_is_put_down_and_a_long_one_is_cut() {
    let served = serve(Desk::default()).await;
    assert_eq!(served.press(&format!("by={}", "%C3%A4".repeat(100))).await.0, 200);
    assert_eq!(served.heard(), [acknowledged_by(&"ä".repeat(80))]);
    for form in ["", "by=", "by=+++", "other=1", "%ff%fe"] {
        let served = serve(Desk::default()).await;
        let (status, page) = served.press(form).await;
        assert_eq!(status, 200, "{page}");
        assert_eq!(served.heard(), [acknowledged_by("somebody with the link")], "{form}");
    }
}

#[tokio::test]
async fn an_incident_that_is_over_or_unknown_has_a_page_that_says_so() {
    let over = IncidentView {
        closed_at: Some(at("2026-11-21T05:20:00Z")),
        acknowledged: Some(Acknowledgement { by: Detail::new("Anna"), at: at("2026-11-21T02:11:40Z") }),
        ..view()
    };
    let gone = Some(Refusal::Unknown("no such incident is open".to_owned()));
    for (view, status, name) in [(Some(over), 410, "over"), (None, 404, "unknown")] {
        let served = serve(Desk { view: Ok(view), refusal: gone.clone(), ..Desk::default() }).await;
        let answer = served.ask(Method::GET, &served.link).await;
        assert_eq!(answer.status(), status);
        assert_reads(name, &answer.text().await.unwrap());
        assert_eq!(served.press("by=Anna").await.0, status);
    }
}

#[tokio::test]
async fn no_title_and_no_name_changes_what_the_page_is_made_of() {
    let with = |words: &str| IncidentView {
        channels: vec![channel("web-chat", words, words)],
        acknowledged: Some(Acknowledgement { by: Detail::new(words), at: at("2026-11-21T02:11:40Z") }),
        ..view()
    };
    let served = serve(Desk::default()).await;
    let read = async |words: &str, is_in_hand: bool| {
        let view = with(words);
        let acknowledged = view.acknowledged.clone().filter(|_| is_in_hand);
        served.staffed.desk.lock().unwrap().view = Ok(Some(IncidentView { acknowledged, ..view }));
        counted(&served.ask(Method::GET, &served.link).await.text().await.unwrap())
    };
    for is_in_hand in [false, true] {
        let harmless = read("harmless", is_in_hand).await;
        for payload in payloads() {
            assert_eq!(read(&payload, is_in_hand).await, harmless, "{payload:?}");
        }
    }
}

#[tokio::test]
async fn of_very_many_channels_the_button_stays_within_reach() {
    let channels =
        (0..1_000).map(|number| channel(&format!("door-{number}"), "A door", "the chat is closed"));
    let view = IncidentView { channels: channels.collect(), ..view() };
    let served = serve(Desk { view: Ok(Some(view)), ..Desk::default() }).await;
    let page = served.ask(Method::GET, &served.link).await.text().await.unwrap();
    assert!(page.contains("<dt>and 995 more</dt>") && page.matches("<dt>").count() == 6, "{page}");
}

#[tokio::test]
async fn what_cannot_be_kept_or_said_is_not_taken_for_done() {
    let full = Refusal::NotKept("the disk at /var/lib is full".to_owned());
    let served = serve(Desk { refusal: Some(full), ..Desk::default() }).await;
    let (status, page) = served.press("by=Anna").await;
    assert_eq!(status, 503);
    assert!(!page.contains("/var/lib"), "{page}");
    assert_reads("not-kept", &page);
    let served = serve(Desk { view: Err("the store cannot be read".to_owned()), ..Desk::default() }).await;
    let answer = served.ask(Method::GET, &served.link).await;
    assert_eq!(answer.status(), 503);
    assert_reads("not-said", &answer.text().await.unwrap());
}

#[tokio::test]
async fn a_link_that_is_not_ours_says_nothing_of_what_there_is_and_its_form_is_not_read() {
    let served = serve(Desk::default()).await;
    let (begin, signature) = served.link.rsplit_once('/').unwrap();
    let other =
        link(&served.base, &Secret::new("another-token".to_owned()), &IncidentId(INCIDENT.to_owned()));
    let wrong = [
        (format!("{begin}/{}", &signature[..40]), 403),
        (format!("{begin}/{signature}A"), 403),
        (format!("{}/acknowledge/{INCIDENT}-2/{signature}", served.base), 403),
        (format!("{}/acknowledge/%FF/%FF", served.base), 403),
        (other.unwrap(), 403),
        (begin.to_owned(), 404),
        (format!("{}/", served.link), 404),
    ];
    for (url, status) in &wrong {
        let answer = served.ask(Method::GET, url).await;
        assert_eq!(answer.status(), *status, "{url}");
        assert_eq!(answer.headers()["cache-control"], "no-store");
        assert_reads("not-right", &answer.text().await.unwrap());
    }
    let address = served.base.trim_start_matches("http://");
    let mut stream = TcpStream::connect(address).await.unwrap();
    let path = wrong[0].0.trim_start_matches(&served.base);
    let head =
        format!("POST {path} HTTP/1.1\r\nhost: x\r\ncontent-length: 100\r\nconnection: close\r\n\r\nby=");
    stream.write_all(head.as_bytes()).await.unwrap();
    let mut answer = String::new();
    stream.read_to_string(&mut answer).await.unwrap();
    assert!(answer.starts_with("HTTP/1.1 403 "), "{answer}");
    assert_eq!(served.heard(), []);
}

#[tokio::test]
async fn without_a_token_no_link_is_right_any_more() {
    let served = serve(Desk { token: None, ..Desk::default() }).await;
    let answer = served.ask(Method::GET, &served.link).await;
    assert_eq!(answer.status(), 403);
    assert_reads("switched-off", &answer.text().await.unwrap());
    assert_eq!(served.press("by=Anna").await.0, 403);
    assert_eq!(served.heard(), []);
}

#[tokio::test]
async fn only_a_short_form_is_read_and_only_its_button_counts() {
    let served = serve(Desk::default()).await;
    let (status, page) = served.press(&format!("by={}", "a".repeat(4_096))).await;
    assert_eq!(status, 413);
    assert_reads("too-long", &page);
    for method in ["PUT", "DELETE", "PATCH", "OPTIONS", "ACKNOWLEDGE"] {
        let answer = served.ask(method.parse().unwrap(), &served.link).await;
        assert_eq!(answer.status(), 405, "{method}");
        assert_eq!(answer.headers()["allow"], "GET,HEAD,POST", "{method}");
    }
    assert_eq!(served.heard(), []);
}
