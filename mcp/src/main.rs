//! The program.

use clap::Parser;
use std::io::Write;
use std::process::ExitCode;
use tidegate_mcp::cli::Cli;
use tidegate_mcp::{commands, logs};

/// Many threads make and drop answers of all sizes, for days: the system's allocator keeps more of that memory.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

fn main() -> ExitCode {
    logs::init();
    match commands::run(Cli::parse()) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            // Nothing is left to tell whoever closed stderr.
            drop(writeln!(std::io::stderr(), "tidegate: {error:#}"));
            ExitCode::FAILURE
        }
    }
}
