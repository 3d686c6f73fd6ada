//! What each command of the command line does.

pub mod config;
pub mod connect;
pub mod doctor;
pub mod exchange;
pub mod list;
pub mod mcp;
pub mod project;
pub mod query;
pub mod replay;
pub mod serve;
pub mod watch;

use crate::cli::{Cli, Command, Data, Owner};
use crate::config::Sources;
use crate::data_folder::DataFolder;
use crate::playback::Format;
use clap::CommandFactory;
use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};
use std::io::{self, IsTerminal, Write};
use std::path::PathBuf;
use std::process::ExitCode;

/// Runs a command; the exit code is a failure where its result is one.
///
/// # Errors
/// Whatever keeps it from doing what was asked, in one line.
pub fn run(cli: Cli) -> anyhow::Result<ExitCode> {
    let root = DataFolder::new(cli.data.clone())?;
    let sources = Sources::of_process(cli.config.as_deref(), &root, &cli.set)?;
    match cli.into_command() {
        Command::Replay(options) => replay::run(&options, &sources),
        Command::Serve(options) => serve::run(&options, &root, sources),
        Command::Exchange(options) => exchange::run(&options),
        Command::Mcp(owner) => mcp::run(root, &owner, &sources),
        Command::Watch(options) => watch::run(&options, folder(root, &options.owner)?),
        Command::Connect(options) => connect::run(&options, &root, &sources),
        Command::Token => say(&format!("{}\n", root.bearer()?.expose())),
        Command::Config(command) => config::run(&command, &sources),
        Command::Doctor(options) => return doctor::run(&options, &root, &sources),
        Command::Completions { shell } => completions(shell),
        Command::Query(options) => query::run(&options, &root, &sources),
        Command::Data(Data::Ls { json }) => list::run(&root, json),
        Command::Data(Data::Project { tape, to }) => project::run(&tape, &to),
    }?;
    Ok(ExitCode::SUCCESS)
}

/// The folder of the engine that is meant.
fn folder(root: DataFolder, owner: &Owner) -> anyhow::Result<DataFolder> {
    match &owner.replay {
        Some(name) => root.replay(name),
        None => Ok(root),
    }
}

fn completions(shell: clap_complete::Shell) -> anyhow::Result<()> {
    let mut script = Vec::new();
    clap_complete::generate(shell, &mut Cli::command(), "tidegate", &mut script);
    say(&String::from_utf8(script)?)
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
