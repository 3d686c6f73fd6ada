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

mod bar_rows;
mod catalogue;
mod folds;
mod follower;
mod librarian;
mod retention;
mod sorted;
mod table;

pub use folds::STORED;
pub use follower::Follower;
pub use retention::{Retained, Retention};

use crate::ParquetStoreError;
use crate::columns;
use crate::indicator_sql;
use crate::parquet_file::{NewFile, io_error};
use crate::projection::{DAY, EVENTS};
use arrow::array::RecordBatch;
use bar_rows::{BarRows, bars};
use catalogue::{BARS, Catalogue, Past, RECENT};
use datafusion::error::DataFusionError;
use datafusion::execution::context::SQLOptions;
use datafusion::prelude::{DataFrame, SessionConfig, SessionContext, col, lit};
use datafusion::scalar::ScalarValue;
use folds::Folds;
use futures::StreamExt;
use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use table::{StoreTable, StoredFile};
use tidegate_core::{Bar, BarFlags, Bounds, Instrument, Interval, Nanos};
use tokio::runtime::{Builder, Runtime};

/// Threads that run queries: whoever answers tools must not wait for them.
const QUERY_THREADS: usize = 1;

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
    runtime: Option<Runtime>,
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
        fs::create_dir_all(folder.join(RECENT)).map_err(io_error(&folder))?;
        let catalogue = Arc::new(Catalogue::read(&folder)?);
        let runtime = Builder::new_multi_thread()
            .worker_threads(QUERY_THREADS)
            .thread_name("datafusion")
            .enable_all()
            .build()
            .map_err(io_error(&folder))?;
        let seen = catalogue.last_seq;
        let view = Mutex::new(View { catalogue, seen, ..View::default() });
        let (changing, folds, failure) = (Mutex::new(()), Mutex::new(None), Mutex::new(None));
        Ok(Store { shared: Arc::new(Shared { folder, view, changing, folds, failure, runtime: Some(runtime) }) })
    }

    /// A moment of the store of a folder and of the tape that it follows, for whoever only reads: another process
    /// may be filling it.
    ///
    /// # Errors
    /// [`ParquetStoreError`] where the catalogue or the tape cannot be read.
    pub fn read(folder: &Path, tape: &Path, bounds: Bounds) -> Result<Store, ParquetStoreError> {
        let store = Store::open(folder)?;
        if tape.is_dir() {
            follower::read_tail(&store, tape, bounds)?;
        }
        Ok(store)
    }

    /// Where it is.
    pub fn folder(&self) -> &Path {
        &self.shared.folder
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

    /// Answers a query that only reads, of one moment: its first `rows_max` rows, and some of those behind them where
    /// there are more.
    ///
    /// # Errors
    /// [`ParquetStoreError`] where it is no such query, or fails.
    pub async fn query(&self, text: &str, rows_max: usize) -> Result<Vec<RecordBatch>, ParquetStoreError> {
        let Some(runtime) = &self.shared.runtime else { return Ok(Vec::new()) };
        let context = self.session().await?;
        let reads = SQLOptions::new().with_allow_ddl(false).with_allow_dml(false).with_allow_statements(false);
        let text = text.to_owned();
        let rows = async move {
            // No limit is put on the plan: some plans may not have one, and the optimizer of DataFusion 55 fails on others.
            let plan = indicator_sql::plan(&context, &text).await?;
            reads.verify_plan(&plan)?;
            let mut stream = context.execute_logical_plan(plan).await?.execute_stream().await?;
            let (mut batches, mut rows) = (Vec::new(), 0);
            while rows <= rows_max
                && let Some(batch) = stream.next().await
            {
                let batch = batch?;
                rows += batch.num_rows();
                batches.push(batch);
            }
            Ok(batches)
        };
        let answered = runtime.spawn(rows).await.map_err(|error| DataFusionError::External(Box::new(error)));
        answered.and_then(|rows| rows).map_err(|error| self.query_error(error))
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

    /// Opens every file that the catalogue names; tells those that cannot be read.
    pub fn damaged(&self) -> Vec<PathBuf> {
        let catalogue = Arc::clone(&self.view().catalogue);
        let files = event_files(self.folder(), &catalogue).into_iter().chain(bar_files(self.folder(), &catalogue));
        let paths = files.map(|file| file.path);
        paths.filter(|path| crate::parquet_file::read(path, 1).is_err()).collect()
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

    /// A moment of the store to query: tables `events`, `trades`, `bars`, `holes`.
    ///
    /// # Errors
    /// [`ParquetStoreError`] where the views cannot be planned.
    pub async fn session(&self) -> Result<SessionContext, ParquetStoreError> {
        let config = SessionConfig::new().set_bool("datafusion.execution.parquet.schema_force_view_types", false);
        let context = SessionContext::new_with_config(config);
        indicator_sql::register(&context);
        let (events, bars) = self.tables()?;
        let views = async {
            context.register_table("events", Arc::new(events))?;
            context.register_table("bar_rows", Arc::new(bars))?;
            for view in VIEWS {
                context.sql(view).await?;
            }
            context.sql(&holes_view()).await?;
            Ok(())
        };
        views.await.map_err(|error| self.query_error(error))?;
        Ok(context)
    }

    fn query_error(&self, error: DataFusionError) -> ParquetStoreError {
        ParquetStoreError::Query(self.folder().to_owned(), error)
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
        let events =
            StoreTable { schema: columns::schema(), files: event_files(self.folder(), &catalogue), batches: events };
        let bars =
            StoreTable { schema: bar_rows::schema(), files: bar_files(self.folder(), &catalogue), batches: bars };
        Ok((events, bars))
    }

    /// The bars of each of `instruments` that begin within `from..to`, oldest first: the latest `limit` of them.
    ///
    /// # Errors
    /// [`ParquetStoreError`] where a file cannot be read.
    pub async fn bars(
        &self,
        instruments: &[&Instrument],
        interval: Interval,
        from: Nanos,
        to: Nanos,
        limit: usize,
    ) -> Result<Vec<Vec<Bar>>, ParquetStoreError> {
        let context = SessionContext::new();
        let (_, table) = self.tables()?;
        let instant = |at: Nanos| lit(ScalarValue::TimestampNanosecond(Some(at.raw()), Some("UTC".into())));
        let is_one = |name: &str, value: fn(&Instrument) -> &String| {
            let names: BTreeSet<&String> = instruments.iter().map(|instrument| value(instrument)).collect();
            col(name).in_list(names.into_iter().map(lit).collect(), false)
        };
        let is_wanted = is_one("symbol", |instrument| &instrument.key)
            .and(is_one("source", |instrument| &instrument.source))
            .and(col("interval").eq(lit(interval.name)))
            .and(col("ts").gt_eq(instant(from)))
            .and(col("ts").lt(instant(to)));
        let rows = context
            .read_table(Arc::new(table))
            .and_then(|rows| rows.filter(is_wanted))
            .map_err(|error| self.query_error(error))?;
        let place = |(at, instrument): (usize, &&Instrument)| ((instrument.key.clone(), instrument.source.clone()), at);
        let places: BTreeMap<(String, String), usize> = instruments.iter().enumerate().map(place).collect();
        // A bar may be there in several stages, of which the last counts.
        let mut found: Vec<BTreeMap<Nanos, (u64, Bar)>> = vec![BTreeMap::new(); instruments.len()];
        for batch in &self.collect(rows).await? {
            for (at, (seq, bar)) in bars(batch)?.into_iter().enumerate() {
                let names = [1, 2].map(|column| bar_rows::name(batch, column, at).to_owned());
                let Some(&place) = places.get(&names.into()) else { continue };
                let known = found[place].entry(bar.start).or_insert((seq, bar));
                if seq > known.0 {
                    *known = (seq, bar);
                }
            }
        }
        let latest = |found: BTreeMap<Nanos, (u64, Bar)>| {
            let skip = found.len().saturating_sub(limit);
            found.into_values().skip(skip).map(|(_, bar)| bar).collect()
        };
        Ok(found.into_iter().map(latest).collect())
    }

    /// Runs a query on the store's own threads.
    ///
    /// # Errors
    /// [`ParquetStoreError`] where it fails.
    pub async fn collect(&self, query: DataFrame) -> Result<Vec<RecordBatch>, ParquetStoreError> {
        let Some(runtime) = &self.shared.runtime else { return Ok(Vec::new()) };
        let collected = runtime.spawn(query.collect()).await;
        let collected = collected.map_err(|error| DataFusionError::External(Box::new(error)));
        collected.and_then(|batches| batches).map_err(|error| self.query_error(error))
    }
}

/// What queries see beside the rows as they are stored.
const VIEWS: [&str; 2] = [
    "create view trades as select seq, ts, venue_ts, symbol, source, \
     case when side = 0 then 'buy' else 'sell' end as side, price, qty, id1 as trade_id, flags \
     from events where kind = 2",
    "create view bars as select symbol, source, \"interval\", ts, open, high, low, close, volume, trades, revision, flags \
     from (select *, row_number() over (partition by symbol, source, \"interval\", ts order by seq desc) as stage \
     from bar_rows) where stage = 1",
];

/// Times without any bar in which trades may have been missed: the bars at both ends say that they lack some.
fn holes_view() -> String {
    let spans = STORED.iter().map(|it| {
        let seconds = it.span.raw() / Nanos::SECOND.raw();
        format!("when '{}' then interval '{seconds} seconds' ", it.name)
    });
    let (spans, lacks) = (spans.collect::<String>(), BarFlags::INCOMPLETE.bits());
    format!(
        "create view holes as select symbol, source, \"interval\", after as ts, until from \
         (select *, ts + case \"interval\" {spans} end as after, lead(ts) over pairs as until, lead(flags) over pairs as next_flags \
         from bars window pairs as (partition by symbol, source, \"interval\" order by ts)) \
         where flags & {lacks} <> 0 and next_flags & {lacks} <> 0 and until > after"
    )
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

/// The files of a folder's `recent/` that the catalogue does not name: what a killed librarian left.
fn unnamed(folder: &Path, catalogue: &Catalogue) -> Result<Vec<PathBuf>, ParquetStoreError> {
    let recent = folder.join(RECENT);
    let named: BTreeSet<PathBuf> = (catalogue.parts.iter().map(|part| part.path(folder)))
        .chain(catalogue.bars.iter().map(|bars| bars.path(folder)))
        .collect();
    let entries = fs::read_dir(&recent).map_err(io_error(&recent))?;
    let paths = entries.map(|entry| Ok(entry.map_err(io_error(&recent))?.path()));
    let paths = paths.collect::<Result<Vec<_>, ParquetStoreError>>()?;
    Ok(paths.into_iter().filter(|path| !named.contains(path)).collect())
}

#[cfg(test)]
#[path = "store_tests.rs"]
mod tests;
