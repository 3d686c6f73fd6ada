//! Volume and the moves it went with, beyond what TA-Lib has.

use super::average::{AnyAverage, Ema, OWN_KIND, Sma, ma_type};
use super::kernel::{Kernel, erase};
use super::maths::quotient;
use super::momentum::Measure;
use super::price::median;
use super::volume::money_flow_volume;
use super::window::{Sum, WindowSum};
use super::{Function, Param, VALUE};
use serde::{Deserialize, Serialize};

const CLOSE_VOLUME: &[&str] = &["close", "volume"];
const BAR: &[&str] = &["high", "low", "close", "volume"];

pub(super) const FUNCTIONS: &[Function] = &[
    Function {
        name: "force_index",
        doc: "Force index: the exponential average of the change of the close times the volume.",
        inputs: CLOSE_VOLUME,
        params: &[Param::period("period", 13, 1)],
        outputs: VALUE,
        source: "TA-Lib EFI; Elder, Trading for a Living (1993)",
        build: |params| erase(Force { before: None, average: Ema::new(params.count(0)) }),
    },
    Function {
        name: "ease_of_movement",
        doc: "Ease of movement: the simple average of how far the median price moved times the bar's range, per \
              `unit` of volume; 0 where there was no volume.",
        inputs: &["high", "low", "volume"],
        params: &[Param::period("period", 14, 1), Param::number("unit", 1e8, (1e-12, 1e15))],
        outputs: VALUE,
        source: "Arms; Achelis, Technical Analysis from A to Z",
        build: |params| erase(Ease { before: None, unit: params.number(1), average: Sma::new(params.count(0)) }),
    },
    Function {
        name: "cmf",
        doc: "Chaikin money flow: the volumes, each weighed from -1 to 1 by where the bar closed in its range, in \
              units of all volume; 0 where there was none.",
        inputs: BAR,
        params: &[Param::period("period", 20, 2)],
        outputs: VALUE,
        source: "TA-Lib CMF",
        build: |params| erase(MoneyFlow::new(params.count(0))),
    },
    Function {
        name: "volume_oscillator",
        doc: "Volume oscillator: a fast average of the volume less a slow one, in percent of the slow one; 0 where \
              that is 0.",
        inputs: &["volume"],
        params: &[Param::period("fast", 12, 2), Param::period("slow", 26, 2), ma_type("ma_type", 1)],
        outputs: VALUE,
        source: "TA-Lib PVO",
        build: |params| erase(Oscillator::new([0, 1, 2].map(|at| params.count(at)))),
    },
    Function {
        name: "pvt",
        doc: "Price volume trend: the sum of the volumes, each times the close's rate of change.",
        inputs: CLOSE_VOLUME,
        params: &[],
        outputs: VALUE,
        source: "TA-Lib PVT",
        build: |_| erase(PriceVolume::default()),
    },
    Function {
        name: "negative_volume_index",
        doc: "Negative volume index: 1000, and from there as the close goes in bars of less volume than the one \
              before; a change of sign, or to or from 0, does not count.",
        inputs: CLOSE_VOLUME,
        params: &[],
        outputs: VALUE,
        source: "TA-Lib NVI; Fosback, Stock Market Logic (1976)",
        build: |_| erase(VolumeIndex { sign: -1.0, before: None, index: 1_000.0 }),
    },
    Function {
        name: "positive_volume_index",
        doc: "Positive volume index: 1000, and from there as the close goes in bars of more volume than the one \
              before; a change of sign, or to or from 0, does not count.",
        inputs: CLOSE_VOLUME,
        params: &[],
        outputs: VALUE,
        source: "TA-Lib PVI; Fosback, Stock Market Logic (1976)",
        build: |_| erase(VolumeIndex { sign: 1.0, before: None, index: 1_000.0 }),
    },
    Function {
        name: "klinger",
        doc: "Klinger volume oscillator: a fast exponential average of the volume force less a slow one, and the \
              average of that. The force is the volume times 200 * |range / ranges since the trend began - 1|, \
              negative in a fall.",
        inputs: BAR,
        params: &[Param::period("fast", 34, 1), Param::period("slow", 55, 1), Param::period("signal", 13, 1)],
        outputs: &["klinger", "signal"],
        source: "Klinger, Stocks & Commodities 15:12 (1997)",
        build: |params| erase(Klinger::new([0, 1, 2].map(|at| params.count(at)))),
    },
];

#[derive(Clone, Debug, Serialize, Deserialize)]
struct Force {
    before: Option<f64>,
    average: Ema,
}

impl Kernel<2, 1> for Force {
    #[inline]
    fn update(&mut self, [close, volume]: [f64; 2]) -> Option<[f64; 1]> {
        let change = close - self.before.replace(close)?;
        self.average.push(change * volume).map(|average| [average])
    }

    fn warmup(&self) -> usize {
        self.average.warmup().saturating_add(1)
    }
}

#[derive(Clone, Debug, Serialize, Deserialize)]
struct Ease {
    before: Option<f64>,
    unit: f64,
    average: Sma,
}

impl Kernel<3, 1> for Ease {
    #[inline]
    fn update(&mut self, [high, low, volume]: [f64; 3]) -> Option<[f64; 1]> {
        let price = median(high, low);
        let change = price - self.before.replace(price)?;
        self.average.update([change * quotient((high - low) * self.unit, volume)])
    }

