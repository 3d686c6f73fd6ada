//! `find_instruments`: which instruments there are, by key, part of a key, name, or what was probably meant.

use super::arguments::Arguments;
use super::schema::output_schema;
use super::table::Table;
use super::{Answer, cursor};
use crate::directory::Listed;
use crate::engine::QuotesView;
use crate::members::{Member, Members};
use crate::server::Facade;
use crate::wire::{Envelope, Refusal, age_ms, feed_state, to_decimal};
use schemars::JsonSchema;
use serde::Serialize;
use serde_json::{Value, json};
use std::collections::BTreeSet;
use tidegate_core::{Instrument, Nanos, Price, Qty, Settlement};
use tidegate_feeds::sessions::{Phase, Sessions, Status};
use tidegate_feeds::sim::SOURCE as SIMULATED;

pub(super) const MATCHES_MAX: usize = 50;
const MATCHES_DEFAULT: usize = 10;
const QUERY_CHARS_MAX: usize = 64;
/// A guess less alike than this, of 100, is another name.
const ALIKE_MIN: u32 = 60;

const COLUMNS: [&str; 14] = [
    "instrument",
    "source",
    "name",
    "kind",
    "tick",
    "lot",
    "multiplier",
    "base",
    "quote",
    "index",
    "feed_state",
    "simulated",
    "session",
    "score",
];

/// The matches as answered.
#[derive(Debug, Serialize, JsonSchema)]
struct Found {
    // Best first; the feeds are all from one moment.
    matches: Table,
    coverage: Coverage,
    /// Pass it on with the same arguments for more; null at the end.
    cursor: Option<String>,
}

#[derive(Debug, Serialize, JsonSchema)]
struct Coverage {
    shown: usize,
    total: usize,
}

pub(super) fn definition() -> (&'static str, &'static str, Value, Value) {
    let input = json!({
        "type": "object",
        "properties": {
            "query": {
                "type": "string",
                "description": "\"\" lists all",
                "maxLength": QUERY_CHARS_MAX,
                "examples": ["BTCUSDT"]
            },
            "market": { "type": "string", "description": "Only this one", "examples": ["BINANCE"] },
            "source": { "type": "string", "description": "Only this feed", "examples": ["BINANCE"] },
            "limit": {
                "type": "integer", "minimum": 1, "maximum": MATCHES_MAX, "default": MATCHES_DEFAULT,
                "description": "Matches", "examples": [5]
            },
            "cursor": { "type": "string", "description": "From the last answer" }
        },
        "required": ["query"],
        "additionalProperties": false
    });
    let description = "Finds instruments by key, currency or company name, with tick, lot, contract size, index and feed \
                       state. Score 100 is exact, below 70 a guess.";
    ("Find instruments", description, input, output_schema::<Found>("matches"))
}

pub(super) async fn call(facade: &Facade, arguments: Arguments) -> Result<Answer, Refusal> {
    arguments.only(&["query", "market", "source", "limit", "cursor"])?;
    let query = arguments.text("query", QUERY_CHARS_MAX)?;
    let listed = facade.directory.listed();
    let markets: BTreeSet<&str> = listed.iter().map(|listed| market(&listed.instrument)).collect();
    let sources: BTreeSet<&str> = listed.iter().map(|listed| listed.instrument.source.as_str()).collect();
    let [markets, sources] = [markets, sources].map(|names| names.into_iter().collect::<Vec<_>>());
    let of_market = arguments.choice("market", &markets)?;
    let of_source = arguments.choice("source", &sources)?;
    let limit = arguments.whole("limit", 1..=MATCHES_MAX, MATCHES_DEFAULT)?;
    let scope = [query, of_market.unwrap_or_default(), of_source.unwrap_or_default()];
    let after = arguments.cursor("cursor", &scope)?;
    let is_wanted = |it: &&Listed| {
        of_market.is_none_or(|name| name == market(&it.instrument))
            && of_source.is_none_or(|name| name == it.instrument.source)
    };
    let matches = matches(listed.iter().filter(is_wanted), query, &facade.members);
    let total = matches.len();
    let rest = matches.into_iter().skip_while(|found| after.as_ref().is_some_and(|after| found.place() <= *after));
    let mut shown: Vec<Match<'_>> = rest.take(limit + 1).collect();
    let has_more = shown.len() > limit;
    shown.truncate(limit);
    let cursor = shown.last().filter(|_| has_more).map(|last| cursor::seal(&last.place(), &scope));
    let ids = shown.iter().map(|found| (found.listed.id, found.listed.instrument.clone())).collect();
    let view = facade.ask(facade.engine.quotes(ids, 0)).await?;
    Ok(answer(facade, &view, &shown, total, cursor))
}

/// An instrument that fits, and how well, of 100.
struct Match<'a> {
    listed: &'a Listed,
    member: Option<&'a Member>,
    score: u32,
}

impl Match<'_> {
    /// Its place in the order of answers: a cursor holds that of the last one shown.
    fn place(&self) -> String {
        format!("{:03} {}", 100 - self.score, self.listed.key)
    }
}

/// What fits, best first; guesses only where nothing else does.
fn matches<'a>(listed: impl Iterator<Item = &'a Listed>, query: &str, members: &'a Members) -> Vec<Match<'a>> {
    let query = query.trim().to_uppercase();
    let all: Vec<(&Listed, Option<&Member>)> = listed.map(|it| (it, members.of(&it.instrument))).collect();
    let scored = |score: fn(&str, &Listed, Option<&Member>) -> Option<u32>| {
        let found = all
            .iter()
            .filter_map(|&(listed, member)| score(&query, listed, member).map(|score| Match { listed, member, score }));
        found.collect::<Vec<_>>()
    };
    let mut matches = scored(score);
    if matches.is_empty() {
        matches = scored(likeness);
    }
    matches.sort_by_cached_key(Match::place);
    matches
}

