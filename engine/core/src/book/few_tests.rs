use super::*;
use proptest::prelude::*;

/// What happens to a side.
#[derive(Clone, Debug)]
enum Act {
    Set(i64, i64),
    PushBest,
    PopBest,
    PopWorst,
    Clear,
}

fn any_act() -> impl Strategy<Value = Act> {
    prop_oneof![
        // More ranks than have room in place, and quantities that remove one time in four.
        40 => (0..40i64, 0..4i64).prop_map(|(rank, qty)| Act::Set(rank, qty)),
        4 => Just(Act::PushBest),
        4 => Just(Act::PopBest),
        4 => Just(Act::PopWorst),
        1 => Just(Act::Clear),
    ]
}

fn rung(rank: i64, qty: i64) -> Rung {
    Rung { rank, qty: Qty::from_raw(qty).unwrap(), orders: rank.unsigned_abs() as u32 }
}

fn told(rung: Option<Rung>) -> Option<(i64, i64, u32)> {
    rung.map(|rung| (rung.rank, rung.qty.raw(), rung.orders))
}

proptest! {
    // Each case is long, and every step of it looks at everything.
    #![proptest_config(ProptestConfig::with_cases(32))]

    #[test]
    fn few_rungs_are_as_many(acts in prop::collection::vec(any_act(), 1..400)) {
        let (mut few, mut sorted) = (Few::new(64), Sorted::new(64));
        // Since it was empty it has been longer than has room in place.
        let mut was_longer = false;
        for act in acts {
            match act {
                Act::Set(rank, qty) => prop_assert_eq!(few.set(rung(rank, qty)), sorted.set(rung(rank, qty))),
                Act::PushBest if sorted.len() < 60 => {
                    let best = sorted.best().map_or(20, |best| best.rank - 1);
                    few.push_best(rung(best, 1));
                    sorted.push_best(rung(best, 1));
                }
                Act::PushBest => {}
                Act::PopBest => prop_assert_eq!(told(few.pop_best()), told(sorted.pop_best())),
                Act::PopWorst => prop_assert_eq!(told(few.pop_worst()), told(sorted.pop_worst())),
                Act::Clear => {
                    few.clear();
                    sorted.clear();
                }
            }
            was_longer = !sorted.is_empty() && (was_longer || sorted.len() > FEW_MAX);
            prop_assert_eq!((few.len, few.many.len()), if was_longer { (0, sorted.len()) } else { (sorted.len(), 0) });
            let all: Vec<_> = few.iter().map(|rung| told(Some(rung))).collect();
            let expect: Vec<_> = sorted.iter().map(|rung| told(Some(rung))).collect();
            prop_assert_eq!(all, expect);
            prop_assert_eq!((few.len(), few.is_empty()), (sorted.len(), sorted.is_empty()));
            prop_assert_eq!(told(few.best().copied()), told(sorted.best().copied()));
            prop_assert_eq!(told(few.worst().copied()), told(sorted.worst().copied()));
            prop_assert!((-30..50).all(|rank| few.contains(rank) == sorted.contains(rank)));
        }
    }
}
