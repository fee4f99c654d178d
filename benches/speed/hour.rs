//! The memory of an hour that nobody waits for: the windows of 10,000 probes, filled as fast as the machine can, in a process
//! of their own.

use std::{sync::Arc, time::Duration};

use jiff::Timestamp;
use lamplighter::domain::{
    channel::{ChannelId, ProbeKey, ProbeName},
    latency::Latency,
    outcome::{Outcome, Verdict},
};

use crate::process::{OURSELVES, memory_of};

const PROBES: u32 = 10_000;
const EVERY: Duration = Duration::from_secs(10);

/// Resident memory, in bytes, that an hour of runs needs beyond a minute of them.
pub fn beyond_a_minute() -> f64 {
    let memory_after = |minutes: &str| -> f64 {
        let output = std::process::Command::new(OURSELVES).args(["hour", minutes]).output().unwrap();
        String::from_utf8(output.stdout).unwrap().trim().parse().unwrap()
    };
    memory_after("60") - memory_after("1")
}

/// The process itself: `speed hour MINUTES`; prints its resident memory at the end.
pub fn main(args: &[String]) {
    let minutes: u32 = args[0].parse().unwrap();
    let key = ProbeKey { channel: ChannelId::new("c"), probe: ProbeName::new("p") };
    let mut outcome = Outcome {
        probe: Arc::new(key),
        started_at: Timestamp::UNIX_EPOCH,
        duration: Duration::ZERO,
        verdict: Verdict::Ok,
        phases: Vec::new(),
        certificate_expires_at: None,
        contact: None,
        met: Vec::new(),
    };
    let mut windows: Vec<Latency> = (0..PROBES).map(|_| Latency::default()).collect();
    let runs = minutes * 60 / u32::try_from(EVERY.as_secs()).unwrap();
    for run in 0..runs {
        for window in &mut windows {
            // Mostly about 50 ms, now and then twenty times as much, as networks are.
            let spread: f64 = rand::random();
            outcome.duration = Duration::from_secs_f64(0.05 / (1.0 - 0.95 * spread.powi(4)));
            window.record(&outcome, EVERY * run);
        }
    }
    println!("{}", memory_of(std::process::id()));
    std::hint::black_box(&windows);
}
