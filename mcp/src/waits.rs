//! Who waits for which standing condition, and the handles with which they come back.
//!
//! The engine watches on between two calls, and for [`LEASE`] after the last one; what becomes true meanwhile is kept
//! here. A handle says what was waited for and since when, so that it is good for more than the lease: the recording
//! answers then. It is sealed: nobody but the one it was given to can use it, for nothing but what was waited for, and
//! nobody can change it.

use crate::data_folder::clients::Principal;
use crate::engine::{EngineClient, EngineUnavailable, NoRoom, Stamp};
use crate::shares::{Permits, Shares};
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;
use subtle::ConstantTimeEq;
use tidegate_core::condition::{CONDITIONS_MAX, Condition, Firing};
use tokio::sync::{mpsc, watch};
use tokio::time::{Instant, MissedTickBehavior, interval, timeout};

/// How long a condition is watched after the last call that waited for it.
pub const LEASE: Duration = Duration::from_secs(60);
/// How often ended leases are looked for.
const SWEEP: Duration = Duration::from_secs(1);
/// Most conditions of one client at a time.
const HELD_MAX: usize = 64;
/// Most calls that wait at a time, of all clients and of one: with the reads of history under way they leave places
/// for requests that take no time.
const CALLS: (usize, usize) = (32, 24);
/// Most streams at a time, of all clients and of one.
const STREAMS: (usize, usize) = (32, 24);
const SEAL_BYTES: usize = 16;

/// Firings on their way here: more than there can be conditions.
pub const FIRINGS_MAX: usize = 2 * CONDITIONS_MAX;

/// All waits of an engine.
pub struct Waits {
    engine: EngineClient,
    key: [u8; 32],
    held: Mutex<BTreeMap<u64, Held>>,
    calls: Shares,
    streams: Shares,
}

/// A condition that the engine watches for somebody.
struct Held {
    principal: Principal,
    waiting: usize,
    lease_ends: Instant,
    fired: watch::Sender<Option<Firing>>,
}

/// Where a wait left off.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Handle {
    /// The condition's number in the engine.
    pub id: u64,
    /// Up to here nothing had happened: the end of a bar, in nanoseconds.
    pub until: i64,
    /// Start of the first bar that it was worked out from, in nanoseconds.
    pub primed_from: Option<i64>,
}

/// Why a condition is not watched.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum NotWatched {
    /// The client has as many as it may, or as many calls or streams wait as may.
    #[error("too many waits")]
    TooMany,
    /// The engine has no room for it.
    #[error("the engine watches too many conditions")]
    NoRoom,
    /// The engine did not answer.
    #[error(transparent)]
    Engine(#[from] EngineUnavailable),
}

impl Waits {
    /// Waits for conditions of `engine`; handles are sealed with what `secret` says, so that they outlive this process
    /// as long as it does.
    pub fn new(engine: EngineClient, secret: &str) -> Arc<Waits> {
        let key = blake3::derive_key("tidegate 2026-11 handles of waits", secret.as_bytes());
        let (calls, streams) = (Shares::new(CALLS.0, CALLS.1), Shares::new(STREAMS.0, STREAMS.1));
        Arc::new(Waits { engine, key, held: Mutex::default(), calls, streams })
    }

    /// A place for a call that waits.
    ///
    /// # Errors
    /// [`NotWatched::TooMany`].
    pub fn call(&self, principal: &Principal) -> Result<Permits, NotWatched> {
        self.calls.try_take(principal).ok_or(NotWatched::TooMany)
    }

    /// A place for a stream.
    ///
    /// # Errors
    /// [`NotWatched::TooMany`].
    pub fn stream(&self, principal: &Principal) -> Result<Permits, NotWatched> {
        self.streams.try_take(principal).ok_or(NotWatched::TooMany)
    }

    /// Passes on what fires, and has the engine forget what nobody asks for any more, until `firings` ends.
    pub async fn run(self: Arc<Waits>, mut firings: mpsc::Receiver<Firing>) {
        let mut sweep = interval(SWEEP);
        sweep.set_missed_tick_behavior(MissedTickBehavior::Delay);
        loop {
            tokio::select! {
                firing = firings.recv() => {
                    let Some(firing) = firing else { return };
                    if let Some(held) = self.held().get(&firing.id) {
                        // The first one counts, until somebody has taken it.
                        held.fired.send_if_modified(|fired| fired.is_none() && fired.replace(firing).is_none());
                    }
                }
                now = sweep.tick() => self.sweep(now),
            }
        }
    }

    fn held(&self) -> MutexGuard<'_, BTreeMap<u64, Held>> {
        self.held.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn sweep(&self, now: Instant) {
        // One that the engine is too busy to hear of is tried again with the next sweep.
        self.held().retain(|id, held| held.waiting > 0 || now < held.lease_ends || !self.engine.detach(*id));
    }

