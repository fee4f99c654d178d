//! What channels can have in common, and so can lose together.

use std::{collections::BTreeSet, fmt, sync::Arc};

use serde::{Deserialize, Serialize};

use crate::domain::{
    channel::ChannelId,
    outcome::{Failure, Reason},
};

/// Something that several channels stand on. In the order in which it explains an outage best.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Shared {
    /// What the operator has declared with `depends_on`.
    Dependency(ChannelId),
    /// The resolution of names.
    Resolver,
    /// A certificate, by its fingerprint.
    Certificate(Arc<str>),
    /// A host, by its name.
    Host(Arc<str>),
    /// An address behind several names.
    Address(Arc<str>),
}

impl fmt::Display for Shared {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Dependency(id) => write!(f, "{id}"),
            Self::Resolver => f.write_str("the name servers"),
            Self::Certificate(print) => write!(f, "the certificate {print}"),
            Self::Host(host) => write!(f, "{host}"),
            Self::Address(address) => write!(f, "the address {address}"),
        }
    }
}

/// What two outages have in common that can be the cause of both. A declared dependency always can; anything else only
/// where both broke in the same way: a grey button is no consequence of what slows down the form on the same host.
#[must_use]
pub fn in_common(
    one: (&BTreeSet<Shared>, Option<&Failure>),
    other: (&BTreeSet<Shared>, Option<&Failure>),
) -> BTreeSet<Shared> {
    let is_kin = is_kin(one.1, other.1);
    let can_be = |shared: &&Shared| is_kin || matches!(shared, Shared::Dependency(_));
    one.0.intersection(other.0).filter(can_be).cloned().collect()
}

/// Whether two failures are of one kind: the same as customers meet it, or both technical.
fn is_kin(one: Option<&Failure>, other: Option<&Failure>) -> bool {
    let (Some(one), Some(other)) = (one, other) else { return true };
    let technical =
        |failure: &Failure| failure.reason.is_technical() || failure.cause.is_some_and(is_of_network);
    one.reason == other.reason || (technical(one) && technical(other))
}

fn is_of_network(cause: Reason) -> bool {
    cause.is_technical() && !matches!(cause, Reason::Content | Reason::Status)
}
