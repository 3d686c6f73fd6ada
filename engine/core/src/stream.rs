//! Everything that is known of one instrument from one source.

use crate::bar::{BarSeries, INTERVALS};
use crate::book::{Book, Level};
use crate::digest::Chain;
use crate::event::{Body, Event, Family, Flags, Side};
use crate::input::Fact;
use crate::instrument::Instrument;
use crate::market::{Bounds, MessageEnd};
use crate::meter::{FlowMeter, FlowReport};
use crate::price::{Price, Qty};
use crate::recent::RecentTrades;
use crate::time::Nanos;
use std::sync::Arc;

/// How many times longer than others a venue may be silent whose connection proves that it lives.
const QUIET_FACTOR: i64 = 12;

/// In which state a stream is. Only [`StreamState::Live`] carries orders.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u8)]
pub enum StreamState {
    /// Subscribed, and not yet complete.
    Syncing = 0,
    /// Complete and current.
    Live = 1,
    /// Nothing came for longer than [`Bounds::stale_after`].
    Stale = 2,
    /// A part is missing and a new snapshot has not begun.
    Gapped = 3,
    /// Complete, but what it shows cannot be right: the book is crossed.
    Degraded = 4,
    /// Not subscribed.
    Closed = 5,
}

impl StreamState {
    /// Every state, by code.
    pub const ALL: [StreamState; 6] = [
        StreamState::Syncing,
        StreamState::Live,
        StreamState::Stale,
        StreamState::Gapped,
        StreamState::Degraded,
        StreamState::Closed,
    ];

    /// The name shown to people.
    pub const fn name(self) -> &'static str {
        match self {
            StreamState::Syncing => "syncing",
            StreamState::Live => "live",
            StreamState::Stale => "stale",
            StreamState::Gapped => "gapped",
            StreamState::Degraded => "degraded",
            StreamState::Closed => "closed",
        }
    }
}

/// Best bid and ask as the venue's own ticker states them.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Quote {
    /// Best bid.
    pub bid: Level,
    /// Best ask.
    pub ask: Level,
    /// The venue's update id, where it sent one.
    pub venue_sequence: Option<u64>,
}

/// The latest trade.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct LastTrade {
    /// Price.
    pub price: Price,
    /// Quantity.
    pub qty: Qty,
    /// The aggressor's side.
    pub side: Side,
    /// The venue's number.
    pub trade_id: u64,
    /// The venue's clock, where the message bore it.
    pub venue_ts: Option<Nanos>,
    /// Our clock.
    pub receive_ts: Nanos,
}

/// One instrument of one source.
#[derive(Clone, Debug)]
pub struct Stream {
    /// What it is.
    pub instrument: Arc<Instrument>,
    /// Its book.
    pub book: Book,
    /// Update id of the last message applied to the book.
    pub book_sequence: Option<u64>,
    /// The venue's own statement of the top; never mixed with the book's.
    pub quote: Option<Quote>,
    /// The latest trade.
    pub last_trade: Option<LastTrade>,
    /// The latest trades, the last one among them.
    pub recent_trades: RecentTrades,
    /// What its flow is like, where somebody asked: see [`crate::Market::measure`].
    pub(crate) meter: Option<Box<FlowMeter>>,
    /// Bars, by position in [`INTERVALS`].
    pub bars: Vec<BarSeries>,
    /// Trades with which a bar began, of whatever interval.
    pub(crate) bars_begun: u64,
    /// When the last event of each family arrived (tape time), by family code.
    pub last_event: [Option<Nanos>; Family::ALL.len()],
    pub(crate) states: [StreamState; Family::ALL.len()],
    pub(crate) chains: [Chain; Family::ALL.len()],
    /// A gap was seen that no snapshot has healed yet.
    pub(crate) was_gapped: bool,
    /// Its book is the venue's best levels and no more ([`Flags::COMPLETE`]).
    pub(crate) shows_best_alone: bool,
    /// A new snapshot was asked for, the book being complete and known ever less far.
    is_refresh_asked: bool,
    /// The opening of a message whose family is not known yet.
    message: Option<Event>,
    is_open: bool,
    /// The first deadline of the bars: it changes with a trade or a deadline, and is asked with every input.
    bars_due: Option<Nanos>,
}

impl Stream {
    pub(crate) fn new(instrument: Arc<Instrument>, bounds: &Bounds) -> Stream {
        Stream {
            book: Book::new(bounds.book_levels_max, instrument.tick),
            instrument,
            book_sequence: None,
            quote: None,
            last_trade: None,
            recent_trades: RecentTrades::new(bounds.trades_max),
            meter: None,
            bars: INTERVALS.iter().map(|&interval| BarSeries::new(interval, bounds.bars_max)).collect(),
            bars_begun: 0,
            last_event: [None; 4],
            states: [StreamState::Closed; 4],
            chains: Default::default(),
            was_gapped: false,
            shows_best_alone: false,
            is_refresh_asked: false,
            message: None,
            is_open: false,
            bars_due: None,
        }
    }

