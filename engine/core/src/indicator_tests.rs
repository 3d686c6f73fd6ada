//! Properties that every function of the catalogue has, whatever it computes. What it computes is compared with
//! independent implementations by `tests/oracle/indicators.py`.

use super::*;
use rand::{RngExt, SeedableRng};
use rand_pcg::Pcg64Mcg;

/// Bars of a walk: open, high, low, close, volume.
fn bars(seed: u64, count: usize) -> Vec<[f64; 5]> {
    let mut random = Pcg64Mcg::seed_from_u64(seed);
    let mut price = 1_000.0f64;
    let mut bar = || {
        let open = price;
        let mut draw = || random.random_range(-1.0..1.0f64);
        let close = open * (1.0 + 0.01 * draw());
        let (up, down) = (draw().abs(), draw().abs());
        let volume = (draw().abs() * 10_000.0).round();
        price = close;
        [open, open.max(close) + up, open.min(close) - down, close, volume]
    };
    (0..count).map(|_| bar()).collect()
}

/// What a function is given at one bar.
fn inputs(function: &Function, bar: &[f64; 5]) -> Vec<f64> {
    let column = |(at, name): (usize, &&str)| match *name {
        "open" => bar[0],
        "high" => bar[1],
        "low" => bar[2],
        "close" | "value" => bar[3],
        "volume" => bar[4],
        // A further series: something else that moves.
        _ => bar[at % 4],
    };
    function.inputs.iter().enumerate().map(column).collect()
}

/// The smallest, the default and a middling setting of each parameter.
fn settings(function: &Function) -> Vec<Vec<f64>> {
    let of = |choose: fn(&Param) -> f64| function.params.iter().map(choose).collect::<Vec<f64>>();
    let middle = |param: &Param| {
        let middle = (param.default * 1.6).clamp(param.range.0, param.range.1);
        if param.is_whole { middle.round() } else { middle }
    };
    vec![of(|param| param.range.0), of(|param| param.default), of(middle)]
}

fn run(indicator: &mut Indicator, bars: &[[f64; 5]]) -> Vec<Option<Vec<u64>>> {
    let mut out = vec![0.0; indicator.function().outputs.len()];
    let step = |bar: &[f64; 5]| {
        let is_there = indicator.update(&inputs(indicator.function(), bar), &mut out);
        is_there.then(|| out.iter().map(|value| value.to_bits()).collect())
    };
    bars.iter().map(step).collect()
}

fn each(mut check: impl FnMut(Indicator, &str)) {
    let mut count = 0;
    for function in catalogue() {
        for params in settings(function) {
            let indicator = match Indicator::new(function, &params) {
                Ok(indicator) => indicator,
                Err(IndicatorError::Together(_)) => continue,
                Err(error) => panic!("{error}"),
            };
            check(indicator, &format!("{}{params:?}", function.name));
            count += 1;
        }
    }
    println!("{count} indicators of {} functions", catalogue().count());
}

#[test]
fn the_first_output_comes_after_the_warmup_and_then_every_time() {
    each(|mut indicator, name| {
        let warmup = indicator.warmup();
        let outputs = run(&mut indicator, &bars(1, warmup + 300));
        for (at, output) in outputs.iter().enumerate() {
            assert_eq!(
                output.is_some(),
                at >= warmup,
                "{name} at input {at}: an output, or none, against a warm-up of {warmup}"
            );
        }
    });
}

#[test]
fn what_was_written_down_goes_on_bit_for_bit() {
    each(|mut indicator, name| {
        let fresh = indicator.clone();
        let bars = bars(2, 400);
        for at in [0, 1, 7, 60, 399] {
            indicator.reset();
            run(&mut indicator, &bars[..at]);
            let mut restored = fresh.clone();
            restored.restore(&indicator.state()).unwrap_or_else(|error| panic!("{name}: {error}"));
            assert_eq!(restored.state(), indicator.state(), "{name}");
            let (follows, expect) = (run(&mut restored, &bars[at..]), run(&mut indicator, &bars[at..]));
            assert_eq!(follows, expect, "{name} restored at {at} goes on otherwise");
        }
    });
}

#[test]
fn a_bad_input_changes_nothing_but_the_count() {
    each(|mut indicator, name| {
        let mut plain = indicator.clone();
        let bars = bars(3, 300);
        let expect = run(&mut plain, &bars);
        let mut holed = Vec::new();
        for bar in &bars {
            for bad in [f64::NAN, f64::INFINITY, f64::NEG_INFINITY, 2.0 * INPUT_MAX] {
                holed.push([bad; 5]);
            }
            holed.push(*bar);
        }
        let outputs = run(&mut indicator, &holed);
        let good: Vec<_> = outputs.iter().skip(4).step_by(5).cloned().collect();
        assert_eq!(good, expect, "{name}");
        assert!(outputs.iter().enumerate().all(|(at, output)| at % 5 == 4 || output.is_none()), "{name}");
        assert_eq!(indicator.skipped(), 4 * 300, "{name}");
    });
}

