//! Captures of Binance streams, through the session that would have read them live.

use super::source::open;
use super::watch::Watch;
use crate::directory::Directory;
use anyhow::Context;
use indicatif::ProgressBar;
use std::collections::VecDeque;
use std::path::PathBuf;
use tidegate_core::{Effect, Engine, Input, InstrumentId, Nanos};
use tidegate_feeds::binance::{Decimals, FrameError, Market, Session};
use tidegate_feeds::capture::{Line, Reader};
use tidegate_feeds::catalog::Catalog;

/// One or more capture files, read as one stream.
pub struct Captures {
    market: Market,
    session: Session,
    catalog: Catalog,
    waiting: VecDeque<(PathBuf, Reader)>,
    file: usize,
    /// The line that has been read and not been applied.
    next: Option<(Nanos, Vec<u8>)>,
    frames: u64,
    span: Option<(Nanos, Nanos)>,
    decode_errors: u64,
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
            session: Session::new(market),
            catalog: Catalog::built_in()?,
            waiting,
            file: 0,
            next: None,
            frames: 0,
            span: None,
            decode_errors: 0,
            inputs: Vec::new(),
        })
    }

    /// Lines that were read as messages.
    pub fn frames(&self) -> u64 {
        self.frames
    }

    /// When the first and the last message were received.
    pub fn span(&self) -> Option<(Nanos, Nanos)> {
        self.span
    }

    /// Lines that are no message.
    pub fn decode_errors(&self) -> u64 {
        self.decode_errors
    }

    /// When the next line was received, lines that cannot be read left out.
    ///
    /// # Errors
    /// Where a file cannot be read.
    pub fn next_ts(&mut self) -> anyhow::Result<Option<Nanos>> {
        while self.next.is_none() {
            let Some((path, reader)) = self.waiting.front_mut() else { return Ok(None) };
            let before = reader.line();
            let line = match reader.next_line() {
                Ok(line) => line.map(|line| match line {
                    Line::Frame { receive_ts, frame } => Some((receive_ts, frame.to_vec())),
                    Line::Malformed => None,
                }),
                Err(error) => return Err(error).with_context(|| format!("{} after line {before}", path.display())),
            };
            match line {
                Some(Some(next)) => self.next = Some(next),
                Some(None) => self.decode_errors += 1,
                None => {
                    self.waiting.pop_front();
                    self.file += 1;
                }
            }
        }
        Ok(self.next.as_ref().map(|&(receive_ts, _)| receive_ts))
    }

    /// Applies the line that [`Captures::next_ts`] told of.
    ///
    /// # Errors
    /// Where the engine refuses an input.
    pub fn step(&mut self, engine: &mut Engine, watch: &mut Watch, directory: &Directory) -> anyhow::Result<()> {
        let Some((receive_ts, frame)) = self.next.take() else { return Ok(()) };
        let line = self.waiting.front().map_or(0, |(_, reader)| reader.line());
        watch.at(self.file, line);
        let mut inputs = std::mem::take(&mut self.inputs);
        inputs.clear();
        let mut result = self.session.handle_frame(receive_ts, &frame, &mut inputs);
        if let Err(FrameError::UnknownSymbol { symbol, decimals }) = &result {
            self.define(symbol, *decimals, engine, &mut inputs);
            result = self.session.handle_frame(receive_ts, &frame, &mut inputs);
        }
        match result {
            Ok(()) => {
                self.frames += 1;
                self.span = Some((self.span.map_or(receive_ts, |(first, _)| first), receive_ts));
            }
            Err(_) => self.decode_errors += 1,
        }
        for input in &inputs {
            if let Input::Define { id, instrument } = input {
                directory.insert(*id, (**instrument).clone());
            }
            engine.input(receive_ts, input, watch)?;
        }
        self.inputs = inputs;
        while let Some(Effect::Resnapshot(id)) = engine.market_mut().poll_effect() {
            self.session.handle_resnapshot(id);
        }
        // A capture brings its snapshots itself: nobody can be asked for one.
        while self.session.poll_action().is_some() {}
        Ok(())
    }

    /// Takes on a symbol that the capture shows for the first time, under the id that its instrument has
    /// on the tape already, or the next free one.
    fn define(&mut self, symbol: &str, seen: Decimals, engine: &Engine, inputs: &mut Vec<Input>) {
        let mut instrument = self.catalog.binance(self.market, symbol, seen);
        let mut known = engine.market().streams();
        let is_same = |stream: &tidegate_core::Stream| {
            stream.instrument.key == instrument.key && stream.instrument.source == instrument.source
        };
        let id = match known.find(|(_, stream)| is_same(stream)) {
            Some((id, stream)) => {
                instrument.price_decimals = instrument.price_decimals.max(stream.instrument.price_decimals);
                instrument.qty_decimals = instrument.qty_decimals.max(stream.instrument.qty_decimals);
                id
            }
            None => InstrumentId(engine.market().streams().len() as u32),
        };
        inputs.push(Input::Define { id, instrument: Box::new(instrument.clone()) });
        self.session.add(symbol, id, instrument, inputs);
    }
}
