//! Works off the outbox. It wakes by the bell, by the next due time, or once a minute, and sends what is due, so that
//! nothing depends on anybody telling it what there is to send. Only what the store does not take is handed to it
//! ([`direct`]).
//!
//! At-least-once is the contract. A notification leaves the outbox when the other side has taken it, has refused it
//! for good, or when it has been tried for [`GIVE_UP_AFTER`]; until then it is tried again. Each way has a lane of its
//! own ([`lane`]), so that one that hangs holds up no other. A way that does not work is tried as a whole at most twice in
//! any minute once that is known, whatever the backlog, and drains as soon as one notification gets through.

mod direct;
mod lane;

use std::{
    borrow::Cow,
    collections::BTreeSet,
    convert::Infallible,
    future::poll_fn,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use futures_util::{FutureExt, StreamExt, future::BoxFuture, stream::FuturesUnordered};
use tokio::{
    sync::{Notify, mpsc, watch},
    time::{Instant, sleep, timeout},
};
use tokio_util::sync::CancellationToken;

use self::{direct::Direct, lane::Lane};
use crate::{
    clock::Clock,
    config::plan::Plan,
    daemon::vitals::Vitals,
    domain::notification::{Notification, Route, Way},
    metrics::Metrics,
    notify::Routes,
    store::{Store, StoreError},
    web::acknowledge,
};

/// For how long a notification is tried before it is given up.
pub const GIVE_UP_AFTER: Duration = Duration::from_secs(5 * 24 * 60 * 60);

/// How long the last pass may take once shutdown has begun.
pub(super) const LAST_PASS_MAX: Duration = Duration::from_secs(5);

/// It looks at least this often, whatever it was told.
const LOOK_EVERY: Duration = Duration::from_secs(60);

/// How soon it looks again when the store has failed.
const STORE_RETRY: Duration = Duration::from_secs(5);

/// A store that has not answered by then is taken for one that fails: what is handed over directly is not to wait for it.
const STORE_MAX: Duration = Duration::from_secs(7);

/// A lane shows a sign of life this often while it has nothing to do.
const BEAT_EVERY: Duration = Duration::from_secs(10);

/// What can become of a try, as the `result` label says it.
const RESULTS: [&str; 4] = [DELIVERED, POSTPONED, REFUSED, GIVEN_UP];
const DELIVERED: &str = "delivered";
const POSTPONED: &str = "postponed";
const REFUSED: &str = "refused";
const GIVEN_UP: &str = "given_up";

const GONE: &str = "the endpoint is not in the configuration any more";

/// Empties the outbox through the routes of the present plan.
pub struct Dispatcher {
    shared: Arc<Shared>,
    routes: watch::Receiver<Routes>,
    bell: Arc<Notify>,
}

/// What all lanes work with.
struct Shared {
    store: Store,
    clock: Clock,
    metrics: Arc<Metrics>,
    direct: Mutex<Direct>,
    vitals: Arc<Vitals>,
    /// By what plan links are made; none makes none.
    plans: Option<watch::Receiver<Arc<Plan>>>,
}

impl Shared {
    fn direct(&self) -> MutexGuard<'_, Direct> {
        self.direct.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// A notification as it leaves: where somebody is still to take its incident in hand, with the link for it. The link is
    /// made for each try and kept nowhere.
    fn leaving<'a>(&self, notification: &'a Notification) -> Cow<'a, Notification> {
        let link = || {
            let plan = self.plans.as_ref()?.borrow();
            let (url, token) = (plan.public_url.as_ref()?, plan.api_token.as_ref()?);
            acknowledge::link(url, token, &notification.incident)
        };
        let is_wanted = notification.content.facts.is_up_for_somebody();
        match is_wanted.then(link).flatten() {
            Some(link) => {
                let content = notification.content.with_acknowledge(&link);
                Cow::Owned(Notification { content, ..notification.clone() })
            }
            None => Cow::Borrowed(notification),
        }
    }

    /// Shows what waits, by route.
    async fn show_backlog(&self) -> Result<(), StoreError> {
        let now = self.clock.now();
        let instruments = &self.metrics.instruments;
        let mut oldest_of_all = Duration::ZERO;
        for backlog in answered(self.store.backlog()).await? {
            let oldest = backlog.oldest.map_or(Duration::ZERO, |oldest| age(oldest, now));
            oldest_of_all = oldest_of_all.max(oldest);
            let labels = [backlog.route.as_str()];
            instruments.outbox_pending.with_label_values(&labels).set(i64::from(backlog.pending));
            instruments.outbox_oldest_age.with_label_values(&labels).set(oldest.as_secs_f64());
        }
        self.vitals.show_outbox(oldest_of_all, Instant::now());
        Ok(())
    }

    fn count(&self, route: Route, result: &str) {
        self.metrics.instruments.notifications.with_label_values(&[route.as_str(), result]).inc();
    }
}

