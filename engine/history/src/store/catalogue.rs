//! Which files make up the store: one small file, replaced as a whole, so that every change of many files is one.

use crate::ParquetStoreError;
use crate::parquet_file::io_error;
use crate::projection::{EVENTS, date, day_file};
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
use std::fs::{self, File};
use std::io::{ErrorKind, Write};
use std::path::{Path, PathBuf};
use tidegate_core::Nanos;

/// Name of the file.
const NAME: &str = "catalogue.json";
/// Version of its layout.
const VERSION: u32 = 1;
/// The folder of what is not yet sorted by symbol and day.
pub(crate) const RECENT: &str = "recent";
/// The folder of the `bars` table.
pub(crate) const BARS: &str = "bars";

/// What the store holds.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Catalogue {
    version: u32,
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
    /// The catalogue of a folder; an empty one where there is none.
    pub fn read(folder: &Path) -> Result<Catalogue, ParquetStoreError> {
        let path = folder.join(NAME);
        let text = match fs::read(&path) {
            Err(error) if error.kind() == ErrorKind::NotFound => return Ok(Catalogue::default()),
            read => read.map_err(io_error(&path))?,
        };
        match serde_json::from_slice::<Catalogue>(&text) {
            Ok(catalogue) if catalogue.version == VERSION => Ok(catalogue),
            Ok(Catalogue { version, .. }) => {
                Err(ParquetStoreError::Catalogue(path, format!("version {version} is unknown to this program")))
            }
            Err(error) => Err(ParquetStoreError::Catalogue(path, error.to_string())),
        }
    }

    /// Replaces the catalogue of a folder.
    pub fn write(&self, folder: &Path) -> Result<(), ParquetStoreError> {
        let (path, new) = (folder.join(NAME), folder.join(format!("{NAME}.new")));
        let text =
            serde_json::to_vec(self).map_err(|error| ParquetStoreError::Catalogue(path.clone(), error.to_string()))?;
        let write = || {
            let mut file = File::create(&new)?;
            file.write_all(&text)?;
            file.sync_all()?;
            fs::rename(&new, &path)?;
            File::open(folder)?.sync_all()
        };
        write().map_err(io_error(&path))
    }

    /// Rows of events in files.
    pub fn rows(&self) -> u64 {
        self.parts.iter().map(|part| part.rows).chain(self.days.iter().map(|day| day.rows)).sum()
    }
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
