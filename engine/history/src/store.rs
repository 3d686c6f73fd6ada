//! Everything that was recorded, as tables: a hot tail in memory, recent files, and days sorted by symbol.
//!
//! ```text
//! tape ──► follower ──► tail (Arrow) ──► librarian ──► recent/events-<first>-<last>.parquet
//!              └─ bars, folded ─────────────┘          recent/bars-<segment>.parquet
//!                                   a day is over ──► events/symbol=<key>/<date>.parquet, bars/symbol=<key>/…
//! ```
//!
//! The follower reads the tape as it grows, so that nothing depends on the engine's thread and everything can be
//! done again after a crash. What makes up the store changes under one lock in memory, and on the disk by replacing
//! one small file: a row is in the tail, in a recent file or in a day's, never in two of them and never in none.

mod audit;
mod bar_rows;
mod catalogue;
mod complexity;
mod folds;
mod follower;
pub(crate) mod librarian;
mod reading;
mod retention;
pub(crate) mod sorted;
mod table;

pub use folds::STORED;
pub use follower::Follower;
pub use retention::{Retained, Retention};

use crate::ParquetStoreError;
use crate::columns;
use crate::files;
use crate::parquet_file::{NewFile, io_error};
use crate::projection::{DAY, EVENTS};
use crate::tape::{TapeError, TapeReader};
use arrow::array::RecordBatch;
use bar_rows::BarRows;
use catalogue::{BARS, Catalogue, Past, RECENT};
use datafusion::execution::memory_pool::MemoryPool;
use folds::Folds;
use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use table::{Checked, StoreTable, StoredFile};
use tidegate_core::{Bar, Bounds, Instrument, Interval, Nanos};
use tokio::runtime::{Builder, Runtime};

/// Threads that run queries: whoever answers tools must not wait for them.
const QUERY_THREADS: usize = 1;
/// Their stack, in bytes: as deep as the largest query that is taken needs it. What is not used takes no memory.
const STACK_BYTES: usize = 256 << 20;

/// What readers see besides the files that the catalogue names.
#[derive(Default)]
struct View {
    catalogue: Arc<Catalogue>,
    /// Rows that are on their way into a file, oldest first.
    frozen: Vec<Arc<Vec<RecordBatch>>>,
    /// The newest rows.
    tail: Vec<RecordBatch>,
    /// Bars that are on their way into a file.
    frozen_bars: Vec<RecordBatch>,
    /// The last input that readers see.
    seen: u64,
}

/// A store, shared by everybody who reads it and the two threads that fill it.
#[derive(Clone)]
pub struct Store {
    shared: Arc<Shared>,
}

struct Shared {
    folder: PathBuf,
    view: Mutex<View>,
    /// Held while the catalogue is being replaced.
    changing: Mutex<()>,
    folds: Mutex<Option<Folds>>,
    /// Why nothing more is put into tables.
    failure: Mutex<Option<String>>,
    /// Files that were found to be as they were written: none is changed after that.
    checked: Arc<Checked>,
    runtime: Option<Runtime>,
    memory: Arc<dyn MemoryPool>,
}

/// DataFusion's threads may be given up from within another runtime, where waiting for them is forbidden.
impl Drop for Shared {
    fn drop(&mut self) {
        if let Some(runtime) = self.runtime.take() {
            runtime.shutdown_background();
        }
    }
}

/// How much there is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Extent {
    /// The last input that queries see.
    pub seen: u64,
    /// Rows of events in files.
    pub stored_rows: u64,
    /// Rows of events in memory.
    pub hot_rows: u64,
    /// Compacted days.
    pub days: usize,
}

impl Store {
    /// Opens the store of a folder, which is made if it is not there.
    ///
    /// # Errors
    /// [`ParquetStoreError`] where the folder cannot be used or its catalogue cannot be read.
    pub fn open(folder: &Path) -> Result<Store, ParquetStoreError> {
        let folder = std::path::absolute(folder).map_err(io_error(folder))?;
        files::create_folder(&folder.join(RECENT)).map_err(io_error(&folder))?;
        let catalogue = Arc::new(Catalogue::read(&folder)?);
        let runtime = Builder::new_multi_thread()
            .worker_threads(QUERY_THREADS)
            .thread_name("datafusion")
            .thread_stack_size(STACK_BYTES)
            .enable_all()
            .build()
            .map_err(io_error(&folder))?;
        let seen = catalogue.last_seq;
        let view = Mutex::new(View { catalogue, seen, ..View::default() });
        let (changing, folds, failure) = (Mutex::new(()), Mutex::new(None), Mutex::new(None));
        let (runtime, memory, checked) = (Some(runtime), reading::memory_pool(), Arc::default());
        Ok(Store { shared: Arc::new(Shared { folder, view, changing, folds, failure, checked, runtime, memory }) })
    }

