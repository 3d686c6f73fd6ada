//! The lock against every interleaving (`--cfg loom`) and against real threads; and the same suites against
//! writers and a reader that lack one thing each, which they must notice.

use super::*;

/// What a writer or a reader leaves out.
#[derive(Clone, Copy, PartialEq, Eq)]
#[cfg_attr(not(loom), expect(dead_code, reason = "only a model checker is sure to notice most of them"))]
enum Fault {
    None,
    /// The version never changes.
    Version,
    /// The version never becomes odd.
    OddVersion,
    /// The version becomes odd and stays as it was before.
    SecondIncrement,
    WriterFence,
    WriterRelease,
    ReaderFence,
    ReaderAcquire,
}

fn write<const N: usize>(lock: &Seqlock<N>, words: &[u64; N], fault: Fault) {
    if matches!(fault, Fault::None | Fault::ReaderFence | Fault::ReaderAcquire) {
        return lock.write(words);
    }
    let version = lock.version.load(Ordering::Relaxed);
    if !matches!(fault, Fault::Version | Fault::OddVersion) {
        lock.version.store(version + 1, Ordering::Relaxed);
    }
    if fault != Fault::WriterFence {
        fence(Ordering::Release);
    }
    for (word, &value) in lock.words.iter().zip(words) {
        word.store(value, Ordering::Relaxed);
    }
    let release = if fault == Fault::WriterRelease { Ordering::Relaxed } else { Ordering::Release };
    let even = if matches!(fault, Fault::Version | Fault::SecondIncrement) { version } else { version + 2 };
    lock.version.store(even, release);
}

fn try_read<const N: usize>(lock: &Seqlock<N>, fault: Fault) -> Option<[u64; N]> {
    if !matches!(fault, Fault::ReaderFence | Fault::ReaderAcquire) {
        return lock.try_read();
    }
    let acquire = if fault == Fault::ReaderAcquire { Ordering::Relaxed } else { Ordering::Acquire };
    let version = lock.version.load(acquire);
    if version % 2 == 1 {
        return None;
    }
    let words = std::array::from_fn(|index| lock.words[index].load(Ordering::Relaxed));
    if fault != Fault::ReaderFence {
        fence(Ordering::Acquire);
    }
    (lock.version.load(Ordering::Relaxed) == version).then_some(words)
}

#[cfg(loom)]
mod model {
    use super::*;
    use loom::sync::Arc;

    /// Two writes of two equal words, and a reader: it sees equal words, and never goes back.
    fn explore(fault: Fault) {
        loom::model(move || {
            let lock = Arc::new(Seqlock::<2>::default());
            let shared = Arc::clone(&lock);
            let writer = loom::thread::spawn(move || {
                write(&shared, &[1, 1], fault);
                write(&shared, &[2, 2], fault);
            });
            let mut latest = 0;
            for _ in 0..2 {
                if let Some([one, two]) = try_read(&lock, fault) {
                    assert!(one == two, "torn");
                    assert!(one >= latest, "backwards");
                    latest = one;
                }
            }
            writer.join().unwrap();
            assert_eq!(try_read(&lock, fault), Some([2, 2]), "the last write stays");
        });
    }

    #[test]
    fn loom_no_interleaving_tears() {
        explore(Fault::None);
    }

    #[test]
    #[should_panic(expected = "torn")]
    fn loom_notices_a_version_that_never_changes() {
        explore(Fault::Version);
    }

    #[test]
    #[should_panic(expected = "torn")]
    fn loom_notices_a_version_that_never_becomes_odd() {
        explore(Fault::OddVersion);
    }

    #[test]
    #[should_panic(expected = "torn")]
    fn loom_notices_a_missing_second_increment() {
        explore(Fault::SecondIncrement);
    }

    #[test]
    #[should_panic(expected = "torn")]
    fn loom_notices_a_missing_fence_of_the_writer() {
        explore(Fault::WriterFence);
    }

    #[test]
    #[should_panic(expected = "torn")]
    fn loom_notices_a_missing_release_of_the_writer() {
        explore(Fault::WriterRelease);
    }

    #[test]
    #[should_panic(expected = "torn")]
    fn loom_notices_a_missing_fence_of_the_reader() {
        explore(Fault::ReaderFence);
    }

    #[test]
    #[should_panic(expected = "torn")]
    fn loom_notices_a_missing_acquire_of_the_reader() {
        explore(Fault::ReaderAcquire);
    }
}

#[cfg(not(loom))]
mod threads {
    use super::*;
    use std::sync::atomic::AtomicBool;

    /// Writes runs of equal words while two readers look; gives how many reads were whole, retried and torn.
    fn race(count: u64, fault: Fault) -> (u64, u64, u64) {
        let lock = Seqlock::<63>::default();
        let stop = AtomicBool::new(false);
        let reads = |target: u64| {
            let (mut whole, mut retried, mut torn) = (0, 0, 0);
            // A fault is proven by one torn read.
            while whole + torn < target && (fault == Fault::None || torn == 0) {
                match try_read(&lock, fault) {
                    Some(words) if words.iter().all(|&word| word == words[0]) => whole += 1,
                    Some(_) => torn += 1,
                    None => retried += 1,
                }
            }
            (whole, retried, torn)
        };
        std::thread::scope(|scope| {
            let writer = scope.spawn(|| {
                let mut value = 0u64;
                while !stop.load(Ordering::Relaxed) {
                    value += 1;
                    write(&lock, &[value; 63], fault);
                    // Room for a reader to come through, or it would starve.
                    (0..value % 64).for_each(|_| std::hint::spin_loop());
                }
                value
            });
            let readers = [scope.spawn(|| reads(count / 2)), scope.spawn(|| reads(count / 2))];
            let sums = readers.map(|reader| reader.join().unwrap());
            stop.store(true, Ordering::Relaxed);
            assert!(writer.join().unwrap() > 0);
            (sums[0].0 + sums[1].0, sums[0].1 + sums[1].1, sums[0].2 + sums[1].2)
        })
    }

    #[test]
    fn real_threads_never_read_a_torn_value() {
        let count = crate::cases::count(20_000_000, 200_000_000);
        let (whole, retried, torn) = race(count, Fault::None);
        println!("{torn} torn reads of {}; {retried} retried", whole + torn);
        assert_eq!((torn, whole), (0, count));
    }

    /// The race can tell: where the version says nothing it finds torn reads.
    #[test]
    fn real_threads_notice_a_version_that_never_changes() {
        let (whole, _, torn) = race(200_000_000, Fault::Version);
        println!("{torn} torn reads of {} where the version never changes", whole + torn);
        assert!(torn > 0);
    }
}
