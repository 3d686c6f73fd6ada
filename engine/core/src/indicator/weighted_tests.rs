use super::*;
use proptest::prelude::*;

/// Prices that walk, and now and then one from another world.
fn series() -> impl Strategy<Value = Vec<f64>> {
    prop::collection::vec(prop_oneof![9 => 90.0..110.0f64, 1 => -1e12..1e12f64], 1..150)
}

proptest! {
    #[test]
    fn a_weighted_average_has_the_weights_it_says(values in series(), period in 1usize..20) {
        let mut average = Wma::new(period);
        for at in 0..values.len() {
            let output = average.update([values[at]]);
            prop_assert_eq!(output.is_some(), at >= average.warmup());
            let Some([output]) = output else { continue };
            let window = &values[at + 1 - period..=at];
            let weighted = |value: fn(&f64) -> f64| {
                let terms = window.iter().enumerate().map(|(age, price)| (age + 1) as f64 * value(price));
                terms.sum::<f64>() / (period * (period + 1) / 2) as f64
            };
            // Nothing of a great value is left once it is out of the window.
            let (expect, size) = (weighted(|price| *price), weighted(|price| price.abs()));
            prop_assert!((output - expect).abs() <= 1e-14 * size, "{} {}", output, expect);
        }
    }

    #[test]
    fn a_triangular_average_has_the_weights_of_a_triangle(values in series(), period in 1usize..20) {
        let mut average = Trima::new(period);
        let weights: Vec<f64> = (0..period).map(|at| (at + 1).min(period - at) as f64).collect();
        for at in 0..values.len() {
            let output = average.update([values[at]]);
            prop_assert_eq!(output.is_some(), at >= average.warmup());
            let Some([output]) = output else { continue };
            let window = &values[at + 1 - period..=at];
            let terms = window.iter().zip(&weights).map(|(value, weight)| value * weight);
            let (expect, size) = (terms.sum::<f64>() / weights.iter().sum::<f64>(), window.iter().map(|v| v.abs()).sum::<f64>());
            prop_assert!((output - expect).abs() <= 1e-13 * size, "{} {}", output, expect);
        }
    }
}
