//! The instruments by the keys that people and agents write.
//!
//! Whoever runs a session or reads a recording fills it before the engine hears of an instrument; the
//! engine's thread never touches it.

use dashmap::DashMap;
use dashmap::mapref::entry::Entry;
use std::collections::HashMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};
use tidegate_core::{Instrument, InstrumentId};

// Longer text is no key; comparing it letter by letter with every key would be work for nothing.
const NEAREST_CHARS_MAX: usize = 64;

/// Keys to instruments: `BINANCE:BTCUSDT` for the primary source, `BINANCE:BTCUSDT@BINANCE` for one.
#[derive(Debug, Default)]
pub struct Directory {
    by_key: DashMap<String, (InstrumentId, Arc<Instrument>)>,
    /// One above the highest id there is.
    next_id: AtomicU32,
}

/// An instrument as it is listed.
#[derive(Clone, Debug)]
pub struct Listed {
    /// The shortest key that names it.
    pub key: String,
    /// Its id.
    pub id: InstrumentId,
    /// What is known of it.
    pub instrument: Arc<Instrument>,
}

impl Directory {
    /// Adds an instrument. The first source of a key is its primary one; a repeated definition of
    /// the same source replaces the earlier one.
    pub fn insert(&self, id: InstrumentId, instrument: Instrument) {
        self.next_id.fetch_max(id.0.saturating_add(1), Ordering::Relaxed);
        let instrument = Arc::new(instrument);
        self.by_key.insert(instrument.to_string(), (id, Arc::clone(&instrument)));
        match self.by_key.entry(instrument.key.clone()) {
            Entry::Occupied(mut known) if known.get().1.source == instrument.source => {
                known.insert((id, instrument));
            }
            Entry::Occupied(_) => {}
            Entry::Vacant(free) => {
                free.insert((id, instrument));
            }
        }
    }

    /// The instrument that `key` or `key@source` names, letter by letter.
    pub fn resolve(&self, key: &str) -> Option<(InstrumentId, Arc<Instrument>)> {
        self.by_key.get(key).map(|entry| entry.value().clone())
    }

    /// An id that no instrument has.
    pub fn unused_id(&self) -> InstrumentId {
        InstrumentId(self.next_id.fetch_add(1, Ordering::Relaxed))
    }

    /// The known key that was most likely meant, if any is near enough.
    pub fn nearest(&self, text: &str) -> Option<String> {
        let wanted: String = text.trim().chars().take(NEAREST_CHARS_MAX).flat_map(char::to_uppercase).collect();
        let nearest = self.by_key.iter().map(|entry| (distance(&wanted, entry.key()), entry.key().clone())).min()?;
        // Half of the letters wrong is another name, not a slip.
        (nearest.0 * 2 <= wanted.chars().count()).then_some(nearest.1)
    }

    /// Every instrument once, sorted by its key; with its source where that is not the key's primary one.
    pub fn listed(&self) -> Vec<Listed> {
        // Collected first: asking a DashMap while iterating over it may lock it for good.
        let entries: Vec<(String, (InstrumentId, Arc<Instrument>))> =
            self.by_key.iter().map(|entry| (entry.key().clone(), entry.value().clone())).collect();
        let primary: HashMap<String, InstrumentId> =
            entries.iter().filter(|(key, (_, it))| *key == it.key).map(|(key, (id, _))| (key.clone(), *id)).collect();
        let is_short = |key: &str, id, it: &Instrument| key == it.key || primary.get(&it.key) != Some(&id);
        let mut listed: Vec<Listed> = entries
            .into_iter()
            .filter(|(key, (id, instrument))| is_short(key, *id, instrument))
            .map(|(key, (id, instrument))| Listed { key, id, instrument })
            .collect();
        listed.sort_unstable_by(|a, b| a.key.cmp(&b.key));
        listed
    }

    /// Every key of [`Directory::listed`].
    pub fn keys(&self) -> Vec<String> {
        self.listed().into_iter().map(|listed| listed.key).collect()
    }
}

