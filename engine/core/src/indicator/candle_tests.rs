//! What all patterns are is compared with TA-Lib; here is one of each, as they are drawn, and what they have in common.

use super::super::{Indicator, find};
use rand::{RngExt, SeedableRng};
use rand_pcg::Pcg64Mcg;

type Bar = [f64; 4];

/// Open, high, low and close of the last candles, and the value of the pattern they make after ordinary ones.
type Drawing = (&'static str, f64, &'static [Bar]);

const ONE: &[Drawing] = &[
    ("cdlbelthold", 100.0, &[[100.0, 130.0, 99.0, 125.0]]),
    ("cdlclosingmarubozu", 100.0, &[[100.0, 126.0, 90.0, 125.0]]),
    ("cdldoji", 100.0, &[[105.0, 112.0, 98.0, 106.0]]),
    ("cdldragonflydoji", 100.0, &[[105.0, 106.0, 90.0, 106.0]]),
    ("cdlgravestonedoji", 100.0, &[[105.0, 120.0, 105.0, 106.0]]),
    ("cdlhammer", 100.0, &[[95.0, 98.0, 80.0, 97.0]]),
    ("cdlhangingman", -100.0, &[[115.0, 118.0, 100.0, 117.0]]),
    ("cdlhighwave", 100.0, &[[100.0, 120.0, 85.0, 105.0]]),
    ("cdlinvertedhammer", 100.0, &[[95.0, 110.0, 94.0, 97.0]]),
    ("cdllongleggeddoji", 100.0, &[[105.0, 120.0, 104.0, 106.0]]),
    ("cdllongline", 100.0, &[[100.0, 124.0, 97.0, 120.0]]),
    ("cdlmarubozu", 100.0, &[[100.0, 121.0, 99.0, 120.0]]),
    ("cdlrickshawman", 100.0, &[[105.0, 115.0, 95.0, 106.0]]),
    ("cdlshootingstar", -100.0, &[[115.0, 130.0, 114.0, 117.0]]),
    ("cdlshortline", 100.0, &[[100.0, 108.0, 97.0, 105.0]]),
    ("cdlspinningtop", 100.0, &[[100.0, 112.0, 92.0, 105.0]]),
    ("cdltakuri", 100.0, &[[105.0, 106.0, 90.0, 106.0]]),
];

const TWO: &[Drawing] = &[
    ("cdlcounterattack", 100.0, &[[130.0, 132.0, 108.0, 110.0], [90.0, 112.0, 88.0, 110.0]]),
    ("cdldarkcloudcover", -100.0, &[[100.0, 122.0, 98.0, 120.0], [125.0, 126.0, 104.0, 105.0]]),
    ("cdldojistar", -100.0, &[[100.0, 122.0, 98.0, 120.0], [125.0, 127.0, 123.0, 126.0]]),
    ("cdlengulfing", 100.0, &[[110.0, 112.0, 98.0, 100.0], [98.0, 117.0, 97.0, 115.0]]),
    ("cdlengulfing", 80.0, &[[110.0, 112.0, 98.0, 100.0], [98.0, 117.0, 97.0, 110.0]]),
    ("cdlharami", 100.0, &[[120.0, 122.0, 98.0, 100.0], [105.0, 112.0, 103.0, 110.0]]),
    ("cdlharami", 80.0, &[[120.0, 122.0, 98.0, 100.0], [100.0, 112.0, 98.0, 105.0]]),
    ("cdlharamicross", 100.0, &[[120.0, 122.0, 98.0, 100.0], [108.0, 112.0, 104.0, 109.0]]),
    ("cdlhomingpigeon", 100.0, &[[120.0, 122.0, 98.0, 100.0], [110.0, 112.0, 103.0, 105.0]]),
    ("cdlinneck", -100.0, &[[120.0, 122.0, 98.0, 100.0], [95.0, 101.0, 94.0, 100.0]]),
    ("cdlkicking", 100.0, &[[120.0, 121.0, 99.0, 100.0], [125.0, 146.0, 124.0, 145.0]]),
    ("cdlkickingbylength", -100.0, &[[130.0, 131.0, 99.0, 100.0], [135.0, 156.0, 134.0, 155.0]]),
    ("cdlmatchinglow", 100.0, &[[120.0, 122.0, 98.0, 100.0], [110.0, 112.0, 97.0, 100.0]]),
    ("cdlonneck", -100.0, &[[120.0, 122.0, 98.0, 100.0], [90.0, 99.0, 88.0, 98.0]]),
    ("cdlpiercing", 100.0, &[[120.0, 122.0, 98.0, 100.0], [95.0, 116.0, 94.0, 115.0]]),
    ("cdlseparatinglines", 100.0, &[[110.0, 112.0, 98.0, 100.0], [110.0, 131.0, 109.0, 130.0]]),
    ("cdlthrusting", -100.0, &[[120.0, 122.0, 98.0, 100.0], [95.0, 107.0, 94.0, 105.0]]),
];

