//! The engine as this proxy sees it: one HTTP exchange per message.

use crate::data_folder::{Endpoint, NoOwner, VERSION};
use crate::same_version::VERSION_HEADER;
use anyhow::Context;
use base64::Engine as _;
use base64::prelude::BASE64_STANDARD;
use reqwest::header::{ACCEPT, CONTENT_TYPE, HeaderMap, HeaderName, HeaderValue};
use reqwest::{Client, Response, StatusCode};
use serde_json::Value;
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};
use tidegate_feeds::driver::install_tls_provider;
use tokio::sync::mpsc;
use tokio::time::sleep;

const CONNECT_TIMEOUT: Duration = Duration::from_secs(5);
// Above the server's own limit, so that its words reach the client before ours.
const READ_TIMEOUT: Duration = Duration::from_secs(60);
// Below the server's limit for idle connections: a request must not meet a connection that closes.
const IDLE_TIMEOUT: Duration = Duration::from_secs(15);
const ANSWER_BYTES_MAX: usize = 4 * 1024 * 1024;

// An engine that starts recovers its recording first; clients give `initialize` half a minute and more.
const START_PATIENCE: Duration = Duration::from_secs(10);
const START_RETRY: Duration = Duration::from_millis(20);
// An engine that was killed is refused a few times before its successor has taken its place.
const REFUSED_MAX: u32 = 10;

const VERSION_META: &str = "/params/_meta/io.modelcontextprotocol~1protocolVersion";
const STANDARD_HEADERS_SINCE: &str = "2026-07-28";
const EVENT_STREAM: &str = "text/event-stream";

/// Why a message was not answered.
#[derive(Debug)]
pub struct Failure {
    /// One sentence with the fix.
    pub message: String,
    /// Stable name of the reason.
    pub code: &'static str,
    /// Whether the same message may be answered later.
    pub is_retryable: bool,
}

type Find = dyn Fn() -> Result<Endpoint, NoOwner> + Send + Sync;

/// The engine's HTTP endpoint, found when it is needed and again when it has moved.
pub struct Upstream {
    client: Mutex<Client>,
    find: Box<Find>,
    endpoint: Mutex<Option<Endpoint>>,
    /// What `initialize` agreed on; requests of that era do not repeat it.
    negotiated: Mutex<Option<String>>,
}

fn client() -> reqwest::Result<Client> {
    Client::builder()
        // A proxy from the environment would get the bearer, and could not reach loopback anyway.
        .no_proxy()
        .redirect(reqwest::redirect::Policy::none())
        .connect_timeout(CONNECT_TIMEOUT)
        .read_timeout(READ_TIMEOUT)
        .pool_idle_timeout(IDLE_TIMEOUT)
        .build()
}

impl Upstream {
    /// An upstream that asks `find` where the engine listens.
    pub fn new(find: impl Fn() -> Result<Endpoint, NoOwner> + Send + Sync + 'static) -> anyhow::Result<Upstream> {
        install_tls_provider();
        let client = Mutex::new(client().context("cannot make an HTTP client")?);
        Ok(Upstream { client, find: Box::new(find), endpoint: Mutex::new(None), negotiated: Mutex::new(None) })
    }

    /// An engine went away in the middle of a message. Whatever other connections to it are kept open lead nowhere,
    /// even where the next engine listens at the same address.
    fn gone(&self, error: &reqwest::Error) -> Failure {
        if let Ok(fresh) = client() {
            *self.client.lock().unwrap_or_else(PoisonError::into_inner) = fresh;
        }
        gone(error)
    }

    /// Sends a request and passes on what comes back, the answer last.
    pub async fn request(&self, id: &Value, message: &Value, answers: &mpsc::Sender<Value>) -> Result<(), Failure> {
        let response = self.post(message).await?;
        let status = response.status();
        if is_event_stream(&response) {
            return unfold(response, id, answers).await;
        }
        let body = read(response).await?;
        match serde_json::from_slice::<Value>(&body) {
            Ok(mut answer) if is_answer(&answer) => {
                // Errors found before the request was understood come without its id.
                answer["id"] = id.clone();
                self.note_version(message, &answer);
                // Fails only when stdout is gone.
                let _ = answers.send(answer).await;
                Ok(())
            }
            other => Err(refused(status, other.ok().as_ref())),
        }
    }

