//! Questions to a store: queries in SQL, and bars. Both run on the store's own threads within a bounded memory, and end
//! when whoever asked is not there any more.

use super::bar_rows::{self, bars};
use super::complexity;
use super::{STORED, Store};
use crate::ParquetStoreError;
use crate::indicator_sql;
use arrow::array::RecordBatch;
use datafusion::error::DataFusionError;
use datafusion::execution::context::SQLOptions;
use datafusion::execution::memory_pool::{FairSpillPool, MemoryConsumer, MemoryPool};
use datafusion::execution::runtime_env::RuntimeEnvBuilder;
use datafusion::prelude::{DataFrame, SessionConfig, SessionContext, col, lit};
use datafusion::scalar::ScalarValue;
use futures::StreamExt;
use std::borrow::Borrow;
use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use tidegate_core::{Bar, BarFlags, Instrument, Interval, Nanos};
use tokio::task::JoinSet;

/// Memory of all queries of a store at a time; sorts and groups that need more go to files for the time of the query.
pub const MEMORY_MAX: usize = 512 << 20;
/// Most bytes of those files.
const SPILLED_MAX: u64 = 4 << 30;
/// Stages of bars that are held beyond those that are wanted.
const LATEST_SLACK: usize = 1_024;

/// Memory that queries share.
pub(super) fn memory_pool() -> Arc<dyn MemoryPool> {
    Arc::new(FairSpillPool::new(MEMORY_MAX))
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

impl Store {
    /// Answers a query that only reads, of one moment: its first `rows_max` rows, and some of those behind them where
    /// there are more.
    ///
    /// # Errors
    /// [`ParquetStoreError`] where it is no such query, is too large, or fails.
    pub async fn query(&self, text: &str, rows_max: usize) -> Result<Vec<RecordBatch>, ParquetStoreError> {
        complexity::check(text).map_err(ParquetStoreError::TooComplex)?;
        let (store, text) = (self.clone(), text.to_owned());
        self.run(async move {
            let context = store.session().await?;
            let reads = SQLOptions::new().with_allow_ddl(false).with_allow_dml(false).with_allow_statements(false);
            let rows = async {
                // No limit is put on the plan: some plans may not have one, and the optimizer of DataFusion 55 fails on others.
                let plan = indicator_sql::plan(&context, &text).await?;
                reads.verify_plan(&plan)?;
                let mut stream = context.execute_logical_plan(plan).await?.execute_stream().await?;
                let held = MemoryConsumer::new("answer").register(&store.shared.memory);
                let (mut batches, mut rows) = (Vec::new(), 0);
                while rows <= rows_max
                    && let Some(batch) = stream.next().await
                {
                    let batch = batch?;
                    held.try_grow(batch.get_array_memory_size())?;
                    rows += batch.num_rows();
                    batches.push(batch);
                }
                Ok(batches)
            };
            rows.await.map_err(|error| store.query_error(error))
        })
        .await
    }

    /// A moment of the store to query: tables `events`, `trades`, `bars`, `holes`.
    ///
    /// # Errors
    /// [`ParquetStoreError`] where the views cannot be planned.
    pub async fn session(&self) -> Result<SessionContext, ParquetStoreError> {
        let context = self.context()?;
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

    /// A context without tables, in the memory that all queries share.
    fn context(&self) -> Result<SessionContext, ParquetStoreError> {
        let config = SessionConfig::new().set_bool("datafusion.execution.parquet.schema_force_view_types", false);
        let environment = RuntimeEnvBuilder::new()
            .with_memory_pool(Arc::clone(&self.shared.memory))
            .with_max_temp_directory_size(SPILLED_MAX)
            .build_arc();
        let environment = environment.map_err(|error| self.query_error(error))?;
        Ok(SessionContext::new_with_config_rt(config, environment))
    }

    fn query_error(&self, error: DataFusionError) -> ParquetStoreError {
        match error.find_root() {
            DataFusionError::ResourcesExhausted(what) => {
                let what = what.lines().next().unwrap_or_default().to_owned();
                ParquetStoreError::TooMuchMemory { mib: MEMORY_MAX >> 20, what }
            }
            _ => ParquetStoreError::Query(self.folder().to_owned(), error),
        }
    }

    /// The bars of each of `instruments` that begin within `from..to`, oldest first: the latest `limit` of them.
    ///
    /// # Errors
    /// [`ParquetStoreError`] where a file cannot be read.
    pub async fn bars(
        &self,
        instruments: &[impl Borrow<Instrument>],
        interval: Interval,
        from: Nanos,
        to: Nanos,
        limit: usize,
    ) -> Result<Vec<Vec<Bar>>, ParquetStoreError> {
        let name = |instrument: &Instrument| (instrument.key.clone(), instrument.source.clone());
        let names: Vec<(String, String)> = instruments.iter().map(|instrument| name(instrument.borrow())).collect();
        let store = self.clone();
        self.run(async move {
            let rows = store.bar_rows(&names, interval, from, to)?;
            let mut rows = rows.execute_stream().await.map_err(|error| store.query_error(error))?;
            let places: BTreeMap<_, usize> = names.into_iter().enumerate().map(|(at, name)| (name, at)).collect();
            let mut found: Vec<Latest> = vec![Latest::default(); places.len()];
            while let Some(batch) = rows.next().await {
                let batch = batch.map_err(|error| store.query_error(error))?;
                for (at, stage) in bars(&batch)?.into_iter().enumerate() {
                    let names = [1, 2].map(|column| bar_rows::name(&batch, column, at).to_owned());
                    if let Some(&place) = places.get(&names.into()) {
                        found[place].take(stage, limit);
                    }
                }
            }
            Ok(found.into_iter().map(|latest| latest.finish(limit)).collect())
        })
        .await
    }

    /// The rows in which those bars are, in no order and in all their stages.
    fn bar_rows(
        &self,
        names: &[(String, String)],
        interval: Interval,
        from: Nanos,
        to: Nanos,
    ) -> Result<DataFrame, ParquetStoreError> {
        let context = self.context()?;
        let (_, table) = self.tables()?;
        let instant = |at: Nanos| lit(ScalarValue::TimestampNanosecond(Some(at.raw()), Some("UTC".into())));
        let is_one = |name: &str, value: fn(&(String, String)) -> &String| {
            let names: BTreeSet<&String> = names.iter().map(value).collect();
            col(name).in_list(names.into_iter().map(lit).collect(), false)
        };
        let is_wanted = is_one("symbol", |(symbol, _)| symbol)
            .and(is_one("source", |(_, source)| source))
            .and(col("interval").eq(lit(interval.name)))
            .and(col("ts").gt_eq(instant(from)))
            .and(col("ts").lt(instant(to)));
        let rows = context.read_table(Arc::new(table)).and_then(|rows| rows.filter(is_wanted));
        rows.map_err(|error| self.query_error(error))
    }

    /// Runs a query on the store's own threads.
    ///
    /// # Errors
    /// [`ParquetStoreError`] where it fails.
    pub async fn collect(&self, query: DataFrame) -> Result<Vec<RecordBatch>, ParquetStoreError> {
        let store = self.clone();
        self.run(async move { query.collect().await.map_err(|error| store.query_error(error)) }).await
    }

    /// Runs `work` on the store's own threads. Whoever awaits it and goes away ends it.
    async fn run<T: Send + 'static>(
        &self,
        work: impl Future<Output = Result<T, ParquetStoreError>> + Send + 'static,
    ) -> Result<T, ParquetStoreError> {
        let Some(runtime) = &self.shared.runtime else { return Err(ParquetStoreError::Stopped) };
        let mut task = JoinSet::new();
        task.spawn_on(work, runtime.handle());
        match task.join_next().await {
            Some(Ok(done)) => done,
            Some(Err(error)) => Err(self.query_error(DataFusionError::External(Box::new(error)))),
            None => Err(ParquetStoreError::Stopped),
        }
    }
}

/// The latest bars of one series, whatever order they come in: a bar may be there in several stages, of which the last
/// counts. No more are held than twice those that are wanted.
#[derive(Clone, Default)]
struct Latest(Vec<(u64, Bar)>);

impl Latest {
    fn take(&mut self, stage: (u64, Bar), limit: usize) {
        if self.0.len() >= limit.saturating_mul(2).saturating_add(LATEST_SLACK) {
            self.settle(limit);
        }
        self.0.push(stage);
    }

    /// Leaves each bar once. One that is left out is older than `limit` others, and so are all its stages.
    fn settle(&mut self, limit: usize) {
        self.0.sort_unstable_by_key(|(seq, bar)| (bar.start, *seq));
        self.0.dedup_by(|later, kept| {
            let is_same = later.1.start == kept.1.start;
            if is_same {
                *kept = *later;
            }
            is_same
        });
        self.0.drain(..self.0.len().saturating_sub(limit));
    }

    fn finish(mut self, limit: usize) -> Vec<Bar> {
        self.settle(limit);
        self.0.into_iter().map(|(_, bar)| bar).collect()
    }
}

#[cfg(test)]
#[path = "reading_tests.rs"]
mod tests;
