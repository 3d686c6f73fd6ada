//! What a body must be before it is taken for a request, in the words of JSON-RPC (2.0 §5.1), and headers as clients
//! write them.

use crate::guard::whole;
use axum::body::Body;
use axum::extract::Request;
use axum::http::header::{ACCEPT, CONTENT_TYPE};
use axum::http::{HeaderMap, HeaderValue, Method, StatusCode};
use axum::middleware::Next;
use axum::response::Response;
use serde_json::{Value, json};

/// The text is no JSON.
pub const PARSE_ERROR: i32 = -32_700;
/// The JSON is no request.
pub const INVALID_REQUEST: i32 = -32_600;
/// Something went wrong inside.
pub const INTERNAL_ERROR: i32 = -32_603;

const JSON: &str = "application/json";
const EVENT_STREAM: &str = "text/event-stream";

/// Axum middleware: answers what is no JSON-RPC message as JSON-RPC does.
pub async fn well_formed(request: Request, next: Next) -> Response {
    let (mut head, body) = request.into_parts();
    accept(&mut head.headers);
    if head.method != Method::POST || !is_json(&head.headers) {
        return next.run(Request::from_parts(head, body)).await;
    }
    let body = match whole(body).await {
        Ok(body) => body,
        Err(refused) => return refused.response(),
    };
    let message = match serde_json::from_slice::<Value>(&body) {
        Ok(message) => message,
        Err(reason) => {
            let message = format!("The body is no JSON ({reason}); send one JSON-RPC message.");
            return answer(&Value::Null, PARSE_ERROR, &message, "parse_error");
        }
    };
    if let Err(reason) = check(&message) {
        return answer(id_of(&message), INVALID_REQUEST, &reason, "invalid_request");
    }
    let answered = next.run(Request::from_parts(head, Body::from(body))).await;
    if answered.status() == StatusCode::UNSUPPORTED_MEDIA_TYPE {
        // The media type is right, so it is the message that was not understood.
        let reason = "Not a JSON-RPC message of the Model Context Protocol: a name stands twice, or a field is of another \
                       type than its schema says.";
        return answer(id_of(&message), INVALID_REQUEST, reason, "invalid_request");
    }
    answered
}

/// Says why a message is none.
///
/// # Errors
/// In a sentence, with what to send.
pub fn check(message: &Value) -> Result<(), String> {
    let Value::Object(fields) = message else {
        return Err("Not a JSON-RPC message: send one object, and no list of them.".to_owned());
    };
    if fields.get("jsonrpc").and_then(Value::as_str) != Some("2.0") {
        return Err("Not a JSON-RPC message: jsonrpc must be \"2.0\".".to_owned());
    }
    let is_answer = fields.contains_key("result") || fields.contains_key("error");
    match fields.get("method") {
        Some(Value::String(_)) => {}
        None if is_answer => {}
        _ => return Err("Not a JSON-RPC request: method must be a string.".to_owned()),
    }
    match fields.get("id") {
        None => {}
        Some(id) if is_id(id) => {}
        // Where it is not known which request failed.
        Some(Value::Null) if fields.contains_key("error") => {}
        Some(_) => return Err("Not a JSON-RPC request: id must be a string or a whole number of 64 bits.".to_owned()),
    }
    match fields.get("params") {
        None | Some(Value::Object(_) | Value::Null) => Ok(()),
        Some(_) => Err("Not a request of the Model Context Protocol: params must be an object.".to_owned()),
    }
}

/// A number is handed back as it came, so it is none that readers would round.
fn is_id(id: &Value) -> bool {
    id.is_string() || id.is_i64()
}

/// The id with which a wrong message is answered: its own where it asks for something, or else null.
pub fn id_of(message: &Value) -> &Value {
    let asks = message.get("method").is_some_and(Value::is_string);
    message.get("id").filter(|id| asks && is_id(id)).unwrap_or(&Value::Null)
}

/// A JSON-RPC error as a value: of the request `id`, with a stable `code` beside the number.
pub fn error(id: &Value, number: i32, message: &str, code: &str, is_retryable: bool) -> Value {
    let data = json!({ "code": code, "retryable": is_retryable });
    json!({ "jsonrpc": "2.0", "id": id, "error": { "code": number, "message": message, "data": data } })
}

fn answer(id: &Value, number: i32, message: &str, code: &str) -> Response {
    let mut response = Response::new(Body::from(error(id, number, message, code, false).to_string()));
    *response.status_mut() = StatusCode::BAD_REQUEST;
    response.headers_mut().insert(CONTENT_TYPE, HeaderValue::from_static(JSON));
    response
}

fn is_json(headers: &HeaderMap) -> bool {
    let kind = headers.get(CONTENT_TYPE).and_then(|kind| kind.to_str().ok()).unwrap_or_default();
    kind.split(';').next().is_some_and(|kind| kind.trim().eq_ignore_ascii_case(JSON))
}

/// Writes out wildcards, and a header that is missing (RFC 9110 §12.5.1: anything is right): the transport looks for
/// both names. Any wildcard will do: answers are JSON, and only who asks for a stream gets one. A weight of 0 takes away.
fn accept(headers: &mut HeaderMap) {
    let given: Vec<&str> = headers.get_all(ACCEPT).iter().filter_map(|value| value.to_str().ok()).collect();
    let ranges = given.iter().flat_map(|value| value.split(','));
    let ranges = ranges.map(|range| (range.split(';').next().unwrap_or_default().trim(), !is_weightless(range)));
    let ranges: Vec<(&str, bool)> = ranges.filter(|(range, _)| !range.is_empty()).collect();
    let is_accepted = |name: &str| {
        let named = ranges.iter().find(|(range, _)| range.eq_ignore_ascii_case(name));
        let wild = ranges.iter().any(|(range, is_wanted)| range.ends_with("/*") && *is_wanted);
        named.map_or(wild || ranges.is_empty(), |(_, is_wanted)| *is_wanted)
    };
    if is_accepted(JSON) && is_accepted(EVENT_STREAM) {
        headers.insert(ACCEPT, HeaderValue::from_static("application/json, text/event-stream"));
    }
}

fn is_weightless(range: &str) -> bool {
    let weight = range.split(';').skip(1).find_map(|parameter| {
        let (name, value) = parameter.split_once('=')?;
        name.trim().eq_ignore_ascii_case("q").then(|| value.trim().parse::<f64>().ok())?
    });
    weight == Some(0.0)
}

#[cfg(test)]
#[path = "json_rpc_tests.rs"]
mod tests;