    /// Takes over better facts of the same instrument.
    pub(crate) fn redefine(&mut self, instrument: Arc<Instrument>) {
        if instrument.tick != self.instrument.tick {
            self.book.retick(instrument.tick);
        }
        self.instrument = instrument;
    }

    /// The state of a family.
    pub fn state(&self, family: Family) -> StreamState {
        self.states[usize::from(family.code())]
    }

    fn set_state(&mut self, family: Family, state: StreamState) {
        self.states[usize::from(family.code())] = state;
    }

    /// When the latest event of any family arrived.
    pub fn last_event_any(&self) -> Option<Nanos> {
        self.last_event.iter().copied().flatten().max()
    }

    /// True between the first event of a venue message and its last: not a moment for readers.
    pub fn is_message_open(&self) -> bool {
        self.is_open
    }

    /// Applies one event at tape time `ts`; tells what ended if it was the last of its message.
    pub(crate) fn apply(&mut self, ts: Nanos, event: &Event) -> Option<MessageEnd> {
        let is_last = event.flags.has(Flags::LAST);
        self.is_open = !is_last;
        let family = match event.body.family() {
            Some(family) => family,
            // A message with nothing in it: an empty change of the book.
            None if is_last => Family::Book,
            None => {
                self.message = Some(*event);
                return None;
            }
        };
        let code = usize::from(family.code());
        let opening = self.message.take();
        if let Some(message) = &opening {
            self.chains[code].absorb(message);
        }
        self.chains[code].absorb(event);
        self.last_event[code] = Some(ts);
        if self.states[code] == StreamState::Stale {
            self.states[code] = StreamState::Live;
        }
        let sequence = sequence(&event.body).or_else(|| sequence(&opening?.body));
        self.apply_body(event, sequence);
        if let (Some(meter), Body::Trade { side, price, qty, .. }) = (&mut self.meter, event.body) {
            meter.on_trade(ts, side, price, qty, event.flags.has(Flags::DERIVED));
        }
        if !is_last {
            return None;
        }
        if family == Family::Book {
            let begins = event.flags.has(Flags::SNAPSHOT) || self.book.is_known();
            self.shows_best_alone = event.flags.has(Flags::COMPLETE);
            if self.shows_best_alone && begins {
                self.complete_book();
            }
            self.judge_book();
            self.measure_book(ts);
        }
        let sequence = if family == Family::Book { self.book_sequence } else { sequence };
        Some(MessageEnd { id: event.id, family, is_snapshot: event.flags.has(Flags::SNAPSHOT), sequence })
    }

    fn apply_body(&mut self, event: &Event, sequence: Option<u64>) {
        match event.body {
            Body::Level { side, orders, price, qty } => {
                self.book_sequence = sequence.or(self.book_sequence);
                self.book.set(side, Level { price, qty, orders });
            }
            Body::Message { .. } => self.book_sequence = sequence,
            Body::Clear => {
                self.book.clear();
                self.book_sequence = sequence;
                if self.state(Family::Book) != StreamState::Closed {
                    self.set_state(Family::Book, StreamState::Syncing);
                }
            }
            Body::Trade { side, price, qty, trade_id } => {
                let received = event.flags.has(Flags::TIME_RECEIVED);
                let venue_ts = (!received).then_some(event.venue_ts);
                let receive_ts = event.receive_ts;
                let trade = LastTrade { price, qty, side, trade_id, venue_ts, receive_ts };
                self.last_trade = Some(trade);
                self.recent_trades.push(trade);
                let mut begins = false;
                for series in &mut self.bars {
                    begins |= series.push(event.venue_ts, received, price, qty);
                }
                if begins {
                    self.bars_begun += 1;
                    self.note_bars_due();
                }
            }
            // An older statement of the top says nothing any more.
            Body::Quote { .. } if sequence < self.quote.and_then(|quote| quote.venue_sequence) => {}
            Body::Quote { bid, bid_qty, ask, ask_qty } => {
                let level = |price, qty| Level { price, qty, orders: 0 };
                self.quote =
                    Some(Quote { bid: level(bid, bid_qty), ask: level(ask, ask_qty), venue_sequence: sequence });
            }
            // Counted in the digest; no reader asks for them yet.
            Body::Ohlc { .. } | Body::Day { .. } | Body::Pressure { .. } | Body::Interest { .. } => {}
        }
    }

    fn complete_book(&mut self) {
        self.book.complete_snapshot();
        self.is_refresh_asked = false;
    }

    /// A whole message is in the book: is what it shows fit to be traded on?
    fn judge_book(&mut self) {
        if !self.book.is_known() || self.state(Family::Book) == StreamState::Closed {
            return;
        }
        self.book.settle();
        let next = if self.book.is_exhausted() {
            StreamState::Syncing
        } else if self.book.top().is_crossed() {
            StreamState::Degraded
        } else {
            StreamState::Live
        };
        self.set_state(Family::Book, next);
    }

