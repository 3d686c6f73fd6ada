//! Arguments as they come, and refusals that teach: every wrong value is answered with its field,
//! what was given, what is allowed, and the nearest right value or what to do instead.

use super::cursor;
use crate::directory::Directory;
use crate::wire::{Refusal, plain};
use rmcp::model::JsonObject;
use serde_json::Value;
use std::ops::RangeInclusive;
use std::sync::Arc;
use tidegate_core::{INTERVALS, Instrument, InstrumentId, Interval, Nanos, NumberError, Parsed};
use tidegate_history::expression::TextError;

const ECHO_CHARS_MAX: usize = 60;
const KEYS_SHOWN_MAX: usize = 10;
/// Longest text in which a list is looked for.
const LIST_BYTES_MAX: usize = 16 * 1024;

/// The shape of a decimal number, as schemas state it.
pub const DECIMAL: &str = "^[0-9]+(\\.[0-9]+)?$";

/// The arguments of one call, not yet trusted.
pub struct Arguments(JsonObject);

impl Arguments {
    /// Wraps what the client sent.
    pub fn new(arguments: JsonObject) -> Arguments {
        Arguments(arguments)
    }

    /// Refuses arguments that the tool does not have: a misspelt optional one would otherwise be
    /// ignored, and the answer would look as if it had been heeded.
    pub fn only(&self, known: &[&str]) -> Result<(), Refusal> {
        let Some((name, value)) = self.0.iter().find(|(name, _)| !known.contains(&name.as_str())) else {
            return Ok(());
        };
        let allowed = if known.is_empty() { "no arguments".to_owned() } else { known.join(", ") };
        Err(Refusal {
            nearest: nearest_name(name, known).map(Value::from),
            ..wrong("unknown_argument", &echo(name), "This tool has no such argument; leave it out.", value, allowed)
        })
    }

    /// A required list of instruments, `count` of them.
    pub fn instruments(
        &self,
        name: &str,
        count: RangeInclusive<usize>,
        directory: &Directory,
    ) -> Result<Vec<(InstrumentId, Arc<Instrument>)>, Refusal> {
        let allowed = format!("a list of {} to {} instrument keys", count.start(), count.end());
        let value = self.required(name, &allowed)?;
        let Value::Array(items) = value else {
            let is_known = |keys: &Vec<String>| {
                count.contains(&keys.len()) && keys.iter().all(|key| directory.resolve(key).is_some())
            };
            return Err(Refusal {
                nearest: lists_in(value).into_iter().find(is_known).map(Value::from),
                ..wrong("wrong_type", name, &format!("{name} must be a list of strings."), value, allowed)
            });
        };
        if !count.contains(&items.len()) {
            let (least, most) = (count.start(), count.end());
            let fix = format!("{name} must have {least} to {most} keys; split a longer list into several calls.");
            return Err(wrong("out_of_range", name, &fix, value, allowed));
        }
        let resolve = |(at, item)| resolve(&format!("{name}[{at}]"), item, directory);
        items.iter().enumerate().map(resolve).collect()
    }

    /// A required instrument.
    pub fn instrument(&self, name: &str, directory: &Directory) -> Result<(InstrumentId, Arc<Instrument>), Refusal> {
        resolve(name, self.required(name, "an instrument key")?, directory)
    }

