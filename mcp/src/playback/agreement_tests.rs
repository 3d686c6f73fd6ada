//! Over whole captures: what conditions say while a market runs is what they say when its tape is played again, what the
//! finished bars say, and what SQL says of the stored bars and trades, bit for bit.

use super::*;
use crate::config::layers::Sources;
use flate2::read::DeflateDecoder;
use indicatif::ProgressBar;
use std::collections::BTreeMap;
use std::io::{BufRead, BufReader};
use std::path::PathBuf;
use tidegate_core::condition::Condition;
use tidegate_core::event::{Body, Event, Flags, Side};
use tidegate_core::expression::{Evaluator, Expr, Program};
use tidegate_core::{Bar, INTERVALS, InstrumentId, Interval, Price, Qty};
use tidegate_feeds::Decimals;
use tidegate_feeds::catalog::Catalog;
use tidegate_history::expression::Reader;
use tidegate_history::store::Store;

const ID: InstrumentId = InstrumentId(0);
/// Conditions of which one becomes true with each bar, unless that is a multiple of so many after the one before.
const RESIDUES: i64 = 16;

/// A value in our language, and the same in SQL.
type Pair = (&'static str, &'static str);

/// For captures of eleven minutes.
const SHORT: [Pair; 7] = [
    ("ema(close, 3)", "ema(close, 3)"),
    ("rsi(close, 2)", "rsi(close, 2)"),
    ("macd(close, 2, 3, 2).signal", "macd(close, 2, 3, 2)['signal']"),
    ("atr(2)", "atr(high, low, close, 2)"),
    ("obv()", "obv(close, volume)"),
    ("vwap()", "vwap(high, low, close, volume)"),
    ("wma(close, 3)", "wma(close, 3)"),
];
/// For a day.
const LONG: [Pair; 7] = [
    ("tema(close, 20)", "tema(close, 20)"),
    ("stochrsi(close, 14).fast_d", "stochrsi(close, 14)['fast_d']"),
    ("macd(close).histogram", "macd(close)['histogram']"),
    ("adx(14)", "adx(high, low, close, 14)"),
    ("mfi(14)", "mfi(high, low, close, volume, 14)"),
    ("supertrend(10, 3).value", "supertrend(high, low, close, 10, 3)['value']"),
    ("bbands(close, 20).upper", "bbands(close, 20)['upper']"),
];

/// The values at each bar, by its end.
type Said = BTreeMap<Nanos, Vec<Option<u64>>>;

/// A market to watch: what to play, and what to look at.
struct Watched {
    name: &'static str,
    format: Format,
    paths: Vec<PathBuf>,
    values: [Pair; 7],
}

/// With room for all the bars there are, so that afterwards they can be compared.
fn config() -> Config {
    let mut sources = Sources::default();
    sources.flag("--set", "market.bars_max", "50000");
    sources.load().unwrap().config
}

fn expressions(values: &[Pair], interval: Interval) -> Vec<Vec<Expr>> {
    let seconds = interval.span.raw() / Nanos::SECOND.raw();
    let conditions = (0..RESIDUES).map(|residue| {
        let mut reader = Reader::default();
        let mut read = |text: &str| reader.read(text).unwrap();
        let condition = read(&format!("time % {} = {}", RESIDUES * seconds, residue * seconds));
        [condition].into_iter().chain(values.iter().map(|(text, _)| read(text))).collect()
    });
    conditions.collect()
}

fn bits(values: impl Iterator<Item = Option<f64>>) -> Vec<Option<u64>> {
    values.map(|value| value.map(f64::to_bits)).collect()
}

