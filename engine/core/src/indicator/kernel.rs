//! What every indicator is made of.

use super::IndicatorError;
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
    fn update(&mut self, input: [f64; IN]) -> Option<[f64; OUT]>;

    /// How many inputs bring no output before the first that does.
    fn warmup(&self) -> usize;
}

/// A kernel whose numbers of inputs and outputs are known to its [`super::Function`] alone.
pub trait Erased: Send + Sync {
    /// See [`Kernel::update`]; false where there is no output.
    fn update(&mut self, input: &[f64], out: &mut [f64]) -> bool;
    /// See [`Kernel::warmup`].
    fn warmup(&self) -> usize;
    /// Appends the state.
    fn state(&self, bytes: &mut Vec<u8>);
    /// Goes on from a state.
    ///
    /// # Errors
    /// [`IndicatorError::State`], and nothing is changed.
    fn restore(&mut self, bytes: &[u8]) -> Result<(), IndicatorError>;
    /// A copy.
    fn clone_box(&self) -> Box<dyn Erased>;
}

#[derive(Clone)]
struct Boxed<K, const IN: usize, const OUT: usize>(K);

/// Hides a kernel's type.
pub(super) fn erase<const IN: usize, const OUT: usize>(kernel: impl Kernel<IN, OUT>) -> Box<dyn Erased> {
    Box::new(Boxed::<_, IN, OUT>(kernel))
}

impl<K: Kernel<IN, OUT>, const IN: usize, const OUT: usize> Erased for Boxed<K, IN, OUT> {
    #[inline]
    fn update(&mut self, input: &[f64], out: &mut [f64]) -> bool {
        let (Some(input), Some(out)) = (input.first_chunk(), out.first_chunk_mut()) else { return false };
        // A result beyond all numbers is none.
        let Some(result) = self.0.update(*input).filter(|result| result.iter().all(|value| value.is_finite())) else {
            return false;
        };
        *out = result;
        true
    }

    fn warmup(&self) -> usize {
        self.0.warmup()
    }

    fn state(&self, bytes: &mut Vec<u8>) {
        // Nothing in a kernel has a way to fail: numbers, options and sequences whose length is known.
        if let Ok(state) = postcard::to_allocvec(&self.0) {
            bytes.extend_from_slice(&state);
        }
    }

    fn restore(&mut self, bytes: &[u8]) -> Result<(), IndicatorError> {
        let (kernel, rest) = postcard::take_from_bytes::<K>(bytes).map_err(|_| IndicatorError::State)?;
        if !rest.is_empty() || kernel.warmup() != self.0.warmup() {
            return Err(IndicatorError::State);
        }
        self.0 = kernel;
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
