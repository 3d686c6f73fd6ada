//! A client's file is changed: after a copy of it, and never halfway.

use super::{Client, Entry};
use crate::clock;
use crate::data_folder::private_options;
use anyhow::{Context, anyhow, bail};
use similar::TextDiff;
use std::fs::{self, File};
use std::io::{ErrorKind, Read, Write};
use std::path::{Path, PathBuf};

const FILE_BYTES_MAX: u64 = 16 * 1024 * 1024;
// A file in one line is shown in part.
const LINE_CHARS_MAX: usize = 200;
// As many as Linux follows.
const LINKS_MAX: usize = 40;

/// What became of a file.
#[derive(Debug, PartialEq, Eq)]
pub struct Merged {
    /// The file: where a link led to, its end.
    pub path: PathBuf,
    /// How our entry changed; empty where it was there already. Nothing but it is shown, not even what else stands in
    /// its line: the entries of other servers may hold their secrets.
    pub difference: String,
    /// The copy of what was there before.
    pub backup: Option<PathBuf>,
}

/// Puts our entry into the client's file.
///
/// # Errors
/// Where the file cannot be read, understood or written; it is unchanged then.
pub fn write(client: Client, path: &Path, entry: &Entry) -> anyhow::Result<Merged> {
    let path = end_of_links(path)?;
    let before = read(&path)?;
    let text = before.as_deref().unwrap_or_default();
    let after = client.merge(text, entry).map_err(|reason| {
        anyhow!(
            "{} is left as it is: {reason}; put it in by hand: tidegate connect {} shows it",
            path.display(),
            client.name()
        )
    })?;
    if after == text {
        return Ok(Merged { path, difference: String::new(), backup: None });
    }
    let folder = path.parent().ok_or_else(|| anyhow!("{} is no file's name", path.display()))?;
    fs::create_dir_all(folder).with_context(|| format!("cannot create {}", folder.display()))?;
    let stamp = stamp();
    let backup = before.is_some().then(|| with_suffix(&path, &format!(".bak-{stamp}")));
    if let Some(backup) = &backup {
        fs::copy(&path, backup).with_context(|| format!("cannot copy {} to {}", path.display(), backup.display()))?;
    }
    let draft = with_suffix(&path, &format!(".new-{stamp}"));
    let written = replace(&path, &draft, &after, before.as_deref());
    if written.is_err() {
        // What could not be used is of no use; the file itself was not touched.
        let _ = fs::remove_file(&draft);
    }
    written?;
    Ok(Merged { difference: difference(&client.ours(text), &client.ours(&after)), path, backup })
}

/// A link stays a link: what it leads to is replaced, or made where it leads to nothing yet.
fn end_of_links(path: &Path) -> anyhow::Result<PathBuf> {
    let mut end = path.to_owned();
    for _ in 0..LINKS_MAX {
        let Ok(target) = fs::read_link(&end) else { return Ok(fs::canonicalize(&end).unwrap_or(end)) };
        // A relative one counts from where the link lies.
        end = end.parent().unwrap_or(Path::new("")).join(target);
    }
    bail!("{} leads to more than {LINKS_MAX} links after each other", path.display())
}

fn read(path: &Path) -> anyhow::Result<Option<String>> {
    let file = match File::open(path) {
        Ok(file) => file,
        Err(error) if error.kind() == ErrorKind::NotFound => return Ok(None),
        Err(error) => return Err(error).with_context(|| format!("cannot open {}", path.display())),
    };
    let mut text = String::new();
    file.take(FILE_BYTES_MAX + 1)
        .read_to_string(&mut text)
        .with_context(|| format!("cannot read {}", path.display()))?;
    if text.len() as u64 > FILE_BYTES_MAX {
        bail!("{} is larger than {FILE_BYTES_MAX} bytes", path.display());
    }
    Ok(Some(text))
}

fn replace(path: &Path, draft: &Path, text: &str, before: Option<&str>) -> anyhow::Result<()> {
    let mut file = private_options()
        .create_new(true)
        .write(true)
        .open(draft)
        .with_context(|| format!("cannot create {}", draft.display()))?;
    file.write_all(text.as_bytes())
        .and_then(|()| file.sync_all())
        .with_context(|| format!("cannot write {}", draft.display()))?;
    if before.is_some() {
        fs::metadata(path)
            .and_then(|old| fs::set_permissions(draft, old.permissions()))
            .with_context(|| format!("cannot give {} its permissions", path.display()))?;
    }
    // Clients write their files too, some of them often.
    if read(path)?.as_deref() != before {
        bail!("{} was changed at the same time by its client; close that and try again", path.display());
    }
    fs::rename(draft, path).with_context(|| format!("cannot write {}", path.display()))
}

fn stamp() -> String {
    jiff::Timestamp::from_nanosecond(i128::from(clock::now().raw()))
        .map_or_else(|_| "0".to_owned(), |now| now.strftime("%Y%m%dT%H%M%S.%3fZ").to_string())
}

fn with_suffix(path: &Path, suffix: &str) -> PathBuf {
    let mut name = path.as_os_str().to_owned();
    name.push(suffix);
    name.into()
}

fn difference(before: &str, after: &str) -> String {
    let diff = TextDiff::from_lines(before, after);
    let text = diff.unified_diff().context_radius(0).missing_newline_hint(false).to_string();
    text.lines().map(|line| format!("{}\n", line.chars().take(LINE_CHARS_MAX).collect::<String>())).collect()
}
