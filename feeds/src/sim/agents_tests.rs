use super::*;
use crate::sim::universe::Universe;
use tidegate_core::matching::Rules;

/// A usual step of the fair value: two ticks.
const STEP: i64 = 2 * FINE;
/// 1,000 in ticks of 0.05, in the middle of a tick.
const FAIR: i64 = 20_000 * FINE + FINE / 2;

fn desk(key: &str) -> Desk {
    let universe = Universe::built_in().unwrap();
    let profile = universe.listings()[universe.find(key).unwrap()].profile;
    let rules = Rules { tick: profile.price(1), lot: profile.qty(1), orders_max: 1_000 };
    Desk { profile, matcher: Matcher::new(rules), chance: Chance::new(1, key, 0), reports: Vec::new() }
}

fn quoted(desk: &mut Desk) -> Maker {
    let mut maker = Maker::new();
    maker.quote(desk, FAIR, STEP);
    desk.reports.clear();
    maker
}

fn moved(desk: &Desk) -> usize {
    desk.reports.iter().filter(|report| matches!(report, Report::Modified { .. })).count()
}

fn fills(desk: &Desk) -> Vec<Fill> {
    desk.reports.iter().filter_map(|report| if let Report::Fill(fill) = report { Some(*fill) } else { None }).collect()
}

#[test]
fn the_maker_quotes_every_tick_and_moves_one_quote_a_side_for_a_tick() {
    let mut desk = desk("NSE:RELIANCE");
    let mut maker = quoted(&mut desk);
    for side in Side::BOTH {
        let prices: Vec<i64> = desk.matcher.depth(side, 100).map(|level| desk.ticks(level.price)).collect();
        let best = if side == Side::Bid { 20_000 } else { 20_001 };
        assert_eq!(prices, (0..QUOTES).map(|number| better(side, best, -number)).collect::<Vec<_>>());
    }
    maker.quote(&mut desk, FAIR + FINE, STEP);
    // A quote that changes its distance may also get another size.
    assert!((2..6).contains(&moved(&desk)), "{}", moved(&desk));
    assert_eq!(desk.best(Side::Bid), Some(20_001));
    desk.reports.clear();
    maker.quote(&mut desk, FAIR + FINE, STEP);
    assert_eq!(moved(&desk), 0, "nothing has changed");
}

#[test]
fn sparse_quotes_stand_apart_and_stay_for_a_small_move() {
    let mut desk = desk("BINANCE:BTCUSDT");
    let mut maker = Maker::new();
    let (fair, step) = (10_000_000 * FINE, 400 * FINE);
    maker.quote(&mut desk, fair, step);
    for side in Side::BOTH {
        assert_eq!(desk.matcher.depth(side, 100).count() as i64, QUOTES, "no two quotes share a price");
    }
    desk.reports.clear();
    maker.quote(&mut desk, fair + step / 3, step);
    assert_eq!(moved(&desk), 0);
    maker.quote(&mut desk, fair + step, step);
    assert!(moved(&desk) > 20);
}

#[test]
fn the_maker_leans_against_what_it_holds() {
    let mut desk = desk("NSE:RELIANCE");
    let mut maker = quoted(&mut desk);
    for _ in 0..200 {
        desk.take(Side::Ask, 40);
        for fill in fills(&desk) {
            let lots = fill.qty.raw() / desk.profile.lot;
            maker.count(&fill, if fill.side == Side::Bid { lots } else { -lots });
        }
        desk.reports.clear();
        maker.quote(&mut desk, FAIR, STEP);
    }
    assert!(maker.inventory > 64 * desk.profile.trade_lots, "{}", maker.inventory);
    assert_eq!(desk.best(Side::Bid), Some(19_998), "a whole step lower");
}

#[test]
fn momentum_waits_for_a_move_and_follows_it() {
    let mut desk = desk("NSE:RELIANCE");
    let mut maker = quoted(&mut desk);
    let mut momentum = Momentum::default();
    (0..100).for_each(|_| momentum.see(FAIR));
    momentum.act(&mut desk, STEP);
    assert!(desk.reports.is_empty());
    for (to, side) in [(FAIR - 4 * STEP, Side::Ask), (FAIR + 4 * STEP, Side::Bid)] {
        maker.quote(&mut desk, to, STEP);
        desk.reports.clear();
        momentum.act(&mut desk, STEP);
        assert!(!fills(&desk).is_empty() && fills(&desk).iter().all(|fill| fill.side == side), "{:?}", desk.reports);
    }
}

#[test]
fn a_large_order_is_worked_off_on_one_side_and_ends() {
    let mut desk = desk("NSE:RELIANCE");
    let mut maker = quoted(&mut desk);
    let mut parent = Parent::none();
    assert!(!parent.is_working());
    parent.start(&mut desk.chance);
    let mut slices = 0;
    while parent.is_working() {
        desk.reports.clear();
        parent.slice(&mut desk);
        assert!(fills(&desk).iter().all(|fill| fill.side == parent.side) && !fills(&desk).is_empty());
        maker.quote(&mut desk, FAIR, STEP);
        slices += 1;
    }
    assert!((20..60).contains(&slices), "{slices}");
}

#[test]
fn noise_lives_in_its_own_slots_and_never_crosses_by_resting() {
    let mut desk = desk("NSE:SBIN");
    quoted(&mut desk);
    for _ in 0..10_000 {
        noise_rests(&mut desk, FAIR);
        assert!(desk.matcher.orders() as i64 <= 2 * QUOTES + NOISE_ORDERS);
    }
    assert!(fills(&desk).is_empty());
    assert!(!desk.reports.iter().any(|report| matches!(report, Report::Rejected { .. })));
    assert!(desk.matcher.orders() as i64 > 2 * QUOTES + NOISE_ORDERS / 4);
}
