//! The engine's thread as its readers see it: questions in, consistent views out.
//!
//! The thread (of a tape: [`crate::playback::run`], of a live market: [`crate::live`]) answers between venue
//! messages, never inside one. A reader never touches the market and never holds the thread up: the queue of
//! questions is bounded, and at most one is answered between two steps.

mod board_view;
mod commands;
mod views;

pub use commands::{Command, NoRoom};
pub use views::*;

use crate::live::StagesView;
use crossbeam::channel::{Receiver, RecvTimeoutError, Sender, TryRecvError, TrySendError, bounded};
use std::sync::{Arc, OnceLock};
use std::thread::Thread;
use std::time::Duration;
use tidegate_core::{
    BOARD_LEVELS, BarSeries, BoardReader, Engine, Family, Instrument, InstrumentId, Known, Nanos, Price, Side,
    Snapshot, Stream, TradeSnapshot,
};
use tidegate_history::tape::RecorderReport;
use tokio::sync::oneshot;

/// As many levels as a book is known to.
pub const LEVELS_ALL: usize = usize::MAX;

/// Why the engine gave no answer.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum EngineUnavailable {
    /// Too many questions wait: ask again.
    #[error("the engine is busy: too many questions wait")]
    Busy,
    /// It has ended, or never knew the instrument.
    #[error("the engine has stopped")]
    Stopped,
}

/// A question and where its answer goes.
pub enum Question {
    /// How is everything?
    Status(oneshot::Sender<StatusView>),
    /// What are the tops of these, and so many of their latest trades?
    Quotes(Vec<InstrumentId>, usize, oneshot::Sender<QuotesView>),
    /// What are the best so many levels of this one?
    Depth(InstrumentId, usize, oneshot::Sender<DepthView>),
    /// What are all levels and the flow of this one?
    Liquidity(InstrumentId, oneshot::Sender<LiquidityView>),
    /// What are the bars of this one, of the interval with this position?
    Bars(InstrumentId, usize, oneshot::Sender<BarsView>),
    /// No question: something to do.
    Command(Command),
    /// No question: the thread is to end.
    Stop,
}

/// Asks the engine's thread.
#[derive(Clone)]
pub struct EngineClient {
    questions: Sender<Question>,
    /// The thread, where it sleeps on more than this queue.
    thread: Arc<OnceLock<Thread>>,
    /// What a live engine publishes, to be read without asking it.
    board: Option<BoardReader>,
}

/// The thread's end of the queue.
pub struct Questions(Receiver<Question>);

/// A queue of at most `queries_max` questions.
pub fn questions(queries_max: usize) -> (EngineClient, Questions) {
    let (sender, receiver) = bounded(queries_max);
    (EngineClient { questions: sender, thread: Arc::default(), board: None }, Questions(receiver))
}

impl EngineClient {
    /// How the engine is.
    ///
    /// # Errors
    /// [`EngineUnavailable`].
    pub async fn status(&self) -> Result<StatusView, EngineUnavailable> {
        self.ask(Question::Status).await
    }

    /// Reads `board` where that is enough for an answer.
    #[must_use]
    pub fn with_board(self, board: BoardReader) -> EngineClient {
        EngineClient { board: Some(board), ..self }
    }

    /// The tops of several instruments and the latest `trades` of each, all at one moment.
    ///
    /// # Errors
    /// [`EngineUnavailable`].
    pub async fn quotes(
        &self,
        instruments: Vec<(InstrumentId, Arc<Instrument>)>,
        trades: usize,
    ) -> Result<QuotesView, EngineUnavailable> {
        // Several slots are of several moments: only the engine knows one.
        if let [(id, instrument)] = &instruments[..]
            && trades == 0
            && let Some(snapshot) = self.published(*id)
        {
            return Ok(board_view::quotes(&snapshot, instrument));
        }
        self.ask(|reply| Question::Quotes(instruments.into_iter().map(|(id, _)| id).collect(), trades, reply)).await
    }

    /// The best `levels` levels of an instrument.
    ///
    /// # Errors
    /// [`EngineUnavailable`].
    pub async fn depth(
        &self,
        id: InstrumentId,
        instrument: Arc<Instrument>,
        levels: usize,
    ) -> Result<DepthView, EngineUnavailable> {
        match self.published(id) {
            Some(snapshot) if levels <= BOARD_LEVELS => Ok(board_view::depth(&snapshot, instrument, levels)),
            _ => self.ask(|reply| Question::Depth(id, levels, reply)).await,
        }
    }

