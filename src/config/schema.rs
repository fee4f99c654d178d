//! The JSON Schema of the configuration, made from the very types that read it, so that an editor completes and checks
//! what the daemon accepts.

use crate::config::settings::FileSettings;

/// The schema, as indented JSON with a line break at its end.
#[must_use]
pub fn schema() -> String {
    let schema = schemars::schema_for!(FileSettings);
    let mut text = serde_json::to_string_pretty(&schema).expect("a schema is plain JSON");
    text.push('\n');
    text
}
