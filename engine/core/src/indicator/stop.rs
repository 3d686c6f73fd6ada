//! Trailing stops.

use super::channel::Extent;
use super::kernel::{Kernel, erase};
use super::wilder::{Atr, TrueRange, Wilder};
use super::window::Extreme;
use super::{Function, Param};
use serde::{Deserialize, Serialize};

const HLC: &[&str] = &["high", "low", "close"];
const FACTOR: (f64, f64) = (0.0, 1_000.0);
const STOPS: &[&str] = &["long", "short"];

pub(super) const FUNCTIONS: &[Function] = &[
    Function {
        name: "supertrend",
        doc: "Supertrend: a stop that follows the trend at a multiple of the average true range; direction is 1 while \
              the trend is up and -1 while it is down (TradingView writes the opposite sign).",
        inputs: HLC,
        params: &[Param::period("period", 10, 1), Param::number("factor", 3.0, FACTOR)],
        outputs: &["value", "direction"],
        source: "Seban; TradingView ta.supertrend",
        build: |params| erase(Supertrend::new(params.count(0), params.number(1))),
    },
    Function {
        name: "atr_stop",
        doc: "Trailing stop at a multiple of the average true range from the close, which turns where the close crosses \
              it; direction is 1 while the stop is below the price and -1 while it is above.",
        inputs: HLC,
        params: &[Param::period("period", 5, 1), Param::number("factor", 3.5, FACTOR)],
        outputs: &["value", "direction"],
        source: "Vervoort, Stocks & Commodities 27:6 (2009)",
        build: |params| erase(AtrStop::new(params.count(0), params.number(1))),
    },
    Function {
        name: "chandelier",
        doc: "Chandelier exit: the highest high less, and the lowest low plus, a multiple of the average true range.",
        inputs: HLC,
        params: &[Param::period("period", 22, 1), Param::number("factor", 3.0, FACTOR)],
        outputs: STOPS,
        source: "LeBeau; Elder, Come Into My Trading Room (2002)",
        build: |params| erase(Chandelier::new(params.count(0), params.number(1))),
    },
    Function {
        name: "chande_kroll",
        doc: "Chande Kroll stop: the extremes of chandelier exits over some further bars.",
        inputs: HLC,
        params: &[
            Param::period("period", 10, 1),
            Param::number("factor", 1.0, FACTOR),
            Param::period("stop_period", 9, 1),
        ],
        outputs: STOPS,
        source: "Chande and Kroll, The New Technical Trader (1994)",
        build: |params| erase(ChandeKroll::new(params.count(0), params.number(1), params.count(2))),
    },
];

/// As TradingView's: the first true range is that of the first bar alone, the bands only narrow until a close goes
/// beyond them, and the first trend is down.
#[derive(Clone, Debug, Serialize, Deserialize)]
struct Supertrend {
    range: TrueRange,
    average: Wilder,
    factor: f64,
    close: f64,
    before: Option<Bands>,
}

#[derive(Clone, Copy, Debug, Serialize, Deserialize)]
struct Bands {
    lower: f64,
    upper: f64,
    is_up: bool,
}

impl Supertrend {
    fn new(period: usize, factor: f64) -> Supertrend {
        Supertrend { range: TrueRange::default(), average: Wilder::new(period), factor, close: 0.0, before: None }
    }

    /// What the bands become: `fresh` are those that the bar alone gives.
    fn follow(before: Bands, fresh: Bands, close_before: f64, close: f64) -> Bands {
        let is_lower_fresh = fresh.lower > before.lower || close_before < before.lower;
        let is_upper_fresh = fresh.upper < before.upper || close_before > before.upper;
        let lower = if is_lower_fresh { fresh.lower } else { before.lower };
        let upper = if is_upper_fresh { fresh.upper } else { before.upper };
        // Where both bands were one, TradingView takes the trend for a falling one.
        let was_up = before.is_up && before.lower != before.upper;
        let is_up = if was_up { close >= lower } else { close > upper };
        Bands { lower, upper, is_up }
    }
}

