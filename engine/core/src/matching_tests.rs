use super::*;
use crate::cases;
use proptest::prelude::*;
use proptest::test_runner::{Config, TestRunner};
use std::cell::Cell;

const TICK: i64 = 5;
const LOT: i64 = 10;

fn price(ticks: i64) -> Price {
    Price::from_raw(ticks * TICK).unwrap()
}

fn lots(lots: i64) -> Qty {
    Qty::from_raw(lots * LOT).unwrap()
}

fn matcher(orders_max: u32) -> Matcher {
    Matcher::new(Rules { tick: price(1), lot: lots(1), orders_max })
}

fn order(id: u64, side: Side, limit: Option<i64>, qty: i64, tif: TimeInForce) -> NewOrder {
    NewOrder { id, side, limit: limit.map(price), qty: lots(qty), tif }
}

/// A step as a short text: `b3@10` buys 3 lots at 10 ticks, `s…` sells, `@m` at market, `!` IOC, `#` FOK;
/// `x7` cancels order 7, `m7:3@10` modifies it. New orders are numbered from 1.
#[track_caller]
fn check(orders_max: u32, steps: &str, expect: &[&str]) {
    let mut matcher = matcher(orders_max);
    let mut out = Vec::new();
    let mut next = 1;
    for step in steps.split(' ') {
        out.clear();
        let number = |text: &str| text.parse::<i64>().unwrap();
        match step.split_at(1) {
            ("x", id) => matcher.cancel(number(id) as u64, &mut out),
            ("m", change) => {
                let (id, change) = change.split_once(':').unwrap();
                let (qty, at) = change.split_once('@').unwrap();
                matcher.modify(number(id) as u64, price(number(at)), lots(number(qty)), &mut out);
            }
            (side, rest) => {
                let (rest, tif) = match rest.strip_suffix(['!', '#']) {
                    Some(rest) if step.ends_with('!') => (rest, TimeInForce::Ioc),
                    Some(rest) => (rest, TimeInForce::Fok),
                    None => (rest, TimeInForce::Gtc),
                };
                let (qty, at) = rest.split_once('@').unwrap();
                let side = if side == "b" { Side::Bid } else { Side::Ask };
                let limit = if at == "m" { None } else { Some(number(at)) };
                matcher.submit(order(next, side, limit, number(qty), tif), &mut out);
                next += 1;
            }
        }
    }
    assert_eq!(out.iter().map(show).collect::<Vec<_>>(), expect, "the reports of the last step");
}

fn show(report: &Report) -> String {
    match report {
        Report::Accepted { id } => format!("accepted {id}"),
        Report::Modified { id, price, qty } => format!("modified {id}: {}@{}", qty.raw() / LOT, price.raw() / TICK),
        Report::Fill(fill) => format!(
            "{} takes {} of {} at {}, open {} and {}",
            fill.taker,
            fill.qty.raw() / LOT,
            fill.maker,
            fill.price.raw() / TICK,
            fill.taker_open.raw() / LOT,
            fill.maker_open.raw() / LOT
        ),
        Report::Cancelled { id, qty } => format!("cancelled {id}: {}", qty.raw() / LOT),
        Report::Rejected { id, reason } => format!("rejected {id}: {reason}"),
        Report::Level { side, level } => {
            format!("{side:?} {}: {} of {}", level.price.raw() / TICK, level.qty.raw() / LOT, level.orders)
        }
    }
}

#[test]
fn the_better_price_goes_first_and_then_whoever_came_first() {
    check(
        9,
        "s1@12 s2@11 s3@11 s1@13 b7@12",
        &[
            "accepted 5",
            "5 takes 2 of 2 at 11, open 5 and 0",
            "5 takes 3 of 3 at 11, open 2 and 0",
            "Ask 11: 0 of 0",
            "5 takes 1 of 1 at 12, open 1 and 0",
            "Ask 12: 0 of 0",
            "Bid 12: 1 of 1",
        ],
    );
}

