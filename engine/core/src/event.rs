//! Market data, as small fixed-size values.

use crate::instrument::InstrumentId;
use crate::price::{Price, Qty};
use crate::time::Nanos;

/// A side of a book, or the aggressor's side of a trade.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[repr(u8)]
pub enum Side {
    /// Buyers.
    Bid = 0,
    /// Sellers.
    Ask = 1,
}

impl Side {
    /// Both sides, bids first.
    pub const BOTH: [Side; 2] = [Side::Bid, Side::Ask];

    /// The side with this code.
    pub const fn from_code(code: u8) -> Option<Side> {
        match code {
            0 => Some(Side::Bid),
            1 => Some(Side::Ask),
            _ => None,
        }
    }

    /// The other side.
    #[must_use]
    pub const fn opposite(self) -> Side {
        match self {
            Side::Bid => Side::Ask,
            Side::Ask => Side::Bid,
        }
    }

    /// 0 for bids, 1 for asks.
    pub const fn code(self) -> u8 {
        self as u8
    }
}

/// Marks on an [`Event`].
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub struct Flags(u8);

impl Flags {
    /// No mark.
    pub const NONE: Flags = Flags(0);
    /// The last event of one venue message: only after it may a reader look.
    pub const LAST: Flags = Flags(1);
    /// Part of a snapshot, not of a change.
    pub const SNAPSHOT: Flags = Flags(2);
    /// The message bears no venue time: `venue_ts` is the receive time.
    pub const TIME_RECEIVED: Flags = Flags(4);
    /// With its [`Flags::LAST`] the book holds the venue's best levels and no other: it is complete to its worst
    /// level, and says nothing about what lies beyond. For feeds that show or prove only so many levels, which
    /// must be no more than a book may keep. Beside [`Flags::SNAPSHOT`] it begins a book by itself, so that no
    /// reader ever sees it between [`Body::Clear`] and the end of the message.
    pub const COMPLETE: Flags = Flags(8);
    /// Worked out from totals, as the venue sends no trade stream: a trade stands for all since the packet
    /// before, at the last price, and its side is a guess.
    pub const DERIVED: Flags = Flags(16);

    /// The flags with these bits; `None` where a bit has no meaning.
    pub const fn from_bits(bits: u8) -> Option<Flags> {
        if bits < 32 { Some(Flags(bits)) } else { None }
    }

    /// The bits.
    pub const fn bits(self) -> u8 {
        self.0
    }

    /// True where every mark of `other` is set.
    pub const fn has(self, other: Flags) -> bool {
        self.0 & other.0 == other.0
    }

    /// Both sets of marks.
    #[must_use]
    pub const fn with(self, other: Flags) -> Flags {
        Flags(self.0 | other.0)
    }
}

/// What happened. New bodies are appended, never renumbered: see [`Body::kind`].
#[expect(missing_docs, reason = "the line of a variant tells its fields")]
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Body {
    /// A price level's absolute quantity; 0 removes it. `orders` is 0 where the venue does not count.
    Level { side: Side, orders: u32, price: Price, qty: Qty },
    /// A trade; `side` is the aggressor's.
    Trade { side: Side, price: Price, qty: Qty, trade_id: u64 },
    /// Best bid and ask as the venue states them.
    Quote { bid: Price, bid_qty: Qty, ask: Price, ask_qty: Qty },
    /// Open, high, low and previous close of the day.
    Ohlc { open: Price, high: Price, low: Price, close: Price },
    /// Totals of the day and the last trade of a venue that sends no trade stream; `last_time` is zero where
    /// the venue does not tell it.
    Day { volume: Qty, average: Price, last_qty: Qty, last_time: Nanos },
    /// Total quantity waiting on each side of the whole book.
    Pressure { buy: Qty, sell: Qty },
    /// Open interest and its extremes of the day, which are zero where the venue does not tell them.
    Interest { oi: Qty, high: Qty, low: Qty },
    /// Opens a venue message that has a sequence: its first and last update id (Binance `U`, `u`).
    /// It belongs to the family of the event that follows it; alone, to the book.
    Message { first: u64, last: u64 },
    /// The book is unknown until the snapshot that follows.
    Clear,
}

/// The families that a venue orders only within themselves.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[repr(u8)]
pub enum Family {
    /// Levels and what frames them.
    Book = 0,
    /// Trades.
    Trades = 1,
    /// Best bid and ask.
    Quotes = 2,
    /// Statistics of the day.
    Statistics = 3,
}

impl Family {
    /// Every family, by code.
    pub const ALL: [Family; 4] = [Family::Book, Family::Trades, Family::Quotes, Family::Statistics];

    /// The family with this code.
    pub fn from_code(code: u8) -> Option<Family> {
        Family::ALL.get(usize::from(code)).copied()
    }

    /// The code, also the position in [`Family::ALL`].
    pub const fn code(self) -> u8 {
        self as u8
    }

    /// The name shown to people: `book`, `trades`, `quotes`, `statistics`.
    pub const fn name(self) -> &'static str {
        match self {
            Family::Book => "book",
            Family::Trades => "trades",
            Family::Quotes => "quotes",
            Family::Statistics => "statistics",
        }
    }
}

impl Body {
    /// The number of this body on the tape and in the `kind` column.
    pub const fn kind(&self) -> u16 {
        match self {
            Body::Level { .. } => 1,
            Body::Trade { .. } => 2,
            Body::Quote { .. } => 3,
            Body::Ohlc { .. } => 4,
            Body::Day { .. } => 5,
            Body::Pressure { .. } => 6,
            Body::Interest { .. } => 7,
            Body::Message { .. } => 8,
            Body::Clear => 9,
        }
    }

    /// The family, or `None` for a [`Body::Message`], whose family the next event tells.
    pub const fn family(&self) -> Option<Family> {
        match self {
            Body::Level { .. } | Body::Clear => Some(Family::Book),
            Body::Trade { .. } => Some(Family::Trades),
            Body::Quote { .. } => Some(Family::Quotes),
            Body::Ohlc { .. } | Body::Day { .. } | Body::Pressure { .. } | Body::Interest { .. } => {
                Some(Family::Statistics)
            }
            Body::Message { .. } => None,
        }
    }
}

/// One step of a market: a cache line, copied freely.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Event {
    /// The instrument it belongs to.
    pub id: InstrumentId,
    /// Marks.
    pub flags: Flags,
    /// The venue's clock, or the receive time under [`Flags::TIME_RECEIVED`].
    pub venue_ts: Nanos,
    /// Our clock when the message arrived.
    pub receive_ts: Nanos,
    /// What happened.
    pub body: Body,
}

const _: () = assert!(size_of::<Event>() == 64);
