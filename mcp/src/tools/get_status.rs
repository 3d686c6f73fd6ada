//! `get_status`: what runs here, and how healthy it is.

use super::Answer;
use super::arguments::Arguments;
use super::find_instruments::MATCHES_MAX;
use super::get_bars::BARS_MAX;
use super::get_depth::LEVELS_MAX;
use super::get_quotes::{INSTRUMENTS_MAX, TRADE_ROWS_MAX};
use super::schema::output_schema;
use crate::clock;
use crate::data_folder::{COMMIT, VERSION};
use crate::engine::{FeedView, StatusView};
use crate::history::HistoryReader;
use crate::server::Facade;
use crate::tape_time;
use crate::wire::{Envelope, FeedState, Mode, Refusal, Run, age_ms, feed_state, rfc3339};
use schemars::JsonSchema;
use serde::Serialize;
use serde_json::{Value, json};
use std::cmp::Reverse;
use std::collections::BTreeSet;
use std::time::Duration;
use tidegate_core::Nanos;
use tidegate_feeds::sessions::{Ending, Sessions};
use tidegate_feeds::sim::SOURCE as SIMULATED;
use tidegate_history::store::Extent;

// An answer must not grow with the number of instruments; the worst come first, so none that needs
// attention is left out before one that does not.
const FEEDS_SHOWN_MAX: usize = 15;
// Lines about connections, likewise.
const TROUBLES_SHOWN_MAX: usize = 5;
const TROUBLE_CHARS_MAX: usize = 240;

/// The status as answered.
#[derive(Debug, Serialize, JsonSchema)]
struct Status {
    // Name of the run.
    run: String,
    version: &'static str,
    commit: &'static str,
    // The system's clock, which is not as_of in a replay.
    clock: String,
    // What a person should look at first; empty where nothing is.
    warnings: Vec<String>,
    // Since the facade answers.
    uptime_s: u64,
    // False where a tape stands still.
    playing: bool,
    feeds_total: usize,
    feeds_live: usize,
    // So many feeds at most, those in a bad state first.
    feeds: Vec<Feed>,
    // Market data events applied.
    events: u64,
    trades: u64,
    // Times that data was missing.
    gaps: u64,
    // Times that a new snapshot healed a gap.
    resyncs: u64,
    // Messages not understood.
    decode_errors: u64,
    // Messages about symbols that were not asked for.
    unknown_symbols: u64,
    // The recorder; null where nothing is recorded.
    recorder: Option<Recorder>,
    // What queries see of it; null where there is no store.
    history: Option<History>,
    // Of waiting, applying, answering; null in a replay.
    latency_p99_us: Option<Vec<u64>>,
    limits: Limits,
}

/// The most that one call may ask for.
#[derive(Debug, Serialize, JsonSchema)]
struct Limits {
    bars: usize,
    instruments: usize,
    levels: usize,
    trades: usize,
    matches: usize,
}

const LIMITS: Limits = Limits {
    bars: BARS_MAX,
    instruments: INSTRUMENTS_MAX,
    levels: LEVELS_MAX,
    trades: TRADE_ROWS_MAX,
    matches: MATCHES_MAX,
};

#[derive(Debug, Serialize, JsonSchema)]
struct Feed {
    // Key with its source.
    instrument: String,
    book_state: FeedState,
    trades_state: FeedState,
    // The book's, or where there is none, as of an index, the trades'.
    #[serde(skip)]
    state: FeedState,
    // as_of minus the last event of the book; without one, of the trades.
    age_ms: Option<u64>,
}

#[derive(Debug, Serialize, JsonSchema)]
struct Recorder {
    // The last seq on disk.
    written_seq: u64,
    // Longest time between two writes.
    longest_write_interval_ms: u64,
}

#[derive(Debug, Serialize, JsonSchema)]
struct History {
    // The last seq that queries see.
    seen_seq: u64,
    stored_rows: u64,
    rows_in_memory: u64,
    whole_days: usize,
    // Why nothing more is put into tables; null while something is.
    stopped: Option<String>,
}

