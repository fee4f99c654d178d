//! No secret is ever shown. Twenty canaries stand in every place that takes a secret, against targets that fail in
//! every way and send back what they were sent, as it was and encoded; then everything that Lamplighter has written is
//! searched: logs at the finest level, `check`, `probe`, `/metrics`, the pages, mails, the database and its WAL.

use std::{
    fmt::Write as _,
    path::Path,
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering::Relaxed},
    },
};

use base64::{
    Engine,
    engine::general_purpose::{STANDARD, URL_SAFE},
};
use mail_parser::MessageParser;
use nix::sys::signal::Signal;
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::{TcpListener, TcpStream},
    task::JoinSet,
    time::{sleep, timeout},
};

use crate::{
    running::{PATIENCE, Running, command, until, write_config},
    smtp_sink::{Fault, Protection, Sink, Step},
};

/// How many there are.
const COUNT: usize = 20;

/// So many of them are secrets of the configuration that is run; the others stand in one that is refused.
const WATCHED: usize = 18;

/// What every canary begins with: where this is found, one has escaped.
const BIRD: &str = "kestrel";

/// A value of its own for each place, with characters that every encoding changes.
fn canary(number: usize) -> String {
    format!("{BIRD}{number:02}/+=&%~Zq7Lm4")
}

fn variable(number: usize) -> String {
    format!("PLACE_{number:02}")
}

/// What a canary may have become: in base64 at each of the three alignments, percent-encoded, hex.
fn disguises(number: usize) -> Vec<String> {
    let value = canary(number);
    let mut disguises = vec![
        format!("{BIRD}{number:02}"),
        percent_encoding::utf8_percent_encode(&value, percent_encoding::NON_ALPHANUMERIC).to_string(),
        value.bytes().map(|byte| format!("{byte:02x}")).collect(),
        value.bytes().map(|byte| format!("{byte:02X}")).collect(),
    ];
    for before in ["", "x", "xy"] {
        for engine in [STANDARD, URL_SAFE] {
            let encoded = engine.encode(format!("{before}{value}"));
            // The first and the last characters depend on what stands around it.
            disguises.push(encoded[4..encoded.len() - 4].to_owned());
        }
    }
    disguises
}

/// Says where a canary has been seen.
fn escaped(place: &str, text: &[u8], found: &mut Vec<String>) {
    let text = String::from_utf8_lossy(text);
    for number in 1..=COUNT {
        for disguise in disguises(number) {
            if let Some(at) = text.find(&disguise) {
                let from = text.floor_char_boundary(at.saturating_sub(120));
                found.push(format!("{number} in {place}: {}", &text[from..at]));
                break;
            }
        }
    }
}

/// What the targets send back: each time another canary in another disguise, and the request itself.
struct Parrot {
    turn: AtomicUsize,
}

impl Parrot {
    fn phrase(&self) -> String {
        let turn = self.turn.fetch_add(1, Relaxed);
        let value = canary(turn % WATCHED + 1);
        match turn / WATCHED % 5 {
            0 => value,
            1 => STANDARD.encode(format!("user:{value}")),
            2 => {
                percent_encoding::utf8_percent_encode(&value, percent_encoding::NON_ALPHANUMERIC).to_string()
            }
            3 => value.bytes().map(|byte| format!("{byte:02x}")).collect(),
            _ => URL_SAFE.encode(value),
        }
    }

