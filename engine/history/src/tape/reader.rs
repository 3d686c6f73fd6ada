//! A tape read back, input by input.

use super::segment::{Block, PREAMBLE_BYTES, SegmentError, SegmentReader};
use super::{TapeError, segments};
use std::collections::VecDeque;
use std::fs::File;
use std::io::BufReader;
use std::path::{Path, PathBuf};
use tidegate_core::frame::take_frame;
use tidegate_core::{Engine, Frame, Input, Nanos, Observer};

/// Reads the segments of a tape in the order of their inputs.
pub struct TapeReader {
    waiting: VecDeque<PathBuf>,
    open: Option<Segment>,
    bytes: Vec<u8>,
    at: usize,
    next_seq: u64,
    /// The last input that was read, or that came before the tape.
    last: Option<u64>,
    progress: Box<dyn FnMut(u64) + Send>,
}

struct Segment {
    path: PathBuf,
    reader: SegmentReader<BufReader<File>>,
}

/// What the reader has come to.
enum Step {
    /// A segment begins: the state before `next_seq` is in the reader's bytes.
    Head {
        next_seq: u64,
    },
    Input(Recorded),
}

/// One input with the place and time it was recorded with.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Recorded {
    /// Place in the total order.
    pub seq: u64,
    /// Tape time.
    pub ts: Nanos,
    /// The input.
    pub input: Input,
}

impl TapeReader {
    /// Opens a tape folder or one segment; `progress` hears how many bytes of the files have been read.
    ///
    /// # Errors
    /// [`TapeError`] where there is nothing to read.
    pub fn open(path: &Path, progress: impl FnMut(u64) + Send + 'static) -> Result<TapeReader, TapeError> {
        Ok(TapeReader {
            waiting: segments(path)?.into(),
            open: None,
            bytes: Vec::new(),
            at: 0,
            next_seq: 0,
            last: None,
            progress: Box::new(progress),
        })
    }

    /// Total size of what is to be read, in bytes.
    pub fn len_bytes(&self) -> u64 {
        self.waiting.iter().filter_map(|path| path.metadata().ok()).map(|file| file.len()).sum()
    }

    /// True where the tape begins with the first input there ever was, on an empty state.
    ///
    /// # Errors
    /// [`TapeError`] where the first segment cannot be read.
    pub fn begins_empty(&self) -> Result<bool, TapeError> {
        let Some(path) = self.waiting.front() else { return Ok(true) };
        let file = File::open(path).map_err(TapeError::io(path))?;
        let head = SegmentReader::new(BufReader::new(file))
            .and_then(|mut reader| Ok(reader.next_block()?.is_none_or(|(_, frames)| frames.is_empty())));
        head.map_err(|source| TapeError::Segment { path: path.clone(), source })
    }

    /// The next input, for `engine` to replay. The engine is restored from a segment's head first where
    /// that does not simply continue what came before. `None` at the end.
    ///
    /// # Errors
    /// [`TapeError`]: a tape is read up to its first damage, and says where that is.
    pub fn read_next(&mut self, engine: &mut Engine) -> Result<Option<Recorded>, TapeError> {
        loop {
            match self.next_step()? {
                None => return Ok(None),
                Some(Step::Input(recorded)) => return Ok(Some(recorded)),
                // The same state is here already.
                Some(Step::Head { next_seq }) if engine.seq() > 0 && next_seq == engine.seq() + 1 => {}
                Some(Step::Head { next_seq }) => {
                    let mut bytes = &self.bytes[..];
                    let frames = std::iter::from_fn(|| take_frame(0, &mut bytes));
                    engine.restore(next_seq, frames).map_err(|source| TapeError::Head { path: self.path(), source })?;
                }
            }
            self.at = self.bytes.len();
        }
    }

    /// Applies the rest of the tape to `engine`.
    ///
    /// # Errors
    /// [`TapeError`], also where an input does not follow from those before it.
    pub fn replay_all(mut self, engine: &mut Engine, observer: &mut impl Observer) -> Result<(), TapeError> {
        while let Some(Recorded { seq, ts, input }) = self.read_next(engine)? {
            engine
                .replay(seq, ts, &input, observer)
                .map_err(|source| TapeError::Engine { path: self.path(), source })?;
        }
        Ok(())
    }

