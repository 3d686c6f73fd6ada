use super::super::agents::Maker;
use super::super::chance::{Chance, seed_of};
use super::super::universe::Hours;
use super::*;
use crate::cases;
use std::collections::BTreeMap;
use std::time::Instant;
use tidegate_core::matching::TimeInForce;

/// Monday 2025-06-30, 10:00 in India: the middle of a morning.
const MORNING: Nanos = Nanos::new(1_751_257_800 * Nanos::SECOND.raw());
const MINUTE: i64 = 60 * Nanos::SECOND.raw();
/// Who is looked at closely: busy and quiet, dense and sparse.
const WATCHED: [&str; 5] = ["BINANCE:BTCUSDT", "BINANCE:ETHUSDT", "NSE:RELIANCE", "NSE:SBIN", "NSE:ULTRACEMCO"];

fn after(start: Nanos, minutes: i64) -> Nanos {
    start.plus(Nanos::new(minutes * MINUTE))
}

fn market(universe: Universe, seed: u64, at: Nanos) -> SimMarket {
    let prices = SimMarket::first_prices(&universe, seed, at);
    SimMarket::start(universe, Settings { seed, rate_percent: 100 }, at, &prices).unwrap()
}

fn built_in(seed: u64) -> SimMarket {
    market(Universe::built_in().unwrap(), seed, MORNING)
}

fn run(market: &mut SimMarket, to: Nanos) -> Vec<Output> {
    let mut out = Vec::new();
    while !market.advance(to, &mut out) {}
    out
}

fn position(market: &SimMarket, key: &str) -> u32 {
    market.universe().find(key).unwrap() as u32
}

/// The outputs as one number.
fn hash(out: &[Output]) -> u64 {
    out.iter().fold(0, |hash, output| seed_of(hash, &format!("{output:?}")))
}

#[test]
fn the_same_seed_gives_the_same_stream_however_time_is_cut() {
    let seeds = cases::count(30, 300).max(3);
    let mut outputs = 0;
    for seed in 0..seeds {
        let end = after(MORNING, 2);
        let whole = run(&mut built_in(seed), end);
        let (mut market, mut pieces) = (built_in(seed), Vec::new());
        let mut chance = Chance::new(seed, "cuts", 0);
        while market.now() < end {
            let to = market.now().plus(Nanos::new(chance.below(1_000_000_000))).min(end);
            pieces.extend(run(&mut market, to));
        }
        assert!(whole == pieces, "seed {seed}");
        assert_ne!(hash(&whole[..100]), hash(&run(&mut built_in(seed + 1), end)[..100]));
        outputs += whole.len();
    }
    println!("{seeds} seeds, {outputs} outputs: 0 differences between one step and many");
}

/// A change here is a change of every simulated stream: say so in the changelog.
#[test]
fn the_stream_of_a_seed_is_pinned() {
    assert_eq!(hash(&run(&mut built_in(1), after(MORNING, 1))), 16_407_445_561_157_584_285);
}

#[test]
fn more_instruments_leave_the_others_as_they_are() {
    let few = run(&mut built_in(5), after(MORNING, 1));
    let mut large = market(Universe::with_instruments(300).unwrap(), 5, MORNING);
    let index = large.index_position();
    let many = run(&mut large, after(MORNING, 1));
    let of_few = |it: &&Output| it.instrument < 52;
    assert!(few.iter().filter(of_few).eq(many.iter().filter(of_few)));
    assert!(many.iter().any(|it| (52..index).contains(&it.instrument)), "synthetic names trade");
}

#[test]
fn a_call_is_bounded_and_goes_on_where_it_stopped() {
    let (mut market, mut out) = (built_in(1), Vec::new());
    let end = after(MORNING, 5);
    assert!(!market.advance(end, &mut out), "more happens than fits");
    assert!((OUTPUTS_MAX..OUTPUTS_MAX + 1_000).contains(&out.len()), "{}", out.len());
    assert!(market.now() < end);
    out.extend(run(&mut market, end));
    assert!(out == run(&mut built_in(1), end));
    assert_eq!(market.now(), end);
}

