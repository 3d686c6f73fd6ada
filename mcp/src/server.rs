//! The MCP server: which protocol is spoken, by whom, and over which path. What is said is in
//! [`crate::tools`].
//!
//! Both eras are served without sessions: clients up to 2025-11-25 begin with `initialize`, those of
//! 2026-07-28 state their version with every request.

use crate::caller::Caller;
use crate::data_folder::VERSION;
use crate::data_folder::clients::Keys;
use crate::directory::Directory;
use crate::engine::EngineClient;
use crate::guard::{BODY_BYTES_MAX, Guard, guard};
use crate::history::HistoryReader;
use crate::json_rpc::well_formed;
use crate::listen;
use crate::live::Troubles;
use crate::members::Members;
use crate::metrics::{Metrics, scrape};
use crate::reads::Reads;
use crate::refusals::Refusals;
use crate::same_version::same_version;
use crate::streams;
use crate::tools::{ToolName, malformed_call, unknown_tool};
use crate::waits::Waits;
use crate::wire::Run;
use anyhow::Context;
use axum::Router;
use axum::http::StatusCode;
use axum::http::request::Parts;
use axum::middleware::{from_fn, from_fn_with_state};
use axum::routing::{any, get};
use rmcp::model::{
    CacheScope, CallToolRequestParams, CallToolResponse, CallToolResult, CustomRequest, CustomResult, DiscoverResult,
    ErrorCode, Implementation, InitializeRequestParams, InitializeResult, ListResourceTemplatesResult, ListToolsResult,
    MetaObject, PaginatedRequestParams, ProtocolVersion, ReadResourceRequestParams, ReadResourceResponse,
    ResourcesCapability, ServerCapabilities, ServerConfig, SubscriptionFilter, Tool,
};
use rmcp::service::{RequestContext, SubscriptionContext};
use rmcp::transport::streamable_http_server::session::never::NeverSessionManager;
use rmcp::transport::streamable_http_server::{StreamableHttpServerConfig, StreamableHttpService};
use rmcp::{ErrorData, RoleServer, ServerHandler};
use serde_json::json;
use std::sync::Arc;
use std::time::Instant;
use tidegate_feeds::sessions::Sessions;
use tokio::net::TcpListener;
use tokio_util::sync::CancellationToken;

const NAME: &str = "tidegate";
// The tools of one program version never change while it runs; a minute lets a client notice an
// upgrade soon.
const CACHE_MS: u64 = 60_000;
/// Under this name those calls are counted that reach no tool: what callers send is no label.
const NO_TOOL: &str = "none";

// Clients cut at 2,048 characters, and show the model little else before its first call.
const INSTRUCTIONS: &str = "Tidegate is a market data engine. All answers come from one consistent state of the market.

Every answer, and every error, says what it is:
- mode: what an order would do: LIVE, PAPER or REPLAY. data: what the prices are: REAL, SIMULATED or RECORDED. In REPLAY the \
market is a recording of the past: never present its prices as today's.
- as_of: the time of the market state (UTC, nanoseconds). In a replay it is the tape's time, not the clock's. seq: the number \
of the last input; a higher seq is later.
- age_ms: as_of minus the last event of what was asked for. feed_state: only live is fit to act on; in any other state prices \
of the book are withheld, not guessed.

Instruments are named MARKET:SYMBOL in capitals, such as BINANCE:BTCUSDT; MARKET:SYMBOL@SOURCE picks one of several feeds of \
the same instrument. get_status says what runs: call it first. find_instruments finds instruments by key, name or currency.

Prices and quantities are decimal strings: exact, never rounded; averages and ratios are rounded as their tool says. A long \
answer says coverage and gives a cursor: nothing is cut silently.

A wrong call is answered with isError and code, field, got, allowed, nearest and retryable. retryable false means: change the \
call as field, allowed and nearest say; repeating it will fail again. retryable true means: the same call may work in a moment.

All tools only read. Nothing here can place an order.";

/// The facade over a running engine; clones share everything.
#[derive(Clone)]
pub struct Facade {
    /// Questions to the engine thread.
    pub engine: EngineClient,
    /// Keys to instruments.
    pub directory: Arc<Directory>,
    /// What every answer says about this run.
    pub run: Arc<Run>,
    /// Names of companies and indices.
    pub members: Arc<Members>,
    /// When markets trade.
    pub sessions: Arc<Sessions>,
    /// What was recorded, where there is a store.
    pub history: Option<HistoryReader>,
    /// The pool of those who read it.
    pub reads: Arc<Reads>,
    /// What is wrong with connections.
    pub troubles: Troubles,
    /// Since when it answers.
    pub started: Instant,
    /// Who waits for what.
    pub waits: Arc<Waits>,
    /// What was called, for `/metrics`.
    pub metrics: Arc<Metrics>,
    tools: Arc<[Tool]>,
}

