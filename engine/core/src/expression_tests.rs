//! Compiled and incremental is the same as worked out from scratch at every bar.

use super::*;
use crate::bar::INTERVALS;
use crate::cases;
use crate::indicator;
use crate::time::Nanos;
use rand::{Rng, RngExt, SeedableRng};
use rand_pcg::Pcg64Mcg;
use std::collections::BTreeMap;
use std::sync::Arc;

const BASE: Interval = INTERVALS[1];
/// Bars of the base interval that a test looks at.
const BARS: i64 = 40;

/// Bars of every series that there is, by the end of each.
struct Data(BTreeMap<Series, Vec<(Nanos, Row)>>);

impl Data {
    /// A walk with holes: no bar where nothing was traded.
    fn random(random: &mut impl Rng) -> Data {
        let mut all = BTreeMap::new();
        for instrument in [None, Some(0)] {
            for interval in [BASE, INTERVALS[2], INTERVALS[3]] {
                let mut price = 100.0f64;
                let mut bars = Vec::new();
                let span = interval.span.raw();
                for bucket in 0..BARS * BASE.span.raw() / span {
                    if random.random_range(0..8) == 0 {
                        continue;
                    }
                    // Ticks, so that values often are equal.
                    let mut step = || f64::from(random.random_range(-3..=3)) * 0.5;
                    let (open, close) = (price, price + step());
                    let (high, low) = (open.max(close) + step().abs(), open.min(close) - step().abs());
                    price = close;
                    let (volume, trades) = (random.random_range(0..5), random.random_range(1..9));
                    let time = bucket * span / 1_000_000_000;
                    let row = [open, high, low, close, f64::from(volume), f64::from(trades), time as f64];
                    bars.push((Nanos::new((bucket + 1) * span), row));
                }
                all.insert(Series { instrument, interval }, bars);
            }
        }
        Data(all)
    }

    /// The values of the latest bar that had ended by then.
    fn latest(&self, series: Series, values: &[f64], end: Nanos) -> f64 {
        let count = self.0[&series].partition_point(|(other, _)| *other <= end);
        count.checked_sub(1).map_or(f64::NAN, |at| values[at])
    }
}

/// Values at each bar of a series; what never changes has none.
struct Naive {
    series: Option<Series>,
    values: Vec<f64>,
}

/// The values of `inner` at the bars that all of them change with, or else those of the instrument itself.
fn align(data: &Data, inner: Vec<Naive>, interval: Interval, always: bool) -> (Option<Series>, Vec<Vec<f64>>) {
    let mut all = inner.iter().filter_map(|part| part.series);
    let first = all.next();
    let own = Series { instrument: None, interval };
    let common = first.map(|first| if all.all(|other| other == first) { first } else { own });
    let Some(series) = common.or(always.then_some(own)) else {
        return (None, inner.into_iter().map(|part| part.values).collect());
    };
    let at = |part: &Naive, end: Nanos| match part.series {
        None => part.values[0],
        Some(series) => data.latest(series, &part.values, end),
    };
    let ends = data.0[&series].iter().map(|(end, _)| *end);
    (Some(series), inner.iter().map(|part| ends.clone().map(|end| at(part, end)).collect()).collect())
}