    /// All levels of an instrument, and its flow, which is counted from the first such question on.
    ///
    /// # Errors
    /// [`EngineUnavailable`].
    pub async fn liquidity(&self, id: InstrumentId) -> Result<LiquidityView, EngineUnavailable> {
        self.ask(|reply| Question::Liquidity(id, reply)).await
    }

    /// The bars of an instrument that are in memory, by the interval's position among [`tidegate_core::INTERVALS`].
    ///
    /// # Errors
    /// [`EngineUnavailable`].
    pub async fn bars(&self, id: InstrumentId, interval: usize) -> Result<BarsView, EngineUnavailable> {
        self.ask(|reply| Question::Bars(id, interval, reply)).await
    }

    /// What the board shows; `None` where the engine must be asked.
    fn published(&self, id: InstrumentId) -> Option<Snapshot> {
        self.board.as_ref()?.read(id).ok()
    }

    /// Questions that wait.
    pub fn waiting(&self) -> usize {
        self.questions.len()
    }

    /// Wakes `thread` with each question.
    pub fn wake(&self, thread: Thread) {
        drop(self.thread.set(thread));
    }

    /// Ends the thread after the step it is at.
    pub fn stop(&self) {
        // A full queue is emptied by the thread; a closed one has ended already.
        drop(self.questions.send(Question::Stop));
        self.unpark();
    }

    fn unpark(&self) {
        if let Some(thread) = self.thread.get() {
            thread.unpark();
        }
    }

    async fn ask<T>(&self, question: impl FnOnce(oneshot::Sender<T>) -> Question) -> Result<T, EngineUnavailable> {
        let (reply, answer) = oneshot::channel();
        self.questions.try_send(question(reply)).map_err(|error| match error {
            TrySendError::Full(_) => EngineUnavailable::Busy,
            TrySendError::Disconnected(_) => EngineUnavailable::Stopped,
        })?;
        self.unpark();
        answer.await.map_err(|_| EngineUnavailable::Stopped)
    }
}

/// What a question is answered from.
pub struct Shown<'a> {
    /// The engine, between two venue messages.
    pub engine: &'a Engine,
    /// The time of the answer.
    pub as_of: Nanos,
    /// False where a tape stands still.
    pub playing: bool,
    /// Messages that could not be read.
    pub decode_errors: u64,
    /// Messages about symbols that were not asked for.
    pub unknown_symbols: u64,
    /// The recorder, where there is one.
    pub recorder: Option<RecorderReport>,
    /// How long the stages of a live engine take.
    pub stages: Option<StagesView>,
}

impl Questions {
    /// A question that waits already.
    pub fn next_now(&self) -> Asked {
        match self.0.try_recv() {
            Ok(Question::Stop) | Err(TryRecvError::Disconnected) => Asked::Stop,
            Ok(Question::Command(command)) => Asked::Command(command),
            Ok(question) => Asked::Question(question),
            Err(TryRecvError::Empty) => Asked::Nothing,
        }
    }

    /// The next question, waited for as long as this; `None`: for ever.
    pub fn next_within(&self, wait: Option<Duration>) -> Asked {
        let question = match wait {
            // Waiting for no time at all would give way to other threads first.
            Some(Duration::ZERO) => return self.next_now(),
            Some(wait) => self.0.recv_timeout(wait),
            None => self.0.recv().map_err(|_| RecvTimeoutError::Disconnected),
        };
        match question {
            Ok(Question::Stop) | Err(RecvTimeoutError::Disconnected) => Asked::Stop,
            Ok(Question::Command(command)) => Asked::Command(command),
            Ok(question) => Asked::Question(question),
            Err(RecvTimeoutError::Timeout) => Asked::Nothing,
        }
    }
}

/// What readers want of the engine's thread.
pub enum Asked {
    /// Nothing at the moment.
    Nothing,
    /// An answer.
    Question(Question),
    /// Something done.
    Command(Command),
    /// That it ends.
    Stop,
}

impl Question {
    /// Has what it asks for counted from now on, where nobody did so far. It comes before [`Question::answer`].
    pub fn prepare(&self, engine: &mut Engine) {
        if let Question::Liquidity(id, _) = self {
            let now = engine.ts();
            engine.market_mut().measure(*id, now);
        }
    }

