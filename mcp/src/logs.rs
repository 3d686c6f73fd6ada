//! What goes wrong, told where people look: on stderr, as `RUST_LOG` asks; and by an engine that serves also in
//! its data folder, one JSON object a line.
//!
//! ```text
//! <folder>/logs/errors.jsonl       warnings and errors, the latest last
//! <folder>/logs/errors.{1..4}.jsonl    older ones, moved on when the first is full
//! ```
//!
//! The file holds what our own code says, which never tells an argument or a secret; what libraries say could.

mod rotated;

use crate::clock;
use crate::data_folder::create_private_folder;
use crate::wire::rfc3339;
use anyhow::Context as _;
use rotated::Rotated;
use serde_json::{Map, Value};
use std::fmt::Debug;
use std::io::{self, IsTerminal, Write};
use std::panic;
use std::path::Path;
use std::sync::OnceLock;
use std::thread;
use tracing::field::{Field, Visit};
use tracing::{Event, Level, Subscriber};
use tracing_appender::non_blocking::{NonBlocking, NonBlockingBuilder, WorkerGuard};
use tracing_subscriber::layer::{Context, Layer, SubscriberExt};
use tracing_subscriber::util::SubscriberInitExt;
use tracing_subscriber::{EnvFilter, fmt};

/// Lines that wait for the disk; one more is dropped, as no thread may wait for its log.
const LINES_MAX: usize = 1_024;
/// Our crates, as their events name themselves.
const OURS: &str = "tidegate_";
/// What stderr is told unless `RUST_LOG` says otherwise: rmcp's warnings repeat what a caller sent.
const TOLD: &str = "warn,rmcp=error";

/// Where lines go once an engine serves.
static FILE: OnceLock<NonBlocking> = OnceLock::new();

/// Lets warnings, errors and panics of this process be told; to be called once, first.
pub fn init() {
    let filter = EnvFilter::try_from_default_env().unwrap_or_else(|_| EnvFilter::new(TOLD));
    let to_people = fmt::layer().with_ansi(io::stderr().is_terminal()).with_writer(io::stderr).with_filter(filter);
    tracing_subscriber::registry().with(to_people).with(ToFile).init();
    let print = panic::take_hook();
    panic::set_hook(Box::new(move |panic| {
        // What it says may hold what a caller sent: that goes to stderr alone.
        let at = panic.location().map_or_else(|| "unknown".to_owned(), ToString::to_string);
        let thread = thread::current();
        tracing::error!(thread = thread.name().unwrap_or("unnamed"), at, "a thread panicked");
        print(panic);
    }));
}

/// Writes warnings and errors below `folder` from now on; what waits is written when the guard is dropped.
///
/// # Errors
/// Where the file cannot be made, or this process writes one already.
pub fn keep(folder: &Path) -> anyhow::Result<WorkerGuard> {
    let logs = folder.join("logs");
    create_private_folder(&logs)?;
    let file = Rotated::open(&logs).with_context(|| format!("cannot write logs in {}", logs.display()))?;
    let (writer, guard) = NonBlockingBuilder::default().buffered_lines_limit(LINES_MAX).thread_name("log").finish(file);
    FILE.set(writer).map_err(|_| anyhow::anyhow!("this process keeps a log already"))?;
    Ok(guard)
}

/// Turns events into lines of the file.
struct ToFile;

impl<S: Subscriber> Layer<S> for ToFile {
    fn on_event(&self, event: &Event<'_>, _context: Context<'_, S>) {
        let metadata = event.metadata();
        let is_kept = *metadata.level() <= Level::WARN && metadata.target().starts_with(OURS);
        let Some(file) = FILE.get().filter(|_| is_kept) else { return };
        let mut fields = Fields::default();
        fields.put("time", rfc3339(clock::now()));
        fields.put("level", metadata.level().as_str());
        fields.put("target", metadata.target());
        event.record(&mut fields);
        let mut line = Value::Object(fields.0).to_string();
        line.push('\n');
        // It waits in memory, or is dropped: neither can fail.
        drop(file.clone().write_all(line.as_bytes()));
    }
}

/// The fields of one line.
#[derive(Default)]
struct Fields(Map<String, Value>);

impl Fields {
    fn put(&mut self, name: &str, value: impl Into<Value>) {
        self.0.insert(name.to_owned(), value.into());
    }
}

impl Visit for Fields {
    fn record_debug(&mut self, field: &Field, value: &dyn Debug) {
        self.put(field.name(), format!("{value:?}"));
    }

    fn record_str(&mut self, field: &Field, value: &str) {
        self.put(field.name(), value);
    }

    fn record_u64(&mut self, field: &Field, value: u64) {
        self.put(field.name(), value);
    }

    fn record_i64(&mut self, field: &Field, value: i64) {
        self.put(field.name(), value);
    }

    fn record_bool(&mut self, field: &Field, value: bool) {
        self.put(field.name(), value);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// One test, as a process has one subscriber, one hook and one file.
    #[test]
    fn warnings_errors_and_panics_are_lines_and_nothing_else_is() {
        let folder = tempfile::tempdir().unwrap();
        init();
        tracing::error!("nobody serves yet");
        let guard = keep(folder.path()).unwrap();
        assert!(keep(folder.path()).is_err(), "one file a process");
        tracing::info!("no reason to worry");
        tracing::warn!(count = 3, reason = ?Some("full"), "a \"warning\"\nof two lines");
        tracing::error!(target: "somebody_else", "what a library says");
        let panicked = thread::Builder::new().name("unlucky".to_owned()).spawn(|| panic!("tg_secret")).unwrap().join();
        assert!(panicked.is_err());
        drop(guard);
        let text = std::fs::read_to_string(folder.path().join("logs/errors.jsonl")).unwrap();
        let lines: Vec<Value> = text.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
        // Other tests run beside this one, and may have something to say.
        let of = |message: &str| lines.iter().find(|line| line["message"] == message).cloned();
        let warning = of("a \"warning\"\nof two lines").unwrap();
        assert_eq!((&warning["level"], &warning["count"]), (&"WARN".into(), &3.into()));
        assert_eq!((&warning["reason"], &warning["target"]), (&"Some(\"full\")".into(), &module_path!().into()));
        assert!(warning["time"].as_str().unwrap().ends_with('Z'));
        let panic = lines.iter().find(|line| line["thread"] == "unlucky").unwrap();
        assert_eq!((&panic["level"], &panic["message"]), (&"ERROR".into(), &"a thread panicked".into()));
        assert!(panic["at"].as_str().unwrap().contains("logs.rs"), "{panic}");
        for absent in ["nobody serves yet", "no reason to worry", "what a library says"] {
            assert_eq!(of(absent), None);
        }
        assert!(!text.contains("tg_secret"), "{text}");
    }
}
