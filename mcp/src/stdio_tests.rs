use super::*;
use axum::Router;
use axum::body::Body;
use axum::http::{HeaderMap, StatusCode, header};
use axum::response::Response;
use axum::routing::post;
use serde_json::json;
use std::net::SocketAddr;
use tokio::io::{DuplexStream, split};

/// The client's end of a running proxy.
struct Client {
    lines: tokio::io::Lines<BufReader<tokio::io::ReadHalf<DuplexStream>>>,
    input: tokio::io::WriteHalf<DuplexStream>,
    proxy: tokio::task::JoinHandle<io::Result<()>>,
}

impl Client {
    fn of(find: impl Fn() -> Result<Endpoint, NoOwner> + Send + Sync + 'static) -> Client {
        let (ours, theirs) = tokio::io::duplex(1 << 20);
        let (input, output) = split(theirs);
        let proxy = tokio::spawn(run(BufReader::new(input), output, find));
        let (output, input) = split(ours);
        Client { lines: BufReader::new(output).lines(), input, proxy }
    }

    async fn send(&mut self, line: &str) {
        self.input.write_all(format!("{line}\n").as_bytes()).await.unwrap();
    }

    async fn answer(&mut self) -> Value {
        let line = timeout(Duration::from_secs(5), self.lines.next_line()).await.expect("an answer in time");
        serde_json::from_str(&line.unwrap().expect("a line")).unwrap()
    }

    /// Ends stdin; what is left of the output, and that the proxy ended well.
    async fn end(mut self) -> Vec<String> {
        self.input.shutdown().await.unwrap();
        let mut left = Vec::new();
        while let Some(line) = self.lines.next_line().await.unwrap() {
            left.push(line);
        }
        self.proxy.await.unwrap().unwrap();
        left
    }
}

fn endpoint(address: SocketAddr) -> Endpoint {
    let text = json!({
        "address": address, "url": format!("http://{address}/mcp"), "version": "0", "bearer": "tg_test", "pid": 1,
        "mode": "REPLAY", "data": "RECORDED"
    });
    serde_json::from_value(text).unwrap()
}

/// An engine that answers by the method: slowly, in a stream, with an HTTP error, or with its headers.
async fn engine() -> SocketAddr {
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let router = Router::new().route("/mcp", post(answer_by_method));
    tokio::spawn(async move { axum::serve(listener, router).await });
    address
}

async fn answer_by_method(headers: HeaderMap, body: String) -> Response {
    let message: Value = serde_json::from_str(&body).unwrap();
    let header = |name: &str| headers.get(name).map(|value| value.to_str().unwrap().to_owned());
    let answer = |result: Value| json!({ "jsonrpc": "2.0", "id": message["id"], "result": result }).to_string();
    let response = Response::builder().header(header::CONTENT_TYPE, "application/json");
    match message["method"].as_str().unwrap() {
        "slow" => {
            tokio::time::sleep(Duration::from_millis(300)).await;
            response.body(Body::from(answer(json!("slow"))))
        }
        "never" => std::future::pending().await,
        "stream" => {
            let note = json!({ "jsonrpc": "2.0", "method": "notifications/progress" });
            let events = format!("data: {note}\n\ndata: {}\n\n", answer(json!("streamed")));
            Response::builder().header(header::CONTENT_TYPE, "text/event-stream").body(Body::from(events))
        }
        "broken" => Response::builder().status(StatusCode::BAD_GATEWAY).body(Body::from("<html>\n")),
        "early" => {
            let error = json!({ "jsonrpc": "2.0", "error": { "code": -32_020, "message": "x" } });
            response.status(StatusCode::BAD_REQUEST).body(Body::from(error.to_string()))
        }
        "notifications/initialized" => Response::builder().status(StatusCode::ACCEPTED).body(Body::empty()),
        _ => response.body(Body::from(answer(json!([header("authorization"), header("accept")])))),
    }
    .unwrap()
}

async fn client() -> Client {
    let address = engine().await;
    Client::of(move || Ok(endpoint(address)))
}

