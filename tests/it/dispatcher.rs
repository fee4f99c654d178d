//! The dispatcher over a real store, on a paused clock, against a mail server that is played: outages of hours and
//! days pass in seconds.

use std::{
    collections::{BTreeMap, HashMap},
    path::PathBuf,
    sync::{Arc, Mutex},
    time::Duration,
};

use lamplighter::{
    clock::Clock,
    daemon::dispatcher::{Dispatcher, GIVE_UP_AFTER},
    domain::{
        incident::IncidentEvent,
        notification::{Notification, Route},
    },
    metrics::Metrics,
    notify::{Delivery, Notifier, RestFuture, Routes, SendFuture},
    store::Store,
};
use tempfile::TempDir;
use tokio::{
    sync::{Notify, watch},
    task::JoinSet,
    time::{Instant, sleep, sleep_until},
};
use tokio_util::sync::CancellationToken;

use crate::samples::{commit, decision, start};

const ANNA: &str = "anna@example.com";
const BERT: &str = "bert@example.com";
const MINUTE: Duration = Duration::from_secs(60);
const HOUR: Duration = Duration::from_secs(60 * 60);

/// How the played server behaves.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Mode {
    Up,
    /// The connection is refused at once.
    Refuse,
    /// It greets with 421 and closes.
    Closing,
    /// It takes the session and answers every recipient with 451.
    Later,
    /// It accepts and says nothing, until the time limit.
    Stall,
    /// The handshake fails.
    BrokenTls,
}

const OUTAGES: [Mode; 5] = [Mode::Refuse, Mode::Closing, Mode::Later, Mode::Stall, Mode::BrokenTls];

/// A mail server that is played at the trait, with what happened to it.
#[derive(Default)]
struct Played {
    now: Mutex<Option<Mode>>,
    /// Recipients that it refuses for good.
    unknown: Vec<&'static str>,
    connected: Mutex<bool>,
    connects: Mutex<Vec<Instant>>,
    tries: Mutex<Vec<(Instant, String)>>,
    taken: Mutex<Vec<(Instant, Notification, Duration)>>,
}

impl Played {
    fn set(&self, mode: Mode) {
        *self.now.lock().unwrap() = Some(mode);
    }

    fn mode(&self) -> Mode {
        self.now.lock().unwrap().unwrap_or(Mode::Up)
    }

    fn taken(&self) -> Vec<(Instant, Notification, Duration)> {
        self.taken.lock().unwrap().clone()
    }

    fn connect(&self) {
        let was_connected = std::mem::replace(&mut *self.connected.lock().unwrap(), true);
        if !was_connected {
            self.connects.lock().unwrap().push(Instant::now());
        }
    }

    fn disconnect(&self) {
        *self.connected.lock().unwrap() = false;
    }
}

impl Notifier for Played {
    fn send<'a>(&'a self, notification: &'a Notification, late: Duration) -> SendFuture<'a> {
        Box::pin(async move {
            self.connect();
            self.tries.lock().unwrap().push((Instant::now(), notification.message_id.clone()));
            let down = |words: &str| {
                self.disconnect();
                Delivery::Transient(words.to_owned())
            };
            match self.mode() {
                Mode::Refuse => down("connecting: connection refused"),
                Mode::Closing => {
                    sleep(Duration::from_millis(40)).await;
                    down("greeting: the server said 421")
                }
                Mode::Stall => {
                    sleep(Duration::from_secs(30)).await;
                    down("greeting: no answer within 30 s")
                }
                Mode::BrokenTls => {
                    sleep(Duration::from_millis(80)).await;
                    down("TLS handshake: certificate expired")
                }
                Mode::Later => {
                    sleep(Duration::from_millis(120)).await;
                    Delivery::Deferred("RCPT TO: the server said 451".to_owned())
                }
                Mode::Up if self.unknown.contains(&notification.recipient.as_str()) => {
                    Delivery::Permanent("RCPT TO: the server said 550".to_owned())
                }
                Mode::Up => {
                    sleep(Duration::from_millis(150)).await;
                    self.taken.lock().unwrap().push((Instant::now(), notification.clone(), late));
                    Delivery::Accepted("250 ok".to_owned())
                }
            }
        })
    }

    fn rest(&self) -> RestFuture<'_> {
        self.disconnect();
        Box::pin(async {})
    }
}

/// A dispatcher at work.
struct House {
    _directory: TempDir,
    path: PathBuf,
    store: Store,
    server: Arc<Played>,
    bell: Arc<Notify>,
    clock: Clock,
    metrics: Arc<Metrics>,
    stop: CancellationToken,
    tasks: JoinSet<()>,
}

