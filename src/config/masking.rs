//! Stars out what looks like a secret in the text of a configuration, so that a report can show its lines: a literal
//! where a reference belongs, user and password in an address, whatever stands behind a key with a telling name. Told
//! by its look, since a line may be shown because it cannot be read. Rather a word too many is starred out than one
//! too few.

use std::{ops::Range, sync::LazyLock};

use regex::Regex;

use crate::setting::is_variable;

/// The text with stars in place of `known` and of everything that looks like a secret. Every place keeps its place.
pub(super) fn mask(text: &str, known: impl Iterator<Item = Range<usize>>) -> String {
    let mut shown = text.as_bytes().to_vec();
    for span in known.chain(behind_telling_keys(text)).chain(before_hosts(text)) {
        for byte in shown.get_mut(without_quotes(text, span)).unwrap_or_default() {
            // Line breaks stay, so that every later line keeps its number.
            if *byte != b'\n' && *byte != b'\r' {
                *byte = b'*';
            }
        }
    }
    String::from_utf8(shown).expect("whole characters are replaced by ASCII")
}

fn without_quotes(text: &str, span: Range<usize>) -> Range<usize> {
    let Some(value) = text.get(span.clone()) else { return span };
    let quotes = ["\"\"\"", "'''", "\"", "'"];
    let Some(quote) = quotes.into_iter().find(|quote| value.starts_with(quote)) else { return span };
    let closes = value.len() >= 2 * quote.len() && value.ends_with(quote);
    span.start + quote.len()..span.end - if closes { quote.len() } else { 0 }
}

/// The values of keys whose names say that they are secrets; of a table, the values that are no reference.
fn behind_telling_keys(text: &str) -> impl Iterator<Item = Range<usize>> {
    TELLING.captures_iter(text).flat_map(move |found| {
        let (Some(key), Some(value)) = (found.name("key"), found.name("value")) else { return Vec::new() };
        if is_harmless(key.as_str()) {
            return Vec::new();
        }
        if !value.as_str().starts_with(['{', '[']) {
            if is_variable(&text[without_quotes(text, value.range())]) {
                return Vec::new();
            }
            return vec![value.range()];
        }
        let members = MEMBER.captures_iter(value.as_str()).filter_map(|member| {
            let secret = !member
                .name("key")
                .is_some_and(|key| is_harmless(key.as_str()) || CAPTURES.contains(&key.as_str()));
            let range = member.name("value").filter(|_| secret)?.range();
            Some(value.start() + range.start..value.start() + range.end)
        });
        members.collect()
    })
}

/// Whether a key holds where a secret lies, or a name.
fn is_harmless(key: &str) -> bool {
    let last = key.rsplit('.').next().unwrap_or(key).trim_matches(['"', '\'']);
    ["env", "file", "credential", "user", "username"].contains(&last)
}

/// Says where in an answer a token is, of a table whose key is called like one.
const CAPTURES: [&str; 7] = ["json", "regex", "header", "cookie", "css", "attribute", "otherwise"];

/// What stands before the host in an address, in a string or without quotes.
fn before_hosts(text: &str) -> impl Iterator<Item = Range<usize>> {
    let quoted = STRING.find_iter(text).filter_map(|string| {
        let inner = without_quotes(text, string.range());
        let at = inner.start + text[inner.clone()].rfind('@')?;
        let before = &text[inner.start..at];
        match before.find("//") {
            Some(slashes) => Some(inner.start + slashes + 2..at),
            None => before.contains(':').then_some(inner.start..at),
        }
    });
    quoted.chain(BARE_USERINFO.captures_iter(text).filter_map(|found| Some(found.get(1)?.range())))
}

/// A string of TOML; one that is never closed ends with its line.
const STRING_PATTERN: &str =
    r#"(?s:"""[^"].*?(?:"""|\z)|'''[^'].*?(?:'''|\z))|"(?:[^"\\\n]|\\[^\n])*"?|'[^'\n]*'?"#;

fn pattern(text: &str) -> Regex {
    Regex::new(text).expect("the pattern is constant and tested")
}

