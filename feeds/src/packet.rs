//! Venues that send packets instead of changes: each replaces the whole visible book and states the totals of
//! the day. There is no trade stream: trades are worked out from the growth of the day's volume.

use crate::clock::VenueClock;
use tidegate_core::{Body, Event, Fact, Family, Flags, Gap, GapCause, Input, InstrumentId, Nanos, Price, Qty, Side};

/// India has had no daylight-saving time since 1945: its days begin at a fixed offset from UTC's.
pub const INDIA_OFFSET: Nanos = Nanos::new(19_800 * Nanos::SECOND.raw());

const DAY: i64 = 86_400 * Nanos::SECOND.raw();

/// One row of a packet's book.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Row {
    /// Which side.
    pub side: Side,
    /// Number of orders.
    pub orders: u32,
    /// Price.
    pub price: Price,
    /// Total quantity.
    pub qty: Qty,
}

const NO_ROW: Row = Row { side: Side::Bid, orders: 0, price: Price::ZERO, qty: Qty::ZERO };

/// The visible book: the best levels of both sides, at most `ROWS`, in place, so that decoding allocates nothing.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Depth<const ROWS: usize> {
    rows: [Row; ROWS],
    len: usize,
}

impl<const ROWS: usize> Depth<ROWS> {
    /// No level on either side.
    pub const EMPTY: Depth<ROWS> = Depth { rows: [NO_ROW; ROWS], len: 0 };

    /// Adds a row. Venues fill a short side with rows without price or quantity, which are no levels; more rows
    /// than both sides have do not exist.
    pub fn push(&mut self, row: Row) {
        if row.price > Price::ZERO
            && row.qty > Qty::ZERO
            && let Some(place) = self.rows.get_mut(self.len)
        {
            *place = row;
            self.len += 1;
        }
    }

    /// The levels, in the order of the packet.
    pub fn rows(&self) -> &[Row] {
        &self.rows[..self.len]
    }

    fn best(&self, side: Side) -> Option<Price> {
        let prices = self.rows().iter().filter(|row| row.side == side).map(|row| row.price);
        match side {
            Side::Bid => prices.max(),
            Side::Ask => prices.min(),
        }
    }
}

/// One packet in the engine's numbers, of a venue that shows at most `ROWS` levels. What its kind does not carry is
/// `None`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Packet<const ROWS: usize> {
    /// The venue's clock.
    pub time: Option<Nanos>,
    /// The venue's number of the packet.
    pub sequence: Option<u64>,
    /// Price of the last trade, or value of the index.
    pub last: Option<Price>,
    /// When the last trade was made.
    pub last_time: Option<Nanos>,
    /// Quantity traded since the day began.
    pub volume: Option<Qty>,
    /// Ohlc, Day, Pressure and Interest.
    pub statistics: [Option<Body>; 4],
    /// The book.
    pub depth: Option<Depth<ROWS>>,
}

impl<const ROWS: usize> Packet<ROWS> {
    /// A packet that says nothing.
    pub const EMPTY: Packet<ROWS> = Packet {
        time: None,
        sequence: None,
        last: None,
        last_time: None,
        volume: None,
        statistics: [None; 4],
        depth: None,
    };
}

/// What one instrument's packets come to.
#[derive(Debug)]
pub struct PacketStream {
    id: InstrumentId,
    families: &'static [Family],
    is_subscribed: bool,
    /// A snapshot of the book has been announced as complete since it was subscribed or lost.
    is_complete: bool,
    is_closed: bool,
    /// Something is missing before the next packet.
    hole: Option<GapCause>,
    volume: Option<Qty>,
    /// Day of the venue's clock in India, counted from the epoch.
    day: Option<i64>,
    last: Option<(Price, Option<Nanos>)>,
    touch: [Option<Price>; 2],
    side: Side,
    clock: VenueClock,
}

impl PacketStream {
    /// A stream of which nothing is subscribed yet; `families` are those its packets carry.
    pub fn new(id: InstrumentId, families: &'static [Family]) -> PacketStream {
        PacketStream {
            id,
            families,
            is_subscribed: false,
            is_complete: false,
            is_closed: false,
            hole: None,
            volume: None,
            day: None,
            last: None,
            touch: [None; 2],
            side: Side::Bid,
            clock: VenueClock::default(),
        }
    }

    /// True until a connection has brought its first packet, unless none would be taken any more.
    pub fn is_missing(&self) -> bool {
        !self.is_subscribed && !self.is_closed
    }

    /// The venue delivers: these venues confirm nothing, so the first packet tells it.
    pub fn subscribe(&mut self, out: &mut Vec<Input>) {
        if !self.is_subscribed && !self.is_closed {
            self.is_subscribed = true;
            out.extend(self.families.iter().map(|&family| Input::State {
                id: self.id,
                family,
                fact: Fact::Subscribed,
            }));
        }
    }

