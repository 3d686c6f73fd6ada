//! The one place that reads the clock.

use std::time::SystemTime;
use tidegate_core::Nanos;

/// Now, by the system's clock. It may step back; the tape does not.
pub fn now() -> Nanos {
    let since = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default();
    Nanos::new(i64::try_from(since.as_nanos()).unwrap_or(i64::MAX))
}
