//! Over real sockets on loopback: a capture served again comes to the market that its direct replay comes to.

use super::*;
use crate::binance::{BinanceSession, Market};
use crate::catalog::Catalog;
use crate::credentials::Credentials;
use crate::exchange::{self, reserve::Reserve};
use crate::link::Budgets;
use crate::venue::Venue;
use crate::{FrameError, Session};
use std::fmt::Write;
use std::path::PathBuf;
use std::sync::{Arc, Mutex};
use tidegate_core::{Bounds, Engine, Event as MarketEvent, Stamped};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpListener;
use tokio::sync::oneshot;

const BOUNDS: Bounds = Bounds {
    book_levels_max: 8_192,
    bars_max: 500,
    trades_max: 32,
    instruments_max: 4,
    stale_after: Nanos::new(i64::MAX),
};
const ID: InstrumentId = InstrumentId(0);

fn clock() -> Nanos {
    let since = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).unwrap();
    Nanos::new(i64::try_from(since.as_nanos()).unwrap())
}

/// An engine that applies what is delivered, and says when the last event of a capture has come.
struct Applied {
    engine: Engine,
    last_trade: u64,
    done: Option<oneshot::Sender<Engine>>,
}

impl Sink for Applied {
    fn report(&mut self, counters: LinkCounters) {
        assert_eq!((counters.decode_errors, counters.losses), (0, 0));
    }

