//! Whether what was recorded can be read back.

use super::Finding;
use crate::data_folder::{DataFolder, Occupancy};
use crate::history::{self, STORE};
use anyhow::Context;
use std::fs::{self, File};
use std::io::BufReader;
use std::path::{Path, PathBuf};
use tidegate_history::tape::recorder::WRITTEN_SEQ;
use tidegate_history::tape::segment::{Block, SegmentError, SegmentReader};
use tidegate_history::tape::{TapeError, segments};

const CHECK: &str = "recordings";

/// Every tape of the data folder, by its newest segment.
pub fn recordings(root: &DataFolder, findings: &mut Vec<Finding>) {
    let before = findings.len();
    let is_running = matches!(root.occupancy(), Ok(Occupancy::Running(_) | Occupancy::Starting { .. }));
    for tape in root.tapes() {
        match newest(&tape) {
            Ok(None) => {}
            Ok(Some(segment)) => findings.push(judge(&tape, &segment, is_running)),
            Err(error) => findings.push(Finding::fail(CHECK, format!("{error:#}"), "make it readable")),
        }
        findings.extend(tables(&tape));
    }
    if findings.len() == before {
        findings.push(Finding::ok(CHECK, "none yet"));
    }
}

/// The tables beside a tape, where there are any: every file that they name is opened.
fn tables(tape: &Path) -> Option<Finding> {
    let folder = tape.with_file_name(STORE);
    if !folder.is_dir() {
        return None;
    }
    let again =
        "remove catalogue.json there while nothing runs: they are made again from the tape, as far back as it goes";
    Some(match history::open(tape) {
        Err(error) => Finding::fail(CHECK, format!("{error:#}"), again),
        Ok(store) => match &store.damaged()[..] {
            [] => Finding::ok(CHECK, format!("{}: every table file can be opened", folder.display())),
            [first, rest @ ..] => {
                let text = format!("{} and {} more table files are missing or damaged", first.display(), rest.len());
                Finding::fail(CHECK, text, again)
            }
        },
    })
}

/// How a segment reads.
struct Segment {
    path: PathBuf,
    count: usize,
    last_seq: u64,
    end: Result<(), SegmentError>,
}

fn newest(tape: &Path) -> anyhow::Result<Option<Segment>> {
    let all = match segments(tape) {
        Ok(all) => all,
        Err(TapeError::Empty(_)) => return Ok(None),
        Err(error) => return Err(error.into()),
    };
    let Some(path) = all.last().cloned() else { return Ok(None) };
    let file = File::open(&path).with_context(|| format!("cannot open {}", path.display()))?;
    let mut last_seq = 0;
    let mut end = Ok(());
    match SegmentReader::new(BufReader::new(file)) {
        Err(error) => end = Err(error),
        Ok(mut reader) => loop {
            match reader.next_block() {
                Ok(Some((Block::Head { next_seq, .. }, _))) => last_seq = next_seq.saturating_sub(1),
                Ok(Some((Block::Inputs { first_seq, count }, _))) => last_seq = first_seq + u64::from(count) - 1,
                Ok(Some((Block::End, _)) | None) => break,
                Err(error) => {
                    end = Err(error);
                    break;
                }
            }
        },
    }
    Ok(Some(Segment { path, count: all.len(), last_seq, end }))
}

fn judge(tape: &Path, segment: &Segment, is_running: bool) -> Finding {
    let Segment { path, count, last_seq, end } = segment;
    let shown = tape.display();
    match end {
        // A recorder may be about to write the rest.
        Err(SegmentError::Torn { .. }) if is_running => {}
        Err(SegmentError::Torn { at }) => {
            let text = format!("{} ends in a half-written block at byte {at}", path.display());
            return Finding::warn(CHECK, text, "the next start cuts it off and goes on after a gap");
        }
        Err(error) => {
            let fix = "move that file away: what lies before it can still be replayed";
            return Finding::fail(CHECK, format!("{}: {error}", path.display()), fix);
        }
        Ok(()) => {}
    }
    let written = fs::read_to_string(tape.join(WRITTEN_SEQ)).ok().and_then(|text| text.trim().parse::<u64>().ok());
    match written {
        None => Finding::warn(
            CHECK,
            format!("{shown} does not say what was written last ({WRITTEN_SEQ})"),
            "the next start writes it anew",
        ),
        Some(written) if written > *last_seq && !is_running => Finding::warn(
            CHECK,
            format!("{shown}: written up to {written}, but its last segment ends at {last_seq}"),
            "the disk lost the rest; the next start goes on after a gap",
        ),
        Some(_) => Finding::ok(CHECK, format!("{shown}: {count} segments, readable up to seq {last_seq}")),
    }
}
