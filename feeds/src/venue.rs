//! The venues that can be connected to: where they are, what they allow, and whose session speaks to them.

use crate::angel::{self, AngelSession};
use crate::binance::{BinanceSession, Market};
use crate::capture;
use crate::catalog::Catalog;
use crate::driver::Endpoints;
use crate::kite::{self, KiteSession};
use crate::kraken::{KrakenSession, Settings, Version};
use crate::link::{Limits, Rate};
use crate::{Decimals, Session};
use hyper::header::HeaderMap;
use tidegate_core::{Instrument, Nanos};

/// A venue.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Venue {
    /// One of Binance's markets.
    Binance(Market),
    /// Kraken spot.
    Kraken,
    /// Indian exchanges through Zerodha Kite.
    Kite,
    /// Indian exchanges through Angel One.
    Angel,
}

/// Where Angel One's stream is on its host.
const ANGEL_PATH: &str = "/smart-stream";

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

/// Heartbeats each second; about 150 connects in 10 minutes from one address.
const KRAKEN: Limits = Limits {
    connects: Rate { count: 100, span: seconds(600) },
    messages: Rate { count: 20, span: seconds(1) },
    life_max: None,
    ..BINANCE_SPOT
};

/// Three connections of one key; heartbeats of both brokers every few seconds. No document states a rate.
const INDIAN_BROKER: Limits = Limits {
    connects: Rate { count: 60, span: seconds(300) },
    messages: Rate { count: 10, span: seconds(1) },
    life_max: None,
    ..BINANCE_SPOT
};

impl Venue {
    /// What it allows.
    pub const fn limits(self) -> Limits {
        match self {
            Venue::Binance(Market::Spot) => BINANCE_SPOT,
            Venue::Binance(Market::UsdM | Market::CoinM) => BINANCE_FUTURES,
            Venue::Kraken => KRAKEN,
            Venue::Kite | Venue::Angel => INDIAN_BROKER,
        }
    }

    /// A session for one connection.
    pub fn session(self) -> Box<dyn Session> {
        match self {
            Venue::Binance(market) => Box::new(BinanceSession::new(market)),
            Venue::Kraken => Box::new(KrakenSession::new(Settings::new(Version::V2))),
            Venue::Kite => Box::new(KiteSession::new(kite::Mode::Full)),
            Venue::Angel => Box::new(AngelSession::new(angel::Mode::SnapQuote)),
        }
    }

    /// A session for a connection over which a recording of the venue is served again.
    pub fn session_of_recording(self) -> Box<dyn Session> {
        match self {
            Venue::Binance(market) => Box::new(BinanceSession::new(market).of_recording()),
            Venue::Kraken | Venue::Kite | Venue::Angel => self.session(),
        }
    }

    /// How its captures are written.
    pub const fn capture_format(self) -> capture::Format {
        match self {
            Venue::Binance(_) => capture::Format::Nanos,
            Venue::Kraken => capture::Format::Seconds,
            Venue::Kite | Venue::Angel => capture::Format::Base64,
        }
    }

    /// Where it is; with `at`, such as `127.0.0.1:9000`, where somebody speaks as it does. `None` where it is
    /// reached with credentials only: [`crate::credentials::Credentials::endpoints`].
    pub fn endpoints(self, at: Option<&str>) -> Option<Endpoints> {
        let plain = |path: &str, url: Option<&str>| {
            let stream_url = at.map(|address| format!("ws://{address}{path}")).or(url.map(str::to_owned))?;
            Some(Endpoints { stream_url, headers: HeaderMap::new(), snapshot_url: None })
        };
        match self {
            Venue::Kraken => plain("/v2", Some(Version::V2.url())),
            Venue::Kite => plain("/", None),
            Venue::Angel => plain(ANGEL_PATH, None),
            Venue::Binance(market) => {
                let stream_url =
                    at.map_or_else(|| market.stream_url().to_owned(), |address| format!("ws://{address}/stream"));
                let rest = at.map_or_else(|| market.rest_url().to_owned(), |address| format!("http://{address}"));
                let snapshot_url = move |symbol: &str| format!("{rest}{}", market.snapshot_path(symbol));
                Some(Endpoints { stream_url, headers: HeaderMap::new(), snapshot_url: Some(Box::new(snapshot_url)) })
            }
        }
    }

    /// What is known of one of its symbols, `seen` being the decimals on the wire.
    pub fn instrument(self, catalog: &Catalog, symbol: &str, seen: Decimals) -> Instrument {
        match self {
            Venue::Binance(market) => catalog.binance(market, symbol, seen),
            Venue::Kraken => catalog.kraken(symbol, seen),
            Venue::Kite => catalog.kite(symbol, seen),
            Venue::Angel => catalog.angel(symbol, seen),
        }
    }
}
