//! What can be seen without asking anybody: files, disk, clock.

use super::Finding;
use crate::clock;
use crate::config::{Config, Sources};
use crate::data_folder::{DataFolder, private_options, read_bearer};
use crate::wire::rfc3339;
use std::fs::{self, Metadata};
use std::path::{Path, PathBuf};
use std::thread;
use std::time::{Duration, Instant};
use tidegate_core::Nanos;
use tidegate_feeds::sessions::{Ending, Sessions};

const GB: u64 = 1_000_000_000;
/// With less than this a busy market fills the disk within the hour.
const FREE_BYTES_MIN: u64 = GB;
/// How long the two clocks are compared, and how far they may differ.
const CLOCK_SPAN: Duration = Duration::from_millis(100);
const CLOCK_TOLERANCE: Duration = Duration::from_millis(20);
/// 2024-01-01 and 2100-01-01: a clock outside was never set.
const YEARS: [i64; 2] = [1_704_067_200, 4_102_444_800];
/// Deeper than any folder of ours.
const DEPTH_MAX: u32 = 8;

/// The configuration, where it is valid.
pub fn configuration(sources: &Sources, findings: &mut Vec<Finding>) -> Option<Config> {
    const CHECK: &str = "configuration";
    let file = sources.file().filter(|file| file.exists());
    let config = match sources.load() {
        Ok(loaded) => loaded.config,
        Err(error) => {
            findings.push(Finding::fail(CHECK, format!("{error:#}"), "correct it: nothing starts before"));
            return None;
        }
    };
    findings.push(match file {
        None => Finding::ok(CHECK, "valid, as it is built in"),
        Some(file) if is_open(file, 0o022) => Finding::fail(
            CHECK,
            format!("{} can be written by other users", file.display()),
            format!("run: chmod go-w {}", file.display()),
        ),
        Some(file) => Finding::ok(CHECK, format!("valid, with {}", file.display())),
    });
    Some(config)
}

/// The data folder: there, ours alone, writable.
pub fn folder(root: &DataFolder, findings: &mut Vec<Finding>) {
    const CHECK: &str = "data folder";
    let path = root.path();
    if !path.exists() {
        let text = format!("{} is not there yet: the first start makes it", path.display());
        return findings.push(Finding::ok(CHECK, text));
    }
    let probe = path.join(format!(".doctor.{}", std::process::id()));
    let written = private_options().create_new(true).write(true).open(&probe).and_then(|_| fs::remove_file(&probe));
    let shown = path.display();
    findings.push(match written {
        Err(error) => Finding::fail(
            CHECK,
            format!("{shown} cannot be written to: {error}"),
            "give it to this user, or choose another with --data DIR",
        ),
        Ok(()) if is_open(path, 0o022) => {
            Finding::fail(CHECK, format!("{shown} can be written by other users"), format!("run: chmod 700 {shown}"))
        }
        Ok(()) if is_open(path, 0o055) => {
            Finding::warn(CHECK, format!("{shown} can be listed by other users"), format!("run: chmod 700 {shown}"))
        }
        Ok(()) => Finding::ok(CHECK, format!("{shown} is writable, and this user's alone")),
    });
}

/// Where folders should be, there are folders.
pub fn folders(root: &DataFolder, findings: &mut Vec<Finding>) {
    const CHECK: &str = "data folder";
    let root = root.path();
    let replays = fs::read_dir(root.join("replay")).into_iter().flatten().flatten().map(|replay| replay.path());
    let mut folders = vec![root.join("run/clients"), root.join("logs")];
    for recording in [root.to_owned(), root.join("sim")].into_iter().chain(replays) {
        folders.extend(
            ["run", "tape", "parquet/recent", "parquet/events", "parquet/bars"].map(|name| recording.join(name)),
        );
    }
    let mut wrong: Vec<&Path> = Vec::new();
    for folder in &folders {
        let above = folder.ancestors().take_while(|above| above.starts_with(root));
        // The topmost is why those below it are not there.
        let is_wrong = |path: &&Path| fs::symlink_metadata(path).is_ok() && !path.is_dir();
        wrong.extend(above.filter(is_wrong).last());
    }
    wrong.sort();
    wrong.dedup();
    for path in wrong {
        let text = format!("{} is not a folder, and should be one", path.display());
        findings.push(Finding::fail(CHECK, text, "move it away"));
    }
}

