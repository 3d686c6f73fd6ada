//! Expressions asked for once: read, compiled, and evaluated over the closed bars of the engine's memory and the store.

use crate::bars::{self, BYTES_PER_BAR, Named};
use crate::directory::Directory;
use crate::engine::BarsView;
use crate::reads::{Place, Read, Stop};
use crate::server::Facade;
use crate::tools::{unavailable, wrong_expression};
use crate::wire::Refusal;
use std::sync::Arc;
use tidegate_core::condition::{Condition, ConditionError, SETTLE};
use tidegate_core::expression::{Evaluator, Expr, Kind, Program, REMEMBERED_MAX, Series, row};
use tidegate_core::{Bar, BarFlags, InstrumentId, Interval, Nanos};
use tidegate_history::expression::{Reader, TextError};

/// Most bars that one question is answered from.
const BARS_MAX: usize = 1_000_000;
/// Most bars and steps of one part of it, as far as one instrument does not take more: fractions of a second, after
/// which it is another's turn.
const PART: (usize, usize) = (200_000, 20_000_000);
/// What an evaluator takes for each bar that it remembers, at most.
const BYTES_PER_REMEMBERED: usize = 64;
/// Most steps of the evaluator that one question may take: seconds.
const STEPS_MAX: usize = 100_000_000;

/// Expressions over bars of one interval, compiled together.
pub struct Compiled {
    program: Arc<Program>,
    expressions: Vec<Expr>,
    interval: Interval,
    /// Of each expression, what its values are.
    pub kinds: Vec<Kind>,
    /// Instruments that expressions name, by their numbers.
    others: Vec<Named>,
    /// Some depend on the bar that is still open.
    pub is_live: bool,
}

/// What expressions say of one instrument.
pub struct Values {
    /// At closed bars, oldest first: start of the bar, and the value of each expression.
    pub rows: Vec<(Nanos, Vec<Option<f64>>)>,
    /// With the open bar, where there is one and an expression depends on it.
    pub live: Option<Vec<Option<f64>>>,
    /// Start of the first bar that was used, of each series of the program.
    pub primed_from: Vec<Option<Nanos>>,
    /// Start of the newest closed bar of the instrument itself that lacks trades.
    pub incomplete_at: Option<Nanos>,
    /// Whose bars they are: what the engine said of the instrument itself.
    pub view: BarsView,
}

impl Compiled {
    /// Reads and compiles expressions, each with the argument that it was given as.
    ///
    /// # Errors
    /// A refusal that names the expression, the place and what to write.
    pub fn read(texts: &[(&str, &str)], interval: Interval, directory: &Directory) -> Result<Compiled, Refusal> {
        let mut reader = Reader::default();
        let mut expressions: Vec<Expr> = Vec::with_capacity(texts.len());
        let mut others = Vec::new();
        for (field, text) in texts {
            let refuse = |error: &TextError| wrong_expression(field, text, error);
            expressions.push(reader.read(text).map_err(|error| refuse(&error))?);
            let remembered: usize = expressions.iter().map(Expr::remembered).sum();
            if remembered > REMEMBERED_MAX as usize {
                let message = format!(
                    "together with those before it it remembers {remembered} bars, and {REMEMBERED_MAX} is the most: shorten \
                     periods, or ask for fewer expressions"
                );
                return Err(refuse(&TextError { message, column: 1, nearest: None }));
            }
            for key in &reader.instruments()[others.len()..] {
                let Some(found) = directory.resolve(key) else {
                    let column = text.find(key.as_str()).map_or(1, |at| text[..at].chars().count() + 1);
                    let message = format!("there is no instrument {key}: find_instruments finds those there are");
                    return Err(refuse(&TextError { message, column, nearest: directory.nearest(key) }));
                };
                others.push(found);
            }
        }
        let kinds = expressions.iter().map(Expr::kind).collect();
        let is_live = expressions.iter().any(Expr::is_live);
        let program = Arc::new(Program::compile(&expressions, interval));
        Ok(Compiled { program, expressions, interval, kinds, others, is_live })
    }

