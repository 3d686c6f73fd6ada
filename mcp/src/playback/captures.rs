//! Captures of a venue's messages, through the session that would have read them live.

use super::feeder::{Batch, Item, Unread};
use super::source::open;
use super::watch::Position;
use crate::directory::Directory;
use anyhow::Context;
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use indicatif::ProgressBar;
use std::collections::VecDeque;
use std::fmt::Display;
use std::fs::File;
use std::io::{Cursor, Read};
use std::path::{Path, PathBuf};
use tidegate_core::{Input, Instrument, InstrumentId, Nanos};
use tidegate_feeds::capture::{self, Line, Reader, decode_binary};
use tidegate_feeds::catalog::Catalog;
use tidegate_feeds::venue::Venue;
use tidegate_feeds::{FrameError, Payload, Session, kite};

/// New symbols in one message: no venue's subscriptions hold more.
const NEW_SYMBOLS_MAX: usize = 4_096;
/// How many of what cannot be read are told with their reason.
const UNREAD_MAX: usize = 3;
/// Longest file of a single packet.
const PACKET_BYTES_MAX: u64 = 4_096;

/// One or more capture files, read as one stream.
pub struct Captures {
    frames: Frames,
    waiting: VecDeque<(PathBuf, Reader)>,
    file: usize,
    /// How many unread messages have been told with their reason.
    told: usize,
}

/// Frames into inputs.
struct Frames {
    venue: Venue,
    session: Box<dyn Session>,
    catalog: Catalog,
    binary: Vec<u8>,
    inputs: Vec<Input>,
}

impl Captures {
    /// Opens every file, so that a missing one is told before anything is played.
    ///
    /// # Errors
    /// Where a file cannot be read.
    pub fn open(venue: Venue, paths: &[PathBuf], progress: &ProgressBar) -> anyhow::Result<Captures> {
        let mut waiting = VecDeque::new();
        for path in paths {
            let mut file = open(path)?;
            progress.inc_length(file.metadata().map_or(0, |file| file.len()));
            let reader = if is_packet(path) {
                Reader::with_format(Cursor::new(packet_line(&mut file)?), venue.capture_format())
            } else {
                Reader::with_format(progress.wrap_read(file), venue.capture_format())
            };
            waiting.push_back((path.clone(), reader.with_context(|| path.display().to_string())?));
        }
        let catalog = Catalog::built_in()?;
        let frames = Frames { venue, session: venue.session(), catalog, binary: Vec::new(), inputs: Vec::new() };
        Ok(Captures { frames, waiting, file: 0, told: 0 })
    }

    /// Fills `batch` with the next line, and the lines before it that are none.
    ///
    /// # Errors
    /// Where a file cannot be read.
    pub fn fill(&mut self, batch: &mut Batch, directory: &Directory) -> anyhow::Result<()> {
        while let Some((path, reader)) = self.waiting.front_mut() {
            let before = reader.line();
            let line = reader.next_line().with_context(|| format!("{} after line {before}", path.display()))?;
            match line {
                Some(Line::Frame { receive_ts, frame }) => {
                    let result = self.frames.take(receive_ts, frame, directory);
                    batch.position = Position { file: self.file, line: reader.line() };
                    batch.frames += u64::from(matches!(result, Ok(()) | Err(FrameError::Partial { .. })));
                    if let Err(error) = result {
                        batch.decode_errors += error.count();
                        tell(&mut self.told, batch, &error);
                    }
                    (batch.first_ts, batch.last_ts) = (receive_ts, receive_ts);
                    let inputs = self.frames.inputs.drain(..);
                    batch.items.extend(inputs.map(|input| Item { seq: None, ts: receive_ts, input }));
                    return Ok(());
                }
                Some(Line::Malformed) => {
                    batch.position = Position { file: self.file, line: reader.line() };
                    batch.decode_errors += 1;
                    tell(&mut self.told, batch, &"no line of a capture: <receive time> <message>");
                }
                None => {
                    batch.passed_over += reader.passed_over();
                    self.waiting.pop_front();
                    self.file += 1;
                }
            }
        }
        Ok(())
    }

    /// The market asks for a new snapshot of a book.
    pub fn handle_resnapshot(&mut self, id: InstrumentId) {
        self.frames.session.handle_resnapshot(id);
    }
}

impl Frames {
    /// Reads one frame of a line; what it means is in `inputs` then.
    fn take(&mut self, receive_ts: Nanos, frame: &[u8], directory: &Directory) -> Result<(), FrameError> {
        let Frames { venue, session, catalog, binary, inputs } = self;
        inputs.clear();
        let payload = if venue.capture_format() == capture::Format::Base64 {
            decode_binary(frame, binary).map_err(|error| FrameError::Decode(error.into()))?;
            Payload::Binary(binary)
        } else {
            Payload::Text(frame)
        };
        let mut result = session.handle_message(receive_ts, payload, inputs);
        for _ in 0..NEW_SYMBOLS_MAX {
            let Err(FrameError::UnknownSymbol { symbol, decimals }) = &result else { break };
            let (id, instrument) = identify(venue.instrument(catalog, symbol, *decimals), directory);
            directory.insert(id, instrument.clone());
            inputs.push(Input::Define { id, instrument: Box::new(instrument.clone()) });
            session.add(symbol, id, instrument);
            session.assume_subscribed(symbol, inputs);
            result = session.handle_message(receive_ts, payload, inputs);
        }
        // A capture brings its snapshots itself: nobody can be asked for one.
        while session.poll_action().is_some() {}
        result
    }
}

/// Keeps why something at the batch's position could not be read, if it is one of the first.
fn tell(told: &mut usize, batch: &mut Batch, reason: &dyn Display) {
    if *told < UNREAD_MAX {
        *told += 1;
        batch.unread.push(Unread { position: batch.position, reason: reason.to_string() });
    }
}

fn is_packet(path: &Path) -> bool {
    path.extension().is_some_and(|extension| extension == "packet")
}

/// A file with one Kite packet in base64, as the line of a capture that holds nothing else. Nobody noted when
/// it was received: the packet's own time stands in for that.
fn packet_line(file: &mut File) -> anyhow::Result<Vec<u8>> {
    let (mut text, mut packet, mut frame) = (Vec::new(), Vec::new(), Vec::new());
    file.take(PACKET_BYTES_MAX).read_to_end(&mut text)?;
    decode_binary(text.trim_ascii(), &mut packet)?;
    kite::codec::put_frame(&packet, &mut frame);
    let time = kite::codec::exchange_time(&packet).unwrap_or(Nanos::ZERO);
    Ok(format!("{} {}\n", time.raw(), STANDARD.encode(frame)).into_bytes())
}

/// The id that an instrument has on the tape already, and the decimals it was written with, or a new id.
fn identify(mut instrument: Instrument, directory: &Directory) -> (InstrumentId, Instrument) {
    let Some((id, known)) = directory.resolve(&instrument.to_string()) else {
        return (directory.unused_id(), instrument);
    };
    instrument.price_decimals = instrument.price_decimals.max(known.price_decimals);
    instrument.qty_decimals = instrument.qty_decimals.max(known.qty_decimals);
    (id, instrument)
}
