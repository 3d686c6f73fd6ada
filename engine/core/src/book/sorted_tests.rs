use super::*;
use proptest::prelude::*;
use std::collections::BTreeMap;

fn rung(rank: i64, qty: i64) -> Rung {
    Rung { rank, qty: Qty::from_raw(qty).unwrap(), orders: 0 }
}

fn told(rung: Option<&Rung>) -> Option<(i64, i64)> {
    rung.map(|rung| (rung.rank, rung.qty.raw()))
}

proptest! {
    // Each case is long, and every step of it looks at everything.
    #![proptest_config(ProptestConfig::with_cases(32))]

    /// Twin: a tree. Rungs come and go at both ends, so that the array begins anywhere in its buffer.
    #[test]
    fn it_is_a_map_in_order_and_keeps_to_its_bound(
        steps in prop::collection::vec((0..12u8, 0..90i64, 0..4i64), 1..500),
        rungs_max in 1usize..80,
    ) {
        let (mut sorted, mut twin) = (Sorted::new(rungs_max), BTreeMap::new());
        for (step, rank, qty) in steps {
            let best = twin.first_key_value().map_or(40, |(rank, _)| *rank);
            match step {
                0 => prop_assert_eq!(told(sorted.pop_best().as_ref()), twin.pop_first()),
                1 => prop_assert_eq!(told(sorted.pop_worst().as_ref()), twin.pop_last()),
                2 if twin.len() < rungs_max => {
                    sorted.push_best(rung(best - 1, 1));
                    twin.insert(best - 1, 1);
                }
                _ if qty == 0 => {
                    let expect = twin.remove(&rank).map_or(Change::None, |_| Change::Removed);
                    prop_assert_eq!(sorted.set(rung(rank, 0)), expect);
                }
                _ if twin.len() < rungs_max || twin.contains_key(&rank) => {
                    let expect = twin.insert(rank, qty).map_or(Change::Added, |_| Change::None);
                    prop_assert_eq!(sorted.set(rung(rank, qty)), expect);
                }
                _ => {}
            }
            prop_assert!(sorted.iter().map(|rung| (rung.rank, rung.qty.raw())).eq(twin.iter().map(|(a, b)| (*a, *b))));
            prop_assert_eq!(told(sorted.best()), twin.first_key_value().map(|(a, b)| (*a, *b)));
            prop_assert_eq!(told(sorted.worst()), twin.last_key_value().map(|(a, b)| (*a, *b)));
            prop_assert_eq!((sorted.len(), sorted.is_empty()), (twin.len(), twin.is_empty()));
            prop_assert!((-5..95).all(|rank| sorted.contains(rank) == twin.contains_key(&rank)));
            prop_assert!(sorted.rungs.capacity() <= rungs_max);
        }
    }
}
