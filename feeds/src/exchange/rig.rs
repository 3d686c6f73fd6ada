//! A simulated exchange on loopback, engines that follow it over real sockets, and the market's twin: the same
//! seed run beside it, which tells what really happened.

use super::market::{Listed, Settings, SimExchange, listed};
use super::{angel, kraken};
use crate::driver::{Driver, Request, Sink};
use crate::kraken::book::CHECKED_LEVELS;
use crate::link::{Budgets, Link, LinkCounters};
use crate::sim::{self, Output, SimMarket, Universe, What};
use crate::venue::Venue;
use std::collections::BTreeMap;
use std::sync::atomic::{AtomicI64, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;
use tidegate_core::matching::Fill;
use tidegate_core::{
    Body, Bounds, Effect, Engine, Event, Family, Flags, Gap, Input, InstrumentId, Level, Market, Nanos, Qty, Side,
    Stamped, StreamState,
};
use tokio::net::TcpListener;
use tokio::sync::{mpsc, watch};
use tokio::task::JoinHandle;

/// Monday 2025-06-30, 10:00 in India.
pub const MORNING: Nanos = Nanos::new(1_751_257_800 * Nanos::SECOND.raw());
pub const PAIRS: [&str; 2] = ["BINANCE:BTCUSDT", "BINANCE:ETHUSDT"];
pub const SHARES: [&str; 4] = ["NSE:RELIANCE", "NSE:SBIN", "NSE:INFY", "NSE:NIFTY"];

const BOUNDS: Bounds = Bounds {
    book_levels_max: 8_192,
    bars_max: 100,
    trades_max: 32,
    instruments_max: 64,
    stale_after: Nanos::new(i64::MAX),
};
/// What a test waits for comes within this, or never.
const DEADLINE: Duration = Duration::from_secs(60);

/// The time of each test's followers: the market's, moved by hand.
static CLOCKS: [AtomicI64; 32] = [const { AtomicI64::new(MORNING.raw()) }; 32];

pub fn clock<const TEST: usize>() -> Nanos {
    Nanos::new(CLOCKS[TEST].load(Ordering::SeqCst))
}

pub fn set_clock<const TEST: usize>(now: Nanos) {
    CLOCKS[TEST].store(now.raw(), Ordering::SeqCst);
}

/// What a packet of Kite shows, or an engine that has it: five levels a side and the day's volume.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct View {
    pub sides: [Vec<Level>; 2],
    pub volume: Qty,
}

/// What an engine has been through.
pub struct Seen {
    pub engine: Engine,
    pub trades: BTreeMap<InstrumentId, Vec<Event>>,
    pub gaps: Vec<Gap>,
    pub views: BTreeMap<InstrumentId, Vec<View>>,
    /// The day's volume in the packet before, whose ever, and in the first one of each.
    pub volume: Qty,
    pub first_volumes: BTreeMap<InstrumentId, Qty>,
    pub counters: LinkCounters,
    /// How often a book asked for a new snapshot, being known ever less far.
    pub refreshes: usize,
}

struct Applied {
    seen: Arc<Mutex<Seen>>,
    changed: watch::Sender<()>,
}

impl Sink for Applied {
    fn report(&mut self, counters: LinkCounters) {
        self.seen.lock().unwrap().counters = counters;
        self.changed.send_replace(());
    }

    async fn deliver(&mut self, now: Nanos, inputs: &mut Vec<Input>) -> Vec<InstrumentId> {
        let seen = &mut *self.seen.lock().unwrap();
        for input in inputs.drain(..) {
            seen.engine.input(now, &input, &mut |_: &_, _: Stamped<'_>| {}).unwrap();
            match input {
                Input::Gap(gap) => seen.gaps.push(gap),
                Input::Event(event @ Event { body: Body::Trade { .. }, .. }) => {
                    seen.trades.entry(event.id).or_default().push(event);
                }
                // A packet ends with its interest, and its book is whole by then.
                Input::Event(Event { id, flags, body: Body::Interest { .. }, .. }) if flags.has(Flags::LAST) => {
                    let book = &seen.engine.market().stream(id).unwrap().book;
                    let sides = Side::BOTH.map(|side| book.depth(side, 5).collect());
                    let view = View { sides, volume: seen.volume };
                    seen.views.entry(id).or_default().push(view);
                }
                Input::Event(Event { id, body: Body::Day { volume, .. }, .. }) => {
                    seen.volume = volume;
                    seen.first_volumes.entry(id).or_insert(volume);
                }
                _ => {}
            }
        }
        let market = seen.engine.market_mut();
        let asked: Vec<_> = std::iter::from_fn(|| market.poll_effect()).map(|Effect::Resnapshot(id)| id).collect();
        seen.refreshes += asked.len();
        asked
    }
}

/// An engine at the end of a connection.
pub struct Follower {
    pub seen: Arc<Mutex<Seen>>,
    changed: watch::Receiver<()>,
    requests: mpsc::Sender<Request>,
    driver: JoinHandle<()>,
}

impl Follower {
    /// Waits until it has seen something.
    pub async fn wait(&mut self, what: &str, is_there: impl Fn(&Seen) -> bool) {
        let wait = async {
            while !is_there(&self.seen.lock().unwrap()) {
                self.changed.changed().await.unwrap();
            }
        };
        if tokio::time::timeout(DEADLINE, wait).await.is_err() {
            let seen = self.seen.lock().unwrap();
            panic!("{what} never came: {:?}, {:?}", seen.counters, seen.gaps);
        }
    }

