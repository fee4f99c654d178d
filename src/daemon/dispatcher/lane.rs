//! One way of telling people, worked off by itself: its gate, its retries, and what could not be marked.

use std::{collections::BTreeMap, sync::Arc, time::Duration};

use jiff::Timestamp;
use tokio::{
    sync::{Notify, watch},
    time::{Instant, sleep, sleep_until},
};
use tokio_util::sync::CancellationToken;

use super::{
    BEAT_EVERY, DELIVERED, GIVE_UP_AFTER, GIVEN_UP, LOOK_EVERY, POSTPONED, REFUSED, STORE_RETRY, Shared, age,
    answered,
};
use crate::{
    domain::notification::Way,
    notify::{Delivery, Notifier, Routes},
    store::{Due, NotificationId, Store, StoreError},
};

/// A notification is never given up after fewer tries than this: the daemon itself may have been down for days.
pub(super) const TRIES_MIN: u32 = 10;

/// How long after each try in vain a notification is tried again; from then on every [`RETRY_EVERY`].
const RETRY_AFTER: [Duration; 4] =
    [Duration::from_secs(5), Duration::from_secs(15), Duration::from_secs(45), Duration::from_secs(120)];

/// The pace of later tries, give or take [`JITTER`] of it.
const RETRY_EVERY: Duration = Duration::from_secs(300);

/// The share by which [`RETRY_EVERY`] varies, so that daemons that failed together do not return together.
pub(super) const JITTER: f64 = 0.1;

/// How long a way rests after each pass in vain; from then on [`REST_EVERY`]. With the retries that are promised for a
/// single notification these are three tries in the first minute, and at most two in any later one.
const REST_AFTER: [Duration; 3] = [Duration::from_secs(5), Duration::from_secs(15), Duration::from_secs(45)];
const REST_EVERY: Duration = Duration::from_secs(30);

/// The outbox has moments to the millisecond: so much later a time is over for certain.
const MOMENT: Duration = Duration::from_millis(1);

/// How many notifications are read at once.
const BATCH: u32 = 50;

/// How often what is still true is said again to one who forgets, and of how many incidents at most.
const REPEAT_EVERY: Duration = Duration::from_secs(15);
const REPEATED_MAX: u32 = 1_000;

/// Works off one way.
pub(super) struct Lane {
    pub(super) way: Way,
    pub(super) shared: Arc<Shared>,
    routes: watch::Receiver<Routes>,
    pub(super) gate: Gate,
    /// What has ended for good and could not be marked in the store. Never sent again while the mark is outstanding.
    unmarked: BTreeMap<NotificationId, Ending>,
    repeated_at: Option<Instant>,
}

/// How a notification has ended.
#[derive(Clone, Debug)]
pub(super) struct Ending {
    /// When.
    pub(super) at: Timestamp,
    /// By which end.
    pub(super) how: How,
    /// The other side's words, or the reason.
    pub(super) words: String,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum How {
    /// It has been taken.
    Delivered,
    /// It is not tried any more.
    GivenUp,
}

/// Whether the way works, and when it may be tried again if not.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Gate {
    /// Passes in vain, one after the other.
    failures: u32,
    pub(super) closed_until: Option<Instant>,
    /// It works again, and what was put off meanwhile is still to be made due.
    has_recovered: bool,
}

impl Gate {
    /// Whether it may be tried.
    pub(super) fn is_open(&self, now: Instant) -> bool {
        self.closed_until.is_none_or(|until| until <= now)
    }

    fn fail(&mut self, now: Instant) {
        self.fail_for(now, step(&REST_AFTER, REST_EVERY, self.failures));
    }

    fn fail_for(&mut self, now: Instant, rest: Duration) {
        self.closed_until = Some(now + rest);
        self.failures = self.failures.saturating_add(1);
    }
}

/// Whether a pass goes on after a try.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Tried {
    Settled,
    Deferred,
    RouteIsDown,
}

impl Lane {
    /// A lane that has not begun.
    pub(super) fn new(way: Way, shared: Arc<Shared>, routes: watch::Receiver<Routes>) -> Self {
        Self { way, shared, routes, gate: Gate::default(), unmarked: BTreeMap::new(), repeated_at: None }
    }

    /// Works until the way is gone, or until `stop` and a last pass after it; gives its way back.
    pub(super) async fn run(mut self, bell: Arc<Notify>, stop: CancellationToken) -> Way {
        loop {
            let is_last = stop.is_cancelled();
            let notifier = self.routes.borrow_and_update().get(&self.way).cloned();
            let is_gone = notifier.is_none();
            if let Some(notifier) = &notifier {
                self.send_directly(&**notifier).await;
            }
            let pause = self.look(notifier.as_deref()).await;
            if is_last || (is_gone && self.unmarked.is_empty()) {
                return self.way;
            }
            let wake_at = Instant::now() + self.pause_of_direct().map_or(pause, |direct| pause.min(direct));
            self.wait(wake_at, &bell, &stop).await;
        }
    }

