//! `tidegate mcp`: the engine's MCP endpoint on standard input and output.
//!
//! One JSON-RPC message per line, in both directions; nothing else is ever written. Requests run
//! concurrently and are answered as they finish. Every request is answered or was cancelled: an engine
//! that is gone is an error with the request's id, so that no client waits for ever.

pub(crate) mod upstream;

use crate::data_folder::{Endpoint, NoOwner};
use crate::guard::BODY_BYTES_MAX;
use crate::json_rpc::{INTERNAL_ERROR, INVALID_REQUEST, PARSE_ERROR, check, error, id_of};
use serde_json::Value;
use std::collections::HashMap;
use std::io;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;
use tokio::io::{AsyncBufRead, AsyncBufReadExt, AsyncWrite, AsyncWriteExt, BufReader};
use tokio::sync::{OwnedSemaphorePermit, Semaphore, mpsc};
use tokio::task::JoinSet;
use tokio::time::timeout;
use tokio_util::sync::CancellationToken;
use upstream::{Failure, Upstream};

// What the server would refuse is not worth holding here.
const LINE_BYTES_MAX: usize = BODY_BYTES_MAX;
const REQUESTS_MAX: usize = 32;
const ANSWERS_QUEUED_MAX: usize = 64;
// A client that closed its end may still read: answers under way are given this long.
const END_GRACE: Duration = Duration::from_secs(10);

/// Connects stdin and stdout to the engine that `find` finds, until stdin ends.
///
/// The engine need not run yet, and may be replaced meanwhile: it is looked up when it is needed.
///
/// # Errors
/// Where stdin cannot be read, or stdout cannot be written.
pub async fn proxy(find: impl Fn() -> Result<Endpoint, NoOwner> + Send + Sync + 'static) -> anyhow::Result<()> {
    Ok(run(BufReader::new(tokio::io::stdin()), tokio::io::stdout(), find).await?)
}

async fn run(
    mut input: impl AsyncBufRead + Unpin,
    output: impl AsyncWrite + Unpin + Send + 'static,
    find: impl Fn() -> Result<Endpoint, NoOwner> + Send + Sync + 'static,
) -> io::Result<()> {
    let (answers, queue) = mpsc::channel(ANSWERS_QUEUED_MAX);
    let writer = tokio::spawn(write_lines(queue, output));
    let proxy = Arc::new(Proxy {
        upstream: Upstream::new(find).map_err(io::Error::other)?,
        answers,
        running: Mutex::new(HashMap::new()),
        places: Arc::new(Semaphore::new(REQUESTS_MAX)),
    });
    let mut tasks = JoinSet::new();
    loop {
        let line = tokio::select! {
            line = next_line(&mut input) => line?,
            // Nobody reads any more: there is nothing left to do.
            () = proxy.answers.closed() => None,
        };
        match line {
            Some(line) => proxy.handle(line, &mut tasks).await,
            None => break,
        }
        while tasks.try_join_next().is_some() {}
    }
    let _ = timeout(END_GRACE, async { while tasks.join_next().await.is_some() {} }).await;
    tasks.shutdown().await;
    drop(proxy);
    writer.await.map_err(io::Error::other)?
}

/// One line of input.
#[derive(Debug, PartialEq)]
enum Line {
    Text(Vec<u8>),
    TooLong,
}

/// Reads up to the next line break. A line beyond the limit is skipped, never held.
async fn next_line(input: &mut (impl AsyncBufRead + Unpin)) -> io::Result<Option<Line>> {
    let mut text = Vec::new();
    let mut is_too_long = false;
    let mut is_empty = true;
    loop {
        let available = input.fill_buf().await?;
        if available.is_empty() && is_empty {
            return Ok(None);
        }
        is_empty = false;
        let end = available.iter().position(|&byte| byte == b'\n');
        let taken = end.unwrap_or(available.len());
        is_too_long |= text.len() + taken > LINE_BYTES_MAX;
        if is_too_long {
            text.clear();
        } else {
            text.extend_from_slice(&available[..taken]);
        }
        let is_last = end.is_some() || available.is_empty();
        input.consume(taken + usize::from(end.is_some()));
        if is_last {
            return Ok(Some(if is_too_long { Line::TooLong } else { Line::Text(text) }));
        }
    }
}

async fn write_lines(mut queue: mpsc::Receiver<Value>, mut output: impl AsyncWrite + Unpin) -> io::Result<()> {
    while let Some(message) = queue.recv().await {
        // Serialised JSON holds no line break: one message is one line.
        let mut line = message.to_string();
        line.push('\n');
        output.write_all(line.as_bytes()).await?;
        output.flush().await?;
    }
    Ok(())
}

