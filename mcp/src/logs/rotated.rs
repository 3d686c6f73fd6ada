//! A file of lines that never takes more than so much room, older lines going first.

use crate::data_folder::{must_be_regular, private_options};
use std::fs::{self, File};
use std::io::{self, Write};
use std::path::{Path, PathBuf};

/// A file is full when one more line would make it larger than this.
const FILE_BYTES_MAX: u64 = 4 * 1024 * 1024;
/// Full files that are kept beside the one that is written.
const OLDER_MAX: usize = 4;

/// `errors.jsonl` in a folder, and the full ones before it. Each write is one whole line.
pub(super) struct Rotated {
    folder: PathBuf,
    file: File,
    bytes: u64,
}

impl Rotated {
    /// Goes on where the folder's file ends.
    pub fn open(folder: &Path) -> io::Result<Rotated> {
        must_be_regular(&path(folder, 0))?;
        let file = private_options().create(true).append(true).open(path(folder, 0))?;
        let bytes = file.metadata()?.len();
        Ok(Rotated { folder: folder.to_owned(), file, bytes })
    }

    fn rotate(&mut self) -> io::Result<()> {
        for age in (0..OLDER_MAX).rev() {
            match fs::rename(path(&self.folder, age), path(&self.folder, age + 1)) {
                Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
                _ => {}
            }
        }
        *self = Rotated::open(&self.folder)?;
        Ok(())
    }
}

impl Write for Rotated {
    fn write(&mut self, line: &[u8]) -> io::Result<usize> {
        if self.bytes > 0 && self.bytes + line.len() as u64 > FILE_BYTES_MAX {
            self.rotate()?;
        }
        self.file.write_all(line)?;
        self.bytes += line.len() as u64;
        Ok(line.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        self.file.flush()
    }
}

/// The file that is written, of age 0, or an older one.
fn path(folder: &Path, age: usize) -> PathBuf {
    folder.join(if age == 0 { "errors.jsonl".to_owned() } else { format!("errors.{age}.jsonl") })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_latest_lines_are_kept_within_the_bound_over_restarts_too() {
        let folder = tempfile::tempdir().unwrap();
        let line = |number: u64| format!("{number:0>1023}\n");
        let lines = 7 * FILE_BYTES_MAX / 1024;
        for part in 0..2 {
            let mut file = Rotated::open(folder.path()).unwrap();
            for number in part * lines / 2..(part + 1) * lines / 2 {
                assert_eq!(file.write(line(number).as_bytes()).unwrap(), 1024);
            }
        }
        assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 1 + OLDER_MAX);
        let kept: String =
            (0..=OLDER_MAX).rev().map(|age| fs::read_to_string(path(folder.path(), age)).unwrap()).collect();
        let whole: String = (lines - kept.len() as u64 / 1024..lines).map(line).collect();
        assert!(kept == whole, "the lines that are kept are the last ones, in order");
        assert_eq!(kept.len() as u64, 5 * FILE_BYTES_MAX);
    }
}
