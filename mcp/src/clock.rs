//! The one place that reads the clock.
//!
//! The system's clock tells what time it is, the steady one how much has passed. Between two readings of the
//! first the second counts, so that somebody who sets the clock back delays no ping and hides no silent feed.
//! A person may have our time begin ahead of the system's, where a recording ends there ([`begin_at`]).

use std::sync::LazyLock;
use std::sync::atomic::{AtomicBool, AtomicI64, AtomicU64, Ordering};
use std::thread;
use std::time::{Duration, Instant, SystemTime};
use tidegate_core::Nanos;

/// How often the system's clock is read again.
const READ_EVERY: Nanos = Nanos::SECOND;
/// A reading that took longer belongs to no one moment: the next one will do.
const READING_MAX: Nanos = Nanos::new(1_000_000);
/// More than any clock drifts in the time between two readings: somebody has set it, or the machine has slept.
const STEP: Nanos = Nanos::new(100_000_000);
/// Time that is ahead of the system's loses one part in so many until both agree again.
const SLOWED_BY: i64 = 1_000;

/// How often whoever waits for a time looks whether the system's clock was set meanwhile.
const LOOK_EVERY: Duration = Duration::from_millis(100);

static CLOCK: LazyLock<Clock<Machine>> = LazyLock::new(|| Clock::start(Machine(Instant::now())));

/// Now: never earlier than it was, and never slower than it passes by more than a thousandth.
pub fn now() -> Nanos {
    CLOCK.now()
}

/// How often the system's clock has stepped by more than 100 ms, and how far ahead of it our time is since.
pub fn steps() -> (u64, Nanos) {
    (CLOCK.steps.load(Ordering::Relaxed), Nanos::new(CLOCK.ahead.load(Ordering::Relaxed).max(0)))
}

/// What the system's clock shows: for what must not follow a time that is ahead of it.
pub fn system() -> Nanos {
    CLOCK.source.wall()
}

/// Has our time go on from `time`, where that is ahead; until the system's has caught up it passes slower by a
/// thousandth.
pub fn begin_at(time: Nanos) {
    CLOCK.begin_at(time);
}

/// Waits until it is `time`. That may be sooner than it is long: the system's clock can be set meanwhile.
pub async fn reached(time: Nanos) {
    loop {
        let left = Duration::from_nanos(u64::try_from(time.since(now()).raw()).unwrap_or(0));
        if left.is_zero() {
            return;
        }
        tokio::time::sleep(left.min(LOOK_EVERY)).await;
    }
}

/// What a new reading of the system's clock changes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Correction {
    /// To be added to our time.
    add: Nanos,
    /// How far ahead of the system's our time is then.
    ahead: Nanos,
    /// How far the system's clock has stepped, where it has.
    step: Option<Nanos>,
}

impl Correction {
    /// Our time was `before` ahead at the last reading, is `ahead` now, and `passed` lies between the two.
    ///
    /// Where the system's clock is ahead it is followed at once: after a sleep there is no other way to know what
    /// time it is. Where it is behind, our time goes on, a little slower.
    fn of(before: Nanos, ahead: Nanos, passed: Nanos) -> Correction {
        let step = before.since(ahead);
        let slower = Nanos::new((passed.raw() / SLOWED_BY).max(0));
        let add = Nanos::ZERO.since(ahead.min(slower));
        Correction {
            add,
            ahead: ahead.plus(add),
            step: Some(step).filter(|step| step.raw().unsigned_abs() > STEP.raw().unsigned_abs()),
        }
    }
}

/// What time is told from.
trait Source {
    /// What the system's clock shows.
    fn wall(&self) -> Nanos;

    /// What the steady one has counted.
    fn passed(&self) -> Nanos;
}

/// The clocks of this machine, the steady one counting from here.
struct Machine(Instant);

impl Source for Machine {
    fn wall(&self) -> Nanos {
        let since = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default();
        Nanos::new(i64::try_from(since.as_nanos()).unwrap_or(i64::MAX))
    }

    fn passed(&self) -> Nanos {
        Nanos::new(i64::try_from(self.0.elapsed().as_nanos()).unwrap_or(i64::MAX))
    }
}

