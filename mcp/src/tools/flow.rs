//! The block `flow` of `analyze_liquidity`: what book and trades tell, event by event, since somebody first asked.
//!
//! What the measures mean stands with [`tidegate_core::microstructure`]. Values are in units of currency and quantity,
//! rounded to six digits, and null until there were as many events as they look back on: 100 changes of the book for the
//! order flow, 1,000 for the means over events; 500 trades for Roll's, the effective and the realized spread and the signs;
//! 101 bars of 20 trades for Kyle's lambda and Amihud; 50 buckets of volume for VPIN.

use crate::wire::{object, plain, qty_text, rfc3339};
use schemars::JsonSchema;
use serde::Serialize;
use serde_json::{Map, Value, json};
use tidegate_core::meter::FIRST_TRADES;
use tidegate_core::{BucketOf, FlowReport, Instrument};

/// Digits of a value: these are estimates.
const DIGITS: usize = 6;
/// Values that the answer tells already, in exact decimals.
const TOLD: [&str; 6] = ["mid", "spread", "spread_bps", "microprice", "imbalance", "depth_imbalance"];
/// Means since the beginning, beside those of late an answer has no room for them.
const LONG: &str = "_over_time";

/// The flow as answered.
#[derive(Debug, Serialize, JsonSchema)]
pub(super) struct Flow {
    // Counted from here on, to the second.
    since: String,
    // Changes of the best five levels of a side.
    book_changes: u64,
    trades: u64,
    // Trades whose side the venue does not tell.
    guessed_sides: u64,
    // Gaps, and times at which the book was not live.
    interruptions: u64,
    vpin_bucket: Option<String>,
    // Of whose volume it is a fiftieth.
    vpin_bucket_of: String,
    values: Map<String, Value>,
}

impl Flow {
    pub(super) fn new(report: &FlowReport, instrument: &Instrument) -> Flow {
        let shown_here = report.values.iter().filter(|(name, _)| !TOLD.contains(name) && !name.ends_with(LONG));
        Flow {
            since: format!("{}Z", &rfc3339(report.since)[..19]),
            book_changes: report.book_changes,
            trades: report.trades,
            guessed_sides: report.guessed_sides,
            interruptions: report.interruptions,
            vpin_bucket: report.bucket.map(|bucket| qty_text(bucket, instrument)),
            vpin_bucket_of: match report.bucket_of {
                BucketOf::Day(start) => format!("1/50 of day {}", &rfc3339(start)[..10]),
                BucketOf::FirstTrades => format!("1/50 of first {FIRST_TRADES} trades"),
            },
            values: shown_here.map(|&(name, value)| (name.to_owned(), shown(value))).collect(),
        }
    }

    /// A line that says what is counted, and one of the values.
    pub(super) fn lines(&self) -> [String; 2] {
        let mut counts = object(self);
        counts.retain(|name, value| name != "values" && !value.is_null());
        let (known, unknown): (Vec<_>, Vec<_>) = self.values.iter().partition(|(_, value)| !value.is_null());
        let mut values: Vec<String> = known.iter().map(|(name, value)| format!("{name} {}", plain(value))).collect();
        let unknown: Vec<&str> = unknown.iter().map(|(name, _)| name.as_str()).collect();
        if !unknown.is_empty() {
            values.push(format!("not defined yet: {}", unknown.join(" ")));
        }
        let counts: Vec<String> = counts.iter().map(|(name, value)| format!("{name} {}", plain(value))).collect();
        [format!("flow: {}", counts.join(", ")), values.join(", ")]
    }
}

fn shown(value: Option<f64>) -> Value {
    let rounded = value.map(|value| format!("{value:.*e}", DIGITS - 1).parse().unwrap_or(value));
    match rounded {
        Some(whole) if whole.fract() == 0.0 && whole.abs() < 1e15 => json!(whole as i64),
        rounded => json!(rounded),
    }
}
