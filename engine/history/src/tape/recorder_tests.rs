//! A recorder whose thread stands still, as behind a disk that does.

use super::*;
use crate::tape::TapeReader;
use crate::tape::tests::{BOUNDS, define, level};
use tidegate_core::{Digest, Engine, Family, Flags, GapCause};

/// What the thread of `recorder` writes of what waits, when the disk goes on.
fn write(folder: &Path, recorder: Recorder, messages: &Receiver<Message>) {
    let progress = Arc::clone(&recorder.progress);
    let lock = files::create(&folder.join(LOCK)).unwrap();
    let writer = Writer::new(folder, lock, progress).unwrap();
    drop(recorder);
    writer.run(messages).unwrap();
}

fn replay(folder: &Path) -> (Digest, u64, Vec<(u64, u64)>) {
    let mut engine = Engine::new(Market::new(BOUNDS), 0, Nanos::ZERO);
    let mut gaps = Vec::new();
    let note = &mut |_: &Market, stamped: Stamped<'_>| {
        if let Input::Gap(gap) = stamped.input {
            assert_eq!((gap.cause, gap.family), (GapCause::RecorderFull, Family::Book));
            gaps.push((gap.from, gap.to));
        }
    };
    TapeReader::open(folder, |_| {}).unwrap().replay_all(&mut engine, note).unwrap();
    (engine.market().digest(), engine.seq(), gaps)
}

#[test]
fn a_live_recorder_leaves_out_what_finds_no_room_and_goes_on_with_the_state() {
    let folder = tempfile::tempdir().unwrap();
    let (mut recorder, messages) = Recorder::new(Arc::default(), 8);
    recorder.never_wait();
    let mut engine = Engine::new(Market::new(BOUNDS), 0, Nanos::ZERO);
    let second = |n: i64| Nanos::new(1_723_160_000_000_000_000 + n * 1_000_000_000);
    engine.input(second(0), &define(), &mut recorder).unwrap();
    let feed = |engine: &mut Engine, recorder: &mut Recorder, from: i64, to: i64| {
        for n in from..to {
            engine.input(second(n), &level(second(n), Flags::LAST, n % 50 + 1, n), recorder).unwrap();
        }
    };
    feed(&mut engine, &mut recorder, 1, 100);
    let lost = recorder.unrecorded.unwrap();
    assert!(lost > 1 && lost < 20, "the queue holds a few messages: {lost}");
    assert_eq!(recorder.resume(), None, "there is no room yet");
    // The disk goes on: what waited is taken, as its thread would.
    let waited: Vec<Message> = messages.try_iter().collect();
    let from = recorder.resume().unwrap();
    engine.admit_unrecorded(from, &mut recorder).unwrap();
    feed(&mut engine, &mut recorder, 100, 103);
    assert_eq!((recorder.unrecorded, recorder.report().full), (None, 1));
    let (sender, all) = bounded(64);
    waited.into_iter().chain(messages.try_iter()).for_each(|message| sender.send(message).unwrap());
    drop(sender);
    write(folder.path(), recorder, &all);
    let (digest, seq, gaps) = replay(folder.path());
    assert_eq!(digest, engine.market().digest(), "the state at the end is whole");
    assert_eq!((seq, gaps), (engine.seq(), vec![(from, seq - 3)]));
}