#[test]
fn an_array_is_one_row_after_the_other() {
    each(|mut indicator, name| {
        let function = indicator.function();
        let (mut rows, mut whole) = (bars(3, 300), indicator.clone());
        rows.iter_mut().step_by(40).for_each(|row| row[3] = f64::NAN);
        let expect = run(&mut indicator, &rows);
        let column = |at: usize| rows.iter().map(|row| inputs(function, row)[at]).collect::<Vec<f64>>();
        let columns: Vec<Vec<f64>> = (0..function.inputs.len()).map(column).collect();
        let mut outputs = vec![vec![0.0; rows.len()]; function.outputs.len()];
        // In two parts: it goes on from what it has seen.
        for part in [0..120, 120..300] {
            let inputs: Vec<&[f64]> = columns.iter().map(|column| &column[part.clone()]).collect();
            whole.run(&inputs, &mut outputs.iter_mut().map(|output| &mut output[part.clone()]).collect::<Vec<_>>());
        }
        for (at, expect) in expect.iter().enumerate() {
            let row: Vec<f64> = outputs.iter().map(|output| output[at]).collect();
            let is_there = !row.iter().any(|value| value.is_nan());
            assert_eq!(is_there.then(|| row.iter().map(|value| value.to_bits()).collect()), *expect, "{name} at {at}");
        }
        assert_eq!((whole.state(), whole.skipped()), (indicator.state(), indicator.skipped()), "{name}");
    });
}

#[test]
fn reset_is_a_new_one() {
    each(|mut indicator, name| {
        let bars = bars(4, 200);
        let expect = run(&mut indicator, &bars);
        indicator.reset();
        assert_eq!(run(&mut indicator, &bars), expect, "{name}");
    });
}

#[test]
fn extremes_and_rest_do_no_lasting_harm() {
    each(|mut indicator, name| {
        let warmup = indicator.warmup();
        let mut bars = bars(5, 50);
        bars.extend([[1e100; 5], [-1e100; 5], [0.0; 5], [1e-300; 5]]);
        bars.extend(std::iter::repeat_n([100.0, 100.0, 100.0, 100.0, 0.0], 2 * warmup + 50));
        run(&mut indicator, &bars);
        let outputs = run(&mut indicator, &self::bars(6, 10));
        assert!(outputs.iter().all(Option::is_some), "{name}");
    });
}

#[test]
fn a_damaged_state_is_an_error_and_never_a_panic() {
    let mut random = Pcg64Mcg::seed_from_u64(7);
    let (mut refused, mut taken) = (0, 0);
    each(|mut indicator, _| {
        run(&mut indicator, &bars(8, 100));
        let state = indicator.state();
        assert_eq!(indicator.restore(&state[..state.len() - 1]), Err(IndicatorError::State));
        for _ in 0..20 {
            let mut bytes = state.clone();
            let at = random.random_range(0..bytes.len());
            bytes[at] = random.random();
            let mut other = indicator.clone();
            if other.restore(&bytes).is_ok() {
                taken += 1;
                run(&mut other, &bars(9, 50));
            } else {
                refused += 1;
            }
        }
    });
    println!("{refused} refused, {taken} taken");
}

#[test]
fn parameters_are_judged_by_name() {
    let error = |name: &str, params: &[f64]| Indicator::new(find(name).unwrap(), params).unwrap_err().to_string();
    assert_eq!(error("sma", &[1.0]), "period of sma is 1: it must be a whole number from 2 to 10000");
    assert_eq!(error("sma", &[2.5]), "period of sma is 2.5: it must be a whole number from 2 to 10000");
    assert_eq!(error("sma", &[f64::NAN]), "period of sma is NaN: it must be a whole number from 2 to 10000");
    assert_eq!(error("sma", &[2.0, 3.0]), "sma takes at most 1 parameters, not 2");
}

#[test]
fn the_catalogue_is_sound() {
    let mut names: Vec<_> = catalogue().map(|function| function.name).collect();
    let count = names.len();
    names.sort_unstable();
    names.dedup();
    assert_eq!(names.len(), count, "a name twice");
    for function in catalogue() {
        let Function { name, inputs, outputs, params, .. } = function;
        assert!((1..=INPUTS_MAX).contains(&inputs.len()) && (1..=OUTPUTS_MAX).contains(&outputs.len()), "{name}");
        let is_name =
            |text: &str| text.bytes().all(|byte| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'_');
        let mut all = inputs.iter().chain(outputs.iter()).copied().chain(params.iter().map(|param| param.name));
        assert!(is_name(name) && all.all(is_name), "{name}");
        assert!(params.iter().all(|param| (param.range.0..=param.range.1).contains(&param.default)), "{name}");
    }
}
