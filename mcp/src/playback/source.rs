//! Where inputs come from: captures of a venue, a tape, or Parquet.

use super::captures::Captures;
use super::watch::Watch;
use crate::directory::Directory;
use anyhow::{Context, bail};
use clap::ValueEnum;
use indicatif::ProgressBar;
use serde_json::Value;
use std::fs::File;
use std::io::Read;
use std::path::{Path, PathBuf};
use tidegate_core::{Engine, Input, Nanos};
use tidegate_feeds::binance::Market;
use tidegate_feeds::capture::{Line, Reader};
use tidegate_history::parquet_replay::{ParquetReplay, is_parquet_folder};
use tidegate_history::tape::segment::MAGIC;
use tidegate_history::tape::{Recorded, TapeReader};

/// Lines of a capture that are looked at to tell its venue.
const DETECT_LINES_MAX: usize = 10_000;

/// What kind of files a source is made of.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum Format {
    /// Captures of Binance spot streams.
    BinanceSpot,
    /// Captures of Binance USD-M futures streams.
    BinanceUsdm,
    /// Captures of Binance COIN-M futures streams.
    BinanceCoinm,
    /// A tape folder or segment, or a Parquet folder, written by this program.
    Tidegate,
}

impl Format {
    /// Tells the format of a path from what it holds.
    ///
    /// # Errors
    /// Where the path cannot be read, or holds nothing that tells.
    pub fn detect(path: &Path) -> anyhow::Result<Format> {
        let metadata = path.metadata().with_context(|| path.display().to_string())?;
        if metadata.is_dir() {
            return Ok(Format::Tidegate);
        }
        let mut magic = [0; MAGIC.len()];
        let mut file = open(path)?;
        if file.read_exact(&mut magic).is_ok() && magic == MAGIC {
            return Ok(Format::Tidegate);
        }
        let mut reader = Reader::new(open(path)?).with_context(|| path.display().to_string())?;
        for _ in 0..DETECT_LINES_MAX {
            match reader.next_line().with_context(|| path.display().to_string())? {
                Some(Line::Frame { frame, .. }) => {
                    if let Some(format) = format_of(frame) {
                        return Ok(format);
                    }
                }
                Some(Line::Malformed) => {}
                None => break,
            }
        }
        bail!("{} does not tell its venue: name it with --venue (see tidegate replay --help)", path.display())
    }
}

/// Depth messages tell the market: futures bear `pu`, and COIN-M's also `ps`, the pair.
fn format_of(frame: &[u8]) -> Option<Format> {
    let value: Value = serde_json::from_slice(frame).ok()?;
    let data = value.get("data")?;
    data.get("U")?;
    Some(match (data.get("pu"), data.get("ps")) {
        (None, _) => Format::BinanceSpot,
        (Some(_), None) => Format::BinanceUsdm,
        (Some(_), Some(_)) => Format::BinanceCoinm,
    })
}

pub(super) fn open(path: &Path) -> anyhow::Result<File> {
    File::open(path).with_context(|| path.display().to_string())
}

/// An open source.
pub struct Source {
    kind: Kind,
    /// Recordings: what has been read and not been applied.
    next: Option<Recorded>,
    frames: u64,
    span: Option<(Nanos, Nanos)>,
}

enum Kind {
    Captures(Box<Captures>),
    Tape(Box<TapeReader>),
    Parquet(Box<ParquetReplay>),
}

impl Source {
    /// Opens `paths` as `format`; `progress` gets their length and follows what is read.
    ///
    /// # Errors
    /// Where a path cannot be read, or the format takes one path and there are more.
    pub fn open(format: Format, paths: &[PathBuf], progress: &ProgressBar) -> anyhow::Result<Source> {
        let market = match format {
            Format::BinanceSpot => Market::Spot,
            Format::BinanceUsdm => Market::UsdM,
            Format::BinanceCoinm => Market::CoinM,
            Format::Tidegate => return Source::open_recording(paths, progress),
        };
        let captures = Captures::open(market, paths, progress)?;
        Ok(Source { kind: Kind::Captures(Box::new(captures)), next: None, frames: 0, span: None })
    }

