//! From a host name to its addresses, truly asked on every run: no cache, so that a name that stops resolving is
//! seen at once. A stub resolver of our own over the wire format of `hickory-proto`, because its sockets live and die
//! with the run and each of its failures has its own word. [`SYSTEM_FILES`] are read when the configuration is
//! loaded, and loaded again with it when they change.

use std::{
    net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr},
    time::Duration,
};

use futures_util::future::{Either, select};
use hickory_resolver::{
    Hosts,
    proto::{
        op::Query,
        rr::{Name, RecordType},
    },
    system_conf::read_system_conf,
};
use schemars::JsonSchema;
use serde::Deserialize;

use super::{
    dns::{Asked, DnsFault, ask},
    fault::Broken,
    race::staggered,
    reach::is_isolated,
};
use crate::domain::outcome::{Reason, Stage};

/// A server that is silent for so long is asked again, or the next one is.
const RETRY: Duration = Duration::from_secs(1);
/// How often every server is asked before the resolver only waits.
const ROUNDS: usize = 2;
/// Once one family has addresses, the other gets so much longer (RFC 8305, resolution delay).
const OTHER_FAMILY: Duration = Duration::from_millis(50);
/// More addresses than this are not tried.
const ADDRESSES_MAX: usize = 16;
const DNS_PORT: u16 = 53;

/// What the machine says of names and who is to be asked for them.
pub const SYSTEM_FILES: [&str; 2] = ["/etc/resolv.conf", "/etc/hosts"];

/// Which addresses of a host are used.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum Family {
    /// Both; IPv6 has a head start of 250 ms.
    #[default]
    Any,
    /// IPv4 only.
    Ipv4,
    /// IPv6 only.
    Ipv6,
}

impl Family {
    /// Whether an address belongs to it.
    pub(super) fn has(self, address: &IpAddr) -> bool {
        match self {
            Self::Any => true,
            Self::Ipv4 => address.is_ipv4(),
            Self::Ipv6 => address.is_ipv6(),
        }
    }
}

/// Asks the name servers.
#[derive(Debug)]
pub struct Resolver {
    servers: Vec<SocketAddr>,
    search: Vec<Name>,
    dots: u8,
    hosts: Hosts,
    /// Whether the servers are forwarders on this machine, such as systemd-resolved: one that has lost its network
    /// answers, and says that it has failed.
    forwards: bool,
}

impl Resolver {
    /// Asks the servers of `/etc/resolv.conf`, or this machine itself where there is no such file.
    #[must_use]
    pub fn system() -> Self {
        let mut resolver = Self::asking(vec![SocketAddr::from((Ipv4Addr::LOCALHOST, DNS_PORT))]);
        match read_system_conf() {
            Ok((config, options)) => {
                resolver.servers =
                    config.name_servers().iter().map(|server| (server.ip, DNS_PORT).into()).collect();
                resolver.search = config.search().to_vec();
                resolver.dots = u8::try_from(options.ndots).unwrap_or(u8::MAX);
            }
            Err(error) => tracing::warn!(%error, "failed to read /etc/resolv.conf; asking 127.0.0.1"),
        }
        resolver.forwards = resolver.servers.iter().all(|server| server.ip().is_loopback());
        resolver
    }

    /// Asks these servers, and knows no search domains.
    #[must_use]
    pub fn asking(servers: Vec<SocketAddr>) -> Self {
        let hosts = Hosts::from_system().unwrap_or_default();
        Self { servers, search: Vec::new(), dots: 1, hosts, forwards: false }
    }

    /// The addresses of a host, best first; never none.
    pub(super) async fn addresses(&self, host: &str, family: Family) -> Result<Vec<IpAddr>, Broken> {
        let name = Name::from_ascii(host).map_err(|error| {
            broken(Reason::DnsMalformed, format_args!("{host:?} cannot be asked for: {error}"))
        })?;
        if let Some(known) = self.known(host, &name, family) {
            return Ok(known);
        }
        let mut last = DnsFault::NoSuchName;
        for candidate in self.candidates(name) {
            match self.look_up(&candidate, family).await {
                Ok(addresses) => return Ok(addresses),
                Err(fault @ (DnsFault::NoSuchName | DnsFault::NoAddress)) => last = fault,
                Err(fault) => return Err(self.laid(fault, is_isolated).into_broken(host)),
            }
        }
        Err(last.into_broken(host))
    }

    /// The fault laid at the right door: a forwarder fails for want of a way out of this machine too.
    fn laid(&self, fault: DnsFault, is_isolated: impl FnOnce() -> bool) -> DnsFault {
        match fault {
            DnsFault::Refused(why) if self.forwards && is_isolated() => {
                DnsFault::NoWay(format!("{why}, and no way leads out of this machine"))
            }
            fault => fault,
        }
    }

