use super::*;
use crate::caller::Caller;
use crate::tools::ToolName;
use crate::tools::stage::stage;
use rmcp::model::CallToolResult;

async fn ask(facade: &Facade, arguments: &Value) -> CallToolResult {
    facade.call(ToolName::ComputeIndicators, arguments.as_object().unwrap().clone(), &Caller::program()).await
}

async fn answer_to(facade: &Facade, arguments: &Value) -> Value {
    let result = ask(facade, arguments).await;
    let structured = result.structured_content.unwrap();
    assert_ne!(result.is_error, Some(true), "{structured}");
    structured
}

#[tokio::test]
async fn pages_are_the_rows_of_one_answer() {
    let facade = stage(0, 5);
    let asked = |limit: usize, cursor: &Value| {
        let mut arguments = json!({
            "instruments": ["BINANCE:ETHUSDT", "BINANCE:BTCUSDT"], "interval": "1d",
            "expressions": ["ema(close, 10)", "lag(close) < close"], "limit": limit
        });
        if cursor.is_string() {
            arguments["cursor"] = cursor.clone();
        }
        arguments
    };
    let whole = answer_to(&facade, &asked(150, &Value::Null)).await;
    let (mut pages, mut cursor) = (Vec::new(), Value::Null);
    for limit in [60, 60, 60, 60] {
        let page = answer_to(&facade, &asked(limit, &cursor)).await;
        pages.splice(0..0, page["values"]["rows"].as_array().unwrap().clone());
        cursor = page["cursor"].clone();
        if cursor.is_null() {
            break;
        }
    }
    assert!(cursor.is_null(), "200 days are four pages");
    let rows = whole["values"]["rows"].as_array().unwrap();
    assert_eq!((rows.len(), pages.len()), (150, 200));
    assert_eq!(rows[..], pages[50..]);
    assert!(pages.is_sorted_by(|one, other| one[1].as_str() < other[1].as_str()));
}

#[tokio::test]
async fn what_takes_too_much_is_refused_before_it_is_begun() {
    let facade = stage(20, 5);
    let keys: Vec<String> = (1..=20).map(|number| format!("SIM:S{number:04}")).collect();
    let ask = async |count: usize, expression: &str| {
        let arguments = json!({ "instruments": keys[..count], "interval": "1m", "expressions": [expression] });
        let result = ask(&facade, &arguments).await;
        (result.is_error == Some(true)).then(|| result.structured_content.unwrap()["code"].clone())
    };
    assert_eq!(ask(20, "sma(close, 500)").await, None);
    assert_eq!(ask(9, "sma(close, 10000)").await, None);
    assert_eq!(ask(20, "sma(close, 10000)").await, Some(json!("out_of_range")));
    let long = (0..20).fold("close".to_owned(), |inner, _| format!("lag({inner}, 10000)"));
    assert_eq!(ask(1, &long).await, Some(json!("too_much")));
}

#[test]
fn numbers_have_ten_digits_unless_they_are_whole() {
    for (value, expect) in [
        (Some(1.0), json!(1)),
        (Some(2.0 / 3.0), json!(0.666_666_666_7)),
        (Some(-1.234_567_890_123e-7), json!(-1.234_567_89e-7)),
        (Some(1e300), json!(1e300)),
        (Some(123_456_789_012.0), json!(123_456_789_012i64)),
        (None, Value::Null),
    ] {
        assert_eq!(shown(value, Kind::Number), expect, "{value:?}");
    }
    assert_eq!(shown(Some(1.0), Kind::Condition), json!(true));
    assert_eq!(shown(Some(0.0), Kind::Condition), json!(false));
}
