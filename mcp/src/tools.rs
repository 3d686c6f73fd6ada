//! The tools: read-only questions to the engine, with strict arguments and self-sufficient answers.
//!
//! Each tool is one file with its schemas, its call and its text. A tool only translates: what it
//! says about the market is what the engine said.

mod analyze_liquidity;
pub(crate) mod arguments;
mod buckets;
mod compute_indicators;
mod cursor;
mod find_instruments;
mod flow;
mod get_bars;
mod get_depth;
mod get_quotes;
mod get_status;
mod liquidity;
mod presets;
mod schema;
mod screen_instruments;
mod table;
mod wait_for;

pub(crate) use arguments::wrong_expression;
pub(crate) use wait_for::watched_condition;

use crate::caller::Caller;
use crate::engine::EngineUnavailable;
use crate::server::Facade;
use crate::wire::{Data, Envelope, Mode, Refusal, Run, object};
use arguments::{Arguments, UNKNOWN_INSTRUMENT, echo, nearest_name, not_an_object};
use rmcp::ErrorData;
use rmcp::model::{CallToolResult, ContentBlock, ErrorCode, JsonObject, Tool, ToolAnnotations};
use serde::Serialize;
use serde_json::Value;
use std::sync::Arc;
use std::time::Duration;
use tokio::time::timeout;

/// The engine answers between two batches, within microseconds; this long means that it is stuck.
pub const ENGINE_TIMEOUT: Duration = Duration::from_secs(5);

/// The tools that exist. A closed list: what is not here cannot be called.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ToolName {
    /// What it costs to trade now.
    AnalyzeLiquidity,
    /// Values of expressions.
    ComputeIndicators,
    /// Which instruments there are.
    FindInstruments,
    /// Bars of one instrument.
    GetBars,
    /// The order book of one instrument.
    GetDepth,
    /// Top of book and last trade of several instruments.
    GetQuotes,
    /// What runs, and how healthy it is.
    GetStatus,
    /// Which instruments fulfil a condition.
    ScreenInstruments,
    /// When a condition becomes true.
    WaitFor,
}

impl ToolName {
    /// All tools, in the order of their names: lists are deterministic.
    pub const ALL: [ToolName; 9] = [
        ToolName::AnalyzeLiquidity,
        ToolName::ComputeIndicators,
        ToolName::FindInstruments,
        ToolName::GetBars,
        ToolName::GetDepth,
        ToolName::GetQuotes,
        ToolName::GetStatus,
        ToolName::ScreenInstruments,
        ToolName::WaitFor,
    ];

    /// The tool that a caller names.
    pub fn parse(name: &str) -> Option<ToolName> {
        ToolName::ALL.into_iter().find(|tool| tool.name() == name)
    }

    /// The name that callers use.
    pub const fn name(self) -> &'static str {
        match self {
            ToolName::AnalyzeLiquidity => "analyze_liquidity",
            ToolName::ComputeIndicators => "compute_indicators",
            ToolName::FindInstruments => "find_instruments",
            ToolName::GetBars => "get_bars",
            ToolName::GetDepth => "get_depth",
            ToolName::GetQuotes => "get_quotes",
            ToolName::GetStatus => "get_status",
            ToolName::ScreenInstruments => "screen_instruments",
            ToolName::WaitFor => "wait_for",
        }
    }

    /// What `tools/list` says about the tool.
    pub fn definition(self) -> Tool {
        let (title, description, input, output) = match self {
            ToolName::AnalyzeLiquidity => analyze_liquidity::definition(),
            ToolName::ComputeIndicators => compute_indicators::definition(),
            ToolName::FindInstruments => find_instruments::definition(),
            ToolName::GetBars => get_bars::definition(),
            ToolName::GetDepth => get_depth::definition(),
            ToolName::GetQuotes => get_quotes::definition(),
            ToolName::GetStatus => get_status::definition(),
            ToolName::ScreenInstruments => screen_instruments::definition(),
            ToolName::WaitFor => wait_for::definition(),
        };
        Tool::new(self.name(), description, fields(input))
            .with_title(title)
            .with_raw_output_schema(Arc::new(fields(output)))
            .with_annotations(read_only())
    }
}

/// A good answer in both forms, each complete without the other.
struct Answer {
    text: String,
    structured: Value,
}

impl Answer {
    /// Joins `body` and its `envelope`; `text` gets the envelope as its last line.
    fn new(envelope: &Envelope, body: &impl Serialize, text: &str) -> Answer {
        let mut structured = object(envelope);
        structured.append(&mut object(body));
        Answer { text: format!("{}\n{}", text.trim_end(), envelope.line()), structured: Value::Object(structured) }
    }
}

impl Facade {
    /// Answers a call of `caller`; a refusal is an answer too, marked as an error.
    pub async fn call(&self, tool: ToolName, arguments: JsonObject, caller: &Caller) -> CallToolResult {
        let arguments = Arguments::new(arguments);
        let answered = match tool {
            ToolName::AnalyzeLiquidity => analyze_liquidity::call(self, arguments).await,
            ToolName::ComputeIndicators => compute_indicators::call(self, arguments, caller).await,
            ToolName::FindInstruments => find_instruments::call(self, arguments).await,
            ToolName::GetBars => get_bars::call(self, arguments, caller).await,
            ToolName::GetDepth => get_depth::call(self, arguments).await,
            ToolName::GetQuotes => get_quotes::call(self, arguments).await,
            ToolName::GetStatus => get_status::call(self, arguments).await,
            ToolName::ScreenInstruments => screen_instruments::call(self, arguments, caller).await,
            ToolName::WaitFor => wait_for::call(self, arguments, caller).await,
        };
        match answered {
            Ok(answer) => result(CallToolResult::success, answer.text, answer.structured),
            Err(refusal) => self.refuse(&add_how_to_subscribe(refusal, &self.run)).await,
        }
    }

