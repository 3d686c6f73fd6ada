//! The bytes of a segment.
//!
//! ```text
//! segment = magic "TIDETAPE", version u32, head…, block…, end
//! block   = length u32, crc u32, first_seq u64, count u32, zstd bytes
//! ```
//!
//! Integers are little-endian. `length` counts the zstd bytes; the CRC32C covers everything behind it, and from
//! version 2 on, before that, the version.
//! A block with inputs decompresses to `count` frames (`tidegate_core::frame`) numbered from `first_seq`
//! without a hole. The head is a block of `count` 0 whose frames are a state (`tidegate_core::head`)
//! and whose `first_seq` is that of the segment's first input; from version 2 on, a large state goes on in
//! further such blocks. The end is a block of `count` 0 with
//! nothing in it: a segment without one was not closed, and may lack its last inputs.

use bytes::{Buf, BufMut};
use std::io::{self, Read, Seek, SeekFrom};
use tidegate_core::frame::take_frame;

/// First bytes of every segment.
pub const MAGIC: [u8; 8] = *b"TIDETAPE";
/// Version of the layout. Version 1, whose head is a single block, is read too.
pub const VERSION: u32 = 2;
/// Length of magic and version.
pub const PREAMBLE_BYTES: usize = 12;

/// Length of a block without its zstd bytes, and of the end.
pub const BLOCK_HEADER_BYTES: usize = 20;

/// Most bytes of a block, before and after compression.
pub const BLOCK_BYTES_MAX: usize = 256 * 1024 * 1024;
/// A head goes on in a further block where it is larger than this, between two frames.
pub const HEAD_PART_BYTES: usize = 32 * 1024 * 1024;

/// Quick, and within a few percent of the slower levels on market data.
const ZSTD_LEVEL: i32 = 1;

