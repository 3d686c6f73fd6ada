use super::*;
use crate::directory::tests::btcusdt;
use crate::engine::Stamp;
use crate::tools::budget::{DEFAULT_TOKENS_MAX, tokens};
use crate::wire::{Data, Mode};
use std::sync::Arc;
use tidegate_core::microstructure::{Microstructure, Settings};
use tidegate_core::{BucketOf, FlowReport, Nanos, Price};

fn level(price: &str, qty: &str) -> Level {
    let price = Price::parse(price.as_bytes()).unwrap().value;
    Level { price, qty: Qty::parse(qty.as_bytes()).unwrap().value, orders: 0 }
}

/// Of a market that nobody has asked about before.
fn begun() -> FlowReport {
    FlowReport {
        since: Nanos::new(1_500_000_000),
        book_changes: 0,
        trades: 0,
        guessed_sides: 0,
        interruptions: 0,
        bucket: None,
        bucket_of: BucketOf::FirstTrades,
        values: Microstructure::new(Settings::new(None)).values(),
    }
}

fn asked(state: StreamState, asks: Vec<Level>, side: Option<&str>, size: Option<Size>) -> Answer {
    let bids = vec![level("100", "3"), level("99", "1")];
    answer_of(state, [bids, asks], begun(), side, size)
}

fn answer_of(
    state: StreamState,
    [bids, asks]: [Vec<Level>; 2],
    flow: FlowReport,
    side: Option<&str>,
    size: Option<Size>,
) -> Answer {
    let depth = DepthView {
        stamp: Stamp { seq: 42, as_of: Nanos::new(2_000_000_000) },
        instrument: Arc::new(btcusdt()),
        state,
        bids,
        asks,
        known_to_bid: Some(level("99", "1").price),
        known_to_ask: None,
        venue_sequence: None,
        last_event: Some(Nanos::new(1_000_000_000)),
    };
    let run = Run { name: "monday".to_owned(), mode: Mode::Replay, data: Data::Recorded };
    answer(&run, &LiquidityView { depth, flow }, side, size)
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
    assert!(answer.text.contains("\nbuy 2 2 101.5 99.5025 49.505 2 102\n"), "{}", answer.text);
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

#[test]
fn the_flow_tells_what_is_defined_since_when_and_over_how_much() {
    let asks = || vec![level("101", "1")];
    let answer = asked(StreamState::Live, asks(), Some("buy"), None);
    let flow = &answer.structured["flow"];
    assert_eq!(flow["since"], "1970-01-01T00:00:01Z");
    assert_eq!((&flow["book_changes"], &flow["vpin_bucket"]), (&json!(0), &Value::Null));
    assert_eq!(flow["vpin_bucket_of"], "1/50 of first 1000 trades");
    assert!(flow["values"].as_object().unwrap().values().all(Value::is_null), "{flow}");
    assert!(flow["values"].get("mid").is_none(), "told exactly under prices");
    assert!(answer.text.contains("\nnot defined yet: amihud depth_order_flow effective_spread"), "{}", answer.text);

    let mut values = begun().values;
    values.iter_mut().filter(|(name, _)| *name != "vpin").for_each(|(_, value)| *value = Some(1.0 / 3.0));
    let day = BucketOf::Day(Nanos::new(86_400_000_000_000));
    let bucket = Some(Qty::parse(b"12.5").unwrap().value);
    let report = FlowReport { book_changes: 7, trades: 9, interruptions: 1, bucket, bucket_of: day, values, ..begun() };
    let bids = vec![level("100", "3")];
    let answer = answer_of(StreamState::Syncing, [bids, asks()], report, None, None);
    let flow = &answer.structured["flow"];
    assert_eq!(
        [&flow["book_changes"], &flow["trades"], &flow["interruptions"]],
        [7, 9, 1].map(|n| json!(n)).each_ref()
    );
    assert_eq!((&flow["vpin_bucket"], &flow["values"]["vpin"]), (&json!("12.50000"), &Value::Null));
    assert_eq!(flow["vpin_bucket_of"], "1/50 of day 1970-01-02");
    assert_eq!(flow["values"]["kyle_lambda"], json!(0.333_333), "six digits");
    assert!(answer.text.contains("roll_spread 0.333333, "), "{}", answer.text);
    assert!(answer.text.contains("not defined yet: vpin\n"), "{}", answer.text);
}

#[test]
fn an_answer_in_which_everything_is_known_is_within_its_budget() {
    let side = |sign: i64| {
        let level = |rank: i64| level(&format!("{}.17", 61_737 + sign * rank * 5), &format!("{}.54698", 1 + rank % 3));
        (1..=100).map(level).collect::<Vec<_>>()
    };
    let mut values = begun().values;
    (0..).zip(&mut values).for_each(|(at, (_, value))| *value = Some(-1.0 / 3.0 * 10f64.powi(at % 5 - 2)));
    let bucket = Some(Qty::parse(b"12.54698").unwrap().value);
    let (since, bucket_of) = (Nanos::new(1_723_118_400_123_456_789), BucketOf::FirstTrades);
    let (book_changes, trades) = (123_456, 1_234_567);
    let flow = FlowReport { since, book_changes, trades, interruptions: 12, bucket, bucket_of, values, ..begun() };
    let answer = answer_of(StreamState::Live, [side(-1), side(1)], flow, None, None);
    let counts = [tokens(&answer.structured.to_string()), tokens(&answer.text)];
    println!("analyze_liquidity, everything known: structured {}, text {} tokens", counts[0], counts[1]);
    assert!(counts.iter().sum::<usize>() <= DEFAULT_TOKENS_MAX, "{counts:?}");
}
