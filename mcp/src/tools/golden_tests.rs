//! What tools say, as files: `TIDEGATE_GOLDEN=write cargo test …` rewrites them, and the difference shows in review.

use super::checker::check;
use super::stage::stage;
use super::*;
use crate::caller::Caller;
use serde_json::json;
use std::path::PathBuf;

/// One answer of each tool, or several, and calls that are refused.
fn calls() -> Vec<(ToolName, &'static str, Value)> {
    vec![
        (ToolName::AnalyzeLiquidity, "", json!({ "instrument": "BINANCE:BTCUSDT", "qty": "2" })),
        (
            ToolName::AnalyzeLiquidity,
            "_inverse",
            json!({ "instrument": "BINANCE-COINM:BTCUSD_PERP", "notional": "250", "side": "sell" }),
        ),
        (ToolName::AnalyzeLiquidity, "_syncing", json!({ "instrument": "NSE:INFY" })),
        (
            ToolName::AnalyzeLiquidity,
            "_refused",
            json!({ "instrument": "BINANCE:BTCUSDT", "qty": "1", "notional": "5" }),
        ),
        (
            ToolName::ComputeIndicators,
            "",
            json!({
                "instruments": ["BINANCE:ETHUSDT", "BINANCE:BTCUSDT"], "interval": "1d", "limit": 2,
                "expressions": ["rsi(14)", "macd(12, 26, 9).signal", "close > sma(20)", "correl(\"BINANCE:ETHUSDT\".close, volume, 9)"]
            }),
        ),
        (
            ToolName::ComputeIndicators,
            "_live",
            json!({ "instruments": ["BINANCE:ETHUSDT"], "interval": "1d", "expressions": ["live.close - close"] }),
        ),
        (
            ToolName::ComputeIndicators,
            "_refused",
            json!({ "instruments": ["BINANCE:ETHUSDT"], "interval": "1d", "expressions": ["rsi(14)", "clsoe > 1"] }),
        ),
        (ToolName::FindInstruments, "", json!({ "query": "btc", "limit": 2 })),
        (ToolName::FindInstruments, "_guess", json!({ "query": "BTCUDST" })),
        (ToolName::FindInstruments, "_refused", json!({ "query": "", "market": "BINANC" })),
        (ToolName::GetBars, "", json!({ "instrument": "BINANCE:BTCUSDT", "interval": "1m" })),
        (ToolName::GetBars, "_page", json!({ "instrument": "BINANCE:ETHUSDT", "interval": "1d", "limit": 2 })),
        (ToolName::GetBars, "_refused", json!({ "instrument": "BINANCE:BTCUSDT", "interval": "1 min" })),
        (ToolName::GetDepth, "", json!({ "instrument": "BINANCE:BTCUSDT", "levels": 3 })),
        (ToolName::GetDepth, "_buckets", json!({ "instrument": "BINANCE:BTCUSDT", "levels": 3, "bucket": "20" })),
        (ToolName::GetDepth, "_refused", json!({ "instrument": "BINANCE:BTCUDST" })),
        (ToolName::GetQuotes, "", json!({ "instruments": ["BINANCE:BTCUSDT", "NSE:INFY"], "trades": 2 })),
        (
            ToolName::GetQuotes,
            "_refused",
            json!({ "instruments": ["BINANCE:BTCUSDT", "BINANCE:BTCUSDT@SIM"], "trades": 31 }),
        ),
        (ToolName::GetStatus, "", json!({})),
        (ToolName::GetStatus, "_refused", json!({ "verbose": true })),
        (
            ToolName::ScreenInstruments,
            "",
            json!({ "condition": "rsi(14) > 30 and close > 100", "interval": "1d", "rank_by": "roc(10)" }),
        ),
        (ToolName::ScreenInstruments, "_refused", json!({ "condition": "rsi(14)", "interval": "1d" })),
        (
            ToolName::WaitFor,
            "",
            json!({ "instrument": "BINANCE:ETHUSDT", "condition": "close < sma(5)", "interval": "1d" }),
        ),
        (
            ToolName::WaitFor,
            "_refused",
            json!({ "instrument": "BINANCE:ETHUSDT", "condition": "close < 0", "interval": "1d", "handle": "AAAA" }),
        ),
    ]
}

fn compare(name: &str, value: &Value) {
    let path = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("src/tools/golden").join(format!("{name}.json"));
    let text = format!("{value:#}\n");
    if std::env::var("TIDEGATE_GOLDEN").is_ok_and(|what| what == "write") {
        std::fs::write(&path, &text).unwrap();
    }
    let golden = std::fs::read_to_string(&path).unwrap_or_default();
    assert!(golden == text, "{} is another; TIDEGATE_GOLDEN=write rewrites it:\n{text}", path.display());
}

/// What differs from run to run and build to build is named instead.
fn settle(answer: &mut Value) {
    let mut said = answer["text"].as_str().unwrap().to_owned();
    let structured = answer["structured"].as_object_mut().unwrap();
    for field in ["version", "clock", "uptime_s", "commit"] {
        let Some(value) = structured.get_mut(field) else { continue };
        let named = format!("<{field}>");
        let value = crate::wire::plain(&std::mem::replace(value, json!(named)));
        said = match field {
            "uptime_s" => said.replace(&format!("up {value} s"), "up <uptime_s> s"),
            "commit" => said.replace(&format!(" ({value})"), ""),
            _ => said.replace(&value, &named),
        };
    }
    answer["text"] = json!(said);
}

#[test]
fn the_list_is_the_golden_one() {
    compare("tools", &json!(ToolName::ALL.map(|tool| serde_json::to_value(tool.definition()).unwrap())));
}

#[tokio::test]
async fn answers_and_refusals_are_the_golden_ones_and_fit_their_schemas() {
    let facade = stage(2, 40);
    for (tool, suffix, arguments) in calls() {
        let definition = serde_json::to_value(tool.definition()).unwrap();
        let result = facade.call(tool, arguments.as_object().unwrap().clone(), &Caller::program()).await;
        let structured = result.structured_content.clone().unwrap();
        assert_eq!(result.is_error == Some(true), suffix == "_refused", "{arguments}: {structured}");
        check(&definition["outputSchema"], &structured).unwrap();
        let text = serde_json::to_value(&result.content[0]).unwrap()["text"].clone();
        let mut answer = json!({ "arguments": arguments, "structured": structured, "text": text });
        settle(&mut answer);
        compare(&format!("{}{suffix}", tool.name()), &answer);
    }
    let golden = |suffix: &str| calls().iter().filter(|(_, it, _)| *it == suffix).count();
    assert_eq!([golden(""), golden("_refused")], [ToolName::ALL.len(); 2], "one answer and one refusal of each tool");
}
