//! The always-current model: every stream of every instrument, changed by inputs alone.

use crate::bar::INTERVALS;
use crate::condition::{Condition, Conditions, Firing};
use crate::deadlines::Deadlines;
use crate::digest::instrument_part;
use crate::event::{Body, Event, Family};
use crate::input::{Gap, GapCause, Input};
use crate::instrument::{Instrument, InstrumentId};
use crate::stream::Stream;
use crate::time::Nanos;
use std::collections::VecDeque;
use std::sync::Arc;

/// The market's bounds. They are part of what a digest depends on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Bounds {
    /// Levels kept on each side of a book; at least twice the venue's snapshot depth.
    pub book_levels_max: usize,
    /// Bars kept of each interval of each instrument.
    pub bars_max: usize,
    /// Trades kept of each instrument for readers; the digest does not depend on it.
    pub trades_max: usize,
    /// Instruments in one tape.
    pub instruments_max: usize,
    /// A live stream without an event for this long is stale.
    pub stale_after: Nanos,
}

/// A venue message has been applied as a whole: now readers may look.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct MessageEnd {
    /// Whose message.
    pub id: InstrumentId,
    /// Which family.
    pub family: Family,
    /// It was a snapshot, not a change.
    pub is_snapshot: bool,
    /// The venue's number of its last update, where it has one.
    pub sequence: Option<u64>,
}

/// What the market asks of the shell.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Effect {
    /// Too little of the book is known: its session should fetch a new snapshot.
    Resnapshot(InstrumentId),
}

/// Why an input cannot be applied: the tape and this market do not belong together.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ApplyError {
    /// An event or fact for an instrument that no `Define` introduced.
    #[error("instrument id {0} was never defined")]
    Undefined(u32),
    /// Dense ids are given out one after the other, and a key keeps its id.
    #[error("instrument id {0} cannot be defined: it is not the next free id, or belongs to another key")]
    BadDefine(u32),
    /// [`Bounds::instruments_max`] is reached.
    #[error("more than {0} instruments in one tape")]
    TooMany(usize),
    /// [`Market::has_room_for`] would have told.
    #[error("condition {0} cannot be attached: its number is taken, there are too many, or its bars are gone")]
    BadAttach(u64),
}

/// What has been applied since this market was made.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Counters {
    /// Market events.
    pub events: u64,
    /// Trades among them.
    pub trades: u64,
    /// Gaps.
    pub gaps: u64,
    /// Snapshots that healed a gap.
    pub resyncs: u64,
}

/// Streams that changed since they were handed over, each once.
#[derive(Clone, Debug, Default)]
struct Changed {
    ids: Vec<InstrumentId>,
    is_listed: Vec<bool>,
}

impl Changed {
    fn mark(&mut self, id: InstrumentId) {
        if !std::mem::replace(&mut self.is_listed[id.index()], true) {
            self.ids.push(id);
        }
    }
}

/// All streams, by dense id.
#[derive(Clone, Debug)]
pub struct Market {
    bounds: Bounds,
    streams: Vec<Stream>,
    counters: Counters,
    effects: VecDeque<Effect>,
    deadlines: Deadlines,
    changed: Changed,
    open_messages: usize,
    conditions: Conditions,
}

impl Market {
    /// A market that knows no instrument.
    pub fn new(bounds: Bounds) -> Market {
        Market {
            bounds,
            streams: Vec::new(),
            counters: Counters::default(),
            effects: VecDeque::new(),
            deadlines: Deadlines::default(),
            changed: Changed::default(),
            open_messages: 0,
            conditions: Conditions::default(),
        }
    }

    /// The bounds it was made with.
    pub fn bounds(&self) -> &Bounds {
        &self.bounds
    }

    /// What has been applied so far.
    pub fn counters(&self) -> Counters {
        self.counters
    }

    /// The stream of an instrument.
    pub fn stream(&self, id: InstrumentId) -> Option<&Stream> {
        self.streams.get(id.index())
    }

    /// Every stream, by dense id.
    pub fn streams(&self) -> impl ExactSizeIterator<Item = (InstrumentId, &Stream)> {
        self.streams.iter().enumerate().map(|(index, stream)| (InstrumentId(index as u32), stream))
    }