/// What a client can know: the book as its first snapshot and all changes since give it.
struct Seen {
    sides: [BTreeMap<i64, Level>; 2],
    update_id: u64,
    trade_id: Option<u64>,
}

impl Seen {
    fn new(market: &SimMarket, position: u32) -> Seen {
        let side = |side| market.depth(position, side, usize::MAX).map(|it| (it.price.raw(), it)).collect();
        Seen { sides: Side::BOTH.map(side), update_id: market.update_id(position).unwrap(), trade_id: None }
    }

    fn best(&self, side: Side) -> Option<Level> {
        let levels = &self.sides[usize::from(side.code())];
        if side == Side::Bid { levels.values().next_back().copied() } else { levels.values().next().copied() }
    }

    fn top(&self) -> Top {
        Top { bid: self.best(Side::Bid), ask: self.best(Side::Ask) }
    }

    fn see(&mut self, output: &Output) {
        match output.what {
            What::Trade { id, fill } => {
                assert!(self.trade_id.is_none_or(|last| last + 1 == id), "{output:?}");
                self.trade_id = Some(id);
                let best = self.best(fill.side.opposite()).map(|level| level.price);
                assert_eq!(best, Some(fill.price), "a trade is at the best price of the other side: {output:?}");
                assert!(fill.qty > Qty::ZERO);
                assert!(!Maker::owns(fill.maker) || !Maker::owns(fill.taker), "the maker met itself: {output:?}");
            }
            What::Level { update_id, side, level } => {
                self.update_id += 1;
                assert_eq!(update_id, self.update_id, "{output:?}");
                let levels = &mut self.sides[usize::from(side.code())];
                levels.remove(&level.price.raw());
                if level.qty > Qty::ZERO {
                    levels.insert(level.price.raw(), level);
                }
                assert!(!self.top().is_crossed(), "{output:?}");
            }
            What::Top { update_id, top } => assert_eq!((update_id, top), (self.update_id, self.top())),
            What::Index(_) => panic!("an index has no book"),
        }
    }
}

#[test]
fn what_is_told_rebuilds_every_book() {
    let minutes = cases::count(100, 1_000).max(5) as i64;
    let mut market = built_in(9);
    let index = market.index_position();
    let mut seen: Vec<Seen> = (0..index).map(|position| Seen::new(&market, position)).collect();
    let (mut outputs, mut trades, mut last) = (0u64, 0u64, MORNING);
    for minute in 1..=minutes {
        for output in run(&mut market, after(MORNING, minute)) {
            assert!(output.at >= last && output.at > after(MORNING, minute - 1), "time goes on: {output:?}");
            last = output.at;
            outputs += 1;
            trades += u64::from(matches!(output.what, What::Trade { .. }));
            if output.instrument != index {
                seen[output.instrument as usize].see(&output);
            }
        }
        for (position, seen) in (0..).zip(&seen) {
            for side in Side::BOTH {
                let levels: Vec<Level> = market.depth(position, side, usize::MAX).collect();
                let mut told: Vec<Level> = seen.sides[usize::from(side.code())].values().copied().collect();
                if side == Side::Bid {
                    told.reverse();
                }
                assert_eq!(told, levels);
                assert!(levels.len() >= 10, "{} levels at {position} after {minute} minutes", levels.len());
            }
        }
    }
    println!("{minutes} minutes of 52 books: {outputs} outputs, {trades} trades, 0 differences, never crossed");
}

#[derive(Default)]
struct Statistics {
    /// Milliseconds by spread in ticks.
    spread_ms: BTreeMap<i64, i64>,
    /// Lots of the first three, and of the eighth to tenth levels, over all samples.
    near: i64,
    far: i64,
    /// Samples of a side, and those with 20 levels or more.
    sides: i64,
    deep: i64,
    /// Trades by second.
    trades: Vec<i64>,
}

