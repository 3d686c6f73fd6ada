//! Files and folders that only their owner may read.

use anyhow::{Context, bail};
use std::fs::{self, File, OpenOptions};
use std::io::{self, ErrorKind, Write};
use std::path::Path;

pub(super) fn write_private(path: &Path, bytes: &[u8]) -> anyhow::Result<()> {
    let written = private_options().create_new(true).write(true).open(path).and_then(|mut file| {
        file.write_all(bytes)?;
        file.sync_all()
    });
    written.with_context(|| format!("cannot write {}", path.display()))
}

/// Puts a private file in the place of another, whole or not at all.
pub(super) fn replace_private(path: &Path, bytes: &[u8]) -> anyhow::Result<()> {
    let draft = path.with_extension(format!("{}.new", std::process::id()));
    super::remove_if_there(&draft)?;
    write_private(&draft, bytes)?;
    fs::rename(&draft, path).with_context(|| format!("cannot write {}", path.display()))
}

/// Opens a file of ours to read: never a pipe, which would be waited for, nor a link, which leads elsewhere.
pub(crate) fn open_regular(path: &Path) -> io::Result<File> {
    must_be_regular(path)?;
    File::open(path)
}

/// Fails where `path` is there and is a folder, a link, a pipe or the like.
pub(crate) fn must_be_regular(path: &Path) -> io::Result<()> {
    match fs::symlink_metadata(path) {
        Ok(file) if !file.is_file() => {
            Err(io::Error::new(ErrorKind::InvalidInput, "it is not a regular file; move it away"))
        }
        _ => Ok(()),
    }
}

/// Options that make a file this user's alone, and write through no link.
#[cfg(unix)]
pub(crate) fn private_options() -> OpenOptions {
    use std::os::unix::fs::OpenOptionsExt;
    let mut options = OpenOptions::new();
    options.mode(0o600).custom_flags(rustix::fs::OFlags::NOFOLLOW.bits() as i32);
    options
}

#[cfg(not(unix))]
pub(crate) fn private_options() -> OpenOptions {
    OpenOptions::new()
}

#[cfg(unix)]
pub(crate) fn create_private_folder(path: &Path) -> anyhow::Result<()> {
    use std::os::unix::fs::DirBuilderExt;
    fs::DirBuilder::new()
        .recursive(true)
        .mode(0o700)
        .create(path)
        .with_context(|| format!("cannot create {}", path.display()))
}

#[cfg(not(unix))]
pub(crate) fn create_private_folder(path: &Path) -> anyhow::Result<()> {
    fs::create_dir_all(path).with_context(|| format!("cannot create {}", path.display()))
}

/// Refuses a folder that everybody can write to: whoever can, could put files of his own in the place of ours. One that
/// a group can write to, as earlier versions made it under some settings, is warned of.
#[cfg(unix)]
pub(super) fn refuse_open_folder(path: &Path) -> anyhow::Result<()> {
    use std::os::unix::fs::PermissionsExt;
    let mode = fs::metadata(path).with_context(|| format!("cannot stat {}", path.display()))?.permissions().mode();
    let shown = path.display();
    let fix = format!("run: chmod 700 {shown}");
    if mode & 0o002 != 0 {
        bail!(
            "{shown} can be written by everybody (mode {:03o}); {fix}, or choose another with --data DIR",
            mode & 0o7777
        );
    }
    if mode & 0o020 != 0 {
        tracing::warn!("{shown} can be written by its group (mode {:03o}); {fix}", mode & 0o777);
    }
    Ok(())
}

#[cfg(not(unix))]
pub(super) fn refuse_open_folder(_path: &Path) -> anyhow::Result<()> {
    Ok(())
}

#[cfg(unix)]
pub(crate) fn refuse_shared(file: &File, path: &Path) -> anyhow::Result<()> {
    use std::os::unix::fs::PermissionsExt;
    let mode = file.metadata().with_context(|| format!("cannot stat {}", path.display()))?.permissions().mode();
    if mode & 0o077 != 0 {
        bail!(
            "{} is open to other users (mode {:03o}); run: chmod 600 {}",
            path.display(),
            mode & 0o777,
            path.display()
        );
    }
    Ok(())
}

#[cfg(not(unix))]
pub(crate) fn refuse_shared(_file: &File, _path: &Path) -> anyhow::Result<()> {
    Ok(())
}
