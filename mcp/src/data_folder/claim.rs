//! How a person's `tidegate serve` gets a folder that a simulated market owns: it holds a lock beside the owner's,
//! `run/claim`, until that one has left. A process that dies meanwhile lets go of it: no request is left over.

use super::{DataFolder, NoOwner, Occupancy, OwnerLock, create_private_folder, private_options, take};
use crate::wire::Data;
use anyhow::{Context, bail};
use std::fs::{File, TryLockError};
use std::io::ErrorKind;
use std::time::{Duration, Instant};
use tokio_util::sync::CancellationToken;

/// An engine that leaves writes the rest of its recording first.
const PATIENCE: Duration = Duration::from_secs(30);
/// How often an owner looks whether it is asked to leave.
const LOOK_EVERY: Duration = Duration::from_millis(100);

impl DataFolder {
    /// Makes this process the folder's one owner, as [`DataFolder::lock`] does; a simulated market leaves for it.
    ///
    /// # Errors
    /// Where an owner is none that leaves, or does not within 30 s, and as [`DataFolder::lock`].
    pub fn claim(&self) -> anyhow::Result<OwnerLock> {
        if let Some(lock) = self.try_lock()? {
            return Ok(lock);
        }
        let _claim = self.claim_file()?;
        let began = Instant::now();
        let mut asked = None;
        loop {
            // Each try takes a moment.
            if let Some(lock) = self.try_lock()? {
                return Ok(lock);
            }
            match self.occupancy() {
                Ok(Occupancy::Running(owner)) if owner.data == Data::Simulated => {
                    if asked.replace(owner.pid) != Some(owner.pid) {
                        tracing::warn!("pid {}, a simulated market, is asked to leave {}", owner.pid, owner.url);
                    }
                }
                // What it will be is not known yet.
                Ok(Occupancy::Free | Occupancy::Starting { .. }) => {}
                Ok(Occupancy::Running(_)) | Err(NoOwner::OtherVersion { .. }) => return Err(self.already_owned()),
                Err(error) => return Err(error.into()),
            }
            if began.elapsed() > PATIENCE {
                return Err(self
                    .already_owned()
                    .context(format!("its owner was asked to leave, and has not within {} s", PATIENCE.as_secs())));
            }
        }
    }

    fn claim_file(&self) -> anyhow::Result<File> {
        create_private_folder(&self.run())?;
        let path = self.run().join("claim");
        let mut options = private_options();
        let file = options.create(true).truncate(false).write(true).open(&path);
        let file = file.with_context(|| format!("cannot open {}", path.display()))?;
        if !take(&file).with_context(|| format!("cannot lock {}", path.display()))? {
            bail!("another tidegate serve is about to own {}", self.folder.display());
        }
        Ok(file)
    }

    /// Whether somebody waits for the folder's simulated owner to leave.
    ///
    /// # Errors
    /// Where that cannot be seen.
    pub fn is_claimed(&self) -> anyhow::Result<bool> {
        let path = self.run().join("claim");
        let file = match File::open(&path) {
            Ok(file) => file,
            Err(error) if error.kind() == ErrorKind::NotFound => return Ok(false),
            Err(error) => return Err(error).with_context(|| format!("cannot open {}", path.display())),
        };
        match file.try_lock_shared() {
            Ok(()) => Ok(false),
            Err(TryLockError::WouldBlock) => Ok(true),
            Err(TryLockError::Error(error)) => Err(error).with_context(|| format!("cannot test {}", path.display())),
        }
    }

    /// Ends the simulated market that owns the folder, by `stop`, as soon as a person wants its place.
    pub async fn leave_when_claimed(self, stop: CancellationToken) {
        while !self.is_claimed().unwrap_or(false) {
            tokio::time::sleep(LOOK_EVERY).await;
        }
        tracing::warn!("a tidegate serve wants {}: this simulated market leaves", self.folder.display());
        stop.cancel();
    }
}