    /// The packet's time, where the venue's clock can have said it: [`PacketStream::push`] asks by itself.
    pub fn believe(&mut self, now: Nanos, time: Option<Nanos>) -> Option<Nanos> {
        self.clock.believe(time, now)
    }

    /// Takes one packet: a derived trade, then the book, which holds the trade already, then the day's totals.
    pub fn push<const ROWS: usize>(&mut self, now: Nanos, packet: &Packet<ROWS>, out: &mut Vec<Input>) {
        if self.is_closed {
            return;
        }
        self.subscribe(out);
        let time = self.clock.believe(packet.time, now);
        self.push_trade(now, time, packet, out);
        if let Some(depth) = packet.depth.as_ref().filter(|_| self.has(Family::Book)) {
            self.push_book(now, time, packet.sequence, depth, out);
        }
        if self.has(Family::Statistics) {
            let bodies = packet.statistics.iter().flatten().copied();
            self.push_message(Flags::NONE, time, now, bodies, out);
        }
    }

    /// The venue's numbering has a hole before the next packet, which is a whole snapshot: it heals the book.
    pub fn skip(&mut self, from: u64, to: u64, out: &mut Vec<Input>) {
        if self.is_subscribed && !self.is_closed {
            self.hole = self.hole.or(Some(GapCause::Sequence));
            if self.has(Family::Book) {
                self.is_complete = false;
                self.push_gap(Family::Book, GapCause::Sequence, from, to, out);
            }
        }
    }

    /// The connection is gone.
    pub fn lose(&mut self, out: &mut Vec<Input>) {
        if !std::mem::take(&mut self.is_subscribed) {
            return;
        }
        self.is_complete = false;
        self.hole = Some(GapCause::Disconnected);
        self.touch = [None; 2];
        self.clock = VenueClock::default();
        for &family in self.families {
            if family != Family::Statistics {
                // Of trades too: from here on the bar that is being made may lack some, and nothing numbers them.
                self.push_gap(family, GapCause::Disconnected, 0, 0, out);
            }
            if family != Family::Book {
                out.push(Input::State { id: self.id, family, fact: Fact::Closed });
            }
        }
    }

    /// A value cannot be held: the stream ends, once, loudly. True unless it had ended already.
    pub fn close(&mut self, out: &mut Vec<Input>) -> bool {
        let was_closed = std::mem::replace(&mut self.is_closed, true);
        if !was_closed {
            for &family in self.families {
                self.push_gap(family, GapCause::Unrepresentable, 0, 0, out);
            }
        }
        !was_closed
    }

    fn has(&self, family: Family) -> bool {
        self.families.contains(&family)
    }

    /// Works out a trade; before it, what was not seen as it was made is told, in units of the day's volume: the gap
    /// marks the bar that something is missing from, and the one that the trade begins.
    fn push_trade<const ROWS: usize>(
        &mut self,
        now: Nanos,
        time: Option<Nanos>,
        packet: &Packet<ROWS>,
        out: &mut Vec<Input>,
    ) {
        let Some(price) = packet.last.filter(|&price| price > Price::ZERO) else { return };
        let before = self.last.replace((price, time));
        let hole = self.hole.take();
        let (qty, missed) = match packet.volume {
            Some(volume) => self.grow(time, volume, hole),
            // An index, or a price alone: the new value counts, with no quantity. Without a clock the first one
            // can be as old as it likes.
            None => {
                let is_new = before.is_some_and(|(before, _)| before != price);
                let is_new = if time.is_some() { before != self.last } else { is_new };
                // A lost connection has been told already, and there is no count to add.
                let missed = hole.filter(|&cause| cause != GapCause::Disconnected).map(|cause| (0, 0, cause));
                (Qty::from_raw(0).filter(|_| is_new), missed)
            }
        };
        if let Some((from, to, cause)) = missed {
            self.push_gap(Family::Trades, cause, from, to, out);
        }
        self.side = self.aggressor(price, before.map(|(before, _)| before));
        if let Some(qty) = qty {
            let time = packet.last_time.filter(|_| packet.volume.is_some()).or(time);
            let (flags, venue_ts) = self.clock.stamp(time, now);
            let body = Body::Trade { side: self.side, price, qty, trade_id: 0 };
            out.push(self.event(flags.with(Flags::DERIVED).with(Flags::LAST), venue_ts, now, body));
        }
    }