    /// Makes it look at its clock.
    async fn wake(&self) {
        self.requests.send(Request::Resnapshot(InstrumentId(u32::MAX))).await.unwrap();
    }
}

impl Drop for Follower {
    fn drop(&mut self) {
        self.driver.abort();
    }
}

/// The exchange, its twin, and what the twin has told so far.
pub struct Rig {
    pub exchange: Arc<SimExchange>,
    pub address: String,
    pub twin: SimMarket,
    pub trades: BTreeMap<u32, Vec<(u64, Fill)>>,
    /// By position, at every multiple of 50 ms.
    pub views: BTreeMap<u32, Vec<View>>,
    set_clock: fn(Nanos),
    server: JoinHandle<()>,
}

impl Drop for Rig {
    fn drop(&mut self) {
        self.server.abort();
    }
}

pub fn market(seed: u64) -> SimMarket {
    let universe = Universe::built_in().unwrap();
    let prices = SimMarket::first_prices(&universe, seed, MORNING);
    SimMarket::start(universe, sim::Settings { seed, rate_percent: 100 }, MORNING, &prices).unwrap()
}

impl Rig {
    /// A rig for the test with this number: no two tests share a clock.
    pub async fn new<const TEST: usize>(seed: u64, settings: Settings) -> Rig {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap().to_string();
        let exchange = Arc::new(SimExchange::new(market(seed), settings));
        let server = tokio::spawn(super::serve(listener, Arc::clone(&exchange)));
        let set_clock = set_clock::<TEST>;
        set_clock(MORNING);
        let (trades, views) = (BTreeMap::new(), BTreeMap::new());
        let mut rig = Rig { exchange, address, twin: market(seed), trades, views, set_clock, server };
        rig.note_views();
        rig
    }

    fn note_views(&mut self) {
        for key in SHARES {
            let position = self.position(key);
            let sides = Side::BOTH.map(|side| self.twin.depth(position, side, 5).collect());
            let volume = Qty::from_raw(self.twin.day(position).unwrap().volume as i64).unwrap();
            self.views.entry(position).or_default().push(View { sides, volume });
        }
    }

    pub fn listed(&self, key: &str) -> Listed {
        listed(self.twin.universe()).into_iter().find(|it| it.instrument.key == key).unwrap()
    }

    /// The position of a key, also of the index.
    pub fn position(&self, key: &str) -> u32 {
        self.twin.universe().find(key).map_or(self.twin.index_position(), |position| position as u32)
    }

    /// A key as this venue names it.
    fn listed_at(&self, venue: Venue, key: &str) -> Listed {
        let position = self.position(key);
        let listed = self.listed(key);
        let symbol = match venue {
            Venue::Kraken => kraken::symbol(&self.twin.universe().listings()[position as usize]).unwrap(),
            Venue::Angel => angel::symbol(position),
            Venue::Binance(_) | Venue::Kite => listed.symbol,
        };
        Listed { venue, symbol, instrument: listed.instrument }
    }

    /// An engine that follows `keys`, numbered in this order, all of one venue.
    pub async fn follow<const TEST: usize>(&self, keys: &[&str]) -> Follower {
        self.follow_at::<TEST>(self.listed(keys[0]).venue, keys).await
    }

