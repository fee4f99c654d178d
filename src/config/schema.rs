//! The JSON Schema of the configuration, made from the very types that read it, so that an editor completes and checks
//! what the daemon accepts.

use serde_json::Value;

use crate::config::settings::FileSettings;

/// The schema, as indented JSON with a line break at its end.
#[must_use]
pub fn schema() -> String {
    let mut schema = schemars::schema_for!(FileSettings).to_value();
    unwrap_descriptions(&mut schema);
    let mut text = serde_json::to_string_pretty(&schema).expect("a schema is plain JSON");
    text.push('\n');
    text
}

/// Puts every description on one line; in the source it is wrapped for our editors, not for the operator's.
fn unwrap_descriptions(node: &mut Value) {
    match node {
        Value::Object(members) => {
            for (key, value) in members {
                match value {
                    Value::String(text) if key == "description" => *text = text.replace('\n', " "),
                    other => unwrap_descriptions(other),
                }
            }
        }
        Value::Array(items) => items.iter_mut().for_each(unwrap_descriptions),
        _ => {}
    }
}
