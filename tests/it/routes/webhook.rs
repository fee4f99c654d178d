//! Webhooks: what is sent is golden, signed, and harmless whatever a target said; what is answered is understood.

use std::{
    collections::{BTreeMap, BTreeSet},
    time::Duration,
};

use base64::{Engine, engine::general_purpose::STANDARD};
use expect_test::expect_file;
use lamplighter::{
    clock::Clock,
    domain::{
        channel::TeamId,
        escalation::Ladder,
        evaluation::State,
        incident::IncidentEvent,
        notification::{Notification, Recipient, Route, facts::Facts},
        outcome::{Detail, Failure},
        urgency::{Urgencies, Urgency},
    },
    notify::{
        Delivery, Notifier,
        post::Limits,
        webhook::{Template, Webhook, WebhookRoute},
    },
    secret::Secret,
};
use sha2::{Digest, Sha256};
use tokio::io::AsyncWriteExt;

use crate::{
    hooks::{Hooks, Manner},
    ladder,
    loopback::{Server, certificates::Authority, read_request},
    mails::{
        canary::lost_and_back,
        situations::{Situation, Story},
    },
    quiet,
};

const ROUTING_KEY: &str = "0123456789abcdef0123456789abcdef";

fn webhook(hooks: &Hooks, template: Template) -> Webhook {
    Webhook {
        url: hooks.url("/hook?token=1").parse().unwrap(),
        url_secret: None,
        template,
        key: None,
        routing_key: (template == Template::Pagerduty).then(|| Secret::new(ROUTING_KEY.to_owned())),
        root_ca: None,
    }
}

fn route(webhook: Webhook) -> WebhookRoute {
    WebhookRoute::new(webhook, Limits::default(), Clock::system()).unwrap()
}

fn situation() -> Situation {
    let recipient = Recipient { route: Route::Webhook, address: "ops".to_owned() };
    Situation { recipients: vec![recipient], ..Situation::chat() }
}

fn only(story: &Story) -> Notification {
    assert_eq!(story.announcement.notifications.len(), 1);
    story.announcement.notifications[0].clone()
}

/// The outage and its end.
fn outage(situation: &Situation) -> (Notification, Notification) {
    let opened = situation.opened(State::Dark);
    let resolved = situation.followed(&opened, State::Up, 780);
    (only(&opened), only(&resolved))
}

async fn send(route: &WebhookRoute, notification: &Notification) -> Delivery {
    route.send(notification, Duration::ZERO).await
}

#[tokio::test]
async fn what_is_sent_is_what_the_other_side_reads() {
    let (opened, resolved) = outage(&situation());
    let content = opened.content.with_acknowledge("https://lamplighter.example.com/acknowledge/ID/SIGNATURE");
    let linked = Notification { content, ..opened.clone() };
    let (lost, back) = lost_and_back();
    let all = [
        (&opened, "opened"),
        (&linked, "acknowledge"),
        (&resolved, "resolved"),
        (&lost, "canary-lost"),
        (&back, "canary-back"),
    ];
    for (template, name) in [
        (Template::Json, "json"),
        (Template::Slack, "slack"),
        (Template::Teams, "teams"),
        (Template::Pagerduty, "pagerduty"),
    ] {
        let hooks = Hooks::start().await;
        let route = route(webhook(&hooks, template));
        for (notification, event) in all {
            assert_eq!(send(&route, notification).await, Delivery::Accepted("200 ok".to_owned()));
            let request = hooks.requests().pop().unwrap();
            assert_eq!(request.line, "POST /hook?token=1 HTTP/1.1");
            assert_eq!(request.header("host"), hooks.address.to_string());
            assert_eq!(request.header("content-type"), "application/json");
            let body = serde_json::to_string_pretty(&request.json()).unwrap() + "\n";
            expect_file![format!("../../golden/webhooks/{name}-{event}.json")].assert_eq(&body);
        }
    }
}

/// What is told after a night in which the hotline came and went and the chat fell.
fn held() -> Notification {
    let webhook = Recipient { route: Route::Webhook, address: "ops".to_owned() };
    let mut play = ladder::Play::new(Ladder::default());
    play.urgencies = quiet::LOW;
    play.world.quiet = quiet::quiet("03:00-07:00", "Europe/Berlin");
    play.world.teams = BTreeMap::from([(TeamId::new("oncall"), vec![webhook])]);
    play.becomes("hotline", State::Dark);
    play.pass(600);
    play.becomes("hotline", State::Up);
    play.becomes("web-chat", State::Dark);
    play.pass(4 * 3_600);
    let told = play.last_notification();
    assert_eq!(told.event, IncidentEvent::Held);
    told
}