#[test]
fn what_may_not_rest_is_cancelled() {
    check(9, "s2@11 b3@m", &["accepted 2", "2 takes 2 of 1 at 11, open 1 and 0", "Ask 11: 0 of 0", "cancelled 2: 1"]);
    check(9, "s2@11 b3@11!", &["accepted 2", "2 takes 2 of 1 at 11, open 1 and 0", "Ask 11: 0 of 0", "cancelled 2: 1"]);
    check(9, "s2@11 b3@10!", &["accepted 2", "cancelled 2: 3"]);
    check(9, "s2@11 b3@11#", &["rejected 2: qty: cannot be filled at once (fill or kill)"]);
    check(9, "s2@11 s1@12 b3@11#", &["rejected 3: qty: cannot be filled at once (fill or kill)"]);
    check(9, "s2@11 b1@11#", &["accepted 2", "2 takes 1 of 1 at 11, open 0 and 1", "Ask 11: 1 of 1"]);
}

#[test]
fn only_a_smaller_quantity_keeps_its_place() {
    let first_after = |change: &str| {
        let expect: &[&str] = match change {
            "m1:1@10" => &["accepted 3", "3 takes 1 of 1 at 10, open 0 and 0", "Bid 10: 2 of 1"],
            _ => &["accepted 3", "3 takes 1 of 2 at 10, open 0 and 1", "Bid 10: 4 of 2"],
        };
        check(9, &format!("b2@10 b2@10 {change} s1@10"), expect);
    };
    first_after("m1:1@10");
    first_after("m1:3@10");
    check(9, "b2@10 m1:2@10", &["modified 1: 2@10"]);
    check(9, "b2@10 m1:3@10", &["modified 1: 3@10", "Bid 10: 3 of 1"]);
    check(9, "b2@10 m1:1@9", &["modified 1: 1@9", "Bid 10: 0 of 0", "Bid 9: 1 of 1"]);
    check(
        9,
        "b2@10 s1@12 m1:2@12",
        &[
            "modified 1: 2@12",
            "Bid 10: 0 of 0",
            "1 takes 1 of 2 at 12, open 1 and 0",
            "Ask 12: 0 of 0",
            "Bid 12: 1 of 1",
        ],
    );
}

#[test]
fn a_refusal_names_the_field_and_changes_nothing() {
    check(9, "x7", &["rejected 7: id: no such order"]);
    check(9, "b1@10 m1:0@10", &["rejected 1: qty: not a positive multiple of the lot"]);
    check(9, "b1@0", &["rejected 1: price: not a positive multiple of the tick"]);
    check(2, "b1@10 b1@9 b1@8", &["rejected 3: the book holds its maximum of orders"]);
    check(
        2,
        "b1@10 b1@9 s2@10",
        &["accepted 3", "3 takes 1 of 1 at 10, open 1 and 0", "Bid 10: 0 of 0", "Ask 10: 1 of 1"],
    );
    let mut matcher = matcher(9);
    let mut out = Vec::new();
    let mut odd = order(1, Side::Bid, Some(10), 1, TimeInForce::Gtc);
    odd.limit = Price::from_raw(52);
    matcher.submit(odd, &mut out);
    assert_eq!(out, [Report::Rejected { id: 1, reason: Refusal::OffTick }]);
    out.clear();
    let most = order(1, Side::Bid, Some(10), RAW_LIMIT / LOT - 1, TimeInForce::Gtc);
    matcher.submit(most, &mut out);
    matcher.submit(NewOrder { id: 1, ..most }, &mut out);
    matcher.submit(NewOrder { id: 2, ..most }, &mut out);
    let refusals: Vec<String> = out.iter().map(show).filter(|text| text.starts_with("rejected")).collect();
    assert_eq!(
        refusals,
        ["rejected 1: id: taken by a resting order", "rejected 2: qty: the level's total would be out of range"]
    );
    assert_eq!(matcher.orders(), 1);
}

