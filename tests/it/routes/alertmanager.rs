//! A real Alertmanager: the alert of an outage, its labels, what it tells others, and its end.

use std::{
    collections::{BTreeMap, BTreeSet},
    net::SocketAddr,
    path::Path,
    process::Stdio,
    time::Duration,
};

use jiff::Timestamp;
use lamplighter::{
    clock::Clock,
    domain::{
        channel::TeamId,
        escalation::Ladder,
        evaluation::State,
        notification::{Notification, Recipient, Route},
        urgency::{Urgencies, Urgency},
    },
    notify::{
        Delivery, Notifier,
        alertmanager::{self, AlertmanagerRoute},
        post::Limits,
    },
    secret::Secret,
};
use nix::sys::signal::Signal;
use serde_json::Value;
use tempfile::TempDir;
use tokio::process::{Child, Command};

use crate::{
    hooks::{Hooks, Manner},
    ladder,
    mails::situations::{Situation, Story},
    quiet,
    running::{Running, until},
    smtp_sink::{Protection, Sink},
};

/// An Alertmanager that tells a webhook of whatever it hears.
struct Alertmanager {
    address: SocketAddr,
    directory: TempDir,
    child: Child,
}

impl Alertmanager {
    async fn start(told: &Hooks) -> Self {
        let directory = tempfile::tempdir().unwrap();
        let config = format!(
            "route: {{ receiver: told, group_wait: 0s, group_interval: 1s, group_by: [channel] }}\n\
             receivers:\n- name: told\n  webhook_configs: [ {{ url: \"{}\", send_resolved: true }} ]\n",
            told.url("/")
        );
        std::fs::write(directory.path().join("alertmanager.yml"), config).unwrap();
        let address = std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
        let child = spawn(directory.path(), address);
        let alertmanager = Self { address, directory, child };
        alertmanager.ready().await;
        alertmanager
    }

    async fn ready(&self) {
        until("Alertmanager is ready", async || {
            let ready = reqwest::get(format!("http://{}/-/ready", self.address)).await;
            ready.is_ok_and(|answer| answer.status().is_success())
        })
        .await;
    }

    /// Kills it and starts it again where it was.
    async fn restart(&mut self) {
        self.child.kill().await.unwrap();
        self.child = spawn(self.directory.path(), self.address);
        self.ready().await;
    }

    /// The alerts that it has.
    async fn alerts(&self) -> Vec<Value> {
        let answer = reqwest::get(format!("http://{}/api/v2/alerts", self.address)).await.unwrap();
        serde_json::from_str(&answer.text().await.unwrap()).unwrap()
    }
}

fn spawn(directory: &Path, address: SocketAddr) -> Child {
    Command::new("prometheus-alertmanager")
        .arg(format!("--config.file={}", directory.join("alertmanager.yml").display()))
        .arg(format!("--storage.path={}", directory.join("data").display()))
        .arg(format!("--web.listen-address={address}"))
        .arg("--cluster.listen-address=")
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .kill_on_drop(true)
        .spawn()
        .expect("prometheus-alertmanager is in the Debian package of that name")
}

fn config(alertmanager: &Alertmanager, door: &Hooks, labels: &str) -> String {
    format!(
        "[monitor]\nlisten = \"127.0.0.1:0\"\nlocation = \"fra-1\"\npublic_url = \"https://lamplighter.example.com/\"\n\
         [alertmanager.main]\nurl = \"http://{}/\"\n\
         [team.oncall]\nalertmanager = [\"main\"]\n\
         [channel.chat]\nkind = \"chat\"\ntitle = \"Chat\"\nteam = \"oncall\"\nlabels = {{ {labels} }}\n\
         [channel.chat.probe.door]\nevery = \"100ms\"\nhttp = {{ url = \"{}\" }}\n",
        alertmanager.address,
        door.url("/")
    )
}

