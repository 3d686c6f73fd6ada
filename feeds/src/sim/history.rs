//! The past of the simulated market: bars as a pure function of seed, instrument, interval and time.
//!
//! A path has a price at every half minute. Its value at midnight (UTC) is the reference price times a sum
//! of noises with periods from one day to 256, each a function of the day's number: any day is reached
//! without those before it. Within a day runs a random walk tied to the two midnights. Every longer bar is
//! folded from minutes, so all intervals agree; the index is computed from its members' paths.

use super::chance::{Chance, ONE, mix, normal_of, seed_of, uniform_of};
use super::universe::{Index, Listing, Profile, Universe};
use tidegate_core::{Bar, BarFlags, INTERVALS, Interval, Nanos, Price};

/// Daily bars go back this far before the first start.
pub const DAILY: Nanos = Nanos::new(365 * DAY.raw());
/// Bars of minutes go back this far before the first start.
pub const MINUTES: Nanos = Nanos::new(30 * DAY.raw());
/// The longest time that is answered at once.
pub const RANGE_MAX: Nanos = Nanos::new(400 * DAY.raw());

const MINUTE: Nanos = INTERVALS[1].span;
const DAY: Nanos = Nanos::new(86_400 * Nanos::SECOND.raw());
/// Half minutes of a day.
const STEPS: usize = 2_880;
/// The stream of a day's walk.
const WALK: u64 = 1;
/// 2^(k/2) in 1024ths: noise of period 2^k has so much the amplitude of the daily one, as in a random walk.
const AMPLITUDES: [i64; 9] = [1_024, 1_448, 2_048, 2_896, 4_096, 5_793, 8_192, 11_585, 16_384];

/// Why there are no bars.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum HistoryError {
    /// The past is made of minutes.
    #[error("interval: {0} is not made of whole minutes, or does not divide a day")]
    Interval(&'static str),
    /// Too long for one answer.
    #[error("from, to: more than 400 days")]
    Range,
}

/// The bars of one instrument that lie whole within `from..to`, oldest first. None is empty.
///
/// # Errors
/// [`HistoryError`], naming the argument.
pub fn bars(
    seed: u64,
    listing: &Listing,
    interval: Interval,
    from: Nanos,
    to: Nanos,
) -> Result<Vec<Bar>, HistoryError> {
    fold(Path::new(seed, listing), interval, from, to)
}

/// The bars of the index that lie whole within `from..to`, oldest first. An index has no volume.
///
/// # Errors
/// [`HistoryError`], naming the argument.
pub fn index_bars(
    seed: u64,
    universe: &Universe,
    interval: Interval,
    from: Nanos,
    to: Nanos,
) -> Result<Vec<Bar>, HistoryError> {
    let members = &universe.listings()[..universe.index().members()];
    let paths = members.iter().map(|listing| Path::new(seed, listing)).collect();
    fold(IndexPath { index: universe.index(), paths, parts: vec![0; STEPS + 1] }, interval, from, to)
}

/// Where every instrument's last whole minute before `at` closed, by position: the market starts from there.
pub fn closes(seed: u64, universe: &Universe, at: Nanos) -> Vec<Price> {
    let step = 2 * (at.since(at.floor(DAY)).raw() / MINUTE.raw()) as usize;
    let close = |listing| {
        let mut path = Path::new(seed, listing);
        path.walk(at.raw().div_euclid(DAY.raw()));
        path.profile.price(path.ticks[step])
    };
    universe.listings().iter().map(close).collect()
}

/// Something that has a bar for every minute of a day.
trait Minutes {
    /// Goes to the day with this number since the epoch.
    fn walk(&mut self, day: i64);

    /// The bar of a minute of that day, without its start.
    fn minute(&self, minute: usize) -> Bar;
}

