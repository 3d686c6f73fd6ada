//! Captures that are written otherwise than usual, count anew, or hold what cannot be read or represented.

use crate::binary::{replay_json, run, text};
use crate::generated::{self, Market};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde_json::{Value, json};
use std::collections::BTreeMap;
use std::fmt::Write;
use std::fs;
use tempfile::tempdir;

/// 2025-01-01 00:00:00 UTC, in nanoseconds.
const TIME: i64 = 1_735_689_600_000_000_000;
const MARKETS: [Market; 3] = [Market::Spot, Market::UsdM, Market::CoinM];

/// What `tidegate replay` makes of a capture.
struct Replayed {
    is_success: bool,
    errors: String,
    report: Value,
    /// Line, family, cause, expected and got number.
    gaps: Vec<(u64, String, String, u64, u64)>,
    /// Bid, its quantity, ask, its quantity.
    tops: Vec<String>,
}

fn replay(venue: Option<&str>, capture: &str, more: &[&str]) -> Replayed {
    let folder = tempdir().unwrap();
    let [path, gaps, tops] = ["capture.txt", "gaps.csv", "tops.csv"].map(|name| folder.path().join(name));
    fs::write(&path, capture).unwrap();
    let mut arguments = vec!["replay", "--json", text(&path), "--gaps", text(&gaps), "--tops", text(&tops)];
    arguments.extend(venue.iter().flat_map(|venue| ["--venue", venue]));
    arguments.extend(more);
    let output = run(folder.path(), &arguments);
    let rows =
        |path| fs::read_to_string(path).unwrap_or_default().lines().skip(1).map(str::to_owned).collect::<Vec<_>>();
    let gap = |row: &String| {
        let fields: Vec<&str> = row.split(',').collect();
        let number = |at: usize| fields[at].parse().unwrap();
        (number(1), fields[4].to_owned(), fields[5].to_owned(), number(6), number(7))
    };
    Replayed {
        is_success: output.status.success(),
        errors: String::from_utf8(output.stderr).unwrap(),
        report: serde_json::from_slice(&output.stdout).unwrap_or_default(),
        gaps: rows(&gaps).iter().map(gap).collect(),
        tops: rows(&tops).iter().map(|row| row.splitn(4, ',').last().unwrap().to_owned()).collect(),
    }
}

/// The digest of a capture that is understood whole.
fn digest(venue: Option<&str>, capture: &str) -> String {
    let Replayed { is_success, errors, report, .. } = replay(venue, capture, &[]);
    assert!(is_success && errors.is_empty(), "{errors}");
    assert_eq!(report["decode_errors"], 0, "{report}");
    assert!(report["events"].as_u64() > Some(0), "{report}");
    report["digest"].as_str().unwrap().to_owned()
}

/// Every text of the JSON with some of its characters escaped: all of them, every second, every third, the slashes.
fn escaped(json: &str, way: usize) -> String {
    let (mut out, mut is_in_text) = (String::new(), false);
    for (at, character) in json.chars().enumerate() {
        match character {
            '"' => {
                is_in_text = !is_in_text;
                out.push('"');
            }
            '/' if is_in_text && way == 3 => out.push_str("\\/"),
            _ if is_in_text && way < 3 && at % (way + 1) == 0 => {
                for unit in character.encode_utf16(&mut [0; 2]) {
                    write!(out, "\\u{unit:04x}").unwrap();
                }
            }
            _ => out.push(character),
        }
    }
    out
}

/// Every line of a capture with its texts escaped in one of the ways, the next line in the next.
fn all_escaped(capture: &str) -> String {
    let lines = capture.lines().enumerate().map(|(number, line)| match line.split_once(' ') {
        Some((time, json)) if json.starts_with(['{', '[']) => format!("{time} {}\n", escaped(json, number % 4)),
        _ => format!("{line}\n"),
    });
    lines.collect()
}

