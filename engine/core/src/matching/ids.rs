//! From an order's id to its place: open addressing, as a `BTreeMap` allocates while it is used.

/// Ids and their places. It grows by doubling, and never shrinks.
#[derive(Clone, Debug, Default)]
pub(super) struct Ids {
    /// A power of two, at most half of it taken.
    cells: Vec<Option<(u64, u32)>>,
    taken: usize,
}

impl Ids {
    pub(super) fn get(&self, id: u64) -> Option<u32> {
        self.find(id).and_then(|cell| self.cells[cell]).map(|(_, place)| place)
    }

    /// Adds an id that is not there yet.
    pub(super) fn insert(&mut self, id: u64, place: u32) {
        if self.taken * 2 >= self.cells.len() {
            self.grow();
        }
        self.put(id, place);
        self.taken += 1;
    }

    pub(super) fn remove(&mut self, id: u64) {
        let Some(mut hole) = self.find(id) else { return };
        self.taken -= 1;
        let mut next = self.after(hole);
        // Whoever stands behind the hole only because it was taken moves up: no search may stop too early.
        while let Some((other, _)) = self.cells[next] {
            let distance = |cell: usize| cell.wrapping_sub(self.home(other)) & (self.cells.len() - 1);
            if distance(hole) <= distance(next) {
                self.cells[hole] = self.cells[next];
                hole = next;
            }
            next = self.after(next);
        }
        self.cells[hole] = None;
    }

    fn grow(&mut self) {
        let cells = (self.cells.len() * 2).max(16);
        let old = std::mem::replace(&mut self.cells, vec![None; cells]);
        for (id, place) in old.into_iter().flatten() {
            self.put(id, place);
        }
    }

    fn put(&mut self, id: u64, place: u32) {
        let mut cell = self.home(id);
        while self.cells[cell].is_some() {
            cell = self.after(cell);
        }
        self.cells[cell] = Some((id, place));
    }

    fn find(&self, id: u64) -> Option<usize> {
        if self.cells.is_empty() {
            return None;
        }
        let mut cell = self.home(id);
        while let Some((other, _)) = self.cells[cell] {
            if other == id {
                return Some(cell);
            }
            cell = self.after(cell);
        }
        None
    }

    fn home(&self, id: u64) -> usize {
        // The multiplier is 2⁶⁴ divided by the golden ratio: neighbouring ids land far apart.
        let mixed = id.wrapping_mul(0x9e37_79b9_7f4a_7c15) >> 32;
        mixed as usize & (self.cells.len() - 1)
    }

    fn after(&self, cell: usize) -> usize {
        (cell + 1) & (self.cells.len() - 1)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use std::collections::BTreeMap;

    /// Ids are given out one after another, or bear something else in their upper half.
    #[test]
    fn ids_are_found_near_their_home() {
        for shift in [0, 1, 8, 31] {
            let mut ids = Ids::default();
            (0..10_000u64).for_each(|id| ids.insert(id << shift, 0));
            let distance = |id: u64| ids.find(id).unwrap().wrapping_sub(ids.home(id)) & (ids.cells.len() - 1);
            let steps: usize = (0..10_000u64).map(|id| distance(id << shift)).sum();
            assert!(steps < 10_000, "{steps} steps for 10,000 ids");
        }
    }

    proptest! {
        // Each case is long, and every step of it looks at everything.
        #![proptest_config(ProptestConfig::with_cases(48))]

        #[test]
        fn it_is_a_map(steps in proptest::collection::vec((any::<bool>(), 0u64..60, any::<u32>()), 0..400)) {
            let (mut ids, mut twin) = (Ids::default(), BTreeMap::new());
            for (insert, id, place) in steps {
                // Ids that share their home, and ids that do not.
                let id = if id % 2 == 0 { id << 32 } else { id };
                if !insert {
                    ids.remove(id);
                    twin.remove(&id);
                } else if ids.get(id).is_none() {
                    ids.insert(id, place);
                    twin.insert(id, place);
                }
                for id in 0..60 {
                    prop_assert_eq!(ids.get(id), twin.get(&id).copied());
                    prop_assert_eq!(ids.get(id << 32), twin.get(&(id << 32)).copied());
                }
                prop_assert_eq!(ids.taken, twin.len());
            }
        }
    }
}
