//! Whether an engine runs, and answers whoever shows the bearer.

use super::Finding;
use crate::data_folder::{COMMIT, DataFolder, Endpoint, Occupancy, VERSION};
use anyhow::{Context, bail};
use serde_json::json;
use std::time::Duration;
use tidegate_feeds::driver::install_tls_provider;

const CHECK: &str = "engine";
const ANSWER_TIMEOUT: Duration = Duration::from_secs(5);

/// The engine of the folder and those of its replays.
pub fn engines(root: &DataFolder, findings: &mut Vec<Finding>) {
    match root.occupancy() {
        Err(error) => findings.push(Finding::fail(CHECK, format!("{error:#}"), "make the folder readable")),
        Ok(Occupancy::Free) => findings.push(Finding::ok(CHECK, "none runs on this folder: tidegate serve starts one")),
        Ok(Occupancy::Starting { pid }) => {
            let pid = pid.map_or_else(|| "an unknown process".to_owned(), |pid| format!("pid {pid}"));
            let text = format!("{pid} owns the folder and does not listen");
            findings.push(Finding::warn(CHECK, text, "wait a moment; if it stays so, stop that process"));
        }
        Ok(Occupancy::Running(endpoint)) => findings.push(running(&endpoint, "")),
    }
    match root.live_replays() {
        Err(error) => findings.push(Finding::fail(CHECK, format!("{error:#}"), "make the folder readable")),
        Ok(replays) => {
            findings.extend(replays.iter().map(|(name, endpoint)| running(endpoint, &format!("replay {name}: "))));
        }
    }
}

fn running(endpoint: &Endpoint, what: &str) -> Finding {
    let Endpoint { url, pid, version, mode, .. } = endpoint;
    if version != VERSION {
        let text = format!("{what}pid {pid} at {url} is version {version}, this program is {VERSION} ({COMMIT})");
        return Finding::fail(CHECK, text, "restart it with this version");
    }
    match ask(endpoint) {
        Ok(()) => Finding::ok(CHECK, format!("{what}{}, pid {pid}, answers at {url}", mode.name())),
        Err(error) => {
            Finding::fail(CHECK, format!("{what}pid {pid} at {url}: {error:#}"), format!("restart it: kill {pid}"))
        }
    }
}

/// Begins a conversation as a client would.
fn ask(endpoint: &Endpoint) -> anyhow::Result<()> {
    install_tls_provider();
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    let message = json!({
        "jsonrpc": "2.0", "id": 1, "method": "initialize",
        "params": {
            "protocolVersion": "2025-11-25", "capabilities": {},
            "clientInfo": { "name": "tidegate doctor", "version": VERSION },
        },
    });
    runtime.block_on(async {
        // A proxy from the environment would get the bearer, and could not reach loopback anyway.
        let client = reqwest::Client::builder().no_proxy().timeout(ANSWER_TIMEOUT).build()?;
        let request = client
            .post(&endpoint.url)
            .bearer_auth(endpoint.bearer.expose())
            .header("accept", "application/json, text/event-stream")
            .header("content-type", "application/json")
            .body(message.to_string());
        let response = request.send().await.context("it does not answer")?;
        if !response.status().is_success() {
            bail!("it answers HTTP {}", response.status());
        }
        Ok(())
    })
}