    /// Takes a request and does what its path says.
    async fn answer(self: Arc<Self>, mut stream: TcpStream) -> Option<()> {
        let request = read_request(&mut stream).await?;
        let path = request.split(' ').nth(1)?.split('?').next()?.to_owned();
        let phrase = self.phrase();
        let plain = request.replace(['\r', '\n'], " ");
        let (status, headers, body) = match path.as_str() {
            "/body" => (200, String::new(), format!("{phrase} {request}")),
            "/sent" => (200, String::new(), request.clone()),
            "/json" => (200, String::new(), serde_json::json!({ "echo": [phrase, request] }).to_string()),
            "/header" => (200, format!("x-echo: {phrase} {plain}\r\n"), String::new()),
            "/status" => (500, format!("x-echo: {phrase}\r\n"), phrase),
            "/away" => (302, format!("location: /gone?leak={phrase}\r\n"), String::new()),
            "/circle" => (302, format!("location: /circle?leak={phrase}\r\n"), String::new()),
            "/metadata" => (302, format!("location: http://169.254.169.254/{phrase}\r\n"), String::new()),
            "/file" => (302, format!("location: file:///{phrase}\r\n"), String::new()),
            "/userinfo" => (302, format!("location: http://{phrase}:{phrase}@127.0.0.1/\r\n"), String::new()),
            "/hang" => {
                sleep(PATIENCE).await;
                return None;
            }
            "/cut" => {
                let head = format!("HTTP/1.1 200 {phrase}\r\ncontent-length: 9000\r\n\r\n{phrase}");
                return stream.write_all(head.as_bytes()).await.ok();
            }
            "/noise" => return stream.write_all(format!("{phrase} {plain}\r\n\r\n").as_bytes()).await.ok(),
            "/reset" => return stream.set_zero_linger().ok(),
            _ => (404, format!("x-echo: {phrase}\r\n"), format!("no {plain} here")),
        };
        let length = body.len();
        let head =
            format!("HTTP/1.1 {status} x\r\n{headers}content-length: {length}\r\nconnection: close\r\n\r\n");
        stream.write_all(head.as_bytes()).await.ok()?;
        stream.write_all(body.as_bytes()).await.ok()
    }
}

/// The head and as much of the body as its length says.
async fn read_request(stream: &mut TcpStream) -> Option<String> {
    let mut request = Vec::new();
    loop {
        let text = String::from_utf8_lossy(&request).into_owned();
        if let Some((head, body)) = text.split_once("\r\n\r\n") {
            let length = head.lines().find_map(|line| {
                let (name, value) = line.split_once(':')?;
                name.eq_ignore_ascii_case("content-length").then(|| value.trim().parse::<usize>().ok())?
            });
            if body.len() >= length.unwrap_or(0) {
                return Some(text);
            }
        }
        let mut piece = [0; 4_096];
        match stream.read(&mut piece).await {
            Ok(0) | Err(_) => return None,
            Ok(count) => request.extend_from_slice(&piece[..count]),
        }
    }
}

/// The ways to fail, by the path of the target.
const WAYS: [&str; 15] = [
    "body", "sent", "json", "header", "status", "away", "circle", "metadata", "file", "userinfo", "hang",
    "cut", "noise", "reset", "nowhere",
];

const EXPECT: &str = r#"{ body = [{ contains = "never said" }], json = [{ path = "$.echo", equals = "never" }], headers = [{ name = "x-echo", equals = "never" }] }"#;

/// The places of a secret in one request, with a canary in each.
fn places() -> Vec<(&'static str, String)> {
    let at = |number: usize| format!("{{ env = \"{}\" }}", variable(number));
    vec![
        (
            "basic",
            format!(
                "basic = {{ user = {}, password = {} }}, headers = {{ x-key = {} }}, query = {{ key = {} }}, body = {{ form = {{ pin = {} }} }}",
                at(1),
                at(2),
                at(3),
                at(4),
                at(5)
            ),
        ),
        (
            "bearer",
            format!("bearer = {}, cookies = {{ session = {} }}, body = {{ text = {} }}", at(6), at(7), at(8)),
        ),
        (
            "parts",
            format!(
                "method = \"PUT\", headers = {{ authorization = {} }}, body = {{ multipart = {{ fields = {{ pin = {} }} }} }}",
                at(9),
                at(10)
            ),
        ),
    ]
}

