//! What takes the place of a key that must be there and is missing or wrong, so that everything else around it is
//! still checked. What is built with a stand-in is never used: the problem that called for it refuses the whole
//! configuration. Each is chosen so that nothing else can be wrong because of it.

use std::ops::Range;

use toml::{
    Spanned,
    de::{DeString, DeValue},
};

/// The hash of no token.
const UNREADABLE_HASH: &str = "'sha256:0000000000000000000000000000000000000000000000000000000000000000'";

/// A key and its value.
type Entry<'f> = (Spanned<DeString<'f>>, Spanned<DeValue<'f>>);

/// A stand-in for the key at the end of a path, placed at `span`. None if there is none for it.
pub fn stand_in<'f>(path: &[impl AsRef<str>], span: &Range<usize>) -> Option<Entry<'f>> {
    let path: Vec<&str> = path.iter().map(AsRef::as_ref).collect();
    let text = match path[..] {
        ["token"] | [.., "secrets", _] | [.., "password"] => "{ env = 'UNREADABLE' }",
        [.., "capture", _] | [.., "expect"] => "{}",
        ["listen"] => "'127.0.0.1:0'",
        [.., "url"] => "'https://unreadable.invalid/'",
        [.., "http"] => "{ url = 'https://unreadable.invalid/' }",
        [.., "into" | "from" | "message" | "person"] => "'#unreadable'",
        [.., "option" | "text" | "file"] => "'unreadable'",
        [.., "width" | "height"] => "1000",
        [.., "matches"] => "''",
        [.., "src"] => "'unreadable.js'",
        ["id"] | [.., "name" | "user"] => "'unreadable'",
        [.., "path" | "messages"] => "'$'",
        [.., "hear"] => "{ http = { url = 'https://unreadable.invalid/' }, messages = '$' }",
        [.., "say"] => "{ http = { url = 'https://unreadable.invalid/' } }",
        [.., "within" | "max" | "after"] => "'400d'",
        [.., "failures" | "successes" | "days_min"] => "1",
        [.., "availability"] => "99.9",
        [.., "any_of"] => "[200]",
        [.., "scopes"] => "['read']",
        [.., "hash"] => UNREADABLE_HASH,
        [.., "steps" | "by"] => "[]",
        [.., "to"] => "['unreadable@unreadable.invalid']",
        _ => return None,
    };
    let key = Spanned::new(span.clone(), DeString::Owned((*path.last()?).to_owned()));
    let value = DeValue::parse(text).expect("a stand-in is a constant, and tested");
    Some((key, placed(value.into_inner(), span)))
}

/// A value all of whose parts stand at one place.
fn placed<'f>(value: DeValue<'f>, span: &Range<usize>) -> Spanned<DeValue<'f>> {
    let value = match value {
        DeValue::Table(table) => {
            let entries = table.into_iter().map(|(key, value)| {
                (Spanned::new(span.clone(), key.into_inner()), placed(value.into_inner(), span))
            });
            DeValue::Table(entries.collect())
        }
        DeValue::Array(values) => {
            DeValue::Array(values.into_iter().map(|value| placed(value.into_inner(), span)).collect())
        }
        plain => plain,
    };
    Spanned::new(span.clone(), value)
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use serde_json::Value;

    use super::*;
    use crate::config::schema::schema;

    /// The keys that must be there by the schema.
    fn required(node: &Value, found: &mut BTreeSet<String>) {
        match node {
            Value::Object(members) => {
                let keys = members.get("required").and_then(Value::as_array).into_iter().flatten();
                found.extend(keys.filter_map(Value::as_str).map(str::to_owned));
                members.values().for_each(|inner| required(inner, found));
            }
            Value::Array(items) => items.iter().for_each(|inner| required(inner, found)),
            _ => {}
        }
    }

    #[test]
    fn every_key_that_must_be_there_has_a_stand_in() {
        let mut keys = BTreeSet::new();
        required(&serde_json::from_str(&schema()).unwrap(), &mut keys);
        // These are optional to serde and looked for where the plan is put together.
        let checked_later = [
            "from",
            "smtp",
            "imap",
            "username",
            "kind",
            "probe",
            "page",
            "browser",
            "journey",
            "chat",
            "certificate",
            "key",
        ];
        for checked_later in checked_later {
            assert!(keys.remove(checked_later), "{checked_later} must be there");
        }
        assert!(keys.len() > 8, "{keys:?}");
        for key in keys {
            let (_, value) = stand_in(&[&key], &(3..5)).unwrap_or_else(|| panic!("none for {key}"));
            assert_eq!(value.span(), 3..5);
        }
    }
}