/// Folds the minutes of each day touched by `from..to` to bars of an interval.
fn fold(mut path: impl Minutes, interval: Interval, from: Nanos, to: Nanos) -> Result<Vec<Bar>, HistoryError> {
    let span = interval.span.raw();
    if span <= 0 || span % MINUTE.raw() != 0 || DAY.raw() % span != 0 {
        return Err(HistoryError::Interval(interval.name));
    }
    if to.since(from) > RANGE_MAX {
        return Err(HistoryError::Range);
    }
    let minutes = (span / MINUTE.raw()) as usize;
    let mut bars = Vec::new();
    // Of a range that ends before it begins there is no day.
    for day in from.raw().div_euclid(DAY.raw())..=to.raw().saturating_sub(1).div_euclid(DAY.raw()) {
        path.walk(day);
        let midnight = Nanos::new(day.saturating_mul(DAY.raw()));
        for number in 0..(DAY.raw() / span) as usize {
            let start = midnight.plus(Nanos::new(number as i64 * span));
            if start >= from && start.plus(interval.span) <= to {
                let mut whole = Bar { start, ..path.minute(number * minutes) };
                (number * minutes + 1..(number + 1) * minutes).for_each(|at| join(&mut whole, &path.minute(at)));
                bars.push(whole);
            }
        }
    }
    Ok(bars)
}

/// Adds the bar that follows.
fn join(bar: &mut Bar, then: &Bar) {
    bar.high = bar.high.max(then.high);
    bar.low = bar.low.min(then.low);
    bar.close = then.close;
    bar.volume += then.volume;
    bar.trades += then.trades;
}

fn bar([open, high, low, close]: [Price; 4], volume: i128, trades: u64) -> Bar {
    Bar { start: Nanos::ZERO, open, high, low, close, volume, trades, revision: 0, flags: BarFlags::CLOSED }
}

/// One instrument's path over one day.
struct Path {
    seed: u64,
    profile: Profile,
    /// Standard deviation of a day over that of the walk, in units of 2⁻⁴⁰.
    scale: i64,
    /// By minute: how busy it is, and the square root of that.
    activity: Vec<(i64, i64)>,
    /// Prices in ticks at the half minutes of the day, its end included.
    ticks: Vec<i64>,
    /// The draws behind the steps.
    draws: Vec<u64>,
}

impl Path {
    fn new(seed: u64, listing: &Listing) -> Path {
        let profile = listing.profile;
        let at = |minute: i64| Nanos::new(minute * MINUTE.raw());
        let activity: Vec<(i64, i64)> = (0..STEPS as i64 / 2)
            .map(|minute| profile.hours.activity(at(minute)))
            .map(|activity| (activity, activity.isqrt()))
            .collect();
        let variance = 2 * activity.iter().map(|(_, root)| root * root).sum::<i64>();
        Path {
            seed: seed_of(seed, &listing.instrument.key),
            profile,
            scale: (profile.volatility_bp << 40) / (10_000 * ONE * variance.isqrt()),
            activity,
            ticks: vec![0; STEPS + 1],
            draws: vec![0; STEPS],
        }
    }

    /// The price in ticks at the start of a day.
    fn at_midnight(&self, day: i64) -> i64 {
        let noise = |(octave, amplitude): (usize, &i64)| {
            let period = 1i64 << octave;
            let (point, into) = (day.div_euclid(period), day.rem_euclid(period));
            let value = |point: i64| uniform_of(mix(mix(self.seed, 16 + octave as u64), point as u64));
            amplitude * (value(point) * (period - into) + value(point + 1) * into) / period
        };
        let sum: i64 = AMPLITUDES.iter().enumerate().map(noise).sum();
        // In units of 2⁻³⁰. The steps of all periods together have 1.15 times the amplitude of the daily noise;
        // most are taken at some distance from the reference price, where they come to a tenth less.
        let off = sum * self.profile.volatility_bp * 1_024 / 10_300;
        let one = 1i64 << 30;
        let (up, down) = (one + off.max(0), one - off.min(0));
        (i128::from(self.profile.price_ticks) * i128::from(up) / i128::from(down)).max(1) as i64
    }
}

