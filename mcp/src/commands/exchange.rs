//! `tidegate exchange`.

use super::{format, say};
use crate::cli::Exchange;
use crate::listen;
use crate::playback::pace::Speed;
use anyhow::{Context, bail};
use std::sync::Arc;
use tidegate_feeds::exchange::{self, reserve::Reserve};

/// Serves captures until it is stopped.
///
/// # Errors
/// Where the captures cannot be served, or the address cannot be used.
pub fn run(options: &Exchange) -> anyhow::Result<()> {
    let Some(venue) = format(None, &options.paths)?.venue() else {
        bail!("{}: a recording, not a capture of a venue's messages: play it with replay", options.paths[0].display());
    };
    let speed = match options.speed {
        Speed::Times(times) => Some(times),
        Speed::Max => None,
    };
    let reserve = Reserve::new(venue, options.paths.clone(), speed).context("the captures cannot be served")?;
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build()?;
    runtime.block_on(async {
        let listener = listen::bind(options.listen).await?;
        let address = listener.local_addr()?;
        say(&format!(
            "RECORDED DATA, served as its venue would at {address}: tidegate serve --venue … --symbols … --at {address}\n"
        ))?;
        tokio::select! {
            () = exchange::serve(listener, Arc::new(reserve)) => {}
            result = tokio::signal::ctrl_c() => result?,
        }
        Ok(())
    })
}
