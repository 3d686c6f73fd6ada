//! A tape read back, input by input.

use super::recovery::is_lost_end;
use super::segment::{Block, SegmentError, SegmentReader};
use super::{TapeError, first_seq, segments};
use crate::files;
use std::collections::VecDeque;
use std::fs::File;
use std::io::BufReader;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};
use tidegate_core::frame::{RESTART_STRIDE, take_frame};
use tidegate_core::{Engine, Frame, Input, Instrument, InstrumentId, Nanos, Observer};

/// A followed segment that is not closed is taken for dead when there is a later one, which is looked for this often.
const LOOK_EVERY: Duration = Duration::from_secs(1);

/// Reads the segments of a tape in the order of their inputs.
pub struct TapeReader {
    waiting: VecDeque<PathBuf>,
    open: Option<Segment>,
    bytes: Vec<u8>,
    at: usize,
    next_seq: u64,
    /// The last input that was read, or that came before the tape, and its time where it was read.
    last: Option<u64>,
    last_ts: Option<Nanos>,
    /// The input that the current segment's head stands before, where that does not follow and no input has come yet.
    jump: Option<Jump>,
    /// The last input of the tables that the tape is read behind.
    tables: Option<u64>,
    is_folder: bool,
    /// The segment's head does not simply continue what was read before.
    is_head_news: bool,
    /// Heads that simply continue are told too.
    tells_heads: bool,
    left_out: Option<LeftOut>,
    progress: Box<dyn FnMut(u64) + Send>,
    /// The folder that is still being recorded to, and the last segment of it that was begun.
    followed: Option<Followed>,
}

struct Followed {
    folder: PathBuf,
    /// The last segment that was found, by its first input.
    last: Option<u64>,
    looked: Instant,
}

/// The end of a last segment that is not read.
pub(super) struct LeftOut {
    pub path: PathBuf,
    /// Where it begins.
    pub at: u64,
    /// It is the first part of a block, as a kill leaves it.
    pub is_torn: bool,
}

/// A head that stands further on than the last input.
struct Jump {
    path: PathBuf,
    next_seq: u64,
    /// Its tape time; an empty state has none.
    ts: Option<Nanos>,
}

struct Segment {
    path: PathBuf,
    reader: SegmentReader<BufReader<File>>,
}

/// What a tape holds, in order.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Step {
    /// A state to go on from: the tape begins here, or continues after what is not on it.
    Head(Head),
    /// An input.
    Input(Recorded),
}

/// The state with which a segment begins, or a further part of it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Head {
    path: PathBuf,
    next_seq: u64,
    is_first: bool,
    bytes: Vec<u8>,
}

impl Head {
    /// Brings `engine` to this state, or adds this part of it.
    ///
    /// # Errors
    /// [`TapeError`] where it cannot be read; the engine's market knows nothing then.
    pub fn restore(&self, engine: &mut Engine) -> Result<(), TapeError> {
        if self.is_first {
            engine.forget();
        }
        let head_error = |source| TapeError::Head { path: self.path.clone(), source };
        engine.restore(self.next_seq, self.frames()).map_err(head_error)
    }

    /// True where it is not a further part of a state.
    pub fn is_first(&self) -> bool {
        self.is_first
    }

    /// True where it stands behind input `seq`.
    pub(super) fn follows(&self, seq: u64) -> bool {
        self.next_seq == seq + 1
    }

    /// The instruments it knows; frames that cannot be read are left to [`Head::restore`].
    pub fn instruments(&self) -> impl Iterator<Item = (InstrumentId, Instrument)> {
        self.frames().filter_map(|frame| match frame.input() {
            Ok(Input::Define { id, instrument }) => Some((id, *instrument)),
            _ => None,
        })
    }

