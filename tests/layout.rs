//! The rules of the tree: folders, packages, edges, and what the documents name.

use serde_json::Value;
use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};
use std::process::Command;

/// Our packages: folder, and which of ours they may know. What is still to come is not there yet.
const PACKAGES: [(&str, &str, &[&str]); 6] = [
    ("tidegate-core", "engine/core", &[]),
    ("tidegate-feeds", "feeds", &["tidegate-core"]),
    ("tidegate-history", "engine/history", &["tidegate-core"]),
    ("tidegate-mcp", "mcp", &["tidegate-core", "tidegate-feeds", "tidegate-history"]),
    ("benches", "benches", &["tidegate-core", "tidegate-feeds", "tidegate-history", "tidegate-mcp"]),
    ("tests", "tests", &["tidegate-core", "tidegate-feeds", "tidegate-history", "tidegate-mcp"]),
];

/// The folder of a package that later work brings.
const TO_COME: [&str; 1] = ["risk"];

/// The packages that the product must really use, and the one where each is used first.
const USED: [(&str, &str); 13] = [
    ("tokio", "tidegate-mcp"),
    ("tokio-tungstenite", "tidegate-feeds"),
    ("crossbeam", "tidegate-history"),
    ("dashmap", "tidegate-mcp"),
    ("arrow", "tidegate-history"),
    ("parquet", "tidegate-history"),
    ("datafusion", "tidegate-history"),
    ("rust_decimal", "tidegate-mcp"),
    ("rmcp", "tidegate-mcp"),
    ("hdrhistogram", "tidegate-mcp"),
    ("mimalloc", "tidegate-mcp"),
    ("criterion", "benches"),
    ("ta", "tidegate-core"),
];

const TOP_LEVEL: [&str; 7] = ["engine", "feeds", "mcp", "benches", "data", "config", "tests"];

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).parent().unwrap().to_owned()
}

fn metadata() -> Value {
    cargo_metadata(&["--no-deps"])
}

fn cargo_metadata(options: &[&str]) -> Value {
    let output = Command::new(env!("CARGO"))
        .args(["metadata", "--locked", "--offline", "--format-version", "1"])
        .args(options)
        .current_dir(root())
        .output()
        .unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    serde_json::from_slice(&output.stdout).unwrap()
}

/// Files under version control, or in a tree without it every file.
fn files() -> Vec<PathBuf> {
    let output = Command::new("git").args(["ls-files", "-co", "--exclude-standard"]).current_dir(root()).output();
    let listed = output.ok().filter(|output| output.status.success()).expect("git lists the tree");
    String::from_utf8(listed.stdout)
        .unwrap()
        .lines()
        .map(PathBuf::from)
        .filter(|path| root().join(path).exists())
        .collect()
}

fn dependencies(package: &Value, normal_only: bool) -> impl Iterator<Item = &str> {
    let dependencies = package["dependencies"].as_array().unwrap().iter();
    dependencies.filter(move |it| !normal_only || it["kind"].is_null()).map(|it| it["name"].as_str().unwrap())
}

#[test]
fn packages_know_only_what_the_table_allows() {
    let metadata = metadata();
    let packages: BTreeMap<&str, &Value> =
        metadata["packages"].as_array().unwrap().iter().map(|it| (it["name"].as_str().unwrap(), it)).collect();
    assert_eq!(packages.keys().copied().collect::<BTreeSet<_>>(), PACKAGES.map(|(name, _, _)| name).into());
    for (name, folder, allowed) in PACKAGES {
        let package = packages[name];
        let manifest = Path::new(package["manifest_path"].as_str().unwrap());
        assert_eq!(manifest, root().join(folder).join("Cargo.toml"), "{name}");
        for dependency in dependencies(package, false).filter(|dependency| packages.contains_key(dependency)) {
            assert!(allowed.contains(&dependency), "{name} may not know {dependency}");
        }
    }
    let bins: Vec<&str> = packages
        .values()
        .flat_map(|package| package["targets"].as_array().unwrap())
        .filter(|target| target["kind"][0] == "bin")
        .map(|target| target["name"].as_str().unwrap())
        .collect();
    assert_eq!(bins, ["tidegate"]);
    let core: Vec<&str> = dependencies(packages["tidegate-core"], true).collect();
    for outside in ["tokio", "arrow", "datafusion", "parquet", "rand"] {
        assert!(!core.contains(&outside), "core may not know {outside}");
    }
}

#[test]
fn what_the_project_must_use_is_used() {
    let metadata = metadata();
    let packages = metadata["packages"].as_array().unwrap();
    for (dependency, user) in USED {
        let package = packages.iter().find(|it| it["name"] == user).unwrap();
        assert!(dependencies(package, true).any(|name| name == dependency), "{user} does not depend on {dependency}");
        let folder = PACKAGES.iter().find(|(name, _, _)| *name == user).unwrap().1;
        let path = format!("{}::", dependency.replace('-', "_"));
        let uses = |file: &PathBuf| std::fs::read_to_string(root().join(file)).unwrap().contains(&path);
        let mut sources =
            files().into_iter().filter(|it| it.starts_with(folder) && it.extension().is_some_and(|e| e == "rs"));
        assert!(sources.any(|file| uses(&file)), "{user} does not use {dependency}");
    }
}

