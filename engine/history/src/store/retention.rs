//! What is given up where there is too much of it: the oldest, and of the tape only what is in the store.

use super::catalogue::Day;
use super::{BARS, EVENTS, RECENT, Store};
use crate::ParquetStoreError;
use crate::files;
use crate::parquet_file::io_error;
use crate::projection::DAY;
use crate::tape::{HOUR, begins, first_seq, segment_hour, segments};
use std::fs;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use tidegate_core::Nanos;

/// How much is kept.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Retention {
    /// Hours of tape are kept for so long; `None`: until there is too much of everything.
    pub tape: Option<Nanos>,
    /// Days of tables are kept for so long; `None`: until there is too much of everything.
    pub days: Option<Nanos>,
    /// The most bytes of tape and tables together.
    pub bytes_max: u64,
}

/// What there is, and what was given up for it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Retained {
    /// Bytes of tape and tables.
    pub bytes: u64,
    /// Hours of tape that were removed.
    pub segments: usize,
    /// Days of tables that were removed.
    pub days: usize,
}

impl Store {
    /// Removes what is too old at `now`, or too much, oldest first. The tape's last segment stays, and so does
    /// whatever is not in the store yet.
    ///
    /// # Errors
    /// [`ParquetStoreError`] where a file cannot be removed.
    pub fn retain(&self, tape: &Path, rules: &Retention, now: Nanos) -> Result<Retained, ParquetStoreError> {
        let mut retained = Retained { bytes: bytes_in(tape)? + bytes_in(self.folder())?, ..Retained::default() };
        let next_segment = self.view().catalogue.next_segment;
        let all = segments(tape).unwrap_or_default();
        let mut stored = all.clone();
        stored.pop();
        stored.retain(|segment| first_seq(segment).is_some_and(|first| first < next_segment));
        let mut bytes = retained.bytes;
        let is_given_up = |segment: &&PathBuf| {
            let ended = segment_hour(segment).map(|hour| hour.plus(HOUR));
            let is_old = rules.tape.is_some_and(|keep| ended.is_some_and(|ended| ended.plus(keep) <= now));
            let is_too_much = bytes > rules.bytes_max;
            bytes = bytes.saturating_sub(segment.metadata().map_or(0, |file| file.len()));
            is_old || is_too_much
        };
        retained.segments = stored.iter().take_while(is_given_up).count();
        // Said before, so that what is missing then was not lost.
        if retained.segments > 0
            && let Some(next) = all.get(retained.segments)
        {
            begins::write(tape, next)?;
        }
        for segment in stored.iter().take(retained.segments) {
            retained.bytes -= remove(segment)?.min(retained.bytes);
        }
        let catalogue = Arc::clone(&self.view().catalogue);
        for day in &catalogue.days {
            let is_old = rules.days.is_some_and(|keep| Nanos::new(day.day).plus(DAY).plus(keep) <= now);
            if !is_old && retained.bytes <= rules.bytes_max {
                break;
            }
            retained.bytes -= self.remove_day(day)?.min(retained.bytes);
            retained.days += 1;
        }
        Ok(retained)
    }

    /// Removes a day; returns its size. A query that began before may fail, and not again.
    fn remove_day(&self, day: &Day) -> Result<u64, ParquetStoreError> {
        self.change(|catalogue| catalogue.days.retain(|kept| kept.day != day.day), |_| {})?;
        let folder = self.folder();
        let events = day.events.iter().map(|symbol| day.events_path(folder, symbol));
        let bars = day.bars.iter().map(|symbol| day.bars_path(folder, symbol));
        events.chain(bars).map(|path: PathBuf| remove(&path)).sum()
    }

    /// Bytes of the tables.
    ///
    /// # Errors
    /// [`ParquetStoreError`] where the folder cannot be read.
    pub fn bytes(&self) -> Result<u64, ParquetStoreError> {
        [RECENT, EVENTS, BARS].iter().map(|table| bytes_in(&self.folder().join(table))).sum()
    }
}

fn remove(path: &Path) -> Result<u64, ParquetStoreError> {
    let bytes = path.metadata().map_err(io_error(path))?.len();
    files::remove(path).map_err(io_error(path))?;
    Ok(bytes)
}

/// Bytes of all files below a folder; none where it is not there.
fn bytes_in(folder: &Path) -> Result<u64, ParquetStoreError> {
    let Ok(entries) = fs::read_dir(folder) else { return Ok(0) };
    entries
        .map(|entry| {
            let entry = entry.map_err(io_error(folder))?;
            match entry.metadata() {
                Ok(file) if file.is_dir() => bytes_in(&entry.path()),
                Ok(file) => Ok(file.len()),
                // The librarian has just removed or renamed it.
                Err(_) => Ok(0),
            }
        })
        .sum()
}
