//! `tidegate data ls`.

use super::query::name;
use super::say;
use crate::data_folder::DataFolder;
use crate::history::STORE;
use serde::Serialize;
use std::path::Path;
use tidegate_history::store::Store;
use tidegate_history::tape::{TapeError, segments};

/// What is there of one recording.
#[derive(Debug, Serialize)]
struct Recording {
    /// What it is called after `tidegate query --of`.
    name: String,
    path: String,
    tape_hours: usize,
    tape_bytes: u64,
    /// The first and the last segment.
    first_hour: Option<String>,
    last_hour: Option<String>,
    table_bytes: u64,
    table_rows: u64,
    table_days: usize,
}

/// Says what was recorded.
///
/// # Errors
/// Where a recording cannot be read.
pub fn run(root: &DataFolder, json: bool) -> anyhow::Result<()> {
    let recordings = root.tapes().iter().map(|tape| look(root.path(), tape)).collect::<anyhow::Result<Vec<_>>>()?;
    if json {
        return say(&format!("{}\n", serde_json::json!({ "recordings": recordings })));
    }
    if recordings.is_empty() {
        return say(&format!("nothing is recorded in {}\n", root.path().display()));
    }
    let line = |it: &Recording| {
        let hours = match (&it.first_hour, &it.last_hour) {
            (Some(first), Some(last)) => format!("{first} to {last}"),
            _ => "nothing yet".to_owned(),
        };
        format!(
            "{}: {hours}, {} segments of tape with {} bytes; tables: {} rows of events, {} whole days, {} bytes; {}\n",
            it.name, it.tape_hours, it.tape_bytes, it.table_rows, it.table_days, it.table_bytes, it.path
        )
    };
    say(&recordings.iter().map(line).collect::<String>())
}

fn look(root: &Path, tape: &Path) -> anyhow::Result<Recording> {
    let segments = match segments(tape) {
        Err(TapeError::Empty(_)) => Vec::new(),
        segments => segments?,
    };
    let hour = |segment: Option<&std::path::PathBuf>| {
        let stem = segment?.file_stem()?.to_string_lossy();
        Some(stem.split('-').next()?.to_owned())
    };
    let parquet = tape.with_file_name(STORE);
    let store = if parquet.is_dir() { Some(Store::open(&parquet)?) } else { None };
    let extent = store.as_ref().map(Store::extent);
    Ok(Recording {
        name: name(root, tape),
        path: tape.display().to_string(),
        tape_hours: segments.len(),
        tape_bytes: segments.iter().filter_map(|segment| segment.metadata().ok()).map(|file| file.len()).sum(),
        first_hour: hour(segments.first()),
        last_hour: hour(segments.last()),
        table_bytes: store.as_ref().map_or(Ok(0), Store::bytes)?,
        table_rows: extent.map_or(0, |extent| extent.stored_rows),
        table_days: extent.map_or(0, |extent| extent.days),
    })
}
