//! The other direction, for tests: fields to bytes, in the order of the venue's tables.

use proptest::prelude::*;
use tidegate_core::{Price, Qty, Side};

/// A quote or full packet of anything but an index; prices in the venue's steps.
#[derive(Clone, Debug)]
pub struct Traded {
    pub token: u32,
    pub last: u32,
    pub last_qty: u32,
    pub average: u32,
    pub volume: u32,
    pub buy: u32,
    pub sell: u32,
    pub open: u32,
    pub high: u32,
    pub low: u32,
    pub close: u32,
    pub full: Option<Full>,
}

/// What a full packet adds.
#[derive(Clone, Debug)]
pub struct Full {
    pub last_time: u32,
    pub oi: u32,
    pub oi_high: u32,
    pub oi_low: u32,
    pub time: u32,
    /// Quantity, price, orders: five bids, five asks.
    pub rows: [(u32, u32, u16); 10],
}

impl Traded {
    pub fn bytes(&self) -> Vec<u8> {
        let head = [self.token, self.last, self.last_qty, self.average, self.volume, self.buy, self.sell];
        let mut bytes = words(&head);
        bytes.extend(words(&[self.open, self.high, self.low, self.close]));
        if let Some(full) = &self.full {
            bytes.extend(words(&[full.last_time, full.oi, full.oi_high, full.oi_low, full.time]));
            for (qty, price, orders) in full.rows {
                bytes.extend(words(&[qty, price]));
                bytes.extend(orders.to_be_bytes());
                bytes.extend([0xee, 0xee]);
            }
        }
        bytes
    }
}

/// An index packet: high, low, open, close, change, and a time in a full one.
pub fn index(token: u32, last: u32, [open, high, low, close]: [u32; 4], change: i32, time: Option<u32>) -> Vec<u8> {
    let mut bytes = words(&[token, last, high, low, open, close]);
    bytes.extend(change.to_be_bytes());
    bytes.extend(words(time.as_slice()));
    bytes
}

pub fn ltp(token: u32, last: u32) -> Vec<u8> {
    words(&[token, last])
}

pub fn frame(packets: &[Vec<u8>]) -> Vec<u8> {
    let mut bytes = (packets.len() as u16).to_be_bytes().to_vec();
    for packet in packets {
        bytes.extend((packet.len() as u16).to_be_bytes());
        bytes.extend(packet);
    }
    bytes
}

fn words(values: &[u32]) -> Vec<u8> {
    values.iter().flat_map(|value| value.to_be_bytes()).collect()
}

/// A price by way of its decimal text.
pub fn price(steps: u32, divisor: u32) -> Price {
    let decimals = divisor.ilog10() as usize;
    let text = format!("{}.{:0decimals$}", steps / divisor, steps % divisor);
    Price::parse(text.as_bytes()).unwrap().value
}

pub fn qty(units: u32) -> Qty {
    Qty::parse(units.to_string().as_bytes()).unwrap().value
}

/// The side of a row of a full packet.
pub fn side(row: usize) -> Side {
    if row < 5 { Side::Bid } else { Side::Ask }
}

/// A plausible full packet of INFY at this time, price and volume of the day.
pub fn infy(time: u32, last: u32, volume: u32) -> Traded {
    let rows = std::array::from_fn(|row| {
        let away = (row as u32 % 5) * 5;
        (10 + row as u32, if row < 5 { 157_000 - away } else { 157_005 + away }, row as u16)
    });
    Traded {
        token: 408_065,
        last,
        last_qty: 7,
        average: 156_000,
        volume,
        buy: 5,
        sell: 6,
        open: 156_915,
        high: 157_500,
        low: 156_105,
        close: 156_780,
        full: Some(Full { last_time: time, oi: 0, oi_high: 0, oi_low: 0, time, rows }),
    }
}

/// Any packet that is no index's, with the divisor of its prices.
pub fn any_traded() -> impl Strategy<Value = (Traded, u32)> {
    let steps = 0..=i32::MAX as u32;
    let segment = prop_oneof![
        Just((1, 100)),
        Just((2, 100)),
        Just((3, 10_000_000)),
        Just((4, 100)),
        Just((5, 100)),
        Just((6, 10_000)),
        Just((7, 100)),
        Just((8, 100)),
        Just((12, 10_000)),
    ];
    let row =
        (prop_oneof![4 => any::<u32>(), 1 => Just(0)], prop_oneof![4 => steps.clone(), 1 => Just(0)], any::<u16>());
    let full = (any::<[u32; 5]>(), prop::array::uniform10(row))
        .prop_map(|([last_time, oi, oi_high, oi_low, time], rows)| Full { last_time, oi, oi_high, oi_low, time, rows });
    let prices = prop::array::uniform6(steps);
    (0u32..1 << 24, segment, prices, any::<[u32; 4]>(), prop::option::of(full)).prop_map(
        |(token, (segment, divisor), prices, [last_qty, volume, buy, sell], full)| {
            let [last, average, open, high, low, close] = prices;
            let token = token << 8 | segment;
            let traded = Traded { token, last, last_qty, average, volume, buy, sell, open, high, low, close, full };
            (traded, divisor)
        },
    )
}
