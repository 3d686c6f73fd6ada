//! How far the last segment is known to be on the disk.
//!
//! After a power cut a file may be as long as it was and hold zeros, or its first page without the next: whatever was
//! written since the last sync. The record tells where that begins. It is rewritten after each sync, so it may be
//! behind, never ahead.

use crate::files;
use std::path::Path;

/// Name of the file that tells it: `<segment> <bytes, 20 digits> <CRC32C of the text before, 8 hex digits>`.
pub const SYNCED: &str = "synced";

/// The first bytes of a segment that are on the disk.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Synced {
    /// The segment's file name.
    pub segment: String,
    /// So many bytes of it.
    pub bytes: u64,
}

impl Synced {
    pub(super) fn of(segment: &Path, bytes: u64) -> Synced {
        let segment = segment.file_name().unwrap_or_default().to_string_lossy().into_owned();
        Synced { segment, bytes }
    }

    pub(super) fn to_text(&self) -> String {
        let text = format!("{} {:020}", self.segment, self.bytes);
        let sum = crc32c::crc32c(text.as_bytes());
        format!("{text} {sum:08x}\n")
    }

    fn parse(text: &str) -> Option<Synced> {
        let (record, sum) = text.strip_suffix('\n')?.rsplit_once(' ')?;
        let (segment, bytes) = record.split_once(' ')?;
        let synced = Synced { segment: segment.to_owned(), bytes: bytes.parse().ok()? };
        (sum.len() == 8 && synced.to_text() == text).then_some(synced)
    }

    /// The record of the tape in `folder`; `None` where there is none that can be believed.
    pub fn read(folder: &Path) -> Option<Synced> {
        Synced::parse(&files::read_text(&folder.join(SYNCED)).ok()?)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_record_that_was_changed_is_not_believed() {
        let synced = Synced::of(Path::new("a/20240808T23-0000000000000001.tape"), 4_711);
        let text = synced.to_text();
        assert_eq!(Synced::parse(&text), Some(synced));
        for bit in 0..text.len() * 8 {
            let mut changed = text.clone().into_bytes();
            changed[bit / 8] ^= 1 << (bit % 8);
            let read = String::from_utf8(changed).ok().and_then(|text| Synced::parse(&text));
            assert_eq!(read, None, "bit {bit}");
        }
        assert_eq!((Synced::parse(""), Synced::parse(&text[..text.len() - 1])), (None, None));
    }
}
