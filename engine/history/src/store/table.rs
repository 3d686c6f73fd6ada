//! A table whose rows are partly in files and partly in memory, each once.

use crate::sum;
use arrow::array::RecordBatch;
use arrow::datatypes::SchemaRef;
use async_trait::async_trait;
use datafusion::catalog::{Session, TableProvider};
use datafusion::common::{DataFusionError, Result, ScalarValue};
use datafusion::datasource::TableType;
use datafusion::datasource::file_format::parquet::ParquetFormat;
use datafusion::datasource::listing::{ListingOptions, ListingTable, ListingTableConfig, ListingTableUrl};
use datafusion::datasource::memory::MemorySourceConfig;
use datafusion::logical_expr::{BinaryExpr, Expr, Operator, TableProviderFilterPushDown};
use datafusion::physical_plan::ExecutionPlan;
use datafusion::physical_plan::union::UnionExec;
use std::collections::BTreeSet;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};
use tidegate_core::Nanos;
use url::Url;

/// One file of a table.
#[derive(Clone, Debug)]
pub(crate) struct StoredFile {
    pub path: PathBuf,
    /// The one symbol that it holds; `None`: any.
    pub symbol: Option<String>,
    /// No row's `ts` is earlier.
    pub from: Nanos,
    /// Every row's `ts` is earlier.
    pub to: Nanos,
}

/// A moment of the store as a table.
#[derive(Debug)]
pub(crate) struct StoreTable {
    pub schema: SchemaRef,
    pub files: Vec<StoredFile>,
    pub batches: Vec<RecordBatch>,
    pub checked: Arc<Checked>,
}

/// Files that were found to be as they were written.
#[derive(Debug, Default)]
pub(crate) struct Checked(Mutex<BTreeSet<PathBuf>>);

impl Checked {
    /// Reads a file once, before its rows are believed.
    fn check(&self, path: &Path) -> Result<()> {
        let checked = || self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if !checked().contains(path) {
            sum::check(path).map_err(|error| DataFusionError::External(Box::new(error)))?;
            checked().insert(path.to_owned());
        }
        Ok(())
    }
}

#[async_trait]
impl TableProvider for StoreTable {
    fn schema(&self) -> SchemaRef {
        Arc::clone(&self.schema)
    }

    fn table_type(&self) -> TableType {
        TableType::Base
    }

    fn supports_filters_pushdown(&self, filters: &[&Expr]) -> Result<Vec<TableProviderFilterPushDown>> {
        Ok(vec![TableProviderFilterPushDown::Inexact; filters.len()])
    }

    async fn scan(
        &self,
        state: &dyn Session,
        projection: Option<&Vec<usize>>,
        filters: &[Expr],
        _limit: Option<usize>,
    ) -> Result<Arc<dyn ExecutionPlan>> {
        let wanted = Wanted::of(filters);
        let files = self.files.iter().filter(|file| wanted.may_be_in(file));
        let urls = files.map(|file| self.url(file)).collect::<Result<Vec<_>>>()?;
        let memory: Arc<dyn ExecutionPlan> =
            MemorySourceConfig::try_new_exec(std::slice::from_ref(&self.batches), self.schema(), projection.cloned())?;
        if urls.is_empty() {
            return Ok(memory);
        }
        let format = ParquetFormat::default().with_force_view_types(false);
        let options = ListingOptions::new(Arc::new(format)).with_file_extension(".parquet");
        let config = ListingTableConfig::new_with_multi_paths(urls).with_listing_options(options);
        let listing = ListingTable::try_new(config.with_schema(self.schema()))?;
        let files = listing.scan(state, projection, filters, None).await?;
        UnionExec::try_new(vec![files, memory])
    }
}

impl StoreTable {
    fn url(&self, file: &StoredFile) -> Result<ListingTableUrl> {
        // A listing would leave it out, and its rows with it, without a word.
        if !file.path.exists() {
            return Err(DataFusionError::Execution(format!("{} is missing: its rows would be", file.path.display())));
        }
        self.checked.check(&file.path)?;
        // As a URL: in a path, brackets and question marks would be a pattern.
        let url = Url::from_file_path(&file.path)
            .map_err(|()| DataFusionError::Configuration(format!("{} is no usable path", file.path.display())))?;
        ListingTableUrl::parse(url)
    }
}

/// What the filters of a query let through, as far as files differ by it.
struct Wanted {
    symbols: Option<Vec<String>>,
    /// Inclusive.
    from: i64,
    /// Inclusive.
    to: i64,
}