/// Bearers and endpoint are this user's alone.
pub fn private_files(root: &DataFolder, findings: &mut Vec<Finding>) {
    const CHECK: &str = "permissions";
    let run = root.path().join("run");
    let clients = root.clients().unwrap_or_default().into_iter().map(|client| client.path);
    let files: Vec<PathBuf> = [run.join("bearer"), run.join("endpoint.json")].into_iter().chain(clients).collect();
    let open: Vec<&PathBuf> = files.iter().filter(|file| is_open(file, 0o077)).collect();
    for file in &open {
        let text = format!("{} holds a secret and is open to other users", file.display());
        findings.push(Finding::fail(CHECK, text, format!("run: chmod 600 {}", file.display())));
    }
    if open.is_empty() {
        let there = files.iter().filter(|file| file.exists()).count();
        findings.push(Finding::ok(CHECK, format!("{there} files with secrets, each this user's alone")));
    }
}

#[cfg(unix)]
fn is_open(path: &Path, bits: u32) -> bool {
    use std::os::unix::fs::PermissionsExt;
    fs::metadata(path).is_ok_and(|file| file.permissions().mode() & bits != 0)
}

#[cfg(not(unix))]
fn is_open(_path: &Path, _bits: u32) -> bool {
    false
}

/// What is recorded against the cap, and what the disk has left.
pub fn disk(root: &DataFolder, config: &Config, findings: &mut Vec<Finding>) {
    const CHECK: &str = "disk";
    let storage = &config.storage;
    let cap = u64::from(storage.tape_max_gb) * GB;
    let used = size(root.path(), DEPTH_MAX);
    let Some((free, total)) = space(root.path()) else {
        return findings.push(Finding::warn(CHECK, "its free space cannot be told", "look at it by other means"));
    };
    let gb = |bytes: u64| bytes as f64 / GB as f64;
    let text = format!("{:.1} GB of at most {} recorded, {:.1} GB free", gb(used), storage.tape_max_gb, gb(free));
    let is_above =
        |part: u64, whole: u64| part / 100 >= (whole / 10_000).saturating_mul(u64::from(storage.warn_at_percent));
    findings.push(if free < FREE_BYTES_MIN {
        Finding::fail(CHECK, text, "free some, or lower storage.tape_max_gb")
    } else if is_above(used, cap) {
        Finding::warn(
            CHECK,
            text,
            format!("above {} % of storage.tape_max_gb the oldest goes soon", storage.warn_at_percent),
        )
    } else if is_above(total.saturating_sub(free), total) {
        Finding::warn(CHECK, text, format!("the disk is more than {} % full", storage.warn_at_percent))
    } else if free < cap.saturating_sub(used) {
        Finding::warn(CHECK, text, "it would be full before the cap is reached: lower storage.tape_max_gb")
    } else {
        Finding::ok(CHECK, text)
    });
}

/// Free and all bytes of the disk that `path` is on, or will be.
#[cfg(unix)]
fn space(path: &Path) -> Option<(u64, u64)> {
    let there = path.ancestors().find(|path| path.exists())?;
    let disk = rustix::fs::statvfs(there).ok()?;
    Some((disk.f_bavail.saturating_mul(disk.f_frsize), disk.f_blocks.saturating_mul(disk.f_frsize)))
}

#[cfg(not(unix))]
fn space(_path: &Path) -> Option<(u64, u64)> {
    None
}

