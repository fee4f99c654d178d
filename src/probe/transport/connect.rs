//! A TCP connection to one of several vetted addresses: each has a head start of 250 ms over the next (RFC 8305), the
//! first to answer is used.

use std::{
    io,
    net::{IpAddr, SocketAddr},
    time::Duration,
};

use tokio::net::TcpStream;

use super::{
    fault::{Broken, is_ours, of_io},
    race::staggered,
    reach::{is_cut_off, is_of_way},
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
    connected.map_err(|errors| broken(&errors, is_cut_off))
}

/// Of what an error speaks, the most telling first.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Speaks {
    OfTheTarget,
    OfTheWayBeyondUs,
    OfWhatWeLack,
    OfOurOwnNetwork,
    /// Most containers have no IPv6; where there is another address, that is no news.
    OfNoIpv6,
}

fn subject(address: IpAddr, error: &io::Error, is_cut_off: impl Fn(IpAddr) -> bool) -> Speaks {
    if address.is_ipv6() && is_without_ipv6(error) {
        Speaks::OfNoIpv6
    } else if is_ours(error) {
        Speaks::OfWhatWeLack
    } else if !is_of_way(error) {
        Speaks::OfTheTarget
    } else if is_cut_off(address) {
        Speaks::OfOurOwnNetwork
    } else {
        Speaks::OfTheWayBeyondUs
    }
}

/// How the system says that it has no address of the family, or does not know it at all.
fn is_without_ipv6(error: &io::Error) -> bool {
    matches!(error.raw_os_error(), Some(libc::EADDRNOTAVAIL | libc::EAFNOSUPPORT))
}

/// What all the errors together mean: what the most telling of them says.
fn broken(errors: &[(IpAddr, io::Error)], is_cut_off: impl Fn(IpAddr) -> bool) -> Broken {
    let spoken =
        errors.iter().map(|(address, error)| (subject(*address, error, &is_cut_off), address, error));
    match spoken.min_by_key(|(speaks, ..)| *speaks) {
        Some((Speaks::OfOurOwnNetwork, address, error)) => {
            Broken::own_network(format_args!("this machine has no way to {address}: {error}"))
        }
        Some((_, _, error)) => of_io(Stage::Connect, error),
        None => Broken::internal("no address to connect to"),
    }
}

#[cfg(test)]
mod tests {
    use libc::{
        EADDRNOTAVAIL, EAFNOSUPPORT, ECONNREFUSED, EHOSTUNREACH, EMFILE, ENETDOWN, ENETUNREACH, ETIMEDOUT,
    };

    use super::*;
    use crate::domain::outcome::{
        InconclusiveReason::{self, MonitorLocal, OwnNetwork},
        Reason::{self, ConnectRefused, ConnectTimeout, ConnectUnreachable},
    };

    const V4: &str = "192.0.2.1";
    const V6: &str = "2001:db8::1";

    /// What comes of these errors on a machine whose own routing table leads to some addresses.
    fn verdict(errors: &[(&str, i32)], has_way: fn(IpAddr) -> bool) -> Result<Reason, InconclusiveReason> {
        let errors: Vec<_> = errors
            .iter()
            .map(|(address, code)| (address.parse().unwrap(), io::Error::from_raw_os_error(*code)))
            .collect();
        match broken(&errors, |address| !has_way(address)) {
            Broken::Failed(failure) => Ok(failure.reason),
            Broken::Inconclusive(why) => Err(why.reason),
        }
    }

    #[test]
    fn what_only_we_cannot_do_does_not_hide_what_the_target_does() {
        for (errors, told) in [
            ([(V6, ENETUNREACH), (V4, ECONNREFUSED)], ConnectRefused),
            ([(V6, EADDRNOTAVAIL), (V4, ECONNREFUSED)], ConnectRefused),
            ([(V4, ECONNREFUSED), (V4, EMFILE)], ConnectRefused),
            ([(V6, EAFNOSUPPORT), (V4, EHOSTUNREACH)], ConnectUnreachable),
            ([(V4, ETIMEDOUT), (V6, EADDRNOTAVAIL)], ConnectTimeout),
        ] {
            assert_eq!(verdict(&errors, |ip| ip.is_ipv4()), Ok(told), "{errors:?}");
        }
    }

    #[test]
    fn without_a_way_of_our_own_we_could_not_look() {
        for (errors, why) in [
            (&[(V6, ENETUNREACH), (V4, ENETUNREACH)][..], OwnNetwork),
            (&[(V6, EAFNOSUPPORT), (V4, ENETUNREACH)], OwnNetwork),
            (&[(V4, EHOSTUNREACH)], OwnNetwork),
            (&[(V4, ENETDOWN)], OwnNetwork),
            // Of IPv4, it is the ports that have run out.
            (&[(V6, ENETUNREACH), (V4, EADDRNOTAVAIL)], MonitorLocal),
            (&[(V6, ENETUNREACH), (V4, EMFILE)], MonitorLocal),
            (&[(V6, EADDRNOTAVAIL)], MonitorLocal),
        ] {
            assert_eq!(verdict(errors, |_| false), Err(why), "{errors:?}");
        }
    }

    #[test]
    fn a_way_that_ends_beyond_us_is_an_outage() {
        assert_eq!(verdict(&[(V4, ENETUNREACH)], |_| true), Ok(ConnectUnreachable));
        // No IPv6 here, and a router on the way over IPv4 that knows none further.
        assert_eq!(
            verdict(&[(V6, ENETUNREACH), (V4, EHOSTUNREACH)], |ip| ip.is_ipv4()),
            Ok(ConnectUnreachable)
        );
        assert_eq!(verdict(&[(V4, ENETUNREACH), (V4, ECONNREFUSED)], |_| true), Ok(ConnectRefused));
    }
}
