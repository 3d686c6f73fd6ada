//! `tidegate serve` of a live market.

use super::EngineThread;
use crate::cli::Serve;
use crate::commands::say;
use crate::config::Config;
use crate::data_folder::{DataFolder, Endpoint};
use crate::directory::Directory;
use crate::engine;
use crate::listen;
use crate::live::{Connection, Live, WhenFull};
use crate::playback::Format;
use crate::server::{Facade, serve_http};
use crate::wire::{Data, Mode, Run};
use anyhow::bail;
use std::sync::Arc;
use tidegate_feeds::Decimals;
use tidegate_feeds::catalog::Catalog;

/// Connects, records, and answers.
pub(super) fn run(options: &Serve, root: &DataFolder) -> anyhow::Result<()> {
    let config = Config::built_in()?;
    let Some(venue) = options.venue.and_then(Format::venue) else {
        bail!("name the venue and its symbols: --venue binance-spot --symbols BTCUSDT");
    };
    if options.symbols.is_empty() {
        bail!("name the symbols to subscribe to, such as --symbols BTCUSDT,ETHUSDT");
    }
    let catalog = Catalog::built_in()?;
    let symbols: Vec<String> = options.symbols.iter().map(|symbol| symbol.trim().to_owned()).collect();
    // Whoever serves a capture again waits; a venue does not.
    let when_full = if options.at.is_some() { WhenFull::Wait } else { WhenFull::Lose };
    let connection = Connection {
        venue,
        at: options.at.map(|address| address.to_string()),
        symbols: symbols
            .iter()
            .map(|symbol| (symbol.clone(), venue.instrument(&catalog, symbol, Decimals::default())))
            .collect(),
        when_full,
    };
    let data = if options.at.is_some() { Data::Recorded } else { Data::Real };
    let lock = root.lock()?;
    let bearer = root.bearer()?;
    let directory = Arc::new(Directory::default());
    let live = Live::open(config.clone(), &root.path().join("tape"), Arc::clone(&directory), when_full)?;
    let (client, questions) = engine::questions(config.engine.queries_max);
    let client = client.with_board(live.board());
    let name = symbols.join(",");
    let facade = Facade::new(client.clone(), directory, Run { name, mode: Mode::Paper, data });
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build()?;
    runtime.block_on(async {
        let listener = listen::bind(options.listen.unwrap_or(config.serve.listen)).await?;
        let endpoint = lock.publish_endpoint(listener.local_addr()?, Mode::Paper, &bearer)?;
        let running = live.start(vec![connection], &client, questions)?;
        say(&banner(&symbols, data, root, &endpoint))?;
        let engine = EngineThread { client, thread: running.thread, ended: running.ended };
        engine.while_it_runs(|shutdown| serve_http(listener, facade, bearer, shutdown)).await.map(|_| ())
    })
}

fn banner(symbols: &[String], data: Data, root: &DataFolder, endpoint: &Endpoint) -> String {
    format!(
        "PAPER, {} DATA: {}, recorded in {}\n\
         MCP at {} with the bearer of `tidegate token`; on standard input and output: tidegate mcp\n\
         Ctrl-C ends it: what is recorded stays, and the next start goes on after a gap\n",
        data.name(),
        symbols.join(", "),
        root.path().join("tape").display(),
        endpoint.url,
    )
}
