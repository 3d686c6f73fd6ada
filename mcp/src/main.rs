//! The program.

use clap::Parser;
use std::io::Write;
use std::process::ExitCode;
use tidegate_mcp::cli::Cli;
use tidegate_mcp::{commands, logs};
use tokio::signal::unix::{SignalKind, signal};

/// Many threads make answers and drop them: 32 readers get a third more of them than with the system's allocator,
/// for 30 MiB more of memory. A replay is no faster.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

fn main() -> ExitCode {
    logs::init();
    files_may_be_bounded();
    match commands::run(Cli::parse()) {
        Ok(code) => code,
        Err(error) => {
            // Nothing is left to tell whoever closed stderr.
            drop(writeln!(std::io::stderr(), "tidegate: {error:#}"));
            ExitCode::FAILURE
        }
    }
}

/// A file that would grow beyond what the system allows this process (`ulimit -f`) is an error to whoever writes it, and
/// not the end of the program without a word: once the signal has a handler, the write fails.
fn files_may_be_bounded() {
    // Linux and macOS number it so.
    const SIGXFSZ: i32 = 25;
    let runtime = tokio::runtime::Builder::new_current_thread().enable_io().build();
    let handled = runtime.and_then(|runtime| {
        let _context = runtime.enter();
        signal(SignalKind::from_raw(SIGXFSZ)).map(drop)
    });
    if let Err(error) = handled {
        tracing::warn!("a limit on the size of files would end the program without a word: {error}");
    }
}
