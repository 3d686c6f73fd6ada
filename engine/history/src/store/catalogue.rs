//! Which files make up the store: one small file, replaced as a whole, so that every change of many files is one.

use crate::ParquetStoreError;
use crate::files;
use crate::parquet_file::io_error;
use crate::projection::{EVENTS, date, day_file};
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
use std::io::ErrorKind;
use std::path::{Path, PathBuf};
use tidegate_core::Nanos;

/// Name of the file.
const NAME: &str = "catalogue.json";
/// Version of its layout. Version 1, which bears no sum, is read too.
const VERSION: u32 = 2;
/// The sum as long as it is not known.
const NO_SUM: &str = "00000000";
/// The folder of what is not yet sorted by symbol and day.
pub(crate) const RECENT: &str = "recent";
/// The folder of the `bars` table.
pub(crate) const BARS: &str = "bars";

/// What the store holds.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Catalogue {
    version: u32,
    /// CRC32C of the file with these eight digits as zeros.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    sum: Option<String>,
    /// The last input whose row is in a file.
    pub(crate) last_seq: u64,
    /// The tape's segments that begin before this input are in the store as a whole.
    pub(crate) next_segment: u64,
    /// Rows of events that are not compacted, in the order of their inputs.
    pub(crate) parts: Vec<Part>,
    /// Bars that are not compacted, by the segment that changed them.
    pub(crate) bars: Vec<SegmentBars>,
    /// Compacted days: one file a symbol.
    pub(crate) days: Vec<Day>,
    /// Bars from before there was a tape.
    pub(crate) pasts: BTreeMap<String, Past>,
}

/// A file of rows in sequence.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Part {
    pub first: u64,
    pub last: u64,
    pub rows: u64,
    /// The day of tape time, in ns since 1970: a part never holds two.
    pub day: i64,
}

/// The bars that changed during a segment.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct SegmentBars {
    pub segment: u64,
    pub day: i64,
}

/// A day whose rows are sorted by symbol.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Day {
    pub day: i64,
    pub rows: u64,
    /// Symbols with events.
    pub events: Vec<String>,
    /// Symbols with bars.
    pub bars: Vec<String>,
}

/// Bars of one symbol from before there was a tape.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Past {
    pub from: i64,
    pub to: i64,
    pub rows: u64,
}

impl Default for Catalogue {
    fn default() -> Catalogue {
        Catalogue {
            version: VERSION,
            sum: None,
            last_seq: 0,
            next_segment: 0,
            parts: Vec::new(),
            bars: Vec::new(),
            days: Vec::new(),
            pasts: BTreeMap::new(),
        }
    }
}

impl Catalogue {
    /// Where that of a folder is.
    pub fn path(folder: &Path) -> PathBuf {
        folder.join(NAME)
    }

    /// The catalogue of a folder; an empty one where there is none.
    pub fn read(folder: &Path) -> Result<Catalogue, ParquetStoreError> {
        let path = Catalogue::path(folder);
        let text = match files::read(&path) {
            Err(error) if error.kind() == ErrorKind::NotFound => return Ok(Catalogue::default()),
            read => read.map_err(io_error(&path))?,
        };
        let damaged = |why: String| Err(ParquetStoreError::Catalogue(path.clone(), why));
        match serde_json::from_slice::<Catalogue>(&text) {
            Ok(Catalogue { version, .. }) if !(1..=VERSION).contains(&version) => {
                damaged(format!("version {version} is unknown to this program"))
            }
            Ok(catalogue) if !catalogue.is_as_written(&text) => {
                damaged("its sum does not hold: it was changed after it was written".to_owned())
            }
            Ok(catalogue) => Ok(catalogue),
            Err(error) => damaged(error.to_string()),
        }
    }

    /// True where `text`, which it was read from, has its sum.
    fn is_as_written(&self, text: &[u8]) -> bool {
        self.sum.as_ref().map_or(self.version == 1, |sum| self.version > 1 && holds(text, sum))
    }

    /// Replaces the catalogue of a folder.
    pub fn write(&self, folder: &Path) -> Result<(), ParquetStoreError> {
        let path = Catalogue::path(folder);
        let catalogue = Catalogue { version: VERSION, sum: Some(NO_SUM.to_owned()), ..self.clone() };
        let text = serde_json::to_string(&catalogue)
            .map_err(|error| ParquetStoreError::Catalogue(path.clone(), error.to_string()))?;
        let sum = format!("{:08x}", crc32c::crc32c(text.as_bytes()));
        let text = text.replacen(&field(NO_SUM), &field(&sum), 1);
        files::replace(&path, text.as_bytes()).map_err(io_error(&path))
    }

    /// Rows of events in files.
    pub fn rows(&self) -> u64 {
        self.parts.iter().map(|part| part.rows).chain(self.days.iter().map(|day| day.rows)).sum()
    }
}

fn field(sum: &str) -> String {
    format!("\"sum\":\"{sum}\"")
}

/// True where `sum` is that of the catalogue `text`.
fn holds(text: &[u8], sum: &str) -> bool {
    let text = String::from_utf8_lossy(text).replacen(&field(sum), &field(NO_SUM), 1);
    format!("{:08x}", crc32c::crc32c(text.as_bytes())) == sum
}

impl Part {
    /// Where it is.
    pub fn path(&self, folder: &Path) -> PathBuf {
        folder.join(RECENT).join(format!("events-{:016}-{:016}.parquet", self.first, self.last))
    }
}

impl SegmentBars {
    /// Where it is.
    pub fn path(&self, folder: &Path) -> PathBuf {
        folder.join(RECENT).join(format!("bars-{:016}.parquet", self.segment))
    }
}

impl Day {
    /// Where the rows of a symbol are.
    pub fn events_path(&self, folder: &Path, symbol: &str) -> PathBuf {
        day_file(&folder.join(EVENTS), symbol, Nanos::new(self.day))
    }

    /// Where the bars of a symbol are.
    pub fn bars_path(&self, folder: &Path, symbol: &str) -> PathBuf {
        day_file(&folder.join(BARS), symbol, Nanos::new(self.day))
    }
}

impl Past {
    /// Where the bars of `symbol` are.
    pub fn path(&self, folder: &Path, symbol: &str) -> PathBuf {
        let name = format!("{}--{}.parquet", date(Nanos::new(self.from)), date(Nanos::new(self.to)));
        day_file(&folder.join(BARS), symbol, Nanos::ZERO).with_file_name(name)
    }
}