    /// True while a venue message is half applied.
    pub fn is_message_open(&self) -> bool {
        self.open_messages > 0
    }

    /// Applies one input at tape time `ts`; tells which venue message ended with it, if one did.
    ///
    /// # Errors
    /// [`ApplyError`] where the input does not fit this market; nothing has changed then.
    pub fn apply(&mut self, ts: Nanos, input: &Input) -> Result<Option<MessageEnd>, ApplyError> {
        let end = match input {
            Input::Event(event) => self.apply_event(ts, event)?,
            other => {
                self.apply_other(ts, other)?;
                None
            }
        };
        let traded = match input {
            // What came of a message that is cut short has been counted.
            Input::Gap(gap) => gap.id,
            _ => end.filter(|end| end.family == Family::Trades).map(|end| end.id),
        };
        self.conditions.on_input(ts, traded, &self.streams);
        Ok(end)
    }

    fn apply_other(&mut self, ts: Nanos, input: &Input) -> Result<(), ApplyError> {
        match input {
            Input::Event(_) | Input::Config { .. } => {}
            Input::Define { id, instrument } => self.define(*id, instrument)?,
            Input::State { id, family, fact } => {
                let healed = self.change(*id, |stream| stream.learn(*family, *fact))?;
                self.counters.resyncs += u64::from(healed);
            }
            Input::Gap(gap) => self.lose(gap)?,
            Input::Time => self.pass(ts)?,
            Input::Attach(condition) if self.has_room_for(condition) => {
                self.conditions.attach((**condition).clone(), ts, &self.streams);
            }
            Input::Attach(condition) => return Err(ApplyError::BadAttach(condition.id())),
            Input::Detach(id) => self.conditions.detach(*id),
        }
        Ok(())
    }

    /// Whether a standing condition can be attached: there is room, its number is free, and its instruments' bars reach
    /// back to where it was primed.
    pub fn has_room_for(&self, condition: &Condition) -> bool {
        self.conditions.has_room_for(condition, &self.streams)
    }

    /// Puts back a standing condition that [`Market::conditions`] told.
    pub(crate) fn restore_condition(&mut self, condition: &Condition) -> Result<(), ApplyError> {
        if !self.has_room_for(condition) {
            return Err(ApplyError::BadAttach(condition.id()));
        }
        self.conditions.restore(condition.clone(), &self.streams);
        Ok(())
    }

    /// The standing conditions.
    pub fn conditions(&self) -> impl Iterator<Item = &Condition> {
        self.conditions.iter()
    }

    /// The next firing of a standing condition that has not been told, if any.
    pub fn poll_firing(&mut self) -> Option<Firing> {
        self.conditions.poll_firing()
    }

    /// Numbers the firings of the input that was applied last.
    pub(crate) fn number_firings(&mut self, seq: u64) {
        self.conditions.number(seq);
    }

    fn apply_event(&mut self, ts: Nanos, event: &Event) -> Result<Option<MessageEnd>, ApplyError> {
        let (end, asks_for_refresh) = self.change(event.id, |stream| {
            let end = stream.apply(ts, event);
            (end, end.is_some_and(|end| end.family == Family::Book) && stream.asks_for_refresh())
        })?;
        if asks_for_refresh {
            self.effects.push_back(Effect::Resnapshot(event.id));
        }
        self.counters.events += 1;
        self.counters.trades += u64::from(matches!(event.body, Body::Trade { .. }));
        Ok(end)
    }

    fn define(&mut self, id: InstrumentId, instrument: &Instrument) -> Result<(), ApplyError> {
        let instrument = Arc::new(instrument.clone());
        let next = self.streams.len();
        let is_same = |old: &Instrument| old.key == instrument.key && old.source == instrument.source;
        match self.streams.get(id.index()) {
            Some(stream) if is_same(&stream.instrument) => {
                return self.change(id, |stream| stream.redefine(instrument));
            }
            None if next >= self.bounds.instruments_max => return Err(ApplyError::TooMany(next)),
            None if id.index() == next => {}
            _ => return Err(ApplyError::BadDefine(id.0)),
        }
        self.streams.push(Stream::new(instrument, &self.bounds));
        self.deadlines.grow(next + 1);
        self.changed.is_listed.push(false);
        // Room for every stream at once: marking never allocates.
        self.changed.ids.reserve(next + 1);
        self.changed.mark(id);
        Ok(())
    }

