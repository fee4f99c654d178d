//! What a channel promises: in which share of the time it is open it works, over a window. What is left over is the error
//! budget. Time in which a channel is closed, or in which nobody can tell, counts neither for it nor against it.

use std::time::Duration;

/// How many parts a share is counted in.
pub const WHOLE_PPM: u32 = 1_000_000;
/// The window over which promises are commonly made, and for which the burn rates of alerts are known.
pub const USUAL_WINDOW: Duration = Duration::from_secs(30 * 24 * 60 * 60);

/// The promise of one channel.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Slo {
    /// In how many of [`WHOLE_PPM`] parts of its open time it works; more than none, fewer than all. Counted in whole
    /// parts, so that equal promises are equal.
    pub availability_ppm: u32,
    /// Over which time that is measured: the last so many days, at any moment.
    pub window: Duration,
}

impl Slo {
    /// Which share of the open time it may be dark, above 0 and below 1.
    #[must_use]
    pub fn budget(self) -> f64 {
        f64::from(WHOLE_PPM - self.availability_ppm) / f64::from(WHOLE_PPM)
    }

    /// What it promises as people write it, in per cent: `99.9`.
    #[must_use]
    pub fn percent(self) -> String {
        let (whole, rest) = (self.availability_ppm / 10_000, self.availability_ppm % 10_000);
        let digits = format!("{whole}.{rest:04}");
        digits.trim_end_matches('0').trim_end_matches('.').to_owned()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_promised_and_what_is_left_are_the_whole() {
        for (availability_ppm, percent, budget) in [
            (999_000, "99.9", 0.001),
            (990_000, "99", 0.01),
            (999_990, "99.999", 0.000_01),
            (905_000, "90.5", 0.095),
        ] {
            let slo = Slo { availability_ppm, window: USUAL_WINDOW };
            assert_eq!(slo.percent(), percent);
            assert!((slo.budget() - budget).abs() < 1e-12, "{percent}");
        }
    }
}
