//! By what it is told who speaks, and what a message means.

use regex::Regex;
use serde_json::Value;
use serde_json_path::JsonPath;

use super::Message;

/// Something that a message may show.
#[derive(Clone, Debug)]
pub struct Sign {
    /// Where in the JSON; in the text without.
    pub(super) path: Option<JsonPath>,
    pub(super) test: Test,
    /// Where the place in a queue stands.
    pub(super) position: Option<JsonPath>,
}

/// What must hold of the text, or of one value at the path.
#[derive(Clone, Debug)]
pub(super) enum Test {
    /// It is there.
    Present,
    Equals(Value),
    Contains(String),
    Matches(Regex),
}

/// The signs of a conversation.
#[derive(Debug, Default)]
pub struct Signs {
    pub(super) own: Vec<Sign>,
    pub(super) person: Vec<Sign>,
    pub(super) busy: Vec<Sign>,
    pub(super) closed: Vec<Sign>,
    pub(super) queue: Vec<Sign>,
    pub(super) handover: Vec<Sign>,
}

/// What a message means.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Meaning {
    /// It is what we have said ourselves.
    Own,
    /// A person is there.
    Person,
    /// All seats are taken.
    Busy,
    /// Nobody is there at this hour.
    Closed,
    /// One waits for a person, at this place where it is shown.
    Queue(Option<u32>),
    /// A person has been called.
    Handover,
    /// A bot says something.
    Bot,
    /// Nothing that matters: somebody is typing.
    Nothing,
}

impl Sign {
    /// Whether a message shows it.
    pub(super) fn is_in(&self, message: &Message) -> bool {
        match &self.path {
            Some(path) => message
                .json
                .as_ref()
                .is_some_and(|json| path.query(json).iter().any(|value| self.test.holds(value))),
            None => message.text.as_ref().is_some_and(|text| self.test.holds_of(text)),
        }
    }

    /// The place in the queue that a message with this sign shows: at its path, or the first group of its pattern.
    fn position_in(&self, message: &Message) -> Option<u32> {
        let shown = match (&self.position, &self.test, &self.path) {
            (Some(path), _, _) => match path.query(message.json.as_ref()?).first()? {
                Value::String(text) => text.trim().to_owned(),
                value => value.to_string(),
            },
            (None, Test::Matches(pattern), None) => {
                pattern.captures(message.text.as_deref()?)?.get(1)?.as_str().to_owned()
            }
            _ => return None,
        };
        shown.parse().ok()
    }

    /// In words, for a person.
    pub(super) fn words(&self) -> String {
        let subject = self.path.as_ref().map_or_else(|| "a text".to_owned(), |path| format!("JSON {path}"));
        match &self.test {
            Test::Present => format!("{subject} that is there"),
            Test::Equals(value) => format!("{subject} that is {value}"),
            Test::Contains(part) => format!("{subject} that contains {part:?}"),
            Test::Matches(pattern) => format!("{subject} that matches {pattern}"),
        }
    }
}

impl Test {
    fn holds(&self, value: &Value) -> bool {
        match self {
            Self::Present => !value.is_null(),
            Self::Equals(Value::Number(number)) => {
                value.as_f64().is_some_and(|it| number.as_f64() == Some(it))
            }
            Self::Equals(expected) => value == expected,
            Self::Contains(_) | Self::Matches(_) => match value {
                Value::String(text) => self.holds_of(text),
                Value::Number(_) | Value::Bool(_) => self.holds_of(&value.to_string()),
                _ => false,
            },
        }
    }

    fn holds_of(&self, text: &str) -> bool {
        match self {
            Self::Present => true,
            Self::Equals(expected) => expected.as_str() == Some(text.trim()),
            Self::Contains(part) => text.contains(part.as_str()),
            Self::Matches(pattern) => pattern.is_match(text),
        }
    }
}

impl Signs {
    /// What a message means; of several signs, the first in this order.
    pub(super) fn meaning(&self, message: &Message) -> Meaning {
        let shows = |signs: &[Sign]| signs.iter().any(|sign| sign.is_in(message));
        if shows(&self.own) {
            Meaning::Own
        } else if shows(&self.person) {
            Meaning::Person
        } else if shows(&self.busy) {
            Meaning::Busy
        } else if shows(&self.closed) {
            Meaning::Closed
        } else if let Some(sign) = self.queue.iter().find(|sign| sign.is_in(message)) {
            Meaning::Queue(sign.position_in(message))
        } else if shows(&self.handover) {
            Meaning::Handover
        } else if message.text.is_some() {
            Meaning::Bot
        } else {
            Meaning::Nothing
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn sign(path: Option<&str>, test: Test) -> Sign {
        Sign { path: path.map(|path| JsonPath::parse(path).unwrap()), test, position: None }
    }

    fn pattern(text: &str) -> Test {
        Test::Matches(Regex::new(text).unwrap())
    }

    fn signs() -> Signs {
        let position = Some(JsonPath::parse("$.position").unwrap());
        Signs {
            own: vec![sign(Some("$.from"), Test::Equals("visitor".into()))],
            person: vec![sign(Some("$.agent.name"), Test::Present), sign(None, pattern("^Agent "))],
            busy: vec![sign(None, Test::Contains("agents are busy".to_owned()))],
            closed: vec![sign(Some("$.open"), Test::Equals(false.into()))],
            queue: vec![
                Sign { position, ..sign(Some("$.type"), Test::Equals("queue".into())) },
                sign(None, pattern("number (\\d+) in the queue")),
            ],
            handover: vec![sign(Some("$.code"), Test::Equals(7.into()))],
        }
    }

    #[test]
    fn a_message_means_what_its_signs_say() {
        let path = JsonPath::parse("$.text").unwrap();
        for (raw, meaning) in [
            (r#"{"from": "visitor", "text": "all agents are busy?"}"#, Meaning::Own),
            (r#"{"agent": {"name": "Kim"}}"#, Meaning::Person),
            (r#"{"agent": {"name": null}}"#, Meaning::Nothing),
            (r#"{"text": "Agent Kim has joined"}"#, Meaning::Person),
            (r#"{"text": "Sorry, all agents are busy."}"#, Meaning::Busy),
            (r#"{"open": false, "text": "Leave a message"}"#, Meaning::Closed),
            (r#"{"open": true, "text": "Hello"}"#, Meaning::Bot),
            (r#"{"type": "queue", "position": 4}"#, Meaning::Queue(Some(4))),
            (r#"{"type": "queue", "position": "12"}"#, Meaning::Queue(Some(12))),
            (r#"{"type": "queue"}"#, Meaning::Queue(None)),
            (r#"{"text": "You are number 3 in the queue."}"#, Meaning::Queue(Some(3))),
            (r#"{"code": 7.0}"#, Meaning::Handover),
            (r#"{"typing": true}"#, Meaning::Nothing),
            (r#"{"text": "  "}"#, Meaning::Nothing),
            ("not JSON", Meaning::Nothing),
        ] {
            assert_eq!(signs().meaning(&Message::of(raw, Some(&path))), meaning, "{raw}");
        }
    }

    #[test]
    fn a_message_without_a_path_to_its_text_is_a_text() {
        for (raw, meaning) in [
            ("Hello", Meaning::Bot),
            ("Agent Kim", Meaning::Person),
            (r#"{"type": "queue", "position": 2}"#, Meaning::Queue(Some(2))),
        ] {
            assert_eq!(signs().meaning(&Message::of(raw, None)), meaning, "{raw}");
        }
    }
}
