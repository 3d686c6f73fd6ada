//! Patterns of two candles.

use super::{Candle, EQUAL, Function, History, Rule, bearish, bullish, found, is_within, pattern, penetration, rule};

pub(in super::super) const FUNCTIONS: &[Function] = &[
    pattern::<Counterattack>(
        "cdlcounterattack",
        "Counterattack: two long candles of opposite colours that close at the same price; the second's is the sign.",
    ),
    Function {
        params: &[penetration(0.5)],
        ..pattern::<DarkCloudCover>(
            "cdldarkcloudcover",
            "Dark cloud cover: after a long white candle a black one that opens above its high and closes in its body.",
        )
    },
    pattern::<DojiStar>(
        "cdldojistar",
        "Doji star: a doji beyond a gap from a long candle, whose opposite is the sign.",
    ),
    pattern::<Engulfing>(
        "cdlengulfing",
        "Engulfing: a body around that of the opposite colour before it; 80 where they share an end.",
    ),
    pattern::<Harami>(
        "cdlharami",
        "Harami: a short body within the long one before it, whose opposite is the sign; 80 where they share an end.",
    ),
    pattern::<HaramiCross>(
        "cdlharamicross",
        "Harami cross: a doji within the long body before it, whose opposite is the sign; 80 where they share an end.",
    ),
    pattern::<HomingPigeon>("cdlhomingpigeon", "Homing pigeon: a short black body within a long black one."),
    pattern::<InNeck>(
        "cdlinneck",
        "In-neck: after a long black candle a white one that opens below its low and closes at its close.",
    ),
    pattern::<Kicking>(
        "cdlkicking",
        "Kicking: two marubozu of opposite colours with a gap in the direction of the second.",
    ),
    pattern::<KickingByLength>("cdlkickingbylength", "Kicking, with the colour of the longer candle as the sign."),
    pattern::<MatchingLow>("cdlmatchinglow", "Matching low: two black candles that close at the same price."),
    pattern::<OnNeck>(
        "cdlonneck",
        "On-neck: after a long black candle a white one that opens below its low and closes at its low.",
    ),
    pattern::<Piercing>(
        "cdlpiercing",
        "Piercing: after a long black candle a long white one that opens below its low and closes above its middle.",
    ),
    pattern::<SeparatingLines>(
        "cdlseparatinglines",
        "Separating lines: two candles of opposite colours with the same open, the second a belt hold and the sign.",
    ),
    pattern::<Thrusting>(
        "cdlthrusting",
        "Thrusting: after a long black candle a white one that opens below its low and closes up to its middle.",
    ),
];

rule!(Counterattack, 11, |[first, second]| {
    found(
        first.color() != second.color()
            && first.is_long()
            && second.is_long()
            && is_within(second.close, first.close, first.average(EQUAL)),
        second.color(),
    )
});

rule!(DarkCloudCover, 11, |[first, second], penetration| {
    bearish(
        first.is_white()
            && first.is_long()
            && second.is_black()
            && second.open > first.high
            && second.close > first.open
            && second.close < first.close - first.body() * penetration,
    )
});

rule!(DojiStar, 11, |[first, second]| {
    let gaps = if first.is_white() { second.gaps_up_from(&first) } else { second.gaps_down_from(&first) };
    found(first.is_long() && second.is_doji() && gaps, -first.color())
});

/// The value for a body inside another: 100, 80 where an end of it is one of the other's, 0 where it sticks out.
fn enclosure(outer: &Candle<'_>, inner: &Candle<'_>) -> f64 {
    if inner.top() < outer.top() && inner.bottom() > outer.bottom() {
        100.0
    } else if inner.top() <= outer.top() && inner.bottom() >= outer.bottom() {
        80.0
    } else {
        0.0
    }
}

rule!(Engulfing, 2, |[first, second]| {
    // The same body again is not engulfed.
    let is_same = first.top() == second.top() && first.bottom() == second.bottom();
    if first.color() == second.color() || is_same { 0.0 } else { second.color() * enclosure(&second, &first) + 0.0 }
});

rule!(Harami, 11, |[first, second]| {
    if first.is_long() && !second.is_long() { 0.0 - first.color() * enclosure(&first, &second) } else { 0.0 }
});

rule!(HaramiCross, 11, |[first, second]| {
    if first.is_long() && second.is_doji() { 0.0 - first.color() * enclosure(&first, &second) } else { 0.0 }
});

rule!(HomingPigeon, 11, |[first, second]| {
    bullish(
        first.is_black()
            && second.is_black()
            && first.is_long()
            && !second.is_long()
            && second.open < first.open
            && second.close > first.close,
    )
});

/// A long black candle, and a white one that opens below it: how much it takes back tells the patterns apart.
fn rebounds(first: &Candle<'_>, second: &Candle<'_>) -> bool {
    first.is_black() && first.is_long() && second.is_white() && second.open < first.low
}

rule!(InNeck, 11, |[first, second]| {
    bearish(
        rebounds(&first, &second) && second.close <= first.close + first.average(EQUAL) && second.close >= first.close,
    )
});

/// Two long candles without shadows and of opposite colours, with a gap in the direction of the second.
fn kicks(first: &Candle<'_>, second: &Candle<'_>) -> bool {
    let clears = if first.is_black() { second.clears_above(first) } else { second.clears_below(first) };
    clears
        && first.color() != second.color()
        && first.is_long()
        && first.is_marubozu()
        && second.is_long()
        && second.is_marubozu()
}

rule!(Kicking, 11, |[first, second]| found(kicks(&first, &second), second.color()));

rule!(KickingByLength, 11, |[first, second]| {
    let longer = if second.body() > first.body() { second } else { first };
    found(kicks(&first, &second), longer.color())
});

rule!(MatchingLow, 6, |[first, second]| {
    bullish(first.is_black() && second.is_black() && is_within(second.close, first.close, first.average(EQUAL)))
});

rule!(OnNeck, 11, |[first, second]| {
    bearish(rebounds(&first, &second) && is_within(second.close, first.low, first.average(EQUAL)))
});

rule!(Piercing, 11, |[first, second]| {
    bullish(
        rebounds(&first, &second)
            && second.is_long()
            && second.close < first.open
            && second.close > first.close + first.body() * 0.5,
    )
});

rule!(SeparatingLines, 11, |[first, second]| {
    let opens_at_extreme = if second.is_white() { second.is_shaven_bottom() } else { second.is_shaven_head() };
    found(
        first.color() != second.color()
            && is_within(second.open, first.open, first.average(EQUAL))
            && second.is_long()
            && opens_at_extreme,
        second.color(),
    )
});

rule!(Thrusting, 11, |[first, second]| {
    bearish(
        rebounds(&first, &second)
            && second.close > first.close + first.average(EQUAL)
            && second.close <= first.close + first.body() * 0.5,
    )
});