impl Statistics {
    /// Looks at the market once a second, and at all that happens between.
    fn gather(seconds: i64) -> Vec<Statistics> {
        let mut market = built_in(11);
        let watched: Vec<u32> = WATCHED.iter().map(|key| position(&market, key)).collect();
        let mut found: Vec<Statistics> = WATCHED.iter().map(|_| Statistics::default()).collect();
        let mut last = [None; WATCHED.len()];
        for second in 1..=seconds {
            let outputs = run(&mut market, MORNING.plus(Nanos::new(second * Nanos::SECOND.raw())));
            for (number, &at) in watched.iter().enumerate() {
                let profile = market.universe().listings()[at as usize].profile;
                let mine = outputs.iter().filter(|it| it.instrument == at);
                found[number].see_events(mine, profile.tick, &mut last[number]);
                for side in Side::BOTH {
                    let depth = market.depth(at, side, 20);
                    found[number].see_side(depth.map(|it| it.qty.raw() / profile.lot).collect());
                }
            }
        }
        found
    }

    fn see_events<'a>(
        &mut self,
        outputs: impl Iterator<Item = &'a Output>,
        tick: i64,
        last: &mut Option<(Nanos, i64)>,
    ) {
        let mut trades = 0;
        for output in outputs {
            match output.what {
                What::Trade { .. } => trades += 1,
                What::Top { top: Top { bid: Some(bid), ask: Some(ask) }, .. } => {
                    let spread = (ask.price.raw() - bid.price.raw()) / tick;
                    if let Some((since, spread)) = last.replace((output.at, spread)) {
                        *self.spread_ms.entry(spread).or_default() += output.at.since(since).raw() / 1_000_000;
                    }
                }
                _ => {}
            }
        }
        self.trades.push(trades);
    }

    fn see_side(&mut self, lots: Vec<i64>) {
        self.near += lots.iter().take(3).sum::<i64>();
        self.far += lots.iter().skip(7).take(3).sum::<i64>();
        self.sides += 1;
        self.deep += i64::from(lots.len() == 20);
    }
}

fn percent(part: i64, whole: i64) -> i64 {
    100 * part / whole.max(1)
}

#[test]
fn spread_depth_and_bursts_are_believable() {
    let seconds = cases::count(3_000, 30_000).max(120) as i64;
    for (key, found) in WATCHED.into_iter().zip(Statistics::gather(seconds)) {
        let all: i64 = found.spread_ms.values().sum();
        let narrow = percent(found.spread_ms.range(1..=3).map(|(_, ms)| ms).sum(), all);
        let deep = percent(found.deep, found.sides);
        let trades: i64 = found.trades.iter().sum();
        // Variance over mean of the trades in a second, in hundredths: 100 where they do not cluster.
        let squares: i64 = found.trades.iter().map(|count| count * count).sum();
        let clustering = 100 * (squares - trades * trades / seconds) / trades.max(1);
        let widest = found.spread_ms.keys().next_back().copied().unwrap_or_default();
        println!(
            "{key}: {seconds} s, spread 1-3 ticks {narrow} % of the time (widest {widest}), {deep} % of {} sides \
             with 20 levels, levels 8-10 hold {} % of levels 1-3, {trades} trades, clustering {clustering} %",
            found.sides,
            percent(found.far, found.near)
        );
        assert!(narrow >= 85, "{key}: {narrow} %");
        assert!(deep >= 90, "{key}: {deep} %");
        assert!(found.far > found.near * 3 / 2, "{key}: {} and {} lots", found.near, found.far);
        assert!(clustering >= 150, "{key}: {clustering} %");
    }
}

#[test]
fn prices_move_as_far_as_they_should() {
    let spans = cases::count(100, 1_000).max(6) as i64;
    let mut market = built_in(21);
    let profiles: Vec<_> = market.universe().listings().iter().map(|it| it.profile).collect();
    // What a day is worth, in 1024ths of a steady minute.
    let whole = |hours: Hours| (0..1_440).map(|minute| hours.activity(after(MORNING, minute))).sum::<i64>();
    let days: Vec<i64> = profiles.iter().map(|it| whole(it.hours)).collect();
    let mut last = market.last_prices();
    let (mut squares, mut expect) = (0i128, 0i128);
    for span in 0..spans {
        run(&mut market, after(MORNING, 5 * (span + 1)));
        let prices = market.last_prices();
        for (position, profile) in profiles.iter().enumerate() {
            let (from, to) = (i128::from(last[position].raw()), i128::from(prices[position].raw()));
            // In millionths, over the meant deviation: all instruments count the same.
            let off = (to - from) * 1_000_000 * 1_000 / from / i128::from(profile.volatility_bp * 100);
            squares += off * off;
            let activity: i64 = (0..5).map(|minute| profile.hours.activity(after(MORNING, 5 * span + minute))).sum();
            expect += 1_000_000 * i128::from(activity) / i128::from(days[position]);
        }
        last = prices;
    }
    let ratio = squares * 100 / expect;
    println!("{spans} times 5 minutes of 52 instruments: variance {ratio} % of what their volatility means");
    assert!((60..170).contains(&ratio), "{ratio} %");
}

