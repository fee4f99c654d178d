//! Chats over real sockets: what the service does, and what is told of it; how it is left; what a hostile one can do.

mod hostile;
mod running;
pub mod service;

use std::{path::Path, sync::Arc, time::Duration};

use lamplighter::{
    clock::Clock,
    domain::{
        channel::{ChannelId, ProbeKey, ProbeName},
        contact::Contact,
        outcome::{InconclusiveReason, Reason, Verdict},
    },
    probe::{
        chat::ChatSettings,
        run::{self, Ended},
        settings::{BuildContext, Built},
        transport::{Transport, resolve::Resolver},
    },
    secret::{Redactor, Secret},
    setting::{At, Problem},
};
use serde_json::{Value, json};
use tokio_util::sync::CancellationToken;

use self::service::{Act, Service};
use crate::loopback::Ground;

const SECRET: &str = "visitor-canary-77aa";

/// How a customer's page talks to the service, over a WebSocket and by polling.
const WEBSOCKET: &str = r#"
    websocket = { http = { url = "BASE/socket", headers = { origin = "https://shop.example" } }, protocols = ["chat.v1"], first = [{ json = { type = "hello", visitor = "{nonce}", token = "{token}" } }], say = { json = { type = "message", text = "{text}" } }, leave = { json = { type = "bye" } } }
"#;
const POLLING: &str = r#"
    polling = { open = [{ name = "open", http = { url = "BASE/conversations", body = { json = { visitor = "{nonce}", token = "{token}" } } }, capture = { id = { json = "$.id" } } }], say = { http = { url = "BASE/conversations/{id}/messages", body = { json = { text = "{text}" } } } }, hear = { http = { url = "BASE/conversations/{id}/messages" }, messages = "$.messages[*]", id = "$.id", every = "100ms" }, leave = { http = { method = "DELETE", url = "BASE/conversations/{id}" } } }
"#;
const TALK: &str = r#"
    text = "$.text"
    secrets = { token = { file = "token" } }
    steps = [
        { name = "greeting", within = "400ms" },
        { name = "order", say = "Where is my order?", expect = { matches = "(?i)number" }, within = "400ms" },
        { name = "person", say = "human please", from = "person", within = "600ms", late_after = "300ms" },
    ]
    [signs]
    person = [{ json = "$.agent" }]
    queue = [{ json = "$.type", equals = "queue", position = "$.position" }]
    handover = [{ json = "$.type", equals = "handover" }]
    busy = [{ matches = "(?i)all agents are busy" }]
    closed = [{ json = "$.open", equals = false }]
    own = [{ json = "$.from", equals = "visitor" }]
"#;

fn key() -> ProbeKey {
    ProbeKey { channel: ChannelId::new("web-chat"), probe: ProbeName::new("talk") }
}

fn build(toml: &str, timeout: Duration) -> Result<Built, Vec<Problem>> {
    let directory = tempfile::TempDir::new().unwrap();
    std::fs::write(directory.path().join("token"), SECRET).unwrap();
    build_in(directory.path(), toml, timeout)
}

fn build_in(directory: &Path, toml: &str, timeout: Duration) -> Result<Built, Vec<Problem>> {
    let settings: ChatSettings = toml::from_str(toml).unwrap_or_else(|error| panic!("{error}"));
    let settings = At { span: 0..toml.len(), value: settings };
    let (ground, transport) = (Ground::new(key(), directory), Transport::new(Resolver::system()));
    let every = Duration::from_secs(3_600);
    let context = BuildContext { every, transport: &transport, ..ground.context(timeout) };
    ChatSettings::build(&settings, &context)
}

/// Runs a chat once, as the daemon does.
async fn run_built(built: &Built, timeout: Duration, stop: &CancellationToken) -> Option<Ended> {
    let redactor = Redactor::new(&[Secret::new(SECRET.to_owned())]);
    run::run(&*built.probe, Arc::new(key()), timeout, Clock::system(), &redactor, stop).await
}

async fn talk(place: &str, rest: &str, service: &Service) -> Ended {
    let timeout = Duration::from_secs(5);
    let toml = format!("{}{rest}", place.replace("BASE", &service.base));
    let built = build(&toml, timeout).unwrap_or_else(|problems| panic!("{problems:?}"));
    run_built(&built, timeout, &CancellationToken::new()).await.unwrap()
}