#[test]
fn escapes_of_json_change_nothing() {
    for market in MARKETS {
        let raw = generated::capture(market, 61, 300).text;
        for symbol in ["X", "币安人生", "\u{1f600}"] {
            let raw = raw.replace(r#""X""#, &format!("{symbol:?}"));
            assert_eq!(
                digest(Some(market.venue()), &all_escaped(&raw)),
                digest(Some(market.venue()), &raw),
                "{symbol}"
            );
        }
        assert_eq!(digest(None, &all_escaped(&raw)), digest(None, &raw), "the file tells its venue");
    }
    for depth in [None, Some(10)] {
        let raw = kraken(10, depth, 60);
        assert_eq!(digest(Some("kraken"), &all_escaped(&raw)), digest(Some("kraken"), &raw));
    }
}

/// A capture of a book, two trades and a ticker, at times in this unit.
fn timed(market: Market, unit: i64) -> String {
    let mut capture = String::new();
    let futures = |previous: i64, time: i64| match market {
        Market::Spot => String::new(),
        Market::UsdM => format!(r#""T":{time},"pu":{previous},"#),
        Market::CoinM => format!(r#""T":{time},"ps":"XUSD","pu":{previous},"#),
    };
    let symbol = if market == Market::Spot { "" } else { r#""symbol":"X","# };
    for step in 0..20 {
        let received = TIME + step * 2_000_000_000;
        let time = received / unit;
        let depth = format!(
            r#"{{"stream":"x@depth","data":{{"e":"depthUpdate","E":{time},"s":"X",{}"U":{},"u":{},"b":[["100","{}"]],"a":[]}}}}"#,
            futures(100 + step, time),
            101 + step,
            101 + step,
            step + 1
        );
        if step == 0 {
            let stamps = if market == Market::Spot { String::new() } else { format!(r#""E":{time},"T":{time},"#) };
            writeln!(
                capture,
                r#"{received} {{"lastUpdateId":100,{stamps}{symbol}"bids":[["99","1"]],"asks":[["101","1"]]}}"#
            )
            .unwrap();
        }
        let trade = format!(
            r#"{{"stream":"x@trade","data":{{"e":"trade","E":{time},"s":"X","t":{step},"p":"100","q":"1","T":{time},"m":true}}}}"#
        );
        let ticker = format!(
            r#"{{"stream":"x@bookTicker","data":{{"u":{},"s":"X","b":"100","B":"{}","a":"101","A":"1","T":{time},"E":{time}}}}}"#,
            101 + step,
            step + 1
        );
        for json in [depth, trade, ticker] {
            writeln!(capture, "{received} {json}").unwrap();
        }
    }
    capture
}

#[test]
fn a_time_tells_its_unit_by_its_size() {
    for market in MARKETS {
        let digests = [1, 1_000, 1_000_000, 1_000_000_000].map(|unit| {
            let capture = timed(market, unit);
            let Replayed { is_success, errors, report, tops, .. } =
                replay(Some(market.venue()), &capture, &["--verify"]);
            assert!(is_success, "{errors}");
            assert_eq!((&report["trades"], tops.len()), (&json!(20), 20), "{market:?} in units of {unit} ns");
            assert_eq!((&report["verify"]["equal"], &report["decode_errors"]), (&json!(20), &json!(0)));
            digest(Some(market.venue()), &capture)
        });
        assert!(digests.iter().all(|digest| *digest == digests[0]), "{market:?}: {digests:?}");
    }
}

/// A checksum by the definition: bit by bit.
fn crc32(bytes: impl Iterator<Item = u8>) -> u32 {
    !bytes.fold(u32::MAX, |crc, byte| {
        (0..8).fold(crc ^ u32::from(byte), |crc, _| if crc & 1 == 1 { crc >> 1 ^ 0xedb8_8320 } else { crc >> 1 })
    })
}

/// A capture of Kraken v2: a book to this depth and its changes, which take levels from its best end until those below
/// are seen, and put others back. The venue's answer tells the depth, or is not there.
fn kraken(depth: usize, told: Option<usize>, changes: u64) -> String {
    // By side: prices in tenths, best first, and quantities in 10⁻⁸. The market is deeper than what is sent.
    let mut market: [BTreeMap<i64, u64>; 2] =
        [-1, 1].map(|sign| (1..=2 * depth as i64 + 40).map(|n| (sign * n, 1_000 + n as u64)).collect());
    let price = |key: i64| 10_000 + key;
    let decimal = |units: i64, scale: i64| {
        format!("{}.{:0width$}", units / scale, units % scale, width = scale.ilog10() as usize)
    };
    let level = |(&key, &qty): (&i64, &u64)| {
        format!(r#"{{"price":{},"qty":{}}}"#, decimal(price(key), 10), decimal(qty as i64, 100_000_000))
    };
    // Bids are the negative keys: the best is the last of them.
    let best = |side: &BTreeMap<i64, u64>, count: usize| -> Vec<(i64, u64)> {
        let mut levels: Vec<_> = side.iter().map(|(&key, &qty)| (key, qty)).collect();
        levels.sort_by_key(|(key, _)| key.abs());
        levels.truncate(count);
        levels
    };
    let checksum = |market: &[BTreeMap<i64, u64>; 2]| {
        let sides = [best(&market[1], 10), best(&market[0], 10)];
        let digits = sides.concat().into_iter().map(|(key, qty)| format!("{}{qty}", price(key)));
        crc32(digits.collect::<String>().into_bytes().into_iter())
    };
    let join = |levels: &[(i64, u64)]| levels.iter().map(|(key, qty)| level((key, qty))).collect::<Vec<_>>().join(",");
    let mut lines = vec!["wss://ws.kraken.com/v2 <-> 1735689600.0".to_owned()];
    if let Some(told) = told {
        lines.push(format!(
            r#"1735689600.1: {{"method":"subscribe","result":{{"channel":"book","depth":{told},"snapshot":true,"symbol":"A/B"}},"success":true}}"#
        ));
    }
    let mut say = |second: u64, kind: &str, bids: &[(i64, u64)], asks: &[(i64, u64)], checksum: u32| {
        lines.push(format!(
            r#"{}.5: {{"channel":"book","type":"{kind}","data":[{{"symbol":"A/B","bids":[{}],"asks":[{}],"checksum":{checksum}}}]}}"#,
            1_735_689_600 + second,
            join(bids),
            join(asks)
        ));
    };
    let sent = [0, 1].map(|side| best(&market[side], depth));
    say(0, "snapshot", &sent[0], &sent[1], checksum(&market));
    for change in 1..=changes {
        let mut sides = [Vec::new(), Vec::new()];
        for (side, said) in sides.iter_mut().enumerate() {
            let before = best(&market[side], depth);
            // The best levels go in turns, and come back all at once.
            let sign = if side == 0 { -1 } else { 1 };
            if change % 31 == 0 {
                market[side].extend((1..=30).map(|n| (sign * n, change)));
            } else {
                market[side].pop_first_by(side);
            }
            let after = best(&market[side], depth);
            let gone = before.iter().filter(|(key, _)| !market[side].contains_key(key)).map(|&(key, _)| (key, 0));
            // What is pushed out of the depth is not told: whoever listens cuts it off.
            said.extend(gone.chain(after.iter().filter(|level| !before.contains(level)).copied()));
        }
        say(change, "update", &sides[0], &sides[1], checksum(&market));
    }
    lines.join("\n") + "\n"
}

trait PopBest {
    fn pop_first_by(&mut self, side: usize);
}

impl PopBest for BTreeMap<i64, u64> {
    /// Takes the best level: the last of the bids, the first of the asks.
    fn pop_first_by(&mut self, side: usize) {
        if side == 0 {
            self.pop_last()
        } else {
            self.pop_first()
        };
    }
}

#[test]
fn every_depth_of_kraken_is_the_venues_own() {
    const CHANGES: u64 = 100;
    for depth in [10, 25, 100, 500, 1_000] {
        for told in [Some(depth), None] {
            let capture = kraken(depth, told, CHANGES);
            let Replayed { is_success, errors, report, gaps, .. } = replay(Some("kraken"), &capture, &["--verify"]);
            assert!(is_success && errors.is_empty(), "{depth}: {errors}");
            assert_eq!((gaps, &report["decode_errors"]), (vec![], &json!(0)), "{depth}, told {told:?}");
            let all = CHANGES + 1;
            assert_eq!(report["verify"], json!({"checked": all, "equal": all, "first_mismatch": null}), "{depth}");
        }
    }
}

#[test]
fn a_wrong_checksum_fails_the_verification() {
    let capture = kraken(25, Some(25), 20);
    let (before, last) = capture.rsplit_once("\"checksum\":").unwrap();
    let last: u32 = last.trim_end().trim_end_matches("}]}").parse().unwrap();
    let wrong = format!("{before}\"checksum\":{}}}]}}\n", last.wrapping_add(1));
    let Replayed { is_success, report, gaps, .. } = replay(Some("kraken"), &wrong, &["--verify"]);
    assert!(!is_success);
    assert_eq!(gaps.iter().map(|gap| gap.2.as_str()).collect::<Vec<_>>(), ["checksum"]);
    assert_eq!((&report["verify"]["checked"], &report["verify"]["equal"]), (&json!(21), &json!(20)));
    assert_eq!(report["verify"]["first_mismatch"]["instrument"], "KRAKEN:A/B@KRAKEN");
}

/// A full packet of Kite: five levels a side around `last`, in the venue's steps.
fn kite_packet(token: u32, last: u32, volume: u32, second: u32) -> Vec<u8> {
    let time = (TIME / 1_000_000_000) as u32 + second;
    let mut words = vec![token, last, 1, last, volume, 500, 600, last, last, last, last, time, 0, 0, 0, time];
    let mut packet = Vec::new();
    for row in 0..10u32 {
        let price = if row < 5 { last - 5 * (row + 1) } else { last + 5 * (row - 4) };
        words.extend([100 + row, price, 1 << 16]);
    }
    words.iter().for_each(|word| packet.extend(word.to_be_bytes()));
    packet
}

fn kite_line(second: u32, packets: &[Vec<u8>]) -> String {
    let mut frame = (packets.len() as u16).to_be_bytes().to_vec();
    for packet in packets {
        frame.extend((packet.len() as u16).to_be_bytes());
        frame.extend(packet);
    }
    format!("{} {}\n", TIME + i64::from(second) * 1_000_000_000, STANDARD.encode(frame))
}

#[test]
fn a_packet_of_kite_that_cannot_be_read_is_passed_over_alone() {
    let infy = |second| kite_packet(408_065, 157_370 + second, 1_000 + 10 * second, second);
    let control: String = (0..5).map(|second| kite_line(second, &[infy(second)])).collect();
    let control = replay(Some("kite"), &control, &[]);
    assert_eq!((&control.report["trades"], control.tops.len()), (&json!(4), 0));
    let with = |mut packet: Vec<u8>, at: usize, bytes: &[u8]| {
        packet[at..at + bytes.len()].copy_from_slice(bytes);
        packet
    };
    let bad = |kind: usize, second: u32| match kind {
        0 => kite_packet(31_263_501, 3_782_000, 9, second),
        1 => kite_packet(255, 3_782_000, 9, second),
        2 => kite_packet(408_321, 100, 9, second)[..150].to_vec(),
        3 => with(kite_packet(408_321, 100, 9, second), 4, &(-100i32).to_be_bytes()),
        4 => with(kite_packet(408_321, 100, 9, second), 64 + 9 * 12 + 4, &(-1i32).to_be_bytes()),
        5 => vec![0; 3],
        _ => Vec::new(),
    };
    let names = [
        "token 31263501: segment 13",
        "token 255: segment 255",
        "150 bytes",
        "last_price",
        "depth price",
        "3 bytes",
        "0 bytes",
    ];
    for (kind, name) in names.iter().enumerate() {
        for place in 0..3 {
            let line = |second: u32| {
                let (bad, good) = (bad(kind, second), infy(second));
                let packets =
                    [vec![bad.clone(), good.clone()], vec![good.clone(), bad.clone()], vec![bad.clone(), good, bad]];
                kite_line(second, &packets[place])
            };
            let capture: String = (0..5).map(line).collect();
            let count = if place == 2 { 10 } else { 5 };
            for venue in [Some("kite"), None] {
                let Replayed { is_success, errors, report, .. } = replay(venue, &capture, &[]);
                assert!(is_success && errors.is_empty(), "{errors}");
                assert_eq!((&report["frames"], &report["decode_errors"]), (&json!(5), &json!(count)), "{name}");
                assert_eq!(report["digest"], control.report["digest"], "{name}");
                assert_eq!(report["unread"].as_array().unwrap().len(), 3);
                assert_eq!(report["unread"][1]["line"], 2);
                assert!(report["unread"][0]["reason"].as_str().unwrap().contains(name), "{report}");
            }
        }
        // As the first frames of a file, which tells its venue all the same.
        let first: String = (0..3).map(|second| kite_line(second, &[bad(kind, second)])).collect();
        let rest: String = (3..6).map(|second| kite_line(second, &[infy(second)])).collect();
        let Replayed { is_success, report, .. } = replay(None, &format!("{first}{rest}"), &[]);
        assert!(is_success);
        assert_eq!((&report["trades"], &report["decode_errors"]), (&json!(2), &json!(3)), "{name}");
        let Replayed { is_success, errors, .. } = replay(None, &first, &[]);
        assert!(!is_success && errors.contains(name) && errors.contains("3 messages"), "{errors}");
    }
}

#[test]
fn commodities_of_nse_are_divided_by_ten_thousand() {
    let line = |second| kite_line(second, &[kite_packet(31_131_404, 3_782_000 + second, second, second)]);
    let folder = tempdir().unwrap();
    let (path, tape) = (folder.path().join("capture.txt"), folder.path().join("tape"));
    fs::write(&path, (0..3).map(line).collect::<String>()).unwrap();
    let report = replay_json(folder.path(), &[text(&path), "--record", text(&tape), "--verify"]);
    assert_eq!(report["verify"], json!({"checked": 3, "equal": 3, "first_mismatch": null}), "each packet is the book");
    assert_eq!(report["trades"], 2);
}

#[test]
fn trade_numbers_that_begin_again_are_a_gap() {
    for market in MARKETS {
        for (stream, field) in [("trade", "t"), ("aggTrade", "a")] {
            let mut capture = String::new();
            let numbers = [5_000, 5_001, 5_001, 5_002, 1, 2, 1, 2, 3, 7, 0, 1];
            let seconds = [0, 1, 1, 2, 600, 601, 600, 601, 602, 603, 900, 901];
            for (number, second) in numbers.into_iter().zip(seconds) {
                let (received, time) = (TIME + second * 1_000_000_000, TIME / 1_000_000 + second * 1_000);
                writeln!(
                    capture,
                    r#"{received} {{"stream":"x@{stream}","data":{{"e":"{stream}","E":{time},"s":"X","{field}":{number},"p":"100.5","q":"1","T":{time},"m":false}}}}"#
                )
                .unwrap();
            }
            let Replayed { is_success, report, gaps, .. } = replay(Some(market.venue()), &capture, &[]);
            assert!(is_success);
            let gap = |line, expected, got| (line, "trades".to_owned(), "sequence".to_owned(), expected, got);
            assert_eq!(gaps, [gap(5, 5_003, 1), gap(10, 4, 7), gap(11, 8, 0)], "{market:?} {stream}");
            assert_eq!(report["trades"], 9, "each number once since it began");
        }
    }
    let trade = |id: u64, second: u32| {
        format!(
            r#"{}.5: {{"channel":"trade","type":"update","data":[{{"symbol":"A/B","side":"buy","price":5.0,"qty":1.0,"trade_id":{id},"timestamp":"2025-01-01T00:{:02}:{:02}.000000Z"}}]}}"#,
            1_735_689_600 + second,
            second / 60,
            second % 60
        ) + "\n"
    };
    let numbers = [(90, 0), (91, 1), (90, 0), (91, 1), (92, 2), (1, 70), (2, 71), (1, 70), (3, 72)];
    let capture: String = numbers.into_iter().map(|(id, second)| trade(id, second)).collect();
    let Replayed { report, gaps, .. } = replay(Some("kraken"), &capture, &[]);
    assert_eq!(gaps, [(6, "trades".to_owned(), "sequence".to_owned(), 93, 1)]);
    assert_eq!(report["trades"], 6);
}

fn line(received: i64, json: &str) -> String {
    format!("{} {json}\n", TIME + received)
}

fn depth(number: u64, bid: &str, qty: &str) -> String {
    format!(
        r#"{{"stream":"x@depth","data":{{"e":"depthUpdate","E":1735689600000,"s":"X","U":{number},"u":{number},"b":[["{bid}","{qty}"]],"a":[]}}}}"#
    )
}

fn snapshot(number: u64, qty: &str) -> String {
    format!(r#"{{"lastUpdateId":{number},"bids":[["0.1","{qty}"]],"asks":[["0.3","1"]]}}"#)
}

#[test]
fn what_cannot_be_represented_closes_its_stream_once() {
    let huge = "23640926208.00";
    let trade = |id: u64, qty: &str| {
        format!(
            r#"{{"stream":"x@trade","data":{{"e":"trade","E":1735689600000,"s":"X","t":{id},"p":"0.1","q":"{qty}","T":1735689600000,"m":true}}}}"#
        )
    };
    let ticker = |qty: &str| {
        format!(r#"{{"stream":"x@bookTicker","data":{{"u":1,"s":"X","b":"0.1","B":"{qty}","a":"0.3","A":"1"}}}}"#)
    };
    let fine = [snapshot(100, "1"), depth(101, "0.1", "2"), depth(102, "0.2", "2")];
    let cases = [
        (
            "a snapshot that changes wait for",
            "book",
            2,
            vec![depth(101, "0.1", "1"), snapshot(100, huge), depth(102, "0.1", "2")],
        ),
        (
            "a snapshot before its changes",
            "book",
            2,
            vec![snapshot(100, huge), depth(101, "0.1", "1"), depth(102, "0.1", "2")],
        ),
        (
            "a change",
            "book",
            4,
            [&fine[..], &[depth(103, "0.1", huge), depth(104, "0.1", huge), depth(105, "0.1", "1")]].concat(),
        ),
        (
            "the first change of all",
            "book",
            1,
            vec![depth(101, "0.1", huge), snapshot(100, "1"), depth(102, "0.1", "1")],
        ),
        (
            "a price of ten decimals",
            "book",
            4,
            [&fine[..], &[depth(103, "0.1234567891", "1"), depth(104, "0.1", "1")]].concat(),
        ),
        ("a trade", "trades", 4, [&fine[..], &[trade(1, huge), trade(2, "1"), trade(3, huge)]].concat()),
        ("a ticker", "quotes", 4, [&fine[..], &[ticker(huge), ticker("1"), ticker(huge)]].concat()),
    ];
    for (what, family, at, lines) in cases {
        let capture: String = (0..).zip(&lines).map(|(second, json)| line(second * 1_000_000_000, json)).collect();
        let Replayed { report, gaps, .. } = replay(Some("binance-spot"), &capture, &[]);
        assert_eq!(gaps, [(at, family.to_owned(), "unrepresentable".to_owned(), 0, 0)], "{what}");
        let reasons = report["unread"].to_string();
        assert!(reasons.contains("range") || reasons.contains("decimals"), "{what}: {reasons}");
    }
    let kraken = |price: &str| {
        format!(
            r#"1735689600.5: {{"channel":"ticker","type":"update","data":[{{"symbol":"A/B","bid":{price},"bid_qty":1.0,"ask":2.0,"ask_qty":1.0}}]}}"#
        ) + "\n"
    };
    let capture = [kraken("1.0"), kraken("0.0000012345"), kraken("0.0000012345"), kraken("1.0")].concat();
    let Replayed { report, gaps, .. } = replay(Some("kraken"), &capture, &[]);
    assert_eq!(gaps, [(2, "quotes".to_owned(), "unrepresentable".to_owned(), 0, 0)]);
    assert!(report["unread"][0]["reason"].as_str().unwrap().contains("A/B: quotes closed for good"), "{report}");
}

#[test]
fn a_snapshot_that_its_changes_do_not_reach_is_a_gap() {
    for market in MARKETS {
        let all = generated::capture(market, 71, 60).text;
        let depths: Vec<&str> = all.lines().filter(|line| line.contains("@depth")).collect();
        let snapshot = all.lines().find(|line| line.contains("lastUpdateId")).unwrap();
        // Behind the snapshot in numbers, which came before and after the first changes that it does not hold.
        let (early, late) = (&depths[..1], &depths[4..]);
        let orders = [
            [&[snapshot], late].concat(),
            [early, &[snapshot], late].concat(),
            [early, &late[..2], &[snapshot], &late[2..]].concat(),
        ];
        for (number, lines) in orders.iter().enumerate() {
            let Replayed { is_success, errors, report, gaps, tops } =
                replay(Some(market.venue()), &lines.join("\n"), &["--verify"]);
            let found: Vec<_> = gaps.iter().map(|gap| (gap.1.as_str(), gap.2.as_str())).collect();
            assert_eq!(found, [("book", "sequence")], "{market:?}, order {number}");
            assert_eq!((tops.len(), &report["verify"]["checked"]), (0, &json!(0)));
            assert!(!is_success && errors.contains("--verify has compared nothing"), "{errors}");
        }
        let whole: Vec<&str> = all.lines().collect();
        assert!(replay(Some(market.venue()), &whole.join("\n"), &["--verify"]).is_success);
    }
}

#[test]
fn an_empty_side_is_a_ticker_of_nothing() {
    let sides = |levels: &str| format!(r#"{{"lastUpdateId":100,{levels}}}"#);
    let ticker = |[bid, bid_qty, ask, ask_qty]: [&str; 4]| {
        format!(
            r#"{{"stream":"x@bookTicker","data":{{"u":101,"s":"X","b":"{bid}","B":"{bid_qty}","a":"{ask}","A":"{ask_qty}"}}}}"#
        )
    };
    let change =
        r#"{"stream":"x@depth","data":{"e":"depthUpdate","E":1735689600000,"s":"X","U":101,"u":101,"b":[],"a":[]}}"#;
    let nothing = "0.00000000";
    for (levels, equal, others) in [
        (r#""bids":[],"asks":[]"#, [nothing, nothing, nothing, nothing], ["1", "1", nothing, nothing]),
        (r#""bids":[["1","2"]],"asks":[]"#, ["1", "2", "0", "0"], [nothing, nothing, "0", "0"]),
        (r#""bids":[],"asks":[["1","2"]]"#, ["0", "0", "1.0", "2.0"], ["0", "0", nothing, nothing]),
    ] {
        for (said, is_equal) in [(equal, true), (others, false)] {
            let capture = [sides(levels), change.to_owned(), ticker(said)].map(|json| line(0, &json)).concat();
            let Replayed { is_success, report, .. } = replay(Some("binance-spot"), &capture, &["--verify"]);
            assert_eq!((&report["verify"]["checked"], is_success), (&json!(1), is_equal), "{levels} {said:?}");
        }
    }
}

#[test]
fn what_cannot_be_read_is_told_with_line_and_reason() {
    let good = generated::capture(Market::Spot, 81, 5).text;
    let bad = "no time\n1 {\"stream\":\"x@kline\",\"data\":{}}\n2 {broken\n3 {}\n";
    let (events, most) = (good.lines().count(), format!("{bad}{good}{}", bad.repeat(20)));
    let Replayed { is_success, errors, report, .. } = replay(Some("binance-spot"), &most, &[]);
    assert!(is_success && errors.is_empty(), "{errors}");
    assert_eq!((&report["frames"], &report["decode_errors"]), (&json!(events), &json!(84)));
    let told: Vec<_> = report["unread"].as_array().unwrap().iter().map(|it| it["line"].as_u64().unwrap()).collect();
    assert_eq!(told, [1, 2, 3]);
    for venue in ["binance-spot", "binance-coinm", "kraken", "kite", "angel"] {
        let Replayed { is_success, errors, report, .. } = replay(Some(venue), bad, &[]);
        assert!(!is_success, "{venue}");
        assert_eq!((&report["events"], &report["decode_errors"]), (&json!(0), &json!(4)), "{venue}");
        for said in ["4 messages could not be read", "capture.txt:1: ", "capture.txt:2: ", "capture.txt:3: "] {
            assert!(errors.contains(said), "{venue}: {errors}");
        }
    }
    let folder = tempdir().unwrap();
    let path = folder.path().join("most.txt");
    fs::write(&path, &most).unwrap();
    let output = run(folder.path(), &["replay", "--venue", "binance-spot", text(&path)]);
    let summary = String::from_utf8(output.stdout).unwrap();
    assert!(output.status.success() && summary.contains("84 messages could not be read, the first:"), "{summary}");
    assert!(summary.contains("most.txt:2: unknown stream"), "{summary}");
}
