//! How often one client, or one address, may ask. Each has a bucket of tries for each sort of asking, which fills again as
//! time passes; whoever has emptied it is told how long to wait. So one that asks without end costs a refusal each time,
//! and holds up nobody else.

use std::{
    collections::HashMap,
    net::{IpAddr, Ipv6Addr},
    sync::{Arc, Mutex, PoisonError},
    time::Duration,
};

use tokio::time::Instant;

/// So many buckets are kept; full ones say nothing and are let go of.
const BUCKETS_MAX: usize = 4_096;

/// Whose bucket it is.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(crate) enum Who {
    /// A client that is known by its token.
    Client(Arc<str>),
    /// An address; of IPv6 the network of one customer, who has all of its addresses.
    Address(IpAddr),
    /// All those together for whom there was no room.
    Others,
}

impl Who {
    /// Whoever is at an address.
    pub(crate) fn at(address: IpAddr) -> Self {
        Self::Address(match address.to_canonical() {
            IpAddr::V6(ip) => {
                let mut network = ip.octets();
                network[8..].fill(0);
                Ipv6Addr::from(network).into()
            }
            ip @ IpAddr::V4(_) => ip,
        })
    }
}

/// What is asked.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) enum Sort {
    /// A connection.
    Connect,
    /// Whether it is alive.
    Health,
    /// To read.
    Read,
    /// To do something.
    Command,
    /// To run a probe.
    Run,
}

impl Sort {
    /// So many at once, and so many more each second.
    const fn allowance(self) -> (f64, f64) {
        match self {
            Self::Connect => (400.0, 200.0),
            Self::Health | Self::Read => (200.0, 100.0),
            Self::Command => (60.0, 20.0),
            Self::Run => (20.0, 2.0),
        }
    }
}

#[derive(Clone, Copy, Debug)]
struct Bucket {
    tries: f64,
    at: Instant,
}

impl Bucket {
    fn filled(self, sort: Sort, now: Instant) -> f64 {
        let (most, each_second) = sort.allowance();
        let passed = now.saturating_duration_since(self.at).as_secs_f64();
        (self.tries + passed * each_second).min(most)
    }
}

/// All buckets.
#[derive(Debug, Default)]
pub(crate) struct Rates(Mutex<HashMap<(Who, Sort), Bucket>>);

impl Rates {
    /// Takes a try.
    ///
    /// # Errors
    /// How long to wait for the next one.
    pub(crate) fn take(&self, who: Who, sort: Sort) -> Result<(), Duration> {
        let now = Instant::now();
        let mut buckets = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let mut key = (who, sort);
        if buckets.len() >= BUCKETS_MAX && !buckets.contains_key(&key) {
            buckets.retain(|(_, sort), bucket| bucket.filled(*sort, now) < sort.allowance().0);
            if buckets.len() >= BUCKETS_MAX {
                key.0 = Who::Others;
            }
        }
        let (most, each_second) = sort.allowance();
        let bucket = buckets.entry(key).or_insert(Bucket { tries: most, at: now });
        let tries = bucket.filled(sort, now);
        if tries < 1.0 {
            return Err(Duration::from_secs_f64((1.0 - tries) / each_second));
        }
        *bucket = Bucket { tries: tries - 1.0, at: now };
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(text: &str) -> Who {
        Who::at(text.parse().unwrap())
    }

    #[tokio::test(start_paused = true)]
    async fn whoever_asks_without_end_waits_and_nobody_waits_with_him() {
        let rates = Rates::default();
        for _ in 0..20 {
            assert_eq!(rates.take(at("10.0.0.7"), Sort::Run), Ok(()));
        }
        assert_eq!(rates.take(at("10.0.0.7"), Sort::Run), Err(Duration::from_millis(500)));
        assert_eq!(rates.take(at("10.0.0.7"), Sort::Read), Ok(()), "another sort");
        assert_eq!(rates.take(at("10.0.0.8"), Sort::Run), Ok(()), "another address");
        assert_eq!(rates.take(Who::Client("dashboard".into()), Sort::Run), Ok(()), "a client");
        tokio::time::advance(Duration::from_millis(500)).await;
        assert_eq!(rates.take(at("10.0.0.7"), Sort::Run), Ok(()));
        assert!(rates.take(at("10.0.0.7"), Sort::Run).is_err());
    }

    #[test]
    fn one_customer_has_one_bucket_whatever_address_he_takes() {
        assert_eq!(at("2001:db8:0:7::1"), at("2001:db8:0:7:ffff::2"));
        assert_ne!(at("2001:db8:0:7::1"), at("2001:db8:0:8::1"));
        assert_eq!(at("::ffff:10.0.0.7"), at("10.0.0.7"));
    }

    #[tokio::test(start_paused = true)]
    async fn ever_more_addresses_share_what_is_left() {
        let rates = Rates::default();
        let address = |number: u32| Who::at(IpAddr::V4(std::net::Ipv4Addr::from_bits(number)));
        let most = u32::try_from(BUCKETS_MAX).unwrap();
        for number in 0..most {
            rates.take(address(number), Sort::Run).unwrap();
        }
        let heard = (most..2 * most).filter(|number| rates.take(address(*number), Sort::Run).is_ok()).count();
        assert_eq!(heard, 20);
        tokio::time::advance(Duration::from_secs(60)).await;
        assert_eq!(rates.take(address(3 * most), Sort::Run), Ok(()), "those who have stopped make room");
    }
}
