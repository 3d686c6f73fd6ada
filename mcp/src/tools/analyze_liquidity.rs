//! `analyze_liquidity`: what it costs to trade now, worked out from one view of a book, and the flow of late.

use super::Answer;
use super::arguments::{Arguments, DECIMAL};
use super::flow::Flow;
use super::liquidity::{Fill, Known, Size, Touch, fill, imbalance, qty, round_price, slippage_bps};
use super::schema::{instrument, output_schema};
use super::table::Table;
use crate::engine::{DepthView, LiquidityView};
use crate::server::Facade;
use crate::wire::{Envelope, FeedState, Refusal, Run, age_ms, decimal_text, object, plain, price_text, to_decimal};
use rust_decimal::Decimal;
use schemars::JsonSchema;
use serde::Serialize;
use serde_json::{Value, json};
use tidegate_core::{Instrument, Level, Qty, Side, StreamState};

const SIDES: [&str; 2] = ["buy", "sell"];
const IMBALANCE_LEVELS: [usize; 4] = [1, 5, 10, 20];
const DEPTH_BPS: [u32; 4] = [5, 10, 25, 50];
/// The curve around a size that was asked for, in hundredths of it.
const AROUND: [i64; 5] = [25, 50, 100, 200, 400];
/// The curve where none was asked for, in hundredths of what stands at the touch.
const FROM_TOUCH: [i64; 5] = [100, 200, 500, 1_000, 2_000];

/// The liquidity as answered.
#[derive(Debug, Serialize, JsonSchema)]
struct Liquidity {
    // Key with its source.
    instrument: String,
    // Why values are null.
    reason: Option<String>,
    prices: Prices,
    known: Reach,
    imbalance: Table,
    depth: Table,
    costs: Table,
    // Since somebody first asked.
    flow: Flow,
}

#[derive(Debug, Default, Serialize, JsonSchema)]
struct Prices {
    bid: Option<String>,
    ask: Option<String>,
    mid: Option<String>,
    microprice: Option<String>,
    spread: Option<String>,
    spread_bps: Option<String>,
}

/// How far each side is known (null: to its end, or not at all), and how much stands there.
#[derive(Debug, Default, Serialize, JsonSchema)]
struct Reach {
    bid_to: Option<String>,
    ask_to: Option<String>,
    bid_qty: Option<String>,
    ask_qty: Option<String>,
}

pub(super) fn definition() -> (&'static str, &'static str, Value, Value) {
    let size = |description: &str, example: &str| json!({ "type": "string", "description": description, "pattern": DECIMAL, "examples": [example] });
    let input = json!({
        "type": "object",
        "properties": {
            "instrument": instrument(),
            "side": {
                "type": "string", "enum": SIDES, "description": "Only these costs"
            },
            "qty": size("Size", "0.5"),
            "notional": size("Or worth: whole lots", "25000")
        },
        "required": ["instrument"],
        "additionalProperties": false
    });
    let description = "Cost to trade a size (default: multiples of the touch) against mid and touch; spread, microprice, \
                       imbalance, depth near mid. Averages and bps round half away from zero; null beyond the known book. \
                       flow, counted since the first call: order flow, VPIN, Kyle, Amihud, Roll, effective spread.";
    ("Liquidity", description, input, output_schema::<Liquidity>("prices"))
}

pub(super) async fn call(facade: &Facade, arguments: Arguments) -> Result<Answer, Refusal> {
    arguments.only(&["instrument", "side", "qty", "notional"])?;
    let (id, instrument) = arguments.instrument("instrument", &facade.directory)?;
    let side = arguments.choice("side", &SIDES)?;
    let quantity = arguments.decimal("qty", Qty::parse)?;
    // A worth has the range and the decimals of a quantity.
    let notional = arguments.decimal("notional", Qty::parse)?;
    let size = match (quantity, notional) {
        (Some(_), Some(_)) => {
            let message = "notional and qty say the same: leave notional out, or qty.";
            return Err(arguments.unfit(
                "conflicting_argument",
                "notional",
                message,
                "one of qty, notional".to_owned(),
            ));
        }
        (None, Some(_)) if instrument.multiplier.is_none() => {
            let message = "notional needs the contract size, which no master names: leave it out and give qty.";
            return Err(arguments.unfit("unknown_fact", "notional", message, "qty".to_owned()));
        }
        (Some(wanted), None) => Some(Size::Qty(qty(wanted))),
        (None, Some(worth)) => Some(Size::Worth(to_decimal(worth.raw(), Qty::SCALE))),
        (None, None) => None,
    };
    let view = facade.ask(facade.engine.liquidity(id)).await?;
    Ok(answer(&facade.run, &view, side, size))
}

fn answer(run: &Run, view: &LiquidityView, side: Option<&str>, size: Option<Size>) -> Answer {
    let depth = &view.depth;
    let envelope = Envelope {
        age_ms: age_ms(depth.stamp.as_of, depth.last_event),
        feed_state: Some(depth.state.into()),
        ..Envelope::at(run, &depth.stamp)
    };
    let liquidity = liquidity(depth, Flow::new(&view.flow, &depth.instrument), side, size);
    Answer::new(&envelope, &liquidity, &text(&liquidity))
}

