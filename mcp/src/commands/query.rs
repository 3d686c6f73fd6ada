//! `tidegate query`.

use super::say;
use crate::cli::{Query, RowsFormat};
use crate::config::Sources;
use crate::data_folder::DataFolder;
use crate::history::STORE;
use anyhow::{Context, bail};
use std::fs;
use std::path::{Path, PathBuf};
use std::process;
use std::thread;
use std::time::Duration;
use tidegate_history::render::{csv, json_lines, table};
use tidegate_history::store::Store;

/// Of the simulated market; its past is stored together with all others.
const INDEX: &str = "NSE:NIFTY";
/// Most memory of the process. What queries account for themselves is less; this is for what they do not, such as rows
/// that windows hold.
const MEMORY_MAX_KIB: u64 = 1_536 << 10;
const MEMORY_LOOK_EVERY: Duration = Duration::from_millis(20);

/// Answers a query about what was recorded, also while it is being recorded.
///
/// # Errors
/// Where there is no such recording, or the query cannot be answered.
pub fn run(options: &Query, root: &DataFolder, sources: &Sources) -> anyhow::Result<()> {
    let tape = recording(root, options.of.as_deref())?;
    let store = Store::read(&tape.with_file_name(STORE), &tape, sources.load()?.config.bounds())?;
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    thread::Builder::new().name("memory".to_owned()).spawn(watch_memory).context("no thread to watch the memory")?;
    let most = options.rows as usize;
    if tape.starts_with(root.path().join("sim")) && !store.has_past(INDEX) {
        tracing::warn!("the simulated past is still being made: bars from before the recording are not there yet");
    }
    let mut batches = runtime.block_on(store.query(&options.sql, most))?;
    let mut left = most;
    let mut has_more = false;
    for batch in &mut batches {
        has_more |= batch.num_rows() > left;
        *batch = batch.slice(0, batch.num_rows().min(left));
        left -= batch.num_rows();
    }
    say(&match options.format {
        RowsFormat::Table => table(&batches)?,
        RowsFormat::Csv => csv(&batches)?,
        RowsFormat::Json => json_lines(&batches)?,
    })?;
    if has_more {
        bail!("there are more than {most} rows: these are the first; --rows N prints more");
    }
    Ok(())
}

/// Ends the process once it has taken too much: before the system has to choose another's.
fn watch_memory() {
    while let Some(kib) = resident_kib() {
        if kib > MEMORY_MAX_KIB {
            tracing::error!(
                "the query needs more than {} MiB and was given up: narrow it (where symbol = …, ts >= …), group it, or give \
                 it a limit",
                MEMORY_MAX_KIB >> 10
            );
            process::exit(1);
        }
        thread::sleep(MEMORY_LOOK_EVERY);
    }
}

/// Memory of this process, where the system tells it.
fn resident_kib() -> Option<u64> {
    let status = fs::read_to_string("/proc/self/status").ok()?;
    status.lines().find_map(|line| line.strip_prefix("VmRSS:"))?.trim().strip_suffix("kB")?.trim().parse().ok()
}

/// The tape that is meant.
fn recording(root: &DataFolder, of: Option<&str>) -> anyhow::Result<PathBuf> {
    let [real, simulated] = [root.path().join("tape"), root.path().join("sim").join("tape")];
    let tape = match of {
        None if real.is_dir() => real,
        None | Some("sim") => simulated,
        Some("live") => real,
        Some(name) => root.replay(name)?.path().join("tape"),
    };
    if !tape.is_dir() {
        let there: Vec<String> = root.tapes().iter().map(|tape| name(root.path(), tape)).collect();
        let there = if there.is_empty() { "nothing".to_owned() } else { there.join(", ") };
        bail!("{} is not there; recorded are: {there}", tape.display());
    }
    Ok(tape)
}

/// What a recording is called after `--of`.
pub(super) fn name(root: &Path, tape: &Path) -> String {
    match tape.parent() {
        Some(parent) if parent == root => "live".to_owned(),
        parent => parent.and_then(Path::file_name).map_or_else(String::new, |name| name.to_string_lossy().into_owned()),
    }
}
