//! The one place that owns sockets: does what a [`Link`] asks for, and tells it what came of it.

use crate::Payload;
use crate::binance::codec::FRAME_BYTES_MAX;
use crate::link::{Io, Link, LinkCounters};
use futures::stream::{BoxStream, FuturesUnordered, SelectAll};
use futures::{SinkExt, StreamExt, future::BoxFuture, stream::SplitSink};
use hyper::header::HeaderMap;
use std::collections::BTreeMap;
use std::time::Duration;
use tidegate_core::{Input, Instrument, InstrumentId, Nanos};
use tokio::net::TcpStream;
use tokio::sync::mpsc;
use tokio::time::timeout;
use tokio_tungstenite::tungstenite::client::IntoClientRequest;
use tokio_tungstenite::tungstenite::protocol::WebSocketConfig;
use tokio_tungstenite::tungstenite::{Error as WebSocketError, Message};
use tokio_tungstenite::{MaybeTlsStream, WebSocketStream, connect_async_with_config};

/// How long one write, or the answer to one request, may take.
const PATIENCE: Duration = Duration::from_secs(10);
/// How long to wait after a snapshot that could not be fetched, unless the venue says how long.
const FETCH_AGAIN_AFTER: Duration = Duration::from_secs(1);
/// The longest wait that a venue is believed.
const RETRY_AFTER_MAX: Duration = Duration::from_secs(3_600);

type Stream = WebSocketStream<MaybeTlsStream<TcpStream>>;

/// The messages of one socket under its generation; `None` is its end.
type Messages = BoxStream<'static, (u64, Option<Result<Message, WebSocketError>>)>;

/// The URL of a symbol's snapshot.
pub type SnapshotUrl = Box<dyn Fn(&str) -> String + Send>;

/// Where a venue is reached.
pub struct Endpoints {
    /// The WebSocket.
    pub stream_url: String,
    /// What the venue wants to be told when a connection is opened.
    pub headers: HeaderMap,
    /// The REST answer with an order book; `None` where the venue sends it by itself.
    pub snapshot_url: Option<SnapshotUrl>,
}

/// What the rest of the program asks of a connection.
#[derive(Debug)]
pub enum Request {
    /// Take on a symbol, whose instrument the engine knows already: ids are given out in one order, and
    /// connections have none among themselves.
    Add {
        /// The venue's symbol.
        symbol: String,
        /// Its dense id.
        id: InstrumentId,
        /// Its facts.
        instrument: Box<Instrument>,
    },
    /// A book needs a new snapshot.
    Resnapshot(InstrumentId),
}

/// Takes what a connection has learnt.
pub trait Sink {
    /// Takes all of `inputs`, received at `now`. Where there is no room for market data it is left out, which
    /// the engine is told of as a gap; returned are the instruments whose books need a new snapshot then.
    fn deliver(&mut self, now: Nanos, inputs: &mut Vec<Input>) -> impl Future<Output = Vec<InstrumentId>> + Send;

    /// Hears what the connection has been through so far.
    fn report(&mut self, counters: LinkCounters);
}

/// What came of something that was begun.
enum Outcome {
    Connected { generation: u64, result: Result<Box<Stream>, Option<Nanos>> },
    Fetched { symbol: String, body: Option<Vec<u8>> },
}

/// What a driver waits for.
enum Event {
    Request(Request),
    Message(u64, Option<Result<Message, WebSocketError>>),
    Outcome(Outcome),
    Wake,
}

/// A connection and everything it has to do with the outside.
pub struct Driver<S> {
    link: Link,
    endpoints: Endpoints,
    http: reqwest::Client,
    clock: fn() -> Nanos,
    sink: S,
    writers: BTreeMap<u64, SplitSink<Stream, Message>>,
    readers: SelectAll<Messages>,
    pending: FuturesUnordered<BoxFuture<'static, Outcome>>,
    /// When the latest thing happened, and what was learnt from it.
    now: Nanos,
    out: Vec<Input>,
}

impl<S: Sink> Driver<S> {
    /// A driver that hands everything to `sink`; `clock` gives receive times.
    ///
    /// # Errors
    /// Where no HTTP client can be made.
    pub fn new(link: Link, endpoints: Endpoints, clock: fn() -> Nanos, sink: S) -> Result<Driver<S>, reqwest::Error> {
        install_tls_provider();
        Ok(Driver {
            link,
            endpoints,
            http: reqwest::Client::builder().timeout(PATIENCE).build()?,
            clock,
            sink,
            writers: BTreeMap::new(),
            readers: SelectAll::new(),
            pending: FuturesUnordered::new(),
            now: clock(),
            out: Vec::new(),
        })
    }