fn liquidity(view: &DepthView, flow: Flow, side: Option<&str>, size: Option<Size>) -> Liquidity {
    let instrument = &*view.instrument;
    let is_live = view.state == StreamState::Live;
    // As with depth: what a book holds that is not live is no ground for anything.
    let [bids, asks] = if is_live { [&view.bids[..], &view.asks[..]] } else { [&[][..]; 2] };
    let bids = Known { levels: bids, to: view.known_to_bid };
    let asks = Known { levels: asks, to: view.known_to_ask };
    let touch = Touch::new(bids.levels, asks.levels);
    let mut answer = Liquidity {
        instrument: instrument.to_string(),
        reason: None,
        prices: prices(bids, asks, touch.as_ref(), instrument),
        known: if is_live { reach(bids, asks, instrument) } else { Reach::default() },
        imbalance: Table::new(&["levels", "imbalance"]),
        depth: Table::new(&["bps", "bid_qty", "ask_qty"]),
        costs: Table::new(&COST_COLUMNS),
        flow,
    };
    if let Some(touch) = touch {
        for count in IMBALANCE_LEVELS {
            answer.imbalance.push(vec![json!(count), json!(imbalance(bids, asks, count).map(shown))]);
        }
        for bps in DEPTH_BPS {
            let within = [bids.within(touch.mid, bps, -1), asks.within(touch.mid, bps, 1)].map(|qty| qty.map(shown));
            let [bid_qty, ask_qty] = within.map(|qty| json!(qty));
            answer.depth.push(vec![json!(bps), bid_qty, ask_qty]);
        }
        for name in SIDES.into_iter().filter(|name| side.is_none_or(|side| side == *name)) {
            let (taken, side) = if name == "buy" { (asks, Side::Bid) } else { (bids, Side::Ask) };
            costs(&mut answer.costs, (name, side), taken.levels, size, &touch, instrument);
        }
    }
    answer.reason = reason(view.state.into(), touch.is_some(), &answer);
    answer
}

fn prices(bids: Known<'_>, asks: Known<'_>, touch: Option<&Touch>, instrument: &Instrument) -> Prices {
    let best = |side: Known<'_>| side.levels.first().map(|level| price_text(level.price, instrument));
    let of = |value: fn(&Touch) -> Decimal| touch.map(value);
    Prices {
        bid: best(bids),
        ask: best(asks),
        mid: of(|touch| touch.mid).map(shown),
        microprice: of(|touch| touch.microprice).map(|price| shown(round_price(price, instrument))),
        spread: of(|touch| touch.spread).map(shown),
        spread_bps: of(|touch| touch.spread_bps).map(shown),
    }
}

fn reach(bids: Known<'_>, asks: Known<'_>, instrument: &Instrument) -> Reach {
    Reach {
        bid_to: bids.to.map(|price| price_text(price, instrument)),
        ask_to: asks.to.map(|price| price_text(price, instrument)),
        bid_qty: Some(shown(bids.qty())),
        ask_qty: Some(shown(asks.qty())),
    }
}

const COST_COLUMNS: [&str; 8] = ["side", "times", "qty", "average", "mid_bps", "touch_bps", "levels", "worst"];

/// The costs of one side: of the size that was asked for (`times` 1) and around it.
fn costs(
    table: &mut Table,
    (name, side): (&str, Side),
    levels: &[Level],
    size: Option<Size>,
    touch: &Touch,
    instrument: &Instrument,
) {
    let at_touch = levels.first().map(|level| Size::Qty(qty(level.qty)));
    let Some((unit, curve)) = size.map(|size| (size, AROUND)).or(at_touch.map(|size| (size, FROM_TOUCH))) else {
        return;
    };
    let (sign, best) = if side == Side::Bid { (1, touch.ask) } else { (-1, touch.bid) };
    for hundredths in curve {
        let times = Decimal::new(hundredths, 2);
        let size = unit.times(times);
        let filled = fill(levels, size, instrument);
        let asked = match size {
            Size::Qty(qty) => Some(qty),
            Size::Worth(_) => filled.map(|fill| fill.qty),
        };
        let of = |value: fn(&Fill) -> Decimal| filled.as_ref().map(value);
        table.push(vec![
            json!(name),
            json!(shown(times)),
            json!(asked.map(shown)),
            json!(of(|fill| fill.average).map(|price| shown(round_price(price, instrument)))),
            json!(of(|fill| fill.average).map(|average| shown(slippage_bps(average, touch.mid, sign)))),
            json!(of(|fill| fill.average).map(|average| shown(slippage_bps(average, best, sign)))),
            json!(filled.map(|fill| fill.levels)),
            json!(of(|fill| fill.worst).map(shown)),
        ]);
    }
}

/// Why something is null: the first thing that stands in the way.
fn reason(state: FeedState, has_touch: bool, answer: &Liquidity) -> Option<String> {
    if state != FeedState::Live {
        return Some(format!("the book is {}: nothing is worked out until it is live", state.name()));
    }
    if !has_touch {
        return Some("a side of the book is empty, or not priced above 0".to_owned());
    }
    let is_cut = [&answer.imbalance, &answer.depth, &answer.costs].iter().any(|table| table.has_null());
    is_cut.then(|| "null: beyond what is known of the book (see known), or less than a lot".to_owned())
}

fn shown(value: Decimal) -> String {
    decimal_text(value, 0)
}

fn text(answer: &Liquidity) -> String {
    let mut lines = vec![answer.instrument.clone()];
    lines.extend(answer.reason.clone());
    for (name, facts) in [("prices", object(&answer.prices)), ("known", object(&answer.known))] {
        let known = facts.iter().filter(|(_, value)| !value.is_null());
        let known: Vec<String> = known.map(|(name, value)| format!("{name} {}", plain(value))).collect();
        lines.push(format!("{name}: {}", if known.is_empty() { "none".to_owned() } else { known.join(", ") }));
    }
    for (name, table) in [("imbalance", &answer.imbalance), ("depth", &answer.depth), ("cost", &answer.costs)] {
        lines.extend(table.block(name));
    }
    lines.extend(answer.flow.lines());
    lines.join("\n")
}

#[cfg(test)]
#[path = "analyze_liquidity_tests.rs"]
mod tests;