    /// Waits until there is something to do, and shows that it is alive meanwhile.
    async fn wait(&mut self, wake_at: Instant, bell: &Notify, stop: &CancellationToken) {
        loop {
            self.beat();
            tokio::select! {
                () = bell.notified() => return,
                () = sleep_until(wake_at) => return,
                () = sleep(BEAT_EVERY), if wake_at > Instant::now() + BEAT_EVERY => {}
                () = stop.cancelled() => return,
                Ok(()) = self.routes.changed() => {
                    // Another server deserves a try of its own.
                    self.gate = Gate::default();
                    self.show_gate();
                    return;
                }
            }
        }
    }

    /// It is at work.
    pub(super) fn beat(&self) {
        self.shared.vitals.beat_lane(&self.way, Instant::now());
    }

    fn show_gate(&self) {
        self.shared.vitals.show_lane(&self.way, self.gate.failures == 0, Instant::now());
    }

    /// One has got through.
    pub(super) fn note_success(&mut self) {
        if self.gate.failures > 0 {
            tracing::info!(
                route = self.way.route.as_str(),
                endpoint = self.way.endpoint,
                "the route works again"
            );
            self.gate = Gate { has_recovered: true, ..Gate::default() };
            self.shared.direct().hasten(&self.way);
            self.show_gate();
        }
    }

    /// None gets through at present, or for so long.
    pub(super) fn note_failure(&mut self, words: &str, rest: Option<Duration>) {
        let now = Instant::now();
        match rest {
            Some(rest) => self.gate.fail_for(now, rest),
            None => self.gate.fail(now),
        }
        self.tell_down(words);
        self.show_gate();
    }

    /// One pass over everything, and how long there is nothing to do after it.
    async fn look(&mut self, notifier: Option<&dyn Notifier>) -> Duration {
        let done = match self.pass(notifier).await {
            Ok(()) => self.measure(notifier).await,
            Err(error) => Err(error),
        };
        match done {
            Ok(pause) => pause,
            Err(error) => {
                tracing::warn!(%error, "the outbox is out of reach; nothing is lost, mail waits");
                STORE_RETRY
            }
        }
    }

    async fn pass(&mut self, notifier: Option<&dyn Notifier>) -> Result<(), StoreError> {
        while let Some((&id, ending)) = self.unmarked.iter().next() {
            mark(&self.shared.store, id, ending.clone()).await?;
            self.unmarked.remove(&id);
        }
        let Some(notifier) = notifier else { return Ok(()) };
        let mut worked = self.drain(notifier).await;
        if worked.is_ok() && notifier.forgets() {
            worked = self.repeat(notifier).await;
        }
        notifier.rest().await;
        worked
    }

    /// Sends what is due until nothing is, or until the way turns out not to work.
    async fn drain(&mut self, notifier: &dyn Notifier) -> Result<(), StoreError> {
        let mut settled = false;
        let mut deferred = false;
        while self.gate.is_open(Instant::now()) {
            let now = self.shared.clock.now();
            if self.gate.has_recovered {
                answered(self.shared.store.hasten(self.way.clone(), now)).await?;
                self.gate.has_recovered = false;
            }
            let due = answered(self.shared.store.due(self.way.clone(), now, BATCH)).await?;
            if due.is_empty() {
                break;
            }
            for one in due {
                match self.attempt(notifier, one).await? {
                    Tried::Settled => settled = true,
                    Tried::Deferred => deferred = true,
                    Tried::RouteIsDown => return Ok(()),
                }
            }
        }
        if deferred && !settled {
            // Nobody's mail is taken: whatever the reason, connecting again at once for the next one does not help.
            self.gate.fail(Instant::now());
            self.show_gate();
        }
        Ok(())
    }

    async fn attempt(&mut self, notifier: &dyn Notifier, due: Due) -> Result<Tried, StoreError> {
        // What was sent directly has come into the outbox.
        let ended = self.shared.direct().hand_back(&due.notification.message_id);
        if let Some(ending) = ended {
            self.end(due.id, ending).await?;
            return Ok(Tried::Settled);
        }
        let age = age(due.notification.created_at, self.shared.clock.now());
        self.beat();
        let delivery = notifier.send(&self.shared.leaving(&due.notification), age).await;
        let now = self.shared.clock.now();
        match delivery {
            Delivery::Accepted(words) => {
                self.count(DELIVERED);
                tracing::info!(
                    incident = %due.notification.incident, event = due.notification.event.as_str(),
                    route = self.way.route.as_str(), recipient = due.notification.recipient, late_s = age.as_secs(),
                    answer = words, "delivered a notification"
                );
                self.note_success();
                self.end(due.id, Ending { at: now, how: How::Delivered, words }).await?;
                Ok(Tried::Settled)
            }
            Delivery::Permanent(words) => {
                self.count(REFUSED);
                self.give_up(&due, now, words).await?;
                Ok(Tried::Settled)
            }
            Delivery::Deferred(words) => {
                if due.tries == 0 {
                    tracing::warn!(
                        incident = %due.notification.incident, event = due.notification.event.as_str(),
                        route = self.way.route.as_str(), recipient = due.notification.recipient,
                        why = words, "a notification is not taken yet; it is tried again"
                    );
                }
                self.put_off(notifier, &due, age, words).await?;
                Ok(Tried::Deferred)
            }
            Delivery::Transient(words) => {
                self.note_failure(&words, None);
                self.put_off(notifier, &due, age, words).await?;
                Ok(Tried::RouteIsDown)
            }
            Delivery::Busy(words, rest) => {
                self.note_failure(&words, Some(rest));
                self.put_off(notifier, &due, age, words).await?;
                Ok(Tried::RouteIsDown)
            }
        }
    }

