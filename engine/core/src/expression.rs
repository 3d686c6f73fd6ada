//! Expressions: typed trees over the closed bars of an instrument, such as `ema(close, 12) > ema(close, 26)`.
//!
//! [`Expr`] is the tree, well typed by construction and bounded in size; [`Program`] is what trees are compiled to, with
//! everything that they have in common once; [`Evaluator`] runs it one bar at a time. The text of expressions is read in
//! `tidegate-history`, which knows SQL.
//!
//! Values are numbers or conditions, and either may be unknown (NULL): before the warm-up is over, where a bar is missing,
//! or where a result is no finite number. Conditions have three values, as in SQL. No expression can name the future: a
//! series is that of the bars closed so far, and only [`Expr::live`] is the bar that is still open.

mod evaluator;
mod operator;
mod program;
pub(crate) mod words;

pub use evaluator::{Evaluator, STEPS_UNASKED, State, StateError};
pub use operator::Operator;
pub use program::{Program, Series};
pub use words::WordsError;

use crate::bar::{Bar, Interval};
use crate::indicator::{Function, Indicator, IndicatorError};
use crate::price::{Price, Qty};
use std::fmt;

/// Deepest nesting.
pub const DEPTH_MAX: u32 = 64;
/// Most nodes of a tree, each occurrence counted.
pub const NODES_MAX: u32 = 2_000;
/// Furthest that `lag` and `count_true` look back, in bars.
pub const LAG_MAX: u32 = 10_000;

/// Most bars that a tree remembers: the sum of its periods.
pub const REMEMBERED_MAX: u32 = 200_000;

/// What a value is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Kind {
    /// A number.
    Number,
    /// True, false or unknown.
    Condition,
}

impl fmt::Display for Kind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Kind::Number => "a number",
            Kind::Condition => "a condition",
        })
    }
}

/// A number of a bar.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Column {
    /// First price.
    Open,
    /// Highest price.
    High,
    /// Lowest price.
    Low,
    /// Last price.
    Close,
    /// Sum of quantities.
    Volume,
    /// Number of trades.
    Trades,
    /// Start of the bar, in seconds since the Unix epoch.
    Time,
}

/// The numbers of a bar, in the order of [`Column::ALL`].
pub type Row = [f64; Column::ALL.len()];

impl Column {
    /// All columns.
    pub const ALL: [Column; 7] =
        [Column::Open, Column::High, Column::Low, Column::Close, Column::Volume, Column::Trades, Column::Time];

    /// The name in expressions.
    pub const fn name(self) -> &'static str {
        match self {
            Column::Open => "open",
            Column::High => "high",
            Column::Low => "low",
            Column::Close => "close",
            Column::Volume => "volume",
            Column::Trades => "trades",
            Column::Time => "time",
        }
    }

    /// The column of that name.
    pub fn parse(name: &str) -> Option<Column> {
        Column::ALL.into_iter().find(|column| column.name() == name)
    }
}

/// A price as a statistic: the nearest number to `raw`, divided by 10⁹.
pub fn real(price: Price) -> f64 {
    price.raw() as f64 / 10f64.powi(i32::from(Price::SCALE))
}

/// The numbers of a bar.
pub fn row(bar: &Bar) -> Row {
    let volume = bar.volume as f64 / 10f64.powi(i32::from(Qty::SCALE));
    let time = bar.start.raw().div_euclid(1_000_000_000) as f64;
    [real(bar.open), real(bar.high), real(bar.low), real(bar.close), volume, bar.trades as f64, time]
}

