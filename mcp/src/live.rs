//! A live market: connections with their rings, one engine, one recorder.

mod engine_thread;
mod ring_sink;
mod stages;
mod troubles;

pub use ring_sink::WhenFull;
pub use stages::{Spread, StagesView};
pub use troubles::Troubles;

use crate::clock;
use crate::config::Config;
use crate::data_folder::VERSION;
use crate::directory::Directory;
use crate::engine::{EngineClient, Questions};
use crate::playback::Watch;
use crate::tape_time;
use anyhow::Context;
use engine_thread::LiveEngine;
pub use engine_thread::tell_firings;
use ring_sink::RingSink;
use stages::Stages;
use std::collections::BTreeMap;
use std::path::Path;
use std::sync::{Arc, Mutex};
use std::thread::{self, JoinHandle};
use tidegate_core::condition::Firing;
use tidegate_core::{
    BoardReader, BoardWriter, Engine, Inlets, Input, Instrument, InstrumentId, Market, Nanos, Price, RingConsumer,
    RingProducer, board, ring,
};
use tidegate_feeds::credentials::Credentials;
use tidegate_feeds::driver::{Driver, Request};
use tidegate_feeds::link::{Budgets, Link};
use tidegate_feeds::venue::Venue;
use tidegate_history::tape::{Recorder, RecorderReport};
use tokio::sync::{mpsc, oneshot};

/// Requests that wait for a connection.
const REQUESTS_MAX: usize = 4_096;

/// What to connect to.
pub struct Connection {
    /// Whose protocol.
    pub venue: Venue,
    /// Where, if not at the venue itself.
    pub at: Option<String>,
    /// What the venue itself asks for.
    pub credentials: Option<Credentials>,
    /// The venue's symbols and what is known of them.
    pub symbols: Vec<(String, Instrument)>,
    /// What happens when the engine cannot keep up.
    pub when_full: WhenFull,
}

/// A live engine before its connections are made: what was recorded is there already.
pub struct Live {
    config: Config,
    engine: Engine,
    watch: Watch,
    directory: Arc<Directory>,
    board: BoardReader,
    writer: BoardWriter,
    recorded_until: Option<Nanos>,
    troubles: Troubles,
    /// Connections are made when it is this late: the tape's time, which never goes back.
    connects_at: Nanos,
}

/// A live engine's thread.
pub struct Running {
    /// Joined when the engine has been told to stop.
    pub thread: JoinHandle<anyhow::Result<Option<RecorderReport>>>,
    /// Fires when the thread ends, however it ends.
    pub ended: oneshot::Receiver<()>,
}

/// One connection's half of what joins it to the engine.
struct Joint {
    connection: Connection,
    ring: RingProducer,
    requests: mpsc::Receiver<Request>,
}

impl Live {
    /// Recovers what `tape` holds, and goes on recording there, behind every number up to `stored`, which tables hold
    /// already; a market does not wait for the disk. Where the tape ends ahead of the clock, that is waited for before
    /// anything is connected, unless our time is to go on from there (`accepts_tape_time`).
    ///
    /// # Errors
    /// Where the tape cannot be recovered or recorded to.
    pub fn open(
        config: Config,
        tape: &Path,
        stored: u64,
        directory: Arc<Directory>,
        when_full: WhenFull,
        accepts_tape_time: bool,
    ) -> anyhow::Result<Live> {
        let mut watch = Watch::default();
        let (mut recorder, recovered) = Recorder::open(tape, config.bounds())?;
        if when_full == WhenFull::Lose {
            recorder.never_wait();
        }
        watch.record(recorder);
        let (board_writer, board) = board(config.bounds().instruments_max);
        let recorded_until = recovered.as_ref().map(|recovered| recovered.engine.ts());
        let (mut engine, highest_seq) = match recovered {
            None => (Engine::new(Market::new(config.bounds()), 0, clock::now()), 0),
            Some(recovered) => (recovered.engine, recovered.highest_seq),
        };
        if accepts_tape_time {
            clock::begin_at(engine.ts());
        }
        if let Some(warning) = tape_time::warning(engine.ts(), clock::now()) {
            tracing::warn!("{}: {warning}", tape.display());
        }
        if stored > highest_seq {
            tracing::warn!("{}: tables hold inputs up to {stored}, the tape up to {highest_seq} alone", tape.display());
        }
        if recorded_until.is_some() || stored > 0 {
            engine.restart(highest_seq.max(stored), &mut watch)?;
        }
        let run = Input::Config { hash: config.hash(), seed: 0, version: VERSION.to_owned() };
        engine.input(clock::now(), &run, &mut watch)?;
        for (id, stream) in engine.market().streams() {
            directory.insert(id, (*stream.instrument).clone());
        }
        let (troubles, connects_at) = (Troubles::default(), engine.ts());
        Ok(Live {
            config,
            engine,
            watch,
            directory,
            board,
            writer: board_writer,
            recorded_until,
            troubles,
            connects_at,
        })
    }

    /// What is wrong with its connections, as long as they are.
    pub fn troubles(&self) -> Troubles {
        self.troubles.clone()
    }

    /// The last price that was recorded of an instrument.
    pub fn last_price(&self, instrument: &Instrument) -> Option<Price> {
        let (id, _) = self.directory.resolve(&instrument.to_string())?;
        self.engine.market().stream(id)?.last_trade.map(|trade| trade.price)
    }

