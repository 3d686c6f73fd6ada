//! Standing conditions: expressions that the engine evaluates as bars close, and tells of when they become true.
//!
//! A [`Condition`] is compiled and primed elsewhere, and attached as an input, so that a replay comes to the same. From
//! then on it takes every bar of its series once, in the order of their ends, when no more trades of it are to be
//! expected: as soon as the market's own time has passed its end on every instrument concerned, or [`SETTLE`] after it
//! by tape time. So its values are those of the finished bars, whether they are worked out here, afterwards in SQL, or
//! in a replay; only a trade that is later still changes a bar behind its back.

mod slab;

pub(crate) use slab::Conditions;

use crate::bar::{Bar, BarFlags, BarSeries, INTERVALS, Interval};
use crate::expression::words::{self, Word, WordsError};
use crate::expression::{Evaluator, Expr, Kind, Program, Series, State, row};
use crate::instrument::InstrumentId;
use crate::stream::Stream;
use crate::time::Nanos;
use serde::{Deserialize, Serialize};
use std::sync::Arc;

/// Most conditions at a time.
pub const CONDITIONS_MAX: usize = 1_024;
/// Most expressions of one: the condition itself, and values that are told with it.
pub const VALUES_MAX: usize = 8;
/// Largest condition as it is written down, with all that it has seen, in bytes.
pub const BYTES_MAX: usize = 256 * 1024;
/// How long after its end a bar is waited for, in tape time, where nothing later has been traded.
pub const SETTLE: Nanos = Nanos::SECOND;

/// Why there is no such condition.
#[derive(Clone, Debug, PartialEq, thiserror::Error)]
pub enum ConditionError {
    /// The first expression is no condition, or there are too many.
    #[error("a standing condition is one condition and at most {} values", VALUES_MAX - 1)]
    Shape,
    /// It names an instrument that it was not given.
    #[error("it names more instruments than it was given")]
    Instruments,
    /// It remembers too much.
    #[error("it remembers {0} bytes, and may remember {BYTES_MAX}: shorten its periods")]
    Large(usize),
    /// Its priming was ended before it was through.
    #[error("its priming was given up")]
    GivenUp,
    /// Written expressions that are none.
    #[error(transparent)]
    Words(#[from] WordsError),
    /// The bytes are not a condition.
    #[error("not a condition")]
    Bytes,
}

/// That a condition has become true.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Firing {
    /// Which.
    pub id: u64,
    /// The input with which it became known.
    pub seq: u64,
    /// Its tape time.
    pub ts: Nanos,
    /// The end of the bar that made it true; of a condition on live values, `ts`.
    pub moment: Nanos,
    /// What its expressions came to: the condition first.
    pub values: [Option<f64>; VALUES_MAX],
    /// Trades are missing in a bar that it has taken since it was attached.
    pub is_incomplete: bool,
}

/// A condition with what it has seen.
#[derive(Clone, Debug)]
pub struct Condition {
    id: u64,
    base: Interval,
    instruments: Vec<InstrumentId>,
    expressions: Arc<[Vec<Word>]>,
    /// Of each series of the program, whose bars they are, and which of [`INTERVALS`].
    places: Vec<(InstrumentId, usize)>,
    /// Every bar of it ends at a multiple of this.
    step: Nanos,
    is_live: bool,
    evaluator: Evaluator,
    primed_from: Vec<Option<Nanos>>,
    /// Every bar that ended by then has been taken.
    until: Nanos,
    was_true: bool,
    is_incomplete: bool,
    /// When it wants to look, should nothing be traded until then.
    due: Option<Nanos>,
    /// A firing of it waits to be told.
    is_told: bool,
}

/// A condition as it is written down: frozen, see [`words`].
#[derive(Serialize, Deserialize)]
struct Written {
    id: u64,
    base: String,
    instruments: Vec<u32>,
    expressions: Vec<Vec<Word>>,
    primed_from: Vec<Option<i64>>,
    until: i64,
    was_true: bool,
    is_incomplete: bool,
    state: State,
}

impl Condition {
    /// A condition, and values that are told with it, over bars of `base` of the first of `instruments`; the others are
    /// those that expressions name, by number. It has seen nothing.
    ///
    /// # Errors
    /// [`ConditionError`].
    pub fn new(
        id: u64,
        expressions: &[Expr],
        base: Interval,
        instruments: &[InstrumentId],
    ) -> Result<Condition, ConditionError> {
        let kind = expressions.first().map(Expr::kind);
        if kind != Some(Kind::Condition) || expressions.len() > VALUES_MAX {
            return Err(ConditionError::Shape);
        }
        let program = Program::compile(expressions, base);
        let places: Option<Vec<_>> = program.series().iter().map(|series| place(series, instruments)).collect();
        let places = places.ok_or(ConditionError::Instruments)?;
        let spans = program.series().iter().map(|series| series.interval.span.raw());
        let step = Nanos::new(spans.fold(0, greatest_common_divisor));
        let written = |expr| {
            let mut list = Vec::new();
            words::write(expr, &mut list);
            list
        };
        Ok(Condition {
            id,
            base,
            instruments: instruments.to_vec(),
            expressions: expressions.iter().map(written).collect(),
            primed_from: vec![None; places.len()],
            places,
            step,
            is_live: expressions.iter().any(Expr::is_live),
            evaluator: Evaluator::new(Arc::new(program)),
            until: Nanos::new(i64::MIN),
            was_true: false,
            is_incomplete: false,
            due: None,
            is_told: false,
        })
    }

