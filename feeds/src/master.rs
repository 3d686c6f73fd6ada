//! A broker's own list of instruments: what its session calls those that are wanted, and their facts.
//!
//! Kite's is the CSV of `GET /instruments` (<https://kite.trade/docs/connect/v3/market-quotes/#instruments>), Angel
//! One's the JSON of its scrip master (<https://smartapi.angelbroking.com/docs/Instruments>). Both are far larger
//! than what is wanted of them: they are read through, and only that is kept.

mod angel;
mod kite;

use crate::venue::Venue;
use std::collections::{BTreeMap, BTreeSet};
use std::io::{self, BufReader, Read};
use tidegate_core::{Instrument, Price, Qty, Settlement, Terms};

/// Longest list that is read, in bytes: several times the longer one.
const BYTES_MAX: u64 = 256 * 1024 * 1024;
/// How much of a wrong value is repeated.
const SHOWN: usize = 40;

/// Why a list of instruments is of no use.
#[derive(Debug, thiserror::Error)]
pub enum MasterError {
    /// The file cannot be read.
    #[error("instrument master: {0}")]
    Io(#[from] io::Error),
    /// Not JSON of this shape; it says at which line and column.
    #[error("instrument master: {0}")]
    Json(#[from] serde_json::Error),
    /// Longer than any such list.
    #[error("instrument master: longer than {BYTES_MAX} bytes: is it the right file?")]
    TooLong,
    /// A column is not there.
    #[error("instrument master: line 1 names no column {0}: is it the broker's CSV, with its head?")]
    Column(&'static str),
    /// A line cannot be read.
    #[error("instrument master: line {line}, column {column}: {value:?} makes no sense")]
    Field {
        /// Number of the line, from 1.
        line: u64,
        /// Its name in the head.
        column: &'static str,
        /// What stands there, cut to a few words.
        value: String,
    },
    /// An entry cannot be read.
    #[error("instrument master: entry {number}, {key}, field {field}: {value:?} makes no sense")]
    Entry {
        /// Number of the entry, from 1.
        number: u64,
        /// Whose it is.
        key: String,
        /// Which field.
        field: &'static str,
        /// What stands there, cut to a few words.
        value: String,
    },
    /// It does not name what is wanted.
    #[error("{0} is not in the instrument master: name exchange and symbol as the broker does, such as NSE:INFY")]
    Missing(String),
    /// The venue's symbols are its names.
    #[error("this venue has no instrument master: its symbols are its names")]
    NoMaster,
}

/// What is wanted of a list, by its key in capitals, and has been found: names differ in more than the case of letters.
struct Wanted {
    found: BTreeMap<String, Option<(String, Instrument)>>,
}

impl Wanted {
    fn is_wanted(&self, key: &str) -> bool {
        matches!(self.found.get(&key.to_uppercase()), Some(None))
    }

    fn put(&mut self, key: &str, symbol: String, instrument: Instrument) {
        if let Some(place) = self.found.get_mut(&key.to_uppercase()) {
            *place = Some((symbol, instrument));
        }
    }
}

/// Finds these keys, such as `NSE:INFY`, in a broker's list as of a day since 1970; returns what its session calls each
/// of them, with its facts, once and in the order in which they were asked for. Letters may be of either case.
///
/// Where a unit of the list is not documented (commodities and currencies) tick, lot and multiplier stay unknown: such
/// an instrument can be watched and not ordered.
///
/// # Errors
/// [`MasterError`], naming the place in the file, or the first key that it does not hold.
pub fn find(
    venue: Venue,
    list: impl Read,
    keys: &[String],
    as_of_days: Option<i32>,
) -> Result<Vec<(String, Instrument)>, MasterError> {
    find_within(BYTES_MAX, venue, list, keys, as_of_days)
}

fn find_within(
    bytes_max: u64,
    venue: Venue,
    list: impl Read,
    keys: &[String],
    as_of_days: Option<i32>,
) -> Result<Vec<(String, Instrument)>, MasterError> {
    let mut wanted = Wanted { found: keys.iter().map(|key| (key.to_uppercase(), None)).collect() };
    // One byte more than may be: whoever comes to it has read too much.
    let mut list = BufReader::new(list.take(bytes_max + 1));
    let result = match venue {
        Venue::Kite => kite::read(&mut list, &mut wanted),
        Venue::Angel => angel::read(&mut list, &mut wanted),
        Venue::Binance(_) | Venue::Kraken => return Err(MasterError::NoMaster),
    };
    if list.get_ref().limit() == 0 {
        return Err(MasterError::TooLong);
    }
    result?;
    let take = |key: &String| {
        let (symbol, instrument) = wanted
            .found
            .get(&key.to_uppercase())
            .cloned()
            .flatten()
            .ok_or_else(|| MasterError::Missing(key.clone()))?;
        Ok((symbol, Instrument { master_epoch_days: as_of_days, ..instrument }))
    };
    let mut found: Vec<(String, Instrument)> = keys.iter().map(take).collect::<Result<_, MasterError>>()?;
    let mut seen = BTreeSet::new();
    found.retain(|(symbol, _)| seen.insert(symbol.clone()));
    Ok(found)
}

/// An instrument in rupees of which only the names are known.
fn named(key: String, source: &str, base: &str, price_decimals: u8) -> Instrument {
    Instrument {
        key,
        source: source.to_owned(),
        tick: None,
        lot: None,
        multiplier: None,
        settlement: Settlement::Linear,
        base: base.to_owned(),
        quote: "INR".to_owned(),
        price_decimals,
        qty_decimals: 0,
        terms: Terms::default(),
        master_epoch_days: None,
    }
}

/// A price above zero; zero says that there is none.
fn price(text: &str) -> Option<Option<Price>> {
    let price = Price::parse(text.as_bytes()).ok()?.value;
    (price >= Price::ZERO).then(|| Some(price).filter(|&price| price > Price::ZERO))
}

/// A quantity above zero; zero says that there is none.
fn qty(text: &str) -> Option<Option<Qty>> {
    let qty = Qty::parse(text.as_bytes()).ok()?.value;
    (qty >= Qty::ZERO).then(|| Some(qty).filter(|&qty| qty > Qty::ZERO))
}

#[cfg(test)]
#[path = "master_tests.rs"]
mod tests;
