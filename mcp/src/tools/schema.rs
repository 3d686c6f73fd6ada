//! Schemas of answers, from the structs that are answered.
//!
//! All schemas together are read by a model before its first call, so they say no more than is needed to rely on
//! an answer: its fields with their types, and the names within a list's rows. What the envelope's fields mean and
//! which values they take is said once, in the instructions.

use crate::wire::{Envelope, Refusal};
use schemars::JsonSchema;
use schemars::generate::SchemaSettings;
use serde_json::{Map, Value, json};

/// The schema of what a tool answers: [`Envelope`] with either `T`, of which every answer has the field `sign`, or a
/// [`Refusal`], as there are clients that hold refusals to it too. Closed to other fields and without references,
/// which some clients do not follow.
pub(super) fn output_schema<T: JsonSchema>(sign: &str) -> Value {
    let mut properties = properties_of::<T>();
    properties.extend(Refusal::FIELDS.map(|name| (name.to_owned(), json!({}))));
    let envelope = properties_of::<Envelope>();
    let required: Vec<&String> = envelope.keys().collect();
    let choice = json!([{ "required": [sign] }, { "required": [Refusal::FIELDS[0]] }]);
    let mut schema = json!({ "type": "object", "required": required, "anyOf": choice, "additionalProperties": false });
    properties.extend(envelope);
    schema["properties"] = Value::Object(properties);
    schema
}

/// The schema of the argument that names one instrument.
pub(super) fn instrument() -> Value {
    json!({ "type": "string", "description": "MARKET:SYMBOL[@SOURCE]", "examples": ["BINANCE:BTCUSDT"] })
}

fn properties_of<T: JsonSchema>() -> Map<String, Value> {
    let mut settings = SchemaSettings::draft2020_12();
    settings.inline_subschemas = true;
    settings.meta_schema = None;
    let mut schema = settings.into_generator().into_root_schema_for::<T>().to_value();
    let properties = schema["properties"].as_object_mut().map(std::mem::take).unwrap_or_default();
    properties.into_iter().map(|(name, schema)| (name, shortened(&schema))).collect()
}

/// A field's type; of a list of objects also their fields' names.
fn shortened(schema: &Value) -> Value {
    let choice = ["enum", "oneOf", "anyOf"].iter().find_map(|keyword| schema[*keyword].as_array());
    let of = match choice {
        None => schema["type"].clone(),
        // A choice among names, or something else that may be null.
        Some(among) => {
            let is = |name: &str| among.iter().any(|one| one["type"] == name);
            let name = if is("object") { "object" } else { "string" };
            if is("null") { json!([name, "null"]) } else { json!(name) }
        }
    };
    let mut short = json!({ "type": of });
    if let Some(row) = schema["items"]["properties"].as_object() {
        let names: Map<String, Value> = row.keys().map(|name| (name.clone(), json!({}))).collect();
        short["items"] = json!({ "type": "object", "properties": names, "additionalProperties": false });
    }
    short
}
