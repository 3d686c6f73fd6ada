//! The thread that reads the tape as it grows, and keeps the newest rows where queries find them.

use super::Store;
use super::catalogue::{Part, SegmentBars};
use super::folds::Folds;
use super::librarian::{Librarian, Task};
use crate::ParquetStoreError;
use crate::columns::{NO_SYMBOL, Rows};
use crate::projection::DAY;
use crate::tape::{Head, Recorded, Step, TapeReader};
use arrow::array::RecordBatch;
use arrow::compute::concat_batches;
use crossbeam::channel::{Receiver, RecvTimeoutError, Sender, bounded};
use std::path::Path;
use std::sync::Arc;
use std::thread::JoinHandle;
use std::time::{Duration, Instant};
use tidegate_core::Bounds;

/// How large the store's parts are.
#[derive(Clone, Copy, Debug)]
pub(super) struct Sizes {
    /// Rows that are kept in memory before they go to a file.
    pub tail_rows: u64,
    /// So many files that follow one another become one: a day is then merged from a few.
    pub merged_at_once: usize,
}

/// A tail of some 16 MB.
const SIZES: Sizes = Sizes { tail_rows: 65_536, merged_at_once: 64 };
/// Rows that are shown at the latest, where the tape grows without a pause.
const SHOWN_ROWS: usize = 8_192;
/// How often the tape is looked at, and what has been read is shown.
const LOOK_EVERY: Duration = Duration::from_millis(20);
/// Tasks that wait for the librarian: the follower waits for room, as it can.
const TASKS_MAX: usize = 2;

/// Rows that are read into memory where nobody has put them into files: some 1 GB.
const UNSTORED_ROWS_MAX: u64 = 4_000_000;

/// Follows a tape into a store until it is told to stop.
pub struct Follower {
    stop: Option<Sender<()>>,
    thread: Option<JoinHandle<Result<(), ParquetStoreError>>>,
}

impl Follower {
    /// Starts following the tape in `tape`, which is recorded by an engine of these bounds.
    ///
    /// # Errors
    /// [`ParquetStoreError`] where the store's folder cannot be put in order, or a thread is not to be had.
    pub fn start(store: Store, tape: &Path, bounds: Bounds) -> Result<Follower, ParquetStoreError> {
        Follower::start_with(store, tape, bounds, SIZES)
    }

    pub(super) fn start_with(
        store: Store,
        tape: &Path,
        bounds: Bounds,
        sizes: Sizes,
    ) -> Result<Follower, ParquetStoreError> {
        let (stop, stopped) = bounded(1);
        store.must_have_list(tape)?;
        let librarian = Librarian::new(store.clone(), sizes.merged_at_once)?;
        let (tasks, given) = bounded(TASKS_MAX);
        let failed = crate::parquet_file::io_error(tape);
        let next_segment = store.view().catalogue.next_segment;
        let reader = TapeReader::follow(tape, next_segment).behind(store.view().catalogue.last_seq);
        let told = store.clone();
        let thread = std::thread::Builder::new().name("follower".to_owned()).spawn(move || {
            let at_work = std::thread::Builder::new().name("librarian".to_owned());
            let librarian =
                at_work.spawn(move || librarian.run(&given)).map_err(crate::parquet_file::io_error(store.folder()))?;
            let followed = Following::new(store, reader, bounds, sizes.tail_rows, Some(tasks)).run(&stopped);
            // Its first failure is why the follower could not go on.
            let stored = librarian.join().unwrap_or(Err(ParquetStoreError::Stopped));
            let ended = stored.and(followed);
            if let Err(error) = &ended {
                told.fail(in_full(error));
                tracing::error!("nothing more is put into tables, only onto the tape: {}", in_full(error));
            }
            ended
        });
        Ok(Follower { stop: Some(stop), thread: Some(thread.map_err(failed)?) })
    }

