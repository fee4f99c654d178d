//! A conversation, as a customer holds it: say something, hear a reply, ask for a person, wait, and leave. It is the
//! same over whatever [`Line`] it is held; a kind of probe brings the line, and this module knows what is said and what
//! a reply means.
//!
//! Who has answered cannot be seen from a message as such. The operator says by which [`signs`](signs::Signs) a person,
//! a queue or a refusal is told; whatever is said otherwise is a bot's.

pub mod script;
pub mod settings;
mod signs;
mod talk;

use std::{future::Future, sync::Arc, time::Duration};

use serde_json::Value;
use tokio::time::{Instant, timeout_at};

pub use self::talk::{Circumstances, MESSAGES_MAX, Record, hold};
use crate::{
    domain::outcome::{Detail, Reason, Stage},
    probe::transport::fault::Broken,
};

/// Where a conversation is held.
pub trait Line: Send {
    /// Says something, which must be taken by then.
    ///
    /// # Errors
    /// What broke on the way.
    fn say(&mut self, text: &str, until: Instant) -> impl Future<Output = Result<(), Broken>> + Send;

    /// Waits for the next message; none if it has not come by then. A line that is listening just then may take a
    /// little longer, so that no message is lost.
    ///
    /// # Errors
    /// What broke meanwhile; that the other side has ended the conversation is one of it.
    fn hear(&mut self, until: Instant) -> impl Future<Output = Result<Option<Message>, Broken>> + Send;
}

/// Something that came over a line.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Message {
    /// What it says; none where it is only about the conversation, such as a place in a queue.
    pub text: Option<String>,
    /// The whole of it, where it is JSON.
    pub json: Option<Value>,
}

impl Message {
    /// A message as it came: JSON whose text is at a path, or a text as it is where no path is given.
    #[must_use]
    pub fn of(raw: &str, text_at: Option<&serde_json_path::JsonPath>) -> Self {
        let json = serde_json::from_str(raw).ok().filter(|json: &Value| json.is_object() || json.is_array());
        match text_at {
            Some(path) => json.map(|json| Self::of_json(json, path)).unwrap_or_default(),
            None => Self { text: Some(raw.to_owned()), json },
        }
    }

    /// JSON whose text is at a path.
    #[must_use]
    pub fn of_json(json: Value, text_at: &serde_json_path::JsonPath) -> Self {
        let text = text_at.query(&json).first().and_then(|found| match found {
            Value::String(text) => Some(text.clone()),
            Value::Number(_) | Value::Bool(_) => Some(found.to_string()),
            _ => None,
        });
        Self { text: text.filter(|text| !text.trim().is_empty()), json: Some(json) }
    }

    /// What of it is shown to a person.
    fn shown(&self) -> String {
        match (&self.text, &self.json) {
            (Some(text), _) => text.clone(),
            (None, Some(json)) => json.to_string(),
            (None, None) => String::new(),
        }
    }
}

/// Waits until what is said has been taken, as far as the time goes.
///
/// # Errors
/// What broke on the way; that it was not taken in time is one of it.
pub async fn taken_by(
    until: Instant,
    saying: impl Future<Output = Result<(), Broken>>,
) -> Result<(), Broken> {
    match timeout_at(until, saying).await {
        Ok(said) => said,
        Err(_) => Err(Broken::failed(Stage::Send, Reason::Silent, "what is said is not taken")),
    }
}

/// One line of what was said.
#[derive(Clone, Debug, PartialEq, Eq, serde::Serialize)]
pub struct Utterance {
    /// When, from the beginning of the run.
    pub at: Duration,
    /// By whom.
    pub speaker: Speaker,
    /// What.
    pub text: Detail,
}

/// Who says something in a conversation.
#[derive(Clone, Copy, Debug, PartialEq, Eq, serde::Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Speaker {
    /// We, as the customer.
    Customer,
    /// A program.
    Bot,
    /// A person.
    Person,
    /// The service, about the conversation: a queue, a handover, that it is closed.
    Service,
}

impl Speaker {
    /// The word in a transcript.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Customer => "customer",
            Self::Bot => "bot",
            Self::Person => "person",
            Self::Service => "service",
        }
    }
}

/// What was said, in its order.
pub type Transcript = Vec<Utterance>;

/// The name of a step.
type StepName = Arc<str>;
