//! Instrument facts from dated files: captures carry none.

use jiff::civil::Date;
use serde::Deserialize;
use std::collections::BTreeMap;
use tidegate_core::{Instrument, Price, Qty, Settlement, Terms};

use crate::Decimals;
use crate::binance::Market;

/// The file that is built in.
const BINANCE: &str = include_str!("../../data/instruments/binance-2024-08-09.toml");

/// Instruments by key.
#[derive(Clone, Debug, Default)]
pub struct Catalog {
    by_key: BTreeMap<String, Instrument>,
}

/// Why a catalogue file cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum CatalogError {
    /// Not TOML of this shape.
    #[error("instrument file: {0}")]
    Toml(#[from] toml::de::Error),
    /// A value that makes no sense.
    #[error("instrument {key}: field {field} is not a value it can have: {value:?}")]
    Field {
        /// Whose.
        key: String,
        /// Which field.
        field: &'static str,
        /// What it says.
        value: String,
    },
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct File {
    /// Where the facts come from; read by people.
    #[serde(rename = "source")]
    _source: String,
    as_of: String,
    instrument: Vec<Row>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Row {
    key: String,
    source: String,
    base: String,
    quote: String,
    settlement: Kind,
    tick: String,
    lot: String,
    multiplier: String,
    price_decimals: u8,
    qty_decimals: u8,
}

#[derive(Clone, Copy, Deserialize)]
#[serde(rename_all = "lowercase")]
enum Kind {
    Linear,
    Inverse,
}

impl Catalog {
    /// The facts that are built into the program.
    ///
    /// # Errors
    /// [`CatalogError`] where the built-in file is wrong, which a test rules out.
    pub fn built_in() -> Result<Catalog, CatalogError> {
        Catalog::parse(BINANCE)
    }

    /// Reads one file.
    ///
    /// # Errors
    /// [`CatalogError`], naming the instrument and field.
    pub fn parse(text: &str) -> Result<Catalog, CatalogError> {
        let file: File = toml::from_str(text)?;
        let as_of: Date = file.as_of.parse().map_err(|_| CatalogError::Field {
            key: "(file)".to_owned(),
            field: "as_of",
            value: file.as_of.clone(),
        })?;
        let days = (as_of - Date::constant(1970, 1, 1)).get_days();
        let by_key = file
            .instrument
            .into_iter()
            .map(|row| instrument(row, days).map(|instrument| (instrument.key.clone(), instrument)))
            .collect::<Result<_, _>>()?;
        Ok(Catalog { by_key })
    }

    /// What is known of a Binance symbol. One that no file names is unknown in tick, lot and multiplier,
    /// shows the decimals seen on the wire, and cannot be ordered.
    pub fn binance(&self, market: Market, symbol: &str, seen: Decimals) -> Instrument {
        let key = market.key(symbol);
        if let Some(instrument) = self.by_key.get(&key) {
            return instrument.clone();
        }
        let settlement = match market {
            Market::Spot | Market::UsdM => Settlement::Linear,
            Market::CoinM => Settlement::Inverse,
        };
        unknown(key, "BINANCE", settlement, seen)
    }

    /// What is known of a Kraken symbol, which names its currencies itself. v1 and v2 name some differently,
    /// and each name is a key of its own. One that no file names is as with [`Catalog::binance`].
    pub fn kraken(&self, symbol: &str, seen: Decimals) -> Instrument {
        let key = format!("KRAKEN:{symbol}");
        if let Some(instrument) = self.by_key.get(&key) {
            return instrument.clone();
        }
        let (base, quote) = symbol.split_once('/').unwrap_or_default();
        let unknown = unknown(key, "KRAKEN", Settlement::Linear, seen);
        Instrument { base: base.to_owned(), quote: quote.to_owned(), ..unknown }
    }
}

/// An instrument of which only the name and the decimals on the wire are known.
fn unknown(key: String, source: &str, settlement: Settlement, seen: Decimals) -> Instrument {
    Instrument {
        key,
        source: source.to_owned(),
        tick: None,
        lot: None,
        multiplier: None,
        settlement,
        base: String::new(),
        quote: String::new(),
        price_decimals: seen.price,
        qty_decimals: seen.qty,
        terms: Terms::default(),
        master_epoch_days: None,
    }
}

fn instrument(row: Row, master_epoch_days: i32) -> Result<Instrument, CatalogError> {
    let bad = |field, value: &str| CatalogError::Field { key: row.key.clone(), field, value: value.to_owned() };
    let qty = |field, text: &str| match Qty::parse(text.as_bytes()) {
        Ok(parsed) if parsed.value > Qty::ZERO => Ok(parsed.value),
        _ => Err(bad(field, text)),
    };
    let tick = match Price::parse(row.tick.as_bytes()) {
        Ok(parsed) if parsed.value > Price::ZERO => parsed.value,
        _ => return Err(bad("tick", &row.tick)),
    };
    let lot = qty("lot", &row.lot)?;
    let multiplier = qty("multiplier", &row.multiplier)?;
    Ok(Instrument {
        tick: Some(tick),
        lot: Some(lot),
        multiplier: Some(multiplier),
        settlement: match row.settlement {
            Kind::Linear => Settlement::Linear,
            Kind::Inverse => Settlement::Inverse,
        },
        price_decimals: row.price_decimals,
        qty_decimals: row.qty_decimals,
        terms: Terms::default(),
        master_epoch_days: Some(master_epoch_days),
        key: row.key,
        source: row.source,
        base: row.base,
        quote: row.quote,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_built_in_file_is_whole() {
        let catalog = Catalog::built_in().unwrap();
        let perp = catalog.binance(Market::CoinM, "BTCUSD_PERP", Decimals::default());
        assert_eq!(perp.multiplier.unwrap().to_string(), "100");
        assert_eq!(perp.settlement, Settlement::Inverse);
        assert_eq!(perp.master_epoch_days, Some(19_944), "2024-08-09");
    }

    #[test]
    fn a_symbol_without_facts_has_none() {
        let catalog = Catalog::built_in().unwrap();
        let unknown = catalog.binance(Market::UsdM, "NEWUSDT", Decimals { price: 4, qty: 1 });
        assert_eq!((unknown.tick, unknown.lot, unknown.multiplier), (None, None, None));
        assert_eq!(
            (unknown.key.as_str(), unknown.price_decimals, unknown.qty_decimals),
            ("BINANCE-USDM:NEWUSDT", 4, 1)
        );
    }

    #[test]
    fn a_kraken_symbol_names_its_currencies() {
        let unknown = Catalog::default().kraken("XBT/USD", Decimals { price: 1, qty: 8 });
        assert_eq!((unknown.to_string().as_str(), unknown.tick), ("KRAKEN:XBT/USD@KRAKEN", None));
        assert_eq!((unknown.base.as_str(), unknown.quote.as_str()), ("XBT", "USD"));
        assert_eq!((unknown.price_decimals, unknown.qty_decimals), (1, 8));
    }

    #[test]
    fn a_senseless_value_is_named() {
        let bad = BINANCE.replacen("tick = \"0.01\"", "tick = \"0\"", 1);
        let message = Catalog::parse(&bad).unwrap_err().to_string();
        assert!(message.contains("BINANCE:BTCUSDT") && message.contains("tick"), "{message}");
        assert!(Catalog::parse("nonsense = 1").is_err());
    }
}