    /// Keeps the connection until nobody can send requests any more.
    pub async fn run(mut self, mut requests: mpsc::Receiver<Request>) {
        loop {
            self.link.handle_timeout(self.now, &mut self.out);
            self.deliver().await;
            self.carry_out().await;
            let wake = self.link.next_timeout().map(|at| {
                let wait = at.since((self.clock)()).raw();
                Duration::from_nanos(u64::try_from(wait).unwrap_or(0))
            });
            let event = tokio::select! {
                // What was asked for first: nothing may arrive of a symbol whose request still waits here. Messages
                // come last as there is no end of them; what is due is done each time round.
                biased;
                request = requests.recv() => match request {
                    Some(request) => Event::Request(request),
                    None => return,
                },
                Some(outcome) = self.pending.next() => Event::Outcome(outcome),
                Some((generation, message)) = self.readers.next() => Event::Message(generation, message),
                () = sleep(wake) => Event::Wake,
            };
            self.now = (self.clock)();
            match event {
                Event::Request(request) => self.handle_request(request),
                Event::Message(generation, message) => self.handle_message(generation, message),
                Event::Outcome(outcome) => self.handle_outcome(outcome),
                Event::Wake => {}
            }
        }
    }

    fn handle_request(&mut self, request: Request) {
        let now = self.now;
        match request {
            Request::Add { symbol, id, instrument } => self.link.add(now, &symbol, id, *instrument),
            Request::Resnapshot(id) => self.link.handle_resnapshot(now, id),
        }
    }

    fn handle_message(&mut self, generation: u64, message: Option<Result<Message, WebSocketError>>) {
        let now = self.now;
        let out = &mut self.out;
        match message {
            Some(Ok(Message::Text(text))) => {
                self.link.handle_message(now, generation, Payload::Text(text.as_bytes()), out);
            }
            Some(Ok(Message::Binary(bytes))) => {
                self.link.handle_message(now, generation, Payload::Binary(&bytes), out);
            }
            Some(Ok(Message::Ping(_) | Message::Pong(_))) => self.link.handle_sign_of_life(now, generation),
            Some(Ok(Message::Close(_) | Message::Frame(_)) | Err(_)) | None => {
                if let Some(Err(error)) = &message {
                    tracing::warn!("connection {generation}: {error}");
                }
                self.writers.remove(&generation);
                self.link.handle_closed(now, generation, None, out);
            }
        }
    }

    fn handle_outcome(&mut self, outcome: Outcome) {
        let now = self.now;
        match outcome {
            Outcome::Connected { generation, result: Ok(stream) } => {
                let (writer, reader) = (*stream).split();
                self.writers.insert(generation, writer);
                // The end is a message too: a link hears of it once.
                let end = futures::stream::once(async { None });
                let messages = reader.map(Some).chain(end).map(move |message| (generation, message));
                self.readers.push(messages.boxed());
                self.link.handle_open(now, generation);
            }
            Outcome::Connected { generation, result: Err(retry_after) } => {
                self.link.handle_closed(now, generation, retry_after, &mut self.out);
            }
            Outcome::Fetched { symbol, body } => {
                self.link.handle_snapshot(now, &symbol, body.as_deref(), &mut self.out);
            }
        }
    }

    /// Hands over what has been learnt; where the engine could not take it, asks for what was lost.
    async fn deliver(&mut self) {
        let now = self.now;
        for id in self.sink.deliver(now, &mut self.out).await {
            self.link.handle_resnapshot(now, id);
        }
        self.out.clear();
        self.sink.report(self.link.counters());
    }

    async fn carry_out(&mut self) {
        while let Some(io) = self.link.poll_io() {
            match io {
                Io::Connect(generation) => {
                    let Endpoints { stream_url, headers, .. } = &self.endpoints;
                    self.pending.push(connect(generation, stream_url.clone(), headers.clone()));
                }
                Io::Send(generation, text) => self.write(generation, Message::text(text)).await,
                Io::Ping(generation) => self.write(generation, Message::Ping(Vec::new().into())).await,
                Io::Close(generation) => {
                    if let Some(mut writer) = self.writers.remove(&generation) {
                        // The other end may be gone: nobody waits long for its farewell.
                        drop(timeout(Duration::from_millis(100), writer.close()).await);
                    }
                }
                Io::Fetch(symbol) => {
                    if let Some(url) = &self.endpoints.snapshot_url {
                        self.pending.push(fetch(self.http.clone(), url(&symbol), symbol));
                    }
                }
            }
        }
    }

