//! What a session knows of one symbol, and what it passes on of it.

use super::Depth;
use super::book::ChecksumBook;
use super::codec::{BookLevel, DecodeError, Fill};
use super::subscription::{Channel, Subscription};
use crate::clock::VenueClock;
use crate::numbering::{Follows, Numbering};
use crate::{Decimals, WireLevel};
use tidegate_core::{
    Body, Event, Fact, Family, Flags, Gap, GapCause, Input, Instrument, InstrumentId, Nanos, Qty, Side,
};

/// What a book message came to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Check {
    /// The checksum holds.
    Right,
    /// A snapshot without one, as v1 sends it: the next change tells.
    Pending,
    /// The checksum does not hold: the book is dropped.
    Wrong,
    /// There is no book that it could change.
    Ignored,
    /// A level that would have been passed on cannot be represented: the book is closed for good.
    Unrepresentable(DecodeError),
}

/// One book message without its levels.
#[derive(Clone, Copy, Debug)]
pub(super) struct BookMessage {
    pub is_snapshot: bool,
    pub checksum: Option<u32>,
    pub time: Option<Nanos>,
    pub depth: Depth,
}

#[derive(Debug)]
enum Book {
    /// No snapshot yet: changes say nothing.
    Waiting,
    /// The venue's book; `is_shown` once the market has seen it.
    Following { book: ChecksumBook, is_shown: bool },
    /// Closed for good.
    Closed,
}

#[derive(Debug)]
pub(super) struct Symbol {
    pub id: InstrumentId,
    pub subscriptions: Vec<Subscription>,
    instrument: Instrument,
    book: Book,
    /// The proved levels that the market has, by side, best first.
    shown: [Vec<WireLevel>; 2],
    /// The levels that take their place.
    fresh: [Vec<WireLevel>; 2],
    /// Of the message that is being passed on.
    bodies: Vec<Body>,
    numbering: Numbering,
    trades_closed: bool,
    tickers_closed: bool,
    clock: VenueClock,
}

impl Symbol {
    pub fn new(id: InstrumentId, instrument: Instrument, channels: &[Channel]) -> Symbol {
        Symbol {
            id,
            subscriptions: channels.iter().map(|&channel| Subscription::new(channel)).collect(),
            instrument,
            book: Book::Waiting,
            shown: Default::default(),
            fresh: Default::default(),
            bodies: Vec::new(),
            numbering: Numbering::default(),
            trades_closed: false,
            tickers_closed: false,
            clock: VenueClock::default(),
        }
    }

    /// Defines the instrument anew when a message writes more decimals than any before.
    pub fn widen(&mut self, seen: Decimals, out: &mut Vec<Input>) {
        let known = Decimals { price: self.instrument.price_decimals, qty: self.instrument.qty_decimals };
        let wider = known.max(seen);
        if wider != known {
            self.instrument.price_decimals = wider.price;
            self.instrument.qty_decimals = wider.qty;
            out.push(Input::Define { id: self.id, instrument: Box::new(self.instrument.clone()) });
        }
    }

    pub fn subscription(&mut self, channel: Channel) -> Option<&mut Subscription> {
        self.subscriptions.iter_mut().find(|subscription| subscription.channel == channel)
    }

    /// The venue delivers a channel: by its answer, or by the first message of it.
    pub fn confirm(&mut self, channel: Channel, out: &mut Vec<Input>) {
        let (id, family) = (self.id, channel.family());
        if !self.is_closed(family)
            && let Some(subscription) = self.subscription(channel)
            && !std::mem::replace(&mut subscription.is_on, true)
        {
            out.push(Input::State { id, family, fact: Fact::Subscribed });
        }
    }

    /// True where the family was ended by a value that cannot be held.
    pub fn is_closed(&self, family: Family) -> bool {
        match family {
            Family::Book => matches!(self.book, Book::Closed),
            Family::Trades => self.trades_closed,
            Family::Quotes => self.tickers_closed,
            Family::Statistics => false,
        }
    }

    /// Takes a book message, and passes on what it changes of the proved levels.
    pub fn handle_book(
        &mut self,
        now: Nanos,
        message: BookMessage,
        levels: &[BookLevel],
        out: &mut Vec<Input>,
    ) -> Check {
        if message.is_snapshot && !self.is_closed(Family::Book) {
            self.book = Book::Following { book: ChecksumBook::new(message.depth), is_shown: false };
        }
        let Book::Following { book, .. } = &mut self.book else { return Check::Ignored };
        book.apply(levels);
        match message.checksum {
            None => Check::Pending,
            Some(checksum) if checksum == book.checksum() => {
                let released = self.release(message.time, now, out);
                released.map_or_else(Check::Unrepresentable, |()| Check::Right)
            }
            Some(_) => {
                self.lose_book(GapCause::Checksum, out);
                Check::Wrong
            }
        }
    }

    /// The book cannot be gone on with: only a snapshot begins it again.
    fn lose_book(&mut self, cause: GapCause, out: &mut Vec<Input>) {
        self.book = Book::Waiting;
        self.push_gap(Family::Book, cause, 0, 0, out);
    }

