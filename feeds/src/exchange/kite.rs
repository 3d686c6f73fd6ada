//! The simulated market as Kite tells it: packets of what has changed, and no word more.
//!
//! Source: <https://kite.trade/docs/connect/v3/websocket/>.

use crate::kite::codec::TOKENS_MAX;
use crate::kite::{Mode, Segment};
use crate::sim::{Day, SimMarket};
use bytes::{BufMut, Bytes, BytesMut};
use serde::Deserialize;
use std::collections::BTreeMap;
use tidegate_core::{Level, Nanos, Price, Qty, Side};

/// The shortest time between two packets of a token.
const PACKETS_EVERY: Nanos = Nanos::new(250_000_000);
/// How long a connection may be silent.
pub(super) const HEARTBEAT_EVERY: Nanos = Nanos::SECOND;

const LTP: usize = 8;
const INDEX_QUOTE: usize = 28;
const INDEX_FULL: usize = 32;
const QUOTE: usize = 44;
const FULL: usize = 184;
pub(super) const ROWS_A_SIDE: usize = 5;

/// The token of what has this position in the universe.
pub(super) const fn token(position: u32, segment: Segment) -> u32 {
    (position + 1) << 8 | segment as u32
}

/// One token, and who listens to it.
#[derive(Debug)]
pub(super) struct Ticker {
    pub(super) token: u32,
    position: u32,
    segment: Segment,
    is_changed: bool,
    /// When the next packet may be made.
    due: Nanos,
    /// The latest packet, in full.
    latest: Bytes,
    clients: BTreeMap<u64, Mode>,
}

impl Ticker {
    pub(super) fn new(position: u32, segment: Segment) -> Ticker {
        Ticker {
            token: token(position, segment),
            position,
            segment,
            is_changed: false,
            due: Nanos::ZERO,
            latest: Bytes::new(),
            clients: BTreeMap::new(),
        }
    }

    /// Something has happened to it.
    pub(super) fn change(&mut self) {
        self.is_changed = true;
    }

    /// Lets a client listen, at first for quotes as at the venue; returns the packet to begin with.
    pub(super) fn subscribe(&mut self, client: u64, market: &SimMarket) -> Bytes {
        if self.clients.is_empty() {
            self.make(market);
        }
        let mode = *self.clients.entry(client).or_insert(Mode::Quote);
        self.packet(mode)
    }

    /// Gives a client that listens another mode; returns the packet to begin with.
    pub(super) fn set_mode(&mut self, client: u64, mode: Mode) -> Option<Bytes> {
        *self.clients.get_mut(&client)? = mode;
        Some(self.packet(mode))
    }

    /// A client listens no more.
    pub(super) fn forget(&mut self, client: u64) {
        self.clients.remove(&client);
    }

    /// Makes a packet where one is due and says something new; true where it did.
    pub(super) fn refresh(&mut self, market: &SimMarket) -> bool {
        if self.clients.is_empty() || !self.is_changed || self.due > market.now() {
            return false;
        }
        let before = self.latest.clone();
        self.make(market);
        without_time(&before) != without_time(&self.latest)
    }

    /// What each client gets of the latest packet.
    pub(super) fn packets(&self) -> impl Iterator<Item = (u64, Bytes)> {
        self.clients.iter().map(|(&client, &mode)| (client, self.packet(mode)))
    }

    fn make(&mut self, market: &SimMarket) {
        self.is_changed = false;
        self.due = market.now().plus(PACKETS_EVERY);
        self.latest = match (market.day(self.position), self.segment) {
            (Some(day), Segment::Indices) => self.index(market.now(), &day),
            (Some(day), _) => self.traded(market, &day),
            (None, _) => Bytes::new(),
        };
    }

    /// A shorter packet is the beginning of the longer one.
    fn packet(&self, mode: Mode) -> Bytes {
        let length = match (mode, self.segment) {
            (Mode::Ltp, _) => LTP,
            (Mode::Quote, Segment::Indices) => INDEX_QUOTE,
            (Mode::Quote, _) => QUOTE,
            (Mode::Full, _) => FULL,
        };
        self.latest.slice(..length.min(self.latest.len()))
    }

    fn index(&self, now: Nanos, day: &Day) -> Bytes {
        let mut bytes = BytesMut::with_capacity(INDEX_FULL);
        bytes.put_u32(self.token);
        for price in [day.last, day.high, day.low, day.open, day.previous_close] {
            bytes.put_u32(self.steps(price));
        }
        bytes.put_i32(self.steps(day.last).wrapping_sub(self.steps(day.previous_close)).cast_signed());
        bytes.put_u32(seconds(now));
        bytes.freeze()
    }

