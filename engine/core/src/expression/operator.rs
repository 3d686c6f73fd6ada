//! Operators and functions without memory. NULL is not-a-number; a condition is 0 or 1.

use super::{ExprError, Kind};

/// Something that is worked out from the values of one moment.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Operator {
    /// `-x`
    Negate,
    /// `x + y`
    Add,
    /// `x - y`
    Subtract,
    /// `x * y`
    Multiply,
    /// `x / y`
    Divide,
    /// `x % y`, with the sign of `x`
    Remainder,
    /// `x = y`
    Equal,
    /// `x <> y`
    NotEqual,
    /// `x < y`
    Less,
    /// `x <= y`
    LessOrEqual,
    /// `x > y`
    Greater,
    /// `x >= y`
    GreaterOrEqual,
    /// `not a`
    Not,
    /// `a and b`
    And,
    /// `a or b`
    Or,
    /// `x is null`
    IsNull,
    /// `case when a then x else y end`
    If,
    /// The first that is not NULL.
    Coalesce,
    /// NULL where both are equal, else the first.
    NullIf,
    /// Distance from zero.
    Abs,
    /// -1, 0 or 1.
    Sign,
    /// Square root; of a negative number NULL.
    Sqrt,
    /// e to the power of x.
    Exp,
    /// Natural logarithm.
    Ln,
    /// Logarithm to base 10.
    Log10,
    /// `x` to the power of `y`.
    Power,
    /// The next whole number below.
    Floor,
    /// The next whole number above.
    Ceil,
    /// The nearest whole number; a half away from zero.
    Round,
    /// The smallest of those that are not NULL.
    Least,
    /// The greatest of those that are not NULL.
    Greatest,
}

/// Most arguments of an operator; longer lists are nested.
pub(super) const ARGUMENTS_MAX: usize = 3;

const NUMBER: &[Kind] = &[Kind::Number];
const NUMBERS: &[Kind] = &[Kind::Number, Kind::Number];
const CONDITIONS: &[Kind] = &[Kind::Condition, Kind::Condition];

impl Operator {
    /// All of them.
    pub const ALL: [Operator; 31] = [
        Operator::Negate,
        Operator::Add,
        Operator::Subtract,
        Operator::Multiply,
        Operator::Divide,
        Operator::Remainder,
        Operator::Equal,
        Operator::NotEqual,
        Operator::Less,
        Operator::LessOrEqual,
        Operator::Greater,
        Operator::GreaterOrEqual,
        Operator::Not,
        Operator::And,
        Operator::Or,
        Operator::IsNull,
        Operator::If,
        Operator::Coalesce,
        Operator::NullIf,
        Operator::Abs,
        Operator::Sign,
        Operator::Sqrt,
        Operator::Exp,
        Operator::Ln,
        Operator::Log10,
        Operator::Power,
        Operator::Floor,
        Operator::Ceil,
        Operator::Round,
        Operator::Least,
        Operator::Greatest,
    ];

