//! Who may ask and command over HTTP: clients, each with a token of its own and with what it may do. Of a token only the
//! SHA-256 is known. It is 32 random bytes, which nobody guesses however fast a guess can be tried; a slow hash, made for
//! passwords that people choose, would add nothing but work for whoever wants to keep the monitor busy.

use std::{collections::BTreeSet, fmt, sync::Arc};

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};

/// Something that a client may do.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum Scope {
    /// Read pages, metrics, and what the API shows.
    Read,
    /// Take incidents in hand.
    Acknowledge,
    /// Begin, extend and end maintenance.
    Maintenance,
    /// Have a probe run now.
    Run,
}

impl Scope {
    /// Every one.
    pub const ALL: [Self; 4] = [Self::Read, Self::Acknowledge, Self::Maintenance, Self::Run];

    /// The word used in `probes.toml`.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Read => "read",
            Self::Acknowledge => "acknowledge",
            Self::Maintenance => "maintenance",
            Self::Run => "run",
        }
    }
}

/// What stands before the digits of a hash.
const PREFIX: &str = "sha256:";

/// The SHA-256 of a token.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct TokenHash([u8; 32]);

impl TokenHash {
    /// That of a token.
    #[must_use]
    pub fn of(token: &str) -> Self {
        Self(Sha256::digest(token).into())
    }

    /// As it stands in a configuration: `sha256:` and 64 hexadecimal digits. None where it is something else.
    #[must_use]
    pub fn parse(text: &str) -> Option<Self> {
        let digits = text.strip_prefix(PREFIX)?.as_bytes();
        let mut bytes = [0; 32];
        if digits.len() != 2 * bytes.len() {
            return None;
        }
        for (byte, pair) in bytes.iter_mut().zip(digits.chunks_exact(2)) {
            let digit = |at: usize| char::from(pair[at]).to_digit(16);
            *byte = u8::try_from(16 * digit(0)? + digit(1)?).ok()?;
        }
        Some(Self(bytes))
    }

    /// Whether both are the same, without telling by the time it takes how much of them is.
    #[must_use]
    pub fn is(&self, other: &Self) -> bool {
        let difference = std::iter::zip(self.0, other.0).fold(0, |sum, (one, other)| sum | (one ^ other));
        std::hint::black_box(difference) == 0
    }
}

impl fmt::Display for TokenHash {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(PREFIX)?;
        self.0.iter().try_for_each(|byte| write!(f, "{byte:02x}"))
    }
}

/// A program or a person that asks and commands.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Client {
    /// What it is called in the log.
    pub name: Arc<str>,
    /// What it may do.
    pub scopes: BTreeSet<Scope>,
    /// The hash of its token.
    pub hash: TokenHash,
}

/// The client that bears a token. It takes as long whichever it is, and if it is none.
#[must_use]
pub fn bearer<'c>(clients: &'c [Client], token: &str) -> Option<&'c Client> {
    let hash = TokenHash::of(token);
    clients.iter().fold(None, |found, client| if client.hash.is(&hash) { Some(client) } else { found })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_hash_is_read_as_it_is_written_and_nothing_else_is() {
        let hash = TokenHash::of("a token");
        let text = hash.to_string();
        assert_eq!(text.len(), 71);
        assert_eq!(TokenHash::parse(&text), Some(hash));
        let digits = text.strip_prefix(PREFIX).unwrap();
        for wrong in ["", digits, "sha256:", &text[..70], &format!("{text}0"), &text.replace("sha256", "md5")]
        {
            assert_eq!(TokenHash::parse(wrong), None, "{wrong}");
        }
        assert_eq!(TokenHash::parse(&format!("sha256:{}", "g".repeat(64))), None);
        assert_eq!(TokenHash::parse(&format!("sha256:{}", "é".repeat(32))), None);
    }

    #[test]
    fn a_client_is_known_by_its_token_alone() {
        let client = |name: &str, token| Client {
            name: name.into(),
            scopes: BTreeSet::from([Scope::Read]),
            hash: TokenHash::of(token),
        };
        let clients = [client("one", "first"), client("two", "second"), client("three", "third")];
        for (token, expected) in
            [("first", Some("one")), ("third", Some("three")), ("", None), ("firs", None)]
        {
            assert_eq!(bearer(&clients, token).map(|client| &*client.name), expected, "{token}");
        }
    }
}
