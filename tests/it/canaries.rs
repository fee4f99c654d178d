//! No secret is ever shown. A canary stands in every place that takes a secret, against targets that fail in every way
//! and send back what they were sent, as it was and encoded; then everything that Lamplighter has written is searched:
//! logs of both formats at the finest level, `check`, `probe`, `test-mail`, the pages, mails, the database and its WAL,
//! the list of processes. That nothing is found counts only because every canary has come to its target, and because
//! masks stand where the targets' echoes were.

mod endpoints;
mod mailbox;
mod parrot;
mod places;
mod search;
mod ways;

use std::{
    collections::BTreeSet,
    fs::{self, File},
    path::Path,
    sync::Arc,
};

use base64::{Engine, engine::general_purpose::STANDARD};
use futures_util::{StreamExt, stream};
use mail_parser::MessageParser;
use nix::{
    sys::signal::{Signal, kill},
    unistd::Pid,
};
use tempfile::TempDir;
use tokio::{process::Command, time::timeout};

use self::{
    places::{PLACES, REFUSED_FOR, Vault, WATCHED},
    search::{CLIENT_KEY, Net, Search, canary},
    ways::{Way, Ways},
};
use crate::{
    loopback::certificates::{Authority, Signed},
    running::{PATIENCE, Running, command, until, write_config},
    smtp_sink::{Fault, Protection, Sink, Step, Taken},
};

/// So many commands run at once.
const COMMANDS_AT_ONCE: usize = 3;

/// The place of a canary that a mail server must see, and no target.
const SMTP_PASSWORD: usize = 11;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn no_secret_is_shown_anywhere_whatever_a_target_does() {
    let scene = Scene::set().await;
    let mut search = Search::new(Arc::clone(&scene.net));
    let reasons = commands(&scene, &mut search).await;
    watch(&scene, &mut search).await;
    watch_in_words(&scene, &mut search).await;
    watch_alone(&scene, &mut search).await;
    assert!(scene.ways.stranger.asked() > 0);
    assert_eq!(scene.ways.stranger.take_seen(), BTreeSet::new(), "no secret crosses to another origin");
    let values: BTreeSet<usize> = PLACES.iter().map(|(number, _)| *number).collect();
    let (values, places, ways) = (values.len(), PLACES.len(), scene.ways.list.len());
    println!(
        "canaries: {values} values x {places} places, {ways} ways to fail for {reasons} reasons, {search}"
    );
    let escaped = &search.escaped;
    assert!(
        escaped.is_empty(),
        "{} escaped:\n{}",
        escaped.len(),
        escaped[..escaped.len().min(20)].join("\n")
    );
    assert!(search.is_worth_something());
    for output in ECHOING {
        assert!(search.has_masked(output), "no secret came back to {output}");
    }
}

/// The outputs that quote a target or the mail server, and so have masks in them.
const ECHOING: [&str; 9] = [
    "first-answer.txt",
    "probe",
    "probe --json",
    "test-mail refused",
    "test-mail by TLS",
    "the log as JSON",
    "daemon.log",
    "lamplighter.db",
    "a mail as read",
];

/// So many ways are watched each by itself.
const ALONE: usize = 6;

/// What every part of the test has in common.
struct Scene {
    net: Arc<Net>,
    ways: Ways,
    vault: Vault,
    authority: Authority,
    client: Signed,
}

impl Scene {
    async fn set() -> Self {
        let authority = Authority::new();
        let client = authority.sign(&["probe.example"], |_| {});
        let net = Arc::new(Net::new(&client.key));
        let ways = Ways::open(&net, &authority).await;
        Self { net, ways, vault: Vault::fill(&client.key), authority, client }
    }

    /// A directory with the configuration in it, and the mail server that it names.
    async fn furnish(&self) -> (TempDir, Sink) {
        self.furnish_with(&self.ways.list).await
    }

