//! Connections, and which of them has to go when there are too many.
//!
//! Without a bearer anybody on this machine can open connections, so those that have not shown one are few, and the
//! oldest of them makes room for the next: it has had the most time. Those that have shown one are counted apart. Of
//! them one that rests makes room, of whoever has the most.

use crate::data_folder::clients::Principal;
use std::cmp::Reverse;
use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;

/// Most connections without a passed bearer.
const UNPROVEN_MAX: usize = 128;
/// Most connections with one. Together well below the usual limit of 1024 open files.
const PROVEN_MAX: usize = 256;
/// A connection is given this long at least before it makes room: enough to be heard, however many come.
const HEARD_WITHIN: Duration = Duration::from_millis(50);

/// All connections of a listener; clones share them.
#[derive(Clone, Debug, Default)]
pub struct Connections {
    known: Arc<Mutex<Known>>,
}

#[derive(Debug, Default)]
struct Known {
    /// By number, the oldest first.
    all: BTreeMap<u64, Entry>,
    /// Of the newest connection; and how often something has happened.
    numbers: u64,
    events: u64,
}

#[derive(Debug)]
struct Entry {
    since: Instant,
    /// Who has shown a bearer.
    owner: Option<Principal>,
    /// Requests that have been let in and whose answers are not out yet.
    under_way: usize,
    /// When the last of them ended, as a number of events.
    rests_since: u64,
    end: CancellationToken,
}

/// A connection, for those who serve it and its requests; once they all have dropped it, it is forgotten.
#[derive(Clone, Debug)]
pub struct Connection(Arc<Place>);

#[derive(Debug)]
struct Place {
    number: u64,
    connections: Connections,
    end: CancellationToken,
}

/// A request that was let in, until its answer is out.
#[derive(Debug)]
pub struct UnderWay(Connection);

impl Connections {
    /// A new connection, which has shown nothing yet. Where there are too many of those, the oldest is ended.
    pub async fn open(&self) -> Connection {
        loop {
            match self.open_at(Instant::now()) {
                Ok(connection) => return connection,
                Err(at) => tokio::time::sleep_until(at).await,
            }
        }
    }

    /// As [`Connections::open`]; an error says when the oldest has had its time.
    fn open_at(&self, now: Instant) -> Result<Connection, Instant> {
        let mut known = self.known();
        let mut unproven = known.all.iter().filter(|(_, entry)| entry.owner.is_none());
        if let Some((&oldest, Entry { since, .. })) = unproven.next()
            && unproven.count() + 1 >= UNPROVEN_MAX
        {
            let heard = *since + HEARD_WITHIN;
            if heard > now {
                return Err(heard);
            }
            known.end(oldest);
        }
        known.numbers += 1;
        let (number, end) = (known.numbers, CancellationToken::new());
        let entry = Entry { since: now, owner: None, under_way: 0, rests_since: 0, end: end.clone() };
        known.all.insert(number, entry);
        Ok(Connection(Arc::new(Place { number, connections: self.clone(), end })))
    }

    fn known(&self) -> MutexGuard<'_, Known> {
        self.known.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Known {
    fn end(&mut self, number: u64) {
        if let Some(entry) = self.all.remove(&number) {
            entry.end.cancel();
        }
    }

    /// The connection that rests for longest, of whoever has the most connections of those who have one that rests.
    fn resting(&self) -> Option<u64> {
        let mut counts: BTreeMap<&Principal, usize> = BTreeMap::new();
        self.all
            .values()
            .filter_map(|entry| entry.owner.as_ref())
            .for_each(|owner| *counts.entry(owner).or_default() += 1);
        let resting = self.all.iter().filter(|(_, entry)| entry.under_way == 0).filter_map(|(&number, entry)| {
            let count = counts.get(entry.owner.as_ref()?)?;
            Some((Reverse(*count), entry.rests_since, number))
        });
        resting.min().map(|(_, _, number)| number)
    }
}

impl Connection {
    /// A request of this connection has shown the bearer of `principal`. `None` where the connection has been ended, or
    /// there is no room for it.
    pub fn pass(&self, principal: &Principal) -> Option<UnderWay> {
        let mut known = self.0.connections.known();
        let is_new = known.all.get(&self.0.number)?.owner.is_none();
        if is_new && known.all.values().filter(|entry| entry.owner.is_some()).count() >= PROVEN_MAX {
            let rests = known.resting()?;
            known.end(rests);
        }
        let entry = known.all.get_mut(&self.0.number)?;
        entry.owner = Some(principal.clone());
        entry.under_way += 1;
        Some(UnderWay(self.clone()))
    }

    /// True once a bearer has been shown.
    pub fn has_passed(&self) -> bool {
        self.0.connections.known().all.get(&self.0.number).is_some_and(|entry| entry.owner.is_some())
    }

    /// Until it has to go.
    pub async fn ended(&self) {
        self.0.end.cancelled().await;
    }
}

impl Drop for UnderWay {
    fn drop(&mut self) {
        let place = &self.0.0;
        let mut known = place.connections.known();
        known.events += 1;
        let events = known.events;
        if let Some(entry) = known.all.get_mut(&place.number) {
            entry.under_way -= 1;
            entry.rests_since = events;
        }
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        self.connections.known().all.remove(&self.number);
    }
}

#[cfg(test)]
#[path = "connections_tests.rs"]
mod tests;
