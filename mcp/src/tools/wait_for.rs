//! `wait_for`: until a condition becomes true, over as many calls as it takes.
//!
//! Nothing is missed between two calls: the engine watches on for the time of a lease, and after that the recorded bars
//! are looked through from where the last answer left off. What neither saw is named.

use super::arguments::Arguments;
use super::compute_indicators::{EXPRESSION_CHARS_MAX, shown};
use super::get_bars::second;
use super::schema::{instrument, output_schema};
use super::{Answer, unavailable};
use crate::bars::Named;
use crate::caller::Caller;
use crate::engine::QuotesView;
use crate::expressions::Compiled;
use crate::reads::Read;
use crate::server::Facade;
use crate::waits::{Handle, LEASE, NotWatched, Wait};
use crate::wire::{Envelope, Refusal, age_ms, plain};
use rmcp::model::JsonObject;
use schemars::JsonSchema;
use serde::Serialize;
use serde_json::{Map, Value, json};
use std::time::Duration;
use tidegate_core::condition::{Condition, Firing, SETTLE};
use tidegate_core::expression::Kind;
use tidegate_core::{Family, INTERVALS, Interval, Nanos};
use tidegate_history::expression::compared;
use tokio::time::Instant;

const WAIT_S_MAX: usize = 25;
const WAIT_S_DEFAULT: usize = 20;
/// Values told beside the condition.
const COMPARED_MAX: usize = 6;
/// Recorded bars that are looked through where the engine did not watch.
const LOOKED_THROUGH_MAX: usize = 500;

/// What came of it.
#[derive(Debug, Serialize, JsonSchema)]
struct Waited {
    fired: bool,
    /// End of the bar that made it true, or the time of the trade.
    at: Option<String>,
    /// What the condition compares, there.
    values: Map<String, Value>,
    /// watch, bars or recording: who saw it.
    seen_by: Option<&'static str>,
    /// First bar that it was worked out from.
    primed_from: Option<String>,
    /// Trades are missing in the bars since it was asked for.
    incomplete: bool,
    /// From and to: where nobody watched.
    unwatched: Option<[String; 2]>,
    /// To wait on; null once it has fired.
    handle: Option<String>,
}

pub(super) fn definition() -> (&'static str, &'static str, Value, Value) {
    let input = json!({
        "type": "object",
        "properties": {
            "instrument": instrument(),
            "condition": { "type": "string", "description": "Expression", "maxLength": EXPRESSION_CHARS_MAX, "examples": ["live.close > 50000"] },
            "interval": { "type": "string", "enum": INTERVALS.map(|interval| interval.name), "description": "Bar" },
            "wait_s": { "type": "integer", "minimum": 1, "maximum": WAIT_S_MAX, "default": WAIT_S_DEFAULT, "description": "Patience", "examples": [1] },
            "handle": { "type": "string", "description": "Wait on" }
        },
        "required": ["instrument", "condition", "interval"],
        "additionalProperties": false
    });
    let description = "Waits until a condition (expressions: see compute_indicators) is true, at once where it is. Not fired: \
                       call again with the handle added; nothing is missed between. Example: {\"instrument\": \
                       \"BINANCE:BTCUSDT\", \"condition\": \"crosses_above(ema(12), ema(26))\", \"interval\": \"1m\"}.";
    ("Wait", description, input, output_schema::<Waited>("fired"))
}

/// What is waited for.
struct Asked {
    instrument: Named,
    condition: String,
    interval: Interval,
    compiled: Compiled,
    /// What its values are called, the condition first.
    texts: Vec<String>,
    /// The handle it came with.
    handle: Option<Handle>,
}

impl Asked {
    /// What a handle is bound to.
    fn scope(&self) -> [String; 3] {
        [self.instrument.1.to_string(), self.condition.clone(), self.interval.name.to_owned()]
    }
}

/// That it has become true.
struct Seen {
    at: Nanos,
    values: Vec<Option<f64>>,
    by: &'static str,
    is_incomplete: bool,
}

/// Recorded bars, where the engine did not watch.
#[derive(Default)]
struct Recorded {
    seen: Option<Seen>,
    unwatched: Option<(Nanos, Nanos)>,
}

