//! What a request must show before anything of it is read: that it comes from this machine, from a
//! program that addressed this server on purpose, and from one that holds the bearer.
//!
//! A local server has two enemies that a remote one has not: a web page in the user's browser (DNS
//! rebinding, cross-origin posts) and a reverse proxy that makes loopback public. Both show in the
//! headers, and neither is let through even with a valid bearer.

use crate::caller::Caller;
use crate::connections::{Connection, UnderWay};
use crate::data_folder::clients::{Keys, Principal};
use crate::refusals::Refusals;
use crate::shares::Shares;
use axum::body::{Body, Bytes, HttpBody};
use axum::extract::{Request, State};
use axum::http::header::{AUTHORIZATION, CONTENT_LENGTH, CONTENT_TYPE, HOST, ORIGIN, WWW_AUTHENTICATE};
use axum::http::{HeaderMap, HeaderName, HeaderValue, StatusCode, Uri};
use axum::middleware::Next;
use axum::response::Response;
use hyper::body::{Frame, SizeHint};
use serde_json::json;
use std::future::poll_fn;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Duration;
use tokio::time::{Instant, timeout};
use tokio_util::sync::{CancellationToken, DropGuard};

/// Largest request body that is read.
pub const BODY_BYTES_MAX: usize = 256 * 1024;
/// Most requests that are answered at a time, and of one principal.
const REQUESTS: (usize, usize) = (64, 48);
// Covers the body, the wait for a place and the answer's head; no tool may take this long.
const REQUEST_TIMEOUT: Duration = Duration::from_secs(30);
const HTTP_PORT: u16 = 80;

/// The conditions of one listener.
#[derive(Clone, Debug)]
pub struct Guard {
    authorities: Arc<[String]>,
    keys: Keys,
    places: Arc<Shares>,
    refusals: Refusals,
}

/// Why a request is turned away.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Refused {
    Forwarded,
    Host,
    Origin,
    Bearer,
    TooLarge,
    TooSlow,
    Broken,
    Crowded,
}

