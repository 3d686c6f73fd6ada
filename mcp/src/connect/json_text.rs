//! One member of a JSON text is set, everything else of it stays as it stands: order, indentation, numbers, and
//! the comments and trailing commas that several clients allow.

use super::Entry;
use crate::place::line_at;
use serde_json::Value;
use std::ops::Range;

const DEPTH_MAX: usize = 128;

/// `text` with `entry` as the member `name` of the object `section`.
///
/// # Errors
/// Where the text is not JSON with comments, or holds something else there.
pub fn set(text: &str, section: &str, name: &str, entry: &Entry) -> Result<String, String> {
    let line_end = if text.contains("\r\n") { "\r\n" } else { "\n" };
    let body = text.strip_prefix('\u{feff}').unwrap_or(text);
    if body.trim().is_empty() {
        return set("{}\n", section, name, entry);
    }
    let root = Scan::document(text)?;
    let indent = indentation(text, &root);
    let rendered = render(entry, &indent, line_end);
    let merged = match root.only(section)? {
        None => {
            let (deeper, deep) = (indent.repeat(2), indent.clone());
            let servers = format!("{{{line_end}{deeper}{}: {rendered}{line_end}{deep}}}", quoted(name));
            root.with(text, section, &servers, &indent, 0, line_end)
        }
        Some(member) => {
            let servers =
                Scan::object_at(text, member.value.start).map_err(|_| format!("its member {section} is no object"))?;
            match servers.only(name)? {
                None => servers.with(text, name, &rendered, &indent, 1, line_end),
                Some(ours) => format!("{}{rendered}{}", &text[..ours.value.start], &text[ours.value.end..]),
            }
        }
    };
    Ok(merged)
}

/// The member `name` of the object `section` as it stands in `text`, where there is one.
pub fn get<'a>(text: &'a str, section: &str, name: &str) -> Option<&'a str> {
    let root = Scan::document(text).ok()?;
    let servers = Scan::object_at(text, root.only(section).ok()??.value.start).ok()?;
    let ours = servers.only(name).ok()??;
    text.get(ours.start..ours.value.end)
}

/// The entry as the value of a member two levels down.
fn render(entry: &Entry, indent: &str, line_end: &str) -> String {
    let fields: Vec<String> = entry
        .iter()
        .map(|(name, value)| format!("{}{}: {}", indent.repeat(3), quoted(name), on_one_line(value)))
        .collect();
    format!("{{{line_end}{}{line_end}{}}}", fields.join(&format!(",{line_end}")), indent.repeat(2))
}

fn on_one_line(value: &Value) -> String {
    match value {
        Value::Array(items) => format!("[{}]", items.iter().map(on_one_line).collect::<Vec<_>>().join(", ")),
        Value::Object(members) => {
            let members: Vec<String> =
                members.iter().map(|(name, value)| format!("{}: {}", quoted(name), on_one_line(value))).collect();
            format!("{{ {} }}", members.join(", "))
        }
        plain => plain.to_string(),
    }
}

fn quoted(text: &str) -> String {
    Value::from(text).to_string()
}

/// What the first member is indented by, or two blanks.
fn indentation(text: &str, root: &Object) -> String {
    let Some(first) = root.members.first() else { return "  ".to_owned() };
    let line = text[..first.start].rsplit('\n').next().unwrap_or_default();
    match !line.is_empty() && line.chars().all(|c| c == ' ' || c == '\t') {
        true => line.to_owned(),
        false => "  ".to_owned(),
    }
}

/// Where the parts of an object stand.
struct Object {
    open: usize,
    close: usize,
    members: Vec<Member>,
    ends_with_comma: bool,
}

struct Member {
    start: usize,
    name: String,
    value: Range<usize>,
}

impl Object {
    fn only(&self, name: &str) -> Result<Option<&Member>, String> {
        let mut found = self.members.iter().filter(|member| member.name == name);
        match (found.next(), found.next()) {
            (_, Some(_)) => Err(format!("it holds {name} twice")),
            (first, None) => Ok(first),
        }
    }

    /// The text with one more member at the object's end, which lies `depth` levels down.
    fn with(&self, text: &str, name: &str, value: &str, indent: &str, depth: usize, line_end: &str) -> String {
        let last = self.members.last().map_or(self.open + 1, |member| member.value.end);
        let comma = if self.members.is_empty() || self.ends_with_comma { "" } else { "," };
        // Behind the comments that follow the last member.
        let end = self.open + 1 + text[self.open + 1..self.close].trim_end().len();
        let (inner, outer) = (indent.repeat(depth + 1), indent.repeat(depth));
        format!(
            "{}{comma}{}{line_end}{inner}{}: {value}{line_end}{outer}{}",
            &text[..last],
            &text[last..end],
            quoted(name),
            &text[self.close..]
        )
    }
}