    /// When the recording that was found ended; `None` where there was none.
    pub fn recorded_until(&self) -> Option<Nanos> {
        self.recorded_until
    }

    /// What is to be said of the recording's time, where it is ahead of the clock's.
    pub fn time_warning(&self) -> Option<String> {
        tape_time::warning(self.connects_at, clock::now()).or_else(|| tape_time::lead(clock::steps().1))
    }

    /// What readers see without asking the engine.
    pub fn board(&self) -> BoardReader {
        self.board.clone()
    }

    /// Starts the engine's thread, which tells `firings`, and every connection; these live as long as the current runtime.
    ///
    /// # Errors
    /// Where a thread or an HTTP client is not to be had.
    pub fn start(
        mut self,
        connections: Vec<Connection>,
        client: &EngineClient,
        questions: Questions,
        firings: mpsc::Sender<Firing>,
    ) -> anyhow::Result<Running> {
        let (resnapshots, wanted) = mpsc::channel(REQUESTS_MAX);
        let (mut rings, mut joints, mut routes) = (Vec::new(), Vec::new(), Routes::default());
        for connection in connections {
            let (producer, consumer): (RingProducer, RingConsumer) = ring(self.config.engine.ring_inputs_max);
            let (sender, requests) = mpsc::channel(REQUESTS_MAX);
            for (symbol, instrument) in &connection.symbols {
                let id = self.define(instrument)?;
                let instrument = Box::new(instrument.clone());
                let add = Request::Add { symbol: symbol.clone(), id, instrument };
                sender.try_send(add).context("too many symbols on one connection")?;
                routes.by_id.insert(id, sender.clone());
            }
            rings.push(consumer);
            joints.push(Joint { connection, ring: producer, requests });
        }
        let (start, started) = std::sync::mpsc::channel();
        let (alive, ended) = oneshot::channel::<()>();
        let (engine, watch, board) = (self.engine, self.watch, self.writer);
        let stages = Stages::new()?;
        let inlets = Inlets::new(rings, self.config.engine.batch_inputs_max.get());
        let thread = thread::Builder::new().name("engine".to_owned()).spawn(move || {
            let _alive = alive;
            let counts = started.recv()?;
            LiveEngine { engine, inlets, watch, board, resnapshots, firings, counts, stages }.run(&questions)
        })?;
        client.wake(thread.thread().clone());
        let connects_at = self.connects_at;
        let mut counts = Vec::new();
        let mut budgets: Vec<(Venue, Arc<Mutex<Budgets>>)> = Vec::new();
        for (number, joint) in joints.into_iter().enumerate() {
            let venue = joint.connection.venue;
            let shared = match budgets.iter().find(|(known, _)| *known == venue) {
                Some((_, budget)) => Arc::clone(budget),
                None => Arc::new(Mutex::new(Budgets::new(&venue.limits()))),
            };
            budgets.push((venue, Arc::clone(&shared)));
            let sink = RingSink::new(
                joint.ring,
                thread.thread().clone(),
                Arc::clone(&self.directory),
                joint.connection.when_full,
                (self.troubles.clone(), number),
            );
            counts.push(sink.counts());
            let session = match joint.connection.when_full {
                WhenFull::Lose => venue.session(),
                WhenFull::Wait => venue.session_of_recording(),
            };
            let link = Link::new(session, venue.limits(), shared, random_seed()?);
            let endpoints = match &joint.connection.credentials {
                Some(credentials) => credentials.endpoints()?,
                None => {
                    let endpoints = venue.endpoints(joint.connection.at.as_deref());
                    endpoints.context("this venue is reached with credentials")?
                }
            };
            let driver = Driver::new(link, endpoints, clock::now, sink)?;
            tokio::spawn(async move {
                clock::reached(connects_at).await;
                driver.run(joint.requests).await;
            });
        }
        start.send(counts)?;
        tokio::spawn(routes.run(wanted));
        Ok(Running { thread, ended })
    }

    /// Defines an instrument, under the id that it has on the tape already, or a new one.
    fn define(&mut self, instrument: &Instrument) -> anyhow::Result<InstrumentId> {
        let known = self.directory.resolve(&instrument.to_string());
        let id = known.map_or_else(|| self.directory.unused_id(), |(id, _)| id);
        self.directory.insert(id, instrument.clone());
        let define = Input::Define { id, instrument: Box::new(instrument.clone()) };
        self.engine.input(clock::now(), &define, &mut self.watch)?;
        Ok(id)
    }
}

/// Which connection brings an instrument.
#[derive(Default)]
struct Routes {
    by_id: BTreeMap<InstrumentId, mpsc::Sender<Request>>,
}

impl Routes {
    /// Carries the market's requests to the connections.
    async fn run(self, mut wanted: mpsc::Receiver<InstrumentId>) {
        while let Some(id) = wanted.recv().await {
            if let Some(connection) = self.by_id.get(&id) {
                // Its driver ends with the program alone.
                drop(connection.send(Request::Resnapshot(id)).await);
            }
        }
    }
}

/// Connections that share a seed would come back together after an outage.
fn random_seed() -> anyhow::Result<u64> {
    getrandom::u64().context("the system gives no random numbers")
}
