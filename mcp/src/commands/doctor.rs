//! `tidegate doctor`: what is wrong, and what helps.

mod checks;
mod engine;
mod recordings;
mod tape_time;

use super::say;
use crate::cli::Doctor;
use crate::config::{Config, Sources};
use crate::data_folder::DataFolder;
use serde::Serialize;
use std::process::ExitCode;

/// How bad it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "lowercase")]
enum Verdict {
    Ok,
    Warn,
    Fail,
}

/// What was looked at, and what was found.
#[derive(Debug, Serialize)]
struct Finding {
    check: &'static str,
    verdict: Verdict,
    text: String,
    /// What to do about it.
    fix: Option<String>,
}

/// Everything that was found.
#[derive(Debug, Serialize)]
struct Report {
    ok: bool,
    findings: Vec<Finding>,
}

impl Finding {
    fn ok(check: &'static str, text: impl Into<String>) -> Finding {
        Finding { check, verdict: Verdict::Ok, text: text.into(), fix: None }
    }

    fn warn(check: &'static str, text: impl Into<String>, fix: impl Into<String>) -> Finding {
        Finding { check, verdict: Verdict::Warn, text: text.into(), fix: Some(fix.into()) }
    }

    fn fail(check: &'static str, text: impl Into<String>, fix: impl Into<String>) -> Finding {
        Finding { check, verdict: Verdict::Fail, text: text.into(), fix: Some(fix.into()) }
    }

    fn line(&self) -> String {
        let verdict = match self.verdict {
            Verdict::Ok => "ok",
            Verdict::Warn => "warn",
            Verdict::Fail => "fail",
        };
        let fix = self.fix.as_ref().map_or_else(String::new, |fix| format!("; {fix}"));
        format!("{verdict:<4}  {:<13}  {}{fix}\n", self.check, self.text)
    }
}

/// Looks at everything and says what it found; nothing is changed.
///
/// # Errors
/// Where the findings cannot be written.
pub fn run(options: &Doctor, root: &DataFolder, sources: &Sources) -> anyhow::Result<ExitCode> {
    let mut findings = Vec::new();
    let config = checks::configuration(sources, &mut findings);
    checks::folder(root, &mut findings);
    checks::folders(root, &mut findings);
    checks::private_files(root, &mut findings);
    if let Some(config) = &config {
        checks::disk(root, config, &mut findings);
        checks::secrets(config, &mut findings);
    }
    checks::clock(&mut findings);
    checks::hours(&mut findings);
    tape_time::tape_times(root, &mut findings);
    checks::clients(root, &mut findings);
    engine::engines(root, &mut findings);
    let bounds = config.map_or_else(Config::built_in, Ok)?.bounds();
    recordings::recordings(root, bounds, options.quick, &mut findings);
    let ok = findings.iter().all(|finding| finding.verdict < Verdict::Fail);
    let report = Report { ok, findings };
    if options.json {
        say(&format!("{}\n", serde_json::to_string_pretty(&report)?))?;
    } else {
        say(&report.findings.iter().map(Finding::line).collect::<String>())?;
    }
    Ok(if ok { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}
