//! The clients that `tidegate connect` knows: where each keeps its MCP servers, and in which words.
//!
//! Both are from the clients' own documentation, which each names.

pub mod json_text;
pub mod merge;
pub mod toml_text;

use crate::data_folder::Bearer;
use clap::ValueEnum;
use serde_json::{Value, json};
use std::ffi::OsStr;
use std::path::PathBuf;

/// The name of our entry among a client's servers.
pub const ENTRY: &str = "tidegate";

/// A client.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum Client {
    /// Claude Code: <https://code.claude.com/docs/en/mcp>.
    ClaudeCode,
    /// Claude Desktop: <https://modelcontextprotocol.io/docs/develop/connect-local-servers>.
    ClaudeDesktop,
    /// Cursor: <https://cursor.com/docs/context/mcp>.
    Cursor,
    /// VS Code: <https://code.visualstudio.com/docs/copilot/reference/mcp-configuration>.
    Vscode,
    /// Codex: <https://developers.openai.com/codex/mcp>.
    Codex,
    /// Windsurf: <https://docs.windsurf.com/windsurf/cascade/mcp>.
    Windsurf,
    /// GitHub Copilot CLI: <https://docs.github.com/en/copilot/how-tos/copilot-cli/customize-copilot/add-mcp-servers>.
    CopilotCli,
    /// Gemini CLI: <https://github.com/google-gemini/gemini-cli/blob/main/docs/tools/mcp-server.md>.
    Gemini,
}

/// How a client reaches the engine.
#[derive(Clone, Debug)]
pub enum Way {
    /// It starts this program and talks to its standard input and output.
    Stdio {
        /// The program.
        command: PathBuf,
        /// What it is given.
        arguments: Vec<String>,
    },
    /// It talks to a running engine.
    Http {
        /// The MCP endpoint.
        url: String,
        /// The client's bearer.
        bearer: Bearer,
    },
}

