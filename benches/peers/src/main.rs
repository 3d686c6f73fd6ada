//! Other projects beside ours, on the same captured messages or bars, in turn: cargo run --release [decode|book|ring|indicators]

mod book;
mod decode;
mod indicators;
mod ring;
mod rounds;

/// A comparison, written out; `None` where there are no captures.
type Measure = fn() -> Option<String>;

const ALL: [(&str, Measure); 4] = [
    ("decode", || decode::measure().map(|table| table.to_string())),
    ("book", || book::measure().map(|table| table.to_string())),
    ("ring", || ring::measure().map(|table| table.to_string())),
    ("indicators", || Some(indicators::measure().to_string())),
];

fn main() {
    let only = std::env::args().nth(1);
    for (_, measure) in ALL.iter().filter(|(name, _)| only.as_deref().is_none_or(|only| only == *name)) {
        if let Some(table) = measure() {
            println!("{table}");
        }
    }
}
