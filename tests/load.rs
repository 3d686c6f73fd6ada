//! How fast tools answer 32 readers while the market runs, and what that costs the engine; and how fast one is
//! answered over standard input and output. These measure, alone on the machine, by `tests/run`: every answer must be
//! one and no data may be lost; how fast it is, is told beside what is aimed at.

use crate::binary::{self, command};
use crate::cases;
use crate::client::{Client, tool_call};
use serde_json::{Value, json};
use std::io::{BufRead, BufReader, Read, Write};
use std::net::TcpStream;
use std::process::{Child, Command, Stdio};
use std::thread;
use std::time::{Duration, Instant};
use tempfile::{TempDir, tempdir};

const CLIENTS: usize = 32;
/// What is aimed at on a machine of two cores.
const CALLS_PER_S_MIN: f64 = 5_000.0;
const P99_MAX: Duration = Duration::from_millis(15);
/// Of the medians of `tidegate mcp` and a bare server.
const STDIO_RATIO_MAX: f64 = 1.2;
/// Calls over standard input and output.
const STDIO_CALLS: usize = 2_000;

/// A simulated market in a folder of its own.
struct Served {
    folder: TempDir,
    process: Child,
    client: Client,
}

impl Served {
    fn start() -> Served {
        let folder = tempdir().unwrap();
        let mut process =
            command(folder.path()).args(["serve", "--listen", "127.0.0.1:0"]).stdout(Stdio::piped()).spawn().unwrap();
        let mut banner = String::new();
        BufReader::new(process.stdout.as_mut().unwrap()).read_line(&mut banner).unwrap();
        let client = Client::of(folder.path());
        let served = Served { folder, process, client };
        while served.status()["feeds_live"].as_u64() < Some(50) {
            thread::sleep(Duration::from_millis(50));
        }
        served
    }

    fn status(&self) -> Value {
        self.client.call("get_status", &json!({}))
    }
}

impl Drop for Served {
    fn drop(&mut self) {
        drop(self.process.kill());
        self.process.wait().unwrap();
    }
}

/// A connection that is kept open, as clients do.
struct Kept {
    stream: BufReader<TcpStream>,
    head: String,
}

impl Kept {
    fn new(client: &Client) -> Kept {
        let stream = TcpStream::connect(&client.address).unwrap();
        stream.set_nodelay(true).unwrap();
        let head = format!(
            "POST /mcp HTTP/1.1\r\n{}Content-Type: application/json\r\nAccept: application/json, text/event-stream\r\n",
            client.allowed()
        );
        Kept { stream: BufReader::new(stream), head }
    }

    /// Calls a tool, which must not refuse; returns how long it took.
    fn call(&mut self, call: &str) -> Duration {
        let request = format!("{}Content-Length: {}\r\n\r\n{call}", self.head, call.len());
        let began = Instant::now();
        self.stream.get_mut().write_all(request.as_bytes()).unwrap();
        let (mut line, mut length) = (String::new(), 0);
        self.stream.read_line(&mut line).unwrap();
        assert!(line.starts_with("HTTP/1.1 200 "), "{line}");
        while line != "\r\n" {
            line.clear();
            self.stream.read_line(&mut line).unwrap();
            if let Some(value) = line.to_ascii_lowercase().strip_prefix("content-length:") {
                length = value.trim().parse().unwrap();
            }
        }
        let mut body = vec![0; length];
        self.stream.read_exact(&mut body).unwrap();
        let took = began.elapsed();
        assert!(holds(&body, b"\"isError\":false"), "{}", String::from_utf8_lossy(&body));
        took
    }
}

fn holds(text: &[u8], word: &[u8]) -> bool {
    text.windows(word.len()).any(|window| window == word)
}

/// What readers ask: the best prices of one or several instruments, and a book on the board or off it.
fn calls() -> Vec<String> {
    let quotes = |keys: &[&str]| tool_call("get_quotes", &json!({ "instruments": keys })).to_string();
    let depth =
        |key: &str, levels: usize| tool_call("get_depth", &json!({"instrument": key, "levels": levels})).to_string();
    vec![
        quotes(&["BINANCE:BTCUSDT"]),
        depth("BINANCE:ETHUSDT", 10),
        quotes(&["NSE:INFY", "NSE:SBIN", "NSE:TCS"]),
        depth("NSE:RELIANCE", 5),
        depth("BINANCE:BTCUSDT", 50),
    ]
}

/// Calls in turn until `end`; returns the times that the calls took.
fn read_until(client: &Client, first: usize, end: Instant) -> Vec<Duration> {
    let (mut kept, calls, mut times) = (Kept::new(client), calls(), Vec::new());
    while Instant::now() < end {
        times.push(kept.call(&calls[(first + times.len()) % calls.len()]));
    }
    times
}

