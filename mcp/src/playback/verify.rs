//! The book against the venue's own statement of the top.
//!
//! Binance numbers its `bookTicker` like its depth changes: where a ticker's update id is the last id of
//! an applied change, both describe the same book, whichever came first.

use std::collections::BTreeMap;
use tidegate_core::{Body, Event, Family, Input, InstrumentId, Level, Market, Stamped, Top};

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

/// A point at which book and ticker differ.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Mismatch {
    /// Key and source.
    pub instrument: String,
    /// The update id of both.
    pub update_id: u64,
    /// What the book showed.
    pub book: Top,
    /// What the ticker said.
    pub ticker: Top,
}

#[derive(Default)]
struct Waiting {
    tops: BTreeMap<u64, Top>,
    tickers: BTreeMap<u64, Top>,
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
        let (Some(waiting), Some(end)) = (&mut self.waiting, stamped.end) else { return };
        let Some(stream) = market.stream(end.id) else { return };
        let waiting = waiting.entry(end.id).or_default();
        let pair = match end.family {
            Family::Book if !end.is_snapshot => end.sequence.and_then(|update_id| {
                let book = stream.book.top();
                meet(update_id, book, &mut waiting.tops, &mut waiting.tickers).map(|ticker| (update_id, book, ticker))
            }),
            Family::Quotes => end.sequence.and_then(|update_id| {
                let ticker = ticker(stamped.input)?;
                meet(update_id, ticker, &mut waiting.tickers, &mut waiting.tops).map(|book| (update_id, book, ticker))
            }),
            _ => None,
        };
        let Some((update_id, book, ticker)) = pair else { return };
        self.found.checked += 1;
        if is_same(&book, &ticker) {
            self.found.equal += 1;
        } else if self.found.first_mismatch.is_none() {
            let instrument = stream.instrument.to_string();
            self.found.first_mismatch = Some(Mismatch { instrument, update_id, book, ticker });
        }
    }

    /// What was found.
    pub fn finish(self) -> Verification {
        self.found
    }
}

fn ticker(input: &Input) -> Option<Top> {
    let Input::Event(Event { body: Body::Quote { bid, bid_qty, ask, ask_qty }, .. }) = *input else { return None };
    let level = |price, qty| Some(Level { price, qty, orders: 0 });
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
