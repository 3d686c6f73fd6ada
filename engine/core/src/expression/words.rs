//! Expressions written down: a list of words, each after those it is made of.
//!
//! The numbering is frozen: words, operators and columns are appended, never renumbered. Functions and intervals go by
//! name.

use super::{Column, Expr, ExprError, Kind, Node, Operator};
use crate::bar::INTERVALS;
use crate::indicator;
use serde::{Deserialize, Serialize};

/// One word: what it is made of stands before it.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub(crate) enum Word {
    Number(f64),
    Truth(Option<bool>),
    Column(Option<u16>, u8),
    Live(Option<u16>, u8),
    /// Its position in [`Operator::ALL`], and how many arguments it has.
    Operator(u8, u8),
    Lag(u32),
    Since,
    CountTrue(u32),
    /// Name, parameters, how many inputs, and which output.
    Call(String, Vec<f64>, u8, u8),
    At(String),
}

/// Why words are no expression.
#[derive(Clone, Debug, PartialEq, thiserror::Error)]
pub enum WordsError {
    /// Something does not fit together.
    #[error(transparent)]
    Expr(#[from] ExprError),
    /// A word that has no meaning, or lacks what it is made of.
    #[error("no such expression")]
    Meaningless,
}

/// Appends the words of `expr`.
pub(crate) fn write(expr: &Expr, words: &mut Vec<Word>) {
    let word = match expr.node() {
        Node::Constant(value) if expr.kind() == Kind::Condition => {
            Word::Truth(Some(*value).filter(|value| !value.is_nan()).map(|value| value == 1.0))
        }
        Node::Constant(value) => Word::Number(*value),
        Node::Column(instrument, column) => Word::Column(*instrument, *column as u8),
        Node::Live(instrument, column) => Word::Live(*instrument, *column as u8),
        Node::Operator(operator, arguments) => {
            arguments.iter().for_each(|argument| write(argument, words));
            Word::Operator(*operator as u8, arguments.len() as u8)
        }
        Node::Lag(bars, inner) => {
            write(inner, words);
            Word::Lag(*bars)
        }
        Node::Since(inner) => {
            write(inner, words);
            Word::Since
        }
        Node::CountTrue(bars, inner) => {
            write(inner, words);
            Word::CountTrue(*bars)
        }
        Node::Call(indicator, inputs, output) => {
            inputs.iter().for_each(|input| write(input, words));
            let name = indicator.function().name.to_owned();
            Word::Call(name, indicator.params().to_vec(), inputs.len() as u8, *output as u8)
        }
        Node::At(interval, inner) => {
            write(inner, words);
            Word::At(interval.name.to_owned())
        }
    };
    words.push(word);
}

/// The expression that words make up; it is checked as any other.
pub(crate) fn read(words: &[Word]) -> Result<Expr, WordsError> {
    let mut parts: Vec<Expr> = Vec::new();
    for word in words {
        let expr = match word {
            Word::Number(value) => Expr::number(*value),
            Word::Truth(value) => Expr::truth(*value),
            Word::Column(instrument, column) => Expr::column(*instrument, column_of(*column)?),
            Word::Live(instrument, column) => Expr::live(*instrument, column_of(*column)?),
            Word::Operator(operator, count) => {
                let operator = *Operator::ALL.get(usize::from(*operator)).ok_or(WordsError::Meaningless)?;
                Expr::apply(operator, take(&mut parts, *count)?)?
            }
            Word::Lag(bars) => last(&mut parts)?.lag(f64::from(*bars))?,
            Word::Since => last(&mut parts)?.since()?,
            Word::CountTrue(bars) => last(&mut parts)?.count_true(f64::from(*bars))?,
            Word::Call(name, params, inputs, output) => {
                let function = indicator::find(name).ok_or(WordsError::Meaningless)?;
                Expr::call(function, params, take(&mut parts, *inputs)?, usize::from(*output))?
            }
            Word::At(name) => {
                let interval = INTERVALS.iter().find(|interval| interval.name == name);
                last(&mut parts)?.at(*interval.ok_or(WordsError::Meaningless)?)?
            }
        };
        parts.push(expr);
    }
    let expr = last(&mut parts)?;
    if parts.is_empty() { Ok(expr) } else { Err(WordsError::Meaningless) }
}

fn column_of(code: u8) -> Result<Column, WordsError> {
    Column::ALL.get(usize::from(code)).copied().ok_or(WordsError::Meaningless)
}

fn last(parts: &mut Vec<Expr>) -> Result<Expr, WordsError> {
    parts.pop().ok_or(WordsError::Meaningless)
}

fn take(parts: &mut Vec<Expr>, count: u8) -> Result<Vec<Expr>, WordsError> {
    let at = parts.len().checked_sub(usize::from(count)).ok_or(WordsError::Meaningless)?;
    Ok(parts.split_off(at))
}
