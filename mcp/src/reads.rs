//! Reads of history: how many run at once, how much memory they take, and until when.
//!
//! One pool serves every read, whatever asks for it. A read first gets a turn, of which there are few: who asks for more
//! is told so at once, and light questions find the server's places free. Its work is done in parts. Each waits for a
//! place and for memory, in a row in which nobody stands behind more than a share of another's; and ends between two
//! steps once its read is dropped, which is what happens when the caller leaves or the time is over.

use crate::caller::Caller;
use crate::data_folder::clients::Principal;
use crate::shares::{Permits, Shares};
use crate::tools::unavailable;
use crate::wire::Refusal;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, OnceLock};
use std::thread::available_parallelism;
use std::time::Duration;
use tokio::time::{Instant, timeout_at};
use tokio_util::sync::{CancellationToken, DropGuard};

/// Most reads under way, waiting ones counted: in all and of one principal. With those that wait for conditions they
/// leave room among the guard's places.
const TURNS: (usize, usize) = (24, 16);
/// Most parts that are worked on at a time.
const PLACES_MAX: usize = 8;
const MIB: usize = 1 << 20;
/// Memory of all parts at a time and of one principal's, in MiB.
const MEMORY: (usize, usize) = (512, 320);
/// How long a read may take.
pub const READ_WITHIN: Duration = Duration::from_secs(20);

/// The pool.
#[derive(Debug)]
pub struct Reads {
    turns: Shares,
    places: Shares,
    memory: Shares,
}

impl Default for Reads {
    fn default() -> Reads {
        let places = available_parallelism().map_or(2, usize::from).clamp(2, PLACES_MAX);
        Reads {
            turns: Shares::new(TURNS.0, TURNS.1),
            places: Shares::new(places, places / 2),
            memory: Shares::new(MEMORY.0, MEMORY.1),
        }
    }
}

/// A read that is under way. Dropped, it ends everything that is done for it.
#[derive(Debug)]
pub struct Read<'a> {
    reads: &'a Reads,
    principal: &'a Principal,
    deadline: Instant,
    has_begun: AtomicBool,
    stop: CancellationToken,
    _end: DropGuard,
    turn: OnceLock<Permits>,
}

/// Where a part of a read is worked on.
#[derive(Debug)]
pub struct Place {
    stop: CancellationToken,
    _place: Permits,
    _memory: Permits,
}

impl Reads {
    /// A read for `caller`, who may find that it is not needed.
    pub fn read<'a>(&'a self, caller: &'a Caller) -> Read<'a> {
        let stop = CancellationToken::new();
        Read {
            reads: self,
            principal: &caller.principal,
            deadline: caller.deadline.min(Instant::now() + READ_WITHIN),
            has_begun: AtomicBool::new(false),
            _end: stop.clone().drop_guard(),
            stop,
            turn: OnceLock::new(),
        }
    }

    /// A read for `caller`, with a turn.
    ///
    /// # Errors
    /// A refusal where too many are under way.
    pub fn begin<'a>(&'a self, caller: &'a Caller) -> Result<Read<'a>, Refusal> {
        let read = self.read(caller);
        read.take_turn()?;
        Ok(read)
    }
}

impl Read<'_> {
    /// What `work` comes to.
    ///
    /// # Errors
    /// That of `work`; a refusal where it takes too long, with the work dropped.
    pub async fn within<T>(&self, work: impl Future<Output = Result<T, Refusal>>) -> Result<T, Refusal> {
        timeout_at(self.deadline, work).await.unwrap_or_else(|_| Err(self.too_slow()))
    }

    fn take_turn(&self) -> Result<(), Refusal> {
        if self.turn.get().is_some() {
            return Ok(());
        }
        let Some(turn) = self.reads.turns.try_take(self.principal) else {
            let message = format!(
                "Too many reads of history are under way (at most {} of one client, {} of all); wait for one to end, and \
                 ask again.",
                TURNS.1, TURNS.0
            );
            return Err(unavailable("too_many_reads", &message, true));
        };
        let _ = self.turn.set(turn);
        Ok(())
    }

    /// A place for a part that takes about `bytes` of memory.
    ///
    /// # Errors
    /// A refusal where too many reads are under way.
    pub async fn place(&self, bytes: usize) -> Result<Arc<Place>, Refusal> {
        self.take_turn()?;
        let Reads { places, memory, .. } = self.reads;
        // Memory first: a place is not held by somebody who waits.
        let memory = memory.take(self.principal, bytes.div_ceil(MIB).max(1)).await;
        let place = places.take(self.principal, 1).await;
        let (Some(memory), Some(place)) = (memory, place) else { return Err(given_up()) };
        self.has_begun.store(true, Ordering::Relaxed);
        Ok(Arc::new(Place { stop: self.stop.clone(), _place: place, _memory: memory }))
    }

    fn too_slow(&self) -> Refusal {
        let seconds = READ_WITHIN.as_secs();
        if self.has_begun.load(Ordering::Relaxed) {
            let message = format!(
                "The read took longer than {seconds} s and was given up; ask for fewer instruments or expressions, or for \
                 shorter periods."
            );
            return unavailable("too_slow", &message, false);
        }
        let message =
            format!("Other reads of history took all places for {seconds} s; ask again once they have been answered.");
        unavailable("too_busy", &message, true)
    }
}

impl Place {
    /// Runs `work` where nobody waits for it, and holds the place until it has ended, even if its caller does not.
    /// `work` is to look at what it is given from time to time, and to end with `None` once that is over.
    ///
    /// # Errors
    /// A refusal where it was given up.
    pub async fn run<T: Send + 'static>(
        self: &Arc<Place>,
        work: impl FnOnce(&Stop) -> Option<T> + Send + 'static,
    ) -> Result<T, Refusal> {
        let place = Arc::clone(self);
        let done = tokio::task::spawn_blocking(move || work(&Stop(&place.stop))).await;
        done.ok().flatten().ok_or_else(given_up)
    }
}

/// Tells work whether it is still wanted.
#[derive(Debug)]
pub struct Stop<'a>(&'a CancellationToken);

impl Stop<'_> {
    /// True once nobody wants the work any more.
    pub fn is_over(&self) -> bool {
        self.0.is_cancelled()
    }
}

fn given_up() -> Refusal {
    unavailable("evaluation_failed", "The evaluation was given up; see the log.", false)
}

#[cfg(test)]
#[path = "reads_tests.rs"]
mod tests;
