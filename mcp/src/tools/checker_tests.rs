//! A checker of exactly those JSON Schema keywords that our schemas use: any other fails the test that meets it.

use super::arguments::DECIMAL;
use serde_json::Value;

/// Whether `value` is what `schema` says; where not, the first place that is not.
pub fn check(schema: &Value, value: &Value) -> Result<(), String> {
    at(schema, value, "")
}

fn at(schema: &Value, value: &Value, path: &str) -> Result<(), String> {
    for (keyword, rule) in schema.as_object().unwrap() {
        let holds = match keyword.as_str() {
            "description" | "examples" | "default" => true,
            "type" => types(rule).iter().any(|name| is_of(name, value)),
            "enum" => rule.as_array().unwrap().contains(value),
            "pattern" => {
                assert_eq!(rule, DECIMAL, "a pattern that this checker does not know");
                value.as_str().is_none_or(is_decimal)
            }
            "minimum" => value.as_f64().is_none_or(|number| number >= rule.as_f64().unwrap()),
            "maximum" => value.as_f64().is_none_or(|number| number <= rule.as_f64().unwrap()),
            "maxLength" => value.as_str().is_none_or(|text| text.chars().count() as u64 <= rule.as_u64().unwrap()),
            "minItems" => value.as_array().is_none_or(|items| items.len() as u64 >= rule.as_u64().unwrap()),
            "maxItems" => value.as_array().is_none_or(|items| items.len() as u64 <= rule.as_u64().unwrap()),
            "items" => {
                for (number, item) in value.as_array().into_iter().flatten().enumerate() {
                    at(rule, item, &format!("{path}[{number}]"))?;
                }
                true
            }
            "properties" => {
                for (name, property) in value.as_object().into_iter().flatten() {
                    if let Some(schema) = rule.get(name) {
                        at(schema, property, &format!("{path}.{name}"))?;
                    }
                }
                true
            }
            "required" => {
                let names = rule.as_array().unwrap().iter().map(|name| name.as_str().unwrap());
                value.as_object().is_none_or(|fields| names.into_iter().all(|name| fields.contains_key(name)))
            }
            "additionalProperties" => {
                assert_eq!(rule, &Value::Bool(false));
                let known = schema["properties"].as_object().unwrap();
                value.as_object().is_none_or(|fields| fields.keys().all(|name| known.contains_key(name)))
            }
            "anyOf" => rule.as_array().unwrap().iter().any(|schema| at(schema, value, path).is_ok()),
            unknown => panic!("keyword {unknown} at {path}: teach the checker, or do without"),
        };
        if !holds {
            return Err(format!(
                "{path}: {keyword} {rule} does not hold of {}",
                value.to_string().chars().take(200).collect::<String>()
            ));
        }
    }
    Ok(())
}

fn types(rule: &Value) -> Vec<&str> {
    match rule {
        Value::Array(names) => names.iter().map(|name| name.as_str().unwrap()).collect(),
        name => vec![name.as_str().unwrap()],
    }
}

fn is_of(name: &str, value: &Value) -> bool {
    match name {
        "string" => value.is_string(),
        "boolean" => value.is_boolean(),
        "null" => value.is_null(),
        "array" => value.is_array(),
        "object" => value.is_object(),
        "integer" => value.as_f64().is_some_and(|number| number.fract() == 0.0),
        unknown => panic!("type {unknown}"),
    }
}

fn is_decimal(text: &str) -> bool {
    let is_digits = |part: &str| !part.is_empty() && part.bytes().all(|byte| byte.is_ascii_digit());
    match text.split_once('.') {
        Some((whole, fraction)) => is_digits(whole) && is_digits(fraction),
        None => is_digits(text),
    }
}

#[test]
fn the_checker_tells_right_from_wrong() {
    use serde_json::json;
    let schema = json!({
        "type": "object",
        "properties": {
            "a": { "type": ["integer", "null"], "minimum": 1, "maximum": 5 },
            "b": { "type": "array", "items": { "type": "string", "pattern": DECIMAL, "maxLength": 4 }, "minItems": 1 },
            "c": { "enum": ["x", null] }
        },
        "required": ["a"],
        "anyOf": [{ "required": ["b"] }, { "required": ["c"] }],
        "additionalProperties": false
    });
    for right in [json!({"a": 1, "b": ["1.5"]}), json!({"a": null, "c": null}), json!({"a": 5.0, "c": "x"})] {
        check(&schema, &right).unwrap();
    }
    for wrong in [
        json!([]),
        json!({}),
        json!({"a": 1}),
        json!({"b": ["1"]}),
        json!({"a": 0, "c": "x"}),
        json!({"a": 6, "c": "x"}),
        json!({"a": 1.5, "c": "x"}),
        json!({"a": 1, "b": []}),
        json!({"a": 1, "b": ["1."]}),
        json!({"a": 1, "b": ["12345"]}),
        json!({"a": 1, "c": "y"}),
        json!({"a": 1, "c": "x", "d": 1}),
        json!({"a": true, "c": "x"}),
        json!({"a": 1, "b": [1]}),
    ] {
        assert!(check(&schema, &wrong).is_err(), "{wrong}");
    }
}