impl Facade {
    /// A facade that answers from `engine`, with its `waits`, about the instruments in `directory`.
    pub fn new(engine: EngineClient, waits: Arc<Waits>, directory: Arc<Directory>, run: Run) -> Facade {
        let tools = ToolName::ALL.map(ToolName::definition);
        // A name more or less is no reason not to serve; a test holds the built-in files right.
        let members = Arc::new(Members::built_in().unwrap_or_default());
        let sessions = Arc::new(Sessions::built_in().unwrap_or_default());
        let (run, started, metrics) = (Arc::new(run), Instant::now(), Arc::default());
        Facade {
            engine,
            directory,
            run,
            members,
            sessions,
            history: None,
            reads: Arc::default(),
            troubles: Troubles::default(),
            started,
            waits,
            metrics,
            tools: tools.into(),
        }
    }

    /// Answers about the past as well.
    #[must_use]
    pub fn with_history(self, history: HistoryReader) -> Facade {
        Facade { history: Some(history), ..self }
    }

    /// Tells what is wrong with connections too.
    #[must_use]
    pub fn with_troubles(self, troubles: Troubles) -> Facade {
        Facade { troubles, ..self }
    }

    /// Counts an answer that was begun at `began`.
    fn count(&self, tool: &'static str, result: &CallToolResult, began: Instant) {
        self.metrics.called(tool, result.is_error == Some(true), began.elapsed());
    }
}

impl Facade {
    /// Serves MCP and `/metrics` on `listener` until `shutdown`.
    ///
    /// # Errors
    /// Where the listener does not know its own address.
    pub async fn serve(self, listener: TcpListener, keys: Keys, shutdown: CancellationToken) -> anyhow::Result<()> {
        let metrics = Router::new().route("/metrics", get(scrape).with_state(self.clone()));
        serve_http(listener, self, metrics, keys, shutdown).await
    }
}

impl ServerHandler for Facade {
    fn get_info(&self) -> ServerConfig {
        ServerConfig::new(capabilities()).with_server_info(identity()).with_instructions(INSTRUCTIONS)
    }

    // Up to 2025-11-25 subscriptions live in sessions, of which there are none.
    async fn initialize(
        &self,
        request: InitializeRequestParams,
        context: RequestContext<RoleServer>,
    ) -> Result<InitializeResult, ErrorData> {
        let mut info = self.negotiate_initialize(&request)?;
        context.peer.set_peer_info(request);
        info.capabilities.resources = Some(ResourcesCapability::default());
        Ok(info)
    }

    async fn discover(&self, _context: RequestContext<RoleServer>) -> Result<DiscoverResult, ErrorData> {
        let versions = self.supported_protocol_versions().into_owned();
        Ok(DiscoverResult::from_server_info(versions, self.get_info()).with_ttl_ms(CACHE_MS))
    }

    async fn list_tools(
        &self,
        _request: Option<PaginatedRequestParams>,
        context: RequestContext<RoleServer>,
    ) -> Result<ListToolsResult, ErrorData> {
        let mut result = ListToolsResult::with_all_items(self.tools.to_vec());
        if is_sessionless_era(&context) {
            result.ttl_ms = Some(CACHE_MS);
            result.cache_scope = Some(CacheScope::Private);
            sign(&mut result.meta);
        }
        Ok(result)
    }

    async fn call_tool(
        &self,
        request: CallToolRequestParams,
        context: RequestContext<RoleServer>,
    ) -> Result<CallToolResponse, ErrorData> {
        let began = Instant::now();
        let Some(tool) = ToolName::parse(&request.name) else {
            self.metrics.called(NO_TOOL, true, began.elapsed());
            return Err(unknown_tool(&request.name, &self.envelope().await));
        };
        let caller = caller(&context);
        let called = caller.unless_left(self.call(tool, request.arguments.unwrap_or_default(), &caller)).await;
        let mut result = called.ok_or_else(nobody)?;
        self.count(tool.name(), &result, began);
        if is_sessionless_era(&context) {
            sign(&mut result.meta);
        }
        Ok(result.into())
    }

    async fn list_resource_templates(
        &self,
        _request: Option<PaginatedRequestParams>,
        context: RequestContext<RoleServer>,
    ) -> Result<ListResourceTemplatesResult, ErrorData> {
        let result = streams::templates();
        let result = result.with_ttl_ms(CACHE_MS).with_cache_scope(CacheScope::Private);
        Ok(if is_sessionless_era(&context) { result } else { streams::templates() })
    }

    async fn read_resource(
        &self,
        request: ReadResourceRequestParams,
        context: RequestContext<RoleServer>,
    ) -> Result<ReadResourceResponse, ErrorData> {
        let caller = caller(&context);
        let read = caller.unless_left(streams::read(self, &request.uri, &caller)).await;
        read.unwrap_or_else(|| Err(nobody())).map(ReadResourceResponse::from)
    }