impl History {
    fn of(reader: &HistoryReader) -> History {
        let Extent { seen, stored_rows, hot_rows, days } = reader.extent();
        let stopped = reader.failure();
        History { seen_seq: seen, stored_rows, rows_in_memory: hot_rows, whole_days: days, stopped }
    }
}

pub(super) fn definition() -> (&'static str, &'static str, Value, Value) {
    let input = json!({ "type": "object", "properties": {}, "additionalProperties": false });
    let description = "What runs here: mode, clock, version, limits of a call, counters of gaps and errors, and the feeds, the \
                       worst first. Call it first, and when another answer is not live.";
    ("Status", description, input, output_schema::<Status>("run"))
}

pub(super) async fn call(facade: &Facade, arguments: Arguments) -> Result<Answer, Refusal> {
    arguments.only(&[])?;
    let view = facade.ask(facade.engine.status()).await?;
    let history = facade.history.as_ref().map(History::of);
    let warnings = [
        wrong_time(&facade.run, view.stamp.as_of, clock::now(), clock::steps().1).into_iter().collect(),
        shown_troubles(facade.troubles.lines()),
        unknown_symbols(&view).into_iter().collect(),
        hours_ending(&facade.sessions, &view),
    ]
    .concat();
    let status = Status { history, warnings, ..status(&facade.run, &view, facade.started.elapsed()) };
    Ok(Answer::new(&envelope(&facade.run, &view), &status, &text(&status)))
}

/// How many messages were about symbols that nobody asked for.
fn unknown_symbols(view: &StatusView) -> Option<String> {
    let count = view.unknown_symbols;
    (count > 0).then(|| format!("{count} messages about symbols that were not asked for"))
}

/// The first few lines, cut to a length at which they still say what and why.
fn shown_troubles(lines: Vec<String>) -> Vec<String> {
    let more = lines.len().saturating_sub(TROUBLES_SHOWN_MAX);
    let shown = lines.into_iter().take(TROUBLES_SHOWN_MAX);
    let shown = shown.map(|line| line.chars().take(TROUBLE_CHARS_MAX).collect());
    shown.chain((more > 0).then(|| format!("and {more} more: see the log"))).collect()
}

/// The envelope of an answer about everything: the worst feed's state and the latest event's age.
pub(super) fn envelope(run: &Run, view: &StatusView) -> Envelope {
    Envelope {
        age_ms: age_ms(view.stamp.as_of, view.feeds.iter().filter_map(|feed| feed.last_event).max()),
        feed_state: view.feeds.iter().map(|feed| feed_state(feed.book, feed.trades)).max(),
        ..Envelope::at(run, &view.stamp)
    }
}

fn status(run: &Run, view: &StatusView, uptime: Duration) -> Status {
    let mut feeds: Vec<Feed> = view.feeds.iter().map(|view_of| feed(view_of, view.stamp.as_of)).collect();
    feeds.sort_by(|a, b| {
        let worst = |feed: &Feed| Reverse(feed.state.max(feed.trades_state));
        worst(a).cmp(&worst(b)).then_with(|| a.instrument.cmp(&b.instrument))
    });
    Status {
        run: run.name.clone(),
        version: VERSION,
        commit: COMMIT,
        clock: rfc3339(clock::now()),
        warnings: Vec::new(),
        uptime_s: uptime.as_secs(),
        playing: view.playing,
        feeds_total: feeds.len(),
        feeds_live: feeds.iter().filter(|feed| feed.state == FeedState::Live).count(),
        feeds: feeds.into_iter().take(FEEDS_SHOWN_MAX).collect(),
        events: view.events,
        trades: view.trades,
        gaps: view.gaps,
        resyncs: view.resyncs,
        decode_errors: view.decode_errors,
        unknown_symbols: view.unknown_symbols,
        recorder: view.recorder.as_ref().map(|recorder| Recorder {
            written_seq: recorder.written_seq,
            longest_write_interval_ms: recorder.longest_write_interval_ms,
        }),
        history: None,
        latency_p99_us: view
            .stages
            .map(|stages| [stages.queued, stages.applied, stages.answered].map(|stage| stage.p99_us).to_vec()),
        limits: LIMITS,
    }
}

