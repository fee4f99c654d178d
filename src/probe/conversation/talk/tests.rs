//! Conversations on a paused clock, over a line that says what it was told to, when it was told to.

use std::{collections::VecDeque, path::Path, sync::Arc};

use serde::Deserialize;

use super::*;
use crate::{
    domain::channel::{ChannelId, ProbeKey, ProbeName},
    probe::{
        chromium::{Chromium, ChromiumSettings},
        conversation::{
            script::ScriptSettings,
            settings::{SignsSettings, TurnSettings},
        },
        settings::BuildContext,
        steps::Names,
        transport::{Transport, resolve::Resolver},
    },
    secret::Sources,
    setting::{At, Problem},
};

const SIGNS: &str = r#"
    [signs]
    person = [{ matches = "^Kim: " }]
    queue = [{ matches = "number (\\d+) in the queue" }]
    handover = [{ contains = "connecting you" }]
    busy = [{ contains = "agents are busy" }]
    closed = [{ contains = "We are closed" }]
    own = [{ matches = "^You: " }]
"#;

const PERSON: &str = r#"
    steps = [
        { name = "greeting", within = "5s" },
        { name = "order", say = "Where is my order?", expect = { contains = "number" }, within = "10s" },
        { name = "person", say = "human please", from = "person", again = ["agent", "operator"], within = "192s" },
    ]
"#;

#[derive(Deserialize)]
struct Written {
    steps: At<Vec<At<TurnSettings>>>,
    signs: SignsSettings,
}

fn draw(steps: &str, first_response: Option<Duration>) -> Result<Script, Vec<Problem>> {
    let written: Written =
        toml::from_str(&format!("{steps}\n{SIGNS}")).unwrap_or_else(|error| panic!("{error}"));
    let key = ProbeKey { channel: ChannelId::new("web-chat"), probe: ProbeName::new("talk") };
    let (transport, sources) =
        (Transport::new(Resolver::asking(vec![])), Sources::new(Path::new("/nowhere")));
    let chromium = Chromium::new(&ChromiumSettings::default(), &mut Vec::new());
    let timeout = Duration::from_secs(300);
    let context = BuildContext {
        key: &key,
        every: timeout,
        timeout,
        first_response,
        persona: None,
        sources: &sources,
        transport: &transport,
        chromium: &chromium,
    };
    let mut problems = Vec::new();
    let settings = ScriptSettings { steps: &written.steps, signs: &written.signs, others: 0 };
    let script = Script::draw(settings, &context, &mut Names::default(), &mut problems);
    if problems.is_empty() { Ok(script) } else { Err(problems) }
}

