//! What answers look like on the wire, and how the engine's integers become their text.
//!
//! Core types are not serialisable by design: the tool schemas can stay still while they change.

use crate::engine::Stamp;
use rust_decimal::{Decimal, RoundingStrategy};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};
use tidegate_core::{Instrument, Level, Nanos, Notional, Price, Qty, Side, StreamState};

/// What an order would do.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "UPPERCASE")]
pub enum Mode {
    /// Reach a real venue.
    Live,
    /// Be filled by a model against the current market.
    Paper,
    /// Be filled by a model against the past.
    Replay,
}

impl Mode {
    /// The name that answers and endpoint files carry.
    pub const fn name(self) -> &'static str {
        match self {
            Mode::Live => "LIVE",
            Mode::Paper => "PAPER",
            Mode::Replay => "REPLAY",
        }
    }
}

/// What the prices are.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "UPPERCASE")]
pub enum Data {
    /// A real market's, now.
    Real,
    /// Invented by the simulated exchange.
    Simulated,
    /// A real market's, as it was recorded.
    Recorded,
}

impl Data {
    /// The name that answers carry.
    pub const fn name(self) -> &'static str {
        match self {
            Data::Real => "REAL",
            Data::Simulated => "SIMULATED",
            Data::Recorded => "RECORDED",
        }
    }
}

/// State of a stream, in the words of the engine; only `live` may be acted on.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum FeedState {
    // Ordered from good to bad, so that the worst of several is their maximum.
    /// Complete and current.
    Live,
    /// Current, with something missing that the engine can name.
    Degraded,
    /// Silent for longer than allowed.
    Stale,
    /// Waiting for a snapshot.
    Syncing,
    /// Something was missed.
    Gapped,
    /// Ended.
    Closed,
}

impl FeedState {
    /// The name that answers carry.
    pub const fn name(self) -> &'static str {
        match self {
            FeedState::Live => "live",
            FeedState::Degraded => "degraded",
            FeedState::Stale => "stale",
            FeedState::Syncing => "syncing",
            FeedState::Gapped => "gapped",
            FeedState::Closed => "closed",
        }
    }
}

impl From<StreamState> for FeedState {
    fn from(state: StreamState) -> FeedState {
        match state {
            StreamState::Live => FeedState::Live,
            StreamState::Degraded => FeedState::Degraded,
            StreamState::Stale => FeedState::Stale,
            StreamState::Syncing => FeedState::Syncing,
            StreamState::Gapped => FeedState::Gapped,
            StreamState::Closed => FeedState::Closed,
        }
    }
}

/// The state of what is shown of an instrument: its book's, or where it has none, as an index, its trades'.
pub fn feed_state(book: StreamState, trades: StreamState) -> FeedState {
    if book == StreamState::Closed { trades.into() } else { book.into() }
}

/// The run that this process serves: fixed for its life, and stated by every answer.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Run {
    /// Name of the run, such as the replay's.
    pub name: String,
    /// What an order would do.
    pub mode: Mode,
    /// What the prices are.
    pub data: Data,
}

/// What every answer and every refusal carries, so that none can be mistaken for another.
#[derive(Clone, Debug, Serialize, JsonSchema)]
pub struct Envelope {
    /// What an order would do.
    pub mode: Mode,
    /// What the prices are.
    pub data: Data,
    /// Time of the market state behind the answer: the tape's, never the wall clock. RFC 3339, UTC.
    pub as_of: Option<String>,
    /// Sequence number of the last input applied.
    pub seq: Option<u64>,
    /// as_of minus the last event of what was asked for (of several: the oldest).
    pub age_ms: Option<u64>,
    /// State of the feed (of several: the worst).
    pub feed_state: Option<FeedState>,
}

impl Envelope {
    /// The envelope of an answer given at `stamp`.
    pub fn at(run: &Run, stamp: &Stamp) -> Envelope {
        Envelope { as_of: Some(rfc3339(stamp.as_of)), seq: Some(stamp.seq), ..Envelope::unknown(run) }
    }

