//! What the prices of the last engine were that clients of a folder could find: `run/last_owner.json`.
//!
//! A simulated market takes the place of a simulated one without being asked. What came from a venue, or was recorded,
//! it does not replace behind a client's back, whichever process looks after the folder next.

use super::{DataFolder, Occupancy, remove_if_there, replace_private};
use crate::wire::Data;
use anyhow::{Context, bail};
use serde::{Deserialize, Serialize};
use std::fs;
use std::io::ErrorKind;
use std::path::{Path, PathBuf};

#[derive(Serialize, Deserialize)]
struct LastOwner {
    data: Data,
    pid: u32,
}

/// The one field of an endpoint file that says the same.
#[derive(Deserialize)]
struct Leftover {
    data: Data,
}

impl DataFolder {
    /// What the last engine's prices were; `None` where there was none, or a replay that ended in order.
    ///
    /// # Errors
    /// Where it cannot be read.
    pub fn last_owner(&self) -> anyhow::Result<Option<Data>> {
        let path = path(&self.run());
        match fs::read(&path) {
            Ok(bytes) => match serde_json::from_slice(&bytes) {
                Ok(LastOwner { data, .. }) => Ok(Some(data)),
                Err(_) => bail!(
                    "{} is not what an engine writes: start the engine that is wanted, as with tidegate serve, and it is \
                     made anew",
                    path.display()
                ),
            },
            Err(error) if error.kind() == ErrorKind::NotFound => Ok(self.leftover()),
            Err(error) => Err(error).with_context(|| format!("cannot read {}", path.display())),
        }
    }

    /// What a killed engine left where it was reached: earlier versions wrote nothing else down.
    fn leftover(&self) -> Option<Data> {
        let bytes = fs::read(self.run().join("endpoint.json")).ok()?;
        serde_json::from_slice(&bytes).ok().map(|Leftover { data }| data)
    }

    /// Keeps what only the endpoint file says, before it is taken away.
    pub(super) fn keep_leftover(&self) -> anyhow::Result<()> {
        match self.leftover() {
            Some(data) if !path(&self.run()).exists() => write(&self.run(), data),
            _ => Ok(()),
        }
    }

    /// Writes down that clients find `data` from now on. Those of a root without an engine find a replay below it: that
    /// is then written down there too, until the replay ends in order (where the path is that is returned).
    pub(super) fn note_owner(&self, data: Data) -> anyhow::Result<Option<PathBuf>> {
        write(&self.run(), data)?;
        let root = DataFolder { root: self.root.clone(), folder: self.root.clone() };
        let is_found = self.folder != self.root && matches!(root.occupancy(), Ok(Occupancy::Free));
        if !is_found || !root.last_owner().is_ok_and(|last| last != Some(Data::Real)) {
            return Ok(None);
        }
        super::create_private_folder(&root.run())?;
        write(&root.run(), data)?;
        Ok(Some(path(&root.run())))
    }
}

fn path(run: &Path) -> PathBuf {
    run.join("last_owner.json")
}

fn write(run: &Path, data: Data) -> anyhow::Result<()> {
    let owner = LastOwner { data, pid: std::process::id() };
    replace_private(&path(run), &serde_json::to_vec(&owner)?)
}

/// Takes away what this process has written down, and nobody else since.
pub(super) fn forget(path: &Path) {
    let written = fs::read(path).ok().and_then(|bytes| serde_json::from_slice::<LastOwner>(&bytes).ok());
    if written.is_some_and(|owner| owner.pid == std::process::id()) {
        // One that stays behind keeps a simulated market from starting unasked, and no more.
        let _ = remove_if_there(path);
    }
}