/// What is said, after how many seconds, each time that something was said to it; first for the opening.
type Says = Vec<Vec<(u64, &'static str)>>;

struct Scripted {
    says: VecDeque<Vec<(u64, &'static str)>>,
    coming: VecDeque<(Instant, &'static str)>,
    said: Arc<std::sync::Mutex<Vec<String>>>,
}

impl Scripted {
    fn begin(says: Says) -> Self {
        let mut line = Self { says: says.into(), coming: VecDeque::new(), said: Arc::default() };
        line.schedule();
        line
    }

    fn schedule(&mut self) {
        let now = Instant::now();
        let next = self.says.pop_front().unwrap_or_default();
        self.coming.extend(next.into_iter().map(|(after, text)| (now + Duration::from_secs(after), text)));
    }
}

impl Line for Scripted {
    async fn say(&mut self, text: &str, _: Instant) -> Result<(), Broken> {
        self.said.lock().unwrap().push(text.to_owned());
        self.schedule();
        Ok(())
    }

    async fn hear(&mut self, until: Instant) -> Result<Option<Message>, Broken> {
        match self.coming.front().copied() {
            Some((at, text)) if at <= until => {
                tokio::time::sleep_until(at).await;
                self.coming.pop_front();
                Ok(Some(Message::of(text, None)))
            }
            _ => {
                tokio::time::sleep_until(until).await;
                Ok(None)
            }
        }
    }
}

struct Held {
    record: Record,
    took: Duration,
    said: Vec<String>,
}

async fn held(steps: &str, says: Says, asks: &Asks) -> Held {
    let script =
        draw(steps, Some(Duration::from_secs(116))).unwrap_or_else(|problems| panic!("{problems:?}"));
    let (timeline, stop) = (Timeline::start(), CancellationToken::new());
    let limit = timeline.started() + Duration::from_secs(299);
    let now = "2026-01-31T12:00:00Z".parse().unwrap();
    let around = Circumstances { timeline: &timeline, limit, now, asks, stop: &stop };
    let mut line = Scripted::begin(says);
    let record = hold(&script, &mut line, around).await;
    let said = line.said.lock().unwrap().clone();
    Held { record, took: timeline.elapsed(), said }
}

fn of(held: &Held) -> (Option<Reason>, Option<&str>) {
    match &held.record.ended {
        Ok(()) => (held.record.blemish.as_ref().map(|failure| failure.reason), None),
        Err(Broken::Failed(failure)) => (Some(failure.reason), failure.step.as_deref()),
        Err(Broken::Inconclusive(why)) => panic!("{why:?}"),
    }
}

fn secs(secs: u64) -> Option<Duration> {
    Some(Duration::from_secs(secs))
}

#[tokio::test(start_paused = true)]
async fn who_waits_knows_what_the_wait_means() {
    let hello = || vec![(1, "Hello!")];
    let number = || vec![(2, "What is its number?")];
    let sorry = |text| vec![(1, text)];
    let mute = Vec::new;
    for (says, reason, step, took) in [
        // Nobody says anything at all.
        (vec![mute()], Reason::Silent, "greeting", 5),
        (vec![hello(), mute()], Reason::Silent, "order", 11),
        (vec![hello(), sorry("What do you mean?")], Reason::Content, "order", 11),
        // A person is asked for and nothing is said to that.
        (vec![hello(), number(), mute()], Reason::NoAnswer, "person", 195),
        (vec![hello(), number(), sorry("I am connecting you")], Reason::NoAnswer, "person", 195),
        (
            vec![hello(), number(), sorry("You are number 4 in the queue")],
            Reason::QueueTimeout,
            "person",
            195,
        ),
        // A bot that has something to say, and never calls anybody.
        (
            vec![hello(), number(), sorry("Try our help centre."), sorry("I am sorry."), sorry("Goodbye.")],
            Reason::BotOnly,
            "person",
            195,
        ),
        // The same again and again is known at once: each reply takes a second, and two are waited after it.
        (
            vec![hello(), number(), sorry("Sorry?"), sorry("Sorry?"), sorry("Sorry?")],
            Reason::BotOnly,
            "person",
            10,
        ),
        (vec![hello(), number(), sorry("All agents are busy now.")], Reason::Busy, "person", 4),
        (vec![sorry("We are closed until 9.")], Reason::Closed, "greeting", 1),
    ] {
        let words = format!("{says:?}");
        let held = held(PERSON, says, &Asks::new(9)).await;
        assert_eq!(of(&held), (Some(reason), Some(step)), "{words}: {:?}", held.record);
        assert_eq!(held.took, Duration::from_secs(took), "{words}");
    }
}

#[tokio::test(start_paused = true)]
async fn two_clocks_measure_the_bot_and_the_person_and_a_third_the_queue() {
    let says = vec![
        vec![(1, "Hello!")],
        vec![(2, "You: Where is my order?"), (3, "What is its number?")],
        vec![
            (1, "You are number 7 in the queue"),
            (40, "You are number 2 in the queue"),
            (90, "Kim: Hello there"),
        ],
    ];
    let held = held(PERSON, says, &Asks::new(9)).await;
    assert_eq!(of(&held), (None, None), "{:?}", held.record);
    let expected = Contact {
        bot: secs(1),
        person: secs(90),
        queued: secs(89),
        queue_position: Some(7),
        steps: Some(2),
        person_asked: true,
        waited_in_vain: false,
    };
    assert_eq!(held.record.contact, expected);
    let speakers: Vec<&str> = held.record.transcript.iter().map(|said| said.speaker.as_str()).collect();
    assert_eq!(speakers, ["bot", "customer", "bot", "customer", "service", "service", "person"]);
}

#[tokio::test(start_paused = true)]
async fn a_person_who_comes_after_the_budget_of_the_channel_is_late() {
    let ask = r#"steps = [{ name = "person", say = "human please", from = "person", within = "192s" }]"#;
    for (after, reason) in [(116, None), (117, Some(Reason::Late))] {
        let held = held(ask, vec![vec![], vec![(after, "Kim: Hello")]], &Asks::new(9)).await;
        assert_eq!(of(&held), (reason, None), "{after}: {:?}", held.record);
        assert_eq!(held.record.contact.person, secs(after));
    }
}

#[tokio::test(start_paused = true)]
async fn a_slow_greeting_is_no_wait_for_a_person_in_vain() {
    let steps = r#"steps = [
        { name = "greeting", within = "9s", late_after = "2s" },
        { name = "person", say = "human please", from = "person", within = "192s" },
    ]"#;
    for (greeted, came, in_vain) in [(1, 5, false), (5, 5, false), (1, 117, true), (5, 117, true)] {
        let says = vec![vec![(greeted, "Hello!")], vec![(came, "Kim: Hello")]];
        let held = held(steps, says, &Asks::new(9)).await;
        assert_eq!(held.record.contact.waited_in_vain, in_vain, "{:?}", held.record);
    }
    let unanswered = held(steps, vec![vec![(1, "Hello!")], vec![]], &Asks::new(9)).await;
    assert!(unanswered.record.contact.waited_in_vain);
    let mute = held(steps, vec![vec![]], &Asks::new(9)).await;
    assert!(!mute.record.contact.waited_in_vain);
}

#[tokio::test(start_paused = true)]
async fn more_is_said_only_while_a_bot_replies_and_nobody_has_been_called() {
    let (hello, number) = (vec![(1, "Hello!")], vec![(1, "What is its number?")]);
    let until_called = vec![
        hello.clone(),
        number.clone(),
        vec![(1, "Try our help centre.")],
        vec![(1, "Sure."), (2, "I am connecting you"), (20, "Kim: Hello")],
    ];
    let held_1 = held(PERSON, until_called, &Asks::new(9)).await;
    assert_eq!(of(&held_1), (None, None), "{:?}", held_1.record);
    assert_eq!(held_1.said, ["Where is my order?", "human please", "agent"]);
    assert_eq!(held_1.record.contact.steps, Some(3));
    let queued =
        vec![hello, number, vec![(1, "Sure."), (2, "You are number 1 in the queue"), (60, "Kim: Hello")]];
    let held_2 = held(PERSON, queued, &Asks::new(9)).await;
    assert_eq!(of(&held_2), (None, None), "{:?}", held_2.record);
    assert_eq!(held_2.said, ["Where is my order?", "human please"]);
}

#[tokio::test(start_paused = true)]
async fn a_queue_is_enough_where_only_that_is_asked_for_and_nobody_is_disturbed() {
    let steps = r#"steps = [{ name = "queue", say = "human please", from = "queue", within = "60s" }]"#;
    let asks = Asks::new(0);
    let held = held(steps, vec![vec![], vec![(3, "You are number 9 in the queue")]], &asks).await;
    assert_eq!(of(&held), (None, None), "{:?}", held.record);
    assert!(!held.record.contact.person_asked);
    assert_eq!(held.took, Duration::from_secs(3));
}

#[tokio::test(start_paused = true)]
async fn capped_is_never_up() {
    let asks = Asks::new(1);
    let says = || vec![vec![(1, "Hello!")], vec![(1, "What is its number?")], vec![(1, "Kim: Hello")]];
    assert_eq!(of(&held(PERSON, says(), &asks).await), (None, None));
    let capped = held(PERSON, says(), &asks).await;
    let Err(Broken::Inconclusive(why)) = &capped.record.ended else { panic!("{:?}", capped.record) };
    assert_eq!(why.reason, InconclusiveReason::Capped);
    assert_eq!(capped.said, ["Where is my order?"], "the bot is asked all the same, and no person");
    let mute = held(PERSON, vec![vec![]], &asks).await;
    assert_eq!(of(&mute), (Some(Reason::Silent), Some("greeting")), "what breaks before is seen");
}

#[tokio::test(start_paused = true)]
async fn a_flood_of_messages_is_no_conversation() {
    let flood = (0..2_000).map(|_| (0, "You are number 1 in the queue")).collect();
    let held = held(PERSON, vec![vec![(0, "Hello")], vec![(0, "number")], flood], &Asks::new(9)).await;
    assert_eq!(of(&held), (Some(Reason::Protocol), Some("person")));
    assert!(held.record.transcript.len() <= TRANSCRIPT_MAX);
}

#[test]
fn what_cannot_be_held_is_said_where_it_stands() {
    let said = |steps: &str| {
        let problems = draw(steps, None).expect_err("it cannot be held");
        problems.into_iter().map(|problem| problem.message).collect::<Vec<_>>()
    };
    for (steps, message) in [
        ("steps = []", "a conversation needs steps"),
        ("steps = [{ name = 'a' }, { name = 'a' }]", "there are two steps named \"a\""),
        (
            "steps = [{ name = 'a', from = 'person' }, { name = 'b' }]",
            "nothing is said after a person is reached",
        ),
        (
            "steps = [{ name = 'a', say = 'x', again = ['y'] }]",
            "what is said again is for who asks for a person",
        ),
        (
            "steps = [{ name = 'a', again = ['y'], from = 'queue' }]",
            "nothing is said that could be said again",
        ),
        ("steps = [{ name = 'a', within = '10m' }]", "the run is over after 5m"),
        (
            "steps = [{ name = 'a', within = '2s', late_after = '2s' }]",
            "nothing can be late when the wait is over by then",
        ),
        ("steps = [{ name = 'a', expect = {} }]", "a sign is told in exactly one way"),
        (
            "steps = [{ name = 'a', expect = { contains = 'x', matches = 'y' } }]",
            "a sign is told in exactly one way",
        ),
        ("steps = [{ name = 'a', expect = { equals = 'x' } }]", "it does not say what equals this"),
    ] {
        assert_eq!(said(steps), [message], "{steps}");
    }
}
