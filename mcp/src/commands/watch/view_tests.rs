//! Frames as they stand on a terminal.

use super::super::asking::{Answers, Envelope, Quote, Refused, Table};
use super::*;
use ratatui::Terminal;
use ratatui::backend::TestBackend;
use serde_json::{Value, json};

fn envelope(state: &str) -> Envelope {
    Envelope {
        mode: "PAPER".to_owned(),
        data: "SIMULATED".to_owned(),
        as_of: Some("2026-11-20T09:15:07.123456789Z".to_owned()),
        seq: Some(123_456),
        age_ms: Some(12),
        feed_state: Some(state.to_owned()),
    }
}

const CHOICE: Choice = Choice { instrument: 0, interval: 1 };

/// A rise and a fall around 100,000, a minute each; the last is forming, the one before it lacks trades.
fn bars(count: usize) -> Table {
    let columns = ["start", "open", "high", "low", "close", "volume", "trades", "closed", "lacks"];
    let row = |at: usize| {
        let price = |cents: usize| format!("{}.{:02}", 99_990 + cents / 100, cents % 100);
        let place = |at: usize| 50 * if at % 40 < 20 { at % 40 } else { 40 - at % 40 };
        let (open, close) = (place(at), place(at + 1));
        let (high, low) = (open.max(close) + 60, open.min(close));
        let lacks = if at + 2 == count { json!("trades") } else { Value::Null };
        json!([
            format!("2026-11-20T{:02}:{:02}:00Z", 7 + at / 60, at % 60),
            price(open),
            price(high),
            price(low),
            price(close),
            "12.50000",
            7,
            at + 1 < count,
            lacks
        ])
    };
    let rows: Vec<Value> = (0..count).map(row).collect();
    serde_json::from_value(json!({ "columns": columns, "rows": rows })).unwrap()
}

/// Two answers, between which trades may have been missed.
fn seen(state: &str, levels: usize) -> Seen {
    let mut seen = Seen::new(&["BINANCE:BTCUSDT".to_owned(), "NSE:INFY".to_owned()]);
    let row = |price: String, qty: usize| [price, format!("{qty}.50000")];
    let depth = Depth {
        envelope: envelope(state),
        instrument: "BINANCE:BTCUSDT@BINANCE".to_owned(),
        bids: (0..levels).map(|level| row(format!("{}.90", 99_999 - level), level)).collect(),
        asks: (0..levels).map(|level| row(format!("{}.10", 100_000 + level), level)).collect(),
    };
    let trade = |second: usize| {
        let side = if second.is_multiple_of(3) { "sell" } else { "buy" };
        let at = format!("2026-11-20T09:15:{second:02}.500000000Z");
        ["100000.10".to_owned(), "0.25000".to_owned(), side.to_owned(), at]
    };
    for seconds in [1..=3, 6..=7] {
        let trades = seconds.rev().map(trade).collect();
        let quote = Quote { trades_state: "live".to_owned(), trades };
        let answers =
            Answers { quote, depth: depth.clone(), bars: Some(Ok(bars(150))), session: Some("open".to_owned()) };
        seen.take(CHOICE, Ok(answers));
    }
    seen
}

fn frame(seen: &Seen, choice: Choice, width: u16, height: u16) -> String {
    let mut terminal = Terminal::new(TestBackend::new(width, height)).unwrap();
    terminal.draw(|frame| frame.render_widget(View { seen, choice }, frame.area())).unwrap();
    text(terminal.backend().buffer())
}

/// Compares a frame with the one on file; `TIDEGATE_GOLDEN=write` writes it there first.
fn golden(name: &str, frame: &str) {
    let path = format!("{}/src/commands/watch/golden/{name}.txt", env!("CARGO_MANIFEST_DIR"));
    if std::env::var("TIDEGATE_GOLDEN").is_ok_and(|value| value == "write") {
        std::fs::write(&path, frame).unwrap();
    }
    assert_eq!(frame, std::fs::read_to_string(&path).unwrap(), "{path}");
}

