//! Everything that looks on while inputs are applied: recorder, verifier, tables.

#![deny(clippy::disallowed_types, reason = "no lock on the engine path")]

use super::tables::{GapsTable, TopsTable};
pub use super::verify::Verification;
use super::verify::Verifier;
use anyhow::Context;
use tidegate_core::{Market, Nanos, Observer, Stamped};
use tidegate_history::tape::{Recorder, RecorderReport};

/// Where in the source an input came from.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Position {
    /// Which of the source's paths.
    pub file: usize,
    /// The line of a capture, or the `seq` of a recording.
    pub line: u64,
}

/// The onlookers of one playback.
#[derive(Default)]
pub struct Watch {
    recorder: Option<Recorder>,
    verifier: Verifier,
    tops: Option<TopsTable>,
    gaps: Option<GapsTable>,
    position: Position,
    first_ts: Option<Nanos>,
    failed: Option<anyhow::Error>,
}

impl Watch {
    /// Compares every top with the venue's ticker.
    pub fn verify(&mut self) {
        self.verifier.enable();
    }

    /// Writes the top after every change of a book.
    pub fn write_tops(&mut self, table: TopsTable) {
        self.tops = Some(table);
    }

    /// Writes every gap.
    pub fn write_gaps(&mut self, table: GapsTable) {
        self.gaps = Some(table);
    }

    /// Records every input.
    pub fn record(&mut self, recorder: Recorder) {
        self.recorder = Some(recorder);
    }

    /// The first input that the recorder left out, once it can go on: see [`Recorder::resume`].
    pub fn resume_recording(&mut self) -> Option<u64> {
        self.recorder.as_mut().and_then(Recorder::resume)
    }

    /// True while the recorder leaves inputs out.
    pub fn is_behind(&self) -> bool {
        self.recorder.as_ref().is_some_and(Recorder::is_behind)
    }

    /// The tape time of the first input since this was last asked.
    pub fn take_first_ts(&mut self) -> Option<Nanos> {
        self.first_ts.take()
    }

    /// What follows comes from this place.
    pub fn at(&mut self, position: Position) {
        self.position = position;
    }

    /// What the recorder has done, where there is one.
    pub fn recorder_report(&self) -> Option<RecorderReport> {
        self.recorder.as_ref().map(Recorder::report)
    }

    /// Fails once an onlooker has failed: whoever relies on a recording must not go on without it.
    ///
    /// # Errors
    /// Why it did.
    pub fn check(&mut self) -> anyhow::Result<()> {
        if let Some(recorder) = self.recorder.take_if(|recorder| recorder.is_stopped()) {
            recorder.finish().context("recording failed")?;
        }
        self.failed.take().map_or(Ok(()), Err)
    }

    /// Ends recording and tables; returns what the verifier found and the recorder did.
    ///
    /// # Errors
    /// The first onlooker's failure.
    pub fn finish(mut self) -> anyhow::Result<(Verification, Option<RecorderReport>)> {
        self.check()?;
        let report = self.recorder.map(Recorder::finish).transpose().context("recording failed")?;
        if let Some(tops) = self.tops {
            tops.finish()?;
        }
        if let Some(gaps) = self.gaps {
            gaps.finish()?;
        }
        Ok((self.verifier.finish(), report))
    }

    fn note(&mut self, result: anyhow::Result<()>) {
        if let Err(error) = result {
            self.failed.get_or_insert(error);
        }
    }
}

impl Observer for Watch {
    fn before(&mut self, market: &Market, seq: u64, ts: Nanos) {
        if let Some(recorder) = &mut self.recorder {
            recorder.before(market, seq, ts);
        }
    }

    fn after(&mut self, market: &Market, stamped: Stamped<'_>) {
        self.first_ts.get_or_insert(stamped.ts);
        if let Some(recorder) = &mut self.recorder {
            recorder.after(market, stamped);
        }
        self.verifier.after(market, stamped);
        let tops = self.tops.as_mut().map_or(Ok(()), |table| table.after(market, stamped));
        self.note(tops);
        let position = self.position;
        let gaps = self.gaps.as_mut().map_or(Ok(()), |table| table.after(market, stamped, position));
        self.note(gaps);
    }
}
