//! The latest trades of a stream, for whoever asks what has just been traded.

use crate::stream::LastTrade;
use std::collections::VecDeque;

/// The latest trades, at most [`crate::Bounds::trades_max`], with no hole between them: where one was missed, it
/// begins anew.
///
/// A convenience of readers. It is part of neither the digest nor the head, so it is empty after a restart and
/// fills with what is traded from then on.
#[derive(Clone, Debug)]
pub struct RecentTrades {
    trades: VecDeque<LastTrade>,
    trades_max: usize,
}

impl RecentTrades {
    /// Room for `trades_max` trades, at once: no trade allocates.
    pub(crate) fn new(trades_max: usize) -> RecentTrades {
        RecentTrades { trades: VecDeque::with_capacity(trades_max), trades_max }
    }

    pub(crate) fn push(&mut self, trade: LastTrade) {
        if self.trades_max == 0 {
            return;
        }
        if self.trades.len() == self.trades_max {
            self.trades.pop_back();
        }
        self.trades.push_front(trade);
    }

    pub(crate) fn clear(&mut self) {
        self.trades.clear();
    }

    /// The trades, the latest first.
    pub fn iter(&self) -> impl ExactSizeIterator<Item = &LastTrade> {
        self.trades.iter()
    }
}
