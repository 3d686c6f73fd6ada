//! `get_quotes`: top of book and latest trades of several instruments, from one moment.

use super::Answer;
use super::arguments::Arguments;
use super::schema::output_schema;
use crate::engine::{QuoteView, QuotesView};
use crate::server::Facade;
use crate::wire::{
    Envelope, FeedState, Refusal, Run, age_ms, aggressor, feed_state, price_text, qty_text, rfc3339, worth_text,
};
use schemars::JsonSchema;
use serde::Serialize;
use serde_json::{Value, json};
use tidegate_core::{Instrument, Level, Nanos, StreamState, TradeSnapshot};

pub(super) const INSTRUMENTS_MAX: usize = 50;
pub(super) const TRADES_MAX: usize = 20;
/// Trades of all instruments together: an answer must stay small.
pub(super) const TRADE_ROWS_MAX: usize = 60;

/// The quotes as answered.
#[derive(Debug, Serialize, JsonSchema)]
struct Quotes {
    // In the order asked for, all from the same moment.
    quotes: Vec<Quote>,
}

#[derive(Debug, Serialize, JsonSchema)]
struct Quote {
    // Key with its source.
    instrument: String,
    // State of the book; bid and ask are null unless it is live.
    book_state: FeedState,
    bid: Option<String>,
    bid_qty: Option<String>,
    ask: Option<String>,
    ask_qty: Option<String>,
    // State of the trade stream.
    trades_state: FeedState,
    // Price of the last trade.
    last: Option<String>,
    last_qty: Option<String>,
    // Worth of the last trade in its settlement currency; null if unknown.
    last_worth: Option<String>,
    // The aggressor's side: buy or sell.
    last_side: Option<&'static str>,
    // Venue time of the last trade; time of receipt where the venue sent none.
    last_at: Option<String>,
    // as_of minus the last event of the book; without one, of the trades.
    age_ms: Option<u64>,
    // Rows of price, qty, side and time, the latest first; only where they were asked for.
    #[serde(skip_serializing_if = "Option::is_none")]
    trades: Option<Vec<[String; 4]>>,
}

pub(super) fn definition() -> (&'static str, &'static str, Value, Value) {
    let input = json!({
        "type": "object",
        "properties": {
            "instruments": {
                "type": "array", "description": "MARKET:SYMBOL[@SOURCE]",
                "items": { "type": "string" }, "minItems": 1, "maxItems": INSTRUMENTS_MAX,
                "examples": [["BINANCE:BTCUSDT"]]
            },
            "trades": {
                "type": "integer", "minimum": 0, "maximum": TRADES_MAX, "default": 0,
                "description": "Recent trades of each; 60 in all", "examples": [5]
            }
        },
        "required": ["instruments"],
        "additionalProperties": false
    });
    let description = "Best bid and ask, and the last trade (or several: rows of price, qty, aggressor, time), of up to 50 \
                       instruments at one moment. Bid and ask are null unless the book is live.";
    ("Quotes", description, input, output_schema::<Quotes>("quotes"))
}

pub(super) async fn call(facade: &Facade, arguments: Arguments) -> Result<Answer, Refusal> {
    arguments.only(&["instruments", "trades"])?;
    let instruments = arguments.instruments("instruments", 1..=INSTRUMENTS_MAX, &facade.directory)?;
    let trades = arguments.whole("trades", 0..=TRADES_MAX, 0)?;
    let most = TRADE_ROWS_MAX / instruments.len();
    if trades > most {
        let allowed = format!("at most {TRADE_ROWS_MAX} trades in all: {most} of each of these instruments");
        return Err(Refusal {
            nearest: Some(Value::from(most)),
            ..arguments.unfit("out_of_range", "trades", &format!("trades must be {allowed}."), allowed.clone())
        });
    }
    let view = facade.ask(facade.engine.quotes(instruments, trades)).await?;
    Ok(answer(&facade.run, &view, trades > 0))
}

fn answer(run: &Run, view: &QuotesView, with_trades: bool) -> Answer {
    let quotes: Vec<Quote> =
        view.quotes.iter().map(|quote| self::quote(quote, view.stamp.as_of, with_trades)).collect();
    let envelope = Envelope {
        age_ms: quotes.iter().filter_map(|quote| quote.age_ms).max(),
        feed_state: view.quotes.iter().map(|quote| feed_state(quote.book, quote.trades)).max(),
        ..Envelope::at(run, &view.stamp)
    };
    let lines: Vec<String> = quotes.iter().map(line).collect();
    Answer::new(&envelope, &Quotes { quotes }, &lines.join("\n"))
}

fn quote(view: &QuoteView, as_of: Nanos, with_trades: bool) -> Quote {
    let instrument = &*view.instrument;
    let shown = |level: Option<Level>| level.filter(|_| view.book == StreamState::Live);
    let price = |level: Option<Level>| shown(level).map(|level| price_text(level.price, instrument));
    let qty = |level: Option<Level>| shown(level).map(|level| qty_text(level.qty, instrument));
    let last = view.last_trade.as_ref();
    Quote {
        instrument: instrument.to_string(),
        book_state: view.book.into(),
        bid: price(view.top.bid),
        bid_qty: qty(view.top.bid),
        ask: price(view.top.ask),
        ask_qty: qty(view.top.ask),
        trades_state: view.trades.into(),
        last: last.map(|trade| price_text(trade.price, instrument)),
        last_qty: last.map(|trade| qty_text(trade.qty, instrument)),
        last_worth: last.and_then(|trade| worth_text(trade.price, trade.qty, instrument)),
        last_side: last.map(|trade| aggressor(trade.side)),
        last_at: last.map(|trade| rfc3339(trade.ts)),
        age_ms: age_ms(as_of, view.shown_event()),
        trades: with_trades.then(|| view.recent_trades.iter().map(|trade| trade_row(trade, instrument)).collect()),
    }
}

