//! Sends heartbeats to a dead man's switch, while the monitor does its work. Whatever keeps it from that keeps the
//! heartbeat back, and the switch tells: a process that is gone or stopped cannot send one, and one of which a part
//! stands still does not ([`crate::domain::vigour`]).

use std::{sync::Arc, time::Duration};

use tokio::{
    sync::watch,
    time::{Instant, sleep_until},
};
use tokio_util::sync::CancellationToken;
use tracing::{info, warn};

use crate::{
    config::plan::Plan,
    daemon::{pulse::Pulse, trouble::Failing, vitals::Vitals},
    domain::vigour::Ailment,
    metrics::Metrics,
    notify::heartbeat::Heartbeat,
};

/// The first one goes out so soon after the start.
const FIRST_AFTER: Duration = Duration::from_secs(1);
/// One that was not taken is sent again so soon, if the next is not due before.
const RETRY: Duration = Duration::from_secs(5);

/// The results, as the label says them.
const RESULTS: [&str; 3] = [SENT, FAILED, WITHHELD];
const SENT: &str = "sent";
const FAILED: &str = "failed";
const WITHHELD: &str = "withheld";

/// What the loop is connected to.
pub(crate) struct Connections {
    /// To whom heartbeats go, if to anybody.
    pub(crate) plans: watch::Receiver<Arc<Plan>>,
    /// The scheduler's.
    pub(crate) pulse: Arc<Pulse>,
    /// How the other loops fare.
    pub(crate) vitals: Arc<Vitals>,
    /// Whether the store takes what it is given.
    pub(crate) failing: watch::Receiver<Option<Failing>>,
    /// Where it counts.
    pub(crate) metrics: Arc<Metrics>,
}

/// Sends heartbeats until it is told to stop.
pub(crate) async fn run(connections: Connections, stop: CancellationToken) {
    let mut heart = Heart::new(connections);
    let mut next_at = Instant::now() + FIRST_AFTER;
    let mut last_at = None;
    loop {
        let heartbeat = heart.it.plans.borrow_and_update().heartbeat.clone();
        let Some(heartbeat) = heartbeat else {
            tokio::select! {
                () = stop.cancelled() => return,
                changed = heart.it.plans.changed() => match changed {
                    Ok(()) => continue,
                    Err(_) => return,
                },
            }
        };
        tokio::select! {
            () = stop.cancelled() => return,
            Ok(()) = heart.it.plans.changed() => {
                // Another pace counts from the last one.
                let every = heart.it.plans.borrow().heartbeat.as_ref().map(|heartbeat| heartbeat.every);
                if let (Some(every), Some(last_at)) = (every, last_at) {
                    next_at = last_at + every;
                }
            }
            () = sleep_until(next_at) => {
                let now = Instant::now();
                let wait = tokio::select! {
                    () = stop.cancelled() => return,
                    wait = heart.beat(&heartbeat, now) => wait,
                };
                last_at = Some(now);
                next_at = now + wait;
            }
        }
    }
}

struct Heart {
    it: Connections,
    /// Why the last one was withheld.
    withheld: Vec<Ailment>,
    /// The last one was not taken.
    has_failed: bool,
}

impl Heart {
    fn new(it: Connections) -> Self {
        for result in RESULTS {
            it.metrics.instruments.heartbeats.with_label_values(&[result]).reset();
        }
        let heart = Self { it, withheld: Vec::new(), has_failed: false };
        heart.show();
        heart
    }

    /// Sends one, or withholds it; gives how long to wait for the next.
    async fn beat(&mut self, heartbeat: &Heartbeat, now: Instant) -> Duration {
        let failing =
            self.it.failing.borrow().as_ref().map(|failing| now.saturating_duration_since(failing.since));
        let ailments = self.it.vitals.signs(&self.it.pulse, failing, now).ailments();
        if ailments != self.withheld {
            let reasons: Vec<&str> = ailments.iter().map(|ailment| ailment.as_str()).collect();
            match reasons.is_empty() {
                true => info!("heartbeats go out again"),
                false => warn!(?reasons, "heartbeats are withheld, so that the dead man's switch tells"),
            }
            self.withheld = ailments;
            self.show();
        }
        if !self.withheld.is_empty() {
            self.count(WITHHELD);
            return heartbeat.every;
        }
        match heartbeat.beat.send().await {
            Ok(()) => {
                if std::mem::take(&mut self.has_failed) {
                    info!("heartbeats are taken again");
                }
                self.count(SENT);
                heartbeat.every
            }
            Err(why) => {
                if !std::mem::replace(&mut self.has_failed, true) {
                    warn!(why, "a heartbeat was not taken; it is sent again");
                }
                self.count(FAILED);
                heartbeat.every.min(RETRY)
            }
        }
    }

    fn show(&self) {
        for ailment in Ailment::ALL {
            let gauge = self.it.metrics.instruments.heartbeat_withheld.with_label_values(&[ailment.as_str()]);
            gauge.set(self.withheld.contains(&ailment).into());
        }
    }

    fn count(&self, result: &str) {
        self.it.metrics.instruments.heartbeats.with_label_values(&[result]).inc();
    }
}
