//! What a scrape says, and that it stays small.

use super::*;
use crate::engine::{self, Stamp};
use crate::live::Spread;
use crate::wire::{Data, Mode};
use tidegate_core::StreamState;

fn feed(number: usize, book: StreamState, last_event: i64) -> FeedView {
    FeedView {
        key: format!("X:{number:04}"),
        source: "SIM\"".to_owned(),
        book,
        trades: StreamState::Live,
        last_event: Some(Nanos::new(last_event)),
    }
}

fn status(feeds: Vec<FeedView>) -> StatusView {
    let spread = Spread { count: 3, p50_us: 1, p99_us: 20, max_us: 3_000_000 };
    StatusView {
        stamp: Stamp { seq: 100, as_of: Nanos::new(5_500_000_000) },
        playing: true,
        feeds,
        events: 70,
        trades: 20,
        gaps: 3,
        resyncs: 2,
        decode_errors: 1,
        unknown_symbols: 4,
        recorder: Some(RecorderView { written_seq: 90, longest_write_interval_ms: 62, full: 1 }),
        stages: Some(StagesView { queued: spread, applied: spread, answered: spread }),
    }
}

fn scraped(status: Option<StatusView>) -> String {
    let metrics = Metrics::default();
    metrics.called("get_depth", false, Duration::from_micros(300));
    metrics.called("get_depth", true, Duration::from_millis(3));
    let (client, _questions) = engine::questions(4);
    let run = Arc::new(Run { name: "monday".to_owned(), mode: Mode::Paper, data: Data::Simulated });
    metrics.text(Shown::new(status, &client, &run, Nanos::SECOND)).unwrap()
}

#[test]
fn everything_is_told_in_base_units() {
    let text = scraped(Some(status(vec![feed(1, StreamState::Live, 3_000_000_000), feed(2, StreamState::Stale, 0)])));
    for line in [
        "# TYPE tidegate_events counter",
        "tidegate_events_total 70",
        "tidegate_trades_total 20",
        "tidegate_gaps_total 3",
        "tidegate_resyncs_total 2",
        "tidegate_decode_errors_total 1",
        "tidegate_unknown_symbols_total 4",
        "tidegate_streams{family=\"book\",state=\"live\"} 1",
        "tidegate_streams{family=\"book\",state=\"stale\"} 1",
        "tidegate_streams{family=\"trades\",state=\"live\"} 2",
        "tidegate_streams{family=\"trades\",state=\"closed\"} 0",
        "tidegate_feed_state{instrument=\"X:0002@SIM\\\"\"} 2",
        "tidegate_feed_age_oldest_seconds 2.5",
        "tidegate_recorder_lag_inputs 10",
        "tidegate_recorder_write_interval_longest_seconds 0.062",
        "tidegate_recorder_full_total 1",
        "tidegate_engine_stage_seconds{stage=\"applied\",quantile=\"0.99\"} 0.00002",
        "tidegate_engine_stage_seconds{stage=\"queued\",quantile=\"1\"} 3.0",
        "tidegate_engine_stage_runs_total{stage=\"answered\"} 3",
        "tidegate_run_info{run=\"monday\",mode=\"PAPER\",data=\"SIMULATED\"} 1",
        "tidegate_process_start_time_seconds 1.0",
        "tidegate_mcp_calls_total{tool=\"get_depth\",outcome=\"refused\"} 1",
        "tidegate_mcp_call_duration_seconds_bucket{le=\"0.0005\",tool=\"get_depth\"} 1",
        "tidegate_mcp_call_duration_seconds_count{tool=\"get_depth\"} 2",
    ] {
        assert!(text.lines().any(|it| it == line), "{line} is missing from:\n{text}");
    }
    assert!(text.ends_with("# EOF\n"), "{text}");
}

#[test]
fn many_instruments_do_not_make_many_series() {
    let feeds = |count| (0..count).map(|number| feed(number, StreamState::Live, 0)).collect();
    let (many, more) = (scraped(Some(status(feeds(FEEDS_MAX)))), scraped(Some(status(feeds(8 * FEEDS_MAX)))));
    assert_eq!(many.lines().count(), more.lines().count());
    assert!(more.contains(&format!("tidegate_feeds_unlisted {}\n", 7 * FEEDS_MAX)), "{more}");
    assert!(
        more.contains(&format!("tidegate_streams{{family=\"book\",state=\"live\"}} {}\n", 8 * FEEDS_MAX)),
        "{more}"
    );
}

#[test]
fn an_engine_that_does_not_answer_is_told() {
    let text = scraped(None);
    assert!(text.contains("tidegate_engine_up 0\n") && text.contains("tidegate_mcp_calls_total"), "{text}");
    assert!(!text.contains("tidegate_events"), "{text}");
}
