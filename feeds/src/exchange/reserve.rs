//! A capture served again: its messages to whoever subscribes, its snapshot over REST, and beside it what the venue
//! says of the connection itself: answers and heartbeats.

use super::{Reply, Socket, Venue, kraken};
use crate::capture::{Format, Line, Reader, decode_binary};
use crate::venue;
use bytes::Bytes;
use futures::future::BoxFuture;
use futures::stream::{SplitSink, SplitStream};
use futures::{SinkExt, StreamExt};
use serde::Deserialize;
use serde_json::{Value, json};
use std::io;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;
use tidegate_core::Nanos;
use tokio::sync::{mpsc, watch};
use tokio::time::{Instant, MissedTickBehavior};
use tokio_tungstenite::tungstenite::{Error, Message};

/// Messages read ahead of the socket.
const AHEAD_MAX: usize = 1_024;
/// Answers that wait for the socket.
const ANSWERS_MAX: usize = 64;
/// How long the capture waits at its snapshot for somebody to fetch it.
const SNAPSHOT_PATIENCE: Duration = Duration::from_secs(10);
/// How often a venue with heartbeats sends one.
const HEARTBEAT_EVERY: Duration = Duration::from_secs(1);

/// A capture, to be served again to each client from its beginning.
pub struct Reserve {
    venue: venue::Venue,
    paths: Vec<PathBuf>,
    /// Seconds of the capture that pass in a second; `None`: as fast as the reader reads.
    speed: Option<f64>,
    /// The REST answer, at the venues that have one.
    snapshot: Option<String>,
    /// How often the snapshot has been fetched.
    fetched: watch::Sender<u64>,
}

struct Captured {
    receive_ts: Nanos,
    message: Message,
    is_snapshot: bool,
}

/// What has to come before the next message of the capture is said.
enum Wait {
    /// Its time.
    Until(Instant, Message),
    /// The client's own snapshot may be late at full speed, and its buffer has a bound.
    Fetched(Instant),
}

impl Reserve {
    /// Reads the captures through once, as far as something to serve: at Binance their snapshot.
    ///
    /// # Errors
    /// Where a file cannot be read, or none holds that.
    pub fn new(venue: venue::Venue, paths: Vec<PathBuf>, speed: Option<f64>) -> io::Result<Reserve> {
        let wants_snapshot = matches!(venue, venue::Venue::Binance(_));
        let mut first = None;
        read(venue, &paths, |captured| {
            if captured.is_snapshot == wants_snapshot {
                first = Some(captured.message);
            }
            first.is_none()
        })?;
        let snapshot = match first {
            None if wants_snapshot => return Err(io::Error::other("the capture holds no snapshot to serve")),
            None => return Err(io::Error::other("the capture holds no message to serve")),
            Some(Message::Text(text)) if wants_snapshot => Some(text.to_string()),
            Some(_) => None,
        };
        Ok(Reserve { venue, paths, speed, snapshot, fetched: watch::Sender::new(0) })
    }

    /// Plays the capture to one client; what it holds of snapshots is left to REST. The end of the capture is no end
    /// of the connection: a venue that has nothing to say stays.
    async fn play(
        &self,
        mut messages: mpsc::Receiver<Captured>,
        mut answers: mpsc::Receiver<Message>,
        mut client: SplitSink<Socket, Message>,
    ) -> Result<(), Error> {
        let mut fetched = self.fetched.subscribe();
        let before = *fetched.borrow();
        let mut began: Option<(Instant, Nanos)> = None;
        let mut heartbeats = tokio::time::interval(HEARTBEAT_EVERY);
        heartbeats.set_missed_tick_behavior(MissedTickBehavior::Delay);
        let (mut wait, mut is_over) = (None, false);
        loop {
            tokio::select! {
                biased;
                Some(answer) = answers.recv() => client.send(answer).await?,
                () = over(wait.as_ref(), &mut fetched, before), if wait.is_some() => {
                    if let Some(Wait::Until(_, message)) = wait.take() {
                        client.feed(message).await?;
                    }
                }
                captured = messages.recv(), if wait.is_none() && !is_over => match captured {
                    None => {
                        is_over = true;
                        client.flush().await?;
                    }
                    Some(Captured { is_snapshot: true, .. }) => {
                        client.flush().await?;
                        wait = Some(Wait::Fetched(Instant::now() + SNAPSHOT_PATIENCE));
                    }
                    Some(Captured { receive_ts, message, .. }) => match self.due(&mut began, receive_ts) {
                        Some(at) => {
                            client.flush().await?;
                            wait = Some(Wait::Until(at, message));
                        }
                        None => client.feed(message).await?,
                    },
                },
                _ = heartbeats.tick() => if let Some(heartbeat) = heartbeat(self.venue) {
                    client.send(heartbeat).await?;
                },
            }
        }
    }

    /// When a message is due that the capture received at `receive_ts`, unless that is at once.
    fn due(&self, began: &mut Option<(Instant, Nanos)>, receive_ts: Nanos) -> Option<Instant> {
        let speed = self.speed?;
        let (at, first) = *began.get_or_insert_with(|| (Instant::now(), receive_ts));
        let passed = u64::try_from(receive_ts.since(first).raw()).unwrap_or(0);
        Some(at + Duration::from_nanos(passed).div_f64(speed)).filter(|due| *due > Instant::now())
    }

