use super::*;
use crate::data_folder::Bearer;

const PORT: u16 = 8765;

fn bearer() -> Bearer {
    serde_json::from_value(json!(format!("tg_{}", "ab".repeat(32)))).unwrap()
}

/// The bearer alone: no client has one.
fn keys() -> Keys {
    Keys::new(bearer(), "/nonexistent".into())
}

/// What the guard says to a correct request after `change`.
fn check(uri: &str, change: impl FnOnce(&mut HeaderMap)) -> Result<(), Refused> {
    let mut headers = HeaderMap::new();
    headers.insert(HOST, HeaderValue::from_static("127.0.0.1:8765"));
    headers.insert(AUTHORIZATION, HeaderValue::from_str(&format!("Bearer {}", bearer().expose())).unwrap());
    change(&mut headers);
    let principal = Guard::new(PORT, keys()).check(&uri.parse().unwrap(), &headers)?;
    assert_eq!(principal, Principal::program());
    Ok(())
}

fn with(name: &'static str, value: &str) -> Result<(), Refused> {
    check("/mcp", |headers| {
        headers.insert(name, HeaderValue::from_str(value).unwrap());
    })
}

#[test]
fn a_direct_request_with_the_bearer_passes_by_every_name_of_the_listener() {
    assert_eq!(check("/mcp", |_| {}), Ok(()));
    for authority in ["127.0.0.1:8765", "localhost:8765", "LocalHost:8765", "[::1]:8765"] {
        assert_eq!(with("host", authority), Ok(()), "{authority}");
        assert_eq!(with("origin", &format!("http://{authority}")), Ok(()), "{authority}");
        assert_eq!(check(&format!("http://{authority}/mcp"), |_| {}), Ok(()), "{authority}");
    }
}

#[test]
fn anything_that_passed_a_proxy_is_refused() {
    for name in [
        "forwarded",
        "x-forwarded-for",
        "x-forwarded-host",
        "x-forwarded-proto",
        "x-forwarded-anything-new",
        "x-real-ip",
        "via",
        "cf-connecting-ip",
        "cf-ray",
        "cdn-loop",
        "true-client-ip",
        "client-ip",
        "client_ip",
        "x-client-ip",
        "x-clientip",
        "x-cluster-client-ip",
        "fastly-client-ip",
        "x-original-forwarded-for",
        "x-original-url",
        "x-originating-ip",
        "x-forward-for",
        "forwarded-for",
        "http_x_forwarded_for",
        "x-remote-ip",
        "x-remote-addr",
        "x-proxyuser-ip",
        "proxy-connection",
        "wl-proxy-client-ip",
        "x-envoy-external-address",
        "x-azure-clientip",
        "x-appengine-user-ip",
        "x-nf-client-connection-ip",
        "fly-client-ip",
        "x-vercel-forwarded-for",
        "incap-client-ip",
        "x-sucuri-clientip",
        "akamai-origin-hop",
        "cloudfront-viewer-address",
        "x-amzn-trace-id",
        "tailscale-user-login",
        "x-http-host-override",
    ] {
        assert_eq!(with(name, "127.0.0.1"), Err(Refused::Forwarded), "{name}");
        assert_eq!(with(name, ""), Err(Refused::Forwarded), "{name}, empty");
    }
}

#[test]
fn a_name_that_is_not_the_listeners_is_refused() {
    for name in ["user-agent", "traceparent", "x-request-id", "mcp-name", "cookie", "cache-control", "sec-fetch-site"] {
        assert_eq!(with(name, "1"), Ok(()), "{name}");
    }
    for host in [
        "evil.example",
        "127.0.0.1",
        "127.0.0.1:8766",
        "127.0.0.1:08765",
        "localhost.:8765",
        "localhost:8765.evil.example",
        "127.0.0.1:8765@evil.example",
        "0.0.0.0:8765",
        "127.1:8765",
        "::1:8765",
        "",
    ] {
        assert_eq!(with("host", host), Err(Refused::Host), "{host:?}");
    }
    let foreign_target = check("http://evil.example:8765/mcp", |_| {});
    assert_eq!(foreign_target, Err(Refused::Host), "a target outranks the Host header");
    let none = check("/mcp", |headers| drop(headers.remove(HOST)));
    assert_eq!(none, Err(Refused::Host), "HTTP/1.0 without a Host header");
    let twice = check("/mcp", |headers| {
        headers.append(HOST, HeaderValue::from_static("127.0.0.1:8765"));
    });
    assert_eq!(twice, Err(Refused::Host));
    let bytes = check("/mcp", |headers| drop(headers.insert(HOST, HeaderValue::from_bytes(b"\xff").unwrap())));
    assert_eq!(bytes, Err(Refused::Host));
}