    /// What needs no server: `/etc/hosts`, and the name `localhost` (RFC 6761).
    fn known(&self, host: &str, name: &Name, family: Family) -> Option<Vec<IpAddr>> {
        let mut known = Vec::new();
        for kind in kinds(family) {
            let found = self.hosts.lookup_static_host(&Query::query(name.clone(), *kind));
            known.extend(
                found.iter().flat_map(|lookup| lookup.answers()).filter_map(|record| record.data.ip_addr()),
            );
        }
        let bare = host.trim_end_matches('.');
        if known.is_empty() && (bare == "localhost" || bare.ends_with(".localhost")) {
            known.extend([IpAddr::V4(Ipv4Addr::LOCALHOST), IpAddr::V6(Ipv6Addr::LOCALHOST)]);
            known.retain(|address| family.has(address));
        }
        (!known.is_empty()).then_some(known)
    }

    /// The names to ask for, in the order of `resolv.conf(5)`.
    fn candidates(&self, name: Name) -> Vec<Name> {
        if name.is_fqdn() || self.search.is_empty() {
            return vec![fully(name)];
        }
        let searched =
            self.search.iter().filter_map(|domain| name.clone().append_domain(domain).ok()).map(fully);
        let plain = fully(name.clone());
        // A name of n labels has n - 1 dots.
        if name.num_labels() > self.dots {
            std::iter::once(plain).chain(searched).collect()
        } else {
            searched.chain(std::iter::once(plain)).collect()
        }
    }

    async fn look_up(&self, name: &Name, family: Family) -> Result<Vec<IpAddr>, DnsFault> {
        let mut addresses = match family {
            Family::Ipv4 => self.query(name, RecordType::A).await?,
            Family::Ipv6 => self.query(name, RecordType::AAAA).await?,
            Family::Any => self.both(name).await?,
        };
        addresses.truncate(ADDRESSES_MAX);
        if addresses.is_empty() { Err(DnsFault::NoAddress) } else { Ok(addresses) }
    }

    /// Asks for both families at once and does not let the slower one hold up the other.
    async fn both(&self, name: &Name) -> Result<Vec<IpAddr>, DnsFault> {
        let four = std::pin::pin!(self.query(name, RecordType::A));
        let six = std::pin::pin!(self.query(name, RecordType::AAAA));
        let (first, other) = match select(four, six).await {
            Either::Left(pair) | Either::Right(pair) => pair,
        };
        let second = match &first {
            Err(DnsFault::NoSuchName) => return first,
            Ok(found) if !found.is_empty() => tokio::time::timeout(OTHER_FAMILY, other).await.ok(),
            _ => Some(other.await),
        };
        merged(first, second)
    }

    async fn query(&self, name: &Name, kind: RecordType) -> Result<Vec<IpAddr>, DnsFault> {
        let ways: Vec<_> =
            (0..ROUNDS).flat_map(|_| &self.servers).map(|server| ask(*server, name, kind)).collect();
        let asked = staggered(ways, RETRY).await;
        match asked {
            Ok(Asked::Addresses(addresses)) => Ok(addresses),
            Ok(Asked::NoSuchName) => Err(DnsFault::NoSuchName),
            Err(faults) => Err(telling(faults)),
        }
    }
}

/// The fault that says most of the name: the last that is not ours.
fn telling(mut faults: Vec<DnsFault>) -> DnsFault {
    let told = faults.iter().rposition(|fault| !fault.is_ours()).map(|at| faults.swap_remove(at));
    told.or(faults.pop()).unwrap_or(DnsFault::Unusable("no name server is configured".into()))
}

/// The record types that hold a family's addresses.
fn kinds(family: Family) -> &'static [RecordType] {
    match family {
        Family::Any => &[RecordType::AAAA, RecordType::A],
        Family::Ipv4 => &[RecordType::A],
        Family::Ipv6 => &[RecordType::AAAA],
    }
}

fn fully(mut name: Name) -> Name {
    name.set_fqdn(true);
    name
}

type Found = Result<Vec<IpAddr>, DnsFault>;

