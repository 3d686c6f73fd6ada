//! Indicators: functions of series, evaluated one value at a time.
//!
//! [`catalogue`] lists every function by the name that expressions call it by; [`Indicator`] is one of them with its
//! parameters and its state. Each is made of a [`kernel`], which takes finite numbers in constant time and allocates
//! nothing once it is made. Where TA-Lib has a function of that name its definition is used, value for value from the
//! first output on; where it has none the function names its source.
//!
//! Of the crate `ta` its exponential average is used, begun with the mean as TA-Lib's is; so are all averages made of
//! it. Its RSI, ATR and CCI are not TA-Lib's; its simple average, deviation and Bollinger bands keep bare running sums, and
//! its extremes go through the whole window each time: these are our own.
//!
//! Statistics are `f64`: [`crate::expression::real`] is the door from prices and quantities, and nothing leads back.

mod adaptive;
mod average;
mod band;
mod candle;
mod cascade;
mod channel;
mod cycle;
mod directional;
mod displaced;
mod extremes;
mod hilbert;
pub mod kernel;
mod macd;
mod maths;
mod momentum;
mod oscillator;
mod pace;
mod parabolic;
mod pivot;
mod price;
mod ranked;
mod standing;
mod statistic;
mod stochastic;
mod stop;
mod swing;
mod trend;
mod variability;
mod variable;
mod volatility;
mod volatility_history;
mod volume;
mod volume_flow;
mod vwap;
mod weighted;
mod wilder;
pub(crate) mod window;

use kernel::Erased;
use std::fmt;

/// Most inputs of a function.
pub const INPUTS_MAX: usize = 5;
/// Most outputs of a function.
pub const OUTPUTS_MAX: usize = 5;
/// Longest period that can be asked for.
pub const PERIOD_MAX: usize = 10_000;
/// Inputs beyond it count as bad: no price and no volume is, and their squares and sums stay finite.
pub const INPUT_MAX: f64 = 1e100;

/// Version of the bytes that [`Indicator::state`] makes.
const STATE_VERSION: u8 = 2;

/// A parameter of a function.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Param {
    /// Its name, as documented.
    pub name: &'static str,
    /// What is taken where it is left out.
    pub default: f64,
    /// Smallest and greatest value.
    pub range: (f64, f64),
    /// A count: whole numbers only.
    pub is_whole: bool,
}

impl Param {
    /// A number of inputs from `min` to [`PERIOD_MAX`].
    pub const fn period(name: &'static str, default: u32, min: u32) -> Param {
        Param { name, default: default as f64, range: (min as f64, PERIOD_MAX as f64), is_whole: true }
    }

    /// One of a few numbered choices.
    pub const fn choice(name: &'static str, default: u32, max: u32) -> Param {
        Param { name, default: default as f64, range: (0.0, max as f64), is_whole: true }
    }

    /// A number.
    pub const fn number(name: &'static str, default: f64, range: (f64, f64)) -> Param {
        Param { name, default, range, is_whole: false }
    }
}

/// The parameters of one indicator, complete and found good.
#[derive(Clone, Copy, Debug)]
pub struct Params<'a>(&'a [f64]);

impl Params<'_> {
    /// A parameter that is whole and not negative.
    pub fn count(&self, at: usize) -> usize {
        self.0[at] as usize
    }

    /// A parameter.
    pub fn number(&self, at: usize) -> f64 {
        self.0[at]
    }
}

/// A function of the catalogue.
#[derive(Debug)]
pub struct Function {
    /// The name in expressions.
    pub name: &'static str,
    /// One sentence for people and agents.
    pub doc: &'static str,
    /// The series it takes: names of bar columns, which are its default, or `value`, whose default is `close`.
    pub inputs: &'static [&'static str],
    /// Its parameters, in order.
    pub params: &'static [Param],
    /// Names of its outputs; a single one is `value`. The first is meant where none is named.
    pub outputs: &'static [&'static str],
    /// Who defines it.
    pub source: &'static str,
    /// Makes its kernel.
    pub(crate) build: fn(Params<'_>) -> Box<dyn Erased>,
}

/// A single input that may be any series.
pub(crate) const VALUE: &[&str] = &["value"];

