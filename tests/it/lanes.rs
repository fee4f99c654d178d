//! The dispatcher's lanes on a paused clock: one for each way, each with its own gate, and one more try for a second way.

use std::{
    sync::{Arc, Mutex},
    time::Duration,
};

use lamplighter::{
    clock::Clock,
    daemon::dispatcher::Dispatcher,
    domain::{
        incident::IncidentEvent,
        notification::{Notification, Route, Way},
    },
    metrics::Metrics,
    notify::{Delivery, Notifier, Routes, SendFuture},
    store::Store,
};
use tempfile::TempDir;
use tokio::{
    sync::{Notify, watch},
    task::JoinSet,
    time::{Instant, sleep},
};
use tokio_util::sync::CancellationToken;

use crate::samples::{announcement, decision, start};

/// An endpoint that is played.
struct Played {
    takes: Duration,
    answer: Mutex<Delivery>,
    second_way_after: Option<Duration>,
    tries: Mutex<Vec<Instant>>,
}

impl Played {
    fn new(takes: Duration, answer: Delivery) -> Arc<Self> {
        Arc::new(Self { takes, answer: Mutex::new(answer), second_way_after: None, tries: Mutex::default() })
    }

    /// The tries, in seconds after a moment.
    fn tries_after(&self, from: Instant) -> Vec<f64> {
        let since = |at: &Instant| ((*at - from).as_secs_f64() * 10.0).round() / 10.0;
        self.tries.lock().unwrap().iter().map(since).collect()
    }
}

impl Notifier for Played {
    fn send<'a>(&'a self, _: &'a Notification, _: Duration) -> SendFuture<'a> {
        Box::pin(async move {
            self.tries.lock().unwrap().push(Instant::now());
            sleep(self.takes).await;
            self.answer.lock().unwrap().clone()
        })
    }

    fn second_way_after(&self) -> Option<Duration> {
        self.second_way_after
    }
}

fn taken() -> Delivery {
    Delivery::Accepted("200".to_owned())
}

fn away() -> Delivery {
    Delivery::Transient("connecting: refused".to_owned())
}

/// A dispatcher at work.
struct House {
    _directory: TempDir,
    store: Store,
    bell: Arc<Notify>,
    clock: Clock,
    routes: watch::Sender<Routes>,
    stop: CancellationToken,
    tasks: JoinSet<()>,
}

fn routes<const N: usize>(ways: [(Way, &Arc<Played>); N]) -> Routes {
    ways.into_iter().map(|(way, played)| (way, Arc::clone(played) as Arc<dyn Notifier>)).collect()
}

fn webhook(id: &str) -> Way {
    Way::to(Route::Webhook, id)
}

impl House {
    fn with(ways: Routes) -> Self {
        let directory = tempfile::tempdir().unwrap();
        let store = Store::open(&directory.path().join("lamplighter.db")).unwrap();
        let (routes, heard) = watch::channel(ways);
        let (bell, clock, stop) =
            (Arc::new(Notify::new()), Clock::following(start()), CancellationToken::new());
        let metrics = Arc::new(Metrics::new());
        let dispatcher = Dispatcher::new(store.clone(), heard, Arc::clone(&bell), clock, metrics);
        let mut tasks = JoinSet::new();
        tasks.spawn(dispatcher.run(stop.clone()));
        Self { _directory: directory, store, bell, clock, routes, stop, tasks }
    }

    async fn tell(&self, incident: &str, ways: &[Way]) {
        let recipients: Vec<&str> =
            ways.iter().map(|way| way.endpoint.as_deref().unwrap_or("anna@example.com")).collect();
        let decision = decision("web-chat", incident, IncidentEvent::Opened, self.clock.now());
        let mut announcement = announcement(&decision, &recipients);
        for (notification, way) in announcement.notifications.iter_mut().zip(ways) {
            notification.route = way.route;
        }
        self.store.commit(vec![decision]).await.unwrap();
        self.store.announce(announcement, self.clock.now()).await.unwrap();
        self.bell.notify_one();
    }

    async fn pending(&self, route: Route) -> u32 {
        let backlog = self.store.backlog().await.unwrap();
        backlog.iter().find(|one| one.route == route).unwrap().pending
    }

