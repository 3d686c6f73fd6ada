//! What goes wrong at the wire, by plan: the same connection, message and seed bring the same fault again.

use rand::{RngExt, SeedableRng};
use rand_pcg::Pcg64Mcg;
use std::collections::BTreeSet;
use std::str::FromStr;
use tidegate_core::{Nanos, Qty};

/// Odds are in so many parts.
const ODDS: u32 = 10_000;
/// Of a fault that lasts, unless said otherwise.
const TIMED_ODDS: &str = "0.01";
/// The longest of them.
const SPAN_MAX: Nanos = Nanos::new(60 * Nanos::SECOND.raw());

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

    /// Adds what one part of a text says.
    fn with(self, part: &str) -> Result<Faults, &'static str> {
        let (name, value) = part.split_once('=').ok_or("write it as name=value")?;
        let fault = match name {
            "seed" => {
                let seed = value.parse().map_err(|_| "a seed is a whole number below 2^64")?;
                return Ok(Faults { seed, ..self });
            }
            "delay" | "slow-reads" => {
                let (time, odds) = value.split_once('@').unwrap_or((value, TIMED_ODDS));
                let by = span(time).ok_or("a time is 1ms to 60s, such as 50ms or 2s")?;
                let fault = if name == "delay" { Fault::Delay(by) } else { Fault::SlowReads(by) };
                return Ok(self.often(fault, parse_odds(odds)?));
            }
            "drop" => Fault::Drop,
            "duplicate" => Fault::Duplicate,
            "reorder" => Fault::Reorder,
            "truncate" => Fault::Truncate,
            "checksum" => Fault::Checksum,
            "mute" => Fault::Mute,
            "half-open" => Fault::HalfOpen,
            "shutdown" => Fault::Shutdown,
            "refuse" => Fault::Refuse,
            "ignore" => Fault::Ignore,
            _ => {
                return Err("the names are drop, duplicate, reorder, delay, truncate, checksum, mute, half-open, \
                            shutdown, refuse, ignore, slow-reads and seed");
            }
        };
        Ok(self.often(fault, parse_odds(value)?))
    }

    /// What befalls one connection.
    pub(super) fn of_connection(&self, connection: u64) -> Plan {
        let planned = self.planned.iter().copied().filter(|planned| planned.connection == connection).collect();
        // Mixed, as the generator drops the lowest bits of a state that it is given as it is.
        let random = Pcg64Mcg::seed_from_u64(self.seed.wrapping_mul(0x9e37_79b9_7f4a_7c15).wrapping_add(connection));
        Plan { planned, odds: self.odds.clone(), random, messages: 0, requests: 0 }
    }
}

/// Why a text is no plan of faults.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{part:?}: {why}")]
pub struct FaultsError {
    /// The part that is wrong, cut to a few words.
    pub part: String,
    /// What is wrong with it.
    pub why: &'static str,
}

/// `drop=0.01,delay=50ms,seed=7`: the odds of each fault, from 0.0001 to 1. A time may name its odds too, as in
/// `delay=50ms@0.002`; they are 0.01 otherwise.
impl FromStr for Faults {
    type Err = FaultsError;

    fn from_str(text: &str) -> Result<Faults, FaultsError> {
        let mut names = BTreeSet::new();
        text.split(',').try_fold(Faults::default(), |faults, part| {
            let is_new = names.insert(part.split('=').next());
            let faults = if is_new { faults.with(part) } else { Err("it is said twice") };
            faults.map_err(|why| FaultsError { part: part.chars().take(40).collect(), why })
        })
    }
}

/// A decimal between 0 and 1, in parts of [`ODDS`].
fn parse_odds(text: &str) -> Result<u32, &'static str> {
    let parsed = Qty::parse(text.as_bytes()).ok().map(|parsed| parsed.value.raw());
    let part = 10i64.pow(u32::from(Qty::SCALE)) / i64::from(ODDS);
    let odds = parsed.filter(|raw| raw % part == 0).and_then(|raw| u32::try_from(raw / part).ok());
    odds.filter(|odds| (1..=ODDS).contains(odds)).ok_or("odds are 0.0001 to 1, with four decimals")
}

/// `50ms` or `2s`.
fn span(text: &str) -> Option<Nanos> {
    let (number, unit) = match text.strip_suffix("ms") {
        Some(number) => (number, 1_000_000),
        None => (text.strip_suffix('s')?, Nanos::SECOND.raw()),
    };
    let span = number.parse::<u32>().ok().map(|number| Nanos::new(i64::from(number) * unit))?;
    (span > Nanos::ZERO && span <= SPAN_MAX).then_some(span)
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
