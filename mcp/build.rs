//! Tells the program which commit it is built from.

use std::path::Path;
use std::process::Command;

/// What is compiled or built in: whether the tree is dirty can change with any of it.
const SOURCES: [&str; 7] =
    ["../Cargo.lock", "../Cargo.toml", "../config", "../data", "../engine", "../feeds", "../mcp"];

fn main() {
    println!("cargo:rustc-env=TIDEGATE_COMMIT={}", commit().unwrap_or_else(|| "unknown".to_owned()));
    for source in SOURCES {
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
    // A source that nobody has added yet is compiled all the same.
    let is_dirty = !git(&[&["status", "--porcelain", "--"], &SOURCES[..]].concat())?.is_empty();
    Some(if is_dirty { format!("{commit}-dirty") } else { commit })
}

fn git(arguments: &[&str]) -> Option<String> {
    let output = Command::new("git").args(arguments).output().ok().filter(|output| output.status.success())?;
    Some(String::from_utf8(output.stdout).ok()?.trim().to_owned())
}
