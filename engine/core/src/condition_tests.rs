//! What a standing condition tells while the market runs is what the finished bars tell afterwards.

use super::*;
use crate::cases;
use crate::engine::{Engine, Stamped};
use crate::event::{Body, Event, Family, Flags, Side};
use crate::expression::{Column, Operator};
use crate::frame::take_frame;
use crate::head::put_head;
use crate::indicator;
use crate::input::{Gap, GapCause, Input};
use crate::instrument::tests::spot;
use crate::market::{ApplyError, Bounds, Market};
use crate::price::{Price, Qty};
use rand::{Rng, RngExt, SeedableRng};
use rand_pcg::Pcg64Mcg;
use std::collections::BTreeMap;

const BOUNDS: Bounds = Bounds {
    book_levels_max: 50,
    bars_max: 10_000,
    trades_max: 4,
    instruments_max: 2,
    stale_after: Nanos::new(5_000_000_000),
};
const ONE: InstrumentId = InstrumentId(0);
const OTHER: InstrumentId = InstrumentId(1);
const SECONDS: Interval = INTERVALS[0];
const MINUTES: Interval = INTERVALS[1];
const START: i64 = 1_800_000_000_000_000_000;

fn ignore(_: &Market, _: Stamped<'_>) {}

fn engine() -> Engine {
    let mut engine = Engine::new(Market::new(BOUNDS), 0, Nanos::new(START));
    for (id, key) in [(ONE, "B:X"), (OTHER, "B:Y")] {
        let define = Input::Define { id, instrument: Box::new(spot(key)) };
        engine.input(Nanos::new(START), &define, &mut ignore).unwrap();
    }
    engine
}

/// A trade at the venue's time, and when it arrives.
#[derive(Clone, Copy)]
struct Arrival {
    id: InstrumentId,
    venue: i64,
    receive: i64,
    price: i64,
}

impl Arrival {
    fn input(&self) -> Input {
        let (price, qty) = (Price::from_raw(self.price).unwrap(), Qty::from_raw(1_000).unwrap());
        let body = Body::Trade { side: Side::Bid, price, qty, trade_id: 0 };
        let (venue_ts, receive_ts) = (Nanos::new(self.venue), Nanos::new(self.receive));
        Input::Event(Event { id: self.id, flags: Flags::LAST, venue_ts, receive_ts, body })
    }
}

/// Minutes of two instruments, with silences; no trade arrives later than [`SETTLE`], some before their time. One
/// instrument may lag behind the other, and its trades overtake each other: none arrives when both have been traded
/// past the second that it belongs to, or the finished bars would not be those that are taken.
fn arrivals(random: &mut impl Rng, count: usize) -> Vec<Arrival> {
    let mut all = Vec::new();
    for id in [ONE, OTHER] {
        let (mut venue, mut price, mut receive) = (START, 100_000_000_000, START);
        for _ in 0..count {
            let longest = if random.random_range(0..30) == 0 { 400_000 } else { 4_000 };
            venue += random.random_range(0..longest) * 1_000_000;
            price += random.random_range(-5..=5) * 100_000_000;
            let own = venue + random.random_range(-300..900) * 1_000_000;
            // In the order of the venue, as one connection brings them, but for some that are late.
            let latest = venue + 999_000_000;
            if random.random_bool(0.2) {
                all.push(Arrival { id, venue, receive: latest, price });
                continue;
            }
            receive = receive.max(own).min(latest);
            all.push(Arrival { id, venue, receive, price });
        }
    }
    all.sort_by_key(|arrival| arrival.receive);
    let mut traded = Traded::default();
    all.retain(|arrival| {
        let is_late = traded.by_both() > arrival.venue.div_euclid(1_000_000_000);
        if !is_late {
            traded.note(arrival);
        }
        !is_late
    });
    all
}

/// The latest second of each instrument in which it was traded.
#[derive(Default)]
struct Traded {
    seconds: [i64; 2],
}

impl Traded {
    fn note(&mut self, arrival: &Arrival) {
        let second = &mut self.seconds[arrival.id.index()];
        *second = (*second).max(arrival.venue.div_euclid(1_000_000_000));
    }

    fn by_both(&self) -> i64 {
        self.seconds[0].min(self.seconds[1])
    }
}

/// When the bars that end at `moment` are to be taken: with the first trade after which both instruments have been
/// traded past it, or [`SETTLE`] after it.
fn is_told_at(moment: Nanos, arrivals: &[Arrival]) -> Nanos {
    let mut traded = Traded::default();
    let passes = |arrival: &&Arrival| {
        traded.note(arrival);
        traded.by_both() * 1_000_000_000 >= moment.raw()
    };
    let settled = moment.plus(SETTLE);
    arrivals.iter().find(passes).map_or(settled, |arrival| settled.min(Nanos::new(arrival.receive)))
}

fn column(instrument: Option<u16>, column: Column) -> Expr {
    Expr::column(instrument, column)
}

fn average(of: Expr, period: f64) -> Expr {
    Expr::call(indicator::find("ema").unwrap(), &[period], vec![of], 0).unwrap()
}

fn greater(one: Expr, other: Expr) -> Expr {
    Expr::apply(Operator::Greater, vec![one, other]).unwrap()
}

/// Conditions of one series, of several intervals, and of two instruments; each with a value.
fn expressions() -> Vec<(Vec<Expr>, Interval)> {
    let close = || column(None, Column::Close);
    let other = || column(Some(0), Column::Close);
    let cross = average(close(), 3.0).crosses_above(average(close(), 8.0)).unwrap();
    let falls = greater(close().lag(3.0).unwrap(), close());
    let longer = greater(close(), average(close(), 3.0).at(INTERVALS[2]).unwrap());
    let both = Expr::apply(
        Operator::And,
        vec![greater(close(), close().lag(1.0).unwrap()), { greater(other().lag(1.0).unwrap(), other()) }],
    );
    let often = falls.clone().count_true(5.0).unwrap();
    vec![
        (vec![cross, average(close(), 3.0)], MINUTES),
        (vec![greater(often.clone(), Expr::number(2.0)), often], SECONDS),
        (vec![longer, close()], MINUTES),
        (vec![both.unwrap(), other()], MINUTES),
        (vec![falls, column(None, Column::Time)], INTERVALS[3]),
    ]
}

/// Which condition, the end of the bar, when it was told, and what it came to.
type Told = (u64, Nanos, Nanos, [Option<u64>; VALUES_MAX]);

fn told(id: u64, moment: Nanos, ts: Nanos, values: [Option<f64>; VALUES_MAX]) -> Told {
    (id, moment, ts, values.map(|value| value.map(f64::to_bits)))
}

fn poll(engine: &mut Engine, all: &mut Vec<Told>) {
    while let Some(firing) = engine.market_mut().poll_firing() {
        assert!(firing.seq > 0 && firing.seq <= engine.seq());
        all.push(told(firing.id, firing.moment, firing.ts, firing.values));
    }
}

/// Time passes: what fires at one deadline is told before the next one comes.
fn pass_time(engine: &mut Engine, now: Nanos, all: &mut Vec<Told>) {
    while let Some(deadline) = engine.market().next_deadline().filter(|&deadline| deadline <= now) {
        engine.pass_time(deadline, &mut ignore).unwrap();
        poll(engine, all);
    }
}

/// The bars that each series of a condition ends with.
fn bars_of(condition: &Condition, market: &Market) -> Vec<Vec<Bar>> {
    let series = condition.places.iter().map(|&(id, interval)| &market.stream(id).unwrap().bars[interval]);
    series.map(|series| series.iter().copied().collect()).collect()
}

/// What the finished bars tell: when each condition became true after `since`, and `told_at` when it was to be told.
fn afterwards(
    conditions: &[Condition],
    market: &Market,
    (since, until): (Nanos, Nanos),
    told_at: impl Fn(Nanos) -> Nanos,
) -> Vec<Told> {
    let mut all = Vec::new();
    for condition in conditions {
        let bars = bars_of(condition, market);
        let bars: Vec<&[Bar]> = bars.iter().map(Vec::as_slice).collect();
        let mut evaluator = Evaluator::new(Arc::clone(condition.program()));
        let span = condition.program().series()[0].interval.span;
        let mut was_true = false;
        evaluator.run(&bars, |bar, evaluator| {
            let Some(is_true) = value(evaluator, 0).map(|value| value == 1.0) else { return };
            let end = bar.start.plus(span);
            if is_true && !was_true && end > since && end <= until {
                let mut values = [None; VALUES_MAX];
                values.iter_mut().zip(evaluator.values()).for_each(|(to, value)| *to = value);
                all.push(told(condition.id, end, told_at(end), values));
            }
            was_true = is_true;
        });
    }
    all.sort();
    all
}

fn conditions() -> Vec<Condition> {
    let expressions = expressions().into_iter().enumerate();
    expressions.map(|(id, (list, base))| Condition::new(id as u64 + 1, &list, base, &[ONE, OTHER]).unwrap()).collect()
}

/// Attached amid a market, primed with what there is until then; `exchange` is what happens to the engine on the way.
fn run(seed: u64, exchange: impl Fn(Engine) -> Engine) -> (Vec<Told>, Vec<Told>) {
    let mut random = Pcg64Mcg::seed_from_u64(seed);
    let arrivals = arrivals(&mut random, 300);
    let attach_at = random.random_range(0..arrivals.len() / 2);
    let exchange_at = random.random_range(attach_at..arrivals.len());
    let mut engine = engine();
    let (mut live, mut conditions, mut caught_up) = (Vec::new(), conditions(), Vec::new());
    let (mut since, mut attached) = (Nanos::ZERO, Nanos::ZERO);
    for (at, arrival) in arrivals.iter().enumerate() {
        if at == attach_at {
            attached = engine.ts();
            since = attached.since(SETTLE).since(Nanos::new(random.random_range(0..90_000_000_000)));
            for condition in &mut conditions {
                let bars = bars_of(condition, engine.market());
                condition.prime(&bars.iter().map(Vec::as_slice).collect::<Vec<_>>(), since).unwrap();
                let attach = Input::Attach(Box::new(condition.clone()));
                engine.input(engine.ts(), &attach, &mut ignore).unwrap();
            }
            poll(&mut engine, &mut live);
            caught_up = engine.market().conditions().map(Condition::until).collect();
        }
        if at == exchange_at {
            poll(&mut engine, &mut live);
            engine = exchange(engine);
        }
        pass_time(&mut engine, Nanos::new(arrival.receive), &mut live);
        engine.input(Nanos::new(arrival.receive), &arrival.input(), &mut ignore).unwrap();
        poll(&mut engine, &mut live);
    }
    let end = engine.ts().plus(Nanos::new(86_400_000_000_000));
    pass_time(&mut engine, end, &mut live);
    live.sort();
    // Days end later.
    let told_at = |moment| attached.max(is_told_at(moment, &arrivals));
    let mut finished = afterwards(&conditions, engine.market(), (since, end.since(SETTLE)), told_at);
    // Of what had happened already when it was attached, the first is told.
    let is_second = |one: &Told, other: &Told| one.0 == other.0 && one.1 <= caught_up[one.0 as usize - 1];
    finished.dedup_by(|one, other| is_second(one, other));
    (live, finished)
}

#[test]
fn what_is_told_live_is_what_the_finished_bars_tell() {
    let (cases, mut firings) = (cases::count(400, 10_000), 0);
    for seed in 0..cases {
        let (live, finished) = run(seed, |engine| engine);
        assert_eq!(live, finished, "seed {seed}: it is told otherwise than the finished bars tell");
        firings += live.len();
    }
    println!("{cases} markets, {firings} firings, 0 differ");
    assert!(cases == 0 || firings > 0);
}

#[test]
fn a_head_carries_conditions_on() {
    let (cases, mut firings) = (cases::count(400, 10_000), 0);
    for seed in 0..cases {
        let (live, finished) = run(seed, |engine| restored(&engine));
        assert_eq!(live, finished, "seed {seed}: it is told otherwise than the finished bars tell");
        firings += live.len();
    }
    println!("{cases} markets, {firings} firings, 0 differ");
}

#[test]
fn a_condition_on_the_open_bar_is_looked_at_with_every_trade() {
    let mut engine = engine();
    let live = greater(Expr::live(None, Column::Close), Expr::number(100.0));
    let mut condition = Condition::new(7, &[live, Expr::live(None, Column::Close)], MINUTES, &[ONE]).unwrap();
    condition.prime(&[&[]], Nanos::new(START)).unwrap();
    let mut firings = Vec::new();
    let mut trade = |engine: &mut Engine, second: i64, price: i64| {
        let (venue, price) = (START + second * 1_000_000_000, price * 1_000_000_000);
        let arrival = Arrival { id: ONE, venue, receive: venue, price };
        engine.input(Nanos::new(venue), &arrival.input(), &mut ignore).unwrap();
        poll(engine, &mut firings);
        firings.len()
    };
    engine.input(Nanos::new(START), &Input::Attach(Box::new(condition)), &mut ignore).unwrap();
    assert_eq!(trade(&mut engine, 1, 99), 0);
    assert_eq!(trade(&mut engine, 2, 101), 1, "with the trade itself");
    assert_eq!(trade(&mut engine, 2, 102), 1, "it was true already");
    assert_eq!(trade(&mut engine, 3, 98), 1);
    assert_eq!(trade(&mut engine, 3, 103), 2);
    assert_eq!(trade(&mut engine, 130, 103), 2, "of the next bar");
    engine.input(engine.ts(), &Input::Detach(7), &mut ignore).unwrap();
    assert_eq!(trade(&mut engine, 131, 98), 2);
    assert_eq!(trade(&mut engine, 131, 104), 2, "nobody looks any more");
    let at = |second: i64| Nanos::new(START + second * 1_000_000_000);
    let expect = |second, price| {
        let mut values = [None; VALUES_MAX];
        (values[0], values[1]) = (Some(1.0), Some(price));
        told(7, at(second), at(second), values)
    };
    assert_eq!(firings, [expect(2, 101.0), expect(3, 103.0)]);
}

/// Twin of conditions on the open bar: after every trade, and when a bar has been waited for long enough, they are
/// worked out from the trades so far.
#[test]
fn a_live_condition_tells_what_the_trades_come_to() {
    let (cases, mut firings) = (cases::count(1_000, 10_000), 0);
    let live = || Expr::live(None, Column::Close);
    for seed in 0..cases {
        let mut random = Pcg64Mcg::seed_from_u64(seed);
        let (mut engine, mut told_live, mut expect) = (engine(), Vec::new(), Vec::new());
        for (id, than) in [(0, Expr::number(100.0)), (1, column(None, Column::Close))] {
            let condition = Condition::new(id, &[greater(live(), than), live()], MINUTES, &[ONE, OTHER]);
            let mut condition = condition.unwrap();
            condition.prime(&vec![&[][..]; condition.places.len()], Nanos::new(START)).unwrap();
            engine.input(Nanos::new(START), &Input::Attach(Box::new(condition)), &mut ignore).unwrap();
        }
        // The closing price of each minute by its end, and what was true.
        let (mut traded, mut closes, mut was_true) = (Traded::default(), BTreeMap::new(), [false; 2]);
        let mut look = |ts: i64, traded: &Traded, closes: &BTreeMap<i64, i64>| {
            let minute = |at: i64| at.div_euclid(60_000_000_000) * 60_000_000_000;
            let horizon = minute((traded.by_both() * 1_000_000_000).max(ts - SETTLE.raw()));
            let real = |price: &i64| *price as f64 / 1e9;
            let open = closes.range(horizon + 1..).next().map(|(_, price)| real(price));
            let closed = closes.range(..=horizon).next_back().map(|(_, price)| real(price));
            for (id, than) in [Some(100.0), closed].into_iter().enumerate() {
                let Some((open, than)) = open.zip(than) else { continue };
                if open > than && !was_true[id] {
                    let mut values = [None; VALUES_MAX];
                    (values[0], values[1]) = (Some(1.0), Some(open));
                    expect.push(told(id as u64, Nanos::new(ts), Nanos::new(ts), values));
                }
                was_true[id] = open > than;
            }
        };
        let mut now = START;
        for arrival in arrivals(&mut random, 100) {
            let ends: Vec<i64> = closes.keys().map(|end| end + SETTLE.raw()).collect();
            let due = ends.into_iter().filter(|due| (now + 1..=arrival.receive).contains(due));
            due.for_each(|due| look(due, &traded, &closes));
            now = arrival.receive;
            pass_time(&mut engine, Nanos::new(now), &mut told_live);
            engine.input(Nanos::new(now), &arrival.input(), &mut ignore).unwrap();
            poll(&mut engine, &mut told_live);
            traded.note(&arrival);
            if arrival.id == ONE {
                let end = arrival.venue.div_euclid(60_000_000_000) * 60_000_000_000 + 60_000_000_000;
                closes.insert(end, arrival.price);
            }
            look(now, &traded, &closes);
        }
        assert_eq!(told_live, expect, "seed {seed}: it is told otherwise than the trades come to");
        firings += expect.len();
    }
    println!("{cases} markets, {firings} firings, 0 differ");
    assert!(cases == 0 || firings > 0);
}

#[test]
fn a_primed_condition_knows_where_it_stands() {
    let bar = |minute: i64, price: i64| {
        let price = Price::from_raw(price * 1_000_000_000).unwrap();
        let (start, flags) = (Nanos::new(START + minute * 60_000_000_000), BarFlags::CLOSED);
        let (open, high, low, close) = (price, price, price, price);
        Bar { start, open, high, low, close, volume: 1, trades: 1, revision: 0, flags }
    };
    let bars = [bar(0, 90), bar(1, 101), bar(2, 99), bar(3, 102)];
    let at = |minute: i64| Nanos::new(START + minute * 60_000_000_000);
    for (column, is_live) in [(column(None, Column::Close), false), (Expr::live(None, Column::Close), true)] {
        let fresh = Condition::new(7, &[greater(column, Expr::number(100.0))], MINUTES, &[ONE]).unwrap();
        assert_eq!((fresh.is_true(), fresh.primed_from(), fresh.id()), (false, &[None][..], 7));
        // What has not ended by then is not taken: nor is a bar that ends a moment later.
        for (until, is_true) in
            [(at(1), false), (at(2), true), (at(3), false), (at(4).since(Nanos::new(1)), false), (at(4), true)]
        {
            let mut condition = fresh.clone();
            condition.prime(&[&bars], until).unwrap();
            assert_eq!(condition.is_true(), is_true && !is_live, "{until}");
            assert_eq!((condition.until(), condition.primed_from()), (until, &[Some(at(0))][..]));
            let again = Condition::decode(&condition.encode()).unwrap();
            assert_eq!(
                (again.is_true(), again.until(), again.primed_from()),
                (is_true && !is_live, until, condition.primed_from())
            );
        }
        let mut condition = fresh;
        condition.prime(&[&bars], at(0)).unwrap();
        assert_eq!((condition.is_true(), condition.primed_from()), (false, &[None][..]), "no bar had ended");
    }
}

#[test]
fn it_looks_at_every_common_multiple_of_its_bars() {
    let of = |intervals: &[usize], base: usize| {
        let close = || column(None, Column::Close);
        let one = |&interval: &usize| greater(close().at(INTERVALS[interval]).unwrap(), Expr::number(1.0));
        let all = intervals.iter().map(one).reduce(|one, other| Expr::apply(Operator::And, vec![one, other]).unwrap());
        Condition::new(1, &[all.unwrap()], INTERVALS[base], &[ONE]).unwrap().step.raw() / 1_000_000_000
    };
    assert_eq!([of(&[1], 1), of(&[2], 2), of(&[2, 3], 3), of(&[4, 5], 5), of(&[6, 8], 6)], [60, 180, 60, 300, 1_800]);
}

#[test]
fn as_many_values_as_there_may_be_are_read_back() {
    let truth = || Expr::truth(Some(true));
    let written = |count: usize| {
        let most = Condition::new(3, &vec![truth(); count.min(VALUES_MAX)], MINUTES, &[ONE]).unwrap();
        let mut written: Written = postcard::from_bytes(&most.encode()).unwrap();
        written.expressions.resize(count, written.expressions[0].clone());
        postcard::to_allocvec(&written).unwrap()
    };
    for count in 1..=VALUES_MAX {
        let condition = Condition::decode(&written(count)).unwrap();
        assert_eq!(condition, Condition::new(3, &vec![truth(); count], MINUTES, &[ONE]).unwrap());
    }
    assert_eq!(Condition::decode(&written(VALUES_MAX + 1)), Err(ConditionError::Bytes));
}

/// Whoever leaves takes nothing with it but what it had to tell.
#[test]
fn others_go_on_when_one_is_detached() {
    let (cases, mut firings) = (cases::count(1_000, 10_000), 0);
    for seed in 0..cases {
        let mut random = Pcg64Mcg::seed_from_u64(seed);
        let arrivals = arrivals(&mut random, 60);
        let (gone, gone_at) = (random.random_range(1..=5), random.random_range(0..arrivals.len()));
        let all = |with: &dyn Fn(u64) -> bool| {
            let (mut engine, mut told) = (engine(), Vec::new());
            for mut condition in conditions().into_iter().filter(|condition| with(condition.id)) {
                condition.prime(&vec![&[][..]; condition.places.len()], Nanos::new(START)).unwrap();
                engine.input(engine.ts(), &Input::Attach(Box::new(condition)), &mut ignore).unwrap();
            }
            for (at, arrival) in arrivals.iter().enumerate() {
                engine.input(Nanos::new(arrival.receive), &arrival.input(), &mut ignore).unwrap();
                if at == gone_at {
                    // With what waits to be told.
                    engine.input(engine.ts(), &Input::Detach(gone), &mut ignore).unwrap();
                    poll(&mut engine, &mut told);
                }
            }
            poll(&mut engine, &mut told);
            told
        };
        let (some, others) = (all(&|_| true), all(&|id| id != gone));
        assert_eq!(some, others, "seed {seed}: without {gone} from {gone_at} on");
        firings += some.len();
    }
    println!("{cases} markets, {firings} firings, 0 differ");
    assert!(cases == 0 || firings > 0);
}

#[test]
fn what_does_not_fit_is_refused() {
    let mut engine = engine();
    let of = |id| Condition::new(id, &expressions()[0].0, MINUTES, &[ONE]).unwrap();
    for id in 0..CONDITIONS_MAX as u64 {
        engine.input(engine.ts(), &Input::Attach(Box::new(of(id))), &mut ignore).unwrap();
    }
    let refused = |engine: &mut Engine, condition: Condition| {
        assert!(!engine.market().has_room_for(&condition));
        let (id, before) = (condition.id(), engine.market().conditions().count());
        let error = engine.input(engine.ts(), &Input::Attach(Box::new(condition)), &mut ignore).unwrap_err();
        assert_eq!(error, ApplyError::BadAttach(id).into());
        assert_eq!(engine.market().conditions().count(), before);
    };
    refused(&mut engine, of(5_000));
    engine.input(engine.ts(), &Input::Detach(0), &mut ignore).unwrap();
    engine.input(engine.ts(), &Input::Detach(0), &mut ignore).unwrap();
    refused(&mut engine, of(1));
    for nobody in [InstrumentId(2), InstrumentId(9)] {
        refused(&mut engine, Condition::new(0, &expressions()[0].0, MINUTES, &[nobody]).unwrap());
        // Named, and not used.
        refused(&mut engine, Condition::new(0, &expressions()[0].0, MINUTES, &[ONE, nobody]).unwrap());
    }
    engine.input(engine.ts(), &Input::Attach(Box::new(of(0))), &mut ignore).unwrap();
    let gap = Gap { id: None, family: Family::Book, cause: GapCause::Restart, from: 1, to: 2 };
    engine.input(engine.ts(), &Input::Gap(gap), &mut ignore).unwrap();
    assert_eq!(engine.market().conditions().count(), 0, "nobody listened for a while");

    let number = column(None, Column::Close);
    assert_eq!(Condition::new(1, std::slice::from_ref(&number), MINUTES, &[ONE]).unwrap_err(), ConditionError::Shape);
    let many = vec![greater(number.clone(), number.clone()); VALUES_MAX + 1];
    assert_eq!(Condition::new(1, &many, MINUTES, &[ONE]).unwrap_err(), ConditionError::Shape);
    assert_eq!(Condition::new(1, &expressions()[3].0, MINUTES, &[ONE]).unwrap_err(), ConditionError::Instruments);
    let far = (0..20).map(|period| number.clone().lag(f64::from(9_000 + period)).unwrap());
    let far = far.reduce(|one, other| Expr::apply(Operator::Add, vec![one, other]).unwrap()).unwrap();
    let mut large = Condition::new(1, &[greater(far, Expr::number(0.0))], MINUTES, &[ONE]).unwrap();
    assert!(matches!(large.prime(&[&[]], Nanos::ZERO), Err(ConditionError::Large(_))));
}

/// Two instruments, a bar of one of them being open; then a trade of the minute before, of the same instrument or of
/// the one that lags, opens its bar. A condition looks when both have been traded past it, not a bar later; a message
/// that is cut short counts as far as it came.
#[test]
fn a_late_trade_that_opens_an_earlier_bar_does_not_put_the_look_off() {
    let close = || column(None, Column::Close);
    let less = Expr::apply(Operator::Subtract, vec![column(Some(0), Column::Close), Expr::number(1_000.0)]).unwrap();
    let at = |second: f64| Nanos::new((second * 1e9) as i64 + START);
    for (early, late, is_cut) in [(ONE, ONE, false), (OTHER, ONE, false), (ONE, ONE, true), (OTHER, ONE, true)] {
        let mut engine = engine();
        let trade = |engine: &mut Engine, id, venue: f64, receive: f64, is_cut: bool| {
            let (venue, receive) = (at(venue).raw(), at(receive).raw());
            let mut input = Arrival { id, venue, receive, price: 100_000_000_000 }.input();
            if let (Input::Event(event), true) = (&mut input, is_cut) {
                event.flags = Flags::NONE;
            }
            engine.input(Nanos::new(receive), &input, &mut ignore).unwrap();
        };
        let mut condition = Condition::new(7, &[greater(close(), less.clone())], MINUTES, &[ONE, OTHER]).unwrap();
        condition.prime(&[&[], &[]], at(-120.0)).unwrap();
        engine.input(at(0.0), &Input::Attach(Box::new(condition)), &mut ignore).unwrap();
        trade(&mut engine, OTHER, -30.0, 0.1, false);
        trade(&mut engine, early, 60.1, 60.2, false);
        trade(&mut engine, late, 59.9, 60.4, is_cut);
        if is_cut {
            let gap = Gap { id: Some(late), family: Family::Trades, cause: GapCause::Disconnected, from: 0, to: 0 };
            engine.input(at(60.5), &Input::Gap(gap), &mut ignore).unwrap();
        }
        let fired = [engine.clone(), restored(&engine)].map(|mut engine| {
            [60.99, 61.0, 62.0, 125.0].map(|second| {
                engine.pass_time(at(second), &mut ignore).unwrap();
                engine.market_mut().poll_firing().map(|firing| (firing.ts, firing.moment))
            })
        });
        assert_eq!(
            fired[0],
            [None, Some((at(61.0), at(60.0))), None, None],
            "the look is put off: {early:?} {late:?} {is_cut}"
        );
        assert_eq!(fired[0], fired[1], "from a head");
    }
}

/// The engine that goes on from a head of this one.
fn restored(engine: &Engine) -> Engine {
    let mut head = Vec::new();
    put_head(engine.market(), engine.ts(), &mut head);
    let mut bytes = &head[..];
    let mut other = Engine::new(Market::new(BOUNDS), 0, Nanos::ZERO);
    other.restore(engine.seq() + 1, std::iter::from_fn(|| take_frame(0, &mut bytes))).unwrap();
    let mut again = Vec::new();
    put_head(other.market(), engine.ts(), &mut again);
    assert!(head == again, "a head is restored to the same head");
    other
}

/// Twin of [`Condition::due`]: a look at every bar of the condition.
fn due_of(condition: &Condition, market: &Market) -> Option<Nanos> {
    let ends = condition.places.iter().flat_map(|&(id, interval)| {
        let bars = &market.stream(id).unwrap().bars[interval];
        bars.iter().map(move |bar| bar.start.plus(INTERVALS[interval].span))
    });
    ends.filter(|&end| end > condition.until).min().map(|end| end.plus(SETTLE))
}

#[test]
fn whoever_comes_and_goes_nobody_is_looked_at_late() {
    let (cases, mut looked) = (cases::count(40, 1_000), 0);
    for seed in 0..cases {
        let mut random = Pcg64Mcg::seed_from_u64(seed);
        let (mut engine, mut attached, all) = (engine(), Vec::new(), expressions());
        for (at, arrival) in (0..).zip(arrivals(&mut random, 200)) {
            let (list, base) = &all[random.random_range(0..all.len())];
            if random.random_bool(0.3) {
                let mut condition = Condition::new(at, list, *base, &[ONE, OTHER]).unwrap();
                let none = vec![&[][..]; condition.places.len()];
                condition.prime(&none, engine.ts().since(SETTLE)).unwrap();
                engine.input(engine.ts(), &Input::Attach(Box::new(condition)), &mut ignore).unwrap();
                attached.push(at);
            }
            if !attached.is_empty() && random.random_bool(0.25) {
                let gone = attached.swap_remove(random.random_range(0..attached.len()));
                engine.input(engine.ts(), &Input::Detach(gone), &mut ignore).unwrap();
            }
            engine.input(Nanos::new(arrival.receive), &arrival.input(), &mut ignore).unwrap();
            for condition in engine.market().conditions() {
                let due = due_of(condition, engine.market());
                assert_eq!(condition.due, due, "seed {seed}: it waits for another bar than the first to end");
            }
            let first = engine.market().conditions().filter_map(|condition| condition.due).min();
            let ts = engine.ts();
            assert!(first.is_none_or(|due| due > ts), "seed {seed}: due at {first:?}, not looked at by {ts}");
            let next = engine.market().next_deadline();
            assert!(
                first.is_none_or(|due| next.is_some_and(|next| next <= due)),
                "seed {seed}: due at {first:?}, asked at {next:?}"
            );
            looked += u64::from(first.is_some());
        }
    }
    println!("{cases} markets, {looked} looks, 0 late");
    assert!(cases == 0 || looked > 0);
}

#[test]
fn missing_trades_and_lost_bars_are_told() {
    let mut engine = engine();
    let condition = Condition::new(1, &expressions()[0].0[..1], MINUTES, &[ONE]).unwrap();
    let mut firings = Vec::new();
    let mut until = condition.clone();
    until.prime(&[&[]], Nanos::new(START)).unwrap();
    engine.input(engine.ts(), &Input::Attach(Box::new(until)), &mut ignore).unwrap();
    for minute in 0..40 {
        let price = if minute < 20 { 200 - minute } else { 200 + 3 * minute } * 1_000_000_000;
        let venue = START + minute * 60_000_000_000;
        if minute == 19 {
            let gap = Gap { id: Some(ONE), family: Family::Trades, cause: GapCause::Sequence, from: 1, to: 2 };
            engine.input(engine.ts(), &Input::Gap(gap), &mut ignore).unwrap();
        }
        engine
            .input(Nanos::new(venue), &Arrival { id: ONE, venue, receive: venue, price }.input(), &mut ignore)
            .unwrap();
        while let Some(firing) = engine.market_mut().poll_firing() {
            firings.push(firing);
        }
    }
    assert!(firings.len() == 1 && firings[0].is_incomplete, "{firings:?}");
    assert_eq!(firings[0].moment, Nanos::new(START + 21 * 60_000_000_000));

    // A series of which bars have had to make room cannot go on from before them.
    let mut small = Engine::new(Market::new(Bounds { bars_max: 5, ..BOUNDS }), 0, Nanos::new(START));
    let define = Input::Define { id: ONE, instrument: Box::new(spot("B:X")) };
    small.input(Nanos::new(START), &define, &mut ignore).unwrap();
    for minute in 0..9 {
        let venue = START + minute * 60_000_000_000;
        let arrival = Arrival { id: ONE, venue, receive: venue, price: 1_000_000_000 };
        small.input(Nanos::new(venue), &arrival.input(), &mut ignore).unwrap();
    }
    let mut primed = condition;
    primed.prime(&[&[]], Nanos::new(START + 2 * 60_000_000_000)).unwrap();
    assert!(!small.market().has_room_for(&primed));
    primed.prime(&[&[]], Nanos::new(START + 5 * 60_000_000_000)).unwrap();
    assert!(small.market().has_room_for(&primed));
}

#[test]
fn damaged_bytes_are_refused_or_harmless() {
    let mut random = Pcg64Mcg::seed_from_u64(1);
    let arrivals = arrivals(&mut random, 100);
    let mut engine = engine();
    for arrival in &arrivals {
        engine.input(Nanos::new(arrival.receive), &arrival.input(), &mut ignore).unwrap();
    }
    let (cases, mut accepted) = (cases::count(20_000, 1_000_000), 0);
    for mut condition in conditions() {
        let bars = bars_of(&condition, engine.market());
        condition.prime(&bars.iter().map(Vec::as_slice).collect::<Vec<_>>(), Nanos::new(START)).unwrap();
        let whole = condition.encode();
        assert_eq!(Condition::decode(&whole).unwrap(), condition);
        for _ in 0..cases / 5 {
            let mut bytes = whole.clone();
            for _ in 0..random.random_range(1..4) {
                match random.random_range(0..3) {
                    0 => bytes.truncate(random.random_range(0..bytes.len().max(1))),
                    1 if !bytes.is_empty() => {
                        let at = random.random_range(0..bytes.len());
                        bytes[at] = random.random();
                    }
                    _ => bytes.insert(random.random_range(0..=bytes.len()), random.random()),
                }
            }
            let Ok(condition) = Condition::decode(&bytes) else { continue };
            accepted += 1;
            let mut engine = engine.clone();
            if engine.market().has_room_for(&condition) {
                let ts = engine.ts();
                engine.input(ts, &Input::Attach(Box::new(condition)), &mut ignore).unwrap();
                engine.pass_time(ts.plus(Nanos::new(3_600_000_000_000)), &mut ignore).unwrap();
            }
        }
    }
    println!("{cases} damaged conditions, {accepted} read, no panic");
}

/// Golden: the encoding, in which operators, columns and words have fixed numbers.
#[test]
fn a_condition_is_written_as_ever() {
    let hex = |bytes: &[u8]| bytes.iter().map(|byte| format!("{byte:02x}")).collect::<String>();
    let simple = greater(column(None, Column::Close), Expr::number(1.5));
    let mut simple = Condition::new(300, &[simple], MINUTES, &[ONE]).unwrap();
    simple.prime(&[&[]], Nanos::new(1)).unwrap();
    assert_eq!(
        hex(&simple.encode()),
        "ac0202316d0100010302000300000000000000f83f040a02010002000003000000000000f87f000000000000f83f000000000000f87f03000000"
    );
    for (input, kind, expect) in [
        (Input::Detach(0x1234), 71, "3412000000000000".to_owned()),
        (Input::Attach(Box::new(simple.clone())), 70, hex(&simple.encode())),
    ] {
        let mut bytes = Vec::new();
        input.encode(&mut bytes);
        assert_eq!((input.kind(), hex(&bytes)), (kind, expect));
        assert_eq!(Input::decode(kind, 1, &bytes), Ok(input));
        assert!((0..bytes.len()).all(|end| Input::decode(kind, 1, &bytes[..end]).is_err()));
        bytes.push(0);
        assert!(Input::decode(kind, 1, &bytes).is_err());
    }
    let mut all = blake3::Hasher::new();
    for operator in Operator::ALL {
        for count in 1..=3 {
            for kind in [Expr::number(2.0), Expr::truth(None)] {
                let mut arguments = vec![kind; count];
                if operator == Operator::If {
                    arguments[0] = Expr::truth(Some(true));
                }
                let Ok(expr) = Expr::apply(operator, arguments) else { continue };
                let mut list = Vec::new();
                words::write(&expr, &mut list);
                all.update(&postcard::to_allocvec(&list).unwrap());
            }
        }
    }
    for mut condition in conditions() {
        condition.prime(&vec![&[][..]; condition.places.len()], Nanos::ZERO).unwrap();
        all.update(&condition.encode());
    }
    assert_eq!(all.finalize().to_hex()[..16], *"70bdef422c64596d");
}
