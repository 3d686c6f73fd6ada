use super::*;
use crate::cases;
use rand::{RngExt, SeedableRng};
use rand_pcg::Pcg64Mcg;
use tidegate_core::INTERVALS;
use tidegate_core::expression::Program;
use tidegate_core::indicator;

/// The language, for people.
const PAGE: &str = include_str!("../EXPRESSIONS.md");
const PAGE_PATH: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/EXPRESSIONS.md");

fn read(text: &str) -> Result<Expr, TextError> {
    Reader::default().read(text)
}

fn error(text: &str) -> String {
    read(text).expect_err(text).to_string()
}

#[test]
fn mistakes_are_named_with_their_place() {
    for (text, expect) in [
        ("", "at character 1: Expected: an expression, found: EOF"),
        ("close >", "at character 8: Expected: an expression, found: EOF"),
        ("close close", "at character 7: Expected: EOF, found: close"),
        ("close; drop table bars", "at character 6: Expected: EOF, found: ;"),
        (
            "clsoe > 1",
            "at character 1: there is no column clsoe; columns are open, high, low, close, volume, trades, time; did you mean close?",
        ),
        ("1 + rsi", "at character 5: rsi is a function: write rsi(…)"),
        ("rsii(close, 14)", "at character 1: there is no function rsii; did you mean rsi?"),
        ("close and 1", "at character 1: and wants a condition here, and this is a number, for example close > 100"),
        ("1 + (close > 1)", "at character 6: + wants a number here, and this is a condition"),
        ("ema(close, 0)", "at character 1: period of ema is 0: it must be a whole number from 2 to 10000"),
        ("ema(close, volume)", "at character 12: parameters of ema(value, period = 30) are plain numbers"),
        (
            "ema(close, 20, '7m')",
            "at character 16: there are no bars of '7m'; there are 1s, 1m, 3m, 5m, 10m, 15m, 30m, 1h, 1d; did you mean 1m?",
        ),
        ("ema(close, 20).upper", "at character 16: ema has no output upper; it has value"),
        (
            "'15m'",
            "at character 1: a text stands for an interval, as the last argument of a function: ema(close, 20, '15m'); an instrument is written \"NSE:NIFTY\".close",
        ),
        ("\"NSE:NIFTY\"", "at character 1: an instrument needs a column: \"NSE:NIFTY\".close"),
        ("cast(close as int)", "at character 6: expressions have no casts"),
        ("close::int", "at character 1: expressions have no casts"),
        ("(select 1)", "at character 2: expressions have no sub-queries"),
        ("close in (1, 2)", "at character 1: expressions have no lists: write x = 1 or x = 2"),
        ("close || volume", "at character 1: expressions have no operator ||"),
        (
            "ema(close, 20) over (order by ts)",
            "at character 1: functions of expressions have no over (…): they go along the bars of one instrument by themselves",
        ),
        (
            "ema(period => 3)",
            "at character 1: functions of expressions have no named arguments and no *: write values, separated by commas",
        ),
        (
            "sma(live.close, 3)",
            "at character 1: sma is made of closed bars, and live values change until theirs closes",
        ),
        ("lag(close, 1, 2)", "at character 1: write lag(value, bars)"),
        (
            "count_true(close, 2)",
            "at character 12: count_true wants a condition here, and this is a number, for example close > 100",
        ),
        ("abs(close, 2)", "at character 1: abs takes one argument, not 2"),
        ("1e999", "at character 1: 1e999 is no number that can be held"),
        (
            "close +\n volumee",
            "at character 10: there is no column volumee; columns are open, high, low, close, volume, trades, time; did you mean volume?",
        ),
    ] {
        assert_eq!(error(text), expect, "{text}");
    }
    let long = format!("close{}", " + close".repeat(600));
    assert_eq!(error(&long), "at character 1: an expression has at most 4096 bytes; this one has 4805");
    let chain = format!("close{}", " + 1".repeat(300));
    assert!(error(&chain).ends_with("nested more than 64 deep"), "{}", error(&chain));
    let nested = format!("{}close{}", "(".repeat(1_000), ")".repeat(1_000));
    assert!(error(&nested).ends_with("nested more than 64 deep"), "{}", error(&nested));
}

#[test]
fn what_means_the_same_is_compiled_to_the_same() {
    for (one, other) in [
        ("rsi(14)", "RSI(close, 14)"),
        ("sma(close, 3) > 1", "(sma(3) > 1)"),
        ("close between 1 and 2", "close >= 1 and close <= 2"),
        ("close not between 1 and 2", "not (close >= 1 and close <= 2)"),
        ("crosses_above(close, 10)", "close > 10 and lag(close) <= lag(10, 1)"),
        (
            "case when close > 1 then 2 when close > 3 then 4 end",
            "case when close > 1 then 2 else case when close > 3 then 4 else null end end",
        ),
        ("greatest(1, close, open)", "greatest(greatest(1, close), open)"),
        ("ema(close, 20, '15m')", "ema(close('15m'), 20, '15m')"),
        ("\"NSE:NIFTY\".close", "\"NSE:NIFTY\".CLOSE"),
        ("- 3 * close", "-3 * close"),
    ] {
        let expr = |text: &str| read(text).unwrap_or_else(|error| panic!("{text}: {error}"));
        let alone = Program::compile(&[expr(one)], INTERVALS[1]).len();
        let both = Program::compile(&[expr(one), expr(other)], INTERVALS[1]).len();
        assert_eq!(alone, both, "{one} and {other}");
    }
}

