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
    /// A certificate, by the beginning of its SHA-256 fingerprint, as openssl writes it.
    Certificate(Arc<str>),
    /// A host, by its name.
    Host(Arc<str>),
    /// An address behind several names.
    Address(Arc<str>),
}

impl Shared {
    /// Whether an outage that shows in this way can come of it. A server stands behind one address with many others, and
    /// a certificate is worn by all hosts of a firm: what is wrong with the chat button is not their fault, so that an
    /// address only counts where the failure is technical, and a certificate where it is what was refused.
    #[must_use]
    pub fn can_cause(&self, failure: Option<&Failure>) -> bool {
        match self {
            Self::Dependency(_) | Self::Resolver | Self::Host(_) => true,
            Self::Address(_) => failure.is_some_and(is_technical),
            Self::Certificate(_) => failure.is_some_and(|failure| {
                [Some(failure.reason), failure.cause].into_iter().flatten().any(Reason::is_of_certificates)
            }),
        }
    }
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
    one.reason == other.reason || (is_technical(one) && is_technical(other))
}

fn is_technical(failure: &Failure) -> bool {
    failure.reason.is_technical() || failure.cause.is_some_and(is_of_network)
}

fn is_of_network(cause: Reason) -> bool {
    cause.is_technical() && !matches!(cause, Reason::Content | Reason::Status)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::outcome::{Detail, Stage};

    #[test]
    fn what_stands_behind_much_else_counts_only_where_it_can_be_what_broke() {
        let failure = |reason, cause| {
            let detail = Detail::default();
            Some(Failure { stage: Stage::Expect, step: None, reason, cause, detail })
        };
        let address = Shared::Address("192.0.2.7".into());
        let certificate = Shared::Certificate("AB:CD".into());
        for (failure, by_address, by_certificate) in [
            (None, false, false),
            (failure(Reason::Disabled, None), false, false),
            (failure(Reason::Content, None), false, false),
            (failure(Reason::Status, None), true, false),
            (failure(Reason::ConnectTimeout, None), true, false),
            (failure(Reason::Unresponsive, Some(Reason::ConnectRefused)), true, false),
            (failure(Reason::CertificateExpired, None), true, true),
            (failure(Reason::Unresponsive, Some(Reason::CertificateName)), true, true),
        ] {
            let failure = failure.as_ref();
            assert_eq!(address.can_cause(failure), by_address, "{failure:?}");
            assert_eq!(certificate.can_cause(failure), by_certificate, "{failure:?}");
            assert!(Shared::Host("shop.example.com".into()).can_cause(failure));
        }
    }
}
