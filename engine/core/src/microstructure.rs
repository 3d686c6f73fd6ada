//! What the order book and the trades tell of a market beyond its prices, event by event.
//!
//! Each measure is a small struct with an `update` for the events that concern it, which takes constant time and
//! allocates nothing, and a value that is `None` until it is defined. [`Microstructure`] holds them all for one
//! instrument. Prices and quantities come as integers, and are added up as such; they become `f64` where a value is
//! asked for, and nothing leads back.
//!
//! Windows are so many events, trades or bars; none is a span of time except for the horizon of the realized spread.

mod average;
mod covariance;
mod depth;
mod flow;
mod impact;
mod last;
mod sign;
mod spread;
mod vpin;

pub use average::BookAverages;
pub use depth::{DEPTH_MAX, Depth};
pub use flow::OrderFlow;
pub use impact::{Amihud, KyleLambda, TradeBar, TradeBars};
pub use sign::{LAGS_MAX, SignMemory};
pub use spread::{RollSpread, TradeCost};
pub use vpin::Vpin;

use crate::book::{Level, Top};
use crate::event::Side;
use crate::price::{Price, Qty};
use crate::time::Nanos;

/// Raw units of a [`Price`] in one of currency.
const PRICE_UNITS: f64 = 1e9;
/// Raw units of a [`Qty`] in one.
const QTY_UNITS: f64 = 1e8;

/// What the measures of [`Microstructure`] look back on.
#[derive(Clone, Copy, Debug)]
pub struct Settings {
    /// Levels of a side, up to [`DEPTH_MAX`].
    pub levels: usize,
    /// Book events of the order-flow imbalance.
    pub flow_events: usize,
    /// Book events of the mean spread and depth.
    pub average_events: usize,
    /// Volume of a bucket of VPIN; a fiftieth of the volume of a usual day, as its authors take it. `None` where nobody
    /// knows it yet: see [`Microstructure::begin_buckets`].
    pub bucket: Option<Qty>,
    /// Buckets of VPIN.
    pub buckets: usize,
    /// Trades of Roll's spread, of the effective and realized spread, and of the memory of signs.
    pub trades: usize,
    /// When the mid of the realized spread is taken.
    pub horizon: Nanos,
    /// Trades of a bar of Kyle's lambda and Amihud's illiquidity.
    pub trades_per_bar: u32,
    /// How many such bars they look back on.
    pub bars: usize,
}

impl Settings {
    /// The usual ones, with that volume of a bucket.
    pub fn new(bucket: Option<Qty>) -> Settings {
        Settings {
            levels: 5,
            flow_events: 100,
            average_events: 1_000,
            bucket,
            buckets: 50,
            trades: 500,
            horizon: Nanos::new(5_000_000_000),
            trades_per_bar: 20,
            bars: 100,
        }
    }
}

/// How many values [`Microstructure::values`] tells.
pub const VALUES: usize = 22;

/// All measures of one instrument.
#[derive(Clone, Debug)]
pub struct Microstructure {
    settings: Settings,
    /// The best levels now and before, in turn: none is copied.
    depths: [Depth; 2],
    is_second: bool,
    /// False where the book is unknown.
    is_known: bool,
    flow: OrderFlow,
    averages: BookAverages,
    vpin: Vpin,
    bars: TradeBars,
    kyle: KyleLambda,
    amihud: Amihud,
    roll: RollSpread,
    cost: TradeCost,
    signs: SignMemory,
}

impl Microstructure {
    /// Has seen nothing.
    pub fn new(settings: Settings) -> Microstructure {
        let levels = settings.levels.clamp(1, DEPTH_MAX);
        Microstructure {
            settings: Settings { levels, ..settings },
            depths: [Depth::default(); 2],
            is_second: false,
            is_known: false,
            flow: OrderFlow::new(settings.flow_events, levels),
            averages: BookAverages::new(settings.average_events, levels),
            vpin: Vpin::new(settings.bucket, settings.buckets),
            bars: TradeBars::new(settings.trades_per_bar),
            kyle: KyleLambda::new(settings.bars),
            amihud: Amihud::new(settings.bars),
            roll: RollSpread::new(settings.trades),
            cost: TradeCost::new(settings.trades, settings.horizon),
            signs: SignMemory::new(settings.trades),
        }
    }