    fn frames(&self) -> impl Iterator<Item = Frame<'_>> {
        let mut bytes = &self.bytes[..];
        std::iter::from_fn(move || take_frame(0, &mut bytes))
    }
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
        let mut reader = TapeReader::new(segments(path)?.into(), Box::new(progress), None);
        reader.is_folder = path.is_dir();
        Ok(reader)
    }

    fn new(waiting: VecDeque<PathBuf>, progress: Box<dyn FnMut(u64) + Send>, followed: Option<Followed>) -> TapeReader {
        TapeReader {
            waiting,
            open: None,
            bytes: Vec::new(),
            at: 0,
            next_seq: 0,
            last: None,
            last_ts: None,
            jump: None,
            tables: None,
            is_folder: true,
            is_head_news: false,
            tells_heads: false,
            left_out: None,
            progress,
            followed,
        }
    }

    /// Reads these segments of a folder, and tells every head.
    pub(super) fn of(segments: VecDeque<PathBuf>) -> TapeReader {
        let mut reader = TapeReader::new(segments, Box::new(|_| {}), None);
        reader.tells_heads = true;
        reader
    }

    /// The end that was left out, as it was never synced.
    pub(super) fn left_out(&self) -> Option<&LeftOut> {
        self.left_out.as_ref()
    }

    /// Reads a folder while it is recorded to, from the segment that begins with input `from` or the next there is.
    /// [`TapeReader::read_next`] then says `None` where nothing more has been written yet.
    #[must_use]
    pub fn follow(folder: &Path, from: u64) -> TapeReader {
        let followed = Followed { folder: folder.to_owned(), last: from.checked_sub(1), looked: Instant::now() };
        TapeReader::new(VecDeque::new(), Box::new(|_| {}), Some(followed))
    }

    /// Says that inputs up to `stored` are in tables already: what lies between them and the tape must be accounted for.
    #[must_use]
    pub fn behind(mut self, stored: u64) -> TapeReader {
        self.tables = Some(stored).filter(|&stored| stored > 0);
        self
    }

    /// The first input of the segment that is being read.
    pub fn segment(&self) -> Option<u64> {
        first_seq(&self.open.as_ref()?.path)
    }

    /// True where the segment that is being read was closed, and nothing more of it is to come.
    pub fn is_segment_over(&self) -> bool {
        self.open.as_ref().is_none_or(|segment| segment.reader.is_closed())
    }

    /// Takes note of the segments that have been begun since.
    fn look_for_segments(&mut self) -> Result<(), TapeError> {
        let Some(Followed { folder, last, looked }) = &mut self.followed else { return Ok(()) };
        *looked = Instant::now();
        let found = match segments(folder) {
            Err(TapeError::Empty(_)) => return Ok(()),
            found => found?,
        };
        for path in found {
            let first = first_seq(&path);
            if first > *last {
                *last = first;
                self.waiting.push_back(path);
            }
        }
        Ok(())
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
        let file = files::open(path).map_err(TapeError::io(path))?;
        let head = SegmentReader::new(BufReader::new(file))
            .and_then(|mut reader| Ok(reader.next_block()?.is_none_or(|(_, frames)| frames.is_empty())));
        head.map_err(|source| TapeError::Segment { path: path.clone(), source })
    }

    /// The time of the first input; `None` where there is none.
    ///
    /// # Errors
    /// [`TapeError`] where the tape's beginning cannot be read.
    pub fn begins_at(mut self) -> Result<Option<Nanos>, TapeError> {
        while let Some(step) = self.read_next()? {
            if let Step::Input(Recorded { ts, .. }) = step {
                return Ok(Some(ts));
            }
        }
        Ok(None)
    }

    /// What comes next; `None` at the end. The head of a segment that simply continues the one before is
    /// left out: the same state is there already.
    ///
    /// # Errors
    /// [`TapeError`]: a tape is read up to its first damage, and says where that is.
    pub fn read_next(&mut self) -> Result<Option<Step>, TapeError> {
        while self.at >= self.bytes.len() {
            match self.next_block()? {
                None if self.followed.is_some() => return Ok(None),
                None => {
                    self.pass_start_without_inputs()?;
                    return Ok(None);
                }
                Some(Block::Head { next_seq, is_first }) => {
                    let bytes = std::mem::take(&mut self.bytes);
                    if is_first {
                        self.begin_segment(next_seq, take_frame(0, &mut &bytes[..]).map(|frame| frame.ts))?;
                    }
                    if self.is_head_news || self.tells_heads {
                        return Ok(Some(Step::Head(Head { path: self.path(), next_seq, is_first, bytes })));
                    }
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
        self.last_ts = Some(ts);
        self.next_seq += 1;
        Ok(Some(Step::Input(Recorded { seq, ts, input })))
    }

    /// Applies the rest of the tape to `engine`.
    ///
    /// # Errors
    /// [`TapeError`], also where an input does not follow from those before it.
    pub fn replay_all(mut self, engine: &mut Engine, observer: &mut impl Observer) -> Result<(), TapeError> {
        while let Some(step) = self.read_next()? {
            match step {
                Step::Head(head) => head.restore(engine)?,
                Step::Input(Recorded { seq, ts, input }) => engine
                    .replay(seq, ts, &input, observer)
                    .map_err(|source| TapeError::Engine { path: self.path(), source })?,
            }
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
        while let Some(step) = self.read_next()? {
            if let Step::Input(Recorded { seq, ts, input }) = step {
                visit(seq, ts, &input)?;
            }
        }
        Ok(())
    }

    /// The segment that is being read.
    pub fn path(&self) -> PathBuf {
        self.open.as_ref().map_or_else(PathBuf::new, |segment| segment.path.clone())
    }

    /// A segment's head stands before the input `next_seq`, at tape time `ts` where that can be told.
    fn begin_segment(&mut self, next_seq: u64, ts: Option<Nanos>) -> Result<(), TapeError> {
        let path = self.path();
        if self.is_folder && first_seq(&path) != Some(next_seq) {
            return Err(TapeError::Name { path, holds: next_seq });
        }
        self.pass_start_without_inputs()?;
        let before = next_seq.saturating_sub(1);
        let follows = self.last == Some(before);
        self.is_head_news = !follows;
        // What tables hold further on than the segment begins is read a second time.
        let last = *self.last.get_or_insert(self.tables.map_or(before, |stored| stored.min(before)));
        self.jump = (last != before).then_some(Jump { path, next_seq, ts });
        Ok(())
    }

    /// A start that was killed before its first input may have left a state and nothing else (in recordings of earlier
    /// versions, which wrote the restart's gap later), and the next restart's gap begins there. Nothing is missing: the
    /// state is that of the input before, far below.
    fn pass_start_without_inputs(&mut self) -> Result<(), TapeError> {
        let (Some(Jump { path, next_seq, ts }), Some(after)) = (self.jump.take(), self.last) else { return Ok(()) };
        let is_same_moment = ts.is_none() || self.last_ts.is_none() || ts == self.last_ts;
        if next_seq <= after.saturating_add(RESTART_STRIDE) || !is_same_moment {
            return Err(TapeError::Hole { path, after, got: next_seq });
        }
        self.last = Some(next_seq - 1);
        Ok(())
    }

    /// Numbers follow without a hole, or after one that a restart's gap accounts for.
    fn check_order(&mut self, seq: u64, input: &Input) -> Result<(), TapeError> {
        self.jump = None;
        let is_first_read = self.last_ts.is_none();
        let after = self.last.replace(seq).unwrap_or(0);
        let is_accounted = match input {
            // A tape that was shortened by hand goes on behind its tables.
            Input::Gap(gap) if gap.id.is_none() && is_first_read && self.tables.is_some() => gap.from <= after + 1,
            Input::Gap(gap) => gap.id.is_none() && gap.from == after + 1,
            _ => false,
        };
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
                if self.waiting.is_empty() {
                    self.look_for_segments()?;
                }
                let Some(path) = self.waiting.pop_front() else { return Ok(None) };
                let file = files::open(&path).map_err(TapeError::io(&path))?;
                let reader = SegmentReader::new(BufReader::with_capacity(1 << 20, file))
                    .map_err(|source| TapeError::Segment { path: path.clone(), source })?;
                self.open = Some(Segment { path, reader });
            }
            let Some(Segment { reader, .. }) = &mut self.open else { continue };
            let before = reader.offset();
            let error = match reader.next_block() {
                Ok(Some((block, bytes))) => {
                    self.bytes.clear();
                    self.bytes.extend_from_slice(bytes);
                    self.at = 0;
                    if let Block::Inputs { first_seq, .. } = block {
                        self.next_seq = first_seq;
                    }
                    (self.progress)(reader.offset() - before);
                    return Ok(Some(block));
                }
                Ok(None) => None,
                Err(error) => Some(error),
            };
            if !self.end_segment(error)? {
                return Ok(None);
            }
        }
    }

    /// The current segment goes no further, as yet or for good; false where there is nothing more to read now.
    fn end_segment(&mut self, error: Option<SegmentError>) -> Result<bool, TapeError> {
        let is_last = self.waiting.is_empty();
        let Some(Segment { path, reader }) = &mut self.open else { return Ok(true) };
        if let Some(source) = error {
            // What a kill or a power cut leaves at the very end; the rest of it may also be being written.
            let at = source.block_at().filter(|_| is_last && reader.has_head());
            if !at.map_or(Ok(false), |at| is_lost_end(path, at))? {
                return Err(TapeError::Segment { path: path.clone(), source });
            }
            let is_torn = matches!(source, SegmentError::Torn { .. });
            self.left_out = at.map(|at| LeftOut { path: path.clone(), at, is_torn });
            if self.followed.is_none() && !self.tells_heads {
                tracing::warn!("{}: {source}; what stands there was never synced, and is left out", path.display());
            }
        }
        let is_closed = reader.is_closed();
        match &self.followed {
            Some(followed) if is_last && !is_closed => {
                reader.rewind().map_err(TapeError::io(path))?;
                if followed.looked.elapsed() < LOOK_EVERY {
                    return Ok(false);
                }
                // A killed recorder's is never closed.
                self.look_for_segments()?;
            }
            _ => {
                if is_last && !is_closed && !self.tells_heads {
                    tracing::info!("{}: was not closed, and may lack its last inputs", path.display());
                }
                self.open = None;
            }
        }
        Ok(true)
    }
}
