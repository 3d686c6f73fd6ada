//! Frames as they stand on a terminal.

use super::super::asking::{Envelope, Quote, Quotes, Refused};
use super::*;
use ratatui::Terminal;
use ratatui::backend::TestBackend;

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

fn seen(state: &str, levels: usize) -> Seen {
    let mut seen = Seen::new(&["BINANCE:BTCUSDT".to_owned(), "NSE:INFY".to_owned()]);
    let row = |price: String, qty: usize| [price, format!("{qty}.50000")];
    let depth = Depth {
        envelope: envelope(state),
        instrument: "BINANCE:BTCUSDT@BINANCE".to_owned(),
        bids: (0..levels).map(|level| row(format!("{}.90", 99_999 - level), level)).collect(),
        asks: (0..levels).map(|level| row(format!("{}.10", 100_000 + level), level)).collect(),
    };
    for (second, side) in [(1, "sell"), (2, "buy")] {
        let text = |text: &str| Some(text.to_owned());
        let quote = Quote {
            trades_state: "live".to_owned(),
            last: text("100000.10"),
            last_qty: text("0.25000"),
            last_side: text(side),
            last_at: Some(format!("2026-11-20T09:15:0{second}.500000000Z")),
        };
        seen.take(0, Ok((Quotes { quotes: vec![quote] }, depth.clone())));
    }
    seen
}

fn frame(seen: &Seen, chosen: usize, width: u16, height: u16) -> String {
    let mut terminal = Terminal::new(TestBackend::new(width, height)).unwrap();
    terminal.draw(|frame| frame.render_widget(View { seen, chosen }, frame.area())).unwrap();
    text(terminal.backend().buffer())
}

#[test]
fn a_live_book_fills_the_smallest_usual_terminal() {
    assert_eq!(frame(&seen("live", 10), 0, 80, 24), include_str!("golden/live.txt"));
}

#[test]
fn few_levels_stay_beside_the_middle() {
    assert_eq!(frame(&seen("live", 2), 0, 80, 9), include_str!("golden/few.txt"));
}

#[test]
fn a_book_that_is_not_live_shows_no_level() {
    let frame = frame(&seen("stale", 10), 0, 80, 24);
    assert!(frame.contains("book stale, trades live, age 12 ms"), "{frame}");
    assert!(frame.contains("the book is stale: no level is shown") && !frame.contains("99999.90"), "{frame}");
    assert!(frame.contains("PAPER  SIMULATED DATA"), "{frame}");
}

#[test]
fn another_instrument_does_not_show_the_book_of_the_last() {
    let frame = frame(&seen("live", 10), 1, 80, 24);
    assert!(frame.contains("NSE:INFY  2 of 2") && frame.contains("asking …"), "{frame}");
    assert!(!frame.contains("99999.90") && !frame.contains("100000.10"), "{frame}");
}

#[test]
fn without_an_answer_the_reason_stands_where_prices_stood() {
    let mut seen = seen("live", 10);
    let text = "The engine went away before it answered; ask again once it is back (tidegate serve).";
    seen.take(0, Err(Refused { text: text.to_owned(), envelope: None }));
    assert_eq!(frame(&seen, 0, 80, 24).trim_end(), include_str!("golden/gone.txt").trim_end());
}

#[test]
fn any_size_can_be_drawn() {
    for (width, height) in [(1, 1), (10, 3), (43, 24), (80, 4), (300, 100)] {
        for state in ["live", "closed"] {
            frame(&seen(state, 10), 0, width, height);
        }
    }
}
