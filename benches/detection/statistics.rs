//! Figures of several seeds, and how sure they are.

use std::fmt;

/// The mean over seeds and half of its 95 % interval: Student's t with one degree of freedom less than there are seeds.
#[derive(Clone, Copy, Debug)]
pub struct Estimate {
    /// The mean.
    pub mean: f64,
    /// Half of the interval.
    pub half: f64,
}

impl Estimate {
    /// The estimate from one figure of each seed; none if there is none.
    pub fn of(figures: &[f64]) -> Option<Self> {
        let count = figures.len() as f64;
        if figures.is_empty() {
            return None;
        }
        let mean = figures.iter().sum::<f64>() / count;
        if figures.len() < 2 {
            return Some(Self { mean, half: f64::INFINITY });
        }
        let variance = figures.iter().map(|figure| (figure - mean).powi(2)).sum::<f64>() / (count - 1.0);
        Some(Self { mean, half: student(figures.len() - 1) * (variance / count).sqrt() })
    }
}

impl fmt::Display for Estimate {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let digits = match self.mean.abs().max(self.half) {
            0.0..0.1 => 3,
            0.1..10.0 => 2,
            10.0..1000.0 => 1,
            _ => 0,
        };
        write!(f, "{:.digits$} ± {:.digits$}", self.mean, self.half)
    }
}

/// The 97.5 % quantile of Student's t.
fn student(freedom: usize) -> f64 {
    const QUANTILES: [f64; 30] = [
        12.706, 4.303, 3.182, 2.776, 2.571, 2.447, 2.365, 2.306, 2.262, 2.228, 2.201, 2.179, 2.160, 2.145,
        2.131, 2.120, 2.110, 2.101, 2.093, 2.086, 2.080, 2.074, 2.069, 2.064, 2.060, 2.056, 2.052, 2.048,
        2.045, 2.042,
    ];
    QUANTILES.get(freedom - 1).copied().unwrap_or(1.96)
}

/// The smallest figure that at least this share does not exceed.
pub fn quantile(figures: &mut [f64], share: f64) -> Option<f64> {
    figures.sort_by(f64::total_cmp);
    let rank = (share * figures.len() as f64).ceil() as usize;
    figures.get(rank.max(1) - 1).copied()
}

/// What is still possible, with 95 % confidence, where so many chances have brought nothing: the rule of three, in parts of
/// `unit`, with three digits and rounded up.
pub fn at_most_after_none(chances: f64, unit: f64) -> String {
    format!("{:.3}", (unit * 3_000.0 / chances).ceil() / 1_000.0)
}
