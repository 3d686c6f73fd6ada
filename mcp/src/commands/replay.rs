//! `tidegate replay`.

use super::{format, progress_bar, say};
use crate::cli::Replay;
use crate::config::Sources;
use crate::directory::Directory;
use crate::playback::feeder::Unread;
use crate::playback::tables::{GapsTable, TopsTable};
use crate::playback::verify::Mismatch;
use crate::playback::{Format, Playback, Source, Verification, Watch};
use crate::wire::rfc3339;
use anyhow::bail;
use serde::Serialize;
use std::sync::Arc;
use std::time::Instant;
use tidegate_core::{Level, Nanos, Top};

/// The one object that `--json` prints.
#[derive(Debug, Serialize)]
struct Report {
    frames: u64,
    events: u64,
    trades: u64,
    gaps: u64,
    resyncs: u64,
    decode_errors: u64,
    /// The first of what could not be read.
    unread: Vec<UnreadReport>,
    passed_over: u64,
    first_ts: Option<i64>,
    last_ts: Option<i64>,
    digest: String,
    verify: Option<VerifyReport>,
    elapsed_s: f64,
    events_per_s: f64,
    record: Option<RecordReport>,
}

#[derive(Debug, Serialize)]
struct VerifyReport {
    checked: u64,
    equal: u64,
    first_mismatch: Option<MismatchReport>,
}

#[derive(Debug, Serialize)]
struct MismatchReport {
    instrument: String,
    update_id: Option<u64>,
    book: String,
    /// What the venue says of it; nothing where only its checksum says that the book is another.
    ticker: Option<String>,
}

#[derive(Debug, Serialize)]
struct UnreadReport {
    path: String,
    line: u64,
    reason: String,
}

#[derive(Debug, Serialize)]
struct RecordReport {
    inputs: u64,
    bytes: u64,
    written_seq: u64,
    longest_write_interval_ms: u64,
}

/// Plays the paths and says what they come to.
///
/// # Errors
/// Where they cannot be read, hold no message, or (`--verify`) the book was not the venue's or nothing was compared.
pub fn run(options: &Replay, sources: &Sources) -> anyhow::Result<()> {
    let config = sources.load()?.config;
    let format = format(options.venue, &options.paths)?;
    let progress = progress_bar();
    let source = Source::open(format, &options.paths, &progress)?;
    let mut watch = Watch::default();
    if options.verify {
        watch.verify();
    }
    if let Some(path) = &options.tops {
        watch.write_tops(TopsTable::create(path)?);
    }
    if let Some(path) = &options.gaps {
        watch.write_gaps(GapsTable::create(path, &options.paths)?);
    }
    let mut playback =
        Playback::new(&config, source, options.record.as_deref(), watch, Arc::new(Directory::default()))?;
    let began = Instant::now();
    playback.play()?;
    progress.finish_and_clear();
    if playback.frames() + playback.decode_errors() == 0 {
        bail!("no message of {format:?} in {}: see tidegate replay --help for the formats", options.paths[0].display());
    }
    let report = report(playback, options, began)?;
    if options.json {
        say(&format!("{}\n", serde_json::to_string(&report)?))?;
    } else if !report.is_empty() {
        say(&summary(&report))?;
    }
    judge(&report, format)
}

/// Whether what was played is a success.
fn judge(report: &Report, format: Format) -> anyhow::Result<()> {
    if report.is_empty() {
        bail!("no message of {format:?} could be read: {}", unread(report, " ", "; "));
    }
    match &report.verify {
        Some(verify) if verify.equal < verify.checked => bail!("the book differs from what the venue says of it"),
        Some(VerifyReport { checked: 0, .. }) => bail!(
            "--verify has compared nothing: no ticker, checksum or packet states a book that could be shown at that point"
        ),
        _ => Ok(()),
    }
}

/// How much could not be read, and where and why the first of it.
fn unread(report: &Report, before: &str, between: &str) -> String {
    let first: Vec<String> =
        report.unread.iter().map(|UnreadReport { path, line, reason }| format!("{path}:{line}: {reason}")).collect();
    let what = if report.decode_errors == 1 { "message" } else { "messages" };
    format!("{} {what} could not be read, the first:{before}{}", report.decode_errors, first.join(between))
}