    /// How it is written: a sign, or the name of a function.
    pub const fn name(self) -> &'static str {
        match self {
            Operator::Negate | Operator::Subtract => "-",
            Operator::Add => "+",
            Operator::Multiply => "*",
            Operator::Divide => "/",
            Operator::Remainder => "%",
            Operator::Equal => "=",
            Operator::NotEqual => "<>",
            Operator::Less => "<",
            Operator::LessOrEqual => "<=",
            Operator::Greater => ">",
            Operator::GreaterOrEqual => ">=",
            Operator::Not => "not",
            Operator::And => "and",
            Operator::Or => "or",
            Operator::IsNull => "is null",
            Operator::If => "case",
            Operator::Coalesce => "coalesce",
            Operator::NullIf => "nullif",
            Operator::Abs => "abs",
            Operator::Sign => "sign",
            Operator::Sqrt => "sqrt",
            Operator::Exp => "exp",
            Operator::Ln => "ln",
            Operator::Log10 => "log10",
            Operator::Power => "power",
            Operator::Floor => "floor",
            Operator::Ceil => "ceil",
            Operator::Round => "round",
            Operator::Least => "least",
            Operator::Greatest => "greatest",
        }
    }

    /// The function of that name.
    pub fn function(name: &str) -> Option<Operator> {
        let is_function = |operator: &Operator| (*operator as u8) >= Operator::Coalesce as u8;
        Operator::ALL.into_iter().filter(is_function).find(|operator| operator.name() == name)
    }

    /// What it makes of arguments of these kinds.
    pub(super) fn check(self, arguments: &[Kind]) -> Result<Kind, ExprError> {
        let (want, result): (&[Kind], Kind) = match self {
            Operator::Not => (&[Kind::Condition], Kind::Condition),
            Operator::And | Operator::Or => (CONDITIONS, Kind::Condition),
            Operator::Equal
            | Operator::NotEqual
            | Operator::Less
            | Operator::LessOrEqual
            | Operator::Greater
            | Operator::GreaterOrEqual => (NUMBERS, Kind::Condition),
            // Of either kind.
            Operator::IsNull => (&arguments[..arguments.len().min(1)], Kind::Condition),
            Operator::If => (&[Kind::Condition, Kind::Number, Kind::Number], Kind::Number),
            Operator::Add
            | Operator::Subtract
            | Operator::Multiply
            | Operator::Divide
            | Operator::Remainder
            | Operator::Power
            | Operator::Coalesce
            | Operator::NullIf
            | Operator::Least
            | Operator::Greatest => (NUMBERS, Kind::Number),
            _ => (NUMBER, Kind::Number),
        };
        if arguments.len() != want.len() || arguments.is_empty() {
            let want = match want.len() {
                0 | 1 => "one argument".to_owned(),
                count => format!("{count} arguments"),
            };
            return Err(ExprError::Count { of: self.name(), want, given: arguments.len() });
        }
        match arguments.iter().zip(want).position(|(given, want)| given != want) {
            Some(argument) => Err(ExprError::Kind { of: self.name(), argument, want: want[argument] }),
            None => Ok(result),
        }
    }

    /// Its value; what is no finite number is NULL.
    // In the one loop that calls it: a call would hand the arguments over in memory, and take as long as most operators.
    #[inline(always)]
    pub(super) fn value(self, [x, y, z]: [f64; ARGUMENTS_MAX]) -> f64 {
        let value = match self {
            Operator::Negate => -x,
            Operator::Add => x + y,
            Operator::Subtract => x - y,
            Operator::Multiply => x * y,
            Operator::Divide => x / y,
            Operator::Remainder => x % y,
            Operator::Equal => known(x, y, x == y),
            Operator::NotEqual => known(x, y, x != y),
            Operator::Less => known(x, y, x < y),
            Operator::LessOrEqual => known(x, y, x <= y),
            Operator::Greater => known(x, y, x > y),
            Operator::GreaterOrEqual => known(x, y, x >= y),
            Operator::Not => 1.0 - x,
            Operator::And if x == 0.0 || y == 0.0 => 0.0,
            Operator::Or if x == 1.0 || y == 1.0 => 1.0,
            Operator::And | Operator::Or => x + y - x,
            Operator::IsNull => f64::from(x.is_nan()),
            Operator::If => {
                if x == 1.0 {
                    y
                } else {
                    z
                }
            }
            Operator::Coalesce => {
                if x.is_nan() {
                    y
                } else {
                    x
                }
            }
            Operator::NullIf => {
                if x == y {
                    f64::NAN
                } else {
                    x
                }
            }
            Operator::Abs => x.abs(),
            Operator::Sign if x == 0.0 => 0.0,
            Operator::Sign => x.signum(),
            Operator::Sqrt => x.sqrt(),
            Operator::Exp => libm::exp(x),
            Operator::Ln => libm::log(x),
            Operator::Log10 => libm::log10(x),
            Operator::Power => libm::pow(x, y),
            Operator::Floor => x.floor(),
            Operator::Ceil => x.ceil(),
            Operator::Round => x.round(),
            // Of a number and not-a-number, the number.
            Operator::Least => x.min(y),
            Operator::Greatest => x.max(y),
        };
        if value.is_finite() { value } else { f64::NAN }
    }
}

/// A comparison, which is known where both sides are.
#[inline]
fn known(x: f64, y: f64, is_true: bool) -> f64 {
    if x.is_nan() || y.is_nan() { f64::NAN } else { f64::from(is_true) }
}
