use super::follower::Sizes;
use super::*;
use crate::tape::Recorder;
use arrow::array::AsArray;
use arrow::datatypes::{Int64Type, TimestampNanosecondType};
use rand::rngs::SmallRng;
use rand::{RngExt, SeedableRng};
use tidegate_core::{
    BarFlags, Body, Bounds, Engine, Event, Family, Flags, Gap, GapCause, INTERVALS, Input, InstrumentId, Market, Price,
    Qty, Settlement, Side, Terms,
};

pub(super) const BOUNDS: Bounds = Bounds {
    book_levels_max: 100,
    bars_max: 20_000,
    trades_max: 4,
    instruments_max: 8,
    stale_after: Nanos::new(5_000_000_000),
};
pub(super) const SIZES: Sizes = Sizes { tail_rows: 500, merged_at_once: 4 };
/// 2024-08-08T23:20 UTC.
const START: i64 = 1_723_159_200;

pub(super) fn instrument(number: u32) -> Instrument {
    Instrument {
        key: format!("NSE:S{}", number / 2),
        source: ["KITE", "ANGEL"][number as usize % 2].to_owned(),
        tick: None,
        lot: None,
        multiplier: None,
        settlement: Settlement::Linear,
        base: String::new(),
        quote: String::new(),
        price_decimals: 2,
        qty_decimals: 0,
        terms: Terms::default(),
        master_epoch_days: None,
    }
}

/// A market of `instruments` that trades, late and with gaps, a step every three seconds.
pub(super) struct Traded {
    pub(super) engine: Engine,
    chance: SmallRng,
    pub(super) steps: i64,
    instruments: u32,
}

impl Traded {
    pub(super) fn new(seed: u64) -> Traded {
        let engine = Engine::new(Market::new(BOUNDS), 0, Nanos::ZERO);
        Traded { engine, chance: SmallRng::seed_from_u64(seed), steps: 0, instruments: 5 }
    }

    pub(super) fn define(&mut self, recorder: &mut Recorder) {
        for number in 0..self.instruments {
            let define = Input::Define { id: InstrumentId(number), instrument: Box::new(instrument(number)) };
            self.engine.input(self.now(), &define, recorder).unwrap();
        }
    }

    pub(super) fn now(&self) -> Nanos {
        Nanos::new(START * Nanos::SECOND.raw() + self.steps * 3_000_000_000)
    }

    pub(super) fn step(&mut self, recorder: &mut Recorder) {
        self.steps += 1;
        let now = self.now();
        let id = InstrumentId(self.chance.random_range(0..self.instruments));
        let event = |flags, venue_ts, body| Input::Event(Event { id, flags, venue_ts, receive_ts: now, body });
        let late = if self.chance.random_bool(0.1) { self.chance.random_range(0..200) } else { 0 };
        let (price, qty) = (self.chance.random_range(1..90_000), self.chance.random_range(1..500));
        let (price, qty) = (Price::from_raw(price).unwrap(), Qty::from_raw(qty).unwrap());
        let input = match self.chance.random_range(0..100) {
            0 => Input::Gap(Gap { id: Some(id), family: Family::Trades, cause: GapCause::Sequence, from: 3, to: 4 }),
            1..60 => {
                let flags = if late % 7 == 1 { Flags::LAST.with(Flags::TIME_RECEIVED) } else { Flags::LAST };
                let at = Nanos::new(now.raw() - late * Nanos::SECOND.raw());
                event(flags, at, Body::Trade { side: Side::Ask, price, qty, trade_id: self.steps as u64 })
            }
            _ => event(Flags::LAST, now, Body::Level { side: Side::Bid, orders: 1, price, qty }),
        };
        self.engine.input(now, &input, recorder).unwrap();
    }
}

pub(super) fn query(store: &Store, text: &str) -> Vec<RecordBatch> {
    let runtime = Builder::new_current_thread().enable_all().build().unwrap();
    runtime.block_on(async {
        let context = store.session().await.unwrap();
        store.collect(context.sql(text).await.unwrap()).await.unwrap()
    })
}

