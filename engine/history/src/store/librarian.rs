//! The thread that puts rows into files: recent ones as they come, and days once they are over.

use super::bar_rows::{self, BarRows, bars, name};
use super::catalogue::{Day, Part, RECENT, SegmentBars};
use super::sorted::{SymbolColumn, merge, sort};
use super::{Store, unnamed};
use crate::ParquetStoreError;
use crate::columns;
use crate::files;
use crate::parquet_file::{NewFile, io_error};
use arrow::array::RecordBatch;
use crossbeam::channel::Receiver;
use std::collections::{BTreeMap, BTreeSet};
use std::path::PathBuf;
use std::sync::Arc;
use std::time::{Duration, Instant};
use tidegate_core::{Bar, Nanos};

/// A file that is no longer part of the store is removed after this: a query that began before may read it yet.
const KEPT_FOR: Duration = Duration::from_secs(60);

pub(crate) const EVENT_SYMBOL: SymbolColumn = SymbolColumn(4);
const BAR_SYMBOL: SymbolColumn = SymbolColumn(1);

/// What the librarian is told.
pub(super) enum Task {
    /// Rows of one day in the order of their inputs, which are in the view's `frozen` until they are in a file.
    Part { part: Part, rows: Arc<Vec<RecordBatch>> },
    /// A segment is over: its bars, which are in `frozen_bars` until they are in a file.
    Segment { bars: Option<(SegmentBars, RecordBatch)>, next_segment: u64 },
    /// Days before this one are over.
    NewDay(i64),
}

/// The thread's side.
pub(super) struct Librarian {
    store: Store,
    merged_at_once: usize,
    removed: Vec<(Instant, PathBuf)>,
}

impl Librarian {
    /// A librarian; what a killed one left is removed. From here on there is a list, so that one that is gone is missed.
    pub fn new(store: Store, merged_at_once: usize) -> Result<Librarian, ParquetStoreError> {
        store.change(|_| {}, |_| {})?;
        for path in unnamed(store.folder(), &store.view().catalogue)?.into_iter().filter(|path| !path.is_dir()) {
            files::remove(&path).map_err(io_error(&path))?;
        }
        Ok(Librarian { store, merged_at_once, removed: Vec::new() })
    }

    /// Works until whoever gives the tasks is gone.
    pub fn run(mut self, tasks: &Receiver<Task>) -> Result<(), ParquetStoreError> {
        for task in tasks {
            match task {
                Task::Part { part, rows } => self.add_part(part, &rows)?,
                Task::Segment { bars, next_segment } => self.end_segment(bars, next_segment)?,
                Task::NewDay(day) => self.end_days(day)?,
            }
            self.remove_old();
        }
        Ok(())
    }

    fn add_part(&mut self, part: Part, rows: &Arc<Vec<RecordBatch>>) -> Result<(), ParquetStoreError> {
        let mut file = NewFile::create(part.path(self.store.folder()), columns::schema(), &columns::ORDER)?;
        sort(rows, EVENT_SYMBOL, |_, rows| file.write(&rows))?;
        file.publish(|_| Ok(()))?;
        let day = part.day;
        let add = |catalogue: &mut super::Catalogue| {
            catalogue.last_seq = part.last;
            catalogue.parts.push(part);
        };
        self.store.change(add, |view| view.frozen.retain(|frozen| !Arc::ptr_eq(frozen, rows)))?;
        self.merge_parts(day)
    }

    /// Makes one file of the small ones of a day, where there are many.
    fn merge_parts(&mut self, day: i64) -> Result<(), ParquetStoreError> {
        let folder = self.store.folder().to_owned();
        let catalogue = Arc::clone(&self.store.view().catalogue);
        let parts: Vec<Part> = catalogue.parts.iter().filter(|part| part.day == day).cloned().collect();
        // Those that were merged before are larger, and come first.
        let size = parts.last().map_or(0, |last| last.rows) * self.merged_at_once as u64 / 2;
        let small: Vec<&Part> = parts.iter().skip_while(|part| part.rows >= size).collect();
        let (Some(first), Some(last)) = (small.first(), small.last()) else { return Ok(()) };
        if small.len() < self.merged_at_once {
            return Ok(());
        }
        let rows = small.iter().map(|part| part.rows).sum();
        let merged = Part { first: first.first, last: last.last, rows, day };
        let paths: Vec<PathBuf> = small.iter().map(|part| part.path(&folder)).collect();
        let mut file = NewFile::create(merged.path(&folder), columns::schema(), &columns::ORDER)?;
        merge(&paths, EVENT_SYMBOL, &folder.join(RECENT), |_, rows| file.write(&rows))?;
        file.publish(|_| Ok(()))?;
        let replace = |catalogue: &mut super::Catalogue| {
            let within = |part: &Part| part.first >= merged.first && part.last <= merged.last;
            let at = catalogue.parts.iter().position(within).unwrap_or(0);
            catalogue.parts.retain(|part| !within(part));
            catalogue.parts.insert(at, merged);
        };
        self.store.change(replace, |_| {})?;
        self.remove_later(paths);
        Ok(())
    }

    fn end_segment(
        &mut self,
        bars: Option<(SegmentBars, RecordBatch)>,
        next_segment: u64,
    ) -> Result<(), ParquetStoreError> {
        if let Some((place, batch)) = &bars {
            let mut file = NewFile::create(place.path(self.store.folder()), bar_rows::schema(), &bar_rows::ORDER)?;
            file.write(batch)?;
            file.publish(|_| Ok(()))?;
        }
        let has_bars = bars.is_some();
        let add = |catalogue: &mut super::Catalogue| {
            catalogue.next_segment = next_segment;
            catalogue.bars.extend(bars.map(|(place, _)| place));
        };
        self.store.change(add, |view| {
            // Segments end in order: the oldest of those that wait is this one's.
            if has_bars && !view.frozen_bars.is_empty() {
                view.frozen_bars.remove(0);
            }
        })
    }