fn naive(data: &Data, expr: &Expr, interval: Interval) -> Naive {
    let inner = |inner: &[&Expr], always: bool| {
        let parts = inner.iter().map(|expr| naive(data, expr, interval)).collect();
        align(data, parts, interval, always)
    };
    let each = |(series, inputs): (Option<Series>, Vec<Vec<f64>>), value: &dyn Fn(&[Vec<f64>], usize) -> f64| {
        let len = inputs[0].len();
        Naive { series, values: (0..len).map(|at| value(&inputs, at)).collect() }
    };
    match expr.node() {
        Node::Constant(value) => Naive { series: None, values: vec![*value] },
        Node::Column(instrument, column) => {
            let series = Series { instrument: *instrument, interval };
            let values = data.0[&series].iter().map(|(_, row)| row[*column as usize]).collect();
            Naive { series: Some(series), values }
        }
        Node::Live(..) => unreachable!("not generated"),
        Node::At(interval, expr) => naive(data, expr, *interval),
        Node::Operator(operator, arguments) => {
            let arguments: Vec<&Expr> = arguments.iter().collect();
            each(inner(&arguments, false), &|inputs, at| {
                let argument = |number: usize| inputs.get(number).map_or(0.0, |values| values[at]);
                naive_operator(*operator, argument(0), argument(1), argument(2))
            })
        }
        Node::Lag(bars, expr) => each(inner(&[expr], true), &|inputs, at| {
            at.checked_sub(*bars as usize).map_or(f64::NAN, |at| inputs[0][at])
        }),
        Node::Since(expr) => each(inner(&[expr], true), &|inputs, at| {
            let found = inputs[0][..=at].iter().rposition(|&value| value == 1.0);
            found.map_or(f64::NAN, |found| (at - found) as f64)
        }),
        Node::CountTrue(bars, expr) => each(inner(&[expr], true), &|inputs, at| {
            let Some(from) = (at + 1).checked_sub(*bars as usize) else { return f64::NAN };
            inputs[0][from..=at].iter().filter(|&&value| value == 1.0).count() as f64
        }),
        Node::Call(fresh, inputs, output) => {
            let inputs: Vec<&Expr> = inputs.iter().collect();
            each(inner(&inputs, true), &|inputs, at| {
                let (mut indicator, mut out, mut is_there) = (fresh.clone(), [0.0; 5], false);
                for at in 0..=at {
                    let values: Vec<f64> = inputs.iter().map(|values| values[at]).collect();
                    is_there = indicator.update(&values, &mut out[..indicator.function().outputs.len()]);
                }
                if is_there { out[*output] } else { f64::NAN }
            })
        }
    }
}

fn number(value: f64) -> Option<f64> {
    Some(value).filter(|value| !value.is_nan())
}

fn truth(value: f64) -> Option<bool> {
    number(value).map(|value| value == 1.0)
}

/// Three-valued logic by its tables.
fn naive_condition(operator: Operator, x: f64, y: f64) -> Option<Option<bool>> {
    let compare = |holds: fn(&f64, &f64) -> bool| number(x).and_then(|x| number(y).map(|y| holds(&x, &y)));
    Some(match operator {
        Operator::And => match (truth(x), truth(y)) {
            (Some(false), _) | (_, Some(false)) => Some(false),
            (Some(true), Some(true)) => Some(true),
            _ => None,
        },
        Operator::Or => match (truth(x), truth(y)) {
            (Some(true), _) | (_, Some(true)) => Some(true),
            (Some(false), Some(false)) => Some(false),
            _ => None,
        },
        Operator::Not => truth(x).map(|x| !x),
        Operator::Equal => compare(f64::eq),
        Operator::NotEqual => compare(f64::ne),
        Operator::Less => compare(f64::lt),
        Operator::LessOrEqual => compare(f64::le),
        Operator::Greater => compare(f64::gt),
        Operator::GreaterOrEqual => compare(f64::ge),
        Operator::IsNull => Some(number(x).is_none()),
        _ => return None,
    })
}

