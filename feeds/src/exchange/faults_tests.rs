//! Every fault over real sockets: the link recovers, the book is right again, and what is lost is named.

use super::super::market::Settings;
use super::super::rig::{Follower, PAIRS, Rig, SHARES, Seen};
use super::*;
use crate::binance::Market;
use crate::cases;
use crate::venue::Venue;
use tidegate_core::{Family, Gap, GapCause, InstrumentId};

/// The connection that things befall: the first one is the healthy twin that sets the pace.
const VICTIM: u64 = 1;
const SECOND: Nanos = Nanos::SECOND;

fn at_messages(range: std::ops::Range<u64>, fault: Fault) -> Faults {
    range.fold(Faults::default(), |faults, at| faults.once(VICTIM, at, fault))
}

fn at_request(count: u64, fault: Fault) -> Faults {
    (0..count).fold(Faults::default(), |faults, at| faults.once(VICTIM, at, fault))
}

/// Lets a market pass until its victim is healed, after so many seconds at least; the pace is that of a healthy
/// follower, so no wall clock decides anything.
async fn run<const TEST: usize>(venue: Venue, keys: &[&str], faults: Faults, seconds: usize) -> (Rig, Follower) {
    let settings = Settings { faults, ..Settings::default() };
    let mut rig = Rig::new::<TEST>(TEST as u64, settings).await;
    let mut healthy = rig.follow_live::<TEST>(&PAIRS).await;
    let victim = rig.follow_at::<TEST>(venue, keys).await;
    let is_healed = |rig: &Rig, seen: &Seen| match venue {
        Venue::Binance(_) => rig.is_settled(seen, keys),
        Venue::Kraken => rig.shows_best(seen, keys),
        Venue::Kite | Venue::Angel => rig.is_caught_up(seen),
    };
    for step in 0.. {
        rig.advance(2, &[&healthy, &victim]).await;
        rig.settle(&mut healthy, &PAIRS).await;
        if step >= 10 * seconds && is_healed(&rig, &victim.seen.lock().unwrap()) {
            break;
        }
        assert!(step < 10 * seconds + 6_000, "never healed: {:?}", victim.seen.lock().unwrap().counters);
    }
    let seen = healthy.seen.lock().unwrap();
    assert_eq!((seen.gaps.len(), seen.counters.losses), (0, 0), "the healthy one has noticed something");
    let (_, missing) = rig.check_trades(&seen, &PAIRS);
    assert_eq!(missing, 0);
    drop(seen);
    (rig, victim)
}

/// What a fault must leave behind: connections lost, messages unread, and whether there are gaps.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Trace {
    losses: u64,
    decode_errors: u64,
    has_gaps: bool,
}

const NO_TRACE: Trace = Trace { losses: 0, decode_errors: 0, has_gaps: false };

impl Trace {
    fn of(seen: &Seen) -> Trace {
        let counters = seen.counters;
        Trace { losses: counters.losses, decode_errors: counters.decode_errors, has_gaps: !seen.gaps.is_empty() }
    }
}

async fn check_binance<const TEST: usize>(name: &str, faults: Faults, seconds: usize, expect: Trace) {
    let (rig, victim) = run::<TEST>(Venue::Binance(Market::Spot), &PAIRS, faults, seconds).await;
    let seen = victim.seen.lock().unwrap();
    rig.check_books(&seen, &PAIRS);
    let (trades, missing) = rig.check_trades(&seen, &PAIRS);
    println!("Binance, {name}: {trades} trades, {missing} in {} gaps, {:?}", seen.gaps.len(), seen.counters);
    assert_eq!(Trace::of(&seen), expect, "{name}");
    assert!(trades > 10);
}