    /// Hands every input to `visit`, heads left out, until it fails.
    ///
    /// # Errors
    /// [`TapeError`], or what `visit` gives.
    pub fn for_each<E: From<TapeError>>(
        mut self,
        mut visit: impl FnMut(u64, Nanos, &Input) -> Result<(), E>,
    ) -> Result<(), E> {
        while let Some(step) = self.next_step()? {
            match step {
                Step::Head { .. } => self.at = self.bytes.len(),
                Step::Input(Recorded { seq, ts, input }) => visit(seq, ts, &input)?,
            }
        }
        Ok(())
    }

    /// The segment that is being read.
    pub fn path(&self) -> PathBuf {
        self.open.as_ref().map_or_else(PathBuf::new, |segment| segment.path.clone())
    }

    fn next_step(&mut self) -> Result<Option<Step>, TapeError> {
        while self.at >= self.bytes.len() {
            match self.next_block()? {
                None => return Ok(None),
                Some(Block::Head { next_seq }) => {
                    self.last.get_or_insert(next_seq.saturating_sub(1));
                    return Ok(Some(Step::Head { next_seq }));
                }
                Some(Block::Inputs { .. } | Block::End) => {}
            }
        }
        let mut rest = &self.bytes[self.at..];
        let seq = self.next_seq;
        let frame = take_frame(seq, &mut rest).ok_or_else(|| self.short_frame())?;
        let Frame { ts, .. } = frame;
        let input = frame.input().map_err(|source| TapeError::Frame { path: self.path(), seq, source })?;
        self.at = self.bytes.len() - rest.len();
        self.check_order(seq, &input)?;
        self.next_seq += 1;
        Ok(Some(Step::Input(Recorded { seq, ts, input })))
    }

    /// Numbers follow without a hole, or after one that a restart's gap accounts for.
    fn check_order(&mut self, seq: u64, input: &Input) -> Result<(), TapeError> {
        let after = self.last.replace(seq).unwrap_or(0);
        let is_accounted = matches!(input, Input::Gap(gap) if gap.id.is_none() && gap.from == after + 1);
        if seq == after + 1 || (seq > after && is_accounted) {
            return Ok(());
        }
        Err(TapeError::Hole { path: self.path(), after, got: seq })
    }

    fn short_frame(&self) -> TapeError {
        let source = tidegate_core::input::DecodeError::Short(0);
        TapeError::Frame { path: self.path(), seq: self.next_seq, source }
    }

    /// Reads the next block of this or the next segment into `bytes`.
    fn next_block(&mut self) -> Result<Option<Block>, TapeError> {
        loop {
            if self.open.is_none() {
                let Some(path) = self.waiting.pop_front() else { return Ok(None) };
                let file = File::open(&path).map_err(TapeError::io(&path))?;
                let reader = SegmentReader::new(BufReader::with_capacity(1 << 20, file))
                    .map_err(|source| TapeError::Segment { path: path.clone(), source })?;
                self.open = Some(Segment { path, reader });
            }
            let Some(Segment { path, reader }) = &mut self.open else { continue };
            let before = reader.offset();
            let is_closed = reader.is_closed();
            let block = match reader.next_block() {
                // What a killed recorder leaves at the very end.
                Err(SegmentError::Torn { at }) if before > PREAMBLE_BYTES as u64 && self.waiting.is_empty() => {
                    tracing::warn!("{}: ends inside the block at byte {at}, which is left out", path.display());
                    None
                }
                Err(source) => return Err(TapeError::Segment { path: path.clone(), source }),
                Ok(None) if !is_closed && self.waiting.is_empty() => {
                    tracing::info!("{}: was not closed, and may lack its last inputs", path.display());
                    None
                }
                Ok(block) => block,
            };
            let Some((block, bytes)) = block else {
                self.open = None;
                continue;
            };
            self.bytes.clear();
            self.bytes.extend_from_slice(bytes);
            self.at = 0;
            if let Block::Inputs { first_seq, .. } = block {
                self.next_seq = first_seq;
            }
            (self.progress)(reader.offset() - before);
            return Ok(Some(block));
        }
    }
}
