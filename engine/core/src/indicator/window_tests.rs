use super::*;
use proptest::prelude::*;

/// What a window of `period` holds after each value.
fn windows(values: &[f64], period: usize) -> impl Iterator<Item = (usize, &[f64])> {
    (0..values.len()).map(move |at| (at, &values[(at + 1).saturating_sub(period)..=at]))
}

fn series() -> impl Strategy<Value = Vec<f64>> {
    // Prices that move, jump, rest, and the extremes in between.
    let step = prop_oneof![8 => -1.0..1.0f64, 2 => Just(0.0), 1 => -1e6..1e6f64, 1 => Just(1e15)];
    prop::collection::vec(step, 1..200).prop_map(|steps| {
        let mut price = 1_000.0;
        let walk = |step: f64| {
            if step.abs() < 1e10 {
                price += step;
            }
            if step == 1e15 { step } else { price }
        };
        steps.into_iter().map(walk).collect()
    })
}

/// Units of a value that is rounded to them: fine enough to need all digits of a float, and of twenty values the sum of
/// squares, times twenty, still fits 127 bits.
const UNITS: f64 = 256.0;

/// The same on a grid, and each value as so many of its units: so everything can be worked out without any error.
fn on_grid() -> impl Strategy<Value = (Vec<f64>, Vec<i128>)> {
    series().prop_map(|values| {
        let units: Vec<i128> = values.iter().map(|value| (value * UNITS).round() as i128).collect();
        (units.iter().map(|&units| units as f64 / UNITS).collect(), units)
    })
}

proptest! {
    #[test]
    fn a_window_holds_the_last_values(values in series(), period in 1usize..20) {
        let mut window = Window::new(period);
        for (at, expect) in windows(&values, period) {
            let gone = window.push(values[at]);
            prop_assert_eq!(gone, at.checked_sub(period).map(|at| values[at]));
            prop_assert_eq!(window.iter().collect::<Vec<_>>(), expect);
            prop_assert_eq!(window.back(0), expect.last().copied());
            prop_assert_eq!(window.oldest(), expect.first().copied());
            prop_assert_eq!(window.back(expect.len()), None);
        }
    }

    #[test]
    fn a_sum_loses_nothing((values, units) in on_grid(), period in 1usize..20) {
        let mut sum = WindowSum::new(period);
        for (at, expect) in windows(&values, period) {
            let exact: i128 = units[at + 1 - expect.len()..=at].iter().sum();
            // What rounding loses lies on the grid too and is kept whole, so that the sum is rounded once.
            let exact = (expect.len() == period).then_some(exact as f64 / UNITS);
            prop_assert_eq!(sum.push(values[at]), exact);
        }
    }

    #[test]
    fn extremes_are_those_of_the_window(values in series(), period in 1usize..20) {
        let (mut greatest, mut smallest) = (Extreme::greatest(period), Extreme::smallest(period));
        for (at, expect) in windows(&values, period) {
            let found = [greatest.push(values[at]), smallest.push(values[at])];
            if expect.len() < period {
                prop_assert_eq!(found, [None, None]);
                continue;
            }
            let naive = |sign: f64| {
                let aged = expect.iter().rev().map(|value| value * sign).enumerate();
                let best = aged.reduce(|best, other| if other.1 > best.1 { other } else { best });
                best.map(|(age, value)| (value * sign, age))
            };
            prop_assert_eq!(found, [naive(1.0), naive(-1.0)]);
        }
    }

    #[test]
    fn moments_are_those_of_the_window((values, units) in on_grid(), period in 2usize..20) {
        let mut moments = Moments::new(period);
        let count = period as i128;
        for (at, expect) in windows(&values, period) {
            let Some((mean, variance)) = moments.push(values[at]) else { continue };
            let units = &units[at + 1 - expect.len()..=at];
            let (sum, squares): (i128, i128) = (units.iter().sum(), units.iter().map(|unit| unit * unit).sum());
            let exact_mean = sum as f64 / (UNITS * period as f64);
            let exact = (count * squares - sum * sum) as f64 / (UNITS * period as f64).powi(2);
            // Two roundings of the mean, and what the distances lose. Over 18 million such windows that was up to
            // 2.8e-15 of the deviation, and the variance was off by up to 4.5e-11 of itself: it may fall to a
            // hundred-thousandth before the sums are made afresh.
            let most = exact_mean.abs() * 2.0 * f64::EPSILON + exact.sqrt() * 1e-14;
            prop_assert!((mean - exact_mean).abs() <= most, "{} {}", mean, exact_mean);
            prop_assert!((variance - exact).abs() <= exact * 1e-10, "{} {}", variance, exact);
        }
    }
}

#[test]
fn nothing_is_left_of_values_that_went() {
    let (mut sum, mut moments) = (WindowSum::new(5), Moments::new(5));
    for at in 0..1_000 {
        let value = 0.1 * f64::from(at % 7);
        sum.push(value);
        moments.push(value * 1e6);
    }
    (0..5).for_each(|_| assert!(sum.push(0.0).is_some()));
    assert_eq!(sum.push(0.0), Some(0.0));
    (0..5).for_each(|_| assert!(moments.push(0.1).is_some()));
    assert_eq!(moments.push(0.1), Some((0.1, 0.0)));
}

#[test]
fn what_is_no_window_is_refused() {
    let parts = |values: &[f64], next: usize, len: usize| {
        let bytes = postcard::to_allocvec(&(values, next, len)).unwrap();
        postcard::from_bytes::<Window>(&bytes).is_ok()
    };
    assert!(parts(&[1.0, 2.0], 1, 2));
    assert!(!parts(&[1.0, 2.0], 2, 2));
    assert!(!parts(&[1.0, 2.0], 0, 3));
    assert!(!parts(&[], 0, 0));
}
