//! The secrets of those who are told besides mailboxes: an address, a signing key, a routing key, a password, that of the
//! second mail server. Each endpoint sends back all that it was sent, and refuses it.

use std::{collections::BTreeSet, fs, sync::Arc};

use base64::{Engine, engine::general_purpose::STANDARD};
use tokio::{io::AsyncWriteExt, process::Command};

use super::{
    rude,
    search::{Net, Search, canary, percent},
};
use crate::{
    loopback::{Server, certificates::Authority, read_request},
    running::{PATIENCE, Running, Target, command, until},
    smtp_sink::{Protection, Sink, Step},
};

/// The numbers of the canaries: those that travel, and the key by which is signed.
const ADDRESS: usize = 1;
const ROUTING_KEY: usize = 2;
const PASSWORD: usize = 3;
const FALLBACK: usize = 11;
const SIGNING_KEY: usize = 4;

/// One that answers with what it was asked, as it was and encoded, behind this status.
struct Echo {
    server: Server,
    seen: Arc<std::sync::Mutex<String>>,
}

impl Echo {
    async fn start(status: &'static str) -> Self {
        let seen = Arc::new(std::sync::Mutex::new(String::new()));
        let shared = Arc::clone(&seen);
        let server = Server::start(move |mut stream| {
            let seen = Arc::clone(&shared);
            async move {
                let request = read_request(&mut stream).await;
                seen.lock().unwrap().push_str(&request);
                // What is told is cut: each part of the request comes first in one answer or another.
                let lines: Vec<&str> = request.lines().collect();
                let turn = seen.lock().unwrap().len() % lines.len().max(1);
                let first = lines.get(turn).copied().unwrap_or_default();
                let body = format!("{first}\n{}\n{request}", STANDARD.encode(first));
                let length = body.len();
                let answer = format!(
                    "HTTP/1.1 {status}\r\nx-echo: 1\r\ncontent-length: {length}\r\nconnection: close\r\n\r\n{body}"
                );
                drop(stream.write_all(answer.as_bytes()).await);
                drop(stream.shutdown().await);
            }
        })
        .await;
        Self { server, seen }
    }

    fn seen(&self) -> String {
        self.seen.lock().unwrap().clone()
    }
}

fn config(target: &Target, refusing: &Echo, failing: &Echo, first: &Sink, second: &Sink) -> String {
    let (refusing, failing) = (refusing.server.address, failing.server.address);
    format!(
        "[monitor]\nlisten = \"127.0.0.1:0\"\n\
         [mail]\nfrom = \"l@example.com\"\nsmtp = \"smtp+plain://127.0.0.1:{}\"\n\
         [mail.fallback]\nsmtp = \"smtp+plain://127.0.0.1:{}\"\nafter = \"1s\"\n\
         username = \"lamplighter\"\npassword = {{ env = \"FALLBACK\" }}\n\
         [webhook.address]\nurl = {{ env = \"ADDRESS\" }}\nsecret = {{ env = \"SIGNING_KEY\" }}\n\
         [webhook.slack]\nurl = {{ env = \"ADDRESS\" }}\ntemplate = \"slack\"\n\
         [webhook.teams]\nurl = {{ env = \"ADDRESS\" }}\ntemplate = \"teams\"\n\
         [webhook.pager]\nurl = \"http://{failing}/\"\ntemplate = \"pagerduty\"\nrouting_key = {{ env = \"ROUTING_KEY\" }}\n\
         [alertmanager.refusing]\nurl = \"http://{refusing}/\"\nusername = \"l\"\npassword = {{ env = \"PASSWORD\" }}\n\
         [alertmanager.failing]\nurl = \"http://{failing}/\"\nusername = \"l\"\npassword = {{ env = \"PASSWORD\" }}\n\
         [team.all]\nmail = [\"oncall@example.com\"]\nwebhook = [\"address\", \"slack\", \"teams\", \"pager\"]\n\
         alertmanager = [\"refusing\", \"failing\"]\n\
         [channel.chat]\nkind = \"chat\"\nteam = \"all\"\n\
         [channel.chat.probe.door]\nevery = \"100ms\"\nhttp = {{ url = \"http://{}/broken\" }}\n",
        first.port(),
        second.port(),
        target.address
    )
}