    /// Sends a notification; whatever comes back is not for the client.
    pub async fn notify(&self, message: &Value) -> Result<(), Failure> {
        let response = self.post(message).await?;
        if response.status().is_success() { Ok(()) } else { Err(refused(response.status(), None)) }
    }

    async fn post(&self, message: &Value) -> Result<Response, Failure> {
        let headers = self.headers(message)?;
        let body = message.to_string();
        let known = self.endpoint.lock().unwrap_or_else(PoisonError::into_inner).clone();
        if let Some(endpoint) = known {
            match self.post_to(&endpoint, &headers, &body).await {
                // The engine was restarted elsewhere, or another one listens there now. Neither has
                // seen the message, so sending it again is safe.
                Err(error) if error.is_connect() => {}
                Ok(response) if matches!(response.status(), StatusCode::UNAUTHORIZED | StatusCode::CONFLICT) => {}
                other => return other.map_err(|error| self.gone(&error)),
            }
        }
        self.post_to_found(&headers, &body).await
    }

    /// Looks the engine up, and waits for one that is starting: nobody has seen the message yet.
    async fn post_to_found(&self, headers: &HeaderMap, body: &str) -> Result<Response, Failure> {
        let deadline = Instant::now() + START_PATIENCE;
        let mut refused = 0;
        loop {
            let found = (self.find)();
            self.endpoint.lock().unwrap_or_else(PoisonError::into_inner).clone_from(&found.as_ref().ok().cloned());
            match found {
                Ok(endpoint) => match self.post_to(&endpoint, headers, body).await {
                    Err(error) if error.is_connect() && refused < REFUSED_MAX => refused += 1,
                    other => return other.map_err(|error| self.gone(&error)),
                },
                Err(NoOwner::Starting { .. }) if Instant::now() < deadline => {}
                Err(reason) => return Err(unavailable(&reason)),
            }
            sleep(START_RETRY).await;
        }
    }

    async fn post_to(&self, endpoint: &Endpoint, headers: &HeaderMap, body: &str) -> reqwest::Result<Response> {
        let client = self.client.lock().unwrap_or_else(PoisonError::into_inner).clone();
        let request = client.post(&endpoint.url).headers(headers.clone()).body(body.to_owned());
        request.bearer_auth(endpoint.bearer.expose()).send().await
    }

    /// The headers that the transport wants beside the body (2026-07-28, streamable HTTP).
    fn headers(&self, message: &Value) -> Result<HeaderMap, Failure> {
        let method = message["method"].as_str().unwrap_or_default();
        let mut headers = HeaderMap::new();
        headers.insert(ACCEPT, HeaderValue::from_static("application/json, text/event-stream"));
        headers.insert(CONTENT_TYPE, HeaderValue::from_static("application/json"));
        headers.insert(VERSION_HEADER, HeaderValue::from_static(VERSION));
        let own = message.pointer(VERSION_META).and_then(Value::as_str).map(str::to_owned);
        // `initialize` names the version in its parameters; a header would have to agree with them.
        let agreed = || self.negotiated.lock().unwrap_or_else(PoisonError::into_inner).clone();
        let Some(version) = own.or_else(|| if method == "initialize" { None } else { agreed() }) else {
            return Ok(headers);
        };
        insert(&mut headers, "mcp-protocol-version", &version)?;
        if version.as_str() >= STANDARD_HEADERS_SINCE {
            insert(&mut headers, "mcp-method", method)?;
            if let Some(name) = routed_name(method, message) {
                insert(&mut headers, "mcp-name", &header_text(name))?;
            }
        }
        Ok(headers)
    }

    fn note_version(&self, message: &Value, answer: &Value) {
        if message["method"] == "initialize"
            && let Some(version) = answer.pointer("/result/protocolVersion").and_then(Value::as_str)
        {
            *self.negotiated.lock().unwrap_or_else(PoisonError::into_inner) = Some(version.to_owned());
        }
    }
}

/// The parameter that `Mcp-Name` repeats (SEP-2243, SEP-2663).
fn routed_name<'a>(method: &str, message: &'a Value) -> Option<&'a str> {
    let field = match method {
        "tools/call" | "prompts/get" => "name",
        "resources/read" | "resources/subscribe" | "resources/unsubscribe" => "uri",
        "tasks/get" | "tasks/update" | "tasks/cancel" => "taskId",
        _ => return None,
    };
    message["params"][field].as_str()
}

