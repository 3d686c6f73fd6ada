use super::keys::{self, FILE_ONLY};
use super::layers::{Loaded, Origin, Sources};
use super::*;
use std::path::Path;
use tempfile::TempDir;

/// Layers of a test: a file with this text, these variables, these flags.
struct Layers {
    folder: TempDir,
    sources: Sources,
}

impl Layers {
    fn new(file: &str, environment: &[(&str, &str)], flags: &[(&str, &str)]) -> Layers {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("tidegate.toml");
        std::fs::write(&path, file).unwrap();
        let mut sources = Sources::of_file(&path, environment);
        for (key, value) in flags {
            sources.flag("--set", key, value);
        }
        Layers { folder, sources }
    }

    fn load(&self) -> anyhow::Result<Loaded> {
        self.sources.load()
    }

    #[track_caller]
    fn refused(&self, parts: &[&str]) {
        let error = format!("{:#}", self.load().unwrap_err());
        let error = error.replace(self.folder.path().to_str().unwrap(), "");
        for part in parts {
            assert!(error.contains(part), "{error:?} lacks {part:?}");
        }
        assert!(!error.contains('\n'), "one line: {error:?}");
    }
}

fn file(text: &str) -> Layers {
    Layers::new(text, &[], &[])
}

#[test]
fn the_built_in_file_is_whole_and_keeps_the_rules_it_states() {
    let config = Config::built_in().unwrap();
    assert!(config.bounds().book_levels_max >= 2_000, "at least twice the snapshot");
    assert!(config.serve.listen.ip().is_loopback());
    assert_eq!(config.mode, TradingMode::Paper);
    assert!(config.venues.kite.is_none() && config.secrets().is_empty());
}

#[test]
fn each_layer_goes_over_the_one_before() {
    let text = "[serve]\nlisten = \"127.0.0.1:1\"\n[market]\nbars_max = 11\nstale_after_ms = 111\n";
    let environment =
        [("TIDEGATE__MARKET__BARS_MAX", "22"), ("TIDEGATE__MARKET__STALE_AFTER_MS", "222"), ("PATH", "x")];
    let layers = Layers::new(text, &environment, &[("market.stale_after_ms", "333")]);
    let Loaded { config, settings } = layers.load().unwrap();
    assert_eq!(config.serve.listen, "127.0.0.1:1".parse().unwrap());
    assert_eq!((config.bounds().bars_max, config.bounds().stale_after), (22, Nanos::new(333_000_000)));
    let origin = |key: &str| settings[key].origin.to_string();
    assert_eq!(origin("engine.queries_max"), "built in");
    assert!(origin("serve.listen").ends_with("/tidegate.toml:2"), "{}", origin("serve.listen"));
    assert_eq!(origin("market.bars_max"), "TIDEGATE__MARKET__BARS_MAX");
    assert_eq!(settings["market.stale_after_ms"].origin, Origin::Flag("--set market.stale_after_ms".to_owned()));
}

#[test]
fn a_key_that_there_is_not_is_told_the_nearest() {
    file("[market]\nbar_max = 5\n").refused(&[
        "tidegate.toml:2",
        "market.bar_max is no key",
        "did you mean market.bars_max?",
    ]);
    file("listen = \"127.0.0.1:1\"\n").refused(&["listen is no key", "did you mean serve.listen?"]);
    file("[serv]\n").refused(&["serv is no key"]);
    file("serve = 3\n").refused(&["serve is a section", "[serve]"]);
    file("[[serve]]\n").refused(&["serve is a section"]);
    file("[serve.listen]\nport = 1\n").refused(&["serve.listen.port is no key"]);
    file("\"serve.listen\" = \"127.0.0.1:1\"\n").refused(&["is no key"]);
    file("\"\\u001b[2J\" = 1\n").refused(&["is no key"]);
    Layers::new("", &[("TIDEGATE__MARKET__BAR_MAX", "5")], &[])
        .refused(&["TIDEGATE__MARKET__BAR_MAX", "did you mean market.bars_max?"]);
    Layers::new("", &[("TIDEGATE__", "5")], &[]).refused(&["TIDEGATE__", "is no key"]);
    Layers::new("", &[], &[("market.bar_max", "5")]).refused(&["--set", "did you mean market.bars_max?"]);
    file("[serve]\n# nothing else\n").load().unwrap();
    Layers::new("", &[("TIDEGATE_MARKET_DATA", "/x"), ("TIDEGATE", "y")], &[]).load().unwrap();
}

#[test]
fn a_wrong_value_is_told_where_it_stands_and_what_is_allowed() {
    let bounds = "use a whole number from 1 to 100000";
    file("[market]\n\nbars_max = \"many\"\n").refused(&["tidegate.toml:3", "market.bars_max", "\"many\"", bounds]);
    for value in ["0", "-1", "100001", "1.5", "true", "[1]", "1979-05-27", "{ a = 1 }"] {
        file(&format!("[market]\nbars_max = {value}\n")).refused(&["tidegate.toml:2", "market.bars_max"]);
    }
    Layers::new("", &[("TIDEGATE__MARKET__BARS_MAX", "many")], &[]).refused(&[
        "TIDEGATE__MARKET__BARS_MAX",
        "\"many\"",
        bounds,
    ]);
    Layers::new("", &[], &[("market.bars_max", "1e3")]).refused(&["--set market.bars_max", "\"1e3\"", bounds]);
    file("[serve]\nlisten = \"localhost\"\n").refused(&["serve.listen", "\"localhost\"", "127.0.0.1:7117"]);
    file("[serve]\nlisten = 7117\n").refused(&["serve.listen", "7117 is not allowed"]);
    file("mode = \"live\"\n").refused(&["tidegate.toml:1", "mode", "live trading is not there yet"]);
    file("mode = \"dry\"\n").refused(&["\"dry\"", "use \"paper\""]);
    file("[market\n").refused(&["tidegate.toml:1"]);
    file("a = 1\nb = \"s3cr3t\nc = 2\n").refused(&["tidegate.toml:2"]);
}

