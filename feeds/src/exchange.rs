//! An exchange in the box: a venue's WebSocket and REST, served on loopback.
//!
//! - [`reserve`]: a capture served again as the venue would serve it, at any speed.
//! - [`market`]: the simulated market, as Binance, Kraken, Kite and Angel One would serve it. [`faults`]: what may
//!   go wrong there.
//!
//! Whatever connects to it goes the whole way that it goes to a real venue: sockets, subscriptions,
//! snapshots.

mod angel;
mod binance;
mod client;
pub mod faults;
mod kite;
mod kraken;
pub mod market;
pub mod reserve;
#[cfg(test)]
mod rig;

use bytes::Bytes;
use futures::future::BoxFuture;
use http_body_util::Full;
use hyper::body::Incoming;
use hyper::header::{CONNECTION, CONTENT_TYPE, HeaderValue, SEC_WEBSOCKET_ACCEPT, SEC_WEBSOCKET_KEY, UPGRADE};
use hyper::service::service_fn;
use hyper::upgrade::Upgraded;
use hyper::{Request, Response, StatusCode};
use hyper_util::rt::TokioIo;
use std::convert::Infallible;
use std::sync::Arc;
use tokio::net::TcpListener;
use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tokio_tungstenite::WebSocketStream;
use tokio_tungstenite::tungstenite::handshake::derive_accept_key;
use tokio_tungstenite::tungstenite::protocol::{Role, WebSocketConfig};

/// Clients at once.
const CLIENTS_MAX: usize = 256;
/// Longest message of a client: a request for many streams.
const REQUEST_BYTES_MAX: usize = 256 * 1024;

/// A client's connection.
pub type Socket = WebSocketStream<TokioIo<Upgraded>>;

/// An answer over REST.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Reply {
    /// How it went.
    pub status: StatusCode,
    /// JSON, or nothing.
    pub body: String,
}

impl Reply {
    /// There is no such thing.
    pub const NOT_FOUND: Reply = Reply { status: StatusCode::NOT_FOUND, body: String::new() };

    /// What was asked for.
    pub fn ok(body: String) -> Reply {
        Reply { status: StatusCode::OK, body }
    }
}

/// What is behind the sockets.
pub trait Venue: Send + Sync + 'static {
    /// Answers `GET path?query`.
    fn get(self: Arc<Self>, path: String, query: String) -> BoxFuture<'static, Reply>;

    /// Serves one client, which came to `path`, until it has gone.
    fn serve(self: Arc<Self>, path: String, socket: Socket) -> BoxFuture<'static, ()>;
}

/// Serves `venue` on `listener`, for as long as it is polled.
pub async fn serve(listener: TcpListener, venue: Arc<impl Venue>) {
    let clients = Arc::new(Semaphore::new(CLIENTS_MAX));
    loop {
        // A failed accept is the client's loss, or a full table of files that may empty again.
        let Ok((stream, _)) = listener.accept().await else {
            tokio::task::yield_now().await;
            continue;
        };
        let Ok(place) = Arc::clone(&clients).try_acquire_owned() else { continue };
        drop(stream.set_nodelay(true));
        let venue = Arc::clone(&venue);
        let place = Arc::new(place);
        tokio::spawn(async move {
            let service = service_fn(move |request| answer(Arc::clone(&venue), request, Arc::clone(&place)));
            let connection = hyper::server::conn::http1::Builder::new().serve_connection(TokioIo::new(stream), service);
            if let Err(error) = connection.with_upgrades().await {
                tracing::debug!("a client of the simulated exchange: {error}");
            }
        });
    }
}

/// Answers one request; `place` among the clients is kept for as long as the client is served.
async fn answer(
    venue: Arc<impl Venue>,
    mut request: Request<Incoming>,
    place: Arc<OwnedSemaphorePermit>,
) -> Result<Response<Full<Bytes>>, Infallible> {
    let path = request.uri().path().to_owned();
    let key = request.headers().get(SEC_WEBSOCKET_KEY).map(|key| derive_accept_key(key.as_bytes()));
    let Some(accept) = key.and_then(|key| HeaderValue::try_from(key).ok()) else {
        let query = request.uri().query().unwrap_or("").to_owned();
        let Reply { status, body } = venue.get(path, query).await;
        let mut response = Response::new(Full::new(Bytes::from(body)));
        *response.status_mut() = status;
        response.headers_mut().insert(CONTENT_TYPE, HeaderValue::from_static("application/json"));
        return Ok(response);
    };
    tokio::spawn(async move {
        if let Ok(upgraded) = hyper::upgrade::on(&mut request).await {
            let config = WebSocketConfig::default().max_message_size(Some(REQUEST_BYTES_MAX));
            let socket = WebSocketStream::from_raw_socket(TokioIo::new(upgraded), Role::Server, Some(config)).await;
            venue.serve(path, socket).await;
        }
        drop(place);
    });
    let mut response = Response::new(Full::default());
    *response.status_mut() = StatusCode::SWITCHING_PROTOCOLS;
    let headers = response.headers_mut();
    headers.insert(CONNECTION, HeaderValue::from_static("upgrade"));
    headers.insert(UPGRADE, HeaderValue::from_static("websocket"));
    headers.insert(SEC_WEBSOCKET_ACCEPT, accept);
    Ok(response)
}
