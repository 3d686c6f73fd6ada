//! A venue small enough to know everything about: it writes captures and keeps the truth beside them.

use rand::rngs::SmallRng;
use rand::{RngExt, SeedableRng};
use std::collections::BTreeMap;
use std::fmt::Write;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Market {
    Spot,
    UsdM,
    CoinM,
}

impl Market {
    pub fn venue(self) -> &'static str {
        match self {
            Market::Spot => "binance-spot",
            Market::UsdM => "binance-usdm",
            Market::CoinM => "binance-coinm",
        }
    }
}

/// A capture and what must be found in it.
pub struct Capture {
    pub text: String,
    pub lines: u64,
    pub diffs: u64,
    pub points: u64,
    pub trades: u64,
    pub last_top: [String; 4],
}

/// Prices in cents and quantities in thousandths: the twin needs no more.
struct Venue {
    market: Market,
    bids: BTreeMap<i64, i64>,
    asks: BTreeMap<i64, i64>,
    update: u64,
    previous: u64,
    trade: u64,
    now: i64,
    rng: SmallRng,
    out: Capture,
}

/// A capture of `diffs` changes that follow the snapshot, begun before the snapshot as real ones are.
pub fn capture(market: Market, seed: u64, diffs: u64) -> Capture {
    let mut venue = Venue {
        market,
        bids: (0..60).map(|n| (10_000 - n * 3, 1_000 + n)).collect(),
        asks: (0..60).map(|n| (10_001 + n * 3, 1_000 + n)).collect(),
        update: 1_000,
        previous: 1_000,
        trade: 50,
        // Two seconds before an hour: recordings begin a second segment.
        now: 1_723_161_598_000_000_000,
        rng: SmallRng::seed_from_u64(seed),
        out: Capture { text: String::new(), lines: 0, diffs: 0, points: 0, trades: 0, last_top: Default::default() },
    };
    // Two changes that the snapshot contains already, and one that it contains in part.
    venue.diff(false);
    venue.diff(false);
    venue.snapshot();
    for _ in 0..diffs {
        if venue.rng.random_ratio(1, 3) {
            venue.trade();
        }
        let ticker = venue.rng.random_range(0..4);
        venue.diff(ticker == 0);
        if ticker == 1 {
            venue.ticker();
        }
    }
    venue.out.last_top = venue.top();
    venue.out
}

impl Venue {
    fn line(&mut self, json: &str) {
        self.now += self.rng.random_range(1_000..40_000_000);
        writeln!(self.out.text, "{} {json}", self.now).unwrap();
        self.out.lines += 1;
    }

    fn top(&self) -> [String; 4] {
        let show = |level: Option<(&i64, &i64)>| level.map(|(&price, &qty)| (cents(price), thousandths(qty))).unwrap();
        let (bid, bid_qty) = show(self.bids.last_key_value());
        let (ask, ask_qty) = show(self.asks.first_key_value());
        [bid, bid_qty, ask, ask_qty]
    }

    fn diff(&mut self, ticker_first: bool) {
        let count = self.rng.random_range(0..6);
        let mut sides = [Vec::new(), Vec::new()];
        for _ in 0..count {
            let is_bid = self.rng.random();
            let depth = self.rng.random_range(0..150);
            let qty = if self.rng.random_ratio(1, 3) { 0 } else { self.rng.random_range(1..5_000) };
            let (levels, price) =
                if is_bid { (&mut self.bids, 10_000 - depth) } else { (&mut self.asks, 10_001 + depth) };
            levels.remove(&price);
            if qty > 0 {
                levels.insert(price, qty);
            }
            // The touch never disappears: a ticker must have something to say.
            levels.entry(if is_bid { 10_000 } else { 10_001 }).or_insert(7);
            let touch = if is_bid { 10_000 } else { 10_001 };
            let side = &mut sides[usize::from(!is_bid)];
            side.push(level(price, qty));
            side.push(level(touch, levels[&touch]));
        }
        // Futures ids skip numbers: `U` is not the previous `u` plus one.
        let skipped = if self.market == Market::Spot { 0 } else { self.rng.random_range(0..9) };
        let first = self.update + 1 + skipped;
        self.update = first + self.rng.random_range(0..5);
        if ticker_first {
            self.ticker();
        }
        let futures = match self.market {
            Market::Spot => String::new(),
            Market::UsdM => format!("\"T\":{},\"pu\":{},", self.now / 1_000_000, self.previous),
            Market::CoinM => format!("\"T\":{},\"ps\":\"XUSD\",\"pu\":{},", self.now / 1_000_000, self.previous),
        };
        let [bids, asks] = sides.map(|side| side.join(","));
        self.line(&format!(
            r#"{{"stream":"x@depth@100ms","data":{{"e":"depthUpdate","E":{},"s":"X",{futures}"U":{first},"u":{},"b":[{bids}],"a":[{asks}]}}}}"#,
            self.now / 1_000_000,
            self.update,
        ));
        self.previous = self.update;
        self.out.diffs += 1;
    }

    fn snapshot(&mut self) {
        let side = |levels: Vec<(&i64, &i64)>| {
            levels.into_iter().map(|(&price, &qty)| level(price, qty)).collect::<Vec<_>>().join(",")
        };
        let bids = side(self.bids.iter().rev().collect());
        let asks = side(self.asks.iter().collect());
        let symbol = match self.market {
            Market::Spot => "",
            Market::UsdM | Market::CoinM => r#""symbol":"X","#,
        };
        let last = self.update;
        self.line(&format!(r#"{{"lastUpdateId":{last},{symbol}"bids":[{bids}],"asks":[{asks}]}}"#));
        // What came before it is contained in it. Futures drop `u < lastUpdateId`, not `u <=`: the last
        // change is applied once more.
        self.out.diffs = u64::from(self.market != Market::Spot);
    }

    fn ticker(&mut self) {
        let [bid, bid_qty, ask, ask_qty] = self.top();
        let update = self.update;
        self.line(&format!(
            r#"{{"stream":"x@bookTicker","data":{{"u":{update},"s":"X","b":"{bid}","B":"{bid_qty}","a":"{ask}","A":"{ask_qty}"}}}}"#
        ));
        self.out.points += 1;
    }

    fn trade(&mut self) {
        self.trade += 1;
        let (id, price, time) = (self.trade, cents(self.rng.random_range(9_990..10_010)), self.now / 1_000_000);
        let maker: bool = self.rng.random();
        self.line(&format!(
            r#"{{"stream":"x@trade","data":{{"e":"trade","E":{time},"s":"X","t":{id},"p":"{price}","q":"0.250","T":{time},"m":{maker}}}}}"#
        ));
        self.out.trades += 1;
    }
}

fn cents(price: i64) -> String {
    format!("{}.{:02}", price / 100, price % 100)
}

fn thousandths(qty: i64) -> String {
    format!("{}.{:03}", qty / 1_000, qty % 1_000)
}

fn level(price: i64, qty: i64) -> String {
    format!(r#"["{}","{}"]"#, cents(price), thousandths(qty))
}