pub(super) async fn call(facade: &Facade, arguments: Arguments, caller: &Caller) -> Result<Answer, Refusal> {
    arguments.only(&["instrument", "condition", "interval", "wait_s", "handle"])?;
    let patience = Duration::from_secs(arguments.whole("wait_s", 1..=WAIT_S_MAX, WAIT_S_DEFAULT)? as u64);
    let asked = read(facade, &arguments, caller)?;
    let _place = facade.waits.call(&caller.principal).map_err(refused)?;
    if let Some(handle) = &asked.handle
        && let Some(wait) = facade.waits.resume(&caller.principal, handle.id)
    {
        let primed_from = handle.primed_from.map(Nanos::new);
        return waited(facade, caller, &asked, wait, patience, Recorded::default(), primed_from).await;
    }
    let (recorded, condition) = prepared(facade, &asked, caller).await?;
    let Some(condition) = condition else { return answer(facade, &asked, recorded, None, None).await };
    let primed_from = condition.primed_from().first().copied().flatten();
    if condition.is_true() {
        let values = condition.values().to_vec();
        let at = condition.until().floor(asked.interval.span);
        let seen = Some(Seen { at, values, by: "bars", is_incomplete: false });
        return answer(facade, &asked, Recorded { seen, ..recorded }, primed_from, None).await;
    }
    let (wait, _) = facade.waits.attach(&caller.principal, condition).await.map_err(refused)?;
    waited(facade, caller, &asked, wait, patience, recorded, primed_from).await
}

/// Watches a condition for a stream, from now on.
///
/// # Errors
/// The refusal that `wait_for` would give.
pub(crate) async fn watched_condition(facade: &Facade, asked: JsonObject, caller: &Caller) -> Result<Wait, Refusal> {
    let asked = read(facade, &Arguments::new(asked), caller)?;
    let read = facade.reads.begin(caller)?;
    let (condition, _) = read.within(asked.compiled.standing(facade, &read, &asked.instrument)).await?;
    facade.waits.attach(&caller.principal, condition).await.map(|(wait, _)| wait).map_err(refused)
}

fn read(facade: &Facade, arguments: &Arguments, caller: &Caller) -> Result<Asked, Refusal> {
    let instrument = arguments.instrument("instrument", &facade.directory)?;
    let condition = arguments.expression("condition", EXPRESSION_CHARS_MAX)?.to_owned();
    let interval = arguments.interval("interval")?;
    let mut texts = vec![condition.clone()];
    texts.extend(compared(&condition).into_iter().take(COMPARED_MAX));
    let fields: Vec<(&str, &str)> = texts.iter().map(|text| ("condition", text.as_str())).collect();
    let compiled = Compiled::read(&fields, interval, &facade.directory)?;
    compiled.expect(0, "condition", &condition, Kind::Condition)?;
    compiled.instruments_max("condition")?;
    let mut asked = Asked { instrument, condition, interval, compiled, texts, handle: None };
    let scope = asked.scope();
    let open = |sealed: &str| facade.waits.open(sealed, &caller.principal, &scope.each_ref().map(|part| &**part));
    asked.handle = arguments.opaque("handle", "wrong_handle", open)?;
    Ok(asked)
}

/// What the recorded bars say since the last answer, and where that is not that it is true, the condition to be watched.
async fn prepared(facade: &Facade, asked: &Asked, caller: &Caller) -> Result<(Recorded, Option<Condition>), Refusal> {
    let read = facade.reads.begin(caller)?;
    let prepared = async {
        let recorded = look_through(facade, &read, asked).await?;
        if recorded.seen.is_some() {
            return Ok((recorded, None));
        }
        let (condition, _) = asked.compiled.standing(facade, &read, &asked.instrument).await?;
        Ok((recorded, Some(condition)))
    };
    read.within(prepared).await
}

/// What the recorded bars say since the last answer, where there was one.
async fn look_through(facade: &Facade, read: &Read<'_>, asked: &Asked) -> Result<Recorded, Refusal> {
    let Some(handle) = &asked.handle else { return Ok(Recorded::default()) };
    let (since, span) = (Nanos::new(handle.until), asked.interval.span);
    let instruments = std::slice::from_ref(&asked.instrument);
    let all = asked.compiled.evaluate(facade, read, instruments, Nanos::new(i64::MAX), LOOKED_THROUGH_MAX).await?;
    let Some(values) = all.into_iter().next() else { return Ok(Recorded::default()) };
    let now = values.view.stamp.as_of;
    if asked.compiled.is_live {
        // Of an open bar nothing is recorded but how it ended.
        return Ok(Recorded { seen: None, unwatched: Some((since, now)) });
    }
    let begins = values.rows.first().map_or(now, |(start, _)| start.plus(span));
    let is_cut = values.rows.len() == LOOKED_THROUGH_MAX && begins > since;
    let lacking = values.incomplete_at.map(|start| start.plus(span)).filter(|&end| end > since);
    let mut new = values.rows.into_iter().filter(|(start, _)| start.plus(span) > since);
    let seen = new.find(|(_, row)| row[0] == Some(1.0)).map(|(start, row)| Seen {
        at: start.plus(span),
        values: row,
        by: "recording",
        is_incomplete: lacking.is_some(),
    });
    let unwatched = lacking.or(is_cut.then_some(begins)).map(|to| (since, to));
    Ok(Recorded { seen, unwatched })
}

