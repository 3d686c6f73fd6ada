//! The frame: who answers, the ladder of one instrument, and its trades.

use super::asking::{Depth, LEVELS};
use super::seen::{Instrument, Seen, Trade};
use ratatui::buffer::Buffer;
use ratatui::layout::{Constraint, Layout, Rect};
use ratatui::style::{Color, Modifier, Style};
use ratatui::text::{Line, Span};
use ratatui::widgets::{Paragraph, Widget, Wrap};
use rust_decimal::Decimal;

/// Columns of the ladder: two numbers and air. The rest of the smallest terminal is enough for a trade.
const LADDER_WIDTH: u16 = 38;
const BID: Style = Style::new().fg(Color::Green);
const ASK: Style = Style::new().fg(Color::Red);
const FAINT: Style = Style::new().add_modifier(Modifier::DIM);
const BOLD: Style = Style::new().add_modifier(Modifier::BOLD);

/// What has been seen, with one instrument in front.
pub(super) struct View<'a> {
    pub seen: &'a Seen,
    pub chosen: usize,
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
        Line::styled(" q quits   Tab, right and left choose the instrument", FAINT).render(keys, buffer);
        if let Some(problem) = &self.seen.problem {
            let text = format!("no answer, so no prices:\n\n{problem}");
            return Paragraph::new(text).wrap(Wrap { trim: false }).render(body, buffer);
        }
        let [ladder, trades] = Layout::horizontal([Constraint::Length(LADDER_WIDTH), Constraint::Fill(1)]).areas(body);
        Paragraph::new(self.ladder(ladder.height)).render(ladder, buffer);
        Paragraph::new(self.trades()).render(trades, buffer);
    }
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

    fn instrument(&self) -> Line<'_> {
        let Some(Instrument { symbol, trades_state, .. }) = self.seen.instruments.get(self.chosen) else {
            return Line::default();
        };
        // The answer also names the source.
        let name = self.book().map_or(symbol, |depth| &depth.instrument);
        let mut spans = vec![Span::styled(format!(" {name}"), BOLD)];
        if self.seen.instruments.len() > 1 {
            spans.push(Span::styled(format!("  {} of {}", self.chosen + 1, self.seen.instruments.len()), FAINT));
        }
        if let Some(depth) = self.book() {
            let state = depth.envelope.feed_state.as_deref().unwrap_or("unknown");
            let style = if state == "live" { BID } else { BOLD.fg(Color::Magenta) };
            spans.push(Span::styled(format!("  book {state}"), style));
            spans.push(Span::raw(format!(", trades {trades_state}")));
            let age = depth.envelope.age_ms.map_or_else(|| "no event yet".to_owned(), |age| format!("age {age} ms"));
            spans.push(Span::raw(format!(", {age}")));
        }
        Line::from(spans)
    }

    /// The book of the chosen instrument, once it has come.
    fn book(&self) -> Option<&Depth> {
        self.seen.book.as_ref().filter(|(whose, _)| *whose == self.chosen).map(|(_, depth)| depth)
    }

    /// Asks above, bids below, the best of both in the middle.
    fn ladder(&self, height: u16) -> Vec<Line<'_>> {
        let Some(depth) = self.book() else { return vec![Line::raw(" asking …")] };
        if depth.envelope.feed_state.as_deref() != Some("live") {
            let state = depth.envelope.feed_state.as_deref().unwrap_or("unknown");
            return vec![Line::raw(format!(" the book is {state}: no level is shown"))];
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
        let seen = self.seen.instruments.get(self.chosen).map(|instrument| &instrument.trades);
        let row = |trade: &Trade| {
            let style = if trade.side == "buy" { BID } else { ASK };
            let time = trade.at.split_once('T').map_or("", |(_, time)| time.get(..12).unwrap_or(time));
            Line::styled(format!("{time} {:<4} {} x {}", trade.side, trade.price, trade.qty), style)
        };
        [Line::styled("last trades, as seen", FAINT)].into_iter().chain(seen.into_iter().flatten().map(row)).collect()
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