#[test]
fn what_a_condition_compares_is_found() {
    for (text, expect) in [
        ("rsi(close, 14) < 30 and close > sma(close, 20)", &["rsi(close, 14)", "close", "sma(close, 20)"][..]),
        ("not (close between low and 3) or close > -1", &["close", "low"]),
        ("crosses_above(ema(close, 12), ema(close, 26))", &["ema(close, 12)", "ema(close, 26)"]),
        ("since(volume > 10) < 3", &["since(volume > 10)"]),
        ("count_true(close > open, 5) = 5", &["count_true(close > open, 5)"]),
        ("true", &[]),
        ("close >", &[]),
    ] {
        assert_eq!(compared(text), expect, "{text}");
    }
}

#[test]
fn instruments_are_numbered_as_they_are_named() {
    let mut reader = Reader::default();
    reader.read("\"NSE:NIFTY\".close / \"NSE:INFY\".live.close").unwrap();
    reader.read("sma(\"NSE:INFY\".close, 3)").unwrap();
    assert_eq!(reader.instruments(), ["NSE:NIFTY", "NSE:INFY"]);
}

/// The examples of the page: what stands in its code blocks, a line each, and what stands after `--` in a line that is
/// refused.
#[test]
fn the_examples_of_the_page_are_what_it_says() {
    let (mut good, mut bad) = (0, 0);
    for block in PAGE.split("```sql\n").skip(1) {
        for line in block.split("```").next().unwrap().lines().filter(|line| !line.is_empty()) {
            match line.split_once("-- refused: ") {
                Some((text, expect)) => {
                    assert_eq!(error(text.trim_end()), expect, "{line}");
                    bad += 1;
                }
                None => {
                    read(line).unwrap_or_else(|error| panic!("{line}: {error}"));
                    good += 1;
                }
            }
        }
    }
    println!("{good} examples are read, {bad} are refused as the page says");
    assert!(good >= 20 && bad >= 3);
}

/// The page's list of indicators is the catalogue.
#[test]
fn the_page_lists_every_function() {
    let mut list = String::from("| function | what it is | outputs | source |\n|---|---|---|---|\n");
    for function in indicator::catalogue() {
        let outputs = function.outputs.join(", ");
        list += &format!("| `{}` | {} | {outputs} | {} |\n", call::signature(function), function.doc, function.source);
    }
    let marker = "<!-- the catalogue -->\n";
    let (before, _) = PAGE.split_once(marker).unwrap();
    let expect = format!("{before}{marker}{list}");
    if std::env::var_os("TIDEGATE_GOLDEN").is_some() {
        std::fs::write(PAGE_PATH, &expect).unwrap();
    } else {
        assert!(PAGE == expect, "EXPRESSIONS.md does not list the catalogue: run this test with TIDEGATE_GOLDEN=write");
    }
}

/// Words of the language: whole expressions, by what they are, and parts of some.
struct Words {
    numbers: Vec<String>,
    conditions: Vec<String>,
    all: Vec<String>,
}

impl Words {
    fn new() -> Words {
        let examples = PAGE.split("```sql\n").skip(1).flat_map(|block| block.split("```").next().unwrap().lines());
        let examples = examples.map(|line| line.split("-- refused").next().unwrap().trim().to_owned());
        let calls = indicator::catalogue().map(|function| format!("{}(close)", function.name));
        let parts = ["(", ")", "14", "null", "case", "when", "then", "end", "is", "not", "between", "and", "+", "<"];
        let whole: Vec<String> = examples.chain(calls).filter(|word| !word.is_empty()).collect();
        let of =
            |kind: Kind| whole.iter().filter(move |word| read(word).is_ok_and(|expr| expr.kind() == kind)).cloned();
        let (numbers, conditions) = (of(Kind::Number).collect(), of(Kind::Condition).collect());
        Words { numbers, conditions, all: whole.into_iter().chain(parts.map(String::from)).collect() }
    }

    /// A text by the grammar, or words in any order; half of either is damaged.
    fn text(&self, random: &mut impl rand::Rng) -> String {
        let count = random.random_range(1..12);
        let mut one = |words: &[String]| words[random.random_range(0..words.len())].clone();
        let text = match count % 3 {
            0 => (0..count).map(|_| one(&self.all)).collect::<Vec<_>>().join(" "),
            1 => (0..count).map(|_| format!("({})", one(&self.numbers))).collect::<Vec<_>>().join(" * "),
            _ => (0..count).map(|_| format!("({})", one(&self.conditions))).collect::<Vec<_>>().join(" or "),
        };
        let mut bytes = text.into_bytes();
        for _ in 0..random.random_range(0..4u32).saturating_sub(1) {
            let at = random.random_range(0..bytes.len());
            match random.random_range(0..3) {
                0 => bytes[at] = random.random(),
                1 if bytes.len() > 1 => drop(bytes.remove(at)),
                _ => bytes.insert(at, b"()'\",.;-*%"[random.random_range(0..10)]),
            }
        }
        String::from_utf8_lossy(&bytes).into_owned()
    }
}

#[test]
fn no_text_does_harm() {
    let words = Words::new();
    let count = cases::count(100_000, 1_000_000);
    let (mut read_well, mut refused) = (0, 0);
    for seed in 0..count {
        let mut random = Pcg64Mcg::seed_from_u64(seed);
        let text = words.text(&mut random);
        match read(&text) {
            Ok(expr) => {
                let program = Program::compile(&[expr], INTERVALS[1]);
                assert!(program.len() <= tidegate_core::expression::NODES_MAX as usize * 4, "{text}");
                read_well += 1;
            }
            Err(error) => {
                assert!(error.column <= text.chars().count() + 1, "{error}: {text:?}");
                refused += 1;
            }
        }
    }
    println!("{count} texts: {read_well} read, {refused} refused with their place");
    assert!(read_well > count / 5 && refused > count / 5);
}
