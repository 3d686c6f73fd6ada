//! What a crash leaves behind, and how recording goes on from there.

use super::recorder::WRITTEN_SEQ;
use super::segment::{BLOCK_HEADER_BYTES, Block, SegmentReader, is_end};
use super::synced::Synced;
use super::{EXTENSION, TapeError, TapeReader, begins, segments};
use crate::files;
use std::io::{BufReader, Read, Seek, SeekFrom};
use std::path::{Path, PathBuf};
use tidegate_core::frame::RESTART_STRIDE;
use tidegate_core::{Bounds, Engine, Market, Nanos, Stamped};

/// How a tape was found.
#[derive(Debug)]
pub struct Recovered {
    /// The market and the place at the tape's end.
    pub engine: Engine,
    /// The highest `seq` that may ever have been given out: the recording goes on above it.
    pub highest_seq: u64,
    /// Bytes of a lost end that were cut off, and put beside the segment.
    pub cut_bytes: u64,
}

/// Finds the end of the tape in `folder`, cuts off what a kill or a power cut left of its last blocks, and brings a
/// market to that point. `None` where there is no tape yet.
///
/// # Errors
/// [`TapeError`] where the last segment is damaged elsewhere than at its end: nothing is cut then.
pub fn recover(folder: &Path, bounds: Bounds) -> Result<Option<Recovered>, TapeError> {
    let all = match segments(folder) {
        Err(TapeError::Empty(_)) => Vec::new(),
        found => found?,
    };
    begins::write_first(folder, all.first().map(PathBuf::as_path))?;
    let last = all.last().cloned();
    let Some(last) = last else { return Ok(None) };
    let cut_bytes = cut_lost_end(&last)?;
    let mut engine = Engine::new(Market::new(bounds), 0, Nanos::ZERO);
    TapeReader::open(&last, |_| {})?.replay_all(&mut engine, &mut |_: &Market, _: Stamped<'_>| {})?;
    // After a loss of power the published number may be ahead of what reached the disk.
    let published = files::read_text(&folder.join(WRITTEN_SEQ)).ok();
    let published = published.and_then(|text| text.trim().parse::<u64>().ok()).unwrap_or(0);
    // A number that no recorder can have published says nothing.
    let published = if published < engine.seq().saturating_add(RESTART_STRIDE) { published } else { 0 };
    let highest_seq = engine.seq().max(published);
    Ok(Some(Recovered { engine, highest_seq, cut_bytes }))
}

/// What one sync interval can hold, where no record tells what has been synced: a longer unreadable end is damage.
const LOST_BYTES_MAX: u64 = 4 * 1024 * 1024;
/// Of the ends that were cut off, so many are kept.
const CUTS_MAX: usize = 16;
/// Extension of an end that was cut off.
const CUT: &str = "cut";

/// True where the file ends as a closed segment does.
fn is_closed(path: &Path) -> Result<bool, TapeError> {
    let mut file = files::open(path).map_err(TapeError::io(path))?;
    let mut end = [0; BLOCK_HEADER_BYTES];
    let read = file.seek(SeekFrom::End(-(BLOCK_HEADER_BYTES as i64))).and_then(|_| file.read_exact(&mut end));
    Ok(read.is_ok() && is_end(&end))
}

/// True where what stands from byte `at` of a tape's last segment on is what a kill or a power cut leaves: a part of a
/// block, zeros, or pages without those before them, none of which was synced. What was synced, and a segment that
/// was closed, hold nothing half-written: there it is damage.
pub(super) fn is_lost_end(path: &Path, at: u64) -> Result<bool, TapeError> {
    let length = path.metadata().map_err(TapeError::io(path))?.len();
    let record = path.parent().and_then(Synced::read);
    let synced = record.filter(|record| path.file_name().is_some_and(|name| *name == *record.segment));
    match synced {
        Some(synced) if synced.bytes <= length => Ok(at >= synced.bytes),
        _ => Ok(length - at <= LOST_BYTES_MAX && !is_closed(path)?),
    }
}

/// Cuts a segment behind its last whole block, what follows being put beside it; returns how many bytes that is.
fn cut_lost_end(path: &Path) -> Result<u64, TapeError> {
    let segment_error = |source| TapeError::Segment { path: path.to_owned(), source };
    let file = files::open(path).map_err(TapeError::io(path))?;
    let mut reader = SegmentReader::new(BufReader::with_capacity(1 << 20, file)).map_err(segment_error)?;
    let (at, error) = loop {
        match reader.next_block() {
            Ok(None) => return Ok(0),
            Ok(Some((Block::Head { .. } | Block::Inputs { .. } | Block::End, _))) => {}
            Err(error) => match error.block_at().filter(|_| reader.has_head()) {
                Some(at) => break (at, error),
                None => return Err(segment_error(error)),
            },
        }
    };
    if !is_lost_end(path, at)? {
        return Err(segment_error(error));
    }
    let mut end = Vec::new();
    let mut file = files::open(path).map_err(TapeError::io(path))?;
    file.seek(SeekFrom::Start(at)).and_then(|_| file.read_to_end(&mut end)).map_err(TapeError::io(path))?;
    let kept = path.with_extension(format!("{EXTENSION}.{at}.{CUT}"));
    files::replace(&kept, &end).map_err(TapeError::io(&kept))?;
    files::cut(path, at).map_err(TapeError::io(path))?;
    tracing::warn!(
        "{}: {error}; the {} bytes from there on were never synced, and are put into {}",
        path.display(),
        end.len(),
        kept.display()
    );
    remove_old_cuts(path.parent().unwrap_or(Path::new(".")))?;
    Ok(end.len() as u64)
}

/// Ends that were cut off are kept for a person to look at, the latest few.
fn remove_old_cuts(folder: &Path) -> Result<(), TapeError> {
    let mut cuts = Vec::new();
    for entry in std::fs::read_dir(folder).map_err(TapeError::io(folder))? {
        let path = entry.map_err(TapeError::io(folder))?.path();
        if path.extension().is_some_and(|extension| extension == CUT) {
            cuts.push(path);
        }
    }
    // Their names begin with their segment's hour.
    cuts.sort();
    let old = cuts.len().saturating_sub(CUTS_MAX);
    cuts.iter().take(old).try_for_each(|path| files::remove(path).map_err(TapeError::io(path)))
}

#[cfg(test)]
#[path = "recovery_tests.rs"]
mod tests;
