//! The thread's side of the recorder: blocks and segments on the disk.

#![deny(clippy::disallowed_types, reason = "no lock on the engine path")]

use super::recorder::{Message, Progress, WRITTEN_SEQ};
use super::segment::{HEAD_PART_BYTES, put_end, put_head, put_inputs, put_preamble};
use super::synced::{SYNCED, Synced};
use super::{TapeError, begins, segment_name};
use crate::files;
use crossbeam::channel::{Receiver, RecvTimeoutError};
use std::fs::File;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::{Duration, Instant};
use tidegate_core::Nanos;

/// A block is written at the latest this long after its first input arrived.
const WRITE_EVERY: Duration = Duration::from_millis(50);
/// What has been written reaches the disk at the latest this long after.
const SYNC_EVERY: Duration = Duration::from_secs(1);
/// A block is written early when it holds this much, before compression.
const BLOCK_BYTES: usize = 256 * 1024;

/// What gathers until it is written. Only whole venue messages are: a reader never ends inside one.
#[derive(Default)]
struct OpenBlock {
    first_seq: u64,
    count: u32,
    frames: Vec<u8>,
    since: Option<Instant>,
    is_whole: bool,
}

impl OpenBlock {
    fn is_due(&self) -> bool {
        let is_late = self.since.is_some_and(|since| since.elapsed() >= WRITE_EVERY);
        self.is_whole && (is_late || self.frames.len() >= BLOCK_BYTES)
    }
}

struct Segment {
    path: PathBuf,
    file: File,
    next_seq: u64,
    /// Bytes in the file, and of those the ones that are known to be on the disk.
    length: u64,
    synced: u64,
}

/// A segment that waits for its first block.
struct Beginning {
    ts: Nanos,
    next_seq: u64,
    head: Vec<u8>,
}

/// Writes what the engine's side hands over.
pub(super) struct Writer {
    folder: PathBuf,
    /// Held for as long as the thread lives.
    _lock: File,
    written: File,
    synced: File,
    beginning: Option<Beginning>,
    segment: Option<Segment>,
    block: OpenBlock,
    bytes: Vec<u8>,
    last_sync: Instant,
    progress: Arc<Progress>,
}

impl Writer {
    pub fn new(folder: &Path, lock: File, progress: Arc<Progress>) -> Result<Writer, TapeError> {
        let open = |name: &str| {
            let path = folder.join(name);
            files::open_to_write(&path).map_err(TapeError::io(&path))
        };
        Ok(Writer {
            folder: folder.to_owned(),
            _lock: lock,
            written: open(WRITTEN_SEQ)?,
            synced: open(SYNCED)?,
            beginning: None,
            segment: None,
            block: OpenBlock::default(),
            bytes: Vec::new(),
            last_sync: Instant::now(),
            progress,
        })
    }

    pub fn run(mut self, messages: &Receiver<Message>) -> Result<(), TapeError> {
        loop {
            let wait = match self.block.since {
                Some(since) => WRITE_EVERY.saturating_sub(since.elapsed()),
                None => SYNC_EVERY,
            };
            match messages.recv_timeout(wait) {
                Ok(Message::Inputs { first_seq, count, frames, since, is_whole }) => {
                    if self.block.count > 0 && self.block.first_seq + u64::from(self.block.count) != first_seq {
                        self.write_block()?;
                    }
                    if self.block.count == 0 {
                        self.block.first_seq = first_seq;
                        self.block.since = Some(since);
                    }
                    self.block.count += count;
                    self.block.frames.extend_from_slice(&frames);
                    self.block.is_whole = is_whole;
                }
                Ok(Message::Segment { ts, next_seq, head }) => {
                    self.write_block()?;
                    self.close_segment()?;
                    self.beginning = Some(Beginning { ts, next_seq, head });
                }
                Err(RecvTimeoutError::Timeout) => {}
                Err(RecvTimeoutError::Disconnected) => {
                    self.write_block()?;
                    return self.close_segment();
                }
            }
            // A segment is there as soon as it has something to say.
            if self.block.is_due() || (self.beginning.is_some() && self.block.is_whole) {
                self.write_block()?;
            }
            if self.last_sync.elapsed() >= SYNC_EVERY {
                self.sync()?;
            }
        }
    }

