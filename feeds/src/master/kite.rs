//! The CSV of Kite: one line an instrument, the columns as its head names them.

use super::{MasterError, SHOWN, Wanted, named, price, qty};
use crate::kite::Segment;
use jiff::civil::Date;
use std::io::{BufRead, Read};
use tidegate_core::{Instrument, OptionRight, Qty, Terms};

/// Longest line, in bytes: an instrument has about a hundred.
const LINE_BYTES_MAX: usize = 4_096;

/// The columns that are read, by position in [`Row`].
const COLUMNS: [&str; 9] = [
    "instrument_token",
    "tradingsymbol",
    "name",
    "expiry",
    "strike",
    "tick_size",
    "lot_size",
    "instrument_type",
    "exchange",
];

type Row<'a> = [&'a str; COLUMNS.len()];

pub(super) fn read(list: &mut impl BufRead, wanted: &mut Wanted) -> Result<(), MasterError> {
    let (mut bytes, mut fields, mut line) = (Vec::new(), Vec::new(), 0);
    let mut places: Option<[usize; COLUMNS.len()]> = None;
    loop {
        bytes.clear();
        if list.by_ref().take(LINE_BYTES_MAX as u64 + 1).read_until(b'\n', &mut bytes)? == 0 {
            return if places.is_some() { Ok(()) } else { Err(MasterError::Column(COLUMNS[0])) };
        }
        line += 1;
        let whole = std::str::from_utf8(&bytes).ok().filter(|_| bytes.len() <= LINE_BYTES_MAX);
        let whole = whole.ok_or_else(|| field(line, COLUMNS[0], &String::from_utf8_lossy(&bytes)))?;
        split(whole.trim_end_matches(['\n', '\r']), &mut fields);
        match places {
            None => places = Some(columns(&fields)?),
            Some(_) if fields.iter().all(String::is_empty) => {}
            Some(places) => {
                let row = places.map(|place| fields.get(place).map_or("", String::as_str));
                let key = format!("{}:{}", row[8], row[1]);
                if wanted.is_wanted(&key) {
                    let (symbol, instrument) = instrument(key.clone(), &row, line)?;
                    wanted.put(&key, symbol, instrument);
                }
            }
        }
    }
}

fn columns(head: &[String]) -> Result<[usize; COLUMNS.len()], MasterError> {
    let mut places = [0; COLUMNS.len()];
    for (place, name) in places.iter_mut().zip(COLUMNS) {
        *place = head.iter().position(|it| it == name).ok_or(MasterError::Column(name))?;
    }
    Ok(places)
}

/// Splits a line at its commas; a field in quotes may hold some, and a quote twice.
fn split(line: &str, fields: &mut Vec<String>) {
    fields.clear();
    let (mut field, mut is_quoted, mut chars) = (String::new(), false, line.chars().peekable());
    while let Some(char) = chars.next() {
        match char {
            '"' if is_quoted && chars.next_if_eq(&'"').is_some() => field.push('"'),
            '"' => is_quoted = !is_quoted,
            ',' if !is_quoted => fields.push(std::mem::take(&mut field)),
            char => field.push(char),
        }
    }
    fields.push(field);
}

fn instrument(key: String, row: &Row<'_>, line: u64) -> Result<(String, Instrument), MasterError> {
    let [token, symbol, name, expiry, strike, tick, lot, kind, exchange] = *row;
    let wrong = |at: usize| field(line, COLUMNS[at], row[at]);
    let number: u32 = token.parse().map_err(|_| wrong(0))?;
    let segment = Segment::of(number).ok_or_else(|| wrong(0))?;
    let right = match kind {
        "CE" => Some(OptionRight::Call),
        "PE" => Some(OptionRight::Put),
        _ => None,
    };
    let expiry = (!expiry.is_empty()).then(|| expiry.parse::<Date>().map_err(|_| wrong(3))).transpose()?;
    let strike = price(strike).ok_or_else(|| wrong(4))?.filter(|_| right.is_some());
    let (tick, lot) = (price(tick).ok_or_else(|| wrong(5))?, qty(lot).ok_or_else(|| wrong(6))?);
    let base = if expiry.is_some() { name } else { symbol };
    let mut instrument = named(key, "KITE", base, segment.price_decimals());
    // Elsewhere a lot is a number of contracts, and what a contract is worth is not told; an index has no lot.
    if matches!(exchange, "NSE" | "BSE" | "NFO" | "BFO") && segment != Segment::Indices {
        (instrument.tick, instrument.lot, instrument.multiplier) = (tick, lot, Qty::from_raw(100_000_000));
    }
    let expiry_days = expiry.map(|date| (date - Date::constant(1970, 1, 1)).get_days());
    instrument.terms = Terms { expiry_days, strike, right };
    Ok((number.to_string(), instrument))
}

fn field(line: u64, column: &'static str, value: &str) -> MasterError {
    MasterError::Field { line, column, value: value.chars().take(SHOWN).collect() }
}