/// Rows, distinct inputs, the first and the last.
pub(super) fn census(store: &Store) -> [i64; 4] {
    let rows =
        query(store, "select count(*), count(distinct seq), coalesce(min(seq), 1), coalesce(max(seq), 0) from events");
    std::array::from_fn(|column| rows[0].column(column).as_primitive::<Int64Type>().value(0))
}

/// Waits, as long as it takes, until queries see input `seq`.
fn wait_for(store: &Store, seq: u64) {
    while store.extent().seen < seq {
        std::thread::yield_now();
    }
}

/// The holes of SQL are those that a look at each two neighbours among the engine's bars finds.
fn check_holes(store: &Store, engine: &Engine) -> usize {
    let mut expect = BTreeSet::new();
    for (_, stream) in engine.market().streams() {
        for (interval, series) in INTERVALS.iter().zip(&stream.bars).skip(1) {
            let bars: Vec<&Bar> = series.iter().collect();
            for pair in bars.windows(2) {
                let (after, until) = (pair[0].start.plus(interval.span), pair[1].start);
                if after < until && pair.iter().all(|bar| bar.flags.has(BarFlags::INCOMPLETE)) {
                    let names = [&stream.instrument.key, &stream.instrument.source, interval.name];
                    expect.insert((names.map(str::to_owned), after.raw(), until.raw()));
                }
            }
        }
    }
    let mut found = BTreeSet::new();
    for batch in query(store, "select symbol, source, \"interval\", ts, until from holes") {
        let at = |column: usize, row| batch.column(column).as_primitive::<TimestampNanosecondType>().value(row);
        for row in 0..batch.num_rows() {
            let names = [0, 1, 2].map(|column| bar_rows::name(&batch, column, row).to_owned());
            assert!(found.insert((names, at(3, row), at(4, row))), "told twice");
        }
    }
    assert_eq!(found, expect);
    found.len()
}

fn check_bars(store: &Store, engine: &Engine) -> usize {
    let runtime = Builder::new_current_thread().enable_all().build().unwrap();
    let mut compared = 0;
    for (_, stream) in engine.market().streams() {
        for (interval, series) in INTERVALS.iter().zip(&stream.bars).skip(1) {
            let expect: Vec<Bar> = series.iter().copied().collect();
            let (from, to) = (Nanos::ZERO, Nanos::new(i64::MAX));
            let stored = runtime
                .block_on(store.bars(&[&*stream.instrument], *interval, from, to, usize::MAX))
                .unwrap()
                .remove(0);
            assert_eq!(stored, expect, "{} {}", stream.instrument, interval.name);
            compared += expect.len();
            let latest =
                runtime.block_on(store.bars(&[&*stream.instrument], *interval, from, to, 3)).unwrap().remove(0);
            assert_eq!(latest, expect[expect.len().saturating_sub(3)..]);
        }
    }
    compared
}

