//! Our six, by the way that expressions and tools take.

use super::{EQUAL, Row, Six};
use std::hint::black_box;
use tidegate_core::indicator::{Indicator, find};

pub struct Ours {
    ema: Indicator,
    sma: Indicator,
    rsi: Indicator,
    macd: Indicator,
    bollinger: Indicator,
    atr: Indicator,
}

fn made(name: &str, params: &[f64]) -> Indicator {
    Indicator::new(find(name).expect("of the catalogue"), params).expect("good parameters")
}

fn first<const OUT: usize>(indicator: &mut Indicator, input: &[f64]) -> f64 {
    let mut out = [f64::NAN; OUT];
    indicator.update(input, &mut out);
    black_box(&out)[0]
}

impl Six for Ours {
    const NAME: &'static str = "Tidegate";
    const APART: [f64; 6] = [EQUAL; 6];
    type Bar = Row;

    fn bar(row: &Row) -> Row {
        *row
    }

    fn new(_: &Row) -> Ours {
        Ours {
            ema: made("ema", &[14.0]),
            sma: made("sma", &[14.0]),
            rsi: made("rsi", &[14.0]),
            macd: made("macd", &[12.0, 26.0, 9.0]),
            bollinger: made("bbands", &[20.0, 2.0, 2.0]),
            atr: made("atr", &[14.0]),
        }
    }

    fn ema(&mut self, bars: &[Row], at: usize) -> f64 {
        first::<1>(&mut self.ema, &[bars[at].close])
    }

    fn sma(&mut self, bars: &[Row], at: usize) -> f64 {
        first::<1>(&mut self.sma, &[bars[at].close])
    }

    fn rsi(&mut self, bars: &[Row], at: usize) -> f64 {
        first::<1>(&mut self.rsi, &[bars[at].close])
    }

    fn macd(&mut self, bars: &[Row], at: usize) -> f64 {
        first::<3>(&mut self.macd, &[bars[at].close])
    }

    fn bollinger(&mut self, bars: &[Row], at: usize) -> f64 {
        first::<3>(&mut self.bollinger, &[bars[at].close])
    }

    fn atr(&mut self, bars: &[Row], at: usize) -> f64 {
        let Row { high, low, close, .. } = bars[at];
        first::<1>(&mut self.atr, &[high, low, close])
    }
}