    fn write_block(&mut self) -> Result<(), TapeError> {
        if self.block.count == 0 {
            return Ok(());
        }
        match self.beginning.take() {
            Some(beginning) => self.open_segment(&beginning)?,
            None => self.append_block()?,
        }
        let Some(segment) = &mut self.segment else { return Ok(()) };
        let block = &mut self.block;
        segment.next_seq = block.first_seq + u64::from(block.count);
        let written_seq = segment.next_seq - 1;
        let waited = block.since.take().map_or(0, |since| since.elapsed().as_micros());
        self.progress.longest_us.fetch_max(waited as u64, Ordering::Relaxed);
        self.progress.inputs.fetch_add(u64::from(block.count), Ordering::Relaxed);
        self.progress.bytes.fetch_add(self.bytes.len() as u64, Ordering::Relaxed);
        block.count = 0;
        block.frames.clear();
        self.publish(written_seq)
    }

    fn append_block(&mut self) -> Result<(), TapeError> {
        let Some(segment) = &mut self.segment else { return Ok(()) };
        self.bytes.clear();
        put_inputs(self.block.first_seq, self.block.count, &self.block.frames, &mut self.bytes)
            .and_then(|()| files::write(&mut segment.file, &segment.path, &self.bytes))
            .map_err(TapeError::io(&segment.path))?;
        segment.length += self.bytes.len() as u64;
        Ok(())
    }

    /// A segment gets its name only when its head and its first block are on the disk: whatever bears the name can be
    /// read, and a restart is told in the same moment as the state that it begins with.
    fn open_segment(&mut self, beginning: &Beginning) -> Result<(), TapeError> {
        let Beginning { ts, next_seq, head } = beginning;
        let path = self.folder.join(segment_name(*ts, *next_seq));
        let bytes = &mut self.bytes;
        bytes.clear();
        put_preamble(bytes);
        let mut create = || -> io::Result<File> {
            put_head(*next_seq, head, HEAD_PART_BYTES, bytes)?;
            put_inputs(self.block.first_seq, self.block.count, &self.block.frames, bytes)?;
            files::replace_with(&path, bytes)
        };
        let file = create().map_err(TapeError::io(&path))?;
        let length = self.bytes.len() as u64;
        begins::write_first(&self.folder, Some(&path))?;
        self.segment = Some(Segment { path, file, next_seq: *next_seq, length, synced: length });
        self.note_synced()
    }

    /// Tells how far the file goes: only ever after it does.
    fn publish(&self, written_seq: u64) -> Result<(), TapeError> {
        let path = self.folder.join(WRITTEN_SEQ);
        files::overwrite(&self.written, &path, format!("{written_seq:020}\n").as_bytes())
            .map_err(TapeError::io(&path))?;
        self.progress.written_seq.store(written_seq, Ordering::Release);
        Ok(())
    }

    fn sync(&mut self) -> Result<(), TapeError> {
        self.last_sync = Instant::now();
        match &mut self.segment {
            Some(segment) if segment.synced < segment.length => {
                files::sync_data(&segment.file, &segment.path).map_err(TapeError::io(&segment.path))?;
                segment.synced = segment.length;
                self.note_synced()
            }
            _ => Ok(()),
        }
    }

    /// Tells how much of the segment the disk has: only ever after it does.
    fn note_synced(&self) -> Result<(), TapeError> {
        let Some(segment) = &self.segment else { return Ok(()) };
        let path = self.folder.join(SYNCED);
        let record = Synced::of(&segment.path, segment.synced).to_text();
        files::overwrite(&self.synced, &path, record.as_bytes()).map_err(TapeError::io(&path))
    }

    fn close_segment(&mut self) -> Result<(), TapeError> {
        let Some(segment) = &mut self.segment else { return Ok(()) };
        self.bytes.clear();
        put_end(segment.next_seq, &mut self.bytes);
        files::write(&mut segment.file, &segment.path, &self.bytes)
            .and_then(|()| files::sync(&segment.file, &segment.path))
            .map_err(TapeError::io(&segment.path))?;
        segment.length += self.bytes.len() as u64;
        segment.synced = segment.length;
        self.note_synced()?;
        self.segment = None;
        Ok(())
    }
}
