//! Over real sockets on loopback: captures of venues that send everything by the socket, served again.

use super::*;
use crate::angel::encoder as angel;
use crate::catalog::Catalog;
use crate::driver::{Driver, Request, Sink};
use crate::exchange;
use crate::kite::encoder as kite;
use crate::link::{Budgets, Link, LinkCounters};
use crate::venue::Venue;
use crate::{FrameError, Payload};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use std::fmt::Write;
use std::sync::Mutex;
use tidegate_core::{Bounds, Engine, Input, Instrument, InstrumentId, Market, Stamped};
use tokio::net::TcpListener;
use tokio_tungstenite::connect_async;

const BOUNDS: Bounds = Bounds {
    book_levels_max: 64,
    bars_max: 500,
    trades_max: 4,
    instruments_max: 32,
    stale_after: Nanos::new(i64::MAX),
};

fn clock() -> Nanos {
    let since = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).unwrap();
    Nanos::new(i64::try_from(since.as_nanos()).unwrap())
}

fn apply(engine: &mut Engine, now: Nanos, input: &Input) {
    engine.input(now, input, &mut |_: &_, _: Stamped<'_>| {}).unwrap();
}

/// What a capture holds: the market that its direct replay comes to, and the instruments met on the way.
struct Direct {
    engine: Engine,
    symbols: Vec<(String, Instrument)>,
}

fn replay(venue: Venue, path: &std::path::Path) -> Direct {
    let (mut session, mut out) = (venue.session(), Vec::new());
    let engine = Engine::new(Market::new(BOUNDS), 0, Nanos::ZERO);
    let mut direct = Direct { engine, symbols: Vec::new() };
    read(venue, &[path.to_owned()], |Captured { receive_ts: now, message, .. }| {
        let bytes = message.clone().into_data();
        let payload = if message.is_text() { Payload::Text(&bytes) } else { Payload::Binary(&bytes) };
        while let Err(error) = session.handle_message(now, payload, &mut out) {
            let FrameError::UnknownSymbol { symbol, decimals } = error else { panic!("{error}") };
            let id = InstrumentId(direct.symbols.len() as u32);
            let instrument = venue.instrument(&Catalog::built_in().unwrap(), &symbol, decimals);
            out.push(Input::Define { id, instrument: Box::new(instrument.clone()) });
            session.add(&symbol, id, instrument.clone());
            session.assume_subscribed(&symbol, &mut out);
            direct.symbols.push((symbol, instrument));
        }
        out.drain(..).for_each(|input| apply(&mut direct.engine, now, &input));
        true
    })
    .unwrap();
    direct
}

struct Applied {
    engine: Arc<Mutex<Engine>>,
    changed: watch::Sender<()>,
}

impl Sink for Applied {
    fn report(&mut self, counters: LinkCounters) {
        assert_eq!((counters.decode_errors, counters.losses, counters.unknown_symbols), (0, 0, 0));
    }

    async fn deliver(&mut self, now: Nanos, inputs: &mut Vec<Input>) -> Vec<InstrumentId> {
        let mut engine = self.engine.lock().unwrap();
        inputs.drain(..).for_each(|input| apply(&mut engine, now, &input));
        self.changed.send_replace(());
        Vec::new()
    }
}

async fn open(venue: Venue, path: &std::path::Path, speed: Option<f64>) -> String {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap().to_string();
    let reserve = Reserve::new(venue, vec![path.to_owned()], speed).unwrap();
    tokio::spawn(exchange::serve(listener, Arc::new(reserve)));
    address
}

async fn check(venue: Venue, path: &std::path::Path, speed: Option<f64>) {
    let direct = replay(venue, path);
    let events = direct.engine.market().counters().events;
    let address = open(venue, path, speed).await;
    let budgets = Arc::new(Mutex::new(Budgets::new(&venue.limits())));
    let link = Link::new(venue.session_of_recording(), venue.limits(), budgets, 1);
    let engine = Arc::new(Mutex::new(Engine::new(Market::new(BOUNDS), 0, Nanos::ZERO)));
    let (changed, mut changes) = watch::channel(());
    let (requests, receiver) = mpsc::channel(BOUNDS.instruments_max);
    for (id, (symbol, instrument)) in (0..).map(InstrumentId).zip(&direct.symbols) {
        let (symbol, instrument) = (symbol.clone(), Box::new(instrument.clone()));
        let define = Input::Define { id, instrument: instrument.clone() };
        apply(&mut engine.lock().unwrap(), Nanos::ZERO, &define);
        requests.send(Request::Add { symbol, id, instrument }).await.unwrap();
    }
    let sink = Applied { engine: Arc::clone(&engine), changed };
    let driver = Driver::new(link, venue.endpoints(Some(&address)).unwrap(), clock, sink).unwrap();
    let driver = tokio::spawn(driver.run(receiver));
    let is_over = async {
        while engine.lock().unwrap().market().counters().events < events {
            changes.changed().await.expect("the driver runs");
        }
    };
    tokio::time::timeout(Duration::from_secs(60), is_over).await.expect("the capture ends");
    driver.abort();
    let served = engine.lock().unwrap();
    let counters = served.market().counters();
    assert_eq!((counters.events, counters.gaps), (events, direct.engine.market().counters().gaps));
    assert_eq!(served.market().digest(), direct.engine.market().digest(), "{venue:?} at {speed:?}");
    println!("{venue:?} at {speed:?}: {events} events of {} instruments, one digest", direct.symbols.len());
}

/// A capture of binary messages, a tenth of a second apart.
fn write(folder: &tempfile::TempDir, name: &str, messages: impl Iterator<Item = Vec<u8>>) -> PathBuf {
    let mut text = String::new();
    for (at, message) in (0..).zip(messages) {
        let ts = 1_625_461_887_000_000_000i64 + at * 100_000_000;
        writeln!(text, "{ts} {}", STANDARD.encode(message)).unwrap();
    }
    let path = folder.path().join(name);
    std::fs::write(&path, text).unwrap();
    path
}

fn kite_capture(folder: &tempfile::TempDir) -> PathBuf {
    let packet = |at: u32| kite::infy(1_625_461_887 + at / 10, 157_000 + at % 7 * 5, 1_000 + at * 3).bytes();
    write(folder, "kite", (0..2_000).map(|at| kite::frame(&[packet(at), kite::ltp(256_265, 1_570_000 + at)])))
}

fn angel_capture(folder: &tempfile::TempDir) -> PathBuf {
    let packet = |at: i64| angel::infy(at + 1, 1_625_461_887_000 + at * 100, 157_000 + at % 7 * 5, 1_000 + at * 3);
    write(folder, "angel", (0..2_000).map(|at| packet(at).bytes()))
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn packets_served_again_are_the_same_market() {
    let folder = tempfile::tempdir().unwrap();
    for (venue, path) in [(Venue::Kite, kite_capture(&folder)), (Venue::Angel, angel_capture(&folder))] {
        check(venue, &path, None).await;
        check(venue, &path, Some(100.0)).await;
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_kraken_capture_served_again_is_the_same_market() {
    let Some(folder) = std::env::var_os("TIDEGATE_MARKET_DATA") else {
        return println!("left out, as TIDEGATE_MARKET_DATA is not set: the_kraken_capture_served_again");
    };
    let path = std::path::Path::new(&folder).join("kraken/KRAKEN.ws.50.0");
    check(Venue::Kraken, &path, None).await;
    check(Venue::Kraken, &path, Some(10.0)).await;
}

/// What a client that says `requests` hears, without what the capture holds.
async fn hear(address: &str, path: &str, requests: &[&str], count: usize) -> Vec<Message> {
    let (mut socket, _) = connect_async(format!("ws://{address}{path}")).await.unwrap();
    for request in requests {
        socket.send(Message::text(*request)).await.unwrap();
    }
    let mut heard = Vec::new();
    while heard.len() < count {
        let message = tokio::time::timeout(Duration::from_secs(10), socket.next()).await.unwrap().unwrap().unwrap();
        let is_ours = match &message {
            Message::Text(text) => !text.starts_with("{\"stream\""),
            Message::Binary(bytes) => bytes.len() == 1,
            _ => false,
        };
        heard.extend(is_ours.then_some(message));
    }
    heard
}

#[tokio::test]
async fn a_capture_that_is_over_leaves_the_connection_alive() {
    let folder = tempfile::tempdir().unwrap();
    let address = open(Venue::Kite, &kite_capture(&folder), None).await;
    let heartbeat = Message::Binary(Bytes::from_static(&[0]));
    assert_eq!(hear(&address, "/", &[r#"{"a":"subscribe","v":[408065]}"#], 3).await, vec![heartbeat; 3]);
    let address = open(Venue::Angel, &angel_capture(&folder), None).await;
    let subscribe = r#"{"action":1,"params":{"mode":3,"tokenList":[]}}"#;
    assert_eq!(hear(&address, "/smart-stream", &[subscribe, "ping"], 1).await, [Message::text("pong")]);
    let capture = folder.path().join("binance");
    std::fs::write(&capture, "1 {\"lastUpdateId\":1,\"bids\":[],\"asks\":[]}\n2 {\"stream\":\"x\"}\n").unwrap();
    let address = open(Venue::Binance(crate::binance::Market::Spot), &capture, None).await;
    let requests = [r#"{"method":"SUBSCRIBE","params":["x"],"id":1}"#, r#"{"method":"LIST_SUBSCRIPTIONS","id":2}"#];
    let expect = [1, 2].map(|id| Message::text(format!(r#"{{"id":{id},"result":null}}"#)));
    assert_eq!(hear(&address, "/stream", &requests, 2).await, expect, "while the snapshot is waited for, too");
}

#[test]
fn what_holds_nothing_to_serve_is_refused() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("capture");
    std::fs::write(&path, "1 {\"stream\":\"x\"}\n").unwrap();
    for (venue, expect) in [
        (Venue::Binance(crate::binance::Market::Spot), "the capture holds no snapshot to serve"),
        (Venue::Kraken, "the capture holds no message to serve"),
        (Venue::Kite, "the capture holds no message to serve"),
    ] {
        let error = Reserve::new(venue, vec![path.clone()], None).err().unwrap();
        assert_eq!(error.to_string(), expect);
    }
}