const THREE: &[Drawing] = &[
    ("cdl2crows", -100.0, &[[100.0, 122.0, 98.0, 120.0], [130.0, 131.0, 124.0, 125.0], [128.0, 129.0, 109.0, 110.0]]),
    ("cdl3inside", 100.0, &[[120.0, 122.0, 98.0, 100.0], [105.0, 112.0, 103.0, 110.0], [110.0, 126.0, 109.0, 125.0]]),
    ("cdl3outside", 100.0, &[[110.0, 112.0, 98.0, 100.0], [98.0, 117.0, 97.0, 115.0], [115.0, 121.0, 114.0, 120.0]]),
    (
        "cdl3starsinsouth",
        100.0,
        &[[130.0, 132.0, 85.0, 115.0], [125.0, 126.0, 95.0, 117.0], [112.0, 113.0, 107.0, 108.0]],
    ),
    (
        "cdl3whitesoldiers",
        100.0,
        &[[100.0, 116.0, 99.0, 115.0], [108.0, 126.0, 107.0, 125.0], [118.0, 136.0, 117.0, 135.0]],
    ),
    (
        "cdlabandonedbaby",
        100.0,
        &[[140.0, 142.0, 118.0, 120.0], [110.0, 112.0, 108.0, 111.0], [115.0, 136.0, 114.0, 135.0]],
    ),
    (
        "cdladvanceblock",
        -100.0,
        &[[100.0, 121.0, 99.0, 120.0], [112.0, 126.0, 111.0, 124.0], [120.0, 134.0, 119.0, 126.0]],
    ),
    (
        "cdleveningdojistar",
        -100.0,
        &[[100.0, 122.0, 98.0, 120.0], [125.0, 127.0, 123.0, 126.0], [118.0, 119.0, 99.0, 100.0]],
    ),
    (
        "cdleveningstar",
        -100.0,
        &[[100.0, 122.0, 98.0, 120.0], [124.0, 131.0, 122.0, 129.0], [118.0, 119.0, 99.0, 100.0]],
    ),
    (
        "cdlgapsidesidewhite",
        100.0,
        &[[100.0, 112.0, 98.0, 110.0], [115.0, 127.0, 113.0, 125.0], [115.0, 126.0, 114.0, 124.0]],
    ),
    (
        "cdlidentical3crows",
        -100.0,
        &[[130.0, 131.0, 119.0, 120.0], [120.0, 121.0, 109.0, 110.0], [110.0, 111.0, 99.0, 100.0]],
    ),
    ("cdlmorningdojistar", 100.0, &[[120.0, 122.0, 98.0, 100.0], [95.0, 97.0, 93.0, 94.0], [98.0, 118.0, 97.0, 116.0]]),
    ("cdlmorningstar", 100.0, &[[120.0, 122.0, 98.0, 100.0], [96.0, 98.0, 88.0, 91.0], [98.0, 118.0, 97.0, 116.0]]),
    (
        "cdlstalledpattern",
        -100.0,
        &[[100.0, 121.0, 99.0, 120.0], [110.0, 136.0, 109.0, 135.0], [133.0, 140.0, 131.0, 137.0]],
    ),
    (
        "cdlsticksandwich",
        100.0,
        &[[120.0, 122.0, 98.0, 100.0], [105.0, 117.0, 103.0, 115.0], [118.0, 119.0, 99.0, 100.0]],
    ),
    ("cdltasukigap", 100.0, &[[100.0, 112.0, 98.0, 110.0], [115.0, 127.0, 113.0, 125.0], [120.0, 121.0, 110.0, 112.0]]),
    ("cdltristar", -100.0, &[[105.0, 107.0, 103.0, 105.0], [110.0, 112.0, 108.0, 110.0], [105.0, 107.0, 103.0, 105.0]]),
    (
        "cdlunique3river",
        100.0,
        &[[130.0, 132.0, 108.0, 110.0], [125.0, 126.0, 95.0, 115.0], [100.0, 106.0, 98.0, 104.0]],
    ),
    (
        "cdlupsidegap2crows",
        -100.0,
        &[[100.0, 122.0, 98.0, 120.0], [130.0, 131.0, 124.0, 125.0], [132.0, 133.0, 121.0, 122.0]],
    ),
    (
        "cdlxsidegap3methods",
        100.0,
        &[[100.0, 112.0, 98.0, 110.0], [115.0, 127.0, 113.0, 125.0], [120.0, 121.0, 104.0, 105.0]],
    ),
];

