//! The levels around the touch, one cell a tick: a change costs the same wherever it falls.
//!
//! Levels are numbered in ticks, smaller being better. A bit tells whether there is a level; the cell of one that
//! is not there holds anything. Cells and bits are used as a ring: the window moves without moving a level.

use crate::price::Qty;

/// Ticks that a word of bits covers; a window begins with a whole word.
const WORD: i64 = u64::BITS as i64;

/// Where a window begins that covers nothing: behind every number there is, of which none is as large as
/// [`crate::price::RAW_LIMIT`].
const NOWHERE: i64 = 1 << 62;

/// What became of the number of levels.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Change {
    Added,
    Removed,
    None,
}

/// The levels of one side whose numbers lie within the window.
#[derive(Clone, Debug)]
pub(super) struct Window {
    /// The first number of the window.
    base: i64,
    /// The number of the best level; senseless while there is none.
    best: i64,
    count: usize,
    qtys: Box<[Qty]>,
    /// As long as `qtys` once a level has told its orders; many venues never do.
    orders: Box<[u32]>,
    bits: Box<[u64]>,
}

/// A level by its number.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Cell {
    pub number: i64,
    pub qty: Qty,
    pub orders: u32,
}

impl Window {
    /// An empty window of `ticks`, a power of two that is at least 128. It covers nothing yet.
    pub fn new(ticks: usize) -> Window {
        Window {
            base: NOWHERE,
            best: 0,
            count: 0,
            qtys: vec![Qty::ZERO; ticks].into(),
            orders: Box::default(),
            bits: vec![0; ticks / WORD as usize].into(),
        }
    }

    pub fn len(&self) -> usize {
        self.count
    }

    pub fn is_empty(&self) -> bool {
        self.count == 0
    }

    pub fn clear(&mut self) {
        self.bits.fill(0);
        self.base = NOWHERE;
        self.count = 0;
    }

    /// The first number behind the window.
    pub fn end(&self) -> i64 {
        self.base + self.span()
    }

    /// True where `number`, which the window does not cover, is better than all that it covers.
    pub fn is_before(&self, number: i64) -> bool {
        number < self.base
    }

    #[inline]
    pub fn covers(&self, number: i64) -> bool {
        (number.wrapping_sub(self.base) as u64) < self.qtys.len() as u64
    }

    /// Where a window begins whose best level is `best`: there is room for an eighth of it on the better side.
    pub fn base_for(&self, best: i64) -> i64 {
        (best - self.span() / 8).div_euclid(WORD) * WORD
    }

    /// The best level has moved so far from the beginning that levels beyond the end may be worth more.
    pub fn is_off_centre(&self) -> bool {
        self.count == 0 || self.best - self.base > self.span() / 2
    }

    /// Moves the window to another beginning. No level may be left outside: see [`Window::drain`].
    pub fn move_to(&mut self, base: i64) {
        self.base = base;
    }

    /// Sets a level that the window covers, or with a quantity of zero removes it.
    #[inline]
    pub fn set(&mut self, cell: Cell) -> Change {
        let index = self.index(cell.number);
        let bit = 1 << (index % WORD as usize);
        let was_there = self.bits[index / WORD as usize] & bit != 0;
        if cell.qty == Qty::ZERO {
            if !was_there {
                return Change::None;
            }
            self.bits[index / WORD as usize] &= !bit;
            self.count -= 1;
            if cell.number == self.best && self.count > 0 {
                self.best = self.first_from(cell.number);
            }
            return Change::Removed;
        }
        self.qtys[index] = cell.qty;
        if let Some(orders) = self.orders.get_mut(index) {
            *orders = cell.orders;
        } else if cell.orders != 0 {
            self.begin_orders(index, cell.orders);
        }
        if was_there {
            return Change::None;
        }
        self.bits[index / WORD as usize] |= bit;
        // It was not there, so it does not stand where the best one does.
        if cell.number < self.best || self.count == 0 {
            self.best = cell.number;
        }
        self.count += 1;
        Change::Added
    }

