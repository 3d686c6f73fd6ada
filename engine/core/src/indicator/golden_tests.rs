//! Every function against outputs that `tests/oracle/indicator_golden.py` wrote down: TA-Lib's where it has the
//! function, else those of a definition of our own in Python.

use super::*;
use std::collections::{BTreeMap, BTreeSet};

const BARS: &str = include_str!("golden/bars.csv");
const CANDLES: &str = include_str!("golden/candles.csv");
/// Bars without range, volume or move, equal ones, and prices at zero.
const EDGES: &str = include_str!("golden/edges.csv");
/// `function|params|output|first|place:value …`: the first place with an output, and some outputs; of a pattern all
/// that are not zero.
const OUTPUTS: &str = include_str!("golden/outputs.txt");
/// The same of the edges.
const EDGE_OUTPUTS: &str = include_str!("golden/edge_outputs.txt");

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
    let (bars, candles, edges) = (columns(BARS), columns(CANDLES), columns(EDGES));
    let (mut rows, mut compared, mut names) = (0, 0, BTreeSet::new());
    let mut differ: BTreeMap<&str, String> = BTreeMap::new();
    let lines = OUTPUTS.lines().map(|line| (line, &bars)).chain(EDGE_OUTPUTS.lines().map(|line| (line, &edges)));
    for (line, columns) in lines {
        let [name, params, output, first, places] = line.split('|').collect::<Vec<_>>().try_into().unwrap();
        let function = find(name).unwrap();
        let is_pattern = name.starts_with("cdl");
        let all = run(function, &numbers(params), if is_pattern { &candles } else { columns });
        let ours = &all[output];
        let mut is_other = |what: String| {
            differ.entry(name).or_insert(format!("{name}({params}).{output} {what}"));
        };
        let is_there = |value: &f64| !value.is_nan();
        if ours.iter().position(is_there) != first.parse().ok() {
            is_other(format!("does not begin at {first}"));
        }
        let places: BTreeMap<usize, f64> = places
            .split_ascii_whitespace()
            .map(|place| place.split_once(':').unwrap())
            .map(|(at, value)| (at.parse().unwrap(), value.parse().unwrap()))
            .collect();
        let usual = places.values().fold(0.0f64, |usual, value| usual.max(value.abs()));
        for (&at, &expect) in &places {
            if !is_near(ours[at], expect, usual) {
                is_other(format!("at {at}: {}, not {expect}", ours[at]));
            }
        }
        let mut seen = ours.iter().enumerate().filter(|(_, value)| is_there(value) && **value != 0.0);
        if let Some((at, _)) = seen.find(|(at, _)| is_pattern && !places.contains_key(at)) {
            is_other(format!("at {at} is none"));
        }
        names.insert(name);
        (rows, compared) = (rows + 1, compared + places.len());
    }
    println!("{compared} outputs of {rows} settings of {} functions, {} differ", names.len(), differ.len());
    assert!(differ.is_empty(), "{:#?}", differ.values().collect::<Vec<_>>());
    assert_eq!(names.len(), catalogue().count(), "every function has some");
}
