use super::*;
use serde_json::json;

#[test]
fn definitions_are_strict_described_and_small() {
    let mut bytes = 0;
    for tool in ToolName::ALL {
        assert_eq!(ToolName::parse(tool.name()), Some(tool));
        let definition = serde_json::to_value(tool.definition()).unwrap();
        bytes += definition.to_string().len();
        let (input, output) = (&definition["inputSchema"], &definition["outputSchema"]);
        let answer = &output["anyOf"][0];
        assert_eq!((&input["type"], &output["type"]), (&json!("object"), &json!("object")), "{definition}");
        assert_eq!((&input["additionalProperties"], &answer["additionalProperties"]), (&json!(false), &json!(false)));
        assert_eq!(output["anyOf"][1], json!({ "required": ["code", "retryable"] }), "a refusal fits too");
        assert_eq!(
            definition["annotations"],
            json!({ "readOnlyHint": true, "destructiveHint": false, "idempotentHint": true, "openWorldHint": false })
        );
        for (name, property) in definition["inputSchema"]["properties"].as_object().unwrap() {
            assert!(property["description"].is_string() && property["examples"].is_array(), "{name}");
        }
        for field in ["mode", "data", "as_of", "seq", "age_ms", "feed_state"] {
            assert!(answer["required"].as_array().unwrap().contains(&json!(field)), "{field}");
        }
        assert!(!definition.to_string().contains("$ref"), "some clients do not follow references");
    }
    // About 700 tokens a tool, answers included; those of the input alone are a fifth of it.
    assert!(bytes < 8_600, "{bytes} bytes");
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