#[tokio::test]
async fn what_was_held_in_quiet_hours_is_sent_as_the_other_side_reads_it() {
    let held = held();
    for (template, name) in [(Template::Json, "json"), (Template::Slack, "slack"), (Template::Teams, "teams")]
    {
        let hooks = Hooks::start().await;
        let sent = send(&route(webhook(&hooks, template)), &held).await;
        assert!(matches!(sent, Delivery::Accepted(_)));
        let body = serde_json::to_string_pretty(&hooks.requests().pop().unwrap().json()).unwrap() + "\n";
        expect_file![format!("../../golden/webhooks/{name}-held.json")].assert_eq(&body);
    }
}

#[tokio::test]
async fn what_still_stands_after_quiet_hours_is_an_incident_of_its_own_at_pagerduty() {
    let pager = Recipient { route: Route::Webhook, address: "pager".to_owned() };
    let mut play = ladder::Play::new(Ladder::default());
    play.urgencies = quiet::LOW;
    play.world.quiet = quiet::quiet("03:00-07:00", "Europe/Berlin");
    play.world.teams = BTreeMap::from([(TeamId::new("oncall"), vec![pager.clone()])]);
    play.world.alerts = BTreeSet::from([pager]);
    play.becomes("web-chat", State::Dark);
    let id = play.id();
    play.pass(4 * 3_600);
    let held = play.last_notification();
    play.becomes("web-chat", State::Up);
    let resolved = play.last_notification();
    let hooks = Hooks::start().await;
    let route = route(webhook(&hooks, Template::Pagerduty));
    for notification in [&held, &resolved] {
        send(&route, notification).await;
    }
    let events: Vec<_> = hooks.requests().iter().map(|request| request.json()).collect();
    let body = serde_json::to_string_pretty(&events[0]).unwrap() + "\n";
    expect_file!["../../golden/webhooks/pagerduty-held.json"].assert_eq(&body);
    let actions = events.iter().map(|event| event["event_action"].as_str().unwrap());
    assert_eq!(actions.collect::<Vec<_>>(), ["trigger", "resolve"]);
    assert!(events.iter().all(|event| event["dedup_key"] == id.0.as_str()));
}

