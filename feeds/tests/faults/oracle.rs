//! What holds of every venue: trades once or a gap, times that can be, books that come back.

use crate::bars::Bars;
use crate::protocol::Protocol;
use std::collections::BTreeMap;
use tidegate_core::{Body, Engine, Fact, Family, Flags, Gap, Input, InstrumentId, Nanos, StreamState};

const DAY: Nanos = Nanos::new(86_400 * Nanos::SECOND.raw());

#[derive(Clone, Debug)]
struct Stream {
    last_trade: Option<u64>,
    /// Which bars have to say that trades may be missing, where the venue proves its trades.
    bars: Bars,
    /// A gap of trades that was told and that no trade has followed yet.
    told: Option<(u64, u64)>,
    /// Since when the book has been lost, and whether a fault has hit its recovery.
    lost: Option<(Nanos, bool)>,
    /// This connection has said what the best levels are.
    is_quoted: bool,
}

/// What one or more seeds came to.
#[derive(Clone, Debug, Default)]
pub struct Tally {
    pub gaps: BTreeMap<&'static str, u64>,
    pub trades: u64,
    pub trades_in_gaps: u64,
    /// Books checked against the truth while live.
    pub books: u64,
    pub times_received: u64,
    /// Looks at books that were stale.
    pub stale: u64,
    /// How long recoveries took that no second fault hit, and that one did.
    pub resyncs: Vec<Nanos>,
    pub disturbed: Vec<Nanos>,
    /// How long mute connections were kept.
    pub mutes: Vec<Nanos>,
}

/// What the link has learnt at a moment, applied already.
#[derive(Clone, Copy)]
pub struct Seen<'a> {
    pub now: Nanos,
    /// Our clock.
    pub clock: Nanos,
    pub inputs: &'a [Input],
    pub engine: &'a Engine,
    /// A socket is open at both ends, and what the venue says on it arrives.
    pub is_connected: bool,
}

pub struct Oracle {
    streams: Vec<Stream>,
    /// The venue lets nobody fetch anything: a recovery that begins now is not a plain one.
    pub is_banned: bool,
    pub tally: Tally,
}

impl Oracle {
    pub fn new(symbols: usize) -> Oracle {
        let stream = Stream { last_trade: None, bars: Bars::new(), told: None, lost: None, is_quoted: false };
        Oracle { streams: vec![stream; symbols], is_banned: false, tally: Tally::default() }
    }

    /// A fault strikes: a recovery that is under way is not a plain one.
    pub fn disturb(&mut self) {
        for stream in &mut self.streams {
            if let Some((_, is_disturbed)) = &mut stream.lost {
                *is_disturbed = true;
            }
        }
    }

    /// A socket is open: until now the wait was the back-off's.
    pub fn note_open(&mut self, now: Nanos) {
        for stream in &mut self.streams {
            if let Some((since, is_disturbed)) = &mut stream.lost {
                (*since, *is_disturbed) = (now, self.is_banned);
            }
        }
    }

    pub fn note_mute(&mut self, since: Nanos, now: Nanos) {
        self.tally.mutes.push(now.since(since));
    }

    /// Judges what the link has learnt, in the order in which it was applied.
    pub fn take<P: Protocol>(&mut self, seen: Seen<'_>, venue: &P) {
        let Seen { now, clock, inputs, engine, is_connected } = seen;
        let market = engine.market();
        let silence_max = market.bounds().stale_after.raw() * P::SILENCE_FACTOR;
        for input in inputs {
            match input {
                Input::Gap(gap) => self.take_gap::<P>(now, gap),
                Input::State { id, fact: Fact::Closed, .. } => {
                    self.streams[id.index()].is_quoted = false;
                }
                Input::Event(event) => {
                    self.streams[event.id.index()].is_quoted |= matches!(event.body, Body::Quote { .. });
                    self.take_time(clock, event);
                    if let Body::Trade { trade_id, .. } = event.body
                        && P::HAS_TRADE_IDS
                    {
                        self.take_trade(event.id, trade_id, event, venue);
                    }
                }
                _ => {}
            }
        }
        for (at, stream) in self.streams.iter_mut().enumerate() {
            let Some(state) = market.stream(InstrumentId(at as u32)) else { continue };
            if P::HAS_TRADE_IDS {
                stream.bars.check(state);
            }
            let shows_quote = state.state(Family::Quotes) == StreamState::Live && state.quote.is_some();
            assert!(stream.is_quoted || !shows_quote, "a live quote of a connection that is gone");
            let book = state.state(Family::Book);
            self.tally.stale += u64::from(book == StreamState::Stale);
            if book != StreamState::Live {
                continue;
            }
            let silent = engine.ts().since(state.last_event[0].unwrap()).raw();
            assert!(silent < silence_max, "a live book has been silent for {silent} ns");
            self.tally.books += u64::from(!inputs.is_empty());
            // Without a connection no book is back, whatever shows.
            if let Some((since, is_disturbed)) = stream.lost.take_if(|_| is_connected) {
                let took = if is_disturbed { &mut self.tally.disturbed } else { &mut self.tally.resyncs };
                took.push(now.since(since));
            }
        }
    }

