use super::*;
use proptest::prelude::*;
use tidegate_core::{BarFlags, Bounds, Engine, INTERVALS, Market, Stamped};

type Packet = super::Packet<10>;
type Depth = super::Depth<10>;

const ALL: &[Family] = &[Family::Book, Family::Trades, Family::Statistics];

/// 2021-07-05 10:41:27 IST.
const NOW: i64 = 1_625_461_887;

fn price(units: i64) -> Price {
    Price::from_raw(units * 1_000_000_000).unwrap()
}

fn qty(units: i64) -> Qty {
    Qty::from_raw(units * 100_000_000).unwrap()
}

fn seconds(seconds: i64) -> Nanos {
    Nanos::new(seconds * Nanos::SECOND.raw())
}

/// A packet at this second with last price and volume, and a touch one below and one above 100.
fn packet(at: i64, last: i64, volume: i64) -> Packet {
    let mut depth = Depth::EMPTY;
    depth.push(Row { side: Side::Bid, orders: 1, price: price(99), qty: qty(1) });
    depth.push(Row { side: Side::Ask, orders: 1, price: price(101), qty: qty(1) });
    Packet {
        time: Some(seconds(at)),
        last: Some(price(last)),
        last_time: Some(seconds(at)),
        volume: Some(qty(volume)),
        depth: Some(depth),
        ..Packet::EMPTY
    }
}

fn stream() -> PacketStream {
    PacketStream::new(InstrumentId(0), ALL)
}

fn push(stream: &mut PacketStream, packet: &Packet) -> Vec<Input> {
    let mut out = Vec::new();
    stream.push(seconds(NOW), packet, &mut out);
    out
}

fn trades(inputs: &[Input]) -> Vec<(Side, i64, i64)> {
    let trade = |input: &Input| match input {
        Input::Event(Event { body: Body::Trade { side, price, qty, trade_id: 0 }, flags, .. }) => {
            assert!(flags.has(Flags::DERIVED) && flags.has(Flags::LAST));
            Some((*side, price.raw() / 1_000_000_000, qty.raw() / 100_000_000))
        }
        _ => None,
    };
    inputs.iter().filter_map(trade).collect()
}

fn gaps(inputs: &[Input]) -> Vec<(Family, GapCause, u64, u64)> {
    let gap = |input: &Input| match input {
        Input::Gap(gap) => Some((gap.family, gap.cause, gap.from, gap.to)),
        _ => None,
    };
    inputs.iter().filter_map(gap).collect()
}

#[test]
fn the_growth_of_the_volume_is_one_derived_trade() {
    let mut stream = stream();
    assert_eq!(trades(&push(&mut stream, &packet(NOW, 100, 500))), [], "nobody knows when these were traded");
    assert_eq!(trades(&push(&mut stream, &packet(NOW, 101, 512))), [(Side::Bid, 101, 12)]);
    let same = push(&mut stream, &packet(NOW, 101, 512));
    assert_eq!((trades(&same), gaps(&same)), (vec![], vec![]));
}

#[test]
fn the_side_is_guessed_from_the_touch_then_from_the_direction() {
    let mut stream = stream();
    push(&mut stream, &packet(NOW, 100, 0));
    let expect = [(101, Side::Bid), (99, Side::Ask), (100, Side::Bid), (100, Side::Bid), (102, Side::Bid)];
    for (count, (last, side)) in expect.into_iter().enumerate() {
        let trade = trades(&push(&mut stream, &packet(NOW, last, 1 + count as i64)));
        assert_eq!(trade, [(side, last, 1)], "trade {count}");
    }
    let plain = |last, volume| Packet { depth: None, ..packet(NOW, last, volume) };
    let mut blind = PacketStream::new(InstrumentId(0), &[Family::Trades]);
    push(&mut blind, &plain(100, 0));
    for (volume, last, side) in [(1, 99, Side::Ask), (2, 99, Side::Ask), (3, 100, Side::Bid)] {
        assert_eq!(trades(&push(&mut blind, &plain(last, volume))), [(side, last, 1)]);
    }
}

#[test]
fn a_volume_that_falls_is_a_gap_and_no_trade() {
    let mut stream = stream();
    push(&mut stream, &packet(NOW, 100, 500));
    let fell = push(&mut stream, &packet(NOW, 100, 400));
    assert_eq!(trades(&fell), []);
    assert_eq!(gaps(&fell), [(Family::Trades, GapCause::Sequence, 501, 401)]);
    assert_eq!(trades(&push(&mut stream, &packet(NOW, 100, 403))), [(Side::Bid, 100, 3)]);
}