/// Why there is no such expression.
#[derive(Clone, Debug, PartialEq, thiserror::Error)]
pub enum ExprError {
    /// An argument of the wrong kind.
    #[error("{of} wants {want} here, and this is {}", other(*.want))]
    Kind {
        /// What it is an argument of.
        of: &'static str,
        /// Which argument, from 0.
        argument: usize,
        /// What it should be.
        want: Kind,
    },
    /// Too few or too many arguments.
    #[error("{of} takes {want}, not {given}")]
    Count {
        /// What they are arguments of.
        of: &'static str,
        /// How many it takes, in words.
        want: String,
        /// How many there were.
        given: usize,
    },
    /// A parameter of an indicator.
    #[error(transparent)]
    Indicator(#[from] IndicatorError),
    /// A number of bars.
    #[error("{of} looks back {given} bars: it must be a whole number from {min} to {LAG_MAX}")]
    Lag {
        /// The function.
        of: &'static str,
        /// What was asked for.
        given: f64,
        /// The least.
        min: u32,
    },
    /// The open bar inside of something that remembers.
    #[error("{0} is made of closed bars, and live values change until theirs closes")]
    Live(&'static str),
    /// Too deep.
    #[error("nested more than {DEPTH_MAX} deep")]
    Deep,
    /// Too large.
    #[error("more than {NODES_MAX} parts")]
    Large,
    /// Too much to remember.
    #[error("it remembers more than {REMEMBERED_MAX} bars: shorten its periods")]
    Remembered,
}

const fn other(want: Kind) -> Kind {
    match want {
        Kind::Number => Kind::Condition,
        Kind::Condition => Kind::Number,
    }
}

/// A well-typed expression.
#[derive(Clone, Debug)]
pub struct Expr {
    node: Node,
    kind: Kind,
    size: Size,
}

/// What an expression adds to the one that it is a part of.
#[derive(Clone, Copy, Debug)]
struct Size {
    depth: u32,
    nodes: u32,
    /// Bars that are remembered.
    remembered: u32,
    /// It depends on a bar that is still open.
    is_live: bool,
}

impl Size {
    const LEAF: Size = Size { depth: 1, nodes: 1, remembered: 0, is_live: false };

    /// Around parts, itself remembering so many bars.
    fn around(inner: &[Expr], remembered: usize) -> Result<Size, ExprError> {
        let depth = 1 + inner.iter().map(|expr| expr.size.depth).max().unwrap_or(0);
        let nodes = 1 + inner.iter().map(|expr| expr.size.nodes).sum::<u32>();
        if depth > DEPTH_MAX {
            return Err(ExprError::Deep);
        }
        if nodes > NODES_MAX {
            return Err(ExprError::Large);
        }
        let inner_bars = inner.iter().map(|expr| expr.size.remembered).sum::<u32>();
        let remembered = u32::try_from(remembered).unwrap_or(u32::MAX).saturating_add(inner_bars);
        if remembered > REMEMBERED_MAX {
            return Err(ExprError::Remembered);
        }
        Ok(Size { depth, nodes, remembered, is_live: inner.iter().any(Expr::is_live) })
    }
}

/// What an expression is at its top. Instruments are numbers that whoever reads the text gave out; `None` is the one that
/// the expression is evaluated for.
#[derive(Clone, Debug)]
pub(crate) enum Node {
    /// Not a number where it is NULL; a condition is 0 or 1.
    Constant(f64),
    Column(Option<u16>, Column),
    Live(Option<u16>, Column),
    Operator(Operator, Vec<Expr>),
    Lag(u32, Box<Expr>),
    Since(Box<Expr>),
    CountTrue(u32, Box<Expr>),
    /// An indicator that has seen nothing, what it is fed, and which of its outputs is meant.
    Call(Box<Indicator>, Vec<Expr>, usize),
    At(Interval, Box<Expr>),
}

impl Expr {
    /// A number; one that is not finite is NULL.
    pub fn number(value: f64) -> Expr {
        Expr::leaf(Node::Constant(if value.is_finite() { value } else { f64::NAN }), Kind::Number)
    }

    /// A condition that is known; `None` is NULL.
    pub fn truth(value: Option<bool>) -> Expr {
        Expr::leaf(Node::Constant(value.map_or(f64::NAN, f64::from)), Kind::Condition)
    }

    /// A column of the closed bars of an instrument.
    pub fn column(instrument: Option<u16>, column: Column) -> Expr {
        Expr::leaf(Node::Column(instrument, column), Kind::Number)
    }

    /// A column of the bar that is still open.
    pub fn live(instrument: Option<u16>, column: Column) -> Expr {
        let size = Size { is_live: true, ..Size::LEAF };
        Expr { node: Node::Live(instrument, column), kind: Kind::Number, size }
    }

    /// An operator or a function without memory.
    ///
    /// # Errors
    /// Where the arguments are not those that it takes.
    pub fn apply(operator: Operator, arguments: Vec<Expr>) -> Result<Expr, ExprError> {
        let kinds: Vec<Kind> = arguments.iter().map(|argument| argument.kind).collect();
        let kind = operator.check(&kinds)?;
        let size = Size::around(&arguments, 0)?;
        Ok(Expr { node: Node::Operator(operator, arguments), kind, size })
    }

    /// The value `bars` closed bars ago.
    ///
    /// # Errors
    /// Where that is no whole number from 0 on, or the value is live.
    pub fn lag(self, bars: f64) -> Result<Expr, ExprError> {
        let bars = count("lag", bars, 0)?;
        let kind = self.kind;
        self.remember("lag", kind, bars, |expr| Node::Lag(bars, expr))
    }

    /// How many bars ago the condition was last true, 0 where it is; NULL where it never was.
    ///
    /// # Errors
    /// Where it is no condition.
    pub fn since(self) -> Result<Expr, ExprError> {
        self.expect("since", 0, Kind::Condition)?.remember("since", Kind::Number, 1, Node::Since)
    }

    /// At how many of the last `bars` bars the condition was true.
    ///
    /// # Errors
    /// Where it is no condition, or `bars` no whole number from 1 on.
    pub fn count_true(self, bars: f64) -> Result<Expr, ExprError> {
        let bars = count("count_true", bars, 1)?;
        let condition = self.expect("count_true", 0, Kind::Condition)?;
        condition.remember("count_true", Kind::Number, bars, |expr| Node::CountTrue(bars, expr))
    }

    /// True where this is above `other` and was not at the bar before.
    ///
    /// # Errors
    /// Where either is no number or live.
    pub fn crosses_above(self, other: Expr) -> Result<Expr, ExprError> {
        self.crosses("crosses_above", other, Operator::Greater, Operator::LessOrEqual)
    }

    /// True where this is below `other` and was not at the bar before.
    ///
    /// # Errors
    /// Where either is no number or live.
    pub fn crosses_below(self, other: Expr) -> Result<Expr, ExprError> {
        self.crosses("crosses_below", other, Operator::Less, Operator::GreaterOrEqual)
    }

    /// An output of an indicator, fed with closed bars.
    ///
    /// # Errors
    /// Where a parameter is out of range, or inputs are not the numbers that it takes.
    pub fn call(
        function: &'static Function,
        params: &[f64],
        inputs: Vec<Expr>,
        output: usize,
    ) -> Result<Expr, ExprError> {
        let indicator = Box::new(Indicator::new(function, params)?);
        if inputs.len() != function.inputs.len() {
            let want = format!("the series {}", function.inputs.join(", "));
            return Err(ExprError::Count { of: function.name, want, given: inputs.len() });
        }
        for (argument, input) in inputs.iter().enumerate() {
            if input.is_live() {
                return Err(ExprError::Live(function.name));
            }
            if input.kind != Kind::Number {
                return Err(ExprError::Kind { of: function.name, argument, want: Kind::Number });
            }
        }
        let output = output.min(function.outputs.len() - 1);
        let size = Size::around(&inputs, indicator.warmup())?;
        Ok(Expr { node: Node::Call(indicator, inputs, output), kind: Kind::Number, size })
    }

    /// The expression over bars of another length; where bars of two lengths meet, the longer one is the latest that has
    /// closed.
    ///
    /// # Errors
    /// Where it is too deep.
    pub fn at(self, interval: Interval) -> Result<Expr, ExprError> {
        let (kind, size) = (self.kind, Size::around(std::slice::from_ref(&self), 0)?);
        Ok(Expr { node: Node::At(interval, Box::new(self)), kind, size })
    }

    /// What its value is.
    pub fn kind(&self) -> Kind {
        self.kind
    }

    /// True where it depends on a bar that is still open.
    pub fn is_live(&self) -> bool {
        self.size.is_live
    }

    /// How many bars it remembers: the sum of its periods.
    pub fn remembered(&self) -> usize {
        self.size.remembered as usize
    }

    /// The number it is, where it is written as one.
    pub fn as_number(&self) -> Option<f64> {
        match self.node {
            Node::Constant(value) if self.kind == Kind::Number && value.is_finite() => Some(value),
            _ => None,
        }
    }

    pub(crate) fn node(&self) -> &Node {
        &self.node
    }

    fn leaf(node: Node, kind: Kind) -> Expr {
        Expr { node, kind, size: Size::LEAF }
    }

    fn expect(self, of: &'static str, argument: usize, want: Kind) -> Result<Expr, ExprError> {
        if self.kind == want { Ok(self) } else { Err(ExprError::Kind { of, argument, want }) }
    }

    fn remember(
        self,
        of: &'static str,
        kind: Kind,
        bars: u32,
        node: impl FnOnce(Box<Expr>) -> Node,
    ) -> Result<Expr, ExprError> {
        if self.is_live() {
            return Err(ExprError::Live(of));
        }
        let size = Size::around(std::slice::from_ref(&self), bars as usize)?;
        Ok(Expr { node: node(Box::new(self)), kind, size })
    }

    fn crosses(self, of: &'static str, other: Expr, now: Operator, before: Operator) -> Result<Expr, ExprError> {
        let one = self.expect(of, 0, Kind::Number)?;
        let other = other.expect(of, 1, Kind::Number)?;
        if one.is_live() || other.is_live() {
            return Err(ExprError::Live(of));
        }
        let earlier = Expr::apply(before, vec![one.clone().lag(1.0)?, other.clone().lag(1.0)?])?;
        Expr::apply(Operator::And, vec![Expr::apply(now, vec![one, other])?, earlier])
    }
}

fn count(of: &'static str, given: f64, min: u32) -> Result<u32, ExprError> {
    if given.fract() == 0.0 && (f64::from(min)..=f64::from(LAG_MAX)).contains(&given) {
        Ok(given as u32)
    } else {
        Err(ExprError::Lag { of, given, min })
    }
}

#[cfg(test)]
#[path = "expression_tests.rs"]
mod tests;
