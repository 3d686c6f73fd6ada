//! Captured messages, and what their sessions make of them.

use base64::Engine as _;
use base64::prelude::BASE64_STANDARD;
use std::fs::File;
use std::path::PathBuf;
use tidegate_core::{Body, Event, Input, InstrumentId, Level, Nanos, Side};
use tidegate_feeds::angel;
use tidegate_feeds::binance::{self, BinanceSession};
use tidegate_feeds::capture::{Format, Line, Reader};
use tidegate_feeds::catalog::Catalog;
use tidegate_feeds::{FrameError, Payload, Session};

/// A captured frame and when it was received.
pub type Frame = (Nanos, Vec<u8>);

/// Where the captures are.
pub fn folder() -> Option<PathBuf> {
    let folder = std::env::var_os("TIDEGATE_MARKET_DATA").map(PathBuf::from);
    if folder.is_none() {
        println!("TIDEGATE_MARKET_DATA is not set: nothing to measure");
    }
    folder
}

/// Which capture of Binance.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Binance {
    /// BTCUSDT of the spot market, an hour.
    Spot,
    /// BTCUSD_PERP of the COIN-M market.
    CoinM,
}

impl Binance {
    /// Its market.
    pub fn market(self) -> binance::Market {
        match self {
            Binance::Spot => binance::Market::Spot,
            Binance::CoinM => binance::Market::CoinM,
        }
    }

    /// The first `count` frames.
    pub fn frames(self, count: usize) -> Option<Vec<Frame>> {
        let file = match self {
            Binance::Spot => "binance_spot/spot_btcusdt_20240808.gz",
            Binance::CoinM => "binance_coinm/cm_btcusd_perp_20240808.gz",
        };
        let file = File::open(folder()?.join(file)).expect("the capture is there");
        Some(read(Reader::new(file).expect("readable"), count))
    }
}

/// A session of one market and what it makes of frames, defining what it meets.
pub struct Binances {
    market: binance::Market,
    session: BinanceSession,
    catalog: Catalog,
}

impl Binances {
    /// A session that knows no symbol.
    pub fn new(market: binance::Market) -> Binances {
        let catalog = Catalog::built_in().expect("the built-in catalogue");
        Binances { market, session: BinanceSession::new(market), catalog }
    }

    /// Appends what a frame comes to.
    pub fn read(&mut self, (receive_ts, frame): &Frame, inputs: &mut Vec<Input>) {
        self.read_at(*receive_ts, frame, inputs);
    }

    /// Appends what a frame comes to that is received at `now`.
    pub fn read_at(&mut self, now: Nanos, frame: &[u8], inputs: &mut Vec<Input>) {
        let payload = Payload::Text(frame);
        let Err(error) = self.session.handle_message(now, payload, inputs) else { return };
        let FrameError::UnknownSymbol { symbol, decimals } = error else { panic!("a frame of the capture: {error}") };
        let (id, instrument) = (InstrumentId(0), self.catalog.binance(self.market, &symbol, decimals));
        inputs.push(Input::Define { id, instrument: Box::new(instrument.clone()) });
        self.session.add(&symbol, id, instrument);
        self.session.assume_subscribed(&symbol, inputs);
        self.session.handle_message(now, payload, inputs).expect("a frame of the capture");
    }
}

/// What the frames come to: the inputs of each, and when it was received.
pub fn inputs(capture: Binance, frames: &[Frame]) -> Vec<(Nanos, Vec<Input>)> {
    let mut session = Binances::new(capture.market());
    let mut inputs = |frame: &Frame| {
        let mut inputs = Vec::new();
        session.read(frame, &mut inputs);
        (frame.0, inputs)
    };
    frames.iter().map(&mut inputs).collect()
}

/// A change of a captured book.
#[derive(Clone, Copy, Debug)]
pub struct Change {
    /// Which side.
    pub side: Side,
    /// The level; a quantity of zero removes it.
    pub level: Level,
    /// The last of its message.
    pub is_last: bool,
    /// Part of the snapshot with which the capture begins.
    pub is_snapshot: bool,
}

