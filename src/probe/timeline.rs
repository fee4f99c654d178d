//! The stopwatch of one run. A kind marks where it is; the runner reads what was measured, also when the run was cut
//! off in the middle.

use std::{
    net::{IpAddr, SocketAddr},
    sync::{Arc, Mutex, MutexGuard},
    time::Duration,
};

use jiff::Timestamp;
use tokio::time::Instant;

use crate::domain::outcome::{Phase, PhaseKind, Reason};

/// Where a run is and what it has measured so far. Cheap to share with a connection's I/O.
#[derive(Clone, Debug)]
pub struct Timeline(Arc<Shared>);

#[derive(Debug)]
struct Shared {
    started: Instant,
    progress: Mutex<Progress>,
}

#[derive(Debug, Default)]
struct Progress {
    step: Option<Arc<str>>,
    hop: u8,
    finished: Vec<Phase>,
    /// How many phases were finished when the step began.
    before_step: usize,
    open: Option<(PhaseKind, Instant)>,
    on_deadline: Option<Reason>,
    facts: Vec<Fact>,
}

/// Something about a connection, for who looks at it afterwards.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Fact {
    /// The addresses that a name stood for.
    Resolved(Box<[SocketAddr]>),
    /// The address that answered.
    Connected(IpAddr),
    /// The SHA-256 fingerprint of the certificate that was presented, whether or not it was taken for good.
    Presented([u8; 32]),
    /// How the connection is protected.
    Tls {
        /// The version of TLS.
        version: &'static str,
        /// The cipher suite.
        suite: &'static str,
        /// Earliest `notAfter` among the certificates presented.
        expires_at: Option<Timestamp>,
    },
}

/// So many facts of a run are kept: those of the last connections.
const FACTS_MAX: usize = 24;

/// What a run had reached when it ended.
#[derive(Debug)]
pub struct Reached {
    /// Every phase measured; the last one may have been cut off.
    pub phases: Vec<Phase>,
    /// The phase that was open.
    pub open: Option<PhaseKind>,
    /// The step that was under way.
    pub step: Option<Arc<str>>,
    /// What running out of time means at this point, where a kind has said so.
    pub on_deadline: Option<Reason>,
    /// What is known of its connections.
    pub facts: Vec<Fact>,
}

impl Timeline {
    /// Starts the stopwatch.
    #[must_use]
    pub fn start() -> Self {
        Self(Arc::new(Shared { started: Instant::now(), progress: Mutex::default() }))
    }

    /// When the run began.
    #[must_use]
    pub fn started(&self) -> Instant {
        self.0.started
    }

    /// Names the step of a journey that begins now; its hops count from 0 again.
    pub fn enter_step(&self, step: Arc<str>) {
        let mut progress = self.lock();
        progress.close(self.0.started, Instant::now());
        progress.step = Some(step);
        progress.before_step = progress.finished.len();
        progress.hop = 0;
        progress.on_deadline = None;
    }

    /// What follows belongs to no step.
    pub fn leave_steps(&self) {
        let mut progress = self.lock();
        progress.close(self.0.started, Instant::now());
        progress.step = None;
        progress.hop = 0;
        progress.on_deadline = None;
    }

    /// The step under way is tried again: everything it has done so far was waiting, and becomes one pause. So the
    /// phases of a step that is polled for half an hour are those of its last try. What running out of time means stays.
    pub fn try_again(&self) {
        let now = Instant::now();
        let mut progress = self.lock();
        progress.close(self.0.started, now);
        let before_step = progress.before_step;
        if let Some(first) = progress.finished.get_mut(before_step) {
            first.hop = 0;
            first.kind = PhaseKind::Pause;
            first.duration = now - self.0.started - first.offset;
            progress.finished.truncate(before_step + 1);
        }
        progress.hop = 0;
    }

    /// A redirect is followed.
    pub fn next_hop(&self) {
        let mut progress = self.lock();
        progress.close(self.0.started, Instant::now());
        progress.hop = progress.hop.saturating_add(1);
    }

    /// Ends the phase under way and begins another.
    pub fn begin(&self, kind: PhaseKind) {
        let now = Instant::now();
        let mut progress = self.lock();
        progress.close(self.0.started, now);
        progress.open = Some((kind, now));
    }

    /// Ends the phase under way.
    pub fn end(&self) {
        self.lock().close(self.0.started, Instant::now());
    }

