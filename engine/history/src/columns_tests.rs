use super::*;
use tidegate_core::{Fact, Family};

const ID: InstrumentId = InstrumentId(3);

fn price(raw: i64) -> Price {
    Price::from_raw(raw).unwrap()
}

fn qty(raw: i64) -> Qty {
    Qty::from_raw(raw).unwrap()
}

fn event(flags: Flags, venue: i64, body: Body) -> Input {
    let receive_ts = Nanos::new(7);
    Input::Event(Event { id: ID, flags, venue_ts: Nanos::new(venue), receive_ts, body })
}

#[test]
fn every_input_comes_back_from_its_row() {
    let received = Flags::LAST.with(Flags::TIME_RECEIVED);
    let inputs = [
        event(Flags::LAST, 5, Body::Level { side: Side::Ask, orders: 2, price: price(-3), qty: qty(4) }),
        event(received, 7, Body::Trade { side: Side::Bid, price: price(3), qty: qty(4), trade_id: u64::MAX }),
        event(Flags::NONE, 5, Body::Quote { bid: price(1), bid_qty: qty(2), ask: price(3), ask_qty: qty(4) }),
        event(Flags::NONE, 5, Body::Ohlc { open: price(1), high: price(2), low: price(3), close: price(4) }),
        event(
            Flags::NONE,
            5,
            Body::Day { volume: qty(1), average: price(2), last_qty: qty(3), last_time: Nanos::new(4) },
        ),
        event(Flags::NONE, 5, Body::Pressure { buy: qty(1), sell: qty(2) }),
        event(Flags::NONE, 5, Body::Interest { oi: qty(1), high: qty(2), low: qty(3) }),
        event(Flags::SNAPSHOT, 5, Body::Message { first: 8, last: 9 }),
        event(Flags::SNAPSHOT, 5, Body::Clear),
        Input::State { id: ID, family: Family::Book, fact: Fact::Closed },
        Input::Time,
    ];
    let mut rows = Rows::default();
    for (seq, input) in inputs.iter().enumerate() {
        rows.push(seq as u64 + 1, Nanos::new(9), input, "BINANCE:X", "BINANCE");
    }
    assert_eq!(rows.len(), inputs.len());
    let batch = rows.finish().unwrap();
    assert!(rows.is_empty());
    let reader = RowReader::new(&batch).unwrap();
    for (at, input) in inputs.iter().enumerate() {
        assert_eq!(reader.instrument(at), ("BINANCE:X", "BINANCE"));
        assert_eq!(reader.input(at, ID).unwrap(), (at as u64 + 1, Nanos::new(9), input.clone()));
    }
    assert!(batch.column(VENUE_TS).is_null(1), "a time that was only received is no venue time");
    assert!(RowReader::new(&batch.project(&[0, 1]).unwrap()).is_err());
}

#[test]
fn the_columns_are_frozen() {
    let shown: Vec<_> = schema()
        .fields()
        .iter()
        .map(|field| format!("{}: {}{}", field.name(), field.data_type(), if field.is_nullable() { "?" } else { "" }))
        .collect();
    assert_eq!(
        shown,
        [
            "seq: Int64",
            "ts: Timestamp(ns, \"UTC\")",
            "receive_ts: Timestamp(ns, \"UTC\")",
            "venue_ts: Timestamp(ns, \"UTC\")?",
            "symbol: Dictionary(Int32, Utf8)",
            "source: Dictionary(Int32, Utf8)",
            "kind: UInt8",
            "flags: UInt8",
            "side: Int8?",
            "orders: UInt32?",
            "price: Decimal128(18, 9)?",
            "price2: Decimal128(18, 9)?",
            "price3: Decimal128(18, 9)?",
            "price4: Decimal128(18, 9)?",
            "qty: Decimal128(18, 8)?",
            "qty2: Decimal128(18, 8)?",
            "qty3: Decimal128(18, 8)?",
            "qty4: Decimal128(18, 8)?",
            "id1: UInt64?",
            "id2: UInt64?",
            "time2: Timestamp(ns, \"UTC\")?",
            "body: Binary?"
        ]
    );
}
