//! What was recorded, for whoever asks: the store, filled while the engine runs, and the past that lies before it.

use crate::clock;
use crate::past::Past;
use crate::reads::{Place, Stop};
use anyhow::Context;
use crossbeam::channel::{Receiver, RecvTimeoutError, Sender, bounded};
use std::path::Path;
use std::sync::Arc;
use std::thread;
use std::time::Duration;
use tidegate_core::{Bar, Bounds, Instrument, Interval, Nanos};
use tidegate_history::ParquetStoreError;
use tidegate_history::store::{Extent, Follower, Retained, Retention, Store};

/// Name of the store's folder, beside the tape's.
pub const STORE: &str = "parquet";

/// How often it is looked whether there is too much.
const LOOK_EVERY: Duration = Duration::from_secs(600);

/// The store of a running engine's tape.
pub struct History {
    follower: Follower,
    reader: HistoryReader,
    /// Dropped, it ends the thread that gives up what is too old or too much.
    _keeper: Sender<()>,
}

/// Opens the store beside `tape`.
///
/// # Errors
/// Where its folder or its list of files cannot be used.
pub fn open(tape: &Path) -> anyhow::Result<Store> {
    let folder = tape.with_file_name(STORE);
    Store::open(&folder).with_context(|| {
        format!(
            "the tables in {} cannot be opened; where their list is damaged, move that folder away: they are made again \
             from the tape, as far back as it goes",
            folder.display()
        )
    })
}

/// How much is kept, and when there is a warning.
#[derive(Clone, Copy, Debug)]
pub struct Keep {
    /// How much is kept.
    pub retention: Retention,
    /// From this part of the most on there are warnings.
    pub warn_at_percent: u64,
}

/// A reader's end of it.
#[derive(Clone)]
pub struct HistoryReader {
    store: Store,
    past: Option<Arc<Past>>,
}

impl History {
    /// Follows `tape` into its store. A simulated past is stored in the background
    /// where it is not there yet; until then it is made anew for each question.
    ///
    /// # Errors
    /// Where a thread is not to be had.
    pub fn follow(
        store: Store,
        tape: &Path,
        bounds: Bounds,
        keep: Keep,
        past: Option<Arc<Past>>,
    ) -> anyhow::Result<History> {
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
        let (keeper, ended) = bounded(0);
        let (kept, tape) = (store.clone(), tape.to_owned());
        let look = move || keep.watch(&kept, &tape, &ended);
        thread::Builder::new().name("keeper".to_owned()).spawn(look).context("no thread to watch the disk")?;
        Ok(History { follower, reader: HistoryReader::of(store, past), _keeper: keeper })
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

impl Keep {
    /// Gives up what is too old or too much, now and from time to time, until `ended`.
    fn watch(self, store: &Store, tape: &Path, ended: &Receiver<()>) {
        loop {
            // Never by a time that is ahead: what goes then is gone.
            match store.retain(tape, &self.retention, clock::system().min(clock::now())) {
                Err(error) => {
                    tracing::error!("what is recorded could not be cut down: {:#}", anyhow::Error::new(error))
                }
                Ok(retained) => self.tell(retained, tape),
            }
            if ended.recv_timeout(LOOK_EVERY) != Err(RecvTimeoutError::Timeout) {
                return;
            }
        }
    }

    fn tell(&self, Retained { bytes, segments, days }: Retained, tape: &Path) {
        let tape = tape.display();
        if segments + days > 0 {
            tracing::warn!("{tape}: {segments} hours of tape and {days} days of tables were too old or too much");
        }
        let percent = u128::from(bytes) * 100 / u128::from(self.retention.bytes_max.max(1));
        if percent >= u128::from(self.warn_at_percent) {
            let most = self.retention.bytes_max;
            tracing::warn!("{tape}: {bytes} bytes of {most} that are kept at most; the oldest will be removed");
        }
    }
}

impl HistoryReader {
    /// A reader of a store, and of a past that is on its way into it.
    pub fn of(store: Store, past: Option<Arc<Past>>) -> HistoryReader {
        HistoryReader { store, past }
    }

    /// The latest `limit` bars of each of `instruments` that begin within `from..to`, oldest first; what is not in the
    /// store is worked out at `place`.
    ///
    /// # Errors
    /// Where the store cannot be read.
    pub async fn bars(
        &self,
        place: &Arc<Place>,
        instruments: &[Arc<Instrument>],
        interval: Interval,
        (from, to): (Nanos, Nanos),
        limit: usize,
    ) -> Result<Vec<Vec<Bar>>, ParquetStoreError> {
        // Asked first: what is put into the store meanwhile is then told twice, and not never.
        let has_past: Vec<bool> = instruments.iter().map(|instrument| self.store.has_past(&instrument.key)).collect();
        let mut found = self.stored(instruments, interval, (from, to), limit).await?;
        let Some(past) = self.past.clone().filter(|_| has_past.contains(&false)) else { return Ok(found) };
        let instruments = instruments.to_vec();
        let join = move |stop: &Stop<'_>| {
            let missing = instruments.iter().zip(&mut found).zip(has_past).filter(|(_, has_past)| !has_past);
            for ((instrument, found), _) in missing {
                if stop.is_over() {
                    return None;
                }
                let mut before = past.bars(instrument, interval, from, to);
                found.retain(|bar| before.last().is_none_or(|last| bar.start > last.start));
                before.append(found);
                before.drain(..before.len().saturating_sub(limit));
                *found = before;
            }
            Some(found)
        };
        // Given up, nobody reads it any more.
        Ok(place.run(join).await.unwrap_or_default())
    }

    /// Looks back as far as it takes: most questions are about the last of what is asked for, and a year of minutes
    /// need not be read for ten of them.
    async fn stored(
        &self,
        instruments: &[Arc<Instrument>],
        interval: Interval,
        (from, to): (Nanos, Nanos),
        limit: usize,
    ) -> Result<Vec<Vec<Bar>>, ParquetStoreError> {
        let end = to.min(clock::now().plus(interval.span));
        let reach = interval.span.raw().saturating_mul(4).saturating_mul(limit as i64);
        let mut found: Vec<Vec<Bar>> = vec![Vec::new(); instruments.len()];
        for times in [1, 16, 256, i64::MAX] {
            let short: Vec<usize> = (0..instruments.len()).filter(|&at| found[at].len() < limit).collect();
            if short.is_empty() {
                break;
            }
            let start = Nanos::new(end.raw().saturating_sub(reach.saturating_mul(times))).max(from);
            let asked: Vec<Arc<Instrument>> = short.iter().map(|&at| Arc::clone(&instruments[at])).collect();
            let more = self.store.bars(&asked, interval, start, to, limit).await?;
            short.into_iter().zip(more).for_each(|(at, bars)| found[at] = bars);
            if start == from {
                break;
            }
        }
        Ok(found)
    }

    /// Why nothing more is put into tables, once that is so.
    pub fn failure(&self) -> Option<String> {
        self.store.failure()
    }

    /// How much is stored.
    pub fn extent(&self) -> Extent {
        self.store.extent()
    }
}