    /// A moment of the store of a folder and of the tape that it follows, for whoever only reads: another process
    /// may be filling it.
    ///
    /// # Errors
    /// [`ParquetStoreError`] where the catalogue or the tape cannot be read.
    pub fn read(folder: &Path, tape: &Path, bounds: Bounds) -> Result<Store, ParquetStoreError> {
        let store = Store::open(folder)?;
        if tape.is_dir() {
            store.must_have_list(tape)?;
            store.must_know_pasts()?;
            follower::read_tail(&store, tape, bounds)?;
        }
        Ok(store)
    }

    /// Where it is.
    pub fn folder(&self) -> &Path {
        &self.shared.folder
    }

    /// Fails where the list of files is gone and the tape does not hold everything that they may have held.
    fn must_have_list(&self, tape: &Path) -> Result<(), ParquetStoreError> {
        let path = Catalogue::path(self.folder());
        if path.exists() || unnamed(self.folder(), &Catalogue::default())?.is_empty() {
            return Ok(());
        }
        match TapeReader::open(tape, |_| {}) {
            Ok(reader) if reader.begins_empty()? => Ok(()),
            Ok(_) | Err(TapeError::Empty(_)) => {
                let why = "is missing, and the tape does not reach back to the first input: put it back, or move the \
                           folder away";
                Err(ParquetStoreError::Catalogue(path, why.to_owned()))
            }
            Err(error) => Err(error.into()),
        }
    }

    /// Fails where the list of files is gone and bars lie there that are on no tape: who fills the store makes them again, a
    /// reader would leave them out.
    fn must_know_pasts(&self) -> Result<(), ParquetStoreError> {
        let path = Catalogue::path(self.folder());
        let is_past = |path: &PathBuf| path.file_name().is_some_and(|name| name.to_string_lossy().contains("--"));
        if path.exists() || !unnamed(self.folder(), &Catalogue::default())?.iter().any(is_past) {
            return Ok(());
        }
        let why = "is missing, and with it which bars from before the tape there are: put it back, or start the engine, which \
                   makes the tables again";
        Err(ParquetStoreError::Catalogue(path, why.to_owned()))
    }

    fn view(&self) -> MutexGuard<'_, View> {
        self.shared.view.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn folds(&self) -> MutexGuard<'_, Option<Folds>> {
        self.shared.folds.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Changes the catalogue, on the disk and then for readers; `also` changes what readers see in the same moment.
    fn change(
        &self,
        change: impl FnOnce(&mut Catalogue),
        also: impl FnOnce(&mut View),
    ) -> Result<(), ParquetStoreError> {
        let _alone = self.shared.changing.lock().unwrap_or_else(PoisonError::into_inner);
        let mut catalogue = (*self.view().catalogue).clone();
        change(&mut catalogue);
        catalogue.write(self.folder())?;
        let mut view = self.view();
        view.catalogue = Arc::new(catalogue);
        also(&mut view);
        Ok(())
    }

    /// How much there is.
    pub fn extent(&self) -> Extent {
        let view = self.view();
        let hot = view.frozen.iter().flat_map(|batches| batches.iter()).chain(&view.tail);
        Extent {
            seen: view.seen,
            stored_rows: view.catalogue.rows(),
            hot_rows: hot.map(|batch| batch.num_rows() as u64).sum(),
            days: view.catalogue.days.len(),
        }
    }

