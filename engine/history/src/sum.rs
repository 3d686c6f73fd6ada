//! The sum of a Parquet file's own bytes, which the file bears.
//!
//! Parquet itself has none over its footer, so a changed bit there may leave rows out without a word. The value of the
//! key `tidegate` in the footer is `crc32c=<8 hex digits> <place>`: the CRC32C of the whole file with these digits as
//! zeros, and the last parts of its path, so that a file in another's place is told from it.

use crate::ParquetStoreError;
use crate::files;
use crate::parquet_file::io_error;
use parquet::file::metadata::KeyValue;
use std::fs::File;
use std::io;
use std::os::unix::fs::FileExt;
use std::path::Path;

/// Who wrote the file: where the key is gone, this still tells that there was one.
pub(crate) const CREATED_BY: &str = concat!("tidegate version ", env!("CARGO_PKG_VERSION"), " (with sum)");
const WITH_SUM: &[u8] = b"(with sum)";
const KEY: &str = "tidegate";
const MARK: &[u8] = b"crc32c=";
const DIGITS: usize = 8;
const MAGIC: &[u8; 4] = b"PAR1";
/// Length of the footer and magic, at the end of the file.
const END_BYTES: u64 = 8;
const CHUNK_BYTES: usize = 1 << 20;
/// A longer footer is none of ours.
const FOOTER_BYTES_MAX: u64 = 64 << 20;

/// The entry of a new file at `path`, before its sum is known.
pub(crate) fn entry(path: &Path) -> KeyValue {
    KeyValue::new(KEY.to_owned(), format!("crc32c={:0DIGITS$} {}", 0, place(path)))
}

/// A file's name, and those of the folders that tell what is in it.
fn place(path: &Path) -> String {
    let parts: Vec<_> = path.iter().rev().take(3).map(|part| part.to_string_lossy()).collect();
    let is_of_symbol = parts.get(1).is_some_and(|folder| folder.starts_with("symbol="));
    let parts = parts.into_iter().take(if is_of_symbol { 3 } else { 2 }).rev();
    parts.collect::<Vec<_>>().join("/")
}

/// Puts the sum into a file that is otherwise whole.
pub(crate) fn put(file: &File) -> io::Result<()> {
    let Some(at) = find(file)?.mark else { return Err(io::ErrorKind::InvalidData.into()) };
    file.write_all_at(format!("{:0DIGITS$x}", sum(file, at)?).as_bytes(), at)
}

/// Fails where the file at `path` is not the one that was written there. Files of earlier versions bear no sum.
pub(crate) fn check(path: &Path) -> Result<(), ParquetStoreError> {
    let file = files::open(path).map_err(io_error(path))?;
    let damaged = |why: &str| Err(ParquetStoreError::Damaged(path.to_owned(), why.to_owned()));
    let found = find(&file).map_err(io_error(path))?;
    if !found.is_parquet {
        // Whoever reads many would pass over an empty one without a word.
        return damaged("is no Parquet file, or not to its end");
    }
    let Some(at) = found.mark else {
        return if found.had_sum { damaged("has lost its sum: it was changed after it was written") } else { Ok(()) };
    };
    let mut digits = [0; DIGITS];
    file.read_exact_at(&mut digits, at).map_err(io_error(path))?;
    let sum = sum(&file, at).map_err(io_error(path))?;
    if digits != *format!("{sum:0DIGITS$x}").as_bytes() {
        return damaged("its sum does not hold: it was changed after it was written");
    }
    let place = place(path);
    let mut written = vec![0; place.len()];
    let is_place = file.read_exact_at(&mut written, at + DIGITS as u64 + 1).is_ok() && written == place.as_bytes();
    if is_place { Ok(()) } else { damaged("was written as another file: it was moved here") }
}

struct Found {
    is_parquet: bool,
    /// Where the digits begin.
    mark: Option<u64>,
    had_sum: bool,
}

/// Looks through the footer.
fn find(file: &File) -> io::Result<Found> {
    let none = Found { is_parquet: false, mark: None, had_sum: false };
    let length = file.metadata()?.len();
    let Some(end) = length.checked_sub(END_BYTES) else { return Ok(none) };
    let mut bytes = [0; END_BYTES as usize];
    file.read_exact_at(&mut bytes, end)?;
    let [a, b, c, d, magic @ ..] = bytes;
    let footer = u64::from(u32::from_le_bytes([a, b, c, d]));
    if magic != *MAGIC || footer > end || footer > FOOTER_BYTES_MAX {
        return Ok(none);
    }
    let mut bytes = vec![0; footer as usize];
    file.read_exact_at(&mut bytes, end - footer)?;
    let mark = bytes.windows(MARK.len()).rposition(|window| window == MARK);
    let mark = mark.map(|at| end - footer + (at + MARK.len()) as u64).filter(|at| at + DIGITS as u64 <= end);
    let had_sum = bytes.windows(WITH_SUM.len()).any(|window| window == WITH_SUM);
    Ok(Found { is_parquet: true, mark, had_sum })
}

/// The CRC32C of a file, of which the digits from `at` on count as zeros.
fn sum(file: &File, at: u64) -> io::Result<u32> {
    let mut sum = 0;
    let mut chunk = vec![0; CHUNK_BYTES];
    let mut from = 0u64;
    loop {
        let count = file.read_at(&mut chunk, from)?;
        if count == 0 {
            return Ok(sum);
        }
        let digits = at..at + DIGITS as u64;
        for (byte, at) in chunk[..count].iter_mut().zip(from..).skip(digits.start.saturating_sub(from) as usize) {
            if !digits.contains(&at) {
                break;
            }
            *byte = b'0';
        }
        sum = crc32c::crc32c_append(sum, &chunk[..count]);
        from += count as u64;
    }
}

#[cfg(test)]
#[path = "sum_tests.rs"]
mod tests;
