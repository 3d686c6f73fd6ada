//! `tidegate config`.

use super::say;
use crate::cli::ConfigCommand;
use crate::config::layers::{Loaded, Setting};
use crate::config::{Sources, keys};
use anyhow::Context;
use serde_json::{Map, Value, json};

/// Prints what is in force, what may be, or where it is read from.
///
/// # Errors
/// Where the configuration is wrong.
pub fn run(command: &ConfigCommand, sources: &Sources) -> anyhow::Result<()> {
    match command {
        ConfigCommand::Show { origin, json: false } => say(&lines(&sources.load()?, *origin)),
        ConfigCommand::Show { origin, json: true } => {
            say(&format!("{}\n", serde_json::to_string_pretty(&object(&sources.load()?, *origin)?)?))
        }
        ConfigCommand::Schema => say(&format!("{}\n", serde_json::to_string_pretty(&keys::json_schema()?)?)),
        ConfigCommand::Path => {
            let path = sources.file().context("no file is read")?;
            say(&format!("{}\n", path.display()))
        }
    }
}

/// As the file would have it, sections in their order.
fn lines(loaded: &Loaded, origin: bool) -> String {
    let mut text = String::new();
    let split =
        |path: &str| path.rsplit_once('.').map_or((String::new(), path.to_owned()), |(a, b)| (a.into(), b.into()));
    let mut rows: Vec<((String, String), &Setting)> =
        loaded.settings.iter().map(|(path, setting)| (split(path), setting)).collect();
    rows.sort_by(|a, b| a.0.cmp(&b.0));
    let mut section = String::new();
    for ((in_section, name), setting) in rows {
        if in_section != section {
            text.push_str(&format!("\n[{in_section}]\n"));
            section = in_section;
        }
        let line = format!("{name} = {}", plain(&setting.value));
        text.push_str(&match origin {
            true => format!("{line:<40}  # {}\n", setting.origin),
            false => format!("{line}\n"),
        });
    }
    text
}

/// A key's value is a number or a text, whose escapes in JSON are TOML's too.
fn plain(value: &toml::Value) -> Value {
    match value {
        toml::Value::Integer(number) => json!(number),
        value => json!(value.as_str()),
    }
}

fn object(loaded: &Loaded, origin: bool) -> anyhow::Result<Value> {
    let mut root = Map::new();
    for (path, setting) in &loaded.settings {
        let value = plain(&setting.value);
        if origin {
            root.insert(path.clone(), json!({ "value": value, "origin": setting.origin.to_string() }));
            continue;
        }
        let mut names = path.split('.').collect::<Vec<_>>();
        let Some(name) = names.pop() else { continue };
        let mut section = &mut root;
        for name in names {
            let inner = section.entry(name).or_insert_with(|| json!({}));
            section = inner.as_object_mut().with_context(|| format!("{path}: {name} is no section"))?;
        }
        section.insert(name.to_owned(), value);
    }
    Ok(Value::Object(root))
}
