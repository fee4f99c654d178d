//! The password of the canary's mailbox, before a server that sends back all that it was sent and refuses it: it comes to
//! that server and to nothing else.

use std::{
    fs,
    sync::{Arc, Mutex},
};

use base64::{Engine, engine::general_purpose::STANDARD};
use tokio::{
    io::{AsyncBufReadExt, AsyncWriteExt, BufReader},
    process::Command,
};

use super::search::{Net, Search, canary};
use crate::{
    hooks::Hooks,
    loopback::{Server, certificates::Authority},
    running::{PATIENCE, Running, Target, command, until},
    smtp_sink::{Protection, Sink},
};

/// The number of the canary.
const PASSWORD: usize = 5;

/// A server of mailboxes that refuses each login with what it was told, as it was and decoded.
async fn echoing(offer: &'static str, seen: Arc<Mutex<String>>) -> Server {
    Server::start(move |stream| {
        let seen = Arc::clone(&seen);
        async move {
            let mut lines = BufReader::new(stream);
            lines.write_all(b"* OK ready\r\n").await.ok();
            let mut line = String::new();
            while lines.read_line(&mut line).await.is_ok_and(|count| count > 0) {
                seen.lock().unwrap().push_str(&line);
                let said = line.trim_end();
                let answer = match said {
                    said if said.contains("CAPABILITY") => format!("* CAPABILITY {offer}\r\na1 OK\r\n"),
                    said if said.contains("AUTHENTICATE") => "+ \r\n".to_owned(),
                    login => {
                        let decoded = STANDARD.decode(login).unwrap_or_default();
                        format!("a2 NO {login} {}\r\n", String::from_utf8_lossy(&decoded).replace('\0', " "))
                    }
                };
                lines.write_all(answer.as_bytes()).await.ok();
                line.clear();
            }
        }
    })
    .await
}

#[tokio::test]
async fn the_password_of_a_mailbox_is_shown_nowhere_whatever_its_server_answers() {
    let authority = Authority::new();
    let net = Arc::new(Net::new(&authority.sign(&["probe.example"], |_| {}).key));
    let mut search = Search::new(Arc::clone(&net));
    for offer in ["IMAP4rev1 AUTH=PLAIN", "IMAP4rev1"] {
        let seen = Arc::<Mutex<String>>::default();
        let mailbox = echoing(offer, Arc::clone(&seen)).await;
        let (target, sink, hooks) =
            (Target::start().await, Sink::start(Protection::None).await, Hooks::start().await);
        let config = format!(
            "[monitor]\nlisten = \"127.0.0.1:0\"\n\
             [mail]\nfrom = \"l@example.com\"\nsmtp = \"smtp+plain://127.0.0.1:{}\"\n\
             [mail.canary]\nto = \"canary@example.com\"\nwithin = \"2s\"\n\
             mailbox = {{ imap = \"imap+plain://127.0.0.1:{}\", username = \"l\", password = {{ env = \"MAILBOX\" }} }}\n\
             [webhook.ops]\nurl = \"{}\"\n\
             [team.all]\nmail = [\"oncall@example.com\"]\nwebhook = [\"ops\"]\n\
             [channel.chat]\nkind = \"chat\"\nteam = \"all\"\n\
             [channel.chat.probe.door]\nhttp = {{ url = \"http://{}/\" }}\n",
            sink.port(),
            mailbox.address.port(),
            hooks.url("/"),
            target.address
        );
        let secret = canary(PASSWORD);
        let environment = [("MAILBOX", secret.as_str()), ("RUST_LOG", "trace")];
        let mut running = Running::start(&config, &environment).await;
        until("the mail and the webhook say that it is lost", async || {
            sink.ids_count() >= 2 && !hooks.requests().is_empty()
        })
        .await;
        for page in ["/metrics", "/"] {
            search.look(page, running.get(page).await.as_bytes());
        }
        let list =
            Command::new("ps").args(["-eo", "args"]).output().await.expect("ps, of the package procps");
        search.look("the list of processes", &list.stdout);
        let run = command(running.directory.path()).arg("check").envs(environment).output();
        let output = tokio::time::timeout(PATIENCE, run).await.expect("it ends").unwrap();
        search.look("check", &[output.stdout, output.stderr].concat());
        running.signal(nix::sys::signal::Signal::SIGTERM);
        assert!(running.ended().await.success());
        search.look("the log as JSON", running.log().as_bytes());
        for entry in fs::read_dir(running.directory.path()).unwrap().map(|entry| entry.unwrap().path()) {
            if entry.is_file() {
                search.look(&entry.file_name().unwrap().to_string_lossy(), &fs::read(&entry).unwrap());
            }
        }
        for mail in sink.taken() {
            search.look("a mail as sent", &mail.data);
        }
        for request in hooks.requests() {
            search.look("a webhook", request.body.as_bytes());
        }
        assert!(net.caught(seen.lock().unwrap().as_bytes()).contains_key(&PASSWORD), "{seen:?}");
    }
    assert!(search.escaped.is_empty(), "{}", search.escaped.join("\n"));
    for output in ["the log as JSON", "lamplighter.db", "a webhook", "a mail as sent"] {
        assert!(search.has_masked(output), "no secret came back to {output}");
    }
}
