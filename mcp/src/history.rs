//! What was recorded, for whoever asks: the store, filled while the engine runs, and the past that lies before it.

use crate::past::Past;
use anyhow::Context;
use std::path::Path;
use std::sync::Arc;
use std::thread;
use tidegate_core::{Bar, Bounds, Instrument, Interval, Nanos};
use tidegate_history::ParquetStoreError;
use tidegate_history::store::{Extent, Follower, Store};

/// Name of the store's folder, beside the tape's.
const STORE: &str = "parquet";

/// The store of a running engine's tape.
pub struct History {
    follower: Follower,
    reader: HistoryReader,
}

/// A reader's end of it.
#[derive(Clone)]
pub struct HistoryReader {
    store: Store,
    past: Option<Arc<Past>>,
}

impl History {
    /// Opens the store beside `tape`, and follows the tape into it. A simulated past is stored in the background
    /// where it is not there yet; until then it is made anew for each question.
    ///
    /// # Errors
    /// Where the store cannot be opened, or a thread is not to be had.
    pub fn follow(tape: &Path, bounds: Bounds, past: Option<Arc<Past>>) -> anyhow::Result<History> {
        let store = Store::open(&tape.with_file_name(STORE))?;
        let follower = Follower::start(store.clone(), tape, bounds)?;
        if let Some(past) = past.clone() {
            let store = store.clone();
            let make = move || {
                if let Err(error) = past.store(&store) {
                    tracing::error!("{error:#}");
                }
            };
            thread::Builder::new().name("past".to_owned()).spawn(make).context("no thread for the past")?;
        }
        Ok(History { follower, reader: HistoryReader::of(store, past) })
    }

    /// For whoever asks.
    pub fn reader(&self) -> HistoryReader {
        self.reader.clone()
    }

    /// Stores the rest of a tape that has been closed.
    ///
    /// # Errors
    /// Where a file cannot be written.
    pub fn finish(self) -> anyhow::Result<()> {
        self.follower.finish().context("what was recorded could not be stored as tables; it is on the tape")
    }
}

impl HistoryReader {
    /// A reader of a store, and of a past that is on its way into it.
    pub fn of(store: Store, past: Option<Arc<Past>>) -> HistoryReader {
        HistoryReader { store, past }
    }

    /// The latest `limit` bars of an instrument that begin within `from..to`, oldest first.
    ///
    /// # Errors
    /// Where the store cannot be read.
    pub async fn bars(
        &self,
        instrument: &Instrument,
        interval: Interval,
        from: Nanos,
        to: Nanos,
        limit: usize,
    ) -> Result<Vec<Bar>, ParquetStoreError> {
        let mut found = self.store.bars(instrument, interval, from, to, limit).await?;
        if let Some(past) = self.past.as_ref().filter(|_| !self.store.has_past(&instrument.key)) {
            let mut before = past.bars(instrument, interval, from, to);
            before.append(&mut found);
            before.drain(..before.len().saturating_sub(limit));
            return Ok(before);
        }
        Ok(found)
    }

    /// How much is stored.
    pub fn extent(&self) -> Extent {
        self.store.extent()
    }
}