/// What is wrong with a segment. `at` is the offset of the block, from the start of the file.
#[expect(missing_docs, reason = "the line of a variant tells its fields")]
#[derive(Debug, thiserror::Error)]
pub enum SegmentError {
    /// Not a segment at all.
    #[error("not a tape segment: it does not begin with TIDETAPE")]
    Magic,
    /// A later layout.
    #[error("segment version {0} is unknown to this program (it knows {VERSION})")]
    Version(u32),
    /// The file ends before the state that it begins with is whole: no kill leaves that, as a segment gets its name later.
    #[error("the file ends inside its head, at byte {at}")]
    TornHead { at: u64 },
    /// The file ends inside a block.
    #[error("the file ends inside the block at byte {at}")]
    Torn { at: u64 },
    /// The bytes are not those that were written.
    #[error("checksum of the block at byte {at} does not hold")]
    Checksum { at: u64 },
    /// The checksum holds, but what it covers cannot be.
    #[error("the block at byte {at} is not one that this program writes")]
    Senseless { at: u64 },
    /// Reading failed.
    #[error(transparent)]
    Io(#[from] io::Error),
}

impl SegmentError {
    /// Where the block begins that is not one, of those that a half-written end may have.
    pub(super) fn block_at(&self) -> Option<u64> {
        match *self {
            SegmentError::Torn { at } | SegmentError::Checksum { at } | SegmentError::Senseless { at } => Some(at),
            _ => None,
        }
    }
}

/// What a block is.
#[expect(missing_docs, reason = "the line of a variant tells its fields")]
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Block {
    /// The state before the input `next_seq`, or a further part of it.
    Head { next_seq: u64, is_first: bool },
    /// `count` inputs from `first_seq`.
    Inputs { first_seq: u64, count: u32 },
    /// The segment was closed.
    End,
}

/// Appends magic and version.
pub fn put_preamble(out: &mut Vec<u8>) {
    out.put_slice(&MAGIC);
    out.put_u32_le(VERSION);
}

/// Appends the head, in parts of about `part_bytes`.
///
/// # Errors
/// What the compressor gives.
pub fn put_head(next_seq: u64, frames: &[u8], part_bytes: usize, out: &mut Vec<u8>) -> io::Result<()> {
    let mut rest = frames;
    loop {
        let part = rest;
        while part.len() - rest.len() < part_bytes && take_frame(0, &mut rest).is_some() {}
        put_block(next_seq, 0, &compress(&part[..part.len() - rest.len()])?, out);
        if rest.is_empty() {
            return Ok(());
        }
    }
}

/// Appends a block of inputs.
///
/// # Errors
/// What the compressor gives.
pub fn put_inputs(first_seq: u64, count: u32, frames: &[u8], out: &mut Vec<u8>) -> io::Result<()> {
    put_block(first_seq, count, &compress(frames)?, out);
    Ok(())
}

/// What could not be read again is not written.
fn compress(frames: &[u8]) -> io::Result<Vec<u8>> {
    if frames.len() > BLOCK_BYTES_MAX {
        return Err(io::Error::new(io::ErrorKind::InvalidInput, "a block of the tape would be too large"));
    }
    zstd::bulk::compress(frames, ZSTD_LEVEL)
}

/// True where `bytes` are the last of a segment that was closed.
pub fn is_end(bytes: &[u8; BLOCK_HEADER_BYTES]) -> bool {
    let mut header = &bytes[..];
    let (length, crc) = (header.get_u32_le(), header.get_u32_le());
    length == 0 && (1..=VERSION).any(|version| checksum(version, &bytes[8..]) == crc) && bytes[16..] == [0; 4]
}

/// Appends the end.
pub fn put_end(next_seq: u64, out: &mut Vec<u8>) {
    put_block(next_seq, 0, &[], out);
}

fn put_block(first_seq: u64, count: u32, bytes: &[u8], out: &mut Vec<u8>) {
    out.put_u32_le(bytes.len() as u32);
    let crc_at = out.len();
    out.put_u32_le(0);
    out.put_u64_le(first_seq);
    out.put_u32_le(count);
    out.put_slice(bytes);
    let crc = checksum(VERSION, &out[crc_at + 4..]);
    out[crc_at..crc_at + 4].copy_from_slice(&crc.to_le_bytes());
}

fn checksum(version: u32, bytes: &[u8]) -> u32 {
    match version {
        1 => crc32c::crc32c(bytes),
        _ => crc32c::crc32c_append(crc32c::crc32c(&version.to_le_bytes()), bytes),
    }
}

/// Reads a segment block by block.
pub struct SegmentReader<R> {
    input: R,
    at: u64,
    compressed: Vec<u8>,
    frames: Vec<u8>,
    version: u32,
    /// The input that the head stands before; `None` until it has been read.
    head: Option<u64>,
    /// The head goes on for certain, or may.
    is_head_open: bool,
    has_inputs: bool,
    is_closed: bool,
}

impl<R: Read> SegmentReader<R> {
    /// A reader that has checked magic and version.
    ///
    /// # Errors
    /// [`SegmentError`] where the file is no segment of a known version.
    pub fn new(mut input: R) -> Result<SegmentReader<R>, SegmentError> {
        let mut preamble = [0; PREAMBLE_BYTES];
        match input.read_exact(&mut preamble) {
            Ok(()) => {}
            Err(error) if error.kind() == io::ErrorKind::UnexpectedEof => return Err(SegmentError::Magic),
            Err(error) => return Err(error.into()),
        }
        let (magic, mut version) = preamble.split_at(MAGIC.len());
        if magic != MAGIC {
            return Err(SegmentError::Magic);
        }
        match version.get_u32_le() {
            version @ 1..=VERSION => Ok(SegmentReader {
                input,
                version,
                at: PREAMBLE_BYTES as u64,
                compressed: Vec::new(),
                frames: Vec::new(),
                head: None,
                is_head_open: true,
                has_inputs: false,
                is_closed: false,
            }),
            other => Err(SegmentError::Version(other)),
        }
    }

