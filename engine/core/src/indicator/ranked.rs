//! The last values in order of size.

use super::window::Window;
use serde::{Deserialize, Serialize};
use std::cmp::Ordering;

/// No node.
const NONE: u32 = u32::MAX;

/// The last `capacity` values in a treap: a search tree whose nodes have priorities at random, which keeps it about as
/// deep as a balanced one (Seidel and Aragon 1996). The nodes are the places of a ring, so that nothing is allocated
/// for a value; a place's priority is fixed. What is written down is the window, from which the same order is made.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(from = "Window", into = "Window")]
pub struct Ranked {
    nodes: Box<[Node]>,
    root: u32,
    /// Where the next value goes.
    next: usize,
}

#[derive(Clone, Copy, Debug)]
struct Node {
    value: f64,
    left: u32,
    right: u32,
    /// Nodes of the tree below it and itself; zero where the place is free.
    size: u32,
}

impl Ranked {
    /// None of `capacity` values.
    pub fn new(capacity: usize) -> Ranked {
        let free = Node { value: 0.0, left: NONE, right: NONE, size: 0 };
        Ranked { nodes: vec![free; capacity.max(1)].into_boxed_slice(), root: NONE, next: 0 }
    }

    /// How many it can hold.
    pub fn capacity(&self) -> usize {
        self.nodes.len()
    }

    /// How many it holds.
    pub fn len(&self) -> usize {
        self.size(self.root) as usize
    }

    /// Puts a value in, in the place of the oldest if it is full.
    pub fn push(&mut self, value: f64) {
        let place = self.next as u32;
        self.next += 1;
        if self.next == self.nodes.len() {
            self.next = 0;
        }
        if self.node(place).size > 0 {
            self.root = self.without(self.root, place);
        }
        self.nodes[place as usize] = Node { value, left: NONE, right: NONE, size: 1 };
        let (less, more) = self.split(self.root, place);
        let less = self.merge(less, place);
        self.root = self.merge(less, more);
    }

    /// How many of the values are less than this one.
    pub fn below(&self, value: f64) -> usize {
        let (mut at, mut count) = (self.root, 0);
        while at != NONE {
            let node = self.node(at);
            if node.value < value {
                count += self.size(node.left) + 1;
                at = node.right;
            } else {
                at = node.left;
            }
        }
        count as usize
    }

    /// The value that `rank` others come before.
    pub fn at(&self, rank: usize) -> Option<f64> {
        let (mut at, mut rank) = (self.root, u32::try_from(rank).ok()?);
        while at != NONE {
            let node = self.node(at);
            let before = self.size(node.left);
            match rank.cmp(&before) {
                Ordering::Less => at = node.left,
                Ordering::Equal => return Some(node.value),
                Ordering::Greater => {
                    rank -= before + 1;
                    at = node.right;
                }
            }
        }
        None
    }

    #[inline]
    fn node(&self, at: u32) -> Node {
        self.nodes[at as usize]
    }

    #[inline]
    fn size(&self, at: u32) -> u32 {
        if at == NONE { 0 } else { self.node(at).size }
    }

    /// By value, and equal ones by place: no two are equal.
    #[inline]
    fn order(&self, left: u32, right: u32) -> Ordering {
        self.node(left).value.total_cmp(&self.node(right).value).then(left.cmp(&right))
    }

    /// The tree of a node whose children have changed.
    fn link(&mut self, at: u32, left: u32, right: u32) -> u32 {
        let size = self.size(left) + self.size(right) + 1;
        let node = &mut self.nodes[at as usize];
        (node.left, node.right, node.size) = (left, right, size);
        at
    }

    /// The nodes of a tree that come before this one, and those that come after it.
    fn split(&mut self, tree: u32, by: u32) -> (u32, u32) {
        if tree == NONE {
            return (NONE, NONE);
        }
        let Node { left, right, .. } = self.node(tree);
        if self.order(tree, by).is_lt() {
            let (less, more) = self.split(right, by);
            (self.link(tree, left, less), more)
        } else {
            let (less, more) = self.split(left, by);
            (less, self.link(tree, more, right))
        }
    }

    /// One tree of two, all nodes of the first of which come before those of the second.
    fn merge(&mut self, first: u32, second: u32) -> u32 {
        if first == NONE {
            return second;
        }
        if second == NONE {
            return first;
        }
        if priority(first) > priority(second) {
            let Node { left, right, .. } = self.node(first);
            let right = self.merge(right, second);
            self.link(first, left, right)
        } else {
            let Node { left, right, .. } = self.node(second);
            let left = self.merge(first, left);
            self.link(second, left, right)
        }
    }

    /// A tree without one of its nodes.
    fn without(&mut self, tree: u32, gone: u32) -> u32 {
        if tree == NONE {
            return NONE;
        }
        let Node { left, right, .. } = self.node(tree);
        match self.order(gone, tree) {
            Ordering::Equal => self.merge(left, right),
            Ordering::Less => {
                let left = self.without(left, gone);
                self.link(tree, left, right)
            }
            Ordering::Greater => {
                let right = self.without(right, gone);
                self.link(tree, left, right)
            }
        }
    }
}

/// A number that looks random and is always the same: the finaliser of MurmurHash3, which no two places share.
fn priority(place: u32) -> u32 {
    let mut hash = place;
    hash = (hash ^ (hash >> 16)).wrapping_mul(0x85eb_ca6b);
    hash = (hash ^ (hash >> 13)).wrapping_mul(0xc2b2_ae35);
    hash ^ (hash >> 16)
}

impl From<Window> for Ranked {
    fn from(window: Window) -> Ranked {
        let mut ranked = Ranked::new(window.capacity());
        window.iter().for_each(|value| ranked.push(value));
        ranked
    }
}

impl From<Ranked> for Window {
    fn from(ranked: Ranked) -> Window {
        let mut window = Window::new(ranked.capacity());
        let (newer, older) = ranked.nodes.split_at(ranked.next);
        older.iter().chain(newer).filter(|node| node.size > 0).for_each(|node| {
            window.push(node.value);
        });
        window
    }
}

#[cfg(test)]
#[path = "ranked_tests.rs"]
mod tests;
