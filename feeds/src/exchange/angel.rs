//! The simulated market as Angel One's SmartStream tells it: a numbered packet of each token that has changed.
//!
//! Source: the vendor's page "WebSocket Streaming 2.0" (<https://smartapi.angelbroking.com/docs/WebSocket2>).

use super::kite::{ROWS_A_SIDE, seconds, units};
use crate::angel::codec::{LTP, QUOTE, SNAP_QUOTE, TOKEN_BYTES};
use crate::angel::session::SUBSCRIPTIONS_MAX;
use crate::angel::{Exchange, Mode};
use crate::sim::{Day, SimMarket};
use bytes::{BufMut, Bytes, BytesMut};
use serde::Deserialize;
use std::collections::BTreeMap;
use tidegate_core::{Level, Nanos, Price, Qty, Side};

/// How often packets are made.
pub(super) const PACKETS_EVERY: Nanos = Nanos::new(250_000_000);
/// What a client says to hear that the connection lives, and hears.
const PING: &str = "ping";
const PONG: &str = "pong";

/// The number of an instrument at its exchange: all of them are in NSE's cash market.
fn number(position: u32) -> u32 {
    position + 1
}

/// What a session calls an instrument.
#[cfg(test)]
pub(super) fn symbol(position: u32) -> String {
    format!("{}:{}", Exchange::NseCm.code(), number(position))
}

/// One token, and who listens to it.
#[derive(Debug, Default)]
struct Feed {
    is_changed: bool,
    /// Packets so far: the number of the latest one.
    packets: i64,
    /// The latest packet, in full.
    latest: Bytes,
    clients: BTreeMap<u64, Mode>,
}

/// Every token of the venue, by position in the universe.
#[derive(Debug)]
pub(super) struct Floor {
    feeds: BTreeMap<u32, Feed>,
}

/// What a client is told of its request.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Said {
    /// A word.
    Answer(String),
    /// The first packets.
    Packets(Vec<Bytes>),
}

impl Floor {
    pub(super) fn new(market: &SimMarket) -> Floor {
        let listings = (0..).zip(market.universe().listings());
        let of_venue = listings.filter(|(_, listing)| super::binance::symbol(listing).is_none());
        let positions = of_venue.map(|(position, _)| position).chain([market.index_position()]);
        Floor { feeds: positions.map(|position| (position, Feed::default())).collect() }
    }

    /// Something has happened to an instrument.
    pub(super) fn change(&mut self, position: u32) {
        self.feeds.get_mut(&position).into_iter().for_each(|feed| feed.is_changed = true);
    }

    /// A client has gone.
    pub(super) fn forget(&mut self, client: u64) {
        for feed in self.feeds.values_mut() {
            feed.clients.remove(&client);
        }
    }

    /// Packets of what has changed, and whom they are for.
    pub(super) fn packets(&mut self, market: &SimMarket) -> impl Iterator<Item = (u64, Bytes)> {
        self.feeds.iter_mut().flat_map(|(&position, feed)| {
            let is_due = feed.is_changed && !feed.clients.is_empty();
            if is_due {
                feed.make(market, position);
            }
            let feed = &*feed;
            feed.clients.iter().filter(move |_| is_due).map(|(&client, &mode)| (client, feed.packet(mode)))
        })
    }

    /// Does what a client asks for; returns what it is told. A token that does not exist brings no packet, and no
    /// word either.
    pub(super) fn request(&mut self, market: &SimMarket, client: u64, text: &str, is_refused: bool) -> Said {
        if text == PING {
            return Said::Answer(PONG.to_owned());
        }
        let refused = |code, why: &str| Said::Answer(refusal(code, why));
        let Ok(wire) = serde_json::from_str::<WireRequest>(text) else {
            return refused("E1001", "Invalid Request Payload.");
        };
        let mode = Mode::from_code(wire.params.mode).filter(|&mode| mode != Mode::Depth20);
        let (Some(mode), true, false) = (mode, wire.action <= 1, is_refused) else {
            return refused("E1001", "Invalid Request Payload.");
        };
        let lists = wire.params.token_list.iter().filter(|list| list.exchange_type == Exchange::NseCm.code());
        let tokens: Vec<u32> = lists.flat_map(|list| &list.tokens).filter_map(|token| token.parse().ok()).collect();
        let held = self.feeds.values().filter(|feed| feed.clients.contains_key(&client)).count();
        if wire.action == 1 && held + tokens.len() > SUBSCRIPTIONS_MAX {
            return refused("E1002", "Subscription Limit Exceeded");
        }
        let mut packets = Vec::new();
        for token in tokens {
            let place = token.checked_sub(1).and_then(|position| Some((position, self.feeds.get_mut(&position)?)));
            let Some((position, feed)) = place else { continue };
            if wire.action == 0 {
                feed.clients.remove(&client);
                continue;
            }
            if feed.clients.is_empty() {
                feed.make(market, position);
            }
            if feed.clients.insert(client, mode) != Some(mode) {
                packets.push(feed.packet(mode));
            }
        }
        Said::Packets(packets)
    }
}

