//! The data folder: who owns it, where its engine listens, and the bearer that opens it.
//!
//! ```text
//! <root>/run/bearer                        the program's own bearer, one per root, survives restarts
//! <root>/run/clients/<name>                the bearer of a client, made by `tidegate connect <name>`
//! <root>/run/{lock,endpoint.json}          the engine of the root itself
//! <root>/run/{claim,last_owner.json}       who waits for its place, and what the last one's prices were
//! <root>/replay/<name>/run/{lock,…}        the engine of a replay: a folder of its own, the root's bearer
//! ```

mod claim;
pub mod clients;
mod last_owner;
mod no_owner;
mod private;

pub use no_owner::NoOwner;
pub(crate) use private::{create_private_folder, must_be_regular, private_options, refuse_shared};
use private::{open_regular, refuse_open_folder, replace_private, write_private};

use crate::wire::{Data, Mode};
use anyhow::{Context, anyhow, bail};
use serde::{Deserialize, Serialize};
use std::cell::RefCell;
use std::fmt;
use std::fs::{self, File, TryLockError};
use std::io::{ErrorKind, Read, Write};
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::thread;
use std::time::Duration;

/// Version of this program, as an endpoint file and the protocol state it.
pub const VERSION: &str = env!("CARGO_PKG_VERSION");

/// The commit it was built from: twelve digits, `-dirty` where the tree held more than that, or `unknown`.
pub const COMMIT: &str = env!("TIDEGATE_COMMIT");

/// Version and commit, for people.
pub const VERSION_AND_COMMIT: &str = concat!(env!("CARGO_PKG_VERSION"), " (", env!("TIDEGATE_COMMIT"), ")");

const BEARER_PREFIX: &str = "tg_";
const BEARER_BYTES: usize = 32;
const REPLAY_NAME_CHARS_MAX: usize = 64;
// A reader that asks whether the lock is held holds it for a moment itself; an owner that starts in
// that moment must not take the reader for another owner.
const LOCK_TRIES: u32 = 10;
const LOCK_RETRY: Duration = Duration::from_millis(20);

/// A secret that opens `/mcp`. Its text appears in no log: [`fmt::Debug`] hides it.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Bearer(String);

impl Bearer {
    fn random() -> anyhow::Result<Bearer> {
        let mut bytes = [0u8; BEARER_BYTES];
        getrandom::fill(&mut bytes).map_err(|error| anyhow!("the system gives no random bytes: {error}"))?;
        let hex: String = bytes.iter().map(|byte| format!("{byte:02x}")).collect();
        Ok(Bearer(format!("{BEARER_PREFIX}{hex}")))
    }

    fn parse(text: &str) -> Option<Bearer> {
        let digits = text.strip_prefix(BEARER_PREFIX)?;
        let is_whole = digits.len() == 2 * BEARER_BYTES && digits.bytes().all(|b| b.is_ascii_hexdigit());
        is_whole.then(|| Bearer(text.to_owned()))
    }

    /// The secret itself, for an `Authorization` header or a comparison.
    pub fn expose(&self) -> &str {
        &self.0
    }
}

impl fmt::Debug for Bearer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Bearer(hidden)")
    }
}

/// Where a running engine is reached: the content of `run/endpoint.json`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Endpoint {
    /// The listener's address.
    pub address: SocketAddr,
    /// The MCP endpoint, such as `http://127.0.0.1:8765/mcp`.
    pub url: String,
    /// The owner's version.
    pub version: String,
    /// The bearer that the owner accepts.
    pub bearer: Bearer,
    /// The owner's process id.
    pub pid: u32,
    /// What an order would do there.
    pub mode: Mode,
    /// What its prices are.
    pub data: Data,
}

/// What the endpoint file of every version holds.
#[derive(Deserialize)]
struct Published {
    url: String,
    version: String,
    pid: u32,
}

