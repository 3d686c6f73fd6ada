//! `get_depth`: the order book of one instrument, level by level or in price buckets.

use super::Answer;
use super::arguments::{Arguments, DECIMAL};
use super::buckets::buckets;
use super::schema::{instrument, output_schema};
use crate::engine::{DepthView, LEVELS_ALL};
use crate::server::Facade;
use crate::wire::{Envelope, FeedState, Refusal, Run, age_ms, decimal_text, price_text, row, to_decimal};
use schemars::JsonSchema;
use serde::Serialize;
use serde_json::{Value, json};
use std::fmt::Write;
use tidegate_core::{Instrument, Level, Price, Side, StreamState};

pub(super) const LEVELS_MAX: usize = 50;
const LEVELS_DEFAULT: usize = 10;

/// The book as answered.
#[derive(Debug, Serialize, JsonSchema)]
struct Depth {
    // Key with its source, such as BINANCE:BTCUSDT@BINANCE.
    instrument: String,
    // What the rows of bids and asks hold.
    columns: [&'static str; 2],
    // Best first; empty unless feed_state is live.
    bids: Vec<[String; 2]>,
    asks: Vec<[String; 2]>,
    // The worst price down to which a side is completely known; null where it is known to its end, or not live.
    known_to_bid: Option<String>,
    known_to_ask: Option<String>,
    // Levels asked for, per side.
    levels: usize,
    // The price step of a row; null where rows are levels.
    bucket: Option<String>,
    // True where both sides show as many levels as asked; false: fewer are known.
    complete: bool,
    // The venue's own sequence number of the book, as text.
    venue_sequence: Option<String>,
}

pub(super) fn definition() -> (&'static str, &'static str, Value, Value) {
    let input = json!({
        "type": "object",
        "properties": {
            "instrument": instrument(),
            "levels": {
                "type": "integer", "minimum": 1, "maximum": LEVELS_MAX, "default": LEVELS_DEFAULT,
                "description": "Rows per side", "examples": [5]
            },
            "bucket": {
                "type": "string", "pattern": DECIMAL,
                "description": "Price step, a multiple of the tick", "examples": ["10"]
            }
        },
        "required": ["instrument"],
        "additionalProperties": false
    });
    let description = "Order book, best first, as far as it is known (known_to_*; null: to its end); empty unless live. With \
                       bucket each row sums up to its price; one not known whole is left out.";
    ("Order book depth", description, input, output_schema::<Depth>("bids"))
}

pub(super) async fn call(facade: &Facade, arguments: Arguments) -> Result<Answer, Refusal> {
    arguments.only(&["instrument", "levels", "bucket"])?;
    let (id, instrument) = arguments.instrument("instrument", &facade.directory)?;
    let levels = arguments.whole("levels", 1..=LEVELS_MAX, LEVELS_DEFAULT)?;
    let bucket = bucket(&arguments, &instrument)?;
    // A bucket holds any number of levels.
    let wanted = if bucket.is_some() { LEVELS_ALL } else { levels };
    let view = facade.ask(facade.engine.depth(id, instrument, wanted)).await?;
    Ok(answer(&facade.run, &view, levels, bucket))
}

/// The price step of a row, if one is wanted.
fn bucket(arguments: &Arguments, instrument: &Instrument) -> Result<Option<Price>, Refusal> {
    let (Some(bucket), tick) = (arguments.decimal("bucket", Price::parse)?, instrument.tick) else {
        return Ok(None);
    };
    let Some(tick) = tick.filter(|tick| bucket.raw() % tick.raw() != 0) else { return Ok(Some(bucket)) };
    let above = Price::from_raw(bucket.raw() - bucket.raw() % tick.raw() + tick.raw()).unwrap_or(tick);
    let allowed = format!("a multiple of the tick {}", price_text(tick, instrument));
    Err(Refusal {
        nearest: Some(Value::from(price_text(above, instrument))),
        ..arguments.unfit(
            "out_of_range",
            "bucket",
            &format!("bucket must be {allowed}; or leave it out."),
            allowed.clone(),
        )
    })
}

fn answer(run: &Run, view: &DepthView, levels: usize, bucket: Option<Price>) -> Answer {
    let envelope = Envelope {
        age_ms: age_ms(view.stamp.as_of, view.last_event),
        feed_state: Some(view.state.into()),
        ..Envelope::at(run, &view.stamp)
    };
    let depth = depth(view, levels, bucket);
    Answer::new(&envelope, &depth, &text(&depth, view.state.into()))
}

fn depth(view: &DepthView, levels: usize, bucket: Option<Price>) -> Depth {
    let instrument = &*view.instrument;
    // A book that is not live may still hold levels. Showing them, however marked, invites acting on them.
    let is_live = view.state == StreamState::Live;
    let rows = |side: Side, held: &[Level], known_to: Option<Price>| -> Vec<[String; 2]> {
        match bucket {
            _ if !is_live => Vec::new(),
            None => held.iter().take(levels).map(|level| row(level, instrument)).collect(),
            Some(step) => buckets(side, held, known_to, step, levels)
                .into_iter()
                .map(|bucket| [price_text(bucket.price, instrument), bucket.qty_text(instrument)])
                .collect(),
        }
    };
    let known = |price: Option<_>| price.filter(|_| is_live).map(|price| price_text(price, instrument));
    let bids = rows(Side::Bid, &view.bids, view.known_to_bid);
    let asks = rows(Side::Ask, &view.asks, view.known_to_ask);
    Depth {
        instrument: instrument.to_string(),
        columns: ["price", "qty"],
        complete: bids.len() == levels && asks.len() == levels,
        bids,
        asks,
        known_to_bid: known(view.known_to_bid),
        known_to_ask: known(view.known_to_ask),
        levels,
        bucket: bucket.map(|step| decimal_text(to_decimal(step.raw(), Price::SCALE), 0)),
        venue_sequence: view.venue_sequence.map(|sequence| sequence.to_string()),
    }
}

fn text(depth: &Depth, state: FeedState) -> String {
    if state != FeedState::Live {
        return format!(
            "{}: the book is {}, so no levels are given. Ask again when it is live; get_status shows the feeds.",
            depth.instrument,
            state.name()
        );
    }
    let mut text = format!("{}, best first, price x qty", depth.instrument);
    if let Some(bucket) = &depth.bucket {
        let _ = write!(text, ", in steps of {bucket}: each row reaches to its price");
    }
    for (name, side, known_to) in
        [("bids", &depth.bids, &depth.known_to_bid), ("asks", &depth.asks, &depth.known_to_ask)]
    {
        let levels: Vec<String> = side.iter().map(|[price, qty]| format!("{price} x {qty}")).collect();
        let levels = if levels.is_empty() { "none".to_owned() } else { levels.join(" | ") };
        let known_to = known_to.as_ref().map_or_else(|| "their end".to_owned(), String::clone);
        // Writing to a String cannot fail.
        let _ = write!(text, "\n{name} ({}, known to {known_to}): {levels}", side.len());
    }
    if !depth.complete {
        let _ = write!(text, "\nincomplete: fewer than the {} rows asked for are known", depth.levels);
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::directory::tests::btcusdt;
    use crate::engine::Stamp;
    use crate::wire::{Data, Mode};
    use std::sync::Arc;
    use tidegate_core::{Level, Nanos, Price, Qty};

    fn level(cents: i64, qty: i64) -> Level {
        Level { price: Price::from_raw(cents * 10_000_000).unwrap(), qty: Qty::from_raw(qty).unwrap(), orders: 0 }
    }

    fn view(state: StreamState) -> DepthView {
        DepthView {
            stamp: Stamp { seq: 42, as_of: Nanos::new(1_622_505_600_000_000_000) },
            instrument: Arc::new(btcusdt()),
            state,
            bids: vec![level(3_600_001, 150_000_000), level(3_600_000, 1_000)],
            asks: vec![level(3_600_002, 25_000_000)],
            known_to_bid: Price::from_raw(35_000_000_000_000),
            known_to_ask: None,
            venue_sequence: Some(u64::MAX),
            last_event: Some(Nanos::new(1_622_505_599_988_000_000)),
        }
    }

    fn asked(state: StreamState, levels: usize) -> Answer {
        let run = Run { name: "monday".to_owned(), mode: Mode::Replay, data: Data::Recorded };
        answer(&run, &view(state), levels, None)
    }

    #[test]
    fn a_live_book_shows_its_levels_and_their_limits_in_both_channels() {
        let answer = asked(StreamState::Live, 2);
        assert_eq!(
            answer.structured,
            json!({
                "mode": "REPLAY", "data": "RECORDED", "as_of": "2021-06-01T00:00:00.000000000Z", "seq": 42,
                "age_ms": 12, "feed_state": "live",
                "instrument": "BINANCE:BTCUSDT@BINANCE", "columns": ["price", "qty"],
                "bids": [["36000.01", "1.50000"], ["36000.00", "0.00001"]], "asks": [["36000.02", "0.25000"]],
                "known_to_bid": "35000.00", "known_to_ask": null,
                "levels": 2, "bucket": null, "complete": false, "venue_sequence": "18446744073709551615"
            })
        );
        assert_eq!(
            answer.text,
            "BINANCE:BTCUSDT@BINANCE, best first, price x qty\n\
             bids (2, known to 35000.00): 36000.01 x 1.50000 | 36000.00 x 0.00001\n\
             asks (1, known to their end): 36000.02 x 0.25000\n\
             incomplete: fewer than the 2 rows asked for are known\n\
             [REPLAY RECORDED, as of 2021-06-01T00:00:00.000000000Z, seq 42, feed live, age 12 ms]"
        );
        assert_eq!(asked(StreamState::Live, 1).structured["complete"], json!(true));
    }

    #[test]
    fn a_book_that_is_not_live_shows_no_price_anywhere() {
        for state in StreamState::ALL.into_iter().filter(|state| *state != StreamState::Live) {
            let answer = asked(state, 2);
            assert_eq!(answer.structured["feed_state"], json!(state.name()));
            assert_eq!((&answer.structured["bids"], &answer.structured["complete"]), (&json!([]), &json!(false)));
            assert!(answer.text.contains(state.name()));
            for price in ["36000", "35000"] {
                assert!(!answer.text.contains(price) && !answer.structured.to_string().contains(price), "{state:?}");
            }
        }
    }
}