fn trade_row(trade: &TradeSnapshot, instrument: &Instrument) -> [String; 4] {
    [
        price_text(trade.price, instrument),
        qty_text(trade.qty, instrument),
        aggressor(trade.side).to_owned(),
        rfc3339(trade.ts),
    ]
}

fn line(quote: &Quote) -> String {
    let side = |price: &Option<String>, qty: &Option<String>| match (price, qty) {
        (Some(price), Some(qty)) => format!("{price} x {qty}"),
        _ => "none".to_owned(),
    };
    let book = match quote.book_state {
        FeedState::Live => {
            format!("bid {}, ask {}", side(&quote.bid, &quote.bid_qty), side(&quote.ask, &quote.ask_qty))
        }
        state => format!("book {}, so no bid and ask", state.name()),
    };
    let last = match (&quote.last, &quote.last_qty, quote.last_side, &quote.last_at) {
        (Some(price), Some(qty), Some(side), Some(at)) => format!("last {price} x {qty} {side} at {at}"),
        _ => "no trade yet".to_owned(),
    };
    let trades = match quote.trades_state {
        FeedState::Live => String::new(),
        state => format!(" (trades {})", state.name()),
    };
    let age = quote.age_ms.map_or_else(|| "no event yet".to_owned(), |age| format!("age {age} ms"));
    let mut line = format!("{}: {book}; {last}{trades}; {age}", quote.instrument);
    for [price, qty, side, at] in quote.trades.iter().flatten() {
        line.push_str(&format!("\n  {price} x {qty} {side} at {at}"));
    }
    line
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::directory::tests::btcusdt;
    use crate::engine::Stamp;
    use crate::wire::{Data, Mode};
    use std::sync::Arc;
    use tidegate_core::{LastTrade, Price, Qty, Side, Top};

    fn level(price: &str, qty: &str) -> Level {
        let price = Price::parse(price.as_bytes()).unwrap().value;
        Level { price, qty: Qty::parse(qty.as_bytes()).unwrap().value, orders: 0 }
    }

    fn view(book: StreamState, last_trade: Option<LastTrade>) -> QuoteView {
        QuoteView {
            instrument: Arc::new(btcusdt()),
            book,
            trades: StreamState::Live,
            top: Top { bid: Some(level("36000.01", "1.5")), ask: None },
            last_trade: last_trade.as_ref().map(TradeSnapshot::new),
            recent_trades: last_trade.as_ref().map(TradeSnapshot::new).into_iter().collect(),
            last_event: [last_trade.map(|trade| trade.receive_ts); 4],
        }
    }

    fn asked(quotes: Vec<QuoteView>, with_trades: bool) -> Answer {
        let run = Run { name: "monday".to_owned(), mode: Mode::Replay, data: Data::Recorded };
        let view = QuotesView { stamp: Stamp { seq: 9, as_of: Nanos::new(2_000_000_000) }, quotes };
        answer(&run, &view, with_trades)
    }

    #[test]
    fn the_worst_state_and_the_oldest_age_speak_for_all() {
        let trade = LastTrade {
            price: level("36000.02", "1").price,
            qty: level("1", "0.01").qty,
            side: Side::Ask,
            trade_id: 7,
            venue_ts: None,
            receive_ts: Nanos::new(1_500_000_000),
        };
        let views = vec![view(StreamState::Live, Some(trade)), view(StreamState::Gapped, None)];
        let with_trades = asked(views.clone(), true);
        assert_eq!(
            with_trades.structured["quotes"][0]["trades"],
            json!([["36000.02", "0.01000", "sell", "1970-01-01T00:00:01.500000000Z"]])
        );
        assert_eq!(with_trades.structured["quotes"][1]["trades"], json!([]));
        assert!(with_trades.text.contains("\n  36000.02 x 0.01000 sell at 1970-01-01T00:00:01.500000000Z\n"));
        let answer = asked(views, false);
        let quotes = &answer.structured["quotes"];
        assert_eq!(answer.structured["feed_state"], json!("gapped"));
        assert_eq!(answer.structured["age_ms"], json!(500));
        assert_eq!(
            quotes[0],
            json!({
                "instrument": "BINANCE:BTCUSDT@BINANCE", "book_state": "live", "trades_state": "live",
                "bid": "36000.01", "bid_qty": "1.50000", "ask": null, "ask_qty": null,
                "last": "36000.02", "last_qty": "0.01000", "last_worth": "360.0002 USDT", "last_side": "sell",
                "last_at": "1970-01-01T00:00:01.500000000Z", "age_ms": 500
            })
        );
        assert_eq!(quotes[1]["bid"], Value::Null, "a gapped book quotes nothing");
        assert_eq!(
            answer.text,
            "BINANCE:BTCUSDT@BINANCE: bid 36000.01 x 1.50000, ask none; \
             last 36000.02 x 0.01000 sell at 1970-01-01T00:00:01.500000000Z; age 500 ms\n\
             BINANCE:BTCUSDT@BINANCE: book gapped, so no bid and ask; no trade yet; no event yet\n\
             [REPLAY RECORDED, as of 1970-01-01T00:00:02.000000000Z, seq 9, feed gapped, age 500 ms]"
        );
    }
}
