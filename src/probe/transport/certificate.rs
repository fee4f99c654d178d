//! When a certificate expires. Only the path to `notAfter` is read (RFC 5280, 4.1), on every run and for every
//! certificate of the chain; the verification itself is rustls's.

use jiff::{Timestamp, civil::DateTime, tz::TimeZone};
use rustls::pki_types::CertificateDer;

const SEQUENCE: u8 = 0x30;
const VERSION: u8 = 0xa0;
const UTC_TIME: u8 = 0x17;
const GENERALIZED_TIME: u8 = 0x18;

/// The earliest `notAfter` of a chain.
pub(super) fn earliest_expiry(chain: &[CertificateDer<'_>]) -> Option<Timestamp> {
    chain.iter().filter_map(|certificate| not_after(certificate)).min()
}

fn not_after(certificate: &[u8]) -> Option<Timestamp> {
    let (certificate, _) = expect(certificate, SEQUENCE)?;
    let (mut tbs, _) = expect(certificate, SEQUENCE)?;
    if let Some((_, rest)) = expect(tbs, VERSION) {
        tbs = rest;
    }
    // Serial number, signature algorithm, issuer.
    for _ in 0..3 {
        tbs = element(tbs)?.2;
    }
    let (validity, _) = expect(tbs, SEQUENCE)?;
    let (_, _, rest) = element(validity)?;
    let (tag, time, _) = element(rest)?;
    moment(tag, std::str::from_utf8(time).ok()?)
}

/// `YYMMDDHHMMSSZ` (years 1950 to 2049) or `YYYYMMDDHHMMSSZ`.
fn moment(tag: u8, text: &str) -> Option<Timestamp> {
    let digits = text.strip_suffix('Z').filter(|digits| digits.bytes().all(|b| b.is_ascii_digit()))?;
    let (year, rest) = match (tag, digits.len()) {
        (UTC_TIME, 12) => {
            let year: i16 = digits[..2].parse().ok()?;
            (if year < 50 { 2000 + year } else { 1900 + year }, &digits[2..])
        }
        (GENERALIZED_TIME, 14) => (digits[..4].parse().ok()?, &digits[4..]),
        _ => return None,
    };
    let part = |n: usize| rest[2 * n..2 * n + 2].parse::<i8>().ok();
    let civil = DateTime::new(year, part(0)?, part(1)?, part(2)?, part(3)?, part(4)?, 0).ok()?;
    civil.to_zoned(TimeZone::UTC).ok().map(|zoned| zoned.timestamp())
}

/// The content of an element with this tag, and what follows it.
fn expect(der: &[u8], tag: u8) -> Option<(&[u8], &[u8])> {
    let (found, content, rest) = element(der)?;
    (found == tag).then_some((content, rest))
}

/// Tag, content and what follows. Lengths beyond 64 KiB are none of a certificate.
fn element(der: &[u8]) -> Option<(u8, &[u8], &[u8])> {
    let (&tag, rest) = der.split_first()?;
    let (&len, rest) = rest.split_first()?;
    let (len, rest) = match len {
        0..=0x7f => (usize::from(len), rest),
        0x81 => (usize::from(*rest.first()?), &rest[1..]),
        0x82 => (usize::from(u16::from_be_bytes([*rest.first()?, *rest.get(1)?])), &rest[2..]),
        _ => return None,
    };
    let (content, rest) = rest.split_at_checked(len)?;
    Some((tag, content, rest))
}

#[cfg(test)]
mod tests {
    use rcgen::{CertificateParams, KeyPair, date_time_ymd};

    use super::*;

    fn certificate(year: i32) -> Vec<u8> {
        let mut params = CertificateParams::new(["shop.example.com".to_owned()]).unwrap();
        params.not_after = date_time_ymd(year, 2, 3);
        params.self_signed(&KeyPair::generate().unwrap()).unwrap().der().to_vec()
    }

    #[test]
    fn both_ways_of_writing_a_year_are_read() {
        for year in [1999, 2031, 2049, 2050, 4096] {
            assert_eq!(
                not_after(&certificate(year)),
                Some(format!("{year}-02-03T00:00:00Z").parse().unwrap())
            );
        }
    }

    #[test]
    fn a_chain_expires_with_its_first_certificate() {
        let chain = [2033, 2031, 2040].map(|year| CertificateDer::from(certificate(year)));
        assert_eq!(earliest_expiry(&chain), Some("2031-02-03T00:00:00Z".parse().unwrap()));
        assert_eq!(earliest_expiry(&[]), None);
    }

    #[test]
    fn a_mangled_certificate_has_no_date_and_does_no_harm() {
        let whole = certificate(2031);
        for cut in 0..whole.len() {
            let _date = not_after(&whole[..cut]);
        }
        for at in 0..whole.len() {
            let mut flipped = whole.clone();
            flipped[at] ^= 0xff;
            let _date = not_after(&flipped);
        }
        assert_eq!(not_after(&[]), None);
    }
}
