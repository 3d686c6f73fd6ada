//! Answers from the board: what the engine would say, without asking it.

use super::{DepthView, QuoteView, QuotesView, Stamp, end};
use crate::clock;
use std::sync::Arc;
use tidegate_core::{Family, Instrument, Side, Snapshot};

/// The board belongs to live engines: the time of an answer is the clock's.
fn stamp(snapshot: &Snapshot) -> Stamp {
    Stamp { seq: snapshot.seq, as_of: clock::now().max(snapshot.ts) }
}

/// The top of one instrument.
pub(super) fn quotes(snapshot: &Snapshot, instrument: &Arc<Instrument>) -> QuotesView {
    let quote = QuoteView {
        instrument: Arc::clone(instrument),
        book: snapshot.state(Family::Book),
        trades: snapshot.state(Family::Trades),
        top: snapshot.top(),
        last_trade: snapshot.last_trade,
        recent_trades: Vec::new(),
        last_event: snapshot.last_event,
    };
    QuotesView { stamp: stamp(snapshot), quotes: vec![quote] }
}

/// The best `levels` levels, as far as they are published.
pub(super) fn depth(snapshot: &Snapshot, instrument: Arc<Instrument>, levels: usize) -> DepthView {
    let side = |side| snapshot.side(side).levels().iter().copied().take(levels).collect();
    DepthView {
        stamp: stamp(snapshot),
        instrument,
        state: snapshot.state(Family::Book),
        bids: side(Side::Bid),
        asks: side(Side::Ask),
        known_to_bid: end(snapshot.bids.known_to),
        known_to_ask: end(snapshot.asks.known_to),
        venue_sequence: snapshot.book_sequence,
        last_event: snapshot.last_event[usize::from(Family::Book.code())],
    }
}
