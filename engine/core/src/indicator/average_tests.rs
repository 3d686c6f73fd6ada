use super::*;
use proptest::prelude::*;
use ta::Next;
use ta::indicators::ExponentialMovingAverage;

proptest! {
    #[test]
    fn an_exponential_average_is_that_of_the_crate_ta(
        values in prop::collection::vec(-1e12..1e12f64, 1..150),
        period in 1usize..20,
    ) {
        let (mut ours, mut theirs) = (Ema::new(period), ExponentialMovingAverage::new(period).unwrap());
        for at in 0..values.len() {
            let Some(average) = ours.push(values[at]) else { continue };
            let given = if at + 1 == period { values[..period].iter().sum::<f64>() / period as f64 } else { values[at] };
            prop_assert_eq!(average.to_bits(), theirs.next(given).to_bits());
        }
        prop_assert_eq!(ours.warmup(), period - 1);
    }
}
