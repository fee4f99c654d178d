//! By what two tables of the configuration are known to say the same: comments, order and layout do not matter, nor do the
//! values of secrets, so that a new password changes the probe that runs and forgets nothing about it.

use std::hash::{DefaultHasher, Hash, Hasher};

use toml::de::{DeTable, DeValue};

use crate::probe::settings::KINDS;

/// Equal for two probes that are configured alike: in what their kind is told, and in `further`.
pub fn of_probe(tree: &DeTable<'_>, further: impl Hash) -> u64 {
    let mut hasher = DefaultHasher::new();
    further.hash(&mut hasher);
    for (key, value) in tree.iter().filter(|(key, _)| KINDS.contains(&key.get_ref().as_ref())) {
        key.get_ref().hash(&mut hasher);
        hash_value(value.get_ref(), &mut hasher);
    }
    hasher.finish()
}

/// Equal for two values that say the same.
pub fn of_value(value: &DeValue<'_>) -> u64 {
    let mut hasher = DefaultHasher::new();
    hash_value(value, &mut hasher);
    hasher.finish()
}

fn hash_value(value: &DeValue<'_>, hasher: &mut DefaultHasher) {
    std::mem::discriminant(value).hash(hasher);
    match value {
        DeValue::String(text) => text.hash(hasher),
        DeValue::Integer(number) => number.to_string().hash(hasher),
        DeValue::Float(number) => number.to_string().hash(hasher),
        DeValue::Boolean(truth) => truth.hash(hasher),
        DeValue::Datetime(moment) => moment.to_string().hash(hasher),
        DeValue::Array(values) => {
            values.len().hash(hasher);
            values.iter().for_each(|value| hash_value(value.get_ref(), hasher));
        }
        DeValue::Table(table) => {
            table.len().hash(hasher);
            for (key, value) in table {
                key.get_ref().hash(hasher);
                hash_value(value.get_ref(), hasher);
            }
        }
    }
}
