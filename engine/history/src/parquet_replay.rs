//! A market out of its Parquet files: rows of every instrument in `seq` order.
//!
//! DataFusion merges the files. Each is ordered by `seq` already (one symbol, ascending), which is
//! declared, so that the plan merges sorted streams and holds no more than a batch of each.

use crate::ParquetStoreError;
use crate::columns::{RowReader, schema};
use crate::projection::EVENTS;
use crate::store::listed;
use crate::store::sorted::OPEN_FILES_MAX;
use crate::sum;
use crate::tape::{Recorded, TapeError};
use arrow::array::RecordBatch;
use datafusion::error::DataFusionError;
use datafusion::execution::SendableRecordBatchStream;
use datafusion::prelude::{DataFrame, ParquetReadOptions, SessionConfig, SessionContext, col};
use futures::StreamExt;
use futures::stream::Fuse;
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use tidegate_core::frame::RESTART_STRIDE;
use tidegate_core::{Gap, GapCause, Input, InstrumentId};
use tokio::runtime::{Builder, Runtime};
use url::Url;

/// Reads a Parquet folder as [`crate::projection`] wrote it.
pub struct ParquetReplay {
    folder: PathBuf,
    /// DataFusion's own: it must not share threads with whoever answers questions.
    runtime: Runtime,
    /// Fused, as it may be asked again after its end.
    stream: Fuse<SendableRecordBatchStream>,
    batch: Option<RecordBatch>,
    at: usize,
    /// The last input that was read.
    last: u64,
    ids: BTreeMap<(String, String), InstrumentId>,
}

/// True where `path` is a folder that holds Parquet events rather than a tape.
pub fn is_parquet_folder(path: &Path) -> bool {
    path.join(EVENTS).is_dir()
}

impl ParquetReplay {
    /// Opens a folder and plans the merge.
    ///
    /// # Errors
    /// [`ParquetStoreError`] where the folder holds no such files.
    pub fn open(folder: &Path) -> Result<ParquetReplay, ParquetStoreError> {
        let query_error = |error| ParquetStoreError::Query(folder.to_owned(), error);
        for symbol in listed(&folder.join(EVENTS))? {
            let is_read = |path: &&PathBuf| path.extension().is_some_and(|extension| extension == "parquet");
            listed(&symbol)?.iter().filter(is_read).try_for_each(|path| sum::check(path))?;
        }
        let runtime = Builder::new_multi_thread()
            .worker_threads(1)
            // Each reads of one file at a time, and closes it.
            .max_blocking_threads(OPEN_FILES_MAX)
            .thread_name("datafusion")
            .enable_all()
            .build()
            .map_err(|source| ParquetStoreError::Io { path: folder.to_owned(), source })?;
        let stream = runtime.block_on(merge(folder)).map_err(query_error)?.fuse();
        Ok(ParquetReplay {
            folder: folder.to_owned(),
            runtime,
            stream,
            batch: None,
            at: 0,
            last: 0,
            ids: BTreeMap::new(),
        })
    }

    /// The next input, or `None` at the end.
    ///
    /// # Errors
    /// [`ParquetStoreError`] naming the row that is no input.
    pub fn read_next(&mut self) -> Result<Option<Recorded>, ParquetStoreError> {
        while self.batch.as_ref().is_none_or(|batch| self.at >= batch.num_rows()) {
            self.at = 0;
            self.batch = self
                .runtime
                .block_on(self.stream.next())
                .transpose()
                .map_err(|error| ParquetStoreError::Query(self.folder.clone(), error))?;
            if self.batch.is_none() {
                return Ok(None);
            }
        }
        let Some(batch) = &self.batch else { return Ok(None) };
        let reader = if self.at == 0 { RowReader::new(batch)? } else { RowReader::checked(batch) };
        let (symbol, source) = reader.instrument(self.at);
        // Only an event's row does not bear its id, and its Define came before it.
        let id = self.ids.get(&(symbol.to_owned(), source.to_owned())).copied().unwrap_or(InstrumentId(u32::MAX));
        let (seq, ts, input) = reader.input(self.at, id)?;
        self.at += 1;
        if let Input::Gap(Gap { cause: GapCause::RecorderFull, from, to, .. }) = input {
            return Err(ParquetStoreError::Unrecorded { from, to });
        }
        self.check_order(seq, &input)?;
        if let Input::Define { id, instrument } = &input {
            self.ids.insert((instrument.key.clone(), instrument.source.clone()), *id);
        }
        Ok(Some(Recorded { seq, ts, input }))
    }
}

