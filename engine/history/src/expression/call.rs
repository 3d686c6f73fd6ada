//! Functions in the text of expressions.

use super::{Reading, TextError};
use datafusion::sql::sqlparser::ast::{
    Expr as Sql, Function as Call, FunctionArg, FunctionArgExpr, FunctionArguments, Ident, ObjectNamePart, Spanned,
    Value,
};
use tidegate_core::expression::{Column, Expr, ExprError, Operator};
use tidegate_core::indicator::{self, Function};
use tidegate_core::{INTERVALS, Interval};

/// Functions that are neither indicators nor without memory.
const OTHERS: [&str; 5] = ["lag", "since", "count_true", "crosses_above", "crosses_below"];

const SHOWN_CHARS_MAX: usize = 40;

/// True for the name of a function.
pub(super) fn is_function(name: &str) -> bool {
    OTHERS.contains(&name) || Operator::function(name).is_some() || indicator::find(name).is_some()
}

/// The name that was most likely meant.
pub(super) fn nearest<'a>(name: &str, known: &[&'a str]) -> Option<String> {
    let distance = |other: &&'a str| (strsim::damerau_levenshtein(name, other), *other);
    let (distance, nearest) = known.iter().map(distance).min()?;
    (distance * 2 <= nearest.len()).then(|| nearest.to_owned())
}

/// A word of the caller's in a message: short.
pub(super) fn shown(text: &str) -> String {
    text.chars().take(SHOWN_CHARS_MAX).filter(|letter| !letter.is_control()).collect()
}

impl Reading<'_, '_> {
    pub(super) fn function(&mut self, call: &Call, output: Option<&Ident>, sql: &Sql) -> Result<Expr, TextError> {
        let [ObjectNamePart::Identifier(ident)] = call.name.0.as_slice() else { return Err(self.refuse(sql)) };
        let name = ident.value.to_lowercase();
        let arguments = self.arguments(call, ident)?;
        let (arguments, interval) = self.take_interval(arguments)?;
        let expr = if let Some(function) = indicator::find(&name) {
            self.indicator(function, &arguments, output, ident)?
        } else if let Some(output) = output {
            return Err(self.place.error(output.span, format!("{} has one value, without a name", shown(&name))));
        } else if let Some(column) = Column::parse(&name) {
            if interval.is_none() || !arguments.is_empty() {
                let message = format!("write {name}, or {name}('15m') for bars of another length");
                return Err(self.place.error(ident.span, message));
            }
            Expr::column(None, column)
        } else if let Some(operator) = Operator::function(&name) {
            self.plain(operator, &arguments, sql)?
        } else {
            self.remembering(&name, &arguments, ident)?
        };
        match interval {
            Some(interval) => expr.at(interval).map_err(|error| self.place.error(ident.span, error.to_string())),
            None => Ok(expr),
        }
    }

