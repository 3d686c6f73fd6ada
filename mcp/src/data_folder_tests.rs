use super::*;
use serde_json::json;

fn folder() -> (tempfile::TempDir, DataFolder) {
    let temp = tempfile::tempdir().unwrap();
    let folder = DataFolder::new(Some(temp.path().join("tidegate"))).unwrap();
    (temp, folder)
}

fn address() -> SocketAddr {
    "127.0.0.1:8765".parse().unwrap()
}

/// An owner of `folder` that listens, as another process would be.
fn owner(folder: &DataFolder) -> OwnerLock {
    let lock = folder.lock().unwrap();
    lock.publish_endpoint(address(), Mode::Replay, Data::Recorded, &folder.bearer().unwrap()).unwrap();
    lock
}

#[track_caller]
fn refused(result: Result<impl fmt::Debug, impl Into<anyhow::Error> + fmt::Debug>, parts: &[&str]) {
    let text = format!("{:#}", result.unwrap_err().into());
    for part in parts {
        assert!(text.contains(part), "{text:?} lacks {part:?}");
    }
    assert!(!text.contains('\n'), "one line: {text:?}");
}

#[test]
fn the_bearer_is_made_once_and_shared_by_replays() {
    let (_temp, root) = folder();
    let bearer = root.bearer().unwrap();
    assert_eq!(bearer.expose().len(), 3 + 64);
    assert_eq!(root.bearer().unwrap(), bearer);
    assert_eq!(root.replay("monday").unwrap().bearer().unwrap(), bearer);
    assert_eq!(format!("{bearer:?}"), "Bearer(hidden)");
    let left: Vec<_> = fs::read_dir(root.path().join("run")).unwrap().map(|e| e.unwrap().file_name()).collect();
    assert_eq!(left, ["bearer"], "no draft stays behind");
}

#[test]
fn processes_that_make_the_bearer_at_once_get_the_same_one() {
    let (_temp, root) = folder();
    let made: Vec<Bearer> = thread::scope(|scope| {
        let makers: Vec<_> = (0..16).map(|_| scope.spawn(|| root.bearer().unwrap())).collect();
        makers.into_iter().map(|maker| maker.join().unwrap()).collect()
    });
    assert!(made.iter().all(|bearer| *bearer == made[0]));
}

#[cfg(unix)]
#[test]
fn secrets_are_closed_to_other_users_and_an_open_one_is_refused() {
    use std::os::unix::fs::PermissionsExt;
    let (_temp, root) = folder();
    let _owner = owner(&root);
    let run = root.path().join("run");
    for (name, expected) in [("bearer", 0o600), ("endpoint.json", 0o600), ("lock", 0o600)] {
        let mode = fs::metadata(run.join(name)).unwrap().permissions().mode() & 0o777;
        assert_eq!(mode, expected, "{name}");
    }
    fs::set_permissions(run.join("bearer"), fs::Permissions::from_mode(0o644)).unwrap();
    refused(root.bearer(), &["open to other users", "chmod 600"]);
}

#[test]
fn a_damaged_bearer_is_an_error_and_not_a_new_secret() {
    let (_temp, root) = folder();
    root.bearer().unwrap();
    fs::write(root.path().join("run/bearer"), "tg_short").unwrap();
    refused(root.bearer(), &["holds no bearer", "delete it"]);
}

#[test]
fn a_second_owner_is_told_who_the_first_one_is() {
    let (_temp, root) = folder();
    let first = owner(&root);
    let pid = std::process::id().to_string();
    refused(root.lock(), &["already owned by", &pid, "http://127.0.0.1:8765/mcp", "--data"]);
    drop(first);
    assert!(!root.path().join("run/endpoint.json").exists(), "a clean exit removes it");
    root.lock().unwrap();
}

#[test]
fn the_owner_is_found_with_all_that_a_client_needs() {
    let (_temp, root) = folder();
    let _owner = owner(&root);
    let found = root.find_owner().unwrap();
    assert_eq!(found.url, "http://127.0.0.1:8765/mcp");
    assert_eq!(found.bearer, root.bearer().unwrap());
    assert_eq!((found.pid, found.mode, found.version.as_str()), (std::process::id(), Mode::Replay, VERSION));
}

#[test]
fn nobody_a_leftover_and_one_that_starts_are_three_different_things() {
    let (_temp, root) = folder();
    refused(root.find_owner(), &["no engine is running on", "tidegate serve"]);

    let lock = root.lock().unwrap();
    refused(root.find_owner(), &["still starting", &std::process::id().to_string()]);
    lock.publish_endpoint(address(), Mode::Replay, Data::Recorded, &root.bearer().unwrap()).unwrap();
    let leftover = fs::read(root.path().join("run/endpoint.json")).unwrap();
    drop(lock);

    // As a killed owner leaves it: the file is there, the lock is free.
    fs::write(root.path().join("run/endpoint.json"), leftover).unwrap();
    refused(root.find_owner(), &["no engine is running on"]);
}

/// The moment between taking the lock and taking away what the last owner left.
#[test]
fn a_leftover_does_not_speak_for_the_owner_that_starts() {
    let (_temp, root) = folder();
    drop(root.lock().unwrap());
    let run = root.path().join("run");
    let starting = File::options().write(true).open(run.join("lock")).unwrap();
    starting.try_lock().unwrap();
    starting.set_len(0).unwrap();
    let other = json!({ "url": "http://127.0.0.1:1/mcp", "version": "9.9.9", "pid": 1 }).to_string();
    for leftover in ["{", &other] {
        fs::write(run.join("endpoint.json"), leftover).unwrap();
        refused(root.find_owner(), &["still starting"]);
    }
}

#[test]
fn the_only_live_replay_is_found_and_several_ask_for_a_choice() {
    let (_temp, root) = folder();
    let monday = root.replay("monday").unwrap();
    let tuesday = root.replay("tuesday").unwrap();
    let _monday = owner(&monday);
    assert_eq!(root.find_owner().unwrap(), monday.find_owner().unwrap());
    refused(tuesday.find_owner(), &["no engine is running on", "tuesday", "tidegate serve --replay PATH"]);

    let second = owner(&tuesday);
    refused(root.find_owner(), &["monday", "tuesday", "--replay NAME"]);
    drop(second);
    root.find_owner().unwrap();
}

#[test]
fn another_version_is_refused() {
    let (_temp, root) = folder();
    let _owner = owner(&root);
    let path = root.path().join("run/endpoint.json");
    let text = fs::read_to_string(&path).unwrap().replace(&format!("\"{VERSION}\""), "\"9.9.9\"");
    fs::write(&path, text).unwrap();
    refused(root.find_owner(), &["version 9.9.9", VERSION, "restart"]);
    // A later version may write another file; what it is stands there all the same.
    let later = json!({ "url": "http://127.0.0.1:1/mcp", "version": "9.9.9", "pid": std::process::id(), "more": {} });
    fs::write(&path, later.to_string()).unwrap();
    refused(root.find_owner(), &["version 9.9.9", VERSION, "restart"]);
    refused(root.lock(), &["already owned by", "version 9.9.9"]);
}

#[test]
fn a_replay_name_cannot_leave_its_folder() {
    let (_temp, root) = folder();
    for name in ["", ".", "..", "../x", "a/b", "a\\b", "a:b", ".hidden", "dot.", "ünï", &"x".repeat(65)] {
        refused(root.replay(name), &["replay name", "--replay"]);
    }
    assert!(root.replay("2021-06-01_btc.ws").is_ok());
}