/// Lots traded by the index members in the ten minutes from an Indian time of day.
fn volume_at(hour: i64, minute: i64, seed: u64) -> i128 {
    let at = Nanos::new(MORNING.raw() + ((hour - 10) * 60 + minute) * MINUTE);
    let mut market = market(Universe::built_in().unwrap(), seed, at);
    let members = market.universe().index().members() as u32;
    run(&mut market, after(at, 10));
    (0..members).map(|position| market.day(position).unwrap().volume / 100_000_000).sum()
}

#[test]
fn the_indian_day_is_busy_at_its_ends_and_quiet_at_night() {
    let seeds = cases::count(10, 100).max(1);
    let volume = |hour, minute| (0..seeds).map(|seed| volume_at(hour, minute, seed)).sum::<i128>();
    let [open, noon, close, night] = [volume(9, 15), volume(12, 20), volume(15, 20), volume(3, 0)];
    println!("{seeds} seeds, lots in ten minutes: open {open}, noon {noon}, close {close}, night {night}");
    assert!(open > 2 * noon && close > 2 * noon && noon > 2 * night && night > 0);
}

#[test]
fn the_index_is_what_its_members_last_traded_at() {
    let mut market = built_in(3);
    let index = market.index_position();
    let mut last = market.last_prices();
    let (mut values, mut previous) = (0, Nanos::ZERO);
    for output in run(&mut market, after(MORNING, 10)) {
        match output.what {
            What::Trade { fill, .. } => last[output.instrument as usize] = fill.price,
            What::Index(day) => {
                let of_index = market.universe().index();
                let parts = (0..of_index.members()).map(|member| of_index.part(member, last[member].raw())).sum();
                assert_eq!(day.last, of_index.value(parts));
                assert!(day.low <= day.last && day.last <= day.high && output.at.since(previous) >= Nanos::SECOND);
                assert_eq!((output.instrument, output.at.floor(Nanos::SECOND)), (index, output.at));
                (values, previous) = (values + 1, output.at);
            }
            _ => {}
        }
    }
    assert!(values > 300, "{values} values in 600 seconds");
    assert_eq!(market.top(index), Top::default());
}

#[test]
fn a_later_start_continues_from_the_last_prices() {
    let mut first = built_in(4);
    run(&mut first, after(MORNING, 3));
    let prices = first.last_prices();
    let later = after(MORNING, 60);
    let universe = Universe::built_in().unwrap();
    let settings = Settings { seed: 4, rate_percent: 100 };
    let mut second = SimMarket::start(universe, settings, later, &prices).unwrap();
    for (position, price) in (0..).zip(&prices) {
        let (top, day) = (second.top(position), second.day(position).unwrap());
        let tick = second.universe().listings()[position as usize].profile.tick;
        let (bid, ask) = (top.bid.unwrap().price.raw(), top.ask.unwrap().price.raw());
        assert!(bid - 3 * tick <= price.raw() && price.raw() <= ask + 3 * tick, "{bid} {price} {ask}");
        assert_eq!((day.open, day.previous_close, day.trades), (*price, *price, 0));
        assert!(second.update_id(position) > first.update_id(position));
    }
    assert_eq!(second.last_prices(), prices);
    assert!(run(&mut second, after(later, 1)).len() > 1_000);
}