    fn accepted_subscription_filter(&self, requested: &SubscriptionFilter) -> Option<SubscriptionFilter> {
        Some(streams::accepted(requested))
    }

    async fn listen(&self, context: SubscriptionContext) -> Result<(), ErrorData> {
        let caller = caller(context.request_context());
        caller.unless_left(streams::listen(self, context, &caller)).await.unwrap_or(Ok(()))
    }

    fn get_tool(&self, name: &str) -> Option<Tool> {
        self.tools.iter().find(|tool| tool.name == name).cloned()
    }

    // A call whose arguments are no object does not parse as a call, and arrives here.
    async fn on_custom_request(
        &self,
        request: CustomRequest,
        context: RequestContext<RoleServer>,
    ) -> Result<CustomResult, ErrorData> {
        // Clients of 2026-07-28 have no handshake; one without its parameters arrives here.
        if is_sessionless_era(&context) && request.method == "initialize" {
            return Err(ErrorData::new(ErrorCode::METHOD_NOT_FOUND, request.method, None));
        }
        let began = Instant::now();
        let refusal = malformed_call(&request.method, request.params.as_ref())?;
        let mut result = self.refuse(&refusal).await;
        self.count(NO_TOOL, &result, began);
        if is_sessionless_era(&context) {
            sign(&mut result.meta);
        } else {
            result.result_type = None;
        }
        let value = serde_json::to_value(result)
            .map_err(|error| ErrorData::internal_error(format!("the answer cannot be written: {error}"), None))?;
        Ok(CustomResult::new(value))
    }
}

/// Serves `handler`, which is cheap to clone, on `listener` until `shutdown`; answers under way may finish. The
/// routes `beside` it stand behind the same guard.
///
/// # Errors
/// Where the listener does not know its own address.
pub async fn serve_http(
    listener: TcpListener,
    handler: impl ServerHandler + Clone,
    beside: Router,
    keys: Keys,
    shutdown: CancellationToken,
) -> anyhow::Result<()> {
    let port = listener.local_addr().context("the listener has no address")?.port();
    // Not `shutdown` itself: rmcp drops the answers under way when this one is cancelled.
    let streams = CancellationToken::new();
    let _end_of_streams = streams.clone().drop_guard();
    let config = StreamableHttpServerConfig::default()
        .with_legacy_session_mode(false)
        .with_json_response(true)
        .with_max_request_body_bytes(BODY_BYTES_MAX)
        .with_cancellation_token(streams.clone());
    // Without sessions every request gets a handler of its own; a clone is a few counters.
    let mcp = StreamableHttpService::new(move || Ok(handler.clone()), Arc::new(NeverSessionManager::default()), config);
    let guarded = Router::new()
        .route_service("/mcp", mcp)
        .route("/mcp/{*rest}", any(|| async { StatusCode::NOT_FOUND }))
        .layer(from_fn(well_formed))
        .layer(from_fn_with_state(Refusals::default(), same_version))
        .merge(beside)
        .layer(from_fn_with_state(Guard::new(port, keys), guard));
    let router = guarded.route("/healthz", get(|| async { "ok" }));
    listen::serve(listener, router, shutdown).await;
    Ok(())
}

fn capabilities() -> ServerCapabilities {
    ServerCapabilities::builder().enable_tools().enable_resources().enable_resources_subscribe().build()
}

fn identity() -> Implementation {
    Implementation::new(NAME, VERSION)
}

/// Clients of 2026-07-28 learn who answers from each result; older ones were told once.
fn sign(meta: &mut Option<MetaObject>) {
    const KEY: &str = "io.modelcontextprotocol/serverInfo";
    meta.get_or_insert_default().insert(KEY.to_owned(), json!({ "name": NAME, "version": VERSION }));
}

/// Who the guard has let in; without one, as in a process that serves itself alone, the program.
fn caller(context: &RequestContext<RoleServer>) -> Caller {
    let known = context.extensions.get::<Parts>().and_then(|parts| parts.extensions.get::<Caller>());
    known.cloned().unwrap_or_else(Caller::program)
}

/// For whoever has left: nobody gets it.
fn nobody() -> ErrorData {
    ErrorData::internal_error("The caller has left.", None)
}

fn is_sessionless_era(context: &RequestContext<RoleServer>) -> bool {
    context.protocol_version().is_some_and(|version| version.as_str() >= ProtocolVersion::V_2026_07_28.as_str())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn instructions_fit_what_clients_show() {
        assert!(INSTRUCTIONS.len() <= 2_048, "{} bytes", INSTRUCTIONS.len());
        assert!(INSTRUCTIONS.is_ascii(), "so that bytes are characters");
    }
}
