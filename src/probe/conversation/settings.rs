//! A conversation in `probes.toml`.

use schemars::JsonSchema;
use serde::Deserialize;

use super::signs::{Sign, Signs, Test};
use crate::setting::{At, JsonPath, Pattern, Problem, Span};

/// One turn of the conversation: something is said, a reply is awaited, or both.
#[derive(Clone, Debug, Deserialize, JsonSchema)]
#[serde(
    deny_unknown_fields,
    expecting = "a table, such as { name = \"ask\", say = \"Where is my order?\", expect = { contains = \"order\" } }"
)]
pub struct TurnSettings {
    /// Its name: in the outcome, the phases and the failure.
    pub(super) name: At<String>,
    /// What is said; without, only a reply is awaited, such as a greeting.
    pub(super) say: Option<String>,
    /// What is said further when a bot replies in place of a person, one after the other. With from = "person" or
    /// "queue".
    #[serde(default)]
    pub(super) again: Vec<String>,
    /// What the reply must show; without, any reply will do.
    pub(super) expect: Option<At<SignSettings>>,
    /// Who must reply: "anyone" (without), "person", or "queue" for a place in the queue: then the conversation is left
    /// before a person is disturbed.
    pub(super) from: Option<From>,
    /// How long a reply is awaited; "10s" without, or the rest of the run for a person.
    pub(super) within: Option<At<Span>>,
    /// A reply later than this makes the run degraded, with the reason "late". Without, for a person, the channel's
    /// waiting.first_response.
    pub(super) late_after: Option<At<Span>>,
}

impl TurnSettings {
    /// Whether it says something, and not only hears.
    #[must_use]
    pub fn says(&self) -> bool {
        self.say.is_some()
    }

    /// Whether it waits for people, or for their queue.
    #[must_use]
    pub fn waits_for_people(&self) -> bool {
        self.from.is_some_and(|from| from != From::Anyone)
    }
}

/// Who must reply.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum From {
    /// Whoever is there.
    Anyone,
    /// A queue for people, or a person at once.
    Queue,
    /// A person.
    Person,
}

/// By what it is told who speaks and what happens. Of several signs, any one is enough.
#[derive(Clone, Debug, Default, Deserialize, JsonSchema)]
#[serde(
    deny_unknown_fields,
    expecting = "a table, such as { person = [{ matches = \"has joined the chat\" }] }"
)]
pub struct SignsSettings {
    /// A person is there, or has been given the conversation: { json = "$.sender", equals = "agent" }.
    #[serde(default)]
    pub(super) person: Vec<At<SignSettings>>,
    /// One waits for a person: { matches = "number (\\d+) in the queue" }.
    #[serde(default)]
    pub(super) queue: Vec<At<SignSettings>>,
    /// A person has been called: { contains = "I am connecting you" }.
    #[serde(default)]
    pub(super) handover: Vec<At<SignSettings>>,
    /// All are taken; the run fails with "busy".
    #[serde(default)]
    pub(super) busy: Vec<At<SignSettings>>,
    /// Nobody is there at this hour; the run fails with "closed".
    #[serde(default)]
    pub(super) closed: Vec<At<SignSettings>>,
    /// What we have said ourselves, where the service sends it back: { json = "$.sender", equals = "visitor" }.
    #[serde(default)]
    pub(super) own: Vec<At<SignSettings>>,
}

/// Something that a message shows: in its text or, with json, in the value at that path.
#[derive(Clone, Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, expecting = "a table, such as { matches = \"(?i)has joined\" }")]
pub struct SignSettings {
    /// A path into a message that is JSON, such as "$.sender.type"; alone, that something is there.
    json: Option<JsonPath>,
    /// The value at the path.
    equals: Option<serde_json::Value>,
    /// A part of the text.
    contains: Option<String>,
    /// A regular expression that finds something in the text. For a queue, its first group is the place in it.
    matches: Option<Pattern>,
    /// For a queue: the path of the place in it, such as "$.position".
    position: Option<JsonPath>,
}

impl SignSettings {
    /// Checks that it says one thing.
    pub(super) fn build(settings: &At<Self>) -> Result<Sign, Problem> {
        let all = settings.value.clone();
        let path = all.json.map(|path| path.0);
        let mut tests = [
            all.equals.map(Test::Equals),
            all.contains.map(Test::Contains),
            all.matches.map(|pattern| Test::Matches(pattern.0)),
        ]
        .into_iter()
        .flatten();
        let test = match (tests.next(), tests.next(), &path) {
            (Some(test), None, _) => test,
            (None, _, Some(_)) => Test::Present,
            _ => {
                let problem = settings.problem("a sign is told in exactly one way");
                return Err(problem.hint(
                    "write one of equals, contains and matches, such as { matches = \"has joined\" }",
                ));
            }
        };
        if path.is_none() && matches!(test, Test::Equals(_)) {
            let problem = settings.problem("it does not say what equals this");
            return Err(problem.hint("add json = \"$.sender\", or write matches = \"^...$\""));
        }
        Ok(Sign { path, test, position: all.position.map(|path| path.0) })
    }
}

impl SignsSettings {
    /// Checks every sign.
    pub(super) fn build(&self, problems: &mut Vec<Problem>) -> Signs {
        let mut each = |signs: &[At<SignSettings>]| -> Vec<Sign> {
            let built = signs.iter().map(SignSettings::build);
            built.filter_map(|sign| sign.map_err(|problem| problems.push(problem)).ok()).collect()
        };
        Signs {
            own: each(&self.own),
            person: each(&self.person),
            busy: each(&self.busy),
            closed: each(&self.closed),
            queue: each(&self.queue),
            handover: each(&self.handover),
        }
    }
}