fn quantile(sorted: &[Duration], quantile: f64) -> Duration {
    sorted[((sorted.len() - 1) as f64 * quantile).round() as usize]
}

/// The 99th percentiles, in µs, of waiting for the engine and of being applied by it.
fn stages(served: &Served) -> (u64, u64) {
    let status = served.status();
    let of = |stage: usize| status["latency_p99_us"][stage].as_u64().unwrap();
    (of(0), of(1))
}

#[test]
#[ignore = "measures: alone on the machine, by tests/run"]
fn thirty_two_readers_beside_a_running_market() {
    let span = Duration::from_secs(cases::count(10, 60).max(1));
    let alone = Served::start();
    thread::sleep(span);
    let without = stages(&alone);
    drop(alone);
    let served = Served::start();
    let began = Instant::now();
    let mut times: Vec<Duration> = thread::scope(|scope| {
        let client = &served.client;
        let readers: Vec<_> =
            (0..CLIENTS).map(|first| scope.spawn(move || read_until(client, first, began + span))).collect();
        readers.into_iter().flat_map(|reader| reader.join().unwrap()).collect()
    });
    let rate = times.len() as f64 / began.elapsed().as_secs_f64();
    let with = stages(&served);
    times.sort_unstable();
    let (p50, p99) = (quantile(&times, 0.5), quantile(&times, 0.99));
    println!("{CLIENTS} readers for {} s: {rate:.0} calls/s (aim {CALLS_PER_S_MIN} or more)", span.as_secs());
    println!("a call: p50 {p50:.1?}, p99 {p99:.1?} (aim {P99_MAX:?} or less)");
    println!(
        "the engine, p99 without and with them: queued {} and {} us, applied {} and {} us",
        without.0, with.0, without.1, with.1
    );
    assert_eq!(served.status()["gaps"], json!(0), "readers cost no data");
}

/// The times of calls, one after the other, to a server on standard input and output.
fn over_stdio(command: &mut Command, call: &str) -> Vec<Duration> {
    let mut server = command.stdin(Stdio::piped()).stdout(Stdio::piped()).spawn().unwrap();
    let (mut input, mut output) = (server.stdin.take().unwrap(), BufReader::new(server.stdout.take().unwrap()));
    let mut line = String::new();
    let mut ask = |message: &str, is_answered: bool| {
        let began = Instant::now();
        writeln!(input, "{message}").unwrap();
        line.clear();
        if is_answered {
            output.read_line(&mut line).unwrap();
            assert!(line.contains("\"result\"") && !line.contains("\"isError\":true"), "{line}");
        }
        began.elapsed()
    };
    let client = json!({"name": "load", "version": "1"});
    let params = json!({"protocolVersion": "2025-11-25", "capabilities": {}, "clientInfo": client});
    ask(&json!({"jsonrpc": "2.0", "id": 0, "method": "initialize", "params": params}).to_string(), true);
    ask(&json!({"jsonrpc": "2.0", "method": "notifications/initialized"}).to_string(), false);
    let mut times: Vec<Duration> = (0..STDIO_CALLS).map(|_| ask(call, true)).collect();
    drop(input);
    assert!(server.wait().unwrap().success());
    times.sort_unstable();
    times
}

/// Beside it stands a server of the library's alone, with nothing behind it.
#[test]
#[ignore = "measures: alone on the machine, by tests/run"]
fn one_reader_over_standard_input_and_output() {
    let served = Served::start();
    let call = &calls()[0];
    let bare = binary::path().with_file_name("examples").join("bare_stdio");
    let bare = over_stdio(&mut Command::new(bare), call);
    let ours = over_stdio(command(served.folder.path()).arg("mcp"), call);
    let mut kept = Kept::new(&served.client);
    let mut http: Vec<Duration> = (0..STDIO_CALLS).map(|_| kept.call(call)).collect();
    http.sort_unstable();
    let ratio = quantile(&ours, 0.5).as_secs_f64() / quantile(&bare, 0.5).as_secs_f64();
    let show = |times: &[Duration]| format!("p50 {:.1?}, p99 {:.1?}", quantile(times, 0.5), quantile(times, 0.99));
    println!(
        "{STDIO_CALLS} calls of one reader: stdio {}; HTTP {}; bare rmcp on stdio {}",
        show(&ours),
        show(&http),
        show(&bare)
    );
    println!("stdio is {ratio:.2} times bare rmcp (aim {STDIO_RATIO_MAX} or less)");
}
