//! `get_bars`: bars of one instrument, from the store and the engine's memory as one series.

use super::arguments::Arguments;
use super::schema::{instrument, output_schema};
use super::table::Table;
use super::{Answer, cursor, unavailable};
use crate::bars::{self, Named};
use crate::caller::Caller;
use crate::engine::BarsView;
use crate::holes::{self, Hole};
use crate::reads::Read;
use crate::server::Facade;
use crate::wire::{Envelope, Refusal, Run, age_ms, price_text, rfc3339, volume_text};
use schemars::JsonSchema;
use serde::Serialize;
use serde_json::{Value, json};
use std::fmt::Write;
use std::sync::Arc;
use tidegate_core::{Bar, BarFlags, INTERVALS, Instrument, Interval, Nanos};

pub(super) const BARS_MAX: usize = 150;
const BARS_DEFAULT: usize = 10;
const COLUMNS: [&str; 9] = ["start", "open", "high", "low", "close", "volume", "trades", "closed", "lacks"];

/// The bars as answered.
#[derive(Debug, Serialize, JsonSchema)]
struct Bars {
    instrument: String,
    // Oldest first, without empty ones; prices as traded, not adjusted.
    bars: Table,
    coverage: Coverage,
    /// Pass it on with the same arguments for earlier bars; null where there are none.
    cursor: Option<String>,
}

#[derive(Debug, Serialize, JsonSchema)]
struct Coverage {
    interval: &'static str,
    shown: usize,
    /// Start of the first and the last bar shown.
    from: Option<String>,
    to: Option<String>,
    /// Of all that is recorded, or of what is in memory.
    of: &'static str,
    /// Times without any bar in which trades may have been missed; any other time without a bar had no trade.
    missing: Vec<Missing>,
}

#[derive(Debug, Serialize, JsonSchema)]
struct Missing {
    from: String,
    /// Exclusive; null: not over.
    to: Option<String>,
}

pub(super) fn definition() -> (&'static str, &'static str, Value, Value) {
    let names = INTERVALS.map(|interval| interval.name);
    let input = json!({
        "type": "object",
        "properties": {
            "instrument": instrument(),
            "interval": { "type": "string", "enum": names, "description": "Length of a bar" },
            "from": {
                "type": "string", "description": "RFC 3339", "examples": ["2024-08-08T12:00:00Z"]
            },
            "to": {
                "type": "string", "description": "Exclusive", "examples": ["2034-08-08T12:00:00Z"]
            },
            "limit": {
                "type": "integer", "minimum": 1, "maximum": BARS_MAX, "default": BARS_DEFAULT,
                "description": "The latest", "examples": [5]
            },
            "cursor": { "type": "string", "description": "From the last answer" }
        },
        "required": ["instrument", "interval"],
        "additionalProperties": false
    });
    let description = "Bars that start from `from` until `to`, the forming one last.";
    ("Bars", description, input, output_schema::<Bars>("bars"))
}

pub(super) async fn call(facade: &Facade, arguments: Arguments, caller: &Caller) -> Result<Answer, Refusal> {
    arguments.only(&["instrument", "interval", "from", "to", "limit", "cursor"])?;
    let asked = arguments.instrument("instrument", &facade.directory)?;
    let interval = arguments.interval("interval")?;
    let from = arguments.instant("from")?.unwrap_or(Nanos::new(i64::MIN));
    let to = arguments.instant("to")?.unwrap_or(Nanos::new(i64::MAX));
    if from >= to {
        let allowed = "a moment before to".to_owned();
        return Err(arguments.unfit("out_of_range", "from", "from must be before to; or leave it out.", allowed));
    }
    let limit = arguments.whole("limit", 1..=BARS_MAX, BARS_DEFAULT)?;
    let scope = [asked.1.to_string(), interval.name.to_owned(), from.to_string(), to.to_string()];
    let scope = scope.each_ref().map(String::as_str);
    let before = arguments.cursor("cursor", &scope)?.and_then(|start| start.parse().ok()).map(Nanos::new);
    let to = before.map_or(to, |before| to.min(before));
    let read = facade.reads.read(caller);
    let asking = async {
        let (view, bars) = latest(facade, &read, &asked, interval, (from, to), limit + 1).await?;
        let missing = missing(facade, &read, &asked, interval, (from, to), (&view, &bars)).await?;
        Ok((view, bars, missing))
    };
    let (view, mut bars, missing) = read.within(asking).await?;
    let has_earlier = bars.len() > limit;
    bars.drain(..bars.len().saturating_sub(limit));
    let cursor = bars.first().filter(|_| has_earlier).map(|first| cursor::seal(&first.start.to_string(), &scope));
    let from_store = facade.history.is_some();
    let series = Series { instrument: asked.1, interval, bars, missing, has_earlier, from_store, cursor };
    Ok(answer(&facade.run, &view, series))
}