    /// An engine that follows `keys`, numbered in this order, at this venue.
    pub async fn follow_at<const TEST: usize>(&self, venue: Venue, keys: &[&str]) -> Follower {
        let budgets = Arc::new(Mutex::new(Budgets::new(&venue.limits())));
        let link = Link::new(venue.session(), venue.limits(), budgets, 1);
        let endpoints = venue.endpoints(Some(&self.address)).unwrap();
        let seen = Arc::new(Mutex::new(Seen {
            engine: Engine::new(Market::new(BOUNDS), 0, Nanos::ZERO),
            trades: BTreeMap::new(),
            gaps: Vec::new(),
            views: BTreeMap::new(),
            volume: Qty::ZERO,
            first_volumes: BTreeMap::new(),
            counters: LinkCounters::default(),
            refreshes: 0,
        }));
        let (sender, changed) = watch::channel(());
        let sink = Applied { seen: Arc::clone(&seen), changed: sender };
        let (requests, receiver) = mpsc::channel(64);
        for (id, key) in (0..).map(InstrumentId).zip(keys) {
            let Listed { symbol, instrument, .. } = self.listed_at(venue, key);
            let instrument = Box::new(instrument);
            let define = Input::Define { id, instrument: instrument.clone() };
            seen.lock().unwrap().engine.input(Nanos::ZERO, &define, &mut |_: &_, _: Stamped<'_>| {}).unwrap();
            requests.send(Request::Add { symbol, id, instrument }).await.unwrap();
        }
        let before = self.exchange.clients();
        let driver = tokio::spawn(Driver::new(link, endpoints, clock::<TEST>, sink).unwrap().run(receiver));
        let follower = Follower { seen, changed, requests, driver };
        let has_come = async {
            while self.exchange.clients() == before {
                tokio::task::yield_now().await;
            }
        };
        tokio::time::timeout(DEADLINE, has_come).await.unwrap();
        follower
    }

    /// Connects, subscribes and fetches: everything that follows is seen.
    pub async fn follow_live<const TEST: usize>(&self, keys: &[&str]) -> Follower {
        let mut follower = self.follow::<TEST>(keys).await;
        let is_live = |seen: &Seen| seen.engine.market().streams().all(|(_, stream)| stream.book.is_known());
        if venue_of(keys) != Venue::Kite {
            follower.wait("a snapshot of every book", is_live).await;
        }
        follower
    }

    /// Moves market, twin and clock on by so many multiples of 50 ms.
    pub async fn advance(&mut self, steps: usize, followers: &[&Follower]) {
        for _ in 0..steps {
            let to = self.twin.now().plus(Nanos::new(50_000_000));
            let mut out: Vec<Output> = Vec::new();
            while !self.twin.advance(to, &mut out) {}
            for Output { instrument, what, .. } in out {
                if let What::Trade { id, fill } = what {
                    self.trades.entry(instrument).or_default().push((id, fill));
                }
            }
            self.note_views();
            self.exchange.advance(to);
        }
        (self.set_clock)(self.twin.now());
        for follower in followers {
            follower.wake().await;
        }
    }

    /// Waits until a follower's books stand where the twin's do, and are live: the market moves beyond what a
    /// snapshot knew now and then, and another is fetched.
    pub async fn settle(&self, follower: &mut Follower, keys: &[&str]) {
        follower.wait("the end of the market", |seen| self.is_settled(seen, keys)).await;
    }

    /// True where a follower's books stand where the twin's do, and are live.
    pub fn is_settled(&self, seen: &Seen, keys: &[&str]) -> bool {
        let ids: Vec<u64> = keys.iter().map(|key| self.twin.update_id(self.position(key)).unwrap()).collect();
        let mut streams = seen.engine.market().streams();
        is_at(seen, &ids) && streams.all(|(_, stream)| stream.state(Family::Book) == StreamState::Live)
    }

    /// The engine's books are the twin's, as far as they are known; returns how many levels that are.
    #[track_caller]
    pub fn check_books(&self, seen: &Seen, keys: &[&str]) -> usize {
        let mut levels = 0;
        for (id, key) in (0..).map(InstrumentId).zip(keys) {
            let stream = seen.engine.market().stream(id).unwrap();
            assert_eq!(stream.state(Family::Book), StreamState::Live, "{key}");
            for side in Side::BOTH {
                let known: Vec<_> = stream.book.depth(side, usize::MAX).map(|it| (it.price, it.qty)).collect();
                let depth = self.twin.depth(self.position(key), side, known.len());
                assert_eq!(known, depth.map(|it| (it.price, it.qty)).collect::<Vec<_>>(), "{key} {side:?}");
                assert!(!known.is_empty(), "{key}: a live book without a level");
                levels += known.len();
            }
        }
        levels
    }

    /// True where a follower's live books are the twin's best levels, as many as are checked.
    pub fn shows_best(&self, seen: &Seen, keys: &[&str]) -> bool {
        (0..).map(InstrumentId).zip(keys).all(|(id, key)| {
            let stream = seen.engine.market().stream(id).unwrap();
            let is_best = |side| {
                let known: Vec<_> = stream.book.depth(side, usize::MAX).map(|it| (it.price, it.qty)).collect();
                let best = self.twin.depth(self.position(key), side, CHECKED_LEVELS);
                known == best.map(|it| (it.price, it.qty)).collect::<Vec<_>>()
            };
            stream.state(Family::Book) == StreamState::Live && Side::BOTH.into_iter().all(is_best)
        })
    }

    /// Every trade of the twin between the first and the last that was seen was seen once, or lies in a gap;
    /// returns how many were seen and how many are missing.
    #[track_caller]
    pub fn check_trades(&self, seen: &Seen, keys: &[&str]) -> (usize, usize) {
        let (mut count, mut missing) = (0, 0);
        for (id, key) in (0..).map(InstrumentId).zip(keys) {
            let seen_trades = seen.trades.get(&id).map_or(&[][..], Vec::as_slice);
            let mut seen_trades = seen_trades.iter().map(|event| event.body).peekable();
            let Some(&Body::Trade { trade_id: first, .. }) = seen_trades.peek() else { continue };
            let of_twin = self.trades[&self.position(key)].iter().skip_while(|(id, _)| *id < first);
            for (trade_id, fill) in of_twin {
                let expect = Body::Trade { side: fill.side, price: fill.price, qty: fill.qty, trade_id: *trade_id };
                if seen_trades.next_if_eq(&expect).is_some() {
                    count += 1;
                } else if seen_trades.peek().is_none() {
                    break;
                } else {
                    missing += 1;
                    let covers = |gap: &&Gap| {
                        gap.id == Some(id) && gap.family == Family::Trades && (gap.from..gap.to).contains(trade_id)
                    };
                    assert!(seen.gaps.iter().any(|gap| covers(&gap)), "{key}: trade {trade_id} is lost without a word");
                }
            }
            assert_eq!(seen_trades.next(), None, "{key}: a trade that was none");
        }
        (count, missing)
    }
}

impl Rig {
    /// What an engine has seen of shares are the market's own states at points of the grid, in order; the trades
    /// worked out between them are the growth of the volume. Returns how many packets that were.
    #[track_caller]
    pub fn check_views(&self, seen: &Seen) -> usize {
        let mut count = 0;
        for (id, key) in traded_shares() {
            let mut of_twin = &self.views[&self.position(key)][..];
            let views = &seen.views[&id];
            for view in views {
                let at = of_twin.iter().position(|it| it == view);
                of_twin = &of_twin[at.unwrap_or_else(|| panic!("{key}: the market never was so: {view:?}"))..];
            }
            count += views.len();
            let traded: i64 = seen.trades.get(&id).into_iter().flatten().map(|event| qty(&event.body)).sum();
            let last = views[views.len() - 1].volume.raw();
            assert_eq!(traded, last - seen.first_volumes[&id].raw(), "{key}");
        }
        count
    }

