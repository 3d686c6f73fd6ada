//! A source played through the engine, watched on the way.

pub mod captures;
pub mod feeder;
pub mod pace;
mod run;
pub mod source;
pub mod tables;
pub mod verify;
pub mod watch;

pub use pace::Pace;
pub use run::run;
pub use source::{Format, Source};
use watch::Position;
pub use watch::{Verification, Watch};

use crate::config::Config;
use crate::data_folder::VERSION;
use crate::directory::Directory;
use anyhow::bail;
use feeder::{Batch, Feeder, Item, Unread};
use std::path::Path;
use std::sync::Arc;
use tidegate_core::{Effect, Engine, Input, Market, Nanos};
use tidegate_history::tape::{Recorder, RecorderReport};

/// An engine, where its inputs come from, and whoever watches it apply them.
pub struct Playback {
    engine: Engine,
    feeder: Feeder,
    watch: Watch,
    /// Inputs to apply before the first one of the source: they need its time.
    opening: Vec<Input>,
    until: Option<Nanos>,
    /// What is being applied.
    batch: Option<Batch>,
    frames: u64,
    decode_errors: u64,
    unread: Vec<Unread>,
    passed_over: u64,
    span: Option<(Nanos, Nanos)>,
}

impl Playback {
    /// A playback from the beginning of `source`, recorded into `record` where that is given: a folder
    /// that holds a tape is continued after a gap.
    ///
    /// # Errors
    /// Where the folder cannot be recorded to.
    pub fn new(
        config: &Config,
        source: Source,
        record: Option<&Path>,
        mut watch: Watch,
        directory: Arc<Directory>,
    ) -> anyhow::Result<Playback> {
        let mut engine = Engine::new(Market::new(config.bounds()), 0, Nanos::ZERO);
        let mut opening = Vec::new();
        let mut restart = None;
        if let Some(folder) = record {
            let (recorder, recovered) = Recorder::open(folder, config.bounds())?;
            if let Some(recovered) = recovered {
                if !source.is_captures() {
                    bail!("--record {}: a recording can only be copied into a new folder", folder.display());
                }
                engine = recovered.engine;
                restart = Some(recovered.highest_seq);
            }
            watch.record(recorder);
        }
        if let Some(highest_seq) = restart {
            engine.restart(highest_seq, &mut watch)?;
        }
        // A recording brings its own.
        if source.is_captures() {
            opening.push(Input::Config { hash: config.hash(), seed: 0, version: VERSION.to_owned() });
        }
        for (id, stream) in engine.market().streams() {
            directory.insert(id, (*stream.instrument).clone());
        }
        let feeder = Feeder::start(source, directory, config.engine.batches_max)?;
        Ok(Playback {
            engine,
            feeder,
            watch,
            opening,
            until: None,
            batch: None,
            frames: 0,
            decode_errors: 0,
            unread: Vec::new(),
            passed_over: 0,
            span: None,
        })
    }

    /// Stands still before the first input later than `until`.
    pub fn stop_at(&mut self, until: Nanos) {
        self.until = Some(until);
    }

    /// The engine.
    pub fn engine(&self) -> &Engine {
        &self.engine
    }

    /// The engine, for what it is asked besides playing.
    fn engine_mut(&mut self) -> &mut Engine {
        &mut self.engine
    }

    /// Lines or rows that were read as messages.
    pub fn frames(&self) -> u64 {
        self.frames
    }

    /// Messages, or packets of one, that could not be read.
    pub fn decode_errors(&self) -> u64 {
        self.decode_errors
    }

    /// The first of them, and why.
    pub fn unread(&self) -> &[Unread] {
        &self.unread
    }

    /// Lines of captures that tell of the connection and are no message.
    pub fn passed_over(&self) -> u64 {
        self.passed_over
    }

    /// What the recorder has done, where there is one.
    pub fn recorder_report(&self) -> Option<RecorderReport> {
        self.watch.recorder_report()
    }

    /// The time of what comes next; `None` at the end, or at the point to stand still at.
    ///
    /// # Errors
    /// Where the source cannot be read.
    pub fn next_ts(&mut self) -> anyhow::Result<Option<Nanos>> {
        let ts = self.peek()?;
        Ok(ts.filter(|&ts| self.until.is_none_or(|until| ts <= until)))
    }

    fn peek(&mut self) -> anyhow::Result<Option<Nanos>> {
        loop {
            if let Some(item) = self.batch.as_ref().and_then(|batch| batch.items.front()) {
                return Ok(Some(item.ts));
            }
            if let Some(applied) = self.batch.take() {
                self.feeder.give_back(applied);
            }
            let Some(batch) = self.feeder.read_next()? else { return Ok(None) };
            self.begin(&batch)?;
            self.batch = Some(batch);
        }
    }

    fn begin(&mut self, batch: &Batch) -> anyhow::Result<()> {
        self.frames += batch.frames;
        self.decode_errors += batch.decode_errors;
        self.unread.extend_from_slice(&batch.unread);
        self.passed_over += batch.passed_over;
        if batch.frames > 0 {
            self.span = Some((self.span.map_or(batch.first_ts, |(first, _)| first), batch.last_ts));
        }
        self.watch.at(batch.position);
        match &batch.head {
            Some(head) => Ok(head.restore(&mut self.engine)?),
            None => Ok(()),
        }
    }

    /// Applies what comes next, if anything does.
    ///
    /// # Errors
    /// Where it does not follow from what came before, or the recorder has failed.
    pub fn step(&mut self) -> anyhow::Result<()> {
        if self.peek()?.is_some()
            && let Some(batch) = &mut self.batch
            && let Some(Item { seq, ts, input }) = batch.items.pop_front()
        {
            for input in std::mem::take(&mut self.opening) {
                self.engine.input(ts, &input, &mut self.watch)?;
            }
            match seq {
                None => self.engine.input(ts, &input, &mut self.watch)?,
                Some(seq) => {
                    self.watch.at(Position { file: 0, line: seq });
                    self.engine.replay(seq, ts, &input, &mut self.watch)?;
                }
            }
            while let Some(Effect::Resnapshot(id)) = self.engine.market_mut().poll_effect() {
                batch.resnapshots.push(id);
            }
        }
        self.watch.check()
    }

    /// Plays to the end.
    ///
    /// # Errors
    /// The first of [`Playback::next_ts`] and [`Playback::step`].
    pub fn play(&mut self) -> anyhow::Result<()> {
        while self.next_ts()?.is_some() {
            self.step()?;
        }
        Ok(())
    }

    /// The receive times of a capture's first and last message, or the tape times of a recording's.
    pub fn span(&self) -> Option<(Nanos, Nanos)> {
        self.span
    }

    /// Closes the recording and the tables; returns what was found on the way.
    ///
    /// # Errors
    /// Where they cannot be written to their end.
    pub fn finish(self) -> anyhow::Result<(Engine, Verification, Option<RecorderReport>)> {
        let (verification, report) = self.watch.finish()?;
        Ok((self.engine, verification, report))
    }
}

#[cfg(test)]
#[path = "playback/agreement_tests.rs"]
mod agreement;
#[cfg(test)]
#[path = "playback_tests.rs"]
mod tests;
