//! What the engine's thread answers with: how things stood at one moment, between two venue messages.

use crate::live::StagesView;
use std::sync::Arc;
use tidegate_core::{Bar, Family, FlowReport, Instrument, Level, Nanos, Price, StreamState, Top, TradeSnapshot};

/// The point in the total order that a view shows.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Stamp {
    /// `seq` of the last input applied.
    pub seq: u64,
    /// Its tape time.
    pub as_of: Nanos,
}

/// How the engine is.
#[derive(Clone, Debug)]
pub struct StatusView {
    /// When.
    pub stamp: Stamp,
    /// False where the tape stands still, at its end or where it was told to.
    pub playing: bool,
    /// Every stream.
    pub feeds: Vec<FeedView>,
    /// Market events applied.
    pub events: u64,
    /// Trades among them.
    pub trades: u64,
    /// Gaps.
    pub gaps: u64,
    /// Snapshots that healed a gap.
    pub resyncs: u64,
    /// Messages that could not be read.
    pub decode_errors: u64,
    /// Messages about symbols that were not asked for.
    pub unknown_symbols: u64,
    /// The recorder, where there is one.
    pub recorder: Option<RecorderView>,
    /// How long the stages of a live engine take.
    pub stages: Option<StagesView>,
}

/// How the recorder is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct RecorderView {
    /// The last `seq` written.
    pub written_seq: u64,
    /// The longest time between two writes while there was something to write.
    pub longest_write_interval_ms: u64,
    /// How often it had to leave inputs out.
    pub full: u64,
}

/// How one stream is.
#[derive(Clone, Debug)]
pub struct FeedView {
    /// Instrument key.
    pub key: String,
    /// Source.
    pub source: String,
    /// State of its book.
    pub book: StreamState,
    /// State of its trades.
    pub trades: StreamState,
    /// When the last event of its book arrived, or where it has none, of its trades; in tape time.
    pub last_event: Option<Nanos>,
}

/// Several instruments at one moment.
#[derive(Clone, Debug)]
pub struct QuotesView {
    /// When.
    pub stamp: Stamp,
    /// In the order asked.
    pub quotes: Vec<QuoteView>,
}

/// The top of one instrument.
#[derive(Clone, Debug)]
pub struct QuoteView {
    /// Which.
    pub instrument: Arc<Instrument>,
    /// State of its book.
    pub book: StreamState,
    /// State of its trades.
    pub trades: StreamState,
    /// Best levels of the book.
    pub top: Top,
    /// The latest trade.
    pub last_trade: Option<TradeSnapshot>,
    /// The latest trades, the last one first; as many as were asked for and are kept.
    pub recent_trades: Vec<TradeSnapshot>,
    /// When the last event of each family arrived, in tape time, by family code.
    pub last_event: LastEvents,
}

/// When the last event of each family arrived, in tape time, by family code.
pub type LastEvents = [Option<Nanos>; Family::ALL.len()];

/// Of which family the state of an instrument is told, and so its age: its book, or where it has none, as an index, its
/// trades.
pub fn shown_family(book: StreamState) -> Family {
    if book == StreamState::Closed { Family::Trades } else { Family::Book }
}

impl QuoteView {
    /// When the last event arrived of what its state is told of.
    pub fn shown_event(&self) -> Option<Nanos> {
        self.event_of(shown_family(self.book))
    }

    /// When the last event of a family arrived.
    pub fn event_of(&self, family: Family) -> Option<Nanos> {
        self.last_event[usize::from(family.code())]
    }

    /// When the last event of any family arrived.
    pub fn latest_event(&self) -> Option<Nanos> {
        self.last_event.iter().copied().flatten().max()
    }
}

/// The ladder of one instrument.
#[derive(Clone, Debug)]
pub struct DepthView {
    /// When.
    pub stamp: Stamp,
    /// Which.
    pub instrument: Arc<Instrument>,
    /// State of its book.
    pub state: StreamState,
    /// Best first.
    pub bids: Vec<Level>,
    /// Best first.
    pub asks: Vec<Level>,
    /// How far the bids are complete; `None` in a live book: to their end.
    pub known_to_bid: Option<Price>,
    /// How far the asks are complete; `None` in a live book: to their end.
    pub known_to_ask: Option<Price>,
    /// The venue's update id of the book.
    pub venue_sequence: Option<u64>,
    /// When the last event of the book arrived, in tape time.
    pub last_event: Option<Nanos>,
}

/// The book of one instrument and its flow, at one moment.
#[derive(Clone, Debug)]
pub struct LiquidityView {
    /// The whole book.
    pub depth: DepthView,
    /// What is counted since somebody first asked.
    pub flow: FlowReport,
}

/// The bars of one instrument that are in memory.
#[derive(Clone, Debug)]
pub struct BarsView {
    /// When.
    pub stamp: Stamp,
    /// State of its trades.
    pub trades: StreamState,
    /// Trades may be missing since the newest bar.
    pub is_doubtful: bool,
    /// Oldest first.
    pub bars: Vec<Bar>,
    /// When the last event of its trades arrived, in tape time.
    pub last_event: Option<Nanos>,
}
