//! The socket: which address may be listened on, and how connections are kept from piling up.

use crate::connections::{Connection, Connections};
use crate::refusals::Refusals;
use anyhow::{Context, bail};
use axum::Router;
use axum::http::HeaderValue;
use axum::http::header::CONNECTION;
use axum::response::Response;
use hyper::body::Incoming;
use hyper::server::conn::http1;
use hyper_util::rt::{TokioIo, TokioTimer};
use hyper_util::service::TowerToHyperService;
use listeners::{Protocol, SocketState};
use std::convert::Infallible;
use std::io::ErrorKind;
use std::net::{Ipv4Addr, Ipv6Addr, SocketAddr};
use std::pin::Pin;
use std::time::Duration;
use tokio::net::{TcpListener, TcpStream};
use tokio::task::JoinSet;
use tokio::time::{sleep, timeout};
use tokio_util::sync::CancellationToken;

// A client connects because it has a request to send.
const FIRST_HEAD_TIMEOUT: Duration = Duration::from_secs(5);
// The longest pause between two requests of a connection that has shown a bearer: above the pause after which common
// clients drop an idle connection themselves, so that they do not write into a closing one.
const HEADER_TIMEOUT: Duration = Duration::from_secs(30);
const HEADERS_BYTES_MAX: usize = 32 * 1024;
const SHUTDOWN_GRACE: Duration = Duration::from_secs(5);
const ACCEPT_RETRY: Duration = Duration::from_millis(100);

/// Listens on `address`, which must be this machine's own loopback.
///
/// # Errors
/// Where the address is not loopback, or taken (names the process that holds it).
pub async fn bind(address: SocketAddr) -> anyhow::Result<TcpListener> {
    // The rest of 127.0.0.0/8 is loopback too, but no `Host` that the guard accepts names it.
    if ![Ipv4Addr::LOCALHOST.into(), Ipv6Addr::LOCALHOST.into()].contains(&address.ip()) {
        bail!(
            "refusing to listen on {address}: bearers travel over plain HTTP, so only this machine's loopback \
             is safe; use 127.0.0.1:{port} or [::1]:{port}",
            port = address.port()
        );
    }
    match TcpListener::bind(address).await {
        Ok(listener) => Ok(listener),
        Err(error) if error.kind() == ErrorKind::AddrInUse => bail!(
            "{address} is taken by {}; stop it, or choose another port",
            holder(address).unwrap_or_else(|| "a process that cannot be determined".to_owned())
        ),
        Err(error) => Err(error).with_context(|| format!("cannot listen on {address}")),
    }
}

/// Listens where it is told to, or at the `usual` address; where another engine of this machine has that one,
/// at a free port of its own, which the endpoint file names.
///
/// # Errors
/// As [`bind`].
pub async fn bind_or_free(told: Option<SocketAddr>, usual: SocketAddr) -> anyhow::Result<TcpListener> {
    if let Some(address) = told {
        return bind(address).await;
    }
    match bind(usual).await {
        Err(reason) if usual.ip().is_loopback() => {
            tracing::info!("{reason:#}; taking a free port");
            bind(SocketAddr::new(usual.ip(), 0)).await
        }
        bound => bound,
    }
}

/// Name and pid of the process that listens where `address` would.
fn holder(address: SocketAddr) -> Option<String> {
    let everyone = listeners::get_all().ok()?;
    let mut holders = everyone.into_iter().filter(|other| {
        other.protocol == Protocol::TCP
            && other.state == SocketState::Listen
            && other.socket.port() == address.port()
            && (other.socket.ip() == address.ip() || other.socket.ip().is_unspecified())
    });
    holders.next().map(|found| format!("{} (pid {})", found.process.name, found.process.pid))
}

/// Serves `router` on `listener` until `shutdown`; then lets answers under way finish for a moment. Each request comes
/// with the [`Connection`] that it came over.
pub async fn serve(listener: TcpListener, router: Router, shutdown: CancellationToken) {
    let (known, refusals) = (Connections::default(), Refusals::default());
    let mut connections = JoinSet::new();
    loop {
        let (stream, connection) = tokio::select! {
            () = shutdown.cancelled() => break,
            stream = accept(&listener, &refusals) => (stream, known.open().await),
        };
        while connections.try_join_next().is_some() {}
        connections.spawn(serve_connection(stream, router.clone(), shutdown.clone(), connection, refusals.clone()));
    }
    drop(listener);
    // What is still busy after the grace is dropped with the set.
    let _ = timeout(SHUTDOWN_GRACE, async { while connections.join_next().await.is_some() {} }).await;
}

async fn accept(listener: &TcpListener, refusals: &Refusals) -> TcpStream {
    loop {
        match listener.accept().await {
            Ok((stream, _)) => return stream,
            Err(error) => {
                // Out of file descriptors, or a client that left again: neither ends the server.
                tracing::debug!(%error, "cannot accept a connection");
                refusals.count("a connection that could not be accepted");
                sleep(ACCEPT_RETRY).await;
            }
        }
    }
}

