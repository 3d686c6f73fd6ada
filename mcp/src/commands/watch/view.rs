//! The frame: who answers, the ladder of one instrument, its trades, and its bars.

use super::asking::{Choice, Depth, LEVELS};
use super::bars::Bars;
use super::seen::{Row, Seen, Trade};
use ratatui::buffer::Buffer;
use ratatui::layout::{Constraint, Layout, Rect};
use ratatui::style::{Color, Modifier, Style};
use ratatui::text::{Line, Span};
use ratatui::widgets::{Paragraph, Widget, Wrap};
use rust_decimal::Decimal;
use tidegate_core::INTERVALS;

/// Columns of the ladder: two numbers and air. The rest of the smallest terminal is enough for a trade.
const LADDER_WIDTH: u16 = 38;
/// Columns of a trade.
const TRADES_WIDTH: u16 = 42;
/// From here on bars stand beside the trades, else below them.
const WIDE: u16 = LADDER_WIDTH + TRADES_WIDTH + 40;
/// Rows below which there is no room for bars under trades.
const TALL: u16 = 12;
pub(super) const BID: Style = Style::new().fg(Color::Green);
pub(super) const ASK: Style = Style::new().fg(Color::Red);
/// What must not be taken for whole.
pub(super) const ODD: Style = Style::new().fg(Color::Magenta);
pub(super) const FAINT: Style = Style::new().add_modifier(Modifier::DIM);
const BOLD: Style = Style::new().add_modifier(Modifier::BOLD);

/// What has been seen of a choice.
pub(super) struct View<'a> {
    pub seen: &'a Seen,
    pub choice: Choice,
}

impl Widget for View<'_> {
    fn render(self, area: Rect, buffer: &mut Buffer) {
        let [run, instrument, body, keys] = Layout::vertical([
            Constraint::Length(1),
            Constraint::Length(1),
            Constraint::Fill(1),
            Constraint::Length(1),
        ])
        .areas(area);
        self.run().render(run, buffer);
        self.instrument().render(instrument, buffer);
        self.keys().render(keys, buffer);
        if let Some(problem) = &self.seen.problem {
            let text = format!("no answer, so no prices:\n\n{problem}");
            return Paragraph::new(text).wrap(Wrap { trim: false }).render(body, buffer);
        }
        let [ladder, trades, bars] = panels(body);
        Paragraph::new(self.ladder(ladder.height)).render(ladder, buffer);
        Paragraph::new(self.trades()).render(trades, buffer);
        self.bars(bars, buffer);
    }
}

/// Where ladder, trades and bars stand.
fn panels(body: Rect) -> [Rect; 3] {
    let ladder = Constraint::Length(LADDER_WIDTH);
    if body.width >= WIDE {
        return Layout::horizontal([ladder, Constraint::Length(TRADES_WIDTH), Constraint::Fill(1)]).areas(body);
    }
    let [ladder, rest] = Layout::horizontal([ladder, Constraint::Fill(1)]).areas(body);
    let bars_rows = if rest.height < TALL { 0 } else { rest.height / 2 + 2 };
    let [trades, bars] = Layout::vertical([Constraint::Fill(1), Constraint::Length(bars_rows)]).areas(rest);
    [ladder, trades, bars]
}