/// A level holds what is below [`RAW_LIMIT`]: one lot less than that is the most, and who stands in it may stay.
#[test]
fn a_level_is_full_one_lot_below_the_limit() {
    let most = RAW_LIMIT / LOT - 1;
    let mut matcher = matcher(9);
    let mut say = |change: &dyn Fn(&mut Matcher, &mut Vec<Report>)| {
        let mut out = Vec::new();
        change(&mut matcher, &mut out);
        show(&out[0])
    };
    let full = "qty: the level's total would be out of range";
    let put = |id, at, qty| order(id, Side::Bid, Some(at), qty, TimeInForce::Gtc);
    assert_eq!(say(&|it, out| it.submit(put(1, 10, most - 3), out)), "accepted 1");
    assert_eq!(say(&|it, out| it.submit(put(2, 10, 4), out)), format!("rejected 2: {full}"));
    assert_eq!(say(&|it, out| it.submit(put(2, 10, 3), out)), "accepted 2");
    assert_eq!(say(&|it, out| it.submit(put(3, 10, 1), out)), format!("rejected 3: {full}"));
    assert_eq!(say(&|it, out| it.submit(put(3, 9, 1), out)), "accepted 3");
    assert_eq!(say(&|it, out| it.modify(3, price(10), lots(1), out)), format!("rejected 3: {full}"));
    assert_eq!(say(&|it, out| it.modify(2, price(10), lots(4), out)), format!("rejected 2: {full}"));
    assert_eq!(say(&|it, out| it.modify(2, price(10), lots(3), out)), "modified 2: 3@10");
    assert_eq!(say(&|it, out| it.modify(2, price(10), lots(2), out)), "modified 2: 2@10");
    assert_eq!(say(&|it, out| it.modify(3, price(10), lots(1), out)), "modified 3: 1@10");
}

/// The twin: orders in their order of arrival, and a search through all of them for everything.
#[derive(Default)]
struct Naive {
    orders: Vec<Resting>,
    orders_max: usize,
}

impl Naive {
    fn level(&self, side: Side, price: Price, out: &mut Vec<Report>) {
        let at: Vec<_> = self.orders.iter().filter(|it| it.side == side && it.price == price).collect();
        let qty = Qty::from_raw(at.iter().map(|it| it.open.raw()).sum()).unwrap();
        out.push(Report::Level { side, level: Level { price, qty, orders: at.len() as u32 } });
    }

    fn best(&self, side: Side) -> Option<Resting> {
        let mut found: Option<Resting> = None;
        for &it in self.orders.iter().filter(|it| it.side == side) {
            let is_better =
                |than: Resting| if side == Side::Bid { it.price > than.price } else { it.price < than.price };
            if found.is_none_or(is_better) {
                found = Some(it);
            }
        }
        found
    }

    fn target(&self, order: &NewOrder) -> Option<Resting> {
        let worst = if order.side == Side::Bid { i64::MAX } else { i64::MIN };
        let limit = order.limit.map_or(worst, Price::raw);
        let is_met =
            |it: &Resting| if order.side == Side::Bid { it.price.raw() <= limit } else { it.price.raw() >= limit };
        self.best(order.side.opposite()).filter(is_met)
    }

    fn submit(&mut self, order: NewOrder, out: &mut Vec<Report>) {
        let id = order.id;
        let mut trial = Naive { orders: self.orders.clone(), orders_max: self.orders_max };
        let mut reports = vec![Report::Accepted { id }];
        let open = trial.execute(order, &mut reports);
        let reason = if self.orders.iter().any(|it| it.id == id) {
            Some(Refusal::IdTaken)
        } else if order.limit.is_some_and(|it| it.raw() <= 0 || it.raw() % TICK != 0) {
            Some(Refusal::OffTick)
        } else if order.qty.raw() <= 0 || order.qty.raw() % LOT != 0 {
            Some(Refusal::OffLot)
        } else if order.tif == TimeInForce::Fok && open > 0 {
            Some(Refusal::NotFillable)
        } else {
            (trial.orders.len() > self.orders_max).then_some(Refusal::BookFull)
        };
        match reason {
            Some(reason) => out.push(Report::Rejected { id, reason }),
            None => {
                out.append(&mut reports);
                self.orders = trial.orders;
            }
        }
    }

