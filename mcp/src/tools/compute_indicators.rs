//! `compute_indicators`: values of expressions over the bars of several instruments.

use super::arguments::Arguments;
use super::get_bars::second;
use super::schema::output_schema;
use super::table::Table;
use super::{Answer, cursor, presets};
use crate::bars::Named;
use crate::caller::Caller;
use crate::expressions::{Compiled, Values};
use crate::server::Facade;
use crate::wire::{Envelope, Refusal, Run, age_ms};
use schemars::JsonSchema;
use serde::Serialize;
use serde_json::{Value, json};
use std::borrow::Cow;
use tidegate_core::expression::Kind;
use tidegate_core::{INTERVALS, Interval, Nanos};

pub(super) const INSTRUMENTS_MAX: usize = 20;
pub(super) const EXPRESSIONS_MAX: usize = 16;
pub(super) const EXPRESSION_CHARS_MAX: usize = 500;
const ROWS_MAX: usize = 150;
/// Values in one answer.
pub(super) const CELLS_MAX: usize = 600;
/// Digits that are told of a number that is not whole.
const DIGITS: usize = 10;

/// The values as answered.
#[derive(Debug, Serialize, JsonSchema)]
struct Indicators {
    /// A row for each bar of each instrument, oldest first; null: not known yet.
    values: Table,
    /// First bar that each series was worked out from.
    primed_from: Table,
    interval: &'static str,
    /// Pass it on with the same arguments for earlier rows; null where there are none.
    cursor: Option<String>,
}

pub(super) fn definition() -> (&'static str, &'static str, Value, Value) {
    let input = json!({
        "type": "object",
        "properties": {
            "instruments": {
                "type": "array", "description": "Keys", "items": { "type": "string" },
                "minItems": 1, "maxItems": INSTRUMENTS_MAX,
                "examples": [["BINANCE:BTCUSDT"]]
            },
            "interval": { "type": "string", "enum": INTERVALS.map(|interval| interval.name), "description": "Bar" },
            "expressions": {
                "type": "array", "description": "SQL, or trend, momentum, volatility, levels",
                "items": { "type": "string" }, "minItems": 1, "maxItems": EXPRESSIONS_MAX,
                "examples": [["rsi(14)"]]
            },
            "limit": {
                "type": "integer", "minimum": 1, "maximum": ROWS_MAX, "default": 1,
                "description": "Rows", "examples": [5]
            },
            "to": { "type": "string", "description": "Ended by", "examples": ["2034-08-08T12:00:00Z"] },
            "cursor": { "type": "string", "description": "Earlier" }
        },
        "required": ["instruments", "interval", "expressions"],
        "additionalProperties": false
    });
    let description = "Indicators (TA-Lib's) and conditions at closed bars: lag, crosses_above, since, count_true; \
                       \"NSE:NIFTY\".close, live.close.";
    ("Indicators", description, input, output_schema::<Indicators>("values"))
}

pub(super) async fn call(facade: &Facade, arguments: Arguments, caller: &Caller) -> Result<Answer, Refusal> {
    arguments.only(&["instruments", "interval", "expressions", "limit", "to", "cursor"])?;
    let instruments = arguments.instruments("instruments", 1..=INSTRUMENTS_MAX, &facade.directory)?;
    let interval = arguments.interval("interval")?;
    let named = expressions(&arguments)?;
    let fields: Vec<(&str, &str)> = named.iter().map(|(field, text)| (field.as_str(), *text)).collect();
    let texts: Vec<&str> = fields.iter().map(|(_, text)| *text).collect();
    let limit = arguments.whole("limit", 1..=ROWS_MAX, 1)?;
    let most = (CELLS_MAX / (instruments.len() * texts.len())).max(1);
    if limit > most {
        let allowed = format!("at most {most} rows of so many instruments and expressions");
        return Err(Refusal {
            nearest: Some(Value::from(most)),
            ..arguments.unfit(
                "out_of_range",
                "limit",
                &format!("limit must be {allowed}; a cursor gives the rest."),
                allowed,
            )
        });
    }
    let to = arguments.instant("to")?.unwrap_or(Nanos::new(i64::MAX));
    let keys: Vec<String> = instruments.iter().map(|(_, instrument)| instrument.to_string()).collect();
    let until = to.to_string();
    let scope = keys.iter().map(String::as_str).chain(texts.iter().copied()).chain([interval.name, until.as_str()]);
    let scope: Vec<&str> = scope.collect();
    let before = arguments.cursor("cursor", &scope)?.and_then(|start| start.parse().ok()).map(Nanos::new);
    let read = facade.reads.begin(caller)?;
    let compiled = Compiled::read(&fields, interval, &facade.directory)?;
    let most = compiled.instruments_max("expressions")?;
    if instruments.len() > most {
        let allowed = format!("at most {most} instruments with these expressions");
        let message = format!("instruments must be {allowed}: their periods are long.");
        return Err(arguments.unfit("out_of_range", "instruments", &message, allowed));
    }
    let evaluated = compiled.evaluate(facade, &read, &instruments, before.unwrap_or(to), limit + 1);
    let mut all = read.within(evaluated).await?;
    // All rows of one moment are on one page.
    let from = all.iter().filter(|values| values.rows.len() > limit).map(|values| values.rows[1].0).max();
    let cursor = from.map(|from| cursor::seal(&from.to_string(), &scope));
    if let Some(from) = from {
        all.iter_mut().for_each(|values| values.rows.retain(|(start, _)| *start >= from));
    }
    Ok(answer(&facade.run, &Asked { instruments, interval, texts: &texts, compiled, cursor }, &all))
}

