//! The simulated market behind sockets: Binance spot at `/stream`, Kite at `/`, Kraken at `/v2`, Angel One at
//! `/smart-stream`, one market behind them all.
//!
//! The market's time is the only one: batches, heartbeats and faults wait for it, so whoever moves it by hand has
//! an exchange without a clock. Every client has a bounded queue. A client that does not keep up is sent away, as
//! Binance does; one of Kite's gets fewer packets, and always the latest.

use super::binance::{self, Kind, Pair};
use super::client::{Client, Life, Mailbox};
use super::faults::{Fault, Faults};
use super::kite::{self, Ticker};
use super::{Reply, Socket, Venue, angel, kraken};
use crate::binance::Market as BinanceMarket;
use crate::kite::Segment;
use crate::sim::{Output, SimMarket, Universe, What};
use crate::venue;
use bytes::Bytes;
use futures::StreamExt;
use futures::future::BoxFuture;
use futures::stream::SplitStream;
use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;
use tidegate_core::{Instrument, Nanos};
use tokio::sync::watch;
use tokio::time::MissedTickBehavior;
use tokio_tungstenite::tungstenite::Message;

/// How often a running market is moved on.
const TICK: Duration = Duration::from_millis(20);
/// How far it moves at once: after a pause of the machine it catches up at fifty times its pace.
const STEP_MAX: Nanos = Nanos::SECOND;
/// Batches and packets are due at multiples of this, which divides every span of theirs.
const GRID: Nanos = Nanos::new(50_000_000);
/// Messages that wait for one client, unless the settings say otherwise: a busy minute.
const MESSAGES_MAX: usize = 8_192;
/// Frames that wait for a client of Kite before its packets are merged.
const FRAMES_MAX: usize = 16;

/// An instrument of the simulated market as its venue knows it.
#[derive(Clone, Debug)]
pub struct Listed {
    /// Whose session speaks to it.
    pub venue: venue::Venue,
    /// Its symbol there: `BTCUSDT`, or a token such as `257`.
    pub symbol: String,
    /// Its facts.
    pub instrument: Instrument,
}

/// Everything in a universe, by position; the index stands last. Crypto pairs are at Binance; all else, the
/// synthetic names too, is at Kite in the segment NSE.
pub fn listed(universe: &Universe) -> Vec<Listed> {
    let of_kite = |position: usize, segment, instrument: &Instrument| Listed {
        venue: venue::Venue::Kite,
        symbol: kite::token(position as u32, segment).to_string(),
        instrument: instrument.clone(),
    };
    let listings = universe.listings().iter().enumerate().map(|(position, listing)| match binance::symbol(listing) {
        Some(symbol) => Listed {
            venue: venue::Venue::Binance(BinanceMarket::Spot),
            symbol: symbol.to_owned(),
            instrument: listing.instrument.clone(),
        },
        None => of_kite(position, Segment::Nse, &listing.instrument),
    });
    let index = of_kite(universe.listings().len(), Segment::Indices, &universe.index().instrument);
    listings.chain([index]).collect()
}

/// How an exchange treats its clients.
#[derive(Clone, Debug)]
pub struct Settings {
    /// Messages that wait for one client.
    pub messages_max: usize,
    /// What goes wrong.
    pub faults: Faults,
}

impl Default for Settings {
    fn default() -> Settings {
        Settings { messages_max: MESSAGES_MAX, faults: Faults::default() }
    }
}

/// A simulated market that can be connected to: see [`super::serve`].
pub struct SimExchange {
    state: Mutex<State>,
    /// The market's time, for whoever waits for it.
    now: watch::Sender<Nanos>,
}

impl SimExchange {
    /// Opens a market to clients.
    pub fn new(market: SimMarket, settings: Settings) -> SimExchange {
        let now = watch::Sender::new(market.now());
        SimExchange { state: Mutex::new(State::new(market, settings)), now }
    }

    /// Keeps the market at the clock's time, for as long as it is polled.
    pub async fn run(&self, clock: fn() -> Nanos) {
        let mut ticks = tokio::time::interval(TICK);
        ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
        loop {
            ticks.tick().await;
            let reached = *self.now.borrow();
            self.advance(clock().min(reached.plus(STEP_MAX)));
        }
    }

    /// Lets everything happen up to `to`, and tells the clients. It never waits for one of them.
    pub fn advance(&self, to: Nanos) {
        let mut state = self.state();
        while state.market.now() < to {
            let next = state.market.now().floor(GRID).plus(GRID);
            state.step(next.min(to));
        }
        let now = state.market.now();
        drop(state);
        self.now.send_replace(now);
    }