    /// Sorts each day before `today` by symbol.
    fn end_days(&mut self, today: i64) -> Result<(), ParquetStoreError> {
        let catalogue = Arc::clone(&self.store.view().catalogue);
        let days = catalogue.parts.iter().map(|part| part.day).chain(catalogue.bars.iter().map(|bars| bars.day));
        let days: BTreeSet<i64> = days.filter(|&day| day < today).collect();
        days.into_iter().try_for_each(|day| self.end_day(day))
    }

    fn end_day(&mut self, day: i64) -> Result<(), ParquetStoreError> {
        let folder = self.store.folder().to_owned();
        let catalogue = Arc::clone(&self.store.view().catalogue);
        let parts = catalogue.parts.iter().filter(|part| part.day == day);
        let rows = parts.clone().map(|part| part.rows).sum();
        let parts: Vec<PathBuf> = parts.map(|part| part.path(&folder)).collect();
        let segments = catalogue.bars.iter().filter(|bars| bars.day == day);
        let segments: Vec<PathBuf> = segments.map(|bars| bars.path(&folder)).collect();
        let mut ended = Day { day, rows, events: Vec::new(), bars: Vec::new() };
        ended.events = self.sort_events(&ended, &parts)?;
        ended.bars = self.sort_bars(&ended, &segments)?;
        let replace = |catalogue: &mut super::Catalogue| {
            catalogue.parts.retain(|part| part.day != day);
            catalogue.bars.retain(|bars| bars.day != day);
            catalogue.days.push(ended);
        };
        self.store.change(replace, |_| {})?;
        self.remove_later(parts.into_iter().chain(segments));
        Ok(())
    }

    /// Writes a file for each symbol with events; tells their symbols.
    fn sort_events(&self, day: &Day, parts: &[PathBuf]) -> Result<Vec<String>, ParquetStoreError> {
        let folder = self.store.folder();
        let mut symbols: Vec<String> = Vec::new();
        let mut open: Option<NewFile> = None;
        merge(parts, EVENT_SYMBOL, &folder.join(RECENT), |symbol, rows| {
            if symbols.last().is_none_or(|last| last != symbol) {
                publish(open.take())?;
                symbols.push(symbol.to_owned());
            }
            let file = match &mut open {
                Some(file) => file,
                None => {
                    let path = day.events_path(folder, symbol);
                    open.insert(NewFile::create(path, columns::schema(), &columns::ORDER)?)
                }
            };
            file.write(&rows)
        })?;
        publish(open)?;
        Ok(symbols)
    }

    /// Writes a file for each symbol with bars, of each bar its last stage; tells their symbols.
    fn sort_bars(&self, day: &Day, segments: &[PathBuf]) -> Result<Vec<String>, ParquetStoreError> {
        let folder = self.store.folder();
        let mut stages: BTreeMap<String, Stages> = BTreeMap::new();
        let mut symbols: Vec<String> = Vec::new();
        let mut end = |stages: &mut BTreeMap<String, Stages>| {
            while let Some((symbol, stages)) = stages.pop_first() {
                let mut file = NewFile::create(day.bars_path(folder, &symbol), bar_rows::schema(), &bar_rows::ORDER)?;
                file.write(&stages.rows(&symbol)?)?;
                publish(Some(file))?;
                symbols.push(symbol);
            }
            Ok::<(), ParquetStoreError>(())
        };
        merge(segments, BAR_SYMBOL, &folder.join(RECENT), |symbol, rows| {
            if !stages.contains_key(symbol) {
                end(&mut stages)?;
            }
            stages.entry(symbol.to_owned()).or_default().add(&rows)
        })?;
        end(&mut stages)?;
        Ok(symbols)
    }

    fn remove_later(&mut self, paths: impl IntoIterator<Item = PathBuf>) {
        let now = Instant::now();
        self.removed.extend(paths.into_iter().map(|path| (now, path)));
    }

    /// What cannot be removed now will be when the store is opened again.
    fn remove_old(&mut self) {
        self.removed.retain(|(since, path)| {
            let is_kept = since.elapsed() < KEPT_FOR;
            if !is_kept && let Err(error) = files::remove(path) {
                tracing::warn!("{}: {error}", path.display());
            }
            is_kept
        });
    }
}

fn publish(file: Option<NewFile>) -> Result<(), ParquetStoreError> {
    file.map_or(Ok(()), |file| file.publish(|_| Ok(())).map(drop))
}

/// The bars of one symbol by source, interval and start, each as it was last.
#[derive(Default)]
struct Stages(BTreeMap<(String, String, Nanos), (u64, Bar)>);

impl Stages {
    fn add(&mut self, rows: &RecordBatch) -> Result<(), ParquetStoreError> {
        for (at, (seq, bar)) in bars(rows)?.into_iter().enumerate() {
            let key = (name(rows, 2, at).to_owned(), name(rows, 3, at).to_owned(), bar.start);
            let last = self.0.entry(key).or_insert((seq, bar));
            if seq >= last.0 {
                *last = (seq, bar);
            }
        }
        Ok(())
    }

    fn rows(&self, symbol: &str) -> Result<RecordBatch, ParquetStoreError> {
        let mut rows = BarRows::default();
        for ((source, interval, _), (seq, bar)) in &self.0 {
            rows.push(*seq, [symbol, source, interval], bar);
        }
        rows.finish()
    }
}

#[cfg(test)]
#[path = "librarian_tests.rs"]
mod tests;