/// What the lock and the endpoint file of one folder say.
pub enum Occupancy {
    /// Nobody holds the lock; an endpoint file that lies there is a killed owner's leftover.
    Free,
    /// The lock is held and no endpoint is published yet.
    Starting {
        /// Who holds the lock, where that can be read.
        pid: Option<u32>,
    },
    /// An owner listens.
    Running(Endpoint),
}

/// One data folder, or one replay below it.
#[derive(Clone, Debug)]
pub struct DataFolder {
    root: PathBuf,
    folder: PathBuf,
}

impl DataFolder {
    /// The folder given by `--data`, or `tidegate` in the platform's folder for data.
    ///
    /// # Errors
    /// Where no folder is given and the platform names none.
    pub fn new(data: Option<PathBuf>) -> anyhow::Result<DataFolder> {
        let root = match data {
            Some(root) => {
                std::path::absolute(&root).with_context(|| format!("--data {} is no usable path", root.display()))?
            }
            None => dirs::data_dir()
                .ok_or_else(|| anyhow!("this platform names no folder for data; choose one with --data DIR"))?
                .join("tidegate"),
        };
        Ok(DataFolder { folder: root.clone(), root })
    }

    /// The folder of the replay `name`: its own lock, endpoint and recordings, the root's bearer.
    ///
    /// # Errors
    /// Where `name` could not be a folder's name on every platform.
    pub fn replay(&self, name: &str) -> anyhow::Result<DataFolder> {
        let is_plain = |c: char| c.is_ascii_alphanumeric() || matches!(c, '-' | '_' | '.');
        let fits = (1..=REPLAY_NAME_CHARS_MAX).contains(&name.len());
        if !fits || !name.chars().all(is_plain) || name.starts_with('.') || name.ends_with('.') {
            bail!(
                "replay name {name:?}: use 1 to {REPLAY_NAME_CHARS_MAX} of A-Z a-z 0-9 - _ and inner dots, \
                 for example --replay {}",
                suggested_name(name)
            );
        }
        Ok(DataFolder { root: self.root.clone(), folder: self.root.join("replay").join(name) })
    }

    /// Where this folder lies.
    pub fn path(&self) -> &Path {
        &self.folder
    }

    /// The program's own bearer (principal `local:cli`), made at its first use.
    ///
    /// # Errors
    /// Where the file cannot be read or made, holds no bearer, or is open to other users.
    pub fn bearer(&self) -> anyhow::Result<Bearer> {
        Ok(make_bearer(&self.root.join("run"), "bearer")?.0)
    }

    /// Makes this process the folder's one owner, for as long as the returned value lives.
    ///
    /// # Errors
    /// Where another process owns the folder (names its pid and address), or the lock cannot be made.
    pub fn lock(&self) -> anyhow::Result<OwnerLock> {
        self.try_lock()?.ok_or_else(|| self.already_owned())
    }

    /// The same, or nothing where another process owns the folder.
    ///
    /// # Errors
    /// Where the lock cannot be made.
    pub fn try_lock(&self) -> anyhow::Result<Option<OwnerLock>> {
        self.lock_where(|| Ok(true))
    }

    /// The same for a simulated market that nobody asked for: nothing, too, where the last owner was none.
    ///
    /// # Errors
    /// Where the lock cannot be made, or what the last owner was not be read.
    pub fn inherit(&self) -> anyhow::Result<Option<OwnerLock>> {
        self.lock_where(|| Ok(self.last_owner()?.is_none_or(|data| data == Data::Simulated)))
    }

