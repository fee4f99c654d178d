//! What is kept of an outage, by the real program: before the mail that tells of it, with a picture of what the window
//! showed, and so that one changed byte is found.

use std::{
    fs,
    path::{Path, PathBuf},
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering::Relaxed},
    },
};

use axum::{Router, extract::State, response::Html, routing::get};
use lamplighter::{cli::demo::inbox::Inbox, clock::Clock};
use mail_parser::{MessageParser, MessagePart, MimeHeaders};
use tokio::{net::TcpListener, task::JoinSet};

use crate::{
    running::{Running, command, until, write_config},
    smtp_sink::{Protection, Sink},
};

/// Names the file to which the mail's HTML part is written, to be looked at.
const MAIL: &str = "LAMPLIGHTER_MAIL";

async fn shop(State(is_grey): State<Arc<AtomicBool>>) -> Html<String> {
    let attribute = if is_grey.load(Relaxed) { " disabled" } else { "" };
    Html(format!(
        "<!doctype html><title>Shop</title><body style='font: 18px sans-serif; background: #eef2f6'><h1>Ocean shop</h1>\
         <p>Everything for the sea, since 1921.</p><div style='height: 3000px'></div><div class=corner><button id=chat{attribute}>Chat with us</button></div>\
         <section id=panel hidden><p>Hello! How can we help?</section>\
         <script>chat.onclick = () => panel.hidden = false; console.error('cart: no session')</script>"
    ))
}

/// A shop whose chat button may be grey.
async fn open_shop(servers: &mut JoinSet<()>) -> (String, Arc<AtomicBool>) {
    let is_grey = Arc::new(AtomicBool::new(false));
    let routes = Router::new().route("/", get(shop)).with_state(Arc::clone(&is_grey));
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let base = format!("http://{}", listener.local_addr().unwrap());
    servers.spawn(async move { axum::serve(listener, routes).await.unwrap() });
    (base, is_grey)
}

fn config(shop: &str, smtp: u16, probe: &str) -> String {
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
every = "500ms"
dark_after = {{ failures = 2 }}
[channel.web-chat]
kind = "chat"
title = "Chat button, web shop"
team = "oncall"
[channel.web-chat.probe.customer]
{}
"#,
        probe.replace("SHOP", shop)
    )
}

/// The bundles, oldest first.
fn bundles(directory: &Path) -> Vec<PathBuf> {
    let evidence = directory.join("lamplighter.evidence");
    let mut bundles: Vec<PathBuf> = fs::read_dir(evidence)
        .unwrap()
        .map(|entry| entry.unwrap().path())
        .filter(|path| path.is_dir())
        .collect();
    bundles.sort();
    bundles
}

fn files(bundle: &Path) -> Vec<String> {
    let mut files: Vec<String> = fs::read_dir(bundle)
        .unwrap()
        .map(|entry| entry.unwrap().file_name().into_string().unwrap())
        .collect();
    files.sort();
    files
}

async fn verify(directory: &Path) -> (Option<i32>, String) {
    let output = command(directory).args(["evidence", "verify"]).output().await.unwrap();
    (output.status.code(), String::from_utf8([output.stdout, output.stderr].concat()).unwrap())
}

#[tokio::test]
async fn an_outage_seen_in_a_browser_leaves_a_bundle_and_its_mail_shows_the_window() {
    let mut servers = JoinSet::new();
    let (shop, is_grey) = open_shop(&mut servers).await;
    let sink = Sink::start(Protection::None).await;
    let probe = "timeout = \"20s\"\nbrowser = { steps = [{ name = \"open\", open = \"SHOP\" }, { name = \"chat\", click = \"#chat\", opens = \"#panel\", within = \"1500ms\" }] }";
    let mut running = Running::start(&config(&shop, sink.port(), probe), &[]).await;
    until("it is well", async || running.sum("support_channel_up").await == 1.0).await;
    is_grey.store(true, Relaxed);
    until("the mail about it", async || sink.ids_count() == 1).await;
    // It was kept before the mail was sent.
    let bundle = bundles(running.directory.path()).pop().expect("a bundle");
    for file in [
        "change.json",
        "first-console.txt",
        "first-page.txt",
        "first-screen.png",
        "first-small.jpg",
        "manifest.json",
    ] {
        assert!(files(&bundle).contains(&file.to_owned()), "{file} of {:?}", files(&bundle));
    }
    let page = fs::read_to_string(bundle.join("first-page.txt")).unwrap();
    assert!(page.contains("<button id=\"chat\" disabled=\"\">Chat with us</button>"), "{page}");
    let console = fs::read_to_string(bundle.join("first-console.txt")).unwrap();
    assert!(console.contains("cart: no session"), "{console}");
    assert!(fs::read(bundle.join("first-screen.png")).unwrap().starts_with(b"\x89PNG"));

    let mail = sink.taken().remove(0).data;
    let parsed = MessageParser::default().parse(&mail).unwrap();
    let is_picture =
        |part: &&MessagePart| part.content_id().is_some_and(|id| id.ends_with("window@lamplighter"));
    let picture = parsed.parts.iter().find(is_picture).expect("a picture");
    assert!(picture.contents().starts_with(&[0xff, 0xd8]), "a JPEG");
    assert!(picture.contents().len() < 100_000, "it is small: {}", picture.contents().len());
    // The outline in it is red: the window was scrolled to what is outlined.
    let mut decoder = zune_jpeg::JpegDecoder::new(std::io::Cursor::new(picture.contents()));
    let pixels = decoder.decode().expect("a JPEG that can be read");
    assert!(pixels.chunks(3).any(|rgb| rgb[0] > 160 && rgb[1] < 90 && rgb[2] < 90), "nothing is outlined");
    let html = parsed.body_html(0).unwrap();
    assert!(html.contains(&format!("cid:{}", picture.content_id().unwrap())), "{html}");
    let name = bundle.file_name().unwrap().to_str().unwrap().split_once('-').unwrap().1;
    assert!(parsed.body_text(0).unwrap().contains(&format!("Evidence {name}")), "the mail names the bundle");
    assert!(
        mail.split(|byte| *byte == b'\n').all(|line| line.len() <= 1_000),
        "lines as RFC 5321 wants them"
    );
    if let Some(path) = std::env::var_os(MAIL) {
        fs::write(path, as_shown(&mail)).unwrap();
    }

    is_grey.store(false, Relaxed);
    until("the mail about its end", async || sink.ids_count() == 2).await;
    running.signal(nix::sys::signal::Signal::SIGTERM);
    assert!(running.ended().await.success());
    assert_eq!(bundles(running.directory.path()).len(), 2);
    let (code, said) = verify(running.directory.path()).await;
    assert_eq!(code, Some(0), "{said}");
    let mut picture = fs::read(bundle.join("first-screen.png")).unwrap();
    let middle = picture.len() / 2;
    picture[middle] ^= 1;
    fs::write(bundle.join("first-screen.png"), picture).unwrap();
    let (code, said) = verify(running.directory.path()).await;
    assert_eq!(code, Some(1), "{said}");
    assert!(said.contains("first-screen.png: was changed"), "{said}");
}

