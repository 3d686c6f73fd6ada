//! Captures: gzip or plain text, one venue message a line. Where a venue's messages are binary, base64 stands in
//! the place of the JSON: see [`decode_binary`].

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use flate2::bufread::MultiGzDecoder;
use std::io::{self, BufRead, BufReader, Read};
use tidegate_core::Nanos;

use crate::binance::codec::FRAME_BYTES_MAX;
use crate::wire::seconds;

/// Longest line: a frame and its time.
const LINE_BYTES_MAX: usize = FRAME_BYTES_MAX + 32;

/// How a capture is written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Format {
    /// `<receive time in ns> <raw JSON>`.
    Nanos,
    /// `<receive time in seconds>: <raw JSON>`, among lines that tell when the connection was opened
    /// (`wss://… <-> seconds`) and what was sent (`wss://… <- seconds: JSON`), which are passed over.
    Seconds,
    /// `<receive time in ns> <base64 of a binary message>`: see [`decode_binary`].
    Base64,
}

/// One line of a capture.
#[expect(missing_docs, reason = "the line of a variant tells its fields")]
#[derive(Debug, PartialEq, Eq)]
pub enum Line<'a> {
    /// A message and when it was received.
    Frame { receive_ts: Nanos, frame: &'a [u8] },
    /// Not of the capture's format, or too long.
    Malformed,
}

/// Reads a capture line by line.
pub struct Reader {
    input: Box<dyn BufRead + Send>,
    format: Format,
    buffer: Vec<u8>,
    line: u64,
    passed_over: u64,
}

impl Reader {
    /// A reader over the bytes of a file in [`Format::Nanos`], which are decompressed if they are gzip.
    ///
    /// # Errors
    /// What reading the first bytes gives.
    pub fn new(file: impl Read + Send + 'static) -> io::Result<Reader> {
        Reader::with_format(file, Format::Nanos)
    }

    /// A reader over the bytes of a file in this format, which are decompressed if they are gzip.
    ///
    /// # Errors
    /// What reading the first bytes gives.
    pub fn with_format(file: impl Read + Send + 'static, format: Format) -> io::Result<Reader> {
        let mut input = BufReader::with_capacity(128 * 1024, file);
        let is_gzip = input.fill_buf()?.starts_with(&[0x1f, 0x8b]);
        let input: Box<dyn BufRead + Send> = if is_gzip {
            Box::new(BufReader::with_capacity(128 * 1024, MultiGzDecoder::new(input)))
        } else {
            Box::new(input)
        };
        Ok(Reader { input, format, buffer: Vec::new(), line: 0, passed_over: 0 })
    }

    /// Number of the line that was read last, from 1.
    pub fn line(&self) -> u64 {
        self.line
    }

    /// Number of lines passed over that tell of the connection and are no message.
    pub fn passed_over(&self) -> u64 {
        self.passed_over
    }

    /// The next line that is not empty or passed over, or `None` at the end.
    ///
    /// # Errors
    /// What reading gives, a truncated gzip stream included.
    pub fn next_line(&mut self) -> io::Result<Option<Line<'_>>> {
        loop {
            self.buffer.clear();
            let limit = LINE_BYTES_MAX as u64 + 1;
            if self.input.by_ref().take(limit).read_until(b'\n', &mut self.buffer)? == 0 {
                return Ok(None);
            }
            self.line += 1;
            let is_whole = self.buffer.ends_with(b"\n") || self.buffer.len() <= LINE_BYTES_MAX;
            if !is_whole {
                self.input.skip_until(b'\n')?;
                return Ok(Some(Line::Malformed));
            }
            if self.format == Format::Seconds && is_note(&self.buffer) {
                self.passed_over += 1;
            } else if !self.buffer.trim_ascii().is_empty() {
                break;
            }
        }
        Ok(Some(parse(self.buffer.trim_ascii(), self.format)))
    }
}

/// Why a frame is not base64 of a binary message.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("frame is not base64")]
pub struct BinaryError;

/// Turns the base64 in the place of a frame into the binary message that was received. `message` is emptied
/// first; a [`Line`]'s own bound is the bound of what it takes.
///
/// # Errors
/// [`BinaryError`]; `message` holds nothing of use then.
pub fn decode_binary(frame: &[u8], message: &mut Vec<u8>) -> Result<(), BinaryError> {
    message.clear();
    if frame.len() > LINE_BYTES_MAX {
        return Err(BinaryError);
    }
    STANDARD.decode_vec(frame, message).map_err(|_| BinaryError)
}

/// True for a line about the connection itself: an address, then `<->` or `<-`.
fn is_note(line: &[u8]) -> bool {
    let mut words = line.split(|&byte| byte == b' ');
    words.next().is_some_and(|address| address.starts_with(b"wss://")) && matches!(words.next(), Some(b"<->" | b"<-"))
}