    /// The lock, where it is free and `may_own` once it is held.
    fn lock_where(&self, may_own: impl FnOnce() -> anyhow::Result<bool>) -> anyhow::Result<Option<OwnerLock>> {
        let run = self.run();
        create_private_folder(&run)?;
        for folder in [&self.root, &self.folder, &run] {
            refuse_open_folder(folder)?;
        }
        let path = run.join("lock");
        must_be_regular(&path).with_context(|| format!("cannot open {}", path.display()))?;
        let mut file = private_options()
            .create(true)
            .truncate(false)
            .read(true)
            .write(true)
            .open(&path)
            .with_context(|| format!("cannot open {}", path.display()))?;
        if !take(&file).with_context(|| format!("cannot lock {}", path.display()))? || !may_own()? {
            return Ok(None);
        }
        self.keep_leftover()?;
        // What the last owner left is taken away before this one gives its name: whoever looks meanwhile sees
        // an owner that is starting.
        let cannot_write = || format!("cannot write {}", path.display());
        file.set_len(0).with_context(cannot_write)?;
        let endpoint = run.join("endpoint.json");
        remove_if_there(&endpoint)?;
        file.write_all(std::process::id().to_string().as_bytes()).with_context(cannot_write)?;
        Ok(Some(OwnerLock { _file: file, folder: self.clone(), endpoint, note: RefCell::new(None) }))
    }

    /// The engine that runs on this folder; for a root without one, the only live one of its replays.
    ///
    /// # Errors
    /// Where no engine runs, it still starts, several replays run, or its version is not ours.
    pub fn find_owner(&self) -> Result<Endpoint, NoOwner> {
        match self.occupancy()? {
            Occupancy::Running(endpoint) => return Ok(endpoint),
            Occupancy::Starting { pid } => {
                return Err(NoOwner::Starting { folder: self.folder.clone(), process: process(pid) });
            }
            Occupancy::Free => {}
        }
        let mut live = self.live_replays()?;
        if live.len() > 1 {
            let list: Vec<String> =
                live.iter().map(|(name, at)| format!("{name} ({}, pid {})", at.url, at.pid)).collect();
            return Err(NoOwner::Several { folder: self.folder.clone(), list: list.join(", ") });
        }
        let is_root = self.folder == self.root;
        let start = if is_root { "tidegate serve" } else { "tidegate serve --replay PATH" };
        if let Some((_, endpoint)) = live.pop() {
            return Ok(endpoint);
        }
        let last = self.last_owner()?.filter(|data| *data != Data::Simulated);
        Err(NoOwner::Absent { folder: self.folder.clone(), start, last })
    }

    fn run(&self) -> PathBuf {
        self.folder.join("run")
    }

    /// The engines of replays below a root, by name.
    ///
    /// # Errors
    /// Where a folder, lock or endpoint file cannot be read.
    pub fn live_replays(&self) -> Result<Vec<(String, Endpoint)>, NoOwner> {
        if self.folder != self.root {
            return Ok(Vec::new());
        }
        let replays = self.root.join("replay");
        let entries = match fs::read_dir(&replays) {
            Ok(entries) => entries,
            Err(error) if error.kind() == ErrorKind::NotFound => return Ok(Vec::new()),
            Err(error) => return Err(unreadable("list", &replays, error)),
        };
        let mut live = Vec::new();
        for entry in entries {
            let name = entry.map_err(|error| unreadable("list", &replays, error))?.file_name();
            // A name that `replay` would not take is no replay of ours.
            let Some(folder) = name.to_str().and_then(|name| self.replay(name).ok()) else { continue };
            if let Occupancy::Running(endpoint) = folder.occupancy()? {
                live.push((name.to_string_lossy().into_owned(), endpoint));
            }
        }
        live.sort_by(|a, b| a.0.cmp(&b.0));
        Ok(live)
    }

    /// The folders that tapes are recorded in below the root, as far as they are there: the simulated market's, the
    /// real ones', and those of captures that were served again.
    pub fn tapes(&self) -> Vec<PathBuf> {
        let replays = fs::read_dir(self.root.join("replay")).into_iter().flatten().flatten();
        let mut tapes = vec![self.root.join("tape"), self.root.join("sim").join("tape")];
        tapes.extend(replays.map(|replay| replay.path().join("tape")));
        tapes.retain(|tape| tape.is_dir());
        tapes.sort();
        tapes
    }

