//! The engine's thread of a live market: what the connections send, in batches, and a question between two.

#![deny(clippy::disallowed_types, reason = "no lock on the engine path")]

use crate::clock;
use crate::engine::{Asked, Command, NoRoom, Questions, Shown, Stamp};
use crate::live::ring_sink::MessageCounts;
use crate::live::stages::Stages;
use crate::playback::Watch;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::thread;
use std::time::{Duration, Instant};
use tidegate_core::condition::Firing;
use tidegate_core::{BoardWriter, Effect, Engine, Inlets, Input, InstrumentId, Nanos};
use tidegate_history::tape::RecorderReport;
use tokio::sync::mpsc;

/// The longest sleep: nothing is expected to need it, as whoever sends or asks wakes the thread.
const SLEEP_MAX: Duration = Duration::from_millis(100);

/// Everything that the thread owns.
pub struct LiveEngine {
    /// The engine.
    pub engine: Engine,
    /// The rings of all connections.
    pub inlets: Inlets,
    /// The recorder.
    pub watch: Watch,
    /// What readers see without asking.
    pub board: BoardWriter,
    /// Which books need a new snapshot: to whoever knows their connection.
    pub resnapshots: mpsc::Sender<InstrumentId>,
    /// Which standing conditions have become true: to whoever knows who waits for them.
    pub firings: mpsc::Sender<Firing>,
    /// Messages that could not be taken, by connection.
    pub counts: Vec<Arc<MessageCounts>>,
    /// How long everything takes.
    pub stages: Stages,
}

impl LiveEngine {
    /// Runs until it is told to stop; closes the recording.
    ///
    /// # Errors
    /// Where an input cannot be applied, or the recorder has failed.
    pub fn run(mut self, questions: &Questions) -> anyhow::Result<Option<RecorderReport>> {
        loop {
            let (now, began) = (clock::now(), Instant::now());
            let applied = self.inlets.turn(now, &mut self.engine, &mut self.watch, &mut self.board)?;
            self.watch.check()?;
            if let Some(first) = self.watch.take_first_ts().filter(|_| applied > 0) {
                self.stages.applied(now, first, began);
            }
            self.resume_recording()?;
            while let Some(Effect::Resnapshot(id)) = self.engine.market_mut().poll_effect() {
                if self.resnapshots.try_send(id).is_err() {
                    tracing::warn!("instrument id {}: too many requests for snapshots wait", id.0);
                }
            }
            tell_firings(&mut self.engine, &self.firings);
            // A message that is there in part: the rest of it is on its way.
            let asked = if self.engine.market().is_message_open() { Asked::Nothing } else { questions.next_now() };
            match asked {
                Asked::Stop => return self.finish(),
                Asked::Question(question) => {
                    let began = Instant::now();
                    question.prepare(&mut self.engine);
                    question.answer(&self.shown(now));
                    self.stages.answered(began.elapsed());
                }
                Asked::Command(command) => self.obey(now, command)?,
                Asked::Nothing if applied == 0 => self.sleep(),
                Asked::Nothing => {}
            }
        }
    }

    fn obey(&mut self, now: Nanos, command: Command) -> anyhow::Result<()> {
        match command {
            Command::Attach(condition, reply) => {
                let has_room = self.engine.market().has_room_for(&condition);
                if has_room {
                    self.engine.input(now, &Input::Attach(condition), &mut self.watch)?;
                }
                let stamp = Stamp { seq: self.engine.seq(), as_of: self.engine.ts() };
                // Whoever asked may have gone: its lease ends all the same.
                let _ = reply.send(has_room.then_some(stamp).ok_or(NoRoom));
            }
            Command::Detach(id) => self.engine.input(now, &Input::Detach(id), &mut self.watch)?,
        }
        Ok(())
    }

    /// Goes on with the tape after a time in which the disk could not keep up.
    fn resume_recording(&mut self) -> anyhow::Result<()> {
        if let Some(from) = self.watch.resume_recording() {
            tracing::warn!("the disk could not keep up: from input {from} on the tape has a hole");
            self.engine.admit_unrecorded(from, &mut self.watch)?;
        }
        Ok(())
    }

    /// Closes the recording; its last state is on the tape, however far behind the disk is.
    fn finish(mut self) -> anyhow::Result<Option<RecorderReport>> {
        while self.watch.is_behind() {
            self.watch.check()?;
            self.resume_recording()?;
            thread::sleep(Duration::from_millis(1));
        }
        self.watch.finish().map(|(_, report)| report)
    }

    fn count(&self, of: fn(&MessageCounts) -> &AtomicU64) -> u64 {
        self.counts.iter().map(|counts| of(counts).load(Ordering::Relaxed)).sum()
    }

    fn shown(&self, now: Nanos) -> Shown<'_> {
        Shown {
            engine: &self.engine,
            as_of: self.engine.ts().max(now),
            playing: true,
            decode_errors: self.count(|counts| &counts.decode_errors),
            unknown_symbols: self.count(|counts| &counts.unknown_symbols),
            recorder: self.watch.recorder_report(),
            stages: Some(self.stages.view()),
        }
    }

    /// Until something arrives, or the next deadline.
    fn sleep(&self) {
        let wait = self
            .engine
            .market()
            .next_deadline()
            .map(|deadline| Duration::from_nanos(u64::try_from(deadline.since(clock::now()).raw()).unwrap_or(0)));
        thread::park_timeout(wait.map_or(SLEEP_MAX, |wait| wait.min(SLEEP_MAX)));
    }
}

/// Tells what has become true; what there is no room for waits in the engine.
pub fn tell_firings(engine: &mut Engine, firings: &mpsc::Sender<Firing>) {
    while let Ok(place) = firings.try_reserve() {
        let Some(firing) = engine.market_mut().poll_firing() else { return };
        place.send(firing);
    }
}

#[cfg(test)]
#[path = "engine_thread_tests.rs"]
mod tests;
