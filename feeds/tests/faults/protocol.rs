//! What a venue is to the world: the truth, and how it is told.

use crate::truth::{Scale, Truth};
use tidegate_core::{Input, Instrument, InstrumentId, Market, Nanos};
use tidegate_feeds::Session;
use tidegate_feeds::link::Limits;

#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Frame {
    Text(String),
    Binary(Vec<u8>),
}

impl Frame {
    /// What a cut leaves of it.
    pub fn truncate(&mut self) {
        match self {
            Frame::Text(text) => text.truncate(text.len() / 2),
            Frame::Binary(bytes) => bytes.truncate(bytes.len() / 2),
        }
    }
}

/// A message and what it says, where it is market data.
#[derive(Clone, Debug)]
pub struct Message<N> {
    pub connection: u64,
    pub frame: Frame,
    pub note: Option<N>,
}

/// A venue's protocol, from the venue's end. It keeps the truth, and tells it to whoever subscribed.
pub trait Protocol: Sized {
    /// What a message of market data says.
    type Note: Clone + std::fmt::Debug;

    const LIMITS: Limits;
    /// How long a connection may say nothing before it has to be given up.
    const MUTE_MAX: Nanos;
    /// How often the venue says that it lives.
    const BEAT: Nanos;
    /// The venue proves its trades by numbers.
    const HAS_TRADE_IDS: bool;
    const SYMBOLS: usize;
    /// A venue that shows its best levels alone may be silent for so many times longer than others.
    const SILENCE_FACTOR: i64 = 12;

    fn new(seed: u64) -> Self;
    fn session() -> Box<dyn Session>;
    fn symbols() -> Vec<(String, Instrument)>;
    /// Something happens on the market.
    fn act(&mut self, now: Nanos);
    /// Tells what happened.
    fn publish(&mut self, now: Nanos, out: &mut Vec<Message<Self::Note>>);
    fn beat(&mut self, connections: &[u64], out: &mut Vec<Message<Self::Note>>);
    /// Takes a request; with `refuse` it is answered by an error, if by anything.
    fn receive(&mut self, now: Nanos, connection: u64, text: &str, refuse: bool, out: &mut Vec<Message<Self::Note>>);
    fn forget(&mut self, connection: u64);
    /// The answer to a fetch, `age` updates old.
    fn snapshot(&mut self, _symbol: &str, _age: u64) -> String {
        unreachable!("nothing is fetched from this venue")
    }
    /// Writes a wrong checksum into the next book.
    fn spoil_checksum(&mut self) -> bool {
        false
    }
    /// Writes times in a wrong unit into whatever is written until the next call; false where there is none.
    fn spoil_time(&mut self, is_wrong: bool) -> bool;
    /// Says that the venue ends a connection.
    fn farewell(&self) -> Option<Frame> {
        None
    }
    /// Takes note of what the link has told of losses, whatever brought them.
    fn note_losses(&mut self, _inputs: &[Input], _market: &Market) {}
    /// What one delivered message must have come to.
    fn judge(&mut self, delivery: &Delivery<'_, Self::Note>);
    /// The book of a symbol, where it is live, is the truth that it claims to be.
    fn check_book(&mut self, id: InstrumentId, market: &Market);
    /// What a live quote says is the truth that it claims to be.
    fn check_quote(&mut self, id: InstrumentId, market: &Market);
    /// Everything was delivered and nothing happens any more: what is shown is what is.
    fn check_end(&mut self, id: InstrumentId, market: &Market);
    /// The latest trade of a symbol, and any of them.
    fn trades(&self, id: InstrumentId) -> &Truth;
    fn scale() -> Scale;
}

/// A message as the link has taken it.
pub struct Delivery<'a, N> {
    pub note: &'a N,
    /// The book's update id of each symbol before it.
    pub sequences: &'a [Option<u64>],
    pub inputs: &'a [Input],
    pub market: &'a Market,
}
