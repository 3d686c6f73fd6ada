use super::*;
use tidegate_core::OptionRight;

const KITE: &str = "instrument_token,exchange_token,tradingsymbol,name,last_price,expiry,strike,tick_size,lot_size,\
    instrument_type,segment,exchange\n\
    408065,1594,INFY,INFOSYS,0.0,,0.0,0.05,1,EQ,NSE,NSE\n\
    256265,1001,NIFTY 50,NIFTY 50,0,,0,0,0,EQ,INDICES,NSE\r\n\
    12073986,47164,NIFTY26NOV26000CE,\"NIFTY, \"\"the\"\" index\",0,2026-11-26,26000,0.05,75,CE,NFO-OPT,NFO\n\
    109131271,426294,GOLD26DECFUT,GOLD,0,2026-12-04,0,1,1,FUT,MCX-FUT,MCX\n";

const ANGEL: &str = r#"[
 {"token":"1594","symbol":"INFY-EQ","name":"INFY","expiry":"","strike":"-1.000000","lotsize":"1","instrumenttype":"","exch_seg":"NSE","tick_size":"5.000000"},
 {"token":"99926000","symbol":"Nifty 50","name":"NIFTY","expiry":"","strike":"0.000000","lotsize":"1","instrumenttype":"AMXIDX","exch_seg":"NSE","tick_size":"0.000000"},
 {"token":"47164","symbol":"NIFTY26NOV2626000CE","name":"NIFTY","expiry":"26NOV2026","strike":"2600000.000000","lotsize":"75","instrumenttype":"OPTIDX","exch_seg":"NFO","tick_size":"5.000000"},
 {"token":"426294","symbol":"GOLD04DEC26FUT","name":"GOLD","expiry":"04DEC2026","strike":"-1.000000","lotsize":"100","instrumenttype":"FUTCOM","exch_seg":"MCX","tick_size":"100.000000"}
]"#;

fn found(venue: Venue, list: &str, keys: &[&str]) -> Result<Vec<(String, Instrument)>, MasterError> {
    let keys: Vec<String> = keys.iter().map(|&key| key.to_owned()).collect();
    find(venue, std::io::Cursor::new(list.to_owned()), &keys, Some(20_000))
}

/// Tick, lot, multiplier, base and terms in words.
fn facts(it: &Instrument) -> String {
    let text = |value: Option<String>| value.unwrap_or_else(|| "-".to_owned());
    let (tick, lot) = (text(it.tick.map(|it| it.to_string())), text(it.lot.map(|it| it.to_string())));
    let multiplier = text(it.multiplier.map(|it| it.to_string()));
    let right = it.terms.right.map(|right| if right == OptionRight::Call { "call" } else { "put" }.to_owned());
    let (expiry, strike) = (it.terms.expiry_days.map(|it| it.to_string()), it.terms.strike.map(|it| it.to_string()));
    format!("{it} {tick} {lot} {multiplier} {} {} {} {}", it.base, text(expiry), text(strike), text(right))
}

