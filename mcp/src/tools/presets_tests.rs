//! What OpenAlgo and Trading MCP Server have tools of their own for, as one question of ours each.

use super::*;
use crate::tools::ToolName;
use crate::tools::stage::stage;
use serde_json::{Value, json};

/// Theirs, and the arguments of `compute_indicators` that answer the same; what a caller names there (instrument,
/// interval, periods) stands in the arguments here. Their screens are those of `screen_instruments`.
fn theirs() -> Vec<(&'static str, ToolName, Value)> {
    let compute = |expressions: &[&str]| json!({ "expressions": expressions });
    let preset = |name: &str| json!({ "preset": name });
    let screen = |condition: &str| json!({ "condition": condition });
    use ToolName::{ComputeIndicators, ScreenInstruments};
    vec![
        // OpenAlgo.
        ("calculate_indicator rsi", ComputeIndicators, compute(&["rsi(14)"])),
        ("get_trend_snapshot", ComputeIndicators, preset("trend")),
        ("get_momentum_snapshot", ComputeIndicators, preset("momentum")),
        ("get_volatility_snapshot", ComputeIndicators, preset("volatility")),
        ("get_support_resistance", ComputeIndicators, preset("levels")),
        (
            "detect_signals ema_cross",
            ComputeIndicators,
            compute(&["crosses_above(ema(20), ema(50))", "crosses_below(ema(20), ema(50))"]),
        ),
        (
            "detect_signals sma_cross",
            ComputeIndicators,
            compute(&["crosses_above(sma(20), sma(50))", "crosses_below(sma(20), sma(50))"]),
        ),
        (
            "detect_signals macd_cross",
            ComputeIndicators,
            compute(&["crosses_above(macd().macd, macd().signal)", "crosses_below(macd().macd, macd().signal)"]),
        ),
        (
            "detect_signals supertrend_flip",
            ComputeIndicators,
            compute(&["supertrend().direction <> lag(supertrend().direction)"]),
        ),
        (
            "detect_signals rsi_threshold",
            ComputeIndicators,
            compute(&["crosses_above(rsi(14), 70)", "crosses_below(rsi(14), 30)"]),
        ),
        (
            "multi_timeframe_analysis rsi",
            ComputeIndicators,
            compute(&["rsi(14, '5m')", "rsi(14, '15m')", "rsi(14, '1h')", "rsi(14, '1d')"]),
        ),
        (
            "correlation_beta",
            ComputeIndicators,
            compute(&[
                "correl(close, \"BINANCE:ETHUSDT\".close, 20)",
                "beta(close, \"BINANCE:ETHUSDT\".close, 20)",
                "linearreg_slope(20)",
            ]),
        ),
        ("screen_instruments rsi_below", ScreenInstruments, screen("rsi(14) < 30")),
        ("screen_instruments rsi_above", ScreenInstruments, screen("rsi(14) > 70")),
        ("screen_instruments price_above_sma", ScreenInstruments, screen("close > sma(14)")),
        ("screen_instruments price_below_sma", ScreenInstruments, screen("close < sma(14)")),
        ("screen_instruments supertrend_bullish", ScreenInstruments, screen("supertrend().direction = 1")),
        ("screen_instruments supertrend_bearish", ScreenInstruments, screen("supertrend().direction = -1")),
        // Trading MCP Server.
        ("calculate_sma", ComputeIndicators, compute(&["sma(20)"])),
        ("calculate_ema", ComputeIndicators, compute(&["ema(20)"])),
        ("calculate_rsi", ComputeIndicators, compute(&["rsi(14)"])),
        ("calculate_macd", ComputeIndicators, compute(&["macd().macd", "macd().signal", "macd().histogram"])),
        (
            "calculate_bollinger_bands",
            ComputeIndicators,
            compute(&["bbands(20, 2, 2).upper", "bbands(20, 2, 2).middle", "bbands(20, 2, 2).lower"]),
        ),
        ("calculate_atr", ComputeIndicators, compute(&["atr(14)"])),
        (
            "calculate_volume_analysis",
            ComputeIndicators,
            compute(&["ema(volume, 20)", "volume / ema(volume, 20)", "volume > 2 * ema(volume, 20)"]),
        ),
        (
            "detect_support_resistance",
            ComputeIndicators,
            compute(&["swing_high(high, 10, 10)", "swing_low(low, 10, 10)"]),
        ),
        (
            "detect_trend",
            ComputeIndicators,
            compute(&["ema(20) > ema(50) and ema(50) > ema(200)", "linearreg_slope(50)"]),
        ),
        (
            "get_indicator_snapshot",
            ComputeIndicators,
            compute(&["ema(20)", "ema(50)", "rsi(14)", "macd().histogram", "atr(14)", "volume / ema(volume, 20)"]),
        ),
    ]
}

#[tokio::test]
async fn what_others_have_tools_for_is_one_question() {
    let facade = stage(0, 5);
    let theirs = theirs();
    for (name, tool, arguments) in &theirs {
        let mut arguments = arguments.as_object().unwrap().clone();
        arguments.insert("interval".to_owned(), json!("1d"));
        if *tool == ToolName::ComputeIndicators {
            arguments.insert("instruments".to_owned(), json!(["BINANCE:ETHUSDT"]));
        }
        let answer = facade.call(*tool, arguments).await;
        let structured = answer.structured_content.unwrap();
        assert_ne!(answer.is_error, Some(true), "{name}: {structured}");
        if *tool == ToolName::ComputeIndicators {
            // The stage has 200 days, too few for averages of 200 alone.
            let row = &structured["values"]["rows"][0];
            assert!(row[1].is_string(), "{name}: {structured}");
        }
    }
    println!("{} of their tools are one question each", theirs.len());
}

#[test]
fn names_find_their_expressions() {
    for name in names() {
        assert!(!expressions(name).is_empty());
    }
    assert!(expressions("nothing").is_empty());
}
