//! Over whole captures: what conditions say while a market runs is what they say when its tape is played again, what the
//! finished bars say, and what SQL says of the stored ones, bit for bit.

use super::*;
use indicatif::ProgressBar;
use std::collections::BTreeMap;
use std::path::PathBuf;
use tidegate_core::condition::Condition;
use tidegate_core::expression::{Evaluator, Expr, Program};
use tidegate_core::{Bar, INTERVALS, InstrumentId, Interval};
use tidegate_history::expression::Reader;
use tidegate_history::store::Store;

const ID: InstrumentId = InstrumentId(0);
/// Short ones: the captures are of six minutes.
const VALUES: [&str; 7] =
    ["ema(close, 3)", "rsi(close, 2)", "macd(close, 2, 3, 2).signal", "atr(2)", "obv()", "vwap()", "wma(close, 3)"];
/// The same in SQL.
const COLUMNS: [&str; 7] = [
    "ema(close, 3)",
    "rsi(close, 2)",
    "macd(close, 2, 3, 2)['signal']",
    "atr(high, low, close, 2)",
    "obv(close, volume)",
    "vwap(high, low, close, volume)",
    "wma(close, 3)",
];

/// The values at each bar, by its end.
type Said = BTreeMap<Nanos, Vec<Option<u64>>>;

/// Two conditions, of which one becomes true with every second bar, and the other with those between.
fn expressions(interval: Interval) -> [Vec<Expr>; 2] {
    let seconds = interval.span.raw() / Nanos::SECOND.raw();
    [0, 1].map(|half| {
        let mut reader = Reader::default();
        let mut read = |text: &str| reader.read(text).unwrap();
        let condition = read(&format!("time % {} = {}", 2 * seconds, half * seconds));
        [condition].into_iter().chain(VALUES.map(read)).collect()
    })
}

fn bits(values: impl Iterator<Item = Option<f64>>) -> Vec<Option<u64>> {
    values.map(|value| value.map(f64::to_bits)).collect()
}

/// Plays, with conditions attached before the first trade.
fn watched(format: Format, paths: &[PathBuf], record: Option<&Path>, interval: Interval) -> (Said, Engine) {
    let source = Source::open(format, paths, &ProgressBar::hidden()).unwrap();
    let config = Config::built_in().unwrap();
    let mut playback = Playback::new(&config, source, record, Watch::default(), Arc::default()).unwrap();
    let mut waiting: Vec<Condition> = expressions(interval)
        .iter()
        .enumerate()
        .map(|(id, list)| Condition::new(id as u64, list, interval, &[ID]).unwrap())
        .collect();
    let mut said = Said::new();
    while playback.next_ts().unwrap().is_some() {
        playback.step().unwrap();
        if playback.engine.market().stream(ID).is_some() {
            for mut condition in waiting.drain(..) {
                condition.prime(&[&[]], playback.engine.ts().since(Nanos::SECOND)).unwrap();
                assert!(playback.engine.attach_unrecorded(Box::new(condition)));
            }
        }
        while let Some(firing) = playback.engine.market_mut().poll_firing() {
            said.insert(firing.moment, bits(firing.values[1..].iter().copied()));
        }
    }
    (said, playback.finish().unwrap().0)
}

/// What the bars say once they are all there.
fn afterwards(bars: &[Bar], interval: Interval) -> Said {
    let program = Arc::new(Program::compile(&expressions(interval)[0][1..], interval));
    let mut said = Said::new();
    Evaluator::new(program).run(&[bars], |bar, evaluator| {
        said.insert(bar.start.plus(interval.span), bits(evaluator.values()));
    });
    said
}

/// What SQL says of the bars that were stored.
async fn queried(store: &Store, interval: Interval) -> Said {
    let sql = format!(
        "select ts, {} from bars where \"interval\" = '{}' order by ts",
        COLUMNS.iter().enumerate().map(|(at, text)| format!("{text} as v{at}")).collect::<Vec<_>>().join(", "),
        interval.name
    );
    let rows = tidegate_history::render::csv(&store.query(&sql, usize::MAX).await.unwrap()).unwrap();
    let read = |row: &str| {
        let mut cells = row.split(',');
        let start: jiff::Timestamp = cells.next().unwrap().parse().unwrap();
        let end = Nanos::new(i64::try_from(start.as_nanosecond()).unwrap()).plus(interval.span);
        // An empty cell is NULL.
        (end, bits(cells.map(|cell| cell.parse().ok())))
    };
    rows.lines().skip(1).map(read).collect()
}

#[tokio::test]
async fn a_market_its_replay_its_bars_and_sql_say_the_same() {
    let Some(data) = std::env::var_os("TIDEGATE_MARKET_DATA").map(PathBuf::from) else {
        println!("left out, as TIDEGATE_MARKET_DATA is not set");
        return;
    };
    for (format, name) in [
        (Format::BinanceSpot, "binance_spot/spot_btcusdt_20240808.gz"),
        (Format::BinanceCoinm, "binance_coinm/cm_btcusd_perp_20240808.gz"),
    ] {
        let folder = tempfile::tempdir().unwrap();
        let tape = folder.path().join("tape");
        for interval in [INTERVALS[0], INTERVALS[1]] {
            let is_first = interval == INTERVALS[0];
            let (live, engine) = watched(format, &[data.join(name)], is_first.then_some(&*tape), interval);
            let (replayed, _) = watched(Format::Tidegate, std::slice::from_ref(&tape), None, interval);
            assert!(live == replayed, "{name}");
            let position = INTERVALS.iter().position(|known| *known == interval).unwrap();
            let bars: Vec<Bar> = engine.market().stream(ID).unwrap().bars[position].iter().copied().collect();
            let is_whole = bars.len() < engine.market().bounds().bars_max;
            let mut compared = 0;
            for (end, values) in afterwards(&bars, interval).iter().filter(|_| is_whole) {
                // The last ones had not settled, and of two with a silent second between the first alone is told.
                compared += usize::from(live.get(end).is_some_and(|said| said == values));
                assert!(live.get(end).is_none_or(|said| said == values), "{name} {} at {end}", interval.name);
            }
            if is_whole {
                assert!(compared == live.len() && 2 * compared >= bars.len(), "{compared} of {}", bars.len());
            }
            println!("{name} {}: {} bars live and replayed, {compared} afterwards", interval.name, live.len());
        }
        let store = Store::read(&folder.path().join("store"), &tape, Config::built_in().unwrap().bounds()).unwrap();
        let (live, _) = watched(Format::Tidegate, &[tape], None, INTERVALS[1]);
        let sql = queried(&store, INTERVALS[1]).await;
        let differ = live.iter().filter(|(end, values)| sql.get(end) != Some(values)).count();
        println!("{name}: {} minutes in SQL, {differ} of {} differ", sql.len(), live.len());
        assert!(differ == 0 && live.len() >= 4);
    }
}
