//! What is traded: identity, facts that an order needs, and the worth of a quantity.

use crate::price::{Notional, Price, Qty};
use std::fmt;

/// Dense index of an instrument within one tape: an index, not a hash key.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct InstrumentId(pub u32);

impl InstrumentId {
    /// The position in a `Vec` by dense id.
    pub const fn index(self) -> usize {
        self.0 as usize
    }
}

/// How a contract's worth follows its price.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Settlement {
    /// Worth `price · qty · multiplier`, in the quote currency.
    Linear,
    /// Worth `qty · multiplier / price`, in the base currency (Binance COIN-M: the multiplier is the
    /// contract size in quote currency).
    Inverse,
}

/// A call or a put.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum OptionRight {
    /// The right to buy.
    Call,
    /// The right to sell.
    Put,
}

/// The terms that an option or a dated future has beyond its underlying.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Default)]
pub struct Terms {
    /// Expiry, in days since the Unix epoch (venue's calendar).
    pub expiry_days: Option<i32>,
    /// Strike price.
    pub strike: Option<Price>,
    /// Call or put.
    pub right: Option<OptionRight>,
}

/// An instrument as one source describes it.
///
/// `tick`, `lot` and `multiplier` are `None` where no master names them: such an instrument can be
/// watched and replayed, never ordered.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Instrument {
    /// `MARKET:SYMBOL`, such as `BINANCE:BTCUSDT`.
    pub key: String,
    /// Whose feed this is (`BINANCE`, `KITE`, `SIM`): one key may have a book per source.
    pub source: String,
    /// Smallest price step.
    pub tick: Option<Price>,
    /// Smallest quantity step.
    pub lot: Option<Qty>,
    /// Contract multiplier, in units of 10⁻⁸; 1 for spot.
    pub multiplier: Option<Qty>,
    /// Linear or inverse.
    pub settlement: Settlement,
    /// Base currency, empty where unknown.
    pub base: String,
    /// Quote currency, empty where unknown.
    pub quote: String,
    /// Decimals of a price as this venue writes it.
    pub price_decimals: u8,
    /// Decimals of a quantity as this venue writes it.
    pub qty_decimals: u8,
    /// Expiry, strike and right.
    pub terms: Terms,
    /// Day of the instrument master that these facts come from, in days since the Unix epoch;
    /// `None` where no master named the instrument.
    pub master_epoch_days: Option<i32>,
}

impl Instrument {
    /// Worth of `qty` at `price` in the currency the instrument settles in, rounded away from zero;
    /// `None` where the multiplier is unknown, an inverse price is not positive, or the product does
    /// not fit.
    pub fn notional(&self, price: Price, qty: Qty) -> Option<Notional> {
        const ONE: i128 = 10i128.pow(Qty::SCALE as u32);
        let contracts = i128::from(qty.raw()).checked_mul(i128::from(self.multiplier?.raw()))?;
        let price = i128::from(price.raw());
        let raw = match self.settlement {
            Settlement::Linear => div_away(contracts.checked_mul(price)?, ONE)?,
            // qty·10⁻⁸ · multiplier·10⁻⁸ / price·10⁻⁹, in units of 10⁻¹⁷.
            Settlement::Inverse if price > 0 => div_away(contracts.checked_mul(10i128.pow(10))?, price)?,
            Settlement::Inverse => return None,
        };
        Some(Notional::from_raw(raw))
    }

    /// The currency that [`Instrument::notional`] is in.
    pub fn settlement_currency(&self) -> &str {
        match self.settlement {
            Settlement::Linear => &self.quote,
            Settlement::Inverse => &self.base,
        }
    }
}

impl fmt::Display for Instrument {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}@{}", self.key, self.source)
    }
}

/// Division that rounds away from zero: a worth is never understated. `divisor` is positive.
fn div_away(value: i128, divisor: i128) -> Option<i128> {
    let quotient = value.checked_div(divisor)?;
    Some(if value % divisor == 0 { quotient } else { quotient + value.signum() })
}

#[cfg(test)]
pub(crate) mod tests {
    use super::*;

    /// A spot instrument for tests of this crate.
    pub fn spot(key: &str) -> Instrument {
        Instrument {
            key: key.to_owned(),
            source: "BINANCE".to_owned(),
            tick: Price::from_raw(10_000_000),
            lot: Qty::from_raw(1_000),
            multiplier: Qty::from_raw(100_000_000),
            settlement: Settlement::Linear,
            base: "BTC".to_owned(),
            quote: "USDT".to_owned(),
            price_decimals: 8,
            qty_decimals: 8,
            terms: Terms::default(),
            master_epoch_days: Some(19_943),
        }
    }

    fn price(text: &str) -> Price {
        Price::parse(text.as_bytes()).unwrap().value
    }

    fn qty(text: &str) -> Qty {
        Qty::parse(text.as_bytes()).unwrap().value
    }

    #[test]
    fn linear_worth_is_price_times_quantity() {
        let worth = spot("BINANCE:BTCUSDT").notional(price("61602.01"), qty("1.5"));
        assert_eq!(worth, Some(Notional::from_raw(92_403_015 * 10i128.pow(14))));
    }

    #[test]
    fn inverse_worth_is_contracts_over_price_rounded_up() {
        let perp = Instrument {
            multiplier: Some(qty("100")),
            settlement: Settlement::Inverse,
            quote: "USD".to_owned(),
            ..spot("BINANCE-COINM:BTCUSD_PERP")
        };
        // 27 contracts of 100 USD at 61,600 USD: 2700 / 61600 = 0.043831168831168831168… BTC.
        assert_eq!(perp.notional(price("61600"), qty("27")), Some(Notional::from_raw(4_383_116_883_116_884)));
        assert_eq!(perp.settlement_currency(), "BTC");
        assert_eq!(perp.notional(price("0"), qty("27")), None);
    }

    #[test]
    fn an_unknown_multiplier_or_a_product_beyond_reach_has_no_worth() {
        let unknown = Instrument { multiplier: None, ..spot("BINANCE:NEWUSDT") };
        assert_eq!(unknown.notional(price("1"), qty("1")), None);
        let huge = Instrument { multiplier: Some(qty("999999999")), ..spot("BINANCE:BTCUSDT") };
        assert_eq!(huge.notional(price("999999999"), qty("9999999999")), None);
    }
}
