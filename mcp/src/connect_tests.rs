use super::*;
use crate::data_folder::DataFolder;

fn places() -> Places {
    Places { home: "/home/me".into(), config: "/home/me/.config".into(), claude: None, codex: None, copilot: None }
}

fn stdio() -> Way {
    Way::Stdio {
        command: "/opt/tide gate/tidegate".into(),
        arguments: ["mcp", "--client", "x", "--data", "/d"].map(str::to_owned).to_vec(),
    }
}

/// Over HTTP, and the bearer's text.
fn http() -> (Way, String) {
    let folder = tempfile::tempdir().unwrap();
    let bearer = DataFolder::new(Some(folder.path().to_owned())).unwrap().bearer().unwrap();
    let text = bearer.expose().to_owned();
    (Way::Http { url: "http://127.0.0.1:7117/mcp".to_owned(), bearer }, text)
}

fn entry() -> Entry {
    Client::Cursor.entry(&stdio()).unwrap()
}

/// What a client finds in its file.
fn read(client: Client, text: &str) -> Value {
    let whole: Value = match client {
        Client::Codex => toml::from_str(text).unwrap(),
        _ => serde_json::from_str(text).unwrap(),
    };
    whole[client.section()][ENTRY].clone()
}

#[test]
fn every_client_gets_what_it_reads_where_it_reads_it() {
    let command = "/opt/tide gate/tidegate";
    let args = json!(["mcp", "--client", "x", "--data", "/d"]);
    let expected = [
        (Client::ClaudeCode, "/home/me/.claude.json", json!({"type": "stdio", "command": command, "args": args})),
        (
            Client::ClaudeDesktop,
            "/home/me/.config/Claude/claude_desktop_config.json",
            json!({"command": command, "args": args}),
        ),
        (Client::Cursor, "/home/me/.cursor/mcp.json", json!({"command": command, "args": args})),
        (
            Client::Vscode,
            "/home/me/.config/Code/User/mcp.json",
            json!({"type": "stdio", "command": command, "args": args}),
        ),
        (Client::Codex, "/home/me/.codex/config.toml", json!({"command": command, "args": args})),
        (Client::Windsurf, "/home/me/.codeium/windsurf/mcp_config.json", json!({"command": command, "args": args})),
        (
            Client::CopilotCli,
            "/home/me/.copilot/mcp-config.json",
            json!({"type": "local", "command": command, "args": args, "tools": ["*"]}),
        ),
        (Client::Gemini, "/home/me/.gemini/settings.json", json!({"command": command, "args": args})),
    ];
    assert_eq!(expected.len(), Client::value_variants().len());
    for (client, path, expected) in expected {
        assert_eq!(client.file(&places()), PathBuf::from(path));
        assert_eq!(client.to_possible_value().unwrap().get_name(), client.name());
        let text = client.merge("", &client.entry(&stdio()).unwrap()).unwrap();
        assert_eq!(read(client, &text), expected, "{client:?}");
    }
    let moved = Places { claude: Some("/c".into()), codex: Some("/x".into()), copilot: Some("/p".into()), ..places() };
    assert_eq!(Client::ClaudeCode.file(&moved), PathBuf::from("/c/.claude.json"));
    assert_eq!(Client::Codex.file(&moved), PathBuf::from("/x/config.toml"));
    assert_eq!(Client::CopilotCli.file(&moved), PathBuf::from("/p/mcp-config.json"));
}

#[test]
fn over_http_the_bearer_goes_into_the_header_in_each_clients_words() {
    let (way, bearer) = http();
    for &client in Client::value_variants() {
        let Some(entry) = client.entry(&way) else {
            assert_eq!(client, Client::ClaudeDesktop, "alone knows no HTTP");
            continue;
        };
        let found = read(client, &client.merge("", &entry).unwrap());
        let (url, headers) = match client {
            Client::Windsurf => ("serverUrl", "headers"),
            Client::Gemini => ("httpUrl", "headers"),
            Client::Codex => ("url", "http_headers"),
            _ => ("url", "headers"),
        };
        assert_eq!(found[url], "http://127.0.0.1:7117/mcp", "{client:?}");
        assert_eq!(found[headers]["Authorization"], format!("Bearer {bearer}"), "{client:?}");
        assert!(found.get("command").is_none());
    }
}

