//! Each measure is compared with its definition, worked out anew from everything that happened.

use super::*;
use proptest::prelude::*;

/// What happens to a market.
#[derive(Clone, Debug)]
enum Happening {
    Book { span: i64, bids: Vec<Level>, asks: Vec<Level> },
    Trade { span: i64, side: Side, price: Price, qty: Qty },
    Interrupt,
}

/// Prices in ticks of 0.01, so that they meet often.
fn price(ticks: i64) -> Price {
    Price::from_raw(ticks * 10_000_000).unwrap()
}

fn qty(hundredths: i64) -> Qty {
    Qty::from_raw(hundredths * 1_000_000).unwrap()
}

/// Levels from the touch outwards; a touch far inwards meets the other side, or crosses it.
fn levels(sign: i64) -> impl Strategy<Value = Vec<Level>> {
    (-2..4i64, prop::collection::vec((1..3i64, 1..500i64), 0..13)).prop_map(move |(touch, steps)| {
        let mut ticks = 10_000 + sign * touch;
        let level = |(step, size)| {
            ticks += sign * step;
            Level { price: price(ticks), qty: qty(size), orders: 0 }
        };
        steps.into_iter().map(level).collect()
    })
}

fn side() -> impl Strategy<Value = Side> {
    prop_oneof![3 => Just(Side::Bid), 2 => Just(Side::Ask)]
}

fn happening() -> impl Strategy<Value = Happening> {
    // Instants that meet, also at the horizon.
    let span = (0..4i64).prop_map(|halves| halves * 500_000_000);
    let book =
        (span.clone(), levels(-1), levels(1)).prop_map(|(span, bids, asks)| Happening::Book { span, bids, asks });
    let size = prop_oneof![10 => 1..300i64, 1 => 10_000..100_000i64];
    let trade = (span, side(), 9_990..10_010i64, size).prop_map(|(span, side, ticks, size)| Happening::Trade {
        span,
        side,
        price: price(ticks),
        qty: qty(size),
    });
    prop_oneof![20 => book, 30 => trade, 1 => Just(Happening::Interrupt)]
}

fn stream() -> impl Strategy<Value = Vec<Happening>> {
    prop::collection::vec(happening(), 1..150)
}

fn settings() -> Settings {
    Settings {
        levels: 4,
        flow_events: 7,
        average_events: 9,
        bucket: Some(qty(450)),
        buckets: 5,
        trades: 12,
        horizon: Nanos::new(3_000_000_000),
        trades_per_bar: 2,
        bars: 6,
    }
}

#[track_caller]
fn near(name: &str, got: Option<f64>, expect: Option<f64>, scale: f64) {
    match (got, expect) {
        (None, None) => {}
        (Some(got), Some(expect)) => assert!((got - expect).abs() <= 1e-9 * scale, "{name}: {got}, not {expect}"),
        _ => panic!("{name}: {got:?}, not {expect:?}"),
    }
}

/// The last `count` of them, if there are so many.
fn last<T>(all: &[T], count: usize) -> Option<&[T]> {
    all.len().checked_sub(count).map(|from| &all[from..])
}

fn mean(values: &[f64]) -> f64 {
    values.iter().sum::<f64>() / values.len() as f64
}

fn covariance(pairs: &[(f64, f64)]) -> f64 {
    let (x, y): (Vec<f64>, Vec<f64>) = pairs.iter().copied().unzip();
    let (x_mean, y_mean) = (mean(&x), mean(&y));
    mean(&pairs.iter().map(|(x, y)| (x - x_mean) * (y - y_mean)).collect::<Vec<_>>())
}

fn real(price: Price) -> f64 {
    price.raw() as f64 / 1e9
}

fn size(qty: Qty) -> f64 {
    qty.raw() as f64 / 1e8
}

fn sign(side: Side) -> f64 {
    if side == Side::Bid { 1.0 } else { -1.0 }
}

/// A known book from an instant on, or the lack of one.
#[derive(Clone, Debug, Default)]
struct State {
    at: i64,
    /// How much happened before.
    order: usize,
    is_known: bool,
    bids: Vec<(f64, f64)>,
    asks: Vec<(f64, f64)>,
}

impl State {
    fn market(&self) -> Option<(f64, f64)> {
        let (bid, ask) = (self.bids.first()?.0, self.asks.first()?.0);
        (bid < ask).then_some((bid, ask))
    }