/// Read by many threads at once; none waits for another.
struct Clock<S> {
    source: S,
    /// Our time when nothing had passed.
    origin: AtomicI64,
    /// How much had passed when the system's clock was read last.
    read_at: AtomicI64,
    /// How far ahead of it we were then.
    ahead: AtomicI64,
    /// Somebody reads it, or has not corrected our time yet by what was read.
    is_being_read: AtomicBool,
    /// The latest time that was told.
    told: AtomicI64,
    steps: AtomicU64,
}

impl<S: Source> Clock<S> {
    fn start(source: S) -> Clock<S> {
        let (passed, now) = (source.passed(), source.wall());
        Clock {
            source,
            origin: AtomicI64::new(now.since(passed).raw()),
            read_at: AtomicI64::new(passed.raw()),
            ahead: AtomicI64::new(0),
            is_being_read: AtomicBool::new(false),
            told: AtomicI64::new(now.raw()),
            steps: AtomicU64::new(0),
        }
    }

    fn now(&self) -> Nanos {
        if let Some(reading) = self.read() {
            reading.correct();
        }
        let now = self.at(self.source.passed()).raw();
        Nanos::new(self.told.fetch_max(now, Ordering::Relaxed).max(now))
    }

    /// Our time when so much had passed, as it is corrected now.
    fn at(&self, passed: Nanos) -> Nanos {
        Nanos::new(self.origin.load(Ordering::Relaxed)).plus(passed)
    }

    fn is_due(&self) -> bool {
        self.source.passed().since(Nanos::new(self.read_at.load(Ordering::Relaxed))) >= READ_EVERY
    }

    /// The one who may correct our time; `None` while somebody else is.
    fn turn(&self) -> Option<Turn<'_>> {
        (!self.is_being_read.swap(true, Ordering::Acquire)).then(|| Turn(&self.is_being_read))
    }

    /// Reads the system's clock, where that is due and it is our turn.
    fn read(&self) -> Option<Reading<'_, S>> {
        if !self.is_due() {
            return None;
        }
        let turn = self.turn()?;
        // Whoever had the turn before may have read it just now.
        if !self.is_due() {
            return None;
        }
        let (began, wall, ended) = (self.source.passed(), self.source.wall(), self.source.passed());
        let read_at = Nanos::new(self.read_at.swap(ended.raw(), Ordering::Relaxed));
        let is_of_one_moment = ended.since(began) <= READING_MAX;
        is_of_one_moment.then_some(Reading { clock: self, _turn: turn, wall, at: ended, passed: ended.since(read_at) })
    }

    fn begin_at(&self, time: Nanos) {
        // Somebody else has it for as long as it takes to read a clock.
        let _turn = loop {
            match self.turn() {
                Some(turn) => break turn,
                None => thread::yield_now(),
            }
        };
        let add = time.since(self.at(self.source.passed())).max(Nanos::ZERO);
        self.add(add);
        self.ahead.store(Nanos::new(self.ahead.load(Ordering::Relaxed)).plus(add).raw(), Ordering::Relaxed);
    }

    /// Only whoever has the turn may.
    fn add(&self, add: Nanos) {
        let origin = Nanos::new(self.origin.load(Ordering::Relaxed));
        self.origin.store(origin.plus(add).raw(), Ordering::Relaxed);
    }
}

/// The turn to correct our time: two at once, after a sleep, would both add what was slept.
struct Turn<'a>(&'a AtomicBool);

impl Drop for Turn<'_> {
    fn drop(&mut self) {
        self.0.store(false, Ordering::Release);
    }
}

/// What the system's clock showed when so much had passed.
struct Reading<'a, S> {
    clock: &'a Clock<S>,
    _turn: Turn<'a>,
    wall: Nanos,
    at: Nanos,
    /// Since the reading before.
    passed: Nanos,
}

impl<S: Source> Reading<'_, S> {
    fn correct(self) {
        let clock = self.clock;
        let before = Nanos::new(clock.ahead.load(Ordering::Relaxed));
        let correction = Correction::of(before, clock.at(self.at).since(self.wall), self.passed);
        clock.add(correction.add);
        clock.ahead.store(correction.ahead.raw(), Ordering::Relaxed);
        if let Some(step) = correction.step {
            clock.steps.fetch_add(1, Ordering::Relaxed);
            tracing::warn!("the system's clock has stepped by {} ms", step.raw() / 1_000_000);
        }
    }
}

#[cfg(test)]
#[path = "clock_tests.rs"]
mod tests;
