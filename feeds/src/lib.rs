//! Where market data comes from: venue sessions and codecs, and the captures they are tested on.
//!
//! - [`binance`]: spot, USD-M and COIN-M futures.
//! - [`capture`]: recorded venue messages, one a line.
//! - [`catalog`]: what is known of instruments from dated files.
//!
//! A session is sans-I/O: frames and times go in, [`tidegate_core::Input`]s and [`Action`]s come out.

pub mod binance;
pub mod capture;
pub mod catalog;

/// What a session asks of whoever carries its bytes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Action {
    /// Fetch the order book snapshot of this venue symbol and hand it in as a frame.
    FetchSnapshot(String),
}
