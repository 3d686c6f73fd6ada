//! The least that speaks MCP over HTTP: no client library is needed to see what is answered.

use serde_json::{Value, json};
use std::io::{Read, Write};
use std::net::TcpStream;
use std::path::Path;

/// A running engine, as its endpoint file names it.
pub struct Client {
    pub address: String,
    pub bearer: String,
}

impl Client {
    /// The engine that owns `folder`.
    pub fn of(folder: &Path) -> Client {
        let endpoint = Client::endpoint(folder).expect("an engine runs");
        let text = |field: &str| endpoint[field].as_str().unwrap().to_owned();
        Client { address: text("address"), bearer: text("bearer") }
    }

    /// Where it listens and who runs it, as the endpoint file says; nothing while there is none.
    pub fn endpoint(folder: &Path) -> Option<Value> {
        let endpoint = std::fs::read(folder.join("run/endpoint.json")).ok()?;
        serde_json::from_slice(&endpoint).ok()
    }

    /// Status and body of one POST to `/mcp`.
    pub fn post(&self, headers: &str, body: &Value) -> (u16, String) {
        let body = body.to_string();
        let mut stream = TcpStream::connect(&self.address).unwrap();
        write!(
            stream,
            "POST /mcp HTTP/1.1\r\nContent-Type: application/json\r\nAccept: application/json, text/event-stream\r\n\
             Connection: close\r\nContent-Length: {}\r\n{headers}\r\n{body}",
            body.len()
        )
        .unwrap();
        let mut answer = String::new();
        stream.read_to_string(&mut answer).unwrap();
        let status = answer.split(' ').nth(1).unwrap().parse().unwrap();
        (status, answer.split_once("\r\n\r\n").unwrap().1.to_owned())
    }

    pub fn allowed(&self) -> String {
        format!("Host: {}\r\nAuthorization: Bearer {}\r\n", self.address, self.bearer)
    }

    /// Calls a tool; returns its structured content.
    pub fn call(&self, tool: &str, arguments: &Value) -> Value {
        let (status, body) = self.post(&self.allowed(), &tool_call(tool, arguments));
        assert_eq!(status, 200, "{body}");
        let answer: Value = serde_json::from_str(&body).unwrap();
        answer["result"]["structuredContent"].clone()
    }
}

pub fn tool_call(tool: &str, arguments: &Value) -> Value {
    json!({"jsonrpc": "2.0", "id": 1, "method": "tools/call", "params": {"name": tool, "arguments": arguments}})
}