    /// Refuses where the expression at `at`, given as `field`, is of another kind.
    ///
    /// # Errors
    /// A refusal that says which it must be.
    pub fn expect(&self, at: usize, field: &str, text: &str, want: Kind) -> Result<(), Refusal> {
        if self.kinds[at] == want {
            return Ok(());
        }
        let error = TextError { message: format!("it must be {want}"), column: 1, nearest: None };
        Err(wrong_expression(field, text, &error))
    }

    /// The bars that are used, those of the base first.
    pub fn series(&self) -> &[Series] {
        self.program.series()
    }

    /// The key of a series' instrument, where it is not the one that is asked about.
    pub fn other(&self, series: &Series) -> Option<String> {
        series.instrument.and_then(|number| self.others.get(usize::from(number))).map(|(_, it)| it.to_string())
    }

    /// The values of each of `instruments` at the last `rows` bars that closed before `until`.
    ///
    /// # Errors
    /// A refusal where the engine or the store does not answer.
    pub async fn evaluate(
        &self,
        facade: &Facade,
        read: &Read<'_>,
        instruments: &[Named],
        until: Nanos,
        rows: usize,
    ) -> Result<Vec<Values>, Refusal> {
        let mut all = Vec::with_capacity(instruments.len());
        for part in instruments.chunks(self.at_once(PART.0, PART.1).max(1)) {
            let place = read.place(self.bytes(part.len())).await?;
            let of_series = self.find(facade, (read, &place), part, until).await?;
            let (program, live) = (Arc::clone(&self.program), self.is_live && until == Nanos::new(i64::MAX));
            let count = part.len();
            let evaluate = move |stop: &Stop<'_>| {
                let each = |at: usize| {
                    // Another instrument's bars are the same for all.
                    let found = of_series.iter().map(|found| if found.len() == 1 { &found[0] } else { &found[at] });
                    values(&program, &found.collect::<Vec<_>>(), live, rows, stop)
                };
                (0..count).map(each).collect::<Option<Vec<Values>>>()
            };
            all.extend(place.run(evaluate).await?);
        }
        Ok(all)
    }

    /// How many instruments' bars and steps are within those bounds.
    fn at_once(&self, bars: usize, steps: usize) -> usize {
        let wanted: usize = self.program.bars_wanted().sum();
        (bars / wanted).min(steps / wanted / self.program.len().max(1))
    }

    /// What a part of so many instruments takes, at most.
    fn bytes(&self, instruments: usize) -> usize {
        let wanted: usize = self.program.bars_wanted().sum();
        let remembered: usize = self.expressions.iter().map(Expr::remembered).sum();
        instruments * wanted * BYTES_PER_BAR + remembered * BYTES_PER_REMEMBERED
    }

    /// The closed bars that each series begins with, of each of `instruments`, or once where they are another's.
    async fn find(
        &self,
        facade: &Facade,
        (read, place): (&Read<'_>, &Arc<Place>),
        instruments: &[Named],
        until: Nanos,
    ) -> Result<Vec<Vec<Found>>, Refusal> {
        let mut of_series = Vec::new();
        for (series, wanted) in self.program.series().iter().zip(self.program.bars_wanted()) {
            let other = series.instrument.and_then(|number| self.others.get(usize::from(number)));
            let asked: Vec<&Named> = other.map_or_else(|| instruments.iter().collect(), |other| vec![other]);
            // One that starts later has not ended by then; one more, as the last may be open.
            let to = Nanos::new(until.raw().saturating_sub(series.interval.span.raw()).saturating_add(1));
            let range = (Nanos::new(i64::MIN), to);
            let found = bars::latest(facade, (read, Some(place)), &asked, series.interval, range, wanted + 1).await?;
            of_series
                .push(found.into_iter().map(|found| Found::of(found, series.interval, wanted)).collect::<Vec<_>>());
        }
        Ok(of_series)
    }

    /// The first expression as a standing condition of the engine on `instrument`, the others told with it; primed, and
    /// numbered at random. Beside it what the engine said of the instrument.
    ///
    /// # Errors
    /// A refusal where the engine or the store does not answer, or it remembers too much.
    pub async fn standing(
        &self,
        facade: &Facade,
        read: &Read<'_>,
        instrument: &Named,
    ) -> Result<(Condition, BarsView), Refusal> {
        let place = read.place(self.bytes(1)).await?;
        let asked = std::slice::from_ref(instrument);
        let found = self.find(facade, (read, &place), asked, Nanos::new(i64::MAX)).await?;
        let found: Vec<Found> = found.into_iter().filter_map(|mut found| found.pop()).collect();
        let ids: Vec<InstrumentId> = [instrument].into_iter().chain(&self.others).map(|(id, _)| *id).collect();
        let random = getrandom::u64().map_err(|error| {
            unavailable("no_random_number", &format!("The system gives no random numbers: {error}."), true)
        })?;
        let (expressions, interval) = (self.expressions.clone(), self.interval);
        let prime = move |stop: &Stop<'_>| {
            let as_of = found.iter().map(|found| found.view.stamp.as_of).min().unwrap_or_default();
            let bars: Vec<&[Bar]> = found.iter().map(|found| found.closed.as_slice()).collect();
            let primed = Condition::new(random, &expressions, interval, &ids).and_then(|mut condition| {
                condition.prime_while(&bars, as_of.since(SETTLE), || !stop.is_over())?;
                Ok((condition, found[0].view.clone()))
            });
            Some(primed)
        };
        place.run(prime).await?.map_err(|error: ConditionError| {
            let message = format!("This condition cannot be watched: {error}.");
            Refusal { field: Some("condition".to_owned()), ..unavailable("too_much", &message, false) }
        })
    }

    /// How many instruments can be evaluated at once.
    ///
    /// # Errors
    /// A refusal where not even one can be: `field` is the argument with the expressions.
    pub fn instruments_max(&self, field: &str) -> Result<usize, Refusal> {
        let wanted: usize = self.program.bars_wanted().sum();
        let most = self.at_once(BARS_MAX, STEPS_MAX);
        if most > 0 {
            return Ok(most);
        }
        Err(Refusal {
            field: Some(field.to_owned()),
            allowed: Some(format!("at most {STEPS_MAX} steps for one instrument")),
            ..unavailable(
                "too_much",
                &format!(
                    "{field} would take {wanted} bars of {} steps each; shorten periods, or ask for fewer expressions.",
                    self.program.len()
                ),
                false,
            )
        })
    }
}

