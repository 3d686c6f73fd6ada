//! Where market data comes from: venue sessions and codecs, and the captures they are tested on.
//!
//! - [`binance`]: spot, USD-M and COIN-M futures. [`kraken`]: spot, with books that a checksum proves. [`kite`],
//!   [`angel`]: Indian exchanges through two brokers, which send packets: [`packet`].
//! - [`capture`]: recorded venue messages, one a line.
//! - [`catalog`]: what is known of instruments from dated files. [`index`]: who is in which index, [`sessions`]: when markets
//!   trade, likewise.
//! - [`credentials`]: what brokers let their customers in with. [`master`]: what a broker's own list of instruments
//!   says of those that are wanted.
//! - [`session`]: what every venue's session is: sans-I/O, messages and times in, inputs and actions out.
//!   [`wire`]: what all codecs share.
//! - [`link`]: a connection's life, still without I/O: back-off, budgets, liveness, rollover.
//!   [`driver`]: the sockets. [`venue`]: what each venue allows, and where it is.
//! - [`exchange`]: the other end of them, in the box. [`sim`]: the simulated market behind it, from a seed.

#![allow(clippy::disallowed_types, reason = "connections share budgets; the engine path is not here")]

pub mod angel;
pub mod binance;
pub mod capture;
pub mod catalog;
mod clock;
pub mod credentials;
pub mod driver;
pub mod exchange;
pub mod index;
mod json;
pub mod kite;
pub mod kraken;
pub mod link;
pub mod master;
mod numbering;
pub mod packet;
mod requests;
pub mod session;
pub mod sessions;
pub mod sim;
pub mod venue;
pub mod wire;

pub use session::{Action, FrameError, Payload, Reason, Session};
pub use wire::{Decimals, WireLevel};

/// How many cases a long test runs.
#[cfg(test)]
#[path = "../../tests/cases.rs"]
mod cases;
