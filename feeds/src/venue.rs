//! The venues that can be connected to: where they are, what they allow, and whose session speaks to them.

use crate::binance::{BinanceSession, Market};
use crate::catalog::Catalog;
use crate::driver::Endpoints;
use crate::link::{Limits, Rate};
use crate::{Decimals, Session};
use tidegate_core::{Instrument, Nanos};

/// A venue.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Venue {
    /// One of Binance's markets.
    Binance(Market),
}

const fn seconds(count: i64) -> Nanos {
    Nanos::new(count * Nanos::SECOND.raw())
}

/// <https://developers.binance.com/docs/binance-spot-api-docs/web-socket-streams>: 300 connects in 5 minutes,
/// 5 messages a second, 24 hours, a ping of theirs every 20 seconds. A snapshot of 1,000 levels weighs 50 of
/// 6,000 a minute.
const BINANCE_SPOT: Limits = Limits {
    connects: Rate { count: 300, span: seconds(300) },
    messages: Rate { count: 5, span: seconds(1) },
    snapshots: Rate { count: 100, span: seconds(60) },
    silence_max: seconds(20),
    ping_every: seconds(15),
    life_max: Some(seconds(23 * 3_600)),
};

/// Futures: 10 messages a second; a snapshot of 1,000 levels weighs 20 of 2,400 a minute.
const BINANCE_FUTURES: Limits = Limits { messages: Rate { count: 10, span: seconds(1) }, ..BINANCE_SPOT };

impl Venue {
    /// What it allows.
    pub const fn limits(self) -> Limits {
        match self {
            Venue::Binance(Market::Spot) => BINANCE_SPOT,
            Venue::Binance(Market::UsdM | Market::CoinM) => BINANCE_FUTURES,
        }
    }

    /// A session for one connection.
    pub fn session(self) -> Box<dyn Session> {
        match self {
            Venue::Binance(market) => Box::new(BinanceSession::new(market)),
        }
    }

    /// Where it is; with `at`, such as `127.0.0.1:9000`, where somebody speaks as it does.
    pub fn endpoints(self, at: Option<&str>) -> Endpoints {
        match self {
            Venue::Binance(market) => {
                let stream_url =
                    at.map_or_else(|| market.stream_url().to_owned(), |address| format!("ws://{address}/stream"));
                let rest = at.map_or_else(|| market.rest_url().to_owned(), |address| format!("http://{address}"));
                let snapshot_url = move |symbol: &str| format!("{rest}{}", market.snapshot_path(symbol));
                Endpoints { stream_url, snapshot_url: Some(Box::new(snapshot_url)) }
            }
        }
    }

    /// What is known of one of its symbols.
    pub fn instrument(self, catalog: &Catalog, symbol: &str) -> Instrument {
        match self {
            Venue::Binance(market) => catalog.binance(market, symbol, Decimals::default()),
        }
    }
}
