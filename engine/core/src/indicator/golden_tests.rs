//! Every function against outputs that `tests/oracle/indicator_golden.py` wrote down: TA-Lib's where it has the
//! function, else those of a definition of our own in Python.

use super::*;
use std::collections::BTreeMap;

const BARS: &str = include_str!("golden/bars.csv");
const CANDLES: &str = include_str!("golden/candles.csv");
/// `function|params|output|first|place:value …`: the first place with an output, and some outputs; of a pattern all
/// that are not zero.
const OUTPUTS: &str = include_str!("golden/outputs.txt");

type Columns = BTreeMap<&'static str, Vec<f64>>;

fn columns(text: &'static str) -> Columns {
    let mut lines = text.lines();
    let names: Vec<_> = lines.next().unwrap().split(',').collect();
    let rows: Vec<Vec<f64>> = lines.map(|line| line.split(',').map(|cell| cell.parse().unwrap()).collect()).collect();
    names.iter().enumerate().map(|(at, &name)| (name, rows.iter().map(|row| row[at]).collect())).collect()
}

/// What a function is given: what has the name of a column is that column, and the others are further series.
fn inputs<'a>(function: &Function, columns: &'a Columns) -> Vec<&'a [f64]> {
    let mut others = ["close", "low", "volume", "open"].iter();
    let mut column = |name: &str| columns.get(name).unwrap_or_else(|| &columns[others.next().unwrap()]);
    function.inputs.iter().map(|name| column(name).as_slice()).collect()
}

fn numbers(text: &str) -> Vec<f64> {
    text.split_ascii_whitespace().map(|number| number.parse().unwrap()).collect()
}

/// Our outputs by name, none of them being `NaN`.
fn run(function: &'static Function, params: &[f64], columns: &Columns) -> BTreeMap<&'static str, Vec<f64>> {
    let inputs = inputs(function, columns);
    let mut outputs = vec![vec![0.0; inputs[0].len()]; function.outputs.len()];
    let mut indicator = Indicator::new(function, params).unwrap();
    indicator.run(&inputs, &mut outputs.iter_mut().map(Vec::as_mut_slice).collect::<Vec<_>>());
    function.outputs.iter().copied().zip(outputs).collect()
}

/// As far as thirteen digits tell, or as far as the row's usual size does where the output is small beside it.
fn is_near(ours: f64, expect: f64, usual: f64) -> bool {
    (ours - expect).abs() <= 1e-9 * expect.abs().max(usual * 1e-3)
}

#[test]
fn every_output_is_that_of_an_independent_implementation() {
    let (bars, candles) = (columns(BARS), columns(CANDLES));
    let (mut rows, mut compared, mut names) = (0, 0, std::collections::BTreeSet::new());
    for line in OUTPUTS.lines() {
        let [name, params, output, first, places] = line.split('|').collect::<Vec<_>>().try_into().unwrap();
        let function = find(name).unwrap();
        let is_pattern = name.starts_with("cdl");
        let all = run(function, &numbers(params), if is_pattern { &candles } else { &bars });
        let ours = &all[output];
        let is_there = |value: &f64| !value.is_nan();
        assert_eq!(ours.iter().position(is_there), first.parse().ok(), "{line}: another first output");
        let places: BTreeMap<usize, f64> = places
            .split_ascii_whitespace()
            .map(|place| place.split_once(':').unwrap())
            .map(|(at, value)| (at.parse().unwrap(), value.parse().unwrap()))
            .collect();
        let usual = places.values().fold(0.0f64, |usual, value| usual.max(value.abs()));
        for (&at, &expect) in &places {
            assert!(is_near(ours[at], expect, usual), "{name}({params}).{output} at {at}: {}, not {expect}", ours[at]);
        }
        if is_pattern {
            let found = ours.iter().enumerate().filter(|(_, value)| is_there(value) && **value != 0.0);
            assert!(found.map(|(at, _)| at).eq(places.keys().copied()), "{name}: seen where there is none");
        }
        names.insert(name);
        (rows, compared) = (rows + 1, compared + places.len());
    }
    println!("{compared} outputs of {rows} settings of {} functions, 0 differ", names.len());
    assert_eq!(names.len(), catalogue().count(), "every function has some");
}
