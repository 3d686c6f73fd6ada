//! `tidegate watch`: instruments of a running engine in a terminal.
//!
//! It asks over MCP as any client does, with the program's own bearer, so it shows what a client would be told
//! and disturbs the engine no more than one.

mod asking;
mod bars;
mod seen;
mod view;

use super::say;
use crate::cli::Watch;
use crate::data_folder::DataFolder;
use anyhow::{anyhow, bail};
use asking::{Asking, Choice, Refused};
use ratatui::buffer::Buffer;
use ratatui::crossterm::event::{self, Event, KeyCode, KeyEvent, KeyEventKind, KeyModifiers};
use ratatui::layout::Rect;
use ratatui::widgets::Widget;
use ratatui::{DefaultTerminal, restore, try_init};
use seen::Seen;
use std::io::{self, IsTerminal};
use std::time::Duration;
use tidegate_core::INTERVALS;
use tokio::sync::watch;
use tokio::time::{sleep, timeout};
use view::View;

/// The shortest time between two frames, and between two questions.
const REFRESH_EVERY: Duration = Duration::from_millis(100);
/// The longest, while questions are not answered.
const ASK_AGAIN_MAX: Duration = Duration::from_secs(5);
/// Prices older than this are not shown as if they were of now.
const ANSWER_WITHIN: Duration = Duration::from_secs(5);
/// What is shown first: minutes of the first instrument.
const FIRST: Choice = Choice { instrument: 0, interval: 1 };
/// What one frame as text is drawn for: the smallest terminal that is usual.
const PLAIN: Rect = Rect::new(0, 0, 80, 24);

/// Shows the instruments until a key ends it, or once.
///
/// # Errors
/// Where there is no terminal; with `--once`, where the engine does not answer.
pub fn run(options: &Watch, folder: DataFolder) -> anyhow::Result<()> {
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build()?;
    let asking = Asking::new(folder, &options.symbols)?;
    if options.once {
        return say(&runtime.block_on(once(asking))?);
    }
    if !io::stdout().is_terminal() {
        bail!("watch draws on a terminal: use --once for plain text");
    }
    let (shown, seen) = watch::channel(Seen::new(&options.symbols));
    let (choose, chosen) = watch::channel(FIRST);
    runtime.spawn(follow(asking, chosen, shown));
    let mut terminal = try_init()?;
    let result = show(&mut terminal, &seen, &choose, options.symbols.len());
    restore();
    // Nobody waits for an answer that may be under way.
    runtime.shutdown_background();
    result
}

/// One frame, as text.
async fn once(mut asking: Asking) -> anyhow::Result<String> {
    let mut seen = Seen::new(asking.symbols());
    seen.take(FIRST, asking.ask(FIRST).await);
    if let Some(problem) = &seen.problem {
        return Err(anyhow!("{problem}"));
    }
    let mut buffer = Buffer::empty(PLAIN);
    View { seen: &seen, choice: FIRST }.render(PLAIN, &mut buffer);
    Ok(view::text(&buffer))
}

/// Keeps what is shown up to date, for as long as anybody looks; asks less often while nobody answers.
async fn follow(mut asking: Asking, chosen: watch::Receiver<Choice>, shown: watch::Sender<Seen>) {
    let mut wait = REFRESH_EVERY;
    while !shown.is_closed() {
        let choice = *chosen.borrow();
        let asked = timeout(ANSWER_WITHIN, asking.ask(choice)).await.unwrap_or_else(|_| Err(late()));
        wait = if asked.is_ok() { REFRESH_EVERY } else { (wait * 2).min(ASK_AGAIN_MAX) };
        shown.send_modify(|seen| seen.take(choice, asked));
        sleep(wait).await;
    }
}

fn late() -> Refused {
    let within = ANSWER_WITHIN.as_secs();
    Refused::new(format!("The engine did not answer within {within} s; it is asked again (see tidegate doctor)."))
}

