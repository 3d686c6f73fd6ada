//! An exchange in the box: a venue's WebSocket and REST, served on loopback.
//!
//! - [`reserve`]: a capture served again as the venue would serve it, at any speed.
//!
//! Whatever connects to it goes the whole way that it goes to a real venue: sockets, subscriptions,
//! snapshots.

pub mod reserve;

use bytes::Bytes;
use futures::future::BoxFuture;
use http_body_util::Full;
use hyper::body::Incoming;
use hyper::header::{CONNECTION, HeaderValue, SEC_WEBSOCKET_ACCEPT, SEC_WEBSOCKET_KEY, UPGRADE};
use hyper::service::service_fn;
use hyper::upgrade::Upgraded;
use hyper::{Request, Response, StatusCode};
use hyper_util::rt::TokioIo;
use std::convert::Infallible;
use std::sync::Arc;
use tokio::net::TcpListener;
use tokio::sync::Semaphore;
use tokio_tungstenite::WebSocketStream;
use tokio_tungstenite::tungstenite::handshake::derive_accept_key;
use tokio_tungstenite::tungstenite::protocol::{Role, WebSocketConfig};

/// Clients at once.
const CLIENTS_MAX: usize = 256;
/// Longest message of a client: a request for many streams.
const REQUEST_BYTES_MAX: usize = 256 * 1024;

/// A client's connection.
pub type Socket = WebSocketStream<TokioIo<Upgraded>>;

/// What is behind the sockets.
pub trait Venue: Send + Sync + 'static {
    /// Answers `GET path?query`: the body as JSON, or `None` where there is no such thing.
    fn get(self: Arc<Self>, path: String, query: String) -> BoxFuture<'static, Option<String>>;

    /// Serves one client until it has gone.
    fn serve(self: Arc<Self>, socket: Socket) -> BoxFuture<'static, ()>;
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
        tokio::spawn(async move {
            let service = service_fn(move |request| answer(Arc::clone(&venue), request));
            let connection = hyper::server::conn::http1::Builder::new().serve_connection(TokioIo::new(stream), service);
            if let Err(error) = connection.with_upgrades().await {
                tracing::debug!("a client of the simulated exchange: {error}");
            }
            drop(place);
        });
    }
}

async fn answer(venue: Arc<impl Venue>, mut request: Request<Incoming>) -> Result<Response<Full<Bytes>>, Infallible> {
    let key = request.headers().get(SEC_WEBSOCKET_KEY).map(|key| derive_accept_key(key.as_bytes()));
    let Some(accept) = key.and_then(|key| HeaderValue::try_from(key).ok()) else {
        let (path, query) = (request.uri().path().to_owned(), request.uri().query().unwrap_or("").to_owned());
        return Ok(match venue.get(path, query).await {
            Some(body) => Response::new(Full::new(Bytes::from(body))),
            None => status(StatusCode::NOT_FOUND),
        });
    };
    tokio::spawn(async move {
        if let Ok(upgraded) = hyper::upgrade::on(&mut request).await {
            let config = WebSocketConfig::default().max_message_size(Some(REQUEST_BYTES_MAX));
            let socket = WebSocketStream::from_raw_socket(TokioIo::new(upgraded), Role::Server, Some(config)).await;
            venue.serve(socket).await;
        }
    });
    let mut response = status(StatusCode::SWITCHING_PROTOCOLS);
    let headers = response.headers_mut();
    headers.insert(CONNECTION, HeaderValue::from_static("upgrade"));
    headers.insert(UPGRADE, HeaderValue::from_static("websocket"));
    headers.insert(SEC_WEBSOCKET_ACCEPT, accept);
    Ok(response)
}

fn status(status: StatusCode) -> Response<Full<Bytes>> {
    let mut response = Response::new(Full::default());
    *response.status_mut() = status;
    response
}