    /// Follows to the end of what has been written, and stores what is in memory.
    ///
    /// # Errors
    /// The first [`ParquetStoreError`] that either thread met.
    pub fn finish(mut self) -> Result<(), ParquetStoreError> {
        self.end()
    }

    fn end(&mut self) -> Result<(), ParquetStoreError> {
        self.stop = None;
        let ended = self.thread.take().map_or(Ok(Ok(())), JoinHandle::join);
        ended.unwrap_or(Err(ParquetStoreError::Stopped))
    }
}

/// Whatever was recorded can be followed again; an error then has nobody left to hear it.
impl Drop for Follower {
    fn drop(&mut self) {
        drop(self.end());
    }
}

/// An error with what it comes from.
fn in_full(error: &ParquetStoreError) -> String {
    let mut text = error.to_string();
    let mut source = std::error::Error::source(error);
    while let Some(error) = source {
        text.push_str(&format!(": {error}"));
        source = error.source();
    }
    text
}

/// Reads what has been written to `tape` and is not in the files of `store`, into memory alone.
pub(super) fn read_tail(store: &Store, tape: &Path, bounds: Bounds) -> Result<(), ParquetStoreError> {
    let catalogue = Arc::clone(&store.view().catalogue);
    let reader = TapeReader::follow(tape, catalogue.next_segment).behind(catalogue.last_seq);
    let mut following = Following::new(store.clone(), reader, bounds, UNSTORED_ROWS_MAX, None);
    following.catch_up()?;
    following.show()
}

/// The thread's side.
struct Following {
    store: Store,
    reader: TapeReader,
    /// To the librarian; `None` where nothing is put into files.
    tasks: Option<Sender<Task>>,
    tail_rows: u64,
    /// Rows that nobody sees yet.
    rows: Rows,
    shown: Instant,
    /// Rows in the view's tail and in `rows`: their number, their inputs, their day.
    part: Option<Part>,
    /// The last input that is in a file already.
    stored: u64,
    heads: Vec<Head>,
    /// The segment that is being read, and its day.
    segment: Option<SegmentBars>,
}

impl Following {
    fn new(store: Store, reader: TapeReader, bounds: Bounds, tail_rows: u64, tasks: Option<Sender<Task>>) -> Following {
        let stored = store.view().catalogue.last_seq;
        *store.folds() = Some(Folds::new(bounds));
        let shown = Instant::now();
        Following {
            store,
            reader,
            tasks,
            tail_rows,
            rows: Rows::default(),
            shown,
            part: None,
            stored,
            heads: Vec::new(),
            segment: None,
        }
    }

    fn run(mut self, stopped: &Receiver<()>) -> Result<(), ParquetStoreError> {
        loop {
            let is_stopping = match stopped.recv_timeout(LOOK_EVERY) {
                Err(RecvTimeoutError::Timeout) => false,
                Ok(()) | Err(RecvTimeoutError::Disconnected) => true,
            };
            self.catch_up()?;
            self.show()?;
            if self.reader.is_segment_over() {
                self.end_segment()?;
            }
            if is_stopping {
                return self.freeze();
            }
        }
    }

    /// Reads what has been written.
    fn catch_up(&mut self) -> Result<(), ParquetStoreError> {
        while let Some(step) = self.reader.read_next()? {
            match step {
                Step::Head(head) => {
                    if head.is_first() {
                        self.heads.clear();
                    }
                    self.heads.push(head);
                }
                Step::Input(recorded) => self.take(&recorded)?,
            }
            if self.rows.len() >= SHOWN_ROWS || (!self.rows.is_empty() && self.shown.elapsed() >= LOOK_EVERY) {
                self.show()?;
            }
        }
        Ok(())
    }

