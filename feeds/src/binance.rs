//! Binance: spot, USD-M futures and COIN-M futures.
//!
//! Sources: <https://developers.binance.com/docs/binance-spot-api-docs/web-socket-streams>,
//! <https://developers.binance.com/docs/derivatives/usds-margined-futures/websocket-market-streams>,
//! <https://developers.binance.com/docs/derivatives/coin-margined-futures/websocket-market-streams>.

pub mod codec;
pub mod sequence;
pub mod session;

pub use codec::DecodeError;
pub use session::BinanceSession;

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

    /// The key of a venue symbol, such as `BINANCE:BTCUSDT`.
    pub fn key(self, symbol: &str) -> String {
        format!("{}:{symbol}", self.prefix())
    }
}
