//! The engine's thread of a replay: steps in their time, and a question between two.

use super::{Pace, Playback};
use crate::engine::{Asked, Questions, Shown};

/// Plays until the end, then stands still; answers all the while. Returns when it is told to stop.
///
/// # Errors
/// What playing gives: the tape is damaged, or the recorder failed.
pub fn run(mut playback: Playback, mut pace: Pace, questions: &Questions) -> anyhow::Result<Playback> {
    loop {
        let due = playback.next_ts()?.map(|ts| pace.wait(ts));
        if due.is_some() && playback.engine().market().is_message_open() {
            playback.step()?;
            continue;
        }
        match questions.next_within(due) {
            Asked::Nothing => playback.step()?,
            Asked::Question(question) => {
                question.prepare(playback.engine_mut());
                question.answer(&shown(&playback, due.is_some()));
            }
            Asked::Stop => return Ok(playback),
        }
    }
}

fn shown(playback: &Playback, playing: bool) -> Shown<'_> {
    Shown {
        engine: playback.engine(),
        as_of: playback.engine().ts(),
        playing,
        decode_errors: playback.decode_errors(),
        recorder: playback.recorder_report(),
        stages: None,
    }
}
