//! What every venue's session is to whoever carries its bytes.

use crate::json;
use crate::wire::Decimals;
use tidegate_core::{Family, Input, Instrument, InstrumentId, Nanos};

/// One message of a connection.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Payload<'a> {
    /// Text, not yet checked to be UTF-8.
    Text(&'a [u8]),
    /// Binary.
    Binary(&'a [u8]),
}

/// What a session asks of whoever carries its bytes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Action {
    /// Send this text message.
    Send(String),
    /// Fetch the order book snapshot of this venue symbol; hand it to [`Session::handle_snapshot`].
    FetchSnapshot(String),
    /// Close this connection and open another; the text says why.
    Reconnect(&'static str),
}

/// Why a codec or a venue refuses something.
pub type Reason = Box<dyn std::error::Error + Send + Sync>;

/// Why a frame gave nothing, or not all that it holds.
#[derive(Debug, thiserror::Error)]
pub enum FrameError {
    /// It is not a message of the venue; the venue's codec says why.
    #[error(transparent)]
    Decode(Reason),
    /// Some of its packets could not be read and were passed over alone: the others were taken.
    #[error("{count} of its packets passed over: {first}")]
    Partial {
        /// How many.
        count: u64,
        /// Whose the first one was, and what is wrong with it.
        first: Reason,
    },
    /// It holds what may be a real value and cannot be represented: its stream is closed for good, as a gap in `out`
    /// tells, and nothing is asked for it any more. A stream says so once.
    #[error(
        "{symbol}: {} closed for good, a value cannot be represented (prices: nine decimals, below 10^9; \
         quantities: eight decimals, below 10^10): {reason}",
        family.map_or("all data", Family::name)
    )]
    Unrepresentable {
        /// The venue's symbol.
        symbol: String,
        /// What of it is closed; `None` where that is everything.
        family: Option<Family>,
        /// Which field, and what is wrong with it.
        reason: Reason,
    },
    /// It is about a symbol that was not added: nothing was done, the frame may be handed in again.
    #[error("symbol {symbol} was not subscribed")]
    UnknownSymbol {
        /// The venue's symbol.
        symbol: String,
        /// Decimals that the frame writes.
        decimals: Decimals,
    },
}

impl FrameError {
    /// How many messages, or packets of one, could not be read.
    pub fn count(&self) -> u64 {
        match self {
            FrameError::Partial { count, .. } => *count,
            _ => 1,
        }
    }
}

/// Hands a text to `take`, and where it could not be read once more without the escapes that JSON allows and venues
/// rarely use: `\u0042` and `\/` are no other texts than `B` and `/`.
pub(crate) fn take_json(text: &[u8], mut take: impl FnMut(&[u8]) -> Result<(), FrameError>) -> Result<(), FrameError> {
    let result = take(text);
    match &result {
        Err(FrameError::Decode(_)) => json::without_escapes(text).map_or(result, |plain| take(&plain)),
        _ => result,
    }
}

/// One connection's worth of a venue's symbols, without I/O: messages and times go in, inputs and actions
/// come out. Everything that a method learns is appended to `out` in the order in which it is to be
/// applied.
pub trait Session: Send {
    /// Takes on a symbol whose instrument is defined under `id`. It is asked for when the connection is open,
    /// at once where it is open already.
    fn add(&mut self, symbol: &str, id: InstrumentId, instrument: Instrument);

    /// The venue delivers a symbol without having been seen to be asked for it, as in a capture.
    fn assume_subscribed(&mut self, symbol: &str, out: &mut Vec<Input>);

    /// A new connection is open: nothing is subscribed yet.
    fn handle_open(&mut self, now: Nanos);

    /// Takes one message received at `now`.
    ///
    /// # Errors
    /// [`FrameError`].
    fn handle_message(&mut self, now: Nanos, payload: Payload<'_>, out: &mut Vec<Input>) -> Result<(), FrameError>;

    /// Takes the answer to [`Action::FetchSnapshot`].
    ///
    /// # Errors
    /// [`FrameError`]; the snapshot has been asked for again then, unless it closed the book for good.
    fn handle_snapshot(
        &mut self,
        now: Nanos,
        symbol: &str,
        body: &[u8],
        out: &mut Vec<Input>,
    ) -> Result<(), FrameError>;

    /// The connection is gone: what it carried is lost until the next one has brought it again.
    fn handle_close(&mut self, now: Nanos, out: &mut Vec<Input>);

    /// [`Session::next_timeout`] has passed.
    fn handle_timeout(&mut self, now: Nanos, out: &mut Vec<Input>);

    /// When the session wants to be woken, if it waits for something.
    fn next_timeout(&self) -> Option<Nanos>;

    /// False while the venue has not answered everything that was asked on the newest connection.
    fn is_settled(&self) -> bool {
        true
    }

    /// What the venue has refused since the last call, in its own words. A session asks again by itself.
    fn take_refusal(&mut self) -> Option<String> {
        None
    }

    /// The market knows ever less of this book, or doubts it: a new snapshot is needed.
    fn handle_resnapshot(&mut self, id: InstrumentId);

    /// What to do next, if anything.
    fn poll_action(&mut self) -> Option<Action>;
}
