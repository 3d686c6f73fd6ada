//! Every key that can be configured, as the schema of [`Config`] knows it, and what its value may be.

use super::secret::{FORMAT as SECRET, Secret};
use super::{BUILT_IN, Config};
use crate::tools::arguments::{echo, nearest_name};
use schemars::generate::SchemaSettings;
use serde_json::{Map, Value, json};
use std::net::SocketAddr;
use std::path::Path;

/// What the file alone decides: the same key in the environment or in a flag is an error, so that nobody who
/// starts the program can talk it into more than its owner wrote down. A dot at the end means a whole section.
pub const FILE_ONLY: [&str; 4] = ["mode", "allow_live_trading", "allow_delivery_sell", "limits."];

const TEXT_CHARS_MAX: usize = 4_096;

/// One key.
#[derive(Clone, Debug)]
pub struct Key {
    /// Section and name, such as `serve.listen`.
    pub path: String,
    /// It must have a value where anything of its section has one.
    pub is_required: bool,
    schema: Map<String, Value>,
}

impl Key {
    /// Whether its value is a reference to a secret, and a wrong one may be the secret itself.
    pub fn is_secret(&self) -> bool {
        self.schema.get("format").is_some_and(|format| format == SECRET)
    }

    /// The value that a text of the environment or the command line means.
    pub fn read(&self, text: &str) -> toml::Value {
        match text.parse::<i64>() {
            Ok(number) if self.is("integer") => toml::Value::Integer(number),
            _ => toml::Value::String(text.to_owned()),
        }
    }

    /// # Errors
    /// Where the key may not have this value: the value, where it is not secret, and what is allowed.
    pub fn check(&self, value: &toml::Value) -> Result<(), String> {
        let allowed = match value {
            toml::Value::Integer(number) if self.is("integer") => {
                let (least, most) = self.range();
                if (least..=most).contains(number) { Ok(()) } else { Err(self.allowed()) }
            }
            toml::Value::String(text) if self.is("string") => self.check_text(text),
            _ => Err(self.allowed()),
        };
        allowed.map_err(|allowed| match value {
            _ if self.is_secret() => allowed,
            toml::Value::String(text) => format!("{:?} is not allowed: {allowed}", echo(text)),
            toml::Value::Integer(number) => format!("{number} is not allowed: {allowed}"),
            value => format!("a value of the type {} is not allowed: {allowed}", value.type_str()),
        })
    }

    fn check_text(&self, text: &str) -> Result<(), String> {
        if self.path == "mode" && text == "live" {
            return Err("live trading is not there yet; use \"paper\"".to_owned());
        }
        let names = self.names();
        let fits = match self.schema.get("format").and_then(Value::as_str) {
            Some(SECRET) => return text.parse::<Secret>().map(|_| ()),
            Some("socket-address") => text.parse::<SocketAddr>().is_ok(),
            Some("absolute-path") => Path::new(text).is_absolute(),
            _ if !names.is_empty() => names.contains(&text),
            _ => !text.is_empty() && text.chars().count() <= TEXT_CHARS_MAX && !text.contains(char::is_control),
        };
        if fits { Ok(()) } else { Err(self.allowed()) }
    }

    /// What is allowed, in words.
    pub fn allowed(&self) -> String {
        if self.is("integer") {
            let (least, most) = self.range();
            return format!("use a whole number from {least} to {most}");
        }
        let names = self.names();
        match self.schema.get("format").and_then(Value::as_str) {
            Some(SECRET) => "use env:NAME or file:/absolute/path, in quotes".to_owned(),
            Some("socket-address") => "use an address and a port, such as \"127.0.0.1:7117\"".to_owned(),
            Some("absolute-path") => "use an absolute path, in quotes".to_owned(),
            _ if !names.is_empty() => format!("use \"{}\"", names.join("\" or \"")),
            _ => format!("use a text of 1 to {TEXT_CHARS_MAX} characters, in quotes"),
        }
    }