async fn serve_connection(
    stream: TcpStream,
    router: Router,
    shutdown: CancellationToken,
    connection: Connection,
    refusals: Refusals,
) {
    // Answers are one small write each; waiting to fill a packet would only add delay.
    let _ = stream.set_nodelay(true);
    let head = CancellationToken::new();
    let service = Service { router, connection: connection.clone(), head: head.clone() };
    let mut served = std::pin::pin!(
        http1::Builder::new()
            .timer(TokioTimer::new())
            .header_read_timeout(HEADER_TIMEOUT)
            .max_buf_size(HEADERS_BYTES_MAX)
            .serve_connection(TokioIo::new(stream), service)
    );
    let is_mute = async {
        if timeout(FIRST_HEAD_TIMEOUT, head.cancelled()).await.is_ok() {
            std::future::pending::<()>().await;
        }
    };
    tokio::select! {
        result = served.as_mut() => trace_end(result),
        () = is_mute => refusals.count("no request within 5 s of connecting"),
        () = connection.ended() => refusals.count("too many connections"),
        () = shutdown.cancelled() => {
            served.as_mut().graceful_shutdown();
            trace_end(served.await);
        }
    }
}

/// What a connection's requests go to.
struct Service {
    router: Router,
    connection: Connection,
    /// Cancelled with the first request's head.
    head: CancellationToken,
}

impl hyper::service::Service<hyper::Request<Incoming>> for Service {
    type Response = Response;
    type Error = Infallible;
    type Future = Pin<Box<dyn Future<Output = Result<Response, Infallible>> + Send>>;

    fn call(&self, mut request: hyper::Request<Incoming>) -> Self::Future {
        self.head.cancel();
        let connection = self.connection.clone();
        request.extensions_mut().insert(connection.clone());
        let answer = TowerToHyperService::new(self.router.clone()).call(request);
        Box::pin(async move {
            let mut answer = answer.await?;
            if !connection.has_passed() {
                // Whoever has shown no bearer has no reason to stay.
                answer.headers_mut().insert(CONNECTION, HeaderValue::from_static("close"));
            }
            Ok(answer)
        })
    }
}

fn trace_end(result: hyper::Result<()>) {
    if let Err(error) = result {
        tracing::debug!(%error, "a connection ended early");
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use axum::routing::get;
    use tokio::io::{AsyncReadExt, AsyncWriteExt};

    fn any_port() -> SocketAddr {
        "127.0.0.1:0".parse().unwrap()
    }

    #[tokio::test]
    async fn only_the_loopback_that_clients_can_name_is_listened_on() {
        for address in ["0.0.0.0:0", "[::]:0", "192.168.1.5:0", "127.0.0.2:0", "[::ffff:127.0.0.1]:0"] {
            let error = bind(address.parse().unwrap()).await.unwrap_err().to_string();
            assert!(error.contains("plain HTTP") && error.contains("127.0.0.1"), "{error}");
        }
        bind(any_port()).await.unwrap();
    }

    #[tokio::test]
    async fn a_taken_port_names_its_holder() {
        let first = bind(any_port()).await.unwrap();
        let error = bind(first.local_addr().unwrap()).await.unwrap_err().to_string();
        assert!(error.contains("is taken by"), "{error}");
        if listeners::IS_OS_SUPPORTED {
            assert!(error.contains(&format!("pid {}", std::process::id())), "{error}");
        }
    }

    #[tokio::test]
    async fn connections_without_a_bearer_keep_nobody_out() {
        let listener = bind(any_port()).await.unwrap();
        let address = listener.local_addr().unwrap();
        let shutdown = CancellationToken::new();
        let router = Router::new().route("/", get(|| async { "done" }));
        let server = tokio::spawn(serve(listener, router, shutdown.clone()));
        let mut held = Vec::new();
        for (at, said) in ["", "G", "GET / HTTP/1.1\r\nHost", "GET / HTTP/1.1\r\nHost: x\r\n\r\n"]
            .iter()
            .cycle()
            .take(400)
            .enumerate()
        {
            let mut stream = TcpStream::connect(address).await.unwrap();
            // One that has been ended meanwhile says so.
            let _ = stream.write_all(said.as_bytes()).await;
            held.push((at, stream));
        }
        let mut client = TcpStream::connect(address).await.unwrap();
        client.write_all(b"GET / HTTP/1.1\r\nHost: x\r\n\r\n").await.unwrap();
        let mut answer = String::new();
        timeout(Duration::from_secs(5), client.read_to_string(&mut answer)).await.unwrap().unwrap();
        assert!(answer.ends_with("done") && answer.contains("connection: close"), "nothing is kept alive: {answer}");
        let ended = timeout(Duration::from_secs(5), held[0].1.read(&mut [0])).await;
        assert!(ended.is_ok(), "the oldest had to go");
        shutdown.cancel();
        server.await.unwrap();
    }

    #[tokio::test]
    async fn shutdown_lets_an_answer_finish_and_then_refuses() {
        let listener = bind(any_port()).await.unwrap();
        let address = listener.local_addr().unwrap();
        let shutdown = CancellationToken::new();
        let slow = get(|| async {
            sleep(Duration::from_millis(200)).await;
            "done"
        });
        let server = tokio::spawn(serve(listener, Router::new().route("/", slow), shutdown.clone()));

        let mut client = TcpStream::connect(address).await.unwrap();
        client.write_all(b"GET / HTTP/1.1\r\nHost: x\r\n\r\n").await.unwrap();
        sleep(Duration::from_millis(50)).await;
        shutdown.cancel();
        let mut answer = String::new();
        client.read_to_string(&mut answer).await.unwrap();
        assert!(answer.ends_with("done"), "{answer}");
        server.await.unwrap();
        assert!(TcpStream::connect(address).await.is_err());
    }
}
