use super::*;
use std::cell::Cell;

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

/// Clocks that stand still until they are told otherwise.
#[derive(Default)]
struct Hands {
    wall: Cell<i64>,
    passed: Cell<i64>,
}

impl Hands {
    fn pass(&self, span: Nanos) {
        self.passed.set(self.passed.get() + span.raw());
        self.set(span);
    }

    /// Somebody sets the system's clock, or the machine sleeps, which the steady one does not count.
    fn set(&self, by: Nanos) {
        self.wall.set(self.wall.get() + by.raw());
    }
}

impl Source for &Hands {
    fn wall(&self) -> Nanos {
        Nanos::new(self.wall.get())
    }

    fn passed(&self) -> Nanos {
        Nanos::new(self.passed.get())
    }
}

/// Set back by an hour, then on by two: intervals are what they are, and no time is told twice.
#[test]
fn a_clock_that_is_set_is_followed_forward_alone() {
    let hands = Hands::default();
    let clock = Clock::start(&hands);
    hands.set(back(HOUR));
    hands.pass(Nanos::SECOND);
    assert_eq!(clock.now(), Nanos::SECOND.since(millis(1)));
    assert_eq!(clock.steps.load(Ordering::Relaxed), 1);
    assert_eq!(clock.ahead.load(Ordering::Relaxed), HOUR.since(millis(1)).raw());
    hands.set(HOUR.plus(HOUR));
    hands.pass(Nanos::SECOND);
    assert_eq!(clock.now(), HOUR.plus(Nanos::SECOND).plus(Nanos::SECOND));
    assert_eq!((clock.steps.load(Ordering::Relaxed), clock.ahead.load(Ordering::Relaxed)), (2, 0));
}

/// Two threads read the system's clock after the same sleep: what was slept counts once.
#[test]
fn corrections_that_overlap_are_not_added() {
    let hands = Hands::default();
    let clock = Clock::start(&hands);
    hands.set(HOUR);
    hands.pass(Nanos::SECOND);
    let held = clock.read().expect("it is due");
    hands.pass(Nanos::SECOND);
    assert_eq!(clock.now(), Nanos::SECOND.plus(Nanos::SECOND), "the first has not corrected anything yet");
    held.correct();
    assert_eq!(clock.now(), Nanos::new(hands.wall.get()));
}

#[test]
fn time_that_is_accepted_goes_on_from_there_and_is_caught_up_with() {
    let hands = Hands::default();
    let clock = Clock::start(&hands);
    clock.begin_at(HOUR);
    clock.begin_at(millis(1));
    assert_eq!(clock.now(), HOUR);
    hands.pass(Nanos::SECOND);
    assert_eq!(clock.now(), HOUR.plus(Nanos::SECOND).since(millis(1)));
    assert_eq!(clock.steps.load(Ordering::Relaxed), 0, "nobody has set the system's clock");
    hands.set(HOUR);
    hands.pass(Nanos::SECOND);
    assert_eq!(clock.now(), Nanos::new(hands.wall.get()));
}

/// Numbers that are the same each time (xorshift).
struct Dice(u64);

impl Dice {
    fn below(&mut self, n: u64) -> u64 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        self.0 % n
    }
}

/// What our time should be, by one thread that keeps books in milliseconds of all that happens.
#[derive(Default)]
struct Twin {
    time: i128,
    passed: i128,
    read_at: i128,
    /// A reading that nothing was corrected by yet: what the clocks showed, and how long after the one before.
    held: Option<(i128, i128, i128)>,
    /// The latest that the system's clock can ever have meant.
    most: i128,
}

impl Twin {
    fn look(&mut self, hands: &Hands) {
        let passed = i128::from(hands.passed.get());
        self.time += passed - self.passed;
        self.most = (self.most + passed - self.passed).max(hands.wall.get().into());
        self.passed = passed;
    }

    /// True where the clock is read.
    fn read(&mut self, hands: &Hands) -> bool {
        let since = self.passed - self.read_at;
        let reads = self.held.is_none() && since >= 1_000_000_000;
        if reads {
            self.held = Some((hands.wall.get().into(), self.passed, since));
            self.read_at = self.passed;
        }
        reads
    }

    fn correct(&mut self) {
        let Some((wall, at, since)) = self.held.take() else { return };
        let behind = wall - (self.time - (self.passed - at));
        self.time += behind.max(-since / 1_000);
    }
}

#[test]
fn it_is_the_clock_of_a_naive_twin_whoever_comes_in_between() {
    const SEEDS: u64 = 2_000;
    let (mut told, mut overlaps) = (0, 0);
    for seed in 1..=SEEDS {
        let (mut dice, hands, mut twin) =
            (Dice(seed.wrapping_mul(0x9e37_79b9_7f4a_7c15)), Hands::default(), Twin::default());
        let clock = Clock::start(&hands);
        let (mut held, mut last) = (None, Nanos::ZERO);
        for _ in 0..40 {
            let span = Nanos::new(dice.below(2_000_000_000) as i64);
            match dice.below(8) {
                0 | 1 => hands.pass(span),
                2 => hands.set(Nanos::new(span.raw() * 1_000)),
                3 => hands.set(back(span)),
                4 if held.is_none() => {
                    twin.look(&hands);
                    held = clock.read();
                    assert_eq!(held.is_some(), twin.read(&hands), "seed {seed}");
                }
                5 => {
                    twin.look(&hands);
                    twin.correct();
                    held.take().into_iter().for_each(Reading::correct);
                }
                _ => {
                    twin.look(&hands);
                    overlaps += usize::from(twin.held.is_some());
                    if twin.read(&hands) {
                        twin.correct();
                    }
                    let now = clock.now();
                    assert!(now >= last && i128::from(now.raw()) <= twin.most, "seed {seed}: {last}, then {now}");
                    assert_eq!(i128::from(now.raw()), twin.time.max(last.raw().into()), "seed {seed}");
                    (told, last) = (told + 1, now);
                }
            }
        }
    }
    println!("{told} times told in {SEEDS} runs, {overlaps} of them amid a reading");
    assert!(overlaps > 1_000, "{overlaps}");
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
    assert!(now().since(system()).raw().abs() < STEP.raw());
}

/// Whoever waits for a time goes on as soon as it is there.
#[tokio::test]
async fn a_time_is_waited_for() {
    reached(now()).await;
    reached(now().plus(millis(1))).await;
}
