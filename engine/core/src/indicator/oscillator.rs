//! Where the price stands among those of the last bars.

use super::kernel::{Kernel, erase};
use super::maths::is_same;
use super::price::typical;
use super::window::{Extreme, Window, WindowSum};
use super::{Function, Param, Params, VALUE};
use serde::{Deserialize, Serialize};

const BAR: &[&str] = &["high", "low", "close"];

pub(super) const FUNCTIONS: &[Function] = &[
    Function {
        name: "cci",
        doc: "Commodity channel index: how far the typical price is from its mean, in units of 0.015 mean absolute \
              deviations; 0 where there are none. An update takes time in proportion to the period.",
        inputs: BAR,
        params: &[Param::period("period", 14, 2)],
        outputs: VALUE,
        source: "TA-Lib CCI",
        build: |params| erase(CommodityChannel(Window::new(params.count(0)))),
    },
    Function {
        name: "avgdev",
        doc: "Mean absolute deviation from the mean. An update takes time in proportion to the period.",
        inputs: VALUE,
        params: &[Param::period("period", 14, 2)],
        outputs: VALUE,
        source: "TA-Lib AVGDEV",
        build: |params| erase(MeanDeviation(Window::new(params.count(0)))),
    },
    Function {
        name: "willr",
        doc: "Williams' %R: how far the close is below the highest high, in percent of the range, from -100 to 0; 0 \
              where there is no range.",
        inputs: BAR,
        params: &[Param::period("period", 14, 2)],
        outputs: VALUE,
        source: "TA-Lib WILLR",
        build: |params| erase(WilliamsR(Channel::new(params.count(0)))),
    },
    Function {
        name: "ultosc",
        doc: "Ultimate oscillator: buying pressure in percent of the true range over three periods, the shortest of \
              which counts four times, the next twice.",
        inputs: BAR,
        params: &[Param::period("short", 7, 1), Param::period("medium", 14, 1), Param::period("long", 28, 1)],
        outputs: VALUE,
        source: "TA-Lib ULTOSC",
        build: |params| erase(Ultimate::new(params)),
    },
];

/// How far the newest value is from the mean of the window, and the mean absolute deviation from that mean. Both are
/// measured from the newest value, so that equal values leave nothing.
fn deviation(window: &Window) -> Option<(f64, f64)> {
    let newest = window.back(0).filter(|_| window.is_full())?;
    let count = window.len() as f64;
    let mean = window.iter().map(|value| value - newest).sum::<f64>() / count;
    let deviation = window.iter().map(|value| (value - newest - mean).abs()).sum::<f64>() / count;
    Some((-mean, deviation))
}

#[derive(Clone, Debug, Serialize, Deserialize)]
struct CommodityChannel(Window);

impl Kernel<3, 1> for CommodityChannel {
    #[inline]
    fn update(&mut self, [high, low, close]: [f64; 3]) -> Option<[f64; 1]> {
        let price = typical(high, low, close);
        self.0.push(price);
        let (distance, deviation) = deviation(&self.0)?;
        Some([if is_same(price, price - distance) { 0.0 } else { distance / (0.015 * deviation) }])
    }

    fn warmup(&self) -> usize {
        self.0.capacity() - 1
    }
}

#[derive(Clone, Debug, Serialize, Deserialize)]
struct MeanDeviation(Window);

impl Kernel<1, 1> for MeanDeviation {
    #[inline]
    fn update(&mut self, [value]: [f64; 1]) -> Option<[f64; 1]> {
        self.0.push(value);
        let (_, deviation) = deviation(&self.0)?;
        Some([deviation])
    }

    fn warmup(&self) -> usize {
        self.0.capacity() - 1
    }
}

/// The highest high and the lowest low of the last bars.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Channel {
    highest: Extreme,
    lowest: Extreme,
    period: usize,
}

impl Channel {
    /// Of `period` bars.
    pub fn new(period: usize) -> Channel {
        Channel { highest: Extreme::greatest(period), lowest: Extreme::smallest(period), period }
    }

    /// Takes a bar; highest high and lowest low, once there were enough.
    #[inline]
    pub fn push(&mut self, high: f64, low: f64) -> Option<(f64, f64)> {
        let (highest, lowest) = (self.highest.push(high), self.lowest.push(low));
        let ((highest, _), (lowest, _)) = highest.zip(lowest)?;
        Some((highest, lowest))
    }

    /// Bars before the first that brings extremes.
    pub fn warmup(&self) -> usize {
        self.period.saturating_sub(1)
    }
}

#[derive(Clone, Debug, Serialize, Deserialize)]
struct WilliamsR(Channel);

impl Kernel<3, 1> for WilliamsR {
    #[inline]
    fn update(&mut self, [high, low, close]: [f64; 3]) -> Option<[f64; 1]> {
        let (highest, lowest) = self.0.push(high, low)?;
        Some([if is_same(highest, lowest) { 0.0 } else { -100.0 * ((highest - close) / (highest - lowest)) }])
    }

    fn warmup(&self) -> usize {
        self.0.warmup()
    }
}

/// Buying pressure and true range over one period.
#[derive(Clone, Debug, Serialize, Deserialize)]
struct Pressure {
    pressure: WindowSum,
    range: WindowSum,
}

impl Pressure {
    fn new(period: usize) -> Pressure {
        Pressure { pressure: WindowSum::new(period), range: WindowSum::new(period) }
    }

    /// The share of the pressure in the range; 0 where there is none.
    #[inline]
    fn push(&mut self, pressure: f64, range: f64) -> Option<f64> {
        let (pressure, range) = self.pressure.push(pressure).zip(self.range.push(range))?;
        Some(if range == 0.0 { 0.0 } else { pressure / range })
    }
}

#[derive(Clone, Debug, Serialize, Deserialize)]
struct Ultimate {
    close: Option<f64>,
    /// Shortest first.
    periods: [Pressure; 3],
}

impl Ultimate {
    fn new(params: Params<'_>) -> Ultimate {
        let mut periods = [0, 1, 2].map(|at| params.count(at));
        periods.sort_unstable();
        Ultimate { close: None, periods: periods.map(Pressure::new) }
    }
}

impl Kernel<3, 1> for Ultimate {
    #[inline]
    fn update(&mut self, [high, low, close]: [f64; 3]) -> Option<[f64; 1]> {
        let before = self.close.replace(close)?;
        let bottom = low.min(before);
        let (pressure, range) = (close - bottom, high.max(before) - bottom);
        let [short, medium, long] = self.periods.each_mut().map(|sums| sums.push(pressure, range));
        let ((short, medium), long) = short.zip(medium).zip(long)?;
        Some([100.0 * (4.0 * short + 2.0 * medium + long) / 7.0])
    }

    fn warmup(&self) -> usize {
        let lengths = self.periods.each_ref().map(|sums| sums.range.window().capacity());
        lengths.into_iter().max().unwrap_or_default()
    }
}
