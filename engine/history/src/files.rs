//! The steps by which files change: whatever the recorder and the store do to a disk is done here.
//!
//! Files are this user's alone, whatever the umask would let through. Only regular files are opened: a pipe of a
//! segment's name would be waited for, and a link leads elsewhere.

use std::fs::{self, DirBuilder, File, OpenOptions};
use std::io::{self, Read, Write};
use std::os::unix::fs::{DirBuilderExt, FileExt, OpenOptionsExt};
use std::path::Path;

/// Makes a folder, and those it lies in, where they are not there.
pub(crate) fn create_folder(path: &Path) -> io::Result<()> {
    step(path)?;
    DirBuilder::new().recursive(true).mode(0o700).create(path)
}

/// Opens a file to read it.
pub(crate) fn open(path: &Path) -> io::Result<File> {
    must_be_regular(path)?;
    File::open(path)
}

/// All of a file.
pub(crate) fn read(path: &Path) -> io::Result<Vec<u8>> {
    let mut bytes = Vec::new();
    open(path)?.read_to_end(&mut bytes)?;
    Ok(bytes)
}

/// All of a file of text.
pub(crate) fn read_text(path: &Path) -> io::Result<String> {
    String::from_utf8(read(path)?).map_err(|_| io::Error::new(io::ErrorKind::InvalidData, "is not text"))
}

/// Opens a file to write it, which is made where it is not there; what it holds stays.
pub(crate) fn open_to_write(path: &Path) -> io::Result<File> {
    step(path)?;
    match must_be_regular(path) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => Err(error),
        _ => OpenOptions::new().read(true).write(true).create(true).truncate(false).mode(0o600).open(path),
    }
}

/// Makes a file with nothing in it.
pub(crate) fn create(path: &Path) -> io::Result<File> {
    let file = open_to_write(path)?;
    file.set_len(0)?;
    Ok(file)
}

/// Appends to a file.
pub(crate) fn write(file: &mut File, path: &Path, bytes: &[u8]) -> io::Result<()> {
    let step = step(path);
    // A kill amid a write leaves a part of it.
    #[cfg(test)]
    if step.is_err() {
        tests::write_half(file, path, bytes)?;
    }
    step?;
    file.write_all(bytes)
}

/// Replaces the first bytes of a file.
pub(crate) fn overwrite(file: &File, path: &Path, bytes: &[u8]) -> io::Result<()> {
    step(path)?;
    file.write_all_at(bytes, 0)
}

/// Waits until the disk has all of a file.
pub(crate) fn sync(file: &File, path: &Path) -> io::Result<()> {
    step(path)?;
    file.sync_all()
}

/// Waits until the disk has what is in a file.
pub(crate) fn sync_data(file: &File, path: &Path) -> io::Result<()> {
    step(path)?;
    file.sync_data()
}

/// Waits until the disk has the names in a folder.
pub(crate) fn sync_folder(path: &Path) -> io::Result<()> {
    step(path)?;
    File::open(path)?.sync_all()
}

/// Gives a file another name, in the place of what had it.
pub(crate) fn rename(from: &Path, to: &Path) -> io::Result<()> {
    step(to)?;
    fs::rename(from, to)
}

/// Cuts a file off.
pub(crate) fn cut(path: &Path, length: u64) -> io::Result<()> {
    let file = open_to_write(path)?;
    step(path)?;
    file.set_len(length)?;
    sync(&file, path)
}

/// Removes a file.
pub(crate) fn remove(path: &Path) -> io::Result<()> {
    step(path)?;
    fs::remove_file(path)
}

/// Puts a file of these bytes in its place, whole and on the disk, or leaves what is there.
pub(crate) fn replace(path: &Path, bytes: &[u8]) -> io::Result<()> {
    replace_with(path, bytes).map(drop)
}

/// The same; the file can be gone on with.
pub(crate) fn replace_with(path: &Path, bytes: &[u8]) -> io::Result<File> {
    let mut name = path.file_name().unwrap_or_default().to_owned();
    name.push(".new");
    let new = path.with_file_name(name);
    let mut file = create(&new)?;
    write(&mut file, &new, bytes)?;
    sync(&file, &new)?;
    rename(&new, path)?;
    sync_folder(path.parent().unwrap_or(Path::new(".")))?;
    Ok(file)
}

/// Fails where `path` is a folder, a link, a pipe or the like.
pub(crate) fn must_be_regular(path: &Path) -> io::Result<()> {
    if fs::symlink_metadata(path)?.is_file() {
        return Ok(());
    }
    Err(io::Error::new(io::ErrorKind::InvalidInput, "is not a regular file, and is not opened"))
}

#[cfg(not(test))]
fn step(_path: &Path) -> io::Result<()> {
    Ok(())
}

#[cfg(test)]
use tests::step;

#[cfg(test)]
#[path = "files_tests.rs"]
pub(crate) mod tests;
