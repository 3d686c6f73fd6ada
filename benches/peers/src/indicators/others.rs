//! The six of other crates, each as its documentation shows it.

use super::{AKIN, EQUAL, Row, Six};
use kand::ohlcv as kand_of;
use nautilus_indicators::average::MovingAverageType;
use nautilus_indicators::average::ema::ExponentialMovingAverage;
use nautilus_indicators::average::sma::SimpleMovingAverage;
use nautilus_indicators::indicator::MovingAverage as _;
use nautilus_indicators::momentum::bb::BollingerBands as NautilusBands;
use nautilus_indicators::momentum::macd::MovingAverageConvergenceDivergence as NautilusMacd;
use nautilus_indicators::momentum::rsi::RelativeStrengthIndex as NautilusRsi;
use nautilus_indicators::volatility::atr::AverageTrueRange as NautilusAtr;
use std::hint::black_box;
use ta::{DataItem, Next as _, indicators as ta_of};
use wickra_core::Indicator as _;
use yata::core::{IndicatorResult, PeriodType};
use yata::helpers::MA;
use yata::indicators as yata_of;
use yata::methods;
use yata::prelude::{Candle, IndicatorConfig as _, IndicatorInstance, Method as _};

/// `ta`. Its RSI and ATR are smoothed exponentially, and not as Wilder does.
pub struct Ta {
    ema: ta_of::ExponentialMovingAverage,
    sma: ta_of::SimpleMovingAverage,
    rsi: ta_of::RelativeStrengthIndex,
    macd: ta_of::MovingAverageConvergenceDivergence,
    bollinger: ta_of::BollingerBands,
    atr: ta_of::AverageTrueRange,
}

impl Six for Ta {
    const NAME: &'static str = "ta";
    const APART: [f64; 6] = [EQUAL, EQUAL, AKIN, EQUAL, EQUAL, AKIN];
    type Bar = DataItem;

    fn bar(row: &Row) -> DataItem {
        let Row { open, high, low, close } = *row;
        DataItem::builder().open(open).high(high).low(low).close(close).volume(1.0).build().expect("a good bar")
    }

    fn new(_: &DataItem) -> Ta {
        Ta {
            ema: ta_of::ExponentialMovingAverage::new(14).expect("a good period"),
            sma: ta_of::SimpleMovingAverage::new(14).expect("a good period"),
            rsi: ta_of::RelativeStrengthIndex::new(14).expect("a good period"),
            macd: ta_of::MovingAverageConvergenceDivergence::new(12, 26, 9).expect("good periods"),
            bollinger: ta_of::BollingerBands::new(20, 2.0).expect("a good period"),
            atr: ta_of::AverageTrueRange::new(14).expect("a good period"),
        }
    }

    fn ema(&mut self, bars: &[DataItem], at: usize) -> f64 {
        black_box(self.ema.next(&bars[at]))
    }

    fn sma(&mut self, bars: &[DataItem], at: usize) -> f64 {
        black_box(self.sma.next(&bars[at]))
    }

    fn rsi(&mut self, bars: &[DataItem], at: usize) -> f64 {
        black_box(self.rsi.next(&bars[at]))
    }

    fn macd(&mut self, bars: &[DataItem], at: usize) -> f64 {
        black_box(&self.macd.next(&bars[at])).macd
    }

    fn bollinger(&mut self, bars: &[DataItem], at: usize) -> f64 {
        black_box(&self.bollinger.next(&bars[at])).upper
    }

    fn atr(&mut self, bars: &[DataItem], at: usize) -> f64 {
        black_box(self.atr.next(&bars[at]))
    }
}

/// `yata`. Its bands are those of a sample; it has no ATR but what one is made of.
pub struct Yata {
    ema: methods::EMA,
    sma: methods::SMA,
    rsi: yata_of::RelativeStrengthIndexInstance,
    macd: yata_of::MACDInstance<MA>,
    bollinger: yata_of::BollingerBandsInstance,
    range: methods::TR,
    average: methods::RMA,
}

const PERIOD: PeriodType = 14;

/// All that an indicator of `yata` tells, its signals included; the first value.
fn first(result: IndicatorResult) -> f64 {
    black_box(&result).value(0)
}

impl Six for Yata {
    const NAME: &'static str = "yata";
    const APART: [f64; 6] = [EQUAL, EQUAL, EQUAL, EQUAL, 0.01, EQUAL];
    type Bar = Candle;

    fn bar(&Row { open, high, low, close }: &Row) -> Candle {
        Candle { open, high, low, close, volume: 1.0 }
    }