    /// Shows the market as it is now.
    pub fn look<R>(&self, look: impl FnOnce(&SimMarket) -> R) -> R {
        look(&self.state().market)
    }

    /// Clients that are connected.
    pub fn clients(&self) -> usize {
        self.state().clients.len()
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Reads what a client asks for, until it has gone.
    async fn listen(&self, client: u64, socket: &mut SplitStream<Socket>) {
        let mut now = self.now.subscribe();
        // Pings are answered by the socket while it is read.
        while let Some(Ok(message)) = socket.next().await {
            let Message::Text(text) = message else { continue };
            let (fault, late_by) = self.state().request_fault(client);
            if late_by > Nanos::ZERO {
                let until = now.borrow().plus(late_by);
                drop(now.wait_for(|now| *now >= until).await);
            }
            self.state().request(client, &text, fault);
        }
    }
}

impl Venue for SimExchange {
    fn get(self: Arc<Self>, path: String, query: String) -> BoxFuture<'static, Reply> {
        Box::pin(async move { binance::get(&self.state().market, &path, &query) })
    }

    fn serve(self: Arc<Self>, path: String, socket: Socket) -> BoxFuture<'static, ()> {
        Box::pin(async move {
            let protocol = match path.as_str() {
                "/stream" => Protocol::Binance { streams: BTreeSet::new(), pinged_at: *self.now.borrow() },
                "/" => Protocol::Kite { waiting: BTreeMap::new() },
                "/v2" => Protocol::Kraken,
                "/smart-stream" => Protocol::Angel,
                _ => return,
            };
            let (client, mailbox) = self.state().enter(protocol);
            let (mut writer, mut reader) = socket.split();
            tokio::select! {
                () = mailbox.write(&mut writer) => {}
                () = self.listen(client, &mut reader) => {}
                () = mailbox.wait_for(Life::Hanging) => {}
            }
            if mailbox.is_hanging() {
                mailbox.wait_for(Life::Over).await;
            }
            self.state().leave(client);
        })
    }
}

/// What a client speaks, and has asked for.
#[derive(Debug)]
enum Protocol {
    Binance {
        streams: BTreeSet<binance::Stream>,
        pinged_at: Nanos,
    },
    /// Packets by token that wait for the next frame: the latest of each.
    Kite {
        waiting: BTreeMap<u32, Bytes>,
    },
    Kraken,
    Angel,
}

struct State {
    market: SimMarket,
    settings: Settings,
    /// By position in the universe.
    pairs: BTreeMap<u32, Pair>,
    tickers: BTreeMap<u32, Ticker>,
    kraken: kraken::Floor,
    angel: angel::Floor,
    clients: BTreeMap<u64, (Client, Protocol)>,
    /// Clients so far.
    entered: u64,
    outputs: Vec<Output>,
}

impl State {
    fn new(market: SimMarket, settings: Settings) -> State {
        let (mut pairs, mut tickers) = (BTreeMap::new(), BTreeMap::new());
        for (position, listing) in (0..).zip(market.universe().listings()) {
            match Pair::new(listing, market.update_id(position).unwrap_or_default()) {
                Some(pair) => drop(pairs.insert(position, pair)),
                None => drop(tickers.insert(position, Ticker::new(position, Segment::Nse))),
            }
        }
        let index = market.index_position();
        tickers.insert(index, Ticker::new(index, Segment::Indices));
        let (kraken, angel) = (kraken::Floor::new(&market), angel::Floor::new(&market));
        let (clients, outputs) = (BTreeMap::new(), Vec::new());
        State { market, settings, pairs, tickers, kraken, angel, clients, entered: 0, outputs }
    }

    fn enter(&mut self, protocol: Protocol) -> (u64, Arc<Mailbox>) {
        let number = self.entered;
        self.entered += 1;
        let messages_max = match protocol {
            // Heartbeats and answers need room beside the frames.
            Protocol::Kite { .. } => self.settings.messages_max.max(2 * FRAMES_MAX),
            _ => self.settings.messages_max,
        };
        let mut client = Client::new(self.market.now(), self.settings.faults.of_connection(number), messages_max);
        let mailbox = client.mailbox();
        if let Protocol::Kraken = protocol {
            client.answer(self.market.now(), Message::text(kraken::greeting()));
        }
        self.clients.insert(number, (client, protocol));
        (number, mailbox)
    }

