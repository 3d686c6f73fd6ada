//! `/metrics`: what Prometheus may know of a running engine, in the text format of OpenMetrics.
//!
//! A scrape asks the engine one question, as `get_status` does; what tools were called is counted on the way. No
//! label has more values than a constant here says, however many instruments there are.

mod sheet;

use crate::clock;
use crate::data_folder::VERSION;
use crate::engine::{EngineClient, FeedView, RecorderView, StatusView};
use crate::live::StagesView;
use crate::server::Facade;
use crate::tools::ENGINE_TIMEOUT;
use crate::wire::{FeedState, Run, feed_state};
use axum::extract::State;
use axum::http::StatusCode;
use axum::http::header::CONTENT_TYPE;
use axum::response::{IntoResponse, Response};
use prometheus_client::collector::Collector;
use prometheus_client::encoding::{DescriptorEncoder, text};
use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::family::Family;
use prometheus_client::metrics::histogram::Histogram;
use prometheus_client::registry::{Registry, Unit};
use sheet::Sheet;
use std::fmt;
use std::sync::Arc;
use std::time::Duration;
use tidegate_core::Nanos;
use tokio::time::timeout;

const OPEN_METRICS: &str = "application/openmetrics-text; version=1.0.0; charset=utf-8";
const PREFIX: &str = "tidegate";

/// Feeds with a series of their own; those beyond are in the sums alone.
const FEEDS_MAX: usize = 512;

/// Bounds of what a call may take, in seconds: from an answer off the board to one that times out.
const CALL_SECONDS: [f64; 12] = [0.000_1, 0.000_25, 0.000_5, 0.001, 0.002_5, 0.005, 0.01, 0.025, 0.1, 0.5, 1.0, 5.0];

/// What is counted while tools are called.
pub struct Metrics {
    registry: Registry,
    calls: Family<[(&'static str, &'static str); 2], Counter>,
    durations: Family<[(&'static str, &'static str); 1], Histogram>,
    started: Nanos,
}

impl Default for Metrics {
    fn default() -> Metrics {
        let calls = Family::default();
        let durations = Family::new_with_constructor((|| Histogram::new(CALL_SECONDS)) as fn() -> Histogram);
        let mut registry = Registry::with_prefix(PREFIX);
        registry.register("mcp_calls", "Calls of a tool, by how they were answered", calls.clone());
        let help = "Time from a call to its answer";
        registry.register_with_unit("mcp_call_duration", help, Unit::Seconds, durations.clone());
        Metrics { registry, calls, durations, started: clock::now() }
    }
}

impl Metrics {
    /// `tool` has been answered, or refused; the names come from closed lists.
    pub fn called(&self, tool: &'static str, is_refused: bool, took: Duration) {
        let outcome = if is_refused { "refused" } else { "ok" };
        self.calls.get_or_create(&[("tool", tool), ("outcome", outcome)]).inc();
        self.durations.get_or_create(&[("tool", tool)]).observe(took.as_secs_f64());
    }

    fn text(&self, shown: Shown) -> Result<String, fmt::Error> {
        let mut engine = Registry::with_prefix(PREFIX);
        engine.register_collector(Box::new(shown));
        let mut out = String::new();
        text::encode_registry(&mut out, &engine)?;
        text::encode_registry(&mut out, &self.registry)?;
        text::encode_eof(&mut out)?;
        Ok(out)
    }
}

/// Answers `GET /metrics`. An engine that does not answer is told as `tidegate_engine_up 0`.
pub async fn scrape(State(facade): State<Facade>) -> Response {
    let status = timeout(ENGINE_TIMEOUT, facade.engine.status()).await.ok().and_then(Result::ok);
    let shown = Shown::new(status, &facade.engine, &facade.run, facade.metrics.started);
    match facade.metrics.text(shown) {
        Ok(text) => ([(CONTENT_TYPE, OPEN_METRICS)], text).into_response(),
        Err(_) => StatusCode::INTERNAL_SERVER_ERROR.into_response(),
    }
}

/// What one scrape shows.
#[derive(Debug)]
struct Shown {
    status: Option<StatusView>,
    run: Arc<Run>,
    questions_waiting: usize,
    clock_steps: u64,
    clock_ahead: Nanos,
    started: Nanos,
}

impl Shown {
    fn new(status: Option<StatusView>, engine: &EngineClient, run: &Arc<Run>, started: Nanos) -> Shown {
        let (clock_steps, clock_ahead) = clock::steps();
        Shown { status, run: Arc::clone(run), questions_waiting: engine.waiting(), clock_steps, clock_ahead, started }
    }
}

