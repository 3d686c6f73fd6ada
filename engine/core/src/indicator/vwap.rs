//! Averages of the price that weigh it by the volume traded at it. The price of a bar is its typical price, the mean of
//! high, low and close.
//!
//! Where no volume has been traded yet, the average is the bar's typical price.

use super::kernel::{Kernel, erase};
use super::window::{Sum, WindowSum};
use super::{Function, Param};
use serde::{Deserialize, Serialize};

const HLCV: &[&str] = &["high", "low", "close", "volume"];
const HLCVT: &[&str] = &["high", "low", "close", "volume", "time"];
const BANDS: &[&str] = &["upper", "middle", "lower"];
const DAY_S: f64 = 86_400.0;
/// When the day begins, in seconds after midnight UTC.
const OFFSET: Param = Param::number("offset", 0.0, (-DAY_S, DAY_S));
const DEVIATIONS: Param = Param::number("deviations", 1.0, (0.0, 1_000.0));

pub(super) const FUNCTIONS: &[Function] = &[
    Function {
        name: "vwap",
        doc: "Volume-weighted average of the typical price since the start of the series.",
        inputs: HLCV,
        params: &[],
        outputs: &["value"],
        source: "Berkowitz, Logue and Noser, Journal of Finance 43 (1988), on bars",
        build: |_| erase(Vwap::default()),
    },
    Function {
        name: "vwap_session",
        doc: "Volume-weighted average of the typical price since the day began, offset seconds after midnight UTC; time \
              is in seconds since 1970.",
        inputs: HLCVT,
        params: &[OFFSET],
        outputs: &["value"],
        source: "TradingView ta.vwap, anchored to the day",
        build: |params| erase(VwapSession(Session::new(params.number(0)))),
    },
    Function {
        name: "vwap_bands",
        doc: "The volume-weighted average since the start of the series, and lines some volume-weighted standard \
              deviations around it.",
        inputs: HLCV,
        params: &[DEVIATIONS],
        outputs: BANDS,
        source: "TradingView ta.vwap, bands",
        build: |params| erase(VwapBands { vwap: Vwap::default(), deviations: params.number(0) }),
    },
    Function {
        name: "vwap_session_bands",
        doc: "The volume-weighted average since the day began, and lines some volume-weighted standard deviations around \
              it.",
        inputs: HLCVT,
        params: &[OFFSET, DEVIATIONS],
        outputs: BANDS,
        source: "TradingView ta.vwap, bands, anchored to the day",
        build: |params| {
            erase(VwapSessionBands { session: Session::new(params.number(0)), deviations: params.number(1) })
        },
    },
    Function {
        name: "vwap_rolling",
        doc: "Volume-weighted average of the typical price of the last bars; their typical price without weights where \
              none traded.",
        inputs: HLCV,
        params: &[Param::period("period", 20, 1)],
        outputs: &["value"],
        source: "OpenAlgo vwap with a period",
        build: |params| erase(VwapRolling::new(params.count(0))),
    },
];

/// Moments of the typical price by volume, of its distance from where it began: so nothing is lost to cancellation that
/// the deviation itself does not exceed.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
struct Vwap {
    origin: Option<f64>,
    volume: Sum,
    first: Sum,
    second: Sum,
}

impl Vwap {
    /// Takes a bar; the average and its variance.
    #[inline]
    fn push(&mut self, [high, low, close, volume]: [f64; 4]) -> (f64, f64) {
        let typical = (high + low + close) / 3.0;
        let origin = *self.origin.get_or_insert(typical);
        let distance = typical - origin;
        self.volume.add(volume);
        self.first.add(volume * distance);
        self.second.add(volume * distance * distance);
        let total = self.volume.value();
        if total <= 0.0 {
            return (typical, 0.0);
        }
        let mean = self.first.value() / total;
        (origin + mean, (self.second.value() / total - mean * mean).max(0.0))
    }
}

impl Kernel<4, 1> for Vwap {
    #[inline]
    fn update(&mut self, bar: [f64; 4]) -> Option<[f64; 1]> {
        Some([self.push(bar).0])
    }

    fn warmup(&self) -> usize {
        0
    }
}

/// The lines around an average.
fn bands((middle, variance): (f64, f64), deviations: f64) -> [f64; 3] {
    let reach = deviations * variance.sqrt();
    [middle + reach, middle, middle - reach]
}

#[derive(Clone, Debug, Serialize, Deserialize)]
struct VwapBands {
    vwap: Vwap,
    deviations: f64,
}

impl Kernel<4, 3> for VwapBands {
    #[inline]
    fn update(&mut self, bar: [f64; 4]) -> Option<[f64; 3]> {
        Some(bands(self.vwap.push(bar), self.deviations))
    }

    fn warmup(&self) -> usize {
        0
    }
}

/// An average that begins anew each day.
#[derive(Clone, Debug, Serialize, Deserialize)]
struct Session {
    vwap: Vwap,
    offset: f64,
    /// Days since 1970.
    day: Option<f64>,
}

impl Session {
    fn new(offset: f64) -> Session {
        Session { vwap: Vwap::default(), offset, day: None }
    }

    #[inline]
    fn push(&mut self, [high, low, close, volume, time]: [f64; 5]) -> (f64, f64) {
        let day = ((time - self.offset) / DAY_S).floor();
        if self.day.replace(day) != Some(day) {
            self.vwap = Vwap::default();
        }
        self.vwap.push([high, low, close, volume])
    }
}

#[derive(Clone, Debug, Serialize, Deserialize)]
struct VwapSession(Session);

impl Kernel<5, 1> for VwapSession {
    #[inline]
    fn update(&mut self, bar: [f64; 5]) -> Option<[f64; 1]> {
        Some([self.0.push(bar).0])
    }

    fn warmup(&self) -> usize {
        0
    }
}

#[derive(Clone, Debug, Serialize, Deserialize)]
struct VwapSessionBands {
    session: Session,
    deviations: f64,
}

impl Kernel<5, 3> for VwapSessionBands {
    #[inline]
    fn update(&mut self, bar: [f64; 5]) -> Option<[f64; 3]> {
        Some(bands(self.session.push(bar), self.deviations))
    }

    fn warmup(&self) -> usize {
        0
    }
}

#[derive(Clone, Debug, Serialize, Deserialize)]
struct VwapRolling {
    value: WindowSum,
    volume: WindowSum,
    typical: WindowSum,
}

impl VwapRolling {
    fn new(period: usize) -> VwapRolling {
        let sum = || WindowSum::new(period);
        VwapRolling { value: sum(), volume: sum(), typical: sum() }
    }
}

impl Kernel<4, 1> for VwapRolling {
    #[inline]
    fn update(&mut self, [high, low, close, volume]: [f64; 4]) -> Option<[f64; 1]> {
        let typical = (high + low + close) / 3.0;
        let (value, total) = (self.value.push(typical * volume), self.volume.push(volume));
        let plain = self.typical.push(typical)? / self.typical.window().capacity() as f64;
        let (value, total) = (value?, total?);
        Some([if total > 0.0 { value / total } else { plain }])
    }

    fn warmup(&self) -> usize {
        self.value.window().capacity() - 1
    }
}