    fn take_gap<P: Protocol>(&mut self, now: Nanos, gap: &Gap) {
        *self.tally.gaps.entry(gap.cause.name()).or_default() += 1;
        let stream = &mut self.streams[gap.id.unwrap().index()];
        match gap.family {
            Family::Book => {
                stream.lost = Some((now, self.is_banned));
            }
            Family::Trades if P::HAS_TRADE_IDS => {
                assert_eq!(stream.told, None, "a gap of trades told twice");
                stream.told = Some((gap.from, gap.to));
            }
            _ => {}
        }
    }

    fn take_trade<P: Protocol>(&mut self, id: InstrumentId, trade: u64, event: &tidegate_core::Event, venue: &P) {
        let stream = &mut self.streams[id.index()];
        let told = stream.told.take();
        if let Some(last) = stream.last_trade {
            assert!(trade > last, "trade {trade} after {last}: doubled");
            let missing = (trade > last + 1).then_some((last + 1, trade));
            assert_eq!(told, missing, "trade {trade} after {last}: what is missing, and what was told");
            self.tally.trades_in_gaps += trade - last - 1;
            if missing.is_some() {
                stream.bars.lose();
            }
        }
        stream.bars.trade(event.venue_ts);
        stream.last_trade = Some(trade);
        self.tally.trades += 1;
        let scale = P::scale();
        let truth = venue.trades(id).trade_by_id(trade).expect("a trade that there was");
        let expect = Body::Trade {
            side: truth.side,
            price: scale.price(truth.price),
            qty: scale.qty(truth.qty),
            trade_id: trade,
        };
        assert_eq!(event.body, expect);
    }

    /// A day is the bound, from a connection's first message on.
    fn take_time(&mut self, clock: Nanos, event: &tidegate_core::Event) {
        if event.flags.has(Flags::TIME_RECEIVED) {
            assert_eq!(event.venue_ts, event.receive_ts);
            self.tally.times_received += 1;
            return;
        }
        let is_sane = event.venue_ts.plus(DAY) >= clock && event.venue_ts <= clock.plus(DAY);
        assert!(is_sane, "{} was believed at {clock}", event.venue_ts);
    }

    /// Every trade was delivered or told as missing.
    pub fn check_end<P: Protocol>(&self, venue: &P) {
        for (at, stream) in self.streams.iter().enumerate() {
            if P::HAS_TRADE_IDS {
                let id = InstrumentId(at as u32);
                assert_eq!((stream.last_trade, stream.told), (Some(venue.trades(id).trade_id()), None));
            }
        }
    }
}

impl Tally {
    pub fn add(&mut self, other: Tally) {
        for (cause, count) in other.gaps {
            *self.gaps.entry(cause).or_default() += count;
        }
        self.trades += other.trades;
        self.trades_in_gaps += other.trades_in_gaps;
        self.books += other.books;
        self.stale += other.stale;
        self.times_received += other.times_received;
        self.resyncs.extend(other.resyncs);
        self.disturbed.extend(other.disturbed);
        self.mutes.extend(other.mutes);
    }
}

/// The share of `times` in hundredths that is not longer, in milliseconds.
pub fn percentile(times: &mut [Nanos], hundredths: usize) -> i64 {
    times.sort_unstable();
    let at = (times.len() * hundredths).div_ceil(100).saturating_sub(1);
    times.get(at).map_or(0, |time| time.raw() / 1_000_000)
}