impl ParquetReplay {
    /// Numbers follow without a hole, or after one that a restart's gap accounts for: a file that is missing is told.
    fn check_order(&mut self, seq: u64, input: &Input) -> Result<(), ParquetStoreError> {
        let after = std::mem::replace(&mut self.last, seq);
        let is_accounted = match input {
            // The stride of a start that left nothing else: see the tape's reader.
            Input::Gap(gap) if gap.id.is_none() => gap.from == after + 1 || gap.from > after + RESTART_STRIDE,
            _ => false,
        };
        if seq == after + 1 || (seq > after && is_accounted) {
            return Ok(());
        }
        Err(TapeError::Hole { path: self.folder.clone(), after, got: seq }.into())
    }
}

async fn merge(folder: &Path) -> Result<SendableRecordBatchStream, DataFusionError> {
    plan(folder).await?.execute_stream().await
}

async fn plan(folder: &Path) -> Result<DataFrame, DataFusionError> {
    // Files that overlap in `seq` go into groups of their own: only then does the declared order hold.
    let config = SessionConfig::new()
        .with_collect_statistics(true)
        .set_bool("datafusion.execution.split_file_groups_by_statistics", true)
        .set_bool("datafusion.execution.parquet.schema_force_view_types", false);
    let context = SessionContext::new_with_config(config);
    let schema = schema();
    let options =
        ParquetReadOptions::default().schema(&schema).file_sort_order(vec![vec![col("seq").sort(true, false)]]);
    // As a URL: in a path, brackets and question marks would be a pattern.
    let path = std::path::absolute(folder.join(EVENTS))?;
    let url = Url::from_directory_path(&path)
        .map_err(|()| DataFusionError::Configuration(format!("{} is no usable path", path.display())))?;
    let rows = context.read_parquet(url.to_string(), options).await?;
    rows.sort(vec![col("seq").sort(true, false)])
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::damages::{KINDS, damage};
    use crate::projection::project;
    use crate::tape::tests::record_one_day;
    use datafusion::physical_plan::displayable;

    #[test]
    fn files_are_merged_and_never_sorted_anew() {
        let folder = tempfile::tempdir().unwrap();
        let (tape, parquet) = (folder.path().join("tape"), folder.path().join("parquet [1]?"));
        record_one_day(&tape);
        let report = project(&tape, &parquet, |_| {}).unwrap();
        assert!(report.files >= 4, "two symbols of two days: {report:?}");
        let runtime = Builder::new_current_thread().enable_all().build().unwrap();
        let plan = runtime.block_on(async { plan(&parquet).await.unwrap().create_physical_plan().await.unwrap() });
        let plan = displayable(plan.as_ref()).indent(false).to_string();
        assert!(plan.contains("SortPreservingMergeExec") && !plan.contains("SortExec"), "{plan}");
        let mut replay = ParquetReplay::open(&parquet).unwrap();
        let mut last = 0;
        while let Some(recorded) = replay.read_next().unwrap() {
            assert!(recorded.seq > last);
            last = recorded.seq;
        }
        assert_eq!(replay.read_next().unwrap(), None, "the end stays the end");
    }

    #[test]
    fn a_damaged_projection_is_not_replayed_to_something_else() {
        let folder = tempfile::tempdir().unwrap();
        let (tape, parquet) = (folder.path().join("tape"), folder.path().join("parquet"));
        record_one_day(&tape);
        let replayed = || -> Result<Vec<Recorded>, ParquetStoreError> {
            let mut replay = ParquetReplay::open(&parquet)?;
            std::iter::from_fn(|| replay.read_next().transpose()).collect()
        };
        let mut whole = Vec::new();
        let mut refused = 0;
        for number in 0..KINDS * 5 {
            project(&tape, &parquet, |_| {}).unwrap();
            if whole.is_empty() {
                whole = replayed().unwrap();
            }
            let symbols = listed(&parquet.join(EVENTS)).unwrap();
            let mut files: Vec<PathBuf> = symbols.iter().flat_map(|symbol| listed(symbol).unwrap()).collect();
            files.sort();
            let done = damage(&files, number);
            match replayed() {
                Err(_) => refused += 1,
                // Nothing tells how far the tape went.
                Ok(read) if done.what == "missing" => assert!(whole.starts_with(&read), "{done:?}"),
                Ok(read) => assert!(read == whole, "{number}: {done:?}"),
            }
            std::fs::remove_dir_all(&parquet).unwrap();
        }
        println!("{} damages of projected files: {refused} refused, 0 replayed to something else", KINDS * 5);
    }
}
