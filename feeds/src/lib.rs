//! Where market data comes from: venue sessions and codecs, and the captures they are tested on.
//!
//! - [`binance`]: spot, USD-M and COIN-M futures.
//! - [`capture`]: recorded venue messages, one a line.
//! - [`catalog`]: what is known of instruments from dated files.
//! - [`sim`]: the simulated market, from a seed.
//! - [`session`]: what every venue's session is: sans-I/O, messages and times in, inputs and actions out.
//!   [`wire`]: what all codecs share.

pub mod binance;
pub mod capture;
pub mod catalog;
pub mod session;
pub mod sim;
pub mod wire;

pub use session::{Action, FrameError, Payload, Session};
pub use wire::{Decimals, WireLevel};

#[cfg(test)]
#[path = "../../tests/cases.rs"]
mod cases;