    /// The same with some of the channels.
    async fn furnish_with(&self, which: &[Way]) -> (TempDir, Sink) {
        let sink = Sink::start(Protection::None).await;
        sink.require_login("lamplighter", &canary(SMTP_PASSWORD));
        let directory = tempfile::tempdir().unwrap();
        write_config(directory.path(), &self.vault.configuration(&self.ways, which, sink.port()));
        fs::write(directory.path().join("ca.pem"), self.authority.pem()).unwrap();
        fs::write(directory.path().join("client.pem"), self.client.certificate.pem()).unwrap();
        (directory, sink)
    }

    /// Every canary of the configuration has come to where it is meant for, since this was last asked.
    fn assert_all_were_sent(&self, sink: &Sink) {
        let logins = sink.logins().join("\n");
        assert!(self.net.caught(logins.as_bytes()).contains_key(&SMTP_PASSWORD), "{logins}");
        let expected: BTreeSet<usize> =
            (1..=WATCHED).chain([CLIENT_KEY]).filter(|number| *number != SMTP_PASSWORD).collect();
        assert_eq!(self.ways.parrot.take_seen(), expected);
    }

    /// Runs a command to its end; its exit code and all it wrote.
    async fn run(&self, directory: &Path, arguments: &[&str]) -> (Option<i32>, Vec<u8>) {
        let run = command(directory).args(arguments).envs(self.vault.environment()).output();
        let output = timeout(PATIENCE * 2, run).await.expect("it ends").unwrap();
        (output.status.code(), [output.stdout, output.stderr].concat())
    }
}

/// A mail server that knows no manners repeats the login when it refuses it.
fn rude() -> Fault {
    let password = canary(SMTP_PASSWORD);
    let login = STANDARD.encode(format!("\0lamplighter\0{password}"));
    Fault::SayAndClose(format!("535 5.7.8 {password} is wrong, and so is {login}"))
}

/// Searches what each command prints. Gives the number of reasons for which probes have failed.
async fn commands(scene: &Scene, search: &mut Search) -> usize {
    let (directory, sink) = scene.furnish().await;
    let here = directory.path();
    let (code, said) = scene.run(here, &["check"]).await;
    assert_eq!(code, Some(0), "{}", String::from_utf8_lossy(&said));
    search.look("check", &said);

    fs::write(here.join("refused.toml"), scene.vault.refused()).unwrap();
    let (code, said) = scene.run(here, &["check", "refused.toml"]).await;
    let said = String::from_utf8_lossy(&said);
    assert_eq!(code, Some(1), "{said}");
    REFUSED_FOR.iter().for_each(|why| assert!(said.contains(why), "{why:?} in {said}"));
    search.look("check of literals", said.as_bytes());

    let reasons = probes(scene, here, search).await;

    sink.fault(Step::Auth, rude());
    let (code, said) = scene.run(here, &["test-mail", "all"]).await;
    assert_eq!(code, Some(3), "{}", String::from_utf8_lossy(&said));
    search.look("test-mail refused", &said);
    sink.mend();
    let (code, said) = scene.run(here, &["test-mail", "all"]).await;
    assert_eq!((code, sink.taken_count()), (Some(0), 1), "{}", String::from_utf8_lossy(&said));
    search.look("test-mail", &said);
    let by_tls = fs::read_to_string(here.join("probes.toml")).unwrap().replace("smtp+plain:", "smtps:");
    fs::write(here.join("by-tls.toml"), by_tls).unwrap();
    let (code, said) = scene.run(here, &["test-mail", "all", "--config", "by-tls.toml"]).await;
    assert_eq!(code, Some(3), "{}", String::from_utf8_lossy(&said));
    search.look("test-mail without TLS", &said);
    mail_by_tls(scene, here, sink.port(), search).await;
    look_at_mails(&sink, search);
    scene.assert_all_were_sent(&sink);
    reasons
}