const FOUR: &[Drawing] = &[
    (
        "cdl3blackcrows",
        -100.0,
        &[
            [100.0, 132.0, 98.0, 130.0],
            [128.0, 129.0, 119.0, 120.0],
            [125.0, 126.0, 109.0, 110.0],
            [118.0, 119.0, 99.0, 100.0],
        ],
    ),
    (
        "cdl3linestrike",
        100.0,
        &[
            [100.0, 112.0, 98.0, 110.0],
            [105.0, 122.0, 103.0, 120.0],
            [115.0, 132.0, 113.0, 130.0],
            [132.0, 133.0, 94.0, 95.0],
        ],
    ),
    (
        "cdlbreakaway",
        100.0,
        &[
            [150.0, 152.0, 128.0, 130.0],
            [120.0, 122.0, 108.0, 110.0],
            [112.0, 115.0, 100.0, 102.0],
            [104.0, 108.0, 94.0, 96.0],
            [98.0, 127.0, 97.0, 125.0],
        ],
    ),
    (
        "cdlconcealbabyswall",
        100.0,
        &[
            [150.0, 151.0, 129.0, 130.0],
            [130.0, 131.0, 109.0, 110.0],
            [105.0, 116.0, 94.0, 95.0],
            [118.0, 119.0, 89.0, 90.0],
        ],
    ),
    ("cdlhikkake", 100.0, &[[100.0, 120.0, 90.0, 110.0], [105.0, 115.0, 95.0, 108.0], [104.0, 113.0, 93.0, 100.0]]),
    (
        "cdlhikkake",
        200.0,
        &[
            [100.0, 120.0, 90.0, 110.0],
            [105.0, 115.0, 95.0, 108.0],
            [104.0, 113.0, 93.0, 100.0],
            [101.0, 117.0, 100.0, 116.0],
        ],
    ),
    (
        "cdlhikkake",
        0.0,
        &[
            [100.0, 120.0, 90.0, 110.0],
            [105.0, 115.0, 95.0, 108.0],
            [104.0, 113.0, 93.0, 100.0],
            [101.0, 117.0, 100.0, 116.0],
            [116.0, 119.0, 99.0, 117.0],
        ],
    ),
    (
        "cdlhikkakemod",
        100.0,
        &[
            [100.0, 130.0, 80.0, 110.0],
            [105.0, 120.0, 85.0, 87.0],
            [95.0, 115.0, 90.0, 100.0],
            [95.0, 112.0, 86.0, 90.0],
        ],
    ),
    (
        "cdlhikkakemod",
        200.0,
        &[
            [100.0, 130.0, 80.0, 110.0],
            [105.0, 120.0, 85.0, 87.0],
            [95.0, 115.0, 90.0, 100.0],
            [95.0, 112.0, 86.0, 90.0],
            [95.0, 118.0, 94.0, 117.0],
        ],
    ),
    (
        "cdlladderbottom",
        100.0,
        &[
            [150.0, 152.0, 138.0, 140.0],
            [140.0, 142.0, 128.0, 130.0],
            [130.0, 132.0, 118.0, 120.0],
            [120.0, 130.0, 108.0, 110.0],
            [122.0, 138.0, 121.0, 135.0],
        ],
    ),
    (
        "cdlmathold",
        100.0,
        &[
            [100.0, 132.0, 98.0, 130.0],
            [138.0, 140.0, 132.0, 134.0],
            [133.0, 136.0, 127.0, 129.0],
            [131.0, 132.0, 124.0, 126.0],
            [128.0, 146.0, 127.0, 145.0],
        ],
    ),
    (
        "cdlrisefall3methods",
        100.0,
        &[
            [100.0, 132.0, 98.0, 130.0],
            [127.0, 129.0, 119.0, 122.0],
            [122.0, 124.0, 114.0, 117.0],
            [117.0, 119.0, 109.0, 112.0],
            [114.0, 136.0, 113.0, 135.0],
        ],
    ),
];

