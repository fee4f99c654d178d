//! Which addresses a probe may connect to. The address itself is judged, after the name has been resolved and before
//! the connection is made to that very address, so neither a second look at the name server nor another way of
//! writing an address (decimal, mapped into IPv6) leads around it.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

/// Metadata services of cloud providers outside the link-local range.
const METADATA: [IpAddr; 3] = [
    IpAddr::V4(Ipv4Addr::new(100, 100, 100, 200)),
    IpAddr::V4(Ipv4Addr::new(192, 0, 0, 192)),
    IpAddr::V6(Ipv6Addr::new(0xfd00, 0xec2, 0, 0, 0, 0, 0, 0x254)),
];

/// Who has chosen an address.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Chosen {
    /// The operator, by the URL in the configuration.
    ByOperator,
    /// The target, by a redirect.
    ByTarget {
        /// The address that the operator's URL led to; a target may send us back to it.
        home: IpAddr,
    },
}

/// Says why an address is not connected to, or nothing if it may be.
pub(super) fn refusal(address: IpAddr, chosen: Chosen) -> Option<&'static str> {
    let address = unwrapped(address);
    let never = if METADATA.contains(&address) {
        Some("the address of a metadata service")
    } else {
        match address {
            IpAddr::V4(v4) => never_v4(v4),
            IpAddr::V6(v6) => never_v6(v6),
        }
    };
    never.or_else(|| match chosen {
        Chosen::ByTarget { home } if unwrapped(home) != address && is_private(address) => {
            Some("a private address, and the target chose it; allow_private = true permits that")
        }
        _ => None,
    })
}

fn never_v4(v4: Ipv4Addr) -> Option<&'static str> {
    if v4.octets()[0] == 0 {
        Some("an unspecified address")
    } else if v4.is_link_local() {
        Some("a link-local address")
    } else if v4.is_multicast() {
        Some("a multicast address")
    } else if v4.is_broadcast() {
        Some("the broadcast address")
    } else {
        None
    }
}

fn never_v6(v6: Ipv6Addr) -> Option<&'static str> {
    if v6.is_unspecified() {
        Some("the unspecified address")
    } else if v6.is_unicast_link_local() {
        Some("a link-local address")
    } else if v6.is_multicast() {
        Some("a multicast address")
    } else {
        None
    }
}

/// Loopback, private, shared (RFC 6598) and unique local addresses.
fn is_private(address: IpAddr) -> bool {
    match address {
        IpAddr::V4(v4) => {
            let [a, b, ..] = v4.octets();
            v4.is_loopback() || v4.is_private() || (a == 100 && (64..128).contains(&b))
        }
        IpAddr::V6(v6) => v6.is_loopback() || v6.is_unique_local(),
    }
}

/// The IPv4 address inside a mapped (`::ffff:a.b.c.d`), translated (`64:ff9b::/96`) or 6to4 (`2002::/16`) one.
fn unwrapped(address: IpAddr) -> IpAddr {
    let IpAddr::V6(v6) = address else { return address };
    let [a, b, c, d, e, f, g, h] = v6.segments();
    let v4 = |high: u16, low: u16| {
        let ([p, q], [r, s]) = (high.to_be_bytes(), low.to_be_bytes());
        IpAddr::V4(Ipv4Addr::new(p, q, r, s))
    };
    match (a, b, c, d, e, f) {
        (0, 0, 0, 0, 0, 0xffff) | (0x64, 0xff9b, 0, 0, 0, 0) => v4(g, h),
        (0x2002, high, low, ..) => v4(high, low),
        _ => address,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn ip(text: &str) -> IpAddr {
        text.parse().unwrap()
    }

    #[test]
    fn some_addresses_are_never_connected_to_whoever_chose_them() {
        for text in [
            "169.254.169.254",
            "169.254.0.1",
            "0.0.0.0",
            "0.1.2.3",
            "224.0.0.1",
            "255.255.255.255",
            "100.100.100.200",
            "fd00:ec2::254",
            "fe80::1",
            "::",
            "ff02::1",
            "::ffff:169.254.169.254",
            "64:ff9b::a9fe:a9fe",
            "2002:a9fe:a9fe::1",
            "::ffff:0.0.0.0",
        ] {
            assert!(refusal(ip(text), Chosen::ByOperator).is_some(), "{text}");
        }
    }

    #[test]
    fn the_operator_may_watch_a_private_address() {
        for text in [
            "127.0.0.1",
            "::1",
            "10.0.0.1",
            "192.168.1.1",
            "172.16.0.1",
            "fd12::1",
            "100.64.0.1",
            "93.184.216.34",
        ] {
            assert_eq!(refusal(ip(text), Chosen::ByOperator), None, "{text}");
        }
    }

    #[test]
    fn a_target_may_send_us_to_public_addresses_and_back_home_only() {
        let chosen = Chosen::ByTarget { home: ip("10.0.0.1") };
        for text in [
            "10.0.0.1",
            "::ffff:10.0.0.1",
            "93.184.216.34",
            "2606:2800:220:1::1",
            "172.32.0.1",
            "100.128.0.1",
        ] {
            assert_eq!(refusal(ip(text), chosen), None, "{text}");
        }
        for text in [
            "10.0.0.2",
            "127.0.0.1",
            "::1",
            "::ffff:127.0.0.1",
            "192.168.1.1",
            "172.31.0.1",
            "fd12::1",
            "100.64.0.1",
        ] {
            assert!(refusal(ip(text), chosen).is_some(), "{text}");
        }
    }
}