fn naive_operator(operator: Operator, x: f64, y: f64, z: f64) -> f64 {
    if let Some(condition) = naive_condition(operator, x, y) {
        return condition.map_or(f64::NAN, f64::from);
    }
    let choose = |of: fn(f64, f64) -> bool| match (number(x), number(y)) {
        (Some(x), Some(y)) => {
            if of(x, y) {
                x
            } else {
                y
            }
        }
        (x, y) => x.or(y).unwrap_or(f64::NAN),
    };
    let value = match operator {
        Operator::If => {
            if truth(x) == Some(true) {
                y
            } else {
                z
            }
        }
        Operator::Coalesce => number(x).unwrap_or(y),
        Operator::NullIf => {
            if number(x).is_some() && number(x) == number(y) {
                f64::NAN
            } else {
                x
            }
        }
        Operator::Least => choose(|x, y| x < y),
        Operator::Greatest => choose(|x, y| x > y),
        Operator::Negate => 0.0 - x,
        Operator::Add => x + y,
        Operator::Subtract => x - y,
        Operator::Multiply => x * y,
        Operator::Divide => x / y,
        Operator::Remainder => x % y,
        Operator::Abs => {
            if x < 0.0 {
                0.0 - x
            } else {
                x
            }
        }
        Operator::Sign => number(x).map_or(f64::NAN, |x| f64::from(i8::from(x > 0.0) - i8::from(x < 0.0))),
        Operator::Sqrt => x.sqrt(),
        Operator::Exp => libm::exp(x),
        Operator::Ln => libm::log(x),
        Operator::Log10 => libm::log10(x),
        Operator::Power => libm::pow(x, y),
        Operator::Floor => x.floor(),
        Operator::Ceil => x.ceil(),
        Operator::Round => x.round(),
        other => unreachable!("{other:?} is a condition"),
    };
    if value.is_finite() { value } else { f64::NAN }
}

/// A random tree of a kind, at most `depth` deep.
fn generate(random: &mut impl Rng, kind: Kind, depth: u32) -> Expr {
    loop {
        if let Ok(expr) = attempt(random, kind, depth) {
            return expr;
        }
    }
}

fn attempt(random: &mut impl Rng, kind: Kind, depth: u32) -> Result<Expr, ExprError> {
    if depth == 0 || random.random_range(0..6) == 0 {
        return Ok(leaf(random, kind));
    }
    let deeper = depth - 1;
    match random.random_range(0..10) {
        0 => generate(random, kind, deeper).lag(f64::from(random.random_range(0..6))),
        1 => generate(random, kind, deeper).at(INTERVALS[random.random_range(1..4)]),
        2 if kind == Kind::Number => generate(random, Kind::Condition, deeper).since(),
        3 if kind == Kind::Number => {
            generate(random, Kind::Condition, deeper).count_true(f64::from(random.random_range(1..6)))
        }
        4..7 if kind == Kind::Number => {
            let functions: Vec<_> = indicator::catalogue().collect();
            let function = functions[random.random_range(0..functions.len())];
            let mut param = |param: &indicator::Param| {
                let (min, max) = (param.range.0, param.range.1.min(param.range.0 + 6.0));
                if param.is_whole {
                    random.random_range(min as i64..=max as i64) as f64
                } else {
                    random.random_range(min..=max)
                }
            };
            let params: Vec<f64> = function.params.iter().map(&mut param).collect();
            let inputs = function.inputs.iter().map(|_| generate(random, Kind::Number, deeper)).collect();
            Expr::call(function, &params, inputs, random.random_range(0..function.outputs.len()))
        }
        2..4 if kind == Kind::Condition => {
            let (one, other) = (generate(random, Kind::Number, deeper), generate(random, Kind::Number, deeper));
            if random.random() { one.crosses_above(other) } else { one.crosses_below(other) }
        }
        _ => {
            let operator = Operator::ALL[random.random_range(0..Operator::ALL.len())];
            let kinds = [Kind::Number, Kind::Condition];
            let count = random.random_range(1..4);
            let mut argument = || {
                let kind = kinds[random.random_range(0..2)];
                generate(random, kind, deeper)
            };
            let arguments = (0..count).map(|_| argument()).collect();
            Expr::apply(operator, arguments).and_then(|expr| expr.expect("", 0, kind))
        }
    }
}

fn leaf(random: &mut impl Rng, kind: Kind) -> Expr {
    if kind == Kind::Condition {
        return Expr::truth([Some(true), Some(false), None][random.random_range(0..3)]);
    }
    match random.random_range(0..4) {
        0 => Expr::number([0.0, 1.0, -2.5, 100.0, f64::NAN][random.random_range(0..5)]),
        _ => {
            let instrument = [None, None, Some(0)][random.random_range(0..3)];
            Expr::column(instrument, Column::ALL[random.random_range(0..Column::ALL.len())])
        }
    }
}

