//! The only source of randomness of the simulated market: integers from a seed, the same on every machine.

use rand::Rng;
use rand_pcg::Pcg64Mcg;

/// [`Chance::normal`] and the activity of a market are in units of a 1024th.
pub(super) const ONE: i64 = 1_024;

/// A stream of draws.
#[derive(Clone, Debug)]
pub(super) struct Chance(Pcg64Mcg);

impl Chance {
    /// The stream of one instrument for one purpose. It depends on nothing else: more instruments beside it
    /// leave it as it is.
    pub(super) fn new(seed: u64, key: &str, purpose: u64) -> Chance {
        let high = mix(seed_of(seed, key), purpose);
        Chance(Pcg64Mcg::new(u128::from(high) << 64 | u128::from(mix(high, purpose))))
    }

    /// A stream from a state that was mixed already.
    pub(super) fn from_mixed(mixed: u64) -> Chance {
        Chance(Pcg64Mcg::new(u128::from(mixed) << 64 | u128::from(mix(mixed, 0))))
    }

    pub(super) fn next(&mut self) -> u64 {
        self.0.next_u64()
    }

    /// From 0 to `end`, which is left out.
    pub(super) fn below(&mut self, end: i64) -> i64 {
        scale(self.next(), end)
    }

    /// True in `share` of 1024 draws.
    pub(super) fn is(&mut self, share: i64) -> bool {
        self.below(ONE) < share
    }

    /// Normal with mean 0 and a standard deviation of [`ONE`], as a sum of four uniform draws: within ±3.5.
    pub(super) fn normal(&mut self) -> i64 {
        normal_of(self.next())
    }

    /// Exponential with this mean, which is not negative.
    ///
    /// Von Neumann's way needs comparisons alone: a falling run of uniform draws has odd length with
    /// probability `e^-x` of its first; each run of even length adds one.
    pub(super) fn exponential(&mut self, mean: i64) -> i64 {
        let mut whole = 0;
        loop {
            let first = self.next();
            let (mut last, mut is_odd) = (first, true);
            loop {
                let next = self.next();
                if next > last {
                    break;
                }
                (last, is_odd) = (next, !is_odd);
            }
            if is_odd {
                return mean.saturating_mul(whole).saturating_add(scale(first, mean));
            }
            whole += 1;
        }
    }
}

/// A uniform draw as a part of `end`.
fn scale(draw: u64, end: i64) -> i64 {
    ((u128::from(draw) * u128::from(end.unsigned_abs())) >> 64) as i64
}

/// The draw as a normal value: see [`Chance::normal`].
pub(super) fn normal_of(draw: u64) -> i64 {
    let sum = (0..4).map(|quarter| (draw >> (16 * quarter) & 0xffff) as i64).sum::<i64>();
    // Four uniform 16-bit values: mean 131,070, standard deviation 2¹⁶ / √3, of which 1,774 / 2¹⁶ is a 1024th.
    ((sum - 131_070) * 1_774) >> 16
}

/// The draw as a uniform value in `-ONE..ONE`.
pub(super) fn uniform_of(draw: u64) -> i64 {
    (draw >> 53) as i64 - ONE
}

/// A seed and a key as one number: FNV-1a over the key, mixed with the seed.
pub(super) fn seed_of(seed: u64, key: &str) -> u64 {
    let hash = key
        .bytes()
        .fold(0xcbf2_9ce4_8422_2325_u64, |hash, byte| (hash ^ u64::from(byte)).wrapping_mul(0x0000_0100_0000_01b3));
    mix(seed, hash)
}

/// Two numbers as one that shows neither (the finaliser of SplitMix64).
pub(super) fn mix(one: u64, other: u64) -> u64 {
    let mut mixed = one.wrapping_mul(0x9e37_79b9_7f4a_7c15) ^ other;
    mixed = (mixed ^ mixed >> 30).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    mixed = (mixed ^ mixed >> 27).wrapping_mul(0x94d0_49bb_1331_11eb);
    mixed ^ mixed >> 31
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_stream_of_a_seed_never_changes() {
        let mut chance = Chance::new(1, "NSE:INFY", 0);
        let draws = [chance.next() as i64, chance.below(1_000), chance.normal(), chance.exponential(1_000_000)];
        assert_eq!(draws, [-8_559_573_661_933_852_469, 501, 1_178, 891_867]);
        assert_ne!(Chance::new(2, "NSE:INFY", 0).next(), Chance::new(1, "NSE:INFY", 0).next());
        assert_ne!(Chance::new(1, "NSE:TCS", 0).next(), Chance::new(1, "NSE:INFY", 0).next());
    }

    #[test]
    fn the_draws_have_the_moments_they_promise() {
        let mut chance = Chance::new(7, "NSE:TCS", 0);
        let count = 200_000;
        let (mut sum, mut squares, mut waits, mut long) = (0, 0, 0, 0);
        for _ in 0..count {
            let normal = chance.normal();
            sum += normal;
            squares += normal * normal;
            let wait = chance.exponential(1_000);
            waits += wait;
            long += i64::from(wait > 2_000);
        }
        let (mean, variance, wait) = (sum / count, squares / count, waits / count);
        assert!(mean.abs() <= 8 && (1_000_000..1_100_000).contains(&variance), "{mean} {variance}");
        // e⁻² of the waits are longer than twice their mean.
        assert!((990..1_010).contains(&wait) && (132..139).contains(&(long * 1_000 / count)), "{wait} {long}");
    }
}
