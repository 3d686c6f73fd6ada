//! `tidegate replay`: truths, digests, tables.

use crate::binary::{captures, replay_json, run, text};
use crate::generated::{self, Market};
use serde_json::{Value, json};
use std::fs;
use std::path::Path;
use tempfile::tempdir;

fn digest(report: &Value) -> &str {
    let digest = report["digest"].as_str().unwrap();
    assert_eq!(digest.len(), 64);
    digest
}

/// Records the paths, projects the tape, and expects one digest from each of the four.
fn same_everywhere(folder: &Path, arguments: &[&str]) -> Value {
    let (tape, parquet) = (folder.join("tape"), folder.join("parquet"));
    let plain = replay_json(folder, arguments);
    let recorded = replay_json(folder, &[arguments, &["--record", text(&tape)]].concat());
    let projected = run(folder, &["data", "project", text(&tape), text(&parquet)]);
    assert!(projected.status.success(), "{}", String::from_utf8_lossy(&projected.stderr));
    for (what, path) in [("tape", &tape), ("parquet", &parquet)] {
        let again = replay_json(folder, &["--venue", "tidegate", text(path), "--verify"]);
        for field in ["digest", "events", "trades", "gaps", "resyncs"] {
            assert_eq!(again[field], plain[field], "{what}: {field}");
        }
        assert_eq!(again["verify"]["checked"], plain["verify"]["checked"], "{what}");
    }
    assert_eq!(digest(&recorded), digest(&plain));
    assert_eq!(digest(&replay_json(folder, arguments)), digest(&plain), "the same paths once more");
    recorded
}

#[test]
fn generated_captures_of_every_market_are_understood() {
    for (market, seed) in [(Market::Spot, 1), (Market::UsdM, 2), (Market::CoinM, 3)] {
        let folder = tempdir().unwrap();
        let truth = generated::capture(market, seed, 3_000);
        let path = folder.path().join("capture.txt");
        fs::write(&path, &truth.text).unwrap();
        let tops = folder.path().join("tops.csv");
        let arguments = ["--venue", market.venue(), text(&path), "--verify", "--tops", text(&tops)];
        let report = same_everywhere(folder.path(), &arguments);
        assert_eq!(report["frames"], truth.lines, "{market:?}");
        assert_eq!(report["trades"], truth.trades);
        assert_eq!((&report["gaps"], &report["resyncs"], &report["decode_errors"]), (&json!(0), &json!(0), &json!(0)));
        assert_eq!(report["verify"], json!({"checked": truth.points, "equal": truth.points, "first_mismatch": null}));
        let tops = fs::read_to_string(&tops).unwrap();
        assert_eq!(tops.lines().next(), Some("ts_recv,symbol,venue_sequence,bid,bid_qty,ask,ask_qty"));
        assert_eq!(tops.lines().count() as u64, truth.diffs + 1, "{market:?}: a row per applied change");
        assert!(tops.trim_end().ends_with(&format!(",{}", truth.last_top.join(","))), "{market:?}");
        let detected = replay_json(folder.path(), &[text(&path)]);
        assert_eq!(detected["digest"], report["digest"], "the file tells its venue");
    }
}

#[test]
fn captures_come_to_their_known_truths() {
    let Some(data) = captures("captures_come_to_their_known_truths") else { return };
    let cases = [
        (
            "binance-spot",
            "binance_spot",
            "spot_btcusdt_2024080",
            6_493,
            1_072,
            "61602.01000000,1.67177000,61602.02000000,2.66795000",
        ),
        ("binance-coinm", "binance_coinm", "cm_btcusd_perp_2024080", 44_772, 1_885, "61600.0,27,61600.1,1647"),
    ];
    for (venue, subfolder, stem, diffs, points, last) in cases {
        let folder = tempdir().unwrap();
        let paths = ["8", "9"].map(|day| data.join(subfolder).join(format!("{stem}{day}.gz")));
        let tops = folder.path().join("tops.csv");
        let arguments = ["--venue", venue, text(&paths[0]), text(&paths[1]), "--verify", "--tops", text(&tops)];
        let report = same_everywhere(folder.path(), &arguments);
        assert_eq!(report["verify"], json!({"checked": points, "equal": points, "first_mismatch": null}), "{venue}");
        assert_eq!((&report["gaps"], &report["decode_errors"]), (&json!(0), &json!(0)), "{venue}");
        let tops = fs::read_to_string(&tops).unwrap();
        assert_eq!(tops.lines().count(), diffs + 1, "{venue}");
        assert!(tops.trim_end().ends_with(&format!(",{last}")), "{venue}: {:?}", tops.lines().last());
        println!("{venue}: {report}");
    }
}

