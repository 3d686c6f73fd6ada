//! Arithmetic whose exceptions are the same everywhere.

/// Quotients beyond it are cut: their products with inputs, and their sums, stay finite.
const QUOTIENT_MAX: f64 = 1e150;

/// A count as a number. No count here is beyond 32 bits, and from there the way is a single instruction.
#[inline]
pub fn real(count: usize) -> f64 {
    f64::from(count as u32)
}

/// The greater of two numbers. Unlike [`f64::max`] it has no answer of its own where one is not a number, which is a
/// single instruction instead of six.
#[inline]
pub fn greater(left: f64, right: f64) -> f64 {
    if right > left { right } else { left }
}

/// True where two values are as far apart as rounding may put equal ones: by 1e-14 of their sizes together, TA-Lib's
/// measure.
#[inline]
pub fn is_same(left: f64, right: f64) -> bool {
    (left - right).abs() <= 1e-14 * (left.abs() + right.abs())
}

/// What comes out of a division; 0 where the divisor is 0.
#[inline]
pub fn quotient(dividend: f64, divisor: f64) -> f64 {
    if divisor == 0.0 { 0.0 } else { (dividend / divisor).clamp(-QUOTIENT_MAX, QUOTIENT_MAX) }
}