    /// Passes on the proved levels: all of them the first time, then what has changed. A level that leaves
    /// them is removed, wherever it stands; one that moves up into them is set.
    fn release(&mut self, time: Option<Nanos>, now: Nanos, out: &mut Vec<Input>) -> Result<(), DecodeError> {
        let Book::Following { book, is_shown } = &mut self.book else { return Ok(()) };
        let is_snapshot = !std::mem::replace(is_shown, true);
        if let Err(error) = take_checked(book, &mut self.fresh) {
            self.close(Family::Book, out);
            return Err(error);
        }
        self.bodies.clear();
        if is_snapshot {
            self.bodies.push(Body::Clear);
            self.shown.iter_mut().for_each(Vec::clear);
        }
        for (shown, fresh) in self.shown.iter().zip(&self.fresh) {
            let is_gone = |old: &&WireLevel| !fresh.iter().any(|level| level.price == old.price);
            self.bodies.extend(shown.iter().filter(is_gone).map(|&old| body(WireLevel { qty: Qty::ZERO, ..old })));
        }
        for (shown, fresh) in self.shown.iter().zip(&self.fresh) {
            self.bodies.extend(fresh.iter().filter(|level| !shown.contains(level)).copied().map(body));
        }
        std::mem::swap(&mut self.shown, &mut self.fresh);
        if self.bodies.is_empty() {
            // Nothing has changed, and that is news too: the best level says so once more.
            self.bodies.extend(self.shown.iter().flatten().next().copied().map(body));
        }
        self.push_message(is_snapshot, time, now, out);
        Ok(())
    }

    fn push_message(&mut self, is_snapshot: bool, time: Option<Nanos>, now: Nanos, out: &mut Vec<Input>) {
        let (flags, venue_ts) = self.clock.stamp(time, now);
        let kind = if is_snapshot { Flags::SNAPSHOT } else { Flags::NONE };
        let flags = flags.with(Flags::COMPLETE).with(kind);
        for (at, &body) in self.bodies.iter().enumerate() {
            let last = if at + 1 == self.bodies.len() { Flags::LAST } else { Flags::NONE };
            out.push(self.event(flags.with(last), venue_ts, now, body));
        }
        if is_snapshot {
            out.push(Input::State { id: self.id, family: Family::Book, fact: Fact::SnapshotComplete });
        }
    }

    /// Takes trades. Those of a snapshot are older than the subscription: the first one tells only where the
    /// numbers stand, a later one brings what has been missed.
    pub fn handle_trades(&mut self, now: Nanos, is_snapshot: bool, trades: &[Fill], out: &mut Vec<Input>) {
        if self.trades_closed {
            return;
        }
        if is_snapshot && self.numbering.is_new() {
            if let Some(latest) = trades.iter().max_by_key(|trade| trade.id) {
                let mut clock = self.clock;
                self.numbering.take(latest.id, clock.believe(Some(latest.time), now));
            }
            return;
        }
        for &Fill { id, time, level } in trades {
            // What is repeated sets no clock back.
            let mut clock = self.clock;
            let (flags, venue_ts) = clock.stamp(Some(time), now);
            let believed = (!flags.has(Flags::TIME_RECEIVED)).then_some(venue_ts);
            match self.numbering.take(id, believed) {
                Follows::Next => {}
                Follows::Repeated => continue,
                Follows::Hole { expected } => self.push_gap(Family::Trades, GapCause::Sequence, expected, id, out),
            }
            self.clock = clock;
            let WireLevel { side, price, qty } = level;
            let body = Body::Trade { side, price, qty, trade_id: id };
            out.push(self.event(flags.with(Flags::LAST), venue_ts, now, body));
        }
    }

    pub fn handle_ticker(
        &mut self,
        now: Nanos,
        time: Option<Nanos>,
        bid: WireLevel,
        ask: WireLevel,
        out: &mut Vec<Input>,
    ) {
        if self.tickers_closed {
            return;
        }
        let (flags, venue_ts) = self.clock.stamp(time, now);
        let quote = Body::Quote { bid: bid.price, bid_qty: bid.qty, ask: ask.price, ask_qty: ask.qty };
        out.push(self.event(flags.with(Flags::LAST), venue_ts, now, quote));
    }

    /// Ends a family whose values cannot be held: once, loudly. True unless it was closed already.
    pub fn close(&mut self, family: Family, out: &mut Vec<Input>) -> bool {
        if self.is_closed(family) {
            return false;
        }
        match family {
            Family::Book => self.book = Book::Closed,
            Family::Trades => self.trades_closed = true,
            Family::Quotes => self.tickers_closed = true,
            Family::Statistics => return false,
        }
        self.subscriptions.iter_mut().filter(|it| it.channel.family() == family).for_each(Subscription::settle);
        self.push_gap(family, GapCause::Unrepresentable, 0, 0, out);
        true
    }

    /// The connection is gone.
    pub fn disconnect(&mut self, out: &mut Vec<Input>) {
        self.clock = VenueClock::default();
        for at in 0..self.subscriptions.len() {
            let family = self.subscriptions[at].channel.family();
            if self.subscriptions[at].is_on && !self.is_closed(family) {
                match family {
                    Family::Book => self.lose_book(GapCause::Disconnected, out),
                    _ => out.push(Input::State { id: self.id, family, fact: Fact::Closed }),
                }
            }
            self.subscriptions[at].forget();
        }
    }

    fn push_gap(&self, family: Family, cause: GapCause, from: u64, to: u64, out: &mut Vec<Input>) {
        out.push(Input::Gap(Gap { id: Some(self.id), family, cause, from, to }));
    }

    fn event(&self, flags: Flags, venue_ts: Nanos, receive_ts: Nanos, body: Body) -> Input {
        Input::Event(Event { id: self.id, flags, venue_ts, receive_ts, body })
    }
}

/// Puts the checked levels of each side into the engine's numbers.
fn take_checked(book: &ChecksumBook, sides: &mut [Vec<WireLevel>; 2]) -> Result<(), DecodeError> {
    for (side, levels) in Side::BOTH.into_iter().zip(sides) {
        levels.clear();
        for level in book.checked(side) {
            levels.push(level.wire()?);
        }
    }
    Ok(())
}

fn body(level: WireLevel) -> Body {
    let WireLevel { side, price, qty } = level;
    Body::Level { side, orders: 0, price, qty }
}