impl Collector for Shown {
    fn encode(&self, encoder: DescriptorEncoder<'_>) -> fmt::Result {
        let mut sheet = Sheet::new(encoder);
        let run = [("run", self.run.name.as_str()), ("mode", self.run.mode.name()), ("data", self.run.data.name())];
        sheet.info("build", "The program", &[("version", VERSION)])?;
        sheet.info("run", "What an order would do, and what the prices are", &run)?;
        let started = sheet::seconds(self.started);
        sheet.measure("process_start_time", "When the program started, since 1970", Unit::Seconds, started)?;
        sheet.count("clock_steps", "Times that the system's clock was set, or the machine slept", self.clock_steps)?;
        let ahead = sheet::seconds(self.clock_ahead);
        sheet.measure(
            "clock_ahead",
            "How far the system's clock is behind since it was set back",
            Unit::Seconds,
            ahead,
        )?;
        sheet.gauge("engine_questions_waiting", "Questions of tools that wait", self.questions_waiting as u64)?;
        sheet.gauge("engine_up", "1 where the engine answers", u64::from(self.status.is_some()))?;
        let Some(status) = &self.status else { return Ok(()) };
        engine(&mut sheet, status)?;
        feeds(&mut sheet, &status.feeds, status.stamp.as_of)?;
        if let Some(recorder) = &status.recorder {
            recording(&mut sheet, recorder, status.stamp.seq)?;
        }
        status.stages.map_or(Ok(()), |stages| latencies(&mut sheet, &stages))
    }
}

fn engine(sheet: &mut Sheet<'_>, status: &StatusView) -> fmt::Result {
    sheet.gauge("engine_seq", "Number of the last input applied", status.stamp.seq)?;
    sheet.gauge("engine_playing", "0 where a tape stands still", u64::from(status.playing))?;
    sheet.count("events", "Market events applied", status.events)?;
    sheet.count("trades", "Trades among them", status.trades)?;
    sheet.count("gaps", "Times that data was missing", status.gaps)?;
    sheet.count("resyncs", "Snapshots that healed a gap", status.resyncs)?;
    sheet.count("decode_errors", "Messages that could not be read", status.decode_errors)?;
    sheet.count("unknown_symbols", "Messages about symbols that were not asked for", status.unknown_symbols)
}

fn feeds(sheet: &mut Sheet<'_>, feeds: &[FeedView], as_of: Nanos) -> fmt::Result {
    let states = [FeedState::Live, FeedState::Degraded, FeedState::Stale, FeedState::Syncing, FeedState::Gapped]
        .into_iter()
        .chain([FeedState::Closed]);
    let streams = states.flat_map(|state| {
        let of = |family, count| ([("family", family), ("state", state.name())], count);
        let books = feeds.iter().filter(|feed| FeedState::from(feed.book) == state).count();
        let trades = feeds.iter().filter(|feed| FeedState::from(feed.trades) == state).count();
        [of("book", books as u64), of("trades", trades as u64)]
    });
    sheet.gauges("streams", "Streams by state", streams)?;
    let each = feeds.iter().take(FEEDS_MAX).map(|feed| {
        let instrument = format!("{}@{}", feed.key, feed.source);
        ([("instrument", instrument)], feed_state(feed.book, feed.trades) as u64)
    });
    let help = "0 live, 1 degraded, 2 stale, 3 syncing, 4 gapped, 5 closed; of the first 512 feeds";
    sheet.gauges("feed_state", help, each)?;
    let unlisted = feeds.len().saturating_sub(FEEDS_MAX) as u64;
    sheet.gauge("feeds_unlisted", "Feeds without a series of their own", unlisted)?;
    let live = feeds.iter().filter(|feed| feed_state(feed.book, feed.trades) == FeedState::Live);
    let oldest = live.filter_map(|feed| feed.last_event).min().map_or(Nanos::ZERO, |event| as_of.since(event));
    let help = "Time since the last event of the live feed that is silent for longest; 0 where none is live";
    sheet.measure("feed_age_oldest", help, Unit::Seconds, sheet::seconds(oldest).max(0.0))
}

fn recording(sheet: &mut Sheet<'_>, recorder: &RecorderView, seq: u64) -> fmt::Result {
    sheet.gauge("recorder_written_seq", "Number of the last input written", recorder.written_seq)?;
    let lag = seq.saturating_sub(recorder.written_seq);
    sheet.gauge("recorder_lag_inputs", "Inputs that are applied and not written yet", lag)?;
    let longest = recorder.longest_write_interval_ms as f64 / 1_000.0;
    let help = "Longest time from an input to its being in the file";
    sheet.measure("recorder_write_interval_longest", help, Unit::Seconds, longest)?;
    sheet.count("recorder_full", "Times that inputs were left out of the recording", recorder.full)
}

fn latencies(sheet: &mut Sheet<'_>, stages: &StagesView) -> fmt::Result {
    let all = [("queued", stages.queued), ("applied", stages.applied), ("answered", stages.answered)];
    let runs = all.map(|(stage, spread)| ([("stage", stage)], spread.count));
    sheet.counts("engine_stage_runs", "How often a stage of the engine's thread was run", runs)?;
    let micros = all.into_iter().flat_map(|(stage, spread)| {
        let of = |quantile, us: u64| ([("stage", stage), ("quantile", quantile)], us as f64 / 1_000_000.0);
        [of("0.5", spread.p50_us), of("0.99", spread.p99_us), of("1", spread.max_us)]
    });
    let help = "Time in a stage of the engine's thread since the start: waiting, applying, answering";
    sheet.measures("engine_stage", help, Unit::Seconds, micros)
}

#[cfg(test)]
#[path = "metrics_tests.rs"]
mod tests;
