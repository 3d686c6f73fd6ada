//! The thread that reads ahead of the engine: files, sessions and the directory are its own.
//!
//! A fixed number of batches goes round between the two threads: filled here, applied by the engine,
//! handed back with what the market asks of the session. A request therefore reaches the session exactly
//! that many batches after the input that raised it, however the threads are scheduled, and a replay
//! comes to the same state every time.

use super::source::Source;
use super::watch::Position;
use crate::directory::Directory;
use anyhow::anyhow;
use crossbeam::channel::{Receiver, Sender, bounded};
use std::collections::VecDeque;
use std::sync::Arc;
use std::thread::{self, JoinHandle};
use tidegate_core::{Input, InstrumentId, Nanos};
use tidegate_history::tape;

/// An input and when it is due.
#[derive(Debug)]
pub struct Item {
    /// The place that a recording gave it; a venue's own message has none yet.
    pub seq: Option<u64>,
    /// When it was received, or its tape time.
    pub ts: Nanos,
    /// The input.
    pub input: Input,
}

/// Something that could not be read.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Unread {
    /// Where it stands.
    pub position: Position,
    /// Why.
    pub reason: String,
}

/// What was read at once: one venue message, or a run of recorded inputs.
#[derive(Debug, Default)]
pub struct Batch {
    /// Where a venue's message came from; recorded items have their `seq`.
    pub position: Position,
    /// The time of the first message that was read.
    pub first_ts: Nanos,
    /// The time of the last.
    pub last_ts: Nanos,
    /// The state to go on from before the items.
    pub head: Option<tape::Head>,
    /// What to apply.
    pub items: VecDeque<Item>,
    /// Messages that were read.
    pub frames: u64,
    /// Messages, or packets of one, that could not be read.
    pub decode_errors: u64,
    /// The first of them in all.
    pub unread: Vec<Unread>,
    /// Lines that tell of the connection and are no message.
    pub passed_over: u64,
    /// On the way back: the books that need a new snapshot.
    pub resnapshots: Vec<InstrumentId>,
}

impl Batch {
    fn is_empty(&self) -> bool {
        self.items.is_empty() && self.head.is_none() && self.frames + self.decode_errors + self.passed_over == 0
    }

    fn clear(&mut self) {
        self.items.clear();
        self.unread.clear();
        self.resnapshots.clear();
        (self.head, self.frames, self.decode_errors, self.passed_over) = (None, 0, 0, 0);
    }
}

/// The engine's end of the queues.
pub struct Feeder {
    filled: Receiver<Batch>,
    applied: Sender<Batch>,
    thread: Option<JoinHandle<anyhow::Result<()>>>,
}

impl Feeder {
    /// Begins to read `source`, at most `batches_max` batches ahead of the engine.
    ///
    /// # Errors
    /// Where there is no thread to be had.
    pub fn start(source: Source, directory: Arc<Directory>, batches_max: usize) -> anyhow::Result<Feeder> {
        let (filler, filled) = bounded(batches_max);
        let (applied, returned) = bounded(batches_max);
        for _ in 0..batches_max {
            applied.send(Batch::default())?;
        }
        let run = move || run(source, &directory, &returned, &filler);
        let thread = thread::Builder::new().name("feeder".to_owned()).spawn(run)?;
        Ok(Feeder { filled, applied, thread: Some(thread) })
    }

    /// The next batch; `None` at the end.
    ///
    /// # Errors
    /// Why the source cannot be read on.
    pub fn read_next(&mut self) -> anyhow::Result<Option<Batch>> {
        if let Ok(batch) = self.filled.recv() {
            return Ok(Some(batch));
        }
        let Some(thread) = self.thread.take() else { return Ok(None) };
        thread.join().map_err(|_| anyhow!("the feeder's thread panicked"))?.map(|()| None)
    }

    /// Hands a batch back when all of it has been applied.
    pub fn give_back(&self, batch: Batch) {
        // At its end the feeder takes none back.
        drop(self.applied.send(batch));
    }
}

/// Reads until the source ends or nobody listens any more.
fn run(
    mut source: Source,
    directory: &Directory,
    returned: &Receiver<Batch>,
    filled: &Sender<Batch>,
) -> anyhow::Result<()> {
    while let Ok(mut batch) = returned.recv() {
        for id in batch.resnapshots.drain(..) {
            source.handle_resnapshot(id);
        }
        batch.clear();
        let read = source.fill(&mut batch, directory);
        if batch.is_empty() {
            return read;
        }
        enlist(&batch, directory);
        if filled.send(batch).is_err() {
            break;
        }
        read?;
    }
    Ok(())
}

/// Readers can name an instrument before the engine hears of it.
fn enlist(batch: &Batch, directory: &Directory) {
    for (id, instrument) in batch.head.iter().flat_map(tape::Head::instruments) {
        directory.insert(id, instrument);
    }
    for item in &batch.items {
        if let Input::Define { id, instrument } = &item.input {
            directory.insert(*id, (**instrument).clone());
        }
    }
}
