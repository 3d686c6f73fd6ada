//! `screen_instruments`: which instruments fulfil a condition, ranked, with the values that made it so.

use super::Answer;
use super::arguments::Arguments;
use super::compute_indicators::{EXPRESSION_CHARS_MAX, shown};
use super::get_bars::second;
use super::schema::output_schema;
use super::table::Table;
use crate::bars::Named;
use crate::caller::Caller;
use crate::directory::Listed;
use crate::expressions::{Compiled, Values};
use crate::server::Facade;
use crate::wire::{Envelope, Refusal, age_ms};
use schemars::JsonSchema;
use serde::Serialize;
use serde_json::{Value, json};
use std::borrow::Cow;
use std::cmp::Ordering;
use std::collections::BTreeSet;
use std::sync::Arc;
use tidegate_core::expression::Kind;
use tidegate_core::{INTERVALS, Interval, Nanos};
use tidegate_history::expression::compared;

const MATCHES_MAX: usize = 50;
const MATCHES_DEFAULT: usize = 10;
const LIST_MAX: usize = 200;
/// Values shown beside a match.
const COMPARED_MAX: usize = 6;
/// Instruments whose bars are in memory at once.
const CHUNK: usize = 100;
const EVERYTHING: &str = "all";
const ORDERS: [&str; 2] = ["desc", "asc"];

/// The matches as answered.
#[derive(Debug, Serialize, JsonSchema)]
struct Screened {
    /// Best first.
    matches: Table,
    /// Instruments looked at, and of them: true, and not known (too few bars, or a value is null).
    scanned: usize,
    passed: usize,
    unknown: usize,
    interval: &'static str,
}

pub(super) fn definition() -> (&'static str, &'static str, Value, Value) {
    let input = json!({
        "type": "object",
        "properties": {
            "condition": { "type": "string", "description": "Expression", "maxLength": EXPRESSION_CHARS_MAX, "examples": ["rsi(14) < 30"] },
            "interval": { "type": "string", "enum": INTERVALS.map(|interval| interval.name), "description": "Bar" },
            "of": {
                "type": "string", "description": "all, a market, or an index: its members", "default": EVERYTHING,
                "examples": ["BINANCE"]
            },
            "instruments": {
                "type": "array", "description": "Or these", "items": { "type": "string" },
                "minItems": 1, "maxItems": LIST_MAX, "examples": [["BINANCE:BTCUSDT"]]
            },
            "rank_by": { "type": "string", "description": "Number", "maxLength": EXPRESSION_CHARS_MAX, "examples": ["roc(20)"] },
            "order": { "type": "string", "enum": ORDERS, "description": "Of rank" },
            "limit": { "type": "integer", "minimum": 1, "maximum": MATCHES_MAX, "default": MATCHES_DEFAULT, "description": "Shown", "examples": [5] }
        },
        "required": ["condition", "interval"],
        "additionalProperties": false
    });
    let description = "Instruments whose latest closed bar fulfils a condition (expressions: see compute_indicators), with \
                       the values it compares.";
    ("Screen", description, input, output_schema::<Screened>("matches"))
}

pub(super) async fn call(facade: &Facade, arguments: Arguments, caller: &Caller) -> Result<Answer, Refusal> {
    arguments.only(&["condition", "interval", "of", "instruments", "rank_by", "order", "limit"])?;
    let condition = arguments.expression("condition", EXPRESSION_CHARS_MAX)?;
    let interval = arguments.interval("interval")?;
    let universe = universe(facade, &arguments)?;
    let rank_by =
        arguments.has("rank_by").then(|| arguments.expression("rank_by", EXPRESSION_CHARS_MAX)).transpose()?;
    let is_ascending = arguments.choice("order", &ORDERS)? == Some(ORDERS[1]);
    let limit = arguments.whole("limit", 1..=MATCHES_MAX, MATCHES_DEFAULT)?;
    let read = facade.reads.begin(caller)?;
    let screen = Screen::read(facade, condition, rank_by, interval)?;
    let mut found = Found::default();
    let screened = async {
        for part in universe.chunks(screen.compiled.instruments_max("condition")?.min(CHUNK)) {
            let all = screen.compiled.evaluate(facade, &read, part, Nanos::new(i64::MAX), 1).await?;
            part.iter().zip(all).for_each(|(instrument, values)| found.take(instrument, values));
        }
        Ok(())
    };
    read.within(screened).await?;
    found.rank(screen.rank, is_ascending);
    Ok(answer(facade, &screen, interval, universe.len(), found, limit))
}

