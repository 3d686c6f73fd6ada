//! What the official conformance suite is run against: the product's own HTTP stack, guard and handler, with
//! the tools, prompts and resources merged in that the suite asks for. `tests/clients/conformance.sh` starts it.
//!
//! Prints the endpoint's URL and bearer on one line, and serves until it is killed.

mod fixtures;
mod input;

use anyhow::Context;
use axum::Router;
use fixtures::Fixtures;
use std::io::{Write, stdout};
use std::path::PathBuf;
use std::sync::Arc;
use tidegate_mcp::config::Config;
use tidegate_mcp::data_folder::DataFolder;
use tidegate_mcp::directory::Directory;
use tidegate_mcp::live::{Live, WhenFull};
use tidegate_mcp::server::{Facade, serve_http};
use tidegate_mcp::waits::{FIRINGS_MAX, Waits};
use tidegate_mcp::wire::{Data, Mode, Run};
use tidegate_mcp::{engine, listen};
use tokio::sync::mpsc;
use tokio_util::sync::CancellationToken;

#[tokio::main(worker_threads = 2)]
async fn main() -> anyhow::Result<()> {
    let data = PathBuf::from(std::env::args_os().nth(1).context("usage: conformance DATA_FOLDER")?);
    let root = DataFolder::new(Some(data.clone()))?;
    let config = Config::built_in()?;
    let directory = Arc::new(Directory::default());
    let live = Live::open(config.clone(), &data.join("tape"), 0, Arc::clone(&directory), WhenFull::Lose, false)?;
    let (client, questions) = engine::questions(config.engine.queries_max);
    let client = client.with_board(live.board());
    let (tell, firings) = mpsc::channel(FIRINGS_MAX);
    let _running = live.start(Vec::new(), &client, questions, tell)?;
    let bearer = root.bearer()?;
    let waits = Waits::new(client.clone(), bearer.expose());
    tokio::spawn(Arc::clone(&waits).run(firings));
    let run = Run { name: "conformance".to_owned(), mode: Mode::Paper, data: Data::Simulated };
    let handler = Fixtures::new(Facade::new(client, waits, directory, run))?;
    let listener = listen::bind(([127, 0, 0, 1], 0).into()).await?;
    writeln!(stdout(), "http://{}/mcp {}", listener.local_addr()?, bearer.expose())?;
    serve_http(listener, handler, Router::new(), root.keys()?, CancellationToken::new()).await
}
