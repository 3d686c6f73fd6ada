//! The panel of bars: a candle in each column, the latest at the right edge, and that one in numbers.

use super::asking::Table;
use super::view::{ASK, BID, FAINT, ODD};
use ratatui::buffer::Buffer;
use ratatui::layout::Rect;
use ratatui::style::Style;
use ratatui::text::Line;
use ratatui::widgets::Widget;
use rust_decimal::Decimal;
use rust_decimal::prelude::ToPrimitive;
use serde_json::Value;

/// Lines of text around the candles: what they are, and the latest in numbers.
const TEXT_ROWS: u16 = 4;
/// A candle's piece in one cell, by what fills its upper half and its lower one: nothing, wick or body.
const PIECES: [[&str; 3]; 3] = [[" ", "╷", "╻"], ["╵", "│", "╽"], ["╹", "╿", "┃"]];

/// Bars of one interval, oldest first.
pub(super) struct Bars<'a> {
    pub table: &'a Table,
    pub interval: &'a str,
}

/// What a candle is drawn from.
#[derive(Clone, Copy, Debug)]
struct Candle {
    open: Decimal,
    high: Decimal,
    low: Decimal,
    close: Decimal,
    /// It is known that trades are missing in it.
    lacks_trades: bool,
}

impl Widget for Bars<'_> {
    fn render(self, area: Rect, buffer: &mut Buffer) {
        let line = |at: u16| Rect { y: area.y + at, height: 1, ..area };
        let rows = &self.table.rows;
        let Some(last) = rows.last() else {
            return Line::styled(format!("no {} bars yet", self.interval), FAINT).render(area, buffer);
        };
        if area.height <= TEXT_ROWS {
            return self.caption(rows).render(area, buffer);
        }
        let candles: Vec<Candle> = rows.iter().filter_map(|row| self.candle(row)).collect();
        let prices = candles.iter().flat_map(|candle| [candle.high, candle.low]);
        let scale_width = prices.map(|price| price.to_string().len()).max().unwrap_or_default() + 1;
        let scale_width = u16::try_from(scale_width).unwrap_or(area.width).min(area.width);
        let chart = Rect { y: area.y + 1, height: area.height - TEXT_ROWS, width: area.width - scale_width, ..area };
        let shown = rows.len().min(usize::from(chart.width));
        self.caption(&rows[rows.len() - shown..]).render(line(0), buffer);
        draw(&candles[candles.len().saturating_sub(shown)..], chart, buffer);
        for (at, text) in (area.height - TEXT_ROWS + 1..area.height).zip(self.numbers(last)) {
            text.render(line(at), buffer);
        }
    }
}

impl Bars<'_> {
    fn text<'a>(&self, row: &'a [Value], column: &str) -> &'a str {
        self.table.text(row, column).unwrap_or("-")
    }

    fn candle(&self, row: &[Value]) -> Option<Candle> {
        let price = |column| self.table.text(row, column)?.parse().ok();
        let lacks_trades = self.table.text(row, "lacks") == Some("trades");
        Some(Candle {
            open: price("open")?,
            high: price("high")?,
            low: price("low")?,
            close: price("close")?,
            lacks_trades,
        })
    }

    /// Which bars are shown.
    fn caption(&self, shown: &[Vec<Value>]) -> Line<'static> {
        let start = |row: Option<&Vec<Value>>| row.map(|row| self.start(row)).unwrap_or_default();
        let (from, to) = (start(shown.first()), start(shown.last()));
        Line::styled(format!("{} bars, {from} to {to} UTC", self.interval), FAINT)
    }

    /// When a bar began, as exactly as its interval needs.
    fn start(&self, row: &[Value]) -> String {
        let start = self.text(row, "start");
        let part = match self.interval {
            "1d" => start.get(..10),
            "1s" => start.get(11..19),
            _ => start.get(5..16),
        };
        part.unwrap_or(start).replace('T', " ")
    }

    /// The bar in numbers.
    fn numbers(&self, row: &[Value]) -> [Line<'static>; 3] {
        let text = |column| self.text(row, column);
        let is_closed = self.table.cell(row, "closed") == Some(&Value::Bool(true));
        let state = if is_closed { "closed" } else { "forming" };
        let lacks = self.table.text(row, "lacks").map(|lacks| format!(", lacks {lacks}")).unwrap_or_default();
        let style = self.candle(row).map_or(ODD, |candle| candle.style());
        let lines = [
            format!("O {} H {}", text("open"), text("high")),
            format!("L {} C {}", text("low"), text("close")),
            format!("V {} {state}{lacks}", text("volume")),
        ];
        lines.map(|line| Line::styled(line, style))
    }
}

impl Candle {
    fn style(&self) -> Style {
        match self.lacks_trades {
            true => ODD,
            false if self.close < self.open => ASK,
            false => BID,
        }
    }
}

/// The candles on a scale from the lowest price to the highest, which stand beside it with the last one.
fn draw(candles: &[Candle], chart: Rect, buffer: &mut Buffer) {
    let lowest = candles.iter().map(|candle| candle.low).min();
    let highest = candles.iter().map(|candle| candle.high).max();
    let (Some(low), Some(high), Some(last)) = (lowest, highest, candles.last()) else { return };
    // Halves of cells, from the top down.
    let steps = usize::from(chart.height) * 2 - 1;
    let half = |price: Decimal| {
        let share = (high - price).checked_div(high - low).unwrap_or_default();
        (share * Decimal::from(steps)).round().to_usize().unwrap_or_default()
    };
    let left = chart.right() - u16::try_from(candles.len()).unwrap_or(chart.width).min(chart.width);
    for (x, candle) in (left..chart.right()).zip(candles) {
        let wick = half(candle.high)..=half(candle.low);
        let body = half(candle.open.max(candle.close))..=half(candle.open.min(candle.close));
        let fill = |half: usize| usize::from(wick.contains(&half)) + usize::from(body.contains(&half));
        for (row, y) in (chart.top()..chart.bottom()).enumerate() {
            let piece = PIECES[fill(2 * row)][fill(2 * row + 1)];
            buffer.set_string(x, y, piece, candle.style());
        }
    }
    let mut scale = |price: Decimal, style| {
        let y = chart.top() + u16::try_from(half(price) / 2).unwrap_or_default();
        buffer.set_string(chart.right() + 1, y, price.to_string(), style);
    };
    scale(high, FAINT);
    scale(low, FAINT);
    scale(last.close, last.style());
}
