//! Rows under named columns: what an answer says many times, named once.

use crate::wire::plain;
use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::Serialize;
use serde_json::Value;
use std::borrow::Cow;

/// A table; a cell that is not known is null.
#[derive(Debug, Serialize)]
pub(super) struct Table {
    columns: Vec<Cow<'static, str>>,
    rows: Vec<Vec<Value>>,
}

/// Its columns say what it holds: a schema of its rows would say less, and cost more.
impl JsonSchema for Table {
    fn schema_name() -> Cow<'static, str> {
        "Table".into()
    }

    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        json_schema!({ "type": "object" })
    }
}

impl Table {
    /// A table without rows.
    pub(super) fn new(columns: &[&'static str]) -> Table {
        Table::named(columns.iter().map(|name| Cow::Borrowed(*name)).collect())
    }

    /// A table without rows, whose columns the question names.
    pub(super) fn named(columns: Vec<Cow<'static, str>>) -> Table {
        Table { columns, rows: Vec::new() }
    }

    /// Adds a row, which has a cell for each column.
    pub(super) fn push(&mut self, row: Vec<Value>) {
        debug_assert_eq!(row.len(), self.columns.len());
        self.rows.push(row);
    }

    /// Adds a row that is not there yet.
    pub(super) fn push_once(&mut self, row: Vec<Value>) {
        if !self.rows.contains(&row) {
            self.push(row);
        }
    }

    pub(super) fn len(&self) -> usize {
        self.rows.len()
    }

    /// True where a cell is not known.
    pub(super) fn has_null(&self) -> bool {
        self.rows.iter().flatten().any(Value::is_null)
    }

    /// The cells of each row as text, what is not known as `-`.
    pub(super) fn cells(&self) -> impl Iterator<Item = Vec<String>> {
        let cell = |cell: &Value| if cell.is_null() { "-".to_owned() } else { plain(cell) };
        self.rows.iter().map(move |row| row.iter().map(cell).collect())
    }

    /// A line with the names of the columns, and one for each row; none where there is no row. What is not known is `-`.
    pub(super) fn block(&self, name: &str) -> impl Iterator<Item = String> {
        let head = (!self.rows.is_empty()).then(|| format!("{name}: {}", self.columns.join(" ")));
        head.into_iter().chain(self.cells().map(|row| row.join(" ")))
    }

    /// A line for each row: `column cell`, joined by commas. Cells that are not known are left out.
    pub(super) fn lines(&self) -> impl Iterator<Item = String> {
        self.rows.iter().map(move |row| {
            let known = self.columns.iter().zip(row).filter(|(_, cell)| !cell.is_null());
            known.map(|(column, cell)| format!("{column} {}", plain(cell))).collect::<Vec<_>>().join(", ")
        })
    }
}
