//! How many cases a long test runs: included by the tests that need it.

/// `run` under `tests/run`, `full` under `tests/run --full`, a hundredth of `run` under plain
/// `cargo test`.
pub fn count(run: u64, full: u64) -> u64 {
    match std::env::var("TIDEGATE_TESTS").as_deref() {
        Ok("full") => full,
        Ok("run") => run,
        _ => run / 100,
    }
}
