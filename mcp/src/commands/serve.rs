//! `tidegate serve`.

mod live;
mod replay;
mod simulated;

use crate::cli::Serve;
use crate::commands::say;
use crate::config::{Config, Sources};
use crate::data_folder::{DataFolder, OwnerLock};
use crate::engine::EngineClient;
use anyhow::{Context, anyhow};
use clap::Parser;
use std::thread::JoinHandle;
use tokio::signal::unix::{SignalKind, signal};
use tokio::sync::oneshot;
use tokio_util::sync::CancellationToken;

/// Runs an engine and answers questions about it until it is told to stop.
///
/// # Errors
/// Where the configuration, the data folder, the address, the captures or the symbols cannot be used, or the engine fails.
pub fn run(options: &Serve, root: &DataFolder, mut sources: Sources) -> anyhow::Result<()> {
    if let Some(listen) = options.listen {
        sources.flag("--listen", "serve.listen", &listen.to_string());
    }
    let config = configured(&sources)?;
    if options.replay.is_empty() {
        live::run(options, root, &config, Seat::Own)
    } else {
        replay::run(options, root, &config)
    }
}

/// The configuration in force.
fn configured(sources: &Sources) -> anyhow::Result<Config> {
    let config = sources.load()?.config;
    for (key, secret) in config.secrets() {
        if let Err(error) = secret.resolve() {
            // What does not need it works without: a client that starts the program has not its user's variables.
            tracing::warn!("{key}: {error:#}");
        }
    }
    Ok(config)
}

/// Runs what `tidegate serve` without arguments runs, as the owner of `root` that `lock` is, until `stop`.
///
/// # Errors
/// Where the configuration, the address or the recording cannot be used, or the engine fails.
pub fn succeed(root: &DataFolder, lock: OwnerLock, sources: &Sources, stop: CancellationToken) -> anyhow::Result<()> {
    let config = configured(sources)?;
    live::run(&Serve::parse_from(["serve"]), root, &config, Seat::Successor { lock, stop })
}

/// In whose place an engine runs.
enum Seat {
    /// A command's own: it takes the folder, and says on stdout what it does.
    Own,
    /// In the background of another command, whose stdout is not ours: the folder is taken already.
    Successor {
        /// The folder's.
        lock: OwnerLock,
        /// When to end, besides a signal.
        stop: CancellationToken,
    },
}

impl Seat {
    fn take(self, root: &DataFolder) -> anyhow::Result<Seated> {
        Ok(match self {
            Seat::Own => Seated { lock: root.claim()?, announce: say, stop: CancellationToken::new() },
            Seat::Successor { lock, stop } => Seated { lock, announce: note, stop },
        })
    }
}

/// An owner, where it says what it does, and when it ends besides a signal.
struct Seated {
    lock: OwnerLock,
    announce: fn(&str) -> anyhow::Result<()>,
    stop: CancellationToken,
}

/// Like [`say`], where stdout belongs to somebody else.
fn note(text: &str) -> anyhow::Result<()> {
    tracing::info!("{text}");
    Ok(())
}

/// What ends when a person or the system asks this process to end.
///
/// # Errors
/// Where signals cannot be listened for.
pub fn signalled() -> anyhow::Result<impl Future<Output = ()>> {
    let mut terminate = signal(SignalKind::terminate()).context("cannot listen for SIGTERM")?;
    Ok(async move {
        tokio::select! {
            _ = tokio::signal::ctrl_c() => {}
            _ = terminate.recv() => {}
        }
    })
}

/// The engine's thread, and how to know that it has ended.
struct EngineThread<T> {
    client: EngineClient,
    thread: JoinHandle<anyhow::Result<T>>,
    ended: oneshot::Receiver<()>,
}

impl<T: Send + 'static> EngineThread<T> {
    /// Serves until a signal or `stop` comes or the engine ends, then ends both in order.
    async fn while_it_runs<F>(
        mut self,
        stop: CancellationToken,
        serve: impl FnOnce(CancellationToken) -> F,
    ) -> anyhow::Result<T>
    where
        F: Future<Output = anyhow::Result<()>>,
    {
        let shutdown = CancellationToken::new();
        let signalled = signalled()?;
        let stop = async {
            tokio::select! {
                () = signalled => {}
                () = stop.cancelled() => {}
                _ = &mut self.ended => {}
            }
            shutdown.cancel();
        };
        let (served, ()) = tokio::join!(serve(shutdown.clone()), stop);
        self.client.stop();
        let ended = tokio::task::spawn_blocking(|| self.thread.join()).await?;
        let result = ended.map_err(|_| anyhow!("the engine's thread panicked"))??;
        served.map(|()| result)
    }
}
