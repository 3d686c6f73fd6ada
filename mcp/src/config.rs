//! What can be configured: `config/tidegate.toml`, and what the operator puts over it.
//!
//! [`layers`] reads and joins the layers, [`keys`] knows every key and judges its value, [`secret`] holds what
//! may not stand in a file.

pub mod keys;
pub mod layers;
pub mod secret;

use crate::history::Keep;
pub use layers::{Loaded, Sources};
pub use secret::Secret;

use schemars::JsonSchema;
use serde::Deserialize;
use std::net::SocketAddr;
use std::num::NonZeroUsize;
use std::path::PathBuf;
use tidegate_core::{Bounds, Nanos};
use tidegate_history::store::Retention;

/// The built-in file: every key that is not optional, with its default.
pub const BUILT_IN: &str = include_str!("../../config/tidegate.toml");

/// Everything that is configured.
#[derive(Clone, Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
#[schemars(title = "tidegate.toml")]
pub struct Config {
    /// What an order would do.
    pub mode: TradingMode,
    /// Bounds of the market's state.
    market: MarketConfig,
    /// The engine's thread.
    pub engine: EngineConfig,
    /// The server.
    pub serve: ServeConfig,
    /// How much is kept of what is recorded.
    pub storage: StorageConfig,
    /// Venues that ask for credentials.
    #[serde(default)]
    #[schemars(extend("default" = {}))]
    pub venues: VenuesConfig,
}

/// What an order would do.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
#[schemars(inline)]
pub enum TradingMode {
    /// Be filled by a model against the current market.
    Paper,
}

#[derive(Clone, Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
struct MarketConfig {
    /// Levels kept on each side of a book. At least twice the deepest snapshot that is asked for (1,000).
    #[schemars(range(min = 2_000, max = 1_000_000))]
    book_levels_max: usize,
    /// Bars kept in memory of each interval of each instrument.
    #[schemars(range(min = 1, max = 100_000))]
    bars_max: usize,
    /// The latest trades kept of each instrument.
    #[schemars(range(min = 1, max = 1_024))]
    trades_max: usize,
    /// Instruments in one tape.
    #[schemars(range(min = 1, max = 65_536))]
    instruments_max: usize,
    /// A live book without a change for this long is stale.
    #[schemars(range(min = 100, max = 3_600_000))]
    stale_after_ms: u32,
}

/// The engine's thread.
#[derive(Clone, Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct EngineConfig {
    /// Batches of inputs that are read ahead of it.
    #[schemars(range(min = 1, max = 4_096))]
    pub batches_max: usize,
    /// Inputs on their way to it from one connection.
    #[schemars(range(min = 1_024, max = 16_777_216))]
    pub ring_inputs_max: usize,
    /// Inputs that it applies before it publishes.
    #[schemars(range(min = 1, max = 1_048_576))]
    pub batch_inputs_max: NonZeroUsize,
    /// Questions that wait for it.
    #[schemars(range(min = 1, max = 65_536))]
    pub queries_max: usize,
}

/// The server.
#[derive(Clone, Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct ServeConfig {
    /// Where the MCP endpoint listens unless told otherwise: a loopback address.
    #[schemars(extend("format" = "socket-address"))]
    pub listen: SocketAddr,
}

/// How much is kept of what is recorded.
#[derive(Clone, Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct StorageConfig {
    /// What is recorded of one market, tape and Parquet, in units of 10⁹ bytes.
    #[schemars(range(min = 1, max = 1_000_000))]
    pub tape_max_gb: u32,
    /// Closed hours of tape are kept for this many days; 0 keeps them until the cap.
    #[schemars(range(max = 36_500))]
    pub tape_keep_days: u32,
    /// Days of Parquet are kept for this many days; 0 keeps them until the cap.
    #[schemars(range(max = 36_500))]
    pub parquet_keep_days: u32,
    /// From this part of the cap, or of the disk, on there are warnings.
    #[schemars(range(min = 1, max = 99))]
    pub warn_at_percent: u32,
}

