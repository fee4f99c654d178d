//! Keeps secrets out of texts that quote a target: a target may echo what it was sent, in its body, a header or the
//! address of a redirect, as it was or encoded.

use std::{borrow::Cow, collections::BTreeSet, fmt};

use aho_corasick::{AhoCorasick, MatchKind};
use base64::{Engine, engine::general_purpose::STANDARD_NO_PAD};
use percent_encoding::{AsciiSet, CONTROLS, NON_ALPHANUMERIC, utf8_percent_encode};

use crate::secret::Secret;

/// Shorter secrets cannot be told from ordinary words; they are not looked for.
pub const REDACTED_LEN_MIN: usize = 4;

/// What stands in place of a secret.
const MASK: &str = "***";

/// What stands where a text was cut.
const ELLIPSIS: char = '…';

/// What a URL keeps in a query (WHATWG URL, query percent-encode set).
const QUERY: &AsciiSet = &CONTROLS.add(b' ').add(b'"').add(b'#').add(b'<').add(b'>').add(b'\'');

/// Replaces every occurrence of the secrets it knows: raw, percent-encoded, form-encoded, escaped for JSON and HTML,
/// base64 at any alignment, and hex, in either case of letters.
#[derive(Clone, Default)]
pub struct Redactor {
    automaton: Option<AhoCorasick>,
    /// Every form looked for, so that one cut off at the end of a text is recognised too.
    forms: Vec<String>,
}

impl Redactor {
    /// A redactor that knows these secrets.
    #[must_use]
    pub fn new<'a>(secrets: impl IntoIterator<Item = &'a Secret>) -> Self {
        let forms: BTreeSet<String> = secrets
            .into_iter()
            .filter(|secret| secret.expose().len() >= REDACTED_LEN_MIN)
            .flat_map(|secret| forms(secret.expose()))
            .filter(|form| form.len() >= REDACTED_LEN_MIN)
            .collect();
        if forms.is_empty() {
            return Self::default();
        }
        let forms: Vec<String> = forms.into_iter().collect();
        let automaton = AhoCorasick::builder()
            .match_kind(MatchKind::LeftmostLongest)
            .ascii_case_insensitive(true)
            .build(&forms)
            .expect("a few secrets make an automaton far below its limit of 2^31 states");
        Self { automaton: Some(automaton), forms }
    }

    /// The text with `***` in place of every secret. A text without any is handed back as it is.
    #[must_use]
    pub fn redact<'t>(&self, text: &'t str) -> Cow<'t, str> {
        let Some(automaton) = &self.automaton else { return Cow::Borrowed(text) };
        let whole = if automaton.is_match(text) {
            let mut redacted = String::with_capacity(text.len());
            automaton.replace_all_with(text, &mut redacted, |_, _, out| {
                out.push_str(MASK);
                true
            });
            Cow::Owned(redacted)
        } else {
            Cow::Borrowed(text)
        };
        self.without_stumps(whole)
    }

    /// Masks what is left of a secret where a text was cut: at its end, and before every ellipsis.
    fn without_stumps<'t>(&self, text: Cow<'t, str>) -> Cow<'t, str> {
        let cuts = text.match_indices(ELLIPSIS).map(|(at, _)| at).chain([text.len()]);
        let stumps: Vec<_> = cuts.filter_map(|cut| Some(self.stump(&text[..cut])?..cut)).collect();
        if stumps.is_empty() {
            return text;
        }
        let mut masked = text.into_owned();
        let mut untouched = masked.len();
        for stump in stumps.into_iter().rev() {
            // Two stumps overlap if a secret has an ellipsis in it; the later one has masked the earlier one's end.
            let stump = stump.start..stump.end.min(untouched);
            if !stump.is_empty() {
                untouched = stump.start;
                masked.replace_range(stump, MASK);
            }
        }
        Cow::Owned(masked)
    }

    /// Where a form begins that the end of the text has cut off.
    fn stump(&self, text: &str) -> Option<usize> {
        let text = text.as_bytes();
        let cut_at = |form: &String| {
            let form = form.as_bytes();
            let longest = form.len().saturating_sub(1).min(text.len());
            (REDACTED_LEN_MIN..=longest)
                .rev()
                .map(|len| (len, text.len() - len))
                .find(|&(len, start)| text[start..].eq_ignore_ascii_case(&form[..len]))
                .map(|(_, start)| start)
        };
        self.forms.iter().filter_map(cut_at).min()
    }
}