    /// Has the engine watch a condition for `principal`; what it waits with, and since when.
    ///
    /// # Errors
    /// [`NotWatched`].
    pub async fn attach(
        self: &Arc<Waits>,
        principal: &Principal,
        condition: Condition,
    ) -> Result<(Wait, Stamp), NotWatched> {
        let id = condition.id();
        let wait = self.hold(principal, id)?;
        match self.engine.attach(condition).await {
            Ok(Ok(stamp)) => Ok((wait, stamp)),
            Ok(Err(NoRoom)) => {
                wait.end();
                Err(NotWatched::NoRoom)
            }
            Err(error) => {
                wait.end();
                Err(error.into())
            }
        }
    }

    fn hold(self: &Arc<Waits>, principal: &Principal, id: u64) -> Result<Wait, NotWatched> {
        let mut held = self.held();
        let own = held.values().filter(|held| held.principal == *principal).count();
        if own >= HELD_MAX {
            return Err(NotWatched::TooMany);
        }
        let (sender, fired) = watch::channel(None);
        let principal = principal.clone();
        held.insert(id, Held { principal, waiting: 1, lease_ends: Instant::now() + LEASE, fired: sender });
        Ok(Wait { waits: Arc::clone(self), id, fired })
    }

    /// Goes on with a wait whose lease has not ended; `None` where it has.
    pub fn resume(self: &Arc<Waits>, principal: &Principal, id: u64) -> Option<Wait> {
        let mut held = self.held();
        let held = held.get_mut(&id).filter(|held| held.principal == *principal)?;
        held.waiting += 1;
        Some(Wait { waits: Arc::clone(self), id, fired: held.fired.subscribe() })
    }

    /// A handle as its owner gets it: good for them, and for what `asked` says.
    pub fn seal(&self, handle: &Handle, owner: &Principal, asked: &[&str]) -> String {
        let Handle { id, until, primed_from } = *handle;
        // The lowest number is no time that ever was.
        let handle = [id, until as u64, primed_from.unwrap_or(i64::MIN) as u64].map(u64::to_le_bytes).concat();
        let mut bytes = self.tag(&handle, owner, asked).to_vec();
        bytes.extend_from_slice(&handle);
        URL_SAFE_NO_PAD.encode(bytes)
    }

    /// What a handle says; `None` where it is not one of this folder's, is somebody else's, or for something else.
    pub fn open(&self, sealed: &str, owner: &Principal, asked: &[&str]) -> Option<Handle> {
        let bytes = URL_SAFE_NO_PAD.decode(sealed).ok()?;
        let (tag, handle) = bytes.split_at_checked(SEAL_BYTES)?;
        let is_ours = bool::from(tag.ct_eq(&self.tag(handle, owner, asked)));
        let mut numbers = handle.chunks_exact(8).filter_map(|bytes| Some(u64::from_le_bytes(bytes.try_into().ok()?)));
        let (id, until, from) = (numbers.next()?, numbers.next()? as i64, numbers.next()? as i64);
        is_ours.then_some(Handle { id, until, primed_from: Some(from).filter(|&from| from != i64::MIN) })
    }

    fn tag(&self, handle: &[u8], owner: &Principal, asked: &[&str]) -> [u8; SEAL_BYTES] {
        let mut hasher = blake3::Hasher::new_keyed(&self.key);
        let owner = owner.to_string();
        for part in [handle, owner.as_bytes()].into_iter().chain(asked.iter().map(|part| part.as_bytes())) {
            // Lengths keep parts apart.
            hasher.update(&(part.len() as u64).to_le_bytes());
            hasher.update(part);
        }
        let mut tag = [0; SEAL_BYTES];
        tag.copy_from_slice(&hasher.finalize().as_bytes()[..SEAL_BYTES]);
        tag
    }
}

/// A call or stream that waits. Dropped, however that comes, it leaves the condition to its lease.
pub struct Wait {
    waits: Arc<Waits>,
    id: u64,
    fired: watch::Receiver<Option<Firing>>,
}

impl Wait {
    /// The condition's number.
    pub fn id(&self) -> u64 {
        self.id
    }

    /// The firing, as soon as there is one; `None` after `patience`.
    pub async fn fired(&mut self, patience: Duration) -> Option<Firing> {
        let fired = timeout(patience, self.fired.wait_for(Option::is_some)).await;
        fired.ok().and_then(Result::ok).and_then(|fired| *fired)
    }

    /// Takes a firing, if there has been one, so that the next one counts.
    pub fn take_fired(&mut self) -> bool {
        let held = self.waits.held();
        held.get(&self.id).is_some_and(|held| held.fired.send_replace(None).is_some())
    }

    /// Nobody will come back for it: the engine forgets it.
    pub fn end(self) {
        if let Some(held) = self.waits.held().get_mut(&self.id) {
            held.lease_ends = Instant::now();
            held.waiting = 0;
        }
    }
}

impl Drop for Wait {
    fn drop(&mut self) {
        if let Some(held) = self.waits.held().get_mut(&self.id) {
            // One that has been ended stays so.
            if held.waiting > 0 {
                held.waiting -= 1;
                held.lease_ends = Instant::now() + LEASE;
            }
        }
    }
}

#[cfg(test)]
#[path = "waits_tests.rs"]
mod tests;
