//! A Kite session: packets in, inputs out.

use super::codec::{self, Message, TOKENS_MAX, Text};
use super::{Mode, Segment};
use crate::packet::{PacketStream, Patience};
use crate::{Action, Decimals, FrameError, Payload, Reason, Session};
use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::fmt::Write;
use tidegate_core::{Family, Input, Instrument, InstrumentId, Nanos};

/// Tokens in one request: a message of a few kilobytes.
const REQUEST_TOKENS_MAX: usize = 500;

/// The venue sends a heartbeat every couple of seconds; its own client gives up after five.
const SILENCE_MAX: Nanos = Nanos::new(5 * Nanos::SECOND.raw());

/// The venue refused a request.
#[derive(Debug, thiserror::Error)]
#[error("the venue says: {0}")]
struct Refused(String);

/// The venue delivers what was not asked for.
#[derive(Debug, thiserror::Error)]
#[error("token {0} was not subscribed")]
struct Unwanted(u32);

/// One connection's worth of instruments, by the text of their tokens (`"408065"`).
///
/// At most [`TOKENS_MAX`] are asked for; what is added beyond them stays closed. The venue confirms no
/// request, and sends a packet of each instrument when it takes one: a token without a packet is asked for
/// again after 10 s, then after twice as long each time, up to 320 s.
#[derive(Debug)]
pub struct KiteSession {
    mode: Mode,
    streams: BTreeMap<u32, PacketStream>,
    /// Tokens that came without having been added.
    unwanted: BTreeSet<u32>,
    /// Tokens to be asked for with the next request.
    wanted: BTreeSet<u32>,
    actions: VecDeque<Action>,
    /// When an open connection counts as dead.
    silent_at: Option<Nanos>,
    patience: Patience,
    now: Nanos,
    /// What the venue has refused, in its own words.
    refusal: Option<String>,
}

impl KiteSession {
    /// A session without instruments, which asks for this much of each.
    pub fn new(mode: Mode) -> KiteSession {
        KiteSession {
            mode,
            streams: BTreeMap::new(),
            unwanted: BTreeSet::new(),
            wanted: BTreeSet::new(),
            actions: VecDeque::new(),
            silent_at: None,
            patience: Patience::NONE,
            now: Nanos::ZERO,
            refusal: None,
        }
    }