    fn measure_book(&mut self, ts: Nanos) {
        let is_live = self.state(Family::Book) == StreamState::Live;
        match &mut self.meter {
            Some(meter) if is_live => meter.on_book(ts, &self.book),
            Some(meter) => meter.on_no_book(ts),
            None => {}
        }
    }

    /// What its flow is like, where somebody asked for it to be measured.
    pub fn flow(&self) -> Option<FlowReport> {
        self.meter.as_ref().map(|meter| meter.report())
    }

    /// Takes note of what the session knows; true where a snapshot healed a gap.
    pub(crate) fn learn(&mut self, family: Family, fact: Fact) -> bool {
        let has_snapshot = family == Family::Book;
        match fact {
            Fact::Subscribed if has_snapshot => self.set_state(family, StreamState::Syncing),
            Fact::Subscribed => {
                if family == Family::Quotes {
                    // What the last connection said of the top says nothing on this one.
                    self.quote = None;
                }
                self.set_state(family, StreamState::Live);
            }
            Fact::Closed => self.set_state(family, StreamState::Closed),
            Fact::SnapshotComplete if has_snapshot => {
                self.complete_book();
                self.judge_book();
                return std::mem::take(&mut self.was_gapped);
            }
            Fact::AllBids if has_snapshot => self.book.end_snapshot(Side::Bid),
            Fact::AllAsks if has_snapshot => self.book.end_snapshot(Side::Ask),
            Fact::SnapshotComplete | Fact::AllBids | Fact::AllAsks => {}
        }
        false
    }

    /// Nobody listened for a while: every family is lost until it is subscribed again.
    pub(crate) fn suspend(&mut self) {
        for family in Family::ALL {
            self.lose(family);
            if self.state(family) != StreamState::Closed {
                self.set_state(family, StreamState::Gapped);
            }
        }
    }

    /// A part of a family is missing.
    pub(crate) fn lose(&mut self, family: Family) {
        self.message = None;
        self.is_open = false;
        self.chains[usize::from(family.code())].abandon();
        // What the book was after the last that was heard of it, nobody knows.
        let heard = self.last_event_any().unwrap_or_default();
        if let (Some(meter), Family::Book | Family::Trades) = (&mut self.meter, family) {
            meter.interrupt(heard);
        }
        match family {
            Family::Book => {
                self.book.clear();
                self.book_sequence = None;
                self.was_gapped = true;
                if self.state(family) != StreamState::Closed {
                    self.set_state(family, StreamState::Gapped);
                }
            }
            Family::Trades => {
                self.bars.iter_mut().for_each(BarSeries::mark_incomplete);
                self.recent_trades.clear();
            }
            Family::Quotes => self.quote = None,
            Family::Statistics => {}
        }
    }

    /// True once for each snapshot: when too little of it is left.
    pub(crate) fn asks_for_refresh(&mut self) -> bool {
        !self.is_refresh_asked && self.book.is_too_thin() && {
            self.is_refresh_asked = true;
            true
        }
    }

    /// How long it may be silent. A venue that shows its best levels alone has nothing to say while they stand,
    /// and proves by heartbeats that it is there: its session gives a silent connection up within seconds.
    fn silence_max(&self, stale_after: Nanos) -> Nanos {
        if self.shows_best_alone { Nanos::new(stale_after.raw().saturating_mul(QUIET_FACTOR)) } else { stale_after }
    }

    /// When something happens to this stream by the passing of time alone.
    pub(crate) fn next_deadline(&self, stale_after: Nanos) -> Option<Nanos> {
        let stale_after = self.silence_max(stale_after);
        let mut due = self.bars_due;
        for family in [Family::Book, Family::Quotes, Family::Statistics] {
            let last = self.last_event[usize::from(family.code())].filter(|_| self.state(family) == StreamState::Live);
            if let Some(stale) = last.map(|last| last.plus(stale_after)) {
                due = Some(due.map_or(stale, |due| due.min(stale)));
            }
        }
        due
    }

    /// The bars have changed.
    pub(crate) fn note_bars_due(&mut self) {
        self.bars_due = self.bars.iter().filter_map(BarSeries::next_deadline).min();
    }

    /// Lets what is due at `now` happen.
    pub(crate) fn pass(&mut self, now: Nanos, stale_after: Nanos) {
        let stale_after = self.silence_max(stale_after);
        for series in &mut self.bars {
            series.close_until(now);
        }
        self.note_bars_due();
        for family in Family::ALL.into_iter().filter(|&family| family != Family::Trades) {
            let due = self.last_event[usize::from(family.code())].is_some_and(|last| last.plus(stale_after) <= now);
            if due && self.state(family) == StreamState::Live {
                self.set_state(family, StreamState::Stale);
            }
        }
    }
}

fn sequence(body: &Body) -> Option<u64> {
    match *body {
        Body::Message { last, .. } => Some(last),
        _ => None,
    }
}