#[test]
fn a_new_day_counts_from_its_first_packet() {
    const MIDNIGHT: i64 = 1_625_509_800; // 2021-07-06 00:00 IST
    let mut stream = stream();
    push(&mut stream, &packet(MIDNIGHT - 1, 100, 500));
    let fresh = push(&mut stream, &packet(MIDNIGHT, 100, 0));
    assert_eq!((trades(&fresh), gaps(&fresh)), (vec![], vec![]), "nothing is missing");
    assert_eq!(trades(&push(&mut stream, &packet(MIDNIGHT + 1, 100, 4))), [(Side::Bid, 100, 4)]);
    let later = push(&mut stream, &packet(MIDNIGHT + 86_400, 100, 9));
    assert_eq!(trades(&later), []);
    assert_eq!(gaps(&later), [(Family::Trades, GapCause::Sequence, 1, 10)]);
}

#[test]
fn what_was_traded_while_nobody_listened_is_counted_and_told() {
    let mut stream = stream();
    push(&mut stream, &packet(NOW, 100, 500));
    let mut out = Vec::new();
    stream.lose(&mut out);
    stream.lose(&mut out);
    let closed = |family| Input::State { id: InstrumentId(0), family, fact: Fact::Closed };
    let lost = |family| (family, GapCause::Disconnected, 0, 0);
    assert_eq!(gaps(&out), [lost(Family::Book), lost(Family::Trades)]);
    assert_eq!(out[2..], [closed(Family::Trades), closed(Family::Statistics)], "once");
    let back = push(&mut stream, &packet(NOW + 60, 100, 800));
    assert_eq!(trades(&back), [(Side::Bid, 100, 300)]);
    assert_eq!(gaps(&back), [(Family::Trades, GapCause::Disconnected, 501, 801)]);
    let trade = back.iter().position(|input| matches!(input, Input::Event(Event { body: Body::Trade { .. }, .. })));
    let gap = back.iter().position(|input| matches!(input, Input::Gap(_)));
    assert!(gap < trade, "the gap marks the bar before the jump and the one that takes it");
    assert_eq!(gaps(&push(&mut stream, &packet(NOW + 61, 100, 801))), [], "once");
    stream.lose(&mut out);
    assert_eq!(gaps(&push(&mut stream, &packet(NOW + 62, 100, 801))), [], "nothing was traded meanwhile");
}

#[test]
fn a_hole_in_the_numbers_is_healed_by_the_packet_after_it() {
    let mut stream = stream();
    push(&mut stream, &packet(NOW, 100, 500));
    let mut out = Vec::new();
    stream.skip(8, 11, &mut out);
    stream.push(seconds(NOW), &packet(NOW, 100, 510), &mut out);
    assert_eq!(gaps(&out), [(Family::Book, GapCause::Sequence, 8, 11), (Family::Trades, GapCause::Sequence, 501, 511)]);
    assert_eq!(trades(&out), [(Side::Bid, 100, 10)]);
    let complete = |inputs: &[Input]| {
        inputs.iter().filter(|it| matches!(it, Input::State { fact: Fact::SnapshotComplete, .. })).count()
    };
    assert_eq!(complete(&out), 1);
    assert_eq!(complete(&push(&mut stream, &packet(NOW, 100, 510))), 0, "each packet says for itself that it is whole");
}

#[test]
fn a_price_without_volume_is_a_trade_of_nothing() {
    let index = |at, last| Packet { time: Some(seconds(at)), last: Some(price(last)), ..Packet::EMPTY };
    let mut stream = PacketStream::new(InstrumentId(0), &[Family::Trades]);
    assert_eq!(trades(&push(&mut stream, &index(NOW, 100))), [(Side::Bid, 100, 0)]);
    assert_eq!(trades(&push(&mut stream, &index(NOW, 100))), [], "the same value again");
    assert_eq!(trades(&push(&mut stream, &index(NOW + 1, 100))), [(Side::Bid, 100, 0)], "still so, a second later");
    let timeless = |last| Packet { last: Some(price(last)), ..Packet::EMPTY };
    let mut stream = PacketStream::new(InstrumentId(0), &[Family::Trades]);
    assert_eq!(trades(&push(&mut stream, &timeless(100))), [], "of whatever age");
    assert_eq!(trades(&push(&mut stream, &timeless(100))), []);
    let moved = push(&mut stream, &timeless(99));
    assert_eq!(trades(&moved), [(Side::Ask, 99, 0)]);
    assert!(matches!(moved[0], Input::Event(event) if event.flags.has(Flags::TIME_RECEIVED)));
    assert_eq!(trades(&push(&mut stream, &timeless(0))), [], "no price");
}