    pub fn contains(&self, number: i64) -> bool {
        let index = self.index(number);
        self.covers(number) && self.bits[index / WORD as usize] >> (index % WORD as usize) & 1 == 1
    }

    #[inline]
    pub fn best(&self) -> Option<Cell> {
        if self.count == 0 { None } else { Some(self.cell(self.best)) }
    }

    pub fn worst(&self) -> Option<Cell> {
        let mut words = self.starts_down_to(self.base).map(|start| (start, self.word(start)));
        let (start, word) = words.find(|&(_, word)| word != 0)?;
        Some(self.cell(start + i64::from(u64::BITS - 1 - word.leading_zeros())))
    }

    /// Takes out every level, the worst first, or those alone that lie outside a window beginning at `base`.
    pub fn drain(&mut self, base: Option<i64>, mut take: impl FnMut(Cell)) {
        let from = base.map_or(self.base, |base| base + self.span());
        for start in self.starts_down_to(from) {
            let index = self.index(start);
            let mut word = std::mem::take(&mut self.bits[index / WORD as usize]);
            self.count -= word.count_ones() as usize;
            while word != 0 {
                let bit = u64::BITS - 1 - word.leading_zeros();
                take(self.cell(start + i64::from(bit)));
                word &= !(1 << bit);
            }
        }
    }

    /// The levels, best first.
    pub fn iter(&self) -> impl Iterator<Item = Cell> {
        let first = if self.count == 0 { self.end() } else { self.best.div_euclid(WORD) * WORD };
        let starts = (0..(self.end() - first) / WORD).map(move |word| first + word * WORD);
        starts.flat_map(|start| self.cells(start, self.word(start)))
    }

    /// Shows the levels, best first, for as long as `take` wants more.
    pub fn visit(&self, mut take: impl FnMut(Cell) -> bool) {
        let mut start = self.best.div_euclid(WORD) * WORD;
        let mut left = self.count;
        while left > 0 {
            for cell in self.cells(start, self.word(start)) {
                if !take(cell) {
                    return;
                }
                left -= 1;
            }
            start += WORD;
        }
    }

    /// The levels of the word that starts at `start`.
    #[inline]
    fn cells(&self, start: i64, mut word: u64) -> impl Iterator<Item = Cell> {
        std::iter::from_fn(move || {
            let number = start + i64::from(word.trailing_zeros());
            let is_there = word != 0;
            word &= word.wrapping_sub(1);
            is_there.then(|| self.cell(number))
        })
    }

    fn span(&self) -> i64 {
        self.qtys.len() as i64
    }

    /// Where the words of the window start, from the worst on, as far as `from`, which is the start of one.
    fn starts_down_to(&self, from: i64) -> impl Iterator<Item = i64> + use<> {
        let (base, end) = (self.base.max(from), self.end());
        (0..(end - base).max(0) / WORD).map(move |word| end - (word + 1) * WORD)
    }

    fn index(&self, number: i64) -> usize {
        number as usize & (self.qtys.len() - 1)
    }

    fn cell(&self, number: i64) -> Cell {
        let index = self.index(number);
        Cell { number, qty: self.qtys[index], orders: self.orders.get(index).copied().unwrap_or(0) }
    }

    /// The bits of the 64 numbers from `start` on.
    fn word(&self, start: i64) -> u64 {
        self.bits[self.index(start) / WORD as usize]
    }

    /// The first number from `number` on at which there is a level; there is one.
    #[inline(never)]
    fn first_from(&self, number: i64) -> i64 {
        let mut start = number.div_euclid(WORD) * WORD;
        let mut word = self.word(start) & (u64::MAX << (number - start));
        while word == 0 {
            start += WORD;
            word = self.word(start);
        }
        start + i64::from(word.trailing_zeros())
    }

    /// The first level that tells its orders.
    #[cold]
    fn begin_orders(&mut self, index: usize, orders: u32) {
        self.orders = vec![0; self.qtys.len()].into();
        self.orders[index] = orders;
    }
}

#[cfg(test)]
#[path = "window_tests.rs"]
mod tests;