impl Wanted {
    fn of(filters: &[Expr]) -> Wanted {
        let mut wanted = Wanted { symbols: None, from: i64::MIN, to: i64::MAX };
        filters.iter().for_each(|filter| wanted.narrow(filter));
        wanted
    }

    fn narrow(&mut self, filter: &Expr) {
        match filter {
            Expr::BinaryExpr(BinaryExpr { left, op: Operator::And, right }) => {
                self.narrow(left);
                self.narrow(right);
            }
            Expr::BinaryExpr(BinaryExpr { left, op, right }) => match (&**left, &**right) {
                (Expr::Column(column), Expr::Literal(value, _)) => self.compare(&column.name, *op, value),
                (Expr::Literal(value, _), Expr::Column(column)) => {
                    if let Some(op) = op.swap() {
                        self.compare(&column.name, op, value);
                    }
                }
                _ => {}
            },
            Expr::InList(list) if !list.negated => {
                let texts = list.list.iter().map(|item| item.as_literal().and_then(text));
                if let (Expr::Column(column), Some(texts)) = (&*list.expr, texts.collect::<Option<Vec<_>>>())
                    && column.name == "symbol"
                {
                    self.symbols = Some(texts);
                }
            }
            _ => {}
        }
    }

    fn compare(&mut self, column: &str, op: Operator, value: &ScalarValue) {
        match (column, op, instant(value)) {
            ("symbol", Operator::Eq, _) => self.symbols = text(value).map(|symbol| vec![symbol]),
            ("ts", Operator::Eq, Some(ts)) => (self.from, self.to) = (self.from.max(ts), self.to.min(ts)),
            ("ts", Operator::Gt | Operator::GtEq, Some(ts)) => self.from = self.from.max(ts),
            ("ts", Operator::Lt | Operator::LtEq, Some(ts)) => self.to = self.to.min(ts),
            _ => {}
        }
    }

    fn may_be_in(&self, file: &StoredFile) -> bool {
        let has_symbol = match (&self.symbols, &file.symbol) {
            (Some(wanted), Some(symbol)) => wanted.contains(symbol),
            _ => true,
        };
        has_symbol && file.from.raw() <= self.to && file.to.raw() > self.from
    }
}

fn text(value: &ScalarValue) -> Option<String> {
    match value {
        ScalarValue::Dictionary(_, value) => text(value),
        other => other.try_as_str().flatten().map(str::to_owned),
    }
}

fn instant(value: &ScalarValue) -> Option<i64> {
    match value {
        ScalarValue::TimestampNanosecond(ts, _) => *ts,
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use datafusion::prelude::{col, lit};

    fn file(symbol: Option<&str>, from: i64, to: i64) -> StoredFile {
        let symbol = symbol.map(str::to_owned);
        StoredFile { path: PathBuf::new(), symbol, from: Nanos::new(from), to: Nanos::new(to) }
    }

    #[test]
    fn filters_leave_out_files_that_cannot_matter_and_no_other() {
        let at = |ts| lit(ScalarValue::TimestampNanosecond(Some(ts), Some("UTC".into())));
        let wanted = Wanted::of(&[
            col("symbol").eq(lit("A")).and(lit(10).lt(col("seq"))),
            col("ts").gt_eq(at(100)),
            at(200).gt(col("ts")),
        ]);
        assert!(wanted.may_be_in(&file(Some("A"), 200, 300)) && wanted.may_be_in(&file(None, 0, 101)));
        assert!(!wanted.may_be_in(&file(Some("B"), 100, 200)), "another symbol");
        assert!(!wanted.may_be_in(&file(Some("A"), 0, 100)) && !wanted.may_be_in(&file(None, 201, 300)));
        let either = Wanted::of(&[col("symbol").eq(lit("A")).or(col("ts").gt(at(5)))]);
        assert!(either.may_be_in(&file(Some("B"), 0, 1)), "an alternative leaves nothing out");
        let listed = Wanted::of(&[col("symbol").in_list(vec![lit("A"), lit("B")], false)]);
        assert!(listed.may_be_in(&file(Some("B"), 0, 1)) && !listed.may_be_in(&file(Some("C"), 0, 1)));
        assert!(Wanted::of(&[col("symbol").in_list(vec![lit("A")], true)]).may_be_in(&file(Some("A"), 0, 1)));
    }
}