impl House {
    fn with(server: Played) -> Self {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("lamplighter.db");
        let mut house = Self {
            store: Store::open(&path).unwrap(),
            _directory: directory,
            path,
            server: Arc::new(server),
            bell: Arc::default(),
            clock: Clock::following(start()),
            metrics: Arc::new(Metrics::new()),
            stop: CancellationToken::new(),
            tasks: JoinSet::new(),
        };
        house.begin();
        house
    }

    fn begin(&mut self) {
        let route: Arc<dyn Notifier> = Arc::clone(&self.server) as _;
        let (_, routes) = watch::channel(Routes::from([(Route::Mail.into(), route)]));
        let (bell, metrics) = (Arc::clone(&self.bell), Arc::clone(&self.metrics));
        let dispatcher = Dispatcher::new(self.store.clone(), routes, bell, self.clock, metrics);
        self.tasks.spawn(dispatcher.run(self.stop.clone()));
    }

    /// Commits as the evaluator does, and rings.
    async fn tell(&self, incident: &str, event: IncidentEvent, recipients: &[&str]) {
        let decision = decision("web-chat", incident, event, self.clock.now());
        commit(&self.store, decision, recipients).await.unwrap();
        self.bell.notify_one();
    }

    async fn pending(&self) -> u32 {
        self.store.backlog().await.unwrap()[0].pending
    }

    async fn end(mut self) {
        self.stop.cancel();
        while let Some(done) = self.tasks.join_next().await {
            done.unwrap();
        }
    }

    fn counted(&self, result: &str) -> u64 {
        self.metrics.instruments.notifications.with_label_values(&["mail", result]).get()
    }

    /// What a metric shows for the route.
    fn shown(&self, metric: &str) -> f64 {
        let text: Vec<u8> = self.metrics.expose().flatten().collect();
        let text = String::from_utf8(text).unwrap();
        let value = text.lines().find_map(|line| line.strip_prefix(&format!("{metric}{{route=\"mail\"}} ")));
        value.unwrap().parse().unwrap()
    }
}

/// Most connects in any minute that begins with one of these.
fn most_in_a_minute(connects: &[Instant]) -> usize {
    let in_minute_from =
        |from: &Instant| connects.iter().filter(|at| (*from..*from + MINUTE).contains(at)).count();
    connects.iter().map(in_minute_from).max().unwrap_or(0)
}

/// For every incident and recipient, the events in the order in which they were taken.
fn threads(taken: &[(Instant, Notification, Duration)]) -> BTreeMap<(String, String), Vec<IncidentEvent>> {
    let mut threads: BTreeMap<_, Vec<_>> = BTreeMap::new();
    for (_, notification, _) in taken {
        let thread = (notification.incident.0.clone(), notification.recipient.clone());
        threads.entry(thread).or_default().push(notification.event);
    }
    threads
}

#[tokio::test(start_paused = true)]
async fn a_notification_leaves_as_soon_as_the_bell_rings_and_once() {
    let house = House::with(Played::default());
    sleep(Duration::from_secs(7)).await;
    let rung = Instant::now();
    house.tell("i1", IncidentEvent::Opened, &[ANNA, BERT]).await;
    sleep(2 * HOUR).await;

    let taken = house.server.taken();
    assert_eq!(taken.len(), 2);
    assert!(taken[1].0 - rung < Duration::from_secs(1));
    assert!(taken[0].2 < Duration::from_secs(1), "it is on time");
    assert_eq!(house.server.connects.lock().unwrap().len(), 1, "one connection carries both");
    assert_eq!(house.counted("delivered"), 2);
    house.end().await;
}

#[tokio::test(start_paused = true)]
async fn a_bell_that_nobody_rings_costs_a_minute_at_most() {
    let house = House::with(Played::default());
    sleep(Duration::from_secs(7)).await;
    let decision = decision("web-chat", "i1", IncidentEvent::Opened, house.clock.now());
    commit(&house.store, decision, &[ANNA]).await.unwrap();
    sleep(MINUTE).await;
    assert_eq!(house.server.taken().len(), 1);
    house.end().await;
}

#[tokio::test(start_paused = true)]
async fn retries_come_after_5_s_15_s_45_s_2_min_and_then_every_5_min_or_so() {
    let house = House::with(Played::default());
    house.server.set(Mode::Refuse);
    house.tell("i1", IncidentEvent::Opened, &[ANNA]).await;
    sleep(HOUR).await;

    let tries: Vec<Instant> = house.server.tries.lock().unwrap().iter().map(|(at, _)| *at).collect();
    let gaps: Vec<f64> = tries.windows(2).map(|pair| (pair[1] - pair[0]).as_secs_f64()).collect();
    for (gap, expected) in gaps.iter().zip([5.0, 15.0, 45.0, 120.0]) {
        assert!((gap - expected).abs() < 0.1, "{gaps:?}");
    }
    assert!(gaps.len() >= 14, "{gaps:?}");
    assert!(gaps[4..].iter().all(|gap| (269.0..331.0).contains(gap)), "{gaps:?}");
    assert!(gaps[4..].iter().any(|gap| (gap - 300.0).abs() > 1.0), "there is jitter: {gaps:?}");
    house.end().await;
}