impl Kernel<3, 2> for Supertrend {
    #[inline]
    fn update(&mut self, [high, low, close]: [f64; 3]) -> Option<[f64; 2]> {
        let range = self.range.push(high, low, close).unwrap_or(high - low);
        let close_before = std::mem::replace(&mut self.close, close);
        let reach = self.factor * self.average.push(range)?;
        let middle = (high + low) / 2.0;
        let fresh = Bands { lower: middle - reach, upper: middle + reach, is_up: false };
        let bands = self.before.map_or(fresh, |before| Supertrend::follow(before, fresh, close_before, close));
        self.before = Some(bands);
        Some(if bands.is_up { [bands.lower, 1.0] } else { [bands.upper, -1.0] })
    }

    fn warmup(&self) -> usize {
        self.average.warmup()
    }
}

#[derive(Clone, Debug, Serialize, Deserialize)]
struct AtrStop {
    atr: Atr,
    factor: f64,
    close: f64,
    stop: Option<f64>,
}

impl AtrStop {
    fn new(period: usize, factor: f64) -> AtrStop {
        AtrStop { atr: Atr::new(period), factor, close: 0.0, stop: None }
    }
}

impl Kernel<3, 2> for AtrStop {
    #[inline]
    fn update(&mut self, [high, low, close]: [f64; 3]) -> Option<[f64; 2]> {
        let close_before = std::mem::replace(&mut self.close, close);
        let reach = self.factor * self.atr.push(high, low, close)?;
        let (below, above) = (close - reach, close + reach);
        let (stop, direction) = match self.stop {
            None => (below, 1.0),
            Some(stop) if close > stop => (if close_before > stop { stop.max(below) } else { below }, 1.0),
            Some(stop) if close < stop && close_before < stop => (stop.min(above), -1.0),
            Some(_) => (above, -1.0),
        };
        self.stop = Some(stop);
        Some([stop, direction])
    }

    fn warmup(&self) -> usize {
        self.atr.warmup()
    }
}

#[derive(Clone, Debug, Serialize, Deserialize)]
struct Chandelier {
    extent: Extent,
    atr: Atr,
    factor: f64,
}

impl Chandelier {
    fn new(period: usize, factor: f64) -> Chandelier {
        Chandelier { extent: Extent::new(period), atr: Atr::new(period), factor }
    }
}

impl Kernel<3, 2> for Chandelier {
    #[inline]
    fn update(&mut self, [high, low, close]: [f64; 3]) -> Option<[f64; 2]> {
        let (extent, atr) = (self.extent.push(high, low), self.atr.push(high, low, close));
        let ((highest, lowest), reach) = (extent?, self.factor * atr?);
        Some([highest - reach, lowest + reach])
    }

    fn warmup(&self) -> usize {
        self.atr.warmup()
    }
}

#[derive(Clone, Debug, Serialize, Deserialize)]
struct ChandeKroll {
    exit: Chandelier,
    long: Extreme,
    short: Extreme,
    stop_period: usize,
}

impl ChandeKroll {
    fn new(period: usize, factor: f64, stop_period: usize) -> ChandeKroll {
        let (long, short) = (Extreme::smallest(stop_period), Extreme::greatest(stop_period));
        ChandeKroll { exit: Chandelier::new(period, factor), long, short, stop_period }
    }
}

impl Kernel<3, 2> for ChandeKroll {
    #[inline]
    fn update(&mut self, bar: [f64; 3]) -> Option<[f64; 2]> {
        // The stop of a short position is the highest of the exits below the highs, that of a long one the lowest of
        // those above the lows.
        let [below_highs, above_lows] = self.exit.update(bar)?;
        let (short, long) = (self.short.push(below_highs), self.long.push(above_lows));
        Some([long?.0, short?.0])
    }

    fn warmup(&self) -> usize {
        self.exit.warmup().saturating_add(self.stop_period).saturating_sub(1)
    }
}
