//! What was: the tape's files, their projection to Parquet, and the way back.
//!
//! - [`tape`]: segments of blocks, the recorder that writes them, recovery, the reader.
//! - [`columns`]: an input as a row. [`projection`]: a tape as Parquet files.
//! - [`parquet_replay`]: those files back in `seq` order, through DataFusion.
//! - [`render`]: rows as text.
//! - [`expression`]: the text of expressions, read into the core's trees.
//!   `indicator_sql`: the same functions in SQL.
//! - [`store`]: a tape as tables while it is recorded: hot tail, recent files, days.

#![allow(clippy::disallowed_types, reason = "the store is shared; the engine path denies it again")]

pub mod columns;
#[cfg(test)]
mod damages;
pub mod expression;
mod files;
mod indicator_sql;
mod parquet_file;
pub mod parquet_replay;
pub mod projection;
pub mod render;
pub mod store;
mod sum;
pub mod tape;

#[cfg(test)]
#[path = "../../../tests/cases.rs"]
mod cases;

use arrow::error::ArrowError;
use datafusion::error::DataFusionError;
use parquet::errors::ParquetError;
use std::io;
use std::path::PathBuf;

/// What can go wrong with Parquet files.
#[derive(Debug, thiserror::Error)]
pub enum ParquetStoreError {
    /// Inputs that were never recorded, behind which the tape goes on with a state that these files do not hold.
    #[error("inputs {from} to {to} were not recorded: replay the tape itself, which holds the state behind them")]
    Unrecorded {
        /// The first.
        from: u64,
        /// The first that is there again.
        to: u64,
    },
    /// The tape that is projected.
    #[error(transparent)]
    Tape(#[from] tape::TapeError),
    /// Reading or writing failed.
    #[error("{path}")]
    Io {
        /// Which file.
        path: PathBuf,
        /// What the system says.
        source: io::Error,
    },
    /// A file is not valid Parquet, or writing it failed.
    #[error("{path}")]
    Parquet {
        /// Which file.
        path: PathBuf,
        /// What is wrong.
        source: ParquetError,
    },
    /// Rows cannot be made into columns.
    #[error(transparent)]
    Arrow(#[from] ArrowError),
    /// The query that reads the files failed.
    #[error("{0}: {1}")]
    Query(PathBuf, DataFusionError),
    /// A query that is too large to be planned.
    #[error("the query is too large: {0}")]
    TooComplex(String),
    /// A query that needs more memory than queries have.
    #[error(
        "the query needs more than the {mib} MiB that queries have: narrow it (where symbol = …, ts >= …), group it, or give \
         it a limit ({what})"
    )]
    TooMuchMemory {
        /// Memory of all queries.
        mib: usize,
        /// Which part of it could not be had.
        what: String,
    },
    /// A row is not an input.
    #[error("seq {seq}: column {column} holds no such value")]
    Row {
        /// Which row.
        seq: i64,
        /// Which column.
        column: &'static str,
    },
    /// The file is there already: a projection never overwrites.
    #[error("{0} is there already: project into a new folder")]
    Exists(PathBuf),
    /// A file is not what was written.
    #[error("{0}: {1}")]
    Damaged(PathBuf, String),
    /// The list of a store's files cannot be read.
    #[error("{0}: {1}")]
    Catalogue(PathBuf, String),
    /// A tape that is much longer than what is in files.
    #[error("more than {0} inputs of the tape are not in files yet: let tidegate serve run once, which stores them")]
    NotStored(u64),
    /// A thread of the store has ended before its time.
    #[error("the store's follower has stopped")]
    Stopped,
    /// What was written does not read back as what was meant.
    #[error("{0} does not read back as it was written")]
    Unverified(PathBuf),
    /// The tape's first segment stands on a state whose inputs are not in it.
    #[error("{0} does not begin with the tape's first segment: its books could not be rebuilt from the rows")]
    NoBeginning(PathBuf),
}

#[cfg(test)]
#[path = "time_zones_tests.rs"]
mod time_zones;
