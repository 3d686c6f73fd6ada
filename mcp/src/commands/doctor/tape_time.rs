//! Whether a recording ends ahead of the clock: then nothing is live on it.

use super::Finding;
use crate::clock;
use crate::data_folder::DataFolder;
use crate::tape_time::warning;
use std::path::Path;
use tidegate_core::Nanos;
use tidegate_history::tape::{TapeError, TapeReader, segments};

/// Every tape of the data folder, by its last input.
pub fn tape_times(root: &DataFolder, findings: &mut Vec<Finding>) {
    for tape in root.tapes() {
        let warning = ends_at(&tape).and_then(|ends| warning(ends, clock::now()));
        findings.extend(warning.map(|warning| {
            Finding::warn("clock", format!("{}: {warning}", tape.display()), "see to it before prices are needed")
        }));
    }
}

/// The time of the last input that can be read; what cannot is for others to tell.
fn ends_at(tape: &Path) -> Option<Nanos> {
    // One that was begun just now holds none yet.
    segments(tape).ok()?.iter().rev().find_map(|segment| last_ts(segment))
}

fn last_ts(segment: &Path) -> Option<Nanos> {
    let mut last = None;
    let read = TapeReader::open(segment, |_| {}).and_then(|tape| {
        tape.for_each(|_, ts, _| {
            last = Some(ts);
            Ok::<(), TapeError>(())
        })
    });
    // Up to its first damage.
    drop(read);
    last
}
