//! Expressions compiled: a list of steps, each after those it needs, and each only once.

use super::operator::ARGUMENTS_MAX;
use super::{Column, Expr, Node, Operator};
use crate::bar::Interval;
use crate::indicator::{INPUTS_MAX, Indicator};
use std::collections::BTreeMap;

/// Bars from which values are worked out.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Series {
    /// The instrument, by the number that the expression has for it; `None` is the one it is evaluated for.
    pub instrument: Option<u16>,
    /// Length of the bars.
    pub interval: Interval,
}

/// Where a value stands.
pub(super) type Slot = u32;

/// What a step does.
#[derive(Clone, Debug)]
pub(super) enum Work {
    Constant(f64),
    Column(Column),
    Live(Column),
    Operator(Operator),
    Lag(u32),
    Since,
    CountTrue(u32),
    Call(Box<Indicator>),
}

/// One step: it puts its values into slots of its own whenever a bar of its series closes.
#[derive(Clone, Debug)]
pub(super) struct Step {
    pub work: Work,
    pub inputs: [Slot; INPUTS_MAX],
    pub inputs_len: usize,
    pub slot: Slot,
    /// `None` where it is made of constants alone.
    pub series: Option<usize>,
    /// It depends on an open bar, and has no memory: it is done each time.
    pub is_live: bool,
}

/// Places in a [`super::Row`], and slots for them.
#[derive(Clone, Debug, Default)]
pub(super) struct Feed {
    pub closed: Vec<(usize, Slot)>,
    pub open: Vec<(usize, Slot)>,
}

/// Expressions, compiled together for one base interval.
#[derive(Clone, Debug)]
pub struct Program {
    pub(super) steps: Vec<Step>,
    pub(super) slots: usize,
    /// Of each series, which numbers of a bar go where: of one that has closed, and of the open one.
    pub(super) feeds: Vec<Feed>,
    roots: Vec<Slot>,
    series: Vec<Series>,
    /// Of each series, how many bars bring no value to some step.
    warmups: Vec<usize>,
}

/// A step as what it comes to: two steps with one key are one.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
struct Key {
    tag: &'static str,
    /// Constant, number of bars, or parameters.
    numbers: Vec<u64>,
    inputs: Vec<Slot>,
    series: usize,
}

/// A part that is compiled: where its value stands, when it changes, and how many of those bars bring none.
#[derive(Clone, Copy)]
struct Part {
    slot: Slot,
    /// `None`: never.
    series: Option<usize>,
    warmup: usize,
    is_live: bool,
}

struct Compiler {
    program: Program,
    known: BTreeMap<Key, Part>,
}

impl Program {
    /// Compiles expressions for an instrument's bars of `base`.
    pub fn compile(expressions: &[Expr], base: Interval) -> Program {
        let series = vec![Series { instrument: None, interval: base }];
        let feeds = vec![Feed::default()];
        let program = Program { steps: Vec::new(), slots: 0, feeds, roots: Vec::new(), series, warmups: vec![0] };
        let mut compiler = Compiler { program, known: BTreeMap::new() };
        for expression in expressions {
            let part = compiler.part(expression, base);
            compiler.program.roots.push(part.slot);
        }
        compiler.program
    }

    /// The bars that it wants: first those of the base, whose closing brings the next values.
    pub fn series(&self) -> &[Series] {
        &self.series
    }

    /// How many bars of each series bring no value to something in it.
    pub fn warmups(&self) -> &[usize] {
        &self.warmups
    }

    /// How many closed bars of each series to begin with, so that recursive averages have forgotten where they began:
    /// ten times the warm-up, and no fewer than a thousand.
    pub fn bars_wanted(&self) -> impl Iterator<Item = usize> {
        self.warmups.iter().map(|warmup| (10 * warmup).max(1_000))
    }

    /// How many steps there are.
    pub fn len(&self) -> usize {
        self.steps.len()
    }

    /// True where there is nothing to do.
    pub fn is_empty(&self) -> bool {
        self.steps.is_empty()
    }

    pub(super) fn roots(&self) -> &[Slot] {
        &self.roots
    }
}