#[test]
fn json_keeps_everything_else_as_it_stands() {
    let cases = [
        "{}",
        "{ }\n",
        "{\n}\n",
        "{\n  \"z\": 1,\n  \"a\": 2.50e+1\n}\n",
        "{\"z\":1}",
        "{\n\t\"mcpServers\": {\n\t\t\"other\": { \"command\": \"x\" }\n\t}\n}\n",
        "{\"mcpServers\":{}}",
        "{\n  // mine\n  \"mcpServers\": {\n    \"other\": {}, // last\n  },\n  /* end */\n}\n",
        "{\r\n  \"a\": \"é\u{1f600}\\u00e9\\\"}{\"\r\n}\r\n",
        "\u{feff}{\n    \"a\": []\n}",
        "{\n  \"mcpServers\": {\n    \"tidegate\": { \"command\": \"old\" /* ours */ },\n    \"other\": 1\n  }\n}\n",
        "{\n  // nothing yet\n}\n",
    ];
    for text in cases {
        let merged = json_text::set(text, "mcpServers", ENTRY, &entry()).unwrap();
        let again = json_text::set(&merged, "mcpServers", ENTRY, &entry()).unwrap();
        assert_eq!(again, merged, "{text:?}: a second time changes nothing");
        // What is left without our entry is what was there: every other character, in its order.
        let mut rest = merged.chars();
        let ours = text.find("{ \"command\": \"old\"").map_or(text.len(), |at| at);
        for c in text[..ours].chars().filter(|c| !c.is_whitespace()) {
            assert!(rest.any(|other| other == c), "{text:?} lost {c:?}: {merged}");
        }
        for comment in ["// mine", "// last", "/* end */", "// nothing yet"] {
            assert_eq!(merged.contains(comment), text.contains(comment), "{text:?}");
        }
        if !text.contains(['\u{feff}']) && !text.contains("/*") && !text.contains("//") {
            let (before, after): (Value, Value) =
                (serde_json::from_str(text).unwrap(), serde_json::from_str(&merged).unwrap());
            assert_eq!(after["mcpServers"][ENTRY]["command"], "/opt/tide gate/tidegate");
            for (name, value) in before.as_object().unwrap().iter().filter(|(name, _)| *name != "mcpServers") {
                assert_eq!(after[name], *value);
            }
        }
    }
    let tabs = json_text::set(cases[5], "mcpServers", ENTRY, &entry()).unwrap();
    assert!(tabs.contains("\n\t\t\"tidegate\": {\n\t\t\t\"command\""), "{tabs}");
}

#[test]
fn json_that_cannot_be_kept_is_left_alone() {
    for (text, why) in [
        ("[]", "'{' is missing"),
        ("{\"a\": 1", "',' is missing"),
        ("{\"a\": }", "a value is missing"),
        ("{\"a\": nul}", "a value is missing"),
        ("{\"a\": 1}\n}", "line 2: something follows"),
        ("{\"a\": \"x", "a text does not end"),
        ("{\"a\": \"x\\", "a text does not end"),
        ("{\"a\": \"\u{1}\"}", "JSON does not allow"),
        ("{ /* a", "a comment does not end"),
        ("{\"mcpServers\": []}", "mcpServers is no object"),
        ("{\"mcpServers\": {}, \"mcpServers\": {}}", "mcpServers twice"),
        (&format!("{{\"a\": {}", "[".repeat(100_000)), "nested too deeply"),
    ] {
        let error = json_text::set(text, "mcpServers", ENTRY, &entry()).unwrap_err();
        assert!(error.contains(why), "{error}");
    }
}

#[test]
fn toml_keeps_everything_else_as_it_stands() {
    let ours = "[mcp_servers.tidegate]\ncommand = \"/opt/tide gate/tidegate\"\nargs = [\"mcp\", \"--client\", \"x\", \"--data\", \"/d\"]\n";
    let other = "# mine\nmodel = \"x\" # why\n\n[mcp_servers.other]\ncommand = \"y\"\n";
    for (before, after) in [
        (String::new(), ours.to_owned()),
        (other.to_owned(), format!("{other}\n{ours}")),
        (other.trim_end().to_owned(), format!("{other}\n{ours}")),
        (
            "[mcp_servers.tidegate]\ncommand = \"old\"\n[mcp_servers.tidegate.env]\nA = \"1\"\n\n# next\n[z]\n"
                .to_owned(),
            format!("{ours}\n# next\n[z]\n"),
        ),
        (
            format!("[ mcp_servers . \"tidegate\" ]\nurl = \"u\"\n{other}")
                .replace("# mine\nmodel = \"x\" # why\n\n", ""),
            format!("{ours}[mcp_servers.other]\ncommand = \"y\"\n"),
        ),
    ] {
        let merged = toml_text::set(&before, "mcp_servers", ENTRY, &entry()).unwrap();
        assert_eq!(merged, after);
        assert_eq!(toml_text::set(&merged, "mcp_servers", ENTRY, &entry()).unwrap(), merged, "a second time");
    }
}

#[test]
fn toml_that_cannot_be_kept_is_left_alone() {
    for (text, why) in [
        ("a = \n", "line 1"),
        ("mcp_servers = { tidegate = { command = \"old\" } }\n", "in another way"),
        ("[mcp_servers]\ntidegate = { command = \"old\" }\n", "in another way"),
        ("mcp_servers.tidegate.command = \"old\"\n", "in another way"),
        ("x = \"\"\"\n[mcp_servers.tidegate]\n\"\"\"\n", "in another way"),
    ] {
        let error = toml_text::set(text, "mcp_servers", ENTRY, &entry());
        if let Ok(merged) = &error {
            panic!("{text:?} became {merged:?}");
        }
        assert!(error.unwrap_err().contains(why), "{text:?}");
    }
}

