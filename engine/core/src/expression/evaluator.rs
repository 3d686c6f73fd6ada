//! A program at work: bars in, values out.

use super::program::{Program, Step, Work};
use super::{Row, row};
use crate::bar::Bar;
use crate::indicator::window::Window;
use crate::indicator::{INPUTS_MAX, Indicator};
use serde::{Deserialize, Serialize};
use std::sync::Arc;

/// Steps between two looks at whether a run is still wanted: milliseconds.
pub const STEPS_UNASKED: usize = 50_000;

/// A program with what it has seen.
///
/// Bars that close at one moment are put in, [`Evaluator::close`], and then all that depends on them is worked out once,
/// [`Evaluator::evaluate`]: no allocation, and a number of steps that is known beforehand.
#[derive(Clone, Debug)]
pub struct Evaluator {
    program: Arc<Program>,
    memories: Vec<Memory>,
    /// The latest values; not a number where there is none.
    values: Vec<f64>,
    /// Series of which a bar has closed since the last evaluation.
    closed: Vec<bool>,
}

/// What an evaluator has seen, for [`Evaluator::restore`].
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct State {
    values: Vec<f64>,
    memories: Vec<Remembered>,
}

/// A memory as it is written down.
#[derive(Clone, Debug, Serialize, Deserialize)]
enum Remembered {
    Nothing,
    Past(Window),
    Since(f64),
    Count(Window),
    Call(Vec<u8>),
}

/// A state that belongs to another program, or is damaged.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("not a state of this program")]
pub struct StateError;

/// What a step remembers.
#[derive(Clone, Debug)]
enum Memory {
    Nothing,
    Past(Window),
    /// Bars since.
    Since(f64),
    /// 1 where it was true; how many of them are.
    Count(Window, u32),
    Call(Box<Indicator>),
}

impl Memory {
    fn state(&self) -> Remembered {
        match self {
            Memory::Nothing => Remembered::Nothing,
            Memory::Past(past) => Remembered::Past(past.clone()),
            Memory::Since(since) => Remembered::Since(*since),
            Memory::Count(window, _) => Remembered::Count(window.clone()),
            Memory::Call(indicator) => Remembered::Call(indicator.state()),
        }
    }

    /// Goes on from a state of a memory of the same kind and size.
    fn restore(&mut self, state: Remembered) -> Result<(), StateError> {
        match (self, state) {
            (Memory::Nothing, Remembered::Nothing) => {}
            (Memory::Past(past), Remembered::Past(old)) if old.capacity() == past.capacity() => *past = old,
            (Memory::Since(since), Remembered::Since(old)) => *since = old,
            (Memory::Count(window, count), Remembered::Count(old)) if old.capacity() == window.capacity() => {
                *count = old.iter().filter(|&is_true| is_true == 1.0).count() as u32;
                *window = old;
            }
            (Memory::Call(indicator), Remembered::Call(old)) => indicator.restore(&old).map_err(|_| StateError)?,
            _ => return Err(StateError),
        }
        Ok(())
    }
}

impl Evaluator {
    /// An evaluator that has seen no bar.
    pub fn new(program: Arc<Program>) -> Evaluator {
        let memory = |step: &Step| match &step.work {
            Work::Lag(bars) => Memory::Past(Window::new(*bars as usize + 1)),
            Work::Since => Memory::Since(f64::NAN),
            Work::CountTrue(bars) => Memory::Count(Window::new(*bars as usize), 0),
            Work::Call(indicator) => Memory::Call(indicator.clone()),
            _ => Memory::Nothing,
        };
        let memories = program.steps.iter().map(memory).collect();
        let mut values = vec![f64::NAN; program.slots];
        for step in &program.steps {
            if let Work::Constant(value) = step.work {
                values[step.slot as usize] = value;
            }
        }
        let closed = vec![false; program.series().len()];
        let mut evaluator = Evaluator { program, memories, values, closed };
        evaluator.work(|step| step.series.is_none());
        evaluator
    }

    /// An evaluator that goes on, bit for bit, from what one of the same program had seen between two evaluations.
    ///
    /// # Errors
    /// [`StateError`].
    pub fn restore(program: Arc<Program>, state: State) -> Result<Evaluator, StateError> {
        let mut evaluator = Evaluator::new(program);
        let State { values, memories } = state;
        if values.len() != evaluator.values.len() || memories.len() != evaluator.memories.len() {
            return Err(StateError);
        }
        for (memory, state) in evaluator.memories.iter_mut().zip(memories) {
            memory.restore(state)?;
        }
        evaluator.values = values;
        Ok(evaluator)
    }

    /// What it has seen.
    pub fn state(&self) -> State {
        State { values: self.values.clone(), memories: self.memories.iter().map(Memory::state).collect() }
    }

    /// The program.
    pub fn program(&self) -> &Arc<Program> {
        &self.program
    }

