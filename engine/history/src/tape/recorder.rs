//! The thread that writes the tape.
//!
//! The engine's side encodes inputs and hands them over a venue message at a time; the thread (`writer`) gathers
//! them into blocks and writes each within 50 ms of its first input. After each write it
//! publishes the last `seq` that a reader of the file will find, in the file [`WRITTEN_SEQ`].

#![deny(clippy::disallowed_types, reason = "no lock on the engine path")]

use super::recovery::{Recovered, recover};
use super::writer::Writer;
use super::{HOUR, TapeError};
use crate::files;
use crossbeam::channel::{Receiver, Sender, TrySendError, bounded};
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::thread::JoinHandle;
use std::time::Instant;
use tidegate_core::frame::put_input;
use tidegate_core::{Bounds, Input, Market, Nanos, Observer, Stamped};

/// Venue messages on their way to the thread: seconds of a busy market, while the disk syncs.
const QUEUE_BATCHES_MAX: usize = 32_768;
/// A message that ends later than this is handed over in parts.
const BATCH_BYTES_MAX: usize = 64 * 1024;

/// Name of the file that tells the last `seq` written, as decimal digits.
pub const WRITTEN_SEQ: &str = "written_seq";
pub(super) const LOCK: &str = "lock";

/// What the recorder has done.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct RecorderReport {
    /// Last `seq` in the file.
    pub written_seq: u64,
    /// Inputs written by this recorder.
    pub inputs: u64,
    /// Bytes written by this recorder.
    pub bytes: u64,
    /// The longest time from an input being applied to its being in the file, in ms: so long at most the
    /// file stands still while there is something to write.
    pub longest_write_interval_ms: u64,
    /// How often it had to leave inputs out.
    pub full: u64,
}

#[derive(Default)]
pub(super) struct Progress {
    pub written_seq: AtomicU64,
    pub inputs: AtomicU64,
    pub bytes: AtomicU64,
    pub longest_us: AtomicU64,
}

pub(super) enum Message {
    /// The state before the input `next_seq`: a new segment begins.
    Segment { ts: Nanos, next_seq: u64, head: Vec<u8> },
    /// `count` encoded inputs from `first_seq`, the first of them applied at `since`.
    Inputs { first_seq: u64, count: u32, frames: Vec<u8>, since: Instant, is_whole: bool },
}

/// Records everything that an engine applies.
///
/// When the queue is full it waits: nothing is lost, the reader of a recording goes as fast as the disk. A live
/// market does not wait ([`Recorder::never_wait`]): inputs are left out then, until there is room for the state
/// as it has become, and a [`GapCause::RecorderFull`] tells which.
pub struct Recorder {
    queue: Option<Sender<Message>>,
    thread: Option<JoinHandle<Result<(), TapeError>>>,
    progress: Arc<Progress>,
    hour: Option<Nanos>,
    first_seq: u64,
    count: u32,
    frames: Vec<u8>,
    since: Instant,
    is_stopped: bool,
    waits: bool,
    /// The first input that was left out; recording goes on with the state at the next.
    unrecorded: Option<u64>,
    is_resuming: bool,
    full: u64,
}

impl Recorder {
    /// Starts recording into `folder`, which is made if it is not there. Where it holds a tape already,
    /// that is recovered, and its market handed back: recording goes on from there.
    ///
    /// # Errors
    /// [`TapeError`] where the folder cannot be used or is in use.
    pub fn open(folder: &Path, bounds: Bounds) -> Result<(Recorder, Option<Recovered>), TapeError> {
        files::create_folder(folder).map_err(TapeError::io(folder))?;
        let lock_path = folder.join(LOCK);
        let lock = files::open_to_write(&lock_path).map_err(TapeError::io(&lock_path))?;
        lock.try_lock().map_err(|_| TapeError::Locked(folder.to_owned()))?;
        remove_unpublished(folder)?;
        let recovered = recover(folder, bounds)?;
        let progress = Arc::new(Progress::default());
        let writer = Writer::new(folder, lock, Arc::clone(&progress))?;
        let (mut recorder, messages) = Recorder::new(progress, QUEUE_BATCHES_MAX);
        let thread = std::thread::Builder::new()
            .name("recorder".to_owned())
            .spawn(move || writer.run(&messages))
            .map_err(TapeError::io(folder))?;
        recorder.thread = Some(thread);
        Ok((recorder, recovered))
    }

    /// The engine's side, and what the thread is to read.
    fn new(progress: Arc<Progress>, batches_max: usize) -> (Recorder, Receiver<Message>) {
        let (queue, messages) = bounded(batches_max);
        let recorder = Recorder {
            queue: Some(queue),
            thread: None,
            progress,
            hour: None,
            first_seq: 0,
            count: 0,
            frames: Vec::new(),
            since: Instant::now(),
            is_stopped: false,
            waits: true,
            unrecorded: None,
            is_resuming: false,
            full: 0,
        };
        (recorder, messages)
    }