#[tokio::test]
async fn an_outage_is_an_alert_until_it_is_over_whatever_happens_meanwhile() {
    let (door, told) = (Hooks::start().await, Hooks::start().await);
    let mut alertmanager = Alertmanager::start(&told).await;
    door.behave(Manner::Say("500 Oops", "", "broken".to_owned()));
    let running = Running::start(&config(&alertmanager, &door, "product = \"shop\""), &[]).await;
    until("the alert is there", async || alertmanager.alerts().await.len() == 1).await;
    let alert = alertmanager.alerts().await.remove(0);
    let incident = alert["labels"]["incident"].as_str().unwrap().to_owned();
    let expected = serde_json::json!({
        "alertname": "SupportChannelDark", "severity": "critical", "channel": "chat", "kind": "chat",
        "team": "oncall", "location": "fra-1", "product": "shop", "incident": incident,
    });
    assert_eq!(alert["labels"], expected);
    assert_eq!(alert["status"]["state"], "active");
    assert_eq!(alert["annotations"]["summary"], "[DARK] chat: Chat");
    assert_eq!(alert["annotations"]["description"], "the chat shows an error");
    assert_eq!(alert["generatorURL"], "https://lamplighter.example.com/");
    until("others are told", async || told.requests().iter().any(|it| it.json()["status"] == "firing")).await;

    // What it has in its memory alone is gone with a restart, and is told again.
    alertmanager.restart().await;
    until("the alert is there again", async || alertmanager.alerts().await.len() == 1).await;
    assert_eq!(alertmanager.alerts().await[0]["labels"], expected);

    // The end is that of the alert that stands, also when the channel has other labels by now.
    std::fs::write(running.config(), config(&alertmanager, &door, "product = \"other\"")).unwrap();
    running.signal(Signal::SIGHUP);
    until("it is reloaded", async || running.has_said("reloaded the configuration")).await;
    door.behave(Manner::Say("200 OK", "", "works".to_owned()));
    until("the alert is over", async || alertmanager.alerts().await.is_empty()).await;
    until("others are told of the end", async || {
        let is_end = |body: &Value| {
            body["status"] == "resolved" && body["alerts"][0]["labels"]["incident"] == incident.as_str()
        };
        told.requests().iter().any(|request| is_end(&request.json()))
    })
    .await;
    let delivered = "lamplighter_notifications_total{result=\"delivered\",route=\"alertmanager\"}";
    assert_eq!(running.sum(delivered).await, 2.0, "what is told again is no other notification");
}

/// What was told, as if the outage had begun so many seconds ago.
fn of(story: &Story, ago: u64) -> Notification {
    as_of(story.announcement.notifications[0].clone(), ago)
}

fn as_of(mut notification: Notification, ago: u64) -> Notification {
    let began_at = Clock::system().now() - Duration::from_secs(ago);
    let facts = &mut notification.content.facts;
    facts.resolved_at = facts.resolved_at.map(|_| Clock::system().now() - Duration::from_secs(1));
    facts.began_at = began_at;
    facts.channels.iter_mut().for_each(|channel| channel.since = began_at);
    notification.created_at = Clock::system().now();
    notification
}

fn route_to(address: SocketAddr) -> AlertmanagerRoute {
    let alertmanager = alertmanager::Alertmanager {
        url: format!("http://{address}/").parse().unwrap(),
        url_secret: None,
        credentials: Some(("lamplighter".to_owned(), Secret::new("a-password".to_owned()))),
        root_ca: None,
    };
    AlertmanagerRoute::new(alertmanager, Limits::default(), Clock::system()).unwrap()
}

/// Degraded, then dark, then over.
fn incident() -> [Story; 3] {
    let recipients = vec![Recipient { route: Route::Alertmanager, address: "main".to_owned() }];
    let situation = Situation { recipients, alert_on_degraded: true, ..Situation::chat() };
    let opened = situation.opened(State::Degraded);
    let worsened = situation.followed(&opened, State::Dark, 60);
    let resolved = situation.followed(&worsened, State::Up, 120);
    [opened, worsened, resolved]
}

#[tokio::test]
async fn an_incident_that_becomes_worse_is_another_alert_and_its_end_leaves_none() {
    let told = Hooks::start().await;
    let alertmanager = Alertmanager::start(&told).await;
    let route = route_to(alertmanager.address);
    let [opened, worsened, resolved] = incident();
    let stages =
        [(opened, Some("SupportChannelDegraded")), (worsened, Some("SupportChannelDark")), (resolved, None)];
    for (story, expected) in &stages {
        let delivery = route.send(&of(story, 300), Duration::ZERO).await;
        assert!(matches!(delivery, Delivery::Accepted(_)), "{delivery:?}");
        until(&format!("it has {expected:?} alone"), async || {
            let alerts = alertmanager.alerts().await;
            let names: Vec<_> =
                alerts.iter().map(|alert| alert["labels"]["alertname"].as_str().unwrap()).collect();
            names == expected.iter().copied().collect::<Vec<_>>()
        })
        .await;
    }
}

#[tokio::test]
async fn an_alert_has_the_severity_that_the_operator_gave_it_and_its_name_says_how_bad_it_is() {
    let hooks = Hooks::start().await;
    hooks.behave(Manner::Say("200 OK", "", "[]".to_owned()));
    let urgencies = Urgencies { dark: Urgency::Info, degraded: Urgency::Error };
    let recipients = vec![Recipient { route: Route::Alertmanager, address: "main".to_owned() }];
    let situation = Situation { recipients, alert_on_degraded: true, urgencies, ..Situation::chat() };
    for (state, name, severity) in
        [(State::Degraded, "SupportChannelDegraded", "error"), (State::Dark, "SupportChannelDark", "info")]
    {
        let opened = of(&situation.opened(state), 300);
        route_to(hooks.address).send(&opened, Duration::ZERO).await;
        let labels = hooks.requests().pop().unwrap().json()[0]["labels"].take();
        assert_eq!([&labels["alertname"], &labels["severity"]], [name, severity]);
    }
}

