//! Patterns of three candles.

use super::{
    Candle, DOJI, EQUAL, FAR, Function, History, NEAR, NO_SHADOW, Rule, SHADOW, bearish, bullish, falls, found,
    is_within, pattern, penetration, rises, rule,
};

pub(in super::super) const FUNCTIONS: &[Function] = &[
    pattern::<TwoCrows>(
        "cdl2crows",
        "Two crows: a long white candle, a black one above a gap, and a black one that closes in the first body.",
    ),
    pattern::<ThreeInside>(
        "cdl3inside",
        "Three inside up or down: a harami, and a candle that closes beyond the open of the first.",
    ),
    pattern::<ThreeOutside>(
        "cdl3outside",
        "Three outside up or down: a body that engulfs the one before it, and a candle that closes beyond.",
    ),
    pattern::<ThreeStarsInSouth>(
        "cdl3starsinsouth",
        "Three stars in the south: three black candles with higher and higher lows that get smaller.",
    ),
    pattern::<ThreeWhiteSoldiers>(
        "cdl3whitesoldiers",
        "Three advancing white soldiers: three white candles that close higher and higher, at their highs.",
    ),
    Function {
        params: &[penetration(0.3)],
        ..pattern::<AbandonedBaby>(
            "cdlabandonedbaby",
            "Abandoned baby: a long candle, a doji beyond gaps on both sides, and one back into the first body.",
        )
    },
    pattern::<AdvanceBlock>(
        "cdladvanceblock",
        "Advance block: three white candles that close higher and higher but get weaker.",
    ),
    Function {
        params: &[penetration(0.3)],
        ..pattern::<EveningDojiStar>(
            "cdleveningdojistar",
            "Evening doji star: a long white candle, a doji above a gap, and a black one well into the first body.",
        )
    },
    Function {
        params: &[penetration(0.3)],
        ..pattern::<EveningStar>(
            "cdleveningstar",
            "Evening star: a long white candle, a short one above a gap, and a black one well into the first body.",
        )
    },
    pattern::<GapSideBySideWhite>(
        "cdlgapsidesidewhite",
        "Side-by-side white lines: beyond a gap two white candles of about the same open and length.",
    ),
    pattern::<IdenticalThreeCrows>(
        "cdlidentical3crows",
        "Identical three crows: three black candles that close at their lows, each from the close before it.",
    ),
    Function {
        params: &[penetration(0.3)],
        ..pattern::<MorningDojiStar>(
            "cdlmorningdojistar",
            "Morning doji star: a long black candle, a doji below a gap, and a white one well into the first body.",
        )
    },
    Function {
        params: &[penetration(0.3)],
        ..pattern::<MorningStar>(
            "cdlmorningstar",
            "Morning star: a long black candle, a short one below a gap, and a white one well into the first body.",
        )
    },
    pattern::<Stalled>(
        "cdlstalledpattern",
        "Stalled: three white candles that close higher and higher, two long ones and a short one on their shoulder.",
    ),
    pattern::<StickSandwich>(
        "cdlsticksandwich",
        "Stick sandwich: two black candles that close at the same price, with a white one above it in between.",
    ),
    pattern::<TasukiGap>(
        "cdltasukigap",
        "Tasuki gap: two candles with a gap, and a like one of the opposite colour that does not close it.",
    ),
    pattern::<Tristar>("cdltristar", "Tristar: three doji, the middle one beyond a gap."),
    pattern::<UniqueThreeRiver>(
        "cdlunique3river",
        "Unique three river: a long black candle, a black one in its body with a lower low, and a short white one.",
    ),
    pattern::<UpsideGapTwoCrows>(
        "cdlupsidegap2crows",
        "Upside gap two crows: a long white candle, and above a gap a black body that a black body engulfs.",
    ),
    pattern::<GapThreeMethods>(
        "cdlxsidegap3methods",
        "Gap three methods: two candles of a colour with a gap, and one of the other that closes it.",
    ),
];

rule!(TwoCrows, 12, |[first, second, third]| {
    bearish(
        first.is_white()
            && first.is_long()
            && second.is_black()
            && second.gaps_up_from(&first)
            && third.is_black()
            && second.spans(third.open)
            && first.spans(third.close),
    )
});

