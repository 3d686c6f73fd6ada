//! What a request must show before anything of it is read: that it comes from this machine, from a
//! program that addressed this server on purpose, and from one that holds the bearer.
//!
//! A local server has two enemies that a remote one has not: a web page in the user's browser (DNS
//! rebinding, cross-origin posts) and a reverse proxy that makes loopback public. Both show in the
//! headers, and neither is let through even with a valid bearer.

use crate::data_folder::clients::{Keys, Principal};
use axum::body::Body;
use axum::extract::{Request, State};
use axum::http::header::{AUTHORIZATION, CONTENT_LENGTH, CONTENT_TYPE, FORWARDED, HOST, ORIGIN, VIA, WWW_AUTHENTICATE};
use axum::http::{HeaderMap, HeaderName, HeaderValue, StatusCode, Uri};
use axum::middleware::Next;
use axum::response::Response;
use serde_json::json;
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::Semaphore;
use tokio::time::timeout;

/// Largest request body that is read.
pub const BODY_BYTES_MAX: usize = 256 * 1024;
const REQUESTS_MAX: usize = 64;
// Covers the wait for a place, the body and the answer's head; no tool may take this long.
const REQUEST_TIMEOUT: Duration = Duration::from_secs(30);
const HTTP_PORT: u16 = 80;

/// The conditions of one listener.
#[derive(Clone, Debug)]
pub struct Guard {
    authorities: Arc<[String]>,
    keys: Keys,
    places: Arc<Semaphore>,
}

/// Why a request is turned away.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Refused {
    Forwarded,
    Host,
    Origin,
    Bearer,
    TooLarge,
    TooSlow,
}

impl Guard {
    /// The guard of a listener on `port`, opened by `keys`.
    pub fn new(port: u16, keys: Keys) -> Guard {
        let names = ["127.0.0.1", "localhost", "[::1]"];
        let mut authorities: Vec<String> = names.iter().map(|name| format!("{name}:{port}")).collect();
        if port == HTTP_PORT {
            authorities.extend(names.map(str::to_owned));
        }
        Guard { authorities: authorities.into(), keys, places: Arc::new(Semaphore::new(REQUESTS_MAX)) }
    }

    /// Who sends a request, where it may pass.
    fn check(&self, uri: &Uri, headers: &HeaderMap) -> Result<Principal, Refused> {
        if headers.keys().any(is_forwarding) {
            return Err(Refused::Forwarded);
        }
        self.check_host(uri, headers)?;
        self.check_origin(headers)?;
        let principal = self.check_bearer(headers)?;
        match content_length(headers) {
            Some(length) if length > BODY_BYTES_MAX => Err(Refused::TooLarge),
            _ => Ok(principal),
        }
    }

    fn check_host(&self, uri: &Uri, headers: &HeaderMap) -> Result<(), Refused> {
        let host = only(headers, &HOST).map_err(|_| Refused::Host)?.ok_or(Refused::Host)?;
        // A target in absolute form outranks the header (RFC 9112 §3.2.2), so both have to fit.
        let target = uri.authority().map_or(host, |authority| authority.as_str());
        if self.is_ours(host) && self.is_ours(target) { Ok(()) } else { Err(Refused::Host) }
    }

    fn check_origin(&self, headers: &HeaderMap) -> Result<(), Refused> {
        match only(headers, &ORIGIN).map_err(|_| Refused::Origin)? {
            None => Ok(()),
            Some(origin) => match origin.strip_prefix("http://") {
                Some(authority) if self.is_ours(authority) => Ok(()),
                _ => Err(Refused::Origin),
            },
        }
    }

    fn check_bearer(&self, headers: &HeaderMap) -> Result<Principal, Refused> {
        let given = only(headers, &AUTHORIZATION).map_err(|_| Refused::Bearer)?.ok_or(Refused::Bearer)?;
        let (scheme, token) = given.split_once(' ').ok_or(Refused::Bearer)?;
        if !scheme.eq_ignore_ascii_case("Bearer") {
            return Err(Refused::Bearer);
        }
        self.keys.principal(token).ok_or(Refused::Bearer)
    }