    /// A whole number within `range`; `default` where it is left out.
    pub fn whole(&self, name: &str, range: RangeInclusive<usize>, default: usize) -> Result<usize, Refusal> {
        let Some(value) = self.given(name) else { return Ok(default) };
        let (least, most) = (*range.start(), *range.end());
        let allowed = format!("a whole number from {least} to {most}");
        let refuse = |code, nearest: Option<usize>| {
            let message = format!("{name} must be {allowed}; leave it out for {default}.");
            Refusal { nearest: nearest.map(Value::from), ..wrong(code, name, &message, value, allowed.clone()) }
        };
        let Some(number) = value.as_number() else {
            let meant = value.as_str().and_then(|text| text.trim().parse::<usize>().ok());
            return Err(refuse("wrong_type", meant.map(|meant| meant.clamp(least, most))));
        };
        // 10.0 is the same JSON number as 10 to many writers; 10.5 and 1e300 are not levels.
        let real = number.as_f64().unwrap_or(f64::NAN);
        let whole =
            number.as_u64().or_else(|| (real.fract() == 0.0 && (0.0..1e9).contains(&real)).then_some(real as u64));
        match whole.and_then(|whole| usize::try_from(whole).ok()) {
            Some(whole) if range.contains(&whole) => Ok(whole),
            _ if real.is_nan() => Err(refuse("out_of_range", None)),
            // The cast saturates, and the clamp is what is wanted of anything beyond.
            _ => Err(refuse("out_of_range", Some((real.round().max(0.0) as usize).clamp(least, most)))),
        }
    }

    /// True where it was given.
    pub fn has(&self, name: &str) -> bool {
        self.given(name).is_some()
    }

    /// What was given. Many clients send null for what they leave out.
    fn given(&self, name: &str) -> Option<&Value> {
        self.0.get(name).filter(|value| !value.is_null())
    }

    /// The text of an expression: the beginning of one that is too long is none.
    pub fn expression(&self, name: &str, chars_max: usize) -> Result<&str, Refusal> {
        self.text(name, chars_max).map_err(|refusal| Refusal { nearest: None, ..refusal })
    }

    /// A text of at most `chars_max` characters.
    pub fn text(&self, name: &str, chars_max: usize) -> Result<&str, Refusal> {
        let allowed = || format!("a string of at most {chars_max} characters");
        match self.required(name, &allowed())? {
            Value::String(text) if text.chars().nth(chars_max).is_none() => Ok(text),
            value @ Value::String(text) => Err(Refusal {
                nearest: Some(Value::from(text.chars().take(chars_max).collect::<String>())),
                ..wrong("out_of_range", name, &format!("{name} is too long; shorten it."), value, allowed())
            }),
            value => Err(wrong("wrong_type", name, &format!("{name} must be a string."), value, allowed())),
        }
    }