rule!(ThreeInside, 12, |[first, second, third]| {
    let closes_beyond = if first.is_white() { third.close < first.open } else { third.close > first.open };
    found(
        first.is_long()
            && !second.is_long()
            && first.spans(second.top())
            && first.spans(second.bottom())
            && third.color() != first.color()
            && closes_beyond,
        -first.color(),
    )
});

rule!(ThreeOutside, 3, |[first, second, third]| {
    let closes_beyond = if second.is_white() { third.close > second.close } else { third.close < second.close };
    found(
        first.color() != second.color() && second.spans(first.open) && second.spans(first.close) && closes_beyond,
        second.color(),
    )
});

rule!(ThreeStarsInSouth, 12, |[first, second, third]| {
    bullish(
        [first, second, third].iter().all(Candle::is_black)
            && first.is_long()
            && first.lower() > first.body()
            && second.body() < first.body()
            && second.open > first.close
            && second.open <= first.high
            && second.low < first.close
            && second.low >= first.low
            && second.lower() > second.average(NO_SHADOW)
            && third.is_short()
            && third.is_marubozu()
            && third.low > second.low
            && third.high < second.high,
    )
});

/// Three white candles that close higher and higher.
fn advances(candles: &[Candle<'_>; 3]) -> bool {
    candles.iter().all(Candle::is_white) && rises(&candles.map(|candle| candle.close))
}

/// The second opens above the open of the first, and within its body or near it.
fn opens_on(first: &Candle<'_>, second: &Candle<'_>) -> bool {
    second.open > first.open && second.open <= first.close + first.average(NEAR)
}

rule!(ThreeWhiteSoldiers, 12, |[first, second, third]| {
    let candles = [first, second, third];
    bullish(
        advances(&candles)
            && candles.iter().all(Candle::is_shaven_head)
            && opens_on(&first, &second)
            && opens_on(&second, &third)
            && second.body() > first.body() - first.average(FAR)
            && third.body() > second.body() - second.average(FAR)
            && third.is_long(),
    )
});

/// The third has the other colour than the first and closes further into its body than `penetration` lengths of it.
fn reverses(first: &Candle<'_>, third: &Candle<'_>, penetration: f64) -> bool {
    let depth = first.body() * penetration;
    let closes_in =
        if first.is_white() { third.close < first.close - depth } else { third.close > first.close + depth };
    first.is_long() && third.color() != first.color() && closes_in
}

rule!(AbandonedBaby, 12, |[first, second, third], penetration| {
    let is_abandoned = if first.is_white() {
        second.clears_above(&first) && third.clears_below(&second)
    } else {
        second.clears_below(&first) && third.clears_above(&second)
    };
    found(is_abandoned && second.is_doji() && third.is_long() && reverses(&first, &third, penetration), third.color())
});

rule!(AdvanceBlock, 12, |[first, second, third]| {
    // Far smaller than the one before, or smaller with an upper shadow.
    let is_weak = || {
        let (far, near) = (first.average(FAR), second.average(NEAR));
        let shrinks = third.body() < second.body();
        let has_shadow = |candle: &Candle<'_>| candle.upper() > candle.average(SHADOW);
        (second.body() < first.body() - far && third.body() < second.body() + near)
            || third.body() < second.body() - second.average(FAR)
            || (shrinks && second.body() < first.body() && (has_shadow(&third) || has_shadow(&second)))
            || (shrinks && third.upper() > third.body())
    };
    bearish(
        advances(&[first, second, third])
            && opens_on(&first, &second)
            && opens_on(&second, &third)
            && first.is_long()
            && first.upper() < first.average(SHADOW)
            && is_weak(),
    )
});

/// A star above a long white candle, and a black one back into it.
fn sets(first: &Candle<'_>, star: &Candle<'_>, third: &Candle<'_>, penetration: f64) -> bool {
    first.is_white() && star.gaps_up_from(first) && third.is_long() && reverses(first, third, penetration)
}

/// A star below a long black candle, and a white one back into it.
fn dawns(first: &Candle<'_>, star: &Candle<'_>, third: &Candle<'_>, penetration: f64) -> bool {
    first.is_black() && star.gaps_down_from(first) && third.is_long() && reverses(first, third, penetration)
}

rule!(EveningDojiStar, 12, |[first, second, third], penetration| {
    bearish(second.is_doji() && sets(&first, &second, &third, penetration))
});

rule!(EveningStar, 12, |[first, second, third], penetration| {
    bearish(!second.is_long() && sets(&first, &second, &third, penetration))
});

rule!(MorningDojiStar, 12, |[first, second, third], penetration| {
    bullish(second.is_doji() && dawns(&first, &second, &third, penetration))
});

rule!(MorningStar, 12, |[first, second, third], penetration| {
    bullish(!second.is_long() && dawns(&first, &second, &third, penetration))
});

rule!(GapSideBySideWhite, 7, |[first, second, third]| {
    let is_up = second.gaps_up_from(&first) && third.gaps_up_from(&first);
    let is_down = second.gaps_down_from(&first) && third.gaps_down_from(&first);
    found(
        (is_up || is_down)
            && second.is_white()
            && third.is_white()
            && is_within(third.body(), second.body(), second.average(NEAR))
            && is_within(third.open, second.open, second.average(EQUAL)),
        if is_up { 1.0 } else { -1.0 },
    )
});

rule!(IdenticalThreeCrows, 12, |[first, second, third]| {
    let candles = [first, second, third];
    bearish(
        candles.iter().all(Candle::is_black)
            && candles.iter().all(Candle::is_shaven_bottom)
            && falls(&candles.map(|candle| candle.close))
            && is_within(second.open, first.close, first.average(EQUAL))
            && is_within(third.open, second.close, second.average(EQUAL)),
    )
});

rule!(Stalled, 12, |[first, second, third]| {
    bearish(
        advances(&[first, second, third])
            && first.is_long()
            && second.is_long()
            && second.is_shaven_head()
            && opens_on(&first, &second)
            && third.is_short()
            && third.open >= second.close - third.body() - second.average(NEAR),
    )
});

rule!(StickSandwich, 7, |[first, second, third]| {
    bullish(
        first.is_black()
            && second.is_white()
            && third.is_black()
            && second.low > first.close
            && is_within(third.close, first.close, first.average(EQUAL)),
    )
});

rule!(TasukiGap, 7, |[first, second, third]| {
    let stays_open = if second.is_white() {
        second.gaps_up_from(&first) && third.close < second.open && third.close > first.top()
    } else {
        second.gaps_down_from(&first) && third.close > second.open && third.close < first.bottom()
    };
    found(
        stays_open
            && third.color() != second.color()
            && second.spans(third.open)
            && (second.body() - third.body()).abs() < second.average(NEAR),
        second.color(),
    )
});

rule!(Tristar, 12, |[first, second, third]| {
    let most = first.average(DOJI);
    let are_doji = [first, second, third].iter().all(|candle| candle.body() <= most);
    if second.gaps_up_from(&first) {
        bearish(are_doji && third.top() < second.top())
    } else {
        bullish(are_doji && second.gaps_down_from(&first) && third.bottom() > second.bottom())
    }
});

rule!(UniqueThreeRiver, 12, |[first, second, third]| {
    bullish(
        first.is_black()
            && first.is_long()
            && second.is_black()
            && second.close > first.close
            && second.open <= first.open
            && second.low < first.low
            && third.is_white()
            && third.is_short()
            && third.open > second.low,
    )
});

rule!(UpsideGapTwoCrows, 12, |[first, second, third]| {
    bearish(
        first.is_white()
            && first.is_long()
            && second.is_black()
            && !second.is_long()
            && second.gaps_up_from(&first)
            && third.is_black()
            && third.open > second.open
            && third.close < second.close
            && third.close > first.close,
    )
});

rule!(GapThreeMethods, 2, |[first, second, third]| {
    let gaps = if first.is_white() { second.gaps_up_from(&first) } else { second.gaps_down_from(&first) };
    found(
        gaps && first.color() == second.color()
            && third.color() != second.color()
            && second.spans(third.open)
            && first.spans(third.close),
        first.color(),
    )
});