    /// True where what was seen last of each share is one of the states of the last quarter of a second, within
    /// which a packet is due.
    pub fn is_caught_up(&self, seen: &Seen) -> bool {
        traded_shares().all(|(id, key)| {
            let latest = seen.views.get(&id).and_then(|views| views.last());
            self.views[&self.position(key)].iter().rev().take(6).any(|view| Some(view) == latest)
        })
    }

    /// Waits until a follower of shares has the latest packets.
    pub async fn catch_up(&self, follower: &mut Follower) {
        follower.wait("the latest packets", |seen| self.is_caught_up(seen)).await;
    }
}

fn traded_shares() -> impl Iterator<Item = (InstrumentId, &'static str)> {
    (0..).map(InstrumentId).zip(SHARES).filter(|(_, key)| *key != "NSE:NIFTY")
}

fn qty(body: &Body) -> i64 {
    if let Body::Trade { qty, .. } = body { qty.raw() } else { 0 }
}

fn is_at(seen: &Seen, ids: &[u64]) -> bool {
    (0..).map(InstrumentId).zip(ids).all(|(id, &want)| {
        let stream = seen.engine.market().stream(id);
        stream.is_some_and(|stream| stream.book.is_known() && stream.book_sequence == Some(want))
    })
}

fn venue_of(keys: &[&str]) -> Venue {
    let universe = Universe::built_in().unwrap();
    listed(&universe).into_iter().find(|it| it.instrument.key == keys[0]).unwrap().venue
}