    /// A refusal as a tool result.
    pub async fn refuse(&self, refusal: &Refusal) -> CallToolResult {
        let envelope = self.envelope().await;
        result(CallToolResult::error, refusal.text(&envelope), refusal.structured(&envelope))
    }

    /// The envelope of a refusal: refusals carry the time of the tape as well.
    pub async fn envelope(&self) -> Envelope {
        match self.ask(self.engine.status()).await {
            Ok(status) => get_status::envelope(&self.run, &status),
            Err(_) => Envelope::unknown(&self.run),
        }
    }

    pub(crate) async fn ask<T>(
        &self,
        question: impl Future<Output = Result<T, EngineUnavailable>>,
    ) -> Result<T, Refusal> {
        match timeout(ENGINE_TIMEOUT, question).await {
            Ok(Ok(answer)) => Ok(answer),
            Ok(Err(EngineUnavailable::Busy)) => {
                Err(unavailable("engine_busy", "The engine's queue of questions is full; ask again in a second.", true))
            }
            Ok(Err(EngineUnavailable::Stopped)) => {
                Err(unavailable("engine_stopped", "The engine has stopped; start it again with tidegate serve.", false))
            }
            Err(_) => Err(unavailable(
                "engine_slow",
                "The engine did not answer within 5 s; ask again, and see get_status.",
                true,
            )),
        }
    }
}

/// An instrument that is not here may be at the venue: what to do about it depends on what is served.
fn add_how_to_subscribe(mut refusal: Refusal, run: &Run) -> Refusal {
    if refusal.code == UNKNOWN_INSTRUMENT {
        let how = match (run.mode, run.data) {
            (Mode::Replay, _) => "This replay holds no others.".to_owned(),
            (_, Data::Simulated) => {
                "More are simulated after a restart with tidegate serve --instruments N.".to_owned()
            }
            _ => format!("What else the venue lists is subscribed by a restart with --symbols {},SYMBOL.", run.name),
        };
        refusal.message = format!("{} find_instruments finds those there are. {how}", refusal.message);
    }
    refusal
}

/// The protocol error for a tool that does not exist.
pub fn unknown_tool(name: &str, envelope: &Envelope) -> ErrorData {
    let names = ToolName::ALL.map(ToolName::name);
    let refusal = Refusal {
        code: "unknown_tool",
        message: format!("There is no tool {}; the tools are {}.", echo(name), names.join(", ")),
        field: Some("name".to_owned()),
        got: Some(echo(name)),
        allowed: Some(names.join(", ")),
        nearest: nearest_name(name, &names).map(Value::from),
        retryable: false,
    };
    ErrorData::invalid_params(refusal.message.clone(), Some(refusal.structured(envelope)))
}

/// What is offered.
const METHODS: [&str; 9] = [
    "initialize",
    "server/discover",
    "ping",
    "tools/list",
    "tools/call",
    "resources/list",
    "resources/templates/list",
    "resources/read",
    "subscriptions/listen",
];

/// What to say to a request that is no known one: a refusal that the model sees where a tool was
/// called with arguments that are no object, a protocol error otherwise.
pub fn malformed_call(method: &str, params: Option<&Value>) -> Result<Refusal, ErrorData> {
    if !METHODS.contains(&method) {
        let message = format!("Method {} is not offered; this server has tools and resources.", echo(method));
        return Err(ErrorData::new(ErrorCode::METHOD_NOT_FOUND, message, None));
    }
    let arguments = params.and_then(|params| params.get("arguments"));
    let tool = params.and_then(|params| params.get("name")?.as_str()).and_then(ToolName::parse);
    match (method, tool, arguments) {
        ("tools/call", Some(_), Some(arguments)) if !arguments.is_object() => Ok(not_an_object(arguments)),
        _ => {
            Err(ErrorData::invalid_params(format!("The params of {method} do not fit its schema; correct them."), None))
        }
    }
}

pub(crate) fn unavailable(code: &'static str, message: &str, retryable: bool) -> Refusal {
    Refusal { code, message: message.to_owned(), field: None, got: None, allowed: None, nearest: None, retryable }
}

fn result(kind: fn(Vec<ContentBlock>) -> CallToolResult, text: String, structured: Value) -> CallToolResult {
    let mut result = kind(vec![ContentBlock::text(text)]);
    result.structured_content = Some(structured);
    result
}

/// All that these tools may honestly claim: they change nothing, and they know nothing outside the
/// engine of this process.
fn read_only() -> ToolAnnotations {
    // Whether a tool destroys, or may be called twice, is asked only of one that writes.
    ToolAnnotations::default().read_only(true).open_world(false)
}

fn fields(schema: Value) -> JsonObject {
    match schema {
        Value::Object(fields) => fields,
        _ => JsonObject::new(),
    }
}

#[cfg(test)]
#[path = "tools/budget_tests.rs"]
mod budget;
#[cfg(test)]
#[path = "tools/checker_tests.rs"]
mod checker;
#[cfg(test)]
#[path = "tools/golden_tests.rs"]
mod golden;
#[cfg(test)]
#[path = "tools/stage_tests.rs"]
mod stage;
#[cfg(test)]
#[path = "tools_tests.rs"]
mod tests;
#[cfg(test)]
#[path = "tools/wrong_calls_tests.rs"]
mod wrong_calls;
