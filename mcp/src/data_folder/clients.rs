//! Who may talk to the engines of a data folder: the program itself, and each client with a bearer of its own.
//!
//! A client's bearer lies in a file as the program's own does, not as a hash: `tidegate mcp --client NAME` has to
//! show it to the engine. What accepts bearers, [`Keys`], holds hashes alone of those of clients. A bearer is
//! revoked by removing its file, which the next request notices: one look at the file goes before each.

use super::{Bearer, DataFolder, create_private_folder, make_bearer, read_bearer, remove_if_there};
use anyhow::{Context, anyhow, bail};
use std::fmt;
use std::fs::{self, Metadata};
use std::io::ErrorKind;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::SystemTime;
use subtle::ConstantTimeEq;

const NAME_CHARS_MAX: usize = 32;
/// Far above the number of clients that somebody has, and low enough to read all their files for one request.
const CLIENTS_MAX: usize = 64;

/// Who sent a request: `local:cli`, the program itself, or `local:<name>`, a client. Never what it says of itself.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Principal(Arc<str>);

impl Principal {
    /// The program itself.
    pub fn program() -> Principal {
        Principal("local:cli".into())
    }

    /// A client of that name.
    pub(crate) fn named(name: &str) -> Principal {
        Principal(format!("local:{name}").into())
    }
}

impl fmt::Display for Principal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// A client that has a bearer.
#[derive(Clone, Debug)]
pub struct Client {
    /// Its name.
    pub name: String,
    /// Where its bearer lies.
    pub path: PathBuf,
    /// When that was made.
    pub since: SystemTime,
}

impl DataFolder {
    /// What opens the engines of this folder.
    ///
    /// # Errors
    /// Where the program's own bearer cannot be read or made.
    pub fn keys(&self) -> anyhow::Result<Keys> {
        Ok(Keys::new(self.bearer()?, self.clients_folder()))
    }

    /// The bearer of the client `name`, and whether it was made just now.
    ///
    /// # Errors
    /// Where the name is not one, there are too many clients, or the file cannot be read or made.
    pub fn make_client(&self, name: &str) -> anyhow::Result<(Bearer, bool)> {
        check_name(name)?;
        let folder = self.clients_folder();
        create_private_folder(&folder)?;
        let clients = list(&folder)?;
        if clients.len() >= CLIENTS_MAX && clients.iter().all(|client| client.name != name) {
            bail!("{CLIENTS_MAX} clients have a bearer; revoke one first: tidegate connect --list");
        }
        make_bearer(&folder, name)
    }

    /// The bearer of a client that `tidegate connect` has connected.
    ///
    /// # Errors
    /// Where it has none, or the file cannot be read.
    pub fn client_bearer(&self, name: &str) -> anyhow::Result<Bearer> {
        check_name(name)?;
        read_bearer(&self.clients_folder().join(name))?.ok_or_else(|| {
            anyhow!("the client {name} has no bearer in {}: run tidegate connect {name}", self.root.display())
        })
    }

    /// Takes the bearer of a client away; false where it has none.
    ///
    /// # Errors
    /// Where the name is not one, or the file cannot be removed.
    pub fn revoke_client(&self, name: &str) -> anyhow::Result<bool> {
        check_name(name)?;
        let path = self.clients_folder().join(name);
        let is_there = path.exists();
        remove_if_there(&path)?;
        Ok(is_there)
    }

    /// The clients that have a bearer, by name.
    ///
    /// # Errors
    /// Where their folder cannot be read.
    pub fn clients(&self) -> anyhow::Result<Vec<Client>> {
        list(&self.clients_folder())
    }

    fn clients_folder(&self) -> PathBuf {
        self.root.join("run").join("clients")
    }
}

fn check_name(name: &str) -> anyhow::Result<()> {
    let is_plain = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '-';
    let fits = (1..=NAME_CHARS_MAX).contains(&name.len());
    if !fits || !name.chars().all(is_plain) || name.starts_with('-') || name == "cli" {
        bail!("client name {name:?}: use 1 to {NAME_CHARS_MAX} of a-z 0-9 -, such as claude-code");
    }
    Ok(())
}

fn list(folder: &Path) -> anyhow::Result<Vec<Client>> {
    let entries = match fs::read_dir(folder) {
        Ok(entries) => entries,
        Err(error) if error.kind() == ErrorKind::NotFound => return Ok(Vec::new()),
        Err(error) => return Err(error).with_context(|| format!("cannot list {}", folder.display())),
    };
    let mut clients = Vec::new();
    for entry in entries {
        let path = entry.with_context(|| format!("cannot list {}", folder.display()))?.path();
        // A draft, or a name that is not one of ours.
        let Some(name) = path.file_name().and_then(|name| name.to_str()).filter(|name| check_name(name).is_ok()) else {
            continue;
        };
        let Ok(since) = fs::metadata(&path).and_then(|file| file.modified()) else { continue };
        clients.push(Client { name: name.to_owned(), since, path });
    }
    clients.sort_by(|a, b| a.name.cmp(&b.name));
    clients.truncate(CLIENTS_MAX);
    Ok(clients)
}

/// What opens an engine; clones share everything.
#[derive(Clone, Debug)]
pub struct Keys {
    own: Bearer,
    folder: PathBuf,
    known: Arc<Mutex<Vec<Known>>>,
}

/// A client's bearer as it was read, and the file it was read from.
#[derive(Debug)]
struct Known {
    principal: Principal,
    hash: blake3::Hash,
    path: PathBuf,
    stamp: Stamp,
}

/// Tells a file from another one of the same name.
type Stamp = (u64, Option<SystemTime>);