#[test]
fn a_last_price_that_a_client_made_is_no_reason_not_to_start() {
    let universe = Universe::built_in().unwrap();
    for raw in [50_000_000, 999_999_999_000_000_000] {
        let mut prices = vec![Price::from_raw(raw).unwrap(); 52];
        prices[50] = Price::from_raw(raw / 5).unwrap();
        let settings = Settings { seed: 4, rate_percent: 1_000 };
        let mut market = SimMarket::start(universe.clone(), settings, MORNING, &prices).unwrap();
        run(&mut market, after(MORNING, 1));
        for position in 0..52 {
            assert!(market.depth(position, Side::Bid, 100).count() > 10 && !market.top(position).is_crossed());
        }
    }
}

#[test]
fn a_start_that_makes_no_sense_is_refused() {
    let refused = |prices: &[Price], rate_percent| {
        let settings = Settings { seed: 1, rate_percent };
        SimMarket::start(Universe::built_in().unwrap(), settings, MORNING, prices).err().unwrap().to_string()
    };
    let mut prices = built_in(1).last_prices();
    assert_eq!(refused(&prices, 0), "rate_percent: 0 is outside 1..=10000");
    assert_eq!(refused(&prices[1..], 100), "prices: 51 for 52 instruments");
    prices[36] = Price::ZERO;
    assert_eq!(refused(&prices, 100), "NSE:RELIANCE: start price 0 is not above zero");
}

fn order(id: u64, side: Side, limit: Option<Price>, lots: i64) -> Command {
    let qty = Qty::from_raw(lots * 100_000_000).unwrap();
    Command::Submit(NewOrder { id, side, limit, qty, tif: TimeInForce::Gtc })
}

#[test]
fn an_order_from_outside_meets_the_agents() {
    let mut market = built_in(8);
    let at = position(&market, "NSE:RELIANCE");
    let (mut reports, mut out) = (Vec::new(), Vec::new());
    let id = FIRST_ORDER_ID;
    let bid = market.top(at).bid.unwrap();
    market.apply(at, order(id, Side::Bid, Some(bid.price), 50), &mut reports, &mut out).unwrap();
    assert_eq!(market.order(at, id).unwrap().open, Qty::from_raw(5_000_000_000).unwrap());
    let total = Qty::from_raw(bid.qty.raw() + 5_000_000_000).unwrap();
    assert_eq!(market.top(at).bid, Some(Level { qty: total, orders: bid.orders + 1, ..bid }));
    assert!(matches!(out[..], [Output { what: What::Level { .. }, .. }, Output { what: What::Top { .. }, .. }]));
    // The agents come and fill it.
    let is_mine = |it: &Output| matches!(it.what, What::Trade { fill, .. } if fill.maker == id);
    let filled: i64 = run(&mut market, after(MORNING, 30))
        .iter()
        .filter(|it| is_mine(it))
        .map(|it| if let What::Trade { fill, .. } = it.what { fill.qty.raw() } else { 0 })
        .sum();
    let open = market.order(at, id).map_or(0, |it| it.open.raw());
    assert!(filled > 0 && filled + open == 5_000_000_000, "{filled} filled, {open} open");
    reports.clear();
    let price = market.top(at).bid.unwrap().price;
    market.apply(at, order(id + 1, Side::Bid, Some(price), 7), &mut reports, &mut out).unwrap();
    market.apply(at, Command::Modify { id: id + 1, price, open: bid.qty }, &mut reports, &mut out).unwrap();
    market.apply(at, Command::Cancel(id + 1), &mut reports, &mut out).unwrap();
    assert_eq!(reports.iter().filter(|it| matches!(it, Report::Cancelled { .. })).count(), 1);
    assert_eq!(market.order(at, id + 1), None);
}