    fn tell_down(&self, why: &str) {
        if self.gate.failures == 1 {
            tracing::warn!(
                route = self.way.route.as_str(),
                endpoint = self.way.endpoint,
                why,
                "the route does not work; mail waits for it"
            );
        }
    }

    /// After a try in vain: later, or never if the notification was too old already when that try began.
    async fn put_off(
        &mut self,
        notifier: &dyn Notifier,
        due: &Due,
        age: Duration,
        words: String,
    ) -> Result<(), StoreError> {
        let now = self.shared.clock.now();
        if age > GIVE_UP_AFTER && due.tries + 1 >= TRIES_MIN {
            self.count(GIVEN_UP);
            return self.give_up(due, now, words).await;
        }
        self.count(POSTPONED);
        let mut wait = retry_after(due.tries, rand::random_range(-JITTER..=JITTER));
        if let Some(second_way) = notifier.second_way_after()
            && age < second_way
        {
            let until_then = second_way - age + MOMENT;
            wait = wait.min(until_then);
            // The gate opens for it, whatever was tried before.
            let opens = Instant::now() + until_then;
            self.gate.closed_until = self.gate.closed_until.map(|until| until.min(opens));
        }
        answered(self.shared.store.postpone(due.id, now + wait, words)).await
    }

    async fn give_up(&mut self, due: &Due, now: Timestamp, words: String) -> Result<(), StoreError> {
        tracing::error!(
            incident = %due.notification.incident, event = due.notification.event.as_str(),
            route = self.way.route.as_str(), recipient = due.notification.recipient, tries = due.tries + 1,
            why = words, "gave up a notification; tell this recipient by other means"
        );
        self.end(due.id, Ending { at: now, how: How::GivenUp, words }).await
    }

    /// Marks what has ended; a mark that fails is remembered and made up for, and nothing is sent twice meanwhile.
    async fn end(&mut self, id: NotificationId, ending: Ending) -> Result<(), StoreError> {
        crate::halt::here("before_mark");
        let marked = mark(&self.shared.store, id, ending.clone()).await;
        if marked.is_err() {
            self.unmarked.insert(id, ending);
        }
        marked
    }

    /// Says what is still true once more. Nothing is noted of it: it has been delivered, and what is not taken now is said
    /// again soon.
    async fn repeat(&mut self, notifier: &dyn Notifier) -> Result<(), StoreError> {
        let is_due = self.repeated_at.is_none_or(|at| at.elapsed() >= REPEAT_EVERY);
        let Some(endpoint) = self.way.endpoint.as_ref().filter(|_| is_due) else { return Ok(()) };
        self.repeated_at = Some(Instant::now());
        for notification in answered(self.shared.store.standing(endpoint, REPEATED_MAX)).await? {
            self.beat();
            let delivery = notifier.send(&notification, Duration::ZERO).await;
            if !matches!(delivery, Delivery::Accepted(_)) {
                tracing::debug!(endpoint, ?delivery, "what is still true was not taken once more");
                break;
            }
        }
        Ok(())
    }

    /// Sets the gauges, and says how long there is nothing to do.
    async fn measure(&mut self, notifier: Option<&dyn Notifier>) -> Result<Duration, StoreError> {
        self.shared.show_backlog().await?;
        let now = self.shared.clock.now();
        let forgets = notifier.is_some_and(Notifier::forgets);
        let pause = if forgets { REPEAT_EVERY } else { LOOK_EVERY };
        let Some(due_at) = answered(self.shared.store.next_due_at(self.way.clone())).await? else {
            return Ok(pause);
        };
        let until_open = self.gate.closed_until.map_or(Duration::ZERO, |until| until - Instant::now());
        Ok(pause.min(age(now, due_at).max(until_open)))
    }

    /// Counts a try.
    pub(super) fn count(&self, result: &str) {
        self.shared.count(self.way.route, result);
    }
}

async fn mark(store: &Store, id: NotificationId, ending: Ending) -> Result<(), StoreError> {
    match ending.how {
        How::Delivered => answered(store.delivered(id, ending.at, ending.words)).await,
        How::GivenUp => answered(store.give_up(id, ending.at, ending.words)).await,
    }
}

/// When to try again after `tries` tries in vain before the present one. `jitter` is a share of the span.
pub(super) fn retry_after(tries: u32, jitter: f64) -> Duration {
    let span = step(&RETRY_AFTER, RETRY_EVERY, tries);
    if span < RETRY_EVERY { span } else { span.mul_f64(1.0 + jitter) }
}

fn step(first: &[Duration], then: Duration, index: u32) -> Duration {
    usize::try_from(index).ok().and_then(|index| first.get(index).copied()).unwrap_or(then)
}
