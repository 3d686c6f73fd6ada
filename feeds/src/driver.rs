//! The one place that owns sockets: does what a [`Link`] asks for, and tells it what came of it.

mod fetch;

use crate::Payload;
use crate::binance::codec::FRAME_BYTES_MAX;
use crate::link::{Answer, Io, Link, LinkCounters};
use fetch::{Failure, fetch, retry_after};
use futures::stream::{AbortHandle, BoxStream, FuturesUnordered, SelectAll, abortable};
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

    /// Hears all that a person should know of the connection, a line each, when that has changed.
    fn warn(&mut self, _troubles: Vec<String>) {}
}

/// What came of something that was begun.
enum Outcome {
    Connected { generation: u64, result: Result<Box<Stream>, Refusal> },
    Fetched { generation: u64, symbol: String, result: Result<Vec<u8>, Failure> },
}

/// Why a socket could not be opened, and what the venue says about coming again.
struct Refusal {
    reason: String,
    hold: Option<Nanos>,
}

/// What a driver waits for.
enum Event {
    Request(Request),
    Message(u64, Option<Result<Message, WebSocketError>>),
    Outcome(Outcome),
    Wake,
}

/// One open socket: what is written, and how to end what is read. It is gone when both are.
struct Socket {
    writer: SplitSink<Stream, Message>,
    reader: AbortHandle,
}

/// A connection and everything it has to do with the outside.
pub struct Driver<S> {
    link: Link,
    endpoints: Endpoints,
    http: reqwest::Client,
    clock: fn() -> Nanos,
    sink: S,
    sockets: BTreeMap<u64, Socket>,
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
            sockets: BTreeMap::new(),
            readers: SelectAll::new(),
            pending: FuturesUnordered::new(),
            now: clock(),
            out: Vec::new(),
        })
    }

    /// Keeps the connection until nobody can send requests any more.
    pub async fn run(mut self, mut requests: mpsc::Receiver<Request>) {
        // It may have been made some time ago.
        self.now = (self.clock)();
        loop {
            self.settle().await;
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

    /// Does what is due and what the link asks for, until all that was learnt is told: a write that fails is a loss.
    async fn settle(&mut self) {
        self.link.handle_timeout(self.now, &mut self.out);
        loop {
            self.deliver().await;
            self.carry_out().await;
            if self.out.is_empty() {
                return;
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
                self.link.handle_closed(now, generation, None, out);
            }
        }
    }

    fn handle_outcome(&mut self, outcome: Outcome) {
        let now = self.now;
        match outcome {
            Outcome::Connected { generation, result: Ok(stream) } => {
                self.open(generation, *stream);
                self.link.handle_open(now, generation);
            }
            Outcome::Connected { generation, result: Err(Refusal { reason, hold }) } => {
                self.link.handle_refused(now, generation, &reason, hold, &mut self.out);
            }
            Outcome::Fetched { generation, symbol, result } => {
                let answer = match &result {
                    Ok(body) => Answer::Body(body),
                    Err(Failure { reason, is_final: true, .. }) => Answer::Refused(reason),
                    Err(Failure { reason, hold, .. }) => Answer::Failed { reason, hold: *hold },
                };
                self.link.handle_snapshot(now, generation, &symbol, answer, &mut self.out);
            }
        }
    }

    /// Listens to a socket.
    fn open(&mut self, generation: u64, stream: Stream) {
        let (writer, reader) = stream.split();
        // The end is a message too: a link hears of it once.
        let end = futures::stream::once(async { None });
        let messages = reader.map(Some).chain(end).map(move |message| (generation, message));
        let (messages, reader) = abortable(messages);
        self.readers.push(messages.boxed());
        self.sockets.insert(generation, Socket { writer, reader });
    }

    /// Ends a socket, whatever the other end does.
    async fn close(&mut self, generation: u64) {
        if let Some(Socket { mut writer, reader }) = self.sockets.remove(&generation) {
            // The other end may be gone: nobody waits long for its farewell.
            drop(timeout(Duration::from_millis(100), writer.close()).await);
            reader.abort();
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
        if let Some(troubles) = self.link.take_troubles() {
            self.sink.warn(troubles);
        }
    }

    async fn carry_out(&mut self) {
        while let Some(io) = self.link.poll_io() {
            match io {
                Io::Connect(generation) => {
                    let Endpoints { stream_url, headers, .. } = &self.endpoints;
                    self.pending.push(connect(generation, stream_url.clone(), headers.clone(), self.now));
                }
                Io::Send(generation, text) => self.write(generation, Message::text(text)).await,
                Io::Ping(generation) => self.write(generation, Message::Ping(Vec::new().into())).await,
                Io::Close(generation) => self.close(generation).await,
                Io::Fetch(generation, symbol) => {
                    if let Some(url) = &self.endpoints.snapshot_url {
                        let body = fetch(self.http.clone(), url(&symbol), self.now);
                        self.pending
                            .push(Box::pin(async move { Outcome::Fetched { generation, symbol, result: body.await } }));
                    }
                }
            }
        }
    }

    async fn write(&mut self, generation: u64, message: Message) {
        let Some(Socket { writer, .. }) = self.sockets.get_mut(&generation) else { return };
        if !matches!(timeout(PATIENCE, writer.send(message)).await, Ok(Ok(()))) {
            tracing::warn!("connection {generation}: nothing can be written to it");
            // The link asks for it to be closed.
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

fn connect(generation: u64, url: String, headers: HeaderMap, now: Nanos) -> BoxFuture<'static, Outcome> {
    Box::pin(async move {
        let result = match open(&url, headers).await {
            Ok(stream) => Ok(Box::new(stream)),
            Err(error) => {
                // What follows the address may be a secret.
                let address = url.split('?').next().unwrap_or_default();
                Err(Refusal { reason: format!("cannot connect to {address}: {error}"), hold: hold(&error, now) })
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

/// How long nobody may come again, where the venue refused the handshake.
fn hold(error: &WebSocketError, now: Nanos) -> Option<Nanos> {
    let WebSocketError::Http(response) = error else { return None };
    let said = retry_after(response.headers(), now);
    fetch::hold(response.status().as_u16(), said)
}

#[cfg(test)]
#[path = "driver_tests.rs"]
mod tests;
