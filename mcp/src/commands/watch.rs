//! `tidegate watch`: instruments of a running engine in a terminal.
//!
//! It asks over MCP as any client does, with the program's own bearer, so it shows what a client would be told
//! and disturbs the engine no more than one.

mod asking;
mod seen;
mod view;

use super::say;
use crate::cli::Watch;
use crate::data_folder::DataFolder;
use anyhow::{anyhow, bail};
use asking::Asking;
use ratatui::buffer::Buffer;
use ratatui::crossterm::event::{self, Event, KeyCode, KeyEvent, KeyEventKind, KeyModifiers};
use ratatui::layout::Rect;
use ratatui::widgets::Widget;
use ratatui::{DefaultTerminal, restore, try_init};
use seen::Seen;
use std::io::{self, IsTerminal};
use std::time::Duration;
use tokio::sync::watch;
use tokio::time::sleep;
use view::View;

/// The shortest time between two frames, and between two questions.
const REFRESH_EVERY: Duration = Duration::from_millis(100);
/// The longest, while questions are not answered.
const ASK_AGAIN_MAX: Duration = Duration::from_secs(5);
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
    let (choose, chosen) = watch::channel(0);
    runtime.spawn(follow(asking, chosen, shown));
    let mut terminal = try_init()?;
    let result = show(&mut terminal, &seen, &choose, options.symbols.len());
    restore();
    // Nobody waits for an answer that may be under way.
    runtime.shutdown_background();
    result
}

/// One frame, as text.
async fn once(asking: Asking) -> anyhow::Result<String> {
    let mut seen = Seen::new(asking.symbols());
    seen.take(0, asking.ask(0).await);
    if let Some(problem) = &seen.problem {
        return Err(anyhow!("{problem}"));
    }
    let mut buffer = Buffer::empty(PLAIN);
    View { seen: &seen, chosen: 0 }.render(PLAIN, &mut buffer);
    Ok(view::text(&buffer))
}

/// Keeps what is shown up to date, for as long as anybody looks; asks less often while nobody answers.
async fn follow(asking: Asking, chosen: watch::Receiver<usize>, shown: watch::Sender<Seen>) {
    let mut wait = REFRESH_EVERY;
    while !shown.is_closed() {
        let index = *chosen.borrow();
        let asked = asking.ask(index).await;
        wait = if asked.is_ok() { REFRESH_EVERY } else { (wait * 2).min(ASK_AGAIN_MAX) };
        shown.send_modify(|seen| seen.take(index, asked));
        sleep(wait).await;
    }
}

fn show(
    terminal: &mut DefaultTerminal,
    seen: &watch::Receiver<Seen>,
    choose: &watch::Sender<usize>,
    count: usize,
) -> anyhow::Result<()> {
    loop {
        let chosen = *choose.borrow();
        terminal.draw(|frame| frame.render_widget(View { seen: &seen.borrow(), chosen }, frame.area()))?;
        if !event::poll(REFRESH_EVERY)? {
            continue;
        }
        match event::read()? {
            Event::Key(key) if key.kind == KeyEventKind::Press => match pressed(key) {
                Some(Pressed::Quit) => return Ok(()),
                Some(Pressed::Next) => drop(choose.send_replace((chosen + 1) % count)),
                Some(Pressed::Previous) => drop(choose.send_replace((chosen + count - 1) % count)),
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
}

fn pressed(key: KeyEvent) -> Option<Pressed> {
    match key.code {
        KeyCode::Char('c') if key.modifiers.contains(KeyModifiers::CONTROL) => Some(Pressed::Quit),
        KeyCode::Char('q') | KeyCode::Esc => Some(Pressed::Quit),
        KeyCode::Tab | KeyCode::Right | KeyCode::Down => Some(Pressed::Next),
        KeyCode::BackTab | KeyCode::Left | KeyCode::Up => Some(Pressed::Previous),
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
        assert_eq!(of(KeyCode::Char('c')), None);
        let interrupt = KeyEvent::new(KeyCode::Char('c'), KeyModifiers::CONTROL);
        assert_eq!(pressed(interrupt), Some(Pressed::Quit));
    }
}