impl Report {
    /// True where there were messages, and none of them could be read.
    fn is_empty(&self) -> bool {
        self.events == 0 && self.gaps == 0 && self.decode_errors > 0
    }
}

fn report(playback: Playback, options: &Replay, began: Instant) -> anyhow::Result<Report> {
    let (frames, decode_errors, span) = (playback.frames(), playback.decode_errors(), playback.span());
    let passed_over = playback.passed_over();
    let unread = playback.unread().iter().map(|Unread { position, reason }| UnreadReport {
        path: options.paths.get(position.file).map_or_else(String::new, |path| path.display().to_string()),
        line: position.line,
        reason: reason.clone(),
    });
    let unread = unread.collect();
    let (engine, verification, record) = playback.finish()?;
    let elapsed_s = began.elapsed().as_secs_f64();
    let counters = engine.market().counters();
    Ok(Report {
        frames,
        events: counters.events,
        trades: counters.trades,
        gaps: counters.gaps,
        resyncs: counters.resyncs,
        decode_errors,
        unread,
        passed_over,
        first_ts: span.map(|(first, _)| first.raw()),
        last_ts: span.map(|(_, last)| last.raw()),
        digest: engine.market().digest().to_hex().to_string(),
        verify: options.verify.then(|| verify_report(verification)),
        elapsed_s,
        events_per_s: counters.events as f64 / elapsed_s,
        record: record.map(|record| RecordReport {
            inputs: record.inputs,
            bytes: record.bytes,
            written_seq: record.written_seq,
            longest_write_interval_ms: record.longest_write_interval_ms,
        }),
    })
}

fn verify_report(found: Verification) -> VerifyReport {
    VerifyReport {
        checked: found.checked,
        equal: found.equal,
        first_mismatch: found.first_mismatch.map(|Mismatch { instrument, update_id, book, ticker }| MismatchReport {
            instrument,
            update_id,
            book: show(&book),
            ticker: ticker.as_ref().map(show),
        }),
    }
}

fn show(top: &Top) -> String {
    let side =
        |level: Option<Level>| level.map_or("none".to_owned(), |level| format!("{} x {}", level.price, level.qty));
    format!("{} / {}", side(top.bid), side(top.ask))
}

fn summary(report: &Report) -> String {
    let time = |ns: Option<i64>| ns.map_or("-".to_owned(), |ns| rfc3339(Nanos::new(ns)));
    let mut lines = vec![
        format!("{} to {}", time(report.first_ts), time(report.last_ts)),
        format!(
            "{} frames, {} events, {} trades, {} gaps, {} resyncs, {} decode errors",
            report.frames, report.events, report.trades, report.gaps, report.resyncs, report.decode_errors
        ),
    ];
    if report.decode_errors > 0 {
        lines.push(unread(report, "\n  ", "\n  "));
    }
    if let Some(verify) = &report.verify {
        let VerifyReport { checked, equal, first_mismatch } = verify;
        lines.push(format!("book equals what the venue says of it at {equal} of {checked} points"));
        if let Some(MismatchReport { instrument, update_id, book, ticker }) = first_mismatch {
            let at = update_id.map_or_else(String::new, |update_id| format!(" at update id {update_id}"));
            let said =
                ticker.as_ref().map_or("its checksum says another".to_owned(), |it| format!("the venue says {it}"));
            lines.push(format!("first mismatch: {instrument}{at}: book {book}, {said}"));
        }
    }
    if let Some(record) = &report.record {
        let RecordReport { inputs, bytes, longest_write_interval_ms, .. } = record;
        lines.push(format!(
            "{inputs} inputs recorded in {bytes} bytes, {longest_write_interval_ms} ms at most between writes"
        ));
    }
    lines.push(format!("digest {}", report.digest));
    lines.push(format!("{:.2} s, {:.0} events/s", report.elapsed_s, report.events_per_s));
    lines.join("\n") + "\n"
}
