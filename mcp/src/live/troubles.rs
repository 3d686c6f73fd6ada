//! What is wrong with connections, as they say it themselves: for whoever asks how things stand.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, PoisonError};

/// The troubles of every connection; clones share them.
#[derive(Clone, Debug, Default)]
pub struct Troubles(Arc<Mutex<BTreeMap<usize, Vec<String>>>>);

impl Troubles {
    /// All that is wrong with a connection now.
    pub fn set(&self, connection: usize, lines: Vec<String>) {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).insert(connection, lines);
    }

    /// All that is wrong, a line each.
    pub fn lines(&self) -> Vec<String> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).values().flatten().cloned().collect()
    }
}