/// What two families gave: addresses in turn, IPv6 first; a failure counts only if there are no addresses at all.
fn merged(first: Found, second: Option<Found>) -> Found {
    match (first, second) {
        (Ok(one), Some(Ok(two))) => {
            let (six, four): (Vec<_>, Vec<_>) = one.into_iter().chain(two).partition(IpAddr::is_ipv6);
            let turns = six.len().max(four.len());
            let nth = |list: &[IpAddr], n: usize| list.get(n).copied();
            Ok((0..turns).flat_map(|n| [nth(&six, n), nth(&four, n)]).flatten().collect())
        }
        (Ok(found), _) | (_, Some(Ok(found))) if !found.is_empty() => Ok(found),
        (Err(fault), _) | (_, Some(Err(fault))) => Err(fault),
        (Ok(none), None) => Ok(none),
    }
}

impl DnsFault {
    fn into_broken(self, host: &str) -> Broken {
        match self {
            Self::NoSuchName => broken(Reason::DnsNxdomain, format_args!("{host} does not exist")),
            Self::NoAddress => broken(Reason::DnsNxdomain, format_args!("{host} has no address")),
            Self::Refused(why) => broken(Reason::DnsServfail, format_args!("{host}: {why}")),
            Self::Unusable(why) => broken(Reason::DnsMalformed, format_args!("{host}: {why}")),
            Self::Local(error) => Broken::local(format_args!("failed to ask a name server: {error}")),
            Self::NoWay(why) => Broken::own_network(format_args!("{host}: {why}")),
        }
    }
}

fn broken(reason: Reason, detail: impl std::fmt::Display) -> Broken {
    Broken::failed(Stage::Resolve, reason, detail)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn ips(texts: &[&str]) -> Vec<IpAddr> {
        texts.iter().map(|text| text.parse().unwrap()).collect()
    }

    #[test]
    fn both_families_take_turns_and_ipv6_goes_first() {
        let merged = merged(Ok(ips(&["10.0.0.1", "10.0.0.2"])), Some(Ok(ips(&["fd00::1"]))));
        assert_eq!(merged.unwrap(), ips(&["fd00::1", "10.0.0.1", "10.0.0.2"]));
    }

    #[test]
    fn a_failure_of_one_family_counts_only_without_addresses_of_the_other() {
        let refused = || Err(DnsFault::Refused("no".to_owned()));
        assert_eq!(merged(refused(), Some(Ok(ips(&["10.0.0.1"])))).unwrap(), ips(&["10.0.0.1"]));
        assert_eq!(merged(Ok(ips(&["10.0.0.1"])), None).unwrap(), ips(&["10.0.0.1"]));
        assert!(matches!(merged(Ok(vec![]), Some(refused())), Err(DnsFault::Refused(_))));
    }

    #[test]
    fn a_name_server_out_of_our_reach_does_not_hide_what_another_says() {
        let no_way = || DnsFault::NoWay("no way".to_owned());
        let local = || DnsFault::Local("too many open files".to_owned());
        let refused = || DnsFault::Refused("no".to_owned());
        assert!(matches!(telling(vec![refused(), no_way(), local()]), DnsFault::Refused(_)));
        assert!(matches!(telling(vec![no_way(), no_way()]), DnsFault::NoWay(_)));
        assert!(matches!(telling(vec![local()]), DnsFault::Local(_)));
    }

    #[test]
    fn a_forwarder_that_fails_without_a_way_out_says_nothing_of_the_name() {
        let mut resolver = Resolver::asking(vec![]);
        let laid = |resolver: &Resolver, isolated| {
            resolver.laid(DnsFault::Refused("Server Failure".to_owned()), || isolated)
        };
        assert!(matches!(laid(&resolver, true), DnsFault::Refused(_)), "a server elsewhere has answered");
        resolver.forwards = true;
        assert!(matches!(laid(&resolver, true), DnsFault::NoWay(_)));
        assert!(matches!(laid(&resolver, false), DnsFault::Refused(_)));
    }

    #[test]
    fn search_domains_come_first_for_short_names_only() {
        let mut resolver = Resolver::asking(vec![]);
        resolver.search = vec![Name::from_ascii("corp.example.").unwrap()];
        let asked = |name: &str| -> Vec<String> {
            resolver.candidates(Name::from_ascii(name).unwrap()).iter().map(Name::to_ascii).collect()
        };
        assert_eq!(asked("shop"), ["shop.corp.example.", "shop."]);
        assert_eq!(asked("shop.eu"), ["shop.eu.", "shop.eu.corp.example."]);
        assert_eq!(asked("shop.eu."), ["shop.eu."]);
    }

    #[test]
    fn localhost_needs_no_server() {
        let resolver = Resolver::asking(vec![]);
        let name = Name::from_ascii("chat.localhost").unwrap();
        assert_eq!(resolver.known("chat.localhost", &name, Family::Ipv4), Some(ips(&["127.0.0.1"])));
    }
}
