//! The program around the engine: configuration, clients, doctor, completions, version.

use crate::binary::{command, path, text};
use crate::client::{Client, tool_call};
use serde_json::{Value, json};
use std::fs;
use std::io::{BufRead, BufReader, Read, Write};
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Output, Stdio};
use tempfile::{TempDir, tempdir};

/// A home and a data folder of their own.
struct Home {
    folder: TempDir,
}

impl Home {
    fn new() -> Home {
        let folder = tempdir().unwrap();
        fs::create_dir(folder.path().join("home")).unwrap();
        Home { folder }
    }

    fn home(&self) -> PathBuf {
        self.folder.path().join("home")
    }

    fn data(&self) -> PathBuf {
        self.folder.path().join("data")
    }

    /// A command of a user of whom nothing else is known.
    fn command(&self) -> Command {
        let mut command = command(&self.data());
        command.env("HOME", self.home()).current_dir(self.folder.path());
        for variable in ["XDG_CONFIG_HOME", "CLAUDE_CONFIG_DIR", "CODEX_HOME", "COPILOT_HOME", "TIDEGATE_CONFIG"] {
            command.env_remove(variable);
        }
        command
    }

    fn run(&self, arguments: &[&str]) -> Output {
        self.command().args(arguments).output().unwrap()
    }

    #[track_caller]
    fn succeeds(&self, arguments: &[&str]) -> String {
        let output = self.run(arguments);
        let stderr = String::from_utf8_lossy(&output.stderr);
        assert!(output.status.success(), "{arguments:?}: {stderr}{}", String::from_utf8_lossy(&output.stdout));
        String::from_utf8(output.stdout).unwrap()
    }

    #[track_caller]
    fn fails(&self, command: &mut Command, parts: &[&str]) {
        let output = command.output().unwrap();
        let stderr = String::from_utf8(output.stderr).unwrap();
        assert!(!output.status.success(), "{command:?}");
        assert_eq!(stderr.lines().count(), 1, "one line: {stderr}");
        for part in parts {
            assert!(stderr.contains(part), "{stderr} lacks {part}");
        }
    }

    fn serve(&self) -> Engine {
        let mut process =
            self.command().args(["serve", "--listen", "127.0.0.1:0"]).stdout(Stdio::piped()).spawn().unwrap();
        let mut banner = String::new();
        BufReader::new(process.stdout.as_mut().unwrap()).read_line(&mut banner).unwrap();
        assert!(banner.starts_with("PAPER, SIMULATED DATA"), "{banner}");
        Engine { process, client: Client::of(&self.data()) }
    }
}

/// A running engine; it is killed with its owner.
struct Engine {
    process: Child,
    client: Client,
}

impl Engine {
    /// Status of a call with this bearer.
    fn status(&self, bearer: &str) -> u16 {
        let headers = format!("Host: {}\r\nAuthorization: Bearer {bearer}\r\n", self.client.address);
        self.client.post(&headers, &tool_call("get_status", &json!({}))).0
    }
}

impl Drop for Engine {
    fn drop(&mut self) {
        self.process.kill().unwrap();
        self.process.wait().unwrap();
    }
}

fn json_of(text: &str) -> Value {
    serde_json::from_str(&text[text.find('{').unwrap()..]).unwrap()
}

