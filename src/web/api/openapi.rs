//! The description of the API by OpenAPI 3.1, made from the table of routes.

use std::sync::LazyLock;

use axum::{
    http::header,
    response::{IntoResponse, Response},
};
use schemars::{Schema, SchemaGenerator, generate::SchemaSettings};
use serde_json::{Map, Value, json};

use super::{
    BASE,
    asked::{ID_PATTERN, PROBE_PATTERN},
    route::Route,
};
use crate::domain::access::Scope;

const ABOUT: &str = "What Lamplighter knows of the doors to customer support, and what it can be told to do. Moments are RFC 3339, \
                     spans are seconds, what is refused is answered with a sentence in `error`. Lists come in pages: ask again \
                     with `cursor` set to the `next` of the page before. docs/api.md tells more.";

/// It never changes, and takes a while to write.
static DOCUMENT: LazyLock<String> = LazyLock::new(super::document);

pub(super) fn routes() -> Vec<Route> {
    vec![
        Route::get("/openapi.json", "describe", "This description.", show)
            .answers::<Map<String, Value>>(200, "The description."),
    ]
}

async fn show() -> Response {
    ([(header::CONTENT_TYPE, "application/json")], DOCUMENT.as_str()).into_response()
}

/// Describes all routes.
pub(super) fn describe(routes: &[Route]) -> Value {
    let settings = SchemaSettings::draft2020_12().with(|settings| {
        settings.definitions_path = "/components/schemas".into();
        settings.meta_schema = None;
    });
    let mut generator = settings.into_generator();
    let mut paths = Map::new();
    for route in routes {
        let path = paths.entry(route.path.to_owned()).or_insert_with(|| json!({}));
        path[route.method.to_lowercase()] = operation(route, &mut generator);
    }
    let mut description = json!({
        "openapi": "3.1.0",
        "info": {
            "title": "Lamplighter",
            "version": env!("CARGO_PKG_VERSION"),
            "description": ABOUT,
            "license": { "name": "MIT OR Apache-2.0", "identifier": "MIT OR Apache-2.0" },
        },
        "servers": [{ "url": BASE }],
        "paths": paths,
        "components": {
            "schemas": generator.take_definitions(true),
            "securitySchemes": {
                "bearer": { "type": "http", "scheme": "bearer", "description": "A token of [api] or of [[api.client]]." },
            },
        },
    });
    unwrap(&mut description);
    description
}

fn operation(route: &Route, generator: &mut SchemaGenerator) -> Value {
    let scope = route.scope;
    // On the machine itself reading needs none.
    let security =
        if scope == Scope::Read { json!([{}, { "bearer": [] }]) } else { json!([{ "bearer": [] }]) };
    let mut parameters: Vec<Value> = in_path(route.path).collect();
    if let Some(query) = route.query {
        parameters.extend(in_query(&query(generator)));
    }
    let mut responses = Map::new();
    for (status, meaning, describe) in &route.answers {
        let schema = describe(generator);
        let content = json!({ "application/json": { "schema": schema } });
        let mut response = json!({ "description": meaning, "content": content });
        if *status == 429 {
            response["headers"] = json!({ "Retry-After": { "description": "How many seconds to wait.", "schema": { "type": "integer" } } });
        }
        responses.insert(status.to_string(), response);
    }
    let mut operation = json!({
        "operationId": route.operation,
        "summary": route.summary,
        "description": format!("Scope `{}`.", scope.as_str()),
        "security": security,
        "parameters": parameters,
        "responses": responses,
    });
    if let Some(body) = route.body {
        let content = json!({ "application/json": { "schema": body(generator) } });
        operation["requestBody"] = json!({ "required": true, "content": content });
    }
    operation
}

fn in_path(path: &str) -> impl Iterator<Item = Value> {
    let names = path.split('/').filter_map(|part| part.strip_prefix('{')?.strip_suffix('}'));
    names.map(|name| {
        let schema = match name {
            "probe" => json!({ "type": "string", "pattern": PROBE_PATTERN }),
            "incident" => json!({ "type": "string", "minLength": 1 }),
            _ => json!({ "type": "string", "pattern": ID_PATTERN }),
        };
        json!({ "name": name, "in": "path", "required": true, "schema": schema })
    })
}

/// Each member of an object is a parameter of its own.
fn in_query(schema: &Schema) -> Vec<Value> {
    let required = schema.get("required").and_then(Value::as_array).cloned().unwrap_or_default();
    let members = schema.get("properties").and_then(Value::as_object).cloned().unwrap_or_default();
    let parameter = |(name, mut schema): (String, Value)| {
        let description = schema.as_object_mut().and_then(|schema| schema.remove("description"));
        json!({
            "name": name,
            "in": "query",
            "required": required.iter().any(|word| word == &name),
            "description": description,
            "schema": present(schema),
        })
    };
    members.into_iter().map(parameter).collect()
}

/// What can be left out is never written as null.
fn present(schema: Value) -> Value {
    let mut schema = schema;
    if let Some(one) = schema.get_mut("anyOf").and_then(Value::as_array_mut) {
        one.retain(|choice| choice["type"] != "null");
        if let [only] = &one[..] {
            return only.clone();
        }
    }
    if let Some(kinds) = schema.get_mut("type").and_then(Value::as_array_mut) {
        kinds.retain(|kind| kind != "null");
        if let [only] = &kinds[..] {
            schema["type"] = only.clone();
        }
    }
    if let Some(words) = schema.get_mut("enum").and_then(Value::as_array_mut) {
        words.retain(|word| !word.is_null());
    }
    schema
}

/// Puts every description on one line.
fn unwrap(node: &mut Value) {
    match node {
        Value::Object(members) => {
            for (key, value) in members {
                match value {
                    Value::String(text) if key == "description" => *text = text.replace('\n', " "),
                    other => unwrap(other),
                }
            }
        }
        Value::Array(items) => items.iter_mut().for_each(unwrap),
        _ => {}
    }
}