    /// The envelope of a refusal for which the engine could not even be asked for the time.
    pub fn unknown(run: &Run) -> Envelope {
        Envelope { mode: run.mode, data: run.data, as_of: None, seq: None, age_ms: None, feed_state: None }
    }

    /// One line for the text of an answer.
    pub fn line(&self) -> String {
        let mut line = format!("[{} {}", self.mode.name(), self.data.name());
        match (&self.as_of, self.seq) {
            (Some(as_of), Some(seq)) => line.push_str(&format!(", as of {as_of}, seq {seq}")),
            _ => line.push_str(", engine not reached"),
        }
        if let Some(state) = self.feed_state {
            line.push_str(&format!(", feed {}", state.name()));
        }
        if let Some(age) = self.age_ms {
            line.push_str(&format!(", age {age} ms"));
        }
        line.push(']');
        line
    }
}

/// Why a call was not answered: complete in the text as well as in the structured content, because
/// clients forward one or the other.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Refusal {
    /// Stable name of the reason.
    pub code: &'static str,
    /// One sentence that names the field and the fix.
    pub message: String,
    /// The argument at fault, such as `instruments[2]`.
    pub field: Option<String>,
    /// What was given there, cut to a readable length.
    pub got: Option<String>,
    /// What would be accepted.
    pub allowed: Option<String>,
    /// The accepted value nearest to what was given.
    pub nearest: Option<Value>,
    /// True where the same call may succeed in a moment; false where something has to change first.
    pub retryable: bool,
}

impl Refusal {
    /// Its fields on the wire; every refusal has the first.
    pub const FIELDS: [&'static str; 7] = ["code", "message", "field", "got", "allowed", "nearest", "retryable"];

    /// The refusal's text for a reader that sees no structured content.
    pub fn text(&self, envelope: &Envelope) -> String {
        let mut text = format!("{}: {}", self.code, self.message);
        for (label, value) in [("field", &self.field), ("got", &self.got), ("allowed", &self.allowed)] {
            if let Some(value) = value {
                text.push_str(&format!("\n{label}: {value}"));
            }
        }
        if let Some(nearest) = &self.nearest {
            text.push_str(&format!("\nnearest: {}", plain(nearest)));
        }
        let retry = match (self.retryable, &self.field) {
            (true, _) => "yes, the same call may work in a moment",
            (false, Some(_)) => "no, change the call first",
            (false, None) => "no",
        };
        text.push_str(&format!("\nretryable: {retry}\n{}", envelope.line()));
        text
    }

    /// The refusal's fields beside those of the envelope.
    pub fn structured(&self, envelope: &Envelope) -> Value {
        let mut fields = object(envelope);
        fields.append(&mut object(self));
        Value::Object(fields)
    }
}

/// A value as JSON fields. Wire structs are plain: what is not an object would be a bug in this
/// crate, and shows as an empty answer in its tests.
pub fn object(value: &impl Serialize) -> Map<String, Value> {
    match serde_json::to_value(value) {
        Ok(Value::Object(fields)) => fields,
        _ => Map::new(),
    }
}

/// A JSON value as a person writes it: strings without quotes.
pub fn plain(value: &Value) -> String {
    value.as_str().map_or_else(|| value.to_string(), str::to_owned)
}

/// The aggressor's side as traders say it.
pub fn aggressor(side: Side) -> &'static str {
    match side {
        Side::Bid => "buy",
        Side::Ask => "sell",
    }
}

/// A raw value of `scale` decimals as a decimal number: exact, since 18 digits always fit.
pub fn to_decimal(raw: i64, scale: u8) -> Decimal {
    Decimal::new(raw, u32::from(scale))
}

