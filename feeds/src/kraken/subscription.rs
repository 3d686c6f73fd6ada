//! One subscription of one symbol: asked for until it is answered, and again when it went wrong.

use super::{Depth, Version};
use serde_json::{Value, json};
use tidegate_core::{Family, Nanos};

/// How long the venue may take to answer, and how long a failed subscription rests.
pub(super) const WAIT: Nanos = Nanos::new(5 * Nanos::SECOND.raw());

/// Requests that may stay unanswered, before the connection is given up.
const TRIES_MAX: u8 = 3;

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
        let depth = depth.levels();
        let request = match (version, self) {
            (Version::V1, channel) => json!({
                "event": method, "pair": [symbol], "reqid": number,
                "subscription": match channel {
                    Channel::Book => json!({ "name": "book", "depth": depth }),
                    Channel::Trade => json!({ "name": "trade" }),
                    Channel::Ticker => json!({ "name": "ticker" }),
                },
            }),
            (Version::V2, Channel::Book) => v2(method, number, json!({ "channel": "book", "symbol": [symbol], "depth": depth })),
            // The snapshot repeats the latest trades, which may heal what a lost connection missed.
            (Version::V2, Channel::Trade) => {
                v2(method, number, json!({ "channel": "trade", "symbol": [symbol], "snapshot": true }))
            }
            // Every change of the best bid and ask, not only trades.
            (Version::V2, Channel::Ticker) => {
                v2(method, number, json!({ "channel": "ticker", "symbol": [symbol], "event_trigger": "bbo" }))
            }
        };
        request.to_string()
    }
}

fn v2(method: &str, number: u64, params: Value) -> Value {
    json!({ "method": method, "params": params, "req_id": number })
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
    /// Requests since the last answer.
    tries: u8,
    /// Wrong checksums since the last right one.
    failures: u32,
}

impl Subscription {
    pub fn new(channel: Channel) -> Subscription {
        Subscription { channel, is_on: false, due: None, request: None, tries: 0, failures: 0 }
    }

    /// Takes note of a request; true where the venue may hold a subscription already, which must end first.
    pub fn ask(&mut self, request: u64, now: Nanos) -> bool {
        let may_stand = self.is_on || self.tries > 0;
        self.request = Some(request);
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
        if is_ok && self.channel != Channel::Book {
            self.due = None;
        }
    }

    /// What was asked for has come.
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
