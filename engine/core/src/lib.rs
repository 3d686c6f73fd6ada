//! The functional core: what the market is, given its inputs.
//!
//! - [`price`], [`time`], [`instrument`], [`event`]: the values.
//! - [`input`] and [`frame`]: everything that can change the state, and its golden encoding.
//! - [`book`], [`bar`], [`recent`], [`stream`], [`market`]: the state.
//! - [`indicator`]: functions of series, one value at a time. [`expression`]: trees of them, compiled and evaluated.
//! - [`condition`]: expressions that the engine evaluates as bars close.
//! - [`microstructure`]: what the order book and the trades tell, event by event. [`meter`]: the same of a stream, for
//!   readers.
//! - [`matching`]: a book of orders as an exchange keeps it; the simulated one trades on it.
//! - [`engine`]: the total order of inputs. [`head`]: the state written down. [`digest`]: its hash.
//! - [`mod@ring`], [`inlets`], [`mod@board`]: from the connections to the engine's thread, and from it to all readers.
//!
//! Nothing here reads a clock, a file, a socket or a random number.

pub mod bar;
pub mod board;
pub mod book;
pub mod condition;
mod deadlines;
pub mod digest;
pub mod engine;
pub mod event;
pub mod expression;
pub mod frame;
pub mod head;
pub mod indicator;
pub mod inlets;
pub mod input;
pub mod instrument;
pub mod market;
pub mod matching;
pub mod meter;
pub mod microstructure;
pub mod price;
pub mod recent;
pub mod ring;
mod seqlock;
pub mod stream;
pub mod time;

#[cfg(test)]
#[expect(clippy::disallowed_methods, reason = "how long a test runs is asked of its environment")]
#[path = "../../../tests/cases.rs"]
mod cases;

pub use bar::{Bar, BarFlags, BarSeries, INTERVALS, Interval};
pub use blake3::Hash as Digest;
pub use board::{BOARD_LEVELS, BoardReader, BoardWriter, SideSnapshot, Snapshot, TradeSnapshot, Unread, board};
pub use book::{Book, Known, Level, Top};
pub use engine::{Engine, EngineError, Observer, Stamped};
pub use event::{Body, Event, Family, Flags, Side};
pub use frame::Frame;
pub use inlets::Inlets;
pub use input::{Fact, Gap, GapCause, Input};
pub use instrument::{Instrument, InstrumentId, OptionRight, Settlement, Terms};
pub use market::{Bounds, Counters, Effect, Market, MessageEnd};
pub use meter::{BucketOf, FlowReport};
pub use price::{Notional, NumberError, Parsed, Price, Qty};
pub use recent::RecentTrades;
pub use ring::{Received, RingConsumer, RingProducer, ring};
pub use stream::{LastTrade, Quote, Stream, StreamState};
pub use time::Nanos;
