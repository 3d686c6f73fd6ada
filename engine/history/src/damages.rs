//! Damages of files: the kinds that disks, people and programs do, each at a place that its number chooses.

use std::fs;
use std::path::{Path, PathBuf};

/// What happened to which file.
#[derive(Debug)]
pub(crate) struct Damage {
    pub path: PathBuf,
    pub what: String,
    /// The file is whole, and another is there that should not be.
    pub is_extra: bool,
}

/// Kinds that are possible for every file.
pub(crate) const KINDS: usize = 13;

/// Does the damage of this number to one of `files`, which are of one kind.
pub(crate) fn damage(files: &[PathBuf], number: usize) -> Damage {
    let at = number / KINDS % files.len();
    let (path, other) = (&files[at], &files[(at + 1) % files.len()]);
    let bytes = fs::read(path).unwrap();
    // Places spread evenly, whatever the number.
    let place = (number * 618_033_989 % 1_000_000_007) * (bytes.len() - 1) / 1_000_000_007;
    let mut is_extra = false;
    let mut changed = bytes.clone();
    let what = match number % KINDS {
        0 => {
            changed[place] ^= 1 << (number / KINDS % 8);
            fs::write(path, changed).unwrap();
            format!("a bit changed at {place}")
        }
        1 => {
            changed[place] = !changed[place];
            fs::write(path, changed).unwrap();
            format!("a byte changed at {place}")
        }
        2 => {
            fs::write(path, &bytes[..place]).unwrap();
            format!("cut at {place}")
        }
        3 => {
            let end = (place + 64).min(bytes.len());
            let fill = if bytes[place..end].iter().all(|byte| *byte == 0) { 0xff } else { 0 };
            changed[place..end].fill(fill);
            fs::write(path, changed).unwrap();
            format!("64 bytes of {fill} at {place}")
        }
        4 => {
            changed.drain(place..=place);
            fs::write(path, changed).unwrap();
            format!("a byte missing at {place}")
        }
        5 => {
            fs::remove_file(path).unwrap();
            "missing".to_owned()
        }
        6 => {
            fs::write(path, "").unwrap();
            "empty".to_owned()
        }
        7 => {
            fs::remove_file(path).unwrap();
            fs::create_dir(path).unwrap();
            "a folder".to_owned()
        }
        8 => {
            fs::remove_file(path).unwrap();
            assert!(std::process::Command::new("mkfifo").arg(path).status().unwrap().success());
            "a pipe".to_owned()
        }
        9 => {
            let away = path.with_extension("away");
            fs::rename(path, &away).unwrap();
            std::os::unix::fs::symlink(&away, path).unwrap();
            "a link".to_owned()
        }
        10 => swap(path, other),
        11 => {
            fs::write(path, [&bytes[..], &bytes[place..]].concat()).unwrap();
            format!("appended from {place}")
        }
        _ => {
            is_extra = true;
            fs::copy(path, extra(path)).unwrap();
            "there twice".to_owned()
        }
    };
    let path = if is_extra { extra(path) } else { path.clone() };
    Damage { path, what, is_extra }
}

/// Each has what the other had; a file without another of its kind is doubled.
fn swap(path: &Path, other: &Path) -> String {
    let [a, b] = [path, other].map(|path| fs::read(path).unwrap());
    if path == other {
        fs::write(path, [&a[..], &a[..]].concat()).unwrap();
        return "doubled".to_owned();
    }
    fs::write(path, b).unwrap();
    fs::write(other, a).unwrap();
    format!("swapped with {}", other.display())
}

/// A name that such a file could bear, and this one does not.
fn extra(path: &Path) -> PathBuf {
    let name = path.file_name().unwrap().to_str().unwrap();
    let digit = name.rfind(|character: char| character.is_ascii_digit()).unwrap_or(0);
    let other = if name[digit..].starts_with('7') { "8" } else { "7" };
    path.with_file_name(format!("{}{other}{}", &name[..digit], &name[digit + 1..]))
}