/// What an evaluator shows at each bar of the base.
fn run(evaluator: &mut Evaluator, data: &Data) -> Vec<Vec<Option<f64>>> {
    let series = evaluator.program().series().to_vec();
    let mut closings: BTreeMap<Nanos, Vec<(usize, Row)>> = BTreeMap::new();
    for (number, series) in series.iter().enumerate() {
        for (end, row) in &data.0[series] {
            closings.entry(*end).or_default().push((number, *row));
        }
    }
    let mut shown = Vec::new();
    for rows in closings.into_values() {
        rows.iter().for_each(|(series, row)| evaluator.close(*series, row));
        evaluator.evaluate();
        if rows.iter().any(|(series, _)| *series == 0) {
            shown.push(evaluator.values().collect());
        }
    }
    shown
}

#[test]
fn what_is_compiled_is_what_is_worked_out_from_scratch() {
    let count = cases::count(100_000, 1_000_000);
    let (mut known, mut unknown, mut steps) = (0u64, 0u64, 0);
    let mut data = Data::random(&mut Pcg64Mcg::seed_from_u64(0));
    for seed in 0..count {
        let mut random = Pcg64Mcg::seed_from_u64(seed);
        if seed % 1_000 == 0 {
            data = Data::random(&mut random);
        }
        let kind = [Kind::Number, Kind::Condition][random.random_range(0..2)];
        let expr = generate(&mut random, kind, 4);
        let program = Arc::new(Program::compile(std::slice::from_ref(&expr), BASE));
        steps += program.len();
        let shown = run(&mut Evaluator::new(program), &data);
        let expect = naive(&data, &expr, BASE);
        let base = &data.0[&Series { instrument: None, interval: BASE }];
        for ((end, _), shown) in base.iter().zip(&shown) {
            let expect = match expect.series {
                None => expect.values[0],
                Some(series) => data.latest(series, &expect.values, *end),
            };
            let expect = Some(expect).filter(|value| !value.is_nan());
            assert_eq!(shown[0], expect, "not as from scratch: seed {seed} at {end:?}: {expr:?}");
            *(if expect.is_some() { &mut known } else { &mut unknown }) += 1;
        }
    }
    println!("{count} expressions, {steps} steps, {known} values and {unknown} NULLs as from scratch");
    assert!(known > unknown / 4, "{known} {unknown}");
}

#[test]
fn what_expressions_have_in_common_is_done_once() {
    let call = |name: &str, period: f64| {
        Expr::call(indicator::find(name).unwrap(), &[period], vec![Expr::column(None, Column::Close)], 0).unwrap()
    };
    let above =
        |level: u32| Expr::apply(Operator::Greater, vec![call("ema", 20.0), Expr::number(f64::from(level))]).unwrap();
    let expressions: Vec<Expr> = (0..1_000).map(above).collect();
    let program = Program::compile(&expressions, BASE);
    assert_eq!(program.len(), 2 + 2 * 1_000, "a column, an average, and a level and a comparison each");
    assert_eq!(program.warmups(), [19]);
    let again: Vec<Expr> = expressions.iter().chain(&expressions).cloned().collect();
    assert_eq!(Program::compile(&again, BASE).len(), program.len());
}

#[test]
fn what_makes_no_sense_is_refused_by_name() {
    let close = || Expr::column(None, Column::Close);
    let sma = |params: &[f64], input: Expr| Expr::call(indicator::find("sma").unwrap(), params, vec![input], 0);
    let say = |result: Result<Expr, ExprError>| result.unwrap_err().to_string();
    assert_eq!(
        say(Expr::apply(Operator::And, vec![close(), close()])),
        "and wants a condition here, and this is a number"
    );
    assert_eq!(say(Expr::apply(Operator::Abs, vec![])), "abs takes one argument, not 0");
    assert_eq!(say(sma(&[0.0], close())), "period of sma is 0: it must be a whole number from 2 to 10000");
    assert_eq!(say(sma(&[3.0], Expr::truth(None))), "sma wants a number here, and this is a condition");
    let live = || Expr::live(None, Column::Close);
    let closed = "is made of closed bars, and live values change until theirs closes";
    assert_eq!(say(sma(&[3.0], live())), format!("sma {closed}"));
    assert_eq!(say(live().lag(1.0)), format!("lag {closed}"));
    assert_eq!(say(close().lag(-1.0)), "lag looks back -1 bars: it must be a whole number from 0 to 10000");
    assert_eq!(say(close().since()), "since wants a condition here, and this is a number");
    let deep = (0..DEPTH_MAX).try_fold(close(), |expr, _| Expr::apply(Operator::Negate, vec![expr]));
    assert_eq!(say(deep), "nested more than 64 deep");
    let wide = (0..12).try_fold(close(), |expr, _| Expr::apply(Operator::Add, vec![expr.clone(), expr]));
    assert_eq!(say(wide), "more than 2000 parts");
}

