//! Wrong calls, made from the tools' own schemas: each is answered in band, names the field, and says what to do;
//! whoever does that succeeds. A new tool is covered by having a definition.

use super::checker;
use super::stage::stage;
use super::*;
use crate::caller::Caller;
use serde_json::{Map, json};
use std::collections::BTreeMap;

const CALLS: usize = 500;

/// SplitMix64: one seed, one list of calls.
struct Chance(u64);

impl Chance {
    fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut mixed = (self.0 ^ (self.0 >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        mixed ^ (mixed >> 31)
    }

    fn below(&mut self, count: usize) -> usize {
        (self.next() % count as u64) as usize
    }

    fn one_of<T: Clone>(&mut self, items: &[T]) -> T {
        items[self.below(items.len())].clone()
    }
}

/// A call with one fault.
struct Wrong {
    tool: ToolName,
    fault: &'static str,
    arguments: JsonObject,
}

/// What a schema says about a tool's arguments.
struct Schema {
    whole: Value,
    properties: Map<String, Value>,
    required: Vec<String>,
}

impl Schema {
    fn of(tool: ToolName) -> Schema {
        let whole = Value::Object((*tool.definition().input_schema).clone());
        let properties = whole["properties"].as_object().unwrap().clone();
        let required = whole["required"].as_array().into_iter().flatten();
        let required = required.map(|name| name.as_str().unwrap().to_owned()).collect();
        Schema { whole, properties, required }
    }

    fn example(&self, name: &str) -> Value {
        let property = &self.properties[name];
        if property["enum"].is_array() { property["enum"][0].clone() } else { property["examples"][0].clone() }
    }