impl Feed {
    fn make(&mut self, market: &SimMarket, position: u32) {
        self.is_changed = false;
        self.packets += 1;
        let Some(day) = market.day(position) else { return };
        let is_index = position == market.index_position();
        let mut bytes = BytesMut::with_capacity(SNAP_QUOTE);
        bytes.put_u8(Mode::SnapQuote.code());
        bytes.put_u8(Exchange::NseCm.code());
        let token = number(position).to_string();
        bytes.extend_from_slice(token.as_bytes());
        bytes.put_bytes(0, TOKEN_BYTES - token.len());
        // The feed of an index has no number.
        bytes.put_i64_le(if is_index { 0 } else { self.packets });
        bytes.put_i64_le(market.now().raw().div_euclid(1_000_000));
        put_day(&mut bytes, market, position, &day);
        put_rows(&mut bytes, market, position);
        // Circuit limits and extremes of 52 weeks: there are none.
        bytes.put_bytes(0, SNAP_QUOTE - bytes.len());
        self.latest = bytes.freeze();
    }

    /// A shorter packet is the beginning of the longer one, but for its mode.
    fn packet(&self, mode: Mode) -> Bytes {
        let length = match mode {
            Mode::Ltp => LTP,
            Mode::Quote => QUOTE,
            Mode::SnapQuote | Mode::Depth20 => SNAP_QUOTE,
        };
        let mut packet = BytesMut::from(self.latest.get(..length).unwrap_or_default());
        packet.first_mut().into_iter().for_each(|first| *first = mode.code());
        packet.freeze()
    }
}

/// From the last price to the change of the open interest.
fn put_day(bytes: &mut BytesMut, market: &SimMarket, position: u32, day: &Day) {
    let average = Price::from_raw((day.turnover / day.volume.max(1)) as i64).unwrap_or_default();
    bytes.put_i64_le(paise(day.last));
    bytes.put_i64_le(whole(i128::from(day.last_qty.raw())));
    bytes.put_i64_le(paise(average));
    bytes.put_i64_le(whole(day.volume));
    for side in Side::BOTH {
        let total = market.depth(position, side, usize::MAX).map(|level| i128::from(level.qty.raw())).sum();
        // The venue writes totals as binary64, which holds every whole number of 32 bits.
        bytes.put_f64_le(f64::from(units(total)));
    }
    for price in [day.open, day.high, day.low, day.previous_close] {
        bytes.put_i64_le(paise(price));
    }
    bytes.put_i64_le(i64::from(seconds(day.last_at)));
    // Open interest and its change.
    bytes.put_i64_le(0);
    bytes.put_f64_le(0.0);
}

/// The best five of each side, bids first; a short side is filled with zeros.
fn put_rows(bytes: &mut BytesMut, market: &SimMarket, position: u32) {
    let none = Level { price: Price::ZERO, qty: Qty::ZERO, orders: 0 };
    for side in Side::BOTH {
        let levels = market.depth(position, side, ROWS_A_SIDE).chain(std::iter::repeat(none));
        for level in levels.take(ROWS_A_SIDE) {
            bytes.put_i16_le(i16::from(side == Side::Bid));
            bytes.put_i64_le(whole(i128::from(level.qty.raw())));
            bytes.put_i64_le(paise(level.price));
            bytes.put_i16_le(i16::try_from(level.orders).unwrap_or(i16::MAX));
        }
    }
}

fn paise(price: Price) -> i64 {
    price.raw() / Exchange::NseCm.price_unit()
}

fn whole(raw: i128) -> i64 {
    i64::from(units(raw))
}

#[derive(Deserialize)]
struct WireRequest {
    /// 1 begins a subscription, 0 ends it.
    action: u8,
    params: WireParams,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct WireParams {
    mode: u8,
    token_list: Vec<WireTokens>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct WireTokens {
    exchange_type: u8,
    tokens: Vec<String>,
}

/// What the venue says to a request that it refuses.
fn refusal(code: &str, message: &str) -> String {
    serde_json::json!({"errorCode": code, "errorMessage": message}).to_string()
}