    /// What packets of this token carry. An index has no book.
    fn families(&self, token: u32) -> &'static [Family] {
        match self.mode {
            Mode::Ltp => &[Family::Trades],
            Mode::Full if Segment::of(token) != Some(Segment::Indices) => {
                &[Family::Book, Family::Trades, Family::Statistics]
            }
            Mode::Quote | Mode::Full => &[Family::Trades, Family::Statistics],
        }
    }

    fn handle_frame(&mut self, frame: &[u8], out: &mut Vec<Input>) -> Result<(), FrameError> {
        let Message::Packets(packets) = codec::decode(frame).map_err(|error| FrameError::Decode(error.into()))? else {
            return Ok(());
        };
        let is_known = |token| self.streams.contains_key(&token) || self.unwanted.contains(&token);
        let unknown = packets.clone().flatten().map(|(token, _)| token).find(|&token| !is_known(token));
        // Told once: a frame that is handed in again has its other packets taken.
        if let Some(token) = unknown.filter(|_| self.unwanted.len() < TOKENS_MAX) {
            self.unwanted.insert(token);
            return Err(FrameError::UnknownSymbol { symbol: token.to_string(), decimals: decimals(token) });
        }
        let (mut count, mut first) = (0, None);
        for packet in packets {
            let passed_over: Reason = match packet {
                Err(error) => error.into(),
                Ok((token, packet)) => match self.streams.get_mut(&token) {
                    Some(stream) => {
                        stream.push(self.now, &packet, out);
                        continue;
                    }
                    None => Unwanted(token).into(),
                },
            };
            count += 1;
            first.get_or_insert(passed_over);
        }
        first.map_or(Ok(()), |first| Err(FrameError::Partial { count, first }))
    }

    fn handle_text(&mut self, text: &[u8]) -> Result<(), FrameError> {
        match codec::decode_text(text) {
            Ok(Text::Other) => Ok(()),
            Ok(Text::Error(message)) => {
                self.refusal = Some(message.to_string());
                Err(FrameError::Decode(Refused(message.into_owned()).into()))
            }
            Err(error) => Err(FrameError::Decode(error.into())),
        }
    }

    /// Asks for everything that has brought no packet on this connection.
    fn want_missing(&mut self) {
        let asked = self.streams.iter().take(TOKENS_MAX);
        self.wanted = asked.filter(|(_, stream)| stream.is_missing()).map(|(&token, _)| token).collect();
    }

    /// Turns what is wanted into requests.
    fn request(&mut self) {
        let tokens: Vec<u32> = std::mem::take(&mut self.wanted).into_iter().collect();
        for batch in tokens.chunks(REQUEST_TOKENS_MAX) {
            let mut list = String::new();
            for (index, token) in batch.iter().enumerate() {
                // Writing to a string cannot fail.
                let _ = write!(list, "{}{token}", if index == 0 { "" } else { "," });
            }
            self.actions.push_back(Action::Send(format!(r#"{{"a":"subscribe","v":[{list}]}}"#)));
            let mode = self.mode.name();
            self.actions.push_back(Action::Send(format!(r#"{{"a":"mode","v":["{mode}",[{list}]]}}"#)));
        }
        self.patience.start(self.now);
    }
}

impl Session for KiteSession {
    fn add(&mut self, symbol: &str, id: InstrumentId, _instrument: Instrument) {
        // Not a token: no packet can ever be its own.
        let Ok(token) = symbol.parse() else { return };
        self.unwanted.remove(&token);
        self.streams.insert(token, PacketStream::new(id, self.families(token)));
        if self.silent_at.is_some() && self.streams.len() <= TOKENS_MAX {
            self.wanted.insert(token);
        }
    }

    fn assume_subscribed(&mut self, symbol: &str, out: &mut Vec<Input>) {
        if let Some(stream) = symbol.parse().ok().and_then(|token: u32| self.streams.get_mut(&token)) {
            stream.subscribe(out);
        }
    }

    fn handle_open(&mut self, now: Nanos) {
        self.now = now;
        self.silent_at = Some(now.plus(SILENCE_MAX));
        self.patience.end();
        self.actions.clear();
        self.want_missing();
    }

    fn handle_message(&mut self, now: Nanos, payload: Payload<'_>, out: &mut Vec<Input>) -> Result<(), FrameError> {
        self.now = now;
        self.silent_at = self.silent_at.map(|_| now.plus(SILENCE_MAX));
        match payload {
            Payload::Binary(frame) => self.handle_frame(frame, out),
            Payload::Text(text) => self.handle_text(text),
        }
    }

    /// No snapshot is ever fetched: each packet is one.
    fn handle_snapshot(&mut self, _: Nanos, _: &str, _: &[u8], _: &mut Vec<Input>) -> Result<(), FrameError> {
        Ok(())
    }

    fn handle_close(&mut self, now: Nanos, out: &mut Vec<Input>) {
        self.now = now;
        self.silent_at = None;
        self.patience.end();
        self.wanted.clear();
        self.actions.clear();
        self.streams.values_mut().for_each(|stream| stream.lose(out));
    }

    fn handle_timeout(&mut self, now: Nanos, _out: &mut Vec<Input>) {
        self.now = now;
        if self.silent_at.is_some_and(|silent_at| silent_at <= now) {
            self.silent_at = None;
            self.patience.end();
            self.actions.push_back(Action::Reconnect("no frame for 5 s"));
        } else if self.patience.is_over(now) {
            self.want_missing();
            if self.wanted.is_empty() {
                self.patience.end();
            }
        }
    }

    fn next_timeout(&self) -> Option<Nanos> {
        self.silent_at.into_iter().chain(self.patience.deadline()).min()
    }

    fn take_refusal(&mut self) -> Option<String> {
        self.refusal.take()
    }

    /// The next packet brings the whole visible book.
    fn handle_resnapshot(&mut self, _: InstrumentId) {}

    fn poll_action(&mut self) -> Option<Action> {
        if !self.wanted.is_empty() {
            self.request();
        }
        self.actions.pop_front()
    }
}

/// Decimals of a token's numbers.
fn decimals(token: u32) -> Decimals {
    Decimals { price: Segment::of(token).map_or(2, Segment::price_decimals), qty: 0 }
}

#[cfg(test)]
#[path = "session_tests.rs"]
mod tests;

#[cfg(test)]
#[path = "mutation_tests.rs"]
mod mutation_tests;