    /// Why nothing more is put into tables, once that is so.
    pub fn failure(&self) -> Option<String> {
        self.shared.failure.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    fn fail(&self, why: String) {
        *self.shared.failure.lock().unwrap_or_else(PoisonError::into_inner) = Some(why);
    }

    /// True where bars of `key` from before the tape are in the store.
    pub fn has_past(&self, key: &str) -> bool {
        self.view().catalogue.pasts.contains_key(key)
    }

    /// Stores bars of instruments from before there was a tape; they are never rewritten.
    ///
    /// # Errors
    /// [`ParquetStoreError`] where a file cannot be written.
    pub fn add_pasts(
        &self,
        pasts: impl Iterator<Item = (Instrument, Vec<(Interval, Vec<Bar>)>)>,
    ) -> Result<(), ParquetStoreError> {
        let mut added = BTreeMap::new();
        for (instrument, mut series) in pasts.filter(|(instrument, _)| !self.has_past(&instrument.key)) {
            let starts = || series.iter().flat_map(|(_, bars)| bars).map(|bar| bar.start.raw());
            let (Some(from), Some(last)) = (starts().min(), starts().max()) else { continue };
            let rows = series.iter().map(|(_, bars)| bars.len() as u64).sum();
            let past = Past { from, to: last + 1, rows };
            series.sort_by_key(|(interval, _)| interval.name);
            let path = past.path(self.folder(), &instrument.key);
            let mut file = NewFile::create(path, bar_rows::schema(), &bar_rows::ORDER)?;
            let mut batch = BarRows::default();
            for (interval, bars) in &series {
                bars.iter().for_each(|bar| batch.push(0, [&instrument.key, &instrument.source, interval.name], bar));
            }
            file.write(&batch.finish()?)?;
            file.publish(|_| Ok(()))?;
            added.insert(instrument.key, past);
        }
        self.change(|catalogue| catalogue.pasts.extend(added), |_| {})
    }

    /// Both tables, of one moment.
    fn tables(&self) -> Result<(StoreTable, StoreTable), ParquetStoreError> {
        // Before the view: bars that are settled meanwhile are in it then, and a bar may be told twice, not never.
        let changed = self.folds().as_mut().map(Folds::changed).transpose()?.flatten();
        let (catalogue, frozen, mut events, mut bars) = {
            let view = self.view();
            (Arc::clone(&view.catalogue), view.frozen.clone(), view.tail.clone(), view.frozen_bars.clone())
        };
        events.splice(0..0, frozen.iter().flat_map(|batches| batches.iter().cloned()));
        bars.extend(changed);
        let table = |schema, files, batches| {
            let checked = Arc::clone(&self.shared.checked);
            StoreTable { schema, files, batches, checked }
        };
        let events = table(columns::schema(), event_files(self.folder(), &catalogue), events);
        let bars = table(bar_rows::schema(), bar_files(self.folder(), &catalogue), bars);
        Ok((events, bars))
    }
}

fn event_files(folder: &Path, catalogue: &Catalogue) -> Vec<StoredFile> {
    let parts = catalogue.parts.iter().map(|part| (part.path(folder), None, part.day));
    let days = catalogue.days.iter().flat_map(|day| {
        day.events.iter().map(|symbol| (day.events_path(folder, symbol), Some(symbol.clone()), day.day))
    });
    let file = |(path, symbol, day): (PathBuf, Option<String>, i64)| {
        let from = Nanos::new(day);
        StoredFile { path, symbol, from, to: from.plus(DAY) }
    };
    days.chain(parts).map(file).collect()
}

fn bar_files(folder: &Path, catalogue: &Catalogue) -> Vec<StoredFile> {
    let segments = catalogue.bars.iter().map(|bars| (bars.path(folder), None, bars.day));
    let days = catalogue
        .days
        .iter()
        .flat_map(|day| day.bars.iter().map(|symbol| (day.bars_path(folder, symbol), Some(symbol.clone()), day.day)));
    // A day's bars may amend those of earlier days, as far back as the follower keeps any.
    let file = |(path, symbol, day): (PathBuf, Option<String>, i64)| {
        let from = Nanos::new(day.saturating_sub(folds::BARS_MAX as i64 * DAY.raw()));
        StoredFile { path, symbol, from, to: Nanos::new(day).plus(DAY).plus(DAY) }
    };
    let pasts = catalogue.pasts.iter().map(|(symbol, past)| StoredFile {
        path: past.path(folder, symbol),
        symbol: Some(symbol.clone()),
        from: Nanos::new(past.from),
        to: Nanos::new(past.to),
    });
    pasts.chain(days.chain(segments).map(file)).collect()
}

/// The files of a folder's tables that the catalogue does not name: what a killed librarian left, or whoever removed a
/// day.
fn unnamed(folder: &Path, catalogue: &Catalogue) -> Result<Vec<PathBuf>, ParquetStoreError> {
    let files = event_files(folder, catalogue).into_iter().chain(bar_files(folder, catalogue));
    let named: BTreeSet<PathBuf> = files.map(|file| file.path).collect();
    let mut left = listed(&folder.join(RECENT))?;
    for table in [EVENTS, BARS] {
        for symbol in listed(&folder.join(table))? {
            left.extend(listed(&symbol)?.into_iter().filter(|path| is_of_table(path)));
        }
    }
    left.retain(|path| !named.contains(path));
    Ok(left)
}

/// What is in a folder; nothing where it is none.
pub(crate) fn listed(folder: &Path) -> Result<Vec<PathBuf>, ParquetStoreError> {
    if !folder.is_dir() {
        return Ok(Vec::new());
    }
    let entries = fs::read_dir(folder).map_err(io_error(folder))?;
    entries.map(|entry| Ok(entry.map_err(io_error(folder))?.path())).collect()
}

/// True for the name of a day's file, whole or not: nothing else in these folders is ours.
pub(crate) fn is_of_table(path: &Path) -> bool {
    let name = path.file_name().and_then(|name| name.to_str()).unwrap_or_default();
    let name = name.strip_suffix(".new").unwrap_or(name);
    let days = name.strip_suffix(".parquet").unwrap_or_default();
    !days.is_empty() && days.bytes().all(|byte| byte.is_ascii_digit() || byte == b'-')
}

#[cfg(test)]
#[path = "store_tests.rs"]
mod tests;
