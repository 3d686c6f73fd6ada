//! Kraken spot, WebSocket v2, and the book of v1.
//!
//! A book message carries no number: the proof that nothing is missing is a CRC-32 over the best ten levels
//! of each side. A session therefore keeps a book of its own, and passes on those ten levels, and only where
//! the checksum holds.
//!
//! Rules: <https://docs.kraken.com/exchange/guides/websockets/book-checksum-v2>,
//! <https://docs.kraken.com/exchange/guides/websockets/book-checksum-v1>.

pub mod book;
pub mod codec;
#[cfg(test)]
mod naive;
pub mod session;
mod subscription;
mod symbol;
mod v1;
mod v2;
mod written;

use codec::BookLevel;
pub use codec::DecodeError;
pub use session::{KrakenSession, Settings};
use tidegate_core::Side;
pub use written::Written;

/// Which protocol a connection speaks.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Version {
    /// v1: only the book is read. It names bitcoin `XBT`.
    V1,
    /// v2: book, trades and ticker. It names bitcoin `BTC`.
    V2,
}

impl Version {
    /// Where to connect.
    pub const fn url(self) -> &'static str {
        match self {
            Version::V1 => "wss://ws.kraken.com",
            Version::V2 => "wss://ws.kraken.com/v2",
        }
    }
}

/// How many levels of each side are subscribed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Depth(u16);

/// The depths that the venue offers.
const OFFERED: [u16; 5] = [10, 25, 100, 500, 1_000];

impl Depth {
    /// As many levels as the checksum covers: every level that is sent is proved.
    pub const CHECKED: Depth = Depth(10);

    /// One of the depths that the venue offers: 10, 25, 100, 500, 1000.
    pub fn new(levels: u16) -> Option<Depth> {
        OFFERED.contains(&levels).then_some(Depth(levels))
    }

    /// The smallest depth that a snapshot with these levels can be of.
    fn of_snapshot(levels: &[BookLevel]) -> Depth {
        let count = |side| levels.iter().filter(|level| level.side == side).count();
        let longer = count(Side::Bid).max(count(Side::Ask));
        Depth(OFFERED.into_iter().find(|&offered| longer <= usize::from(offered)).unwrap_or(1_000))
    }

    /// The number of levels.
    pub const fn levels(self) -> usize {
        self.0 as usize
    }
}
