//! The program.

use clap::Parser;
use std::io::Write;
use std::process::ExitCode;
use tidegate_mcp::cli::Cli;
use tidegate_mcp::commands;
use tracing_subscriber::EnvFilter;

fn main() -> ExitCode {
    let filter = EnvFilter::try_from_default_env().unwrap_or_else(|_| EnvFilter::new("warn"));
    tracing_subscriber::fmt().with_env_filter(filter).with_writer(std::io::stderr).init();
    match commands::run(Cli::parse()) {
        Ok(code) => code,
        Err(error) => {
            // Nothing is left to tell whoever closed stderr.
            drop(writeln!(std::io::stderr(), "tidegate: {error:#}"));
            ExitCode::FAILURE
        }
    }
}
