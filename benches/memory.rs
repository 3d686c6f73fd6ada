//! What instruments take in memory: `memory`. 20 deep books, each with all of the capture, and 3,000 instruments with
//! packets of five levels a side, in one engine with its board.

use benches::captures::{self, Binance};
use benches::steps::BOUNDS;
use tidegate_core::{Engine, Input, InstrumentId, Market, Nanos, Stamped, board};
use tidegate_feeds::catalog::Catalog;
use tidegate_feeds::kite::{KiteSession, Mode};
use tidegate_feeds::{Decimals, Payload, Session};

const BOOKS: u32 = 20;
const SHARES: u32 = 3_000;

/// Resident memory, in KiB.
fn resident() -> u64 {
    let status = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:"));
    line.and_then(|line| line.split_whitespace().next()?.parse().ok()).unwrap_or(0)
}

/// The same input about another instrument.
fn about(mut input: Input, number: u32) -> Input {
    match &mut input {
        Input::Event(event) => event.id = InstrumentId(number),
        Input::State { id, .. } => *id = InstrumentId(number),
        Input::Gap(gap) => gap.id = Some(InstrumentId(number)),
        Input::Define { id, instrument } => {
            *id = InstrumentId(number);
            instrument.key = format!("BINANCE:{number}");
        }
        Input::Time | Input::Attach(_) | Input::Detach(_) | Input::Config { .. } => {}
    }
    input
}

fn apply(engine: &mut Engine, now: Nanos, input: &Input) {
    engine.input(now, input, &mut |_: &Market, _: Stamped<'_>| {}).expect("of the venues");
    while engine.market_mut().poll_effect().is_some() {}
}

fn main() {
    let Some(frames) = Binance::Spot.frames(usize::MAX) else { return };
    let messages = captures::inputs(Binance::Spot, &frames);
    let now = frames[frames.len() - 1].0;
    let packets = captures::kite_frames(SHARES, 100).expect("the packet is there");
    let start = resident();
    let mut engine = Engine::new(Market::new(BOUNDS), 0, Nanos::ZERO);
    for number in 0..BOOKS {
        for (receive_ts, inputs) in &messages {
            inputs.iter().for_each(|input| apply(&mut engine, *receive_ts, &about(input.clone(), number)));
        }
    }
    let with_books = resident();
    let mut session = KiteSession::new(Mode::Full);
    let mut inputs = Vec::new();
    for number in 0..SHARES {
        let symbol = captures::kite_token(number).to_string();
        let instrument = Catalog::default().kite(&symbol, Decimals { price: 2, qty: 0 });
        let id = InstrumentId(BOOKS + number);
        apply(&mut engine, now, &Input::Define { id, instrument: Box::new(instrument.clone()) });
        session.add(&symbol, id, instrument);
    }
    for packet in packets.iter().cycle().take(3 * packets.len()) {
        session.handle_message(now, Payload::Binary(packet), &mut inputs).expect("a good frame");
        inputs.drain(..).for_each(|input| apply(&mut engine, now, &input));
    }
    let with_shares = resident();
    let (mut writer, reader) = board(BOUNDS.instruments_max);
    engine.publish(&mut writer);
    assert!(reader.read(InstrumentId(BOOKS + SHARES - 1)).is_ok());
    let of_board = (resident() - with_shares) * 1_024 / BOUNDS.instruments_max as u64;
    println!("a deep book with bars and trades: {} KiB", (with_books - start) / u64::from(BOOKS));
    println!("an instrument with five levels a side: {:.1} KiB", (with_shares - with_books) as f64 / f64::from(SHARES));
    println!("the board: {of_board} bytes an instrument");
    println!("together: {:.1} MiB", (resident() - start) as f64 / 1_024.0);
    // Kept until here: what is freed would be used again, and not be seen to be taken.
    drop((frames, messages, packets));
}
