//! Rows under named columns: what an answer says many times, named once.

use schemars::JsonSchema;
use serde::Serialize;
use serde_json::Value;

/// A table; a cell that is not known is null.
#[derive(Debug, Serialize, JsonSchema)]
pub(super) struct Table {
    columns: Vec<&'static str>,
    rows: Vec<Vec<Value>>,
}

impl Table {
    /// A table without rows.
    pub(super) fn new(columns: &[&'static str]) -> Table {
        Table { columns: columns.to_vec(), rows: Vec::new() }
    }

    /// Adds a row, which has a cell for each column.
    pub(super) fn push(&mut self, row: Vec<Value>) {
        debug_assert_eq!(row.len(), self.columns.len());
        self.rows.push(row);
    }

    pub(super) fn len(&self) -> usize {
        self.rows.len()
    }

    /// True where a cell is not known.
    pub(super) fn has_null(&self) -> bool {
        self.rows.iter().flatten().any(Value::is_null)
    }

    /// A line for each row: `column cell`, joined by commas; cells without a value are left out.
    pub(super) fn lines(&self) -> impl Iterator<Item = String> {
        self.rows.iter().map(|row| {
            let cells = self.columns.iter().zip(row).filter(|(_, cell)| !cell.is_null());
            let shown: Vec<String> =
                cells.map(|(column, cell)| format!("{column} {}", crate::wire::plain(cell))).collect();
            shown.join(", ")
        })
    }
}