    fn lose(&mut self, gap: &Gap) -> Result<(), ApplyError> {
        match gap.id {
            Some(id) => self.change(id, |stream| {
                stream.lose(gap.family);
                if gap.cause == GapCause::Unrepresentable {
                    stream.learn(gap.family, crate::input::Fact::Closed);
                }
            })?,
            // A hole of the tape, which goes on with the whole state: nothing is missing of that.
            None if gap.cause == GapCause::RecorderFull => {}
            None => {
                for index in 0..self.streams.len() {
                    self.change(InstrumentId(index as u32), Stream::suspend)?;
                }
                // Whoever waited for one has to ask again, and learns what was missed.
                self.conditions.clear();
            }
        }
        self.counters.gaps += 1;
        Ok(())
    }

    /// Lets what is due at `ts` happen, to the streams to which something happens.
    fn pass(&mut self, ts: Nanos) -> Result<(), ApplyError> {
        let stale_after = self.bounds.stale_after;
        while let Some((index, _)) = self.deadlines.next().filter(|&(_, deadline)| deadline <= ts) {
            self.change(InstrumentId(index as u32), |stream| stream.pass(ts, stale_after))?;
        }
        Ok(())
    }

    /// The next moment at which something happens by the passing of time alone. Whoever merges the
    /// inputs puts [`Input::Time`] with this time before the first input at or past it.
    pub fn next_deadline(&self) -> Option<Nanos> {
        let of_streams = self.deadlines.next().map(|(_, deadline)| deadline);
        of_streams.into_iter().chain(self.conditions.due()).min()
    }

    /// Hands over every stream that changed since it was handed over last, each once. One amid a venue
    /// message waits until the message ends.
    pub fn take_changed(&mut self, mut take: impl FnMut(InstrumentId, &Stream)) {
        let Changed { ids, is_listed } = &mut self.changed;
        ids.retain(|&id| {
            let stream = &mut self.streams[id.index()];
            if !stream.is_message_open() {
                take(id, stream);
                stream.book.note_shown();
                is_listed[id.index()] = false;
            }
            stream.is_message_open()
        });
    }

    /// What the shell should do next, if anything.
    pub fn poll_effect(&mut self) -> Option<Effect> {
        self.effects.pop_front()
    }

    /// Forgets every stream, as before a head; the counters stay.
    pub(crate) fn forget(&mut self) {
        self.streams.clear();
        self.effects.clear();
        self.deadlines.clear();
        self.changed = Changed::default();
        self.open_messages = 0;
        self.conditions.clear();
    }

    /// The digest of everything applied: see [`crate::digest`].
    pub fn digest(&self) -> blake3::Hash {
        let mut parts: Vec<_> = self
            .streams
            .iter()
            .map(|stream| {
                let series = INTERVALS.iter().map(|interval| interval.name).zip(&stream.bars);
                let part = instrument_part(&stream.instrument.key, &stream.chains, &stream.book, series);
                (&stream.instrument.key, &stream.instrument.source, part)
            })
            .collect();
        parts.sort_by_key(|&(key, source, _)| (key, source));
        let mut total = blake3::Hasher::new();
        for (_, _, part) in parts {
            total.update(part.as_bytes());
        }
        total.finalize()
    }

    /// Changes a stream, and with it what is kept about all of them. There is no other way to change one.
    pub(crate) fn change<R>(
        &mut self,
        id: InstrumentId,
        change: impl FnOnce(&mut Stream) -> R,
    ) -> Result<R, ApplyError> {
        let stream = self.streams.get_mut(id.index()).ok_or(ApplyError::Undefined(id.0))?;
        let was_open = stream.is_message_open();
        let result = change(stream);
        self.open_messages = self.open_messages + usize::from(stream.is_message_open()) - usize::from(was_open);
        self.changed.mark(id);
        let stale_after = self.bounds.stale_after;
        let deadline = stream.next_deadline(stale_after);
        self.deadlines.set(id.index(), deadline, |index| self.streams.get(index)?.next_deadline(stale_after));
        Ok(result)
    }
}

#[cfg(test)]
#[path = "market_tests.rs"]
mod tests;
