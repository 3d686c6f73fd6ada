//! Does one step a number of times, for whoever counts instructions: `step <name> <times>`. Prints how many units
//! of work one time is.

use benches::captures::{self, Binance, Frame};
use benches::steps::{self, Path};
use benches::walk;
use std::hint::black_box;
use tidegate_core::{Body, Book, Input, Price};

fn depth_frames(frames: Vec<Frame>) -> Vec<Frame> {
    let is_depth = |text: &[u8]| text[..40.min(text.len())].windows(6).any(|at| at == b"@depth");
    frames.into_iter().filter(|(_, text)| is_depth(text)).collect()
}

/// Does the step `times` times; the units of work of one time, or `None` where there is no such step.
fn run(step: &str, times: usize) -> Option<usize> {
    let frames = Binance::Spot.frames(6_000)?;
    Some(match step {
        "decode_depth" => {
            let (frames, mut levels) = (depth_frames(frames), Vec::new());
            (0..times).for_each(|_| {
                black_box(steps::decode_binance(&frames, &mut levels));
            });
            frames.iter().map(|(_, frame)| frame.len()).sum()
        }
        "decode_kite" => {
            let frames = captures::kite_frames(1_000, 100)?;
            (0..times).for_each(|_| {
                black_box(steps::decode_kite(&frames));
            });
            1_000
        }
        "book" => {
            let changes = captures::changes(Binance::Spot, &frames);
            let (snapshot, changes) = changes.split_at(changes.iter().take_while(|change| change.is_snapshot).count());
            let mut book = Book::new(steps::BOUNDS.book_levels_max, Price::from_raw(10_000_000));
            steps::book(&mut book, snapshot);
            (0..times).for_each(|_| {
                black_box(steps::book(&mut book.clone(), changes));
            });
            changes.len()
        }
        "bars" => {
            let is_trade =
                |input: &Input| matches!(input, Input::Event(event) if matches!(event.body, Body::Trade { .. }));
            let inputs = captures::inputs(Binance::Spot, &frames).into_iter().flat_map(|(_, inputs)| inputs);
            let trades: Vec<Input> = inputs.filter(is_trade).collect();
            (0..times).for_each(|_| {
                black_box(steps::bars(&mut steps::series(), &trades));
            });
            trades.len()
        }
        "indicators" => {
            let bars = walk::bars(10_000);
            (0..times).for_each(|_| {
                black_box(steps::indicators(&mut steps::six(), &bars));
            });
            bars.len()
        }
        "expressions" => {
            let (bars, all) = (walk::bars(1_000), steps::evaluator(&steps::conditions(&steps::parts())));
            (0..times).for_each(|_| {
                black_box(steps::expressions(&mut all.clone(), &bars));
            });
            bars.len()
        }
        "cross" => {
            let (bars, one) = (walk::bars(10_000), steps::evaluator(&[steps::cross()]));
            (0..times).for_each(|_| {
                black_box(steps::expressions(&mut one.clone(), &bars));
            });
            bars.len()
        }
        "event_to_board" | "event_to_board_measured" => {
            let messages = captures::inputs(Binance::Spot, &frames);
            for _ in 0..times {
                let mut path = Path::default();
                for (number, (receive_ts, inputs)) in messages.iter().enumerate() {
                    path.take(*receive_ts, &mut inputs.clone());
                    // Among the first messages is the one that defines the instrument.
                    if number < 50 && step == "event_to_board_measured" {
                        path.measure();
                    }
                }
            }
            messages.iter().flat_map(|(_, inputs)| inputs).filter(|input| matches!(input, Input::Event(_))).count()
        }
        _ => return None,
    })
}

fn main() {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let times = arguments.get(1).and_then(|times| times.parse().ok());
    match arguments.first().zip(times).and_then(|(step, times)| run(step, times)) {
        Some(units) => println!("{units}"),
        None => eprintln!(
            "usage: step decode_depth|decode_kite|book|bars|event_to_board|event_to_board_measured|indicators|expressions|cross <times>"
        ),
    }
}
