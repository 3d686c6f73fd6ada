//! Bars as one series: from the store, and from the engine's memory, whose bars are as new or newer.

use crate::engine::BarsView;
use crate::server::Facade;
use crate::tools::unavailable;
use crate::wire::Refusal;
use std::collections::BTreeMap;
use std::sync::Arc;
use tidegate_core::{Bar, INTERVALS, Instrument, InstrumentId, Interval, Nanos};

/// An instrument as callers name it.
pub type Named = (InstrumentId, Arc<Instrument>);

/// Of each of `instruments` what the engine says, and the latest `limit` bars that start within `from..to`, oldest first,
/// the open one last.
///
/// # Errors
/// A refusal where the engine or the store does not answer.
pub async fn latest(
    facade: &Facade,
    instruments: &[&Named],
    interval: Interval,
    (from, to): (Nanos, Nanos),
    limit: usize,
) -> Result<Vec<(BarsView, Vec<Bar>)>, Refusal> {
    let position = INTERVALS.iter().position(|known| *known == interval).unwrap_or_default();
    let is_wanted = |bar: &&Bar| (from..to).contains(&bar.start);
    let mut views = Vec::with_capacity(instruments.len());
    for (id, _) in instruments {
        views.push(facade.ask(facade.engine.bars(*id, position)).await?);
    }
    let has_enough = |view: &BarsView| view.bars.iter().filter(is_wanted).count() >= limit;
    let short: Vec<usize> = (0..views.len()).filter(|&at| !has_enough(&views[at])).collect();
    let mut stored = vec![Vec::new(); views.len()];
    if let Some(history) = facade.history.as_ref().filter(|_| !short.is_empty()) {
        let asked: Vec<&Instrument> = short.iter().map(|&at| &*instruments[at].1).collect();
        let found = history.bars(&asked, interval, (from, to), limit).await.map_err(|error| {
            tracing::error!("{:#}", anyhow::Error::new(error));
            let message = "The store of bars could not be read; ask again, and see tidegate doctor.";
            unavailable("history_failed", message, true)
        })?;
        short.into_iter().zip(found).for_each(|(at, bars)| stored[at] = bars);
    }
    let join = |(view, stored): (BarsView, Vec<Bar>)| {
        let all = stored.iter().chain(view.bars.iter().filter(is_wanted));
        let all: BTreeMap<Nanos, Bar> = all.map(|bar| (bar.start, *bar)).collect();
        let skip = all.len().saturating_sub(limit);
        (view, all.into_values().skip(skip).collect())
    };
    Ok(views.into_iter().zip(stored).map(join).collect())
}
