//! One instrument's market: its book, its agents, and when they act next.

use super::agents::{Desk, FINE, Maker, Momentum, OUTSIDE, Parent, noise_rests, noise_takes};
use super::chance::{Chance, ONE};
use super::market::{Command, Day, Output, Settings, What};
use super::universe::{Listing, Profile, Spacing};
use tidegate_core::matching::{Matcher, Refusal, Report, Rules};
use tidegate_core::{Nanos, Price, Side, Top};

/// Orders that may rest in one book: those of the agents, and as many of clients as a test or demo needs.
const ORDERS_MAX: u32 = 10_000;
/// Somebody who takes makes the market busier by so much, in acts per 100 seconds and 1024ths; half of it is
/// gone after [`HALF_LIFE`]. One act in eight takes: each causes 0.4 others, and those theirs.
const EXCITEMENT: i64 = 100 * ONE;
const EXCITEMENT_MAX: i64 = 40 * EXCITEMENT;
const HALF_LIFE: i64 = 2 * Nanos::SECOND.raw();
/// The stream of draws of a running market.
const LIVE: u64 = 3;
/// Large orders come a quarter of an hour apart, their slices ten seconds, in a steady hour.
const PARENT_MEAN: i64 = 900 * Nanos::SECOND.raw();
const SLICE_MEAN: i64 = 10 * Nanos::SECOND.raw();

/// One instrument's market.
pub(super) struct Pit {
    position: u32,
    pub(super) desk: Desk,
    rate_percent: i64,
    maker: Maker,
    momentum: Momentum,
    parent: Parent,
    /// What the market maker believes, in fractions of a tick, and how far it usually moves at once.
    fair: i64,
    step: i64,
    excitement: i64,
    excited_at: Nanos,
    act_due: Nanos,
    fair_due: Nanos,
    parent_due: Nanos,
    pub(super) update_id: u64,
    trade_id: u64,
    top: Top,
    pub(super) day: Day,
}

impl Pit {
    /// A market that starts at a price, with a book that is already there.
    pub(super) fn new(position: u32, listing: &Listing, settings: Settings, at: Nanos, price: Price) -> Pit {
        let profile = listing.profile;
        let rules = Rules { tick: profile.price(1), lot: profile.qty(1), orders_max: ORDERS_MAX };
        // Ids go on above those of an earlier start: they count microseconds, which nobody trades as fast as.
        let first_id = (at.raw() / 1_000).max(0) as u64;
        let mut pit = Pit {
            position,
            desk: Desk {
                profile,
                matcher: Matcher::new(rules),
                chance: Chance::new(settings.seed, &listing.instrument.key, LIVE.wrapping_add(at.raw() as u64)),
                reports: Vec::new(),
            },
            rate_percent: settings.rate_percent,
            maker: Maker::new(),
            momentum: Momentum::default(),
            parent: Parent::none(),
            fair: bounded(&profile, price.raw() / profile.tick * FINE + FINE / 2),
            step: 0,
            excitement: 0,
            excited_at: at,
            act_due: at,
            fair_due: at,
            parent_due: at,
            update_id: first_id,
            trade_id: first_id,
            top: Top::default(),
            day: Day::new(profile.hours.midnight(at), at, price),
        };
        pit.step = pit.usual_step();
        pit.open();
        pit.act_due = at.plus(pit.pause(at, 1));
        pit.fair_due = at.plus(pit.fair_pause(at));
        pit.parent_due = at.plus(pit.parent_pause(at));
        pit
    }

    /// When somebody acts next.
    pub(super) fn due(&self) -> Nanos {
        self.act_due.min(self.fair_due).min(self.parent_due)
    }

    /// Lets whoever is due act at that time.
    pub(super) fn act(&mut self, reports: &mut Vec<Report>, out: &mut Vec<Output>) {
        let at = self.due();
        reports.clear();
        // The buffer is one for all instruments: it goes round.
        std::mem::swap(reports, &mut self.desk.reports);
        let is_act = at == self.act_due;
        let is_step = !is_act && at == self.fair_due;
        match (is_act, is_step) {
            (true, _) => self.agent_acts(),
            (_, true) => self.fair_moves(at),
            _ if self.parent.is_working() => self.parent.slice(&mut self.desk),
            _ => self.parent.start(&mut self.desk.chance),
        }
        std::mem::swap(reports, &mut self.desk.reports);
        self.publish(at, reports, out);
        match (is_act, is_step) {
            (true, _) => self.act_due = at.plus(self.pause(at, 1)),
            (_, true) => self.fair_due = at.plus(self.fair_pause(at)),
            _ => self.parent_due = at.plus(self.parent_pause(at)),
        }
    }

    /// Does what somebody outside asks for.
    pub(super) fn apply(&mut self, at: Nanos, command: Command, reports: &mut Vec<Report>, out: &mut Vec<Output>) {
        let matcher = &mut self.desk.matcher;
        match command {
            _ if command.id() < OUTSIDE => {
                let is_new = matches!(command, Command::Submit(_));
                let reason = if is_new { Refusal::IdTaken } else { Refusal::UnknownId };
                reports.push(Report::Rejected { id: command.id(), reason });
            }
            Command::Submit(order) => matcher.submit(order, reports),
            Command::Cancel(id) => matcher.cancel(id, reports),
            Command::Modify { id, price, open } => matcher.modify(id, price, open, reports),
        }
        self.publish(at, reports, out);
    }