    /// A bar of a series, by its place in [`Program::series`], has closed.
    pub fn close(&mut self, series: usize, row: &Row) {
        self.closed[series] = true;
        for &(column, slot) in &self.program.feeds[series].closed {
            self.values[slot as usize] = row[column];
        }
    }

    /// The open bar of a series; without one what is live is unknown.
    pub fn open(&mut self, series: usize, row: Option<&Row>) {
        for &(column, slot) in &self.program.feeds[series].open {
            self.values[slot as usize] = row.map_or(f64::NAN, |row| row[column]);
        }
    }

    /// Works out everything that the bars that closed since the last time change, and all that is live.
    pub fn evaluate(&mut self) {
        let closed = std::mem::take(&mut self.closed);
        let is_closed = closed.as_slice();
        self.work(|step| step.is_live || step.series.is_some_and(|series| is_closed[series]));
        self.closed = closed;
        self.closed.fill(false);
    }

    /// Goes along bars of each series, oldest first, and shows itself after each bar of the base. A bar counts from the
    /// moment of its end; what ends at one moment counts at once.
    pub fn run(&mut self, bars: &[&[Bar]], show: impl FnMut(&Bar, &Evaluator)) {
        self.run_while(bars, || true, show);
    }

    /// As [`Evaluator::run`], as long as `goes_on` says so: it is asked every [`STEPS_UNASKED`] steps or so. False where
    /// that ended it.
    pub fn run_while(
        &mut self,
        bars: &[&[Bar]],
        mut goes_on: impl FnMut() -> bool,
        mut show: impl FnMut(&Bar, &Evaluator),
    ) -> bool {
        let program = Arc::clone(&self.program);
        let mut next = vec![0; bars.len()];
        let mut steps = 0;
        loop {
            let end = |series: usize, bar: &Bar| bar.start.plus(program.series()[series].interval.span);
            let waiting =
                bars.iter().enumerate().filter_map(|(series, bars)| Some(end(series, bars.get(next[series])?)));
            let Some(now) = waiting.min() else { return true };
            let mut of_base = None;
            for (series, bars) in bars.iter().enumerate() {
                if let Some(bar) = bars.get(next[series]).filter(|bar| end(series, bar) == now) {
                    self.close(series, &row(bar));
                    next[series] += 1;
                    of_base = of_base.or(Some(bar).filter(|_| series == 0));
                }
            }
            self.evaluate();
            if let Some(bar) = of_base {
                show(bar, self);
            }
            steps += program.len() + bars.len();
            if steps >= STEPS_UNASKED {
                steps = 0;
                if !goes_on() {
                    return false;
                }
            }
        }
    }

    /// The value of each expression; `None` is NULL. A condition is 0 or 1.
    pub fn values(&self) -> impl ExactSizeIterator<Item = Option<f64>> {
        self.program.roots().iter().map(|&slot| Some(self.values[slot as usize]).filter(|value| !value.is_nan()))
    }

    fn work(&mut self, is_due: impl Fn(&Step) -> bool) {
        let Evaluator { program, memories, values, .. } = self;
        // A slice: where it begins and ends is known to be the same after each step.
        let values = values.as_mut_slice();
        for (step, memory) in program.steps.iter().zip(memories).filter(|(step, _)| is_due(step)) {
            let slot = step.slot as usize;
            // Most steps are operators: they have no memory, and none is looked at.
            if let Work::Operator(operator) = step.work {
                let [x, y, z, ..] = step.inputs;
                values[slot] = operator.value([x, y, z].map(|slot| values[slot as usize]));
                continue;
            }
            let inputs: [f64; INPUTS_MAX] = step.inputs.map(|slot| values[slot as usize]);
            match memory {
                Memory::Nothing => {}
                Memory::Past(past) => {
                    past.push(inputs[0]);
                    values[slot] = if past.is_full() { past.oldest().unwrap_or(f64::NAN) } else { f64::NAN };
                }
                Memory::Since(since) => {
                    *since = if inputs[0] == 1.0 { 0.0 } else { *since + 1.0 };
                    values[slot] = *since;
                }
                Memory::Count(window, count) => {
                    let is_true = f64::from(inputs[0] == 1.0);
                    let gone = window.push(is_true).unwrap_or(0.0);
                    *count = (*count + is_true as u32).saturating_sub(gone as u32);
                    values[slot] = if window.is_full() { f64::from(*count) } else { f64::NAN };
                }
                Memory::Call(indicator) => call(indicator, &inputs[..step.inputs_len], &mut values[slot..]),
            }
        }
    }
}

#[inline]
fn call(indicator: &mut Indicator, inputs: &[f64], values: &mut [f64]) {
    let values = &mut values[..indicator.function().outputs.len()];
    if !indicator.update(inputs, values) {
        values.fill(f64::NAN);
    }
}
