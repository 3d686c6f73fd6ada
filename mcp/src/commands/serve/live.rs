//! `tidegate serve` of a live market, real or simulated.

use super::simulated::{Simulated, simulated};
use super::{EngineThread, Seat};
use crate::cli::Serve;
use crate::config::Config;
use crate::data_folder::{DataFolder, Endpoint};
use crate::directory::Directory;
use crate::engine;
use crate::history::{self, History};
use crate::listen;
use crate::live::{Connection, Live, WhenFull};
use crate::logs;
use crate::past::Past;
use crate::playback::Format;
use crate::server::Facade;
use crate::waits::{FIRINGS_MAX, Waits};
use crate::wire::{Data, Mode, Run};
use anyhow::{Context, anyhow, bail};
use std::fs::File;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::UNIX_EPOCH;
use tidegate_feeds::Decimals;
use tidegate_feeds::catalog::Catalog;
use tidegate_feeds::credentials::Credentials;
use tidegate_feeds::master;
use tidegate_feeds::venue::Venue;
use tokio::sync::mpsc;

/// What is served.
pub(super) struct Plan {
    /// Name of the run.
    pub name: String,
    /// In a few words, for people.
    pub what: String,
    /// What its prices are.
    pub data: Data,
    /// Where it is recorded.
    pub tape: PathBuf,
    /// What to connect to.
    pub connections: Vec<Connection>,
    /// The exchange behind the connections, where it is one of ours.
    pub exchange: Option<Simulated>,
    /// What was before the recording, where it is simulated too.
    pub past: Option<Arc<Past>>,
}

/// Connects, records, and answers.
pub(super) fn run(options: &Serve, root: &DataFolder, config: &Config, seat: Seat) -> anyhow::Result<()> {
    let (tape, when_full) = match (options.venue, options.at) {
        (None, _) => (root.path().join("sim").join("tape"), WhenFull::Lose),
        // Whoever serves a capture again waits, a venue does not; and the past never mixes with a real tape.
        (Some(_), Some(_)) => (root.path().join("replay").join("at").join("tape"), WhenFull::Wait),
        (Some(_), None) => (root.path().join("tape"), WhenFull::Lose),
    };
    // What is asked for is understood before anything is touched.
    let connected = options.venue.map(|format| connected(options, format, &tape, when_full, config)).transpose()?;
    let seat = seat.take(root)?;
    let _log = logs::keep(root.path())?;
    let (bearer, keys) = (root.bearer()?, root.keys()?);
    let directory = Arc::new(Directory::default());
    let store = history::open(&tape)?;
    let stored = store.extent().seen;
    let accepts_tape_time = options.accept_tape_time;
    let live = Live::open(config.clone(), &tape, stored, Arc::clone(&directory), when_full, accepts_tape_time)?;
    let warning = live.time_warning();
    let plan = match connected {
        Some(plan) => plan,
        None => simulated(options, &live, tape)?,
    };
    let history = History::follow(store, &plan.tape, config.bounds(), config.keep(), plan.past)?;
    let (client, questions) = engine::questions(config.engine.queries_max);
    let client = client.with_board(live.board());
    let run = Run { name: plan.name.clone(), mode: Mode::Paper, data: plan.data };
    let (tell, firings) = mpsc::channel(FIRINGS_MAX);
    let waits = Waits::new(client.clone(), bearer.expose());
    let facade = Facade::new(client.clone(), Arc::clone(&waits), directory, run)
        .with_history(history.reader())
        .with_troubles(live.troubles());
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build()?;
    runtime.block_on(async {
        let listener = listen::bind_or_free(options.listen, config.serve.listen).await?;
        let endpoint = seat.lock.publish_endpoint(listener.local_addr()?, Mode::Paper, plan.data, &bearer)?;
        let (connections, exchange) = match plan.exchange {
            Some(exchange) => exchange.open().await.map(|(connections, at)| (connections, Some(at)))?,
            None => (plan.connections, None),
        };
        if plan.data == Data::Simulated {
            tokio::spawn(root.clone().leave_when_claimed(seat.stop.clone()));
        }
        let running = live.start(connections, &client, questions, tell)?;
        tokio::spawn(waits.run(firings));
        (seat.announce)(&banner(&plan.what, plan.data, &plan.tape, &endpoint, exchange, warning))?;
        let engine = EngineThread { client, thread: running.thread, ended: running.ended };
        let serve = |shutdown| facade.serve(listener, keys, shutdown);
        engine.while_it_runs(seat.stop, serve).await.map(|_| ())
    })?;
    // The engine has closed the tape: now the rest of it can be stored.
    history.finish()
}