    fn execute(&mut self, order: NewOrder, out: &mut Vec<Report>) -> i64 {
        let mut open = order.qty.raw();
        while open > 0
            && let Some(maker) = self.target(&order)
        {
            let traded = open.min(maker.open.raw());
            open -= traded;
            let left = Qty::from_raw(maker.open.raw() - traded).unwrap();
            out.push(Report::Fill(Fill {
                maker: maker.id,
                taker: order.id,
                side: order.side,
                price: maker.price,
                qty: Qty::from_raw(traded).unwrap(),
                maker_open: left,
                taker_open: Qty::from_raw(open).unwrap(),
            }));
            self.orders.iter_mut().filter(|it| it.id == maker.id).for_each(|it| it.open = left);
            self.orders.retain(|it| it.open > Qty::ZERO);
            if open == 0 || self.target(&order).is_none_or(|next| next.price != maker.price) {
                self.level(maker.side, maker.price, out);
            }
        }
        if let (true, Some(price), TimeInForce::Gtc) = (open > 0, order.limit, order.tif) {
            self.orders.push(Resting { id: order.id, side: order.side, price, open: Qty::from_raw(open).unwrap() });
            self.level(order.side, price, out);
        } else if open > 0 {
            out.push(Report::Cancelled { id: order.id, qty: Qty::from_raw(open).unwrap() });
        }
        open
    }

    fn cancel(&mut self, id: u64, out: &mut Vec<Report>) {
        let Some(at) = self.orders.iter().position(|it| it.id == id) else {
            return out.push(Report::Rejected { id, reason: Refusal::UnknownId });
        };
        let gone = self.orders.remove(at);
        out.push(Report::Cancelled { id, qty: gone.open });
        self.level(gone.side, gone.price, out);
    }

    fn modify(&mut self, id: u64, price: Price, open: Qty, out: &mut Vec<Report>) {
        let Some(at) = self.orders.iter().position(|it| it.id == id) else {
            return out.push(Report::Rejected { id, reason: Refusal::UnknownId });
        };
        if price.raw() <= 0 {
            return out.push(Report::Rejected { id, reason: Refusal::OffTick });
        }
        if open.raw() <= 0 {
            return out.push(Report::Rejected { id, reason: Refusal::OffLot });
        }
        out.push(Report::Modified { id, price, qty: open });
        let old = self.orders[at];
        if old.price == price && open <= old.open {
            self.orders[at].open = open;
            if open < old.open {
                self.level(old.side, price, out);
            }
            return;
        }
        self.orders.remove(at);
        if old.price != price {
            self.level(old.side, old.price, out);
        }
        self.execute(NewOrder { id, side: old.side, limit: Some(price), qty: open, tif: TimeInForce::Gtc }, out);
    }

    fn depth(&self, side: Side) -> Vec<Level> {
        let mut prices: Vec<Price> = self.orders.iter().filter(|it| it.side == side).map(|it| it.price).collect();
        prices.sort_unstable();
        prices.dedup();
        if side == Side::Bid {
            prices.reverse();
        }
        let mut out = Vec::new();
        prices.iter().for_each(|&price| self.level(side, price, &mut out));
        out.iter().map(|report| if let Report::Level { level, .. } = report { *level } else { panic!() }).collect()
    }
}

#[derive(Clone, Debug)]
enum Step {
    Submit { id: u64, side: Side, limit: Option<i64>, qty: i64, tif: TimeInForce },
    Cancel(u64),
    Modify { id: u64, price: i64, qty: i64 },
}

fn steps() -> impl Strategy<Value = (usize, Vec<Step>)> {
    let tif = prop_oneof![4 => Just(TimeInForce::Gtc), 1 => Just(TimeInForce::Ioc), 1 => Just(TimeInForce::Fok)];
    let side = prop_oneof![Just(Side::Bid), Just(Side::Ask)];
    let limit = proptest::option::weighted(0.9, 0i64..14);
    let step = prop_oneof![
        6 => (0u64..40, side, limit, 0i64..9, tif)
            .prop_map(|(id, side, limit, qty, tif)| Step::Submit { id, side, limit, qty, tif }),
        2 => (0u64..40).prop_map(Step::Cancel),
        2 => (0u64..40, 0i64..14, 0i64..9).prop_map(|(id, price, qty)| Step::Modify { id, price, qty }),
    ];
    (1usize..30, proptest::collection::vec(step, 1..120))
}

/// What rested plus what came is what traded (twice), was taken out, and rests.
fn is_conserved(before: &[Resting], after: &[Resting], out: &[Report], came: i64) -> bool {
    let sum = |orders: &[Resting]| orders.iter().map(|it| it.open.raw()).sum::<i64>();
    let gone = |report: &Report| match report {
        Report::Fill(fill) => 2 * fill.qty.raw(),
        Report::Cancelled { qty, .. } => qty.raw(),
        _ => 0,
    };
    sum(before) + came == sum(after) + out.iter().map(gone).sum::<i64>()
}

