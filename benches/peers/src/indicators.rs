//! Six indicators, one bar at a time: each alone, and all six of a bar together.
//!
//! The bars are a random walk, made before the clock runs in the shape that each crate takes. Whoever begins an average
//! in another way than we do has forgotten it after so many bars, so that the last values tell whether the same was done;
//! where a crate means another thing by the name it must be near enough.

mod others;
mod ours;

use crate::rounds::{Contender, Grid, compare, timed};
use benches::walk;
use others::{Kand, Nautilus, Ta, Wickra, Yata};
use ours::Ours;
use std::hint::black_box;

const BARS: usize = 100_000;

/// Open, high, low and close.
#[derive(Clone, Copy)]
pub struct Row {
    open: f64,
    high: f64,
    low: f64,
    close: f64,
}

/// The six of one crate. Each takes the bar at a place, and tells the first of its values.
pub trait Six: 'static {
    const NAME: &'static str;
    /// How far its values of each may be from ours, in parts of them.
    const APART: [f64; 6];
    /// A bar as the crate takes it.
    type Bar;

    fn bar(row: &Row) -> Self::Bar;
    fn new(first: &Self::Bar) -> Self;
    fn ema(&mut self, bars: &[Self::Bar], at: usize) -> f64;
    fn sma(&mut self, bars: &[Self::Bar], at: usize) -> f64;
    fn rsi(&mut self, bars: &[Self::Bar], at: usize) -> f64;
    fn macd(&mut self, bars: &[Self::Bar], at: usize) -> f64;
    fn bollinger(&mut self, bars: &[Self::Bar], at: usize) -> f64;
    fn atr(&mut self, bars: &[Self::Bar], at: usize) -> f64;
}

/// The same but for rounding.
pub const EQUAL: f64 = 1e-9;
/// Of the same name, and another definition.
pub const AKIN: f64 = 0.5;

/// Their names and parameters, as a table has them.
const TITLES: [&str; 7] = ["EMA 14", "SMA 14", "RSI 14", "MACD 12/26/9", "Bollinger 20/2", "ATR 14", "all six"];

/// One who takes all bars. It stops where its last value is not as near to ours as it should be.
fn contender<'a, S: Six>(
    bars: &'a [S::Bar],
    update: impl Fn(&mut S, &[S::Bar], usize) -> f64 + 'a,
    expect: f64,
    apart: f64,
) -> Contender<'a> {
    let run = move || {
        let (mut six, mut last) = (S::new(&bars[0]), f64::NAN);
        let (took, _) = timed(|| {
            for at in 0..bars.len() {
                last = black_box(update(&mut six, bars, at));
            }
            0
        });
        assert!((last - expect).abs() <= apart * expect.abs(), "{}: {last}, and not {expect}", S::NAME);
        (took, bars.len() as i64)
    };
    Contender { name: S::NAME, run: Box::new(run) }
}

fn all<S: Six>(six: &mut S, bars: &[S::Bar], at: usize) -> f64 {
    let averages = six.ema(bars, at) + six.sma(bars, at);
    let waves = six.rsi(bars, at) + six.macd(bars, at);
    averages + waves + six.bollinger(bars, at) + six.atr(bars, at)
}

/// The last value of each of ours, and their sum.
fn expected(rows: &[Row]) -> [f64; 7] {
    let bars: Vec<_> = rows.iter().map(Ours::bar).collect();
    let (mut six, mut values) = (Ours::new(&bars[0]), [0.0; 7]);
    for at in 0..bars.len() {
        values[0] = six.ema(&bars, at);
        values[1] = six.sma(&bars, at);
        values[2] = six.rsi(&bars, at);
        values[3] = six.macd(&bars, at);
        values[4] = six.bollinger(&bars, at);
        values[5] = six.atr(&bars, at);
    }
    values[6] = values[..6].iter().sum();
    assert!(
        (0.0..=100.0).contains(&values[2]) && values[4] > values[1] && values[5] > 0.0,
        "not plausible: {values:?}"
    );
    values
}

/// One crate, in every table.
fn enter<'a, S: Six>(bars: &'a [S::Bar], expect: &[f64; 7], tables: &mut [Vec<Contender<'a>>; 7]) {
    let [ema, sma, rsi, macd, bollinger, atr, together] = tables;
    ema.push(contender(bars, S::ema, expect[0], S::APART[0]));
    sma.push(contender(bars, S::sma, expect[1], S::APART[1]));
    rsi.push(contender(bars, S::rsi, expect[2], S::APART[2]));
    macd.push(contender(bars, S::macd, expect[3], S::APART[3]));
    bollinger.push(contender(bars, S::bollinger, expect[4], S::APART[4]));
    atr.push(contender(bars, S::atr, expect[5], S::APART[5]));
    together.push(contender(bars, all::<S>, expect[6], 0.05));
}

/// The comparison.
pub fn measure() -> Grid {
    let row = |[open, high, low, close, ..]: [f64; 7]| Row { open, high, low, close };
    let rows: Vec<Row> = walk::bars(BARS).into_iter().map(row).collect();
    let expect = expected(&rows);
    let ours: Vec<_> = rows.iter().map(Ours::bar).collect();
    let ta: Vec<_> = rows.iter().map(Ta::bar).collect();
    let yata: Vec<_> = rows.iter().map(Yata::bar).collect();
    let kand: Vec<_> = rows.iter().map(Kand::bar).collect();
    let wickra: Vec<_> = rows.iter().map(Wickra::bar).collect();
    let nautilus: Vec<_> = rows.iter().map(Nautilus::bar).collect();
    let mut tables = [const { Vec::new() }; 7];
    enter::<Ours>(&ours, &expect, &mut tables);
    enter::<Ta>(&ta, &expect, &mut tables);
    enter::<Yata>(&yata, &expect, &mut tables);
    enter::<Kand>(&kand, &expect, &mut tables);
    enter::<Wickra>(&wickra, &expect, &mut tables);
    enter::<Nautilus>(&nautilus, &expect, &mut tables);
    let tables = TITLES.into_iter().zip(tables);
    Grid {
        title: "indicators, ns/bar",
        tables: tables.map(|(title, them)| compare(title, "bar", BARS, them)).collect(),
    }
}