/// What was asked for.
struct Asked<'a> {
    instruments: Vec<Named>,
    interval: Interval,
    texts: &'a [&'a str],
    compiled: Compiled,
    cursor: Option<String>,
}

/// The expressions, each with the argument that it was given as; a preset's name stands for its own.
fn expressions(arguments: &Arguments) -> Result<Vec<(String, &str)>, Refusal> {
    let texts = arguments.texts("expressions", 1..=EXPRESSIONS_MAX, EXPRESSION_CHARS_MAX)?;
    let mut all = Vec::new();
    for (at, text) in texts.into_iter().enumerate() {
        let field = format!("expressions[{at}]");
        match presets::expressions(text) {
            [] => all.push((field, text)),
            expressions => all.extend(expressions.iter().map(|text| (field.clone(), *text))),
        }
    }
    Ok(all)
}

fn answer(run: &Run, asked: &Asked<'_>, all: &[Values]) -> Answer {
    let columns = ["instrument", "start"].map(Cow::Borrowed).into_iter();
    let columns: Vec<_> = columns.chain(asked.texts.iter().map(|text| Cow::Owned((*text).to_owned()))).collect();
    let mut table = Table::named(columns.clone());
    let mut primed = Table::new(&["instrument", "interval", "from"]);
    for ((_, instrument), values) in asked.instruments.iter().zip(all) {
        let mut push = |start: Value, row: &[Option<f64>]| {
            let mut cells = vec![json!(instrument.to_string()), start];
            cells.extend(row.iter().zip(&asked.compiled.kinds).map(|(value, kind)| shown(*value, *kind)));
            table.push(cells);
        };
        values.rows.iter().for_each(|(start, row)| push(json!(second(*start)), row));
        if let Some(row) = &values.live {
            push(json!("live"), row);
        }
        for (series, from) in asked.compiled.series().iter().zip(&values.primed_from) {
            let of = asked.compiled.other(series).unwrap_or_else(|| instrument.to_string());
            primed.push_once(vec![json!(of), json!(series.interval.name), json!(from.map(second))]);
        }
    }
    let views = || all.iter().map(|values| &values.view);
    let newest = views().max_by_key(|view| view.stamp.seq).map(|view| view.stamp);
    let envelope = newest.map_or_else(|| Envelope::unknown(run), |stamp| Envelope::at(run, &stamp));
    let envelope = Envelope {
        age_ms: views().filter_map(|view| age_ms(view.stamp.as_of, view.last_event)).max(),
        feed_state: views().map(|view| view.trades.into()).max(),
        ..envelope
    };
    let text = text(asked, &columns, &table, &primed);
    let Asked { interval, cursor, .. } = asked;
    let indicators = Indicators { values: table, primed_from: primed, interval: interval.name, cursor: cursor.clone() };
    Answer::new(&envelope, &indicators, &text)
}

fn text(asked: &Asked<'_>, columns: &[Cow<'static, str>], table: &Table, primed: &Table) -> String {
    let mut text = format!("{} bars, start in UTC, - is not known yet\n{}", asked.interval.name, columns.join(" | "));
    for row in table.cells() {
        text.push('\n');
        text.push_str(&row.join(" | "));
    }
    if table.len() == 0 {
        text.push_str("\nno bar has closed there");
    }
    let primed: Vec<String> = primed.cells().map(|row| row.join(" ")).collect();
    text.push_str(&format!("\nworked out from the bars since: {}", primed.join(", ")));
    if asked.cursor.is_some() {
        text.push_str("\nthe cursor gives earlier rows");
    }
    text
}

/// A value: a number of ten digits, a truth, or null.
pub(super) fn shown(value: Option<f64>, kind: Kind) -> Value {
    match (value, kind) {
        (None, _) => Value::Null,
        (Some(value), Kind::Condition) => json!(value == 1.0),
        // A whole number is exact.
        (Some(value), Kind::Number) if value.fract() == 0.0 && value.abs() < 1e15 => json!(value as i64),
        (Some(value), Kind::Number) => json!(format!("{value:.*e}", DIGITS - 1).parse().unwrap_or(value)),
    }
}

#[cfg(test)]
#[path = "compute_indicators_tests.rs"]
mod tests;