#[test]
fn every_input_is_seen_once_while_tail_recent_files_and_days_change() {
    let folder = tempfile::tempdir().unwrap();
    let (tape, parquet) = (folder.path().join("tape"), folder.path().join("parquet [1]?"));
    let store = Store::open(&parquet).unwrap();
    let mut market = Traded::new(1);
    let (mut recorder, _) = Recorder::open(&tape, BOUNDS).unwrap();
    let follower = Follower::start_with(store.clone(), &tape, BOUNDS, SIZES).unwrap();
    market.define(&mut recorder);
    let mut censuses = 0;
    // Two and a half days.
    for step in 0..70_000 {
        market.step(&mut recorder);
        if step % 7_000 == 0 {
            let [rows, distinct, first, last] = census(&store);
            assert_eq!((rows, distinct, first), (last, last, 1), "at step {step}");
            censuses += 1;
        }
    }
    let last = market.engine.seq();
    recorder.finish().unwrap();
    let read = Store::read(&parquet, &tape, BOUNDS).unwrap();
    assert_eq!(census(&read), [last as i64, last as i64, 1, last as i64], "as another process reads it");
    wait_for(&store, last);
    assert_eq!(census(&store), [last as i64, last as i64, 1, last as i64]);
    let extent = store.extent();
    assert!(extent.days >= 2, "{extent:?}");
    let (bars, holes) = (check_bars(&store, &market.engine), check_holes(&store, &market.engine));
    assert!(holes > 0);
    follower.finish().unwrap();
    assert_eq!(store.extent().hot_rows, 0, "everything is in files");
    assert_eq!(census(&store), [last as i64, last as i64, 1, last as i64]);
    check_bars(&store, &market.engine);
    let sorted = query(&store, "select symbol from events where symbol = 'NSE:S1' and source = 'KITE' and kind = 2");
    let trades = query(&store, "select count(*) from trades where symbol = 'NSE:S1' and source = 'KITE'");
    let count = sorted.iter().map(RecordBatch::num_rows).sum::<usize>();
    assert_eq!(trades[0].column(0).as_primitive::<Int64Type>().value(0), count as i64);
    assert_eq!(
        count as u64,
        market.engine.market().stream(InstrumentId(2)).unwrap().bars[8].iter().map(|bar| bar.trades).sum::<u64>()
    );
    println!("{last} inputs, {censuses} censuses while they came, {bars} bars and {holes} holes equal to the engine's");
}

#[test]
fn it_goes_on_where_it_was_however_it_ended() {
    let folder = tempfile::tempdir().unwrap();
    let (tape, parquet) = (folder.path().join("tape"), folder.path().join("parquet"));
    let mut market = Traded::new(2);
    let mut count = 0;
    for run in 0..6 {
        let (mut recorder, recovered) = Recorder::open(&tape, BOUNDS).unwrap();
        let store = Store::open(&parquet).unwrap();
        let follower = Follower::start_with(store.clone(), &tape, BOUNDS, SIZES).unwrap();
        match recovered {
            None => market.define(&mut recorder),
            Some(recovered) => {
                market.engine = recovered.engine;
                market.engine.restart(recovered.highest_seq, &mut recorder).unwrap();
            }
        }
        (0..9_000).for_each(|_| market.step(&mut recorder));
        let last = market.engine.seq();
        recorder.finish().unwrap();
        if run % 2 == 0 {
            // As after a kill: what was in memory alone is gone, and half-written files lie about.
            wait_for(&store, last);
            let kept = Catalogue::read(&parquet).unwrap();
            follower.finish().unwrap();
            for part in &Catalogue::read(&parquet).unwrap().parts {
                if !kept.parts.contains(part) && part.first > kept.last_seq {
                    fs::rename(part.path(&parquet), part.path(&parquet).with_extension("parquet.new")).unwrap();
                }
            }
            if kept.parts.iter().all(|part| part.path(&parquet).exists()) {
                kept.write(&parquet).unwrap();
            }
            count += 1;
        } else {
            follower.finish().unwrap();
        }
    }
    let store = Store::open(&parquet).unwrap();
    let (recorder, recovered) = Recorder::open(&tape, BOUNDS).unwrap();
    recorder.finish().unwrap();
    let follower = Follower::start_with(store.clone(), &tape, BOUNDS, SIZES).unwrap();
    let engine = recovered.unwrap().engine;
    wait_for(&store, engine.seq());
    let [rows, distinct, first, last] = census(&store);
    assert_eq!((rows, first, last as u64), (distinct, 1, engine.seq()));
    let mut inputs = 0;
    crate::tape::TapeReader::open(&tape, |_| {})
        .unwrap()
        .for_each(|_, _, _| {
            inputs += 1;
            Ok::<(), crate::tape::TapeError>(())
        })
        .unwrap();
    assert_eq!(rows, inputs, "as many as the tape holds");
    let bars = check_bars(&store, &engine);
    follower.finish().unwrap();
    println!("{inputs} inputs, {count} of 6 runs cut off, {bars} bars equal to the engine's");
}

