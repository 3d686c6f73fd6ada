use super::*;
use serde_json::json;

#[test]
fn definitions_are_strict_described_and_small() {
    for tool in ToolName::ALL {
        assert_eq!(ToolName::parse(tool.name()), Some(tool));
        let definition = serde_json::to_value(tool.definition()).unwrap();
        for schema in ["inputSchema", "outputSchema"] {
            assert_eq!(definition[schema]["type"], "object", "{schema} of {definition}");
            assert_eq!(definition[schema]["additionalProperties"], false);
        }
        assert_eq!(definition["annotations"], json!({ "readOnlyHint": true, "openWorldHint": false }));
        for (name, property) in definition["inputSchema"]["properties"].as_object().unwrap() {
            // What is opaque has no example that would be right.
            let is_shown = property["examples"].is_array()
                || property["enum"].is_array()
                || ["cursor", "handle"].contains(&name.as_str());
            assert!(property["description"].is_string() && is_shown, "{name}");
        }
        for field in ["mode", "data", "as_of", "seq", "age_ms", "feed_state"] {
            assert!(definition["outputSchema"]["required"].as_array().unwrap().contains(&json!(field)), "{field}");
        }
        assert!(!definition.to_string().contains("$ref"), "some clients do not follow references");
    }
}

#[test]
fn names_are_sorted_and_unknown_ones_are_told_the_nearest() {
    assert!(ToolName::ALL.map(ToolName::name).is_sorted());
    assert_eq!(ToolName::parse("get_Depth"), None);
    let run = crate::wire::Run {
        name: "monday".to_owned(),
        mode: crate::wire::Mode::Replay,
        data: crate::wire::Data::Recorded,
    };
    let error = unknown_tool("get_dept", &Envelope::unknown(&run));
    let data = error.data.unwrap();
    assert_eq!((&data["nearest"], &data["mode"], &data["seq"]), (&json!("get_depth"), &json!("REPLAY"), &Value::Null));
}

#[test]
fn a_malformed_call_is_told_apart_from_an_unknown_method() {
    let params = json!({ "name": "get_depth", "arguments": ["BINANCE:BTCUSDT"] });
    let refusal = malformed_call("tools/call", Some(&params)).unwrap();
    assert_eq!((refusal.code, refusal.field.as_deref()), ("wrong_type", Some("arguments")));
    let code = |method, params: Option<&Value>| malformed_call(method, params).unwrap_err().code;
    assert_eq!(code("tools/call", None), ErrorCode::INVALID_PARAMS);
    assert_eq!(code("tools/call", Some(&json!({ "name": 5 }))), ErrorCode::INVALID_PARAMS);
    assert_eq!(code("tools/list", Some(&json!([]))), ErrorCode::INVALID_PARAMS);
    assert_eq!(code("orders/place", None), ErrorCode::METHOD_NOT_FOUND);
}

#[test]
fn an_unknown_instrument_is_told_how_it_could_be_known() {
    let told = |mode, data| {
        let run = crate::wire::Run { name: "BTCUSDT,ETHUSDT".to_owned(), mode, data };
        let refusal = Refusal { code: UNKNOWN_INSTRUMENT, ..unavailable("", "No.", false) };
        add_how_to_subscribe(refusal, &run).message
    };
    assert!(told(Mode::Paper, Data::Real).ends_with("restart with --symbols BTCUSDT,ETHUSDT,SYMBOL."));
    assert!(told(Mode::Paper, Data::Recorded).contains("--symbols"), "a capture served over sockets");
    assert!(told(Mode::Paper, Data::Simulated).contains("--instruments"));
    assert!(told(Mode::Replay, Data::Recorded).ends_with("This replay holds no others."));
    let other = add_how_to_subscribe(
        unavailable("engine_busy", "Busy.", true),
        &crate::wire::Run { name: String::new(), mode: Mode::Replay, data: Data::Recorded },
    );
    assert_eq!(other.message, "Busy.");
}
