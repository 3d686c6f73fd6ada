//! The other direction, for tests: fields to bytes, in the order of the venue's table.

use proptest::prelude::*;
use tidegate_core::Side;

/// A packet of modes 1 to 3; how much of it is written is the mode's.
#[derive(Clone, Debug)]
pub struct Snap {
    pub mode: u8,
    pub exchange: u8,
    pub token: String,
    pub sequence: i64,
    pub time_ms: i64,
    pub last: i64,
    pub last_qty: i64,
    pub average: i64,
    pub volume: i64,
    pub buy: f64,
    pub sell: f64,
    pub open: i64,
    pub high: i64,
    pub low: i64,
    pub close: i64,
    pub last_time: i64,
    pub oi: i64,
    pub oi_change: f64,
    /// Flag (1 is buy), quantity, price, orders.
    pub rows: [(i16, i64, i64, i16); 10],
}

impl Snap {
    pub fn bytes(&self) -> Vec<u8> {
        let mut bytes = head(self.mode, self.exchange, &self.token);
        longs(&mut bytes, &[self.sequence, self.time_ms, self.last]);
        if self.mode >= 2 {
            longs(&mut bytes, &[self.last_qty, self.average, self.volume]);
            bytes.extend(self.buy.to_le_bytes());
            bytes.extend(self.sell.to_le_bytes());
            longs(&mut bytes, &[self.open, self.high, self.low, self.close]);
        }
        if self.mode == 3 {
            longs(&mut bytes, &[self.last_time, self.oi]);
            bytes.extend(self.oi_change.to_le_bytes());
            for (flag, qty, price, orders) in self.rows {
                bytes.extend(flag.to_le_bytes());
                longs(&mut bytes, &[qty, price]);
                bytes.extend(orders.to_le_bytes());
            }
            // Circuit limits and extremes of 52 weeks.
            longs(&mut bytes, &[1, 2, 3, 4]);
        }
        bytes
    }
}

/// A packet of mode 4: rows of quantity, price, orders, twenty bids and twenty asks.
#[derive(Clone, Debug)]
pub struct Twenty {
    pub exchange: u8,
    pub token: String,
    pub time_ms: i64,
    pub received_ms: i64,
    pub rows: Vec<(i32, i32, i16)>,
}

impl Twenty {
    pub fn bytes(&self) -> Vec<u8> {
        let mut bytes = head(4, self.exchange, &self.token);
        longs(&mut bytes, &[self.time_ms, self.received_ms]);
        for &(qty, price, orders) in &self.rows {
            bytes.extend(qty.to_le_bytes());
            bytes.extend(price.to_le_bytes());
            bytes.extend(orders.to_le_bytes());
        }
        bytes
    }
}

fn head(mode: u8, exchange: u8, token: &str) -> Vec<u8> {
    let mut bytes = vec![mode, exchange];
    bytes.extend(token.bytes());
    bytes.resize(27, 0);
    bytes
}

fn longs(bytes: &mut Vec<u8>, values: &[i64]) {
    bytes.extend(values.iter().flat_map(|value| value.to_le_bytes()));
}

/// A plausible snap quote of INFY with this number, time, price and volume of the day.
pub fn infy(sequence: i64, time_ms: i64, last: i64, volume: i64) -> Snap {
    let rows = std::array::from_fn(|row| {
        let away = (row as i64 % 5) * 5;
        let price = if row < 5 { 157_000 - away } else { 157_005 + away };
        (i16::from(row < 5), 10 + row as i64, price, row as i16)
    });
    Snap {
        mode: 3,
        exchange: 1,
        token: "1594".to_owned(),
        sequence,
        time_ms,
        last,
        last_qty: 7,
        average: 157_037,
        volume,
        buy: 256_443.0,
        sell: 363_009.0,
        open: 156_915,
        high: 157_500,
        low: 156_105,
        close: 156_780,
        last_time: time_ms / 1_000,
        oi: 0,
        oi_change: 12.5,
        rows,
    }
}

/// Twenty levels a side of INFY.
pub fn twenty(time_ms: i64) -> Twenty {
    let row = |row: i32| {
        let away = (row % 20) * 5;
        (100 + row, if row < 20 { 157_000 - away } else { 157_005 + away }, row as i16)
    };
    let rows = (0..40).map(row).collect();
    Twenty { exchange: 1, token: "1594".to_owned(), time_ms, received_ms: time_ms + 321, rows }
}

/// The side of a row of mode 4.
pub fn side(row: usize) -> Side {
    if row < 20 { Side::Bid } else { Side::Ask }
}

/// Exchange types, with the divisors of their prices.
fn any_exchange() -> impl Strategy<Value = (u8, u32)> {
    prop::sample::select(vec![(1, 100), (2, 100), (3, 100), (4, 100), (5, 100), (7, 100), (13, 10_000_000)])
}

/// Milliseconds that no other unit can be taken for: from 1973 to 2096, and none.
fn any_millis() -> impl Strategy<Value = i64> {
    prop_oneof![9 => 100_000_000_000..4_000_000_000_000i64, 1 => Just(0)]
}

/// The same, or as many seconds.
fn any_last_time() -> impl Strategy<Value = i64> {
    prop_oneof![any_millis(), 100_000_000..4_000_000_000i64]
}

/// Any packet of modes 1 to 3 that can be held, with the divisor of its prices.
pub fn any_snap() -> impl Strategy<Value = (Snap, u32)> {
    let steps = 0..10i64.pow(9);
    let units = 0..10i64.pow(10);
    let row = (0i16..2, prop_oneof![Just(0), units.clone()], prop_oneof![Just(0), steps.clone()], 0..i16::MAX);
    let head = (1u8..4, any_exchange(), "[A-Za-z0-9]{1,25}", 0..i64::MAX, any_millis());
    let prices = prop::array::uniform6(steps);
    let totals = (prop::array::uniform3(units.clone()), prop::array::uniform2(units));
    (head, prices, totals, any_last_time(), any::<f64>(), prop::array::uniform10(row)).prop_map(
        |(head, prices, ([last_qty, volume, oi], [buy, sell]), last_time, oi_change, rows)| {
            let (mode, (exchange, divisor), token, sequence, time_ms) = head;
            let [last, average, open, high, low, close] = prices;
            let (buy, sell) = (buy as f64, sell as f64);
            let snap = Snap {
                mode,
                exchange,
                token,
                sequence,
                time_ms,
                last,
                last_qty,
                average,
                volume,
                buy,
                sell,
                open,
                high,
                low,
                close,
                last_time,
                oi,
                oi_change,
                rows,
            };
            (snap, divisor)
        },
    )
}

/// Any packet of mode 4, with the divisor of its prices.
pub fn any_twenty() -> impl Strategy<Value = (Twenty, u32)> {
    let number = || prop_oneof![1 => Just(0), 4 => 0..i32::MAX];
    let rows = prop::collection::vec((number(), number(), 0..i16::MAX), 40);
    (any_exchange(), "[0-9]{1,25}", any_millis(), any::<i64>(), rows).prop_map(
        |((exchange, divisor), token, time_ms, received_ms, rows)| {
            (Twenty { exchange, token, time_ms, received_ms, rows }, divisor)
        },
    )
}
