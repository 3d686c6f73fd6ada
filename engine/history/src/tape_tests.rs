use super::recorder::WRITTEN_SEQ;
use super::recovery::recover;
use super::segment::{
    BLOCK_HEADER_BYTES, Block, HEAD_PART_BYTES, PREAMBLE_BYTES, SegmentError, SegmentReader, put_end, put_head,
    put_inputs, put_preamble,
};
use super::*;
use crate::cases;
use rand::rngs::SmallRng;
use rand::{RngExt, SeedableRng};
use std::fs;
use tidegate_core::frame::{RESTART_STRIDE, put_input};
use tidegate_core::{
    Body, Bounds, Digest, Engine, Event, Fact, Family, Flags, Input, Instrument, InstrumentId, Market, Price, Qty,
    Settlement, Side, Stamped, Terms,
};

pub(super) const BOUNDS: Bounds = Bounds {
    book_levels_max: 100,
    bars_max: 50,
    trades_max: 32,
    instruments_max: 4,
    stale_after: Nanos::new(5_000_000_000),
};
const ID: InstrumentId = InstrumentId(0);

pub(super) fn define() -> Input {
    let instrument = Instrument {
        key: "BINANCE:X".to_owned(),
        source: "BINANCE".to_owned(),
        tick: None,
        lot: None,
        multiplier: None,
        settlement: Settlement::Linear,
        base: String::new(),
        quote: String::new(),
        price_decimals: 2,
        qty_decimals: 5,
        terms: Terms::default(),
        master_epoch_days: None,
    };
    Input::Define { id: ID, instrument: Box::new(instrument) }
}

fn event(ts: Nanos, flags: Flags, body: Body) -> Input {
    Input::Event(Event { id: ID, flags, venue_ts: ts, receive_ts: ts, body })
}

pub(super) fn level(ts: Nanos, flags: Flags, price: i64, qty: i64) -> Input {
    let (price, qty) = (Price::from_raw(price).unwrap(), Qty::from_raw(qty).unwrap());
    event(ts, flags, Body::Level { side: Side::Bid, orders: 0, price, qty })
}

/// A market's day in miniature: a snapshot, then `messages` changes and trades, one a second.
pub(super) fn feed(engine: &mut Engine, recorder: &mut Recorder, from_second: i64, messages: i64) {
    let second = |n: i64| Nanos::new((from_second + n) * Nanos::SECOND.raw());
    let start = second(0);
    let mut inputs = vec![
        (start, define()),
        (start, Input::State { id: ID, family: Family::Book, fact: Fact::Subscribed }),
        (start, event(start, Flags::SNAPSHOT, Body::Clear)),
    ];
    inputs.extend((1..20).map(|price| (start, level(start, Flags::SNAPSHOT, price, 1))));
    inputs.push((start, level(start, Flags::SNAPSHOT.with(Flags::LAST), 20, 1)));
    inputs.push((start, Input::State { id: ID, family: Family::Book, fact: Fact::SnapshotComplete }));
    for n in 1..=messages {
        let ts = second(n);
        inputs.push((ts, event(ts, Flags::NONE, Body::Message { first: n as u64, last: n as u64 })));
        inputs.push((ts, level(ts, Flags::NONE, n % 17 + 5, n % 3)));
        inputs.push((ts, level(ts, Flags::LAST, n % 13 + 5, 7)));
        let (price, qty) = (Price::from_raw(n % 9 + 1).unwrap(), Qty::from_raw(n).unwrap());
        inputs.push((ts, event(ts, Flags::LAST, Body::Trade { side: Side::Ask, price, qty, trade_id: n as u64 })));
    }
    for (ts, input) in inputs {
        engine.input(ts, &input, recorder).unwrap();
    }
}

pub(super) fn fresh() -> Engine {
    Engine::new(Market::new(BOUNDS), 0, Nanos::ZERO)
}