static STRING: LazyLock<Regex> = LazyLock::new(|| pattern(STRING_PATTERN));

static TELLING: LazyLock<Regex> = LazyLock::new(|| {
    pattern(&format!(
        r#"(?i)(?P<key>(?:passw|token|secret|bearer|basic|cookie|authorization|hash|(?:api|client)[-_]?key)[\w.-]*["']?)\s*=[ \t]*(?P<value>{STRING_PATTERN}|\{{[^}}]*|\[[^\]]*|[^\s\#][^\n]*)"#
    ))
});

/// A value in a table or an array, with its key if it has one.
static MEMBER: LazyLock<Regex> = LazyLock::new(|| {
    pattern(&format!(
        r#"[\w.-]+["']?\s*=\s*[\[{{]|(?:(?P<key>["']?[\w.-]+["']?)\s*=[ \t]*)?(?P<value>{STRING_PATTERN}|[^\s,=\[\]{{}}]+)"#
    ))
});

static BARE_USERINFO: LazyLock<Regex> = LazyLock::new(|| pattern(r#"(?::?//|:)([^\s"']+)@"#));

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_looks_like_a_secret_is_starred_out_and_nothing_moves() {
        for line in [
            "url = \"https://anna:S3CR3T@shop.example.com/\"",
            "url = 'https://anna:S3CR\"3T@shop.example.com/'",
            "url = \"https://S3@CR/3T?#@shop.example.com/\"",
            "url = \"https://anna:S3\\\"CR3T@shop.example.com/\"",
            "url = \"//anna:S3CR3T@shop.example.com/\"",
            "url = \"anna:S3CR3T@shop.example.com\"",
            "url = https://anna:S3CR3T@shop.example.com/",
            "url = \"https://anna:S3CR3T@shop.example.com/",
            "bearer = \"S3CR3T\"",
            "bearer = S3CR3T",
            "bearer = 'S3CR3T",
            "bearer = \"{S3CR3T}\"",
            "bearer = \"{token}S3CR3T\"",
            "bearer = \"S3\\\"CR3T\" # no",
            "bearer = [\"S3CR3T\"]",
            "bearer.value = \"S3CR3T\"",
            "bearer = { value = \"S3CR3T\" }",
            "bearer = {\n  value = S3CR3T\n}",
            "bearer = { env = \"X\", \"S3CR3T\" }",
            "bearer = \"\"\"\nS3\nCR3T\"\"\"",
            "basic = { user = \"anna\", password = \"S3CR3T\", tiemout = 1 }",
            "basic = { user = \"anna\", password = { value = 'S3CR3T' } }",
            "\"api-key\" = \"S3CR3T\"",
            "password = 1333333",
            "hash = \"S3CR3T\"",
        ] {
            let shown = mask(line, std::iter::empty());
            assert!(!shown.contains("S3") && !shown.contains("R3") && !shown.contains("33"), "{shown}");
            assert_eq!(shown.len(), line.len());
            assert_eq!(shown.matches('\n').count(), line.matches('\n').count());
        }
    }

    #[test]
    fn what_is_no_secret_stays_readable() {
        for line in [
            "password = { env = \"SMTP_PASSWORD\" }",
            "bearer = { file = \"secrets/token\" }",
            "bearer.credential = \"token\"",
            "bearer = \"{token}\"",
            "basic = { user = \"anna\", password = { credential = \"shop\" } }",
            "from = \"Lamplighter <lamplighter@example.com>\"",
            "url = \"https://shop.example.com/\"",
            "capture = { token = { json = \"$.token\", otherwise = \"missing\" } }",
            "[channel.chat.probe.door.http.basic]\nuser = \"anna\"",
        ] {
            assert_eq!(mask(line, std::iter::empty()), line);
        }
    }

    #[test]
    fn a_place_known_to_hold_a_secret_is_starred_out_within_its_quotes() {
        assert_eq!(mask("x = \"S3CR3T\"", std::iter::once(4..12)), "x = \"******\"");
    }
}