impl fmt::Debug for Redactor {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Redactor({} forms)", self.forms.len())
    }
}

/// Every form in which a secret may come back.
fn forms(secret: &str) -> Vec<String> {
    let mut forms = vec![
        secret.to_owned(),
        utf8_percent_encode(secret, NON_ALPHANUMERIC).to_string(),
        utf8_percent_encode(secret, QUERY).to_string(),
        url::form_urlencoded::byte_serialize(secret.as_bytes()).collect(),
        json_escaped(secret),
        html_escaped(secret),
        secret.escape_debug().to_string(),
        // As a detail shows control characters.
        secret.split_inclusive(char::is_control).map(control_escaped).collect(),
        secret.bytes().map(|byte| format!("{byte:02x}")).collect(),
    ];
    for offset in 0..3 {
        let core = base64_core(secret.as_bytes(), offset);
        forms.push(core.replace('+', "-").replace('/', "_"));
        forms.push(core);
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

/// A piece of text with the control character at its end, if it has one, escaped.
fn control_escaped(piece: &str) -> String {
    match piece.char_indices().next_back().filter(|(_, last)| last.is_control()) {
        Some((at, last)) => format!("{}{}", &piece[..at], last.escape_unicode()),
        None => piece.to_owned(),
    }
}

fn json_escaped(text: &str) -> String {
    serde_json::Value::from(text).to_string().trim_matches('"').to_owned()
}

fn html_escaped(text: &str) -> String {
    text.replace('&', "&amp;")
        .replace('<', "&lt;")
        .replace('>', "&gt;")
        .replace('"', "&quot;")
        .replace('\'', "&#39;")
}

#[cfg(test)]
mod tests {
    use super::*;

    const SECRET: &str = "s3cr3t/pa+ss wörd\"&";

    fn redactor() -> Redactor {
        Redactor::new(&[Secret::new(SECRET.to_owned())])
    }

    #[test]
    fn every_form_of_a_secret_is_masked() {
        let redactor = redactor();
        for form in forms(SECRET) {
            let redacted = redactor.redact(&format!("before {form} after")).into_owned();
            assert!(redacted.starts_with("before ") && redacted.ends_with(" after"), "{redacted}");
            assert!(redacted.contains(MASK) && !redacted.contains(&form), "{form} left in {redacted}");
        }
    }

    #[test]
    fn a_password_is_masked_inside_the_base64_of_basic_credentials() {
        for user in ["a", "ab", "abc", "lamplighter"] {
            let credentials = STANDARD_NO_PAD.encode(format!("{user}:{SECRET}"));
            let redacted = redactor().redact(&credentials).into_owned();
            let left = redacted.replace(MASK, "");
            assert!(left.len() < (user.len() + 1) * 4 / 3 + 5, "{left} left of {credentials}");
        }
    }

    #[test]
    fn letters_in_either_case_are_masked() {
        let hex: String = SECRET.bytes().map(|byte| format!("{byte:02X}")).collect();
        assert_eq!(redactor().redact(&hex), MASK);
        assert_eq!(redactor().redact("s3cr3t%2fpa%2bss%20w%c3%b6rd%22%26"), MASK);
    }

    #[test]
    fn a_secret_cut_off_at_the_end_is_masked() {
        assert_eq!(redactor().redact("it said s3cr3t/pa…"), "it said ***…");
        assert_eq!(redactor().redact("it said s3cr"), "it said ***");
        assert_eq!(
            redactor().redact("\"it said s3cr3t…\" twice: s3cr3t%2Fpa…, 200"),
            "\"it said ***…\" twice: ***…, 200"
        );
        assert_eq!(redactor().redact("it said s3c"), "it said s3c");
    }

    #[test]
    fn a_text_without_secrets_is_handed_back_untouched() {
        assert!(matches!(redactor().redact("status 503"), Cow::Borrowed("status 503")));
        assert!(matches!(Redactor::default().redact(SECRET), Cow::Borrowed(_)));
    }

    #[test]
    fn a_word_too_short_to_be_a_secret_is_left_alone() {
        let redactor = Redactor::new(&[Secret::new("abc".to_owned())]);
        assert_eq!(redactor.redact("abc"), "abc");
    }

    #[test]
    fn debug_output_shows_no_form() {
        assert_eq!(format!("{:?} {:?}", Secret::new(SECRET.to_owned()), redactor()).find("s3cr"), None);
    }
}