async fn latest(
    facade: &Facade,
    read: &Read<'_>,
    asked: &Named,
    interval: Interval,
    reach: (Nanos, Nanos),
    limit: usize,
) -> Result<(BarsView, Vec<Bar>), Refusal> {
    let found = bars::latest(facade, (read, None), &[asked], interval, reach, limit).await?;
    found.into_iter().next().ok_or_else(|| unavailable("no_bars", "There are no bars.", false))
}

/// Where bars may be missing among `bars` and at both ends of `reach`. A bar beyond an end is looked up only where the
/// one at this side of it lacks trades.
async fn missing(
    facade: &Facade,
    read: &Read<'_>,
    asked: &Named,
    interval: Interval,
    reach: (Nanos, Nanos),
    (view, bars): (&BarsView, &[Bar]),
) -> Result<Vec<Hole>, Refusal> {
    let (from, to) = reach;
    let mut row = bars.to_vec();
    if bars.first().is_none_or(|first| holes::lacks(first) && first.start > from) && from > Nanos::new(i64::MIN) {
        let (_, before) = latest(facade, read, asked, interval, (Nanos::new(i64::MIN), from), 1).await?;
        row.splice(0..0, before);
    }
    let in_memory = view.bars.iter().position(|bar| bar.start >= to);
    // The first in memory is the next only where the one before it is there too.
    let mut next = in_memory.filter(|&at| at > 0 || facade.history.is_none()).map(|at| view.bars[at]);
    if next.is_none() && in_memory.is_some() && row.last().is_some_and(holes::lacks) {
        next = latest(facade, read, asked, interval, (to, to.plus(interval.span)), 1).await?.1.pop();
    }
    Ok(holes::Row { interval, reach, bars: &row, next: next.as_ref(), view }.holes())
}

/// What is answered.
struct Series {
    instrument: Arc<Instrument>,
    interval: Interval,
    /// Oldest first.
    bars: Vec<Bar>,
    missing: Vec<Hole>,
    has_earlier: bool,
    from_store: bool,
    cursor: Option<String>,
}

fn answer(run: &Run, view: &BarsView, series: Series) -> Answer {
    let Series { instrument, interval, bars, missing, has_earlier, from_store, cursor } = series;
    let envelope = Envelope {
        age_ms: age_ms(view.stamp.as_of, view.last_event),
        feed_state: Some(view.trades.into()),
        ..Envelope::at(run, &view.stamp)
    };
    let mut table = Table::new(&COLUMNS);
    bars.iter().for_each(|bar| table.push(row(bar, &instrument)));
    let start = |bar: Option<&Bar>| bar.map(|bar| second(bar.start));
    let of = if from_store { "store and memory" } else { "memory" };
    let missing = missing.iter().map(|hole| Missing { from: second(hole.from), to: hole.to.map(second) }).collect();
    let (from, to) = (start(bars.first()), start(bars.last()));
    let coverage = Coverage { interval: interval.name, shown: bars.len(), from, to, of, missing };
    let mut text = format!("{}, {} bars, start in UTC, prices as traded\n", instrument, interval.name);
    text.push_str(&COLUMNS.join(" "));
    for row in table.cells() {
        text.push('\n');
        text.push_str(&row.join(" "));
    }
    text.push_str(&match (bars.is_empty(), has_earlier) {
        (true, _) => "\nno bars there".to_owned(),
        (false, true) => format!("\n{} bars; the cursor gives earlier ones", bars.len()),
        (false, false) if from_store => format!("\n{} bars: all there are", bars.len()),
        (false, false) => format!("\n{} bars: all that are in memory; this run has no store", bars.len()),
    });
    for Missing { from, to } in &coverage.missing {
        let to = to.as_deref().unwrap_or("now");
        let _ = write!(text, "\nno bars from {from} to {to}, and trades may be missing there");
    }
    Answer::new(&envelope, &Bars { instrument: instrument.to_string(), bars: table, coverage, cursor }, &text)
}

fn row(bar: &Bar, instrument: &Instrument) -> Vec<Value> {
    let mut row = vec![json!(second(bar.start))];
    row.extend([bar.open, bar.high, bar.low, bar.close].map(|price| json!(price_text(price, instrument))));
    let lacks = match (bar.flags.has(BarFlags::INCOMPLETE), bar.flags.has(BarFlags::TIME_RECEIVED)) {
        (true, _) => json!("trades"),
        (false, true) => json!("venue time"),
        (false, false) => Value::Null,
    };
    row.extend([json!(volume_text(bar.volume, instrument)), json!(bar.trades)]);
    row.extend([json!(bar.flags.has(BarFlags::CLOSED)), lacks]);
    row
}

/// The start of a bar: whole seconds.
pub(super) fn second(start: Nanos) -> String {
    rfc3339(start).replace(".000000000Z", "Z")
}
