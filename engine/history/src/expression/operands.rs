//! What a condition compares: the numbers that show why it holds.

use datafusion::sql::sqlparser::ast::{
    BinaryOperator, Expr as Sql, Function, FunctionArg, FunctionArgExpr, FunctionArguments, Value,
};

/// The texts of the numbers that a condition compares, each once, in the order of the text; plain numbers are not told.
pub(super) fn operands(sql: &Sql) -> Vec<String> {
    let mut found = Vec::new();
    visit(sql, &mut found);
    found
}

fn visit(sql: &Sql, found: &mut Vec<String>) {
    match sql {
        Sql::Nested(inner)
        | Sql::UnaryOp { expr: inner, .. }
        | Sql::IsTrue(inner)
        | Sql::IsFalse(inner)
        | Sql::IsNull(inner)
        | Sql::IsNotNull(inner) => visit(inner, found),
        Sql::BinaryOp { left, op: BinaryOperator::And | BinaryOperator::Or, right } => {
            visit(left, found);
            visit(right, found);
        }
        Sql::BinaryOp { left, op, right } if is_comparison(op) => [left, right].iter().for_each(|it| add(it, found)),
        Sql::Between { expr, low, high, .. } => [expr, low, high].iter().for_each(|it| add(it, found)),
        Sql::Function(function) => visit_function(function, found),
        _ => {}
    }
}

fn is_comparison(operator: &BinaryOperator) -> bool {
    use BinaryOperator::{Eq, Gt, GtEq, Lt, LtEq, NotEq};
    matches!(operator, Eq | NotEq | Lt | LtEq | Gt | GtEq)
}

/// Crossings compare; other functions of conditions hold some.
fn visit_function(function: &Function, found: &mut Vec<String>) {
    let FunctionArguments::List(list) = &function.args else { return };
    let crosses = function.name.to_string().to_lowercase().starts_with("crosses_");
    for argument in &list.args {
        let FunctionArg::Unnamed(FunctionArgExpr::Expr(inner)) = argument else { continue };
        if crosses { add(inner, found) } else { visit(inner, found) }
    }
}

fn add(sql: &Sql, found: &mut Vec<String>) {
    let is_number = match sql {
        Sql::Value(value) => matches!(value.value, Value::Number(..) | Value::Null | Value::SingleQuotedString(_)),
        Sql::UnaryOp { expr, .. } => matches!(expr.as_ref(), Sql::Value(_)),
        _ => false,
    };
    let text = sql.to_string();
    if !is_number && !found.contains(&text) {
        found.push(text);
    }
}