#[test]
fn two_brokers_say_the_same_of_one_instrument() {
    let kite = found(Venue::Kite, KITE, &["NFO:NIFTY26NOV26000CE", "NSE:INFY", "NSE:NIFTY 50", "MCX:GOLD26DECFUT"]);
    let expect = [
        ("12073986", r#"NFO:NIFTY26NOV26000CE@KITE 0.05 75 1 NIFTY, "the" index 20783 26000 call"#),
        ("408065", "NSE:INFY@KITE 0.05 1 1 INFY - - -"),
        ("256265", "NSE:NIFTY 50@KITE - - - NIFTY 50 - - -"),
        ("109131271", "MCX:GOLD26DECFUT@KITE - - - GOLD 20791 - -"),
    ];
    for ((symbol, instrument), (token, words)) in kite.unwrap().iter().zip(expect) {
        assert_eq!((symbol.as_str(), facts(instrument).as_str()), (token, words));
        assert_eq!((instrument.master_epoch_days, instrument.quote.as_str()), (Some(20_000), "INR"));
    }
    let twice = found(Venue::Kite, KITE, &["nse:infy", "NSE:Nifty 50", "NSE:INFY"]).unwrap();
    let keys: Vec<&str> = twice.iter().map(|(_, instrument)| instrument.key.as_str()).collect();
    assert_eq!(keys, ["NSE:INFY", "NSE:NIFTY 50"], "in the broker's spelling, and once");
    let keys = ["NSE:INFY", "NSE:NIFTY", "NFO:NIFTY26NOV2626000CE", "MCX:GOLD04DEC26FUT"];
    let expect = [
        ("1:1594", "NSE:INFY@ANGEL 0.05 1 1 INFY - - -"),
        ("1:99926000", "NSE:NIFTY@ANGEL - - - NIFTY - - -"),
        ("2:47164", "NFO:NIFTY26NOV2626000CE@ANGEL 0.05 75 1 NIFTY 20783 26000 call"),
        ("5:426294", "MCX:GOLD04DEC26FUT@ANGEL - - - GOLD 20791 - -"),
    ];
    for ((symbol, instrument), (token, words)) in found(Venue::Angel, ANGEL, &keys).unwrap().iter().zip(expect) {
        assert_eq!((symbol.as_str(), facts(instrument).as_str()), (token, words));
    }
}

/// What is said of a list in which one text is another.
fn complaint(venue: Venue, list: &str, from: &str, to: &str, key: &str) -> String {
    let other = list.replacen(from, to, 1);
    assert_ne!(other, list, "{from}");
    found(venue, &other, &[key]).unwrap_err().to_string()
}

#[test]
fn what_makes_no_sense_is_named_with_its_place() {
    let kite = |from, to, key| complaint(Venue::Kite, KITE, from, to, key);
    for (from, to, key, expect) in [
        ("408065,", "x,", "NSE:INFY", "line 2, column instrument_token: \"x\""),
        ("408065,", "408064,", "NSE:INFY", "line 2, column instrument_token"),
        ("0.0,0.05,1,EQ", "0.0,-1,1,EQ", "NSE:INFY", "line 2, column tick_size: \"-1\""),
        (",26000,0.05,75", ",26000,0.05,a few", "NFO:NIFTY26NOV26000CE", "line 4, column lot_size"),
        ("2026-11-26", "26NOV2026", "NFO:NIFTY26NOV26000CE", "line 4, column expiry"),
        ("tick_size", "tick", "NSE:INFY", "no column tick_size"),
        ("INFOSYS", &"x".repeat(5_000), "NSE:INFY", "line 2, column instrument_token"),
    ] {
        assert!(kite(from, to, key).contains(expect), "{from}: {}", kite(from, to, key));
    }
    let angel = |from, to, key| complaint(Venue::Angel, ANGEL, from, to, key);
    for (from, to, key, expect) in [
        (
            "\"token\":\"1594\"",
            "\"token\":\"INFY\"",
            "NSE:INFY",
            "entry 1, NSE:INFY, field token: \"INFY\" makes no sense",
        ),
        ("5.000000", "5.00000001", "NSE:INFY", "field tick_size"),
        (
            "26NOV2026",
            "26.11.2026",
            "NFO:NIFTY26NOV2626000CE",
            "entry 3, NFO:NIFTY26NOV2626000CE, field expiry: \"26.11.2026\"",
        ),
        ("\"lotsize\":\"1\"", "\"lotsize\":1", "NSE:INFY", "line 2 column"),
        ("\"}\n]", "\"}\n", "NSE:INFY", "EOF"),
    ] {
        assert!(angel(from, to, key).contains(expect), "{from}: {}", angel(from, to, key));
    }
}

#[test]
fn what_is_not_there_is_named() {
    for (venue, list) in [(Venue::Kite, KITE), (Venue::Angel, ANGEL)] {
        let error = found(venue, list, &["NSE:INFY", "NSE:INFO"]).unwrap_err().to_string();
        assert!(error.starts_with("NSE:INFO is not in the instrument master"), "{error}");
        assert_eq!(found(venue, list, &[]).unwrap(), []);
    }
    assert!(matches!(found(Venue::Kite, "", &[]), Err(MasterError::Column(_))));
    assert!(matches!(found(Venue::Kraken, "", &[]), Err(MasterError::NoMaster)));
}

#[test]
fn a_list_that_is_too_long_is_given_up() {
    for (venue, list) in [(Venue::Kite, KITE), (Venue::Angel, ANGEL)] {
        let bytes = list.len() as u64;
        let read = |bytes_max| find_within(bytes_max, venue, std::io::Cursor::new(list.to_owned()), &[], None);
        assert!(read(bytes).is_ok());
        assert!(matches!(read(bytes - 1), Err(MasterError::TooLong)));
    }
    let endless = find(Venue::Kite, std::io::repeat(b'x'), &[], None).unwrap_err().to_string();
    assert!(endless.contains("line 1, "), "a line without end costs no memory: {endless}");
}

#[test]
fn the_published_sample_is_read() {
    let Some(folder) = std::env::var_os("TIDEGATE_MARKET_DATA") else {
        return println!("left out, as TIDEGATE_MARKET_DATA is not set: the_published_sample_is_read");
    };
    let sample = std::fs::read_to_string(std::path::Path::new(&folder).join("kite/instruments_nse.csv")).unwrap();
    let found = found(Venue::Kite, &sample, &["NSE:ADANIPORTS", "NSE:IRFC-ND"]).unwrap();
    let words: Vec<_> = found.iter().map(|(symbol, it)| format!("{symbol} {}", facts(it))).collect();
    let expect =
        ["3861249 NSE:ADANIPORTS@KITE 0.05 1 1 ADANIPORTS - - -", "510209 NSE:IRFC-ND@KITE 0.01 1 1 IRFC-ND - - -"];
    assert_eq!(words, expect);
}