impl Guard {
    /// The guard of a listener on `port`, opened by `keys`.
    pub fn new(port: u16, keys: Keys) -> Guard {
        let names = ["127.0.0.1", "localhost", "[::1]"];
        let mut authorities: Vec<String> = names.iter().map(|name| format!("{name}:{port}")).collect();
        if port == HTTP_PORT {
            authorities.extend(names.map(str::to_owned));
        }
        let places = Arc::new(Shares::new(REQUESTS.0, REQUESTS.1));
        Guard { authorities: authorities.into(), keys, places, refusals: Refusals::default() }
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
/// Who sent it goes on with the request: its extensions hold the [`Caller`], who has left as soon as the answer is out,
/// or nobody waits for it any more.
pub async fn guard(State(guard): State<Guard>, request: Request, next: Next) -> Response {
    let arrived = Instant::now();
    let answered = match guard.let_in(&request) {
        Ok((principal, under_way)) => {
            tracing::debug!(%principal, "let a request in");
            let left = CancellationToken::new();
            let held = Held { body: Body::empty(), _left: left.clone().drop_guard(), _under_way: under_way };
            let caller = Caller::new(principal, arrived, left);
            let answer = timeout(REQUEST_TIMEOUT, guard.answer(request, caller, next)).await;
            answer.unwrap_or(Err(Refused::TooSlow)).map(|answer| answer.map(|body| Body::new(Held { body, ..held })))
        }
        Err(refused) => Err(refused),
    };
    answered.unwrap_or_else(|refused| {
        guard.refusals.count(refused.words().1);
        refused.response()
    })
}

impl Guard {
    /// Who sends a request that may pass, and that it is under way on its connection.
    fn let_in(&self, request: &Request) -> Result<(Principal, Option<UnderWay>), Refused> {
        let principal = self.check(request.uri(), request.headers())?;
        let under_way = match request.extensions().get::<Connection>() {
            Some(connection) => Some(connection.pass(&principal).ok_or(Refused::Crowded)?),
            None => None,
        };
        Ok((principal, under_way))
    }

    /// Reads the body before it takes a place: whoever sends slowly keeps nobody out.
    async fn answer(&self, request: Request, caller: Caller, next: Next) -> Result<Response, Refused> {
        let (mut head, body) = request.into_parts();
        let body = whole(body).await?;
        let _place = self.places.take(&caller.principal, 1).await;
        head.extensions.insert(caller);
        Ok(next.run(Request::from_parts(head, Body::from(body))).await)
    }
}

/// All of a body.
pub(crate) async fn whole(mut body: Body) -> Result<Bytes, Refused> {
    let mut bytes = Vec::new();
    while let Some(frame) = poll_fn(|cx| Pin::new(&mut body).poll_frame(cx)).await {
        let Ok(data) = frame.map_err(|_| Refused::Broken)?.into_data() else { continue };
        if bytes.len() + data.len() > BODY_BYTES_MAX {
            return Err(Refused::TooLarge);
        }
        bytes.extend_from_slice(&data);
    }
    Ok(bytes.into())
}

/// The body of an answer, and that it is still awaited.
struct Held {
    body: Body,
    _left: DropGuard,
    _under_way: Option<UnderWay>,
}

impl HttpBody for Held {
    type Data = Bytes;
    type Error = axum::Error;

    fn poll_frame(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, axum::Error>>> {
        Pin::new(&mut self.body).poll_frame(cx)
    }

    fn is_end_stream(&self) -> bool {
        self.body.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.body.size_hint()
    }
}

impl Refused {
    pub(crate) fn response(self) -> Response {
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
            Refused::Broken => (
                StatusCode::BAD_REQUEST,
                "broken",
                "The body cannot be read as its headers announce it. Send it whole.",
            ),
            Refused::Crowded => (
                StatusCode::SERVICE_UNAVAILABLE,
                "crowded",
                "Too many connections are at work. Keep fewer open, and ask again in a moment.",
            ),
        }
    }
}

/// True for headers that only proxies, balancers and content networks add, under whatever name: by what they say (whom a
/// request is forwarded for) and by whose they are. `Via` is among them: RFC 9110 §7.6.3 has every proxy send it, and
/// the one proxy that a program legitimately uses, on its way out, has no business with loopback.
fn is_forwarding(name: &HeaderName) -> bool {
    // Some write underscores.
    let name = name.as_str().replace('_', "-");
    FORWARDING.contains(&name.as_str())
        || FORWARDING_PARTS.iter().any(|part| name.contains(part))
        || FORWARDING_PREFIXES.iter().any(|prefix| name.starts_with(prefix))
}

/// Whole names.
const FORWARDING: [&str; 7] = ["via", "x-via", "x-host", "x-cdn", "x-varnish", "x-coming-from", "coming-from"];

/// What names hold that say for whom, from where or through what a request came.
const FORWARDING_PARTS: [&str; 20] = [
    "forward",
    "proxy",
    "client-ip",
    "clientip",
    "client-addr",
    "real-ip",
    "realip",
    "connecting-ip",
    "connection-ip",
    "remote-ip",
    "remote-addr",
    "remote-host",
    "originating-ip",
    "source-ip",
    "true-ip",
    "user-ip",
    "original-host",
    "original-ur",
    "original-proto",
    "host-override",
];

/// How names begin that one network or balancer adds.
const FORWARDING_PREFIXES: [&str; 20] = [
    "akamai-",
    "cdn-",
    "cf-",
    "cloudfront-",
    "fastly-",
    "fly-",
    "incap-",
    "tailscale-",
    "x-akamai-",
    "x-amz-cf-",
    "x-amzn-",
    "x-appengine-",
    "x-arr-",
    "x-azure-",
    "x-cluster-",
    "x-envoy-",
    "x-goog-iap-",
    "x-nf-",
    "x-sucuri-",
    "x-vercel-",
];

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