impl View<'_> {
    /// Mode and data, which are never out of sight.
    fn run(&self) -> Line<'_> {
        let envelope = &self.seen.envelope;
        if envelope.mode.is_empty() {
            return Line::styled(" no answer yet", BOLD);
        }
        let mode = if envelope.mode == "LIVE" { BOLD.fg(Color::White).bg(Color::Red) } else { BOLD.fg(Color::Cyan) };
        let mut spans = vec![
            Span::styled(format!(" {} ", envelope.mode), mode),
            Span::styled(format!(" {} DATA ", envelope.data), BOLD.fg(Color::Yellow)),
        ];
        if let (Some(as_of), Some(seq)) = (&envelope.as_of, envelope.seq) {
            spans.push(Span::raw(format!("  {}  seq {seq}", millis(as_of))));
        }
        Line::from(spans)
    }

    /// States and age, as long as they fit; the one that matters most first.
    fn instrument(&self) -> Line<'_> {
        let Some(instrument) = self.seen.instruments.get(self.choice.instrument) else { return Line::default() };
        // The answer also names the source.
        let name = self.book().map_or(&instrument.symbol, |depth| &depth.instrument);
        let mut spans = vec![Span::styled(format!(" {name}"), BOLD)];
        if let Some(depth) = self.book() {
            let book = depth.envelope.feed_state.as_deref().unwrap_or("unknown");
            let styled = |state: &str| if state == "live" { BID } else { BOLD.patch(ODD) };
            spans.push(Span::styled(format!("  book {book}"), styled(book)));
            let trades = &instrument.trades_state;
            spans.push(Span::styled(format!("  trades {trades}"), styled(trades)));
            let age = depth.envelope.age_ms.map_or_else(|| "no event yet".to_owned(), |age| format!("age {age} ms"));
            spans.push(Span::raw(format!("  {age}")));
            let session = instrument.session.as_deref().unwrap_or("hours unknown");
            spans.push(Span::raw(format!("  market {session}")));
        }
        Line::from(spans)
    }

    fn keys(&self) -> Line<'_> {
        let Choice { instrument, interval } = self.choice;
        let count = self.seen.instruments.len();
        let interval = INTERVALS.get(interval).map_or("", |interval| interval.name);
        let keys = format!(" q quits   Tab: instrument {} of {count}   [ ] or 1-9: {interval} bars", instrument + 1);
        Line::styled(keys, FAINT)
    }

    /// The book of the chosen instrument, once it has come.
    fn book(&self) -> Option<&Depth> {
        self.seen.book.as_ref().filter(|(whose, _)| *whose == self.choice.instrument).map(|(_, depth)| depth)
    }

    /// Asks above, bids below, the best of both in the middle.
    fn ladder(&self, height: u16) -> Vec<Line<'_>> {
        let Some(depth) = self.book() else { return vec![Line::raw(" asking …")] };
        if depth.envelope.feed_state.as_deref() != Some("live") {
            let state = depth.envelope.feed_state.as_deref().unwrap_or("unknown");
            return vec![Line::raw(format!(" the book is {state}: no level shown"))];
        }
        let rows = (usize::from(height).saturating_sub(1) / 2).min(LEVELS);
        let side = |levels: &[[String; 2]], style| -> Vec<Line<'static>> {
            let row = |[price, qty]: &[String; 2]| Line::styled(format!("{price:>17}  {qty:>17}"), style);
            let blank = (levels.len()..rows).map(|_| Line::default());
            levels.iter().take(rows).map(row).chain(blank).collect()
        };
        let mut lines = side(&depth.asks, ASK);
        lines.reverse();
        lines.push(Line::styled(spread(depth), FAINT));
        lines.append(&mut side(&depth.bids, BID));
        lines
    }

    fn trades(&self) -> Vec<Line<'_>> {
        let seen = self.seen.instruments.get(self.choice.instrument).map(|instrument| &instrument.trades);
        let row = |row: &Row| match row {
            Row::Hole => Line::styled("   … trades may be missing here …", ODD),
            Row::Trade(Trade { price, qty, side, at }) => {
                let style = if side == "buy" { BID } else { ASK };
                let time = at.split_once('T').map_or("", |(_, time)| time.get(..12).unwrap_or(time));
                Line::styled(format!("{time} {side:<4} {price} x {qty}"), style)
            }
        };
        [Line::styled("last trades", FAINT)].into_iter().chain(seen.into_iter().flatten().map(row)).collect()
    }

    fn bars(&self, area: Rect, buffer: &mut Buffer) {
        let interval = INTERVALS.get(self.choice.interval).map_or("", |interval| interval.name);
        match self.seen.bars.as_ref().filter(|(whose, _)| *whose == self.choice) {
            Some((_, Ok(table))) => Bars { table, interval }.render(area, buffer),
            Some((_, Err(why))) => {
                let text = format!("no {interval} bars:\n{why}");
                Paragraph::new(text).wrap(Wrap { trim: false }).render(area, buffer);
            }
            None => Line::raw("asking …").render(area, buffer),
        }
    }
}

fn spread(depth: &Depth) -> String {
    let best = |side: &[[String; 2]]| side.first().and_then(|[price, _]| price.parse::<Decimal>().ok());
    match (best(&depth.bids), best(&depth.asks)) {
        (Some(bid), Some(ask)) => format!("{:>17}  {:>17}", format!("spread {}", ask - bid), "quantity"),
        _ => format!("{:>17}  {:>17}", "price", "quantity"),
    }
}

/// An instant as people read it: to the millisecond.
fn millis(instant: &str) -> String {
    let whole = instant.get(..23).unwrap_or(instant);
    format!("{}Z", whole.replace('T', " "))
}

/// A frame as plain text.
pub(super) fn text(buffer: &Buffer) -> String {
    let width = usize::from(buffer.area.width).max(1);
    let line = |cells: &[ratatui::buffer::Cell]| {
        let line: String = cells.iter().map(ratatui::buffer::Cell::symbol).collect();
        format!("{}\n", line.trim_end())
    };
    buffer.content.chunks(width).map(line).collect()
}

#[cfg(test)]
#[path = "view_tests.rs"]
mod tests;
