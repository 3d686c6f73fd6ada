//! Which faults there are, and which strike when.

use rand::RngExt;
use rand_pcg::Pcg64Mcg;
use std::collections::{BTreeMap, BTreeSet};

/// What can go wrong. Of a message: the next one of market data; of an answer: the next one.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Fault {
    Drop,
    Duplicate,
    Reorder,
    Delay,
    Truncate,
    WrongChecksum,
    /// Times in a wrong unit.
    WrongTime,
    /// Nothing but pongs comes any more.
    Mute,
    /// Nothing comes or goes any more.
    HalfOpen,
    Disconnect,
    /// The venue says that it ends the connection, and does.
    Shutdown,
    RefusedConnect,
    /// The socket opens after it was given up: what it says races with the next one.
    LateOpen,
    RefusedSubscribe,
    IgnoredSubscribe,
    LateSnapshot,
    OldSnapshot,
    NoSnapshot,
    /// Instead of a snapshot the venue says that nobody may come again for a while.
    Ban,
    /// Our own clock jumps.
    ClockJump,
    /// The engine doubts a book, and asks for another snapshot.
    Resnapshot,
}

impl Fault {
    pub const ALL: [Fault; 21] = [
        Fault::Drop,
        Fault::Duplicate,
        Fault::Reorder,
        Fault::Delay,
        Fault::Truncate,
        Fault::WrongChecksum,
        Fault::WrongTime,
        Fault::Mute,
        Fault::HalfOpen,
        Fault::Disconnect,
        Fault::Shutdown,
        Fault::RefusedConnect,
        Fault::LateOpen,
        Fault::RefusedSubscribe,
        Fault::IgnoredSubscribe,
        Fault::LateSnapshot,
        Fault::OldSnapshot,
        Fault::NoSnapshot,
        Fault::Ban,
        Fault::ClockJump,
        Fault::Resnapshot,
    ];
}

pub struct Chaos {
    rng: Pcg64Mcg,
    armed: BTreeSet<Fault>,
    hits: BTreeMap<Fault, u64>,
}

impl Chaos {
    pub fn new(seed: u64) -> Chaos {
        Chaos { rng: Pcg64Mcg::new(u128::from(seed) ^ 0xc4a05), armed: BTreeSet::new(), hits: BTreeMap::new() }
    }

    /// What strikes next: what loses single messages as often as all the rest.
    pub fn draw(&mut self) -> Fault {
        let among = if self.rng.random() { 6 } else { Fault::ALL.len() };
        Fault::ALL[self.rng.random_range(0..among)]
    }

    pub fn arm(&mut self, fault: Fault) {
        self.armed.insert(fault);
    }

    pub fn is_armed(&self, fault: Fault) -> bool {
        self.armed.contains(&fault)
    }

    /// True where it was armed: once.
    pub fn take(&mut self, fault: Fault) -> bool {
        self.armed.remove(&fault)
    }

    pub fn disarm(&mut self) {
        self.armed.clear();
    }

    /// It has struck.
    pub fn hit(&mut self, fault: Fault) {
        *self.hits.entry(fault).or_default() += 1;
    }

    pub fn has_hit(&self, fault: Fault) -> bool {
        self.hits.contains_key(&fault)
    }

    pub fn hits(&self) -> &BTreeMap<Fault, u64> {
        &self.hits
    }
}