    fn traded(&self, market: &SimMarket, day: &Day) -> Bytes {
        let mut bytes = BytesMut::with_capacity(FULL);
        let average = Price::from_raw((day.turnover / day.volume.max(1)) as i64).unwrap_or_default();
        for word in [self.token, self.steps(day.last), units(i128::from(day.last_qty.raw())), self.steps(average)] {
            bytes.put_u32(word);
        }
        bytes.put_u32(units(day.volume));
        for side in Side::BOTH {
            let total = market.depth(self.position, side, usize::MAX).map(|level| i128::from(level.qty.raw())).sum();
            bytes.put_u32(units(total));
        }
        for price in [day.open, day.high, day.low, day.previous_close] {
            bytes.put_u32(self.steps(price));
        }
        // Last trade, open interest with its extremes, and the exchange's clock.
        for word in [seconds(day.last_at), 0, 0, 0, seconds(market.now())] {
            bytes.put_u32(word);
        }
        for side in Side::BOTH {
            let none = Level { price: Price::ZERO, qty: Qty::ZERO, orders: 0 };
            let levels = market.depth(self.position, side, ROWS_A_SIDE).chain(std::iter::repeat(none));
            for level in levels.take(ROWS_A_SIDE) {
                bytes.put_u32(units(i128::from(level.qty.raw())));
                bytes.put_u32(self.steps(level.price));
                bytes.put_u16(u16::try_from(level.orders).unwrap_or(u16::MAX));
                bytes.put_u16(0);
            }
        }
        bytes.freeze()
    }

    /// A price in the venue's steps.
    fn steps(&self, price: Price) -> u32 {
        let steps = price.raw() / self.segment.price_unit();
        u32::try_from(steps.clamp(0, i64::from(i32::MAX))).unwrap_or_default()
    }
}

/// All of a packet but the exchange's clock.
fn without_time(packet: &[u8]) -> (&[u8], &[u8]) {
    let clock = if packet.len() == FULL { 60..64 } else { 28..32 };
    (packet.get(..clock.start).unwrap_or_default(), packet.get(clock.end..).unwrap_or_default())
}

/// Whole shares of a quantity in units of 10⁻⁸.
pub(super) fn units(raw: i128) -> u32 {
    u32::try_from(raw / 10i128.pow(u32::from(Qty::SCALE))).unwrap_or(u32::MAX)
}

pub(super) fn seconds(at: Nanos) -> u32 {
    u32::try_from(at.raw().div_euclid(Nanos::SECOND.raw())).unwrap_or_default()
}

/// Puts packets into one frame.
pub(super) fn frame<'a>(packets: impl ExactSizeIterator<Item = &'a Bytes>) -> Bytes {
    let mut bytes = BytesMut::with_capacity(2 + packets.len() * (2 + FULL));
    bytes.put_u16(u16::try_from(packets.len()).unwrap_or(u16::MAX));
    for packet in packets {
        bytes.put_u16(u16::try_from(packet.len()).unwrap_or(u16::MAX));
        bytes.extend_from_slice(packet);
    }
    bytes.freeze()
}

/// What a request wants.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Request {
    Subscribe(Vec<u32>),
    Unsubscribe(Vec<u32>),
    Mode(Mode, Vec<u32>),
}

#[derive(Deserialize)]
#[serde(tag = "a", content = "v", rename_all = "lowercase")]
enum WireRequest {
    Subscribe(Vec<u32>),
    Unsubscribe(Vec<u32>),
    Mode(String, Vec<u32>),
}

/// Reads a request.
///
/// # Errors
/// The answer to a request that makes no sense.
pub(super) fn read(text: &str) -> Result<Request, String> {
    let wire = serde_json::from_str(text).map_err(|error| refusal(&error.to_string()))?;
    let request = match wire {
        WireRequest::Subscribe(tokens) => Request::Subscribe(tokens),
        WireRequest::Unsubscribe(tokens) => Request::Unsubscribe(tokens),
        WireRequest::Mode(name, tokens) => {
            let mode = [Mode::Ltp, Mode::Quote, Mode::Full].into_iter().find(|mode| mode.name() == name);
            Request::Mode(mode.ok_or_else(|| refusal(&format!("no mode {name}")))?, tokens)
        }
    };
    match &request {
        Request::Subscribe(tokens) if tokens.len() > TOKENS_MAX => Err(refusal("too many tokens")),
        _ => Ok(request),
    }
}

/// What the venue says to a request that it refuses.
pub(super) fn refusal(message: &str) -> String {
    serde_json::json!({"type": "error", "data": message}).to_string()
}