/// `None` where it is stopped before it is through.
fn values(program: &Arc<Program>, found: &[&Found], is_live: bool, rows: usize, stop: &Stop<'_>) -> Option<Values> {
    let bars: Vec<&[Bar]> = found.iter().map(|found| found.closed.as_slice()).collect();
    let mut evaluator = Evaluator::new(Arc::clone(program));
    let skip = bars[0].len().saturating_sub(rows);
    let (mut count, mut shown) = (0, Vec::with_capacity(rows.min(bars[0].len())));
    let show = |bar: &Bar, evaluator: &Evaluator| {
        count += 1;
        if count > skip {
            shown.push((bar.start, evaluator.values().collect()));
        }
    };
    if stop.is_over() || !evaluator.run_while(&bars, || !stop.is_over(), show) {
        return None;
    }
    let live = is_live.then(|| {
        for (series, found) in found.iter().enumerate() {
            evaluator.open(series, found.open.as_ref().map(row).as_ref());
        }
        evaluator.evaluate();
        evaluator.values().collect()
    });
    let primed_from = bars.iter().map(|bars| bars.first().map(|bar| bar.start)).collect();
    let incomplete = bars[0].iter().rev().find(|bar| bar.flags.has(BarFlags::INCOMPLETE));
    let incomplete_at = incomplete.map(|bar| bar.start);
    Some(Values { rows: shown, live, primed_from, incomplete_at, view: found[0].view.clone() })
}

/// Bars of one series.
struct Found {
    /// Oldest first.
    closed: Vec<Bar>,
    open: Option<Bar>,
    view: BarsView,
}

impl Found {
    /// The latest `count` that are closed, and the one that is not.
    fn of((mut view, mut bars): (BarsView, Vec<Bar>), interval: Interval, count: usize) -> Found {
        let is_over = |bar: &Bar| bar.flags.has(BarFlags::CLOSED) || bar.start.plus(interval.span) <= view.stamp.as_of;
        let open = bars.pop_if(|bar| !is_over(bar));
        bars.drain(..bars.len().saturating_sub(count));
        view.bars.clear();
        Found { closed: bars, open, view }
    }
}