/// Why an indicator cannot be made, or restored.
#[derive(Clone, Debug, PartialEq, thiserror::Error)]
pub enum IndicatorError {
    /// No parameter of that place.
    #[error("{function} takes at most {max} parameters, not {given}")]
    TooMany {
        /// The function.
        function: &'static str,
        /// How many it has.
        max: usize,
        /// How many there were.
        given: usize,
    },
    /// Out of its range.
    #[error("{param} of {function} is {value}: it must be {} from {} to {}", if *.is_whole { "a whole number" } else { "a number" }, range.0, range.1)]
    Param {
        /// The function.
        function: &'static str,
        /// The parameter.
        param: &'static str,
        /// What it was.
        value: f64,
        /// What it may be.
        range: (f64, f64),
        /// Whether it is a count.
        is_whole: bool,
    },
    /// Parameters that are good alone and make no sense together.
    #[error("{0}")]
    Together(&'static str),
    /// The bytes are no state of this indicator.
    #[error("not a state of this indicator")]
    State,
}

/// One function with its parameters and what it has seen.
#[derive(Clone)]
pub struct Indicator {
    function: &'static Function,
    params: Vec<f64>,
    kernel: Box<dyn Erased>,
}

impl Indicator {
    /// An indicator that has seen nothing; parameters that are left out are the defaults.
    ///
    /// # Errors
    /// [`IndicatorError`] where a parameter is out of its range.
    pub fn new(function: &'static Function, params: &[f64]) -> Result<Indicator, IndicatorError> {
        if params.len() > function.params.len() {
            let (max, given) = (function.params.len(), params.len());
            return Err(IndicatorError::TooMany { function: function.name, max, given });
        }
        let mut all = Vec::with_capacity(function.params.len());
        for (at, param) in function.params.iter().enumerate() {
            let value = params.get(at).copied().unwrap_or(param.default);
            let (min, max) = param.range;
            if !(min..=max).contains(&value) || (param.is_whole && value.fract() != 0.0) {
                let Param { name, range, is_whole, .. } = *param;
                return Err(IndicatorError::Param { function: function.name, param: name, value, range, is_whole });
            }
            all.push(value);
        }
        let kernel = (function.build)(Params(&all));
        Ok(Indicator { function, params: all, kernel })
    }

    /// What it is.
    pub fn function(&self) -> &'static Function {
        self.function
    }

    /// Its parameters, all of them.
    pub fn params(&self) -> &[f64] {
        &self.params
    }

    /// Takes one value of each input and puts the outputs into `out`; false, with `out` as it was, where there are none:
    /// while warming up, and where an input is not finite or beyond [`INPUT_MAX`], which is skipped and counted.
    ///
    /// `input` and `out` must be as long as the function's inputs and outputs.
    #[inline]
    pub fn update(&mut self, input: &[f64], out: &mut [f64]) -> bool {
        self.kernel.update(input, out)
    }

    /// [`Indicator::update`] with one row of the inputs after the other, as many as the shortest of them has; not a number
    /// where there is no output.
    pub fn run(&mut self, inputs: &[&[f64]], outputs: &mut [&mut [f64]]) {
        self.kernel.run(inputs, outputs);
    }

    /// How many inputs bring no output before the first that does: TA-Lib's lookback.
    pub fn warmup(&self) -> usize {
        self.kernel.warmup()
    }

    /// Inputs that were skipped since it was made or reset.
    pub fn skipped(&self) -> u64 {
        self.kernel.skipped()
    }

    /// Forgets everything.
    pub fn reset(&mut self) {
        self.kernel = (self.function.build)(Params(&self.params));
    }

    /// What it has seen, for [`Indicator::restore`].
    pub fn state(&self) -> Vec<u8> {
        let mut bytes = vec![STATE_VERSION];
        bytes.extend_from_slice(&self.skipped().to_le_bytes());
        self.kernel.state(&mut bytes);
        bytes
    }

    /// Goes on from a state of an indicator of the same function and parameters, bit for bit.
    ///
    /// # Errors
    /// [`IndicatorError::State`], and nothing is changed.
    pub fn restore(&mut self, bytes: &[u8]) -> Result<(), IndicatorError> {
        let Some((&[STATE_VERSION], rest)) = bytes.split_first_chunk() else { return Err(IndicatorError::State) };
        let Some((skipped, rest)) = rest.split_first_chunk() else { return Err(IndicatorError::State) };
        self.kernel.restore(u64::from_le_bytes(*skipped), rest)
    }
}

impl fmt::Debug for Indicator {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Indicator").field("function", &self.function.name).field("params", &self.params).finish()
    }
}

/// All functions, by family.
pub fn catalogue() -> impl Iterator<Item = &'static Function> {
    [
        adaptive::FUNCTIONS,
        average::FUNCTIONS,
        band::FUNCTIONS,
        candle::ONE,
        candle::TWO,
        candle::THREE,
        candle::FOUR,
        cascade::FUNCTIONS,
        channel::FUNCTIONS,
        cycle::FUNCTIONS,
        directional::FUNCTIONS,
        displaced::FUNCTIONS,
        extremes::FUNCTIONS,
        macd::FUNCTIONS,
        momentum::FUNCTIONS,
        oscillator::FUNCTIONS,
        pace::FUNCTIONS,
        parabolic::FUNCTIONS,
        pivot::FUNCTIONS,
        price::FUNCTIONS,
        standing::FUNCTIONS,
        statistic::FUNCTIONS,
        stochastic::FUNCTIONS,
        stop::FUNCTIONS,
        swing::FUNCTIONS,
        trend::FUNCTIONS,
        variability::FUNCTIONS,
        variable::FUNCTIONS,
        volatility::FUNCTIONS,
        volatility_history::FUNCTIONS,
        volume::FUNCTIONS,
        volume_flow::FUNCTIONS,
        vwap::FUNCTIONS,
        weighted::FUNCTIONS,
    ]
    .into_iter()
    .flatten()
}

/// The function of that name.
pub fn find(name: &str) -> Option<&'static Function> {
    catalogue().find(|function| function.name == name)
}

#[cfg(test)]
#[path = "indicator_tests.rs"]
mod tests;

#[cfg(test)]
#[path = "indicator/golden_tests.rs"]
mod golden_tests;