struct Scan<'a> {
    text: &'a str,
    at: usize,
    depth: usize,
}

impl Scan<'_> {
    fn document(text: &str) -> Result<Object, String> {
        let mut scan = Scan { text, at: if text.starts_with('\u{feff}') { 3 } else { 0 }, depth: 0 };
        scan.skip_blank()?;
        let root = scan.object()?;
        scan.skip_blank()?;
        if scan.at < text.len() { Err(scan.wrong("something follows its end")) } else { Ok(root) }
    }

    fn object_at(text: &str, at: usize) -> Result<Object, String> {
        Scan { text, at, depth: 0 }.object()
    }

    fn wrong(&self, what: &str) -> String {
        format!("line {}: {what}", line_at(self.text, self.at))
    }

    fn peek(&self) -> Option<u8> {
        self.text.as_bytes().get(self.at).copied()
    }

    fn expect(&mut self, byte: u8) -> Result<(), String> {
        if self.peek() != Some(byte) {
            return Err(self.wrong(&format!("{:?} is missing", char::from(byte))));
        }
        self.at += 1;
        Ok(())
    }

    /// Passes over blanks and comments.
    fn skip_blank(&mut self) -> Result<(), String> {
        loop {
            let rest = &self.text[self.at..];
            let blank = rest.len() - rest.trim_start_matches([' ', '\t', '\r', '\n']).len();
            self.at += blank;
            let rest = &rest[blank..];
            if rest.starts_with("//") {
                self.at += rest.find('\n').unwrap_or(rest.len());
            } else if let Some(comment) = rest.strip_prefix("/*") {
                let length = comment.find("*/").ok_or_else(|| self.wrong("a comment does not end"))?;
                self.at += length + 4;
            } else {
                return Ok(());
            }
        }
    }

    fn value(&mut self) -> Result<Range<usize>, String> {
        let start = self.at;
        match self.peek() {
            Some(b'{') => drop(self.object()?),
            Some(b'[') => self.array()?,
            Some(b'"') => drop(self.string()?),
            _ => {
                let is_part = |c: char| c.is_ascii_alphanumeric() || matches!(c, '-' | '+' | '.');
                let rest = &self.text[start..];
                let plain = &rest[..rest.find(|c| !is_part(c)).unwrap_or(rest.len())];
                serde_json::from_str::<Value>(plain).map_err(|_| self.wrong("a value is missing or is none"))?;
                self.at += plain.len();
            }
        }
        Ok(start..self.at)
    }

    fn string(&mut self) -> Result<String, String> {
        let start = self.at;
        self.expect(b'"')?;
        loop {
            match self.peek() {
                Some(b'"') => break,
                Some(b'\\') => self.at += 2,
                Some(_) => self.at += 1,
                None => {
                    self.at = start;
                    return Err(self.wrong("a text does not end"));
                }
            }
        }
        self.at += 1;
        let text = self.text.get(start..self.at).unwrap_or_default();
        serde_json::from_str(text).map_err(|_| self.wrong("a text holds what JSON does not allow"))
    }

    fn enter(&mut self) -> Result<(), String> {
        self.depth += 1;
        if self.depth > DEPTH_MAX { Err(self.wrong("it is nested too deeply")) } else { Ok(()) }
    }

    fn array(&mut self) -> Result<(), String> {
        self.enter()?;
        self.expect(b'[')?;
        self.skip_blank()?;
        while self.peek() != Some(b']') {
            self.value()?;
            self.skip_blank()?;
            if self.peek() != Some(b']') {
                self.expect(b',')?;
                self.skip_blank()?;
            }
        }
        self.at += 1;
        self.depth -= 1;
        Ok(())
    }

    fn object(&mut self) -> Result<Object, String> {
        self.enter()?;
        let open = self.at;
        self.expect(b'{')?;
        self.skip_blank()?;
        let mut members = Vec::new();
        let mut ends_with_comma = false;
        while self.peek() != Some(b'}') {
            let start = self.at;
            let name = self.string()?;
            self.skip_blank()?;
            self.expect(b':')?;
            self.skip_blank()?;
            members.push(Member { start, name, value: self.value()? });
            self.skip_blank()?;
            ends_with_comma = self.peek() == Some(b',');
            if self.peek() != Some(b'}') {
                self.expect(b',')?;
                self.skip_blank()?;
            }
        }
        let close = self.at;
        self.at += 1;
        self.depth -= 1;
        Ok(Object { open, close, members, ends_with_comma })
    }
}