/// How well a query fits: the whole key or symbol 100, their beginning 90, a name's or a currency 80, any part 70.
fn score(query: &str, listed: &Listed, member: Option<&Member>) -> Option<u32> {
    let instrument = &*listed.instrument;
    let name = member.map(|member| member.name.to_uppercase()).unwrap_or_default();
    let keys = [instrument.to_string(), instrument.key.clone(), symbol(instrument).to_owned()];
    let keys = keys.map(|key| key.to_uppercase());
    if query.is_empty() || keys.iter().any(|key| key == query) {
        Some(100)
    } else if keys.iter().any(|key| key.starts_with(query)) {
        Some(90)
    } else if name.starts_with(query) || instrument.base == query || instrument.quote == query {
        Some(80)
    } else if keys[0].contains(query) || name.contains(query) {
        Some(70)
    } else {
        None
    }
}

/// How alike a query is to what it may have been meant to be, below 70.
fn likeness(query: &str, listed: &Listed, member: Option<&Member>) -> Option<u32> {
    let instrument = &*listed.instrument;
    let name = member.map(|member| member.name.to_uppercase()).unwrap_or_default();
    let likeness = [symbol(instrument), &instrument.key, &name]
        .map(|text| strsim::normalized_damerau_levenshtein(query, text))
        .into_iter()
        .fold(0.0, f64::max);
    // Between 0 and 1, so the cast only cuts off.
    let percent = (likeness * 100.0) as u32;
    (percent >= ALIKE_MIN).then_some(percent.min(69))
}

fn market(instrument: &Instrument) -> &str {
    instrument.key.split_once(':').map_or("", |(market, _)| market)
}

fn symbol(instrument: &Instrument) -> &str {
    instrument.key.split_once(':').map_or(&instrument.key, |(_, symbol)| symbol)
}

/// What it is, as far as its facts tell; null where they are unknown.
fn kind(instrument: &Instrument, member: Option<&Member>) -> Value {
    let terms = &instrument.terms;
    match instrument.settlement {
        _ if terms.right.is_some() => json!("option"),
        _ if terms.expiry_days.is_some() => json!("future"),
        Settlement::Inverse => json!("inverse"),
        Settlement::Linear if member.is_some_and(|member| member.index.is_none()) => json!("index"),
        Settlement::Linear if instrument.lot.is_some() => json!("linear"),
        Settlement::Linear => Value::Null,
    }
}

/// What its market does at a moment; null where no file covers it.
fn session(sessions: &Sessions, instrument: &Instrument, at: Nanos) -> Value {
    let market = if instrument.source == SIMULATED { SIMULATED } else { market(instrument) };
    match sessions.status_at(market, at).status {
        Status::Trading(Phase::PreOpen) => json!("pre-open"),
        Status::Trading(Phase::Open) => json!("open"),
        Status::Trading(Phase::ClosingAuction) => json!("closing auction"),
        Status::Trading(Phase::PostClose) => json!("post-close"),
        Status::Closed => json!("closed"),
        Status::Unknown => Value::Null,
    }
}

fn answer(facade: &Facade, view: &QuotesView, shown: &[Match<'_>], total: usize, cursor: Option<String>) -> Answer {
    let (run, sessions) = (&facade.run, &facade.sessions);
    let envelope = Envelope {
        age_ms: view.quotes.iter().filter_map(|quote| age_ms(view.stamp.as_of, quote.shown_event())).max(),
        feed_state: view.quotes.iter().map(|quote| feed_state(quote.book, quote.trades)).max(),
        ..Envelope::at(run, &view.stamp)
    };
    let known = |text: &str| if text.is_empty() { Value::Null } else { Value::from(text) };
    let number = |raw: Option<i64>, scale| raw.map(|raw| to_decimal(raw, scale).normalize().to_string());
    let mut matches = Table::new(&COLUMNS);
    for (found, quote) in shown.iter().zip(&view.quotes) {
        let (Listed { key, instrument, .. }, member) = (found.listed, found.member);
        matches.push(vec![
            json!(key),
            json!(instrument.source),
            json!(member.map(|member| &member.name)),
            kind(instrument, member),
            json!(number(instrument.tick.map(Price::raw), Price::SCALE)),
            json!(number(instrument.lot.map(Qty::raw), Qty::SCALE)),
            json!(number(instrument.multiplier.map(Qty::raw), Qty::SCALE)),
            known(&instrument.base),
            known(&instrument.quote),
            json!(member.and_then(|member| member.index.as_ref())),
            json!(feed_state(quote.book, quote.trades)),
            json!(instrument.source == SIMULATED),
            session(sessions, instrument, view.stamp.as_of),
            json!(found.score),
        ]);
    }
    let found = Found { coverage: Coverage { shown: matches.len(), total }, matches, cursor };
    Answer::new(&envelope, &found, &text(&found))
}

fn text(found: &Found) -> String {
    let Coverage { shown, total } = found.coverage;
    let mut lines = vec![match total {
        0 => "no instrument of this run is like that; query \"\" lists all".to_owned(),
        _ => format!("{shown} of {total}"),
    }];
    lines.extend(found.matches.lines());
    lines.extend(found.cursor.as_ref().map(|cursor| format!("more: the same arguments with cursor {cursor}")));
    lines.join("\n")
}

#[cfg(test)]
#[path = "find_instruments_tests.rs"]
mod tests;
