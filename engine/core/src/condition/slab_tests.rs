use super::*;
use crate::bar::INTERVALS;
use crate::expression::Expr;
use crate::instrument::tests::spot;
use crate::market::Bounds;
use std::sync::Arc;

const BOUNDS: Bounds = Bounds {
    book_levels_max: 1,
    bars_max: 9,
    trades_max: 1,
    instruments_max: 1,
    stale_after: Nanos::new(5_000_000_000),
};

/// All conditions may fire with one input, and telling of them allocates nothing.
#[test]
fn there_is_room_for_a_firing_of_each() {
    let streams = [Stream::new(Arc::new(spot("B:X")), &BOUNDS)];
    let mut conditions = Conditions::default();
    for id in 0..40 {
        let condition =
            Condition::new(id, &[Expr::truth(Some(true))], INTERVALS[1], &[InstrumentId(0), InstrumentId(0)]).unwrap();
        conditions.attach(condition, Nanos::ZERO, &streams);
        assert!(conditions.firings.capacity() >= conditions.count, "{id}");
        assert_eq!(conditions.watched[0].slots.len(), conditions.count, "an instrument that is named twice");
    }
}