#[test]
fn the_open_bar_changes_nothing_that_is_remembered() {
    let condition =
        Expr::apply(Operator::Greater, vec![Expr::live(None, Column::Close), Expr::column(None, Column::High)])
            .unwrap();
    assert!(condition.is_live());
    let mut evaluator = Evaluator::new(Arc::new(Program::compile(&[condition], BASE)));
    let row = |price: f64| [price, price, price, price, 1.0, 1.0, 0.0];
    let show = |evaluator: &mut Evaluator| {
        evaluator.evaluate();
        evaluator.values().next().unwrap()
    };
    evaluator.close(0, &row(10.0));
    assert_eq!(show(&mut evaluator), None);
    evaluator.open(0, Some(&row(11.0)));
    assert_eq!(show(&mut evaluator), Some(1.0));
    evaluator.open(0, Some(&row(9.0)));
    assert_eq!(show(&mut evaluator), Some(0.0));
    evaluator.open(0, None);
    assert_eq!(show(&mut evaluator), None);
}

#[test]
fn a_run_ends_when_it_is_not_wanted_any_more() {
    use crate::bar::{Bar, BarFlags};
    let price = crate::price::Price::from_raw(1).unwrap();
    let bar = |at: i64| Bar {
        start: Nanos::new(at * BASE.span.raw()),
        open: price,
        high: price,
        low: price,
        close: price,
        volume: 0,
        trades: 1,
        revision: 0,
        flags: BarFlags::default(),
    };
    let bars: Vec<Bar> = (0..100_000).map(bar).collect();
    let program = Arc::new(Program::compile(&[Expr::column(None, Column::Close)], BASE));
    for wanted in [0, 1, 2, usize::MAX] {
        let (mut asked, mut shown) = (0, 0);
        let goes_on = || {
            asked += 1;
            asked <= wanted
        };
        let is_through = Evaluator::new(Arc::clone(&program)).run_while(&[&bars], goes_on, |_, _| shown += 1);
        assert_eq!(is_through, wanted == usize::MAX);
        // Each step of the program and each series counts.
        let most =
            STEPS_UNASKED.saturating_mul(wanted.saturating_add(1)) / (program.len() + 1) + wanted.min(bars.len()) + 1;
        assert!(shown <= most.min(bars.len()) && (shown == bars.len()) == is_through, "{shown} of {most}");
    }
}

#[test]
fn what_is_remembered_is_bounded_however_it_is_put_together() {
    let long = || Expr::column(None, Column::Close).lag(f64::from(LAG_MAX)).unwrap();
    let most = REMEMBERED_MAX / LAG_MAX;
    let add = |one: Expr, other: Expr| Expr::apply(Operator::Add, vec![one, other]);
    let sum = (1..most).try_fold(long(), |sum, _| add(sum, long())).unwrap();
    assert_eq!(sum.remembered(), REMEMBERED_MAX as usize);
    assert_eq!(add(sum.clone(), Expr::number(1.0)).unwrap().remembered(), REMEMBERED_MAX as usize);
    assert_eq!(add(sum.clone(), long()).unwrap_err(), ExprError::Remembered, "beside each other");
    assert_eq!(sum.lag(1.0).unwrap_err(), ExprError::Remembered, "in each other");
}