    fn leave(&mut self, number: u64) {
        self.clients.remove(&number);
        self.pairs.values_mut().for_each(|pair| pair.forget(number));
        self.tickers.values_mut().for_each(|ticker| ticker.forget(number));
        self.kraken.forget(number);
        self.angel.forget(number);
    }

    /// Moves the market on, at most to the next point of the grid.
    fn step(&mut self, to: Nanos) {
        let mut outputs = std::mem::take(&mut self.outputs);
        loop {
            let is_there = self.market.advance(to, &mut outputs);
            outputs.drain(..).for_each(|output| self.tell(&output));
            if is_there {
                break;
            }
        }
        self.outputs = outputs;
        if to == to.floor(binance::DEPTH_EVERY) {
            self.tell_depth(to);
        }
        if to == to.floor(GRID) {
            self.tell_packets(to);
            for (listeners, text) in self.kraken.changes(&self.market) {
                broadcast(&mut self.clients, listeners, to, text, None);
            }
        }
        if to == to.floor(angel::PACKETS_EVERY) {
            for (number, packet) in self.angel.packets(&self.market) {
                broadcast(&mut self.clients, [&number], to, packet, None);
            }
        }
        for (client, protocol) in self.clients.values_mut() {
            client.pass(to);
            match protocol {
                Protocol::Binance { pinged_at, .. } if to.since(*pinged_at) >= binance::PING_EVERY => {
                    *pinged_at = to;
                    client.answer(to, Message::Ping(Bytes::new()));
                }
                Protocol::Kite { .. }
                    if to.since(client.said_at()) >= kite::HEARTBEAT_EVERY && client.waiting() == 0 =>
                {
                    client.answer(to, Message::Binary(Bytes::from_static(&[0])));
                }
                Protocol::Kraken if to.since(client.said_at()) >= kraken::HEARTBEAT_EVERY => {
                    client.answer(to, Message::text(kraken::HEARTBEAT));
                }
                _ => {}
            }
        }
    }

    /// Tells at once what is told at once, and notes the rest.
    fn tell(&mut self, output: &Output) {
        self.angel.change(output.instrument);
        if let Some((listeners, text)) = self.kraken.tell(output) {
            broadcast(&mut self.clients, listeners, output.at, text, None);
        }
        if let Some(ticker) = self.tickers.get_mut(&output.instrument) {
            return ticker.change();
        }
        let Some(pair) = self.pairs.get_mut(&output.instrument) else { return };
        let (kind, text) = match output.what {
            What::Level { update_id, side, level } => return pair.push(update_id, side, level),
            What::Trade { id, fill } if !pair.clients(Kind::Trade).is_empty() => {
                (Kind::Trade, pair.trade(output.at, id, &fill))
            }
            What::Top { update_id, top } if !pair.clients(Kind::Ticker).is_empty() => {
                (Kind::Ticker, pair.ticker(update_id, &top))
            }
            What::Trade { .. } | What::Top { .. } | What::Index(_) => return,
        };
        broadcast(&mut self.clients, pair.clients(kind), output.at, text, Some(binance::farewell));
    }

    fn tell_depth(&mut self, now: Nanos) {
        for pair in self.pairs.values_mut() {
            if let Some(text) = pair.depth(now) {
                broadcast(&mut self.clients, pair.clients(Kind::Depth), now, text, Some(binance::farewell));
            }
        }
    }

    fn tell_packets(&mut self, now: Nanos) {
        for ticker in self.tickers.values_mut() {
            if ticker.refresh(&self.market) {
                for (number, packet) in ticker.packets() {
                    if let Some((_, Protocol::Kite { waiting })) = self.clients.get_mut(&number) {
                        waiting.insert(ticker.token, packet);
                    }
                }
            }
        }
        for (client, protocol) in self.clients.values_mut() {
            if let Protocol::Kite { waiting } = protocol {
                send_packets(client, waiting, now);
            }
        }
    }

    /// What befalls the next request of a client, and how late it is read.
    fn request_fault(&mut self, number: u64) -> (Option<Fault>, Nanos) {
        let Some((client, _)) = self.clients.get_mut(&number) else { return (None, Nanos::ZERO) };
        (client.request_fault(), client.reads_late_by())
    }

