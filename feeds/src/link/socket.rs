//! One socket as the link sees it: open or not, when it last spoke, what waits to be sent.

use super::{Budget, Io, Limits, Rate};
use std::collections::VecDeque;
use tidegate_core::Nanos;

/// Messages that wait for the venue's budget.
const OUTBOX_MAX: usize = 1_024;

#[derive(Debug)]
pub(super) struct Socket {
    generation: u64,
    /// When an attempt to open it is given up.
    open_until: Nanos,
    opened: Option<Nanos>,
    /// When anything at all arrived, a pong included.
    lived: Nanos,
    /// When the first and the latest message arrived.
    heard: Option<(Nanos, Nanos)>,
    pinged: Nanos,
    /// A ping that nothing has followed yet.
    unanswered: Option<Nanos>,
    budget: Budget,
    outbox: VecDeque<String>,
    send_at: Option<Nanos>,
}

impl Socket {
    pub fn new(generation: u64, open_until: Nanos, messages: Rate) -> Socket {
        Socket {
            generation,
            open_until,
            opened: None,
            lived: Nanos::ZERO,
            heard: None,
            pinged: Nanos::ZERO,
            unanswered: None,
            budget: Budget::new(messages),
            outbox: VecDeque::new(),
            send_at: None,
        }
    }

    pub fn generation(&self) -> u64 {
        self.generation
    }

    pub fn is_open(&self) -> bool {
        self.opened.is_some()
    }

    pub fn opened(&self) -> Option<Nanos> {
        self.opened
    }

    pub fn open(&mut self, now: Nanos) {
        (self.opened, self.lived, self.pinged) = (Some(now), now, now);
    }

    pub fn live(&mut self, now: Nanos) {
        self.lived = now;
        self.unanswered = None;
    }

    pub fn hear(&mut self, now: Nanos) {
        self.live(now);
        self.heard = Some((self.heard.map_or(now, |(first, _)| first), now));
    }

    pub fn has_delivered(&self) -> bool {
        self.heard.is_some()
    }

    /// How long messages came.
    pub fn delivered_for(&self) -> Nanos {
        self.heard.map_or(Nanos::ZERO, |(first, latest)| latest.since(first))
    }

    /// When it is dead unless something arrives before.
    pub fn death(&self, limits: &Limits) -> Nanos {
        if self.opened.is_none() {
            return self.open_until;
        }
        let silence = self.lived.plus(limits.silence_max);
        let patience = Nanos::new(limits.silence_max.raw() / 2);
        self.unanswered.map_or(silence, |pinged| silence.min(pinged.plus(patience)))
    }

    pub fn next_timeout(&self, limits: &Limits) -> Option<Nanos> {
        let ping = self.opened.map(|_| self.pinged.plus(limits.ping_every));
        ping.into_iter().chain(self.send_at).chain([self.death(limits)]).min()
    }

    pub fn queue(&mut self, text: String) {
        // A session asks again for what nobody answers.
        if self.outbox.len() < OUTBOX_MAX {
            self.outbox.push_back(text);
        }
    }

    /// Sends what the venue allows: pings first, as the connection's life hangs on them.
    pub fn send(&mut self, now: Nanos, limits: &Limits, io: &mut VecDeque<Io>) {
        self.send_at = None;
        if self.opened.is_none() {
            return;
        }
        if self.pinged.plus(limits.ping_every) <= now {
            match self.budget.take(now) {
                Ok(()) => {
                    self.pinged = now;
                    self.unanswered.get_or_insert(now);
                    io.push_back(Io::Ping(self.generation));
                }
                Err(again) => return self.send_at = Some(again),
            }
        }
        while !self.outbox.is_empty() {
            if let Err(again) = self.budget.take(now) {
                return self.send_at = Some(again);
            }
            io.extend(self.outbox.pop_front().map(|text| Io::Send(self.generation, text)));
        }
    }
}