fn bot(text: &str) -> Act {
    Act::Say(json!({ "from": "bot", "text": text }))
}

fn event(event: Value) -> Act {
    Act::Say(event)
}

fn verdict(ended: &Ended) -> (&'static str, Option<Reason>) {
    let verdict = &ended.outcome.verdict;
    (verdict.as_str(), verdict.failure().map(|failure| failure.reason))
}

/// Its name, what it does, and the outcome with its reason.
type Row = (&'static str, Vec<Vec<Act>>, &'static str, Option<Reason>);

/// What a service does to a customer: at the opening, and at each thing that is said.
fn services() -> Vec<Row> {
    let hello = || vec![bot("Hello!")];
    let number = || vec![bot("What is its number?")];
    let kim = || event(json!({ "agent": { "name": "Kim" } }));
    let queue = |position: u32| event(json!({ "type": "queue", "position": position }));
    vec![
        ("answered", vec![hello(), number(), vec![queue(2), Act::Wait(50), kim()]], "ok", None),
        (
            "answered with an echo",
            vec![
                hello(),
                vec![event(json!({ "from": "visitor", "text": "number?" })), bot("Its number?")],
                vec![kim()],
            ],
            "ok",
            None,
        ),
        (
            "answered late",
            vec![hello(), number(), vec![queue(2), Act::Wait(400), kim()]],
            "degraded",
            Some(Reason::Late),
        ),
        (
            "queued without end",
            vec![hello(), number(), vec![queue(4), Act::Wait(100), queue(4)]],
            "failed",
            Some(Reason::QueueTimeout),
        ),
        (
            "called and not come",
            vec![hello(), number(), vec![event(json!({ "type": "handover" }))]],
            "failed",
            Some(Reason::NoAnswer),
        ),
        ("nobody comes", vec![hello(), number(), vec![]], "failed", Some(Reason::NoAnswer)),
        ("silent", vec![vec![]], "failed", Some(Reason::Silent)),
        ("silent once asked", vec![hello(), vec![]], "failed", Some(Reason::Silent)),
        (
            "typing for ever",
            vec![
                hello(),
                vec![event(json!({ "typing": true })), Act::Wait(50), event(json!({ "typing": true }))],
            ],
            "failed",
            Some(Reason::Silent),
        ),
        (
            "busy",
            vec![hello(), number(), vec![bot("Sorry, all agents are busy.")]],
            "failed",
            Some(Reason::Busy),
        ),
        (
            "closed",
            vec![vec![event(json!({ "open": false, "text": "Leave us a message" }))]],
            "failed",
            Some(Reason::Closed),
        ),
        (
            "a bot and no way out",
            vec![hello(), number(), vec![bot("Please read our help centre.")]],
            "failed",
            Some(Reason::BotOnly),
        ),
        ("a wrong answer", vec![hello(), vec![bot("I like trains.")]], "failed", Some(Reason::Content)),
    ]
}

#[tokio::test]
async fn each_service_is_told_with_its_one_right_reason_over_either_line() {
    for (line, place) in [("websocket", WEBSOCKET), ("polling", POLLING)] {
        for (name, says, outcome, reason) in services() {
            let service = Service::open(says).await;
            let ended = talk(place, TALK, &service).await;
            println!("chat/{line:<10} {name:<24} expected {outcome} {reason:?}, got {:?}", verdict(&ended));
            assert_eq!(verdict(&ended), (outcome, reason), "{line} {name}: {:?}", ended.outcome.verdict);
            assert_eq!(service.farewells(), 1, "{line} {name}: the conversation is left once");
        }
    }
}

#[tokio::test]
async fn a_bot_that_goes_in_a_circle_is_told_before_the_wait_is_over() {
    let circle = || vec![bot("Sorry, I did not understand.")];
    let says = vec![vec![bot("Hello!")], vec![bot("What is its number?")], circle(), circle(), circle()];
    let again = TALK.replace(
        "from = \"person\", within = \"600ms\"",
        "from = \"person\", again = [\"agent\", \"person!\"], within = \"20s\"",
    );
    let service = Service::open(says).await;
    let toml = format!("{}{again}", WEBSOCKET.replace("BASE", &service.base));
    let timeout = Duration::from_secs(30);
    let built = build(&toml, timeout).unwrap_or_else(|problems| panic!("{problems:?}"));
    let ended = run_built(&built, timeout, &CancellationToken::new()).await.unwrap();
    assert_eq!(verdict(&ended), ("failed", Some(Reason::BotOnly)));
    let detail = ended.outcome.verdict.failure().unwrap().detail.as_str();
    assert_eq!(detail, "the same reply 3 times: \"Sorry, I did not understand.\"");
    assert!(ended.outcome.duration < Duration::from_secs(15), "{:?}", ended.outcome.duration);
}

