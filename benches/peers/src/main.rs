//! Other projects beside ours, on the same captured messages, in turn: cargo run --release

mod book;
mod decode;
mod ring;
mod rounds;

fn main() {
    for table in [decode::measure(), book::measure(), ring::measure()].into_iter().flatten() {
        println!("{table}");
    }
}
