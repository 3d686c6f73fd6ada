//! Captured frames into messages: `decode/<venue>/<kind>`. Those of Angel One are made, as nobody has captured any.

use benches::captures::{self, Binance, Frame};
use benches::steps;
use criterion::{Criterion, Throughput};
use tidegate_feeds::kraken;

/// Packets in a frame of Kite.
const PACKETS: usize = 100;

fn bytes(frames: &[Frame]) -> Throughput {
    Throughput::Bytes(frames.iter().map(|(_, frame)| frame.len() as u64).sum())
}

fn main() {
    let mut criterion = Criterion::default().sample_size(20).configure_from_args();
    let mut group = criterion.benchmark_group("decode");
    for (market, capture) in [("binance_spot", Binance::Spot), ("binance_coin_m", Binance::CoinM)] {
        let Some(frames) = capture.frames(usize::MAX) else { return };
        for (name, kind) in [("depth", "@depth"), ("ticker", "@bookTicker"), ("trade", "rade\"")] {
            let is_kind = |text: &[u8]| text[..80.min(text.len())].windows(kind.len()).any(|at| at == kind.as_bytes());
            let frames: Vec<Frame> = frames.iter().filter(|(_, text)| is_kind(text)).cloned().collect();
            let mut levels = Vec::new();
            let expect = steps::decode_binance(&frames, &mut levels);
            group.throughput(bytes(&frames));
            group.bench_function(format!("{market}/{name}"), |bencher| {
                bencher.iter(|| assert_eq!(steps::decode_binance(&frames, &mut levels), expect));
            });
        }
    }
    let Some(frames) = captures::kraken_frames() else { return };
    let mut buffers = kraken::codec::Buffers::default();
    let mut decode = || {
        let levels = |frame: &Frame| {
            kraken::codec::decode(&frame.1, &mut buffers).expect("a captured frame");
            buffers.levels.len()
        };
        frames.iter().map(levels).sum::<usize>()
    };
    let expect = decode();
    group.throughput(bytes(&frames));
    group.bench_function("kraken/book", |bencher| bencher.iter(|| assert_eq!(decode(), expect)));
    let Some(frames) = captures::kite_frames(3_000, PACKETS) else { return };
    let expect = steps::decode_kite(&frames);
    assert_eq!(expect.1, 3_000);
    group.throughput(Throughput::Elements(3_000));
    group.bench_function("kite/full", |bencher| bencher.iter(|| assert_eq!(steps::decode_kite(&frames), expect)));
    let frames = captures::angel_frames(3_000);
    let expect = steps::decode_angel(&frames);
    assert_eq!(expect.1, 3_000 * 10);
    group.bench_function("angel/snap_quote", |bencher| {
        bencher.iter(|| assert_eq!(steps::decode_angel(&frames), expect));
    });
    group.finish();
    criterion.final_summary();
}
