//! What the codecs of all venues share.

use tidegate_core::{Price, Qty, Side};

/// Most decimals written in a message.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Decimals {
    /// Of its prices.
    pub price: u8,
    /// Of its quantities.
    pub qty: u8,
}

impl Decimals {
    /// The larger of each.
    #[must_use]
    pub fn max(self, other: Decimals) -> Decimals {
        Decimals { price: self.price.max(other.price), qty: self.qty.max(other.qty) }
    }
}

/// One level as the venue sent it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct WireLevel {
    /// Which side.
    pub side: Side,
    /// Price.
    pub price: Price,
    /// Absolute quantity; zero removes the level.
    pub qty: Qty,
}
