//! A number of permits for everybody, of which nobody holds more than a share.

use crate::data_folder::clients::Principal;
use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, PoisonError};
use tokio::sync::{OwnedSemaphorePermit, Semaphore};

/// Permits, in all and for each principal.
///
/// Whoever has to wait does so for their own share first, and only then in the row for all: however many calls one
/// principal makes, another's stands behind no more of them than a share has permits.
#[derive(Debug)]
pub struct Shares {
    all: Arc<Semaphore>,
    share: usize,
    own: Mutex<BTreeMap<Principal, Arc<Semaphore>>>,
}

/// Permits that are held until this is dropped.
#[derive(Debug)]
pub struct Permits {
    _own: OwnedSemaphorePermit,
    _all: OwnedSemaphorePermit,
}

impl Shares {
    /// `all` permits, at most `share` of them for one principal.
    pub fn new(all: usize, share: usize) -> Shares {
        Shares { all: Arc::new(Semaphore::new(all)), share: share.min(all), own: Mutex::default() }
    }

    /// Most permits that one principal can hold.
    pub fn share(&self) -> usize {
        self.share
    }

    /// Waits for `count` permits, or for a whole share where that is less.
    pub async fn take(&self, who: &Principal, count: usize) -> Option<Permits> {
        let count = self.most(count);
        let own = self.of(who).acquire_many_owned(count).await.ok()?;
        let all = Arc::clone(&self.all).acquire_many_owned(count).await.ok()?;
        Some(Permits { _own: own, _all: all })
    }

    /// One permit, where there is one at once.
    pub fn try_take(&self, who: &Principal) -> Option<Permits> {
        let own = self.of(who).try_acquire_owned().ok()?;
        let all = Arc::clone(&self.all).try_acquire_owned().ok()?;
        Some(Permits { _own: own, _all: all })
    }

    fn most(&self, count: usize) -> u32 {
        u32::try_from(count.min(self.share)).unwrap_or(u32::MAX)
    }

    fn of(&self, who: &Principal) -> Arc<Semaphore> {
        let mut own = self.own.lock().unwrap_or_else(PoisonError::into_inner);
        // Those who hold nothing and wait for nothing need not be remembered.
        own.retain(|known, permits| known == who || Arc::strong_count(permits) > 1);
        Arc::clone(own.entry(who.clone()).or_insert_with(|| Arc::new(Semaphore::new(self.share))))
    }
}

#[cfg(test)]
#[path = "shares_tests.rs"]
mod tests;