    fn is_ours(&self, authority: &str) -> bool {
        self.authorities.iter().any(|ours| ours.eq_ignore_ascii_case(authority))
    }
}

/// Axum middleware: answers a refused request without reading its body, bounds the others.
///
/// Who sent it goes on with the request: its extensions hold the [`Principal`].
pub async fn guard(State(guard): State<Guard>, mut request: Request, next: Next) -> Response {
    match guard.check(request.uri(), request.headers()) {
        Ok(principal) => {
            tracing::debug!(%principal, "let a request in");
            request.extensions_mut().insert(principal);
        }
        Err(refused) => {
            // The request itself is not logged: it may hold a bearer that opens another engine.
            tracing::warn!(reason = ?refused, "turned a request away");
            return refused.response();
        }
    }
    let answered = timeout(REQUEST_TIMEOUT, async {
        let _place = guard.places.acquire().await;
        next.run(request).await
    });
    answered.await.unwrap_or_else(|_| Refused::TooSlow.response())
}

impl Refused {
    fn response(self) -> Response {
        let (status, code, message) = self.words();
        let mut response = Response::new(Body::from(json!({ "error": code, "message": message }).to_string()));
        *response.status_mut() = status;
        let headers = response.headers_mut();
        headers.insert(CONTENT_TYPE, HeaderValue::from_static("application/json"));
        if status == StatusCode::UNAUTHORIZED {
            headers.insert(WWW_AUTHENTICATE, HeaderValue::from_static("Bearer"));
        }
        response
    }

    fn words(self) -> (StatusCode, &'static str, &'static str) {
        match self {
            Refused::Forwarded => (
                StatusCode::FORBIDDEN,
                "forwarded",
                "This request came through a proxy. Tidegate serves programs on its own machine only: connect to it directly.",
            ),
            Refused::Host => (
                StatusCode::FORBIDDEN,
                "host",
                "Send one Host header that names 127.0.0.1, localhost or [::1] with the port this server listens on.",
            ),
            Refused::Origin => (
                StatusCode::FORBIDDEN,
                "origin",
                "Web pages of other origins may not call this server. Leave out Origin, or send http://127.0.0.1 with this server's port.",
            ),
            Refused::Bearer => (
                StatusCode::UNAUTHORIZED,
                "bearer",
                "Send the header Authorization: Bearer with the content of run/bearer in the data folder, or let tidegate connect CLIENT write a client's configuration, which does.",
            ),
            Refused::TooLarge => {
                (StatusCode::PAYLOAD_TOO_LARGE, "too_large", "Send at most 256 KiB; split the call into smaller ones.")
            }
            Refused::TooSlow => (
                StatusCode::REQUEST_TIMEOUT,
                "too_slow",
                "The request was not complete, or not answered, within 30 s. Send it whole, and again.",
            ),
        }
    }
}

/// Headers that only a proxy adds. `Via` is among them: RFC 9110 §7.6.3 has every proxy send it, and
/// the one proxy that a program legitimately uses, on its way out, has no business with loopback.
fn is_forwarding(name: &HeaderName) -> bool {
    name == FORWARDED || name == VIA || name == "x-real-ip" || name.as_str().starts_with("x-forwarded-")
}

/// The value of a header that may occur once; an error where it is repeated or no ASCII text.
fn only<'a>(headers: &'a HeaderMap, name: &HeaderName) -> Result<Option<&'a str>, ()> {
    let mut values = headers.get_all(name).iter();
    match (values.next(), values.next()) {
        (None, _) => Ok(None),
        (Some(value), None) => value.to_str().map(Some).map_err(|_| ()),
        (Some(_), Some(_)) => Err(()),
    }
}

fn content_length(headers: &HeaderMap) -> Option<usize> {
    headers.get(CONTENT_LENGTH)?.to_str().ok()?.parse().ok()
}

#[cfg(test)]
#[path = "guard_tests.rs"]
mod tests;
