//! The simulated market: seeded agents on the matching engine, and a past that fits them.
//!
//! - [`universe`]: what is listed, from dated files. Every price in it is invented, and says so.
//! - [`history`]: bars of the past, a pure function of seed, instrument, interval and time.
//! - [`market`]: the market itself, in virtual time. One seed, start and universe give one stream of
//!   outputs, byte for byte, however the time is cut into steps.
//!
//! Simulated instruments trade at all hours, by their own session table: [`universe::Hours`].

mod agents;
mod chance;
pub mod history;
pub mod market;
mod pit;
pub mod universe;

pub use market::{Command, Day, Output, Settings, SimMarket, StartError, UnknownInstrument, What};
pub use universe::{Hours, Listing, SOURCE, Universe, UniverseError};