    /// The whole request is on the wire: the wait for the answer begins. Outside [`PhaseKind::Send`] it changes nothing.
    pub fn sent(&self) {
        if self.current() == Some(PhaseKind::Send) {
            self.begin(PhaseKind::Wait);
        }
    }

    /// The first byte of the answer is here. Said again, it changes nothing.
    pub fn answered(&self) {
        if matches!(self.current(), Some(PhaseKind::Send | PhaseKind::Wait)) {
            self.begin(PhaseKind::Transfer);
        }
    }

    /// The phase under way.
    #[must_use]
    pub fn current(&self) -> Option<PhaseKind> {
        self.lock().open.map(|(kind, _)| kind)
    }

    /// Says what it means to run out of time from here until the next step.
    pub fn on_deadline(&self, reason: Reason) {
        self.lock().on_deadline = Some(reason);
    }

    /// Takes note of something about a connection.
    pub fn learn(&self, fact: Fact) {
        let mut progress = self.lock();
        if progress.facts.len() == FACTS_MAX {
            progress.facts.remove(0);
        }
        progress.facts.push(fact);
    }

    /// Time since the run began.
    #[must_use]
    pub fn elapsed(&self) -> Duration {
        self.0.started.elapsed()
    }

    /// Where the run is, without stopping the watch and without what was measured.
    #[must_use]
    pub fn whereabouts(&self) -> Reached {
        let progress = self.lock();
        Reached {
            phases: Vec::new(),
            open: progress.open.map(|(kind, _)| kind),
            step: progress.step.clone(),
            on_deadline: progress.on_deadline,
            facts: Vec::new(),
        }
    }

    /// Stops the watch and takes what was measured.
    #[must_use]
    pub fn finish(&self) -> Reached {
        let mut progress = self.lock();
        let open = progress.open.map(|(kind, _)| kind);
        progress.close(self.0.started, Instant::now());
        Reached {
            phases: std::mem::take(&mut progress.finished),
            open,
            step: progress.step.take(),
            on_deadline: progress.on_deadline,
            facts: std::mem::take(&mut progress.facts),
        }
    }

    fn lock(&self) -> MutexGuard<'_, Progress> {
        self.0.progress.lock().unwrap_or_else(std::sync::PoisonError::into_inner)
    }
}

impl Progress {
    fn close(&mut self, started: Instant, now: Instant) {
        if let Some((kind, began)) = self.open.take() {
            self.finished.push(Phase {
                step: self.step.clone(),
                hop: self.hop,
                kind,
                offset: began - started,
                duration: now - began,
            });
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const TICK: Duration = Duration::from_millis(10);

    #[tokio::test(start_paused = true)]
    async fn a_step_tried_again_keeps_the_phases_of_its_last_try_and_its_whole_time() {
        let timeline = Timeline::start();
        timeline.enter_step("ask".into());
        timeline.begin(PhaseKind::Wait);
        tokio::time::advance(TICK).await;
        timeline.enter_step("rings".into());
        for _ in 0..1_000 {
            timeline.begin(PhaseKind::Wait);
            tokio::time::advance(TICK).await;
            timeline.begin(PhaseKind::Pause);
            tokio::time::advance(TICK).await;
            timeline.try_again();
        }
        timeline.begin(PhaseKind::Wait);
        tokio::time::advance(TICK).await;
        let phases = timeline.finish().phases;
        let shape: Vec<_> =
            phases.iter().map(|phase| (phase.step.as_deref(), phase.kind, phase.duration)).collect();
        assert_eq!(
            shape,
            [
                (Some("ask"), PhaseKind::Wait, TICK),
                (Some("rings"), PhaseKind::Pause, 2_000 * TICK),
                (Some("rings"), PhaseKind::Wait, TICK),
            ]
        );
    }

    #[tokio::test(start_paused = true)]
    async fn what_running_out_of_time_means_holds_for_every_try_and_not_for_the_next_step() {
        let timeline = Timeline::start();
        timeline.enter_step("rings".into());
        timeline.on_deadline(Reason::QueueTimeout);
        timeline.try_again();
        assert_eq!(timeline.whereabouts().on_deadline, Some(Reason::QueueTimeout));
        timeline.enter_step("cancel".into());
        assert_eq!(timeline.whereabouts().on_deadline, None);
    }

    #[tokio::test(start_paused = true)]
    async fn a_first_try_has_no_pause_before_it() {
        let timeline = Timeline::start();
        timeline.enter_step("ask".into());
        timeline.try_again();
        assert!(timeline.finish().phases.is_empty());
    }
}
