use super::*;
use crate::directory::tests::btcusdt;
use crate::engine::Stamp;
use crate::wire::{Data, Mode};
use std::sync::Arc;
use tidegate_core::{Nanos, Price};

fn level(price: &str, qty: &str) -> Level {
    let price = Price::parse(price.as_bytes()).unwrap().value;
    Level { price, qty: Qty::parse(qty.as_bytes()).unwrap().value, orders: 0 }
}

fn asked(state: StreamState, asks: Vec<Level>, side: Option<&str>, size: Option<Size>) -> Answer {
    let view = DepthView {
        stamp: Stamp { seq: 42, as_of: Nanos::new(2_000_000_000) },
        instrument: Arc::new(btcusdt()),
        state,
        bids: vec![level("100", "3"), level("99", "1")],
        asks,
        known_to_bid: Some(level("99", "1").price),
        known_to_ask: None,
        venue_sequence: None,
        last_event: Some(Nanos::new(1_000_000_000)),
    };
    let run = Run { name: "monday".to_owned(), mode: Mode::Replay, data: Data::Recorded };
    answer(&run, &view, side, size)
}

#[test]
fn the_size_that_was_asked_for_stands_within_its_curve() {
    let asks = vec![level("101", "1"), level("102", "1")];
    let answer = asked(StreamState::Live, asks, Some("buy"), Some(Size::Qty(Decimal::ONE)));
    let costs = &answer.structured["costs"]["rows"];
    // 101 against the mid of 100.5: 0.5 / 100.5 = 49.7512… bps.
    assert_eq!(costs[2], json!(["buy", "1", "1", "101", "49.7512", "0", 1, "101"]));
    assert_eq!(costs[3], json!(["buy", "2", "2", "101.5", "99.5025", "49.505", 2, "102"]));
    assert_eq!(costs[4], json!(["buy", "4", "4", null, null, null, null, null]), "more than is known");
    assert_eq!(costs.as_array().unwrap().len(), 5, "no sells");
    assert!(answer.structured["reason"].as_str().unwrap().contains("beyond what is known of the book"));
    assert!(answer.text.contains("cost: side buy, times 2, qty 2, average 101.5, mid_bps 99.5025"), "{}", answer.text);
    assert!(answer.text.contains("bid_to 99.00"), "{}", answer.text);
}

#[test]
fn without_a_size_the_curve_begins_at_the_touch() {
    let answer = asked(StreamState::Live, vec![level("101", "1"), level("102", "99")], None, None);
    let costs = answer.structured["costs"]["rows"].as_array().unwrap().clone();
    assert_eq!((&costs[0][2], &costs[4][2], &costs[5][2]), (&json!("1"), &json!("20"), &json!("3")));
    assert_eq!(costs[5][0], json!("sell"));
}

#[test]
fn a_book_that_cannot_be_traded_on_shows_a_reason_and_no_number() {
    for (state, asks) in [(StreamState::Stale, vec![level("101", "1")]), (StreamState::Live, Vec::new())] {
        let answer = asked(state, asks, None, None);
        assert!(answer.structured["reason"].is_string());
        for field in ["mid", "microprice", "spread", "spread_bps", "ask"] {
            assert_eq!(answer.structured["prices"][field], Value::Null, "{field}");
        }
        for table in ["imbalance", "depth", "costs"] {
            assert_eq!(answer.structured[table]["rows"], json!([]));
        }
        assert_eq!(answer.structured["prices"]["bid"].is_null(), state != StreamState::Live);
    }
}