#[test]
fn what_no_client_may_do_is_refused() {
    let mut market = built_in(8);
    let (mut reports, mut out) = (Vec::new(), Vec::new());
    market.apply(0, Command::Cancel(3), &mut reports, &mut out).unwrap();
    market.apply(0, order(3, Side::Bid, None, 1), &mut reports, &mut out).unwrap();
    let texts: Vec<String> = reports
        .iter()
        .map(|it| if let Report::Rejected { id, reason } = it { format!("{id} {reason}") } else { panic!("{it:?}") })
        .collect();
    assert_eq!(texts, ["3 id: no such order", "3 id: taken by a resting order"]);
    assert!(out.is_empty());
    let index = market.index_position();
    let error = market.apply(index, Command::Cancel(FIRST_ORDER_ID), &mut reports, &mut out).unwrap_err();
    assert_eq!(error.to_string(), "instrument: nothing trades at position 52");
}

#[test]
fn a_book_that_was_taken_empty_fills_again() {
    let mut market = built_in(2);
    let (mut reports, mut out) = (Vec::new(), Vec::new());
    for (id, side) in (FIRST_ORDER_ID..).zip(Side::BOTH) {
        market.apply(0, order(id, side, None, 10_000_000), &mut reports, &mut out).unwrap();
    }
    assert_eq!(market.top(0), Top::default());
    run(&mut market, after(MORNING, 5));
    for side in Side::BOTH {
        assert!(market.depth(0, side, 100).count() >= 20);
    }
}

/// The day of an instrument around its midnight.
fn check_midnight(key: &str, midnight: Nanos) {
    let mut market = market(Universe::built_in().unwrap(), 6, midnight.since(Nanos::new(5 * MINUTE)));
    let at = position(&market, key);
    run(&mut market, midnight.since(Nanos::new(1)));
    let before = market.day(at).unwrap();
    run(&mut market, midnight);
    let after_midnight = market.day(at).unwrap();
    assert!(before.trades > 0 && after_midnight.trades == 0, "{key}");
    assert_eq!((after_midnight.start, after_midnight.previous_close), (midnight, before.last));
    run(&mut market, after(midnight, 5));
    let later = market.day(at).unwrap();
    assert!(later.trades > 0 && later.open == before.last && later.low <= later.last && later.last <= later.high);
    assert_eq!(later.start, midnight);
}

#[test]
fn a_new_day_starts_from_the_last_price() {
    let of_utc = MORNING.floor(DAY).plus(DAY);
    check_midnight("BINANCE:BTCUSDT", of_utc);
    check_midnight("NSE:RELIANCE", of_utc.since(Nanos::new(330 * MINUTE)));
}

/// Whatever clients send, the agents' arithmetic holds.
#[test]
fn monstrous_orders_do_no_harm() {
    let mut market = built_in(2);
    let (mut reports, mut out) = (Vec::new(), Vec::new());
    let most = 9_999_999_999;
    let highest = Price::from_raw(999_999_999_000_000_000);
    for (id, (side, limit)) in (FIRST_ORDER_ID..).zip([
        (Side::Bid, highest),
        (Side::Ask, None),
        (Side::Ask, Price::from_raw(50_000_000)),
        (Side::Bid, highest),
        (Side::Bid, highest),
    ]) {
        market.apply(0, order(id, side, limit, most), &mut reports, &mut out).unwrap();
        let to = market.now().plus(Nanos::new(MINUTE));
        run(&mut market, to);
    }
    assert!(reports.iter().any(|it| matches!(it, Report::Fill(fill) if fill.qty.raw() > 10i64.pow(17))));
    assert!(!market.top(0).is_crossed());
}

/// Only what is due is touched: printed, as a time is no matter of right or wrong.
#[test]
fn what_a_minute_costs() {
    for count in [52, 2_000] {
        let started = Instant::now();
        let mut market = market(Universe::with_instruments(count).unwrap(), 1, MORNING);
        let start_ms = started.elapsed().as_millis();
        let (mut outputs, mut out, end) = (0, Vec::with_capacity(OUTPUTS_MAX + 1_000), after(MORNING, 10));
        let started = Instant::now();
        while market.now() < end {
            out.clear();
            market.advance(end, &mut out);
            outputs += out.len() as u128;
        }
        let took = started.elapsed();
        let rate = outputs * 1_000_000 / took.as_micros().max(1);
        println!("{count} instruments: start {start_ms} ms, a minute {:?}, {rate} outputs/s", took / 10);
        assert!(outputs > 1_000 * count as u128);
    }
}
