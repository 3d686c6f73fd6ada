//! What is measured, once for all who measure it: criterion, instruction counts, and other projects beside ours.
//!
//! Captured messages are read below `TIDEGATE_MARKET_DATA`; without it there is nothing to measure.

pub mod captures;
pub mod steps;
pub mod walk;
