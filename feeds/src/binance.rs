//! Binance: spot, USD-M futures and COIN-M futures.
//!
//! Sources: <https://developers.binance.com/docs/binance-spot-api-docs/web-socket-streams>,
//! <https://developers.binance.com/docs/derivatives/usds-margined-futures/websocket-market-streams>,
//! <https://developers.binance.com/docs/derivatives/coin-margined-futures/websocket-market-streams>.

pub mod codec;
mod control;
mod scanner;
pub mod sequence;
pub mod session;
mod symbol;

pub use codec::DecodeError;
pub use session::BinanceSession;

/// Levels of a side that a snapshot is asked for.
const SNAPSHOT_LEVELS: usize = 1_000;

/// Which of Binance's markets.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Market {
    /// Spot.
    Spot,
    /// Futures margined in USDT or USDC.
    UsdM,
    /// Futures margined in the coin itself.
    CoinM,
}

impl Market {
    /// The market's part of an instrument key.
    pub const fn prefix(self) -> &'static str {
        match self {
            Market::Spot => "BINANCE",
            Market::UsdM => "BINANCE-USDM",
            Market::CoinM => "BINANCE-COINM",
        }
    }

    /// Where its streams are read: one connection carries them all.
    pub const fn stream_url(self) -> &'static str {
        match self {
            Market::Spot => "wss://stream.binance.com:9443/stream",
            Market::UsdM => "wss://fstream.binance.com/stream",
            Market::CoinM => "wss://dstream.binance.com/stream",
        }
    }

    /// Where its REST answers.
    pub const fn rest_url(self) -> &'static str {
        match self {
            Market::Spot => "https://api.binance.com",
            Market::UsdM => "https://fapi.binance.com",
            Market::CoinM => "https://dapi.binance.com",
        }
    }

    /// Path and query of the order book snapshot of a symbol: as deep as half a book of ours.
    pub fn snapshot_path(self, symbol: &str) -> String {
        let path = match self {
            Market::Spot => "/api/v3/depth",
            Market::UsdM => "/fapi/v1/depth",
            Market::CoinM => "/dapi/v1/depth",
        };
        format!("{path}?symbol={symbol}&limit={SNAPSHOT_LEVELS}")
    }

    /// The streams of a symbol: changes of the book, trades, best bid and ask. USD-M futures document only
    /// aggregate trades.
    pub fn streams(self, symbol: &str) -> [String; 3] {
        let symbol = symbol.to_lowercase();
        let trades = match self {
            Market::Spot => "trade",
            Market::UsdM | Market::CoinM => "aggTrade",
        };
        [format!("{symbol}@depth@100ms"), format!("{symbol}@{trades}"), format!("{symbol}@bookTicker")]
    }

    /// The key of a venue symbol, such as `BINANCE:BTCUSDT`.
    pub fn key(self, symbol: &str) -> String {
        format!("{}:{symbol}", self.prefix())
    }
}