    fn open_recording(paths: &[PathBuf], progress: &ProgressBar) -> anyhow::Result<Source> {
        let [path] = paths else { bail!("--venue tidegate takes one tape folder, segment or Parquet folder") };
        let kind = if is_parquet_folder(path) {
            Kind::Parquet(Box::new(ParquetReplay::open(path)?))
        } else {
            let follower = progress.clone();
            let reader = TapeReader::open(path, move |bytes| follower.inc(bytes))?;
            progress.set_length(reader.len_bytes());
            Kind::Tape(Box::new(reader))
        };
        Ok(Source { kind, next: None, frames: 0, span: None })
    }

    /// True for a venue's own messages, which have no place in a total order yet.
    pub fn is_captures(&self) -> bool {
        matches!(self.kind, Kind::Captures(_))
    }

    /// Messages read: lines of captures, inputs of a recording.
    pub fn frames(&self) -> u64 {
        match &self.kind {
            Kind::Captures(captures) => captures.frames(),
            Kind::Tape(_) | Kind::Parquet(_) => self.frames,
        }
    }

    /// Lines that are no message. What a recording holds was read once already.
    pub fn decode_errors(&self) -> u64 {
        match &self.kind {
            Kind::Captures(captures) => captures.decode_errors(),
            Kind::Tape(_) | Kind::Parquet(_) => 0,
        }
    }

    /// The times of the first and the last message that were read: see [`Source::next_ts`].
    pub fn span(&self) -> Option<(Nanos, Nanos)> {
        match &self.kind {
            Kind::Captures(captures) => captures.span(),
            Kind::Tape(_) | Kind::Parquet(_) => self.span,
        }
    }

    /// The time of what comes next: when a capture's line was received, or a recorded input's tape time.
    ///
    /// # Errors
    /// Where the source cannot be read.
    pub fn next_ts(&mut self, engine: &mut Engine) -> anyhow::Result<Option<Nanos>> {
        let next = match &mut self.kind {
            Kind::Captures(captures) => return captures.next_ts(),
            _ if self.next.is_some() => &self.next,
            Kind::Tape(reader) => {
                self.next = reader.read_next(engine)?;
                &self.next
            }
            Kind::Parquet(replay) => {
                self.next = replay.read_next()?;
                &self.next
            }
        };
        Ok(next.as_ref().map(|recorded| recorded.ts))
    }

    /// Applies what [`Source::next_ts`] told of.
    ///
    /// # Errors
    /// Where it does not follow from what came before.
    pub fn step(&mut self, engine: &mut Engine, watch: &mut Watch, directory: &Directory) -> anyhow::Result<()> {
        if let Kind::Captures(captures) = &mut self.kind {
            return captures.step(engine, watch, directory);
        }
        let Some(Recorded { seq, ts, input }) = self.next.take() else { return Ok(()) };
        if let Input::Define { id, instrument } = &input {
            directory.insert(*id, (**instrument).clone());
        }
        watch.at(0, seq);
        // A recording brings its snapshots itself: nobody can be asked for one.
        while engine.market_mut().poll_effect().is_some() {}
        self.frames += 1;
        self.span = Some((self.span.map_or(ts, |(first, _)| first), ts));
        Ok(engine.replay(seq, ts, &input, watch)?)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::io::Write;

    fn detect(text: &str) -> anyhow::Result<Format> {
        let mut file = tempfile::NamedTempFile::new().unwrap();
        file.write_all(text.as_bytes()).unwrap();
        Format::detect(file.path())
    }

    #[test]
    fn a_capture_tells_its_market_by_its_first_depth_message() {
        let ticker = "1 {\"stream\":\"x@bookTicker\",\"data\":{\"u\":1}}\n";
        for (fields, format) in [
            ("", Format::BinanceSpot),
            (",\"pu\":0", Format::BinanceUsdm),
            (",\"pu\":0,\"ps\":\"BTCUSD\"", Format::BinanceCoinm),
        ] {
            let depth = format!("2 {{\"stream\":\"x@depth\",\"data\":{{\"U\":1,\"u\":1{fields}}}}}\n");
            assert_eq!(detect(&format!("{ticker}junk\n{depth}")).unwrap(), format);
        }
        assert!(detect(ticker).unwrap_err().to_string().contains("--venue"));
        assert!(detect("").is_err());
        assert!(Format::detect(Path::new("/nowhere")).unwrap_err().to_string().contains("/nowhere"));
    }
}
