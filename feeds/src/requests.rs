//! Subscriptions that a venue has to acknowledge: what was asked for is not yet what is delivered.

use std::collections::BTreeMap;
use tidegate_core::Nanos;

/// How long a venue may take to answer.
const PATIENCE: Nanos = Nanos::new(5_000_000_000);

/// How often one thing is asked for on one connection.
pub const ATTEMPTS_MAX: u8 = 3;

/// One request.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Request {
    /// What for.
    pub symbols: Vec<String>,
    /// How often it has been asked, this time included.
    pub attempts: u8,
    deadline: Nanos,
}

/// The requests of one connection that nobody has answered.
#[derive(Clone, Debug, Default)]
pub struct Requests {
    last_id: u64,
    waiting: BTreeMap<u64, Request>,
}

impl Requests {
    /// Notes a request made at `now` for the `attempts`-th time; returns its number on the wire.
    pub fn ask(&mut self, symbols: Vec<String>, attempts: u8, now: Nanos) -> u64 {
        self.last_id += 1;
        self.waiting.insert(self.last_id, Request { symbols, attempts, deadline: now.plus(PATIENCE) });
        self.last_id
    }

    /// The venue has agreed to request `id`; `None` where nobody waits for that.
    pub fn acknowledge(&mut self, id: u64) -> Option<Vec<String>> {
        self.waiting.remove(&id).map(|request| request.symbols)
    }

    /// Takes out a request that should have been answered by `now`.
    pub fn take_overdue(&mut self, now: Nanos) -> Option<Request> {
        let (&id, _) = self.waiting.iter().find(|(_, request)| request.deadline <= now)?;
        self.waiting.remove(&id)
    }

    /// When the next answer is overdue.
    pub fn next_deadline(&self) -> Option<Nanos> {
        self.waiting.values().map(|request| request.deadline).min()
    }

    /// The connection they were made on is gone.
    pub fn clear(&mut self) {
        self.waiting.clear();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_not_answered_in_time_is_taken_out_once() {
        let mut requests = Requests::default();
        let first = requests.ask(vec!["A".to_owned()], 1, Nanos::ZERO);
        let second = requests.ask(vec!["B".to_owned()], 1, Nanos::SECOND);
        assert_eq!(requests.acknowledge(first), Some(vec!["A".to_owned()]));
        assert_eq!(requests.acknowledge(first), None, "an answer counts once");
        assert_eq!(requests.next_deadline(), Some(Nanos::SECOND.plus(PATIENCE)));
        assert_eq!(requests.take_overdue(PATIENCE), None);
        let overdue = requests.take_overdue(Nanos::SECOND.plus(PATIENCE)).unwrap();
        assert_eq!((overdue.symbols, overdue.attempts), (vec!["B".to_owned()], 1));
        assert_eq!((requests.acknowledge(second), requests.next_deadline()), (None, None));
    }
}
