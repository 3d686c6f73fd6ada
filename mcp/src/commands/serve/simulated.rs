//! The exchange in the box: what `tidegate serve` connects to when it is told of no other.

use super::live::Plan;
use crate::cli::Serve;
use crate::clock;
use crate::live::{Connection, Live, WhenFull};
use crate::past::Past;
use crate::wire::{Data, rfc3339};
use anyhow::Context;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::sync::Arc;
use tidegate_core::Price;
use tidegate_feeds::exchange::faults::Faults;
use tidegate_feeds::exchange::market::{Listed, Settings as ExchangeSettings, SimExchange, listed};
use tidegate_feeds::exchange::serve;
use tidegate_feeds::sim::{Settings, SimMarket, Universe};
use tidegate_feeds::venue::Venue;
use tidegate_history::tape::TapeReader;
use tokio::net::TcpListener;

/// A simulated market that nobody can connect to yet.
pub(super) struct Simulated {
    market: SimMarket,
    listed: Vec<Listed>,
    faults: Faults,
}

/// A market that goes on from the prices that `live` recorded last, or begins from its seed.
pub(super) fn simulated(options: &Serve, live: &Live, tape: PathBuf) -> anyhow::Result<Plan> {
    let universe = Universe::with_instruments(options.instruments).context("--instruments")?;
    let listed = listed(&universe);
    let now = clock::now();
    let recorded: Vec<Option<Price>> =
        universe.listings().iter().map(|listing| live.last_price(&listing.instrument)).collect();
    let first = SimMarket::first_prices(&universe, options.seed, now);
    let prices: Vec<Price> = recorded.iter().zip(&first).map(|(last, first)| last.unwrap_or(*first)).collect();
    let settings = Settings { seed: options.seed, rate_percent: options.rate };
    let what = format!("{} simulated instruments{}", options.instruments, closed_time(live, &recorded));
    let market = SimMarket::start(universe, settings, now, &prices)?;
    let begins = match live.recorded_until() {
        Some(_) => TapeReader::open(&tape, |_| {})?.begins_at()?.unwrap_or(now),
        None => now,
    };
    let past = Past::before(begins, options.seed)?;
    Ok(Plan {
        name: "simulated".to_owned(),
        what,
        data: Data::Simulated,
        tape,
        connections: Vec::new(),
        exchange: Some(Simulated { market, listed, faults: options.sim_faults.clone().unwrap_or_default() }),
        past: Some(Arc::new(past)),
    })
}

/// Since when the market was closed, where it goes on from a recording.
fn closed_time(live: &Live, recorded: &[Option<Price>]) -> String {
    if recorded.iter().all(Option::is_none) {
        return String::new();
    }
    live.recorded_until().map_or_else(String::new, |last| format!(", closed since {}", rfc3339(last)))
}

impl Simulated {
    /// Lets the market run and clients in; returns the connections to make to it, and where it is.
    pub async fn open(self) -> anyhow::Result<(Vec<Connection>, SocketAddr)> {
        let listener = TcpListener::bind("127.0.0.1:0").await.context("the simulated exchange finds no port")?;
        let address = listener.local_addr()?;
        let at = address.to_string();
        let settings = ExchangeSettings { faults: self.faults, ..ExchangeSettings::default() };
        let exchange = Arc::new(SimExchange::new(self.market, settings));
        let market = Arc::clone(&exchange);
        tokio::spawn(async move { market.run(clock::now).await });
        tokio::spawn(serve(listener, exchange));
        let mut connections: Vec<Connection> = Vec::new();
        for Listed { venue, symbol, instrument } in self.listed {
            match connections.iter_mut().find(|connection| connection.venue == venue) {
                Some(connection) => connection.symbols.push((symbol, instrument)),
                None => connections.push(connection(venue, &at, (symbol, instrument))),
            }
        }
        Ok((connections, address))
    }
}

fn connection(venue: Venue, at: &str, first: (String, tidegate_core::Instrument)) -> Connection {
    Connection { venue, at: Some(at.to_owned()), credentials: None, symbols: vec![first], when_full: WhenFull::Lose }
}
