//! A capture served again: its messages to whoever subscribes, its snapshot over REST.

use super::{Reply, Socket, Venue};
use crate::capture::{Line, Reader};
use futures::future::BoxFuture;
use futures::stream::SplitSink;
use futures::{SinkExt, StreamExt};
use serde::Deserialize;
use std::io;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;
use tidegate_core::Nanos;
use tokio::sync::{mpsc, watch};
use tokio::time::Instant;
use tokio_tungstenite::tungstenite::Message;

/// Messages read ahead of the socket.
const AHEAD_MAX: usize = 1_024;
/// How long the capture waits at its snapshot for somebody to fetch it.
const SNAPSHOT_PATIENCE: Duration = Duration::from_secs(10);

/// A capture of Binance streams, to be served again to each client from its beginning.
pub struct Reserve {
    paths: Vec<PathBuf>,
    /// Seconds of the capture that pass in a second; `None`: as fast as the reader reads.
    speed: Option<f64>,
    snapshot: String,
    /// How often the snapshot has been fetched.
    fetched: watch::Sender<u64>,
}

struct Captured {
    receive_ts: Nanos,
    text: String,
    is_snapshot: bool,
}

#[derive(Deserialize)]
struct Subscribe {
    method: String,
    id: u64,
}

impl Reserve {
    /// Reads the captures through once, for their snapshot.
    ///
    /// # Errors
    /// Where a file cannot be read, or none holds a snapshot.
    pub fn new(paths: Vec<PathBuf>, speed: Option<f64>) -> io::Result<Reserve> {
        let mut snapshot = None;
        read(&paths, |captured| {
            if captured.is_snapshot {
                snapshot = Some(captured.text);
            }
            snapshot.is_none()
        })?;
        let snapshot = snapshot.ok_or_else(|| io::Error::other("the capture holds no snapshot to serve"))?;
        Ok(Reserve { paths, speed, snapshot, fetched: watch::Sender::new(0) })
    }

    /// Plays the capture to one client; what the capture holds of snapshots is left to REST.
    async fn play(self: Arc<Self>, mut messages: mpsc::Receiver<Captured>, mut client: SplitSink<Socket, Message>) {
        let mut fetched = self.fetched.subscribe();
        let mut began: Option<(Instant, Nanos)> = None;
        while let Some(Captured { receive_ts, text, is_snapshot }) = messages.recv().await {
            if is_snapshot {
                // The client's own snapshot may be late at full speed; its buffer has a bound.
                drop(tokio::time::timeout(SNAPSHOT_PATIENCE, fetched.wait_for(|&count| count > 0)).await);
                continue;
            }
            if let Some(speed) = self.speed {
                let (at, first) = *began.get_or_insert_with(|| (Instant::now(), receive_ts));
                let passed = u64::try_from(receive_ts.since(first).raw()).unwrap_or(0);
                let due = at + Duration::from_nanos(passed).div_f64(speed);
                if due > Instant::now() {
                    drop(client.flush().await);
                    tokio::time::sleep_until(due).await;
                }
            }
            if client.feed(Message::text(text)).await.is_err() {
                return;
            }
        }
        // The end of the capture is no end of the connection: a venue that has nothing to say stays.
        drop(client.flush().await);
        std::future::pending::<()>().await;
    }
}

impl Venue for Reserve {
    fn get(self: Arc<Self>, path: String, _query: String) -> BoxFuture<'static, Reply> {
        Box::pin(async move {
            if !path.ends_with("/depth") {
                return Reply::NOT_FOUND;
            }
            self.fetched.send_modify(|count| *count += 1);
            Reply::ok(self.snapshot.clone())
        })
    }

    fn serve(self: Arc<Self>, _path: String, socket: Socket) -> BoxFuture<'static, ()> {
        Box::pin(async move {
            let (mut client, mut requests) = socket.split();
            // Answers until the first subscription; from then on the capture has the word.
            while let Some(Ok(message)) = requests.next().await {
                let Message::Text(text) = message else { continue };
                let Ok(request) = serde_json::from_str::<Subscribe>(&text) else { continue };
                let answer = format!(r#"{{"result":null,"id":{}}}"#, request.id);
                if client.send(Message::text(answer)).await.is_err() {
                    return;
                }
                if request.method == "SUBSCRIBE" {
                    break;
                }
            }
            let (sender, messages) = mpsc::channel(AHEAD_MAX);
            let paths = self.paths.clone();
            let reader = std::thread::Builder::new().name("capture".to_owned()).spawn(move || {
                // Nobody listens any more when the client has gone.
                read(&paths, |captured| sender.blocking_send(captured).is_ok())
            });
            if let Err(error) = reader {
                return tracing::error!("the capture cannot be read: {error}");
            }
            tokio::select! {
                () = self.play(messages, client) => {}
                // Pings are answered while the other half is read.
                () = async { while let Some(Ok(_)) = requests.next().await {} } => {}
            }
        })
    }
}

/// Hands every message of the captures to `visit` while that returns true.
fn read(paths: &[PathBuf], mut visit: impl FnMut(Captured) -> bool) -> io::Result<()> {
    for path in paths {
        let mut reader = Reader::new(std::fs::File::open(path)?)?;
        while let Some(line) = reader.next_line()? {
            let Line::Frame { receive_ts, frame } = line else { continue };
            let Ok(text) = std::str::from_utf8(frame) else { continue };
            let is_snapshot = !frame.starts_with(b"{\"stream\"");
            if !visit(Captured { receive_ts, text: text.to_owned(), is_snapshot }) {
                return Ok(());
            }
        }
    }
    Ok(())
}