/// Plays an outage of the mail server, with outages of channels before, during and at the end of it.
async fn outage(mode: Mode, length: Duration, incidents: u32, recipients: &[&str]) -> String {
    let house = House::with(Played::default());
    house.tell("before", IncidentEvent::Opened, recipients).await;
    sleep(MINUTE).await;
    assert_eq!(house.server.taken().len(), recipients.len());
    house.server.connects.lock().unwrap().clear();

    house.server.set(mode);
    let down = Instant::now();
    house.tell("before", IncidentEvent::Resolved, recipients).await;
    for index in 0..incidents {
        let id = format!("during-{index:03}");
        sleep_until(down + length * index / incidents + Duration::from_secs(11)).await;
        house.tell(&id, IncidentEvent::Opened, recipients).await;
        sleep(2 * MINUTE).await;
        house.tell(&id, IncidentEvent::Resolved, recipients).await;
    }
    sleep_until(down + length).await;
    let connects = house.server.connects.lock().unwrap().clone();
    assert_eq!(house.server.taken().len(), recipients.len(), "nothing gets through");
    let first = connects.iter().filter(|at| **at - connects[0] < MINUTE).count();
    let most = most_in_a_minute(&connects[1..]);
    assert!(first <= 3, "{first} connects in the first minute, of which the first finds it out");
    assert!(most <= 2, "{most} connects in a later minute");
    let waiting = house.pending().await;
    assert_eq!(house.shown("lamplighter_outbox_pending"), f64::from(waiting));
    let oldest = Duration::from_secs_f64(house.shown("lamplighter_outbox_oldest_age_seconds"));
    assert!(oldest <= length && oldest + 2 * MINUTE >= length, "{oldest:?} of {length:?}");

    house.server.set(Mode::Up);
    let up = Instant::now();
    while house.pending().await > 0 {
        sleep(Duration::from_secs(1)).await;
        assert!(up.elapsed() < 6 * MINUTE, "not drained");
    }
    let drained = up.elapsed();
    sleep(Duration::from_secs(1)).await;
    assert_eq!(house.shown("lamplighter_outbox_pending"), 0.0);
    assert_eq!(house.shown("lamplighter_outbox_oldest_age_seconds"), 0.0);
    let taken = house.server.taken();
    let mut copies: HashMap<&str, u32> = HashMap::new();
    for (_, notification, _) in &taken {
        *copies.entry(notification.message_id.as_str()).or_default() += 1;
    }
    assert_eq!(copies.len(), 2 * recipients.len() * (incidents as usize + 1), "nothing is lost");
    assert!(copies.values().all(|&count| count == 1), "nothing is doubled");
    for (thread, events) in threads(&taken) {
        assert_eq!(events, [IncidentEvent::Opened, IncidentEvent::Resolved], "{thread:?}");
    }
    let latest = taken.iter().map(|(_, _, late)| *late).max().unwrap();
    assert!(latest >= length - MINUTE, "the oldest says how late it is: {latest:?}");
    let figures = format!(
        "{mode:?} for {} h: {} mails, {} connects, {first} in the first minute and at most {most} in any later one, drained {:.0} s after the server came back",
        length.as_secs() / 3600,
        copies.len(),
        connects.len(),
        drained.as_secs_f64()
    );
    house.end().await;
    figures
}

#[tokio::test(start_paused = true)]
async fn a_mail_server_down_for_six_hours_loses_no_mail() {
    for mode in OUTAGES {
        println!("{}", outage(mode, 6 * HOUR, 12, &[ANNA, BERT]).await);
    }
}

#[tokio::test(start_paused = true)]
async fn a_mail_server_down_for_five_days_loses_no_mail() {
    for mode in OUTAGES {
        println!("{}", outage(mode, GIVE_UP_AFTER, 1, &[ANNA]).await);
    }
}

#[tokio::test(start_paused = true)]
async fn after_five_days_a_notification_is_given_up_visibly() {
    let house = House::with(Played::default());
    house.server.set(Mode::Refuse);
    house.tell("i1", IncidentEvent::Opened, &[ANNA]).await;
    sleep(GIVE_UP_AFTER - MINUTE).await;
    assert_eq!((house.pending().await, house.counted("given_up")), (1, 0));
    sleep(10 * MINUTE).await;
    assert_eq!((house.pending().await, house.counted("given_up")), (0, 1));
    house.end().await;
}

