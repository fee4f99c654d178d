//! Keeps secrets out of texts that quote a target: a target may echo what it was sent, in its body, a header or the
//! address of a redirect, whole or in part, as it was or encoded.
//!
//! Looking for every way of writing a secret would miss one. So the text is looked at as it stands and with its escapes
//! undone ([`escapes`]), and what is looked for is not the secret but any piece of it: so one that was cut, or split by
//! the parts of an address, is found as well.

mod escapes;

use std::{borrow::Cow, collections::BTreeSet, fmt, ops::Range};

use aho_corasick::AhoCorasick;
use base64::{Engine, engine::general_purpose::STANDARD_NO_PAD};

use self::escapes::Layer;
use crate::secret::Secret;

/// Shorter secrets cannot be told from ordinary words; they are not looked for.
pub const REDACTED_LEN_MIN: usize = 4;

/// A piece of a secret, in bytes. Longer ones would give more of it away, shorter ones would find it everywhere.
const PIECE_LEN: usize = 8;

/// How often escapes are undone: an address within an address is escaped twice.
const LAYERS_MAX: usize = 3;

/// What stands in place of a secret.
const MASK: &str = "***";

/// What stands where a text was cut.
const ELLIPSIS: char = '…';

/// Replaces every occurrence of the secrets it knows, and of any piece of them of 8 bytes or more, in either case of
/// letters: raw, hex, base64 at any alignment, and each of these under any escapes.
#[derive(Clone, Default)]
pub struct Redactor {
    pieces: Option<AhoCorasick>,
    /// Every form looked for, so that the little that a cut has left of one is recognised too.
    forms: Vec<Vec<u8>>,
}

impl Redactor {
    /// A redactor that knows these secrets.
    #[must_use]
    pub fn new<'a>(secrets: impl IntoIterator<Item = &'a Secret>) -> Self {
        let forms: BTreeSet<Vec<u8>> = secrets
            .into_iter()
            .filter(|secret| secret.expose().len() >= REDACTED_LEN_MIN)
            .flat_map(|secret| forms(secret.expose()))
            .filter(|form| form.len() >= REDACTED_LEN_MIN)
            .collect();
        if forms.is_empty() {
            return Self::default();
        }
        let pieces: BTreeSet<&[u8]> =
            forms.iter().flat_map(|form| form.windows(PIECE_LEN.min(form.len()))).collect();
        let pieces = AhoCorasick::builder()
            .ascii_case_insensitive(true)
            .build(pieces)
            .expect("a few secrets make an automaton far below its limit of 2^31 states");
        Self { pieces: Some(pieces), forms: forms.into_iter().collect() }
    }

    /// The text with `***` in place of every secret. A text without any is handed back as it is.
    #[must_use]
    pub fn redact<'t>(&self, text: &'t str) -> Cow<'t, str> {
        let Some(pieces) = &self.pieces else { return Cow::Borrowed(text) };
        let mut found = Vec::new();
        let mut layer = Layer::surface(text);
        for _ in 0..LAYERS_MAX {
            let bytes = layer.bytes();
            let whole = pieces.find_overlapping_iter(bytes).map(|hit| hit.start()..hit.end());
            let spans = whole.chain(self.stumps(bytes));
            found.extend(spans.map(|span| layer.origin(&span)));
            match layer.unescaped() {
                Some(deeper) => layer = deeper,
                None => break,
            }
        }
        if found.is_empty() { Cow::Borrowed(text) } else { Cow::Owned(masked(text, found)) }
    }

    /// What cuts have left of a secret, if that is too little for a piece: at the end of the text, and before every
    /// ellipsis.
    fn stumps(&self, text: &[u8]) -> impl Iterator<Item = Range<usize>> {
        let mut ellipsis = [0; 4];
        let ellipsis = ELLIPSIS.encode_utf8(&mut ellipsis).as_bytes();
        let cuts = text.windows(ellipsis.len()).enumerate().filter(|(_, window)| *window == ellipsis);
        let cuts = cuts.map(|(at, _)| at).chain([text.len()]);
        cuts.filter_map(|cut| self.stump(&text[..cut]).map(|start| start..cut))
            .collect::<Vec<_>>()
            .into_iter()
    }

    /// Where a form begins that the end of the text has cut off.
    fn stump(&self, text: &[u8]) -> Option<usize> {
        let begins_at = |form: &Vec<u8>| {
            let longest = form.len().saturating_sub(1).min(PIECE_LEN).min(text.len());
            let start = |len: &usize| text.len() - len;
            let mut lengths = (REDACTED_LEN_MIN..=longest).rev();
            lengths.find(|len| text[start(len)..].eq_ignore_ascii_case(&form[..*len])).map(|len| start(&len))
        };
        self.forms.iter().filter_map(begins_at).min()
    }
}

impl fmt::Debug for Redactor {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Redactor({} forms)", self.forms.len())
    }
}

/// The text with one mask in place of each run of what was found.
fn masked(text: &str, mut found: Vec<Range<usize>>) -> String {
    found.sort_by_key(|span| span.start);
    let mut masked = String::with_capacity(text.len());
    let mut done = 0;
    for span in found {
        // A piece may begin or end within a character that its neighbour shares; the whole character goes.
        let (start, end) = (text.floor_char_boundary(span.start), text.ceil_char_boundary(span.end));
        if start > done || (start == 0 && done == 0) {
            masked.push_str(&text[done..start]);
            masked.push_str(MASK);
        }
        done = done.max(end);
    }
    masked.push_str(&text[done..]);
    masked
}

