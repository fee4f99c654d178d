//! Reads the documents of other monitors, and takes their tables apart key by key.

use std::{
    fmt,
    fs::File,
    io::Read,
    path::{Path, PathBuf},
    time::Duration,
};

use anyhow::{Context, bail};
use serde::de::{
    DeserializeOwned,
    value::{Error, StrDeserializer},
};
use serde_json::{Map, Value};

use crate::{
    cli::import::draft::{Draft, Place},
    setting::SPAN_MAX,
};

/// The largest document, in bytes.
const BYTES_MAX: u64 = 16 << 20;

/// A text as it lies in a file.
pub fn text(path: &Path) -> anyhow::Result<String> {
    let shown = path.display();
    let file = File::open(path).with_context(|| format!("failed to open {shown}"))?;
    // A device or a pipe has no end to wait for.
    if !file.metadata().is_ok_and(|metadata| metadata.is_file()) {
        bail!("failed to read {shown}: it is not a file");
    }
    let mut text = String::new();
    let read = file.take(BYTES_MAX + 1).read_to_string(&mut text);
    let length = read.with_context(|| format!("failed to read {shown}"))?;
    if length as u64 > BYTES_MAX {
        bail!("failed to read {shown}: it is larger than {} MiB", BYTES_MAX >> 20);
    }
    Ok(text)
}

/// A document of YAML, with its aliases written out. One that comes to a multiple of itself by them is refused: the
/// reader keeps count of aliases, nodes, depth and bytes.
pub fn yaml(path: &Path) -> anyhow::Result<Value> {
    let text = text(path)?;
    let read = serde_saphyr::from_str(&text).map_err(|error| {
        // What it shows of the text may be a secret.
        let place = error.location().map(|at| format!(", line {}, column {}", at.line(), at.column()));
        anyhow::anyhow!("it is not YAML that can be read{}", place.unwrap_or_default())
    });
    read.with_context(|| format!("failed to read {}", path.display()))
}

/// A document of JSON.
pub fn json(path: &Path) -> anyhow::Result<Value> {
    let read = serde_json::from_str(&text(path)?);
    read.with_context(|| format!("failed to read {}", path.display()))
}

/// A path as seen from a file that names it.
pub fn beside(file: &Path, path: &str) -> PathBuf {
    file.parent().unwrap_or(Path::new("")).join(path)
}

/// A table of a document, from which one key after the other is taken.
#[derive(Clone, Debug)]
pub struct Table(Map<String, Value>);

impl Table {
    /// The table, if it is one.
    pub fn of(value: Value) -> Option<Self> {
        match value {
            Value::Object(members) => Some(Self(members)),
            _ => None,
        }
    }

    /// A table in which nothing stands.
    pub fn none() -> Self {
        Self(Map::new())
    }

    /// Takes what stands at a key, if it says anything.
    pub fn take(&mut self, key: &str) -> Option<Value> {
        self.0.remove(key).filter(|value| !value.is_null())
    }

    /// Takes a text that is not empty; a number or truth value is one too.
    pub fn text(&mut self, key: &str) -> Option<String> {
        self.take(key).as_ref().and_then(scalar).filter(|text| !text.is_empty())
    }

    /// Takes a truth value; some write it as a number.
    pub fn flag(&mut self, key: &str) -> Option<bool> {
        match self.take(key)? {
            Value::Bool(flag) => Some(flag),
            Value::Number(number) => Some(number.as_f64() != Some(0.0)),
            _ => None,
        }
    }

    /// Takes a number that is not negative, or zero.
    pub fn number(&mut self, key: &str) -> Option<f64> {
        let number = match self.take(key)? {
            Value::Number(number) => number.as_f64(),
            Value::String(text) => text.trim().parse().ok(),
            _ => None,
        };
        number.filter(|number| number.is_finite() && *number >= 0.0)
    }

    /// Takes a whole number.
    pub fn count(&mut self, key: &str) -> Option<u32> {
        let number = self.number(key)?;
        format!("{number}").parse().ok()
    }