    /// The book's best levels are these from `now` on, best first; those beyond the settings' are not looked at.
    pub fn on_book(&mut self, now: Nanos, bids: &[Level], asks: &[Level]) {
        let levels = self.settings.levels;
        let (bids, asks) = (bids.get(..levels).unwrap_or(bids), asks.get(..levels).unwrap_or(asks));
        self.cost.advance(now, self.doubled_mid());
        let [first, second] = &mut self.depths;
        let (before, depth) = if self.is_second { (second, first) } else { (first, second) };
        self.is_second = !self.is_second;
        depth.set(bids, asks);
        if self.is_known {
            self.flow.update(before, depth);
        }
        self.is_known = true;
        self.averages.update(now, depth);
    }

    /// The book's best bid and ask are these from `now` on, and its levels below are unknown.
    pub fn on_top(&mut self, now: Nanos, top: &Top) {
        self.on_book(now, top.bid.as_slice(), top.ask.as_slice());
    }

    /// A trade; `side` is the aggressor's. The book is still what it was before.
    pub fn on_trade(&mut self, now: Nanos, side: Side, price: Price, qty: Qty) {
        let doubled_mid = self.doubled_mid();
        self.cost.advance(now, doubled_mid);
        if let Some(doubled_mid) = doubled_mid {
            self.cost.update(now, side, price, doubled_mid);
        }
        self.vpin.update(side, qty);
        self.roll.update(price);
        self.signs.update(side);
        if let Some(bar) = self.bars.update(side, price, qty) {
            self.kyle.update(bar.price_change, bar.signed_volume);
            self.amihud.update(bar.change, bar.worth);
        }
    }

    /// Something was missed, and the book is unknown from `now` on: nothing is concluded from what was before to what
    /// comes after. What the windows hold stays.
    pub fn interrupt(&mut self, now: Nanos) {
        self.is_known = false;
        self.depths = [Depth::default(); 2];
        self.averages.interrupt(now);
        self.cost.interrupt();
        self.roll.interrupt();
        self.bars.interrupt();
    }

    /// VPIN begins anew, with buckets of this volume.
    pub fn begin_buckets(&mut self, bucket: Qty) {
        self.vpin.begin(bucket);
    }

    /// True from a state of the book on until something is missed.
    pub fn is_book_known(&self) -> bool {
        self.is_known
    }

    /// True where the book is known to have just these best levels, of which there are no more than the settings say.
    #[inline]
    pub fn shows(&self, bids: &[Level], asks: &[Level]) -> bool {
        self.is_known && self.depth().is(bids, asks)
    }

    fn doubled_mid(&self) -> Option<i64> {
        self.depth().touch().map(|touch| touch.doubled_mid())
    }

    /// The best levels now: mid, spread, microprice, imbalances.
    pub fn depth(&self) -> &Depth {
        &self.depths[usize::from(self.is_second)]
    }

    /// Order-flow imbalance.
    pub fn flow(&self) -> &OrderFlow {
        &self.flow
    }

    /// Mean spread and depth.
    pub fn averages(&self) -> &BookAverages {
        &self.averages
    }

    /// Effective and realized spread.
    pub fn cost(&self) -> &TradeCost {
        &self.cost
    }

    /// Autocorrelation of trade signs.
    pub fn signs(&self) -> &SignMemory {
        &self.signs
    }

    /// Every value by name, in units of currency and quantity; order flow and signs at the first level and lag.
    pub fn values(&self) -> [(&'static str, Option<f64>); VALUES] {
        let Microstructure { flow, averages, cost, .. } = self;
        let depth = self.depth();
        let (effective, realized) = (cost.effective(), cost.realized());
        [
            ("mid", depth.mid()),
            ("spread", depth.spread()),
            ("spread_bps", depth.spread_bps()),
            ("microprice", depth.microprice()),
            ("imbalance", depth.imbalance(1)),
            ("depth_imbalance", depth.imbalance(self.settings.levels)),
            ("order_flow", flow.value(0)),
            ("depth_order_flow", flow.total()),
            ("vpin", self.vpin.value()),
            ("kyle_lambda", self.kyle.value()),
            ("amihud", self.amihud.value()),
            ("roll_spread", self.roll.value()),
            ("effective_spread", effective),
            ("realized_spread", realized),
            ("price_impact", effective.zip(realized).map(|(effective, realized)| effective - realized)),
            ("sign_autocorrelation", self.signs.value(1)),
            ("mean_spread", averages.spread()),
            ("mean_bid_depth", averages.qty(Side::Bid)),
            ("mean_ask_depth", averages.qty(Side::Ask)),
            ("mean_spread_over_time", averages.spread_over_time()),
            ("mean_bid_depth_over_time", averages.qty_over_time(Side::Bid)),
            ("mean_ask_depth_over_time", averages.qty_over_time(Side::Ask)),
        ]
    }
}

#[cfg(test)]
#[path = "microstructure_tests.rs"]
mod tests;
