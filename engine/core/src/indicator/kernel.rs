//! What every indicator is made of.

use super::{INPUT_MAX, IndicatorError};
use serde::Serialize;
use serde::de::DeserializeOwned;

/// A function of `IN` series with `OUT` results, one value of each at a time.
///
/// Inputs are finite and no greater than [`super::INPUT_MAX`]. An update takes constant time (amortised where extremes of
/// a window are kept) and allocates nothing.
pub trait Kernel<const IN: usize, const OUT: usize>:
    Clone + Serialize + DeserializeOwned + Send + Sync + 'static
{
    /// Takes the next inputs; `None` while warming up.
    ///
    /// Both doors of [`Erased`] call it: a large one is inlined at both only where it says `inline(always)`.
    fn update(&mut self, input: [f64; IN]) -> Option<[f64; OUT]>;

    /// How many inputs bring no output before the first that does.
    fn warmup(&self) -> usize;
}

/// A kernel whose numbers of inputs and outputs are known to its [`super::Function`] alone.
pub trait Erased: Send + Sync {
    /// See [`Kernel::update`]; false where there is no output, and where an input is bad, which is counted.
    fn update(&mut self, input: &[f64], out: &mut [f64]) -> bool;
    /// Updates with one row of the inputs after the other; not a number where there is no output.
    fn run(&mut self, inputs: &[&[f64]], outputs: &mut [&mut [f64]]);
    /// How many inputs were bad.
    fn skipped(&self) -> u64;
    /// See [`Kernel::warmup`].
    fn warmup(&self) -> usize;
    /// Appends the state of the kernel.
    fn state(&self, bytes: &mut Vec<u8>);
    /// Goes on from a state of the kernel, before which so many inputs were bad.
    ///
    /// # Errors
    /// [`IndicatorError::State`], and nothing is changed.
    fn restore(&mut self, skipped: u64, bytes: &[u8]) -> Result<(), IndicatorError>;
    /// A copy.
    fn clone_box(&self) -> Box<dyn Erased>;
}

/// A kernel behind its one door: how many inputs there are to look at is known here, and not before.
#[derive(Clone)]
struct Boxed<K, const IN: usize, const OUT: usize> {
    kernel: K,
    skipped: u64,
}

/// Hides a kernel's type.
pub(super) fn erase<const IN: usize, const OUT: usize>(kernel: impl Kernel<IN, OUT>) -> Box<dyn Erased> {
    Box::new(Boxed::<_, IN, OUT> { kernel, skipped: 0 })
}

/// Not a number is in no range.
#[inline]
fn is_good<const IN: usize>(input: &[f64; IN]) -> bool {
    input.iter().all(|value| value.abs() <= INPUT_MAX)
}

/// A result beyond all numbers is none.
#[inline]
fn is_there<const OUT: usize>(result: &[f64; OUT]) -> bool {
    result.iter().all(|value| value.is_finite())
}

impl<K: Kernel<IN, OUT>, const IN: usize, const OUT: usize> Erased for Boxed<K, IN, OUT> {
    #[inline]
    fn update(&mut self, input: &[f64], out: &mut [f64]) -> bool {
        let (Some(input), Some(out)) = (input.first_chunk(), out.first_chunk_mut()) else { return false };
        if !is_good(input) {
            self.skipped += 1;
            return false;
        }
        let Some(result) = self.kernel.update(*input).filter(is_there) else { return false };
        *out = result;
        true
    }

    fn run(&mut self, inputs: &[&[f64]], outputs: &mut [&mut [f64]]) {
        let (Some(inputs), Some(outputs)) = (inputs.first_chunk::<IN>(), outputs.first_chunk_mut::<OUT>()) else {
            return;
        };
        let lengths = inputs.iter().map(|input| input.len()).chain(outputs.iter().map(|output| output.len()));
        let rows = lengths.min().unwrap_or(0);
        // One of its own: what nobody else can see is kept in registers.
        let mut own = self.kernel.clone();
        for row in 0..rows {
            let mut input = [0.0; IN];
            input.iter_mut().zip(inputs).for_each(|(value, input)| *value = input[row]);
            let result = if is_good(&input) {
                own.update(input).filter(is_there).unwrap_or([f64::NAN; OUT])
            } else {
                self.skipped += 1;
                [f64::NAN; OUT]
            };
            outputs.iter_mut().zip(result).for_each(|(output, value)| output[row] = value);
        }
        self.kernel = own;
    }

    fn skipped(&self) -> u64 {
        self.skipped
    }

    fn warmup(&self) -> usize {
        self.kernel.warmup()
    }

    fn state(&self, bytes: &mut Vec<u8>) {
        // Nothing in a kernel has a way to fail: numbers, options and sequences whose length is known.
        if let Ok(state) = postcard::to_allocvec(&self.kernel) {
            bytes.extend_from_slice(&state);
        }
    }

    fn restore(&mut self, skipped: u64, bytes: &[u8]) -> Result<(), IndicatorError> {
        let (kernel, rest) = postcard::take_from_bytes::<K>(bytes).map_err(|_| IndicatorError::State)?;
        if !rest.is_empty() || kernel.warmup() != self.kernel.warmup() {
            return Err(IndicatorError::State);
        }
        *self = Boxed { kernel, skipped };
        Ok(())
    }

    fn clone_box(&self) -> Box<dyn Erased> {
        Box::new(self.clone())
    }
}

impl Clone for Box<dyn Erased> {
    fn clone(&self) -> Box<dyn Erased> {
        // Not the box's own: that would be this again.
        (**self).clone_box()
    }
}
