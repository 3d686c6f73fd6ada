//! The tape's unit: an input with its place in the one total order.

use crate::input::{DecodeError, Input, VERSION};
use crate::time::Nanos;
use bytes::{Buf, BufMut};

/// Sequence numbers travel as JSON numbers, so they stay below 2⁵³.
pub const SEQ_LIMIT: u64 = 1 << 53;

/// After a restart the sequence continues this far above the highest one ever seen, so that no number
/// is used twice even where the end of a tape was lost.
pub const RESTART_STRIDE: u64 = 1_000_000_000;

/// One input on the tape. Whoever does not understand a `kind` keeps its bytes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Frame<'a> {
    /// Place in the total order, unique for the life of a data folder.
    pub seq: u64,
    /// `max(previous ts, receive time)`.
    pub ts: Nanos,
    /// Which input, see [`Input::kind`].
    pub kind: u16,
    /// Version of the encoding.
    pub version: u16,
    /// The encoding.
    pub bytes: &'a [u8],
}

impl Frame<'_> {
    /// Decodes a frame of this crate's kinds.
    ///
    /// # Errors
    /// [`DecodeError`] where the kind is another crate's, or the bytes are not what the kind says.
    pub fn input(&self) -> Result<Input, DecodeError> {
        Input::decode(self.kind, self.version, self.bytes)
    }
}

/// Appends the frame of an input to a block. The block states the first `seq`; the others follow
/// without a hole.
pub fn put_input(ts: Nanos, input: &Input, block: &mut Vec<u8>) {
    put_frame(ts, (input.kind(), VERSION), block, |block| input.encode(block));
}

/// Appends a frame of any kind and version whose bytes `encode` appends.
pub(crate) fn put_frame(
    ts: Nanos,
    (kind, version): (u16, u16),
    block: &mut Vec<u8>,
    encode: impl FnOnce(&mut Vec<u8>),
) {
    block.put_i64_le(ts.raw());
    block.put_u16_le(kind);
    block.put_u16_le(version);
    let length_at = block.len();
    block.put_u32_le(0);
    encode(block);
    let length = (block.len() - length_at - 4) as u32;
    block[length_at..length_at + 4].copy_from_slice(&length.to_le_bytes());
}

/// Takes the next frame off a block; `None` where the bytes are not a whole frame.
pub fn take_frame<'a>(seq: u64, block: &mut &'a [u8]) -> Option<Frame<'a>> {
    let ts = Nanos::new(block.try_get_i64_le().ok()?);
    let kind = block.try_get_u16_le().ok()?;
    let version = block.try_get_u16_le().ok()?;
    let length = usize::try_from(block.try_get_u32_le().ok()?).ok()?;
    let (bytes, rest) = block.split_at_checked(length)?;
    *block = rest;
    Some(Frame { seq, ts, kind, version, bytes })
}