pub(super) fn replay(path: &Path) -> (Digest, Vec<u64>) {
    let mut engine = fresh();
    let mut seqs = Vec::new();
    let reader = TapeReader::open(path, |_| {}).unwrap();
    reader.replay_all(&mut engine, &mut |_: &Market, stamped: Stamped<'_>| seqs.push(stamped.seq)).unwrap();
    (engine.market().digest(), seqs)
}

pub(super) fn record(folder: &Path, messages: i64) -> (Engine, RecorderReport) {
    let (mut recorder, recovered) = Recorder::open(folder, BOUNDS).unwrap();
    assert!(recovered.is_none());
    let mut engine = fresh();
    // Ten seconds before the hour, so that a second segment begins.
    feed(&mut engine, &mut recorder, 1_723_160_000 / 3_600 * 3_600 - 10, messages);
    (engine, recorder.finish().unwrap())
}

/// A tape that reaches from ten seconds before midnight into the next day.
pub(crate) fn record_one_day(folder: &Path) {
    let (mut recorder, _) = Recorder::open(folder, BOUNDS).unwrap();
    feed(&mut fresh(), &mut recorder, 1_723_161_600 - 10, 30);
    recorder.finish().unwrap();
}

#[test]
fn what_was_recorded_is_replayed_from_the_start_and_from_any_head() {
    let folder = tempfile::tempdir().unwrap();
    let (engine, report) = record(folder.path(), 30);
    let segments = segments(folder.path()).unwrap();
    assert_eq!(segments.len(), 2, "one an hour");
    let (digest, seqs) = replay(folder.path());
    assert_eq!(digest, engine.market().digest());
    assert_eq!(seqs, (1..=engine.seq()).collect::<Vec<_>>());
    assert_eq!((report.written_seq, report.inputs), (engine.seq(), engine.seq()));
    let published = fs::read_to_string(folder.path().join(WRITTEN_SEQ)).unwrap();
    assert_eq!(published.trim().parse::<u64>().unwrap(), engine.seq());
    let (from_head, tail) = replay(&segments[1]);
    assert_eq!(from_head, digest, "the second segment alone comes to the same state");
    assert!(tail.len() < seqs.len() && tail.last() == seqs.last());
}

#[test]
fn a_folder_with_a_tape_is_continued_after_a_gap() {
    let folder = tempfile::tempdir().unwrap();
    let (before, _) = record(folder.path(), 30);
    let (mut recorder, recovered) = Recorder::open(folder.path(), BOUNDS).unwrap();
    let Recovered { mut engine, highest_seq, cut_bytes } = recovered.unwrap();
    assert_eq!((engine.market().digest(), engine.seq(), cut_bytes), (before.market().digest(), before.seq(), 0));
    assert_eq!(highest_seq, before.seq());
    engine.restart(highest_seq, &mut recorder).unwrap();
    feed(&mut engine, &mut recorder, 1_723_160_000, 5);
    recorder.finish().unwrap();
    let (digest, seqs) = replay(folder.path());
    assert_eq!(digest, engine.market().digest());
    assert!(seqs.is_sorted_by(|a, b| a < b), "no seq twice");
    assert_eq!(seqs[before.seq() as usize], before.seq() + RESTART_STRIDE + 1);
}

#[test]
fn a_half_written_block_is_cut_off_and_a_damaged_one_is_not() {
    let folder = tempfile::tempdir().unwrap();
    let (engine, _) = record(folder.path(), 30);
    let last = segments(folder.path()).unwrap().pop().unwrap();
    let whole = fs::read(&last).unwrap();
    fs::write(&last, &whole[..whole.len() - 25]).unwrap();
    let (_, readable) = replay(folder.path());
    assert!(!readable.is_empty() && readable.last() < Some(&engine.seq()), "read up to the half-written block");
    let recovered = recovery::recover(folder.path(), BOUNDS).unwrap().unwrap();
    assert!(recovered.cut_bytes > 0 && recovered.engine.seq() < engine.seq());
    assert_eq!(recovered.highest_seq, engine.seq(), "what was published is never given out again");
    assert_eq!(replay(folder.path()).0, recovered.engine.market().digest());
    let mut damaged = whole;
    let middle = damaged.len() / 2;
    damaged[middle] ^= 1;
    fs::write(&last, &damaged).unwrap();
    let error = recovery::recover(folder.path(), BOUNDS).unwrap_err();
    assert!(matches!(error, TapeError::Segment { source: SegmentError::Checksum { .. }, .. }), "{error}");
    assert_eq!(fs::read(&last).unwrap(), damaged, "nothing was cut");
}

#[test]
fn a_changed_length_in_a_closed_segment_is_damage_and_nothing_is_cut() {
    let folder = tempfile::tempdir().unwrap();
    record(folder.path(), 30);
    let last = segments(folder.path()).unwrap().pop().unwrap();
    let whole = fs::read(&last).unwrap();
    for bit in 0..32 {
        let mut damaged = whole.clone();
        damaged[segment::PREAMBLE_BYTES + bit / 8] ^= 1 << (bit % 8);
        fs::write(&last, &damaged).unwrap();
        assert!(recovery::recover(folder.path(), BOUNDS).is_err(), "bit {bit}");
        assert_eq!(fs::read(&last).unwrap().len(), whole.len(), "bit {bit}");
    }
}

#[test]
fn a_block_that_is_missing_as_a_whole_is_told() {
    let folder = tempfile::tempdir().unwrap();
    record(folder.path(), 30);
    let first = segments(folder.path()).unwrap().swap_remove(0);
    let bytes = fs::read(&first).unwrap();
    let mut reader = SegmentReader::new(&bytes[..]).unwrap();
    reader.next_block().unwrap();
    let head_end = reader.offset() as usize;
    reader.next_block().unwrap();
    let block_end = reader.offset() as usize;
    fs::write(&first, [&bytes[..head_end], &bytes[block_end..]].concat()).unwrap();
    let result = TapeReader::open(folder.path(), |_| {}).unwrap().for_each(|_, _, _| Ok::<(), TapeError>(()));
    assert!(matches!(result, Err(TapeError::Hole { .. })), "{result:?}");
}

#[test]
fn a_senseless_published_number_is_ignored() {
    let folder = tempfile::tempdir().unwrap();
    let (engine, _) = record(folder.path(), 30);
    for text in ["18446744073709551615", "99999999999999999", "x", ""] {
        fs::write(folder.path().join(WRITTEN_SEQ), text).unwrap();
        let recovered = recovery::recover(folder.path(), BOUNDS).unwrap().unwrap();
        assert_eq!(recovered.highest_seq, engine.seq(), "{text:?}");
    }
}

#[test]
fn a_recorder_that_is_dropped_writes_what_it_has() {
    let folder = tempfile::tempdir().unwrap();
    let (mut recorder, _) = Recorder::open(folder.path(), BOUNDS).unwrap();
    let mut engine = fresh();
    feed(&mut engine, &mut recorder, 1_723_160_000, 20);
    drop(recorder);
    assert_eq!(replay(folder.path()).1.last(), Some(&engine.seq()));
}

#[test]
fn two_recorders_do_not_share_a_folder() {
    let folder = tempfile::tempdir().unwrap();
    let (recorder, _) = Recorder::open(folder.path(), BOUNDS).unwrap();
    assert!(matches!(Recorder::open(folder.path(), BOUNDS), Err(TapeError::Locked(_))));
    recorder.finish().unwrap();
    assert!(Recorder::open(folder.path(), BOUNDS).is_ok());
}

#[test]
fn a_folder_that_cannot_be_written_is_an_error() {
    assert!(matches!(Recorder::open(Path::new("/proc/nowhere"), BOUNDS), Err(TapeError::Io { .. })));
    assert!(matches!(segments(Path::new("/nowhere")), Err(TapeError::Io { .. })));
    let empty = tempfile::tempdir().unwrap();
    assert!(matches!(segments(empty.path()), Err(TapeError::Empty(_))));
}

#[test]
fn segments_are_named_by_their_hour_and_first_seq() {
    let ts = Nanos::new(1_723_161_253_937_085_768);
    assert_eq!(segment_name(ts, 7), "20240808T23-0000000000000007.tape");
    assert_eq!(first_seq(Path::new("a/20240808T23-0000001000000007.tape")), Some(1_000_000_007));
}

/// The segment at `path` with its head cut into parts of one frame each.
fn with_head_in_parts(path: &Path) -> Vec<u8> {
    let bytes = fs::read(path).unwrap();
    let mut reader = SegmentReader::new(&bytes[..]).unwrap();
    let Some((Block::Head { next_seq, is_first: true }, frames)) = reader.next_block().unwrap() else {
        panic!("no head")
    };
    let mut parts = Vec::new();
    put_preamble(&mut parts);
    put_head(next_seq, frames, 1, &mut parts).unwrap();
    parts.extend_from_slice(&bytes[usize::try_from(reader.offset()).unwrap()..]);
    parts
}

#[test]
fn a_head_in_many_parts_is_one_state() {
    let folder = tempfile::tempdir().unwrap();
    record(folder.path(), 30);
    let last = segments(folder.path()).unwrap().pop().unwrap();
    let whole = replay(&last);
    let parts = with_head_in_parts(&last);
    let heads = |bytes: &[u8]| {
        let mut reader = SegmentReader::new(bytes).unwrap();
        let is_head = |reader: &mut SegmentReader<_>| matches!(reader.next_block(), Ok(Some((Block::Head { .. }, _))));
        std::iter::from_fn(|| is_head(&mut reader).then_some(())).count()
    };
    assert_eq!((heads(&fs::read(&last).unwrap()), heads(&parts)), (1, 2), "a Define and its state");
    let in_order = replay(folder.path());
    fs::write(&last, &parts).unwrap();
    assert_eq!(replay(&last), whole);
    assert_eq!(replay(folder.path()), in_order);
    assert_eq!(recover(folder.path(), BOUNDS).unwrap().unwrap().engine.market().digest(), whole.0);
}

#[test]
fn a_segment_of_version_1_is_read() {
    let mut bytes = small_segment();
    bytes[8] = 1;
    let mut at = PREAMBLE_BYTES;
    while at < bytes.len() {
        let length = u32::from_le_bytes(bytes[at..at + 4].try_into().unwrap()) as usize;
        let end = at + BLOCK_HEADER_BYTES + length;
        let crc = crc32c::crc32c(&bytes[at + 8..end]);
        bytes[at + 4..at + 8].copy_from_slice(&crc.to_le_bytes());
        at = end;
    }
    assert!(read(&bytes).unwrap());
    bytes[8] = 2;
    assert!(matches!(read(&bytes), Err(SegmentError::Checksum { .. })), "the version is covered");
    bytes[8] = 3;
    assert!(matches!(read(&bytes), Err(SegmentError::Version(3))));
}

/// A closed segment of two blocks, as small as they come.
fn small_segment() -> Vec<u8> {
    let mut frames = Vec::new();
    put_input(Nanos::ZERO, &define(), &mut frames);
    let mut bytes = Vec::new();
    put_preamble(&mut bytes);
    put_head(1, &[], HEAD_PART_BYTES, &mut bytes).unwrap();
    put_inputs(1, 1, &frames, &mut bytes).unwrap();
    frames.clear();
    put_input(Nanos::ZERO, &level(Nanos::ZERO, Flags::LAST, 5, 6), &mut frames);
    put_input(Nanos::ZERO, &Input::Time, &mut frames);
    put_inputs(2, 2, &frames, &mut bytes).unwrap();
    put_end(4, &mut bytes);
    bytes
}

/// Reads everything; `Ok(true)` where the segment is whole and closed.
fn read(bytes: &[u8]) -> Result<bool, SegmentError> {
    let mut reader = SegmentReader::new(bytes)?;
    let mut inputs = 0;
    while let Some((block, _)) = reader.next_block()? {
        if let Block::Inputs { count, .. } = block {
            inputs += count;
        }
    }
    Ok(reader.is_closed() && inputs == 3)
}

#[test]
fn every_cut_and_every_single_changed_bit_is_found() {
    let bytes = small_segment();
    assert!(read(&bytes).unwrap());
    for end in 0..bytes.len() {
        assert!(!read(&bytes[..end]).unwrap_or(false), "cut at {end}");
    }
    for bit in 0..bytes.len() * 8 {
        let mut changed = bytes.clone();
        changed[bit / 8] ^= 1 << (bit % 8);
        assert!(read(&changed).is_err(), "bit {bit}");
    }
}

#[test]
fn seeded_damage_is_found() {
    let bytes = small_segment();
    let cases = cases::count(1_000_000, 10_000_000);
    let mut rng = SmallRng::seed_from_u64(7);
    for case in 0..cases {
        let mut changed = bytes.clone();
        for _ in 0..rng.random_range(1..4) {
            let at = rng.random_range(0..changed.len());
            changed[at] = rng.random();
        }
        if rng.random_ratio(1, 4) {
            changed.truncate(rng.random_range(0..changed.len()));
        }
        assert!(changed == bytes || !read(&changed).unwrap_or(false), "case {case}");
    }
    println!("{cases} damaged segments, 0 unnoticed");
}
