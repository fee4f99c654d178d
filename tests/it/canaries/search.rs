//! The canaries, and the net in which one that has escaped is caught.

use std::{collections::BTreeMap, fmt, sync::Arc};

use aho_corasick::AhoCorasick;
use base64::{
    Engine,
    engine::general_purpose::{STANDARD, URL_SAFE},
};

use super::places::place_of;

/// Values of their own, by number from 1: twenty secrets, and what stands in a key file that is none.
pub const GENERATED: usize = 21;

/// The number of the private key of the client certificate, which is no text of our choice.
pub const CLIENT_KEY: usize = GENERATED + 1;

/// What every canary begins with.
const BIRD: &str = "kestrel";

/// A piece of this length tells which canary it is of, from either end.
const PIECE_LEN: usize = 9;

/// The same in base64.
const PIECE_BASE64_LEN: usize = PIECE_LEN / 3 * 4;

/// A secret with its number at both ends, and between them the characters that every encoding changes.
pub fn canary(number: usize) -> String {
    format!("{BIRD}{number:02}/+=&%~Zq7Lm4{number:02}x")
}

pub fn hex(value: &[u8]) -> String {
    value.iter().map(|byte| format!("{byte:02x}")).collect()
}

pub fn percent(value: &str) -> String {
    percent_encoding::utf8_percent_encode(value, percent_encoding::NON_ALPHANUMERIC).to_string()
}

/// Either end of a canary in every encoding: raw (percent-encoded and escaped, it is the same), hex, base64 at each
/// alignment in both alphabets.
fn pieces(value: &str) -> Vec<String> {
    let lower = hex(value.as_bytes());
    let mut forms = vec![(value.to_owned(), PIECE_LEN), (lower.to_uppercase(), 2 * PIECE_LEN)];
    forms.push((lower, 2 * PIECE_LEN));
    for offset in 0..3 {
        let shifted = ["x".repeat(offset), value.to_owned()].concat();
        // The characters that depend on the value alone, whatever stands around it.
        let own = (offset * 8).div_ceil(6)..shifted.len() * 8 / 6;
        for engine in [STANDARD, URL_SAFE] {
            forms.push((engine.encode(&shifted)[own.clone()].to_owned(), PIECE_BASE64_LEN));
        }
    }
    let ends = |(form, len): (String, usize)| [form[..len].to_owned(), form[form.len() - len..].to_owned()];
    forms.into_iter().flat_map(ends).collect()
}

/// Finds every canary in a text, whole or in part, in any disguise.
pub struct Net {
    pieces: AhoCorasick,
    /// The number of the canary of each piece.
    numbers: Vec<usize>,
}

impl Net {
    pub fn new(client_key: &rcgen::KeyPair) -> Self {
        let mut pieces: Vec<(usize, String)> = (1..=GENERATED)
            .flat_map(|number| pieces(&canary(number)).into_iter().map(move |piece| (number, piece)))
            .collect();
        // In a P-256 key of this form, bytes 36 to 67 are the secret; the second line of the PEM text begins with byte 48.
        let (pem, der) = (client_key.serialize_pem(), client_key.serialize_der());
        let line = pem.lines().nth(2).unwrap()[..24].to_owned();
        pieces.extend([(CLIENT_KEY, line), (CLIENT_KEY, hex(&der[36..52]))]);
        let (numbers, pieces): (Vec<usize>, Vec<String>) = pieces.into_iter().unzip();
        Self { pieces: AhoCorasick::new(pieces).unwrap(), numbers }
    }

    /// The numbers of the canaries in a text, each with the place where it is first found.
    pub fn caught(&self, text: &[u8]) -> BTreeMap<usize, usize> {
        let mut caught = BTreeMap::new();
        for found in self.pieces.find_overlapping_iter(text) {
            caught.entry(self.numbers[found.pattern().as_usize()]).or_insert(found.start());
        }
        caught
    }
}

/// What has been searched and what has been found.
pub struct Search {
    net: Arc<Net>,
    /// Where a canary has been seen.
    pub escaped: Vec<String>,
    outputs: usize,
    bytes: usize,
    /// The masks that stand in place of secrets, by the kind of output.
    masks: BTreeMap<String, usize>,
}

impl Search {
    pub fn new(net: Arc<Net>) -> Self {
        Self { net, escaped: Vec::new(), outputs: 0, bytes: 0, masks: BTreeMap::new() }
    }

    /// Searches an output; an empty one proves nothing and is not counted.
    pub fn look(&mut self, output: &str, text: &[u8]) {
        self.outputs += usize::from(!text.is_empty());
        self.bytes += text.len();
        let masks = text.split(|byte| *byte != b'*').filter(|stars| stars.len() == 3).count();
        *self.masks.entry(output.to_owned()).or_default() += masks;
        for (number, at) in self.net.caught(text) {
            let before = String::from_utf8_lossy(&text[at.saturating_sub(120)..at]).into_owned();
            self.escaped.push(format!("{number} ({}) in {output}: {before:?}", place_of(number)));
        }
    }

    /// Whether a secret came back and was masked in an output of this kind.
    pub fn has_masked(&self, output: &str) -> bool {
        self.masks.get(output).is_some_and(|masks| *masks > 0)
    }

    pub fn is_worth_something(&self) -> bool {
        self.outputs > 0 && self.bytes > 0
    }
}

impl fmt::Display for Search {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (bytes, outputs, hits) = (self.bytes, self.outputs, self.escaped.len());
        let masks: usize = self.masks.values().sum();
        write!(f, "{bytes} bytes searched in {outputs} outputs, {masks} masks, {hits} hits")
    }
}

#[test]
fn the_net_catches_either_end_of_a_canary_in_every_disguise() {
    let key = rcgen::KeyPair::generate().unwrap();
    let net = Net::new(&key);
    let value = canary(7);
    let mut shown = vec![
        STANDARD.encode(format!("lamplighter:{value}")),
        STANDARD.encode(format!("x{value}y")),
        percent(&percent(&value)),
        hex(value.as_bytes()).to_uppercase(),
        serde_json::Value::from(value.as_str()).to_string(),
    ];
    // The whole, and what a cut in the middle leaves on either side.
    for whole in [value.clone(), percent(&value), hex(value.as_bytes()), URL_SAFE.encode(&value)] {
        let (left, right) = whole.split_at(whole.len() / 2);
        shown.extend([left.to_owned(), right.to_owned(), whole.clone()]);
    }
    for text in shown {
        let caught = net.caught(format!("before {text} after").as_bytes());
        assert_eq!(caught.into_keys().collect::<Vec<_>>(), [7], "{text}");
    }
    let caught = net.caught(key.serialize_pem().as_bytes());
    assert_eq!(caught.into_keys().collect::<Vec<_>>(), [CLIENT_KEY]);
    assert!(net.caught(b"nothing to see here").is_empty());
}
