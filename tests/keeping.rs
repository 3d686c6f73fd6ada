//! What is kept stays readable, private and bounded: kills amid starts, power cuts, damages, limits of the system.

use crate::binary::{command, path, replay_json, run, text};
use crate::recording::read;
use serde_json::Value;
use std::fs::{self, Permissions};
use std::io::Read;
use std::os::unix::fs::{PermissionsExt, symlink};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Output, Stdio};
use std::time::{Duration, Instant};
use tempfile::tempdir;
use tidegate_core::{Bounds, Engine, Input, Instrument, InstrumentId, Market, Nanos, Settlement, Terms};
use tidegate_history::tape::{Recorder, segments};

/// Long enough for anything that is waited for here.
const PATIENCE: Duration = Duration::from_secs(60);
const SERVE: [&str; 3] = ["serve", "--listen", "127.0.0.1:0"];

fn serve(data: &Path) -> Child {
    command(data).args(SERVE).stdout(Stdio::null()).stderr(Stdio::null()).spawn().unwrap()
}

fn kill(mut process: Child) {
    process.kill().unwrap();
    process.wait().unwrap();
}

/// Waits until `is_so`, as fast as the machine looks.
fn wait_until(what: &str, mut is_so: impl FnMut() -> bool) {
    let began = Instant::now();
    while !is_so() {
        assert!(began.elapsed() < PATIENCE, "{what}");
        std::thread::yield_now();
    }
}

fn count(tape: &Path) -> usize {
    segments(tape).map_or(0, |segments| segments.len())
}

fn written(tape: &Path) -> u64 {
    fs::read_to_string(tape.join("written_seq")).ok().and_then(|text| text.trim().parse().ok()).unwrap_or(0)
}

/// A market that has recorded for a while and was killed.
fn killed(data: &Path) -> PathBuf {
    let tape = data.join("sim/tape");
    let process = serve(data);
    wait_until("nothing is recorded", || written(&tape) > 2_000);
    kill(process);
    tape
}

/// Runs a command that must end by itself.
fn ends(mut command: Command) -> Output {
    let mut process = command.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
    let (mut out, mut err) = (process.stdout.take().unwrap(), process.stderr.take().unwrap());
    let reader = std::thread::spawn(move || {
        let mut bytes = Vec::new();
        out.read_to_end(&mut bytes).map(|_| bytes)
    });
    let told = std::thread::spawn(move || {
        let mut bytes = Vec::new();
        err.read_to_end(&mut bytes).map(|_| bytes)
    });
    let began = Instant::now();
    let status = loop {
        if let Some(status) = process.try_wait().unwrap() {
            break status;
        }
        if began.elapsed() > PATIENCE {
            process.kill().unwrap();
            panic!("it hangs");
        }
        std::thread::yield_now();
    };
    Output { status, stdout: reader.join().unwrap().unwrap(), stderr: told.join().unwrap().unwrap() }
}

fn with(data: &Path, arguments: &[&str]) -> Output {
    let mut command = command(data);
    command.args(arguments);
    ends(command)
}

fn said(output: &Output) -> String {
    String::from_utf8_lossy(&output.stderr).into_owned() + &String::from_utf8_lossy(&output.stdout)
}

fn rows(data: &Path) -> u64 {
    let output = run(data, &["query", "--format", "json", "select count(*) as rows from events"]);
    assert!(output.status.success(), "{}", said(&output));
    serde_json::from_slice::<Value>(&output.stdout).unwrap()["rows"].as_u64().unwrap()
}

fn doctor(data: &Path) -> (bool, String) {
    let output = with(data, &["doctor"]);
    (output.status.success(), said(&output))
}

#[test]
fn starts_that_are_killed_as_soon_as_they_record_leave_nothing_unreadable() {
    let folder = tempdir().unwrap();
    let data = folder.path();
    let tape = killed(data);
    let kills = 5;
    for _ in 0..kills {
        let before = count(&tape);
        let process = serve(data);
        wait_until("no segment is begun", || count(&tape) > before);
        kill(process);
        // A start that was killed has told everything, or nothing.
        read(&tape).assert_whole();
    }
    let process = serve(data);
    let before = written(&tape);
    wait_until("it does not go on", || written(&tape) > before + 1_000);
    kill(process);
    let found = read(&tape);
    found.assert_whole();
    assert_eq!(found.restarts.len(), kills + 1, "each start tells its gap");
    assert_eq!(rows(data), found.seqs.len() as u64);
    replay_json(data, &[text(&tape)]);
    let (ok, said) = doctor(data);
    assert!(ok, "{said}");
    println!("{kills} starts killed as soon as their segment was there, {} inputs, 0 unreadable", found.seqs.len());
}

