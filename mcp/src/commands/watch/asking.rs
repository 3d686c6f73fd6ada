//! The questions: what any client could ask.

use crate::data_folder::DataFolder;
use crate::stdio::upstream::Upstream;
use serde::Deserialize;
use serde_json::{Value, json};
use tokio::sync::mpsc;

/// Levels of each side.
pub(super) const LEVELS: usize = 10;
/// One answer, and what a stream might say before it.
const MESSAGES_MAX: usize = 64;

/// What every answer says of itself; a refusal where it can.
#[derive(Clone, Debug, Default, PartialEq, Deserialize)]
pub(super) struct Envelope {
    pub mode: String,
    pub data: String,
    pub as_of: Option<String>,
    pub seq: Option<u64>,
    pub age_ms: Option<u64>,
    pub feed_state: Option<String>,
}

/// An answer of `get_depth`.
#[derive(Clone, Debug, Default, Deserialize)]
pub(super) struct Depth {
    #[serde(flatten)]
    pub envelope: Envelope,
    pub instrument: String,
    pub bids: Vec<[String; 2]>,
    pub asks: Vec<[String; 2]>,
}

/// An answer of `get_quotes`.
#[derive(Clone, Debug, Default, Deserialize)]
pub(super) struct Quotes {
    pub quotes: Vec<Quote>,
}

/// What is shown of one quote.
#[derive(Clone, Debug, Default, Deserialize)]
pub(super) struct Quote {
    pub trades_state: String,
    pub last: Option<String>,
    pub last_qty: Option<String>,
    pub last_side: Option<String>,
    pub last_at: Option<String>,
}

/// Why there is no answer, in the words of whoever refused it.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Refused {
    pub text: String,
    /// What the refusal says of itself, where the engine is there.
    pub envelope: Option<Envelope>,
}

impl Refused {
    fn new(text: impl Into<String>) -> Refused {
        Refused { text: text.into(), envelope: None }
    }
}

/// Asks the engine of one folder.
pub(super) struct Asking {
    upstream: Upstream,
    symbols: Vec<String>,
}

impl Asking {
    pub fn new(folder: DataFolder, symbols: &[String]) -> anyhow::Result<Asking> {
        Ok(Asking { upstream: Upstream::new(move || folder.find_owner())?, symbols: symbols.to_vec() })
    }

    pub fn symbols(&self) -> &[String] {
        &self.symbols
    }

    /// The quotes of all symbols, and the book of one.
    pub async fn ask(&self, chosen: usize) -> Result<(Quotes, Depth), Refused> {
        let quotes = self.call("get_quotes", json!({ "instruments": self.symbols })).await?;
        let symbol = self.symbols.get(chosen);
        let depth = self.call("get_depth", json!({ "instrument": symbol, "levels": LEVELS })).await?;
        let read = |error| Refused::new(format!("the answer cannot be read ({error}): is the engine of this version?"));
        Ok((serde_json::from_value(quotes).map_err(read)?, serde_json::from_value(depth).map_err(read)?))
    }

    /// The structured content of a tool's answer.
    async fn call(&self, tool: &str, arguments: Value) -> Result<Value, Refused> {
        let (answers, mut answer) = mpsc::channel(MESSAGES_MAX);
        let id = json!(1);
        let params = json!({ "name": tool, "arguments": arguments });
        let message = json!({ "jsonrpc": "2.0", "id": id, "method": "tools/call", "params": params });
        let request = self.upstream.request(&id, &message, &answers).await;
        request.map_err(|failure| Refused::new(failure.message))?;
        drop(answers);
        let mut last = Value::Null;
        while let Some(message) = answer.recv().await {
            last = message;
        }
        content(last)
    }
}

/// What an answer holds, or why it holds nothing.
fn content(mut answer: Value) -> Result<Value, Refused> {
    if let Some(message) = answer["error"]["message"].as_str() {
        return Err(Refused::new(message));
    }
    let result = answer["result"].take();
    if result["isError"] == json!(true) {
        let text = result["content"][0]["text"].as_str().unwrap_or("refused without a word");
        let envelope = serde_json::from_value(result["structuredContent"].clone()).ok();
        return Err(Refused { text: text.to_owned(), envelope });
    }
    match result {
        Value::Object(mut result) => Ok(result.remove("structuredContent").unwrap_or_default()),
        _ => Err(Refused::new("the engine's answer has no result: is it of this version?")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn answers_refusals_and_errors_are_told_apart() {
        let answer = json!({ "result": { "structuredContent": { "quotes": [] }, "isError": false } });
        assert_eq!(content(answer), Ok(json!({ "quotes": [] })));
        let said =
            json!({ "mode": "PAPER", "data": "REAL", "as_of": null, "seq": 7, "age_ms": null, "feed_state": null });
        let refusal = json!({ "result": {
            "structuredContent": said, "isError": true, "content": [{ "type": "text", "text": "no such thing" }]
        } });
        let refused = content(refusal).unwrap_err();
        assert_eq!((refused.text.as_str(), refused.envelope.unwrap().seq), ("no such thing", Some(7)));
        let error = json!({ "error": { "code": -32_600, "message": "not so" } });
        assert_eq!(content(error), Err(Refused::new("not so")));
        assert!(content(Value::Null).is_err());
    }
}
