//! Where market data comes from: venue sessions and codecs, and the captures they are tested on.
//!
//! - [`binance`]: spot, USD-M and COIN-M futures. [`kite`], [`angel`]: Indian exchanges through two brokers, which
//!   send packets: [`packet`].
//! - [`capture`]: recorded venue messages, one a line.
//! - [`catalog`]: what is known of instruments from dated files. [`sessions`]: when markets trade, likewise.
//! - [`session`]: what every venue's session is: sans-I/O, messages and times in, inputs and actions out.
//!   [`wire`]: what all codecs share.

pub mod angel;
pub mod binance;
pub mod capture;
pub mod catalog;
pub mod kite;
pub mod packet;
pub mod session;
pub mod sessions;
pub mod wire;

pub use session::{Action, FrameError, Payload, Session};
pub use wire::{Decimals, WireLevel};

#[cfg(test)]
#[path = "../../tests/cases.rs"]
mod cases;