/// Venues that ask for credentials.
#[derive(Clone, Debug, Default, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct VenuesConfig {
    /// Zerodha Kite.
    #[serde(default)]
    #[schemars(with = "KiteConfig", extend("default" = {}))]
    pub kite: Option<KiteConfig>,
    /// Angel One.
    #[serde(default)]
    #[schemars(with = "AngelConfig", extend("default" = {}))]
    pub angel: Option<AngelConfig>,
}

/// Zerodha Kite.
#[derive(Clone, Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct KiteConfig {
    /// The application's key.
    pub api_key: Secret,
    /// The day's token.
    pub access_token: Secret,
    /// The vendor's list of instruments, as downloaded (CSV).
    #[schemars(extend("format" = "absolute-path"))]
    pub instruments: PathBuf,
}

/// Angel One.
#[derive(Clone, Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct AngelConfig {
    /// The application's key.
    pub api_key: Secret,
    /// The account.
    pub client_code: String,
    /// The day's token.
    pub jwt: Secret,
    /// The day's token of the feed.
    pub feed_token: Secret,
    /// The vendor's list of instruments, as downloaded (JSON).
    #[schemars(extend("format" = "absolute-path"))]
    pub instruments: PathBuf,
}

impl Config {
    /// What is built in, with nothing over it.
    ///
    /// # Errors
    /// Where the built-in file is wrong, which a test rules out.
    pub fn built_in() -> anyhow::Result<Config> {
        Ok(Sources::default().load()?.config)
    }

    /// The market's bounds.
    pub fn bounds(&self) -> Bounds {
        Bounds {
            book_levels_max: self.market.book_levels_max,
            bars_max: self.market.bars_max,
            trades_max: self.market.trades_max,
            instruments_max: self.market.instruments_max,
            stale_after: Nanos::new(i64::from(self.market.stale_after_ms) * 1_000_000),
        }
    }

    /// How much is kept of what is recorded.
    pub fn keep(&self) -> Keep {
        let StorageConfig { tape_max_gb, tape_keep_days, parquet_keep_days, warn_at_percent } = self.storage;
        let days = |days: u32| (days > 0).then(|| Nanos::new(i64::from(days) * 86_400 * Nanos::SECOND.raw()));
        let bytes_max = u64::from(tape_max_gb) * 1_000_000_000;
        let retention = Retention { tape: days(tape_keep_days), days: days(parquet_keep_days), bytes_max };
        Keep { retention, warn_at_percent: u64::from(warn_at_percent) }
    }

    /// The hash that goes onto the tape: what a digest depends on besides the inputs, the market's bounds. It is
    /// made of their values, so that neither a comment nor the layer that a value comes from changes it.
    pub fn hash(&self) -> [u8; 32] {
        // The latest trades are no part of a digest.
        let MarketConfig { book_levels_max, bars_max, instruments_max, stale_after_ms, trades_max: _ } = self.market;
        let bounds = [book_levels_max as u64, bars_max as u64, instruments_max as u64, u64::from(stale_after_ms)];
        let mut hasher = blake3::Hasher::new();
        hasher.update(b"tidegate.market.1");
        for bound in bounds {
            hasher.update(&bound.to_le_bytes());
        }
        *hasher.finalize().as_bytes()
    }

    /// Every secret that is configured, with its key.
    pub fn secrets(&self) -> Vec<(&'static str, &Secret)> {
        let mut secrets = Vec::new();
        if let Some(kite) = &self.venues.kite {
            secrets.push(("venues.kite.api_key", &kite.api_key));
            secrets.push(("venues.kite.access_token", &kite.access_token));
        }
        if let Some(angel) = &self.venues.angel {
            secrets.push(("venues.angel.api_key", &angel.api_key));
            secrets.push(("venues.angel.jwt", &angel.jwt));
            secrets.push(("venues.angel.feed_token", &angel.feed_token));
        }
        secrets
    }
}

#[cfg(test)]
#[path = "config_tests.rs"]
mod tests;
