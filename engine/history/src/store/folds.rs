//! The bars of every instrument, folded a second time from the tape, by the core's own rules.
//!
//! The follower keeps them so that the engine need not hand its bars over. A test holds both equal.

use super::bar_rows::BarRows;
use crate::ParquetStoreError;
use crate::tape::{Head, TapeError};
use arrow::array::RecordBatch;
use tidegate_core::{
    BarFlags, BarSeries, Body, Bounds, Engine, Family, Flags, GapCause, INTERVALS, Input, InstrumentId, Interval,
    Market, Nanos,
};

/// Bars kept of each interval: trades come late by minutes at most.
pub(crate) const BARS_MAX: usize = 64;

/// The intervals that are stored: seconds are told by the trades themselves.
pub const STORED: &[Interval] = INTERVALS.split_at(1).1;

/// Every instrument's bars, by dense id.
pub(crate) struct Folds {
    bounds: Bounds,
    streams: Vec<Fold>,
    /// The last input that was folded.
    seq: u64,
    /// The last moment at which bars were closed.
    passed: Nanos,
}

struct Fold {
    key: String,
    source: String,
    series: Vec<BarSeries>,
    /// By interval: the oldest bar that has changed since the last [`Folds::settle`].
    changed: Vec<Option<Nanos>>,
}

impl Fold {
    fn push(&mut self, passed: Nanos, at: Nanos, push: impl Fn(&mut BarSeries)) {
        for ((series, interval), changed) in self.series.iter_mut().zip(STORED).zip(&mut self.changed) {
            series.close_until(passed);
            push(series);
            let start = at.floor(interval.span);
            *changed = Some(changed.map_or(start, |oldest| oldest.min(start)));
        }
    }

    fn mark_incomplete(&mut self) {
        for (series, changed) in self.series.iter_mut().zip(&mut self.changed) {
            series.mark_incomplete();
            *changed = changed.or(series.iter().last().map(|bar| bar.start));
        }
    }
}

impl Folds {
    pub fn new(bounds: Bounds) -> Folds {
        Folds { bounds, streams: Vec::new(), seq: 0, passed: Nanos::ZERO }
    }

    /// Key and source of an instrument.
    pub fn name(&self, id: InstrumentId) -> Option<(&str, &str)> {
        self.streams.get(id.index()).map(|fold| (fold.key.as_str(), fold.source.as_str()))
    }

    /// Goes on from the state at the start of a segment; all its bars count as changed.
    pub fn restore(&mut self, heads: &[Head]) -> Result<(), TapeError> {
        let mut engine = Engine::new(Market::new(self.bounds), 0, Nanos::ZERO);
        heads.iter().try_for_each(|head| head.restore(&mut engine))?;
        (self.seq, self.passed) = (engine.seq(), engine.ts());
        let fold = |(_, stream): (_, &tidegate_core::Stream)| {
            let series: Vec<BarSeries> = stream.bars[1..].iter().map(|series| series.latest(BARS_MAX)).collect();
            let changed = series.iter().map(|series| series.iter().next().map(|bar| bar.start)).collect();
            let (key, source) = (stream.instrument.key.clone(), stream.instrument.source.clone());
            Fold { key, source, series, changed }
        };
        self.streams = engine.market().streams().map(fold).collect();
        Ok(())
    }

    /// Takes an input at tape time `ts`.
    pub fn apply(&mut self, seq: u64, ts: Nanos, input: &Input) {
        self.seq = seq;
        match input {
            Input::Event(event) => {
                if let Body::Trade { price, qty, .. } = event.body
                    && let Some(fold) = self.streams.get_mut(event.id.index())
                {
                    let received = event.flags.has(Flags::TIME_RECEIVED);
                    fold.push(self.passed, event.venue_ts, |series| {
                        series.push(event.venue_ts, received, price, qty);
                    });
                }
            }
            Input::Define { id, instrument } if id.index() == self.streams.len() => self.streams.push(Fold {
                key: instrument.key.clone(),
                source: instrument.source.clone(),
                series: STORED.iter().map(|&interval| BarSeries::new(interval, BARS_MAX)).collect(),
                changed: vec![None; STORED.len()],
            }),
            Input::Gap(gap) => match gap.id {
                Some(id) if gap.family == Family::Trades => {
                    self.streams.get_mut(id.index()).into_iter().for_each(Fold::mark_incomplete);
                }
                None if gap.cause != GapCause::RecorderFull => {
                    self.streams.iter_mut().for_each(Fold::mark_incomplete);
                }
                _ => {}
            },
            Input::Time => self.passed = ts,
            Input::Define { .. } | Input::State { .. } | Input::Attach(_) | Input::Detach(_) | Input::Config { .. } => {
            }
        }
    }

    /// The bars that have changed since [`Folds::settle`], ordered as files are; `None` where there is none.
    pub fn changed(&mut self) -> Result<Option<RecordBatch>, ParquetStoreError> {
        let mut rows = BarRows::default();
        let mut order: Vec<usize> = (0..self.streams.len()).collect();
        order.sort_by_key(|&at| (self.streams[at].key.clone(), self.streams[at].source.clone()));
        let mut intervals: Vec<usize> = (0..STORED.len()).collect();
        intervals.sort_by_key(|&at| STORED[at].name);
        let mut count = 0;
        for &at in &order {
            let Fold { key, source, series, changed } = &mut self.streams[at];
            for &interval in &intervals {
                let Some(oldest) = changed[interval] else { continue };
                series[interval].close_until(self.passed);
                for bar in series[interval].iter().filter(|bar| bar.start >= oldest) {
                    rows.push(self.seq, [key, source, STORED[interval].name], bar);
                    count += 1;
                }
            }
        }
        if count == 0 { Ok(None) } else { rows.finish().map(Some) }
    }

    /// What [`Folds::changed`] told has been stored. A bar that is still open will change by being closed.
    pub fn settle(&mut self) {
        for fold in &mut self.streams {
            for (series, changed) in fold.series.iter().zip(&mut fold.changed) {
                *changed = series.iter().last().filter(|bar| !bar.flags.has(BarFlags::CLOSED)).map(|bar| bar.start);
            }
        }
    }
}