    /// Takes closed bars of each series, oldest first: all that there are to be had that ended by `until`. Called once.
    ///
    /// # Errors
    /// [`ConditionError::Large`].
    pub fn prime(&mut self, bars: &[&[Bar]], until: Nanos) -> Result<(), ConditionError> {
        self.prime_while(bars, until, || true)
    }

    /// As [`Condition::prime`], as long as `goes_on` says so.
    ///
    /// # Errors
    /// [`ConditionError::Large`], or [`ConditionError::GivenUp`].
    pub fn prime_while(
        &mut self,
        bars: &[&[Bar]],
        until: Nanos,
        goes_on: impl FnMut() -> bool,
    ) -> Result<(), ConditionError> {
        let program = Arc::clone(self.evaluator.program());
        let spans = program.series().iter().map(|series| series.interval.span);
        let ended: Vec<&[Bar]> = bars
            .iter()
            .zip(spans)
            .map(|(bars, span)| &bars[..bars.partition_point(|bar| bar.start.plus(span) <= until)])
            .collect();
        self.primed_from = ended.iter().map(|bars| bars.first().map(|bar| bar.start)).collect();
        let mut is_true = false;
        let show = |_: &Bar, evaluator: &Evaluator| is_true = value(evaluator, 0).map_or(is_true, |value| value == 1.0);
        if !self.evaluator.run_while(&ended, goes_on, show) {
            return Err(ConditionError::GivenUp);
        }
        (self.until, self.was_true) = (until, is_true && !self.is_live);
        match self.encode().len() {
            bytes if bytes > BYTES_MAX => Err(ConditionError::Large(bytes)),
            _ => Ok(()),
        }
    }

    /// Its number.
    pub fn id(&self) -> u64 {
        self.id
    }

    /// The bars that it wants, those of the base first.
    pub fn program(&self) -> &Arc<Program> {
        self.evaluator.program()
    }

    /// True where it was, the last time that it was looked at.
    pub fn is_true(&self) -> bool {
        self.was_true
    }

    /// Every bar that ended by then has been taken.
    pub fn until(&self) -> Nanos {
        self.until
    }

    /// Start of the first bar of each series with which it began.
    pub fn primed_from(&self) -> &[Option<Nanos>] {
        &self.primed_from
    }

    /// What its expressions came to: the condition first.
    pub fn values(&self) -> [Option<f64>; VALUES_MAX] {
        let mut values = [None; VALUES_MAX];
        values.iter_mut().zip(self.evaluator.values()).for_each(|(to, value)| *to = value);
        values
    }

    /// The condition with everything that it has seen, for [`Condition::decode`].
    pub fn encode(&self) -> Vec<u8> {
        let written = Written {
            id: self.id,
            base: self.base.name.to_owned(),
            instruments: self.instruments.iter().map(|id| id.0).collect(),
            expressions: self.expressions.to_vec(),
            primed_from: self.primed_from.iter().map(|from| from.map(Nanos::raw)).collect(),
            until: self.until.raw(),
            was_true: self.was_true,
            is_incomplete: self.is_incomplete,
            state: self.evaluator.state(),
        };
        // Nothing in it has a way to fail: numbers, texts and lists whose length is known.
        postcard::to_allocvec(&written).unwrap_or_default()
    }

    /// Goes on from what was written down, bit for bit.
    ///
    /// # Errors
    /// [`ConditionError`] where the bytes are not exactly one condition.
    pub fn decode(bytes: &[u8]) -> Result<Condition, ConditionError> {
        let (written, rest) = postcard::take_from_bytes::<Written>(bytes).map_err(|_| ConditionError::Bytes)?;
        if !rest.is_empty() || written.expressions.len() > VALUES_MAX {
            return Err(ConditionError::Bytes);
        }
        let base = INTERVALS.iter().find(|interval| interval.name == written.base).ok_or(ConditionError::Bytes)?;
        let expressions: Result<Vec<Expr>, _> = written.expressions.iter().map(|words| words::read(words)).collect();
        let instruments: Vec<_> = written.instruments.into_iter().map(InstrumentId).collect();
        let mut condition = Condition::new(written.id, &expressions?, *base, &instruments)?;
        if written.primed_from.len() != condition.primed_from.len() {
            return Err(ConditionError::Bytes);
        }
        let program = Arc::clone(condition.program());
        condition.evaluator = Evaluator::restore(program, written.state).map_err(|_| ConditionError::Bytes)?;
        condition.primed_from = written.primed_from.into_iter().map(|from| from.map(Nanos::new)).collect();
        condition.until = Nanos::new(written.until);
        (condition.was_true, condition.is_incomplete) = (written.was_true, written.is_incomplete);
        Ok(condition)
    }

