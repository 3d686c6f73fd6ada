//! Angel One SmartStream (WebSocket 2.0): binary packets, one a message.
//!
//! Sources: the vendor's page "WebSocket Streaming 2.0"
//! (<https://smartapi.angelbroking.com/docs/WebSocket2>) and its clients for Python and Java. The packets
//! of modes 1 to 3 are numbered per token, those of an index and of mode 4 are not; nothing that was missed
//! can be asked for.

pub mod codec;
#[cfg(test)]
pub(crate) mod encoder;
pub mod session;

pub use codec::DecodeError;
pub use session::AngelSession;

/// How much of an instrument is asked for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u8)]
pub enum Mode {
    /// The last price.
    Ltp = 1,
    /// And the totals of the day.
    Quote = 2,
    /// And five levels a side and open interest.
    SnapQuote = 3,
    /// Twenty levels a side and nothing else.
    Depth20 = 4,
}

impl Mode {
    /// The mode of this code.
    pub const fn from_code(code: u8) -> Option<Mode> {
        Some(match code {
            1 => Mode::Ltp,
            2 => Mode::Quote,
            3 => Mode::SnapQuote,
            4 => Mode::Depth20,
            _ => return None,
        })
    }

    /// The code, in requests and in packets.
    pub const fn code(self) -> u8 {
        self as u8
    }
}

/// Where an instrument is traded.
#[expect(missing_docs, reason = "the names are the venue's")]
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
#[repr(u8)]
pub enum Exchange {
    NseCm = 1,
    NseFo = 2,
    BseCm = 3,
    BseFo = 4,
    McxFo = 5,
    NcxFo = 7,
    CdeFo = 13,
}

impl Exchange {
    /// The exchange of this code.
    pub const fn from_code(code: u8) -> Option<Exchange> {
        Some(match code {
            1 => Exchange::NseCm,
            2 => Exchange::NseFo,
            3 => Exchange::BseCm,
            4 => Exchange::BseFo,
            5 => Exchange::McxFo,
            7 => Exchange::NcxFo,
            13 => Exchange::CdeFo,
            _ => return None,
        })
    }

    /// The code, in requests and in packets.
    pub const fn code(self) -> u8 {
        self as u8
    }

    /// The market's part of an instrument key, for a token that no file names.
    pub const fn prefix(self) -> &'static str {
        match self {
            Exchange::NseCm => "NSE",
            Exchange::NseFo => "NFO",
            Exchange::BseCm => "BSE",
            Exchange::BseFo => "BFO",
            Exchange::McxFo => "MCX",
            Exchange::NcxFo => "NCX",
            Exchange::CdeFo => "CDS",
        }
    }

    /// Units of 10⁻⁹ in one step of a price on the wire: paise, and 10⁻⁷ rupees for currency derivatives.
    pub const fn price_unit(self) -> i64 {
        match self {
            Exchange::CdeFo => 100,
            _ => 10_000_000,
        }
    }

    /// Decimals of a price: currencies move in steps of 0.0025.
    pub const fn price_decimals(self) -> u8 {
        match self {
            Exchange::CdeFo => 4,
            _ => 2,
        }
    }
}
