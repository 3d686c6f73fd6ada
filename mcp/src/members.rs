//! Who is in which index, and the names of companies: dated facts that an instrument itself does not carry.

use std::collections::BTreeMap;
use tidegate_core::Instrument;
use tidegate_feeds::index::{IndexError, IndexList};
use tidegate_feeds::sim::SOURCE as SIMULATED;

/// What is known of an instrument besides its own facts.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Member {
    /// The company's or the index's name.
    pub name: String,
    /// The index that it is a member of; `None` of an index.
    pub index: Option<String>,
}

/// Members and indices by key: those of the simulated market, and those of the latest day that a list names.
#[derive(Clone, Debug, Default)]
pub struct Members {
    simulated: BTreeMap<String, Member>,
    latest: BTreeMap<String, Member>,
}

impl Members {
    /// What the built-in files name.
    ///
    /// # Errors
    /// [`IndexError`] where a built-in file is wrong, which a test rules out.
    pub fn built_in() -> Result<Members, IndexError> {
        Ok(Members { simulated: by_key(IndexList::simulated()?), latest: by_key(IndexList::latest()?) })
    }

    /// What is known of an instrument.
    pub fn of(&self, instrument: &Instrument) -> Option<&Member> {
        let members = if instrument.source == SIMULATED { &self.simulated } else { &self.latest };
        members.get(&instrument.key)
    }
}

fn by_key(list: IndexList) -> BTreeMap<String, Member> {
    let IndexList { key, name, members, .. } = list;
    let of = |(company, name)| (company, Member { name, index: Some(key.clone()) });
    let mut by_key: BTreeMap<String, Member> = members.into_iter().map(of).collect();
    by_key.insert(key, Member { name, index: None });
    by_key
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::directory::tests::btcusdt;

    #[test]
    fn members_have_a_name_and_their_index() {
        let members = Members::built_in().unwrap();
        let of = |key: &str, source: &str| {
            members.of(&Instrument { key: key.to_owned(), source: source.to_owned(), ..btcusdt() }).cloned()
        };
        let infosys = Member { name: "Infosys".to_owned(), index: Some("NSE:NIFTY".to_owned()) };
        for source in [SIMULATED, "KITE"] {
            assert_eq!(of("NSE:INFY", source), Some(infosys.clone()));
            assert_eq!(of("NSE:NIFTY", source).unwrap().index, None);
            assert_eq!(of("BINANCE:BTCUSDT", source), None);
        }
        assert_eq!((of("NSE:INDIGO", SIMULATED), of("NSE:INDUSINDBK", "ANGEL")), (None, None));
        assert!(of("NSE:INDIGO", "ANGEL").is_some() && of("NSE:INDUSINDBK", SIMULATED).is_some());
    }
}
