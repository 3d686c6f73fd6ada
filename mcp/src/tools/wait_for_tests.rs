use super::*;
use crate::tools::ToolName;
use crate::tools::stage::stage;
use rmcp::model::CallToolResult;

async fn ask(facade: &Facade, arguments: Value) -> CallToolResult {
    facade.call(ToolName::WaitFor, arguments.as_object().unwrap().clone(), &Caller::program()).await
}

fn said(result: &CallToolResult) -> &Value {
    result.structured_content.as_ref().unwrap()
}

#[tokio::test]
async fn what_is_true_already_is_told_at_once() {
    let facade = stage(0, 3);
    let arguments = json!({ "instrument": "BINANCE:ETHUSDT", "condition": "close < sma(3)", "interval": "1d" });
    let result = ask(&facade, arguments).await;
    let said = said(&result);
    assert_eq!((&said["fired"], &said["seen_by"], &said["handle"]), (&json!(true), &json!("bars"), &Value::Null));
    assert!(said["values"]["close"].is_number() && said["values"]["sma(3)"].is_number(), "{said}");
    assert_eq!(said["at"], "2024-08-08T00:00:00Z");
}

#[tokio::test]
async fn what_is_not_true_gives_a_handle_for_the_same_question() {
    let facade = stage(0, 3);
    let of = |condition: &str| json!({ "instrument": "BINANCE:ETHUSDT", "condition": condition, "interval": "1d" });
    let with = |mut arguments: Value, name: &str, value: Value| {
        arguments[name] = value;
        arguments
    };
    let first = ask(&facade, with(of("close < 0"), "wait_s", json!(1))).await;
    assert_eq!((&said(&first)["fired"], &said(&first)["values"]), (&json!(false), &json!({})));
    let handle = said(&first)["handle"].clone();
    let far = "lag(close, 9000) + lag(close, 9001) + lag(close, 9002) + lag(close, 9003) > 0";
    for (arguments, field) in [
        (with(of("close < 1"), "handle", handle.clone()), "handle"),
        (with(of("close < 0"), "handle", json!("é".repeat(5_000))), "handle"),
        (of("close"), "condition"),
        (of(far), "condition"),
    ] {
        let refused = ask(&facade, arguments.clone()).await;
        assert_eq!((refused.is_error, &said(&refused)["field"]), (Some(true), &json!(field)), "{arguments}");
    }
    let again = ask(&facade, with(with(of("close < 0"), "handle", handle), "wait_s", json!(1))).await;
    assert_eq!(said(&again)["primed_from"], said(&first)["primed_from"]);
    assert!(said(&first)["primed_from"].is_string() && said(&again)["unwatched"].is_null());
}