#[tokio::test]
async fn a_request_carries_the_bearer_and_is_answered_on_one_line() {
    let mut client = client().await;
    client.send(r#"{"jsonrpc":"2.0","id":"a","method":"any"}"#).await;
    let result = json!(["Bearer tg_test", "application/json, text/event-stream"]);
    assert_eq!(client.answer().await, json!({ "jsonrpc": "2.0", "id": "a", "result": result }));
    assert_eq!(client.end().await, [""; 0]);
}

#[tokio::test]
async fn requests_run_side_by_side_and_the_end_of_input_waits_for_them() {
    let mut client = client().await;
    client.send(r#"{"jsonrpc":"2.0","id":1,"method":"slow"}"#).await;
    client.send(r#"{"jsonrpc":"2.0","id":2,"method":"any"}"#).await;
    assert_eq!(client.answer().await["id"], 2, "the quick one is not held up");
    client.send(r#"{"jsonrpc":"2.0","id":1,"method":"any"}"#).await;
    assert_eq!(client.answer().await["error"]["code"], INVALID_REQUEST, "an id that is under way");
    let left = client.end().await;
    assert_eq!(left.len(), 1);
    assert!(left[0].contains(r#""result":"slow""#), "{left:?}");
}

#[tokio::test]
async fn streams_are_unfolded_and_errors_keep_the_id() {
    let mut client = client().await;
    client.send(r#"{"jsonrpc":"2.0","id":1,"method":"stream"}"#).await;
    assert_eq!(client.answer().await["method"], "notifications/progress");
    assert_eq!(client.answer().await["result"], "streamed");
    client.send(r#"{"jsonrpc":"2.0","id":2,"method":"early"}"#).await;
    let early = client.answer().await;
    assert_eq!((&early["id"], &early["error"]["code"]), (&json!(2), &json!(-32_020)));
    client.send(r#"{"jsonrpc":"2.0","id":3,"method":"broken"}"#).await;
    let broken = client.answer().await;
    assert_eq!((&broken["id"], &broken["error"]["data"]["retryable"]), (&json!(3), &json!(true)));
    assert_eq!(client.end().await, [""; 0]);
}

#[tokio::test]
async fn notifications_are_silent_and_a_cancelled_request_is_never_answered() {
    let mut client = client().await;
    client.send(r#"{"jsonrpc":"2.0","method":"notifications/initialized"}"#).await;
    client.send(r#"{"jsonrpc":"2.0","id":7,"method":"never"}"#).await;
    client.send(r#"{"jsonrpc":"2.0","method":"notifications/cancelled","params":{"requestId":7}}"#).await;
    client.send(r#"{"jsonrpc":"2.0","method":"notifications/cancelled","params":{"requestId":99}}"#).await;
    // Were the request still under way, the end of input would wait for it, and the id be taken.
    tokio::time::sleep(Duration::from_millis(100)).await;
    client.send(r#"{"jsonrpc":"2.0","id":7,"method":"any"}"#).await;
    assert!(client.answer().await["result"].is_array());
    assert_eq!(client.end().await, [""; 0]);
}

#[tokio::test]
async fn what_is_no_request_is_told_so() {
    let mut client = client().await;
    for (line, code) in [
        ("{nonsense", PARSE_ERROR),
        ("\u{fffd}\u{0}", PARSE_ERROR),
        ("[]", INVALID_REQUEST),
        ("5", INVALID_REQUEST),
        (r#"{"jsonrpc":"2.0","id":null,"method":"any"}"#, INVALID_REQUEST),
        (r#"{"jsonrpc":"2.0","id":{},"method":"any"}"#, INVALID_REQUEST),
        (r#"{"jsonrpc":"2.0","id":1.5,"method":"any"}"#, INVALID_REQUEST),
        (r#"{"jsonrpc":"2.0","id":1.0,"method":"any"}"#, INVALID_REQUEST),
        (r#"{"jsonrpc":"2.0","id":1e400,"method":"any"}"#, PARSE_ERROR),
        (r#"{"jsonrpc":"2.0","id":18446744073709551615,"method":"any"}"#, INVALID_REQUEST),
        (r#"{"id":1,"params":{}}"#, INVALID_REQUEST),
        (r#"{"jsonrpc":"1.0","id":"a"}"#, INVALID_REQUEST),
        (r#"{"jsonrpc":"2.0","id":1}"#, INVALID_REQUEST),
    ] {
        client.send(line).await;
        let answer = client.answer().await;
        assert_eq!((&answer["id"], &answer["error"]["code"]), (&Value::Null, &json!(code)), "{line}");
    }
    let long = format!(r#"{{"jsonrpc":"2.0","id":1,"method":"{}"}}"#, "x".repeat(LINE_BYTES_MAX));
    client.send(&long).await;
    assert_eq!(client.answer().await["error"]["data"]["code"], "too_large");
    client.send("").await;
    client.send(r#"{"jsonrpc":"2.0","id":1,"result":{}}"#).await;
    client.send(r#"{"jsonrpc":"2.0","id":2,"method":"any"}"#).await;
    assert_eq!(client.answer().await["id"], 2, "the line after a long one is whole");
    assert_eq!(client.end().await, [""; 0]);
}

#[tokio::test]
async fn an_engine_that_is_gone_is_an_error_and_one_that_is_back_answers() {
    let address = engine().await;
    let dead: SocketAddr = "127.0.0.1:1".parse().unwrap();
    let place = Arc::new(Mutex::new(Some(dead)));
    let shared = Arc::clone(&place);
    let mut client = Client::of(move || match *shared.lock().unwrap() {
        Some(address) => Ok(endpoint(address)),
        None => Err(NoOwner::Absent { folder: "x".into(), start: "tidegate serve", last: None }),
    });
    for (now, expect) in [(Some(dead), "went away"), (None, "no engine is running")] {
        *place.lock().unwrap() = now;
        client.send(r#"{"jsonrpc":"2.0","id":1,"method":"any"}"#).await;
        let answer = client.answer().await;
        assert_eq!((&answer["id"], &answer["error"]["data"]["retryable"]), (&json!(1), &json!(true)));
        assert!(answer["error"]["message"].as_str().unwrap().contains(expect), "{answer}");
    }
    *place.lock().unwrap() = Some(address);
    client.send(r#"{"jsonrpc":"2.0","id":2,"method":"any"}"#).await;
    assert!(client.answer().await["result"].is_array());
    assert_eq!(client.end().await, [""; 0]);
}

#[tokio::test]
async fn too_many_requests_at_once_are_refused_at_once() {
    let mut client = client().await;
    for id in 0..=REQUESTS_MAX {
        client.send(&format!(r#"{{"jsonrpc":"2.0","id":{id},"method":"slow"}}"#)).await;
    }
    let refused = client.answer().await;
    assert_eq!(
        (&refused["id"], &refused["error"]["data"]["code"]),
        (&json!(REQUESTS_MAX), &json!("too_many_requests"))
    );
    assert_eq!(client.end().await.len(), REQUESTS_MAX);
}