/// Fields of an entry, in the order in which they are written.
pub type Entry = Vec<(&'static str, Value)>;

/// The folders under which clients keep their files.
#[derive(Clone, Debug)]
pub struct Places {
    home: PathBuf,
    config: PathBuf,
    claude: Option<PathBuf>,
    codex: Option<PathBuf>,
    copilot: Option<PathBuf>,
}

impl Places {
    /// Those of this user, on this platform.
    pub fn of_user() -> Option<Places> {
        let moved = |variable| std::env::var_os(variable).filter(|path| !path.is_empty()).map(PathBuf::from);
        Some(Places {
            home: dirs::home_dir()?,
            config: dirs::config_dir()?,
            claude: moved("CLAUDE_CONFIG_DIR"),
            codex: moved("CODEX_HOME"),
            copilot: moved("COPILOT_HOME"),
        })
    }
}

impl Client {
    /// Its name on the command line, and in the principal `local:<name>`.
    pub const fn name(self) -> &'static str {
        match self {
            Client::ClaudeCode => "claude-code",
            Client::ClaudeDesktop => "claude-desktop",
            Client::Cursor => "cursor",
            Client::Vscode => "vscode",
            Client::Codex => "codex",
            Client::Windsurf => "windsurf",
            Client::CopilotCli => "copilot-cli",
            Client::Gemini => "gemini",
        }
    }

    /// The file of the user's own servers. `config` is `~/.config` on Linux, `~/Library/Application Support` on
    /// macOS and `%APPDATA%` on Windows. (Claude Desktop has no official build for Linux: there it is where the
    /// builds of others look.)
    pub fn file(self, places: &Places) -> PathBuf {
        let under = |moved: &Option<PathBuf>, folder: &str| moved.clone().unwrap_or_else(|| places.home.join(folder));
        match self {
            Client::ClaudeCode => places.claude.as_ref().unwrap_or(&places.home).join(".claude.json"),
            Client::ClaudeDesktop => places.config.join("Claude").join("claude_desktop_config.json"),
            Client::Cursor => places.home.join(".cursor").join("mcp.json"),
            Client::Vscode => places.config.join("Code").join("User").join("mcp.json"),
            Client::Codex => under(&places.codex, ".codex").join("config.toml"),
            Client::Windsurf => places.home.join(".codeium").join("windsurf").join("mcp_config.json"),
            Client::CopilotCli => under(&places.copilot, ".copilot").join("mcp-config.json"),
            Client::Gemini => places.home.join(".gemini").join("settings.json"),
        }
    }

    /// What has to be done in the client for a change of its file to count.
    pub const fn afterwards(self) -> &'static str {
        match self {
            Client::ClaudeCode => "start a new session; /mcp shows it",
            Client::ClaudeDesktop => "quit and restart it",
            Client::Cursor => "switch it on in the settings, under MCP",
            Client::Vscode => "start it with the command MCP: List Servers",
            Client::Codex | Client::Gemini => "restart it; /mcp shows it",
            Client::Windsurf => "refresh the servers in Cascade",
            Client::CopilotCli => "restart it; /mcp show lists it",
        }
    }

    /// The member of the file that holds its servers.
    pub const fn section(self) -> &'static str {
        match self {
            Client::Vscode => "servers",
            Client::Codex => "mcp_servers",
            _ => "mcpServers",
        }
    }

    /// Our entry, or nothing where the client's file knows no such way.
    pub fn entry(self, way: &Way) -> Option<Entry> {
        let mut entry = match way {
            Way::Stdio { command, arguments } => self.stdio(command.as_os_str(), arguments),
            Way::Http { url, bearer } => self.http(url, bearer)?,
        };
        if self == Client::CopilotCli {
            // It asks for the tools that may be used; ours all.
            entry.push(("tools", json!(["*"])));
        }
        Some(entry)
    }

    fn stdio(self, command: &OsStr, arguments: &[String]) -> Entry {
        let kind = match self {
            Client::ClaudeCode | Client::Vscode => Some("stdio"),
            Client::CopilotCli => Some("local"),
            _ => None,
        };
        let mut entry: Entry = kind.map(|kind| ("type", json!(kind))).into_iter().collect();
        entry.push(("command", json!(command.to_string_lossy())));
        entry.push(("args", json!(arguments)));
        entry
    }

    fn http(self, url: &str, bearer: &Bearer) -> Option<Entry> {
        let headers = json!({ "Authorization": format!("Bearer {}", bearer.expose()) });
        Some(match self {
            Client::ClaudeCode | Client::Vscode | Client::CopilotCli => {
                vec![("type", json!("http")), ("url", json!(url)), ("headers", headers)]
            }
            Client::Cursor => vec![("url", json!(url)), ("headers", headers)],
            Client::Windsurf => vec![("serverUrl", json!(url)), ("headers", headers)],
            // Its `url` would be the old transport of server-sent events.
            Client::Gemini => vec![("httpUrl", json!(url)), ("headers", headers)],
            Client::Codex => vec![("url", json!(url)), ("http_headers", headers)],
            // Its file starts programs alone; connectors are added in its settings, and come from the internet.
            Client::ClaudeDesktop => return None,
        })
    }

    /// The text of the client's file with our entry in it; everything else stays as it is.
    ///
    /// # Errors
    /// Where the text is not what the client reads, or our entry has no place in it: why, in one line.
    pub fn merge(self, text: &str, entry: &Entry) -> Result<String, String> {
        match self {
            Client::Codex => toml_text::set(text, self.section(), ENTRY, entry),
            _ => json_text::set(text, self.section(), ENTRY, entry),
        }
    }

    /// Our entry as it stands in the text of the client's file; empty where there is none.
    pub fn ours(self, text: &str) -> String {
        match self {
            Client::Codex => toml_text::get(text, self.section(), ENTRY).unwrap_or_default(),
            _ => json_text::get(text, self.section(), ENTRY).unwrap_or_default().to_owned(),
        }
    }
}

#[cfg(test)]
#[path = "connect_tests.rs"]
mod tests;
