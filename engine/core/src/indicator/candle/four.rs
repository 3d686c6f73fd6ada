//! Patterns of four candles and more.

use super::{
    Candle, Function, History, NEAR, NO_SHADOW, Rule, bearish, bullish, falls, found, pattern, penetration, rises, rule,
};

pub(in super::super) const FUNCTIONS: &[Function] = &[
    pattern::<ThreeBlackCrows>(
        "cdl3blackcrows",
        "Three black crows: after a white candle three black ones that close lower and lower, at their lows.",
    ),
    pattern::<ThreeLineStrike>(
        "cdl3linestrike",
        "Three-line strike: three candles of a colour, whose way the fourth takes back; their colour is the sign.",
    ),
    pattern::<Breakaway>(
        "cdlbreakaway",
        "Breakaway: a long candle, three that lead away from it over a gap, and one back into the gap.",
    ),
    pattern::<ConcealingBabySwallow>(
        "cdlconcealbabyswall",
        "Concealing baby swallow: two black marubozu, a black candle below a gap, and one around all of it.",
    ),
    pattern::<Hikkake>(
        "cdlhikkake",
        "Hikkake: an inside bar and a break out of it that may be false; 200 where the next three bars confirm that.",
    ),
    pattern::<ModifiedHikkake>(
        "cdlhikkakemod",
        "Modified hikkake: two inside bars, the first closed near its end, and a break; 200 where it is confirmed.",
    ),
    pattern::<LadderBottom>(
        "cdlladderbottom",
        "Ladder bottom: four black candles down, the last with an upper shadow, and a white one above it.",
    ),
    Function {
        params: &[penetration(0.5)],
        ..pattern::<MatHold>(
            "cdlmathold",
            "Mat hold: a long white candle, three short ones that hold above most of it, and a white one to new highs.",
        )
    },
    pattern::<RisingFallingThreeMethods>(
        "cdlrisefall3methods",
        "Rising or falling three methods: a long candle, three short ones back within its range, and one further on.",
    ),
];

rule!(ThreeBlackCrows, 13, |[before, first, second, third]| {
    let crows = [first, second, third];
    bearish(
        before.is_white()
            && crows.iter().all(Candle::is_black)
            && crows.iter().all(Candle::is_shaven_bottom)
            && first.spans(second.open)
            && second.spans(third.open)
            && before.high > first.close
            && falls(&crows.map(|candle| candle.close)),
    )
});

/// The second opens within the body of the first or near it.
fn opens_near(first: &Candle<'_>, second: &Candle<'_>) -> bool {
    let near = first.average(NEAR);
    second.open >= first.bottom() - near && second.open <= first.top() + near
}

rule!(ThreeLineStrike, 8, |[first, second, third, fourth]| {
    let closes = [first.close, second.close, third.close];
    let strikes = if third.is_white() {
        rises(&closes) && fourth.open > third.close && fourth.close < first.open
    } else {
        falls(&closes) && fourth.open < third.close && fourth.close > first.open
    };
    found(
        strikes
            && first.color() == second.color()
            && second.color() == third.color()
            && fourth.color() != third.color()
            && opens_near(&first, &second)
            && opens_near(&second, &third),
        third.color(),
    )
});

rule!(Breakaway, 14, |[first, second, third, fourth, fifth]| {
    let (highs, lows) = ([second.high, third.high, fourth.high], [second.low, third.low, fourth.low]);
    let breaks = if first.is_black() {
        let leads = second.gaps_down_from(&first) && falls(&highs) && falls(&lows);
        leads && fifth.close > second.open && fifth.close < first.close
    } else {
        let leads = second.gaps_up_from(&first) && rises(&highs) && rises(&lows);
        leads && fifth.close < second.open && fifth.close > first.close
    };
    found(
        breaks
            && first.color() == second.color()
            && second.color() == fourth.color()
            && fifth.color() != fourth.color()
            && first.is_long(),
        fifth.color(),
    )
});

rule!(ConcealingBabySwallow, 13, |[first, second, third, fourth]| {
    bullish(
        [first, second, third, fourth].iter().all(Candle::is_black)
            && first.is_marubozu()
            && second.is_marubozu()
            && third.gaps_down_from(&second)
            && third.upper() > third.average(NO_SHADOW)
            && third.high > second.close
            && fourth.high > third.high
            && fourth.low < third.low,
    )
});

