//! What would stop a replay, found before one is asked for: every block is read and applied.

use super::begins::BEGINS;
use super::reader::LeftOut;
use super::recorder::WRITTEN_SEQ;
use super::synced::{SYNCED, Synced};
use super::{Head, Recorded, Step, TapeError, TapeReader, first_seq, segments};
use crate::files;
use std::collections::VecDeque;
use std::io::ErrorKind;
use std::path::{Path, PathBuf};
use tidegate_core::{Bounds, Engine, Market, Nanos, Stamped};

/// Something that is not as it was written.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Fault {
    /// Which file.
    pub path: PathBuf,
    /// What is wrong with it.
    pub what: String,
    /// The next start goes on all the same: a kill or a power cut leaves that.
    pub is_left: bool,
}

/// What a tape was found to be.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Audit {
    /// Segments in the folder.
    pub segments: usize,
    /// The last input that can be read.
    pub last_seq: u64,
    /// What is wrong.
    pub faults: Vec<Fault>,
}

impl Audit {
    fn note(&mut self, path: &Path, what: impl Into<String>, is_left: bool) {
        self.faults.push(Fault { path: path.to_owned(), what: what.into(), is_left });
    }
}

/// Reads the tape in `folder`, or (`quick`) its last segment alone, into a market of these bounds. Where it `is_growing`
/// its end may be half-written.
#[must_use]
pub fn audit(folder: &Path, bounds: Bounds, quick: bool, is_growing: bool) -> Audit {
    let mut audit = Audit::default();
    let mut all: VecDeque<PathBuf> = match segments(folder) {
        Ok(all) => all.into(),
        Err(TapeError::Empty(_)) => VecDeque::new(),
        Err(error) => {
            audit.note(&path_of(&error, folder), reason(&error), false);
            return audit;
        }
    };
    audit.segments = all.len();
    let last = all.back().cloned();
    judge_beginning(folder, all.front().map(PathBuf::as_path), &mut audit);
    if quick {
        all.drain(..all.len().saturating_sub(1));
    }
    read_all(all, bounds, is_growing, &mut audit);
    judge_synced(folder, last.as_deref(), &mut audit);
    if !is_growing && last.is_some() {
        judge_written(folder, &mut audit);
    }
    audit
}

/// Reads `rest`; goes on behind a segment that cannot be read.
fn read_all(mut rest: VecDeque<PathBuf>, bounds: Bounds, is_growing: bool, audit: &mut Audit) {
    while !rest.is_empty() {
        let mut reader = TapeReader::of(rest.clone());
        let mut applied = Applied::new(bounds);
        let result = applied.read(&mut reader);
        audit.last_seq = audit.last_seq.max(applied.engine.seq());
        let Err(error) = result else {
            match reader.left_out().filter(|_| !is_growing) {
                Some(LeftOut { path, at, is_torn: true }) => {
                    audit.note(path, format!("ends in a half-written block at byte {at}"), true);
                }
                Some(LeftOut { path, at, is_torn: false }) => {
                    let what =
                        format!("unreadable from byte {at} on, which was never synced: the next start cuts it off");
                    audit.note(path, what, false);
                }
                None => {}
            }
            return;
        };
        let failed = path_of(&error, Path::new(""));
        audit.note(&failed, reason(&error), false);
        let at = rest.iter().position(|path| *path == failed).unwrap_or(rest.len() - 1);
        // What stands behind a hole may be whole itself.
        let is_hole = matches!(error, TapeError::Hole { .. }) && at > 0;
        rest.drain(..=if is_hole { at - 1 } else { at });
    }
}

/// A market that the tape is applied to, and a head that says what it should have come to.
struct Applied {
    engine: Engine,
    head: Vec<Head>,
    bounds: Bounds,
}

impl Applied {
    fn new(bounds: Bounds) -> Applied {
        Applied { engine: Applied::engine(bounds), head: Vec::new(), bounds }
    }

    fn engine(bounds: Bounds) -> Engine {
        Engine::new(Market::new(bounds), 0, Nanos::ZERO)
    }

    fn read(&mut self, reader: &mut TapeReader) -> Result<(), TapeError> {
        let mut is_begun = false;
        while let Some(step) = reader.read_next()? {
            match step {
                Step::Head(head) => {
                    if head.is_first() {
                        self.compare(reader)?;
                    }
                    let goes_on = is_begun && head.follows(self.engine.seq());
                    if goes_on { self.head.push(head) } else { head.restore(&mut self.engine)? }
                }
                Step::Input(Recorded { seq, ts, input }) => {
                    self.compare(reader)?;
                    is_begun = true;
                    let ignore = &mut |_: &Market, _: Stamped<'_>| {};
                    let result = self.engine.replay(seq, ts, &input, ignore);
                    result.map_err(|source| TapeError::Engine { path: reader.path(), source })?;
                }
            }
        }
        self.compare(reader)
    }

