//! When markets trade, from dated files: UTC intervals of each trading day, or the admission that nothing is
//! known of it.

use jiff::civil::Date;
use serde::Deserialize;
use std::collections::BTreeMap;
use tidegate_core::Nanos;

/// The files that are built in.
const FILES: [&str; 6] = [
    include_str!("../../data/sessions/nse.toml"),
    include_str!("../../data/sessions/nse-2026.toml"),
    include_str!("../../data/sessions/nfo.toml"),
    include_str!("../../data/sessions/nfo-2026.toml"),
    include_str!("../../data/sessions/crypto.toml"),
    include_str!("../../data/sessions/simulated.toml"),
];

const MINUTE: i64 = 60 * Nanos::SECOND.raw();
const MINUTES_A_DAY: i64 = 24 * 60;
/// How many days ahead the next change is looked for: past any weekend.
const DAYS_AHEAD: i64 = 7;

/// What a market does during an interval.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Phase {
    /// Orders are collected for the opening auction.
    PreOpen,
    /// Continuous trading.
    Open,
    /// Orders are collected for the closing auction, of what has one; the rest may still trade.
    ClosingAuction,
}

/// A part of a trading day.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Interval {
    /// What happens in it.
    pub phase: Phase,
    /// Its first instant, UTC.
    pub from: Nanos,
    /// The first instant after it, UTC.
    pub to: Nanos,
}

/// What is known of one day.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Day {
    /// No file covers the market or the day: it may be open or closed.
    Unknown,
    /// The regular week says this; no interval means closed. Where `are_exceptions_known` is false the day may
    /// still be a holiday or have a special session.
    Regular {
        /// In order, none overlapping another.
        intervals: Vec<Interval>,
        /// Nothing departs from the regular week.
        are_exceptions_known: bool,
    },
}

/// What a market does at one time.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Status {
    /// It trades, in this way.
    Trading(Phase),
    /// It does not trade.
    Closed,
    /// No file covers the market or the day.
    Unknown,
}

/// A market's status and how long it lasts.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct StatusAt {
    /// The status.
    pub status: Status,
    /// The first instant of another one; `None` where there is none within a week.
    pub until: Option<Nanos>,
    /// False where the day may be a holiday, or have a special session, that no file lists.
    pub are_exceptions_known: bool,
}

