//! Systems of lines that are drawn to the right of the bars they are made of. What is told at a bar is what is drawn
//! there, made of bars that lie as far back as the line is displaced.

use super::channel::Extent;
use super::kernel::{Kernel, erase};
use super::wilder::Wilder;
use super::window::Window;
use super::{Function, Param};
use serde::{Deserialize, Serialize};

const LINES: &[Param] = &[
    Param::period("jaw_period", 13, 1),
    Param::period("jaw_shift", 8, 0),
    Param::period("teeth_period", 8, 1),
    Param::period("teeth_shift", 5, 0),
    Param::period("lips_period", 5, 1),
    Param::period("lips_shift", 3, 0),
];

pub(super) const FUNCTIONS: &[Function] = &[
    Function {
        name: "ichimoku",
        doc: "Ichimoku's lines as they stand at this bar: conversion and base are the middles of the last ranges; the \
              spans were computed as many bars ago as the displacement says, and are drawn here; lagging is the close, \
              which charts draw that many bars back.",
        inputs: &["high", "low", "close"],
        params: &[
            Param::period("conversion_period", 9, 1),
            Param::period("base_period", 26, 1),
            Param::period("span_period", 52, 1),
            Param::period("displacement", 26, 0),
        ],
        outputs: &["conversion", "base", "span_a", "span_b", "lagging"],
        source: "Hosoda (1969)",
        build: |params| {
            let of = |at: usize| params.count(at);
            erase(Ichimoku::new([of(0), of(1), of(2)], of(3)))
        },
    },
    Function {
        name: "alligator",
        doc: "Smoothed averages of the middles of the bars, each as it is drawn at this bar: made so many bars ago as it is \
              shifted.",
        inputs: &["high", "low"],
        params: LINES,
        outputs: &["jaw", "teeth", "lips"],
        source: "Williams, New Trading Dimensions (1998)",
        build: |params| erase(Alligator::new([0, 2, 4].map(|at| (params.count(at), params.count(at + 1))))),
    },
    Function {
        name: "gator",
        doc: "How far the lines of the alligator are apart: upper from jaw to teeth, and lower, below zero, from teeth to \
              lips.",
        inputs: &["high", "low"],
        params: LINES,
        outputs: &["upper", "lower"],
        source: "Williams, New Trading Dimensions (1998)",
        build: |params| erase(Gator(Alligator::new([0, 2, 4].map(|at| (params.count(at), params.count(at + 1)))))),
    },
];

/// A line as it was some values ago.
#[derive(Clone, Debug, Serialize, Deserialize)]
struct Displaced(Window);

impl Displaced {
    fn new(displacement: usize) -> Displaced {
        Displaced(Window::new(displacement.saturating_add(1)))
    }

    #[inline]
    fn push(&mut self, value: f64) -> Option<f64> {
        self.0.push(value);
        if self.0.is_full() { self.0.oldest() } else { None }
    }

    fn displacement(&self) -> usize {
        self.0.capacity() - 1
    }
}

/// The middle of the range of the last bars.
#[derive(Clone, Debug, Serialize, Deserialize)]
struct Middle(Extent);

impl Middle {
    #[inline]
    fn push(&mut self, high: f64, low: f64) -> Option<f64> {
        self.0.push(high, low).map(|(highest, lowest)| (highest + lowest) / 2.0)
    }
}

#[derive(Clone, Debug, Serialize, Deserialize)]
struct Ichimoku {
    conversion: Middle,
    base: Middle,
    span: Middle,
    span_a: Displaced,
    span_b: Displaced,
}

impl Ichimoku {
    fn new(periods: [usize; 3], displacement: usize) -> Ichimoku {
        let [conversion, base, span] = periods.map(|period| Middle(Extent::new(period)));
        let [span_a, span_b] = [(); 2].map(|()| Displaced::new(displacement));
        Ichimoku { conversion, base, span, span_a, span_b }
    }
}

impl Kernel<3, 5> for Ichimoku {
    #[inline]
    fn update(&mut self, [high, low, close]: [f64; 3]) -> Option<[f64; 5]> {
        let (conversion, base) = (self.conversion.push(high, low), self.base.push(high, low));
        let span_b = self.span.push(high, low).and_then(|span| self.span_b.push(span));
        let (conversion, base) = (conversion?, base?);
        let span_a = self.span_a.push((conversion + base) / 2.0);
        Some([conversion, base, span_a?, span_b?, close])
    }

    fn warmup(&self) -> usize {
        let longest = [&self.conversion, &self.base, &self.span].map(|middle| middle.0.warmup());
        longest.into_iter().max().unwrap_or(0).saturating_add(self.span_a.displacement())
    }
}

/// One of the alligator's lines.
#[derive(Clone, Debug, Serialize, Deserialize)]
struct Line {
    average: Wilder,
    displaced: Displaced,
}

#[derive(Clone, Debug, Serialize, Deserialize)]
struct Alligator([Line; 3]);

impl Alligator {
    fn new(lines: [(usize, usize); 3]) -> Alligator {
        let line = |(period, shift)| Line { average: Wilder::new(period), displaced: Displaced::new(shift) };
        Alligator(lines.map(line))
    }
}

impl Kernel<2, 3> for Alligator {
    #[inline]
    fn update(&mut self, [high, low]: [f64; 2]) -> Option<[f64; 3]> {
        let middle = (high + low) / 2.0;
        let [jaw, teeth, lips] = self.0.each_mut().map(|line| {
            let average = line.average.push(middle)?;
            line.displaced.push(average)
        });
        Some([jaw?, teeth?, lips?])
    }

    fn warmup(&self) -> usize {
        let warmup = |line: &Line| line.average.warmup().saturating_add(line.displaced.displacement());
        self.0.iter().map(warmup).max().unwrap_or(0)
    }
}

#[derive(Clone, Debug, Serialize, Deserialize)]
struct Gator(Alligator);

impl Kernel<2, 2> for Gator {
    #[inline]
    fn update(&mut self, bar: [f64; 2]) -> Option<[f64; 2]> {
        let [jaw, teeth, lips] = self.0.update(bar)?;
        Some([(jaw - teeth).abs(), -(teeth - lips).abs()])
    }

    fn warmup(&self) -> usize {
        self.0.warmup()
    }
}
