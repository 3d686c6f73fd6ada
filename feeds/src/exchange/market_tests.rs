//! Over real sockets on loopback: what engines make of the exchange is what its twin says.

use super::super::rig::{MORNING, PAIRS, Rig, SHARES, Seen, clock, market, set_clock};
use super::*;
use crate::cases;
use crate::kite::codec::{Message as KiteMessage, decode};
use crate::sim::Day;
use futures::{FutureExt, SinkExt};
use tidegate_core::{Body, InstrumentId, Qty, Side};
use tokio::net::{TcpSocket, TcpStream};
use tokio_tungstenite::WebSocketStream;

const SECOND: usize = 20;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn engines_at_binance_have_the_market_without_a_gap() {
    let seconds = cases::count(2_000, 20_000).max(20);
    let mut rig = Rig::new::<0>(1, Settings::default()).await;
    let mut followers = [rig.follow_live::<0>(&PAIRS).await, rig.follow_live::<0>(&PAIRS).await];
    let mut levels = 0;
    for _ in 0..seconds {
        let [first, second] = &followers;
        rig.advance(SECOND, &[first, second]).await;
        for follower in &mut followers {
            rig.settle(follower, &PAIRS).await;
            levels += rig.check_books(&follower.seen.lock().unwrap(), &PAIRS);
        }
    }
    let [first, second] = followers.each_ref().map(|follower| follower.seen.lock().unwrap());
    let bodies = |seen: &Seen| -> Vec<Body> { seen.trades.values().flatten().map(|event| event.body).collect() };
    assert_eq!(bodies(&first), bodies(&second), "both see the same trades");
    for seen in [&first, &second] {
        assert_eq!((seen.gaps.len(), seen.counters.losses, seen.counters.decode_errors), (0, 0, 0));
        let (trades, missing) = rig.check_trades(seen, &PAIRS);
        assert!(trades > 10 && missing == 0, "{trades} trades, {missing} missing");
        let events = seen.engine.market().counters().events;
        println!(
            "{seconds} s of 2 books: {events} events, {trades} trades, 0 gaps, {} new snapshots, {levels} levels equal",
            seen.refreshes
        );
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn engines_at_kite_have_the_market_without_a_gap() {
    let seconds = cases::count(2_000, 20_000).max(20);
    let mut rig = Rig::new::<1>(2, Settings::default()).await;
    let mut follower = rig.follow::<1>(&SHARES).await;
    for _ in 0..seconds {
        rig.advance(SECOND, &[&follower]).await;
        rig.catch_up(&mut follower).await;
    }
    let index = rig.twin.day(rig.twin.index_position()).unwrap().last;
    let last = |seen: &Seen| seen.engine.market().stream(InstrumentId(3)).unwrap().last_trade.map(|it| it.price);
    follower.wait("the index", |seen| last(seen) == Some(index)).await;
    let seen = follower.seen.lock().unwrap();
    assert_eq!((seen.gaps.len(), seen.counters.losses, seen.counters.decode_errors), (0, 0, 0));
    assert_eq!(seen.counters.unknown_symbols, 0);
    let packets = rig.check_views(&seen);
    let most = 3 * (4 * seconds as usize + 2);
    assert!(packets > most / 8 && packets <= most, "{packets} packets of at most {most}");
    println!("{seconds} s of 3 shares and an index: {packets} packets, each one the market's, 0 gaps");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn engines_at_kraken_have_the_whole_checked_book() {
    let seconds = cases::count(2_000, 20_000).max(20);
    let mut rig = Rig::new::<29>(10, Settings::default()).await;
    let mut follower = rig.follow_at::<29>(venue::Venue::Kraken, &PAIRS).await;
    for _ in 0..seconds {
        rig.advance(SECOND, &[&follower]).await;
        follower.wait("the best levels", |seen| rig.shows_best(seen, &PAIRS)).await;
    }
    let seen = follower.seen.lock().unwrap();
    assert_eq!((seen.gaps.len(), seen.counters.losses, seen.counters.decode_errors), (0, 0, 0));
    let levels = rig.check_books(&seen, &PAIRS);
    assert_eq!(levels, 2 * 10 * PAIRS.len());
    let (trades, missing) = rig.check_trades(&seen, &PAIRS);
    assert!(trades > 10 && missing == 0, "{trades} trades, {missing} missing");
    for id in [0, 1].map(InstrumentId) {
        let stream = seen.engine.market().stream(id).unwrap();
        let top = stream.book.top();
        assert_eq!(stream.state(tidegate_core::Family::Quotes), tidegate_core::StreamState::Live);
        let quote = stream.quote.map(|it| (it.bid.price, it.ask.price));
        assert_eq!(quote, Some((top.bid.unwrap().price, top.ask.unwrap().price)));
    }
    println!("{seconds} s of 2 books: {seconds} times all {levels} levels equal, {trades} trades, 0 gaps");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn engines_at_angel_have_the_market_without_a_gap() {
    let seconds = cases::count(2_000, 20_000).max(20);
    let mut rig = Rig::new::<30>(11, Settings::default()).await;
    let mut follower = rig.follow_at::<30>(venue::Venue::Angel, &SHARES).await;
    for _ in 0..seconds {
        rig.advance(SECOND, &[&follower]).await;
        rig.catch_up(&mut follower).await;
    }
    let index = rig.twin.day(rig.twin.index_position()).unwrap().last;
    let last = |seen: &Seen| seen.engine.market().stream(InstrumentId(3)).unwrap().last_trade.map(|it| it.price);
    follower.wait("the index", |seen| last(seen) == Some(index)).await;
    let seen = follower.seen.lock().unwrap();
    assert_eq!((seen.gaps.len(), seen.counters.losses, seen.counters.decode_errors), (0, 0, 0));
    assert_eq!(seen.counters.unknown_symbols, 0);
    let packets = rig.check_views(&seen);
    let most = 3 * (4 * seconds as usize + 2);
    assert!(packets > most / 8 && packets <= most, "{packets} packets of at most {most}");
    println!("{seconds} s of 3 shares and an index: {packets} packets, each one the market's, 0 gaps");
}

/// A client that only does what its test says.
type Raw = WebSocketStream<TcpStream>;

async fn raw(rig: &Rig, path: &str) -> Raw {
    let socket = TcpSocket::new_v4().unwrap();
    socket.set_recv_buffer_size(4_096).unwrap();
    let stream = socket.connect(rig.address.parse().unwrap()).await.unwrap();
    tokio_tungstenite::client_async(format!("ws://{}{path}", rig.address), stream).await.unwrap().0
}

async fn ask(client: &mut Raw, text: &str) {
    client.send(Message::text(text)).await.unwrap();
}

async fn hear(client: &mut Raw) -> Message {
    let next = tokio::time::timeout(Duration::from_secs(30), client.next());
    next.await.expect("an answer").unwrap().unwrap()
}

/// The next text after a request, which packets may come before.
async fn answer(client: &mut Raw, request: &str) -> String {
    ask(client, request).await;
    loop {
        if let Message::Text(text) = hear(client).await {
            return text.to_string();
        }
    }
}

const ALL: &str = r#"{"method":"SUBSCRIBE","params":["btcusdt@depth@100ms","btcusdt@trade","btcusdt@bookTicker",
    "ethusdt@depth@100ms","ethusdt@trade","ethusdt@bookTicker"],"id":1}"#;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn who_does_not_read_is_sent_away_and_nobody_else_notices() {
    let mut rig = Rig::new::<2>(3, Settings { messages_max: 1_024, ..Settings::default() }).await;
    let mut followers = [rig.follow_live::<2>(&PAIRS).await, rig.follow_live::<2>(&PAIRS).await];
    let mut stalled = raw(&rig, "/stream").await;
    assert_eq!(answer(&mut stalled, ALL).await, r#"{"id":1,"result":null}"#);
    assert_eq!(rig.exchange.clients(), 3);
    let mut seconds = 0;
    while rig.exchange.clients() == 3 {
        let [first, second] = &followers;
        rig.advance(SECOND, &[first, second]).await;
        for follower in &mut followers {
            rig.settle(follower, &PAIRS).await;
        }
        seconds += 1;
        assert!(seconds < 3_600, "a client that does not read is still there");
    }
    for follower in &followers {
        let seen = follower.seen.lock().unwrap();
        rig.check_books(&seen, &PAIRS);
        assert_eq!((seen.gaps.len(), seen.counters.losses), (0, 0));
        let (trades, missing) = rig.check_trades(&seen, &PAIRS);
        assert!(trades > 10 && missing == 0);
        println!("a stalled client is sent away after {seconds} s; the others have {trades} trades, 0 missing");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn who_reads_kite_slowly_gets_the_latest_packets() {
    let mut rig = Rig::new::<3>(4, Settings::default()).await;
    let mut slow = raw(&rig, "/").await;
    let tokens: Vec<String> = listed(rig.twin.universe())
        .into_iter()
        .filter(|it| it.venue == venue::Venue::Kite)
        .map(|it| it.symbol)
        .collect();
    assert_eq!((tokens.len(), tokens[0].as_str(), tokens[50].as_str()), (51, "257", "13577"));
    let list = tokens.join(",");
    ask(&mut slow, &format!(r#"{{"a":"subscribe","v":[{list}]}}"#)).await;
    ask(&mut slow, &format!(r#"{{"a":"mode","v":["full",[{list}]]}}"#)).await;
    // The refusal of nonsense says that what came before it has been read.
    assert_eq!(
        answer(&mut slow, r#"{"a":"mode","v":["all",[257]]}"#).await,
        r#"{"data":"no mode all","type":"error"}"#
    );
    let seconds = cases::count(3_000, 10_000).max(600) as usize;
    for _ in 0..seconds {
        rig.advance(SECOND, &[]).await;
    }
    assert_eq!(rig.exchange.clients(), 1, "nobody is sent away for being slow");
    let frames = rig.exchange.state().clients[&0].0.waiting();
    assert!(frames <= FRAMES_MAX, "{frames} frames wait");
    let wanted = rig.exchange.look(|market| market.day(0).unwrap().volume / 100_000_000) as i64;
    let mut frames = 0;
    loop {
        rig.exchange.advance(rig.exchange.look(SimMarket::now).plus(GRID));
        let Message::Binary(frame) = hear(&mut slow).await else { continue };
        frames += 1;
        let KiteMessage::Packets(mut packets) = decode(&frame).unwrap() else { continue };
        let first = packets.find_map(|packet| packet.ok().filter(|(token, _)| *token == 257));
        if first.is_some_and(|(_, packet)| packet.volume.unwrap_or_default().raw() / 100_000_000 >= wanted) {
            break;
        }
    }
    println!("{seconds} s unread: {frames} frames to the present");
    assert!(frames < 4 * seconds, "{frames} frames: nothing was left out");
}

#[tokio::test]
async fn requests_are_answered_as_at_the_venue() {
    let mut rig = Rig::new::<4>(5, Settings::default()).await;
    let mut client = raw(&rig, "/stream").await;
    for (request, expect) in [
        (r#"{"method":"LIST_SUBSCRIPTIONS","id":1}"#, r#"{"id":1,"result":[]}"#),
        (
            r#"{"method":"SUBSCRIBE","params":["btcusdt@trade","ethusdt@bookTicker"],"id":2}"#,
            r#"{"id":2,"result":null}"#,
        ),
        (r#"{"method":"LIST_SUBSCRIPTIONS","id":3}"#, r#"{"id":3,"result":["btcusdt@trade","ethusdt@bookTicker"]}"#),
        (
            r#"{"method":"UNSUBSCRIBE","params":["btcusdt@trade","ethusdt@bookTicker"],"id":4}"#,
            r#"{"id":4,"result":null}"#,
        ),
        (r#"{"method":"LIST_SUBSCRIPTIONS","id":5}"#, r#"{"id":5,"result":[]}"#),
        (
            r#"{"method":"SUBSCRIBE","params":["btcusdt@trade","dogeusdt@trade"],"id":6}"#,
            r#"{"error":{"code":2,"msg":"Invalid request: unknown stream dogeusdt@trade"},"id":6}"#,
        ),
        (
            r#"{"method":"SUBSCRIBE","params":["btcusdt@kline_1m"],"id":7}"#,
            r#"{"error":{"code":2,"msg":"Invalid request: unknown stream btcusdt@kline_1m"},"id":7}"#,
        ),
        (
            r#"{"method":"SUBSCRIBE","id":8}"#,
            r#"{"error":{"code":2,"msg":"Invalid request: params names no stream"},"id":8}"#,
        ),
        (r#"{"method":"BUY","id":9}"#, r#"{"error":{"code":2,"msg":"Invalid request: unknown method BUY"},"id":9}"#),
        (r#"{"method":"LIST_SUBSCRIPTIONS","id":10}"#, r#"{"id":10,"result":[]}"#),
    ] {
        assert_eq!(answer(&mut client, request).await, expect);
    }
    assert!(answer(&mut client, "{").await.starts_with(r#"{"error":{"code":3,"msg":"Invalid JSON: "#));
    // Nothing is subscribed: the next thing that is heard is the venue's ping.
    rig.advance(20 * SECOND, &[]).await;
    assert!(matches!(hear(&mut client).await, Message::Ping(_)));
    drop(client);
    let mut kite = raw(&rig, "/").await;
    ask(&mut kite, r#"{"a":"subscribe","v":[1,2,99999999]}"#).await;
    assert!(answer(&mut kite, r#"{"a":"sell"}"#).await.ends_with(r#""type":"error"}"#));
    rig.advance(2 * SECOND, &[]).await;
    assert_eq!(hear(&mut kite).await, Message::Binary(Bytes::from_static(&[0])), "alive, and nothing to say");
    let mut nowhere = raw(&rig, "/nowhere").await;
    assert!(!matches!(nowhere.next().await, Some(Ok(Message::Text(_) | Message::Binary(_)))));
}

async fn rest(rig: &Rig, url: &str) -> (u16, serde_json::Value) {
    let response = reqwest::get(format!("http://{}{url}", rig.address)).await.unwrap();
    (response.status().as_u16(), serde_json::from_slice(&response.bytes().await.unwrap()).unwrap_or_default())
}

#[tokio::test]
async fn rest_tells_the_book_the_time_and_what_is_listed() {
    let mut rig = Rig::new::<5>(6, Settings::default()).await;
    rig.advance(SECOND / 2 + 1, &[]).await;
    let (_, time) = rest(&rig, "/api/v3/time").await;
    assert_eq!(time["serverTime"], (MORNING.raw() + 550_000_000) / 1_000_000);
    let at = rig.position("BINANCE:BTCUSDT");
    let (_, depth) = rest(&rig, "/api/v3/depth?symbol=BTCUSDT&limit=5").await;
    assert_eq!(depth["lastUpdateId"], rig.twin.update_id(at).unwrap());
    for (side, name) in [(Side::Bid, "bids"), (Side::Ask, "asks")] {
        let expect: Vec<_> = rig
            .twin
            .depth(at, side, 5)
            .map(|it| serde_json::json!([it.price.display(8).to_string(), it.qty.display(8).to_string()]))
            .collect();
        assert_eq!(depth[name], serde_json::Value::Array(expect));
    }
    let (_, info) = rest(&rig, "/api/v3/exchangeInfo").await;
    assert_eq!(info["symbols"].as_array().unwrap().len(), 2);
    assert_eq!(info["symbols"][0]["filters"][0]["tickSize"], "0.01000000");
    assert_eq!(info["symbols"][1]["filters"][1]["stepSize"], "0.00010000");
    for (url, status, code) in [
        ("/api/v3/depth", 400, -1_102),
        ("/api/v3/depth?symbol=", 400, -1_102),
        ("/api/v3/depth?symbol=btcusdt", 400, -1_121),
        ("/api/v3/depth?symbol=RELIANCE", 400, -1_121),
        ("/api/v3/depth?symbol=BTCUSDT&limit=-1", 400, -1_100),
    ] {
        let (got, body) = rest(&rig, url).await;
        assert_eq!((got, body["code"].as_i64()), (status, Some(code)), "{url}");
    }
    assert_eq!(rest(&rig, "/api/v3/account").await.0, 404);
}

#[test]
fn a_packet_holds_the_day_and_the_book() {
    let mut market = market(7);
    let mut out = Vec::new();
    while !market.advance(MORNING.plus(Nanos::new(90_500_000_000)), &mut out) {}
    for (position, segment) in [(36, Segment::Nse), (0, Segment::Nse), (market.index_position(), Segment::Indices)] {
        let mut ticker = Ticker::new(position, segment);
        let quote = ticker.subscribe(1, &market);
        let full = ticker.set_mode(1, crate::kite::Mode::Full).unwrap();
        assert_eq!(quote[..], full[..quote.len()]);
        let frame = kite::frame([full].iter());
        let KiteMessage::Packets(mut packets) = decode(&frame).unwrap() else { panic!("no packet") };
        let (token, packet) = packets.next().unwrap().unwrap();
        assert_eq!((token, packets.next()), (ticker.token, None));
        let day = market.day(position).unwrap();
        assert_eq!((packet.last, packet.time), (Some(day.last), Some(MORNING.plus(Nanos::new(90_000_000_000)))));
        let Day { open, high, low, previous_close: close, .. } = day;
        assert_eq!(packet.statistics[0], Some(Body::Ohlc { open, high, low, close }));
        let Some(depth) = packet.depth else { continue };
        assert_eq!(packet.last_time, Some(day.last_at.floor(Nanos::SECOND)));
        assert_eq!(packet.volume.unwrap().raw(), day.volume as i64);
        let Some(Body::Day { average, last_qty, .. }) = packet.statistics[1] else { panic!("no day") };
        assert_eq!(last_qty, day.last_qty);
        assert!(day.low <= average && average <= day.high && average.raw() % 10_000_000 == 0);
        let totals = Side::BOTH.map(|side| market.depth(position, side, 10_000).map(|it| it.qty.raw()).sum());
        let [buy, sell] = totals.map(|total| Qty::from_raw(total).unwrap());
        assert_eq!(packet.statistics[2], Some(Body::Pressure { buy, sell }));
        let rows: Vec<_> = depth.rows().iter().map(|row| (row.side, row.price, row.qty, row.orders)).collect();
        let levels =
            Side::BOTH.map(|side| market.depth(position, side, 5).map(move |it| (side, it.price, it.qty, it.orders)));
        assert_eq!(rows, levels.into_iter().flatten().collect::<Vec<_>>());
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_running_exchange_keeps_the_time_of_its_clock() {
    let rig = Rig::new::<6>(8, Settings::default()).await;
    let exchange = Arc::clone(&rig.exchange);
    let running = tokio::spawn(async move { exchange.run(clock::<7>).await });
    set_clock::<7>(MORNING.plus(Nanos::new(2_500_000_000)));
    let mut now = rig.exchange.now.subscribe();
    let reached = now.wait_for(|now| *now >= MORNING.plus(Nanos::new(2_500_000_000)));
    let reached = *tokio::time::timeout(Duration::from_secs(30), reached).await.unwrap().unwrap();
    assert_eq!(reached, MORNING.plus(Nanos::new(2_500_000_000)), "and no further");
    running.abort();
}

/// What a second of the whole market costs with one client of everything, and how much is said.
#[test]
fn cost_of_a_second() {
    let exchange = SimExchange::new(market(9), Settings::default());
    let enter = |protocol| exchange.state().enter(protocol);
    let (binance, at_binance) = enter(Protocol::Binance { streams: BTreeSet::new(), pinged_at: MORNING });
    let (kite, at_kite) = enter(Protocol::Kite { waiting: BTreeMap::new() });
    exchange.state().request(binance, ALL, None);
    let tokens: Vec<u32> = exchange.state().tickers.values().map(|ticker| ticker.token).collect();
    exchange.state().request(kite, &format!(r#"{{"a":"subscribe","v":{tokens:?}}}"#), None);
    exchange.state().request(kite, &format!(r#"{{"a":"mode","v":["full",{tokens:?}]}}"#), None);
    let seconds = cases::count(6_000, 60_000).max(60) as i64;
    let (mut bytes, mut messages) = ([0; 2], [0; 2]);
    let began = std::time::Instant::now();
    for step in 1..=50 * seconds {
        exchange.advance(MORNING.plus(Nanos::new(step * 20_000_000)));
        for (number, mailbox) in [&at_binance, &at_kite].into_iter().enumerate() {
            for message in mailbox.take().now_or_never().unwrap_or_default() {
                bytes[number] += message.len();
                messages[number] += 1;
            }
        }
    }
    let per_second = |total: usize| total as i64 / seconds;
    println!(
        "{seconds} s of 52 instruments and the index: {} us a second; Binance {} messages and {} bytes, Kite {} and {}",
        began.elapsed().as_micros() as i64 / seconds,
        per_second(messages[0]),
        per_second(bytes[0]),
        per_second(messages[1]),
        per_second(bytes[1])
    );
    assert!(per_second(messages[0]) > 20 && per_second(messages[1]) >= 1);
}