    async fn write(&mut self, generation: u64, message: Message) {
        let Some(writer) = self.writers.get_mut(&generation) else { return };
        if !matches!(timeout(PATIENCE, writer.send(message)).await, Ok(Ok(()))) {
            self.writers.remove(&generation);
            self.link.handle_closed(self.now, generation, None, &mut self.out);
        }
    }
}

async fn sleep(wait: Option<Duration>) {
    match wait {
        Some(wait) => tokio::time::sleep(wait).await,
        None => std::future::pending().await,
    }
}

/// Chooses the provider of TLS for the whole program, once; whoever makes a client needs one.
pub fn install_tls_provider() {
    // Where it is installed already it is this one.
    drop(rustls::crypto::ring::default_provider().install_default());
}

fn connect(generation: u64, url: String, headers: HeaderMap) -> BoxFuture<'static, Outcome> {
    Box::pin(async move {
        let result = match open(&url, headers).await {
            Ok(stream) => Ok(Box::new(stream)),
            Err(error) => {
                // What follows the address may be a secret.
                let address = url.split('?').next().unwrap_or_default();
                tracing::warn!("cannot connect to {address}: {error}");
                Err(retry_after(&error))
            }
        };
        Outcome::Connected { generation, result }
    })
}

async fn open(url: &str, headers: HeaderMap) -> Result<Stream, WebSocketError> {
    let config =
        WebSocketConfig::default().max_message_size(Some(FRAME_BYTES_MAX)).max_frame_size(Some(FRAME_BYTES_MAX));
    let mut request = url.into_client_request()?;
    request.headers_mut().extend(headers);
    // Small messages at once: Nagle's algorithm would hold subscriptions back.
    connect_async_with_config(request, Some(config), true).await.map(|(stream, _)| stream)
}

/// What the venue says about coming again, where it refused the handshake.
fn retry_after(error: &WebSocketError) -> Option<Nanos> {
    let WebSocketError::Http(response) = error else { return None };
    seconds(response.headers().get("retry-after")?.to_str().ok()?)
}

fn seconds(text: &str) -> Option<Nanos> {
    let seconds = text.trim().parse::<u64>().ok()?.min(RETRY_AFTER_MAX.as_secs());
    Some(Nanos::new(i64::try_from(seconds).ok()? * Nanos::SECOND.raw()))
}

fn fetch(http: reqwest::Client, url: String, symbol: String) -> BoxFuture<'static, Outcome> {
    Box::pin(async move {
        let body = match get(&http, &url).await {
            Ok(body) => Some(body),
            Err((reason, wait)) => {
                tracing::warn!("cannot fetch {url}: {reason}");
                tokio::time::sleep(wait).await;
                None
            }
        };
        Outcome::Fetched { symbol, body }
    })
}

/// The body, or why there is none and how long to wait before asking again.
async fn get(http: &reqwest::Client, url: &str) -> Result<Vec<u8>, (String, Duration)> {
    let failed = |error: reqwest::Error| (error.to_string(), FETCH_AGAIN_AFTER);
    let mut response = http.get(url).send().await.map_err(failed)?;
    if !response.status().is_success() {
        let wait = response.headers().get("retry-after").and_then(|value| value.to_str().ok()).and_then(seconds);
        let wait = wait.map_or(FETCH_AGAIN_AFTER, |wait| Duration::from_nanos(wait.raw().unsigned_abs()));
        return Err((format!("status {}", response.status()), wait));
    }
    let mut body = Vec::new();
    while let Some(chunk) = response.chunk().await.map_err(failed)? {
        if body.len() + chunk.len() > FRAME_BYTES_MAX {
            return Err((format!("more than {FRAME_BYTES_MAX} bytes"), FETCH_AGAIN_AFTER));
        }
        body.extend_from_slice(&chunk);
    }
    Ok(body)
}

#[cfg(test)]
#[path = "driver_tests.rs"]
mod tests;