    /// A head is the state that its segment goes on from.
    fn compare(&mut self, reader: &TapeReader) -> Result<(), TapeError> {
        if self.head.is_empty() {
            return Ok(());
        }
        let mut stated = Applied::engine(self.bounds);
        self.head.drain(..).try_for_each(|head| head.restore(&mut stated))?;
        if stated.market().digest() == self.engine.market().digest() {
            return Ok(());
        }
        Err(TapeError::OtherState { path: reader.path() })
    }
}

/// The first segment is the one that is told to be.
fn judge_beginning(folder: &Path, first: Option<&Path>, audit: &mut Audit) {
    let path = folder.join(BEGINS);
    let told = match files::read_text(&path) {
        // Recordings of earlier versions have none.
        Err(error) if error.kind() == ErrorKind::NotFound => return,
        Err(error) => return audit.note(&path, error.to_string(), false),
        Ok(text) => text.strip_suffix('\n').filter(|text| text.len() == 20).and_then(|text| text.parse::<u64>().ok()),
    };
    let (Some(told), Some(first)) = (told, first) else {
        return audit.note(&path, "tells of a first segment that is not there, or cannot be understood", false);
    };
    // What was to be given up may still be there.
    if first_seq(first).is_some_and(|seq| seq > told) {
        let what = format!("is the first segment, and the tape begins with input {told}: what lies before is missing");
        audit.note(first, what, false);
    }
}

/// What the disk is known to have had is there.
fn judge_synced(folder: &Path, last: Option<&Path>, audit: &mut Audit) {
    let path = folder.join(SYNCED);
    let synced = match files::read_text(&path) {
        // Recordings of earlier versions have none.
        Err(error) if error.kind() == ErrorKind::NotFound => return,
        Err(error) => return audit.note(&path, error.to_string(), false),
        // A start makes the file before its first segment.
        Ok(text) if text.is_empty() && last.is_none() => return,
        Ok(_) => Synced::read(folder),
    };
    let Some(Synced { segment, bytes }) = synced else {
        return audit.note(&path, "cannot be understood; the next start writes it anew", true);
    };
    let segment = folder.join(segment);
    match segment.metadata() {
        Ok(file) if file.len() < bytes => {
            let what = format!("has {} bytes, and {bytes} had been synced: its end is lost", file.len());
            audit.note(&segment, what, false);
        }
        Ok(_) => {}
        Err(error) => {
            audit.note(&segment, format!("{error}: {bytes} bytes of it had been synced"), false);
        }
    }
}

/// The last input that readers were told of is there.
fn judge_written(folder: &Path, audit: &mut Audit) {
    let path = folder.join(WRITTEN_SEQ);
    let last = audit.last_seq;
    match files::read_text(&path).map(|text| text.trim().parse::<u64>()) {
        Err(error) if error.kind() != ErrorKind::NotFound => audit.note(&path, error.to_string(), false),
        Ok(Ok(written)) if written > last => {
            audit.note(&path, format!("tells of inputs up to {written}, and the last segment ends at {last}"), true);
        }
        Ok(Ok(_)) => {}
        Ok(Err(_)) | Err(_) => audit.note(&path, "does not tell what was written last; the next start does", true),
    }
}

/// The file that an error is about.
fn path_of(error: &TapeError, folder: &Path) -> PathBuf {
    match error {
        TapeError::Io { path, .. }
        | TapeError::Segment { path, .. }
        | TapeError::Frame { path, .. }
        | TapeError::Head { path, .. }
        | TapeError::Engine { path, .. }
        | TapeError::Hole { path, .. }
        | TapeError::Name { path, .. }
        | TapeError::OtherState { path } => path.clone(),
        TapeError::Empty(_) | TapeError::Locked(_) | TapeError::Stopped => folder.to_owned(),
    }
}

/// What is wrong, without the file's name.
fn reason(error: &TapeError) -> String {
    match error {
        TapeError::Io { source, .. } => source.to_string(),
        TapeError::Segment { source, .. } => source.to_string(),
        TapeError::Frame { seq, source, .. } => format!("seq {seq}: {source}"),
        TapeError::Head { source, .. } => format!("its head: {source}"),
        TapeError::Engine { source, .. } => source.to_string(),
        TapeError::Hole { after, got, .. } => {
            format!("begins with seq {got} where {after} was before: what lay between is lost, and no gap says so")
        }
        TapeError::Name { holds, .. } => format!("holds the inputs from {holds} on, and its name tells another"),
        TapeError::OtherState { .. } => "begins with another state than the segment before it ends with".to_owned(),
        TapeError::Empty(_) | TapeError::Locked(_) | TapeError::Stopped => error.to_string(),
    }
}

#[cfg(test)]
#[path = "audit_tests.rs"]
mod tests;
