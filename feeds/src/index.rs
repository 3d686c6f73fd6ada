//! Who is in which index: dated lists that are built in.

use jiff::civil::Date;
use serde::Deserialize;

/// The members on which the simulated index stands.
const NIFTY_2025_06: &str = include_str!("../../data/index/nifty50-2025-06-30.toml");
/// The latest members.
const NIFTY_2025_09: &str = include_str!("../../data/index/nifty50-2025-09-30.toml");

/// The members of an index as of one day.
#[derive(Clone, Debug)]
pub struct IndexList {
    /// The index's key.
    pub key: String,
    /// The index's name.
    pub name: String,
    /// The day on which they were its members.
    pub as_of: Date,
    /// Key and company of each, in the order of their keys.
    pub members: Vec<(String, String)>,
}

/// Why a list cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum IndexError {
    /// Not TOML of this shape.
    #[error("index file: {0}")]
    Toml(#[from] toml::de::Error),
    /// No date.
    #[error("index file of {key}: field as_of is not a date: {value:?}")]
    AsOf {
        /// Whose.
        key: String,
        /// What it says.
        value: String,
    },
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct File {
    /// Where the list comes from; read by people.
    #[serde(rename = "source")]
    _source: String,
    as_of: String,
    index: String,
    name: String,
    member: Vec<Row>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Row {
    key: String,
    name: String,
}

impl IndexList {
    /// The NIFTY 50 as the simulated market has it.
    ///
    /// # Errors
    /// [`IndexError`] where the built-in file is wrong, which a test rules out.
    pub fn simulated() -> Result<IndexList, IndexError> {
        IndexList::parse(NIFTY_2025_06)
    }

    /// The NIFTY 50 of the latest day that a file knows.
    ///
    /// # Errors
    /// [`IndexError`] where the built-in file is wrong, which a test rules out.
    pub fn latest() -> Result<IndexList, IndexError> {
        IndexList::parse(NIFTY_2025_09)
    }

    pub(crate) fn parse(text: &str) -> Result<IndexList, IndexError> {
        let File { as_of, index: key, name, member, .. } = toml::from_str(text)?;
        let Ok(date) = as_of.parse() else { return Err(IndexError::AsOf { key, value: as_of }) };
        let members = member.into_iter().map(|Row { key, name }| (key, name)).collect();
        Ok(IndexList { key, name, as_of: date, members })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::BTreeSet;

    #[test]
    fn two_members_came_and_two_went_between_the_lists() {
        let [before, after] = [IndexList::simulated(), IndexList::latest()].map(Result::unwrap);
        let keys = |list: &IndexList| list.members.iter().map(|(key, _)| key.clone()).collect::<BTreeSet<_>>();
        let (left, joined) = (keys(&before), keys(&after));
        assert_eq!((left.len(), joined.len()), (50, 50));
        assert!(left.difference(&joined).eq(["NSE:HEROMOTOCO", "NSE:INDUSINDBK"]));
        assert!(joined.difference(&left).eq(["NSE:INDIGO", "NSE:MAXHEALTH"]));
        assert_eq!(
            (before.as_of.to_string(), after.as_of.to_string()),
            ("2025-06-30".to_owned(), "2025-09-30".to_owned())
        );
        assert!(after.members.is_sorted() && before.members.is_sorted());
    }

    #[test]
    fn a_list_without_a_date_is_refused() {
        let message = IndexList::parse(&NIFTY_2025_06.replace("2025-06-30\"", "soon\"")).unwrap_err().to_string();
        assert!(message.contains("NSE:NIFTY") && message.contains("as_of"), "{message}");
    }
}
