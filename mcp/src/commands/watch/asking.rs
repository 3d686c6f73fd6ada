//! The questions: what any client could ask.

use crate::data_folder::DataFolder;
use crate::stdio::upstream::Upstream;
use serde::Deserialize;
use serde::de::DeserializeOwned;
use serde_json::{Value, json};
use std::time::{Duration, Instant};
use tidegate_core::INTERVALS;
use tokio::sync::mpsc;

/// Levels of each side.
pub(super) const LEVELS: usize = 10;
/// The most that `get_quotes` gives: the more, the seldomer one is missed between two questions.
const TRADES: usize = 20;
/// The most that `get_bars` gives in one answer.
const BARS: usize = 150;
/// Bars are read from the store: for a chart, a second is soon enough.
const BARS_EVERY: Duration = Duration::from_secs(1);
/// Markets open and close by the minute.
const SESSION_EVERY: Duration = Duration::from_secs(10);
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

/// An answer of `get_quotes` about one instrument.
#[derive(Clone, Debug, Default, Deserialize)]
pub(super) struct Quotes {
    pub quotes: [Quote; 1],
}

/// What is shown of a quote.
#[derive(Clone, Debug, Default, Deserialize)]
pub(super) struct Quote {
    pub trades_state: String,
    /// Price, quantity, side and time, the latest first.
    pub trades: Vec<[String; 4]>,
}

/// Rows under named columns.
#[derive(Clone, Debug, Default, Deserialize)]
pub(super) struct Table {
    columns: Vec<String>,
    pub rows: Vec<Vec<Value>>,
}

impl Table {
    /// The cell of a row under a column.
    pub fn cell<'a>(&self, row: &'a [Value], column: &str) -> Option<&'a Value> {
        row.get(self.columns.iter().position(|name| name == column)?)
    }

    /// The same where it is a text.
    pub fn text<'a>(&self, row: &'a [Value], column: &str) -> Option<&'a str> {
        self.cell(row, column)?.as_str()
    }
}

/// An answer of `get_bars`.
#[derive(Deserialize)]
struct Bars {
    bars: Table,
}

/// An answer of `find_instruments`.
#[derive(Deserialize)]
struct Found {
    matches: Table,
}

/// What one looks at.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Choice {
    /// Place among the symbols.
    pub instrument: usize,
    /// Place in [`INTERVALS`] of the bars.
    pub interval: usize,
}

/// What has been answered about a choice.
#[derive(Clone, Debug, Default)]
pub(super) struct Answers {
    pub quote: Quote,
    pub depth: Depth,
    /// Where they were due: the bars, oldest first, or why there are none.
    pub bars: Option<Result<Table, String>>,
    /// Where it was due and is known: what the instrument's market does, such as `open`.
    pub session: Option<String>,
}

/// Why there is no answer, in the words of whoever refused it.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Refused {
    pub text: String,
    /// What the refusal says of itself, where the engine is there.
    pub envelope: Option<Envelope>,
}

impl Refused {
    pub fn new(text: impl Into<String>) -> Refused {
        Refused { text: text.into(), envelope: None }
    }
}

/// A question that need not be asked each time.
#[derive(Debug)]
struct Due<K> {
    every: Duration,
    asked: Option<(K, Instant)>,
}

impl<K: PartialEq> Due<K> {
    const fn new(every: Duration) -> Due<K> {
        Due { every, asked: None }
    }

    /// True where it has not been asked about `key` for long enough; the caller asks it then.
    fn is_due(&mut self, key: K, now: Instant) -> bool {
        let is_due = self.asked.as_ref().is_none_or(|(asked, at)| *asked != key || now - *at >= self.every);
        if is_due {
            self.asked = Some((key, now));
        }
        is_due
    }
}

/// Asks the engine of one folder.
pub(super) struct Asking {
    upstream: Upstream,
    symbols: Vec<String>,
    is_checked: bool,
    bars: Due<Choice>,
    session: Due<usize>,
}

impl Asking {
    pub fn new(folder: DataFolder, symbols: &[String]) -> anyhow::Result<Asking> {
        Ok(Asking {
            upstream: Upstream::new(move || folder.find_owner())?,
            symbols: symbols.to_vec(),
            is_checked: false,
            bars: Due::new(BARS_EVERY),
            session: Due::new(SESSION_EVERY),
        })
    }

    pub fn symbols(&self) -> &[String] {
        &self.symbols
    }

    /// Trades and book of the chosen instrument, and what else is due.
    pub async fn ask(&mut self, choice: Choice) -> Result<Answers, Refused> {
        if !self.is_checked {
            // One that does not exist is told at once, not when somebody looks at it.
            self.call("get_quotes", json!({ "instruments": self.symbols })).await?;
            self.is_checked = true;
        }
        let Some(symbol) = self.symbols.get(choice.instrument).cloned() else { return Ok(Answers::default()) };
        let quotes = json!({ "instruments": [symbol], "trades": TRADES });
        let Quotes { quotes: [quote] } = self.read("get_quotes", quotes).await?;
        let depth = self.read("get_depth", json!({ "instrument": symbol, "levels": LEVELS })).await?;
        let now = Instant::now();
        let bars = if self.bars.is_due(choice, now) { Some(self.bars(&symbol, choice.interval).await) } else { None };
        let is_due = self.session.is_due(choice.instrument, now);
        let session = if is_due { self.session(&depth).await } else { None };
        Ok(Answers { quote, depth, bars, session })
    }

    /// The latest bars. What keeps them back need not keep prices back.
    async fn bars(&self, symbol: &str, interval: usize) -> Result<Table, String> {
        let interval = INTERVALS.get(interval).map(|interval| interval.name);
        let asked = json!({ "instrument": symbol, "interval": interval, "limit": BARS });
        let answer: Bars = self.read("get_bars", asked).await.map_err(|refused| refused.text)?;
        Ok(answer.bars)
    }

    /// What the market of a book's instrument does, where that is known.
    async fn session(&self, depth: &Depth) -> Option<String> {
        let asked = json!({ "query": depth.instrument, "limit": 1 });
        let Found { matches } = self.read("find_instruments", asked).await.ok()?;
        matches.text(matches.rows.first()?, "session").map(str::to_owned)
    }

    async fn read<T: DeserializeOwned>(&self, tool: &str, arguments: Value) -> Result<T, Refused> {
        let answer = self.call(tool, arguments).await?;
        serde_json::from_value(answer).map_err(|error| {
            Refused::new(format!("the answer of {tool} cannot be read ({error}): is the engine of this version?"))
        })
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

    #[test]
    fn a_question_is_due_again_for_another_key_or_after_a_while() {
        let mut due = Due::new(Duration::from_secs(1));
        let began = Instant::now();
        let at = |ms| began + Duration::from_millis(ms);
        let asked = [(1, 0), (1, 999), (1, 1000), (1, 1999), (2, 1999), (1, 1999)];
        assert_eq!(asked.map(|(key, ms)| due.is_due(key, at(ms))), [true, false, true, false, true, true]);
    }

    #[test]
    fn cells_are_found_by_the_name_of_their_column() {
        let table: Table = serde_json::from_value(json!({ "columns": ["a", "b"], "rows": [["x", 2], ["y"]] })).unwrap();
        assert_eq!((table.text(&table.rows[0], "a"), table.text(&table.rows[0], "b")), (Some("x"), None));
        assert_eq!(table.cell(&table.rows[0], "b"), Some(&json!(2)));
        assert_eq!((table.cell(&table.rows[1], "b"), table.cell(&table.rows[0], "c")), (None, None));
    }
}