    /// Leaves inputs out rather than hold the engine up.
    pub fn never_wait(&mut self) {
        self.waits = false;
    }

    /// True while inputs are left out.
    pub fn is_behind(&self) -> bool {
        self.unrecorded.is_some()
    }

    /// The first input that was left out, once there is room again: the engine is to tell of it
    /// ([`tidegate_core::Engine::admit_unrecorded`]), and with that recording goes on.
    pub fn resume(&mut self) -> Option<u64> {
        let has_room = |queue: &Sender<Message>| queue.len() * 2 <= queue.capacity().unwrap_or(0);
        let from = self.unrecorded.filter(|_| self.queue.as_ref().is_some_and(has_room))?;
        self.is_resuming = true;
        Some(from)
    }

    /// What has been written so far.
    pub fn report(&self) -> RecorderReport {
        RecorderReport {
            written_seq: self.progress.written_seq.load(Ordering::Acquire),
            inputs: self.progress.inputs.load(Ordering::Relaxed),
            bytes: self.progress.bytes.load(Ordering::Relaxed),
            longest_write_interval_ms: self.progress.longest_us.load(Ordering::Relaxed).div_ceil(1_000),
            full: self.full,
        }
    }

    /// True once the thread has failed: nothing more is recorded, and [`Recorder::finish`] tells why.
    pub fn is_stopped(&self) -> bool {
        self.is_stopped
    }

    /// Writes what is left, closes the segment and syncs it.
    ///
    /// # Errors
    /// The first [`TapeError`] that the thread met.
    pub fn finish(mut self) -> Result<RecorderReport, TapeError> {
        self.end()?;
        Ok(self.report())
    }

    fn end(&mut self) -> Result<(), TapeError> {
        self.hand_over(true);
        self.queue = None;
        let ended = self.thread.take().map_or(Ok(Ok(())), JoinHandle::join);
        ended.unwrap_or(Err(TapeError::Stopped))
    }

    fn hand_over(&mut self, is_whole: bool) {
        if self.count == 0 {
            return;
        }
        let frames = std::mem::take(&mut self.frames);
        self.frames.reserve(frames.len());
        let (first_seq, count, since) = (self.first_seq, self.count, self.since);
        self.send(first_seq, Message::Inputs { first_seq, count, frames, since, is_whole });
        self.count = 0;
    }

    /// Hands over what begins with the input `seq`.
    fn send(&mut self, seq: u64, message: Message) {
        let Some(queue) = &self.queue else {
            self.is_stopped = true;
            return;
        };
        let result = if self.waits {
            queue.send(message).map_err(|error| TrySendError::Disconnected(error.0))
        } else {
            queue.try_send(message)
        };
        match result {
            Ok(()) => {}
            Err(TrySendError::Full(_)) => {
                self.unrecorded = Some(seq);
                self.full += 1;
            }
            Err(TrySendError::Disconnected(_)) => self.is_stopped = true,
        }
    }
}

impl Observer for Recorder {
    fn before(&mut self, market: &Market, seq: u64, ts: Nanos) {
        let hour = ts.floor(HOUR);
        match self.unrecorded {
            Some(_) if !self.is_resuming => return,
            Some(_) => self.unrecorded = None,
            None if self.hour == Some(hour) => return,
            None => self.hand_over(true),
        }
        self.is_resuming = false;
        if self.unrecorded.is_some() {
            return;
        }
        self.hour = Some(hour);
        let mut head = Vec::new();
        tidegate_core::head::put_head(market, ts, &mut head);
        self.send(seq, Message::Segment { ts, next_seq: seq, head });
    }

    fn after(&mut self, _market: &Market, stamped: Stamped<'_>) {
        if self.unrecorded.is_some() {
            return;
        }
        if self.count > 0 && self.first_seq + u64::from(self.count) != stamped.seq {
            self.hand_over(true);
        }
        if self.count == 0 {
            self.first_seq = stamped.seq;
            self.since = Instant::now();
        }
        put_input(stamped.ts, stamped.input, &mut self.frames);
        self.count += 1;
        let is_whole = stamped.end.is_some() || !matches!(stamped.input, Input::Event(_));
        if is_whole || self.frames.len() >= BATCH_BYTES_MAX {
            self.hand_over(is_whole);
        }
    }
}

/// Whatever was applied is written, however the run ends; an error then has nobody left to hear it.
impl Drop for Recorder {
    fn drop(&mut self) {
        drop(self.end());
    }
}

/// Removes what a killed recorder had not given its name yet.
fn remove_unpublished(folder: &Path) -> Result<(), TapeError> {
    for entry in std::fs::read_dir(folder).map_err(TapeError::io(folder))? {
        let path = entry.map_err(TapeError::io(folder))?.path();
        if path.extension().is_some_and(|extension| extension == "new") {
            files::remove(&path).map_err(TapeError::io(&path))?;
        }
    }
    Ok(())
}

#[cfg(test)]
#[path = "recorder_tests.rs"]
mod tests;
