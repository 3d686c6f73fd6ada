//! A value of a few words that one thread writes and any number read, without a lock.
//!
//! The writer makes the version odd, stores the words and makes it even again; a reader that sees the same
//! even version before and after the words has read them as one. The words are atomics themselves, so
//! a reader that is overtaken reads nonsense and throws it away, and nothing is undefined.

#[cfg(loom)]
use loom::sync::atomic::{AtomicU64, Ordering, fence};
#[cfg(not(loom))]
use std::sync::atomic::{AtomicU64, Ordering, fence};

/// The value. To be written by one thread alone: its owner sees to that.
#[derive(Debug)]
#[repr(C)]
pub(crate) struct Seqlock<const WORDS: usize> {
    version: AtomicU64,
    words: [AtomicU64; WORDS],
}

impl<const WORDS: usize> Default for Seqlock<WORDS> {
    fn default() -> Seqlock<WORDS> {
        Seqlock { version: AtomicU64::new(0), words: std::array::from_fn(|_| AtomicU64::new(0)) }
    }
}

impl<const WORDS: usize> Seqlock<WORDS> {
    /// Writes all words. Wait-free: no reader holds the writer up.
    pub(crate) fn write(&self, words: &[u64; WORDS]) {
        // The writer is alone, so this is its own latest store.
        let version = self.version.load(Ordering::Relaxed);
        self.version.store(version.wrapping_add(1), Ordering::Relaxed);
        // SYNC: with the fence in `try_read`: whoever has read one of the new words sees the odd version.
        fence(Ordering::Release);
        for (word, &value) in self.words.iter().zip(words) {
            word.store(value, Ordering::Relaxed);
        }
        // SYNC: with the first load in `try_read`: whoever sees the even version sees the words.
        self.version.store(version.wrapping_add(2), Ordering::Release);
    }

    /// Reads all words; `None` where the writer came in between.
    pub(crate) fn try_read(&self) -> Option<[u64; WORDS]> {
        // SYNC: with the last store in `write`.
        let version = self.version.load(Ordering::Acquire);
        if version % 2 == 1 {
            return None;
        }
        let words = std::array::from_fn(|index| self.words[index].load(Ordering::Relaxed));
        // SYNC: with the fence in `write`.
        fence(Ordering::Acquire);
        (self.version.load(Ordering::Relaxed) == version).then_some(words)
    }

    /// True once something has been written.
    pub(crate) fn is_written(&self) -> bool {
        // SYNC: with the last store in `write`.
        self.version.load(Ordering::Acquire) > 1
    }
}

#[cfg(test)]
#[path = "seqlock_tests.rs"]
mod tests;