    /// Whether an engine owns this very folder; nothing is changed.
    ///
    /// # Errors
    /// Where lock or endpoint file cannot be read.
    pub fn occupancy(&self) -> Result<Occupancy, NoOwner> {
        let path = self.run().join("lock");
        let mut file = match open_regular(&path) {
            Ok(file) => file,
            Err(error) if matches!(error.kind(), ErrorKind::NotFound | ErrorKind::NotADirectory) => {
                return Ok(Occupancy::Free);
            }
            Err(error) => return Err(unreadable("open", &path, error)),
        };
        match file.try_lock_shared() {
            Ok(()) => return Ok(Occupancy::Free),
            Err(TryLockError::WouldBlock) => {}
            Err(TryLockError::Error(error)) => return Err(unreadable("test", &path, error)),
        }
        let mut text = String::new();
        // Where a locked file cannot be read (Windows) the endpoint file alone names the owner.
        let pid = match file.read_to_string(&mut text) {
            Ok(0) => return Ok(Occupancy::Starting { pid: None }),
            read => read.ok().and_then(|_| text.trim().parse().ok()),
        };
        let endpoint = read_endpoint(&self.run().join("endpoint.json"), pid)?;
        Ok(endpoint.map_or(Occupancy::Starting { pid }, Occupancy::Running))
    }

    fn already_owned(&self) -> anyhow::Error {
        let owner = match self.occupancy() {
            Ok(Occupancy::Running(owner)) => format!("pid {} at {}", owner.pid, owner.url),
            Ok(Occupancy::Starting { pid }) => format!("{}, not listening yet", process(pid)),
            Err(NoOwner::OtherVersion { url, pid, version }) => format!("pid {pid} at {url}, version {version}"),
            Ok(Occupancy::Free) | Err(_) => "a process that just changed".to_owned(),
        };
        anyhow!(
            "{} is already owned by {owner}; stop that engine, or choose another folder with --data DIR",
            self.folder.display()
        )
    }
}

/// Ownership of a data folder; dropping it removes the endpoint file and frees the lock.
#[derive(Debug)]
pub struct OwnerLock {
    // Held for its lock alone: closing the file frees it, also when the process is killed.
    _file: File,
    folder: DataFolder,
    endpoint: PathBuf,
    /// What an end in order takes back of what was written down.
    note: RefCell<Option<PathBuf>>,
}

impl OwnerLock {
    /// Tells other processes of this user where the engine listens.
    ///
    /// # Errors
    /// Where `run/endpoint.json` cannot be written.
    pub fn publish_endpoint(
        &self,
        address: SocketAddr,
        mode: Mode,
        data: Data,
        bearer: &Bearer,
    ) -> anyhow::Result<Endpoint> {
        let endpoint = Endpoint {
            address,
            url: format!("http://{address}/mcp"),
            version: VERSION.to_owned(),
            bearer: bearer.clone(),
            pid: std::process::id(),
            mode,
            data,
        };
        // Before anybody can find it.
        self.note.replace(self.folder.note_owner(data)?);
        replace_private(&self.endpoint, &serde_json::to_vec_pretty(&endpoint)?)?;
        Ok(endpoint)
    }
}

impl Drop for OwnerLock {
    fn drop(&mut self) {
        // A file that stays behind is ignored, since nobody holds the lock.
        let _ = fs::remove_file(&self.endpoint);
        self.note.take().iter().for_each(|note| last_owner::forget(note));
    }
}

fn take(file: &File) -> std::io::Result<bool> {
    for _ in 0..LOCK_TRIES {
        match file.try_lock() {
            Ok(()) => return Ok(true),
            Err(TryLockError::WouldBlock) => thread::sleep(LOCK_RETRY),
            Err(TryLockError::Error(error)) => return Err(error),
        }
    }
    Ok(false)
}

fn process(pid: Option<u32>) -> String {
    pid.map_or_else(|| "unknown process".to_owned(), |pid| format!("pid {pid}"))
}

/// The name of the replay of `path`: its file name's plain part.
pub fn replay_name(path: &Path) -> String {
    let name = path.file_name().map(|name| name.to_string_lossy()).unwrap_or_default();
    let stem = name.split('.').next().unwrap_or_default();
    let plain = |c: char| if c.is_ascii_alphanumeric() || c == '-' { c } else { '_' };
    let name: String = stem.chars().map(plain).take(REPLAY_NAME_CHARS_MAX).collect();
    if name.is_empty() { "replay".to_owned() } else { name }
}

