use super::*;
use jiff::civil::date;

fn open(day: &Day) -> Vec<(Phase, i64, i64)> {
    let Day::Known { intervals, .. } = day else { panic!("unknown") };
    let seconds = |at: Nanos| at.raw() / Nanos::SECOND.raw();
    intervals.iter().map(|it| (it.phase, seconds(it.from), seconds(it.to))).collect()
}

#[test]
fn a_regular_day_of_nse_is_in_utc() {
    let sessions = Sessions::built_in().unwrap();
    let monday = sessions.day("NSE", date(2021, 7, 5));
    // 2021-07-05 03:30, 03:45 and 10:00 UTC.
    let (pre_open, from, to) = (1_625_455_800, 1_625_456_700, 1_625_479_200);
    let post_close = (Phase::PostClose, to + 600, to + 1_800);
    assert_eq!(open(&monday), [(Phase::PreOpen, pre_open, from), (Phase::Open, from, to), post_close]);
    assert!(matches!(monday, Day::Known { are_exceptions_known: false, .. }), "it may have been a holiday");
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
    assert!(matches!(sessions.day("SIM", date(2024, 2, 29)), Day::Known { are_exceptions_known: true, .. }));
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
    use Phase::{ClosingAuction, Open, PostClose, PreOpen};
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
                ("2026-07-31T15:40:00", Trading(PostClose)),
                ("2026-07-31T16:00:00", Closed),
                ("2026-08-03T09:00:00", Trading(PreOpen)),
                ("2026-08-03T09:15:00", Trading(Open)),
                ("2026-08-03T15:15:00", Trading(ClosingAuction)),
                ("2026-08-03T15:35:00", Closed),
                ("2026-08-03T15:50:00", Trading(PostClose)),
                ("2026-08-03T16:00:00", Closed),
                ("2026-08-04T09:00:00", Trading(PreOpen)),
            ][..],
        ),
        (
            "NFO",
            &[
                ("2026-07-31T09:15:00", Trading(Open)),
                ("2026-07-31T15:30:00", Closed),
                ("2026-08-03T09:00:00", Trading(PreOpen)),
                ("2026-08-03T09:15:00", Trading(Open)),
                ("2026-08-03T15:40:00", Closed),
                ("2026-08-04T09:00:00", Trading(PreOpen)),
            ],
        ),
        (
            "NSE",
            &[
                ("2026-12-31T15:15:00", Trading(ClosingAuction)),
                ("2026-12-31T15:35:00", Closed),
                ("2026-12-31T15:50:00", Trading(PostClose)),
                ("2026-12-31T16:00:00", Closed),
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
            assert_eq!(last.are_exceptions_known, from.starts_with("2026"), "{market} {from}");
            assert_eq!(at(market, to).0, *next, "{market} {to}");
        }
    }
}

