//! Sessions, links and the engine against a ground truth in virtual time, while everything goes wrong that can.

#![allow(clippy::disallowed_types, reason = "connections share budgets; the engine path is not here")]
#![expect(clippy::unwrap_used, clippy::expect_used, clippy::print_stdout, reason = "a test, all of it")]

mod bars;
mod binance;
#[path = "../../../tests/cases.rs"]
mod cases;
mod chaos;
mod kraken;
mod oracle;
mod packets;
mod protocol;
mod truth;
mod world;

use chaos::Fault;
use oracle::{Tally, percentile};
use protocol::Protocol;
use std::collections::BTreeMap;
use std::panic::{AssertUnwindSafe, catch_unwind};
use tidegate_core::Nanos;
use world::{Plan, World, millis};

const SECOND: i64 = 1_000;

fn chaos(seed: u64) -> Plan {
    Plan {
        seed,
        chaos_for: millis(60 * SECOND),
        calm_for: millis(60 * SECOND),
        pace: millis(60),
        faults_every: Some(millis(2 * SECOND)),
        life_max: None,
        stale_after: millis(10 * SECOND),
    }
}

/// Runs one seed; what fails names it.
fn run<P: Protocol>(plan: Plan) -> World<P> {
    let mut world = World::<P>::new(plan);
    if let Err(panic) = catch_unwind(AssertUnwindSafe(|| world.run())) {
        println!("seed {}: failed at {} ms", plan.seed, world.now.since(world::START).raw() / 1_000_000);
        std::panic::resume_unwind(panic);
    }
    world
}

/// Runs every seed under faults, and prints what they came to.
fn faults<P: Protocol>(name: &str, rolls_over: bool) {
    let seeds = cases::count(100, 1_000).max(3);
    let mut tally = Tally::default();
    let mut hits: BTreeMap<Fault, u64> = BTreeMap::new();
    let (mut connects, mut losses) = (0, 0);
    for seed in 0..seeds {
        let life_max = (rolls_over && seed % 4 == 0).then_some(millis(20 * SECOND));
        let world = run::<P>(Plan { life_max, ..chaos(seed) });
        for (&fault, &count) in world.chaos.hits() {
            *hits.entry(fault).or_default() += count;
        }
        connects += world.counters().connects;
        losses += world.counters().losses;
        tally.add(world.oracle.tally);
    }
    let struck: u64 = hits.values().sum();
    let p99 = percentile(&mut tally.resyncs, 99);
    println!("{name}: {seeds} seeds, {struck} faults {hits:?}");
    println!(
        "{name}: {connects} connects, {losses} losses; gaps found {:?}; {} trades, {} in gaps, 0 lost or doubled without; \
         {} live books, 0 wrong, 0 without a connection; {} stale; {} events at receive time",
        tally.gaps, tally.trades, tally.trades_in_gaps, tally.books, tally.stale, tally.times_received
    );
    println!(
        "{name}: {} resyncs, p50 {} ms, p99 {p99} ms; {} hit by a second fault, p50 {} ms, p99 {} ms; \
         {} mute connections, longest kept {} ms",
        tally.resyncs.len(),
        percentile(&mut tally.resyncs, 50),
        tally.disturbed.len(),
        percentile(&mut tally.disturbed, 50),
        percentile(&mut tally.disturbed, 99),
        tally.mutes.len(),
        percentile(&mut tally.mutes, 100),
    );
    assert!(struck > seeds * 10 && tally.books > seeds * 1_000, "the suite did nothing");
    assert!(p99 <= 2 * SECOND, "resync p99 {p99} ms");
}

/// Runs seeds without a fault: nothing may be told as missing.
fn no_faults<P: Protocol>(name: &str) {
    let seeds = cases::count(100, 1_000).max(3);
    let mut books = 0;
    for seed in 0..seeds {
        let plan = Plan { faults_every: None, chaos_for: Nanos::ZERO, calm_for: millis(30 * SECOND), ..chaos(seed) };
        let world = run::<P>(plan);
        assert_eq!((&world.oracle.tally.gaps, world.counters().losses), (&BTreeMap::new(), 0), "seed {seed}");
        books += world.oracle.tally.books;
    }
    println!("{name}: {seeds} seeds without a fault, {books} live books, 0 gaps, 0 losses");
}

/// Six hours in which next to nothing trades.
fn quiet<P: Protocol>(name: &str) {
    let hours = 6;
    let pace = millis(600 * SECOND);
    let calm_for = millis(hours * 3_600 * SECOND);
    let plan = Plan { faults_every: None, calm_for, pace, stale_after: calm_for.plus(calm_for), ..chaos(1) };
    let world = run::<P>(plan);
    assert_eq!((&world.oracle.tally.gaps, world.counters().losses), (&BTreeMap::new(), 0));
    assert!(world.pings >= hours as u64 * 200, "the link says nothing: {} pings", world.pings);
    println!("{name}: a quiet session of {hours} h, {} pings, 0 gaps, 0 losses", world.pings);
}

/// The three tests of each venue.
macro_rules! venue {
    ($name:ident, $protocol:ty, $rolls_over:expr) => {
        mod $name {
            #[test]
            fn faults() {
                super::faults::<$protocol>(stringify!($name), $rolls_over);
            }

            #[test]
            fn no_faults() {
                super::no_faults::<$protocol>(stringify!($name));
            }

            #[test]
            fn quiet() {
                super::quiet::<$protocol>(stringify!($name));
            }
        }
    };
}

venue!(binance_spot, crate::binance::Binance, true);
venue!(kraken_v2, crate::kraken::Kraken, false);
venue!(kite, crate::packets::Broker<false>, false);
venue!(angel, crate::packets::Broker<true>, false);