/// A price with at least the tick's decimals (the wire's where no tick is known) and all of its own.
pub fn price_text(price: Price, instrument: &Instrument) -> String {
    let on_wire = u32::from(instrument.price_decimals);
    let decimals = instrument.tick.map_or(on_wire, |tick| to_decimal(tick.raw(), Price::SCALE).normalize().scale());
    decimal_text(to_decimal(price.raw(), Price::SCALE), decimals)
}

/// A quantity with at least the lot's decimals (the wire's where no lot is known) and all of its own.
pub fn qty_text(qty: Qty, instrument: &Instrument) -> String {
    let on_wire = u32::from(instrument.qty_decimals);
    let decimals = instrument.lot.map_or(on_wire, |lot| to_decimal(lot.raw(), Qty::SCALE).normalize().scale());
    decimal_text(to_decimal(qty.raw(), Qty::SCALE), decimals)
}

/// A sum of quantities, written as [`qty_text`] writes one.
pub fn volume_text(volume: i128, instrument: &Instrument) -> String {
    let lot = instrument.lot.map(|lot| to_decimal(lot.raw(), Qty::SCALE).normalize().scale());
    let decimals = lot.unwrap_or(u32::from(instrument.qty_decimals));
    // Beyond 28 digits, which no market trades.
    let volume = Decimal::try_from_i128_with_scale(volume, u32::from(Qty::SCALE)).unwrap_or(Decimal::MAX);
    decimal_text(volume, decimals)
}

/// What `qty` at `price` is worth, with its currency, rounded away from zero to eight decimals; `None`
/// where the contract's facts are unknown.
pub fn worth_text(price: Price, qty: Qty, instrument: &Instrument) -> Option<String> {
    let worth = instrument.notional(price, qty)?;
    let worth = Decimal::try_from_i128_with_scale(worth.raw(), u32::from(Notional::SCALE)).ok()?;
    let worth = worth.round_dp_with_strategy(8, RoundingStrategy::AwayFromZero).normalize();
    Some(format!("{worth} {}", instrument.settlement_currency()))
}

/// A level as the row `[price, qty]`.
pub fn row(level: &Level, instrument: &Instrument) -> [String; 2] {
    [price_text(level.price, instrument), qty_text(level.qty, instrument)]
}

/// A decimal with at least so many `decimals` and all of its own. Venues pad to eight whatever the tick; those zeros
/// are a third of a book's tokens.
pub fn decimal_text(value: Decimal, decimals: u32) -> String {
    let mut value = value.normalize();
    if value.scale() < decimals {
        value.rescale(decimals);
    }
    value.to_string()
}

/// Milliseconds from an instrument's last event to `as_of`, in the tape's own time.
pub fn age_ms(as_of: Nanos, last_event: Option<Nanos>) -> Option<u64> {
    last_event.map(|last| u64::try_from(as_of.raw().saturating_sub(last.raw()) / 1_000_000).unwrap_or(0))
}

/// An instant as RFC 3339 in UTC with nanoseconds.
pub fn rfc3339(instant: Nanos) -> String {
    const SECOND: i64 = 1_000_000_000;
    const DAY: i64 = 86_400;
    let (seconds, ns) = (instant.raw().div_euclid(SECOND), instant.raw().rem_euclid(SECOND));
    let (days, of_day) = (seconds.div_euclid(DAY), seconds.rem_euclid(DAY));
    let (year, month, day) = civil(days);
    let (hour, minute, second) = (of_day / 3600, of_day / 60 % 60, of_day % 60);
    format!("{year:04}-{month:02}-{day:02}T{hour:02}:{minute:02}:{second:02}.{ns:09}Z")
}