struct Proxy {
    upstream: Upstream,
    answers: mpsc::Sender<Value>,
    /// Requests under way, by the text of their id.
    running: Mutex<HashMap<String, CancellationToken>>,
    places: Arc<Semaphore>,
}

impl Proxy {
    async fn handle(self: &Arc<Proxy>, line: Line, tasks: &mut JoinSet<()>) {
        let text = match line {
            Line::Text(text) if text.trim_ascii().is_empty() => return,
            Line::Text(text) => text,
            Line::TooLong => {
                let message =
                    format!("The line is longer than {LINE_BYTES_MAX} bytes; split the call into smaller ones.");
                return self.send(error(&Value::Null, INVALID_REQUEST, &message, "too_large", false)).await;
            }
        };
        let message: Value = match serde_json::from_slice(&text) {
            Ok(message) => message,
            Err(reason) => {
                let message = format!("The line is no JSON ({reason}); send one JSON-RPC message per line.");
                return self.send(error(&Value::Null, PARSE_ERROR, &message, "parse_error", false)).await;
            }
        };
        if let Err(reason) = check(&message) {
            return self.send(error(id_of(&message), INVALID_REQUEST, &reason, "invalid_request", false)).await;
        }
        let method = message.get("method").and_then(Value::as_str);
        match (method, message.get("id")) {
            (Some("notifications/cancelled"), None) => self.cancel(&message),
            (Some(_), Some(id)) => self.start(id.clone(), message, tasks).await,
            (Some(_), None) => self.notify(message, tasks),
            // The engine asks the client nothing, so an answer from it belongs to no question.
            (None, _) => {}
        }
    }

    async fn start(self: &Arc<Proxy>, id: Value, message: Value, tasks: &mut JoinSet<()>) {
        let Ok(place) = Arc::clone(&self.places).try_acquire_owned() else {
            let text = format!("{REQUESTS_MAX} requests are under way; wait for one of them and send this one again.");
            return self.send(error(&id, INTERNAL_ERROR, &text, "too_many_requests", true)).await;
        };
        let cancelled = CancellationToken::new();
        let is_new = {
            let mut running = self.running.lock().unwrap_or_else(PoisonError::into_inner);
            let is_new = !running.contains_key(&id.to_string());
            if is_new {
                running.insert(id.to_string(), cancelled.clone());
            }
            is_new
        };
        if is_new {
            tasks.spawn(Arc::clone(self).answer(id, message, cancelled, place));
        } else {
            let text = "A request with this id is under way; use an id once.";
            self.send(error(&id, INVALID_REQUEST, text, "invalid_request", false)).await;
        }
    }

    async fn answer(
        self: Arc<Proxy>,
        id: Value,
        message: Value,
        cancelled: CancellationToken,
        place: OwnedSemaphorePermit,
    ) {
        let _place = place;
        tokio::select! {
            // Dropping the exchange closes its connection, which cancels the work in the engine; a
            // cancelled request is not answered.
            () = cancelled.cancelled() => {}
            result = self.upstream.request(&id, &message, &self.answers) => {
                if let Err(Failure { message, code, is_retryable }) = result {
                    self.send(error(&id, INTERNAL_ERROR, &message, code, is_retryable)).await;
                }
            }
        }
        self.running.lock().unwrap_or_else(PoisonError::into_inner).remove(&id.to_string());
    }

    fn notify(self: &Arc<Proxy>, message: Value, tasks: &mut JoinSet<()>) {
        // A notification has no answer, so one too many can only be dropped.
        let Ok(place) = Arc::clone(&self.places).try_acquire_owned() else { return };
        let proxy = Arc::clone(self);
        tasks.spawn(async move {
            let _place = place;
            if let Err(failure) = proxy.upstream.notify(&message).await {
                tracing::warn!(reason = failure.message, "a notification did not reach the engine");
            }
        });
    }

    fn cancel(&self, message: &Value) {
        let Some(id) = message.pointer("/params/requestId") else { return };
        if let Some(cancelled) = self.running.lock().unwrap_or_else(PoisonError::into_inner).get(&id.to_string()) {
            cancelled.cancel();
        }
    }

    async fn send(&self, message: Value) {
        // Fails only when stdout is gone, which ends the proxy anyway.
        let _ = self.answers.send(message).await;
    }
}

#[cfg(test)]
#[path = "stdio_tests.rs"]
mod tests;
