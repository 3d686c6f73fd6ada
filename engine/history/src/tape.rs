//! The log of inputs on disk.
//!
//! A tape is a folder of segments, one an hour of tape time (and one more for every restart), named
//! `<yyyymmdd>T<hh>-<first seq>.tape`. See [`segment`] for the bytes, [`recorder`] for how they get
//! there, [`recovery`] for what happens after a crash.

pub mod audit;
pub(crate) mod begins;
pub mod reader;
pub mod recorder;
pub mod recovery;
pub mod segment;
pub mod synced;
mod writer;

pub use reader::{Head, Recorded, Step, TapeReader};
pub use recorder::{Recorder, RecorderReport};
pub use recovery::Recovered;

use crate::files;
use std::io;
use std::path::{Path, PathBuf};
use tidegate_core::Nanos;
use tidegate_core::input::DecodeError;

/// Extension of a published segment.
pub(crate) const EXTENSION: &str = "tape";

/// Length of a segment.
pub(crate) const HOUR: Nanos = Nanos::new(3_600 * Nanos::SECOND.raw());

/// What can go wrong with a tape.
#[derive(Debug, thiserror::Error)]
pub enum TapeError {
    /// Reading or writing failed.
    #[error("{path}")]
    Io {
        /// Which file.
        path: PathBuf,
        /// What the system says.
        source: io::Error,
    },
    /// The bytes are not a segment's.
    #[error("{path}")]
    Segment {
        /// Which file.
        path: PathBuf,
        /// What is wrong with it, and where.
        source: segment::SegmentError,
    },
    /// A frame is not an input.
    #[error("{path}: seq {seq}")]
    Frame {
        /// Which file.
        path: PathBuf,
        /// Which frame.
        seq: u64,
        /// What is wrong with it.
        source: DecodeError,
    },
    /// The head does not fit together.
    #[error("{path}: head")]
    Head {
        /// Which file.
        path: PathBuf,
        /// What is wrong with it.
        source: tidegate_core::head::HeadError,
    },
    /// The inputs do not follow from one another.
    #[error("{path}")]
    Engine {
        /// Which file.
        path: PathBuf,
        /// What is wrong.
        source: tidegate_core::EngineError,
    },
    /// Inputs are missing, and no gap accounts for them.
    #[error("{path}: seq {got} follows {after}: what lay between is lost, and no gap says so")]
    Hole {
        /// Which file.
        path: PathBuf,
        /// The last input that was read.
        after: u64,
        /// The next one there is.
        got: u64,
    },
    /// A segment begins with another input than its name tells.
    #[error("{path}: holds the inputs from {holds} on, and its name tells another: it was renamed, or is another's")]
    Name {
        /// Which file.
        path: PathBuf,
        /// The first input that its head stands before.
        holds: u64,
    },
    /// A segment's head is not what the segment before it comes to.
    #[error("{path}: begins with another state than the segment before it ends with")]
    OtherState {
        /// Which file.
        path: PathBuf,
    },
    /// There is no segment.
    #[error("{0} holds no tape segment (*.tape)")]
    Empty(PathBuf),
    /// Another process records there.
    #[error("{0} is being recorded to by another process")]
    Locked(PathBuf),
    /// The recorder's thread has ended before its time; why it did is in the first error it gave.
    #[error("the recorder has stopped")]
    Stopped,
}

impl TapeError {
    pub(crate) fn io(path: &Path) -> impl FnOnce(io::Error) -> TapeError {
        move |source| TapeError::Io { path: path.to_owned(), source }
    }
}

/// The segments of a folder, or the one segment that `path` is, in the order of their inputs.
///
/// # Errors
/// [`TapeError`] where the path cannot be read or holds none, or what bears a segment's name is not a regular file.
pub fn segments(path: &Path) -> Result<Vec<PathBuf>, TapeError> {
    if path.is_file() {
        return Ok(vec![path.to_owned()]);
    }
    let mut segments = Vec::new();
    for entry in std::fs::read_dir(path).map_err(TapeError::io(path))? {
        let file = entry.map_err(TapeError::io(path))?.path();
        if file.extension().is_some_and(|extension| extension == EXTENSION) {
            files::must_be_regular(&file).map_err(TapeError::io(&file))?;
            segments.push(file);
        }
    }
    if segments.is_empty() {
        return Err(TapeError::Empty(path.to_owned()));
    }
    segments.sort_by_key(|segment| first_seq(segment));
    Ok(segments)
}

/// The first seq that a segment's name tells; names that tell none come first, and fail when read.
pub(crate) fn first_seq(segment: &Path) -> Option<u64> {
    segment.file_stem()?.to_str()?.rsplit_once('-')?.1.parse().ok()
}

/// The hour that a segment's name tells.
pub(crate) fn segment_hour(segment: &Path) -> Option<Nanos> {
    let (hour, _) = segment.file_stem()?.to_str()?.rsplit_once('-')?;
    let hour = jiff::civil::DateTime::strptime("%Y%m%dT%H", hour).ok()?;
    let second = hour.to_zoned_datetime(jiff::tz::TimeZone::UTC).ok()?.timestamp().as_second();
    Some(Nanos::new(second.checked_mul(Nanos::SECOND.raw())?))
}

/// The name of the segment that begins with `seq` in the hour of `ts`.
fn segment_name(ts: Nanos, seq: u64) -> String {
    let second = ts.raw().div_euclid(Nanos::SECOND.raw());
    let hour = jiff::Timestamp::from_second(second)
        .map_or_else(|_| "00000000T00".to_owned(), |time| time.strftime("%Y%m%dT%H").to_string());
    format!("{hour}-{seq:016}.{EXTENSION}")
}

#[cfg(test)]
#[path = "tape_tests.rs"]
pub(crate) mod tests;
