//! One subscription of one symbol: asked for until it is answered, and again when it went wrong.

use super::{Depth, Version};
use serde_json::json;
use tidegate_core::{Family, Nanos};

/// How long the venue may take to answer, and how long a failed subscription rests.
pub(super) const WAIT: Nanos = Nanos::new(5 * Nanos::SECOND.raw());

/// Requests that may stay unanswered, before the connection is given up.
const TRIES_MAX: u8 = 3;

/// Begins a subscription, or ends it: the same word in both versions.
pub(super) const SUBSCRIBE: &str = "subscribe";
pub(super) const UNSUBSCRIBE: &str = "unsubscribe";

/// A channel that a session reads.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Channel {
    Book,
    Trade,
    Ticker,
}

impl Channel {
    pub const fn family(self) -> Family {
        match self {
            Channel::Book => Family::Book,
            Channel::Trade => Family::Trades,
            Channel::Ticker => Family::Quotes,
        }
    }

    /// The request that begins or ends a subscription.
    pub fn request(self, method: &str, settings: (Version, Depth), symbol: &str, number: u64) -> String {
        let (version, depth) = settings;
        let (name, mut subscription) = match self {
            Channel::Book => ("book", json!({ "depth": depth.levels() })),
            // The snapshot repeats the latest trades, which may heal what a lost connection missed.
            Channel::Trade if method == SUBSCRIBE => ("trade", json!({ "snapshot": true })),
            Channel::Trade => ("trade", json!({})),
            // Every change of the best bid and ask, not only trades.
            Channel::Ticker => ("ticker", json!({ "event_trigger": "bbo" })),
        };
        let request = match version {
            Version::V1 => {
                subscription["name"] = name.into();
                json!({ "event": method, "pair": [symbol], "subscription": subscription, "reqid": number })
            }
            Version::V2 => {
                subscription["channel"] = name.into();
                subscription["symbol"] = json!([symbol]);
                json!({ "method": method, "params": subscription, "req_id": number })
            }
        };
        request.to_string()
    }
}

/// How things stand with one subscription.
#[derive(Clone, Debug)]
pub(super) struct Subscription {
    pub channel: Channel,
    /// The market has been told that the family is delivered.
    pub is_on: bool,
    /// When to ask again, while something is missing.
    pub due: Option<Nanos>,
    /// Number of the latest request.
    request: Option<u64>,
    /// The venue has agreed to the latest request.
    is_answered: bool,
    /// What was asked for has come since: by itself it may be the answer to an earlier request.
    has_come: bool,
    /// Requests since the last answer.
    tries: u8,
    /// Wrong checksums since the last right one.
    failures: u32,
}

impl Subscription {
    pub fn new(channel: Channel) -> Subscription {
        Subscription {
            channel,
            is_on: false,
            due: None,
            request: None,
            is_answered: false,
            has_come: false,
            tries: 0,
            failures: 0,
        }
    }

    /// Takes note of a request; true where the venue may hold a subscription already, which must end first.
    pub fn ask(&mut self, request: u64, now: Nanos) -> bool {
        let may_stand = self.is_on || self.tries > 0;
        self.request = Some(request);
        (self.is_answered, self.has_come) = (false, false);
        self.tries += 1;
        self.due = Some(now.plus(WAIT));
        may_stand
    }

    /// True where the venue has left every request unanswered.
    pub fn is_unanswered(&self) -> bool {
        self.tries >= TRIES_MAX
    }

    /// True where this request is the latest.
    pub fn is_asked_by(&self, request: Option<u64>) -> bool {
        request.is_some() && self.request == request
    }

    /// The venue answers. A refusal is tried again when it is due; a book is only there with its snapshot.
    pub fn answer(&mut self, is_ok: bool) {
        self.tries = 0;
        self.is_answered = is_ok;
        if is_ok && (self.has_come || self.channel != Channel::Book) {
            self.settle();
        }
    }

    /// A message of the channel has come, of a book its snapshot. An earlier request may have brought it, and
    /// the latest may still be refused: only its answer ends the wait.
    pub fn arrive(&mut self) {
        self.has_come = true;
        if self.is_answered || self.request.is_none() {
            self.settle();
        }
    }

    /// Nothing is waited for.
    pub fn settle(&mut self) {
        (self.due, self.tries) = (None, 0);
    }

    /// A change has proved the book.
    pub fn succeed(&mut self) {
        self.failures = 0;
    }

    /// The book is wrong: true where a new snapshot is to be asked for at once, and not after a rest.
    pub fn fail(&mut self, now: Nanos) -> bool {
        self.failures = self.failures.saturating_add(1);
        (self.due, self.tries) = (Some(now.plus(WAIT)), 0);
        self.failures == 1
    }

    /// The connection is gone, or another is open.
    pub fn forget(&mut self) {
        *self = Subscription::new(self.channel);
    }
}