    async fn deliver(&mut self, now: Nanos, inputs: &mut Vec<Input>) -> Vec<InstrumentId> {
        let mut is_done = false;
        for input in inputs.drain(..) {
            if let Input::Event(MarketEvent { body: tidegate_core::Body::Trade { trade_id, .. }, .. }) = input {
                is_done |= trade_id == self.last_trade;
            }
            self.engine.input(now, &input, &mut |_: &_, _: Stamped<'_>| {}).unwrap();
        }
        if let Some(done) = self.done.take_if(|_| is_done) {
            drop(done.send(self.engine.clone()));
        }
        Vec::new()
    }
}

fn fresh() -> Engine {
    let mut engine = Engine::new(tidegate_core::Market::new(BOUNDS), 0, Nanos::ZERO);
    let define = Input::Define { id: ID, instrument: Box::new(instrument()) };
    engine.input(Nanos::ZERO, &define, &mut |_: &_, _: Stamped<'_>| {}).unwrap();
    engine
}

fn instrument() -> Instrument {
    Catalog::built_in().unwrap().binance(Market::Spot, "BTCUSDT", crate::Decimals { price: 8, qty: 8 })
}

fn replay(text: &str) -> Engine {
    let (mut session, mut engine, mut out) = (BinanceSession::new(Market::Spot), fresh(), Vec::new());
    session.add("BTCUSDT", ID, instrument());
    session.assume_subscribed("BTCUSDT", &mut out);
    for line in text.lines() {
        let (ts, frame) = line.split_once(' ').unwrap();
        let now = Nanos::new(ts.parse().unwrap());
        let result: Result<(), FrameError> = session.handle_message(now, Payload::Text(frame.as_bytes()), &mut out);
        result.unwrap();
        for input in out.drain(..) {
            engine.input(now, &input, &mut |_: &_, _: Stamped<'_>| {}).unwrap();
        }
    }
    engine
}

/// Changes, tickers and trades at both sides of a snapshot; the last message is trade `messages`.
fn capture(messages: u64) -> String {
    let mut text = String::new();
    for n in 1..=messages {
        let ts = 1_723_161_600_000_000_000 + n * 1_000_000;
        let say = |text: &mut String, stream: &str, data: &str| {
            writeln!(text, "{ts} {{\"stream\":\"btcusdt@{stream}\",\"data\":{{\"s\":\"BTCUSDT\",{data}}}}}").unwrap();
        };
        let (price, qty) = (60_000 + n % 37, n % 5);
        say(
            &mut text,
            "depth@100ms",
            &format!(r#""E":1723161600000,"U":{n},"u":{n},"b":[["{price}.01","{qty}"]],"a":[["{price}.50","{qty}"]]"#),
        );
        say(&mut text, "bookTicker", &format!(r#""u":{n},"b":"{price}.01","B":"1","a":"{price}.02","A":"1""#));
        if n == messages / 4 {
            let last = n - 7;
            // As many levels as a snapshot can be asked for: nobody takes them for all.
            let side = |worst: u64, step: i64| {
                let levels = (0..5).map(|at| format!(r#"["{}.01","1"]"#, worst.saturating_add_signed(step * at)));
                levels.collect::<Vec<_>>().join(",")
            };
            let (bids, asks) = (side(59_996, 1), side(60_104, -1));
            writeln!(text, r#"{ts} {{"lastUpdateId":{last},"bids":[{bids}],"asks":[{asks}]}}"#).unwrap();
        }
        say(&mut text, "trade", &format!(r#""t":{n},"p":"{price}.01","q":"0.5","T":{},"m":true"#, ts / 1_000_000));
    }
    text
}

async fn serve_again(text: &str, speed: Option<f64>) -> Engine {
    let folder = tempfile::tempdir().unwrap();
    let path: PathBuf = folder.path().join("capture.txt");
    std::fs::write(&path, text).unwrap();
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let reserve = Arc::new(Reserve::new(Venue::Binance(Market::Spot), vec![path], speed).unwrap());
    let exchange = tokio::spawn(exchange::serve(listener, reserve));
    let venue = Venue::Binance(Market::Spot);
    let budgets = Arc::new(Mutex::new(Budgets::new(&venue.limits())));
    let link = Link::new(venue.session_of_recording(), venue.limits(), budgets, 1);
    let endpoints = venue.endpoints(Some(&address.to_string())).unwrap();
    let last_trade = text.lines().filter(|line| line.contains("@trade")).count() as u64;
    let (done, finished) = oneshot::channel();
    let sink = Applied { engine: fresh(), last_trade, done: Some(done) };
    let (requests, receiver) = mpsc::channel(1);
    let add = Request::Add { symbol: "BTCUSDT".to_owned(), id: ID, instrument: Box::new(instrument()) };
    requests.send(add).await.unwrap();
    let driver = tokio::spawn(Driver::new(link, endpoints, clock, sink).unwrap().run(receiver));
    let engine = timeout(Duration::from_secs(60), finished).await.expect("the capture ends").unwrap();
    driver.abort();
    exchange.abort();
    engine
}

/// What a client says when it opens a connection.
async fn handshake(listener: &TcpListener) -> String {
    let (mut stream, _) = listener.accept().await.unwrap();
    let mut bytes = Vec::new();
    while !bytes.ends_with(b"\r\n\r\n") {
        assert!(stream.read_buf(&mut bytes).await.unwrap() > 0);
    }
    String::from_utf8(bytes).unwrap()
}

#[tokio::test]
async fn a_broker_is_told_who_comes() {
    let kite = Credentials::kite("key", "token").unwrap();
    let angel = Credentials::angel("e.y.J", "key", "A123", "feed").unwrap();
    let angel_says = ["authorization: Bearer e.y.J", "x-api-key: key", "x-client-code: A123", "x-feed-token: feed"];
    for (credentials, path, says) in [
        (kite, "/?api_key=key&access_token=token", &["x-kite-version: 3"][..]),
        (angel, "/smart-stream", &angel_says[..]),
    ] {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let endpoints = credentials.endpoints().unwrap();
        let (_, real_path) = endpoints.stream_url.trim_start_matches("wss://").split_once('/').unwrap();
        let stream_url = format!("ws://{}/{real_path}", listener.local_addr().unwrap());
        let venue = credentials.venue();
        let budgets = Arc::new(Mutex::new(Budgets::new(&venue.limits())));
        let link = Link::new(venue.session(), venue.limits(), budgets, 1);
        let sink = Applied { engine: fresh(), last_trade: 0, done: None };
        let (_requests, receiver) = mpsc::channel(1);
        let endpoints = Endpoints { stream_url, ..endpoints };
        let driver = tokio::spawn(Driver::new(link, endpoints, clock, sink).unwrap().run(receiver));
        let said = timeout(Duration::from_secs(30), handshake(&listener)).await.unwrap();
        driver.abort();
        assert!(said.starts_with(&format!("GET {path} HTTP/1.1\r\n")), "{said}");
        for line in says {
            assert!(said.contains(&format!("\r\n{line}\r\n")), "{line} in {said}");
        }
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_capture_served_again_is_the_same_market() {
    let text = capture(4_000);
    let direct = replay(&text);
    assert!(direct.market().stream(ID).unwrap().book.is_known());
    for speed in [None, Some(10.0)] {
        let served = serve_again(&text, speed).await;
        assert_eq!(served.market().digest(), direct.market().digest(), "at {speed:?}");
        assert_eq!(served.market().counters().gaps, 0);
    }
    let other = replay(&text.replacen("\"t\":3999,\"p\":\"6", "\"t\":3999,\"p\":\"5", 1));
    assert_ne!(other.market().digest(), direct.market().digest());
}

/// An engine that lets everybody else go on for a while before it takes anything.
struct Slow;

impl Sink for Slow {
    fn report(&mut self, _: LinkCounters) {}

    async fn deliver(&mut self, _: Nanos, _: &mut Vec<Input>) -> Vec<InstrumentId> {
        for _ in 0..100 {
            tokio::task::yield_now().await;
        }
        Vec::new()
    }
}

#[tokio::test]
async fn what_was_asked_for_is_subscribed_to_at_once_however_soon_the_connection_opens() {
    const TOKENS: u32 = 64;
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let endpoints = Venue::Kite.endpoints(Some(&listener.local_addr().unwrap().to_string())).unwrap();
    let budgets = Arc::new(Mutex::new(Budgets::new(&Venue::Kite.limits())));
    let link = Link::new(Venue::Kite.session(), Venue::Kite.limits(), budgets, 1);
    let (requests, receiver) = mpsc::channel(TOKENS as usize);
    for id in 0..TOKENS {
        let instrument = Box::new(instrument());
        requests.send(Request::Add { symbol: id.to_string(), id: InstrumentId(id), instrument }).await.unwrap();
    }
    let driver = tokio::spawn(Driver::new(link, endpoints, clock, Slow).unwrap().run(receiver));
    let heard = async {
        let (stream, _) = listener.accept().await.unwrap();
        let mut client = tokio_tungstenite::accept_async(stream).await.unwrap();
        client.next().await.unwrap().unwrap().into_text().unwrap()
    };
    let heard: serde_json::Value =
        serde_json::from_str(&timeout(Duration::from_secs(30), heard).await.unwrap()).unwrap();
    driver.abort();
    assert_eq!(heard["v"].as_array().unwrap().len(), TOKENS as usize, "{heard}");
}

/// What a driver has told.
#[derive(Default)]
struct Told(Arc<Mutex<Vec<Input>>>);

impl Sink for Told {
    fn report(&mut self, _: LinkCounters) {}

    async fn deliver(&mut self, _: Nanos, inputs: &mut Vec<Input>) -> Vec<InstrumentId> {
        self.0.lock().unwrap().append(inputs);
        Vec::new()
    }
}

/// A driver of one symbol whose socket is open, and the other end of it.
async fn connected(told: Told) -> (Driver<Told>, WebSocketStream<TcpStream>) {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let venue = Venue::Binance(Market::Spot);
    let endpoints = venue.endpoints(Some(&listener.local_addr().unwrap().to_string())).unwrap();
    let budgets = Arc::new(Mutex::new(Budgets::new(&venue.limits())));
    let mut link = Link::new(venue.session(), venue.limits(), budgets, 1);
    link.add(Nanos::ZERO, "BTCUSDT", ID, instrument());
    let mut driver = Driver::new(link, endpoints, clock, told).unwrap();
    driver.settle().await;
    let accept = async { tokio_tungstenite::accept_async(listener.accept().await.unwrap().0).await.unwrap() };
    let (outcome, venue) = tokio::join!(driver.pending.next(), accept);
    driver.handle_outcome(outcome.unwrap());
    driver.settle().await;
    (driver, venue)
}

#[tokio::test]
async fn a_write_that_fails_is_a_loss_that_is_told_at_once_and_the_socket_is_gone() {
    let told = Arc::default();
    let (mut driver, mut venue) = connected(Told(Arc::clone(&told))).await;
    let request: serde_json::Value =
        serde_json::from_str(venue.next().await.unwrap().unwrap().to_text().unwrap()).unwrap();
    let answer = Message::text(format!(r#"{{"result":null,"id":{}}}"#, request["id"]));
    driver.handle_message(1, Some(Ok(answer)));
    driver.settle().await;
    // Nothing can be written from here on; nobody has said so, and something is to be sent.
    driver.sockets.get_mut(&1).unwrap().writer.close().await.unwrap();
    driver.now = driver.now.plus(venue_limits().ping_every);
    driver.settle().await;
    let lost = |input: &Input| matches!(input, Input::Gap(gap) if gap.cause == tidegate_core::GapCause::Disconnected);
    assert!(told.lock().unwrap().iter().any(lost), "{:?}", told.lock().unwrap());
    assert!(driver.sockets.is_empty() && !driver.link.is_open());
    // The other end sees the end of the stream, though it has not answered the farewell.
    let mut socket = venue.into_inner();
    while let Some((_, _)) = driver.readers.next().await {}
    let mut rest = Vec::new();
    timeout(Duration::from_secs(30), socket.read_to_end(&mut rest)).await.expect("the socket is closed").unwrap();
}

fn venue_limits() -> crate::link::Limits {
    Venue::Binance(Market::Spot).limits()
}

/// Has a snapshot answered so; tells the failure: whether it is final, how long nothing may be fetched, and why.
async fn refuse(head: &str) -> (bool, Option<Nanos>, String) {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("http://{}/depth", listener.local_addr().unwrap());
    let served = async {
        let (mut stream, _) = listener.accept().await.unwrap();
        let mut bytes = Vec::new();
        while !bytes.ends_with(b"\r\n\r\n") {
            assert!(stream.read_buf(&mut bytes).await.unwrap() > 0);
        }
        stream.write_all(format!("HTTP/1.1 {head}\r\ncontent-length: 2\r\n\r\n{{}}").as_bytes()).await.unwrap();
    };
    let fetched = fetch(reqwest::Client::new(), url, clock());
    let (result, ()) = tokio::join!(fetched, served);
    let Failure { reason, is_final, hold } = result.unwrap_err();
    (is_final, hold, reason)
}

#[tokio::test]
async fn what_a_venue_says_of_a_snapshot_is_read_off_its_answer() {
    install_tls_provider();
    let two_hours = Nanos::new(7_200 * Nanos::SECOND.raw());
    let ban = refuse("418 I'm a teapot\r\nretry-after: 7200").await;
    assert_eq!(ban, (false, Some(two_hours), "status 418 {}".to_owned()));
    assert_eq!(refuse("400 Bad Request").await, (true, None, "status 400 {}".to_owned()));
}