/// Trading hours of connected markets that soon are not known any more.
fn hours_ending(sessions: &Sessions, view: &StatusView) -> Vec<String> {
    let market = |feed: &FeedView| feed.key.split_once(':').map(|(market, _)| market.to_owned());
    let real: BTreeSet<String> = view.feeds.iter().filter(|feed| feed.source != SIMULATED).filter_map(market).collect();
    let ending = sessions.ending(view.stamp.as_of).into_iter().filter(|ending| real.contains(&ending.market));
    ending.map(|Ending { market, last, .. }| format!("trading hours of {market} are known to {last}")).collect()
}

/// Where our time is `now`, which is so far `ahead` of the system's. The time of a replay is its own.
fn wrong_time(run: &Run, as_of: Nanos, now: Nanos, ahead: Nanos) -> Option<String> {
    let of_time = tape_time::warning(as_of, now).or_else(|| tape_time::lead(ahead));
    of_time.filter(|_| run.mode != Mode::Replay)
}

fn feed(view: &FeedView, as_of: Nanos) -> Feed {
    Feed {
        instrument: format!("{}@{}", view.key, view.source),
        book_state: view.book.into(),
        trades_state: view.trades.into(),
        state: feed_state(view.book, view.trades),
        age_ms: age_ms(as_of, view.last_event),
    }
}