#[tokio::test]
async fn no_secret_of_an_endpoint_is_shown_whatever_it_answers() {
    let authority = Authority::new();
    let net = Arc::new(Net::new(&authority.sign(&["probe.example"], |_| {}).key));
    let mut search = Search::new(Arc::clone(&net));
    let (target, refusing, failing) =
        (Target::start().await, Echo::start("403 No").await, Echo::start("500 No").await);
    let (first, second) = (Sink::start(Protection::None).await, Sink::start(Protection::None).await);
    first.fault(Step::Connect, crate::smtp_sink::Fault::Close);
    second.require_login("lamplighter", &canary(FALLBACK));
    second.fault(Step::Auth, rude());
    let address = format!("http://{}/hook/{}", refusing.server.address, percent(&canary(ADDRESS)));
    let secrets = [ROUTING_KEY, PASSWORD, FALLBACK, SIGNING_KEY].map(canary);
    let environment = [
        ("ADDRESS", address.as_str()),
        ("ROUTING_KEY", secrets[0].as_str()),
        ("PASSWORD", secrets[1].as_str()),
        ("FALLBACK", secrets[2].as_str()),
        ("SIGNING_KEY", secrets[3].as_str()),
        ("RUST_LOG", "trace"),
    ];
    let config = config(&target, &refusing, &failing, &first, &second);
    let mut running = Running::start(&config, &environment).await;
    until("the second mail server is tried", async || !second.logins().is_empty()).await;
    second.mend();
    let count = |route: &'static str, result: &'static str| {
        let series = format!("lamplighter_notifications_total{{result=\"{result}\",route=\"{route}\"}}");
        let running = &running;
        async move { running.sum(&series).await }
    };
    until("the mail has gone by the fallback", async || second.ids_count() == 1).await;
    until("each has refused", async || {
        count("webhook", "refused").await == 3.0 && count("alertmanager", "refused").await == 1.0
    })
    .await;
    until("each has failed a few times", async || {
        count("webhook", "postponed").await >= 2.0 && count("alertmanager", "postponed").await >= 2.0
    })
    .await;
    for page in ["/metrics", "/"] {
        search.look(page, running.get(page).await.as_bytes());
    }
    let list = Command::new("ps").args(["-eo", "args"]).output().await.expect("ps, of the package procps");
    search.look("the list of processes", &list.stdout);
    for arguments in [&["check"][..], &["test-mail", "all"], &["test-mail", "all", "--fallback"]] {
        let run = command(running.directory.path()).args(arguments).envs(environment).output();
        let output = tokio::time::timeout(PATIENCE, run).await.expect("it ends").unwrap();
        search.look(arguments[0], &[output.stdout, output.stderr].concat());
    }
    running.signal(nix::sys::signal::Signal::SIGTERM);
    assert!(running.ended().await.success());
    search.look("the log as JSON", running.log().as_bytes());
    for entry in fs::read_dir(running.directory.path()).unwrap().map(|entry| entry.unwrap().path()) {
        if entry.is_file() {
            search.look(&entry.file_name().unwrap().to_string_lossy(), &fs::read(&entry).unwrap());
        }
    }
    for mail in second.taken() {
        search.look("a mail as sent", &mail.data);
    }
    let seen = refusing.seen() + &failing.seen() + &second.logins().join("\n");
    let came: BTreeSet<usize> = net.caught(seen.as_bytes()).into_keys().collect();
    assert!(came.is_superset(&BTreeSet::from([ADDRESS, ROUTING_KEY, PASSWORD, FALLBACK])), "{came:?}");
    assert!(!came.contains(&SIGNING_KEY), "a key by which is signed never travels");
    assert!(seen.contains("webhook-signature: v1,"), "{seen}");
    assert!(search.escaped.is_empty(), "{}", search.escaped.join("\n"));
    for output in ["test-mail", "the log as JSON", "lamplighter.db"] {
        assert!(search.has_masked(output), "no secret came back to {output}");
    }
}