#[test]
fn an_end_that_a_power_cut_left_is_told_cut_off_and_kept() {
    let folder = tempdir().unwrap();
    let data = folder.path();
    let tape = killed(data);
    let last = segments(&tape).unwrap().pop().unwrap();
    let before = read(&tape).seqs.len();
    let whole = fs::read(&last).unwrap();
    // Length without data: what was appended after the last sync.
    fs::write(&last, [&whole[..], &[0; 30_000]].concat()).unwrap();
    let (ok, said) = doctor(data);
    assert!(!ok && said.contains("never synced") && said.contains(text(&last)), "{said}");
    assert_eq!(rows(data), before as u64);
    let process = serve(data);
    wait_until("it does not start", || count(&tape) > 1);
    kill(process);
    assert!(fs::read(&last).unwrap() == whole);
    let kept = fs::read_dir(&tape).unwrap().map(|entry| entry.unwrap().path());
    let kept: Vec<PathBuf> = kept.filter(|path| path.extension().is_some_and(|extension| extension == "cut")).collect();
    assert!(kept.len() == 1 && fs::read(&kept[0]).unwrap() == [0; 30_000], "{kept:?}");
    read(&tape).assert_whole();
}

#[test]
fn what_is_no_file_hangs_nothing_and_is_named() {
    let folder = tempdir().unwrap();
    let data = folder.path();
    let tape = killed(data);
    let fifo = |path: &Path| assert!(Command::new("mkfifo").arg(path).status().unwrap().success());
    let pipes = [
        tape.join("20990101T00-0000000000000001.tape"),
        tape.join("written_seq"),
        tape.join("synced"),
        data.join("sim/parquet/catalogue.json"),
        data.join("run/bearer"),
    ];
    for pipe in &pipes {
        let away = pipe.with_extension("away");
        let was_there = fs::rename(pipe, &away).is_ok();
        fifo(pipe);
        let (ok, said) = doctor(data);
        assert!(!ok && said.contains(text(pipe)), "{}: {said}", pipe.display());
        for command in [&SERVE[..], &["query", "select count(*) from events"]] {
            if command[0] == "serve" || pipe.extension().is_some_and(|extension| extension == "tape") {
                let output = with(data, command);
                let said = self::said(&output);
                assert!(!output.status.success() && said.contains(text(pipe)), "{command:?}: {said}");
            }
        }
        fs::remove_file(pipe).unwrap();
        if was_there {
            fs::rename(&away, pipe).unwrap();
        }
    }
    for (place, is_tape) in [("sim/tape", true), ("sim/parquet/recent", false), ("run", false)] {
        let place = data.join(place);
        let away = place.with_extension("away");
        fs::rename(&place, &away).unwrap();
        fs::write(&place, "").unwrap();
        let (ok, said) = doctor(data);
        assert!(!ok && said.contains(text(&place)) && said.contains("is not a folder"), "{said}");
        assert!(!is_tape || !with(data, &SERVE).status.success());
        fs::remove_file(&place).unwrap();
        fs::rename(&away, &place).unwrap();
    }
    let (ok, said) = doctor(data);
    assert!(ok, "{said}");
    println!("{} pipes, 3 files in the place of folders: each named, nothing hangs", pipes.len());
}

#[test]
fn segments_that_are_missing_are_told() {
    let folder = tempdir().unwrap();
    let data = folder.path();
    let tape = killed(data);
    for _ in 0..2 {
        let (process, before) = (serve(data), written(&tape));
        wait_until("it does not go on", || written(&tape) > before + 500);
        kill(process);
    }
    let all = segments(&tape).unwrap();
    assert_eq!(all.len(), 3);
    for (at, named) in [(0, 1), (1, 2), (2, 2)] {
        let away = all[at].with_extension("away");
        fs::rename(&all[at], &away).unwrap();
        let (ok, said) = doctor(data);
        assert!(!ok && said.contains(text(&all[named])), "{at}: {said}");
        fs::rename(&away, &all[at]).unwrap();
    }
    let (ok, said) = doctor(data);
    assert!(ok, "{said}");
}

#[test]
fn everything_below_the_data_folder_is_private_whatever_the_umask() {
    let folder = tempdir().unwrap();
    let data = folder.path().join("data");
    let shell =
        format!("umask 000; exec '{}' --data '{}' serve --listen 127.0.0.1:0", path().display(), data.display());
    let process = Command::new("sh").args(["-c", &shell]).stdout(Stdio::null()).stderr(Stdio::null()).spawn().unwrap();
    let tape = data.join("sim/tape");
    wait_until("nothing is recorded", || written(&tape) > 2_000);
    wait_until("no past is stored", || data.join("sim/parquet/bars").is_dir());
    assert!(Command::new("kill").args(["-INT", &process.id().to_string()]).status().unwrap().success());
    let mut process = process;
    assert!(process.wait().unwrap().success());
    let (mut waiting, mut looked_at) = (vec![data.clone()], 0);
    while let Some(path) = waiting.pop() {
        let file = fs::symlink_metadata(&path).unwrap();
        let mode = file.permissions().mode() & 0o777;
        assert_eq!(mode, if file.is_dir() { 0o700 } else { 0o600 }, "{}", path.display());
        looked_at += 1;
        if file.is_dir() {
            waiting.extend(fs::read_dir(&path).unwrap().map(|entry| entry.unwrap().path()));
        }
    }
    println!("{looked_at} files and folders under umask 000, 0 open to others");
    // A folder that everybody can write to is not used.
    fs::set_permissions(&data, Permissions::from_mode(0o777)).unwrap();
    let output = with(&data, &SERVE);
    assert!(!output.status.success() && said(&output).contains("chmod 700"), "{}", said(&output));
}

