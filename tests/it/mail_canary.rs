//! The canary of the real program, by a real Exim into a real Dovecot: it arrives and is deleted, or it is lost in each
//! way and that is told by the others.

mod dovecot;
mod hostile;

use std::{fs, sync::Arc};

use tempfile::TempDir;
use tokio::task::JoinSet;

use self::dovecot::Dovecot;
use crate::{
    hooks::Hooks,
    mail_exim::{Exim, PASSWORD},
    running::{Running, Target, until, write_config},
    smtp_sink::{Protection, Sink},
};
use lamplighter::notify::mail::MailSecurity;

/// All that takes part.
struct Scene {
    dovecot: Dovecot,
    exim: Arc<Exim>,
    hooks: Hooks,
    target: Target,
    /// Serves Exim's sessions.
    _serving: JoinSet<()>,
}

impl Scene {
    async fn set() -> Self {
        let dovecot = Dovecot::start().await;
        let exim = Arc::new(Exim::delivering(&dovecot.transport()).await);
        let mut serving = JoinSet::new();
        let served = Arc::clone(&exim);
        serving.spawn(async move {
            loop {
                served.serve(MailSecurity::StartTls).await;
            }
        });
        Self { dovecot, exim, hooks: Hooks::start().await, target: Target::start().await, _serving: serving }
    }

    /// Starts the program with these keys of `[mail.canary]`, and further tables.
    async fn run(&self, canary: &str, further: &str) -> Running {
        let directory = tempfile::tempdir().unwrap();
        self.furnish(&directory, canary, further);
        let environment = [
            ("SMTP_PASSWORD", PASSWORD),
            ("IMAP_PASSWORD", dovecot::PASSWORD),
            ("WRONG", "not the password"),
        ];
        Running::start_in(directory, &environment).await
    }

    fn furnish(&self, directory: &TempDir, canary: &str, further: &str) {
        fs::write(directory.path().join("exim.pem"), self.exim.root()).unwrap();
        fs::write(directory.path().join("dovecot.pem"), self.dovecot.root()).unwrap();
        let config = format!(
            "[monitor]\nlisten = \"127.0.0.1:0\"\nlocation = \"fra-1\"\n\
             [mail]\nfrom = \"lamplighter@example.com\"\nsmtp = \"smtp://127.0.0.1:{}\"\nroot_ca = \"exim.pem\"\n\
             username = \"lamplighter\"\npassword = {{ env = \"SMTP_PASSWORD\" }}\n\
             [mail.canary]\n{canary}\n{further}\n\
             [webhook.ops]\nurl = \"{}\"\n\
             [team.oncall]\nmail = [\"oncall@example.com\"]\nwebhook = [\"ops\"]\n\
             [channel.chat]\nkind = \"chat\"\nteam = \"oncall\"\n\
             [channel.chat.probe.door]\nevery = \"10s\"\nhttp = {{ url = \"http://{}/\" }}\n",
            self.exim.port(),
            self.hooks.url("/"),
            self.target.address
        );
        write_config(directory.path(), &config);
    }

    /// The mailbox in Dovecot at an address, with this password and what else is to be said.
    fn mailbox(&self, address: &str, password: &str, further: &str) -> String {
        format!(
            "mailbox = {{ imap = \"{address}\", username = \"canary@example.com\", password = {{ env = \"{password}\" }}{further} }}"
        )
    }
}

const UP: &str = "lamplighter_canary_up{route=\"mail\"}";