    /// One of the `known` names, if given.
    pub fn choice<'a>(&self, name: &str, known: &[&'a str]) -> Result<Option<&'a str>, Refusal> {
        let Some(value) = self.given(name) else { return Ok(None) };
        if let Some(chosen) = value.as_str().and_then(|text| known.iter().find(|known| **known == text)) {
            return Ok(Some(chosen));
        }
        let code = if value.is_string() { "unknown_value" } else { "wrong_type" };
        let allowed = if known.is_empty() { "nothing in this run".to_owned() } else { known.join(", ") };
        let message = format!("{name} must be one of the allowed names; or leave it out.");
        let nearest = value.as_str().and_then(|text| nearest_name(text, known));
        Err(Refusal { nearest: nearest.map(Value::from), ..wrong(code, name, &message, value, allowed) })
    }

    /// One of the `known` names.
    pub fn chosen<'a>(&self, name: &str, known: &[&'a str]) -> Result<&'a str, Refusal> {
        self.required(name, &known.join(", "))?;
        let chosen = self.choice(name, known).map_err(|refusal| Refusal {
            message: format!("{name} must be one of the allowed names."),
            nearest: refusal.nearest.or_else(|| known.first().map(|name| Value::from(*name))),
            ..refusal
        });
        Ok(chosen?.unwrap_or_default())
    }

    /// The length of bars.
    pub fn interval(&self, name: &str) -> Result<Interval, Refusal> {
        let chosen = self.chosen(name, &INTERVALS.map(|interval| interval.name))?;
        Ok(INTERVALS.into_iter().find(|interval| interval.name == chosen).unwrap_or(INTERVALS[0]))
    }

    /// A list of `count` texts of at most `chars_max` characters.
    pub fn texts(&self, name: &str, count: RangeInclusive<usize>, chars_max: usize) -> Result<Vec<&str>, Refusal> {
        let allowed = || format!("a list of {} to {} strings", count.start(), count.end());
        let value = self.required(name, &allowed())?;
        let Value::Array(items) = value else {
            let fits = |texts: &Vec<String>| {
                count.contains(&texts.len()) && texts.iter().all(|text| text.chars().nth(chars_max).is_none())
            };
            let nearest = lists_in(value).into_iter().find(fits).map(Value::from);
            let message = format!("{name} must be a list of strings.");
            return Err(Refusal { nearest, ..wrong("wrong_type", name, &message, value, allowed()) });
        };
        if !count.contains(&items.len()) {
            let message = format!("{name} must have {} to {} entries.", count.start(), count.end());
            return Err(wrong("out_of_range", name, &message, value, allowed()));
        }
        let text = |(at, item): (usize, &'_ Value)| -> Result<usize, Refusal> {
            let field = format!("{name}[{at}]");
            let allowed = format!("a string of at most {chars_max} characters");
            match item.as_str() {
                None => Err(wrong("wrong_type", &field, &format!("{field} must be a string."), item, allowed)),
                Some(text) if text.chars().nth(chars_max).is_some() => {
                    Err(wrong("out_of_range", &field, &format!("{field} is too long; shorten it."), item, allowed))
                }
                Some(_) => Ok(at),
            }
        };
        items.iter().enumerate().try_for_each(|entry| text(entry).map(drop))?;
        Ok(items.iter().filter_map(Value::as_str).collect())
    }

    /// A decimal number above zero, if given: a string, as a JSON number is a float to many readers.
    pub fn decimal<T: Default + PartialOrd>(
        &self,
        name: &str,
        parse: fn(&[u8]) -> Result<Parsed<T>, NumberError>,
    ) -> Result<Option<T>, Refusal> {
        let Some(value) = self.given(name) else { return Ok(None) };
        let read = |text: &str| parse(text.as_bytes()).map(|parsed| parsed.value);
        let is_right = |text: &String| read(text).is_ok_and(|value| value > T::default());
        let (code, fix) = match value.as_str().map(read) {
            Some(Ok(value)) if value > T::default() => return Ok(Some(value)),
            Some(Ok(_)) => ("out_of_range", "must be above 0"),
            Some(Err(NumberError::Malformed)) => ("wrong_format", "must be plain digits with at most one point"),
            Some(Err(NumberError::TooPrecise)) => ("out_of_range", "has more decimals than are kept"),
            Some(Err(NumberError::OutOfRange)) => ("out_of_range", "is larger than can be kept"),
            None => ("wrong_type", "must be a string"),
        };
        let cleaned: String = plain(value).chars().filter(|c| c.is_ascii_digit() || *c == '.').take(64).collect();
        let is_near = matches!(value, Value::String(_) | Value::Number(_)) && code != "out_of_range";
        Err(Refusal {
            nearest: Some(cleaned).filter(|text| is_near && is_right(text)).map(Value::from),
            ..wrong(
                code,
                name,
                &format!("{name} {fix}; or leave it out."),
                value,
                "a decimal number above 0 as a string, such as \"0.5\"".to_owned(),
            )
        })
    }

    /// A moment, if given: RFC 3339 text, or nanoseconds since 1970 (as text too: they are beyond a float).
    pub fn instant(&self, name: &str) -> Result<Option<Nanos>, Refusal> {
        let Some(value) = self.given(name) else { return Ok(None) };
        let read = |text: &str| match text.parse::<i64>() {
            Ok(ns) => Some(Nanos::new(ns)),
            Err(_) => i64::try_from(text.parse::<jiff::Timestamp>().ok()?.as_nanosecond()).ok().map(Nanos::new),
        };
        let instant = match value {
            Value::String(text) => read(text),
            Value::Number(number) => number.as_i64().map(Nanos::new),
            _ => None,
        };
        let code = if value.is_string() || value.is_number() { "wrong_format" } else { "wrong_type" };
        let message = format!("{name} must be a moment between the years 1677 and 2262; or leave it out.");
        let allowed = "RFC 3339 such as 2024-08-08T12:30:00Z, or nanoseconds since 1970".to_owned();
        // A day, or a moment without its zone: UTC is what is meant, as everything else is in UTC.
        let nearest = value.as_str().filter(|text| text.len() < ECHO_CHARS_MAX).and_then(|text| {
            let text = text.trim().replacen(' ', "T", 1);
            [format!("{text}Z"), format!("{text}T00:00:00Z")].into_iter().find(|text| read(text).is_some())
        });
        instant
            .map(Some)
            .ok_or_else(|| Refusal { nearest: nearest.map(Value::from), ..wrong(code, name, &message, value, allowed) })
    }

    /// Where an earlier answer to the same question `scope` ended, if given.
    pub fn cursor(&self, name: &str, scope: &[&str]) -> Result<Option<String>, Refusal> {
        self.opaque(name, "wrong_cursor", |text| cursor::open(text, scope))
    }

    /// What an earlier answer to the same arguments gave to be passed on, if given; `open` knows whether it is that.
    pub fn opaque<T>(
        &self,
        name: &str,
        wrong_code: &'static str,
        open: impl FnOnce(&str) -> Option<T>,
    ) -> Result<Option<T>, Refusal> {
        let Some(value) = self.given(name) else { return Ok(None) };
        let opened = value.as_str().and_then(open);
        let code = if value.is_string() { wrong_code } else { "wrong_type" };
        let message = format!("{name} is none that was given for these arguments; leave it out to begin anew.");
        let allowed = format!("the {name} of an answer to the same arguments, unchanged");
        opened.map(Some).ok_or_else(|| wrong(code, name, &message, value, allowed))
    }

    /// The refusal of a value that is right by itself, and wrong beside the others or for this instrument.
    pub fn unfit(&self, code: &'static str, name: &str, message: &str, allowed: String) -> Refusal {
        wrong(code, name, message, self.given(name).unwrap_or(&Value::Null), allowed)
    }

    fn required(&self, name: &str, allowed: &str) -> Result<&Value, Refusal> {
        self.given(name).ok_or_else(|| Refusal {
            code: "missing_argument",
            message: format!("{name} is required; add it."),
            field: Some(name.to_owned()),
            got: None,
            allowed: Some(allowed.to_owned()),
            nearest: None,
            retryable: false,
        })
    }
}