    /// Offset behind the last block that was read whole.
    pub fn offset(&self) -> u64 {
        self.at
    }

    /// True once the state that the segment begins with has been read.
    pub fn has_head(&self) -> bool {
        self.head.is_some() && !self.is_head_open
    }

    /// True once the end has been read.
    pub fn is_closed(&self) -> bool {
        self.is_closed
    }

    /// The next block with its frames, or `None` at the end of the file.
    ///
    /// # Errors
    /// [`SegmentError`] for bytes that are not a whole block; nothing behind them can be read.
    pub fn next_block(&mut self) -> Result<Option<(Block, &[u8])>, SegmentError> {
        let at = self.at;
        self.compressed.clear();
        match (&mut self.input).take(BLOCK_HEADER_BYTES as u64).read_to_end(&mut self.compressed)? {
            BLOCK_HEADER_BYTES if !self.is_closed => {}
            BLOCK_HEADER_BYTES => return Err(SegmentError::Senseless { at }),
            _ if self.is_head_open => return Err(SegmentError::TornHead { at }),
            0 => return Ok(None),
            _ => return Err(SegmentError::Torn { at }),
        }
        let mut header = &self.compressed[..];
        let (length, crc) = (header.get_u32_le(), header.get_u32_le());
        let (first_seq, count) = (header.get_u64_le(), header.get_u32_le());
        if length as usize > BLOCK_BYTES_MAX {
            return Err(SegmentError::Senseless { at });
        }
        let got = (&mut self.input).take(u64::from(length)).read_to_end(&mut self.compressed)?;
        if got < length as usize {
            let is_head = self.head.is_none() || (self.is_head_open && count == 0);
            return Err(if is_head { SegmentError::TornHead { at } } else { SegmentError::Torn { at } });
        }
        if checksum(self.version, &self.compressed[8..]) != crc {
            return Err(SegmentError::Checksum { at });
        }
        let bytes = &self.compressed[BLOCK_HEADER_BYTES..];
        let may_go_on = self.version > 1 && !self.has_inputs;
        let block = match (self.head, count) {
            (None, 0) => Block::Head { next_seq: first_seq, is_first: true },
            (Some(_), 0) if bytes.is_empty() => Block::End,
            (Some(next_seq), 0) if may_go_on && next_seq == first_seq => Block::Head { next_seq, is_first: false },
            (Some(_), 1..) => Block::Inputs { first_seq, count },
            _ => return Err(SegmentError::Senseless { at }),
        };
        self.frames.clear();
        if block != Block::End {
            decompress(bytes, &mut self.frames).map_err(|_| SegmentError::Senseless { at })?;
        }
        self.head.get_or_insert(first_seq);
        // Only the last part is smaller than that, see [`put_head`].
        let may_be_part = self.version > 1 && self.frames.len() >= HEAD_PART_BYTES;
        self.is_head_open = may_be_part && matches!(block, Block::Head { .. });
        self.has_inputs |= matches!(block, Block::Inputs { .. });
        self.is_closed = block == Block::End;
        self.at = at + (BLOCK_HEADER_BYTES + bytes.len()) as u64;
        Ok(Some((block, &self.frames)))
    }
}

impl<R: Read + Seek> SegmentReader<R> {
    /// Goes back behind the last block that was read whole: what follows may have been written meanwhile.
    ///
    /// # Errors
    /// What the system says.
    pub fn rewind(&mut self) -> io::Result<()> {
        self.input.seek(SeekFrom::Start(self.at)).map(drop)
    }
}

fn decompress(bytes: &[u8], out: &mut Vec<u8>) -> io::Result<()> {
    let decoder = zstd::stream::read::Decoder::with_buffer(bytes)?;
    let length = decoder.take(BLOCK_BYTES_MAX as u64 + 1).read_to_end(out)?;
    if length > BLOCK_BYTES_MAX { Err(io::ErrorKind::InvalidData.into()) } else { Ok(()) }
}