/// What is screened.
fn universe(facade: &Facade, arguments: &Arguments) -> Result<Vec<Named>, Refusal> {
    let listed = facade.directory.listed();
    let markets: BTreeSet<&str> = listed.iter().filter_map(|it| Some(it.instrument.key.split_once(':')?.0)).collect();
    let index_of = |it: &Listed| facade.members.of(&it.instrument).and_then(|member| member.index.clone());
    let indices: BTreeSet<String> = listed.iter().filter_map(index_of).collect();
    let known: Vec<&str> = [EVERYTHING].into_iter().chain(markets).chain(indices.iter().map(String::as_str)).collect();
    let of = arguments.choice("of", &known)?;
    if arguments.has("instruments") {
        if of.is_some() {
            let message = "of and instruments say the same: leave of out, or instruments.";
            return Err(arguments.unfit("conflicting_argument", "of", message, "one of of, instruments".to_owned()));
        }
        return arguments.instruments("instruments", 1..=LIST_MAX, &facade.directory);
    }
    let of = of.unwrap_or(EVERYTHING);
    let is_of = |it: &&Listed| {
        of == EVERYTHING
            || it.instrument.key.split_once(':').is_some_and(|(market, _)| market == of)
            || index_of(it).is_some_and(|index| index == of)
    };
    let all = listed.iter().filter(is_of);
    Ok(all.map(|it| (it.id, Arc::clone(&it.instrument))).collect())
}

/// The condition first, then the rank, then what the condition compares.
struct Screen {
    compiled: Compiled,
    columns: Vec<Cow<'static, str>>,
    /// Where the rank stands among the expressions.
    rank: Option<usize>,
}

impl Screen {
    fn read(facade: &Facade, condition: &str, rank_by: Option<&str>, interval: Interval) -> Result<Screen, Refusal> {
        let mut compared = compared(condition);
        compared.retain(|text| Some(text.as_str()) != rank_by);
        compared.truncate(COMPARED_MAX);
        let texts: Vec<(&str, &str)> = [("condition", condition)]
            .into_iter()
            .chain(rank_by.map(|text| ("rank_by", text)))
            .chain(compared.iter().map(|text| ("condition", text.as_str())))
            .collect();
        let compiled = Compiled::read(&texts, interval, &facade.directory)?;
        compiled.expect(0, "condition", condition, Kind::Condition)?;
        if let Some(text) = rank_by {
            compiled.expect(1, "rank_by", text, Kind::Number)?;
        }
        let columns = texts.iter().skip(1).map(|(_, text)| Cow::Owned((*text).to_owned())).collect();
        Ok(Screen { compiled, columns, rank: rank_by.map(|_| 1) })
    }
}

/// What was found so far.
#[derive(Default)]
struct Found {
    matches: Vec<(String, Nanos, Vec<Option<f64>>)>,
    unknown: usize,
    /// Of the engine: the latest moment, the oldest age, the worst state.
    envelope: Option<Values>,
}

impl Found {
    fn take(&mut self, (_, instrument): &Named, mut values: Values) {
        let latest = match (values.live.take(), values.rows.pop()) {
            (Some(live), Some((start, _))) => Some((start, live)),
            (_, row) => row,
        };
        match latest {
            Some((start, row)) if row[0] == Some(1.0) => self.matches.push((instrument.to_string(), start, row)),
            Some((_, row)) if row[0].is_some() => {}
            _ => self.unknown += 1,
        }
        if self.envelope.as_ref().is_none_or(|known| known.view.stamp.seq <= values.view.stamp.seq) {
            self.envelope = Some(values);
        }
    }

    /// By the rank, what has none last; then by name.
    fn rank(&mut self, rank: Option<usize>, is_ascending: bool) {
        let Some(rank) = rank else { return };
        let order = |one: Option<f64>, other: Option<f64>| match (one, other) {
            (Some(one), Some(other)) if is_ascending => one.total_cmp(&other),
            (Some(one), Some(other)) => other.total_cmp(&one),
            (one, other) => {
                if one.is_some() == other.is_some() {
                    Ordering::Equal
                } else {
                    other.is_some().cmp(&one.is_some())
                }
            }
        };
        self.matches.sort_by(|one, other| order(one.2[rank], other.2[rank]));
    }
}

fn answer(facade: &Facade, screen: &Screen, interval: Interval, scanned: usize, found: Found, limit: usize) -> Answer {
    let run = &facade.run;
    let envelope = found.envelope.as_ref().map_or_else(
        || Envelope::unknown(run),
        |values| Envelope {
            age_ms: age_ms(values.view.stamp.as_of, values.view.last_event),
            feed_state: Some(values.view.trades.into()),
            ..Envelope::at(run, &values.view.stamp)
        },
    );
    let columns: Vec<_> =
        ["instrument", "start"].map(Cow::Borrowed).into_iter().chain(screen.columns.iter().cloned()).collect();
    let mut table = Table::named(columns.clone());
    for (instrument, start, row) in found.matches.iter().take(limit) {
        let mut cells = vec![json!(instrument), json!(second(*start))];
        cells.extend(row.iter().zip(&screen.compiled.kinds).skip(1).map(|(value, kind)| shown(*value, *kind)));
        table.push(cells);
    }
    let (passed, unknown) = (found.matches.len(), found.unknown);
    let mut text = format!("{passed} of {scanned} instruments pass, {unknown} are not known, {} bars", interval.name);
    if table.len() > 0 {
        text.push_str(&format!("\n{}", columns.join(" | ")));
    }
    for row in table.cells() {
        text.push('\n');
        text.push_str(&row.join(" | "));
    }
    if passed > limit {
        text.push_str(&format!("\nthe first {limit} are shown; limit shows more"));
    }
    Answer::new(&envelope, &Screened { matches: table, scanned, passed, unknown, interval: interval.name }, &text)
}
