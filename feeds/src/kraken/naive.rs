//! The book and its checksum once more, by other means: texts, sorted anew each time, and a CRC bit by bit.

use super::book::CHECKED_LEVELS;
use serde_json::Value;
use tidegate_core::Side;

/// Price and quantity as they were written.
pub type Texts = (String, String);

/// A book of texts, each side sorted by the price's worth.
#[derive(Clone, Debug, Default)]
pub struct NaiveBook {
    pub depth: usize,
    sides: [Vec<(i128, Texts)>; 2],
}

impl NaiveBook {
    pub fn new(depth: usize) -> NaiveBook {
        NaiveBook { depth, ..NaiveBook::default() }
    }

    /// Applies the levels of one message.
    pub fn apply(&mut self, levels: &[(Side, Texts)]) {
        for (side, texts) in levels {
            let worth = if *side == Side::Bid { -wide(&texts.0) } else { wide(&texts.0) };
            let levels = &mut self.sides[usize::from(side.code())];
            levels.retain(|&(at, _)| at != worth);
            if wide(&texts.1) != 0 {
                levels.push((worth, texts.clone()));
            }
            levels.sort_by_key(|&(at, _)| at);
        }
        self.sides.iter_mut().for_each(|levels| levels.truncate(self.depth));
    }

    /// What the checksum covers of a side, best first.
    fn checked(&self, side: Side) -> impl Iterator<Item = &Texts> {
        self.sides[usize::from(side.code())].iter().take(CHECKED_LEVELS).map(|(_, texts)| texts)
    }

    /// The same as raw prices and quantities.
    pub fn raw(&self, side: Side) -> Vec<(i64, i64)> {
        let raw = |(price, qty): &Texts| ((wide(price) / 10i128.pow(11)) as i64, (wide(qty) / 10i128.pow(12)) as i64);
        self.checked(side).map(raw).collect()
    }

    pub fn checksum(&self) -> u32 {
        let digits = |text: &String| text.replace('.', "").trim_start_matches('0').to_owned();
        let texts = self.checked(Side::Ask).chain(self.checked(Side::Bid));
        crc32(&texts.map(|(price, qty)| digits(price) + &digits(qty)).collect::<String>())
    }
}

/// A decimal text as an integer of 10⁻²⁰.
pub fn wide(text: &str) -> i128 {
    let (whole, fraction) = text.split_once('.').unwrap_or((text, ""));
    format!("{whole}{fraction:0<20}").parse().unwrap()
}

fn crc32(text: &str) -> u32 {
    let step = |crc: u32| if crc & 1 == 1 { crc >> 1 ^ 0xedb8_8320 } else { crc >> 1 };
    let byte = |crc: u32, byte: u8| (0..8).fold(crc ^ u32::from(byte), |crc, _| step(crc));
    !text.bytes().fold(u32::MAX, byte)
}

/// A data frame of v1.
pub struct Change {
    pub symbol: String,
    pub is_snapshot: bool,
    pub levels: Vec<(Side, Texts)>,
    pub checksum: Option<u32>,
}

/// Reads a data frame of v1, if it is one.
pub fn v1(frame: &[u8]) -> Option<Change> {
    let value: Value = serde_json::from_slice(frame).ok()?;
    let parts = value.as_array()?;
    let symbol = parts[parts.len() - 1].as_str()?.to_owned();
    let mut change = Change { symbol, is_snapshot: false, levels: Vec::new(), checksum: None };
    for (name, value) in parts[1..parts.len() - 2].iter().flat_map(|part| part.as_object().unwrap()) {
        if name == "c" {
            change.checksum = Some(value.as_str().unwrap().parse().unwrap());
            continue;
        }
        change.is_snapshot |= name.len() == 2;
        let side = if name.starts_with('b') { Side::Bid } else { Side::Ask };
        let text = |value: &Value| value.as_str().unwrap().to_owned();
        change.levels.extend(value.as_array().unwrap().iter().map(|level| (side, (text(&level[0]), text(&level[1])))));
    }
    Some(change)
}