    fn request(&mut self, number: u64, text: &str, fault: Option<Fault>) {
        let now = self.market.now();
        let Some((client, protocol)) = self.clients.get_mut(&number) else { return };
        if fault == Some(Fault::Ignore) {
            return;
        }
        let is_refused = fault == Some(Fault::Refuse);
        let answer = match protocol {
            Protocol::Binance { streams, .. } => {
                let answer = match binance::read(text, &self.pairs, streams.len()) {
                    Ok((id, _)) if is_refused => Err(binance::refusal(id, 2, "Invalid request: by plan")),
                    Ok((id, request)) => Ok(change(&mut self.pairs, streams, number, id, request)),
                    Err(refusal) => Err(refusal),
                };
                Some(answer.unwrap_or_else(|refusal| refusal))
            }
            Protocol::Kite { .. } if is_refused => Some(kite::refusal("by plan")),
            Protocol::Kite { waiting } => match kite::read(text) {
                Ok(request) => {
                    listen_to(&mut self.tickers, &self.market, waiting, number, request);
                    send_packets(client, waiting, now);
                    None
                }
                Err(refusal) => Some(refusal),
            },
            Protocol::Kraken => {
                for said in self.kraken.request(&self.market, number, text, is_refused) {
                    match said {
                        kraken::Said::Answer(text) => client.answer(now, Message::text(text)),
                        kraken::Said::Data(text) => client.tell(now, Message::text(text), None),
                    }
                }
                None
            }
            Protocol::Angel => match self.angel.request(&self.market, number, text, is_refused) {
                angel::Said::Answer(text) => Some(text),
                angel::Said::Packets(packets) => {
                    packets.into_iter().for_each(|packet| client.tell(now, Message::Binary(packet), None));
                    None
                }
            },
        };
        if let Some(answer) = answer {
            client.answer(now, Message::text(answer));
        }
    }
}

/// Sends a client of Kite the packets that wait for it, unless it is far behind with reading.
fn send_packets(client: &mut Client, waiting: &mut BTreeMap<u32, Bytes>, now: Nanos) {
    if !waiting.is_empty() && client.waiting() < FRAMES_MAX {
        client.tell(now, Message::Binary(kite::frame(waiting.values())), None);
        waiting.clear();
    }
}

/// Tells all who listen; `farewell` as in [`Client::tell`].
fn broadcast<'a>(
    clients: &mut BTreeMap<u64, (Client, Protocol)>,
    listeners: impl IntoIterator<Item = &'a u64>,
    now: Nanos,
    message: impl Into<Message>,
    farewell: Option<fn(Nanos) -> String>,
) {
    let message = message.into();
    for number in listeners {
        if let Some((client, _)) = clients.get_mut(number) {
            client.tell(now, message.clone(), farewell);
        }
    }
}

/// Does what a client of Binance's streams asks for; returns the answer.
fn change(
    pairs: &mut BTreeMap<u32, Pair>,
    streams: &mut BTreeSet<binance::Stream>,
    number: u64,
    id: Option<u64>,
    request: binance::Request,
) -> String {
    let (wanted, listens) = match request {
        binance::Request::Subscribe(wanted) => (wanted, true),
        binance::Request::Unsubscribe(unwanted) => (unwanted, false),
        binance::Request::List => {
            let streams: Vec<_> = streams.iter().copied().collect();
            return binance::acceptance(id, Some(&streams), pairs);
        }
    };
    for (position, kind) in wanted {
        let _ = if listens { streams.insert((position, kind)) } else { streams.remove(&(position, kind)) };
        if let Some(pair) = pairs.get_mut(&position) {
            pair.set_listener(number, kind, listens);
        }
    }
    binance::acceptance(id, None, pairs)
}

/// Does what a client of Kite asks for. A token that does not exist brings no packet, and no word either.
fn listen_to(
    tickers: &mut BTreeMap<u32, Ticker>,
    market: &SimMarket,
    waiting: &mut BTreeMap<u32, Bytes>,
    number: u64,
    request: kite::Request,
) {
    let (kite::Request::Subscribe(tokens) | kite::Request::Unsubscribe(tokens) | kite::Request::Mode(_, tokens)) =
        &request;
    for &token in tokens {
        let place = (token >> 8).checked_sub(1).and_then(|position| tickers.get_mut(&position));
        let Some(ticker) = place.filter(|ticker| ticker.token == token) else { continue };
        let packet = match request {
            kite::Request::Subscribe(_) => Some(ticker.subscribe(number, market)),
            kite::Request::Mode(mode, _) => ticker.set_mode(number, mode),
            kite::Request::Unsubscribe(_) => {
                ticker.forget(number);
                waiting.remove(&token);
                None
            }
        };
        waiting.extend(packet.map(|packet| (token, packet)));
    }
}

#[cfg(test)]
#[path = "market_tests.rs"]
mod tests;
