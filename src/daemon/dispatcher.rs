//! Works off the outbox. It wakes by the bell, by the next due time, or once a minute, and sends what is due, so that
//! nothing depends on anybody telling it what there is to send. Only what the store does not take is handed to it
//! ([`direct`]).
//!
//! At-least-once is the contract. A notification leaves the outbox when the other side has taken it, has refused it
//! for good, or when it has been tried for [`GIVE_UP_AFTER`]; until then it is tried again. A route that does not work
//! is tried as a whole at most twice in any minute once that is known, whatever the backlog, and drains as soon as one
//! notification gets through.

mod direct;

use std::{collections::BTreeMap, future::Future, sync::Arc, time::Duration};

use jiff::Timestamp;
use tokio::{
    sync::{Notify, mpsc, watch},
    time::{Instant, sleep, timeout},
};
use tokio_util::sync::CancellationToken;

use crate::{
    clock::Clock,
    daemon::{dispatcher::direct::Direct, vitals::Vitals},
    domain::notification::{Notification, Route},
    metrics::Metrics,
    notify::{Delivery, Notifier, Routes},
    store::{Due, NotificationId, Store, StoreError},
};

/// For how long a notification is tried before it is given up.
pub const GIVE_UP_AFTER: Duration = Duration::from_secs(5 * 24 * 60 * 60);

/// A notification is never given up after fewer tries than this: the daemon itself may have been down for days.
const TRIES_MIN: u32 = 10;

/// How long after each try in vain a notification is tried again; from then on every [`RETRY_EVERY`].
const RETRY_AFTER: [Duration; 4] =
    [Duration::from_secs(5), Duration::from_secs(15), Duration::from_secs(45), Duration::from_secs(120)];

/// The pace of later tries, give or take [`JITTER`] of it.
const RETRY_EVERY: Duration = Duration::from_secs(300);

/// The share by which [`RETRY_EVERY`] varies, so that daemons that failed together do not return together.
const JITTER: f64 = 0.1;

/// How long a route rests after each pass in vain; from then on [`REST_EVERY`]. With the retries that are promised for a
/// single notification these are three tries in the first minute, and at most two in any later one.
const REST_AFTER: [Duration; 3] = [Duration::from_secs(5), Duration::from_secs(15), Duration::from_secs(45)];
const REST_EVERY: Duration = Duration::from_secs(30);

/// It looks at least this often, whatever it was told.
const LOOK_EVERY: Duration = Duration::from_secs(60);

/// How soon it looks again when the store has failed.
const STORE_RETRY: Duration = Duration::from_secs(5);

/// A store that has not answered by then is taken for one that fails: what is handed over directly is not to wait for it.
const STORE_MAX: Duration = Duration::from_secs(7);

/// It shows a sign of life this often while it has nothing to do.
const BEAT_EVERY: Duration = Duration::from_secs(10);

/// How many notifications are read at once.
const BATCH: u32 = 50;

/// How long the last pass may take once shutdown has begun.
pub(super) const LAST_PASS_MAX: Duration = Duration::from_secs(5);

/// What can become of a try, as the `result` label says it.
const RESULTS: [&str; 4] = [DELIVERED, POSTPONED, REFUSED, GIVEN_UP];
const DELIVERED: &str = "delivered";
const POSTPONED: &str = "postponed";
const REFUSED: &str = "refused";
const GIVEN_UP: &str = "given_up";

/// Empties the outbox through the routes of the present plan.
pub struct Dispatcher {
    store: Store,
    routes: watch::Receiver<Routes>,
    bell: Arc<Notify>,
    clock: Clock,
    metrics: Arc<Metrics>,
    gates: BTreeMap<Route, Gate>,
    /// What has ended for good and could not be marked in the store. Never sent again while the mark is outstanding.
    unmarked: BTreeMap<NotificationId, Ending>,
    direct: Direct,
    vitals: Arc<Vitals>,
}