#[test]
fn a_lock_that_is_a_link_leads_nowhere() {
    let folder = tempdir().unwrap();
    let data = folder.path().join("data");
    fs::create_dir_all(data.join("run")).unwrap();
    let precious = folder.path().join("precious");
    for target in [precious.clone(), folder.path().join("nowhere")] {
        fs::write(&precious, "text").unwrap();
        let lock = data.join("run/lock");
        symlink(&target, &lock).unwrap();
        let output = with(&data, &SERVE);
        assert!(!output.status.success() && said(&output).contains("run/lock"), "{}", said(&output));
        assert_eq!(fs::read_to_string(&precious).unwrap(), "text");
        assert!(!folder.path().join("nowhere").exists());
        fs::remove_file(lock).unwrap();
    }
}

#[test]
fn a_limit_on_files_is_an_error_with_a_message() {
    let folder = tempdir().unwrap();
    let data = folder.path();
    // Blocks of 512 bytes: less than the state of 53 instruments and a minute of them.
    let shell = format!(
        "ulimit -f 200; exec '{}' --data '{}' serve --listen 127.0.0.1:0 --rate 10000",
        path().display(),
        data.display()
    );
    let mut command = Command::new("sh");
    command.args(["-c", &shell]);
    let output = ends(command);
    let said = said(&output);
    assert_eq!(output.status.code(), Some(1), "it ends by itself: {said}");
    assert!(said.contains("File too large") && said.contains("sim/tape"), "{said}");
    read(&data.join("sim/tape")).assert_whole();
}

/// A tape of so many instruments, an input of each on two days.
fn record_many(tape: &Path, instruments: u32) -> u64 {
    let bounds = Bounds {
        book_levels_max: 10,
        bars_max: 2,
        trades_max: 2,
        instruments_max: instruments as usize,
        stale_after: Nanos::new(5_000_000_000),
    };
    let (mut recorder, _) = Recorder::open(tape, bounds).unwrap();
    let mut engine = Engine::new(Market::new(bounds), 0, Nanos::ZERO);
    for day in 0..2 {
        let now = Nanos::new((1_723_160_000 + day * 86_400) * Nanos::SECOND.raw());
        for number in 0..instruments {
            let instrument = Instrument {
                key: format!("SIM:S{number}"),
                source: "SIM".to_owned(),
                tick: None,
                lot: None,
                multiplier: None,
                settlement: Settlement::Linear,
                base: String::new(),
                quote: String::new(),
                price_decimals: 2,
                qty_decimals: 0,
                terms: Terms::default(),
                master_epoch_days: None,
            };
            let define = Input::Define { id: InstrumentId(number), instrument: Box::new(instrument) };
            engine.input(now, &define, &mut recorder).unwrap();
        }
    }
    recorder.finish().unwrap().inputs
}

#[test]
fn many_instruments_need_few_open_files() {
    const INSTRUMENTS: u32 = 300;
    let folder = tempdir().unwrap();
    let (tape, parquet) = (folder.path().join("tape"), folder.path().join("parquet"));
    let inputs = record_many(&tape, INSTRUMENTS);
    let few = |arguments: &str| {
        let shell =
            format!("ulimit -n 128; exec '{}' --data '{}' {arguments}", path().display(), folder.path().display());
        let mut command = Command::new("sh");
        command.args(["-c", &shell]);
        let output = ends(command);
        assert!(output.status.success(), "{arguments}: {}", said(&output));
        String::from_utf8(output.stdout).unwrap()
    };
    let told = few(&format!("data project '{}' '{}'", tape.display(), parquet.display()));
    assert!(told.starts_with(&format!("{inputs} rows in {} files", 2 * INSTRUMENTS)), "{told}");
    let digest = |path: &Path| {
        let report = few(&format!("replay --venue tidegate --json '{}'", path.display()));
        serde_json::from_str::<Value>(&report).unwrap()["digest"].clone()
    };
    assert_eq!(digest(&parquet), digest(&tape));
    println!("{INSTRUMENTS} instruments, two days, with 128 file descriptors");
}
