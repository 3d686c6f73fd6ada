use super::*;
use rand::{RngExt, SeedableRng};
use rand_pcg::Pcg64Mcg;

/// Twin: look at all of them. Deadlines are put off, brought forward and given up at random, some to the end
/// of time.
#[test]
fn the_first_deadline_is_that_of_a_full_scan() {
    let count = crate::cases::count(3_000_000, 30_000_000);
    let mut rng = Pcg64Mcg::seed_from_u64(5);
    let mut deadlines = Deadlines::default();
    let mut all: Vec<Option<Nanos>> = Vec::new();
    for case in 0..count {
        if case % 1_000 == 0 {
            deadlines.clear();
            all.clear();
        }
        if all.is_empty() || rng.random_range(0..100) < 3 {
            all.push(None);
            deadlines.grow(all.len());
        }
        let index = rng.random_range(0..all.len());
        all[index] = match rng.random_range(0..10) {
            0 => None,
            1 => Some(Nanos::new(i64::MAX)),
            2 => Some(Nanos::new(rng.random_range(0..50))),
            _ => all[index].or(Some(Nanos::ZERO)).map(|old| old.plus(Nanos::new(rng.random_range(0..100)))),
        };
        deadlines.set(index, all[index], |index| all.get(index).copied().flatten());
        let next = deadlines.next();
        assert_eq!(next.map(|(_, deadline)| deadline), all.iter().copied().flatten().min(), "case {case}: {all:?}");
        assert!(next.is_none_or(|(index, deadline)| all[index] == Some(deadline)), "case {case}");
    }
    println!("{count} changes of deadlines: the first is always that of a full scan");
}

#[test]
fn of_two_that_are_due_at_once_the_lower_place_comes_first() {
    let at = Some(Nanos::new(7));
    for count in 1..20 {
        let mut deadlines = Deadlines::default();
        deadlines.grow(count);
        for index in (0..count).rev() {
            deadlines.set(index, at, |_| at);
            assert_eq!(deadlines.next(), Some((index, Nanos::new(7))));
        }
    }
}
