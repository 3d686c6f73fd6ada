//! What goes wrong at the wire, by plan: the same connection, message and seed bring the same fault again.

use rand::{RngExt, SeedableRng};
use rand_pcg::Pcg64Mcg;
use tidegate_core::Nanos;

/// Odds are in so many parts.
const ODDS: u32 = 10_000;

/// One thing that goes wrong. Times are of the market.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Fault {
    /// A message is lost.
    Drop,
    /// A message comes twice.
    Duplicate,
    /// A message changes places with the next.
    Reorder,
    /// A message comes so much later, and all that follow it behind it.
    Delay(Nanos),
    /// A message ends in its middle.
    Truncate,
    /// A message bears another checksum than its own, where the protocol has one.
    Checksum,
    /// Instead of this message, and from here on, nothing is said. The socket lives, and answers pings.
    Mute,
    /// From here on nothing is said, read or answered, as if the cable were cut.
    HalfOpen,
    /// The venue says that it goes, where its protocol has words for it, and closes the connection.
    Shutdown,
    /// A request is refused.
    Refuse,
    /// A request is read, and nothing comes of it.
    Ignore,
    /// This request and all that follow are read so much later.
    SlowReads(Nanos),
}

impl Fault {
    /// True where it befalls a request, false where a message.
    const fn is_of_requests(self) -> bool {
        matches!(self, Fault::Refuse | Fault::Ignore | Fault::SlowReads(_))
    }
}

/// One fault at one place.
#[derive(Clone, Copy, Debug)]
struct Planned {
    connection: u64,
    at: u64,
    fault: Fault,
}

/// The faults of all connections of an exchange: none, unless said otherwise.
#[derive(Clone, Debug, Default)]
pub struct Faults {
    seed: u64,
    planned: Vec<Planned>,
    odds: Vec<(Fault, u32)>,
}

impl Faults {
    /// No fault yet; those that are left to chance will come from `seed`.
    pub fn seeded(seed: u64) -> Faults {
        Faults { seed, ..Faults::default() }
    }

    /// A fault of one connection, at one of its messages of market data or of its requests. All are counted
    /// from 0, connections over both protocols.
    #[must_use]
    pub fn once(mut self, connection: u64, at: u64, fault: Fault) -> Faults {
        self.planned.push(Planned { connection, at, fault });
        self
    }

    /// A fault that befalls a message, or request, of any connection in so many of 10,000 cases.
    #[must_use]
    pub fn often(mut self, fault: Fault, odds: u32) -> Faults {
        self.odds.push((fault, odds.min(ODDS)));
        self
    }

    /// What befalls one connection.
    pub(super) fn of_connection(&self, connection: u64) -> Plan {
        let planned = self.planned.iter().copied().filter(|planned| planned.connection == connection).collect();
        // Mixed, as the generator drops the lowest bits of a state that it is given as it is.
        let random = Pcg64Mcg::seed_from_u64(self.seed.wrapping_mul(0x9e37_79b9_7f4a_7c15).wrapping_add(connection));
        Plan { planned, odds: self.odds.clone(), random, messages: 0, requests: 0 }
    }
}

/// The faults of one connection that are still to come.
#[derive(Debug)]
pub(super) struct Plan {
    planned: Vec<Planned>,
    odds: Vec<(Fault, u32)>,
    random: Pcg64Mcg,
    messages: u64,
    requests: u64,
}

impl Plan {
    /// What befalls the next message of market data.
    pub(super) fn next_message(&mut self) -> Option<Fault> {
        self.messages += 1;
        self.next(self.messages - 1, false)
    }

    /// What befalls the next request.
    pub(super) fn next_request(&mut self) -> Option<Fault> {
        self.requests += 1;
        self.next(self.requests - 1, true)
    }

    fn next(&mut self, at: u64, is_request: bool) -> Option<Fault> {
        let is_meant = |fault: Fault| fault.is_of_requests() == is_request;
        if let Some(planned) = self.planned.iter().find(|planned| planned.at == at && is_meant(planned.fault)) {
            return Some(planned.fault);
        }
        let Plan { odds, random, .. } = self;
        let meant = odds.iter().filter(|(fault, _)| is_meant(*fault));
        meant.into_iter().find(|(_, odds)| random.random_range(0..ODDS) < *odds).map(|&(fault, _)| fault)
    }
}

#[cfg(test)]
#[path = "faults_tests.rs"]
mod tests;