#[tokio::test(start_paused = true)]
async fn a_refusal_for_one_recipient_touches_nobody_else() {
    let house = House::with(Played { unknown: vec![ANNA], ..Played::default() });
    house.tell("i1", IncidentEvent::Opened, &[ANNA, BERT]).await;
    house.tell("i1", IncidentEvent::Resolved, &[ANNA, BERT]).await;
    sleep(Duration::from_secs(5)).await;

    let threads = threads(&house.server.taken());
    assert_eq!(threads.len(), 1);
    assert_eq!(
        threads[&("i1".to_owned(), BERT.to_owned())],
        [IncidentEvent::Opened, IncidentEvent::Resolved]
    );
    assert_eq!((house.counted("refused"), house.counted("delivered")), (2, 2));
    assert_eq!(house.pending().await, 0);
    house.end().await;
}

#[tokio::test(start_paused = true)]
async fn a_restart_in_the_middle_of_an_outage_forgets_nothing() {
    let mut house = House::with(Played::default());
    house.server.set(Mode::Refuse);
    house.tell("i1", IncidentEvent::Opened, &[ANNA]).await;
    sleep(HOUR).await;
    house.stop.cancel();
    while house.tasks.join_next().await.is_some() {}

    sleep(HOUR).await;
    house.server.set(Mode::Up);
    house.stop = CancellationToken::new();
    house.begin();
    sleep(Duration::from_secs(1)).await;
    let taken = house.server.taken();
    assert_eq!(taken.len(), 1);
    assert!(taken[0].2 >= 2 * HOUR);
    house.end().await;
}

#[tokio::test(start_paused = true)]
async fn shutdown_sends_what_is_due_and_waits_no_longer_than_five_seconds() {
    let house = House::with(Played::default());
    sleep(Duration::from_secs(1)).await;
    let decision = decision("web-chat", "i1", IncidentEvent::Opened, house.clock.now());
    commit(&house.store, decision, &[ANNA]).await.unwrap();
    let server = Arc::clone(&house.server);
    house.end().await;
    assert_eq!(server.taken().len(), 1, "without a bell, in the last pass");

    let house = House::with(Played::default());
    house.server.set(Mode::Stall);
    house.tell("i1", IncidentEvent::Opened, &[ANNA]).await;
    sleep(Duration::from_secs(1)).await;
    let (store, asked) = (house.store.clone(), Instant::now());
    house.end().await;
    assert!(asked.elapsed() <= Duration::from_secs(6));
    assert_eq!(store.backlog().await.unwrap()[0].pending, 1, "it stays in the outbox");
}

#[tokio::test(start_paused = true)]
async fn a_delivery_that_the_store_cannot_note_is_not_repeated() {
    let house = House::with(Played::default());
    house.tell("i1", IncidentEvent::Opened, &[ANNA]).await;
    // The mail is on its way for 150 ms; meanwhile somebody else takes the database.
    sleep(Duration::from_millis(50)).await;
    let other = rusqlite::Connection::open(&house.path).unwrap();
    other.execute_batch("BEGIN IMMEDIATE").unwrap();
    sleep(Duration::from_secs(2)).await;
    assert_eq!(house.server.taken().len(), 1);
    other.execute_batch("ROLLBACK").unwrap();
    drop(other);
    sleep(MINUTE).await;
    assert_eq!(house.pending().await, 0);
    assert_eq!(house.server.taken().len(), 1);
    house.end().await;
}

#[tokio::test(start_paused = true)]
async fn a_route_that_works_again_drains_at_once_even_if_the_store_cannot_note_its_first_delivery() {
    let house = House::with(Played::default());
    house.server.set(Mode::Refuse);
    let recipients = ["a@example.com", "b@example.com", "c@example.com", "d@example.com", "e@example.com"];
    house.tell("i1", IncidentEvent::Opened, &recipients).await;
    sleep(HOUR).await;
    let saboteur = rusqlite::Connection::open(&house.path).unwrap();
    saboteur
        .execute_batch(
            "CREATE TRIGGER planted BEFORE UPDATE OF status ON outbox BEGIN SELECT RAISE(ABORT, 'planted'); END",
        )
        .unwrap();
    house.server.set(Mode::Up);
    while house.server.taken().is_empty() {
        sleep(Duration::from_secs(1)).await;
    }
    sleep(2 * MINUTE).await;
    assert_eq!(house.server.taken().len(), 1, "nothing more is sent while nothing can be noted");
    saboteur.execute_batch("DROP TRIGGER planted").unwrap();
    sleep(Duration::from_secs(10)).await;
    assert_eq!(house.server.taken().len(), recipients.len());
    assert_eq!(house.pending().await, 0);
    house.end().await;
}
