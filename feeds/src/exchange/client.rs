//! One client of the exchange: what waits to be said to it, within a bound, and what goes wrong on the way.

use super::Socket;
use super::faults::{Fault, Plan};
use futures::stream::SplitSink;
use futures::{FutureExt, SinkExt};
use std::collections::VecDeque;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use tidegate_core::Nanos;
use tokio::sync::{Notify, watch};
use tokio_tungstenite::tungstenite::Message;

/// A connection that hangs half open is forgotten after so long.
const HANGS_MAX: Nanos = Nanos::new(60 * Nanos::SECOND.raw());

/// How a connection stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Life {
    /// Both sides speak.
    Open,
    /// The socket is there, and nobody at it.
    Hanging,
    /// It is over.
    Over,
}

/// What waits for a client's socket.
#[derive(Debug)]
pub(super) struct Mailbox {
    waiting: Mutex<Waiting>,
    /// There may be something to take.
    filled: Notify,
    life: watch::Sender<Life>,
    messages_max: usize,
}

#[derive(Debug, Default)]
struct Waiting {
    messages: VecDeque<Message>,
    is_held: bool,
}

impl Mailbox {
    fn new(messages_max: usize) -> Mailbox {
        let (waiting, life) = (Mutex::default(), watch::Sender::new(Life::Open));
        Mailbox { waiting, filled: Notify::new(), life, messages_max }
    }

    /// Puts a message in; false where there is no room.
    fn push(&self, message: Message) -> bool {
        let mut waiting = self.waiting();
        if waiting.messages.len() >= self.messages_max {
            return false;
        }
        waiting.messages.push_back(message);
        drop(waiting);
        self.filled.notify_one();
        true
    }

    fn len(&self) -> usize {
        self.waiting().messages.len()
    }

    /// True where nobody is at the socket any more, though it is still there.
    pub(super) fn is_hanging(&self) -> bool {
        *self.life.borrow() == Life::Hanging
    }

    /// Lets nothing out, or everything again.
    fn hold(&self, is_held: bool) {
        self.waiting().is_held = is_held;
        self.filled.notify_one();
    }

    fn end(&self, life: Life) {
        *self.waiting() = Waiting { is_held: true, ..Waiting::default() };
        self.life.send_if_modified(|now| std::mem::replace(now, life.max(*now)) < life);
    }

    /// Waits for messages and takes all that are there.
    pub(super) async fn take(&self) -> VecDeque<Message> {
        loop {
            {
                let mut waiting = self.waiting();
                if !waiting.is_held && !waiting.messages.is_empty() {
                    return std::mem::take(&mut waiting.messages);
                }
            }
            self.filled.notified().await;
        }
    }

    /// Writes what comes to the socket, until that fails or the last word is said.
    pub(super) async fn write(&self, socket: &mut SplitSink<Socket, Message>) {
        loop {
            for message in self.take().await {
                let is_last = matches!(message, Message::Close(_));
                if socket.feed(message).await.is_err() || is_last {
                    return drop(socket.flush().now_or_never());
                }
            }
            if socket.flush().await.is_err() {
                return;
            }
        }
    }

    /// Waits until the connection stands so, or worse.
    pub(super) async fn wait_for(&self, life: Life) {
        // The sender is here: it cannot go before.
        drop(self.life.subscribe().wait_for(|now| *now >= life).await);
    }

    fn waiting(&self) -> MutexGuard<'_, Waiting> {
        self.waiting.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// The exchange's end of one connection.
#[derive(Debug)]
pub(super) struct Client {
    mailbox: Arc<Mailbox>,
    plan: Plan,
    /// A message that lets the next one go first.
    swapped: Option<Message>,
    held_until: Option<Nanos>,
    hangs_until: Option<Nanos>,
    is_mute: bool,
    reads_late_by: Nanos,
    /// When anything was said last.
    said_at: Nanos,
}

impl Client {
    /// A client that has come at `now`.
    pub(super) fn new(now: Nanos, plan: Plan, messages_max: usize) -> Client {
        Client {
            mailbox: Arc::new(Mailbox::new(messages_max)),
            plan,
            swapped: None,
            held_until: None,
            hangs_until: None,
            is_mute: false,
            reads_late_by: Nanos::ZERO,
            said_at: now,
        }
    }

