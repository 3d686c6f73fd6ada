//! One turn of the engine's thread: what the connections sent, the time that passed, and what to show of it.

use crate::board::BoardWriter;
use crate::engine::{Engine, EngineError, Observer};
use crate::ring::RingConsumer;
use crate::time::Nanos;

/// The rings of all connections.
#[derive(Debug)]
pub struct Inlets {
    rings: Vec<RingConsumer>,
    batch_max: usize,
    /// The ring whose turn it is.
    next: usize,
}

impl Inlets {
    /// Inlets from which one turn takes `batch_max` inputs, and the rest of the message that it then is in.
    pub fn new(rings: Vec<RingConsumer>, batch_max: usize) -> Inlets {
        Inlets { rings, batch_max, next: 0 }
    }

    /// Applies a batch of inputs, a message from each ring in turn, and tells how many; publishes every stream
    /// that changed, once.
    ///
    /// `now` was read from the clock before. Deadlines up to it pass only where every ring is drained:
    /// what still waits in one was received earlier, and brings its own deadlines.
    ///
    /// # Errors
    /// [`EngineError`]; the inputs before the one at fault are applied, and nothing is published.
    pub fn turn(
        &mut self,
        now: Nanos,
        engine: &mut Engine,
        observer: &mut impl Observer,
        board: &mut BoardWriter,
    ) -> Result<usize, EngineError> {
        let (mut applied, mut drained) = (0, 0);
        while drained < self.rings.len() && applied < self.batch_max {
            let ring = &mut self.rings[self.next];
            let count = ring.pop_message(|received| engine.input(received.receive_ts, &received.input, observer))?;
            self.next = (self.next + 1) % self.rings.len();
            applied += count;
            drained = if count == 0 { drained + 1 } else { 0 };
        }
        if drained == self.rings.len() {
            engine.pass_time(now, observer)?;
        }
        engine.publish(board);
        Ok(applied)
    }
}

#[cfg(test)]
#[cfg(not(loom))]
#[path = "inlets_tests.rs"]
mod tests;
