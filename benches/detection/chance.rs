//! Chance that is the same for the same seed: SplitMix64 and the few distributions needed.

/// A source of chance.
#[derive(Clone, Debug)]
pub struct Chance(u64);

impl Chance {
    /// The source of a seed, and of a number below it: neighbours have nothing in common.
    pub fn new(seed: u64, number: u64) -> Self {
        let mut chance = Self(seed.wrapping_mul(0xD6E8_FEB8_6659_FD93) ^ number.rotate_left(32));
        chance.next();
        chance.next();
        chance
    }

    fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9E37_79B9_7F4A_7C15);
        let mut mixed = self.0;
        mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
        mixed ^ (mixed >> 31)
    }

    /// Between 0 and 1, never 1.
    pub fn share(&mut self) -> f64 {
        (self.next() >> 11) as f64 / (1_u64 << 53) as f64
    }

    /// Whether something of this probability happens.
    pub fn happens(&mut self, probability: f64) -> bool {
        self.share() < probability
    }

    /// Below `bound`, which is more than 0.
    pub fn below(&mut self, bound: u64) -> u64 {
        self.next() % bound
    }

    /// A time that is exponentially distributed around a mean.
    pub fn exponential(&mut self, mean: u64) -> u64 {
        (-(1.0 - self.share()).ln() * mean as f64) as u64
    }

    /// How often something of this probability does not happen before it does.
    pub fn misses_before(&mut self, probability: f64) -> u64 {
        if probability <= 0.0 {
            return u64::MAX;
        }
        ((1.0 - self.share()).ln() / (1.0 - probability).ln()) as u64
    }
}
