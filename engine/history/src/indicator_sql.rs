//! The functions of indicators in SQL: window functions over rows in their order, made of the same kernels.
//!
//! `rsi(close, 14) over (partition by symbol order by ts)` goes along each partition from its first row; without `over`
//! the function goes along each series of `bars`. A function with several outputs answers a struct:
//! `macd(close, 12, 26, 9)['signal']`. A row with a null input is skipped and has a null output. Where SQL has a function
//! of that name itself (`sum`, `median`) ours is called with `ta_` before its name, as all of them can be.
//!
//! A condition as the last argument says where it begins: `ema(close, 20, ts >= timestamp '2026-11-20T09:15:00')` goes
//! along from the first row of the partition at which it is true; rows before have a null output.

use arrow::array::{Array, ArrayRef, AsArray, BooleanArray, Float64Array, StructArray};
use arrow::datatypes::{DataType, Field, FieldRef, Fields};
use datafusion::common::{Result, ScalarValue, exec_err, plan_err};
use datafusion::execution::FunctionRegistry;
use datafusion::logical_expr::function::{PartitionEvaluatorArgs, WindowUDFFieldArgs};
use datafusion::logical_expr::{LogicalPlan, PartitionEvaluator, Signature, Volatility, WindowUDF, WindowUDFImpl};
use datafusion::physical_expr::expressions::Literal;
use datafusion::prelude::SessionContext;
use datafusion::sql::parser::Statement;
use datafusion::sql::sqlparser::ast::{Expr as Sql, Statement as SqlStatement, WindowType, visit_expressions_mut};
use datafusion::sql::sqlparser::dialect::GenericDialect;
use datafusion::sql::sqlparser::parser::Parser;
use std::any::Any;
use std::borrow::Cow;
use std::hash::{Hash, Hasher};
use std::ops::ControlFlow;
use std::sync::Arc;
use tidegate_core::indicator::{self, Function, Indicator};

/// What a function goes along where nothing is said.
const SERIES: &str = "x() over (partition by symbol, source, \"interval\" order by ts)";

/// Makes the functions known to a session.
pub(crate) fn register(context: &SessionContext) {
    let taken = {
        let state = context.state();
        move |name: &str| {
            state.aggregate_functions().contains_key(name)
                || state.window_functions().contains_key(name)
                || state.scalar_functions().contains_key(name)
        }
    };
    for function in indicator::catalogue() {
        let name = if taken(function.name) { prefixed(function) } else { function.name.to_owned() };
        let aliases = if name == function.name { vec![prefixed(function)] } else { Vec::new() };
        context.register_udwf(WindowUDF::new_from_impl(Windowed { function, name, aliases, signature: signature() }));
    }
}

fn prefixed(function: &Function) -> String {
    format!("ta_{}", function.name)
}

fn signature() -> Signature {
    Signature::user_defined(Volatility::Immutable)
}

/// Plans a query, in which functions of indicators that are called without `over` go along the series of `bars`.
///
/// # Errors
/// Where it is no query.
pub(crate) async fn plan(context: &SessionContext, text: &str) -> Result<LogicalPlan> {
    let state = context.state();
    let mut statement = state.sql_to_statement(text, &state.config_options().sql_parser.dialect)?;
    if let Statement::Statement(statement) = &mut statement {
        complete(statement, context);
    }
    state.statement_to_plan(statement).await
}

fn complete(statement: &mut SqlStatement, context: &SessionContext) {
    let over = over_series();
    let is_ours = |name: &str| {
        let udwf = context.udwf(&name.to_lowercase());
        udwf.is_ok_and(|udwf| (udwf.inner().as_ref() as &dyn Any).is::<Windowed>())
    };
    let _ = visit_expressions_mut(statement, |expr| {
        if let Sql::Function(call) = expr
            && call.over.is_none()
            && is_ours(&call.name.to_string())
        {
            call.over.clone_from(&over);
        }
        ControlFlow::<()>::Continue(())
    });
}

fn over_series() -> Option<WindowType> {
    let parsed = Parser::new(&GenericDialect).try_with_sql(SERIES).and_then(|mut parser| parser.parse_expr());
    match parsed {
        Ok(Sql::Function(call)) => call.over,
        _ => None,
    }
}

/// A function of the catalogue as SQL's.
#[derive(Debug)]
struct Windowed {
    function: &'static Function,
    name: String,
    aliases: Vec<String>,
    signature: Signature,
}

impl PartialEq for Windowed {
    fn eq(&self, other: &Windowed) -> bool {
        self.name == other.name
    }
}

impl Eq for Windowed {}