#[test]
fn the_default_port_may_be_left_out_where_it_is_the_listeners() {
    let guard = Guard::new(HTTP_PORT, keys());
    assert!(guard.is_ours("localhost") && guard.is_ours("localhost:80"));
    assert!(!Guard::new(PORT, keys()).is_ours("localhost"));
}

#[test]
fn a_page_of_another_origin_is_refused() {
    for origin in [
        "http://evil.example",
        "https://127.0.0.1:8765",
        "http://127.0.0.1:3000",
        "http://127.0.0.1",
        "http://127.0.0.1:8765/",
        "http://127.0.0.1:8765.evil.example",
        "chrome-extension://abcdef",
        "null",
        "",
    ] {
        assert_eq!(with("origin", origin), Err(Refused::Origin), "{origin:?}");
    }
}

#[test]
fn only_the_whole_bearer_once_opens() {
    let token = bearer().expose().to_owned();
    assert_eq!(with("authorization", &format!("bearer {token}")), Ok(()), "the scheme has no case");
    for value in [
        "".to_owned(),
        token.clone(),
        "Bearer".to_owned(),
        "Bearer ".to_owned(),
        format!("Bearer  {token}"),
        format!("Bearer {token} "),
        format!("Bearer {}", token.to_uppercase()),
        format!("Bearer {}", &token[..token.len() - 1]),
        format!("Bearer {token}0"),
        format!("Basic {token}"),
        format!("Bearer {token},Bearer {token}"),
    ] {
        assert_eq!(with("authorization", &value), Err(Refused::Bearer), "{value:?}");
    }
    let none = check("/mcp", |headers| drop(headers.remove(AUTHORIZATION)));
    assert_eq!(none, Err(Refused::Bearer));
    let in_query = check(&format!("/mcp?access_token={token}"), |headers| drop(headers.remove(AUTHORIZATION)));
    assert_eq!(in_query, Err(Refused::Bearer));
    let twice = check("/mcp", |headers| {
        headers.append(AUTHORIZATION, HeaderValue::from_str(&format!("Bearer {token}")).unwrap());
    });
    assert_eq!(twice, Err(Refused::Bearer));
}

#[test]
fn a_body_announced_too_large_is_refused_unread() {
    assert_eq!(with("content-length", &BODY_BYTES_MAX.to_string()), Ok(()));
    assert_eq!(with("content-length", &(BODY_BYTES_MAX + 1).to_string()), Err(Refused::TooLarge));
}

#[tokio::test]
async fn refusals_say_what_to_do_in_one_line_and_never_the_secret() {
    let all = [
        Refused::Forwarded,
        Refused::Host,
        Refused::Origin,
        Refused::Bearer,
        Refused::TooLarge,
        Refused::TooSlow,
        Refused::Broken,
        Refused::Crowded,
    ];
    for refused in all {
        let response = refused.response();
        let status = response.status();
        assert_eq!(response.headers().contains_key(WWW_AUTHENTICATE), status == StatusCode::UNAUTHORIZED);
        let bytes = axum::body::to_bytes(response.into_body(), 4096).await.unwrap();
        let text = String::from_utf8(bytes.to_vec()).unwrap();
        assert!(serde_json::from_str::<serde_json::Value>(&text).unwrap()["message"].is_string());
        assert!(!text.contains('\n') && !text.contains(bearer().expose()));
    }
    assert!(!format!("{:?}", Guard::new(PORT, keys())).contains(bearer().expose()));
}