#[test]
fn around_the_clock_nothing_changes_but_what_is_known() {
    let sessions = Sessions::built_in().unwrap();
    let new_year = utc("2027-01-01T00:00:00Z");
    let far = utc("2200-01-01T00:00:00Z");
    for (market, at, status, until) in [
        ("BINANCE", utc("2025-12-31T23:59:59Z"), Status::Trading(Phase::Open), None),
        ("BINANCE", utc("2026-12-28T00:00:00Z"), Status::Trading(Phase::Open), None),
        ("BINANCE-USDM", new_year, Status::Trading(Phase::Open), None),
        ("KRAKEN", far, Status::Trading(Phase::Open), None),
        ("KRAKEN", utc("2020-12-31T23:00:00Z"), Status::Unknown, Some(utc("2021-01-01T00:00:00Z"))),
        ("SIM", new_year, Status::Trading(Phase::Open), None),
        ("NOWHERE", new_year, Status::Unknown, None),
        ("SIM", utc("2262-01-01T00:00:00Z"), Status::Trading(Phase::Open), None),
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
            let end = |week: &Week| week.valid_to.unwrap_or(Date::MAX);
            let overlaps = |other: &&Week| week.valid_from <= end(other) && other.valid_from <= end(week);
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

#[test]
fn the_calendar_of_nse_closes_holidays_and_opens_a_sunday() {
    let sessions = Sessions::built_in().unwrap();
    // On weekdays; as the package exchange_calendars has them for the same year, too.
    let closed = [
        (1, 15),
        (1, 26),
        (3, 3),
        (3, 26),
        (3, 31),
        (4, 3),
        (4, 14),
        (5, 1),
        (5, 28),
        (6, 26),
        (9, 14),
        (10, 2),
        (10, 20),
        (11, 10),
        (11, 24),
        (12, 25),
    ];
    let budget = date(2026, 2, 1);
    let muhurat = date(2026, 11, 8);
    for market in ["NSE", "NFO"] {
        let mut day = date(2026, 1, 1);
        let mut days_of_trade = 0;
        while day.year() == 2026 {
            let is_weekday = day.weekday().to_monday_zero_offset() < 5;
            let trades = day == budget || is_weekday && !closed.contains(&(day.month(), day.day()));
            match sessions.day(market, day) {
                Day::Unknown => assert_eq!(day, muhurat, "{market}"),
                Day::Known { intervals, are_exceptions_known } => {
                    assert!(are_exceptions_known, "{market} {day}");
                    assert_eq!(!intervals.is_empty(), trades, "{market} {day}");
                    days_of_trade += i32::from(trades);
                }
            }
            day = day.tomorrow().unwrap();
        }
        // 261 weekdays, 16 of them closed, and a Sunday.
        assert_eq!(days_of_trade, 261 - 16 + 1, "{market}");
        // 03:45 and 10:00 UTC.
        assert_eq!(open(&sessions.day(market, budget)), [(Phase::Open, 1_769_917_500, 1_769_940_000)], "{market}");
    }
    assert!(matches!(sessions.day("NSE", date(2025, 12, 31)), Day::Known { are_exceptions_known: false, .. }));
    // From a closed Friday past the weekend.
    assert_eq!(at("NSE", "2026-05-01T12:00:00").1, Some(utc("2026-05-04T09:00:00+05:30")));
}

#[test]
fn futures_have_a_pre_open_session_since_december_2025() {
    use Phase::{Open, PreOpen};
    assert_eq!(at("NFO", "2025-12-05T09:05:00").0, Status::Closed);
    assert_eq!(at("NFO", "2025-12-08T09:05:00").0, Status::Trading(PreOpen));
    assert_eq!(at("NFO", "2025-12-08T09:15:00").0, Status::Trading(Open));
    assert_eq!(at("NFO", "2026-08-03T09:14:59").0, Status::Trading(PreOpen));
}

#[test]
fn sixty_days_before_its_facts_run_out_a_market_is_named() {
    let sessions = Sessions::built_in().unwrap();
    let ending = |time: &str| -> Vec<(String, i64)> {
        sessions.ending(utc(time)).into_iter().map(|it| (it.market, it.days)).collect()
    };
    let both = |days| vec![("NFO".to_owned(), days), ("NSE".to_owned(), days)];
    // Midnight in India is at 18:30 UTC.
    assert_eq!(ending("2026-11-01T18:29:59Z"), []);
    assert_eq!(ending("2026-11-01T18:30:00Z"), both(59));
    assert_eq!(ending("2026-12-31T18:29:59Z"), both(0));
    assert_eq!(ending("2027-03-01T00:00:00Z"), both(-60));
}

#[test]
fn a_calendar_names_each_day_once_and_within_its_span() {
    let read = |text: &str| toml::from_str::<CalendarFile>(text).map(|file| calendar(&file));
    let text = CALENDARS[0];
    assert!(read(text).unwrap().is_ok());
    for (from, to, field) in [
        ("\"2026-01-26\"", "\"2026-01-15\"", "closed"),
        ("\"2026-12-25\"", "\"2027-12-25\"", "closed"),
        ("date = \"2026-02-01\"", "date = \"2026-01-15\"", "date"),
        ("date = \"2026-02-01\"", "date = \"2026-02-30\"", "date"),
        ("\"2026-12-25\"", "\"2026-13-25\"", "closed"),
        ("to = \"15:30\"", "to = \"09:15\"", "to"),
        ("to = \"2026-12-31\"", "to = \"2026\"", "to"),
    ] {
        let message = read(&text.replace(from, to)).unwrap().unwrap_err().to_string();
        assert!(message.contains(&format!("field {field} ")), "{from} -> {to}: {message}");
    }
    assert!(read("markets = []").is_err());
}