    /// Answers it. Whoever asked may have gone: a reply that nobody takes is dropped.
    pub fn answer(self, shown: &Shown<'_>) {
        let stamp = Stamp { seq: shown.engine.seq(), as_of: shown.as_of };
        let stream = |id| shown.engine.market().stream(id);
        match self {
            Question::Status(reply) => drop(reply.send(status(shown, stamp))),
            Question::Quotes(ids, trades, reply) => {
                let quote = |id| stream(id).map(|stream| quote(stream, trades));
                let quotes: Option<Vec<_>> = ids.into_iter().map(quote).collect();
                if let Some(quotes) = quotes {
                    drop(reply.send(QuotesView { stamp, quotes }));
                }
            }
            Question::Depth(id, levels, reply) => {
                if let Some(stream) = stream(id) {
                    drop(reply.send(depth(stream, stamp, levels)));
                }
            }
            Question::Liquidity(id, reply) => {
                let view = stream(id).and_then(|stream| {
                    let depth = depth(stream, stamp, LEVELS_ALL);
                    Some(LiquidityView { depth, flow: stream.flow()? })
                });
                if let Some(view) = view {
                    drop(reply.send(view));
                }
            }
            Question::Bars(id, interval, reply) => {
                if let Some(stream) = stream(id) {
                    drop(reply.send(bars(stream, stamp, interval)));
                }
            }
            Question::Command(_) | Question::Stop => {}
        }
    }
}

fn status(shown: &Shown<'_>, stamp: Stamp) -> StatusView {
    let market = shown.engine.market();
    let counters = market.counters();
    let feeds = market.streams().map(|(_, stream)| FeedView {
        key: stream.instrument.key.clone(),
        source: stream.instrument.source.clone(),
        book: stream.state(Family::Book),
        trades: stream.state(Family::Trades),
        last_event: event_of(stream, shown_family(stream.state(Family::Book))),
    });
    StatusView {
        stamp,
        playing: shown.playing,
        feeds: feeds.collect(),
        events: counters.events,
        trades: counters.trades,
        gaps: counters.gaps,
        resyncs: counters.resyncs,
        decode_errors: shown.decode_errors,
        unknown_symbols: shown.unknown_symbols,
        recorder: shown.recorder.map(|report| RecorderView {
            written_seq: report.written_seq,
            longest_write_interval_ms: report.longest_write_interval_ms,
            full: report.full,
        }),
        stages: shown.stages,
    }
}

fn event_of(stream: &Stream, family: Family) -> Option<Nanos> {
    stream.last_event[usize::from(family.code())]
}

fn quote(stream: &Stream, trades: usize) -> QuoteView {
    QuoteView {
        instrument: Arc::clone(&stream.instrument),
        book: stream.state(Family::Book),
        trades: stream.state(Family::Trades),
        top: stream.book.top(),
        last_trade: stream.last_trade.as_ref().map(TradeSnapshot::new),
        recent_trades: stream.recent_trades.iter().take(trades).map(TradeSnapshot::new).collect(),
        last_event: stream.last_event,
    }
}

fn depth(stream: &Stream, stamp: Stamp, levels: usize) -> DepthView {
    let side = |side| stream.book.depth(side, levels).collect();
    let known_to = |side| end(stream.book.known_to(side));
    DepthView {
        stamp,
        instrument: Arc::clone(&stream.instrument),
        state: stream.state(Family::Book),
        bids: side(Side::Bid),
        asks: side(Side::Ask),
        known_to_bid: known_to(Side::Bid),
        known_to_ask: known_to(Side::Ask),
        venue_sequence: stream.book_sequence,
        last_event: event_of(stream, Family::Book),
    }
}

fn bars(stream: &Stream, stamp: Stamp, interval: usize) -> BarsView {
    BarsView {
        stamp,
        trades: stream.state(Family::Trades),
        is_doubtful: stream.bars.get(interval).is_some_and(BarSeries::is_doubtful),
        bars: stream.bars.get(interval).into_iter().flat_map(|series| series.iter()).copied().collect(),
        last_event: event_of(stream, Family::Trades),
    }
}

/// The price at which what is known ends; `None` in a live book: nowhere.
fn end(known: Known) -> Option<Price> {
    match known {
        Known::To(price) => Some(price),
        Known::Nothing | Known::All => None,
    }
}

#[cfg(test)]
#[path = "engine/ages_tests.rs"]
mod tests;