/// A mail as a person's program shows it.
fn as_shown(mail: &[u8]) -> String {
    let envelope = lamplighter::cli::demo::inbox::mail::Envelope::default();
    let read = lamplighter::cli::demo::inbox::mail::Mail::read(1, Clock::system().now(), &envelope, mail);
    read.html.expect("it has an HTML part")
}

#[tokio::test]
async fn a_request_leaves_its_answer_and_the_first_one_is_never_overwritten() {
    let mut servers = JoinSet::new();
    let (shop, is_grey) = open_shop(&mut servers).await;
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let smtp = listener.local_addr().unwrap().port();
    let inbox = Inbox::new(Clock::system());
    let receiving = inbox.clone();
    servers.spawn(async move { receiving.serve(listener).await });
    let probe = "http = { url = \"SHOP\", headers = { x-key = { file = \"secret\" } }, expect = { body = [{ not_contains = \"disabled\", otherwise = \"disabled\" }] } }";
    let directory = tempfile::tempdir().unwrap();
    write_config(directory.path(), &config(&shop, smtp, probe));
    fs::write(directory.path().join("secret"), "evidence-canary-9c1e").unwrap();
    let running = Running::start_in(directory, &[]).await;
    until("it is well", async || running.sum("support_channel_up").await == 1.0).await;
    is_grey.store(true, Relaxed);
    until("the mail about it", async || inbox.mails().len() == 1).await;
    let bundle = bundles(running.directory.path()).pop().expect("a bundle");
    let answer = fs::read_to_string(bundle.join("first-answer.txt")).unwrap();
    for part in
        ["GET http://127.0.0.1", "x-key: ***", "200 OK", "content-type: text/html", "id=chat disabled"]
    {
        assert!(answer.contains(part), "{part} of {answer}");
    }
    let connection = fs::read_to_string(bundle.join("first-connection.txt")).unwrap();
    assert!(connection.contains("connected to 127.0.0.1"), "{connection}");
    assert!(!answer.contains("canary") && !connection.contains("canary"));
    let html = inbox.mails().remove(0).html.clone().unwrap();
    assert!(!html.contains("<img"), "there was no window");
}

#[tokio::test]
async fn what_nobody_is_told_of_leaves_a_bundle_too() {
    let mut servers = JoinSet::new();
    let (shop, _) = open_shop(&mut servers).await;
    let sink = Sink::start(Protection::None).await;
    let probe = "journey = { steps_max = 1, steps = [{ name = \"centre\", http = { url = \"SHOP\" } }, { name = \"help\", http = { url = \"SHOP\" } }, { name = \"form\", http = { url = \"SHOP\" }, reaches_person = true }] }";
    let mut running = Running::start(&config(&shop, sink.port(), probe), &[]).await;
    until("it is degraded", async || !bundles(running.directory.path()).is_empty()).await;
    running.signal(nix::sys::signal::Signal::SIGTERM);
    assert!(running.ended().await.success());
    let bundle = bundles(running.directory.path()).pop().expect("a bundle");
    let change = fs::read_to_string(bundle.join("change.json")).unwrap();
    assert!(change.contains("too_many_steps"), "{change}");
    let manifest = fs::read_to_string(bundle.join("manifest.json")).unwrap();
    assert!(manifest.contains("\"incident\": null"), "{manifest}");
    let (code, said) = verify(running.directory.path()).await;
    assert_eq!(code, Some(0), "{said}");
    assert_eq!(sink.ids_count(), 0, "nobody is told");
}
