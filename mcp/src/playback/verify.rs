//! The book against what its venue says of it.
//!
//! Binance numbers its `bookTicker` like its depth changes: where a ticker's update id is the last id of
//! an applied change, both describe the same book, whichever came first. Kraken states a checksum: its session passes on
//! the levels that one has proved, marked `COMPLETE`, and tells of any other by a gap. Kite and Angel One state the
//! whole visible book in each packet.

use std::collections::BTreeMap;
use tidegate_core::{
    Body, Event, Family, Flags, Gap, GapCause, Input, InstrumentId, Level, Market, Price, Qty, Side, Stamped, Top,
};

/// Tops and tickers that wait for their other half, per instrument: minutes of the busiest stream.
const WAITING_MAX: usize = 65_536;

/// What was found.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Verification {
    /// Points that could be compared.
    pub checked: u64,
    /// Those at which the book was right.
    pub equal: u64,
    /// The first point at which it was not.
    pub first_mismatch: Option<Mismatch>,
}

/// A point at which the book is not the venue's.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Mismatch {
    /// Key and source.
    pub instrument: String,
    /// The update id of both, where the venue has one.
    pub update_id: Option<u64>,
    /// What the book showed.
    pub book: Top,
    /// What ticker or packet said; a checksum says nothing of what the book is instead.
    pub ticker: Option<Top>,
}

#[derive(Default)]
struct Waiting {
    tops: BTreeMap<u64, Top>,
    tickers: BTreeMap<u64, Top>,
    /// What the packet that is being applied has said so far.
    packet: Top,
}

/// Compares as inputs are applied.
#[derive(Default)]
pub struct Verifier {
    waiting: Option<BTreeMap<InstrumentId, Waiting>>,
    found: Verification,
}

impl Verifier {
    /// Begins to compare.
    pub fn enable(&mut self) {
        self.waiting = Some(BTreeMap::new());
    }

    /// Looks at what an input came to.
    pub fn after(&mut self, market: &Market, stamped: Stamped<'_>) {
        let Some(waiting) = &mut self.waiting else { return };
        if let Input::Gap(Gap { id: Some(id), cause: GapCause::Checksum, .. }) = *stamped.input {
            self.found.note(market, id, None, None);
        }
        if let Input::Event(event) = stamped.input
            && event.flags.has(PACKET)
        {
            note_packet(&mut waiting.entry(event.id).or_default().packet, event);
        }
        let Some(end) = stamped.end else { return };
        let Some(stream) = market.stream(end.id) else { return };
        let waiting = waiting.entry(end.id).or_default();
        let flags = if let Input::Event(event) = stamped.input { event.flags } else { Flags::NONE };
        let book = stream.book.top();
        let said = match (end.family, end.sequence) {
            (Family::Book, _) if flags.has(PACKET) => Some((end.sequence, waiting.packet)),
            // The checksum has held: the book is what it says.
            (Family::Book, _) if flags.has(Flags::COMPLETE) => Some((None, book)),
            (Family::Book, Some(update_id)) if !end.is_snapshot => {
                let ticker = meet(update_id, book, &mut waiting.tops, &mut waiting.tickers);
                ticker.map(|ticker| (Some(update_id), ticker))
            }
            (Family::Quotes, Some(update_id)) => {
                let Some(ticker) = ticker(stamped.input) else { return };
                let Some(book) = meet(update_id, ticker, &mut waiting.tickers, &mut waiting.tops) else { return };
                return self.found.compare(market, end.id, Some(update_id), book, ticker);
            }
            _ => None,
        };
        if let Some((update_id, said)) = said {
            self.found.compare(market, end.id, update_id, book, said);
        }
    }

    /// What was found.
    pub fn finish(self) -> Verification {
        self.found
    }
}

impl Verification {
    /// Compares the book with what the venue says of it.
    fn compare(&mut self, market: &Market, id: InstrumentId, update_id: Option<u64>, book: Top, said: Top) {
        if is_same(&book, &said) {
            self.checked += 1;
            self.equal += 1;
        } else {
            self.note(market, id, update_id, Some((book, said)));
        }
    }

    /// Takes note of a point at which the book is not the venue's; of one that only a checksum tells, the book is
    /// gone already.
    fn note(&mut self, market: &Market, id: InstrumentId, update_id: Option<u64>, tops: Option<(Top, Top)>) {
        self.checked += 1;
        if self.first_mismatch.is_none() {
            let instrument = market.stream(id).map_or_else(String::new, |stream| stream.instrument.to_string());
            let (book, ticker) = tops.map_or((Top::default(), None), |(book, said)| (book, Some(said)));
            self.first_mismatch = Some(Mismatch { instrument, update_id, book, ticker });
        }
    }
}

/// The marks of a message that states the whole book anew.
const PACKET: Flags = Flags::SNAPSHOT.with(Flags::COMPLETE);

/// Takes note of a row: the best of each side.
fn note_packet(packet: &mut Top, event: &Event) {
    match event.body {
        Body::Clear => *packet = Top::default(),
        Body::Level { side, price, qty, orders } if qty > Qty::ZERO => {
            let level = Some(Level { price, qty, orders });
            match side {
                Side::Bid if packet.bid.is_none_or(|best| price > best.price) => packet.bid = level,
                Side::Ask if packet.ask.is_none_or(|best| price < best.price) => packet.ask = level,
                _ => {}
            }
        }
        _ => {}
    }
}

fn ticker(input: &Input) -> Option<Top> {
    let Input::Event(Event { body: Body::Quote { bid, bid_qty, ask, ask_qty }, .. }) = *input else { return None };
    // A side without an order is stated as 0 x 0.
    let is_there = |price, qty| (price, qty) != (Price::ZERO, Qty::ZERO);
    let level = |price, qty| is_there(price, qty).then_some(Level { price, qty, orders: 0 });
    Some(Top { bid: level(bid, bid_qty), ask: level(ask, ask_qty) })
}

/// Takes the other half if it is waiting; waits for it otherwise.
fn meet(update_id: u64, top: Top, mine: &mut BTreeMap<u64, Top>, others: &mut BTreeMap<u64, Top>) -> Option<Top> {
    if let Some(other) = others.remove(&update_id) {
        return Some(other);
    }
    mine.insert(update_id, top);
    if mine.len() > WAITING_MAX {
        mine.pop_first();
    }
    None
}

/// A ticker does not count orders.
fn is_same(book: &Top, ticker: &Top) -> bool {
    let same = |book: Option<Level>, ticker: Option<Level>| {
        book.map(|level| (level.price, level.qty)) == ticker.map(|level| (level.price, level.qty))
    };
    same(book.bid, ticker.bid) && same(book.ask, ticker.ask)
}
