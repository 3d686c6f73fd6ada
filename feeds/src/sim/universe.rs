//! What is listed on the simulated market.

use super::chance::{ONE, mix, seed_of};
use super::market::DAY;
use crate::index::{IndexError, IndexList};
use crate::packet::INDIA_OFFSET;
use jiff::civil::Date;
use serde::Deserialize;
use std::collections::BTreeMap;
use tidegate_core::{Instrument, Nanos, Price, Qty, Settlement, Terms};

/// What is simulated.
const INSTRUMENTS: &str = include_str!("../../../data/instruments/sim-2025-06-30.toml");

/// The source of everything simulated.
pub const SOURCE: &str = "SIM";
/// Instruments that trade, at most: the synthetic ones are numbered with four digits.
pub const INSTRUMENTS_MAX: usize = 5_000;

/// Why there is no universe.
#[derive(Debug, thiserror::Error)]
pub enum UniverseError {
    /// Not TOML of this shape.
    #[error("simulated universe: {0}")]
    Toml(#[from] toml::de::Error),
    /// The list of the index's members.
    #[error(transparent)]
    Index(#[from] IndexError),
    /// A value that makes no sense.
    #[error("{key}: field {field} is not a value it can have: {value:?}")]
    Field {
        /// Whose.
        key: String,
        /// Which field.
        field: &'static str,
        /// What it says.
        value: String,
    },
    /// A number of instruments that cannot be listed.
    #[error("instruments: {asked} is outside {least}..={INSTRUMENTS_MAX}")]
    Count {
        /// What was asked for.
        asked: usize,
        /// What the files name.
        least: usize,
    },
}

/// The session table of simulated instruments: they trade 24 hours on 7 days, and differ in how much.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Hours {
    /// The same at all times.
    Steady,
    /// As the day of NSE (09:15 to 15:30 in India): busy at its open and close, quiet at noon, a trickle
    /// at night and on every day of the week.
    Indian,
}

impl Hours {
    /// How busy the market is, in 1024ths of a steady hour.
    pub fn activity(self, at: Nanos) -> i64 {
        const MINUTE: i64 = 60 * Nanos::SECOND.raw();
        // Indian time is 5:30 ahead of UTC in every season.
        let minute = (at.raw().div_euclid(MINUTE) + 330).rem_euclid(1_440);
        let from_noon = (minute - (9 * 60 + 15 + 188)).abs();
        match self {
            Hours::Steady => ONE,
            Hours::Indian if from_noon <= 188 => 640 + 1_600 * from_noon * from_noon / (188 * 188),
            Hours::Indian => 160,
        }
    }

    /// The midnight at which its day began: a venue counts the day's volume from there.
    pub(super) fn midnight(self, at: Nanos) -> Nanos {
        match self {
            Hours::Steady => at.floor(DAY),
            Hours::Indian => at.plus(INDIA_OFFSET).floor(DAY).since(INDIA_OFFSET),
        }
    }
}

/// How the market maker spaces its quotes.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub(super) enum Spacing {
    /// A quote at every tick.
    Dense,
    /// Gaps that grow away from the touch.
    Sparse,
}

/// How an instrument behaves.
#[derive(Clone, Copy, Debug)]
pub(super) struct Profile {
    pub tick: i64,
    pub lot: i64,
    /// The level about which history moves, in ticks.
    pub price_ticks: i64,
    pub volatility_bp: i64,
    pub acts_per_100s: i64,
    pub trade_lots: i64,
    pub hours: Hours,
    pub spacing: Spacing,
}

impl Profile {
    /// A price in ticks. All that are simulated lie within a few times the reference price.
    pub(super) fn price(&self, ticks: i64) -> Price {
        Price::from_raw(ticks.saturating_mul(self.tick)).unwrap_or_default()
    }

    /// A quantity in lots.
    pub(super) fn qty(&self, lots: i64) -> Qty {
        Qty::from_raw(lots.saturating_mul(self.lot)).unwrap_or_default()
    }
}

/// One listed instrument.
#[derive(Clone, Debug)]
pub struct Listing {
    /// Its facts; the source is [`SOURCE`].
    pub instrument: Instrument,
    /// The company of an index member, where the member file names it.
    pub name: Option<String>,
    pub(super) profile: Profile,
}

impl Listing {
    /// When it trades, and how much.
    pub fn hours(&self) -> Hours {
        self.profile.hours
    }
}

/// An index over some of the listings. It has no book.
#[derive(Clone, Debug)]
pub struct Index {
    /// Its facts. It cannot be ordered: it has no lot.
    pub instrument: Instrument,
    /// Its name.
    pub name: String,
    tick: i64,
    /// By position of the listing: what a raw price adds, in units of 2⁻³².
    factors: Vec<i64>,
}