    /// The venue time up to which nothing more is to be expected.
    fn horizon(&self, ts: Nanos, streams: &[Stream]) -> Nanos {
        let traded = |id: &InstrumentId| streams.get(id.index()).and_then(newest).unwrap_or(Nanos::new(i64::MIN));
        let traded = self.instruments.iter().map(traded).min().unwrap_or(Nanos::new(i64::MIN));
        traded.max(ts.since(SETTLE)).floor(self.step)
    }

    /// Takes what has ended, and tells whether it became true.
    fn look(&mut self, ts: Nanos, streams: &[Stream]) -> Option<Firing> {
        let horizon = self.horizon(ts, streams);
        let mut fired = None;
        if horizon > self.until {
            while let Some(moment) = self.next_moment(streams).filter(|&moment| moment <= horizon) {
                let is_of_base = self.take(moment, streams);
                self.until = moment;
                if is_of_base && !self.is_live {
                    fired = fired.or(self.judge(ts, moment));
                }
            }
            self.until = horizon;
        }
        if self.is_live {
            for (series, place) in self.places.iter().enumerate() {
                let open = bars(streams, *place).and_then(|bars| bars.first_ending_after(self.until));
                self.evaluator.open(series, open.map(row).as_ref());
            }
            self.evaluator.evaluate();
            fired = self.judge(ts, ts);
        }
        self.note_due(streams);
        fired
    }

    fn note_due(&mut self, streams: &[Stream]) {
        self.due = self.next_moment(streams).map(|moment| moment.plus(SETTLE));
    }

    /// When the next bar ends that has not been taken.
    fn next_moment(&self, streams: &[Stream]) -> Option<Nanos> {
        let end = |place: &(InstrumentId, usize)| {
            let bar = bars(streams, *place)?.first_ending_after(self.until)?;
            Some(bar.start.plus(INTERVALS[place.1].span))
        };
        self.places.iter().filter_map(end).min()
    }

    /// Takes the bars that end at `moment`; true where one of the base does.
    fn take(&mut self, moment: Nanos, streams: &[Stream]) -> bool {
        let mut is_of_base = false;
        for (series, place) in self.places.iter().enumerate() {
            let bar = bars(streams, *place).and_then(|bars| bars.first_ending_after(self.until));
            if let Some(bar) = bar.filter(|bar| bar.start.plus(INTERVALS[place.1].span) == moment) {
                self.evaluator.close(series, &row(bar));
                self.is_incomplete |= bar.flags.has(BarFlags::INCOMPLETE);
                is_of_base |= series == 0;
            }
        }
        self.evaluator.evaluate();
        is_of_base
    }

    /// Fires where it is true and was not; where it is unknown it is as it was.
    fn judge(&mut self, ts: Nanos, moment: Nanos) -> Option<Firing> {
        let is_true = value(&self.evaluator, 0)? == 1.0;
        let has_become = is_true & !std::mem::replace(&mut self.was_true, is_true);
        let Condition { id, is_incomplete, .. } = *self;
        has_become.then(|| Firing { id, seq: 0, ts, moment, values: self.values(), is_incomplete })
    }
}

/// Two are the same that are written alike.
impl PartialEq for Condition {
    fn eq(&self, other: &Condition) -> bool {
        self.encode() == other.encode()
    }
}

impl Eq for Condition {}

fn value(evaluator: &Evaluator, at: usize) -> Option<f64> {
    evaluator.values().nth(at).flatten()
}

fn place(series: &Series, instruments: &[InstrumentId]) -> Option<(InstrumentId, usize)> {
    let at = series.instrument.map_or(0, |number| usize::from(number) + 1);
    let interval = INTERVALS.iter().position(|known| *known == series.interval)?;
    Some((*instruments.get(at)?, interval))
}

fn bars(streams: &[Stream], (id, interval): (InstrumentId, usize)) -> Option<&BarSeries> {
    streams.get(id.index())?.bars.get(interval)
}

/// How far trading has come, by the venue's time: every bar ends at a whole second.
fn newest(stream: &Stream) -> Option<Nanos> {
    stream.bars.first()?.newest().map(|bar| bar.start)
}

fn greatest_common_divisor(one: i64, other: i64) -> i64 {
    if other == 0 { one } else { greatest_common_divisor(other, one % other) }
}

#[cfg(test)]
#[path = "condition_tests.rs"]
mod tests;
