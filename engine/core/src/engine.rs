//! The one place where inputs get their place in the total order and are applied.

use crate::board::BoardWriter;
use crate::condition::Condition;
use crate::event::Family;
use crate::frame::{Frame, RESTART_STRIDE, SEQ_LIMIT};
use crate::head::{HeadError, restore_frame};
use crate::input::{Gap, GapCause, Input};
use crate::market::{ApplyError, Market, MessageEnd};
use crate::time::Nanos;

/// One input with its place, as it is applied and written to the tape.
#[derive(Clone, Copy, Debug)]
pub struct Stamped<'a> {
    /// Place in the total order.
    pub seq: u64,
    /// Tape time.
    pub ts: Nanos,
    /// The input.
    pub input: &'a Input,
    /// The venue message that ended with it.
    pub end: Option<MessageEnd>,
}

/// Whoever watches inputs being applied: the recorder, a checker, a counter.
pub trait Observer {
    /// `market` is about to take the input with this place and time.
    fn before(&mut self, _market: &Market, _seq: u64, _ts: Nanos) {}

    /// `market` has taken it.
    fn after(&mut self, market: &Market, stamped: Stamped<'_>);
}

impl<F: FnMut(&Market, Stamped<'_>)> Observer for F {
    fn after(&mut self, market: &Market, stamped: Stamped<'_>) {
        self(market, stamped);
    }
}

/// Why an input was not applied.
#[expect(missing_docs, reason = "the line of a variant tells its fields")]
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum EngineError {
    /// It does not fit the market.
    #[error(transparent)]
    Apply(#[from] ApplyError),
    /// The sequence is used up.
    #[error("the sequence has reached 2^53: start a new data folder")]
    SequenceExhausted,
    /// A recorded input is not later than the one before it.
    #[error("seq {got} at ts {ts} follows seq {after}: the recording is out of order")]
    OutOfOrder { got: u64, ts: Nanos, after: u64 },
}

/// A market and the point in the total order it has reached.
#[derive(Clone, Debug)]
pub struct Engine {
    market: Market,
    seq: u64,
    ts: Nanos,
}

impl Engine {
    /// An engine whose next input is `seq + 1`, no earlier than `ts`.
    pub fn new(market: Market, seq: u64, ts: Nanos) -> Engine {
        Engine { market, seq, ts }
    }

    /// The market.
    pub fn market(&self) -> &Market {
        &self.market
    }

    /// The market, for its effects.
    pub fn market_mut(&mut self) -> &mut Market {
        &mut self.market
    }

    /// The place of the latest input.
    pub fn seq(&self) -> u64 {
        self.seq
    }

    /// The tape time of the latest input.
    pub fn ts(&self) -> Nanos {
        self.ts
    }

    /// Goes on after a time in which nobody listened: [`Gap`] with [`GapCause::Restart`] is the very next
    /// input, far above `highest_seq`, the highest number that may ever have been given out.
    ///
    /// # Errors
    /// [`EngineError::SequenceExhausted`].
    pub fn restart(&mut self, highest_seq: u64, observer: &mut impl Observer) -> Result<(), EngineError> {
        let from = self.seq + 1;
        let seq = highest_seq.max(self.seq).saturating_add(RESTART_STRIDE + 1);
        let gap = Gap { id: None, family: Family::Book, cause: GapCause::Restart, from, to: seq };
        self.step(seq, self.ts, &Input::Gap(gap), observer)
    }

    /// Tells that the inputs from `from` on were applied and not recorded: a gap of the tape alone, as the tape goes
    /// on with a head.
    ///
    /// # Errors
    /// [`EngineError::SequenceExhausted`].
    pub fn admit_unrecorded(&mut self, from: u64, observer: &mut impl Observer) -> Result<(), EngineError> {
        let seq = self.seq + 1;
        let gap = Gap { id: None, family: Family::Book, cause: GapCause::RecorderFull, from, to: seq };
        self.step(seq, self.ts, &Input::Gap(gap), observer)
    }

    /// Applies an input received at `now`, and before it the deadlines that have passed. A clock that
    /// steps back does not turn the tape back.
    ///
    /// # Errors
    /// [`EngineError`]; the input has not been applied then.
    pub fn input(&mut self, now: Nanos, input: &Input, observer: &mut impl Observer) -> Result<(), EngineError> {
        let now = now.max(self.ts);
        self.pass_time(now, observer)?;
        self.step(self.seq + 1, now, input, observer)
    }

    /// Applies the deadlines that have passed at `now`: in a silent market there is no input to bring them.
    ///
    /// # Errors
    /// [`EngineError`]; the deadline has not been applied then.
    pub fn pass_time(&mut self, now: Nanos, observer: &mut impl Observer) -> Result<(), EngineError> {
        let now = now.max(self.ts);
        while let Some(deadline) = self.market.next_deadline().filter(|&deadline| deadline <= now) {
            self.step(self.seq + 1, deadline.max(self.ts), &Input::Time, observer)?;
        }
        Ok(())
    }

    /// Attaches a standing condition that is on no tape: of a market that is itself played from one. False where there
    /// is no room for it.
    pub fn attach_unrecorded(&mut self, condition: Box<Condition>) -> bool {
        let is_attached = self.market.apply(self.ts, &Input::Attach(condition)).is_ok();
        self.market.number_firings(self.seq);
        is_attached
    }

    /// Detaches what [`Engine::attach_unrecorded`] attached.
    pub fn detach_unrecorded(&mut self, id: u64) {
        // Nothing is refused that is taken out.
        let _ = self.market.apply(self.ts, &Input::Detach(id));
    }

    /// Publishes every stream that changed since the last time and is not amid a venue message. Always to the same
    /// board: a book that nobody has touched since is not gathered again.
    pub fn publish(&mut self, board: &mut BoardWriter) {
        let (seq, ts) = (self.seq, self.ts);
        self.market.take_changed(|id, stream| board.publish(id, stream, seq, ts));
    }

    /// Applies a recorded input, its place and time being given.
    ///
    /// # Errors
    /// [`EngineError`]; the input has not been applied then.
    pub fn replay(
        &mut self,
        seq: u64,
        ts: Nanos,
        input: &Input,
        observer: &mut impl Observer,
    ) -> Result<(), EngineError> {
        if seq <= self.seq || ts < self.ts {
            return Err(EngineError::OutOfOrder { got: seq, ts, after: self.seq });
        }
        self.step(seq, ts, input, observer)
    }

    fn step(&mut self, seq: u64, ts: Nanos, input: &Input, observer: &mut impl Observer) -> Result<(), EngineError> {
        if seq >= SEQ_LIMIT {
            return Err(EngineError::SequenceExhausted);
        }
        observer.before(&self.market, seq, ts);
        let end = self.market.apply(ts, input)?;
        self.market.number_firings(seq);
        (self.seq, self.ts) = (seq, ts);
        observer.after(&self.market, Stamped { seq, ts, input, end });
        Ok(())
    }

    /// Forgets every stream, as before a head; what this market has counted so far stays.
    pub fn forget(&mut self) {
        self.market.forget();
    }

    /// Goes on from a head, or a part of one, that says how things stood before input `next_seq`; with the first
    /// part [`Engine::forget`] comes before.
    ///
    /// # Errors
    /// [`HeadError`] where the frames are no head; the market knows nothing then.
    pub fn restore<'a>(&mut self, next_seq: u64, frames: impl Iterator<Item = Frame<'a>>) -> Result<(), HeadError> {
        for frame in frames {
            self.ts = self.ts.max(frame.ts);
            if let Err(error) = restore_frame(&mut self.market, &frame) {
                self.market.forget();
                return Err(error);
            }
        }
        self.seq = next_seq.saturating_sub(1);
        Ok(())
    }
}
