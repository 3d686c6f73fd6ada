//! The one place that reads the clock.
//!
//! The system's clock tells what time it is, the steady one how much has passed. Between two readings of the
//! first the second counts, so that somebody who sets the clock back delays no ping and hides no silent feed.

use std::sync::LazyLock;
use std::sync::atomic::{AtomicI64, AtomicU64, Ordering};
use std::time::{Instant, SystemTime};
use tidegate_core::Nanos;

/// How often the system's clock is read again.
const READ_EVERY: Nanos = Nanos::SECOND;
/// A reading that took longer belongs to no one moment: the next one will do.
const READING_MAX: Nanos = Nanos::new(1_000_000);
/// More than any clock drifts in the time between two readings: somebody has set it, or the machine has slept.
const STEP: Nanos = Nanos::new(100_000_000);
/// Time that is ahead of the system's loses one part in so many until both agree again.
const SLOWED_BY: i64 = 1_000;

static CLOCK: LazyLock<Clock> = LazyLock::new(|| Clock::start(wall));

/// Now: never earlier than it was, and never slower than it passes by more than a thousandth.
pub fn now() -> Nanos {
    CLOCK.now()
}

/// How often the system's clock has stepped by more than 100 ms, and how far ahead of it our time is since.
pub fn steps() -> (u64, Nanos) {
    (CLOCK.steps.load(Ordering::Relaxed), Nanos::new(CLOCK.ahead.load(Ordering::Relaxed).max(0)))
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

/// Read by many threads at once; none waits for another.
struct Clock {
    /// The system's clock.
    wall: fn() -> Nanos,
    started: Instant,
    /// Our time when nothing had passed.
    origin: AtomicI64,
    /// How much had passed when the system's clock was read last.
    read_at: AtomicI64,
    /// How far ahead of it we were then.
    ahead: AtomicI64,
    /// The latest time that was told.
    told: AtomicI64,
    steps: AtomicU64,
}

impl Clock {
    fn start(wall: fn() -> Nanos) -> Clock {
        let (started, now) = (Instant::now(), wall());
        Clock {
            wall,
            started,
            origin: AtomicI64::new(now.raw()),
            read_at: AtomicI64::new(0),
            ahead: AtomicI64::new(0),
            told: AtomicI64::new(now.raw()),
            steps: AtomicU64::new(0),
        }
    }

    fn now(&self) -> Nanos {
        let passed = self.passed();
        let read_at = self.read_at.load(Ordering::Relaxed);
        let is_due = passed.since(Nanos::new(read_at)) >= READ_EVERY;
        // Whoever comes first reads it for all.
        if is_due && self.read_at.compare_exchange(read_at, passed.raw(), Ordering::Relaxed, Ordering::Relaxed).is_ok()
        {
            self.read_again(Nanos::new(read_at));
        }
        let now = self.at(self.passed()).raw();
        Nanos::new(self.told.fetch_max(now, Ordering::Relaxed).max(now))
    }

    fn read_again(&self, read_at: Nanos) {
        let (began, wall, ended) = (self.passed(), (self.wall)(), self.passed());
        if ended.since(began) > READING_MAX {
            return;
        }
        let before = Nanos::new(self.ahead.load(Ordering::Relaxed));
        let correction = Correction::of(before, self.at(ended).since(wall), ended.since(read_at));
        self.origin.fetch_add(correction.add.raw(), Ordering::Relaxed);
        self.ahead.store(correction.ahead.raw(), Ordering::Relaxed);
        if let Some(step) = correction.step {
            self.steps.fetch_add(1, Ordering::Relaxed);
            tracing::warn!("the system's clock has stepped by {} ms", step.raw() / 1_000_000);
        }
    }

    fn passed(&self) -> Nanos {
        Nanos::new(i64::try_from(self.started.elapsed().as_nanos()).unwrap_or(i64::MAX))
    }

    fn at(&self, passed: Nanos) -> Nanos {
        Nanos::new(self.origin.load(Ordering::Relaxed)).plus(passed)
    }
}

/// What the system says.
fn wall() -> Nanos {
    let since = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default();
    Nanos::new(i64::try_from(since.as_nanos()).unwrap_or(i64::MAX))
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::time::Duration;

    const HOUR: Nanos = Nanos::new(3_600 * Nanos::SECOND.raw());

    fn millis(ms: i64) -> Nanos {
        Nanos::new(ms * 1_000_000)
    }

    fn back(span: Nanos) -> Nanos {
        Nanos::ZERO.since(span)
    }

    #[test]
    fn a_drift_is_followed_and_no_step() {
        let forward = Correction::of(Nanos::ZERO, back(millis(3)), READ_EVERY);
        assert_eq!(forward, Correction { add: millis(3), ahead: Nanos::ZERO, step: None });
        let slower = Correction::of(Nanos::ZERO, millis(3), READ_EVERY);
        assert_eq!(slower, Correction { add: back(millis(1)), ahead: millis(2), step: None });
        let enough = Correction::of(millis(2), Nanos::new(10), READ_EVERY);
        assert_eq!(enough, Correction { add: Nanos::new(-10), ahead: Nanos::ZERO, step: None });
    }

    #[test]
    fn a_step_forward_is_followed_at_once() {
        let step = Correction::of(Nanos::ZERO, back(HOUR), READ_EVERY);
        assert_eq!(step, Correction { add: HOUR, ahead: Nanos::ZERO, step: Some(HOUR) });
    }

    /// Our time goes on at a thousandth less than its pace, the step is told once, and in the end both agree.
    #[test]
    fn a_step_back_delays_nothing_and_is_told_once() {
        let mut ahead = Nanos::ZERO;
        let mut seen = HOUR;
        let mut steps = Vec::new();
        let mut readings = 0;
        loop {
            let correction = Correction::of(ahead, seen, READ_EVERY);
            assert!(correction.add <= Nanos::ZERO && correction.add >= back(millis(1)), "{correction:?}");
            steps.extend(correction.step);
            (ahead, seen) = (correction.ahead, correction.ahead);
            readings += 1;
            if ahead == Nanos::ZERO {
                break;
            }
        }
        assert_eq!((steps, readings), (vec![back(HOUR)], 3_600_000));
        let undone = Correction::of(HOUR, Nanos::ZERO, READ_EVERY);
        assert_eq!((undone.add, undone.step), (Nanos::ZERO, Some(HOUR)), "set right again");
    }

    #[test]
    fn nonsense_saturates() {
        for (before, ahead) in [(i64::MIN, i64::MAX), (i64::MAX, i64::MIN), (0, i64::MIN)] {
            let correction = Correction::of(Nanos::new(before), Nanos::new(ahead), Nanos::new(-1));
            assert!(correction.step.is_some() && correction.ahead.raw() >= -1, "{correction:?}");
        }
    }

    /// Set back by an hour, then on by two: intervals are what they are, and no time is told twice.
    #[test]
    fn a_clock_that_is_set_is_followed_forward_alone() {
        static SET_BY: AtomicI64 = AtomicI64::new(0);
        let wait = || std::thread::sleep(Duration::from_millis(1_100));
        let clock = Clock::start(|| wall().plus(Nanos::new(SET_BY.load(Ordering::Relaxed))));
        let (began, first) = (Instant::now(), clock.now());
        let is_near = |span: Nanos| {
            let off = span.raw() - began.elapsed().as_nanos() as i64;
            assert!(off.abs() < 50_000_000, "{off} ns off");
        };
        SET_BY.store(back(HOUR).raw(), Ordering::Relaxed);
        wait();
        is_near(clock.now().since(first));
        assert_eq!(clock.steps.load(Ordering::Relaxed), 1);
        assert!(clock.ahead.load(Ordering::Relaxed) > HOUR.raw() - millis(10).raw());
        SET_BY.store(HOUR.raw(), Ordering::Relaxed);
        wait();
        is_near(clock.now().since(first).since(HOUR));
        assert_eq!(clock.steps.load(Ordering::Relaxed), 2);
    }

    #[test]
    fn it_passes_as_time_does_and_never_back_for_any_thread() {
        let (began, first) = (Instant::now(), now());
        let threads: Vec<_> = (0..4)
            .map(|_| {
                std::thread::spawn(move || {
                    let mut last = now();
                    while began.elapsed() < Duration::from_millis(1_200) {
                        let next = now();
                        assert!(next >= last);
                        last = next;
                    }
                })
            })
            .collect();
        threads.into_iter().for_each(|thread| thread.join().unwrap());
        let passed = now().since(first).raw() - began.elapsed().as_nanos() as i64;
        assert!(passed.abs() < 50_000_000, "{passed} ns too much, a second reading included");
        assert!(now().since(wall()).raw().abs() < STEP.raw());
    }
}
