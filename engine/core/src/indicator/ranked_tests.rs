use super::*;
use proptest::prelude::*;

/// The depth of a tree.
fn depth(ranked: &Ranked, at: u32) -> usize {
    if at == NONE {
        return 0;
    }
    let node = ranked.node(at);
    1 + depth(ranked, node.left).max(depth(ranked, node.right))
}

proptest! {
    #[test]
    fn the_order_is_that_of_the_window(values in prop::collection::vec(-5i32..5, 1..200), capacity in 1usize..20) {
        let (mut ranked, mut window) = (Ranked::new(capacity), Window::new(capacity));
        for value in values.iter().map(|value| f64::from(*value)) {
            ranked.push(value);
            window.push(value);
            let mut sorted: Vec<f64> = window.iter().collect();
            sorted.sort_unstable_by(f64::total_cmp);
            prop_assert_eq!(ranked.len(), sorted.len());
            for (rank, &expect) in sorted.iter().enumerate() {
                prop_assert_eq!(ranked.at(rank), Some(expect));
            }
            prop_assert_eq!(ranked.at(sorted.len()), None);
            for probe in -6..6 {
                let probe = f64::from(probe);
                prop_assert_eq!(ranked.below(probe), sorted.iter().filter(|value| **value < probe).count());
            }
            let written = Window::from(ranked.clone());
            prop_assert_eq!(written.iter().collect::<Vec<_>>(), window.iter().collect::<Vec<_>>());
            prop_assert_eq!(Ranked::from(written).below(0.0), ranked.below(0.0));
        }
    }
}

#[test]
fn it_stays_shallow() {
    let rising = |at: u32| f64::from(at);
    let equal = |_: u32| 1.0;
    let mixed = |at: u32| f64::from(at % 97);
    for series in [rising as fn(u32) -> f64, equal, mixed] {
        let mut ranked = Ranked::new(10_000);
        (0..30_000).for_each(|at| ranked.push(series(at)));
        let depth = depth(&ranked, ranked.root);
        assert!(depth < 50, "{depth}");
    }
}
