//! What a market came to, as one BLAKE3 hash: two runs over the same venue messages agree on it,
//! whether they came live, from a capture, from the tape or from Parquet.
//!
//! Per instrument and [`Family`] a chain runs over the applied bodies with venue sequence, trade id and
//! venue time; then come the final book and the bars that have venue time. Left out is what differs
//! between two receptions of the same messages: `seq`, `ts`, receive times, dense ids, `State`, `Gap`,
//! the revision of a bar, and the source's name.

use crate::bar::{BarFlags, BarSeries};
use crate::book::{Book, Known};
use crate::event::{Event, Family, Flags, Side};
use crate::input::{BODY_BYTES_MAX, encode_body};
use blake3::Hash;
use bytes::BufMut;

/// The chain of one family: each venue message adds `hash = BLAKE3(hash ‖ message)`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Chain {
    pub(crate) hash: [u8; 32],
    pub(crate) messages: u64,
    /// The hash before and the message so far; empty between two messages.
    open: Vec<u8>,
}

impl Default for Chain {
    fn default() -> Chain {
        Chain::from_parts([0; 32], 0)
    }
}

impl Chain {
    pub(crate) fn from_parts(hash: [u8; 32], messages: u64) -> Chain {
        Chain { hash, messages, open: Vec::new() }
    }

    /// Adds an event; the message ends with its `LAST`.
    pub fn absorb(&mut self, event: &Event) {
        let mut bytes = [0; 10 + BODY_BYTES_MAX];
        let mut rest = &mut bytes[..];
        rest.put_u8(event.body.kind() as u8);
        rest.put_u8(event.flags.bits());
        if !event.flags.has(Flags::TIME_RECEIVED) {
            rest.put_i64_le(event.venue_ts.raw());
        }
        encode_body(&event.body, &mut rest);
        let left = rest.len();
        if self.open.is_empty() {
            self.open.extend_from_slice(&self.hash);
        }
        self.open.extend_from_slice(&bytes[..bytes.len() - left]);
        if event.flags.has(Flags::LAST) {
            self.hash = *blake3::hash(&self.open).as_bytes();
            self.messages += 1;
            self.open.clear();
        }
    }

    /// Drops an unfinished message: its end is lost.
    pub fn abandon(&mut self) {
        self.open.clear();
    }
}

/// The part of one instrument and source.
pub(crate) fn instrument_part<'a>(
    key: &str,
    chains: &[Chain; Family::ALL.len()],
    book: &Book,
    series: impl Iterator<Item = (&'static str, &'a BarSeries)>,
) -> Hash {
    let mut out = Vec::new();
    put_text(key, &mut out);
    for chain in chains {
        out.put_u64_le(chain.messages);
        out.put_slice(&chain.hash);
    }
    for side in Side::BOTH {
        let (known, price) = match book.known_to(side) {
            Known::Nothing => (0, 0),
            Known::To(price) => (1, price.raw()),
            Known::All => (2, 0),
        };
        out.put_u8(known);
        out.put_i64_le(price);
        out.put_u64_le(book.levels(side).count() as u64);
        for level in book.levels(side) {
            out.put_i64_le(level.price.raw());
            out.put_i64_le(level.qty.raw());
            out.put_u32_le(level.orders);
        }
    }
    for (name, bars) in series {
        put_text(name, &mut out);
        for bar in bars.iter().filter(|bar| !bar.flags.has(BarFlags::TIME_RECEIVED)) {
            for raw in [bar.start.raw(), bar.open.raw(), bar.high.raw(), bar.low.raw(), bar.close.raw()] {
                out.put_i64_le(raw);
            }
            out.put_i128_le(bar.volume);
            out.put_u64_le(bar.trades);
        }
    }
    blake3::hash(&out)
}

fn put_text(text: &str, out: &mut Vec<u8>) {
    out.put_u64_le(text.len() as u64);
    out.put_slice(text.as_bytes());
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::event::Body;
    use crate::instrument::InstrumentId;
    use crate::time::Nanos;

    fn clear(id: u32, venue: i64, receive: i64, flags: Flags) -> Event {
        Event {
            id: InstrumentId(id),
            flags,
            venue_ts: Nanos::new(venue),
            receive_ts: Nanos::new(receive),
            body: Body::Clear,
        }
    }

    fn chain(events: &[Event]) -> Chain {
        let mut chain = Chain::default();
        for event in events {
            chain.absorb(event);
        }
        chain
    }

    #[test]
    fn reception_is_left_out_and_venue_time_is_not() {
        let one = chain(&[clear(1, 5, 6, Flags::LAST)]);
        assert_eq!(one, chain(&[clear(2, 5, 9, Flags::LAST)]));
        assert_ne!(one, chain(&[clear(1, 4, 6, Flags::LAST)]));
        let received = Flags::LAST.with(Flags::TIME_RECEIVED);
        assert_eq!(chain(&[clear(1, 5, 5, received)]), chain(&[clear(1, 6, 6, received)]));
    }

    #[test]
    fn a_message_counts_when_it_ends() {
        let mut open = chain(&[clear(1, 5, 6, Flags::NONE)]);
        assert_eq!((open.messages, open.hash), (0, [0; 32]));
        open.abandon();
        assert_eq!(open, Chain::default());
    }

    /// Golden: changes only with a new digest, which the changelog must announce.
    #[test]
    fn the_chain_is_fixed() {
        let two = chain(&[clear(1, 5, 6, Flags::LAST), clear(1, 7, 8, Flags::LAST)]);
        assert_eq!(
            Hash::from_bytes(two.hash).to_hex().as_str(),
            "a832e4bc8d6bd25a19bfa4de310d2e285cd3eb364cc1770b7ab26b946b862865"
        );
    }
}
