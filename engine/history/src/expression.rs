//! The text of expressions: scalar SQL, read by DataFusion's own parser into the core's typed trees.
//!
//! `EXPRESSIONS.md` beside this crate's sources is the language; what is not in it is refused, with the place and,
//! where there is one, the name that was probably meant.

mod call;
mod operands;

pub use call::signature;

use datafusion::sql::sqlparser::ast::{
    AccessExpr, BinaryOperator, CaseWhen, CeilFloorKind, Expr as Sql, Ident, Spanned, UnaryOperator, Value,
};
use datafusion::sql::sqlparser::dialect::GenericDialect;
use datafusion::sql::sqlparser::parser::Parser;
use datafusion::sql::sqlparser::tokenizer::{Span, Token};
use std::fmt;
use tidegate_core::expression::{Column, Expr, ExprError, Kind, Operator};

/// Longest text, in bytes.
pub const TEXT_BYTES_MAX: usize = 4_096;
/// Most instruments that expressions read together may name.
pub const INSTRUMENTS_MAX: usize = 64;
/// How deep the parser goes: beyond it the tree itself refuses.
const PARSER_DEPTH_MAX: usize = 100;
/// Longest chain of operators without parentheses that is followed down.
const CHAIN_MAX: usize = 200;

/// Why a text is no expression.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TextError {
    /// What is wrong, and what to write instead.
    pub message: String,
    /// Where, in characters from 1.
    pub column: usize,
    /// The name that was probably meant.
    pub nearest: Option<String>,
}

impl fmt::Display for TextError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "at character {}: {}", self.column, self.message)?;
        match &self.nearest {
            Some(nearest) => write!(f, "; did you mean {nearest}?"),
            None => Ok(()),
        }
    }
}

impl std::error::Error for TextError {}

/// Reads expressions, and gives out numbers to the instruments that they name.
#[derive(Debug, Default)]
pub struct Reader {
    instruments: Vec<String>,
}

impl Reader {
    /// The instruments named so far, by their numbers.
    pub fn instruments(&self) -> &[String] {
        &self.instruments
    }

    /// Reads one expression.
    ///
    /// # Errors
    /// [`TextError`] where the text is no expression, or says more than one.
    pub fn read(&mut self, text: &str) -> Result<Expr, TextError> {
        if text.len() > TEXT_BYTES_MAX {
            let message = format!("an expression has at most {TEXT_BYTES_MAX} bytes; this one has {}", text.len());
            return Err(TextError { message, column: 1, nearest: None });
        }
        let mut place = Place { text };
        let sql = parse(text).map_err(|message| place.of_parser(&message))?;
        Reading { instruments: &mut self.instruments, place: &mut place, depth: 0 }.expr(&sql)
    }
}

/// The texts of the numbers that a condition compares: `rsi(close, 14) < 30` compares `rsi(close, 14)`. None where the
/// text is no expression.
pub fn compared(condition: &str) -> Vec<String> {
    parse(condition).map(|sql| operands::operands(&sql)).unwrap_or_default()
}

fn parse(text: &str) -> Result<Sql, String> {
    let parser = Parser::new(&GenericDialect).with_recursion_limit(PARSER_DEPTH_MAX).try_with_sql(text);
    let mut parser = parser.map_err(|error| error.to_string())?;
    let sql = parser.parse_expr().map_err(|error| error.to_string())?;
    parser.expect_token(&Token::EOF).map_err(|error| error.to_string())?;
    Ok(sql)
}

/// Finds characters of a text.
struct Place<'a> {
    text: &'a str,
}

