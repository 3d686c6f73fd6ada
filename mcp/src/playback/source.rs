//! Where inputs come from: captures of a venue, a tape, or Parquet.

use super::captures::Captures;
use super::feeder::{Batch, Item};
use crate::directory::Directory;
use anyhow::{Context, bail};
use clap::ValueEnum;
use indicatif::ProgressBar;
use serde_json::Value;
use std::fs::File;
use std::io::Read;
use std::path::{Path, PathBuf};
use tidegate_core::InstrumentId;
use tidegate_feeds::binance::Market;
use tidegate_feeds::capture::{self, Line, Reader, decode_binary};
use tidegate_feeds::venue::Venue;
use tidegate_feeds::{angel, kite};
use tidegate_history::parquet_replay::{ParquetReplay, is_parquet_folder};
use tidegate_history::tape::segment::MAGIC;
use tidegate_history::tape::{self, Recorded, Step, TapeReader};

/// Lines of a capture that are looked at to tell its venue.
const DETECT_LINES_MAX: usize = 10_000;

/// Recorded inputs that are read at once.
const RECORDED_MAX: usize = 256;

/// What kind of files a source is made of.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum Format {
    /// Captures of Binance spot streams.
    BinanceSpot,
    /// Captures of Binance USD-M futures streams.
    BinanceUsdm,
    /// Captures of Binance COIN-M futures streams.
    BinanceCoinm,
    /// Captures of Kraken's WebSocket.
    Kraken,
    /// Captures of Zerodha Kite's ticker.
    Kite,
    /// Captures of Angel One's SmartStream.
    Angel,
    /// A tape folder or segment, or a Parquet folder, written by this program.
    Tidegate,
}

impl Format {
    /// The venue whose captures these are; `None` for recordings of our own.
    pub const fn venue(self) -> Option<Venue> {
        Some(match self {
            Format::BinanceSpot => Venue::Binance(Market::Spot),
            Format::BinanceUsdm => Venue::Binance(Market::UsdM),
            Format::BinanceCoinm => Venue::Binance(Market::CoinM),
            Format::Kraken => Venue::Kraken,
            Format::Kite => Venue::Kite,
            Format::Angel => Venue::Angel,
            Format::Tidegate => return None,
        })
    }

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
        if path.extension().is_some_and(|extension| extension == "packet") {
            return Ok(Format::Kite);
        }
        let reader = |format| Reader::with_format(open(path)?, format).with_context(|| path.display().to_string());
        let mut noted = reader(capture::Format::Seconds)?;
        if noted.next_line().is_ok() && noted.passed_over() > 0 {
            return Ok(Format::Kraken);
        }
        let mut reader = reader(capture::Format::Nanos)?;
        for _ in 0..DETECT_LINES_MAX {
            match reader.next_line().with_context(|| path.display().to_string())? {
                Some(Line::Frame { frame, .. }) => {
                    if let Some(format) = format_of(frame).or_else(|| format_of_binary(frame)) {
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

/// Angel One sends one packet a message, each of a length and mode of its own; Kite counts its packets.
fn format_of_binary(frame: &[u8]) -> Option<Format> {
    let mut message = Vec::new();
    decode_binary(frame, &mut message).ok()?;
    if angel::codec::decode(&message).is_ok() {
        return Some(Format::Angel);
    }
    match kite::codec::decode(&message) {
        // What they hold does not matter: one that is not known yet is passed over alone.
        Ok(kite::codec::Message::Packets(mut packets)) => packets.next().map(|_| Format::Kite),
        _ => None,
    }
}

pub(super) fn open(path: &Path) -> anyhow::Result<File> {
    File::open(path).with_context(|| path.display().to_string())
}

/// An open source.
pub enum Source {
    /// A venue's own messages, which have no place in a total order yet.
    Captures(Box<Captures>),
    /// A tape of this program.
    Tape {
        /// Its segments.
        reader: Box<TapeReader>,
        /// The head that the last batch ended before.
        head: Option<tape::Head>,
    },
    /// A projection of a tape.
    Parquet(Box<ParquetReplay>),
}

impl Source {
    /// Opens `paths` as `format`; `progress` gets their length and follows what is read.
    ///
    /// # Errors
    /// Where a path cannot be read, or the format takes one path and there are more.
    pub fn open(format: Format, paths: &[PathBuf], progress: &ProgressBar) -> anyhow::Result<Source> {
        match format.venue() {
            Some(venue) => Ok(Source::Captures(Box::new(Captures::open(venue, paths, progress)?))),
            None => Source::open_recording(paths, progress),
        }
    }

    fn open_recording(paths: &[PathBuf], progress: &ProgressBar) -> anyhow::Result<Source> {
        let [path] = paths else { bail!("--venue tidegate takes one tape folder, segment or Parquet folder") };
        if is_parquet_folder(path) {
            return Ok(Source::Parquet(Box::new(ParquetReplay::open(path)?)));
        }
        let follower = progress.clone();
        let reader = TapeReader::open(path, move |bytes| follower.inc(bytes))?;
        progress.set_length(reader.len_bytes());
        Ok(Source::Tape { reader: Box::new(reader), head: None })
    }

    /// True for a venue's own messages.
    pub fn is_captures(&self) -> bool {
        matches!(self, Source::Captures(_))
    }

    /// Fills `batch` with what comes next; it stays empty at the end.
    ///
    /// # Errors
    /// Where the source cannot be read; what came before that is in the batch.
    pub fn fill(&mut self, batch: &mut Batch, directory: &Directory) -> anyhow::Result<()> {
        match self {
            Source::Captures(captures) => captures.fill(batch, directory)?,
            Source::Tape { reader, head } => fill_from_tape(reader, head, batch)?,
            Source::Parquet(replay) => {
                while batch.items.len() < RECORDED_MAX
                    && let Some(recorded) = replay.read_next()?
                {
                    push(recorded, batch);
                }
            }
        }
        Ok(())
    }

    /// The market asks for a new snapshot of a book. A recording brings its own when its market asked.
    pub fn handle_resnapshot(&mut self, id: InstrumentId) {
        if let Source::Captures(captures) = self {
            captures.handle_resnapshot(id);
        }
    }
}

/// A head begins a batch: the state before its items.
fn fill_from_tape(reader: &mut TapeReader, head: &mut Option<tape::Head>, batch: &mut Batch) -> anyhow::Result<()> {
    batch.head = head.take();
    while batch.items.len() < RECORDED_MAX {
        match reader.read_next()? {
            Some(Step::Input(recorded)) => push(recorded, batch),
            Some(Step::Head(next)) if batch.head.is_none() && batch.items.is_empty() => batch.head = Some(next),
            Some(Step::Head(next)) => {
                *head = Some(next);
                break;
            }
            None => break,
        }
    }
    Ok(())
}

fn push(Recorded { seq, ts, input }: Recorded, batch: &mut Batch) {
    if batch.frames == 0 {
        batch.first_ts = ts;
    }
    batch.last_ts = ts;
    batch.frames += 1;
    batch.items.push_back(Item { seq: Some(seq), ts, input });
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
