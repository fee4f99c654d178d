//! Pieces of TOML as a person would write them.

use std::{
    fmt::{self, Display},
    time::Duration,
};

use serde_json::Value;

use crate::{domain::outcome::needs_escape, setting::Span};

/// Keys with their values, in the order in which they are to stand.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Fields(Vec<(String, String)>);

impl Fields {
    /// None yet.
    pub fn new() -> Self {
        Self::default()
    }

    /// Adds a value that is TOML already.
    pub fn raw(&mut self, key: &str, value: impl Display) -> &mut Self {
        self.0.push((self::key(key), value.to_string()));
        self
    }

    /// Adds a text.
    pub fn text(&mut self, key: &str, text: &str) -> &mut Self {
        self.raw(key, quoted(text))
    }

    /// Adds a regular expression, without backslashes that escape backslashes where that is possible.
    pub fn pattern(&mut self, key: &str, pattern: &str) -> &mut Self {
        let is_plain = !pattern.contains('\'') && !pattern.chars().any(needs_escape);
        self.raw(key, if is_plain { format!("'{pattern}'") } else { quoted(pattern) })
    }

    /// Adds a span of time.
    pub fn span(&mut self, key: &str, span: Duration) -> &mut Self {
        self.text(key, &Span(span).to_string())
    }

    /// Adds a list of pieces that are TOML already, if there are any.
    pub fn list(&mut self, key: &str, items: impl IntoIterator<Item = impl Display>) -> &mut Self {
        let items: Vec<String> = items.into_iter().map(|item| item.to_string()).collect();
        if !items.is_empty() {
            self.raw(key, format_args!("[{}]", items.join(", ")));
        }
        self
    }

    /// Adds a table, if there is anything in it.
    pub fn table(&mut self, key: &str, fields: &Self) -> &mut Self {
        if !fields.is_empty() {
            self.raw(key, fields);
        }
        self
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// A line for each.
    pub fn lines(&self) -> String {
        self.0.iter().map(|(key, value)| format!("{key} = {value}\n")).collect()
    }
}

/// As a table within a line.
impl Display for Fields {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let pairs: Vec<String> = self.0.iter().map(|(key, value)| format!("{key} = {value}")).collect();
        write!(f, "{{ {} }}", pairs.join(", "))
    }
}

/// A text in quotes. What could move, hide or reorder what a reader sees is escaped.
pub fn quoted(text: &str) -> String {
    // A string of JSON is one of TOML, but for characters that JSON leaves as they are.
    let json = Value::from(text).to_string();
    let mut quoted = String::with_capacity(json.len());
    for c in json.chars() {
        if needs_escape(c) {
            quoted += &format!("\\u{:04X}", u32::from(c));
        } else {
            quoted.push(c);
        }
    }
    quoted
}

/// A key, in quotes if it needs them.
fn key(key: &str) -> String {
    let is_bare =
        !key.is_empty() && key.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"-_".contains(&byte));
    if is_bare { key.to_owned() } else { quoted(key) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn whatever_is_put_in_is_read_back() {
        let hostile = "\"]\n[monitor]\nlisten = '\u{7f}\u{1b}[2J\u{202e}\\";
        let mut inner = Fields::new();
        inner.text("a b\"c", hostile).pattern("p", r"^\d+$").pattern("q", "it's\n");
        let mut outer = Fields::new();
        outer
            .table("inner", &inner)
            .list("list", [quoted(hostile)])
            .span("span", Duration::from_millis(1_500));
        outer.table("nothing", &Fields::new()).list("none", Vec::<String>::new());
        let read: toml::Table = outer.lines().parse().unwrap();
        assert_eq!(read["inner"]["a b\"c"].as_str(), Some(hostile));
        assert_eq!(read["inner"]["p"].as_str(), Some(r"^\d+$"));
        assert_eq!(read["inner"]["q"].as_str(), Some("it's\n"));
        assert_eq!(read["list"][0].as_str(), Some(hostile));
        assert_eq!(read["span"].as_str(), Some("1s 500ms"));
        assert_eq!(read.len(), 3);
        assert!(!outer.lines().contains(['\u{1b}', '\u{7f}', '\u{202e}']), "{outer}");
    }
}
