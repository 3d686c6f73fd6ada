use super::*;

#[test]
fn only_a_message_is_one() {
    let right = [
        json!({ "jsonrpc": "2.0", "method": "ping", "id": 1 }),
        json!({ "jsonrpc": "2.0", "method": "ping", "id": "" }),
        json!({ "jsonrpc": "2.0", "method": "ping", "id": -9_223_372_036_854_775_808_i64, "params": {} }),
        json!({ "jsonrpc": "2.0", "method": "notifications/initialized" }),
        json!({ "jsonrpc": "2.0", "id": 1, "result": {} }),
        json!({ "jsonrpc": "2.0", "id": null, "error": { "code": 1, "message": "x" } }),
    ];
    for message in right {
        assert_eq!(check(&message), Ok(()), "{message}");
    }
    let ids = [json!(1.5), json!(1.0), json!(1e300), json!(u64::MAX), json!(null), json!(true), json!([1]), json!({})];
    for id in ids {
        let reason = check(&json!({ "jsonrpc": "2.0", "method": "ping", "id": id })).unwrap_err();
        assert!(reason.contains("id must be"), "{id}: {reason}");
    }
    for message in [
        json!([]),
        json!([{ "jsonrpc": "2.0", "method": "ping", "id": 1 }]),
        json!(1),
        json!("ping"),
        json!(null),
        json!({}),
        json!({ "method": "ping", "id": 1 }),
        json!({ "jsonrpc": 2.0, "method": "ping", "id": 1 }),
        json!({ "jsonrpc": "1.0", "method": "ping", "id": 1 }),
        json!({ "jsonrpc": "2.0", "id": 1 }),
        json!({ "jsonrpc": "2.0", "method": 5, "id": 1 }),
        json!({ "jsonrpc": "2.0", "method": "ping", "id": 1, "params": [] }),
        json!({ "jsonrpc": "2.0", "method": "ping", "id": 1, "params": "x" }),
    ] {
        assert!(check(&message).is_err(), "{message}");
    }
    assert_eq!(id_of(&json!({ "jsonrpc": "2.0", "method": "ping", "id": 7, "params": [] })), &json!(7));
    assert_eq!(id_of(&json!({ "jsonrpc": "2.0", "method": "ping", "id": 1.5 })), &Value::Null);
    assert_eq!(id_of(&json!({ "id": 7 })), &Value::Null, "nobody asked");
}

#[test]
fn wildcards_and_nothing_accept_both() {
    let accepted = |values: &[&str]| {
        let mut headers = HeaderMap::new();
        for value in values {
            headers.append(ACCEPT, HeaderValue::from_str(value).unwrap());
        }
        accept(&mut headers);
        let both = headers.get_all(ACCEPT).iter().any(|value| value == "application/json, text/event-stream");
        both && headers.get_all(ACCEPT).iter().count() == 1
    };
    for values in [
        &[][..],
        &[""],
        &["*/*"],
        &["*/*;q=0.1"],
        &["text/html, */*;q=0.8"],
        &["application/*"],
        &["text/*"],
        &["application/json, */*"],
        &["application/json", "text/event-stream"],
        &["APPLICATION/JSON;q=0.5,Text/Event-Stream"],
        &["application/json", "text/*"],
    ] {
        assert!(accepted(values), "{values:?}");
    }
    for values in [
        &["application/json"][..],
        &["text/event-stream"],
        &["text/html"],
        &["*/*;q=0"],
        &["*/*, text/event-stream;q=0"],
        &["application/json;q=0, */*"],
        &["application/jsonx"],
    ] {
        assert!(!accepted(values), "{values:?}");
    }
}