    /// Its mailbox, for whoever has its socket.
    pub(super) fn mailbox(&self) -> Arc<Mailbox> {
        Arc::clone(&self.mailbox)
    }

    /// When anything was said to it last.
    pub(super) fn said_at(&self) -> Nanos {
        self.said_at
    }

    /// Messages that wait for its socket.
    pub(super) fn waiting(&self) -> usize {
        self.mailbox.len()
    }

    /// Says something about the connection. Whoever does not take in what is said to him is sent away.
    pub(super) fn answer(&mut self, now: Nanos, message: Message) {
        if self.is_mute {
            return;
        }
        self.said_at = now;
        if !self.mailbox.push(message) {
            self.end(Life::Over);
        }
    }

    /// Says something about the market, or has that go wrong; `farewell` is what the venue says before it goes.
    pub(super) fn tell(&mut self, now: Nanos, message: Message, farewell: Option<fn(Nanos) -> String>) {
        let early = match self.plan.next_message() {
            None => Some(message),
            Some(Fault::Duplicate) => {
                self.answer(now, message.clone());
                Some(message)
            }
            Some(Fault::Reorder) => return self.swap(now, message),
            Some(Fault::Delay(by)) => {
                self.mailbox.hold(true);
                self.held_until = Some(now.plus(by));
                Some(message)
            }
            Some(Fault::Truncate) => Some(cut(&message)),
            Some(Fault::Checksum) => Some(falsify(message)),
            Some(Fault::Mute) => {
                self.is_mute = true;
                None
            }
            Some(Fault::HalfOpen) => {
                self.hangs_until = Some(now.plus(HANGS_MAX));
                self.end(Life::Hanging);
                None
            }
            Some(Fault::Shutdown) => {
                let farewell = farewell.map(|words| Message::text(words(now))).into_iter();
                farewell.chain([Message::Close(None)]).for_each(|word| self.answer(now, word));
                self.is_mute = true;
                None
            }
            Some(Fault::Drop | Fault::Refuse | Fault::Ignore | Fault::SlowReads(_)) => None,
        };
        for message in early.into_iter().chain(self.swapped.take()) {
            self.answer(now, message);
        }
    }

    /// A request has come: what befalls it.
    pub(super) fn request_fault(&mut self) -> Option<Fault> {
        let fault = self.plan.next_request();
        if let Some(Fault::SlowReads(by)) = fault {
            self.reads_late_by = by;
        }
        fault
    }

    /// How late its requests are read.
    pub(super) fn reads_late_by(&self) -> Nanos {
        self.reads_late_by
    }

    /// Time has passed.
    pub(super) fn pass(&mut self, now: Nanos) {
        if self.held_until.take_if(|until| *until <= now).is_some() {
            self.mailbox.hold(false);
        }
        if self.hangs_until.take_if(|until| *until <= now).is_some() {
            self.end(Life::Over);
        }
    }

    fn swap(&mut self, now: Nanos, message: Message) {
        if let Some(late) = self.swapped.replace(message) {
            self.answer(now, late);
        }
    }

    fn end(&mut self, life: Life) {
        self.is_mute = true;
        self.held_until = None;
        self.mailbox.end(life);
    }
}

/// A message with another checksum, where it has one.
fn falsify(message: Message) -> Message {
    const NAME: &str = r#""checksum":"#;
    let Message::Text(text) = &message else { return message };
    let Some((before, after)) = text.split_once(NAME) else { return message };
    let end = after.find(|c: char| !c.is_ascii_digit()).unwrap_or(after.len());
    let other = after[..end].parse().unwrap_or(0u32) ^ 1;
    Message::text(format!("{before}{NAME}{other}{}", &after[end..]))
}

/// The first half of a message.
fn cut(message: &Message) -> Message {
    match message {
        // All texts of the venues are ASCII.
        Message::Text(text) => Message::text(text.get(..text.len() / 2).unwrap_or_default()),
        Message::Binary(bytes) => Message::Binary(bytes.slice(..bytes.len() / 2)),
        other => other.clone(),
    }
}
