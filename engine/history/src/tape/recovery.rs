//! What a crash leaves behind, and how recording goes on from there.

use super::recorder::WRITTEN_SEQ;
use super::segment::{BLOCK_HEADER_BYTES, Block, SegmentError, SegmentReader, is_end};
use super::{TapeError, TapeReader, segments};
use std::fs::{File, OpenOptions};
use std::io::{BufReader, Read, Seek, SeekFrom};
use std::path::Path;
use tidegate_core::frame::RESTART_STRIDE;
use tidegate_core::{Bounds, Engine, Market, Nanos, Stamped};

/// How a tape was found.
#[derive(Debug)]
pub struct Recovered {
    /// The market and the place at the tape's end.
    pub engine: Engine,
    /// The highest `seq` that may ever have been given out: the recording goes on above it.
    pub highest_seq: u64,
    /// Bytes of a half-written block that were cut off.
    pub cut_bytes: u64,
}

/// Finds the end of the tape in `folder`, cuts off a half-written last block, and brings a market to
/// that point. `None` where there is no tape yet.
///
/// # Errors
/// [`TapeError`] where the last segment is damaged elsewhere than at its end: nothing is cut then.
pub fn recover(folder: &Path, bounds: Bounds) -> Result<Option<Recovered>, TapeError> {
    let last = match segments(folder) {
        Ok(mut segments) => segments.pop(),
        Err(TapeError::Empty(_)) => None,
        Err(error) => return Err(error),
    };
    let Some(last) = last else { return Ok(None) };
    let cut_bytes = cut_torn_end(&last)?;
    let mut engine = Engine::new(Market::new(bounds), 0, Nanos::ZERO);
    TapeReader::open(&last, |_| {})?.replay_all(&mut engine, &mut |_: &Market, _: Stamped<'_>| {})?;
    // After a loss of power the published number may be ahead of what reached the disk.
    let published = std::fs::read_to_string(folder.join(WRITTEN_SEQ)).ok();
    let published = published.and_then(|text| text.trim().parse::<u64>().ok()).unwrap_or(0);
    // A number that no recorder can have published says nothing.
    let published = if published < engine.seq().saturating_add(RESTART_STRIDE) { published } else { 0 };
    let highest_seq = engine.seq().max(published);
    Ok(Some(Recovered { engine, highest_seq, cut_bytes }))
}

/// More than this a single write does not leave behind: a longer unreadable end is damage.
const TORN_BYTES_MAX: u64 = 4 * 1024 * 1024;

/// True where the file ends as a closed segment does: then nothing in it can be half-written.
fn is_closed(path: &Path) -> Result<bool, TapeError> {
    let mut file = File::open(path).map_err(TapeError::io(path))?;
    let mut end = [0; BLOCK_HEADER_BYTES];
    let read = file.seek(SeekFrom::End(-(BLOCK_HEADER_BYTES as i64))).and_then(|_| file.read_exact(&mut end));
    Ok(read.is_ok() && is_end(&end))
}

/// Cuts a segment behind its last whole block; returns how many bytes went.
fn cut_torn_end(path: &Path) -> Result<u64, TapeError> {
    let segment_error = |source| TapeError::Segment { path: path.to_owned(), source };
    let file = File::open(path).map_err(TapeError::io(path))?;
    let length = file.metadata().map_err(TapeError::io(path))?.len();
    let mut reader = SegmentReader::new(BufReader::with_capacity(1 << 20, file)).map_err(segment_error)?;
    loop {
        match reader.next_block() {
            Ok(None) => return Ok(0),
            Ok(Some((Block::Head { .. } | Block::Inputs { .. } | Block::End, _))) => {}
            Err(SegmentError::Torn { at }) if length - at <= TORN_BYTES_MAX && !is_closed(path)? => {
                let file = OpenOptions::new().write(true).open(path).map_err(TapeError::io(path))?;
                file.set_len(at).and_then(|()| file.sync_all()).map_err(TapeError::io(path))?;
                return Ok(length - at);
            }
            Err(error) => return Err(segment_error(error)),
        }
    }
}