#[test]
fn a_hole_is_found_where_it_is() {
    let folder = tempdir().unwrap();
    let truth = generated::capture(Market::Spot, 7, 200);
    let mut lines: Vec<&str> = truth.text.lines().collect();
    let after = |kind: &str, from: usize| (from..lines.len()).find(|&at| lines[at].contains(kind)).unwrap();
    let (depth, trade) = (after("@depth", 100), after("@trade", 150));
    let expect = [after("@depth", depth + 1), after("@trade", trade + 1) - 1];
    lines.remove(trade);
    lines.remove(depth);
    let path = folder.path().join("holes.txt");
    fs::write(&path, lines.join("\n")).unwrap();
    let gaps = folder.path().join("gaps.csv");
    let report = replay_json(folder.path(), &[text(&path), "--gaps", text(&gaps)]);
    assert_eq!(report["gaps"], 2);
    let rows: Vec<String> = fs::read_to_string(&gaps).unwrap().lines().skip(1).map(str::to_owned).collect();
    let found: Vec<(usize, &str)> = rows
        .iter()
        .map(|row| {
            let fields: Vec<&str> = row.split(',').collect();
            (fields[1].parse().unwrap(), fields[4])
        })
        .collect();
    // Lines are counted from 1, and one line before it is gone.
    assert_eq!(found, [(expect[0], "book"), (expect[1], "trades")]);
}

#[test]
fn a_wrong_book_fails_the_verification() {
    let folder = tempdir().unwrap();
    let truth = generated::capture(Market::Spot, 9, 200);
    let at = truth.text.rfind("bookTicker").unwrap();
    let quantity = at + truth.text[at..].find("\"B\":\"").unwrap() + 5;
    let mut wrong = truth.text.clone();
    wrong.replace_range(quantity..quantity, "9");
    let path = folder.path().join("wrong.txt");
    fs::write(&path, wrong).unwrap();
    let output = run(folder.path(), &["replay", "--json", "--verify", text(&path)]);
    assert!(!output.status.success());
    let report: Value = serde_json::from_slice(&output.stdout).unwrap();
    assert_eq!(report["verify"]["equal"], truth.points - 1);
    assert!(report["verify"]["first_mismatch"]["update_id"].is_u64());
}

#[test]
fn krakens_capture_comes_to_the_same_everywhere() {
    let Some(data) = captures("krakens_capture_comes_to_the_same_everywhere") else { return };
    let folder = tempdir().unwrap();
    let capture = data.join("kraken/KRAKEN.ws.50.0");
    let report = same_everywhere(folder.path(), &["--venue", "kraken", text(&capture), "--verify"]);
    for (field, expect) in [("frames", 4_321), ("passed_over", 2), ("decode_errors", 0), ("gaps", 0)] {
        assert_eq!(report[field], json!(expect), "{field}");
    }
    // Every change that the venue has sent, and its checksum.
    assert_eq!(report["verify"], json!({"checked": 4_269, "equal": 4_269, "first_mismatch": null}));
    assert_eq!(digest(&replay_json(folder.path(), &[text(&capture)])), digest(&report), "the file tells its venue");
}

#[test]
fn kites_packets_come_to_the_same_everywhere() {
    let Some(data) = captures("kites_packets_come_to_the_same_everywhere") else { return };
    let folder = tempdir().unwrap();
    let packets = [data.join("kite/ticker_full.packet"), data.join("kite/ticker_quote.packet")];
    let report = same_everywhere(folder.path(), &["--venue", "kite", text(&packets[0]), "--verify"]);
    assert_eq!((&report["frames"], &report["decode_errors"]), (&json!(1), &json!(0)));
    assert_eq!(report["verify"], json!({"checked": 1, "equal": 1, "first_mismatch": null}), "the packet is the book");
    assert_eq!(report["first_ts"], json!(1_625_461_887_000_000_000_i64), "2021-07-05 10:41:27 in India");
    let both = replay_json(folder.path(), &[text(&packets[0]), text(&packets[1])]);
    assert_eq!((&both["frames"], &both["decode_errors"]), (&json!(2), &json!(0)));
}