impl Hash for Windowed {
    fn hash<H: Hasher>(&self, state: &mut H) {
        self.name.hash(state);
    }
}

impl Windowed {
    fn output(&self) -> DataType {
        match self.function.outputs {
            [_] => DataType::Float64,
            _ => DataType::Struct(self.fields()),
        }
    }

    fn fields(&self) -> Fields {
        self.function.outputs.iter().map(|name| Field::new(*name, DataType::Float64, true)).collect()
    }
}

impl WindowUDFImpl for Windowed {
    fn name(&self) -> &str {
        &self.name
    }

    fn aliases(&self) -> &[String] {
        &self.aliases
    }

    fn signature(&self) -> &Signature {
        &self.signature
    }

    fn coerce_types(&self, given: &[DataType]) -> Result<Vec<DataType>> {
        let Function { inputs, params, .. } = self.function;
        let begins = usize::from(given.last() == Some(&DataType::Boolean));
        let numbers = given.len() - begins;
        if !(inputs.len()..=inputs.len() + params.len()).contains(&numbers) {
            return plan_err!("write {}", crate::expression::signature(self.function));
        }
        Ok([vec![DataType::Float64; numbers], vec![DataType::Boolean; begins]].concat())
    }

    fn field(&self, arguments: WindowUDFFieldArgs<'_>) -> Result<FieldRef> {
        Ok(Arc::new(Field::new(arguments.name(), self.output(), true)))
    }

    fn partition_evaluator(&self, arguments: PartitionEvaluatorArgs<'_>) -> Result<Box<dyn PartitionEvaluator>> {
        let mut params = Vec::new();
        let given = arguments.input_exprs().iter().zip(arguments.input_fields());
        let numbers = given.filter(|(_, field)| field.data_type() != &DataType::Boolean).map(|(expr, _)| expr);
        for (param, expr) in self.function.params.iter().zip(numbers.skip(self.function.inputs.len())) {
            let literal = (expr.as_ref() as &dyn Any).downcast_ref::<Literal>().map(Literal::value);
            let Some(ScalarValue::Float64(Some(value))) = literal else {
                return plan_err!("{} of {} must be a plain number", param.name, self.name);
            };
            params.push(*value);
        }
        match Indicator::new(self.function, &params) {
            Ok(indicator) => Ok(Box::new(Partition { indicator, fields: self.fields() })),
            Err(error) => plan_err!("{error}"),
        }
    }
}

/// One partition's rows, from the first to the last.
#[derive(Debug)]
struct Partition {
    indicator: Indicator,
    fields: Fields,
}

impl PartitionEvaluator for Partition {
    fn evaluate_all(&mut self, values: &[ArrayRef], rows: usize) -> Result<ArrayRef> {
        self.indicator.reset();
        let function = self.indicator.function();
        let inputs: Option<Vec<_>> = values.iter().take(function.inputs.len()).map(numbers).collect();
        let Some(inputs) = inputs else { return exec_err!("{} takes numbers", function.name) };
        let begins = values.last().and_then(|values| values.as_boolean_opt()).map_or(0, first_true);
        let mut outputs = vec![vec![f64::NAN; rows]; function.outputs.len()];
        let inputs: Vec<&[f64]> = inputs.iter().map(|input| &input[begins..]).collect();
        let mut begun: Vec<&mut [f64]> = outputs.iter_mut().map(|output| &mut output[begins..]).collect();
        self.indicator.run(&inputs, &mut begun);
        let mut columns: Vec<ArrayRef> =
            outputs.into_iter().map(|output| Arc::new(or_null(output)) as ArrayRef).collect();
        if let [_] = columns[..] {
            return Ok(columns.remove(0));
        }
        Ok(Arc::new(StructArray::try_new(self.fields.clone(), columns, None)?))
    }
}

/// NULL is not a number.
fn numbers(values: &ArrayRef) -> Option<Cow<'_, [f64]>> {
    let values: &Float64Array = values.as_primitive_opt()?;
    if values.null_count() == 0 {
        return Some(Cow::Borrowed(values.values()));
    }
    Some(values.iter().map(|value| value.unwrap_or(f64::NAN)).collect())
}

fn first_true(begins: &BooleanArray) -> usize {
    begins.iter().position(|begins| begins == Some(true)).unwrap_or(begins.len())
}

/// What is not a number is NULL.
fn or_null(values: Vec<f64>) -> Float64Array {
    let is_there = values.iter().map(|value| !value.is_nan()).collect();
    Float64Array::new(values.into(), Some(is_there))
}

#[cfg(test)]
#[path = "indicator_sql_tests.rs"]
mod tests;
