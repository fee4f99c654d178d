//! Probes of the kind `page` against shops that serve the entry in every state, from a real socket.

use std::{
    path::Path,
    sync::{Arc, Mutex},
    time::Duration,
};

use axum::{
    Router,
    http::{StatusCode, header::CONTENT_TYPE},
    response::{Html, IntoResponse, Response},
    routing::get,
};
use lamplighter::{
    clock::Clock,
    domain::{
        channel::{ChannelId, ProbeKey, ProbeName},
        outcome::{Failure, Outcome, Reason, Stage, Verdict},
    },
    probe::{Check, page, run::run, settings::Built},
    secret::Redactor,
    setting::{At, Problem},
};
use tokio::{io::AsyncWriteExt, net::TcpListener, task::JoinSet};
use tokio_util::sync::CancellationToken;

use crate::loopback::{Ground, Server, read_request};

const PATIENT: Duration = Duration::from_secs(10);

/// A shop on a port of its own.
struct Shop {
    base: String,
    _served: JoinSet<()>,
}

impl Shop {
    /// Serves this page, and scripts and settings of every sort beside it.
    async fn with(page: &str) -> Self {
        let page = page.to_owned();
        let routes = Router::new()
            .route("/", get(|| async { Html(page) }))
            .route("/gone", get(|| async { (StatusCode::NOT_FOUND, Html("<button id=chat>Chat</button>")) }))
            .route("/widget.js", get(|| script("text/javascript; charset=utf-8", "show()")))
            .route("/plain.js", get(|| script("text/plain", "show()")))
            .route(
                "/strict.js",
                get(|| async {
                    ([("x-content-type-options", "nosniff"), ("content-type", "text/plain")], "show()")
                }),
            )
            .route("/empty.js", get(|| script("text/javascript", "")))
            .route("/page.js", get(|| script("text/html", "<h1>Not found</h1>")))
            .route("/hanging.js", get(std::future::pending::<String>))
            .route("/moved.js", get(|| async { (StatusCode::FOUND, [("location", "/widget.js")]) }))
            .route("/on.json", get(|| script("application/json", "{\"status\":\"online\"}")))
            .route("/off.json", get(|| script("application/json", "{\"status\":\"offline\"}")));
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let base = format!("http://{}", listener.local_addr().unwrap());
        let mut served = JoinSet::new();
        served.spawn(async move { axum::serve(listener, routes).await.unwrap() });
        Self { base, _served: served }
    }

    /// Looks once; `SHOP` stands for the address of the shop.
    async fn look(&self, settings: &str, timeout: Duration) -> (Outcome, Vec<Check>) {
        let built = build(&settings.replace("SHOP", &self.base), timeout)
            .unwrap_or_else(|problems| panic!("{problems:?} in {settings}"));
        let (redactor, stop) = (Redactor::default(), CancellationToken::new());
        let looking = run(&*built.probe, Arc::new(key()), timeout, Clock::system(), &redactor, &stop);
        let ended = looking.await.expect("nobody stops it");
        (ended.outcome, ended.checks)
    }
}

async fn script(kind: &'static str, text: &'static str) -> Response {
    ([(CONTENT_TYPE, kind)], text).into_response()
}

fn key() -> ProbeKey {
    ProbeKey { channel: ChannelId::new("web-chat"), probe: ProbeName::new("entry") }
}

fn build(settings: &str, timeout: Duration) -> Result<Built, Vec<Problem>> {
    let value: page::PageSettings = toml::from_str(settings).unwrap_or_else(|error| panic!("{error}"));
    let settings = At { span: 0..settings.len(), value };
    page::PageSettings::build(&settings, &Ground::new(key(), Path::new(".")).context(timeout))
}

