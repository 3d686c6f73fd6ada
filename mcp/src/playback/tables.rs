//! Tables for other programs: the top after every change of a book, and every gap.

use super::watch::Position;
use anyhow::Context;
use csv::Writer;
use std::fs::File;
use std::path::{Path, PathBuf};
use tidegate_core::{Family, Input, Instrument, Level, Market, Stamped};

/// `ts_recv,symbol,venue_sequence,bid,bid_qty,ask,ask_qty`: a row per change applied to a book, in the
/// digits of the venue; an empty side is an empty field.
pub struct TopsTable(Writer<File>);

/// `path,line,ts_recv,symbol,family,cause,expected,got`: a row per gap. `line` is a capture's line or a
/// recording's `seq`; `symbol` is `*` where the gap concerns every instrument.
pub struct GapsTable {
    table: Writer<File>,
    paths: Vec<PathBuf>,
}

fn create(path: &Path, header: &[&str]) -> anyhow::Result<Writer<File>> {
    let mut table = Writer::from_path(path).with_context(|| path.display().to_string())?;
    table.write_record(header)?;
    Ok(table)
}

/// The venue's part of a key.
fn symbol(instrument: &Instrument) -> &str {
    instrument.key.split_once(':').map_or(&instrument.key, |(_, symbol)| symbol)
}

impl TopsTable {
    /// Creates the file.
    ///
    /// # Errors
    /// Where it cannot be created.
    pub fn create(path: &Path) -> anyhow::Result<TopsTable> {
        let header = ["ts_recv", "symbol", "venue_sequence", "bid", "bid_qty", "ask", "ask_qty"];
        Ok(TopsTable(create(path, &header)?))
    }

    /// Writes a row if the input ended a change of a book.
    ///
    /// # Errors
    /// Where it cannot be written.
    pub fn after(&mut self, market: &Market, stamped: Stamped<'_>) -> anyhow::Result<()> {
        let (Some(end), Input::Event(event)) = (stamped.end, stamped.input) else { return Ok(()) };
        let Some(stream) = market.stream(end.id).filter(|_| end.family == Family::Book && !end.is_snapshot) else {
            return Ok(());
        };
        let instrument = &stream.instrument;
        let price = |level: Option<Level>| {
            level.map_or_else(String::new, |level| level.price.display(instrument.price_decimals).to_string())
        };
        let qty = |level: Option<Level>| {
            level.map_or_else(String::new, |level| level.qty.display(instrument.qty_decimals).to_string())
        };
        let top = stream.book.top();
        let sequence = end.sequence.map_or_else(String::new, |sequence| sequence.to_string());
        self.0.write_record([
            event.receive_ts.to_string().as_str(),
            symbol(instrument),
            &sequence,
            &price(top.bid),
            &qty(top.bid),
            &price(top.ask),
            &qty(top.ask),
        ])?;
        Ok(())
    }

    /// Writes what is left.
    ///
    /// # Errors
    /// Where it cannot be written.
    pub fn finish(mut self) -> anyhow::Result<()> {
        Ok(self.0.flush()?)
    }
}

impl GapsTable {
    /// Creates the file; `paths` are those of the source, in order.
    ///
    /// # Errors
    /// Where it cannot be created.
    pub fn create(path: &Path, paths: &[PathBuf]) -> anyhow::Result<GapsTable> {
        let header = ["path", "line", "ts_recv", "symbol", "family", "cause", "expected", "got"];
        Ok(GapsTable { table: create(path, &header)?, paths: paths.to_vec() })
    }

    /// Writes a row if the input is a gap.
    ///
    /// # Errors
    /// Where it cannot be written.
    pub fn after(&mut self, market: &Market, stamped: Stamped<'_>, position: Position) -> anyhow::Result<()> {
        let Input::Gap(gap) = stamped.input else { return Ok(()) };
        let stream = gap.id.and_then(|id| market.stream(id));
        let path = self.paths.get(position.file).map_or_else(String::new, |path| path.display().to_string());
        self.table.write_record([
            path.as_str(),
            &position.line.to_string(),
            &stamped.ts.to_string(),
            stream.map_or("*", |stream| symbol(&stream.instrument)),
            gap.family.name(),
            gap.cause.name(),
            &gap.from.to_string(),
            &gap.to.to_string(),
        ])?;
        Ok(())
    }

    /// Writes what is left.
    ///
    /// # Errors
    /// Where it cannot be written.
    pub fn finish(mut self) -> anyhow::Result<()> {
        Ok(self.table.flush()?)
    }
}
