//! A client of `tidegate mcp`: one JSON-RPC message per line, each with its answer.

use crate::binary::command;
use serde_json::{Value, json};
use std::io::{BufRead, BufReader, Write};
use std::path::Path;
use std::process::{Child, ChildStdin, ExitStatus, Stdio};
use std::sync::mpsc::{Receiver, channel};
use std::thread;
use std::time::Duration;

/// Long enough for any answer; one that does not come fails the test instead of holding it up.
const PATIENCE: Duration = Duration::from_secs(30);

/// A running `tidegate mcp`; it is killed with its owner.
pub struct StdioClient {
    process: Child,
    input: Option<ChildStdin>,
    lines: Receiver<String>,
    asked: u64,
}

impl StdioClient {
    pub fn start(data: &Path) -> StdioClient {
        let mut process = command(data).arg("mcp").stdin(Stdio::piped()).stdout(Stdio::piped()).spawn().unwrap();
        let output = BufReader::new(process.stdout.take().unwrap());
        let (sender, lines) = channel();
        thread::spawn(move || output.lines().map_while(Result::ok).try_for_each(|line| sender.send(line)));
        StdioClient { input: process.stdin.take(), process, lines, asked: 0 }
    }

    pub fn pid(&self) -> u64 {
        u64::from(self.process.id())
    }

    /// Sends a request and does not wait for its answer.
    pub fn send(&mut self, method: &str, params: &Value) {
        self.asked += 1;
        let message = json!({"jsonrpc": "2.0", "id": self.asked, "method": method, "params": params});
        writeln!(self.input.as_mut().unwrap(), "{message}").unwrap();
    }

    /// Sends a notification.
    pub fn notify(&mut self, method: &str, params: &Value) {
        let message = json!({"jsonrpc": "2.0", "method": method, "params": params});
        writeln!(self.input.as_mut().unwrap(), "{message}").unwrap();
    }

    /// Whatever comes next.
    pub fn next_message(&mut self) -> Value {
        let line = self.lines.recv_timeout(PATIENCE).expect("a message");
        serde_json::from_str(&line).unwrap()
    }

    /// The answer to the last request; nothing else may come on stdout.
    pub fn answer(&mut self) -> Value {
        let answer = self.next_message();
        assert_eq!(answer["id"], json!(self.asked), "{answer}");
        answer
    }

    pub fn request(&mut self, method: &str, params: &Value) -> Value {
        self.send(method, params);
        self.answer()
    }

    /// Calls a tool; returns its structured content.
    pub fn call(&mut self, tool: &str, arguments: &Value) -> Value {
        let answer = self.request("tools/call", &json!({"name": tool, "arguments": arguments}));
        assert_eq!(answer["result"]["isError"], json!(false), "{answer}");
        answer["result"]["structuredContent"].clone()
    }

    /// Sends the process a signal by its name.
    pub fn signal(&self, name: &str) {
        let pid = self.process.id().to_string();
        assert!(std::process::Command::new("kill").args(["-s", name, &pid]).status().unwrap().success());
    }

    pub fn wait(mut self) -> ExitStatus {
        self.process.wait().unwrap()
    }

    /// Closes stdin, as a client does that has seen enough.
    pub fn close(mut self) {
        drop(self.input.take());
        assert!(self.process.wait().unwrap().success(), "it ends in order");
        assert_eq!(self.lines.iter().collect::<Vec<_>>(), [""; 0], "nothing but answers on stdout");
    }
}

impl Drop for StdioClient {
    fn drop(&mut self) {
        drop(self.process.kill());
        self.process.wait().unwrap();
    }
}
