//! Whether this machine itself has a way to an address: what tells the loss of our own network from that of a target.
//! An error alone cannot tell, for a router far away may say "network unreachable" too.

use std::{
    io,
    net::{IpAddr, Ipv4Addr, Ipv6Addr, UdpSocket},
};

/// Any port will do.
const PORT: u16 = 9;
/// Addresses for documentation (RFC 5737, RFC 3849): nobody has them, so only a default route leads there.
const OUTSIDE: [IpAddr; 2] =
    [IpAddr::V4(Ipv4Addr::new(192, 0, 2, 1)), IpAddr::V6(Ipv6Addr::new(0x2001, 0xdb8, 0, 0, 0, 0, 0, 1))];

/// Whether an error is about the way, not about who is at its end.
pub(super) fn is_of_way(error: &io::Error) -> bool {
    use io::ErrorKind::{HostUnreachable, NetworkDown, NetworkUnreachable};
    matches!(error.kind(), NetworkUnreachable | HostUnreachable | NetworkDown)
}

/// Whether this machine's own routing table leads nowhere near an address.
pub(super) fn is_cut_off(address: IpAddr) -> bool {
    looked_up(address)
        .is_err_and(|error| is_of_way(&error) || error.kind() == io::ErrorKind::AddrNotAvailable)
}

/// Whether no way leads out of this machine's neighbourhood.
pub(super) fn is_isolated() -> bool {
    OUTSIDE.into_iter().all(is_cut_off)
}

/// Connecting a datagram socket looks up the way and sends nothing.
fn looked_up(address: IpAddr) -> io::Result<()> {
    let any: IpAddr =
        if address.is_ipv4() { Ipv4Addr::UNSPECIFIED.into() } else { Ipv6Addr::UNSPECIFIED.into() };
    UdpSocket::bind((any, 0))?.connect((address, PORT))
}
