//! How much of a model's context tools and answers take, counted with its tokenizer.

use super::get_bars::BARS_MAX;
use super::get_depth::LEVELS_MAX;
use super::get_quotes::{INSTRUMENTS_MAX, TRADE_ROWS_MAX, TRADES_MAX};
use super::stage::stage;
use super::*;
use crate::caller::Caller;
use serde_json::json;

/// Of one tool, and of all on average: nineteen are to fit 8,000.
const SCHEMA_TOKENS_MAX: usize = 500;
const SCHEMA_TOKENS_MEAN: usize = 8_000 / 19;
/// Of an answer without optional arguments.
pub const DEFAULT_TOKENS_MAX: usize = 1_500;

pub fn tokens(text: &str) -> usize {
    tiktoken_rs::o200k_base_singleton().encode_ordinary(text).len()
}

#[test]
fn every_tool_is_within_its_part_of_the_budget() {
    let mut sum = 0;
    for tool in ToolName::ALL {
        let definition = serde_json::to_value(tool.definition()).unwrap();
        let whole = tokens(&definition.to_string());
        let part = |name: &str| tokens(&definition[name].to_string());
        println!("{}: {whole} tokens (input {}, output {})", tool.name(), part("inputSchema"), part("outputSchema"));
        assert!(whole <= SCHEMA_TOKENS_MAX, "{}: {whole} tokens", tool.name());
        sum += whole;
    }
    println!("{} tools: {sum} tokens", ToolName::ALL.len());
    assert!(sum <= SCHEMA_TOKENS_MEAN * ToolName::ALL.len(), "{sum} tokens");
}

/// Both channels together, as some clients forward both.
async fn check(facade: &Facade, tool: ToolName, arguments: Value, most: usize) {
    let result = facade.call(tool, arguments.as_object().unwrap().clone(), &Caller::program()).await;
    assert_ne!(result.is_error, Some(true), "{result:?}");
    let text = serde_json::to_value(&result.content[0]).unwrap()["text"].as_str().unwrap().to_owned();
    let counts = [tokens(&result.structured_content.unwrap().to_string()), tokens(&text)];
    println!("{}: structured {}, text {} of {most} tokens", tool.name(), counts[0], counts[1]);
    assert!(counts.iter().sum::<usize>() <= most, "{}: {counts:?}", tool.name());
}

#[tokio::test]
async fn default_answers_and_the_largest_ones_are_within_their_caps() {
    let facade = stage(60, 100);
    let btc = "BINANCE:BTCUSDT";
    println!("defaults");
    for (tool, arguments) in [
        (ToolName::AnalyzeLiquidity, json!({ "instrument": btc })),
        (
            ToolName::ComputeIndicators,
            json!({ "instruments": [btc, "BINANCE:ETHUSDT"], "interval": "1d", "expressions": ["rsi(14)", "close > sma(20)"] }),
        ),
        (
            ToolName::ComputeIndicators,
            json!({ "instruments": ["BINANCE:ETHUSDT"], "interval": "1d", "expressions": ["trend"] }),
        ),
        (ToolName::FindInstruments, json!({ "query": "" })),
        (ToolName::GetBars, json!({ "instrument": "BINANCE:ETHUSDT", "interval": "1d" })),
        (ToolName::GetDepth, json!({ "instrument": btc })),
        (ToolName::GetQuotes, json!({ "instruments": [btc, "BINANCE:ETHUSDT", "BINANCE-COINM:BTCUSD_PERP"] })),
        (ToolName::GetStatus, json!({})),
        (ToolName::ScreenInstruments, json!({ "condition": "close > sma(20)", "interval": "1d" })),
        (
            ToolName::WaitFor,
            json!({ "instrument": "BINANCE:ETHUSDT", "condition": "close < sma(20) and rsi(14) < 99", "interval": "1d" }),
        ),
    ] {
        check(&facade, tool, arguments, DEFAULT_TOKENS_MAX).await;
    }
    println!("largest");
    let instruments: Vec<String> = facade.directory.keys().into_iter().take(INSTRUMENTS_MAX).collect();
    for (tool, arguments, most) in [
        (ToolName::AnalyzeLiquidity, json!({ "instrument": btc, "notional": "25000.123" }), 1_500),
        (ToolName::FindInstruments, json!({ "query": "", "limit": 50 }), 5_000),
        (ToolName::GetBars, json!({ "instrument": "BINANCE:ETHUSDT", "interval": "1d", "limit": BARS_MAX }), 18_000),
        (ToolName::GetDepth, json!({ "instrument": btc, "levels": LEVELS_MAX }), 3_000),
        (ToolName::GetDepth, json!({ "instrument": btc, "levels": LEVELS_MAX, "bucket": "5" }), 3_000),
        (ToolName::GetQuotes, json!({ "instruments": instruments, "trades": 1 }), 13_000),
        (ToolName::GetQuotes, json!({ "instruments": instruments[..3], "trades": TRADES_MAX }), 5_000),
    ] {
        check(&facade, tool, arguments, most).await;
    }
    assert!(crate::config::Config::built_in().unwrap().bounds().trades_max >= TRADES_MAX);
    const { assert!(TRADE_ROWS_MAX >= INSTRUMENTS_MAX && TRADE_ROWS_MAX >= 3 * TRADES_MAX) };
}
