//! `tidegate data project`.

use super::{progress_bar, say};
use std::path::Path;
use tidegate_history::projection;

/// Writes a tape as Parquet and says what was written.
///
/// # Errors
/// Where the tape cannot be read or the files cannot be written.
pub fn run(tape: &Path, to: &Path) -> anyhow::Result<()> {
    let progress = progress_bar();
    let follower = progress.clone();
    let report = projection::project(tape, to, move |bytes| follower.inc(bytes))?;
    progress.finish_and_clear();
    say(&format!("{} rows in {} files, {} bytes\n", report.rows, report.files, report.bytes))
}
