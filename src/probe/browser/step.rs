//! A step of a browser probe, checked.

use std::{sync::Arc, time::Duration};

use regex::Regex;
use url::Url;

use super::settings::Key;
use crate::{
    domain::outcome::Reason,
    probe::{asks::Asks, chromium::look::Target, conversation::script::Script},
    secret::Secret,
};

/// A step.
#[derive(Debug)]
pub(super) struct Step {
    pub(super) name: Arc<str>,
    pub(super) action: Action,
    /// How long it may take.
    pub(super) within: Duration,
    pub(super) late_after: Option<Duration>,
    pub(super) is_optional: bool,
    pub(super) otherwise: Option<Reason>,
    /// Whether a picture is taken after it.
    pub(super) has_picture: bool,
    /// Whether a person is reached with it.
    pub(super) reaches_person: bool,
}

impl Step {
    /// Its name, and those of the turns of its conversation.
    pub(super) fn names(&self) -> impl Iterator<Item = &Arc<str>> {
        std::iter::once(&self.name).chain(self.script().into_iter().flat_map(Script::names))
    }

    /// Its conversation.
    pub(super) fn script(&self) -> Option<&Script> {
        match &self.action {
            Action::Talk(talk) => Some(&talk.script),
            _ => None,
        }
    }
}

/// What a customer does.
#[derive(Debug)]
pub(super) enum Action {
    Open(Url),
    Click { on: Spot, opens: Option<Spot> },
    Type { into: Spot, text: Secret, is_secret: bool },
    Press(Key),
    Select { from: Spot, option: Box<str> },
    Upload { into: Spot, file: Box<str> },
    WaitFor(Spot),
    Expect(Expectation),
    Talk(Box<Talk>),
    Reach(Box<Reach>),
}

/// A conversation in a chat on the page.
#[derive(Debug)]
pub(super) struct Talk {
    pub(super) into: Spot,
    pub(super) send: Option<Spot>,
    pub(super) messages: Spot,
    pub(super) leave: Option<Spot>,
    pub(super) script: Script,
    pub(super) asks: Asks,
}

/// A person, and the ways that may lead there, from the first door on.
#[derive(Debug)]
pub(super) struct Reach {
    pub(super) person: Spot,
    pub(super) by: Vec<Spot>,
    pub(super) clicks_max: u16,
}

/// An element, and the frames that lead to it.
#[derive(Clone, Debug)]
pub(super) struct Spot {
    pub(super) frames: Vec<Target>,
    pub(super) target: Target,
}

impl Spot {
    /// In words, for a person.
    pub(super) fn words(&self) -> String {
        let target = self.target.words();
        match self.frames.last() {
            Some(frame) => format!("{target} in {}", frame.words()),
            None => target,
        }
    }
}

/// What must hold; all of it.
#[derive(Debug)]
pub(super) struct Expectation {
    pub(super) element: Option<Element>,
    pub(super) url: Option<Regex>,
    pub(super) no_errors: bool,
    pub(super) request: Option<(Regex, Option<u16>)>,
}

/// What must hold of an element.
#[derive(Debug)]
pub(super) struct Element {
    pub(super) spot: Spot,
    pub(super) matches: Option<Regex>,
    pub(super) not_matches: Option<Regex>,
    pub(super) attribute: Option<(Box<str>, Regex)>,
    pub(super) count: Option<usize>,
    pub(super) is_hidden: bool,
}

impl Action {
    /// Whether a customer has something to do in it. What talk and reach take is counted by themselves; going to a page is
    /// where a customer begins.
    pub(super) fn is_customers(&self) -> bool {
        match self {
            Self::Click { .. }
            | Self::Type { .. }
            | Self::Press(_)
            | Self::Select { .. }
            | Self::Upload { .. } => true,
            Self::Open(_) | Self::WaitFor(_) | Self::Expect(_) | Self::Talk(_) | Self::Reach(_) => false,
        }
    }

    /// What is expected to be possible, in words.
    pub(super) fn words(&self) -> String {
        match self {
            Self::Open(_) => "a page that opens".to_owned(),
            Self::Click { on, opens: None } => format!("{} can be clicked", on.words()),
            Self::Click { on, opens: Some(opens) } => {
                format!("{} can be clicked and opens {}", on.words(), opens.words())
            }
            Self::Type { into, .. } => format!("{} can be written into", into.words()),
            Self::Press(key) => format!("the key {} can be pressed", key.name),
            Self::Select { from, option } => format!("{option:?} can be chosen from {}", from.words()),
            Self::Upload { into, .. } => format!("{} takes a file", into.words()),
            Self::WaitFor(spot) => format!("{} is seen", spot.words()),
            Self::Expect(expectation) => expectation.words(),
            Self::Talk(_) => "a conversation".to_owned(),
            Self::Reach(reach) => format!("a way to {}", reach.person.words()),
        }
    }
}

impl Expectation {
    fn words(&self) -> String {
        let element = self.element.as_ref().map(Element::words);
        let url = self.url.as_ref().map(|pattern| format!("an address that matches {pattern}"));
        let no_errors = self.no_errors.then(|| "no errors of scripts".to_owned());
        let request = self.request.as_ref().map(|(url, status)| match status {
            Some(status) => format!("a request to {url} that is answered {status}"),
            None => format!("a request to {url} that is answered well"),
        });
        let all: Vec<String> = [element, url, no_errors, request].into_iter().flatten().collect();
        all.join(", ")
    }
}

impl Element {
    pub(super) fn words(&self) -> String {
        let mut words = self.spot.words();
        match (self.is_hidden, self.count) {
            (true, _) => words.push_str(" is not seen"),
            (false, Some(count)) => words.push_str(&format!(" is there {count} times")),
            (false, None) => words.push_str(" is seen"),
        }
        if let Some(pattern) = &self.matches {
            words.push_str(&format!(" and says {pattern}"));
        }
        if let Some(pattern) = &self.not_matches {
            words.push_str(&format!(" and does not say {pattern}"));
        }
        if let Some((name, pattern)) = &self.attribute {
            words.push_str(&format!(" and has {name} that matches {pattern}"));
        }
        words
    }
}
