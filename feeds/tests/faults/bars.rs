//! Which bars have to say that trades may be missing, worked out from what was lost and when trades were made.

use std::collections::BTreeMap;
use tidegate_core::{BarFlags, INTERVALS, Nanos, Stream};

/// The bars of one instrument: of seconds and of minutes.
#[derive(Clone, Debug)]
pub struct Bars {
    series: [Series; 2],
}

#[derive(Clone, Debug)]
struct Series {
    /// Its place among the intervals.
    interval: usize,
    /// By start: whether it may lack trades.
    lacking: BTreeMap<Nanos, bool>,
    /// Trades may be missing since the newest bar. Nobody knows what was before the first.
    is_after_loss: bool,
}

impl Bars {
    pub fn new() -> Bars {
        Bars { series: [0, 1].map(|interval| Series { interval, lacking: BTreeMap::new(), is_after_loss: true }) }
    }

    /// From here on something may be missing.
    pub fn lose(&mut self) {
        for series in &mut self.series {
            series.is_after_loss = true;
            if let Some(mut newest) = series.lacking.last_entry() {
                *newest.get_mut() = true;
            }
        }
    }

    /// A trade counts at this time.
    pub fn trade(&mut self, at: Nanos) {
        for series in &mut self.series {
            let start = at.floor(INTERVALS[series.interval].span);
            let newest = series.lacking.last_key_value().map(|(&newest, _)| newest);
            if newest.is_none_or(|newest| start >= newest) {
                // Within the bar that was lost in, that bar says so already.
                let is_first = newest != Some(start) && series.is_after_loss;
                *series.lacking.entry(start).or_default() |= is_first;
                series.is_after_loss = false;
            } else if !series.lacking.contains_key(&start) {
                // Late, into a hole or into a bucket that was empty: what lies on both sides of it tells.
                let before = series.lacking.range(..start).next_back().is_some_and(|(_, &lacks)| lacks);
                let after = series.lacking.range(start..).next().is_some_and(|(_, &lacks)| lacks);
                series.lacking.insert(start, before && after);
            }
        }
    }

    /// The bars that are kept say the same.
    pub fn check(&self, stream: &Stream) {
        for series in &self.series {
            for bar in stream.bars[series.interval].iter() {
                let lacks = bar.flags.has(BarFlags::INCOMPLETE);
                let name = INTERVALS[series.interval].name;
                assert_eq!(
                    series.lacking.get(&bar.start),
                    Some(&lacks),
                    "a bar of {name} at {} lacks trades",
                    bar.start
                );
            }
        }
    }
}
