//! What a book's levels say about trading on them: exact decimals, from one view of both sides.
//!
//! - mid: `(bid + ask) / 2`; spread: `ask - bid`; in basis points: of the mid.
//! - microprice: `(bid * ask_qty + ask * bid_qty) / (bid_qty + ask_qty)`, the mid weighted by the opposite
//!   quantities (Stoikov 2018 begins with it).
//! - imbalance of n levels: `(bids - asks) / (bids + asks)` of their quantities, from -1 to 1.
//! - average price of a fill: `sum(price * qty) / sum(qty)`; of an inverse contract, whose worth is `qty / price`,
//!   `sum(qty) / sum(qty / price)`.
//! - slippage in basis points, positive where it costs: a buy's `(average - reference) / reference`, a sell's
//!   `(reference - average) / reference`.
//!
//! Nothing is concluded from beyond what is known. Sums are exact: a price is below 10^9, a quantity below 10^10,
//! a side has fewer than 10^5 levels, and all of that fits the 28 digits of a decimal.

use crate::wire::to_decimal;
use rust_decimal::{Decimal, RoundingStrategy};
use tidegate_core::{Instrument, Level, Price, Qty, Settlement};

/// Decimals of a ratio; halves are rounded away from zero.
const RATIO_DECIMALS: u32 = 4;

/// How much is to be traded.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Size {
    /// So many units of quantity.
    Qty(Decimal),
    /// What has this worth in the settlement currency, in whole lots, rounded down.
    Worth(Decimal),
}

impl Size {
    pub(super) fn times(self, factor: Decimal) -> Size {
        match self {
            Size::Qty(qty) => Size::Qty(qty * factor),
            Size::Worth(worth) => Size::Worth(worth * factor),
        }
    }
}

/// One side, as far as it is known.
#[derive(Clone, Copy, Debug)]
pub(super) struct Known<'a> {
    /// Best first.
    pub levels: &'a [Level],
    /// Where it ends; `None`: nowhere.
    pub to: Option<Price>,
}

impl Known<'_> {
    /// Quantity of all that is known.
    pub(super) fn qty(&self) -> Decimal {
        self.levels.iter().map(|level| qty(level.qty)).sum()
    }

    /// Quantity of the best `count` levels; `None` where fewer are known and there may be more.
    fn best(&self, count: usize) -> Option<Decimal> {
        let is_enough = self.levels.len() >= count || self.to.is_none();
        is_enough.then(|| self.levels.iter().take(count).map(|level| qty(level.qty)).sum())
    }

    /// Quantity of the levels that are no further than `bps` from `mid`; `None` where it is not known that far.
    /// `sign` is 1 for asks, -1 for bids.
    pub(super) fn within(&self, mid: Decimal, bps: u32, sign: i64) -> Option<Decimal> {
        let sign = Decimal::from(sign);
        let end = mid * (Decimal::ONE + sign * Decimal::new(i64::from(bps), 4));
        let is_within = |level_price: Price| (price(level_price) - end) * sign <= Decimal::ZERO;
        if self.to.is_some_and(|to| (price(to) - end) * sign < Decimal::ZERO) {
            return None;
        }
        Some(self.levels.iter().take_while(|level| is_within(level.price)).map(|level| qty(level.qty)).sum())
    }
}

/// What both best levels say.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Touch {
    pub bid: Decimal,
    pub ask: Decimal,
    pub mid: Decimal,
    pub spread: Decimal,
    pub spread_bps: Decimal,
    pub microprice: Decimal,
}

impl Touch {
    /// `None` where a side is empty, or the prices are such that ratios to them mean nothing.
    pub(super) fn new(bids: &[Level], asks: &[Level]) -> Option<Touch> {
        let (best_bid, best_ask) = (bids.first()?, asks.first()?);
        let (bid, ask) = (price(best_bid.price), price(best_ask.price));
        let (bid_qty, ask_qty) = (qty(best_bid.qty), qty(best_ask.qty));
        let mid = (bid + ask) / Decimal::TWO;
        if bid <= Decimal::ZERO {
            return None;
        }
        let microprice = (bid * ask_qty + ask * bid_qty).checked_div(bid_qty + ask_qty)?;
        Some(Touch { bid, ask, mid, spread: ask - bid, spread_bps: bps(ask - bid, mid), microprice })
    }
}

