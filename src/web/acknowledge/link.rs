//! The link by which whoever reads a mail takes its incident in hand, and whether one is ours.
//!
//! Its last part is an HMAC-SHA256 over the incident's id, by a key that is derived from the token of `[api]` and good for
//! nothing else. So nothing is kept for it anywhere, it outlives a restart, and it ends with the token.

use base64::{Engine, engine::general_purpose::URL_SAFE_NO_PAD};
use ring::hmac;
use url::Url;

use crate::{domain::incident::IncidentId, secret::Secret};

/// What the key is for. By another purpose the same token would give another key.
const PURPOSE: &[u8] = b"lamplighter: acknowledge an incident by link, 1";

/// The link of an incident; `public_url` is the address under which people reach the first page. None where that is no
/// address that a path can be added to.
#[must_use]
pub fn link(public_url: &str, token: &Secret, incident: &IncidentId) -> Option<String> {
    let mut url = Url::parse(public_url).ok()?;
    url.set_query(None);
    url.set_fragment(None);
    let signature = URL_SAFE_NO_PAD.encode(hmac::sign(&key(token), incident.0.as_bytes()));
    url.path_segments_mut().ok()?.pop_if_empty().extend(["acknowledge", &incident.0, &signature]);
    Some(url.into())
}

/// Whether a signature is that of an incident. It takes as long whatever is wrong with it.
pub(super) fn is_signed(incident: &IncidentId, signature: &str, token: &Secret) -> bool {
    let signature = URL_SAFE_NO_PAD.decode(signature).unwrap_or_default();
    hmac::verify(&key(token), incident.0.as_bytes(), &signature).is_ok()
}

fn key(token: &Secret) -> hmac::Key {
    let token = hmac::Key::new(hmac::HMAC_SHA256, token.expose().as_bytes());
    hmac::Key::new(hmac::HMAC_SHA256, hmac::sign(&token, PURPOSE).as_ref())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn token(text: &str) -> Secret {
        Secret::new(text.to_owned())
    }

    fn id(text: &str) -> IncidentId {
        IncidentId(text.to_owned())
    }

    #[test]
    fn a_link_stands_below_the_public_address_and_its_signature_never_changes() {
        let signed = "20261121T020612Z-web-chat-e9bf/v61Ynf4DSCxCV9ayZVcoMPJ2hG9vkpoRmGcy1opjMxo";
        for (public_url, begins) in [
            ("https://lamplighter.example.com/", "https://lamplighter.example.com/acknowledge/"),
            ("https://example.com/ops/lamplighter", "https://example.com/ops/lamplighter/acknowledge/"),
            ("https://example.com/ops/?x=1#y", "https://example.com/ops/acknowledge/"),
        ] {
            let link = link(public_url, &token("a-token"), &id("20261121T020612Z-web-chat-e9bf")).unwrap();
            assert!(link.starts_with(&format!("{begins}{signed}")), "{link}");
        }
        assert_eq!(link("mailto:x", &token("a-token"), &id("a")), None);
    }

    #[test]
    fn only_the_whole_signature_of_this_incident_by_this_token_is_right() {
        let (incident, right) = (id("20261121T020612Z-web-chat-e9bf"), token("a-token"));
        let link = link("https://example.com/", &right, &incident).unwrap();
        let signature = link.rsplit('/').next().unwrap();
        assert!(is_signed(&incident, signature, &right));
        assert!(!is_signed(&incident, signature, &token("another-token")));
        assert!(!is_signed(&id("20261121T020612Z-web-chat-e9be"), signature, &right));
        for wrong in
            ["", "=", "AAAA", &signature[1..], &signature[..signature.len() - 1], &format!("{signature}=")]
        {
            assert!(!is_signed(&incident, wrong, &right), "{wrong}");
        }
        let by_the_token_itself =
            hmac::sign(&hmac::Key::new(hmac::HMAC_SHA256, right.expose().as_bytes()), incident.0.as_bytes());
        assert!(!is_signed(&incident, &URL_SAFE_NO_PAD.encode(by_the_token_itself), &right));
    }
}