/// A configuration with every place, failing in every way.
fn configuration(target: &str, closed: &str, smtp: u16) -> String {
    let mut text = format!(
        "[monitor]\nlisten = \"127.0.0.1:0\"\n\
         [mail]\nfrom = \"l@example.com\"\nsmtp = \"smtp+plain://127.0.0.1:{smtp}\"\nusername = \"lamplighter\"\n\
         password = {{ env = \"{}\" }}\n\
         [team.all]\nmail = [\"oncall@example.com\"]\n\
         [defaults]\nevery = \"300ms\"\ntimeout = \"250ms\"\ndark_after = {{ failures = 2 }}\n",
        variable(11)
    );
    for way in WAYS {
        let _infallible = write!(text, "[channel.{way}]\nkind = \"chat\"\nteam = \"all\"\n");
        let host = if way == "nowhere" { closed } else { target };
        for (name, settings) in places() {
            let _infallible = write!(
                text,
                "[channel.{way}.probe.{name}]\nhttp = {{ url = \"http://{host}/{way}\", expect = {EXPECT}, {settings} }}\n"
            );
        }
        let secrets: Vec<String> =
            (12..=18).map(|number| format!("s{number} = {{ env = \"{}\" }}", variable(number))).collect();
        let _infallible = write!(
            text,
            "[channel.{way}.probe.journey.journey]\nsecrets = {{ {} }}\n\
             [[channel.{way}.probe.journey.journey.steps]]\nname = \"first\"\n\
             http = {{ url = \"http://{target}/sent\", headers = {{ x-key = \"{{s12}}\" }} }}\n\
             capture = {{ mine = {{ regex = 'x-key: (\\S+)' }} }}\n\
             [[channel.{way}.probe.journey.journey.steps]]\nname = \"second\"\n\
             http = {{ method = \"POST\", url = \"http://{host}/{way}?a={{s13}}&b={{mine}}\", expect = {EXPECT}, \
             query = {{ c = \"{{s14}}\" }}, cookies = {{ d = \"{{s15}}\" }}, \
             headers = {{ authorization = \"Bearer {{s16}}\" }}, body = {{ json = {{ pin = \"{{s17}}\" }} }} }}\n\
             [[channel.{way}.probe.journey.journey.cleanup]]\nname = \"last\"\n\
             http = {{ url = \"http://{host}/{way}/{{s18}}\" }}\n",
            secrets.join(", ")
        );
    }
    text
}

fn environment() -> Vec<(String, String)> {
    (1..=COUNT).map(|number| (variable(number), canary(number))).collect()
}

