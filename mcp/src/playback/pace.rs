//! How fast a tape is played.

use std::str::FromStr;
use std::time::{Duration, Instant};
use tidegate_core::Nanos;

/// How many seconds of tape pass in a second.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Speed {
    /// This many.
    Times(f64),
    /// As many as can be read.
    Max,
}

impl FromStr for Speed {
    type Err = String;

    fn from_str(text: &str) -> Result<Speed, String> {
        if text == "max" {
            return Ok(Speed::Max);
        }
        match text.parse::<f64>() {
            Ok(times) if (0.001..=1_000_000.0).contains(&times) => Ok(Speed::Times(times)),
            _ => Err("use a number from 0.001 to 1000000, such as 1 or 20, or max".to_owned()),
        }
    }
}

/// Keeps a tape to its speed.
#[derive(Debug)]
pub struct Pace {
    speed: Speed,
    began: Option<(Instant, Nanos)>,
}

impl Pace {
    /// A pace whose first step is due at once.
    pub fn new(speed: Speed) -> Pace {
        Pace { speed, began: None }
    }

    /// How long to wait for what has the tape time `ts`; nothing where it is due.
    pub fn wait(&mut self, ts: Nanos) -> Duration {
        let (began, first) = *self.began.get_or_insert_with(|| (Instant::now(), ts));
        let Speed::Times(times) = self.speed else { return Duration::ZERO };
        let tape = Duration::from_nanos(u64::try_from(ts.since(first).raw()).unwrap_or(0));
        tape.div_f64(times).saturating_sub(began.elapsed())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn speeds_are_read_within_their_bounds() {
        assert_eq!("max".parse(), Ok(Speed::Max));
        assert_eq!("20".parse(), Ok(Speed::Times(20.0)));
        for text in ["0", "-1", "NaN", "inf", "fast", ""] {
            assert!(text.parse::<Speed>().is_err(), "{text}");
        }
    }

    #[test]
    fn the_first_step_is_due_at_once_and_later_ones_in_their_time() {
        let mut pace = Pace::new(Speed::Times(0.5));
        assert_eq!(pace.wait(Nanos::new(7)), Duration::ZERO);
        let wait = pace.wait(Nanos::new(7).plus(Nanos::SECOND));
        assert!(wait > Duration::from_secs(1) && wait <= Duration::from_secs(2), "{wait:?}");
        let mut fastest = Pace::new(Speed::Max);
        fastest.wait(Nanos::ZERO);
        assert_eq!(fastest.wait(Nanos::SECOND), Duration::ZERO);
    }
}
