use super::*;
use crate::instrument::tests::spot;
use proptest::prelude::*;

fn price(raw: i64) -> Price {
    Price::from_raw(raw).unwrap()
}

fn qty(raw: i64) -> Qty {
    Qty::from_raw(raw).unwrap()
}

fn event(body: Body) -> Input {
    Input::Event(Event {
        id: InstrumentId(7),
        flags: Flags::LAST.with(Flags::SNAPSHOT),
        venue_ts: Nanos::new(1),
        receive_ts: Nanos::new(-2),
        body,
    })
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

/// Id, flags, venue time and receive time of [`event`].
const HEAD: &str = "07000000 03 0100000000000000 feffffffffffffff";

/// The golden encodings: a change here is a change of the tape's format and needs a new version.
#[test]
fn the_layout_of_every_input_is_fixed() {
    let golden = [
        (
            event(Body::Level { side: Side::Ask, orders: 3, price: price(4), qty: qty(5) }),
            1,
            format!("{HEAD} 01 03000000 0400000000000000 0500000000000000"),
        ),
        (
            event(Body::Trade { side: Side::Bid, price: price(4), qty: qty(5), trade_id: 6 }),
            2,
            format!("{HEAD} 00 0400000000000000 0500000000000000 0600000000000000"),
        ),
        (
            event(Body::Quote { bid: price(1), bid_qty: qty(2), ask: price(3), ask_qty: qty(4) }),
            3,
            format!("{HEAD} 0100000000000000 0200000000000000 0300000000000000 0400000000000000"),
        ),
        (
            event(Body::Ohlc { open: price(1), high: price(2), low: price(3), close: price(4) }),
            4,
            format!("{HEAD} 0100000000000000 0200000000000000 0300000000000000 0400000000000000"),
        ),
        (
            event(Body::Day { volume: qty(1), average: price(2), last_qty: qty(3), last_time: Nanos::new(4) }),
            5,
            format!("{HEAD} 0100000000000000 0200000000000000 0300000000000000 0400000000000000"),
        ),
        (event(Body::Pressure { buy: qty(1), sell: qty(2) }), 6, format!("{HEAD} 0100000000000000 0200000000000000")),
        (
            event(Body::Interest { oi: qty(1), high: qty(2), low: qty(3) }),
            7,
            format!("{HEAD} 0100000000000000 0200000000000000 0300000000000000"),
        ),
        (event(Body::Message { first: 1, last: 2 }), 8, format!("{HEAD} 0100000000000000 0200000000000000")),
        (event(Body::Clear), 9, HEAD.to_owned()),
        (
            Input::State { id: InstrumentId(7), family: Family::Quotes, fact: Fact::Closed },
            65,
            "07000000 02 02".to_owned(),
        ),
        (
            Input::Gap(Gap { id: None, family: Family::Trades, cause: GapCause::Restart, from: 8, to: 9 }),
            66,
            "ffffffff 01 01 0800000000000000 0900000000000000".to_owned(),
        ),
        (Input::Time, 67, String::new()),
        (
            Input::Config { hash: [0xab; 32], seed: 1, version: "0.1".to_owned() },
            68,
            format!("{} 0100000000000000 03 302e31", "ab".repeat(32)),
        ),
        (
            Input::Define { id: InstrumentId(7), instrument: Box::new(spot("B:X")) },
            64,
            "07000000 03423a58 0742494e414e4345 03425443 0455534454 00 08 08 \
             8096980000000000 e803000000000000 00e1f50500000000 0000000000000080 0000000000000080 e74d000000000000 00"
                .to_owned(),
        ),
    ];
    for (input, kind, expect) in golden {
        let mut bytes = Vec::new();
        input.encode(&mut bytes);
        assert_eq!(input.kind(), kind, "{input:?}");
        assert_eq!(hex(&bytes), expect.replace(' ', ""), "{input:?}");
        assert_eq!(Input::decode(kind, VERSION, &bytes).as_ref(), Ok(&input));
        for end in 0..bytes.len() {
            assert!(Input::decode(kind, VERSION, &bytes[..end]).is_err(), "{input:?} cut at {end}");
        }
        bytes.push(0);
        assert_eq!(Input::decode(kind, VERSION, &bytes), Err(DecodeError::Long(kind)));
    }
}

/// Golden: the code of every fact.
#[test]
fn the_codes_of_the_facts_are_fixed() {
    for (code, fact) in
        [Fact::Subscribed, Fact::SnapshotComplete, Fact::Closed, Fact::AllBids, Fact::AllAsks].into_iter().enumerate()
    {
        let input = Input::State { id: InstrumentId(7), family: Family::Book, fact };
        let mut bytes = Vec::new();
        input.encode(&mut bytes);
        assert_eq!(hex(&bytes), format!("07000000000{code}"));
        assert_eq!(Input::decode(65, VERSION, &bytes), Ok(input));
    }
    assert!(Input::decode(65, VERSION, &[7, 0, 0, 0, 0, 5]).is_err());
}

/// Golden: the bits of every mark.
#[test]
fn the_bits_of_the_flags_are_fixed() {
    let all =
        [(Flags::LAST, 1), (Flags::SNAPSHOT, 2), (Flags::TIME_RECEIVED, 4), (Flags::COMPLETE, 8), (Flags::DERIVED, 16)];
    for (flags, bits) in all {
        assert_eq!((flags.bits(), Flags::from_bits(bits)), (bits, Some(flags)));
        let Input::Event(plain) = event(Body::Clear) else { unreachable!() };
        let input = Input::Event(Event { flags, ..plain });
        let mut bytes = Vec::new();
        input.encode(&mut bytes);
        assert_eq!((bytes[4], Input::decode(9, VERSION, &bytes)), (bits, Ok(input)));
    }
    assert_eq!(Flags::from_bits(32), None);
}

#[test]
fn an_option_keeps_its_terms() {
    let instrument = Instrument {
        terms: Terms { expiry_days: Some(20_000), strike: Some(price(5)), right: Some(OptionRight::Put) },
        settlement: Settlement::Inverse,
        tick: None,
        ..spot("NFO:NIFTY26NOV24000PE")
    };
    let input = Input::Define { id: InstrumentId(0), instrument: Box::new(instrument) };
    let mut bytes = Vec::new();
    input.encode(&mut bytes);
    assert_eq!(Input::decode(input.kind(), VERSION, &bytes), Ok(input));
}

#[test]
fn values_without_a_meaning_are_refused_by_name() {
    let mut bytes = Vec::new();
    event(Body::Pressure { buy: qty(1), sell: qty(2) }).encode(&mut bytes);
    bytes[4] = 32;
    assert_eq!(Input::decode(6, VERSION, &bytes), Err(DecodeError::Field { kind: 6, field: "flags" }));
    bytes[4] = 0;
    bytes[21..29].copy_from_slice(&i64::MAX.to_le_bytes());
    assert_eq!(Input::decode(6, VERSION, &bytes), Err(DecodeError::Field { kind: 6, field: "buy" }));
    assert_eq!(Input::decode(6, 2, &bytes), Err(DecodeError::Unknown { kind: 6, version: 2 }));
    assert!(matches!(Input::decode(42, VERSION, &bytes), Err(DecodeError::Unknown { .. })));
    assert_eq!(Input::decode(200, VERSION, &[]), Err(DecodeError::Unknown { kind: 200, version: VERSION }));
}

proptest! {
    #[test]
    fn any_bytes_give_an_input_or_an_error(
        kind in prop_oneof![0u16..72, any::<u16>()],
        bytes in proptest::collection::vec(any::<u8>(), 0..120),
    ) {
        if let Ok(input) = Input::decode(kind, VERSION, &bytes) {
            let mut again = Vec::new();
            input.encode(&mut again);
            prop_assert_eq!(again, bytes);
        }
    }
}
