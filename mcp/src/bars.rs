//! Bars as one series: from the store, and from the engine's memory, whose bars are as new or newer.

use crate::engine::BarsView;
use crate::reads::{Place, Read};
use crate::server::Facade;
use crate::tools::unavailable;
use crate::wire::Refusal;
use std::sync::Arc;
use tidegate_core::{Bar, INTERVALS, Instrument, InstrumentId, Interval, Nanos};

/// An instrument as callers name it.
pub type Named = (InstrumentId, Arc<Instrument>);

/// What a bar takes while it is looked for: with its stages, and once more as it is handed on.
pub const BYTES_PER_BAR: usize = 320;

/// Of each of `instruments` what the engine says, and the latest `limit` bars that start within `from..to`, oldest first,
/// the open one last. Where the engine's memory is not enough, the store is asked: at `place`, or at one of its own.
///
/// # Errors
/// A refusal where the engine or the store does not answer.
pub async fn latest(
    facade: &Facade,
    (read, place): (&Read<'_>, Option<&Arc<Place>>),
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
        let place = match place {
            Some(place) => Arc::clone(place),
            None => read.place(short.len() * limit * BYTES_PER_BAR).await?,
        };
        let asked: Vec<Arc<Instrument>> = short.iter().map(|&at| Arc::clone(&instruments[at].1)).collect();
        let found = history.bars(&place, &asked, interval, (from, to), limit).await.map_err(|error| {
            tracing::error!("{:#}", anyhow::Error::new(error));
            let message = "The store of bars could not be read; ask again, and see tidegate doctor.";
            unavailable("history_failed", message, true)
        })?;
        short.into_iter().zip(found).for_each(|(at, bars)| stored[at] = bars);
    }
    let join = |(view, mut all): (BarsView, Vec<Bar>)| {
        all.extend(view.bars.iter().filter(is_wanted));
        // Stable: of two stages of a bar the engine's comes later, and is kept.
        all.sort_by_key(|bar| bar.start);
        all.dedup_by(|later, kept| {
            let is_same = later.start == kept.start;
            if is_same {
                *kept = *later;
            }
            is_same
        });
        all.drain(..all.len().saturating_sub(limit));
        (view, all)
    };
    Ok(views.into_iter().zip(stored).map(join).collect())
}
