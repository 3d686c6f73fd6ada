//! Sets of expressions that are asked for together, by the name of what they are about.

/// The sets: each name and its expressions.
const PRESETS: [(&str, &[&str]); 4] = [
    (
        "trend",
        &[
            "sma(20)",
            "sma(50)",
            "sma(200)",
            "ema(20)",
            "ema(50)",
            "supertrend().value",
            "supertrend().direction",
            "plus_di(14)",
            "minus_di(14)",
            "adx(14)",
            "ichimoku().conversion",
            "ichimoku().base",
            "ichimoku().span_a",
            "ichimoku().span_b",
        ],
    ),
    (
        "momentum",
        &[
            "rsi(14)",
            "macd(12, 26, 9).macd",
            "macd(12, 26, 9).signal",
            "macd(12, 26, 9).histogram",
            "stoch().slow_k",
            "stoch().slow_d",
            "cci(20)",
            "willr(14)",
        ],
    ),
    (
        "volatility",
        &[
            "atr(14)",
            "natr(14)",
            "bbands(20, 2, 2).upper",
            "bbands(20, 2, 2).middle",
            "bbands(20, 2, 2).lower",
            "bollinger_percent_b(20)",
            "bollinger_width(20)",
            "keltner().upper",
            "keltner().lower",
            "donchian(20).upper",
            "donchian(20).lower",
            "historical_volatility(20)",
        ],
    ),
    (
        "levels",
        &[
            "highest(high, 20)",
            "lowest(low, 20)",
            "donchian(20).middle",
            "pivot().pivot",
            "pivot().r1",
            "pivot().s1",
            "pivot().r2",
            "pivot().s2",
        ],
    ),
];

/// The expressions of a set; none where there is no such set.
pub fn expressions(name: &str) -> &'static [&'static str] {
    PRESETS.iter().find(|(known, _)| *known == name).map_or(&[], |(_, expressions)| expressions)
}

#[cfg(test)]
#[path = "presets_tests.rs"]
mod tests;