    fn take(&mut self, Recorded { seq, ts, input }: &Recorded) -> Result<(), ParquetStoreError> {
        let day = ts.floor(DAY).raw();
        let segment = self.reader.segment().unwrap_or(*seq);
        if self.segment.as_ref().is_some_and(|current| current.segment != segment) {
            self.end_segment()?;
        }
        if self.segment.is_none() {
            self.segment = Some(SegmentBars { segment, day });
        }
        let heads = std::mem::take(&mut self.heads);
        if self.tasks.is_none() && self.part.as_ref().is_some_and(|part| part.rows >= self.tail_rows) {
            return Err(ParquetStoreError::NotStored(self.tail_rows));
        }
        let is_full = |part: &Part| part.day != day || part.rows >= self.tail_rows;
        if self.tasks.is_some() && self.part.as_ref().is_some_and(is_full) {
            self.freeze()?;
        }
        let mut folds = self.store.folds();
        let Some(folds) = folds.as_mut() else { return Ok(()) };
        if !heads.is_empty() {
            folds.restore(&heads)?;
        }
        folds.apply(*seq, *ts, input);
        if *seq <= self.stored {
            return Ok(());
        }
        let (symbol, source) = input.instrument().and_then(|id| folds.name(id)).unwrap_or((NO_SYMBOL, ""));
        self.rows.push(*seq, *ts, input, symbol, source);
        let part = self.part.get_or_insert(Part { first: *seq, last: *seq, rows: 0, day });
        part.last = *seq;
        part.rows += 1;
        Ok(())
    }

    /// Lets queries see what has been read.
    fn show(&mut self) -> Result<(), ParquetStoreError> {
        self.shown = Instant::now();
        if self.rows.is_empty() {
            return Ok(());
        }
        let batch = self.rows.finish()?;
        let mut view = self.store.view();
        append(&mut view.tail, batch)?;
        view.seen = self.part.as_ref().map_or(view.seen, |part| part.last);
        Ok(())
    }

    /// Hands the rows in memory to the librarian; queries see them all the while.
    fn freeze(&mut self) -> Result<(), ParquetStoreError> {
        self.show()?;
        let Some(part) = self.part.take_if(|_| self.tasks.is_some()) else { return Ok(()) };
        let rows = {
            let mut view = self.store.view();
            let rows = Arc::new(std::mem::take(&mut view.tail));
            view.frozen.push(Arc::clone(&rows));
            rows
        };
        self.stored = part.last;
        self.give(Task::Part { part, rows })
    }

    /// The segment that was being read is over.
    fn end_segment(&mut self) -> Result<(), ParquetStoreError> {
        let Some(place) = self.segment.take() else { return Ok(()) };
        let (day, next_segment) = (place.day, place.segment + 1);
        let bars = {
            let mut folds = self.store.folds();
            let Some(folds) = folds.as_mut() else { return Ok(()) };
            let changed = folds.changed()?;
            // Queries ask the folds first: what is settled must be in the view before.
            self.store.view().frozen_bars.extend(changed.clone());
            folds.settle();
            changed
        };
        self.freeze()?;
        self.give(Task::Segment { bars: bars.map(|bars| (place, bars)), next_segment })?;
        self.give(Task::NewDay(day))
    }

    fn give(&self, task: Task) -> Result<(), ParquetStoreError> {
        let Some(tasks) = &self.tasks else { return Ok(()) };
        tasks.send(task).map_err(|_| ParquetStoreError::Stopped)
    }
}

/// Appends a batch; small ones become larger, so that there are few of them and each row is copied a few times.
fn append(tail: &mut Vec<RecordBatch>, batch: RecordBatch) -> Result<(), ParquetStoreError> {
    tail.push(batch);
    while let [.., before, last] = &tail[..] {
        let rows = before.num_rows() + last.num_rows();
        if before.num_rows() > 2 * last.num_rows() || rows > SHOWN_ROWS {
            return Ok(());
        }
        let joined = concat_batches(&last.schema(), [before, last])?;
        tail.truncate(tail.len() - 2);
        tail.push(joined);
    }
    Ok(())
}