/// `text` as SEP-2243 lets it travel in a header: as it is, or wrapped where it would not survive.
fn header_text(text: &str) -> String {
    const PREFIX: &str = "=?base64?";
    const SUFFIX: &str = "?=";
    let is_plain = text.bytes().all(|byte| (0x20..=0x7e).contains(&byte));
    let is_trimmed = text.trim_matches([' ', '\t']) == text;
    if is_plain && is_trimmed && !(text.starts_with(PREFIX) && text.ends_with(SUFFIX)) {
        return text.to_owned();
    }
    format!("{PREFIX}{}{SUFFIX}", BASE64_STANDARD.encode(text))
}

fn insert(headers: &mut HeaderMap, name: &'static str, value: &str) -> Result<(), Failure> {
    let value = HeaderValue::from_str(value).map_err(|_| Failure {
        message: format!("The message's value for the header {name} holds control characters; correct it."),
        code: "invalid_request",
        is_retryable: false,
    })?;
    headers.insert(HeaderName::from_static(name), value);
    Ok(())
}

fn is_event_stream(response: &Response) -> bool {
    let kind = response.headers().get(CONTENT_TYPE).and_then(|kind| kind.to_str().ok());
    kind.is_some_and(|kind| kind.starts_with(EVENT_STREAM))
}

fn is_answer(message: &Value) -> bool {
    message.get("jsonrpc").is_some() && (message.get("result").is_some() || message.get("error").is_some())
}

async fn read(mut response: Response) -> Result<Vec<u8>, Failure> {
    let mut body = Vec::new();
    while let Some(chunk) = response.chunk().await.map_err(|error| gone(&error))? {
        body.extend_from_slice(&chunk);
        if body.len() > ANSWER_BYTES_MAX {
            return Err(oversized());
        }
    }
    Ok(body)
}

/// Passes on the messages of a stream of server-sent events until the one that answers `id`.
async fn unfold(mut response: Response, id: &Value, answers: &mpsc::Sender<Value>) -> Result<(), Failure> {
    let mut events = Events::default();
    while let Some(chunk) = response.chunk().await.map_err(|error| gone(&error))? {
        for message in events.push(&chunk)? {
            let is_last = is_answer(&message) && message["id"] == *id;
            let _ = answers.send(message).await;
            if is_last {
                return Ok(());
            }
        }
    }
    Err(Failure {
        message: "The engine ended its stream without an answer; ask again.".to_owned(),
        code: "engine_unavailable",
        is_retryable: true,
    })
}

/// A reader of server-sent events that keeps what is not whole yet.
#[derive(Default)]
struct Events {
    line: Vec<u8>,
    data: Vec<u8>,
}

impl Events {
    fn push(&mut self, chunk: &[u8]) -> Result<Vec<Value>, Failure> {
        let mut messages = Vec::new();
        for &byte in chunk {
            if byte != b'\n' {
                self.line.push(byte);
                if self.line.len() + self.data.len() > ANSWER_BYTES_MAX {
                    return Err(oversized());
                }
                continue;
            }
            let line = std::mem::take(&mut self.line);
            let line = line.strip_suffix(b"\r").unwrap_or(&line);
            if let Some(data) = line.strip_prefix(b"data:") {
                // Lines of one event are joined by a line break, which JSON takes for a blank.
                self.data.extend_from_slice(data);
                self.data.push(b'\n');
            } else if line.is_empty() {
                // An event without data, or with data that is no message, only keeps the line open.
                messages.extend(serde_json::from_slice::<Value>(&std::mem::take(&mut self.data)).ok());
            }
        }
        Ok(messages)
    }
}

fn unavailable(reason: &NoOwner) -> Failure {
    let code = match reason {
        NoOwner::OtherVersion { .. } => "other_version",
        _ => "engine_unavailable",
    };
    // Another version, or a choice between replays, is for a person to resolve.
    let is_retryable = !matches!(reason, NoOwner::OtherVersion { .. } | NoOwner::Several { .. });
    Failure { message: reason.to_string(), code, is_retryable }
}

fn gone(error: &reqwest::Error) -> Failure {
    let message = if error.is_timeout() {
        "The engine did not answer in time; ask again."
    } else {
        "The engine went away before it answered; ask again in a moment, once another has taken its place."
    };
    Failure { message: message.to_owned(), code: "engine_unavailable", is_retryable: true }
}