    fn mid(&self) -> Option<f64> {
        self.market().map(|(bid, ask)| (bid + ask) / 2.0)
    }
}

struct Trade {
    at: i64,
    order: usize,
    side: Side,
    price: f64,
    qty: f64,
    mid: Option<f64>,
    /// How many interruptions came before it.
    run: usize,
}

/// Everything that happened.
#[derive(Default)]
struct History {
    now: i64,
    count: usize,
    run: usize,
    states: Vec<State>,
    trades: Vec<Trade>,
    /// How much happened before each interruption.
    breaks: Vec<usize>,
}

impl History {
    fn note(&mut self, happening: &Happening, levels: usize) {
        let real =
            |side: &[Level]| side.iter().take(levels).map(|level| (real(level.price), size(level.qty))).collect();
        let order = self.count;
        self.count += 1;
        match happening {
            Happening::Book { span, bids, asks } => {
                self.now += span;
                self.states.push(State { at: self.now, order, is_known: true, bids: real(bids), asks: real(asks) });
            }
            Happening::Trade { span, side, price, qty } => {
                self.now += span;
                let mid = self.states.last().and_then(State::mid);
                let (price, qty) = (self::real(*price), size(*qty));
                self.trades.push(Trade { at: self.now, order, side: *side, price, qty, mid, run: self.run });
            }
            Happening::Interrupt => {
                self.run += 1;
                self.breaks.push(order);
                self.states.push(State { at: self.now, order, ..State::default() });
            }
        }
    }

    fn flow(&self, level: usize) -> Vec<f64> {
        let known = self.states.windows(2).filter(|pair| pair[0].is_known && pair[1].is_known);
        let event = |pair: &[State]| {
            let side = |before: &[(f64, f64)], now: &[(f64, f64)], sign: f64| {
                let (Some(&(p0, q0)), Some(&(p1, q1))) = (before.get(level), now.get(level)) else { return 0.0 };
                let is = |truth: bool| f64::from(u8::from(truth));
                sign * (is(sign * p1 >= sign * p0) * q1 - is(sign * p1 <= sign * p0) * q0)
            };
            side(&pair[0].bids, &pair[1].bids, 1.0) + side(&pair[0].asks, &pair[1].asks, -1.0)
        };
        known.map(event).collect()
    }

    /// Per full bucket |bought − sold|, in hundredths, one hundredth at a time.
    fn buckets(&self, volume: usize) -> Vec<f64> {
        let units = self
            .trades
            .iter()
            .flat_map(|trade| std::iter::repeat_n(sign(trade.side), (trade.qty * 100.0).round() as usize));
        let units: Vec<f64> = units.collect();
        units.chunks_exact(volume).map(|bucket| bucket.iter().sum::<f64>().abs()).collect()
    }

    /// Price change, relative change, signed volume and worth of the bars of `count` trades; they begin anew after an
    /// interruption.
    fn bars(&self, count: usize) -> Vec<[f64; 4]> {
        let mut bars = Vec::new();
        for run in self.trades.chunk_by(|one, other| one.run == other.run) {
            let mut before = None;
            for bar in run.chunks_exact(count) {
                let price = bar[count - 1].price;
                let signed = bar.iter().map(|trade| sign(trade.side) * trade.qty).sum();
                let worth = bar.iter().map(|trade| trade.price * trade.qty).sum();
                if let Some(before) = before.replace(price) {
                    bars.push([price - before, (price - before) / before, signed, worth]);
                }
            }
        }
        bars
    }

    /// Each price change with the one before it.
    fn changes(&self) -> Vec<(f64, f64)> {
        let runs = self.trades.chunk_by(|one, other| one.run == other.run);
        let pairs = |run: &[Trade]| {
            let three = |three: &[Trade]| (three[1].price - three[0].price, three[2].price - three[1].price);
            run.windows(3).map(three).collect::<Vec<_>>()
        };
        runs.flat_map(pairs).collect()
    }

    fn effective(&self) -> Vec<f64> {
        let cost = |trade: &Trade| trade.mid.map(|mid| 2.0 * sign(trade.side) * (trade.price - mid));
        self.trades.iter().filter_map(cost).collect()
    }

