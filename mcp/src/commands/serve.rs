//! `tidegate serve`.

mod live;
mod replay;
mod simulated;

use crate::cli::Serve;
use crate::config::Sources;
use crate::data_folder::DataFolder;
use crate::engine::EngineClient;
use anyhow::{Context, anyhow};
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
    let config = sources.load()?.config;
    for (key, secret) in config.secrets() {
        if let Err(error) = secret.resolve() {
            // What does not need it works without: a client that starts the program has not its user's variables.
            tracing::warn!("{key}: {error:#}");
        }
    }
    if options.replay.is_empty() { live::run(options, root, &config) } else { replay::run(options, root, &config) }
}

/// The engine's thread, and how to know that it has ended.
struct EngineThread<T> {
    client: EngineClient,
    thread: JoinHandle<anyhow::Result<T>>,
    ended: oneshot::Receiver<()>,
}

impl<T: Send + 'static> EngineThread<T> {
    /// Serves until a signal comes or the engine ends, then ends both in order.
    async fn while_it_runs<F>(mut self, serve: impl FnOnce(CancellationToken) -> F) -> anyhow::Result<T>
    where
        F: Future<Output = anyhow::Result<()>>,
    {
        let shutdown = CancellationToken::new();
        let mut terminate = signal(SignalKind::terminate()).context("cannot listen for SIGTERM")?;
        let stop = async {
            tokio::select! {
                _ = tokio::signal::ctrl_c() => {}
                _ = terminate.recv() => {}
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