async fn check_kite<const TEST: usize>(name: &str, faults: Faults, seconds: usize, expect: Trace) {
    let (rig, victim) = run::<TEST>(Venue::Kite, &SHARES, faults, seconds).await;
    let seen = victim.seen.lock().unwrap();
    assert!(rig.is_caught_up(&seen));
    let packets = rig.check_views(&seen);
    println!("Kite, {name}: {packets} packets, {} gaps, {:?}", seen.gaps.len(), seen.counters);
    assert_eq!(Trace::of(&seen), expect, "{name}");
    assert!(packets > 10);
    if expect.losses > 0 {
        let is_lost = |gap: &&Gap| gap.family == Family::Book && gap.cause == GapCause::Disconnected;
        assert_eq!(seen.gaps.iter().filter(is_lost).count(), SHARES.len() - 1, "{name}: {:?}", seen.gaps);
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn binance_lost_messages_are_gaps() {
    let expect = Trace { has_gaps: true, ..NO_TRACE };
    check_binance::<8>("lost", at_messages(40..120, Fault::Drop), 20, expect).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn binance_doubled_messages_count_once() {
    check_binance::<9>("doubled", at_messages(0..200, Fault::Duplicate), 20, NO_TRACE).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn binance_swapped_messages_are_put_right() {
    let faults = (20..300).step_by(3).fold(Faults::default(), |faults, at| faults.once(VICTIM, at, Fault::Reorder));
    check_binance::<10>("swapped", faults, 20, Trace { has_gaps: true, ..NO_TRACE }).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn binance_late_messages_are_no_loss() {
    check_binance::<11>("late", at_messages(40..41, Fault::Delay(SECOND)), 20, NO_TRACE).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn binance_cut_messages_are_gaps() {
    let expect = Trace { decode_errors: 80, has_gaps: true, ..NO_TRACE };
    check_binance::<12>("cut", at_messages(40..120, Fault::Truncate), 20, expect).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn binance_a_mute_connection_is_left() {
    let expect = Trace { losses: 1, has_gaps: true, ..NO_TRACE };
    check_binance::<13>("mute", at_messages(40..41, Fault::Mute), 50, expect).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn binance_a_half_open_connection_is_left() {
    let expect = Trace { losses: 1, has_gaps: true, ..NO_TRACE };
    check_binance::<14>("half open", at_messages(40..41, Fault::HalfOpen), 50, expect).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn binance_a_venue_that_goes_is_come_back_to() {
    let expect = Trace { losses: 1, has_gaps: true, ..NO_TRACE };
    check_binance::<15>("shutdown", at_messages(40..41, Fault::Shutdown), 20, expect).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn binance_a_failed_subscription_is_asked_for_again() {
    check_binance::<16>("refused", at_request(1, Fault::Refuse), 20, NO_TRACE).await;
    check_binance::<16>("not answered", at_request(2, Fault::Ignore), 20, NO_TRACE).await;
    check_binance::<16>("never answered", at_request(100, Fault::Ignore), 30, Trace { losses: 1, ..NO_TRACE }).await;
    check_binance::<16>("read late", at_request(1, Fault::SlowReads(SECOND)), 20, NO_TRACE).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn kite_lost_doubled_and_late_packets_do_no_harm() {
    check_kite::<17>("lost", at_messages(10..30, Fault::Drop), 20, NO_TRACE).await;
    check_kite::<17>("doubled", at_messages(10..40, Fault::Duplicate), 20, NO_TRACE).await;
    check_kite::<17>("late", at_messages(10..11, Fault::Delay(SECOND)), 20, NO_TRACE).await;
    check_kite::<17>("cut", at_messages(10..30, Fault::Truncate), 20, Trace { decode_errors: 20, ..NO_TRACE }).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn kite_an_older_packet_is_a_gap_and_the_next_one_is_right() {
    let faults = (20..100).step_by(3).fold(Faults::default(), |faults, at| faults.once(VICTIM, at, Fault::Reorder));
    let (rig, victim) = run::<18>(Venue::Kite, &SHARES, faults, 30).await;
    let seen = victim.seen.lock().unwrap();
    assert!(rig.is_caught_up(&seen));
    assert_eq!(Trace::of(&seen), Trace { has_gaps: true, ..NO_TRACE });
    assert!(seen.gaps.iter().all(|gap| gap.family == Family::Trades && gap.cause == GapCause::Sequence));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn kite_a_connection_without_life_is_left() {
    let expect = Trace { losses: 1, has_gaps: true, ..NO_TRACE };
    check_kite::<19>("mute", at_messages(20..21, Fault::Mute), 30, expect).await;
    check_kite::<19>("half open", at_messages(20..21, Fault::HalfOpen), 30, expect).await;
    check_kite::<19>("shutdown", at_messages(20..21, Fault::Shutdown), 30, expect).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn kite_a_failed_subscription_is_asked_for_again() {
    let refused = Trace { decode_errors: 1, ..NO_TRACE };
    check_kite::<20>("refused", at_request(1, Fault::Refuse), 20, refused).await;
    check_kite::<20>("ignored", at_request(1, Fault::Ignore), 20, NO_TRACE).await;
    check_kite::<20>("read late", at_request(1, Fault::SlowReads(SECOND)), 20, NO_TRACE).await;
}

async fn check_kraken<const TEST: usize>(name: &str, faults: Faults, seconds: usize, expect: Trace) -> Vec<Gap> {
    let (rig, victim) = run::<TEST>(Venue::Kraken, &PAIRS, faults, seconds).await;
    let seen = victim.seen.lock().unwrap();
    assert!(rig.shows_best(&seen, &PAIRS));
    let (trades, missing) = rig.check_trades(&seen, &PAIRS);
    println!("Kraken, {name}: {trades} trades, {missing} in {} gaps, {:?}", seen.gaps.len(), seen.counters);
    assert_eq!(Trace::of(&seen), expect, "{name}");
    assert!(trades > 10);
    seen.gaps.clone()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn kraken_a_wrong_checksum_is_a_gap_and_the_book_comes_anew() {
    let expect = Trace { has_gaps: true, ..NO_TRACE };
    let gaps = check_kraken::<22>("wrong checksum", at_messages(40..140, Fault::Checksum), 30, expect).await;
    let of_checksum = |gap: &Gap| (gap.family, gap.cause) == (Family::Book, GapCause::Checksum);
    assert!(gaps.iter().all(of_checksum), "nothing else was wrong: {gaps:?}");
    for id in [0, 1].map(InstrumentId) {
        assert!(gaps.iter().any(|gap| gap.id == Some(id)), "{id:?}: {gaps:?}");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn kraken_what_is_lost_shows_in_checksum_and_number() {
    let expect = Trace { has_gaps: true, ..NO_TRACE };
    let gaps = check_kraken::<23>("lost", at_messages(40..120, Fault::Drop), 30, expect).await;
    assert!(gaps.iter().any(|gap| gap.cause == GapCause::Checksum), "{gaps:?}");
    let cut = Trace { decode_errors: 80, ..expect };
    check_kraken::<23>("cut", at_messages(40..120, Fault::Truncate), 30, cut).await;
    check_kraken::<23>("late", at_messages(40..41, Fault::Delay(SECOND)), 20, NO_TRACE).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn kraken_a_connection_without_life_is_left() {
    let expect = Trace { losses: 1, has_gaps: true, ..NO_TRACE };
    check_kraken::<24>("mute", at_messages(40..41, Fault::Mute), 30, expect).await;
    check_kraken::<24>("half open", at_messages(40..41, Fault::HalfOpen), 30, expect).await;
    check_kraken::<24>("shutdown", at_messages(40..41, Fault::Shutdown), 30, expect).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn kraken_a_failed_subscription_is_asked_for_again() {
    check_kraken::<25>("refused", at_request(6, Fault::Refuse), 20, NO_TRACE).await;
    check_kraken::<25>("ignored", at_request(6, Fault::Ignore), 20, NO_TRACE).await;
    check_kraken::<25>("never answered", at_request(100, Fault::Ignore), 30, Trace { losses: 1, ..NO_TRACE }).await;
}

async fn check_angel<const TEST: usize>(name: &str, faults: Faults, seconds: usize, expect: Trace) {
    let (rig, victim) = run::<TEST>(Venue::Angel, &SHARES, faults, seconds).await;
    let seen = victim.seen.lock().unwrap();
    assert!(rig.is_caught_up(&seen));
    let packets = rig.check_views(&seen);
    println!("Angel, {name}: {packets} packets, {} gaps, {:?}", seen.gaps.len(), seen.counters);
    assert_eq!(Trace::of(&seen), expect, "{name}");
    assert!(packets > 10);
    if expect.losses > 0 {
        let is_lost = |gap: &&Gap| gap.family == Family::Book && gap.cause == GapCause::Disconnected;
        assert!(seen.gaps.iter().filter(is_lost).count() >= SHARES.len() - 1, "{name}: {:?}", seen.gaps);
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn angel_lost_cut_and_swapped_packets_are_gaps() {
    let expect = Trace { has_gaps: true, ..NO_TRACE };
    check_angel::<26>("lost", at_messages(10..30, Fault::Drop), 20, expect).await;
    check_angel::<26>("cut", at_messages(10..30, Fault::Truncate), 20, Trace { decode_errors: 20, ..expect }).await;
    check_angel::<26>("doubled", at_messages(10..40, Fault::Duplicate), 20, NO_TRACE).await;
    check_angel::<26>("late", at_messages(10..11, Fault::Delay(SECOND)), 20, NO_TRACE).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn angel_a_connection_without_life_is_left() {
    let expect = Trace { losses: 1, has_gaps: true, ..NO_TRACE };
    check_angel::<27>("mute", at_messages(20..21, Fault::Mute), 50, expect).await;
    check_angel::<27>("half open", at_messages(20..21, Fault::HalfOpen), 50, expect).await;
    check_angel::<27>("shutdown", at_messages(20..21, Fault::Shutdown), 30, expect).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn angel_a_failed_subscription_is_asked_for_again() {
    let refused = Trace { decode_errors: 1, ..NO_TRACE };
    check_angel::<28>("refused", at_request(1, Fault::Refuse), 30, refused).await;
    check_angel::<28>("ignored", at_request(1, Fault::Ignore), 30, NO_TRACE).await;
}

/// Everything at once, by chance, on every connection.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn chaos_leaves_the_truth_or_a_gap() {
    let seconds = cases::count(1_000, 20_000).max(60) as usize;
    let faults = Faults::seeded(7)
        .often(Fault::Drop, 50)
        .often(Fault::Duplicate, 100)
        .often(Fault::Reorder, 50)
        .often(Fault::Truncate, 20)
        .often(Fault::Delay(Nanos::new(300_000_000)), 20)
        .often(Fault::Shutdown, 10)
        .often(Fault::Mute, 2)
        .often(Fault::HalfOpen, 2)
        .often(Fault::Refuse, 1_000)
        .often(Fault::Ignore, 1_000);
    let mut rig = Rig::new::<21>(21, Settings { faults, ..Settings::default() }).await;
    let (pairs, shares) = (rig.follow::<21>(&PAIRS).await, rig.follow::<21>(&SHARES).await);
    let (mut right, mut caught_up) = (0, 0);
    for _ in 0..seconds {
        for _ in 0..10 {
            rig.advance(2, &[&pairs, &shares]).await;
            // Neither of them can set the pace: a request that goes through the same sockets does.
            let time = reqwest::get(format!("http://{}/api/v3/time", rig.address)).await.unwrap();
            assert!(time.status().is_success());
        }
        let seen = pairs.seen.lock().unwrap();
        if rig.is_settled(&seen, &PAIRS) {
            rig.check_books(&seen, &PAIRS);
            right += 1;
        }
        caught_up += usize::from(rig.is_caught_up(&shares.seen.lock().unwrap()));
    }
    let seen = pairs.seen.lock().unwrap();
    let (trades, missing) = rig.check_trades(&seen, &PAIRS);
    println!(
        "{seconds} s of chaos: books right in {right}, {trades} trades, {missing} lost in {} gaps, {:?}; Kite right in \
         {caught_up}, {:?}",
        seen.gaps.len(),
        seen.counters,
        shares.seen.lock().unwrap().counters
    );
    assert!(right > seconds / 10 && caught_up > seconds / 10 && trades > 0 && missing > 0);
}

fn messages(faults: &Faults, connection: u64) -> Vec<Option<Fault>> {
    let mut plan = faults.of_connection(connection);
    (0..10_000).map(|_| plan.next_message()).collect()
}

#[test]
fn without_a_plan_nothing_goes_wrong() {
    assert_eq!(messages(&Faults::default(), 0), vec![None; 10_000]);
    assert_eq!(messages(&Faults::seeded(7), 0), vec![None; 10_000]);
}

#[test]
fn a_planned_fault_comes_once_where_it_was_planned() {
    let faults = Faults::default().once(1, 3, Fault::Drop).once(1, 3, Fault::Refuse);
    assert_eq!(messages(&faults, 0), vec![None; 10_000]);
    let mut expect = vec![None; 10_000];
    expect[3] = Some(Fault::Drop);
    assert_eq!(messages(&faults, 1), expect);
    let mut plan = faults.of_connection(1);
    let requests: Vec<_> = (0..5).map(|_| plan.next_request()).collect();
    assert_eq!(requests, [None, None, None, Some(Fault::Refuse), None]);
}

#[test]
fn chance_comes_as_often_as_it_should_and_again_with_its_seed() {
    let faults = |seed| Faults::seeded(seed).often(Fault::Drop, 100).often(Fault::Duplicate, 1_000);
    let first = messages(&faults(1), 0);
    assert_eq!(first, messages(&faults(1), 0));
    assert!(first != messages(&faults(1), 1) && first != messages(&faults(2), 0));
    let count = |fault| first.iter().filter(|it| **it == Some(fault)).count();
    let (drops, doubles) = (count(Fault::Drop), count(Fault::Duplicate));
    assert!((60..140).contains(&drops) && (880..1_120).contains(&doubles), "{drops} and {doubles}");
}

#[test]
fn a_plan_is_read_from_text() {
    let plan = |text: &str| text.parse::<Faults>().unwrap();
    let faults = plan("drop=0.01,delay=50ms,seed=7,slow-reads=2s@1,half-open=0.0001");
    assert_eq!(faults.seed, 7);
    let expect = [
        (Fault::Drop, 100),
        (Fault::Delay(Nanos::new(50_000_000)), 100),
        (Fault::SlowReads(Nanos::new(2_000_000_000)), 10_000),
        (Fault::HalfOpen, 1),
    ];
    assert_eq!(faults.odds, expect);
    let all = "duplicate=1,reorder=1,truncate=1,checksum=1,mute=1,shutdown=1.0,refuse=1,ignore=0.5000";
    assert_eq!(plan(all).odds.len(), 8);
    let built = Faults::seeded(7).often(Fault::Drop, 100);
    assert_eq!(messages(&plan("drop=0.01,seed=7"), 3), messages(&built, 3));
}

#[test]
fn what_is_no_plan_is_named_by_its_part() {
    for (text, part, why) in [
        ("", "", "name=value"),
        ("drop=0.01,", "", "name=value"),
        ("drop", "drop", "name=value"),
        ("seed=1,drops=0.1", "drops=0.1", "the names are"),
        ("drop=2", "drop=2", "odds are"),
        ("drop=0", "drop=0", "odds are"),
        ("drop=-0.1", "drop=-0.1", "odds are"),
        ("drop=0.00001", "drop=0.00001", "odds are"),
        ("delay=50", "delay=50", "a time is"),
        ("delay=0ms", "delay=0ms", "a time is"),
        ("delay=61s", "delay=61s", "a time is"),
        ("delay=1s@x", "delay=1s@x", "odds are"),
        ("seed=-1", "seed=-1", "a seed is"),
        ("drop=0.1,drop=0.2", "drop=0.2", "said twice"),
    ] {
        let error = text.parse::<Faults>().unwrap_err();
        assert!(error.part == part && error.why.contains(why), "{text}: {error}");
    }
}
