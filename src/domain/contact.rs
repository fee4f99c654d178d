//! How a customer got to somebody who answers, as far as a run that talks has measured it.

use std::time::Duration;

use serde::{Deserialize, Serialize};

/// Who answers.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Responder {
    /// A program.
    Bot,
    /// A person.
    Person,
}

impl Responder {
    /// Every responder.
    pub const ALL: [Self; 2] = [Self::Bot, Self::Person];

    /// The word of the `responder` label.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Bot => "bot",
            Self::Person => "person",
        }
    }
}

/// What a run measured on its way to somebody who answers.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Contact {
    /// From the first thing said, or from the opening where nothing was, to the first reply of a bot.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub bot: Option<Duration>,
    /// From the moment a person was asked for to the first sign of one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub person: Option<Duration>,
    /// From the first sign of a queue to a person, or to the end of the wait.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub queued: Option<Duration>,
    /// The place in the queue that was shown first.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub queue_position: Option<u32>,
    /// What a customer had to do until a person, or a form to one, was reached.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub steps: Option<u16>,
    /// Whether people were asked to come: that is what they are disturbed by.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub person_asked: bool,
    /// Whether the wait for a person was in vain: none came in time, or one came late.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub waited_in_vain: bool,
}

impl Contact {
    /// How long somebody took to answer; none if nobody did.
    #[must_use]
    pub fn first_response(&self, responder: Responder) -> Option<Duration> {
        match responder {
            Responder::Bot => self.bot,
            Responder::Person => self.person,
        }
    }
}

/// What is usual in an industry, from figures published about complaints: a line to compare with, and not an aim.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Usual {
    /// Who is meant, in the plural.
    pub who: &'static str,
    /// The typical time to a person's first reply.
    pub first_response: Duration,
    /// The typical share of waits in vain, 0 to 1.
    pub vain_ratio: f64,
}

impl Usual {
    /// Shops.
    pub const SHOPS: Self = Self { who: "shops", first_response: Duration::from_secs(192), vain_ratio: 0.42 };
    /// Games.
    pub const GAMES: Self = Self { who: "games", first_response: Duration::from_secs(348), vain_ratio: 0.67 };
    /// Banks and wallets.
    pub const BANKS: Self = Self { who: "banks", first_response: Duration::from_secs(116), vain_ratio: 0.18 };
    /// All of them.
    pub const ALL: [Self; 3] = [Self::SHOPS, Self::GAMES, Self::BANKS];
}