/// Logs in over both sorts of TLS, at a server that repeats the login and at one that is content with it.
async fn mail_by_tls(scene: &Scene, here: &Path, plain_port: u16, search: &mut Search) {
    let acceptor = scene.authority.sign(&["127.0.0.1"], |_| {}).acceptor(&[]);
    let plain = fs::read_to_string(here.join("probes.toml")).unwrap();
    for (scheme, protection) in
        [("smtps", Protection::Implicit(acceptor.clone())), ("smtp", Protection::StartTls(acceptor))]
    {
        let sink = Sink::start(protection).await;
        sink.require_login("lamplighter", &canary(SMTP_PASSWORD));
        let secured = plain.replace(
            &format!("\"smtp+plain://127.0.0.1:{plain_port}\""),
            &format!("\"{scheme}://127.0.0.1:{}\"\nroot_ca = \"ca.pem\"", sink.port()),
        );
        fs::write(here.join("secured.toml"), secured).unwrap();
        for (fault, expected) in [(Some(rude()), 3), (None, 0)] {
            match fault {
                Some(fault) => sink.fault(Step::Auth, fault),
                None => sink.mend(),
            }
            let (code, said) = scene.run(here, &["test-mail", "all", "--config", "secured.toml"]).await;
            assert_eq!(code, Some(expected), "{scheme}: {}", String::from_utf8_lossy(&said));
            search.look("test-mail by TLS", &said);
        }
        assert!(scene.net.caught(sink.logins().join("\n").as_bytes()).contains_key(&SMTP_PASSWORD));
        look_at_mails(&sink, search);
    }
}

/// Probes every channel, for a person and for a script, and holds what it fails for against what was meant.
async fn probes(scene: &Scene, here: &Path, search: &mut Search) -> usize {
    let looks = scene.ways.list.iter().map(|way| async move {
        let (_, sheet) = scene.run(here, &["probe", way.name]).await;
        let (_, json) = scene.run(here, &["probe", way.name, "--json", "--log-format", "json"]).await;
        (way, sheet, json)
    });
    let mut looks = stream::iter(looks).buffer_unordered(COMMANDS_AT_ONCE);
    let mut reasons = BTreeSet::new();
    while let Some((way, sheet, json)) = looks.next().await {
        search.look("probe", &sheet);
        search.look("probe --json", &json);
        // What is logged follows it.
        let runs: serde_json::Value =
            serde_json::Deserializer::from_slice(&json).into_iter().next().unwrap().unwrap();
        let basic = runs["runs"].as_array().unwrap().iter().find(|run| run["probe"] == "basic").unwrap();
        assert_eq!(basic["failure"]["reason"], way.reason.as_str(), "{}: {basic:#}", way.name);
        reasons.insert(way.reason);
    }
    reasons.len()
}

/// Lets the daemon find every channel dark and tell people, and searches all it leaves behind.
async fn watch(scene: &Scene, search: &mut Search) {
    let (directory, sink) = scene.furnish().await;
    sink.fault(Step::Auth, rude());
    let environment = scene.vault.environment();
    let environment: Vec<(&str, &str)> =
        environment.iter().map(|(name, value)| (&**name, &**value)).collect();
    let mut running = Running::start_in(directory, &environment).await;
    until("a refused login", || async { !sink.logins().is_empty() }).await;
    sink.mend();
    told_of_all(scene, &sink).await;
    for page in ["/metrics", "/", "/healthz", "/readyz"] {
        search.look(page, running.get(page).await.as_bytes());
    }
    look_at_processes(&running, search).await;
    look_at_files(running.directory.path(), search);

    let good = fs::read_to_string(running.config()).unwrap();
    fs::write(running.config(), scene.vault.refused()).unwrap();
    running.signal(Signal::SIGHUP);
    until("the refusal", async || running.has_said("refused to reload")).await;
    REFUSED_FOR.iter().for_each(|why| assert!(running.has_said(why), "{why}"));
    fs::write(running.config(), good).unwrap();
    running.signal(Signal::SIGHUP);
    until("the next reload", async || running.has_said("reloaded the configuration")).await;

    running.signal(Signal::SIGTERM);
    assert!(running.ended().await.success());
    search.look("the log as JSON", running.log().as_bytes());
    look_at_files(running.directory.path(), search);
    look_at_mails(&sink, search);
    scene.assert_all_were_sent(&sink);
}