#[test]
fn the_naive_twin_reports_the_same() {
    let count = cases::count(10_000, 100_000);
    let config = Config { cases: count as u32, failure_persistence: None, ..Config::default() };
    let (operations, fills) = (Cell::new(0u64), Cell::new(0u64));
    let result = TestRunner::new(config).run(&steps(), |(orders_max, steps)| {
        let mut matcher = matcher(orders_max as u32);
        let mut twin = Naive { orders: Vec::new(), orders_max };
        let (mut out, mut expect) = (Vec::new(), Vec::new());
        for step in &steps {
            out.clear();
            expect.clear();
            let before = twin.orders.clone();
            let mut came = 0;
            match *step {
                Step::Submit { id, side, limit, qty, tif } => {
                    let order = order(id, side, limit, qty, tif);
                    matcher.submit(order, &mut out);
                    twin.submit(order, &mut expect);
                    came = if out[0] == (Report::Accepted { id }) { order.qty.raw() } else { 0 };
                }
                Step::Cancel(id) => {
                    matcher.cancel(id, &mut out);
                    twin.cancel(id, &mut expect);
                }
                Step::Modify { id, price: at, qty } => {
                    let old = matcher.order(id).map_or(0, |it| it.open.raw());
                    matcher.modify(id, price(at), lots(qty), &mut out);
                    twin.modify(id, price(at), lots(qty), &mut expect);
                    came = if let Report::Modified { qty, .. } = out[0] { qty.raw() - old } else { 0 };
                }
            }
            prop_assert_eq!(&out, &expect);
            prop_assert!(is_conserved(&before, &twin.orders, &out, came), "{:?}", out);
            let [bid, ask] = [Side::Bid, Side::Ask].map(|side| twin.depth(side).first().copied());
            prop_assert_eq!(matcher.top(), Top { bid, ask });
            prop_assert!(!matcher.top().is_crossed());
            prop_assert_eq!(matcher.orders(), twin.orders.len());
            prop_assert!(matcher.orders() <= orders_max);
            for side in Side::BOTH {
                let levels: Vec<Level> = matcher.depth(side, 100).collect();
                prop_assert_eq!(&levels, &twin.depth(side));
                let queued: Vec<Resting> = levels.iter().flat_map(|it| matcher.queue(side, it.price)).collect();
                let mut arrived: Vec<Resting> = twin.orders.iter().copied().filter(|it| it.side == side).collect();
                arrived.sort_by_key(|it| if side == Side::Bid { -it.price.raw() } else { it.price.raw() });
                prop_assert_eq!(queued, arrived, "FIFO");
            }
            operations.set(operations.get() + 1);
            fills.set(fills.get() + out.iter().filter(|it| matches!(it, Report::Fill(_))).count() as u64);
        }
        Ok(())
    });
    let (operations, fills) = (operations.get(), fills.get());
    assert!(result.is_ok(), "{result:?}");
    assert!(fills > count, "{fills} fills");
    println!("{count} cases, {operations} operations, {fills} fills: 0 differences from the twin");
}

/// After warm-up the arena, the free list, the levels and the ids have the room they need.
#[test]
fn a_warm_book_does_not_grow() {
    let mut matcher = matcher(64);
    let mut out = Vec::with_capacity(1_000);
    let mut round = |matcher: &mut Matcher, first: u64| {
        for step in 0..64 {
            let side = if step % 2 == 0 { Side::Bid } else { Side::Ask };
            let at = if step % 2 == 0 { 50 - step as i64 } else { 51 + step as i64 };
            matcher.submit(order(first + step, side, Some(at), 3, TimeInForce::Gtc), &mut out);
        }
        (first..first + 64).for_each(|id| matcher.cancel(id, &mut out));
        out.clear();
    };
    round(&mut matcher, 0);
    let room = |it: &Matcher| (it.slots.capacity(), it.free.capacity(), it.queues.each_ref().map(Vec::capacity));
    let warm = room(&matcher);
    for lap in 1..100 {
        round(&mut matcher, lap * 1_000);
    }
    assert_eq!(room(&matcher), warm);
}