/// The refusal of a text that is no expression.
pub fn wrong_expression(field: &str, text: &str, error: &TextError) -> Refusal {
    let TextError { message, column, nearest } = error;
    let mut refusal = wrong(
        "wrong_expression",
        field,
        &format!("{field}, at character {column}: {}.", message.chars().flat_map(visible).collect::<String>()),
        &Value::from(text),
        "an expression, such as rsi(close, 14) or close > sma(close, 20)".to_owned(),
    );
    refusal.nearest = nearest.as_deref().map(Value::from);
    refusal
}

/// The lists that a text may have been meant as, the likeliest first: one that was written out as text, or its only
/// entry.
fn lists_in(value: &Value) -> Vec<Vec<String>> {
    let Some(text) = value.as_str().map(str::trim).filter(|text| text.len() <= LIST_BYTES_MAX) else {
        return Vec::new();
    };
    let texts = |value: Value| serde_json::from_value::<Vec<String>>(value).ok();
    if let Some(list) = serde_json::from_str(text).ok().and_then(texts) {
        return vec![list];
    }
    let inner = text.strip_prefix(['[', '(']).and_then(|text| text.strip_suffix([']', ')']));
    let quotes = |c: char| c == '\'' || c == '"' || c.is_whitespace();
    let entries = split(inner.unwrap_or(text)).into_iter().map(|entry| entry.trim_matches(quotes).to_owned());
    let entries: Vec<String> = entries.filter(|entry| !entry.is_empty()).collect();
    match inner {
        Some(_) => vec![entries, vec![text.to_owned()]],
        None => vec![vec![text.to_owned()], entries],
    }
}

/// Cuts at the commas that stand in no parentheses.
fn split(text: &str) -> Vec<&str> {
    let mut depth = 0_usize;
    text.split(|c: char| {
        match c {
            '(' => depth += 1,
            ')' => depth = depth.saturating_sub(1),
            _ => {}
        }
        c == ',' && depth == 0
    })
    .collect()
}

