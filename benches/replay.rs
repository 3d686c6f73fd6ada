//! A captured Binance message from its frame to the book: `replay/frame_to_book`.
//!
//! Reads the spot capture below `TIDEGATE_MARKET_DATA`; without it there is nothing to measure.

use criterion::{Criterion, Throughput};
use std::fs::File;
use std::path::PathBuf;
use tidegate_core::{Bounds, Engine, InstrumentId, Market, Nanos, Stamped};
use tidegate_feeds::binance::{self, BinanceSession};
use tidegate_feeds::capture::{Line, Reader};
use tidegate_feeds::catalog::Catalog;
use tidegate_feeds::{FrameError, Payload, Session};

const BOUNDS: Bounds = Bounds {
    book_levels_max: 8_192,
    bars_max: 500,
    trades_max: 32,
    instruments_max: 16,
    stale_after: Nanos::new(5_000_000_000),
};
/// Frames of one iteration: a few seconds of market, so that Criterion gets its samples in time.
const FRAMES: usize = 20_000;

fn frames(path: PathBuf) -> Vec<(Nanos, Vec<u8>)> {
    let mut reader = Reader::new(File::open(path).expect("the capture is there")).expect("it can be read");
    let mut frames = Vec::new();
    while let Some(line) = reader.next_line().expect("it is whole") {
        if let Line::Frame { receive_ts, frame } = line {
            frames.push((receive_ts, frame.to_vec()));
        }
        if frames.len() == FRAMES {
            break;
        }
    }
    frames
}

fn replay(frames: &[(Nanos, Vec<u8>)], catalog: &Catalog) -> Engine {
    let mut engine = Engine::new(Market::new(BOUNDS), 0, Nanos::ZERO);
    let mut session = BinanceSession::new(binance::Market::Spot);
    let mut inputs = Vec::new();
    for (receive_ts, frame) in frames {
        inputs.clear();
        if let Err(FrameError::UnknownSymbol { symbol, decimals }) =
            session.handle_message(*receive_ts, Payload::Text(frame), &mut inputs)
        {
            let (id, instrument) = (InstrumentId(0), catalog.binance(binance::Market::Spot, &symbol, decimals));
            inputs.push(tidegate_core::Input::Define { id, instrument: Box::new(instrument.clone()) });
            session.add(&symbol, id, instrument);
            session.assume_subscribed(&symbol, &mut inputs);
            session.handle_message(*receive_ts, Payload::Text(frame), &mut inputs).expect("a frame of the capture");
        }
        for input in &inputs {
            engine.input(*receive_ts, input, &mut |_: &Market, _: Stamped<'_>| {}).expect("an input of the session");
        }
    }
    engine
}

fn main() {
    let Some(data) = std::env::var_os("TIDEGATE_MARKET_DATA").map(PathBuf::from) else { return };
    let frames = frames(data.join("binance_spot/spot_btcusdt_20240808.gz"));
    let catalog = Catalog::built_in().expect("the built-in catalogue");
    let events = replay(&frames, &catalog).market().counters().events;
    let mut criterion = Criterion::default().sample_size(20).configure_from_args();
    let mut group = criterion.benchmark_group("replay");
    group.throughput(Throughput::Elements(events));
    group.bench_function("frame_to_book", |bencher| {
        bencher.iter(|| {
            let engine = replay(&frames, &catalog);
            assert_eq!(engine.market().counters().gaps, 0);
            engine
        });
    });
    group.finish();
    criterion.final_summary();
}