    fn new(first: &Candle) -> Yata {
        let rsi = yata_of::RSI { ma: MA::RMA(PERIOD), ..yata_of::RSI::default() };
        Yata {
            ema: methods::EMA::new(PERIOD, &first.close).expect("a good period"),
            sma: methods::SMA::new(PERIOD, &first.close).expect("a good period"),
            rsi: rsi.init(first).expect("good settings"),
            macd: yata_of::MACD::default().init(first).expect("good settings"),
            bollinger: yata_of::BollingerBands::default().init(first).expect("good settings"),
            range: methods::TR::new(first).expect("a bar"),
            average: methods::RMA::new(PERIOD, &(first.high - first.low)).expect("a good period"),
        }
    }

    fn ema(&mut self, bars: &[Candle], at: usize) -> f64 {
        black_box(self.ema.next(&bars[at].close))
    }

    fn sma(&mut self, bars: &[Candle], at: usize) -> f64 {
        black_box(self.sma.next(&bars[at].close))
    }

    fn rsi(&mut self, bars: &[Candle], at: usize) -> f64 {
        100.0 * first(self.rsi.next(&bars[at]))
    }

    fn macd(&mut self, bars: &[Candle], at: usize) -> f64 {
        first(self.macd.next(&bars[at]))
    }

    fn bollinger(&mut self, bars: &[Candle], at: usize) -> f64 {
        first(self.bollinger.next(&bars[at]))
    }

    fn atr(&mut self, bars: &[Candle], at: usize) -> f64 {
        black_box(self.average.next(&self.range.next(&bars[at])))
    }
}

/// `kand`: functions from one state to the next, which the caller keeps, as it does the values that a window loses. It
/// begins as though the first close had stood for ever.
pub struct Kand {
    ema: f64,
    sma: f64,
    /// Average gain and loss.
    moves: [f64; 2],
    /// The fast average, the slow one and the signal.
    macd: [f64; 3],
    /// The average, the sum and the sum of squares.
    bollinger: [f64; 3],
    atr: f64,
}

impl Six for Kand {
    const NAME: &'static str = "kand";
    const APART: [f64; 6] = [EQUAL; 6];
    type Bar = Row;

    fn bar(row: &Row) -> Row {
        *row
    }

    fn new(&Row { close, .. }: &Row) -> Kand {
        Kand {
            ema: close,
            sma: close,
            moves: [0.0; 2],
            macd: [close, close, 0.0],
            bollinger: [close, 20.0 * close, 20.0 * close * close],
            atr: 0.0,
        }
    }

    fn ema(&mut self, bars: &[Row], at: usize) -> f64 {
        self.ema = kand_of::ema::ema_inc(bars[at].close, self.ema, 14, None).expect("a good period");
        black_box(self.ema)
    }

    fn sma(&mut self, bars: &[Row], at: usize) -> f64 {
        let oldest = bars[at.saturating_sub(14)].close;
        self.sma = kand_of::sma::sma_inc(self.sma, bars[at].close, oldest, 14).expect("a good period");
        black_box(self.sma)
    }

    fn rsi(&mut self, bars: &[Row], at: usize) -> f64 {
        let ([gain, loss], before) = (self.moves, bars[at.saturating_sub(1)].close);
        let (rsi, gain, loss) = kand_of::rsi::rsi_inc(bars[at].close, before, gain, loss, 14).expect("a good period");
        self.moves = [gain, loss];
        black_box(rsi)
    }

    fn macd(&mut self, bars: &[Row], at: usize) -> f64 {
        let ([fast, slow, signal], close) = (self.macd, bars[at].close);
        let told = kand_of::macd::macd_inc(close, fast, slow, signal, 12, 26, 9).expect("good periods");
        // It tells the difference of both averages, and neither of them: the caller has to work them out once more.
        let average = |before, period| kand_of::ema::ema_inc(close, before, period, None).expect("a good period");
        self.macd = [average(fast, 12), average(slow, 26), told.1];
        black_box(&told).0
    }

    fn bollinger(&mut self, bars: &[Row], at: usize) -> f64 {
        let ([average, sum, squares], oldest) = (self.bollinger, bars[at.saturating_sub(20)].close);
        let told = kand_of::bbands::bbands_inc(bars[at].close, average, sum, squares, oldest, 20, 2.0, 2.0);
        let told = told.expect("a good period");
        self.bollinger = [told.3, told.4, told.5];
        black_box(&told).0
    }

    fn atr(&mut self, bars: &[Row], at: usize) -> f64 {
        let (Row { high, low, .. }, before) = (bars[at], bars[at.saturating_sub(1)].close);
        self.atr = kand_of::atr::atr_inc(high, low, before, self.atr, 14).expect("a good period");
        black_box(self.atr)
    }
}

/// `wickra-core`.
pub struct Wickra {
    ema: wickra_core::Ema,
    sma: wickra_core::Sma,
    rsi: wickra_core::Rsi,
    macd: wickra_core::MacdIndicator,
    bollinger: wickra_core::BollingerBands,
    atr: wickra_core::Atr,
}

