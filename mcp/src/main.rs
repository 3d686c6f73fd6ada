//! The program.

use clap::Parser;
use std::io::Write;
use std::process::ExitCode;
use tidegate_mcp::cli::Cli;
use tidegate_mcp::{commands, logs};

/// Many threads make answers and drop them: 32 readers get a third more of them than with the system's allocator,
/// for 30 MiB more of memory. A replay is no faster.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

fn main() -> ExitCode {
    logs::init();
    match commands::run(Cli::parse()) {
        Ok(code) => code,
        Err(error) => {
            // Nothing is left to tell whoever closed stderr.
            drop(writeln!(std::io::stderr(), "tidegate: {error:#}"));
            ExitCode::FAILURE
        }
    }
}
