//! A conversation such as an agent has: what is asked and answered is kept, word for word but for numbers and names that
//! the market makes, and counted with a model's tokenizer.

use crate::stdio_client::StdioClient;
use serde_json::{Value, json};
use std::path::PathBuf;
use tempfile::tempdir;

/// Of one answer, in both channels together, and of the whole conversation without the schemas.
const ANSWER_TOKENS_MAX: usize = 1_500;
const CONVERSATION_TOKENS_MAX: usize = 5_000;
const FIVE: [&str; 5] = ["NSE:RELIANCE", "NSE:INFY", "NSE:HDFCBANK", "NSE:SBIN", "NSE:TCS"];

fn tokens(text: &str) -> usize {
    tiktoken_rs::o200k_base_singleton().encode_ordinary(text).len()
}

/// Every number as `#`, and what the market ranks as `NSE:*`.
fn settled(value: &Value, is_ranked: bool) -> Value {
    let settle = |text: &str| {
        let words = text.split_inclusive([' ', '\n', ',', '[', ']', '|']);
        let word = |word: &str| {
            let name = word.trim_end_matches([' ', '\n', ',', '[', ']', '|']);
            let rest = &word[name.len()..];
            if is_ranked && name.starts_with("NSE:") { format!("NSE:*{rest}") } else { digits(name) + rest }
        };
        words.map(word).collect::<String>()
    };
    match value {
        Value::Object(fields) => fields.iter().map(|(name, field)| (name.clone(), settled(field, is_ranked))).collect(),
        Value::Array(items) => items.iter().map(|item| settled(item, is_ranked)).collect(),
        Value::Number(_) => json!("#"),
        Value::String(text) => json!(settle(text)),
        other => other.clone(),
    }
}

/// Numbers, with their signs, fractions and instants, as `#`.
fn digits(word: &str) -> String {
    let mut out = String::new();
    for letter in word.chars() {
        match letter {
            '0'..='9' if out.ends_with('#') => {}
            '0'..='9' => out.push('#'),
            '.' | '-' | ':' | 'T' | 'Z' if out.ends_with('#') => {}
            letter => out.push(letter),
        }
    }
    out.trim_start_matches('-').to_owned()
}

#[test]
fn an_agent_reads_screens_and_waits_within_its_budget() {
    let folder = tempdir().unwrap();
    let mut client = StdioClient::start(folder.path());
    let initialize = json!({
        "protocolVersion": "2025-11-25", "capabilities": {}, "clientInfo": {"name": "agent", "version": "1"}
    });
    client.request("initialize", &initialize);
    while client.call("get_status", &json!({}))["feeds_live"].as_u64() < Some(52) {}
    let mut handle = Value::Null;
    let wait = |handle: &Value| {
        let mut asked = json!({
            "instrument": "NSE:INFY", "condition": "crosses_above(close, sma(close, 3))", "interval": "1s", "wait_s": 25
        });
        if handle.is_string() {
            asked["handle"] = handle.clone();
        }
        asked
    };
    let indicators = json!({
        "instruments": FIVE, "interval": "1d",
        "expressions": ["rsi(14)", "macd(12, 26, 9).macd", "macd(12, 26, 9).signal"]
    });
    let screen = json!({
        "condition": "rsi(14) > 0 and close > 0", "of": "NSE:NIFTY", "interval": "1d", "rank_by": "rsi(14)", "limit": 5
    });
    let (mut lines, mut all) = (Vec::new(), 0);
    for (tool, arguments, is_ranked) in [
        ("compute_indicators", indicators, false),
        ("screen_instruments", screen, true),
        ("wait_for", wait(&handle), false),
    ] {
        let mut asked = arguments;
        let answer = loop {
            let answer = client.request("tools/call", &json!({"name": tool, "arguments": asked}))["result"].clone();
            assert_eq!(answer["isError"], json!(false), "{answer}");
            let said = &answer["structuredContent"];
            handle = said["handle"].clone();
            // What was true already, or is of the first second, reads otherwise.
            if tool != "wait_for" {
                // Before the first trade there is no age.
                if said["age_ms"].is_number() {
                    break answer;
                }
                continue;
            }
            let is_usual = said["seen_by"] == "watch" && said["incomplete"] == json!(false);
            if is_usual && !handle.is_string() {
                break answer;
            }
            asked = wait(&handle);
        };
        let text = answer["content"][0]["text"].as_str().unwrap();
        let [question, structured, shown] =
            [asked.to_string(), answer["structuredContent"].to_string(), text.to_owned()].map(|text| tokens(&text));
        println!("{tool}: asked in {question}, answered in {structured} and {shown} tokens");
        assert!(structured + shown <= ANSWER_TOKENS_MAX, "{tool}: {structured} and {shown} tokens");
        all += question + structured + shown;
        asked.as_object_mut().unwrap().remove("handle");
        let mut said = json!({ "text": text, "structured": answer["structuredContent"] });
        if said["structured"]["cursor"].is_string() {
            said["structured"]["cursor"] = json!("<cursor>");
        }
        lines.push(json!({ "tool": tool, "asked": asked, "answered": settled(&said, is_ranked) }));
    }
    println!("the conversation: {all} of {CONVERSATION_TOKENS_MAX} tokens");
    assert!(all <= CONVERSATION_TOKENS_MAX);
    client.close();
    let text = format!("{:#}\n", json!(lines));
    let path = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("conversation.json");
    if std::env::var("TIDEGATE_GOLDEN").is_ok_and(|what| what == "write") {
        std::fs::write(&path, &text).unwrap();
    }
    assert!(std::fs::read_to_string(&path).unwrap_or_default() == text, "{} is another:\n{text}", path.display());
}