    fn warmup(&self) -> usize {
        self.average.warmup().saturating_add(1)
    }
}

#[derive(Clone, Debug, Serialize, Deserialize)]
struct MoneyFlow {
    flows: WindowSum,
    volumes: WindowSum,
}

impl MoneyFlow {
    fn new(period: usize) -> MoneyFlow {
        MoneyFlow { flows: WindowSum::new(period), volumes: WindowSum::new(period) }
    }
}

impl Kernel<4, 1> for MoneyFlow {
    #[inline]
    fn update(&mut self, bar: [f64; 4]) -> Option<[f64; 1]> {
        let [.., volume] = bar;
        let (flow, volume) = self.flows.push(money_flow_volume(bar)).zip(self.volumes.push(volume))?;
        Some([quotient(flow, volume)])
    }

    fn warmup(&self) -> usize {
        self.volumes.window().capacity() - 1
    }
}

#[derive(Clone, Debug, Serialize, Deserialize)]
struct Oscillator {
    fast: AnyAverage,
    slow: AnyAverage,
}

impl Oscillator {
    fn new([one, other, kind]: [usize; 3]) -> Oscillator {
        // Its own kind is the exponential one.
        let kind = if kind == OWN_KIND { 1 } else { kind };
        let average = |period| AnyAverage::new(period, kind);
        Oscillator { fast: average(one.min(other)), slow: average(one.max(other)) }
    }
}

impl Kernel<1, 1> for Oscillator {
    #[inline]
    fn update(&mut self, [volume]: [f64; 1]) -> Option<[f64; 1]> {
        let (fast, slow) = self.fast.push(volume).zip(self.slow.push(volume))?;
        Some([100.0 * quotient(fast - slow, slow)])
    }

    fn warmup(&self) -> usize {
        self.fast.warmup().max(self.slow.warmup())
    }
}

#[derive(Clone, Debug, Default, Serialize, Deserialize)]
struct PriceVolume {
    before: Option<f64>,
    sum: Sum,
}

impl Kernel<2, 1> for PriceVolume {
    #[inline]
    fn update(&mut self, [close, volume]: [f64; 2]) -> Option<[f64; 1]> {
        if let Some(before) = self.before.replace(close) {
            self.sum.add(volume * quotient(close - before, before));
        }
        Some([self.sum.value()])
    }

    fn warmup(&self) -> usize {
        0
    }
}

#[derive(Clone, Debug, Serialize, Deserialize)]
struct VolumeIndex {
    /// 1 where more volume counts, -1 where less does.
    sign: f64,
    before: Option<[f64; 2]>,
    index: f64,
}

impl Kernel<2, 1> for VolumeIndex {
    #[inline]
    fn update(&mut self, [close, volume]: [f64; 2]) -> Option<[f64; 1]> {
        if let Some([close_before, volume_before]) = self.before.replace([close, volume])
            && self.sign * (volume - volume_before) > 0.0
        {
            let index = self.index * Measure::Ratio.of(close, close_before);
            // From zero, and from what is no number, there is no way back.
            if index > 0.0 && index.is_finite() {
                self.index = index;
            }
        }
        Some([self.index])
    }

    fn warmup(&self) -> usize {
        0
    }
}

/// A bar as the next one of the Klinger oscillator needs it.
#[derive(Clone, Copy, Debug, Serialize, Deserialize)]
struct KlingerBar {
    /// High, low and close together.
    price: f64,
    range: f64,
    is_rising: bool,
    /// Ranges since the trend began, with that of the bar before it.
    ranges: f64,
}

#[derive(Clone, Debug, Serialize, Deserialize)]
struct Klinger {
    before: Option<KlingerBar>,
    fast: Ema,
    slow: Ema,
    signal: Ema,
}

impl Klinger {
    fn new([fast, slow, signal]: [usize; 3]) -> Klinger {
        Klinger { before: None, fast: Ema::new(fast), slow: Ema::new(slow), signal: Ema::new(signal) }
    }

    /// Takes a bar; the volume force.
    #[inline]
    fn force(&mut self, [high, low, close, volume]: [f64; 4]) -> Option<f64> {
        let (price, range) = (high + low + close, high - low);
        let Some(before) = self.before else {
            self.before = Some(KlingerBar { price, range, is_rising: false, ranges: range });
            return None;
        };
        let is_rising = price > before.price;
        let ranges = range + if is_rising == before.is_rising { before.ranges } else { before.range };
        self.before = Some(KlingerBar { price, range, is_rising, ranges });
        if ranges == 0.0 {
            return Some(0.0);
        }
        let force = volume * (2.0 * (quotient(range, ranges) - 1.0)).abs() * 100.0;
        Some(if is_rising { force } else { -force })
    }
}

impl Kernel<4, 2> for Klinger {
    #[inline]
    fn update(&mut self, bar: [f64; 4]) -> Option<[f64; 2]> {
        let force = self.force(bar)?;
        let (fast, slow) = self.fast.push(force).zip(self.slow.push(force))?;
        let klinger = fast - slow;
        let signal = self.signal.push(klinger)?;
        Some([klinger, signal])
    }

    fn warmup(&self) -> usize {
        self.fast.warmup().max(self.slow.warmup()).saturating_add(self.signal.warmup()).saturating_add(1)
    }
}
