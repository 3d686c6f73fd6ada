//! Instrument facts from dated files: captures carry none.

use jiff::civil::Date;
use serde::Deserialize;
use std::collections::BTreeMap;
use tidegate_core::{Instrument, Price, Qty, Settlement, Terms};

use crate::Decimals;
use crate::angel::codec::Token;
use crate::binance::Market;
use crate::kite::Segment;

/// The files that are built in.
const BINANCE: &str = include_str!("../../data/instruments/binance-2024-08-09.toml");
const INDIA: &str = include_str!("../../data/instruments/india-2021-07-05.toml");

/// Instruments by key, and the keys of tokens.
#[derive(Clone, Debug, Default)]
pub struct Catalog {
    by_key: BTreeMap<String, Instrument>,
    by_kite_token: BTreeMap<u32, String>,
    by_angel_token: BTreeMap<Token, String>,
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
    /// An index, which is not traded, has neither tick nor lot nor multiplier.
    tick: Option<String>,
    lot: Option<String>,
    multiplier: Option<String>,
    price_decimals: u8,
    qty_decimals: u8,
    kite_token: Option<u32>,
    angel_token: Option<String>,
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
        let mut catalog = Catalog::parse(BINANCE)?;
        let Catalog { by_key, by_kite_token, by_angel_token } = Catalog::parse(INDIA)?;
        catalog.by_key.extend(by_key);
        catalog.by_kite_token.extend(by_kite_token);
        catalog.by_angel_token.extend(by_angel_token);
        Ok(catalog)
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
        let mut catalog = Catalog::default();
        for row in file.instrument {
            let key = row.key.clone();
            if let Some(token) = row.kite_token {
                catalog.by_kite_token.insert(token, key.clone());
            }
            if let Some(text) = &row.angel_token {
                let token = text.parse().map_err(|_| CatalogError::Field {
                    key: key.clone(),
                    field: "angel_token",
                    value: text.clone(),
                })?;
                catalog.by_angel_token.insert(token, key.clone());
            }
            catalog.by_key.insert(key, instrument(row, days)?);
        }
        Ok(catalog)
    }

    /// What is known of a Kite token. One that no file names has the key `SEGMENT:token` (`NSE:408065`; an
    /// index `INDICES:256265`), is unknown in tick, lot and multiplier, and cannot be ordered.
    pub fn kite(&self, symbol: &str, seen: Decimals) -> Instrument {
        let token = symbol.parse().ok();
        let key = token.and_then(|token: u32| self.by_kite_token.get(&token));
        let segment = token.and_then(Segment::of).map_or("KITE", Segment::prefix);
        self.indian("KITE", key, || format!("{segment}:{symbol}"), seen)
    }

    /// What is known of an Angel One token (`1:1594`). One that no file names has the key `EXCHANGE:token`
    /// (`NSE:1594`), is unknown in tick, lot and multiplier, and cannot be ordered.
    pub fn angel(&self, symbol: &str, seen: Decimals) -> Instrument {
        let token = symbol.parse().ok();
        let key = token.as_ref().and_then(|token: &Token| self.by_angel_token.get(token));
        let unnamed = || match &token {
            Some(token) => format!("{}:{}", token.exchange.prefix(), token.text()),
            None => format!("ANGEL:{symbol}"),
        };
        self.indian("ANGEL", key, unnamed, seen)
    }

    fn indian(
        &self,
        source: &str,
        key: Option<&String>,
        unnamed: impl FnOnce() -> String,
        seen: Decimals,
    ) -> Instrument {
        let source = source.to_owned();
        if let Some(instrument) = key.and_then(|key| self.by_key.get(key)) {
            return Instrument { source, ..instrument.clone() };
        }
        let quote = "INR".to_owned();
        Instrument { quote, ..unknown(unnamed(), &source, Settlement::Linear, seen) }
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
    let qty = |field, text: &String| match Qty::parse(text.as_bytes()) {
        Ok(parsed) if parsed.value > Qty::ZERO => Ok(parsed.value),
        _ => Err(bad(field, text)),
    };
    let tick = |text: &String| match Price::parse(text.as_bytes()) {
        Ok(parsed) if parsed.value > Price::ZERO => Ok(parsed.value),
        _ => Err(bad("tick", text)),
    };
    Ok(Instrument {
        tick: row.tick.as_ref().map(tick).transpose()?,
        lot: row.lot.as_ref().map(|text| qty("lot", text)).transpose()?,
        multiplier: row.multiplier.as_ref().map(|text| qty("multiplier", text)).transpose()?,
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
    fn tokens_of_two_brokers_name_one_instrument() {
        let catalog = Catalog::built_in().unwrap();
        let paise = Decimals { price: 2, qty: 0 };
        let [kite, angel] = [catalog.kite("408065", paise), catalog.angel("1:1594", paise)];
        assert_eq!((kite.to_string(), angel.to_string()), ("NSE:INFY@KITE".to_owned(), "NSE:INFY@ANGEL".to_owned()));
        assert_eq!((kite.tick, kite.lot), (Price::from_raw(50_000_000), Qty::from_raw(100_000_000)));
        assert_eq!((kite.tick, kite.lot, kite.quote.as_str()), (angel.tick, angel.lot, "INR"));
        // A Kite token is the exchange's own, which is Angel's, and the segment.
        assert_eq!((408_065 >> 8, 408_065 & 0xff), (1_594, 1));
        let index = catalog.kite("256265", paise);
        assert_eq!((index.key.as_str(), index.lot, index.multiplier), ("NSE:NIFTY", None, None));
    }

    #[test]
    fn a_token_without_facts_has_its_markets_key() {
        let catalog = Catalog::built_in().unwrap();
        let paise = Decimals { price: 2, qty: 0 };
        for (symbol, key) in
            [("257", "NSE:257"), ("265", "INDICES:265"), ("256", "KITE:256"), ("x", "KITE:x"), ("519", "MCX:519")]
        {
            let unknown = catalog.kite(symbol, paise);
            assert_eq!((unknown.key.as_str(), unknown.tick, unknown.lot), (key, None, None));
        }
        for (symbol, key) in [("1:7", "NSE:7"), ("13:7", "CDS:7"), ("6:7", "ANGEL:6:7"), ("5:A1", "MCX:A1")] {
            let unknown = catalog.angel(symbol, paise);
            assert_eq!((unknown.key.as_str(), unknown.tick, unknown.price_decimals), (key, None, 2));
        }
    }

    #[test]
    fn a_senseless_value_is_named() {
        let bad = BINANCE.replacen("tick = \"0.01\"", "tick = \"0\"", 1);
        let message = Catalog::parse(&bad).unwrap_err().to_string();
        assert!(message.contains("BINANCE:BTCUSDT") && message.contains("tick"), "{message}");
        let bad = INDIA.replacen("\"1:1594\"", "\"6:1594\"", 1);
        assert!(Catalog::parse(&bad).unwrap_err().to_string().contains("angel_token"));
        assert!(Catalog::parse("nonsense = 1").is_err());
    }
}