    async fn end(mut self) {
        self.stop.cancel();
        while let Some(done) = self.tasks.join_next().await {
            done.unwrap();
        }
    }
}

#[tokio::test(start_paused = true)]
async fn a_way_that_hangs_delays_no_other_and_one_that_is_away_closes_its_own_gate_alone() {
    let hanging = Played::new(Duration::from_secs(30), away());
    let gone = Played::new(Duration::ZERO, away());
    let (well, mail) = (Played::new(Duration::ZERO, taken()), Played::new(Duration::ZERO, taken()));
    let ways = [webhook("hanging"), webhook("gone"), webhook("well"), Route::Mail.into()];
    let house = House::with(routes([
        (ways[0].clone(), &hanging),
        (ways[1].clone(), &gone),
        (ways[2].clone(), &well),
        (ways[3].clone(), &mail),
    ]));
    let told = Instant::now();
    house.tell("i1", &ways).await;
    sleep(Duration::from_secs(7)).await;
    house.tell("i2", &ways).await;
    sleep(Duration::from_secs(20)).await;
    assert_eq!(well.tries_after(told), [0.0, 7.0]);
    assert_eq!(mail.tries_after(told), [0.0, 7.0]);
    assert_eq!(gone.tries_after(told), [0.0, 5.0, 20.0], "by its gate, whatever comes in");
    assert_eq!(hanging.tries_after(told), [0.0]);
    house.end().await;
}

#[tokio::test(start_paused = true)]
async fn an_endpoint_that_asks_for_a_pause_has_it() {
    let busy = Played::new(Duration::ZERO, Delivery::Busy("429".to_owned(), Duration::from_secs(40)));
    let house = House::with(routes([(webhook("busy"), &busy)]));
    let told = Instant::now();
    house.tell("i1", &[webhook("busy")]).await;
    sleep(Duration::from_secs(39)).await;
    *busy.answer.lock().unwrap() = taken();
    sleep(Duration::from_secs(10)).await;
    assert_eq!(busy.tries_after(told), [0.0, 40.0]);
    assert_eq!(house.pending(Route::Webhook).await, 0);
    house.end().await;
}

#[tokio::test(start_paused = true)]
async fn a_notification_is_tried_again_at_the_moment_from_which_it_has_a_second_way() {
    let mail = Arc::new(Played {
        takes: Duration::ZERO,
        answer: Mutex::new(away()),
        second_way_after: Some(Duration::from_secs(120)),
        tries: Mutex::default(),
    });
    let house = House::with(routes([(Route::Mail.into(), &mail)]));
    let told = Instant::now();
    house.tell("i1", &[Route::Mail.into()]).await;
    sleep(Duration::from_secs(130)).await;
    assert_eq!(mail.tries_after(told), [0.0, 5.0, 20.0, 65.0, 120.0]);
    house.end().await;
}

#[tokio::test(start_paused = true)]
async fn ways_come_and_go_with_the_plan_and_what_waits_for_one_that_is_gone_is_given_up() {
    let (gone, new) = (Played::new(Duration::ZERO, away()), Played::new(Duration::ZERO, taken()));
    let house = House::with(routes([(webhook("gone"), &gone)]));
    house.tell("i1", &[webhook("gone")]).await;
    sleep(Duration::from_secs(3)).await;
    assert_eq!(house.pending(Route::Webhook).await, 1);
    house.routes.send_replace(routes([(webhook("new"), &new)]));
    sleep(Duration::from_secs(1)).await;
    assert_eq!(house.pending(Route::Webhook).await, 0, "nobody could ever send it");
    house.tell("i2", &[webhook("new")]).await;
    sleep(Duration::from_secs(1)).await;
    assert_eq!((gone.tries.lock().unwrap().len(), new.tries.lock().unwrap().len()), (1, 1));

    // One that comes back has a gate that is open.
    *gone.answer.lock().unwrap() = taken();
    house.routes.send_replace(routes([(webhook("gone"), &gone), (webhook("new"), &new)]));
    house.tell("i3", &[webhook("gone"), webhook("new")]).await;
    sleep(Duration::from_secs(1)).await;
    assert_eq!((gone.tries.lock().unwrap().len(), new.tries.lock().unwrap().len()), (2, 2));
    house.end().await;
}