/// What a customer meets, why as far as we saw, and in which step.
type Meets = Option<(Reason, Option<Reason>, Option<&'static str>)>;

fn meets(outcome: &Outcome) -> Option<(Reason, Option<Reason>, Option<String>)> {
    let told =
        |failure: &Failure| (failure.reason, failure.cause, failure.step.as_ref().map(ToString::to_string));
    match &outcome.verdict {
        Verdict::Ok => None,
        Verdict::Failed(failure) => Some(told(failure)),
        other => panic!("{other:?}"),
    }
}

async fn assert_meets(page: &str, settings: &str, timeout: Duration, expected: Meets) -> Vec<Check> {
    let (outcome, checks) = Shop::with(page).await.look(settings, timeout).await;
    let expected = expected.map(|(reason, cause, step)| (reason, cause, step.map(str::to_owned)));
    assert_eq!(meets(&outcome), expected, "{page} {settings}: {outcome:?}");
    let is_told = checks.iter().any(|check| check.held == Some(false));
    let has_broken_on_the_way =
        outcome.verdict.failure().is_some_and(|failure| failure.stage != Stage::Expect);
    assert_eq!(is_told || has_broken_on_the_way, expected.is_some(), "{checks:?}");
    checks
}

#[tokio::test]
async fn an_entry_is_judged_as_it_is_served() {
    let settings = "http.url = 'SHOP/'\nentry.css = '#chat'\nclosed = ['(?i)leave a message', '(?i)offline']";
    for (page, expected) in [
        ("<button id=chat>Chat with us</button>", None),
        ("<p>Our shop is offline on 24 December</p><button id=chat>Chat</button>", None),
        ("<p>Nothing here</p>", Some((Reason::Missing, None, None))),
        ("<button id=chat disabled>Chat</button>", Some((Reason::Disabled, None, None))),
        (
            "<div style='display:none'><button id=chat>Chat</button></div>",
            Some((Reason::Obscured, None, None)),
        ),
        ("<button id=chat>Leave a message</button>", Some((Reason::Closed, None, None))),
        ("<button id=chat disabled>We are offline</button>", Some((Reason::Closed, None, None))),
        ("<button id=chat>Chat<span hidden>Leave a message</span></button>", None),
        ("<p>offline</p>", Some((Reason::Missing, None, None))),
    ] {
        assert_meets(page, settings, PATIENT, expected).await;
    }
}

#[tokio::test]
async fn a_page_on_which_no_entry_is_looked_for_says_it_is_closed_anywhere() {
    let settings = "http.url = 'SHOP/'\nclosed = ['(?i)offline']";
    assert_meets("<p>Support is online</p>", settings, PATIENT, None).await;
    let closed = Some((Reason::Closed, None, None));
    assert_meets("<h1>Support is Offline</h1>", settings, PATIENT, closed).await;
}

#[tokio::test]
async fn what_only_a_browser_could_tell_is_named_and_not_counted() {
    let settings = "http.url = 'SHOP/'\nentry.css = '#chat'";
    let checks = assert_meets("<button id=chat>Chat</button>", settings, PATIENT, None).await;
    let open: Vec<_> = checks.iter().filter(|check| check.held.is_none()).collect();
    assert_eq!(open.len(), 1, "{checks:?}");
    assert!(open[0].seen.as_str().contains("needs a browser"), "{open:?}");
}

#[tokio::test]
async fn an_entry_that_a_script_makes_is_missing_where_the_script_does_not_load() {
    let settings = "http.url = 'SHOP/'\nentry.css = '#chat'\nscript.src = '.js'";
    let page = |src: &str| format!("<base href=/><script src='{src}'></script>");
    for (src, expected) in [
        ("widget.js?v=2", None),
        ("moved.js", None),
        ("plain.js", None),
        ("plain.js' type='module", Some((Reason::Missing, Some(Reason::Content), Some("script")))),
        ("strict.js", Some((Reason::Missing, Some(Reason::Content), Some("script")))),
        ("nowhere.js", Some((Reason::Missing, Some(Reason::Status), Some("script")))),
        ("empty.js", Some((Reason::Missing, Some(Reason::Content), Some("script")))),
        ("page.js", Some((Reason::Missing, Some(Reason::Content), Some("script")))),
        ("//127.0.0.1:1/widget.js", Some((Reason::Missing, Some(Reason::ConnectRefused), Some("script")))),
        ("http://10.1.2.3/widget.js", Some((Reason::Missing, Some(Reason::PolicyBlocked), Some("script")))),
        ("http://169.254.169.254/w.js", Some((Reason::Missing, Some(Reason::PolicyBlocked), Some("script")))),
    ] {
        assert_meets(&page(src), settings, PATIENT, expected).await;
    }
    let none = Some((Reason::Missing, None, Some("page")));
    assert_meets("<script>inline()</script>", settings, PATIENT, none).await;
    let notice = "<p>offline on 24 December</p><script src=/widget.js></script>";
    assert_meets(notice, &format!("{settings}\nclosed = ['offline']"), PATIENT, None).await;
    let late = Some((Reason::Missing, Some(Reason::FirstByteTimeout), Some("script")));
    assert_meets(&page("hanging.js"), settings, Duration::from_millis(400), late).await;
}

#[tokio::test]
async fn what_is_meant_for_the_page_does_not_go_along_to_its_script() {
    let asked: Arc<Mutex<Vec<String>>> = Arc::default();
    let kept = Arc::clone(&asked);
    let server = Server::start(move |mut stream| {
        let kept = Arc::clone(&kept);
        async move {
            let request = read_request(&mut stream).await;
            let is_page = request.starts_with("GET /?");
            kept.lock().unwrap().push(request);
            let (kind, body) = match is_page {
                true => ("text/html", "<script src=/widget.js></script>"),
                false => ("text/javascript", "show()"),
            };
            let answer = format!(
                "HTTP/1.1 200 OK\r\ncontent-type: {kind}\r\ncontent-length: {}\r\n\r\n{body}",
                body.len()
            );
            stream.write_all(answer.as_bytes()).await.unwrap();
        }
    })
    .await;
    let directory = tempfile::tempdir().unwrap();
    let secret = directory.path().join("secret");
    std::fs::write(&secret, "canary-4711").unwrap();
    let reference = format!("{{ file = '{}' }}", secret.display());
    let settings = format!(
        "script.src = 'widget'\n[http]\nurl = 'http://{}/'\nbearer = {reference}\n\
         headers = {{ x-key = {reference}, user-agent = 'phone', accept-language = 'ru' }}\n\
         cookies = {{ session = {reference} }}\nquery = {{ key = {reference} }}",
        server.address
    );
    let built = build(&settings, PATIENT).unwrap_or_else(|problems| panic!("{problems:?}"));
    let (redactor, stop) = (Redactor::default(), CancellationToken::new());
    let ended =
        run(&*built.probe, Arc::new(key()), PATIENT, Clock::system(), &redactor, &stop).await.unwrap();
    assert_eq!(ended.outcome.verdict, Verdict::Ok);
    let asked = asked.lock().unwrap();
    let [page, script] = &asked[..] else { panic!("{asked:?}") };
    assert_eq!(page.matches("canary-4711").count(), 4, "{page}");
    assert!(!script.contains("canary") && !script.contains("cookie"), "{script}");
    assert!(script.contains("user-agent: phone") && script.contains("accept-language: ru"), "{script}");
}

#[tokio::test]
async fn the_settings_of_the_vendor_say_that_nobody_is_there() {
    let page = "<script src=/widget.js></script>";
    for (config, expected) in
        [("on", None), ("off", Some((Reason::Disabled, Some(Reason::Content), Some("config"))))]
    {
        let settings = format!(
            "http.url = 'SHOP/'\nscript.src = 'widget'\nconfig.url = 'SHOP/{config}.json'\n\
             config.expect.json = [{{ path = '$.status', equals = 'online', otherwise = 'disabled' }}]"
        );
        assert_meets(page, &settings, PATIENT, expected).await;
    }
}

#[tokio::test]
async fn one_altered_digit_is_found_and_both_numbers_are_shown() {
    let settings = "http.url = 'SHOP/'\ncontacts = { phones = ['+49 30 9018 2060'], \
                    mails = ['support@example.com'], urls = ['SHOP/help'] }";
    let page = |phone: &str| {
        format!(
            "<a href='tel:{phone}'>Call</a> <a href='mailto:support@example.com'>write</a> <a href=help>help</a>"
        )
    };
    assert_meets(&page("+493090182060"), settings, PATIENT, None).await;
    let shop = Shop::with(&page("+493090182960")).await;
    let (outcome, _) = shop.look(settings, PATIENT).await;
    let failure = outcome.verdict.failure().unwrap();
    assert_eq!((failure.stage, failure.reason), (Stage::Expect, Reason::Content));
    for number in ["+49 30 9018 2060", "+493090182960"] {
        assert!(failure.detail.as_str().contains(number), "{failure:?}");
    }
}

#[tokio::test]
async fn a_page_that_is_not_served_is_no_evidence_about_its_entry() {
    let settings = "http.url = 'SHOP/gone'\nentry.css = '#chat'";
    assert_meets("", settings, PATIENT, Some((Reason::Status, None, None))).await;
}

#[tokio::test]
async fn a_page_that_costs_too_much_to_read_is_our_limit_and_no_outage() {
    let settings = "http.url = 'SHOP/'\nentry.text = 'chat'\nclosed = ['x']\n\
                    contacts = { phones = ['+49 30 90182060'], urls = ['SHOP/help'] }";
    for page in [
        "<div>".repeat(5_000),
        format!("{}<!--x", "<!-->".repeat(99_999)),
        format!("<base href='/{}'>{}", "x".repeat(2_000), "<a href=x>".repeat(20_000)),
        "1 ".repeat(500_000),
        format!("{}{}", "<div tabindex=0>".repeat(100), "words ".repeat(150_000)),
    ] {
        let (outcome, _) = Shop::with(&page).await.look(settings, PATIENT).await;
        assert!(matches!(outcome.verdict, Verdict::Inconclusive(_)), "{}: {outcome:?}", &page[..60]);
    }
}

#[test]
fn a_page_on_which_nothing_is_looked_for_is_refused() {
    for (settings, words) in [
        ("http.url = 'https://shop.example.com/'", "nothing is looked for"),
        ("http.url = 'https://shop.example.com/'\nentry = {}", "does not say how the entry is known"),
        ("http.url = 'https://shop.example.com/'\ncontacts = {}", "it names no contact"),
        ("http.url = 'https://shop.example.com/'\nscript.src = ' '", "every script has this"),
        ("http.url = 'https://shop.example.com/'\nhttp.bearer = '{token}'\nentry.css = 'a'", "no variables"),
    ] {
        let problems = build(settings, PATIENT).err().unwrap_or_else(|| panic!("built: {settings}"));
        assert!(problems.iter().any(|problem| problem.message.contains(words)), "{problems:?}");
    }
}