impl Keys {
    /// The program's own bearer, and the folder with those of clients.
    pub fn new(own: Bearer, folder: PathBuf) -> Keys {
        Keys { own, folder, known: Arc::default() }
    }

    /// Whom a bearer belongs to.
    pub fn principal(&self, token: &str) -> Option<Principal> {
        if token.as_bytes().ct_eq(self.own.expose().as_bytes()).into() {
            return Some(Principal::program());
        }
        let hash = blake3::hash(token.as_bytes());
        let mut known = self.known.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(client) = known.iter().find(|client| client.hash == hash)
            && stamp(&client.path) == Some(client.stamp)
        {
            return Some(client.principal.clone());
        }
        *known = self.read();
        known.iter().find(|client| client.hash == hash).map(|client| client.principal.clone())
    }

    fn read(&self) -> Vec<Known> {
        let clients = list(&self.folder).unwrap_or_else(|error| {
            tracing::warn!("clients are kept out: {error:#}");
            Vec::new()
        });
        let known = |client: Client| {
            // Before the text: a file that is replaced meanwhile then counts as another.
            let stamp = stamp(&client.path)?;
            match read_bearer(&client.path) {
                Ok(bearer) => Some(Known {
                    principal: Principal::named(&client.name),
                    hash: blake3::hash(bearer?.expose().as_bytes()),
                    path: client.path,
                    stamp,
                }),
                Err(error) => {
                    tracing::warn!("the client {} is kept out: {error:#}", client.name);
                    None
                }
            }
        };
        clients.into_iter().filter_map(known).collect()
    }
}

fn stamp(path: &Path) -> Option<Stamp> {
    let file = fs::metadata(path).ok()?;
    Some((number(&file), file.modified().ok()))
}

#[cfg(unix)]
fn number(file: &Metadata) -> u64 {
    std::os::unix::fs::MetadataExt::ino(file)
}

#[cfg(not(unix))]
fn number(file: &Metadata) -> u64 {
    file.len()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn folder() -> (tempfile::TempDir, DataFolder) {
        let temp = tempfile::tempdir().unwrap();
        let folder = DataFolder::new(Some(temp.path().join("tidegate"))).unwrap();
        (temp, folder)
    }

    #[test]
    fn a_client_keeps_its_bearer_until_it_is_revoked() {
        let (_temp, folder) = folder();
        assert!(folder.clients().unwrap().is_empty());
        let (bearer, is_new) = folder.make_client("cursor").unwrap();
        assert!(is_new && bearer != folder.bearer().unwrap());
        assert_eq!(folder.make_client("cursor").unwrap(), (bearer.clone(), false));
        assert_eq!(folder.client_bearer("cursor").unwrap(), bearer);
        assert_eq!(folder.replay("monday").unwrap().client_bearer("cursor").unwrap(), bearer, "one for the root");
        assert_ne!(folder.make_client("gemini").unwrap().0, bearer);
        let names: Vec<String> = folder.clients().unwrap().into_iter().map(|client| client.name).collect();
        assert_eq!(names, ["cursor", "gemini"]);
        assert!(folder.revoke_client("cursor").unwrap() && !folder.revoke_client("cursor").unwrap());
        let error = folder.client_bearer("cursor").unwrap_err().to_string();
        assert!(error.contains("tidegate connect cursor"), "{error}");
        assert_ne!(folder.make_client("cursor").unwrap().0, bearer, "a new one, not the old one again");
    }

    #[test]
    fn running_engines_notice_at_once_who_comes_and_who_goes() {
        let (_temp, folder) = folder();
        let keys = folder.keys().unwrap();
        let own = folder.bearer().unwrap();
        assert_eq!(keys.principal(own.expose()), Some(Principal::program()));
        assert_eq!(keys.principal("tg_wrong"), None);
        let (bearer, _) = folder.make_client("cursor").unwrap();
        for _ in 0..2 {
            assert_eq!(keys.principal(bearer.expose()).unwrap().to_string(), "local:cursor");
        }
        folder.revoke_client("cursor").unwrap();
        assert_eq!(keys.clone().principal(bearer.expose()), None);
        let (next, _) = folder.make_client("cursor").unwrap();
        assert_eq!((keys.principal(bearer.expose()), keys.principal(next.expose()).is_some()), (None, true));
        assert!(!format!("{keys:?}").contains(own.expose()) && !format!("{keys:?}").contains(next.expose()));
    }

    #[cfg(unix)]
    #[test]
    fn a_bearer_that_others_can_read_opens_nothing() {
        use std::os::unix::fs::PermissionsExt;
        let (_temp, folder) = folder();
        let (bearer, _) = folder.make_client("cursor").unwrap();
        let path = &folder.clients().unwrap()[0].path;
        assert_eq!(fs::metadata(path).unwrap().permissions().mode() & 0o777, 0o600);
        fs::set_permissions(path, fs::Permissions::from_mode(0o644)).unwrap();
        assert_eq!(folder.keys().unwrap().principal(bearer.expose()), None);
        assert!(folder.client_bearer("cursor").is_err());
    }

    #[test]
    fn names_are_plain_and_clients_bounded() {
        let (_temp, folder) = folder();
        for name in ["", "..", "a/b", "A", "-a", "cli", ".bearer", "a b", "é", &"a".repeat(33)] {
            assert!(folder.make_client(name).is_err(), "{name:?}");
            assert!(folder.client_bearer(name).is_err() && folder.revoke_client(name).is_err(), "{name:?}");
        }
        for client in 0..CLIENTS_MAX {
            folder.make_client(&format!("client-{client}")).unwrap();
        }
        assert!(folder.make_client("one-more").is_err());
        folder.make_client("client-7").unwrap();
    }
}
