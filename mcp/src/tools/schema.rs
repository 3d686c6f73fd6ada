//! Schemas of answers, from the structs that are answered.

use crate::wire::Envelope;
use schemars::JsonSchema;
use schemars::generate::SchemaSettings;
use serde_json::{Value, json};

/// The schema of an answer: [`Envelope`] and `T`, closed to other fields and without references,
/// which some clients do not follow; or a refusal, as official clients hold errors against it too.
pub(super) fn output_schema<T: JsonSchema>() -> Value {
    let mut settings = SchemaSettings::draft2020_12();
    settings.inline_subschemas = true;
    settings.meta_schema = None;
    let generator = settings.into_generator();
    let mut schema = generator.clone().into_root_schema_for::<T>().to_value();
    let mut envelope = generator.into_root_schema_for::<Envelope>().to_value();
    close(&mut schema);
    close(&mut envelope);
    join(&mut schema, envelope);
    if let Value::Object(fields) = &mut schema {
        fields.remove("type");
    }
    json!({ "type": "object", "anyOf": [schema, { "required": ["code", "retryable"] }] })
}

/// Adds the fields of the envelope, without the descriptions: the instructions give them once for
/// all tools.
fn join(schema: &mut Value, mut envelope: Value) {
    for part in ["properties", "required"] {
        match (&mut schema[part], envelope[part].take()) {
            (Value::Object(own), Value::Object(shared)) => own.extend(shared.into_iter().map(undescribed)),
            (Value::Array(own), Value::Array(shared)) => own.extend(shared),
            _ => {}
        }
    }
    *schema = undescribed((String::new(), schema.take())).1;
}

fn undescribed((name, mut schema): (String, Value)) -> (String, Value) {
    if let Value::Object(fields) = &mut schema {
        fields.remove("description");
    }
    (name, schema)
}

/// Closes every object to unknown fields, requires all of its own (an unknown value is sent as null),
/// and shortens what would only repeat the Rust types.
fn close(schema: &mut Value) {
    if let Value::Object(fields) = schema {
        if let Some(Value::Object(properties)) = fields.get("properties") {
            let names: Vec<Value> = properties.keys().cloned().map(Value::from).collect();
            fields.insert("required".to_owned(), Value::from(names));
            fields.insert("additionalProperties".to_owned(), Value::from(false));
        }
        if fields.get("title").is_some_and(Value::is_string) {
            fields.remove("title");
        }
        if fields.get("format").is_some_and(Value::is_string) {
            fields.remove("format");
        }
        if let Some(names) = fields.get("oneOf").and_then(names_of) {
            fields.remove("oneOf");
            fields.insert("type".to_owned(), Value::from("string"));
            fields.insert("enum".to_owned(), names);
        }
        fields.values_mut().for_each(close);
        if let Some(names) = fields.get("anyOf").and_then(names_or_null) {
            fields.remove("anyOf");
            fields.insert("enum".to_owned(), names);
        }
    } else if let Value::Array(items) = schema {
        items.iter_mut().for_each(close);
    }
}

/// The names of a choice among documented constants. What they mean is said once, in the
/// instructions: in every schema it would be most of the schema.
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
