//! What the variables of one run stand for.

use std::{borrow::Cow, collections::BTreeMap};

use jiff::Timestamp;

use super::template::Template;
use crate::{
    probe::{captured::Captured, request::draft::Place},
    secret::Secret,
};

/// The variable that every run has: unique per run, so that what a run leaves behind can be told from everything else.
pub(super) const NONCE: &str = "nonce";

/// Names with their values. It has no `Debug`: a value may be a secret.
#[derive(Clone, Default)]
pub(super) struct Variables(BTreeMap<Box<str>, Value>);

#[derive(Clone)]
struct Value {
    text: String,
    origin: Origin,
}

/// Where a value comes from.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Origin {
    /// From us: the nonce, what we say.
    Ours,
    /// A secret of the operator's.
    Secret,
    /// From an answer of the target.
    Captured,
}

impl Variables {
    /// The variables a run begins with: its nonce and the secrets.
    pub(super) fn begin<'a>(
        now: Timestamp,
        secrets: impl IntoIterator<Item = (&'a str, &'a Secret)>,
    ) -> Self {
        let mut variables = Self::default();
        variables.give(NONCE, nonce(now));
        for (name, secret) in secrets {
            let text = secret.expose().to_owned();
            variables.0.insert(name.into(), Value { text, origin: Origin::Secret });
        }
        variables
    }

    /// Gives a variable the value that was captured for it.
    pub(super) fn set(&mut self, name: &str, value: String) {
        self.0.insert(name.into(), Value { text: value, origin: Origin::Captured });
    }

    /// Gives a variable a value of ours.
    pub(super) fn give(&mut self, name: &str, value: String) {
        self.0.insert(name.into(), Value { text: value, origin: Origin::Ours });
    }

    /// The value of a variable, if it has one yet.
    pub(super) fn get(&self, name: &str) -> Option<&str> {
        self.0.get(name).map(|value| value.text.as_str())
    }

    /// A text with its variables filled in; it has been checked that it can be.
    pub(super) fn fill<'t>(&self, text: &'t str) -> Cow<'t, str> {
        let filled = Template::parse(text)
            .ok()
            .and_then(|template| template.fill(self, Place::Elsewhere).ok().map(Cow::into_owned));
        filled.map_or(Cow::Borrowed(text), Cow::Owned)
    }

    /// What the target's answers have given.
    pub(super) fn into_captured(self) -> Captured {
        let captured = self.0.into_iter().filter(|(_, value)| value.origin == Origin::Captured);
        Captured::new(captured.map(|(name, value)| (name, value.text)))
    }

    /// Whether a variable is a secret of the operator's.
    pub(super) fn is_secret(&self, name: &str) -> bool {
        self.0.get(name).is_some_and(|value| value.origin == Origin::Secret)
    }
}

/// `lamplighter-20260131T235959Z-1f3a9c5e7b024d68`: says to an agent who made it and when.
fn nonce(now: Timestamp) -> String {
    format!("lamplighter-{}-{:016x}", now.strftime("%Y%m%dT%H%M%SZ"), rand::random::<u64>())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_nonce_says_its_time_and_no_two_are_alike() {
        let now: Timestamp = "2026-01-31T23:59:59Z".parse().unwrap();
        let nonces: std::collections::BTreeSet<String> = (0..1_000).map(|_| nonce(now)).collect();
        assert_eq!(nonces.len(), 1_000);
        for nonce in nonces {
            assert!(nonce.starts_with("lamplighter-20260131T235959Z-") && nonce.len() == 45, "{nonce}");
        }
    }
}
