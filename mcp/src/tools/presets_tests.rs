//! What OpenAlgo and Trading MCP Server have tools of their own for, as one question of ours each.

use crate::caller::Caller;
use crate::tools::ToolName;
use crate::tools::stage::stage;
use serde_json::{Value, json};

/// What is asked: of one instrument, or of all.
enum Question {
    Compute(&'static [&'static str]),
    Preset(&'static str),
    Screen(&'static str),
}

/// Theirs, and the question of ours that is the same; what a caller names there (instrument, interval, periods) stands in
/// the expressions here.
const OPENALGO: [(&str, Question); 18] = [
    ("calculate_indicator rsi", Question::Compute(&["rsi(14)"])),
    ("get_trend_snapshot", Question::Preset("trend")),
    ("get_momentum_snapshot", Question::Preset("momentum")),
    ("get_volatility_snapshot", Question::Preset("volatility")),
    ("get_support_resistance", Question::Preset("levels")),
    (
        "detect_signals ema_cross",
        Question::Compute(&["crosses_above(ema(20), ema(50))", "crosses_below(ema(20), ema(50))"]),
    ),
    (
        "detect_signals sma_cross",
        Question::Compute(&["crosses_above(sma(20), sma(50))", "crosses_below(sma(20), sma(50))"]),
    ),
    (
        "detect_signals macd_cross",
        Question::Compute(&["crosses_above(macd().macd, macd().signal)", "crosses_below(macd().macd, macd().signal)"]),
    ),
    ("detect_signals supertrend_flip", Question::Compute(&["supertrend().direction <> lag(supertrend().direction)"])),
    ("detect_signals rsi_threshold", Question::Compute(&["crosses_above(rsi(14), 70)", "crosses_below(rsi(14), 30)"])),
    (
        "multi_timeframe_analysis rsi",
        Question::Compute(&["rsi(14, '5m')", "rsi(14, '15m')", "rsi(14, '1h')", "rsi(14, '1d')"]),
    ),
    (
        "correlation_beta",
        Question::Compute(&[
            "correl(close, \"BINANCE:BTCUSDT\".close, 20)",
            "beta(close, \"BINANCE:BTCUSDT\".close, 20)",
            "linearreg_slope(20)",
        ]),
    ),
    ("screen_instruments rsi_below", Question::Screen("rsi(14) < 30")),
    ("screen_instruments rsi_above", Question::Screen("rsi(14) > 70")),
    ("screen_instruments price_above_sma", Question::Screen("close > sma(14)")),
    ("screen_instruments price_below_sma", Question::Screen("close < sma(14)")),
    ("screen_instruments supertrend_bullish", Question::Screen("supertrend().direction = 1")),
    ("screen_instruments supertrend_bearish", Question::Screen("supertrend().direction = -1")),
];

const TRADING_MCP_SERVER: [(&str, Question); 10] = [
    ("calculate_sma", Question::Compute(&["sma(20)"])),
    ("calculate_ema", Question::Compute(&["ema(20)"])),
    ("calculate_rsi", Question::Compute(&["rsi(14)"])),
    ("calculate_macd", Question::Compute(&["macd().macd", "macd().signal", "macd().histogram"])),
    (
        "calculate_bollinger_bands",
        Question::Compute(&["bbands(20, 2, 2).upper", "bbands(20, 2, 2).middle", "bbands(20, 2, 2).lower"]),
    ),
    ("calculate_atr", Question::Compute(&["atr(14)"])),
    (
        "calculate_volume_analysis",
        Question::Compute(&["ema(volume, 20)", "volume / ema(volume, 20)", "volume > 2 * ema(volume, 20)"]),
    ),
    ("detect_support_resistance", Question::Compute(&["swing_high(high, 10, 10)", "swing_low(low, 10, 10)"])),
    ("detect_trend", Question::Compute(&["ema(20) > ema(50) and ema(50) > ema(200)", "linearreg_slope(50)"])),
    (
        "get_indicator_snapshot",
        Question::Compute(&[
            "ema(20)",
            "ema(50)",
            "rsi(14)",
            "macd().histogram",
            "atr(14)",
            "volume / ema(volume, 20)",
        ]),
    ),
];

#[tokio::test]
async fn what_others_have_tools_for_is_one_question() {
    let facade = stage(0, 5);
    for (name, question) in OPENALGO.iter().chain(&TRADING_MCP_SERVER) {
        let instruments = ["BINANCE:ETHUSDT"];
        let (tool, arguments, table) = match question {
            Question::Compute(expressions) => {
                let arguments = json!({ "instruments": instruments, "interval": "1d", "expressions": expressions });
                (ToolName::ComputeIndicators, arguments, "values")
            }
            Question::Preset(preset) => {
                let arguments = json!({ "instruments": instruments, "interval": "1d", "expressions": [preset] });
                (ToolName::ComputeIndicators, arguments, "values")
            }
            Question::Screen(condition) => {
                (ToolName::ScreenInstruments, json!({ "condition": condition, "interval": "1d" }), "matches")
            }
        };
        let answer = facade.call(tool, arguments.as_object().unwrap().clone(), &Caller::program()).await;
        let structured = answer.structured_content.unwrap();
        assert_ne!(answer.is_error, Some(true), "{name}: {structured}");
        let rows = structured[table]["rows"].as_array().unwrap();
        // The stage has 200 days of one instrument; its other, which the correlation names, has none.
        let is_known = |row: &Value| row.as_array().unwrap()[2..].iter().any(|cell| !cell.is_null());
        let is_screen = matches!(question, Question::Screen(_));
        let is_answered =
            is_screen && structured["scanned"].as_u64() > Some(1) || rows.len() == 1 && is_known(&rows[0]);
        assert!(is_answered, "{name}: {structured}");
    }
    println!("{} of their tools are one question each", OPENALGO.len() + TRADING_MCP_SERVER.len());
}
