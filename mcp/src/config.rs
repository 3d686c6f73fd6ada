//! The program's bounds, from `config/tidegate.toml`.

use serde::Deserialize;
use std::net::SocketAddr;
use std::num::NonZeroUsize;
use tidegate_core::{Bounds, Nanos};

const TEXT: &str = include_str!("../../config/tidegate.toml");

/// Everything that is configured.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Config {
    market: MarketConfig,
    /// The engine's thread.
    pub engine: EngineConfig,
    /// The server.
    pub serve: ServeConfig,
}

#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct MarketConfig {
    book_levels_max: usize,
    bars_max: usize,
    trades_max: usize,
    instruments_max: usize,
    stale_after_ms: u32,
}

/// The engine's thread.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct EngineConfig {
    /// Batches of inputs that are read ahead of it.
    pub batches_max: usize,
    /// Inputs on their way to it from one connection.
    pub ring_inputs_max: usize,
    /// Inputs that it applies before it publishes.
    pub batch_inputs_max: NonZeroUsize,
    /// Questions that wait for it.
    pub queries_max: usize,
}

/// The server.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ServeConfig {
    /// Where it listens unless told otherwise.
    pub listen: SocketAddr,
}

impl Config {
    /// What is built in.
    ///
    /// # Errors
    /// Where the built-in file is wrong, which a test rules out.
    pub fn built_in() -> anyhow::Result<Config> {
        Ok(toml::from_str(TEXT)?)
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

    /// The hash that goes onto the tape: what a digest depends on besides the inputs.
    pub fn hash(&self) -> [u8; 32] {
        *blake3::hash(TEXT.as_bytes()).as_bytes()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_built_in_file_is_whole_and_keeps_the_rules_it_states() {
        let config = Config::built_in().unwrap();
        assert!(config.bounds().book_levels_max >= 2_000, "at least twice the snapshot");
        assert!(config.serve.listen.ip().is_loopback());
        assert!(toml::from_str::<Config>(&TEXT.replace("bars_max", "bar_max")).is_err(), "unknown keys are refused");
    }
}