#[test]
fn a_closed_stream_says_so_once_and_no_more() {
    let mut stream = stream();
    push(&mut stream, &packet(NOW, 100, 500));
    let mut out = Vec::new();
    stream.close(&mut out);
    stream.close(&mut out);
    assert_eq!(
        gaps(&out),
        [
            (Family::Book, GapCause::Unrepresentable, 0, 0),
            (Family::Trades, GapCause::Unrepresentable, 0, 0),
            (Family::Statistics, GapCause::Unrepresentable, 0, 0),
        ]
    );
    assert_eq!(push(&mut stream, &packet(NOW, 100, 501)), []);
    stream.lose(&mut out);
    assert!(!stream.is_missing(), "nobody asks for it again");
}

#[test]
fn patience_doubles_to_its_bound_and_begins_anew() {
    let mut patience = Patience::NONE;
    let mut at = 0;
    let mut waits = Vec::new();
    for _ in 0..8 {
        patience.start(seconds(at));
        patience.start(seconds(at + 1));
        let due = patience.deadline().unwrap();
        assert!(!patience.is_over(Nanos::new(due.raw() - 1)));
        assert!(patience.is_over(due));
        waits.push(due.since(seconds(at)).raw() / Nanos::SECOND.raw());
        at = due.raw() / Nanos::SECOND.raw();
    }
    assert_eq!(waits, [10, 20, 40, 80, 160, 320, 320, 320]);
    patience.end();
    patience.start(Nanos::ZERO);
    assert_eq!(patience.deadline(), Some(seconds(10)));
}

const MINUTE: i64 = NOW / 60 * 60;

/// An engine that hears of one instrument, from the start of a minute on.
struct Bars {
    engine: Engine,
    stream: PacketStream,
}

impl Bars {
    fn new(token: &str, stream: PacketStream) -> Bars {
        let bounds = Bounds {
            book_levels_max: 100,
            bars_max: 100,
            trades_max: 32,
            instruments_max: 10,
            stale_after: seconds(5),
        };
        let mut bars = Bars { engine: Engine::new(Market::new(bounds), 0, Nanos::ZERO), stream };
        let instrument = crate::catalog::Catalog::default().kite(token, crate::Decimals { price: 2, qty: 0 });
        bars.apply(0, &[Input::Define { id: InstrumentId(0), instrument: Box::new(instrument) }]);
        bars
    }

