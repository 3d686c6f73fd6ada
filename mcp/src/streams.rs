//! Resources that clients of 2026-07-28 can read, and hear of when they change (`subscriptions/listen`).
//!
//! A notification says that a resource has changed, never how: a client that is slow, or away for a while, hears of the
//! latest state once. What changed is looked at every [`LOOK_INTERVAL`], after the notification before was taken.

use crate::caller::Caller;
use crate::server::Facade;
use crate::tools::{ToolName, watched_condition};
use crate::waits::Wait;
use crate::wire::{Envelope, object};
use percent_encoding::percent_decode_str;
use rmcp::ErrorData;
use rmcp::model::{
    CacheScope, JsonObject, ListResourceTemplatesResult, ReadResourceResult, ResourceContents, ResourceTemplate,
    SubscriptionFilter,
};
use rmcp::service::{SubscriptionContext, SubscriptionSink};
use serde_json::json;
use std::time::Duration;
use tidegate_core::Nanos;
use tokio::time::{MissedTickBehavior, interval};

/// How often it is looked whether something has changed.
const LOOK_INTERVAL: Duration = Duration::from_millis(250);
/// Most resources of one stream.
const RESOURCES_MAX: usize = 50;
const QUOTES: &str = "tidegate://quotes/";
const CONDITION: &str = "tidegate://condition/";
const JSON: &str = "application/json";

/// What a resource is about.
#[derive(Clone, Debug, PartialEq, Eq)]
enum Subject {
    /// Top of book and last trade of an instrument.
    Quotes(String),
    /// Whether a condition is true of an instrument's bars: it changes each time that it becomes so.
    Condition { interval: String, instrument: String, condition: String },
}

impl Subject {
    fn parse(uri: &str) -> Option<Subject> {
        let decode = |text: &str| percent_decode_str(text).decode_utf8().ok().map(String::from);
        if let Some(key) = uri.strip_prefix(QUOTES) {
            return Some(Subject::Quotes(decode(key)?));
        }
        let mut parts = uri.strip_prefix(CONDITION)?.splitn(3, '/').map(decode);
        let (interval, instrument, condition) = (parts.next()??, parts.next()??, parts.next()??);
        Some(Subject::Condition { interval, instrument, condition })
    }

    /// The call whose answer is what the resource holds.
    fn call(self) -> (ToolName, JsonObject) {
        match self {
            Subject::Quotes(instrument) => (ToolName::GetQuotes, object(&json!({ "instruments": [instrument] }))),
            Subject::Condition { interval, instrument, condition } => {
                let arguments =
                    json!({ "instruments": [instrument], "interval": interval, "expressions": [condition] });
                (ToolName::ComputeIndicators, object(&arguments))
            }
        }
    }
}

/// How resources are named.
pub fn templates() -> ListResourceTemplatesResult {
    let template = |uri: String, name: &str, title: &str, what: &str| {
        ResourceTemplate::new(uri, name).with_title(title).with_description(what).with_mime_type(JSON)
    };
    ListResourceTemplatesResult::with_all_items(vec![
        template(
            format!("{QUOTES}{{instrument}}"),
            "quotes",
            "Quotes",
            "Top of book and last trade, as get_quotes answers. Changes with the market, told four times a second at most.",
        ),
        template(
            format!("{CONDITION}{{interval}}/{{instrument}}/{{condition}}"),
            "condition",
            "Condition",
            "A condition at the latest closed bar, as compute_indicators answers. Changes each time that it becomes true.",
        ),
    ])
}

/// What a resource holds now.
///
/// # Errors
/// A protocol error where there is no such resource, with what the tool says of it.
pub async fn read(facade: &Facade, uri: &str, caller: &Caller) -> Result<ReadResourceResult, ErrorData> {
    let Some(subject) = Subject::parse(uri) else {
        return Err(ErrorData::resource_not_found("There is no such resource; see resources/templates/list.", None));
    };
    let (tool, arguments) = subject.call();
    let answer = facade.call(tool, arguments, caller).await;
    let said = answer.structured_content.unwrap_or_default();
    if answer.is_error == Some(true) {
        return Err(ErrorData::resource_not_found("There is no such resource.", Some(said)));
    }
    let contents = ResourceContents::text(said.to_string(), uri).with_mime_type(JSON);
    Ok(ReadResourceResult::new(vec![contents]).with_ttl_ms(0).with_cache_scope(CacheScope::Private))
}