fn oversized() -> Failure {
    Failure {
        message: format!("The answer is larger than {ANSWER_BYTES_MAX} bytes; ask for less."),
        code: "too_large",
        is_retryable: false,
    }
}

/// An HTTP refusal that is no JSON-RPC answer, in the server's own words where it gave any.
fn refused(status: StatusCode, body: Option<&Value>) -> Failure {
    let words = body.and_then(|body| body["message"].as_str());
    let is_retryable = status.is_server_error()
        || matches!(status, StatusCode::REQUEST_TIMEOUT | StatusCode::TOO_MANY_REQUESTS | StatusCode::UNAUTHORIZED);
    Failure {
        message: words.map_or_else(|| format!("The engine refused the message: HTTP {status}."), str::to_owned),
        code: "engine_refused",
        is_retryable,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn headers(upstream: &Upstream, message: Value) -> Vec<(String, String)> {
        let headers = upstream.headers(&message).unwrap();
        let text = |(name, value): (&HeaderName, &HeaderValue)| (name.to_string(), value.to_str().unwrap().to_owned());
        headers.iter().map(text).filter(|(name, _)| name.starts_with("mcp-")).collect()
    }

    fn upstream() -> Upstream {
        Upstream::new(|| Err(anyhow::anyhow!("no engine").into())).unwrap()
    }

    fn pairs(pairs: &[(&str, &str)]) -> Vec<(String, String)> {
        pairs.iter().map(|(name, value)| (name.to_string(), value.to_string())).collect()
    }

    #[test]
    fn headers_repeat_what_each_era_wants_repeated() {
        let upstream = upstream();
        let modern = json!({ "io.modelcontextprotocol/protocolVersion": "2026-07-28" });
        let call = json!({ "method": "tools/call", "params": { "name": "get_depth", "_meta": modern } });
        assert_eq!(
            headers(&upstream, call),
            pairs(&[("mcp-protocol-version", "2026-07-28"), ("mcp-method", "tools/call"), ("mcp-name", "get_depth")])
        );
        let list = json!({ "method": "tools/list" });
        assert_eq!(headers(&upstream, list.clone()), [], "nothing is agreed on yet");

        let initialize = json!({ "method": "initialize", "params": { "protocolVersion": "2025-11-25" } });
        upstream.note_version(&initialize, &json!({ "result": { "protocolVersion": "2025-11-25" } }));
        assert_eq!(headers(&upstream, list), pairs(&[("mcp-protocol-version", "2025-11-25")]));
        assert_eq!(headers(&upstream, initialize), []);
    }

    #[test]
    fn a_name_that_no_header_can_hold_is_wrapped_or_refused() {
        assert_eq!(header_text("get_depth"), "get_depth");
        assert_eq!(header_text("日本"), "=?base64?5pel5pys?=");
        assert_eq!(header_text(" x"), "=?base64?IHg=?=");
        assert_eq!(header_text("a\r\nb"), "=?base64?YQ0KYg==?=");
        assert_eq!(header_text("=?base64?eA==?="), "=?base64?PT9iYXNlNjQ/ZUE9PT89?=");
        let meta = json!({ "io.modelcontextprotocol/protocolVersion": "2026-07-28\r\nHost: evil" });
        let failure = upstream().headers(&json!({ "method": "x", "params": { "_meta": meta } })).unwrap_err();
        assert!(!failure.is_retryable && failure.message.contains("mcp-protocol-version"));
    }

    #[test]
    fn events_are_whole_however_they_arrive() {
        let stream = b": ping\n\nid: 0\nretry: 3000\ndata:\n\nevent: message\r\ndata: {\"a\":\r\ndata: 1}\r\n\r\ndata:{\"b\":2}\n\n";
        for size in [1, 3, 7, stream.len()] {
            let mut events = Events::default();
            let got: Vec<Value> = stream.chunks(size).flat_map(|chunk| events.push(chunk).unwrap()).collect();
            assert_eq!(got, [json!({ "a": 1 }), json!({ "b": 2 })], "chunks of {size}");
        }
        assert!(Events::default().push(&vec![b'x'; ANSWER_BYTES_MAX + 1]).is_err());
    }
}
