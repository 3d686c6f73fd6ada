//! What a Binance connection says besides market data: answers to requests, and its own end.

use serde::Deserialize;
use serde_json::value::RawValue;

/// Most bytes of such a message, and of what the venue says about an error.
const CONTROL_BYTES_MAX: usize = 4_096;

/// A message about the connection.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Message<'a> {
    /// The answer to the request with this number.
    Answer { id: u64, error: Option<&'a str> },
    /// The venue is about to close the connection.
    Shutdown,
}

#[derive(Deserialize)]
struct Wire<'a> {
    id: Option<u64>,
    #[serde(borrow)]
    error: Option<&'a RawValue>,
    e: Option<&'a str>,
}

/// Reads a message about the connection; `None` where it is anything else.
pub(super) fn read(text: &[u8]) -> Option<Message<'_>> {
    // Every market-data message of a combined stream begins so.
    if text.starts_with(b"{\"stream\"") || text.len() > CONTROL_BYTES_MAX {
        return None;
    }
    let wire: Wire<'_> = serde_json::from_slice(text).ok()?;
    match (wire.id, wire.e) {
        (Some(id), _) => Some(Message::Answer { id, error: wire.error.map(RawValue::get) }),
        (None, Some("serverShutdown")) => Some(Message::Shutdown),
        _ => None,
    }
}

/// The request for `streams` under this number; for none of them, the question which there are.
pub(super) fn request(id: u64, streams: &[String]) -> String {
    let request = if streams.is_empty() {
        serde_json::json!({"method": "LIST_SUBSCRIPTIONS", "id": id})
    } else {
        serde_json::json!({"method": "SUBSCRIBE", "params": streams, "id": id})
    };
    request.to_string()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn answers_and_the_end_are_told_from_market_data() {
        assert_eq!(read(br#"{"result":null,"id":7}"#), Some(Message::Answer { id: 7, error: None }));
        let refused = read(br#"{"error":{"code":2,"msg":"no"},"id":7}"#);
        assert_eq!(refused, Some(Message::Answer { id: 7, error: Some(r#"{"code":2,"msg":"no"}"#) }));
        assert_eq!(read(br#"{"e":"serverShutdown","E":1}"#), Some(Message::Shutdown));
        for other in [&br#"{"stream":"x@trade","data":{"id":1}}"#[..], br#"{"lastUpdateId":1,"bids":[]}"#, b"{", b""] {
            assert_eq!(read(other), None);
        }
    }
}