fn show(
    terminal: &mut DefaultTerminal,
    seen: &watch::Receiver<Seen>,
    choose: &watch::Sender<Choice>,
    count: usize,
) -> anyhow::Result<()> {
    loop {
        let choice = *choose.borrow();
        terminal.draw(|frame| frame.render_widget(View { seen: &seen.borrow(), choice }, frame.area()))?;
        if !event::poll(REFRESH_EVERY)? {
            continue;
        }
        match event::read()? {
            Event::Key(key) if key.kind == KeyEventKind::Press => match pressed(key) {
                Some(Pressed::Quit) => return Ok(()),
                Some(other) => drop(choose.send_replace(other.after(choice, count))),
                None => {}
            },
            _ => {}
        }
    }
}

/// What a key asks for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Pressed {
    Quit,
    Next,
    Previous,
    Shorter,
    Longer,
    /// Bars of the interval at this place.
    Interval(usize),
}

impl Pressed {
    /// What is looked at after it, of `count` instruments.
    const fn after(self, choice: Choice, count: usize) -> Choice {
        let Choice { instrument, interval } = choice;
        match self {
            Pressed::Quit => choice,
            Pressed::Next => Choice { instrument: (instrument + 1) % count, interval },
            Pressed::Previous => Choice { instrument: (instrument + count - 1) % count, interval },
            Pressed::Shorter => Choice { instrument, interval: interval.saturating_sub(1) },
            Pressed::Longer if interval + 1 < INTERVALS.len() => Choice { instrument, interval: interval + 1 },
            Pressed::Longer => choice,
            Pressed::Interval(interval) => Choice { instrument, interval },
        }
    }
}

fn pressed(key: KeyEvent) -> Option<Pressed> {
    match key.code {
        KeyCode::Char('c') if key.modifiers.contains(KeyModifiers::CONTROL) => Some(Pressed::Quit),
        KeyCode::Char('q') | KeyCode::Esc => Some(Pressed::Quit),
        KeyCode::Tab | KeyCode::Right | KeyCode::Down => Some(Pressed::Next),
        KeyCode::BackTab | KeyCode::Left | KeyCode::Up => Some(Pressed::Previous),
        KeyCode::Char('[') => Some(Pressed::Shorter),
        KeyCode::Char(']') => Some(Pressed::Longer),
        KeyCode::Char(digit @ '1'..='9') => {
            let place = usize::try_from(digit.to_digit(10)?).ok()? - 1;
            (place < INTERVALS.len()).then_some(Pressed::Interval(place))
        }
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn keys_do_what_the_help_says() {
        let of = |code| pressed(KeyEvent::new(code, KeyModifiers::NONE));
        assert_eq!([KeyCode::Char('q'), KeyCode::Esc].map(of), [Some(Pressed::Quit); 2]);
        assert_eq!([KeyCode::Tab, KeyCode::Right].map(of), [Some(Pressed::Next); 2]);
        assert_eq!([KeyCode::BackTab, KeyCode::Left].map(of), [Some(Pressed::Previous); 2]);
        assert_eq!([KeyCode::Char('['), KeyCode::Char(']')].map(of), [Some(Pressed::Shorter), Some(Pressed::Longer)]);
        assert_eq!([KeyCode::Char('1'), KeyCode::Char('9')].map(of), [0, 8].map(|at| Some(Pressed::Interval(at))));
        assert_eq!([KeyCode::Char('c'), KeyCode::Char('0')].map(of), [None; 2]);
        let interrupt = KeyEvent::new(KeyCode::Char('c'), KeyModifiers::CONTROL);
        assert_eq!(pressed(interrupt), Some(Pressed::Quit));
    }

    #[test]
    fn instruments_go_round_and_intervals_end() {
        let after = |pressed: Pressed, instrument, interval| {
            let Choice { instrument, interval } = pressed.after(Choice { instrument, interval }, 3);
            (instrument, interval)
        };
        assert_eq!((after(Pressed::Next, 2, 1), after(Pressed::Previous, 0, 1)), ((0, 1), (2, 1)));
        assert_eq!((after(Pressed::Shorter, 1, 1), after(Pressed::Shorter, 1, 0)), ((1, 0), (1, 0)));
        assert_eq!((after(Pressed::Longer, 1, 7), after(Pressed::Longer, 1, 8)), ((1, 8), (1, 8)));
        assert_eq!(after(Pressed::Interval(8), 1, 0), (1, 8));
        assert_eq!(INTERVALS[FIRST.interval].name, "1m");
    }
}
