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

/// A symbol is not written as the venue writes it.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{symbol:?} is no symbol of this venue; write {hint}")]
pub struct SpellingError {
    /// What was given.
    pub symbol: String,
    /// What was probably meant.
    pub hint: String,
}

/// Currencies in which Kraken's pairs are quoted, longer names before those that they end in.
const KRAKEN_QUOTES: [&str; 11] = ["USDT", "USDC", "USD", "EUR", "GBP", "CHF", "CAD", "AUD", "JPY", "BTC", "ETH"];

/// A pair with the venue's slash in capitals; tokenized shares alone end in a small `x` (`AAPLx/USD`).
fn kraken_pair(symbol: &str) -> String {
    let slashed = symbol.replace(['-', '_', ' '], "/");
    let upper = slashed.to_uppercase();
    let Some((base, quote)) = upper.split_once('/') else {
        let quote = KRAKEN_QUOTES.into_iter().find(|quote| upper.len() > quote.len() && upper.ends_with(quote));
        let base = quote.and_then(|quote| upper.strip_suffix(quote));
        return base.zip(quote).map_or_else(|| "BTC/USD, say".to_owned(), |(base, quote)| format!("{base}/{quote}"));
    };
    let written = slashed.split('/').next().unwrap_or_default();
    let is_share = written.ends_with('x') && written.chars().any(char::is_uppercase);
    let base = base.strip_suffix('X').filter(|_| is_share).map_or(base.to_owned(), |base| format!("{base}x"));
    format!("{base}/{quote}")
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

    /// A symbol as this venue spells it, where no more than the case of letters is wrong.
    ///
    /// # Errors
    /// [`SpellingError`] with what was probably meant: under any other name the venue's messages would find nobody.
    pub fn spell(self, symbol: &str) -> Result<String, SpellingError> {
        let wrong = |hint: String| SpellingError { symbol: symbol.to_owned(), hint };
        // Our own keys begin with the market.
        let bare = symbol.rsplit(':').next().unwrap_or_default();
        match self {
            Venue::Binance(_) => {
                let spelled = bare.to_uppercase().replace(['/', '-', ' '], "");
                if !spelled.is_empty() && spelled == symbol.to_uppercase() { Ok(spelled) } else { Err(wrong(spelled)) }
            }
            Venue::Kraken => {
                let spelled = kraken_pair(bare);
                let is_case_alone = spelled.to_uppercase() == symbol.to_uppercase();
                let is_pair =
                    spelled.split_once('/').is_some_and(|(base, quote)| !base.is_empty() && !quote.is_empty());
                if is_pair && is_case_alone { Ok(spelled) } else { Err(wrong(spelled)) }
            }
            Venue::Kite if symbol.parse::<u32>().is_ok() => Ok(symbol.to_owned()),
            Venue::Kite => Err(wrong("the number of an instrument_token, such as 408065".to_owned())),
            Venue::Angel => match symbol.parse::<angel::codec::Token>() {
                Ok(token) => Ok(token.to_string()),
                Err(_) => Err(wrong("exchange type and token, such as 1:1594".to_owned())),
            },
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_symbol_is_taken_in_the_venues_spelling_or_refused_with_it() {
        let spot = Venue::Binance(Market::Spot);
        for (venue, given, expect) in [
            (spot, "BTCUSDT", Ok("BTCUSDT")),
            (spot, "btcusdt", Ok("BTCUSDT")),
            (spot, "BtcUsdt", Ok("BTCUSDT")),
            (spot, "btc/usdt", Err("BTCUSDT")),
            (spot, "BTC-USDT", Err("BTCUSDT")),
            (spot, "BINANCE:BTCUSDT", Err("BTCUSDT")),
            (spot, "币安人生usdt", Ok("币安人生USDT")),
            (Venue::Binance(Market::CoinM), "btcusd_perp", Ok("BTCUSD_PERP")),
            (Venue::Binance(Market::UsdM), "btcusdt_260327", Ok("BTCUSDT_260327")),
            (Venue::Kraken, "BTC/USD", Ok("BTC/USD")),
            (Venue::Kraken, "btc/usd", Ok("BTC/USD")),
            (Venue::Kraken, "AAPLx/USD", Ok("AAPLx/USD")),
            (Venue::Kraken, "avax/usd", Ok("AVAX/USD")),
            (Venue::Kraken, "AVAX/USD", Ok("AVAX/USD")),
            (Venue::Kraken, "BTC-USD", Err("BTC/USD")),
            (Venue::Kraken, "btcusd", Err("BTC/USD")),
            (Venue::Kraken, "ETHUSDT", Err("ETH/USDT")),
            (Venue::Kraken, "KRAKEN:BTC/USD", Err("BTC/USD")),
            (Venue::Kite, "408065", Ok("408065")),
            (Venue::Angel, "1:1594", Ok("1:1594")),
        ] {
            let found = venue.spell(given);
            let found = found.as_ref().map(String::as_str).map_err(|error| error.hint.as_str());
            assert_eq!(found, expect, "{venue:?} {given}");
        }
        for (venue, given) in [
            (spot, ""),
            (Venue::Kraken, ""),
            (Venue::Kraken, "/USD"),
            (Venue::Kite, "NSE:INFY"),
            (Venue::Kite, "infy"),
            (Venue::Angel, "1594"),
            (Venue::Angel, "NSE:INFY"),
        ] {
            assert!(venue.spell(given).is_err(), "{venue:?} {given}");
        }
    }
}