/// How a notification has ended.
#[derive(Clone, Debug)]
struct Ending {
    at: Timestamp,
    how: How,
    words: String,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum How {
    Delivered,
    GivenUp,
}

/// Whether a route works, and when it may be tried again if not.
#[derive(Clone, Copy, Debug, Default)]
struct Gate {
    /// Passes in vain, one after the other.
    failures: u32,
    closed_until: Option<Instant>,
    /// It works again, and what was put off meanwhile is still to be made due.
    has_recovered: bool,
}

impl Gate {
    fn is_open(&self, now: Instant) -> bool {
        self.closed_until.is_none_or(|until| until <= now)
    }

    fn fail(&mut self, now: Instant) {
        self.closed_until = Some(now + step(&REST_AFTER, REST_EVERY, self.failures));
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

impl Dispatcher {
    /// A dispatcher that has not begun. Whoever commits notifications rings `bell`.
    #[must_use]
    pub fn new(
        store: Store,
        routes: watch::Receiver<Routes>,
        bell: Arc<Notify>,
        clock: Clock,
        metrics: Arc<Metrics>,
    ) -> Self {
        for route in Route::ALL {
            for result in RESULTS {
                metrics.instruments.notifications.with_label_values(&[route.as_str(), result]).reset();
            }
        }
        Self {
            store,
            routes,
            bell,
            clock,
            metrics,
            gates: BTreeMap::new(),
            unmarked: BTreeMap::new(),
            direct: Direct::default(),
            vitals: Arc::default(),
        }
    }

    /// Takes what the store does not from `input`, and sends it past the outbox.
    #[must_use]
    pub fn with_direct(mut self, input: mpsc::Receiver<Notification>) -> Self {
        self.direct = Direct::new(input);
        self
    }

    /// Shows in `vitals` how it fares.
    #[must_use]
    pub(crate) fn with_vitals(mut self, vitals: Arc<Vitals>) -> Self {
        self.vitals = vitals;
        self
    }

    /// Works until `stop`, then makes a last pass, bounded in time.
    pub async fn run(mut self, stop: CancellationToken) {
        let time_is_up = async {
            stop.cancelled().await;
            sleep(LAST_PASS_MAX).await;
        };
        tokio::select! {
            () = self.work(&stop) => {}
            () = time_is_up => {
                tracing::warn!("shutdown cut off the last pass; what is undelivered stays in the outbox");
            }
        }
    }

    async fn work(&mut self, stop: &CancellationToken) {
        loop {
            let is_last = stop.is_cancelled();
            self.send_directly().await;
            let pause = self.look().await;
            if is_last {
                return;
            }
            let wake_at = Instant::now() + self.pause_of_direct().map_or(pause, |direct| pause.min(direct));
            self.wait(wake_at, stop).await;
        }
    }

    /// Waits until there is something to do, and shows that it is alive meanwhile.
    async fn wait(&mut self, wake_at: Instant, stop: &CancellationToken) {
        loop {
            let now = Instant::now();
            self.vitals.dispatcher.beat(now);
            tokio::select! {
                () = self.bell.notified() => return,
                () = tokio::time::sleep_until(wake_at) => return,
                () = sleep(BEAT_EVERY), if wake_at > now + BEAT_EVERY => {}
                () = stop.cancelled() => return,
                notification = self.direct.next() => {
                    self.direct.take(notification);
                    return;
                }
                Ok(()) = self.routes.changed() => {
                    // Another server deserves a try of its own.
                    self.gates.clear();
                    self.show_routes();
                    return;
                }
            }
        }
    }

    /// One has got through.
    fn note_success(&mut self, route: Route) {
        let gate = self.gate(route);
        if gate.failures > 0 {
            tracing::info!(route = route.as_str(), "the route works again");
            *gate = Gate { has_recovered: true, ..Gate::default() };
            self.direct.hasten(route);
            self.show_routes();
        }
    }

    /// None gets through at present.
    fn note_failure(&mut self, route: Route, words: String) {
        let gate = self.gate(route);
        gate.fail(Instant::now());
        if gate.failures == 1 {
            tracing::warn!(route = route.as_str(), why = words, "the route does not work; mail waits for it");
        }
        self.show_routes();
    }

    fn show_routes(&self) {
        let works = self.gates.values().all(|gate| gate.failures == 0);
        self.vitals.show_routes(works, Instant::now());
    }

    /// One pass over everything, and how long there is nothing to do after it.
    async fn look(&mut self) -> Duration {
        let done = match self.pass().await {
            Ok(()) => self.measure().await,
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

    async fn pass(&mut self) -> Result<(), StoreError> {
        while let Some((&id, ending)) = self.unmarked.iter().next() {
            mark(&self.store, id, ending.clone()).await?;
            self.unmarked.remove(&id);
        }
        let routes = self.routes.borrow_and_update().clone();
        for (&route, notifier) in &routes {
            let worked = self.drain(route, &**notifier).await;
            notifier.rest().await;
            worked?;
        }
        Ok(())
    }

    /// Sends what is due on one route until nothing is, or until the route turns out not to work.
    async fn drain(&mut self, route: Route, notifier: &dyn Notifier) -> Result<(), StoreError> {
        let mut settled = false;
        let mut deferred = false;
        while self.gate(route).is_open(Instant::now()) {
            if self.gate(route).has_recovered {
                answered(self.store.hasten(route, self.clock.now())).await?;
                self.gate(route).has_recovered = false;
            }
            let due = answered(self.store.due(route, self.clock.now(), BATCH)).await?;
            if due.is_empty() {
                break;
            }
            for one in due {
                match self.attempt(route, notifier, one).await? {
                    Tried::Settled => settled = true,
                    Tried::Deferred => deferred = true,
                    Tried::RouteIsDown => return Ok(()),
                }
            }
        }
        if deferred && !settled {
            // Nobody's mail is taken: whatever the reason, connecting again at once for the next one does not help.
            self.gate(route).fail(Instant::now());
            self.show_routes();
        }
        Ok(())
    }

    async fn attempt(
        &mut self,
        route: Route,
        notifier: &dyn Notifier,
        due: Due,
    ) -> Result<Tried, StoreError> {
        if let Some(ending) = self.direct.hand_back(&due.notification.message_id) {
            self.end(due.id, ending).await?;
            return Ok(Tried::Settled);
        }
        let age = age(due.notification.created_at, self.clock.now());
        self.vitals.dispatcher.beat(Instant::now());
        let delivery = notifier.send(&due.notification, age).await;
        let now = self.clock.now();
        match delivery {
            Delivery::Accepted(words) => {
                self.count(route, DELIVERED);
                tracing::info!(
                    incident = %due.notification.incident, event = due.notification.event.as_str(),
                    route = route.as_str(), recipient = due.notification.recipient, late_s = age.as_secs(),
                    answer = words, "delivered a notification"
                );
                self.note_success(route);
                self.end(due.id, Ending { at: now, how: How::Delivered, words }).await?;
                Ok(Tried::Settled)
            }
            Delivery::Permanent(words) => {
                self.count(route, REFUSED);
                self.give_up(route, &due, now, words).await?;
                Ok(Tried::Settled)
            }
            Delivery::Deferred(words) => {
                if due.tries == 0 {
                    tracing::warn!(
                        incident = %due.notification.incident, event = due.notification.event.as_str(),
                        route = route.as_str(), recipient = due.notification.recipient,
                        why = words, "a notification is not taken yet; it is tried again"
                    );
                }
                self.put_off(route, &due, age, words).await?;
                Ok(Tried::Deferred)
            }
            Delivery::Transient(words) => {
                self.note_failure(route, words.clone());
                self.put_off(route, &due, age, words).await?;
                Ok(Tried::RouteIsDown)
            }
        }
    }

    /// After a try in vain: later, or never if the notification was too old already when that try began.
    async fn put_off(
        &mut self,
        route: Route,
        due: &Due,
        age: Duration,
        words: String,
    ) -> Result<(), StoreError> {
        let now = self.clock.now();
        if age > GIVE_UP_AFTER && due.tries + 1 >= TRIES_MIN {
            self.count(route, GIVEN_UP);
            return self.give_up(route, due, now, words).await;
        }
        self.count(route, POSTPONED);
        let until = now + retry_after(due.tries, rand::random_range(-JITTER..=JITTER));
        answered(self.store.postpone(due.id, until, words)).await
    }

    async fn give_up(
        &mut self,
        route: Route,
        due: &Due,
        now: Timestamp,
        words: String,
    ) -> Result<(), StoreError> {
        tracing::error!(
            incident = %due.notification.incident, event = due.notification.event.as_str(),
            route = route.as_str(), recipient = due.notification.recipient, tries = due.tries + 1,
            why = words, "gave up a notification; tell this recipient by other means"
        );
        self.end(due.id, Ending { at: now, how: How::GivenUp, words }).await
    }

    /// Marks what has ended; a mark that fails is remembered and made up for, and nothing is sent twice meanwhile.
    async fn end(&mut self, id: NotificationId, ending: Ending) -> Result<(), StoreError> {
        crate::halt::here("before_mark");
        let marked = mark(&self.store, id, ending.clone()).await;
        if marked.is_err() {
            self.unmarked.insert(id, ending);
        }
        marked
    }

    /// Sets the gauges, and says how long there is nothing to do.
    async fn measure(&mut self) -> Result<Duration, StoreError> {
        let now = self.clock.now();
        let instruments = &self.metrics.instruments;
        for backlog in answered(self.store.backlog()).await? {
            let oldest = backlog.oldest.map_or(Duration::ZERO, |oldest| age(oldest, now));
            let labels = [backlog.route.as_str()];
            self.vitals.show_outbox(oldest, Instant::now());
            instruments.outbox_pending.with_label_values(&labels).set(i64::from(backlog.pending));
            instruments.outbox_oldest_age.with_label_values(&labels).set(oldest.as_secs_f64());
        }
        let routes: Vec<Route> = self.routes.borrow().keys().copied().collect();
        let mut pause = LOOK_EVERY;
        for route in routes {
            let Some(due_at) = answered(self.store.next_due_at(route)).await? else { continue };
            let until_open =
                self.gate(route).closed_until.map_or(Duration::ZERO, |until| until - Instant::now());
            pause = pause.min(age(now, due_at).max(until_open));
        }
        Ok(pause)
    }

    fn gate(&mut self, route: Route) -> &mut Gate {
        self.gates.entry(route).or_default()
    }

    fn count(&self, route: Route, result: &str) {
        self.metrics.instruments.notifications.with_label_values(&[route.as_str(), result]).inc();
    }
}

async fn mark(store: &Store, id: NotificationId, ending: Ending) -> Result<(), StoreError> {
    match ending.how {
        How::Delivered => answered(store.delivered(id, ending.at, ending.words)).await,
        How::GivenUp => answered(store.give_up(id, ending.at, ending.words)).await,
    }
}

/// Waits for the store, as long as there is hope.
async fn answered<T>(asked: impl Future<Output = Result<T, StoreError>>) -> Result<T, StoreError> {
    timeout(STORE_MAX, asked).await.unwrap_or(Err(StoreError::NoAnswer))
}

/// The span from one moment to another, zero if it would be negative.
fn age(from: Timestamp, to: Timestamp) -> Duration {
    Duration::try_from(to.duration_since(from)).unwrap_or_default()
}

/// When to try again after `tries` tries in vain before the present one. `jitter` is a share of the span.
fn retry_after(tries: u32, jitter: f64) -> Duration {
    let span = step(&RETRY_AFTER, RETRY_EVERY, tries);
    if span < RETRY_EVERY { span } else { span.mul_f64(1.0 + jitter) }
}

fn step(first: &[Duration], then: Duration, index: u32) -> Duration {
    usize::try_from(index).ok().and_then(|index| first.get(index).copied()).unwrap_or(then)
}