    /// What was traded since the packet before, and the part of the count that is in doubt. A count that falls,
    /// or stands on another day, has begun anew: what it holds already is missing, not traded now.
    fn grow(
        &mut self,
        time: Option<Nanos>,
        volume: Qty,
        hole: Option<GapCause>,
    ) -> (Option<Qty>, Option<(u64, u64, GapCause)>) {
        let day = time.map(|time| time.plus(INDIA_OFFSET).raw().div_euclid(DAY));
        let is_new_day = day.is_some() && self.day.is_some() && day != self.day;
        self.day = day.or(self.day);
        let Some(before) = self.volume.replace(volume) else { return (None, None) };
        let begins_anew = is_new_day || volume < before;
        let from = if is_new_day { Qty::ZERO } else { before };
        // On another day the count says nothing of what was missed of the one before.
        let is_odd = volume != from || (is_new_day && hole == Some(GapCause::Sequence));
        let missed = (is_odd && (begins_anew || hole.is_some())).then(|| {
            (units(from).saturating_add(1), units(volume).saturating_add(1), hole.unwrap_or(GapCause::Sequence))
        });
        let grown = Qty::from_raw(volume.raw() - from.raw());
        (grown.filter(|&grown| !begins_anew && grown > Qty::ZERO), missed)
    }

    /// The venue does not say who was the aggressor: a price at the touch of the packet before tells, then the
    /// direction of the price, then the trade before.
    fn aggressor(&self, price: Price, before: Option<Price>) -> Side {
        let [bid, ask] = self.touch;
        let is_up = before.is_some_and(|before| price > before);
        let is_down = before.is_some_and(|before| price < before);
        if ask.is_some_and(|ask| price >= ask) {
            Side::Bid
        } else if bid.is_some_and(|bid| price <= bid) {
            Side::Ask
        } else if is_up {
            Side::Bid
        } else if is_down {
            Side::Ask
        } else {
            self.side
        }
    }

    fn push_book<const ROWS: usize>(
        &mut self,
        now: Nanos,
        time: Option<Nanos>,
        sequence: Option<u64>,
        depth: &Depth<ROWS>,
        out: &mut Vec<Input>,
    ) {
        self.touch = Side::BOTH.map(|side| depth.best(side));
        let flags = Flags::SNAPSHOT.with(Flags::COMPLETE);
        let opening = sequence.map(|number| Body::Message { first: number, last: number });
        let level = |row: &Row| Body::Level { side: row.side, orders: row.orders, price: row.price, qty: row.qty };
        let bodies = opening.into_iter().chain([Body::Clear]).chain(depth.rows().iter().map(level));
        self.push_message(flags, time, now, bodies, out);
        // Once: that a book is whole again after it was lost. Each packet says for itself that it is.
        if !std::mem::replace(&mut self.is_complete, true) {
            out.push(Input::State { id: self.id, family: Family::Book, fact: Fact::SnapshotComplete });
        }
    }

    fn push_message(
        &mut self,
        marks: Flags,
        time: Option<Nanos>,
        now: Nanos,
        bodies: impl Iterator<Item = Body>,
        out: &mut Vec<Input>,
    ) {
        let (flags, venue_ts) = self.clock.stamp(time, now);
        let flags = flags.with(marks);
        let mut bodies = bodies.peekable();
        while let Some(body) = bodies.next() {
            let flags = if bodies.peek().is_none() { flags.with(Flags::LAST) } else { flags };
            out.push(self.event(flags, venue_ts, now, body));
        }
    }

    fn push_gap(&self, family: Family, cause: GapCause, from: u64, to: u64, out: &mut Vec<Input>) {
        out.push(Input::Gap(Gap { id: Some(self.id), family, cause, from, to }));
    }

    fn event(&self, flags: Flags, venue_ts: Nanos, receive_ts: Nanos, body: Body) -> Input {
        Input::Event(Event { id: self.id, flags, venue_ts, receive_ts, body })
    }
}

/// How long a symbol may go without a packet before it is asked for again: twice as long each time, as the
/// venue may have refused it for its limits.
#[derive(Debug)]
pub struct Patience {
    next: Option<Nanos>,
    wait: Nanos,
}

impl Patience {
    const FIRST: Nanos = Nanos::new(10 * Nanos::SECOND.raw());
    const MAX: Nanos = Nanos::new(320 * Nanos::SECOND.raw());

    /// Nothing has been asked for.
    pub const NONE: Patience = Patience { next: None, wait: Patience::FIRST };

    /// Something was asked for at `now`.
    pub fn start(&mut self, now: Nanos) {
        if self.next.is_none() {
            self.next = Some(now.plus(self.wait));
        }
    }

    /// Everything that was asked for has come.
    pub fn end(&mut self) {
        *self = Patience::NONE;
    }

    /// True where it is over at `now`; the next one is longer.
    pub fn is_over(&mut self, now: Nanos) -> bool {
        let is_over = self.next.is_some_and(|next| next <= now);
        if is_over {
            self.next = None;
            self.wait = self.wait.plus(self.wait).min(Patience::MAX);
        }
        is_over
    }

    /// When it is over.
    pub fn deadline(&self) -> Option<Nanos> {
        self.next
    }
}

/// Whole units: these venues trade no fractions.
fn units(qty: Qty) -> u64 {
    qty.raw().unsigned_abs() / 10u64.pow(u32::from(Qty::SCALE))
}

#[cfg(test)]
#[path = "packet_tests.rs"]
mod tests;