/// Bodies of 10 and ranges of 20, white and black in turn.
fn ordinary() -> Vec<Bar> {
    [[100.0, 115.0, 95.0, 110.0], [110.0, 115.0, 95.0, 100.0]].repeat(8)
}

/// The values of a function, from the first on.
fn values(name: &str, bars: &[Bar]) -> Vec<f64> {
    let mut indicator = Indicator::new(find(name).unwrap(), &[]).unwrap();
    let mut out = [0.0];
    bars.iter().filter_map(|bar| indicator.update(bar, &mut out).then_some(out[0])).collect()
}

fn all() -> impl Iterator<Item = &'static str> {
    [super::ONE, super::TWO, super::THREE, super::FOUR].into_iter().flatten().map(|function| function.name)
}

#[test]
fn each_pattern_is_found_where_it_is_drawn() {
    let drawings = || [ONE, TWO, THREE, FOUR].into_iter().flatten();
    for &(name, expect, candles) in drawings() {
        let bars = [ordinary(), candles.to_vec()].concat();
        assert_eq!(values(name, &bars).last(), Some(&expect), "{name}");
        assert_eq!(values(name, &ordinary()).last(), Some(&0.0), "{name} among ordinary candles");
    }
    assert_eq!(all().count(), 61);
    for name in all() {
        assert!(drawings().any(|drawing| drawing.0 == name), "no {name} is drawn");
    }
}

/// Candles of all shapes on a grid, so that ends often meet; none has its open at its close.
fn shapes(seed: u64, count: usize) -> Vec<Bar> {
    let mut random = Pcg64Mcg::seed_from_u64(seed);
    let mut price = 0.0;
    let mut bar = || {
        let mut draw = |max: i32| f64::from(random.random_range(-max..=max));
        let open: f64 = price + draw(2) * draw(2) / 2.0;
        let size = draw(3) * draw(3) / 2.0;
        let close = open + if size == 0.0 { 0.25 } else { size };
        let (up, down) = ((draw(2) * draw(3)).max(0.0) / 4.0, (draw(2) * draw(3)).max(0.0) / 4.0);
        // Back to the middle, on the grid.
        price = (close * 3.5).round() / 4.0;
        [open, open.max(close) + up, open.min(close) - down, close]
    };
    (0..count).map(|_| bar()).collect()
}

#[test]
fn upside_down_the_signs_are_opposite() {
    let bars = shapes(1, 30_000);
    let mirrored: Vec<Bar> = bars.iter().map(|&[open, high, low, close]| [-open, -low, -high, -close]).collect();
    let itself = [
        "belthold",
        "closingmarubozu",
        "counterattack",
        "dojistar",
        "engulfing",
        "harami",
        "haramicross",
        "highwave",
        "kicking",
        "kickingbylength",
        "longline",
        "marubozu",
        "separatinglines",
        "shortline",
        "spinningtop",
        "3inside",
        "3outside",
        "abandonedbaby",
        "xsidegap3methods",
        "tasukigap",
        "tristar",
        "3linestrike",
        "breakaway",
        "hikkake",
        "hikkakemod",
        "risefall3methods",
    ];
    let pairs = [("eveningstar", "morningstar"), ("eveningdojistar", "morningdojistar")];
    for (name, other) in itself.map(|name| (name, name)).into_iter().chain(pairs) {
        let expect: Vec<f64> = values(&format!("cdl{name}"), &bars).iter().map(|value| 0.0 - value).collect();
        assert_eq!(values(&format!("cdl{other}"), &mirrored), expect, "{name}");
    }
}

#[test]
fn an_outlier_is_forgotten_once_it_is_out_of_sight() {
    let (before, after) = (shapes(2, 50), shapes(3, 300));
    let outlier = [[0.0, 1e17, -3e15, 9e16], [1.0, 1e-9, -1e-9, 0.3]];
    let calm = [before.clone(), shapes(4, 2), after.clone()].concat();
    let wild = [before, outlier.to_vec(), after].concat();
    for name in all() {
        let (calm, wild) = (values(name, &calm), values(name, &wild));
        assert_eq!(calm[calm.len() - 280..], wild[wild.len() - 280..], "{name}");
    }
}
