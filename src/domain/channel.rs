//! Names of things: channels, probes, teams, locations. An id is what the operator writes as a table name in
//! `probes.toml`, and the same word is the metric label, the database column and the log field.

use std::{fmt, sync::Arc};

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// The longest id accepted, in bytes. Ids are metric labels and mail subjects; both are read on small screens.
pub const ID_LEN_MAX: usize = 63;

/// Says whether `text` may be an id: 1 to [`ID_LEN_MAX`] of `a-z`, `0-9`, `-`, `_`, beginning with a letter or digit.
#[must_use]
pub fn is_id(text: &str) -> bool {
    let first_is_plain = text.bytes().next().is_some_and(|b| b.is_ascii_lowercase() || b.is_ascii_digit());
    first_is_plain
        && text.len() <= ID_LEN_MAX
        && text.bytes().all(|b| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'-' || b == b'_')
}

/// Says whether `text` may name a probe: an id, and behind an `@` another one, if it runs as a persona.
#[must_use]
pub fn is_probe_name(text: &str) -> bool {
    match text.split_once('@') {
        Some((name, persona)) => is_id(name) && is_id(persona),
        None => is_id(text),
    }
}

macro_rules! id {
    ($(#[$doc:meta])* $name:ident, $is_one:ident) => {
        $(#[$doc])*
        #[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, JsonSchema)]
        #[serde(transparent)]
        pub struct $name(Arc<str>);

        impl $name {
            #[doc = concat!("Takes a text that [`", stringify!($is_one), "`] has accepted.")]
            #[must_use]
            pub fn new(text: &str) -> Self {
                debug_assert!($is_one(text), "not an id: {text:?}");
                Self(Arc::from(text))
            }

            /// The id as written in the configuration.
            #[must_use]
            pub fn as_str(&self) -> &str {
                &self.0
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str(&self.0)
            }
        }

        impl fmt::Debug for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                fmt::Debug::fmt(&self.0, f)
            }
        }
    };
}

id!(
    /// A channel: one entry point through which a customer reaches support.
    ChannelId, is_id
);
id!(
    /// A probe's name, unique within its channel; of one that runs as several personas, with the persona: `launcher@guest`.
    ProbeName, is_probe_name
);
id!(
    /// A team: the people told about a channel.
    TeamId, is_id
);
id!(
    /// The place runs are made from; one process is one location.
    Location, is_id
);

impl ProbeName {
    /// The name of a probe that runs as a persona.
    #[must_use]
    pub fn of_persona(name: &str, persona: &str) -> Self {
        Self::new(&format!("{name}@{persona}"))
    }

    /// The name without the persona.
    #[must_use]
    pub fn base(&self) -> &str {
        self.as_str().split_once('@').map_or(self.as_str(), |(name, _)| name)
    }

    /// As whom it runs.
    #[must_use]
    pub fn persona(&self) -> Option<&str> {
        self.as_str().split_once('@').map(|(_, persona)| persona)
    }
}

/// A probe, addressed as `channel/probe`.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct ProbeKey {
    /// The channel it belongs to.
    pub channel: ChannelId,
    /// Its name within the channel.
    pub probe: ProbeName,
}

impl fmt::Display for ProbeKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}", self.channel, self.probe)
    }
}

/// What sort of door a channel is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum ChannelKind {
    /// A chat button, a messenger widget.
    Chat,
    /// A telephone line or the API that books a call back.
    Hotline,
    /// A form or API that takes tickets.
    Ticket,
    /// A support mailbox.
    Mail,
    /// A help centre, a knowledge base.
    Help,
    /// A bot that answers before a person does.
    Bot,
    /// An account on a social network.
    Social,
    /// No door, but something that stands behind doors; only `[dependency.ID]` makes one.
    #[serde(skip_deserializing)]
    #[schemars(skip)]
    Dependency,
}

impl ChannelKind {
    /// The word used in `probes.toml`, metrics and mails.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Chat => "chat",
            Self::Hotline => "hotline",
            Self::Ticket => "ticket",
            Self::Mail => "mail",
            Self::Help => "help",
            Self::Bot => "bot",
            Self::Social => "social",
            Self::Dependency => "dependency",
        }
    }
}