/// Waits, and answers.
async fn waited(
    facade: &Facade,
    caller: &Caller,
    asked: &Asked,
    mut wait: Wait,
    patience: Duration,
    recorded: Recorded,
    primed_from: Option<Nanos>,
) -> Result<Answer, Refusal> {
    let patience = patience.min(caller.deadline.saturating_duration_since(Instant::now()));
    if let Some(firing) = wait.fired(patience).await {
        wait.end();
        let Firing { moment, values, is_incomplete, .. } = firing;
        let seen = Some(Seen { at: moment, values: values.to_vec(), by: "watch", is_incomplete });
        return answer(facade, asked, Recorded { seen, ..recorded }, primed_from, None).await;
    }
    let quotes = quotes(facade, asked).await?;
    // A bar that has just ended may not have been taken yet.
    let until = quotes.stamp.as_of.since(SETTLE).since(SETTLE);
    let handle = Handle { id: wait.id(), until: until.raw(), primed_from: primed_from.map(Nanos::raw) };
    let sealed = facade.waits.seal(&handle, &caller.principal, &asked.scope().each_ref().map(|part| &**part));
    answer(facade, asked, recorded, primed_from, Some(sealed)).await
}

async fn quotes(facade: &Facade, asked: &Asked) -> Result<QuotesView, Refusal> {
    facade.ask(facade.engine.quotes(vec![asked.instrument.clone()], 0)).await
}

fn refused(reason: NotWatched) -> Refusal {
    match reason {
        NotWatched::TooMany => unavailable(
            "too_many_waits",
            "Too many waits are under way; let some end, and ask again in a minute.",
            true,
        ),
        NotWatched::NoRoom => unavailable(
            "too_many_conditions",
            "The engine has no room for this condition now; ask again in a minute.",
            true,
        ),
        NotWatched::Engine(_) => unavailable("engine_busy", "The engine did not take the condition; ask again.", true),
    }
}

async fn answer(
    facade: &Facade,
    asked: &Asked,
    recorded: Recorded,
    primed_from: Option<Nanos>,
    handle: Option<String>,
) -> Result<Answer, Refusal> {
    let quotes = quotes(facade, asked).await?;
    let quote = quotes.quotes.first();
    let envelope = Envelope {
        age_ms: age_ms(quotes.stamp.as_of, quote.and_then(|quote| quote.event_of(Family::Trades))),
        feed_state: quote.map(|quote| quote.trades.into()),
        ..Envelope::at(&facade.run, &quotes.stamp)
    };
    let Recorded { seen, unwatched } = recorded;
    let compared = asked.texts.iter().zip(&asked.compiled.kinds).enumerate().skip(1);
    let value = |seen: &Seen, at: usize, kind: Kind| shown(seen.values.get(at).copied().flatten(), kind);
    let values: Map<String, Value> = seen
        .iter()
        .flat_map(|seen| compared.clone().map(|(at, (text, kind))| (text.clone(), value(seen, at, *kind))))
        .collect();
    let waited = Waited {
        fired: seen.is_some(),
        at: seen.as_ref().map(|seen| second(seen.at)),
        values,
        seen_by: seen.as_ref().map(|seen| seen.by),
        primed_from: primed_from.map(second),
        incomplete: seen.as_ref().is_some_and(|seen| seen.is_incomplete),
        unwatched: unwatched.map(|(from, to)| [second(from), second(to)]),
        handle,
    };
    Ok(Answer::new(&envelope, &waited, &text(asked, &waited)))
}

fn text(asked: &Asked, waited: &Waited) -> String {
    let what = format!("{} of {} on {} bars", asked.condition, asked.instrument.1, asked.interval.name);
    let mut text = match (&waited.at, waited.seen_by) {
        (Some(at), Some(by)) => format!("{what}: true at {at} (seen by {by})"),
        _ => format!(
            "{what}: not yet true; wait on with the handle, within {} s if nothing live may be missed",
            LEASE.as_secs()
        ),
    };
    for (name, value) in &waited.values {
        text.push_str(&format!("\n{name}: {}", plain(value)));
    }
    if let Some(from) = &waited.primed_from {
        text.push_str(&format!("\nworked out from the bars since {from}"));
    }
    if waited.incomplete {
        text.push_str("\ntrades are missing in the bars");
    }
    if let Some([from, to]) = &waited.unwatched {
        text.push_str(&format!("\nnobody watched from {from} to {to}"));
    }
    if let Some(handle) = &waited.handle {
        text.push_str(&format!("\nhandle: {handle}"));
    }
    text
}

#[cfg(test)]
#[path = "wait_for_tests.rs"]
mod tests;
