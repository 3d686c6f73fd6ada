//! One table of a TOML text is set, everything else of it stays as it stands, comments too.

use super::Entry;
use crate::place::of_toml_error;
use serde_json::Value;

/// `text` with `entry` as the table `[section.name]`.
///
/// # Errors
/// Where the text is no TOML, or its table is written in a way that cannot be replaced on its own.
pub fn set(text: &str, section: &str, name: &str, entry: &Entry) -> Result<String, String> {
    let before = parse(text)?;
    let line_end = if text.contains("\r\n") { "\r\n" } else { "\n" };
    let mut table = format!("[{section}.{name}]{line_end}");
    for (field, value) in entry {
        table.push_str(&format!("{field} = {}{line_end}", inline(value)));
    }
    let lines: Vec<&str> = text.split_inclusive('\n').collect();
    let merged = match ours(&lines, section, name) {
        Some(range) => format!("{}{table}{}", lines[..range.start].concat(), lines[range.end..].concat()),
        None => {
            let gap = match text.trim_end() {
                "" => "",
                _ if text.ends_with('\n') => line_end,
                _ => &line_end.repeat(2),
            };
            format!("{text}{gap}{table}")
        }
    };
    // The lines were found by their looks; whether that was right shows in what they mean.
    let (others, wanted) = (without(before, section, name), parse(&table)?);
    let after = parse(&merged).map_err(|_| elsewhere(section, name))?;
    if after.get(section).and_then(|servers| servers.get(name)) != wanted.get(section).and_then(|it| it.get(name))
        || without(after, section, name) != others
    {
        return Err(elsewhere(section, name));
    }
    Ok(merged)
}

/// The table `[section.name]` and those below it as they stand in `text`, where there is one.
pub fn get(text: &str, section: &str, name: &str) -> Option<String> {
    let lines: Vec<&str> = text.split_inclusive('\n').collect();
    ours(&lines, section, name).map(|range| lines[range].concat())
}

fn elsewhere(section: &str, name: &str) -> String {
    format!("it writes {section} in another way than as tables [{section}.{name}]")
}

fn parse(text: &str) -> Result<toml::Table, String> {
    toml::from_str(text).map_err(|error| {
        let (line, message) = of_toml_error(text, &error);
        format!("line {line}: {message}")
    })
}

fn without(mut table: toml::Table, section: &str, name: &str) -> toml::Table {
    if let Some(toml::Value::Table(servers)) = table.get_mut(section) {
        servers.remove(name);
        if servers.is_empty() {
            table.remove(section);
        }
    }
    table
}

/// The lines of our table and those below it, without the blank lines and comments before what follows.
fn ours(lines: &[&str], section: &str, name: &str) -> Option<std::ops::Range<usize>> {
    let is_header = |line: &str| line.trim_start().starts_with('[');
    let is_ours = |line: &str| {
        let path = header(line);
        path.len() >= 2 && path[0] == section && path[1] == name
    };
    let start = lines.iter().position(|line| is_header(line) && is_ours(line))?;
    let next = |from: usize| lines[from..].iter().position(|line| is_header(line) && !is_ours(line));
    let mut end = next(start + 1).map_or(lines.len(), |ahead| start + 1 + ahead);
    let says_nothing = |line: &str| line.trim().is_empty() || line.trim_start().starts_with('#');
    while end > start + 1 && says_nothing(lines[end - 1]) {
        end -= 1;
    }
    Some(start..end)
}

/// The names in a table's header.
fn header(line: &str) -> Vec<String> {
    let inside = line.trim_start().trim_start_matches('[').split(']').next().unwrap_or_default();
    inside.split('.').map(|name| name.trim().trim_matches(['"', '\'']).to_owned()).collect()
}

/// A value on one line. JSON's escapes are all TOML's.
fn inline(value: &Value) -> String {
    match value {
        Value::Array(items) => format!("[{}]", items.iter().map(inline).collect::<Vec<_>>().join(", ")),
        Value::Object(members) => {
            let members: Vec<String> =
                members.iter().map(|(name, value)| format!("{name} = {}", inline(value))).collect();
            format!("{{ {} }}", members.join(", "))
        }
        plain => plain.to_string(),
    }
}