#[tokio::test]
async fn all_that_is_said_of_one_incident_is_one_incident_at_pagerduty() {
    let hooks = Hooks::start().await;
    hooks.behave(Manner::Say("202 Accepted", "", r#"{"status":"success"}"#.to_owned()));
    let route = route(webhook(&hooks, Template::Pagerduty));
    let (opened, resolved) = outage(&situation());
    for notification in [&opened, &resolved] {
        assert!(matches!(send(&route, notification).await, Delivery::Accepted(_)));
    }
    let events: Vec<_> = hooks.requests().iter().map(|request| request.json()).collect();
    let actions = events.iter().map(|event| event["event_action"].as_str().unwrap());
    assert_eq!(actions.collect::<Vec<_>>(), ["trigger", "resolve"]);
    for event in &events {
        assert_eq!(event["dedup_key"], opened.incident.0.as_str());
        assert_eq!(event["routing_key"], ROUTING_KEY);
    }
}

#[tokio::test]
async fn the_severity_is_the_one_that_the_operator_gave_it_and_that_of_the_worst_it_has_been() {
    let urgencies = Urgencies { dark: Urgency::Error, degraded: Urgency::Info };
    let situation = Situation { alert_on_degraded: true, urgencies, ..situation() };
    let opened = situation.opened(State::Degraded);
    let worsened = situation.followed(&opened, State::Dark, 60);
    let resolved = situation.followed(&worsened, State::Up, 120);
    let hooks = Hooks::start().await;
    let (json, pager) = (route(webhook(&hooks, Template::Json)), route(webhook(&hooks, Template::Pagerduty)));
    for (story, severity, state, worst) in [
        (&opened, "info", "degraded", "degraded"),
        (&worsened, "error", "dark", "dark"),
        (&resolved, "error", "up", "dark"),
    ] {
        let notification = only(story);
        send(&json, &notification).await;
        let data = hooks.requests().pop().unwrap().json()["data"].take();
        assert_eq!([&data["severity"], &data["state"], &data["worst"]], [severity, state, worst]);
        send(&pager, &notification).await;
        assert_eq!(hooks.requests().pop().unwrap().json()["payload"]["severity"], severity);
    }
}

#[test]
fn what_was_kept_before_operators_gave_severities_is_as_severe_as_by_default() {
    let (opened, _) = outage(&situation());
    for (kept, severity) in [("dark", Urgency::Critical), ("degraded", Urgency::Warning)] {
        let mut facts = serde_json::to_value(&opened.content.facts).unwrap();
        facts["severity"] = kept.into();
        facts.as_object_mut().unwrap().remove("worst");
        let read: Facts = serde_json::from_value(facts).unwrap();
        assert_eq!((read.severity, read.worst), (Some(severity), None));
    }
}

/// RFC 2104, written out.
fn hmac_sha256(key: &[u8], message: &[u8]) -> Vec<u8> {
    let mut block = [0_u8; 64];
    block[..key.len()].copy_from_slice(key);
    let keyed = |pad: u8| block.map(|byte| byte ^ pad);
    let inner = Sha256::new().chain_update(keyed(0x36)).chain_update(message).finalize();
    Sha256::new().chain_update(keyed(0x5c)).chain_update(inner).finalize().to_vec()
}

#[tokio::test]
async fn a_request_is_signed_as_the_standard_webhooks_are() {
    let (opened, resolved) = outage(&situation());
    let raw = b"0123456789abcdef01234567";
    for (text, key) in [
        (format!("whsec_{}", STANDARD.encode(raw)), raw.to_vec()),
        ("a key in plain letters".to_owned(), b"a key in plain letters".to_vec()),
    ] {
        let hooks = Hooks::start().await;
        let route = route(Webhook { key: Some(Secret::new(text)), ..webhook(&hooks, Template::Json) });
        for notification in [&opened, &opened, &resolved] {
            send(&route, notification).await;
        }
        let requests = hooks.requests();
        let now = Clock::system().now().as_second();
        for request in &requests {
            let (id, time) = (request.header("webhook-id"), request.header("webhook-timestamp"));
            let signed = format!("{id}.{time}.{}", request.body);
            let signature = format!("v1,{}", STANDARD.encode(hmac_sha256(&key, signed.as_bytes())));
            assert_eq!(request.header("webhook-signature"), signature);
            assert!((now - time.parse::<i64>().unwrap()).abs() < 60, "{time}");
            assert!(!id.contains('.'), "{id}");
        }
        assert_eq!(requests[0].header("webhook-id"), requests[1].header("webhook-id"), "a copy is known");
        assert_ne!(requests[0].header("webhook-id"), requests[2].header("webhook-id"));
    }
}

#[tokio::test]
async fn what_a_target_said_mentions_nobody_and_links_nowhere() {
    let words = "<!channel> <https://evil.example|log in> [log in](https://evil.example) \u{202e} & more";
    let mut situation = Situation { title: "A <!here> \u{1b}[31m door".to_owned(), ..situation() };
    situation.failure = Failure { detail: Detail::new(words), ..situation.failure };
    let (opened, _) = outage(&situation);
    for (template, refused) in [
        (Template::Slack, &["<!", "<h", "\u{202e}", "\u{1b}"][..]),
        (Template::Teams, &["\"TextBlock\"", "FactSet", "\u{202e}", "\u{1b}"][..]),
    ] {
        let hooks = Hooks::start().await;
        send(&route(webhook(&hooks, template)), &opened).await;
        let body = hooks.requests()[0].body.clone();
        assert!(body.contains("evil.example"), "{body}");
        for mark in refused {
            assert!(!body.contains(mark), "{mark:?} in {body}");
        }
    }
}

#[tokio::test]
async fn what_is_refused_is_final_and_what_is_broken_is_tried_again() {
    let hooks = Hooks::start().await;
    let secret = Secret::new(hooks.url("/hook?token=1"));
    let route = route(Webhook { url_secret: Some(secret), ..webhook(&hooks, Template::Json) });
    let (opened, _) = outage(&situation());
    let echo = format!("no such hook: {}", hooks.url("/hook?token=1"));
    for (status, headers, expected) in [
        ("404 Not Found", "", Delivery::Permanent("404 no such hook: ***".to_owned())),
        (
            "429 Too Many",
            "retry-after: 30\r\n",
            Delivery::Busy("429 no such hook: ***".to_owned(), Duration::from_secs(30)),
        ),
        ("503 Oops", "", Delivery::Transient("503 no such hook: ***".to_owned())),
        (
            "302 Found",
            "location: http://127.0.0.1:1/\r\n",
            Delivery::Transient("302 no such hook: *** (redirects are not followed)".to_owned()),
        ),
    ] {
        hooks.behave(Manner::Say(status, headers, echo.clone()));
        assert_eq!(send(&route, &opened).await, expected);
    }
}

#[tokio::test]
async fn an_endpoint_that_repeats_the_link_does_not_get_it_into_our_words() {
    let link = "https://lamplighter.example.com/acknowledge/ID/v61Ynf4DSCxCV9ayZVcoMPJ2hG9vkpoRmGcy1opjMxo";
    let (opened, _) = outage(&situation());
    let content = opened.content.with_acknowledge(link);
    let linked = Notification { content, ..opened.clone() };
    let hooks = Hooks::start().await;
    let route = route(webhook(&hooks, Template::Json));
    for (status, repeated) in [("404 Not Found", link.to_owned()), ("503 Oops", STANDARD.encode(link))] {
        hooks.behave(Manner::Say(status, "", format!("I know no {repeated}")));
        let said = format!("{:?}", send(&route, &linked).await);
        assert!(said.contains("I know no") && said.contains("***"), "{said}");
        assert!(!said.contains("v61Y") && !said.contains(&STANDARD.encode(link)[60..]), "{said}");
    }
}

#[tokio::test]
async fn an_endpoint_that_is_away_or_silent_is_down() {
    let (opened, _) = outage(&situation());
    let hooks = Hooks::start().await;
    hooks.behave(Manner::Hang);
    let hasty = Limits { whole: Duration::from_millis(300), ..Limits::default() };
    let silent = WebhookRoute::new(webhook(&hooks, Template::Json), hasty, Clock::system()).unwrap();
    let words = "the whole request: not done within 0.3 s".to_owned();
    assert_eq!(send(&silent, &opened).await, Delivery::Transient(words));

    let closed = std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
    let url = format!("http://{closed}/").parse().unwrap();
    let away = route(Webhook { url, ..webhook(&hooks, Template::Json) });
    let Delivery::Transient(words) = send(&away, &opened).await else { panic!() };
    assert!(words.starts_with("connecting: Connection refused"), "{words}");

    let blunt = Server::start(|mut stream| async move {
        drop(stream.write_all(b"HTTP/1.1 400 Bad Request\r\n\r\n").await);
    })
    .await;
    let tls = format!("https://{}/", blunt.address).parse().unwrap();
    let no_tls = route(Webhook { url: tls, ..webhook(&hooks, Template::Json) });
    let Delivery::Transient(words) = send(&no_tls, &opened).await else { panic!() };
    assert!(words.starts_with("TLS handshake: "), "{words}");
}

#[tokio::test]
async fn a_request_goes_by_tls_to_whom_the_certificate_names_and_to_nobody_else() {
    let authority = Authority::new();
    let (opened, _) = outage(&situation());
    let hooks = Hooks::start().await;
    for (name, root_ca, expected) in [
        ("127.0.0.1", true, "200 ok"),
        ("127.0.0.1", false, "TLS handshake: invalid peer certificate: UnknownIssuer"),
        ("other.example", true, "TLS handshake: invalid peer certificate: certificate not valid for name"),
    ] {
        let acceptor = authority.sign(&[name], |_| {}).acceptor(&[]);
        let server = Server::start(move |stream| {
            let acceptor = acceptor.clone();
            async move {
                let Ok(mut stream) = acceptor.accept(stream).await else { return };
                read_request(&mut stream).await;
                drop(stream.write_all(b"HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\nok").await);
            }
        })
        .await;
        let url = format!("https://{}/", server.address).parse().unwrap();
        let root_ca = root_ca.then(|| authority.pem().into());
        let route = route(Webhook { url, root_ca, ..webhook(&hooks, Template::Json) });
        match send(&route, &opened).await {
            Delivery::Accepted(words) | Delivery::Transient(words) => {
                assert!(words.starts_with(expected), "{name}: {words}");
            }
            other => panic!("{name}: {other:?}"),
        }
    }
}