fn parse(line: &[u8], format: Format) -> Line<'_> {
    let Some(space) = line.iter().position(|&byte| byte == b' ') else { return Line::Malformed };
    let (time, frame) = (&line[..space], line[space + 1..].trim_ascii_start());
    let receive_ts = match format {
        Format::Nanos | Format::Base64 => {
            std::str::from_utf8(time).ok().and_then(|text| text.parse().ok()).map(Nanos::new)
        }
        Format::Seconds => time.strip_suffix(b":").and_then(seconds),
    };
    match receive_ts {
        Some(receive_ts) if !frame.is_empty() => Line::Frame { receive_ts, frame },
        _ => Line::Malformed,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use flate2::{Compression, write::GzEncoder};
    use std::io::{Cursor, Write};

    fn lines(bytes: Vec<u8>) -> Vec<Option<(i64, String)>> {
        read(&mut Reader::new(Cursor::new(bytes)).unwrap())
    }

    fn read(reader: &mut Reader) -> Vec<Option<(i64, String)>> {
        let mut lines = Vec::new();
        while let Some(line) = reader.next_line().unwrap() {
            lines.push(match line {
                Line::Frame { receive_ts, frame } => {
                    Some((receive_ts.raw(), String::from_utf8(frame.to_vec()).unwrap()))
                }
                Line::Malformed => None,
            });
        }
        lines
    }

    fn gzip(text: &str) -> Vec<u8> {
        let mut encoder = GzEncoder::new(Vec::new(), Compression::fast());
        encoder.write_all(text.as_bytes()).unwrap();
        encoder.finish().unwrap()
    }

    #[test]
    fn plain_and_gzip_read_alike_also_in_several_members() {
        let expect = vec![Some((1, "{}".to_owned())), Some((2, "{\"a\":1}".to_owned()))];
        assert_eq!(lines(b"1 {}\n\n2 {\"a\":1}".to_vec()), expect);
        assert_eq!(lines([gzip("1 {}\r\n"), gzip("2 {\"a\":1}\n")].concat()), expect);
    }

    #[test]
    fn lines_that_are_no_message_are_told_apart_and_skipped() {
        let long = format!("1 {}\n3 {{}}\n", "x".repeat(LINE_BYTES_MAX));
        assert_eq!(
            lines(b"{}\n1\nx {}\n99999999999999999999 {}\n2 {}\n".to_vec()),
            [None, None, None, None, Some((2, "{}".to_owned()))]
        );
        assert_eq!(lines(long.into_bytes()), [None, Some((3, "{}".to_owned()))]);
        assert_eq!(lines(Vec::new()), []);
    }

    #[test]
    fn seconds_are_read_and_lines_about_the_connection_passed_over() {
        let text = "wss://a <-> 1.5\nwss://a <- 1.6: {\"event\":\"subscribe\"}\n\n1618678132.8258188: {}\nwss://a what\n\
            2.0000000001: {}\n2 {}\n3.5: \n4: [1]";
        let mut reader = Reader::with_format(Cursor::new(text.as_bytes().to_vec()), Format::Seconds).unwrap();
        let frame = |ns, text: &str| Some((ns, text.to_owned()));
        let expect = [frame(1_618_678_132_825_818_800, "{}"), None, None, None, None, frame(4_000_000_000, "[1]")];
        assert_eq!(read(&mut reader), expect);
        assert_eq!(reader.passed_over(), 2);
    }

    #[test]
    fn a_binary_message_stands_as_base64() {
        let mut reader = Reader::new(Cursor::new("7 AAEACAAGOgEAAmaD\n8 ?\n")).unwrap();
        let mut message = vec![9];
        let Some(Line::Frame { frame, .. }) = reader.next_line().unwrap() else { panic!("no frame") };
        assert_eq!(decode_binary(frame, &mut message), Ok(()));
        assert_eq!(message, [0, 1, 0, 8, 0, 6, 0x3a, 1, 0, 2, 0x66, 0x83]);
        let Some(Line::Frame { frame, .. }) = reader.next_line().unwrap() else { panic!("no frame") };
        assert_eq!(decode_binary(frame, &mut message), Err(BinaryError));
        assert_eq!(decode_binary(&[b'A'; LINE_BYTES_MAX + 4], &mut message), Err(BinaryError));
    }

    #[test]
    fn a_gzip_stream_that_is_cut_short_is_an_error() {
        let mut bytes = gzip("1 {}\n2 {}\n");
        bytes.truncate(bytes.len() - 6);
        let mut reader = Reader::new(Cursor::new(bytes)).unwrap();
        let result = std::iter::from_fn(|| reader.next_line().map(|line| line.map(|_| ())).transpose())
            .collect::<Result<Vec<_>, _>>();
        assert!(result.is_err());
    }
}