impl Compiler {
    fn part(&mut self, expr: &Expr, interval: Interval) -> Part {
        match expr.node() {
            Node::Constant(value) => self.step(Work::Constant(*value), &[], None),
            Node::Column(instrument, column) => {
                let series = self.series(Series { instrument: *instrument, interval });
                self.step(Work::Column(*column), &[], Some(series))
            }
            Node::Live(instrument, column) => {
                let series = self.series(Series { instrument: *instrument, interval });
                let part = self.step(Work::Live(*column), &[], Some(series));
                Part { is_live: true, ..part }
            }
            Node::At(interval, inner) => self.part(inner, *interval),
            Node::Operator(operator, arguments) => {
                let parts = self.parts(arguments, interval);
                let series = self.common(&parts, interval);
                self.step(Work::Operator(*operator), &parts, series)
            }
            Node::Lag(bars, inner) => self.remember(Work::Lag(*bars), std::slice::from_ref(inner), interval),
            Node::Since(inner) => self.remember(Work::Since, std::slice::from_ref(inner), interval),
            Node::CountTrue(bars, inner) => {
                self.remember(Work::CountTrue(*bars), std::slice::from_ref(inner), interval)
            }
            Node::Call(indicator, inputs, output) => {
                let part = self.remember(Work::Call(indicator.clone()), inputs, interval);
                Part { slot: part.slot + *output as Slot, ..part }
            }
        }
    }

    fn parts(&mut self, inner: &[Expr], interval: Interval) -> Vec<Part> {
        inner.iter().map(|expr| self.part(expr, interval)).collect()
    }

    /// Something with a memory: even what never changes is counted in bars.
    fn remember(&mut self, work: Work, inner: &[impl std::borrow::Borrow<Expr>], interval: Interval) -> Part {
        let parts: Vec<Part> = inner.iter().map(|expr| self.part(expr.borrow(), interval)).collect();
        let series = self.common(&parts, interval);
        let series = series.unwrap_or_else(|| self.series(Series { instrument: None, interval }));
        self.step(work, &parts, Some(series))
    }

    /// When something made of these changes: with the bars that all of them change with, else with those of the
    /// instrument itself.
    fn common(&mut self, parts: &[Part], interval: Interval) -> Option<usize> {
        let mut all = parts.iter().filter_map(|part| part.series);
        let first = all.next()?;
        if all.all(|other| other == first) {
            return Some(first);
        }
        Some(self.series(Series { instrument: None, interval }))
    }

    fn series(&mut self, series: Series) -> usize {
        let program = &mut self.program;
        program.series.iter().position(|known| *known == series).unwrap_or_else(|| {
            program.series.push(series);
            program.feeds.push(Feed::default());
            program.warmups.push(0);
            program.series.len() - 1
        })
    }

    fn step(&mut self, work: Work, parts: &[Part], series: Option<usize>) -> Part {
        let key = key(&work, parts, series.unwrap_or(usize::MAX));
        if let Some(part) = self.known.get(&key) {
            return *part;
        }
        let own = match &work {
            Work::Lag(bars) => *bars as usize,
            Work::CountTrue(bars) => *bars as usize - 1,
            Work::Call(indicator) => indicator.warmup(),
            _ => 0,
        };
        // A part of another series is as warm as it is: its bars are counted there.
        let before = parts.iter().filter(|part| part.series == series).map(|part| part.warmup).max().unwrap_or(0);
        let outputs = if let Work::Call(indicator) = &work { indicator.function().outputs.len() } else { 1 };
        let program = &mut self.program;
        let slot = program.slots as Slot;
        program.slots += outputs;
        let mut inputs = [0; INPUTS_MAX];
        inputs.iter_mut().zip(parts).for_each(|(input, part)| *input = part.slot);
        let is_live = matches!(work, Work::Live(_)) || parts.iter().any(|part| part.is_live);
        let part = Part { slot, series, warmup: own + before, is_live };
        if let Some(series) = series {
            program.warmups[series] = program.warmups[series].max(part.warmup);
        }
        if let Some(feed) = series.map(|series| &mut program.feeds[series]) {
            match work {
                Work::Column(column) => feed.closed.push((column as usize, slot)),
                Work::Live(column) => feed.open.push((column as usize, slot)),
                _ => {}
            }
        }
        program.steps.push(Step { work, inputs, inputs_len: parts.len(), slot, series, is_live });
        self.known.insert(key, part);
        part
    }
}

const _: () = assert!(ARGUMENTS_MAX <= INPUTS_MAX);

fn key(work: &Work, parts: &[Part], series: usize) -> Key {
    let bits = |numbers: &[f64]| numbers.iter().map(|number| number.to_bits()).collect();
    let (tag, numbers) = match work {
        Work::Constant(value) => ("number", bits(&[*value])),
        Work::Column(column) => (column.name(), Vec::new()),
        Work::Live(column) => ("live", vec![*column as u64]),
        Work::Operator(operator) => ("operator", vec![*operator as u64]),
        Work::Lag(bars) => ("lag", vec![u64::from(*bars)]),
        Work::Since => ("since", Vec::new()),
        Work::CountTrue(bars) => ("count_true", vec![u64::from(*bars)]),
        // No function is called as a column, or as one of the others: the catalogue's test sees to it.
        Work::Call(indicator) => (indicator.function().name, bits(indicator.params())),
    };
    Key { tag, numbers, inputs: parts.iter().map(|part| part.slot).collect(), series }
}
