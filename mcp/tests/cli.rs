//! The command line as such. (A package with an integration test gets its binary built by `cargo test`,
//! which the end-to-end tests rely on.)

#![expect(clippy::unwrap_used, reason = "a test's helper fails its test")]

use std::process::Command;

fn tidegate(arguments: &[&str]) -> (bool, String) {
    let output = Command::new(env!("CARGO_BIN_EXE_tidegate")).args(arguments).output().unwrap();
    (
        output.status.success(),
        String::from_utf8(if output.status.success() { output.stdout } else { output.stderr }).unwrap(),
    )
}

#[test]
fn help_tells_the_formats_and_every_option() {
    let (ok, help) = tidegate(&["replay", "--help"]);
    assert!(ok);
    for word in
        ["--venue", "--json", "--verify", "--tops", "--gaps", "--record", "<receive time in ns since 1970> <raw JSON>"]
    {
        assert!(help.contains(word), "{word} is missing from:\n{help}");
    }
}

#[test]
fn unknown_options_are_refused_with_a_suggestion() {
    let (ok, error) = tidegate(&["replay", "--verifi", "x"]);
    assert!(!ok && error.contains("--verify"), "{error}");
    let (ok, error) = tidegate(&["serve", "--replay", "x", "--speed", "fast"]);
    assert!(!ok && error.contains("max"), "{error}");
}