#[tokio::test]
async fn what_still_stands_after_quiet_hours_is_an_alert_and_its_end_leaves_none() {
    let told = Hooks::start().await;
    let alertmanager = Alertmanager::start(&told).await;
    let main = Recipient { route: Route::Alertmanager, address: "main".to_owned() };
    let mut play = ladder::Play::new(Ladder::default());
    play.urgencies = quiet::LOW;
    play.world.quiet = quiet::quiet("03:00-07:00", "Europe/Berlin");
    play.world.teams = BTreeMap::from([(TeamId::new("oncall"), vec![main.clone()])]);
    play.world.alerts = BTreeSet::from([main]);
    play.becomes("hotline", State::Dark);
    play.becomes("web-chat", State::Dark);
    play.pass(600);
    play.becomes("hotline", State::Up);
    play.pass(4 * 3_600);
    let held = play.last_notification();
    play.becomes("web-chat", State::Up);
    let resolved = play.last_notification();
    let route = route_to(alertmanager.address);
    for (notification, expected) in [(held, vec![("web-chat", "warning")]), (resolved, vec![])] {
        let delivery = route.send(&as_of(notification, 300), Duration::ZERO).await;
        assert!(matches!(delivery, Delivery::Accepted(_)), "{delivery:?}");
        until(&format!("it has {expected:?} alone"), async || {
            let alerts = alertmanager.alerts().await;
            let label = |alert: &Value, name: &str| alert["labels"][name].as_str().unwrap().to_owned();
            let have: Vec<_> =
                alerts.iter().map(|alert| (label(alert, "channel"), label(alert, "severity"))).collect();
            have.iter().map(|(channel, severity)| (&**channel, &**severity)).eq(expected.iter().copied())
        })
        .await;
    }
}

#[tokio::test]
async fn an_alertmanager_whose_clock_is_behind_is_told_of_the_end_until_it_is_over() {
    let behind = Hooks::start().await;
    let date = Timestamp::from_second(Clock::system().now().as_second() - 600).unwrap();
    let date = date.strftime("%a, %d %b %Y %H:%M:%S GMT").to_string();
    let headers: &'static str = format!("date: {date}\r\n").leak();
    behind.behave(Manner::Say("200 OK", headers, "[]".to_owned()));
    let [_, _, resolved] = incident();
    let delivery = route_to(behind.address).send(&of(&resolved, 300), Duration::ZERO).await;
    let Delivery::Deferred(words) = delivery else { panic!("{delivery:?}") };
    assert!(words.ends_with(" s behind the end of the outage"), "{words}");
    let requests = behind.requests();
    assert!(requests[0].line.starts_with("GET /api/v2/alerts?filter=incident%3D%22"), "{}", requests[0].line);
    assert_eq!(requests[1].line, "POST /api/v2/alerts HTTP/1.1");
    assert_eq!(requests[1].header("authorization"), "Basic bGFtcGxpZ2h0ZXI6YS1wYXNzd29yZA==");
    assert_eq!(requests[1].json()[0]["labels"]["product"], "shop", "what it has forgotten is ended too");
}

#[tokio::test]
async fn that_mails_are_lost_is_an_alert_until_they_arrive_again() {
    let told = Hooks::start().await;
    let mut alertmanager = Alertmanager::start(&told).await;
    let refusing = Sink::start(Protection::None).await;
    refusing.answer_recipient("nobody@example.com", "550 5.1.1 no such user");
    let config = |to: &str| {
        format!(
            "[monitor]\nlisten = \"127.0.0.1:0\"\nlocation = \"fra-1\"\n\
             [mail]\nfrom = \"l@example.com\"\nsmtp = \"smtp+plain://127.0.0.1:{}\"\n{to}\
             [alertmanager.main]\nurl = \"http://{}/\"\n[team.oncall]\nalertmanager = [\"main\"]\n\
             [channel.chat]\nkind = \"chat\"\nteam = \"oncall\"\n\
             [channel.chat.probe.door]\nevery = \"1h\"\nhttp = {{ url = \"{}\" }}\n",
            refusing.port(),
            alertmanager.address,
            told.url("/")
        )
    };
    let with_canary = config("[mail.canary]\nto = \"nobody@example.com\"\n");
    let running = Running::start(&with_canary, &[]).await;
    let without = config("");
    let names = async |alertmanager: &Alertmanager| {
        let alerts = alertmanager.alerts().await;
        alerts
            .iter()
            .map(|alert| alert["labels"]["alertname"].as_str().unwrap().to_owned())
            .collect::<Vec<_>>()
    };
    until("the alert is there", async || names(&alertmanager).await == ["LamplighterCanaryLost"]).await;
    let alert = alertmanager.alerts().await.remove(0);
    assert_eq!(
        (&alert["labels"]["route"], &alert["labels"]["severity"]),
        (&"mail".into(), &"critical".into())
    );
    assert!(alert["annotations"]["description"].as_str().unwrap().contains("no such user"), "{alert:#}");
    // It is said again to one that has forgotten it.
    alertmanager.restart().await;
    until("the alert is there again", async || names(&alertmanager).await == ["LamplighterCanaryLost"]).await;
    std::fs::write(running.config(), without).unwrap();
    running.signal(Signal::SIGHUP);
    until("the alert is over", async || alertmanager.alerts().await.is_empty()).await;
}
