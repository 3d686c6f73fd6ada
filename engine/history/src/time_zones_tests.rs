//! Days and hours of a place in SQL: what is right, and what DataFusion 55.2 gets wrong. The faults are canaries: where
//! one of them is not found any more, it has been mended there, and its part of `tidegate query --help` can go.

use crate::indicator_sql::plan;
use datafusion::arrow::util::display::array_value_to_string;
use datafusion::prelude::{SessionConfig, SessionContext};

/// Four moments around the midnight of Kolkata (18:30 UTC), as `ts` is stored.
const TIMES: &str = "(select arrow_cast(column1, 'Timestamp(Nanosecond, Some(\"UTC\"))') as ts from (values \
                     (timestamp '2026-01-05T18:29:59'), (timestamp '2026-01-05T18:30:00'), \
                     (timestamp '2026-01-05T23:59:59'), (timestamp '2026-01-06T03:45:00')))";

/// The rows of a query of one column, as text.
async fn ask(sql: impl AsRef<str>) -> Vec<String> {
    let context = SessionContext::new_with_config(SessionConfig::new());
    let plan = plan(&context, sql.as_ref()).await.unwrap();
    let batches = context.execute_logical_plan(plan).await.unwrap().collect().await.unwrap();
    let rows = batches
        .iter()
        .flat_map(|batch| (0..batch.num_rows()).map(|row| array_value_to_string(batch.column(0), row).unwrap()));
    rows.collect()
}

#[tokio::test]
async fn days_of_a_place_are_told_by_date_trunc_and_by_date() {
    let local = "ts at time zone 'Asia/Kolkata'";
    let truncated = ask(format!("select date_trunc('day', {local}) from {TIMES} order by ts")).await;
    let days = ["2026-01-05", "2026-01-06", "2026-01-06", "2026-01-06"];
    assert_eq!(truncated, days.map(|day| format!("{day}T00:00:00+05:30")));
    assert_eq!(ask(format!("select cast({local} as date) from {TIMES} order by ts")).await, days);
    let counts = ask(format!("select count(*) from {TIMES} group by date_trunc('day', {local}) order by 1")).await;
    assert_eq!(counts, ["1", "3"]);
    let counts = ask(format!("select count(*) from {TIMES} group by cast({local} as date) order by 1")).await;
    assert_eq!(counts, ["1", "3"]);
    let origin = "timestamp '2026-01-01T03:45:00Z'";
    let hours = ask(format!("select date_bin(interval '1 hour', ts, {origin}) from {TIMES} order by ts")).await;
    let starts = ["05T17:45", "05T17:45", "05T23:45", "06T03:45"];
    assert_eq!(hours, starts.map(|start| format!("2026-01-{start}:00Z")), "hours from 09:15 on");
}

#[tokio::test]
async fn canary_date_bin_counts_from_midnight_utc() {
    let days =
        ask(format!("select date_bin(interval '1 day', ts at time zone 'Asia/Kolkata') from {TIMES} order by ts"));
    // No midnight of any place.
    assert_eq!(days.await[..2], ["2026-01-05T05:30:00+05:30", "2026-01-05T05:30:00+05:30"]);
}

#[tokio::test]
async fn canary_order_by_date_trunc_may_leave_the_order_of_its_input() {
    let truncated = ask("select arrow_cast(date_trunc('hour', ts), 'Int64') from (select arrow_cast(column1, \
         'Timestamp(Second, Some(\"America/Goose_Bay\"))') as ts from (values (562129260::bigint), (562129259::bigint)) \
         order by ts limit 2) order by date_trunc('hour', ts)");
    assert_eq!(truncated.await, ["562129200", "562125600"], "the second is less");
}

#[tokio::test]
async fn canary_a_cast_to_timestamptz_loses_the_zone() {
    let days = ask(format!(
        "select date_trunc('day', (ts at time zone 'Asia/Kolkata')::timestamptz) from {TIMES} order by ts"
    ));
    let days = days.await;
    assert!(days[1].starts_with("2026-01-05T00:00:00") && !days[1].contains("+05:30"), "a day of UTC: {days:?}");
}