impl Six for Wickra {
    const NAME: &'static str = "wickra-core";
    const APART: [f64; 6] = [EQUAL; 6];
    type Bar = wickra_core::Candle;

    fn bar(&Row { open, high, low, close }: &Row) -> wickra_core::Candle {
        wickra_core::Candle::new(open, high, low, close, 1.0, 0).expect("a good bar")
    }

    fn new(_: &wickra_core::Candle) -> Wickra {
        Wickra {
            ema: wickra_core::Ema::new(14).expect("a good period"),
            sma: wickra_core::Sma::new(14).expect("a good period"),
            rsi: wickra_core::Rsi::new(14).expect("a good period"),
            macd: wickra_core::MacdIndicator::new(12, 26, 9).expect("good periods"),
            bollinger: wickra_core::BollingerBands::new(20, 2.0).expect("a good period"),
            atr: wickra_core::Atr::new(14).expect("a good period"),
        }
    }

    fn ema(&mut self, bars: &[Self::Bar], at: usize) -> f64 {
        black_box(self.ema.update(bars[at].close)).unwrap_or(f64::NAN)
    }

    fn sma(&mut self, bars: &[Self::Bar], at: usize) -> f64 {
        black_box(self.sma.update(bars[at].close)).unwrap_or(f64::NAN)
    }

    fn rsi(&mut self, bars: &[Self::Bar], at: usize) -> f64 {
        black_box(self.rsi.update(bars[at].close)).unwrap_or(f64::NAN)
    }

    fn macd(&mut self, bars: &[Self::Bar], at: usize) -> f64 {
        black_box(&self.macd.update(bars[at].close)).as_ref().map_or(f64::NAN, |told| told.macd)
    }

    fn bollinger(&mut self, bars: &[Self::Bar], at: usize) -> f64 {
        black_box(&self.bollinger.update(bars[at].close)).as_ref().map_or(f64::NAN, |told| told.upper)
    }

    fn atr(&mut self, bars: &[Self::Bar], at: usize) -> f64 {
        black_box(self.atr.update(bars[at])).unwrap_or(f64::NAN)
    }
}

/// `nautilus-indicators`. Its RSI is smoothed exponentially whatever it is told, its ATR is a simple average, and its MACD
/// has no signal, for which a further average is taken.
pub struct Nautilus {
    ema: ExponentialMovingAverage,
    sma: SimpleMovingAverage,
    rsi: NautilusRsi,
    macd: NautilusMacd,
    signal: ExponentialMovingAverage,
    bollinger: NautilusBands,
    atr: NautilusAtr,
}

impl Six for Nautilus {
    const NAME: &'static str = "nautilus-indicators";
    const APART: [f64; 6] = [EQUAL, EQUAL, AKIN, EQUAL, EQUAL, AKIN];
    type Bar = Row;

    fn bar(row: &Row) -> Row {
        *row
    }

    fn new(_: &Row) -> Nautilus {
        let wilder = Some(MovingAverageType::Wilder);
        let exponential = Some(MovingAverageType::Exponential);
        Nautilus {
            ema: ExponentialMovingAverage::new(14, None),
            sma: SimpleMovingAverage::new(14, None),
            rsi: NautilusRsi::new(14, wilder),
            macd: NautilusMacd::new(12, 26, exponential, None),
            signal: ExponentialMovingAverage::new(9, None),
            bollinger: NautilusBands::new(20, 2.0, None),
            atr: NautilusAtr::new(14, wilder, None, None),
        }
    }

    fn ema(&mut self, bars: &[Row], at: usize) -> f64 {
        self.ema.update_raw(bars[at].close);
        black_box(self.ema.value)
    }

    fn sma(&mut self, bars: &[Row], at: usize) -> f64 {
        self.sma.update_raw(bars[at].close);
        black_box(self.sma.value)
    }

    fn rsi(&mut self, bars: &[Row], at: usize) -> f64 {
        self.rsi.update_raw(bars[at].close);
        100.0 * black_box(self.rsi.value)
    }

    fn macd(&mut self, bars: &[Row], at: usize) -> f64 {
        self.macd.update_raw(bars[at].close);
        self.signal.update_raw(self.macd.value);
        let told = [self.macd.value, self.signal.value, self.macd.value - self.signal.value];
        black_box(&told)[0]
    }

    fn bollinger(&mut self, bars: &[Row], at: usize) -> f64 {
        // It means the typical price, which of one price is that price.
        let close = bars[at].close;
        self.bollinger.update_raw(close, close, close);
        black_box(&[self.bollinger.upper, self.bollinger.middle, self.bollinger.lower])[0]
    }

    fn atr(&mut self, bars: &[Row], at: usize) -> f64 {
        let Row { high, low, close, .. } = bars[at];
        self.atr.update_raw(high, low, close);
        black_box(self.atr.value)
    }
}
