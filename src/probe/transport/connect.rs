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
        TcpStream::connect(address).await.map(|stream| (stream, address.ip()))
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

/// The error that says most: the first that is not for want of a route, since many machines have no IPv6.
fn telling(errors: &[io::Error]) -> Option<&io::Error> {
    let routeless = |error: &io::Error| {
        matches!(error.kind(), io::ErrorKind::NetworkUnreachable | io::ErrorKind::HostUnreachable)
    };
    errors.iter().find(|error| !routeless(error)).or(errors.first())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_missing_route_does_not_hide_a_refusal() {
        let errors: Vec<io::Error> =
            [io::ErrorKind::NetworkUnreachable, io::ErrorKind::ConnectionRefused].map(Into::into).into();
        assert_eq!(telling(&errors).unwrap().kind(), io::ErrorKind::ConnectionRefused);
        assert_eq!(telling(&errors[..1]).unwrap().kind(), io::ErrorKind::NetworkUnreachable);
    }
}
