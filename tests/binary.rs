//! The built `tidegate`, run as a person or a script would.

use serde_json::Value;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};

/// The binary that was built with these tests, or the one that `TIDEGATE_BINARY` names.
pub fn path() -> PathBuf {
    if let Some(binary) = std::env::var_os("TIDEGATE_BINARY") {
        return binary.into();
    }
    let tests = std::env::current_exe().unwrap();
    let binary = tests.parent().and_then(Path::parent).unwrap().join("tidegate");
    assert!(binary.exists(), "{} is not built: run cargo test --workspace", binary.display());
    binary
}

/// A command that reads and writes nothing outside `data`.
pub fn command(data: &Path) -> Command {
    let mut command = Command::new(path());
    command.arg("--data").arg(data).env_remove("RUST_LOG");
    command
}

/// Runs `tidegate` with these arguments.
pub fn run<S: AsRef<std::ffi::OsStr>>(data: &Path, arguments: &[S]) -> Output {
    command(data).args(arguments).output().unwrap()
}

/// Runs `tidegate replay … --json` and returns the object.
pub fn replay_json(data: &Path, arguments: &[&str]) -> Value {
    let mut all = vec!["replay", "--json"];
    all.extend(arguments);
    let output = run(data, &all);
    let stderr = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{arguments:?}: {stderr}");
    assert_eq!(stderr, "", "{arguments:?}");
    serde_json::from_slice(&output.stdout).unwrap()
}

/// The folder of the captures, or nothing and a line that says what is left out.
pub fn captures(test: &str) -> Option<PathBuf> {
    let folder = std::env::var_os("TIDEGATE_MARKET_DATA").map(PathBuf::from);
    if folder.is_none() {
        println!("left out, as TIDEGATE_MARKET_DATA is not set: {test}");
    }
    folder
}

pub fn text(path: &Path) -> &str {
    path.to_str().unwrap()
}
