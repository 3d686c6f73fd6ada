//! Why there is no engine to speak to.

use super::VERSION;
use crate::wire::Data;
use std::path::PathBuf;

/// Why there is no engine to speak to, each with what to do about it.
#[derive(Debug, thiserror::Error)]
pub enum NoOwner {
    /// Nobody owns the folder.
    #[error("no engine is running on {}{}; start one with: {start}", folder.display(), unlike(*last))]
    Absent {
        /// The folder without an owner.
        folder: PathBuf,
        /// The command that would own it.
        start: &'static str,
        /// What the last owner's prices were, where no simulated market takes its place unasked.
        last: Option<Data>,
    },
    /// Its owner does not listen yet.
    #[error("the engine on {} ({process}) is still starting; try again in a moment", folder.display())]
    Starting {
        /// The folder.
        folder: PathBuf,
        /// Who starts there.
        process: String,
    },
    /// Its owner is another version of this program.
    #[error(
        "the engine at {url} (pid {pid}) is version {version}, this program is {VERSION}; restart the engine with this \
         version: end pid {pid} and ask again"
    )]
    OtherVersion {
        /// Where it listens.
        url: String,
        /// Its process id.
        pid: u32,
        /// What it is.
        version: String,
    },
    /// Several replays run, and none was chosen.
    #[error("several engines run below {}: {list}; choose one with --replay NAME", folder.display())]
    Several {
        /// The folder above them.
        folder: PathBuf,
        /// Their names, addresses and processes.
        list: String,
    },
    /// The folder cannot be read, or an engine cannot be run on it.
    #[error("{0:#}")]
    Failed(#[from] anyhow::Error),
}

fn unlike(last: Option<Data>) -> String {
    last.map_or_else(String::new, |data| {
        format!(
            ", and the last one had {} data, which a simulated market replaces only where it is asked for",
            data.name()
        )
    })
}
