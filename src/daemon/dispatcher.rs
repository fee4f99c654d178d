//! Works off the outbox. It takes no input: it wakes by the bell, by the next due time, or once a minute, and sends
//! what is due, so that nothing depends on anybody telling it what there is to send.
//!
//! At-least-once is the contract. A notification leaves the outbox when the other side has taken it, has refused it
//! for good, or when it has been tried for [`GIVE_UP_AFTER`]; until then it is tried again. Each way has a lane of its
//! own ([`lane`]), so that one that hangs holds up no other. A way that does not work is tried as a whole at most twice in
//! any minute once that is known, whatever the backlog, and drains as soon as one notification gets through.

mod lane;

use std::{collections::BTreeSet, convert::Infallible, sync::Arc, time::Duration};

use futures_util::{FutureExt, StreamExt, future::BoxFuture, stream::FuturesUnordered};
use tokio::{
    sync::{Notify, watch},
    time::sleep,
};
use tokio_util::sync::CancellationToken;

use self::lane::Lane;
use crate::{
    clock::Clock,
    domain::notification::{Route, Way},
    metrics::Metrics,
    notify::Routes,
    store::{Store, StoreError},
};

/// For how long a notification is tried before it is given up.
pub const GIVE_UP_AFTER: Duration = Duration::from_secs(5 * 24 * 60 * 60);

/// How long the last pass may take once shutdown has begun.
pub(super) const LAST_PASS_MAX: Duration = Duration::from_secs(5);

/// It looks at least this often, whatever it was told.
const LOOK_EVERY: Duration = Duration::from_secs(60);

/// How soon it looks again when the store has failed.
const STORE_RETRY: Duration = Duration::from_secs(5);

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
}

impl Shared {
    /// Shows what waits, by route.
    async fn show_backlog(&self) -> Result<(), StoreError> {
        let now = self.clock.now();
        let instruments = &self.metrics.instruments;
        for backlog in self.store.backlog().await? {
            let oldest = backlog.oldest.map_or(Duration::ZERO, |oldest| age(oldest, now));
            let labels = [backlog.route.as_str()];
            instruments.outbox_pending.with_label_values(&labels).set(i64::from(backlog.pending));
            instruments.outbox_oldest_age.with_label_values(&labels).set(oldest.as_secs_f64());
        }
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
        Self { shared: Arc::new(Shared { store, clock, metrics }), routes, bell }
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
        while !(stop.is_cancelled() && lanes.running.is_empty()) {
            tokio::select! {
                () = self.bell.notified() => lanes.ring(),
                Ok(()) = self.routes.changed() => tidying = self.adopt(&mut lanes),
                Some(ended) = lanes.running.next() => {
                    lanes.bells.retain(|(way, _)| *way != ended);
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
    for way in shared.store.pending_endpoints().await? {
        if !ways.contains(&way) {
            let (name, route) = (way.to_string(), way.route);
            let count = shared.store.abandon(way, shared.clock.now(), GONE).await?;
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

/// The span from one moment to another, zero if it would be negative.
fn age(from: jiff::Timestamp, to: jiff::Timestamp) -> Duration {
    Duration::try_from(to.duration_since(from)).unwrap_or_default()
}