    /// Takes a span of time with a unit, such as `1m30s`.
    pub fn span(&mut self, key: &str) -> Option<Duration> {
        self.text(key).and_then(|text| span(&text))
    }

    /// Takes a table.
    pub fn table(&mut self, key: &str) -> Option<Self> {
        self.take(key).and_then(Self::of)
    }

    /// Takes a list; a single value is a list of one.
    pub fn list(&mut self, key: &str) -> Vec<Value> {
        match self.take(key) {
            Some(Value::Array(values)) => values,
            Some(value) => vec![value],
            None => Vec::new(),
        }
    }

    /// Takes a list of texts.
    pub fn texts(&mut self, key: &str) -> Vec<String> {
        self.list(key).iter().filter_map(scalar).collect()
    }

    /// Takes a list of tables.
    pub fn tables(&mut self, key: &str) -> Vec<Self> {
        self.list(key).into_iter().filter_map(Self::of).collect()
    }

    /// Takes what changes nothing about what is watched.
    pub fn ignore(&mut self, keys: &[&str]) {
        keys.iter().for_each(|key| drop(self.0.remove(*key)));
    }

    /// Takes all keys with their values.
    pub fn members(&mut self) -> Vec<(String, Value)> {
        std::mem::take(&mut self.0).into_iter().collect()
    }

    /// Says of every key whose value has an environment variable in it that it is not known.
    pub fn variables(&self, place: &Place, draft: &mut Draft) {
        let is_known = |value: &Value| scalar(value).is_none_or(|text| draft.literal(&text).is_some());
        let unknown = listed(self.0.iter().filter(|(_, value)| !is_known(value)).map(|(key, _)| key));
        if !unknown.is_empty() {
            draft.leave(
                place,
                format_args!("what {unknown} says is in environment variables; write it into probes.toml"),
            );
        }
    }

    /// Says of every key that is left, and says anything, that it has no counterpart here.
    pub fn rest(self, place: &Place, draft: &mut Draft) {
        let says_something = |value: &Value| match value {
            Value::Null | Value::Bool(false) => false,
            Value::String(text) => !text.is_empty(),
            Value::Array(values) => !values.is_empty(),
            Value::Object(members) => !members.is_empty(),
            Value::Bool(true) | Value::Number(_) => true,
        };
        let keys: Vec<String> = self
            .0
            .iter()
            .filter(|(_, value)| says_something(value))
            .map(|(key, _)| format!("`{key}`"))
            .collect();
        match &keys[..] {
            [] => {}
            [key] => draft.leave(place, format_args!("{key} has no counterpart here")),
            keys => draft.leave(place, format_args!("{} have no counterpart here", keys.join(", "))),
        }
    }
}

/// A value that is one text.
pub fn scalar(value: &Value) -> Option<String> {
    match value {
        Value::String(text) => Some(text.clone()),
        Value::Number(_) | Value::Bool(_) => Some(value.to_string()),
        Value::Null | Value::Array(_) | Value::Object(_) => None,
    }
}

/// Whether a text can stand for a value of the configuration.
pub fn reads_as<T: DeserializeOwned>(text: &str) -> bool {
    T::deserialize(StrDeserializer::<Error>::new(text)).is_ok()
}

/// A span of time with a unit, such as `1m30s` or `48h`.
pub fn span(text: &str) -> Option<Duration> {
    let span: jiff::Span = text.trim().parse().ok()?;
    let span = span.to_duration(jiff::SpanRelativeTo::days_are_24_hours()).ok()?;
    Duration::try_from(span).ok().filter(|span| !span.is_zero() && *span <= SPAN_MAX)
}

/// Keys in a row, as they stand in a file.
pub fn listed(words: impl IntoIterator<Item = impl fmt::Display>) -> String {
    words.into_iter().map(|word| format!("`{word}`")).collect::<Vec<_>>().join(", ")
}