/// `(bids - asks) / (bids + asks)` of the best `count` levels; `None` where they are not known.
pub(super) fn imbalance(bids: Known<'_>, asks: Known<'_>, count: usize) -> Option<Decimal> {
    let (bids, asks) = (bids.best(count)?, asks.best(count)?);
    (bids - asks).checked_div(bids + asks).map(round_ratio)
}

/// A trade that takes the best levels of one side.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Fill {
    pub qty: Decimal,
    pub average: Decimal,
    /// The last price paid.
    pub worst: Decimal,
    pub levels: usize,
}

/// What taking `size` from `levels` comes to; `None` where the known levels do not hold that much, or it is less
/// than a lot.
pub(super) fn fill(levels: &[Level], size: Size, instrument: &Instrument) -> Option<Fill> {
    let (mut taken, mut parts, mut count, mut worst) = (Decimal::ZERO, Decimal::ZERO, 0, None);
    let mut rest = match size {
        Size::Qty(rest) => rest,
        Size::Worth(worth) => lots_worth(levels, worth, instrument)?,
    };
    let is_inverse = instrument.settlement == Settlement::Inverse;
    for level in levels {
        let (at, there) = (price(level.price), qty(level.qty));
        let take = rest.min(there);
        if take > Decimal::ZERO {
            taken += take;
            parts += if is_inverse { take.checked_div(at)? } else { at * take };
            (count, worst) = (count + 1, Some(at));
        }
        if rest <= there {
            let average = if is_inverse { taken.checked_div(parts)? } else { parts.checked_div(taken)? };
            return Some(Fill { qty: taken, average, worst: worst?, levels: count });
        }
        rest -= take;
    }
    None
}

/// The whole lots that so much buys or sells. An order is in lots; a level need not be, as its orders may be older than
/// the lot. `None` where the known levels do not hold them.
fn lots_worth(levels: &[Level], worth: Decimal, instrument: &Instrument) -> Option<Decimal> {
    let lot = instrument.lot.map_or(Decimal::new(1, u32::from(Qty::SCALE)), qty);
    let (mut held, mut rest) = (Decimal::ZERO, worth);
    for level in levels {
        let unit = unit_worth(price(level.price), instrument)?;
        let there = qty(level.qty);
        let lots = whole_lots(held.checked_add(rest.checked_div(unit)?)?, lot)?;
        if lots <= held + there {
            return Some(lots);
        }
        held += there;
        rest -= there * unit;
    }
    None
}

/// Worth of one unit in the settlement currency; `None` where the contract's facts are unknown.
fn unit_worth(at: Decimal, instrument: &Instrument) -> Option<Decimal> {
    let multiplier = qty(instrument.multiplier?);
    match instrument.settlement {
        Settlement::Linear => at.checked_mul(multiplier),
        Settlement::Inverse => multiplier.checked_div(at),
    }
}

fn whole_lots(qty: Decimal, lot: Decimal) -> Option<Decimal> {
    qty.checked_div(lot)?.floor().checked_mul(lot)
}

/// How much worse `average` is than `reference` for whoever trades, in basis points. `sign` is 1 for a buy, -1
/// for a sell.
pub(super) fn slippage_bps(average: Decimal, reference: Decimal, sign: i64) -> Decimal {
    bps((average - reference) * Decimal::from(sign), reference)
}

fn bps(part: Decimal, whole: Decimal) -> Decimal {
    part.checked_div(whole).map(|ratio| round_ratio(ratio * Decimal::from(10_000))).unwrap_or_default()
}

fn round_ratio(ratio: Decimal) -> Decimal {
    ratio.round_dp_with_strategy(RATIO_DECIMALS, RoundingStrategy::MidpointAwayFromZero)
}

/// An average or weighted price, rounded to four decimals beyond the tick's.
pub(super) fn round_price(value: Decimal, instrument: &Instrument) -> Decimal {
    let on_wire = u32::from(instrument.price_decimals);
    let decimals = instrument.tick.map_or(on_wire, |tick| price(tick).normalize().scale());
    value.round_dp_with_strategy(decimals + RATIO_DECIMALS, RoundingStrategy::MidpointAwayFromZero)
}

fn price(price: Price) -> Decimal {
    to_decimal(price.raw(), Price::SCALE)
}

pub(super) fn qty(qty: Qty) -> Decimal {
    to_decimal(qty.raw(), Qty::SCALE)
}

#[cfg(test)]
#[path = "liquidity_tests.rs"]
mod tests;
