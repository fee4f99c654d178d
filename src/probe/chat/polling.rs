//! A chat over requests: one says something, another asks every so often what was said.

use std::{
    collections::{HashSet, VecDeque},
    hash::{BuildHasher, RandomState},
    time::Duration,
};

use serde_json::Value;
use serde_json_path::JsonPath;
use tokio::time::{Instant, sleep_until};

use super::{Leave, SAID};
use crate::{
    domain::{
        exhibit::Exhibit,
        outcome::{PhaseKind, Reason, Stage},
    },
    probe::{
        conversation::{Line, MESSAGES_MAX, Message, taken_by},
        timeline::Timeline,
        transport::fault::Broken,
        walk::{Walk, step::Step},
    },
};

/// So many messages at most are told apart by their ids.
const IDS_MAX: usize = 10_000;

/// Where the chat is, and how it is asked.
#[derive(Debug)]
pub(super) struct Polling {
    pub(super) open: Vec<Step>,
    pub(super) say: Step,
    pub(super) hear: Step,
    pub(super) leave: Option<Step>,
    pub(super) every: Duration,
    /// Where in an answer the messages stand.
    pub(super) messages_at: JsonPath,
    /// Where in a message its text stands.
    pub(super) text_at: JsonPath,
    /// Where in a message its id stands, by which one that has come before is known.
    pub(super) id_at: Option<JsonPath>,
}

/// An open line.
pub(super) struct PollingLine<'c, 'w> {
    place: &'c Polling,
    walk: &'c mut Walk<'w>,
    timeline: &'c Timeline,
    heard: VecDeque<Message>,
    /// The ids of what was heard, as hashes: the service decides how long an id is.
    known: HashSet<u64>,
    hasher: RandomState,
    /// Whether nothing was said since the last look, so that the next one is a further try.
    has_looked: bool,
    next_look_at: Instant,
}

impl Polling {
    pub(super) async fn open(&self, walk: &mut Walk<'_>) -> Result<(), Broken> {
        for step in &self.open {
            walk.take(step).await?;
        }
        Ok(())
    }

    pub(super) fn line<'c, 'w>(
        &'c self,
        walk: &'c mut Walk<'w>,
        timeline: &'c Timeline,
    ) -> PollingLine<'c, 'w> {
        PollingLine {
            place: self,
            walk,
            timeline,
            heard: VecDeque::new(),
            known: HashSet::new(),
            hasher: RandomState::new(),
            has_looked: false,
            next_look_at: Instant::now(),
        }
    }
}

impl PollingLine<'_, '_> {
    /// Asks once what was said.
    async fn look(&mut self) -> Result<(), Broken> {
        let checks_before = self.walk.checks.len();
        let answer = self.walk.make(&self.place.hear).await?;
        // What holds of every look is no news; what does not ends the conversation.
        self.walk.checks.truncate(checks_before);
        let json: Value = serde_json::from_slice(&answer.body).map_err(|error| {
            let detail = format_args!("the answer with the messages is not JSON: {error}");
            Broken::failed(Stage::Expect, Reason::Content, detail)
        })?;
        // One too many is enough to be told that it is no conversation.
        let most = MESSAGES_MAX as usize + 1;
        for message in self.place.messages_at.query(&json).all() {
            if self.heard.len() == most {
                break;
            }
            if self.is_new(message) {
                self.heard.push_back(Message::of_json(message.clone(), &self.place.text_at));
            }
        }
        Ok(())
    }

    fn is_new(&mut self, message: &Value) -> bool {
        let Some(path) = &self.place.id_at else { return true };
        let Some(id) = path.query(message).first() else { return true };
        self.known.len() < IDS_MAX && self.known.insert(self.hasher.hash_one(id))
    }
}

impl Line for PollingLine<'_, '_> {
    async fn say(&mut self, text: &str, until: Instant) -> Result<(), Broken> {
        self.has_looked = false;
        self.walk.give(SAID, text);
        taken_by(until, async { self.walk.make(&self.place.say).await.map(|_| ()) }).await
    }

    async fn hear(&mut self, until: Instant) -> Result<Option<Message>, Broken> {
        loop {
            if let Some(message) = self.heard.pop_front() {
                return Ok(Some(message));
            }
            // The last look is made when the time is up.
            let now = Instant::now();
            if now >= until && self.next_look_at > until {
                return Ok(None);
            }
            sleep_until(self.next_look_at.min(until)).await;
            // The phases of a long wait are those of its last look.
            if self.has_looked {
                self.timeline.try_again();
            }
            let looked_at = Instant::now();
            self.look().await?;
            self.has_looked = true;
            self.timeline.begin(PhaseKind::Pause);
            self.next_look_at = looked_at + self.place.every;
        }
    }
}

impl Leave for PollingLine<'_, '_> {
    fn last_exchange(&self) -> Option<Exhibit> {
        self.walk.last_exchange()
    }

    async fn leave(self) -> Result<(), Broken> {
        match &self.place.leave {
            Some(step) if self.walk.can_take(step) => self.walk.take(step).await.map(|_| ()),
            _ => Ok(()),
        }
    }
}
