use super::*;
use crate::book::Book;
use crate::instrument::tests::spot;
use crate::market::Bounds;
use rand::{Rng, RngExt, SeedableRng};
use rand_pcg::Pcg64Mcg;

const ID: InstrumentId = InstrumentId(1);

fn stream() -> Stream {
    let bounds =
        Bounds { book_levels_max: 30, bars_max: 1, trades_max: 32, instruments_max: 2, stale_after: Nanos::SECOND };
    Stream::new(Arc::new(spot("B:X")), &bounds)
}

fn nanos(rng: &mut impl Rng) -> Nanos {
    Nanos::new(rng.random_range(i64::MIN + 1..=i64::MAX))
}

fn price(rng: &mut impl Rng) -> Price {
    let limit = crate::price::RAW_LIMIT;
    let raw = if rng.random() { rng.random_range(-20..20) } else { rng.random_range(-limit + 1..limit) };
    Price::from_raw(raw).unwrap()
}

/// A stream with anything in it that a stream can hold.
fn any_stream(rng: &mut impl Rng) -> Stream {
    let mut stream = stream();
    stream.book_sequence = rng.random::<bool>().then(|| rng.random());
    stream.states = array::from_fn(|_| StreamState::ALL[rng.random_range(0..6)]);
    stream.last_event = array::from_fn(|_| rng.random::<bool>().then(|| nanos(rng)));
    stream.last_trade = rng.random::<bool>().then(|| LastTrade {
        price: price(rng),
        qty: Qty::from_raw(rng.random_range(1..1 << 50)).unwrap(),
        side: Side::BOTH[rng.random_range(0..2)],
        trade_id: rng.random(),
        venue_ts: rng.random::<bool>().then(|| nanos(rng)),
        receive_ts: nanos(rng),
    });
    for _ in 0..rng.random_range(0..60) {
        let qty = Qty::from_raw(rng.random_range(0..1 << 50)).unwrap();
        let level = Level { price: price(rng), qty, orders: rng.random() };
        stream.book.set(Side::BOTH[rng.random_range(0..2)], level);
        if rng.random_range(0..10) == 0 {
            stream.book.complete_snapshot();
        }
    }
    stream
}

fn assert_shows(got: &Snapshot, stream: &Stream, seq: u64, ts: Nanos) {
    assert_eq!((got.seq, got.ts, got.book_sequence), (seq, ts, stream.book_sequence));
    assert_eq!(got.last_event, stream.last_event);
    for family in Family::ALL {
        assert_eq!(got.state(family), stream.state(family));
    }
    for side in Side::BOTH {
        assert_eq!(got.side(side).known_to, stream.book.known_to(side));
        assert!(stream.book.depth(side, BOARD_LEVELS).eq(got.side(side).levels().iter().copied()));
    }
    let trade = stream.last_trade.map(|trade| (trade.price, trade.qty, trade.side, trade.venue_ts));
    assert_eq!(got.last_trade.map(|it| (it.price, it.qty, it.side, (!it.is_received).then_some(it.ts))), trade);
}

#[test]
fn what_is_read_is_what_was_published() {
    let count = crate::cases::count(200_000, 2_000_000);
    let mut rng = Pcg64Mcg::seed_from_u64(8);
    let (mut writer, reader) = board(2);
    for _ in 0..count {
        let (stream, seq, ts) = (any_stream(&mut rng), rng.random(), nanos(&mut rng));
        writer.publish(ID, &stream, seq, ts);
        assert_shows(&reader.read(ID).unwrap(), &stream, seq, ts);
        // The same book under other trades, times and states: its words stay as they are.
        let (mut later, seq) = (any_stream(&mut rng), rng.random());
        later.book = stream.book;
        later.book.note_shown();
        writer.publish(ID, &later, seq, ts);
        assert_shows(&reader.read(ID).unwrap(), &later, seq, ts);
    }
    println!("{count} random streams published and read: 0 differences");
}

#[test]
fn a_slot_that_was_not_written_and_one_that_is_not_there_say_so() {
    let (mut writer, reader) = board(2);
    assert_eq!(reader.read(ID), Err(Unread::Unpublished(1)));
    writer.publish(ID, &stream(), 7, Nanos::ZERO);
    assert_eq!(reader.read(ID).map(|snapshot| snapshot.seq), Ok(7));
    writer.publish(InstrumentId(2), &stream(), 8, Nanos::ZERO);
    assert_eq!(reader.read(InstrumentId(2)), Err(Unread::Unpublished(2)));
    assert_eq!(reader.read(InstrumentId(0)), Err(Unread::Unpublished(0)));
}

#[test]
fn the_best_level_is_shown_only_where_it_is_known() {
    let level = |raw| Level { price: Price::from_raw(raw).unwrap(), qty: Qty::from_raw(1).unwrap(), orders: 0 };
    let mut stream = stream();
    let mut book = Book::new(5, None);
    book.set(Side::Bid, level(9));
    book.set(Side::Ask, level(11));
    book.complete_snapshot();
    stream.book = book;
    let top = Snapshot::new(&stream, 1, Nanos::ZERO).top();
    assert_eq!((top.bid, top.ask), (Some(level(9)), Some(level(11))));
    stream.book.set(Side::Bid, level(3));
    stream.book.set(Side::Bid, Level { qty: Qty::ZERO, ..level(9) });
    assert_eq!(Snapshot::new(&stream, 1, Nanos::ZERO).top().bid, None, "a bid at 8 may stand unseen");
}

/// Streams change while others read: whatever is read is one published moment, and never an older one than
/// the last.
#[test]
fn readers_beside_a_writer_see_whole_moments_in_order() {
    let count = crate::cases::count(2_000_000, 20_000_000);
    let mut rng = Pcg64Mcg::seed_from_u64(9);
    let streams: Vec<Stream> = (0..64).map(|_| any_stream(&mut rng)).collect();
    let (mut writer, reader) = board(2);
    writer.publish(ID, &streams[0], 0, Nanos::ZERO);
    let is_over = std::sync::atomic::AtomicBool::new(false);
    let (over, set) = (std::sync::atomic::Ordering::Acquire, std::sync::atomic::Ordering::Release);
    let (moments, torn) = std::thread::scope(|scope| {
        let watch = || {
            let (mut moments, mut torn, mut latest, mut ends) = (0u64, 0u64, 0, false);
            // Once more after the last publication, which nobody disturbs.
            while !ends {
                ends = is_over.load(over);
                let Ok(got) = reader.read(ID) else {
                    torn += 1;
                    continue;
                };
                assert!(got.seq >= latest, "{} after {latest}", got.seq);
                latest = got.seq;
                assert_shows(&got, &streams[got.seq as usize % 64], got.seq, Nanos::new(got.seq as i64));
                moments += 1;
            }
            assert_eq!(latest, count - 1, "the last publication stays");
            (moments, torn)
        };
        let watchers = [scope.spawn(watch), scope.spawn(watch)];
        for seq in 1..count {
            writer.publish(ID, &streams[seq as usize % 64], seq, Nanos::new(seq as i64));
        }
        is_over.store(true, set);
        let sums = watchers.map(|watcher| watcher.join().unwrap());
        (sums[0].0 + sums[1].0, sums[0].1 + sums[1].1)
    });
    println!("{count} publications, {moments} reads: 0 torn; {torn} gave up after {READS_MAX} tries");
}