#[test]
fn the_configuration_in_force_is_shown_with_its_origin() {
    let home = Home::new();
    let file = home.data().join("tidegate.toml");
    assert_eq!(home.succeeds(&["config", "path"]).trim(), text(&file));
    fs::create_dir_all(home.data()).unwrap();
    fs::write(&file, "[market]\nbars_max = 11\nstale_after_ms = 1111\n").unwrap();
    let output = home
        .command()
        .args(["config", "show", "--origin", "--json", "--set", "serve.listen=127.0.0.1:7200"])
        .env("TIDEGATE__MARKET__BARS_MAX", "22")
        .output()
        .unwrap();
    let shown: Value = serde_json::from_slice(&output.stdout).unwrap();
    let expect = |key: &str, value: Value, origin: &str| {
        assert_eq!(shown[key], json!({ "value": value, "origin": origin }), "{key}");
    };
    expect("mode", json!("paper"), "built in");
    expect("market.stale_after_ms", json!(1111), &format!("{}:3", text(&file)));
    expect("market.bars_max", json!(22), "TIDEGATE__MARKET__BARS_MAX");
    expect("serve.listen", json!("127.0.0.1:7200"), "--set serve.listen");
    assert_eq!(json_of(&home.succeeds(&["config", "show", "--json"]))["market"]["bars_max"], 11);

    // What is shown is a file of the same meaning.
    let other = home.folder.path().join("other.toml");
    fs::write(&other, home.succeeds(&["config", "show", "--origin"])).unwrap();
    let again = home.succeeds(&["config", "show", "--config", text(&other)]);
    assert_eq!(again, home.succeeds(&["config", "show"]));
    let by_variable = home.command().args(["config", "show"]).env("TIDEGATE_CONFIG", &other).output().unwrap();
    assert_eq!(String::from_utf8(by_variable.stdout).unwrap(), again);

    let schema: Value = serde_json::from_str(&home.succeeds(&["config", "schema"])).unwrap();
    assert_eq!(schema["properties"]["market"]["properties"]["bars_max"]["default"], 500);
}

#[test]
fn a_wrong_configuration_starts_nothing_and_says_why() {
    let home = Home::new();
    let serve = || {
        let mut command = home.command();
        command.args(["serve", "--listen", "127.0.0.1:0"]);
        command
    };
    home.fails(serve().env("TIDEGATE__SERVE__LISTEM", "x"), &["TIDEGATE__SERVE__LISTEM", "did you mean serve.listen?"]);
    home.fails(serve().env("TIDEGATE__MODE", "paper"), &["TIDEGATE__MODE", "from the file alone"]);
    home.fails(serve().args(["--set", "limits.order_value_max=1"]), &["--set", "from the file alone"]);
    home.fails(serve().args(["--set", "mode"]), &["KEY=VALUE"]);
    home.fails(serve().args(["--config", "/nonexistent.toml"]), &["/nonexistent.toml"]);
    fs::create_dir_all(home.data()).unwrap();
    let file = home.data().join("tidegate.toml");
    fs::write(&file, "mode = \"live\"\n").unwrap();
    home.fails(&mut serve(), &["tidegate.toml:1", "live trading is not there yet"]);
    fs::write(&file, "[venues.kite]\napi_key = \"s3cr3t\"\n").unwrap();
    home.fails(&mut serve(), &["venues.kite.api_key", "env:NAME or file:/absolute/path"]);
    assert!(!String::from_utf8(serve().output().unwrap().stderr).unwrap().contains("s3cr3t"));
    assert!(!home.data().join("run").exists(), "nothing was touched");
}

/// One tool call through the command that a client would start, from a folder of its own.
fn through(entry: &Value, folder: &Path) -> Result<Value, String> {
    let arguments: Vec<&str> = entry["args"].as_array().unwrap().iter().map(|it| it.as_str().unwrap()).collect();
    let mut command = Command::new(entry["command"].as_str().unwrap());
    command.args(arguments).current_dir(folder).stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
    let mut proxy = command.spawn().unwrap();
    // A proxy that has ended already does not read.
    let _ = writeln!(proxy.stdin.take().unwrap(), "{}", tool_call("get_status", &json!({})));
    let output = proxy.wait_with_output().unwrap();
    let answer = String::from_utf8(output.stdout).unwrap();
    match answer.lines().next() {
        Some(answer) => Ok(serde_json::from_str(answer).unwrap()),
        None => Err(String::from_utf8(output.stderr).unwrap()),
    }
}