/// A venue, or somebody who speaks as it does.
fn connected(
    options: &Serve,
    format: Format,
    tape: &Path,
    when_full: WhenFull,
    config: &Config,
) -> anyhow::Result<Plan> {
    let Some(venue) = format.venue() else { bail!("--venue tidegate is a recording: play it with --replay") };
    if options.symbols.is_empty() {
        bail!("name the symbols to subscribe to, such as --symbols BTCUSDT,ETHUSDT");
    }
    let login = if options.at.is_none() { login(venue, config)? } else { None };
    let mut names: Vec<String> = Vec::new();
    for symbol in options.symbols.iter().map(|symbol| symbol.trim()) {
        // A broker's list of instruments knows its own names.
        let name = if login.is_some() { symbol.to_owned() } else { venue.spell(symbol).context("--symbols")? };
        if !names.contains(&name) {
            names.push(name);
        }
    }
    let (credentials, symbols) = match login {
        Some(Login { credentials, instruments }) => {
            let list = File::open(&instruments)
                .with_context(|| format!("{}: the vendor's list of instruments", instruments.display()))?;
            let written = list.metadata().and_then(|file| file.modified()).ok();
            let day = written.and_then(|at| at.duration_since(UNIX_EPOCH).ok()).map(|since| since.as_secs() / 86_400);
            let day = day.and_then(|day| i32::try_from(day).ok());
            let found = master::find(venue, list, &names, day).with_context(|| instruments.display().to_string())?;
            (Some(credentials), found)
        }
        None => {
            let catalog = Catalog::built_in()?;
            let described = |symbol: &String| (symbol.clone(), venue.instrument(&catalog, symbol, Decimals::default()));
            (None, names.iter().map(described).collect())
        }
    };
    let at = options.at.map(|address| address.to_string());
    Ok(Plan {
        name: names.join(","),
        what: names.join(", "),
        data: if options.at.is_some() { Data::Recorded } else { Data::Real },
        tape: tape.to_owned(),
        connections: vec![Connection { venue, at, credentials, symbols, when_full }],
        exchange: None,
        past: None,
    })
}

/// What a broker asks for, and where its instruments are listed.
struct Login {
    credentials: Credentials,
    instruments: PathBuf,
}

/// The login of a venue that asks for one.
fn login(venue: Venue, config: &Config) -> anyhow::Result<Option<Login>> {
    let missing = |section: &str| anyhow!("this venue asks for credentials: fill [{section}] of the configuration");
    match venue {
        Venue::Kite => {
            let kite = config.venues.kite.as_ref().ok_or_else(|| missing("venues.kite"))?;
            let (key, token) = (kite.api_key.resolve()?, kite.access_token.resolve()?);
            let credentials = Credentials::kite(key.expose(), token.expose()).context("venues.kite")?;
            Ok(Some(Login { credentials, instruments: kite.instruments.clone() }))
        }
        Venue::Angel => {
            let angel = config.venues.angel.as_ref().ok_or_else(|| missing("venues.angel"))?;
            let (jwt, key, feed) = (angel.jwt.resolve()?, angel.api_key.resolve()?, angel.feed_token.resolve()?);
            let credentials = Credentials::angel(jwt.expose(), key.expose(), &angel.client_code, feed.expose());
            Ok(Some(Login {
                credentials: credentials.context("venues.angel")?,
                instruments: angel.instruments.clone(),
            }))
        }
        Venue::Binance(_) | Venue::Kraken => Ok(None),
    }
}

fn banner(
    what: &str,
    data: Data,
    tape: &Path,
    endpoint: &Endpoint,
    exchange: Option<SocketAddr>,
    warning: Option<String>,
) -> String {
    let warning = warning.map_or_else(String::new, |warning| format!("WARNING: {warning}\n"));
    let exchange = exchange.map_or_else(String::new, |at| {
        format!("simulated exchange at ws://{at}/stream as Binance spot and ws://{at}/ as Kite\n")
    });
    format!(
        "PAPER, {} DATA: {what}, recorded in {}\n\
         MCP at {} with the bearer of `tidegate token`; on standard input and output: tidegate mcp\n\
         {exchange}{warning}\
         Ctrl-C ends it: what is recorded stays, and the next start goes on after a gap\n",
        data.name(),
        tape.display(),
        endpoint.url,
    )
}