impl Place<'_> {
    /// The parser counts lines as well.
    fn column(&self, line: u64, column: u64) -> usize {
        let line = usize::try_from(line.saturating_sub(1)).unwrap_or(0);
        let before: usize = self.text.split_inclusive('\n').take(line).map(|line| line.chars().count()).sum();
        before + usize::try_from(column).unwrap_or(1).max(1)
    }

    fn error(&self, span: Span, message: impl Into<String>) -> TextError {
        TextError { message: message.into(), column: self.column(span.start.line, span.start.column), nearest: None }
    }

    /// What the parser says, with the place that it puts at the end.
    fn of_parser(&self, message: &str) -> TextError {
        let message = message.trim_start_matches("sql parser error: ");
        let Some((message, place)) = message.rsplit_once(" at Line: ") else {
            let is_deep = message.contains("recursion");
            let message = if is_deep { ExprError::Deep.to_string() } else { message.to_owned() };
            // Without a place it is the end that was not expected.
            let column = if is_deep { 1 } else { self.text.chars().count() + 1 };
            return TextError { message, column, nearest: None };
        };
        let (line, column) = place.split_once(", Column: ").unwrap_or(("1", "1"));
        let number = |text: &str| text.parse().unwrap_or(1);
        TextError { message: message.to_owned(), column: self.column(number(line), number(column)), nearest: None }
    }
}

/// One text while it is read.
struct Reading<'a, 'b> {
    instruments: &'a mut Vec<String>,
    place: &'a mut Place<'b>,
    depth: usize,
}

impl Reading<'_, '_> {
    fn expr(&mut self, sql: &Sql) -> Result<Expr, TextError> {
        self.depth += 1;
        if self.depth > CHAIN_MAX {
            return Err(self.place.error(sql.span(), ExprError::Deep.to_string()));
        }
        let read = self.node(sql);
        self.depth -= 1;
        read
    }

    fn node(&mut self, sql: &Sql) -> Result<Expr, TextError> {
        match sql {
            Sql::Nested(inner) => self.expr(inner),
            Sql::Value(value) => self.literal(&value.value, value.span),
            Sql::Identifier(name) => self.name(std::slice::from_ref(name)),
            Sql::CompoundIdentifier(names) => self.name(names),
            Sql::UnaryOp { op, expr } => self.unary(*op, expr, sql),
            Sql::BinaryOp { left, op, right } => {
                let operator = self.binary(op, sql)?;
                self.apply(operator, &[left, right], sql)
            }
            Sql::IsNull(inner) => self.apply(Operator::IsNull, &[inner], sql),
            Sql::IsNotNull(inner) => {
                let is_null = self.apply(Operator::IsNull, &[inner], sql)?;
                self.join(Operator::Not, vec![is_null], sql)
            }
            Sql::IsTrue(inner) => self.is_known(inner, true, sql),
            Sql::IsFalse(inner) => self.is_known(inner, false, sql),
            Sql::Between { expr, negated, low, high } => {
                let above = self.apply(Operator::GreaterOrEqual, &[expr, low], sql)?;
                let below = self.apply(Operator::LessOrEqual, &[expr, high], sql)?;
                let between = self.join(Operator::And, vec![above, below], sql)?;
                if *negated { self.join(Operator::Not, vec![between], sql) } else { Ok(between) }
            }
            Sql::Case { operand: None, conditions, else_result, .. } => {
                self.case(conditions, else_result.as_deref(), sql)
            }
            Sql::Floor { expr, field } => self.rounded(Operator::Floor, expr, field, sql),
            Sql::Ceil { expr, field } => self.rounded(Operator::Ceil, expr, field, sql),
            Sql::Function(function) => self.function(function, None, sql),
            Sql::CompoundFieldAccess { root, access_chain } => match (root.as_ref(), access_chain.as_slice()) {
                (Sql::Function(function), [AccessExpr::Dot(Sql::Identifier(output))]) => {
                    self.function(function, Some(output), sql)
                }
                _ => Err(self.refuse(sql)),
            },
            _ => Err(self.refuse(sql)),
        }
    }