#[test]
fn a_connected_client_reaches_the_engine_until_it_is_revoked() {
    let home = Home::new();
    let engine = home.serve();
    let file = home.home().join(".claude.json");
    fs::write(&file, "{\n  \"numStartups\": 7,\n  \"mcpServers\": {}\n}\n").unwrap();
    let shown = json_of(&home.succeeds(&["connect", "claude-code"]));
    let written = home.succeeds(&["connect", "claude-code", "--write"]);
    assert!(
        written.contains("+\"tidegate\": {") && !written.contains("numStartups") && written.contains(".bak-"),
        "{written}"
    );
    let config: Value = serde_json::from_slice(&fs::read(&file).unwrap()).unwrap();
    assert_eq!((&config["numStartups"], &config["mcpServers"]), (&json!(7), &shown["mcpServers"]));
    assert!(home.succeeds(&["connect", "claude-code", "--write"]).contains("nothing is written"));

    let entry = &config["mcpServers"]["tidegate"];
    let elsewhere = tempdir().unwrap();
    let answer = through(entry, elsewhere.path()).unwrap();
    assert_eq!(answer["result"]["structuredContent"]["data"], "SIMULATED", "{answer}");

    let http = json_of(&home.succeeds(&["connect", "claude-code", "--http"]));
    let http = &http["mcpServers"]["tidegate"];
    assert_eq!(http["url"], format!("http://{}/mcp", engine.client.address));
    let bearer = http["headers"]["Authorization"].as_str().unwrap().strip_prefix("Bearer ").unwrap().to_owned();
    assert_ne!(bearer, engine.client.bearer, "its own");
    assert_eq!(engine.status(&bearer), 200);
    let other = json_of(&home.succeeds(&["connect", "vscode", "--http"]));
    let other =
        other["servers"]["tidegate"]["headers"]["Authorization"].as_str().unwrap()["Bearer ".len()..].to_owned();
    let list = home.succeeds(&["connect", "--list"]);
    assert!(list.contains("local:claude-code") && list.contains("local:vscode") && !list.contains(&bearer), "{list}");

    home.succeeds(&["connect", "claude-code", "--revoke"]);
    assert_eq!(engine.status(&bearer), 401, "at the next request");
    assert_eq!((engine.status(&other), engine.status(&engine.client.bearer)), (200, 200));
    let refused = through(entry, elsewhere.path()).unwrap_err();
    assert!(refused.contains("tidegate connect claude-code"), "{refused}");
    home.fails(home.command().args(["connect", "claude-code", "--revoke"]), &["has no bearer"]);
    home.succeeds(&["connect", "claude-code"]);
    assert_eq!(engine.status(&bearer), 401, "a new bearer does not bring the old one back");
    assert!(through(entry, elsewhere.path()).is_ok());
}

#[test]
fn every_client_is_written_to_its_file_and_again_without_a_change() {
    let home = Home::new();
    let files = [
        ("claude-code", ".claude.json"),
        ("claude-desktop", ".config/Claude/claude_desktop_config.json"),
        ("cursor", ".cursor/mcp.json"),
        ("vscode", ".config/Code/User/mcp.json"),
        ("codex", ".codex/config.toml"),
        ("windsurf", ".codeium/windsurf/mcp_config.json"),
        ("copilot-cli", ".copilot/mcp-config.json"),
        ("gemini", ".gemini/settings.json"),
    ];
    for (client, file) in files {
        home.succeeds(&["connect", client, "--write"]);
        let file = home.home().join(file);
        let written = fs::read_to_string(&file).unwrap_or_else(|error| panic!("{client}: {error}"));
        assert!(
            written.contains(&format!("\"--client\", \"{client}\", \"--data\", \"{}\"", text(&home.data()))),
            "{written}"
        );
        assert!(written.contains(text(&path())), "{client}: an absolute path");
        assert!(!written.contains("tg_"), "{client}: no bearer where none is needed");
        assert!(home.succeeds(&["connect", client, "--write"]).contains("nothing is written"), "{client}");
        assert_eq!(fs::read_to_string(&file).unwrap(), written);
        fs::write(&file, "{ broken").unwrap();
        home.fails(home.command().args(["connect", client, "--write"]), &["left as it is", client]);
    }
    assert_eq!(home.succeeds(&["connect", "--list"]).lines().count(), files.len());
    home.fails(home.command().args(["connect", "claude-desktop", "--http"]), &["leave out --http"]);
}