/// Runs a command beside the configuration, at the finest log level, and gives all it wrote.
async fn output(directory: &Path, arguments: &[&str]) -> Vec<u8> {
    let run = command(directory).args(arguments).envs(environment()).env("RUST_LOG", "trace").output();
    let output = timeout(PATIENCE * 2, run).await.expect("it ends").unwrap();
    [output.stdout, output.stderr].concat()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn no_secret_is_shown_anywhere_whatever_a_target_does() {
    let parrot = Arc::new(Parrot { turn: AtomicUsize::new(0) });
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let target = listener.local_addr().unwrap().to_string();
    let mut serving = JoinSet::new();
    serving.spawn(async move {
        let mut answering = JoinSet::new();
        while let Ok((stream, _)) = listener.accept().await {
            answering.spawn(Arc::clone(&parrot).answer(stream));
            while answering.try_join_next().is_some() {}
        }
    });
    let closed = TcpListener::bind("127.0.0.1:0").await.unwrap().local_addr().unwrap().to_string();
    let sink = Sink::start(Protection::None).await;
    sink.require_login("lamplighter", &canary(11));
    // A mail server that knows no manners repeats the password when it refuses it.
    sink.fault(Step::Auth, Fault::SayAndClose(format!("535 5.7.8 {} is wrong", canary(11))));
    let text = configuration(&target, &closed, sink.port());

    let mut found = Vec::new();
    let directory = tempfile::tempdir().unwrap();
    write_config(directory.path(), &text);
    escaped("check", &output(directory.path(), &["check"]).await, &mut found);
    for way in WAYS {
        escaped("probe", &output(directory.path(), &["probe", way]).await, &mut found);
        escaped("probe --json", &output(directory.path(), &["probe", way, "--json"]).await, &mut found);
    }
    let literals = format!(
        "[mail]\nfrom = \"l@example.com\"\nsmtp = \"smtps://u:{}@mail.example.com\"\npassword = \"{}\"\n\
         [channel.a]\nkind = \"chat\"\nprobe.look.http = {{ url = \"https://u:{}@a.example.com/\", bearer = \"{}\" }}\n",
        canary(19),
        canary(20),
        canary(19),
        canary(20)
    );
    std::fs::write(directory.path().join("literals.toml"), literals).unwrap();
    escaped("check of literals", &output(directory.path(), &["check", "literals.toml"]).await, &mut found);
    std::fs::remove_file(directory.path().join("literals.toml")).unwrap();

    watch(directory, &sink, &mut found).await;
    assert!(found.is_empty(), "{} escaped:\n{}", found.len(), found.join("\n"));
}

/// Lets the daemon find every channel dark and tell people, and searches all it leaves behind.
async fn watch(directory: tempfile::TempDir, sink: &Sink, found: &mut Vec<String>) {
    let mut environment = environment();
    environment.push(("RUST_LOG".to_owned(), "trace".to_owned()));
    let environment: Vec<(&str, &str)> =
        environment.iter().map(|(name, value)| (&**name, &**value)).collect();
    let mut running = Running::start_in(directory, &environment).await;
    until("a refused login", || async { !sink.logins().is_empty() }).await;
    sink.mend();
    // Each channel fails in its way, and people are told of each.
    until("a mail of every channel", || async { sink.ids_count() >= WAYS.len() }).await;
    for page in ["/metrics", "/", "/healthz", "/readyz"] {
        escaped(page, running.get(page).await.as_bytes(), found);
    }
    search_files(running.directory.path(), "while it runs", found);
    running.signal(Signal::SIGTERM);
    assert!(running.ended().await.success());
    search_files(running.directory.path(), "when it has ended", found);
    for number in 1..=COUNT {
        for disguise in disguises(number) {
            if running.has_said(&disguise) {
                found.push(format!("{number} in the log"));
            }
        }
    }
    for mail in sink.taken() {
        escaped("a mail as sent", &mail.data, found);
        let parsed = MessageParser::default().parse(&mail.data).unwrap();
        let texts = parsed.text_bodies().chain(parsed.html_bodies()).map(|part| part.contents().to_vec());
        texts.for_each(|text| escaped("a mail as read", &text, found));
        escaped("a subject", parsed.subject().unwrap_or_default().as_bytes(), found);
    }
}

/// Searches the database, its WAL and whatever else lies there.
fn search_files(directory: &Path, when: &str, found: &mut Vec<String>) {
    let mut databases = 0;
    for entry in std::fs::read_dir(directory).unwrap() {
        let path = entry.unwrap().path();
        let name = path.file_name().unwrap().to_string_lossy().into_owned();
        databases += usize::from(name.starts_with("lamplighter.db"));
        if path.is_file() {
            escaped(&format!("{name} {when}"), &std::fs::read(&path).unwrap(), found);
        }
    }
    assert!(databases > 0, "there is a database to search");
}

#[test]
fn the_search_finds_a_canary_in_every_disguise() {
    let value = canary(7);
    let shown = [
        value.clone(),
        STANDARD.encode(format!("lamplighter:{value}")),
        STANDARD.encode(format!("x{value}y")),
        percent_encoding::utf8_percent_encode(&value, percent_encoding::NON_ALPHANUMERIC).to_string(),
        value.bytes().map(|byte| format!("{byte:02x}")).collect(),
        format!("cut off: {}", &value[..9]),
    ];
    for text in shown {
        let mut found = Vec::new();
        escaped("a text", text.as_bytes(), &mut found);
        assert_eq!(found.len(), 1, "{text}");
    }
}