// Days since 1970 as a Gregorian date: H. Hinnant, "chrono-Compatible Low-Level Date Algorithms",
// civil_from_days. Years are counted from 1 March, so that the leap day is a year's last.
fn civil(days: i64) -> (i64, i64, i64) {
    const ERA_DAYS: i64 = 146_097;
    let shifted = days + 719_468;
    let (era, of_era) = (shifted.div_euclid(ERA_DAYS), shifted.rem_euclid(ERA_DAYS));
    let year_of_era = (of_era - of_era / 1_460 + of_era / 36_524 - of_era / 146_096) / 365;
    let of_year = of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
    let shifted_month = (5 * of_year + 2) / 153;
    let day = of_year - (153 * shifted_month + 2) / 5 + 1;
    let month = if shifted_month < 10 { shifted_month + 3 } else { shifted_month - 9 };
    (era * 400 + year_of_era + i64::from(month <= 2), month, day)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::directory::tests::btcusdt;

    #[test]
    fn instants_are_written_to_the_nanosecond() {
        for (ns, text) in [
            (0, "1970-01-01T00:00:00.000000000Z"),
            (-1, "1969-12-31T23:59:59.999999999Z"),
            (951_782_400_000_000_001, "2000-02-29T00:00:00.000000001Z"),
            (1_709_251_199_999_999_999, "2024-02-29T23:59:59.999999999Z"),
            (4_107_542_400_000_000_000, "2100-03-01T00:00:00.000000000Z"),
            (i64::MAX, "2262-04-11T23:47:16.854775807Z"),
            (i64::MIN, "1677-09-21T00:12:43.145224192Z"),
        ] {
            assert_eq!(rfc3339(Nanos::new(ns)), text);
        }
    }

    #[test]
    fn decimals_are_exact_and_follow_the_tick() {
        let instrument = btcusdt();
        let price = |raw| price_text(Price::from_raw(raw).unwrap(), &instrument);
        assert_eq!(price(61_602_010_000_000), "61602.01");
        assert_eq!(price(61_602_000_000_000), "61602.00");
        assert_eq!(price(61_602_000_000_001), "61602.000000001", "what is there is shown");
        assert_eq!(price(-500_000_000), "-0.50");
        assert_eq!(price(0), "0.00");
        let untold = Instrument { tick: None, lot: None, ..btcusdt() };
        assert_eq!(
            price_text(Price::from_raw(100_000_000_000).unwrap(), &untold),
            "100.00000000",
            "as its wire writes it"
        );
        assert_eq!(qty_text(Qty::from_raw(999_999_999_999_999_999).unwrap(), &untold), "9999999999.99999999");
    }

    #[test]
    fn age_is_counted_on_the_tape_and_never_negative() {
        assert_eq!(age_ms(Nanos::new(5_999_999), Some(Nanos::new(1_000_000))), Some(4));
        assert_eq!(age_ms(Nanos::new(0), Some(Nanos::new(i64::MAX))), Some(0));
        assert_eq!(age_ms(Nanos::new(5), None), None);
    }

    #[test]
    fn a_refusal_says_the_same_in_both_channels() {
        let run = Run { name: "monday".to_owned(), mode: Mode::Replay, data: Data::Recorded };
        let envelope = Envelope::at(&run, &Stamp { seq: 7, as_of: Nanos::new(0) });
        let refusal = Refusal {
            code: "out_of_range",
            message: "levels must be 1 to 50".to_owned(),
            field: Some("levels".to_owned()),
            got: Some("900".to_owned()),
            allowed: Some("1 to 50".to_owned()),
            nearest: Some(Value::from(50)),
            retryable: false,
        };
        let text = refusal.text(&envelope);
        for part in
            ["out_of_range", "levels must be", "field: levels", "got: 900", "nearest: 50", "REPLAY RECORDED", "seq 7"]
        {
            assert!(text.contains(part), "{text}");
        }
        let fields = refusal.structured(&envelope);
        for field in ["mode", "data", "as_of", "seq", "age_ms", "feed_state", "code", "message", "nearest", "retryable"]
        {
            assert!(fields.get(field).is_some(), "{field}");
        }
    }
}