#[test]
fn a_file_is_changed_after_a_copy_and_shows_nothing_of_others() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("deep").join("mcp.json");
    let new = merge::write(Client::Cursor, &path, &entry()).unwrap();
    assert!(new.backup.is_none() && new.difference.contains("+\"tidegate\": {"), "{new:?}");
    let same = merge::write(Client::Cursor, &path, &entry()).unwrap();
    assert_eq!((same.difference.as_str(), same.backup), ("", None));

    let before = "{\n  \"mcpServers\": {\n    \"other\": {\n      \"key\": \"s3cr3t\"\n    }\n  }\n}\n";
    std::fs::write(&path, before).unwrap();
    let merged = merge::write(Client::Cursor, &path, &entry()).unwrap();
    let backup = merged.backup.unwrap();
    assert_eq!(std::fs::read_to_string(&backup).unwrap(), before);
    assert!(backup.file_name().unwrap().to_str().unwrap().starts_with("mcp.json.bak-2"), "{backup:?}");
    assert!(!merged.difference.contains("s3cr3t"), "{}", merged.difference);
    // Whatever shares a line with our entry.
    for before in [
        r#"{"key": "s3cr3t", "mcpServers": {"other": {"env": {"K": "s3cr3t"}}}}"#,
        r#"{"mcpServers": {"tidegate": {"command": "old"}, "other": {"env": {"K": "s3cr3t"}}}, "z": "s3cr3t"}"#,
        "{\"mcpServers\": {\"other\": {\"K\": \"s3cr3t\"},\n\"tidegate\": {\"command\": \"old\"}, \"z\": \"s3cr3t\"}}",
    ] {
        let path = folder.path().join("one_line.json");
        std::fs::write(&path, before).unwrap();
        let merged = merge::write(Client::Cursor, &path, &entry()).unwrap();
        let difference = &merged.difference;
        assert!(difference.contains("+\"tidegate\": {") && !difference.contains("s3cr3t"), "{difference}");
        assert_eq!(difference.contains("\"old\""), before.contains("old"), "{difference}");
        assert_eq!(std::fs::read_to_string(&path).unwrap().matches("s3cr3t").count(), before.matches("s3cr3t").count());
    }
    let path_toml = folder.path().join("config.toml");
    std::fs::write(
        &path_toml,
        "[mcp_servers.other]\nenv = { K = \"s3cr3t\" }\n[mcp_servers.tidegate]\ncommand = \"old\"\n",
    )
    .unwrap();
    let merged = merge::write(Client::Codex, &path_toml, &Client::Codex.entry(&stdio()).unwrap()).unwrap();
    assert!(merged.difference.contains("-command = \"old\"") && !merged.difference.contains("s3cr3t"));
    let after: Value = serde_json::from_slice(&std::fs::read(&path).unwrap()).unwrap();
    assert_eq!(after["mcpServers"]["other"]["key"], "s3cr3t");

    std::fs::write(&path, "{ broken").unwrap();
    let error = format!("{:#}", merge::write(Client::Cursor, &path, &entry()).unwrap_err());
    assert!(error.contains("is left as it is") && error.contains("tidegate connect cursor"), "{error}");
    assert_eq!(std::fs::read_to_string(&path).unwrap(), "{ broken");
    let left = std::fs::read_dir(path.parent().unwrap()).unwrap().count();
    assert_eq!(left, 2, "the file and one copy");
}

#[cfg(unix)]
#[test]
fn links_and_permissions_stay() {
    use std::os::unix::fs::PermissionsExt;
    let folder = tempfile::tempdir().unwrap();
    let (real, link) = (folder.path().join("real.json"), folder.path().join("link.json"));
    std::fs::write(&real, "{}\n").unwrap();
    std::fs::set_permissions(&real, std::fs::Permissions::from_mode(0o640)).unwrap();
    std::os::unix::fs::symlink(&real, &link).unwrap();
    merge::write(Client::Cursor, &link, &entry()).unwrap();
    assert!(std::fs::symlink_metadata(&link).unwrap().is_symlink());
    assert_eq!(std::fs::metadata(&real).unwrap().permissions().mode() & 0o777, 0o640);
    // Those that lead to nothing yet are written through, however many there are on the way.
    let (first, second) = (folder.path().join("first.json"), folder.path().join("second.json"));
    std::os::unix::fs::symlink("second.json", &first).unwrap();
    std::os::unix::fs::symlink("new/deep/real.json", &second).unwrap();
    let merged = merge::write(Client::Cursor, &first, &entry()).unwrap();
    assert!(merged.path.ends_with("new/deep/real.json") && merged.backup.is_none(), "{merged:?}");
    for link in [&first, &second] {
        assert!(std::fs::symlink_metadata(link).unwrap().is_symlink());
        assert!(std::fs::read_to_string(link).unwrap().contains(ENTRY));
    }
    let round = folder.path().join("round.json");
    std::os::unix::fs::symlink("round.json", &round).unwrap();
    assert!(merge::write(Client::Cursor, &round, &entry()).unwrap_err().to_string().contains("links"));
    let fresh = folder.path().join("fresh.json");
    merge::write(Client::Cursor, &fresh, &entry()).unwrap();
    assert_eq!(std::fs::metadata(&fresh).unwrap().permissions().mode() & 0o777, 0o600, "it may hold a bearer");
}
