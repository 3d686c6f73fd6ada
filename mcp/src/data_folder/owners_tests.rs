//! Who may own a folder after whom, wherever the last owner died.

use super::*;
use std::sync::mpsc;
use tokio_util::sync::CancellationToken;

/// How far an owner comes before it is killed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Death {
    Locked,
    Noted,
    Published,
    InOrder,
}

const DEATHS: [Death; 4] = [Death::Locked, Death::Noted, Death::Published, Death::InOrder];
const DATA: [Data; 3] = [Data::Simulated, Data::Recorded, Data::Real];

/// An owner comes and goes.
fn die(folder: &DataFolder, data: Data, death: Death) {
    let lock = folder.lock().unwrap();
    let address = "127.0.0.1:1".parse().unwrap();
    let endpoint = match death {
        Death::Locked => None,
        Death::Noted => {
            folder.note_owner(data).unwrap();
            None
        }
        Death::Published | Death::InOrder => {
            lock.publish_endpoint(address, Mode::Paper, data, &folder.bearer().unwrap()).unwrap();
            fs::read(&lock.endpoint).ok().filter(|_| death == Death::Published)
        }
    };
    if death != Death::InOrder {
        drop(lock.note.take());
    }
    let path = lock.endpoint.clone();
    drop(lock);
    // A killed owner takes nothing away.
    endpoint.into_iter().for_each(|bytes| fs::write(&path, bytes).unwrap());
}

#[test]
fn no_simulated_market_inherits_what_clients_found_to_be_something_else() {
    let mut cases = 0;
    let owners: Vec<(Data, Death)> = DATA.into_iter().flat_map(|data| DEATHS.map(|death| (data, death))).collect();
    for first in &owners {
        for second in &owners {
            let temp = tempfile::tempdir().unwrap();
            let root = DataFolder::new(Some(temp.path().to_owned())).unwrap();
            let mut last = None;
            for &(data, death) in [first, second] {
                die(&root, data, death);
                last = if death == Death::Locked { last } else { Some(data) };
                assert_eq!(root.last_owner().unwrap(), last, "{first:?}, {second:?}");
                let may = last.is_none_or(|data| data == Data::Simulated);
                assert_eq!(root.inherit().unwrap().is_some(), may, "{first:?}, {second:?}");
                let told = root.find_owner().unwrap_err().to_string();
                assert_eq!(told.contains("a simulated market replaces only where it is asked for"), !may, "{told}");
                cases += 1;
            }
        }
    }
    println!("{cases} deaths of owners");
}

/// Earlier versions left nothing but the address of a killed engine.
#[test]
fn a_leftover_of_an_earlier_version_is_understood_and_kept() {
    for data in DATA {
        let temp = tempfile::tempdir().unwrap();
        let root = DataFolder::new(Some(temp.path().to_owned())).unwrap();
        die(&root, data, Death::Published);
        fs::remove_file(root.run().join("last_owner.json")).unwrap();
        for _ in 0..2 {
            assert_eq!(root.inherit().unwrap().is_some(), data == Data::Simulated);
            // A person's owner that dies at once changes nothing.
            die(&root, Data::Simulated, Death::Locked);
            assert_eq!(root.last_owner().unwrap(), Some(data));
        }
    }
}

#[test]
fn what_is_no_word_of_an_owner_lets_nobody_inherit() {
    let temp = tempfile::tempdir().unwrap();
    let root = DataFolder::new(Some(temp.path().to_owned())).unwrap();
    for garbage in ["", "{", "{\"data\":\"FAKE\",\"pid\":1}", "REAL"] {
        die(&root, Data::Simulated, Death::InOrder);
        fs::write(root.run().join("last_owner.json"), garbage).unwrap();
        let told = root.inherit().unwrap_err().to_string();
        assert!(told.contains("last_owner.json"), "{told}");
        assert!(root.find_owner().unwrap_err().to_string().contains("last_owner.json"));
        die(&root, Data::Simulated, Death::InOrder);
        assert!(root.inherit().unwrap().is_some(), "made anew");
    }
}

/// Clients of a root find a replay below it where nothing else runs.
#[test]
fn a_replay_that_is_killed_has_no_simulated_heir_and_one_that_ends_has() {
    let temp = tempfile::tempdir().unwrap();
    let root = DataFolder::new(Some(temp.path().to_owned())).unwrap();
    let replay = root.replay("monday").unwrap();
    die(&replay, Data::Recorded, Death::InOrder);
    assert!(root.inherit().unwrap().is_some());
    die(&replay, Data::Recorded, Death::Published);
    assert!(root.inherit().unwrap().is_none());
    // Two at once: the one that ends in order speaks for itself alone.
    die(&root, Data::Real, Death::Published);
    die(&replay, Data::Recorded, Death::InOrder);
    assert_eq!(root.last_owner().unwrap(), Some(Data::Real), "a replay is no reason to forget a venue");
    die(&root, Data::Simulated, Death::Published);
    let owner = root.lock().unwrap();
    die(&replay, Data::Recorded, Death::Published);
    drop(owner);
    assert!(root.inherit().unwrap().is_some(), "clients had an engine of the root itself");
}

/// An owner that runs until it is told to end, or as a simulated market until it is asked to leave.
fn running(root: &DataFolder, data: Data) -> (thread::JoinHandle<bool>, CancellationToken) {
    let (ready, started) = mpsc::channel();
    let (root, end) = (root.clone(), CancellationToken::new());
    let ended = end.clone();
    let thread = thread::spawn(move || {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        let lock = root.lock().unwrap();
        lock.publish_endpoint("127.0.0.1:1".parse().unwrap(), Mode::Paper, data, &root.bearer().unwrap()).unwrap();
        ready.send(()).unwrap();
        let stop = CancellationToken::new();
        runtime.block_on(async {
            tokio::select! {
                () = root.clone().leave_when_claimed(stop.clone()), if data == Data::Simulated => {}
                () = ended.cancelled() => {}
            }
        });
        drop(lock);
        stop.is_cancelled()
    });
    started.recv().unwrap();
    (thread, end)
}

#[test]
fn a_simulated_owner_leaves_for_a_person_and_no_other_does() {
    let temp = tempfile::tempdir().unwrap();
    let root = DataFolder::new(Some(temp.path().to_owned())).unwrap();
    let (owner, _end) = running(&root, Data::Simulated);
    let lock = root.claim().unwrap();
    assert!(owner.join().unwrap());
    assert!(!root.is_claimed().unwrap(), "nobody asks any more");
    drop(lock);
    for data in [Data::Real, Data::Recorded] {
        let (owner, end) = running(&root, data);
        assert!(root.claim().unwrap_err().to_string().contains("already owned"));
        end.cancel();
        assert!(!owner.join().unwrap());
    }
}

/// Whoever asked has died: its wish dies with it.
#[test]
fn a_claim_that_is_let_go_of_ends_nobody() {
    let temp = tempfile::tempdir().unwrap();
    let root = DataFolder::new(Some(temp.path().to_owned())).unwrap();
    assert!(!root.is_claimed().unwrap());
    let _owner = root.lock().unwrap();
    let claim = File::options().create(true).truncate(false).write(true).open(root.run().join("claim")).unwrap();
    claim.try_lock().unwrap();
    assert!(root.is_claimed().unwrap());
    drop(claim);
    assert!(!root.is_claimed().unwrap() && root.run().join("claim").exists());
}