/// An event, which polling numbers and a WebSocket does not.
fn in_words(said: &str) -> &str {
    if said.starts_with('{') && said.contains("\"position\":3") { "in the queue" } else { said }
}

#[tokio::test]
async fn an_answer_has_its_clocks_its_place_and_its_transcript() {
    for place in [WEBSOCKET, POLLING] {
        let says = vec![
            vec![bot("Hello!")],
            vec![bot("What is its number?")],
            vec![
                event(json!({ "type": "queue", "position": 3 })),
                Act::Wait(150),
                event(json!({ "agent": { "name": "Kim" }, "text": "Kim here" })),
            ],
        ];
        let service = Service::open(says).await;
        let ended = talk(place, TALK, &service).await;
        let contact = ended.outcome.contact.as_deref().expect("a chat measures");
        let Contact { bot, person, queued, queue_position, steps, person_asked, waited_in_vain } = contact;
        assert!(bot.is_some() && person.unwrap() >= Duration::from_millis(150), "{contact:?}");
        assert!(queued.unwrap() <= person.unwrap(), "{contact:?}");
        assert_eq!((*queue_position, *steps, *person_asked), (Some(3), Some(2), true));
        assert!(!waited_in_vain);
        let lines: Vec<String> = ended
            .transcript
            .iter()
            .map(|said| format!("{}: {}", said.speaker.as_str(), in_words(said.text.as_str())))
            .collect();
        assert_eq!(
            lines,
            [
                "bot: Hello!",
                "customer: Where is my order?",
                "bot: What is its number?",
                "customer: human please",
                "service: in the queue",
                "person: Kim here",
            ]
        );
        let phases: Vec<&str> =
            ended.outcome.phases.iter().filter_map(|phase| phase.step.as_deref()).collect();
        for step in ["open", "greeting", "order", "person"] {
            assert!(phases.contains(&step), "{step} of {phases:?}");
        }
    }
}

#[tokio::test]
async fn a_service_is_told_who_comes_and_gets_the_secret_and_nobody_else_does() {
    let service = Service::open(vec![vec![Act::Echo]]).await;
    let ended = talk(WEBSOCKET, TALK, &service).await;
    let hello = service.heard().first().cloned().expect("something was sent first");
    assert_eq!((hello["type"].as_str(), hello["token"].as_str()), (Some("hello"), Some(SECRET)));
    assert!(hello["visitor"].as_str().unwrap().starts_with("lamplighter-"));
    assert_eq!(service.header("origin").as_deref(), Some("https://shop.example"));
    assert_eq!(service.header("sec-websocket-protocol").as_deref(), Some("chat.v1"));
    assert!(!ended.transcript.is_empty(), "the service has said what it was told");
    assert!(!format!("{ended:?}").contains("canary"), "{ended:?}");
}

#[tokio::test]
async fn who_is_told_to_stop_leaves_first() {
    for place in [WEBSOCKET, POLLING] {
        let service =
            Service::open(vec![vec![bot("Hello!")], vec![bot("What is its number?")], vec![]]).await;
        let timeout = Duration::from_secs(60);
        let rest = TALK.replace("600ms", "50s").replace("late_after = \"300ms\"", "late_after = \"40s\"");
        let toml = format!("{}{rest}", place.replace("BASE", &service.base));
        let built = build(&toml, timeout).unwrap_or_else(|problems| panic!("{problems:?}"));
        let stop = CancellationToken::new();
        let mut running = std::pin::pin!(run_built(&built, timeout, &stop));
        tokio::select! {
            ended = &mut running => panic!("nobody has stopped it: {ended:?}"),
            () = service.until_heard("human please") => stop.cancel(),
        }
        let ended = running.await;
        assert!(ended.is_none(), "a run that is told to stop gives no outcome");
        assert_eq!(service.farewells(), 1);
    }
}

