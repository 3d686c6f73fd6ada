//! What was: the tape's files, their projection to Parquet, and the way back.
//!
//! - [`tape`]: segments of blocks, the recorder that writes them, recovery, the reader.
//! - [`parquet`]: columns, projection, and reading them back in `seq` order through DataFusion.

//pubmodparquet
pub mod tape;
