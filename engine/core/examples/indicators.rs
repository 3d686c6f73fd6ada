//! Functions of the catalogue for other programs: `{"function": "sma", "params": [3], "inputs": [[1, 2, null, …]]}` a
//! line in, `{"warmup": 2, "outputs": [[null, …]]}` a line out, or `{"error": …}`; `null` is no number. With
//! `"bits": true` a series is a string instead, both ways: sixteen hexadecimal digits for the bits of each number, in
//! which no digit is lost. With `--list` it lists the catalogue instead.

use serde_json::{Value, json};
use std::fmt::Write as _;
use std::io::{BufRead, Write};
use tidegate_core::indicator::{self, Indicator};

fn numbers(value: &Value) -> Vec<f64> {
    let number = |value: &Value| value.as_f64().unwrap_or(f64::NAN);
    value.as_array().map(|values| values.iter().map(number).collect()).unwrap_or_default()
}

/// A series as a question has it: numbers, or the bits of numbers.
fn series(value: &Value) -> Result<Vec<f64>, String> {
    let Some(text) = value.as_str() else { return Ok(numbers(value)) };
    let number = |digits: &[u8]| {
        let digits = std::str::from_utf8(digits).ok()?;
        (digits.len() == 16).then_some(f64::from_bits(u64::from_str_radix(digits, 16).ok()?))
    };
    let all: Option<Vec<f64>> = text.as_bytes().chunks(16).map(number).collect();
    all.ok_or_else(|| String::from("bits are sixteen hexadecimal digits for each number"))
}

fn written(series: &[f64], as_bits: bool) -> Value {
    if !as_bits {
        // Not a number becomes null.
        return json!(series);
    }
    let mut text = String::with_capacity(16 * series.len());
    for value in series {
        // Nothing fails to be written to a string.
        let _ = write!(text, "{:016x}", value.to_bits());
    }
    Value::String(text)
}

fn answer(line: &str) -> Result<Value, String> {
    let question: Value = serde_json::from_str(line).map_err(|error| error.to_string())?;
    let name = question["function"].as_str().unwrap_or_default();
    let function = indicator::find(name).ok_or_else(|| format!("no function {name}"))?;
    let mut indicator = Indicator::new(function, &numbers(&question["params"])).map_err(|error| error.to_string())?;
    let inputs: Vec<Vec<f64>> =
        question["inputs"].as_array().into_iter().flatten().map(series).collect::<Result<_, _>>()?;
    if inputs.len() != function.inputs.len() || inputs.iter().any(|series| series.len() != inputs[0].len()) {
        return Err(format!("{name} takes {:?}, of one length", function.inputs));
    }
    let mut outputs = vec![Vec::new(); function.outputs.len()];
    let mut out = vec![0.0; function.outputs.len()];
    let mut input = vec![0.0; inputs.len()];
    for at in 0..inputs.first().map_or(0, Vec::len) {
        for (slot, series) in input.iter_mut().zip(&inputs) {
            *slot = series[at];
        }
        let is_there = indicator.update(&input, &mut out);
        for (series, value) in outputs.iter_mut().zip(&out) {
            series.push(if is_there { *value } else { f64::NAN });
        }
    }
    let as_bits = question["bits"].as_bool().unwrap_or_default();
    let outputs: Vec<Value> = outputs.iter().map(|series| written(series, as_bits)).collect();
    Ok(json!({"warmup": indicator.warmup(), "skipped": indicator.skipped(), "outputs": outputs}))
}

fn main() -> std::io::Result<()> {
    let mut out = std::io::stdout().lock();
    if std::env::args().nth(1).as_deref() == Some("--list") {
        for function in indicator::catalogue() {
            let params: Vec<Value> = function
                .params
                .iter()
                .map(|param| {
                    json!({
                        "name": param.name, "default": param.default, "range": [param.range.0, param.range.1],
                        "is_whole": param.is_whole,
                    })
                })
                .collect();
            let line = json!({
                "function": function.name, "doc": function.doc, "inputs": function.inputs, "params": params,
                "outputs": function.outputs, "source": function.source,
            });
            writeln!(out, "{line}")?;
        }
        return Ok(());
    }
    for line in std::io::stdin().lock().lines() {
        let line = answer(&line?).unwrap_or_else(|error| json!({"error": error}));
        writeln!(out, "{line}")?;
    }
    Ok(())
}
