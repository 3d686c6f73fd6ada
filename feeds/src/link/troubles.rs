//! What a person should know of a connection and cannot see in the state of its books: said once, and shown while it lasts.

use std::collections::BTreeMap;

/// Things that are shown at the same time.
const TROUBLES_MAX: usize = 64;

/// What is wrong, by what it is about.
#[derive(Debug, Default)]
pub(super) struct Troubles {
    lines: BTreeMap<String, String>,
    has_changed: bool,
}

impl Troubles {
    /// Something is wrong, and is said in `line`, where nothing was so far.
    pub fn set(&mut self, about: &str, line: impl FnOnce() -> String) {
        if !self.lines.contains_key(about) {
            self.replace(about, line());
        }
    }

    /// Something is wrong, whatever was so far. What is new is logged.
    pub fn replace(&mut self, about: &str, line: String) {
        let known = self.lines.get(about);
        if known == Some(&line) || (known.is_none() && self.lines.len() >= TROUBLES_MAX) {
            return;
        }
        tracing::warn!("{line}");
        self.lines.insert(about.to_owned(), line);
        self.has_changed = true;
    }

    /// It is over.
    pub fn clear(&mut self, about: &str) {
        self.has_changed |= self.lines.remove(about).is_some();
    }

    /// All that is wrong, where that has changed since the last call.
    pub fn take(&mut self) -> Option<Vec<String>> {
        std::mem::take(&mut self.has_changed).then(|| self.lines.values().cloned().collect())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_changes_is_told_once_and_no_more_than_a_few_are_kept() {
        let mut troubles = Troubles::default();
        assert_eq!(troubles.take(), None);
        troubles.set("A", || "gone".to_owned());
        troubles.set("A", || unreachable!());
        assert_eq!(troubles.take(), Some(vec!["gone".to_owned()]));
        troubles.replace("A", "gone".to_owned());
        troubles.clear("B");
        assert_eq!(troubles.take(), None);
        troubles.clear("A");
        assert_eq!(troubles.take(), Some(Vec::new()));
        for number in 0..100 {
            troubles.set(&number.to_string(), || "gone".to_owned());
        }
        assert_eq!(troubles.take().map(|lines| lines.len()), Some(TROUBLES_MAX));
    }
}