/// The lanes at work, each with the bell that wakes it.
struct Lanes<'a> {
    stop: &'a CancellationToken,
    running: FuturesUnordered<BoxFuture<'a, Way>>,
    bells: Vec<(Way, Arc<Notify>)>,
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
        let (direct, vitals) = (Mutex::default(), Arc::default());
        let shared = Shared { store, clock, metrics, direct, vitals, plans: None };
        Self { shared: Arc::new(shared), routes, bell }
    }

    /// Takes what the store does not from `input`, and sends it past the outbox.
    #[must_use]
    pub fn with_direct(self, input: mpsc::Receiver<Notification>) -> Self {
        *self.shared.direct() = Direct::new(input);
        self
    }

    /// Adds the links by which incidents are acknowledged, as the present plan has them.
    #[must_use]
    pub fn with_plans(mut self, plans: watch::Receiver<Arc<Plan>>) -> Self {
        // Nobody shares it before it runs.
        if let Some(shared) = Arc::get_mut(&mut self.shared) {
            shared.plans = Some(plans);
        }
        self
    }

    /// Shows in `vitals` how it fares.
    #[must_use]
    pub(crate) fn with_vitals(mut self, vitals: Arc<Vitals>) -> Self {
        // Nobody shares it before it runs.
        if let Some(shared) = Arc::get_mut(&mut self.shared) {
            shared.vitals = vitals;
        }
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
        let mut lanes = Lanes { stop, running: FuturesUnordered::new(), bells: Vec::new() };
        let mut tidying = self.adopt(&mut lanes);
        let shared = Arc::clone(&self.shared);
        while !(stop.is_cancelled() && lanes.running.is_empty()) {
            tokio::select! {
                () = poll_fn(|cx| shared.direct().poll_taken(cx)) => lanes.ring(),
                () = self.bell.notified() => lanes.ring(),
                Ok(()) = self.routes.changed() => tidying = self.adopt(&mut lanes),
                Some(ended) = lanes.running.next() => {
                    lanes.bells.retain(|(way, _)| *way != ended);
                    self.shared.vitals.forget_lane(&ended);
                    // It may have come back while its lane was ending.
                    if !stop.is_cancelled() && self.routes.borrow().contains_key(&ended) {
                        tidying = self.adopt(&mut lanes);
                    }
                }
                never = &mut tidying => match never {},
                () = stop.cancelled(), if lanes.running.is_empty() => {}
            }
        }
    }

    /// Gives every new way a lane; one whose way is gone ends by itself. What is to be done besides is done by the future
    /// that is given.
    fn adopt(&mut self, lanes: &mut Lanes<'_>) -> BoxFuture<'static, Infallible> {
        let ways: BTreeSet<Way> = self.routes.borrow_and_update().keys().cloned().collect();
        for way in &ways {
            if lanes.bells.iter().all(|(known, _)| known != way) {
                let bell = Arc::new(Notify::new());
                let lane = Lane::new(way.clone(), Arc::clone(&self.shared), self.routes.clone());
                lanes.running.push(lane.run(Arc::clone(&bell), lanes.stop.clone()).boxed());
                lanes.bells.push((way.clone(), bell));
            }
        }
        self.abandon_directly(&ways);
        tidy(Arc::clone(&self.shared), ways).boxed()
    }
}

impl Lanes<'_> {
    fn ring(&self) {
        self.bells.iter().for_each(|(_, bell)| bell.notify_one());
    }
}

/// Gives up what waits for an endpoint that the plan does not have: nobody could ever send it. From then on it shows what
/// waits, also where there is no lane that would.
async fn tidy(shared: Arc<Shared>, ways: BTreeSet<Way>) -> Infallible {
    let mut is_tidy = false;
    loop {
        let done = match is_tidy {
            true => shared.show_backlog().await,
            false => abandon(&shared, &ways).await,
        };
        match done {
            Ok(()) if is_tidy => sleep(LOOK_EVERY).await,
            Ok(()) => is_tidy = true,
            Err(error) => {
                tracing::warn!(%error, "the outbox is out of reach; nothing is lost, mail waits");
                sleep(STORE_RETRY).await;
            }
        }
    }
}

async fn abandon(shared: &Shared, ways: &BTreeSet<Way>) -> Result<(), StoreError> {
    for way in answered(shared.store.pending_endpoints()).await? {
        if !ways.contains(&way) {
            let (name, route) = (way.to_string(), way.route);
            let count = answered(shared.store.abandon(way, shared.clock.now(), GONE)).await?;
            for _ in 0..count {
                shared.count(route, GIVEN_UP);
            }
            tracing::error!(
                endpoint = name,
                count,
                why = GONE,
                "gave up notifications; tell people by other means"
            );
        }
    }
    Ok(())
}

/// Waits for the store, as long as there is hope.
async fn answered<T>(asked: impl Future<Output = Result<T, StoreError>>) -> Result<T, StoreError> {
    timeout(STORE_MAX, asked).await.unwrap_or(Err(StoreError::NoAnswer))
}

/// The span from one moment to another, zero if it would be negative.
fn age(from: jiff::Timestamp, to: jiff::Timestamp) -> Duration {
    Duration::try_from(to.duration_since(from)).unwrap_or_default()
}
