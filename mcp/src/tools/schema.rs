//! Schemas of answers, from the structs that are answered.
//!
//! All schemas together are read by a model before its first call, so they say no more than is needed to rely on
//! an answer: its fields and their types. What the envelope's fields mean is said once, in the instructions.

use crate::wire::Envelope;
use schemars::JsonSchema;
use schemars::generate::SchemaSettings;
use serde_json::{Map, Value, json};

/// The schema of what a tool answers: [`Envelope`] with either all fields of `T`, or a refusal. Closed to other
/// fields and without references, which some clients do not follow.
pub(super) fn output_schema<T: JsonSchema>() -> Value {
    let mut settings = SchemaSettings::draft2020_12();
    settings.inline_subschemas = true;
    settings.meta_schema = None;
    let generator = settings.into_generator();
    let mut properties = Map::new();
    let mut required = Vec::new();
    for schema in [generator.clone().into_root_schema_for::<Envelope>(), generator.into_root_schema_for::<T>()] {
        let mut schema = schema.to_value();
        shorten(&mut schema);
        let own = schema["properties"].as_object_mut().map(std::mem::take).unwrap_or_default();
        required.push(own.keys().cloned().collect::<Vec<_>>());
        properties.extend(own);
    }
    let text_or_null = json!({ "type": ["string", "null"] });
    for (name, schema) in [
        ("code", json!({ "type": "string" })),
        ("message", json!({ "type": "string" })),
        ("field", text_or_null.clone()),
        ("got", text_or_null.clone()),
        ("allowed", text_or_null),
        ("nearest", json!({})),
        ("retryable", json!({ "type": "boolean" })),
    ] {
        properties.insert(name.to_owned(), schema);
    }
    json!({
        "type": "object",
        "properties": properties,
        "required": required[0],
        "anyOf": [{ "required": required[1] }, { "required": ["code", "message", "retryable"] }],
        "additionalProperties": false
    })
}

/// Closes every object to unknown fields, and leaves out what would only repeat the Rust types or the names.
fn shorten(schema: &mut Value) {
    if let Value::Object(fields) = schema {
        if fields.contains_key("properties") {
            fields.insert("additionalProperties".to_owned(), Value::from(false));
        }
        let is_annotation = |name: &str, value: &Value| match name {
            "title" | "description" | "format" => value.is_string(),
            "required" | "minimum" | "minItems" | "maxItems" => !value.is_object(),
            // What may be anything needs no schema.
            "items" => value.is_boolean(),
            _ => false,
        };
        fields.retain(|name, value| !is_annotation(name, value));
        if let Some(names) = fields.get("oneOf").and_then(names_of) {
            fields.remove("oneOf");
            fields.insert("type".to_owned(), Value::from("string"));
            fields.insert("enum".to_owned(), names);
        }
        fields.values_mut().for_each(shorten);
        if let Some(names) = fields.get("anyOf").and_then(names_or_null) {
            fields.remove("anyOf");
            fields.insert("enum".to_owned(), names);
        }
        if fields.contains_key("enum") {
            fields.remove("type");
        }
    } else if let Value::Array(items) = schema {
        items.iter_mut().for_each(shorten);
    }
}

/// The names of a choice among documented constants.
fn names_of(choice: &Value) -> Option<Value> {
    choice.as_array()?.iter().map(|one| one.get("const").cloned()).collect::<Option<Vec<Value>>>().map(Value::from)
}

/// The names of such a choice that may also be null.
fn names_or_null(choice: &Value) -> Option<Value> {
    match choice.as_array()?.as_slice() {
        [names, null] if null["type"] == "null" => {
            let mut names = names.get("enum")?.as_array()?.clone();
            names.push(Value::Null);
            Some(Value::from(names))
        }
        _ => None,
    }
}
