//! The last values of a stream.

/// The last `capacity` values.
#[derive(Clone, Debug)]
pub(super) struct Last<T> {
    values: Box<[T]>,
    /// Where the next value goes.
    next: usize,
    len: usize,
}

impl<T: Copy> Last<T> {
    /// An empty one for `capacity` values, at least one; `filler` is never seen.
    pub(super) fn new(capacity: usize, filler: T) -> Last<T> {
        Last { values: vec![filler; capacity.max(1)].into_boxed_slice(), next: 0, len: 0 }
    }

    /// Puts a value in; the oldest, if it had to go.
    #[inline]
    pub(super) fn push(&mut self, value: T) -> Option<T> {
        let oldest = std::mem::replace(&mut self.values[self.next], value);
        self.next += 1;
        if self.next == self.values.len() {
            self.next = 0;
        }
        if self.is_full() {
            return Some(oldest);
        }
        self.len += 1;
        None
    }

    /// Makes the oldest value the newest, which is to be changed; while it fills, that is the filler.
    #[inline]
    pub(super) fn turn(&mut self) -> &mut T {
        let at = self.next;
        self.next = if at + 1 == self.values.len() { 0 } else { at + 1 };
        self.len = (self.len + 1).min(self.values.len());
        &mut self.values[at]
    }

    /// Takes the oldest value out.
    pub(super) fn pop(&mut self) -> Option<T> {
        let oldest = self.back(self.len.checked_sub(1)?)?;
        self.len -= 1;
        Some(oldest)
    }

    /// The value that is `age` pushes old, 0 for the newest.
    #[inline]
    pub(super) fn back(&self, age: usize) -> Option<T> {
        if age >= self.len {
            return None;
        }
        let at = if self.next > age { self.next - 1 - age } else { self.next + self.values.len() - 1 - age };
        Some(self.values[at])
    }

    /// The oldest value.
    pub(super) fn oldest(&self) -> Option<T> {
        self.back(self.len.checked_sub(1)?)
    }

    /// All values, the newest first.
    pub(super) fn iter(&self) -> impl Iterator<Item = T> {
        (0..self.len).map_while(|age| self.back(age))
    }

    /// True once it holds as many as it can.
    #[inline]
    pub(super) fn is_full(&self) -> bool {
        self.len == self.values.len()
    }

    pub(super) fn len(&self) -> usize {
        self.len
    }

    pub(super) fn capacity(&self) -> usize {
        self.values.len()
    }

    pub(super) fn clear(&mut self) {
        self.len = 0;
    }
}

/// The exact mean of the last values.
#[derive(Clone, Debug)]
pub(super) struct LastMean {
    values: Last<i64>,
    sum: i128,
}

impl LastMean {
    pub(super) fn new(capacity: usize) -> LastMean {
        LastMean { values: Last::new(capacity, 0), sum: 0 }
    }

    #[inline]
    pub(super) fn push(&mut self, value: i64) {
        self.sum += i128::from(value) - i128::from(self.values.push(value).unwrap_or(0));
    }

    pub(super) fn clear(&mut self) {
        self.values.clear();
        self.sum = 0;
    }

    /// The mean, once there are enough.
    pub(super) fn value(&self) -> Option<f64> {
        self.values.is_full().then(|| self.sum as f64 / self.values.capacity() as f64)
    }
}