impl Minutes for Path {
    fn walk(&mut self, day: i64) {
        let (open, close) = (self.at_midnight(day), self.at_midnight(day + 1));
        let mut chance = Chance::from_mixed(mix(mix(self.seed, WALK), day as u64));
        let mut walked = 0;
        for (step, draw) in self.draws.iter_mut().enumerate() {
            *draw = chance.next();
            walked += normal_of(*draw) * self.activity[step / 2].1;
            self.ticks[step + 1] = walked;
        }
        // Straight lines in steps of 2⁻²⁰: from open to close, and to where the walk ends.
        let slope = ((close - open) << 20) / STEPS as i64;
        let tie = (walked << 20) / STEPS as i64;
        for (step, ticks) in self.ticks.iter_mut().enumerate() {
            let done = step as i64;
            let base = open + ((slope * done) >> 20);
            let off = ((*ticks - ((tie * done) >> 20)) * self.scale) >> 10;
            *ticks = (base + ((base * off) >> 30)).max(1);
        }
        (self.ticks[0], self.ticks[STEPS]) = (open, close);
    }

    fn minute(&self, minute: usize) -> Bar {
        let (activity, root) = self.activity[minute];
        let [open, middle, close] = [0, 1, 2].map(|half| self.ticks[2 * minute + half]);
        let halves = [self.draws[2 * minute], self.draws[2 * minute + 1]];
        let draw = mix(halves[0], halves[1]);
        let share = |bits: u32| (draw >> bits & 1_023) as i64;
        // Between the points of the path the price has been a little further, on either side.
        let step = (open * ((ONE * root * self.scale) >> 10)) >> 30;
        let high = open.max(middle).max(close) + step * share(0) / (2 * ONE);
        let low = (open.min(middle).min(close) - step * share(10) / (2 * ONE)).max(1);
        let moved = normal_of(halves[0]).abs() + normal_of(halves[1]).abs();
        let trades = trades_of(&self.profile, activity, share(20), moved);
        // A trade is never less than a lot.
        let lots = (trades * self.profile.trade_lots * (ONE / 3 + share(30)) / ONE).max(trades);
        let prices = [open, high, low, close].map(|ticks| self.profile.price(ticks));
        bar(prices, i128::from(lots) * i128::from(self.profile.lot), trades as u64)
    }
}

/// The index's path: its members' paths, added up.
struct IndexPath<'a> {
    index: &'a Index,
    paths: Vec<Path>,
    parts: Vec<i128>,
}

impl Minutes for IndexPath<'_> {
    fn walk(&mut self, day: i64) {
        self.parts.fill(0);
        for (member, path) in self.paths.iter_mut().enumerate() {
            path.walk(day);
            for (part, &ticks) in self.parts.iter_mut().zip(&path.ticks) {
                *part += self.index.part(member, ticks * path.profile.tick);
            }
        }
    }

    fn minute(&self, minute: usize) -> Bar {
        let [open, middle, close] = [0, 1, 2].map(|half| self.index.value(self.parts[2 * minute + half]));
        bar([open, open.max(middle).max(close), open.min(middle).min(close), close], 0, 0)
    }
}

/// Trades in a minute: more where the price moved more, and never none.
fn trades_of(profile: &Profile, activity: i64, share: i64, moved: i64) -> i64 {
    // The market trades 600 times in 1024 acts, as one act can meet several orders; a step's mean distance is 0.8 of its deviation.
    let acts = profile.acts_per_100s * 60 * activity / 100;
    (acts * 600 / ONE * (ONE / 2 + share) / ONE * (ONE + moved) / (ONE * ONE * 26 / 10)).max(1)
}

#[cfg(test)]
#[path = "history_tests.rs"]
mod tests;
