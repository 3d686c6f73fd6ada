use super::*;
use arrow::array::{RecordBatch, StringArray, TimestampNanosecondArray};
use arrow::datatypes::Schema;
use rand::{RngExt, SeedableRng};
use rand_pcg::Pcg64Mcg;

const ROWS: usize = 500;

/// Two symbols' bars, their rows in no order, with holes in `close`.
fn context() -> (SessionContext, [Vec<Option<f64>>; 2]) {
    let mut random = Pcg64Mcg::seed_from_u64(1);
    let mut price = 100.0f64;
    let mut close = || {
        price += random.random_range(-1.0..1.0f64);
        (random.random_range(0..20) > 0).then_some(price)
    };
    let closes = [(); 2].map(|()| (0..ROWS).map(|_| close()).collect::<Vec<_>>());
    let mut order: Vec<usize> = (0..2 * ROWS).collect();
    order.sort_by_key(|row| row * 7_919 % (2 * ROWS));
    let symbol = |row: &usize| ["NSE:INFY", "NSE:TCS"][row / ROWS];
    let columns: Vec<(&str, ArrayRef)> = vec![
        ("symbol", Arc::new(StringArray::from_iter_values(order.iter().map(symbol)))),
        ("source", Arc::new(StringArray::from_iter_values(order.iter().map(|_| "SIM")))),
        ("interval", Arc::new(StringArray::from_iter_values(order.iter().map(|_| "1m")))),
        ("ts", Arc::new(order.iter().map(|row| Some((row % ROWS) as i64)).collect::<TimestampNanosecondArray>())),
        ("close", Arc::new(order.iter().map(|row| closes[row / ROWS][row % ROWS]).collect::<Float64Array>())),
    ];
    let fields: Vec<Field> =
        columns.iter().map(|(name, column)| Field::new(*name, column.data_type().clone(), true)).collect();
    let columns = columns.into_iter().map(|(_, column)| column).collect();
    let batch = RecordBatch::try_new(Arc::new(Schema::new(fields)), columns).unwrap();
    let context = SessionContext::new();
    register(&context);
    context.register_batch("bars", batch).unwrap();
    (context, closes)
}

async fn ask(context: &SessionContext, text: &str) -> Result<Vec<Option<f64>>> {
    let plan = plan(context, text).await?;
    let batches = context.execute_logical_plan(plan).await?.collect().await?;
    let column = |batch: &RecordBatch| {
        batch.column(0).as_primitive::<arrow::datatypes::Float64Type>().iter().collect::<Vec<_>>()
    };
    Ok(batches.iter().flat_map(column).collect())
}

fn kernel(name: &str, params: &[f64], output: usize, closes: &[Vec<Option<f64>>; 2]) -> Vec<Option<f64>> {
    let function = indicator::find(name).unwrap();
    let series = |closes: &Vec<Option<f64>>| {
        let mut indicator = Indicator::new(function, params).unwrap();
        let mut out = vec![0.0; function.outputs.len()];
        let mut each =
            |close: &Option<f64>| indicator.update(&[close.unwrap_or(f64::NAN)], &mut out).then(|| out[output]);
        closes.iter().map(&mut each).collect::<Vec<_>>()
    };
    closes.iter().flat_map(series).collect()
}

#[tokio::test]
async fn sql_says_what_the_kernels_say_bit_for_bit() {
    let (context, closes) = context();
    for (text, name, params, output) in [
        ("rsi(close, 14)", "rsi", &[14.0][..], 0),
        ("RSI(close)", "rsi", &[14.0], 0),
        ("ema(close, 20) over (partition by symbol order by ts)", "ema", &[20.0], 0),
        ("macd(close, 12, 26, 9)['signal']", "macd", &[12.0, 26.0, 9.0], 1),
        ("ta_sum(close, 5)", "sum", &[5.0], 0),
        ("ta_rsi(close, 7)", "rsi", &[7.0], 0),
    ] {
        let found = ask(&context, &format!("select {text} from bars order by symbol, ts")).await.unwrap();
        let expect = kernel(name, params, output, &closes);
        assert_eq!(found.len(), 2 * ROWS, "{text}");
        assert!(found.iter().flatten().count() > ROWS, "{text}");
        assert!(found == expect, "{text}");
    }
}

#[tokio::test]
async fn a_condition_says_where_a_function_begins() {
    let (context, closes) = context();
    const SKIPPED: usize = 123;
    let text = format!("select ema(close, 20, ts >= to_timestamp_nanos({SKIPPED})) from bars order by symbol, ts");
    let found = ask(&context, &text).await.unwrap();
    let later = closes.each_ref().map(|closes| closes[SKIPPED..].to_vec());
    let expect = kernel("ema", &[20.0], 0, &later);
    let (first, second) = expect.split_at(ROWS - SKIPPED);
    let nothing = [None; SKIPPED];
    assert!(found == [&nothing[..], first, &nothing, second].concat());
    let from_the_first = ask(&context, "select ema(close, 20) from bars order by symbol, ts").await.unwrap();
    assert!(found != from_the_first && found.iter().flatten().count() > ROWS);
    let never = ask(&context, "select rsi(close, ts is null) from bars").await.unwrap();
    assert!(never.iter().all(Option::is_none));
}

#[tokio::test]
async fn sql_keeps_its_own_functions_and_names_mistakes() {
    let (context, closes) = context();
    let sum = ask(&context, "select sum(close) from bars").await.unwrap();
    let expect: f64 = closes.iter().flatten().flatten().sum();
    assert!((sum[0].unwrap() - expect).abs() < 1e-6);
    for (text, expect) in [
        ("select rsi(close, 1) from bars", "period of rsi is 1"),
        ("select rsi(close, 14, 3) from bars", "write rsi(value, period = 14)"),
        ("select rsi(close, close) from bars", "period of rsi must be a plain number"),
        ("select rsi('x') from bars", "x"),
    ] {
        let error = ask(&context, text).await.unwrap_err().to_string();
        assert!(error.contains(expect), "{text}: {error}");
    }
}

#[tokio::test]
async fn every_function_is_there() {
    let (context, _) = context();
    let mut prefixed = 0;
    for function in indicator::catalogue() {
        assert!(context.udwf(&format!("ta_{}", function.name)).is_ok(), "{}", function.name);
        let is_ours =
            context.udwf(function.name).is_ok_and(|udwf| (udwf.inner().as_ref() as &dyn Any).is::<Windowed>());
        prefixed += usize::from(!is_ours);
    }
    println!("{} functions, {prefixed} of them with ta_ before their names alone", indicator::catalogue().count());
}