    /// A right call of all required arguments and `name`.
    fn right(&self, name: Option<&str>) -> JsonObject {
        let names = self.required.iter().map(String::as_str).chain(name);
        names.map(|name| (name.to_owned(), self.example(name))).filter(|(_, example)| !example.is_null()).collect()
    }
}

const STRANGE: [&str; 8] = ["", " ", "\u{202e}\n\u{0}", "名前", "🦀🦀", "e\u{301}\u{301}", "'; drop table --", "null"];

/// A value that is not of the property's type.
fn of_another_type(chance: &mut Chance) -> Value {
    let text = chance.one_of(&STRANGE);
    let deep = (0..40).fold(json!(text), |inner, _| json!([inner]));
    let all = [
        json!(null),
        json!(true),
        json!(-0.5),
        json!(1e300),
        json!({}),
        json!({ "a": deep }),
        deep.clone(),
        json!(text),
    ];
    chance.one_of(&all)
}

/// A value of the right type that the schema, or the market, does not allow.
fn beyond(property: &Value, chance: &mut Chance) -> Value {
    let bounds = |name: &str| property[name].as_i64();
    match property["type"].as_str().unwrap() {
        "integer" => {
            let (least, most) = (bounds("minimum").unwrap(), bounds("maximum").unwrap());
            let all = [
                json!(least - 1),
                json!(most + 1),
                json!(i64::MAX),
                json!(u64::MAX),
                json!(1e300),
                json!(0.5),
                json!(-7),
            ];
            chance.one_of(&all)
        }
        "array" => {
            let item = property["examples"][0][0].clone();
            let most = bounds("maxItems").unwrap() as usize;
            let strange = json!(chance.one_of(&STRANGE));
            let all = [
                json!([]),
                json!(vec![item.clone(); most + 1]),
                json!([item, strange]),
                json!([null]),
                json!([[item]]),
            ];
            chance.one_of(&all)
        }
        "string" => {
            let example = property["examples"][0].as_str().or(property["enum"][0].as_str()).unwrap_or("kqpc8rzw");
            let huge = chance.one_of(&STRANGE).repeat(50_000);
            let all = [
                json!(chance.one_of(&STRANGE)),
                json!(huge),
                json!(slip(example, chance)),
                json!(example.to_lowercase()),
            ];
            chance.one_of(&all)
        }
        unknown => panic!("arguments of type {unknown} have no wrong values yet"),
    }
}

/// `text` as a hasty hand writes it.
fn slip(text: &str, chance: &mut Chance) -> String {
    let mut letters: Vec<char> = text.chars().collect();
    let at = chance.below(letters.len());
    match chance.below(4) {
        0 => drop(letters.remove(at)),
        1 => letters.insert(at, 'x'),
        2 => letters[at] = '_',
        _ => letters.swap(at, text.chars().count() - 1),
    }
    letters.into_iter().collect()
}

/// A call that may be wrong: whoever takes it asks first.
fn attempt(chance: &mut Chance) -> Wrong {
    let tool = chance.one_of(&ToolName::ALL);
    let schema = Schema::of(tool);
    let names: Vec<String> = schema.properties.keys().cloned().collect();
    let name = (!names.is_empty()).then(|| chance.one_of(&names));
    let mut arguments = schema.right(name.as_deref());
    let fault = match (chance.below(6), name) {
        (0, _) if !schema.required.is_empty() => {
            arguments.remove(&chance.one_of(&schema.required));
            "missing"
        }
        (1, Some(name)) if arguments.contains_key(&name) => {
            let value = arguments.remove(&name).unwrap();
            arguments.insert(slip(&name, chance), value);
            "misspelt"
        }
        (2, Some(name)) => {
            arguments.insert(name, of_another_type(chance));
            "type"
        }
        (3..=5, Some(name)) => {
            let value = beyond(&schema.properties[&name], chance);
            arguments.insert(name, value);
            "value"
        }
        _ => {
            let name = chance.one_of(&STRANGE).repeat(1 + chance.below(3_000));
            arguments.insert(name, of_another_type(chance));
            "extra"
        }
    };
    Wrong { tool, fault, arguments }
}

/// Whether a call is wrong for certain: its schema says so, or it names what is not there.
fn is_wrong(call: &Wrong, facade: &Facade) -> bool {
    let schema = Schema::of(call.tool);
    let keys = facade.directory.keys();
    let is_unknown = |key: &Value| key.as_str().is_some_and(|key| facade.directory.resolve(key).is_none());
    let names_nothing = call.arguments.iter().any(|(name, value)| match name.as_str() {
        "instrument" => is_unknown(value),
        "instruments" => value.as_array().is_some_and(|keys| keys.iter().any(is_unknown)),
        "market" => value.as_str().is_some_and(|market| !keys.iter().any(|key| key.starts_with(&format!("{market}:")))),
        "source" => value.as_str().is_some_and(|source| !["BINANCE", "SIM"].contains(&source)),
        // None of those made here was given by an answer.
        "cursor" | "handle" => !value.is_null(),
        _ => false,
    });
    // Null for what may be left out is as left out.
    let mut given = call.arguments.clone();
    given.retain(|name, value| {
        !value.is_null() || !schema.properties.contains_key(name) || schema.required.contains(name)
    });
    names_nothing || checker::check(&schema.whole, &Value::Object(given)).is_err()
}

/// Does what a refusal says, and nothing else.
fn follow(call: &Wrong, refusal: &Value) -> JsonObject {
    let mut arguments = call.arguments.clone();
    let schema = Schema::of(call.tool);
    let (field, nearest) = (refusal["field"].as_str().unwrap(), &refusal["nearest"]);
    let says = |what: &str| refusal["message"].as_str().unwrap().contains(what);
    let (name, item) = field
        .split_once('[')
        .map_or((field, None), |(name, rest)| (name, rest.trim_end_matches(']').parse::<usize>().ok()));
    if refusal["code"] == "unknown_argument" {
        // The field is shown cut and escaped: it is the one that the schema does not know.
        let unknown = arguments.keys().find(|name| !schema.properties.contains_key(*name)).unwrap().clone();
        let value = arguments.remove(&unknown).unwrap();
        if let Some(meant) = nearest.as_str() {
            arguments.entry(meant).or_insert(value);
        }
    } else if let Some(item) = item {
        let example = || schema.example(name)[0].clone();
        arguments[name][item] = if nearest.is_null() { example() } else { nearest.clone() };
    } else if !nearest.is_null() {
        arguments.insert(name.to_owned(), nearest.clone());
    } else if says("leave it out") {
        arguments.remove(name);
    } else {
        // What is required and cannot be guessed is given as the schema shows it.
        arguments.insert(name.to_owned(), schema.example(name));
    }
    arguments
}

#[tokio::test]
async fn a_wrong_call_names_its_field_and_its_hint_leads_to_an_answer() {
    let facade = stage(8, 30);
    let mut chance = Chance(7);
    let mut faults: BTreeMap<(&str, &str), usize> = BTreeMap::new();
    let mut made = 0;
    while made < CALLS {
        let call = attempt(&mut chance);
        if !is_wrong(&call, &facade) {
            continue;
        }
        made += 1;
        let shown = || format!("{} {:.300}", call.tool.name(), Value::Object(call.arguments.clone()).to_string());
        let refused = facade.call(call.tool, call.arguments.clone(), &Caller::program()).await;
        let refusal = refused.structured_content.clone().unwrap();
        assert_eq!(refused.is_error, Some(true), "{}: {refusal}", shown());
        for field in ["mode", "data", "as_of", "seq", "code", "message", "field", "allowed"] {
            assert!(!refusal[field].is_null(), "{field} of {}: {refusal}", shown());
        }
        let text = serde_json::to_value(&refused.content[0]).unwrap()["text"].as_str().unwrap().to_owned();
        assert!(text.contains(refusal["field"].as_str().unwrap()) && text.len() < 2_000, "{text}");
        // A misspelt name of a required argument was one fault of two kinds; one hint heals both.
        let arguments = follow(&call, &refusal);
        let followed = facade.call(call.tool, arguments.clone(), &Caller::program()).await;
        assert_ne!(
            followed.is_error,
            Some(true),
            "{}\n{text}\nfollowed: {arguments:?}\n{:?}",
            shown(),
            followed.structured_content
        );
        *faults.entry((call.tool.name(), call.fault)).or_default() += 1;
    }
    println!("{made} wrong calls: {faults:#?}");
    for tool in ToolName::ALL {
        assert!(faults.keys().any(|(name, _)| *name == tool.name()), "{}", tool.name());
    }
    for fault in ["missing", "misspelt", "type", "value", "extra"] {
        assert!(faults.keys().any(|(_, it)| *it == fault), "{fault}");
    }
}

#[tokio::test]
async fn examples_of_every_argument_are_right() {
    let facade = stage(8, 30);
    for tool in ToolName::ALL {
        let schema = Schema::of(tool);
        for name in schema.properties.keys() {
            let arguments = schema.right(Some(name));
            let answer = facade.call(tool, arguments, &Caller::program()).await;
            assert_ne!(answer.is_error, Some(true), "{} {name}: {answer:?}", tool.name());
        }
    }
}