    fn agent_acts(&mut self) {
        let desk = &mut self.desk;
        match desk.chance.below(100) {
            0..20 => self.maker.quote(desk, self.fair, self.step),
            20..80 => noise_rests(desk, self.fair),
            80..92 => noise_takes(desk, self.fair, self.step),
            _ => self.momentum.act(desk, self.step),
        }
        if let Some(middle) = desk.middle() {
            self.momentum.see(middle);
        }
    }

    fn fair_moves(&mut self, at: Nanos) {
        let moved = self.desk.chance.normal() * self.step / ONE;
        self.fair = bounded(&self.desk.profile, self.fair + moved);
        self.maker.spread = 1 + self.desk.chance.below(2) + i64::from(self.excitement_at(at) > 4 * EXCITEMENT);
        self.maker.quote(&mut self.desk, self.fair, self.step);
    }

    /// Fills the book before anybody looks.
    fn open(&mut self) {
        self.maker.quote(&mut self.desk, self.fair, self.step);
        for _ in 0..64 {
            noise_rests(&mut self.desk, self.fair);
        }
        self.desk.reports = Vec::new();
        self.top = self.desk.matcher.top();
    }

    /// The pause before the next of every `acts` acts, in a market as busy as at `at`.
    fn pause(&mut self, at: Nanos, acts: i64) -> Nanos {
        let steady = self.desk.profile.acts_per_100s * self.rate_percent * self.desk.profile.hours.activity(at) / 100;
        let excitement = if acts == 1 { self.excitement_at(at) } else { 0 };
        let mean = 100 * Nanos::SECOND.raw() * ONE * acts / (steady + excitement).max(1);
        Nanos::new(self.desk.chance.exponential(mean).max(1))
    }

    fn fair_pause(&mut self, at: Nanos) -> Nanos {
        self.pause(at, self.acts_per_step())
    }

    fn parent_pause(&mut self, at: Nanos) -> Nanos {
        let mean = if self.parent.is_working() { SLICE_MEAN } else { PARENT_MEAN };
        let busy = self.rate_percent * self.desk.profile.hours.activity(at) / 100;
        Nanos::new(self.desk.chance.exponential(mean * ONE / busy.max(1)).max(1))
    }

    /// Acts for each step of the fair value.
    fn acts_per_step(&self) -> i64 {
        match self.desk.profile.spacing {
            Spacing::Dense => 10,
            Spacing::Sparse => 40,
        }
    }

    /// The step by which the fair value comes to the instrument's volatility in a day.
    fn usual_step(&self) -> i64 {
        let minutes = (0..1_440).map(|minute| Nanos::new(minute * 60 * Nanos::SECOND.raw()));
        let busy: i64 = minutes.map(|at| self.desk.profile.hours.activity(at)).sum::<i64>() / 1_440;
        let acts_per_day = self.desk.profile.acts_per_100s * 864 * busy / ONE * self.rate_percent / 100;
        let steps_per_day = (acts_per_day / self.acts_per_step()).max(1);
        let per_day = self.fair / 10_000 * self.desk.profile.volatility_bp;
        // The root in 1024ths, as a quiet instrument moves but a few times a day.
        (per_day * ONE / (steps_per_day * ONE * ONE).isqrt()).max(1)
    }

    /// What is left of the excitement, falling in a straight line within each half-life.
    fn excitement_at(&self, at: Nanos) -> i64 {
        let passed = at.since(self.excited_at).raw();
        let halvings = (passed / HALF_LIFE).min(62);
        let left = self.excitement >> halvings;
        left - left * (passed % HALF_LIFE) / (2 * HALF_LIFE)
    }

    /// Tells the outside what the reports say, and the agents what concerns them.
    fn publish(&mut self, at: Nanos, reports: &[Report], out: &mut Vec<Output>) {
        let tell = |what| Output { at, instrument: self.position, what };
        let (mut traded, mut is_traded) = (0, false);
        for report in reports {
            match *report {
                Report::Fill(fill) => {
                    self.trade_id += 1;
                    self.day.trade(at, fill.price, fill.qty);
                    out.push(tell(What::Trade { id: self.trade_id, fill }));
                    let lots = fill.qty.raw() / self.desk.profile.lot;
                    let signed = if fill.side == Side::Bid { lots } else { -lots };
                    self.maker.count(&fill, signed);
                    // Where the market maker itself takes, it follows the fair value.
                    if !Maker::owns(fill.taker) {
                        (traded, is_traded) = (traded + signed, true);
                    }
                }
                Report::Level { side, level } => {
                    self.update_id += 1;
                    out.push(tell(What::Level { update_id: self.update_id, side, level }));
                }
                _ => {}
            }
        }
        let top = self.desk.matcher.top();
        if top != self.top {
            self.top = top;
            out.push(tell(What::Top { update_id: self.update_id, top }));
        }
        if is_traded {
            self.excitement = (self.excitement_at(at) + EXCITEMENT).min(EXCITEMENT_MAX);
            self.excited_at = at;
            // Who buys may know more: the fair value follows a little, at most by a quarter of a step.
            let most = 8 * self.desk.profile.trade_lots;
            self.fair += traded.clamp(-most, most) * self.step / (4 * most);
        }
    }
}

/// A fair value within an eighth and eight times the reference price, wherever clients have driven the last trade.
fn bounded(profile: &Profile, fair: i64) -> i64 {
    let floor = profile.price_ticks * FINE / 8;
    fair.clamp(floor, 64 * floor)
}