impl Index {
    /// How many of the first listings are its members.
    pub fn members(&self) -> usize {
        self.factors.len()
    }

    /// What a member's raw price adds to the value, in units of 2⁻³² of a raw price.
    pub(super) fn part(&self, member: usize, raw: i64) -> i128 {
        i128::from(raw) * i128::from(self.factors[member])
    }

    /// The sum of all parts as a price on the index's tick.
    pub(super) fn value(&self, parts: i128) -> Price {
        let raw = (parts >> 32) as i64;
        Price::from_raw(raw - raw % self.tick).unwrap_or_default()
    }
}

/// Everything that is listed: the members of the index, the crypto pairs, then synthetic names.
#[derive(Clone, Debug)]
pub struct Universe {
    listings: Vec<Listing>,
    index: Index,
    as_of: Date,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct InstrumentFile {
    /// Where the facts come from; read by people.
    #[serde(rename = "source")]
    _source: String,
    as_of: String,
    index_price: String,
    index_tick: String,
    instrument: Vec<Row>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Row {
    key: String,
    base: String,
    quote: String,
    tick: String,
    lot: String,
    price_decimals: u8,
    qty_decimals: u8,
    price: String,
    weight: i64,
    volatility_bp: i64,
    acts_per_100s: i64,
    trade_lots: i64,
    hours: Hours,
    ladder: Spacing,
}

impl Universe {
    /// What the built-in files name: the members of the NIFTY 50 and two crypto pairs.
    ///
    /// # Errors
    /// [`UniverseError`] where a built-in file is wrong, which a test rules out.
    pub fn built_in() -> Result<Universe, UniverseError> {
        Universe::parse(IndexList::simulated()?, INSTRUMENTS)
    }

    /// The built-in universe with synthetic names (`SIM:S0001`, …) up to `count` instruments that trade.
    ///
    /// # Errors
    /// [`UniverseError::Count`] where the count is smaller than what is built in, or too large.
    pub fn with_instruments(count: usize) -> Result<Universe, UniverseError> {
        let mut universe = Universe::built_in()?;
        let least = universe.listings.len();
        if !(least..=INSTRUMENTS_MAX).contains(&count) {
            return Err(UniverseError::Count { asked: count, least });
        }
        let epoch_days = universe.epoch_days();
        universe.listings.extend((1..=count - least).map(|number| synthetic(number, epoch_days)));
        Ok(universe)
    }

    fn parse(list: IndexList, instruments: &str) -> Result<Universe, UniverseError> {
        let file: InstrumentFile = toml::from_str(instruments)?;
        let bad = |key: &str, field, value: &str| UniverseError::Field {
            key: key.to_owned(),
            field,
            value: value.to_owned(),
        };
        let facts_as_of: Date = file.as_of.parse().map_err(|_| bad("(file)", "as_of", &file.as_of))?;
        let epoch_days = days(facts_as_of);
        let mut rows: BTreeMap<String, Row> = file.instrument.into_iter().map(|row| (row.key.clone(), row)).collect();
        let level = positive(&list.key, "index_price", &file.index_price, Price::parse)?.raw();
        let tick = positive(&list.key, "index_tick", &file.index_tick, Price::parse)?;
        let (mut listings, mut factors) = (Vec::new(), Vec::new());
        for (key, company) in list.members {
            let row = rows.remove(&key).ok_or_else(|| bad(&key, "key", "a member without facts"))?;
            let weight = i128::from(row.weight);
            let listing = listing(row, Some(company), epoch_days)?;
            let price = i128::from(listing.profile.price_ticks) * i128::from(listing.profile.tick);
            if weight <= 0 {
                return Err(bad(&key, "weight", &weight.to_string()));
            }
            factors.push((((i128::from(level) * weight) << 32) / (price * 10_000)) as i64);
            listings.push(listing);
        }
        for row in rows.into_values() {
            listings.push(listing(row, None, epoch_days)?);
        }
        let instrument = Instrument {
            key: list.key,
            tick: Some(tick),
            lot: None,
            multiplier: None,
            master_epoch_days: Some(days(list.as_of)),
            ..facts("", "INR", 2, 0)
        };
        let index = Index { instrument, name: list.name, tick: tick.raw(), factors };
        Ok(Universe { listings, index, as_of: list.as_of })
    }

    /// What trades; an instrument's position here is its number in the market.
    pub fn listings(&self) -> &[Listing] {
        &self.listings
    }

    /// The index over the first listings.
    pub fn index(&self) -> &Index {
        &self.index
    }

    /// The day of the list of members.
    pub fn as_of(&self) -> Date {
        self.as_of
    }

    /// The position of a key.
    pub fn find(&self, key: &str) -> Option<usize> {
        self.listings.iter().position(|listing| listing.instrument.key == key)
    }

    fn epoch_days(&self) -> Option<i32> {
        self.listings.first().and_then(|listing| listing.instrument.master_epoch_days)
    }
}

fn days(date: Date) -> i32 {
    (date - Date::constant(1970, 1, 1)).get_days()
}

fn facts(base: &str, quote: &str, price_decimals: u8, qty_decimals: u8) -> Instrument {
    Instrument {
        key: String::new(),
        source: SOURCE.to_owned(),
        tick: None,
        lot: None,
        multiplier: Qty::from_raw(10i64.pow(u32::from(Qty::SCALE))),
        settlement: Settlement::Linear,
        base: base.to_owned(),
        quote: quote.to_owned(),
        price_decimals,
        qty_decimals,
        terms: Terms::default(),
        master_epoch_days: None,
    }
}

fn positive<T: Copy + Default + PartialOrd>(
    key: &str,
    field: &'static str,
    text: &str,
    parse: impl Fn(&[u8]) -> Result<tidegate_core::Parsed<T>, tidegate_core::NumberError>,
) -> Result<T, UniverseError> {
    match parse(text.as_bytes()) {
        Ok(parsed) if parsed.value > T::default() => Ok(parsed.value),
        _ => Err(UniverseError::Field { key: key.to_owned(), field, value: text.to_owned() }),
    }
}

fn listing(row: Row, name: Option<String>, epoch_days: i32) -> Result<Listing, UniverseError> {
    let tick = positive(&row.key, "tick", &row.tick, Price::parse)?;
    let lot = positive(&row.key, "lot", &row.lot, Qty::parse)?;
    let price = positive(&row.key, "price", &row.price, Price::parse)?;
    // The market maker's worst quote stays above zero at an eighth of the price.
    let least = if row.ladder == Spacing::Dense { 1_000 } else { 100_000 };
    let price_ticks = price.raw() / tick.raw();
    if price_ticks < least {
        return Err(UniverseError::Field { key: row.key, field: "price", value: row.price });
    }
    let ranges = [
        ("volatility_bp", row.volatility_bp, 1..=500),
        ("acts_per_100s", row.acts_per_100s, 1..=100_000),
        ("trade_lots", row.trade_lots, 1..=1_000_000),
    ];
    for (field, value, range) in ranges {
        if !range.contains(&value) {
            return Err(UniverseError::Field { key: row.key, field, value: value.to_string() });
        }
    }
    let profile = Profile {
        tick: tick.raw(),
        lot: lot.raw(),
        price_ticks,
        volatility_bp: row.volatility_bp,
        acts_per_100s: row.acts_per_100s,
        trade_lots: row.trade_lots,
        hours: row.hours,
        spacing: row.ladder,
    };
    let instrument = Instrument {
        key: row.key,
        tick: Some(tick),
        lot: Some(lot),
        master_epoch_days: Some(epoch_days),
        ..facts(&row.base, &row.quote, row.price_decimals, row.qty_decimals)
    };
    Ok(Listing { instrument, name, profile })
}

/// A name that no market has. Its price and pace depend on its number alone.
fn synthetic(number: usize, epoch_days: Option<i32>) -> Listing {
    let key = format!("SIM:S{number:04}");
    let draw = mix(seed_of(0, &key), 0);
    let profile = Profile {
        tick: 50_000_000,
        lot: 100_000_000,
        // From 50 to 3,000.
        price_ticks: 1_000 + (draw % 59_000) as i64,
        volatility_bp: 100 + (draw >> 32) as i64 % 150,
        acts_per_100s: 20 + (draw >> 48) as i64 % 40,
        trade_lots: 10 + (draw >> 56) as i64 % 90,
        hours: Hours::Indian,
        spacing: Spacing::Dense,
    };
    let instrument = Instrument {
        tick: Price::from_raw(profile.tick),
        lot: Qty::from_raw(profile.lot),
        master_epoch_days: epoch_days,
        ..facts(&key[4..], "INR", 2, 0)
    };
    Listing { instrument: Instrument { key, ..instrument }, name: None, profile }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_built_in_files_are_whole() {
        let universe = Universe::built_in().unwrap();
        let keys: Vec<&str> = universe.listings().iter().map(|it| it.instrument.key.as_str()).collect();
        assert_eq!((keys.len(), universe.index().members()), (52, 50));
        for key in ["NSE:RELIANCE", "NSE:INFY", "NSE:HDFCBANK", "NSE:SBIN", "NSE:TCS"] {
            assert!(universe.find(key).unwrap() < 50, "{key}");
        }
        assert_eq!(keys[50..], ["BINANCE:BTCUSDT", "BINANCE:ETHUSDT"]);
        assert!(universe.listings().iter().all(|it| it.instrument.source == "SIM"));
        assert_eq!(universe.as_of().to_string(), "2025-06-30");
        let index = &universe.index().instrument;
        assert_eq!((index.key.as_str(), index.lot), ("NSE:NIFTY", None));
        assert_eq!(index.tick.unwrap().to_string(), "0.05");
    }

    #[test]
    fn shares_have_the_ticks_that_nse_gives_to_their_prices() {
        let universe = Universe::built_in().unwrap();
        let mut shares_by_tick: BTreeMap<String, Vec<&str>> = BTreeMap::new();
        for listing in &universe.listings()[..50] {
            let rupees = listing.profile.price_ticks * listing.profile.tick / 1_000_000_000;
            // NSE's bands since 2025-04-15.
            let tick = match rupees {
                ..250 => "0.01",
                250..=1_000 => "0.05",
                1_001..=5_000 => "0.1",
                5_001..=10_000 => "0.5",
                10_001..=20_000 => "1",
                _ => "5",
            };
            let key = listing.instrument.key.as_str();
            assert_eq!(listing.instrument.tick.unwrap().to_string(), tick, "{key} at {rupees}");
            shares_by_tick.entry(tick.to_owned()).or_default().push(key);
        }
        assert_eq!((shares_by_tick["0.1"].len(), shares_by_tick["0.05"].len()), (27, 15));
        assert_eq!(shares_by_tick["0.5"], ["NSE:APOLLOHOSP", "NSE:BAJAJ-AUTO", "NSE:EICHERMOT", "NSE:TRENT"]);
        assert_eq!(shares_by_tick["1"], ["NSE:MARUTI", "NSE:ULTRACEMCO"]);
        assert_eq!(shares_by_tick["0.01"], ["NSE:ONGC", "NSE:TATASTEEL"]);
    }

    #[test]
    fn the_weights_are_whole_and_give_the_index_its_level() {
        let universe = Universe::built_in().unwrap();
        let file: InstrumentFile = toml::from_str(INSTRUMENTS).unwrap();
        assert_eq!(file.instrument.iter().map(|row| row.weight).sum::<i64>(), 10_000);
        let raw = |member: usize| {
            let profile = &universe.listings()[member].profile;
            profile.price_ticks * profile.tick
        };
        let parts = (0..50).map(|member| universe.index().part(member, raw(member))).sum();
        let value = universe.index().value(parts);
        assert!(["25499.95", "25500"].contains(&value.to_string().as_str()), "{value}");
    }

    #[test]
    fn synthetic_names_fill_up_to_the_count() {
        let universe = Universe::with_instruments(2_000).unwrap();
        assert_eq!(universe.listings().len(), 2_000);
        assert_eq!(universe.listings()[52].instrument.key, "SIM:S0001");
        assert_eq!(universe.listings()[1_999].instrument.key, "SIM:S1948");
        for count in [51, INSTRUMENTS_MAX + 1] {
            let message = Universe::with_instruments(count).unwrap_err().to_string();
            assert!(message.starts_with("instruments: "), "{message}");
        }
    }

    #[test]
    fn a_senseless_value_is_named() {
        let list = || IndexList::simulated().unwrap();
        let refused = |list: IndexList, instruments: &str, names: [&str; 2]| {
            let message = Universe::parse(list, instruments).unwrap_err().to_string();
            assert!(names.iter().all(|name| message.contains(name)), "{message}");
        };
        refused(list(), &INSTRUMENTS.replacen("\ntick = \"0.10\"", "\ntick = \"0\"", 1), ["NSE:ADANIENT", "tick"]);
        refused(
            list(),
            &INSTRUMENTS.replacen("index_tick = \"0.05\"", "index_tick = \"0\"", 1),
            ["NSE:NIFTY", "index_tick"],
        );
        refused(list(), &INSTRUMENTS.replacen("_bp = 190", "_bp = 0", 1), ["NSE:ADANIENT", "volatility_bp"]);
        let mut stranger = list();
        stranger.members[0].0 = "NSE:NOBODY".to_owned();
        refused(stranger, INSTRUMENTS, ["NSE:NOBODY", "facts"]);
    }

    #[test]
    fn the_indian_day_is_busy_at_its_ends() {
        let at = |hour: i64, minute: i64| Nanos::new(((hour * 60 + minute - 330) * 60) * Nanos::SECOND.raw());
        let activity = |hour, minute| Hours::Indian.activity(at(hour, minute));
        assert_eq!((activity(3, 0), activity(9, 14), activity(15, 32)), (160, 160, 160));
        assert_eq!((activity(9, 15), activity(12, 23)), (2_240, 640));
        assert!(activity(15, 29) > 2_000 && activity(10, 30) < activity(9, 30));
        assert_eq!(Hours::Steady.activity(at(3, 0)), ONE);
    }
}
