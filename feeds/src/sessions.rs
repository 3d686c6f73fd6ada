//! When markets trade, from dated files: UTC intervals of each trading day, or the admission that nothing is
//! known of it.

use jiff::civil::Date;
use serde::Deserialize;
use std::collections::BTreeMap;
use tidegate_core::Nanos;

/// The files that are built in.
const FILES: [&str; 7] = [
    include_str!("../../data/sessions/nse.toml"),
    include_str!("../../data/sessions/nse-2026-08.toml"),
    include_str!("../../data/sessions/nfo.toml"),
    include_str!("../../data/sessions/nfo-2025-12.toml"),
    include_str!("../../data/sessions/nfo-2026-08.toml"),
    include_str!("../../data/sessions/crypto.toml"),
    include_str!("../../data/sessions/simulated.toml"),
];
/// The calendars that are built in.
const CALENDARS: [&str; 1] = [include_str!("../../data/sessions/calendar-nse-2026.toml")];

const MINUTE: i64 = 60 * Nanos::SECOND.raw();
const MINUTES_A_DAY: i64 = 24 * 60;
/// How many days ahead the next change is looked for: past any weekend.
const DAYS_AHEAD: i64 = 7;
/// How many days before its facts run out a market is named by [`Sessions::ending`].
const NOTICE_DAYS: i64 = 60;

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
    /// Trades at the closing price alone.
    PostClose,
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
    /// No file covers the market or the day, or the hours of a special session are not known: it may be open or closed.
    Unknown,
    /// It trades in these intervals; none means closed. Where `are_exceptions_known` is false they are those of the regular
    /// week, and the day may still be a holiday or have a special session.
    Known {
        /// In order, none overlapping another.
        intervals: Vec<Interval>,
        /// A calendar of holidays and special sessions covers the day, or the market has none.
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

/// A market of which the files soon know nothing, or do so no more.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Ending {
    /// The market, as in an instrument's key.
    pub market: String,
    /// The last day that a file covers.
    pub last: Date,
    /// Days from today to the last one; below zero once it is over.
    pub days: i64,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct File {
    /// Where the facts come from; read by people.
    #[serde(rename = "source")]
    _source: String,
    markets: Vec<String>,
    valid_from: String,
    /// Left out where the hours have no end.
    valid_to: Option<String>,
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

/// Days that depart from the regular week.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct CalendarFile {
    /// Where the facts come from; read by people.
    #[serde(rename = "source")]
    _source: String,
    markets: Vec<String>,
    from: String,
    to: String,
    closed: Vec<String>,
    #[serde(default)]
    special: Vec<SpecialFile>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct SpecialFile {
    date: String,
    /// What the day is; read by people.
    #[serde(rename = "note")]
    _note: String,
    /// Left out where no source proves the hours.
    session: Option<Vec<Row>>,
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
    /// `None` where the hours have no end.
    valid_to: Option<Date>,
    offset_minutes: i64,
    /// From Monday.
    trades: [bool; 7],
    are_exceptions_known: bool,
    phases: Vec<DayPart>,
}

/// Phase, and its first and last minute of the local day.
type DayPart = (Phase, i64, i64);

/// Every departure from the regular week between two days.
#[derive(Clone, Debug)]
struct Calendar {
    from: Date,
    to: Date,
    /// What such a day has instead: no part where it is closed, `None` where its hours are not known.
    days: BTreeMap<Date, Option<Vec<DayPart>>>,
}

/// Trading hours by market, which is the part of an instrument key before the colon.
#[derive(Clone, Debug, Default)]
pub struct Sessions {
    /// Each market's weeks, the validities of which do not overlap.
    by_market: BTreeMap<String, Vec<Week>>,
    /// Each market's calendars, the spans of which do not overlap.
    calendars: BTreeMap<String, Vec<Calendar>>,
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
        for text in CALENDARS {
            let file: CalendarFile = toml::from_str(text)?;
            let calendar = calendar(&file)?;
            for market in file.markets {
                sessions.calendars.entry(market).or_default().push(calendar.clone());
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
        let by_market = file.markets.into_iter().map(|market| (market, vec![week.clone()])).collect();
        Ok(Sessions { by_market, calendars: BTreeMap::new() })
    }

    /// What is known of this day, in the market's own calendar.
    pub fn day(&self, market: &str, date: Date) -> Day {
        let Some(week) = self.by_market.get(market).into_iter().flatten().find(|week| week.covers(date)) else {
            return Day::Unknown;
        };
        let calendars = self.calendars.get(market).into_iter().flatten();
        let calendar = calendars.into_iter().find(|calendar| (calendar.from..=calendar.to).contains(&date));
        let parts = match calendar.and_then(|calendar| calendar.days.get(&date)) {
            Some(None) => return Day::Unknown,
            Some(Some(parts)) => parts.as_slice(),
            None if week.trades[date.weekday().to_monday_zero_offset().unsigned_abs() as usize % 7] => &week.phases,
            None => &[],
        };
        let midnight = i64::from(days(date)) * MINUTES_A_DAY - week.offset_minutes;
        let at = |minute: i64| Nanos::new((midnight + minute).saturating_mul(MINUTE));
        let interval = |&(phase, from, to): &DayPart| Interval { phase, from: at(from), to: at(to) };
        let are_exceptions_known = week.are_exceptions_known || calendar.is_some();
        Day::Known { intervals: parts.iter().map(interval).collect(), are_exceptions_known }
    }

    /// The markets whose files cover fewer than 60 days after an instant, or end before it, in alphabetical order.
    pub fn ending(&self, at: Nanos) -> Vec<Ending> {
        let ending = |(market, weeks): (&String, &Vec<Week>)| {
            let ends: Option<Vec<Date>> = weeks.iter().map(|week| week.valid_to).collect();
            let last = ends?.into_iter().max()?;
            let offset = weeks.first()?.offset_minutes;
            let today = (at.raw().div_euclid(MINUTE) + offset).div_euclid(MINUTES_A_DAY);
            let days = i64::from(days(last)) - today;
            (days < NOTICE_DAYS).then(|| Ending { market: market.clone(), last, days })
        };
        self.by_market.iter().filter_map(ending).collect()
    }

    /// What a market does at an instant.
    pub fn status_at(&self, market: &str, at: Nanos) -> StatusAt {
        // A market keeps its offset: the days of all its weeks begin at the same time.
        let offset = self.by_market.get(market).and_then(|weeks| weeks.first()).map_or(0, |week| week.offset_minutes);
        let today = (at.raw().div_euclid(MINUTE) + offset).div_euclid(MINUTES_A_DAY);
        let (status, are_exceptions_known) = self.status_on(market, today, at);
        let midnight = |day: i64| Nanos::new((day * MINUTES_A_DAY - offset).saturating_mul(MINUTE));
        let ends = |day: i64| {
            let intervals = match self.day(market, date(day)) {
                Day::Known { intervals, .. } => intervals,
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
            Day::Known { intervals, are_exceptions_known } => {
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

impl Week {
    fn covers(&self, date: Date) -> bool {
        self.valid_from <= date && self.valid_to.is_none_or(|last| date <= last)
    }
}

fn week(file: &File) -> Result<Week, SessionsError> {
    let valid_from = day("valid_from", &file.valid_from)?;
    let valid_to = file.valid_to.as_deref().map(|text| day("valid_to", text)).transpose()?;
    if let (Some(last), Some(text)) = (valid_to, &file.valid_to)
        && last < valid_from
    {
        return Err(bad("valid_to", text));
    }
    let mut trades = [false; 7];
    for &weekday in &file.weekdays {
        trades[weekday as usize] = true;
    }
    Ok(Week {
        valid_from,
        valid_to,
        offset_minutes: offset(&file.utc_offset)?,
        trades,
        are_exceptions_known: matches!(file.exceptions, Exceptions::None),
        phases: day_parts(&file.session)?,
    })
}

fn calendar(file: &CalendarFile) -> Result<Calendar, SessionsError> {
    let (from, to) = (day("from", &file.from)?, day("to", &file.to)?);
    let mut days = BTreeMap::new();
    // A day twice, or beyond the span, is a slip in the file.
    let mut add = |field, text: &str, parts| match day(field, text)? {
        date if (from..=to).contains(&date) && days.insert(date, parts).is_none() => Ok(()),
        _ => Err(bad(field, text)),
    };
    for date in &file.closed {
        add("closed", date, Some(Vec::new()))?;
    }
    for SpecialFile { date, session, .. } in &file.special {
        add("date", date, session.as_deref().map(day_parts).transpose()?)?;
    }
    Ok(Calendar { from, to, days })
}

fn day_parts(rows: &[Row]) -> Result<Vec<DayPart>, SessionsError> {
    let mut parts: Vec<DayPart> = Vec::new();
    for row in rows {
        let from = minute("from", &row.from)?;
        let to = minute("to", &row.to)?;
        if parts.last().is_some_and(|&(_, _, end)| from < end) {
            return Err(bad("from", &row.from));
        }
        if to <= from {
            return Err(bad("to", &row.to));
        }
        parts.push((row.phase, from, to));
    }
    Ok(parts)
}

fn day(field: &'static str, text: &str) -> Result<Date, SessionsError> {
    text.parse().map_err(|_| bad(field, text))
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
#[path = "sessions_tests.rs"]
mod tests;
