use super::*;
use crate::directory::tests::btcusdt;

fn decimal(text: &str) -> Decimal {
    text.parse().unwrap()
}

/// Levels from `price x qty` texts.
fn levels(texts: &[&str]) -> Vec<Level> {
    let level = |text: &&str| {
        let (price, qty) = text.split_once(" x ").unwrap();
        let price = Price::parse(price.as_bytes()).unwrap().value;
        Level { price, qty: Qty::parse(qty.as_bytes()).unwrap().value, orders: 0 }
    };
    texts.iter().map(level).collect()
}

fn price(text: &str) -> Option<Price> {
    Some(Price::parse(text.as_bytes()).unwrap().value)
}

#[test]
fn the_touch_weighs_prices_by_the_opposite_quantities() {
    let touch = Touch::new(&levels(&["100 x 3"]), &levels(&["101 x 1"])).unwrap();
    assert_eq!((touch.mid, touch.spread), (decimal("100.5"), decimal("1")));
    assert_eq!(touch.microprice, decimal("100.75"), "three times as much is bid: it leans to the ask");
    // 1 / 100.5 = 99.50248… bps
    assert_eq!(touch.spread_bps, decimal("99.5025"));
    assert_eq!(Touch::new(&[], &levels(&["101 x 1"])), None);
    assert_eq!(Touch::new(&levels(&["0 x 3"]), &levels(&["101 x 1"])), None);
}

#[test]
fn nothing_is_concluded_from_beyond_what_is_known() {
    let (bids, asks) = (levels(&["100 x 3", "99 x 1"]), levels(&["101 x 1", "102 x 1"]));
    let known = |levels, to| Known { levels, to };
    let (cut, whole) = (known(&bids, price("99")), known(&asks, None));
    assert_eq!(imbalance(cut, whole, 1), Some(decimal("0.5")));
    assert_eq!(imbalance(cut, whole, 2), Some(decimal("0.3333")), "(4 - 2) / 6");
    assert_eq!(imbalance(cut, whole, 3), None, "a third bid may be there");
    assert_eq!(imbalance(whole, whole, 3), Some(Decimal::ZERO), "there is no third level, which is known");
    let mid = decimal("100.5");
    // 100 bps below 100.5 is 99.495; 200 bps is 98.49.
    assert_eq!(cut.within(mid, 100, -1), Some(decimal("3")));
    assert_eq!(cut.within(mid, 200, -1), None);
    assert_eq!(whole.within(mid, 100, 1), Some(decimal("1")));
    assert_eq!(whole.within(mid, 200, 1), Some(decimal("2")));
    assert_eq!(cut.qty(), decimal("4"));
}

#[test]
fn a_fill_takes_levels_until_it_is_done() {
    let asks = levels(&["100 x 1", "102 x 2", "110 x 1"]);
    let filled = fill(&asks, Size::Qty(decimal("2")), &btcusdt()).unwrap();
    assert_eq!(
        (filled.qty, filled.average, filled.worst, filled.levels),
        (decimal("2"), decimal("101"), decimal("102"), 2)
    );
    assert_eq!(slippage_bps(filled.average, decimal("100"), 1), decimal("100"));
    assert_eq!(slippage_bps(filled.average, decimal("102"), -1), decimal("98.0392"), "a sell at 101 loses against 102");
    assert_eq!(fill(&asks, Size::Qty(decimal("4")), &btcusdt()).unwrap().levels, 3, "to the last unit");
    assert_eq!(fill(&asks, Size::Qty(decimal("4.00000001")), &btcusdt()), None, "more than is known");
}

#[test]
fn a_worth_buys_whole_lots() {
    let asks = levels(&["100 x 1", "102 x 2"]);
    let lots = Instrument { lot: Qty::from_raw(10_000_000), ..btcusdt() };
    // 100 for the first unit; 155 at 102 are 1.519…: fifteen lots of 0.1.
    let filled = fill(&asks, Size::Worth(decimal("255")), &lots).unwrap();
    assert_eq!((filled.qty, filled.levels), (decimal("2.5"), 2));
    assert_eq!(filled.average, decimal("101.2"));
    assert_eq!(fill(&asks, Size::Worth(decimal("9.99")), &lots), None, "less than a lot");
    assert_eq!(fill(&asks, Size::Worth(decimal("304")), &lots).unwrap().qty, decimal("3"));
    assert_eq!(fill(&asks, Size::Worth(decimal("315")), &lots), None, "more than is known");
    assert_eq!(fill(&asks, Size::Worth(decimal("100")), &Instrument { multiplier: None, ..lots }), None);
}

/// A level holds what is left of older orders: it need not be in the lots of a new one.
#[test]
fn an_order_is_in_lots_whatever_the_levels_hold() {
    let asks = levels(&["100 x 0.37", "102 x 2", "103 x 0.05"]);
    let lots = Instrument { lot: Qty::from_raw(10_000_000), ..btcusdt() };
    // 37 for the first level; 63 at 102 are 0.617…: 0.987… in all, nine lots of 0.1.
    let filled = fill(&asks, Size::Worth(decimal("100")), &lots).unwrap();
    assert_eq!((filled.qty, filled.levels, filled.worst), (decimal("0.9"), 2, decimal("102")));
    assert_eq!(filled.average, (decimal("37") + decimal("0.53") * decimal("102")) / decimal("0.9"));
    let filled = fill(&asks, Size::Worth(decimal("38")), &lots).unwrap();
    assert_eq!((filled.qty, filled.levels), (decimal("0.3"), 1), "what the second level could add makes no lot");
    assert_eq!(fill(&asks, Size::Worth(decimal("246.15")), &lots).unwrap().qty, decimal("2.4"));
    assert_eq!(fill(&asks, Size::Worth(decimal("255")), &lots), None, "2.42 are known, and 2.5 asked for");
}

#[test]
fn an_inverse_contract_is_averaged_by_what_it_is_worth() {
    let perp = Instrument {
        lot: Qty::from_raw(100_000_000),
        multiplier: Qty::from_raw(10_000_000_000),
        settlement: Settlement::Inverse,
        ..btcusdt()
    };
    let asks = levels(&["50000 x 10", "100000 x 10"]);
    // Ten contracts of 100 USD cost 0.02 BTC at 50,000 and 0.01 at 100,000: 2,000 USD over 0.03 BTC.
    let filled = fill(&asks, Size::Qty(decimal("20")), &perp).unwrap();
    assert_eq!(round_price(filled.average, &perp), decimal("66666.666667"));
    let filled = fill(&asks, Size::Worth(decimal("0.0255")), &perp).unwrap();
    assert_eq!((filled.qty, filled.levels), (decimal("15"), 2), "0.02 and 0.0055 at 0.001 a contract");
}

#[test]
fn the_largest_numbers_there_can_be_fit() {
    let most = Level {
        price: price("999999999.999999999").unwrap(),
        qty: Qty::from_raw(999_999_999_999_999_999).unwrap(),
        orders: 0,
    };
    let levels = vec![most; 10_000];
    let all = Known { levels: &levels, to: None }.qty();
    let filled = fill(&levels, Size::Qty(all), &btcusdt()).unwrap();
    assert_eq!(filled.levels, 10_000);
    assert_eq!(round_price(filled.average, &btcusdt()), decimal("1000000000"));
    assert!(Touch::new(&levels, &levels).is_some());
}