    /// Costs of the trades whose horizon has passed, without a break before that was known.
    fn realized(&self, horizon: i64) -> Vec<f64> {
        let cost = |trade: &Trade| {
            trade.mid?;
            let due = trade.at + horizon;
            // It is known with the first event after it, if nothing was missed before.
            let books = self.states.iter().filter(|state| state.is_known).map(|state| (state.order, state.at));
            let events = books.chain(self.trades.iter().map(|trade| (trade.order, trade.at)));
            let seen = events.filter(|&(_, at)| at > due).map(|(order, _)| order).min()?;
            // The first break after the trade is that of its run.
            if self.breaks.get(trade.run).is_some_and(|&order| order < seen) {
                return None;
            }
            let state = self.states.iter().rev().find(|state| state.at <= due)?;
            state.mid().map(|mid| 2.0 * sign(trade.side) * (trade.price - mid))
        };
        self.trades.iter().filter_map(cost).collect()
    }

    fn autocorrelation(&self, count: usize, lag: usize) -> Option<f64> {
        let signs: Vec<f64> = last(&self.trades, count)?.iter().map(|trade| sign(trade.side)).collect();
        let mean = mean(&signs);
        let variance: f64 = signs.iter().map(|sign| (sign - mean).powi(2)).sum();
        let product: f64 = signs.windows(lag + 1).map(|pair| (pair[0] - mean) * (pair[lag] - mean)).sum();
        (variance > 1e-9).then(|| product / variance)
    }

    fn over_time(&self, of: impl Fn(&State) -> f64) -> Option<f64> {
        let until = self.states.iter().skip(1).map(|state| state.at);
        let spans = self.states.iter().zip(until).filter(|(state, _)| state.market().is_some());
        let (mut time, mut integral) = (0.0, 0.0);
        for (state, until) in spans {
            time += (until - state.at) as f64;
            integral += of(state) * (until - state.at) as f64;
        }
        (time > 0.0).then(|| integral / time)
    }

    fn check(&self, pack: &Microstructure, settings: &Settings) {
        self.check_book(pack, settings);
        let bucket = settings.bucket.unwrap().raw();
        let buckets = self.buckets(bucket as usize / 1_000_000);
        let vpin = last(&buckets, settings.buckets).map(|last| mean(last) * 1e6 / bucket as f64);
        near("vpin", pack.vpin.value(), vpin, 1.0);
        let bars = self.bars(settings.trades_per_bar as usize);
        let recent = last(&bars, settings.bars);
        let pairs = recent.map(|bars| bars.iter().map(|bar| (bar[2], bar[0])).collect::<Vec<_>>());
        let kyle = pairs.and_then(|pairs| {
            let variance = covariance(&pairs.iter().map(|&(x, _)| (x, x)).collect::<Vec<_>>());
            (variance > 1e-18).then(|| covariance(&pairs) / variance)
        });
        near("kyle", pack.kyle.value(), kyle, 1.0);
        let amihud = recent.map(|bars| mean(&bars.iter().map(|bar| bar[1].abs() / bar[3]).collect::<Vec<_>>()));
        near("amihud", pack.amihud.value(), amihud, 1e-3);
        let covariance = last(&self.changes(), settings.trades).map(covariance);
        let roll = covariance.map(|c| if c > 0.0 { -2.0 * c.sqrt() } else { 2.0 * (-c).sqrt() });
        // Of a covariance that is nearly zero the root has half the digits.
        let squared = |roll: Option<f64>| roll.map(|roll| roll * roll.abs());
        near("roll", squared(pack.roll.value()), squared(roll), 1e-3);
        let mean_of = |costs: &[f64]| last(costs, settings.trades).map(mean);
        near("effective", pack.cost.effective(), mean_of(&self.effective()), 1.0);
        near("realized", pack.cost.realized(), mean_of(&self.realized(settings.horizon.raw())), 1.0);
        for lag in 1..=LAGS_MAX {
            near("signs", pack.signs.value(lag), self.autocorrelation(settings.trades, lag), 1.0);
        }
        near("signs", pack.signs.value(0).or(pack.signs.value(LAGS_MAX + 1)), None, 1.0);
    }