/// What is compiled for this platform; `cargo deny` asks the same of all platforms, in the full run.
#[test]
fn every_licence_is_one_that_is_allowed() {
    let text = std::fs::read_to_string(root().join("deny.toml")).unwrap();
    let deny: toml::Table = text.parse().unwrap();
    let allowed: Vec<spdx::Licensee> = deny["licenses"]["allow"]
        .as_array()
        .unwrap()
        .iter()
        .map(|it| spdx::Licensee::parse(it.as_str().unwrap()).unwrap())
        .collect();
    let is_allowed = |licence: &str| {
        let expression = spdx::Expression::parse_mode(licence, spdx::ParseMode::LAX);
        expression.is_ok_and(|it| it.evaluate(|required| allowed.iter().any(|licensee| licensee.satisfies(required))))
    };
    for (licence, expect) in [
        ("MIT/Apache-2.0", true),
        ("(MIT OR GPL-3.0-only) AND Zlib", true),
        ("MIT AND GPL-3.0-only", false),
        ("AGPL-3.0-only", false),
        ("Apache-2.0 WITH LLVM-exception", true),
        ("", false),
    ] {
        assert_eq!(is_allowed(licence), expect, "{licence:?}");
    }
    let rustc = Command::new("rustc").arg("-vV").output().unwrap();
    let version = String::from_utf8(rustc.stdout).unwrap();
    let host = version.lines().find_map(|line| line.strip_prefix("host: ")).unwrap();
    let metadata = cargo_metadata(&["--filter-platform", host]);
    let packages = metadata["packages"].as_array().unwrap();
    assert!(packages.len() > 300, "{} packages", packages.len());
    let refused: Vec<String> = packages
        .iter()
        .filter(|package| !is_allowed(package["license"].as_str().unwrap_or("")))
        .map(|package| format!("{} {}", package["name"], package["license"]))
        .collect();
    assert_eq!(refused, [""; 0], "not in deny.toml");
}

#[test]
fn the_top_level_is_what_was_agreed() {
    let folders: BTreeSet<String> = files()
        .iter()
        .filter(|path| path.components().count() > 1)
        .map(|path| path.components().next().unwrap().as_os_str().to_string_lossy().into_owned())
        .filter(|name| !name.starts_with('.'))
        .collect();
    assert_eq!(folders, TOP_LEVEL.map(str::to_owned).into());
    for folder in TO_COME {
        assert!(!root().join(folder).exists(), "{folder} is there now: move it to PACKAGES");
    }
    for file in [
        "README.md",
        "ARCHITECTURE.md",
        "CHANGELOG.md",
        "LICENSE-APACHE",
        "LICENSE-MIT",
        "rust-toolchain.toml",
        "rustfmt.toml",
        "clippy.toml",
        "deny.toml",
        ".ci/run",
        "tests/run",
    ] {
        assert!(root().join(file).is_file(), "{file}");
    }
}

#[test]
fn no_blob_and_no_outgrown_file_is_in_the_tree() {
    for path in files() {
        let file = root().join(&path);
        let size = file.metadata().unwrap().len();
        assert!(size <= 500_000, "{}: {size} bytes", path.display());
        let is_test = path.starts_with("tests") || path.to_string_lossy().contains("test");
        if path.extension().is_some_and(|extension| extension == "rs") && !is_test {
            let source = std::fs::read_to_string(&file).unwrap();
            let lines = source.split("#[cfg(test)]").next().unwrap().lines().count();
            assert!(lines <= 500, "{}: {lines} lines: is it one idea?", path.display());
        }
    }
}

/// Paths in the map are code spans that hold a slash or end like a file.
#[test]
fn every_path_in_the_architecture_exists() {
    let text = std::fs::read_to_string(root().join("ARCHITECTURE.md")).unwrap();
    assert!(text.lines().count() <= 200, "{} lines", text.lines().count());
    let is_path = |span: &&str| {
        let looks = span.contains('/') || [".rs", ".toml", ".md"].iter().any(|end| span.ends_with(end));
        looks && !span.contains([' ', '<', '*', ':', '='])
    };
    let spans: Vec<&str> = text.split('`').skip(1).step_by(2).filter(is_path).collect();
    assert!(spans.len() > 20, "{} paths", spans.len());
    for span in spans {
        let known = TO_COME.iter().any(|to_come| span.trim_end_matches('/') == *to_come);
        assert!(known || root().join(span).exists(), "ARCHITECTURE.md names {span}");
    }
    for (name, folder, allowed) in PACKAGES {
        let short: Vec<&str> = allowed.iter().map(|it| it.trim_start_matches("tidegate-")).collect();
        let knows = match (name, short.is_empty()) {
            ("benches" | "tests", _) => "any".to_owned(),
            (_, true) => "–".to_owned(),
            _ => short.join(", "),
        };
        let row = format!("| `{folder}` | {name} |");
        let line = text.lines().find(|line| line.starts_with(&row)).unwrap_or_else(|| panic!("no row {row}"));
        assert!(line.ends_with(&format!("| {knows} |")), "{line} should end in {knows}");
    }
}
