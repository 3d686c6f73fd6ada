//! What has been seen so far: the latest answers, and the trades that they told.

use super::asking::{Depth, Envelope, Quote, Quotes, Refused};
use std::collections::VecDeque;

/// Trades kept of each instrument: more than any terminal shows.
const TRADES_MAX: usize = 100;

/// A trade that was an instrument's last one when it was asked for.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Trade {
    pub at: String,
    pub side: String,
    pub price: String,
    pub qty: String,
}

/// One instrument.
#[derive(Clone, Debug)]
pub(super) struct Instrument {
    pub symbol: String,
    /// State of its trades.
    pub trades_state: String,
    /// The latest first. Between two questions there may have been others.
    pub trades: VecDeque<Trade>,
}

/// Everything that a frame shows.
#[derive(Clone, Debug)]
pub(super) struct Seen {
    pub envelope: Envelope,
    pub instruments: Vec<Instrument>,
    /// The latest book, and whose it is.
    pub book: Option<(usize, Depth)>,
    /// Why the last question was not answered: no price is shown then.
    pub problem: Option<String>,
}

impl Seen {
    /// Nothing seen yet.
    pub fn new(symbols: &[String]) -> Seen {
        let instruments = symbols.iter().map(|symbol| Instrument {
            symbol: symbol.clone(),
            trades_state: String::new(),
            trades: VecDeque::new(),
        });
        Seen { envelope: Envelope::default(), instruments: instruments.collect(), book: None, problem: None }
    }

    /// Takes the answers to a question about the book of `chosen`.
    pub fn take(&mut self, chosen: usize, asked: Result<(Quotes, Depth), Refused>) {
        match asked {
            Ok((quotes, depth)) => {
                self.problem = None;
                self.envelope = depth.envelope.clone();
                self.book = Some((chosen, depth));
                self.instruments.iter_mut().zip(quotes.quotes).for_each(|(instrument, quote)| instrument.take(quote));
            }
            Err(refused) => {
                self.problem = Some(refused.text);
                self.book = None;
                let Envelope { mode, data, .. } = self.envelope.clone();
                self.envelope = refused.envelope.unwrap_or(Envelope { mode, data, ..Envelope::default() });
            }
        }
    }
}

impl Instrument {
    fn take(&mut self, quote: Quote) {
        self.trades_state = quote.trades_state;
        let (Some(at), Some(price), Some(qty)) = (quote.last_at, quote.last, quote.last_qty) else { return };
        let trade = Trade { at, side: quote.last_side.unwrap_or_default(), price, qty };
        if self.trades.front() != Some(&trade) {
            self.trades.push_front(trade);
            self.trades.truncate(TRADES_MAX);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn quote(at: u32) -> Quotes {
        let text = |text: &str| Some(text.to_owned());
        let last_at = Some(format!("2026-11-20T09:15:{at:02}.000000000Z"));
        let quote = Quote { last_at, last: text("1.5"), last_qty: text("2"), ..Quote::default() };
        Quotes { quotes: vec![quote] }
    }

    #[test]
    fn a_trade_is_shown_once_and_the_latest_first() {
        let mut seen = Seen::new(&["X:Y".to_owned()]);
        for at in [1, 1, 2, 2, 3] {
            seen.take(0, Ok((quote(at), Depth::default())));
        }
        let times: Vec<&str> = seen.instruments[0].trades.iter().map(|trade| &trade.at[17..19]).collect();
        assert_eq!(times, ["03", "02", "01"]);
    }

    #[test]
    fn trades_are_bounded() {
        let mut seen = Seen::new(&["X:Y".to_owned()]);
        (0..2 * TRADES_MAX as u32).for_each(|at| seen.take(0, Ok((quote(at), Depth::default()))));
        assert_eq!(seen.instruments[0].trades.len(), TRADES_MAX);
    }

    #[test]
    fn a_refusal_takes_the_book_away_and_leaves_mode_and_data() {
        let mut seen = Seen::new(&["X:Y".to_owned()]);
        let envelope = Envelope {
            mode: "PAPER".to_owned(),
            data: "REAL".to_owned(),
            age_ms: Some(3),
            seq: Some(7),
            ..Envelope::default()
        };
        seen.take(0, Ok((quote(1), Depth { envelope, ..Depth::default() })));
        seen.take(0, Err(Refused { text: "gone".to_owned(), envelope: None }));
        assert!(seen.book.is_none());
        assert_eq!((seen.problem.as_deref(), seen.envelope.age_ms, seen.envelope.seq), (Some("gone"), None, None));
        assert_eq!((seen.envelope.mode.as_str(), seen.envelope.data.as_str()), ("PAPER", "REAL"));
    }
}
