//! Who is in which index, and the names of companies: dated facts that an instrument itself does not carry.

use std::collections::BTreeMap;
use tidegate_feeds::sim::{Universe, UniverseError};

/// What is known of an instrument besides its own facts.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Member {
    /// The company's or the index's name.
    pub name: String,
    /// The index that it is a member of; `None` of an index.
    pub index: Option<String>,
}

/// Members and indices by key.
#[derive(Clone, Debug, Default)]
pub struct Members {
    by_key: BTreeMap<String, Member>,
}

impl Members {
    /// What the built-in files name.
    ///
    /// # Errors
    /// [`UniverseError`] where a built-in file is wrong, which a test rules out.
    pub fn built_in() -> Result<Members, UniverseError> {
        let universe = Universe::built_in()?;
        let index = universe.index();
        let key = index.instrument.key.clone();
        let mut by_key = BTreeMap::from([(key.clone(), Member { name: index.name.clone(), index: None })]);
        for listing in &universe.listings()[..index.members()] {
            let name = listing.name.clone().unwrap_or_default();
            by_key.insert(listing.instrument.key.clone(), Member { name, index: Some(key.clone()) });
        }
        Ok(Members { by_key })
    }

    /// What is known of a key.
    pub fn of(&self, key: &str) -> Option<&Member> {
        self.by_key.get(key)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn members_have_a_name_and_their_index() {
        let members = Members::built_in().unwrap();
        let infosys = Member { name: "Infosys".to_owned(), index: Some("NSE:NIFTY".to_owned()) };
        assert_eq!(members.of("NSE:INFY"), Some(&infosys));
        assert_eq!(members.of("NSE:NIFTY").unwrap().index, None);
        assert_eq!(members.of("BINANCE:BTCUSDT"), None);
        assert_eq!(members.by_key.len(), 51);
    }
}
