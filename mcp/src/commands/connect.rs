//! `tidegate connect`.

use super::say;
use crate::cli::Connect;
use crate::config::Sources;
use crate::connect::{Client, ENTRY, Places, Way, merge};
use crate::data_folder::DataFolder;
use crate::data_folder::clients;
use crate::wire::rfc3339;
use anyhow::{Context, bail};
use std::path::Path;
use std::time::SystemTime;
use tidegate_core::Nanos;

/// Connects a client, takes its bearer away, or lists those that have one.
///
/// # Errors
/// Where the bearer or the client's file cannot be read or written, or the client knows no such way.
pub fn run(options: &Connect, root: &DataFolder, sources: &Sources) -> anyhow::Result<()> {
    let Some(client) = options.client else { return say(&list(&root.clients()?)) };
    if options.revoke {
        return revoke(client, root);
    }
    let places = Places::of_user().context("this platform names no home folder, where clients keep their files")?;
    let path = client.file(&places);
    let (bearer, is_new) = root.make_client(client.name())?;
    let way = match options.http {
        true => Way::Http { url: url(root, sources)?, bearer },
        false => stdio(client, root, sources)?,
    };
    let Some(entry) = client.entry(&way) else {
        bail!("{} starts its servers itself: leave out --http", client.name());
    };
    let since = if is_new { "a new bearer" } else { "the bearer it has" };
    let made =
        format!("local:{} with {since}: tidegate connect {} --revoke takes it away\n", client.name(), client.name());
    if !options.write {
        let whole = client.merge("", &entry).map_err(anyhow::Error::msg)?;
        let shown = path.display();
        return say(&format!(
            "{made}Merge this into {shown}, or let --write do it; then {}:\n\n{whole}",
            client.afterwards()
        ));
    }
    let merged = merge::write(client, &path, &entry)?;
    let shown = merged.path.display();
    if merged.difference.is_empty() {
        return say(&format!("{made}{shown} holds the entry {ENTRY} already: nothing is written\n"));
    }
    let backup = merged.backup.map_or_else(String::new, |backup| format!(", what was there is {}", backup.display()));
    say(&format!("{made}{shown} is written{backup}; {}:\n\n{}", client.afterwards(), merged.difference))?;
    if options.http {
        warn_of_readers(&merged.path);
    }
    Ok(())
}

/// Works from any working directory: every path is absolute.
fn stdio(client: Client, root: &DataFolder, sources: &Sources) -> anyhow::Result<Way> {
    let command = std::env::current_exe().context("this program does not know where it lies")?;
    let text = |path: &Path| {
        let text = path.to_str().with_context(|| format!("{} is no Unicode, as the client's file is", path.display()));
        text.map(str::to_owned)
    };
    let mut arguments = vec!["mcp".to_owned(), "--client".to_owned(), client.name().to_owned()];
    arguments.extend(["--data".to_owned(), text(root.path())?]);
    if let Some(file) = sources.file().filter(|_| sources.is_named()) {
        arguments.extend(["--config".to_owned(), text(file)?]);
    }
    text(&command)?;
    Ok(Way::Stdio { command, arguments })
}

/// Where the engine listens, or would.
fn url(root: &DataFolder, sources: &Sources) -> anyhow::Result<String> {
    if let Ok(endpoint) = root.find_owner() {
        return Ok(endpoint.url);
    }
    let listen = sources.load()?.config.serve.listen;
    if listen.port() == 0 {
        bail!("serve.listen is {listen}, any free port: start the engine first, or give it a port of its own");
    }
    Ok(format!("http://{listen}/mcp"))
}

fn revoke(client: Client, root: &DataFolder) -> anyhow::Result<()> {
    let name = client.name();
    if !root.revoke_client(name)? {
        bail!("{name} has no bearer: tidegate connect --list shows who has");
    }
    say(&format!(
        "local:{name} has no bearer any more: its next request is refused. Its own file still names {ENTRY}\n"
    ))
}

fn list(clients: &[clients::Client]) -> String {
    if clients.is_empty() {
        return "no client has a bearer: tidegate connect CLIENT makes one\n".to_owned();
    }
    let since = |time: SystemTime| {
        let since = time.duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default().as_secs();
        rfc3339(Nanos::new(i64::try_from(since).unwrap_or(0).saturating_mul(Nanos::SECOND.raw())))
    };
    let row = |client: &clients::Client| {
        format!("local:{:<16} since {}  {}\n", client.name, since(client.since), client.path.display())
    };
    clients.iter().map(row).collect()
}

#[cfg(unix)]
fn warn_of_readers(path: &Path) {
    use std::os::unix::fs::PermissionsExt;
    let mode = std::fs::metadata(path).map_or(0, |file| file.permissions().mode());
    if mode & 0o077 != 0 {
        tracing::warn!("{0} holds the bearer and is open to other users; run: chmod 600 {0}", path.display());
    }
}

#[cfg(not(unix))]
fn warn_of_readers(_path: &Path) {}
