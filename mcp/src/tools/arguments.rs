//! Arguments as they come, and refusals that teach: every wrong value is answered with its field,
//! what was given, what is allowed, and the nearest right value.

use crate::directory::Directory;
use crate::wire::{Refusal, plain};
use rmcp::model::JsonObject;
use serde_json::Value;
use std::ops::RangeInclusive;
use std::sync::Arc;
use tidegate_core::{Instrument, InstrumentId};

const ECHO_CHARS_MAX: usize = 60;
const KEYS_SHOWN_MAX: usize = 10;

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
            field: Some(echo(name)),
            nearest: nearest_name(name, known).map(Value::from),
            ..wrong("unknown_argument", "This tool has no such argument; leave it out.", value, allowed)
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
            let nearest = value.as_str().filter(|key| directory.resolve(key).is_some());
            return Err(Refusal {
                field: Some(name.to_owned()),
                nearest: nearest.map(|key| Value::from(vec![key])),
                ..wrong("wrong_type", &format!("{name} must be a list of strings."), value, allowed)
            });
        };
        if !count.contains(&items.len()) {
            let fix = format!(
                "{name} must have {} to {} keys; split a longer list into several calls.",
                count.start(),
                count.end()
            );
            return Err(Refusal { field: Some(name.to_owned()), ..wrong("out_of_range", &fix, value, allowed) });
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
        let Some(value) = self.0.get(name) else { return Ok(default) };
        let (least, most) = (*range.start(), *range.end());
        let allowed = format!("a whole number from {least} to {most}");
        let refuse = |code, nearest: Option<usize>| Refusal {
            field: Some(name.to_owned()),
            nearest: nearest.map(Value::from),
            ..wrong(code, &format!("{name} must be {allowed}."), value, allowed.clone())
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

    fn required(&self, name: &str, allowed: &str) -> Result<&Value, Refusal> {
        self.0.get(name).ok_or_else(|| Refusal {
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

/// A refusal of `arguments` that are no object at all.
pub fn not_an_object(arguments: &Value) -> Refusal {
    Refusal {
        field: Some("arguments".to_owned()),
        nearest: Some(Value::Object(JsonObject::new())),
        ..wrong("wrong_type", "arguments must be an object of named arguments.", arguments, "an object".to_owned())
    }
}

/// The known name that was most likely meant.
pub fn nearest_name(name: &str, known: &[&str]) -> Option<String> {
    let name: String = name.chars().take(ECHO_CHARS_MAX).flat_map(char::to_lowercase).collect();
    let near = |known: &&str| (strsim::damerau_levenshtein(&name, known), known.to_string());
    let (distance, nearest) = known.iter().map(near).min()?;
    let is_near = distance * 2 <= nearest.chars().count() || nearest.contains(&name) || name.contains(&nearest);
    (is_near && !name.is_empty()).then_some(nearest)
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
        let refusal = wrong("wrong_type", &format!("{field} must be a string."), value, allowed);
        return Err(Refusal { field: Some(field.to_owned()), ..refusal });
    };
    directory.resolve(key).ok_or_else(|| Refusal {
        field: Some(field.to_owned()),
        nearest: directory.nearest(key).map(Value::from),
        ..wrong(
            "unknown_instrument",
            &format!(
                "{field} names no instrument of this run; keys are MARKET:SYMBOL or MARKET:SYMBOL@SOURCE, in capitals."
            ),
            value,
            some_of(&directory.keys()),
        )
    })
}

fn some_of(keys: &[String]) -> String {
    match keys.len() {
        0 => "none: this run has no instruments yet".to_owned(),
        count if count > KEYS_SHOWN_MAX => {
            format!("{} and {} more", keys[..KEYS_SHOWN_MAX].join(", "), count - KEYS_SHOWN_MAX)
        }
        _ => keys.join(", "),
    }
}

fn wrong(code: &'static str, message: &str, got: &Value, allowed: String) -> Refusal {
    let got = match got {
        Value::Array(items) => format!("a list of {}", items.len()),
        Value::Object(fields) => format!("an object of {} fields", fields.len()),
        Value::String(text) if text.is_empty() => "an empty string".to_owned(),
        scalar => echo(&plain(scalar)),
    };
    Refusal {
        code,
        message: message.to_owned(),
        field: None,
        got: Some(got),
        allowed: Some(allowed),
        nearest: None,
        retryable: false,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::directory::tests::directory;
    use serde_json::json;

    fn arguments(value: Value) -> Arguments {
        Arguments::new(value.as_object().unwrap().clone())
    }

    /// Field, code, what was got and the nearest right value of a refusal.
    #[track_caller]
    fn check<T: std::fmt::Debug>(result: Result<T, Refusal>, expect: (&str, &str, &str, Value)) {
        let refusal = result.unwrap_err();
        let nearest = refusal.nearest.clone().unwrap_or(Value::Null);
        let got = refusal.got.clone().unwrap_or_default();
        assert_eq!((refusal.field.as_deref().unwrap(), refusal.code, got.as_str(), nearest), expect);
        assert!(refusal.allowed.is_some() && !refusal.retryable);
    }

    #[test]
    fn levels_are_whole_and_within_range() {
        let levels = |value: Value| arguments(json!({ "levels": value })).whole("levels", 1..=50, 10);
        assert_eq!(arguments(json!({})).whole("levels", 1..=50, 10), Ok(10));
        assert_eq!(levels(json!(1)), Ok(1));
        assert_eq!(levels(json!(50.0)), Ok(50));
        for (value, code, got, nearest) in [
            (json!(0), "out_of_range", "0", json!(1)),
            (json!(51), "out_of_range", "51", json!(50)),
            (json!(-3), "out_of_range", "-3", json!(1)),
            (json!(2.6), "out_of_range", "2.6", json!(3)),
            (json!(1e300), "out_of_range", "1e+300", json!(50)),
            (json!(u64::MAX), "out_of_range", "18446744073709551615", json!(50)),
            (json!("20"), "wrong_type", "20", json!(20)),
            (json!("all"), "wrong_type", "all", Value::Null),
            (json!(null), "wrong_type", "null", Value::Null),
            (json!(true), "wrong_type", "true", Value::Null),
            (json!([10]), "wrong_type", "a list of 1", Value::Null),
            (json!({}), "wrong_type", "an object of 0 fields", Value::Null),
        ] {
            check(levels(value), ("levels", code, got, nearest));
        }
    }

    #[test]
    fn an_instrument_is_a_known_key_or_its_slip_is_named() {
        let directory = directory();
        let one = |value: Value| arguments(value).instrument("instrument", &directory).map(|(id, _)| id.0);
        assert_eq!(one(json!({ "instrument": "BINANCE:BTCUSDT@SIM" })), Ok(2));
        let field = "instrument";
        check(one(json!({})), (field, "missing_argument", "", Value::Null));
        check(one(json!({ "instrument": 5 })), (field, "wrong_type", "5", Value::Null));
        check(one(json!({ "instrument": "" })), (field, "unknown_instrument", "an empty string", Value::Null));
        check(
            one(json!({ "instrument": "btcusdt" })),
            (field, "unknown_instrument", "btcusdt", json!("BINANCE:BTCUSDT")),
        );
        check(one(json!({ "instrument": "NSE:INFY" })), (field, "unknown_instrument", "NSE:INFY", Value::Null));
    }

    #[test]
    fn a_list_of_instruments_names_the_item_at_fault() {
        let directory = directory();
        let many = |value: Value| {
            let ids = arguments(json!({ "instruments": value })).instruments("instruments", 1..=3, &directory);
            ids.map(|ids| ids.iter().map(|(id, _)| id.0).collect::<Vec<_>>())
        };
        assert_eq!(many(json!(["BINANCE:ETHUSDT", "BINANCE:BTCUSDT"])), Ok(vec![1, 0]));
        let field = "instruments";
        check(many(json!([])), (field, "out_of_range", "a list of 0", Value::Null));
        check(many(json!(["a", "b", "c", "d"])), (field, "out_of_range", "a list of 4", Value::Null));
        check(many(json!("BINANCE:BTCUSDT")), (field, "wrong_type", "BINANCE:BTCUSDT", json!(["BINANCE:BTCUSDT"])));
        check(
            many(json!(["BINANCE:BTCUSDT", "BINANCE:ETHUSD"])),
            ("instruments[1]", "unknown_instrument", "BINANCE:ETHUSD", json!("BINANCE:ETHUSDT")),
        );
        check(many(json!(["BINANCE:BTCUSDT", null])), ("instruments[1]", "wrong_type", "null", Value::Null));
    }

    #[test]
    fn an_unknown_argument_is_never_ignored() {
        let known = ["instrument", "levels"];
        assert_eq!(arguments(json!({ "levels": 1 })).only(&known), Ok(()));
        check(arguments(json!({ "level": 1 })).only(&known), ("level", "unknown_argument", "1", json!("levels")));
        check(
            arguments(json!({ "zzz": {} })).only(&known),
            ("zzz", "unknown_argument", "an object of 0 fields", Value::Null),
        );
        check(arguments(json!({ "a": 1 })).only(&[]), ("a", "unknown_argument", "1", Value::Null));
    }

    #[test]
    fn what_is_echoed_is_short_and_harmless() {
        assert_eq!(echo("BINANCE:BTCUSDT"), "BINANCE:BTCUSDT");
        assert_eq!(echo("a\nb\u{1b}[31m\u{202e}\0\"'"), "a\\nb\\u{1b}[31m\\u{202e}\\0\"'");
        assert_eq!(echo("日本"), "日本");
        let huge = echo(&"🦀".repeat(100_000));
        assert_eq!(huge.chars().count(), ECHO_CHARS_MAX + 1);
        assert!(huge.ends_with('…'));
    }
}
