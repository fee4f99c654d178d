//! Who may give commands: whoever bears the token of the configuration. It is asked for in the Authorization header, which
//! a browser never sends by itself to a page of somebody else's, so no such page can give commands in a person's name.

use axum::http::{HeaderMap, header};
use sha2::{Digest, Sha256};

use crate::secret::Secret;

/// Why a command is not heard.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Denial {
    /// There is no token in the configuration.
    NotConfigured,
    /// None was borne.
    Missing,
    /// It is another one.
    Wrong,
}

impl Denial {
    /// What whoever asked should do.
    pub(super) fn sentence(self) -> &'static str {
        match self {
            Self::NotConfigured => {
                "this monitor takes no commands: add [api] with token = { env = \"...\" } to the first file of its configuration"
            }
            Self::Missing => {
                "a command needs the token of [api]: send the header \"Authorization: Bearer ...\""
            }
            Self::Wrong => "this is not the token of [api]",
        }
    }
}

/// Whether a request may give commands.
pub(super) fn check(headers: &HeaderMap, token: Option<&Secret>) -> Result<(), Denial> {
    let Some(token) = token else { return Err(Denial::NotConfigured) };
    let mut values = headers.get_all(header::AUTHORIZATION).iter();
    let borne = match (values.next(), values.next()) {
        (Some(value), None) => value.to_str().ok().and_then(bearer).ok_or(Denial::Missing)?,
        _ => return Err(Denial::Missing),
    };
    if is_same(borne.as_bytes(), token.expose().as_bytes()) { Ok(()) } else { Err(Denial::Wrong) }
}

/// The token behind the word `Bearer`, which may be written in any case.
fn bearer(value: &str) -> Option<&str> {
    let (scheme, token) = value.split_once(' ')?;
    let token = token.trim();
    (scheme.eq_ignore_ascii_case("bearer") && !token.is_empty()).then_some(token)
}

/// Compares without telling by the time it takes how much of it is right, nor how long the right one is.
fn is_same(one: &[u8], other: &[u8]) -> bool {
    let difference = std::iter::zip(Sha256::digest(one), Sha256::digest(other))
        .fold(0, |difference, (one, other)| difference | (one ^ other));
    std::hint::black_box(difference) == 0
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_whoever_bears_the_token_gives_commands() {
        let token = Secret::new("a-token-of-some-length".to_owned());
        for (values, expected) in [
            (vec!["Bearer a-token-of-some-length"], Ok(())),
            (vec!["bearer  a-token-of-some-length "], Ok(())),
            (vec![], Err(Denial::Missing)),
            (vec![""], Err(Denial::Missing)),
            (vec!["Bearer"], Err(Denial::Missing)),
            (vec!["Bearer "], Err(Denial::Missing)),
            (vec!["a-token-of-some-length"], Err(Denial::Missing)),
            (vec!["Basic a-token-of-some-length"], Err(Denial::Missing)),
            (vec!["Bearer a-token-of-some-lengthy"], Err(Denial::Wrong)),
            (vec!["Bearer a"], Err(Denial::Wrong)),
            (vec!["Bearer a-token-of-some-length", "Bearer guess"], Err(Denial::Missing)),
        ] {
            let mut headers = HeaderMap::new();
            for value in &values {
                headers.append(header::AUTHORIZATION, value.parse().unwrap());
            }
            assert_eq!(check(&headers, Some(&token)), expected, "{values:?}");
            assert_eq!(check(&headers, None), Err(Denial::NotConfigured), "{values:?}");
        }
    }
}
