use super::*;
use tidegate_core::{BarFlags, Price};

fn stage(seq: u64, start: i64, trades: u64) -> (u64, Bar) {
    let price = Price::from_raw(1).unwrap();
    let bar = Bar {
        start: Nanos::new(start),
        open: price,
        high: price,
        low: price,
        close: price,
        volume: 0,
        trades,
        revision: 0,
        flags: BarFlags::default(),
    };
    (seq, bar)
}

#[test]
fn the_latest_are_the_same_in_whatever_order_they_come_and_no_more_are_held() {
    let bars = 5_000_i64;
    let stages = (0..bars).flat_map(|start| [stage(1, start, 1), stage(9, start, 9), stage(5, start, 5)]);
    let forward: Vec<_> = stages.collect();
    let mut shuffled = forward.clone();
    // A step that shares no factor with their number goes through all of them.
    (0..shuffled.len()).for_each(|at| shuffled[at] = forward[at * 7_919 % forward.len()]);
    let backward: Vec<_> = forward.iter().rev().copied().collect();
    for limit in [0, 1, 7, 4_999, 5_000, usize::MAX] {
        for order in [&forward, &backward, &shuffled] {
            let mut latest = Latest::default();
            for &stage in order {
                latest.take(stage, limit);
                assert!(latest.0.len() <= limit.saturating_mul(2).saturating_add(LATEST_SLACK));
            }
            let found: Vec<(i64, u64)> = latest.finish(limit).iter().map(|bar| (bar.start.raw(), bar.trades)).collect();
            let first = bars - i64::try_from(limit).unwrap_or(bars).min(bars);
            assert_eq!(found, (first..bars).map(|start| (start, 9)).collect::<Vec<_>>(), "limit {limit}");
        }
    }
}
