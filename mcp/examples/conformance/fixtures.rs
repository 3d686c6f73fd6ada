//! The handler: the product's, and beside it what the suite asks for, as `fixtures.json` describes it.
#![expect(deprecated, reason = "clients up to 2025-11-25 set a level and expect log messages, and the suite tests it")]

use crate::input::{Dialogue, Reply};
use rmcp::model::{
    CacheScope, CallToolRequestParams, CallToolResponse, CallToolResult, ClientCapabilities, CompleteRequestParams,
    CompleteResult, CustomRequest, CustomResult, DiscoverResult, GetPromptRequestParams, GetPromptResponse,
    GetPromptResult, JsonObject, ListPromptsResult, ListResourceTemplatesResult, ListResourcesResult, ListToolsResult,
    LoggingLevel, LoggingMessageNotificationParam, PaginatedRequestParams, ProgressNotificationParam, Prompt,
    ReadResourceRequestParams, ReadResourceResponse, ReadResourceResult, ServerCapabilities, ServerConfig,
    SetLevelRequestParams, SubscribeRequestParams, Tool, UnsubscribeRequestParams,
};
use rmcp::service::RequestContext;
use rmcp::{ErrorData, RoleServer, ServerHandler};
use serde::Deserialize;
use serde::de::DeserializeOwned;
use serde_json::{Value, json};
use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;
use tidegate_mcp::server::Facade;
use tokio::time::sleep;

const TEXT: &str = include_str!("fixtures.json");
// What the suite asks for between two notifications.
const PAUSE: Duration = Duration::from_millis(50);
const CACHE_MS: u64 = 60_000;

/// The product's handler with the fixtures beside it.
#[derive(Clone)]
pub struct Fixtures {
    product: Facade,
    fixtures: Arc<Described>,
}

/// What `fixtures.json` holds.
#[derive(Deserialize)]
struct Described {
    /// Tools and what each answers.
    tools: BTreeMap<String, Value>,
    /// Tools that ask the client first.
    inputs: BTreeMap<String, Dialogue>,
    prompts: BTreeMap<String, DescribedPrompt>,
    /// Prompts that ask the client first.
    prompt_inputs: BTreeMap<String, Dialogue>,
    /// Contents by URI.
    resources: BTreeMap<String, Value>,
    template: Value,
}

#[derive(Deserialize)]
struct DescribedPrompt {
    arguments: Vec<String>,
    messages: Value,
}

impl Fixtures {
    /// The fixtures beside `product`.
    pub fn new(product: Facade) -> anyhow::Result<Fixtures> {
        Ok(Fixtures { product, fixtures: Arc::new(serde_json::from_str(TEXT)?) })
    }

    fn tools(&self) -> impl Iterator<Item = Tool> {
        let schema: JsonObject = [("type".to_owned(), json!("object"))].into_iter().collect();
        let schema = Arc::new(schema);
        let names = self.fixtures.tools.keys().chain(self.fixtures.inputs.keys());
        names.map(move |name| Tool::new(name.clone(), "A fixture of the conformance suite.", Arc::clone(&schema)))
    }

    async fn notify(&self, name: &str, context: &RequestContext<RoleServer>) -> Result<(), ErrorData> {
        let is_lost = |_| ErrorData::internal_error("the client is gone", None);
        match name {
            "test_tool_with_progress" => {
                let Some(token) = context.meta.get_progress_token() else { return Ok(()) };
                for progress in [0.0, 50.0, 100.0] {
                    let note = ProgressNotificationParam::new(token.clone(), progress).with_total(100.0);
                    context.peer.notify_progress(note).await.map_err(is_lost)?;
                    sleep(PAUSE).await;
                }
            }
            "test_tool_with_logging" => {
                for text in ["Tool execution started", "Tool processing data", "Tool execution completed"] {
                    log(context, text).await.map_err(is_lost)?;
                    sleep(PAUSE).await;
                }
            }
            "test_logging_tool" if context.meta.log_level().is_some() => {
                log(context, "as was asked for").await.map_err(is_lost)?;
            }
            "test_missing_capability" if capabilities(context).sampling.is_none() => {
                let required: ClientCapabilities = parse(json!({ "sampling": {} }))?;
                return Err(ErrorData::missing_required_client_capability(required));
            }
            _ => {}
        }
        Ok(())
    }
}

async fn log(context: &RequestContext<RoleServer>, text: &str) -> Result<(), rmcp::ServiceError> {
    context.peer.notify_logging_message(LoggingMessageNotificationParam::new(LoggingLevel::Info, json!(text))).await
}