    fn check_book(&self, pack: &Microstructure, settings: &Settings) {
        let state = self.states.last().cloned().unwrap_or_default();
        let market = state.market();
        near("mid", pack.depth().mid(), state.mid(), 100.0);
        near("spread", pack.depth().spread(), market.map(|(bid, ask)| ask - bid), 1.0);
        let bps = market.map(|(bid, ask)| 10_000.0 * (ask - bid) / (bid + ask) * 2.0);
        near("basis points", pack.depth().spread_bps(), bps, 1.0);
        let micro = market.map(|(bid, ask)| {
            let (bids, asks) = (state.bids[0].1, state.asks[0].1);
            (bid * asks + ask * bids) / (bids + asks)
        });
        near("microprice", pack.depth().microprice(), micro, 100.0);
        let total = |side: &[(f64, f64)], count: usize| side.iter().take(count).map(|level| level.1).sum::<f64>();
        for count in 1..=DEPTH_MAX {
            let (bids, asks) = (total(&state.bids, count), total(&state.asks, count));
            near("imbalance", pack.depth().imbalance(count), market.map(|_| (bids - asks) / (bids + asks)), 1.0);
        }
        let mut all = Some(0.0);
        for level in 0..DEPTH_MAX {
            let flow = self.flow(level);
            let sum =
                last(&flow, settings.flow_events).filter(|_| level < settings.levels).map(|last| last.iter().sum());
            near("order flow", pack.flow.value(level), sum, 1.0);
            if level < settings.levels {
                all = all.zip(sum).map(|(all, sum): (f64, f64)| all + sum);
            }
        }
        near("all order flow", pack.flow.total(), all, 1.0);
        let spread = |state: &State| state.market().map_or(0.0, |(bid, ask)| ask - bid);
        let of_bids = |state: &State| total(&state.bids, DEPTH_MAX);
        let of_asks = |state: &State| total(&state.asks, DEPTH_MAX);
        let markets: Vec<&State> = self.states.iter().filter(|state| state.market().is_some()).collect();
        let over_events = |of: &dyn Fn(&State) -> f64| {
            let states = last(&markets, settings.average_events)?;
            Some(mean(&states.iter().map(|state| of(state)).collect::<Vec<_>>()))
        };
        let averages = &pack.averages;
        near("mean spread", averages.spread(), over_events(&spread), 1.0);
        near("mean bids", averages.qty(Side::Bid), over_events(&of_bids), 1.0);
        near("mean asks", averages.qty(Side::Ask), over_events(&of_asks), 1.0);
        near("spread over time", averages.spread_over_time(), self.over_time(spread), 1.0);
        near("bids over time", averages.qty_over_time(Side::Bid), self.over_time(of_bids), 1.0);
        near("asks over time", averages.qty_over_time(Side::Ask), self.over_time(of_asks), 1.0);
    }
}

fn apply(pack: &mut Microstructure, now: i64, happening: &Happening) {
    let now = Nanos::new(now);
    match happening {
        Happening::Book { bids, asks, .. } => pack.on_book(now, bids, asks),
        Happening::Trade { side, price, qty, .. } => pack.on_trade(now, *side, *price, *qty),
        Happening::Interrupt => pack.interrupt(now),
    }
}

proptest! {
    #[test]
    fn every_measure_is_what_its_definition_makes_of_the_whole_history(stream in stream()) {
        let settings = settings();
        let (mut pack, mut history) = (Microstructure::new(settings), History::default());
        for (at, happening) in stream.iter().enumerate() {
            history.note(happening, settings.levels);
            apply(&mut pack, history.now, happening);
            // The whole history takes its time.
            if at % 11 == 0 || at + 1 == stream.len() {
                history.check(&pack, &settings);
            }
        }
    }

    #[test]
    fn a_covariance_survives_spikes_and_rest(
        steps in prop::collection::vec((prop_oneof![8 => -1.0..1.0f64, 1 => Just(0.0), 1 => -1e6..1e6f64], -1.0..1.0f64), 1..300),
        count in 2usize..20,
        base in prop_oneof![Just(0.0), Just(1e9)],
    ) {
        let mut running = covariance::Covariance::new(count);
        let pairs: Vec<(f64, f64)> = steps.into_iter().map(|(x, y)| (base + x, y)).collect();
        for end in 1..=pairs.len() {
            running.push(<[f64; 2]>::from(pairs[end - 1]));
            let expect = last(&pairs[..end], count);
            prop_assert_eq!(running.value().is_some(), expect.is_some());
            let (Some((got, [x, y])), Some(pairs)) = (running.value(), expect) else { continue };
            let of = |side: fn(&(f64, f64)) -> f64| {
                let both: Vec<_> = pairs.iter().map(|pair| (side(pair), side(pair))).collect();
                covariance(&both)
            };
            let (x_expect, y_expect) = (of(|pair| pair.0), of(|pair| pair.1));
            let floor = base * base * 1e-24;
            prop_assert!((x - x_expect).abs() <= 1e-9 * x_expect + floor, "{} {}", x, x_expect);
            prop_assert!((y - y_expect).abs() <= 1e-9 * y_expect + 1e-24, "{} {}", y, y_expect);
            let scale = (x_expect * y_expect).sqrt();
            prop_assert!((got - covariance(pairs)).abs() <= 1e-7 * scale + 1e-9, "{} {}", got, covariance(pairs));
        }
    }
}

