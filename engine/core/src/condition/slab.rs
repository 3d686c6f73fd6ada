//! All standing conditions, and who of them has to look at what.

use super::{CONDITIONS_MAX, Condition, Firing, bars};
use crate::deadlines::Deadlines;
use crate::instrument::InstrumentId;
use crate::stream::Stream;
use crate::time::Nanos;
use std::collections::VecDeque;

/// All conditions of a market.
#[derive(Clone, Debug, Default)]
pub(crate) struct Conditions {
    slots: Vec<Option<Box<Condition>>>,
    /// By stream.
    watched: Vec<Watched>,
    count: usize,
    /// When each wants to look, by its place.
    deadlines: Deadlines,
    firings: VecDeque<Firing>,
}

/// Who looks at a stream.
#[derive(Clone, Debug, Default)]
struct Watched {
    slots: Vec<usize>,
    live: usize,
    /// [`Stream::bars_begun`] when they last looked.
    bars_begun: u64,
}

impl Conditions {
    /// In the order of their places.
    pub fn iter(&self) -> impl Iterator<Item = &Condition> {
        self.slots.iter().flatten().map(Box::as_ref)
    }

    /// Whether a condition can be attached: there is room, its number is free, and its series have not lost bars that it
    /// lacks.
    pub fn has_room_for(&self, condition: &Condition, streams: &[Stream]) -> bool {
        let is_whole = |place: &(InstrumentId, usize)| {
            bars(streams, *place).is_some_and(|bars| bars.reaches_back_to(condition.until))
        };
        self.count < CONDITIONS_MAX
            && self.iter().all(|other| other.id != condition.id)
            && condition.instruments.iter().all(|id| id.index() < streams.len())
            && condition.places.iter().all(is_whole)
    }

    /// Puts a condition in; it takes what has ended since it was primed.
    pub fn attach(&mut self, condition: Condition, ts: Nanos, streams: &[Stream]) {
        let slot = self.put(condition, streams);
        self.look(slot, ts, streams);
    }

    /// Puts a condition back that goes on as it stood.
    pub fn restore(&mut self, mut condition: Condition, streams: &[Stream]) {
        condition.note_due(streams);
        let slot = self.put(condition, streams);
        self.note_due(slot);
    }

    fn put(&mut self, condition: Condition, streams: &[Stream]) -> usize {
        let slot = self.slots.iter().position(Option::is_none).unwrap_or_else(|| {
            self.slots.push(None);
            self.slots.len() - 1
        });
        self.watched.resize_with(self.watched.len().max(streams.len()), Watched::default);
        // Room for all: telling of one never allocates.
        self.firings.reserve(self.count + 1);
        for id in distinct(&condition.instruments) {
            let watched = &mut self.watched[id.index()];
            watched.slots.push(slot);
            watched.live += usize::from(condition.is_live);
            watched.bars_begun = streams.get(id.index()).map_or(0, |stream| stream.bars_begun);
        }
        self.slots[slot] = Some(Box::new(condition));
        self.deadlines.grow(self.slots.len());
        self.count += 1;
        slot
    }

    /// Takes a condition out; one that is not there has been taken out before.
    pub fn detach(&mut self, id: u64) {
        let Some(slot) = self.slots.iter().position(|slot| slot.as_ref().is_some_and(|it| it.id == id)) else { return };
        let Some(condition) = self.slots[slot].take() else { return };
        for id in distinct(&condition.instruments) {
            let watched = &mut self.watched[id.index()];
            watched.slots.retain(|&other| other != slot);
            watched.live -= usize::from(condition.is_live);
        }
        self.count -= 1;
        self.firings.retain(|firing| firing.id != id);
        self.note_due(slot);
    }

    /// Takes all of them out.
    pub fn clear(&mut self) {
        *self = Conditions::default();
    }

    /// When one of them wants to look, should nothing be traded until then.
    pub fn due(&self) -> Option<Nanos> {
        self.deadlines.next().map(|(_, due)| due)
    }

    /// An input has been applied: the conditions that it may concern look. `traded` is whose trades it brought.
    #[inline]
    pub fn on_input(&mut self, ts: Nanos, traded: Option<InstrumentId>, streams: &[Stream]) {
        if self.count == 0 {
            return;
        }
        if let Some(id) = traded {
            self.on_trades(id, ts, streams);
        }
        // Each looks once: having looked it wants to look later.
        for _ in 0..self.slots.len() {
            let Some((slot, _)) = self.deadlines.next().filter(|&(_, due)| due <= ts) else { return };
            self.look(slot, ts, streams);
        }
    }

    fn on_trades(&mut self, id: InstrumentId, ts: Nanos, streams: &[Stream]) {
        let Some(watched) = self.watched.get_mut(id.index()).filter(|watched| !watched.slots.is_empty()) else {
            return;
        };
        let bars_begun = streams.get(id.index()).map_or(0, |stream| stream.bars_begun);
        let has_begun = std::mem::replace(&mut watched.bars_begun, bars_begun) != bars_begun;
        if !has_begun && watched.live == 0 {
            return;
        }
        for at in 0..watched.slots.len() {
            let slot = self.watched[id.index()].slots[at];
            // A bar that begins may have ended others, and may end before the one that is waited for: a late trade opens
            // it, or the instrument lags behind another.
            if has_begun || self.slots[slot].as_ref().is_some_and(|condition| condition.is_live) {
                self.look(slot, ts, streams);
            }
        }
    }

    fn look(&mut self, slot: usize, ts: Nanos, streams: &[Stream]) {
        let Some(condition) = &mut self.slots[slot] else { return };
        if let Some(firing) = condition.look(ts, streams)
            && !std::mem::replace(&mut condition.is_told, true)
        {
            self.firings.push_back(firing);
        }
        self.note_due(slot);
    }

    fn note_due(&mut self, slot: usize) {
        let Conditions { slots, deadlines, .. } = self;
        let due = |slot: usize| slots.get(slot)?.as_ref()?.due;
        deadlines.set(slot, due(slot), due);
    }

    /// Numbers the firings of the latest input.
    pub fn number(&mut self, seq: u64) {
        self.firings.iter_mut().rev().take_while(|firing| firing.seq == 0).for_each(|firing| firing.seq = seq);
    }

    /// The next firing to be told. A condition that fires again before is told once, with its first.
    pub fn poll_firing(&mut self) -> Option<Firing> {
        let firing = self.firings.pop_front()?;
        if let Some(condition) = self.slots.iter_mut().flatten().find(|condition| condition.id == firing.id) {
            condition.is_told = false;
        }
        Some(firing)
    }
}

fn distinct(instruments: &[InstrumentId]) -> impl Iterator<Item = InstrumentId> {
    instruments.iter().enumerate().filter(|(at, id)| !instruments[..*at].contains(id)).map(|(_, id)| *id)
}

#[cfg(test)]
#[path = "slab_tests.rs"]
mod tests;
