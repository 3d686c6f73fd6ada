//! Zerodha Kite: the ticker's binary packets.
//!
//! Sources: <https://kite.trade/docs/connect/v3/websocket/>, and the vendor's own clients for Go and Python. The
//! ticker numbers nothing, confirms nothing and states whole seconds: what shows a loss is a count of the
//! day's volume that jumps, and silence.

pub mod codec;
#[cfg(test)]
pub(crate) mod encoder;
pub mod session;

pub use codec::DecodeError;
pub use session::KiteSession;

/// How much of an instrument is asked for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Mode {
    /// The last price.
    Ltp,
    /// And the totals of the day.
    Quote,
    /// And five levels a side, open interest and times.
    Full,
}

impl Mode {
    /// The name in a request.
    pub const fn name(self) -> &'static str {
        match self {
            Mode::Ltp => "ltp",
            Mode::Quote => "quote",
            Mode::Full => "full",
        }
    }
}

/// Where an instrument is traded: the low byte of its token.
#[expect(missing_docs, reason = "the names are the venue's")]
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u8)]
pub enum Segment {
    Nse = 1,
    Nfo = 2,
    Cds = 3,
    Bse = 4,
    Bfo = 5,
    Bcd = 6,
    Mcx = 7,
    Mcxsx = 8,
    Indices = 9,
    Nco = 12,
}

impl Segment {
    /// The segment of a token.
    pub const fn of(token: u32) -> Option<Segment> {
        Some(match token & 0xff {
            1 => Segment::Nse,
            2 => Segment::Nfo,
            3 => Segment::Cds,
            4 => Segment::Bse,
            5 => Segment::Bfo,
            6 => Segment::Bcd,
            7 => Segment::Mcx,
            8 => Segment::Mcxsx,
            9 => Segment::Indices,
            12 => Segment::Nco,
            _ => return None,
        })
    }

    /// The market's part of an instrument key, for a token that no file names. Indices of NSE and BSE share a
    /// segment, so theirs cannot be told.
    pub const fn prefix(self) -> &'static str {
        match self {
            Segment::Nse => "NSE",
            Segment::Nfo => "NFO",
            Segment::Cds => "CDS",
            Segment::Bse => "BSE",
            Segment::Bfo => "BFO",
            Segment::Bcd => "BCD",
            Segment::Mcx => "MCX",
            Segment::Mcxsx => "MCXSX",
            Segment::Indices => "INDICES",
            Segment::Nco => "NCO",
        }
    }

    /// Units of 10⁻⁹ in one step of a price on the wire: the venue divides by 10⁷ in currency derivatives of
    /// NSE, by 10⁴ in those of BSE and in commodities of NSE, and by 100 elsewhere.
    pub const fn price_unit(self) -> i64 {
        match self {
            Segment::Cds => 100,
            Segment::Bcd | Segment::Nco => 100_000,
            _ => 10_000_000,
        }
    }

    /// Decimals of a price: currencies move in steps of 0.0025.
    pub const fn price_decimals(self) -> u8 {
        match self {
            Segment::Cds | Segment::Bcd => 4,
            _ => 2,
        }
    }
}
