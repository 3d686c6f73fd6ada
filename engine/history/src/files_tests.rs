//! Ends the program, as far as files can tell, at any of the steps that change them.

use super::*;
use std::path::PathBuf;
use std::sync::{Mutex, MutexGuard, PoisonError};

static KILLS: Mutex<Vec<Kill>> = Mutex::new(Vec::new());

struct Kill {
    folder: PathBuf,
    at: usize,
    taken: usize,
    has_written_half: bool,
}

fn kills() -> MutexGuard<'static, Vec<Kill>> {
    KILLS.lock().unwrap_or_else(PoisonError::into_inner)
}

/// While it lives, steps below a folder are counted, and from a given one on none is taken any more.
pub(crate) struct Killed(PathBuf);

impl Killed {
    /// Counts the steps, and takes `at` of them.
    pub fn at(folder: &Path, at: usize) -> Killed {
        kills().push(Kill { folder: folder.to_owned(), at, taken: 0, has_written_half: false });
        Killed(folder.to_owned())
    }

    /// How many steps were wanted so far.
    pub fn wanted(&self) -> usize {
        kills().iter().find(|kill| kill.folder == self.0).map_or(0, |kill| kill.taken)
    }
}

impl Drop for Killed {
    fn drop(&mut self) {
        kills().retain(|kill| kill.folder != self.0);
    }
}

/// Takes a step, unless the program has been killed.
pub(super) fn step(path: &Path) -> io::Result<()> {
    let mut kills = kills();
    let Some(kill) = kills.iter_mut().find(|kill| path.starts_with(&kill.folder)) else { return Ok(()) };
    kill.taken += 1;
    if kill.taken > kill.at { Err(io::Error::other("killed")) } else { Ok(()) }
}

/// What the killed write leaves; later ones leave nothing.
pub(super) fn write_half(file: &mut File, path: &Path, bytes: &[u8]) -> io::Result<()> {
    let mut kills = kills();
    match kills.iter_mut().find(|kill| path.starts_with(&kill.folder)) {
        Some(kill) if kill.taken == kill.at + 1 && !kill.has_written_half => {
            kill.has_written_half = true;
            file.write_all(&bytes[..bytes.len() / 2])
        }
        _ => Ok(()),
    }
}

#[test]
fn only_regular_files_are_opened_and_all_are_private() {
    use std::os::unix::fs::PermissionsExt;
    let folder = tempfile::tempdir().unwrap();
    let at = |name: &str| folder.path().join(name);
    let mode = |path: &Path| fs::metadata(path).unwrap().permissions().mode() & 0o777;
    create_folder(&at("a/b")).unwrap();
    replace(&at("a/file"), b"text").unwrap();
    assert_eq!((mode(&at("a")), mode(&at("a/b")), mode(&at("a/file"))), (0o700, 0o700, 0o600));
    std::os::unix::fs::symlink(at("a/file"), at("link")).unwrap();
    std::os::unix::fs::symlink("/nowhere", at("dangling")).unwrap();
    assert!(std::process::Command::new("mkfifo").arg(at("pipe")).status().unwrap().success());
    for name in ["a", "link", "dangling", "pipe"] {
        for opened in [open(&at(name)), create(&at(name)), open_to_write(&at(name))] {
            assert!(opened.unwrap_err().to_string().contains("not a regular file"), "{name}");
        }
    }
    assert_eq!(read_text(&at("a/file")).unwrap(), "text", "the link was not written through");
}