#[test]
fn the_greatest_numbers_overflow_nothing() {
    let greatest = |raw: i64| Level { price: Price::from_raw(raw).unwrap(), qty: qty_max(), orders: 0 };
    let limit = crate::price::RAW_LIMIT;
    let bids: Vec<Level> = (0..10).map(|at| greatest(limit / 2 - at)).collect();
    let asks: Vec<Level> = (0..10).map(|at| greatest(limit - 10 + at)).collect();
    let low: Vec<Level> = (0..10).map(|at| greatest(10 - limit - at)).collect();
    let mut pack = Microstructure::new(Settings { levels: DEPTH_MAX, ..settings() });
    for at in 0..100 {
        let now = Nanos::new(if at % 7 == 0 { i64::MAX } else { i64::MAX / 100 * at });
        pack.on_book(now, if at % 2 == 0 { &bids } else { &low }, &asks);
        let (price, side) = (asks[0].price, Side::from_code((at % 3 == 0).into()).unwrap());
        let other = Price::from_raw(-price.raw()).unwrap();
        pack.on_trade(now, side, if at % 5 == 0 { other } else { price }, qty_max());
        assert!(pack.values().iter().all(|(_, value)| value.is_none_or(f64::is_finite)));
    }
}

fn qty_max() -> Qty {
    Qty::from_raw(crate::price::RAW_LIMIT - 1).unwrap()
}

#[test]
fn a_top_is_a_book_of_one_level() {
    let level = |ticks| Some(Level { price: price(ticks), qty: qty(100), orders: 0 });
    let mut pack = Microstructure::new(settings());
    pack.on_top(Nanos::ZERO, &Top { bid: level(9_999), ask: level(10_001) });
    assert_eq!(pack.depth().mid(), Some(100.0));
    assert_eq!(pack.depth().imbalance(5), Some(0.0));
    pack.on_top(Nanos::ZERO, &Top { bid: level(9_999), ask: None });
    assert_eq!(pack.depth().mid(), None);
}

#[test]
fn too_many_trades_within_the_horizon_are_counted() {
    let mut pack = Microstructure::new(settings());
    let level = |ticks| [Level { price: price(ticks), qty: qty(100), orders: 0 }];
    pack.on_book(Nanos::ZERO, &level(9_999), &level(10_001));
    for _ in 0..TradeCost::PENDING_MAX + 3 {
        pack.on_trade(Nanos::ZERO, Side::Bid, price(10_001), qty(1));
    }
    assert_eq!(pack.cost().unsampled(), 3);
    pack.on_book(Nanos::new(4_000_000_000), &level(10_000), &level(10_002));
    assert_eq!((pack.cost().effective(), pack.cost().realized()), (Some(0.02), Some(0.02)), "the mid until then");
}

#[test]
fn a_clock_that_goes_back_stands_still() {
    let mut pack = Microstructure::new(settings());
    let level = |ticks| [Level { price: price(ticks), qty: qty(100), orders: 0 }];
    for (at, ask) in [(0, 10_001), (10, 10_003), (5, 10_003), (20, 10_001)] {
        pack.on_book(Nanos::new(at), &level(10_000), &level(ask));
    }
    // For ten nanoseconds 0.01, then for ten 0.03.
    near("spread", pack.averages().spread_over_time(), Some(0.02), 1.0);
}