    /// Plain arguments: nothing of what SQL allows around them.
    fn arguments<'a>(&self, call: &'a Call, ident: &Ident) -> Result<Vec<&'a Sql>, TextError> {
        let refuse = |what: &str| self.place.error(ident.span, format!("functions of expressions have no {what}"));
        let Call { uses_odbc_syntax, parameters, args, filter, null_treatment, over, within_group, .. } = call;
        if over.is_some() {
            return Err(refuse("over (…): they go along the bars of one instrument by themselves"));
        }
        let is_plain = !uses_odbc_syntax
            && matches!(parameters, FunctionArguments::None)
            && filter.is_none()
            && null_treatment.is_none()
            && within_group.is_empty();
        let FunctionArguments::List(list) = args else { return Err(refuse("sub-queries")) };
        if !is_plain || list.duplicate_treatment.is_some() || !list.clauses.is_empty() {
            return Err(refuse("clauses"));
        }
        let plain = |argument: &'a FunctionArg| match argument {
            FunctionArg::Unnamed(FunctionArgExpr::Expr(expr)) => Ok(expr),
            _ => Err(refuse("named arguments and no *: write values, separated by commas")),
        };
        list.args.iter().map(plain).collect()
    }

    /// Takes the interval off the end.
    fn take_interval<'a>(&self, mut arguments: Vec<&'a Sql>) -> Result<(Vec<&'a Sql>, Option<Interval>), TextError> {
        let Some(Sql::Value(value)) = arguments.last() else { return Ok((arguments, None)) };
        let Value::SingleQuotedString(text) = &value.value else { return Ok((arguments, None)) };
        let names = INTERVALS.map(|interval| interval.name);
        let Some(interval) = INTERVALS.into_iter().find(|interval| interval.name == text) else {
            let message = format!("there are no bars of '{}'; there are {}", shown(text), names.join(", "));
            return Err(TextError { nearest: nearest(text, &names), ..self.place.error(value.span, message) });
        };
        arguments.pop();
        Ok((arguments, Some(interval)))
    }

    /// Series first, which may be left out, then parameters.
    fn indicator(
        &mut self,
        function: &'static Function,
        arguments: &[&Sql],
        output: Option<&Ident>,
        ident: &Ident,
    ) -> Result<Expr, TextError> {
        let output = self.output(function, output)?;
        let mut read = Vec::with_capacity(arguments.len());
        for argument in arguments {
            read.push(self.expr(argument)?);
        }
        let begins_with_series = read.first().is_some_and(|first| first.as_number().is_none());
        let series_len = if begins_with_series { function.inputs.len().min(read.len()) } else { 0 };
        let mut params = Vec::new();
        for (expr, argument) in read.iter().zip(arguments).skip(series_len) {
            let Some(number) = expr.as_number() else {
                let message = format!("parameters of {} are plain numbers", signature(function));
                return Err(self.place.error(argument.span(), message));
            };
            params.push(number);
        }
        read.truncate(series_len);
        if series_len == 0 {
            for name in function.inputs {
                let column = Column::parse(if *name == "value" { "close" } else { name });
                let Some(column) = column else {
                    let message = format!("{} needs its series: write {}", function.name, signature(function));
                    return Err(self.place.error(ident.span, message));
                };
                read.push(Expr::column(None, column));
            }
        }
        Expr::call(function, &params, read, output).map_err(|error| match error {
            ExprError::Count { .. } => self.place.error(ident.span, format!("{error}: write {}", signature(function))),
            error => self.at_argument(&error, arguments, &Sql::Identifier(ident.clone())),
        })
    }

    fn output(&self, function: &Function, output: Option<&Ident>) -> Result<usize, TextError> {
        let Some(output) = output else { return Ok(0) };
        let name = output.value.to_lowercase();
        function.outputs.iter().position(|known| *known == name).ok_or_else(|| {
            let outputs = function.outputs.join(", ");
            let message = format!("{} has no output {}; it has {outputs}", function.name, shown(&output.value));
            TextError { nearest: nearest(&name, function.outputs), ..self.place.error(output.span, message) }
        })
    }

    fn plain(&mut self, operator: Operator, arguments: &[&Sql], sql: &Sql) -> Result<Expr, TextError> {
        let is_list = matches!(operator, Operator::Least | Operator::Greatest | Operator::Coalesce);
        let [first, rest @ ..] = arguments else { return self.apply(operator, arguments, sql) };
        if !is_list || rest.is_empty() {
            return self.apply(operator, arguments, sql);
        }
        let mut all = self.expr(first)?;
        for argument in rest {
            let next = self.expr(argument)?;
            all = self.join(operator, vec![all, next], sql)?;
        }
        Ok(all)
    }

    fn remembering(&mut self, name: &str, arguments: &[&Sql], ident: &Ident) -> Result<Expr, TextError> {
        if !OTHERS.contains(&name) {
            return Err(self.unknown(name, ident));
        }
        let mut read = Vec::with_capacity(arguments.len());
        for argument in arguments {
            read.push(self.expr(argument)?);
        }
        let bars = read.get(1).and_then(Expr::as_number);
        let mut read = read.into_iter();
        let expr = match (name, read.next(), read.next(), read.next()) {
            ("lag", Some(value), None, None) => value.lag(1.0),
            ("lag", Some(value), Some(_), None) if bars.is_some() => value.lag(bars.unwrap_or_default()),
            ("since", Some(condition), None, None) => condition.since(),
            ("count_true", Some(condition), Some(_), None) if bars.is_some() => {
                condition.count_true(bars.unwrap_or_default())
            }
            ("crosses_above", Some(one), Some(other), None) => one.crosses_above(other),
            ("crosses_below", Some(one), Some(other), None) => one.crosses_below(other),
            _ => {
                let arguments = match name {
                    "lag" => "value, bars",
                    "since" => "condition",
                    "count_true" => "condition, bars",
                    _ => "value, other value",
                };
                return Err(self.place.error(ident.span, format!("write {name}({arguments})")));
            }
        };
        expr.map_err(|error| self.at_argument(&error, arguments, &Sql::Identifier(ident.clone())))
    }

    fn unknown(&self, name: &str, ident: &Ident) -> TextError {
        let operators = Operator::ALL.into_iter().map(Operator::name).filter(|name| Operator::function(name).is_some());
        let functions = indicator::catalogue().map(|function| function.name);
        let known: Vec<&str> = functions.chain(operators).chain(OTHERS).collect();
        let message = format!("there is no function {}", shown(name));
        TextError { nearest: nearest(name, &known), ..self.place.error(ident.span, message) }
    }
}

/// How a function is called: `macd(value, fast = 12, slow = 26, signal = 9)`.
pub fn signature(function: &Function) -> String {
    let params = function.params.iter().map(|param| format!("{} = {}", param.name, param.default));
    let all: Vec<String> = function.inputs.iter().map(|name| (*name).to_owned()).chain(params).collect();
    format!("{}({})", function.name, all.join(", "))
}
