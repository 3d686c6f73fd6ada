//! Captures of Binance streams, through the session that would have read them live.

use super::feeder::{Batch, Item};
use super::source::open;
use super::watch::Position;
use crate::directory::Directory;
use anyhow::Context;
use indicatif::ProgressBar;
use std::collections::VecDeque;
use std::path::PathBuf;
use tidegate_core::{Input, Instrument, InstrumentId};
use tidegate_feeds::binance::{BinanceSession, Market};
use tidegate_feeds::capture::{Line, Reader};
use tidegate_feeds::catalog::Catalog;
use tidegate_feeds::{FrameError, Payload, Session};

/// One or more capture files, read as one stream.
pub struct Captures {
    market: Market,
    session: BinanceSession,
    catalog: Catalog,
    waiting: VecDeque<(PathBuf, Reader)>,
    file: usize,
    inputs: Vec<Input>,
}

impl Captures {
    /// Opens every file, so that a missing one is told before anything is played.
    ///
    /// # Errors
    /// Where a file cannot be read.
    pub fn open(market: Market, paths: &[PathBuf], progress: &ProgressBar) -> anyhow::Result<Captures> {
        let mut waiting = VecDeque::new();
        for path in paths {
            let file = open(path)?;
            progress.inc_length(file.metadata().map_or(0, |file| file.len()));
            let reader = Reader::new(progress.wrap_read(file)).with_context(|| path.display().to_string())?;
            waiting.push_back((path.clone(), reader));
        }
        Ok(Captures {
            market,
            session: BinanceSession::new(market),
            catalog: Catalog::built_in()?,
            waiting,
            file: 0,
            inputs: Vec::new(),
        })
    }

    /// Fills `batch` with the next line, and the lines before it that are none.
    ///
    /// # Errors
    /// Where a file cannot be read.
    pub fn fill(&mut self, batch: &mut Batch, directory: &Directory) -> anyhow::Result<()> {
        let Captures { session, market, catalog, inputs, .. } = self;
        while let Some((path, reader)) = self.waiting.front_mut() {
            let before = reader.line();
            let line = reader.next_line().with_context(|| format!("{} after line {before}", path.display()))?;
            match line {
                Some(Line::Frame { receive_ts, frame }) => {
                    inputs.clear();
                    let mut result = session.handle_message(receive_ts, Payload::Text(frame), inputs);
                    if let Err(FrameError::UnknownSymbol { symbol, decimals }) = &result {
                        let (id, instrument) = identify(catalog.binance(*market, symbol, *decimals), directory);
                        inputs.push(Input::Define { id, instrument: Box::new(instrument.clone()) });
                        session.add(symbol, id, instrument);
                        session.assume_subscribed(symbol, inputs);
                        result = session.handle_message(receive_ts, Payload::Text(frame), inputs);
                    }
                    // A capture brings its snapshots itself: nobody can be asked for one.
                    while session.poll_action().is_some() {}
                    match result {
                        Ok(()) => batch.frames += 1,
                        Err(_) => batch.decode_errors += 1,
                    }
                    (batch.first_ts, batch.last_ts) = (receive_ts, receive_ts);
                    batch.position = Position { file: self.file, line: reader.line() };
                    let items = inputs.drain(..).map(|input| Item { seq: None, ts: receive_ts, input });
                    batch.items.extend(items);
                    return Ok(());
                }
                Some(Line::Malformed) => batch.decode_errors += 1,
                None => {
                    self.waiting.pop_front();
                    self.file += 1;
                }
            }
        }
        Ok(())
    }

    /// The market asks for a new snapshot of a book.
    pub fn handle_resnapshot(&mut self, id: InstrumentId) {
        self.session.handle_resnapshot(id);
    }
}

/// The id that an instrument has on the tape already, and the decimals it was written with, or a new id.
fn identify(mut instrument: Instrument, directory: &Directory) -> (InstrumentId, Instrument) {
    let Some((id, known)) = directory.resolve(&instrument.to_string()) else {
        return (directory.unused_id(), instrument);
    };
    instrument.price_decimals = instrument.price_decimals.max(known.price_decimals);
    instrument.qty_decimals = instrument.qty_decimals.max(known.qty_decimals);
    (id, instrument)
}