/// The changes of the captured book, the snapshot first.
pub fn changes(capture: Binance, frames: &[Frame]) -> Vec<Change> {
    let events = inputs(capture, frames).into_iter().flat_map(|(_, inputs)| inputs).filter_map(|input| match input {
        Input::Event(event) => Some(event),
        _ => None,
    });
    let change = |Event { flags, body, .. }: Event| match body {
        Body::Level { side, orders, price, qty } => Some(Change {
            side,
            level: Level { price, qty, orders },
            is_last: flags.has(tidegate_core::Flags::LAST),
            is_snapshot: flags.has(tidegate_core::Flags::SNAPSHOT),
        }),
        _ => None,
    };
    events.filter_map(change).collect()
}

/// The frames of the Kraken capture: books of the first version of its protocol.
pub fn kraken_frames() -> Option<Vec<Frame>> {
    let file = File::open(folder()?.join("kraken/KRAKEN.ws.50.0")).expect("the capture is there");
    Some(read(Reader::with_format(file, Format::Seconds).expect("readable"), usize::MAX))
}

fn read(mut reader: Reader, count: usize) -> Vec<Frame> {
    let mut frames = Vec::new();
    while let Some(line) = reader.next_line().expect("it is whole") {
        if let Line::Frame { receive_ts, frame } = line {
            frames.push((receive_ts, frame.to_vec()));
        }
        if frames.len() == count {
            break;
        }
    }
    frames
}

/// Frames as Kite sends them: each of `packets` full packets, the captured one under tokens of its own.
pub fn kite_frames(instruments: u32, packets: usize) -> Option<Vec<Vec<u8>>> {
    let text = std::fs::read_to_string(folder()?.join("kite/ticker_full.packet")).expect("the packet is there");
    let packet = BASE64_STANDARD.decode(text.trim()).expect("base64");
    let mut tokens = (0..instruments).map(kite_token).peekable();
    let mut frames = Vec::new();
    while tokens.peek().is_some() {
        let tokens: Vec<u32> = tokens.by_ref().take(packets).collect();
        let mut frame = (tokens.len() as u16).to_be_bytes().to_vec();
        for token in tokens {
            frame.extend_from_slice(&(packet.len() as u16).to_be_bytes());
            frame.extend_from_slice(&token.to_be_bytes());
            frame.extend_from_slice(&packet[4..]);
        }
        frames.push(frame);
    }
    Some(frames)
}

/// The token of an instrument of the NSE, by its number.
pub fn kite_token(number: u32) -> u32 {
    (number + 1) << 8 | tidegate_feeds::kite::Segment::Nse as u32
}

/// Snap quotes as Angel One sends them, one of each instrument, a frame each. Nobody has captured any: they are made
/// here, in the order of the venue's table, and no two tell the same prices.
pub fn angel_frames(instruments: u32) -> Vec<Vec<u8>> {
    let packet = |number: u32| {
        let last = 150_000 + 5 * i64::from(number);
        let mut packet = vec![angel::Mode::SnapQuote.code(), angel::Exchange::NseCm.code()];
        packet.extend_from_slice((number + 1).to_string().as_bytes());
        packet.resize(27, 0);
        let mut longs = |values: &[i64]| values.iter().for_each(|value| packet.extend_from_slice(&value.to_le_bytes()));
        // Number, time, last price; its quantity, the average, the volume; the totals, which are floats.
        longs(&[i64::from(number) + 1, 1_723_110_000_000, last, 7, last - 5, 123_456]);
        longs(&[256_443.0f64.to_bits() as i64, 363_009.0f64.to_bits() as i64]);
        // The day, the last trade's second, the open interest and its change.
        longs(&[last - 85, last + 500, last - 895, last - 220, 1_723_109_999, 0, 0]);
        for row in 0..10i64 {
            let is_bid = row < 5;
            let price = if is_bid { last - 5 * row } else { last + 5 * (row - 4) };
            packet.extend_from_slice(&i16::from(is_bid).to_le_bytes());
            packet.extend_from_slice(&(10 + row).to_le_bytes());
            packet.extend_from_slice(&price.to_le_bytes());
            packet.extend_from_slice(&(1 + row as i16).to_le_bytes());
        }
        // Circuit limits and extremes of 52 weeks.
        packet.resize(packet.len() + 32, 0);
        packet
    };
    (0..instruments).map(packet).collect()
}
