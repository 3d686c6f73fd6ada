//! What has been seen so far: the latest answers, and the trades that they told.

use super::asking::{Answers, Choice, Depth, Envelope, Refused, Table};
use std::collections::VecDeque;

/// Rows kept of each instrument's trades: more than any terminal shows.
const TRADES_MAX: usize = 200;

/// A row of the tape.
#[derive(Clone, Debug, PartialEq)]
pub(super) enum Row {
    Trade(Trade),
    /// Between the trades beside it others may have happened that nobody saw here.
    Hole,
}

/// A trade as it was answered.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Trade {
    pub price: String,
    pub qty: String,
    pub side: String,
    pub at: String,
}

/// One instrument.
#[derive(Clone, Debug)]
pub(super) struct Instrument {
    pub symbol: String,
    /// State of its trades.
    pub trades_state: String,
    /// The latest first.
    pub trades: VecDeque<Row>,
    /// What its market does, where that is known.
    pub session: Option<String>,
}

/// Everything that a frame shows.
#[derive(Clone, Debug)]
pub(super) struct Seen {
    pub envelope: Envelope,
    pub instruments: Vec<Instrument>,
    /// The latest book, and whose it is.
    pub book: Option<(usize, Depth)>,
    /// The latest bars, or why there are none, and of which choice.
    pub bars: Option<(Choice, Result<Table, String>)>,
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
            session: None,
        });
        Seen {
            envelope: Envelope::default(),
            instruments: instruments.collect(),
            book: None,
            bars: None,
            problem: None,
        }
    }

    /// Takes the answers to the questions about `choice`.
    pub fn take(&mut self, choice: Choice, asked: Result<Answers, Refused>) {
        match asked {
            Ok(Answers { quote, depth, bars, session }) => {
                self.problem = None;
                self.envelope = depth.envelope.clone();
                self.book = Some((choice.instrument, depth));
                if let Some(bars) = bars {
                    self.bars = Some((choice, bars));
                }
                if let Some(instrument) = self.instruments.get_mut(choice.instrument) {
                    instrument.trades_state = quote.trades_state;
                    instrument.session = session.or_else(|| instrument.session.take());
                    let trade = |[price, qty, side, at]: [String; 4]| Row::Trade(Trade { price, qty, side, at });
                    join(&mut instrument.trades, quote.trades.into_iter().map(trade).collect());
                }
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

/// Puts the latest trades before those that are held, each once; both begin with the latest.
///
/// They are joined where the older of the latest are the newest of the held. Where none are (there were more since
/// than an answer holds, or the engine forgot its trades because it missed some) a hole is left between them.
fn join(held: &mut VecDeque<Row>, latest: Vec<Row>) {
    let since = held.iter().position(|row| *row == Row::Hole).unwrap_or(held.len());
    let is_held = |older: &[Row]| older.len() <= since && older.iter().eq(held.iter().take(older.len()));
    let fresh = (0..latest.len()).find(|fresh| is_held(&latest[*fresh..]));
    if fresh.is_none() && since > 0 {
        held.push_front(Row::Hole);
    }
    let fresh = fresh.unwrap_or(latest.len());
    latest.into_iter().take(fresh).rev().for_each(|row| held.push_front(row));
    held.truncate(TRADES_MAX);
}

#[cfg(test)]
mod tests {
    use super::super::asking::Quote;
    use super::*;

    const CHOICE: Choice = Choice { instrument: 0, interval: 1 };

    /// Trades by their numbers, the latest first; 0 is a hole.
    fn rows(numbers: &[u32]) -> Vec<Row> {
        let row = |number: &u32| match number {
            0 => Row::Hole,
            number => {
                let text = |text: &str| text.to_owned();
                Row::Trade(Trade { price: text("1.5"), qty: text("2"), side: text("buy"), at: number.to_string() })
            }
        };
        numbers.iter().map(row).collect()
    }

    /// What is held after these answers, one after another.
    fn held(answers: &[&[u32]]) -> Vec<Row> {
        let mut held = VecDeque::new();
        answers.iter().for_each(|latest| join(&mut held, rows(latest)));
        held.into()
    }

    #[test]
    fn a_trade_is_shown_once_and_the_latest_first() {
        assert_eq!(held(&[&[], &[2, 1], &[2, 1], &[4, 3, 2, 1], &[5, 4, 3]]), rows(&[5, 4, 3, 2, 1]));
    }

    #[test]
    fn trades_that_look_alike_are_counted_by_their_place() {
        assert_eq!(held(&[&[7], &[7, 7], &[8, 7, 7]]), rows(&[8, 7, 7]));
    }

    #[test]
    fn a_hole_is_left_where_trades_may_have_been_missed() {
        assert_eq!(held(&[&[3, 2, 1], &[6, 5, 4]]), rows(&[6, 5, 4, 0, 3, 2, 1]), "more than an answer holds");
        assert_eq!(held(&[&[2, 1], &[], &[], &[4], &[5, 4]]), rows(&[5, 4, 0, 2, 1]), "forgotten by the engine");
        assert_eq!(held(&[&[2, 1], &[4], &[5, 4], &[9, 8]]), rows(&[9, 8, 0, 5, 4, 0, 2, 1]), "twice");
    }

    #[test]
    fn trades_are_bounded() {
        let mut held = VecDeque::new();
        (1..=2 * TRADES_MAX as u32).for_each(|number| join(&mut held, rows(&[number + 1, number])));
        assert_eq!((held.len(), held.contains(&Row::Hole)), (TRADES_MAX, false));
    }

    fn answers(trades: &[[&str; 4]]) -> Answers {
        let trades = trades.iter().map(|row| row.map(str::to_owned)).collect();
        Answers { quote: Quote { trades, ..Quote::default() }, ..Answers::default() }
    }

    #[test]
    fn what_was_not_due_stays() {
        let mut seen = Seen::new(&["X:Y".to_owned()]);
        let known = Answers {
            bars: Some(Ok(Table::default())),
            session: Some("open".to_owned()),
            ..answers(&[["1.5", "2", "buy", "9"]])
        };
        seen.take(CHOICE, Ok(known));
        seen.take(CHOICE, Ok(answers(&[["1.5", "2", "buy", "9"]])));
        assert_eq!((&seen.instruments[0].trades, seen.bars.is_some()), (&rows(&[9]).into(), true));
        assert_eq!(seen.instruments[0].session.as_deref(), Some("open"));
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
        seen.take(CHOICE, Ok(Answers { depth: Depth { envelope, ..Depth::default() }, ..Answers::default() }));
        seen.take(CHOICE, Err(Refused { text: "gone".to_owned(), envelope: None }));
        assert!(seen.book.is_none());
        assert_eq!((seen.problem.as_deref(), seen.envelope.age_ms, seen.envelope.seq), (Some("gone"), None, None));
        assert_eq!((seen.envelope.mode.as_str(), seen.envelope.data.as_str()), ("PAPER", "REAL"));
    }
}