impl Watched {
    /// Plays, with conditions attached before the first trade.
    fn play(&self, record: Option<&Path>, interval: Interval) -> (Said, Engine) {
        let source = Source::open(self.format, &self.paths, &ProgressBar::hidden()).unwrap();
        let mut playback = Playback::new(&config(), source, record, Watch::default(), Arc::default()).unwrap();
        let mut waiting: Vec<Condition> = expressions(&self.values, interval)
            .iter()
            .zip(0..)
            .map(|(list, id)| Condition::new(id, list, interval, &[ID]).unwrap())
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

    /// What `bars` say once they are all there.
    fn afterwards(&self, bars: &[Bar], interval: Interval) -> Said {
        let program = Arc::new(Program::compile(&expressions(&self.values, interval)[0][1..], interval));
        let mut said = Said::new();
        Evaluator::new(program).run(&[bars], |bar, evaluator| {
            said.insert(bar.start.plus(interval.span), bits(evaluator.values()));
        });
        said
    }

    /// What SQL says of the bars in a table, by its text.
    async fn queried(&self, store: &Store, table: &str, interval: Interval) -> Said {
        let columns = self.values.iter().enumerate().map(|(at, (_, text))| format!("{text} as v{at}"));
        let sql = format!("select ts, {} from {table} order by ts", columns.collect::<Vec<_>>().join(", "));
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

    /// How many bars were compared; none may differ.
    async fn agrees(&self, interval: Interval) -> usize {
        let folder = tempfile::tempdir().unwrap();
        let (name, tape) = (self.name, folder.path().join("tape"));
        let (live, engine) = self.play(Some(&tape), interval);
        let recorded = Watched { format: Format::Tidegate, paths: vec![tape.clone()], ..*self };
        let (replayed, _) = recorded.play(None, interval);
        assert!(live == replayed, "{name}: replayed");
        let position = INTERVALS.iter().position(|known| *known == interval).unwrap();
        let bars: Vec<Bar> = engine.market().stream(ID).unwrap().bars[position].iter().copied().collect();
        let afterwards = self.afterwards(&bars, interval);
        let store = Store::read(&folder.path().join("store"), &tape, config().bounds()).unwrap();
        let table = match interval {
            SECONDS => SECONDS_OF_TRADES.to_owned(),
            _ => format!("bars where \"interval\" = '{}'", interval.name),
        };
        let sql = self.queried(&store, &table, interval).await;
        for (who, values) in [("afterwards", &afterwards), ("SQL", &sql)] {
            let differ = live.iter().find(|&(end, said)| values.get(end) != Some(said));
            assert!(
                differ.is_none(),
                "{name} {}: {who} says {:?}, not {differ:?}",
                interval.name,
                differ.map(|(end, _)| values.get(end))
            );
        }
        let (compared, known) = (live.len(), live.values().flatten().flatten().count());
        println!("{name} {}: {compared} of {} bars, {known} values, 0 differ", interval.name, bars.len());
        // The last ones have not settled.
        assert!(10 * (compared + 2) >= 9 * bars.len(), "{compared} of {}", bars.len());
        // Begun a bar later they would differ.
        let later = self.afterwards(&bars[1..], interval);
        assert!(live.iter().any(|(end, said)| later.get(end).is_some_and(|values| values != said)), "{name}");
        compared
    }
}

const SECONDS: Interval = INTERVALS[0];
/// Bars of a second are not stored; trades are.
const SECONDS_OF_TRADES: &str = "(select symbol, source, '1s' as \"interval\", date_bin(interval '1 second', venue_ts) as ts, \
    first_value(price order by seq) as open, max(price) as high, min(price) as low, \
    last_value(price order by seq) as close, sum(qty) as volume from trades group by 1, 2, 3, 4)";

/// A day of trades as a tape: lines of milliseconds since midnight, price in ten-thousandths, size, and what else there is.
fn tape_of_trades(zip: &Path, tape: &Path) {
    // 2013-10-07 in New York.
    const MIDNIGHT: i64 = 1_381_118_400_000_000_000;
    let bytes = std::fs::read(zip).unwrap();
    // The head of the only file in it, of 30 bytes, ends with the lengths of a name and of what follows that.
    let length = |at: usize| usize::from(u16::from_le_bytes([bytes[at], bytes[at + 1]]));
    let lines = BufReader::new(DeflateDecoder::new(&bytes[30 + length(26) + length(28)..]));
    let (mut recorder, _) = Recorder::open(tape, config().bounds()).unwrap();
    let mut engine = Engine::new(Market::new(config().bounds()), 0, Nanos::ZERO);
    let spot = Catalog::built_in().unwrap().kite("SPY", Decimals { price: 4, qty: 0 });
    let begins = [
        Input::Config { hash: config().hash(), seed: 0, version: VERSION.to_owned() },
        Input::Define { id: ID, instrument: Box::new(spot) },
    ];
    let trades = lines.lines().zip(1..).map(|(line, trade_id)| {
        let line = line.unwrap();
        let mut numbers = line.split(',').map(|cell| cell.parse::<i64>().unwrap_or(0));
        let mut next = || numbers.next().unwrap();
        let ts = Nanos::new(MIDNIGHT + next() * 1_000_000);
        let price = Price::from_raw(next() * 10i64.pow(Price::SCALE.into()) / 10_000).unwrap();
        let qty = Qty::from_raw(next() * 10i64.pow(Qty::SCALE.into())).unwrap();
        let body = Body::Trade { side: Side::Bid, price, qty, trade_id };
        Input::Event(Event { id: ID, flags: Flags::LAST, venue_ts: ts, receive_ts: ts, body })
    });
    for input in begins.into_iter().chain(trades) {
        let ts = if let Input::Event(event) = &input { event.receive_ts } else { Nanos::new(MIDNIGHT) };
        engine.input(ts, &input, &mut recorder).unwrap();
    }
    recorder.finish().unwrap();
}

#[tokio::test]
async fn a_market_its_replay_its_bars_and_sql_say_the_same() {
    let Some(data) = std::env::var_os("TIDEGATE_MARKET_DATA").map(PathBuf::from) else {
        println!("left out, as TIDEGATE_MARKET_DATA is not set");
        return;
    };
    let folder = tempfile::tempdir().unwrap();
    let spy = folder.path().join("spy");
    tape_of_trades(&data.join("us_ticks/spy_20131007_trade.zip"), &spy);
    let both = |of: &str| [8, 9].map(|day| data.join(format!("{of}_2024080{day}.gz"))).to_vec();
    let spot = both("binance_spot/spot_btcusdt");
    let coinm = both("binance_coinm/cm_btcusd_perp");
    let mut compared = 0;
    for watched in [
        Watched { name: "BTCUSDT", format: Format::BinanceSpot, paths: spot, values: SHORT },
        Watched { name: "BTCUSD_PERP", format: Format::BinanceCoinm, paths: coinm, values: SHORT },
        Watched { name: "SPY", format: Format::Tidegate, paths: vec![spy], values: LONG },
    ] {
        for interval in [SECONDS, INTERVALS[1]] {
            compared += watched.agrees(interval).await;
        }
    }
    println!("{compared} bars of seconds and minutes");
}
