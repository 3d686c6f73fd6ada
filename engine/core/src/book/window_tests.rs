use super::*;
use proptest::prelude::*;
use std::collections::BTreeMap;

const TICKS: i64 = 128;

/// What happens to a window; numbers are counted from where it begins.
#[derive(Clone, Debug)]
enum Act {
    Set(i64, i64, u32),
    /// To where the best level stands, or to a place without one.
    Move(Option<i64>),
    Drain,
    Clear,
}

fn any_act() -> impl Strategy<Value = Act> {
    prop_oneof![
        40 => (0..TICKS, 0..4i64, 0..3u32).prop_map(|(at, qty, orders)| Act::Set(at, qty, orders)),
        3 => prop_oneof![Just(None), (-300..300i64).prop_map(Some)].prop_map(Act::Move),
        1 => Just(Act::Drain),
        1 => Just(Act::Clear),
    ]
}

fn cell(number: i64, (qty, orders): (i64, u32)) -> Cell {
    Cell { number, qty: Qty::from_raw(qty).unwrap(), orders }
}

fn cells(twin: &BTreeMap<i64, (i64, u32)>) -> Vec<Cell> {
    twin.iter().map(|(&number, &value)| cell(number, value)).collect()
}

/// What the window shows is what the tree shows, whoever asks.
fn same(window: &Window, twin: &BTreeMap<i64, (i64, u32)>) -> Result<(), TestCaseError> {
    let all = cells(twin);
    prop_assert_eq!((window.len(), window.is_empty()), (all.len(), all.is_empty()));
    prop_assert_eq!((window.best(), window.worst()), (all.first().copied(), all.last().copied()));
    prop_assert_eq!(window.iter().collect::<Vec<_>>(), all.clone());
    for wanted in [1, 3, usize::MAX] {
        let mut seen = Vec::new();
        window.visit(|cell| {
            seen.push(cell);
            seen.len() < wanted
        });
        prop_assert_eq!(&seen[..], &all[..all.len().min(wanted)]);
    }
    if window.base != NOWHERE {
        for number in window.base - 3..window.base + TICKS + 3 {
            let is_inside = (window.base..window.end()).contains(&number);
            prop_assert_eq!((window.covers(number), window.is_before(number)), (is_inside, number < window.base));
            prop_assert_eq!(window.contains(number), is_inside && twin.contains_key(&number));
        }
    }
    Ok(())
}

proptest! {
    // Each case is long, and every step of it looks at everything.
    #![proptest_config(ProptestConfig::with_cases(32))]

    /// Twin: a tree.
    #[test]
    fn a_window_is_a_map_of_what_it_covers(acts in prop::collection::vec(any_act(), 1..200)) {
        let (mut window, mut twin) = (Window::new(TICKS as usize), BTreeMap::new());
        prop_assert!(!window.covers(0) && !window.covers(i64::MIN) && !window.covers(i64::MAX));
        window.move_to(0);
        // Orders are 0 until a level has told some.
        for act in acts {
            match act {
                Act::Set(at, qty, orders) => {
                    let number = window.base + at;
                    let before = if qty == 0 { twin.remove(&number) } else { twin.insert(number, (qty, orders)) };
                    let expect = match (before, qty) {
                        (None, 1..) => Change::Added,
                        (Some(_), 0) => Change::Removed,
                        _ => Change::None,
                    };
                    prop_assert_eq!(window.set(cell(number, (qty, orders))), expect);
                }
                Act::Move(to) => {
                    let base = window.base_for(to.or(window.best().map(|best| best.number)).unwrap_or(5));
                    let mut left = Vec::new();
                    window.drain(Some(base), |cell| left.push(cell));
                    // Those before the new beginning are not asked for: it only ever moves where none are.
                    if window.best().is_some_and(|best| best.number < base) {
                        window.drain(None, |cell| left.push(cell));
                    }
                    window.move_to(base);
                    left.iter().for_each(|cell| assert!(twin.remove(&cell.number).is_some()));
                    prop_assert!(left.is_sorted_by(|one, next| one.number > next.number), "the worst first");
                    prop_assert!(twin.keys().all(|&number| window.covers(number)));
                }
                Act::Drain => {
                    let mut taken = Vec::new();
                    window.drain(None, |cell| taken.push(cell));
                    taken.reverse();
                    prop_assert_eq!(taken, cells(&twin));
                    twin.clear();
                }
                Act::Clear => {
                    window.clear();
                    prop_assert!(!window.covers(0));
                    twin.clear();
                    window.move_to(64);
                }
            }
            same(&window, &twin)?;
        }
    }

    /// There is an eighth of it before the best level, or a word less.
    #[test]
    fn it_begins_an_eighth_before_the_best(best in -1_000_000i64..1_000_000, ticks in prop::sample::select(vec![128usize, 1024, 16_384])) {
        let window = Window::new(ticks);
        let base = window.base_for(best);
        let eighth = ticks as i64 / 8;
        prop_assert_eq!(base.rem_euclid(WORD), 0);
        prop_assert!((eighth..eighth + WORD).contains(&(best - base)), "{} before it", best - base);
    }
}

/// It is moved where its best level stands in the worse half, and where there is none.
#[test]
fn it_is_off_centre_beyond_its_middle() {
    for base in [-640, 0, 64] {
        for at in 0..TICKS {
            let mut window = Window::new(TICKS as usize);
            window.move_to(base);
            assert!(window.is_off_centre());
            window.set(cell(base + at, (1, 0)));
            assert_eq!(window.is_off_centre(), at > TICKS / 2, "{at}");
        }
    }
}