fn capabilities(context: &RequestContext<RoleServer>) -> ClientCapabilities {
    context.client_capabilities().unwrap_or_default()
}

fn parse<T: DeserializeOwned>(value: Value) -> Result<T, ErrorData> {
    serde_json::from_value(value).map_err(|error| ErrorData::internal_error(error.to_string(), None))
}

fn unknown(what: &str, name: &str) -> ErrorData {
    ErrorData::invalid_params(format!("{what} not found"), Some(json!({ what: name, "uri": name })))
}

/// A result that is complete: rmcp takes the word out again for clients up to 2025-11-25.
fn complete<T: DeserializeOwned>(mut value: Value) -> Result<T, ErrorData> {
    value["resultType"] = json!("complete");
    parse(value)
}

/// `value` with `{name}` replaced in every text.
fn filled(value: &Value, name: &str, by: &str) -> Value {
    match value {
        Value::String(text) => json!(text.replace(&format!("{{{name}}}"), by)),
        Value::Array(items) => items.iter().map(|item| filled(item, name, by)).collect(),
        Value::Object(fields) => {
            Value::Object(fields.iter().map(|(key, field)| (key.clone(), filled(field, name, by))).collect())
        }
        other => other.clone(),
    }
}

impl ServerHandler for Fixtures {
    fn get_info(&self) -> ServerConfig {
        let mut info = self.product.get_info();
        info.capabilities = ServerCapabilities::builder()
            .enable_tools()
            .enable_prompts()
            .enable_resources()
            .enable_completions()
            .enable_logging()
            .build();
        info
    }

    async fn discover(&self, context: RequestContext<RoleServer>) -> Result<DiscoverResult, ErrorData> {
        let mut result = self.product.discover(context).await?;
        result.capabilities = self.get_info().capabilities;
        Ok(result)
    }

    async fn list_tools(
        &self,
        request: Option<PaginatedRequestParams>,
        context: RequestContext<RoleServer>,
    ) -> Result<ListToolsResult, ErrorData> {
        let mut result = self.product.list_tools(request, context).await?;
        result.tools.extend(self.tools());
        Ok(result)
    }

    fn get_tool(&self, name: &str) -> Option<Tool> {
        self.product.get_tool(name).or_else(|| self.tools().find(|tool| tool.name == name))
    }

    async fn call_tool(
        &self,
        request: CallToolRequestParams,
        context: RequestContext<RoleServer>,
    ) -> Result<CallToolResponse, ErrorData> {
        let name = request.name.to_string();
        if let Some(dialogue) = self.fixtures.inputs.get(&name) {
            let responses = request.input_responses.unwrap_or_default();
            let reply = dialogue.reply(&name, &responses, request.request_state.as_deref(), &capabilities(&context))?;
            return match reply {
                Reply::Ask(asked) => Ok(asked.into()),
                Reply::Done(text) => {
                    Ok(complete::<CallToolResult>(json!({ "content": [{ "type": "text", "text": text }] }))?.into())
                }
            };
        }
        let Some(result) = self.fixtures.tools.get(&name) else {
            return self.product.call_tool(request, context).await;
        };
        self.notify(&name, &context).await?;
        Ok(complete::<CallToolResult>(result.clone())?.into())
    }

    async fn on_custom_request(
        &self,
        request: CustomRequest,
        context: RequestContext<RoleServer>,
    ) -> Result<CustomResult, ErrorData> {
        self.product.on_custom_request(request, context).await
    }

    async fn list_prompts(
        &self,
        _request: Option<PaginatedRequestParams>,
        _context: RequestContext<RoleServer>,
    ) -> Result<ListPromptsResult, ErrorData> {
        let with_arguments = self.fixtures.prompts.iter().map(|(name, prompt)| (name, prompt.arguments.as_slice()));
        let asking = self.fixtures.prompt_inputs.keys().map(|name| (name, [].as_slice()));
        let prompt = |(name, arguments): (&String, &[String])| {
            let arguments: Vec<Value> =
                arguments.iter().map(|name| json!({ "name": name, "description": name, "required": true })).collect();
            parse::<Prompt>(
                json!({ "name": name, "description": "A fixture of the conformance suite.", "arguments": arguments }),
            )
        };
        let prompts = with_arguments.chain(asking).map(prompt).collect::<Result<Vec<_>, _>>()?;
        Ok(ListPromptsResult::with_all_items(prompts).with_ttl_ms(CACHE_MS).with_cache_scope(CacheScope::Private))
    }

