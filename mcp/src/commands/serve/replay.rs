//! `tidegate serve --replay`.

use super::EngineThread;
use crate::cli::Serve;
use crate::commands::{format, progress_bar, say};
use crate::config::Config;
use crate::data_folder::{DataFolder, Endpoint, replay_name};
use crate::directory::Directory;
use crate::engine::{self, EngineClient, Questions};
use crate::listen;
use crate::logs;
use crate::playback::{self, Pace, Playback, Source, Watch};
use crate::server::Facade;
use crate::waits::{FIRINGS_MAX, Waits};
use crate::wire::{Data, Mode, Run};
use std::sync::Arc;
use std::thread;
use tidegate_core::condition::Firing;
use tokio::sync::{mpsc, oneshot};
use tokio_util::sync::CancellationToken;

/// Plays the paths through an engine and answers questions about it until it is told to stop.
///
/// # Errors
/// Where the paths, the data folder or the address cannot be used, or playing fails.
pub(super) fn run(options: &Serve, root: &DataFolder, config: &Config) -> anyhow::Result<()> {
    let format = format(options.venue, &options.replay)?;
    // The bar would run for as long as the tape: nobody waits for its end.
    let progress = progress_bar();
    progress.finish_and_clear();
    let source = Source::open(format, &options.replay, &progress)?;
    let name = replay_name(&options.replay[0]);
    let folder = root.replay(&name)?;
    let lock = folder.lock()?;
    let _log = logs::keep(folder.path())?;
    let (bearer, keys) = (folder.bearer()?, folder.keys()?);
    let directory = Arc::new(Directory::default());
    let mut playback =
        Playback::new(config, source, options.record.as_deref(), Watch::default(), Arc::clone(&directory))?;
    if let Some(until) = options.until {
        playback.stop_at(until);
    }
    let (client, questions) = engine::questions(config.engine.queries_max);
    let (tell, firings) = mpsc::channel(FIRINGS_MAX);
    let waits = Waits::new(client.clone(), bearer.expose());
    let run = Run { name, mode: Mode::Replay, data: Data::Recorded };
    let facade = Facade::new(client.clone(), Arc::clone(&waits), directory, run);
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build()?;
    runtime.block_on(async {
        let listener = listen::bind_or_free(options.listen, config.serve.listen).await?;
        let endpoint = lock.publish_endpoint(listener.local_addr()?, Mode::Replay, Data::Recorded, &bearer)?;
        say(&banner(options, &folder, &endpoint))?;
        tokio::spawn(waits.run(firings));
        let engine = start(playback, Pace::new(options.speed), questions, client, tell)?;
        engine.while_it_runs(CancellationToken::new(), |shutdown| facade.serve(listener, keys, shutdown)).await
    })
}

fn banner(options: &Serve, folder: &DataFolder, endpoint: &Endpoint) -> String {
    let recording = match &options.record {
        Some(record) => format!("recording to {}", record.display()),
        None => "nothing is recorded (--record DIR would)".to_owned(),
    };
    format!(
        "REPLAY, RECORDED DATA: {}, {recording}\n\
         MCP at {} with the bearer of `tidegate token`; on standard input and output: tidegate mcp\n\
         data folder {}; Ctrl-C ends it\n",
        options.replay[0].display(),
        endpoint.url,
        folder.path().display()
    )
}

/// Plays on a thread of its own.
fn start(
    playback: Playback,
    pace: Pace,
    questions: Questions,
    client: EngineClient,
    firings: mpsc::Sender<Firing>,
) -> anyhow::Result<EngineThread<()>> {
    let (alive, ended) = oneshot::channel::<()>();
    let thread = thread::Builder::new().name("engine".to_owned()).spawn(move || {
        // Dropped when the thread ends, however it ends: that wakes whoever waits for it.
        let _alive = alive;
        let playback = playback::run(playback, pace, &questions, &firings)?;
        playback.finish().map(|_| ())
    })?;
    Ok(EngineThread { client, thread, ended })
}
