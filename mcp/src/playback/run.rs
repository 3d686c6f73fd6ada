//! The engine's thread of a replay: steps in their time, and a question between two.

use super::{Pace, Playback};
use crate::engine::{Asked, Command, NoRoom, Questions, Shown, Stamp};
use crate::live::tell_firings;
use tidegate_core::condition::Firing;
use tokio::sync::mpsc;

/// Plays until the end, then stands still; answers all the while, and tells `firings` of the standing conditions that
/// have become true. Returns when it is told to stop.
///
/// # Errors
/// What playing gives: the tape is damaged, or the recorder failed.
pub fn run(
    mut playback: Playback,
    mut pace: Pace,
    questions: &Questions,
    firings: &mpsc::Sender<Firing>,
) -> anyhow::Result<Playback> {
    loop {
        let due = playback.next_ts()?.map(|ts| pace.wait(ts));
        if due.is_some() && playback.engine().market().is_message_open() {
            playback.step()?;
            continue;
        }
        tell_firings(playback.engine_mut(), firings);
        match questions.next_within(due) {
            Asked::Nothing => playback.step()?,
            Asked::Question(question) => {
                question.prepare(playback.engine_mut());
                question.answer(&shown(&playback, due.is_some()));
            }
            Asked::Command(command) => obey(&mut playback, command),
            Asked::Stop => return Ok(playback),
        }
    }
}

/// A tape that is played stays as it is: what is watched besides is on none.
fn obey(playback: &mut Playback, command: Command) {
    let engine = playback.engine_mut();
    match command {
        Command::Attach(condition, reply) => {
            let stamp = Stamp { seq: engine.seq(), as_of: engine.ts() };
            let is_attached = engine.attach_unrecorded(condition);
            let _ = reply.send(is_attached.then_some(stamp).ok_or(NoRoom));
        }
        Command::Detach(id) => engine.detach_unrecorded(id),
    }
}

fn shown(playback: &Playback, playing: bool) -> Shown<'_> {
    Shown {
        engine: playback.engine(),
        as_of: playback.engine().ts(),
        playing,
        decode_errors: playback.decode_errors(),
        unknown_symbols: 0,
        recorder: playback.recorder_report(),
        stages: None,
    }
}
