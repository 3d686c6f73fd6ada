//! One symbol of a Binance session: its book's changes in order, its trades without doubles.

use super::Market;
use super::codec::TradeStream;
use super::sequence::{Numbers, Verdict};
use crate::clock::VenueClock;
use crate::numbering::{Follows, Numbering};
use crate::{Decimals, WireLevel};
use std::borrow::Cow;
use std::collections::VecDeque;
use tidegate_core::{Body, Event, Fact, Family, Flags, Gap, GapCause, Input, Instrument, InstrumentId, Nanos};

/// How much later than the latest change an old one must have been made to be none: the venue counts anew then. A change
/// that two connections tell differs by far less.
const COUNTS_ANEW_AFTER: Nanos = Nanos::new(10 * Nanos::SECOND.raw());

/// Most levels that wait for a snapshot, per symbol: minutes of the busiest book captured.
const WAITING_LEVELS_MAX: usize = 500_000;

/// What a symbol's streams carry, in the order of [`Market::streams`].
pub(super) const FAMILIES: [Family; 3] = [Family::Book, Family::Trades, Family::Quotes];

/// A depth message. One that waits to be applied owns its levels, any other borrows them.
#[derive(Debug)]
pub(super) struct Depth<'a> {
    pub numbers: Numbers,
    pub venue_ts: Option<Nanos>,
    pub receive_ts: Nanos,
    pub levels: Cow<'a, [WireLevel]>,
}

#[derive(Debug)]
pub(super) struct Snapshot {
    pub last: u64,
    pub venue_ts: Option<Nanos>,
    pub receive_ts: Nanos,
    pub levels: Vec<WireLevel>,
    /// By side's code: no level of the venue's lies beyond it.
    pub is_whole: [bool; 2],
    /// It stands in a capture: nobody can be asked for another one.
    pub is_captured: bool,
    /// One of its levels cannot be held, so that there are none.
    pub is_unrepresentable: bool,
}

impl Snapshot {
    /// One that stands in a capture, which does not tell how many levels were asked for.
    pub fn captured(last: u64, venue_ts: Option<Nanos>, receive_ts: Nanos, levels: &[WireLevel]) -> Snapshot {
        let levels = levels.to_vec();
        let (is_whole, is_captured, is_unrepresentable) = ([false; 2], true, false);
        Snapshot { last, venue_ts, receive_ts, levels, is_whole, is_captured, is_unrepresentable }
    }
}

#[derive(Debug, Default)]
struct Waiting {
    depths: VecDeque<Depth<'static>>,
    levels: usize,
    /// A gap has told already that the book is not there.
    is_told: bool,
}

impl Waiting {
    /// For the snapshot after a gap.
    fn after_gap() -> Waiting {
        Waiting { is_told: true, ..Waiting::default() }
    }

    /// Keeps a change; true where more is kept than may be.
    fn push(&mut self, depth: Depth<'_>) -> bool {
        // An empty change takes room too.
        self.levels += depth.levels.len() + 1;
        self.depths.push_back(Depth { levels: Cow::Owned(depth.levels.into_owned()), ..depth });
        self.levels > WAITING_LEVELS_MAX
    }
}

#[derive(Debug)]
enum Book {
    /// No snapshot yet: changes wait.
    Waiting(Waiting),
    /// The book stands at update id `last`; `is_first` until a change has followed the snapshot. `kept`
    /// are the changes since a new snapshot was asked for.
    Following { last: u64, is_first: bool, kept: Option<Waiting> },
    /// Closed for good.
    Closed,
}

#[derive(Debug)]
pub(super) struct Symbol {
    pub id: InstrumentId,
    instrument: Instrument,
    book: Book,
    /// When the latest change since the snapshot was made, where the venue's time could be believed.
    changed_at: Option<Nanos>,
    /// The stream whose trades are counted: the first one that is seen. The other is ignored.
    trade_stream: Option<TradeStream>,
    numbering: Numbering,
    trades_closed: bool,
    tickers_closed: bool,
    is_subscribed: bool,
    clock: VenueClock,
}

impl Symbol {
    pub fn new(id: InstrumentId, instrument: Instrument) -> Symbol {
        Symbol {
            id,
            instrument,
            book: Book::Waiting(Waiting::default()),
            changed_at: None,
            trade_stream: None,
            numbering: Numbering::default(),
            trades_closed: false,
            tickers_closed: false,
            is_subscribed: false,
            clock: VenueClock::default(),
        }
    }

