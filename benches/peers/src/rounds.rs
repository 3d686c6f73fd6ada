//! Contenders in turn, round after round: what changes on the machine meanwhile hits all of them alike.

use std::fmt;
use std::time::{Duration, Instant};

/// Rounds of a comparison.
const ROUNDS: usize = 15;

/// One who does the work; its answer tells whether it did the same as the others.
pub struct Contender<'a> {
    pub name: &'static str,
    pub run: Box<dyn FnMut() -> (Duration, i64) + 'a>,
}

/// Times `work`, which gives the answer; what it works on is made before.
pub fn timed(work: impl FnOnce() -> i64) -> (Duration, i64) {
    let began = Instant::now();
    let answer = work();
    (began.elapsed(), answer)
}

/// What the rounds came to, ours first.
pub struct Table {
    pub title: &'static str,
    pub unit: &'static str,
    rows: Vec<Row>,
}

struct Row {
    name: &'static str,
    /// Median time of one unit of work.
    ns: f64,
    /// Its time over ours, round by round: quartiles.
    ratio: [f64; 3],
}

/// Runs the contenders, ours being the first; `count` units of work are in a run.
pub fn compare<'a>(title: &'static str, unit: &'static str, count: usize, mut contenders: Vec<Contender<'a>>) -> Table {
    let mut times: Vec<Vec<f64>> = vec![Vec::new(); contenders.len()];
    for round in 0..=ROUNDS {
        let mut expect = None;
        for (contender, times) in contenders.iter_mut().zip(&mut times) {
            let (took, answer) = (contender.run)();
            assert_eq!(*expect.get_or_insert(answer), answer, "{title}: {} does something else", contender.name);
            // The first round warms up.
            if round > 0 {
                times.push(took.as_nanos() as f64 / count as f64);
            }
        }
    }
    let row = |(contender, theirs): (&Contender<'_>, &Vec<f64>)| {
        let ratios: Vec<f64> = theirs.iter().zip(&times[0]).map(|(theirs, ours)| theirs / ours).collect();
        let ratio = [0.25, 0.5, 0.75].map(|part| quantile(&ratios, part));
        Row { name: contender.name, ns: quantile(theirs, 0.5), ratio }
    };
    Table { title, unit, rows: contenders.iter().zip(&times).map(row).collect() }
}

fn quantile(values: &[f64], part: f64) -> f64 {
    let mut sorted = values.to_vec();
    sorted.sort_by(f64::total_cmp);
    sorted[((sorted.len() - 1) as f64 * part).round() as usize]
}

impl fmt::Display for Table {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(
            f,
            "| {} | ns/{} | times ours (quartiles of {ROUNDS} rounds) |\n|---|---|---|",
            self.title, self.unit
        )?;
        for Row { name, ns, ratio: [low, middle, high] } in &self.rows {
            writeln!(f, "| {name} | {ns:.1} | {middle:.2} ({low:.2} to {high:.2}) |")?;
        }
        Ok(())
    }
}

/// Comparisons of the same contenders at several things: a row each, ours first.
pub struct Grid {
    pub title: &'static str,
    pub tables: Vec<Table>,
}

impl fmt::Display for Grid {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let titles: Vec<&str> = self.tables.iter().map(|table| table.title).collect();
        writeln!(f, "| {} | {} |\n|---{}|", self.title, titles.join(" | "), "|---".repeat(titles.len()))?;
        for (at, row) in self.tables.first().into_iter().flat_map(|table| table.rows.iter().enumerate()) {
            write!(f, "| {} |", row.name)?;
            for Row { ns, ratio: [_, middle, _], .. } in self.tables.iter().map(|table| &table.rows[at]) {
                write!(f, " {ns:.1} ({middle:.2}) |")?;
            }
            writeln!(f)?;
        }
        writeln!(f, "\nIn brackets times ours: the median of {ROUNDS} rounds.")
    }
}