/// The same with the log for people, which lies beside the database and is searched with it.
async fn watch_in_words(scene: &Scene, search: &mut Search) {
    let (directory, sink) = scene.furnish().await;
    let here = directory.path();
    let mut daemon = command(here)
        .args(["run", "--log-format", "text"])
        .envs(scene.vault.environment())
        .stdout(File::create(here.join("daemon.out")).unwrap())
        .stderr(File::create(here.join("daemon.log")).unwrap())
        .spawn()
        .unwrap();
    told_of_all(scene, &sink).await;
    kill(Pid::from_raw(i32::try_from(daemon.id().unwrap()).unwrap()), Signal::SIGTERM).unwrap();
    assert!(timeout(PATIENCE, daemon.wait()).await.expect("it ends").unwrap().success());
    let log = fs::read_to_string(here.join("daemon.log")).unwrap();
    assert!(log.contains(" INFO ") && log.contains("ended"), "{log}");
    look_at_files(here, search);
    look_at_mails(&sink, search);
    scene.assert_all_were_sent(&sink);
}

/// Some of the ways each by itself: the mail about one channel quotes its target, the one about many does not.
async fn watch_alone(scene: &Scene, search: &mut Search) {
    for way in scene.ways.list.chunks(1).take(ALONE) {
        let (directory, sink) = scene.furnish_with(way).await;
        let environment = scene.vault.environment();
        let environment: Vec<(&str, &str)> =
            environment.iter().map(|(name, value)| (&**name, &**value)).collect();
        let mut running = Running::start_in(directory, &environment).await;
        until("a mail about it", || async { sink.ids_count() > 0 }).await;
        running.signal(Signal::SIGTERM);
        assert!(running.ended().await.success());
        look_at_mails(&sink, search);
    }
    scene.ways.parrot.take_seen();
}

/// Each channel fails in its way, and people are told of each, of many at once.
async fn told_of_all(scene: &Scene, sink: &Sink) {
    let texts = || {
        let parser = MessageParser::default();
        let text = |mail: &Taken| Some(parser.parse(&mail.data)?.body_text(0)?.into_owned());
        sink.taken().iter().filter_map(text).collect::<String>()
    };
    until("a mail about every channel", || async {
        let texts = texts();
        scene.ways.list.iter().all(|way| texts.contains(way.name))
    })
    .await;
}

/// What every user of the machine may see.
async fn look_at_processes(running: &Running, search: &mut Search) {
    let list = Command::new("ps").args(["-eo", "args"]).output().await.expect("ps, of the package procps");
    assert!(String::from_utf8_lossy(&list.stdout).contains("lamplighter run --log-format json"));
    search.look("the list of processes", &list.stdout);
    let own = fs::read(format!("/proc/{}/cmdline", running.pid())).unwrap();
    search.look("its own command line", &own);
}

/// The database, its WAL, the evidence and whatever else lies there.
fn look_at_files(directory: &Path, search: &mut Search) {
    let (mut databases, mut answers) = (0, 0);
    let mut left = vec![directory.to_owned()];
    while let Some(directory) = left.pop() {
        for entry in fs::read_dir(directory).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() {
                left.push(path);
                continue;
            }
            let name = path.file_name().unwrap().to_string_lossy().into_owned();
            databases += usize::from(name.starts_with("lamplighter.db"));
            answers += usize::from(name == "first-answer.txt");
            search.look(&name, &fs::read(&path).unwrap());
        }
    }
    assert!(databases > 0, "there is a database to search");
    assert!(answers > 10, "there is evidence to search: {answers}");
}

fn look_at_mails(sink: &Sink, search: &mut Search) {
    for mail in sink.taken() {
        search.look("a mail as sent", &mail.data);
        let parsed = MessageParser::default().parse(&mail.data).unwrap();
        let texts = parsed.text_bodies().chain(parsed.html_bodies()).map(|part| part.contents().to_vec());
        texts.for_each(|text| search.look("a mail as read", &text));
        search.look("a subject", parsed.subject().unwrap_or_default().as_bytes());
    }
}