/// Why a file cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum SessionsError {
    /// Not TOML of this shape.
    #[error("session file: {0}")]
    Toml(#[from] toml::de::Error),
    /// A value that makes no sense.
    #[error("session file: field {field} is not a value it can have: {value:?}")]
    Field {
        /// Which field.
        field: &'static str,
        /// What it says.
        value: String,
    },
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct File {
    /// Where the facts come from; read by people.
    #[serde(rename = "source")]
    _source: String,
    markets: Vec<String>,
    valid_from: String,
    valid_to: String,
    utc_offset: String,
    weekdays: Vec<Weekday>,
    exceptions: Exceptions,
    session: Vec<Row>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Row {
    phase: Phase,
    from: String,
    to: String,
}

#[derive(Clone, Copy, Deserialize)]
#[serde(rename_all = "lowercase")]
enum Weekday {
    Mon,
    Tue,
    Wed,
    Thu,
    Fri,
    Sat,
    Sun,
}

#[derive(Clone, Copy, Deserialize)]
#[serde(rename_all = "lowercase")]
enum Exceptions {
    /// There are some, and none is listed.
    Unknown,
    /// There are none.
    None,
}

/// The regular week of some markets.
#[derive(Clone, Debug)]
struct Week {
    valid_from: Date,
    valid_to: Date,
    offset_minutes: i64,
    /// From Monday.
    trades: [bool; 7],
    are_exceptions_known: bool,
    /// Phase, and its first and last minute of the local day.
    phases: Vec<(Phase, i64, i64)>,
}

/// Trading hours by market, which is the part of an instrument key before the colon.
#[derive(Clone, Debug, Default)]
pub struct Sessions {
    /// Each market's weeks, the validities of which do not overlap.
    by_market: BTreeMap<String, Vec<Week>>,
}

impl Sessions {
    /// The hours that are built into the program.
    ///
    /// # Errors
    /// [`SessionsError`] where a built-in file is wrong, which a test rules out.
    pub fn built_in() -> Result<Sessions, SessionsError> {
        let mut sessions = Sessions::default();
        for text in FILES {
            for (market, weeks) in Sessions::parse(text)?.by_market {
                sessions.by_market.entry(market).or_default().extend(weeks);
            }
        }
        Ok(sessions)
    }

    /// Reads one file.
    ///
    /// # Errors
    /// [`SessionsError`], naming the field.
    pub fn parse(text: &str) -> Result<Sessions, SessionsError> {
        let file: File = toml::from_str(text)?;
        let week = week(&file)?;
        Ok(Sessions { by_market: file.markets.into_iter().map(|market| (market, vec![week.clone()])).collect() })
    }

    /// What is known of this day, in the market's own calendar.
    pub fn day(&self, market: &str, date: Date) -> Day {
        let weeks = self.by_market.get(market).into_iter().flatten();
        let Some(week) = weeks.clone().find(|week| (week.valid_from..=week.valid_to).contains(&date)) else {
            return Day::Unknown;
        };
        let trades = week.trades[date.weekday().to_monday_zero_offset().unsigned_abs() as usize % 7];
        let midnight = i64::from(days(date)) * MINUTES_A_DAY - week.offset_minutes;
        let at = |minute: i64| Nanos::new((midnight + minute).saturating_mul(MINUTE));
        let interval = |&(phase, from, to): &(Phase, i64, i64)| Interval { phase, from: at(from), to: at(to) };
        let intervals = week.phases.iter().filter(|_| trades).map(interval).collect();
        Day::Regular { intervals, are_exceptions_known: week.are_exceptions_known }
    }

    /// What a market does at an instant, by the regular week.
    pub fn status_at(&self, market: &str, at: Nanos) -> StatusAt {
        // A market keeps its offset: the days of all its weeks begin at the same time.
        let offset = self.by_market.get(market).and_then(|weeks| weeks.first()).map_or(0, |week| week.offset_minutes);
        let today = (at.raw().div_euclid(MINUTE) + offset).div_euclid(MINUTES_A_DAY);
        let (status, are_exceptions_known) = self.status_on(market, today, at);
        let midnight = |day: i64| Nanos::new((day * MINUTES_A_DAY - offset).saturating_mul(MINUTE));
        let ends = |day: i64| {
            let intervals = match self.day(market, date(day)) {
                Day::Regular { intervals, .. } => intervals,
                Day::Unknown => Vec::new(),
            };
            let ends = intervals.into_iter().flat_map(|interval| [interval.from, interval.to]);
            // A day's last end can be the next one's midnight, of which the next one tells.
            let ends = ends.filter(move |&end| end < midnight(day + 1));
            [midnight(day)].into_iter().chain(ends).map(move |end| (day, end))
        };
        let mut changes = (today..=today.saturating_add(DAYS_AHEAD)).flat_map(ends).filter(|&(_, end)| end > at);
        let until = changes.find(|&(day, end)| self.status_on(market, day, end).0 != status).map(|(_, end)| end);
        StatusAt { status, until, are_exceptions_known }
    }

    /// The status at an instant of a day since 1970, and whether the day's exceptions are known.
    fn status_on(&self, market: &str, day: i64, at: Nanos) -> (Status, bool) {
        match self.day(market, date(day)) {
            Day::Unknown => (Status::Unknown, false),
            Day::Regular { intervals, are_exceptions_known } => {
                let interval = intervals.iter().find(|interval| (interval.from..interval.to).contains(&at));
                (interval.map_or(Status::Closed, |interval| Status::Trading(interval.phase)), are_exceptions_known)
            }
        }
    }
}

/// A day since 1970; days beyond the calendar are its ends, of which no file knows.
fn date(day: i64) -> Date {
    const EPOCH: Date = Date::constant(1970, 1, 1);
    EPOCH.saturating_add(jiff::Span::new().days(day.clamp(-700_000, 2_900_000)))
}

fn week(file: &File) -> Result<Week, SessionsError> {
    let [valid_from, valid_to] = [("valid_from", &file.valid_from), ("valid_to", &file.valid_to)]
        .map(|(field, text)| text.parse::<Date>().map_err(|_| bad(field, text)));
    let (valid_from, valid_to) = (valid_from?, valid_to?);
    if valid_from > valid_to {
        return Err(bad("valid_to", &file.valid_to));
    }
    let mut trades = [false; 7];
    for &weekday in &file.weekdays {
        trades[weekday as usize] = true;
    }
    let mut phases: Vec<(Phase, i64, i64)> = Vec::new();
    for row in &file.session {
        let from = minute("from", &row.from)?;
        let to = minute("to", &row.to)?;
        if phases.last().is_some_and(|&(_, _, end)| from < end) {
            return Err(bad("from", &row.from));
        }
        if to <= from {
            return Err(bad("to", &row.to));
        }
        phases.push((row.phase, from, to));
    }
    Ok(Week {
        valid_from,
        valid_to,
        offset_minutes: offset(&file.utc_offset)?,
        trades,
        are_exceptions_known: matches!(file.exceptions, Exceptions::None),
        phases,
    })
}

/// `+05:30`.
fn offset(text: &str) -> Result<i64, SessionsError> {
    let wrong = || bad("utc_offset", text);
    let (sign, time) = match text.split_at_checked(1) {
        Some(("+", time)) => (1, time),
        Some(("-", time)) => (-1, time),
        _ => return Err(wrong()),
    };
    Ok(sign * minute("utc_offset", time).map_err(|_| wrong())?)
}

/// `09:15`; the end of a day is `24:00`.
fn minute(field: &'static str, text: &str) -> Result<i64, SessionsError> {
    let wrong = || bad(field, text);
    let [tens, ones, b':', ten, one] = *text.as_bytes() else { return Err(wrong()) };
    if ![tens, ones, ten, one].iter().all(u8::is_ascii_digit) {
        return Err(wrong());
    }
    let number = |tens: u8, ones: u8| i64::from(tens - b'0') * 10 + i64::from(ones - b'0');
    let (hours, minutes) = (number(tens, ones), number(ten, one));
    let total = hours * 60 + minutes;
    if minutes < 60 && total <= MINUTES_A_DAY { Ok(total) } else { Err(wrong()) }
}

fn bad(field: &'static str, value: &str) -> SessionsError {
    SessionsError::Field { field, value: value.to_owned() }
}

fn days(date: Date) -> i32 {
    (date - Date::constant(1970, 1, 1)).get_days()
}

#[cfg(test)]
mod tests {
    use super::*;
    use jiff::civil::date;

    fn open(day: &Day) -> Vec<(Phase, i64, i64)> {
        let Day::Regular { intervals, .. } = day else { panic!("unknown") };
        let seconds = |at: Nanos| at.raw() / Nanos::SECOND.raw();
        intervals.iter().map(|it| (it.phase, seconds(it.from), seconds(it.to))).collect()
    }

    #[test]
    fn a_regular_day_of_nse_is_in_utc() {
        let sessions = Sessions::built_in().unwrap();
        let monday = sessions.day("NSE", date(2021, 7, 5));
        // 2021-07-05 03:30, 03:45 and 10:00 UTC.
        let (pre_open, from, to) = (1_625_455_800, 1_625_456_700, 1_625_479_200);
        assert_eq!(open(&monday), [(Phase::PreOpen, pre_open, from), (Phase::Open, from, to)]);
        assert!(matches!(monday, Day::Regular { are_exceptions_known: false, .. }), "it may have been a holiday");
        assert_eq!(open(&sessions.day("NSE", date(2021, 7, 4))), [], "a Sunday");
    }

    #[test]
    fn what_no_file_covers_is_unknown_and_never_open() {
        let sessions = Sessions::built_in().unwrap();
        for (market, day) in [
            ("NSE", date(2010, 10, 17)),
            ("NSE", date(2027, 1, 1)),
            ("MCX", date(2021, 7, 5)),
            ("BINANCE", date(2020, 12, 31)),
            ("", date(2021, 7, 5)),
        ] {
            assert_eq!(sessions.day(market, day), Day::Unknown, "{market} {day}");
        }
        assert_ne!(sessions.day("NSE", date(2010, 10, 18)), Day::Unknown);
        assert_ne!(sessions.day("NSE", date(2026, 12, 31)), Day::Unknown);
    }

    #[test]
    fn around_the_clock_leaves_no_hole_between_days() {
        let sessions = Sessions::built_in().unwrap();
        for market in ["BINANCE", "BINANCE-USDM", "BINANCE-COINM", "COINBASE", "KRAKEN", "SIM"] {
            let mut end = None;
            let mut day = date(2024, 2, 25);
            while day < date(2024, 3, 5) {
                let parts = open(&sessions.day(market, day));
                let [(Phase::Open, from, to)] = parts[..] else { panic!("{market} {day}: {parts:?}") };
                assert!(end.is_none_or(|end| end == from), "{market} {day}");
                end = Some(to);
                day = day.tomorrow().unwrap();
            }
        }
        assert!(matches!(sessions.day("SIM", date(2024, 2, 29)), Day::Regular { are_exceptions_known: true, .. }));
    }

    fn utc(text: &str) -> Nanos {
        let at: jiff::Timestamp = text.parse().unwrap();
        Nanos::new(i64::try_from(at.as_nanosecond()).unwrap())
    }

    /// Status and next change of a market at a time in India.
    fn at(market: &str, time: &str) -> (Status, Option<Nanos>) {
        let it = Sessions::built_in().unwrap().status_at(market, utc(&format!("{time}+05:30")));
        (it.status, it.until)
    }

    #[test]
    fn the_end_of_the_day_moves_with_the_closing_auction() {
        use Phase::{ClosingAuction, Open, PreOpen};
        use Status::{Closed, Trading, Unknown};
        // The last Friday before, and the first Monday with the auction; each line holds until the next.
        for (market, lines) in [
            (
                "NSE",
                &[
                    ("2026-07-31T00:00:00", Closed),
                    ("2026-07-31T09:00:00", Trading(PreOpen)),
                    ("2026-07-31T09:15:00", Trading(Open)),
                    ("2026-07-31T15:30:00", Closed),
                    ("2026-08-03T09:00:00", Trading(PreOpen)),
                    ("2026-08-03T09:15:00", Trading(Open)),
                    ("2026-08-03T15:15:00", Trading(ClosingAuction)),
                    ("2026-08-03T15:35:00", Closed),
                    ("2026-08-04T09:00:00", Trading(PreOpen)),
                ][..],
            ),
            (
                "NFO",
                &[
                    ("2026-07-31T09:15:00", Trading(Open)),
                    ("2026-07-31T15:30:00", Closed),
                    ("2026-08-03T09:15:00", Trading(Open)),
                    ("2026-08-03T15:40:00", Closed),
                    ("2026-08-04T09:15:00", Trading(Open)),
                ],
            ),
            (
                "NSE",
                &[
                    ("2026-12-31T15:15:00", Trading(ClosingAuction)),
                    ("2026-12-31T15:35:00", Closed),
                    ("2027-01-01T00:00:00", Unknown),
                ],
            ),
            ("NSE", &[("2010-10-17T23:59:59", Unknown), ("2010-10-18T00:00:00", Closed)]),
        ] {
            for pair in lines.windows(2) {
                let [(from, status), (to, next)] = pair else { unreachable!() };
                let end = utc(&format!("{to}+05:30"));
                assert_eq!(at(market, from), (*status, Some(end)), "{market} {from}");
                let last = Sessions::built_in().unwrap().status_at(market, end.plus(Nanos::new(-1)));
                assert_eq!((last.status, last.until), (*status, Some(end)), "{market} before {to}");
                assert!(!last.are_exceptions_known);
                assert_eq!(at(market, to).0, *next, "{market} {to}");
            }
        }
    }

    #[test]
    fn around_the_clock_nothing_changes_but_what_is_known() {
        let sessions = Sessions::built_in().unwrap();
        let new_year = utc("2027-01-01T00:00:00Z");
        for (market, at, status, until) in [
            ("BINANCE", utc("2025-12-31T23:59:59Z"), Status::Trading(Phase::Open), None),
            ("BINANCE", utc("2026-12-28T00:00:00Z"), Status::Trading(Phase::Open), Some(new_year)),
            ("KRAKEN", new_year, Status::Unknown, None),
            ("KRAKEN", utc("2020-12-31T23:00:00Z"), Status::Unknown, Some(utc("2021-01-01T00:00:00Z"))),
            ("SIM", new_year, Status::Trading(Phase::Open), None),
            ("NOWHERE", new_year, Status::Unknown, None),
            ("SIM", Nanos::new(i64::MAX), Status::Unknown, None),
            ("NSE", Nanos::new(i64::MIN), Status::Unknown, None),
        ] {
            let found = sessions.status_at(market, at);
            assert_eq!((found.status, found.until), (status, until), "{market} {at}");
        }
    }

    #[test]
    fn no_two_files_say_something_of_the_same_day() {
        for (market, weeks) in &Sessions::built_in().unwrap().by_market {
            for (number, week) in weeks.iter().enumerate() {
                let overlaps = |other: &&Week| week.valid_from <= other.valid_to && other.valid_from <= week.valid_to;
                assert_eq!(weeks.iter().filter(overlaps).count(), 1, "{market}, file {number}");
                assert_eq!(week.offset_minutes, weeks[0].offset_minutes, "{market}");
            }
        }
    }

    #[test]
    fn a_senseless_value_is_named() {
        for (from, to, field) in [
            ("2010-10-18", "2010-13-18", "valid_from"),
            ("2026-08-02", "2009-12-31", "valid_to"),
            ("+05:30", "05:30", "utc_offset"),
            ("+05:30", "+05:60", "utc_offset"),
            ("15:30", "24:01", "to"),
            ("15:30", "09:15", "to"),
            ("15:30", "१५:३०", "to"),
            ("09:00", "9:00", "from"),
        ] {
            let bad = FILES[0].replace(&format!("\"{from}\""), &format!("\"{to}\""));
            let message = Sessions::parse(&bad).unwrap_err().to_string();
            assert!(message.contains(&format!("field {field} ")), "{from} -> {to}: {message}");
        }
        let overlap = FILES[0].replacen("to = \"09:15\"", "to = \"09:16\"", 1);
        assert!(Sessions::parse(&overlap).unwrap_err().to_string().contains("field from "));
        assert!(Sessions::parse("nonsense = 1").is_err());
    }
}
