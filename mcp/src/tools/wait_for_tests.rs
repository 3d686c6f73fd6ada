use super::*;
use crate::tools::ToolName;
use crate::tools::stage::stage;
use rmcp::model::CallToolResult;

async fn ask(facade: &Facade, arguments: Value) -> CallToolResult {
    facade.call(ToolName::WaitFor, arguments.as_object().unwrap().clone(), &Principal::program()).await
}

fn said(result: &CallToolResult) -> &Value {
    result.structured_content.as_ref().unwrap()
}

#[tokio::test]
async fn what_is_true_already_is_told_at_once() {
    let facade = stage(0, 3);
    let arguments = json!({ "instrument": "BINANCE:ETHUSDT", "condition": "close > sma(3)", "interval": "1d" });
    let result = ask(&facade, arguments).await;
    let said = said(&result);
    assert_eq!((&said["fired"], &said["seen_by"], &said["handle"]), (&json!(true), &json!("bars"), &Value::Null));
    assert!(said["values"]["close"].is_number() && said["values"]["sma(3)"].is_number(), "{said}");
    assert_eq!(said["at"], "2024-08-08T00:00:00Z");
}

#[tokio::test]
async fn what_is_not_true_gives_a_handle_that_stands_alone() {
    let facade = stage(0, 3);
    let arguments = json!({ "instrument": "BINANCE:ETHUSDT", "condition": "close < 0", "interval": "1d", "wait_s": 1 });
    let first = ask(&facade, arguments).await;
    assert_eq!((&said(&first)["fired"], &said(&first)["values"]), (&json!(false), &json!({})));
    let handle = said(&first)["handle"].as_str().unwrap();
    for (arguments, field) in [
        (json!({ "handle": handle, "interval": "1d" }), "interval"),
        (json!({ "handle": format!("{handle}A") }), "handle"),
        (json!({ "handle": "é".repeat(5_000) }), "handle"),
        (json!({ "instrument": "BINANCE:ETHUSDT", "condition": "close", "interval": "1d" }), "condition"),
        (
            json!({ "instrument": "BINANCE:ETHUSDT", "condition": "lag(close, 9000) + lag(close, 9001) + lag(close, 9002) + lag(close, 9003) > 0", "interval": "1d" }),
            "condition",
        ),
        (json!({}), "instrument"),
    ] {
        let refused = ask(&facade, arguments.clone()).await;
        assert_eq!((refused.is_error, &said(&refused)["field"]), (Some(true), &json!(field)), "{arguments}");
    }
}
