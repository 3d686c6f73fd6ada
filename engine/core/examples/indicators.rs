//! Functions of the catalogue for other programs: `{"function": "sma", "params": [3], "inputs": [[1, 2, null, …]]}` a
//! line in, `{"warmup": 2, "outputs": [[null, …]]}` a line out, or `{"error": …}`; `null` is no number. With
//! `--list` it lists the catalogue instead.

use serde_json::{Value, json};
use std::io::{BufRead, Write};
use tidegate_core::indicator::{self, Indicator};

fn numbers(value: &Value) -> Vec<f64> {
    let number = |value: &Value| value.as_f64().unwrap_or(f64::NAN);
    value.as_array().map(|values| values.iter().map(number).collect()).unwrap_or_default()
}

fn answer(line: &str) -> Result<Value, String> {
    let question: Value = serde_json::from_str(line).map_err(|error| error.to_string())?;
    let name = question["function"].as_str().unwrap_or_default();
    let function = indicator::find(name).ok_or_else(|| format!("no function {name}"))?;
    let mut indicator = Indicator::new(function, &numbers(&question["params"])).map_err(|error| error.to_string())?;
    let inputs: Vec<Vec<f64>> = question["inputs"].as_array().into_iter().flatten().map(numbers).collect();
    if inputs.len() != function.inputs.len() {
        return Err(format!("{name} takes {:?}", function.inputs));
    }
    let mut outputs = vec![Vec::new(); function.outputs.len()];
    let mut out = vec![0.0; function.outputs.len()];
    for at in 0..inputs[0].len() {
        let input: Vec<f64> = inputs.iter().map(|series| series[at]).collect();
        let is_there = indicator.update(&input, &mut out);
        for (series, value) in outputs.iter_mut().zip(&out) {
            series.push(is_there.then_some(*value));
        }
    }
    Ok(json!({"warmup": indicator.warmup(), "skipped": indicator.skipped(), "outputs": outputs}))
}

fn main() -> std::io::Result<()> {
    let mut out = std::io::stdout().lock();
    if std::env::args().nth(1).as_deref() == Some("--list") {
        for function in indicator::catalogue() {
            let params: Vec<Value> = function
                .params
                .iter()
                .map(|param| json!({"name": param.name, "default": param.default, "range": [param.range.0, param.range.1]}))
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
