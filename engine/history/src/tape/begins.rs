//! With which input a tape begins: what stood before was given up on purpose, what is missing behind it is lost.

use super::{TapeError, first_seq};
use crate::files;
use std::path::Path;

/// Name of the file that tells it, as decimal digits.
pub const BEGINS: &str = "begins";

/// Says that the tape in `folder` begins with `segment`.
pub(crate) fn write(folder: &Path, segment: &Path) -> Result<(), TapeError> {
    let path = folder.join(BEGINS);
    let Some(seq) = first_seq(segment) else { return Ok(()) };
    files::replace(&path, format!("{seq:020}\n").as_bytes()).map_err(TapeError::io(&path))
}

/// The same where nothing says so yet, as in recordings of earlier versions.
pub(super) fn write_first(folder: &Path, segment: Option<&Path>) -> Result<(), TapeError> {
    match segment {
        Some(segment) if !folder.join(BEGINS).exists() => write(folder, segment),
        _ => Ok(()),
    }
}