    /// What SQL has and expressions have not.
    fn refuse(&self, sql: &Sql) -> TextError {
        let what = match sql {
            Sql::Cast { .. } | Sql::Convert { .. } | Sql::TypedString(_) => "casts",
            Sql::Subquery(_) | Sql::Exists { .. } | Sql::InSubquery { .. } => "sub-queries",
            Sql::InList { .. } | Sql::InUnnest { .. } => "lists: write x = 1 or x = 2",
            Sql::Case { .. } => "case with an operand: write case when x = 1 then …",
            Sql::Like { .. } | Sql::ILike { .. } | Sql::SimilarTo { .. } | Sql::RLike { .. } => "texts to compare with",
            Sql::Interval(_) => "intervals but as the last argument of a function: ema(close, 20, '15m')",
            _ => "this part of SQL",
        };
        self.place.error(sql.span(), format!("expressions have no {what}"))
    }

    fn literal(&self, value: &Value, span: Span) -> Result<Expr, TextError> {
        match value {
            Value::Number(text, false) => match text.parse::<f64>() {
                Ok(number) if number.is_finite() => Ok(Expr::number(number)),
                _ => Err(self.place.error(span, format!("{text} is no number that can be held"))),
            },
            Value::Boolean(truth) => Ok(Expr::truth(Some(*truth))),
            Value::Null => Ok(Expr::number(f64::NAN)),
            Value::SingleQuotedString(_) => Err(self.place.error(
                span,
                "a text stands for an interval, as the last argument of a function: ema(close, 20, '15m'); an \
                 instrument is written \"NSE:NIFTY\".close",
            )),
            _ => Err(self.place.error(span, "expressions have numbers, true, false and null")),
        }
    }

    /// `close`, `live.close`, `"NSE:NIFTY".close` or `"NSE:NIFTY".live.close`.
    fn name(&mut self, names: &[Ident]) -> Result<Expr, TextError> {
        let (instrument, rest) = match names {
            [instrument, rest @ ..] if instrument.quote_style.is_some() && !rest.is_empty() => {
                (Some(self.instrument(instrument)?), rest)
            }
            _ => (None, names),
        };
        let (is_live, column) = match rest {
            [column] => (false, column),
            [live, column] if is_word(live, "live") => (true, column),
            _ => {
                let span = names.first().map_or(Span::empty(), |name| name.span);
                return Err(self.place.error(span, "a value is written close, live.close or \"NSE:NIFTY\".close"));
            }
        };
        let Some(found) = Column::parse(&column.value.to_lowercase()).filter(|_| column.quote_style.is_none()) else {
            return Err(self.unknown_column(column));
        };
        Ok(if is_live { Expr::live(instrument, found) } else { Expr::column(instrument, found) })
    }

    fn unknown_column(&self, name: &Ident) -> TextError {
        let columns = Column::ALL.map(Column::name);
        let shown = call::shown(&name.value);
        if name.quote_style.is_some() {
            let message = format!("an instrument needs a column: \"{shown}\".close");
            return self.place.error(name.span, message);
        }
        let lower = name.value.to_lowercase();
        if call::is_function(&lower) {
            return self.place.error(name.span, format!("{lower} is a function: write {lower}(…)"));
        }
        let nearest = call::nearest(&lower, &columns);
        let message = format!("there is no column {shown}; columns are {}", columns.join(", "));
        TextError { nearest, ..self.place.error(name.span, message) }
    }

    fn instrument(&mut self, name: &Ident) -> Result<u16, TextError> {
        let at = self.instruments.iter().position(|known| *known == name.value).unwrap_or(self.instruments.len());
        if at == INSTRUMENTS_MAX {
            let message = format!("expressions that are asked for together name at most {INSTRUMENTS_MAX} instruments");
            return Err(self.place.error(name.span, message));
        }
        if at == self.instruments.len() {
            self.instruments.push(name.value.clone());
        }
        // At most 64.
        Ok(u16::try_from(at).unwrap_or(u16::MAX))
    }

    fn unary(&mut self, operator: UnaryOperator, inner: &Sql, sql: &Sql) -> Result<Expr, TextError> {
        match operator {
            UnaryOperator::Plus => self.expr(inner),
            UnaryOperator::Not => self.apply(Operator::Not, &[inner], sql),
            UnaryOperator::Minus => {
                let inner = self.expr(inner)?;
                match inner.as_number() {
                    Some(number) => Ok(Expr::number(-number)),
                    None => self.join(Operator::Negate, vec![inner], sql),
                }
            }
            _ => Err(self.place.error(sql.span(), format!("expressions have no operator {operator}"))),
        }
    }

