//! A proxy and its engine are one program in two processes: neither speaks to another version of itself.
//!
//! The proxy looks at the endpoint file before it connects; an engine that has taken another's place on
//! the same port is told apart by this header.

use crate::data_folder::VERSION;
use crate::refusals::Refusals;
use axum::body::Body;
use axum::extract::{Request, State};
use axum::http::header::CONTENT_TYPE;
use axum::http::{HeaderValue, StatusCode};
use axum::middleware::Next;
use axum::response::Response;
use serde_json::json;

/// Where a proxy states its version. Clients that connect directly state none.
pub const VERSION_HEADER: &str = "tidegate-version";

/// Axum middleware: refuses a proxy of another version.
pub async fn same_version(State(refusals): State<Refusals>, request: Request, next: Next) -> Response {
    match request.headers().get(VERSION_HEADER) {
        Some(stated) if stated != VERSION => {
            refusals.count("other_version");
            refusal(stated)
        }
        _ => next.run(request).await,
    }
}

fn refusal(stated: &HeaderValue) -> Response {
    let theirs = stated.to_str().unwrap_or("unreadable");
    let message = format!(
        "The client's tidegate is version {theirs}, the engine is version {VERSION}; restart both with one version: end \
         the engine (pid {}), then this client.",
        std::process::id()
    );
    let body = json!({ "error": "other_version", "message": message }).to_string();
    let mut response = Response::new(Body::from(body));
    *response.status_mut() = StatusCode::CONFLICT;
    response.headers_mut().insert(CONTENT_TYPE, HeaderValue::from_static("application/json"));
    response
}