    /// Answers requests until the client has gone; the first subscription starts the capture.
    async fn listen(
        self: &Arc<Self>,
        mut requests: SplitStream<Socket>,
        answers: mpsc::Sender<Message>,
        captured: mpsc::Sender<Captured>,
    ) {
        let mut captured = Some(captured);
        // Pings are answered by the socket while it is read.
        while let Some(Ok(message)) = requests.next().await {
            let Message::Text(text) = message else { continue };
            let (answer, begins) = heard(self.venue, &text);
            if let Some(answer) = answer
                && answers.send(Message::text(answer)).await.is_err()
            {
                return;
            }
            if let Some(captured) = captured.take_if(|_| begins) {
                let reserve = Arc::clone(self);
                // Nobody listens any more when the client has gone.
                let play = move || read(reserve.venue, &reserve.paths, |it| captured.blocking_send(it).is_ok());
                if let Err(error) = std::thread::Builder::new().name("capture".to_owned()).spawn(play) {
                    return tracing::error!("the capture cannot be read: {error}");
                }
            }
        }
    }
}

impl Venue for Reserve {
    fn get(self: Arc<Self>, path: String, _query: String) -> BoxFuture<'static, Reply> {
        Box::pin(async move {
            let Some(snapshot) = self.snapshot.clone().filter(|_| path.ends_with("/depth")) else {
                return Reply::NOT_FOUND;
            };
            self.fetched.send_modify(|count| *count += 1);
            Reply::ok(snapshot)
        })
    }

    fn serve(self: Arc<Self>, _path: String, socket: Socket) -> BoxFuture<'static, ()> {
        Box::pin(async move {
            let (client, requests) = socket.split();
            let (captured, messages) = mpsc::channel(AHEAD_MAX);
            let (answers, waiting) = mpsc::channel(ANSWERS_MAX);
            tokio::select! {
                // It fails when the client has gone.
                _ = self.play(messages, waiting, client) => {}
                () = self.listen(requests, answers, captured) => {}
            }
        })
    }
}

/// Waits; `before` is how often the snapshot had been fetched when the client came.
async fn over(wait: Option<&Wait>, fetched: &mut watch::Receiver<u64>, before: u64) {
    match wait {
        Some(Wait::Until(at, _)) => tokio::time::sleep_until(*at).await,
        Some(Wait::Fetched(until)) => {
            drop(tokio::time::timeout_at(*until, fetched.wait_for(|&count| count > before)).await);
        }
        None => {}
    }
}

/// What a venue says each second when it has nothing else to say.
fn heartbeat(venue: venue::Venue) -> Option<Message> {
    match venue {
        venue::Venue::Kraken => Some(Message::text(kraken::HEARTBEAT)),
        venue::Venue::Kite => Some(Message::Binary(Bytes::from_static(&[0]))),
        // They are asked instead.
        venue::Venue::Binance(_) | venue::Venue::Angel => None,
    }
}

/// A request of any venue.
#[derive(Deserialize)]
struct WireRequest {
    /// Binance, Kraken v2.
    method: Option<String>,
    id: Option<u64>,
    req_id: Option<u64>,
    params: Option<Value>,
    /// Kraken v1.
    event: Option<String>,
    pair: Option<Value>,
    reqid: Option<u64>,
    /// Kite.
    a: Option<String>,
    /// Angel One: 1 begins a subscription.
    action: Option<u8>,
}

/// The answer to a request, if it has one, and whether it is a subscription. What it asks for does not matter: the
/// capture has what it has.
fn heard(venue: venue::Venue, text: &str) -> (Option<String>, bool) {
    if venue == venue::Venue::Angel && text == "ping" {
        return (Some("pong".to_owned()), false);
    }
    let Ok(wire) = serde_json::from_str::<WireRequest>(text) else { return (None, false) };
    let word = |word: &Option<String>, expect: &str| word.as_deref() == Some(expect);
    match venue {
        venue::Venue::Binance(_) => {
            (Some(json!({"result": null, "id": wire.id}).to_string()), word(&wire.method, "SUBSCRIBE"))
        }
        venue::Venue::Kraken => {
            let answer = match (wire.method.as_deref(), wire.event.as_deref()) {
                (Some("ping"), _) => json!({"method": "pong", "req_id": wire.req_id}),
                (Some(method), _) => {
                    json!({"method": method, "result": wire.params, "success": true, "req_id": wire.req_id})
                }
                (None, Some("ping")) => json!({"event": "pong", "reqid": wire.reqid}),
                (None, event) => {
                    let status = if event == Some("unsubscribe") { "unsubscribed" } else { "subscribed" };
                    json!({"event": "subscriptionStatus", "status": status, "pair": wire.pair, "reqid": wire.reqid})
                }
            };
            (Some(answer.to_string()), word(&wire.method, "subscribe") || word(&wire.event, "subscribe"))
        }
        venue::Venue::Kite => (None, word(&wire.a, "subscribe")),
        venue::Venue::Angel => (None, wire.action == Some(1)),
    }
}

/// Hands every message of the captures to `visit` while that returns true.
fn read(venue: venue::Venue, paths: &[PathBuf], mut visit: impl FnMut(Captured) -> bool) -> io::Result<()> {
    let format = venue.capture_format();
    let mut bytes = Vec::new();
    for path in paths {
        let mut reader = Reader::with_format(std::fs::File::open(path)?, format)?;
        while let Some(line) = reader.next_line()? {
            let Line::Frame { receive_ts, frame } = line else { continue };
            let message = if format == Format::Base64 {
                if decode_binary(frame, &mut bytes).is_err() {
                    continue;
                }
                Message::binary(bytes.clone())
            } else {
                let Ok(text) = std::str::from_utf8(frame) else { continue };
                Message::text(text)
            };
            let is_snapshot = matches!(venue, venue::Venue::Binance(_)) && !frame.starts_with(b"{\"stream\"");
            if !visit(Captured { receive_ts, message, is_snapshot }) {
                return Ok(());
            }
        }
    }
    Ok(())
}

#[cfg(test)]
#[path = "reserve_tests.rs"]
mod tests;