    fn binary(&self, operator: &BinaryOperator, sql: &Sql) -> Result<Operator, TextError> {
        Ok(match operator {
            BinaryOperator::Plus => Operator::Add,
            BinaryOperator::Minus => Operator::Subtract,
            BinaryOperator::Multiply => Operator::Multiply,
            BinaryOperator::Divide => Operator::Divide,
            BinaryOperator::Modulo => Operator::Remainder,
            BinaryOperator::Eq => Operator::Equal,
            BinaryOperator::NotEq => Operator::NotEqual,
            BinaryOperator::Lt => Operator::Less,
            BinaryOperator::LtEq => Operator::LessOrEqual,
            BinaryOperator::Gt => Operator::Greater,
            BinaryOperator::GtEq => Operator::GreaterOrEqual,
            BinaryOperator::And => Operator::And,
            BinaryOperator::Or => Operator::Or,
            other => return Err(self.place.error(sql.span(), format!("expressions have no operator {other}"))),
        })
    }

    fn rounded(
        &mut self,
        operator: Operator,
        inner: &Sql,
        field: &CeilFloorKind,
        sql: &Sql,
    ) -> Result<Expr, TextError> {
        let is_plain = matches!(field, CeilFloorKind::DateTimeField(field) if field.to_string().is_empty());
        if is_plain { self.apply(operator, &[inner], sql) } else { Err(self.refuse(sql)) }
    }

    fn is_known(&mut self, inner: &Sql, truth: bool, sql: &Sql) -> Result<Expr, TextError> {
        let inner = self.expr(inner)?;
        let unknown = self.join(Operator::IsNull, vec![inner.clone()], sql)?;
        let known = self.join(Operator::Not, vec![unknown], sql)?;
        let holds = if truth { inner } else { self.join(Operator::Not, vec![inner], sql)? };
        self.join(Operator::And, vec![known, holds], sql)
    }

    fn case(&mut self, whens: &[CaseWhen], otherwise: Option<&Sql>, sql: &Sql) -> Result<Expr, TextError> {
        let mut all = match otherwise {
            Some(otherwise) => self.expr(otherwise)?,
            None => Expr::number(f64::NAN),
        };
        for CaseWhen { condition, result } in whens.iter().rev() {
            let (condition, result) = (self.expr(condition)?, self.expr(result)?);
            all = self.join(Operator::If, vec![condition, result, all], sql)?;
        }
        Ok(all)
    }

    fn apply(&mut self, operator: Operator, inner: &[&Sql], sql: &Sql) -> Result<Expr, TextError> {
        let mut arguments = Vec::with_capacity(inner.len());
        for inner in inner {
            arguments.push(self.expr(inner)?);
        }
        Expr::apply(operator, arguments).map_err(|error| self.at_argument(&error, inner, sql))
    }

    fn join(&self, operator: Operator, arguments: Vec<Expr>, sql: &Sql) -> Result<Expr, TextError> {
        Expr::apply(operator, arguments).map_err(|error| self.place.error(sql.span(), error.to_string()))
    }

    /// An error at the argument that it is about.
    fn at_argument(&self, error: &ExprError, inner: &[&Sql], sql: &Sql) -> TextError {
        let at = match error {
            ExprError::Kind { argument, .. } => inner.get(*argument).copied().unwrap_or(sql),
            _ => sql,
        };
        let hint = match error {
            ExprError::Kind { want: Kind::Condition, .. } => ", for example close > 100",
            _ => "",
        };
        self.place.error(at.span(), format!("{error}{hint}"))
    }
}

fn is_word(name: &Ident, word: &str) -> bool {
    name.quote_style.is_none() && name.value.eq_ignore_ascii_case(word)
}

#[cfg(test)]
#[path = "expression_tests.rs"]
mod tests;