#[test]
fn the_doctor_finds_what_is_wrong_and_says_what_helps() {
    let home = Home::new();
    let doctor = || {
        let output = home.run(&["doctor", "--json"]);
        let report: Value = serde_json::from_slice(&output.stdout).unwrap();
        assert_eq!(report["ok"], json!(output.status.success()));
        report
    };
    let of = |report: &Value, check: &str| -> Vec<Value> {
        let findings = report["findings"].as_array().unwrap().iter();
        findings.filter(|finding| finding["check"] == check).cloned().collect()
    };
    let report = doctor();
    assert_eq!(report["ok"], json!(true), "{report}");
    assert!(!home.data().exists(), "it changes nothing");

    home.succeeds(&["connect", "cursor"]);
    {
        let engine = home.serve();
        let report = doctor();
        assert_eq!(report["ok"], json!(true), "{report}");
        let text = of(&report, "engine")[0]["text"].as_str().unwrap().to_owned();
        assert!(text.contains(&engine.client.address) && text.contains("PAPER"), "{text}");
        let bearer = home.data().join("run/bearer");
        fs::set_permissions(&bearer, fs::Permissions::from_mode(0o644)).unwrap();
        let report = doctor();
        assert_eq!(report["ok"], json!(false));
        let fix = of(&report, "permissions")[0]["fix"].as_str().unwrap().to_owned();
        assert!(Command::new("sh").args(["-c", fix.strip_prefix("run: ").unwrap()]).status().unwrap().success());
        assert_eq!(doctor()["ok"], json!(true), "the fix helps");
        while of(&doctor(), "recordings")[0]["text"] == "none yet" {}
    }
    let report = doctor();
    assert_eq!(report["ok"], json!(true), "{report}");
    assert!(of(&report, "recordings")[0]["text"].as_str().unwrap().contains("readable up to seq"), "{report}");

    let tape = home.data().join("sim/tape");
    let segment =
        fs::read_dir(&tape).unwrap().map(|it| it.unwrap().path()).find(|it| it.extension().is_some()).unwrap();
    let mut bytes = Vec::new();
    fs::File::open(&segment).unwrap().read_to_end(&mut bytes).unwrap();
    let middle = bytes.len() / 2;
    bytes[middle] ^= 1;
    fs::write(&segment, bytes).unwrap();
    let report = doctor();
    assert_eq!((&report["ok"], &of(&report, "recordings")[0]["verdict"]), (&json!(false), &json!("fail")), "{report}");

    fs::write(
        home.data().join("tidegate.toml"),
        "[venues.kite]\napi_key = \"env:TIDEGATE_TEST_UNSET\"\naccess_token = \"env:HOME\"\ninstruments = \"/x\"\n",
    )
    .unwrap();
    let secrets = of(&doctor(), "secrets");
    assert_eq!(secrets.len(), 1);
    assert!(secrets[0]["text"].as_str().unwrap().contains("TIDEGATE_TEST_UNSET"));
    fs::write(home.data().join("tidegate.toml"), "[markets]\n").unwrap();
    assert_eq!(of(&doctor(), "configuration")[0]["verdict"], "fail");
    let lines = String::from_utf8(home.run(&["doctor"]).stdout).unwrap();
    assert!(
        lines.lines().all(|line| ["ok ", "warn", "fail"].iter().any(|verdict| line.starts_with(verdict))),
        "{lines}"
    );
}

#[test]
fn shells_get_completions_and_people_a_version_with_its_commit() {
    let home = Home::new();
    for shell in ["bash", "zsh", "fish", "powershell"] {
        let script = home.succeeds(&["completions", shell]);
        assert!(script.contains("doctor") && script.contains("connect"), "{shell}");
    }
    let script = home.folder.path().join("completions.bash");
    fs::write(&script, home.succeeds(&["completions", "bash"])).unwrap();
    let complete = format!(
        "source {}; COMP_WORDS=(tidegate connect claude-); COMP_CWORD=2; _tidegate tidegate claude- connect; echo \"${{COMPREPLY[@]}}\"",
        script.display()
    );
    let output = Command::new("bash").args(["-c", &complete]).output().unwrap();
    assert_eq!(String::from_utf8_lossy(&output.stdout).trim(), "claude-code claude-desktop");

    let version = home.succeeds(&["--version"]);
    let (_, commit) = version.trim().split_once(" (").unwrap();
    let commit = commit.strip_suffix(')').unwrap();
    let is_commit = |text: &str| text.len() == 12 && text.chars().all(|c| c.is_ascii_hexdigit());
    assert!(commit == "unknown" || is_commit(commit.trim_end_matches("-dirty")), "{version}");
}