#[tokio::test]
async fn it_arrives_in_its_mailbox_by_tls_and_by_starttls_and_is_deleted_there() {
    let scene = Scene::set().await;
    for address in scene.dovecot.addresses() {
        let mailbox = scene.mailbox(&address, "IMAP_PASSWORD", ", root_ca = \"dovecot.pem\"");
        let running = scene.run(&format!("to = \"canary@example.com\"\n{mailbox}"), "").await;
        until("it has arrived", async || running.has_said("a canary has arrived")).await;
        until("it shows", async || running.sum(UP).await == 1.0).await;
        let travel = running.sum("lamplighter_canary_travel_seconds").await;
        assert!((0.5..30.0).contains(&travel), "{travel}");
        println!("{address}: travelled for {travel:.2} s");
        until("it is deleted", async || scene.dovecot.mails().is_empty()).await;
        assert!(!running.has_said("could not be deleted"), "{}", running.log());
        assert!(running.sum("lamplighter_canary_last_success_timestamp_seconds").await > 1e9);
    }
    assert_eq!(scene.hooks.requests().len(), 0);
    let deleted = scene.dovecot.log().matches("expunged=1").count();
    assert_eq!(deleted, 2, "{}", scene.dovecot.log());
}

#[tokio::test]
async fn one_that_is_lost_is_told_by_the_webhook_and_by_the_fallback_and_not_by_its_own_server() {
    let scene = Scene::set().await;
    let [imaps, _] = scene.dovecot.addresses();
    let trusted = ", root_ca = \"dovecot.pem\"";
    let right = scene.mailbox(&imaps, "IMAP_PASSWORD", trusted);
    let closed = format!(
        "imaps://127.0.0.1:{}",
        std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port()
    );
    for (what, to, mailbox, why) in [
        ("refused", "nobody", right.clone(), "no such user"),
        ("vanishes", "hole", right, "it is not in its mailbox"),
        (
            "password",
            "canary",
            scene.mailbox(&imaps, "WRONG", trusted),
            "login: the server said NO [AUTHENTICATIONFAILED]",
        ),
        (
            "untrusted",
            "canary",
            scene.mailbox(&imaps, "IMAP_PASSWORD", ""),
            "TLS handshake: invalid peer certificate",
        ),
        ("away", "canary", scene.mailbox(&closed, "IMAP_PASSWORD", trusted), "Connection refused"),
        (
            "folder",
            "canary",
            scene.mailbox(&imaps, "IMAP_PASSWORD", ", root_ca = \"dovecot.pem\", folder = \"Nowhere\""),
            "SELECT: the server said NO",
        ),
    ] {
        let second = Sink::start(Protection::None).await;
        let fallback = format!("[mail.fallback]\nsmtp = \"smtp+plain://127.0.0.1:{}\"\n", second.port());
        let told_before = scene.hooks.requests().len();
        let canary = format!("to = \"{to}@example.com\"\nwithin = \"3s\"\n{mailbox}");
        let running = scene.run(&canary, &fallback).await;
        let is_it = |request: &serde_json::Value| {
            request["type"] == "incident.canary" && request["data"]["canary"]["by"] == "mail"
        };
        let told = || {
            let requests = scene.hooks.requests();
            requests.into_iter().skip(told_before).map(|request| request.json()).find(is_it)
        };
        until(what, async || told().is_some()).await;
        let told = told().unwrap();
        assert!(told["data"]["canary"]["why"].as_str().unwrap().contains(why), "{what}: {told:#}");
        assert_eq!(told["data"]["state"], "dark", "{what}");
        until("the fallback has it", async || {
            second.taken().iter().any(|mail| {
                let text = String::from_utf8_lossy(&mail.data).into_owned();
                mail.to == "oncall@example.com" && text.contains("mail by [mail] is lost")
            })
        })
        .await;
        assert!(second.taken().iter().any(|mail| mail.message_id.contains(".fallback.")), "its own canary");
        assert_eq!(running.sum(UP).await, 0.0, "{what}");
        assert!(running.has_event(&["\"ERROR\"", "a canary was lost"]), "{what}");
        for secret in [PASSWORD, dovecot::PASSWORD, "not the password"] {
            assert!(!running.has_said(secret), "{what}");
        }
    }
    // That the canaries by the fallback are lost is told by it.
    assert!(!scene.exim.log().contains("-monitor-canary.lost."), "{}", scene.exim.log());
}