fn text(status: &Status) -> String {
    let tape = if status.playing { "playing" } else { "standing still" };
    let mut lines = vec![format!(
        "run {} ({tape}), tidegate {} ({}), up {} s, clock {}: {} of {} feeds live; {} events, {} trades, {} gaps, {} resyncs, \
         {} decode errors",
        status.run,
        status.version,
        status.commit,
        status.uptime_s,
        status.clock,
        status.feeds_live,
        status.feeds_total,
        status.events,
        status.trades,
        status.gaps,
        status.resyncs,
        status.decode_errors
    )];
    lines.extend(status.warnings.iter().map(|warning| format!("WARNING: {warning}")));
    lines.push(status.recorder.as_ref().map_or_else(
        || "recorder: off".to_owned(),
        |recorder| {
            let (seq, ms) = (recorder.written_seq, recorder.longest_write_interval_ms);
            format!("recorder: seq {seq} on disk, longest time between writes {ms} ms")
        },
    ));
    lines.extend(status.history.as_ref().map(|history| {
        let History { seen_seq, stored_rows, rows_in_memory, whole_days, stopped } = history;
        let stopped = stopped.as_ref().map_or_else(String::new, |why| format!("; STOPPED: {why}"));
        format!(
            "history: up to seq {seen_seq}, {stored_rows} rows of events in files, {rows_in_memory} in memory, {whole_days} whole \
             days{stopped}"
        )
    }));
    lines.extend(
        status.latency_p99_us.as_ref().map(|stages| format!("p99 of waiting, applying, answering: {stages:?} us")),
    );
    let Limits { bars, instruments, levels, trades, matches } = status.limits;
    lines.push(format!(
        "limits of a call: {bars} bars, {instruments} instruments, {levels} levels, {trades} trades, {matches} matches"
    ));
    lines.extend(status.feeds.iter().map(|feed| {
        let age = feed.age_ms.map_or_else(|| "no event yet".to_owned(), |age| format!("age {age} ms"));
        format!("{}: book {}, trades {}, {age}", feed.instrument, feed.book_state.name(), feed.trades_state.name())
    }));
    if status.feeds_total > status.feeds.len() {
        lines.push(format!("and {} more feeds in no worse state", status.feeds_total - status.feeds.len()));
    }
    lines.join("\n")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::engine::Stamp;
    use crate::wire::{Data, Mode};
    use tidegate_core::StreamState;

    fn feed(key: &str, book: StreamState, last_event: Option<i64>) -> FeedView {
        FeedView {
            key: key.to_owned(),
            source: "BINANCE".to_owned(),
            book,
            trades: StreamState::Live,
            last_event: last_event.map(Nanos::new),
        }
    }

    fn view(feeds: Vec<FeedView>) -> StatusView {
        StatusView {
            stamp: Stamp { seq: 5, as_of: Nanos::new(3_000_000_000) },
            playing: false,
            feeds,
            events: 10,
            trades: 2,
            gaps: 1,
            resyncs: 1,
            decode_errors: 0,
            unknown_symbols: 0,
            recorder: None,
            stages: None,
        }
    }

    fn run() -> Run {
        Run { name: "monday".to_owned(), mode: Mode::Replay, data: Data::Recorded }
    }

    #[test]
    fn feeds_that_need_attention_come_first_and_the_list_is_bounded() {
        let mut feeds: Vec<FeedView> =
            (0..99).map(|n| feed(&format!("X:{n:02}"), StreamState::Live, Some(0))).collect();
        feeds.push(feed("X:ZZ", StreamState::Stale, None));
        let view = view(feeds);
        let status = status(&run(), &view, Duration::from_secs(7));
        assert_eq!((status.feeds_total, status.feeds_live, status.feeds.len()), (100, 99, FEEDS_SHOWN_MAX));
        assert_eq!(status.feeds[0].instrument, "X:ZZ@BINANCE");
        assert_eq!(status.feeds[1].instrument, "X:00@BINANCE");
        let text = text(&status);
        assert!(text.contains("X:ZZ@BINANCE: book stale, trades live, no event yet"), "{text}");
        assert!(text.ends_with("and 85 more feeds in no worse state"), "{text}");
        assert_eq!(envelope(&run(), &view).feed_state, Some(FeedState::Stale));
    }

    #[test]
    fn hours_that_run_out_are_noticed_for_connected_markets_alone() {
        let sessions = Sessions::built_in().unwrap();
        let noticed = |source: &str, at: i64| {
            let mut view =
                view(vec![FeedView { source: source.to_owned(), ..feed("NSE:INFY", StreamState::Live, None) }]);
            view.stamp.as_of = Nanos::new(at * Nanos::SECOND.raw());
            hours_ending(&sessions, &view)
        };
        // 2026-10-01 and 2026-12-01.
        assert_eq!(noticed("KITE", 1_790_812_800), [""; 0]);
        assert_eq!(noticed("KITE", 1_796_083_200), ["trading hours of NSE are known to 2026-12-31"]);
        assert_eq!(noticed(SIMULATED, 1_796_083_200), [""; 0]);
    }

    #[test]
    fn a_few_troubles_are_shown_and_the_others_counted() {
        assert!(shown_troubles(Vec::new()).is_empty());
        let shown = shown_troubles(vec!["x".repeat(1_000); 7]);
        assert_eq!((shown.len(), shown[0].len()), (TROUBLES_SHOWN_MAX + 1, TROUBLE_CHARS_MAX));
        assert_eq!(shown[TROUBLES_SHOWN_MAX], "and 2 more: see the log");
        let view = StatusView { unknown_symbols: 3, ..view(Vec::new()) };
        assert_eq!(unknown_symbols(&view).as_deref(), Some("3 messages about symbols that were not asked for"));
    }

    #[test]
    fn a_recording_ahead_of_the_clock_is_told_first() {
        let [hour, now] = [Nanos::new(3_600 * Nanos::SECOND.raw()), Nanos::SECOND];
        let live = Run { name: "x".to_owned(), mode: Mode::Paper, data: Data::Real };
        assert_eq!(wrong_time(&live, now, now, Nanos::ZERO), None);
        assert!(
            wrong_time(&live, hour, now, Nanos::ZERO).unwrap().contains("the recording ends 3599 s AHEAD OF THE CLOCK")
        );
        assert!(wrong_time(&live, hour, hour, hour).unwrap().contains("time is 3600 s AHEAD OF THE CLOCK"));
        assert_eq!(wrong_time(&run(), hour, now, Nanos::ZERO), None, "a replay has its own time");
        let said = Status { warnings: vec!["look".to_owned()], ..status(&live, &view(Vec::new()), Duration::ZERO) };
        assert_eq!(text(&said).lines().nth(1), Some("WARNING: look"));
    }

    #[test]
    fn a_run_without_feeds_has_no_state_and_no_age() {
        let envelope = envelope(&run(), &view(Vec::new()));
        assert_eq!((envelope.age_ms, envelope.feed_state, envelope.seq), (None, None, Some(5)));
    }
}