#[tokio::test]
async fn a_variable_has_its_value_before_it_is_needed_or_is_refused() {
    let hears = POLLING.replace("messages\" }, messages", "messages?after={mark}\" }, messages");
    let marked = r#"capture = { mark = { json = "$.mark" } } "#;
    let by_leave =
        hears.replace("conversations/{id}\" } }", &format!("conversations/{{id}}\" }}, {marked}}}"));
    let by_say = hears.replace("text = \"{text}\" } } }", &format!("text = \"{{text}}\" }} }} }}, {marked}"));
    let greeting = "        { name = \"greeting\", within = \"400ms\" },\n";
    let asking = TALK.replace(greeting, "");
    assert!(by_leave != hears && by_say != hears && asking != TALK);
    let named = TALK.replace("token = {", "text = {");
    let no_value = Some("the variable \"mark\" has no value here");
    for (place, rest, problem) in [
        (by_leave.as_str(), TALK, no_value),
        (&by_say, TALK, no_value),
        (&by_say, &asking, None),
        (&POLLING.replace("{token}", "{nonce}"), &named, Some("the variable \"text\" is defined already")),
    ] {
        let toml = format!("{}{rest}", place.replace("BASE", "http://127.0.0.1:9"));
        let problems = build(&toml, Duration::from_secs(5)).err().unwrap_or_default();
        let said: Vec<&str> = problems.iter().map(|problem| problem.message.as_str()).collect();
        assert_eq!(said, problem.into_iter().collect::<Vec<_>>(), "{toml}");
    }
}

#[tokio::test]
async fn a_conversation_that_is_opened_by_half_is_left_all_the_same() {
    let service = Service::open(vec![]).await;
    let opened = r#"capture = { id = { json = "$.id" } } }]"#;
    let by_half = opened.replace("}]", r#"}, { name = "enter", http = { url = "BASE/nowhere" } }]"#);
    let ended = talk(&POLLING.replace(opened, &by_half), TALK, &service).await;
    assert_eq!(verdict(&ended), ("failed", Some(Reason::Status)), "{:?}", ended.outcome);
    assert_eq!(ended.outcome.verdict.failure().unwrap().step.as_deref(), Some("enter"));
    assert_eq!(service.farewells(), 1);
}

#[tokio::test]
async fn people_are_asked_no_more_often_than_the_cap_allows() {
    let says = || {
        vec![vec![bot("Hello!")], vec![bot("What is its number?")], vec![event(json!({ "agent": "Kim" }))]]
    };
    let service = Service::open(says()).await;
    let timeout = Duration::from_secs(5);
    let toml = format!("asks_per_day_max = 1\n{}{TALK}", WEBSOCKET.replace("BASE", &service.base));
    let built = build(&toml, timeout).unwrap_or_else(|problems| panic!("{problems:?}"));
    let first = run_built(&built, timeout, &CancellationToken::new()).await.unwrap();
    assert_eq!(verdict(&first), ("ok", None));
    let second = run_built(&built, timeout, &CancellationToken::new()).await.unwrap();
    let Verdict::Inconclusive(why) = &second.outcome.verdict else { panic!("{:?}", second.outcome) };
    assert_eq!(why.reason, InconclusiveReason::Capped);
    assert_eq!(service.heard().iter().filter(|said| said["text"] == "human please").count(), 1);
    assert_eq!(service.farewells(), 2);
}

#[tokio::test]
async fn a_probe_that_asks_people_too_often_is_warned_of() {
    let toml = format!("{}{TALK}", WEBSOCKET.replace("BASE", "http://127.0.0.1:9"));
    let settings: ChatSettings = toml::from_str(&toml).unwrap();
    let settings = At { span: 0..toml.len(), value: settings };
    let directory = tempfile::TempDir::new().unwrap();
    std::fs::write(directory.path().join("token"), SECRET).unwrap();
    for (minutes, warned) in [(30, true), (60, false)] {
        let ground = Ground::new(key(), directory.path());
        let every = Duration::from_secs(60 * minutes);
        let context = BuildContext { every, ..ground.context(Duration::from_secs(5)) };
        let built = ChatSettings::build(&settings, &context).unwrap();
        let warnings: Vec<_> =
            built.warnings.iter().filter(|warning| warning.message.contains("a day")).collect();
        assert_eq!(!warnings.is_empty(), warned, "{warnings:?}");
    }
}