    fn is(&self, kind: &str) -> bool {
        let stated = self.schema.get("type").and_then(Value::as_str);
        // A choice of names comes without a type of its own.
        stated.map_or(kind == "string", |stated| stated == kind)
    }

    fn range(&self) -> (i64, i64) {
        let bound = |name: &str| self.schema.get(name).and_then(Value::as_i64);
        (bound("minimum").unwrap_or(0), bound("maximum").unwrap_or(i64::MAX))
    }

    fn names(&self) -> Vec<&str> {
        let one_of = self.schema.get("oneOf").and_then(Value::as_array);
        let listed = one_of.into_iter().flatten().filter_map(|name| name["const"].as_str());
        listed
            .chain(self.schema.get("enum").and_then(Value::as_array).into_iter().flatten().filter_map(Value::as_str))
            .collect()
    }
}

/// Every key, by its path.
pub fn all() -> Vec<Key> {
    let mut keys = Vec::new();
    collect(&schema_of_config(), "", &mut keys);
    keys.sort_by(|a, b| a.path.cmp(&b.path));
    keys
}

fn collect(schema: &Value, prefix: &str, keys: &mut Vec<Key>) {
    let is_required = |name: &str| schema["required"].as_array().is_some_and(|names| names.iter().any(|it| it == name));
    for (name, property) in schema["properties"].as_object().into_iter().flatten() {
        let path = format!("{prefix}{name}");
        if property["properties"].is_object() {
            collect(property, &format!("{path}."), keys);
        } else if let Some(schema) = property.as_object() {
            keys.push(Key { is_required: is_required(name), schema: schema.clone(), path });
        }
    }
}

/// Whether the file alone may set it.
pub fn is_file_only(path: &str) -> bool {
    FILE_ONLY.iter().any(|reserved| match reserved.strip_suffix('.') {
        Some(section) => path == section || path.starts_with(reserved),
        None => path == *reserved,
    })
}

/// What is wrong with a key that there is not.
pub fn unknown(path: &str, keys: &[Key]) -> String {
    if keys.iter().any(|key| key.path.strip_prefix(path).is_some_and(|rest| rest.starts_with('.'))) {
        return format!("is a section: write [{path}] and its keys below it");
    }
    let names: Vec<&str> = keys.iter().map(|key| key.path.as_str()).collect();
    let last = |path: &str| path.rsplit('.').next().map(str::to_owned);
    // A right name in the wrong section is nearer than any slip of the keyboard.
    let elsewhere = names.iter().find(|name| last(name) == last(path)).map(|name| (*name).to_owned());
    let hint = match elsewhere.or_else(|| nearest_name(path, &names)) {
        Some(nearest) => format!("did you mean {nearest}? "),
        None => String::new(),
    };
    format!("is no key: {hint}tidegate config show lists those there are")
}

/// The JSON Schema of the file, in which every key may be left out, with the defaults that are built in.
///
/// # Errors
/// Where the built-in file is wrong, which a test rules out.
pub fn json_schema() -> anyhow::Result<Value> {
    let mut schema = schema_of_config();
    let defaults: Value = toml::from_str(BUILT_IN)?;
    annotate(&mut schema, &defaults);
    Ok(schema)
}

fn annotate(schema: &mut Value, default: &Value) {
    let Some(schema) = schema.as_object_mut() else { return };
    match schema.get_mut("properties").and_then(Value::as_object_mut) {
        Some(properties) => {
            for (name, property) in properties {
                annotate(property, &default[name]);
            }
            schema.remove("required");
        }
        None if !default.is_null() => drop(schema.insert("default".to_owned(), json!(default))),
        None => {}
    }
}

fn schema_of_config() -> Value {
    let settings = SchemaSettings::draft2020_12().with(|settings| settings.inline_subschemas = true);
    settings.into_generator().into_root_schema_for::<Config>().to_value()
}