fn suggested_name(name: &str) -> String {
    let kept: String = name.chars().filter(|c| c.is_ascii_alphanumeric()).take(REPLAY_NAME_CHARS_MAX).collect();
    if kept.is_empty() { "monday".to_owned() } else { kept }
}

/// The bearer in the file `name` of `folder`, and whether it was made just now.
///
/// Two processes that make it at once end up with the same one: the first link wins.
fn make_bearer(folder: &Path, name: &str) -> anyhow::Result<(Bearer, bool)> {
    let path = folder.join(name);
    if let Some(bearer) = read_bearer(&path)? {
        return Ok((bearer, false));
    }
    create_private_folder(folder)?;
    let fresh = Bearer::random()?;
    let draft = folder.join(format!(".{name}.{}.{}", std::process::id(), &fresh.0[3..11]));
    write_private(&draft, fresh.0.as_bytes())?;
    let linked = fs::hard_link(&draft, &path);
    // The draft has served its purpose either way; one that stays behind is a secret nobody uses.
    let _ = fs::remove_file(&draft);
    match linked {
        Ok(()) => Ok((fresh, true)),
        Err(error) if error.kind() == ErrorKind::AlreadyExists => {
            let made = read_bearer(&path)?.ok_or_else(|| anyhow!("{} vanished while it was read", path.display()))?;
            Ok((made, false))
        }
        Err(error) => Err(error).with_context(|| format!("cannot create {}", path.display())),
    }
}

pub(crate) fn read_bearer(path: &Path) -> anyhow::Result<Option<Bearer>> {
    let mut file = match open_regular(path) {
        Ok(file) => file,
        Err(error) if error.kind() == ErrorKind::NotFound => return Ok(None),
        Err(error) => return Err(error).with_context(|| format!("cannot open {}", path.display())),
    };
    refuse_shared(&file, path)?;
    let mut text = String::new();
    file.read_to_string(&mut text).with_context(|| format!("cannot read {}", path.display()))?;
    match Bearer::parse(text.trim()) {
        Some(bearer) => Ok(Some(bearer)),
        None => bail!("{} holds no bearer; delete it, and the next start makes a new one", path.display()),
    }
}

/// The endpoint that the process `owner` published; another's is a leftover.
fn read_endpoint(path: &Path, owner: Option<u32>) -> Result<Option<Endpoint>, NoOwner> {
    let mut bytes = Vec::new();
    match open_regular(path).and_then(|mut file| file.read_to_end(&mut bytes)) {
        Ok(_) => {}
        Err(error) if error.kind() == ErrorKind::NotFound => return Ok(None),
        Err(error) => return Err(unreadable("read", path, error)),
    }
    let damaged = || format!("{} is not what an engine writes; restart its engine", path.display());
    let Published { url, version, pid } = serde_json::from_slice(&bytes).with_context(damaged)?;
    if owner.is_some_and(|owner| owner != pid) {
        return Ok(None);
    }
    if version != VERSION {
        return Err(NoOwner::OtherVersion { url, pid, version });
    }
    Ok(Some(serde_json::from_slice(&bytes).with_context(damaged)?))
}

fn unreadable(verb: &str, path: &Path, error: std::io::Error) -> NoOwner {
    NoOwner::Failed(anyhow::Error::new(error).context(format!("cannot {verb} {}", path.display())))
}

fn remove_if_there(path: &Path) -> anyhow::Result<()> {
    match fs::remove_file(path) {
        Err(error) if error.kind() != ErrorKind::NotFound => {
            Err(error).with_context(|| format!("cannot remove {}", path.display()))
        }
        _ => Ok(()),
    }
}

#[cfg(test)]
#[path = "data_folder_tests.rs"]
mod tests;

#[cfg(test)]
#[path = "data_folder/owners_tests.rs"]
mod owners_tests;