/// What of a filter can be listened to.
pub fn accepted(requested: &SubscriptionFilter) -> SubscriptionFilter {
    let uris = requested.resource_subscriptions.iter().flatten();
    let known: Vec<String> = uris.filter(|uri| Subject::parse(uri).is_some()).take(RESOURCES_MAX).cloned().collect();
    let mut accepted = SubscriptionFilter::new();
    accepted.resource_subscriptions = Some(known).filter(|known| !known.is_empty());
    accepted
}

/// Something that is listened to.
struct Heard {
    uri: String,
    what: What,
}

enum What {
    /// Which instrument, and when it last changed.
    Quotes(String, Option<Nanos>),
    Condition(Wait),
}

/// Tells of changes until the client goes.
///
/// # Errors
/// A protocol error where a resource that is listened to cannot be: it names which, and why.
pub async fn listen(facade: &Facade, context: SubscriptionContext, caller: &Caller) -> Result<(), ErrorData> {
    let _place =
        facade.waits.stream(&caller.principal).map_err(|error| ErrorData::internal_error(error.to_string(), None))?;
    let mut all = Vec::new();
    for uri in context.accepted().resource_subscriptions.iter().flatten() {
        all.push(Heard { uri: uri.clone(), what: begin(facade, uri, caller).await? });
    }
    let mut look = interval(LOOK_INTERVAL);
    look.set_missed_tick_behavior(MissedTickBehavior::Delay);
    loop {
        tokio::select! {
            () = context.cancelled() => return Ok(()),
            _ = look.tick() => {
                for heard in &mut all {
                    if has_changed(facade, heard).await && !tell(context.sink(), &heard.uri).await {
                        return Ok(());
                    }
                }
            }
        }
    }
}

async fn begin(facade: &Facade, uri: &str, caller: &Caller) -> Result<What, ErrorData> {
    match Subject::parse(uri) {
        Some(Subject::Quotes(key)) if facade.directory.resolve(&key).is_some() => Ok(What::Quotes(key, None)),
        Some(Subject::Condition { interval, instrument, condition }) => {
            let arguments = json!({ "interval": interval, "instrument": instrument, "condition": condition });
            let watched = watched_condition(facade, object(&arguments), caller).await;
            watched.map(What::Condition).map_err(|refusal| {
                let envelope = Envelope::unknown(&facade.run);
                ErrorData::invalid_params(refusal.message.clone(), Some(refusal.structured(&envelope)))
            })
        }
        _ => Err(ErrorData::invalid_params(format!("There is no resource {uri}."), None)),
    }
}

async fn has_changed(facade: &Facade, heard: &mut Heard) -> bool {
    match &mut heard.what {
        What::Condition(wait) => wait.take_fired(),
        What::Quotes(key, last) => {
            let Some(named) = facade.directory.resolve(key) else { return false };
            let quotes = facade.engine.quotes(vec![named], 0).await;
            let latest = quotes.ok().and_then(|view| view.quotes.first()?.latest_event());
            latest > std::mem::replace(last, latest)
        }
    }
}

/// False where nobody hears it any more.
async fn tell(sink: &SubscriptionSink, uri: &str) -> bool {
    sink.notify_resource_updated(uri).await.is_ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn resources_are_named_by_what_they_are_about() {
        let quotes = Subject::Quotes("NSE:INFY@SIM".to_owned());
        assert_eq!(Subject::parse("tidegate://quotes/NSE:INFY%40SIM"), Some(quotes));
        let condition = Subject::Condition {
            interval: "1m".to_owned(),
            instrument: "NSE:INFY".to_owned(),
            condition: "close / sma(20) > 1.01".to_owned(),
        };
        let uri = "tidegate://condition/1m/NSE:INFY/close%20%2F%20sma(20)%20%3E%201.01";
        assert_eq!(Subject::parse(uri), Some(condition));
        for uri in ["", "tidegate://", "tidegate://condition/1m/NSE:INFY", "http://x/", "tidegate://quotes/%ff"] {
            assert_eq!(Subject::parse(uri), None, "{uri}");
        }
        let mut filter = SubscriptionFilter::new();
        filter.resource_subscriptions = Some(vec!["tidegate://quotes/A:B".to_owned(), "file:///etc".to_owned()]);
        filter.tools_list_changed = Some(true);
        let accepted = accepted(&filter);
        assert_eq!(accepted.resource_subscriptions.unwrap(), ["tidegate://quotes/A:B"]);
        assert_eq!(accepted.tools_list_changed, None);
    }
}
