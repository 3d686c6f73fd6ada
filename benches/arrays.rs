//! Indicators over whole arrays, for `benches/arrays.py`: `arrays <file>`, in which high, low and
//! close of all bars stand one after the other as little-endian doubles. A line in is a function and its parameters,
//! `macd 12 26 9`; a line out is how long it took in ns, and the last value of each output.

use benches::steps;
use std::io::{BufRead, Write};
use std::time::Instant;
use tidegate_core::indicator::Indicator;

/// What comes out at each bar; not a number where nothing does.
fn outputs(indicator: &mut Indicator, inputs: &[&[f64]]) -> Vec<Vec<f64>> {
    let mut all = vec![vec![0.0; inputs[0].len()]; indicator.function().outputs.len()];
    indicator.run(inputs, &mut all.iter_mut().map(Vec::as_mut_slice).collect::<Vec<_>>());
    all
}

fn main() {
    let file = std::env::args().nth(1).expect("a file of numbers");
    let bytes = std::fs::read(file).expect("it can be read");
    let numbers: Vec<f64> = bytes.as_chunks().0.iter().map(|&bytes| f64::from_le_bytes(bytes)).collect();
    let bars: Vec<&[f64]> = numbers.chunks_exact(numbers.len() / 3).collect();
    for line in std::io::stdin().lock().lines() {
        let line = line.expect("a line");
        let mut words = line.split(' ');
        let name = words.next().expect("a function");
        let params: Vec<f64> = words.map(|word| word.parse().expect("a number")).collect();
        let mut indicator = steps::indicator(name, &params);
        // Those of one input are of the close.
        let inputs = &bars[3 - indicator.function().inputs.len()..];
        let began = Instant::now();
        let outputs = outputs(&mut indicator, inputs);
        let ns = began.elapsed().as_nanos();
        let last: Vec<String> = outputs.iter().filter_map(|series| series.last()).map(f64::to_string).collect();
        println!("{ns} {}", last.join(" "));
        std::io::stdout().flush().expect("somebody reads");
    }
}