/// All of the second is inside the first.
fn is_inside(first: &Candle<'_>, second: &Candle<'_>) -> bool {
    second.high < first.high && second.low > first.low
}

/// 1 where the second has a higher high and a higher low, -1 where both are lower, else 0.
fn step(first: &Candle<'_>, second: &Candle<'_>) -> f64 {
    if second.high > first.high && second.low > first.low {
        1.0
    } else if second.high < first.high && second.low < first.low {
        -1.0
    } else {
        0.0
    }
}

/// The value of a break out of an inside bar: `trap` tells for the candle of an age whether it makes one and where it
/// should lead, as 1, -1 or 0. The latest within three candles is confirmed, once, by a close beyond the inside bar.
fn hikkake(history: &History, trap: impl Fn(usize) -> f64) -> f64 {
    let now = trap(0);
    if now != 0.0 {
        return 100.0 * now;
    }
    let Some((age, direction)) = (1..=3).map(|age| (age, trap(age))).find(|(_, direction)| *direction != 0.0) else {
        return 0.0;
    };
    let inside = history.candle(age + 1);
    let confirms = |at: usize| {
        let close = history.candle(at).close;
        if direction > 0.0 { close > inside.high } else { close < inside.low }
    };
    found(confirms(0) && !(1..age).any(confirms), 2.0 * direction)
}

#[derive(Clone)]
struct Hikkake;

impl Rule for Hikkake {
    const LOOKBACK: usize = 5;

    fn judge(history: &History, _: f64) -> f64 {
        hikkake(history, |age| {
            let [first, second, third] = [age + 2, age + 1, age].map(|age| history.candle(age));
            if is_inside(&first, &second) { -step(&second, &third) } else { 0.0 }
        })
    }
}

#[derive(Clone)]
struct ModifiedHikkake;

impl Rule for ModifiedHikkake {
    const LOOKBACK: usize = 10;

    fn judge(history: &History, _: f64) -> f64 {
        hikkake(history, |age| {
            let [first, second, third, fourth] = [age + 3, age + 2, age + 1, age].map(|age| history.candle(age));
            if !is_inside(&first, &second) || !is_inside(&second, &third) {
                return 0.0;
            }
            let direction = -step(&third, &fourth);
            let near = second.average(NEAR);
            let is_near_end =
                if direction > 0.0 { second.close <= second.low + near } else { second.close >= second.high - near };
            if is_near_end { direction } else { 0.0 }
        })
    }
}

rule!(LadderBottom, 14, |[first, second, third, fourth, fifth]| {
    let steps = [first, second, third];
    bullish(
        steps.iter().all(Candle::is_black)
            && falls(&steps.map(|candle| candle.open))
            && falls(&steps.map(|candle| candle.close))
            && fourth.is_black()
            && fourth.upper() > fourth.average(NO_SHADOW)
            && fifth.is_white()
            && fifth.open > fourth.open
            && fifth.close > fourth.high,
    )
});

rule!(MatHold, 14, |[first, second, third, fourth, fifth], penetration| {
    let floor = first.close - first.body() * penetration;
    let holds = |candle: &Candle<'_>| candle.bottom() < first.close && candle.bottom() > floor;
    bullish(
        first.is_white()
            && second.is_black()
            && fifth.is_white()
            && second.gaps_up_from(&first)
            && holds(&third)
            && holds(&fourth)
            && third.top() < second.open
            && fourth.top() < third.top()
            && fifth.open > fourth.close
            && [second, third, fourth].iter().all(|candle| fifth.close > candle.high)
            && first.is_long()
            && [second, third, fourth].iter().all(Candle::is_short),
    )
});

rule!(RisingFallingThreeMethods, 14, |[first, second, third, fourth, fifth]| {
    let (color, between) = (first.color(), [second, third, fourth]);
    let touches = |candle: &Candle<'_>| candle.bottom() < first.high && candle.top() > first.low;
    found(
        between.iter().all(|candle| candle.color() != color)
            && fifth.color() == color
            && between.iter().all(touches)
            && falls(&between.map(|candle| candle.close * color))
            && fifth.open * color > fourth.close * color
            && fifth.close * color > first.close * color
            && first.is_long()
            && between.iter().all(Candle::is_short)
            && fifth.is_long(),
        color,
    )
});