/// Every form in which a secret may come back, escapes aside.
fn forms(secret: &str) -> Vec<Vec<u8>> {
    let mut forms = vec![
        secret.as_bytes().to_vec(),
        secret.bytes().flat_map(|byte| format!("{byte:02x}").into_bytes()).collect(),
    ];
    if secret.contains(' ') {
        // In a form, a space is written as a plus sign.
        forms.push(secret.replace(' ', "+").into_bytes());
    }
    for offset in 0..3 {
        let core = base64_core(secret.as_bytes(), offset);
        forms.push(core.replace('+', "-").replace('/', "_").into_bytes());
        forms.push(core.into_bytes());
    }
    forms
}

/// The characters of a base64 text that depend on `bytes` alone, when `offset` other bytes (modulo 3) stand before
/// them: as in the credentials of basic authentication, where the user name does.
fn base64_core(bytes: &[u8], offset: usize) -> String {
    let mut shifted = vec![0; offset];
    shifted.extend_from_slice(bytes);
    let encoded = STANDARD_NO_PAD.encode(&shifted);
    // Each character carries six bits: those of the first foreign bits are left out, and so are those of the last.
    let first = (offset * 8).div_ceil(6);
    let last = shifted.len() * 8 / 6;
    encoded[first..last].to_owned()
}

#[cfg(test)]
mod tests {
    use percent_encoding::{NON_ALPHANUMERIC, utf8_percent_encode};

    use super::*;

    const SECRET: &str = "s3cr3t/pa+ss wörd\"&~";

    fn redactor() -> Redactor {
        Redactor::new(&[Secret::new(SECRET.to_owned())])
    }

    fn percent(text: &str) -> String {
        utf8_percent_encode(text, NON_ALPHANUMERIC).to_string()
    }

    #[test]
    fn a_secret_is_masked_in_every_disguise() {
        let disguises = [
            SECRET.to_owned(),
            percent(SECRET),
            percent(&percent(SECRET)),
            "s3cr3t%2fpa%2Bss w%c3%B6rd%22&%7e".to_owned(),
            url::form_urlencoded::byte_serialize(SECRET.as_bytes()).collect(),
            serde_json::Value::from(SECRET).to_string().trim_matches('"').to_owned(),
            "s3cr3t\\/pa\\u002bss w\\u00f6rd\\u0022\\u0026~".to_owned(),
            "s3cr3t/pa&#43;ss w&#xf6;rd&quot;&amp;~".to_owned(),
            SECRET.bytes().map(|byte| format!("{byte:02x}")).collect(),
            SECRET.bytes().map(|byte| format!("{byte:02X}")).collect(),
        ];
        for disguise in disguises {
            let redacted = redactor().redact(&format!("before {disguise} after")).into_owned();
            assert_eq!(redacted, "before *** after", "{disguise}");
        }
    }

    #[test]
    fn a_secret_is_masked_in_a_detail_that_escapes_its_control_characters() {
        let redactor = Redactor::new(&[Secret::new("s3c\tr3t\u{200b}pa\nss".to_owned())]);
        let detail = "saw s3c\\u{9}r3t\\u{200b}pa\\u{a}ss there";
        assert_eq!(redactor.redact(detail), "saw *** there");
    }

    #[test]
    fn a_password_is_masked_inside_the_base64_of_basic_credentials() {
        for user in ["a", "ab", "abc", "lamplighter"] {
            let credentials = STANDARD_NO_PAD.encode(format!("{user}:{SECRET}"));
            for disguise in [credentials.clone(), percent(&credentials)] {
                let redacted = redactor().redact(&disguise).into_owned();
                let left = redacted.replace(MASK, "");
                assert!(left.len() < (user.len() + 1) * 4 / 3 + 5, "{left} left of {disguise}");
            }
        }
    }

    #[test]
    fn a_piece_of_a_secret_is_masked() {
        assert_eq!(redactor().redact("no host s3cr3t/p of that name"), "no host *** of that name");
        assert_eq!(redactor().redact("path /pa+ss wörd\"?"), "path ***?");
        assert_eq!(redactor().redact("S3CR3T/PA and s3cr3t/pa"), "*** and ***");
        assert_eq!(redactor().redact("s3cr3t"), "***", "at the end, where it may have been cut");
        assert_eq!(redactor().redact("s3cr3t is a word"), "s3cr3t is a word");
    }

    #[test]
    fn a_secret_cut_off_is_masked() {
        assert_eq!(redactor().redact("it said s3cr3t/pa…"), "it said ***…");
        assert_eq!(redactor().redact("it said s3cr"), "it said ***");
        assert_eq!(redactor().redact("it said s3c"), "it said s3c");
        assert_eq!(
            redactor().redact("\"it said s3cr3t…\" twice: s3cr3t%2…, 200"),
            "\"it said ***…\" twice: ***…, 200"
        );
    }

    #[test]
    fn a_text_without_secrets_is_handed_back_untouched() {
        for text in ["status 503", "100 % & more: %zz \\q &nope; …", "wörd"] {
            assert!(matches!(redactor().redact(text), Cow::Borrowed(same) if same == text));
        }
        assert!(matches!(Redactor::default().redact(SECRET), Cow::Borrowed(_)));
    }

    #[test]
    fn a_word_too_short_to_be_a_secret_is_left_alone() {
        let redactor = Redactor::new(&[Secret::new("abc".to_owned())]);
        assert_eq!(redactor.redact("abc"), "abc");
        let redactor = Redactor::new(&[Secret::new("abcd".to_owned())]);
        assert_eq!(redactor.redact("abc abcd abcde"), "abc *** ***e");
    }

    #[test]
    fn debug_output_shows_no_form() {
        assert_eq!(format!("{:?} {:?}", Secret::new(SECRET.to_owned()), redactor()).find("s3cr"), None);
    }
}
