//! The JSON of Angel One: one array of flat objects, every value a text, prices in paise.

use super::{MasterError, SHOWN, Wanted, named, price, qty};
use crate::angel::Exchange;
use crate::angel::codec::TOKEN_BYTES;
use jiff::civil::Date;
use serde::Deserialize;
use serde::de::{Deserializer, Error, SeqAccess, Visitor};
use std::fmt;
use std::io::BufRead;
use tidegate_core::{Instrument, OptionRight, Price, Qty, Terms};

#[derive(Deserialize)]
struct Row {
    token: String,
    symbol: String,
    name: String,
    expiry: String,
    strike: String,
    lotsize: String,
    instrumenttype: String,
    exch_seg: String,
    tick_size: String,
}

pub(super) fn read(list: &mut impl BufRead, wanted: &mut Wanted) -> Result<(), MasterError> {
    let mut json = serde_json::Deserializer::from_reader(list);
    let mut rows = Rows { wanted, number: 0, error: None };
    let result = json.deserialize_seq(&mut rows).and_then(|()| json.end());
    result.map_err(|error| rows.error.take().unwrap_or(MasterError::Json(error)))
}

struct Rows<'w> {
    wanted: &'w mut Wanted,
    /// Of the row, from 1.
    number: u64,
    /// serde can only carry a text, and the place that it knows is behind the row: the reason is kept here.
    error: Option<MasterError>,
}

impl Rows<'_> {
    fn take(&mut self, row: &Row) -> Result<(), MasterError> {
        self.number += 1;
        let key = row.key();
        if !self.wanted.is_wanted(&key) {
            return Ok(());
        }
        let (symbol, instrument) = row.instrument(key.clone()).map_err(|(field, value)| {
            let value = value.chars().take(SHOWN).collect();
            MasterError::Entry { number: self.number, key: key.clone(), field, value }
        })?;
        self.wanted.put(&key, symbol, instrument);
        Ok(())
    }
}

impl<'de> Visitor<'de> for &mut Rows<'_> {
    type Value = ();

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("an array of instruments")
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut seq: A) -> Result<(), A::Error> {
        while let Some(row) = seq.next_element::<Row>()? {
            if let Err(error) = self.take(&row) {
                self.error = Some(error);
                return Err(A::Error::custom("instrument"));
            }
        }
        Ok(())
    }
}

impl Row {
    /// As the exchange names it: shares of the main series without their series, indices by their short name.
    fn key(&self) -> String {
        let symbol = match self.instrumenttype.as_str() {
            "AMXIDX" => &self.name,
            _ if self.exch_seg == "NSE" => self.symbol.strip_suffix("-EQ").unwrap_or(&self.symbol),
            _ => &self.symbol,
        };
        format!("{}:{symbol}", self.exch_seg)
    }

    fn instrument(&self, key: String) -> Result<(String, Instrument), (&'static str, &str)> {
        let exchange = (0..=u8::MAX).filter_map(Exchange::from_code).find(|it| it.prefix() == self.exch_seg);
        let exchange = exchange.ok_or(("exch_seg", self.exch_seg.as_str()))?;
        let is_token = self.token.len() <= TOKEN_BYTES && self.token.parse::<u64>().is_ok();
        if !is_token {
            return Err(("token", &self.token));
        }
        let right = match (self.instrumenttype.starts_with("OPT"), self.symbol.get(self.symbol.len().max(2) - 2..)) {
            (true, Some("CE")) => Some(OptionRight::Call),
            (true, Some("PE")) => Some(OptionRight::Put),
            _ => None,
        };
        let expiry = match self.expiry.as_str() {
            "" => None,
            text => Some(Date::strptime("%d%b%Y", text).map_err(|_| ("expiry", text))?),
        };
        let base = if expiry.is_some() { &self.name } else { key.split_once(':').map_or("", |(_, symbol)| symbol) };
        let mut instrument = named(key.clone(), "ANGEL", base, exchange.price_decimals());
        let is_of_shares = matches!(exchange, Exchange::NseCm | Exchange::NseFo | Exchange::BseCm | Exchange::BseFo);
        let mut strike = None;
        // Elsewhere the unit of these numbers is not told.
        if is_of_shares && self.instrumenttype != "AMXIDX" {
            instrument.tick = paise(&self.tick_size).ok_or(("tick_size", self.tick_size.as_str()))?;
            instrument.lot = qty(&self.lotsize).ok_or(("lotsize", self.lotsize.as_str()))?;
            instrument.multiplier = Qty::from_raw(100_000_000);
            if right.is_some() {
                strike = paise(&self.strike).ok_or(("strike", self.strike.as_str()))?;
            }
        }
        let expiry_days = expiry.map(|date| (date - Date::constant(1970, 1, 1)).get_days());
        instrument.terms = Terms { expiry_days, strike, right };
        Ok((format!("{}:{}", exchange.code(), self.token), instrument))
    }
}

/// A price that is written in paise.
fn paise(text: &str) -> Option<Option<Price>> {
    let Some(paise) = price(text)? else { return Some(None) };
    let raw = (paise.raw() % 100 == 0).then_some(paise.raw() / 100)?;
    Price::from_raw(raw).map(Some)
}
