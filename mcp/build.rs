//! Tells the program which commit it is built from.

#![expect(clippy::print_stdout, reason = "how a build script speaks to cargo")]

use std::path::Path;
use std::process::Command;

fn main() {
    println!("cargo:rustc-env=TIDEGATE_COMMIT={}", commit().unwrap_or_else(|| "unknown".to_owned()));
    // What is compiled or built in: whether the tree is dirty can change with any of it.
    for source in ["../Cargo.lock", "../Cargo.toml", "../config", "../data", "../engine", "../feeds", "../mcp"] {
        println!("cargo:rerun-if-changed={source}");
    }
    // A commit, checkout or reset adds a line to the log of HEAD. A file that is not there would rebuild for ever.
    for name in ["HEAD", "logs/HEAD"] {
        if let Some(path) = git(&["rev-parse", "--git-path", name]).filter(|path| Path::new(path).exists()) {
            println!("cargo:rerun-if-changed={path}");
        }
    }
}

fn commit() -> Option<String> {
    // An archive of the sources may lie in somebody else's repository.
    git(&["ls-files", "--error-unmatch", "build.rs"])?;
    let commit = git(&["rev-parse", "--short=12", "HEAD"])?;
    let is_dirty = !git(&["status", "--porcelain", "--untracked-files=no"])?.is_empty();
    Some(if is_dirty { format!("{commit}-dirty") } else { commit })
}

fn git(arguments: &[&str]) -> Option<String> {
    let output = Command::new("git").args(arguments).output().ok().filter(|output| output.status.success())?;
    Some(String::from_utf8(output.stdout).ok()?.trim().to_owned())
}
