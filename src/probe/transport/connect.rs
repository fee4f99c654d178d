//! A TCP connection to one of several vetted addresses: each has a head start of 250 ms over the next (RFC 8305), the
//! first to answer is used.

use std::{
    io,
    net::{IpAddr, SocketAddr},
    time::Duration,
};

use tokio::net::TcpStream;

use super::{
    fault::{Broken, of_io},
    race::staggered,
};
use crate::domain::outcome::Stage;

/// The head start of an address over the next one.
const HEAD_START: Duration = Duration::from_millis(250);

/// Connects to the first address that answers, and says which it is.
pub(super) async fn connect(addresses: &[SocketAddr]) -> Result<(TcpStream, IpAddr), Broken> {
    let way = |address: SocketAddr| async move {
        let connected = TcpStream::connect(address).await;
        connected.map(|stream| (stream, address.ip())).map_err(|error| (address.ip(), error))
    };
    let connected = match addresses {
        [only] => way(*only).await.map_err(|error| vec![error]),
        several => staggered(several.iter().copied().map(way).collect::<Vec<_>>(), HEAD_START).await,
    };
    connected.map_err(|errors| match telling(&errors) {
        Some(error) => of_io(Stage::Connect, error),
        None => Broken::internal("no address to connect to"),
    })
}

/// The error that says most about the target. Where this machine has no way to an address, it says nothing: most
/// containers have no IPv6.
fn telling(errors: &[(IpAddr, io::Error)]) -> Option<&io::Error> {
    let says_little = |(address, error): &&(IpAddr, io::Error)| match error.kind() {
        io::ErrorKind::NetworkUnreachable | io::ErrorKind::HostUnreachable => 1,
        _ if address.is_ipv6() && is_without_ipv6(error) => 2,
        _ => 0,
    };
    errors.iter().min_by_key(says_little).map(|(_, error)| error)
}

/// How the system says that it has no address of the family, or does not know it at all.
fn is_without_ipv6(error: &io::Error) -> bool {
    matches!(error.raw_os_error(), Some(libc::EADDRNOTAVAIL | libc::EAFNOSUPPORT))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_only_we_cannot_do_does_not_hide_what_the_target_does() {
        const V4: &str = "192.0.2.1";
        const V6: &str = "2001:db8::1";
        for (errors, told) in [
            (&[(V6, libc::ENETUNREACH), (V4, libc::ECONNREFUSED)][..], libc::ECONNREFUSED),
            (&[(V6, libc::EADDRNOTAVAIL), (V4, libc::ECONNREFUSED)], libc::ECONNREFUSED),
            (&[(V6, libc::EAFNOSUPPORT), (V4, libc::EHOSTUNREACH)], libc::EHOSTUNREACH),
            (&[(V4, libc::ETIMEDOUT), (V6, libc::EADDRNOTAVAIL)], libc::ETIMEDOUT),
            // Of IPv4, it is the ports that have run out.
            (&[(V6, libc::ENETUNREACH), (V4, libc::EADDRNOTAVAIL)], libc::EADDRNOTAVAIL),
            (&[(V6, libc::ENETUNREACH), (V4, libc::EMFILE)], libc::EMFILE),
            (&[(V6, libc::ENETUNREACH)], libc::ENETUNREACH),
            (&[(V6, libc::EADDRNOTAVAIL)], libc::EADDRNOTAVAIL),
        ] {
            let errors: Vec<_> = errors
                .iter()
                .map(|(address, code)| (address.parse().unwrap(), io::Error::from_raw_os_error(*code)))
                .collect();
            assert_eq!(telling(&errors).unwrap().raw_os_error(), Some(told), "{errors:?}");
        }
    }
}