    async fn get_prompt(
        &self,
        request: GetPromptRequestParams,
        context: RequestContext<RoleServer>,
    ) -> Result<GetPromptResponse, ErrorData> {
        let name = request.name;
        if let Some(dialogue) = self.fixtures.prompt_inputs.get(&name) {
            let responses = request.input_responses.unwrap_or_default();
            let reply = dialogue.reply(&name, &responses, request.request_state.as_deref(), &capabilities(&context))?;
            return match reply {
                Reply::Ask(asked) => Ok(asked.into()),
                Reply::Done(text) => {
                    let message = json!({ "role": "user", "content": { "type": "text", "text": text } });
                    Ok(complete::<GetPromptResult>(json!({ "messages": [message] }))?.into())
                }
            };
        }
        let prompt = self.fixtures.prompts.get(&name).ok_or_else(|| unknown("prompt", &name))?;
        let given = request.arguments.unwrap_or_default();
        let mut messages = prompt.messages.clone();
        for argument in &prompt.arguments {
            let value = given.get(argument).and_then(Value::as_str).ok_or_else(|| unknown("argument", argument))?;
            messages = filled(&messages, argument, value);
        }
        Ok(complete::<GetPromptResult>(json!({ "messages": messages }))?.into())
    }

    async fn list_resources(
        &self,
        _request: Option<PaginatedRequestParams>,
        _context: RequestContext<RoleServer>,
    ) -> Result<ListResourcesResult, ErrorData> {
        let described = self.fixtures.resources.values().map(described).collect::<Result<Vec<_>, _>>()?;
        Ok(ListResourcesResult::with_all_items(described).with_ttl_ms(CACHE_MS).with_cache_scope(CacheScope::Private))
    }

    async fn list_resource_templates(
        &self,
        _request: Option<PaginatedRequestParams>,
        _context: RequestContext<RoleServer>,
    ) -> Result<ListResourceTemplatesResult, ErrorData> {
        let uri = &self.fixtures.template["uri"];
        let template =
            parse(json!({ "uriTemplate": uri, "name": uri, "mimeType": self.fixtures.template["mimeType"] }))?;
        let result = ListResourceTemplatesResult::with_all_items(vec![template]);
        Ok(result.with_ttl_ms(CACHE_MS).with_cache_scope(CacheScope::Private))
    }

    async fn read_resource(
        &self,
        request: ReadResourceRequestParams,
        _context: RequestContext<RoleServer>,
    ) -> Result<ReadResourceResponse, ErrorData> {
        let id = request.uri.strip_prefix("test://template/").and_then(|rest| rest.strip_suffix("/data"));
        let contents = match (id, self.fixtures.resources.get(&request.uri)) {
            (Some(id), _) => filled(&self.fixtures.template, "id", id),
            (None, Some(contents)) => contents.clone(),
            (None, None) => return Err(unknown("resource", &request.uri)),
        };
        let result: ReadResourceResult = complete(json!({ "contents": [contents] }))?;
        Ok(result.with_ttl_ms(CACHE_MS).with_cache_scope(CacheScope::Private).into())
    }

    async fn complete(
        &self,
        _request: CompleteRequestParams,
        _context: RequestContext<RoleServer>,
    ) -> Result<CompleteResult, ErrorData> {
        complete(json!({ "completion": { "values": ["paris", "park"], "total": 2, "hasMore": false } }))
    }

    async fn set_level(
        &self,
        _request: SetLevelRequestParams,
        _context: RequestContext<RoleServer>,
    ) -> Result<(), ErrorData> {
        Ok(())
    }

    async fn subscribe(
        &self,
        request: SubscribeRequestParams,
        _context: RequestContext<RoleServer>,
    ) -> Result<(), ErrorData> {
        self.fixtures
            .resources
            .contains_key(&request.uri)
            .then_some(())
            .ok_or_else(|| unknown("resource", &request.uri))
    }

    async fn unsubscribe(
        &self,
        request: UnsubscribeRequestParams,
        _context: RequestContext<RoleServer>,
    ) -> Result<(), ErrorData> {
        self.fixtures
            .resources
            .contains_key(&request.uri)
            .then_some(())
            .ok_or_else(|| unknown("resource", &request.uri))
    }
}

/// A resource as it is listed.
fn described<T: DeserializeOwned>(contents: &Value) -> Result<T, ErrorData> {
    let uri = &contents["uri"];
    parse(json!({ "uri": uri, "name": uri, "description": "A fixture.", "mimeType": contents["mimeType"] }))
}