/// A refusal of `arguments` that are no object at all.
pub fn not_an_object(arguments: &Value) -> Refusal {
    let message = "arguments must be an object of named arguments.";
    let written = arguments.as_str().and_then(|text| serde_json::from_str::<JsonObject>(text).ok());
    Refusal {
        nearest: Some(Value::Object(written.unwrap_or_default())),
        ..wrong("wrong_type", "arguments", message, arguments, "an object".to_owned())
    }
}

/// The known name that was most likely meant.
pub fn nearest_name(name: &str, known: &[&str]) -> Option<String> {
    let lower = |text: &str| text.chars().take(ECHO_CHARS_MAX).flat_map(char::to_lowercase).collect::<String>();
    let name = lower(name);
    let near = |known: &&str| (strsim::damerau_levenshtein(&name, &lower(known)), lower(known), known.to_string());
    let (distance, nearest, known) = known.iter().map(near).min()?;
    let is_near = distance * 2 <= nearest.chars().count() || nearest.contains(&name) || name.contains(&nearest);
    (is_near && !name.is_empty()).then_some(known)
}

/// A value in a refusal: short, on one line, and with nothing in it that a terminal or a model would
/// take for more than text.
pub fn echo(text: &str) -> String {
    let mut shown: String = text.chars().take(ECHO_CHARS_MAX).flat_map(visible).collect();
    if text.chars().nth(ECHO_CHARS_MAX).is_some() {
        shown.push('…');
    }
    shown
}

fn visible(c: char) -> Vec<char> {
    match c {
        '"' | '\'' | '\\' => vec![c],
        // Escapes controls, line breaks, direction overrides and bare combining marks.
        _ => c.escape_debug().collect(),
    }
}

fn resolve(field: &str, value: &Value, directory: &Directory) -> Result<(InstrumentId, Arc<Instrument>), Refusal> {
    let Value::String(key) = value else {
        let allowed = "an instrument key such as BINANCE:BTCUSDT".to_owned();
        // One in a list is the one.
        let only = value.as_array().and_then(|items| if let [only] = &items[..] { only.as_str() } else { None });
        let nearest = only.filter(|key| directory.resolve(key).is_some()).map(Value::from);
        let message = format!("{field} must be a string.");
        return Err(Refusal { nearest, ..wrong("wrong_type", field, &message, value, allowed) });
    };
    directory.resolve(key).ok_or_else(|| {
        let message =
            format!("{field} names no instrument of this run; keys are MARKET:SYMBOL or MARKET:SYMBOL@SOURCE.");
        Refusal {
            nearest: directory.nearest(key).map(Value::from),
            ..wrong(UNKNOWN_INSTRUMENT, field, &message, value, some_of(&directory.keys()))
        }
    })
}

/// The code of a refusal to which what to do about it is added: see [`super::add_how_to_subscribe`].
pub const UNKNOWN_INSTRUMENT: &str = "unknown_instrument";

fn some_of(keys: &[String]) -> String {
    match keys.len() {
        0 => "none: this run has no instruments yet".to_owned(),
        count if count > KEYS_SHOWN_MAX => {
            format!("{} and {} more", keys[..KEYS_SHOWN_MAX].join(", "), count - KEYS_SHOWN_MAX)
        }
        _ => keys.join(", "),
    }
}

fn wrong(code: &'static str, field: &str, message: &str, got: &Value, allowed: String) -> Refusal {
    let got = match got {
        Value::Array(items) => format!("a list of {}", items.len()),
        Value::Object(fields) => format!("an object of {} fields", fields.len()),
        Value::String(text) if text.is_empty() => "an empty string".to_owned(),
        scalar => echo(&plain(scalar)),
    };
    Refusal {
        code,
        message: message.to_owned(),
        field: Some(field.to_owned()),
        got: Some(got),
        allowed: Some(allowed),
        nearest: None,
        retryable: false,
    }
}

#[cfg(test)]
#[path = "arguments_tests.rs"]
mod tests;