#[test]
fn what_the_file_alone_decides_is_refused_elsewhere() {
    for reserved in FILE_ONLY {
        let key =
            reserved.strip_suffix('.').map_or(reserved.to_owned(), |section| format!("{section}.order_value_max"));
        let variable = format!("TIDEGATE__{}", key.to_uppercase().replace('.', "__"));
        Layers::new("", &[(&variable, "paper")], &[]).refused(&[&variable, &key, "from the file alone"]);
        Layers::new("", &[], &[(&key, "paper")]).refused(&["--set", &key, "from the file alone"]);
    }
    file("mode = \"paper\"\n").load().unwrap();
}

#[test]
fn secrets_stand_there_by_reference_or_not_at_all() {
    let kite = "[venues.kite]\naccess_token = \"file:/run/kite\"\ninstruments = \"/run/kite.csv\"\n";
    let config = file(&format!("{kite}api_key = \"env:KITE\"\n")).load().unwrap().config;
    assert_eq!(
        config.secrets().iter().map(|(key, _)| *key).collect::<Vec<_>>(),
        ["venues.kite.api_key", "venues.kite.access_token"]
    );
    for layers in [
        file(&format!("{kite}api_key = \"s3cr3t\"\n")),
        Layers::new(kite, &[("TIDEGATE__VENUES__KITE__API_KEY", "s3cr3t")], &[]),
        Layers::new(kite, &[], &[("venues.kite.api_key", "s3cr3t")]),
    ] {
        layers.refused(&["venues.kite.api_key", "env:NAME or file:/absolute/path"]);
        assert!(!format!("{:#}", layers.load().unwrap_err()).contains("s3cr3t"));
    }
    file(&format!("{kite}api_key = 12345\n")).refused(&["venues.kite.api_key", "env:NAME"]);
    assert!(!format!("{:#}", file(&format!("{kite}api_key = 98765\n")).load().unwrap_err()).contains("98765"));
    file(kite).refused(&["venues.kite.access_token is set", "venues.kite.api_key is missing"]);
    let relative = kite.replace("/run/kite.csv", "kite.csv");
    file(&format!("{relative}api_key = \"env:KITE\"\n")).refused(&["venues.kite.instruments", "absolute path"]);
}

#[test]
fn the_hash_is_of_what_a_digest_depends_on_and_of_nothing_else() {
    let built_in = Config::built_in().unwrap().hash();
    let hash = |text: &str| file(text).load().unwrap().config.hash();
    assert_eq!(hash("# a comment\n[market]\nbars_max = 500\n"), built_in, "the same value from elsewhere");
    assert_eq!(hash("[serve]\nlisten = \"127.0.0.1:1\"\n[engine]\nqueries_max = 7\n"), built_in);
    let mut hashes = vec![built_in];
    for key in ["book_levels_max", "bars_max", "instruments_max", "stale_after_ms"] {
        hashes.push(hash(&format!("[market]\n{key} = 2001\n")));
    }
    hashes.sort_unstable();
    hashes.dedup();
    assert_eq!(hashes.len(), 5, "each bound counts");
}

#[test]
fn a_named_file_has_to_be_there() {
    let missing = Path::new("/nonexistent/tidegate.toml");
    let error = format!("{:#}", Sources::of_file(missing, &[]).load().unwrap_err());
    assert!(error.contains("/nonexistent/tidegate.toml"), "{error}");
    let folder = tempfile::tempdir().unwrap();
    let large = folder.path().join("large.toml");
    std::fs::write(&large, "#".repeat(1024 * 1024 + 1)).unwrap();
    assert!(Sources::of_file(&large, &[]).load().is_err());
}

/// After a change of the keys: tidegate config schema > config/tidegate.schema.json
#[test]
fn the_schema_that_is_checked_in_is_the_one_there_is() {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../config/tidegate.schema.json");
    let checked_in: serde_json::Value = serde_json::from_slice(&std::fs::read(path).unwrap()).unwrap();
    assert_eq!(checked_in, keys::json_schema().unwrap());
}

#[test]
fn the_commented_examples_of_the_built_in_file_are_right() {
    let (_, examples) = BUILT_IN.split_once("# [venues.kite]").unwrap();
    let text: String = examples.lines().map(|line| line.trim_start_matches("# ").to_owned() + "\n").collect();
    let text: String = text.lines().filter(|line| line.contains(['=', '['])).map(|line| format!("{line}\n")).collect();
    let config = file(&format!("[venues.kite]\n{text}")).load().unwrap().config;
    assert!(config.venues.kite.is_some() && config.venues.angel.is_some());
}