#[test]
fn a_past_is_stored_once_and_lies_before_the_tape() {
    let folder = tempfile::tempdir().unwrap();
    let store = Store::open(folder.path()).unwrap();
    let price = Price::from_raw(5).unwrap();
    let bar = |start: i64, close: i64| Bar {
        start: Nanos::new(start),
        open: price,
        high: price,
        low: price,
        close: Price::from_raw(close).unwrap(),
        volume: 7,
        trades: 1,
        revision: 0,
        flags: tidegate_core::BarFlags::CLOSED,
    };
    let minute = INTERVALS[1];
    let past = |close| vec![(instrument(0), vec![(minute, vec![bar(0, close), bar(minute.span.raw(), close)])])];
    store.add_pasts(past(5).into_iter()).unwrap();
    assert!(store.has_past("NSE:S0") && !store.has_past("NSE:S1"));
    store.add_pasts(past(6).into_iter()).unwrap();
    let store = Store::open(folder.path()).unwrap();
    let runtime = Builder::new_current_thread().enable_all().build().unwrap();
    let to = Nanos::new(i64::MAX);
    let bars = runtime.block_on(store.bars(&[&instrument(0)], minute, Nanos::new(1), to, 10)).unwrap().remove(0);
    assert_eq!(bars, [bar(minute.span.raw(), 5)], "it is never rewritten");
    let rows = query(&store, "select count(*) from bars where symbol = 'NSE:S0' and \"interval\" = '1m'");
    assert_eq!(rows[0].column(0).as_primitive::<Int64Type>().value(0), 2);
}

#[test]
fn the_oldest_is_given_up_and_nothing_that_is_not_stored() {
    let folder = tempfile::tempdir().unwrap();
    let (tape, parquet) = (folder.path().join("tape"), folder.path().join("parquet"));
    let mut market = Traded::new(3);
    let (mut recorder, _) = Recorder::open(&tape, BOUNDS).unwrap();
    let store = Store::open(&parquet).unwrap();
    market.define(&mut recorder);
    (0..60_000).for_each(|_| market.step(&mut recorder));
    recorder.finish().unwrap();
    let hours = crate::tape::segments(&tape).unwrap().len();
    let everything = Retention { tape: Some(Nanos::ZERO), days: Some(Nanos::ZERO), bytes_max: 0 };
    let nothing = store.retain(&tape, &everything, market.now()).unwrap();
    assert_eq!((nothing.segments, nothing.days), (0, 0), "nothing of the tape is in the store yet");
    Follower::start_with(store.clone(), &tape, BOUNDS, SIZES).unwrap().finish().unwrap();
    let all = store.retain(&tape, &Retention { tape: None, days: None, bytes_max: u64::MAX }, market.now()).unwrap();
    assert_eq!((all.segments, all.days), (0, 0));
    let day = Retention { tape: Some(DAY), days: None, bytes_max: u64::MAX };
    let a_day = store.retain(&tape, &day, market.now()).unwrap();
    let left = crate::tape::segments(&tape).unwrap().len();
    assert!(a_day.segments == hours - left && (24..=26).contains(&left), "{left} of {hours} hours are left");
    let less = store.retain(&tape, &Retention { bytes_max: all.bytes / 2, ..day }, market.now()).unwrap();
    assert!(less.bytes <= all.bytes / 2 && less.segments > 0, "{less:?} of {all:?}");
    let rest = store.retain(&tape, &everything, market.now()).unwrap();
    assert_eq!((crate::tape::segments(&tape).unwrap().len(), store.extent().days), (1, 0), "{rest:?}");
    let [rows, distinct, _, last] = census(&store);
    assert!(rows == distinct && last as u64 == market.engine.seq(), "what is left is whole");
    assert_eq!(
        crate::tape::segment_hour(Path::new("x/20240808T23-0000000000000001.tape")),
        Some(Nanos::new(1_723_158_000 * 1_000_000_000))
    );
}