    fn apply(&mut self, at: i64, inputs: &[Input]) {
        for input in inputs {
            self.engine.input(seconds(MINUTE + at), input, &mut |_: &Market, _: Stamped<'_>| {}).unwrap();
        }
    }

    fn tell(&mut self, at: i64, packet: &Packet) {
        let mut out = Vec::new();
        self.stream.push(seconds(MINUTE + at), packet, &mut out);
        self.apply(at, &out);
    }

    fn told(&mut self, at: i64, tell: impl FnOnce(&mut PacketStream, &mut Vec<Input>)) {
        let mut out = Vec::new();
        tell(&mut self.stream, &mut out);
        self.apply(at, &out);
    }

    /// Minute, volume, and whether it says that it lacks trades.
    fn minutes(&self) -> Vec<(i64, i128, bool)> {
        let at = INTERVALS.iter().position(|it| it.name == "1m").unwrap();
        let bars = self.engine.market().stream(InstrumentId(0)).unwrap().bars[at].iter();
        bars.map(|bar| {
            let minute = (bar.start.raw() / Nanos::SECOND.raw() - MINUTE) / 60;
            (minute, bar.volume / 100_000_000, bar.flags.has(BarFlags::INCOMPLETE))
        })
        .collect()
    }
}

/// Lost for two minutes: both sides lack trades, and the minutes without any bar lie between them.
#[test]
fn the_bars_at_both_ends_of_a_lost_connection_say_that_they_lack_trades() {
    let mut bars = Bars::new("408065", stream());
    let at = |at, volume| packet(MINUTE + at, 100, volume);
    for (second, volume) in [(5, 500), (10, 510), (70, 520)] {
        bars.tell(second, &at(second, volume));
    }
    bars.told(80, PacketStream::lose);
    assert_eq!(bars.minutes(), [(0, 10, true), (1, 10, true)], "at once, and not when it is back");
    for (second, volume) in [(190, 900), (250, 905)] {
        bars.tell(second, &at(second, volume));
    }
    assert_eq!(bars.minutes(), [(0, 10, true), (1, 10, true), (3, 380, true), (4, 5, false)]);
}

#[test]
fn the_bars_at_both_ends_of_a_hole_in_the_numbers_say_so_and_the_next_does_not() {
    let mut bars = Bars::new("408065", stream());
    let at = |at, volume| packet(MINUTE + at, 100, volume);
    for (second, volume) in [(5, 500), (10, 510), (70, 520), (130, 530)] {
        bars.tell(second, &at(second, volume));
    }
    bars.told(200, |stream, out| stream.skip(5, 9, out));
    bars.tell(200, &at(200, 540));
    bars.tell(250, &at(250, 545));
    assert_eq!(bars.minutes(), [(0, 10, true), (1, 10, false), (2, 10, true), (3, 10, true), (4, 5, false)]);
    // Nothing was traded in it: the day's volume says so.
    bars.told(260, |stream, out| stream.skip(11, 14, out));
    bars.tell(260, &at(260, 545));
    bars.tell(310, &at(310, 546));
    assert_eq!(bars.minutes()[4..], [(4, 5, false), (5, 1, false)]);
}

/// An index has no volume to tell what was missed: all that can be said is that something may be.
#[test]
fn the_bars_of_an_index_say_that_values_may_be_missing() {
    for is_hole in [false, true] {
        let mut bars = Bars::new("256265", PacketStream::new(InstrumentId(0), &[Family::Trades, Family::Statistics]));
        let at = |at, last| Packet { time: Some(seconds(MINUTE + at)), last: Some(price(last)), ..Packet::EMPTY };
        bars.tell(5, &at(5, 100));
        bars.tell(70, &at(70, 101));
        if is_hole {
            bars.told(190, |stream, out| stream.skip(5, 9, out));
        } else {
            bars.told(80, PacketStream::lose);
        }
        bars.tell(190, &at(190, 150));
        bars.tell(250, &at(250, 151));
        assert_eq!(bars.minutes(), [(0, 0, true), (1, 0, true), (3, 0, true), (4, 0, false)], "hole: {is_hole}");
    }
}

#[test]
fn a_hole_that_another_day_follows_is_told_of_the_day_before() {
    const MIDNIGHT: i64 = 1_625_509_800; // 2021-07-06 00:00 IST
    let mut stream = stream();
    push(&mut stream, &packet(MIDNIGHT - 1, 100, 500));
    let mut out = Vec::new();
    stream.skip(8, 11, &mut out);
    assert_eq!(gaps(&push(&mut stream, &packet(MIDNIGHT, 100, 0))), [(Family::Trades, GapCause::Sequence, 1, 1)]);
}

proptest! {
    /// Twin: on a day of packets and lost connections, what is counted as traded and what is told to be missing
    /// make up the day's volume, whatever way the volume moved.
    #[test]
    fn no_quantity_is_lost_or_counted_twice(
        steps in proptest::collection::vec((0i64..100, 90i64..110, 0u8..12), 1..80),
        first in 0i64..1_000,
    ) {
        let mut stream = stream();
        push(&mut stream, &packet(NOW, 100, first));
        let (mut volume, mut is_lost) = (first, false);
        for (grow, last, kind) in steps {
            let before = volume;
            match kind {
                0 => {
                    let mut out = Vec::new();
                    stream.lose(&mut out);
                    is_lost = true;
                    continue;
                }
                1 => volume = grow.min(volume),
                _ => volume += grow,
            }
            let out = push(&mut stream, &packet(NOW, last, volume));
            let counted: i64 = trades(&out).iter().map(|&(_, _, qty)| qty).sum();
            prop_assert_eq!(counted, (volume - before).max(0));
            let told = gaps(&out);
            let is_odd = volume < before || (is_lost && volume != before);
            prop_assert_eq!(told.len(), usize::from(is_odd));
            if let [(family, cause, from, to)] = told[..] {
                let expect = if is_lost { GapCause::Disconnected } else { GapCause::Sequence };
                prop_assert_eq!((family, cause), (Family::Trades, expect));
                prop_assert_eq!((from, to), (before as u64 + 1, volume as u64 + 1));
            }
            is_lost = false;
        }
    }
}