    /// The venue delivers it from now on; true where a snapshot of the book is needed, unless it did already, over the
    /// connection that this one replaces.
    pub fn subscribed(&mut self, out: &mut Vec<Input>) -> bool {
        if std::mem::replace(&mut self.is_subscribed, true) {
            return false;
        }
        for family in FAMILIES.into_iter().filter(|&family| !self.is_closed(family)) {
            out.push(Input::State { id: self.id, family, fact: Fact::Subscribed });
        }
        self.is_waiting()
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

    /// The connection is gone. The book is lost; whether trades are missing their numbers will tell.
    pub fn disconnect(&mut self, out: &mut Vec<Input>) {
        if !std::mem::take(&mut self.is_subscribed) {
            return;
        }
        self.clock = VenueClock::default();
        if !self.is_closed(Family::Book) {
            self.book = Book::Waiting(Waiting::after_gap());
            self.push_gap(Family::Book, GapCause::Disconnected, 0, 0, out);
        }
        for family in [Family::Trades, Family::Quotes] {
            out.push(Input::State { id: self.id, family, fact: Fact::Closed });
        }
    }

    /// Begins to wait for a new snapshot; true unless one is waited for already. Until it comes the book
    /// goes on, and the changes are kept to be applied once more on top of it.
    pub fn refresh(&mut self) -> bool {
        match &mut self.book {
            Book::Following { kept, .. } if kept.is_none() => {
                *kept = Some(Waiting::default());
                true
            }
            _ => false,
        }
    }

    /// A snapshot would be of use.
    pub fn is_waiting(&self) -> bool {
        matches!(self.book, Book::Waiting(_) | Book::Following { kept: Some(_), .. })
    }

    /// The changes that wait for a snapshot.
    fn waiting(&self) -> Option<&Waiting> {
        match &self.book {
            Book::Waiting(waiting) => Some(waiting),
            Book::Following { kept, .. } => kept.as_ref(),
            Book::Closed => None,
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

    /// Takes a change of the book; true where a snapshot is needed from now on.
    pub fn handle_depth(&mut self, market: Market, depth: Depth<'_>, out: &mut Vec<Input>) -> bool {
        let counts_anew = self.counts_anew(&depth);
        match &mut self.book {
            Book::Closed => false,
            Book::Waiting(waiting) => {
                if !waiting.push(depth) {
                    return false;
                }
                *waiting = Waiting::after_gap();
                self.push_gap(Family::Book, GapCause::BufferFull, 0, 0, out);
                true
            }
            Book::Following { last, is_first, kept } => {
                let last = *last;
                let verdict = if *is_first {
                    market.judge_first(last, depth.numbers)
                } else {
                    market.judge_next(last, depth.numbers)
                };
                match verdict {
                    Verdict::Stale if !counts_anew => false,
                    Verdict::Apply => {
                        let mut kept = kept.take();
                        self.push_depth(&depth, out);
                        self.book = Book::Following { last: depth.numbers.last, is_first: false, kept: None };
                        let is_full = kept.as_mut().is_some_and(|kept| kept.push(depth));
                        if let Book::Following { kept: place, .. } = &mut self.book {
                            // The snapshot did not come in time: it is asked for again.
                            *place = kept.map(|kept| if is_full { Waiting::default() } else { kept });
                        }
                        is_full
                    }
                    Verdict::Gap | Verdict::Stale => {
                        self.push_gap(
                            Family::Book,
                            GapCause::Sequence,
                            last.saturating_add(1),
                            depth.numbers.first,
                            out,
                        );
                        let mut waiting = Waiting::after_gap();
                        waiting.push(depth);
                        self.book = Book::Waiting(waiting);
                        true
                    }
                }
            }
        }
    }

    /// True for a change that was made long after the latest one: where its number is old, the venue counts anew.
    fn counts_anew(&self, depth: &Depth<'_>) -> bool {
        let mut clock = self.clock;
        let made_at = clock.believe(depth.venue_ts, depth.receive_ts);
        made_at.zip(self.changed_at).is_some_and(|(made_at, changed_at)| made_at > changed_at.plus(COUNTS_ANEW_AFTER))
    }

    /// How the first waiting change that is newer than a snapshot follows it.
    pub fn first_verdict(&self, market: Market, snapshot: u64) -> Option<Verdict> {
        let mut verdicts = self.waiting()?.depths.iter().map(|depth| market.judge_first(snapshot, depth.numbers));
        verdicts.find(|&verdict| verdict != Verdict::Stale)
    }

    /// Takes a snapshot; true where it is too old for what waits, and another is needed.
    pub fn handle_snapshot(&mut self, market: Market, snapshot: &Snapshot, out: &mut Vec<Input>) -> bool {
        let is_behind = matches!(self.book, Book::Following { last, .. } if snapshot.last < last);
        match self.first_verdict(market, snapshot.last) {
            Some(Verdict::Gap) => {
                self.tell_unreached(snapshot, out);
                return true;
            }
            // What was applied after the snapshot was not kept.
            None if is_behind && self.is_waiting() => return true,
            _ => {}
        }
        let depths = match std::mem::replace(&mut self.book, Book::Closed) {
            Book::Waiting(waiting) | Book::Following { kept: Some(waiting), .. } => waiting.depths,
            // Nobody asked for this one.
            book => {
                self.book = book;
                return false;
            }
        };
        if snapshot.is_unrepresentable {
            self.push_gap(Family::Book, GapCause::Unrepresentable, 0, 0, out);
            return false;
        }
        self.book = Book::Following { last: snapshot.last, is_first: true, kept: None };
        self.push_snapshot(snapshot, out);
        let mut needs_snapshot = false;
        for depth in depths {
            needs_snapshot |= self.handle_depth(market, depth, out);
        }
        needs_snapshot
    }

    /// What lies between a capture's snapshot and the changes that wait for it never comes: told once.
    fn tell_unreached(&mut self, snapshot: &Snapshot, out: &mut Vec<Input>) {
        let Book::Waiting(waiting) = &mut self.book else { return };
        let next = waiting.depths.iter().map(|depth| depth.numbers).find(|numbers| numbers.last > snapshot.last);
        if let Some(next) = next.filter(|_| snapshot.is_captured && !waiting.is_told) {
            waiting.is_told = true;
            self.push_gap(Family::Book, GapCause::Sequence, snapshot.last.saturating_add(1), next.first, out);
        }
    }

    pub fn handle_ticker(
        &mut self,
        now: Nanos,
        last: u64,
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
        out.push(self.event(flags, venue_ts, now, Body::Message { first: last, last }));
        out.push(self.event(flags.with(Flags::LAST), venue_ts, now, quote));
    }

    pub fn handle_trade(
        &mut self,
        now: Nanos,
        stream: TradeStream,
        id: u64,
        time: Nanos,
        fill: Option<WireLevel>,
        out: &mut Vec<Input>,
    ) {
        let is_counted = *self.trade_stream.get_or_insert(stream) == stream;
        if self.trades_closed || !is_counted {
            return;
        }
        // What is repeated sets no clock back.
        let mut clock = self.clock;
        let (flags, venue_ts) = clock.stamp(Some(time), now);
        let believed = (!flags.has(Flags::TIME_RECEIVED)).then_some(venue_ts);
        match self.numbering.take(id, believed) {
            Follows::Next => {}
            Follows::Repeated => return,
            Follows::Hole { expected } => self.push_gap(Family::Trades, GapCause::Sequence, expected, id, out),
        }
        self.clock = clock;
        // Futures number what was no trade at a price: insurance fund, liquidation by agreement.
        let Some(WireLevel { side, price, qty }) = fill else { return };
        let body = Body::Trade { side, price, qty, trade_id: id };
        out.push(self.event(flags.with(Flags::LAST), venue_ts, now, body));
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
        self.push_gap(family, GapCause::Unrepresentable, 0, 0, out);
        true
    }

    fn push_snapshot(&mut self, snapshot: &Snapshot, out: &mut Vec<Input>) {
        self.changed_at = None;
        let (flags, venue_ts) = self.clock.stamp(snapshot.venue_ts, snapshot.receive_ts);
        let flags = flags.with(Flags::SNAPSHOT);
        let opening = [Body::Message { first: snapshot.last, last: snapshot.last }, Body::Clear];
        self.push_message(flags, venue_ts, snapshot.receive_ts, &opening, &snapshot.levels, out);
        let ends = [Fact::AllBids, Fact::AllAsks].into_iter().zip(snapshot.is_whole).filter(|(_, is_whole)| *is_whole);
        let facts = [Fact::SnapshotComplete].into_iter().chain(ends.map(|(fact, _)| fact));
        out.extend(facts.map(|fact| Input::State { id: self.id, family: Family::Book, fact }));
    }

    fn push_depth(&mut self, depth: &Depth<'_>, out: &mut Vec<Input>) {
        let opening = [Body::Message { first: depth.numbers.first, last: depth.numbers.last }];
        let (flags, venue_ts) = self.clock.stamp(depth.venue_ts, depth.receive_ts);
        if !flags.has(Flags::TIME_RECEIVED) {
            self.changed_at = Some(venue_ts);
        }
        self.push_message(flags, venue_ts, depth.receive_ts, &opening, &depth.levels, out);
    }

    fn push_message(
        &self,
        flags: Flags,
        venue_ts: Nanos,
        receive_ts: Nanos,
        opening: &[Body],
        levels: &[WireLevel],
        out: &mut Vec<Input>,
    ) {
        let levels = levels.iter().map(|&WireLevel { side, price, qty }| Body::Level { side, orders: 0, price, qty });
        let mut bodies = opening.iter().copied().chain(levels).peekable();
        while let Some(body) = bodies.next() {
            let flags = if bodies.peek().is_none() { flags.with(Flags::LAST) } else { flags };
            out.push(self.event(flags, venue_ts, receive_ts, body));
        }
    }

    fn push_gap(&self, family: Family, cause: GapCause, from: u64, to: u64, out: &mut Vec<Input>) {
        out.push(Input::Gap(Gap { id: Some(self.id), family, cause, from, to }));
    }

    fn event(&self, flags: Flags, venue_ts: Nanos, receive_ts: Nanos, body: Body) -> Input {
        Input::Event(Event { id: self.id, flags, venue_ts, receive_ts, body })
    }
}
