//! The queue from one connection to the engine: bounded, without a lock, and venue messages stay whole.

use crate::input::Input;
use crate::time::Nanos;

/// An input on its way to the engine.
#[derive(Debug)]
pub struct Received {
    /// Our clock when its message arrived.
    pub receive_ts: Nanos,
    /// The input.
    pub input: Input,
    /// It ends its message.
    is_last: bool,
}

/// A ring for at most `inputs_max` inputs: one thread pushes, another pops.
pub fn ring(inputs_max: usize) -> (RingProducer, RingConsumer) {
    let (producer, consumer) = rtrb::RingBuffer::new(inputs_max);
    (RingProducer(producer), RingConsumer(consumer))
}

/// The connection's end.
#[derive(Debug)]
pub struct RingProducer(rtrb::Producer<Received>);

impl RingProducer {
    /// Pushes all inputs of one venue message, received at `receive_ts`, or none of them; true where `inputs`
    /// is empty now.
    ///
    /// A message larger than the whole ring goes in pieces, which leave `inputs` as they go: call again until
    /// it is true. Whoever gives up in between owes a [`crate::Gap`].
    pub fn push_message(&mut self, receive_ts: Nanos, inputs: &mut Vec<Input>) -> bool {
        let room = self.0.slots();
        if room < inputs.len() && inputs.len() <= self.0.buffer().capacity() {
            return false;
        }
        let count = room.min(inputs.len());
        let ends = count == inputs.len();
        if let Ok(chunk) = self.0.write_chunk_uninit(count) {
            chunk.fill_from_iter(inputs.drain(..count).enumerate().map(|(index, input)| Received {
                receive_ts,
                input,
                is_last: ends && index + 1 == count,
            }));
        }
        ends
    }
}

/// The engine's end.
#[derive(Debug)]
pub struct RingConsumer(rtrb::Consumer<Received>);

impl RingConsumer {
    /// Hands over the inputs of one message, or of what is there of it; tells how many. It stops inside a
    /// message only where all is read that waited when it was called.
    ///
    /// # Errors
    /// What `take` gives; the input that it was given is gone then.
    pub fn pop_message<E>(&mut self, mut take: impl FnMut(&Received) -> Result<(), E>) -> Result<usize, E> {
        let waiting = self.0.slots();
        let Ok(chunk) = self.0.read_chunk(waiting) else { return Ok(0) };
        let (first, second) = chunk.as_slices();
        let mut count = 0;
        let mut result = Ok(());
        for received in first.iter().chain(second) {
            count += 1;
            result = take(received);
            if result.is_err() || received.is_last {
                break;
            }
        }
        chunk.commit(count);
        result.map(|()| count)
    }
}

#[cfg(test)]
#[path = "ring_tests.rs"]
mod tests;