/// Slips of the keyboard between `wanted` and `key`; none where only the market is left out, one
/// where a part of the key was given.
fn distance(wanted: &str, key: &str) -> usize {
    const PART_CHARS_MIN: usize = 3;
    let symbol = key.rsplit(':').next().unwrap_or(key);
    if wanted == key || wanted == symbol {
        0
    } else if wanted.len() >= PART_CHARS_MIN && key.contains(wanted) {
        1
    } else {
        strsim::damerau_levenshtein(wanted, key)
    }
}

#[cfg(test)]
pub(crate) mod tests {
    use super::*;
    use tidegate_core::{Price, Qty, Settlement, Terms};

    /// An instrument for the tests of this crate.
    pub fn btcusdt() -> Instrument {
        Instrument {
            key: "BINANCE:BTCUSDT".to_owned(),
            source: "BINANCE".to_owned(),
            tick: Price::from_raw(10_000_000),
            lot: Qty::from_raw(1_000),
            multiplier: Qty::from_raw(100_000_000),
            settlement: Settlement::Linear,
            base: "BTC".to_owned(),
            quote: "USDT".to_owned(),
            price_decimals: 8,
            qty_decimals: 8,
            terms: Terms::default(),
            master_epoch_days: None,
        }
    }

    /// A directory of two Binance instruments, one of them with a second source.
    pub fn directory() -> Directory {
        let directory = Directory::default();
        directory.insert(InstrumentId(0), btcusdt());
        directory.insert(InstrumentId(1), Instrument { key: "BINANCE:ETHUSDT".to_owned(), ..btcusdt() });
        directory.insert(InstrumentId(2), Instrument { source: "SIM".to_owned(), ..btcusdt() });
        directory
    }

    #[test]
    fn the_first_source_answers_unless_one_is_named() {
        let directory = directory();
        let id = |key: &str| directory.resolve(key).map(|(id, _)| id.0);
        assert_eq!(id("BINANCE:BTCUSDT"), Some(0));
        assert_eq!(id("BINANCE:BTCUSDT@BINANCE"), Some(0));
        assert_eq!(id("BINANCE:BTCUSDT@SIM"), Some(2));
        assert_eq!(id("BINANCE:BTCUSDT@KITE"), None);
        assert_eq!(id("binance:btcusdt"), None, "keys are exact; nearest() helps");
        assert_eq!(directory.keys(), ["BINANCE:BTCUSDT", "BINANCE:BTCUSDT@SIM", "BINANCE:ETHUSDT"]);
        assert_eq!((directory.unused_id().0, directory.unused_id().0), (3, 4));
    }

    #[test]
    fn a_new_definition_replaces_the_old_one_of_its_source_only() {
        let directory = directory();
        directory.insert(InstrumentId(0), Instrument { lot: None, ..btcusdt() });
        directory.insert(InstrumentId(2), Instrument { source: "SIM".to_owned(), tick: None, ..btcusdt() });
        assert_eq!(directory.resolve("BINANCE:BTCUSDT").unwrap().1.lot, None);
        assert!(directory.resolve("BINANCE:BTCUSDT").unwrap().1.tick.is_some());
    }

    #[test]
    fn slips_find_the_key_that_was_meant_and_noise_finds_none() {
        let directory = directory();
        for (text, expect) in [
            ("binance:btcusdt", Some("BINANCE:BTCUSDT")),
            ("BTCUSDT", Some("BINANCE:BTCUSDT")),
            ("BINANCE:BTCUSD", Some("BINANCE:BTCUSDT")),
            ("BINANCE:BTCSUDT", Some("BINANCE:BTCUSDT")),
            ("ETH", Some("BINANCE:ETHUSDT")),
            (" BINANCE:ETHUSDT ", Some("BINANCE:ETHUSDT")),
            ("NSE:INFY", None),
            ("", None),
        ] {
            assert_eq!(directory.nearest(text).as_deref(), expect, "{text:?}");
        }
        assert_eq!(directory.nearest(&"é".repeat(1_000_000)), None);
        assert_eq!(Directory::default().nearest("BTCUSDT"), None);
    }
}
