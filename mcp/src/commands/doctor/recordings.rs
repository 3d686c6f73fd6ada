//! Whether what was recorded can be read back: tapes as a replay reads them, tables as queries do.

use super::Finding;
use crate::data_folder::{DataFolder, Occupancy};
use crate::history::{self, STORE};
use std::path::Path;
use tidegate_core::Bounds;
use tidegate_history::tape::audit::{Audit, Fault, audit};

const CHECK: &str = "recordings";
/// More of one recording are counted alone.
const FAULTS_MAX: usize = 20;

/// Every recording of the data folder; `quick`: the newest segment of each tape, and whether table files can be opened.
pub fn recordings(root: &DataFolder, bounds: Bounds, quick: bool, findings: &mut Vec<Finding>) {
    let before = findings.len();
    let is_running =
        !matches!(root.occupancy(), Ok(Occupancy::Free)) || !matches!(root.live_replays(), Ok(live) if live.is_empty());
    for tape in root.tapes() {
        tell_tape(&tape, &audit(&tape, bounds, quick, is_running), quick, findings);
        tell_tables(&tape, quick, is_running, findings);
    }
    if findings.len() == before {
        findings.push(Finding::ok(CHECK, "none yet"));
    }
}

fn tell_tape(tape: &Path, found: &Audit, quick: bool, findings: &mut Vec<Finding>) {
    let Audit { segments, last_seq, faults } = found;
    let fix = "move that file away while nothing runs: what lies before it can still be replayed";
    tell(faults, fix, findings);
    if faults.is_empty() && *segments > 0 {
        let read = if quick { "the last of them read" } else { "every block read" };
        let text = format!("{}: {segments} segments, {read}: readable up to seq {last_seq}", tape.display());
        findings.push(Finding::ok(CHECK, text));
    }
}

/// The tables beside a tape, where there are any.
fn tell_tables(tape: &Path, quick: bool, is_running: bool, findings: &mut Vec<Finding>) {
    let folder = tape.with_file_name(STORE);
    if !folder.is_dir() {
        return;
    }
    let again = format!(
        "move {} away while nothing runs: the tables are made again from the tape, as far back as it goes",
        folder.display()
    );
    let store = match history::open(tape) {
        Ok(store) => store,
        Err(error) => return findings.push(Finding::fail(CHECK, format!("{error:#}"), again)),
    };
    let faults = store.audit(tape, quick, is_running);
    tell(&faults, &again, findings);
    if faults.is_empty() {
        let read = if quick { "opened" } else { "read to its end" };
        findings.push(Finding::ok(CHECK, format!("{}: every table file can be {read}", folder.display())));
    }
}

/// Damage file by file; of what was merely left behind the first, and how many there are.
fn tell(faults: &[Fault], fix: &str, findings: &mut Vec<Finding>) {
    let (left, damaged): (Vec<&Fault>, Vec<&Fault>) = faults.iter().partition(|fault| fault.is_left);
    for Fault { path, what, .. } in damaged.iter().take(FAULTS_MAX) {
        let text = format!("{} is missing or damaged: {what}", path.display());
        findings.push(Finding::fail(CHECK, text, fix));
    }
    if damaged.len() > FAULTS_MAX {
        findings.push(Finding::fail(CHECK, format!("{} more files", damaged.len() - FAULTS_MAX), fix));
    }
    if let Some(Fault { path, what, .. }) = left.first() {
        let others = match left.len() - 1 {
            0 => String::new(),
            others => format!(" (and {others} others)"),
        };
        let text = format!("{}: {what}{others}", path.display());
        findings.push(Finding::warn(CHECK, text, "the next start puts it in order"));
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::commands::doctor::Verdict;
    use std::path::PathBuf;

    #[test]
    fn what_is_left_behind_is_one_warning_and_damage_is_told_file_by_file() {
        let fault = |number: usize, is_left| Fault {
            path: PathBuf::from(format!("{number}.parquet")),
            what: "belongs to no table".to_owned(),
            is_left,
        };
        let told = |damaged: usize, left: usize| {
            let faults: Vec<Fault> = (0..damaged + left).map(|number| fault(number, number >= damaged)).collect();
            let mut findings = Vec::new();
            tell(&faults, "mend it", &mut findings);
            let count = |verdict| findings.iter().filter(|finding| finding.verdict == verdict).count();
            (count(Verdict::Fail), count(Verdict::Warn), findings.pop().map(|finding| finding.text))
        };
        assert_eq!(told(0, 0), (0, 0, None));
        assert_eq!(told(0, 1), (0, 1, Some("0.parquet: belongs to no table".to_owned())));
        assert_eq!(told(0, 2_000), (0, 1, Some("0.parquet: belongs to no table (and 1999 others)".to_owned())));
        assert_eq!(told(FAULTS_MAX, 1).0, FAULTS_MAX);
        assert_eq!(told(25, 0), (FAULTS_MAX + 1, 0, Some("5 more files".to_owned())));
    }
}