#[test]
fn a_live_book_fills_the_smallest_usual_terminal() {
    golden("live", &frame(&seen("live", 10), CHOICE, 80, 24));
}

#[test]
fn a_wide_terminal_shows_bars_beside_trades() {
    golden("wide", &frame(&seen("live", 10), CHOICE, 160, 30));
}

#[test]
fn few_levels_stay_beside_the_middle() {
    golden("few", &frame(&seen("live", 2), CHOICE, 80, 9));
}

#[test]
fn a_book_that_is_not_live_shows_no_level() {
    let frame = frame(&seen("stale", 10), CHOICE, 80, 24);
    assert!(frame.contains("book stale  trades live  age 12 ms  market open"), "{frame}");
    assert!(frame.contains("the book is stale: no level shown") && !frame.contains("99999.90"), "{frame}");
    assert!(frame.contains("PAPER  SIMULATED DATA"), "{frame}");
}

#[test]
fn another_instrument_does_not_show_what_was_seen_of_the_last() {
    let frame = frame(&seen("live", 10), Choice { instrument: 1, ..CHOICE }, 80, 24);
    assert!(frame.contains(" NSE:INFY\n") && frame.contains("instrument 2 of 2"), "{frame}");
    assert_eq!(frame.matches("asking …").count(), 2, "{frame}");
    assert!(!frame.contains("99999.90") && !frame.contains("100000.10") && !frame.contains("bars, "), "{frame}");
}

#[test]
fn another_interval_waits_for_its_own_bars() {
    let frame = frame(&seen("live", 10), Choice { interval: 8, ..CHOICE }, 80, 24);
    assert!(frame.contains("asking …") && frame.contains("1d bars") && !frame.contains("1m"), "{frame}");
    assert!(frame.contains("99999.90"), "the book needs no asking again: {frame}");
}

#[test]
fn bars_that_are_not_whole_or_not_there_say_so() {
    let mut seen = seen("live", 10);
    seen.bars = Some((CHOICE, Err("The store of bars could not be read.".to_owned())));
    let broken = frame(&seen, CHOICE, 80, 24);
    assert!(broken.contains("no 1m bars:") && broken.contains("99999.90"), "{broken}");
    seen.bars = Some((CHOICE, Ok(bars(149))));
    seen.bars.iter_mut().for_each(|(_, bars)| drop(bars.as_mut().unwrap().rows.pop()));
    let lacking = frame(&seen, CHOICE, 80, 24);
    assert!(lacking.contains("V 12.50000 closed, lacks trades"), "{lacking}");
    seen.bars = Some((CHOICE, Ok(bars(0))));
    assert!(frame(&seen, CHOICE, 80, 24).contains("no 1m bars yet"));
}

#[test]
fn bars_that_lack_trades_stand_out() {
    let mut terminal = Terminal::new(TestBackend::new(160, 30)).unwrap();
    terminal.draw(|frame| frame.render_widget(View { seen: &seen("live", 10), choice: CHOICE }, frame.area())).unwrap();
    let buffer = terminal.backend().buffer();
    let odd: Vec<u16> = (80..160).filter(|x| (3..25).any(|y| Some(buffer[(*x, y)].fg) == ODD.fg)).collect();
    assert_eq!(odd.len(), 1, "the last but one, in its column alone: {odd:?}");
}

#[test]
fn without_an_answer_the_reason_stands_where_prices_stood() {
    let mut seen = seen("live", 10);
    let text = "The engine went away before it answered; ask again once it is back (tidegate serve).";
    seen.take(CHOICE, Err(Refused::new(text)));
    golden("gone", &frame(&seen, CHOICE, 80, 24));
}

#[test]
fn any_size_can_be_drawn() {
    for (width, height) in [(1, 1), (10, 3), (38, 24), (39, 24), (43, 24), (80, 4), (80, 15), (120, 6), (300, 100)] {
        for state in ["live", "closed"] {
            for count in [0, 1, 2, 150] {
                let mut seen = seen(state, 10);
                seen.bars = Some((CHOICE, Ok(bars(count))));
                frame(&seen, CHOICE, width, height);
            }
        }
    }
}
