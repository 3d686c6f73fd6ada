//! What each command of the command line does.

pub mod exchange;
pub mod mcp;
pub mod project;
pub mod replay;
pub mod serve;
pub mod watch;

use crate::cli::{Cli, Command, Data, Owner};
use crate::data_folder::DataFolder;
use crate::playback::Format;
use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};
use std::io::{self, IsTerminal, Write};
use std::path::PathBuf;

/// Runs a command.
///
/// # Errors
/// Whatever keeps it from doing what was asked, in one line.
pub fn run(cli: Cli) -> anyhow::Result<()> {
    let root = DataFolder::new(cli.data.clone())?;
    match cli.into_command() {
        Command::Replay(options) => replay::run(&options),
        Command::Serve(options) => serve::run(&options, &root),
        Command::Exchange(options) => exchange::run(&options),
        Command::Mcp(owner) => mcp::run(root, &owner),
        Command::Watch(options) => watch::run(&options, folder(root, &options.owner)?),
        Command::Token => say(&format!("{}\n", root.bearer()?.expose())),
        Command::Data(Data::Project { tape, to }) => project::run(&tape, &to),
    }
}

/// The folder of the engine that is meant.
fn folder(root: DataFolder, owner: &Owner) -> anyhow::Result<DataFolder> {
    match &owner.replay {
        Some(name) => root.replay(name),
        None => Ok(root),
    }
}

/// Writes a command's result to stdout.
fn say(text: &str) -> anyhow::Result<()> {
    let mut out = io::stdout().lock();
    match out.write_all(text.as_bytes()).and_then(|()| out.flush()) {
        // Whoever reads has seen enough.
        Err(error) if error.kind() == io::ErrorKind::BrokenPipe => Ok(()),
        result => Ok(result?),
    }
}

/// The format that was named, or the one that every path tells.
fn format(venue: Option<Format>, paths: &[PathBuf]) -> anyhow::Result<Format> {
    if let Some(format) = venue {
        return Ok(format);
    }
    let formats = paths.iter().map(|path| Format::detect(path)).collect::<anyhow::Result<Vec<_>>>()?;
    match formats.first() {
        Some(&first) if formats.iter().all(|&format| format == first) => Ok(first),
        _ => anyhow::bail!("the paths hold different markets: play one market at a time"),
    }
}

/// A bar on a terminal, nothing elsewhere.
fn progress_bar() -> ProgressBar {
    let target = if io::stderr().is_terminal() { ProgressDrawTarget::stderr() } else { ProgressDrawTarget::hidden() };
    let bar = ProgressBar::with_draw_target(Some(0), target);
    if let Ok(style) = ProgressStyle::with_template("{bar:40} {percent:>3} %  {bytes}/{total_bytes}  {eta} left") {
        bar.set_style(style);
    }
    bar
}
