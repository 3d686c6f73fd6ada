//! Patterns of one candle, some of which look at the place of the one before.

use super::{Candle, Function, History, NEAR, NO_SHADOW, Rule, SHADOW, bearish, bullish, found, pattern, rule};

pub(in super::super) const FUNCTIONS: &[Function] = &[
    pattern::<BeltHold>("cdlbelthold", "Belt hold: a long candle that opens at its extreme; its colour is the sign."),
    pattern::<ClosingMarubozu>(
        "cdlclosingmarubozu",
        "Closing marubozu: a long candle that closes at its extreme; its colour is the sign.",
    ),
    pattern::<Doji>("cdldoji", "Doji: open and close are about the same."),
    pattern::<DragonflyDoji>("cdldragonflydoji", "Dragonfly doji: a doji at its high, with a lower shadow."),
    pattern::<GravestoneDoji>("cdlgravestonedoji", "Gravestone doji: a doji at its low, with an upper shadow."),
    pattern::<Hammer>("cdlhammer", "Hammer: a small body on a long lower shadow, near the low before it or below."),
    pattern::<HangingMan>(
        "cdlhangingman",
        "Hanging man: a small body on a long lower shadow, near the high before it or above.",
    ),
    pattern::<HighWave>("cdlhighwave", "High wave: a small body between very long shadows; its colour is the sign."),
    pattern::<InvertedHammer>(
        "cdlinvertedhammer",
        "Inverted hammer: a small body under a long upper shadow, after a gap down.",
    ),
    pattern::<LongLeggedDoji>("cdllongleggeddoji", "Long-legged doji: a doji with a long shadow or two."),
    pattern::<LongLine>("cdllongline", "Long line: a long body between short shadows; its colour is the sign."),
    pattern::<Marubozu>("cdlmarubozu", "Marubozu: a long body without shadows; its colour is the sign."),
    pattern::<RickshawMan>("cdlrickshawman", "Rickshaw man: a doji in the middle between two long shadows."),
    pattern::<ShootingStar>(
        "cdlshootingstar",
        "Shooting star: a small body under a long upper shadow, after a gap up.",
    ),
    pattern::<ShortLine>("cdlshortline", "Short line: a short body between short shadows; its colour is the sign."),
    pattern::<SpinningTop>(
        "cdlspinningtop",
        "Spinning top: a short body between shadows that are longer; its colour is the sign.",
    ),
    pattern::<Takuri>("cdltakuri", "Takuri: a doji at its high, with a very long lower shadow."),
];

impl Candle<'_> {
    /// A small body at the upper end of a long shadow.
    fn is_umbrella(&self) -> bool {
        self.is_short() && self.lower() > self.body() && self.is_shaven_head()
    }

    /// A small body at the lower end of a long shadow.
    fn is_inverted_umbrella(&self) -> bool {
        self.is_short() && self.upper() > self.body() && self.is_shaven_bottom()
    }

    /// Both shadows are short.
    fn has_short_shadows(&self) -> bool {
        let most = self.average(SHADOW);
        self.upper() < most && self.lower() < most
    }
}

rule!(BeltHold, 10, |[candle]| {
    let opens_at_extreme = if candle.is_white() { candle.is_shaven_bottom() } else { candle.is_shaven_head() };
    found(candle.is_long() && opens_at_extreme, candle.color())
});

rule!(ClosingMarubozu, 10, |[candle]| {
    let closes_at_extreme = if candle.is_white() { candle.is_shaven_head() } else { candle.is_shaven_bottom() };
    found(candle.is_long() && closes_at_extreme, candle.color())
});

rule!(Doji, 10, |[candle]| bullish(candle.is_doji()));

rule!(DragonflyDoji, 10, |[candle]| {
    bullish(candle.is_doji() && candle.is_shaven_head() && candle.lower() > candle.average(NO_SHADOW))
});

rule!(GravestoneDoji, 10, |[candle]| {
    bullish(candle.is_doji() && candle.is_shaven_bottom() && candle.upper() > candle.average(NO_SHADOW))
});

rule!(Hammer, 11, |[before, candle]| {
    bullish(candle.is_umbrella() && candle.bottom() <= before.low + before.average(NEAR))
});

rule!(HangingMan, 11, |[before, candle]| {
    bearish(candle.is_umbrella() && candle.bottom() >= before.high - before.average(NEAR))
});

rule!(HighWave, 10, |[candle]| {
    let least = 2.0 * candle.body();
    found(candle.is_short() && candle.upper() > least && candle.lower() > least, candle.color())
});

rule!(InvertedHammer, 11, |[before, candle]| {
    bullish(candle.is_inverted_umbrella() && candle.gaps_down_from(&before))
});

rule!(LongLeggedDoji, 10, |[candle]| {
    bullish(candle.is_doji() && (candle.lower() > candle.body() || candle.upper() > candle.body()))
});

rule!(LongLine, 10, |[candle]| found(candle.is_long() && candle.has_short_shadows(), candle.color()));

rule!(Marubozu, 10, |[candle]| found(candle.is_long() && candle.is_marubozu(), candle.color()));

rule!(RickshawMan, 10, |[candle]| {
    let (middle, near) = (candle.low + candle.range() / 2.0, candle.average(NEAR));
    bullish(
        candle.is_doji()
            && candle.lower() > candle.body()
            && candle.upper() > candle.body()
            && candle.bottom() <= middle + near
            && candle.top() >= middle - near,
    )
});

rule!(ShootingStar, 11, |[before, candle]| bearish(candle.is_inverted_umbrella() && candle.gaps_up_from(&before)));

rule!(ShortLine, 10, |[candle]| found(candle.is_short() && candle.has_short_shadows(), candle.color()));

rule!(SpinningTop, 10, |[candle]| {
    found(candle.is_short() && candle.upper() > candle.body() && candle.lower() > candle.body(), candle.color())
});

rule!(Takuri, 10, |[candle]| {
    bullish(candle.is_doji() && candle.is_shaven_head() && candle.lower() > 2.0 * candle.body())
});