/// Bytes of the files below `folder`; links are not followed.
fn size(folder: &Path, depth: u32) -> u64 {
    let entries = fs::read_dir(folder).into_iter().flatten().flatten();
    let of_entry = |path: PathBuf| match fs::symlink_metadata(&path) {
        Ok(entry) if entry.is_dir() && depth > 0 => size(&path, depth - 1),
        Ok(entry) if entry.is_file() => Metadata::len(&entry),
        _ => 0,
    };
    entries.map(|entry| of_entry(entry.path())).sum()
}

/// Whether every reference leads to a secret.
pub fn secrets(config: &Config, findings: &mut Vec<Finding>) {
    const CHECK: &str = "secrets";
    let secrets = config.secrets();
    let count = secrets.len();
    let before = findings.len();
    for (key, secret) in secrets {
        if let Err(error) = secret.resolve() {
            findings.push(Finding::fail(CHECK, format!("{key}: {error:#}"), "or take its section out"));
        }
    }
    if findings.len() == before {
        findings.push(Finding::ok(CHECK, format!("{count} configured, each is there")));
    }
}

/// Whether the time is one, and passes as it should.
pub fn clock(findings: &mut Vec<Finding>) {
    const CHECK: &str = "clock";
    let (wall, steady) = (clock::now(), Instant::now());
    thread::sleep(CLOCK_SPAN);
    let passed = Duration::from_nanos(u64::try_from(clock::now().raw() - wall.raw()).unwrap_or(0));
    let apart = passed.abs_diff(steady.elapsed());
    let [least, most] = YEARS.map(|second| Nanos::new(second * Nanos::SECOND.raw()));
    let now = rfc3339(wall);
    findings.push(if wall < least || wall > most {
        Finding::fail(CHECK, format!("it shows {now}"), "set it, and keep it set: systemd-timesyncd or chrony")
    } else if apart > CLOCK_TOLERANCE {
        let text = format!("it jumped by {} ms within {} ms", apart.as_millis(), CLOCK_SPAN.as_millis());
        Finding::warn(CHECK, text, "let one program alone set it, in small steps")
    } else {
        Finding::ok(CHECK, format!("{now}, as steady as the monotonic one"))
    });
}

/// Whether the trading hours that are built in reach far enough ahead.
pub fn hours(findings: &mut Vec<Finding>) {
    const CHECK: &str = "trading hours";
    const FIX: &str = "a newer tidegate knows more; after that day what such a market does is answered as unknown";
    let ending = Sessions::built_in().unwrap_or_default().ending(clock::now());
    findings.extend(ending.iter().map(|Ending { market, last, days }| {
        let when = if *days < 0 { format!("{} days ago", -days) } else { format!("in {days} days") };
        Finding::warn(CHECK, format!("those of {market} are known to {last}, {when}"), FIX)
    }));
    if ending.is_empty() {
        findings.push(Finding::ok(CHECK, "known for the next 60 days"));
    }
}

/// The program's own bearer and those of clients.
pub fn clients(root: &DataFolder, findings: &mut Vec<Finding>) {
    const CHECK: &str = "clients";
    let own = root.path().join("run").join("bearer");
    if let Err(error) = read_bearer(&own) {
        findings.push(Finding::fail(CHECK, format!("{error:#}"), "nothing can be asked before"));
    }
    match root.clients() {
        Err(error) => findings.push(Finding::fail(CHECK, format!("{error:#}"), "make the folder readable")),
        Ok(clients) => {
            let names: Vec<&str> = clients.iter().map(|client| client.name.as_str()).collect();
            for name in &names {
                if let Err(error) = root.client_bearer(name) {
                    let fix = format!("tidegate connect {name} --revoke, and connect it again");
                    findings.push(Finding::fail(CHECK, format!("{error:#}"), fix));
                }
            }
            findings.push(Finding::ok(
                CHECK,
                match names.is_empty() {
                    true => "none connected: tidegate connect CLIENT does".to_owned(),
                    false => names.join(", "),
                },
            ));
        }
    }
}
